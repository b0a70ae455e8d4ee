"""Children forked from a process that has imported what they need; Linux only."""

import os
import selectors
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from flake8_nnx_mode.confirm import cage
from flake8_nnx_mode.confirm.jobs import Job
from flake8_nnx_mode.confirm.processes import (
    CHUNK,
    CLOSING_TIME,
    TAIL,
    Ended,
    Event,
    Lines,
    Said,
    kill,
    kill_group,
    remove,
)

Work = Callable[[Job, str, int, int], NoReturn]
"""What a forked process does: its job, its scratch folder, where to answer, where stderr goes."""


@dataclass(slots=True)
class _Forked:
    channel: int
    stderr: int
    scratch: str
    lines: Lines = field(default_factory=Lines)
    tail: bytes = b""


class Forks:
    """Children of this process; ``commands`` is the pipe from the command."""

    ready_at_start = True

    def __init__(
        self,
        commands: int,
        scratch: str,
        work: Work,
    ) -> None:
        self._commands = commands
        self._scratch = scratch
        self._work = work
        self._known: dict[int, _Forked] = {}
        self._started = 0
        self._lines = Lines()
        self._selector = selectors.DefaultSelector()
        self._selector.register(commands, selectors.EVENT_READ)
        self._alarm, alarm_in = os.pipe2(os.O_NONBLOCK)
        self._own = (commands, self._alarm, alarm_in)
        signal.set_wakeup_fd(alarm_in, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler no wake-up either
        self._selector.register(self._alarm, selectors.EVENT_READ)
        cage.adopt_orphans()

    def start(self, job: Job) -> int:
        """See ``Processes``."""
        self._started += 1
        scratch = os.path.join(self._scratch, str(self._started))
        os.mkdir(scratch, 0o700)
        channel, channel_in = os.pipe()
        stderr, stderr_in = os.pipe()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # jax's, about its threads: without backend, none
                pid = os.fork()
        except OSError:
            for number in (channel, channel_in, stderr, stderr_in):
                os.close(number)
            os.rmdir(scratch)
            raise
        if pid == 0:
            try:
                self._leave(channel, stderr)
                self._work(job, scratch, channel_in, stderr_in)
            finally:
                os._exit(1)
        os.close(channel_in)
        os.close(stderr_in)
        self._known[pid] = _Forked(channel, stderr, scratch)
        for number in (channel, stderr):
            os.set_blocking(number, False)
            self._selector.register(number, selectors.EVENT_READ, pid)
        return pid

    def _leave(self, *numbers: int) -> None:
        """In a new child: let go of what is the parent's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for number in (*self._own, *numbers):
            os.close(number)
        for other in self._known.values():
            os.close(other.channel)
            os.close(other.stderr)

    def wait(self, timeout: float | None) -> Iterator[Event]:
        """See ``Processes``."""
        ended = False
        for key, _ in self._selector.select(timeout):
            if key.fd == self._commands:
                yield from self._hear_command()
            elif key.fd == self._alarm:
                os.read(self._alarm, CHUNK)
                ended = True
            else:
                yield from self._hear(key.data, key.fd)
        if ended:  # after all that was said
            yield from self._reap()

    def _hear_command(self) -> Iterator[Said]:
        piece = os.read(self._commands, CHUNK)
        for text in self._lines.add(piece):
            yield Said(None, text)
        if not piece:
            self._selector.unregister(self._commands)
            yield Said(None, None)

    def _hear(self, pid: int, number: int) -> Iterator[Said]:
        forked = self._known[pid]
        try:
            piece = os.read(number, CHUNK)
        except BlockingIOError:
            return
        if not piece:
            self._selector.unregister(number)
        elif number == forked.stderr:
            forked.tail = (forked.tail + piece)[-TAIL:]
        else:
            for text in forked.lines.add(piece):
                yield Said(pid, text)

    def _reap(self) -> Iterator[Event]:
        while (pid := _dead_child()) is not None:
            if pid in self._known:  # while its number cannot be given to another
                kill_group(pid)
                yield from self._drain(pid)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for stray in _children() - self._known.keys():
                kill(stray)
            if pid in self._known:
                forked = self._known.pop(pid)
                os.close(forked.channel)
                os.close(forked.stderr)
                remove(forked.scratch)
                yield Ended(pid, code, forked.tail.decode(errors="replace"))

    def _drain(self, pid: int) -> Iterator[Said]:
        """What a dead process left in its pipes: each holds no more than a chunk."""
        forked = self._known[pid]
        for number in (forked.channel, forked.stderr):
            if number in self._selector.get_map():
                yield from self._hear(pid, number)
            if number in self._selector.get_map():
                self._selector.unregister(number)

    def kill(self, pid: int) -> None:
        """See ``Processes``."""
        kill(pid)  # it may not have made its group yet
        kill_group(pid)

    def close(self) -> None:
        """See ``Processes``."""
        for pid in self._known:
            self.kill(pid)
        while self._known or _children():
            for stray in _children() - self._known.keys():
                kill(stray)
            if not self._selector.select(CLOSING_TIME):
                break
            for _ in self.wait(0):
                pass
        self._selector.close()


def _dead_child() -> int | None:
    try:
        dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if dead is None else dead.si_pid


def _children() -> set[int]:
    """All children of this process, adopted ones too."""
    found: set[int] = set()
    for thread in os.listdir("/proc/self/task"):
        with suppress(OSError):  # the thread has ended; or a kernel that does not tell
            text = Path(f"/proc/self/task/{thread}/children").read_text(encoding="ascii")
            found.update(map(int, text.split()))
    return found
