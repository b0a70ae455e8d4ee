"""Code that does harm, or tries to, through the real command: one run over all of it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CLASS = """
import ctypes
import os
import shutil
import socket
import sys

import jax
from flax import nnx

{top}

class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        {init}
        self.key = rngs.dropout()

    def __call__(self, x, train: bool):
        {call}
        if train:
            return x + jax.random.normal(self.key, x.shape)
        return x
"""
SPIN = "def spin():\n    while True:\n        pass\n"
FLOOD = "for _ in range(1024): sys.{stream}.write('x' * 2**20)"
BOMB = "hoard = [bytearray(2**26) for _ in range(2**16)]"
FORKS = "for _ in range(100): os.fork()"
LIMIT = 5
"""Seconds for each finding."""

HOSTILE: dict[str, tuple[dict[str, str], str]] = {
    "loop_at_import": ({"top": SPIN + "SIZE = spin()", "init": "self.size = SIZE"}, "longer than"),
    "loop_in_init": ({"init": "while rngs is not None: pass"}, "longer than"),
    "loop_in_call": ({"call": "while train: pass"}, "longer than"),
    "memory_bomb": ({"init": BOMB}, "emory|longer than"),
    "fork_bomb": ({"init": FORKS}, "refused"),
    "flood_of_stdout": ({"call": FLOOD.format(stream="stdout")}, ""),
    "flood_of_stderr": ({"call": FLOOD.format(stream="stderr")}, ""),
    "hard_exit": ({"init": "rngs is None or os._exit(3)"}, "exit"),
    "soft_exit": ({"init": "rngs is None or sys.exit('enough')"}, "SystemExit"),
    "removed_file": ({"init": "os.remove({victim!r})"}, "remove"),
    "removed_folder": ({"init": "shutil.rmtree({folder!r})"}, "remove"),
    "written_file": ({"init": "open({victim!r}, 'w').close()"}, "refused"),
    "socket": ({"init": "socket.create_connection(('127.0.0.1', 9))"}, "refused"),
    "crash_in_c": ({"init": "ctypes.string_at(0)"}, "SIGSEGV"),
    "stdout_replaced": ({"top": "sys.stdout = None", "init": "sys.stdout = sys.stderr = None"}, ""),
    "jax_patched": (
        {"init": "jax.random.normal = lambda key, shape: jax.numpy.zeros(shape)"},
        "replaces `jax.random.normal`",
    ),
}
"""By name: what is put where, and what the evidence says; nothing: it is right to confirm it."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    project = tmp_path_factory.mktemp("hostile")
    scratch = tmp_path_factory.mktemp("scratch")
    victims = tmp_path_factory.mktemp("victims")
    (victims / "file").write_text("precious")
    (project / "pyproject.toml").write_text("[project]\nname = 'hostile'\n")
    names = {"victim": str(victims / "file"), "folder": str(victims)}
    for name, (parts, _) in HOSTILE.items():
        filled = {"top": "", "init": "pass", "call": "pass"} | {
            place: text.format(**names) if "{victim" in text or "{folder" in text else text
            for place, text in parts.items()
        }
        (project / f"{name}.py").write_text(CLASS.format(**filled))
    (project / "a_harmless.py").write_text(CLASS.format(top="", init="pass", call="pass"))
    (project / "z_harmless.py").write_text(CLASS.format(top="", init="pass", call="pass"))
    mark = f"NNX_CONFIRM_TEST_{os.getpid()}"
    environment = {**os.environ, "TMPDIR": str(scratch), mark: "1"}
    command = [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--select", "NNX101"]
    command += ["--format", "json", "--time-limit", str(LIMIT), "--fail-on", "never", str(project)]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    seconds = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    found = {Path(f["path"]).stem: f for f in json.loads(done.stdout)["findings"]}
    return {
        "found": found,
        "scratch": scratch,
        "victims": victims,
        "project": project,
        "mark": mark,
        "seconds": seconds,
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_code_gets_a_verdict_that_is_right(run: dict[str, Any], name: str) -> None:
    finding, says = run["found"][name], HOSTILE[name][1]
    seen = (finding["verdict"], finding["evidence"])
    if says:
        assert seen[0] == "INCONCLUSIVE", seen
        assert re.search(says, seen[1]), seen
    else:  # what it does changes nothing about the mistake, if there is time enough to see it
        assert seen[0] == "CONFIRMED" or "longer than" in seen[1], seen
    assert finding["seconds"] < 4 * LIMIT


@pytest.mark.parametrize("name", ["a_harmless", "z_harmless"])
def test_other_findings_are_unharmed(run: dict[str, Any], name: str) -> None:
    assert run["found"][name]["verdict"] == "CONFIRMED"
    assert run["found"][name]["fix_verdict"] == "REFUTED"


def test_no_file_is_left_behind_and_none_is_missing(run: dict[str, Any]) -> None:
    assert list(run["scratch"].iterdir()) == []
    assert (run["victims"] / "file").read_text() == "precious"
    assert sorted(p.name for p in run["project"].iterdir()) == sorted(
        ["a_harmless.py", "z_harmless.py", "pyproject.toml", *(f"{name}.py" for name in HOSTILE)]
    )


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at /proc")
def test_no_process_is_left_behind(run: dict[str, Any]) -> None:
    left = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if run["mark"].encode() in environ.read_bytes():
                left.append(environ)
        except OSError:  # it has just ended
            continue
    assert left == []
