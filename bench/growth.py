"""What 1,000 lines cost as there are more of them: it must stay as it is.

Measured inside the process, with everything imported, in forks that share nothing: more lines in
one file, more files, longer chains of imports, more findings in one file.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import measure
import samples
from flake8_nnx_mode import engine
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.selection import DEFAULT, EVERYTHING, Selection
from flake8_nnx_mode.settings import Settings
from report import Table

SIZES = (1, 4, 16, 64)
DEPTHS = (1, 3, 10, 30, 100)
COUNTS = (1, 4, 16, 75, 300)

STEEP = 2.5
"""How much dearer 1,000 lines may be at the upper end of a curve in ``--short``."""

Row = tuple[str, int, float]
"""How much of it, in how many lines, and CPU seconds."""


def main(rounds: int) -> list[Table]:
    """Measure all curves."""
    _warm()
    return [
        _curve(title, rows)
        for title, rows in (
            ("Lines in one file", lines_in_one_file(rounds)),
            ("Files", files(rounds)),
            ("Imports deep, all files", imports(rounds, whole=True)),
            ("Imports deep, the first file alone", imports(rounds, whole=False)),
            ("Findings in one file, all rules on", findings(rounds)),
        )
    ]


def too_steep() -> Iterator[str]:
    """The curves, measured once and not far, that are not linear by far."""
    _warm()
    for title, rows in (
        ("Lines in one file", lines_in_one_file(1, (1, 16))),
        ("Files", files(1, (1, 16))),
        ("Findings in one file, all rules on", findings(1, (16, 150))),
    ):
        first, last = (seconds / lines for _, lines, seconds in rows)
        print(f"{title}: {last / first:.2f} of the first (bound {STEEP})", flush=True)
        if last / first > STEEP:
            yield title


def _warm() -> None:
    check(Path("warm.py"), samples.good(1) + samples.bad(40))  # imports and first uses


def _curve(title: str, rows: Iterable[Row]) -> Table:
    table = Table(title, ("", "lines", "ms", "ms for 1,000 lines", "of the first"))
    first = 0.0
    for what, lines, seconds in rows:
        each = seconds / lines * 1e6
        first = first or each
        numbers = (f"{seconds * 1e3:,.1f}", f"{each:.1f}", f"{each / first:.2f}")
        table.add(what, f"{lines:,}", *numbers)
    return table


def lines_in_one_file(rounds: int, sizes: Sequence[int] = SIZES) -> Iterable[Row]:
    """The GOOD examples of all rules, again and again under other names."""
    for size in sizes:
        text = samples.good(size)
        yield f"x{size}", text.count("\n"), measure.median(_one(text, DEFAULT), rounds)


def files(rounds: int, sizes: Sequence[int] = SIZES) -> Iterable[Row]:
    """The same file under many names, by one process."""
    text = samples.good(1)
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            written = {f"part{number}.py": text for number in range(size)}
            samples.written(Path(folder), {"pyproject.toml": "", **written})
            paths = [Path(folder) / name for name in written]
            cost = measure.median(_all(paths), rounds)
            yield f"x{size}", text.count("\n") * size, cost


def imports(rounds: int, whole: bool) -> Iterable[Row]:
    """Classes that build on classes of the next file; per line of all files of the chain."""
    for depth in DEPTHS:
        with tempfile.TemporaryDirectory() as folder:
            written = samples.chain(depth)
            samples.written(Path(folder), written)
            paths = [Path(folder) / name for name in written if "link" in name]
            lines = samples.lines(paths)
            cost = measure.median(_all(paths if whole else paths[:1]), rounds)
            yield f"{depth}", lines, cost


def findings(rounds: int, counts: Sequence[int] = COUNTS) -> Iterable[Row]:
    """The BAD examples of the rules, in turn, all rules on."""
    for count in counts:
        text = samples.bad(count)
        yield f"{count}", text.count("\n"), measure.median(_one(text, EVERYTHING), rounds)


def check(path: Path, text: str, selection: Selection = EVERYTHING) -> list[Finding]:
    """What is found in a text."""
    return engine.check(path, text, Settings(), selection)


def _one(text: str, selection: Selection) -> Callable[[], object]:
    return lambda: check(Path("/nowhere/measured.py"), text, selection)


def _all(paths: list[Path]) -> Callable[[], object]:
    return lambda: [check(path, path.read_text(encoding="utf-8"), DEFAULT) for path in paths]
