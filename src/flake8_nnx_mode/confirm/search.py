"""The search for arguments under which flagged code can be run, steered by its own errors."""

import ast
import heapq
import inspect
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from flake8_nnx_mode.confirm.arguments import GIVEN, Array, Decisions, Draft, Guesser, Pick, Value
from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.confirm.steering import Failure, Place, moves

_WIDEST = 24  # moves that are kept of one failure
_DETOURS = 12  # runs that miss what is wanted, at most
_BUILDS = 4
_PRICES = {2: -2.0, 1: -1.0, 0: 0.5, -1: 1.5}  # of what `_gain` says
_PATIENCE = 24  # trials without getting further
_HOPELESS = (ImportError, NotImplementedError, OSError)
_HOPELESS_TRIALS = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be built and called."""

    target: Callable[..., Any]
    """The class to be built, or the function to be called."""
    method: str | None
    """For a class: the method that is called; None: it is only built."""
    flags: Mapping[str, bool]
    """Mode flag -> whether True means training."""
    namespace: Mapping[str, Any]
    """Where names of a recipe are looked up."""
    name: str
    """How the target is written in source, such as ``Net`` or ``Outer.Inner``."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one recipe."""

    error: BaseException | None
    """None: it ran."""
    stage: Literal["init", "call"]
    """Where the error came from."""
    good: bool
    """Whether this is what is wanted: it ran all through what is to be seen, or failed there."""


class NotFoundError(Exception):
    """No arguments were found."""

    def __init__(self, reason: str, last: BaseException | None, ran: Recipe | None = None) -> None:
        super().__init__(reason)
        self.ran = ran
        """What ran, though what was wanted did not happen."""
        self.reason = reason
        self.last = last
        """The error that most attempts ran into, of those that came to the call."""


def search(
    subject: Subject,
    trial: Callable[[Recipe], Attempt],
    *,
    pinned: Recipe | None,
    builds: Sequence[str],
    limit: int = 60,
    seconds: float = 5.0,
) -> Recipe:
    """Arguments with which the subject runs.

    Args:
        subject: what is built and called.
        trial: tries a recipe.
        pinned: what the user says, None for what is not said; ``...`` in it is filled in.
        builds: arguments of constructions seen elsewhere, ``...`` for what is not known there.
        limit: how many trials at most.
        seconds: how long at most.

    Raises:
        NotFoundError: none were found. What ``trial`` raises passes through.
    """
    deadline = time.monotonic() + seconds
    try:
        begun = _Search(subject, trial, pinned, builds)
    except Exception as error:  # a class that is stranger than we thought
        raise NotFoundError(f"its arguments cannot be read: {_line(error)}", error) from error
    return begun.run(limit, deadline)


@dataclass(frozen=True, slots=True)
class _Node:
    """Decisions that are to be tried."""

    decisions: Decisions
    cost: float
    reached: Place = ()
    """Where the attempt ended that this one grew from."""


class _Search:
    def __init__(
        self,
        subject: Subject,
        trial: Callable[[Recipe], Attempt],
        pinned: Recipe | None,
        builds: Sequence[str],
    ) -> None:
        self.subject = subject
        self.trial = trial
        self.pinned = pinned or Recipe(None, None)
        self.builds = builds
        self.guesser = Guesser(subject.namespace, subject.flags)
        self.is_class = isinstance(subject.target, type)
        self.order = itertools.count()
        self.heap: list[tuple[float, int, _Node]] = []
        self.frozen: dict[str, Value | Pick] = {}
        for cost, decisions in self._starts():
            self._push(_Node({**decisions, **self.frozen}, cost))

    def run(self, limit: int, deadline: float) -> Recipe:
        seen: set[Recipe] = set()
        walls: Counter[Place] = Counter()
        errors: dict[Place, BaseException] = {}
        idle = hopeless = 0
        ran: list[Recipe] = []
        while self.heap and len(seen) < limit and time.monotonic() < deadline:
            if idle > _PATIENCE or hopeless >= _HOPELESS_TRIALS:
                break
            _, _, node = heapq.heappop(self.heap)
            try:
                recipe, draft = self.write(node.decisions)
            except Exception:  # a hint, a default or a name that raises when it is looked at
                continue
            if recipe in seen:
                continue
            seen.add(recipe)
            attempt = self.trial(recipe)
            if attempt.good:
                return recipe
            if attempt.error is None:
                ran.append(recipe)
                if len(ran) > _DETOURS:
                    break
                self._wander(node, draft)
                continue
            failure = Failure(attempt.error, attempt.stage, draft.slots, draft.sizes)
            hopeless += isinstance(attempt.error, _HOPELESS)
            gain = _gain(node.reached, failure.reached)
            if failure.reached in walls:
                gain = min(gain, 0)
            walls[failure.reached] += 1
            errors.setdefault(failure.reached, attempt.error)
            idle = 0 if gain > 0 else idle + 1
            self._grow(node, failure, gain)
        if ran:
            raise NotFoundError("it runs, but not as it is wanted to", None, ran[0])
        tried = f"no arguments found in {len(seen)} trial{'s' * (len(seen) != 1)}"
        last = errors[max(walls, key=lambda place: (place[0][1], walls[place]))] if walls else None
        raise NotFoundError(f"{tried}: {_line(last)}" if last else tried, last)

    def _push(self, node: _Node) -> None:
        heapq.heappush(self.heap, (node.cost, next(self.order), node))

    def _grow(self, node: _Node, failure: Failure, gain: int) -> None:
        """Getting further is what counts; standing still costs, falling back costs more."""
        base = node.cost + _PRICES[gain]
        for move in moves(failure)[:_WIDEST]:
            if not any(path in self.frozen for path in move.decisions):
                decisions = {**node.decisions, **move.decisions}
                self._push(_Node(decisions, base + move.cost, failure.reached))

    def _wander(self, node: _Node, draft: Draft) -> None:
        """It ran, and something that is wanted did not happen: take other options, one by one."""
        for slot in draft.slots.values():
            if isinstance(slot.chosen, Array) or slot.path in self.frozen:
                continue
            first = 0.3 if slot.is_empty or slot.chosen in ("True", "False") else 1.0
            for number in range(1, min(slot.options, 3)):
                decisions = {**node.decisions, slot.path: Pick(number)}
                self._push(_Node(decisions, node.cost + first + 0.4 * number, node.reached))

    def write(self, decisions: Decisions) -> tuple[Recipe, Draft]:
        """The recipe under these decisions."""
        draft = self.guesser.draft(decisions)
        target = self.subject.target
        if not self.is_class:
            call = _whole(self.pinned.call) or draft.arguments(target, "call")
            return Recipe(None, call), draft
        init = _whole(self.pinned.init)
        if init is None:
            init = draft.arguments(target, "init")
        if self.subject.method is None:
            return Recipe(init, None), draft
        draft.know(target)
        said = _whole(self.pinned.call)
        if said is None:
            method, bound = self._method()
            said = draft.arguments(method, "call", bound=bound)
        return Recipe(init, said), draft

    def _method(self) -> tuple[Any, bool]:
        name = self.subject.method or ""
        raw = inspect.getattr_static(self.subject.target, name, None)
        if isinstance(raw, staticmethod):
            return raw.__func__, False
        if isinstance(raw, classmethod):
            return raw.__func__, True
        return getattr(self.subject.target, name, raw), True

    # Where to begin.

    def _starts(self) -> Iterator[tuple[float, Decisions]]:
        for part, text in (("init", self.pinned.init), ("call", self.pinned.call)):
            if text is not None and _whole(text) is None:
                self.frozen.update(self._bound(part, text))
        yield 0.0, {}
        if self.is_class and _whole(self.pinned.init) is None:
            for number, text in enumerate(self.builds[:_BUILDS]):
                if decisions := self._bound("init", text):
                    yield 0.3 + 0.1 * number, decisions

    def _bound(self, part: str, text: str) -> dict[str, Value | Pick]:
        """Decisions that an argument list amounts to; what it does not know is left open."""
        try:
            call = ast.parse(f"f({text})", mode="eval").body
        except SyntaxError:
            return {}
        if not isinstance(call, ast.Call):
            return {}
        function, bound = (
            (self.subject.target, False) if part == "init" or not self.is_class else self._method()
        )
        parameters = self.guesser.parameters(function)[int(bound) :]
        places = [p.name for p in parameters if p.kind < inspect.Parameter.VAR_POSITIONAL]
        given = dict(zip(places, call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        return {
            f"{part}.{name}": ast.unparse(value)
            for name, value in given.items()
            if self._is_known(value)
        }

    def _is_known(self, value: ast.expr) -> bool:
        for node in ast.walk(value):
            match node:
                case ast.Constant(value=constant) if constant is Ellipsis:
                    return False
                case ast.Starred():
                    return False
                case ast.Name(id=name):
                    if name not in GIVEN and name not in self.subject.namespace:
                        return hasattr(__builtins__, name)
        return True


def _whole(text: str | None) -> str | None:
    """A pinned part that leaves nothing open."""
    if text is None or "..." not in text:
        return text
    try:
        tree = ast.parse(f"f({text})")
    except SyntaxError:
        return text
    holes = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value is Ellipsis)
    return None if any(holes) else text


def _gain(before: Place, now: Place) -> int:
    """How far an attempt came, against the one before.

    Lines can be compared within one function only; where the ways part, it is another error, which
    is good but less so.

    Returns:
        2 for further, 1 for another way, 0 for the same place, -1 for less far.
    """
    for (code, line), (other, reached) in zip(before, now, strict=False):
        if code is not other:
            return 1
        if line != reached:
            return 2 if reached > line else -1
    return int(len(before) != len(now))


def _line(error: BaseException | None) -> str:
    try:
        text = str(error).strip().split("\n")[0]
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}"[:200]
