"""``nnx-mode confirm``: what it prints, writes and returns."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from command import nnx_mode
from conftest import EXAMPLES, ROOT
from flake8_nnx_mode import __version__
from flake8_nnx_mode.cli import confirm as door
from flake8_nnx_mode.cli.main import main
from flake8_nnx_mode.confirm import plan, run
from flake8_nnx_mode.confirm.jobs import Hello, Job, Outcome, Verdict
from flake8_nnx_mode.confirm.runner import RunnerError
from test_confirm_plan import NET, write

SCHEMA = json.loads((ROOT / "docs" / "confirm.schema.json").read_text(encoding="utf-8"))
PITFALL = EXAMPLES / "pitfall_frozen_key.py"
NO_ORACLE = "NNX103"


class FakeRunner:
    """Says of each finding what it is told to; outcomes come in reverse."""

    def __init__(self) -> None:
        self.see: Callable[[int, str], Outcome] = lambda number, code: seen(number)
        self.jobs: list[Job] = []
        self.calls: list[str] = []
        self.failing = ""
        self.interrupted_after = 1_000_000

    def __enter__(self) -> object:
        self.calls.append("enter")
        return self

    def __exit__(self, *error: object) -> None:
        self.calls.append("exit")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.failing:
            raise RunnerError("there is no jax in /usr/bin/python; install it")

    def start(self) -> None:
        self._called("start")

    def submit(self, job: Job) -> None:
        self._called("submit")
        self.jobs.append(job)

    def finish(self) -> None:
        self._called("finish")

    def outcomes(self) -> Iterator[Hello | Outcome]:
        self._called("outcomes")
        yield Hello("3.11.9", "0.10.2", "0.12.8")
        tasks = [task for job in self.jobs for task in job.tasks]
        for done, task in enumerate(reversed(tasks)):
            if done == self.interrupted_after:
                raise KeyboardInterrupt
            yield self.see(task.number, task.code)


def seen(number: int, verdict: Verdict = "CONFIRMED", **more: Any) -> Outcome:
    evidence = more.pop("evidence", "two calls gave the same noise")
    return Outcome(number, verdict, evidence, **more)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    def oracle_of(code: str) -> str | None:
        return None if code == NO_ORACLE else "noise"

    fake = FakeRunner()
    monkeypatch.setattr(plan, "oracle_of", oracle_of)
    monkeypatch.setattr(run, "oracle_of", oracle_of)
    monkeypatch.setattr(door, "_runner", lambda *options: fake)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path, {"a/net.py": NET, "b/net.py": NET, "quiet.py": "from flax import nnx\n"})


def confirm(*args: object) -> Result:
    return CliRunner().invoke(main, ["confirm", *map(str, args)])


def report(*args: object) -> dict[str, Any]:
    done = confirm("--format", "json", *args)
    whole: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(whole, SCHEMA, cls=jsonschema.Draft202012Validator)
    return whole


def test_text(folder: Path, runner: FakeRunner) -> None:
    outcomes = {
        0: seen(0, fix_verdict="REFUTED"),
        1: seen(1, "INCONCLUSIVE", evidence="no module\x1b named\nfoo", reason="missing module"),
    }
    runner.see = lambda number, code: outcomes[number]
    done = confirm(".")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("a/net.py:10:20: NNX101 CONFIRMED `self.key` was drawn once")
    assert lines[1:3] == [
        "    two calls gave the same noise",
        "    with the fix the symptom is gone",
    ]
    assert lines[3].startswith("b/net.py:10:20: NNX101 INCONCLUSIVE `self.key` was drawn once")
    assert lines[4:7] == [
        "    missing module: no module� named�foo",
        "",
        "2 findings: 1 confirmed, 1 inconclusive (1 missing module), 1 of 1 fix seen to help",
    ]
    assert lines[7].startswith("Python 3.11.9, jax 0.10.2, flax 0.12.8; ")
    assert done.stderr == ""
    assert done.exit_code == 1


def test_json(folder: Path, runner: FakeRunner) -> None:
    runner.see = lambda number, code: seen(number, fix_verdict="REFUTED", seconds=0.25)
    whole = report("a")
    assert whole["versions"] == {
        "flake8-nnx-mode": __version__,
        "python": "3.11.9",
        "jax": "0.10.2",
        "flax": "0.12.8",
    }
    (finding,) = whole["findings"]
    assert finding.pop("message").startswith("`self.key` was drawn once")
    assert finding == {
        "path": "a/net.py",
        "line": 10,
        "column": 20,
        "end_line": 10,
        "end_column": 56,
        "code": "NNX101",
        "verdict": "CONFIRMED",
        "evidence": "two calls gave the same noise",
        "reason": "",
        "fix": "unsafe",
        "fix_verdict": "REFUTED",
        "seconds": 0.25,
        "repro": None,
    }
    assert (whole["errors"], whole["interrupted"]) == ([], False)


def test_the_order_is_that_of_places(folder: Path, runner: FakeRunner) -> None:
    write(folder, {"a/more.py": NET + NET.replace("Net", "Other")})
    places = [(f["path"], f["line"]) for f in report(".")["findings"]]
    assert places == [("a/more.py", 10), ("a/more.py", 24), ("a/net.py", 10), ("b/net.py", 10)]


def test_what_has_no_oracle_is_not_sent(folder: Path, runner: FakeRunner) -> None:
    text = NET.replace("self.key = rngs.dropout()", "pass").replace("self.key", "self.rngs()")
    write(folder, {"a/net.py": text})
    (finding,) = report("a")["findings"]
    assert (finding["code"], finding["verdict"]) == (NO_ORACLE, "INCONCLUSIVE")
    assert finding["reason"] == "no oracle"
    assert runner.jobs == []
    assert runner.calls == ["enter", "start", "exit"]


@pytest.mark.parametrize(
    ("verdict", "fail_on", "status"),
    [
        ("CONFIRMED", "any", 1),
        ("REFUTED", "any", 1),
        ("CONFIRMED", "confirmed", 1),
        ("REFUTED", "confirmed", 0),
        ("INCONCLUSIVE", "confirmed", 0),
        ("CONFIRMED", "never", 0),
    ],
)
def test_exit_status(
    folder: Path, runner: FakeRunner, verdict: Verdict, fail_on: str, status: int
) -> None:
    runner.see = lambda number, code: seen(number, verdict)
    assert confirm("--fail-on", fail_on, ".").exit_code == status
    done = confirm("--fail-on", fail_on, ".", "gone.py")
    assert done.exit_code == 2
    assert done.stderr == "error: gone.py: this file cannot be read: No such file or directory\n"
    assert "2 findings: 2 " in done.stdout


def test_nothing_to_say(folder: Path, runner: FakeRunner) -> None:
    done = confirm("quiet.py")
    assert done.stdout.startswith("No findings.\n")
    assert done.exit_code == 0
    assert report("quiet.py")["findings"] == []


@pytest.mark.parametrize("failing", ["start", "submit", "finish", "outcomes"])
def test_findings_are_listed_when_nothing_runs(
    folder: Path, runner: FakeRunner, failing: str
) -> None:
    runner.failing = failing
    done = confirm(".")
    assert done.stdout.count("NNX101 INCONCLUSIVE") == 2
    assert done.stdout.count("    not run: ") == 2
    assert done.stderr == "error: there is no jax in /usr/bin/python; install it\n"
    assert done.exit_code == 2
    assert runner.calls[-1] == "exit"
    quiet = confirm("quiet.py").exit_code
    assert quiet == (2 if failing == "start" else 0), "nobody needs jax for nothing"


def test_ctrl_c_keeps_what_was_seen(folder: Path, runner: FakeRunner) -> None:
    runner.interrupted_after = 1
    done = confirm(".")
    assert done.exit_code == 130
    assert [line.split()[2] for line in done.stdout.splitlines() if "NNX101" in line] == [
        "INCONCLUSIVE",
        "CONFIRMED",
    ]
    assert "Interrupted" in done.stdout
    assert runner.calls[-1] == "exit"
    assert report(".")["interrupted"] is True


def test_scripts(folder: Path, runner: FakeRunner) -> None:
    runner.see = lambda number, code: seen(number, script=f"print({number})\n")
    write(folder, {"out/nnx101_net_10.py": "my own\n"})
    for _ in range(2):  # the second time, each is written over
        paths = [finding["repro"] for finding in report("--repro", "out", ".")["findings"]]
        assert paths == ["out/nnx101_net_10_2.py", "out/nnx101_net_10_3.py"]
    assert (folder / "out/nnx101_net_10.py").read_text() == "my own\n"
    assert (folder / "out/nnx101_net_10_3.py").read_text() == (
        "# NNX101 b/net.py:10:20, by `nnx-mode confirm`\nprint(1)\n"
    )
    assert "    to see it: python out/nnx101_net_10_2.py\n" in confirm("--repro", "out", ".").stdout
    done = confirm("--repro", "quiet.py/out", ".")
    assert done.stderr.startswith("error: --repro: ")
    assert done.exit_code == 2


def test_shards_run_everything_once(folder: Path, runner: FakeRunner) -> None:
    parts = [report("--shard", f"{number}/2", ".")["findings"] for number in (1, 2)]
    assert [[finding["path"] for finding in part] for part in parts] == [["a/net.py"], ["b/net.py"]]


def test_selection(folder: Path, runner: FakeRunner) -> None:
    write(folder, {"a/net.py": NET.replace("train else x", "train else self.drop(x)")})

    def found(*args: str) -> set[str]:
        return {finding["code"] for finding in report(*args, ".")["findings"]}

    assert found() == {"NNX101"}
    assert found("--ignore", "NNX2,NNX1") == set()
    assert found("--ignore", "NNX1", "--select", "NNX101") == {"NNX101"}
    assert found("--select", "NNX2", "--select", "NNX3") == set()


def test_an_output_file(folder: Path, runner: FakeRunner) -> None:
    done = confirm("--format", "json", "-o", "report.json", ".")
    assert done.stdout == ""
    assert len(json.loads((folder / "report.json").read_text())["findings"]) == 2


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "Missing argument 'PATHS...'"),
        (["--shard", "3/2", "."], "is not I/N"),
        (["--shard", "0/2", "."], "is not I/N"),
        (["--shard", "a", "."], "is not I/N"),
        (["--select", "E501", "."], "there is no rule E501"),
        (["--time-limit", "0", "."], "'--time-limit'"),
        (["--jobs", "0", "."], "'-j' / '--jobs'"),
        (["--format", "xml", "."], "'--format'"),
        (["--what", "."], "No such option"),
    ],
)
def test_usage_errors(args: list[str], says: str) -> None:
    done = confirm(*args)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert says in done.stderr


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_help_is_cheap() -> None:
    code = (
        "import sys; from flake8_nnx_mode.cli.main import main\n"
        "main(['confirm', '--help'], standalone_mode=False)\n"
        "sys.exit(', '.join({'libcst', 'jax', 'rich', 'flake8'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""


def test_the_plugin_needs_none_of_it() -> None:
    code = (
        "import sys, flake8_nnx_mode.flake8_plugin\n"
        "sys.exit(', '.join({'libcst', 'jax', 'rich', 'click'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr == ""


# -- the whole, on JAX ---------------------------------------------------------------------------


def test_version() -> None:
    assert nnx_mode("--version").stdout == f"nnx-mode {__version__}\n"


def test_a_real_mistake_is_confirmed(tmp_path: Path) -> None:
    path = PITFALL.relative_to(ROOT)
    done = nnx_mode("confirm", "--format", "json", "--repro", tmp_path, path)
    whole = json.loads(done.stdout)
    jsonschema.validate(whole, SCHEMA, cls=jsonschema.Draft202012Validator)
    (finding,) = whole["findings"]
    assert (finding["path"], finding["code"]) == (str(path), "NNX101")
    assert finding["verdict"] == "CONFIRMED"
    assert whole["versions"]["jax"]
    assert finding["repro"] == str(tmp_path / "nnx101_pitfall_frozen_key_13.py")
    assert done.stderr == ""
    assert done.returncode == 1


def test_piped_text_is_plain() -> None:
    done = nnx_mode("confirm", PITFALL.relative_to(ROOT), "gone.py")
    assert "\x1b" not in done.stdout
    assert "examples/pitfall_frozen_key.py:13:30: NNX101 CONFIRMED " in done.stdout
    assert "1 finding: 1 confirmed" in done.stdout
    assert done.stderr == "error: gone.py: this file cannot be read: No such file or directory\n"
    assert done.returncode == 2


def test_an_interpreter_without_jax(tmp_path: Path) -> None:
    python = Path(sys.base_prefix) / "bin" / "python3"
    done = nnx_mode("confirm", "--python", python, PITFALL, PYTHONPATH="")
    assert "NNX101 INCONCLUSIVE" in done.stdout
    assert done.stderr.startswith("error: ")
    assert "jax" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_no_such_interpreter() -> None:
    done = nnx_mode("confirm", "--python", "no-such-python", PITFALL)
    assert done.stderr.startswith("error: there is no interpreter no-such-python")
    assert done.returncode == 2


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    stall = "import time\ntime.sleep(60)\n"
    needed = NET.replace("if train else x", "if train and stall else x")
    write(tmp_path, {"slow.py": f"import stall\n{needed}", "stall.py": stall})
    mark = f"NNX_MODE_TEST={tmp_path}"

    def started() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark.encode() in entry.read_bytes():
                    found.append(entry.parent.name)
        return found

    command = subprocess.Popen(
        [sys.executable, "-m", "flake8_nnx_mode", "confirm", "--format", "json", "slow.py"],
        cwd=tmp_path,
        env={**os.environ, "NNX_MODE_TEST": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(started()) < 3 and time.monotonic() < deadline:  # command, warm parent, child
        time.sleep(0.1)
    command.send_signal(signal.SIGINT)
    stdout, _ = command.communicate(timeout=30)
    assert command.returncode == 130
    assert json.loads(stdout)["interrupted"] is True
    assert started() == []
