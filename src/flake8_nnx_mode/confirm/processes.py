"""What starting, hearing and ending processes comes to, wherever they come from."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from flake8_nnx_mode.confirm.jobs import Job

TAIL = 1 << 14
"""How much is kept of what a process writes to stderr; faulthandler's dump fits."""
_MOST_PIECES = 1 << 8
CHUNK = 1 << 16
"""What is read at a time: as much as a pipe holds."""
CLOSING_TIME = 5.0
"""Seconds for what was killed to be gone."""


@dataclass(frozen=True, slots=True)
class Said:
    """A line from a process, or from the command (``pid`` is None); text None: it is gone."""

    pid: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A process and its group are no more."""

    pid: int
    code: int
    """What it exited with; negative: the signal that killed it."""
    tail: str
    """The end of what it wrote to stderr."""


Event = Said | Ended


class Processes(Protocol):
    """Processes that each work on one job."""

    ready_at_start: bool
    """Whether a process works from its start on; else its first line says that it does now."""

    def start(self, job: Job) -> int:
        """The pid of a new process that works on ``job``.

        Raises:
            OSError: the machine has no room for one.
        """
        ...

    def wait(self, timeout: float | None) -> Iterator[Event]:
        """What has happened, waiting for it if need be, ``timeout`` seconds at most."""
        ...

    def kill(self, pid: int) -> None:
        """Kill a process with its group; ``Ended`` follows."""
        ...

    def close(self) -> None:
        """Leave no process behind."""
        ...


@dataclass(slots=True)
class Lines:
    """Makes lines of pieces; what never ends is cut."""

    rest: list[bytes] = field(default_factory=list)

    def add(self, piece: bytes) -> list[str]:
        """The lines that ``piece`` completes."""
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = b"".join([*self.rest, lines[0]])
            self.rest.clear()
        if len(self.rest) < _MOST_PIECES:
            self.rest.append(rest)
        return [line.decode(errors="replace") for line in lines]


def kill(pid: int) -> None:
    """Kill a process, if there is one."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """Kill the process group of that number, if there is one."""
    with suppress(ProcessLookupError, PermissionError):  # macOS forbids it where all are dead
        os.killpg(pid, signal.SIGKILL)


def remove(folder: str) -> None:
    """Remove a folder whatever is in it."""
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if sys.platform != "win32" and os.path.lexists(folder):
        # What its maker has locked, or nested deeper than Python likes.
        for order in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*order, "--", folder], stderr=subprocess.DEVNULL, check=False)
