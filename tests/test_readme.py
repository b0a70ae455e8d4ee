"""The README and what it speaks of do not drift apart."""

import os
import re

from click.testing import CliRunner

from command import shown
from conftest import ROOT
from flake8_nnx_mode.cli.main import main

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_two_set_up_commands() -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", README, re.S | re.M)
    first, second = block.splitlines()
    assert first.startswith("pip install . && flake8 ")
    assert second.startswith('pip install -e ".[dev]" && pytest')


def test_the_first_screen_shows_the_first_command() -> None:
    (command, _), *_ = shown(README)
    assert command in README.replace(f"$ {command}", "", 1)


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


def test_contributing_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = ROOT / "src" / "flake8_nnx_mode"
    rooms = ("cli", "report", "confirm", "fixes", "facts", "syntax")
    for folder in (package, *(package / room for room in rooms)):
        for file in folder.glob("*.py"):
            if file.name not in ("__init__.py", "text.py", "code.py"):
                assert re.search(rf"^ *{file.name} ", text, re.M), file
