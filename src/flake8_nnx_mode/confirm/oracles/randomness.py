"""Oracles that follow the key of each draw back to where it comes from."""

import re
from collections.abc import Iterator
from dataclasses import replace

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError, said
from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.probe import Play
from flake8_nnx_mode.confirm.recipes import GIVEN_KEY, SEED
from flake8_nnx_mode.confirm.values import Draw

_CLOCK = re.compile(r"\btime\b|\burandom\b|\buuid\b|\bsecrets\b|np\.random|\brandom\.random")
_CALLS = 4
"""As many calls are compared before noise is said to change."""


def frozen_key(case: Case) -> Seen:
    """Calls that draw with one key, whatever they are given."""
    if frozen := _frozen(case, training=True):
        return frozen
    saw = case.play(True, calls=_CALLS)
    if saw.error is not None:
        raise NoVerdictError("does not run", f"more calls do not run: {said(saw.error)}")
    drawn = [draw for number in range(len(saw.calls)) for draw in saw.flagged_draws(number)]
    if not drawn:
        if _shared(case.play(False)):
            raise NoVerdictError("evaluation", "the noise is the same, but in evaluation only")
        raise NoVerdictError("no draw", "nothing was drawn at the flagged line")
    if len({draw.key for draw in drawn}) < len(drawn) or not all(_moves(saw, d) for d in drawn):
        raise NoVerdictError("keys", "whether the key changes depends on more than calls show")
    return refuted("the noise differs from call to call: its key comes from what changes")


def _frozen(case: Case, *, training: bool, recipe: Recipe | None = None) -> Seen | None:
    """CONFIRMED if calls draw with the same keys, and other numbers change nothing about it."""
    saw = case.play(training, recipe=recipe)
    if saw.error is not None or not _shared(saw):
        return None
    if _CLOCK.search(case.source):
        raise NoVerdictError("clock", "the code asks a clock, or a generator of its own")
    for name in re.findall(r"\bself\.(\w+)", case.flagged_line):
        if case.is_assigned_outside(name):
            raise NoVerdictError("outside", f"`{name}` is assigned from outside of the class")
    varied = case.play(training, recipe=recipe, vary=True)
    left_out = case.leaves_out if recipe is None else []
    if varied.error is not None or left_out:
        named = ", ".join(f"`{name}`" for name in left_out) or "its numbers"
        raise NoVerdictError("arguments", f"the noise may depend on {named}, not tried")
    if not _shared(varied):
        return None
    return confirmed(
        f"two calls{case.said(training)} return the same noise: its key depends on no stream"
        " counter and on no input",
        training=training,
        recipe=recipe,
    )


def _shared(saw: Play) -> bool:
    """Whether two calls make all flagged draws with the same keys."""
    if len(saw.calls) < 2:
        return False
    first, second = ({draw.key for draw in saw.flagged_draws(number)} for number in (0, 1))
    if first & second and first != second:
        raise NoVerdictError("keys", "some of the noise is the same at each call, and some is not")
    return bool(first) and first == second


def _moves(saw: Play, draw: Draw) -> bool:
    """Whether the key comes from a counter, from a key that is given, or from one that is kept."""
    labels = saw.values.leaves(draw.key)
    kept = [saw.held[label] for label in labels if label in saw.held]
    written = {label for call in saw.calls for label in call.writes}
    given = any(label.startswith(GIVEN_KEY) for label in labels)
    return given or any(leaf.counts or leaf.path in written for leaf in kept)


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
                if any(leaf.kind == "Param" for leaf in saw.calls[0].writes.values()):
                    raise NoVerdictError("weights", "the call initialises weights anew")
                return confirmed(
                    f"a call{case.said(training)} drew its noise from the count of `params` alone:"
                    " reseeding `dropout` does not change it",
                    training=training,
                )
            if "params" in counts:
                raise NoVerdictError("keys", "the noise comes from several streams at once")
            streams |= counts
    if not streams:
        raise NoVerdictError("no draw", "no noise from a stream was drawn at the flagged line")
    drawn = ", ".join(f"`{name}`" for name in sorted(streams))
    return refuted(f"the noise is drawn from {drawn}, and not from `params`")


def key_reuse(case: Case) -> Seen:
    """One key for two draws of a call."""
    seen: list[tuple[Play, Draw]] = []
    for training in (True, False):
        saw = case.play(training)
        if saw.error is not None or not saw.calls:
            continue
        for draw in _nearest(saw):
            seen.append((saw, draw))
            what = "building it" if draw in saw.building else "a call"
            again = [other for other in _others(saw, draw) if other.key == draw.key]
            if again:
                return confirmed(
                    f"{what}{case.said(training)} draws {len(again) + 1} times with one key: the"
                    " numbers are the same or correlated",
                    training=training,
                )
            if draw.repeats:
                return confirmed(
                    f"in {what}{case.said(training)} each turn of the loop draws with one key",
                    training=training,
                )
    if not seen:
        raise NoVerdictError("no draw", "nothing was drawn at the flagged line")
    for saw, draw in seen:
        if not any(saw.values.are_related(draw, other) for other in _others(saw, draw)):
            raise NoVerdictError("one draw", "no other draw from that key was made in what was run")
    if not all(saw.values.are_apart(d, other) for saw, d in seen for other in _others(saw, d)):
        raise NoVerdictError("keys", "whether the keys are different cannot be told")
    return refuted("the key is used for one draw only")


def _nearest(saw: Play) -> list[Draw]:
    flagged = saw.flagged_draws(0) or [draw for draw in saw.building if saw.is_flagged(draw)]
    inside = [draw for draw in flagged if saw.is_inside(draw)]
    return inside or flagged


def _others(saw: Play, draw: Draw) -> list[Draw]:
    """The other draws of the call that can happen together with this one."""
    together = saw.calls[0].draws if draw in saw.calls[0].draws else saw.building
    return [d for d in together if d is not draw and not d.excludes(draw)]


def constant_fallback(case: Case) -> Seen:
    """What happens where no ``rngs`` is given, or one without the stream that is asked for."""
    assert case.recipe is not None
    evaluation = differs = False
    bare = Recipe(case.recipe.init, case.bare_call)
    tried = (*_without(case.recipe), ("without a key or `rngs`", bare), *_without(bare))
    for given, recipe in tried:
        for training in (True, False):
            saw = case.play(training, recipe=recipe)
            if saw.error is not None or not saw.flagged_draws(0):
                continue
            frozen = _frozen(case, training=training, recipe=recipe)
            if frozen is None:
                differs = True
            elif not training:
                evaluation = True
            else:
                what = f"{given}, two calls{case.said(training)} return the same noise"
                return replace(frozen, evidence=what)
    for training in (True, False):
        default = _with(case.recipe, "nnx.Rngs(0)")
        named = [event.value for event in case.play(training).events]
        tested = [event.value for event in case.play(training, recipe=default).events]
        if isinstance(next(iter(tested), None), bool) and named[:1] != tested[:1]:
            return confirmed(
                f"with `nnx.Rngs(0)` the test is {tested[0]}, although its default stream serves"
                " every name",
                training=training,
                recipe=default,
            )
    if evaluation:
        raise NoVerdictError("evaluation", "the noise is the same, but in evaluation only")
    if not differs:
        raise NoVerdictError("no draw", "the fallback drew nothing in any call that was tried")
    return refuted("the noise differs from call to call also where no `rngs` is given")


def _without(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """The recipe, and what it becomes without streams, in the call and where it is built."""
    yield "as it is", recipe
    for given, how in (
        ("None", "without a key or `rngs`"),
        (f"nnx.Rngs(other={SEED})", "with streams of other names"),
    ):
        changed = _with(recipe, given)
        for init, call in ((recipe.init, changed.call), (changed.init, recipe.call)):
            if (init, call) != (recipe.init, recipe.call):
                yield how, Recipe(init, call)
        yield how, changed
    yield "with one default stream", _with(recipe, f"nnx.Rngs({SEED})")


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
