"""What one process holds while it lints 10,000 files: it must stay flat."""

import resource
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import samples
from flake8_nnx_mode.rules import registry
from flake8_nnx_mode.selection import DEFAULT
from growth import check
from report import Table

FILES = 10_000
AFTER = (100, 1_000, 2_500, 5_000, FILES)


def main(rounds: int) -> list[Table]:
    """Lint them, in a process of its own; once is enough, as memory does not vary."""
    table = Table("One process lints many files of one package", ("files", "peak memory"))
    fork = get_context("fork")
    mine, its = fork.Pipe(duplex=False)
    child = fork.Process(target=_lint, args=(its,))
    child.start()
    its.close()
    for count in AFTER:
        table.add(f"{count:,}", f"{mine.recv():.0f} MB")
    child.join()
    return [table]


def _lint(pipe: Any) -> None:
    texts = [entry.good for entry in registry()] + [entry.bad for entry in registry()]
    with tempfile.TemporaryDirectory() as folder:
        samples.written(Path(folder), {"pyproject.toml": "", "many/__init__.py": ""})
        for number in range(FILES):
            # Each imports the one before it, so that books come and go.
            above = f"from many.part{number - 1} import *\n" if number else ""
            text = above + samples.renamed(texts[number % len(texts)], number)
            path = Path(folder) / "many" / f"part{number}.py"
            path.write_text(text, encoding="utf-8")
            check(path, text, DEFAULT)
            path.with_name(f"part{number - 2}.py").unlink(missing_ok=True)
            if number + 1 in AFTER:
                pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
