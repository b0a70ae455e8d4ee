"""Finds the Python files that a command is about."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.patterns import matches
from flake8_nnx_mode.settings import SettingsError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_SKIPPED = frozenset(
    {"__pycache__", "__pypackages__", "build", "dist", "node_modules", "site-packages", "venv"}
)


def python_files(
    root: Path,
    kept: Callable[[Path, str], bool] = lambda path, end: True,
    on_error: Callable[[OSError], object] | None = None,
) -> Iterator[Path]:
    """The Python files in and below ``root``, in one order everywhere.

    What is hidden, installed or built is left out; ``root`` itself may be.

    Args:
        root: A folder.
        kept: Is asked of each path, and told its end: a slash if it is a folder.
        on_error: Is told of folders that cannot be listed.
    """
    for place, folders, names in os.walk(root, onerror=on_error):
        here = Path(place)
        folders[:] = [
            n for n in sorted(folders) if not _is_skipped(here / n) and kept(here / n, "/")
        ]
        for name in sorted(names):
            file = here / name
            if not name.endswith(".py") or name.startswith(".") or not kept(file, ""):
                continue
            if file.is_file():  # a pipe that is called so would never end
                yield file


class Finder:
    """Finds files; ``unlisted`` has the folders that could not be listed, and why."""

    def __init__(
        self,
        settings: FolderSettings,
        exclude: tuple[str, ...] = (),
        *,
        gitignore: bool = True,
        force_exclude: bool = False,
    ) -> None:
        """Say what to leave out, beside what is hidden, installed or built.

        Args:
            settings: Where each folder's own ``exclude`` is.
            exclude: Further patterns, anchored.
            gitignore: Leave out what git ignores.
            force_exclude: Leave out what is excluded even where it is named itself.
        """
        self._settings = settings
        self._exclude = exclude
        self._gitignore = gitignore
        self._force_exclude = force_exclude
        self.unlisted: dict[Path, OSError] = {}

    def files(self, paths: Iterable[Path]) -> list[Path]:
        """The files that ``paths`` name and those in folders that they name, in order of path.

        Each file comes once, by the first of its names. A path where nothing is stays as it is:
        reading it says what is wrong.
        """
        found: dict[str, Path] = {}
        for path in paths:
            if self._force_exclude and self._is_excluded(path):
                continue
            for file in self._below(path) if path.is_dir() else (path,):
                found.setdefault(os.path.abspath(file), file)
        return sorted(found.values())

    def _below(self, root: Path) -> Iterator[Path]:
        ignored = {root: _above(root)} if self._gitignore else {}

        def kept(path: Path, end: str) -> bool:
            if self._is_excluded(path):
                return False
            if not self._gitignore:
                return True
            if path.parent not in ignored:
                ignored[path.parent] = _with_own(ignored[path.parent.parent], path.parent)
            verdicts = (one.verdict(path, end) for one in reversed(ignored[path.parent]))
            return not next((verdict for verdict in verdicts if verdict is not None), False)

        return python_files(root, kept, self._unlisted)

    def _unlisted(self, error: OSError) -> None:
        self.unlisted[Path(error.filename)] = error

    def _is_excluded(self, path: Path) -> bool:
        try:
            settings = self._settings.of(path.absolute().parent)
        except SettingsError:
            return False  # reading a file there says so
        return matches(path, (*self._exclude, *settings.exclude))


class _Ignored:
    """What one .gitignore, or its like, says of the paths below ``folder``."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.folder = folder.absolute()
        self._spec = _spec(file)

    def verdict(self, path: Path, end: str) -> bool | None:
        """Whether ``path`` is ignored, or expressly not; None if nothing is said of it.

        ``end`` is ``/`` for a folder.
        """
        inside = path.absolute().relative_to(self.folder).as_posix()
        return self._spec.check_file(inside + end).include


@cache
def _spec(file: Path) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec

    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    return GitIgnoreSpec.from_lines(lines)


def _above(root: Path) -> tuple[_Ignored, ...]:
    """What counts for ``root`` from the repository around it, the nearest last.

    A file that ignores ``root`` itself does not count: somebody named it nevertheless.
    """
    root = root.absolute()
    above = [root, *root.parents]
    top = next((number for number, folder in enumerate(above) if (folder / ".git").exists()), 0)
    sources = [(folder / ".gitignore", folder) for folder in above[1 : top + 1]]
    sources.append((above[top] / ".git" / "info" / "exclude", above[top]))
    found = [_Ignored(file, folder) for file, folder in reversed(sources) if file.is_file()]
    around = tuple(one for one in found if root == one.folder or not one.verdict(root, "/"))
    return _with_own(around, root)


def _with_own(around: tuple[_Ignored, ...], folder: Path) -> tuple[_Ignored, ...]:
    file = folder / ".gitignore"
    return (*around, _Ignored(file, folder)) if file.is_file() else around


def _is_skipped(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return True
    try:
        return (folder / "pyvenv.cfg").exists()
    except OSError:  # it is told of when it is read
        return False
