"""The result of `.train()` or `.eval()` is used, and it is None.

## What it does
Reports `model = model.eval()`, `Net(...).eval()` as a value, `evaluate(model.train())` and any
other use of what these methods of an nnx module return.

## Why it is bad
In Flax NNX they change the module and return None: the name holds None from then on, and the next
line fails, or a function gets None for its model.

## How to fix
Call it as a statement of its own, `model.eval()`, and go on with `model`. The fix for
`model = model.eval()` is safe.

## When it stays silent
When the class, or one of its bases, defines the method itself; for objects that are not known to
be nnx modules; as the body of a lambda or the element of a comprehension that is a statement; when
it is printed, compared with None, or returned by a function annotated `-> None`.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.events import ModeSet
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule

_NAMED = re.compile(r"\.(?:train|eval)\(")

BAD = """
from flax import nnx


def evaluate(model: nnx.Dropout, x):
    model = model.eval()
    return model(x)
"""

GOOD = """
from flax import nnx


def evaluate(model: nnx.Dropout, x):
    model.eval()
    return model(x)
"""


def check(project: Project) -> Iterator[Report]:
    for function, owner in project.functions():
        if _NAMED.search(project.book.text_of(function)) is None:
            continue
        sets = project.facts(function, owner).modes_set_by_call
        foreign = {s.anchor.at for s in sets if not _is_inherited(project, owner, s)}
        for mode_set in sets:
            if mode_set.used and mode_set.anchor.at not in foreign:
                called = f"`{mode_set.label}.{mode_set.name}()`" if mode_set.label else "this call"
                name = mode_set.label or "the model"
                yield Report(
                    mode_set.anchor,
                    f"{called} changes the module in place and returns None; call it as a statement"
                    f" of its own and go on with {name}",
                    _remedy(mode_set),
                )


def _is_inherited(project: Project, owner: ClassFacts | None, mode_set: ModeSet) -> bool:
    """Whether it is the method of nnx.Module that is called."""
    name = mode_set.name
    return project.is_module(mode_set.receiver, owner, lambda facts: not facts.has_its_own(name))


def _remedy(mode_set: ModeSet) -> Remedy | None:
    if mode_set.assigned is None:
        return None
    statement = f"{mode_set.label}.{mode_set.name}()"
    return Remedy("safe", (Change(mode_set.assigned, statement),))


RULE = Rule(check, on=True, triggers=("train", "eval"), fix="safe", oracle="returns-none")
