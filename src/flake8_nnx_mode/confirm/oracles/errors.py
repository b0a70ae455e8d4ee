"""Oracles for code that raises as soon as it runs, often in one mode only."""

import re
from collections.abc import Callable

import jax
from flax import nnx
from flax.errors import TraceContextError

from flake8_nnx_mode.confirm.case import Case, NoVerdictError
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted


def raises(case: Case) -> Seen:
    """The flagged place raises the error that the rule is about."""
    ran = False
    for training in (True, False):
        saw = case.play(training)
        if saw.error is None:
            ran = ran or saw.reached or (case.marked is None and case.is_direct)
        elif case.shows(saw):
            return confirmed(
                f"a call {case.said(training)} raises {case.told_error(saw.error)}",
                training=training,
                error=saw.error,
            )
    other = next((s.error for s in (case.play(True), case.play(False)) if s.error), None)
    if other is not None:
        raise NoVerdictError("does not run", f"another error came first: {case.told_error(other)}")
    if not ran:
        raise NoVerdictError(
            "not reached", "the flagged line did not run in any call that was tried"
        )
    events = [event for play in (case.play(True), case.play(False)) for event in play.events]
    if case.conditions.watch and events and not any(event.called for event in events):
        raise NoVerdictError("not called", "what the flagged line makes was not called")
    return refuted("the line runs in training and in evaluation, and raises nothing")


def unsaved(case: Case) -> Seen:
    """``rngs`` that the module does not have: an error, or a stream that is not the module's."""
    for training in (True, False):
        saw = case.play(training)
        if saw.error is None and saw.calls:
            for draw in saw.flagged_draws(0):
                if not saw.sources(draw):
                    return confirmed(
                        f"a call {case.said(training)} draws from a stream that the module does not"
                        " hold: neither `nnx.jit` nor `nnx.reseed` reaches it",
                        training=training,
                    )
    return raises(case)


def refused_jit(case: Case) -> Seen:
    """`nnx.jit` of a method or a module: refused at once, or when it trains."""
    for training in (True, False):
        for event in case.play(training).events:
            if any(isinstance(value, nnx.Module) for value in event.arguments):
                if case.shows(case.play(True)):
                    break
                raise NoVerdictError(
                    "weights", "whether the weights change after it is compiled was not tried"
                )
    return raises(case)


def _is(*types: type[BaseException], says: str = "") -> Callable[[BaseException], bool]:
    def matches(error: BaseException) -> bool:
        return isinstance(error, types) and re.search(says, str(error)) is not None

    return matches


ORACLES = {
    "rngs-missing": Oracle(unsaved, symptom=_is(NameError, AttributeError, TraceContextError)),
    "dropout-without-rngs": Oracle(
        raises, symptom=_is(ValueError, says="rngs"), anywhere=True, watch=True
    ),
    "stream-as-key": Oracle(raises, symptom=_is(TypeError, ValueError, says="Rng|PRNG key")),
    "undeclared-stream": Oracle(
        raises, symptom=_is(AttributeError, KeyError, says="RngStream"), declared_only=True
    ),
    "traced-flag": Oracle(
        raises,
        symptom=_is(jax.errors.TracerBoolConversionError),
        anywhere=True,
        watch=True,
        reload=True,
    ),
    "refused-view": Oracle(
        raises, symptom=_is(ValueError, says="[Uu]nused|not found|Could not find")
    ),
    "refused-jit": Oracle(
        refused_jit, symptom=_is(ValueError, TraceContextError, says="bound|trace"), anywhere=True
    ),
}
