"""The flagged place of a snippet, made to tell when it is reached, and what it does there."""

import ast
import copy
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from flake8_nnx_mode.confirm.slices import offset
from flake8_nnx_mode.model import Span

HANDLE = "__nnx_confirm__"
"""The name under which a snippet finds what is told."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A module with one place that tells."""

    tree: ast.Module
    source: str
    """The flagged expression, as written."""
    discards: bool
    """Whether it is a statement by itself."""
    lines: range
    """Those that it stands on."""


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
    chosen = _choose(tree, start, end, expression)
    if chosen is None:
        return None
    source = ast.get_source_segment(text, chosen) or ""
    change = _Change(chosen, lenient)
    marked: ast.Module = change.visit(_copy_on_path(tree, chosen))
    lines = range(chosen.lineno, (chosen.end_lineno or chosen.lineno) + 1)
    return Marked(ast.fix_missing_locations(marked), source, change.discards, lines)


def _choose(
    tree: ast.Module, start: tuple[int, int], end: tuple[int, int], expression: bool
) -> ast.expr | None:
    """The innermost call around the span within its statement, else the smallest expression."""
    statement: ast.stmt | None = None
    smallest: ast.expr | None = None
    call: ast.Call | None = None
    for node in _path(tree, start, max(start, end)):
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


def _copy_on_path(tree: ast.Module, chosen: ast.AST) -> ast.Module:
    """A copy of the top-level statement that holds ``chosen``; the others are shared."""
    body = []
    for statement in tree.body:
        if any(node is chosen for node in ast.walk(statement)):
            memo: dict[int, object] = {id(chosen): chosen}  # the transformer knows it by identity
            statement = copy.deepcopy(statement, memo)
        body.append(statement)
    return ast.Module(body, [])


class _Change(ast.NodeTransformer):
    def __init__(self, chosen: ast.expr, lenient: Collection[str]) -> None:
        self._chosen = chosen
        self._lenient = lenient
        self.discards = False

    def visit(self, node: ast.AST) -> Any:
        if node is self._chosen:
            self.generic_visit(node)
            return ast.copy_location(_telling(self._chosen), node)
        if self._lenient and isinstance(node, ast.Call) and self._takes_mode(node):
            self.generic_visit(node)
            return _located(
                ast.Call(_handle("lenient"), [node.func, *node.args], node.keywords), node
            )
        decorators = getattr(node, "decorator_list", ())
        for number, decorator in enumerate(decorators):
            if decorator is self._chosen:
                new = ast.Call(_handle("decorator"), [decorator], [])
                node.decorator_list[number] = _located(new, decorator)  # type: ignore[attr-defined]
                return node
        if isinstance(node, ast.Expr) and node.value is self._chosen:
            self.discards = True
            return self._watched(node)
        return self.generic_visit(node)

    def _takes_mode(self, node: ast.Call) -> bool:
        given = [keyword.arg for keyword in node.keywords]
        given += [arg.id for arg in node.args if isinstance(arg, ast.Name)]
        of_self = isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith(
            "self."
        )
        return of_self or any(name in self._lenient for name in given)

    def _watched(self, statement: ast.Expr) -> ast.AST:
        """The statement, and after it a word that it is over."""
        telling = ast.copy_location(ast.Expr(_telling(self._chosen)), statement)
        over = _located(ast.Expr(ast.Call(_handle("over"), [], [])), statement)
        both = ast.If(ast.Constant(True), [telling, over], [])
        return ast.copy_location(both, statement)


def _telling(node: ast.expr) -> Any:
    begin = ast.Call(_handle("begin"), [], [])
    if isinstance(node, ast.Call):
        return _located(
            ast.Call(_handle("call"), [begin, node.func, *node.args], node.keywords), node
        )
    return _located(ast.Call(_handle("value"), [begin, node], []), node)


def _located(new: Any, old: ast.AST) -> Any:
    return ast.copy_location(new, old)


def _handle(what: str) -> ast.expr:
    return ast.Attribute(ast.Name(HANDLE, ast.Load()), what, ast.Load())
