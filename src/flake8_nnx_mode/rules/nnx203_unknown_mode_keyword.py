"""A layer is given a mode by a keyword that it does not have.

## What it does
Reports a call of a child with a keyword that is a mode flag (`train`, `deterministic`, ...) which
the `__call__` of the child does not take: `self.dropout(x, train=train)` for an `nnx.Dropout`,
whose flag is `deterministic`.

## Why it is bad
It is a TypeError as soon as the line runs; where that is only in training, evaluation hides it.

## How to fix
Use the child's own flag, the right way round: `deterministic=not train`. Layers without a mode
(`nnx.Linear`, `nnx.LayerNorm`) take none: leave it out. The fix is safe; it is not offered where
the flag may be None and would have to be negated.

## When it stays silent
When the child takes `**kwargs`, as `nnx.Sequential` and `nnx.LoRA` do; when it, or one of its
bases, is not known; where the error is caught or expected.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mistakes_in_file
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.rules.remedies import argument_replaced

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), train=train)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
"""


def check(project: Project) -> Iterator[Report]:
    for mistake in mistakes_in_file(project, "unknown keyword"):
        yield Report(mistake.where, _message(mistake), argument_replaced(mistake))


def _message(mistake: ModeMistake) -> str:
    instead = mistake.argument or (f"{mistake.parameter}=..." if mistake.parameter else None)
    write = f"write `{instead}`" if instead else "leave it out"
    return (
        f"{mistake.label} has no parameter `{mistake.wrong}`: TypeError when it is called; {write}"
    )


RULE = Rule(check, on=True, fix="safe", oracle="mode")
