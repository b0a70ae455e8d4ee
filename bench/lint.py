"""What linting costs beside flake8, beside LibCST, and at start-up.

* our share of a flake8 run on files without nnx, measured inside the process;
* flake8 with the plugin / flake8 alone, on the nnx files of public packages;
* `nnx-mode check` / `libcst.parse_module` of the same files;
* one small file, as an editor asks for it: time and peak memory.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import environments
import measure
import samples
from report import Table

OPTIONS = ["--isolated", "-j1", "-qq"]

# In one process: flake8's main, with the time inside our plugin counted; says "share libcst".
_SHARE = """\
import sys, time
from flake8.main.application import Application
from flake8_nnx_mode.flake8_plugin import Checker
spent = 0.0
run, init = Checker.run, Checker.__init__
def timed_init(self, tree, lines, filename):
    global spent
    begun = time.process_time_ns()
    init(self, tree, lines, filename)
    spent += time.process_time_ns() - begun
def timed_run(self):
    global spent
    begun = time.process_time_ns()
    found = list(run(self))
    spent += time.process_time_ns() - begun
    yield from found
Checker.run, Checker.__init__ = timed_run, timed_init
begun = time.process_time_ns()
Application().run(sys.argv[1:])
whole = time.process_time_ns() - begun
print(spent / whole, "libcst" in sys.modules, file=sys.stderr)
"""
_PARSE = """\
import sys
from pathlib import Path
import libcst
for name in sys.argv[1:]:
    libcst.parse_module(Path(name).read_bytes())
"""
_PLAIN = "def double(x):\n    return 2 * x\n"
_NNX = """\
from flax import nnx


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, *, deterministic: bool = False):
        return self.dropout(self.linear(x), deterministic=deterministic)
"""


MOST_OF_FLAKE8, MOST_OF_PARSING = 0.05, 6.0
"""The bounds of ``--short``: of our share without nnx, and of `check` / `parse_module`."""


def main(rounds: int) -> list[Table]:
    """Measure all of it."""
    plain, nnx = samples.plain_files(4), samples.nnx_files()
    names = ", ".join(samples.PACKAGES)
    print(f"without nnx: {samples.size(plain)}, of the standard library, without its tests")
    print(f"with nnx: {samples.size(nnx)}, of {names}")
    table = Table("Linting", ("", "measured", "bar", "spread", "CPU"))
    share, libcst = share_of_flake8(environments.ours(), plain, rounds)
    table.add("our share of flake8, files without nnx", f"{share:.2%}", "2 %", "", "")
    if libcst:
        table.add("libcst is imported for them", "yes", "no", "", "")
    for title, bar, found in (
        ("flake8 with us / alone, nnx files", 1.3, with_and_alone(nnx, rounds)),
        ("`nnx-mode check` / `parse_module`", 0.5, check_and_parse(nnx, rounds)),
    ):
        table.add(title, f"{found.ratio:.2f}", f"{bar}", found.spread, found.both)
    return [table, start_up(rounds)]


def too_dear() -> Iterator[str]:
    """What is far beyond the bars, on the files of the repository."""
    share, libcst = share_of_flake8(sys.executable, samples.plain_files(20), 1)
    print(f"our share of flake8: {share:.2%} (bound {MOST_OF_FLAKE8:.0%})", flush=True)
    if share > MOST_OF_FLAKE8 or libcst:
        yield "share"
    examples = sorted((samples.ROOT / "examples").rglob("*.py"))
    found = check_and_parse(examples, 1, sys.executable)
    print(f"`nnx-mode check` / `parse_module`: {found.ratio:.2f} (bound {MOST_OF_PARSING})")
    if found.ratio > MOST_OF_PARSING:
        yield "check"


def share_of_flake8(python: str, files: Sequence[Path], rounds: int) -> tuple[float, bool]:
    """The median of our share of a run, and whether LibCST was imported."""
    shares, imported = [], "False"
    for _ in range(rounds):
        command = [python, "-c", _SHARE, *OPTIONS, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        share, imported = done.stderr.splitlines()[-1].split()
        shares.append(float(share))
    return statistics.median(shares), imported == "True"


def with_and_alone(files: Sequence[Path], rounds: int) -> measure.Compared:
    """flake8 with this plugin and no other, against flake8 without any."""
    names = [str(file) for file in files]
    return measure.in_turn(
        lambda: measure.command([*_flake8(environments.ours()), *names]),
        lambda: measure.command([*_flake8(environments.flake8()), *names]),
        rounds,
    )


def check_and_parse(
    files: Sequence[Path], rounds: int, python: str | None = None
) -> measure.Compared:
    """`nnx-mode check` in one process against parsing each file whole; imports of both count."""
    names, python = [str(file) for file in files], python or environments.ours()
    return measure.in_turn(
        lambda: measure.command([*_check(python), *names]),
        lambda: measure.command([python, "-c", _PARSE, *names]),
        rounds,
    )


def start_up(rounds: int) -> Table:
    """One small file with and without nnx, by flake8 and by the command."""
    table = Table("One small file, as an editor asks for it", ("", "CPU", "peak memory"))
    ours, alone = environments.ours(), environments.flake8()
    with tempfile.TemporaryDirectory() as folder:
        samples.written(Path(folder), {"plain.py": _PLAIN, "layer.py": _NNX, "pyproject.toml": ""})
        for what, command in (
            ("`python -c pass`", [ours, "-c", "pass"]),
            ("flake8 alone", [*_flake8(alone), "plain.py"]),
            ("flake8 with us, no nnx in the file", [*_flake8(ours), "plain.py"]),
            ("flake8 with us, nnx in the file", [*_flake8(ours), "layer.py"]),
            ("`nnx-mode check`, no nnx in the file", [*_check(ours), "plain.py"]),
            ("`nnx-mode check`, nnx in the file", [*_check(ours), "layer.py"]),
        ):
            costs = [measure.command(command, Path(folder)) for _ in range(3 * rounds + 1)][1:]
            cpu = statistics.median(cost.cpu for cost in costs)
            memory = statistics.median(cost.memory for cost in costs)
            table.add(what, f"{cpu:.3f} s", f"{memory:.0f} MB")
    return table


def _flake8(python: str) -> list[str]:
    return [python, "-m", "flake8", *OPTIONS]


def _check(python: str) -> list[str]:
    own = [python, "-m", "flake8_nnx_mode", "check", "--jobs", "1"]
    return [*own, "--format", "concise"]
