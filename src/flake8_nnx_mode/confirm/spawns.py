"""Children that start afresh and import everything themselves, for where there is no fork."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO

from flake8_nnx_mode.confirm.jobs import Job, encode
from flake8_nnx_mode.confirm.processes import (
    CHUNK,
    CLOSING_TIME,
    TAIL,
    Ended,
    Event,
    Lines,
    Said,
    kill_group,
    remove,
)


class Spawns:
    """Fresh processes; ``order`` is the command line of one that is to work in a folder."""

    ready_at_start = False

    def __init__(
        self,
        commands: int,
        scratch: str,
        order: Callable[[str], list[str]],
    ) -> None:
        self._scratch = scratch
        self._order = order
        self._known: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0
        # Threads, since Windows cannot wait for pipes.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        _in_background(self._listen, None, os.fdopen(commands, "rb"))

    def start(self, job: Job) -> int:
        """See ``Processes``."""
        self._started += 1
        scratch = os.path.join(self._scratch, str(self._started))
        os.mkdir(scratch, 0o700)
        process = subprocess.Popen(
            self._order(scratch),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._known[process.pid] = process
        _in_background(self._attend, process, encode(job), scratch)
        return process.pid

    def wait(self, timeout: float | None) -> Iterator[Event]:
        """See ``Processes``."""
        try:
            event = self._events.get(timeout=timeout)
            while True:
                if isinstance(event, Ended):
                    del self._known[event.pid]
                yield event
                event = self._events.get_nowait()
        except queue.Empty:
            return

    def kill(self, pid: int) -> None:
        """See ``Processes``."""
        if sys.platform == "win32":
            order = ["taskkill", "/F", "/T", "/PID", str(pid)]
            subprocess.run(order, capture_output=True, check=False)
        else:
            kill_group(pid)
        self._known[pid].kill()

    def close(self) -> None:
        """See ``Processes``."""
        for pid, process in self._known.items():
            self.kill(pid)
            process.wait()

    def _attend(self, process: subprocess.Popen[bytes], job: str, scratch: str) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        tail: list[bytes] = [b""]
        voices = (
            _in_background(self._listen, process.pid, process.stdout),
            _in_background(_keep_tail, process.stderr, tail),
        )
        with suppress(OSError), process.stdin as jobs:  # it may have died already
            jobs.write(job.encode() + b"\n")
        code = process.wait()
        if sys.platform != "win32":
            kill_group(process.pid)
        for voice in voices:  # they end with the last process that can write
            voice.join(CLOSING_TIME)
        remove(scratch)
        self._events.put(Ended(process.pid, code, tail[0].decode(errors="replace")))

    def _listen(self, pid: int | None, stream: IO[bytes]) -> None:
        lines = Lines()
        while piece := os.read(stream.fileno(), CHUNK):
            for text in lines.add(piece):
                self._events.put(Said(pid, text))
        if pid is None:
            self._events.put(Said(None, None))


def _in_background(act: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=act, args=args, daemon=True)
    thread.start()
    return thread


def _keep_tail(stream: IO[bytes], tail: list[bytes]) -> None:
    while piece := os.read(stream.fileno(), CHUNK):
        tail[0] = (tail[0] + piece)[-TAIL:]
