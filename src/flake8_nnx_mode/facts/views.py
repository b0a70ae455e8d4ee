"""``set_view`` methods: what they take, what they say of it, and how they store it."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import AttributeWrite
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import (
    NONE,
    ClassDefinition,
    Constant,
    Flag,
    FunctionDefinition,
    Given,
    Guard,
    Symbol,
    each_guard,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function, Parameter

_CONVERSIONS = frozenset({"bool", "int", "float", "str", "list", "tuple"})
_FALSY = re.compile(r"\b(?:bool|float|Any|object|Literal|Array\w*)\b")
_KEEPS_DOCSTRING = (Symbol("typing.no_type_check"), Symbol("typing.override"))
_HEADING, _END = "Args:\n", "Returns:\n"

Said = Literal["true", "given", "unknown", "nothing", "none"]
"""What is known of a parameter where it is stored: that it is true, that it is not None, something
that is not understood, nothing, or that it is None or false."""
_RANKS: tuple[Said, ...] = ("true", "given", "unknown", "nothing", "none")


@dataclass(frozen=True, slots=True)
class SetView:
    """A ``set_view`` of the file at hand that ``nnx.view`` calls."""

    module: ClassFacts
    definition: ClassDefinition
    function: Function

    @property
    def keywords(self) -> list[Parameter]:
        """The parameters that a view can give."""
        usual = ("positional-or-keyword", "keyword-only")
        return [p for p in self.function.parameters[1:] if p.kind in usual]


@dataclass(frozen=True, slots=True)
class Test:
    """What a test says of a parameter, and the part of the test that says it."""

    said: Said
    node: code.Expression | None = None

    @property
    def asked(self) -> code.Expression | None:
        """The parameter itself, where it is asked whether it is true."""
        return self.node.operand if isinstance(self.node, code.Not) else self.node


@dataclass(frozen=True, slots=True)
class Store:
    """A parameter of ``set_view`` is kept in an attribute."""

    parameter: str
    write: AttributeWrite
    test: Test
    as_given: bool
    """Whether it is the value that is stored, not ``True`` in its place."""
    alone: bool
    """Whether the attribute is written only where this test holds."""
    simple: bool
    """Whether all that this test decides is where the parameter is stored."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """``loud or self.loud``, ``loud if loud else self.loud``: false counts as not given."""

    parameter: str
    anchor: Anchor
    """The ``or``, or the parameter in the test."""
    replaced: Anchor
    instead: str | None
    """What to write in place of ``replaced``."""


def set_views(project: Project) -> tuple[SetView, ...]:
    """Those of the modules in the file at hand, also where a mixin of the file has it."""
    return project.remember(set_views, lambda: tuple(_set_views(project)))


def _set_views(project: Project) -> Iterator[SetView]:
    seen = set()
    for module in project.modules:
        found = module.find_method("set_view")
        if found is None or found[0].book is not project.book or found[1] in seen:
            continue
        seen.add(found[1])
        yield SetView(module, *found)


def may_be_none(project: Project, function: Function, default: ast.expr) -> bool:
    """Whether a default is None, is not known, or stands for None: `x is not UNSET`."""
    if isinstance(default, ast.UnaryOp | ast.Tuple | ast.List | ast.Dict | ast.JoinedStr):
        return False
    value = project.names.expression(project.book, function.outer, default)
    is_sentinel = f"is not {ast.unparse(default)}" in project.book.text_of(function)
    return is_sentinel or not isinstance(value, Constant) or value == NONE


def may_be_false(view: SetView, name: str) -> bool:
    """Whether a parameter may well be False, or a rate of 0, by its annotation if it has one.

    Lengths and numbers of steps are not meant to be 0.
    """
    parameter = view.function.parameter(name)
    if parameter is None or parameter.annotation is None:
        return True
    return _FALSY.search(ast.unparse(parameter.annotation)) is not None


def is_action(project: Project, view: SetView, parameter: Parameter) -> bool:
    """Whether a parameter that is false by default only says that something shall be done."""
    default = parameter.default
    if not (isinstance(default, ast.Constant) and not default.value):
        return False
    name = parameter.name
    if any(store.parameter == name for store in stores(project, view)):
        return False
    writes = view.module.facts(view.function, view.definition).writes
    return not any(code.Name(name) in code.walk(write.source) for write in writes if write.source)


def left_out_as_none(view: SetView) -> frozenset[str]:
    """The parameters that are None for each view that does not name them."""
    return frozenset(
        p.name
        for p in view.keywords
        if isinstance(p.default, ast.Constant) and p.default.value is None
    )


# -- how parameters are stored -------------------------------------------------------------------


def stores(project: Project, view: SetView) -> tuple[Store, ...]:
    """Where parameters of a ``set_view`` are put into attributes, one for each statement."""
    return project.remember(
        (stores, view.function),
        lambda: tuple(_stores(project, view, {p.name for p in view.keywords})),
    )


def _stores(project: Project, view: SetView, parameters: set[str]) -> Iterator[Store]:
    facts = view.module.facts(view.function, view.definition)
    if not facts.writes:
        return
    if any(
        not isinstance(project.names.decorator(project.book, view.function.outer, d), Symbol)
        for d in view.function.decorators
    ):
        return  # perhaps it gives other arguments
    body = facts.writes[0].anchor.chapter.function.body
    validations = _validations(body)
    acts = any(
        isinstance(node, code.Evaluate) and not isinstance(node.value, code.Constant)
        for node in code.walk(body)
    )
    seen = set()
    for write in facts.writes:
        place = write.anchor.at if write.source is None else write.source.at
        if place in seen:
            continue  # `self.a = self.b = mode`
        stored = _stored(write, parameters)
        parameter = stored or _switched(write, parameters)
        if parameter is not None:
            seen.add(place)
            others = parameters - {parameter}
            tests = [(w, _guarded(w, parameter, others, validations)) for w in facts.writes]
            test = next(t for w, t in tests if w is write)
            alone = all(t.node is test.node for w, t in tests if w.name == write.name)
            under = [w for w, t in tests if t.node is test.node]
            simple = not acts and all(_stored(w, parameters) == parameter for w in under)
            yield Store(parameter, write, test, stored is not None, alone, simple)


def _stored(write: AttributeWrite, parameters: set[str]) -> str | None:
    """The parameter that is written as it is, or converted."""
    match write.value:
        case Given(name, None) | Flag(name) if name in parameters:
            return name
    match write.source:
        case code.Call(code.Name(func), (code.Argument(code.Name(name), None, ""),)) if (
            func in _CONVERSIONS and name in parameters
        ):
            return name
        case code.Not(code.Name(name)) if name in parameters:
            return name
        case code.IfElse(test, body, orelse):
            for name in parameters:
                arms = {body: _says(test, name, holds=True), orelse: _says(test, name, holds=False)}
                for arm, says in arms.items():
                    if arm == code.Name(name) and says.said in ("nothing", "none"):
                        return name
                    if isinstance(arm, code.Constant) and says.said == "none":
                        return name  # `mode if mode is not None else "fast"`
    return None


def _switched(write: AttributeWrite, parameters: set[str]) -> str | None:
    """``if loud: self.loud = True``."""
    name = write.name.strip("_")
    return name if name in parameters and write.value == Constant(value=True) else None


def _validations(body: code.Block) -> frozenset[code.At]:
    """The tests that only check values: ``if not size: raise``, ``assert size``."""
    found = set()
    for node in code.walk(body):
        match node:
            case code.Assert(test):
                found.add(test.at)
            case code.If(test, code.Block((*_, code.Leave("raise")))):
                found.add(test.at)
    return frozenset(found)


def _guarded(
    write: AttributeWrite, parameter: str, others: set[str], validations: frozenset[code.At]
) -> Test:
    """What all guards around a write say of the parameter."""
    found = []
    for guard in each_guard(write.guards):
        test = _of_guard(guard, parameter, others)
        if guard.test is not None and guard.test.at in validations and test.said == "true":
            test = Test("given")  # anything else is an error
        found.append(test)
    return min(found, key=lambda test: _RANKS.index(test.said), default=Test("nothing"))


def _of_guard(guard: Guard, parameter: str, others: set[str]) -> Test:
    if guard.test is None:
        return Test("unknown" if guard.names or parameter in guard.flags else "nothing")
    test = _says(guard.test, parameter, holds=guard.holds)
    if test.said == "nothing" and parameter not in guard.names:
        irrelevant = guard.names <= others | guard.attributes | {"self"}
        return test if irrelevant else Test("unknown")
    return test


def _says(test: code.Expression, name: str, *, holds: bool) -> Test:
    """What it says of ``name`` that a test holds, or does not."""
    sides = (code.Name(name), code.Constant(None))
    match test:
        case code.Name(tested):
            if tested != name:
                return Test("nothing")
            return Test("true" if holds else "none", test)
        case code.Not(code.Name(tested)) if tested == name:
            return Test("none" if holds else "true", test)
        case code.Not(operand):
            return _says(operand, name, holds=not holds)
        case code.Call(code.Name("bool"), (code.Argument(operand, None, ""),)):
            return _says(operand, name, holds=holds)
        case code.Compare(left, ((operator, right),)) if sides in ((left, right), (right, left)):
            is_none = operator in ("Is", "Equal")
            return Test("none" if is_none == holds else "given", test)
        case code.Compare(code.Name(tested), ((operator, code.Constant()),)) if (
            tested == name and operator in ("Equal", "NotEqual")
        ):  # `rate == 0.0`: None is no such thing
            return Test("given" if (operator == "Equal") == holds else "nothing", test)
        case code.Compare(code.Name(tested), (("NotEqual", code.Attribute()),)) if (
            tested == name and holds
        ):
            return Test("nothing", test)
        case code.Either(operator, operands):
            said = [_says(operand, name, holds=holds) for operand in operands]
            all_hold = (operator == "and") == holds
            choose = min if all_hold else max
            return choose(said, key=lambda one: _RANKS.index(one.said))
    mentioned = any(node == code.Name(name) for node in code.walk(test))
    return Test("unknown" if mentioned else "nothing")


def fallbacks(project: Project, view: SetView) -> Iterator[Fallback]:
    """Where a parameter that is false counts as not given, in an expression."""
    chapter = project.book.chapter(view.function)
    names = left_out_as_none(view)
    if chapter is None or not names:
        return
    for node in code.walk(chapter.function.body):
        match node:
            case code.Either("or", (code.Name(name), kept) | (kept, code.Name(name))) if (
                name in names and _is_kept(kept)
            ):
                place = Anchor(chapter, node.at)
                instead = f"{name} if {name} is not None else {_text(kept)}"
                plain = any(
                    isinstance(s, code.Assign) and s.value is node
                    for s in code.walk(chapter.function.body)
                )
                yield Fallback(name, place, place, instead if plain else None)
            case code.IfElse(code.Name(name) as test, code.Name(body), kept) if (
                name in names and body == name and _is_kept(kept)
            ):
                place = Anchor(chapter, test.at)
                yield Fallback(name, place, place, f"{name} is not None")
            case code.IfElse(code.Not(code.Name(name) as asked) as test, kept, code.Name(body)) if (
                name in names and body == name and _is_kept(kept)
            ):
                place = Anchor(chapter, asked.at)
                yield Fallback(name, place, Anchor(chapter, test.at), f"{name} is None")


def _is_kept(node: code.Expression) -> bool:
    """Whether it is an attribute: ``self.loud``."""
    return isinstance(node, code.Attribute) and bool(_text(node))


def _text(node: code.Expression) -> str:
    """``self.drop.rate``; empty for what takes more than names."""
    match node:
        case code.Name(name):
            return name
        case code.Attribute(value, name):
            owner = _text(value)
            return owner and f"{owner}.{name}"
    return ""


# -- what docstrings say -------------------------------------------------------------------------


def own_docstring(view: SetView) -> str | None:
    """The docstring of the function itself."""
    return ast.get_docstring(view.function.node)


def docstring(view: SetView) -> str | None:
    """What ``nnx.view_info`` reads: its own docstring, or that of the next base which has one.

    None where there is none, "" is one. Docstrings of layers of ``flax.nnx`` name just what their
    ``set_view`` takes.
    """
    above = view.module.ancestry
    order = above.classes[above.classes.index(view.definition) :]
    inherits = _is_found_by_name(view.definition)
    for definition in order:
        function = definition.outline.methods.get("set_view")
        doc = None if function is None else ast.get_docstring(function.node, clean=False)
        if doc is not None:
            return inspect.cleandoc(doc)
        if not inherits:
            return None
    for name in sorted(above.builtins):
        if name in flax_api.VIEWS:
            taken = sorted(flax_api.VIEWS[name])
            return _HEADING + "".join(f"  {keyword}: ...\n" for keyword in taken)
    return None


def _is_found_by_name(definition: ClassDefinition) -> bool:
    """Whether a class is at module level, or in a class that is: no function makes it."""
    scope = definition.outline.outer
    while scope.parent is not None:
        if scope.kind == "function":
            return False
        scope = scope.parent
    return True


def documented(doc: str) -> frozenset[str]:
    """The names that ``nnx.view_info`` finds in a clean docstring (flax 0.12.5 to 0.12.12).

    It looks at lines that are indented by two or three spaces, between ``Args:`` and ``Returns:``.
    """
    start, end = doc.find(_HEADING), doc.find(_END)
    section = doc[start + len(_HEADING) : len(doc) if end == -1 else end]
    lines = (
        line
        for line in section.split("\n")
        if line.startswith("  ") and not line.startswith("    ")
    )
    return frozenset(line[: line.find(":")].strip() for line in lines)


def keeps_docstring(project: Project, view: SetView) -> bool:
    """Whether its decorators leave docstring and signature where ``inspect`` finds them."""
    for decorator in view.function.decorators:
        value = project.names.decorator(project.book, view.function.outer, decorator)
        if isinstance(value, FunctionDefinition):
            keeps = "wraps(" in value.book.text_of(value.outline)
        else:
            keeps = value in _KEEPS_DOCSTRING
        if not keeps:
            return False
    return True


def described_by_name(view: SetView) -> list[str]:
    """The parameters that ``nnx.view_info`` looks up in the docstring.

    Those that no view can name are left out: they should not be there at all, says NNX306.
    """
    skipped, swallowed = {"self", "args", "kwargs"}, ("var-keyword", "positional-only")
    own = view.function.parameters
    names = [p.name for p in own if p is own[0] or p.kind not in swallowed]
    return [name for name in names if name not in skipped]
