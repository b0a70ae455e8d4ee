"""The real command ``nnx-mode``, as users run it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

COMMAND = (sys.executable, "-m", "flake8_nnx_mode")
PLAIN = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}


PROGRAMS = {
    "flake8": (sys.executable, "-m", "flake8", "-j1"),
    "nnx-mode": COMMAND,
    "python": (sys.executable,),
}
"""What documentation calls them -> those of this environment."""


def shown(page: str) -> list[tuple[str, str]]:
    """Each command that a page shows after ``$``, and the output below it."""
    steps = []
    for block in re.findall(r"^```(?:console|text)\n(\$ .*?)^```$", page, re.M | re.S):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = step.partition("\n")
            steps.append((command, output))
    return steps


def run_shown(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run what a page shows."""
    program, *args = shlex.split(command)
    return subprocess.run(
        [*PROGRAMS[program], *args],
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        env=PLAIN,
        timeout=300,
    )


def nnx_mode(
    *args: object, cwd: Path = ROOT, stdin: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run it; what it prints is read as UTF-8, with line ends as they are."""
    done = subprocess.run(
        [*COMMAND, *map(str, args)],
        cwd=cwd,
        input=None if stdin is None else stdin.encode(),
        capture_output=True,
        env={**PLAIN, **env},
        timeout=300,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def on_a_terminal(width: int, *args: object, status: int = 0, **env: str) -> str:
    """What it prints on a terminal of that width."""
    if sys.platform == "win32":
        pytest.skip("there are no such terminals")
    read, write = os.openpty()
    env = {**PLAIN, "COLUMNS": str(width), "TERM": "xterm", **env}
    command = [*COMMAND, *map(str, args)]
    with subprocess.Popen(command, stdout=write, cwd=ROOT, env=env) as process:
        os.close(write)
        shown = b"".join(iter(lambda: _read(read), b""))
    os.close(read)
    assert process.returncode == status
    return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, how a terminal says that nobody writes any more
        return b""
