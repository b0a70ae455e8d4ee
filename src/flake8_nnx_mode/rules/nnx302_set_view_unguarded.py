"""`set_view` stores a parameter without asking whether it was given.

## What it does
Reports `self.loud = loud` in an nnx module's `set_view`, where `loud` is `None` unless a view names
it and nothing around the assignment asks for that.

## Why it is bad
`nnx.view` calls `set_view` of every layer for every view, with only the keywords that the view
names. A view that is about another mode sets this one to `None`.

## How to fix
Put the assignment under `if loud is not None:`.

## When it stays silent
For `loud if loud is not None else self.loud`, after an early return, in a `match`, for helper calls
and sentinels, and under any test of the parameter that is not understood; where the default is not
`None`, which is NNX301; where the parameter is tested as if it were a truth value, which is NNX303.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import left_out_as_none, set_views, stores
from flake8_nnx_mode.rules import Report, Rule

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
        names = left_out_as_none(view)
        for store in stores(project, view):
            name = store.parameter
            if name in names and store.as_given and store.test.said in ("nothing", "none"):
                yield Report(
                    store.write.anchor,
                    f"`set_view` stores `{name}` also when it is None, as it is in any `nnx.view`"
                    f" that does not name it, and so resets this mode; store it only if `{name} is"
                    " not None`",
                )


RULE = Rule(check, on=True, triggers=("set_view",), since=(0, 12, 5), oracle="view-default")
