"""Oracles that compare what a call does in training with what it does in evaluation."""

import inspect
from dataclasses import dataclass

from flax import nnx

from flake8_nnx_mode.confirm.case import Case, NoVerdictError, is_wrong_argument
from flake8_nnx_mode.confirm.objects import modules
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import raises
from flake8_nnx_mode.confirm.probe import Play


@dataclass(frozen=True, slots=True)
class Effects:
    """What tells training from evaluation: noise that is drawn, statistics that are written."""

    draws: int
    writes: tuple[str, ...]

    def beyond(self, other: "Effects") -> "Effects":
        """Those that ``other`` has not."""
        writes = tuple(path for path in self.writes if path not in other.writes)
        return Effects(max(self.draws - other.draws, 0), writes)

    def __bool__(self) -> bool:
        return bool(self.draws or self.writes)

    def __str__(self) -> str:
        return self.said("draws noise", "writes")

    def said(self, draw: str, write: str) -> str:
        """The effects in words, with these verbs."""
        wrote = " and ".join(f"`{path}`" for path in self.writes[:2])
        return " and ".join([draw] * bool(self.draws) + [f"{write} {wrote}"] * bool(self.writes))


def _effects(saw: Play) -> Effects:
    writes = {path: None for event in saw.calls[0].events for path in event.writes}
    return Effects(len(saw.flagged_draws(0)), tuple(writes))


def _told(saw: Play, training: bool) -> Effects:
    events = saw.calls[0].events
    writes = {p: None for event in events for p in event.told_writes.get(training, ())}
    return Effects(len(saw.told[training]), tuple(writes))


def mode(case: Case) -> Seen:
    """The flagged call does not do what the mode asks for."""
    train, evaluate = case.play(True), case.play(False)
    if train.error is not None or evaluate.error is not None:
        return raises(case)
    trains, evaluates = _effects(train), _effects(evaluate)
    extra = evaluates.beyond(_told(evaluate, False))
    if extra and not trains:
        return confirmed(
            f"a call {case.said(False)} {extra}, and a call {case.said(True)} does not: the mode is"
            " inverted",
            training=False,
        )
    if extra:
        return confirmed(
            f"a call {case.said(False)} still {extra} at the flagged line", training=False
        )
    missing = _told(train, True).beyond(trains)
    if missing and not trains:
        return confirmed(
            f"a call {case.said(True)} evaluates at the flagged line: told to train, it {missing}"
        )
    if not trains:
        raise NoVerdictError(
            "no effect", "nothing at the flagged line depends on the mode, as it was built"
        )
    return refuted(
        f"a call {case.said(True)} {trains} there, and a call {case.said(False)} does not"
    )


def dead_flag(case: Case) -> Seen:
    """Both modes compute the same."""
    train, evaluate = case.play(True, calls=1), case.play(False, calls=1)
    if train.error is not None or evaluate.error is not None:
        return raises(case)
    first, second = train.calls[0], evaluate.calls[0]
    same = (
        first.returned == second.returned
        and set(first.writes) == set(second.writes)
        and [d.key for d in first.draws] == [d.key for d in second.draws]
    )
    if not same:
        return refuted("training and evaluation compute different things")
    if not (first.draws or first.statistics):
        raise NoVerdictError("no effect", "nothing in the call depends on a mode, as it was built")
    effects = Effects(len(first.draws), tuple(first.statistics))
    return confirmed(
        f"calls {case.said(True)} and {case.said(False)} compute the same, and both "
        + effects.said("draw noise", "write")
    )


def method_as_flag(case: Case) -> Seen:
    """``train`` and ``eval`` are methods: true, whatever the mode."""
    saw = case.play(True)
    if saw.error is not None:
        return raises(case)
    for event in saw.events:
        for value in (event.value, *event.arguments, *event.keywords.values()):
            if inspect.ismethod(value) and isinstance(value.__self__, nnx.Module):
                return confirmed(f"the value there is the method `{value.__name__}`: always true")
    for path, module in modules(saw.roots.get("model")):
        for name in ("train", "eval"):
            if name in vars(module) and not callable(vars(module)[name]):
                where = f"{path}.{name}" if path else name
                return confirmed(
                    f"`{where}` hides the method: calling it raises TypeError:"
                    f" '{type(vars(module)[name]).__name__}' object is not callable"
                )
    return refuted("the value there is no method, and the module's methods can be called")


def returns_none(case: Case) -> Seen:
    """``.train()`` and ``.eval()`` change the module and return None."""
    assert case.marked is not None
    done = [e for training in (True, False) for e in case.play(training).events if e.done]
    if not done:
        return raises(case)
    if all(event.value is None for event in done) and not case.marked.discards:
        return confirmed(f"`{case.marked.source}` returned None, and that is what is used")
    return refuted("what is used is not None")


def built_in_forward(case: Case) -> Seen:
    """A layer that each call makes anew."""
    saw = case.play(True)
    own = {id(module) for root in saw.roots.values() for _, module in modules(root)}
    for event in saw.events:
        if isinstance(event.value, nnx.Module) and id(event.value) not in own:
            name = type(event.value).__name__
            kept = nnx.state(event.value, nnx.Param)
            what = "new weights" if kept else "modes that nothing sets"
            return confirmed(f"each call builds a new `{name}`, with {what}")
    if saw.error is not None:
        return raises(case)
    return refuted("no layer is built during the call")


def _returned(saw: Play) -> bool:
    return any(event.done and event.value is None for event in saw.events)


def _made_layer(saw: Play) -> bool:
    return any(isinstance(event.value, nnx.Module) for event in saw.events)


ORACLES = {
    "mode": Oracle(mode, symptom=is_wrong_argument, told=True),
    "dead-flag": Oracle(dead_flag),
    "mode-method": Oracle(method_as_flag, expression=True),
    "returns-none": Oracle(returns_none, enough=_returned),
    "built-in-forward": Oracle(built_in_forward, enough=_made_layer),
}
