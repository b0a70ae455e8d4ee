"""What confirming costs: findings of many classes against one import of flax.nnx.

`nnx-mode confirm` lints and confirms 1 to 1,000 findings, and ``python -c "import flax.nnx"`` runs
in turn with it; the ratios are those of wall times, as confirming uses all processors. The findings
are the BAD examples of the rules that have an oracle, two to a file and each under names of its
own, so that every class has its arguments searched; fixed versions are run too.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import samples
from flake8_nnx_mode.rules import registry
from report import Table

COUNTS = (1, 10, 100, 1_000)
BARS = {100: "6"}
"""In imports of flax.nnx, for 100 findings of 50 classes or more (DESIGN.md)."""
_IMPORT = [sys.executable, "-c", "import flax.nnx"]


def main(rounds: int) -> list[Table]:
    """Measure each number of findings; the most of them once."""
    table = Table(
        "Confirming, in imports of flax.nnx, wall time",
        ("findings", "classes", "ratio", "bar", "confirm / import"),
    )
    _seconds(_IMPORT)  # what the disk has to be asked for once
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            classes = _project(Path(folder), count)
            command = [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--fail-on", "never"]
            command += ["--select", "NNX", "--extend-select", "NNX105", folder]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            if not re.search(
                rf"^{count} findings?: {count} confirmed", found.replace(",", ""), re.M
            ):
                sys.exit(f"not all of {count} findings are confirmed: {found[-500:]}")
            turns = rounds if count < COUNTS[-1] else 1
            pairs = [(_seconds(command), _seconds(_IMPORT)) for _ in range(turns)]
        ratio = statistics.median(ours / plain for ours, plain in pairs)
        ours, plain = (statistics.median(side) for side in zip(*pairs, strict=True))
        times = f"{ours:.2f} s / {plain:.2f} s"
        table.add(f"{count:,}", f"{classes:,}", f"{ratio:.2f}", BARS.get(count, ""), times)
    return [table]


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def _project(folder: Path, count: int) -> int:
    """Write files with ``count`` findings; returns how many classes they define."""
    entries = [entry for entry in registry() if entry.rule.oracle is not None]
    texts = [samples.renamed(entries[n % len(entries)].bad, n) for n in range(count)]
    pairs = ["\n".join(texts[at : at + 2]) for at in range(0, count, 2)]
    files = {f"part{number}.py": text for number, text in enumerate(pairs)}
    samples.written(folder, {"pyproject.toml": "[project]\nname = 'measured'\n", **files})
    return sum(len(re.findall(r"^class ", text, re.M)) for text in texts)
