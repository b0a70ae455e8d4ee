"""Source -> findings: which rules run on a file, and what happens when something goes wrong."""

import ast
import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_nnx_mode.model import Edit, Finding, Fix, Position, Span
from flake8_nnx_mode.settings import Settings, SettingsError, from_mapping, from_pyproject

if TYPE_CHECKING:
    from flake8_nnx_mode.facts.project import Project
    from flake8_nnx_mode.rules import Entry, Remedy
    from flake8_nnx_mode.syntax.book import Anchor, Book
    from flake8_nnx_mode.syntax.chapter import Chapter

NOT_ANALYSED = "NNX000"
_TOP = Span(Position(1, 0), Position(1, 0))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules could report at all, by flake8's ``select`` and ``ignore``.

    Only what surely stays unreported is ruled out; where a code is both selected and ignored, the
    caller's own decision stands.
    """

    select: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def runs(self, code: str, *, on: bool) -> bool:
        """Whether to run the rule ``code``, which is ``on`` unless told otherwise.

        A rule that is off runs once a prefix longer than ``NNX`` selects it.
        """
        chosen = self.select + self.extend_select
        if not on:
            return code.startswith(tuple(prefix for prefix in chosen if len(prefix) > len("NNX")))
        return code.startswith(chosen) or not (self.select or code.startswith(self.ignore))

    def reports(self, code: str) -> bool:
        """Whether to report ``code`` once its rule ran: the longer prefix decides, as in flake8."""
        chosen = _longest(code, self.select + self.extend_select)
        ignored = _longest(code, self.ignore)
        return not ignored or chosen > ignored


EVERYTHING = Selection(extend_select=("NNX1", "NNX2", "NNX3", "NNX4"))
"""All rules, those that are off by default too."""


def _longest(code: str, prefixes: Iterable[str]) -> int:
    return max((len(prefix) for prefix in prefixes if code.startswith(prefix)), default=0)


class FolderSettings:
    """The settings for the files of each folder: pyproject.toml's, under those ``given``."""

    def __init__(self, given: Mapping[str, object], where: str) -> None:
        """Remember what was ``given`` by option name, and what to call that place."""
        self._given = given
        self._where = where
        self._known: dict[Path, Settings] = {}

    def of(self, folder: Path) -> Settings:
        """The settings for the files in ``folder``, an absolute path.

        Raises:
            SettingsError: one of them is wrong.
        """
        known = self._known.get(folder)
        if known is None:
            known = from_mapping(self._given, self._where, from_pyproject(folder))
            check_codes(known)
            self._known[folder] = known
        return known


def concerns(text: str, settings: Settings) -> bool:
    """Whether the file can hold anything for us; everything dear comes after this."""
    return any(marker in text for marker in settings.markers)


def check_codes(settings: Settings) -> None:
    """Make sure that there are rules for what ``opt_in`` says.

    Raises:
        SettingsError: there is none for one of them.
    """
    if settings.opt_in:  # most runs need not know the rules to know that
        check_prefixes(settings.opt_in, "opt-in")


def check_prefixes(prefixes: Iterable[str], where: str) -> None:
    """Make sure that each of ``prefixes`` begins the code of a rule.

    Raises:
        SettingsError: one does not; the message begins with ``where`` it was given.
    """
    from flake8_nnx_mode.rules import codes

    for prefix in prefixes:
        if not any(code.startswith(prefix) for code in codes()):
            known = ", ".join(codes())
            raise SettingsError(f"{where}: there is no rule {prefix}; there are {known}")


def check(
    path: Path,
    text: str,
    settings: Settings,
    selection: Selection = Selection(),
    tree: ast.Module | None = None,
) -> list[Finding]:
    """All findings in a file, in order of place.

    Args:
        path: Where the file is, or would be; imports are followed from there.
        text: What it holds, decoded, without a BOM.
        settings: The settings for it.
        selection: Which rules to run.
        tree: ``ast.parse(text)``, where the caller has it.

    Returns:
        Findings; NNX000 among them for what could not be analysed. Nothing is raised.
    """
    if not concerns(text, settings):
        return []
    findings: set[Finding] = set()
    try:
        from flake8_nnx_mode.syntax.book import Book

        with _no_collection():
            findings.update(_check(Book(path.absolute(), text, tree), settings, selection))
    except Exception as error:  # the guard: whatever happens, the run goes on
        findings.add(_not_analysed(error))
    return sorted(findings)


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
    from flake8_nnx_mode.rules import registry

    project = Project(book, settings)
    failure: Finding | None = None
    for entry in registry():
        on = entry.rule.on or entry.code.startswith(settings.opt_in)
        if selection.runs(entry.code, on=on) and _applies(entry, book.text, settings):
            try:
                yield from _run(entry, project)
            except Exception as error:  # one rule that fails does not silence the others
                failure = failure or _not_analysed(error)
    if failure is not None:
        yield failure
    for refusal in book.refusals:
        place = Position(refusal.line, 0)
        message = f"LibCST cannot read {refusal.what}, so it was not checked: {refusal.reason}"
        yield Finding(Span(place, place), NOT_ANALYSED, message)


def _applies(entry: "Entry", text: str, settings: Settings) -> bool:
    rule = entry.rule
    if settings.flax_version < rule.since:
        return False
    return not rule.triggers or any(word in text for word in rule.triggers)


def _run(entry: "Entry", project: "Project") -> Iterator[Finding]:
    reports = list(entry.rule.check(project))
    span_of = _spans(place for report in reports for place in report.places())
    for report in reports:
        fix = None if report.remedy is None else _fix(report.remedy, span_of)
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


def _fix(remedy: "Remedy", span_of: Callable[["Anchor | Span"], Span]) -> Fix:
    edits = []
    for change in remedy.changes:
        span = span_of(change.where)
        if change.side == "before":
            span = Span(span.start, span.start)
        elif change.side == "after":
            span = Span(span.end, span.end)
        edits.append(Edit(span, change.text))
    return Fix(remedy.applicability, tuple(sorted(edits)))


def _not_analysed(error: Exception) -> Finding:
    if isinstance(error, SyntaxError):
        place = Position(error.lineno or 1, max((error.offset or 1) - 1, 0))
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        message = f"Python {version}, which runs the linter, cannot parse this file: {error.msg}"
        return Finding(Span(place, place), NOT_ANALYSED, message)
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return Finding(
        _TOP, NOT_ANALYSED, f"this file could not be analysed ({reason}); please report it"
    )
