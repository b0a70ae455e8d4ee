"""File patterns, with the meaning that they have in flake8.

One without a slash is for the name of a file or folder; one with a slash for its path, from the
folder of the file that says it; ``*`` stands for slashes too.
"""

import logging
import os.path
from collections.abc import Iterable
from pathlib import Path

_LOG = logging.getLogger(__name__)


def anchored(patterns: Iterable[str], folder: Path) -> tuple[str, ...]:
    """``patterns`` as they are to be compared, given that they were said in ``folder``.

    A ``**/`` may be no folder at all, as in ruff and git; in flake8's own files it is one at least.
    """
    from flake8.utils import normalize_paths

    found = normalize_paths(list(patterns), str(folder))
    found += [pattern.replace("/**/", "/") for pattern in found if "/**/" in pattern]
    return tuple(found)


def names(path: Path, patterns: Iterable[str]) -> bool:
    """Whether one of the anchored ``patterns`` is for ``path`` itself, absolute or not."""
    patterns = list(patterns)
    if not patterns:  # most runs have none, and need not load what matches them
        return False
    from flake8.utils import matches_filename

    return matches_filename(str(path), patterns, "%(path)s %(whether)smatches", _LOG)


def matches(path: Path, patterns: Iterable[str]) -> bool:
    """Whether one is for ``path`` or for a folder around it, below the working directory."""
    patterns = list(patterns)
    if not patterns:
        return False
    here = Path.cwd()
    path = Path(os.path.abspath(path))
    around = [folder for folder in path.parents if here in folder.parents]
    return any(names(one, patterns) for one in (path, *around))
