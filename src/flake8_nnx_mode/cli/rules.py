"""``nnx-mode rules``: all of them at a glance."""

import sys
from typing import Literal

import click

from flake8_nnx_mode.cli.options import format_option


@click.command(short_help="List the rules.")
@format_option("text", "json", what="For people or for programs.")
def rules(form: Literal["text", "json"]) -> None:
    """List the rules: what each finds, and what can be done about it.

    Columns: code and name; whether it is on by default; whether its fixes are safe or unsafe, if it
    offers any; whether `nnx-mode confirm` can show on JAX what it finds.
    """
    from flake8_nnx_mode.report import rules_json, rules_text
    from flake8_nnx_mode.rules import registry

    (rules_json if form == "json" else rules_text).write(registry(), sys.stdout)
