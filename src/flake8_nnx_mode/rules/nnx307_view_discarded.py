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
Where an error is expected or caught, and in tests; in scripts with notebook cells; for
`nnx.recursive_map` with a function that may only be there to look at the nodes.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.changes import Changed, applied, changes, is_in_test
from flake8_nnx_mode.facts.project import Project
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
        if not change.unused or is_in_test(project, changed) or _is_shown(project, changed):
            continue
        if change.by == "recursive_map":
            function = applied(project, changed)
            if function is None or function.ends or function.may_only_look:
                continue
        yield Report(
            change.anchor,
            f"`nnx.{change.by}` returns a new model and leaves this one as it is, so nothing"
            f" changes; write `{change.label or 'model'} = nnx.{change.by}(...)` and use that",
            _remedy(project, changed),
        )


def _is_shown(project: Project, changed: Changed) -> bool:
    """Whether it may be the last expression of a notebook's cell."""
    return changed.function is project.book.script and "# %%" in project.book.text


def _remedy(project: Project, changed: Changed) -> Remedy | None:
    label, function = changed.change.label, changed.function
    name = label.partition(".")[0]
    if not _is_target(label):
        return None
    if function is not project.book.script and name not in function.scope.bindings:
        return None  # it would become a local variable
    if re.search(rf"\bfor\b[^\n:]*\b{name}\b[^\n:]*\bin\b", project.book.text_of(function)):
        return None  # that of a loop
    return Remedy("unsafe", (Change(changed.change.anchor, f"{label} = ", "before"),))


def _is_target(label: str) -> bool:
    """Whether it can be assigned: names and attributes only."""
    return bool(label) and all(part.isidentifier() for part in label.split("."))


RULE = Rule(check, on=True, triggers=("view", "with_attributes", "recursive_map"))
