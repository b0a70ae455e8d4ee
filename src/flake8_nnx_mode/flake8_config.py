"""What flake8's own files (setup.cfg, tox.ini, .flake8) say to us, for commands without flake8."""

from collections.abc import Sequence
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flake8_nnx_mode.selection import Selection
from flake8_nnx_mode.settings import OPTIONS, SettingsError


@dataclass(frozen=True, slots=True)
class Flake8Config:
    """The part of a flake8 configuration that concerns this linter."""

    given: dict[str, object] = field(default_factory=dict)
    """Our own settings (``nnx-...``), by the name of the option."""
    selection: Selection = Selection()  # noqa: RUF009  # frozen
    exclude: tuple[str, ...] = ()
    """Anchored patterns."""
    where: str = "flake8's configuration"
    disable_noqa: bool = False


def read(config: Path | None = None) -> Flake8Config:
    """What flake8 would read when run from the working directory, or what ``config`` says.

    Raises:
        SettingsError: it cannot be read, or has a bad value.
    """
    from flake8.exceptions import ExecutionError
    from flake8.main.options import register_default_options
    from flake8.options.config import load_config, parse_config
    from flake8.options.manager import OptionManager

    from flake8_nnx_mode.flake8_plugin import Checker

    manager = OptionManager(version="", plugin_versions="", parents=[], formatter_names=[])
    register_default_options(manager)
    Checker.add_options(manager)
    where = str(config or "flake8's configuration")
    try:
        found, folder = load_config(str(config) if config else None, [])
        where = str(config or f"flake8's configuration in {folder}")
        values = parse_config(manager, found, folder)
        return _ours(values, folder, where)
    except (ExecutionError, ConfigParserError, ValueError) as error:
        raise SettingsError(f"{where}: {error}") from None


def _ours(values: dict[str, Any], folder: str, where: str) -> Flake8Config:
    from flake8.utils import normalize_path, parse_files_to_codes_mapping

    def codes(name: str) -> tuple[str, ...]:
        return _concerning_us(values.get(name) or ())

    # `select = E,F` says nothing of us; beside it, `extend-select = NNX3` says which of us.
    extend = codes("extend_select")
    select = codes("select") or (extend if values.get("select") else ())
    per_file = parse_files_to_codes_mapping(values.get("per_file_ignores") or "")
    return Flake8Config(
        given={o.name: values[f"nnx_{o.field}"] for o in OPTIONS if f"nnx_{o.field}" in values},
        selection=Selection(
            select=select,
            extend_select=extend,
            ignore=codes("ignore") + codes("extend_ignore"),
            per_file_ignores=tuple(
                (normalize_path(pattern, folder), _concerning_us(listed))
                for pattern, listed in per_file
            ),
        ),
        exclude=(*(values.get("exclude") or ()), *(values.get("extend_exclude") or ())),
        where=where,
        disable_noqa=bool(values.get("disable_noqa")),
    )


def _concerning_us(codes: Sequence[str]) -> tuple[str, ...]:
    """Those of ``codes`` that are, or may begin, codes of ours."""
    return tuple(code for code in codes if code.startswith("NNX") or "NNX".startswith(code))
