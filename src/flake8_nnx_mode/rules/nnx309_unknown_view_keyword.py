"""A view names a mode that no layer of the model has.

## What it does
Reports each keyword of `nnx.view` that no `set_view` in the model takes, where all of the model is
known.

## Why it is bad
`nnx.view` raises ValueError for it. Layers of Flax have `deterministic`, `use_running_average` and,
for attention, `decode`; none has `train` or `training`.

## How to fix
Write the name that the layers have.

## When it stays silent
With `raise_if_not_found=False`; where any part of the model is not known: a child that was handed
over, a class from a library, a `set_view` with `**kwargs`, an attribute set from outside.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from flake8_nnx_mode.facts.changes import changes, unknown_names
from flake8_nnx_mode.facts.models import keywords, models
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


def evaluate(x):
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.Linear(4, 4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs))
    eval_model = nnx.view(model, train=False)
    return eval_model(x)
"""

GOOD = """
from flax import nnx


def evaluate(x):
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.Linear(4, 4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs))
    eval_model = nnx.view(model, deterministic=True)
    return eval_model(x)
"""


def check(project: Project) -> Iterator[Report]:
    for changed in changes(project, "view"):
        for name, where in unknown_names(project, changed):
            found = models(project, changed.change.model, changed.owner)
            parts = [part for parts in found for part in parts.found]
            known = sorted({name for part in parts for name in keywords(project, part) or ()})
            yield Report(
                where,
                f"no layer of this model has a mode `{name}`, so this view raises ValueError;"
                f" {_advice(name, known)}",
            )


def _advice(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    if near:
        return f"write `{near[0]}`"
    if not known:
        return "it has no modes at all"
    listed = ", ".join(f"`{other}`" for other in known)
    turned = f", where `{name}=False` is `deterministic=True`" if "train" in name else ""
    return f"it has {listed}{turned if 'deterministic' in known else ''}"


RULE = Rule(check, on=True, triggers=("view",), since=(0, 12, 5), oracle="refused-view")
