"""A function given to `nnx.recursive_map` returns nothing on some paths.

## What it does
Reports `nnx.recursive_map(function, model)` where `function` ends without `return`, or with a bare
one, on some path.

## Why it is bad
What the function returns replaces the node, and each node and leaf of the model is given to it,
also numbers, strings and what Flax keeps for itself. None in their place is a TypeError at once, or
a layer that is None.

## How to fix
End the function with `return node`.

## When it stays silent
For an explicit `return None` beside other returns, which removes a node on purpose; for functions
that are decorated or not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.changes import applied, changes
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import NONE
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


def quiet(path, node):
    if isinstance(node, nnx.Dropout):
        node.deterministic = True
        return node


def evaluate(model: nnx.Dropout, x):
    quiet_model = nnx.recursive_map(quiet, model)
    return quiet_model(x)
"""

GOOD = """
from flax import nnx


def quiet(path, node):
    if isinstance(node, nnx.Dropout):
        node.deterministic = True
    return node


def evaluate(model: nnx.Dropout, x):
    quiet_model = nnx.recursive_map(quiet, model)
    return quiet_model(x)
"""


def check(project: Project) -> Iterator[Report]:
    for changed in changes(project, "recursive_map"):
        function = applied(project, changed)
        if function is not None and (function.ends or set(function.returns) == {NONE}):
            name = f"`{function.name}`" if function.name else "the lambda"
            yield Report(
                changed.change.anchor,
                f"{name} does not return on every path, and what it returns replaces each node and"
                " leaf: TypeError, or a layer that is None; let it return `node` in the end",
            )


RULE = Rule(
    check, on=True, triggers=("recursive_map",), since=(0, 12, 5), oracle="map-returns-none"
)
