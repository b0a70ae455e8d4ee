"""The scripts that show by themselves what was seen, as files."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from flake8_nnx_mode.confirm.results import Result


def write(found: Iterable[Result], folder: Path) -> Iterator[Result]:
    """Write one script into ``folder`` for each result that has one, and yield all with its place.

    Only a script for the same finding is written over.

    Raises:
        OSError: a file cannot be written.
    """
    taken: set[Path] = set()
    for result in found:
        if not result.outcome.script:
            yield result
            continue
        folder.mkdir(parents=True, exist_ok=True)
        header = f"# {result.finding.code} {result.place}, by `nnx-mode confirm`"
        file = next(f for f in _names(result, folder) if f not in taken and _free(f, header))
        taken.add(file)
        text = f"{header}\n{result.outcome.script}"
        file.write_text(text, encoding="utf-8", errors="backslashreplace")
        yield replace(result, repro=str(file))


def _names(result: Result, folder: Path) -> Iterator[Path]:
    stem = re.sub(r"\W", "_", Path(result.path).stem)
    name = f"{result.finding.code.lower()}_{stem}_{result.finding.span.start.line}"
    yield folder / f"{name}.py"
    yield from (folder / f"{name}_{number}.py" for number in count(2))


def _free(file: Path, header: str) -> bool:
    if not file.exists():
        return True
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as script:
        return script.readline().rstrip("\n") == header
