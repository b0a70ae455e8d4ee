"""The flake8 door, through the real command."""

import argparse
import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import EXAMPLES, FIXTURES, ROOT
from flake8_nnx_mode import engine
from flake8_nnx_mode.flake8_plugin import Checker
from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.settings import Settings

PITFALL = (EXAMPLES / "pitfall_frozen_key.py").read_text(encoding="utf-8")


def flake8(
    *args: object, cwd: Path = ROOT, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flake8", *map(str, args)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        timeout=300,
    )


def found(*args: object, cwd: Path = ROOT, stdin: str | None = None) -> list[str]:
    """The findings as `path:line:column: code`, sorted."""
    done = flake8("--isolated", *args, cwd=cwd, stdin=stdin)
    assert done.stderr == ""
    return sorted(" ".join(line.split(" ")[:2]) for line in done.stdout.splitlines())


def test_version_is_shown() -> None:
    assert "flake8-nnx-mode: " in flake8("--version").stdout


def test_columns_are_characters_from_one() -> None:
    text = PITFALL.replace("return x + 0.1", "é = 'ü'; return x + 0.1")
    assert found("--select", "NNX", "-", stdin=text) == ["stdin:13:39: NNX101"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package whose findings need its other files, twice over."""
    root = tmp_path_factory.mktemp("project")
    (root / "setup.py").touch()
    for name in ("pkg", "other"):
        (root / name).mkdir()
        (root / name / "__init__.py").write_text("from .block import *\n")
        (root / name / "block.py").write_text(
            "from flax import nnx\n"
            "class Block(nnx.Module):\n"
            "    def __call__(self, x, train):\n"
            "        return x if train else -x\n"
        )
        for number in range(4):
            (root / name / f"net{number}.py").write_text(
                "from flax import nnx\n"
                f"from {name if number % 2 else ''}.{'block' if number % 2 else ''} import Block\n"
                "class Net(nnx.Module):\n"
                "    def __init__(self):\n"
                "        self.block = Block()\n"
                "    def __call__(self, x):\n"
                "        return self.block(x)\n"
            )
    return root


def test_the_same_findings_however_it_is_run(project: Path, tmp_path: Path) -> None:
    wanted = sorted(
        f"{project / name / f'net{n}.py'}:7:16: NNX201"
        for name in ("pkg", "other")
        for n in range(4)
    )
    select = ("--select", "NNX")
    assert found(*select, "-j1", project) == wanted
    assert found(*select, "-j4", project) == wanted
    assert found(*select, "-j4", project, cwd=tmp_path) == wanted
    relative = found(*select, ".", cwd=project)
    assert [line.replace("./", f"{project}/", 1) for line in relative] == wanted
    files = sorted(project.rglob("net*.py"))
    alone = [line for file in files for line in found(*select, file, cwd=tmp_path)]
    assert sorted(alone) == wanted
    by_stdin = [
        line
        for file in files
        for line in found(
            *select, "--stdin-display-name", file, "-", cwd=tmp_path, stdin=file.read_text()
        )
    ]
    assert sorted(by_stdin) == wanted


def test_off_by_default_and_how_to_switch_on(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    fixture = (FIXTURES / "nnx212.py").read_text(encoding="utf-8")
    file.write_text(fixture.partition("# -- look-alikes")[0])
    first = f"{file}:13:13: NNX212"

    def codes(*args: str) -> list[str]:
        return [line for line in found(*args, file) if "NNX" in line]

    assert codes() == []
    assert codes("--select", "NNX") == []
    assert codes("--ignore", "E501") == []
    assert first in codes("--extend-select", "NNX212")
    assert first in codes("--select", "NNX212")
    assert first in codes("--select", "NNX2")
    assert first in codes("--nnx-opt-in", "NNX212")
    assert first in codes("--nnx-opt-in", "NNX2", "--select", "NNX")
    assert codes("--nnx-opt-in", "NNX212", "--extend-ignore", "NNX212") == []


def test_noqa_is_flake8s(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    line = "            return x + 0.1 * jax.random.normal(self.key, x.shape)"
    file.write_text(PITFALL.replace(line, f"{line}  # noqa: NNX101"))
    assert found("--select", "NNX", file) == []
    assert found("--select", "NNX", "--disable-noqa", file) == [f"{file}:13:30: NNX101"]


def test_per_file_ignores(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(PITFALL)
    assert found("--select", "NNX", "--per-file-ignores", "net.py:NNX101", file) == []


@pytest.mark.parametrize("name", ["setup.cfg", "tox.ini", ".flake8"])
def test_settings_in_flake8s_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[flake8]\nselect = NNX\nnnx-opt-in = NNX212\n")
    text = (FIXTURES / "nnx212.py").read_text(encoding="utf-8")
    (tmp_path / "net.py").write_text(text)
    assert "NNX212" in flake8("net.py", cwd=tmp_path).stdout


def test_settings_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.nnx-mode]\nopt-in = ["NNX212"]\n')
    text = (FIXTURES / "nnx212.py").read_text(encoding="utf-8")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "net.py").write_text(text)
    assert "NNX212" in flake8("--select", "NNX", "deep/net.py", cwd=tmp_path).stdout
    elsewhere = flake8("--select", "NNX", tmp_path / "deep" / "net.py", cwd=tmp_path / "deep")
    assert "NNX212" in elsewhere.stdout
    wins = flake8("--select", "NNX", "--nnx-opt-in", "NNX105", "deep/net.py", cwd=tmp_path)
    assert wins.stdout == ""


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[tool.nnx-mode]\nopt-inn = []\n", "unknown setting 'opt-inn'; known are "),
        ("[tool.nnx-mode]\nopt-in = 'NNX212'\n", "opt-in takes a list of strings"),
        ("[tool.nnx-mode]\nopt-in = ['E501']\n", "opt-in takes codes"),
        ("[tool.nnx-mode\n", "not valid TOML"),
    ],
)
def test_a_bad_setting_is_one_clear_error(tmp_path: Path, toml: str, says: str) -> None:
    (tmp_path / "pyproject.toml").write_text(toml)
    (tmp_path / "net.py").write_text(PITFALL)
    done = flake8("net.py", cwd=tmp_path)
    assert done.returncode == 1
    assert says in done.stdout
    assert "pyproject.toml" in done.stdout
    assert done.stdout.count("nnx-mode") == 1 or "TOML" in says
    assert "Traceback" not in done.stdout + done.stderr


def test_a_bad_pyproject_beside_the_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.nnx-mode]\ncolour = 'red'\n")
    (tmp_path / "net.py").write_text(PITFALL)
    done = flake8("--select", "NNX", tmp_path / "net.py")
    assert "net.py:1:1: NNX000" in done.stdout
    assert "unknown setting 'colour'" in done.stdout


def test_a_bad_option_is_one_clear_error() -> None:
    done = flake8("--nnx-mode-flags", "noisy", EXAMPLES)
    assert done.returncode == 1
    assert "mode-flags takes name:train, name:eval or name:off" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_code_without_a_rule_is_one_clear_error() -> None:
    done = flake8("--nnx-opt-in", "NNX999", EXAMPLES)
    assert done.returncode == 1
    assert "opt-in: there is no rule NNX999; did you mean NNX109 " in done.stdout


def test_a_syntax_error_is_flake8s(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("from flax import nnx\nclass (:\n")
    assert [line[-4:] for line in found(tmp_path / "bad.py")] == ["E999"]


IMPORTS = """
import sys
import flake8_nnx_mode.flake8_plugin
print(sorted({name.partition(".")[0] for name in sys.modules} & {"libcst", "jax", "flax", "click"}))
"""


def test_importing_the_plugin_is_cheap() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


RUNS = """
import sys
from flake8.main.cli import main
main(sys.argv[1:])
print("libcst" in sys.modules, "flake8_nnx_mode.facts.flow" in sys.modules)
"""


def test_libcst_is_imported_only_for_files_about_nnx(tmp_path: Path) -> None:
    plain = tmp_path / "plain.py"
    plain.write_text(PITFALL.replace("nnx", "linen").replace("NNX", "LINEN"))
    mentions = tmp_path / "mentions.py"
    mentions.write_text("# see flax.nnx\nimport jax\nclass Key:\n    key = jax.random.key(0)\n")
    nnx = tmp_path / "net.py"
    nnx.write_text(PITFALL)
    for file, imported in ((plain, "False False"), (mentions, "False False"), (nnx, "True True")):
        args = [sys.executable, "-c", RUNS, "--isolated", "-j1", str(file)]
        done = subprocess.run(args, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == imported, file


def test_nothing_is_raised_out_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_check", lambda *_: 1 / 0)
    checker = Checker(tree=ast.parse(PITFALL), lines=[PITFALL], filename="x.py")
    ((line, column, text, _),) = checker.run()
    assert (line, column) == (1, 0)
    assert text.startswith("NNX000 this file could not be analysed (ZeroDivisionError")


def test_one_rule_that_fails_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    from flake8_nnx_mode.rules import registry

    broken = next(entry for entry in registry() if entry.code == "NNX103")
    real = engine._run

    def run(entry, project):  # type: ignore[no-untyped-def]
        if entry is broken:
            raise ValueError("first line\nsecond line")
        return real(entry, project)

    monkeypatch.setattr(engine, "_run", run)
    found = engine.check(Path("/nowhere/x.py"), PITFALL, Settings())
    assert [finding.code for finding in found] == ["NNX000", "NNX101"]
    assert "second line" not in found[0].message


@pytest.mark.parametrize(
    ("select", "extend", "ignore", "code", "on", "runs"),
    [
        ((), (), (), "NNX101", True, True),
        ((), (), (), "NNX212", False, False),
        (("E",), (), (), "NNX101", True, False),
        (("E",), ("NNX1",), (), "NNX101", True, True),
        ((), (), ("NNX1",), "NNX101", True, False),
        ((), ("NNX101",), ("NNX1",), "NNX101", True, True),
        (("NNX",), (), ("NNX1",), "NNX101", True, True),  # flake8 decides by the longer prefix
        ((), ("NNX",), (), "NNX212", False, False),
        ((), ("NNX2",), (), "NNX212", False, True),
    ],
)
def test_selection(
    select: tuple[str, ...],
    extend: tuple[str, ...],
    ignore: tuple[str, ...],
    code: str,
    on: bool,
    runs: bool,
) -> None:
    assert Selection(select, extend, ignore).runs(code, on=on) is runs


def test_options_without_flake8s_defaults() -> None:
    """Other tools (pytest plugins, pylsp) hand over a bare namespace with flake8's names."""
    options = argparse.Namespace(select=None, extend_select=None, ignore=None, extend_ignore=None)
    for name in ("mode_flags", "module_bases", "markers", "flax_version", "opt_in"):
        setattr(options, f"nnx_{name}", None)
    options.nnx_project_root = options.nnx_read_packages = None
    Checker.parse_options(options)


VIEWS = """\
from flax import nnx
model = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
nnx.view(model, determinstic=True)
"""
"""NNX307 and NNX309."""


@pytest.mark.parametrize(
    ("toml", "options", "top", "inner"),
    [
        ("", "", ["NNX307", "NNX309"], ["NNX307", "NNX309"]),
        ("select = ['NNX309']", "", ["NNX309"], ["NNX309"]),
        ("ignore = ['NNX307']", "", ["NNX309"], ["NNX309"]),
        ("per-file-ignores = {'old/*' = ['NNX307']}", "", ["NNX307", "NNX309"], ["NNX309"]),
        ("per-file-ignores = {'net.py' = ['NNX']}", "", [], []),
        ("per-file-ignores = {'./net.py' = ['NNX']}", "", [], ["NNX307", "NNX309"]),
        ("exclude = ['old']", "", ["NNX307", "NNX309"], []),
        ("exclude = ['./old/']", "", ["NNX307", "NNX309"], []),
        ("exclude = ['old/net.py']", "", ["NNX307", "NNX309"], []),
        ("exclude = ['n*.py']", "", [], []),
        # The command line wins over as long a prefix, a longer one by itself.
        ("ignore = ['NNX307']", "--select NNX307", ["NNX307"], ["NNX307"]),
        (
            "ignore = ['NNX307']",
            "--extend-select NNX307",
            ["NNX307", "NNX309"],
            ["NNX307", "NNX309"],
        ),
        ("ignore = ['NNX307']", "--select NNX3", ["NNX309"], ["NNX309"]),
        ("select = ['NNX309']", "--select NNX307", ["NNX307"], ["NNX307"]),
        ("select = ['NNX309']", "--select E,NNX", ["NNX309"], ["NNX309"]),
        ("select = ['NNX309']", "--extend-ignore NNX3", [], []),
        ("per-file-ignores = {'old/*' = ['NNX3']}", "--select NNX3", ["NNX307", "NNX309"], []),
    ],
)
def test_pyproject_says_which_rules_run(
    tmp_path: Path, toml: str, options: str, top: list[str], inner: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.nnx-mode]\n{toml}\n")
    (tmp_path / "old").mkdir()
    for name in ("net.py", "old/net.py"):
        (tmp_path / name).write_text(VIEWS)
    done = flake8("-j1", *options.split(), cwd=tmp_path)
    lines = [line.split(" ")[:2] for line in done.stdout.splitlines() if " NNX" in line]
    assert [code for place, code in lines if "old/" not in place] == top
    assert [code for place, code in lines if "old/" in place] == inner
    assert done.stderr == ""


def test_excluded_by_pyproject_from_wherever_it_runs(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.nnx-mode]\nexclude = ['old/net.py', 'gen']\n")
    for name in ("old", "gen"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "net.py").write_text(VIEWS)
    net = tmp_path / "old" / "net.py"
    assert flake8("--select", "NNX", tmp_path / "old").stdout == ""
    assert flake8("--select", "NNX", net, cwd=tmp_path / "old").stdout == ""
    stdin = flake8("--select", "NNX", "--stdin-display-name", net, "-", stdin=VIEWS)
    assert stdin.stdout == ""
    # Who runs it within an excluded folder means that folder.
    assert "NNX307" in flake8("--select", "NNX", ".", cwd=tmp_path / "gen").stdout
