"""A mode attribute that neither `.eval()` nor any view reaches.

## What it does
Reports a test of `self.training` or its like in `__call__`, where construction sets the attribute
and no `set_view` does.

## Why it is bad
`.train()` and `.eval()` set `deterministic` and `use_running_average` and nothing else, and
`nnx.view` reaches what has a `set_view`. The layer stays in the mode it was built in, without a
word where a builtin layer stands beside it.

## How to fix
Call the attribute `deterministic`, which `.eval()` sets, or write a `set_view` for it. For
`nnx.with_attributes` it is right as it is.

## When it stays silent
Where the class has its own `train` or `eval`; where any `set_view` of the file sets such an
attribute; where the file uses `nnx.with_attributes` with its name; where a base class is not known.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.flax_api import MODES_SET_BY_EVAL
from flake8_nnx_mode.facts.models import models
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Instance
from flake8_nnx_mode.facts.views import set_views
from flake8_nnx_mode.rules import Report, Rule

BAD = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()
        self.training = True

    def __call__(self, x):
        if self.training:
            x = x + jax.random.normal(self.rngs.noise(), x.shape)
        return x
"""

GOOD = '''
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()
        self.training = True

    def __call__(self, x):
        if self.training:
            x = x + jax.random.normal(self.rngs.noise(), x.shape)
        return x

    def set_view(self, training: bool | None = None):
        """Whether noise is added.

        Args:
          training: add noise.
        """
        if training is not None:
            self.training = training
'''


def check(project: Project) -> Iterator[Report]:
    names = project.settings.mode_flags.keys() - MODES_SET_BY_EVAL.keys()
    for module in project.modules:
        call = module.outline.methods.get("__call__")
        if call is None or not project.book.mentions(call, *names):
            continue
        if module.has_its_own("train") or module.has_its_own("eval"):
            continue
        seen = set()
        for read in module.facts(call).reads:
            if read.tested and read.name in names and read.name not in seen:
                seen.add(read.name)
                if not _is_reached(project, module, read.name):
                    yield Report(
                        read.anchor,
                        f"neither `.eval()` nor `nnx.view` changes `{read.name}`, so this layer"
                        " stays in the mode that it was built in; write a `set_view` for it, or"
                        " rename it `deterministic`, and turn it round",
                    )


def _is_reached(project: Project, module: ClassFacts, name: str) -> bool:
    """Whether anything may set the attribute for a view, or it is none that construction sets."""
    if module.find_method(name) is not None:
        return True
    built = any(write.name == name for write in module.writes_of_construction())
    if not built and name not in module.names_of_class:
        return True
    for definition in module.ancestry.classes:
        own = definition.outline.methods.get("set_view")
        if own is not None and definition.book.mentions(own, name):
            return True
    by_parent = re.compile(rf"(?<!\bself)\.{name}\s*=(?!=)")
    for view in set_views(project):
        if by_parent.search(project.book.text_of(view.function)):
            (parent,) = models(project, Instance(view.module.definition, None), None)
            if not parent.complete or any(p.of == module.definition for p in parent.found):
                return True
    return re.search(rf"with_attributes\([^()]*\b{name}\s*=", project.book.text) is not None


RULE = Rule(check, on=False, triggers=("train",), since=(0, 12, 5))
