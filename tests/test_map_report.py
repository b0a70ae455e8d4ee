"""The formats of ``nnx-mode map``, from trees that are made by hand."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any, TextIO

import jsonschema
import pytest
from rich.cells import cell_len

from conftest import ROOT
from flake8_nnx_mode import __version__
from flake8_nnx_mode.facts.tree import Layer, Place
from flake8_nnx_mode.model import Position
from flake8_nnx_mode.report import map_html, map_json, map_text
from flake8_nnx_mode.rules import registry
from map_trees import HOSTILE, MODEL, TRANSFORMER, deep, hostile, large

SCHEMA = json.loads((ROOT / "docs" / "map.schema.json").read_text(encoding="utf-8"))
FORMATS = (map_json.write, map_text.write, map_html.write)
Write = Callable[[Sequence[Layer], TextIO], None]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(write: Write, *models: Layer) -> str:
    """What it writes to a file that is opened as the command opens it."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="")
    write(models, file)
    file.flush()
    return raw.getvalue().decode("utf-8")


def json_of(*models: Layer) -> list[dict[str, Any]]:
    whole = json.loads(written(map_json.write, *models))
    jsonschema.validate(whole, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert whole["version"] == __version__
    described = whole["models"]
    assert isinstance(described, list)
    return described


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a terminal of 80 columns shows."""

    def shown(*models: Layer) -> str:
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "80")
        file = Terminal()
        map_text.write(models, file)
        return file.getvalue()

    return shown


# -- JSON ----------------------------------------------------------------------------------------


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_json_says_all_there_is() -> None:
    (model,) = json_of(TRANSFORMER)
    assert [child["name"] for child in model["children"]] == [
        *("patches", "stem_norm", "position_dropout", "blocks[*]", "adapter", "norm", "head")
    ]
    assert model["defined"] == {"path": "vit.py", "line": 52, "column": 1}
    attention = model["children"][3]["children"][1]
    (finding,) = attention.pop("findings")
    assert finding.pop("message").startswith("`self.attn` is not told")
    place = {"path": "vit.py", "line": 41, "column": 17}
    assert finding == {"code": "NNX201", "name": "mode-not-passed", "place": place}
    assert attention == {
        "name": "attn",
        "class": "MultiHeadAttention",
        "module": "flax.nnx",
        "kind": "stochastic",
        "defined": None,
        "built": {"path": "vit.py", "line": 24, "column": 21},
        "maybe": False,
        "flags": [
            {"name": "deterministic", "means": "eval", "by": by, "default": value, "used": True}
            for by, value in (("call", "None"), ("attribute", "False"))
        ],
        "calls": [
            {
                "method": "__call__",
                "calls": "__call__",
                "place": {"path": "vit.py", "line": 41, "column": 13},
                "end": {"line": 41, "column": 41},
                "told": [{"flag": "deterministic", "how": "dropped", "text": None, "sources": []}],
            }
        ],
        "called": True,
        "streams": ["dropout"],
        "view": ["deterministic", "decode", "batch_size", "max_length"],
        "note": None,
        "children": [],
    }


def test_json_of_what_is_not_known() -> None:
    (model,) = json_of(TRANSFORMER)
    adapter = model["children"][4]
    assert (adapter["class"], adapter["module"], adapter["view"]) == (None, None, None)
    assert adapter["maybe"]
    assert adapter["note"].startswith("`make_adapter` is not in the project")


def test_paths_elsewhere_are_absolute(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    elsewhere = Layer("Net", "Net", "net", "plain", defined=Place(path, Position(1, 0)))
    assert json_of(elsewhere)[0]["defined"]["path"] == str(path)
    assert f"Net  {path}:1  plain" in written(map_text.write, elsewhere)


# -- text ----------------------------------------------------------------------------------------

PIPED = """\
VisionTransformer  vit.py:52  plain  train default False  inference default False, unused  \
view deterministic, use_running_average
├── patches: nnx.Conv  plain
├── stem_norm: nnx.BatchNorm  stateful  use_running_average fixed False  view use_running_average
│   NNX206 the mode of `self.stem_norm` is fixed here, whatever the mode of this method vit.py:83
├── position_dropout: nnx.Dropout  stochastic  deterministic <- not train  draws dropout  \
view deterministic
├── blocks[*]: Block  plain  train <- train  view deterministic
│   ├── norm1: nnx.LayerNorm  plain
│   ├── attn: nnx.MultiHeadAttention  stochastic  deterministic dropped  draws dropout  \
view deterministic, decode, batch_size, max_length
│   │   NNX201 `self.attn` is not told the mode that this code has: it behaves the same in \
training and evaluation vit.py:41
│   ├── drop1: nnx.Dropout  stochastic  deterministic <- not train  draws dropout  \
view deterministic
│   ├── norm2: nnx.LayerNorm  plain
│   ├── mlp: Mlp  plain  deterministic <- not train  view deterministic
│   │   ├── up: nnx.Linear  plain
│   │   ├── dropout: nnx.Dropout  stochastic  deterministic <- deterministic  draws dropout  \
view deterministic
│   │   └── down: nnx.Linear  plain
│   └── drop2: nnx.Dropout  stochastic  deterministic <- train inverted  draws dropout  \
view deterministic
│       NNX204 `deterministic` of `self.drop2` is given the opposite of what it means: it drops \
units in evaluation and not in training vit.py:47
├── adapter  unknown  maybe  mode <- pick(train) unknown  view unknown
│   `make_adapter` is not in the project, so nothing is known of what it gives.
├── norm: nnx.LayerNorm  plain
└── head: nnx.Linear  plain

1 model, 17 layers: 5 stochastic, 1 stateful, 10 plain, 1 unknown; 3 findings.
"""


def test_text_in_a_pipe_is_a_line_for_each_layer() -> None:
    assert written(map_text.write, TRANSFORMER) == PIPED


def test_text_in_a_pipe_is_not_wrapped_because_colours_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = written(map_text.write, TRANSFORMER)
    assert "\x1b[" in text
    assert plain(text) == PIPED


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_text_on_a_terminal_is_as_wide(terminal: Callable[..., str]) -> None:
    text = terminal(TRANSFORMER)
    assert "\x1b[31m  deterministic dropped\x1b[0m" in text
    lines = plain(text).splitlines()
    assert max(map(cell_len, lines)) <= 80
    start = lines.index("│   ├── attn: nnx.MultiHeadAttention  stochastic  deterministic dropped")
    assert lines[start + 1 : start + 4] == [
        "│   │     draws dropout  view deterministic, decode, batch_size, max_length",
        "│   │   NNX201 `self.attn` is not told the mode that this code has: it behaves",
        "│   │     the same in training and evaluation vit.py:41",
    ]


def test_text_loses_nothing_on_a_terminal(terminal: Callable[..., str]) -> None:
    def words(text: str) -> list[str]:
        return re.sub("[│├└─]", " ", plain(text)).split()

    assert words(terminal(TRANSFORMER)) == words(PIPED)
    text = terminal(deep(60))
    assert all(f"level{number}: Level" in text for number in range(58))


@pytest.mark.parametrize("word", ["x" * 500, "漢" * 250])
def test_a_long_name_is_cut_into_lines(terminal: Callable[..., str], word: str) -> None:
    lines = plain(terminal(Layer(word, word, "net", "plain"))).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "".join("".join(lines).split()).count(word[0]) == len(word)


# -- HTML ----------------------------------------------------------------------------------------


class Parsed(HTMLParser):
    """The elements of a page, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    def all_text(self, tag: str) -> list[str]:
        return [text for of, text in self.texts if of == tag and text.strip()]


def page_of(*models: Layer) -> Parsed:
    return Parsed(written(map_html.write, *models))


def test_the_page_holds_the_tree_and_what_explains_its_findings() -> None:
    page = page_of(TRANSFORMER)
    data = json.loads(page.all_text("script")[0])
    assert data["models"] == json_of(TRANSFORMER)
    assert set(data["rules"]) == {"NNX201", "NNX204", "NNX206"}
    rule = data["rules"]["NNX201"]
    assert rule["name"] == "mode-not-passed"
    assert rule["summary"] == "A layer that takes a mode flag is called without it."
    assert rule["fix"].startswith("Forward the flag: `train=train`, or")
    assert "When it stays silent" not in rule["fix"]


def test_every_rule_says_how_to_fix() -> None:
    for entry in registry():
        assert len(map_html._rule(entry.code)["fix"]) > 20


def test_the_page_may_run_what_is_in_it_and_load_nothing() -> None:
    page = page_of(TRANSFORMER)
    (policy,) = (
        attributes["content"] or ""
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    (style,), (_, script) = page.all_text("style"), page.all_text("script")
    hashes = [base64.b64encode(hashlib.sha256(t.encode()).digest()) for t in (style, script)]
    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:;"
        f" style-src 'sha256-{hashes[0].decode()}'; script-src 'sha256-{hashes[1].decode()}'"
    )
    links = [a.get(k) for _, a in page.elements for k in ("src", "href", "style") if k in a]
    assert links == ["data:,"]


def test_what_the_page_is_made_of_can_stand_in_it() -> None:
    folder = resources.files("flake8_nnx_mode.report") / "map_page"
    for name in ("page.css", "page.js"):
        text = (folder / name).read_text(encoding="ascii")
        assert not re.search(r"</|<!--|https?:|\burl\(|@import|innerHTML", text)


def test_hostile_text_is_only_text_in_the_page() -> None:
    text = written(map_html.write, hostile())
    assert text.isascii()
    page = Parsed(text)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 2
    assert "b" not in tags
    shown = "</script><b>\"'&amp;<!--\ufffd\ufffd\ufffd[31m"
    assert page.all_text("title") == [shown]
    assert page.all_text("h1") == [shown]
    (model,) = json.loads(page.all_text("script")[0])["models"]
    assert model["name"] == HOSTILE


# -- all formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize("write", FORMATS)
def test_hostile_text_steers_no_terminal(write: Write) -> None:
    text = written(write, hostile())
    assert not set(text) & {"\x1b", "\u202e"}
    assert text.isascii() == (write is not map_text.write)


@pytest.mark.parametrize("write", FORMATS)
def test_no_models(write: Write) -> None:
    text = written(write)
    if write is map_text.write:
        assert text == "No models found.\n"
    assert json_of() == []


@pytest.mark.parametrize("write", FORMATS)
def test_several_models(write: Write) -> None:
    text = written(write, TRANSFORMER, deep(3))
    assert text.index("VisionTransformer") < text.index("level1")
    if write is map_text.write:
        assert "\n2 models, 20 layers: " in text
    if write is map_html.write:
        assert "<title>2 models</title>" in text


@pytest.mark.parametrize("write", FORMATS)
def test_deep_and_large_trees(write: Write) -> None:
    written(write, deep(200))
    text = written(write, large(2001))
    assert "block499" in text
    assert str(MODEL) not in text
