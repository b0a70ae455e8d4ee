"""What ``nnx-mode check`` found, for people and editors: one line for each finding."""

from collections.abc import Sequence
from typing import TextIO

from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.report.rows import Row, checked
from flake8_nnx_mode.report.summary import MARK, fixable, summary
from flake8_nnx_mode.report.wording import one_line


def write(files: Sequence[Checked], file: TextIO) -> None:
    """Write to ``file``, never coloured."""
    for line in (*map(_line, checked(files)), *summary(files)):
        print(line, file=file)


def _line(row: Row) -> str:
    finding = row.finding
    mark = f" {MARK}" if fixable(finding) else ""
    return one_line(f"{row.place}: {finding.code}{mark} {finding.message}")
