"""Paths -> findings -> jobs: what is to be run, and all that the other side must know for it."""

import ast
import os.path
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flake8_nnx_mode import engine
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.confirm.builds import Builds
from flake8_nnx_mode.confirm.jobs import Job, Task
from flake8_nnx_mode.confirm.pins import read_pins
from flake8_nnx_mode.facts.library import project_root, top_package
from flake8_nnx_mode.files import Finder
from flake8_nnx_mode.fixes.apply import applied, moved
from flake8_nnx_mode.lint import Linter, Source
from flake8_nnx_mode.model import Finding
from flake8_nnx_mode.rules import registry
from flake8_nnx_mode.settings import SettingsError
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Outline


@dataclass(frozen=True, slots=True)
class Batch:
    """The findings of one file."""

    source: Source
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` parts of the findings; ``number`` counts from 1."""

    number: int
    count: int


class Planner:
    """Turns paths into jobs; ``problems`` says, for people, what could not be done."""

    def __init__(self, linter: Linter, finder: Finder) -> None:
        """Plan for the files that ``finder`` finds, and what ``linter`` reports of them."""
        self._linter = linter
        self._finder = finder
        self._builds = Builds()
        self._problems: dict[str, None] = {}

    @property
    def problems(self) -> list[str]:
        """Each said once, in the order in which they were met."""
        return list(self._problems)

    def sources(self, paths: Iterable[Path]) -> list[Source]:
        """The files that ``paths`` name, and those in folders that they name, in order of path."""
        files = self._finder.files(paths)
        for folder, error in self._finder.unlisted.items():
            self._problem(f"{folder}: {engine.unread(error).message}")
        return [source for file in files if (source := self._source(file)) is not None]

    def batches(self, sources: Iterable[Source]) -> Iterator[Batch]:
        """Lint; files without findings are left out, and findings with ``# noqa``."""
        for source in sources:
            kept = []
            for finding in self._linter.findings(source):
                if finding.code == NOT_ANALYSED.code:
                    self._problem(f"{source.path}:{finding.span.start.line}: {finding.message}")
                else:
                    kept.append(finding)
            if kept:
                yield Batch(source, tuple(kept))

    def job(self, batch: Batch, first: int) -> Job | None:
        """What of ``batch`` an oracle can confirm; its findings are numbered from ``first``."""
        source = batch.source
        path, text = Path(os.path.abspath(source.path)), source.text
        tasks = tuple(
            _task(number, finding, text)
            for number, finding in enumerate(batch.findings, first)
            if oracle_of(finding.code) is not None
        )
        if not tasks:
            return None
        book = Book(path, text)
        root = project_root(path, source.settings.project_root)
        module, start = _module(book, root)
        pins, wrong = read_pins(
            source.path, text, module, book.outline, self._linter.settings.table(path.parent)
        )
        for problem in wrong:
            self._problem(problem)
        return Job(
            path=str(path),
            text=text,
            module=module,
            roots=tuple(dict.fromkeys(map(str, (start, root / "src", root)))),
            flags=dict(source.settings.mode_flags),
            pins=pins,
            builds={
                name: found
                for name in _flagged_classes(book.outline, tasks)
                if (found := self._builds.of(name.rpartition(".")[2], path, (start, root)))
            },
            tasks=tasks,
        )

    def _source(self, file: Path) -> Source | None:
        try:
            return self._linter.source(file)
        except SettingsError as error:
            self._problem(str(error))
        except (OSError, SyntaxError, UnicodeError) as error:
            self._problem(f"{file}: {engine.unread(error).message}")
        return None

    def _problem(self, message: str) -> None:
        self._problems[message] = None


def oracle_of(code: str) -> str | None:
    """The name of what confirms the rule ``code``."""
    return next((e.rule.oracle for e in registry() if e.code == code), None)


def sharded(batches: Iterable[Batch], shard: Shard) -> list[Batch]:
    """The part of ``batches`` that is ``shard``.

    All findings, in order of place, are cut into parts of one size: it needs no clock and no hash,
    and most files are read in one part only. A cut moves to where a class or function ends.
    """
    batches = list(batches)
    total = sum(len(batch.findings) for batch in batches)
    before = 0
    result = []
    for batch in batches:
        kept: list[Finding] = []
        for together in _by_statement(batch):
            middle = 2 * before + len(together)
            if middle * shard.count // (2 * total) == shard.number - 1:
                kept += together
            before += len(together)
        if kept:
            result.append(Batch(batch.source, tuple(kept)))
    return result


def _by_statement(batch: Batch) -> Iterator[list[Finding]]:
    """The findings of each top-level statement."""
    starts = [
        min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
        for statement in Book(batch.source.path.absolute(), batch.source.text).tree.body
    ]
    groups: dict[int, list[Finding]] = {}
    for finding in batch.findings:
        groups.setdefault(bisect_right(starts, finding.span.start.line), []).append(finding)
    yield from groups.values()


def _task(number: int, finding: Finding, text: str) -> Task:
    fixed = fixed_span = None
    if finding.fix is not None:
        fixed, _ = applied(text, [finding.fix])
        fixed_span = moved(finding.span, text, finding.fix)
    oracle = oracle_of(finding.code)
    return Task(number, finding.code, oracle, finding.span, fixed, fixed_span, finding.message)


def _module(book: Book, root: Path) -> tuple[str, Path]:
    """The name of a file as Python imports it, and the folder where that name starts."""
    path = book.path
    start = top_package(path).parent
    above = [f for f in path.parents if f.is_relative_to(root) and (f / "__init__.py").is_file()]
    if above and len(above[-1].parts) < len(start.parts):
        start = above[-1].parent  # folders without __init__.py in between are packages as well
    if start == path.parent and _imports_neighbours(book.tree):
        # A package without __init__.py: it starts where the project's other packages do.
        start = next((f for f in (root / "src", root) if path.is_relative_to(f)), start)
    parts = path.relative_to(start).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts), start


def _imports_neighbours(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _flagged_classes(outline: Outline, tasks: Sequence[Task]) -> Iterator[str]:
    """The innermost class around each finding."""
    names = []
    for task in tasks:
        line = task.span.start.line
        around = [
            c for c in outline.classes if c.node.lineno <= line <= (c.node.end_lineno or line)
        ]
        if around:
            names.append(max(around, key=lambda c: c.node.lineno).qualname)
    yield from dict.fromkeys(names)
