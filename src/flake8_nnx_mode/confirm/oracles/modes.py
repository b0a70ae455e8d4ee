"""Oracles that compare what a call does in training with what it does in evaluation."""

import inspect
from dataclasses import dataclass

from flax import nnx

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError, is_wrong_argument
from flake8_nnx_mode.confirm.objects import modules, walk
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import raises, unseen
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


def _told(case: Case, training: bool) -> Effects | None:
    """What the flagged call does when it is told the mode; None where it cannot be told."""
    saw = case.play(training, telling=training)
    if saw.error is not None or not saw.reached or not all(event.told for event in saw.events):
        return None
    return _effects(saw)


def _calls(case: Case) -> tuple[str, str]:
    """What to call a call in training, and one in evaluation."""
    trains, evaluates = (case.said(training, always=True) for training in (True, False))
    return f"a call{trains}", f"a call{evaluates}"


def mode(case: Case) -> Seen:
    """The flagged call does not do what the mode asks for."""
    train, evaluate = case.play(True), case.play(False)
    if train.error is not None or evaluate.error is not None:
        return raises(case)
    if case.untold:
        raise NoVerdictError("mode", "what is called takes a mode that it was not given")
    trains, evaluates = _effects(train), _effects(evaluate)
    training, evaluation = _calls(case)
    if evaluates and not trains:
        return confirmed(
            f"{evaluation} {evaluates}, and {training} does not: the mode is inverted",
            training=False,
        )
    if evaluates:
        return _still_trains(case, evaluate, evaluates)
    should = _told(case, True)
    if not trains:
        if not should:
            raise NoVerdictError("no effect", "nothing there depends on the mode, as it was built")
        if any(value != case.job.flags[flag] for e in train.events for _, flag, value in e.kept):
            raise NoVerdictError("fixed mode", "its mode is fixed where it is built")
        return confirmed(f"{training} evaluates at the flagged line: told to train, it {should}")
    if should is not None and should.beyond(trains):
        raise NoVerdictError("partly", f"told to train, it also {should.beyond(trains)}")
    if any(event.without_rate for event in train.events):
        raise NoVerdictError("rate", "a dropout there has the rate 0, as it was built")
    return refuted(f"{training} {trains} there, and {evaluation} does not")


def _still_trains(case: Case, saw: Play, evaluates: Effects) -> Seen:
    """What evaluation does that it would not do if it were told to evaluate."""
    extra = evaluates
    if any(isinstance(_owner(event.callee), nnx.Module) or event.writes for event in saw.events):
        told = _told(case, False)
        if told is None:
            raise NoVerdictError("mode", "how the flagged call is told to evaluate is not known")
        extra = evaluates.beyond(told)
    elif not all(isinstance(_owner(e.callee), nnx.Rngs | nnx.RngStream) for e in saw.events):
        raise NoVerdictError("mode", "how the flagged call is told to evaluate is not known")
    if not extra:
        raise NoVerdictError("no effect", "told to evaluate, the flagged call does the same")
    _, evaluation = _calls(case)
    unless = case.play(False, both=True)
    spared = unless.error is None and len(unless.calls) and not _effects(unless)
    but = ", unless `.eval()` is called as well" if spared else ""
    return confirmed(
        f"{evaluation} still {extra} at the flagged line{but}",
        training=False,
    )


def _owner(function: object) -> object:
    return getattr(function, "__self__", function)


def dead_flag(case: Case) -> Seen:
    """Both modes compute the same."""
    train, evaluate = case.play(True, calls=1), case.play(False, calls=1)
    if train.error is not None or evaluate.error is not None:
        unseen(case)
    first, second = train.calls[0], evaluate.calls[0]
    same = (
        first.returned == second.returned
        and first.written == second.written
        and [d.key for d in first.draws] == [d.key for d in second.draws]
    )
    if case.reads_flag:
        if same:
            raise NoVerdictError("no effect", "the flag is read, and nothing that was seen follows")
        return refuted("training and evaluation compute different things")
    if not (first.draws or first.statistics):
        raise NoVerdictError("no effect", "nothing in the call depends on a mode, as it was built")
    if not same:
        raise NoVerdictError("differs", "the flag is not read, and yet the modes differ")
    effects = Effects(len(first.draws), tuple(first.statistics))
    training, evaluation = _calls(case)
    return confirmed(
        f"{training} and {evaluation} compute the same, and both "
        + effects.said("draw noise", "write")
    )


def method_as_flag(case: Case) -> Seen:
    """``train`` and ``eval`` are methods: true, whatever the mode."""
    saw = case.play(True)
    if saw.error is not None:
        unseen(case)
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
        unseen(case)
    if case.marked.fate == "unclear":
        raise NoVerdictError("use", "whether what it returns is used is not clear")
    if all(event.value is None for event in done) and not case.marked.discards:
        return confirmed(f"`{case.marked.source}` returned None, and that is what is used")
    return refuted("what is used is not None")


def built_in_forward(case: Case) -> Seen:
    """A layer that each call makes anew."""
    saw = case.play(True)
    kept = {id(value) for root in saw.roots.values() for _, value in walk(root)}
    for event in saw.events:
        if not isinstance(event.value, nnx.Module) or id(event.value) in kept:
            continue
        name = type(event.value).__name__
        new = [v for _, v in walk(event.value) if isinstance(v, nnx.Variable) and id(v) not in kept]
        if any(isinstance(value, nnx.Param) for value in new):
            return confirmed(f"each call builds a new `{name}`, with new weights")
        if any(isinstance(value, nnx.BatchStat) for value in new):
            return confirmed(f"each call builds a new `{name}`, with new statistics")
        evaluate = case.play(False)
        if evaluate.error is None and evaluate.calls and evaluate.flagged_draws(0):
            return confirmed(
                f"each call builds a new `{name}`: no mode reaches it, and evaluation draws noise",
                training=False,
            )
        raise NoVerdictError("no effect", f"the new `{name}` has no weights, and draws nothing")
    if saw.error is not None:
        unseen(case)
    return refuted("no layer is built during the call")


def _returned(saw: Play) -> bool:
    return any(event.done and event.value is None for event in saw.events)


def _made_layer(saw: Play) -> bool:
    return any(isinstance(event.value, nnx.Module) for event in saw.events)


ORACLES = {
    "mode": Oracle(mode, symptom=is_wrong_argument),
    "dead-flag": Oracle(dead_flag),
    "mode-method": Oracle(method_as_flag, expression=True),
    "returns-none": Oracle(returns_none, enough=_returned),
    "built-in-forward": Oracle(built_in_forward, enough=_made_layer, watch=True),
}
