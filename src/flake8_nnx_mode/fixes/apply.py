"""Text and fixes -> text."""

from collections.abc import Iterable

from flake8_nnx_mode.model import Fix, Span
from flake8_nnx_mode.syntax.text import LineTable


def applied(text: str, fixes: Iterable[Fix]) -> tuple[str, list[Fix]]:
    """``text`` with ``fixes`` made, and those that were.

    A fix that touches what an earlier one changed is left out as a whole; lint again to get it.
    """
    lines = LineTable(text)
    taken: list[tuple[int, int, str]] = []
    made: list[Fix] = []
    for fix in fixes:
        edits = [(lines.offset(e.span.start), lines.offset(e.span.end), e.text) for e in fix.edits]
        if all(_apart(edit, other) for edit in edits for other in taken):
            taken += edits
            made.append(fix)
    old = "\r" in text and "\n" not in text  # a file of a Mac before OS X
    for start, end, replacement in sorted(taken, reverse=True):
        text = text[:start] + (replacement.replace("\n", "\r") if old else replacement) + text[end:]
    return text, made


def moved(span: Span, text: str, fix: Fix) -> Span:
    """Where ``span`` of ``text`` is once ``fix`` was made; it grows around what cuts into it."""
    lines = LineTable(text)
    start, end = lines.offset(span.start), lines.offset(span.end)
    first, last = start, end
    for edit in fix.edits:
        begin, stop = lines.offset(edit.span.start), lines.offset(edit.span.end)
        longer = len(edit.text) - (stop - begin)
        if stop <= start:
            first += longer
        elif begin < start:
            first -= start - begin
        if begin < end:  # what is inserted right behind the span stays outside
            last += longer if stop <= end else len(edit.text) - (end - begin)
    fixed = LineTable(applied(text, [fix])[0])
    return Span(fixed.position(first), fixed.position(max(first, last)))


def _apart(edit: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    """Whether neither touches the other; two insertions at one place do."""
    (start, end, _), (other_start, other_end, _) = edit, other
    return end < other_start or other_end < start
