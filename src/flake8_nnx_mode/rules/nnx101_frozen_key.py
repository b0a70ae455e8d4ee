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
`self.rngs.dropout()`. The fix does so where the key is simply drawn and only consumed. It is
unsafe: forking advances the streams, so that seeds give other numbers, and checkpoints have other
entries.

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
from flake8_nnx_mode.facts.flax_api import DROPOUT_STREAMS
from flake8_nnx_mode.facts.hints import may_consume_kept_keys
from flake8_nnx_mode.facts.modes import may_know_mode
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Key, each_guard
from flake8_nnx_mode.rules import Change, Remedy, Report, Rule
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function

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
            if not (
                project.may_consume_keys(function, module)
                and may_consume_kept_keys(project, function, module)
            ):
                continue
            for use in module.facts(function).consumptions:
                kept = [key for key in use.keys if key.attribute or key.origin == "raw"]
                frozen = kept and not any(key.varies for key in use.keys)
                if frozen and not _is_meant(module, use, kept[0]):
                    remedy = _remedy(project, module, function, kept[0])
                    yield Report(use.anchor, _message(kept[0]), remedy)


def _is_meant(module: ClassFacts, use: Consumption, key: Key) -> bool:
    """Whether the same numbers each time are what the code is after."""
    if use.by == "permutation" or any(g.mode == "eval" for g in each_guard(use.guards)):
        return True
    advanced_by_hand = r"\.key(?:\.value|\[[^]]*\])\s*=(?!=)"
    return key.origin == "raw" and re.search(advanced_by_hand, module.book.text) is not None


def _remedy(project: Project, module: ClassFacts, function: Function, key: Key) -> Remedy | None:
    """Keep the stream and draw where the key is used, if it is drawn and used in simple ways."""
    draw, name = key.draw, key.attribute
    if draw is None or name is None or _for_noise(draw.stream) is None:
        return None
    if len(module.family) > 1 or module.assigns("rngs"):
        return None
    if draw.stream in DROPOUT_STREAMS and not may_know_mode(project, module, function):
        return None  # NNX202 would be next
    writes = [write for write in module.writes_of_construction() if write.name == name]
    match [write.source for write in writes]:
        case [code.Call(code.Attribute(code.Name(rngs), stream), ()) as source] if (
            stream == draw.stream
        ):
            written = writes[0].anchor
            places = _uses(module, name) if _is_plain(written, source) else []
            me = function.parameters[0].name
            draws = [Change(place, f"{me}.rngs.{stream}()") for place in places]
            kept = Change(written, f"{me}.rngs")
            forked = Change(Anchor(written.chapter, source.at), f"{rngs}.fork()")
            return Remedy("unsafe", (kept, forked, *draws)) if places else None
    return None


def _is_plain(written: Anchor, source: code.Call) -> bool:
    """Whether a statement assigns the draw to the attribute alone, and says nothing of its type."""
    for node in code.walk(written.chapter.function):
        match node:
            case code.Assign((_,), value, None) if value.at == source.at:
                return True
    return False


def _uses(module: ClassFacts, name: str) -> list[Anchor]:
    """Where `self.name` is read, if each time only for a key to be consumed; else nowhere."""
    places: dict[tuple[object, int], Anchor] = {}
    for method in module.own_methods():
        if not module.book.mentions(method, name):
            continue
        facts = module.facts(method)
        consumed = {(use.given.chapter, use.given.at) for use in facts.consumptions}
        for read in facts.reads:
            place = (read.anchor.chapter, read.anchor.at)
            if read.name == name:
                if place not in consumed or module.is_init_like(method):
                    return []
                places[place] = read.anchor
    return list(places.values())


def _message(key: Key) -> str:
    if key.origin == "raw":
        held = "the raw key of a stream never advances"
    elif key.origin == "drawn":
        held = f"`self.{key.attribute}` was drawn once, when the module was built"
    else:
        held = f"`self.{key.attribute}` holds one key from the time the module was built"
    stream = "dropout" if key.draw is None else _for_noise(key.draw.stream) or "dropout"
    return (
        f"{held}: every call gets the same noise; keep the stream (`self.rngs = rngs.fork()`) and"
        f" draw a key in this method (`self.rngs.{stream}()`)"
    )


def _for_noise(stream: str | None) -> str | None:
    """``stream``, if that is one for the noise of a forward pass."""
    return None if stream in ("default", "params") else stream


RULE = Rule(
    check, on=True, triggers=("random", "rngs", "rng", "key"), fix="unsafe", oracle="frozen-key"
)
