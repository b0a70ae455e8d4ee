"""A layer that takes a mode flag is called without it.

## What it does
Reports a call of a child (an attribute of `self`, a local, a parameter annotated with its class)
whose `__call__` takes a mode flag, when the flag is left out although (a) it is required, or (b)
the calling method has a mode flag of its own and does not forward it, or (c) the child trains by
default, is stochastic or keeps statistics, and the caller has no way to tell it otherwise. The
layers of `flax.nnx` can get their mode from elsewhere: for them only (b) counts, and only when
their constructor fixed no mode.

## Why it is bad
(a) is a TypeError on the first call. (b) and (c) are silent: the model evaluates with dropout on
and overwrites its batch statistics, or never drops anything in training.

## How to fix
Forward the flag: `train=train`, or `deterministic=not train` where the child counts the other way.

The fix adds the argument. It is safe, except where the child evaluates by default and draws noise
by itself when it is called: once it trains, the model needs that stream. It is not offered where
the flag may be None and would have to be negated.

## When it stays silent
When an argument of the call depends on the flag in any way; with `*args` or `**kwargs`; on a
branch that tests the flag; after `self.train()`, `self.eval()` or `self.set_attributes()`; when
the caller deleted its flag or the child ignores it; in construction, where shapes are probed; for
a teacher or a frozen network that evaluates by default; when the child is not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mistakes_in_file
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Remedy, Report, Rule
from flake8_nnx_mode.rules.remedies import argument_added, once_told

BAD = """
from flax import nnx


class Block(nnx.Module):
    def __init__(self, features: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(features, features, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool = True):
        return self.dropout(self.linear(x), deterministic=not train)


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.block = Block(4, rngs)

    def __call__(self, x, train: bool):
        return self.block(x)
"""

GOOD = """
from flax import nnx


class Block(nnx.Module):
    def __init__(self, features: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(features, features, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool = True):
        return self.dropout(self.linear(x), deterministic=not train)


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.block = Block(4, rngs)

    def __call__(self, x, train: bool):
        return self.block(x, train=train)
"""


def check(project: Project) -> Iterator[Report]:
    for mistake in mistakes_in_file(project, "required", "not forwarded", "trains by default"):
        yield Report(mistake.where, _message(mistake), _remedy(project, mistake))


def _message(mistake: ModeMistake) -> str:
    called, parameter = mistake.label, mistake.parameter
    add = f"add `{mistake.argument}`" if mistake.argument else f"pass `{parameter}`"
    if mistake.mistake == "required":
        return f"{called} is called without `{parameter}`, which is required: TypeError; {add}"
    if mistake.mistake == "not forwarded":
        return (
            f"{called} is not told the mode that this code has: it behaves the same in training and"
            f" evaluation; {add}"
        )
    return (
        f"{called} trains unless it is told otherwise, and nothing here can: evaluation runs with"
        f" noise or overwrites statistics; take a mode flag and pass it as `{parameter}`"
    )


def _remedy(project: Project, mistake: ModeMistake) -> Remedy | None:
    call, argument = mistake.call, mistake.argument
    if call is None or argument is None or not mistake.plain:
        return None
    return argument_added(call.node, call.anchor, argument, once_told(project, mistake))


RULE = Rule(check, on=True, fix="safe", oracle="mode")
