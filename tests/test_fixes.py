"""Fixes: what they write parses, mends the finding, breaks nothing, and leaves the rest alone."""

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

import pytest

from conftest import FIXTURES, codes, lint
from flake8_nnx_mode import rules
from flake8_nnx_mode.fixes.apply import applied
from flake8_nnx_mode.model import Applicability, Edit, Finding, Fix, Position, Span

APPLICABILITY: dict[str, Applicability] = {
    "NNX101": "unsafe",
    "NNX102": "unsafe",
    "NNX103": "unsafe",
    "NNX108": "safe",
    "NNX109": "unsafe",
    "NNX201": "safe",
    "NNX203": "safe",
    "NNX204": "safe",
    "NNX205": "safe",
    "NNX209": "safe",
    "NNX301": "unsafe",
    "NNX303": "safe",
    "NNX307": "unsafe",
    "NNX308": "unsafe",
}
"""What RULES.md says."""

BAD = {entry.code: entry.bad for entry in rules.registry()}


def fixed(text: str, code: str, path: Path = Path("/nowhere/code.py")) -> str:
    """``text`` with the first finding of ``code`` fixed."""
    first = next(f for f in lint(text, path) if f.code == code)
    assert first.fix is not None
    return applied(text, [first.fix])[0]


def test_these_rules_have_fixes() -> None:
    found: dict[str, Applicability] = {}
    for code, bad in BAD.items():
        (finding,) = lint(bad)
        if finding.fix is not None:
            found[code] = finding.fix.applicability
    assert found == APPLICABILITY


@pytest.mark.parametrize("code", APPLICABILITY)
def test_fixed_example_is_clean_for_good(code: str) -> None:
    text = BAD[code]
    # One finding may need two rounds: NNX109 is about one keeper at a time.
    for _ in range(2):
        findings = lint(text)
        fixes = [f.fix for f in findings if f.fix is not None]
        text, _ = applied(text, fixes)
    assert codes(text) == []


def without(findings: list[Finding], code: str) -> Counter[str]:
    return Counter(f.code for f in findings if f.code != code)


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@pytest.mark.parametrize("name", sorted(file.name for file in FIXTURES.glob("nnx*.py")))
def test_fixture_fixes(name: str) -> None:
    file = FIXTURES / name
    text = file.read_text("utf-8")
    findings = lint(text, file)
    tried = 0
    for finding in findings:
        if finding.fix is None:
            continue
        tried += finding.code == name[:6].upper()
        after, count = applied(text, [finding.fix])
        assert count == 1
        ast.parse(after)
        left = lint(after, file)
        where = f"{name}:{finding.span.start.line}"
        assert without(left, finding.code) == without(findings, finding.code), where
        before_and_after = [sum(f.code == finding.code for f in some) for some in (findings, left)]
        assert before_and_after[1] < before_and_after[0], where
        assert comments(after) == comments(text), where
    assert (tried >= 2) == (name[:6].upper() in APPLICABILITY)


HEAD = """\
from flax import nnx

class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, deterministic: bool = False):
        return self.dropout(x, deterministic=deterministic)

class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.block = Block(rngs)

    def __call__(self, x, train: bool{default}):
        return {call}
"""


def net(call: str, default: str = "") -> str:
    return HEAD.format(call=call, default=default)


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("NNX201", "self.block(x)", "self.block(x, deterministic=not train)"),
        (
            "NNX201",
            "self.block(\n            x,  # the input\n        )",
            "self.block(\n            x, deterministic=not train,  # the input\n        )",
        ),
        ("NNX201", "self.block((x))", "self.block((x), deterministic=not train)"),
        (
            "NNX203",
            "self.block(x, train = train )",
            "self.block(x, deterministic=not train )",
        ),
        (
            "NNX204",
            "self.block(x, deterministic=train)  # ä",
            "self.block(x, deterministic=not train)  # ä",
        ),
        ("NNX204", "self.block(x, train)", "self.block(x, deterministic=not train)"),
        (
            "NNX205",
            "nnx.Dropout(0.1, rngs=nnx.Rngs(x))(x, train)",
            "nnx.Dropout(0.1, rngs=nnx.Rngs(x))(x, deterministic=not train)",
        ),
    ],
)
def test_fixed_call(code: str, before: str, after: str) -> None:
    assert fixed(net(before), code) == net(after)
    crlf, crlf_after = (net(part).replace("\n", "\r\n") for part in (before, after))
    assert fixed(crlf, code) == crlf_after


@pytest.mark.parametrize("call", ["self.block(x)", "self.block(x, deterministic=train)"])
@pytest.mark.parametrize("default", [" | None = None", " | None", "=None"])
def test_a_flag_that_may_be_none_is_not_negated(call: str, default: str) -> None:
    (finding,) = lint(net(call, default))
    assert finding.code in ("NNX201", "NNX204")
    assert finding.fix is None


def test_rngs_are_saved_at_the_end_of_init() -> None:
    text = (
        "from flax import nnx\n"
        "class Net(nnx.Module):\n"
        "\tdef __init__(self, rngs: nnx.Rngs):\n"
        "\t\tif rngs:\n"
        "\t\t\tself.size = 4  # units\n"
        "\n"
        "\tdef __call__(self, x, train: bool):\n"
        "\t\treturn x + self.rngs.noise() if train else x\n"
    )
    assert fixed(text, "NNX103") == text.replace(
        "# units\n", "# units\n\t\tself.rngs = rngs.fork()\n"
    )


@pytest.mark.parametrize(
    "init",
    [
        "def __init__(self, rngs: nnx.Rngs): self.size = 4",
        "def __init__(self, rngs: nnx.Rngs | None = None):\n        self.size = 4",
        "def __init__(self, rngs):\n        self.size = 4",
        "def __init__(self, rngs: nnx.Rngs):\n        self.size = 4\n        return",
        "def __init__(self, rngs: nnx.Rngs):\n        self.size = self.rngs.noise()",
    ],
)
def test_rngs_are_not_saved_where_that_may_be_wrong(init: str) -> None:
    text = (
        f"from flax import nnx\nclass Net(nnx.Module):\n    {init}\n\n"
        "    def __call__(self, x, train: bool):\n"
        "        return x + self.rngs.noise() if train else x\n"
    )
    (finding,) = (f for f in lint(text) if f.code == "NNX103")
    assert finding.fix is None


def test_fixes_that_touch_each_other_are_made_one_at_a_time() -> None:
    def edit(start: int, end: int, text: str) -> Fix:
        return Fix("safe", (Edit(Span(Position(1, start), Position(1, end)), text),))

    assert applied("abcdef", [edit(0, 2, "X"), edit(1, 3, "Y"), edit(4, 5, "Z")]) == ("XcdZf", 2)
    assert applied("ab", [edit(1, 1, "1"), edit(1, 1, "2")]) == ("a1b", 1)


VIEW = """\
from flax import nnx

class Layer(nnx.Module):
    def set_view(self, {parameters}):
{body}
"""


def view(parameters: str, *body: str) -> str:
    lines = "\n".join(f"        {line}" for line in body)
    return VIEW.format(parameters=parameters, body=lines)


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        (
            "NNX301",
            view("size: int, loud=True", "self.size = size", "if loud: self.loud = loud"),
            view(
                "size: int | None = None, loud=True",
                "if size is not None:",
                "    self.size = size",
                "if loud: self.loud = loud",
            ),
        ),
        (
            "NNX301",
            view("size, loud", "self.size = size  # kept", "if loud:", "    self.loud = loud"),
            view(
                "size=None, loud=None",
                "if size is not None:",
                "    self.size = size  # kept",
                "if loud is not None:",
                "    self.loud = loud",
            ),
        ),
        ("NNX301", view("a, b", "self.a, self.b = a, b"), None),
        (
            "NNX303",
            view("loud=None", "if not loud:", "    return", "self.loud = loud"),
            view("loud=None", "if loud is None:", "    return", "self.loud = loud"),
        ),
        (
            "NNX303",
            view("loud=None", "self.loud = loud or self.loud"),
            view("loud=None", "self.loud = loud if loud is not None else self.loud"),
        ),
        ("NNX303", view("loud=None", "if loud:", "    self.loud = loud", "    self.go()"), None),
        ("NNX303", view("loud=None", "if loud:", "    self.loud = True"), None),
    ],
)
def test_fixed_view(code: str, before: str, after: str | None) -> None:
    first = next(f for f in lint(before) if f.code == code)
    assert (None if first.fix is None else applied(before, [first.fix])[0]) == after


def test_a_view_is_assigned_only_where_that_changes_the_model() -> None:
    text = (
        "from flax import nnx\n"
        "model = nnx.Dropout(0.1)\n"
        "def one(model):\n    nnx.view(model, deterministic=True)\n    return model\n"
        "def two():\n    nnx.view(model, deterministic=True)\n"
        "def three(models):\n    for m in models:\n        nnx.view(m, deterministic=True)\n"
        "def four():\n    nnx.view(nnx.Dropout(0.2), deterministic=True)\n"
    )
    fixes = [f.fix for f in lint(text) if f.code == "NNX307"]
    assert [fix is not None for fix in fixes] == [True, False, False, False]
    (first,) = (fix for fix in fixes if fix is not None)
    after, _ = applied(text, [first])
    assert "    model = nnx.view(model, deterministic=True)\n    return" in after
