"""The view that `nnx.view` or one of its kind returns is thrown away.

## What it does
Reports `nnx.view(...)`, `nnx.with_attributes(...)` and `nnx.recursive_map(...)` as statements.

## Why it is bad
They return a new model and leave the old one as it is: after `nnx.view(model, deterministic=True)`
the model still trains, with dropout on.

## How to fix
Keep what they return, beside the model that trains: `eval_model = nnx.view(model,
deterministic=True)`. The fix writes `model = ...` where there is no loop to come round again; it is
unsafe, as it is not known which of the two models should be used after that.

## When it stays silent
Where an error is expected or caught, and in tests; in scripts with notebook cells; for
`nnx.recursive_map` with a function that may only be there to look at the nodes.
"""

import ast
import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.changes import Changed, applied, changes, is_in_test
from flake8_nnx_mode.facts.events import ModelChange
from flake8_nnx_mode.facts.flax_api import MODES_SET_BY_EVAL
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.rules.remedies import place_of
from flake8_nnx_mode.syntax.outline import inner_statements

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

_LOOPS = re.compile(r"^[ \t]*(?:async )?(?:for|while)\b", re.M)


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
            f" changes; write `{_name(change)} = nnx.{change.by}(...)` and use that",
            _remedy(project, changed),
        )


def _is_shown(project: Project, changed: Changed) -> bool:
    """Whether it may be the last expression of a notebook's cell."""
    return changed.function is project.book.script and "# %%" in project.book.text


def _name(change: ModelChange) -> str:
    """What to call the result: a model that evaluates stands beside the one that trains."""
    evaluates = change.setting is not None and any(map(change.setting.may_set, MODES_SET_BY_EVAL))
    return "eval_model" if evaluates else change.label or "model"


def _remedy(project: Project, changed: Changed) -> Remedy | None:
    label, function = changed.change.label, changed.function
    text = project.book.text_of(function)
    if not label.isidentifier() or _LOOPS.search(text):
        return None  # who comes round again finds it changed
    if not _stands_alone(project, changed):
        return None
    if function is not project.book.script and label not in function.scope.bindings:
        return None  # it would become a local variable
    return Remedy("unsafe", (Change(changed.change.anchor, f"{label} = ", "before"),))


def _stands_alone(project: Project, changed: Changed) -> bool:
    """Whether it is a whole statement, of the function itself and not of one inside it."""
    book, place = project.book, place_of(changed.change.anchor)
    left = list(book.tree.body if changed.function is book.script else changed.function.node.body)
    while left:
        statement = left.pop()
        if isinstance(statement, ast.Expr) and book.span_of(statement) == place:
            return True
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            left += inner_statements(statement)
    return False


RULE = Rule(
    check,
    on=True,
    triggers=("view", "with_attributes", "recursive_map"),
    since=(0, 12, 5),
    fix="unsafe",
    oracle="view-discarded",
)
