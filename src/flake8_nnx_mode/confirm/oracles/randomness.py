"""Oracles that follow the key of each draw back to where it comes from."""

import re

from flake8_nnx_mode.confirm.case import Case, NoVerdictError
from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.probe import Play
from flake8_nnx_mode.confirm.values import Draw


def frozen_key(case: Case) -> Seen:
    """Two calls that draw with one key."""
    drew = False
    for training in (True, False):
        saw = case.play(training)
        if saw.error is None and len(saw.calls) == 2:
            first, second = saw.flagged_draws(0), saw.flagged_draws(1)
            drew = drew or bool(first)
            if _same(first, second):
                return confirmed(
                    f"two calls {case.said(training)} return the same noise: its key depends on no"
                    " stream counter and on no input",
                    training=training,
                )
    if not drew:
        raise NoVerdictError("no draw", "nothing was drawn at the flagged line")
    return refuted("the noise differs from call to call: its key comes from what changes")


def _same(first: list[Draw], second: list[Draw]) -> bool:
    return bool({draw.key for draw in first} & {draw.key for draw in second})


def params_noise(case: Case) -> Seen:
    """Noise whose key comes from the count of ``params``."""
    streams: set[str] = set()
    for training in (True, False):
        saw = case.play(training)
        if saw.error is not None or not saw.calls:
            continue
        for draw in saw.flagged_draws(0):
            counts = {leaf.stream or "?" for leaf in saw.sources(draw) if leaf.counts}
            if counts == {"params"}:
                return confirmed(
                    f"a call {case.said(training)} drew its noise from the count of `params` alone:"
                    " reseeding `dropout` changes nothing, and layers built later differ",
                    training=training,
                )
            streams |= counts
    if not streams:
        raise NoVerdictError("no draw", "no noise from a stream was drawn at the flagged line")
    drawn = ", ".join(f"`{name}`" for name in sorted(streams))
    return refuted(f"the noise is drawn from {drawn}, and not from `params` alone")


def key_reuse(case: Case) -> Seen:
    """One key for two draws of a call."""
    drew = False
    for training in (True, False):
        saw = case.play(training)
        if saw.error is not None or not saw.calls:
            continue
        flagged = _nearest(saw)
        drew = drew or bool(flagged)
        for draw in flagged:
            others = [d for d in saw.calls[0].draws if d.key == draw.key]
            if len(others) > 1:
                return confirmed(
                    f"a call {case.said(training)} draws {len(others)} times with one key: the"
                    " numbers are the same or correlated",
                    training=training,
                )
            if draw.repeats:
                return confirmed(
                    f"in a call {case.said(training)} each turn of the loop draws with one key",
                    training=training,
                )
    if not drew:
        raise NoVerdictError("no draw", "nothing was drawn at the flagged line")
    return refuted("the key is used for one draw only")


def _nearest(saw: Play) -> list[Draw]:
    flagged = saw.flagged_draws(0)
    inside = [draw for draw in flagged if saw.is_inside(draw)]
    return inside or flagged


def constant_fallback(case: Case) -> Seen:
    """What happens where no ``rngs`` is given, or only a default stream."""
    assert case.recipe is not None
    drew = False
    for training in (True, False):
        saw = case.play(training, recipe=_with(case.recipe, "None"))
        if saw.error is not None or len(saw.calls) < 2 or not saw.reached:
            continue
        first, second = saw.flagged_draws(0), saw.flagged_draws(1)
        drew = drew or bool(first)
        if _same(first, second):
            return confirmed(
                f"without `rngs`, two calls {case.said(training)} return the same noise",
                training=training,
                recipe=_with(case.recipe, "None"),
            )
    for training in (True, False):
        named = [event.value for event in case.play(training).events]
        default = case.play(training, recipe=_with(case.recipe, "nnx.Rngs(0)"))
        tested = [event.value for event in default.events]
        if isinstance(next(iter(tested), None), bool) and named[:1] != tested[:1]:
            return confirmed(
                f"with `nnx.Rngs(0)` the test is {tested[0]}, although its default stream serves"
                " every name",
                training=training,
                recipe=_with(case.recipe, "nnx.Rngs(0)"),
            )
        drew = drew or default.reached
    if not drew:
        raise NoVerdictError("not reached", "the fallback did not run in any call that was tried")
    return refuted("the noise differs from call to call also where no `rngs` is given")


def _with(recipe: Recipe, given: str) -> Recipe:
    """The recipe with something else in the place of ``rngs`` and ``key``."""

    def change(text: str | None) -> str | None:
        return text and re.sub(r"\b(rngs|key)\b(?!\s*=)", given, text)

    return Recipe(change(recipe.init), change(recipe.call))


ORACLES = {
    "frozen-key": Oracle(frozen_key),
    "params-noise": Oracle(params_noise),
    "key-reuse": Oracle(key_reuse),
    "constant-fallback": Oracle(constant_fallback, unreached=True),
}
