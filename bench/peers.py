"""flake8 with other plugins that read LibCST, and Fixit, beside flake8 alone: the same files.

TorchFix looks at a file only where ``torch`` stands in it, so its marker is put, as a comment, at
the end of a copy of each file; all tools get the copies.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import environments
import measure
import samples
from report import Table

_OPTIONS = ["--isolated", "-j1", "-qq"]
_EVERY = 10


def main(rounds: int) -> list[Table]:
    """Measure each of them."""
    files = samples.nnx_files(_EVERY)
    table = Table(
        f"Beside flake8 alone, {samples.size(files)} (each {_EVERY}th nnx file)",
        ("", "times flake8 alone", "spread", "CPU"),
    )
    with tempfile.TemporaryDirectory() as folder:
        names = [str(path) for path in _marked(files, Path(folder))]
        alone = [environments.flake8(), "-m", "flake8", *_OPTIONS, *names]
        for what, command in _commands(names):
            try:
                found = measure.in_turn(
                    partial(measure.command, command), partial(measure.command, alone), rounds
                )
            except subprocess.CalledProcessError as error:
                last = (error.stderr or "").strip().splitlines()[-1:]
                table.add(what, "it breaks", *last, "")
            else:
                table.add(what, f"{found.ratio:.2f}", found.spread, found.both)
    return [table]


def _commands(names: list[str]) -> Iterator[tuple[str, list[str]]]:
    for what, python in (
        ("flake8-nnx-mode", environments.ours()),
        (
            "TorchFix, its marker in each file",
            environments.python("torchfix", "flake8", "torchfix"),
        ),
        ("flake8-async", environments.python("async", "flake8", "flake8-async")),
    ):
        yield what, [python, "-m", "flake8", *_OPTIONS, *names]
    fixit = environments.python("fixit", "fixit")
    yield "Fixit, instead of flake8", [fixit, "-m", "fixit", "--quiet", "lint", *names]


def _marked(files: list[Path], folder: Path) -> Iterator[Path]:
    """Copies, with the marker of TorchFix in each; what they import from each other is there."""
    for path in files:
        copy = folder / path.relative_to(samples.STORE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8-sig").rstrip("\n")
        copy.write_text(f"{text}\n# torch\n", encoding="utf-8")
        yield copy
