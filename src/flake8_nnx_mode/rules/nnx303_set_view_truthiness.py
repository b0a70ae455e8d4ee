"""`set_view` takes a parameter that is False for one that was not given.

## What it does
Reports `if loud:` around storing `loud` in an nnx module's `set_view`, `if not loud: return` before
it, and `loud or self.loud`.

## Why it is bad
`nnx.view(model, loud=False)` has no effect: False counts as not given, and the mode that was
switched on stays on. The same goes for a rate of 0.

## How to fix
Ask for `None`: `if loud is not None:`. The fix is safe.

## When it stays silent
For actions, `if reset_cache: self.cache = None`, where the parameter is not stored; where it is
stored on another path as well; for checks, `if not size: raise`; for integers, of which 0 is seldom
meant, strings, functions and other types that have no False; where its default is not `None`, which
is NNX301.
"""

import ast
from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import (
    SetView,
    fallbacks,
    left_out_as_none,
    may_be_false,
    set_views,
    stores,
)
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.rules.remedies import none_asked
from flake8_nnx_mode.syntax.book import Anchor

BAD = '''
from flax import nnx


class Printer(nnx.Module):
    def __init__(self):
        self.loud = False

    def set_view(self, loud: bool | None = None):
        """Whether to print.

        Args:
          loud: print the input.
        """
        if loud:
            self.loud = loud
'''

GOOD = '''
from flax import nnx


class Printer(nnx.Module):
    def __init__(self):
        self.loud = False

    def set_view(self, loud: bool | None = None):
        """Whether to print.

        Args:
          loud: print the input.
        """
        if loud is not None:
            self.loud = loud
'''


def check(project: Project) -> Iterator[Report]:
    for view in set_views(project):
        names = {name for name in left_out_as_none(view) if may_be_false(view, name)}
        reported = set()
        for store in stores(project, view):
            asked = store.test.asked
            if store.test.said != "true" or asked is None or asked.at in reported:
                continue
            if store.parameter in names and store.alone:
                reported.add(asked.at)
                place = Anchor(store.write.anchor.chapter, asked.at)
                change = none_asked(store)
                yield _report(view, store.parameter, place, change)
        for fallback in fallbacks(project, view):
            if fallback.parameter not in names:
                continue
            change = None
            if fallback.instead is not None:
                change = Change(fallback.replaced, fallback.instead)
            yield _report(view, fallback.parameter, fallback.anchor, change)


def _report(view: SetView, name: str, place: Anchor, change: Change | None) -> Report:
    parameter = view.function.parameter(name)
    annotation = None if parameter is None else parameter.annotation
    if annotation is not None and "float" in ast.unparse(annotation):
        effect = f"`{name}=0.0` counts as not given, so no view can set that"
    else:
        effect = (
            f"`{name}=False` counts as not given, so a view can switch this mode on and never off"
        )
    return Report(
        place,
        f"{effect}; ask whether `{name}` is None",
        None if change is None else Remedy("safe", (change,)),
    )


RULE = Rule(
    check, on=True, triggers=("set_view",), since=(0, 12, 5), fix="safe", oracle="view-truthiness"
)
