"""State that ``jax.jit`` loses: changed by a compiled function, and not returned."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flake8_nnx_mode.facts.effects import Change, Effect, Effects, Modes
from flake8_nnx_mode.facts.events import (
    FunctionCall,
    FunctionFacts,
    LocalRun,
    MethodCall,
    ModuleCall,
)
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.transforms import Jitted, jitted
from flake8_nnx_mode.facts.values import (
    ClassDefinition,
    Constant,
    FunctionDefinition,
    Given,
    Instance,
    Key,
    Rngs,
    SelfObject,
    Value,
    contained,
    options,
    present,
    traits_of,
)
from flake8_nnx_mode.model import Span
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor

_EVALUATES = re.compile(
    r"eval|pred|infer|test|valid|generat|sampl|decod|encod|embed|score|serve|metric|rollout|export"
)
_SETS_EVAL = re.compile(
    r"\beval|\bdeterministic\s*=\s*True|use_running_average|train(?:ing)?\s*=\s*False|set_mode"
    r"|iter_modules|set_attributes"
)


@dataclass(frozen=True, slots=True)
class Lost:
    """What a compiled function changes and does not return."""

    where: Anchor | Span
    effect: Effect
    label: str
    """What it changes, as a message says it."""


def lost_state(project: Project) -> Iterator[Lost]:
    """State that is lost in the file at hand, once for each compiled function."""
    for compiled in jitted(project):
        if compiled.by == "jax.jit":
            lost = _Compiled(project, compiled).lost()
            if lost is not None:
                yield lost


class _Compiled:
    """One function under ``jax.jit``."""

    def __init__(self, project: Project, compiled: Jitted) -> None:
        self.project = project
        self.compiled = compiled
        self.calls: list[FunctionCall | MethodCall] = []
        self.callers: list[str] = []
        self._find_calls()

    def lost(self) -> Lost | None:
        """What it loses; None if nothing is known to be."""
        names = (self.compiled.name, self.compiled.within)
        if any(map(self.project.is_for_tests, names)):
            return None
        if any("reseed" in text for text in (self.compiled.text, *self.callers)):
            return None  # its streams start anew at each call
        runs = self._runs()
        if any(self._may_return_state(facts) for facts in runs):
            return None
        for facts in runs:
            found = self._changed(facts)
            if found is not None:
                where = self.compiled.decorator or self.compiled.where
                return Lost(where, found[0].effect, found[1])
        return None

    def _runs(self) -> list[FunctionFacts | LocalRun]:
        """What it does: as the calls in the file run it, or else as it stands."""
        function, owner = self.compiled.function, self.compiled.owner
        if function is None or not self.calls:
            return [self.compiled.facts]
        definition = FunctionDefinition(self.project.book, function)
        calls = (self.project.facts_called(definition, call.args, owner) for call in self.calls)
        return list(calls)

    def _find_calls(self) -> None:
        """Find the calls in the file that give it a module, or an ``nnx.Rngs``, and who calls."""
        project, target, owner = self.project, self.compiled.function, self.compiled.owner
        if target is None:
            return
        if owner is not None:
            if not owner.is_module and "staticmethod" not in decorator_names(target):
                self._find_own_calls(owner, target.name)
            return
        aliases = project.module_level(FunctionDefinition(project.book, target))
        for function, caller in project.functions():
            if function is not target and project.book.mentions(function, target.name, *aliases):
                text = project.book.text_of(function)
                if any(re.search(rf"(?<!\.)\b{name}\(", text) for name in (target.name, *aliases)):
                    self.callers.append(text)
                called = project.facts(function, caller).functions_called
                self.calls += [call for call in called if call.function.outline is target]

    def _find_own_calls(self, owner: ClassFacts, name: str) -> None:
        """``self.step(self.model, x)``, also where ``self.step = jax.jit(self._step)``."""
        for method in owner.own_methods():
            called = owner.facts(method).methods_called
            self.calls += [c for c in called if (c.receiver, c.name) == (SelfObject(), name)]

    def _may_return_state(self, facts: FunctionFacts | LocalRun) -> bool:
        merges = "merge" in self.compiled.text  # shares its variables with the state it is given
        return any(
            traits_of(value).carries
            or any(isinstance(p, Key) or (merges and isinstance(p, Given)) for p in _each(value))
            for value in facts.returns
        )

    def _changed(self, facts: FunctionFacts | LocalRun) -> tuple[Change, str] | None:
        """What changes in a run, and what it changes it in."""
        for change, label, models in self._changes(facts):
            if change is not None and self._is_meant(change, models, facts.gradients):
                own = label.partition(".")[0] in (*self.compiled.names, "self")
                return change, f"`{label}`" if label and own else "its model"
        return None

    def _changes(
        self, facts: FunctionFacts | LocalRun
    ) -> Iterator[tuple[Change | None, str, tuple[Value, ...]]]:
        """All that may change, what the code calls it, and the models that it is about."""
        effects = Effects(self.project, self._modes(), self._streams())
        module = self.compiled.owner
        if module is not None and not module.is_module:
            module = None
        for draw in facts.draws:
            if module is not None or draw.source.origin == "given":
                yield effects.of_draw(draw), draw.source.given_as or "self", ()
        if module is not None:
            for write in facts.writes:
                yield effects.of_write(write, module), "self", ()
        for call in facts.calls:
            if self._is_given(call, facts):
                yield effects.of_call(call), call.label, present(call.child)
        for method in facts.methods_called:
            if self._is_given(method, facts):
                yield effects.of_method(method, module), method.label, (method.receiver,)
        for called in facts.functions_called:
            models = tuple(called.args.all())
            yield effects.of_function(called), "", models

    def _is_given(self, call: ModuleCall | MethodCall, facts: FunctionFacts | LocalRun) -> bool:
        """Whether what is called came with an argument: not from outside, nor made here."""
        owner = self.compiled.owner
        if call.label == "self" or call.label.startswith("self."):
            return owner is not None and owner.is_module
        return call.level >= facts.level and call.given

    def _is_meant(self, change: Change, models: Iterable[Value], gradients: int) -> bool:
        """Whether a model that trains by default is not known to evaluate here."""
        if not change.by_default or gradients or self.compiled.gradient:
            return True
        given = (*models, *(value for call in self.calls for value in call.args.all()))
        text = self.compiled.text
        made = any(isinstance(v, Instance) and v.made is not None for v in given)
        if self.compiled.function is not None and not made:
            text = self._texts_about(models)  # somebody else made it
        evaluates = not made and _EVALUATES.search(self.compiled.name) is not None
        return not evaluates and not any(may_evaluate(value, text) for value in given)

    def _texts_about(self, models: Iterable[Value]) -> str:
        """The functions of the file that name the compiled one, or the class of a model."""
        classes = [v.of for v in models if isinstance(v, Instance)]
        names = [of.outline.name for of in classes if isinstance(of, ClassDefinition)]
        book = self.project.book
        texts = [book.text_of(book.script), self.compiled.text]
        for function, owner in self.project.functions():
            if owner is not None and owner.definition in classes:
                continue
            if book.mentions(function, self.compiled.name, *names):
                texts.append(book.text_of(function))
        return "\n".join(texts)

    def _streams(self) -> frozenset[str]:
        """Its parameters for an ``nnx.Rngs``, unless each call in the file makes another one."""
        function = self.compiled.function
        if function is None:
            return frozenset(self.compiled.names)
        own = function.as_called(bound=self.compiled.owner is not None)
        return frozenset(
            parameter.name
            for index, parameter in own
            if not self.calls or not all(_is_fresh(c, parameter.name, index) for c in self.calls)
        )

    def _modes(self) -> Modes:
        """What its own mode flags hold: training, where a call may say so."""
        polarity = self.project.settings.mode_flags
        function = self.compiled.function
        if function is None:
            return {n: polarity[n] if given else None for n, given in self.compiled.flags.items()}
        modes: dict[str, bool | None] = {}
        for index, parameter in function.as_called(bound=self.compiled.owner is not None):
            if self.project.is_mode_flag(parameter):
                name = parameter.name
                default = getattr(parameter.default, "value", not polarity[name])
                said = [call.args.get(name, index) for call in self.calls]
                known = [Constant(default) if v is None else v for v in said or [None]]
                evaluates = all(v == Constant(not polarity[name]) for v in known)
                trains = parameter.required and not self.calls
                modes[name] = polarity[name] == (trains or not evaluates)
        return modes


def may_evaluate(model: Value, text: str) -> bool:
    """Whether a model may have been told to evaluate, by what was done to it or by a text."""
    told = any(isinstance(o, Instance) and o.settings for o in options(model))
    return told or _SETS_EVAL.search(text) is not None


def _is_fresh(call: FunctionCall | MethodCall, name: str, index: int | None) -> bool:
    """Whether a call makes the ``nnx.Rngs`` that it gives, or forks it."""
    value, argument = call.args.get(name, index), call.node.argument(name, index)
    if not isinstance(value, Rngs):
        return False
    made_there = argument is not None and isinstance(argument.value, code.Call)
    return made_there or value.origin in ("forked", "made")


def _each(value: Value) -> Iterator[Value]:
    """``value`` and all that it is made of."""
    yield value
    for part in contained(value):
        yield from _each(part)
