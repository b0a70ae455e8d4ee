"""A mode flag is handed on the wrong way round.

## What it does
Reports a mode flag that is passed to a flag of the opposite meaning as it is
(`deterministic=train`, `use_running_average=training`, `train=deterministic`, `norm(x, train)`
where the second parameter is `use_running_average`), or to one of the same meaning after `not`.

## Why it is bad
The layer trains in evaluation and evaluates in training: noise and moving statistics in the
results, no regularisation in training. Nothing fails.

## How to fix
Add or remove the `not`: `deterministic=not train`. The fix is safe; it is not offered where the
flag may be None and would have to be negated.

## When it stays silent
When the value is more than the flag, or the flag after `not`; when a value is given by position to
a child that is not known; when the keyword is not one that the child has (NNX203).
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mistakes_in_file
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.rules.remedies import argument_replaced

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=train)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
"""


def check(project: Project) -> Iterator[Report]:
    for mistake in mistakes_in_file(project, "inverted"):
        yield Report(mistake.where, _message(mistake), argument_replaced(mistake))


def _message(mistake: ModeMistake) -> str:
    called = mistake.label if mistake.call is not None else "what is called here"
    return (
        f"`{mistake.parameter}` is given the opposite of what it means: {called} trains in"
        f" evaluation and evaluates in training; write `{mistake.argument}`"
    )


RULE = Rule(check, on=True, fix="safe", oracle="mode")
