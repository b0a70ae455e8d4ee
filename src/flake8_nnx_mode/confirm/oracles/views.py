"""Oracles for `set_view` methods, and for calls that make views of models."""

import contextlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flax import nnx

from flake8_nnx_mode.confirm.case import Case, NoVerdictError, said
from flake8_nnx_mode.confirm.objects import modules
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import raises
from flake8_nnx_mode.confirm.probe import Play

_OTHER = "nnx_confirm_other"
_PLAIN = (bool, int, float, str, type(None), tuple)
_SAMPLES: tuple[Any, ...] = (True, False, 3, 0, "a", "")


class _Sibling(nnx.Module):
    """A module whose mode has nothing to do with the flagged one's."""

    def __init__(self) -> None:
        self.other = False

    def set_view(self, nnx_confirm_other: bool | None = None) -> None:
        """Another mode.

        Args:
          nnx_confirm_other: anything.
        """
        if nnx_confirm_other is not None:
            self.other = nnx_confirm_other


class _Pair(nnx.Module):
    def __init__(self, module: nnx.Module, needs: tuple[str, ...]) -> None:
        self.module = module
        self.sibling = _Sibling()
        self.needs = needs
        """Parameters that each view has to name; not what is flagged."""


Attributes = dict[str, Any]


def _view(pair: _Pair, **modes: Any) -> _Pair:
    view = nnx.view(pair, **dict.fromkeys(pair.needs, True) | modes)
    assert isinstance(view, _Pair)
    return view


def _attributes(pair: _Pair) -> Attributes:
    """What the module keeps that is no array, by path."""
    return {
        f"{path}.{name}" if path else name: value
        for path, module in modules(pair.module)
        for name, value in vars(module).items()
        if isinstance(value, _PLAIN)
    }


def _changed(before: Attributes, after: Attributes) -> list[str]:
    return [name for name in before if name in after and before[name] != after[name]]


def view_default(case: Case) -> Seen:
    """A view that is about something else resets a mode, or raises."""
    tried = False
    for pair, parameter, sample in _each_view(case):
        states = [("", pair)]
        try:
            view = _view(pair, **{parameter: sample})
            states.append((f"after `nnx.view(model, {parameter}={sample!r})`, ", view))
            tried = tried or bool(_changed(_attributes(pair), _attributes(view)))
        except Exception:  # it does not take that value
            pass
        for after, state in states:
            try:
                again = _view(state, **{_OTHER: True})
            except TypeError as error:
                return confirmed(
                    f"{after}`nnx.view(model, other=True)` raises {said(error)}",
                    error=error,
                    lines=(
                        _pairing(after and f"{parameter}={sample!r}"),
                        "nnx.view(pair, other=True)",
                    ),
                )
            was, now = _attributes(state), _attributes(again)
            for name in _changed(was, now):
                return confirmed(
                    f"{after}a view that names another mode reset `{name}` from {was[name]!r} to"
                    f" {now[name]!r}",
                    lines=(
                        _pairing(after and f"{parameter}={sample!r}"),
                        f"before = pair.module.{name}",
                        "pair = nnx.view(pair, other=True)",
                        f"shown = pair.module.{name} != before",
                        f"print('{name}:', before, '->', pair.module.{name})",
                    ),
                )
    if not tried:
        raise NoVerdictError("no effect", "no value that was tried changed anything")
    return refuted("a view that names another mode leaves this one as it was")


def view_truthiness(case: Case) -> Seen:
    """A view cannot set a mode to False."""
    held = False
    for pair, parameter, on in _each_view(case):
        if not on:
            continue
        off: Any = type(on)()
        try:
            switched_on = _view(pair, **{parameter: on})
            switched_off = _view(switched_on, **{parameter: off})
        except Exception:  # it does not take that value
            continue
        before, after = _attributes(switched_on), _attributes(switched_off)
        for name in before:
            if before[name] == on and type(before[name]) is type(on) and name in after:
                if name.rpartition(".")[2] != parameter and name not in _changed(
                    _attributes(pair), before
                ):
                    continue
                held = True
                if after[name] == on:
                    return confirmed(
                        f"`nnx.view(model, {parameter}={off!r})` left `{name}` at {after[name]!r}",
                        lines=(
                            _pairing(f"{parameter}={on!r}"),
                            f"pair = nnx.view(pair, {parameter}={off!r})",
                            f"shown = pair.module.{name} == {on!r}",
                            f"print('{name} after {parameter}={off!r}:', pair.module.{name})",
                        ),
                    )
    if not held:
        raise NoVerdictError("no effect", "no value that was tried is kept as it is")
    return refuted("a view can switch the mode on and off")


def view_docstring(case: Case) -> Seen:
    """`nnx.view_info` cannot read the docstring."""
    for pair, _, _ in _each_view(case):
        try:
            nnx.view_info(pair.module)
        except KeyError as error:
            return confirmed(
                f"`nnx.view_info(model)` raises KeyError: {error}",
                error=error,
                lines=("nnx.view_info(model)",),
            )
        return refuted("`nnx.view_info(model)` reads the docstring")
    raise NoVerdictError("no view", "there is no `set_view` to call")


def view_swallows(case: Case) -> Seen:
    """A misspelt mode goes unnoticed, or a right one does not arrive."""
    there = False
    for pair, parameter, _ in _each_view(case):
        there = True
        try:
            _view(pair, nnx_confirm_misspelt=True)
        except ValueError:
            pass
        else:
            return confirmed(
                "`nnx.view(model, any_misspelt_name=True)` raises nothing",
                lines=("nnx.view(model, any_misspelt_name=True)", "shown = True"),
            )
        if re.search(rf"\b{parameter}\b", case.flagged_text):
            try:
                _view(pair, **{parameter: True})
            except (ValueError, TypeError) as error:
                return confirmed(
                    f"`nnx.view(model, {parameter}=True)` raises {said(error)}",
                    error=error,
                    lines=(f"nnx.view(model, {parameter}=True)",),
                )
    if not there:
        raise NoVerdictError("no view", "there is no `set_view` to call")
    return refuted("`nnx.view` finds misspelt names, and delivers right ones")


def _each_view(case: Case) -> Iterator[tuple[_Pair, str, Any]]:
    """A pair with the flagged module, fresh each time, a parameter of its, a value for it."""
    model = case.built()
    method = getattr(type(model), "set_view", None)
    if not isinstance(model, nnx.Module) or method is None:
        raise NoVerdictError("no view", "what is flagged is no nnx module with a `set_view`")
    parameters = [
        p
        for p in list(inspect.signature(method).parameters.values())[1:]
        if p.kind is not p.VAR_KEYWORD
    ]
    named = [p for p in parameters if re.search(rf"\b{p.name}\b", case.flagged_text)]
    required = [p.name for p in parameters if p.default is p.empty and p not in named]
    needs = tuple(required) if named else ()
    for parameter in named or parameters:
        for sample in _samples(parameter.default, model, parameter.name):
            yield _Pair(case.built(), needs), parameter.name, sample
    if not parameters:
        yield _Pair(case.built(), ()), "nothing", True


def _pairing(modes: str) -> str:
    """The statement that makes ``pair``, of the model and a module with another mode."""
    pair = "Pair(model)"
    return f"pair = nnx.view({pair}, {modes})" if modes else f"pair = {pair}"


def _samples(default: Any, model: nnx.Module, name: str) -> list[Any]:
    """Values to try: those unlike what is there come first."""
    there = [default, vars(model).get(name)]
    alike = [s for s in _SAMPLES if any(type(s) is type(t) for t in there)]
    ordered = [*alike, *(s for s in _SAMPLES if s not in alike or isinstance(s, bool))]
    fresh = [s for s in ordered if all(s != t or type(s) is not type(t) for t in there)]
    return [*fresh, *(s for s in ordered if not any(s is f for f in fresh))]


def view_discarded(case: Case) -> Seen:
    """The new model that a view returns is thrown away."""
    assert case.marked is not None
    saw = case.play(False)
    done = [event for event in saw.events if event.done]
    if not done:
        return raises(case)
    what = case.marked.source.partition("(")[0]
    if not case.marked.discards:
        return refuted(f"what `{what}` returns is kept")
    lives = [event.lives for event in done if event.lives is not None]
    if not lives:
        raise NoVerdictError("no view", f"`{what}` returned no module")
    if any(lives):
        return refuted(f"what `{what}` returns is kept")
    return confirmed(
        f"nothing keeps the new model that `{what}` returned, and the old one is as it was"
    )


def half_mode(case: Case) -> Seen:
    """One kind of layer evaluates, the other trains."""
    saw = case.play(True)
    done = [event for event in saw.events if event.done and event.modes]
    if not done:
        if saw.error is not None:
            return raises(case)
        raise NoVerdictError("no modes", "no layer with a mode was seen at the flagged line")
    for event in done:
        modes: Mapping[str, list[tuple[str, bool]]] = _by_flag(event.modes)
        dropout, norm = modes.get("deterministic", []), modes.get("use_running_average", [])
        trains = [path for path, evaluates in norm if not evaluates]
        if trains and any(evaluates for _, evaluates in dropout):
            return confirmed(
                f"after `{_call_name(case)}`, dropout is off but"
                f" `{trains[0]}.use_running_average` is still False: the next call normalises by"
                " the batch and overwrites the running statistics"
            )
        draws = [path for path, evaluates in dropout if not evaluates]
        if draws and any(evaluates for _, evaluates in norm):
            return confirmed(
                f"after `{_call_name(case)}`, batch norm evaluates but"
                f" `{draws[0]}.deterministic` is still False: the next call drops units"
            )
    return refuted("all layers are in one mode afterwards")


def _by_flag(modes: tuple[tuple[str, str, bool], ...]) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for path, flag, value in modes:
        found.setdefault(flag, []).append((path, value))
    return found


def _call_name(case: Case) -> str:
    source = case.marked.source if case.marked else ""
    return source if len(source) < 60 and "\n" not in source else source.partition("(")[0]


def map_returns_none(case: Case) -> Seen:
    """The function given to `nnx.recursive_map` loses nodes."""
    saw = case.play(False)
    if saw.error is not None:
        return raises(case)
    done = [event for event in saw.events if event.done]
    if any(event.value is None for event in done):
        return confirmed("`nnx.recursive_map` returned None")
    for event in done:
        before = next((a for a in event.arguments if isinstance(a, nnx.Module)), None)
        with contextlib.suppress(AttributeError, TypeError):
            lost = [n for n, v in vars(before).items() if v is not None and _lost(event.value, n)]
            if lost:
                return confirmed(f"in the model that was returned, `{lost[0]}` is None")
    return refuted("no node of the model that was returned is None")


def _lost(model: Any, name: str) -> bool:
    return vars(model).get(name, 0) is None


def _is_over(saw: Play) -> bool:
    return any(event.lives is not None for event in saw.events)


def _shows_modes(saw: Play) -> bool:
    return any(event.done and event.modes for event in saw.events)


ORACLES = {
    "view-default": Oracle(view_default, built_only=True),
    "view-truthiness": Oracle(view_truthiness, built_only=True),
    "view-docstring": Oracle(view_docstring, built_only=True, declared_only=True),
    "view-swallows": Oracle(view_swallows, built_only=True),
    "view-discarded": Oracle(view_discarded, enough=_is_over),
    "half-mode": Oracle(half_mode, enough=_shows_modes),
    "map-returns-none": Oracle(
        map_returns_none, symptom=lambda error: isinstance(error, TypeError | AttributeError)
    ),
}
