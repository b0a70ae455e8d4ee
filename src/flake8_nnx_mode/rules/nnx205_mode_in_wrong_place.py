"""A mode flag is passed by position to a parameter that is not the mode.

## What it does
Reports a mode flag that is passed by position to a child with a mode flag of its own, when another
parameter stands at that position (`self.mlp(x, deterministic)` where the second one is `decode`),
or none does because the child takes its flag by keyword only.

## Why it is bad
In the first case the child switches something else on and off, and its mode is never told. In the
second the call is a TypeError.

## How to fix
Pass it by name: `self.mlp(x, deterministic=deterministic)`. The fix is safe, except where the child
evaluates by default and draws noise by itself when it is called: once it trains, the model needs
that stream. It is not offered where other positional arguments follow, or where the flag may be
None and would have to be negated.

## When it stays silent
When the child is a class of yours without a mode flag: it may travel by another name; when the
call tells the mode as well; when the parameter's name is about modes (`inference`, `is_testing`);
with `*args` on either side; into a flag of the opposite meaning (NNX204).
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.modes import ModeMistake, mistakes_in_file
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.rules import Report, Rule
from flake8_nnx_mode.rules.remedies import argument_replaced, once_told

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, deterministic: bool):
        return self.dropout(self.linear(x), deterministic)
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, x, deterministic: bool):
        return self.dropout(self.linear(x), deterministic=deterministic)
"""


def check(project: Project) -> Iterator[Report]:
    for mistake in mistakes_in_file(project, "wrong place"):
        # Where nothing takes it by position, it was a TypeError before.
        applicability = once_told(project, mistake) if mistake.wrong else "safe"
        yield Report(mistake.where, _message(mistake), argument_replaced(mistake, applicability))


def _message(mistake: ModeMistake) -> str:
    if mistake.parameter is None:
        return (
            f"this mode flag goes to the parameter `{mistake.wrong}` of {mistake.label}, which has"
            " no mode; leave it out"
        )
    if mistake.wrong:
        what = (
            f"this mode flag goes to the parameter `{mistake.wrong}` of {mistake.label}, which is"
            " not told its mode"
        )
    else:
        what = (
            f"{mistake.label} does not take `{mistake.parameter}` by position: TypeError when it is"
            " called"
        )
    return f"{what}; write `{mistake.argument}`"


RULE = Rule(check, on=True, fix="safe", oracle="mode")
