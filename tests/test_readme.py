"""The README and what it speaks of do not drift apart."""

import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from command import nnx_mode
from conftest import ROOT
from flake8_nnx_mode.cli.main import main
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


@pytest.mark.parametrize(
    ("page", "verb"), [("README.md", "check"), ("README.md", "map"), ("docs/map.md", "map")]
)
def test_the_command_prints_what_is_shown(page: str, verb: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```text\n\$ nnx-mode {verb} (.*?)^```$", text, re.S | re.M)
    path, _, output = block.partition("\n")
    assert nnx_mode(verb, path).stdout == output


def commands() -> str:
    """What docs/commands.md is: all that ``--help`` says."""
    text = "# Commands\n\nWhat `--help` prints.\n"
    for verb in ("", *main.commands):
        name = f"nnx-mode {verb}".strip()
        args = [*filter(None, [verb]), "--help"]
        done = CliRunner().invoke(main, args, prog_name="nnx-mode", terminal_width=100)
        text += f"\n## {name}\n\n```text\n{done.stdout}```\n"
    return text


def test_the_help_is_written_down() -> None:
    file = ROOT / "docs" / "commands.md"
    if os.environ.get("WRITE_DOCS"):
        file.write_text(commands(), encoding="utf-8")
    assert file.read_text(encoding="utf-8") == commands(), "run it with WRITE_DOCS=1"


def test_every_setting_is_explained() -> None:
    table = README.partition("| setting |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.M) == [o.name for o in OPTIONS]
    assert all(f"`{flag}`" in table for flag in TRAIN_FLAGS | EVAL_FLAGS)


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "flake8_nnx_mode"
    rooms = ("cli", "report", "confirm", "fixes", "facts", "syntax")
    for folder in (package, *(package / room for room in rooms)):
        for file in folder.glob("*.py"):
            if file.name not in ("__init__.py", "text.py", "code.py"):
                assert re.search(rf"^ *{file.name} ", text, re.M), file
