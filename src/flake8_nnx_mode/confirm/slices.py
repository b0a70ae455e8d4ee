"""From a file to the part of it that runs: a flagged statement, and the statements it needs."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flake8_nnx_mode.model import Position, Span

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class Place:
    """What encloses a finding, from the outside in."""

    statement: int
    """Its top-level statement, by number."""
    node: ast.stmt
    definitions: tuple[Definition, ...]
    """The classes and functions around it."""

    @property
    def owner(self) -> str | None:
        """The class that it is in, as written in source, if no function is around that class."""
        classes = []
        for definition in self.definitions:
            if not isinstance(definition, ast.ClassDef):
                break
            classes.append(definition.name)
        return ".".join(classes) or None

    @property
    def function(self) -> str | None:
        """The outermost function or method around it."""
        for definition in self.definitions:
            if not isinstance(definition, ast.ClassDef):
                return definition.name
        return None


@dataclass(frozen=True, slots=True)
class Slice:
    """Statements of a file that run by themselves."""

    statements: tuple[ast.stmt, ...]
    acts: bool
    """Whether any of them does more than to define, import and name constants."""

    def module(self) -> ast.Module:
        """Them alone."""
        return ast.Module(list(self.statements), [])


def place(tree: ast.Module, text: str, span: Span) -> Place:
    """Where in the outline of ``tree`` the ``span`` lies.

    Raises:
        ValueError: no statement of the file holds it.
    """
    start = offset(text, span.start)
    for number, statement in enumerate(tree.body):
        if _begin(statement) <= start < _end(statement) or _begin(statement) == start:
            return Place(number, statement, tuple(_enclosing(statement, start)))
    raise ValueError(f"no statement at line {span.start.line}")


def _enclosing(statement: ast.AST, start: tuple[int, int]) -> Iterator[Definition]:
    node: ast.AST | None = statement
    while node is not None:
        if isinstance(node, _DEFINITIONS):
            yield node
        inner = None
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                within = child.body[0] if isinstance(child, ast.match_case) else child
                last = child.body[-1] if isinstance(child, ast.match_case) else child
                if _begin(within) <= start < _end(last):
                    inner = child
        node = inner


def offset(text: str, at: Position) -> tuple[int, int]:
    """A position as ast counts: the line, and the column in bytes."""
    lines = text.splitlines(keepends=True) if "\f" not in text else text.split("\n")
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    return at.line, len(line[: at.column].encode())


def _begin(node: Any) -> tuple[int, int]:
    first = min(getattr(node, "decorator_list", []) or [node], key=lambda n: n.lineno)
    column = first.col_offset - 1 if first is not node else first.col_offset  # the `@`
    return first.lineno, max(column, 0)


def _end(node: Any) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def cut(tree: ast.Module, root: int, *, extra: Iterable[str] = ()) -> Slice:
    """The statement number ``root`` and what it needs, in the order of the file.

    Args:
        tree: The file; its statements are shared, not copied, but for imports that are cut down.
        root: The number of the statement that is wanted.
        extra: Further names that must be there.
    """
    body = tree.body
    script = not isinstance(body[root], _DEFINITIONS)
    binders: dict[str, list[int]] = {}
    for number, statement in enumerate(body):
        if number != root and (_is_main(statement) or (script and number > root)):
            continue
        for name in bound(statement):
            binders.setdefault(name, []).append(number)
    taken, wanted, names = {root}, list(read(body[root])), set(extra)
    wanted += extra
    wanted += [name for name in bound(body[root]) if len(binders.get(name, ())) > 1]
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        names.add(name)
        if name in seen:
            continue
        seen.add(name)
        for number in binders.get(name, ()):
            if number not in taken:
                taken.add(number)
                if not isinstance(body[number], _IMPORTS):
                    wanted += read(body[number])
        if script:  # what is done to the variables of a script is part of what they are
            for number in range(root):
                if number not in taken and _is_done_to(body[number], name):
                    taken.add(number)
                    wanted += read(body[number])
    for name in [name for number in taken for name in bound(body[number])]:
        for number, statement in enumerate(body):
            if number not in taken and _completes(statement, name):
                taken.add(number)
                for needed in read(statement):
                    taken.update(binders.get(needed, ()))
                    names.add(needed)
    kept = []
    for number, statement in enumerate(body):
        if number in taken or _is_future(statement):
            kept.append(_only(statement, seen | names) if number != root else statement)
    acts = any(_acts(s) for s in kept if s is not body[root]) or script
    return Slice(tuple(kept), acts)


def _completes(statement: ast.stmt, name: str) -> bool:
    """Whether a statement makes a definition whole: `f.defvjp(...)`, `setattr(Net, ...)`."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(owner), method))) if owner == name:
            return method.startswith(("def", "register"))
        case ast.Expr(ast.Call(function, [ast.Name(first), *_])) if first == name:
            called = function.attr if isinstance(function, ast.Attribute) else function
            said = called.id if isinstance(called, ast.Name) else called
            return isinstance(said, str) and said.startswith(("setattr", "register"))
    return False


def _is_done_to(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Expr(ast.Call() as call):
            given = [arg.id for arg in call.args if isinstance(arg, ast.Name)]
            return name in (*given, _root(call.func))
    return False


def _root(node: ast.expr) -> str | None:
    """The name that a chain of attributes, subscripts and calls begins with, if it is one."""
    if not isinstance(node, ast.Attribute):
        return None
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    return inner.id if isinstance(inner, ast.Name) else None


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _is_main(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(ast.Compare(ast.Name("__name__"))):
            return True
    return False


def _only(statement: ast.stmt, names: set[str]) -> ast.stmt:
    """An import without the names that nothing asks for."""
    if not isinstance(statement, _IMPORTS) or _is_future(statement):
        return statement
    kept = [a for a in statement.names if a.name == "*" or _alias(a) in names]
    if isinstance(statement, ast.Import):
        return ast.copy_location(ast.Import(kept), statement)
    return ast.copy_location(ast.ImportFrom(statement.module, kept, statement.level), statement)


def _alias(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, (*_DEFINITIONS, *_IMPORTS)):
        return False
    if isinstance(statement, ast.If | ast.Try):
        return any(_acts(s) for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt))
    return any(isinstance(node, ast.Call) for node in ast.walk(statement))


def bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds."""
    nodes: list[ast.AST] = [statement]
    while nodes:
        node = nodes.pop()
        if isinstance(node, _DEFINITIONS):
            yield node.name
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, _IMPORTS):
            yield from (_alias(a) for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name):
                yield node.value.id  # `Net.layers = 3` is part of what Net is
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        nodes.extend(ast.iter_child_nodes(node))


def read(statement: ast.AST) -> Iterator[str]:
    """The names that a statement may read when it runs or is called, and more."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.replace(".", "").replace("_", "").isalnum() and len(node.value) < 80:
                yield node.value.partition(".")[0]  # an annotation in quotes
        elif isinstance(node, ast.Global):
            yield from node.names
