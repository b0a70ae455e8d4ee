"""The method `train` or `eval` of a module is taken for a flag.

## What it does
Reports `if self.train:`, `not self.eval`, `deterministic=not self.train` and their like, where
`train` is the method that every nnx module has; and `self.train = ...`, which hides that method.

## Why it is bad
A method is always true: the branch for evaluation is dead code, and `.eval()` has no effect. A
hidden method makes `model.train()` a TypeError.

## How to fix
Take a mode flag as an argument, or keep one under another name (`self.deterministic`), which
`.train()` and `.eval()` set.

## When it stays silent
When the method is called or passed on; when the class gives the name another meaning by itself, as
a property or in the class body; for other objects than nnx modules.
"""

import re
from collections.abc import Iterator

from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule

_NAMED = re.compile(r"\.(?:train|eval)\b")

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x):
        if self.train:
            x = self.dropout(x, deterministic=False)
        return x
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        if train:
            x = self.dropout(x, deterministic=False)
        return x
"""


def check(project: Project) -> Iterator[Report]:
    for function, owner in project.functions():
        if _NAMED.search(project.book.text_of(function)) is None:
            continue
        facts = project.facts(function, owner)
        for tested in facts.mode_methods_tested:
            if project.is_module(tested.receiver, owner, lambda facts: facts.ancestry.known):
                yield Report(
                    tested.anchor,
                    f"`{tested.name}` is a method of every nnx module, so this is always true:"
                    " the mode is never looked at; test a mode flag, or `self.deterministic`",
                )
        if owner is not None and owner.is_module:
            for write in facts.writes:
                if write.name in ("train", "eval") and write.whole:
                    yield Report(
                        write.anchor,
                        f"`self.{write.name} = ...` hides the method `{write.name}` of nnx.Module:"
                        f" `model.{write.name}()` raises TypeError; choose another name",
                    )


RULE = Rule(check, on=True, triggers=("train", "eval"), oracle="mode-method")
