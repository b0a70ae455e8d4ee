"""The flagged place of a snippet, made to tell when it is reached, and what it does there."""

import ast
import copy
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flake8_nnx_mode.confirm.slices import offset
from flake8_nnx_mode.model import Span

HANDLE = "__nnx_confirm__"
"""The name under which a snippet finds what is told."""


Fate = Literal["used", "discarded", "unclear"]


@dataclass(frozen=True, slots=True)
class Marked:
    """A module with one place that tells."""

    tree: ast.Module
    source: str
    """The flagged expression, as written."""
    fate: Fate
    """What becomes of its value."""
    conditional: bool
    """Whether something inside it decides if what is flagged is evaluated."""
    lines: range
    """Those that it stands on."""
    node: ast.expr
    """The flagged expression."""

    @property
    def discards(self) -> bool:
        """Whether its value goes nowhere."""
        return self.fate == "discarded"


def mark(
    tree: ast.Module, text: str, span: Span, *, expression: bool, lenient: Collection[str] = ()
) -> Marked | None:
    """A copy of ``tree`` whose flagged expression tells; None if there is none at ``span``.

    What tells is the innermost call that holds ``span``, else the expression itself. A call
    ``f(a)`` becomes ``HANDLE.call(HANDLE.begin(), f, a)``, another expression ``e``
    ``HANDLE.value(HANDLE.begin(), e)``, a decorator ``HANDLE.decorator(d)``: what is evaluated, and
    in which order, stays the same, and so do the lines.
    """
    start, end = offset(text, span.start), offset(text, span.end)
    path = list(_path(tree, start, max(start, end)))
    chosen = _choose(path, expression)
    if chosen is None:
        return None
    source = ast.get_source_segment(text, chosen) or ""
    lines = range(chosen.lineno, (chosen.end_lineno or chosen.lineno) + 1)
    at = path.index(chosen) if chosen in path else len(path)
    conditional = any(isinstance(node, _DECIDES) for node in path[at + 1 :])
    marked: ast.Module = _Change(lenient).visit(_copy_with(tree, chosen))
    fate = _fate(path[:at])
    return Marked(ast.fix_missing_locations(marked), source, fate, conditional, lines, chosen)


def _choose(path: Sequence[ast.AST], expression: bool) -> ast.expr | None:
    """The innermost call around the span within its statement, else the smallest expression."""
    statement: ast.stmt | None = None
    smallest: ast.expr | None = None
    call: ast.Call | None = None
    for node in path:
        if isinstance(node, ast.stmt):
            statement = node
            smallest, call = getattr(node, "value", None), None
        elif isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store):
            smallest = node
            if isinstance(node, ast.Call) and not _is_super(node):
                call = node
            elif isinstance(node, ast.Lambda):
                call = None
    if smallest is None and isinstance(statement, ast.FunctionDef) and statement.decorator_list:
        return statement.decorator_list[-1]  # what is flagged is the function, as it is compiled
    return smallest if expression else call or smallest


_DECIDES = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp)


def _fate(path: Sequence[ast.AST]) -> Fate:
    """What becomes of the value of the expression at the end of ``path``."""
    number = max((n for n, node in enumerate(path) if isinstance(node, ast.stmt)), default=-1)
    around = path[number + 1 :]
    if number < 0 or any(isinstance(node, ast.Lambda | ast.GeneratorExp) for node in around):
        return "unclear"
    passes = (ast.IfExp, ast.BoolOp, ast.Tuple, ast.List, ast.ListComp, ast.Await)
    match path[number]:
        case ast.Expr():
            return "discarded" if all(isinstance(node, passes) for node in around) else "used"
        case ast.Assign([ast.Name(name)]) if name.startswith("_"):
            return "unclear"
        case ast.Return():
            functions = [node for node in path[:number] if isinstance(node, ast.FunctionDef)]
            if functions and isinstance(functions[-1].returns, ast.Constant):
                return "unclear"  # `-> None`
    picked = any(isinstance(node, ast.BoolOp | ast.Subscript) for node in around)
    return "unclear" if picked else "used"


def _is_super(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("super", "locals", "globals")


def _path(node: ast.AST, start: tuple[int, int], end: tuple[int, int]) -> Iterator[ast.AST]:
    """The nodes that hold the span, from the outside in."""
    while True:
        yield node
        for child in _positioned(node):
            if _start(child) <= start and end <= _stop(child):
                node = child
                break
        else:
            return


def _positioned(node: ast.AST) -> Iterator[ast.AST]:
    """Children that have a place; of those that have none, their children."""
    for child in ast.iter_child_nodes(node):
        if hasattr(child, "lineno"):
            yield child
        else:
            yield from _positioned(child)


def _start(node: Any) -> tuple[int, int]:
    decorators = getattr(node, "decorator_list", None)
    first = decorators[0] if decorators else node
    return first.lineno, first.col_offset


def _stop(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]


def _copy_with(tree: ast.Module, chosen: ast.AST) -> ast.Module:
    """A copy of the top-level statement that holds ``chosen``, tagged; the others are shared."""
    body = []
    for statement in tree.body:
        if any(node is chosen for node in ast.walk(statement)):
            setattr(chosen, _TAG, True)
            statement = copy.deepcopy(statement)
            delattr(chosen, _TAG)
        body.append(statement)
    return ast.Module(body, [])


_TAG = "nnx_confirm_chosen"


class _Change(ast.NodeTransformer):
    """Makes the tagged expression tell."""

    def __init__(self, lenient: Collection[str]) -> None:
        self._lenient = lenient

    def visit(self, node: ast.AST) -> Any:
        if hasattr(node, _TAG):
            self.generic_visit(node)
            return _telling(node)
        if self._lenient and isinstance(node, ast.Call) and self._takes_mode(node):
            self.generic_visit(node)
            new = ast.Call(_handle("lenient"), [node.func, *node.args], node.keywords)
            return ast.copy_location(new, node)
        decorators = getattr(node, "decorator_list", [])
        for number, decorator in enumerate(decorators):
            if hasattr(decorator, _TAG):
                new = ast.Call(_handle("decorator"), [decorator], [])
                decorators[number] = ast.copy_location(new, decorator)
                return node
        if isinstance(node, ast.Expr) and hasattr(node.value, _TAG):
            return self._watched(node)
        return self.generic_visit(node)

    def _takes_mode(self, node: ast.Call) -> bool:
        given = [keyword.arg for keyword in node.keywords]
        given += [arg.id for arg in node.args if isinstance(arg, ast.Name)]
        of_self = isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith(
            "self."
        )
        return of_self or any(name in self._lenient for name in given)

    def _watched(self, statement: ast.Expr) -> ast.stmt:
        """The statement, and after it a word that it is over."""
        over = ast.Expr(ast.Call(_handle("over"), [], []))
        told = ast.Expr(_telling(statement.value))
        both: list[ast.stmt] = [ast.copy_location(new, statement) for new in (told, over)]
        return ast.copy_location(ast.If(ast.Constant(True), both, []), statement)


def _telling(node: Any) -> ast.expr:
    begin = ast.Call(_handle("begin"), [], [])
    if isinstance(node, ast.Call):
        new = ast.Call(_handle("call"), [begin, node.func, *node.args], node.keywords)
    else:
        new = ast.Call(_handle("value"), [begin, node], [])
    return ast.copy_location(new, node)


def _handle(what: str) -> ast.expr:
    return ast.Attribute(ast.Name(HANDLE, ast.Load()), what, ast.Load())
