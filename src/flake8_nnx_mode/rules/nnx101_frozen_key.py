"""A random key is obtained once and used by every call.

## What it does
Reports a key that `__init__` draws from a stream, makes from a constant or is given, keeps on
`self`, and that a forward method hands to a sampler of `jax.random` or to another layer. Also the
raw key of a stream (`self.rngs.dropout.key.value`), which never advances.

## Why it is bad
Every call sees the same noise: the same units are dropped at each training step, and the model
trains on one fixed mask. Nothing fails, and the loss still falls.

## How to fix
Keep the stream instead of a key, `self.rngs = rngs.fork()`, and draw a key in the forward method,
`self.rngs.dropout()`.

## When it stays silent
When the attribute is assigned anew after construction, here, in a class it is related to
(`self.key, sub = jax.random.split(self.key)`) or from outside; when the key is folded with
something that varies between calls, or picked by it; when only methods of construction use it; for
`jax.random.permutation`, which is fixed on purpose as a rule; on the branch for evaluation; when
one of several possible values is not known to be a key.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.events import Consumption
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Key, each_guard
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.dropout()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.key, x.shape)
        return x
"""

GOOD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.dropout(), x.shape)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        if module.is_template:
            continue
        for function in module.forward_methods():
            if not project.may_consume_keys(function, module):
                continue
            for use in module.facts(function).consumptions:
                kept = [key for key in use.keys if key.attribute or key.origin == "raw"]
                frozen = kept and not any(key.varies for key in use.keys)
                if frozen and not _is_meant(module, use, kept[0]):
                    yield Report(use.anchor, _message(kept[0]))


def _is_meant(module: ClassFacts, use: Consumption, key: Key) -> bool:
    """Whether the same numbers each time are what the code is after."""
    if use.by == "permutation" or any(g.mode == "eval" for g in each_guard(use.guards)):
        return True
    advanced_by_hand = r"\.key(?:\.value|\[[^]]*\])\s*=(?!=)"
    return key.origin == "raw" and re.search(advanced_by_hand, module.book.text) is not None


def _message(key: Key) -> str:
    if key.origin == "raw":
        held = "the raw key of a stream never advances"
    elif key.origin == "drawn":
        held = f"`self.{key.attribute}` was drawn once, when the module was built"
    else:
        held = f"`self.{key.attribute}` holds one key from the time the module was built"
    return (
        f"{held}: every call gets the same noise; keep the stream (`self.rngs = rngs.fork()`) and"
        " draw a key in this method (`self.rngs.dropout()`)"
    )


RULE = Rule(check, on=True, triggers=("random", "rngs", "rng", "key"))
