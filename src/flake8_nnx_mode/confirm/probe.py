"""Runs a snippet inside an abstract trace and says what it drew, wrote, returned and raised."""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jax
import jax.numpy as jnp

from flake8_nnx_mode.confirm.objects import Leaf, leaves
from flake8_nnx_mode.confirm.teller import ASIDE, FLAGGED, Event, Teller
from flake8_nnx_mode.confirm.values import LEAF, Draw, Reading, Values

_CALL = "nnx_confirm_call_"


@dataclass(slots=True)
class Call:
    """One call of what is run."""

    draws: list[Draw] = field(default_factory=list)
    writes: dict[str, Leaf] = field(default_factory=dict)
    """What it changed, by label."""
    written: dict[str, int] = field(default_factory=dict)
    """The numbers of what it wrote."""
    returned: tuple[int, ...] = ()
    """The numbers of the arrays it returned."""
    events: list[Event] = field(default_factory=list)

    @property
    def advanced(self) -> set[str]:
        """The streams that it drew from."""
        return {leaf.stream or "?" for leaf in self.writes.values() if leaf.counts}

    @property
    def statistics(self) -> list[str]:
        """The paths of what it wrote beside counts: running statistics and their like."""
        return [leaf.path for leaf in self.writes.values() if leaf.kind not in _NO_STATISTICS]


_NO_STATISTICS = ("RngCount", "RngKey", "Param", "array")


@dataclass(slots=True)
class Play:
    """One run: what is built, then called some times, in one mode."""

    calls: list[Call] = field(default_factory=list)
    building: list[Draw] = field(default_factory=list)
    """What was drawn before the first call."""
    stage: Literal["init", "call"] = "init"
    error: BaseException | None = None
    inside: bool = False
    """Whether the error came up while the flagged expression was evaluated."""
    events: list[Event] = field(default_factory=list)
    roots: dict[str, object] = field(default_factory=dict)
    held: dict[str, Leaf] = field(default_factory=dict)
    values: Values = field(default_factory=Values)
    flagged: set[int] = field(default_factory=set)

    @property
    def reached(self) -> bool:
        """Whether the flagged expression was evaluated at all."""
        return bool(self.events)

    def is_flagged(self, draw: Draw) -> bool:
        """Whether the flagged expression made the draw, or what its key comes from."""
        return self.is_inside(draw) or bool(self.values.ancestors(draw.key) & self.flagged)

    def is_inside(self, draw: Draw) -> bool:
        """Whether it was made while the flagged expression was evaluated."""
        return FLAGGED in draw.scope

    def flagged_draws(self, call: int) -> list[Draw]:
        """The draws of a call that the flagged expression has to do with."""
        return [draw for draw in self.calls[call].draws if self.is_flagged(draw)]

    def sources(self, draw: Draw) -> list[Leaf]:
        """What the draw's key depends on, of what the objects keep."""
        return [self.held[x] for x in self.values.leaves(draw.key) if x in self.held]


Prepared = tuple[Mapping[str, object], Callable[[int], Any]]


def play(
    prepare: Callable[[], Prepared],
    teller: Teller,
    values: Values,
    *,
    calls: int = 2,
) -> Play:
    """Trace what ``prepare`` builds and what its calls do; nothing is computed.

    Args:
        prepare: Builds; returns the objects to be watched, by name, and the function that makes the
            call of the given number.
        teller: What the marked code tells.
        values: Where values get their numbers; equal numbers in two plays are equal values.
        calls: How often to call.
    """
    result = Play(values=values)
    kept: list[Any] = []
    teller.forget()

    def run() -> list[Any]:
        outputs: list[Any] = []
        try:
            result.roots, call = _named(prepare())
            watched = _label(result)
            result.stage = "call"
            before = [leaf.get() for leaf in watched.values()]
            for number in range(calls):
                done = Call()
                told = len(teller.events)
                with jax.named_scope(f"{_CALL}{number}_"):
                    returned = call(number)
                arrays = _arrays(returned)
                after = [_array(leaf.get()) for leaf in watched.values()]
                done.events = teller.events[told:]
                result.calls.append(done)
                kept.append((len(outputs), before, after, list(watched), len(arrays)))
                outputs += [*before, *after, *arrays]
                before = after
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # user code may raise anything, SystemExit too
            result.error, result.inside = error, teller.inside
        return outputs

    closed = _traced(run, result)
    if closed is not None:
        _read(result, closed, kept)
    result.events = teller.events
    return result


def _traced(run: Callable[[], list[Any]], result: Play) -> Any:
    try:
        return jax.make_jaxpr(run)()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a value that no trace can return
        result.error = result.error or error
        return None


def _named(prepared: Prepared) -> tuple[dict[str, object], Callable[[int], Any]]:
    roots, call = prepared
    return dict(roots), call


def _label(result: Play) -> dict[str, Leaf]:
    """Put a leaf in the place of every value that the objects keep."""
    for name, root in result.roots.items():
        for leaf in leaves(root, name):
            value = leaf.get()
            if isinstance(value, jax.Array) and leaf.path not in result.held:
                leaf.put(LEAF.bind(value, label=leaf.path))
                result.held[leaf.path] = leaf
    return dict(result.held)


def _array(value: Any) -> Any:
    """What a leaf was changed to; something that is no array counts as a change."""
    return value if isinstance(value, jax.Array) else LEAF.bind(jnp.zeros(()), label="no array")


def _arrays(returned: Any) -> list[Any]:
    try:
        found = jax.tree.leaves(returned)
    except Exception:  # no pytree
        return []
    return [value for value in found if isinstance(value, jax.Array)]


def _read(result: Play, closed: Any, kept: Sequence[Any]) -> None:
    reading = Reading(result.values, closed, FLAGGED)
    outputs = reading.outputs
    result.flagged = reading.flagged
    for done, (start, before, after, labels, arrays) in zip(result.calls, kept, strict=True):
        middle = start + len(before)
        end = middle + len(after)
        for label, was, now in zip(labels, outputs[start:middle], outputs[middle:end], strict=True):
            if was != now:
                done.writes[label], done.written[label] = result.held[label], now
        done.returned = tuple(outputs[end : end + arrays])
    for draw in reading.draws:
        for number, done in enumerate(result.calls):
            if f"{_CALL}{number}_" in draw.scope and ASIDE not in draw.scope:
                done.draws.append(draw)
        if _CALL not in draw.scope:
            result.building.append(draw)


def user_frames(error: BaseException, path: str) -> Iterator[traceback.FrameSummary]:
    """The frames of a traceback that are in the file ``path``, outermost first."""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            yield frame
