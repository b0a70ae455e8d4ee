"""``nnx-mode explain``: what there is to know about one rule, or some."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click

from flake8_nnx_mode.cli.options import format_option, words

if TYPE_CHECKING:
    from flake8_nnx_mode.codes import OwnCode
    from flake8_nnx_mode.rules import Entry


def _entries(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> "list[Entry | OwnCode]":
    """``("nnx101", "frozen-key")`` -> that rule, once."""
    from flake8_nnx_mode.codes import OWN
    from flake8_nnx_mode.engine import no_rule
    from flake8_nnx_mode.rules import registry

    every: tuple[Entry | OwnCode, ...] = (*OWN, *registry())
    known = {word: entry for entry in every for word in (entry.code, entry.name)}
    found: dict[str, Entry | OwnCode] = {}
    for value in words(ctx, param, values):
        entry = known.get(value.upper()) or known.get(value.lower())
        entries = [entry] if entry else [e for e in every if e.code.startswith(value.upper())]
        if not entries:
            raise click.BadParameter(no_rule(value, list(known)))
        found.update((entry.code, entry) for entry in entries)
    return list(found.values())


def _completions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from flake8_nnx_mode.rules import codes

    return [code for code in codes() if code.startswith(incomplete.upper())]


@click.command(short_help="Say all about a rule.")
@click.argument(
    "entries",
    metavar="CODE...",
    nargs=-1,
    required=True,
    callback=_entries,
    shell_complete=_completions,
)
@format_option("text", "json", what="For people or for programs.")
def explain(entries: "list[Entry | OwnCode]", form: Literal["text", "json"]) -> None:
    """Explain rules: what they find, why it is bad, how to mend it, with an example.

    CODE is the code of a rule or its name, such as NNX101 or frozen-key, or the beginning of codes.
    In a pipe or a file the text is Markdown.
    """
    if form == "json":
        from flake8_nnx_mode.report import rules_json

        rules_json.write(entries, sys.stdout)
    else:
        _show(entries)


def _show(entries: "Sequence[Entry | OwnCode]") -> None:
    from flake8_nnx_mode.report.rule_markdown import page
    from flake8_nnx_mode.report.terminal import console

    text = "\n".join(page(entry) for entry in entries)
    out = console(sys.stdout)
    if out.is_terminal:  # or FORCE_COLOR is set: raw Markdown has no colours
        from rich.markdown import Markdown

        out.print(Markdown(text), width=min(out.width, 100))
    else:
        click.echo(text, nl=False)
