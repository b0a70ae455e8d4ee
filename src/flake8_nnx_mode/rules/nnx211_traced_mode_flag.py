"""A compiled function tests a mode flag that is not static.

## What it does
Reports a function under `nnx.jit` or `jax.jit` that tests its mode flag (`if train:`, `not
train`), or passes it to a layer that does, when the flag is not among `static_argnames` or
`static_argnums`.

## Why it is bad
Under jit the flag is a traced array, and Python cannot know whether that is true:
TracerBoolConversionError at the first call that gives the flag.

## How to fix
Make it static: `@nnx.jit(static_argnames="train")`, or compile two functions, one a mode.

## When it stays silent
When the static arguments are not literals; when the flag is only used in `jnp.where`,
`jax.lax.cond` or `nnx.cond`; when it has a default and no call in the file gives another value;
for layers that are not known.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import tells_mode
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.transforms import jitted
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(x, deterministic=not train)


@nnx.jit
def predict(model: Net, x, train: bool):
    return model(x, train=train)
"""

GOOD = """
from functools import partial

from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(x, deterministic=not train)


@partial(nnx.jit, static_argnames="train")
def predict(model: Net, x, train: bool):
    return model(x, train=train)
"""


def check(project: Project) -> Iterator[Report]:
    for compiled in jitted(project):
        if compiled.static is None:
            continue
        for name, given in compiled.flags.items():
            if name in compiled.static or not given:
                continue
            facts = compiled.facts
            if name in facts.flags_tested or tells_mode(project, facts, name):
                short = compiled.by.removeprefix("flax.")
                yield Report(
                    compiled.where,
                    f"`{name}` is traced under `{short}`, and is tested here or in a layer:"
                    f' TracerBoolConversionError; make it static with `static_argnames="{name}"`',
                )


RULE = Rule(check, on=True, triggers=("jit",), oracle="traced-flag")
