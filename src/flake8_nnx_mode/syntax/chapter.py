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

Part = tuple[code.At, str]
"""Code of a chapter, or if a name is given, that field of the LibCST node it was made from."""


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
        self._shelved = bool(shelf)
        _, node, lowering = self._read()
        self.function: code.DefineFunction = lowering.function(node)

    def _read(self) -> tuple[cst.Module, cst.FunctionDef, Lowering]:
        """Parse and lower.

        The tree is not kept: of the many that are read, few are asked for a place, and a process
        full of trees is slowed down by its garbage collector. Reading again gives the same nodes.
        """
        try:
            module = cst.parse_module(self._text)
        except Exception as error:  # ParserSyntaxError, and what its own bugs raise
            raise ChapterRefusedError(_reason(error)) from error
        node: cst.CSTNode = module.body[0]
        if self._shelved and isinstance(node, cst.ClassDef):
            node = node.body.body[0]
        if not isinstance(node, cst.FunctionDef):
            kind = type(node).__name__
            raise ChapterRefusedError(f"found a {kind} where a function was expected")
        lowering = Lowering()
        walk(node, lowering)
        return module, node, lowering

    def spans(self, places: Iterable[Part]) -> dict[Part, Span]:
        """``(at, part)`` -> its place in the file, for code of this chapter.

        Where LibCST drops text (what stands before a form feed in a line), the function's own place
        has to do for all of them.
        """
        module, _, lowering = self._read()
        nodes = {place: _part(lowering.nodes[place[0]], place[1]) for place in places}
        found = offsets(module, nodes.values(), self._text)
        if found is None:
            place = self._lines.position(self._start)
            return dict.fromkeys(nodes, Span(place, place))
        position, shift = self._lines.position, self._offset
        spans = {}
        for key, node in nodes.items():
            start, end = found[id(node)]
            spans[key] = Span(position(shift + start), position(shift + end))
        return spans


def _part(node: cst.CSTNode, part: str) -> cst.CSTNode:
    found = getattr(node, part) if part else node
    assert isinstance(found, cst.CSTNode)
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, cst.ParserSyntaxError):
        return error.message.splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]
