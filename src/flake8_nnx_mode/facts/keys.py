"""Keys that are the same at every call because they are made from constants."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flake8_nnx_mode.facts.events import Consumption, FunctionFacts, LocalRun
from flake8_nnx_mode.facts.hints import may_consume_constants, may_consume_constants_somewhere
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.transforms import jitted
from flake8_nnx_mode.facts.values import Guards, Key, each_guard
from flake8_nnx_mode.syntax.book import Anchor

_MEANT = re.compile(
    r"carry|dummy|example|shapes?$|(?:^|_)init|eval|valid|summar|tabulate|flops|export|bench|profil"
    r"|log_|visual|fixed|repr|project|hash|determ"
)
"""Names of what is to give the same each time, or has nothing to do with training."""


@dataclass(frozen=True, slots=True)
class ConstantKey:
    """A constant key is consumed, in a forward method or in compiled code that calls a module."""

    use: Consumption
    where: Anchor
    """Where it is made, if that is in this file; else where it is consumed."""
    fallback: bool
    """Whether it is only used where the caller gave no other."""


def constant_keys(project: Project) -> tuple[ConstantKey, ...]:
    """All of them in the file at hand, each once."""
    return project.remember(constant_keys, lambda: tuple(_constant_keys(project)))


def _constant_keys(project: Project) -> Iterator[ConstantKey]:
    reported = set()
    for facts in _places(project):
        for use in facts.consumptions:
            if use.builds or use.by in ("permutation", "orthogonal") or _MEANT.search(use.to):
                continue
            for found in _constant(project, use):
                if found.where not in reported:
                    reported.add(found.where)
                    yield found


def _places(project: Project) -> Iterator[FunctionFacts | LocalRun]:
    """What runs again and again: forward methods, and compiled functions that call a module."""
    for module in project.modules:
        if project.is_for_tests(module.outline.name):
            continue
        for function in module.forward_methods():
            if (
                not _MEANT.search(function.name)
                and project.may_consume_keys(function, module)
                and may_consume_constants(project, function)
            ):
                yield module.facts(function)
    if not may_consume_constants_somewhere(project):
        return
    for compiled in jitted(project):
        facts, name = compiled.facts, compiled.within
        if name == "main" or project.is_for_tests(name) or _MEANT.search(name):
            continue
        if (facts.calls or facts.calls_argument) and not _evaluates(facts):
            yield facts


def _evaluates(facts: FunctionFacts | LocalRun) -> bool:
    """Whether it says ``model.eval()`` itself."""
    told = facts.modes_set_by_call if isinstance(facts, FunctionFacts) else ()
    return any(mode.name == "eval" for mode in told)


def _constant(project: Project, use: Consumption) -> Iterator[ConstantKey]:
    constant = [key for key in use.keys if _is_constant(key)]
    alone = len(constant) == len(use.keys)
    for key in constant:
        made = key.made
        if made is not None and not project.book.has(made.anchor.chapter):
            made = None
        fallback = not alone or _is_optional(use.guards if made is None else made.guards)
        if not (_is_excused(use.guards) or (made is not None and _is_excused(made.guards))):
            yield ConstantKey(use, use.anchor if made is None else made.anchor, fallback)
            if alone:
                break


def _is_constant(key: Key) -> bool:
    """Whether it is the same key each time the function is called, and not kept on self."""
    drawn = key.draw is not None and key.draw.source.origin == "constant"
    return key.attribute is None and not key.varies and (drawn or key.origin == "constant")


def _is_optional(guards: Guards | None) -> bool:
    return any(guard.optional for guard in each_guard(guards))


def _is_excused(guards: Guards | None) -> bool:
    return any(
        (g.excused and not g.stopped) or g.shape or g.mode == "eval" for g in each_guard(guards)
    )
