"""Beside other linters, with the real ones: ruff, and plugins of flake8, as docs/use.md has it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import EXAMPLES
from pages import shown

LINE = "return x + 0.1 * jax.random.normal(self.key, x.shape)"
PITFALL = (EXAMPLES / "pitfall_frozen_key.py").read_text(encoding="utf-8")
SILENCED = PITFALL.replace(LINE, f"{LINE}  # noqa: NNX101")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True
    )


def found(folder: Path) -> list[str]:
    """The codes that flake8 reports of that folder, in order of place."""
    done = run(folder, "flake8", "--format", "%(code)s")
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("told", [True, False])
def test_ruff_keeps_comments_if_it_is_told_of_us(told: bool, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SILENCED, encoding="utf-8")
    settings = shown("ruff", "toml") if told else ""
    (tmp_path / "pyproject.toml").write_text(settings)
    done = run(tmp_path, "ruff", "check", "--fix", "--extend-select", "RUF100,RUF102", "--preview")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "net.py").read_text(encoding="utf-8") == (SILENCED if told else PITFALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".flake8").write_text(shown("Other flake8 plugins", "ini"))
    return tmp_path


def test_each_plugin_reports_its_own(folder: Path) -> None:
    code = PITFALL.replace("import jax\n", "import os\nimport jax\n")
    code += "\n\ndef collect(into=[]):\n    return into  # noqa : B006\n"
    (folder / "net.py").write_text(code, encoding="utf-8")
    assert found(folder) == ["F401", "NNX101", "B006", "NQA003", "NQA102"]


def test_without_us_among_the_selected_we_are_silent(folder: Path) -> None:
    config = folder / ".flake8"
    config.write_text(config.read_text().replace(",NNX", ""))
    (folder / "net.py").write_text(PITFALL, encoding="utf-8")
    assert found(folder) == []


@pytest.mark.parametrize(
    ("comment", "reported"),
    [
        ("# noqa: NNX101", []),
        ("# noqa:NNX101,NNX201", ["NQA103"]),
        ("# noqa: NNX201", ["NNX101", "NQA102"]),
        ("# noqa", []),
    ],
)
def test_flake8_noqa_knows_what_silences_us(
    comment: str, reported: list[str], folder: Path
) -> None:
    code = PITFALL.replace(LINE, f"{LINE}  {comment}")
    (folder / "net.py").write_text(code, encoding="utf-8")
    assert found(folder) == reported


def test_flake8_noqa_agrees_with_our_own_report(folder: Path) -> None:
    """On a comment of ours that silences nothing."""
    (folder / "net.py").write_text(
        SILENCED.replace("import jax\n", "import jax  # noqa: NNX301\n"), encoding="utf-8"
    )
    done = run(folder, "flake8", "--format", "%(row)d")
    ours = run(folder, "flake8_nnx_mode", "check", "--unused-noqa", "--format", "concise")
    assert done.stdout.split() == re.findall(r"net\.py:(\d+):\d+: NNX001", ours.stdout) == ["3"]
