"""The README and what it speaks of do not drift apart."""

import re
import subprocess
import sys

from conftest import ROOT
from flake8_nnx_mode.settings import EVAL_FLAGS, OPTIONS, TRAIN_FLAGS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_two_set_up_commands() -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", README, re.S | re.M)
    first, second = block.splitlines()
    assert first.startswith("pip install . && flake8 ")
    assert second.startswith('pip install -e ".[dev]" && pytest')


def test_the_first_screen_shows_what_the_first_command_prints() -> None:
    (block,) = re.findall(r"^```console\n\$ (.*?)^```$", README, re.S | re.M)
    command, _, output = block.partition("\n")
    assert command in README.replace(block, "", 1), "the first set-up command"
    lint = command.partition("flake8 ")[2].split()
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "-j1", *lint], cwd=ROOT, capture_output=True, text=True
    )
    assert sorted(done.stdout.splitlines()) == sorted(output.splitlines())
    assert done.returncode == 0


def test_every_setting_is_explained() -> None:
    table = README.partition("| setting |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.M) == [o.name for o in OPTIONS]
    assert all(f"`{flag}`" in table for flag in TRAIN_FLAGS | EVAL_FLAGS)


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "flake8_nnx_mode"
    rooms = ("cli", "report", "confirm", "facts", "syntax")
    for folder in (package, *(package / room for room in rooms)):
        for file in folder.glob("*.py"):
            if file.name not in ("__init__.py", "text.py", "code.py"):
                assert re.search(rf"^ *{file.name} ", text, re.M), file
