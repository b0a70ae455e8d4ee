"""A forward pass makes its key from constants.

## What it does
Reports a key or `nnx.Rngs` built from constants (`jax.random.key(0)`, `nnx.Rngs(0)`) that a
forward method consumes, or a compiled function that calls a module; and a key of the Python module
around it that is consumed there.

## Why it is bad
Every call sees the same noise: the same units are dropped at each training step, and the model
trains on one fixed mask. Nothing fails.

## How to fix
Keep a stream, `self.rngs = rngs.fork()`, and draw from it, `self.rngs.dropout()`; in a function,
take a key or an `nnx.Rngs` as an argument.

## When it stays silent
In methods of construction, `main` and tests; inside `eval_shape`; when the key serves an initial
carry, or is folded with something that varies; as the default where the caller gave none (NNX105);
on the branch for evaluation, and in functions that say `model.eval()`; where the numbers become
a Variable, or replace what has the wrong shape; for a seed that the object keeps; for `permutation`
and `orthogonal`; in methods named for it (`initialize_carry`, `evaluate`, `summary`, `export`,
`fixed_noise`).
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.keys import constant_keys
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(jax.random.key(0), x.shape)
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

MESSAGE = (
    "this key is the same at every call: the same noise, the same mask at each training step; take"
    " the key as an argument, or draw from a stream of the model (`self.rngs.dropout()`)"
)


def check(project: Project) -> Iterator[Report]:
    for found in constant_keys(project):
        if not found.fallback:
            yield Report(found.where, MESSAGE)


RULE = Rule(check, on=True, triggers=("key", "Key", "Rngs"), oracle="frozen-key")
