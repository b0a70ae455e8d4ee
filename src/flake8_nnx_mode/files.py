"""Finds the Python files that a command is about."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_SKIPPED = frozenset(
    {"__pycache__", "__pypackages__", "build", "dist", "node_modules", "site-packages", "venv"}
)


def python_files(
    folder: Path, on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """The Python files in and below ``folder``, in one order everywhere.

    What is hidden, installed or built is left out; ``folder`` itself may be.
    """
    for place, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not _skipped(Path(place, name)))
        for name in sorted(names):
            file = Path(place, name)
            # A pipe that is called so would never end.
            if name.endswith(".py") and not name.startswith(".") and file.is_file():
                yield file


def named_files(paths: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """The files that ``paths`` name and those in folders that they name; and what is wrong.

    Each file comes once, by the first of its names.
    """
    found: dict[str, Path] = {}
    wrong: list[str] = []

    def unreadable(error: OSError) -> None:
        wrong.append(f"{error.filename}: {error.strerror}")

    for path in paths:
        if not path.exists():
            wrong.append(f"{path}: no such file or folder")
            continue
        for file in python_files(path, unreadable) if path.is_dir() else (path,):
            found.setdefault(os.path.abspath(file), file)
    return sorted(found.values()), wrong


def _skipped(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return True
    try:
        return (folder / "pyvenv.cfg").exists()
    except OSError:  # it is told of when it is read
        return False
