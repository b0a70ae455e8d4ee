"""What calling a module does to its state: whether it draws noise, or updates statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import (
    AttributeWrite,
    FunctionCall,
    MethodCall,
    ModuleCall,
)
from flake8_nnx_mode.facts.models import constructor_arguments
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project, rate_of
from flake8_nnx_mode.facts.values import (
    NO_ARGUMENTS,
    NONE,
    Arguments,
    Boxed,
    ClassDefinition,
    Constant,
    Draw,
    Flag,
    Given,
    Guards,
    Instance,
    Rngs,
    SelfObject,
    Setting,
    Symbol,
    Value,
    each_guard,
    options,
    present,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.outline import Parameter

Effect = Literal["draws", "updates"]
Modes = Mapping[str, bool | None]
"""Mode flag -> what it holds; None where that is not known."""

_STATISTICS = frozenset({"flax.nnx.BatchStat", "flax.nnx.Variable"})
_ABOVE = ("GreaterThan", "NotEqual")
_DEEPEST = 8
_MOST_BODIES = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """The state of a module changes when it is called."""

    effect: Effect
    by_default: bool
    """Whether only because layers train unless they are told otherwise."""


def least(*changes: Change | None) -> Change | None:
    """One of several changes, that which is least in doubt; None if there is none."""
    found = (change for change in changes if change is not None)
    return min(found, key=lambda change: change.by_default, default=None)


@dataclass(frozen=True, slots=True)
class Effects:
    """Judges calls of modules, in one function that knows its own ``modes``.

    ``settings`` are what was done to the modes of the model as a whole.
    """

    project: Project
    modes: Modes
    streams: frozenset[str] = frozenset()
    """The parameters by which the function is given an ``nnx.Rngs`` whose state is kept."""
    settings: tuple[Setting, ...] = ()
    built_with: Mapping[str, Value] = field(default_factory=dict)
    """What the constructor of the module was given whose method this is."""
    depth: int = 0
    left: list[int] = field(default_factory=lambda: [_MOST_BODIES])
    """How many bodies may still be looked at."""

    def of_call(self, call: ModuleCall) -> Change | None:
        """What a call changes, whichever of its possible children is called."""
        return self._of_any(call.child, call.args) if self._runs(call.guards) else None

    def of_model(self, model: Value) -> Change | None:
        """What calling a model changes, if the call says nothing of modes."""
        return self._of_any(model, NO_ARGUMENTS)

    def of_draw(self, draw: Draw) -> Change | None:
        """What a draw changes: the stream that self keeps, or that the function was given."""
        kept = self._is_kept(draw.source) and self._runs(draw.guards)
        return Change("draws", by_default=False) if kept else None

    def of_write(self, write: AttributeWrite, owner: ClassFacts) -> Change | None:
        """``self.mean[...] = ...``."""
        if write.whole or not self._runs(write.guards):
            return None
        held = owner.attribute(write.name)
        if isinstance(held, Boxed) and held.kind in _STATISTICS:
            return Change("updates", by_default=False)
        return None

    def of_method(self, called: MethodCall, owner: ClassFacts | None) -> Change | None:
        """What ``self.encode(x)`` changes, where self is an ``owner``, or ``model.encode(x)``."""
        if not self._runs(called.guards):
            return None
        match called.receiver:
            case SelfObject() if owner is not None:
                model = Instance(owner.definition, None)
                return self._of_body(model, owner, called.name, called.args, self.built_with)
            case Instance(ClassDefinition() as of) as model:
                return self._of_body(model, self.project.class_facts(of), called.name, called.args)
        return None

    def of_function(self, called: FunctionCall) -> Change | None:
        """What a function of the project changes in the modules that it is given."""
        function, args = called.function.outline, called.args
        if not self._goes_deeper() or args.open or not self._runs(called.guards):
            return None
        inner = self._inside(list(function.as_called(bound=False)), args)
        facts = self.project.facts_called(called.function, args)
        return least(
            *(inner.of_draw(draw) for draw in facts.draws if draw.source.origin == "given"),
            *(inner.of_call(call) for call in facts.calls if call.given and call.level >= 0),
            *(
                inner.of_method(method, None)
                for method in facts.methods_called
                if method.given and method.level >= 0
            ),
            *map(inner.of_function, facts.functions_called),
        )

    def _of_any(self, child: Value, args: Arguments) -> Change | None:
        """What calling one of several changes, if calling any of them does."""
        found = [self._of_child(option, args) for option in present(child)]
        known = [change for change in found if change is not None]
        if not known or len(known) < len(found):
            return None
        return max(known, key=lambda change: change.by_default)

    def _of_child(self, child: Value, args: Arguments) -> Change | None:
        match child:
            case Instance(Symbol("flax.nnx.Sequential"), Arguments() as layers):
                alone = Arguments(args.positional, ())  # they get no mode
                return least(*(self._of_any(layer, alone) for layer in layers.all()))
            case Instance(Symbol(name)) if name in flax_api.MODES:
                return self._of_layer(child, name, args)
            case Instance(ClassDefinition(), settings=told) if any(not s.modes for s in told):
                return None  # it was changed otherwise; perhaps its streams are other ones
            case Instance(ClassDefinition() as of):
                facts = self.project.class_facts(of)
                if facts.plain_subclass_of is not None:
                    return self._of_layer(child, facts.plain_subclass_of, args)
                return self._of_body(child, facts, "__call__", args)
        return None

    def _of_body(
        self,
        child: Instance,
        facts: ClassFacts,
        name: str,
        args: Arguments,
        built_with: Mapping[str, Value] | None = None,
    ) -> Change | None:
        """What a method of a module changes."""
        found = facts.find_method(name)
        if found is None or not facts.is_module or args.open or not self._goes_deeper():
            return None
        definition, function = found
        if built_with is None:
            built_with = constructor_arguments(facts, child.made_with, self.built_with)
        settings = (*child.settings, *self.settings)
        inner = self._inside(list(function.as_called(bound=True)), args)
        inner = replace(inner, settings=settings, built_with=built_with)
        body = facts.facts(function, definition)
        return least(
            *map(inner.of_draw, body.draws),
            *(inner.of_write(write, facts) for write in body.writes),
            *(inner.of_method(method, facts) for method in body.methods_called),
            *map(inner.of_call, body.calls),
        )

    def _inside(self, parameters: list[tuple[int | None, Parameter]], args: Arguments) -> "Effects":
        """The same, in a function that is called with ``args``."""
        modes = {p.name: self._held(args, index, p) for index, p in parameters}
        given = {p.name: args.get(p.name, index) for index, p in parameters}
        streams = frozenset(name for name, value in given.items() if self._is_kept(value))
        return Effects(self.project, modes, streams, depth=self.depth + 1, left=self.left)

    def _goes_deeper(self) -> bool:
        """Whether one more body may be looked at: calls within calls can be very many."""
        self.left[0] -= 1
        return self.left[0] >= 0 and self.depth < _DEEPEST

    # -- layers of flax.nnx ----------------------------------------------------------------------

    def _of_layer(self, layer: Instance, name: str, args: Arguments) -> Change | None:
        mode = flax_api.MODES[name]
        if args.open or not self._drops(name, layer.made_with):
            return None
        trains = self._trains(layer, mode, args)
        if trains is None or not trains[0]:
            return None
        if mode.kind == "stateful":
            return Change("updates", trains[1])
        given = args.get("rngs")
        if given is None or given == NONE:
            keeps = layer.made_with is None or layer.made_with.get("rngs") is not None
            return Change("draws", trains[1]) if keeps else None
        return Change("draws", by_default=False) if self._is_kept(given) else None

    def _drops(self, name: str, made_with: Arguments | None) -> bool:
        """Whether a layer is known to drop anything; one that must have a rate does."""
        if name not in flax_api.RATES:
            return True
        if made_with is None:
            return flax_api.RATES[name][1] is not None
        rate = rate_of(name, made_with)
        if isinstance(rate, Given):
            rate = self.built_with.get(rate.name, rate)
        if isinstance(rate, Constant):
            return isinstance(rate.value, int | float) and rate.value > 0
        return rate is not None

    def _trains(
        self, layer: Instance, mode: flax_api.BuiltinMode, args: Arguments
    ) -> tuple[bool, bool] | None:
        """Whether a layer trains, and whether only by default; None where that is not known."""
        given = args.get(mode.flag, mode.position)
        if given is not None and given != NONE:
            told = self._value(given)
            return None if told is None else (told == mode.train_value, False)
        attribute = "use_running_average" if mode.kind == "stateful" else mode.flag
        for setting in reversed((*layer.settings, *self.settings)):
            named = dict(setting.modes)
            if attribute in named:
                told = self._value(named[attribute])
                return None if told is None else (not told, False)
            if setting.may_set(attribute):
                return None
        built = None if layer.made_with is None else layer.made_with.get(mode.flag)
        if built is not None and built != NONE:
            value = built.value if isinstance(built, Constant) else None
            return None if not isinstance(value, bool) else (value == mode.train_value, False)
        return True, True

    def _value(self, value: Value) -> bool | None:
        """What a mode that is given holds."""
        match value:
            case Constant(bool(held)):
                return held
            case Flag(name, negated):
                held_by = self.modes.get(name)
                return None if held_by is None else held_by != negated
        return None

    # -- arguments and conditions ----------------------------------------------------------------

    def _held(self, args: Arguments, index: int | None, parameter: Parameter) -> bool | None:
        """What a mode flag of a child's ``__call__`` holds."""
        if parameter.name not in self.project.settings.mode_flags:
            return None
        given = args.get(parameter.name, index)
        if given is not None:
            return self._value(given)
        default = getattr(parameter.default, "value", None)
        return default if isinstance(default, bool) else None

    def _is_kept(self, value: Value | None) -> bool:
        """Whether it is an ``nnx.Rngs`` that self keeps, or that the function was given."""
        return any(
            isinstance(option, Rngs)
            and (option.origin == "kept" or option.given_as in self.streams)
            for option in (() if value is None else options(value))
        )

    def _runs(self, guards: Guards | None) -> bool:
        """Whether code under ``guards`` surely runs, as the modes are."""
        return not any(
            guard.excused or guard.test is None or not self._passes(guard.test, holds=guard.holds)
            for guard in each_guard(guards)
        )

    def _passes(self, test: code.Expression, *, holds: bool) -> bool:
        """Whether a test surely comes out so, as the modes are; of a rate, that it is above 0."""
        match test:
            case code.Name(name):
                return self.modes.get(name) is holds
            case code.Not(operand):
                return self._passes(operand, holds=not holds)
            case code.Either(operator, operands):
                passes = (self._passes(operand, holds=holds) for operand in operands)
                return all(passes) if (operator == "and") == holds else any(passes)
            case code.Compare(code.Name(name), (("Is" | "Equal", code.Constant(bool(value))),)):
                held = self.modes.get(name)
                return held is not None and (held == value) == holds
            case code.Compare(left, ((operator, code.Constant(zero)),)) if zero in (0, 0.0):
                name = left.name if isinstance(left, code.Attribute) else getattr(left, "id", "")
                return flax_api.is_rate(name) and (operator in _ABOVE) == holds
        return False
