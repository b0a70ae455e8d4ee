"""`nnx.view_info` cannot read the docstring of a `set_view`.

## What it does
Reports a `set_view` of an nnx module whose docstring does not name each parameter where
`nnx.view_info` looks for it: in a section `Args:`, as `name: ...`, exactly two spaces deeper than
`Args:`. An override without a docstring has that of its base.

## Why it is bad
`nnx.view_info` raises KeyError, for every model that holds such a layer. The usual four spaces of
Google style, NumPy style, types in parentheses and a missing parameter all end so.

## How to fix
Write `Args:` on a line of its own, and below it each parameter as `name: what it does`, two spaces
deeper.

## When it stays silent
For a `set_view` without any docstring, which `nnx.view_info` shows by its signature (NNX305 asks
for one); for names in the docstring that are no parameters; for decorators that are not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import (
    described_by_name,
    docstring,
    documented,
    keeps_docstring,
    own_docstring,
    set_views,
)
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
        if loud is not None:
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
        doc = docstring(view)
        if doc is None or not keeps_docstring(project, view):
            continue
        found = documented(doc)
        missing = [f"`{name}`" for name in described_by_name(view) if name not in found]
        which = "this docstring" if own_docstring(view) is not None else "the inherited docstring"
        if missing:
            yield Report(
                project.book.span_of_def(view.function),
                f"`nnx.view_info` can read no entry for {', '.join(missing)} in {which}, and"
                " raises KeyError for the whole model; under a line `Args:` write `name: ...`,"
                " exactly two spaces deeper than `Args:`, with no type in parentheses",
            )


RULE = Rule(check, on=True, triggers=("set_view",), since=(0, 12, 5), oracle="view-docstring")
