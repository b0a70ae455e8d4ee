"""Finds the files that imports name, and keeps the books that were read."""

import ast
import os
from collections import OrderedDict
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from flake8_nnx_mode.facts.values import ModuleFile
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.text import UNPARSABLE, decoded, normalized

_MOST_BOOKS, _MOST_TEXT = 256, 8_000_000
"""So many books are kept, of so many characters in all: some 300 MB of trees."""
_ROOT_MARKERS = ("pyproject.toml", "setup.cfg", "setup.py", ".git")
_Stamp = tuple[int, int]
"""When a file was changed last, in ns, and its size."""


class Library:
    """The files of one project, as seen while one file (``current``) is looked at.

    ``current`` is read from its buffer, whatever is on disk, also by those that import it.
    """

    def __init__(self, current: Book, root: Path | None, installed: frozenset[str]) -> None:
        self.current = current
        self.installed = installed
        self._root = root
        self._found: dict[tuple[str, Path], ModuleFile | None] = {}
        self._paths: dict[tuple[str, Path], tuple[Path, ...]] = {}
        self._roots: dict[Path, Path | None] = {}
        self._starts: dict[Path, tuple[Path | None, tuple[Path, ...]]] = {}
        self._listed: dict[str, frozenset[str]] = {}
        self._open_here = os.path.split(current.path)
        self._opened: dict[Path, Book | None] = {current.path: current}

    def open(self, path: Path) -> Book | None:
        """The book at ``path``; None if it cannot be read or is not Python."""
        if path not in self._opened:
            self._opened[path] = _open(path)
        return self._opened[path]

    def may_define(self, module: ModuleFile, name: str) -> bool:
        """Whether the text of a module mentions ``name``: it need not be parsed to know that."""
        if module.file is None or module.file in self._opened:
            return True
        try:
            data = _bytes(module.file)
        except OSError:
            return False
        return name.encode() in data or b"import *" in data

    def absolute(self, name: str, importer: Path) -> ModuleFile | None:
        """The module ``name`` as ``importer`` would import it, if it belongs to the project."""
        top = name.partition(".")[0]
        if top in ("flax", "jax"):
            return None  # known by name, also inside flax itself
        key = (name, importer.parent)
        if key not in self._found:
            parts = name.split(".")
            where = (top, importer.parent)
            if where not in self._paths:
                self._paths[where] = tuple(self._search_path(top, importer))
            places = (self._below(folder, parts, name) for folder in self._paths[where])
            found = next((place for place in places if place is not None), None)
            if found is not None and not self._exists(str(importer.parent), "__init__.py"):
                # A script sees its neighbours first; which of two is meant depends on who runs it.
                neighbour = self._below(importer.parent, parts, name)
                found = found if neighbour in (None, found) else None
            self._found[key] = found
        return self._found[key]

    def relative(self, level: int, name: str, importer: Path) -> ModuleFile | None:
        """The module that ``from ..name import`` names, with ``level`` dots."""
        folder = importer.parent
        for _ in range(level - 1):
            folder = folder.parent
        return self._below(folder, name.split(".") if name else [], "." * level + name)

    def submodule(self, package: ModuleFile, name: str) -> ModuleFile | None:
        """``package.name``, if there is such a file or folder."""
        if package.directory is None:
            return None
        return self._below(package.directory, [name], f"{package.name}.{name}")

    def _below(self, folder: Path, parts: list[str], name: str) -> ModuleFile | None:
        *packages, last = parts or [""]
        above = str(folder)  # joining texts costs a tenth of joining paths
        if packages and not self._exists(above, packages[0]):
            return None
        inner = os.path.join(above, *packages)
        package = os.path.join(inner, last) if last else inner
        # What is seen to be no folder need not be listed.
        is_there = not last or self._exists(inner, last)
        if (is_there or package == self._open_here[0]) and self._exists(package, "__init__.py"):
            return ModuleFile(name, Path(package, "__init__.py"), Path(package))
        if last and self._exists(inner, f"{last}.py"):
            return ModuleFile(name, Path(inner, f"{last}.py"), None)
        if is_there and (not last or os.path.isdir(package)):
            return ModuleFile(name, None, Path(package))
        return None

    def _exists(self, folder: str, name: str) -> bool:
        """Whether there is such a file, here or in the editor; each folder is listed once."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listed[folder] = frozenset()
        return name in self._listed[folder] or (folder, name) == self._open_here

    def _search_path(self, top: str, importer: Path) -> Iterator[Path]:
        """From the project's root down to the importer: its packages are found from above."""
        if top in self.installed:
            spec = PathFinder.find_spec(top)
            if spec is not None and spec.origin is not None:
                origin = Path(spec.origin)
                yield origin.parent.parent if origin.name == "__init__.py" else origin.parent
        root, starts = self._starts_for(importer)
        # The importer stands inside the package it names: that settles it, marked root or not.
        for folder in importer.parents:
            if folder.name == top and (root is None or folder.is_relative_to(root)):
                yield folder.parent
        yield from starts

    def _starts_for(self, importer: Path) -> tuple[Path | None, tuple[Path, ...]]:
        """The project's root, if it is marked, and where its imports may start, in order."""
        known = self._starts.get(importer.parent)
        if known is None:
            marked = self._root or _marked_root(importer.parent, self._roots)
            root = marked or top_package(importer).parent
            starts = [root / "src", root]
            if importer.is_relative_to(root):
                inner = (p for p in importer.parents if p != root and p.is_relative_to(root))
                # No import starts inside a package.
                outside = [p for p in inner if not self._exists(str(p), "__init__.py")]
                starts += reversed(outside)
            known = self._starts[importer.parent] = marked, tuple(starts)
        return known


def project_root(file: Path, given: Path | None) -> Path:
    """The folder of the project that ``file`` is in, where its absolute imports start."""
    return given or _marked_root(file.parent, {}) or top_package(file).parent


def _marked_root(folder: Path, known: dict[Path, Path | None]) -> Path | None:
    """The nearest folder, from ``folder`` up, that says it is a project."""
    if folder not in known:
        if any((folder / marker).exists() for marker in _ROOT_MARKERS):
            known[folder] = folder
        else:
            top = folder.parent == folder
            known[folder] = None if top else _marked_root(folder.parent, known)
    return known[folder]


def top_package(file: Path) -> Path:
    """The outermost folder of the package that ``file`` is in; the file itself if it is in none."""
    found = file
    while (found.parent / "__init__.py").exists() and found.parent.parent != found.parent:
        found = found.parent
    return found


def shelved(path: Path, text: str, tree: ast.Module | None = None) -> Book:
    """The book of a text that is, or may be about to be, in a file; kept for those that import it.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as ``ast.parse`` does.
    """
    stamp, known = _shelf.get(path)
    if known is None or known.text != normalized(text):
        stamp, known = None, Book(path, text, tree)
    _shelf.keep(path, stamp, known)
    return known


def _open(path: Path) -> Book | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    stamp = (stat.st_mtime_ns, stat.st_size)
    last, book = _shelf.get(path)
    if last != stamp:
        book = _read(path, book)
    _shelf.keep(path, stamp, book)
    return book


class _Shelf:
    """The files that were asked for last; the book is None where a file cannot be read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[_Stamp | None, Book | None]] = OrderedDict()
        self._size = 0

    def get(self, path: Path) -> tuple[_Stamp | None, Book | None]:
        """What a file held, and its stamp at that time, if that was asked for."""
        return self._kept.get(path, (None, None))

    def keep(self, path: Path, stamp: _Stamp | None, book: Book | None) -> None:
        self._size += _length(book) - _length(self.get(path)[1])
        self._kept[path] = (stamp, book)
        self._kept.move_to_end(path)
        while len(self._kept) > _MOST_BOOKS or (self._size > _MOST_TEXT and len(self._kept) > 1):
            _, (_, gone) = self._kept.popitem(last=False)
            self._size -= _length(gone)


_shelf = _Shelf()
"""Of this process."""


def _length(book: Book | None) -> int:
    return 0 if book is None else len(book.text)


def _read(path: Path, known: Book | None) -> Book | None:
    """The book in a file: ``known``, if that is what it still holds."""
    try:
        text = decoded(_bytes(path))
        return known if known and known.text == normalized(text) else Book(path, text)
    except (OSError, *UNPARSABLE):
        return None  # what it defines is unknown; its own lint run says what is wrong with it


def _bytes(path: Path) -> bytes:
    """What a file holds; it is no pipe, which might never end.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    return path.read_bytes()
