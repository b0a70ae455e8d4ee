"""Fixes that several rules share."""

from flake8_nnx_mode.facts.modes import ModeMistake
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.views import Store
from flake8_nnx_mode.model import Applicability
from flake8_nnx_mode.rules import Change, Remedy
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor


def argument_added(
    call: code.Call, anchor: Anchor, text: str, applicability: Applicability
) -> Remedy | None:
    """A fix that gives a call one more argument, the last; None where that is not simple."""
    args = call.args
    if not args or (len(args) == 1 and isinstance(args[0].value, code.Comprehension)):
        return None  # `f(x for x in y)` has no room for another
    last = Anchor(anchor.chapter, args[-1].at)
    return Remedy(applicability, (Change(last, f", {text}", "after"),))


def argument_replaced(mistake: ModeMistake) -> Remedy | None:
    """A safe fix that writes the argument at fault as it should be; None if that is not known."""
    if mistake.argument is None or not mistake.plain:
        return None
    return Remedy("safe", (Change(mistake.where, mistake.argument),))


def none_asked(store: Store) -> Change | None:
    """The test that decides where a parameter is stored, asking for None; None if it does more."""
    node, name = store.test.node, store.parameter
    if node is None or not (store.simple and store.as_given):
        return None
    place = Anchor(store.write.anchor.chapter, node.at)
    return Change(place, f"{name} is None" if isinstance(node, code.Not) else f"{name} is not None")


def guard_added(project: Project, store: Store) -> Change | None:
    """``if name is not None:`` around a store; None where it does not stand by itself."""
    anchor = store.write.anchor
    if store.write.source is None:
        return None  # several are unpacked at once
    span = anchor.chapter.spans([(anchor.at, anchor.part)])[anchor.at, anchor.part]
    indent = project.book.lines.line(span.start.line)[: span.start.column]
    if indent.strip():
        return None
    step = "\t" if indent.startswith("\t") else "    "
    newline = "\r\n" if "\r\n" in project.book.text else "\n"
    text = f"if {store.parameter} is not None:{newline}{indent}{step}"
    return Change(anchor, text, "before")
