"""Functions that are compiled: by a decorator, or by ``step = nnx.jit(step)``."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, LocalRun
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import (
    Arguments,
    Constant,
    FunctionDefinition,
    Items,
    Method,
    SelfObject,
    Symbol,
    Value,
)
from flake8_nnx_mode.model import Span
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Assigned, Function, Scope


@dataclass(frozen=True, slots=True)
class Jitted:
    """A function of the file at hand that ``nnx.jit`` or ``jax.jit`` compiles."""

    within: str
    """The function that it is compiled in, or itself."""
    by: str
    """The full name of the transform."""
    static: frozenset[str] | None
    """The parameters that are compiled in, by name; None where that is not known."""
    flags: dict[str, bool]
    """Its mode flags -> whether calls give them: one that is left to its default is not traced."""
    facts: FunctionFacts | LocalRun
    where: Anchor | Span
    """The ``def`` of a decorated function, or the call that compiles it."""
    function: Function | None = None
    """The function itself; None for a local one."""
    owner: ClassFacts | None = None
    decorator: Anchor | Span | None = None
    """The decorator that compiles it."""
    names: tuple[str, ...] = ()
    """Its parameters."""
    text: str = ""
    """Its text, or that of the function around it."""
    name: str = ""
    """What it is called; empty for a lambda."""
    gradient: bool = False
    """Whether it is the gradient of the function that is compiled."""


def jitted(project: Project) -> tuple[Jitted, ...]:
    """All of them, once for each way in which they are."""
    return project.remember(jitted, lambda: tuple(_jitted(project)))


def _jitted(project: Project) -> Iterator[Jitted]:
    owners = dict(project.functions())

    def made(
        function: Function,
        by: str,
        args: Arguments,
        where: Anchor | Span,
        name: str = "",
        decorator: Span | None = None,
        *,
        gradient: bool = False,
    ) -> Jitted:
        own, owner = function.parameters, owners[function]
        names = tuple(p.name for p in own if p.kind != "keyword-only")
        flags = {p.name: p.required for p in own if project.is_mode_flag(p)}
        if not all(flags.values()):
            calls = _calls_of(project, name, is_method=owner is not None)
            for flag, required in flags.items():
                flags[flag] = required or any(_gives(call, flag, names) for call in calls)
        return Jitted(
            function.name,
            by,
            _static(names, args),
            flags,
            project.facts(function, owner),
            where,
            function=function,
            owner=owner,
            decorator=decorator,
            names=tuple(p.name for p in own),
            text=project.text_around(function, owner),
            name=function.name,
            gradient=gradient,
        )

    for function in owners:
        for decorator in function.decorators:
            by = _transform(project, function.outer, decorator)
            if by is not None:
                args = _arguments(project, function.outer, decorator)
                where = project.book.span_of_def(function)
                place = project.book.span_of(decorator)
                yield made(function, by, args, where, function.name, place)
    scope = project.book.outline.module
    for name, bindings in scope.bindings.items():
        for binding in bindings:
            match binding:
                case Assigned(ast.Call(args=[target, *_]) as call):
                    by = _transform(project, scope, call.func)
                    compiled = project.names.expression(project.book, scope, target)
                    if by is not None and isinstance(compiled, FunctionDefinition):
                        function = compiled.outline
                        if function in owners:
                            args = _arguments(project, scope, call)
                            place = project.book.span_of(call)
                            inner = ast.unparse(target.func) if isinstance(target, ast.Call) else ""
                            yield made(
                                function, by, args, place, name, gradient=inner.endswith("grad")
                            )
    for function, owner in owners.items():
        if not project.book.mentions(function, "jit"):
            continue
        facts = project.facts(function, owner)
        for jit in facts.jits:
            if isinstance(jit.function, LocalRun):
                run = jit.function
                static = _static(run.parameters, jit.args)
                flags = {f: run.parameters.index(f) < run.required for f in run.flags}
                yield Jitted(
                    function.name,
                    jit.by,
                    static,
                    flags,
                    run,
                    jit.anchor,
                    decorator=jit.decorator,
                    names=run.parameters,
                    text=project.text_around(function, owner),
                    name=run.name,
                )
            elif jit.function in owners:
                yield made(jit.function, jit.by, jit.args, jit.anchor)
        if owner is not None and not owner.is_module:
            for bound in facts.jits_of_modules:
                match bound.compiled:
                    case Method(SelfObject(), name):
                        found = owner.find_method(name)
                        if found is not None and found[1] in owners:
                            yield made(found[1], bound.by, bound.args, bound.anchor)


def _calls_of(project: Project, name: str, *, is_method: bool) -> list[ast.Call]:
    """The calls in the file at hand of what is called so: ``name(...)``, ``x.name(...)``."""
    if not name:
        return []
    named = "attr" if is_method else "id"
    return [
        node
        for node in ast.walk(project.book.tree)
        if isinstance(node, ast.Call) and getattr(node.func, named, None) == name
    ]


def _gives(call: ast.Call, name: str, positional: Sequence[str]) -> bool:
    """Whether a call gives an argument; that of ``self`` is counted as given."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
    bound = isinstance(call.func, ast.Attribute) and positional[:1] == ("self",)
    return name in positional and positional.index(name) < len(call.args) + bound


def _transform(project: Project, scope: Scope, node: ast.expr) -> str | None:
    """Which jit ``X``, ``X(...)`` or ``partial(X, ...)`` is."""
    value = project.names.decorator(project.book, scope, node)
    if value == Symbol("functools.partial") and isinstance(node, ast.Call) and node.args:
        value = project.names.expression(project.book, scope, node.args[0])
    return value.name if isinstance(value, Symbol) and value.name in flax_api.JITS else None


def _arguments(project: Project, scope: Scope, node: ast.expr) -> Arguments:
    """The keywords of a decorator, or of the call that compiles."""
    if not isinstance(node, ast.Call):
        return Arguments((), ())
    named = [(k.arg, project.names.expression(project.book, scope, k.value)) for k in node.keywords]
    keywords = tuple((name, value) for name, value in named if name is not None)
    return Arguments((), keywords, len(keywords) < len(named))


def _static(names: Sequence[str], args: Arguments) -> frozenset[str] | None:
    if args.open:
        return None
    found: set[str] = set()
    for keyword in ("static_argnames", "static_argnums"):
        for value in _each(args.get(keyword)):
            match value:
                case Constant(str(name)):
                    found.add(name)
                case Constant(int(index)) if -len(names) <= index < len(names):
                    found.add(names[index])
                case _:
                    return None
    return frozenset(found)


def _each(value: Value | None) -> tuple[Value, ...]:
    match value:
        case None | Constant(None):
            return ()
        case Items(elements):
            return elements
        case _:
            return (value,)
