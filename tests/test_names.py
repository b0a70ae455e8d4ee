"""What names mean: import forms, shadowing, rebinding, other files."""

import textwrap
from pathlib import Path

import pytest

from conftest import lint
from flake8_nnx_mode.facts import library
from flake8_nnx_mode.settings import Settings

KEPT = """
class Net(BASE):
    def __init__(self, rngs):
        self.key = rngs.noise()

    def __call__(self, x):
        return SAMPLER(self.key, x.shape)
"""


def frozen(head: str, base: str, sampler: str, tail: str = "") -> list[str]:
    body = KEPT.replace("BASE", base).replace("SAMPLER", sampler)
    return [finding.code for finding in lint(f"# nnx\n{head}\n{body}\n{tail}\n")]


@pytest.mark.parametrize(
    ("head", "base", "sampler"),
    [
        ("from flax import nnx\nimport jax", "nnx.Module", "jax.random.normal"),
        ("from flax import nnx as nn\nimport jax.random", "nn.Module", "jax.random.normal"),
        ("import flax.nnx as nnx\nimport jax.random as jr", "nnx.Module", "jr.normal"),
        ("import flax\nfrom jax import random", "flax.nnx.Module", "random.normal"),
        ("import flax.nnx\nimport jax", "flax.nnx.Module", "jax.random.normal"),
        ("from flax.nnx import Module as M\nfrom jax.random import normal as n", "M", "n"),
        ("from flax.nnx.module import Module\nfrom jax.random import normal", "Module", "normal"),
        ("from flax.experimental import nnx\nimport jax", "nnx.Module", "jax.random.normal"),
        (
            "try:\n    from flax import nnx\nexcept ImportError:\n    nnx = None\nimport jax",
            "nnx.Module",
            "jax.random.normal",
        ),
        (
            "try:\n    import flax.nnx as nnx\nexcept (ImportError, OSError):\n"
            "    from flax.experimental import nnx\nimport jax",
            "nnx.Module",
            "jax.random.normal",
        ),
        (
            "import typing, jax\nif typing.TYPE_CHECKING:\n    from flax import nnx",
            "nnx.Module",
            "jax.random.normal",
        ),
        (
            "import jax\nif jax.x:\n    from flax import nnx\nelse:\n    from flax import nnx",
            "nnx.Module",
            "jax.random.normal",
        ),
        ("from flax import nnx\nimport jax\nM = nnx.Module\nN = jax.random.normal", "M", "N"),
        (
            "from flax.nnx import *\nfrom flax.nnx import Module\nimport jax",
            "Module",
            "jax.random.t",
        ),
        ("from flax import nnx\nimport jax", "nnx.Linear", "jax.random.normal"),
    ],
)
def test_imports_that_are_understood(head: str, base: str, sampler: str) -> None:
    assert frozen(head, base, sampler) == ["NNX101"]


@pytest.mark.parametrize(
    ("head", "base", "sampler"),
    [
        pytest.param("import jax", "nnx.Module", "jax.random.normal", id="never imported"),
        pytest.param("from flax import linen as nn\nimport jax", "nn.Module", "jax.random.normal",
                     id="linen"),
        pytest.param("from torch import nn as nnx\nimport jax", "nnx.Module", "jax.random.normal",
                     id="torch"),
        pytest.param("from flax import nnx\nimport jax\nnnx = object()", "nnx.Module",
                     "jax.random.normal", id="rebound"),
        pytest.param("from flax import nnx\nimport jax\ndel nnx", "nnx.Module",
                     "jax.random.normal", id="deleted"),
        pytest.param("from flax import nnx\nimport jax\nfor nnx in (): pass", "nnx.Module",
                     "jax.random.normal", id="loop variable"),
        pytest.param("from flax import nnx\nimport numpy as jax", "nnx.Module",
                     "jax.random.normal", id="numpy"),
        pytest.param("from flax import nnx\nimport random", "nnx.Module", "random.normal",
                     id="the standard library's random"),
        pytest.param("from flax import nnx\nimport jax\nif jax:\n    M = nnx.Module\n"
                     "else:\n    M = object", "M", "jax.random.normal", id="one of two"),
        pytest.param("from flax import nnx\nfrom elsewhere import *", "nnx.Module",
                     "jax.random.normal", id="anything may come from a star import"),
    ],
)  # fmt: skip
def test_imports_that_say_nothing(head: str, base: str, sampler: str) -> None:
    assert frozen(head, base, sampler) == []


def test_a_parameter_shadows_an_import() -> None:
    text = """
    from flax import nnx
    import jax

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.key = rngs.noise()

        def __call__(self, x, jax):
            return jax.random.normal(self.key, x.shape)
    """
    assert lint(textwrap.dedent(text)) == []


def test_a_local_shadows_an_import_in_the_whole_function() -> None:
    text = """
    from flax import nnx
    import jax

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.key = rngs.noise()

        def __call__(self, x):
            y = jax.random.normal(self.key, x.shape)
            jax = x
            return y, jax
    """
    assert lint(textwrap.dedent(text)) == []


def test_class_names_are_not_seen_by_methods() -> None:
    text = """
    from flax import nnx
    import jax

    class Net(nnx.Module):
        jax = None

        def __init__(self, rngs):
            self.key = rngs.noise()

        def __call__(self, x):
            return jax.random.normal(self.key, x.shape)
    """
    assert [f.code for f in lint(textwrap.dedent(text))] == ["NNX101"]


def test_import_inside_the_function() -> None:
    text = """
    from flax import nnx

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.key = rngs.noise()

        def __call__(self, x):
            from jax import random as r
            return r.normal(self.key, x.shape)
    """
    assert [f.code for f in lint(textwrap.dedent(text))] == ["NNX101"]


# -- across files -----------------------------------------------------------------------------

BLOCK = """
from flax import nnx

class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.dropout(x, deterministic=not train)
"""
NET = """
IMPORT

class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.block = BLOCK(rngs)

    def __call__(self, x):
        return self.block(x)
"""


def project(root: Path, **files: str) -> None:
    """``a__b`` is the file a/b.py, ``a__`` the package file a/__init__.py."""
    for name, text in files.items():
        *folders, last = name.split("__")
        file = root.joinpath(*folders) / f"{last or '__init__'}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def net(imports: str, block: str = "Block") -> str:
    return NET.replace("IMPORT", f"from flax import nnx\n{imports}").replace("BLOCK", block)


def found(file: Path, settings: Settings | None = None) -> list[str]:
    return [f.code for f in lint(file.read_text("utf-8"), file, settings=settings)]


@pytest.mark.parametrize(
    ("imports", "block"),
    [
        ("from .blocks import Block", "Block"),
        ("from . import blocks", "blocks.Block"),
        ("from pkg.blocks import Block as B", "B"),
        ("import pkg.blocks", "pkg.blocks.Block"),
        ("import pkg.blocks as b", "b.Block"),
        ("from pkg import blocks", "blocks.Block"),
        ("from pkg import Block", "Block"),
        ("from pkg import Reexported", "Reexported"),
        ("from .deep.down import Block", "Block"),
        ("from .deep import *", "Block"),
    ],
)
@pytest.mark.parametrize("layout", ["flat", "src", "marked"])
def test_a_child_in_another_file(tmp_path: Path, imports: str, block: str, layout: str) -> None:
    root = tmp_path / "src" if layout == "src" else tmp_path
    if layout != "flat":
        (tmp_path / "pyproject.toml").touch()
    project(
        root,
        pkg__="from .blocks import Block\nfrom pkg.blocks import Block as Reexported\n",
        pkg__blocks=BLOCK,
        pkg__deep__="from .down import Block\n",
        pkg__deep__down="from ..blocks import Block\n",
        pkg__net=net(imports, block),
    )
    assert found(root / "pkg" / "net.py") == ["NNX201"]


def test_from_above_in_deep_packages(tmp_path: Path) -> None:
    project(tmp_path, pkg__="", pkg__blocks=BLOCK, pkg__a__="", pkg__a__b__="")
    project(tmp_path, pkg__a__b__net=net("from ...blocks import Block"))
    assert found(tmp_path / "pkg" / "a" / "b" / "net.py") == ["NNX201"]


def test_namespace_packages(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").touch()
    project(
        tmp_path,
        space__one__blocks=BLOCK,
        space__two__net=net("from space.one.blocks import Block"),
    )
    assert found(tmp_path / "space" / "two" / "net.py") == ["NNX201"]


def test_namespace_package_without_a_marked_root(tmp_path: Path) -> None:
    project(
        tmp_path,
        space__one__blocks=BLOCK,
        space__two__net=net("from space.one.blocks import Block"),
    )
    assert found(tmp_path / "space" / "two" / "net.py") == ["NNX201"]


def test_scripts_beside_each_other(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    project(tmp_path, scripts__blocks=BLOCK, scripts__net=net("from blocks import Block"))
    assert found(tmp_path / "scripts" / "net.py") == ["NNX201"]


def test_the_root_can_be_set(tmp_path: Path) -> None:
    project(tmp_path, lib__blocks=BLOCK, app__net=net("from blocks import Block"))
    file = tmp_path / "app" / "net.py"
    assert found(file) == []
    assert found(file, Settings(project_root=tmp_path / "lib")) == ["NNX201"]


def test_a_sibling_inside_a_package_is_no_absolute_import(tmp_path: Path) -> None:
    project(tmp_path, pkg__="", pkg__blocks=BLOCK, pkg__net=net("from blocks import Block"))
    assert found(tmp_path / "pkg" / "net.py") == []


def test_import_cycles(tmp_path: Path) -> None:
    project(
        tmp_path,
        pkg__="from .a import *\nfrom .b import *\nfrom .a import Missing\n",
        pkg__a="from .b import *\nfrom .b import Missing\nfrom pkg import Block\n",
        pkg__b=f"from .a import *\nfrom .a import Missing\n{BLOCK}",
        pkg__net=net("from .a import Block, Missing"),
        pkg__lost=net("from .a import Missing", "Missing"),
    )
    assert found(tmp_path / "pkg" / "net.py") == ["NNX201"]
    assert found(tmp_path / "pkg" / "lost.py") == []


def test_classes_that_are_each_others_bases(tmp_path: Path) -> None:
    project(tmp_path, pkg__="", pkg__a="from .b import B\n# nnx\nclass A(B): pass\n",
            pkg__b="from .a import A\n# nnx\nclass B(A): pass\n")  # fmt: skip
    assert found(tmp_path / "pkg" / "a.py") == []


READS_RNGS = """
from flax import nnx
from .base import Base

class Net(Base):
    def __call__(self, x):
        return x + self.rngs.noise.normal(x.shape)
"""


def test_a_base_in_another_file(tmp_path: Path) -> None:
    project(tmp_path, pkg__="", pkg__net=READS_RNGS)
    saves = "from .blocks import Block\nclass Base(Block): pass\n"
    project(tmp_path, pkg__blocks=BLOCK, pkg__base=saves)
    assert found(tmp_path / "pkg" / "net.py") == []
    plain = "class Base(nnx.Module):\n    def __init__(self, rngs): self.size = 1\n"
    project(tmp_path, pkg__base=f"from flax import nnx\n{plain}")
    assert found(tmp_path / "pkg" / "net.py") == ["NNX103"]
    project(tmp_path, pkg__base="from other import Base\n")
    assert found(tmp_path / "pkg" / "net.py") == []


def test_a_change_on_disk_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "pkg" / "net.py"
    project(tmp_path, pkg__="", pkg__blocks=BLOCK, pkg__net=net("from .blocks import Block"))
    assert found(file) == ["NNX201"]
    project(tmp_path, pkg__blocks=BLOCK.replace("train: bool", "train: bool = False"))
    assert found(file) == ["NNX212"]
    (tmp_path / "pkg" / "blocks.py").unlink()
    assert found(file) == []


@pytest.mark.parametrize("text", ["def f(:\n", "\x00", "# coding: nonsense\n", "x = " + "(" * 500])
def test_a_sibling_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    project(tmp_path, pkg__="", pkg__blocks=text, pkg__net=net("from .blocks import Block"))
    assert found(tmp_path / "pkg" / "net.py") == []


def test_warnings_about_a_sibling_are_not_ours(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    project(tmp_path, pkg__="", pkg__blocks=BLOCK + "x = '\\d'\n")
    project(tmp_path, pkg__net=net("from .blocks import Block"))
    assert found(tmp_path / "pkg" / "net.py") == ["NNX201"]
    assert not recwarn.list


def test_the_buffer_shadows_the_file_also_for_those_that_import_it_back(tmp_path: Path) -> None:
    """Net's base is in base.py, whose own base is in the file being edited."""
    project(
        tmp_path,
        pkg__="",
        pkg__base="from .net import Root\nclass Base(Root): pass\n",
        pkg__net="from flax import nnx\nclass Root(nnx.Module):\n"
        "    def __init__(self, r): self.size = 1\n" + READS_RNGS,
    )
    file = tmp_path / "pkg" / "net.py"
    assert found(file) == ["NNX103"]
    edited = file.read_text("utf-8").replace("self.size = 1", "self.rngs = r")
    assert lint(edited, file) == []


def test_a_buffer_that_was_never_saved(tmp_path: Path) -> None:
    project(tmp_path, pkg__="", pkg__blocks=BLOCK)
    codes = [f.code for f in lint(net("from .blocks import Block"), tmp_path / "pkg" / "new.py")]
    assert codes == ["NNX201"]


def test_installed_packages_are_read_only_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    (work / "setup.py").touch()
    project(site, layers__="from .blocks import Block\n", layers__blocks=BLOCK)
    project(work, net=net("from layers import Block"))
    monkeypatch.syspath_prepend(site)
    assert found(work / "net.py") == []
    assert found(work / "net.py", Settings(read_packages=frozenset({"layers"}))) == ["NNX201"]


def test_module_bases_can_be_named(tmp_path: Path) -> None:
    project(tmp_path, net=net("from elsewhere import Base\nimport jax") + KEPT
            .replace("BASE", "Base").replace("SAMPLER", "jax.random.normal"))  # fmt: skip
    assert found(tmp_path / "net.py") == []
    named = Settings(module_bases=frozenset({"elsewhere.Base"}))
    assert found(tmp_path / "net.py", named) == ["NNX101"]


def test_what_is_kept_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = library._Shelf()
    monkeypatch.setattr(library, "_shelf", shelf)
    monkeypatch.setattr(library, "_MOST_TEXT", 2_500)
    monkeypatch.setattr(library, "_MOST_BOOKS", 4)
    paths = [tmp_path / f"m{number}.py" for number in range(6)]

    def kept(size: int) -> list[str]:
        for path in paths:
            path.write_text(f"# {'x' * (size - 3)}\n", "utf-8")
            library.shelved(path, path.read_text("utf-8"))
        return [path.name for path in paths if shelf.get(path)[1] is not None]

    assert kept(1_000) == ["m4.py", "m5.py"]
    assert kept(10) == ["m2.py", "m3.py", "m4.py", "m5.py"]
    assert kept(3_000) == ["m5.py"]  # the one that is looked at
