"""How a call of a child treats its mode: told, told wrongly, not told, and what that leads to."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, LocalRun, ModuleCall
from flake8_nnx_mode.facts.hints import may_call_mode_takers
from flake8_nnx_mode.facts.modules import ClassFacts, Kind, ModeParameter, Signature
from flake8_nnx_mode.facts.project import Project, drops, fixed_mode
from flake8_nnx_mode.facts.values import (
    Arguments,
    ClassDefinition,
    Constant,
    Flag,
    Guard,
    Instance,
    Symbol,
    Value,
    each_guard,
    present,
    traits_of,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function

Mistake = Literal[
    "unknown keyword",
    "wrong place",
    "inverted",
    "hard-coded",
    "required",
    "not forwarded",
    "trains by default",
    "implicit",
]
"""In order: of two on one call, the first one counts."""

_TRAINING_METHODS = "train loss fit update elbo objective mc_ dropout".split()
_LITERAL_BY_POSITION = re.compile(r"\bself\.[\w.\[\]]+\([^()=]*,\s*(?:True|False)\s*[,)]")
_ANOTHER_MODE = re.compile(r"train|infer|eval|determ|mode|test|phase|use_drop|decod|cache")
_LITERAL_METHODS = re.compile(
    r"generat|predict|sampl|(?:^|_)mc_|dropout|infer|eval|rollout|target|teacher|determ|stochastic"
)
_LITERAL_CHILDREN = re.compile(
    r"teacher|target|\bema|ema(?:\b|_)|frozen|pretrained|momentum|reference|vgg|vae|clip|lpips"
    r"|inception|perceptual|locked|feature|(?:^|[._])(?:mc|MC|Mc)(?:_|\b|[A-Z])|[Mm]onte_?[Cc]arlo"
)


@dataclass(frozen=True, slots=True)
class ModeMistake:
    """What is wrong with the mode that one call gives, or does not give."""

    mistake: Mistake
    call: ModuleCall | None
    """None where it is not known that a module is called."""
    where: Anchor
    """The argument at fault, or the call."""
    child: str
    parameter: str | None
    """The mode flag of the child that this is about; None if it has none."""
    argument: str | None
    """What to write, where the code around the call has a flag for it: ``train=train``."""
    wrong: str = ""
    """The name that the argument goes to, or the keyword that is not there."""
    plain: bool = False
    """Whether ``argument`` may be written: it is right whatever value the flag has."""

    @property
    def label(self) -> str:
        """What to call the child in a message."""
        named = self.call.label if self.call is not None else ""
        return f"`{named or self.child}`"


def mode_mistakes(
    project: Project, function: Function, owner: ClassFacts | None, *, implicit: bool = False
) -> Iterator[ModeMistake]:
    """What calls in a function of the file at hand do wrong about modes, one mistake a call.

    Where a mode is only implicit, that is left out unless ``implicit``.
    """
    may = project.remember(
        (_may_tell_modes, function), lambda: _may_tell_modes(project, function, owner)
    )
    if not (implicit or may):
        return
    found = project.remember((_find, function), lambda: tuple(_find(project, function, owner)))
    for mistake in found:
        if implicit or mistake.mistake != "implicit":
            yield mistake


def mistakes_in_file(project: Project, *wanted: Mistake) -> Iterator[ModeMistake]:
    """Those of the ``wanted`` kinds in all functions of the file at hand."""
    for function, owner in project.functions():
        for mistake in mode_mistakes(project, function, owner):
            if mistake.mistake in wanted:
                yield mistake


def _find(project: Project, function: Function, owner: ClassFacts | None) -> Iterator[ModeMistake]:
    facts = project.facts(function, owner)
    told_wrongly: set[code.At] = set()
    for call in facts.calls:
        mistake = _Judge(project, function, owner, facts, call).mistake()
        if mistake is not None:
            yield mistake
            if mistake.mistake in ("unknown keyword", "wrong place", "inverted"):
                told_wrongly.update(argument.at for argument in call.node.args)
    polarity = project.settings.mode_flags
    for passed in facts.flags_passed:
        means = polarity[passed.name]
        if passed.flag.means_train(polarity) != means and passed.argument.at not in told_wrongly:
            same = polarity[passed.flag.name] == means
            text, plain = _written(passed.name, passed.text, function, same=same)
            yield ModeMistake(
                "inverted",
                None,
                passed.argument,
                "",
                passed.name,
                text,
                plain=plain and _names_flag(passed.value, passed.text),
            )


def _may_tell_modes(project: Project, function: Function, owner: ClassFacts | None) -> bool:
    """Whether the text of the function, or of its class, gives a reason to read the body."""
    book = project.book
    if any(project.is_mode_flag(p) for p in function.parameters):
        return True
    if owner is not None and owner.is_module and owner.is_init_like(function):
        return False
    if book.matches(function, project.names_mode, *project.settings.mode_flags):
        return True
    in_module = owner is not None and owner.is_module
    if in_module and book.matches(function, _LITERAL_BY_POSITION, "True", "False"):
        return True
    return may_call_mode_takers(project, function, owner)


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    modes: tuple[ModeParameter, ...]
    signature: Signature
    builtin: bool
    heeds_mode: bool
    """Whether it is known that what the call says of the mode would matter."""
    uses_flag: bool
    """Whether what the call says is read at all."""
    kinds: frozenset[Kind]


@dataclass(slots=True)
class _Judge:
    """Judges one call."""

    project: Project
    function: Function
    owner: ClassFacts | None
    facts: FunctionFacts
    call: ModuleCall

    def mistake(self) -> ModeMistake | None:
        """What is wrong with the call; None if nothing is known to be."""
        if any(guard.excused or guard.of_class for guard in self._guards()):
            return None
        if self.call.node.at in self.facts.stopped:
            return None  # no gradient flows back
        owner = self.owner
        if owner is not None and owner.is_module and owner.is_init_like(self.function):
            return None  # construction probes shapes
        found = []
        for option in present(self.call.child):
            child = _child(self.project, option)
            if child is None:
                return None
            mistake = self._of_child(child)
            if mistake is None:
                return None
            found.append(mistake)
        if len({(m.mistake, m.where.at) for m in found}) != 1:
            return None
        if len({m.argument for m in found}) > 1:  # what mends one would break the other
            return replace(found[0], argument=None, plain=False)
        return found[0]

    def _guards(self) -> tuple[Guard, ...]:
        return tuple(each_guard(self.call.guards))

    def _of_child(self, child: _Child) -> ModeMistake | None:
        return (
            self._unknown_keyword(child)
            or self._by_position(child)
            or self._inverted(child)
            or self._hard_coded(child)
            or self._untold(child)
        )

    def _made(
        self,
        mistake: Mistake,
        child: _Child,
        mode: ModeParameter | None,
        argument: code.Argument | None = None,
        *,
        flags: tuple[str, ...] = (),
        wrong: str = "",
        literal: bool = False,
    ) -> ModeMistake:
        chapter = self.call.anchor.chapter
        text, plain = None, False
        if mode is not None:
            text, plain = _argument(mode, flags, self.project, self.function)
        if argument is not None and not literal:
            plain = plain and any(_names_flag(argument.value, flag) for flag in flags)
        return ModeMistake(
            mistake,
            self.call,
            self.call.anchor if argument is None else Anchor(chapter, argument.at),
            child.name,
            mode.name if mode is not None else None,
            text,
            wrong,
            plain,
        )

    # -- told, but wrongly ---------------------------------------------------------------------

    def _unknown_keyword(self, child: _Child) -> ModeMistake | None:
        if child.signature.more_keywords:
            return None
        for argument in self.call.node.args:
            name = argument.keyword
            if (
                name is not None
                and name in self.project.settings.mode_flags
                and name not in child.signature.keywords
            ):
                value = self.call.args.get(name)
                flags = (value.name,) if isinstance(value, Flag) else ()
                told = _told(child.modes, self.call.args)
                mode = None if told else _fitting(child.modes, flags, self.project)
                return self._made("unknown keyword", child, mode, argument, flags=flags, wrong=name)
        return None

    def _by_position(self, child: _Child) -> ModeMistake | None:
        """A flag handed over by position: to another parameter, or to none."""
        args = self.call.args
        if args.open or not (child.modes or child.builtin):
            return None
        for index, value in enumerate(args.positional):
            if index < self._bound or not isinstance(value, Flag):
                continue
            names = child.signature.positional
            target = names[index] if index < len(names) else ""
            if child.signature.more_positional or any(m.name == target for m in child.modes):
                continue
            if _told(child.modes, args) or flax_api.is_about_mode(target):
                continue
            if not (child.modes or target):
                continue
            mode = _fitting(child.modes, (value.name,), self.project)
            argument = self.call.node.plain[index - self._bound]
            last = self.call.node.args[-1] is argument
            found = self._made("wrong place", child, mode, argument, flags=(value.name,))
            return replace(found, wrong=target, plain=found.plain and last)
        return None

    def _inverted(self, child: _Child) -> ModeMistake | None:
        polarity = self.project.settings.mode_flags
        for mode in child.modes:
            value = self.call.args.get(mode.name, mode.position)
            if not isinstance(value, Flag):
                continue
            if value.means_train(polarity) != mode.train_like:
                argument = self._node_of(mode)
                if argument is not None:
                    return self._made("inverted", child, mode, argument, flags=(value.name,))
        return None

    def _node_of(self, mode: ModeParameter) -> code.Argument | None:
        """The argument that fills ``mode``; None if it was bound before."""
        return self.call.node.argument(mode.name, mode.position, bound=self._bound)

    @property
    def _bound(self) -> int:
        """How many positional arguments ``functools.partial`` gave before."""
        return len(self.call.args.positional) - len(self.call.node.plain)

    def _hard_coded(self, child: _Child) -> ModeMistake | None:
        owner, function = self.owner, self.function
        if owner is None or not owner.is_module:
            return None
        if not (child.uses_flag and (child.builtin or child.kinds)):
            return None
        if self._is_tested() or self._passed_on() or _LITERAL_CHILDREN.search(self.call.label):
            return None
        if _LITERAL_CHILDREN.search(owner.outline.name):
            return None
        if _LITERAL_METHODS.search(function.name) or (self.call.flags and not self._flags()):
            return None
        for mode in child.modes:
            value, argument = self.call.args.get(mode.name, mode.position), self._node_of(mode)
            if argument is None or not isinstance(value, Constant):
                continue
            if not (isinstance(value.value, bool) and isinstance(argument.value, code.Constant)):
                continue
            trains = value.value == mode.train_like
            if self._is_under_another_mode() or (
                not trains and not child.builtin and self._is_second_pass()
            ):
                return None
            if self._flags() or (trains and function.name == "__call__"):
                flags = self._flags()
                return self._made("hard-coded", child, mode, argument, flags=flags, literal=True)
        return None

    def _is_under_another_mode(self) -> bool:
        """Whether a test around the call may be of the mode, by another name."""
        return any(
            guard.optional
            or any(_ANOTHER_MODE.search(name) for name in guard.names | guard.strings)
            for guard in self._guards()
        )

    def _is_second_pass(self) -> bool:
        """Whether another call of the same child gets the mode of the method."""
        return any(
            other.label == self.call.label
            and any(not traits_of(v).flags.isdisjoint(other.flags) for v in other.args.all())
            for other in self.facts.calls
        )

    # -- not told ------------------------------------------------------------------------------

    def _untold(self, child: _Child) -> ModeMistake | None:
        if not child.modes or self.call.args.open or _told(child.modes, self.call.args):
            return None
        if self._passed_on():
            return None
        if len(self.call.args.positional) > len(child.signature.positional) and not (
            child.signature.more_positional
        ):
            return None  # TypeError, whatever else
        flags = self._flags()
        mistake = self._reason(child, flags)
        deleted = bool(self.call.flags) and not flags  # `del train`: it knows what it does
        if mistake is None or (deleted and mistake != "required"):
            return None
        if _mode_was_set(self.owner, self.call.label):  # last, as it runs all of construction
            return None
        mode = _fitting(child.modes, flags, self.project)
        return self._made(mistake, child, mode, flags=flags)

    def _reason(self, child: _Child, flags: tuple[str, ...]) -> Mistake | None:
        if any(mode.required for mode in child.modes):
            return "required"
        if self._is_tested() or not child.heeds_mode:
            return None
        in_forward = self.owner is not None and self.owner.is_module
        if flags:
            evaluates = not any(mode.trains_by_default for mode in child.modes)
            if evaluates and (
                _LITERAL_CHILDREN.search(self.call.label) or self._is_for_policies(child)
            ):
                return None
            unclear = self.owner is not None and not in_forward and child.builtin
            return None if unclear else "not forwarded"
        if not in_forward or not child.kinds:
            return None
        if (
            not child.builtin
            and any(mode.trains_by_default for mode in child.modes)
            and not any(word in self.function.name for word in _TRAINING_METHODS)
        ):
            return "trains by default"
        return "implicit"

    def _is_for_policies(self, child: _Child) -> bool:
        """Whether `deterministic` is about actions: tested here, and the child has a `train`."""
        names = {mode.name for mode in child.modes}
        return "deterministic" in self.facts.flags_tested and "deterministic" not in names

    def _flags(self) -> tuple[str, ...]:
        """The flags around the call that are there to be used."""
        return tuple(f for f in self.call.flags if f not in self.facts.flags_deleted)

    def _passed_on(self) -> bool:
        """Whether a flag goes into the call in any way; the child may have been built with it."""
        given = (self.call.child, *self.call.args.all())
        return any(not traits_of(v).flags.isdisjoint(self.call.flags) for v in given)

    def _is_tested(self) -> bool:
        """Whether the call depends on the mode by where it stands."""
        return self.call.after_mode_set or any(
            guard.flags.intersection(self.call.flags) or guard.reads_mode
            for guard in self._guards()
        )


def _mode_was_set(owner: ClassFacts | None, label: str) -> bool:
    """Whether construction set the mode of this child, or of all of them, in place."""
    attribute = label.removeprefix("self.").partition(".")[0].removesuffix("[...]")
    return owner is not None and not owner.modes_set.isdisjoint({"*", attribute})


def _child(project: Project, value: Value) -> _Child | None:
    if isinstance(value, Instance) and value.settings:
        value = Instance(value.of, None)  # in a mode that somebody set
    match value:
        case Instance(ClassDefinition() as of, made_with) if builtin := project.class_facts(
            of
        ).plain_subclass_of:
            return _child(project, Instance(Symbol(builtin), made_with))
        case Instance(Symbol(name), made_with) if name in flax_api.CALLS:
            return _builtin(project, value, name, made_with)
        case Instance(ClassDefinition() as of, made_with):
            facts = project.class_facts(of)
            if not facts.is_module:
                return None
            modes, signature = facts.mode_parameters(), facts.signature()
            if modes is None or signature is None:
                return None
            told = made_with is not None and any(
                name in project.settings.mode_flags for name, _ in made_with.keywords
            )
            uses = all(facts.uses_flag(mode.name) for mode in modes)
            name, kinds = facts.outline.name, project.kinds(value)
            return _Child(name, modes, signature, False, uses and not told, uses, kinds)
    return None


def _builtin(project: Project, value: Value, name: str, made_with: Arguments | None) -> _Child:
    positional, _, keyword_only = flax_api.CALLS[name].partition("*")
    signature = Signature(
        tuple(positional.split()), frozenset(f"{positional} {keyword_only}".split())
    )
    mode = flax_api.MODES.get(name)
    if mode is None:
        return _Child(name, (), signature, True, False, False, frozenset())
    parameter = ModeParameter(
        mode.flag, mode.train_value, mode.position, required=False, trains_by_default=True
    )
    dropping = drops(name, made_with)
    heeds = dropping and not fixed_mode(name, made_with)
    uses = dropping or made_with is None
    return _Child(name, (parameter,), signature, True, heeds, uses, project.kinds(value))


def _told(modes: tuple[ModeParameter, ...], args: Arguments) -> bool:
    return any(args.get(mode.name, mode.position) is not None for mode in modes)


def _fitting(
    modes: tuple[ModeParameter, ...], flags: tuple[str, ...], project: Project
) -> ModeParameter | None:
    """The parameter to name in the message: a required one, or one that a flag here can fill."""
    same = [
        mode
        for mode in modes
        if any(project.settings.mode_flags.get(flag) == mode.train_like for flag in flags)
    ]
    return next((mode for mode in modes if mode.required), next(iter(same or modes), None))


def _argument(
    mode: ModeParameter, flags: tuple[str, ...], project: Project, function: Function
) -> tuple[str | None, bool]:
    """What to write, ``train=train``, and whether that is right whatever the flag holds."""
    polarity = project.settings.mode_flags
    for flag in sorted(flags, key=lambda flag: polarity.get(flag) != mode.train_like):
        same = polarity.get(flag) == mode.train_like
        return _written(mode.name, flag, function, same=same)
    return None, False


def _written(parameter: str, flag: str, function: Function, *, same: bool) -> tuple[str, bool]:
    """``train=train``, with ``not`` unless both mean the same, and whether that is right."""
    if same:
        return f"{parameter}={flag}", True
    return f"{parameter}=not {flag}", _is_never_none(function, flag)


def _is_never_none(function: Function, flag: str) -> bool:
    """Whether a flag is a parameter of the function that holds True or False, never None."""
    parameter = function.parameter(flag)
    if parameter is None:
        return False
    texts = [ast.unparse(n) for n in (parameter.default, parameter.annotation) if n is not None]
    return not any(re.search(r"\bNone\b|Optional|Any\b", text) for text in texts)


def _names_flag(node: code.Expression, flag: str) -> bool:
    """Whether an argument is just ``flag`` or ``not flag``."""
    if isinstance(node, code.Not):
        node = node.operand
    return isinstance(node, code.Name) and node.id == flag


def tells_mode(project: Project, facts: FunctionFacts | LocalRun, flag: str) -> bool:
    """Whether a function passes ``flag`` to a layer that asks whether it is true."""
    for call in facts.calls:
        for option in present(call.child):
            child = _child(project, option)
            if child is None or not child.uses_flag:
                continue
            for mode in child.modes:
                value = call.args.get(mode.name, mode.position)
                if isinstance(value, Flag) and value.name == flag:
                    return True
    return False


def may_know_mode(project: Project, module: ClassFacts, function: Function) -> bool:
    """Whether anything can tell a forward method that it draws in training or evaluation."""
    if any(project.is_mode_flag(p) or p.name in flax_api.KEY_KEYWORDS for p in function.parameters):
        return True
    if module.is_template or module.assigns("set_view") or module.has_its_own("eval"):
        return True
    return any(flax_api.is_about_mode(read.name) for read in module.facts(function).reads)
