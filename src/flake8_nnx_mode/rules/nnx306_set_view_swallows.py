"""A `set_view` takes `**kwargs`, or parameters that no view can name.

## What it does
Reports `**kwargs` in the `set_view` of an nnx module, and positional-only parameters.

## Why it is bad
`nnx.view` raises ValueError for a keyword that no layer takes. One `**kwargs` anywhere in a model
turns that off for the whole model: `nnx.view(model, detreministic=True)` does nothing, and says
nothing. A positional-only parameter is never given at all, as views name what they set.

## How to fix
Name each mode as a keyword with the default `None`, and take nothing else.

## When it stays silent
For `*args`, which does no harm; for flax older than 0.12.5, whose views asked for `**kwargs`.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import set_views
from flake8_nnx_mode.rules import Report, Rule

BAD = '''
from flax import nnx


class Printer(nnx.Module):
    def __init__(self):
        self.loud = False

    def set_view(self, loud: bool | None = None, **kwargs):
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
        for parameter in view.function.parameters[1:]:
            name = parameter.name
            if parameter.kind == "var-keyword":
                message = (
                    f"`**{name}` takes whatever a view says, so a misspelt keyword in any view of a"
                    " model with this layer goes unnoticed; name the modes that this layer has"
                )
            elif parameter.kind == "positional-only":
                message = (
                    f"no view can set `{name}`: `nnx.view` gives keywords, and this is"
                    " positional-only; write it without the `/`"
                )
            else:
                continue
            yield Report(project.book.span_of(parameter.node), message)


RULE = Rule(check, on=True, triggers=("set_view",), since=(0, 12, 5), oracle="view-swallows")
