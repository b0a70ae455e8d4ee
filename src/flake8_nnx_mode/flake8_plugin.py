"""The flake8 door: options in, findings out. It imports no libcst and no jax."""

import argparse
import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from flake8_nnx_mode import __version__, engine
from flake8_nnx_mode.codes import NOT_ANALYSED
from flake8_nnx_mode.patterns import matches
from flake8_nnx_mode.selection import DEFAULT, Selection
from flake8_nnx_mode.settings import OPTIONS, SettingsError

if TYPE_CHECKING:
    from flake8.options.manager import OptionManager


_OWN = [option for option in OPTIONS if not option.is_flake8s]


class Checker:
    """What flake8 makes for each file."""

    name = "flake8-nnx-mode"
    version = __version__
    _settings: ClassVar[engine.FolderSettings] = engine.FolderSettings({}, "")
    _selection: ClassVar[Selection] = DEFAULT

    def __init__(self, tree: ast.Module, lines: Sequence[str], filename: str) -> None:
        self._tree = tree
        self._lines = lines
        self._path = Path(filename).absolute()

    @classmethod
    def add_options(cls, manager: "OptionManager") -> None:
        """Register ``--nnx-...``, for the command line and flake8's configuration files."""
        for option in _OWN:
            manager.add_option(
                f"--nnx-{option.name}",
                parse_from_config=True,
                comma_separated_list=option.is_list,
                help=option.help,
            )

    @classmethod
    def parse_options(cls, options: argparse.Namespace) -> None:
        """Take over what was given; workers that are spawned run it again.

        Raises:
            flake8.exceptions.ExecutionError: a setting is wrong. flake8 prints that and stops.
        """
        given = {option.name: getattr(options, f"nnx_{option.field}") for option in _OWN}
        given = {name: value for name, value in given.items() if value not in (None, [])}
        cls._settings = engine.FolderSettings(given, "flake8 options --nnx-...")
        cls._selection = Selection(
            select=tuple(options.select or ()),
            extend_select=tuple(options.extend_select or ()),
            ignore=(*(options.ignore or ()), *(options.extend_ignore or ())),
        )
        try:
            cls._settings.of(Path.cwd())
        except SettingsError as error:
            from flake8.exceptions import ExecutionError

            raise ExecutionError(str(error)) from None

    def run(self) -> Iterator[tuple[int, int, str, type[Any]]]:
        """Yield (line, column, text, type) for each finding; columns count from 0."""
        try:
            settings = self._settings.of(self._path.parent)
        except SettingsError as error:
            yield 1, 0, f"{NOT_ANALYSED.code} {error}", type(self)
            return
        if matches(self._path, settings.exclude):
            return
        text = "".join(self._lines)
        for finding in engine.check(self._path, text, settings, self._selection, self._tree):
            start = finding.span.start
            yield start.line, start.column, f"{finding.code} {finding.message}", type(self)
