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

from flake8_nnx_mode.confirm.objects import leaves, modules, outline

FLAGGED = "nnx_confirm_flagged"
ASIDE = "nnx_confirm_aside"
"""The scope of what is run only to compare."""
_NO_STATISTICS = ("RngCount", "RngKey", "Param", "array")

Modes = tuple[tuple[str, str, bool], ...]
"""The modes that modules keep: path, flag, value."""


@dataclass(slots=True)
class Event:
    """One evaluation of the flagged expression."""

    callee: Any = None
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    value: Any = None
    done: bool = False
    """Whether it came to a value."""
    error: BaseException | None = None
    """What the flagged call raised; code around it may go on all the same."""
    told: bool = False
    """Whether it was told its mode, where that was asked for."""
    writes: tuple[str, ...] = ()
    """The statistics that it wrote, by path."""
    kept: Modes = ()
    """The modes that the called module keeps, before the call."""
    modes: Modes = ()
    """Those of the module that the call returned, or whose method it is, after it."""
    differs: bool = True
    """Of a module that the call returned: whether it is unlike the one that was given."""
    without_rate: bool = False
    """Whether the called module has a dropout whose rate is 0."""
    called: bool = False
    """Whether the function or layer that it returned was called, where that is watched."""
    lives: bool | None = None
    """Of a module that a statement by itself returns: whether anything keeps it."""


class Teller:
    """What the marked code calls; ``forget`` before each run."""

    def __init__(self, flags: Mapping[str, bool], *, watch: bool) -> None:
        self._flags = flags
        self._watch = watch
        """Whether to see if what is flagged is called, once it is there."""
        self.events: list[Event] = []
        self._open: list[Event] = []
        self.training = True
        """The mode that is tried."""
        self.telling: bool | None = None
        """Whether the flagged call is told to train (True) or to evaluate; None: as written."""
        self.compiled: Callable[[Callable[..., Any], Callable[..., Any]], Any] | None = None
        """What to put in the place of a function that the flagged expression compiles."""

    def forget(self) -> None:
        """Begin anew."""
        self.events = []
        self._open = []

    @property
    def inside(self) -> bool:
        """Whether the flagged expression is being evaluated."""
        return bool(self._open)

    def begin(self) -> Event:
        """The evaluation of the flagged expression begins."""
        event = Event()
        self.events.append(event)
        self._open.append(event)
        return event

    def value(self, event: Event, value: Any) -> Any:
        """An expression that is no call came to a value."""
        return self._end(event, value)

    def call(self, event: Event, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what is flagged, and see what that does."""
        event.callee, event.arguments, event.keywords = function, args, kwargs
        owner = _owner(function)
        event.kept = self._modes(owner)
        event.without_rate = any(
            getattr(module, "rate", None) == 0.0 for _, module in modules(owner)
        )
        mode: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if self.telling is not None:
            told = self._told(function, args, kwargs)
            if told is not None:
                args, kwargs = told
                event.told = True
                if not self._telling(function):  # else what it keeps is its own affair
                    mode = _in_mode(owner, self._flags, self.telling)
        held = [x for one in (owner, *args, *kwargs.values()) for x in leaves(one, _name(owner))]
        before = [leaf.get() for leaf in held]
        try:
            with mode, jax.named_scope(FLAGGED):
                value = function(*args, **kwargs)
        except BaseException as error:
            event.error = error
            raise
        event.writes = tuple(
            leaf.path
            for leaf, was in zip(held, before, strict=True)
            if leaf.kind not in _NO_STATISTICS and leaf.get() is not was
        )
        given = next((one for one in args if isinstance(one, nnx.Module)), None)
        if isinstance(value, nnx.Module) and given is not None:
            event.differs = outline(value) != outline(given)
        if not isinstance(function, nnx.Module):
            event.modes = self._modes(value if isinstance(value, nnx.Module) else owner)
        if self.compiled is not None and args and callable(args[0]) and callable(value):
            value = self.compiled(value, args[0])
        return self._end(event, value)

    def decorator(self, decorator: Any) -> Any:
        """A flagged decorator: what it makes of a function is told as a call."""

        def decorate(function: Any) -> Any:
            event = self.begin()
            value = decorator(function)
            if self.compiled is not None and callable(value):
                value = self.compiled(value, function)
            return self._end(event, value)

        return decorate

    def lenient(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call something that is not flagged; if it refuses that, tell it its mode right."""
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError, AttributeError) as error:
            if not re.search(r"argument|'bool' object", str(error)):
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

    def _end(self, event: Event, value: Any) -> Any:
        if event in self._open:
            del self._open[self._open.index(event) :]
        if self._watch:
            value = _watched(value, event)
        event.value, event.done = value, True
        return value

    def _modes(self, model: Any) -> Modes:
        if not isinstance(model, nnx.Module):
            return ()
        return tuple(
            (path, flag, vars(module)[flag])
            for path, module in modules(model)
            for flag in self._flags
            if isinstance(vars(module).get(flag), bool)
        )

    def _told(
        self, function: Any, args: Any, kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments with the mode in them; None where it cannot be told."""
        flags = self._telling(function)
        if len({trains for _, trains in flags}) > 1:
            return None  # one of them is something else: a policy that acts greedily
        if not flags:
            return (args, kwargs) if isinstance(_owner(function), nnx.Module) else None
        try:
            bound = inspect.signature(_called(function)).bind(*args, **kwargs)
        except TypeError:
            return None
        for name, trains in flags:
            bound.arguments[name] = trains == self.telling
        return bound.args, bound.kwargs

    def _telling(self, function: Any) -> list[tuple[str, bool]]:
        try:
            parameters = inspect.signature(_called(function)).parameters
        except (TypeError, ValueError):
            return []
        return [(name, trains) for name, trains in self._flags.items() if name in parameters]


def _called(function: Any) -> Any:
    return function.__call__ if isinstance(function, nnx.Module) else function


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


def _watched(value: Any, event: Event) -> Any:
    """The function or layer, made to note that it is called."""
    if isinstance(value, nnx.Module):
        kind: Any = type(value)

        class Watched(kind):  # type: ignore[misc]
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                event.called = event.called or self is value
                with jax.named_scope(FLAGGED) if self is value else contextlib.nullcontext():
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


def _owner(function: Any) -> Any:
    """The module that is called, or whose method is."""
    return getattr(function, "__self__", function)


def _name(owner: Any) -> str:
    return type(owner).__name__
