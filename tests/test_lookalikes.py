"""Code that looks like a mistake and is none: all of it must be silent under the default rules.

``fixtures/lookalikes.py`` has a comment for each of ``KINDS`` with code below it. A line of it that
is reported all the same, for the time being, ends in ``# reported: NNXnnn``.
"""

import ast
import re
from pathlib import Path

import pytest

from conftest import FIXTURES, lint
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.selection import Selection

FILE = FIXTURES / "lookalikes.py"
BASE = FIXTURES / "lookalikes_base.py"
TEXT = FILE.read_text(encoding="utf-8")

KINDS = """
`self.rngs.params()` in helpers of `__init__` that feed `nnx.Param`
codebook or weight re-initialisation
`initialize_carry` and the `rngs or nnx.Rngs(0)` default for it
alternate constructors
loaders that build a module with `nnx.Rngs(0)` and then `nnx.update` it
a dummy `Rngs` as scan carry
wrapping a caller's key in `nnx.Rngs`
keys kept in recurrent state
base key + `fold_in(step)`
a constant key on a documented deterministic branch
fixed random features
builtins called with no mode keyword (the normal style)
`rngs=` per call with a raw key
a mode fixed in the constructor
flags that are deleted
a loop variable re-used for another list
children through `getattr`/`setattr`
children through `vmap`
children through `scan`
`self.rngs` from a base in another file
`self.rngs` stored and never read
MC-dropout
inference-only `generate` with `deterministic=True`
trainers and samplers that are not modules and split their own key
Linen modules beside NNX ones
""".strip().split("\n")


def sections(text: str) -> dict[str, list[str]]:
    """The comments in the first column, each with the classes and functions up to the next."""
    starts = [
        (number, line.removeprefix("# "))
        for number, line in enumerate(text.split("\n"), 1)
        if line.startswith("# ")
    ]
    body = ast.parse(text).body
    found: dict[str, list[str]] = {}
    for (start, words), (end, _) in zip(starts, [*starts[1:], (len(text), "")], strict=True):
        assert words not in found, "a section stands there once"
        found[words] = [
            node.name
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and start < node.lineno < end
        ]
    return found


SECTIONS = sections(TEXT)


def test_sections() -> None:
    assert list(SECTIONS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_section_holds_code(kind: str) -> None:
    assert SECTIONS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_emptied_section_is_noticed(kind: str) -> None:
    start = TEXT.index(f"\n# {kind}\n") + len(f"\n# {kind}\n")
    end = TEXT.find("\n# ", start)
    emptied = TEXT[:start] + ("" if end == -1 else TEXT[end:])
    assert [words for words, names in sections(emptied).items() if not names] == [kind]


def test_silent() -> None:
    found = lint(TEXT, FILE, selection=Selection())
    wanted = [
        (number, match[1])
        for number, line in enumerate(TEXT.split("\n"), 1)
        if (match := re.search(r"  # reported: (NNX\d{3})$", line))
    ]
    assert [(f.span.start.line, f.code) for f in found] == wanted


def test_every_function_is_read() -> None:
    assert NOT_ANALYSED.code not in {f.code for f in lint(TEXT, FILE)}


def test_base_is_silent() -> None:
    text = BASE.read_text(encoding="utf-8")
    assert lint(text, BASE, selection=Selection()) == []


def test_base_in_the_other_file_matters(tmp_path: Path) -> None:
    """Without what the base keeps, its subclasses are mistakes: the silence is not ignorance."""
    text = BASE.read_text(encoding="utf-8")
    without = text.replace("self.rngs = rngs.fork()", "pass")
    assert without != text
    (tmp_path / BASE.name).write_text(without, encoding="utf-8")
    assert "NNX103" not in {f.code for f in lint(TEXT, FILE)}
    assert "NNX103" in {f.code for f in lint(TEXT, tmp_path / FILE.name)}
