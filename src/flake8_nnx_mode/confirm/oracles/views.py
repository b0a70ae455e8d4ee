"""Oracles for `set_view` methods, and for calls that make views of models."""

import contextlib
import dis
import enum
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from flax import nnx

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError, said
from flake8_nnx_mode.confirm.objects import modules, walk
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import raises, unseen
from flake8_nnx_mode.confirm.probe import Play
from flake8_nnx_mode.confirm.teller import Event, Modes

_OTHER = "nnx_confirm_other"
_PLAIN = (bool, int, float, str, type(None), tuple, list, dict, enum.Enum)
_SAMPLES: tuple[Any, ...] = (True, False, 3, 0, 2.5, 0.0, "a", "")


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
    """What the module itself keeps that is no array."""
    return {name: v for name, v in vars(pair.module).items() if isinstance(v, _PLAIN)}


def _changed(before: Attributes, after: Attributes) -> list[str]:
    return [name for name in before if name in after and before[name] != after[name]]


def view_default(case: Case) -> Seen:
    """A view that is about something else resets a mode, or raises."""
    tried: list[tuple[str, _Pair]] = []
    results: dict[str, dict[str, set[str]]] = {}
    for pair, parameter, sample in _each_view(case):
        tried.append(("", pair))
        with contextlib.suppress(Exception):  # it does not take that value
            view = _view(pair, **{parameter: sample})
            tried.append((f"{parameter}={sample!r}", view))
            for name, value in _attributes(view).items():
                results.setdefault(parameter, {}).setdefault(name, set()).add(repr(value))
    moved = {name for kept in results.values() for name, seen in kept.items() if len(seen) > 1}
    for modes, state in tried:
        after = f"after `nnx.view(model, {modes})`, " if modes else ""
        try:
            again = _view(state, **{_OTHER: True})
        except Exception as error:
            mine = f"{type(state.module).__name__}.set_view" in str(error)
            if not mine or not isinstance(error, TypeError):
                raise NoVerdictError("does not run", f"a view raises {said(error)}") from error
            return confirmed(
                f"{after}`nnx.view(model, other=True)` raises {said(error)}",
                error=error,
                lines=(_pairing(state, modes), _viewing(state, "pair", "other=True")),
            )
        was, now = _attributes(state), _attributes(again)
        for name in _changed(was, now):
            if name in moved:
                return confirmed(
                    f"{after}a view that names another mode reset `{name}` from {was[name]!r} to"
                    f" {now[name]!r}",
                    lines=(
                        _pairing(state, modes),
                        f"before = pair.module.{name}",
                        f"pair = {_viewing(state, 'pair', 'other=True')}",
                        f"shown = pair.module.{name} != before",
                        f"print('{name}:', before, '->', pair.module.{name})",
                    ),
                )
    if not moved:
        raise NoVerdictError("no effect", "no value that was tried changed anything")
    if len(_parameters(case)) > 1:
        raise NoVerdictError("partly", "views of its other parameters were not tried")
    return refuted("a view that names another mode leaves this one as it was")


def view_truthiness(case: Case) -> Seen:
    """A view cannot set a mode to False."""
    held = False
    for pair, parameter, on in _each_view(case):
        if not on:
            continue
        off: Any = type(on)()
        kept = vars(pair.module).get(parameter)
        if kept is not None and type(kept) is not type(on):
            continue  # it is never such a value
        try:
            switched_on = _view(pair, **{parameter: on})
            switched_off = _view(switched_on, **{parameter: off})
        except Exception:  # it does not take that value
            continue
        first, before, after = map(_attributes, (pair, switched_on, switched_off))
        moved = _changed(first, before)
        for name in before:
            if before[name] != on or type(before[name]) is not type(on) or name not in after:
                continue
            if name != parameter and name not in moved:
                continue
            held = True
            if after[name] == on:
                return confirmed(
                    f"`nnx.view(model, {parameter}={off!r})` left `{name}` at {after[name]!r}",
                    lines=(
                        _pairing(pair, f"{parameter}={on!r}"),
                        f"pair = {_viewing(pair, 'pair', f'{parameter}={off!r}')}",
                        f"shown = pair.module.{name} == {on!r}",
                        f"print('{name} after {parameter}={off!r}:', pair.module.{name})",
                    ),
                )
        if any(after.get(name) == before[name] for name in moved):
            raise NoVerdictError("partly", "switching it off leaves other attributes as they were")
    if not held:
        raise NoVerdictError("no effect", "no value that was tried is kept as it is")
    return refuted("a view can switch the mode on and off")


def view_docstring(case: Case) -> Seen:
    """`nnx.view_info` cannot read the docstring."""
    for pair, _, _ in _each_view(case, alone=True):
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
    for pair, parameter, _ in _each_view(case, alone=True):
        there = True
        for name in (f"{parameter}x", "determinstic", "any_misspelt_name"):
            try:
                _view(pair, **{name: True})
            except ValueError:
                continue
            except Exception as error:
                raise NoVerdictError("partly", f"a view raises {said(error)}") from error
            else:
                return confirmed(
                    f"`nnx.view(model, {name}=True)` raises nothing",
                    lines=(f"nnx.view(model, {name}=True)", "shown = True"),
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
    if any(p.kind is p.VAR_KEYWORD for p in _parameters(case)):
        raise NoVerdictError("partly", "it takes any name, and may pass over others")
    return refuted("`nnx.view` finds misspelt names, and delivers right ones")


def _each_view(case: Case, *, alone: bool = False) -> Iterator[tuple[_Pair, str, Any]]:
    """A pair with the flagged module, fresh each time, a parameter of its, a value for it."""
    model = case.built()
    method = getattr(type(model), "set_view", None)
    if not isinstance(model, nnx.Module) or method is None:
        raise NoVerdictError("no view", "what is flagged is no nnx module with a `set_view`")
    parameters = [p for p in _parameters(case) if p.kind is not p.VAR_KEYWORD]
    named = [p for p in parameters if re.search(rf"\b{p.name}\b", case.flagged_text)]
    required = [p.name for p in parameters if p.default is p.empty and p not in named]
    needs = tuple(required) if named else ()
    for parameter in named or parameters:
        for sample in _samples(parameter.default, model, parameter.name):
            yield _Pair(_built(case, alone), needs), parameter.name, sample
    if not parameters:
        yield _Pair(_built(case, alone), ()), "nothing", True


def _parameters(case: Case) -> list[inspect.Parameter]:
    """What the flagged `set_view` takes."""
    method = getattr(type(case.built()), "set_view", None)
    return list(inspect.signature(method).parameters.values())[1:] if method else []


def _built(case: Case, alone: bool) -> Any:
    """The flagged module; ``alone``: without those inside it, which have faults of their own."""
    model = case.built()
    for name, value in list(vars(model).items()) if alone else ():
        if any(True for _ in modules(value)):
            vars(model)[name] = None
    return model


def _pairing(pair: _Pair, modes: str) -> str:
    """The statement that makes ``pair``, of the model and a module with another mode."""
    return f"pair = {_viewing(pair, 'Pair(model)', modes) if modes else 'Pair(model)'}"


def _viewing(pair: _Pair, of: str, modes: str) -> str:
    """The source of what ``_view`` does."""
    return f"nnx.view({', '.join([of, *(f'{name}=True' for name in pair.needs), modes])})"


def _samples(default: Any, model: nnx.Module, name: str) -> list[Any]:
    """Values to try: those unlike what is there come first."""
    there = [default, vars(model).get(name)]
    if isinstance(default, enum.Enum):
        return [*(other for other in type(default) if other is not default), default]
    alike = [s for s in _SAMPLES if any(type(s) is type(t) for t in there)]
    ordered = [*alike, *(s for s in _SAMPLES if s not in alike or isinstance(s, bool))]
    fresh = [s for s in ordered if all(s != t or type(s) is not type(t) for t in there)]
    return [*fresh, *(s for s in ordered if not any(s is f for f in fresh))]


def view_discarded(case: Case) -> Seen:
    """The new model that a view returns is thrown away."""
    assert case.marked is not None
    saw = case.play(True)
    done = [event for event in saw.events if event.done]
    if not done:
        unseen(case)
    what = case.marked.source.partition("(")[0]
    if case.marked.fate == "used":
        return refuted(f"what `{what}` returns is used")
    lives = [event.lives for event in done if event.lives is not None]
    if not lives or case.marked.fate == "unclear":
        raise NoVerdictError("use", f"whether what `{what}` returns is used is not clear")
    if any(lives):
        return refuted(f"what `{what}` returns is kept")
    if not any(event.differs for event in done):
        raise NoVerdictError("no effect", f"`{what}` changed nothing in the model that was tried")
    return confirmed(
        f"nothing keeps the new model that `{what}` returned, and the old one is as it was"
    )


def half_mode(case: Case) -> Seen:
    """One kind of layer evaluates, the other trains."""
    saw = case.play(True)
    done = [event for event in saw.events if event.done and event.modes]
    if not done:
        unseen(case)
    for event in done:
        flags = _by_flag(event.modes)
        dropout, norm = flags.get("deterministic", []), flags.get("use_running_average", [])
        trains = [path for path, evaluates in norm if not evaluates]
        draws = [path for path, evaluates in dropout if not evaluates]
        if trains and any(evaluates for _, evaluates in dropout):
            kind, left = "statistics", f"{trains[0]}.use_running_average"
            what = "dropout is off but", "normalises by the batch and overwrites the statistics"
        elif draws and any(evaluates for _, evaluates in norm):
            kind, left = "advanced", f"{draws[0]}.deterministic"
            what = "batch norm evaluates but", "drops units"
        else:
            continue
        if _is_mended(event):
            raise NoVerdictError("later", "the other half is set later on")
        if event.called and saw.error is None and not any(getattr(c, kind) for c in saw.calls):
            raise NoVerdictError("later", "the call of that model does what it should all the same")
        return confirmed(
            f"after `{_call_name(case)}`, {what[0]} `{left}` is still False: a call of that model"
            f" {what[1]}"
        )
    if not all({"deterministic", "use_running_average"} <= set(_by_flag(e.modes)) for e in done):
        raise NoVerdictError("no modes", "the model that was tried has layers of one kind only")
    return refuted("all layers are in one mode afterwards")


def _is_mended(event: Event) -> bool:
    """Whether, in the end, no layer is in another mode than the others."""
    model = event.value if isinstance(event.value, nnx.Module) else event.callee.__self__
    both = [
        vars(module)[flag]
        for _, module in modules(model)
        for flag in ("deterministic", "use_running_average")
        if isinstance(vars(module).get(flag), bool)
    ]
    return len(set(both)) == 1


def _by_flag(modes: Modes) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    for path, flag, value in modes:
        found.setdefault(flag, []).append((path, value))
    return found


def _call_name(case: Case) -> str:
    source = case.marked.source if case.marked else ""
    return source if len(source) < 60 and "\n" not in source else source.partition("(")[0]


def map_returns_none(case: Case) -> Seen:
    """The function given to `nnx.recursive_map` loses nodes."""
    saw = case.play(True)
    if saw.error is not None:
        return raises(case)
    done = [event for event in saw.events if event.done]
    if any(event.value is None for event in done):
        return confirmed("`nnx.recursive_map` returned None")
    for event in done:
        before = next((a for a in event.arguments if isinstance(a, nnx.Module)), None)
        after = {path for path, _ in walk(event.value)}
        lost = [path for path, _ in modules(before) if path not in after]
        if lost:
            return confirmed(f"in the model that was returned, `{lost[0]}` is gone")
    mapped = [a for event in done for a in event.arguments if inspect.isfunction(a)]
    if any(_may_return_none(function) for function in mapped):
        raise NoVerdictError("not reached", "a path that returns None did not run")
    return refuted("no node of the model that was returned is gone")


def _may_return_none(function: Any) -> bool:
    before: Any = None
    for step in dis.get_instructions(function):
        if step.opname == "RETURN_CONST" and step.argval is None:
            return True
        loads_none = before is not None and before.opname == "LOAD_CONST" and before.argval is None
        if step.opname == "RETURN_VALUE" and loads_none:
            return True
        before = step
    return False


def _is_over(saw: Play) -> bool:
    return any(event.lives is not None for event in saw.events)


def _shows_modes(saw: Play) -> bool:
    return any(event.done and event.modes for event in saw.events)


def _traced(examine: Callable[[Case], Seen]) -> Callable[[Case], Seen]:
    """Modules are built, and views made of them, where arrays are only shapes."""
    return lambda case: case.traced(lambda: examine(case))


ORACLES = {
    "view-default": Oracle(_traced(view_default), built_only=True),
    "view-truthiness": Oracle(_traced(view_truthiness), built_only=True),
    "view-docstring": Oracle(_traced(view_docstring), built_only=True, declared_only=True),
    "view-swallows": Oracle(_traced(view_swallows), built_only=True),
    "view-discarded": Oracle(view_discarded, enough=_is_over),
    "half-mode": Oracle(half_mode, enough=_shows_modes, watch=True),
    "map-returns-none": Oracle(
        map_returns_none, symptom=lambda error: isinstance(error, TypeError | AttributeError)
    ),
}
