"""Strict style: a layer is called without saying its mode.

## What it does
Reports a call, in a forward method without a mode flag, of a layer that is stochastic or keeps
statistics, when neither the call nor the layer's constructor says which mode it is in. For teams
that pass the mode explicitly, `train` from the top down to every layer that heeds it.

## Why it is bad
The mode then depends on what was done to the object before: `.train()`, `.eval()`, `nnx.view`.
This is how Flax is normally used, and so the rule is off by default. In a code base that passes
flags, such a layer is one that was forgotten: layers train unless told otherwise.

## How to fix
Give the method a mode flag and pass it: `self.dropout(x, deterministic=not train)`.

## When it stays silent
When NNX201 reports; when the method has a mode flag; when the constructor of the layer fixed the
mode or its rate is 0; with `*args` or `**kwargs`; on a branch that tests a mode attribute of
`self`; when the layer is not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import mode_mistakes
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.linear(x))
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        for function in module.forward_methods():
            for mistake in mode_mistakes(project, function, module, implicit=True):
                if mistake.mistake == "implicit":
                    yield Report(
                        mistake.where,
                        f"{mistake.label} is called without saying its mode, and layers train"
                        " unless told otherwise; give this method a mode flag and pass it as"
                        f" `{mistake.parameter}`",
                    )


RULE = Rule(check, on=False)
