"""Finds the Python files that a command is about."""

import os
import re
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.patterns import matches, names
from flake8_nnx_mode.settings import SettingsError

if TYPE_CHECKING:
    from pathspec import RegexPattern

_SKIPPED = frozenset(
    {"__pycache__", "__pypackages__", "build", "dist", "node_modules", "site-packages", "venv"}
)


def python_files(
    root: Path,
    kept: Callable[[Path, bool], bool] = lambda path, is_folder: True,
    on_error: Callable[[OSError], object] | None = None,
) -> Iterator[Path]:
    """The Python files in and below ``root``, in one order everywhere.

    What is hidden, installed or built is left out; ``root`` itself may be.

    Args:
        root: A folder.
        kept: Is asked of each path, and told whether it is a folder.
        on_error: Is told of folders that cannot be listed.
    """
    for place, folders, files in os.walk(root, onerror=on_error):
        here = Path(place)
        folders[:] = [
            n for n in sorted(folders) if not _is_skipped(here / n) and kept(here / n, True)
        ]
        for name in sorted(files):
            file = here / name
            if not name.endswith(".py") or name.startswith(".") or not kept(file, False):
                continue
            if _is_file(file):
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
            if self._force_exclude and matches(path, self._excluded_at(path)):
                continue
            for file in self._below(path) if os.path.isdir(path) else (path,):
                found.setdefault(os.path.abspath(file), file)
        return sorted(found.values())

    def _below(self, root: Path) -> Iterator[Path]:
        ignored = {root: _above(root)} if self._gitignore else {}

        def kept(path: Path, is_folder: bool) -> bool:
            if names(path, self._excluded_at(path)):
                return False
            if not self._gitignore:
                return True
            folder = path.parent
            if folder not in ignored:
                inside = os.path.exists(folder / ".git")  # a repository in a repository
                around = ignored[folder.parent]
                ignored[folder] = _above(folder) if inside else _with_own(around, folder)
            return not _is_ignored(os.path.abspath(path), is_folder, ignored[folder])

        return python_files(root, kept, self._unlisted)

    def _unlisted(self, error: OSError) -> None:
        self.unlisted[Path(error.filename)] = error

    def _excluded_at(self, path: Path) -> tuple[str, ...]:
        """The patterns that count for ``path``."""
        try:
            settings = self._settings.of_file(path)
        except SettingsError:
            return self._exclude  # reading a file there says so
        return (*self._exclude, *settings.exclude)


class _Ignored:
    """What one .gitignore, or its like, says of the paths below ``folder``."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.folder = folder
        self._patterns = _patterns(file)

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether ``path`` is ignored, or expressly not; None if nothing is said of it."""
        inside = path[len(str(self.folder)) :].replace(os.sep, "/").lstrip("/")
        found = (p.include for p in self._patterns if _is_for(p, inside, is_folder))
        return next(found, None)


def _is_ignored(path: str, is_folder: bool, sources: tuple[_Ignored, ...]) -> bool:
    """What the last of ``sources`` that says anything of ``path`` says."""
    verdicts = (one.verdict(path, is_folder) for one in reversed(sources))
    return next((verdict for verdict in verdicts if verdict is not None), False)


@cache
def _patterns(file: Path) -> "tuple[RegexPattern, ...]":
    """Those in a .gitignore, the last first, as the last one that matches decides."""
    from pathspec import GitIgnoreSpec, Pattern, RegexPattern

    try:
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError:
        return ()
    found: list[Pattern] = []
    for line in text.split("\n"):
        # Of a folder pathspec would let `a/**/` match `a` itself, and not what is below.
        line = re.sub(r"(?<=[^/])/\*\*/\r?\Z", "/**/*/", line)
        try:
            with warnings.catch_warnings(action="ignore"):
                found += GitIgnoreSpec.from_lines([line]).patterns
        except (ValueError, re.error):
            continue  # it is no pattern: git passes over it too
    return tuple(p for p in reversed(found) if isinstance(p, RegexPattern) and p.regex)


def _is_for(pattern: "RegexPattern", path: str, is_folder: bool) -> bool:
    """Whether ``pattern`` is for ``path`` itself, which is what git asks on its way down.

    pathspec also lets it match what is below; its only group is the slash behind a folder.
    """
    assert pattern.regex is not None
    found = pattern.regex.search(path)
    if found is not None and found.lastindex is None:
        return True
    found = pattern.regex.search(f"{path}/") if is_folder else None
    if found is None or found.lastindex is None:
        return False
    return found.end() > len(path) or found.start() > 0  # `*/` finds the first slash of any


def _above(root: Path) -> tuple[_Ignored, ...]:
    """What counts for ``root`` from the repository around it, the nearest last.

    A file that ignores ``root`` itself does not count: somebody named it nevertheless.
    """
    root = _absolute(root)
    above = [root, *root.parents]
    git = (number for number, folder in enumerate(above) if os.path.exists(folder / ".git"))
    top = next(git, 0)
    sources = [(folder / ".gitignore", folder) for folder in above[1 : top + 1]]
    sources.append((above[top] / ".git" / "info" / "exclude", above[top]))
    found = [_Ignored(file, folder) for file, folder in reversed(sources) if os.path.isfile(file)]
    around = tuple(o for o in found if root == o.folder or not o.verdict(str(root), True))
    return _with_own(around, root)


def _with_own(around: tuple[_Ignored, ...], folder: Path) -> tuple[_Ignored, ...]:
    folder = _absolute(folder)  # what is remembered by name must not depend on where we are
    file = folder / ".gitignore"
    return (*around, _Ignored(file, folder)) if os.path.isfile(file) else around


def _is_skipped(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED:
        return True
    return os.path.exists(folder / "pyvenv.cfg")


def _is_file(path: Path) -> bool:
    """Whether it is one, as far as can be told; a pipe that is called so would never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except PermissionError:  # reading it says so
        return True
    except OSError:  # a link to nothing
        return False


def _absolute(path: Path) -> Path:
    """``path`` from the root, without the `..` that `Path.absolute` would leave in it."""
    return Path(os.path.abspath(path))
