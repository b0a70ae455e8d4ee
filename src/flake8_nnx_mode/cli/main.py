"""The command ``nnx-mode``: one verb a room, which imports what is dear only when it runs."""

import click

from flake8_nnx_mode import __version__
from flake8_nnx_mode.cli.confirm import confirm


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Find train/eval-mode and randomness mistakes in Flax NNX code."""


main.add_command(confirm)
