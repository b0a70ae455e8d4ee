"""``python -m flake8_nnx_mode`` is ``nnx-mode``."""

from flake8_nnx_mode.cli.main import main

main(prog_name="nnx-mode")
