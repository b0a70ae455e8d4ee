"""Findings as annotations in GitHub Actions: workflow commands, which a job prints."""

import os
from collections.abc import Iterable
from typing import TextIO

from flake8_nnx_mode.report.names import known
from flake8_nnx_mode.report.rows import Row

# What actions/toolkit escapes, in packages/core/src/command.ts.
_IN_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def write(rows: Iterable[Row], file: TextIO) -> None:
    """Write a line for each of ``rows`` to ``file``."""
    for row in rows:
        properties = ",".join(
            f"{key}={str(value).translate(_IN_PROPERTIES)}"
            for key, value in _properties(row).items()
        )
        data = f"{row.place}: {row.finding.code} {row.finding.message}".translate(_IN_DATA)
        print(f"::error {properties}::{data}", file=file)


def _properties(row: Row) -> dict[str, object]:
    start, end = row.finding.span.start, row.finding.span.end
    lines = {
        "title": f"{row.finding.code} {known(row.finding.code).name}",
        # Relative ones count from the workspace, not from a step's working-directory.
        "file": os.path.abspath(row.path),
        "line": start.line,
    }
    if start.line != end.line:  # GitHub takes columns within one line only
        return {**lines, "endLine": end.line}
    columns = {"col": start.column + 1, "endLine": end.line, "endColumn": end.column + 1}
    return {**lines, **columns}
