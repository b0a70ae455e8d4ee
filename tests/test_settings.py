"""Settings: what is read, and what a user is told when it is wrong."""

from pathlib import Path

import pytest

from conftest import lint
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
