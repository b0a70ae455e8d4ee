"""The findings that a code base has already: ``--baseline`` hides them, so that new ones show.

A finding is known again by its code, its statement and what that stands in. Its line may change,
its layout with a formatter, and its message with any version of the linter.
"""

import ast
import codecs
import contextlib
import hashlib
import io
import json
import os
import re
import tokenize
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

from flake8_nnx_mode import atomic
from flake8_nnx_mode.codes import NOT_ANALYSED, OWN
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Finding, Span
from flake8_nnx_mode.syntax.outline import FunctionNode, inner_statements
from flake8_nnx_mode.syntax.text import UNPARSABLE, LineTable, parsed

_VERSION = 1
_LONGEST = 200
_ANEW = "write it anew with --write-baseline"
# Words and operators: a formatter adds and drops white space, round brackets, commas, quotes,
# backslashes and the zero of `.5` and `1.`, and no two mistakes differ in them alone.
_LASTING = re.compile(r"(?!0\.|(?<=\.)0\b)\w+|[^\w\s(),'\"\\]")
_CUT = re.compile(r"… ([0-9a-f]{12})\Z")
_CONFLICT = re.compile(rb"^(<{7}|\|{7}|={7}|>{7})", re.MULTILINE)
# What is not a mistake in the code is never hidden.
_OWN = frozenset(own.code for own in OWN)

_Place = tuple[str, Finding]


class BaselineError(Exception):
    """A baseline that cannot be used; the message names the file and says what to do."""


class _AnewError(BaselineError):
    """One that is mended by writing the baseline anew: nothing else is lost by that."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One finding, as a baseline remembers it."""

    path: str
    """From the folder of the baseline, with ``/``: the working directory does not matter."""
    line: int
    """Where it was when it was written; of findings that are alike, the nearest is known."""
    code: str
    scope: str
    """The qualified name of the innermost class or function that holds it; empty if none does."""
    source: str
    """Its statement, or the header of one, on one line without comments; cut if that is long."""

    @property
    def lasting(self) -> str:
        """What of the source no formatter changes, as a hash, which is all that a cut one tells."""
        cut = _CUT.search(self.source)
        return cut[1] if cut else _hash(self.source)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a run found, beside a baseline."""

    files: list[Checked]
    """All that were checked, with those of their findings that are not in the baseline."""
    hidden: int
    """How many findings are in it."""
    stale: list[Entry]
    """What it remembers but is no more: the run would have found it, or its file is gone."""
    anew: list[Entry]
    """What it would hold if it were written anew: without ``stale``, with all that was found.

    What is known where it was stays to the letter, its old line too: a diff shows what changed.
    """


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a file of findings holds."""

    folder: Path
    """Where it is, without symbolic links."""
    entries: tuple[Entry, ...]
    """In order of place."""

    def without_known(
        self, files: Sequence[Checked], ran: Collection[str] | None = None
    ) -> Compared:
        """Take away the findings that are in the baseline; each entry hides one.

        Args:
            files: All files that were checked, also those in which nothing was found.
            ran: The codes of the rules that ran, if not all did: nothing is known of the others.
        """
        named = [(_relative(file.path, self.folder), file) for file in files]
        found = _found(named)
        checked = {path for path, _ in named}
        partly = {
            path for path, file in named if any(f.code == NOT_ANALYSED.code for f in file.findings)
        }
        elsewhere = {entry.path for entry in self.entries} - checked
        gone = {path for path in elsewhere if not os.path.isfile(self.folder / path)}

        new = dict(found)
        left = _unmatched(self.entries, new, lambda e: (e.path, e.code, e.scope, e.lasting))
        kept, other = Counter(self.entries) - Counter(left), list(new.values())
        # It moved to another method, or what holds it has another name.
        left = _unmatched(left, new, lambda e: (e.path, e.code, e.lasting))
        # The file moved, or has another name.
        moved = [entry for entry in left if entry.path in gone]
        left = [entry for entry in left if entry.path not in gone]
        left += _unmatched(moved, new, lambda e: (e.code, e.scope, e.lasting))

        settled = gone | (checked - partly)

        def over(entry: Entry) -> bool:
            return entry.path in settled and (ran is None or entry.code in ran)

        known = found.keys() - new.keys()
        return Compared(
            files=[
                replace(file, findings=tuple(f for f in file.findings if (path, f) not in known))
                for path, file in named
            ],
            hidden=len(known),
            stale=sorted(entry for entry in left if over(entry)),
            anew=sorted([*kept.elements(), *other, *(e for e in left if not over(e))]),
        )


def read(file: Path) -> Baseline:
    """Read what ``write`` wrote.

    Raises:
        BaselineError: there is no such file, or it holds something else.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise _AnewError(f"{file}: no such file; write it with --write-baseline") from None
    except OSError as error:
        raise BaselineError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        whole = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _not_json(file, data, error) from None
    match whole:
        case {"version": version, "findings": list(findings)} if version == _VERSION:
            entries = (_entry(value, f"{file}: finding {n}") for n, value in enumerate(findings, 1))
            return Baseline(_real(file).parent, tuple(sorted(entries)))
        case {"version": int(version), "findings": _} if version != _VERSION:
            problem = f"its version is {version}, and only {_VERSION} can be read"
            raise _AnewError(f"{file}: {problem}; {_ANEW}")
    raise _another(file)


def write(file: Path, files: Sequence[Checked], ran: Collection[str] | None = None) -> int:
    """Write the findings in ``files``, all at once, and say how many entries there are.

    What ``file`` holds stays in it if this run says nothing of it: entries of files that were not
    checked but exist, or could not be analysed, and of rules that are not in ``ran``.

    Raises:
        BaselineError: it cannot be written, or is a file of another kind.
    """
    real = _real(file)
    try:
        old = read(file)
    except _AnewError:
        old = Baseline(real.parent, ())
    entries = old.without_known(files, ran).anew
    whole = {"version": _VERSION, "findings": [asdict(entry) for entry in entries]}
    text = json.dumps(whole, ensure_ascii=False, indent=2) + "\n"
    try:
        # Only a lone surrogate cannot be encoded, and Python's escape for it is JSON's.
        atomic.replace(real, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise BaselineError(f"{file}: cannot be written: {error.strerror}") from error
    return len(entries)


def _entry(value: object, where: str) -> Entry:
    match value:
        case {
            "path": str(path),
            "line": int(line),
            "code": str(code),
            "scope": str(scope),
            "source": str(source),
        }:
            return Entry(path, line, code, scope, source)
    raise _AnewError(f"{where} lacks one of path, line, code, scope and source; {_ANEW}")


def _not_json(file: Path, data: bytes, error: Exception) -> BaselineError:
    """What to say of a file that is empty, or a baseline no more, or never was one."""
    data = data.removeprefix(codecs.BOM_UTF8)
    start = data.lstrip()
    if not start and file.is_file():  # /dev/null is none
        return _AnewError(f"{file}: empty; {_ANEW}")
    names = b'"version"' in data and b'"findings"' in data
    if not (names and start.startswith((b"{", b"<<<<<<<"))):
        return _another(file)
    if conflict := _CONFLICT.search(data):
        line = data.count(b"\n", 0, conflict.start()) + 1
        todo = "take one side, then --write-baseline"
        return _AnewError(f"{file}:{line}: merge conflict markers; {todo}")
    if isinstance(error, json.JSONDecodeError):
        return _AnewError(f"{file}:{error.lineno}: not JSON: {error.msg}; {_ANEW}")
    return _AnewError(f"{file}: not JSON: {error}; {_ANEW}")


def _another(file: Path) -> BaselineError:
    return BaselineError(f"{file} is not a baseline; name another file, or delete it")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _relative(path: Path, folder: Path) -> str:
    real = _real(path)
    try:
        return Path(os.path.relpath(real, folder)).as_posix()
    except ValueError:  # on another drive of Windows
        return real.as_posix()


def _found(named: Iterable[tuple[str, Checked]]) -> dict[_Place, Entry]:
    """Each finding and its entry; those of a file that was checked by two names come once."""
    found = {}
    for path, file in named:
        mistakes = [finding for finding in file.findings if finding.code not in _OWN]
        if mistakes:
            code = _Code(file.text)
            for finding in mistakes:
                line = finding.span.start.line
                scope, source = code.scope(line), code.source(finding.span)
                found[path, finding] = Entry(path, line, finding.code, scope, source)
    return found


class _Code:
    """The statements of one file, and what they stand in."""

    def __init__(self, text: str) -> None:
        self._lines = LineTable(text)
        try:
            tree = parsed(text)
        except UNPARSABLE:
            tree = ast.Module([], [])
        self._scopes = _scopes(tree)
        self._bounds = _bounds(tree, self._lines)
        self._sources: dict[tuple[int, int], str] = {}  # one statement may hold all findings

    def scope(self, line: int) -> str:
        return self._scopes.get(line, "")

    def source(self, span: Span) -> str:
        bounds = self._around(span)
        if bounds not in self._sources:
            self._sources[bounds] = _short(_on_one_line(self._lines.text[slice(*bounds)]))
        return self._sources[bounds]

    def _around(self, span: Span) -> tuple[int, int]:
        """The bounds of what holds the beginning of ``span``; its lines if no statement does."""
        place = self._lines.offset(span.start)
        number = bisect_right(self._bounds, place, key=itemgetter(0)) - 1
        if number >= 0 and place < self._bounds[number][1]:
            return self._bounds[number]
        return self._lines.start_of(span.start.line), self._lines.start_of(span.end.line + 1)


def _bounds(tree: ast.Module, lines: LineTable) -> list[tuple[int, int]]:
    """From where to where each statement goes, each decorator, and each header up to its block."""
    bounds = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            bounds.append(_offsets(node, lines))
            for decorator in getattr(node, "decorator_list", ()):
                start, end = _offsets(decorator, lines)
                bounds.append((lines.text.rindex("@", 0, start), end))
    bounds.sort()
    behind = (len(lines.text), 0)
    return [(start, min(end, after)) for (start, end), (after, _) in pairwise([*bounds, behind])]


def _offsets(node: ast.stmt | ast.expr | ast.ExceptHandler, lines: LineTable) -> tuple[int, int]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    start = lines.from_ast(node.lineno, node.col_offset)
    end = lines.from_ast(node.end_lineno, node.end_col_offset)
    return lines.offset(start), lines.offset(end)


def _scopes(tree: ast.Module) -> dict[int, str]:
    """Line -> the innermost class or function that it belongs to, by its qualified name."""
    scopes: dict[int, str] = {}
    # A stack, not recursion: ast holds 2,000 elif branches as 2,000 levels.
    stack: list[tuple[ast.stmt, str]] = [(statement, "") for statement in tree.body]
    while stack:
        statement, prefix = stack.pop()
        if isinstance(statement, ast.ClassDef | FunctionNode):
            name = prefix + statement.name
            prefix = f"{name}." if isinstance(statement, ast.ClassDef) else f"{name}.<locals>."
            first = min(node.lineno for node in (statement, *statement.decorator_list))
            assert statement.end_lineno is not None
            scopes.update(dict.fromkeys(range(first, statement.end_lineno + 1), name))
        stack += [(inner, prefix) for inner in inner_statements(statement)]
    return scopes


def _on_one_line(code: str) -> str:
    """The code with single spaces and without comments, as far as it can be read."""
    lines = io.StringIO(code, newline=None).readlines()
    # A lone surrogate is a ValueError from Python 3.12 on.
    with contextlib.suppress(tokenize.TokenError, SyntaxError, ValueError):
        for token in tokenize.generate_tokens(iter(lines).__next__):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    return " ".join(" ".join(lines).split())


def _short(source: str) -> str:
    if len(source) > _LONGEST:
        digest = _hash(source)
        source = f"{source[: _LONGEST - len(digest) - 2]}… {digest}"
    return source


def _hash(source: str) -> str:
    lasting = " ".join(_LASTING.findall(source))
    return hashlib.sha256(lasting.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _unmatched(
    entries: Iterable[Entry], found: dict[_Place, Entry], key: Callable[[Entry], object]
) -> list[Entry]:
    """Take from ``found`` what ``entries`` remember, and say which of them are left."""
    alike: defaultdict[object, list[_Place]] = defaultdict(list)
    for place, now in found.items():
        alike[key(now)].append(place)
    groups: defaultdict[object, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[key(entry)].append(entry)
    left = []
    for like, group in groups.items():
        places = alike[like]
        pairs = _pairs([entry.line for entry in group], [found[place].line for place in places])
        for index in pairs.values():
            del found[places[index]]
        left += [entry for index, entry in enumerate(group) if index not in pairs]
    return left


def _pairs(old: Sequence[int], new: Sequence[int]) -> dict[int, int]:
    """Index into ``old`` -> index into ``new``: each line of the fewer gets the nearest free one.

    So what stands where it stood is never what is left.
    """
    if len(old) > len(new):
        return {before: after for after, before in _pairs(new, old).items()}
    free = dict(enumerate(new))
    pairs = {}
    for index, line in enumerate(old):
        pairs[index] = min(free, key=lambda other: abs(free[other] - line))
        del free[pairs[index]]
    return pairs
