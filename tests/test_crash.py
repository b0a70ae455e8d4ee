"""A short crash run: whatever a file holds, linting it comes to an end, and says the same twice."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, codes

sys.path.append(str(ROOT / "tools"))
import crash
import crash_files
from crash_files import HEAD

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it needs alarms and pipes")


def test_a_few_hundred_mutants(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    run = f"tools/crash.py --only mutants --mutations 300 --seed {seed}"
    print(f"python {run}")
    done = subprocess.run(
        [sys.executable, *run.split(), "--save", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"python {run}\n{done.stdout}{done.stderr}"


PLANTS = {
    "raises": "raise ValueError('planted')",
    "dies": "os.kill(os.getpid(), 9)",
    "is not the same twice": "return [replace(one, message=str(hash('x'))) for one in found]",
}
PLANTED = """
import os
from dataclasses import replace
from flake8_nnx_mode.lint import Linter
right = Linter.findings
def wrong(self, source):
    found = right(self, source)
    if "Dropout" in source.text and found:
        {}
    return found
Linter.findings = wrong
"""


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        ("raises", "ValueError in wrong, line"),
        ("dies", crash.DIED),
        ("is not the same twice", "other findings in the second run"),
    ],
)
def test_a_planted_crash_is_found(
    plant: str,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "sitecustomize.py").write_text(PLANTED.format(PLANTS[plant]))
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # it is set anew, and must not stay
    monkeypatch.setattr(crash, "STORE", tmp_path)
    monkeypatch.setattr(crash, "SHRINKING", 2.0)
    saved = tmp_path / "saved"
    run = "crash.py --only mutants --mutations 4 --seed 4 --jobs 1 --save"
    monkeypatch.setattr(sys, "argv", [*run.split(), str(saved)])
    assert crash.main() == 1
    assert says in capsys.readouterr().out
    assert b"Dropout" in (saved / "1.py").read_bytes()
    assert says in (saved / "1.txt").read_text()


def test_shrinking() -> None:
    data = b"one\ntwo three\nfour\n" * 20
    assert crash.shrink(data + b"a bad line\n" + data, lambda fewer: b"bad" in fewer) == b"bad"


def test_an_import_of_what_never_ends(tmp_path: Path) -> None:
    """Reading a pipe waits for who writes into it."""
    os.mkfifo(tmp_path / "pipe.py")
    text = "from flax import nnx\nfrom pipe import Base\nclass Net(Base): pass\n"
    assert codes(text, tmp_path / "net.py") == []
    assert codes(text.replace("Base\n", "*\n"), tmp_path / "net.py") == []


def test_a_class_attribute_that_is_made_from_itself() -> None:
    assert (
        codes("""
class nnx:
    Module = object
    Dropout = nnx.Dropout(0.1)

class Net(nnx.Module):
    def __call__(self, x):
        return nnx.Dropout(0.1)(x)
""")
        == []
    )


def test_modules_that_hold_modules_that_hold_modules() -> None:
    """The outermost stands first, so what it holds is not known yet."""
    found = codes(HEAD + crash_files.held(500))
    assert "NNX201" in found
    assert "NNX000" not in found
    assert codes(HEAD + crash_files.held(100)) == ["NNX207"] * 100 + ["NNX201"]
