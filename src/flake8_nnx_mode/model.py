"""What every room passes on: plain data about places and findings."""

from dataclasses import dataclass, field
from typing import Literal

Applicability = Literal["safe", "unsafe"]
"""Safe: only the reported mistake changes. Unsafe: a signature, the sequence of seeds, the layout
of a checkpoint or the streams that a model needs may change too."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file: ``line`` counts from 1, ``column`` from 0, in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From ``start`` up to, not including, ``end``."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """``text`` instead of what stands in ``span``."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The edits that mend a finding; either all of them are made or none."""

    applicability: Applicability
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake: where it is, which rule says so, and what to do about it."""

    span: Span
    code: str
    message: str
    fix: Fix | None = field(default=None, compare=False)

    @property
    def symptom(self) -> str:
        """What is wrong, and what that does: the message up to its ``;``."""
        return self.message.partition("; ")[0]

    @property
    def remedy(self) -> str:
        """What to write instead: the rest of the message, or nothing."""
        return self.message.partition("; ")[2]
