"""A mode is written into a call as a constant.

## What it does
Reports `deterministic=False`, `train=True` and their like in the call of a child, in a forward
method that has a mode flag itself, or where the constant means training, in any `__call__`.

## Why it is bad
What a call says beats everything else: `.eval()`, `nnx.view` and the flag of the caller have no
effect on this layer. It drops units in evaluation, or never learns its statistics in training.

## How to fix
Pass the flag of the method on (`deterministic=not train`), or leave the argument out, so that
`.train()`, `.eval()` and views decide.

## When it stays silent
On a branch that tests the mode, by whatever name; where the result goes through
`jax.lax.stop_gradient`; for children called teacher, target, frozen or mc; in methods named for it
(`generate`, `predict`, `sample`, `mc_...`, `..._with_dropout`); for a network that evaluates here
and gets the flag elsewhere in the method; when another argument depends on the flag; when the
caller deleted its flag; for children that have no layer with a mode, or that are not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mistakes_in_file
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.linear(x), deterministic=False)
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
    for mistake in mistakes_in_file(project, "hard-coded"):
        yield Report(mistake.where, _message(mistake))


def _message(mistake: ModeMistake) -> str:
    if mistake.argument is not None:
        return (
            f"the mode of {mistake.label} is fixed here, whatever the mode of this method;"
            f" write `{mistake.argument}`"
        )
    return (
        f"{mistake.label} is always in training mode here: neither `.eval()` nor `nnx.view` can"
        f" turn it off; leave `{mistake.parameter}` out, or pass on a mode flag of this method"
    )


RULE = Rule(check, on=True, oracle="mode")
