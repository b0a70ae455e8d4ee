"""What 1,000 lines cost as there are more of them: it must stay as it is.

Measured inside the process, with everything imported, in forks that share nothing: more lines in
one file, more files, longer chains of imports, more findings in one file.
"""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import measure
import samples
from flake8_nnx_mode import engine
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.selection import DEFAULT, EVERYTHING, Selection
from flake8_nnx_mode.settings import Settings

SIZES = (1, 4, 16, 64)
DEPTHS = (1, 3, 10, 30, 100)
COUNTS = (1, 4, 16, 75, 300)

Row = tuple[str, int, int, float]
"""What was done, how much of it, in how many lines, and CPU seconds."""


def main(rounds: int) -> None:
    """Measure and print all curves."""
    check(Path("warm.py"), samples.good(1) + samples.bad(40))  # imports and first uses
    for title, rows in (
        ("lines in one file", lines_in_one_file(rounds)),
        ("files", files(rounds)),
        ("imports deep, all files", imports(rounds, whole=True)),
        ("imports deep, the first file", imports(rounds, whole=False)),
        ("findings in one file", findings(rounds)),
    ):
        print(f"\n{title}")
        first = 0.0
        for what, amount, lines, seconds in rows:
            each = seconds / lines * 1e6
            first = first or each
            print(
                f"{what:14} x{amount:<4} {lines:6} lines {seconds * 1e3:9.1f} ms"
                f" {each:8.1f} ms/1,000 lines  {each / first:5.2f} of the first",
                flush=True,
            )


def lines_in_one_file(rounds: int) -> Iterable[Row]:
    """The GOOD examples of all rules, again and again under other names."""
    for size in SIZES:
        text = samples.good(size)
        yield "good", size, text.count("\n"), measure.median(_one(text, DEFAULT), rounds)


def files(rounds: int) -> Iterable[Row]:
    """The same file under many names, by one process."""
    text = samples.good(1)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            written = {f"part{number}.py": text for number in range(size)}
            samples.written(Path(folder), {"pyproject.toml": "", **written})
            paths = [Path(folder) / name for name in written]
            cost = measure.median(_all(paths), rounds)
            yield "files", size, text.count("\n") * size, cost


def imports(rounds: int, whole: bool) -> Iterable[Row]:
    """Classes that build on classes of the next file; per line of all files of the chain."""
    for depth in DEPTHS:
        with tempfile.TemporaryDirectory() as folder:
            written = samples.chain(depth)
            samples.written(Path(folder), written)
            paths = [Path(folder) / name for name in written if "link" in name]
            lines = samples.lines(paths)
            cost = measure.median(_all(paths if whole else paths[:1]), rounds)
            yield "deep", depth, lines, cost


def findings(rounds: int) -> Iterable[Row]:
    """The BAD examples of the rules, in turn, all rules on."""
    for count in COUNTS:
        text = samples.bad(count)
        yield "findings", count, text.count("\n"), measure.median(_one(text, EVERYTHING), rounds)


def check(path: Path, text: str, selection: Selection = EVERYTHING) -> list[Finding]:
    """What is found in a text."""
    return engine.check(path, text, Settings(), selection)


def _one(text: str, selection: Selection) -> Callable[[], object]:
    return lambda: check(Path("/nowhere/measured.py"), text, selection)


def _all(paths: list[Path]) -> Callable[[], object]:
    return lambda: [check(path, path.read_text(encoding="utf-8"), DEFAULT) for path in paths]
