"""The command ``nnx-mode``: one verb a room, which imports what is dear only when it runs."""

import os
import sys
from typing import Any

import click

from flake8_nnx_mode.cli.check import check
from flake8_nnx_mode.cli.confirm import confirm
from flake8_nnx_mode.cli.explain import explain
from flake8_nnx_mode.cli.fix import fix
from flake8_nnx_mode.cli.map import map_
from flake8_nnx_mode.cli.options import version_option
from flake8_nnx_mode.cli.rules import rules

_INTERRUPTED = 130


class _Command(click.Group):
    """Ends as other tools do where nobody reads on, the disk is full, or Ctrl-C is pressed."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                if sys.stdout is not None:  # it may be closed from the start
                    sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            ctx.exit(0)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except click.FileError as error:
            error.show()
            ctx.exit(2)
        except OSError as error:
            _discard_output()
            click.echo(f"Error: the report cannot be written: {error.strerror}", err=True)
            ctx.exit(2)


def _discard_output() -> None:
    """Let the interpreter's own flush at the end succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"]})
@version_option
def main() -> None:
    """Find train/eval-mode and randomness mistakes in Flax NNX code."""


for verb in (check, fix, confirm, map_, explain, rules):
    main.add_command(verb)
