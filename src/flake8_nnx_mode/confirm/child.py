"""Runs the findings of one file, one after the other; what a caged child does."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx

from flake8_nnx_mode.confirm import cage
from flake8_nnx_mode.confirm.case import Case, NoVerdictError
from flake8_nnx_mode.confirm.jobs import Job, Outcome, Recipe, Task, Verdict
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, registry
from flake8_nnx_mode.model import Span

Recipes = dict[tuple[str | None, str | None], Recipe]


def run_job(job: Job, emit: Callable[[Outcome], None]) -> None:
    """Run each finding of ``job`` and its fixed form, and ``emit`` what was seen, in order.

    It ends early where the code has changed jax itself: what is left is run elsewhere.
    """
    sys.path[:0] = [root for root in job.roots if root not in sys.path]
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
    try:
        seen = examine(job, oracle, job.text, task.span, recipes)
    except NoVerdictError as unknown:
        seen, reason = Seen("INCONCLUSIVE", str(unknown)), unknown.reason
    refusal = cage.take_refusal()
    if refusal and seen.verdict == "INCONCLUSIVE":
        seen, reason = (
            replace(seen, evidence=f"the code tried to {refusal}, which is refused"),
            "refused",
        )
    fix_verdict: Verdict | None = None
    if task.fixed is not None and task.fixed_span is not None:
        try:
            fix_verdict = examine(job, oracle, task.fixed, task.fixed_span, dict(recipes)).verdict
        except NoVerdictError:
            fix_verdict = "INCONCLUSIVE"
    return Outcome(task.number, seen.verdict, seen.evidence, reason, fix_verdict)


def examine(job: Job, oracle: Oracle, text: str, span: Span, recipes: Recipes) -> Seen:
    """What the oracle sees of the finding at ``span`` of ``text``.

    Raises:
        NoVerdictError: too little to say.
    """
    case = Case(replace(job, text=text), text, span, oracle, recipes)
    case.find()
    seen = oracle.examine(case)
    if not case.guesses:
        return seen
    tried = " and ".join(f"a `{kind}` for `{name}`" for name, kind in case.guesses.items())
    if seen.verdict == "REFUTED":
        raise NoVerdictError(
            "guessed model", f"nothing is known of the model; with {tried}, {seen.evidence}"
        )
    return replace(seen, evidence=f"with {tried}, {seen.evidence}")
