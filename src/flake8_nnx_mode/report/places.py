"""Where something is, as all formats for programs that are JSON of our own say it."""

from flake8_nnx_mode.model import Span


def fields(span: Span) -> dict[str, int]:
    """Lines and columns from 1, columns in characters; the end is behind the last one."""
    return {
        "line": span.start.line,
        "column": span.start.column + 1,
        "end_line": span.end.line,
        "end_column": span.end.column + 1,
    }
