"""Options that the commands share: what to lint, by which rules, with which settings."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flake8_nnx_mode import __version__
from flake8_nnx_mode.codes import UNUSED_NOQA
from flake8_nnx_mode.selection import EVERYTHING, Selection
from flake8_nnx_mode.settings import OPTIONS, SettingsError

if TYPE_CHECKING:
    from flake8_nnx_mode.engine import FolderSettings
    from flake8_nnx_mode.files import Finder
    from flake8_nnx_mode.flake8_config import Flake8Config
    from flake8_nnx_mode.lint import Linter

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COMMAND_LINE = "the command line"


class ConfigError(click.ClickException):
    """Something that was read is wrong, not how the command was called."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class LintOptions:
    """What was given on the command line, under the names of the options."""

    select: tuple[str, ...]
    extend_select: tuple[str, ...]
    ignore: tuple[str, ...]
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...]
    exclude: tuple[str, ...]
    force_exclude: bool
    respect_gitignore: bool
    disable_noqa: bool
    config: Path | None
    isolated: bool
    settings: Mapping[str, object]

    def tools(self, *, unused_noqa: bool = False) -> "tuple[Linter, Finder]":
        """What lints and what finds files, as the options and the configuration files say.

        Raises:
            ConfigError: one of them is wrong.
        """
        from flake8_nnx_mode.files import Finder
        from flake8_nnx_mode.lint import Linter

        try:
            flake8, settings = self._configured()
            settings.of(Path.cwd())  # what is wrong with it is said once, and first
        except SettingsError as error:
            raise ConfigError(str(error)) from None
        extended = (*self.extend_select, *([UNUSED_NOQA.code] if unused_noqa else []))
        given = Selection(self.select, extended, self.ignore, self.per_file_ignores)
        linter = Linter(
            settings,
            (given, flake8.selection),
            noqa=not (self.disable_noqa or flake8.disable_noqa),
        )
        finder = Finder(
            settings,
            self.exclude + flake8.exclude,
            gitignore=self.respect_gitignore,
            force_exclude=self.force_exclude,
        )
        return linter, finder

    def _configured(self) -> "tuple[Flake8Config, FolderSettings]":
        from flake8_nnx_mode import flake8_config
        from flake8_nnx_mode.engine import FolderSettings

        toml = self.config is not None and self.config.suffix == ".toml"
        if self.isolated or toml:
            flake8 = flake8_config.Flake8Config()
        else:
            flake8 = flake8_config.read(self.config)
        where = f"{_COMMAND_LINE} or {flake8.where}" if flake8.given else _COMMAND_LINE
        settings = FolderSettings(
            {**flake8.given, **self.settings},
            where,
            config=self.config if toml else None,
            isolated=self.isolated or (self.config is not None and not toml),
        )
        return flake8, settings


def lint_options(command: _Command) -> _Command:
    """Give ``command`` these options; it gets them as one argument, ``options``."""
    own = [field.name for field in fields(LintOptions) if field.name != "settings"]

    @wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        settings = {
            option.name: value
            for option in _SETTINGS
            if (value := given.pop(option.field)) not in (None, ())
        }
        values = {name: given.pop(name) for name in own}
        return command(*args, options=LintOptions(**values, settings=settings), **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected  # type: ignore[return-value]


output_option = click.option(
    "-o",
    "--output-file",
    "output",
    type=click.File("w", encoding="utf-8", errors="backslashreplace", lazy=True),
    default="-",
    help="Where to write the report.  [default: standard output]",
)


def format_option(*forms: str, what: str) -> Callable[[_Command], _Command]:
    """``--format``, by default the first of ``forms``; the command gets it as ``form``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help=what,
    )


version_option = click.version_option(__version__, message="nnx-mode %(version)s")


def words(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """``("a,b", "c")`` -> the three."""
    return tuple(word for value in values for word in re.split(r"[\s,]+", value) if word)


def _codes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    return _checked(words(ctx, param, values))


def _checked(given: Sequence[str]) -> tuple[str, ...]:
    """Codes and names of rules as codes; ``ALL`` is all of them."""
    from flake8_nnx_mode.engine import check_prefixes

    codes = [code for word in given for code in _as_codes(word)]
    try:
        check_prefixes(codes, "codes")
    except SettingsError as error:
        raise click.BadParameter(str(error)) from None
    return tuple(codes)


def _as_codes(word: str) -> tuple[str, ...]:
    if word.upper() == "ALL":
        return EVERYTHING.extend_select
    if word.upper().startswith("N") and "-" not in word:
        return (word.upper(),)
    from flake8_nnx_mode.rules import names

    return (names().get(word.lower(), word),)


def _anchored(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    from flake8_nnx_mode.patterns import anchored

    return anchored(words(ctx, param, values), Path.cwd())


def _per_file(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not values:
        return ()
    from flake8.exceptions import ExecutionError
    from flake8.utils import parse_files_to_codes_mapping

    from flake8_nnx_mode.patterns import anchored

    try:
        pairs = parse_files_to_codes_mapping(list(values))
    except ExecutionError:
        pairs = []
    if not pairs:
        given = " ".join(values)
        raise click.BadParameter(f"{given!r} is not PATTERN:CODES, such as tests/*:NNX206,NNX207")
    return tuple(
        (pattern, _checked(codes))
        for said, codes in pairs
        for pattern in anchored([said], Path.cwd())
    )


_SETTINGS = [option for option in OPTIONS if not option.is_flake8s and option.name != "opt-in"]
_OPTIONS = (
    click.option(
        "--select",
        multiple=True,
        metavar="CODES",
        callback=_codes,
        help="Only rules with these codes, or beginnings of codes; comma-separated.",
    ),
    click.option(
        "--extend-select",
        multiple=True,
        metavar="CODES",
        callback=_codes,
        help="These rules too, such as ones that are off by default.",
    ),
    click.option(
        "--ignore", multiple=True, metavar="CODES", callback=_codes, help="Not these rules."
    ),
    click.option(
        "--per-file-ignores",
        multiple=True,
        metavar="PATTERN:CODES",
        callback=_per_file,
        help="Not these rules in the files that match.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERNS",
        callback=_anchored,
        help="Files and folders to leave out, besides what is hidden, installed or built.",
    ),
    click.option(
        "--force-exclude", is_flag=True, help="Leave them out even where they are named as PATHS."
    ),
    click.option(
        "--respect-gitignore/--no-respect-gitignore",
        default=True,
        show_default=True,
        help="Leave out what git ignores.",
    ),
    click.option("--disable-noqa", is_flag=True, help="Report despite `# noqa` comments."),
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read this file only: a TOML file with [tool.nnx-mode], or one of flake8's.",
    ),
    click.option("--isolated", is_flag=True, help="Read no configuration files."),
    *(
        click.option(
            f"--{option.name}",
            option.field,
            multiple=option.is_list,
            callback=words if option.is_list else None,
            metavar="WORDS" if option.is_list else "WORD",
            help=option.help,
        )
        for option in _SETTINGS
    ),
)
