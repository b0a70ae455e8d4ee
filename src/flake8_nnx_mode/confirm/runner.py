"""The command's side: starts the other side, sends it jobs, and hands on what comes back."""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from flake8_nnx_mode.confirm.bootstrap import (
    CAN_FORK,
    NO_MORE_JOBS,
    RUN_JOB,
    UNFIT,
    Options,
    command,
)
from flake8_nnx_mode.confirm.jobs import Hello, Job, Outcome, decode, encode

_CLOSING_TIME = 10.0


class RunnerError(Exception):
    """The interpreter cannot confirm anything; the message says why and what to do."""


_Answer = Hello | Outcome | RunnerError


class Runner:
    """Runs jobs in the project's interpreter; a context manager that leaves nothing behind.

    Nothing is started before there is a job or ``start`` is called, and only ``outcomes`` waits for
    what the other side does.

    Args:
        python: The interpreter; None: the one that runs this.
        workers: At most so many files at a time.
        time_limit: Seconds of wall time for one finding.
        platforms: What ``JAX_PLATFORMS`` is set to; empty: it stays as it is.
        run: What a child does with its job, as ``module:function``.
        fork: Whether children are forked, or start afresh.
    """

    def __init__(
        self,
        python: Path | None,
        *,
        workers: int,
        time_limit: float,
        platforms: str = "cpu",
        run: str = RUN_JOB,
        fork: bool = CAN_FORK,
    ) -> None:
        self._python = python
        self._platforms = platforms
        self._options = Options(
            workers=workers,
            time_limit=time_limit,
            scratch="",
            run=run,
            fork=fork,
            limit_memory=sys.platform == "linux" and platforms == "cpu",
        )
        self._process: subprocess.Popen[str] | None = None
        self._scratch = ""
        self._unanswered: set[int] = set()
        # Threads, so that neither side ever waits for the other to read.
        self._to_send: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._received: queue.SimpleQueue[_Answer | None] = queue.SimpleQueue()
        self._ready = False
        self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process of the other side, once it is started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Have the other side import jax while this one goes on.

        Raises:
            RunnerError: there is no such interpreter.
        """
        if self._process is not None:
            return
        python = _find(self._python)
        environment = dict(os.environ)
        if self._platforms:
            environment["JAX_PLATFORMS"] = self._platforms
        environment["JAX_ENABLE_COMPILATION_CACHE"] = "0"  # it writes where a child may not
        self._scratch = tempfile.mkdtemp(prefix="nnx-mode-")
        options = replace(self._options, scratch=self._scratch)
        try:
            with open(self._stderr, "wb") as stderr:
                self._process = subprocess.Popen(
                    command(python, "pool", options),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    encoding="utf-8",
                    errors="replace",
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the command, which ends it
                )
        except OSError as error:
            raise RunnerError(f"{python} cannot be started: {error.strerror}") from None
        for act in (self._send, self._receive):
            threading.Thread(target=act, args=(self._process,), daemon=True).start()

    def submit(self, job: Job) -> None:
        """Have ``job`` done; starts the other side if need be.

        Raises:
            RunnerError: there is no such interpreter.
        """
        self.start()
        self._unanswered.update(task.number for task in job.tasks)
        self._to_send.put(encode(job))

    def finish(self) -> None:
        """There are no more jobs."""
        self._to_send.put(NO_MORE_JOBS)

    def outcomes(self) -> Iterator[Hello | Outcome]:
        """What comes back, as it comes: first a ``Hello``, then an ``Outcome`` for each finding.

        It ends when all is done, which cannot be before ``finish``; at once if nothing was started.

        Raises:
            RunnerError: nothing can be confirmed in this interpreter.
        """
        if self._process is None:
            return
        while (answer := self._received.get()) is not None:
            if isinstance(answer, RunnerError):
                raise answer
            if isinstance(answer, Outcome):
                self._unanswered.discard(answer.number)
            yield answer
        if not self._ready:
            raise RunnerError(self._unfit(f"did not start as a Python does: {self._last_words()}"))
        for number in sorted(self._unanswered):
            words = "the process that starts all others was killed"
            yield Outcome(number, "INCONCLUSIVE", words, reason="process")

    def close(self) -> None:
        """Kill whatever runs, and leave no file behind."""
        try:
            if self._process is not None:
                self._end(self._process)
        finally:
            if self._scratch:
                shutil.rmtree(self._scratch, ignore_errors=True)

    def _end(self, process: subprocess.Popen[str]) -> None:
        self._closing = True
        self._to_send.put(None)
        try:
            if not self._ready:  # it reads nothing while it imports jax, and has no children
                process.kill()
            process.wait(_CLOSING_TIME)
        finally:
            process.kill()
            process.wait()

    def _send(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        with suppress(OSError), process.stdin as stream:
            while not self._closing and (line := self._to_send.get()) is not None:
                stream.write(line + "\n")
                stream.flush()

    def _receive(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as stream:
            for line in stream:
                if line.startswith(UNFIT):
                    what = line.removeprefix(UNFIT).strip()
                    self._received.put(RunnerError(self._unfit(what)))
                # Else it is what an interpreter's start-up file has printed.
                elif line.startswith("{") and not isinstance(answer := decode(line), Job):
                    self._ready = True
                    self._received.put(answer)
        self._received.put(None)

    @property
    def _stderr(self) -> Path:
        return Path(self._scratch, "stderr")

    def _last_words(self) -> str:
        lines: list[str] = []
        with suppress(OSError):
            lines = self._stderr.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it says nothing")

    def _unfit(self, what: str) -> str:
        return f"{self._python or sys.executable} {what}"


def _find(python: Path | None) -> str:
    if python is None:
        return sys.executable
    if python.is_dir():
        inside = python / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        hint = f"; did you mean {inside}?" if inside.exists() else ""
        raise RunnerError(f"--python takes an interpreter, and {python} is a folder{hint}")
    if python.exists():
        return str(python.absolute())  # not resolved: a link is how a venv is known
    found = shutil.which(python)
    if found is None:
        raise RunnerError(f"there is no interpreter {python}; name one that exists with --python")
    return found
