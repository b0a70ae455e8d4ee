"""The other side: a parent that has imported jax, and a child per file that runs its findings.

The parent runs no code of the project. It watches the clock, passes on what the children see, and
gives the findings of a child that died another one each.
"""

import gc
import importlib
import os
import platform
import re
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from flake8_nnx_mode.confirm import cage
from flake8_nnx_mode.confirm.bootstrap import NO_MORE_JOBS, UNFIT, Options, command
from flake8_nnx_mode.confirm.forks import Forks
from flake8_nnx_mode.confirm.jobs import Hello, Job, Outcome, Task, decode, encode
from flake8_nnx_mode.confirm.processes import Ended, Processes, Said, remove
from flake8_nnx_mode.confirm.spawns import Spawns

Emit = Callable[[Outcome], None]
Run = Callable[[Job, Emit], None]

_REMEDY = "name the interpreter that has it with --python"
_FAREWELL = "farewell:"
"""What a child's last line begins with, if it can say why it ends: kind, colon, words."""
_START_TIME = 60.0
"""Seconds for a fresh process to import jax, beside the time for its first finding."""
_PATIENCE = 5
"""After so many findings of a file in a row that ran out of time alone, the rest is given up."""
_OUT_OF_MEMORY = re.compile(r"bad_alloc|MemoryError|[Oo]ut of memory|[Cc]annot allocate memory")
_WORDS_AT_MOST = 300


@dataclass(slots=True)
class _File:
    """What the errands of one file have in common."""

    out_of_time: int = 0
    """Findings in a row that ran out of time alone."""


@dataclass(frozen=True, slots=True)
class _Errand:
    """What a child is started for."""

    job: Job
    file: _File

    @property
    def alone(self) -> bool:
        """Whether no other finding can be to blame for what happens to its child."""
        return len(self.job.tasks) == 1


@dataclass(slots=True)
class _Child:
    """A child at work."""

    errand: _Errand
    left: dict[int, Task]
    """Its findings without an outcome, by number; the first is the one at hand."""
    since: float
    deadline: float
    overdue: bool = False
    farewell: tuple[str, str] | None = None


def pool(line: str) -> None:
    """The parent's whole life; ``line`` is its encoded ``Options``."""
    options = Options.decode(line)
    commands, answers = _take_over()
    try:
        hello, run = _warm_up(options)
    except _UnfitError as unfit:
        _write(answers, f"{UNFIT}{unfit}")
        return
    gc.collect()
    gc.freeze()  # else a collection in a child would copy every page with an object on it
    processes: Processes
    if options.fork:

        def work(job: Job, scratch: str, channel: int, stderr: int) -> NoReturn:
            os.close(answers)
            _work(job, run, channel, options, scratch, stderr)

        processes = Forks(commands, options.scratch, work)
    else:
        processes = Spawns(
            commands,
            options.scratch,
            lambda scratch: command(sys.executable, "solo", replace(options, scratch=scratch)),
        )
    try:
        _write(answers, encode(hello))
        _Pool(options, processes, answers).serve()
    except BrokenPipeError:  # the command is gone
        pass
    finally:
        processes.close()
        remove(options.scratch)


def solo(line: str) -> None:
    """The life of a fresh child, where there is no fork: one job, read from stdin."""
    options = Options.decode(line)
    commands, channel = _take_over()
    with os.fdopen(commands, "rb") as lines:
        job = decode(lines.readline().decode())
    assert isinstance(job, Job)
    hello, run = _warm_up(options)
    _write(channel, encode(hello))
    _work(job, run, channel, options, options.scratch, 2)


def _take_over() -> tuple[int, int]:
    """What stdin and stdout are, which from now on are empty and the same as stderr.

    What jax or a project prints is no answer.
    """
    commands, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    return commands, answers


class _UnfitError(Exception):
    """Nothing can be confirmed here; the message goes on after the interpreter's name."""


def _warm_up(options: Options) -> tuple[Hello, Run]:
    for name in ("jax", "flax", "flax.nnx"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name == name:
                raise _UnfitError(f"has no {name}: install it there, or {_REMEDY}") from None
            raise _UnfitError(_broken(name, error)) from None
        except Exception as error:
            raise _UnfitError(_broken(name, error)) from None
    with suppress(Exception):  # a version that knows it not is only slower
        _rehearse()
    module, _, function = options.run.partition(":")
    run = getattr(importlib.import_module(module), function)
    versions = (sys.modules[name].__version__ for name in ("jax", "flax"))
    return Hello(platform.python_version(), *versions), run


def _broken(name: str, error: Exception) -> str:
    return f"cannot import {name} ({_one_line(error)}): mend that, or {_REMEDY}"


def _rehearse() -> None:
    """Build and call a model without arrays, so that what that loads is there in each child."""
    import jax
    from flax import nnx

    def build_and_call() -> Any:
        rngs = nnx.Rngs(params=0, dropout=1)
        model = nnx.Sequential(
            nnx.Linear(2, 2, rngs=rngs), nnx.BatchNorm(2, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        )
        return model(jax.numpy.ones((2, 2)))

    nnx.eval_shape(build_and_call)


def _work(
    job: Job, run: Run, channel: int, options: Options, scratch: str, stderr: int
) -> NoReturn:
    """A child's whole life."""

    def emit(outcome: Outcome) -> None:
        _write(channel, encode(outcome))

    kind, words = "error", "the run ended without a word about it"
    try:
        cage.enter(
            scratch,
            stderr=stderr,
            cpu_seconds=_cpu_seconds(job, options),
            limit_memory=options.limit_memory,
        )
        run(job, emit)
    except SystemExit as error:
        kind, words = "exit", f"ended by sys.exit({error.code!r})"
    except MemoryError:
        kind, words = "memory", ""
    except BaseException as error:
        words = _one_line(error)
    _write(channel, f"{_FAREWELL}{kind}:{words}")
    _exit(0)


def _cpu_seconds(job: Job, options: Options) -> int:
    """Far more than its wall time allows: it holds should the parent die."""
    return 10 + int(options.time_limit * len(job.tasks)) * (os.cpu_count() or 1)


# The code that runs may replace functions of os.
_exit, _os_write = os._exit, os.write


def _write(number: int, text: str) -> None:
    rest = text.encode(errors="replace") + b"\n"
    while rest:
        rest = rest[_os_write(number, rest) :]


def _one_line(error: BaseException) -> str:
    return " ".join(traceback.format_exception_only(error)[-1].split())[:_WORDS_AT_MOST]


class _Pool:
    """Who works on what, and what becomes of it."""

    def __init__(self, options: Options, processes: Processes, answers: int) -> None:
        self._options = options
        self._processes = processes
        self._answers = answers
        self._waiting: deque[_Errand] = deque()
        self._children: dict[int, _Child] = {}
        self._more_to_come = True

    def serve(self) -> None:
        """Until all is done, or the command is gone."""
        while True:
            self._start()
            if not (self._more_to_come or self._waiting or self._children):
                return
            for event in self._processes.wait(self._time_left()):
                match event:
                    case Said(None, None):
                        return
                    case Said(None, str(text)):
                        self._take(text.strip())
                    case Said(int(pid), str(text)):
                        self._hear(pid, self._children[pid], text)
                    case Ended():
                        self._bury(self._children.pop(event.pid), event)
            self._stop_overdue()

    def _take(self, text: str) -> None:
        if text == NO_MORE_JOBS:
            self._more_to_come = False
            return
        job = decode(text)
        assert isinstance(job, Job)
        self._waiting.append(_Errand(job, _File()))

    def _start(self) -> None:
        while self._waiting and len(self._children) < self._options.workers:
            errand = self._waiting.popleft()
            if errand.file.out_of_time >= _PATIENCE:
                words = f"not run: {_PATIENCE} findings of this file before it {self._too_long()}"
                self._judge(errand.job.tasks, "time", words)
                continue
            try:
                pid = self._processes.start(errand.job)
            except OSError as error:
                if self._children:  # there is room again when one of them ends
                    self._waiting.appendleft(errand)
                    return
                self._judge(errand.job.tasks, "process", f"no process could be started: {error}")
                continue
            now = time.monotonic()
            wait = self._options.time_limit
            wait += 0 if self._processes.ready_at_start else _START_TIME
            left = {task.number: task for task in errand.job.tasks}
            self._children[pid] = _Child(errand, left, now, now + wait)

    def _time_left(self) -> float | None:
        deadlines = [
            child.deadline for child in self._children.values() if child.left and not child.overdue
        ]
        return max(min(deadlines) - time.monotonic(), 0) if deadlines else None

    def _hear(self, pid: int, child: _Child, text: str) -> None:
        if text.startswith(_FAREWELL):
            kind, _, words = text.removeprefix(_FAREWELL).partition(":")
            child.farewell = (kind, words)
            return
        try:
            message = decode(text)
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ):  # the project's code found the pipe
            return
        if isinstance(message, Outcome):
            if child.left.pop(message.number, None) is None:
                return
            _write(self._answers, text)
            if child.errand.alone:
                child.errand.file.out_of_time = 0
            if not child.left:
                self._processes.kill(pid)  # nothing that it could still do is of use
        child.since = time.monotonic()
        child.deadline = child.since + self._options.time_limit

    def _stop_overdue(self) -> None:
        now = time.monotonic()
        for pid, child in self._children.items():
            if child.left and not child.overdue and child.deadline <= now:
                child.overdue = True
                self._processes.kill(pid)

    def _bury(self, child: _Child, end: Ended) -> None:
        errand = child.errand
        if not errand.alone:
            # Another finding's code may be to blame: each that is left gets a child of its own.
            self._waiting.extend(
                _Errand(replace(errand.job, tasks=(task,)), errand.file)
                for task in child.left.values()
            )
            return
        if not child.left:
            return
        kind, words = self._cause(child, end)
        if child.overdue:
            errand.file.out_of_time += 1
        self._judge(tuple(child.left.values()), kind, words, time.monotonic() - child.since)

    def _judge(self, tasks: tuple[Task, ...], kind: str, words: str, seconds: float = 0.0) -> None:
        for task in tasks:
            outcome = Outcome(task.number, "INCONCLUSIVE", words, reason=kind, seconds=seconds)
            _write(self._answers, encode(outcome))

    def _too_long(self) -> str:
        return f"ran longer than {self._options.time_limit:g} s"

    def _cause(self, child: _Child, end: Ended) -> tuple[str, str]:
        """What a child died of, in one or two words and in a sentence."""
        if child.overdue:
            return "time", self._too_long()
        too_much = "memory", f"needed more than {cage.MEMORY // cage.GIGABYTE} GB of memory"
        if child.farewell is not None:
            return too_much if child.farewell[0] == "memory" else child.farewell
        if end.code >= 0:
            return "exit", f"ended by os._exit({end.code})"
        name = _signal_name(-end.code)
        if name == "SIGXCPU":
            limit = _cpu_seconds(child.errand.job, self._options)
            return "time", f"used more than {limit} s of CPU time"
        if name == "SIGKILL":
            return "memory", "Python was killed by SIGKILL, most likely because memory ran out"
        if _OUT_OF_MEMORY.search(end.tail):
            return too_much
        words = _last_words(end.tail, complains=name == "SIGABRT")
        return "crash", f"Python was killed by {name}" + (f": {words}" if words else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_words(tail: str, *, complains: bool) -> str:
    """The line of a dying process's stderr that says most.

    Where it was, by faulthandler's dump; but what aborts has said why before.
    """
    before, _, dump = tail.partition("Fatal Python error: ")
    before = before.partition("*** Check failure stack trace")[0]
    said = [" ".join(line.split()) for line in before.splitlines() if line.strip()][-1:]
    places = re.findall(r"^  (File .*)$", dump, re.MULTILINE)[:1]
    words = said + places if complains else places + said
    return "".join(words[:1])[:_WORDS_AT_MOST]
