"""Layers that a function builds, calls, and does not keep."""

from collections.abc import Iterator

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, ModuleCall
from flake8_nnx_mode.facts.values import (
    Choice,
    ClassDefinition,
    Instance,
    Items,
    Key,
    LocalFunction,
    Rngs,
    Stream,
    Symbol,
    options,
)
from flake8_nnx_mode.syntax.book import Anchor


def built_and_called(facts: FunctionFacts) -> Iterator[tuple[Anchor, Instance]]:
    """The layers, and where they are built; each once.

    Left out are those that may be made of modules older than the call, those that somebody else may
    have changed first (``nnx.update(layer, state)``, ``layer.fit(x)``), and a dropout that is used
    like a function: one that is told everything when it is called.
    """
    seen = set()
    elsewhere = facts.kept | facts.handed_on
    for call in facts.calls:
        for child in options(call.child):
            if not isinstance(child, Instance) or child.made is None:
                continue
            where = child.made.anchor
            mine = where.chapter is call.anchor.chapter and where not in elsewhere
            if mine and where not in seen and _is_all_new(child) and not _is_told(child, call):
                seen.add(where)
                yield where, child


def _is_all_new(layer: Instance) -> bool:
    if layer.made_with is None or layer.made_with.open:
        return False
    if isinstance(layer.of, ClassDefinition):
        args = tuple(layer.made_with.all())
        takes_rngs = any(isinstance(value, Rngs | Stream | Key) for value in args)
        return takes_rngs and not any(isinstance(v, Instance | Items | Choice) for v in args)
    if layer.of.name not in flax_api.WRAPPERS:
        return True
    parts = [p for p in layer.made_with.positional if not isinstance(p, Symbol | LocalFunction)]
    new = (isinstance(p, Instance) and _is_as_new(p, layer) and _is_all_new(p) for p in parts)
    return bool(parts) and all(new)


def _is_as_new(part: Instance, whole: Instance) -> bool:
    """Whether a part is made by the function that makes the whole."""
    if part.made is None or whole.made is None:
        return False
    return part.made.anchor.chapter is whole.made.anchor.chapter


def _is_told(layer: Instance, call: ModuleCall) -> bool:
    told = call.args.get("deterministic") is not None or call.args.get("rngs") is not None
    return layer.of == Symbol("flax.nnx.Dropout") and told
