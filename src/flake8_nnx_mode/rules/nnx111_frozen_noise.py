"""Noise for training is sampled once, when the model is built.

## What it does
Reports an array that `__init__` samples from a stream of training noise (`dropout`, `drop_path`,
...), keeps on `self`, and that a forward method uses under a test of the mode.

## Why it is bad
It is the same noise at each training step: what looks like a random mask is a fixed one. Fixed
random features are often meant; a mask for training only is not, as a rule.

## How to fix
Keep the stream, `self.rngs = rngs.fork()`, and sample in the forward method.

## When it stays silent
When the attribute is assigned again after construction; when it is an `nnx.Param`; outside tests
of the mode, where fixed features are used in both modes.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Boxed, Opaque, Value, options, under_mode_test
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Mask(nnx.Module):
    def __init__(self, features: int, rngs: nnx.Rngs):
        self.mask = jax.random.bernoulli(rngs.dropout(), 0.9, (features,))

    def __call__(self, x, train: bool):
        if train:
            x = x * self.mask
        return x
"""

GOOD = """
import jax
from flax import nnx


class Mask(nnx.Module):
    def __init__(self, features: int, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            x = x * jax.random.bernoulli(self.rngs.dropout(), 0.9, x.shape)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        if not module.mentions_in_construction(*flax_api.DROPOUT_STREAMS):
            continue
        for function in module.forward_methods():
            reported = set()
            for read in module.facts(function).reads:
                if read.name in reported or not under_mode_test(read.guards):
                    continue
                if _is_frozen_noise(module.attribute(read.name)):
                    reported.add(read.name)
                    yield Report(
                        read.anchor,
                        f"`self.{read.name}` was sampled once, when the module was built: the same"
                        " noise at each training step; keep the stream and sample here",
                    )


def _is_frozen_noise(value: Value | None) -> bool:
    if value is None:
        return False
    if isinstance(value, Boxed) and "Param" not in value.kind:
        value = value.value
    return all(
        isinstance(option, Opaque)
        and not option.traits.varies
        and any(draw.stream in flax_api.DROPOUT_STREAMS for draw in option.traits.draws)
        for option in options(value)
    )


RULE = Rule(check, on=False, triggers=tuple(sorted(flax_api.DROPOUT_STREAMS)))
