"""The crash run: lint every Python file at hand, and broken ones; nothing may break the linter.

Run from the project's root, with the project installed::

    python tools/crash.py                        # odd files, mutants, packages, the library
    python tools/crash.py --only mutants --mutations 5000 --seed 7 --minutes 10

Every file is analysed, whether it has to do with flax or not, by two processes, and again with
another hash seed, in the other order. Mutants are also fixed and mapped. A failure is a traceback,
a killed process, an NNX000 that asks to be reported or is wrong, a place outside of the file, a
time beyond what a file's size allows, or a finding that the second run does not have. Each is
written down with the smallest file that still fails so. Exit status: 1 if anything failed, or 0.
"""

import argparse
import faulthandler
import hashlib
import multiprocessing
import os
import random
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from crash_files import ODD, mutant
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.fixes.rounds import fixed
from flake8_nnx_mode.lint import Linter, Source
from flake8_nnx_mode.maps import MapError, trees
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.selection import EVERYTHING
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.text import LineTable, parsed

ROOT = Path(__file__).parent.parent
STORE = ROOT / ".ecosystem"
NNX = (ROOT / "tests" / "fixtures", ROOT / "examples")
"""Where the files stand that are broken most: they reach all of the code."""
SECONDS, SECONDS_PER_MEGABYTE = 10.0, 60.0
"""What a file may take, with all that is done with it."""
SHRINKING = 60.0
"""Seconds to make a failing file smaller."""
BATCH = 16


@dataclass(frozen=True)
class Task:
    """One file to try."""

    path: Path
    """Where it stands, or would."""
    number: int | None = None
    """Which mutant of it, or None for what it holds."""
    seed: int = 0
    odd: str = ""
    """Which of the odd files it is."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.odd or str(self.path) + ("" if self.number is None else f"#{self.number}")

    def data(self) -> bytes:
        """What the file holds."""
        if self.odd:
            return ODD[self.odd]()
        data = self.path.read_bytes()
        if self.number is None:
            return data
        return mutant(data, random.Random(f"{self.seed} {self.path.name} {self.number}"))


@dataclass(frozen=True)
class Result:
    """What came of a task."""

    task: Task
    failure: str = ""
    """What went wrong, the kind of it in the first line."""
    shrunk: bytes = b""
    seconds: float = 0.0
    said: str = ""
    """A digest of all findings."""
    codes: tuple[str, ...] = ()


class WrongError(Exception):
    """A finding is wrong by itself; the message says which."""


class TooSlowError(BaseException):
    """A file took more time than its size allows; no guard for exceptions may catch it."""


class Unmarked(FolderSettings):
    """Settings by which every file is looked at."""

    def of(self, folder: Path) -> Settings:
        """The same for all folders."""
        return Settings(markers=("",))


@dataclass(frozen=True)
class Fed(Linter):
    """A linter that is given what one file holds."""

    path: Path = Path()
    held: bytes = b""

    def source(self, path: Path, data: bytes | None = None) -> Source | None:
        """As ever, but for that file."""
        return super().source(path, self.held if path == self.path else data)


def tried(path: Path, data: bytes, *, deep: bool) -> list[Finding]:
    """What is found in a file that holds ``data``; ``deep`` is whether to fix and map it too.

    Raises:
        WrongError: a finding is wrong; or whatever else goes wrong.
    """
    linter = Fed(Unmarked({}, "here"), (EVERYTHING,), path=path, held=data)
    checked = linter.check(path)
    end = LineTable(checked.text).end
    for finding in checked.findings:
        complaint = f"{finding.code} {finding.span} {finding.message}"
        if finding.code == "NNX000":
            if "please report" in finding.message or "\n" in finding.message:
                raise WrongError(complaint)
            if "cannot parse this file" in finding.message and _parses(checked.text):
                raise WrongError(f"it can be parsed: {complaint}")
        elif not finding.span.start <= finding.span.end <= end:
            raise WrongError(f"there is no such place: {complaint}, the end is {end}")
    if deep and checked.text:
        settings = linter.settings.of(path)

        def lint(text: str) -> list[Finding]:
            return linter.findings(Source(path, text, settings))

        fixed(checked.text, lint, lambda finding: finding.fix is not None)
        with suppress(MapError):  # the one that it may raise
            trees(linter, path, None)
    return list(checked.findings)


def _parses(text: str) -> bool:
    try:
        parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


# -- in a process of its own -----------------------------------------------------------------------


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def attempt(path: Path, data: bytes, *, deep: bool) -> tuple[str, list[Finding]]:
    """What went wrong, if anything did, and what was found."""
    limit = SECONDS + SECONDS_PER_MEGABYTE * len(data) / 2**20
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, limit)
    faulthandler.dump_traceback_later(3 * limit, exit=True)  # where no signal is heeded
    try:
        return "", tried(path, data, deep=deep)
    except WrongError as error:
        return str(error), []
    except (Exception, TooSlowError) as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        place = "" if isinstance(error, TooSlowError) else f" in {last.name}, line {last.lineno}"
        return f"{type(error).__name__}{place}\n{traceback.format_exc()}", []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def run(tasks: Sequence[Task]) -> list[Result]:
    """Try several files."""
    return [_run(task) for task in tasks]


def _run(task: Task) -> Result:
    try:
        data = task.data()
    except OSError:  # it has vanished; `odd_folder` is about those
        return Result(task)
    deep = task.number is not None or bool(task.odd)
    begun = time.perf_counter()
    failure, found = attempt(task.path, data, deep=deep)
    seconds = time.perf_counter() - begun
    shrunk = shrink(task.path, data, kind(failure), deep=deep) if failure else b""
    said = hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()
    return Result(task, failure, shrunk, seconds, said, tuple(f.code for f in found))


def kind(failure: str) -> str:
    """What stays the same of a failure while its file shrinks."""
    first = failure.partition("\n")[0]
    return "".join(letter for letter in first if not letter.isdigit())


def shrink(path: Path, data: bytes, failure: str, *, deep: bool) -> bytes:
    """The smallest part of ``data`` found in time that fails in the same way."""
    until = time.monotonic() + SHRINKING
    for cut in (_lines, _bytes):
        parts = cut(data)
        size = len(parts) // 2
        while size and time.monotonic() < until:
            at = 0
            while at < len(parts) and time.monotonic() < until:
                fewer = parts[:at] + parts[at + size :]
                if kind(attempt(path, b"".join(fewer), deep=deep)[0]) == failure:
                    parts = fewer
                else:
                    at += size
            size //= 2
        data = b"".join(parts)
    return data


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def _bytes(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# -- all of them -----------------------------------------------------------------------------------


def results(tasks: Sequence[Task], hash_seed: int, until: float) -> Iterator[Result]:
    """Try ``tasks`` in two new processes, until that time; a process that dies fails one task."""
    os.environ["PYTHONHASHSEED"] = str(hash_seed)
    context = multiprocessing.get_context("spawn")
    batches = [tasks[at : at + BATCH] for at in range(0, len(tasks), BATCH)]
    while batches and time.monotonic() < until:
        pending: list[tuple[Sequence[Task], Future[list[Result]]]] = []
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            try:
                while (batches or pending) and time.monotonic() < until:
                    while batches and len(pending) < 4:
                        batch = batches.pop(0)
                        pending.append((batch, pool.submit(run, batch)))
                    yield from pending[0][1].result()
                    del pending[0]
            except BrokenProcessPool:
                if len(pending) == 1 and len(pending[0][0]) == 1:
                    yield Result(pending[0][0][0], "the process died")
                else:  # one of these files did it
                    for task in [task for batch, _ in pending for task in batch]:
                        yield from results([task], hash_seed, until)
            finally:
                pool.shutdown(cancel_futures=True)


def python_files(*folders: Path) -> list[Path]:
    """The Python files below folders, the smallest first."""
    found = {path for folder in folders for path in folder.rglob("*.py") if path.is_file()}
    return sorted(found, key=lambda path: (path.stat().st_size, path))


def mutants(count: int, seed: int) -> list[Task]:
    """So many broken files: half of them of ours, half of the ecosystem's that are about nnx."""
    ours = python_files(*NNX)
    theirs = [p for p in python_files(STORE) if p.stat().st_size < 50_000]
    theirs = [path for path in theirs if b"nnx" in path.read_bytes()]
    chance = random.Random(seed)
    return [
        Task(chance.choice(theirs if theirs and number % 2 else ours), number, seed)
        for number in range(count)
    ]


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _of_library() -> list[Path]:
    return [path for path in python_files(_library()) if "site-packages" not in path.parts]


def _plain(paths: Sequence[Path]) -> list[Task]:
    return [Task(path) for path in paths]


GROUPS: dict[str, Callable[[int, int], list[Task]]] = {
    "odd": lambda count, seed: [Task(Path("/nowhere/odd.py"), odd=odd) for odd in ODD],
    "mutants": mutants,
    "ours": lambda count, seed: _plain(python_files(*NNX, ROOT / "src", ROOT / "tools")),
    "ecosystem": lambda count, seed: _plain(python_files(STORE)),
    "library": lambda count, seed: _plain(_of_library()),
    "packages": lambda count, seed: _plain(python_files(Path(sysconfig.get_path("purelib")))),
}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=2000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of mutants")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after these")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--once", action="store_true", help="leave out the second run")
    parser.add_argument("--save", type=Path, help="folder for what fails; by default a new one")
    given = parser.parse_args()
    folder = given.save or Path(tempfile.mkdtemp(prefix="crash_"))
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * given.minutes
    print(f"seed {given.seed}; failures go to {folder}", flush=True)
    failures = 0

    def fail(result: Result) -> None:
        nonlocal failures
        failures += 1
        print(f"FAILED {result.task.name}: {result.failure.splitlines()[0]}", flush=True)
        saved = folder / f"{failures}.py"
        saved.write_bytes(result.shrunk)
        saved.with_suffix(".txt").write_text(f"{result.task.name}\n{result.failure}\n")

    for name in given.only:
        tasks = GROUPS[name](given.mutations, given.seed)
        begun = time.monotonic()
        first: dict[str, Result] = {}
        for result in results(tasks, 1, until):
            first[result.task.name] = result
            if result.failure:
                fail(result)
        seconds = time.monotonic() - begun
        codes = Counter(code for result in first.values() for code in result.codes)
        print(
            f"{name}: {len(first)} of {len(tasks)} files in {seconds:.0f} s,"
            f" {seconds * 1000 / max(len(first), 1):.0f} s per 1,000; {codes.total()} findings,"
            f" {codes['NNX000']} NNX000",
        )
        for slow in sorted(first.values(), key=lambda result: -result.seconds)[:2]:
            print(f"  slowest: {slow.task.name} {slow.seconds:.1f} s", flush=True)
        again = [] if given.once else [task for task in tasks[::-1] if task.name in first]
        compared = 0
        for result in results(again, 2, until):
            compared += 1
            before = first[result.task.name]
            if not before.failure and result.said != before.said:
                fail(Result(result.task, "other findings in the second run", result.task.data()))
        print(f"  {compared} compared with a second run", flush=True)
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
