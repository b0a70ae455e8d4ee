"""What linting costs beside flake8, beside LibCST, and at start-up.

* our share of a flake8 run on files without nnx, measured inside the process;
* flake8 with the plugin / flake8 alone, on the nnx files of public packages;
* `nnx-mode check` / `libcst.parse_module` of the same files;
* one small file, as an editor asks for it: time and peak memory.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import environments
import measure
import samples

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


def main(rounds: int, every: int) -> None:
    """Measure and print all of it, on each ``every``-th file."""
    plain, nnx = samples.plain_files(every), samples.nnx_files(every)
    print(f"\n{len(plain)} files without nnx, {samples.lines(plain)} lines (standard library)")
    share, libcst = share_of_flake8(plain, rounds)
    print(f"our share of flake8's CPU    {share:8.4%}  (bar 2 %; libcst imported: {libcst})")
    if nnx:
        print(f"\n{len(nnx)} nnx files, {samples.lines(nnx)} lines")
        print("flake8 with us / alone      ", with_and_alone(nnx, rounds), "bar 1.3", flush=True)
        print("nnx-mode check / parse      ", check_and_parse(nnx, rounds), "bar 0.5", flush=True)
    else:
        print("\nno nnx files: run tools/ecosystem.py, which downloads them")
    print("\none small file, whole process")
    start_up(rounds)


def share_of_flake8(files: Sequence[Path], rounds: int) -> tuple[float, str]:
    """The median of our share of a run, and whether LibCST was imported."""
    shares, imported = [], ""
    for _ in range(rounds):
        command = [environments.ours(), "-c", _SHARE, *OPTIONS, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        share, imported = done.stderr.splitlines()[-1].split()
        shares.append(float(share))
    return statistics.median(shares), imported


def with_and_alone(files: Sequence[Path], rounds: int) -> measure.Compared:
    """flake8 with this plugin and no other, against flake8 without any."""
    names = [str(file) for file in files]
    return measure.in_turn(
        lambda: measure.command([*_flake8(environments.ours()), *names]),
        lambda: measure.command([*_flake8(environments.flake8()), *names]),
        rounds,
    )


def check_and_parse(files: Sequence[Path], rounds: int) -> measure.Compared:
    """`nnx-mode check` in one process against parsing each file whole; imports of both count."""
    names = [str(file) for file in files]
    return measure.in_turn(
        lambda: measure.command([*_check(), *names]),
        lambda: measure.command([environments.ours(), "-c", _PARSE, *names]),
        rounds,
    )


def start_up(rounds: int) -> None:
    """One small file with and without nnx, by flake8 and by the command."""
    with tempfile.TemporaryDirectory() as folder:
        samples.written(Path(folder), {"plain.py": _PLAIN, "layer.py": _NNX, "pyproject.toml": ""})
        for what, command in (
            ("python -c pass", [environments.ours(), "-c", "pass"]),
            ("flake8 alone, plain.py", [*_flake8(environments.flake8()), "plain.py"]),
            ("flake8 with us, plain.py", [*_flake8(environments.ours()), "plain.py"]),
            ("flake8 with us, layer.py", [*_flake8(environments.ours()), "layer.py"]),
            ("nnx-mode check plain.py", [*_check(), "plain.py"]),
            ("nnx-mode check layer.py", [*_check(), "layer.py"]),
        ):
            costs = [measure.command(command, Path(folder)) for _ in range(rounds + 1)][1:]
            cpu = statistics.median(cost.cpu for cost in costs)
            memory = statistics.median(cost.memory for cost in costs)
            print(f"{what:26} {cpu:6.3f} s CPU  {memory:6.1f} MB", flush=True)


def _flake8(python: str) -> list[str]:
    return [python, "-m", "flake8", *OPTIONS]


def _check() -> list[str]:
    own = [environments.ours(), "-m", "flake8_nnx_mode", "check", "--jobs", "1"]
    return [*own, "--format", "concise"]
