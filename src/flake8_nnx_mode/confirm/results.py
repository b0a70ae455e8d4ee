"""What a run of ``nnx-mode confirm`` found: plain data, for reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from flake8_nnx_mode.confirm.jobs import Hello, Outcome
from flake8_nnx_mode.model import Finding


@dataclass(frozen=True, slots=True)
class Result:
    """One finding and what was seen of it."""

    path: str
    """As the user wrote it."""
    finding: Finding
    outcome: Outcome
    repro: str | None = None
    """Where the script is that shows the same, if it was written."""

    @property
    def place(self) -> str:
        """``path:line:column``, as flake8 prints it."""
        start = self.finding.span.start
        return f"{self.path}:{start.line}:{start.column + 1}"


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    found: Sequence[Result]
    """In order of place."""
    hello: Hello | None
    """What the findings ran on; None if nothing ran."""
    problems: Sequence[str]
    """What could not be done, for people."""
    interrupted: bool
    seconds: float
    """Wall time."""
