"""Prints what is known of each function of a file: the events of its run, as rules see them.

Run from the project's root::

    python tools/facts.py examples/views.py
"""

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from flake8_nnx_mode.facts.events import FunctionFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.book import Book


def described(facts: FunctionFacts) -> Iterator[str]:
    """A line for each thing that is known; nothing for what is empty."""
    for field in dataclasses.fields(facts):
        value = getattr(facts, field.name)
        if isinstance(value, list):
            yield from (f"  {field.name}: {each}" for each in value)
        elif value or field.name == "known":
            yield f"  {field.name}: {value}"


def main(path: Path) -> None:
    """Print the facts of a file."""
    project = Project(Book(path.absolute(), path.read_text(encoding="utf-8")), Settings())
    for module in project.modules:
        for name, function in module.outline.methods.items():
            print(f"{module.outline.qualname}.{name}", *described(module.facts(function)), sep="\n")
    outline = project.book.outline
    for function in (f for f in outline.functions if f.outer is outline.module):
        print(function.name, *described(project.facts(function, None)), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
