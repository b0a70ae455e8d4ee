"""Text and fixes -> text."""

from collections.abc import Iterable

from flake8_nnx_mode.model import Fix
from flake8_nnx_mode.syntax.text import LineTable


def applied(text: str, fixes: Iterable[Fix]) -> tuple[str, int]:
    """``text`` with ``fixes`` made, and how many were.

    A fix that touches what an earlier one changed is left out as a whole; lint again to get it.
    """
    lines = LineTable(text)
    taken: list[tuple[int, int, str]] = []
    count = 0
    for fix in fixes:
        edits = [(lines.offset(e.span.start), lines.offset(e.span.end), e.text) for e in fix.edits]
        if all(_apart(edit, other) for edit in edits for other in taken):
            taken += edits
            count += 1
    for start, end, replacement in sorted(taken, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, count


def _apart(edit: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether neither touches the other; two insertions at one place do."""
    (start, end, _), (other_start, other_end, _) = edit, other
    return end < other_start or other_end < start
