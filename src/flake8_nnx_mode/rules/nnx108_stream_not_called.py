"""A stream stands where a key is needed.

## What it does
Reports a sampler of `jax.random` that is given a stream (`self.rngs.dropout`, `rngs["noise"]`) or
the whole `nnx.Rngs` instead of a key.

## Why it is bad
It is a TypeError as soon as the line runs, often in training only.

## How to fix
Call the stream: `self.rngs.dropout()`. The fix is safe for a stream. For the whole `Rngs` it is
unsafe: `rngs()` draws from the default stream, which not every model has.

## When it stays silent
When it is not known that the object is an `nnx.Rngs`: a parameter that is only called so may hold
a key, or a dict of keys.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.events import Uncalled
from flake8_nnx_mode.facts.hints import may_give_streams
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Rngs, Stream
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.syntax import code

_ATOMS = (code.Name, code.Attribute, code.Subscript, code.Call)

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.noise, x.shape)
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
    for function, owner in project.functions():
        if not (project.mentions_random(function) and may_give_streams(project, function)):
            continue
        for uncalled in project.facts(function, owner).uncalled:
            value = uncalled.value
            rngs = value.of if isinstance(value, Stream) else value
            if rngs.sure:
                yield Report(
                    uncalled.anchor,
                    f"{_what(value)} is no key: TypeError as soon as this line runs; call it:"
                    " add `()`",
                    _remedy(uncalled),
                )


def _remedy(uncalled: Uncalled) -> Remedy | None:
    value = uncalled.value
    if isinstance(value, Stream) and value.name == "params":
        return None  # noise of that stream is the next mistake
    at, body = uncalled.anchor.at, uncalled.anchor.chapter.function
    if not any(isinstance(node, _ATOMS) and node.at == at for node in code.walk(body)):
        return None  # `a if x else b`: the `()` would be for `b` alone
    called = Change(uncalled.anchor, "()", "after")
    return Remedy("safe" if isinstance(value, Stream) else "unsafe", (called,))


def _what(value: Rngs | Stream) -> str:
    if isinstance(value, Rngs):
        return "a whole `nnx.Rngs`"
    return f"the stream `{value.name}`" if value.name else "a stream"


RULE = Rule(check, on=True, triggers=("rngs", "Rngs"), fix="safe", oracle="stream-as-key")
