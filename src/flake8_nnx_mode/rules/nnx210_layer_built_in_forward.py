"""A layer is built each time the forward method runs.

## What it does
Reports a layer of `flax.nnx`, or an nnx module with parameters or a mode, that a forward method
both builds and calls.

## Why it is bad
Its weights are drawn anew at each call and never trained, since nobody keeps them; a dropout that
is built so is reached by no `.eval()` and no view.

## How to fix
Build it in `__init__`, keep it on `self`, and call it in the forward method.

## When it stays silent
For what wraps modules that exist already (`nnx.Sequential(self.a, self.b)`, `nnx.RNN(self.cell)`);
for layers that the method keeps on `self`, built when they are first needed, or hands to somebody
who may fill them (`nnx.update(layer, state)`); for modules without
parameters, statistics or noise; in methods of construction.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.building import built_and_called
from flake8_nnx_mode.facts.hints import may_build_layers
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import ClassDefinition
from flake8_nnx_mode.rules import Report, Rule

_BUILDS = re.compile(r"\b_*[A-Z]\w*(?<!Error)(?<!Exception)\(|\bpartial\b")

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x):
        return nnx.Linear(4, 4, rngs=self.rngs)(x)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.linear(x)
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        for function in module.forward_methods():
            if _BUILDS.search(module.book.text_of(function)) is None:
                continue
            if not may_build_layers(project, function):
                continue
            for where, layer in built_and_called(module.facts(function)):
                if project.book.has(where.chapter) and project.holds_state(layer):
                    of = layer.of
                    name = of.outline.name if isinstance(of, ClassDefinition) else of.name
                    short = name.removeprefix("flax.")
                    yield Report(
                        where,
                        f"`{short}` is built at each call: what it holds is new each time and never"
                        " trained, and no mode reaches it; build it in `__init__` and keep it on"
                        " `self`",
                    )


RULE = Rule(check, on=True, oracle="built-in-forward")
