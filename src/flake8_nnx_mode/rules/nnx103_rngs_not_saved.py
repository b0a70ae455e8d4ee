"""A forward method uses an `Rngs` that the module does not have.

## What it does
Reports a forward method that reads `self.rngs` where nothing assigns it, that uses a bare `rngs`
which only `__init__` has, or that uses an `nnx.Rngs` of the Python module around it.

## Why it is bad
The first two raise AttributeError or NameError, but only on the path that draws: evaluation works
and training does not. The third works until the call is jitted, then raises TraceContextError, and
is never saved, seeded or split with the model.

## How to fix
End `__init__` with `self.rngs = rngs.fork()` and draw from `self.rngs`. `self.rngs = rngs` works
too, but then modules that were given the same `rngs` share it.

## When it stays silent
When the class, a base that was read, or a subclass in the same file assigns the attribute in any
way (also `setattr`, a dataclass field, a property), or hands `self` to somebody who may; when a
base is not known; in classes made to be subclassed, with abstract methods or without `__init__`;
when the code tests for the attribute first or catches the error.
"""

import re
from collections.abc import Iterator, Sequence

from flake8_nnx_mode.facts.events import FunctionFacts
from flake8_nnx_mode.facts.hints import may_read_from_self
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import RNGS_AT_MODULE_LEVEL, each_guard
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.rules.remedies import line_end
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Function, Parameter

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.scale = nnx.Param(jax.numpy.ones(()))

    def __call__(self, x, train: bool):
        if train:
            return x + self.scale * jax.random.normal(self.rngs.dropout(), x.shape)
        return x
"""

GOOD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.scale = nnx.Param(jax.numpy.ones(()))
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + self.scale * jax.random.normal(self.rngs.dropout(), x.shape)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    outside = project.module_level(RNGS_AT_MODULE_LEVEL)
    for module in project.modules:
        names = _names_of_rngs(module)
        for function in module.forward_methods():
            unsaved = [
                name
                for name in names
                if may_read_from_self(module, function, name) and _is_unsaved(module, name)
            ]
            if unsaved:
                facts = module.facts(function)
                yield from _unsaved_attributes(module, function, facts, unsaved)
            if module.book.mentions(function, *outside) or _has_bare_name(module, function, names):
                yield from _free_names(module.facts(function), names)


def _is_unsaved(module: ClassFacts, name: str) -> bool:
    if not module.ancestry.resolved or module.is_template:
        return False
    return not (module.assigns(name) or module.is_assigned_from_outside(name))


def _has_bare_name(module: ClassFacts, function: Function, names: tuple[str, ...]) -> bool:
    """Whether the text has one of ``names``, neither as an attribute nor as a keyword."""
    text = module.book.text_of(function)
    return any(
        name not in function.scope.bindings and re.search(rf"(?<![\w.]){name}\b(?!\s*=[^=])", text)
        for name in names
    )


def _names_of_rngs(module: ClassFacts) -> tuple[str, ...]:
    """`rngs`, and what `__init__` calls its `nnx.Rngs`."""
    found = module.find_method("__init__")
    annotated = () if found is None else _annotated(module, found[0].book, found[1])
    return tuple(dict.fromkeys(("rngs", *(parameter.name for parameter in annotated))))


def _annotated(module: ClassFacts, book: Book, function: Function) -> list[Parameter]:
    """The parameters of a constructor that are annotated as an `nnx.Rngs`."""
    names = module.project.names
    return [
        parameter
        for parameter in function.parameters
        if names.annotation(book, function.outer, parameter.annotation) == RNGS_AT_MODULE_LEVEL.func
    ]


def _unsaved_attributes(
    module: ClassFacts, function: Function, facts: FunctionFacts, names: Sequence[str]
) -> Iterator[Report]:
    text = module.book.text_of(function)
    reported = set()
    for read in facts.reads:
        name = read.name
        if name not in names or name in reported:
            continue
        tested = re.search(rf"\bhasattr\(\s*self\s*,\s*['\"]{name}['\"]", text) is not None
        caught = any(guard.excused for guard in each_guard(read.guards))
        if tested or caught:
            continue
        reported.add(name)
        yield Report(
            read.anchor,
            f"`self.{name}` is read here, but nothing saves it: AttributeError as soon as this line"
            f" runs, often in training only; end `__init__` with `self.{name} = rngs.fork()`",
            _remedy(module, name),
        )


def _remedy(module: ClassFacts, name: str) -> Remedy | None:
    """Append the assignment to `__init__`, where that runs to its end and has an `nnx.Rngs`."""
    function = module.outline.methods.get("__init__")
    if function is None:
        return None
    given = [p.name for p in _annotated(module, module.book, function) if p.required]
    read = re.compile(rf"\.{name}\b")
    texts = (module.book.text_of(f) for f in module.own_methods() if module.is_init_like(f))
    if not given or any(map(read.search, texts)):
        return None
    if re.search(r"\breturn\b", module.book.text_of(function)):
        return None
    place, chapter = module.book.end_of_body(function), module.book.chapter(function)
    source = name if name in given else given[0]
    if place is None or chapter is None or source in code.bound_names(chapter.function.body):
        return None  # `del rngs`: it is something else by then
    span, indent, _ = place
    me, newline = function.parameters[0].name, line_end(module.book, span.start.line)
    text = f"{newline}{indent}{me}.{name} = {source}.fork()"
    return Remedy("unsafe", (Change(span, text),))


def _free_names(facts: FunctionFacts, names: tuple[str, ...]) -> Iterator[Report]:
    reported = set()
    for free in facts.free_names:
        if free.name in reported:
            continue
        if free.value is None and free.name in names:
            reported.add(free.name)
            yield Report(
                free.anchor,
                f"`{free.name}` is not known here: NameError as soon as this line runs, often in"
                f" training only; save it in `__init__` (`self.{free.name} = {free.name}.fork()`)"
                f" and use `self.{free.name}`",
            )
        elif free.value == RNGS_AT_MODULE_LEVEL:
            reported.add(free.name)
            yield Report(
                free.anchor,
                f"`{free.name}` is an `nnx.Rngs` outside the module: drawing from it under"
                " `nnx.jit` raises TraceContextError, and it is not saved or seeded with the model;"
                " give it to `__init__` and keep `self.rngs = rngs.fork()`",
            )


RULE = Rule(check, on=True, triggers=("rngs", "Rngs"), fix="unsafe", oracle="rngs-missing")
