"""`jax.jit` loses the state that a module or an `Rngs` has after the call.

## What it does
Reports a function under `jax.jit` that takes a module, or an `nnx.Rngs`, and uses it in a way that
draws noise or updates statistics, and does not return the new state.

## Why it is bad
`jax.jit` works on copies: what the call changes is gone when it returns. Each call drops the same
units, and the statistics of batch norm never change.

## How to fix
Use `nnx.jit`, which hands the state back, or return it: `return loss, nnx.state(model)`.

## When it stays silent
Where the model evaluates, by flags, defaults, `.eval()` or a view; where it only trains because
nobody said otherwise, no gradient with respect to it is taken, and the function is named for
evaluation or code about it evaluates; where the state, the model or something that may hold it is
returned, also by a function that is handed over, as to `jax.lax.scan`; for keys, and for streams
that are made or reseeded for the call; for models of unknown classes; in tests.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.losses import lost_state
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)


@jax.jit
def loss(model: Net, x, y):
    return ((model(x, train=True) - y) ** 2).mean()
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)


@nnx.jit
def loss(model: Net, x, y):
    return ((model(x, train=True) - y) ** 2).mean()
"""


def check(project: Project) -> Iterator[Report]:
    for lost in lost_state(project):
        what = "draws from" if lost.effect == "draws" else "updates the statistics of"
        effect = (
            "every call gets the same noise"
            if lost.effect == "draws"
            else "the statistics never change"
        )
        yield Report(
            lost.where,
            f"`jax.jit` works on copies, and this function {what} {lost.label} without returning"
            f" its state: {effect}; use `nnx.jit`, or return the state too",
        )


RULE = Rule(check, on=True, triggers=("jit",), oracle="lost-state")
