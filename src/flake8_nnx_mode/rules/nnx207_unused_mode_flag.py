"""A forward method takes a mode flag and does nothing with it.

## What it does
Reports a `__call__` with a mode flag that is neither read, passed on nor deleted, in a module that
is stochastic or keeps statistics, itself or through its layers.

## Why it is bad
Who calls it with `train=False` gets a model that still drops units and updates its statistics:
the flag is a promise that nobody keeps.

## How to fix
Pass it to the layers that have a mode. If it is there for the sake of an interface only, say so:
`del train`.

## When it stays silent
When another rule reports what a call in the method does with its mode; for abstract methods and
those that override one of a base; when a base is not known; when nothing that the call reaches is
known to have a mode or to draw; when construction set the mode.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mode_mistakes
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.syntax.outline import Function

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        return x + jax.random.normal(self.rngs.dropout(), x.shape)
"""

GOOD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.dropout(), x.shape)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        function = module.outline.methods.get("__call__")
        if function is None or not _is_its_own(module, function):
            continue
        flags = [p for p in function.parameters if project.is_mode_flag(p)]
        if not flags:
            continue
        facts = module.facts(function)
        unused = [p.name for p in flags if p.name not in facts.flags_read | facts.flags_deleted]
        if not (facts.known and unused) or module.modes_set:
            continue
        if "locals()" in module.book.text_of(function) or not _is_noisy(module, function):
            continue
        if any(m.mistake != "implicit" for m in _mistakes(module, function)):
            continue
        for name in unused:
            yield Report(
                module.book.span_of_def(function),
                f"`{name}` is never used: the call behaves the same in training and evaluation;"
                f" pass it to the layers that have a mode, or `del {name}`",
            )


def _is_noisy(module: ClassFacts, function: Function) -> bool:
    """Whether the call uses a layer with a mode, or draws from a stream for noise."""
    for method in module.reached_from(function):
        facts = module.facts(method)
        if any(draw.stream != "params" and not draw.source.made_here for draw in facts.draws):
            return True
        held = [module.attribute(name) for name in sorted({read.name for read in facts.reads})]
        held += (call.child for call in facts.calls)
        if any(value is not None and module.project.kinds(value) for value in held):
            return True
    return False


def _mistakes(module: ClassFacts, function: Function) -> Iterator[ModeMistake]:
    for method in module.reached_from(function):
        yield from mode_mistakes(module.project, method, module)


def _is_its_own(module: ClassFacts, function: Function) -> bool:
    """Whether the signature is the method's own choice, and it is meant to do something."""
    if "abstractmethod" in decorator_names(function) or function.is_stub:
        return False
    if not module.ancestry.resolved:
        return False
    bases = module.ancestry.classes[1:]
    return not any("__call__" in base.outline.scope.bindings for base in bases)


RULE = Rule(check, on=True, oracle="dead-flag")
