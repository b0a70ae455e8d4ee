"""What a user can set, and how it is read and checked; one table serves both sources."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

NEWEST_FLAX = (0, 12, 12)
TRAIN_FLAGS = frozenset({"train", "training", "is_training", "is_train"})
EVAL_FLAGS = frozenset({"deterministic", "use_running_average"})
CONFIRM = "confirm"
"""The table in [tool.nnx-mode] that says how to build and call; linting needs none of it."""
_CODE = re.compile(r"NNX[0-9]{0,3}\Z")


class SettingsError(Exception):
    """A setting that is unknown or has a bad value; the message says which and what to write."""


def _default_flags() -> Mapping[str, bool]:
    return dict.fromkeys(TRAIN_FLAGS, True) | dict.fromkeys(EVAL_FLAGS, False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; the defaults suit a project that uses flax.nnx plainly."""

    mode_flags: Mapping[str, bool] = field(default_factory=_default_flags)
    """Mode flag -> whether True means training."""
    module_bases: frozenset[str] = frozenset()
    """Full names of classes outside the project that are nnx modules."""
    markers: tuple[str, ...] = ("nnx",)
    """A file without any of these words is not looked at."""
    flax_version: tuple[int, ...] = NEWEST_FLAX
    """The flax that the code is for."""
    opt_in: tuple[str, ...] = ()
    """Codes, or beginnings of codes, of rules that are off by default."""
    project_root: Path | None = None
    """Where absolute imports start; None: the nearest folder with a pyproject.toml, or its like."""
    read_packages: frozenset[str] = frozenset()
    """Installed packages whose code is read as if it were the project's."""


def _words(values: Sequence[str]) -> tuple[str, ...]:
    if not values or not all(re.fullmatch(r"\S+", value) for value in values):
        raise ValueError("one or more words")
    return tuple(values)


def _names(values: Sequence[str]) -> frozenset[str]:
    if not all(all(p.isidentifier() for p in value.split(".")) for value in values):
        raise ValueError("dotted names, such as mylib.layers.Base")
    return frozenset(values)


def _mode_flags(values: Sequence[str]) -> Mapping[str, bool]:
    flags = dict(_default_flags())
    for value in values:
        name, _, meaning = value.partition(":")
        if not name.isidentifier() or meaning not in ("train", "eval", "off"):
            raise ValueError("name:train, name:eval or name:off, such as noisy:train")
        if meaning == "off":
            flags.pop(name, None)
        else:
            flags[name] = meaning == "train"
    return flags


def _flax_version(value: str) -> tuple[int, ...]:
    if value == "newest":
        return NEWEST_FLAX
    if value == "installed":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value = version("flax")
        except PackageNotFoundError:
            raise ValueError(
                "a version number, as `installed` needs flax in flake8's environment"
            ) from None
    match = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(?:a|b|rc|\.dev|\.post|\+).*)?", value)
    if match is None:
        raise ValueError("newest, installed, or a version such as 0.12.6")
    return tuple(int(part) for part in match.groups("0"))


def _codes(values: Sequence[str]) -> tuple[str, ...]:
    if not all(_CODE.match(value) for value in values):
        raise ValueError("codes, or beginnings of codes, such as NNX212")
    return tuple(values)


def _folder(value: str) -> Path | None:
    if not value:
        return None
    path = Path(value).absolute()
    if not path.is_dir():
        raise ValueError(f"a folder that exists; {path} does not")
    return path


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as users write it: ``--nnx-NAME`` for flake8, ``NAME`` in pyproject.toml."""

    name: str
    is_list: bool
    read: Callable[[Any], object]
    help: str

    @property
    def field(self) -> str:
        """Its name in ``Settings`` and, after ``nnx_``, among flake8's options."""
        return self.name.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option(
        "mode-flags",
        True,
        _mode_flags,
        "Further parameters that switch between training and evaluation, as name:train (True means"
        " training) or name:eval; name:off removes one.",
    ),
    Option(
        "module-bases",
        True,
        _names,
        "Full names of nnx module classes outside the project, such as mylib.Base.",
    ),
    Option("markers", True, _words, "Files without any of these words are not looked at."),
    Option(
        "flax-version",
        False,
        _flax_version,
        "The flax that the code is for: newest (default), installed, or a version.",
    ),
    Option("opt-in", True, _codes, "Rules that are off by default to switch on, such as NNX212."),
    Option(
        "project-root",
        False,
        _folder,
        "Where absolute imports of the project start; default: the nearest folder above a file"
        " with a pyproject.toml, setup.cfg, setup.py or .git.",
    ),
    Option(
        "read-packages",
        True,
        _names,
        "Installed packages to read as if they were part of the project.",
    ),
)
_BY_NAME = {option.name: option for option in OPTIONS}


def from_mapping(given: Mapping[str, object], where: str, base: Settings | None = None) -> Settings:
    """``base`` with the settings ``given`` by option name; ``where`` says where they stand.

    Raises:
        SettingsError: a name is unknown or a value is not of its option's form.
    """
    changes: dict[str, Any] = {}
    for name, value in given.items():
        option = _BY_NAME.get(name)
        if option is None:
            known = ", ".join(sorted(_BY_NAME))
            raise SettingsError(f"{where}: unknown setting {name!r}; known are {known}")
        of_strings = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
        if not (of_strings if option.is_list else isinstance(value, str)):
            wanted = "a list of strings" if option.is_list else "a string"
            raise SettingsError(f"{where}: {name} takes {wanted}, not {value!r}")
        try:
            changes[option.field] = option.read(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {name} takes {error}; not {value!r}") from None
    return replace(base or Settings(), **changes)


def _parse_toml(text: str) -> dict[str, object]:
    import tomllib  # most runs have nothing for it to read

    return tomllib.loads(text)


def nearest_table(start: Path) -> tuple[Path, dict[str, object]] | None:
    """The nearest pyproject.toml, in or above ``start``, with a [tool.nnx-mode] table, and that.

    Raises:
        SettingsError: the file is not TOML, or that is no table.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8")
            if "nnx-mode" not in text:
                continue
            table = _parse_toml(text)
        except ValueError as error:
            raise SettingsError(f"{file}: not valid TOML: {error}") from None
        except OSError as error:
            raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
        tool = table.get("tool")
        given = tool.get("nnx-mode") if isinstance(tool, dict) else None
        if given is None:
            continue
        if not isinstance(given, dict):
            raise SettingsError(f"{file}: [tool.nnx-mode] is not a table")
        return file, given
    return None


def from_pyproject(start: Path) -> Settings:
    """The settings in the nearest pyproject.toml, in or above ``start``, that has any.

    Raises:
        SettingsError: the file is not TOML, or a setting in it is wrong.
    """
    found = nearest_table(start)
    if found is None:
        return Settings()
    file, table = found
    given = {name: value for name, value in table.items() if name != CONFIRM}
    root = given.get("project-root")
    if isinstance(root, str) and root:
        given["project-root"] = str(file.parent / root)
    return from_mapping(given, f"{file}: [tool.nnx-mode]")


assert {option.field for option in OPTIONS} == {f.name for f in fields(Settings)}
