"""Notebooks, through the real nbQA: the commands are those of docs/use.md."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from command import PLAIN
from pages import shown

FLAKE8, CHECK, FIX = shown("Notebooks", "sh").splitlines()
IMPORTS = """\
%matplotlib inline
import jax
from flax import nnx

!nvidia-smi"""
NET = """\
%%time
class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(x)
"""
NOISE = """\
class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.noise()

    def __call__(self, x):
        return x + jax.random.normal(self.key, x.shape)"""
SHOWN = """\
net = Net(nnx.Rngs(0))
nnx.view(net, deterministic=True)"""
FOUND = [
    ("train.ipynb:cell_2:7:16", "NNX201"),
    ("train.ipynb:cell_3:6:20", "NNX101"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a notebook; what its last cell shows is no view that is thrown away."""
    code = (IMPORTS, NET, NOISE, SHOWN)
    cells = [new_markdown_cell("# nnx"), *map(new_code_cell, code)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "train.ipynb")
    return tmp_path


def nbqa(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    name, *args = shlex.split(command)
    return subprocess.run(
        [sys.executable, "-m", name, *args], cwd=folder, env=PLAIN, capture_output=True, text=True
    )


def sources(folder: Path) -> list[str]:
    """What the code cells hold."""
    notebook = nbformat.read(folder / "train.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def found(printed: str) -> list[tuple[str, str]]:
    return re.findall(r"^(\S+:cell_\S+): (NNX\d+) ", printed, re.M)


@pytest.mark.parametrize("command", [FLAKE8, CHECK], ids=["flake8", "nnx-mode"])
def test_findings_are_in_cells(command: str, folder: Path) -> None:
    done = nbqa(command, folder)
    assert (found(done.stdout), done.stderr, done.returncode) == (FOUND, "", 1)


@pytest.mark.parametrize("command", [FLAKE8, CHECK], ids=["flake8", "nnx-mode"])
def test_settings_and_noqa_count(command: str, folder: Path) -> None:
    settings = '[tool.nnx-mode.per-file-ignores]\n"train*_nbqa_ipynb.py" = ["NNX201"]\n'
    (folder / "pyproject.toml").write_text(settings)
    notebook = nbformat.read(folder / "train.ipynb", as_version=4)
    notebook.cells[3].source += "  # noqa: NNX101"
    nbformat.write(notebook, folder / "train.ipynb")
    assert nbqa(command, folder).returncode == 0


def test_fixes_go_into_the_cells(folder: Path) -> None:
    imports, net, noise, view = sources(folder)
    done = nbqa(FIX, folder)
    assert "Found 2 errors (1 fixed, 1 remaining)." in done.stderr
    assert done.returncode == 1
    net = net.replace("dropout(x)", "dropout(x, deterministic=not train)")
    assert sources(folder) == [imports, net.rstrip("\n"), noise, view]
    assert found(nbqa(CHECK, folder).stdout) == FOUND[1:]
