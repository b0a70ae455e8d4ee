"""What a traced computation does with randomness: every value gets a number.

Two values have one number if they are computed in the same way from the same leaves, so that one
key used twice is seen as such however it is passed on, and a key that depends on no leaf is a
constant.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
_OF_KEYS = frozenset(
    "random_seed random_wrap random_unwrap random_split random_fold_in slice squeeze".split()
)
"""What makes keys of keys, and picks them."""
_SAMPLERS = re.compile(r"jax/_src/random(/core)?\.py")
_CALLBACKS = ("pure_callback", "io_callback")
_LARGEST = 1 << 22
"""Bytes of a constant that are looked at."""
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
    branches: tuple[tuple[int, int], ...] = ()
    """The conditionals around it, each with the number of the branch."""
    many: bool = False
    """Whether it draws with several keys at once."""

    def excludes(self, other: "Draw") -> bool:
        """Whether the two are in different branches of one conditional."""
        mine = dict(self.branches)
        return any(mine.get(cond, branch) != branch for cond, branch in other.branches)


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

    def fresh(self) -> int:
        """The number of a value that is like no other."""
        self._made.append(("constant", "fresh", len(self._made)))
        return len(self._made) - 1

    def leaf(self, label: str) -> int:
        """The number of the leaf."""
        return self.number("leaf", label)

    def constant(self, value: object) -> int:
        """The number of a constant; large ones are told apart by identity only."""
        shape = getattr(value, "shape", ())
        dtype = getattr(value, "dtype", type(value))
        try:
            if not jnp.issubdtype(dtype, jax.dtypes.extended):
                array = np.asarray(value)
                if array.nbytes <= _LARGEST:
                    digest = hashlib.sha1(array.tobytes()).digest()
                    return self.number("constant", str(dtype), shape, digest)
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

    def are_related(self, one: Draw, other: Draw) -> bool:
        """Whether the keys of two draws are known to come from one."""
        first, second = self._origins(one.key), self._origins(other.key)
        return first is not None and second is not None and not set(first).isdisjoint(second)

    def are_apart(self, one: Draw, other: Draw) -> bool:
        """Whether the keys of two draws are surely different.

        Unequal numbers are no proof: ``split(key)[0]`` and the first of ``a, b = split(key)`` are
        one key. Keys are apart that have no origin in common, that are folded with different
        values, or that are different elements, picked in the same way, of one split.
        """
        first, second = self._origins(one.key), self._origins(other.key)
        if first is None or second is None:
            return not self.ancestors(one.key) & self.ancestors(other.key)
        common = next((number for number in first if number in second), None)
        if common is None:
            return True
        at, place = first.index(common), second.index(common)
        if one.many or other.many or at == 0 or place == 0:
            return False
        left, right = self._made[first[at - 1]], self._made[second[place - 1]]
        if left[0] != right[0]:
            return False
        if left[0] == "random_fold_in":
            return True
        return self._made[common][0] == "random_split" and _are_disjoint(left, right)

    def _origins(self, number: int) -> list[int] | None:
        """A key, and what it is made from, back to the first; None if that is no simple chain."""
        chain = [number]
        while True:
            how = self._made[chain[-1]]
            operands = how[-1]
            if how[0] in ("leaf", "constant"):
                return chain
            if how[0] not in _OF_KEYS or not isinstance(operands, tuple):
                return None
            chain.append(operands[0])


@dataclass(frozen=True, slots=True)
class _Around:
    """What an equation stands in."""

    scope: str = ""
    turns: tuple[frozenset[int], ...] = ()
    """For each loop around it, what changes from turn to turn."""
    branches: tuple[tuple[int, int], ...] = ()
    replayed: bool = False
    """Whether it is computed a second time, for a gradient."""
    drawn: bool = False
    """Whether it is inside a sampler of jax.random, which counts as one draw."""


class Reading:
    """One traced computation, read from its jaxpr."""

    def __init__(self, values: Values, closed: Any, flag: str) -> None:
        self.draws: list[Draw] = []
        self.flagged: set[int] = set()
        """The numbers of what was made in the scope that is flagged."""
        self._flag = flag
        self._values = values
        self._conditionals = 0
        self.outputs = self._read(closed.jaxpr, self._of(closed), [], _Around())
        """The numbers of what it returns."""

    def _read(
        self, jaxpr: Any, constants: Sequence[int], inputs: Sequence[int], around: _Around
    ) -> list[int]:
        env: dict[Any, int] = dict(zip(jaxpr.constvars, constants, strict=False))
        env.update(zip(jaxpr.invars, inputs, strict=False))

        def number(atom: Any) -> int:
            if hasattr(atom, "val"):
                return self._values.constant(atom.val)
            known = env.get(atom)
            if known is None:
                known = env[atom] = self._values.fresh()
            return known

        for eqn in jaxpr.eqns:
            operands = tuple(number(atom) for atom in eqn.invars)
            inner = replace(around, scope=f"{around.scope}/{eqn.source_info.name_stack}")
            results = self._equation(eqn, operands, inner)
            for variable, result in zip(eqn.outvars, results, strict=False):
                env[variable] = result
                if self._flag in inner.scope:
                    self.flagged.add(result)
        return [number(atom) for atom in jaxpr.outvars]

    def _equation(self, eqn: Any, operands: tuple[int, ...], around: _Around) -> Sequence[int]:
        name, params = eqn.primitive.name, eqn.params
        if name == LEAF.name:
            return [self._values.leaf(params["label"])]
        if name == "random_bits":
            self._draw(eqn, operands[0], around)
        if name in ("scan", "while", "cond"):
            operands += tuple(getattr(self, f"_{name}")(params, operands, around))
        elif (body := _body(params)) is not None:
            if _is_sampler(body) and operands and _is_key(eqn.invars[0]):
                self._draw(eqn, operands[0], around)
                around = replace(around, drawn=True)  # what it splits its key for is its own
            if params.get("differentiated"):  # what is computed again for a gradient
                around = replace(around, replayed=True)
            inputs: Sequence[int] = operands
            if len(body.invars) != len(operands):
                inputs = [
                    self._values.number("inside", n, operands) for n in range(len(body.invars))
                ]
            results = self._read(body, self._of_body(params), inputs, around)
            if len(results) == len(eqn.outvars) and inputs is operands:
                return results
        if eqn.effects or name in _CALLBACKS:  # the world outside may answer otherwise each time
            return [self._values.fresh() for _ in eqn.outvars]
        how = (name, *_fingerprint(params))
        return [self._values.number(*how, index, operands) for index, _ in enumerate(eqn.outvars)]

    def _of(self, closed: Any) -> list[int]:
        return [self._values.constant(c) for c in getattr(closed, "consts", ())]

    def _of_body(self, params: Any) -> list[int]:
        return self._of(next(p for name in _INLINED if (p := params.get(name)) is not None))

    def _scan(self, params: Any, operands: tuple[int, ...], around: _Around) -> list[int]:
        fixed, carried = _scanned(params)
        kept = fixed + carried
        turns = [self._values.number("turn", n, operands) for n in range(fixed, kept)]
        turns += [self._values.number("element", (whole,)) for whole in operands[kept:]]
        if params["length"] == 1:  # no turn comes after the first
            inputs = [*operands[:fixed], *turns]
            return self._read(params["jaxpr"].jaxpr, self._of(params["jaxpr"]), inputs, around)
        return self._loop(params["jaxpr"], operands[:fixed], turns, around)

    def _while(self, params: Any, operands: tuple[int, ...], around: _Around) -> list[int]:
        tests, fixed = params["cond_nconsts"], params["body_nconsts"]
        places = range(tests + fixed, len(operands))
        turns = [self._values.number("turn", n, operands) for n in places]
        test = self._loop(params["cond_jaxpr"], operands[:tests], turns, around)
        body = operands[tests : tests + fixed]
        return test + self._loop(params["body_jaxpr"], body, turns, around)

    def _loop(
        self, body: Any, constants: Sequence[int], turns: list[int], around: _Around
    ) -> list[int]:
        """What changes from turn to turn is a value of its own; the rest is what it was."""
        inside = replace(around, turns=(*around.turns, frozenset(turns)))
        return self._read(body.jaxpr, self._of(body), [*constants, *turns], inside)

    def _cond(self, params: Any, operands: tuple[int, ...], around: _Around) -> Iterator[int]:
        self._conditionals += 1
        here = self._conditionals
        for number, branch in enumerate(params["branches"]):
            inside = replace(around, branches=(*around.branches, (here, number)))
            yield from self._read(branch.jaxpr, self._of(branch), operands[1:], inside)

    def _draw(self, eqn: Any, key: int, around: _Around) -> None:
        if around.drawn or around.replayed or "transpose(" in around.scope:
            return  # the backward pass makes the same numbers on purpose
        made_from = self._values.ancestors(key)
        repeats = any(not (made_from & turns) for turns in around.turns)
        many = bool(getattr(eqn.invars[0].aval, "shape", ()))
        place = len(self.draws)
        self.draws.append(Draw(key, around.scope, place, repeats, around.branches, many))


def _body(params: Any) -> Any:
    """The computation inside an equation, if it has one."""
    for name in _INLINED:
        body = params.get(name)
        if body is not None:
            return getattr(body, "jaxpr", body)
    return None


def _are_disjoint(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether two slices have no element in common."""
    if one[0] != "slice":
        return False
    boxes: list[Any] = [
        (how[how.index("start_indices") + 1], how[how.index("limit_indices") + 1])
        for how in (one, other)
    ]
    (starts, limits), (others, ends) = boxes
    pairs = zip(starts, limits, others, ends, strict=True)
    return any(limit <= begin or end <= start for start, limit, begin, end in pairs)


def _is_sampler(body: Any) -> bool:
    where = str(getattr(getattr(body, "debug_info", None), "func_src_info", ""))
    return _SAMPLERS.search(where) is not None


def _is_key(atom: Any) -> bool:
    dtype = getattr(atom.aval, "dtype", None)
    return dtype is not None and bool(jnp.issubdtype(dtype, jax.dtypes.prng_key))


def _scanned(params: Any) -> tuple[int, int]:
    """How many operands of a scan stay as they are, and how many it carries along."""
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    fixed, carried, _ = params["ft_in"].unpack()  # jax 0.12
    return len(fixed), len(carried)


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
