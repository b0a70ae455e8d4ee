"""What fixes change, as a unified diff."""

import difflib
from collections.abc import Iterator
from typing import IO

from rich.text import Text

from flake8_nnx_mode.fixes.mend import Mended
from flake8_nnx_mode.report.terminal import console
from flake8_nnx_mode.report.wording import one_line
from flake8_nnx_mode.syntax.text import LineTable

_COLOURS = {"-": "red", "+": "green", "@": "cyan"}


def write(mended: Mended, file: IO[str]) -> None:
    """Write to ``file``; ``patch`` can apply it, if it was not for a terminal."""
    terminal = console(file)
    if not terminal.is_terminal:
        file.writelines(_lines(mended))
        return
    for line in _lines(mended):
        colour = "bold" if line[:3] in ("---", "+++") else _COLOURS.get(line[0], "")
        terminal.print(Text(one_line(line.rstrip("\r\n").expandtabs(4)), colour), soft_wrap=True)


def _lines(mended: Mended) -> Iterator[str]:
    before, after = (
        [line for line in LineTable(text).all() if line] for text in (mended.before, mended.after)
    )
    path = one_line(str(mended.path))
    for line in difflib.unified_diff(before, after, path, path):
        if line.endswith("\n"):
            yield line
        else:
            yield line + ("\n" if line.endswith("\r") else "\n\\ No newline at end of file\n")
