"""The formats of ``nnx-mode check``: what they say, and that they point at the right characters."""

import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO, get_args
from urllib.parse import unquote_to_bytes, urlsplit

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT
from flake8_nnx_mode import __version__, engine
from flake8_nnx_mode.codes import OWN
from flake8_nnx_mode.confirm.jobs import Outcome, Verdict
from flake8_nnx_mode.confirm.results import Result, Results
from flake8_nnx_mode.fixes.apply import applied
from flake8_nnx_mode.lint import Checked
from flake8_nnx_mode.model import Applicability, Edit, Finding, Fix, Position, Span
from flake8_nnx_mode.report import (
    check_concise,
    check_json,
    check_text,
    confirm_text,
    github,
    rows,
    sarif,
    statistics,
)
from flake8_nnx_mode.report.rows import Row
from flake8_nnx_mode.rules import codes, registry
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.text import decoded

CHECK_SCHEMA = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
SARIF_SCHEMA = json.loads(
    (ROOT / "tests" / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
)
Place = tuple[int, int, int, int]
"""Line from 1, column from 0, and those behind the last character."""


def finding(place: Place, message: str = "bad; mend it", *, code: str = "NNX101") -> Finding:
    line, column, end_line, end_column = place
    return Finding(Span(Position(line, column), Position(end_line, end_column)), code, message)


def mended(applicability: Applicability, *edits: tuple[Place, str], **more: Any) -> Finding:
    """A finding at the first edit, with that fix."""
    made = tuple(Edit(finding(place).span, text) for place, text in edits)
    bare = finding(edits[0][0], **more)
    return Finding(bare.span, bare.code, bare.message, Fix(applicability, made))


def checked(text: str, *findings: Finding, path: str = "net.py") -> Checked:
    return Checked(Path(path), text, findings)


def printed(write: Callable[..., None], *args: Any, **more: Any) -> str:
    """What it writes to a file that is opened as the command opens it."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="")
    write(*args, file, **more)
    file.flush()
    return raw.getvalue().decode("utf-8")


def text_of(*files: Checked) -> str:
    return printed(check_text.write, files)


def json_of(*files: Checked) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(printed(check_json.write, files))
    jsonschema.validate(whole, CHECK_SCHEMA, cls=jsonschema.Draft202012Validator)
    return whole


def sarif_of(found: Iterable[Row], **more: Any) -> dict[str, Any]:
    log = json.loads(printed(sarif.write, found, **more))
    jsonschema.validate(log, SARIF_SCHEMA, cls=jsonschema.Draft4Validator)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


# -- places --------------------------------------------------------------------------------------

ODD: dict[str, tuple[str, Place, str]] = {
    "accents": ('a = "é"; bad(x)\n', (1, 9, 1, 15), "bad(x)"),
    "wide": ('a = "漢字"; bad(x)\n', (1, 10, 1, 16), "bad(x)"),
    "beyond the BMP": ('a = "😀"; bad(x)\n', (1, 9, 1, 15), "bad(x)"),
    "combining": ('a = "e\u0301"; bad(x)\n', (1, 10, 1, 16), "bad(x)"),
    "flagged ones": ('bad("漢", "😀", "e\u0301")\n', (1, 0, 1, 19), 'bad("漢", "😀", "e\u0301")'),
    "tabs": ("\tif x:\n\t\ty\t= bad(x)\n", (2, 6, 2, 12), "bad(x)"),
    "CRLF": ("x = 1\r\ny = bad(x)\r\nz = 2\r\n", (2, 4, 2, 10), "bad(x)"),
    "CR": ("x = 1\ry = bad(x)\rz = 2\r", (2, 4, 2, 10), "bad(x)"),
    "all line ends": ("a\r\nb\rc\nd = bad(x)", (4, 4, 4, 10), "bad(x)"),
    "no line ends": ('a = "\x0b\x0c\x1c\x85\u2028"; bad(x)\n', (1, 13, 1, 19), "bad(x)"),
    "escapes": ('a = "\x1b[31m\u202e"; bad(x)\n', (1, 14, 1, 20), "bad(x)"),
    "far right": (f'a = "{"é" * 1000}"; bad(x)\n', (1, 1008, 1, 1014), "bad(x)"),
}


def lines_of(text: str, ends: Iterable[str] = ("\r\n", "\r", "\n")) -> list[str]:
    """The lines with their ends, which are tried in that order."""
    end = "|".join(map(re.escape, ends))
    return [match[0] for match in re.finditer(f"(?s:.*?)(?:{end}|\\Z)", text)]


def sliced(lines: list[str], line: int, column: int, end_line: int, end_column: int) -> str:
    """What stands there; all count from 1."""
    start = sum(map(len, lines[: line - 1])) + column - 1
    end = sum(map(len, lines[: end_line - 1])) + end_column - 1
    return "".join(lines)[start:end]


def by_json(file: Checked) -> str:
    (found,) = json_of(file)["findings"]
    place = (found[key] for key in ("line", "column", "end_line", "end_column"))
    return sliced(lines_of(file.text), *place)


def by_sarif(file: Checked) -> str:
    run = sarif_of(rows.checked([file]))
    assert run["columnKind"] == "unicodeCodePoints"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    place = (region[key] for key in ("startLine", "startColumn", "endLine", "endColumn"))
    return sliced(lines_of(file.text, run["newlineSequences"]), *place)


def by_github(file: Checked) -> str:
    (command,) = printed(github.write, rows.checked([file])).splitlines()
    keys = ("line", "col", "endLine", "endColumn")
    place = (int(re.search(f",{key}=([0-9]+)[,:]", command)[1]) for key in keys)  # type: ignore[index]
    return sliced(lines_of(file.text), *place)


def by_text(file: Checked) -> str:
    """What is above the carets, by the cells of a terminal."""
    shown = text_of(file).split("\n")
    (number,) = (number for number, line in enumerate(shown) if re.search(r"^ *\| *\^+$", line))
    carets = shown[number].partition("| ")[2]
    text = shown[number - 1].partition("| ")[2]
    before, over, cell = "", "", 0
    for char in text:
        if cell < carets.index("^"):
            before += char
        elif cell + cells(char) <= len(carets):
            over += char
        cell += cells(char)
    assert "\t" not in text
    assert all(char.isprintable() for char in text)
    assert sum(map(cells, before)) == carets.index("^")
    assert sum(map(cells, over)) == carets.count("^")
    return over


def cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


FORMATS = pytest.mark.parametrize("pointed_at", [by_json, by_sarif, by_github, by_text])


@FORMATS
@pytest.mark.parametrize(("text", "place", "flagged"), ODD.values(), ids=ODD)
def test_places(
    text: str, place: Place, flagged: str, pointed_at: Callable[[Checked], str]
) -> None:
    assert pointed_at(checked(text, finding(place))) == flagged


@pytest.mark.parametrize(("text", "place", "flagged"), ODD.values(), ids=ODD)
def test_places_in_lines_of_text(text: str, place: Place, flagged: str) -> None:
    where = f"net.py:{place[0]}:{place[1] + 1}"
    file = checked(text, finding(place))
    assert printed(check_concise.write, [file]).startswith(f"{where}: NNX101 bad; mend it\n")
    assert f"--> {where}\n" in text_of(file)


@pytest.mark.parametrize(
    ("case", "before", "carets"),
    # By hand: é is one cell, 漢 and 😀 are two, U+0301 is none, a tab is drawn as four.
    [
        ("accents", 9, 6),
        ("wide", 12, 6),
        ("beyond the BMP", 10, 6),
        ("combining", 9, 6),
        ("flagged ones", 0, 20),
        ("tabs", 15, 6),
        ("CR", 4, 6),
        ("no line ends", 13, 6),
    ],
)
def test_carets_count_cells(case: str, before: int, carets: int) -> None:
    text, place, _ = ODD[case]
    picture = f"  | {' ' * before}{'^' * carets}"
    assert picture in text_of(checked(text, finding(place))).split("\n")


@st.composite
def odd_texts(draw: st.DrawFn) -> tuple[str, Place]:
    """A text, and a span of one of its lines without the line end."""
    text = draw(st.text("ab é漢😀\u0301\t\r\n\x0b\x85\u2028\x1b\u200d", max_size=40))
    lines = [line.rstrip("\r\n") for line in lines_of(text)]
    number = draw(st.integers(0, len(lines) - 1))
    start = draw(st.integers(0, len(lines[number])))
    end = draw(st.integers(start, len(lines[number])))
    return text, (number + 1, start, number + 1, end)


@settings(deadline=None)
@given(odd_texts())
def test_places_in_any_text(example: tuple[str, Place]) -> None:
    text, (number, start, _, end) = example
    file = checked(text, finding((number, start, number, end)))
    line = lines_of(text)[number - 1]
    for pointed_at in (by_json, by_sarif, by_github):
        assert pointed_at(file) == line[start:end]
    if text:
        before, flagged = (sum(map(drawn_cells, part)) for part in (line[:start], line[start:end]))
        pictures = [row.lstrip(" ") for row in text_of(file).split("\n")]
        assert f"| {' ' * before}{'^' * max(flagged, 1)}" in pictures


def drawn_cells(char: str) -> int:
    if char == "\t":
        return 4
    return cells(char) if char.isprintable() else 1


NOISE = """\
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.dropout()

    def __call__(self, x, train: bool):
        if train:
            s = "é漢😀e\u0301";\treturn x + jax.random.normal(self.key, x.shape)
        return x
"""


@FORMATS
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_places_of_real_findings(end: str, bom: str, pointed_at: Callable[[Checked], str]) -> None:
    text = decoded((bom + NOISE.replace("\n", end)).encode())
    path = Path("/nowhere/noise.py")
    (found,) = engine.check(path, text, Settings())
    assert found.code == "NNX101"
    assert pointed_at(Checked(path, text, (found,))) == "jax.random.normal(self.key, x.shape)"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_places_of_edits(end: str) -> None:
    text = f'x = "漢"; y = f(a, b){end}z = "😀", g(){end}'
    first = (1, 15, 1, 16)  # what f is given first
    second = (2, 11, 2, 11)  # between g's brackets
    file = checked(text, mended("safe", (first, "{A}"), (second, "B")))
    fixed = f'x = "漢"; y = f({{A}}, b){end}z = "😀", g(B){end}'
    fix = file.findings[0].fix
    assert fix
    assert applied(text, [fix])[0] == fixed

    edits = json_of(file)["findings"][0]["fix"]["edits"]
    keys = ("line", "column", "end_line", "end_column")
    assert edited(lines_of(text), [([e[k] for k in keys], e["text"]) for e in edits]) == fixed

    run = sarif_of(rows.checked([file]))
    (change,) = run["results"][0]["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"] == {"uri": "net.py", "uriBaseId": "%SRCROOT%"}
    keys = ("startLine", "startColumn", "endLine", "endColumn")
    replaced = [
        ([r["deletedRegion"][k] for k in keys], r["insertedContent"]["text"])
        for r in change["replacements"]
    ]
    assert edited(lines_of(text, run["newlineSequences"]), replaced) == fixed


def edited(lines: list[str], edits: list[tuple[list[int], str]]) -> str:
    text = "".join(lines)
    for (line, column, end_line, end_column), new in reversed(edits):
        start = len(sliced(lines, 1, 1, line, column))
        text = text[:start] + new + text[len(sliced(lines, 1, 1, end_line, end_column)) :]
    return text


# -- text ----------------------------------------------------------------------------------------


def drawn(text: str, place: Place) -> str:
    """The picture alone."""
    lines = text_of(checked(text, finding(place, "bad"))).split("\n")
    return "\n".join(lines[2 : lines.index("", 2)])


def test_text() -> None:
    text = "import jax\n\n\ndef f(x, train):\n    y = x\n    return g(x)\n\n\nend = 1\n"
    fixed = mended("safe", ((6, 14, 6, 14), ", train=train"), message="g is not told; tell it")
    other = finding((4, 9, 4, 14), "`train` is unused", code="NNX207")
    assert text_of(checked(text, other, fixed), checked("quiet\n", path="b.py")) == (
        """\
NNX207 `train` is unused
 --> net.py:4:10
  |
4 | def f(x, train):
  |          ^^^^^
5 |     y = x
6 |     return g(x)
  |

NNX101 [*] g is not told
 --> net.py:6:15
  |
4 | def f(x, train):
5 |     y = x
6 |     return g(x)
  |               ^
  |
help: tell it

Found 2 errors.
[*] 1 fixable with `nnx-mode fix --write`.
"""
    )


def test_line_numbers_are_aligned() -> None:
    assert drawn("\n" * 7 + "a\nb\nc\nd\n", (9, 0, 9, 1)) == (
        """\
   |
 8 | a
 9 | b
   | ^
10 | c
11 | d
   |"""
    )


@pytest.mark.parametrize(
    ("place", "picture"),
    [
        ((1, 0, 1, 0), "  |\n1 | ab\n  | ^\n2 | c\n  |"),
        ((1, 2, 1, 2), "  |\n1 | ab\n  |   ^\n2 | c\n  |"),
        ((1, 1, 1, 99), "  |\n1 | ab\n  |  ^\n2 | c\n  |"),
        ((2, 7, 2, 7), "  |\n1 | ab\n2 | c\n  |  ^\n  |"),
        ((3, 0, 3, 0), "  |\n1 | ab\n2 | c\n3 |\n  | ^\n  |"),
        ((9, 4, 9, 5), "  |\n9 |\n  | ^\n  |"),
    ],
    ids=["empty", "end of line", "too long", "behind the line", "end of file", "behind the file"],
)
def test_places_at_the_edge(place: Place, picture: str) -> None:
    assert drawn("ab\nc\n", place) == picture


CALL = "x = 1\ny = list(\n    [\n        1,\n    ]\n)\nz = 2\n"


def test_spans_of_several_lines() -> None:
    assert drawn(CALL, (2, 4, 6, 1)) == (
        """\
  |
1 |   x = 1
2 |   y = list(
  |  _____^
3 | |     [
4 | |         1,
5 | |     ]
6 | | )
  | |_^
7 |   z = 2
  |"""
    )
    assert drawn(CALL, (3, 4, 5, 5)) == (
        """\
  |
1 |   x = 1
2 |   y = list(
3 | /     [
4 | |         1,
5 | |     ]
  | |_____^
6 |   )
7 |   z = 2
  |"""
    )
    assert drawn('a = "漢"; f(\n\n"漢")\n', (1, 9, 3, 4)) == (
        """\
  |
1 |   a = "漢"; f(
  |  ___________^
2 | |
3 | | "漢")
  | |_____^
  |"""
    )
    assert drawn("a\nb\n", (1, 0, 2, 0)) == "  |\n1 | / a\n2 | | b\n  | |_^\n  |"


def test_long_spans_are_shortened() -> None:
    text = "[\n" + "".join(f"  {number},\n" for number in range(2, 20)) + "]\n"
    assert drawn(text, (1, 0, 20, 1)) == (
        """\
   |
 1 | / [
 2 | |   2,
 3 | |   3,
 4 | |   4,
...  |
19 | |   19,
20 | | ]
   | |_^
   |"""
    )
    assert "..." in drawn(text, (1, 0, 8, 4))
    assert "..." not in drawn(text, (1, 0, 7, 4)), "a single line would be no shorter"


def test_long_lines_are_cut() -> None:
    line = "a" * 100 + "b" * 100 + "c" * 100
    shown = drawn(f"short\n{line}\n", (2, 195, 2, 205)).split("\n")
    assert shown[1] == "1 | …"
    assert shown[2] == f"2 | …{'b' * 51}{'c' * 89}…"
    assert shown[3] == f"  | {' ' * 47}{'^' * 10}"
    whole = drawn(f"{line}\n", (1, 5, 1, 290)).split("\n")
    assert whole[1:3] == [f"1 | {line[:140]}…", f"  |      {'^' * 136}"]


def test_an_unreadable_file() -> None:
    nothing = finding((1, 0, 1, 0), "this file cannot be read: permission denied", code="NNX000")
    assert text_of(checked("", nothing, path="secret.py")) == (
        "NNX000 this file cannot be read: permission denied\n --> secret.py:1:1\n\nFound 1 error.\n"
    )


SAFE = mended("safe", ((1, 0, 1, 1), "b"))
UNSAFE = mended("unsafe", ((1, 0, 1, 1), "b"))


@pytest.mark.parametrize("write", [check_text.write, check_concise.write, statistics.write])
@pytest.mark.parametrize(
    ("findings", "summary"),
    [
        ([], "All checks passed!\n"),
        ([finding((1, 0, 1, 1))], "Found 1 error.\n"),
        ([SAFE, SAFE], "Found 2 errors.\n[*] 2 fixable with `nnx-mode fix --write`.\n"),
        ([UNSAFE], "Found 1 error.\n1 fixable with `nnx-mode fix --write --unsafe`.\n"),
        (
            [SAFE, UNSAFE, finding((1, 0, 1, 1))],
            "Found 3 errors.\n"
            "[*] 1 fixable with `nnx-mode fix --write` (1 more with `--unsafe`).\n",
        ),
    ],
    ids=["none", "one", "safe", "unsafe", "both"],
)
def test_summary(findings: list[Finding], summary: str, write: Callable[..., None]) -> None:
    shown = printed(write, [checked("a = 1\n", *findings)])
    assert shown.endswith(summary)
    assert findings or shown == summary


def test_only_safe_fixes_are_marked() -> None:
    lines = printed(check_concise.write, [checked("a = 1\n", UNSAFE, SAFE)]).splitlines()
    assert lines[:2] == ["net.py:1:1: NNX101 bad; mend it", "net.py:1:1: NNX101 [*] bad; mend it"]
    assert text_of(checked("a = 1\n", UNSAFE, SAFE)).count("NNX101 [*] bad\n") == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


def test_colours_are_for_terminals(colours: pytest.MonkeyPatch) -> None:
    file = checked(CALL, finding((2, 4, 6, 1)), SAFE)
    plain, terminal, modest = io.StringIO(), Terminal(), Terminal()
    check_text.write([file], plain)
    check_text.write([file], terminal)
    colours.setenv("NO_COLOR", "1")
    check_text.write([file], modest)
    assert "\x1b" not in plain.getvalue()
    assert "\x1b[1;31mNNX101\x1b[0m" in terminal.getvalue()
    assert "\x1b[1;31m^\x1b[0m" in terminal.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", modest.getvalue())
    for shown in (terminal, modest):
        assert re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()) == plain.getvalue()


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize(
    "write",
    [
        lambda file: check_text.write([checked("a\n", SAFE)], file),
        lambda file: check_concise.write([checked("a\n", SAFE)], file),
        lambda file: confirm_text.write(Results([], None, [], False, 0.0), file),
    ],
)
def test_closed_pipes_are_left_to_the_command(write: Callable[[TextIO], None]) -> None:
    with pytest.raises(BrokenPipeError) as raised:
        write(ClosedPipe())
    assert raised.value.errno == 32


# -- GitHub --------------------------------------------------------------------------------------


def test_github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    file = checked(CALL, finding((2, 4, 2, 8)), finding((2, 4, 6, 1)), path="a/net.py")
    where = github_escaped(str(tmp_path / "a" / "net.py"))
    assert printed(github.write, rows.checked([file])) == (
        f"::error title=NNX101 frozen-key,file={where},line=2,col=5,endLine=2,endColumn=9"
        "::a/net.py:2:5: NNX101 bad; mend it\n"
        f"::error title=NNX101 frozen-key,file={where},line=2,endLine=6"
        "::a/net.py:2:5: NNX101 bad; mend it\n"
    )


def github_escaped(value: str) -> str:
    for char, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(char, code)
    return value


# -- SARIF ---------------------------------------------------------------------------------------


def test_sarif(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    broken = finding((1, 0, 1, 0), "no", code="NNX000")
    file = checked("a = 1\n", broken, UNSAFE, SAFE, finding((1, 0, 1, 1), code="NNX401"))
    log = json.loads(printed(sarif.write, rows.checked([file])))
    run = sarif_of(rows.checked([file]))
    assert log["$schema"] == SARIF_SCHEMA["id"]
    assert run["invocations"] == [{"executionSuccessful": True}]
    assert run["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"{tmp_path.as_uri()}/"}}
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("nnx-mode", __version__)
    assert [rule["id"] for rule in driver["rules"]] == ["NNX000", "NNX101", "NNX401"]

    first, second, _, last = run["results"]
    assert (first["level"], last["level"]) == ("error", "warning")
    assert [result["ruleIndex"] for result in run["results"]] == [0, 1, 1, 2]
    assert second == {
        "ruleId": "NNX101",
        "ruleIndex": 1,
        "level": "warning",
        "message": {"text": "bad; mend it"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "net.py", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
                }
            }
        ],
        "fixes": [
            {
                "description": {"text": "mend it (unsafe)"},
                "artifactChanges": [
                    {
                        "artifactLocation": {"uri": "net.py", "uriBaseId": "%SRCROOT%"},
                        "replacements": [
                            {
                                "deletedRegion": {
                                    "startLine": 1,
                                    "startColumn": 1,
                                    "endLine": 1,
                                    "endColumn": 2,
                                },
                                "insertedContent": {"text": "b"},
                            }
                        ],
                    }
                ],
                "properties": {"applicability": "unsafe"},
            }
        ],
    }


def test_sarif_of_nothing() -> None:
    run = sarif_of([], successful=False)
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["invocations"] == [{"executionSuccessful": False}]


def test_every_code_is_described() -> None:
    all_of_them = [*(own.code for own in OWN), *codes()]
    run = sarif_of([Row("net.py", finding((1, 0, 1, 0), code=code)) for code in all_of_them])
    described = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in described] == all_of_them
    for rule in described:
        for short in ("shortDescription", "fullDescription"):  # GitHub shows as much of them
            assert 20 < len(rule[short]["text"]) <= 1024
            assert "\n" not in rule[short]["text"]
        assert "## How to fix" in rule["help"]["text"]
        assert rule["help"]["markdown"].startswith(f"# {rule['name']} ({rule['id']})\n")
    by_code = {rule["id"]: rule for rule in described}
    for entry in registry():
        rule = by_code[entry.code]
        assert entry.bad.strip() in rule["help"]["markdown"]
        assert rule["defaultConfiguration"] == {"enabled": entry.rule.on, "level": "warning"}
    assert by_code["NNX000"]["defaultConfiguration"] == {"enabled": True, "level": "error"}
    assert by_code["NNX101"]["properties"]["tags"] == ["correctness", "flax", "randomness"]


def test_verdicts() -> None:
    outcomes = [
        Outcome(0, "CONFIRMED", "two calls gave {the} same noise", fix_verdict="REFUTED"),
        Outcome(1, "REFUTED", "they differ", seconds=0.12345),
        Outcome(2, "INCONCLUSIVE", "it took too long", reason="time"),
    ]
    assert {outcome.verdict for outcome in outcomes} == set(get_args(Verdict))
    found = [Result("net.py", SAFE, outcome) for outcome in outcomes]
    results = sarif_of(rows.confirmed(found))["results"]
    assert [result["level"] for result in results] == ["error", "note", "warning"]
    assert [result["message"]["text"] for result in results] == [
        "bad; mend it\n\nCONFIRMED: two calls gave {{the}} same noise",
        "bad; mend it\n\nREFUTED: they differ",
        "bad; mend it\n\nINCONCLUSIVE (time): it took too long",
    ]
    assert [result["properties"] for result in results] == [
        {
            "verdict": "CONFIRMED",
            "evidence": "two calls gave {the} same noise",
            "fixVerdict": "REFUTED",
            "seconds": 0.0,
        },
        {"verdict": "REFUTED", "evidence": "they differ", "seconds": 0.123},
        {
            "verdict": "INCONCLUSIVE",
            "evidence": "it took too long",
            "reason": "time",
            "seconds": 0.0,
        },
    ]
    assert printed(github.write, rows.confirmed(found)).count("::error ") == 3


# -- statistics and JSON -------------------------------------------------------------------------


def test_statistics() -> None:
    flag = finding((1, 0, 1, 0), code="NNX207")
    broken = finding((1, 0, 1, 0), code="NNX000")
    told = mended("safe", ((1, 0, 1, 0), "x"), code="NNX201")
    files = [
        checked("a = 1\n", *[flag] * 10, SAFE, broken, path="a.py"),
        checked("a = 1\n", UNSAFE, told, path="b.py"),
    ]
    assert printed(statistics.write, files) == (
        "10\tNNX207\t[ ]\tunused-mode-flag\n"
        " 2\tNNX101\t[-]\tfrozen-key\n"
        " 1\tNNX000\t[ ]\tnot-analysed\n"
        " 1\tNNX201\t[*]\tmode-not-passed\n"
        "Found 14 errors.\n"
        "[*] 2 fixable with `nnx-mode fix --write` (1 more with `--unsafe`).\n"
    )
    listed = json.loads(printed(statistics.write_json, files))
    assert listed[1:] == [
        {
            "code": "NNX101",
            "name": "frozen-key",
            "count": 2,
            "fixable": False,
            "fixable_count": 1,
        },
        {
            "code": "NNX000",
            "name": "not-analysed",
            "count": 1,
            "fixable": False,
            "fixable_count": 0,
        },
        {
            "code": "NNX201",
            "name": "mode-not-passed",
            "count": 1,
            "fixable": True,
            "fixable_count": 1,
        },
    ]
    assert json.loads(printed(statistics.write_json, [])) == []


def test_json() -> None:
    silenced = finding((2, 3, 2, 9), "unused", code="NNX001")
    assert json_of(checked("a = 1\n", UNSAFE, silenced)) == {
        "version": __version__,
        "findings": [
            {
                "path": "net.py",
                "line": 1,
                "column": 1,
                "end_line": 1,
                "end_column": 2,
                "code": "NNX101",
                "name": "frozen-key",
                "message": "bad; mend it",
                "fix": {
                    "applicability": "unsafe",
                    "edits": [
                        {"line": 1, "column": 1, "end_line": 1, "end_column": 2, "text": "b"}
                    ],
                },
            },
            {
                "path": "net.py",
                "line": 2,
                "column": 4,
                "end_line": 2,
                "end_column": 10,
                "code": "NNX001",
                "name": "unused-noqa",
                "message": "unused",
                "fix": None,
            },
        ],
    }
    assert json_of() == {"version": __version__, "findings": []}
    jsonschema.Draft202012Validator.check_schema(CHECK_SCHEMA)


# -- what is hostile -----------------------------------------------------------------------------

PATHS = {
    "spaces": "my models/a net.py",
    "percent": "50%/%20.py",
    "commas and colons": "a,b:c/::error file=x::.py",
    "a scheme": "http:/a.py",
    "line ends": "a\r\nb\u2028.py",
    "escapes": "\x1b[2J.py",
    "not ASCII": "é/漢😀.py",
    "not decodable": os.fsdecode(b"\xff\xe9.py"),
    "query": "a?b#c&d.py",
    "beside": "../other folder/net.py",
    "absolute": "/some where/50%.py",
}
MESSAGE = "::error::50%,\r\nn\x1b[2J{0} [a](b); do: `x`\n\u2028"


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible there")
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_hostile_paths_and_messages(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    file = checked("a = 1\n", finding((1, 0, 1, 1), MESSAGE), path=path)
    for write, count in ((check_text.write, 9), (check_concise.write, 2)):
        shown = printed(write, [file])
        assert shown.count("\n") == count
        assert all(char.isprintable() for char in shown.replace("\n", ""))

    (found,) = json_of(file)["findings"]
    assert (found["path"], found["message"]) == (path, MESSAGE)

    (command,) = printed(github.write, rows.checked([file])).removesuffix("\n").split("\n")
    properties, data = re.fullmatch(r"::error (.*?)::(.*)", command, re.S).groups()  # type: ignore[union-attr]
    assert "\r" not in command
    pairs = [pair.partition("=") for pair in properties.split(",")]
    assert [key for key, _, _ in pairs] == ["title", "file", "line", "col", "endLine", "endColumn"]
    absolute = os.path.normpath(tmp_path / path)
    assert [value for key, _, value in pairs if key == "file"] == [
        github_escaped(absolute).encode(errors="backslashreplace").decode()
    ]
    told = f"{path}:1:1: NNX101 {MESSAGE}".encode(errors="backslashreplace").decode()
    assert data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%") == told

    run = sarif_of(rows.checked([file]))
    (result,) = run["results"]
    assert result["message"]["text"] == MESSAGE.replace("{0}", "{{0}}")
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    uri, base = artifact["uri"], ""
    assert re.fullmatch(r"[A-Za-z0-9._~/%:-]+", uri)
    if "uriBaseId" in artifact:
        assert not urlsplit(uri).scheme
        assert not uri.startswith("/")
        base = run["originalUriBaseIds"][artifact["uriBaseId"]]["uri"]
    else:
        assert path in (PATHS["beside"], PATHS["absolute"])
    whole = base + uri
    assert whole.startswith("file:///")
    assert unquote_to_bytes(whole.removeprefix("file://")) == os.fsencode(absolute)
