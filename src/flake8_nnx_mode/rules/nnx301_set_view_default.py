"""A parameter of `set_view` has another default than None.

## What it does
Reports each parameter of an nnx module's `set_view` that is required, or whose default is a
constant other than `None`.

## Why it is bad
`nnx.view` calls `set_view` of every layer for every view, with only the keywords that the view
names. A required parameter makes each view that does not name it a TypeError; another default
makes it reset the mode behind the user's back.

## How to fix
Give it the default `None`, and change the attribute only under `if name is not None:`.

## When it stays silent
For `*args` and `**kwargs`, for defaults that are sentinels or not known, for classes that are not
nnx modules, and for flax older than 0.12.5, where the protocol was another one.
"""

import ast
from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import NONE, Constant
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.syntax.outline import Function

BAD = '''
from flax import nnx


class Printer(nnx.Module):
    def __init__(self):
        self.loud = False

    def set_view(self, loud: bool = False):
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
    seen = set()
    for module in project.modules:
        found = module.find_method("set_view")
        if found is None or found[0].book is not project.book or found[1] in seen:
            continue
        function = found[1]  # of the class itself, or of a mixin in this file
        seen.add(function)
        for parameter in function.parameters[1:]:
            if parameter.kind.startswith("var-") or parameter.kind == "positional-only":
                continue
            name, default = parameter.name, parameter.default
            if default is None:
                effect = f"any `nnx.view` that does not name `{name}` raises TypeError"
            elif _may_be_none(project, function, default):
                continue
            else:
                effect = f"any `nnx.view` that does not name `{name}` resets it"
            yield Report(
                module.book.span_of(parameter.node),
                f"`set_view` parameter `{name}` has no `None` default: {effect}; write"
                f" `{name}=None` and change the attribute only if it is not None",
            )


def _may_be_none(project: Project, function: Function, default: ast.expr) -> bool:
    """Whether a default is None, is not known, or stands for None: `x is not UNSET`."""
    if isinstance(default, ast.UnaryOp | ast.Tuple | ast.List | ast.Dict | ast.JoinedStr):
        return False
    value = project.names.expression(project.book, function.outer, default)
    is_sentinel = f"is not {ast.unparse(default)}" in project.book.text_of(function)
    return is_sentinel or not isinstance(value, Constant) or value == NONE


RULE = Rule(check, on=True, triggers=("set_view",), since=(0, 12, 5))
