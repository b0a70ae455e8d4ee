"""A dropout layer has no `rngs`, neither from its constructor nor from its calls.

## What it does
Reports `nnx.Dropout(rate)` built without `rngs` when a call of it passes none either, and it is
not switched off for good: `deterministic=True` in the constructor or in that call, or a rate of 0.

## Why it is bad
ValueError at the first training step with a rate above 0; evaluation hides it.

## How to fix
Give it `rngs=rngs` in the constructor, or pass `rngs=` with each call, as the explicit style of
Flax does.

## When it stays silent
When every call that can be seen passes `rngs`, or none can be seen; with `**kwargs`; when the
attribute `rngs` or `deterministic` of the layer is set afterwards, or its mode by `.eval()` or a
view; when the call asks first whether it is a dropout; when `deterministic` is not a constant.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.building import built_and_called
from flake8_nnx_mode.facts.events import ModuleCall
from flake8_nnx_mode.facts.project import Project, drops
from flake8_nnx_mode.facts.values import (
    NONE,
    Arguments,
    Choice,
    Constant,
    Instance,
    Symbol,
    Value,
    each_guard,
    makings,
    options,
)
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.syntax.book import Anchor

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
"""

_CHANGED = re.compile(r"\b(\w+)(?:\[[^]\n]*\])?\.(?:rngs|deterministic)\s*=(?!=)")
"""``self.dropout.rngs = ...``"""
_ALL = re.compile(r"iter_modules|iter_graph|iter_children")
_DROPOUT = "flax.nnx.Dropout"


def check(project: Project) -> Iterator[Report]:
    names = "|".join(project.names_for(_DROPOUT))
    text = project.book.text
    with_rngs = re.findall(rf"\b(?:{names})\((?:[^()]|\([^()]*\))*?\brngs\b", text)
    if len(with_rngs) == len(re.findall(rf"\b(?:{names})\(", text)):
        return
    reported: set[Anchor] = set()
    for function, owner in project.functions():
        in_module = owner is not None and owner.is_module
        if owner is not None and in_module and owner.is_init_like(function):
            continue
        facts = project.facts(function, owner)
        texts = [project.book.text_of(function)] if owner is None else owner.method_texts()
        changed = {name for text in texts for name in _CHANGED.findall(text)}
        if owner is not None and (owner.modes_set or _ALL.search("".join(texts))):
            continue
        supplied = {m for c in facts.calls if _is_supplied(c) for m in makings(c.child)}
        # The transient ones are NNX210's.
        transient = {where for where, _ in built_and_called(facts)} if in_module else set()
        for call in facts.calls:
            if _is_supplied(call) or _name(call) in changed or _is_special(call):
                continue
            # One of several that a loop goes through: perhaps this call gets the others.
            known = transient | (supplied if isinstance(call.child, Choice) else set())
            for layer in _called(call.child):
                if layer.made is None or not _needs_rngs(layer):
                    continue
                where = layer.made.anchor
                if project.book.has(where.chapter) and where not in reported | known:
                    reported.add(where)
                    yield Report(
                        where,
                        "this dropout gets no `rngs`, here or when it is called: ValueError as soon"
                        " as it drops anything; write `nnx.Dropout(..., rngs=rngs)`",
                    )


def _is_special(call: ModuleCall) -> bool:
    """Whether the call asks for the class first, or expects an error."""
    return any(g.excused or g.of_class for g in each_guard(call.guards))


def _name(call: ModuleCall) -> str:
    """The last name of what is called: ``dropout`` for ``self.dropouts.dropout[...]``."""
    return call.label.replace("[...]", "").rpartition(".")[2]


def _is_supplied(call: ModuleCall) -> bool:
    """Whether a call passes `rngs`, or switches the dropout off."""
    rngs = call.args.get("rngs")
    off = call.args.get("deterministic") == Constant(True) or call.after_mode_set
    return call.args.open or off or (rngs is not None and rngs != NONE)


def _called(child: Value) -> Iterator[Instance]:
    """The dropouts that a call of ``child`` calls."""
    for option in options(child):
        match option:
            case Instance(settings=told) if told:
                continue  # perhaps it was switched off
            case Instance(Symbol(name)) if name == _DROPOUT:
                yield option
            case Instance(Symbol("flax.nnx.Sequential"), Arguments(layers)):
                for layer in layers:
                    yield from _called(layer)


def _needs_rngs(layer: Instance) -> bool:
    made_with = layer.made_with
    if made_with is None or made_with.open or not drops(_DROPOUT, made_with):
        return False
    rngs = made_with.get("rngs")
    off = made_with.get("deterministic")
    fixed = off is not None and off not in (Constant(False), NONE)  # or not known
    return not fixed and (rngs is None or rngs == NONE)


RULE = Rule(check, on=True, triggers=("Dropout",), oracle="dropout-without-rngs")
