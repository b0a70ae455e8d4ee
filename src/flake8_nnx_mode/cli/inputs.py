"""The files that a command is given: paths, folders, standard input."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from flake8_nnx_mode.files import Finder
    from flake8_nnx_mode.lint import Checked, Linter

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STDIN = Path("-")


@dataclass(frozen=True)
class Inputs:
    """What the command line says of them."""

    paths: tuple[Path, ...]
    stdin_filename: Path | None
    jobs: int | None
    """How many files to work on at a time; None: one for each processor."""

    @cached_property
    def stdin(self) -> bytes | None:
        """What comes from standard input, if it is one of the paths."""
        if _STDIN not in self.paths:
            return None
        # It may be closed from the start.
        return b"" if sys.stdin is None else click.open_file("-", "rb").read()

    @property
    def stdin_path(self) -> Path:
        """What standard input is called, and where its imports start."""
        return self.stdin_filename or _STDIN

    def checked(self, linter: "Linter", finder: "Finder") -> "Iterator[Checked]":
        """All files that are named, or below folders that are, checked.

        A folder that cannot be listed is one of them.
        """
        from flake8_nnx_mode import engine
        from flake8_nnx_mode.lint import Checked, check_all, processors

        named = [path for path in self.paths or (Path(),) if path != _STDIN]
        files = finder.files(named)
        for folder, error in finder.unlisted.items():
            yield Checked(folder, "", (engine.unread(error),))
        if self.stdin is not None:
            wanted = finder.files([self.stdin_path])
            nothing = Checked(self.stdin_path, "", ())
            yield linter.check(self.stdin_path, self.stdin) if wanted else nothing
        elif not files and not finder.unlisted:
            click.echo("warning: no Python files found under the given paths", err=True)
        yield from check_all(linter, files, self.jobs or processors())

    def is_stdin(self, path: Path) -> bool:
        """Whether ``path`` is what standard input is called."""
        return self.stdin is not None and path == self.stdin_path


def input_options(command: _Command) -> _Command:
    """Give ``command`` these options; it gets them as one argument, ``inputs``."""

    @wraps(command)
    def collected(
        *args: Any,
        paths: tuple[Path, ...],
        stdin_filename: Path | None,
        jobs: int | None,
        **given: Any,
    ) -> Any:
        if stdin_filename is not None and _STDIN not in paths:
            if paths:
                raise click.UsageError("--stdin-filename needs - among PATHS, standard input")
            paths = (_STDIN,)
        return command(*args, inputs=Inputs(paths, stdin_filename, jobs), **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected  # type: ignore[return-value]


_OPTIONS = (
    click.argument("paths", nargs=-1, type=click.Path(path_type=Path, readable=False)),
    click.option(
        "--stdin-filename",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="What to call standard input; imports are followed from there.",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many files to work on at a time.  [default: one for each processor]",
    ),
)
