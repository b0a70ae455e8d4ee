"""The tree of a model: its layers, where each mode goes, and what each layer draws."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flake8_nnx_mode.model import Position

LayerKind = Literal["stochastic", "stateful", "plain", "unknown"]
"""Draws noise; keeps statistics of batches; the same in training and evaluation; not known."""
How = Literal["forwarded", "inverted", "fixed", "dropped", "default", "unknown"]
"""What becomes of a mode at a call: handed on, the wrong way round, a constant, not given by a
method that has one, not given by one that has none: then the layer does as it was last told."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something in a file."""

    path: Path
    """Absolute."""
    start: Position


@dataclass(frozen=True, slots=True)
class ModeFlag:
    """A mode that a module takes in its call, or keeps as an attribute."""

    name: str
    means: Literal["train", "eval"]
    """What True means."""
    by: Literal["call", "attribute"]
    default: str
    """What it is if nobody says it, as written; empty if that has to be said, or is not known."""
    used: bool | None
    """Whether anything depends on it; None if that is not known."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one call does with one mode flag of the layer that it calls."""

    flag: str
    """The flag of the layer that is called."""
    how: How
    text: str
    """What is written for it: ``not train``, ``True``; empty where nothing is."""
    sources: tuple[str, ...] = ()
    """The flags of the calling method that it comes from."""


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One place where the parent calls a layer."""

    method: str
    """The parent's method that calls."""
    calls: str
    """The layer's method that is called."""
    place: Place
    end: Position
    """Where the call ends."""
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """A module in a model, or the model itself."""

    name: str
    """How its parent holds it, ``blocks[*]``; for a model its class."""
    of: str
    """The name of its class; empty if it is not known."""
    module: str
    """Where the class is from: ``flax.nnx``, or the module of the project; empty if not known."""
    kind: LayerKind
    defined: Place | None = None
    """The class; None for layers of Flax, and what is not known."""
    built: Place | None = None
    """Where its parent builds it."""
    maybe: bool = False
    """Whether it is there depends on how the model is built, or several classes may stand there."""
    flags: tuple[ModeFlag, ...] = ()
    calls: tuple[LayerCall, ...] = ()
    called: bool | None = True
    """Whether its parent calls it, or it is a model; None if that is not known."""
    streams: tuple[str, ...] = ()
    """The streams of random keys that it draws from itself, by name."""
    view: tuple[str, ...] | None = ()
    """What ``nnx.view`` can set on it by keyword; None if that is not known."""
    note: str = ""
    """What else there is to know, such as why something is unknown; for people."""
    findings: tuple["LayerFinding", ...] = ()
    children: tuple["Layer", ...] = ()


@dataclass(frozen=True, slots=True)
class LayerFinding:
    """A finding of the linter, in the class of a layer or where it is built or called."""

    code: str
    message: str
    place: Place


def walk(models: Iterable[Layer]) -> Iterator[Layer]:
    """All layers, in the order in which a tree shows them."""
    left = [iter(models)]
    while left:
        layer = next(left[-1], None)
        if layer is None:
            left.pop()
        else:
            yield layer
            left.append(iter(layer.children))
