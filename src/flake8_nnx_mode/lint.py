"""Paths -> checked files, for commands that run without flake8."""

import errno
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from flake8_nnx_mode import engine
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.model import Finding, Position, Span
from flake8_nnx_mode.noqa import Comments
from flake8_nnx_mode.selection import DEFAULT, Selection
from flake8_nnx_mode.settings import Settings, SettingsError
from flake8_nnx_mode.syntax.text import decoded

_FEW = 8
"""Files a process: below that it costs more than it gains."""
_MOST = 61
"""Processes at a time that Windows can wait for."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may hold findings."""

    path: Path
    """As the user wrote it."""
    text: str
    """What it holds, decoded, without a BOM."""
    settings: Settings


@dataclass(frozen=True, slots=True)
class Checked:
    """One file and what was found in it."""

    path: Path
    """As the user wrote it."""
    text: str
    """What it holds, decoded, without a BOM; empty if it could not be read."""
    findings: tuple[Finding, ...]
    """In order of place."""


@dataclass(frozen=True, slots=True)
class Linter:
    """Lints files one by one; a process of its own can be given a copy."""

    settings: engine.FolderSettings
    selections: tuple[Selection, ...] = ()
    """What counts on top of the settings, the strongest first."""
    noqa: bool = True
    """Whether ``# noqa`` comments silence findings."""

    def source(self, path: Path, data: bytes | None = None) -> Source | None:
        """What a file holds, or ``data`` in its place; None if there is nothing in it for us.

        Raises:
            SettingsError: a setting for it is wrong.
            OSError, SyntaxError, UnicodeError: it cannot be read or decoded.
        """
        settings = self.settings.of_file(path)
        if path.suffix == ".ipynb":
            message = f"it is a notebook; `nbqa flake8 --select NNX {path}` lints it"
            raise OSError(errno.ENOTSUP, message)
        data = path.read_bytes() if data is None else data
        try:
            text = decoded(data)
        except (SyntaxError, UnicodeError):
            # UTF-16 has a null beside each letter.
            if not engine.concerns(data.replace(b"\0", b"").decode("latin-1"), settings):
                return None
            raise
        source = Source(path, text, settings)
        wanted = engine.concerns(text, settings) or (
            "noqa" in text.lower() and self._reports_noqa(source)
        )
        return source if wanted else None

    def findings(self, source: Source) -> list[Finding]:
        """What is reported of a file, in order of place."""
        selection = self._selection(source.path)
        found = engine.check(source.path, source.text, source.settings, selection)
        if not self.noqa:
            return found
        comments = Comments(source.text)
        kept = comments.silence(found)
        # Where something was not analysed it is not known what a comment would silence.
        analysed = all(finding.code != NOT_ANALYSED.code for finding in found)
        if analysed and comments.any and self._reports_noqa(source):
            kept += comments.unused(self.codes(source.path))
        return sorted(kept)

    def _reports_noqa(self, source: Source) -> bool:
        """Whether to report ``# noqa`` comments that silence nothing."""
        selection = self._selection(source.path)
        return self.noqa and engine.reports_unused_noqa(source.path, source.settings, selection)

    def codes(self, path: Path) -> frozenset[str]:
        """The codes of the rules that run and report in a file, if it has anything for them."""
        try:
            settings = self.settings.of_file(path)
        except SettingsError:  # nothing runs there
            return frozenset()
        return engine.codes_reported(path, settings, self._selection(path))

    def _reports(self, path: Path, code: str) -> bool:
        """Whether to report ``code`` of a file that was not analysed."""
        try:
            settings = self.settings.of_file(path)
        except SettingsError:  # what is wrong with them is to be seen
            settings = Settings()
        return engine.effective(path, settings, self._selection(path)).reports(code)

    def _selection(self, path: Path) -> Selection:
        """What counts on top of the settings for one file."""
        wanted = DEFAULT
        for selection in self.selections:
            wanted = wanted.over(selection.for_file(path))
        return wanted

    def check(self, path: Path, data: bytes | None = None) -> Checked:
        """All of it for one file; what goes wrong is NNX000, and nothing is raised."""
        try:
            source = self.source(path, data)
        except (SettingsError, OSError, SyntaxError, UnicodeError) as error:
            found = engine.unread(error)
            return Checked(path, "", (found,) if self._reports(path, found.code) else ())
        if source is None:
            return Checked(path, "", ())
        return Checked(path, source.text, tuple(self.findings(source)))


def check_all(linter: Linter, paths: Sequence[Path], jobs: int) -> Iterator[Checked]:
    """Check files, up to ``jobs`` at a time, and yield them in the order given."""
    jobs = min(jobs, len(paths) // _FEW, _MOST)
    if jobs < 2:
        yield from map(linter.check, paths)
        return
    done = 0
    try:
        with ProcessPoolExecutor(jobs, initializer=_begin, initargs=(linter,)) as pool:
            try:
                for checked in pool.map(_check, paths, chunksize=_FEW):
                    yield checked
                    done += 1
            except GeneratorExit:  # nobody wants the rest
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:  # a file that kills what reads it must not take others with it
        for number, path in enumerate(paths[done:], done + 1):
            alone = _check_apart(linter, path)
            yield alone or _died(path)
            if alone is None:
                yield from check_all(linter, paths[number:], jobs)
                return


def _begin(linter: Linter) -> None:
    global _linter
    _linter = linter
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback


_linter: Linter


def _check(path: Path) -> Checked:
    return _linter.check(path)


def _check_apart(linter: Linter, path: Path) -> Checked | None:
    with ProcessPoolExecutor(1, initializer=_begin, initargs=(linter,)) as pool:
        try:
            return pool.submit(_check, path).result()
        except BrokenProcessPool:
            return None


def _died(path: Path) -> Checked:
    top = Position(1, 0)
    message = "the process that analysed this file died; please report it"
    return Checked(path, "", (Finding(Span(top, top), NOT_ANALYSED.code, message),))


def processors() -> int:
    """How many files can be worked on at a time."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows cannot be asked
        return os.cpu_count() or 1
