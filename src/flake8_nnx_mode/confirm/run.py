"""A whole run: plans, sends jobs, and puts outcomes beside their findings."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from flake8_nnx_mode.confirm.jobs import Hello, Job, Outcome
from flake8_nnx_mode.confirm.plan import Batch, Planner, Shard, oracle_of, sharded
from flake8_nnx_mode.confirm.results import Result, Results
from flake8_nnx_mode.confirm.runner import RunnerError
from flake8_nnx_mode.model import Finding

Watch = Callable[[int, int], object]
"""Is told how many findings have an outcome, and how many were sent."""


class Runs(Protocol):
    """What runs jobs, such as ``runner.Runner``; leaving its context ends all that it started."""

    def __enter__(self) -> object:
        """Begin nothing yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """End what was started."""

    def start(self) -> None:
        """Get ready beside us."""

    def submit(self, job: Job) -> None:
        """Take one job."""

    def finish(self) -> None:
        """Know that there are no more jobs."""

    def outcomes(self) -> Iterator[Hello | Outcome]:
        """First what it runs on, then what it saw."""


def run(
    planner: Planner,
    paths: Iterable[Path],
    runner: Runs,
    shard: Shard | None = None,
    watch: Watch = lambda done, sent: None,
) -> Results:
    """Lint what ``paths`` name and run what is found; Ctrl-C ends it with what there is by then."""
    begun = time.monotonic()
    going = _Run(planner, runner, watch)
    interrupted = False
    try:
        with going.interrupts:
            going.through(paths, shard)
    except KeyboardInterrupt:
        interrupted = True
    found = [going.result(number) for number in going.planned]
    return Results(
        found=sorted(found, key=lambda result: (result.path, result.finding)),
        hello=going.hello,
        problems=going.problems(),
        interrupted=interrupted,
        seconds=time.monotonic() - begun,
    )


class _Interrupts:
    """Remembers Ctrl-C: native code that we call may swallow the exception that it raises."""

    def __init__(self) -> None:
        self._came = False
        self._before: Any = None

    def __enter__(self) -> None:
        with contextlib.suppress(ValueError):  # not the main thread: it gets no signals
            self._before = signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: object) -> None:
        self._came = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise it again, if it came and we are still here."""
        if self._came:
            raise KeyboardInterrupt


class _Run:
    def __init__(self, planner: Planner, runner: Runs, watch: Watch) -> None:
        self.planner = planner
        self.runner = runner
        self.watch = watch
        self.interrupts = _Interrupts()
        self.planned: dict[int, tuple[str, Finding]] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.sent = 0
        self.hello: Hello | None = None
        self.failure: str | None = None

    def through(self, paths: Iterable[Path], shard: Shard | None) -> None:
        with self.runner:
            sources = self.planner.sources(paths)
            if sources:
                self.tell(self.runner.start)  # it imports jax while we lint
            batches: Iterable[Batch] = self.planner.batches(sources)
            for batch in batches if shard is None else sharded(batches, shard):
                self.plan(batch)
            if self.sent:
                self.tell(self.runner.finish)
                self.tell(self.listen)

    def tell(self, action: Callable[[], None]) -> None:
        """Do it, unless the runner gave up: what is flagged is to be known even then."""
        if self.failure is None:
            try:
                action()
            except RunnerError as error:
                self.failure = str(error)

    def plan(self, batch: Batch) -> None:
        self.interrupts.check()
        first = len(self.planned)
        path = str(batch.source.path)
        self.planned.update(zip(count(first), ((path, f) for f in batch.findings), strict=False))
        job = self.planner.job(batch, first)
        if job is not None:
            self.sent += len(job.tasks)
            self.tell(lambda: self.runner.submit(job))
            self.watch(0, self.sent)

    def listen(self) -> None:
        self.interrupts.check()
        for message in self.runner.outcomes():
            if isinstance(message, Hello):
                self.hello = message
            else:
                self.outcomes[message.number] = message
                self.watch(len(self.outcomes), self.sent)

    def result(self, number: int) -> Result:
        path, finding = self.planned[number]
        return Result(path, finding, self.outcomes.get(number) or self.absent(number))

    def absent(self, number: int) -> Outcome:
        code = self.planned[number][1].code
        if oracle_of(code) is None:
            evidence, reason = f"what {code} reports is not one that a run can show", "no oracle"
        else:
            evidence, reason = "the run ended before it", "not run"
        return Outcome(number, "INCONCLUSIVE", evidence, reason)

    def problems(self) -> list[str]:
        return [*self.planner.problems, *filter(None, [self.failure])]
