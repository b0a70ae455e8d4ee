"""Several modules keep one and the same `Rngs`.

## What it does
Reports `self.rngs = rngs` when the file shows that two or more modules keep the same `nnx.Rngs` in
this way: a parent and its child, or two children of one parent.

## Why it is bad
Under `jax.jit` each of them gets a copy, and their noise is identical. In tree mode, which is to
become the default of Flax, the model is refused: "Duplicate RngCount". Under `nnx.jit` it works.

## How to fix
Keep a fork, `self.rngs = rngs.fork()`, as the layers of Flax do. The fix is unsafe: forking
advances the streams of the parent, so that seeds give other numbers, and checkpoints have other
entries.

## When it stays silent
When one module alone keeps it; when the modules stand on different branches; when it is not known
who keeps it.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.sharing import Sharing
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.noise(), x.shape)
        return x


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = Noise(rngs)
        self.second = Noise(rngs)

    def __call__(self, x, train: bool):
        return self.second(self.first(x, train), train)
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


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = Noise(rngs)
        self.second = Noise(rngs)

    def __call__(self, x, train: bool):
        return self.second(self.first(x, train), train)
"""


def check(project: Project) -> Iterator[Report]:
    for write in Sharing(project).shared():
        remedy = None
        if isinstance(write.source, code.Name):
            value = Anchor(write.anchor.chapter, write.source.at)
            remedy = Remedy("unsafe", (Change(value, ".fork()", "after"),))
        yield Report(
            write.anchor,
            f"`self.{write.name}` is the same `Rngs` that other modules keep: identical noise under"
            " `jax.jit`, an error in tree mode; keep a fork, `rngs.fork()`",
            remedy,
        )


RULE = Rule(check, on=False, triggers=("Rngs", "rngs"), fix="unsafe")
