"""From an error to what may be changed about the arguments, the likeliest first.

A rule reads one kind of complaint: what the error says, on which line, with which values about.
"""

import ast
import linecache
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flake8_nnx_mode.confirm.arguments import Array, Pick, Slot, Value
from flake8_nnx_mode.confirm.clues import condition

_LIBRARIES = re.compile(
    r"[\\/](site-packages|dist-packages)[\\/](jax|jaxlib|flax|numpy|einops|jaxtyping)[\\/]"
)
_WORD = re.compile(r"[A-Za-z_]\w*")


Place = tuple[tuple[Any, int], ...]
"""Where an attempt ended: its stage, then functions and lines, from the outside in."""


@dataclass(frozen=True, slots=True)
class Move:
    """Decisions to be changed, and how unlikely it is that they help."""

    cost: float
    decisions: Mapping[str, Value | Pick]


@dataclass(frozen=True, slots=True)
class Frame:
    """One level of the traceback."""

    code: types.CodeType
    line: int
    values: Mapping[str, Any]
    names: dict[str, Any]
    """The names of the module around."""

    @property
    def text(self) -> str:
        """The line of source."""
        return linecache.getline(self.code.co_filename, self.line).strip()

    def value(self, expression: ast.expr) -> Any:
        """What an expression of the function was worth when it failed; None if that is unknown."""
        try:
            code = compile(ast.Expression(expression), "<condition>", "eval")
            return eval(code, self.names, dict(self.values))
        except Exception:
            return None


@dataclass(slots=True)
class Failure:
    """An attempt that failed, taken apart."""

    error: BaseException
    stage: str
    slots: Mapping[str, Slot]
    roles: Mapping[str, int]
    message: str = ""
    frames: list[Frame] = field(default_factory=list)
    """Outermost first; of jax, only where it enters."""

    def __post_init__(self) -> None:
        self.message = _said(self.error)
        trace = self.error.__traceback__
        while trace is not None:
            at = trace.tb_frame
            self.frames.append(Frame(at.f_code, trace.tb_lineno, at.f_locals, at.f_globals))
            trace = trace.tb_next

    @property
    def reached(self) -> Place:
        """Where the attempt ended."""
        stage = (None, int(self.stage == "call"))
        return (stage, *((frame.code, frame.line) for frame in self.users[-8:]))

    @property
    def users(self) -> list[Frame]:
        """The frames that are not of a library."""
        return [frame for frame in self.frames if not _LIBRARIES.search(frame.code.co_filename)]

    @property
    def arrays(self) -> list[tuple[Slot, Array]]:
        """Array slots, those first that the failing lines name."""
        found = [
            (slot, slot.chosen) for slot in self.slots.values() if isinstance(slot.chosen, Array)
        ]
        return sorted(found, key=lambda pair: self.distance(pair[0]))

    def distance(self, slot: Slot) -> int:
        """0 where the innermost line or the message names the slot, 1 where another line does."""
        lines = [frame.text for frame in self.users]
        words = set(_WORD.findall(self.message.split("\n")[0]))
        if slot.name in words or (lines and slot.name in _WORD.findall(lines[-1])):
            return 0
        return 1 if any(slot.name in _WORD.findall(line) for line in lines[-3:]) else 2


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def moves(failure: Failure) -> list[Move]:
    """What to try next, the likeliest first."""
    found: list[Move] = []
    for rule in _RULES:
        try:
            found += rule(failure)
        except Exception:  # odd values in the frames; the other rules may know more
            continue
    return sorted(found, key=lambda move: move.cost)


_Rule = Callable[[Failure], Iterator[Move]]


def _shaped(slot: Slot, array: Array, shape: Sequence[int], cost: float) -> Move:
    return Move(cost, {slot.path: Array(array.kind, tuple(shape))})


def _shape_of(value: Any) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    whole = isinstance(shape, tuple) and all(isinstance(size, int) for size in shape)
    return shape if whole else None


def _with_rank(array: Array, rank: int, roles: Mapping[str, int]) -> tuple[int, ...]:
    """The shape with another number of axes, its first and last kept."""
    shape = array.shape
    if rank <= len(shape):
        return (*shape[: rank - 1], shape[-1]) if rank else ()
    if not shape:
        shape = (roles["batch"],)
    middle = roles["image"] if rank > 3 else roles["sequence"]
    last = shape[-1] if len(shape) > 1 else roles["features"]
    return (shape[0], *(middle,) * (rank - 2), last)


def _layer(failure: Failure) -> Iterator[Move]:
    """A layer of flax was given what it does not take: it knows what it takes."""
    for frame in reversed(failure.frames):
        layer = frame.values.get("self")
        if not type(layer).__module__.startswith("flax.nnx.nn") or frame.code.co_name != "__call__":
            continue
        given = next(
            (frame.values[n] for n in ("inputs", "inputs_q", "x") if n in frame.values), None
        )
        shape = _shape_of(given)
        if shape is None:
            return
        name = type(layer).__name__
        if name == "Embed":
            yield from _to_kind(failure, shape, "ids", 0.1)
            return
        wanted = getattr(layer, "in_features", None) or getattr(layer, "num_features", None)
        kernel = getattr(layer, "kernel_size", None)
        rank = len(kernel) + 2 if isinstance(kernel, tuple) and "Conv" in name else len(shape)
        if len(shape) != rank:
            yield from _ranked(failure, rank, 0.2, len(shape), wanted)
        if isinstance(wanted, tuple):
            wanted = wanted[-1] if wanted else None
        if isinstance(wanted, int) and shape and shape[-1] != wanted:
            yield from _resized(failure, shape, wanted, 0.1)
        return


def _to_kind(
    failure: Failure, shape: tuple[int, ...] | None, kind: str, cost: float
) -> Iterator[Move]:
    for slot, array in failure.arrays:
        if array.kind == kind:
            continue
        far = cost + 0.3 * failure.distance(slot) + (shape is not None and array.shape != shape)
        if kind == "ids" and len(array.shape) > 2:
            yield Move(far, {slot.path: Array(kind, array.shape[:2])})
        yield Move(far + 0.2, {slot.path: Array(kind, array.shape)})


def _ranked(
    failure: Failure, rank: int, cost: float, got: int | None = None, features: Any = None
) -> Iterator[Move]:
    for slot, array in failure.arrays:
        if len(array.shape) == rank or rank > 6:
            continue
        far = cost + 0.3 * failure.distance(slot) + (got is not None and len(array.shape) != got)
        shape = _with_rank(array, rank, failure.roles)
        if isinstance(features, int) and shape:
            shape = (*shape[:-1], features)
        yield _shaped(slot, array, shape, far)


def _resized(failure: Failure, shape: tuple[int, ...], wanted: int, cost: float) -> Iterator[Move]:
    """The last axis has another size than is wanted."""
    got = shape[-1]
    for slot, array in failure.arrays:
        if not array.shape:
            continue
        far = cost + 0.3 * failure.distance(slot)
        if array.shape == shape:
            yield _shaped(slot, array, (*array.shape[:-1], wanted), far)
        elif array.shape[-1] == got:
            yield _shaped(slot, array, (*array.shape[:-1], wanted), far + 0.3)
        if len(array.shape) > 2:
            yield from _scaled(slot, array, wanted / got if got else 1, far + 0.3)
        elif got and array.shape[-1] * wanted % got == 0:
            yield _shaped(
                slot, array, (*array.shape[:-1], array.shape[-1] * wanted // got), far + 0.6
            )
    yield from _flattened(failure, wanted, cost + 0.5)
    yield from _renumbered(failure, got, wanted, cost + 0.4)


def _scaled(slot: Slot, array: Array, ratio: float, cost: float) -> Iterator[Move]:
    """What was flattened on the way: larger or smaller images, longer or shorter sequences."""
    inner = array.shape[1:-1]
    factor = ratio ** (1 / len(inner))
    scaled = [round(size * factor) for size in inner]
    if all(scaled) and tuple(scaled) != inner and max(scaled) <= 1024:
        yield _shaped(slot, array, (array.shape[0], *scaled, array.shape[-1]), cost)


def _flattened(failure: Failure, wanted: int, cost: float) -> Iterator[Move]:
    """784 is 28 x 28, 3072 is 32 x 32 x 3."""
    for slot, array in failure.arrays:
        for channels in (1, 3, array.shape[-1] if array.shape else 1):
            side = math.isqrt(wanted // channels) if channels else 0
            if side > 3 and side * side * channels == wanted and len(array.shape) > 2:
                batch = array.shape[0]
                shape = (
                    (batch, side, side, channels) if len(array.shape) > 3 else (batch, side, side)
                )
                yield _shaped(slot, array, shape, cost + 0.3 * failure.distance(slot))


def _renumbered(failure: Failure, got: int, wanted: int, cost: float) -> Iterator[Move]:
    """One of two numbers that should be the same was given to the constructor."""
    for slot in failure.slots.values():
        if slot.number in (got, wanted) and slot.path.startswith("init"):
            other = wanted if slot.number == got else got
            if other > 0:
                yield Move(cost + 0.2 * failure.distance(slot), {slot.path: str(other)})


def _condition(failure: Failure) -> Iterator[Move]:
    """What the code itself tested before it raised, with both sides worked out."""
    if not failure.users:
        return
    frame = failure.users[-1]
    test = condition(frame.code, frame.line)
    for node in ast.walk(test) if test else ():
        match node:
            case ast.Compare(
                left=ast.BinOp(left=number, op=ast.Mod(), right=divisor),
                comparators=[ast.Constant(value=0)],
            ):
                yield from _made_divisible(failure, frame.value(number), frame.value(divisor))
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
                yield from _one_of(failure, frame.value(left), frame.value(right))
            case ast.Compare(left=left, comparators=[right]):
                yield from _compared(failure, frame, left, right)
                yield from _compared(failure, frame, right, left)
            case ast.Name(id=name) | ast.Attribute(attr=name):
                for slot in failure.slots.values():
                    if slot.name == name and slot.is_empty and slot.options > 1:
                        yield Move(0.1, {slot.path: Pick(1)})
            case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), cls]):
                if frame.value(cls) is dict:
                    for slot in failure.slots.values():
                        if slot.name == name:
                            yield Move(0.3, {slot.path: "{}"})


def _made_divisible(failure: Failure, number: Any, divisor: Any) -> Iterator[Move]:
    if not isinstance(number, int) or not isinstance(divisor, int) or divisor < 1:
        return
    common = math.lcm(number, divisor)
    for slot in failure.slots.values():
        near = 0.2 * failure.distance(slot)
        if slot.number == number and 0 < common <= 4096:
            yield Move(0.2 + near, {slot.path: str(common)})
            yield Move(0.3 + near, {slot.path: str(divisor)})
        if slot.number == divisor:
            yield Move(0.4 + near, {slot.path: str(math.gcd(number, divisor))})
    for slot, array in failure.arrays:
        if number in array.shape and common <= 1024:
            shape = [common if size == number else size for size in array.shape]
            yield _shaped(slot, array, shape, 0.3 + 0.2 * failure.distance(slot))


def _one_of(failure: Failure, given: Any, allowed: Any) -> Iterator[Move]:
    if not isinstance(allowed, (list, tuple, set, frozenset, dict)) or len(allowed) > 50:
        return
    for slot in failure.slots.values():
        if slot.chosen in (repr(given), str(given)):
            for number, value in enumerate(list(allowed)[:5]):
                if isinstance(value, (str, int, float)):
                    yield Move(0.1 + 0.1 * number, {slot.path: repr(value)})


def _compared(failure: Failure, frame: Frame, side: ast.expr, other: ast.expr) -> Iterator[Move]:
    """``side`` is what was given, ``other`` what it is held against."""
    wanted, got = frame.value(other), frame.value(side)
    if isinstance(wanted, bool) or not isinstance(wanted, (int, tuple)) or wanted == got:
        return
    match side:
        case (
            ast.Attribute(value=value, attr="ndim")
            | ast.Call(func=ast.Name(id="len"), args=[ast.Attribute(value=value, attr="shape")])
        ):
            if isinstance(wanted, int):
                yield from _for_value(
                    failure, frame, value, lambda shape: _refit(failure, shape, wanted)
                )
        case ast.Subscript(value=ast.Attribute(value=value, attr="shape"), slice=index):
            at = frame.value(index)
            if isinstance(at, int) and isinstance(wanted, int):
                yield from _for_value(failure, frame, value, lambda shape: _at(shape, at, wanted))
    if isinstance(got, int) and isinstance(wanted, int) and not isinstance(got, bool):
        yield from _swapped(failure, got, wanted, 0.4)
    if isinstance(got, tuple) and isinstance(wanted, tuple):
        for slot, array in failure.arrays:
            changed = wanted if array.shape == got else _followed(array.shape, got, wanted)
            if changed != array.shape and all(isinstance(size, int) for size in changed):
                yield _shaped(slot, array, changed, 0.3)


def _refit(failure: Failure, shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return _with_rank(Array("x", shape), rank, failure.roles) if rank < 7 else shape


def _at(shape: tuple[int, ...], index: int, size: int) -> tuple[int, ...]:
    sizes = list(shape)
    if -len(sizes) <= index < len(sizes) and size > 0:
        sizes[index] = size
    return tuple(sizes)


def _for_value(
    failure: Failure,
    frame: Frame,
    expression: ast.expr,
    change: Callable[[tuple[int, ...]], tuple[int, ...]],
) -> Iterator[Move]:
    """The slots that an expression may hold, changed."""
    shape = _shape_of(frame.value(expression))
    name = getattr(expression, "id", getattr(expression, "attr", ""))
    for slot, array in failure.arrays:
        if slot.name == name or array.shape == shape:
            yield _shaped(slot, array, change(array.shape), 0.1 + 0.2 * (slot.name != name))


def _swapped(failure: Failure, got: int, wanted: int, cost: float) -> Iterator[Move]:
    """A size that is met where another is wanted, wherever it came from."""
    if wanted < 1 or wanted > 100_000:
        return
    for slot, array in failure.arrays:
        far = cost + 0.2 * failure.distance(slot)
        if got in array.shape:
            last_only = array.shape[-1] == got
            if last_only and array.shape.count(got) > 1:
                yield _shaped(slot, array, (*array.shape[:-1], wanted), far)
                rest = [wanted if size == got else size for size in array.shape[:-1]]
                yield _shaped(slot, array, (*rest, array.shape[-1]), far + 0.1)
            else:
                yield _shaped(slot, array, [wanted if s == got else s for s in array.shape], far)
        inner = math.prod(array.shape[1:-1])
        if len(array.shape) == 4 and inner == got:
            side = math.isqrt(wanted)
            if side * side == wanted:
                yield _shaped(slot, array, (array.shape[0], side, side, array.shape[-1]), far)
        if len(array.shape) == 3 and array.shape[1] == got:
            yield _shaped(slot, array, (array.shape[0], wanted, array.shape[2]), far)
    yield from _renumbered(failure, got, wanted, cost + 0.2)


def _spoken_of(failure: Failure) -> Iterator[Move]:
    """Two numbers of the message, one of which is a size of ours."""
    first = failure.message.split("\n")[0]
    numbers = [int(n) for n in re.findall(r"(?<![\w.])\d{1,5}(?![\w.])", first)]
    for got, wanted in ((a, b) for a in numbers[:4] for b in numbers[:4] if a != b):
        yield from _swapped(failure, got, wanted, 0.7)


def _mode(failure: Failure) -> Iterator[Move]:
    """A rate above zero needs what a rate of zero does not."""
    words = failure.message.lower()
    raised = [slot for slot in failure.slots.values() if slot.is_rate]
    if raised and any(word in words for word in ("deterministic", "rngs", "dropout", "rate")):
        yield Move(0.3, {slot.path: None if slot.may_be_left_out else "0.0" for slot in raised})


_RANKS = tuple(
    (re.compile(pattern, re.IGNORECASE), more)
    for pattern, more in (
        (r"not enough values to unpack \(expected (\d)", 0),
        (r"too many values to unpack \(expected (\d)\)", 0),
        (r"too many indices.*?but (\d) were indexed", 0),
        (r"axis (\d) is out of bounds for array of dimension \d", 1),
        (r"must (?:be|have) (?:a )?(?:rank[ -]?)?(\d)[ -]?(?:dim|axes|d\b|-?rank)", 0),
        (r"(?:expected|expects?|requires?|needs?|must be)[^.\d]{0,30}(\d)[ -]?(?:dim|axes|d\b)", 0),
        (r"rank[ -]?(\d)", 0),
        (r"expected (\d) dim", 0),
        (r"(\d) dimensional", 0),
        (r"\b(\d)[- ]?d (?:input|array|tensor|image)", 0),
        (r"ndim ?(?:==|=|of|must be) ?(\d)", 0),
    )
)
_PERMUTATION = re.compile(r"(?:axes|permutation)[^()\[\]]*[\(\[]([\d, ]+)[\)\]]")
_SUBSCRIPT = re.compile(
    r"[Ee]instein sum subscript '?([a-zA-Z]+)'?|operand.*?subscript.*?'([a-zA-Z]+)'"
)


def _rank(failure: Failure) -> Iterator[Move]:
    """The number of axes, where the message or the failing line gives it."""
    for pattern, more in _RANKS:
        if found := pattern.search(failure.message):
            yield from _ranked(failure, int(found[1]) + more, 0.2)
            break
    if "ranspos" in failure.message and (found := _PERMUTATION.search(failure.message)):
        yield from _ranked(failure, len(found[1].split(",")), 0.2)
    if found := _SUBSCRIPT.search(failure.message):
        yield from _ranked(failure, len(found[1] or found[2]), 0.3)
    lines = [frame.text for frame in failure.users]
    if not lines:
        return
    if found := re.search(r"ndim\s*==\s*(\d)", lines[-1]):
        yield from _ranked(failure, int(found[1]), 0.15)
    if found := re.search(r"len\(\w+\.shape\)\s*==\s*(\d)", lines[-1]):
        yield from _ranked(failure, int(found[1]), 0.15)
    if isinstance(failure.error, IndexError) and (found := re.search(r"shape\[(\d)\]", lines[-1])):
        yield from _ranked(failure, int(found[1]) + 1, 0.2)
        yield from _ranked(failure, int(found[1]) + 2, 0.4)


_TUPLES = re.compile(r"\((\d+(?:, ?\d+)*),?\)")
_BROADCAST = ("broadcast", "incompatible shapes", "same shape", "equal shapes", "must be equal")


def _contraction(failure: Failure) -> Iterator[Move]:
    if "contracting dimensions" not in failure.message and "matmul" not in failure.message:
        return
    shapes = [tuple(map(int, t.split(","))) for t in _TUPLES.findall(failure.message)]
    if len(shapes) >= 2 and shapes[0] and shapes[1]:
        yield from _resized(failure, (0, shapes[0][-1]), shapes[1][0], 0.4)
        yield from _resized(failure, (0, shapes[1][0]), shapes[0][-1], 0.6)


def _broadcast(failure: Failure) -> Iterator[Move]:
    """Two arrays that do not go together: the one is made like the other."""
    if not any(word in failure.message.lower() for word in (*_BROADCAST, "concatenate")):
        return
    shapes = [tuple(map(int, t.split(","))) for t in _TUPLES.findall(failure.message)]
    if len(shapes) < 2:
        return
    for one, other in ((shapes[0], shapes[1]), (shapes[1], shapes[0])):
        for slot, array in failure.arrays:
            far = 0.4 + 0.3 * failure.distance(slot)
            if array.shape == one:
                yield _shaped(slot, array, other, far)
                continue
            changed = _followed(array.shape, one, other)
            if changed != array.shape:
                yield _shaped(slot, array, changed, far + 0.2)
        for got, wanted in zip(reversed(one), reversed(other), strict=False):
            if got != wanted and got > 1 and wanted > 1:
                yield from _renumbered(failure, got, wanted, 0.6)


def _followed(
    shape: tuple[int, ...], one: tuple[int, ...], other: tuple[int, ...]
) -> tuple[int, ...]:
    """The shape with the sizes that differ changed in the same way."""
    if len(one) != len(other):
        return shape
    changes = {got: wanted for got, wanted in zip(one, other, strict=True) if got != wanted}
    return tuple(changes.get(size, size) for size in shape)


def _reshape(failure: Failure) -> Iterator[Move]:
    """The number of elements does not fit a shape that is written down."""
    found = re.search(
        r"reshape array of shape \(([\d, ]*)\) \(size (\d+)\) into shape \(([-\d, ]*)\)",
        failure.message,
    )
    if not found:
        return
    got = tuple(int(part) for part in found[1].split(",") if part.strip())
    shape = tuple(int(part) for part in found[3].split(",") if part.strip())
    size = math.prod(n for n in shape if n > 0)
    for slot, array in failure.arrays:
        far = 0.4 + 0.3 * failure.distance(slot)
        total = math.prod(array.shape)
        if -1 not in shape and total and array.shape[-1] * size % max(1, int(found[2])) == 0:
            last = array.shape[-1] * size // int(found[2])
            yield _shaped(slot, array, (*array.shape[:-1], last), far)
        if len(array.shape) > 2 and -1 not in shape and total:
            yield from _scaled(slot, array, size / int(found[2]), far)
        if array.shape == got and all(n > 0 for n in shape):
            yield _shaped(slot, array, shape, far + 0.5)


_KINDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"(must|should|requires?|expected|have|be)[^.]{0,60}integer|integer[^.]{0,40}(index|indices|dtype|type)",
            "ids",
        ),
        (r"indices must|int32|indexer must", "ids"),
        (
            r"(must|should|expected|be|requires)[^.]{0,40}bool|not accept dtype float|bitwise",
            "mask",
        ),
        (
            r"(must|should|requires?|expected|accept)[^.]{0,60}(float|inexact)|not accept dtype",
            "x",
        ),
    )
)


def _key(failure: Failure) -> Iterator[Move]:
    """A key is wanted, not streams."""
    if "PRNG key type" in failure.message:
        for slot in failure.slots.values():
            if slot.chosen == "rngs":
                yield Move(0.2, {slot.path: "key"})


def _dtype(failure: Failure) -> Iterator[Move]:
    for pattern, kind in _KINDS:
        if pattern.search(failure.message):
            yield from _to_kind(failure, None, kind, 0.3)


_MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only)? ?arguments?: (.*)")
_UNEXPECTED = re.compile(
    r"unexpected keyword argument '(\w+)'|multiple values for argument '(\w+)'"
)
_NO_ATTRIBUTE = re.compile(r"'?([\w.]+)'? object has no attribute '(\w+)'")


def _signature(failure: Failure) -> Iterator[Move]:
    """Arguments that are missing or not known."""
    part = "init" if failure.stage == "init" else "call"
    if found := _MISSING.search(failure.message):
        names = re.findall(r"'(\w+)'", found[1])
        yield Move(0.2, {f"{part}.{name}": Pick(0) for name in names})
    if found := _UNEXPECTED.search(failure.message):
        name = found[1] or found[2]
        for slot in failure.slots.values():
            if slot.name == name:
                yield Move(0.2, {slot.path: None})


def _nothing(failure: Failure) -> Iterator[Move]:
    """None where a value is needed."""
    about_none = "NoneType" in failure.message or " None" in failure.message
    for slot in failure.slots.values():
        if slot.is_empty and slot.options > 1:
            near = failure.distance(slot)
            if about_none or near == 0:
                yield Move(0.3 + 0.3 * near + (not about_none), {slot.path: Pick(1)})


_REQUIRED = re.compile(
    r"(\w+)(?: config\w*)? (?:is required|(?:can ?not|can't|must not|may not) be (?:None|empty)|"
    r"must be (?:given|set|provided|specified|non-empty))"
)


def _required(failure: Failure) -> Iterator[Move]:
    """Something that may be left out is asked for by name."""
    if found := _REQUIRED.search(failure.message):
        name = found[1]
        for slot in failure.slots.values():
            if slot.name == name or slot.name.startswith(f"{name}_"):
                for number in range(1, min(slot.options, 4)):
                    yield Move(0.05 * number, {slot.path: Pick(number)})
                yield Move(0.2, {slot.path: repr(name)})


def _vanished(failure: Failure) -> Iterator[Move]:
    """A size came to nothing: fewer features than heads to share them."""
    found = re.search(r"into shape \(([^)]*)\)", failure.message)
    sizes = [int(n) for n in re.findall(r"\d+", found[1])] if found else []
    if 0 in sizes[1:]:
        heads = sizes[sizes.index(0, 1) - 1]
        yield Move(0.2, {"size.features": str(4 * heads)})
        for slot in failure.slots.values():
            if slot.number == heads:
                yield Move(0.3, {slot.path: "2"})


def _attribute(failure: Failure) -> Iterator[Move]:
    """An object lacks an attribute or a key that the code reads."""
    if found := _NO_ATTRIBUTE.search(failure.message):
        for slot in failure.slots.values():
            text = str(slot.chosen)
            if "SimpleNamespace" in text and found[1].endswith("SimpleNamespace"):
                yield Move(0.2 + 0.2 * failure.distance(slot), {f"{slot.path}.{found[2]}": Pick(0)})
    if isinstance(failure.error, KeyError) and failure.error.args:
        key = failure.error.args[0]
        for slot in failure.slots.values():
            if isinstance(key, str) and str(slot.chosen).startswith("{") and key.isidentifier():
                yield Move(0.3 + 0.2 * failure.distance(slot), {f"{slot.path}.{key}": Pick(0)})
            if isinstance(slot.chosen, str) and slot.chosen == repr(key):
                for known in _keys_about(failure, key):
                    yield Move(0.3, {slot.path: repr(known)})


def _keys_about(failure: Failure, missing: Any) -> list[str]:
    """Keys of the dictionaries that the failing function sees."""
    frame = failure.users[-1] if failure.users else None
    found: list[str] = []
    for value in frame.values.values() if frame else ():
        if isinstance(value, dict) and missing not in value:
            found += [key for key in value if isinstance(key, str)]
    return found[:4]


def _member(failure: Failure) -> Iterator[Move]:
    """A dictionary of ours lacks what the code asks for by another way than ``[]``."""
    frame = failure.users[-1] if failure.users else None
    test = condition(frame.code, frame.line) if frame else None
    asked = [node.id for node in ast.walk(test) if isinstance(node, ast.Name)] if test else []
    asked += [word for word in _WORD.findall(failure.message.split("\n")[0]) if "_" in word]
    for slot in failure.slots.values():
        if str(slot.chosen).startswith("{"):
            for name in dict.fromkeys(asked):
                if f"{slot.path}.{name}" not in failure.slots and name not in failure.slots:
                    yield Move(0.4, {f"{slot.path}.{name}": Pick(0)})


_QUOTED = re.compile(r"['\"]([\w.+-]{1,30})['\"]")
_CHOICE = re.compile(
    r"unknown|unsupported|invalid|must be|expected|one of|choose|support|recogni|available", re.I
)


def _choice(failure: Failure) -> Iterator[Move]:
    """Strings that the message offers."""
    if not _CHOICE.search(failure.message):
        return
    offered = _QUOTED.findall(failure.message)
    listed = re.search(r"\[([^\]]*)\]|\{([^}]*)\}|one of:? (.*)", failure.message)
    if listed:
        offered += re.findall(r"[A-Za-z_][\w-]*", next(group for group in listed.groups() if group))
    for slot in failure.slots.values():
        if isinstance(slot.chosen, str) and slot.chosen.startswith(("'", '"')):
            given = slot.chosen.strip("'\"")
            near = given in failure.message
            for number, text in enumerate(o for o in offered if o != given):
                yield Move(0.3 + 0.1 * min(number, 5) + (not near), {slot.path: repr(text)})


_NOT_A_NUMBER = (
    "object is not iterable",
    "object is not subscriptable",
    "has no len()",
    "object is not callable",
    "cannot be interpreted as an integer",
    "unsupported operand",
    "object has no attribute",
    "not supported between",
    "must be real number",
    "expected",
    "argument",
    "not a valid",
    "Unrecognized",
    "dtype",
)


def _other_type(failure: Failure) -> Iterator[Move]:
    """A value of another type than is used."""
    if not any(text in failure.message for text in _NOT_A_NUMBER):
        return
    for slot in failure.slots.values():
        near = failure.distance(slot)
        if near < 2 and not isinstance(slot.chosen, Array):
            for number in range(1, min(slot.options, 4)):
                yield Move(0.5 + 0.4 * near + 0.2 * number, {slot.path: Pick(number)})


_DIVIDE = re.compile(r"divi[sd]|multiple of|groups?|even|power of", re.IGNORECASE)


def _divisible(failure: Failure) -> Iterator[Move]:
    """Numbers that must divide each other."""
    if not _DIVIDE.search(failure.message + (failure.users[-1].text if failure.users else "")):
        return
    asked = {int(n) for n in re.findall(r"\b\d{1,4}\b", failure.message)}
    if named := re.search(r"divi[sd]\w* by\D*?(?:.*=\s*)?\(?(\d+)", failure.message):
        for slot in failure.slots.values():
            if slot.number and failure.distance(slot) == 0:
                common = math.lcm(slot.number, max(1, int(named[1])))
                yield Move(0.2, {slot.path: str(common)})
    for features in (32, 64, 16):
        if failure.roles["features"] != features:
            yield Move(0.4 + features / 1000, {"size.features": str(features)})
    for slot in failure.slots.values():
        if slot.number is not None and failure.distance(slot) == 0:
            for number in sorted(asked | {1, 2, 16}):
                if number and number != slot.number:
                    yield Move(0.7, {slot.path: str(number)})


def _numbers(failure: Failure) -> Iterator[Move]:
    """Numbers that the message speaks of, for slots that it or the failing line names."""
    first = failure.message.split("\n")[0]
    asked = list(dict.fromkeys(int(n) for n in re.findall(r"(?<![\w.])\d{1,4}(?![\w.])", first)))
    for slot, array in failure.arrays:
        far = 0.8 + 0.3 * failure.distance(slot)
        for number in asked[:4]:
            if array.shape and number not in array.shape and number:
                yield _shaped(slot, array, (*array.shape[:-1], number), far)
                for axis in range(1, len(array.shape) - 1):
                    shape = (*array.shape[:axis], number, *array.shape[axis + 1 :])
                    yield _shaped(slot, array, shape, far + 0.2)
    for slot in failure.slots.values():
        if slot.number is not None and failure.distance(slot) == 0:
            for number in asked[:3]:
                if number != slot.number:
                    yield Move(0.9, {slot.path: str(number)})


def _anything(failure: Failure) -> Iterator[Move]:
    """Where nothing is known: other ranks, other kinds, other options."""
    for slot, array in failure.arrays:
        far = 1.2 + 0.3 * failure.distance(slot)
        for number, rank in enumerate(r for r in (3, 4, 2, 1, 5, 0) if r != len(array.shape)):
            yield _shaped(slot, array, _with_rank(array, rank, failure.roles), far + 0.2 * number)
        for kind in ("ids", "x", "mask"):
            if kind != array.kind:
                yield Move(far + 0.5, {slot.path: Array(kind, array.shape)})
        if slot.may_be_left_out:
            yield Move(far + 0.4, {slot.path: None})
    for slot in failure.slots.values():
        part_of = slot.path.startswith(failure.stage)
        if not isinstance(slot.chosen, Array) and slot.options > 1 and part_of:
            for number in range(1, min(slot.options, 4)):
                cost = 1.5 + 0.4 * failure.distance(slot) + 0.3 * number
                yield Move(cost, {slot.path: Pick(number)})
    for features in (32, 64):
        if failure.roles["features"] == 8:
            yield Move(2.0, {"size.features": str(features)})


_RULES: tuple[_Rule, ...] = (
    _required,
    _vanished,
    _layer,
    _condition,
    _mode,
    _spoken_of,
    _rank,
    _contraction,
    _broadcast,
    _reshape,
    _key,
    _dtype,
    _signature,
    _nothing,
    _attribute,
    _member,
    _choice,
    _other_type,
    _divisible,
    _numbers,
    _anything,
)
