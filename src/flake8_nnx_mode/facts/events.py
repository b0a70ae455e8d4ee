"""What a function does that rules ask about, as plain data."""

from dataclasses import dataclass, field

from flake8_nnx_mode.facts.values import Arguments, Draw, Guards, Key, Value
from flake8_nnx_mode.syntax.book import Anchor


@dataclass(frozen=True, slots=True)
class Consumption:
    """A key is used up: ``by`` a sampler, or the keyword by which a call takes it."""

    keys: tuple[Key, ...]
    """What the key may be; empty if it is not known."""
    by: str
    anchor: Anchor
    guards: Guards | None


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A child is called."""

    child: Value
    label: str
    """The child as the code names it, ``self.block``; empty if that is not a plain name."""
    args: Arguments
    flags: tuple[str, ...]
    """The mode flags that the code around the call can see."""
    anchor: Anchor
    guards: Guards | None
    after_mode_set: bool
    """Whether ``self.train()``, ``self.eval()`` or ``self.set_attributes()`` came before it."""


@dataclass(frozen=True, slots=True)
class AttributeRead:
    """``self.name`` is read."""

    name: str
    anchor: Anchor
    guards: Guards | None


@dataclass(frozen=True, slots=True)
class AttributeWrite:
    """``self.name = value``, or if not ``whole``, ``self.name.value = value`` and its like."""

    name: str
    value: Value
    whole: bool


@dataclass(frozen=True, slots=True)
class FreeName:
    """A name is read that the function does not bind; ``value`` is None if nothing does."""

    name: str
    value: Value | None
    anchor: Anchor


@dataclass(slots=True)
class FunctionFacts:
    """All of one function, in the order in which it was met; nothing where not ``known``."""

    known: bool = True

    flags: tuple[str, ...] = ()
    """Its parameters that are mode flags."""
    draws: list[Draw] = field(default_factory=list)
    consumptions: list[Consumption] = field(default_factory=list)
    initialised: set[Draw] = field(default_factory=set)
    """Draws that end up in a Variable or an attribute of self: state, not noise."""
    calls: list[ModuleCall] = field(default_factory=list)
    reads: list[AttributeRead] = field(default_factory=list)
    writes: list[AttributeWrite] = field(default_factory=list)
    returns: list[Value] = field(default_factory=list)
    free_names: list[FreeName] = field(default_factory=list)
    flags_read: set[str] = field(default_factory=set)
    flags_deleted: set[str] = field(default_factory=set)
    """Flags that are deleted, overwritten, or put into ``_``: not meant to be used."""
    modes_set: set[str] = field(default_factory=set)
    """Attributes of self whose mode is set in place; ``*`` for self as a whole."""
