"""What is inside the objects of a snippet: their variables, modules and streams, however deep."""

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx

_CLOSED = (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, jax.Array, str)
"""What has nothing inside that an object keeps."""
_PLAIN = (bool, int, float, str, type(None))
_MOST = 20_000
"""Objects that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that an object keeps, with what the reader calls it."""

    path: str
    kind: str
    """The type of its ``nnx.Variable``; ``array`` for one that is kept as it is."""
    stream: str | None
    """Of a count or key: the stream's name."""
    get: Callable[[], Any]
    put: Callable[[Any], None]

    @property
    def counts(self) -> bool:
        """Whether it is what a draw advances."""
        return self.kind == "RngCount"


def walk(root: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Everything inside ``root`` that has attributes or elements, with its path; parents first."""
    seen: set[int] = set()
    left: list[tuple[str, object]] = [(path, root)]
    while left and len(seen) < _MOST:
        at, value = left.pop()
        if id(value) in seen:
            continue
        children = _children(value)
        if children is None:
            continue
        seen.add(id(value))
        yield at, value
        left.extend((_join(at, name), child) for name, child in reversed(children))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and not name.startswith("[") else path + name


def _children(value: object) -> list[tuple[str, object]] | None:
    if isinstance(value, nnx.Variable):
        return []
    if isinstance(value, _CLOSED):
        return None
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", child) for key, child in list(value.items())]
    if isinstance(value, list | tuple):
        return [(f"[{number}]", child) for number, child in enumerate(value)]
    attributes = getattr(value, "__dict__", None)
    if not isinstance(attributes, dict):
        return None
    found = [(n, c) for n, c in list(attributes.items()) if not n.startswith("_pytree__")]
    if isinstance(value, nnx.List):  # keeps its elements as attributes of no name
        return [(f"[{n}]", c) for n, c in enumerate(list(value))]
    return found


def modules(root: object, path: str = "") -> Iterator[tuple[str, nnx.Module]]:
    """The nnx modules in ``root``, with their paths."""
    for at, value in walk(root, path):
        if isinstance(value, nnx.Module):
            yield at, value


def outline(model: object) -> dict[str, tuple[type, dict[str, str]]]:
    """What tells two models apart but for their arrays: classes, and plain attributes."""
    return {
        path: (type(module), {n: repr(v) for n, v in vars(module).items() if isinstance(v, _PLAIN)})
        for path, module in modules(model)
    }


def leaves(root: object, path: str) -> Iterator[Leaf]:
    """The values that ``root`` keeps: those of its variables, and arrays that are attributes."""
    for at, value in walk(root, path):
        if isinstance(value, nnx.Variable):
            stream = getattr(value, "tag", None) if isinstance(value, nnx.RngState) else None
            yield Leaf(at, type(value).__name__, stream, *_access(value))
        elif isinstance(getattr(value, "__dict__", None), dict):
            for name, held in list(vars(value).items()):
                if isinstance(held, jax.Array):
                    yield Leaf(_join(at, name), "array", None, *_attribute(value, name))


def _access(variable: Any) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def get() -> Any:
        return variable.get_raw_value()

    def put(value: Any) -> None:
        variable.set_raw_value(value, _unsafe_bypass_check=True)

    return get, put


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def get() -> Any:
        return vars(owner).get(name)

    def put(value: Any) -> None:
        vars(owner)[name] = value

    return get, put


def evaluated(roots: Mapping[str, object], flags: Mapping[str, bool]) -> None:
    """What ``.eval()`` does, for every mode flag that a module keeps."""
    for name, root in roots.items():
        for _, module in modules(root, name):
            for flag, trains in flags.items():
                if isinstance(vars(module).get(flag), bool):
                    setattr(module, flag, not trains)
