"""All rules at a glance, for people."""

from collections.abc import Iterable
from typing import TextIO

from rich.table import Table
from rich.text import Text

from flake8_nnx_mode.report.terminal import console
from flake8_nnx_mode.rules import Entry

_HEAD = ("code", "name", "on", "fix", "confirm", "what it finds")


def write(entries: Iterable[Entry], file: TextIO) -> None:
    """Write a table as wide as the terminal to ``file``; elsewhere a line a rule, unwrapped."""
    out = console(file)
    rows = [(_row(entry), "" if entry.rule.on else "dim") for entry in entries]
    # FORCE_COLOR asks for colours in a pipe, and not for lines that are cut.
    if file.isatty():
        table = Table(*_HEAD, box=None, pad_edge=False)
        for column in table.columns:
            column.overflow = "fold"
        for row, style in rows:
            table.add_row(*row, style=style)
        out.print(table)
    else:
        cells = [_HEAD, *(row for row, _ in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row, style in [(_HEAD, "bold"), *rows]:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            out.print(Text("  ".join(padded).rstrip(), style), soft_wrap=True)


def _row(entry: Entry) -> tuple[str, ...]:
    rule = entry.rule
    on, confirm = "on" if rule.on else "off", "yes" if rule.oracle else "no"
    return entry.code, entry.name, on, rule.fix or "-", confirm, entry.summary
