"""What ``nnx-mode check`` found, for people: each finding with the code that it is about."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Span
from flake8_nnx_mode.report.rows import Row, checked
from flake8_nnx_mode.report.summary import MARK, fixable, summary
from flake8_nnx_mode.report.terminal import console
from flake8_nnx_mode.report.wording import one_line
from flake8_nnx_mode.syntax.text import LineTable

_BOLD, _BLUE, _RED, _CYAN = map(Style.parse, ("bold", "bold blue", "bold red", "cyan"))

_CONTEXT = 2
"""Lines before and after."""
_WIDEST = 140
"""Characters of a line that are shown."""
_BEGINNING, _END = 4, 2
"""Lines of a long span that are shown."""


def write(files: Sequence[Checked], file: TextIO) -> None:
    """Write to ``file``: coloured on a terminal, unless NO_COLOR says otherwise."""
    out = console(file)
    for each in files:
        if each.findings:
            lines = LineTable(each.text)
            drawn = [piece for row in checked([each]) for piece in _finding(row, lines)]
            # Segments are what rich makes of Text, which takes six times as long.
            out.print(Segments(drawn), soft_wrap=True)
    for line in summary(files):
        out.print(Text(line), soft_wrap=True)


def _finding(row: Row, lines: LineTable) -> Iterator[Segment]:
    finding = row.finding
    yield Segment(finding.code, _RED)
    if fixable(finding):
        yield Segment(f" {MARK}", _CYAN)
    yield Segment(f" {one_line(finding.symptom)}", _BOLD)
    yield Segment.line()
    snippet = _Snippet(finding.span, lines)
    yield Segment(f"{' ' * snippet.gutter}--> ", _BLUE)
    yield Segment(one_line(row.place))
    yield Segment.line()
    if lines.text:  # that of a file that cannot be read is not known
        yield from snippet.drawn()
    if finding.remedy:
        yield Segment("help", _BOLD)
        yield Segment(f": {one_line(finding.remedy)}")
        yield Segment.line()
    yield Segment.line()


class _Snippet:
    """The lines around a span, and the span marked in them."""

    def __init__(self, span: Span, table: LineTable) -> None:
        self._span = span
        first, last = span.start.line, span.end.line
        middle = range(first + _BEGINNING, last - _END + 1)
        self._left_out = middle if len(middle) > 1 else range(0)
        end = table.position(len(table.text)).line
        around = range(max(first - _CONTEXT, 1), max(min(last + _CONTEXT, end), last) + 1)
        # The first of the lines that are left out stands for all of them.
        shown = (number for number in around if number not in self._left_out[1:])
        self._lines = {number: table.line(number).rstrip("\r\n") for number in shown}
        self._trim(around)
        self._trim(reversed(around))
        self._left = self._leftmost()
        self.gutter = len(str(max(self._lines)))
        """How wide the line numbers are."""

    def _trim(self, numbers: Iterable[int]) -> None:
        """Leave out blank lines from that edge on."""
        within = range(self._span.start.line, self._span.end.line + 1)
        for number in numbers:
            if number in within or self._lines[number].strip():
                break
            del self._lines[number]

    def _leftmost(self) -> int:
        """Where all lines begin, so that they stay aligned and the span is in sight."""
        start, end = self._span.start, self._span.end
        if start.line < end.line or end.column <= _WIDEST:
            return 0
        return max(start.column - _WIDEST // 3, 0)

    def _shown(self, line: str) -> str:
        right = self._left + _WIDEST
        part = one_line(line[self._left : right].replace("\t", "    "))
        return f"{'…' * bool(self._left)}{part}{'…' * (len(line) > right)}"

    def _cells(self, line: str, column: int) -> int:
        """How many cells of a terminal what is shown before ``column`` takes."""
        return cell_len(self._shown(line[:column]))

    def drawn(self) -> Iterator[Segment]:
        within_a_line = self._span.start.line == self._span.end.line
        draw = self._with_carets if within_a_line else self._with_bar
        yield from self._row("")
        for number, line in self._lines.items():
            yield from draw(number, line)
        yield from self._row("")

    def _with_carets(self, number: int, line: str) -> Iterator[Segment]:
        start, end = self._span.start, self._span.end
        yield from self._row(number, "", self._shown(line))
        if number == start.line:
            before = self._cells(line, start.column)
            width = self._cells(line, end.column) - before
            yield from self._row("", " " * before + "^" * max(width, 1))

    def _with_bar(self, number: int, line: str) -> Iterator[Segment]:
        start, end = self._span.start, self._span.end
        shown = self._shown(line)
        if number in self._left_out:
            yield Segment("...".ljust(self.gutter + 3), _BLUE)
            yield Segment("|", _RED)
            yield Segment.line()
        elif number == start.line and not line[: start.column].strip():
            yield from self._row(number, "/ ", shown)
        elif number == start.line:
            yield from self._row(number, "", f"  {shown}")
            before = self._cells(line, start.column)
            yield from self._row("", " " + "_" * (before + 1) + "^")
        elif start.line < number <= end.line:
            yield from self._row(number, "| ", shown)
            if number == end.line:
                until = self._cells(line, end.column)
                yield from self._row("", "|" + "_" * max(until, 1) + "^")
        else:
            yield from self._row(number, "", f"  {shown}")

    def _row(self, number: int | str, mark: str = "", text: str = "") -> Iterator[Segment]:
        text = text.rstrip()
        yield Segment(f"{number:>{self.gutter}} |", _BLUE)
        yield Segment(" " if mark or text else "")
        yield Segment(mark if text else mark.rstrip(), _RED)
        yield Segment(text)
        yield Segment.line()
