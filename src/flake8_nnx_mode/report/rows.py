"""What checking and confirming report alike: findings, one by one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flake8_nnx_mode.confirm.jobs import Outcome
from flake8_nnx_mode.confirm.results import Result
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Finding


@dataclass(frozen=True, slots=True)
class Row:
    """One finding, and what was seen of it if it was run."""

    path: str
    """As the user wrote it."""
    finding: Finding
    outcome: Outcome | None = None

    @property
    def place(self) -> str:
        """``path:line:column``, as flake8 prints it."""
        start = self.finding.span.start
        return f"{self.path}:{start.line}:{start.column + 1}"


def checked(files: Iterable[Checked]) -> Iterator[Row]:
    """The findings of ``nnx-mode check``."""
    for file in files:
        for finding in file.findings:
            yield Row(str(file.path), finding)


def confirmed(found: Iterable[Result]) -> Iterator[Row]:
    """Those of ``nnx-mode confirm``."""
    for result in found:
        yield Row(result.path, result.finding, result.outcome)
