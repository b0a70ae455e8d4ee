"""Codes -> what is known of them."""

from functools import cache

from flake8_nnx_mode.codes import OWN, OwnCode
from flake8_nnx_mode.rules import Entry, registry


def known(code: str) -> Entry | OwnCode:
    """The rule that ``code`` stands for, or the linter's own code."""
    return _all()[code]


@cache
def _all() -> dict[str, Entry | OwnCode]:
    entries: tuple[Entry | OwnCode, ...] = (*OWN, *registry())
    return {entry.code: entry for entry in entries}
