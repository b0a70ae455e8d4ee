"""What is run of a flagged place: a class and its method, a function, a script."""

import ast
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flax import nnx

from flake8_nnx_mode.confirm import slices
from flake8_nnx_mode.confirm.failures import NoVerdictError

_INIT_LIKE = ("__init__", "__post_init__", "setup", "set_view")


@dataclass(frozen=True, slots=True)
class Target:
    """What is run: a class and one of its methods, a function, or a script."""

    name: str | None
    """As written in source; None: the statement itself runs."""
    method: str | None = None
    is_class: bool = False
    returns: str | None = None
    """Of a function that returns functions: the name of the one that is run."""


def targets(place: slices.Place, *, built_only: bool) -> Sequence[Target]:
    """What may run what is at ``place``, the likeliest first."""
    owner, function = place.owner, place.function
    if owner is None:
        if function is None:
            return [*_assigned(place.node), Target(None)]
        inner = [d.name for d in place.definitions[1:] if not isinstance(d, ast.ClassDef)]
        return [Target(function), *(Target(function, returns=name) for name in inner[:1])]
    if built_only:
        return [Target(owner, None, True)]
    methods = _methods(place.definitions)
    names = list(methods)
    forward = [m for m in names if m not in _INIT_LIKE and not m.startswith("_")]
    preferred = ["__call__"] if "__call__" in methods else forward[:1]
    if function is not None and function not in _INIT_LIKE:
        others = [m for m in preferred if m != function]
        preferred = [function, *others]
        if function.startswith("_") and not function.startswith("__"):
            callers = [m for m in names if _mentions(methods[m], function) and m != function]
            public = [m for m in callers if m in forward or m == "__call__"]
            built = any(m in _INIT_LIKE for m in callers)
            preferred = [*others, function] if built else [*public, function, *others]
    return [Target(owner, method, True) for method in preferred] or [Target(owner, None, True)]


def _assigned(statement: ast.stmt) -> list[Target]:
    """What a statement of a script names: it may be a function that was compiled."""
    match statement:
        case ast.Assign([ast.Name(name)], ast.Call()):
            return [Target(name)]
    return []


def _methods(definitions: Sequence[slices.Definition]) -> dict[str, ast.FunctionDef]:
    classes = [d for d in definitions if isinstance(d, ast.ClassDef)]
    return {s.name: s for s in classes[-1].body if isinstance(s, ast.FunctionDef)}


def _mentions(method: ast.FunctionDef, name: str) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == name for n in ast.walk(method))


def found(space: Mapping[str, Any], name: str) -> Any:
    """What a dotted name means."""
    first, *rest = name.split(".")
    value = space[first]
    for part in rest:
        value = getattr(value, part)
    return value


def named_function(made: Any, name: str) -> Any:
    """Of what a function returned, the function of that name; else the first function."""
    parts = made if isinstance(made, tuple | list) else [made]
    functions = [p for p in parts if callable(p) and not isinstance(p, nnx.Module | type)]
    if not functions:
        raise NoVerdictError("no function", f"no function `{name}` is returned")
    named = [f for f in functions if getattr(f, "__name__", None) == name]
    return (named or functions)[0]


def guesses(
    function: Any, given: Mapping[str, object], space: Mapping[str, object]
) -> dict[str, str]:
    """Parameters of which nothing is known and that were given a module -> its class."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {
        name: type(value).__name__
        for name, value in given.items()
        if isinstance(value, nnx.Module)
        and not (
            name in parameters and _names_class(parameters[name].annotation, type(value), space)
        )
    }


def _names_class(hint: Any, cls: type, space: Mapping[str, object]) -> bool:
    """Whether an annotation says that an object is of this class, and of none that extends it."""
    said = hint is cls or cls in typing.get_args(hint)
    if isinstance(hint, str):
        said = cls.__name__ in hint
    return said and not any(
        isinstance(other, type) and issubclass(other, cls) and other is not cls
        for other in space.values()
    )


def parameters(function: Any) -> tuple[list[str], list[str]]:
    """What it takes by position, and what has a default."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return [], []
    by_position = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return by_position, [p.name for p in found if p.default is not p.empty]
