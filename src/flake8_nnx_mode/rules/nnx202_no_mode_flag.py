"""A forward pass drops units, and nothing tells it when not to.

## What it does
Reports a `__call__` that draws from a stream of training noise (`dropout`, `drop_path`,
`droppath`, `stochastic_depth`) where nothing lets it know the mode: it has no mode flag, tests no
attribute that could hold the mode, and its class has no `set_view`.

## Why it is bad
Evaluation is as noisy as training: two predictions for one input differ, and metrics are too low.

## How to fix
Take a mode flag, or keep one (`self.deterministic`) that `.eval()` and `nnx.view` set, and draw
only in training.

## When it stays silent
When the `Rngs` is an argument of the method, as in the explicit style of Flax; when the `Rngs` is
tested for None; when every call of the module in the file stands under a test of the mode; in
classes made to be subclassed.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts
from flake8_nnx_mode.facts.modes import may_know_mode
from flake8_nnx_mode.facts.modules import ClassFacts, may_draw_for_dropout
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Draw, Guard, Instance, each_guard, options, under_mode_test
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Drop(nnx.Module):
    def __init__(self, rate: float, rngs: nnx.Rngs):
        self.rate = rate
        self.rngs = rngs.fork()

    def __call__(self, x):
        keep = jax.random.bernoulli(self.rngs.dropout(), 1 - self.rate, x.shape)
        return x * keep / (1 - self.rate)
"""

GOOD = """
import jax
from flax import nnx


class Drop(nnx.Module):
    def __init__(self, rate: float, rngs: nnx.Rngs):
        self.rate = rate
        self.rngs = rngs.fork()

    def __call__(self, x, *, train: bool):
        if not train:
            return x
        keep = jax.random.bernoulli(self.rngs.dropout(), 1 - self.rate, x.shape)
        return x * keep / (1 - self.rate)
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        call = module.outline.methods.get("__call__")
        if call is None or may_know_mode(project, module, call):
            continue
        for function in module.reached_from(call):
            if not may_draw_for_dropout(module.book, function):
                continue
            if function is not call and may_know_mode(project, module, function):
                continue
            for draw in module.facts(function).draws:
                if _is_blind(draw) and not _is_gated(project, module):
                    yield Report(
                        draw.anchor,
                        f"this draws from `{draw.stream}` in evaluation too: nothing here knows the"
                        " mode; take a mode flag and draw only in training",
                    )
                    break  # one is enough to say so


def _is_blind(draw: Draw) -> bool:
    return (
        draw.stream in flax_api.DROPOUT_STREAMS
        and draw.source.origin in ("kept", "unknown")
        and not any(_may_be_about_mode(guard) for guard in each_guard(draw.guards))
    )


def _may_be_about_mode(guard: Guard) -> bool:
    """Whether a test may be about the mode; one of the rate is not."""
    named = (name for name in guard.attributes if not flax_api.is_rate(name))
    return bool(guard.flags) or guard.optional or guard.excused or any(named)


def _is_gated(project: Project, module: ClassFacts) -> bool:
    """Whether the file calls the module, and only under tests of the mode."""
    tested = [
        under_mode_test(call.guards) or call.after_mode_set
        for facts in _mentioning(project, module.outline.name)
        for call in facts.calls
        for child in options(call.child)
        if isinstance(child, Instance) and child.of == module.definition
    ]
    return bool(tested) and all(tested)


def _mentioning(project: Project, name: str) -> Iterator[FunctionFacts]:
    """What functions do that belong to a class, or are ones, which names ``name``."""
    for function, owner in project.functions():
        family = [function] if owner is None else owner.own_methods()
        if any(project.book.mentions(member, name) for member in family):
            yield project.facts(function, owner)


RULE = Rule(check, on=True, triggers=tuple(sorted(flax_api.DROPOUT_STREAMS)), oracle="mode")
