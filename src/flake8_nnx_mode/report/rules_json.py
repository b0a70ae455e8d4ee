"""What there is to know about rules, for programs; ``docs/rules.schema.json`` describes it."""

import json
from collections.abc import Iterable
from typing import TextIO

from flake8_nnx_mode.codes import OwnCode
from flake8_nnx_mode.rules import Entry, Rule


def write(entries: Iterable[Entry | OwnCode], file: TextIO) -> None:
    """Write a list to ``file``, with an object for each of ``entries``."""
    json.dump([_described(entry) for entry in entries], file, indent=2)
    file.write("\n")


def _described(entry: Entry | OwnCode) -> dict[str, object]:
    rule = entry if isinstance(entry, OwnCode) else entry.rule
    since = rule.since if isinstance(rule, Rule) else (0, 0)
    return {
        "code": entry.code,
        "name": entry.name,
        "on": rule.on,
        "fix": rule.fix,
        "oracle": rule.oracle if isinstance(rule, Rule) else None,
        "since": ".".join(map(str, since)) if since > (0, 0) else None,
        "summary": entry.summary,
        "documentation": entry.documentation,
        "bad": entry.bad.lstrip("\n") if isinstance(entry, Entry) else None,
        "good": entry.good.lstrip("\n") if isinstance(entry, Entry) else None,
    }
