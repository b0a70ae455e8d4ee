"""Mistakes planted in many dresses, each of which must be found, and look-alikes, which must not.

``planted/nnxNNN.txt`` holds small files, each after a line ``#### name``; the line with the mistake
ends in ``# BAD``, or in ``# BAD, not found: why`` where we know that we miss it. A line of
``planted/lookalikes.txt`` that is reported all the same ends in the code, and the comment above it
says why: it is right to, on second thought, or it is a known false alarm.
"""

import re
from pathlib import Path

import pytest

from conftest import lint
from flake8_nnx_mode.selection import Selection

PLANTED = Path(__file__).parent / "planted"


def parts(name: str) -> dict[str, str]:
    pieces = re.split(r"^#### (\S+)\n", (PLANTED / f"{name}.txt").read_text("utf-8"), flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


MISTAKES = {
    name: text for file in PLANTED.glob("nnx*.txt") for name, text in parts(file.stem).items()
}
LOOKALIKES = parts("lookalikes")


def lines(text: str, ending: str) -> list[int]:
    return [n for n, line in enumerate(text.split("\n"), 1) if re.search(ending, line)]


@pytest.mark.parametrize("name", sorted(MISTAKES))
def test_mistake(name: str, tmp_path: Path) -> None:
    for helper, text in parts("helpers").items():
        (tmp_path / f"{helper}.py").write_text(text, encoding="utf-8")
    text = MISTAKES[name]
    code = name[:6].upper()
    found = [f.span.start.line for f in lint(text, tmp_path / f"{name}.py") if f.code == code]
    wanted, missed = lines(text, r"# BAD$"), lines(text, r"# BAD, not found: ")
    assert len(wanted) + len(missed) >= 1
    assert sorted(set(found)) == wanted


def test_enough_of_each_kind() -> None:
    for code in ("nnx101", "nnx102", "nnx103", "nnx201", "nnx212", "nnx301"):
        texts = [text for name, text in MISTAKES.items() if name.startswith(code)]
        found = [text for text in texts if lines(text, r"# BAD$")]
        assert len(found) >= 10
        assert len(found) >= 0.85 * len(texts)


@pytest.mark.parametrize("name", sorted(LOOKALIKES))
def test_lookalike(name: str) -> None:
    text = LOOKALIKES[name]
    found = lint(text, Path("/nowhere") / f"{name}.py", selection=Selection())
    reported = sorted((f.span.start.line, f.code) for f in found)
    known = re.compile(r"  # (NNX\d{3})$")
    wanted = [(n, m[1]) for n, line in enumerate(text.split("\n"), 1) if (m := known.search(line))]
    noqa = lines(text, "noqa")
    assert [place for place in reported if place[0] not in noqa] == wanted
