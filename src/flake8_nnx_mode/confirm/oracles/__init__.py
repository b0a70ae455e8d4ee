"""What confirms a rule's finding on JAX: one function for each kind of mistake, by name.

An oracle is given a ``Case`` and says what it saw. ``NoVerdictError`` is raised where it sees
too little.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from flake8_nnx_mode.confirm.case import Case, Conditions
from flake8_nnx_mode.confirm.jobs import Recipe, Verdict


@dataclass(frozen=True, slots=True)
class Seen:
    """A verdict, why, and what a script needs to show the same."""

    verdict: Verdict
    evidence: str
    training: bool = True
    """The mode in which it shows."""
    error: BaseException | None = None
    """The error in which it shows."""
    recipe: Recipe | None = None
    """How to build and call, where that differs from the case's recipe."""
    lines: tuple[str, ...] = ()
    """Python statements that show it by themselves, with `model` for what is built."""


@dataclass(frozen=True, slots=True)
class Oracle(Conditions):
    """What is asked, and under which conditions."""

    examine: Callable[[Case], Seen]


def confirmed(evidence: str, **how: Any) -> Seen:
    """The mistake is real; ``how`` are fields of ``Seen``."""
    return Seen("CONFIRMED", evidence, **how)


def refuted(evidence: str, **how: Any) -> Seen:
    """The flagged code does what it should; ``how`` are fields of ``Seen``."""
    return Seen("REFUTED", evidence, **how)


@cache
def registry() -> dict[str, Oracle]:
    """All oracles, by name."""
    found: dict[str, Oracle] = {}
    for room in sorted(iter_modules(__path__), key=lambda r: r.name):
        found.update(import_module(f"{__name__}.{room.name}").ORACLES)
    return found
