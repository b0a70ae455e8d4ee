"""What several tests share."""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from flake8_nnx_mode import engine
from flake8_nnx_mode.model import Finding, Position, Span
from flake8_nnx_mode.selection import EVERYTHING, Selection
from flake8_nnx_mode.settings import Settings

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
EXAMPLES = ROOT / "examples"


def lint(
    text: str,
    path: Path = Path("/nowhere/code.py"),
    *,
    settings: Settings | None = None,
    selection: Selection = EVERYTHING,
) -> list[Finding]:
    """Findings of all rules, those that are off by default too."""
    return engine.check(path, text, settings or Settings(), selection)


def codes(text: str, path: Path = Path("/nowhere/code.py")) -> list[str]:
    """The codes of what ``lint`` finds."""
    return [finding.code for finding in lint(text, path)]


def installed_sources(every: int) -> Iterator[Path]:
    """Each ``every``-th Python file of what is installed beside the tests, by name."""
    site = Path(next(p for p in sys.path if p.endswith("site-packages")))
    packages = ("libcst", "flake8", "pycodestyle.py", "pyflakes", "flax", "jax", "optax")
    files = [f for name in packages for f in sorted((site / name).rglob("*.py"))]
    files += [site / name for name in packages if name.endswith(".py")]
    yield from files[::every]


def same_place(old: str, new: str, span: Span) -> Span:
    """Where in ``new`` the code is that stands at ``span`` of ``old``, as far as lines tell."""
    before, after = old.splitlines(), new.splitlines()
    line = span.start.line - 1
    match = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for _, start, end, new_start, new_end in match.get_opcodes():
        if start <= line < end:
            number = min(new_start + line - start, max(new_end - 1, new_start))
            first = _column(before[line], after[number], span.start.column)
            last = _column(before[line], after[number], span.end.column)
            if span.end.line > span.start.line:
                last = len(after[number])
            return Span(Position(number + 1, first), Position(number + 1, last))
    raise AssertionError(f"line {line + 1} is in neither text")


def _column(old: str, new: str, column: int) -> int:
    """Where a column went; one in the midst of what changed goes to the beginning of it."""
    match = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, start, end, new_start, _ in match.get_opcodes():
        if start <= column < end:
            return new_start + column - start if tag == "equal" else new_start
    return len(new)
