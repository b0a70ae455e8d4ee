"""Fixes that several rules share."""

from flake8_nnx_mode.facts.events import ModuleCall
from flake8_nnx_mode.facts.modes import ModeMistake
from flake8_nnx_mode.rules import Change, Remedy
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor


def argument_added(call: ModuleCall, text: str) -> Remedy | None:
    """A safe fix that gives a call one more argument, the last; None where that is not simple."""
    args = call.node.args
    if not args or (len(args) == 1 and isinstance(args[0].value, code.Comprehension)):
        return None  # `f(x for x in y)` has no room for another
    last = Anchor(call.anchor.chapter, args[-1].at)
    return Remedy("safe", (Change(last, f", {text}", "after"),))


def argument_replaced(mistake: ModeMistake) -> Remedy | None:
    """A safe fix that writes the argument at fault as it should be; None if that is not known."""
    if mistake.argument is None or not mistake.plain:
        return None
    return Remedy("safe", (Change(mistake.where, mistake.argument),))
