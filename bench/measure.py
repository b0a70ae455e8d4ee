"""How costs are measured: CPU time, in fresh processes, in turn, and medians of pairs.

Machines differ and are shared, so what is compared is always measured in one go, and only ratios
are worth keeping. CPU time is used throughout, unless processes of a command work side by side.
"""

import gc
import multiprocessing
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A small process between us and a command: the most memory that a process is said to have held
# begins with what its parent held when it was started.
_LAUNCHER = """\
import os, resource, sys
arguments = sys.argv[1:]
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
# What it says on standard error is ours: there a traceback would be.
child = os.posix_spawnp(arguments[0], arguments, os.environ, file_actions=quiet)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost."""

    cpu: float
    """Seconds of CPU time, user and system."""
    memory: float = 0.0
    """The most memory it held, in MB; that of Python and its imports included."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The costs of two things that were measured in turn."""

    ours: float
    """Median of CPU seconds."""
    other: float
    """Median of CPU seconds."""
    ratio: float
    """Median of the ratios of the pairs."""
    lowest: float
    """The lowest of these."""
    highest: float
    """The highest of these."""

    @property
    def spread(self) -> str:
        """The ratios, from the lowest to the highest."""
        return f"{self.lowest:.2f} to {self.highest:.2f}"

    @property
    def both(self) -> str:
        """The CPU seconds of both."""
        return f"{self.ours:.2f} s / {self.other:.2f} s"


def compared(pairs: Sequence[tuple[float, float]]) -> Compared:
    """What costs in turn, ours and the other's, say together."""
    ratios = sorted(ours / other for ours, other in pairs)
    return Compared(
        statistics.median(ours for ours, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(ratios),
        ratios[0],
        ratios[-1],
    )


def in_turn(
    ours: Callable[[], Cost], other: Callable[[], Cost], rounds: int, warm: bool = True
) -> Compared:
    """Measure both ``rounds`` times, which goes first changing; once before that if ``warm``."""
    if warm:
        ours(), other()
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            second = other().cpu
            pairs.append((ours().cpu, second))
        else:
            pairs.append((ours().cpu, other().cpu))
    return compared(pairs)


def command(arguments: Sequence[str], folder: Path | None = None) -> Cost:
    """Run a command with its output thrown away; what it and its processes cost.

    Raises:
        subprocess.CalledProcessError: it broke: a signal, a usage error, or a traceback.
    """
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, *arguments]
    done = subprocess.run(launcher, cwd=folder, capture_output=True, text=True, check=True)
    code, cpu, memory = done.stdout.split()
    if code not in ("0", "1") or "Traceback (most recent call last)" in done.stderr:
        raise subprocess.CalledProcessError(int(code), list(arguments), stderr=done.stderr)
    return Cost(float(cpu), float(memory))


def apart(work: Callable[[], object]) -> Cost:
    """What ``work`` costs in a fork: imports are done, and nothing of other work is remembered."""
    process = multiprocessing.get_context("fork")
    mine, its = process.Pipe(duplex=False)
    child = process.Process(target=_work, args=(its, work))
    child.start()
    its.close()
    try:
        cost: Cost = mine.recv()
    finally:
        child.join()
    return cost


def _work(pipe: Any, work: Callable[[], object]) -> None:
    gc.freeze()  # what was there before is not looked through again
    begun = time.process_time()
    work()
    used = time.process_time() - begun
    pipe.send(Cost(used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def median(work: Callable[[], object], rounds: int) -> float:
    """The median of what ``work`` costs in forks, in CPU seconds."""
    return statistics.median(apart(work).cpu for _ in range(rounds))
