"""Only one half of the mode is set, on a model that has both.

## What it does
Reports `nnx.view`, `nnx.with_attributes` and `set_attributes` that set only `deterministic=True`,
or only `use_running_average=True`, on a model that is known to hold both a layer that drops and a
batch norm.

## Why it is bad
Layers train unless they are told otherwise. With `deterministic=True` alone, evaluation still
normalises by the statistics of its own batches, and overwrites the running ones, which the view
shares with the model. With `use_running_average=True` alone, dropout stays on. Flax's own guide to
views does this.

## How to fix
Set both: `nnx.view(model, deterministic=True, use_running_average=True)`. The fix is unsafe, as
somebody may want just this half.

## When it stays silent
With `only=` or filters; where the other half is set before or after, by a view of the view, by
`.eval()`, in a constructor or in the calls of the layer; where a `set_view` in the model passes one
mode on as the other; for training values; where the model, or whether it holds both, is not known;
in tests, and where names say that just this half is meant: `mc_model`, `frozen`, `update_bn`.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.changes import (
    Changed,
    changes,
    is_in_test,
    may_be_set,
    passes_on,
    unknown_names,
)
from flake8_nnx_mode.facts.flax_api import MODES_SET_BY_EVAL
from flake8_nnx_mode.facts.models import models
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Constant, Setting
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.rules.remedies import argument_added

BAD = """
from flax import nnx


def evaluate(x):
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs))
    eval_model = nnx.view(model, deterministic=True)
    return eval_model(x)
"""

GOOD = """
from flax import nnx


def evaluate(x):
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(nnx.BatchNorm(4, rngs=rngs), nnx.Dropout(0.1, rngs=rngs))
    eval_model = nnx.view(model, deterministic=True, use_running_average=True)
    return eval_model(x)
"""

_HALF_MEANT = {
    "deterministic": re.compile(
        r"train|(?:^|[ _])mc|Monte|monte|MC|froz|[fF]reez|[fF]ine|tun|[sS]ampl|noisy|[sS]tochastic"
        r"|[uU]ncert|[bB]ayes|[eE]nsembl"
    ),
    "use_running_average": re.compile(
        r"train(?!er)|overfit|[cC]alib|swa|SWA|update_bn|adapt|recal|[rR]eestimat|statist"
    ),
}
"""Names by which somebody wants the half that is missing left as it is."""
_LEFT_ON = {
    "deterministic": "dropout stays on in evaluation",
    "use_running_average": "in evaluation batch norm still uses the statistics of each batch, and"
    " overwrites the running ones",
}


def check(project: Project) -> Iterator[Report]:
    for changed in changes(project, "view", "with_attributes", "set_attributes"):
        change = changed.change
        missing = _missing(change.setting)
        if missing is None or _is_meant(project, changed, missing):
            continue
        if change.unused and change.by != "set_attributes":
            continue  # NNX307: nobody uses it
        found = models(project, change.model, changed.owner)
        if not found or not all(parts.modes >= MODES_SET_BY_EVAL.keys() for parts in found):
            continue
        if may_be_set(project, changed, missing) or passes_on(project, changed, missing):
            continue
        if change.by != "set_attributes" and any(unknown_names(project, changed)):
            continue  # an error, which NNX309 and NNX312 report
        (given,) = MODES_SET_BY_EVAL.keys() - {missing}
        yield Report(
            change.anchor,
            f"only `{given}` is set, and this model has layers with `{missing}` too:"
            f" {_LEFT_ON[missing]}; add `{missing}=True`",
            None
            if _goes_back(project, changed, given)
            else argument_added(change.node, change.anchor, f"{missing}=True", "unsafe"),
        )


def _is_meant(project: Project, changed: Changed, missing: str) -> bool:
    """Whether names say that just this half is wanted, or that it is what a test is about."""
    owner = changed.owner.outline.name if changed.owner is not None else ""
    names = f"{changed.change.target} {changed.function.name} {owner}"
    return _HALF_MEANT[missing].search(names) is not None or is_in_test(project, changed)


def _missing(setting: Setting | None) -> str | None:
    """The half that is not set, where the other one is set for evaluation."""
    if setting is None or setting.partial:
        return None
    modes = dict(setting.modes)
    set_ = [name for name in MODES_SET_BY_EVAL if name in modes]
    if len(set_) != 1 or modes[set_[0]] != Constant(value=True):
        return None
    return next(name for name in MODES_SET_BY_EVAL if name not in modes)


def _goes_back(project: Project, changed: Changed, given: str) -> bool:
    """Whether the model is set back to training in place, by the same half alone."""
    text = project.book.text_of(changed.function)
    in_place = changed.change.by == "set_attributes"
    return in_place and re.search(rf"set_attributes\([^()]*{given}\s*=\s*False", text) is not None


RULE = Rule(
    check,
    on=True,
    triggers=("view", "with_attributes", "set_attributes"),
    since=(0, 12, 5),
    fix="unsafe",
    oracle="half-mode",
)
