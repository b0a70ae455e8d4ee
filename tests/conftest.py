"""What several tests share."""

import sys
from collections.abc import Iterator
from pathlib import Path

from flake8_nnx_mode import engine
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.settings import Settings

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
EXAMPLES = ROOT / "examples"


def lint(
    text: str,
    path: Path = Path("/nowhere/code.py"),
    *,
    settings: Settings | None = None,
    selection: engine.Selection = engine.EVERYTHING,
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
