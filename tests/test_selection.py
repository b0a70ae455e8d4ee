"""Which rules run and report, and that flake8 and ``nnx-mode check`` agree on it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from flake8.main.cli import main as flake8_main

from flake8_nnx_mode.cli.main import main
from flake8_nnx_mode.selection import DEFAULT, EVERYTHING, Selection

NET = """\
from flax import nnx
import jax


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.key = rngs.dropout()
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(x) + jax.random.normal(self.key, x.shape)


nnx.view(Net(rngs=nnx.Rngs(0)), deterministic=True)
"""
"""One NNX101 and one NNX307; and one NNX212, which is off by default."""

Doors = Callable[..., tuple[list[str], list[str]]]


def test_the_longer_prefix_decides() -> None:
    selection = Selection(select=("NNX1", "NNX204"), ignore=("NNX101", "NNX2"))
    assert not selection.reports("NNX101")
    assert selection.reports("NNX102")
    assert selection.reports("NNX204")
    assert not selection.reports("NNX205")
    assert not Selection(ignore=("NNX1",)).reports("NNX101")
    assert not Selection(select=("NNX1",), ignore=("NNX1",)).reports("NNX101")
    assert DEFAULT.reports("NNX101")


def test_what_is_off_runs_by_name_only() -> None:
    assert not DEFAULT.runs("NNX212", on=False)
    assert not Selection(select=("NNX",)).runs("NNX212", on=False)
    assert Selection(extend_select=("NNX2",)).runs("NNX212", on=False)
    assert EVERYTHING.runs("NNX212", on=False)
    assert EVERYTHING.runs("NNX101", on=True)


def test_extend_select_adds_and_select_does_not() -> None:
    assert Selection(extend_select=("NNX2",)).runs("NNX101", on=True)
    assert not Selection(select=("NNX2",)).runs("NNX101", on=True)


def test_of_the_patterns_the_longest_counts() -> None:
    selection = Selection(
        ignore=("NNX4",),
        per_file_ignores=(
            ("*.py", ("NNX1",)),
            ("net.py", ("NNX2",)),
            ("net.py", ("NNX3",)),
            ("/p/src/*", ("NNX301",)),
        ),
    )
    net = selection.for_file(Path("/p/net.py"))
    assert [net.reports(f"NNX{n}01") for n in (1, 2, 3, 4)] == [True, False, True, False]
    inside = selection.for_file(Path("/p/src/deep/net.py"))  # `*` stands for slashes too
    assert [inside.reports(f"NNX{n}01") for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert selection.for_file(Path("/p/code.txt")).reports("NNX101")


@pytest.mark.parametrize(
    ("stronger", "weaker", "reported"),
    [
        (Selection(), Selection(ignore=("NNX101",)), False),
        (Selection(ignore=("NNX101",)), Selection(), False),
        # As long a prefix: what is stronger wins.
        (Selection(select=("NNX101",)), Selection(ignore=("NNX101",)), True),
        (Selection(extend_select=("NNX101",)), Selection(ignore=("NNX101",)), True),
        (Selection(ignore=("NNX101",)), Selection(select=("NNX101",)), False),
        # A longer one wins by itself, except that a stronger ignore is final.
        (Selection(select=("NNX1",)), Selection(ignore=("NNX101",)), False),
        (Selection(select=("NNX101",)), Selection(ignore=("NNX1",)), True),
        (Selection(ignore=("NNX1",)), Selection(select=("NNX101",)), False),
        (Selection(ignore_here=("NNX1",)), Selection(extend_select=("NNX101",)), False),
        (Selection(extend_select=("NNX101",), ignore=("NNX1",)), Selection(), True),
        # What is ignored in one file stays so unless a longer prefix is selected.
        (Selection(select=("NNX101",)), Selection(ignore_here=("NNX101",)), False),
        (Selection(select=("NNX101",)), Selection(ignore_here=("NNX1",)), True),
    ],
)
def test_one_source_over_another(stronger: Selection, weaker: Selection, reported: bool) -> None:
    assert stronger.over(weaker).reports("NNX101") is reported


@pytest.mark.parametrize(
    ("stronger", "weaker", "runs"),
    [
        (("NNX2",), ("NNX1",), False),
        (("NNX1",), ("NNX2",), True),
        ((), ("NNX2",), False),
        ((), ("NNX1",), True),
        # That our rules are wanted, beside others, does not say which.
        (("NNX",), ("NNX2",), False),
        (("E", "F", "NNX"), ("NNX2",), False),
        (("N",), ("NNX2",), False),
        (("NNX", "NNX101"), ("NNX2",), True),
        # flake8 reports nothing of ours then, so nothing of ours runs.
        (("E", "F"), ("NNX1",), False),
    ],
)
def test_select_over_another(
    stronger: tuple[str, ...], weaker: tuple[str, ...], runs: bool
) -> None:
    both = Selection(select=stronger).over(Selection(select=weaker))
    assert both.runs("NNX101", on=True) is runs


@pytest.fixture
def doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doors:
    """What flake8 and what ``nnx-mode check`` report of NET, with files and options."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)

    def both(*options: str, **files: str) -> tuple[list[str], list[str]]:
        for name, text in files.items():
            Path({"flake8": ".flake8"}.get(name, name.replace("_", "."))).write_text(text)
        flake8_main(["-j1", *options, "."])
        by_flake8 = capsys.readouterr().out
        done = CliRunner().invoke(main, ["check", "--format", "concise", *options, "."])
        assert done.exit_code in (0, 1), done.output
        return codes(by_flake8), codes(done.stdout)

    return both


def codes(report: str) -> list[str]:
    return [word for line in report.splitlines() for word in line.split() if word[:3] == "NNX"]


ON = ["NNX101", "NNX307"]
ALL = ["NNX212", "NNX101", "NNX307"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", ON),
        ("--select NNX", ON),
        ("--select NNX1", ["NNX101"]),
        ("--select NNX3,NNX212", ["NNX212", "NNX307"]),
        ("--extend-select NNX2", ALL),
        ("--ignore NNX", []),
        ("--ignore NNX1", ["NNX307"]),
        ("--select NNX --ignore NNX307", ["NNX101"]),
        ("--select NNX1 --ignore NNX1", []),
        ("--select NNX101 --ignore NNX1", ["NNX101"]),
        ("--extend-select NNX101 --ignore NNX1", ON),
        ("--per-file-ignores net.py:NNX1", ["NNX307"]),
        ("--per-file-ignores other.py:NNX1", ON),
        ("--per-file-ignores ./*.py:NNX3", ["NNX101"]),
        ("--select NNX101 --per-file-ignores net.py:NNX101", []),
        ("--select NNX101 --per-file-ignores net.py:NNX1", ["NNX101"]),
        ("--exclude net.py", []),
        ("--exclude ./net.py", []),
        ("--exclude n*.py,gone", []),
        ("--exclude net", ON),
        ("--isolated", ON),
    ],
)
def test_the_same_options_find_the_same(doors: Doors, options: str, found: list[str]) -> None:
    assert doors(*options.split()) == (found, found)


CONFIGS = {
    "select = NNX": ON,
    "select = E,F,NNX": ON,
    "select = N": ON,
    "select = NNX101,NNX212": ["NNX212", "NNX101"],
    "select = NNX\nextend-select = NNX212": ALL,
    "select = E\nextend-select = NNX3": ["NNX307"],
    "extend-select = NNX2": ALL,
    "ignore = NNX1": ["NNX307"],
    "ignore = N": [],
    "ignore = E501,W503": ON,
    "extend-ignore = NNX30,NNX101": [],
    "ignore = NNX1\nextend-select = NNX101": ON,
    "ignore = NNX101\nselect = NNX1": [],
    "select = NNX1\nignore = N": ["NNX101"],
    "nnx-opt-in = NNX212": ALL,
    "nnx-opt-in = NNX2\nselect = NNX": ALL,
    "nnx-opt-in = NNX2\nselect = NNX1": ["NNX101"],
    "nnx-opt-in = NNX212\nextend-ignore = NNX2": ON,
    "per-file-ignores = net.py:NNX1": ["NNX307"],
    "per-file-ignores =\n    net.py: E501,NNX1\n    *.py: NNX3": ["NNX307"],
    "per-file-ignores = net.py:NNX1 net.py:NNX3": ["NNX307"],  # flake8 takes the first
    "per-file-ignores = ./net.py:NNX3 *.py:NNX1": ["NNX101"],
    "per-file-ignores = net.py:N": [],
    "exclude = net.py": [],
    "exclude = ./net.py": [],
    "extend-exclude = n*.py": [],
    "exclude = other": ON,
}


@pytest.mark.parametrize("config", CONFIGS)
def test_flake8s_files_say_the_same_to_both(doors: Doors, config: str) -> None:
    found = CONFIGS[config]
    assert doors(flake8=f"[flake8]\n{config}\n") == (found, found)


def test_all_of_flake8s_files_are_read(doors: Doors) -> None:
    text = "[flake8]\nignore = NNX1\n"
    assert doors(flake8=text) == (["NNX307"], ["NNX307"])
    assert doors(tox_ini=text.replace("NNX1", "NNX3")) == (["NNX101"], ["NNX101"])
    assert doors(setup_cfg=text.replace("NNX1", "NNX")) == ([], [])  # it is the first looked for


@pytest.mark.parametrize(
    ("toml", "config", "found"),
    [
        ("select = ['NNX1']", "", ["NNX101"]),
        ("select = ['NNX1']", "select = E,NNX", ["NNX101"]),
        ("select = ['NNX1']", "select = NNX3", ["NNX307"]),
        ("select = ['NNX101', 'NNX212']", "", ["NNX212", "NNX101"]),
        ("select = ['NNX101']", "ignore = NNX1", []),
        ("select = ['NNX101']", "per-file-ignores = net.py:NNX1", []),
        ("select = ['NNX1']", "extend-select = NNX2", ["NNX212", "NNX101"]),
        ("ignore = ['NNX1']", "", ["NNX307"]),
        ("ignore = ['NNX1']", "extend-select = NNX101", ON),
        ("ignore = ['NNX101']", "select = NNX1", []),
        ("ignore = ['NNX1']", "select = NNX1", ["NNX101"]),
        ("opt-in = ['NNX212']", "", ALL),
        ("opt-in = ['NNX212']", "select = NNX1", ["NNX101"]),
        ("opt-in = ['NNX212']\nselect = ['NNX1']", "", ["NNX101"]),
        ("opt-in = ['NNX212']\nignore = ['NNX2']", "", ON),
        ("per-file-ignores = {'net.py' = ['NNX1']}", "", ["NNX307"]),
        ("per-file-ignores = {'net.py' = ['NNX1']}", "select = NNX1", []),
        ("per-file-ignores = {'./*.py' = ['NNX1'], '*.py' = ['NNX3']}", "", ["NNX307"]),
        ("exclude = ['net.py']", "", []),
        ("exclude = ['./net.py']", "", []),
        ("exclude = ['other']", "exclude = another", ON),
    ],
)
def test_pyproject_says_the_same_to_both(
    doors: Doors, toml: str, config: str, found: list[str]
) -> None:
    written = {"flake8": f"[flake8]\n{config}\n", "pyproject_toml": f"[tool.nnx-mode]\n{toml}\n"}
    assert doors(**written) == (found, found)


@pytest.mark.parametrize(
    ("config", "options", "by_flake8", "by_check"),
    [
        # A `select` that is not about us is about flake8's other plugins.
        ("select = E,F", "", [], ON),
        # What the command line ignores comes on top of what the file does.
        ("ignore = NNX1", "--ignore NNX3", ["NNX101"], []),
        ("per-file-ignores = net.py:NNX1", "--per-file-ignores net.py:NNX3", ["NNX101"], []),
        ("extend-select = NNX2", "--extend-select NNX3", ON, ALL),
        # What it selects wins over as long a prefix in the file.
        ("ignore = NNX1", "--select NNX1", [], ["NNX101"]),
        ("ignore = NNX101", "--extend-select NNX101", ["NNX307"], ON),
    ],
)
def test_where_they_differ(
    doors: Doors, config: str, options: str, by_flake8: list[str], by_check: list[str]
) -> None:
    found = doors(*options.split(), flake8=f"[flake8]\n{config}\n")
    assert found == (by_flake8, by_check)


def test_patterns_start_at_the_folder_of_their_file(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In flake8 those of per-file-ignores start at the working directory."""
    ignores = "[flake8]\nper-file-ignores = sub/net.py:NNX1\n"
    Path("sub").mkdir()
    Path("net.py").rename("sub/net.py")
    assert doors(tox_ini=ignores) == (["NNX307"], ["NNX307"])
    monkeypatch.chdir("sub")
    assert doors() == (ON, ["NNX307"])
    Path("../tox.ini").write_text("[flake8]\nexclude = sub/net.py\n")
    assert doors() == ([], [])


def words(selection: Selection) -> Sequence[str]:
    return [c for c in ("NNX101", "NNX102", "NNX201") if selection.reports(c)]


def test_three_sources_on_top_of_each_other() -> None:
    line = Selection(extend_select=("NNX101",))
    flake8 = Selection(ignore=("NNX10",))
    pyproject = Selection(select=("NNX1",), ignore=("NNX2",))
    assert words(DEFAULT.over(line).over(flake8).over(pyproject)) == ["NNX101"]
    assert words(line.over(flake8.over(pyproject))) == ["NNX101"]
