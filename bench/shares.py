"""Where the time of linting goes, in times of parsing the same files whole, and what is no choice.

Measured inside the process, with everything imported: each share without those that it asks for.
"""

import ast
import gc
import multiprocessing
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libcst

import samples
from flake8_nnx_mode import engine
from flake8_nnx_mode.facts.events import FunctionFacts
from flake8_nnx_mode.facts.flow import Flow
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.selection import DEFAULT
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax import book, chapter
from report import Table

PARSING, LOWERING, RUNNING = "bodies: parsed by LibCST", "bodies: lowered", "bodies: run"
OUTLINES, COLLECTING, REST = "ast and outlines", "garbage collection", "everything else"
SHARES = (PARSING, LOWERING, RUNNING, OUTLINES, COLLECTING, REST)
AST, UNREAD = "ast of these files alone", "all of it, were no body ever read"
FOUND = "bodies that something is reported of, parsed by LibCST"


class Clock:
    """CPU seconds by what was done; what one thing asks for is not counted as its own."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        """Count what happens within as ``what``."""
        begun = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - begun
            self.spent[what] += whole - self._inner.pop()
            self._inner[-1] += whole

    def timed(self, what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work``, which is counted as ``what``."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.time(what):
                return work(*args, **kwargs)

        return counted


def main(rounds: int) -> list[Table]:
    """Measure all shares."""
    paths = samples.nnx_files()
    found = []
    for _ in range(rounds):
        # A process of its own: what is measured is changed, and what is kept of files is not there.
        with multiprocessing.get_context("fork").Pool(1) as pool:
            spent = pool.apply(_measured, (paths,))
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found.append(spent | {UNREAD: pool.apply(_without_bodies, (paths,))})
    table = Table(f"Where it goes, {samples.size(paths)}", ("", "times `parse_module`", "CPU"))
    for what in (*SHARES, "all of it", AST, FOUND, UNREAD):
        ratio = statistics.median(spent[what] / spent["whole"] for spent in found)
        seconds = statistics.median(spent[what] for spent in found)
        table.add(what, f"{ratio:.2f}", f"{seconds:.2f} s")
    return [table]


def _measured(paths: list[Path]) -> dict[str, float]:
    texts = [path.read_text(encoding="utf-8-sig") for path in paths]
    parse = libcst.parse_module  # as it is, before the clock counts it
    clock, spent = Clock(), dict[str, float]()
    with clock.time("whole"):
        for text in texts:
            parse(text)
    spent["whole"] = clock.spent["whole"]
    with clock.time("ast"):
        for text in texts:
            ast.parse(text)
    spent[AST] = clock.spent["ast"]
    clock = _instrumented()
    checked = []
    for path, text in zip(paths, texts, strict=True):
        with clock.time(REST):
            checked.append((path, text, engine.check(path, text, Settings(), DEFAULT)))
    spent.update({what: clock.spent[what] for what in SHARES})
    spent["all of it"] = sum(clock.spent[what] for what in SHARES)
    reported: list[str] = []
    for path, text, findings in checked:  # once all is counted: this reads outlines, too
        read = book.Book(path, text)
        reported += (
            read.text_of(function)
            for function in read.outline.functions
            if any(
                function.node.lineno <= finding.span.start.line <= function.last_line
                for finding in findings
            )
        )
    with clock.time(FOUND):
        for text in reported:
            parse("if 1:\n" + text if text[:1].isspace() else text)
    spent[FOUND] = clock.spent[FOUND]
    return spent


def _without_bodies(paths: list[Path]) -> float:
    """What is left where nobody knows what any function does."""
    Project.run = lambda *_, **__: FunctionFacts(known=False)  # type: ignore[method-assign]
    texts = [path.read_text(encoding="utf-8-sig") for path in paths]
    begun = time.process_time()
    for path, text in zip(paths, texts, strict=True):
        engine.check(path, text, Settings(), DEFAULT)
    return time.process_time() - begun


def _instrumented() -> Clock:
    """Have the clock count what the package does, for the rest of this process."""
    clock = Clock()
    libcst.parse_module = clock.timed(PARSING, libcst.parse_module)
    chapter.Chapter._read = clock.timed(LOWERING, chapter.Chapter._read)  # type: ignore[method-assign]
    Flow.run = clock.timed(RUNNING, Flow.run)  # type: ignore[method-assign]
    for name in ("parsed", "read_outline"):
        setattr(book, name, clock.timed(OUTLINES, getattr(book, name)))

    pauses: list[Any] = []

    def collect(phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            pauses.append(clock.time(COLLECTING))
            pauses[-1].__enter__()
        elif pauses:
            pauses.pop().__exit__(None, None, None)

    gc.callbacks.append(collect)
    return clock
