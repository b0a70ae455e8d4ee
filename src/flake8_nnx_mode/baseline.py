"""The findings that a code base has already: ``--baseline`` hides them, so that new ones show.

A finding is known again by its code, its source and what it stands in. Its line may change, and its
message with any version of the linter.
"""

import ast
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from flake8_nnx_mode import atomic
from flake8_nnx_mode.codes import NOT_ANALYSED, OWN
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Finding, Span
from flake8_nnx_mode.syntax.outline import FunctionNode, inner_statements
from flake8_nnx_mode.syntax.text import LineTable, parsed

_VERSION = 1
_LONGEST = 200
_ANEW = "write it anew with --write-baseline"
# What is not a mistake in the code is never hidden.
_OWN = frozenset(own.code for own in OWN)

_Place = tuple[str, Finding]


class BaselineError(Exception):
    """A baseline that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One finding, as a baseline remembers it."""

    path: str
    """From the folder of the baseline, with ``/``: the working directory does not matter."""
    line: int
    """Where it was; of findings that are alike, the nearest is the one that is known."""
    code: str
    scope: str
    """The qualified name of the innermost class or function that holds it; empty if none does."""
    source: str
    """Its lines with single spaces, cut if they are long."""


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
    """What it would hold if it were written anew: without ``stale``, with all that was found."""


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
        left = _unmatched(self.entries, new, lambda e: (e.path, e.code, e.scope, e.source))
        # It moved to another method, or what holds it has another name.
        left = _unmatched(left, new, lambda e: (e.path, e.code, e.source))
        # The file moved, or has another name.
        moved = [entry for entry in left if entry.path in gone]
        left = [entry for entry in left if entry.path not in gone]
        left += _unmatched(moved, new, lambda e: (e.code, e.scope, e.source))

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
            anew=sorted([*found.values(), *(entry for entry in left if not over(entry))]),
        )


def read(file: Path) -> Baseline:
    """Read what ``write`` wrote.

    Raises:
        BaselineError: there is no such file, or it holds something else.
    """
    try:
        whole = json.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise BaselineError(f"{file}: no such file; write it with --write-baseline") from None
    except OSError as error:
        raise BaselineError(f"{file}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise BaselineError(f"{file}:{error.lineno}: not JSON: {error.msg}; {_ANEW}") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{file}: not JSON: {error}; {_ANEW}") from None
    match whole:
        case {"version": version, "findings": list(findings)} if version == _VERSION:
            entries = (_entry(value, f"{file}: finding {n}") for n, value in enumerate(findings, 1))
            return Baseline(_real(file).parent, tuple(sorted(entries)))
        case {"version": version} if version != _VERSION:
            problem = f"its version is {json.dumps(version)}, and only {_VERSION} can be read"
        case _:
            problem = "not a baseline, which has a version and a list of findings"
    raise BaselineError(f"{file}: {problem}; {_ANEW}")


def write(file: Path, files: Sequence[Checked], ran: Collection[str] | None = None) -> int:
    """Write the findings in ``files``, all at once, and say how many entries there are.

    What ``file`` holds stays in it if this run says nothing of it: entries of files that were not
    checked but exist, or could not be analysed, and of rules that are not in ``ran``.

    Raises:
        BaselineError: it cannot be written.
    """
    real = _real(file)
    try:
        old = read(file)
    except BaselineError:  # writing it anew is what to do about that
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
    raise BaselineError(f"{where} lacks one of path, line, code, scope and source; {_ANEW}")


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
            scopes, lines = _scopes(file.text), LineTable(file.text)
            for finding in mistakes:
                line = finding.span.start.line
                scope, source = scopes.get(line, ""), _source(lines, finding.span)
                found[path, finding] = Entry(path, line, finding.code, scope, source)
    return found


def _scopes(text: str) -> dict[int, str]:
    """Line -> the innermost class or function that it belongs to, by its qualified name."""
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
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


def _source(lines: LineTable, span: Span) -> str:
    start, end = lines.start_of(span.start.line), lines.start_of(span.end.line + 1)
    source = " ".join(lines.text[start:end].split())
    if len(source) > _LONGEST:
        digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        source = f"{source[: _LONGEST - len(digest) - 2]}… {digest}"
    return source


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
