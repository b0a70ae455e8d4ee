"""What a recipe says: its names, the arrays of each call, streams."""

import ast
import inspect
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flake8_nnx_mode.confirm.standin import StandIn
from flake8_nnx_mode.confirm.values import LEAF

SEED = 104_729
"""Of keys that are given; hardly one that code names itself."""
GIVEN_KEY = "given key"
"""How the labels of keys begin that a call is given."""
_ALWAYS = ("params", "dropout", "noise", "default")
_STREAM = re.compile(r"""rngs?\w*(?:\.|\[["'])([a-z_]\w*)""")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """An array that each call gets anew."""

    shape: tuple[int, ...]
    dtype: Any

    def array(self, label: str, *, filled: bool = False) -> Any:
        """A traced array of which ``label`` is known; ``filled`` if its values may be asked."""
        if self.dtype == "key":
            return LEAF.bind(jax.random.key(SEED), label=label)
        if not filled:
            return LEAF.bind(jnp.zeros(self.shape, self.dtype), label=label)
        some = np.random.default_rng(SEED).normal(size=self.shape)
        made = np.ones(self.shape, bool) if self.dtype == jnp.bool_ else np.abs(some)
        return LEAF.bind(jnp.asarray(made, self.dtype), label=label)


class _Later:
    """``x[2, 4]`` in a call: an array that each call gets anew."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype

    def __getitem__(self, shape: int | tuple[int, ...]) -> Any:
        return Placeholder(shape if isinstance(shape, tuple) else (shape,), self._dtype)


class _Filled(_Later):
    """``x[2, 4]`` where something is built: an array."""

    def __getitem__(self, shape: int | tuple[int, ...]) -> Any:
        return jnp.zeros(shape, self._dtype)


def environment(space: Mapping[str, Any], *, training: bool, arrays: bool) -> dict[str, Any]:
    """What the names of a recipe stand for, in the ``space`` of a snippet.

    Args:
        space: The names of the snippet.
        training: The mode.
        arrays: Whether `x[2, 4]` is an array at once; else each call gets one anew.
    """
    kind = _Filled if arrays else _Later
    return {
        **{"jax": jax, "jnp": jnp, "nnx": nnx, "np": np, "StandIn": StandIn},
        **space,
        "train": training,
        "x": kind(jnp.float32),
        "ids": kind(jnp.int32),
        "mask": kind(jnp.bool_),
        "key": jax.random.key(SEED) if arrays else Placeholder((), "key"),
        "__arguments__": lambda *args, **kwargs: (args, kwargs),
    }


def streams(text: str, *, declared_only: bool) -> dict[str, int]:
    """The streams that code of this text is given, each with a seed of its own."""
    names = dict.fromkeys(_ALWAYS)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Rngs"):
            names.update(dict.fromkeys(keyword.arg or "" for keyword in node.keywords))
    if not declared_only:
        names.update(dict.fromkeys(_STREAM.findall(text)))
    else:
        names.pop("default")
    names.pop("", None)
    good = [n for n in names if n in _ALWAYS or not hasattr(nnx.Rngs, n)]
    return {name: 11 * (number + 1) for number, name in enumerate(good)}


def parsed(arguments: str | None) -> ast.Call:
    """Arguments, parsed."""
    call = ast.parse(f"f({arguments or ''})", mode="eval").body
    assert isinstance(call, ast.Call)
    return call


def names(arguments: str) -> set[str]:
    """The names in arguments."""
    return {node.id for node in ast.walk(parsed(arguments)) if isinstance(node, ast.Name)}


def fill_in(given: Any, call: int, *, filled: bool) -> Any:
    """What a recipe gives, with arrays of this call in the place of placeholders."""
    count = 0

    def fill(value: Any) -> Any:
        nonlocal count
        if isinstance(value, Placeholder):
            count += 1
            kind = GIVEN_KEY if value.dtype == "key" else "input"
            return value.array(f"{kind} {count} of call {call + 1}", filled=filled)
        if type(value) is dict:
            return {name: fill(one) for name, one in value.items()}
        if type(value) in (list, tuple):
            return type(value)(fill(one) for one in value)
        return value

    return fill(given)


def default_numbers(function: Any, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that parameters have by default, of those that are not given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}
    return {
        p.name: p.default
        for p in parameters[len(args) :]
        if p.name not in kwargs and type(p.default) in (int, float)
    }


def another(value: Any, call: int) -> Any:
    """A number, another one at each call."""
    return value + call if type(value) in (int, float) else value


def finished(returned: Any) -> Any:
    """What a call returns, once what it does later is done: generators, coroutines."""
    if inspect.isgenerator(returned):
        return list(itertools.islice(returned, 100))
    if inspect.iscoroutine(returned):
        try:
            for _ in range(100):
                returned.send(None)
        except StopIteration as stop:
            return stop.value
        finally:
            returned.close()
        return None
    return returned
