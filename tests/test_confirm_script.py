"""The scripts that show by themselves what a run saw."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("flax", reason="scripts run on JAX")

import jax

from conftest import lint, same_place
from flake8_nnx_mode.confirm.child import run_task
from flake8_nnx_mode.confirm.jobs import Job, Outcome, Recipe, Task
from flake8_nnx_mode.confirm.plan import oracle_of
from flake8_nnx_mode.model import Span
from flake8_nnx_mode.rules import Entry, registry
from flake8_nnx_mode.settings import Settings

RULES = [rule for rule in registry() if oracle_of(rule.code) is not None]
SHOWN = ("shown", 0)
NOT_SHOWN = ("not shown", 1)


@pytest.fixture(autouse=True)
def back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs here as in a child process goes to a folder of its own, and stays there."""
    monkeypatch.chdir(Path.cwd())


def outcome(text: str, code: str, span: Span, **pins: Recipe) -> Outcome:
    flags = dict(Settings().mode_flags)
    job = Job("/nowhere/code.py", text, "code", (), flags, pins, {}, ())
    return run_task(job, Task(1, code, oracle_of(code), span, message=f"about {code}"), {})


def found(text: str, code: str, **pins: Recipe) -> Outcome:
    """What is seen of the first finding of this code."""
    span = next(finding.span for finding in lint(text) if finding.code == code)
    return outcome(text, code, span, **pins)


def run(script: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, object]:
    """What a script prints last and its status, run in this process: JAX is here already."""
    file = folder / "script.py"
    file.write_text(script)
    samplers = dict(vars(jax.random))
    capsys.readouterr()
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(file), run_name="__main__")
    finally:
        vars(jax.random).update(samplers)
    return capsys.readouterr().out.splitlines()[-1], end.value.code


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_bad_example_is_shown(
    rule: Entry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = found(rule.bad, rule.code)
    assert seen.verdict == "CONFIRMED"
    assert "flake8_nnx_mode" not in seen.script
    assert run(seen.script, tmp_path, capsys) == SHOWN


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_good_example_is_not_shown(
    rule: Entry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = next(finding.span for finding in lint(rule.bad) if finding.code == rule.code)
    seen = outcome(rule.good, rule.code, same_place(rule.bad, rule.good, span))
    assert seen.verdict == "REFUTED"
    assert run(seen.script, tmp_path, capsys) == NOT_SHOWN


@pytest.mark.parametrize("code", ["NNX101", "NNX209"])
def test_needs_nothing_of_ours(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in RULES if rule.code == code)
    file = tmp_path / "script.py"
    file.write_text(found(rule.bad, code).script)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-I", str(file)]
    ran = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)
    assert (ran.stdout.splitlines()[-1], ran.returncode) == SHOWN, ran.stderr


def test_says_what_it_is_about() -> None:
    rule = next(rule for rule in RULES if rule.code == "NNX104")
    seen = found(rule.bad, rule.code)
    header = " ".join(seen.script.split('"""')[1].split())
    assert header.startswith("NNX104 at /nowhere/code.py:9 about NNX104")
    assert f"CONFIRMED: {seen.evidence}" in header
    assert f"jax {jax.__version__}" in header


SHARED_NAMES = '''
from __future__ import annotations

import jax
from flax import nnx

drawn = 0.5
keys = """
a constant of several lines
"""


class train(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.noise()

    def __call__(self, x, call: bool = True):
        assert drawn == 0.5, keys
        return x + jax.random.normal(
            # a comment
            self.key, x.shape
        )
'''


def test_names_of_the_user_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = found(SHARED_NAMES, "NNX101")
    assert "# a comment" in seen.script
    assert run(seen.script, tmp_path, capsys) == SHOWN


STATEMENT = '''
from flax import nnx

NOTE = """
  kept as it is
"""
model = nnx.Dropout(0.1, rngs=nnx.Rngs(0))
print(NOTE)
nnx.view(model, deterministic=True)
'''


def test_statement_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = found(STATEMENT, "NNX307")
    assert run(seen.script, tmp_path, capsys) == SHOWN


STAND_IN = """
from flax import nnx


def evaluate(model: nnx.Module, x):
    model = model.eval()
    return model(x["x"])
"""


def test_model_of_which_nothing_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = Recipe(None, "StandIn(rngs=rngs), {'x': x[2, 8]}")
    seen = found(STAND_IN, "NNX209", evaluate=how)
    assert "class StandIn(nnx.Module)" in seen.script
    assert run(seen.script, tmp_path, capsys) == SHOWN


def test_no_script_where_there_is_no_verdict() -> None:
    text = "import nowhere\nfrom flax import nnx\n\n\ndef f(x):\n    nnx.view(nowhere.Net(), a=1)\n"
    assert found(text, "NNX307").script == ""
