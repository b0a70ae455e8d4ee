"""What a user can set, and how it is read and checked; one table serves both sources."""

import os.path
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from flake8_nnx_mode.patterns import anchored
from flake8_nnx_mode.selection import Selection

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
    select: tuple[str, ...] = ()
    """Codes, or beginnings of codes, of the rules to run; empty: all that are on."""
    ignore: tuple[str, ...] = ()
    """Codes, or beginnings of codes, that are not reported."""
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Anchored patterns, and what is not reported in the files that they match."""
    exclude: tuple[str, ...] = ()
    """Anchored patterns of files and folders that are left out."""

    @property
    def selection(self) -> Selection:
        """Which rules the project wants, of those that are on."""
        return Selection(self.select, (), self.ignore, self.per_file_ignores)


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


def _codes_by_pattern(
    value: Mapping[str, Sequence[str]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((pattern, _codes(codes)) for pattern, codes in value.items())


def _folder(value: str) -> Path | None:
    if not value:
        return None
    path = Path(value).absolute()
    if not path.is_dir():
        raise ValueError(f"a folder that exists; {path} does not")
    return path


@dataclass(frozen=True, slots=True)
class Option:
    """One setting as users write it: ``NAME`` in pyproject.toml, ``--nnx-NAME`` for flake8."""

    name: str
    kind: Literal["a string", "a list of strings", "a table of lists of strings"]
    read: Callable[[Any], object]
    help: str
    is_flake8s: bool = False
    """Whether flake8 and the commands have an option of their own for it, which comes on top."""

    @property
    def is_list(self) -> bool:
        """Whether it takes several words."""
        return self.kind == "a list of strings"

    @property
    def field(self) -> str:
        """Its name in ``Settings`` and, after ``nnx_``, among flake8's options."""
        return self.name.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option(
        "mode-flags",
        "a list of strings",
        _mode_flags,
        "Further parameters that switch between training and evaluation, as name:train (True means"
        " training) or name:eval; name:off removes one.",
    ),
    Option(
        "module-bases",
        "a list of strings",
        _names,
        "Full names of nnx module classes outside the project, such as mylib.Base.",
    ),
    Option(
        "markers",
        "a list of strings",
        _words,
        "Files without any of these words are not looked at.",
    ),
    Option(
        "flax-version",
        "a string",
        _flax_version,
        "The flax that the code is for: newest (default), installed, or a version. Rules about"
        " later ones stay silent.",
    ),
    Option(
        "opt-in",
        "a list of strings",
        _codes,
        "Rules that are off by default to switch on, such as NNX212.",
    ),
    Option(
        "project-root",
        "a string",
        _folder,
        "Where absolute imports of the project start; default: the nearest folder above a file"
        " with a pyproject.toml, setup.cfg, setup.py or .git, and src in it.",
    ),
    Option(
        "read-packages",
        "a list of strings",
        _names,
        "Installed packages to read as if they were part of the project.",
    ),
    Option("select", "a list of strings", _codes, "Run only these rules.", True),
    Option("ignore", "a list of strings", _codes, "Report nothing of these rules.", True),
    Option(
        "per-file-ignores",
        "a table of lists of strings",
        _codes_by_pattern,
        "Patterns of files, and what not to report in them.",
        True,
    ),
    Option(
        "exclude", "a list of strings", tuple, "Patterns of files and folders to leave out.", True
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
        if not _is_of_kind(option.kind, value):
            raise SettingsError(f"{where}: {name} takes {option.kind}, not {value!r}")
        try:
            changes[option.field] = option.read(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {name} takes {error}; not {value!r}") from None
    return replace(base or Settings(), **changes)


def _is_of_kind(kind: str, value: object) -> bool:
    if kind == "a string":
        return isinstance(value, str)
    if kind == "a list of strings":
        return isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
    return isinstance(value, dict) and all(
        _is_of_kind("a list of strings", codes) for codes in value.values()
    )


def _parse_toml(text: str) -> dict[str, object]:
    import tomllib  # most runs have nothing for it to read

    return tomllib.loads(text)


Table = tuple[Path, dict[str, object]]
"""A pyproject.toml, or its like, and the [tool.nnx-mode] table in it."""


def nearest_table(start: Path) -> Table | None:
    """The nearest pyproject.toml, in or above ``start``, with a [tool.nnx-mode] table.

    Raises:
        SettingsError: the file is not TOML, or that is no table.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if os.path.isfile(file):
            given = read_table(file)
            if given is not None:
                return file, given
    return None


def read_table(file: Path) -> dict[str, object] | None:
    """The [tool.nnx-mode] table of a TOML file; None if it has none.

    Raises:
        SettingsError: the file is not TOML, or that is no table.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        if "nnx-mode" not in text:
            return None
        table = _parse_toml(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    tool = table.get("tool")
    given = tool.get("nnx-mode") if isinstance(tool, dict) else None
    if given is not None and not isinstance(given, dict):
        raise SettingsError(f"{file}: [tool.nnx-mode] is not a table")
    return given


def from_table(found: Table | None) -> Settings:
    """The settings in a table; paths and patterns in it start at the folder of its file.

    Raises:
        SettingsError: a setting in it is wrong.
    """
    if found is None:
        return Settings()
    file, table = found
    given = {name: value for name, value in table.items() if name != CONFIRM}
    root = given.get("project-root")
    if isinstance(root, str) and root:
        given["project-root"] = str(file.parent / root)
    settings = from_mapping(given, f"{file}: [tool.nnx-mode]")
    if not (settings.exclude or settings.per_file_ignores):
        return settings
    return replace(
        settings,
        exclude=anchored(settings.exclude, file.parent),
        per_file_ignores=tuple(
            (pattern, codes)
            for said, codes in settings.per_file_ignores
            for pattern in anchored([said], file.parent)
        ),
    )


assert {option.field for option in OPTIONS} == {f.name for f in fields(Settings)}
