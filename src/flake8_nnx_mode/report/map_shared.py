"""What the formats of ``nnx-mode map`` say alike."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from flake8_nnx_mode.facts.tree import Layer, LayerKind, Place, walk
from flake8_nnx_mode.report.wording import plural


def shown(path: Path) -> str:
    """``path``, relative to the working directory if it is inside."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def place(where: Place) -> str:
    """``path:line``."""
    return f"{shown(where.path)}:{where.start.line}"


def summary(models: Sequence[Layer]) -> str:
    """How much there is, in a line."""
    if not models:
        return "No models found."
    kinds = Counter(layer.kind for layer in walk(models))
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in get_args(LayerKind) if kinds[kind])
    found = sum(len(layer.findings) for layer in walk(models))
    how_many = f"{plural(len(models), 'model')}, {plural(kinds.total(), 'layer')}"
    return f"{how_many}: {counts}; {plural(found, 'finding')}."
