"""What calling a module does to its state: whether it draws noise, or updates statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import (
    AttributeWrite,
    FunctionCall,
    FunctionFacts,
    LocalRun,
    MethodCall,
    ModuleCall,
)
from flake8_nnx_mode.facts.models import constructor_arguments
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project, rate_of
from flake8_nnx_mode.facts.values import (
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


@dataclass(frozen=True, slots=True)
class Change:
    """The state of a module changes when it is called."""

    effect: Effect
    by_default: bool
    """Whether only because layers train unless they are told otherwise."""


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
    depth: int = 0
    built_with: Mapping[str, Value] = field(default_factory=dict)
    """What the constructor of the module was given whose method this is."""

    def of_call(self, call: ModuleCall) -> Change | None:
        """What a call changes, whichever of its possible children is called."""
        if not self._runs(call.guards):
            return None
        found = [self._of_child(option, call.args) for option in present(call.child)]
        known = [change for change in found if change is not None]
        if not known or len(known) < len(found):
            return None
        return max(known, key=lambda change: change.by_default)

    def of_model(self, model: Value) -> Change | None:
        """What calling a model changes, if the call says nothing of modes."""
        found = [self._of_child(option, Arguments((), ())) for option in present(model)]
        known = [change for change in found if change is not None]
        if not known or len(known) < len(found):
            return None
        return max(known, key=lambda change: change.by_default)

    def of_draw(self, draw: Draw) -> Change | None:
        """What a draw changes: the stream that self keeps, or that the function was given."""
        source = draw.source
        kept = source.origin == "kept" or (
            source.origin == "given" and source.parameter.rstrip("'") in self.streams
        )
        return Change("draws", by_default=False) if kept and self._runs(draw.guards) else None

    def _of_child(self, child: Value, args: Arguments) -> Change | None:
        match child:
            case Instance(Symbol("flax.nnx.Sequential"), Arguments() as layers):
                return self._of_sequence(layers, args)
            case Instance(Symbol(name)) if name in flax_api.MODES:
                return self._of_layer(child, name, args)
            case Instance(ClassDefinition() as of):
                facts = self.project.class_facts(of)
                layer = facts.plain_subclass_of
                if layer is not None:
                    return self._of_layer(child, layer, args)
                return self._of_module(child, facts, args) if facts.is_module else None
        return None

    def _of_sequence(self, layers: Arguments, args: Arguments) -> Change | None:
        """Its layers are called with what it is given, and no mode."""
        alone = Arguments(args.positional, ())
        for layer in layers.all():
            for option in options(layer):
                match option:
                    case Instance(Symbol(name)) if name in flax_api.MODES:
                        change = self._of_layer(option, name, alone)
                    case Instance(ClassDefinition() as of):
                        facts = self.project.class_facts(of)
                        change = self._of_module(option, facts, alone)
                    case _:
                        change = None
                if change is not None:
                    return change
        return None

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

    # -- modules of the project ------------------------------------------------------------------

    def _of_module(self, child: Instance, facts: ClassFacts, args: Arguments) -> Change | None:
        return self._of_body(child, facts, "__call__", args)

    def _of_body(
        self, child: Instance, facts: ClassFacts, name: str, args: Arguments
    ) -> Change | None:
        """What a method of a module changes."""
        found = facts.find_method(name)
        if found is None or self.depth >= _DEEPEST or args.open:
            return None
        definition, function = found
        parameters = list(function.as_called(bound=True))
        inner = Effects(
            self.project,
            {p.name: self._held(args, index, p) for index, p in parameters},
            frozenset(p.name for index, p in parameters if self._is_kept(args.get(p.name, index))),
            (*child.settings, *self.settings),
            self.depth + 1,
            constructor_arguments(facts, child.made_with, self.built_with),
        )
        return inner.of_body(facts.facts(function, definition), facts)

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
            and (option.origin == "kept" or option.parameter.rstrip("'") in self.streams)
            for option in (() if value is None else options(value))
        )

    def of_body(self, facts: FunctionFacts | LocalRun, owner: ClassFacts | None) -> Change | None:
        """What running a method changes in its object and the streams that it is given."""
        changes = [self.of_draw(draw) for draw in facts.draws]
        if owner is not None:
            changes += [self.of_write(write, owner) for write in facts.writes]
            changes += [self.of_own(called, owner) for called in facts.methods_called]
        changes += map(self.of_call, facts.calls)
        found = [change for change in changes if change is not None]
        return min(found, key=lambda change: change.by_default, default=None)

    def of_own(self, called: MethodCall, owner: ClassFacts) -> Change | None:
        """What ``self.encode(x)`` changes, where self is an ``owner``."""
        if called.receiver != SelfObject():
            return self.of_method(called)
        if not self._runs(called.guards):
            return None
        return self._of_body(Instance(owner.definition, None), owner, called.name, called.args)

    def of_method(self, called: MethodCall) -> Change | None:
        """What ``model.encode(x)`` changes."""
        match called.receiver:
            case Instance(ClassDefinition() as of) as model if self._runs(called.guards):
                facts = self.project.class_facts(of)
                return self._of_body(model, facts, called.name, called.args)
        return None

    def of_function(self, called: FunctionCall) -> Change | None:
        """What a function of the project changes in the modules that it is given."""
        if self.depth >= _DEEPEST or called.args.open or not self._runs(called.guards):
            return None
        function, args = called.function.outline, called.args
        parameters = list(function.as_called(bound=False))
        inner = Effects(
            self.project,
            {p.name: self._held(args, index, p) for index, p in parameters},
            frozenset(p.name for index, p in parameters if self._is_kept(args.get(p.name, index))),
            depth=self.depth + 1,
        )
        facts = self.project.facts_called(called.function, args)
        changes = [inner.of_draw(draw) for draw in facts.draws if draw.source.origin == "given"]
        changes += [inner.of_call(call) for call in facts.calls if call.given and call.level >= 0]
        changes += [inner.of_method(m) for m in facts.methods_called if m.given and m.level >= 0]
        changes += map(inner.of_function, facts.functions_called)
        found = [change for change in changes if change is not None]
        return min(found, key=lambda change: change.by_default, default=None)

    def of_write(self, write: AttributeWrite, owner: ClassFacts) -> Change | None:
        """``self.mean[...] = ...``."""
        if write.whole or not self._runs(write.guards):
            return None
        held = owner.attribute(write.name)
        if isinstance(held, Boxed) and held.kind in _STATISTICS:
            return Change("updates", by_default=False)
        return None

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
