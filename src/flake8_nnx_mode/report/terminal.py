"""What all formats for people share."""

from typing import IO

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the command decide what a closed pipe means; rich would exit."""
        raise  # the BrokenPipeError that is being handled


def console(file: IO[str]) -> Console:
    """What writes to ``file``: coloured on a terminal, unless NO_COLOR says otherwise."""
    return _Console(file=file, highlight=False, markup=False, emoji=False)
