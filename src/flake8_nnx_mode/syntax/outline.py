"""The outline of a file, from ast: what is imported, defined and bound where, and signatures.

Bodies are LibCST's (``chapter.py``); the outline looks into a function's statements only for the
names they bind and the classes they define.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal
from weakref import ref

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
ParameterKind = Literal[
    "positional-only", "positional-or-keyword", "var-positional", "keyword-only", "var-keyword"
]
_CATCHES_IMPORT_ERROR = {"ImportError", "ModuleNotFoundError", "Exception"}


@dataclass(frozen=True, slots=True)
class Imported:
    """``import module`` (no ``name``) or ``from module import name``; ``level`` counts dots."""

    module: str
    name: str | None
    level: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """``name = value``: the value is known as an expression of the scope it stands in."""

    value: ast.expr


@dataclass(frozen=True, slots=True)
class Bound:
    """Bound in a way that says nothing of the value: a loop, ``with``, ``del``, unpacking, ..."""


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """One parameter of a signature."""

    name: str
    kind: ParameterKind
    default: ast.expr | None
    annotation: ast.expr | None
    node: ast.arg

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is None and not self.kind.startswith("var-")


@dataclass(slots=True, eq=False, repr=False)
class Function:
    """A ``def``: its signature and its lines, not its body."""

    name: str
    node: FunctionNode
    scope: "Scope"
    parameters: tuple[Parameter, ...]

    @property
    def outer(self) -> "Scope":
        """The scope the ``def`` stands in: its annotations and defaults are read there."""
        assert self.scope.parent is not None
        return self.scope.parent

    @property
    def closure(self) -> "Scope | None":
        """The scope its body looks names up in next: methods do not see their class's names."""
        return self.outer.parent if self.outer.kind == "class" else self.outer

    @property
    def decorators(self) -> list[ast.expr]:
        """Their expressions, top down."""
        return self.node.decorator_list

    @property
    def last_line(self) -> int:
        """The last line of its body."""
        assert self.node.end_lineno is not None
        return self.node.end_lineno

    @property
    def is_stub(self) -> bool:
        """Whether its body does nothing: a docstring, ``...``, ``pass``, ``raise``."""
        return all(
            isinstance(statement, ast.Pass | ast.Raise)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
            for statement in self.node.body
        )

    def as_called(self, *, bound: bool) -> "Iterator[tuple[int | None, Parameter]]":
        """What a call can fill: each parameter, with its index among positional arguments if any.

        ``bound`` is whether the first one, ``self``, is given already.
        """
        for index, parameter in enumerate(self.parameters[1:] if bound else self.parameters):
            if not parameter.kind.startswith("var-"):
                yield None if parameter.kind == "keyword-only" else index, parameter

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name."""
        return next((p for p in self.parameters if p.name == name), None)


@dataclass(slots=True, eq=False, repr=False)
class Class:
    """A ``class`` statement: bases, methods and class-level names."""

    name: str
    qualname: str
    node: ast.ClassDef
    scope: "Scope"
    methods: dict[str, Function] = field(default_factory=dict)
    fields: dict[str, ast.AnnAssign] = field(default_factory=dict)

    @property
    def outer(self) -> "Scope":
        """The scope the ``class`` stands in: its bases and decorators are read there."""
        assert self.scope.parent is not None
        return self.scope.parent


Binding = Imported | Assigned | Bound | Class | Function


class Scope:
    """The names of a module, class or function."""

    __slots__ = ("__weakref__", "_parent", "bindings", "kind", "star_imports")

    def __init__(
        self, kind: Literal["module", "class", "function"], parent: "Scope | None" = None
    ) -> None:
        self.kind = kind
        self.bindings: dict[str, list[Binding]] = {}
        self.star_imports: list[Imported] = []
        # The outline has them all. If they held each other, each file that is let go of would be
        # left to the garbage collector, which looks for such things once in hundreds of files.
        self._parent = None if parent is None else ref(parent)

    @property
    def parent(self) -> "Scope | None":
        """The scope around it; none of a file's is there without the file's outline."""
        return None if self._parent is None else self._parent()

    def bind(self, name: str, binding: Binding) -> None:
        """Add one more way in which ``name`` is bound."""
        self.bindings.setdefault(name, []).append(binding)


@dataclass(slots=True, eq=False, repr=False)
class Outline:
    """All scopes, classes and functions of a file, in source order."""

    module: Scope
    classes: list[Class] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    """Functions and methods, but not those nested in a function, which are part of its body."""


def read_outline(tree: ast.Module, text: str) -> Outline:
    """Read the outline of ``tree``, which was parsed from ``text``."""
    result = Outline(Scope("module"))
    _Reader(result, "", walrus=":=" in text).block(tree.body, result.module)
    return result


class _Reader:
    def __init__(self, result: Outline, prefix: str, *, walrus: bool) -> None:
        self.result = result
        self.prefix = prefix
        self.walrus = walrus

    def block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        # A stack, not recursion: ast holds 2,000 elif branches as 2,000 levels.
        stack = list(reversed(body))
        while stack:
            statement = stack.pop()
            if isinstance(statement, ast.ClassDef):
                self.class_(statement, scope)
            elif isinstance(statement, FunctionNode):
                self.function(statement, scope)
            else:
                self.names(statement, scope)
                stack.extend(reversed(list(inner_statements(statement))))

    def class_(self, node: ast.ClassDef, outer: Scope) -> None:
        class_ = Class(node.name, self.prefix + node.name, node, Scope("class", outer))
        outer.bind(node.name, class_)
        self.result.classes.append(class_)
        _Reader(self.result, class_.qualname + ".", walrus=self.walrus).block(
            node.body, class_.scope
        )
        for name, bindings in class_.scope.bindings.items():
            if isinstance(bindings[-1], Function):
                class_.methods[name] = bindings[-1]
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                class_.fields[statement.target.id] = statement

    def function(self, node: FunctionNode, outer: Scope) -> None:
        scope = Scope("function", outer)
        function = Function(node.name, node, scope, tuple(_parameters(node.args)))
        outer.bind(node.name, function)
        if not _inside_function(outer):
            self.result.functions.append(function)
        for parameter in function.parameters:
            scope.bind(parameter.name, Bound())
        prefix = f"{self.prefix}{node.name}.<locals>."
        _Reader(self.result, prefix, walrus=self.walrus).block(node.body, scope)

    def names(self, statement: ast.stmt, scope: Scope) -> None:
        match statement:
            case ast.Import():
                for alias in statement.names:
                    if alias.asname:
                        scope.bind(alias.asname, Imported(alias.name, None, 0))
                    else:
                        top = alias.name.partition(".")[0]
                        scope.bind(top, Imported(top, None, 0))
            case ast.ImportFrom():
                for alias in statement.names:
                    imported = Imported(statement.module or "", alias.name, statement.level)
                    if alias.name == "*":
                        scope.star_imports.append(imported)
                    else:
                        scope.bind(alias.asname or alias.name, imported)
            case ast.Assign():
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        scope.bind(target.id, Assigned(statement.value))
                    else:
                        _bind_all(target, scope)
            case ast.AnnAssign(target=ast.Name(id=name)):
                if statement.value is not None:
                    scope.bind(name, Assigned(statement.value))
                elif scope.kind == "class":
                    scope.bind(name, Bound())
            case ast.AugAssign() | ast.For() | ast.AsyncFor():
                _bind_all(statement.target, scope)
            case ast.Delete():
                for target in statement.targets:
                    _bind_all(target, scope)
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    if item.optional_vars is not None:
                        _bind_all(item.optional_vars, scope)
            case ast.Try() | ast.TryStar():
                for handler in statement.handlers:
                    if handler.name:
                        scope.bind(handler.name, Bound())
            case ast.Match():
                for case in statement.cases:
                    for pattern in ast.walk(case.pattern):
                        if isinstance(pattern, ast.MatchAs | ast.MatchStar) and pattern.name:
                            scope.bind(pattern.name, Bound())
                        elif isinstance(pattern, ast.MatchMapping) and pattern.rest:
                            scope.bind(pattern.rest, Bound())
            case ast.Global() | ast.Nonlocal():
                for name in statement.names:
                    scope.bind(name, Bound())
                    if isinstance(statement, ast.Global):
                        self.result.module.bind(name, Bound())
        if self.walrus:
            for node in ast.walk(statement):
                if isinstance(node, ast.NamedExpr):
                    scope.bind(node.target.id, Bound())


def inner_statements(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statements of a compound statement's blocks, which share its scope."""
    for block in ("body", "orelse", "finalbody"):
        yield from getattr(statement, block, ())
    if isinstance(statement, ast.Match):
        for case in statement.cases:
            yield from case.body
    if isinstance(statement, ast.Try | ast.TryStar):
        imported = {name for inner in statement.body for name in _imported_names(inner)}
        for handler in statement.handlers:
            for inner in handler.body:
                # `except ImportError: nnx = None` does not say what nnx is where it is installed.
                names = _imported_names(inner) or _assigned_names(inner)
                if not (names and names <= imported and _catches_import_error(handler)):
                    yield inner


def _imported_names(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return set()
    return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}


def _assigned_names(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign):
        return set()
    return {target.id for target in statement.targets if isinstance(target, ast.Name)}


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        type_ is None or (isinstance(type_, ast.Name) and type_.id in _CATCHES_IMPORT_ERROR)
        for type_ in types
    )


def _bind_all(target: ast.expr, scope: Scope) -> None:
    """Every name stored in a target; attributes and items bind none."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            scope.bind(node.id, Bound())


def _inside_function(scope: Scope | None) -> bool:
    while scope is not None:
        if scope.kind == "function":
            return True
        scope = scope.parent
    return False


def _parameters(args: ast.arguments) -> Iterator[Parameter]:
    defaults: list[ast.expr | None] = [None] * (len(args.posonlyargs) + len(args.args))
    if args.defaults:
        defaults[-len(args.defaults) :] = args.defaults
    positional = [*args.posonlyargs, *args.args]
    for index, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
        kind: ParameterKind = (
            "positional-only" if index < len(args.posonlyargs) else "positional-or-keyword"
        )
        yield Parameter(arg.arg, kind, default, arg.annotation, arg)
    if args.vararg:
        arg = args.vararg
        yield Parameter(arg.arg, "var-positional", None, arg.annotation, arg)
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        yield Parameter(arg.arg, "keyword-only", default, arg.annotation, arg)
    if args.kwarg:
        arg = args.kwarg
        yield Parameter(arg.arg, "var-keyword", None, arg.annotation, arg)
