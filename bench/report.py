"""What was measured: printed as it comes, and kept as the tables of docs/speed.md."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import date

from samples import ROOT

PAGE = ROOT / "docs" / "speed.md"


class Table:
    """One table of the page; its rows are printed at once."""

    def __init__(self, title: str, columns: Sequence[str]) -> None:
        self.title = title
        self._rows: list[Sequence[str]] = [columns]
        print(f"\n{title}")
        self._print(columns)

    def add(self, *cells: str) -> None:
        """One more row, with a cell for each column."""
        self._rows.append(cells)
        self._print(cells)

    def _print(self, cells: Sequence[str]) -> None:
        print(f"{cells[0]:42}", *(f"{cell:>22}" for cell in cells[1:]), flush=True)

    def markdown(self) -> str:
        """The table as the page has it."""
        head, *rows = ("| " + " | ".join(row) + " |" for row in self._rows)
        rule = "|---|" + "---:|" * (len(self._rows[0]) - 1)
        return "\n".join((f"**{self.title}**", "", head, rule, *rows, ""))


def machine() -> str:
    """What the numbers were measured on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return (
        f"Measured on {date.today()}: {python}, {platform.system()} {platform.machine()},"
        f" {os.cpu_count()} processors, load {load:.1f} when it began."
    )


def write(part: str, begun: str, tables: Sequence[Table]) -> None:
    """Put what was measured where the page has it."""
    page = PAGE.read_text(encoding="utf-8")
    text = "\n".join((begun, "", *(table.markdown() for table in tables)))
    place = re.compile(rf"(<!-- measured: {part} -->\n).*?(<!-- end -->\n)", re.S)
    page, count = place.subn(lambda m: f"{m[1]}\n{text}\n{m[2]}", page)
    if not count:
        sys.exit(f"{PAGE}: there is no place for `{part}` in it")
    PAGE.write_text(page, encoding="utf-8")
