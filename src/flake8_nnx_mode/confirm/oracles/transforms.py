"""Oracles for code under `jax.jit`."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from flake8_nnx_mode.confirm.case import Case, NoVerdictError
from flake8_nnx_mode.confirm.objects import Leaf, leaves
from flake8_nnx_mode.confirm.oracles import Oracle, Seen, confirmed, refuted
from flake8_nnx_mode.confirm.oracles.errors import raises

_STATE = ("RngCount", "BatchStat")


def lost_state(case: Case) -> Seen:
    """What a function changes, and its compiled form neither changes nor returns."""
    lost: dict[str, Leaf] = {}
    ran: list[bool] = []

    def watch(compiled: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(plain)
        def watched(*args: Any, **kwargs: Any) -> Any:
            held = list(_held(args, kwargs))
            before = [leaf.get() for leaf in held]
            returned = plain(*args, **kwargs)
            changed = [
                (x, x.get()) for x, was in zip(held, before, strict=True) if x.get() is not was
            ]
            ran.append(bool(changed))
            kept = {id(value) for value in _values(returned)}
            for leaf, was in zip(held, before, strict=True):
                leaf.put(was)
            result = compiled(*args, **kwargs)
            for leaf, value in changed:
                unchanged = leaf.get() is before[held.index(leaf)]
                if unchanged and id(value) not in kept:
                    lost[leaf.path] = leaf
            return result

        return watched

    case.teller.compiled = watch
    case.forget()
    try:
        saws = [case.play(True, calls=2), case.play(False, calls=2)]
    finally:
        case.teller.compiled = None
        case.forget()
    if lost:
        return confirmed(_evidence(list(lost.values())))
    errors = [saw.error for saw in saws if saw.error is not None]
    if errors:
        return raises(case)
    if not ran:
        raise NoVerdictError("not reached", "the compiled function was not called")
    if not any(ran):
        raise NoVerdictError(
            "no effect", "the function that is compiled changes nothing, as it was called"
        )
    return refuted("what the compiled function changes is changed for its caller, or returned")


def _held(args: Any, kwargs: dict[str, Any]) -> Iterator[Leaf]:
    for name, value in (*((f"argument {n + 1}", a) for n, a in enumerate(args)), *kwargs.items()):
        for leaf in leaves(value, name):
            if leaf.kind in _STATE:
                yield leaf


def _values(returned: Any) -> Iterator[Any]:
    import jax

    yield from jax.tree.leaves(returned)
    for leaf in leaves(returned, ""):
        yield leaf.get()


def _evidence(lost: list[Leaf]) -> str:
    streams = sorted({leaf.stream or leaf.path for leaf in lost if leaf.counts})
    written = [leaf.path for leaf in lost if not leaf.counts]
    said = []
    if streams:
        names = " and ".join(f"`{name}`" for name in streams[:2])
        said.append(f"the count of {names} does not advance, so that two calls draw the same noise")
    if written:
        names = " and ".join(f"`{path}`" for path in written[:2])
        said.append(f"what it writes to {names} is gone")
    return f"after a call of the compiled function {', and '.join(said)}"


ORACLES = {"lost-state": Oracle(lost_state, reload=True)}
