"""A parameter of `set_view` has another default than None.

## What it does
Reports each parameter of an nnx module's `set_view` that is required, or whose default is a
constant other than `None`.

## Why it is bad
`nnx.view` calls `set_view` of every layer for every view, with only the keywords that the view
names. A required parameter makes each view that does not name it a TypeError; another default
makes it reset the mode behind the user's back.

## How to fix
Give it the default `None`, and change the attribute only under `if name is not None:`. The fix does
both, also for later parameters that then need a default; it is unsafe, as it changes a signature.

## When it stays silent
For `*args` and `**kwargs`, for defaults that are sentinels or not known, for `reset=False` where
that is not stored but an action, for classes that are not nnx modules, and for flax older than
0.12.5, where the protocol was another one.
"""

import ast
from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import SetView, is_action, may_be_none, set_views, stores
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.rules.remedies import guard_added, none_asked
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.outline import Parameter

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
    for view in set_views(project):
        for parameter in view.keywords:
            name, default = parameter.name, parameter.default
            if default is None:
                effect = f"any `nnx.view` that does not name `{name}` raises TypeError"
            elif may_be_none(project, view.function, default) or is_action(
                project, view, parameter
            ):
                continue
            else:
                effect = f"any `nnx.view` that does not name `{name}` resets it"
            yield Report(
                project.book.span_of(parameter.node),
                f"`set_view` parameter `{name}` has no `None` default: {effect}; write"
                f" `{name}=None` and change the attribute only if it is not None",
                _remedy(project, view, parameter),
            )


def _remedy(project: Project, view: SetView, parameter: Parameter) -> Remedy | None:
    """The default, and what asks for it, for this parameter and those after it that need one."""
    changed = [parameter]
    if parameter.kind == "positional-or-keyword" and parameter.default is None:
        own = view.keywords
        later = own[own.index(parameter) + 1 :]
        changed += [p for p in later if p.kind == parameter.kind and p.default is None]
    changes = [change for one in changed for change in _default_changed(project, one)]
    names = {one.name for one in changed}
    if not names <= {store.parameter for store in stores(project, view)}:
        return None  # it is not known where one of them is stored
    if not all(_is_only_stored(project, view, name) for name in names):
        return None  # `assert size > 0` would meet None
    for store in stores(project, view):
        if store.parameter not in names:
            continue
        if store.test.said in ("nothing", "none"):
            change = guard_added(project, store)
        elif store.test.said == "true":
            change = none_asked(store)
        else:
            continue
        if change is None:
            return None
        changes.append(change)
    return Remedy("unsafe", tuple(dict.fromkeys(changes)))


def _is_only_stored(project: Project, view: SetView, name: str) -> bool:
    """Whether a parameter is used to be stored, or where it is known not to be None."""
    chapter = project.book.chapter(view.function)
    if chapter is None:
        return False
    kept = [store for store in stores(project, view) if store.parameter == name]
    known: list[object] = [part for s in kept for part in (s.write.source, s.test.node)]
    for node in code.walk(chapter.function.body):
        match node:
            case code.If(code.Compare(code.Name(asked), (("IsNot", code.Constant(None)),)), body):
                known += [node.test, body] if asked == name else []
    return _uses(name, chapter.function.body) == _uses(name, tuple(known))


def _uses(name: str, root: object) -> set[code.At]:
    return {node.at for node in code.walk(root) if isinstance(node, code.Name) and node.id == name}


def _default_changed(project: Project, parameter: Parameter) -> Iterator[Change]:
    book, annotation, default = project.book, parameter.annotation, parameter.default
    optional = ""
    if isinstance(annotation, ast.Name | ast.Attribute | ast.Subscript | ast.BinOp):
        text = ast.unparse(annotation)
        name = text.partition("[")[0].rpartition(".")[2]
        takes_none = name in ("Optional", "Any") or "None" in text.split(" | ")
        optional = "" if takes_none else " | None"
    if default is None:
        optional += "=None" if annotation is None else " = None"
    else:
        yield Change(book.span_of(default), "None")
    if optional:
        yield Change(book.span_of(parameter.node), optional, "after")


RULE = Rule(
    check, on=True, triggers=("set_view",), since=(0, 12, 5), fix="unsafe", oracle="view-default"
)
