"""A `set_view` has no docstring.

## What it does
Reports a `set_view` of an nnx module that takes modes and has no docstring, neither its own nor one
of a base class.

## Why it is bad
`nnx.view_info` tells the users of a model which modes there are, and takes what it says from these
docstrings. Without one it shows the bare signature.

## How to fix
Write a docstring with a section `Args:`, each parameter as `name: what it does`, exactly two spaces
deeper than `Args:`.

## When it stays silent
For a `set_view` without parameters. What a docstring must look like is NNX304.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import docstring, set_views
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Printer(nnx.Module):
    def __init__(self):
        self.loud = False

    def set_view(self, loud: bool | None = None):
        if loud is not None:
            self.loud = loud
"""

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
        if view.keywords and docstring(view) is None:
            yield Report(
                project.book.span_of_def(view.function),
                "`set_view` has no docstring, so `nnx.view_info` cannot say what its modes mean;"
                " describe each under `Args:`, exactly two spaces deeper",
            )


RULE = Rule(check, on=False, triggers=("set_view",), since=(0, 12, 5))
