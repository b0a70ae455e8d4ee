"""The view that `nnx.view` or one of its kind returns is thrown away.

## What it does
Reports `nnx.view(...)`, `nnx.with_attributes(...)` and `nnx.recursive_map(...)` as statements.

## Why it is bad
They return a new model and leave the old one as it is: after `nnx.view(model, deterministic=True)`
the model still trains, with dropout on.

## How to fix
Keep what they return: `model = nnx.view(model, deterministic=True)`. The fix is unsafe, as it is
not known which of the two models should be used after that.

## When it stays silent
Where an error is expected or caught; for `nnx.recursive_map` with a function that returns each node
as it is, or that is not known, as it may only be there to look at them.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.models import applied, changes
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import each_guard
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule

BAD = """
from flax import nnx


def evaluate(model: nnx.Dropout, x):
    nnx.view(model, deterministic=True)
    return model(x)
"""

GOOD = """
from flax import nnx


def evaluate(model: nnx.Dropout, x):
    model = nnx.view(model, deterministic=True)
    return model(x)
"""


def check(project: Project) -> Iterator[Report]:
    for changed in changes(project, "view", "with_attributes", "recursive_map"):
        change = changed.change
        if not change.unused or any(guard.excused for guard in each_guard(change.guards)):
            continue
        if change.by == "recursive_map":
            function = applied(project, changed)
            if function is None or function.ends or function.may_only_look:
                continue
        name = change.label or "model"
        yield Report(
            change.anchor,
            f"`nnx.{change.by}` returns a new model and leaves this one as it is, so nothing"
            f" changes; write `{name} = nnx.{change.by}(...)`",
            Remedy("unsafe", (Change(change.anchor, f"{name} = ", "before"),))
            if _is_target(change.label)
            else None,
        )


def _is_target(label: str) -> bool:
    """Whether it can be assigned: names and attributes only."""
    return bool(label) and all(part.isidentifier() for part in label.split("."))


RULE = Rule(check, on=True, triggers=("view", "with_attributes", "recursive_map"))
