"""How a call of a child treats its mode: told, not told, and what that leads to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, ModuleCall
from flake8_nnx_mode.facts.modules import ClassFacts, Kind, ModeParameter
from flake8_nnx_mode.facts.project import Project, drops, fixed_mode
from flake8_nnx_mode.facts.values import (
    Arguments,
    ClassDefinition,
    Instance,
    Symbol,
    Value,
    each_guard,
    present,
    traits_of,
)
from flake8_nnx_mode.syntax.outline import Function

Reason = Literal["required", "not forwarded", "trains by default", "implicit"]
_TRAINING_METHODS = "train loss fit update elbo objective mc_ dropout".split()
_MODE_ATTRIBUTE = re.compile(r"train|infer|eval|determ|mode|test")


@dataclass(frozen=True, slots=True)
class Untold:
    """A child is called without its mode.

    ``reason`` is the worst of: the call raises TypeError (required); the code around it knows the
    mode and keeps it to itself (not forwarded); the child trains unless told otherwise, and nothing
    here could tell it (trains by default); or the mode is left to constructors, ``.eval()`` and
    views, which is a matter of style (implicit).
    """

    reason: Reason
    child: str
    parameter: str
    argument: str | None
    """What to write, where the code around the call has a flag for it: ``train=train``."""


def untold_calls(
    project: Project, function: Function, owner: ClassFacts | None, *, implicit: bool = False
) -> Iterator[tuple[ModuleCall, Untold]]:
    """The calls in a function of the file at hand that leave the mode of a child open.

    Those where that is only implicit are left out unless ``implicit``.
    """
    if not (_may_call_modes(project, function, owner) or implicit):
        return
    facts = project.facts(function, owner)
    for call in facts.calls:
        untold = _untold(project, function, owner, facts, call)
        if untold is not None and (implicit or untold.reason != "implicit"):
            yield call, untold


def _may_call_modes(project: Project, function: Function, owner: ClassFacts | None) -> bool:
    """Whether the text of the function, or of its class, gives a reason to read the body."""
    book = project.book
    names = project.mode_taking_names(book)
    if owner is None:
        return names is None or book.mentions(function, *names)
    if owner.is_module and owner.is_init_like(function):
        return False
    if owner.is_module and any(project.is_mode_flag(p) for p in function.parameters):
        return True
    return any(_names_a_mode_taker(project, definition) for definition in owner.ancestry.classes)


def _names_a_mode_taker(project: Project, definition: ClassDefinition) -> bool:
    """Whether a class's text has a name for something that takes a mode."""
    names = project.mode_taking_names(definition.book)
    if names is None or (names and definition.outline.fields):
        return True
    return any(definition.book.mentions(m, *names) for m in definition.outline.methods.values())


def _untold(
    project: Project,
    function: Function,
    owner: ClassFacts | None,
    facts: FunctionFacts,
    call: ModuleCall,
) -> Untold | None:
    guards = tuple(each_guard(call.guards))
    excused = any(guard.excused or "isinstance" in guard.strings for guard in guards)
    if call.args.open or excused or _mode_was_set(owner, call.label):
        return None
    flags = tuple(flag for flag in call.flags if flag not in facts.flags_deleted)
    given = (call.child, *call.args.all())  # the child may have been built with the flag
    passed_on = {flag for value in given for flag in traits_of(value).flags}
    if passed_on.intersection(call.flags):
        return None
    in_forward = owner is not None and owner.is_module
    tested = call.after_mode_set or any(
        guard.flags.intersection(call.flags)
        or any(_MODE_ATTRIBUTE.search(name) for name in guard.attributes)
        for guard in guards
    )
    found = []
    for option in present(call.child):
        child = _child(project, option)
        if child is None or not child.modes or _told(child.modes, call.args):
            return None
        reason = _reason(child, function, flags, tested=tested, in_forward=in_forward)
        deleted = bool(call.flags) and not flags  # `del train`: it knows what it does
        if reason is None or (deleted and reason != "required"):
            return None
        mode = _fitting(child.modes, flags, project)
        found.append(Untold(reason, child.name, mode.name, _argument(mode, flags, project)))
    reasons = {untold.reason for untold in found}
    return found[0] if len(reasons) == 1 else None


def _mode_was_set(owner: ClassFacts | None, label: str) -> bool:
    """Whether construction set the mode of this child, or of all of them, in place."""
    attribute = label.removeprefix("self.").partition(".")[0].removesuffix("[...]")
    return owner is not None and not owner.modes_set.isdisjoint({"*", attribute})


def _reason(
    child: "_Child", function: Function, flags: tuple[str, ...], *, tested: bool, in_forward: bool
) -> Reason | None:
    if any(mode.required for mode in child.modes):
        return "required"
    if tested or not child.heeds_mode:
        return None
    if flags:
        return "not forwarded"
    if not in_forward or not child.kinds:
        return None
    if (
        not child.builtin
        and any(mode.trains_by_default for mode in child.modes)
        and not any(word in function.name for word in _TRAINING_METHODS)
    ):
        return "trains by default"
    return "implicit"


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    modes: tuple[ModeParameter, ...]
    builtin: bool
    heeds_mode: bool
    """Whether it is known that what the call says of the mode would matter."""
    kinds: frozenset[Kind]


def _child(project: Project, value: Value) -> _Child | None:
    match value:
        case Instance(ClassDefinition() as of, made_with) if builtin := project.class_facts(
            of
        ).plain_subclass_of:
            return _child(project, Instance(Symbol(builtin), made_with))
        case Instance(Symbol(name), made_with) if name in flax_api.MODES:
            mode = flax_api.MODES[name]
            parameter = ModeParameter(
                mode.flag,
                mode.train_value,
                mode.position,
                required=False,
                trains_by_default=True,
            )
            open_ = not fixed_mode(name, made_with) and drops(name, made_with)
            return _Child(name, (parameter,), True, open_, project.kinds(value))
        case Instance(ClassDefinition() as of, made_with):
            facts = project.class_facts(of)
            if not facts.is_module:
                return None
            modes = facts.mode_parameters()
            if not modes:
                return None
            told = made_with is not None and any(
                name in project.settings.mode_flags for name, _ in made_with.keywords
            )
            heeds = not told and all(facts.uses_flag(mode.name) for mode in modes)
            return _Child(facts.outline.name, modes, False, heeds, project.kinds(value))
    return None


def _told(modes: tuple[ModeParameter, ...], args: Arguments) -> bool:
    return any(args.get(mode.name, mode.position) is not None for mode in modes)


def _fitting(
    modes: tuple[ModeParameter, ...], flags: tuple[str, ...], project: Project
) -> ModeParameter:
    """The parameter to name in the message: a required one, or one that a flag here can fill."""
    same = [
        mode
        for mode in modes
        if any(project.settings.mode_flags.get(flag) == mode.train_like for flag in flags)
    ]
    return next((mode for mode in modes if mode.required), (same or list(modes))[0])


def _argument(mode: ModeParameter, flags: tuple[str, ...], project: Project) -> str | None:
    polarity = project.settings.mode_flags
    for flag in sorted(flags, key=lambda flag: polarity.get(flag) != mode.train_like):
        same = polarity.get(flag) == mode.train_like
        return f"{mode.name}={flag}" if same else f"{mode.name}=not {flag}"
    return None
