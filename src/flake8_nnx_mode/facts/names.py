"""What a name means: through scopes, imports, re-exports and aliases, across files."""

import ast
from collections.abc import Sequence
from dataclasses import replace

from flake8_nnx_mode.facts.flax_api import GRADIENTS, JITS, canonical
from flake8_nnx_mode.facts.library import Library
from flake8_nnx_mode.facts.values import (
    UNKNOWN,
    Arguments,
    ClassDefinition,
    Constant,
    FunctionDefinition,
    GraphDef,
    Items,
    ModuleFile,
    ModuleLevelCall,
    Symbol,
    Table,
    Value,
    choose,
)
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import (
    Assigned,
    Binding,
    Bound,
    Class,
    Function,
    Imported,
    Scope,
)
from flake8_nnx_mode.syntax.text import UNPARSABLE

_BUILTINS = frozenset(
    "abs bool classmethod dict enumerate False float getattr hasattr int isinstance iter len"
    " list map max min next None object partial print property range reversed round setattr sorted"
    " staticmethod str sum super True tuple vars zip".split()
)
_CONTAINERS = frozenset(
    "builtins.list builtins.tuple typing.List typing.Tuple typing.Sequence flax.nnx.List"
    " collections.abc.Sequence collections.abc.Iterable typing.Iterable".split()
)
_DICT = Symbol("builtins.dict")
_PARTIAL = Symbol("functools.partial")
_LISTS = (Symbol("builtins.list"), Symbol("flax.nnx.List"))
_WRAPPERS = frozenset(map(Symbol, (*JITS, *GRADIENTS)))
"""What gives a function that calls the one that it is given."""
_WRAPPER_NAMES = frozenset(name.rpartition(".")[2] for name in (*JITS, *GRADIENTS))
_LONGEST_CHAIN = 50


class Names:
    """Resolves names of any file of the project."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._busy: set[tuple[int, str]] = set()
        self._known: dict[tuple[int, str], Value | None] = {}

    def lookup(self, book: Book, scope: Scope | None, name: str) -> Value | None:
        """What ``name`` is in ``scope``; None if nothing binds it there or further out."""
        first = True
        while scope is not None:
            # A class's names are seen by its own statements only, not by its methods.
            if scope.kind != "class" or first:
                found = self._in_scope(book, scope, name)
                if found is not None:
                    return found
            first = False
            scope = scope.parent
        return Symbol(f"builtins.{name}") if name in _BUILTINS else None

    def _in_scope(self, book: Book, scope: Scope, name: str) -> Value | None:
        key = (id(scope), name)
        if key in self._known:
            return self._known[key]
        if key in self._busy:
            return None  # an import cycle, or `x = x`: it binds nothing by itself
        if len(self._busy) > _LONGEST_CHAIN:
            return UNKNOWN  # more aliases than anybody writes by hand
        self._busy.add(key)
        try:
            bindings = scope.bindings.get(name)
            if bindings:
                found: Value | None = self._agree(book, scope, name, bindings)
            else:
                found = self._starred(book, scope, name)
        finally:
            self._busy.discard(key)
        self._known[key] = found
        return found

    def _agree(self, book: Book, scope: Scope, name: str, bindings: Sequence[Binding]) -> Value:
        """What all bindings say, or unknown: which of them ran is not for us to guess."""
        if len(bindings) > 1:  # `step = jax.jit(step)` is what it was
            bindings = [b for b in bindings if not _wraps_itself(name, b)] or bindings
        values = [self._bound(book, scope, name, binding) for binding in bindings]
        if all(value in _LISTS for value in values):
            return values[0]  # `List = nnx.List if hasattr(nnx, "List") else list`
        return values[0] if all(value == values[0] for value in values) else UNKNOWN

    def _starred(self, book: Book, scope: Scope, name: str) -> Value | None:
        for star in scope.star_imports:
            module = self.imported(book, Imported(star.module, None, star.level))
            if isinstance(module, ModuleFile) and not self.library.may_define(module, name):
                continue
            found = self.member(module, name, private_too=False)
            if found is not None:
                return found  # also where that is unknown
        return None

    def _bound(self, book: Book, scope: Scope, name: str, binding: Binding) -> Value:
        match binding:
            case Class():
                return ClassDefinition(book, binding)
            case Function():
                return FunctionDefinition(book, binding)
            case Imported():
                return self.imported(book, binding)
            case Assigned(value):
                return self.expression(book, scope, value)
            case Bound():
                return UNKNOWN

    def imported(self, book: Book, binding: Imported) -> Value:
        """What an import statement binds."""
        module: Value
        if binding.level:
            found = self.library.relative(binding.level, binding.module, book.path)
            if found is None:
                return UNKNOWN
            module = found
        else:
            located = self.library.absolute(binding.module, book.path)
            module = located or Symbol(canonical(binding.module))
        if binding.name is None:
            return module
        return self.member(module, binding.name) or UNKNOWN

    def is_module(self, book: Book, binding: Imported) -> bool:
        """Whether an import binds a module of the project; no file is read to know that."""
        module = self._imported_from(book, binding)
        if module is None or binding.name is None:
            return module is not None
        return self.library.submodule(module, binding.name) is not None

    def is_of_project(self, book: Book, binding: Imported) -> bool:
        """Whether an import is from a module of the project; no file is read to know that."""
        return binding.level > 0 or self._imported_from(book, binding) is not None

    def _imported_from(self, book: Book, binding: Imported) -> ModuleFile | None:
        if binding.level:
            return self.library.relative(binding.level, binding.module, book.path)
        return self.library.absolute(binding.module, book.path)

    def dotted(self, book: Book, scope: Scope, name: str) -> Value | None:
        """What ``a.b.c`` is in ``scope``; None if there is no such thing."""
        first, *rest = name.split(".")
        value = self.lookup(book, scope, first)
        for part in rest:
            value = None if value is None else self.member(value, part)
        return value

    def member(self, value: Value, name: str, *, private_too: bool = True) -> Value | None:
        """``value.name`` for what names can stand for; None if there is no such thing."""
        match value:
            case Symbol(outer):
                return Symbol(canonical(f"{outer}.{name}"))
            case ModuleFile():
                return self._module_member(value, name) if private_too or name[:1] != "_" else None
            case ClassDefinition(book, outline):
                own = name in outline.scope.bindings
                return (own and self._in_scope(book, outline.scope, name)) or UNKNOWN
            case _:
                return UNKNOWN

    def _module_member(self, module: ModuleFile, name: str) -> Value | None:
        book = self.library.open(module.file) if module.file else None
        if book is not None:
            found = self._in_scope(book, book.outline.module, name)
            if found is not None:
                return found
        submodule = self.library.submodule(module, name)
        if submodule is not None:
            return submodule
        return None if book is not None else UNKNOWN

    def expression(self, book: Book, scope: Scope, node: ast.expr | None) -> Value:
        """What an expression of the outline stands for: names, aliases, constants, calls."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        match node:
            case ast.Name(id=name):
                value = self.lookup(book, scope, name) or UNKNOWN
            case ast.Constant(value=constant):
                value = Constant(constant)
            case ast.Call(func=func, args=args, keywords=keywords):
                value = ModuleLevelCall(self.expression(book, scope, func))
                if value.func == _PARTIAL:
                    value = replace(value, args=self._arguments(book, scope, node))
                if value.func == _DICT and not (args or parts) and all(k.arg for k in keywords):
                    held = [self.expression(book, scope, k.value) for k in keywords]
                    return Table(tuple(zip((k.arg for k in keywords), held, strict=True)))
                if args and value.func in _WRAPPERS:  # `step = nnx.jit(step)`
                    wrapped = self.expression(book, scope, args[0])
                    value = wrapped if isinstance(wrapped, FunctionDefinition) else value
            case ast.Dict(keys=keys, values=values) if not parts:
                named = [getattr(key, "value", None) for key in keys]
                held = [self.expression(book, scope, item) for item in values]
                return Table(tuple(zip(named, held, strict=True)))
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if not parts:
                return Items(tuple(self.expression(book, scope, e) for e in elements))
            case _:
                return UNKNOWN
        for part in reversed(parts):
            value = self.member(value, part) or UNKNOWN
        return value

    def _arguments(self, book: Book, scope: Scope, node: ast.Call) -> Arguments:
        plain = [a for a in node.args if not isinstance(a, ast.Starred)]
        named = [k for k in node.keywords if k.arg is not None]
        return Arguments(
            tuple(self.expression(book, scope, argument) for argument in plain),
            tuple((str(k.arg), self.expression(book, scope, k.value)) for k in named),
            open=len(plain) + len(named) < len(node.args) + len(node.keywords),
        )

    def base(self, book: Book, scope: Scope, node: ast.expr) -> Value:
        """What a base class is: ``X`` or ``X[T]``."""
        return self.expression(book, scope, node.value if isinstance(node, ast.Subscript) else node)

    def decorator(self, book: Book, scope: Scope, node: ast.expr) -> Value:
        """What a decorator is: ``X`` or ``X(...)``."""
        return self.expression(book, scope, node.func if isinstance(node, ast.Call) else node)

    def annotation(self, book: Book, scope: Scope, node: ast.expr | None) -> Value:
        """What an annotation names: ``X``, ``"X"``, ``X | None``, ``Optional[X]``; else unknown.

        Containers, ``list[X]`` and its like, give ``Items`` of what they hold.
        """
        match node:
            case ast.Constant(value=str(text)):
                try:
                    return self.annotation(book, scope, ast.parse(text, mode="eval").body)
                except UNPARSABLE:
                    return UNKNOWN
            case ast.BinOp(op=ast.BitOr()):
                sides: list[ast.expr] = []
                while isinstance(node, ast.BinOp):  # ast nests X | Y | Z to the left
                    sides.append(node.right)
                    node = node.left
                return self._one_of(book, scope, [*sides, node])
            case ast.Subscript(value=generic, slice=inner):
                inners = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                match self.expression(book, scope, generic):
                    case Symbol("typing.Optional" | "typing.Union"):
                        return self._one_of(book, scope, inners)
                    case Symbol("flax.nnx.GraphDef") if inners:
                        return GraphDef(self.annotation(book, scope, inners[0]))
                    case Symbol("typing.Annotated") if inners:
                        return self.annotation(book, scope, inners[0])
                    case Symbol(name) if name in _CONTAINERS:
                        held = [e for e in inners if not _is(e, ...)]
                        if len(held) == 1:
                            return Items((self.annotation(book, scope, held[0]),))
                return UNKNOWN
            case ast.Name() | ast.Attribute():
                return self.expression(book, scope, node)
            case _:
                return UNKNOWN

    def _one_of(self, book: Book, scope: Scope, sides: Sequence[ast.expr]) -> Value:
        """Those of ``sides`` that are not None."""
        return choose(
            *(self.annotation(book, scope, side) for side in sides if not _is(side, None))
        )


def names_class(name: str) -> bool:
    """Whether a name is written as those of classes are."""
    return name.lstrip("_")[:1].isupper()


def _wraps_itself(name: str, binding: Binding) -> bool:
    match binding:
        case Assigned(ast.Call(func, [ast.Name(id=given), *_])) if given == name:
            return str(getattr(func, "attr", getattr(func, "id", ""))) in _WRAPPER_NAMES
    return False


def _is(node: ast.expr, constant: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is constant
