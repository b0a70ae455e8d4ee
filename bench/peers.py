"""flake8 with other plugins that read LibCST, and Fixit, beside flake8 alone: the same files.

TorchFix looks at a file only where ``torch`` stands in it, so its marker is put, as a comment, at
the end of a copy of each file; all tools get the copies.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import environments
import measure
import samples

_OPTIONS = ["--isolated", "-j1", "-qq"]


def main(rounds: int, every: int) -> None:
    """Measure and print each of them."""
    files = samples.nnx_files(every)
    if not files:
        print("\nno nnx files: run tools/ecosystem.py, which downloads them")
        return
    print(f"\nbeside flake8 alone, {len(files)} nnx files, {samples.lines(files)} lines")
    with tempfile.TemporaryDirectory() as folder:
        names = [str(path) for path in _marked(files, Path(folder))]
        alone = [environments.flake8(), "-m", "flake8", *_OPTIONS, *names]
        for what, command in _commands(names, folder):
            found = measure.in_turn(
                lambda command=command: measure.command(command),  # type: ignore[misc]
                lambda: measure.command(alone),
                rounds,
            )
            print(f"{what:20} {found}", flush=True)


def _commands(names: list[str], folder: str) -> Iterator[tuple[str, list[str]]]:
    for what, python in (
        ("flake8-nnx-mode", environments.ours()),
        ("TorchFix", environments.python("torchfix", "flake8", "torchfix")),
        ("flake8-async", environments.python("async", "flake8", "flake8-async")),
    ):
        yield what, [python, "-m", "flake8", *_OPTIONS, *names]
    fixit = environments.python("fixit", "fixit")
    yield "Fixit (instead)", [fixit, "-m", "fixit", "--quiet", "lint", folder]


def _marked(files: list[Path], folder: Path) -> Iterator[Path]:
    """Copies, with the marker of TorchFix in each; what they import from each other is there."""
    for path in files:
        copy = folder / path.relative_to(samples.STORE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8-sig").rstrip("\n")
        copy.write_text(f"{text}\n# torch\n", encoding="utf-8")
        yield copy
