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
        after, made = applied(text, [finding.fix])
        assert made == [finding.fix]
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

    first, second, third = edit(0, 2, "X"), edit(1, 3, "Y"), edit(4, 5, "Z")
    assert applied("abcdef", [first, second, third]) == ("XcdZf", [first, third])
    first, second = edit(1, 1, "1"), edit(1, 1, "2")
    assert applied("ab", [first, second]) == ("a1b", [first])


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


def fixes(text: str, code: str) -> list[Fix | None]:
    return [finding.fix for finding in lint(text) if finding.code == code]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_inserted_lines_end_as_the_others_do(end: str) -> None:
    forward = "    def __call__(self, x):\n        return x + self.rngs.noise.normal(x.shape)\n"
    init = "    def __init__(self, rngs: nnx.Rngs):\n        self.size = 4"
    last = f"from flax import nnx\nclass Net(nnx.Module):\n{forward}\n{init}"  # no line end
    for text, code, lines in (
        (last, "NNX103", [*last.split("\n"), "        self.rngs = rngs.fork()"]),
        (
            view("loud=True", "self.loud = loud"),
            "NNX301",
            view("loud=None", "if loud is not None:", "    self.loud = loud").split("\n"),
        ),
    ):
        text = text.replace("\n", end)
        (fix,) = fixes(text, code)
        assert fix is not None
        assert applied(text, [fix])[0] == end.join(lines)


@pytest.mark.parametrize(
    "rebound",
    [
        "del rngs",
        "rngs = rngs.params()",
        "for rngs in (1, 2): pass",
        "with open('x') as rngs: pass",
        "self.size = (rngs := 4)",
        "import os as rngs",
    ],
)
def test_rngs_are_not_saved_once_the_name_is_another_thing(rebound: str) -> None:
    text = (
        "from flax import nnx\nclass Net(nnx.Module):\n"
        f"    def __init__(self, rngs: nnx.Rngs):\n        {rebound}\n\n"
        "    def __call__(self, x):\n        return x + self.rngs.noise.normal(x.shape)\n"
    )
    assert fixes(text, "NNX103") == [None]


NOISE = """\
import jax
from flax import nnx

class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        {init}

    def __call__(self, x, train: bool):
        return x + jax.random.normal({key}, x.shape) if train else x
"""


@pytest.mark.parametrize(
    ("key", "mended"),
    [
        ("(self.rngs.dropout)", "(self.rngs.dropout())"),
        ('self . rngs ["dropout"]', 'self . rngs ["dropout"]()'),
        ('getattr(self.rngs, "dropout")', 'getattr(self.rngs, "dropout")()'),
        ("self.rngs.dropout if x.ndim else self.rngs.noise", None),
        ("(self.rngs.dropout or self.rngs.noise)", None),
        ("(stream := self.rngs.dropout)", None),
    ],
)
def test_a_stream_is_called_where_it_stands_by_itself(key: str, mended: str | None) -> None:
    init = "self.rngs = rngs.fork()"
    text = NOISE.format(init=init, key=key)
    (fix,) = fixes(text, "NNX108")
    after = None if fix is None else applied(text, [fix])[0]
    assert after == (mended and NOISE.format(init=init, key=mended))


@pytest.mark.parametrize(
    ("init", "fixed"),
    [
        ("self.key = rngs.dropout()", True),
        ("self.key = (rngs.dropout())", True),
        ("self.key = key = rngs.dropout(); self.first = nnx.Param(key)", False),
        ("self.key = (key := rngs.dropout())", False),
        ("self.key: jax.Array = rngs.dropout()", False),
    ],
)
def test_a_draw_gives_way_to_a_fork_where_only_the_attribute_has_it(init: str, fixed: bool) -> None:
    (fix,) = fixes(NOISE.format(init=init, key="self.key"), "NNX101")
    assert (fix is not None) == fixed


@pytest.mark.parametrize(
    ("annotation", "after"),
    [
        ("int | str", "int | str | None"),
        ("(int | str)", "(int | str) | None"),
        ("None | int", "None | int"),
        ("typing.Optional[int]", "typing.Optional[int]"),
    ],
)
def test_an_annotation_takes_none_once_that_is_the_default(annotation: str, after: str) -> None:
    text = view(f"size: {annotation} = 4", "self.size = size")
    mended = view(f"size: {after} = None", "if size is not None:", "    self.size = size")
    assert fixed(text, "NNX301") == mended


@pytest.mark.parametrize(
    ("body", "is_fixed"),
    [
        (("self.size = size  # kept; as it is",), True),
        (("if size is not None:", "    self.size = size", "    self.half = size // 2"), True),
        (("self.size = size; self.count = 0",), False),  # would be under the same `if`
        (("self.size = size", "self.half = size // 2"), False),  # TypeError for None
        (("assert size > 0", "self.size = size"), False),
        (("self.size = size", "self.layer = lambda: size + 1"), False),
        (("self.size = size", "return size + 1"), False),
    ],
)
def test_none_is_the_default_only_where_nothing_else_meets_it(
    body: tuple[str, ...], is_fixed: bool
) -> None:
    (fix,) = fixes(view("size: int = 4", *body), "NNX301")
    assert (fix is not None) == is_fixed


@pytest.mark.parametrize(
    ("statement", "is_fixed"),
    [
        ("if model: nnx.view(model, deterministic=True); print()", True),
        ("(nnx.view(model, deterministic=True))", False),  # `(model = ...)` is no Python
        ("nnx.view(model, deterministic=True), 1", False),  # the model would be a tuple
        ("nnx.view(model, deterministic=True) if model else None", False),
        # It would be a local of the inner function: UnboundLocalError.
        ("def inner():\n        nnx.view(model, deterministic=True)\n    inner()", False),
    ],
)
def test_a_view_is_assigned_only_where_it_is_a_statement(statement: str, is_fixed: bool) -> None:
    text = f"from flax import nnx\ndef f(model):\n    {statement}\n    return model\n"
    assert [fix is not None for fix in fixes(text, "NNX307")] == [is_fixed]
