"""A body of code, read by LibCST; the only door through which text reaches LibCST."""

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
    """A body of code: that of a function, or the statements of the file itself."""

    def __init__(self, lines: LineTable, text: str, start: int, *, shelf: str = "") -> None:
        """Parse ``text``, which stands at offset ``start`` of the file.

        Raises:
            ChapterRefusedError: LibCST cannot parse it.
        """
        self._lines = lines
        self._text = shelf + text
        self._start = start + len(text) - len(text.lstrip())
        self._offset = start - len(shelf)
        self._shelved = bool(shelf)
        self.function: code.DefineFunction = self._read()[2]

    @classmethod
    def of_function(cls, lines: LineTable, first_line: int, last_line: int) -> "Chapter":
        """A function, from its first decorator to its last line.

        Raises:
            ChapterRefusedError: LibCST cannot parse it.
        """
        start, end = lines.start_of(first_line), lines.start_of(last_line + 1)
        while lines.text[start] == "\f":  # starts a line anew for Python, not for LibCST
            start += 1
        if lines.text[start:end].rstrip("\r\n").endswith("\\"):
            end = lines.start_of(last_line + 2)  # a backslash before an empty line
        text = lines.text[start:end]
        return cls(lines, text, start, shelf=_SHELF if text[:1] in " \t" else "")

    def _read(self) -> tuple[cst.Module, Lowering, code.DefineFunction]:
        """Parse and lower.

        The tree is not kept: of the many that are read, few are asked for a place, and a process
        full of trees is slowed down by its garbage collector. Reading again gives the same nodes.
        """
        try:
            module = cst.parse_module(self._text)
        except Exception as error:  # ParserSyntaxError, and what its own bugs raise
            raise ChapterRefusedError(_reason(error)) from error
        lowering = Lowering()
        node: cst.CSTNode = self._root(module)
        walk(node, lowering)
        if isinstance(node, cst.FunctionDef):
            return module, lowering, lowering.function(node)
        return module, lowering, lowering.script(module)

    def _root(self, module: cst.Module) -> cst.CSTNode:
        node: cst.CSTNode = module.body[0]
        if self._shelved and isinstance(node, cst.ClassDef):
            node = node.body.body[0]
        if not isinstance(node, cst.FunctionDef):
            kind = type(node).__name__
            raise ChapterRefusedError(f"found a {kind} where a function was expected")
        return node

    def spans(self, places: Iterable[Part]) -> dict[Part, Span]:
        """``(at, part)`` -> its place in the file, for code of this chapter.

        Where LibCST drops text (what stands before a form feed in a line), the function's own place
        has to do for all of them.
        """
        module, lowering, _ = self._read()
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


class Script(Chapter):
    """The statements of a file, between its functions and classes."""

    def _root(self, module: cst.Module) -> cst.CSTNode:
        return module


def _part(node: cst.CSTNode, part: str) -> cst.CSTNode:
    found = getattr(node, part) if part else node
    assert isinstance(found, cst.CSTNode)
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, cst.ParserSyntaxError):
        return error.message.splitlines()[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]
