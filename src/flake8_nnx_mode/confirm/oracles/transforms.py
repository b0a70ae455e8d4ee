"""Oracles for code under `jax.jit`."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import jax

from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.failures import NoVerdictError
from flake8_nnx_mode.confirm.objects import Leaf, leaves
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import unseen
from flake8_nnx_mode.confirm.teller import ASIDE

_STATE = ("RngCount", "BatchStat")


def lost_state(case: Case) -> Seen:
    """What a function changes, and its compiled form neither changes nor returns."""
    lost: dict[str, Leaf] = {}
    unclear: list[str] = []
    changes: list[str] = []

    def watch(compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def watched(*args: Any, **kwargs: Any) -> Any:
            held = list(_held(args, kwargs))
            before = [leaf.get() for leaf in held]
            with jax.named_scope(ASIDE):
                returned = plain(*args, **kwargs)
            changed = [
                (leaf, was, now)
                for leaf, was in zip(held, before, strict=True)
                if (now := leaf.get()) is not was
            ]
            kinds = {_kind(value) for value in _values(returned)}
            for leaf, was in zip(held, before, strict=True):
                leaf.put(was)
            result = compiled(*args, **kwargs)
            for leaf, was, now in changed:
                changes.append(leaf.path)
                if leaf.get() is not was:
                    continue
                if leaf.kind not in _STATE or _kind(now) in kinds:
                    unclear.append(leaf.path)  # it may be what is returned
                else:
                    lost[leaf.path] = leaf
            return result

        return watched

    case.teller.compiled = watch
    case.forget()
    try:
        train, evaluate = case.play(True, calls=2), case.play(False, calls=2)
    finally:
        case.teller.compiled = None
        case.forget()
    if any(leaf.counts for leaf in lost.values()) and len(train.calls) == 2:
        first, second = ({draw.key for draw in call.draws} for call in train.calls)
        if first and not first & second:
            raise NoVerdictError("keys", "the function draws from more than what it loses")
    if lost:
        return confirmed(_evidence(list(lost.values())))
    if train.error is not None or evaluate.error is not None:
        unseen(case)
    if unclear:
        raise NoVerdictError("returned", f"`{unclear[0]}` may be among what is returned")
    if not changes:
        raise NoVerdictError("no effect", "what is compiled was not called, or changes nothing")
    return refuted("what the compiled function changes is changed for its caller")


def _held(args: Any, kwargs: dict[str, Any]) -> Iterator[Leaf]:
    for name, value in (*((f"argument {n + 1}", a) for n, a in enumerate(args)), *kwargs.items()):
        for leaf in leaves(value, name):
            if leaf.kind not in ("Param", "RngKey", "array"):
                yield leaf


def _values(returned: Any) -> Iterator[Any]:
    yield from jax.tree.leaves(returned)
    for leaf in leaves(returned, ""):
        yield leaf.get()


def _kind(value: Any) -> tuple[Any, Any]:
    """What tells one array from another without looking into it."""
    return getattr(value, "shape", None), getattr(value, "dtype", None)


def _evidence(lost: list[Leaf]) -> str:
    streams = sorted({leaf.stream or leaf.path for leaf in lost if leaf.counts})
    written = [leaf.path for leaf in lost if not leaf.counts]
    said = []
    if streams:
        names = " and ".join(f"`{name}`" for name in streams[:2])
        said.append(
            f"the count of {names} does not advance, so that two calls with it draw the same noise"
        )
    if written:
        names = " and ".join(f"`{path}`" for path in written[:2])
        said.append(f"what it writes to {names} is gone")
    return f"after a call of the compiled function {', and '.join(said)}"


ORACLES = {"lost-state": Oracle(lost_state, reload=True)}
