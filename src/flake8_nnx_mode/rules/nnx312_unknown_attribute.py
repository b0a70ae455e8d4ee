"""`nnx.with_attributes` names an attribute that no module of the model has.

## What it does
Reports each keyword of `nnx.with_attributes` that is no attribute of any module in the model, where
all of the model is known.

## Why it is bad
`nnx.with_attributes` raises ValueError for it: it replaces attributes, and makes none.

## How to fix
Write the name of the attribute. What a constructor or `__call__` calls it may be another one:
`nnx.Dropout` keeps its rate as `rate`.

## When it stays silent
With `raise_if_not_found=False`; where any part of the model is not known; for methods and class
attributes, which count.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from flake8_nnx_mode.facts.changes import changes, unknown_names
from flake8_nnx_mode.facts.flax_api import MODES_SET_BY_EVAL
from flake8_nnx_mode.facts.models import attributes, models
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.noisy = True

    def __call__(self, x):
        return self.linear(x) * 2 if self.noisy else self.linear(x)


def evaluate(model: Net, x):
    eval_model = nnx.with_attributes(model, noise=False)
    return eval_model(x)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.noisy = True

    def __call__(self, x):
        return self.linear(x) * 2 if self.noisy else self.linear(x)


def evaluate(model: Net, x):
    eval_model = nnx.with_attributes(model, noisy=False)
    return eval_model(x)
"""


def check(project: Project) -> Iterator[Report]:
    for changed in changes(project, "with_attributes"):
        for name, where in unknown_names(project, changed):
            found = models(project, changed.change.model, changed.owner)
            written = sorted({*MODES_SET_BY_EVAL, *(n for parts in found for n in parts.written)})
            there = frozenset().union(*map(attributes, found))
            near = [n for n in get_close_matches(name, written) if n in there]
            advice = f"write `{near[0]}`" if near else "write the name of one that is there"
            yield Report(
                where,
                f"no module of this model has an attribute `{name}`, so this raises ValueError;"
                f" {advice}",
            )


RULE = Rule(check, on=True, triggers=("with_attributes",), since=(0, 12, 6), oracle="refused-view")
