"""What confirming costs: findings of many classes against one import of flax.nnx.

``python bench/confirm.py`` lints and confirms 1, 10 and 100 findings with ``nnx-mode confirm``,
and runs ``python -c "import flax.nnx"`` in turn with it; it prints the ratio of wall times, the
median of the pairs. The findings are the BAD examples of the rules that have an oracle, two to a
file and each under names of its own, so that every class has its arguments searched; fixed
versions are run too.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flake8_nnx_mode.rules import registry

BAR = 6.0
"""For 100 findings of 50 classes or more, in imports of flax.nnx (DESIGN.md)."""
IMPORT = [sys.executable, "-c", "import flax.nnx"]


def main() -> None:
    """Measure and print a line for each number of findings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="pairs for each number (default 5)")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 10, 100])
    options = parser.parse_args()
    _seconds(IMPORT)  # what the disk has to be asked for once
    print("findings  classes  confirm  import  ratio (median of pairs)")
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            classes = _project(Path(folder), count)
            command = [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--fail-on", "never"]
            command += ["--select", "NNX", "--extend-select", "NNX105", folder]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert re.search(rf"^{count} findings?: {count} confirmed", found, re.M), found[-2000:]
            pairs = [(_seconds(command), _seconds(IMPORT)) for _ in range(options.rounds)]
        ratio = statistics.median(ours / plain for ours, plain in pairs)
        ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{count:8}  {classes:7}  {ours:6.2f}s  {plain:5.2f}s  {ratio:5.2f}", flush=True)
    print(f"the bar for 100 findings is {BAR}")


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def _project(folder: Path, count: int) -> int:
    """Write files with ``count`` findings; returns how many classes they define."""
    (folder / "pyproject.toml").write_text("[project]\nname = 'measured'\n")
    texts = _examples()
    classes = 0
    for number in range(0, count, 2):
        parts = [next(texts) for _ in range(min(2, count - number))]
        text = "\n".join(parts)
        classes += len(re.findall(r"^class ", text, re.M))
        (folder / f"part{number}.py").write_text(text)
    return classes


def _examples() -> Iterator[str]:
    """BAD examples without end, each under names that no other has."""
    entries = [entry for entry in registry() if entry.rule.oracle is not None]
    turn = 0
    while True:
        for entry in entries:
            defined = re.findall(r"^(?:class|def) (\w+)", entry.bad, re.M)
            text = entry.bad
            for name in defined:
                text = re.sub(rf"\b{name}\b", f"{name}_{entry.code}_{turn}", text)
            yield text
        turn += 1


if __name__ == "__main__":
    main()
