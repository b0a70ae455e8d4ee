"""What every room passes on: plain data about places and findings."""

from dataclasses import dataclass


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
class Finding:
    """One mistake: where it is, which rule says so, and what to do about it."""

    span: Span
    code: str
    message: str
