"""How the classes of a project are built in it: the arguments that others give them."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from flake8_nnx_mode.confirm.pins import arguments
from flake8_nnx_mode.files import python_files
from flake8_nnx_mode.syntax.text import UNPARSABLE, parsed

_MOST_FILES = 2_000
_MOST_BYTES = 20_000_000
_MOST_BUILDS = 8
_MOST_NODES = 50
_KNOWN_TO_ALL = frozenset({"jax", "jnp", "nnx", "np"})
_CONSTANT = (
    *(ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Set, ast.Attribute),
    *(ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator, ast.expr_context),
)


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls in a file by the last part of what is called, and the classes it defines."""

    by_name: dict[str, list[ast.Call]]
    classes: frozenset[str]


class Builds:
    """The constructions in a project, found by name; parses only files that have some."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._below: dict[Path, tuple[Path, ...]] = {}
        self._contents: dict[Path, bytes] = {}
        self._calls: dict[Path, _Calls] = {}

    def of(self, name: str, file: Path, folders: Iterable[Path]) -> tuple[str, ...]:
        """The arguments that the class ``name`` of ``file`` is built with, the most frequent first.

        What is not constant in them is ``...``. Files below ``folders`` that have a class of that
        name themselves are left out.
        """
        built = re.compile(rb"\b%s\b(?:\s*\(|\s+as\s)" % name.encode())
        seen: Counter[str] = Counter()
        for path in self._files(file, folders):
            data = self._contents[path]
            if name.encode() in data and built.search(data):
                calls = self._calls_in(path)
                if path == file or name not in calls.classes:
                    given = map(_known, calls.by_name.get(name, ()))
                    seen.update(source for source in given if source is not None)
        return tuple(given for given, _ in seen.most_common(_MOST_BUILDS))

    def _files(self, file: Path, folders: Iterable[Path]) -> Iterable[Path]:
        """``file``, then the others, each once."""
        self._size(file)
        found = {file: None}
        for folder in folders:
            if folder not in self._below:
                self._below[folder] = tuple(self._list(folder))
            found |= dict.fromkeys(self._below[folder])
        return found

    def _list(self, folder: Path) -> Iterator[Path]:
        """The files below a folder, up to the bounds."""
        size = 0
        for path in islice(python_files(folder), _MOST_FILES):
            size += self._size(path)
            if size > _MOST_BYTES:
                return
            yield path

    def _size(self, path: Path) -> int:
        if path not in self._contents:
            self._contents[path] = _contents(path)
        return len(self._contents[path])

    def _calls_in(self, path: Path) -> _Calls:
        if path not in self._calls:
            self._calls[path] = _read_calls(self._contents[path])
        return self._calls[path]


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _read_calls(data: bytes) -> _Calls:
    try:
        tree = parsed(data)
    except UNPARSABLE:
        return _Calls({}, frozenset())
    calls: dict[str, list[ast.Call]] = {}
    classes = set()
    renamed = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                calls.setdefault(name, []).append(node)
            case ast.ClassDef(name=name):
                classes.add(name)
            case ast.ImportFrom():
                renamed += [alias for alias in node.names if alias.asname]
    for alias in renamed:
        calls.setdefault(alias.name, []).extend(calls.get(alias.asname or "", ()))
    return _Calls(calls, frozenset(classes))


def _known(call: ast.Call) -> str | None:
    """The arguments of a call, where ``...`` stands for what is known only when it runs.

    None if not even their number is.
    """
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    given = [_or_unknown(argument) for argument in call.args]
    named = [
        ast.keyword(keyword.arg, _or_unknown(keyword.value))
        for keyword in call.keywords
        if keyword.arg  # what `**options` holds is mostly optional
    ]
    return arguments(ast.Call(call.func, given, named))


def _or_unknown(value: ast.expr) -> ast.expr:
    nodes = list(ast.walk(value))
    constant = all(
        isinstance(node, _CONSTANT) or (isinstance(node, ast.Name) and node.id in _KNOWN_TO_ALL)
        for node in nodes
    )
    return value if constant and len(nodes) <= _MOST_NODES else ast.Constant(...)
