"""A stream's name looks like a misspelt one.

## What it does
Reports a draw from a stream whose name is one edit (two for names of seven letters or more) from
`params`, `dropout` or a stream that an `nnx.Rngs(...)` in the file declares, and that is declared
nowhere itself.

## Why it is bad
With a default stream, as in `nnx.Rngs(0)`, any name is served in silence: seeding `dropout` has no
effect on what `dropuot` draws. Without one it is an AttributeError.

## How to fix
Spell it as it is declared, or declare it: `nnx.Rngs(params=0, noise=1)`.

## When it stays silent
When the name stands in the file as a keyword or in quotes, since it may be declared there, or an
`nnx.Rngs(**seeds)` declares what is not known; when the names differ by a number at the end, or in
their first letter; for the usual names of streams.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.dropuot(), x.shape)
        return x
"""

GOOD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.dropout(), x.shape)
        return x
"""

_LONG = 7
_USUAL = frozenset({"default", "carry", *flax_api.DROPOUT_STREAMS})


def check(project: Project) -> Iterator[Report]:
    text = project.book.text
    declared = _declared(text)
    if "*" in declared:
        return  # whatever `nnx.Rngs(**seeds)` declares
    named = set(re.findall(r"""\.(\w+)(?=\s*[(.])|\[["'](\w+)["']\]""", text))
    typos = {name: _meant(name, declared) for pair in named for name in pair if name}
    suspects = {n: m for n, m in typos.items() if m is not None and not _may_be_declared(n, text)}
    for function, owner in project.functions():
        if not (suspects and project.book.mentions(function, *suspects)):
            continue
        for draw in project.facts(function, owner).draws:
            if draw.stream in suspects and project.book.has(draw.anchor.chapter):
                yield Report(
                    draw.anchor,
                    f"no stream `{draw.stream}` is declared: a default stream serves it in silence,"
                    " and without one it is an AttributeError; did you mean"
                    f" `{suspects[draw.stream]}`?",
                )


def _declared(text: str) -> set[str]:
    """The names of streams that the file gives to an ``nnx.Rngs``; ``*`` for names not known."""
    found = {"params", "dropout"}
    for call in re.findall(r"\bRngs\(((?:[^()]|\([^()]*\))*)\)", text):
        found.update(re.findall(r"(\w+)\s*=(?!=)", call))
        found.update(re.findall(r"""["'](\w+)["']\s*:""", call))
        found.update("*" for _ in re.findall(r"\*\*\s*\w", call))
        found.update("*" for _ in re.findall(r"\*\*\s*\{", call))
    return found


def _may_be_declared(name: str, text: str) -> bool:
    quoted, keyword = rf"""(?<![\w\])]\[)["']{name}["']""", rf"[(,]\s*{name}\s*=(?!=)"
    return re.search(f"{quoted}|{keyword}", text) is not None


def _meant(name: str, declared: set[str]) -> str | None:
    """The stream that ``name`` is a misspelling of; another first letter makes another word."""
    if name in declared | _USUAL or name.rstrip("0123456789_") in declared:
        return None
    edits = 2 if len(name) >= _LONG else 1
    near = [
        known
        for known in sorted(declared)
        if name[0] == known[0]
        and abs(len(name) - len(known)) <= edits
        and _distance(name, known) <= edits
    ]
    return min(near, key=lambda known: _distance(name, known), default=None)


def _distance(one: str, other: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that make one of the other."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and one[i - 2 : i] == wanted + other[j - 2]:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


RULE = Rule(check, on=True, triggers=("rngs", "Rngs"), oracle="undeclared-stream")
