"""``nnx-mode check``, through the real command: what it prints, writes and returns."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from command import COMMAND, PLAIN, nnx_mode, on_a_terminal
from conftest import EXAMPLES, ROOT

PITFALL = (EXAMPLES / "pitfall_frozen_key.py").read_text(encoding="utf-8")
UNSAFE = "net.py:13:30: NNX101 `self.key` was drawn once"
CLEAN = "from flax import nnx\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(PITFALL)
    (tmp_path / "quiet.py").write_text(CLEAN)
    return tmp_path


def test_the_working_directory_is_checked_by_default(folder: Path) -> None:
    done = nnx_mode("check", "--format", "concise", cwd=folder)
    first, *summary = done.stdout.splitlines()
    assert first.startswith(UNSAFE)
    assert summary == ["Found 1 error.", "1 fixable with `nnx-mode fix --write --unsafe`."]
    assert (done.stderr, done.returncode) == ("", 1)


def test_no_findings(folder: Path) -> None:
    done = nnx_mode("check", "quiet.py", cwd=folder)
    assert (done.stdout, done.stderr, done.returncode) == ("All checks passed!\n", "", 0)


def test_exit_zero(folder: Path) -> None:
    done = nnx_mode("check", "--exit-zero", cwd=folder)
    assert "Found 1 error." in done.stdout
    assert done.returncode == 0


def test_nothing_to_check_is_a_warning(tmp_path: Path) -> None:
    done = nnx_mode("check", cwd=tmp_path)
    assert done.stdout == "All checks passed!\n"
    assert done.stderr == "warning: no Python files found under the given paths\n"
    assert done.returncode == 0


def test_a_missing_path_is_a_finding_and_the_rest_is_checked(folder: Path) -> None:
    done = nnx_mode("check", "--format", "concise", "gone.py", "net.py", cwd=folder)
    gone, found, *_ = done.stdout.splitlines()
    assert gone == "gone.py:1:1: NNX000 this file cannot be read: No such file or directory"
    assert found.startswith(UNSAFE)
    assert (done.stderr, done.returncode) == ("", 1)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux has such a file")
def test_an_unreadable_file_is_a_finding_and_the_rest_is_checked(folder: Path) -> None:
    done = nnx_mode("check", "--format", "concise", "/proc/self/mem", "net.py", cwd=folder)
    locked, found, *_ = done.stdout.splitlines()
    assert locked == "/proc/self/mem:1:1: NNX000 this file cannot be read: Input/output error"
    assert found.startswith(UNSAFE)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--select", "NNX9", "there is no rule NNX9; did you mean NNX109 or"),
        ("--select", "frozen-kee", "there is no rule frozen-kee; "),
        ("--ignore", "E501", "there is no rule E501"),
        ("--fix", "net.py", "`nnx-mode fix --write` mends"),
        ("--stdin-filename", "net.py quiet.py", "--stdin-filename needs - among PATHS"),
        ("--format", "xml", "'xml' is not one of 'text', 'concise', 'json', 'github', 'sarif'"),
        ("--config", "gone.toml", "'gone.toml' does not exist"),
        ("--per-file-ignores", "net.py", "'net.py' is not PATTERN:CODES"),
        ("--mode-flags", "noisy", "mode-flags takes name:train, name:eval or name:off"),
        ("--jobs", "0", "0 is not in the range x>=1"),
        ("--output-file", "no/such/folder/x", "No such file or directory"),
    ],
)
def test_a_wrong_option_is_one_clear_error(
    folder: Path, option: str, value: str, says: str
) -> None:
    done = nnx_mode("check", option, *value.split(), cwd=folder)
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_a_notebook_is_not_taken_for_checked(folder: Path) -> None:
    (folder / "net.ipynb").write_text('{"cells": ["nnx"]}')
    done = nnx_mode("check", "--format", "concise", "net.ipynb", cwd=folder)
    assert done.stdout.startswith(
        "net.ipynb:1:1: NNX000 this file cannot be read: it is a notebook"
    )
    assert done.returncode == 1


@pytest.mark.parametrize("pattern", ["tests/*", "**/tests/*", "tests/**/*.py", "**/test_*.py"])
def test_patterns_as_they_are_written_for_ruff(folder: Path, pattern: str) -> None:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_net.py").write_text(PITFALL)
    for option, value in (("--exclude", pattern), ("--per-file-ignores", f"{pattern}:NNX1")):
        done = nnx_mode("check", "--format", "concise", option, value, "tests", cwd=folder)
        assert done.stdout == "All checks passed!\n"


def test_a_bad_setting_is_one_clear_error(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.nnx-mode]\nignored = ['NNX101']\n")
    done = nnx_mode("check", cwd=folder)
    assert "pyproject.toml: [tool.nnx-mode]: unknown setting 'ignored'; known are " in done.stderr
    assert (done.stdout, done.returncode) == ("", 2)


def test_standard_input(folder: Path) -> None:
    text = PITFALL.replace("return x + 0.1", "é = '名'; return x + 0.1")
    done = nnx_mode("check", "--format", "concise", "-", cwd=folder, stdin=text)
    assert done.stdout.startswith("-:13:39: NNX101 ")
    assert done.returncode == 1


def test_standard_input_is_a_file_of_the_project(folder: Path) -> None:
    (folder / "block.py").write_text(
        "from flax import nnx\n"
        "class Block(nnx.Module):\n"
        "    def __call__(self, x, train):\n"
        "        return x if train else -x\n"
    )
    text = (
        "from flax import nnx\n"
        "from .block import Block\n"
        "class Net(nnx.Module):\n"
        "    def __init__(self):\n"
        "        self.block = Block()\n"
        "    def __call__(self, x):\n"
        "        return self.block(x)\n"
    )
    (folder / "__init__.py").touch()
    options = ("--format", "concise", "--stdin-filename", folder / "new.py")
    done = nnx_mode("check", *options, "-", stdin=text)
    assert done.stdout.startswith(f"{folder / 'new.py'}:7:16: NNX201 ")
    assert nnx_mode("check", *options, "-", "--exclude", "new.py", stdin=text).returncode == 1
    excluded = nnx_mode(
        "check", *options, "-", "--exclude", "new.py", "--force-exclude", stdin=text
    )
    assert (excluded.stdout, excluded.returncode) == ("All checks passed!\n", 0)


def test_a_name_for_standard_input_is_enough(folder: Path) -> None:
    options = ("--format", "concise", "--stdin-filename", "new.py")
    done = nnx_mode("check", *options, cwd=folder, stdin=PITFALL)
    assert done.stdout.startswith("new.py:13:")
    assert "net.py" not in done.stdout


@pytest.mark.parametrize("selected", ["nnx101", "frozen-key", "ALL", "NNX1,NNX2"])
def test_rules_are_selected_by_code_or_name(folder: Path, selected: str) -> None:
    done = nnx_mode("check", "--select", selected, "--format", "concise", "net.py", cwd=folder)
    assert done.stdout.startswith(UNSAFE)
    assert nnx_mode("check", "--ignore", selected, "net.py", cwd=folder).returncode == 0


def test_statistics(folder: Path) -> None:
    (folder / "more.py").write_text(PITFALL + PITFALL.replace("FrozenNoise", "Other"))
    done = nnx_mode("check", "--statistics", cwd=folder)
    assert done.stdout.splitlines()[0] == "3\tNNX101\t[ ]\tfrozen-key"
    assert "Found 3 errors." in done.stdout
    counts = nnx_mode("check", "--statistics", "--format", "json", cwd=folder)
    assert [(one["code"], one["count"]) for one in json.loads(counts.stdout)] == [("NNX101", 3)]
    wrong = nnx_mode("check", "--statistics", "--format", "sarif", cwd=folder)
    assert "--statistics are text or json, not sarif" in wrong.stderr
    assert wrong.returncode == 2


def test_output_file(folder: Path) -> None:
    done = nnx_mode("check", "--format", "concise", "-o", "found.txt", "net.py", cwd=folder)
    assert (done.stdout, done.returncode) == ("", 1)
    assert (folder / "found.txt").read_text().startswith(UNSAFE)


def test_a_failed_run_leaves_the_old_report(folder: Path) -> None:
    (folder / "found.txt").write_text("old")
    (folder / "pyproject.toml").write_text("[tool.nnx-mode]\nselect = ['NNX9']\n")
    done = nnx_mode("check", "-o", "found.txt", cwd=folder)
    assert "pyproject.toml: select: there is no rule NNX9" in done.stderr
    assert (folder / "found.txt").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix closes it")
def test_without_standard_output(folder: Path) -> None:
    command = f"{sys.executable} -m flake8_nnx_mode check -o found.txt . >&-"
    done = subprocess.run(["sh", "-c", command], cwd=folder, stderr=subprocess.PIPE, text=True)
    assert (done.stderr, done.returncode) == ("", 1)
    assert "NNX101" in (folder / "found.txt").read_text()


def test_every_format_is_of_one_run(folder: Path) -> None:
    """The formats have tests of their own (test_report.py); here that each is reached."""
    shown = {
        form: nnx_mode("check", "--format", form, "net.py", cwd=folder).stdout
        for form in ("text", "concise", "json", "github", "sarif")
    }
    assert "  --> net.py:13:30\n" in shown["text"]
    assert shown["concise"].startswith(UNSAFE)
    assert json.loads(shown["json"])["findings"][0]["column"] == 30
    assert shown["github"].startswith("::error title=NNX101 frozen-key,file=")
    log = json.loads(shown["sarif"])
    assert log["runs"][0]["results"][0]["ruleId"] == "NNX101"
    official = (ROOT / "tests" / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
    jsonschema.validate(log, json.loads(official))


def test_the_json_that_is_printed_is_what_the_schema_says(folder: Path) -> None:
    whole: dict[str, Any] = json.loads(nnx_mode("check", "--format", "json", cwd=folder).stdout)
    schema = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(whole, schema, cls=jsonschema.Draft202012Validator)
    (finding,) = whole["findings"]
    lines = PITFALL.splitlines()
    text = lines[finding["line"] - 1][finding["column"] - 1 : finding["end_column"] - 1]
    assert text == "jax.random.normal(self.key, x.shape)"


def test_colours_only_on_a_terminal() -> None:
    path = "examples/pitfall_frozen_key.py"
    assert "\x1b[" not in nnx_mode("check", path).stdout
    assert "\x1b[" in on_a_terminal(100, "check", path, status=1)
    assert "\x1b[3" not in on_a_terminal(100, "check", path, status=1, NO_COLOR="1")
    assert "\x1b[" in nnx_mode("check", path, FORCE_COLOR="1").stdout


@pytest.mark.parametrize("form", ["text", "concise", "json", "sarif"])
def test_nobody_reads_on(form: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*COMMAND, "check", "--format", form, "examples"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(write)
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has such a device")
@pytest.mark.parametrize("option", [(), ("-o", "/dev/full")])
def test_a_full_disk_is_one_clear_error(option: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        command = [*COMMAND, "check", "--format", "concise", *option, "examples"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.stderr == "Error: the report cannot be written: No space left on device\n"
    assert done.returncode == 2


def test_unused_noqa_is_reported_on_request(folder: Path) -> None:
    (folder / "quiet.py").write_text(CLEAN + "x = 1  # noqa: NNX101\n")
    assert nnx_mode("check", "quiet.py", cwd=folder).returncode == 0
    done = nnx_mode("check", "--unused-noqa", "--format", "concise", "quiet.py", cwd=folder)
    assert done.stdout.startswith("quiet.py:2:16: NNX001 [*] nothing here is reported as NNX101")
    assert done.returncode == 1


def test_unused_noqa_is_selected_like_a_rule(folder: Path) -> None:
    (folder / "quiet.py").write_text(CLEAN + "x = 1  # noqa: NNX101\n")
    assert nnx_mode("check", "--extend-select", "NNX001", "quiet.py", cwd=folder).returncode == 1
    (folder / "pyproject.toml").write_text("[tool.nnx-mode]\nopt-in = ['NNX001']\n")
    assert nnx_mode("check", "quiet.py", cwd=folder).returncode == 1
    assert nnx_mode("check", "--ignore", "NNX001", "quiet.py", cwd=folder).returncode == 0


def test_a_baseline_hides_what_was_there(folder: Path) -> None:
    base = ("check", "--format", "concise", "--baseline", "known.json")
    missing = nnx_mode(*base, cwd=folder)
    assert "known.json: no such file; write it with --write-baseline" in missing.stderr
    assert missing.returncode == 2

    written = nnx_mode(*base, "--write-baseline", cwd=folder)
    assert (written.stdout, written.returncode) == ("All checks passed!\n", 0)
    assert written.stderr == "known.json: 1 entry written\n"

    hidden = nnx_mode(*base, cwd=folder)
    assert (hidden.stdout, hidden.returncode) == ("All checks passed!\n", 0)
    assert hidden.stderr == "known.json: 1 finding hidden\n"

    (folder / "net.py").write_text("# moved\n\n" + PITFALL)
    assert nnx_mode(*base, cwd=folder).returncode == 0

    (folder / "net.py").write_text(PITFALL + PITFALL.replace("FrozenNoise", "Copied"))
    more = nnx_mode(*base, cwd=folder)
    assert more.returncode == 1
    (line,) = [line for line in more.stdout.splitlines() if "NNX101" in line]
    assert int(line.split(":")[1]) > 13

    (folder / "net.py").write_text(CLEAN)
    mended = nnx_mode(*base, cwd=folder)
    assert mended.returncode == 0
    assert "1 entry no longer needed" in mended.stderr


def test_the_baseline_of_one_rule_leaves_the_others_alone(folder: Path) -> None:
    base = ("check", "--baseline", "known.json")
    nnx_mode(*base, "--write-baseline", cwd=folder)
    nnx_mode(*base, "--write-baseline", "--select", "NNX2", cwd=folder)
    assert nnx_mode(*base, cwd=folder).returncode == 0
    assert "no longer needed" not in nnx_mode(*base, "--select", "NNX2", cwd=folder).stderr


def test_write_baseline_needs_a_file(folder: Path) -> None:
    done = nnx_mode("check", "--write-baseline", cwd=folder)
    assert "--write-baseline needs --baseline FILE" in done.stderr
    assert done.returncode == 2


def test_version_and_help() -> None:
    assert nnx_mode("check", "--version").stdout == nnx_mode("--version").stdout
    done = nnx_mode("check", "-h")
    assert done.stdout.startswith("Usage: ")
    assert done.returncode == 0


def test_nothing_dear_is_imported_where_nothing_is_about_nnx(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("import jax\n")
    code = (
        "import sys; from flake8_nnx_mode.cli.main import main\n"
        "main(['check', '--format', 'concise'], standalone_mode=False)\n"
        "print(sorted({'libcst', 'jax', 'flax', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=PLAIN
    )
    assert done.stdout.splitlines()[-1] == "[]"
