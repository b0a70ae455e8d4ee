"""A constant key stands in where no stream was given.

## What it does
Reports a key or `nnx.Rngs` made from constants that a forward method falls back on
(`self.rngs.dropout() if self.rngs is not None else jax.random.key(0)`), and tests of the kind
`if "dropout" in self.rngs:`, which are false for `nnx.Rngs(0)`.

## Why it is bad
A model that was built without `rngs` trains, with the same noise at every call, instead of saying
that it needs them. The test for a stream is false although `rngs.dropout()` would work: the
default stream serves all names.

## How to fix
Require the `Rngs`, or raise where there is none. Ask `rngs is not None`, not for a name.

## When it stays silent
In methods of construction, `main` and tests; when the key serves an initial carry; when something
that varies is folded in.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.keys import constant_keys
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

_TESTS_STREAM = re.compile(r"""["']\w+["']\s+(?:not\s+)?in\b""")

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs | None = None):
        self.rngs = None if rngs is None else rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            key = self.rngs.noise() if self.rngs is not None else jax.random.key(0)
            return x + jax.random.normal(key, x.shape)
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
            return x + jax.random.normal(self.rngs.noise(), x.shape)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    for found in constant_keys(project):
        if found.fallback:
            yield Report(
                found.where,
                "where no other is given this key is the same at every call, and so is the noise;"
                " require the key or `Rngs`, or raise where there is none",
            )
    for module in project.modules:
        for function in module.forward_methods():
            if _TESTS_STREAM.search(module.book.text_of(function)) is None:
                continue
            facts = module.facts(function)
            if any(test.stream == "default" for test in facts.stream_tests) or any(
                draw.stream == "default" for draw in facts.draws
            ):
                continue  # it knows of the default stream
            for test in facts.stream_tests:
                yield Report(
                    test.anchor,
                    f'`"{test.stream}" in rngs` is False for `nnx.Rngs(0)`, although its default'
                    " stream serves all names: the stream is passed over in silence; draw from it"
                    " without asking",
                )


RULE = Rule(check, on=False, triggers=("key", "Key", "Rngs", " in "), oracle="constant-fallback")
