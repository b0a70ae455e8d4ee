"""The tree of a model, as one page for a browser, which loads nothing from elsewhere."""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib import resources
from string import Template
from typing import TextIO

from flake8_nnx_mode import __version__
from flake8_nnx_mode.facts.tree import Layer, walk
from flake8_nnx_mode.report.map_json import described
from flake8_nnx_mode.report.names import known
from flake8_nnx_mode.report.wording import one_line, plural


def write(models: Sequence[Layer], file: TextIO) -> None:
    """Write the page to ``file``; it is ASCII, so that no encoding harms it."""
    css, js = _asset("page.css"), _asset("page.js")
    codes = sorted({finding.code for layer in walk(models) for finding in layer.findings})
    data = {"models": described(models), "rules": {code: _rule(code) for code in codes}}
    title = models[0].name if len(models) == 1 else plural(len(models), "model")
    page = Template(_asset("page.html")).substitute(
        policy=_policy(css, js),
        version=__version__,
        title=escape(one_line(title)).encode("ascii", "xmlcharrefreplace").decode(),
        css=css,
        js=js,
        # A script ends, or is read differently, at certain tags; in JSON they need not be.
        data=json.dumps(data, separators=(",", ":")).replace("<", r"\u003c"),
    )
    file.write(page)


def _asset(name: str) -> str:
    folder = resources.files("flake8_nnx_mode.report") / "map_page"
    return (folder / name).read_text(encoding="ascii")


def _policy(css: str, js: str) -> str:
    """What the page may do: run what is written in it, and nothing else."""
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:;"
        f" style-src {_hash(css)}; script-src {_hash(js)}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _rule(code: str) -> dict[str, str]:
    """What ``nnx-mode explain`` says of a rule, in short."""
    rule = known(code)
    fix = rule.documentation.partition("## How to fix\n")[2].partition("\n## ")[0]
    return {"name": rule.name, "summary": rule.summary, "fix": fix.strip()}
