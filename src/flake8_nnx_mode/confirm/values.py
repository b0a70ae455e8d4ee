"""What a traced computation does with randomness: every value gets a number.

Two values have one number if they are computed in the same way from the same leaves, so that one
key used twice is seen as such however it is passed on, and a key that depends on no leaf is a
constant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

LEAF: Any = core.Primitive("nnx_confirm_leaf")
"""Stands for a value that is given: nothing is known of it but its label."""
LEAF.def_impl(lambda value, *, label: value)
LEAF.def_abstract_eval(lambda value, *, label: value)

_INLINED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_SIMPLE = (bool, int, float, str, bytes, np.dtype, type(None))


@dataclass(frozen=True, slots=True)
class Draw:
    """Random bits made from a key."""

    key: int
    """The number of the key's value."""
    scope: str
    """The named scopes around it."""
    order: int
    repeats: bool
    """Whether a loop of the computation makes the same draw with the same key again."""


@dataclass(slots=True)
class Values:
    """The numbers of values; shared by traces that are compared."""

    _numbers: dict[tuple[object, ...], int] = field(default_factory=dict)
    _made: list[tuple[object, ...]] = field(default_factory=list)
    _leaves: dict[int, frozenset[str]] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)

    def number(self, *how: object) -> int:
        """The number of the value that is made like that; a tuple at the end holds operands."""
        known = self._numbers.get(how)
        if known is None:
            known = self._numbers[how] = len(self._made)
            self._made.append(how)
        return known

    def leaf(self, label: str) -> int:
        """The number of the leaf."""
        return self.number("leaf", label)

    def constant(self, value: object) -> int:
        """The number of a constant; large ones are told apart by identity only."""
        shape = getattr(value, "shape", ())
        dtype = getattr(value, "dtype", type(value))
        try:
            if getattr(value, "size", 1) <= 64 and not jnp.issubdtype(dtype, jax.dtypes.extended):
                return self.number("constant", str(dtype), shape, np.asarray(value).tobytes())
        except Exception:  # an object of its own kind
            pass
        self._kept.append(value)  # or its id might be given again
        return self.number("constant", str(dtype), shape, id(value))

    def ancestors(self, number: int) -> set[int]:
        """The numbers of all values that it is made from, and its own."""
        seen: set[int] = set()
        left = [number]
        while left:
            at = left.pop()
            if at not in seen:
                seen.add(at)
                how = self._made[at]
                operands = how[-1]
                if how[0] not in ("leaf", "constant") and isinstance(operands, tuple):
                    left.extend(operands)
        return seen

    def leaves(self, number: int) -> frozenset[str]:
        """The labels of the leaves that it depends on."""
        known = self._leaves.get(number)
        if known is None:
            made = (self._made[at] for at in self.ancestors(number))
            known = frozenset(str(how[1]) for how in made if how[0] == "leaf")
            self._leaves[number] = known
        return known


class Reading:
    """One traced computation, read from its jaxpr."""

    def __init__(self, values: Values, closed: Any, flag: str) -> None:
        self.draws: list[Draw] = []
        self.flagged: set[int] = set()
        """The numbers of what was made in the scope that is flagged."""
        self._flag = flag
        self._values = values
        constants = [values.constant(c) for c in closed.consts]
        self.outputs = self._read(closed.jaxpr, constants, [], "", frozenset())
        """The numbers of what it returns."""

    def _read(
        self,
        jaxpr: Any,
        constants: Sequence[int],
        inputs: Sequence[int],
        scope: str,
        varying: frozenset[int] | None,
    ) -> list[int]:
        env: dict[Any, int] = dict(zip(jaxpr.constvars, constants, strict=False))
        env.update(zip(jaxpr.invars, inputs, strict=False))

        def number(atom: Any) -> int:
            if hasattr(atom, "val"):
                return self._values.constant(atom.val)
            known = env.get(atom)
            if known is None:
                known = env[atom] = self._values.number("unknown", id(atom))
            return known

        for eqn in jaxpr.eqns:
            operands = tuple(number(atom) for atom in eqn.invars)
            inner = f"{scope}/{eqn.source_info.name_stack}"
            results = self._equation(eqn, operands, inner, varying)
            for variable, result in zip(eqn.outvars, results, strict=False):
                env[variable] = result
                if self._flag in inner:
                    self.flagged.add(result)
        return [number(atom) for atom in jaxpr.outvars]

    def _equation(
        self, eqn: Any, operands: tuple[int, ...], scope: str, varying: frozenset[int] | None
    ) -> Iterator[int]:
        name, params = eqn.primitive.name, eqn.params
        if name == LEAF.name:
            return iter([self._values.leaf(params["label"])])
        if name == "random_bits":
            self._draw(operands[0], scope, varying)
        body, loops = _body(name, params)
        if body is not None and not loops and len(body.invars) == len(operands):
            constants = [self._values.constant(c) for c in _constants(params)]
            return iter(self._read(body, constants, operands, scope, varying))
        if name == "scan":
            self._scan(params, operands, scope)
        elif name == "while":
            self._while(params, operands, scope)
        elif name == "cond":
            operands += tuple(
                result
                for branch in params["branches"]
                for result in self._read(
                    branch.jaxpr, self._of(branch), operands[1:], scope, varying
                )
            )
        elif body is not None:
            unknown = [self._values.number("inside", n, operands) for n in range(len(body.invars))]
            self._read(body, [], unknown, scope, varying)
        how = (name, *_fingerprint(params))
        return (self._values.number(*how, index, operands) for index, _ in enumerate(eqn.outvars))

    def _of(self, closed: Any) -> list[int]:
        return [self._values.constant(c) for c in closed.consts]

    def _scan(self, params: Any, operands: tuple[int, ...], scope: str) -> None:
        fixed, carried = params["num_consts"], params["num_consts"] + params["num_carry"]
        self._loop(params["jaxpr"], operands[:fixed], operands, fixed, carried, scope)

    def _while(self, params: Any, operands: tuple[int, ...], scope: str) -> None:
        tests, fixed = params["cond_nconsts"], params["body_nconsts"]
        self._loop(
            params["body_jaxpr"], operands[tests : tests + fixed], operands, fixed, None, scope
        )

    def _loop(
        self,
        body: Any,
        constants: Sequence[int],
        operands: tuple[int, ...],
        fixed: int,
        carried: int | None,
        scope: str,
    ) -> None:
        """What changes from turn to turn is a value of its own; the rest is what it was."""
        count = len(body.jaxpr.invars)
        turns = [self._values.number("turn", n, operands) for n in range(fixed, count)]
        self._read(body.jaxpr, self._of(body), [*constants, *turns], scope, frozenset(turns))

    def _draw(self, key: int, scope: str, varying: frozenset[int] | None) -> None:
        repeats = bool(varying) and not (self._values.ancestors(key) & (varying or set()))
        self.draws.append(Draw(key, scope, len(self.draws), repeats))


def _body(name: str, params: Any) -> tuple[Any, bool]:
    """The computation inside an equation, if it has one."""
    for field_name in _INLINED:
        body = params.get(field_name)
        if body is not None and name != "scan":
            return getattr(body, "jaxpr", body), name in ("while", "cond")
    return None, name in ("scan", "while", "cond")


def _constants(params: Any) -> Sequence[Any]:
    for field_name in _INLINED:
        body = params.get(field_name)
        if body is not None:
            return getattr(body, "consts", ())
    return ()


def _fingerprint(params: Any) -> Iterator[object]:
    for name, value in params.items():
        if isinstance(value, _SIMPLE):
            yield name
            yield str(value)
        elif isinstance(value, tuple) and all(isinstance(v, _SIMPLE) for v in value):
            yield name
            yield value
        elif not hasattr(value, "eqns") and not hasattr(value, "jaxpr") and not callable(value):
            yield name
            yield _short(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if " at 0x" not in text else type(value).__name__
