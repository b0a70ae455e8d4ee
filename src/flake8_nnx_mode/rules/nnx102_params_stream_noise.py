"""Noise of the forward pass is drawn from the `params` stream.

## What it does
Reports a draw from the stream `params` in a forward method, when the key goes to a sampler of
`jax.random` or is handed to a layer as its key.

## Why it is bad
The `params` stream is for initialisation. Seeding `dropout` anew has no effect on this noise, two
runs that differ only in the dropout seed are the same run, and each call shifts what layers built
later are initialised with.

## How to fix
Draw from the stream that the noise belongs to: `rngs.dropout()`. Models built with
`nnx.Rngs(params=0)` alone need a `dropout` or default seed as well, which makes the fix unsafe. It
is not offered where nothing knows the mode.

## When it stays silent
In methods of construction; when the numbers end up in an `nnx.Param`, another Variable or an
attribute (initialisation, wherever it happens); when the key seeds another stream; when the method
makes the `nnx.Rngs` itself, also as a fallback; under a test for the stream's presence, such as
`hasattr(rngs, "params")`.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.hints import may_draw_params
from flake8_nnx_mode.facts.modes import may_know_mode
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Draw, Guards, each_guard
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.syntax.outline import Function

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, train: bool):
        if train:
            return x + jax.random.normal(self.rngs.params(), x.shape)
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

MESSAGE = (
    "noise from the `params` stream: seeding `dropout` has no effect on it, and each call changes"
    " how layers built later are initialised; draw from `.dropout()` instead"
)


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        if not _draws_params(module):
            continue
        for function in module.forward_methods():
            if not may_draw_params(project, module, function):
                continue
            facts = module.facts(function)
            callers = [
                caller
                for caller in module.own_methods()
                if caller is not function and module.book.mentions(caller, function.name)
            ]
            if any(_stores_what_a_lambda_gives(module, caller, function) for caller in callers):
                continue
            initialised = facts.initialised.union(
                *(module.facts(caller).initialised for caller in callers)
            )
            reported: set[Draw] = set()
            for use in facts.consumptions:
                if any(key.draw is not None and key.draw.source.made_here for key in use.keys):
                    continue
                for key in use.keys:
                    draw = key.draw
                    if (
                        draw is not None
                        and draw.stream == "params"
                        and draw.in_forward
                        and project.book.has(draw.anchor.chapter)
                        and draw not in initialised
                        and draw not in reported
                        and not _stream_is_tested(use.guards)
                        and not _stream_is_tested(draw.guards)
                    ):
                        reported.add(draw)
                        blind = not may_know_mode(project, module, function)
                        yield Report(draw.anchor, MESSAGE, None if blind else _remedy(draw))


def _stores_what_a_lambda_gives(module: ClassFacts, caller: Function, function: Function) -> bool:
    """``self.codebook[...] = nnx.cond(done, keep, lambda model: model.function(), self)``."""
    called = rf"lambda[^\n]*\.{function.name}\("
    if re.search(called, module.book.text_of(caller)) is None:
        return False
    return any(not write.whole for write in module.facts(caller).writes)


def _remedy(draw: Draw) -> Remedy | None:
    if draw.named is None:
        return None
    return Remedy("unsafe", (Change(draw.named, "dropout"),))


def _draws_params(module: ClassFacts) -> bool:
    """Whether its text gives a reason to look: a draw in a forward method, or a stream kept."""
    if any(module.book.mentions(function, "params") for function in module.forward_methods()):
        return True
    constructors = [function for function in module.own_methods() if module.is_init_like(function)]
    texts = map(module.book.text_of, constructors)
    inherits = len(module.ancestry.classes) > 1
    return inherits or any(re.search(r"\bparams\b(?!\s*\()", text) for text in texts)


def _stream_is_tested(guards: Guards | None) -> bool:
    return any("params" in guard.strings for guard in each_guard(guards))


RULE = Rule(check, on=True, triggers=("params",), fix="unsafe", oracle="params-noise")
