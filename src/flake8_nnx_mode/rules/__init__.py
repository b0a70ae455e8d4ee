"""One room per rule: ``nnx101_frozen_key.py`` is all there is to NNX101.

A room holds a docstring (its documentation), ``BAD`` and ``GOOD`` (its documentation and tests),
and ``RULE``. Code and name come from the file's name, and the registry from the folder.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Literal

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.model import Applicability, Span
from flake8_nnx_mode.syntax.book import Anchor


@dataclass(frozen=True, slots=True)
class Change:
    """``text`` instead of what stands there, or before or after it."""

    where: Anchor | Span
    text: str
    side: Literal["instead", "before", "after"] = "instead"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a fix would change, before places are looked up."""

    applicability: Applicability
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One finding of a rule: where it is, and what to tell the reader, in one line."""

    where: Anchor | Span
    message: str
    remedy: Remedy | None = None

    def places(self) -> Iterator[Anchor | Span]:
        """All places that it names."""
        yield self.where
        if self.remedy is not None:
            yield from (change.where for change in self.remedy.changes)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a room says of its rule."""

    check: Callable[[Project], Iterator[Report]]
    """Yields what is wrong in the file at hand."""
    on: bool
    """Whether it reports unless told otherwise."""
    triggers: tuple[str, ...] = ()
    """A file without any of these words has nothing for it; empty: any file may."""
    since: tuple[int, ...] = (0, 0)
    """The first flax version that it is about."""
    fix: Applicability | None = None
    """What its fixes are, where it offers any; a single fix may be less safe, never safer."""
    oracle: str | None = None
    """The name of what confirms it on JAX."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule with what its room is called and says."""

    code: str
    name: str
    rule: Rule
    room: ModuleType

    @property
    def documentation(self) -> str:
        """The docstring of its room."""
        return inspect.getdoc(self.room) or ""

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0]

    @property
    def bad(self) -> str:
        """Code that it reports, and no other rule does."""
        return str(self.room.BAD)

    @property
    def good(self) -> str:
        """The same code, mended."""
        return str(self.room.GOOD)


@cache
def codes() -> tuple[str, ...]:
    """The codes of all rules, known without importing any."""
    return tuple(name[:6].upper() for name in _rooms())


@cache
def names() -> dict[str, str]:
    """Name -> code of all rules, known without importing any."""
    return {_name(room): room[:6].upper() for room in _rooms()}


@cache
def registry() -> tuple[Entry, ...]:
    """All rules, by code."""
    entries = []
    for name in _rooms():
        room = import_module(f"{__name__}.{name}")
        entries.append(Entry(name[:6].upper(), _name(name), room.RULE, room))
    return tuple(entries)


def _name(room: str) -> str:
    return room[7:].replace("_", "-")


def _rooms() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("nnx"))
