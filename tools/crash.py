"""The crash run: lint every Python file at hand, and broken ones; nothing may break the linter.

Run from the project's root, with the project installed::

    python tools/crash.py --mutations 50000      # all of it: an hour, on two processors
    python tools/crash.py --only mutants --mutations 5000 --seed 7

The parts are odd folders, which the real commands are run on; odd files; mutants of nnx code, small
so that there can be many; programs made from grammars; our files and those of the ecosystem, the
standard library and what is installed. Files are analysed whether they have to do with flax or not,
and again with another hash seed, in the other order. Odd and made files and some mutants
are also fixed and mapped.

A failure is a traceback, a killed process, a file that is not Python without its one NNX000, an
NNX000 that asks to be reported or is wrong, a place outside of the file, a time beyond what a
file's size allows, or a finding that the second run does not have. Each is written down with the
smallest file that still fails so. Exit status: 1 if anything failed, or 0.
"""

import argparse
import faulthandler
import hashlib
import multiprocessing
import os
import random
import re
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from crash_files import ODD, is_python, mutant, pieces
from crash_folders import FOLDERS, complaints
from crash_made import made_of_anything, made_of_nnx
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.fixes.rounds import fixed
from flake8_nnx_mode.lint import Checked, Linter, Source, processors
from flake8_nnx_mode.maps import MapError, trees
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.rules import registry
from flake8_nnx_mode.selection import EVERYTHING
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.text import LineTable

ROOT = Path(__file__).parent.parent
STORE = ROOT / ".ecosystem"
NNX = (ROOT / "tests" / "fixtures", ROOT / "examples")
"""Where the files stand that are broken most: they reach all of the code."""
SECONDS, SECONDS_PER_MEGABYTE = 10.0, 60.0
"""What linting a file may take; six times as much if it is fixed, in many rounds, and mapped."""
SHRINKING = 60.0
"""Seconds to make a failing file smaller."""
BATCH = 16
"""Files that a process is given at once."""
DIED = "the process died, or had to be ended"


@dataclass(frozen=True)
class Task:
    """One file to try."""

    path: Path
    """Where it stands, or would."""
    held: bytes | None = None
    """What it would hold, if not what it does hold."""
    mutant: str = ""
    """What its mutant is made from, if it is one: a seed and a number."""
    odd: str = ""
    """Which of the odd files it is."""
    deep: bool = False
    """Whether to fix and map it too."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.odd or f"{self.path} {self.mutant}".rstrip()

    def data(self) -> bytes:
        """What the file holds."""
        if self.odd:
            return ODD[self.odd]()
        data = self.path.read_bytes() if self.held is None else self.held
        return mutant(data, random.Random(self.mutant)) if self.mutant else data


@dataclass(frozen=True)
class Result:
    """What came of a task."""

    task: Task
    failure: str = ""
    """What went wrong, the kind of it in the first line."""
    shrunk: bytes = b""
    seconds: float = 0.0
    said: str = ""
    """A digest of all that was found, fixed and mapped."""
    codes: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    """What each NNX000 says."""
    parsed: bool = False


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


def tried(path: Path, data: bytes, *, deep: bool) -> tuple[list[Finding], str]:
    """What is found in a file that holds ``data``, and all that is said of it.

    ``deep`` is whether to fix and map it too.

    Raises:
        WrongError: a finding is wrong; or whatever else goes wrong.
    """
    linter = Fed(Unmarked({}, "here"), (EVERYTHING,), path=path, held=data)
    checked = linter.check(path)
    _judge(checked, data)
    said: list[object] = [checked.findings]
    if deep and checked.text:
        settings = linter.settings.of(path)

        def lint(text: str) -> list[Finding]:
            return linter.findings(Source(path, text, settings))

        said.append(fixed(checked.text, lint, lambda finding: finding.fix is not None).text)
        with suppress(MapError):  # the one that it may raise
            said.append(trees(linter, path, None))
    return list(checked.findings), repr(said)


def _judge(checked: Checked, data: bytes) -> None:
    """Complain of what cannot be right."""
    end = LineTable(checked.text).end
    unclear = [finding for finding in checked.findings if finding.code == NOT_ANALYSED.code]
    for finding in checked.findings:
        complaint = f"{finding.code} {finding.span} {finding.message}"
        if "\n" in finding.message or "please report" in finding.message:
            raise WrongError(f"it ought to be clear: {complaint}")
        if finding not in unclear and not finding.span.start <= finding.span.end <= end:
            raise WrongError(f"there is no such place: {complaint}, the end is {end}")
    if not is_python(checked.text if checked.text else data):
        if len(unclear) != 1 or len(checked.findings) != 1:
            raise WrongError(f"one NNX000 is due, not {list(checked.findings)}")
    elif wrong := [f for f in unclear if not f.message.startswith("LibCST cannot read")]:
        raise WrongError(f"it can be parsed: {wrong[0].message}")


# -- in a process of its own -----------------------------------------------------------------------


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TooSlowError


def attempt(path: Path, data: bytes, *, deep: bool) -> tuple[str, list[Finding], str]:
    """What went wrong, if anything did; what was found, and all that was said."""
    limit = (SECONDS + SECONDS_PER_MEGABYTE * len(data) / 2**20) * (6 if deep else 1)
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, limit)
    faulthandler.dump_traceback_later(3 * limit, exit=True)  # where no signal is heeded
    try:
        return "", *tried(path, data, deep=deep)
    except WrongError as error:
        return str(error), [], ""
    except (Exception, TooSlowError) as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        place = "" if isinstance(error, TooSlowError) else f" in {last.name}, line {last.lineno}"
        return f"{type(error).__name__}{place}\n{traceback.format_exc()}", [], ""
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def run(tasks: Sequence[Task]) -> list[Result]:
    """Try several files."""
    return [_run(task) for task in tasks]


def _run(task: Task) -> Result:
    try:
        data = task.data()
    except OSError:  # it has vanished; `folders` is about those
        return Result(task)
    begun = time.perf_counter()
    failure, found, said = attempt(task.path, data, deep=task.deep)
    seconds = time.perf_counter() - begun
    if failure:

        def fails(fewer: bytes) -> bool:
            return kind(attempt(task.path, fewer, deep=task.deep)[0]) == kind(failure)

        return Result(task, failure, shrink(data, fails), seconds)
    return Result(
        task,
        seconds=seconds,
        said=hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest(),
        codes=tuple(finding.code for finding in found),
        unclear=tuple(f.message for f in found if f.code == NOT_ANALYSED.code),
        parsed=is_python(data),
    )


def kind(failure: str) -> str:
    """What stays the same of a failure while its file shrinks."""
    first = failure.partition("\n")[0]
    return "".join(letter for letter in first if not letter.isdigit())


def shrink(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The smallest part of ``data`` found in time that ``fails`` in the same way."""
    until = time.monotonic() + SHRINKING
    for cut in (_lines, _bytes):
        parts = cut(data)
        size = len(parts) // 2
        while size and time.monotonic() < until:
            at = 0
            while at < len(parts) and time.monotonic() < until:
                fewer = parts[:at] + parts[at + size :]
                if fails(b"".join(fewer)):
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


def results(tasks: Sequence[Task], hash_seed: int, until: float, jobs: int) -> Iterator[Result]:
    """Try ``tasks`` in new processes, until that time; a process that dies fails one task."""
    os.environ["PYTHONHASHSEED"] = str(hash_seed)
    size = min(BATCH, len(tasks) // (4 * jobs) + 1)
    batches = deque(tasks[at : at + size] for at in range(0, len(tasks), size))
    while batches and time.monotonic() < until:
        pending: deque[tuple[Sequence[Task], Future[list[Result]]]] = deque()
        try:
            with _pool(jobs) as pool:
                while pending or (batches and time.monotonic() < until):
                    while batches and len(pending) < 2 * jobs and time.monotonic() < until:
                        pending.append((batches[0], pool.submit(run, batches.popleft())))
                    yield from pending[0][1].result()
                    del pending[0]
        except BrokenProcessPool:  # one of these files did it
            yield from _one_by_one([task for batch, _ in pending for task in batch])


def _one_by_one(tasks: Sequence[Task]) -> Iterator[Result]:
    """Try ``tasks`` in one process, and in a new one where a task has ended it."""
    left = deque(tasks)
    while left:
        with suppress(BrokenProcessPool), _pool(1) as pool:
            while left:
                yield pool.submit(_run, left[0]).result()
                left.popleft()
        if left:
            yield _died(left.popleft())


def _died(task: Task) -> Result:
    data = task.data()
    return Result(task, DIED, shrink(data, lambda fewer: _ends(task.path, fewer, task.deep)))


def _ends(path: Path, data: bytes, deep: bool) -> bool:
    """Whether the process that tries it comes to an end."""
    with suppress(BrokenProcessPool), _pool(1) as pool:
        pool.submit(attempt, path, data, deep=deep).result()
        return False
    return True


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def python_files(*folders: Path) -> list[Path]:
    """The Python files below folders, the smallest first."""
    found = {path for folder in folders for path in folder.rglob("*.py") if path.is_file()}
    return sorted(found, key=lambda path: (path.stat().st_size, path))


def _ours() -> Iterator[tuple[Path, str]]:
    """Small files about nnx, and where each would stand."""
    for path in python_files(*NNX):
        yield from ((path, piece) for piece in pieces(path.read_text("utf-8")))
    for path in sorted((ROOT / "tests" / "planted").glob("*.txt")):
        parts = re.split(r"^#### .*\n", path.read_text("utf-8"), flags=re.M)
        yield from ((path.with_suffix(".py"), part) for part in parts[1:])
    for entry in registry():
        path = Path(f"/nowhere/{entry.code}.py")
        yield from ((path, entry.bad), (path, entry.good))


def _theirs() -> Iterator[tuple[Path, str]]:
    """Parts of the ecosystem's files that are about nnx, and where each would stand."""
    for path in python_files(STORE):
        if b"nnx" in path.read_bytes():
            yield from ((path, piece) for piece in pieces(path.read_text("utf-8", "replace")))


def _mutants(count: int, seed: int) -> list[Task]:
    """So many small files, broken; each sixth is fixed and mapped, too."""
    chance = random.Random(seed)
    ours, theirs = list(_ours()), list(_theirs())
    tasks = []
    for number in range(count):
        path, text = chance.choice(theirs if theirs and chance.random() < 0.25 else ours)
        deep = number % 6 == 0
        tasks.append(Task(path, text.encode(), mutant=f"{seed} {number}", deep=deep))
    return tasks


def _made(count: int, seed: int) -> list[Task]:
    """Programs that nobody wrote, far fewer than mutants."""
    programs = [*made_of_nnx(count // 50, seed), *made_of_anything(count // 100, seed)]
    path = Path("/nowhere/made.py")
    return [
        Task(path.with_stem(f"made{number}"), text.encode("utf-8", "surrogatepass"), deep=True)
        for number, text in enumerate(programs)
    ]


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _of_library() -> list[Path]:
    return [path for path in python_files(_library()) if "site-packages" not in path.parts]


def _plain(paths: Sequence[Path]) -> list[Task]:
    return [Task(path) for path in paths]


GROUPS: dict[str, Callable[[int, int], list[Task]]] = {
    "odd": lambda count, seed: [Task(Path("/nowhere/odd.py"), odd=odd, deep=True) for odd in ODD],
    "mutants": _mutants,
    "made": _made,
    "ours": lambda count, seed: _plain(python_files(*NNX, ROOT / "src", ROOT / "tools")),
    "ecosystem": lambda count, seed: _plain(python_files(STORE)),
    "library": lambda count, seed: _plain(_of_library()),
    "packages": lambda count, seed: _plain(python_files(Path(sysconfig.get_path("purelib")))),
}


@dataclass
class Log:
    """What has failed, and the folder where each failure is kept."""

    folder: Path
    failures: int = 0

    def fail(self, name: str, failure: str, data: bytes = b"") -> None:
        """Print and keep a failure, and the file that it comes from."""
        self.failures += 1
        print(f"FAILED {name}: {failure.splitlines()[0]}", flush=True)
        saved = self.folder / f"{self.failures}.py"
        saved.write_bytes(data)
        saved.with_suffix(".txt").write_text(f"{name}\n{failure}\n", "utf-8", "backslashreplace")


def _try_tasks(name: str, given: argparse.Namespace, until: float, log: Log) -> None:
    tasks = GROUPS[name](given.mutations, given.seed)
    begun = time.monotonic()
    first: dict[str, Result] = {}
    for result in results(tasks, 1, until, given.jobs):
        first[result.task.name] = result
        if result.failure:
            log.fail(result.task.name, result.failure, result.shrunk)
    seconds = time.monotonic() - begun
    codes = Counter(code for result in first.values() for code in result.codes)
    share = 100 * sum(result.parsed for result in first.values()) / max(len(first), 1)
    print(
        f"{name}: {len(first)} of {len(tasks)} files in {seconds:.0f} s, {share:.0f}% are Python;"
        f" {codes.total()} findings of {len(codes)} codes, {codes[NOT_ANALYSED.code]} NNX000"
    )
    kinds = Counter(kind(text)[:110] for result in first.values() for text in result.unclear)
    for text, count in kinds.most_common(5):
        print(f"  {count} {text}")
    for slow in sorted(first.values(), key=lambda result: -result.seconds)[:2]:
        print(f"  slowest: {slow.task.name} {slow.seconds:.1f} s", flush=True)
    passed = {name for name, result in first.items() if not result.failure}
    again = [] if given.once else [task for task in tasks[::-1] if task.name in passed]
    compared = 0
    for result in results(again, 2, until, given.jobs):
        compared += 1
        before = first[result.task.name]
        if result.said != before.said:
            log.fail(result.task.name, "other findings in the second run", result.task.data())
    print(f"  {compared} compared with a second run", flush=True)


def _try_folders(log: Log) -> None:
    begun = time.monotonic()
    for name in FOLDERS:
        with tempfile.TemporaryDirectory(prefix="crash_") as folder:
            for complaint in complaints(name, Path(folder)):
                log.fail(f"the folder {name!r}", complaint)
    print(f"folders: {len(FOLDERS)} in {time.monotonic() - begun:.0f} s", flush=True)


def main() -> int:
    """Run it."""
    names = ["folders", *GROUPS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=2000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of mutants")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after these")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--jobs", type=int, default=processors(), help="how many processes")
    parser.add_argument("--once", action="store_true", help="leave out the second run")
    parser.add_argument("--save", type=Path, help="folder for what fails; by default a new one")
    given = parser.parse_args()
    log = Log(given.save or Path(tempfile.mkdtemp(prefix="crash_")))
    log.folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * given.minutes
    print(f"seed {given.seed}; failures go to {log.folder}", flush=True)
    for name in given.only:
        if name == "folders":
            _try_folders(log)
        else:
            _try_tasks(name, given, until, log)
    print(f"{log.failures} failures")
    return 1 if log.failures else 0


if __name__ == "__main__":
    sys.exit(main())
