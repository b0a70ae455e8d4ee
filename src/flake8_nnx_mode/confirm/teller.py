"""What a marked snippet tells: when its flagged expression is evaluated, and what that does."""

import contextlib
import functools
import gc
import inspect
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
from flax import nnx

from flake8_nnx_mode.confirm.objects import leaves, modules

FLAGGED = "nnx_confirm_flagged"
TOLD = {True: "nnx_confirm_told_training", False: "nnx_confirm_told_evaluation"}
"""The scopes of calls that are tried a second time, told their mode."""
_STATISTICS = ("RngCount", "RngKey", "Param")
"""Variables that do not count as statistics."""


@dataclass(slots=True)
class Event:
    """One evaluation of the flagged expression."""

    callee: Any = None
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None
    done: bool = False
    """Whether it came to a value."""
    writes: tuple[str, ...] = ()
    """The statistics that it wrote, by path."""
    told_writes: dict[bool, tuple[str, ...]] = field(default_factory=dict)
    """Those that it writes if it is told to train (True), or to evaluate."""
    modes: tuple[tuple[str, str, bool], ...] = ()
    """Of the module that it returns or changes: each mode that a layer keeps, by path and flag."""
    called: bool = False
    """Whether the function or layer that it returned was called, where that is watched."""
    lives: bool | None = None
    """Of a module that a statement by itself returns: whether anything keeps it."""


class Teller:
    """What the marked code calls; ``forget`` before each run."""

    def __init__(self, flags: Mapping[str, bool], *, tell: bool, watch: bool) -> None:
        self._flags = flags
        self._tell = tell
        """Whether to call what is flagged twice more before, told to train and to evaluate."""
        self._watch = watch
        """Whether to see if what is flagged is called, once it is there."""
        self.events: list[Event] = []
        self.inside = False
        """Whether the flagged expression is being evaluated."""
        self.training = True
        """The mode that is tried."""
        self.compiled: Callable[[Callable[..., Any], Callable[..., Any]], Any] | None = None
        """What to put in the place of a function that the flagged expression compiles."""

    def forget(self) -> None:
        """Begin anew."""
        self.events = []
        self.inside = False

    def begin(self) -> None:
        """The evaluation of the flagged expression begins."""
        self.inside = True
        self.events.append(Event())

    def value(self, begun: None, value: Any) -> Any:
        """An expression that is no call came to a value."""
        return self._end(value)

    def call(self, begun: None, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what is flagged, and see what that does."""
        event = self.events[-1]
        event.callee, event.arguments, event.keywords = function, args, kwargs
        if self._tell:
            for training in (True, False):
                event.told_writes[training] = self._told(training, function, args, kwargs)
        held = [leaf for one in (_owner(function), *args) for leaf in leaves(one, _label(function))]
        before = [leaf.get() for leaf in held]
        with jax.named_scope(FLAGGED):
            value = function(*args, **kwargs)
        event = self.events[-1] if self.events and self.events[-1].callee is function else event
        event.writes = _written(held, before)
        event.modes = tuple(self._modes(value, function))
        if self.compiled is not None and args and callable(args[0]) and callable(value):
            value = self.compiled(value, args[0])
        return self._end(value, event)

    def decorator(self, decorator: Any) -> Any:
        """A flagged decorator: what it makes of a function is told as a call."""

        def decorate(function: Any) -> Any:
            self.begin()
            value = decorator(function)
            if self.compiled is not None and callable(value):
                value = self.compiled(value, function)
            return self._end(value)

        return decorate

    def lenient(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call something that is not flagged; if it refuses that, tell it its mode right."""
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, AttributeError) as error:
            if not _is_about_modes(error):
                raise
        told = {name: trains == self.training for name, trains in self._telling(function)}
        others = {name: value for name, value in kwargs.items() if name not in self._flags}
        return function(*(a for a in args if not isinstance(a, bool)), **others, **told)

    def over(self) -> None:
        """A flagged statement is over: whether what it returned still lives."""
        event = self.events[-1]
        if not isinstance(event.value, nnx.Module):
            return
        kept, event.value = weakref.ref(event.value), None
        gc.collect(0)
        event.lives = kept() is not None

    def _end(self, value: Any, event: Event | None = None) -> Any:
        event = event or self.events[-1]
        self.inside = False
        if self._watch:
            value = _watched(value, event)
        event.value, event.done = value, True
        return value

    def _modes(self, value: Any, function: Any) -> Iterator[tuple[str, str, bool]]:
        model = value if isinstance(value, nnx.Module) else _owner(function)
        if not isinstance(model, nnx.Module) or isinstance(function, nnx.Module):
            return
        for path, module in modules(model):
            for flag in self._flags:
                kept = vars(module).get(flag)
                if isinstance(kept, bool):
                    yield path, flag, kept

    def _told(
        self, training: bool, function: Any, args: Any, kwargs: dict[str, Any]
    ) -> tuple[str, ...]:
        """What the call writes if it is told its mode; everything is then put back."""
        told = {name: trains == training for name, trains in self._telling(function)}
        owner = _owner(function)
        if not told and not isinstance(owner, nnx.Module):
            return ()
        held = [leaf for one in (owner, *args) for leaf in leaves(one, _label(function))]
        before = [leaf.get() for leaf in held]
        events, inside = list(self.events), self.inside
        written: tuple[str, ...] = ()
        with (
            contextlib.suppress(Exception),
            jax.named_scope(TOLD[training]),
            _in_mode(owner, self._flags, training),
        ):
            function(*args, **{**kwargs, **told})
            written = _written(held, before)
        for leaf, value in zip(held, before, strict=True):
            leaf.put(value)
        self.events, self.inside = events, inside
        return written

    def _telling(self, function: Any) -> list[tuple[str, bool]]:
        called = function if not isinstance(function, nnx.Module) else type(function).__call__
        try:
            parameters = inspect.signature(called).parameters
        except (TypeError, ValueError):
            return []
        return [(name, trains) for name, trains in self._flags.items() if name in parameters]


@contextlib.contextmanager
def _in_mode(owner: object, flags: Mapping[str, bool], training: bool) -> Iterator[None]:
    """Every mode that the module keeps is set, and then put back."""
    changed = []
    for _, module in modules(owner):
        for flag, trains in flags.items():
            if isinstance(vars(module).get(flag), bool):
                changed.append((module, flag, vars(module)[flag]))
                vars(module)[flag] = trains == training
    try:
        yield
    finally:
        for module, flag, value in changed:
            vars(module)[flag] = value


def _is_about_modes(error: BaseException) -> bool:
    return bool(re.search(r"argument|'bool' object", str(error)))


def _watched(value: Any, event: Event) -> Any:
    """The function or layer, made to note that it is called."""
    if isinstance(value, nnx.Module):
        kind: Any = type(value)

        class Watched(kind):  # type: ignore[misc]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                event.called = True
                return super().__call__(*args, **kwargs)

        Watched.__name__, Watched.__qualname__ = kind.__name__, kind.__qualname__
        value.__class__ = Watched
        return value
    if not callable(value) or isinstance(value, type):
        return value

    @functools.wraps(value)
    def watched(*args: Any, **kwargs: Any) -> Any:
        event.called = True
        return value(*args, **kwargs)

    return watched


def _written(held: list[Any], before: list[Any]) -> tuple[str, ...]:
    return tuple(
        leaf.path
        for leaf, was in zip(held, before, strict=True)
        if leaf.kind not in _STATISTICS and leaf.kind != "array" and leaf.get() is not was
    )


def _owner(function: Any) -> Any:
    """The module that is called, or whose method is."""
    return getattr(function, "__self__", function)


def _label(function: Any) -> str:
    return type(_owner(function)).__name__
