"""A source file as a book: an outline that is always there, chapters parsed only when asked for."""

import ast
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from flake8_nnx_mode.model import Position, Span
from flake8_nnx_mode.syntax.code import At
from flake8_nnx_mode.syntax.outline import Function, Outline, Scope, inner_statements, read_outline
from flake8_nnx_mode.syntax.sketch import Sketch, sketch
from flake8_nnx_mode.syntax.text import LineTable, normalized, parsed

if TYPE_CHECKING:
    from flake8_nnx_mode.syntax.chapter import Chapter

_T = TypeVar("_T")
_LEFT_OUT = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_NO_LINE_END = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A chapter that LibCST does not read; ``line`` is where it begins."""

    line: int
    what: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Anchor:
    """Something in a chapter, to be turned into a place once somebody reports it.

    ``part`` narrows it to one field of its LibCST node: the ``attr`` of an attribute, the ``value``
    of an argument.
    """

    chapter: "Chapter" = field(repr=False)
    at: At
    part: str = ""


@cache
def _empty() -> ast.FunctionDef:
    (node,) = ast.parse("def _(): ...").body
    assert isinstance(node, ast.FunctionDef)
    return node


def _spaces(line: re.Match[str]) -> str:
    return " " * (line.end() - line.start())


class Remembering:
    """What is found of it once is kept as long as it is: several ask for the same."""

    def __init__(self) -> None:
        self._remembered: dict[Hashable, object] = {}

    def remember(self, what: Hashable, find: Callable[[], _T]) -> _T:
        """What ``find`` finds; it is asked once for each ``what``."""
        if what not in self._remembered:
            self._remembered[what] = find()
        return cast("_T", self._remembered[what])


class Book(Remembering):
    """One file. ``path`` is absolute; it need not exist (a buffer that was never saved)."""

    def __init__(self, path: Path, text: str, tree: ast.Module | None = None) -> None:
        """Read ``text``; ``tree`` saves parsing it again where somebody already has.

        Raises:
            SyntaxError, ValueError, RecursionError, MemoryError: as ``ast.parse`` does.
        """
        super().__init__()
        self.path = path
        self.text = text = normalized(text)
        self.tree = parsed(text) if tree is None else tree
        self.lines = LineTable(text)
        self.refusals: list[Refusal] = []
        """The chapters that were asked for in vain, since ``rest``."""
        self._chapters: dict[Function, Chapter | Refusal] = {}
        self._texts: dict[Function, str] = {}
        self._words: dict[Function, frozenset[str]] = {}
        self._sketches: dict[Function, Sketch] = {}

    def rest(self) -> None:
        """Let go of what only those need who look at the file itself."""
        self.refusals.clear()
        self._sketches.clear()
        self._texts.clear()

    @cached_property
    def outline(self) -> Outline:
        """What the file imports, defines and binds."""
        return read_outline(self.tree, self.text)

    @cached_property
    def script(self) -> Function:
        """The statements of the file itself, as if they were a function without parameters."""
        return Function("", _empty(), Scope("function", self.outline.module), ())

    @cached_property
    def _script_text(self) -> str:
        """The text without definitions and imports; what is left stands where it stood."""
        line_of, start_of = self.lines.line, self.lines.start_of
        blanks: list[tuple[int, int, str]] = []
        stack: list[ast.stmt] = list(self.tree.body)
        while stack:
            statement = stack.pop()
            if not isinstance(statement, _LEFT_OUT):
                stack += inner_statements(statement)
                continue
            line = line_of(statement.lineno)
            indent = line[: statement.col_offset]
            if indent.strip() or ";" in line:
                continue  # one of several on its line: it may stay
            decorators = getattr(statement, "decorator_list", ())
            first, last = self._first_line_of(statement, decorators), statement.end_lineno
            assert last is not None
            start, at, end = start_of(first), start_of(statement.lineno), start_of(last + 1)
            instead = f"{indent}pass".ljust(len(line.rstrip("\r\n")))
            blank = _NO_LINE_END.sub(_spaces, self.text[start:end])
            blanks.append(
                (start, end, blank[: at - start] + instead + blank[at - start + len(instead) :])
            )
        pieces, done = [], 0
        for start, end, blank in sorted(blanks):
            pieces += [self.text[done:start], blank]
            done = end
        return "".join((*pieces, self.text[done:]))

    def chapter(self, function: Function) -> "Chapter | None":
        """The body of ``function``, or None (and a refusal) if LibCST does not read it."""
        if function not in self._chapters:
            from flake8_nnx_mode.syntax.chapter import Chapter, ChapterRefusedError, Script

            try:
                if function is self.script:
                    chapter: Chapter = Script(self.lines, self._script_text, 0)
                else:
                    first = self._first_line(function)
                    chapter = Chapter.of_function(self.lines, first, function.last_line)
            except ChapterRefusedError as refused:
                what = "this function" if function.name else "what stands outside functions"
                refusal = Refusal(function.node.lineno, what, str(refused))
                self._chapters[function] = refusal
            else:
                self._chapters[function] = chapter
        known = self._chapters[function]
        if isinstance(known, Refusal):
            if known not in self.refusals:
                self.refusals.append(known)
            return None
        return known

    def has(self, chapter: "Chapter") -> bool:
        """Whether ``chapter`` is one of this file's."""
        return chapter in self._chapters.values()

    def text_of(self, function: Function) -> str:
        """The text of ``function``, decorators included."""
        if function is self.script:
            return self._script_text
        if function not in self._texts:
            start = self.lines.start_of(self._first_line(function))
            end = self.lines.start_of(function.last_line + 1)
            self._texts[function] = self.text[start:end]
        return self._texts[function]

    def _first_line(self, function: Function) -> int:
        """The line of the first ``@``, or of the ``def``."""
        return self._first_line_of(function.node, function.decorators)

    def _first_line_of(self, node: ast.stmt, decorators: Sequence[ast.expr]) -> int:
        line = node.lineno
        if decorators:
            line = decorators[0].lineno
            # ast knows where the expression is; the `@` may stand further up: `@(\n  jit)`.
            while line > 1 and not self.lines.line(line).lstrip().startswith("@"):
                line -= 1
        return line

    def mentions(self, function: Function, *words: str) -> bool:
        """Whether an identifier of ``words`` stands in ``function``, outside of its docstring."""
        return not self.words_of(function).isdisjoint(words)

    def words_of(self, function: Function) -> frozenset[str]:
        """The identifiers in ``function``, outside of its docstring; other words in it, too."""
        known = self._words.get(function)
        if known is None:
            known = self._words[function] = frozenset(_WORD.findall(self._code_of(function)))
        return known

    def matches(self, function: Function, pattern: re.Pattern[str], *words: str) -> bool:
        """Whether ``pattern``, which takes one of ``words``, is in the text of ``function``."""
        return self.mentions(function, *words) and bool(pattern.search(self.text_of(function)))

    def _code_of(self, function: Function) -> str:
        """The text of ``function`` without its docstring."""
        first, *rest = function.node.body
        match first:
            case ast.Expr(ast.Constant(str()), lineno=int(top), end_lineno=int(bottom)) if (
                rest
                and rest[0].lineno > bottom
                and not self.lines.line(top)[: first.col_offset].strip()
            ):
                head, body = self._first_line(function), rest[0].lineno
                start_of = self.lines.start_of
                end = start_of(function.last_line + 1)
                return self.text[start_of(head) : start_of(top)] + self.text[start_of(body) : end]
        return self.text_of(function)

    def sketch(self, function: Function) -> Sketch:
        """What stands in the body of ``function``, at a glance."""
        known = self._sketches.get(function)
        if known is None:
            body = function.node.body
            if function is self.script:
                body = [s for s in self.tree.body if not isinstance(s, _LEFT_OUT)]
            known = self._sketches[function] = sketch(function.node.args, body)
        return known

    def span_of_def(self, function: Function) -> Span:
        """From the ``def`` of a function to the end of its name."""
        node = function.node
        start = self.lines.from_ast(node.lineno, node.col_offset)
        offset = self.lines.offset(start)
        end = self.text.index(function.name, offset) + len(function.name)
        return Span(start, self.lines.position(end))

    def end_of_body(self, function: Function) -> tuple[Span, str, str] | None:
        """The empty place after a body's last line, with the body's indent and line end.

        None where that is no place for another statement: the body stands behind the ``def``, or
        ends by leaving.
        """
        last = function.node.body[-1]
        indent = self.lines.line(last.lineno)[: last.col_offset]
        if indent.strip() or isinstance(last, ast.Raise | ast.Return):
            return None
        line = self.lines.line(function.last_line)
        text = line.rstrip("\r\n")
        place = Position(function.last_line, len(text))
        return Span(place, place), indent, line[len(text) :] or "\n"

    def span_of(self, node: ast.expr | ast.stmt | ast.arg) -> Span:
        """Where a node of the outline is."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return Span(
            self.lines.from_ast(node.lineno, node.col_offset),
            self.lines.from_ast(node.end_lineno, node.end_col_offset),
        )
