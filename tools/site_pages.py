"""The pages of the documentation site that are made from the code, when MkDocs builds it.

MkDocs calls the functions `on_...` (see `hooks` in `mkdocs.yml`). Nothing that they make is kept in
the repository: a page for each rule, an index of them, and files of the root that the site shows.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from flake8_nnx_mode.codes import OWN, OwnCode
from flake8_nnx_mode.report import rule_markdown
from flake8_nnx_mode.rules import Entry, registry

ROOT = Path(__file__).parent.parent
SHOWN = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the root -> the pages that they are."""
FAMILIES = {
    "NNX1": "Randomness",
    "NNX2": "Mode",
    "NNX3": "Views",
    "NNX4": "Transforms",
    "NNX0": "The linter itself",
}
"""How codes begin -> what such rules are about, in the order of the index."""
INDEX = "rules/index.md"
RULES: tuple[Entry | OwnCode, ...] = (*registry(), *OWN)


def pages() -> dict[str, dict[str, Entry | OwnCode]]:
    """Family -> page -> the rule that it is about."""
    found: dict[str, dict[str, Entry | OwnCode]] = {family: {} for family in FAMILIES.values()}
    for entry in RULES:
        found[FAMILIES[entry.code[:4]]][f"rules/{entry.code}.md"] = entry
    return found


def index() -> str:
    """The page that lists the rules, by family."""
    parts = [
        "# Rules",
        "*On*: whether it reports unless told otherwise. *Fix*: what a fix is, where it offers any."
        " *Confirm*: whether `nnx-mode confirm` can show it on JAX.",
    ]
    for family, entries in pages().items():
        parts += [f"## {family}", _table(entries.values())]
    return "\n\n".join(parts) + "\n"


def _table(entries: Iterable[Entry | OwnCode]) -> str:
    rows = ["| code | name | on | fix | confirm | what it finds |", "|---|---|---|---|---|---|"]
    for entry in entries:
        rule = entry.rule if isinstance(entry, Entry) else entry
        on, confirm = "on" if rule.on else "off", "yes" if getattr(rule, "oracle", None) else "-"
        cells = (entry.code, entry.name, on, rule.fix or "-", confirm, entry.summary)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the rules into the navigation, where it says so."""
    rules = [INDEX, *({family: list(entries)} for family, entries in pages().items())]
    assert config.nav is not None
    config.nav = [{"Rules": rules} if "Rules" in item else item for item in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is no file in `docs/`."""
    made = {SHOWN.get(name, name): (ROOT / name).read_text("utf-8") for name in _outside()}
    made[INDEX] = index()
    for entries in pages().values():
        made.update((page, rule_markdown.page(entry)) for page, entry in entries.items())
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def _outside() -> set[str]:
    """Files outside of `docs/` that are shown, or that a page links to."""
    found = set(SHOWN)
    for page in (*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in SHOWN)):
        for link in _LINK.findall(page.read_text("utf-8")):
            file = (page.parent / link).resolve()
            if file.is_file() and not file.is_relative_to(ROOT / "docs"):
                found.add(file.relative_to(ROOT).as_posix())
    return found


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are on the site, and a link wherever a rule is named in plain words."""
    here = Path(page.file.src_uri)
    folder = "" if here.parent.name == "rules" else "rules/"
    others = {entry.code for entry in RULES} - {here.stem}
    return _linked(_moved(markdown), folder, others)


_LINK = re.compile(r"(?<=\]\()[\w./-]+")
"""Where a link leads, but for its `#place`."""


def _moved(text: str) -> str:
    """Links between the root and `docs/`, which are one folder on the site."""

    def target(found: re.Match[str]) -> str:
        name = found[0].removeprefix("../").removeprefix("docs/")
        return SHOWN.get(name, name)

    return _LINK.sub(target, text)


_NOT_WORDS = r"^ *```.*?^ *```$|`[^`]*`|\[[^\]]*\]\([^)]*\)|^#.*?$"
"""Code, links and headings."""


def _linked(text: str, folder: str, known: set[str]) -> str:
    """``NNX101`` -> a link to its page."""

    def link(found: re.Match[str]) -> str:
        code = found["code"]
        return f"[{code}]({folder}{code}.md)" if code in known else found[0]

    return re.sub(rf"{_NOT_WORDS}|\b(?P<code>NNX\d{{3}})\b", link, text, flags=re.M | re.S)
