"""Runs the findings of one file, one after the other; what a caged child does."""

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx

from flake8_nnx_mode.confirm import ondemand
from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError, said
from flake8_nnx_mode.confirm.jobs import Job, Outcome, Recipe, Task, Verdict
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, registry
from flake8_nnx_mode.confirm.script import script
from flake8_nnx_mode.model import Span

Recipes = dict[tuple[str | None, str | None], Recipe]


def run_job(job: Job, emit: Callable[[Outcome], None]) -> None:
    """Run each finding of ``job`` and its fixed form, and ``emit`` what was seen, in order.

    It ends early where the code has changed jax itself: what is left is run elsewhere.
    """
    sys.path[:0] = [root for root in job.roots if root not in sys.path]
    ondemand.quiet()
    ondemand.tracers_are_data()
    recipes: Recipes = {}
    untouched = _library()
    for task in job.tasks:
        begun = time.perf_counter()
        outcome = run_task(job, task, recipes)
        changed = [name for name, value in _library().items() if untouched.get(name) is not value]
        if changed:
            why = f"the code replaces `{changed[0]}`, so that what it does says nothing"
            outcome = Outcome(task.number, "INCONCLUSIVE", why, "changes jax")
        emit(replace(outcome, seconds=round(time.perf_counter() - begun, 3)))
        if changed:
            return


def _library() -> dict[str, object]:
    """The functions that oracles and models rely on, by name."""
    modules = {"jax": jax, "jax.random": jax.random, "jax.numpy": jnp, "nnx": nnx}
    return {
        f"{m}.{n}": v
        for m, module in modules.items()
        for n, v in vars(module).items()
        if callable(v)
    }


def run_task(job: Job, task: Task, recipes: Recipes) -> Outcome:
    """Run one finding, and its fixed form."""
    oracle = registry()[task.oracle or ""]
    reason = ""
    text = ""

    def write(case: Case, seen: Seen) -> None:
        nonlocal text
        with contextlib.suppress(Exception, SystemExit):  # the verdict stands without it
            text = script(case, task.oracle or "", seen, code=task.code, message=task.message)

    try:
        seen = examine(job, oracle, job.text, task.span, recipes, write)
    except NoVerdictError as unknown:
        seen, reason = Seen("INCONCLUSIVE", str(unknown)), unknown.reason
    fix_verdict: Verdict | None = None
    if task.fixed is not None and task.fixed_span is not None:
        fix_verdict = "INCONCLUSIVE"
        if seen.verdict != "INCONCLUSIVE":  # what cannot be run cannot be run mended either
            with contextlib.suppress(NoVerdictError):
                fixed = examine(job, oracle, task.fixed, task.fixed_span, dict(recipes))
                fix_verdict = fixed.verdict
    return Outcome(task.number, seen.verdict, seen.evidence, reason, fix_verdict, script=text)


def examine(
    job: Job,
    oracle: Oracle,
    text: str,
    span: Span,
    recipes: Recipes,
    write: Callable[[Case, Seen], None] = lambda case, seen: None,
) -> Seen:
    """What the oracle sees of the finding at ``span`` of ``text``; ``write`` is told of a verdict.

    Raises:
        NoVerdictError: too little to say.
    """
    case = Case(replace(job, text=text), text, span, oracle, recipes)
    try:
        case.find()
        seen = oracle.examine(case)
    except NoVerdictError:
        raise
    except Exception as error:  # code that is stranger than we thought
        raise NoVerdictError("internal", f"it could not be looked at: {said(error)}") from error
    if seen.verdict == "REFUTED":
        _must_have_run(case)
    if case.guesses:
        seen = _guessed(case, seen)
    write(case, seen)
    return seen


def _guessed(case: Case, seen: Seen) -> Seen:
    """What was seen with a model that is only a guess.

    Raises:
        NoVerdictError: that says nothing.
    """
    tried = " and ".join(f"a `{kind}` for `{name}`" for name, kind in case.guesses.items())
    if seen.verdict == "REFUTED":
        raise NoVerdictError(
            "guessed model", f"nothing is known of the model; with {tried}, {seen.evidence}"
        )
    return replace(seen, evidence=f"with {tried}, {seen.evidence}")


def _must_have_run(case: Case) -> None:
    """Make sure that what is refuted was tried as a whole.

    Raises:
        NoVerdictError: something at the flagged line did not happen, or failed.
    """
    events = [event for play in (case.play(True), case.play(False)) for event in play.events]
    failed = next((event.error for event in events if event.error is not None), None)
    if failed is not None:
        raise NoVerdictError("caught", f"the flagged line raised, and was caught: {said(failed)}")
    if any(not event.done for event in events):
        raise NoVerdictError("caught", "the flagged line raised, and was caught")
    if case.marked is not None and case.marked.conditional:
        raise NoVerdictError("not reached", "which part of the flagged line runs depends on a test")
