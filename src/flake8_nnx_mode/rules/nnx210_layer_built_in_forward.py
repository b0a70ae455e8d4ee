"""A layer is built each time the forward method runs.

## What it does
Reports a layer of `flax.nnx`, or an nnx module with parameters or a mode, that a forward method
both builds and calls.

## Why it is bad
Its weights are drawn anew at each call and never trained, since nobody keeps them; a dropout that is
built so is reached by no `.eval()` and no view.

## How to fix
Build it in `__init__`, keep it on `self`, and call it in the forward method.

## When it stays silent
For what wraps modules that exist already (`nnx.Sequential(self.a, self.b)`, `nnx.RNN(self.cell)`);
for layers that the method keeps on `self`, built when they are first needed; for modules without
parameters, statistics or noise; in methods of construction.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, ModuleCall
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import (
    Choice,
    ClassDefinition,
    Instance,
    Items,
    Key,
    Rngs,
    Stream,
    Symbol,
    options,
)
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.syntax.book import Anchor

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x):
        return nnx.Linear(4, 4, rngs=self.rngs)(x)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.linear(x)
"""


def check(project: Project) -> Iterator[Report]:
    for module in project.modules:
        for function in module.forward_methods():
            facts = module.facts(function)
            for where, layer in _built_and_called(facts):
                if project.book.has(where.chapter) and project.holds_state(layer):
                    of = layer.of
                    name = of.outline.name if isinstance(of, ClassDefinition) else of.name
                    short = name.removeprefix("flax.")
                    yield Report(
                        where,
                        f"`{short}` is built at each call: its weights are new each time and never"
                        " trained, and no mode reaches it; build it in `__init__` and keep it on"
                        " `self`",
                    )


def _built_and_called(facts: FunctionFacts) -> Iterator[tuple[Anchor, Instance]]:
    """The layers that a function builds, calls and does not keep; each once."""
    seen = set()
    for call in facts.calls:
        for child in options(call.child):
            if not isinstance(child, Instance) or child.made is None:
                continue
            where = child.made.anchor
            mine = where.chapter is call.anchor.chapter and where not in facts.kept
            if mine and where not in seen and _is_all_new(child) and not _is_told(child, call):
                seen.add(where)
                yield where, child


def _is_all_new(layer: Instance) -> bool:
    """Whether nothing in it can be older than the call that builds it."""
    if layer.made_with is None or layer.made_with.open:
        return False
    if isinstance(layer.of, ClassDefinition):
        args = tuple(layer.made_with.all())
        takes_rngs = any(isinstance(value, Rngs | Stream | Key) for value in args)
        return takes_rngs and not any(isinstance(v, Instance | Items | Choice) for v in args)
    if layer.of.name not in flax_api.WRAPPERS:
        return True
    parts = layer.made_with.positional
    return all(isinstance(p, Instance) and _is_as_new(p, layer) and _is_all_new(p) for p in parts)


def _is_as_new(part: Instance, whole: Instance) -> bool:
    """Whether a part is made by the function that makes the whole."""
    if part.made is None or whole.made is None:
        return False
    return part.made.anchor.chapter is whole.made.anchor.chapter


def _is_told(layer: Instance, call: ModuleCall) -> bool:
    """Whether it is a dropout without state, used like a function: the call tells it all."""
    told = call.args.get("deterministic") is not None or call.args.get("rngs") is not None
    return layer.of == Symbol("flax.nnx.Dropout") and told


RULE = Rule(check, on=True)
