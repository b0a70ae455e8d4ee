"""The documentation says what is so: its commands run, its links lead somewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit
from xml.etree import ElementTree

import pytest

from command import run_shown, shown
from conftest import ROOT
from flake8_nnx_mode import flake8_config
from flake8_nnx_mode.cli.main import main
from flake8_nnx_mode.codes import OWN, OwnCode
from flake8_nnx_mode.rules import Entry, registry
from flake8_nnx_mode.settings import (
    NEWEST_FLAX,
    OPTIONS,
    Option,
    Settings,
    from_mapping,
    read_table,
)

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
RULES: tuple[Entry | OwnCode, ...] = (*registry(), *OWN)
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}

# -- What is shown ------------------------------------------------------------------------------

TUTORIAL = "docs/tutorial.md"
STEPS = [
    pytest.param(command, output, id=f"{page}: {command}")
    for page, text in TEXTS.items()
    for command, output in shown(text)
    if page != TUTORIAL
]


@pytest.mark.parametrize(("command", "output"), STEPS)
def test_commands_print_what_is_shown(command: str, output: str) -> None:
    done = run_shown(command.removeprefix("pip install . && "), ROOT)
    # Files come in the order of the folder, which is not the same everywhere.
    assert sorted(_timeless(done.stdout).splitlines()) == sorted(_timeless(output).splitlines())


def test_the_tutorial_is_what_happens(tmp_path: Path) -> None:
    tutorial = TEXTS[TUTORIAL]
    for name, text in re.findall(r'^```python title="(.*?)"\n(.*?)^```$', tutorial, re.M | re.S):
        (tmp_path / name).write_text(text, encoding="utf-8")
    steps = shown(tutorial)
    assert {command.split()[0] for command, _ in steps} == {"python", "nnx-mode", "flake8"}
    for command, output in steps:
        done = run_shown(command, tmp_path)
        assert _timeless(done.stdout + done.stderr) == _timeless(output), command


def _timeless(output: str) -> str:
    """Without versions and seconds, which differ from run to run."""
    return re.sub(r"^Python [\d.]+, jax .*; [\d.]+ s$", "Python", output, flags=re.M)


# -- Settings and options -----------------------------------------------------------------------


def settings_reference() -> str:
    """The last part of docs/settings.md."""
    of_check = {name for parameter in main.commands["check"].params for name in parameter.opts}
    parts = []
    for option in OPTIONS:
        default, prefix = _default(option), "" if option.is_flake8s else "nnx-"
        facts = f"{option.kind.capitalize()}" + (f"; by default {default}" if default else "")
        options = f"`flake8 --{prefix}{option.name}`"
        if f"--{option.name}" in of_check:
            options += f", `nnx-mode check --{option.name}`"
        parts.append(f"### {option.name}\n\n{option.help}\n\n{facts}. As an option: {options}.\n")
    return "\n".join(parts)


def _default(option: Option) -> str:
    """The default as a user would write it."""
    value = getattr(Settings(), option.field)
    if value == NEWEST_FLAX:
        return "`newest`"
    if isinstance(value, Mapping):
        value = sorted(f"{name}:{'train' if train else 'eval'}" for name, train in value.items())
    return ", ".join(f"`{word}`" for word in value or ())


def test_the_settings_are_written_down() -> None:
    file, mark = DOCS / "settings.md", "## All settings\n\n"
    by_hand = TEXTS["docs/settings.md"].partition(mark)[0]
    if os.environ.get("WRITE_DOCS"):
        file.write_text(by_hand + mark + settings_reference(), encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    assert text == by_hand + mark + settings_reference(), "run it with WRITE_DOCS=1"


def test_both_ways_to_set_mean_the_same(tmp_path: Path) -> None:
    text = TEXTS["docs/settings.md"]
    for kind in ("toml", "ini"):
        (block,) = re.findall(rf"^```{kind}\n(.*?nnx.*?)^```$", text, re.M | re.S)
        (tmp_path / kind).write_text(block, encoding="utf-8")
    table = read_table(tmp_path / "toml")
    assert table is not None
    assert table == flake8_config.read(tmp_path / "ini").given
    assert from_mapping(table, "here") != Settings()


def test_every_option_that_is_named_exists() -> None:
    """``--option`` in a text is one of our commands, of flake8, or of a tool of ours."""
    known = {"--help", "--strict"}  # of every command; of MkDocs
    for command in (main, *main.commands.values()):
        for parameter in command.params:
            known.update(parameter.opts + parameter.secondary_opts)
    known |= {f"--{'' if option.is_flake8s else 'nnx-'}{option.name}" for option in OPTIONS}
    for file in (*ROOT.glob("tools/*.py"), *ROOT.glob("bench/*.py")):
        known.update(re.findall(r'"(--[a-z-]+)"', file.read_text(encoding="utf-8")))
    for page, text in TEXTS.items():
        assert set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*(?![.\w-])", text)) <= known, page


def test_every_file_that_is_named_exists() -> None:
    for page, text in TEXTS.items():
        for name in re.findall(r"\b(?:docs|tools|tests|bench|examples)/[\w/.-]*\w", text):
            assert (ROOT / name).exists(), f"{name} in {page}"
        for link in re.findall(r"\]\(([^)#:]+)[)#]", text):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{link} in {page}"


def test_every_rule_that_is_named_exists() -> None:
    known = {entry.code for entry in RULES}
    for page, text in TEXTS.items():
        assert set(re.findall(r"\bNNX\d{3}\b", text)) <= known, page


def test_nothing_is_told_twice() -> None:
    told: dict[str, str] = {}
    for page, text in TEXTS.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        for sentence in re.split(r"(?<=[.:?!])\s+|\n\n|\|", prose):
            words = " ".join(sentence.split())
            if len(words.split()) >= 8:
                assert told.setdefault(words, page) == page, words


# -- The picture of the house -------------------------------------------------------------------

PACKAGE = ROOT / "src" / "flake8_nnx_mode"


def floors() -> dict[str, float]:
    """Room -> how far down in the picture it is."""
    picture = ElementTree.parse(DOCS / "assets" / "house.svg").getroot()
    texts = [text for text in picture.iter() if text.get("class") == "room"]
    return {(text.text or "").rstrip("/"): float(text.get("y", "")) for text in texts}


def test_the_picture_has_every_room() -> None:
    rooms = {file.stem for file in PACKAGE.iterdir() if not file.stem.startswith(("__", "."))}
    assert set(floors()) == rooms - {"py"}


def test_rooms_import_what_is_below() -> None:
    floor = floors()
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room.startswith("__"):
            continue
        text = file.read_text(encoding="utf-8")
        below = re.findall(r"^ *(?:from|import) flake8_nnx_mode\.(\w+)", text, re.M)
        for names in re.findall(r"^ *from flake8_nnx_mode import (.*)", text, re.M):
            below += re.findall(r"\w+", names)
        for other in set(below) - {room, "__version__"}:
            assert floor[other] > floor[room], f"{file} imports {other}"


# -- The site -----------------------------------------------------------------------------------


class Links(HTMLParser):
    """What a page points to, what it loads, and the places in it that can be pointed to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places.add(given.get("id", ""))
        if "href" in given:
            (self.links if tag == "a" else self.loaded).append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CONTRIBUTING.md says."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    """Each page of it; the one for what is not found has links of its own kind."""
    files = [file for file in site.rglob("*.html") if file.name != "404.html"]
    return {file: Links(file.read_text(encoding="utf-8")) for file in files}


def test_there_is_a_page_for_each_rule(site: Path, pages: dict[Path, Links]) -> None:
    index = pages[site / "rules" / "index.html"]
    for entry in RULES:
        text = (site / "rules" / f"{entry.code}.html").read_text(encoding="utf-8")
        assert f"{entry.name} ({entry.code})" in text
        assert f"{entry.code}.html" in index.links


def test_links_lead_somewhere(pages: dict[Path, Links]) -> None:
    for page, found in pages.items():
        for link in found.links + found.loaded:
            path, place = urldefrag(link)
            if urlsplit(link).scheme:
                continue
            file = (page.parent / unquote(path)).resolve() if path else page
            assert file.exists(), f"{link} in {page}"
            if place and file in pages:
                assert unquote(place) in pages[file].places, f"{link} in {page}"


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    for page, found in pages.items():
        assert not [link for link in found.loaded if urlsplit(link).scheme or link[:2] == "//"], (
            page
        )
        assert 'class="mermaid"' not in page.read_text(encoding="utf-8"), "its script is fetched"
    for style in site.rglob("*.css"):
        fetched = re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text("utf-8"))
        assert fetched is None, style
