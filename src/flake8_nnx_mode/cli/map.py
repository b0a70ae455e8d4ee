"""``nnx-mode map``: the tree of a model, from its source alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

import click

from flake8_nnx_mode.cli.options import (
    ConfigError,
    LintOptions,
    format_option,
    lint_options,
    output_option,
)

if TYPE_CHECKING:
    from flake8_nnx_mode.facts.tree import Layer

Format = Literal["text", "json", "html"]


def _target(ctx: click.Context, param: click.Parameter, value: str) -> tuple[Path, str | None]:
    """``model.py:Net`` -> the file and the class; a path may have colons itself."""
    path, colon, name = value.rpartition(":")
    if colon and name.replace(".", "").isidentifier() and not Path(value).exists():
        return Path(path), name
    return Path(value), None


@click.command("map", short_help="Show the modes of a model.")
@click.argument("target", metavar="PATH[:CLASS]", callback=_target)
@format_option("text", "json", "html", what="As a tree, for programs, or as a page to look at.")
@output_option
@lint_options
def map_(
    target: tuple[Path, str | None], options: LintOptions, form: Format, output: TextIO
) -> None:
    """Show the layers of a model and what becomes of their modes, without running it.

    For each layer: its kind (stochastic, stateful, plain or unknown), its mode flags and whether
    each call hands them on, drops, fixes or inverts them, the streams that it draws from, what
    `nnx.view` can set on it, and what `check` reports there. Without CLASS, all models in the file
    that are not part of another one.

    Exit status: 0, or 2 if there is no such file or class.
    """
    from flake8_nnx_mode.maps import MapError, trees

    linter, _ = options.tools()
    try:
        models = trees(linter, *target)
    except MapError as error:
        raise ConfigError(str(error)) from None
    _write(models, form, output)
    output.flush()


def _write(models: "Sequence[Layer]", form: Format, output: TextIO) -> None:
    if form == "json":
        from flake8_nnx_mode.report import map_json

        map_json.write(models, output)
    elif form == "html":
        from flake8_nnx_mode.report import map_html

        map_html.write(models, output)
    else:
        from flake8_nnx_mode.report import map_text

        map_text.write(models, output)
