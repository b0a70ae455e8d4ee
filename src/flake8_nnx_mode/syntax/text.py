"""The text of a file and where things are in it."""

import ast
import re
import tokenize
import warnings
from bisect import bisect_right
from io import BytesIO

from flake8_nnx_mode.model import Position

# What ast and LibCST call a line end; str.splitlines() also breaks on \x0b, \x0c and \u2028.
_LINE_END = re.compile(r"\r\n|\r|\n")
_LONE_CR = re.compile(r"\r(?!\n)")


def decoded(data: bytes) -> str:
    """The text of a Python file, as its first two lines say that it is encoded, without a BOM.

    Raises:
        SyntaxError, UnicodeError: they say something wrong.
    """
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    except SyntaxError:
        data.decode("utf-8-sig")  # says where, if the first lines are to blame
        raise
    try:
        return data.decode(encoding)
    except LookupError as error:  # `hex` and its like encode no text
        raise SyntaxError(str(error)) from None


def normalized(text: str) -> str:
    """A text in which no carriage return alone ends a line: to ``re``, that is no line end."""
    return _LONE_CR.sub("\n", text) if "\r" in text else text


UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What ``parsed`` raises: it is not Python, or too much of it."""


def parsed(text: str | bytes) -> ast.Module:
    """``ast.parse`` without its warnings, which are for who lints that file.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is not Python, or too much of it.
    """
    with warnings.catch_warnings(action="ignore"):
        return ast.parse(text)


class LineTable:
    """Translates offsets, ast places and line numbers of one text into each other."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def position(self, offset: int) -> Position:
        """The position of the character at ``offset`` (0-based, in characters)."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1])

    @property
    def end(self) -> Position:
        """The position behind the last character."""
        return self.position(len(self.text))

    def offset(self, position: Position) -> int:
        """The offset of the character at ``position``."""
        return self.start_of(position.line) + position.column

    def start_of(self, line: int) -> int:
        """Offset of the first character of ``line``; the text's length past the last one."""
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def line(self, line: int) -> str:
        """The text of one line, with its line end."""
        return self.text[self.start_of(line) : self.start_of(line + 1)]

    def all(self) -> list[str]:
        """The lines, with their ends."""
        return [self.line(number) for number in range(1, len(self._starts) + 1)]

    def from_ast(self, line: int, utf8_column: int) -> Position:
        """The position of an ast place: ast counts columns in UTF-8 bytes, we in characters."""
        text = self.line(line)
        if text.isascii():
            return Position(line, utf8_column)
        head = text.encode("utf-8", "surrogatepass")[:utf8_column]
        return Position(line, len(head.decode("utf-8", "surrogatepass")))
