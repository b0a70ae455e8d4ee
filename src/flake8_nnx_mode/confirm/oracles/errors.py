"""Oracles for code that raises as soon as it runs, often in one mode only."""

import ast
import re
import traceback
from collections.abc import Callable
from typing import NoReturn

import jax
from flax import nnx
from flax.errors import TraceContextError

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError, said
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted


def raises(case: Case) -> Seen:
    """The flagged place raises the error that the rule is about."""
    ran = False
    for training in (True, False):
        saw = case.play(training)
        if saw.error is None:
            ran = ran or saw.reached or (case.marked is None and case.is_direct)
        elif case.shows(saw):
            streams = "without a default stream, " if case.conditions.declared_only else ""
            return confirmed(
                f"{streams}a call{case.said(training)} raises {said(saw.error)}",
                training=training,
                error=saw.error,
            )
    other = next((s.error for s in (case.play(True), case.play(False)) if s.error), None)
    if other is not None:
        raise NoVerdictError("does not run", f"another error came first: {said(other)}")
    if not ran:
        raise NoVerdictError(
            "not reached", "the flagged line did not run in any call that was tried"
        )
    events = [event for play in (case.play(True), case.play(False)) for event in play.events]
    if case.conditions.watch and not all(event.called for event in events):
        raise NoVerdictError("not called", "what the flagged line makes was not called")
    return refuted("the line runs in training and in evaluation, and raises nothing")


def unsaved(case: Case) -> Seen:
    """``rngs`` that the module does not have: an error, or a stream that is not the module's."""
    for training in (True, False):
        saw = case.play(training)
        if saw.error is None and saw.calls:
            for draw in saw.flagged_draws(0):
                if not saw.values.leaves(draw.key):
                    return confirmed(
                        f"a call{case.said(training)} draws from a stream that the module does not"
                        " hold: neither `nnx.jit` nor `nnx.reseed` reaches it",
                        training=training,
                    )
        elif saw.error is not None and case.shows(saw):
            name = getattr(saw.error, "name", None)
            if name is not None and not re.search(rf"\b{name}\b", case.flagged_text):
                raise NoVerdictError("does not run", f"another error: {said(saw.error)}")
            if name is not None and case.is_assigned_outside(name):
                raise NoVerdictError("outside", f"`{name}` is assigned from outside of the class")
    return raises(case)


def undeclared_stream(case: Case) -> Seen:
    """A stream that no ``nnx.Rngs`` of the file declares."""
    calls = [node for node in ast.walk(ast.parse(case.text)) if isinstance(node, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "Rngs"]
    if any(keyword.arg is None for call in made for keyword in call.keywords):
        raise NoVerdictError("streams", "which streams are declared is not known")
    seen = raises(case)
    if seen.verdict == "REFUTED" and not set(re.findall(r"\w+", case.flagged_text)) & set(
        case.streams
    ):
        raise NoVerdictError("streams", "a default stream serves it, made by the code itself")
    return seen


def unseen(case: Case) -> NoReturn:
    """Say why there is nothing to be seen.

    Raises:
        NoVerdictError: always.
    """
    error = next((s.error for s in (case.play(True), case.play(False)) if s.error), None)
    if error is not None:
        raise NoVerdictError("does not run", f"another error came first: {said(error)}")
    raise NoVerdictError("not reached", "the flagged line did not run in any call that was tried")


def dropout_without_rngs(case: Case) -> Seen:
    """A dropout layer that is called in training, and has no ``rngs``."""
    for training in (True, False):
        saw = case.play(training)
        if case.shows(saw) and not any(_was_in(saw.error, event.value) for event in saw.events):
            raise NoVerdictError("does not run", "another layer than the flagged one raises")
        if case.shows(saw) and case.leaves_out:
            named = ", ".join(f"`{name}`" for name in case.leaves_out)
            raise NoVerdictError("arguments", f"it may get its key from {named}, not tried")
        kept = re.findall(r"\.(\w+)\s*=[^=]", case.flagged_line)
        ways = [rf"(?<!\bself)\.{name}\.rngs\s*=[^=]" for name in kept] + [
            r"set_attributes\([^)]*\brngs="
        ]
        if case.shows(saw) and any(re.search(way, case.text) for way in ways):
            raise NoVerdictError("outside", "it is given `rngs` from outside of the class")
        if any(getattr(event.value, "rate", None) == 0 for event in saw.events):
            raise NoVerdictError("rate", "the rate of that dropout is 0, as it was built")
    return raises(case)


def _was_in(error: BaseException | None, value: object) -> bool:
    """Whether a method of ``value`` is among the frames of a traceback."""
    trace = error.__traceback__ if error is not None else None
    while trace is not None:
        if trace.tb_frame.f_locals.get("self") is value:
            return True
        trace = trace.tb_next
    return False


def traced_flag(case: Case) -> Seen:
    """A compiled function that tests its mode flag."""
    for training in (True, False):
        saw = case.play(training)
        if case.shows(saw) and not _is_about(case, saw.error):
            raise NoVerdictError("does not run", "something else than the flag is tested")
    seen = raises(case)
    if seen.verdict == "REFUTED" and "static_arg" not in case.flagged_line:
        raise NoVerdictError("not reached", "the flag was not tested in any call that was tried")
    return seen


def _is_about(case: Case, error: BaseException | None) -> bool:
    """Whether a mode flag is tested where the error comes from, or flax tests one."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    mine = [frame for frame in frames if "/jax/" not in frame.filename]
    last = mine[-1] if mine else None
    if last is None:
        return False
    line = last.line or ""
    if last.filename == case.job.path and last.lineno is not None:
        line = case.text.splitlines()[last.lineno - 1]
    return any(re.search(rf"\b{flag}\b", line) for flag in case.job.flags)


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
        return isinstance(error, types) and re.search(says, said(error)) is not None

    return matches


ORACLES = {
    "rngs-missing": Oracle(unsaved, symptom=_is(NameError, AttributeError, TraceContextError)),
    "dropout-without-rngs": Oracle(
        dropout_without_rngs,
        symptom=_is(ValueError, says="rngs"),
        anywhere=True,
        watch=True,
        supplied=True,
    ),
    "stream-as-key": Oracle(raises, symptom=_is(TypeError, ValueError, says="Rng|PRNG key")),
    "undeclared-stream": Oracle(
        undeclared_stream,
        symptom=_is(AttributeError, KeyError, says="RngStream"),
        declared_only=True,
    ),
    "traced-flag": Oracle(
        traced_flag,
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
