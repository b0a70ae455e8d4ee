"""Source -> findings: which rules run on a file, and what happens when something goes wrong."""

import ast
import atexit
import gc
import os.path
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_nnx_mode.codes import NOT_ANALYSED, OWN, UNUSED_NOQA
from flake8_nnx_mode.model import Edit, Finding, Fix, Position, Span
from flake8_nnx_mode.selection import DEFAULT, Selection
from flake8_nnx_mode.settings import (
    Settings,
    SettingsError,
    Table,
    from_mapping,
    from_table,
    nearest_table,
    read_table,
)
from flake8_nnx_mode.syntax.text import LineTable, parsed

if TYPE_CHECKING:
    from flake8_nnx_mode.facts.project import Project
    from flake8_nnx_mode.rules import Entry, Remedy
    from flake8_nnx_mode.syntax.book import Anchor, Book
    from flake8_nnx_mode.syntax.chapter import Chapter

_SELDOM = (200_000, 10, 10)

# What a top-level statement, or a decorator of one, may begin with.
_HEAD = re.compile(r"(?!(?:elif|else|except|finally)\b)[^\s)\]}#]")


class FolderSettings:
    """The settings for the files of each folder: pyproject.toml's, under those ``given``."""

    def __init__(
        self,
        given: Mapping[str, object],
        where: str,
        *,
        config: Path | None = None,
        isolated: bool = False,
    ) -> None:
        """Remember what was ``given`` by option name, and what to call that place.

        Args:
            given: Values of options.
            where: What messages call their place.
            config: A TOML file to read for every folder, instead of the nearest pyproject.toml.
            isolated: Read neither.
        """
        self._given = given
        self._where = where
        self._config = config
        self._isolated = isolated
        self._known: dict[Path, Settings] = {}

    def of(self, folder: Path) -> Settings:
        """The settings for the files in ``folder``, an absolute path; it may have a `..` in it.

        Raises:
            SettingsError: one of them is wrong.
        """
        known = self._known.get(folder)
        if known is None:
            table = self.table(Path(os.path.abspath(folder)))
            known = from_mapping(self._given, self._where, from_table(table))
            check_codes(known, self._where if table is None else str(table[0]))
            self._known[folder] = known
        return known

    def of_file(self, path: Path) -> Settings:
        """The settings for a file, wherever ``path`` leads from the working directory.

        Raises:
            SettingsError: one of them is wrong.
        """
        return self.of(Path(os.path.abspath(path)).parent)

    def table(self, folder: Path) -> Table | None:
        """Where the settings of ``folder`` stand, those for confirming among them.

        Raises:
            SettingsError: that is not TOML, or no table.
        """
        if self._isolated:
            return None
        if self._config is None:
            return nearest_table(folder)
        found = read_table(self._config)
        if found is None:
            raise SettingsError(f"{self._config}: there is no [tool.nnx-mode] table in it")
        return self._config.absolute(), found


def concerns(text: str, settings: Settings) -> bool:
    """Whether the file can hold anything for us; everything dear comes after this."""
    return any(marker in text for marker in settings.markers)


def check_codes(settings: Settings, where: str) -> None:
    """Make sure that there are rules for the codes in ``settings``.

    Raises:
        SettingsError: there is none for one of them.
    """
    ignored = (code for _, codes in settings.per_file_ignores for code in codes)
    check_prefixes(settings.opt_in, f"{where}: opt-in")
    check_prefixes(settings.select, f"{where}: select")
    check_prefixes((*settings.ignore, *ignored), f"{where}: ignore")


def check_prefixes(prefixes: Iterable[str], where: str) -> None:
    """Make sure that each of ``prefixes`` begins a code.

    Raises:
        SettingsError: one does not; the message begins with ``where`` it was given.
    """
    own = tuple(own.code for own in OWN)
    for prefix in prefixes:
        if any(code.startswith(prefix) for code in own):
            continue  # most runs need not know the rules to know that
        from flake8_nnx_mode.rules import codes

        if not any(code.startswith(prefix) for code in codes()):
            raise SettingsError(f"{where}: {no_rule(prefix, codes())}")


def no_rule(code: str, known: Sequence[str]) -> str:
    """What to say of a code, or a name, that is none of ``known``."""
    from difflib import get_close_matches

    near = get_close_matches(code.upper(), known) or get_close_matches(code.lower(), known)
    hint = f"did you mean {' or '.join(sorted(near))}? " if near else ""
    return f"there is no rule {code}; {hint}`nnx-mode rules` lists them"


def check(
    path: Path,
    text: str,
    settings: Settings,
    selection: Selection = DEFAULT,
    tree: ast.Module | None = None,
) -> list[Finding]:
    """All findings in a file, in order of place.

    Args:
        path: Where the file is, or would be; imports are followed from there.
        text: What it holds, decoded, without a BOM.
        settings: The settings for it.
        selection: Which rules to run, on top of what the settings say of that.
        tree: ``ast.parse(text)``, where the caller has it.

    Returns:
        Findings; NNX000 among them for what could not be analysed. Nothing is raised.
    """
    if not concerns(text, settings):
        return []
    _collect_seldom()
    wanted = effective(path, settings, selection)
    findings: set[Finding] = set()
    try:
        from flake8_nnx_mode.facts.library import shelved

        with _no_collection():
            book = shelved(Path(os.path.abspath(path)), text, tree)
            try:
                findings.update(_check(book, settings, wanted))
            finally:
                book.rest()
    except Exception as error:  # the guard: whatever happens, the run goes on
        findings.add(_not_analysed(error, text))
    return sorted(finding for finding in findings if wanted.reports(finding.code))


def codes_reported(path: Path, settings: Settings, selection: Selection) -> frozenset[str]:
    """The codes of the rules that run and report in a file, if it has anything for them."""
    wanted = effective(path, settings, selection)
    running = (entry.code for entry in _running(settings, wanted))
    own = {UNUSED_NOQA.code} if reports_unused_noqa(path, settings, selection) else set()
    return frozenset(code for code in running if wanted.reports(code)) | own


def reports_unused_noqa(path: Path, settings: Settings, selection: Selection) -> bool:
    """Whether NNX001 is reported in a file; no rule is imported to know that."""
    wanted = effective(path, settings, selection)
    on = UNUSED_NOQA.on or UNUSED_NOQA.code.startswith(settings.opt_in)
    return wanted.runs(UNUSED_NOQA.code, on=on) and wanted.reports(UNUSED_NOQA.code)


def effective(path: Path, settings: Settings, selection: Selection) -> Selection:
    """``selection`` and what ``settings`` say, for one file."""
    return selection.for_file(path).over(settings.selection.for_file(path))


def _running(settings: Settings, selection: Selection) -> Iterator["Entry"]:
    """The rules that run where they find one of their triggers."""
    from flake8_nnx_mode.rules import registry

    for entry in registry():
        on = entry.rule.on or entry.code.startswith(settings.opt_in)
        if settings.flax_version >= entry.rule.since and selection.runs(entry.code, on=on):
            yield entry


@cache
def _collect_seldom() -> None:
    """Once: the books that were read stay, and each collection looks through all of them.

    In a flake8 run with this plugin, Python's own thresholds cost a quarter of the time, and to
    look through all of it once more as the process ends a tenth.
    """
    if 0 < gc.get_threshold()[0] < _SELDOM[0]:
        gc.set_threshold(*_SELDOM)
    atexit.register(gc.freeze)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Trees and facts are many objects that all live until the end of the file.

    Collecting garbage in between costs a third of the time and finds none.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check(book: "Book", settings: Settings, selection: Selection) -> Iterator[Finding]:
    from flake8_nnx_mode.facts.project import Project

    project = Project(book, settings)
    failure: Finding | None = None
    for entry in _running(settings, selection):
        triggers = entry.rule.triggers
        if not triggers or any(word in book.text for word in triggers):
            try:
                yield from _run(entry, project)
            except Exception as error:  # one rule that fails does not silence the others
                failure = failure or _not_analysed(error, book.text)
    project.forget()
    if failure is not None:
        yield failure
    for refusal in book.refusals:
        place = Position(refusal.line, 0)
        message = f"LibCST cannot read {refusal.what}, so it was not checked: {refusal.reason}"
        yield Finding(Span(place, place), NOT_ANALYSED.code, message)


def _run(entry: "Entry", project: "Project") -> Iterator[Finding]:
    reports = list(entry.rule.check(project))
    span_of = _spans(place for report in reports for place in report.places())
    for report in reports:
        fix = None if report.remedy is None else _fix(report.remedy, project.book, span_of)
        yield Finding(span_of(report.where), entry.code, report.message, fix)


def _spans(places: Iterable["Anchor | Span"]) -> Callable[["Anchor | Span"], Span]:
    """Where each of ``places`` is; each chapter is asked once."""
    wanted: dict[Chapter, set[tuple[int, str]]] = {}
    for place in places:
        if not isinstance(place, Span):
            wanted.setdefault(place.chapter, set()).add((place.at, place.part))
    found = {chapter: chapter.spans(parts) for chapter, parts in wanted.items()}

    def span_of(place: "Anchor | Span") -> Span:
        return place if isinstance(place, Span) else found[place.chapter][place.at, place.part]

    return span_of


def _fix(remedy: "Remedy", book: "Book", span_of: Callable[["Anchor | Span"], Span]) -> Fix | None:
    """The edits; None where it is not known where code stands, or a comment would go with it."""
    edits = []
    for change in remedy.changes:
        span = span_of(change.where)
        if span.start == span.end and not isinstance(change.where, Span):
            return None  # LibCST has dropped text: `Chapter.spans`
        if change.side == "before":
            span = Span(span.start, span.start)
        elif change.side == "after":
            span = Span(span.end, span.end)
        if "#" in book.text[book.lines.offset(span.start) : book.lines.offset(span.end)]:
            return None
        edits.append(Edit(span, change.text))
    return Fix(remedy.applicability, tuple(sorted(edits)))


def unread(error: SettingsError | OSError | SyntaxError | UnicodeError) -> Finding:
    """What is reported of a file that cannot be read or decoded, or has a bad setting."""
    place = Position(1, 0)
    if isinstance(error, SettingsError):
        message = str(error)
    elif isinstance(error, OSError):
        message = f"this file cannot be read: {error.strerror or error}"
    else:
        reason = str(error)
        if isinstance(error, UnicodeDecodeError):
            reason = f"{error.encoding} has no such byte as 0x{error.object[error.start]:02x}"
            place = LineTable(error.object[: error.start].decode(error.encoding, "replace")).end
        message = (
            f"this file cannot be decoded: {reason}; save it as UTF-8, or say its encoding in its"
            " first line (# -*- coding: latin-1 -*-)"
        )
    return Finding(Span(place, place), NOT_ANALYSED.code, message)


def _not_analysed(error: Exception, text: str) -> Finding:
    place = Position(1, 0)
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}, which runs the linter,"
    if "\0" in text:  # whatever else is wrong, that is what it says, without the place
        place = LineTable(text).position(text.index("\0"))
        message = f"{version} cannot parse this file: there is a null byte in it; remove it"
    elif isinstance(error, SyntaxError):
        place = Position(error.lineno or 1, max((error.offset or 1) - 1, 0))
        message = f"{version} cannot parse this file: {error.msg}"
    elif (line := _deep_line(error, text)) is not None:
        place = Position(line, 0)
        message = f"{version} cannot parse what is here: it is nested too deeply; split it up"
    else:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        message = f"this file could not be analysed ({reason}); please report it"
    return Finding(Span(place, place), NOT_ANALYSED.code, message)


def _deep_line(error: Exception, text: str) -> int | None:
    """Where the statement begins that made ``ast.parse`` give up; it does not say itself."""
    if not (isinstance(error, RecursionError | MemoryError) and _is_too_deep(text)):
        return None
    lines = LineTable(text)
    heads = [0, *(n for n, line in enumerate(lines.all(), 1) if _HEAD.match(line))]
    starts = [n for above, n in pairwise(heads) if not (above and lines.line(above)[0] == "@")]
    for first, after in pairwise([*starts, len(text) + 1]):
        if _is_too_deep(text[lines.start_of(first) : lines.start_of(after)]):
            return first
    return 1


def _is_too_deep(text: str) -> bool:
    try:
        parsed(text)
    except (RecursionError, MemoryError):
        return True
    except (SyntaxError, ValueError):
        pass  # a part of a statement
    return False
