"""Settings: what is read, and what a user is told when it is wrong."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import lint
from flake8_nnx_mode.cli.main import main
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.settings import (
    NEWEST_FLAX,
    OPTIONS,
    Settings,
    SettingsError,
    from_mapping,
    from_table,
    nearest_table,
)


def test_defaults() -> None:
    settings = Settings()
    assert settings.mode_flags == {
        "train": True,
        "training": True,
        "is_training": True,
        "is_train": True,
        "deterministic": False,
        "use_running_average": False,
    }
    assert settings.flax_version == NEWEST_FLAX
    assert settings.markers == ("nnx",)


def test_everything_at_once(tmp_path: Path) -> None:
    settings = from_mapping(
        {
            "mode-flags": ["noisy:train", "frozen:eval", "is_train:off"],
            "module-bases": ["mylib.Base"],
            "markers": ["nnx", "mylib"],
            "flax-version": "0.12.4",
            "opt-in": ["NNX212", "NNX3"],
            "project-root": str(tmp_path),
            "read-packages": ["mylib"],
            "select": ["NNX", "NNX101"],
            "ignore": [],
            "per-file-ignores": {"tests/*": ["NNX206"], "x.py": ["NNX", "NNX000"]},
            "exclude": ["gen", "*/any thing"],
        },
        "here",
    )
    assert settings.mode_flags["noisy"] is True
    assert settings.mode_flags["frozen"] is False
    assert "is_train" not in settings.mode_flags
    assert settings.module_bases == {"mylib.Base"}
    assert settings.markers == ("nnx", "mylib")
    assert settings.flax_version == (0, 12, 4)
    assert settings.opt_in == ("NNX212", "NNX3")
    assert settings.project_root == tmp_path
    assert settings.read_packages == {"mylib"}
    assert settings.select == ("NNX", "NNX101")
    assert settings.ignore == ()
    assert settings.per_file_ignores == (("tests/*", ("NNX206",)), ("x.py", ("NNX", "NNX000")))
    assert settings.exclude == ("gen", "*/any thing")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("mode-flag", [], "unknown setting 'mode-flag'; known are exclude, flax-version, "),
        ("mode-flags", ["a b:train"], "name:train, name:eval or name:off"),
        ("mode-flags", ["train:maybe"], "name:train, name:eval or name:off"),
        ("mode-flags", "train:eval", "a list of strings, not 'train:eval'"),
        ("module-bases", ["a-b"], "dotted names"),
        ("markers", [], "one or more words"),
        ("markers", [1], "a list of strings"),
        ("flax-version", "twelve", "newest, installed, or a version such as 0.12.6"),
        ("flax-version", "0.12.x", "newest, installed, or a version such as 0.12.6"),
        ("flax-version", 0.12, "a string, not 0.12"),
        ("opt-in", ["NNX0001"], "codes, or beginnings of codes"),
        ("project-root", "/no/such/folder", "a folder that exists; /no/such/folder does not"),
        ("read-packages", ["1x"], "dotted names"),
        ("select", "NNX1", "a list of strings, not 'NNX1'"),
        ("select", ["E501"], "codes, or beginnings of codes, such as NNX212; not ['E501']"),
        ("select", ["nnx101"], "codes, or beginnings of codes"),
        ("ignore", [101], "a list of strings, not [101]"),
        ("ignore", ["NNX101,NNX102"], "codes, or beginnings of codes"),
        ("ignore", {"NNX101": []}, "a list of strings"),
        (
            "per-file-ignores",
            ["net.py:NNX101"],
            "a table of lists of strings, not ['net.py:NNX101']",
        ),
        ("per-file-ignores", {"net.py": "NNX101"}, "a table of lists of strings"),
        ("per-file-ignores", {"net.py": ["N801"]}, "codes, or beginnings of codes"),
        ("exclude", "gen", "a list of strings, not 'gen'"),
        ("exclude", [["gen"]], "a list of strings"),
        ("per_file_ignores", {}, "unknown setting 'per_file_ignores'; known are "),
    ],
)
def test_what_is_wrong_is_said(name: str, value: object, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_mapping({name: value}, "setup.cfg")
    assert str(error.value).startswith("setup.cfg: ")
    assert says in str(error.value)


def test_installed_flax() -> None:
    from importlib.metadata import version

    settings = from_mapping({"flax-version": "installed"}, "here")
    assert ".".join(map(str, settings.flax_version)) == version("flax")


def test_the_nearest_pyproject_that_has_settings(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.nnx-mode]\nopt-in = ['NNX2']\nproject-root = 'a'\n"
    )
    (inner / "pyproject.toml").write_text("[tool.ruff]\n")
    settings = from_table(nearest_table(inner))
    assert settings.opt_in == ("NNX2",)
    assert settings.project_root == tmp_path / "a"


def test_old_flax_silences_what_came_later() -> None:
    text = "from flax import nnx\nclass A(nnx.Module):\n    def set_view(self, a): self.a = a\n"
    assert [f.code for f in lint(text)] == ["NNX305", "NNX301"]
    assert lint(text, settings=Settings(flax_version=(0, 12, 4))) == []


def test_own_mode_flags_are_understood() -> None:
    text = """
from flax import nnx
class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
    def __call__(self, x, noisy):
        return self.dropout(x)
"""
    assert [f.code for f in lint(text)] == ["NNX212"]
    settings = from_mapping({"mode-flags": ["noisy:train"]}, "here")
    (finding,) = lint(text, settings=settings)
    assert finding.code == "NNX201"
    assert "add `deterministic=not noisy`" in finding.message


def test_every_option_has_help() -> None:
    assert all(option.help.endswith(".") for option in OPTIONS)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("select", ["NNX9"], "here: select: there is no rule NNX9; "),
        ("select", ["NNX", "NNX999"], "select: there is no rule NNX999"),
        ("ignore", ["NNX199"], "ignore: there is no rule NNX199"),
        ("opt-in", ["NNX5"], "opt-in: there is no rule NNX5"),
        ("per-file-ignores", {"x.py": ["NNX1", "NNX5"]}, "ignore: there is no rule NNX5"),
    ],
)
def test_codes_that_there_are_not(name: str, value: object, says: str) -> None:
    with pytest.raises(SettingsError) as error:
        FolderSettings({name: value}, "here").of(Path("/nowhere"))
    assert says in str(error.value)


def test_what_could_not_be_analysed_has_a_code_too() -> None:
    settings = FolderSettings({"ignore": ["NNX000", "NNX0"]}, "here").of(Path("/nowhere"))
    assert settings.ignore == ("NNX000", "NNX0")


def test_patterns_start_at_the_folder_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.nnx-mode]\n"
        "exclude = ['gen', 'a/b', './c', '../d', 'e/', '/f/*', '*.py']\n"
        "per-file-ignores = {'x.py' = ['NNX1'], 'tests/*' = ['NNX2']}\n"
    )
    inner = tmp_path / "pkg"
    inner.mkdir()
    settings = FolderSettings({}, "here").of(inner)
    root = str(tmp_path)
    assert settings.exclude == (
        *("gen", f"{root}/a/b", f"{root}/c", f"{os.path.dirname(root)}/d", f"{root}/e", "/f/*"),
        "*.py",
    )
    assert settings.per_file_ignores == (("x.py", ("NNX1",)), (f"{root}/tests/*", ("NNX2",)))


def test_each_folder_has_its_own(tmp_path: Path) -> None:
    for name in ("a", "b", "b/c"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.nnx-mode]\nselect = ['NNX1']\n")
    (tmp_path / "b" / "pyproject.toml").write_text("[tool.nnx-mode]\nignore = ['NNX2']\n")
    settings = FolderSettings({"flax-version": "0.12.4"}, "here")
    for name, select, ignore in (("a", ("NNX1",), ()), ("b/c", (), ("NNX2",))):
        found = settings.of(tmp_path / name)
        assert (found.select, found.ignore, found.flax_version) == (select, ignore, (0, 12, 4))
    assert settings.of(tmp_path / "b" / ".." / "a").select == ("NNX1",)
    assert FolderSettings({}, "here", isolated=True).of(tmp_path / "a") == Settings()


NET = "from flax import nnx\nmodel = nnx.Dropout(0.5)\nnnx.view(model, deterministic=True)\n"
"""One NNX307."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file that .flake8 silences, and one that pyproject.toml does."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "net.py").write_text(NET)
    (tmp_path / "src" / "old.py").write_text(NET)
    (tmp_path / ".flake8").write_text("[flake8]\nper-file-ignores = src/o*:NNX3\n")
    (tmp_path / "pyproject.toml").write_text("[tool.nnx-mode]\nexclude = ['src/net.py']\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(*options: object) -> Result:
    return CliRunner().invoke(main, ["check", "--format=concise", *map(str, options)])


def found(*options: object) -> list[str]:
    """The names of the files with findings."""
    lines = check(*options).stdout.splitlines()
    return [Path(line.partition(":")[0]).name for line in lines if "NNX" in line]


def test_config_and_isolated(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "none.toml").write_text("[tool.nnx-mode]\n")
    (elsewhere / "ignores.toml").write_text("[tool.nnx-mode]\nignore = ['NNX3']\n")
    (elsewhere / "cfg.ini").write_text("[flake8]\nexclude = o*\n")
    (elsewhere / "empty.cfg").write_text("")
    (project / "mine.toml").write_text(
        "[tool.nnx-mode]\nper-file-ignores = {'src/net.py' = ['NNX307']}\n"
    )
    both = ["net.py", "old.py"]
    assert found() == []
    assert found("--isolated") == both
    assert found("--isolated", "--exclude", "o*") == ["net.py"]
    assert found("--config", elsewhere / "none.toml") == both
    assert found("--config", elsewhere / "ignores.toml") == []
    assert found("--config", elsewhere / "cfg.ini") == ["net.py"]
    assert found("--config", elsewhere / "empty.cfg") == both
    assert found("--config", ".flake8") == ["net.py"]
    assert found("--config", "pyproject.toml") == ["old.py"]
    assert found("--config", "mine.toml") == ["old.py"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("gone.toml", None, "File 'gone.toml' does not exist"),
        ("gone.cfg", None, "File 'gone.cfg' does not exist"),
        ("other.toml", "[tool.ruff]\n", "other.toml: there is no [tool.nnx-mode] table in it"),
        ("bad.toml", "# nnx-mode\n[tool", "bad.toml: not valid TOML"),
        ("odd.toml", "[tool.nnx-mode]\nselects = []\n", "unknown setting 'selects'"),
        ("bad.cfg", "[flake8\n", "bad.cfg: "),
        ("twice.cfg", "[flake8]\nignore = E1\nignore = E2\n", "twice.cfg: "),
        ("odd.cfg", "[flake8]\nmax-line-length = wide\n", "odd.cfg: invalid literal for int()"),
        (
            "ours.cfg",
            "[flake8]\nnnx-markers =\n  a b\nnnx-flax-version = x\n",
            "flax-version takes",
        ),
        ("codes.cfg", "[flake8]\nignore = NNX101 # why\n", "codes.cfg: "),
        (
            "per.cfg",
            "[flake8]\nper-file-ignores = net.py\n",
            "per.cfg: Expected `per-file-ignores`",
        ),
        ("latin.cfg", "[flake8]\n# \xe9\n", "latin.cfg: "),
    ],
)
def test_a_bad_config_is_one_clear_error(
    project: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (project / name).write_text(text, encoding="latin-1")
    done = check("--config", name)
    assert says in done.stderr
    assert (done.stdout, done.exit_code) == ("", 2)
    assert isinstance(done.exception, SystemExit)
