"""`nnx.jit` is given a method or a module, not a function.

## What it does
Reports `nnx.jit(self.method)` and `nnx.jit(model.__call__)` for nnx modules; and `nnx.jit(model)`
or `jax.jit(model)` where the model is known to have layers in training mode, or its weights are
updated between two calls of what was compiled.

## Why it is bad
`nnx.jit` raises ValueError for bound methods. A model that is compiled as it stands is a constant
of the compiled function: drawing in it raises TraceContextError, and updates of its weights have no
effect on what the function returns.

## How to fix
Compile a function that takes the model: `@nnx.jit` above the method, `nnx.jit(Net.__call__)`, or
`nnx.jit(lambda model, x: model(x))`.

## When it stays silent
For objects that are no nnx modules, static methods and class methods; for models that evaluate, or
that were built elsewhere and may, or have no layers with a mode, and are not updated in the same
function; for `jax.jit(self.method)`.
"""

from collections.abc import Iterator

from flake8_nnx_mode.facts.effects import Effects
from flake8_nnx_mode.facts.events import FunctionFacts, JitOfModule, Step
from flake8_nnx_mode.facts.losses import may_evaluate
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import Method, makings, options
from flake8_nnx_mode.rules import Report, Rule

BAD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.linear(x)


def predict(model: Net, xs):
    forward = nnx.jit(model.__call__)
    return [forward(x) for x in xs]
"""

GOOD = """
from flax import nnx


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x):
        return self.linear(x)


def predict(model: Net, xs):
    forward = nnx.jit(Net.__call__)
    return [forward(model, x) for x in xs]
"""


def check(project: Project) -> Iterator[Report]:
    names = project.names_for("flax.nnx.jit")
    for function, owner in project.functions():
        if not project.book.mentions(function, "jit", *names):
            continue
        facts = project.facts(function, owner)
        for jit in facts.jits_of_modules:
            methods = [o for o in options(jit.compiled) if isinstance(o, Method)]
            if methods:
                why = _of_methods(project, owner, jit, methods)
            else:
                why = _of_model(project, jit, facts, project.text_around(function, owner))
            if why is not None:
                yield Report(jit.anchor, why)


def _of_methods(
    project: Project, owner: ClassFacts | None, jit: JitOfModule, methods: list[Method]
) -> str | None:
    bound = all(_is_bound(project, owner, method) for method in methods)
    if jit.by != "flax.nnx.jit" or not bound:
        return None
    return (
        "`nnx.jit` raises ValueError for a bound method; write `@nnx.jit` above the method, or"
        " compile the function of its class, `nnx.jit(Net.__call__)`, and give it the module"
    )


def _of_model(project: Project, jit: JitOfModule, facts: FunctionFacts, text: str) -> str | None:
    short = jit.by.removeprefix("flax.")
    label = f"`{jit.label}`" if jit.label else "the model"
    advice = f"compile a function that takes the model: `{short}(lambda model, x: model(x))`"
    if _is_stale(jit, facts.steps):
        return (
            f"{label} is a constant of what `{short}` compiles, so later updates of its weights"
            f" have no effect there; {advice}"
        )
    if any(name.startswith("static") for name, _ in jit.args.keywords):
        return None  # static arguments may say the mode
    change = Effects(project, {}).of_model(jit.compiled)
    trains = makings(jit.compiled) and not may_evaluate(jit.compiled, text)
    if change is not None and (trains or not change.by_default):
        return (
            f"{label} is a constant of what `{short}` compiles, and has layers that train, so the"
            f" first call raises TraceContextError; {advice}"
        )
    return None


def _is_stale(jit: JitOfModule, steps: list[Step]) -> bool:
    """Whether what was compiled is called after its weights were updated."""
    calls = [(at, step.loop) for at, step in enumerate(steps) if step.called == jit.number]
    updates = [(at, step.loop) for at, step in enumerate(steps) if step.updated == jit.identity]
    if not calls or not jit.label:
        return False
    first, last = calls[0][0], calls[-1][0]  # it is compiled when it is first called
    loops = {loop for _, loop in calls if loop}
    return any(first < at < last or loop in loops for at, loop in updates)


def _is_bound(project: Project, owner: ClassFacts | None, method: Method) -> bool:
    """Whether it is a method of an nnx module that gets the module as its self."""

    def takes_self(facts: ClassFacts) -> bool:
        found = facts.find_method(method.name)
        unbound = {"staticmethod", "classmethod", "property"}
        return found is not None and decorator_names(found[1]).isdisjoint(unbound)

    return project.is_module(method.receiver, owner, takes_self)


RULE = Rule(check, on=True, triggers=("jit",), oracle="refused-jit")
