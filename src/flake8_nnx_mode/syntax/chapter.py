"""One function's body, read by LibCST; the only door through which text reaches LibCST."""

from collections.abc import Iterable

import libcst as cst

from flake8_nnx_mode.model import Span
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.lower import Lowering
from flake8_nnx_mode.syntax.positions import offsets
from flake8_nnx_mode.syntax.text import LineTable
from flake8_nnx_mode.syntax.walker import walk

# An indented method parses as it stands behind this line: columns stay those of the file.
_SHELF = "class _:\n"


class ChapterRefusedError(Exception):
    """LibCST does not read this text, although ast does; the message says why."""


class Chapter:
    """A function of a file, from its first decorator to its last line."""

    def __init__(self, lines: LineTable, first_line: int, last_line: int) -> None:
        """Parse lines ``first_line`` to ``last_line`` of the file.

        Raises:
            ChapterRefusedError: LibCST cannot parse them.
        """
        self._lines = lines
        start, end = lines.start_of(first_line), lines.start_of(last_line + 1)
        while lines.text[start] == "\f":  # starts a line anew for Python, not for LibCST
            start += 1
        if lines.text[start:end].rstrip("\r\n").endswith("\\"):
            end = lines.start_of(last_line + 2)  # a backslash before an empty line
        text = lines.text[start:end]
        shelf = _SHELF if text[:1] in " \t" else ""
        self._text = shelf + text
        self._start = start + len(text) - len(text.lstrip())
        self._offset = start - len(shelf)
        try:
            self._module = cst.parse_module(self._text)
        except Exception as error:  # ParserSyntaxError, and what its own bugs raise
            raise ChapterRefusedError(_reason(error)) from error
        node: cst.CSTNode = self._module.body[0]
        if shelf and isinstance(node, cst.ClassDef):
            node = node.body.body[0]
        if not isinstance(node, cst.FunctionDef):
            raise ChapterRefusedError(
                f"found a {type(node).__name__} where a function was expected"
            )
        self.node = node
        lowering = Lowering()
        walk(node, lowering)
        self.function: code.DefineFunction = lowering.function(node)

    def spans(self, nodes: Iterable[code.At]) -> dict[int, Span]:
        """``id(node)`` -> its place in the file, for nodes of this chapter.

        Where LibCST drops text (what stands before a form feed in a line), the function's own place
        has to do for all of them.
        """
        wanted = [node for node in nodes if isinstance(node, cst.CSTNode)]
        found = offsets(self._module, wanted, self._text)
        if found is None:
            place = self._lines.position(self._start)
            return {id(node): Span(place, place) for node in wanted}
        return {
            key: Span(
                self._lines.position(self._offset + start),
                self._lines.position(self._offset + end),
            )
            for key, (start, end) in found.items()
        }


def _reason(error: Exception) -> str:
    if isinstance(error, cst.ParserSyntaxError):
        return error.message.splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]
