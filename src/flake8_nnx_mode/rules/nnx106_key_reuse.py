"""One key is consumed twice.

## What it does
Reports a key that is handed to two samplers of `jax.random`, to two layers or modules by `rngs=`
or `key=`, or to functions that draw from it, on one path through a function, without a `split` or
`fold_in` in between; and a key from outside a loop that is consumed in it without depending on the
round.

## Why it is bad
A key gives the same numbers each time: what should be independent noise is the same noise, the
same mask for each layer, the same sample in each round.

## How to fix
Split it first, `first, second = jax.random.split(key)`; in a loop `jax.random.fold_in(key, i)`, or
draw anew from a stream, `rngs.noise()`.

## When it stays silent
For uses on different branches, or under conditions that may exclude each other; for keys kept on
`self` (NNX101); when both uses permute or choose, which keeps arrays aligned; in tests and checks,
where equal noise is often the point; after `jax.random.clone`; where a key is handed to a function
or class that was not read, which may only keep it, or to one that folds something in; when the use
ends the loop.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.hints import may_reuse_keys
from flake8_nnx_mode.facts.keys import constant_keys
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if not train:
            return x
        key = self.rngs.noise()
        scale = jax.random.uniform(key, x.shape)
        return x * scale + jax.random.normal(key, x.shape)
"""

GOOD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if not train:
            return x
        scale = jax.random.uniform(self.rngs.noise(), x.shape)
        return x * scale + jax.random.normal(self.rngs.noise(), x.shape)
"""

AGAIN = (
    "this key was consumed before: the same numbers again; split it first"
    " (`first, second = jax.random.split(key)`), or draw another from the stream"
)
IN_LOOP = (
    "this key is the same in every round of the loop: so are the numbers; fold the round in"
    " (`jax.random.fold_in(key, i)`), or draw from a stream in the loop"
)


def check(project: Project) -> Iterator[Report]:
    constant = {found.where for found in constant_keys(project)}  # NNX104's
    for function, owner in project.functions():
        if project.is_for_tests(function.name) or (
            owner is not None and project.is_for_tests(owner.outline.name)
        ):
            continue
        if not may_reuse_keys(project, function, owner):
            continue
        seen = set()
        for reuse in project.facts(function, owner).reuses:
            first, second = reuse.first, reuse.second
            places = {key.made.anchor for key in second.keys if key.made is not None}
            aligned = first.by == second.by in ("permutation", "choice")
            if aligned or second.anchor in seen or not places.isdisjoint(constant):
                continue
            seen.add(second.anchor)
            yield Report(second.anchor, IN_LOOP if first is second else AGAIN)


RULE = Rule(check, on=True, triggers=("random", "rngs", "rng", "key"), oracle="key-reuse")
