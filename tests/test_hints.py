"""Hints spare bodies from being read; what is found must be what reading all of them would find."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import FIXTURES, lint
from flake8_nnx_mode import rules
from flake8_nnx_mode.facts import hints
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Function
from flake8_nnx_mode.syntax.sketch import Sketch, sketch
from test_planted import LOOKALIKES, MISTAKES


def users() -> Iterator[tuple[object, str]]:
    """Where the functions of ``hints`` are called from."""
    rules.registry()
    for name, module in list(sys.modules.items()):
        if name.startswith("flake8_nnx_mode."):
            for attribute, value in vars(module).items():
                if getattr(value, "__module__", "") == hints.__name__ and attribute[:4] == "may_":
                    yield module, attribute


def read_everything(patch: pytest.MonkeyPatch) -> None:
    found = list(users())
    assert {"may_call_mode_takers", "may_reuse_keys"} < {name for _, name in found}
    for module, name in found:
        patch.setattr(module, name, lambda *_: True)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.py")), ids=lambda path: path.name)
def test_fixtures_without_hints(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text("utf-8")
    found = lint(text, path)
    read_everything(monkeypatch)
    assert found == lint(text, path)


def test_planted_files_without_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {**MISTAKES, **LOOKALIKES}
    found = {name: lint(text) for name, text in texts.items()}
    read_everything(monkeypatch)
    assert [name for name, text in texts.items() if lint(text) != found[name]] == []


BLOCKS = """
from flax import nnx


class Block(nnx.Module):
    def __init__(self, rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train):
        return self.dropout(x, deterministic=not train)


def make(rngs):
    return _make_one(rngs)


def _make_one(rngs) -> nnx.Module:
    return Block(rngs)


def makeLazily(rngs):
    from blocks import Block as B
    return B(rngs)
"""
HOLDER = """
from blocks import Block


class Holder:
    def __init__(self, rngs):
        self.block = Block(rngs)
"""
NET = """
from flax import nnx
{0}


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.inner = {1}

    def __call__(self, x):
        {2}
"""


@pytest.mark.parametrize(
    ("imports", "made", "called"),
    [
        ("from blocks import Block", "Block(rngs)", "return self.inner(x)"),
        ("import blocks", "blocks.Block(rngs)", "return self.inner(x)"),
        ("from blocks import make", "make(rngs)", "return self.inner(x)"),
        ("from blocks import makeLazily as f", "f(rngs)", "return self.inner(x)"),
        (
            "from blocks import Block\nKINDS = {'a': Block}",
            "KINDS['a'](rngs)",
            "return self.inner(x)",
        ),
        (
            "from blocks import Block",
            "[Block(rngs)]",
            "for a in self.inner: x = a(x)\n        return x",
        ),
        ("from blocks import Block", "Block(rngs)", "return getattr(self, 'inner')(x)"),
        (
            "from blocks import Block",
            "Block(rngs)",
            "inner = nnx.clone(self.inner)\n        return inner(x)",
        ),
        (HOLDER, "Holder(rngs).block", "return self.inner(x)"),
        (HOLDER, "Holder(rngs)", "return self.inner.block(x)"),
        ("", "rngs", "from blocks import Block\n        return Block(self.inner)(x)"),
    ],
)
def test_ways_to_a_module(imports: str, made: str, called: str, tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text(BLOCKS, "utf-8")
    text = NET.format(imports, made, called)
    assert "NNX201" in [finding.code for finding in lint(text, tmp_path / "net.py")]


@pytest.mark.parametrize(
    ("call", "constructors", "codes"),
    [
        # Told its mode: what the base's construction does to modes does not matter.
        ("self.dropout(x, deterministic=not train)", ["Net"], []),
        # Not told: the base is asked, if it may set a mode at all.
        ("self.dropout(x)", ["Net"], ["NNX201"]),
        ("self.base(self.dropout(x))", ["Net", "Base"], []),
    ],
)
def test_construction_is_run_for_calls_that_are_not_told_their_mode(
    call: str,
    constructors: list[str],
    codes: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluates = "\n        self.eval()" if "Base" in constructors else ""
    (tmp_path / "base.py").write_text(BASE.format(evaluates), "utf-8")
    read: list[str] = []
    chapter = Book.chapter

    def noted(book: Book, function: Function) -> object:
        if function.name == "__init__":
            read.append(book.path.stem.title())
        return chapter(book, function)

    monkeypatch.setattr(Book, "chapter", noted)
    only = Selection(select=("NNX201",))
    found = lint(DERIVED.format(call), tmp_path / "net.py", selection=only)
    assert [finding.code for finding in found] == codes
    assert set(read) == set(constructors)


BASE = """
from flax import nnx


class Base(nnx.Module):
    def __init__(self, rngs):
        self.base = nnx.Linear(2, 2, rngs=rngs){}
"""
DERIVED = """
from base import Base
from flax import nnx


class Net(Base):
    def __init__(self, rngs):
        super().__init__(rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train):
        return {}
"""


@pytest.mark.parametrize(("lines", "codes"), [(10, ["NNX106"]), (10_000, [])])
def test_generated_functions_are_not_followed(lines: int, codes: list[str], tmp_path: Path) -> None:
    body = "    x = 1\n" * lines
    draw = f"import jax\n\ndef draw(key):\n{body}    return jax.random.normal(key)\n"
    (tmp_path / "generated.py").write_text(draw, "utf-8")
    text = """
from flax import nnx
from generated import draw

def noise(key: nnx.RngKey):
    return draw(key) + draw(key)
"""
    assert [finding.code for finding in lint(text, tmp_path / "net.py")] == codes


def sketched(text: str) -> Sketch:
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    return sketch(node.args, node.body)


def test_holders() -> None:
    found = sketched("""
def __init__(self, kind: Block, size, other):
    layers = []
    for _ in range(size):
        layers.append(Drop(0.1))
    self.layers = nnx.List(layers)
    self.first, self.size = self.layers[0], size
    self.made = kind()
    setattr(self, "named", Drop())
""")
    # `size`, too: an attribute of that name may hold one, and both are `size` here.
    attributes = {".first", ".getattr", ".layers", ".named", ".size"}
    assert found.holders({"Drop"}) == attributes | {"Drop", "_", "first", "layers", "size"}
    assert found.holders({"Block"}) == {"Block", "kind", "made", ".made"}
    assert found.holders({"Conv"}) == {"Conv"}


def test_what_calls_are_given() -> None:
    found = sketched("""
def f(self, key, keys, x):
    a = normal(key, (self.size, 2)) + g(x=[keys[0], keys[i]], rng=fold_in(self.key, 1))
    return lambda k: h(k)(a)
""")
    given = {(one.name, one.index, one.to, one.by, one.nested) for one in found.given}
    assert given == {
        ("key", "", "normal", 0, False),
        ("self.size", "", "normal", 1, False),
        ("keys", "0", "g", "x", False),
        ("keys", "?", "g", "x", False),
        ("self.key", "", "fold_in", 0, True),
        ("k", "", "h", 0, False),
        ("a", "", "", 0, False),
    }


def test_where_things_stand() -> None:
    found = sketched("""
def f(key, xs):
    if xs:
        return g(key)
    else:
        h(key)
    for x in xs:
        k(key)
    def local():
        return m(key)
""")
    places = {one.to: one.place for one in found.given}
    assert [places[name].number for name in "ghkm"] == sorted(p.number for p in places.values())
    (one,), (other,) = places["g"].path, places["h"].path
    assert found.branches == {(other, one)}
    assert found.leaving >= {one}
    assert other not in found.leaving
    assert places["k"].loops == places["k"].path != ()
    assert places["g"].loops == places["m"].loops == ()
    assert found.local == set(places["m"].path)
