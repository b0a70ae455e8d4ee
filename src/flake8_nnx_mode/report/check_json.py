"""What ``nnx-mode check`` found, for programs; ``docs/check.schema.json`` describes it."""

import json
from collections.abc import Sequence
from typing import TextIO

from flake8_nnx_mode import __version__
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Fix
from flake8_nnx_mode.report import places
from flake8_nnx_mode.report.names import known
from flake8_nnx_mode.report.rows import Row, checked


def write(files: Sequence[Checked], file: TextIO) -> None:
    """Write one object to ``file``."""
    whole = {"version": __version__, "findings": [_finding(row) for row in checked(files)]}
    json.dump(whole, file, indent=2)
    file.write("\n")


def _finding(row: Row) -> dict[str, object]:
    finding = row.finding
    return {
        "path": row.path,
        **places.fields(finding.span),
        "code": finding.code,
        "name": known(finding.code).name,
        "message": finding.message,
        "fix": finding.fix and _fix(finding.fix),
    }


def _fix(fix: Fix) -> dict[str, object]:
    return {
        "applicability": fix.applicability,
        "edits": [{**places.fields(edit.span), "text": edit.text} for edit in fix.edits],
    }
