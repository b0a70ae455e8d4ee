"""What an expression may be worth: the abstract values that facts are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book
from flake8_nnx_mode.syntax.outline import Class, Function

NO_NAMES: frozenset[str] = frozenset()
NO_DRAWS: frozenset["Draw"] = frozenset()


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition under which code runs: what its test mentions."""

    flags: frozenset[str] = NO_NAMES
    """Mode flags of the function that the test depends on."""
    attributes: frozenset[str] = NO_NAMES
    """Attributes of self that the test reads."""
    strings: frozenset[str] = NO_NAMES
    """Strings in the test, as in ``hasattr(rngs, "params")``."""
    names: frozenset[str] = NO_NAMES
    """Variables, and attributes of whatever, in the test."""
    optional: bool = False
    """The test asks whether a key is there: ``key is None``, ``rngs or ...``."""
    of_class: bool = False
    """The test asks for the class of what is called: ``isinstance``, ``match``."""
    shape: bool = False
    """The test asks for a shape: what is made under it replaces what does not fit."""
    excused: bool = False
    """Not meant to be right: an error is caught or expected, or the result gets no gradient."""
    stopped: bool = False
    """Excused since the result gets no gradient."""
    mode: Literal["train", "eval"] | None = None
    """The mode that the test lets through, where it tests just a flag."""
    test: code.Expression | None = field(default=None, compare=False, repr=False)
    """The test itself."""
    holds: bool = field(default=True, compare=False)
    """Whether the code runs where the test is true; if not, it runs where it is not."""

    @property
    def reads_mode(self) -> bool:
        """Whether the test reads an attribute of self that may hold the mode."""
        return any(map(flax_api.is_about_mode, self.attributes))

    @property
    def otherwise(self) -> "Guard":
        """The guard of the other branch."""
        other: Literal["train", "eval"] = "eval" if self.mode == "train" else "train"
        mode = None if self.mode is None else other
        return replace(self, mode=mode, holds=not self.holds)


@dataclass(frozen=True, slots=True)
class Guards:
    """The conditions around a place, innermost first: a linked list, as they nest 2,000 deep."""

    guard: Guard
    outer: "Guards | None"


def each_guard(guards: Guards | None) -> Iterator[Guard]:
    """All of them."""
    while guards is not None:
        yield guards.guard
        guards = guards.outer


def under_mode_test(guards: Guards | None) -> bool:
    """Whether a place stands under a test of the mode, by a flag or an attribute of self."""
    return any(guard.flags or guard.reads_mode for guard in each_guard(guards))


def between(guards: Guards | None, outer: Guards | None) -> Iterator[Guard]:
    """The guards that stand further in than ``outer``."""
    while guards is not None and guards is not outer:
        yield guards.guard
        guards = guards.outer


def on_one_path(first: Guards | None, second: Guards | None) -> bool:
    """Whether one of two places stands under all conditions of the other."""
    first, second = _conditions(first), _conditions(second)
    return _stands_under(first, second) or _stands_under(second, first)


def _conditions(guards: Guards | None) -> Guards | None:
    """Without the innermost guards that only excuse, and so decide nothing."""
    while guards is not None and guards.guard == Guard(excused=True):
        guards = guards.outer
    return guards


def _stands_under(inner: Guards | None, outer: Guards | None) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.outer
    return inner is outer


@dataclass(frozen=True, slots=True)
class Opaque:
    """Not known. What it was computed from is: see ``Traits``."""

    traits: "Traits"


@dataclass(frozen=True, slots=True)
class Traits:
    """What an unknown value was computed from."""

    flags: frozenset[str] = NO_NAMES
    """Mode flags of the function."""
    draws: frozenset["Draw"] = NO_DRAWS
    """Draws whose key or sample is in it."""
    varies: bool = True
    """Whether it may differ between two calls of the method on the same object."""
    plain: bool = False
    """Whether it is known to be no module, and to hold none: a number, an array, a function."""
    carries: bool = False
    """Whether it may hold the state of a module or of an ``nnx.Rngs`` as it is now."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant that is written in the code."""

    value: object


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something outside the project, by its full name: ``flax.nnx.Dropout``."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """A Python module of the project; ``file`` is None for a namespace package."""

    name: str
    file: Path | None
    directory: Path | None
    """Where its submodules are, if it is a package."""


@dataclass(frozen=True, slots=True)
class ClassDefinition:
    """A class of the project."""

    book: Book
    outline: Class


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """A function of the project."""

    book: Book
    outline: Function


@dataclass(frozen=True, slots=True)
class ModuleLevelCall:
    """What a call at module level returned: ``rngs = nnx.Rngs(0)``."""

    func: "Value"
    args: "Arguments | None" = None
    """Those of ``functools.partial``; of others they are not kept."""


@dataclass(frozen=True, slots=True)
class SelfObject:
    """The ``self`` of the method."""


@dataclass(frozen=True, slots=True)
class Method:
    """``receiver.name``, not called yet."""

    receiver: "Value"
    name: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A mode flag of the function, as it came or after ``not``."""

    name: str
    negated: bool = False

    def means_train(self, polarity: Mapping[str, bool]) -> bool:
        """Whether its being true means training; ``polarity`` says it of each flag's name."""
        return polarity[self.name] != self.negated


@dataclass(frozen=True, slots=True)
class Given:
    """An argument about which only its name is known.

    ``attribute`` is the attribute of self that the constructor kept it in, if that is how it came.
    """

    name: str
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a call."""

    positional: tuple["Value", ...]
    keywords: tuple[tuple[str, "Value"], ...]
    open: bool = False
    """Whether ``*args`` or ``**kwargs`` pass on what is not seen here."""

    def get(self, keyword: str, position: int | None = None) -> "Value | None":
        """The argument of that name, or at that position."""
        for name, value in self.keywords:
            if name == keyword:
                return value
        if position is not None and position < len(self.positional):
            return self.positional[position]
        return None

    def all(self) -> Iterator["Value"]:
        """All of them, by position and by name."""
        yield from self.positional
        yield from (value for _, value in self.keywords)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Modes of a model that are set, in place or for a view of it."""

    modes: tuple[tuple[str, "Value"], ...]
    """By name, ``*`` for what is passed on unseen. None at all where it is changed otherwise."""
    partial: bool
    """Whether they are set for some of its layers only, or for which is not known."""

    def may_set(self, mode: str) -> bool:
        """Whether a mode is set, or may be, to anything but False."""
        named = dict(self.modes)
        return not named or "*" in named or named.get(mode, _OFF) != _OFF


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class; ``made_with`` is None if only its annotation says so."""

    of: "Symbol | ClassDefinition"
    made_with: Arguments | None
    made: "Making | None" = field(default=None, compare=False, repr=False)
    settings: tuple[Setting, ...] = ()
    """What was done to its modes since, in order."""
    parts: tuple[tuple[str, "Value"], ...] = ()
    """What was put into it since, in order: ``head`` or ``block.head``, and what that holds."""


@dataclass(frozen=True, slots=True)
class GraphDef:
    """What ``nnx.split`` gives beside the state: ``nnx.merge`` makes a module of it again."""

    of: "Value"


@dataclass(frozen=True, slots=True)
class Partial:
    """``functools.partial(func, ...)``."""

    func: "Value"
    args: Arguments
    gradient: bool = False
    """Whether it is the gradient of ``func``."""
    given: "tuple[Anchor, tuple[code.Argument, ...]] | None" = field(
        default=None, compare=False, repr=False
    )
    """Where it was made, and what stands there for ``args``, if all of that is seen."""

    def joined(self, args: Arguments) -> Arguments:
        """All that ``func`` gets if it is called with ``args``."""
        anew = {name for name, _ in args.keywords} - {"*"}
        kept = tuple(named for named in self.args.keywords if named[0] not in anew)
        positional = (*self.args.positional, *args.positional)
        return Arguments(positional, (*kept, *args.keywords), self.args.open or args.open)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A module that ``jit`` was given as it is; ``number`` tells which."""

    number: int


@dataclass(frozen=True, slots=True)
class Making:
    """Where in the code something was made, and under which conditions."""

    anchor: Anchor
    guards: Guards | None
    args: "Arguments | None" = None
    """All that a module was made with, of which ``made_with`` may keep less."""


RngsOrigin = Literal["unknown", "kept", "given", "forked", "made", "constant"]


@dataclass(frozen=True, slots=True)
class Rngs:
    """An ``nnx.Rngs``.

    ``origin`` is where the function that is run has it from: an attribute of self, a parameter
    (``parameter`` says which), a fork of one of these, or it makes it itself, perhaps of constants.
    ``sure`` is whether it is known to be one, not just called so.
    """

    origin: RngsOrigin = "unknown"
    sure: bool = True
    parameter: str = ""
    made: Making | None = field(default=None, compare=False, repr=False)

    @property
    def given_as(self) -> str:
        """The parameter it came by, of whichever function."""
        return self.parameter.rstrip("'")

    @property
    def made_here(self) -> bool:
        """Whether the function makes it itself."""
        return self.origin in ("made", "constant")


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of an ``nnx.Rngs``; the name is None where it is computed."""

    name: str | None
    of: Rngs = Rngs()


@dataclass(frozen=True, slots=True)
class Draw:
    """One place where a stream is asked for a key."""

    stream: str | None
    anchor: Anchor
    in_forward: bool
    source: Rngs
    named: Anchor | None = field(default=None, compare=False, repr=False)
    """Where the stream is named, as an attribute."""
    guards: Guards | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """A random key.

    ``origin`` is where it came from: drawn from a stream (``draw`` says where), made from
    constants (``made`` says where), given by the caller, or the raw key of a stream, which never
    advances. ``attribute`` is the attribute of self that it was kept in, if any. ``varies`` as for
    ``Traits``. Two of the same ``number`` are the same key; None if that is not known.
    """

    origin: Literal["drawn", "constant", "given", "raw"]
    draw: Draw | None = None
    attribute: str | None = None
    varies: bool = True
    number: object = None
    made: Making | None = field(default=None, compare=False, repr=False)
    holder: tuple[str, int] | None = field(default=None, compare=False, repr=False)
    """The variable whose key it was split or folded from, by constants, and its binding."""


@dataclass(frozen=True, slots=True)
class Items:
    """A container; its elements in order, or if not ``ordered``, what each of them may be."""

    elements: tuple["Value", ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A dict: its values by key, or what each of them may be under None."""

    items: tuple[tuple[object, "Value"], ...]


@dataclass(frozen=True, slots=True)
class Boxed:
    """An ``nnx.Variable`` or one of its kinds."""

    kind: str
    value: "Value"


@dataclass(frozen=True, slots=True)
class LocalFunction:
    """A function defined in the one that is run; ``number`` tells them apart."""

    number: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several, by the path that was taken."""

    options: tuple["Value", ...]


Value = (
    Opaque
    | Constant
    | Symbol
    | ModuleFile
    | ClassDefinition
    | FunctionDefinition
    | ModuleLevelCall
    | SelfObject
    | Method
    | Flag
    | Given
    | Instance
    | GraphDef
    | Partial
    | Compiled
    | Rngs
    | Stream
    | Key
    | Items
    | Table
    | Boxed
    | LocalFunction
    | Choice
)

UNKNOWN = Opaque(Traits())
NONE = Constant(None)
NO_ARGUMENTS = Arguments((), ())
ANY_MODULE = Instance(Symbol(flax_api.MODULE), None)
NEVER = Symbol("typing.NoReturn")
"""What a call gives that does not come back."""
RNGS_AT_MODULE_LEVEL = ModuleLevelCall(Symbol("flax.nnx.Rngs"))
ALTERED = Setting((), partial=True)
"""Something was done to a model; what is not known."""
_OFF = Constant(value=False)
_MOST_OPTIONS = 12
_MOST_PARTS = 256
_DEEPEST = 6


def options(value: Value) -> tuple[Value, ...]:
    """What ``value`` may be, one by one."""
    return value.options if isinstance(value, Choice) else (value,)


def present(value: Value) -> tuple[Value, ...]:
    """What ``value`` may be when it is not None."""
    return tuple(option for option in options(value) if option != NONE)


def choose(*values: Value) -> Value:
    """One of ``values``."""
    found: dict[Value, None] = {}
    for value in values:
        found.update(dict.fromkeys(options(value)))
    if any(isinstance(option, Items) and option.elements for option in found):
        # A list that is still empty on one path says nothing of its elements; nor does a dict.
        found = {o: None for o in found if not isinstance(o, Items) or o.elements}
    if any(isinstance(option, Table) and option.items for option in found):
        found = {o: None for o in found if not isinstance(o, Table) or o.items}
    if len(found) == 1:
        return next(iter(found))
    if not found or len(found) > _MOST_OPTIONS:
        return mixed(*found)
    return Choice(tuple(found))


def mixed(*values: Value, varies: bool | None = None) -> Opaque:
    """Something computed from ``values``."""
    flags, draws = NO_NAMES, NO_DRAWS
    may_vary, plain, carries = False, bool(values), False
    for value in values:
        traits = traits_of(value)
        flags |= traits.flags
        draws |= traits.draws
        may_vary |= traits.varies
        plain &= traits.plain
        carries |= traits.carries
    return Opaque(Traits(flags, draws, may_vary if varies is None else varies, plain, carries))


def as_number(value: Opaque) -> Opaque:
    """``value``, as a number or an array that was computed from it."""
    return Opaque(replace(value.traits, plain=True, carries=False))


def traits_of(value: Value) -> Traits:
    """What ``value`` depends on."""
    match value:
        case Opaque(traits):
            return traits
        case Flag(name):
            return Traits(flags=frozenset({name}), plain=True)
        case Constant() | Symbol() | ClassDefinition() | FunctionDefinition() | ModuleFile():
            return Traits(varies=False, plain=True)
        case Key(draw=draw, varies=varies):
            draws = frozenset({draw}) if draw else NO_DRAWS
            return Traits(draws=draws, varies=varies, plain=True)
        case Given(attribute=str()):
            return Traits(varies=False)
        case Choice() | Items() | Table():
            return mixed(*contained(value)).traits
        case Boxed(_, inner):
            return replace(traits_of(inner), varies=True, plain=True)
        case Partial(func, args):
            return mixed(func, *args.all()).traits
        case Instance(_, args):
            given = () if args is None else args.all()
            return Traits(flags=mixed(*given).traits.flags, carries=True)
        case Rngs() | Stream() | SelfObject():
            return Traits(plain=not isinstance(value, SelfObject), carries=True)
        case Method(receiver):  # or an attribute, of which nothing is known
            return Traits(plain=True, carries=traits_of(receiver).carries)
        case LocalFunction() | GraphDef() | Compiled():
            return Traits(plain=True)
        case _:
            return Traits()


def contained(value: Value) -> Iterator[Value]:
    """What a list, a dict or a choice is made of."""
    match value:
        case Items(parts) | Choice(parts):
            yield from parts
        case Table(items):
            yield from (item for _, item in items)


def is_structural(value: Value) -> bool:
    """Whether it may decide of which classes modules are: a module, a class, a function."""
    match value:
        case Instance() | ClassDefinition() | FunctionDefinition():
            return True
        case Symbol(name):
            return name in flax_api.LAYERS
        case Partial(func) | ModuleLevelCall(_, Arguments((func, *_))):
            return is_structural(func)
    return any(map(is_structural, contained(value)))


def told(value: Value, setting: Setting) -> Value:
    """``value``, if it is a module, with its modes set so."""
    match value:
        case Instance():
            return replace(value, settings=(*value.settings, setting))
        case Choice(parts):
            return choose(*(told(part, setting) for part in parts))
    return value


def with_part(value: Value, path: str, part: Value) -> Value:
    """``value`` after ``part`` was put into it: ``head``, ``block.head`` or ``[0].head`` of it."""
    match value:
        case Instance(ClassDefinition()) if path[0] != "[" and len(value.parts) < _MOST_PARTS:
            earlier = tuple(other for other in value.parts if other[0] != path)
            return replace(value, parts=(*earlier, (path, part)))
        case Choice(several):
            return choose(*(with_part(one, path, part) for one in several))
        case Items(elements, ordered) if path[0] == "[":
            keys = range(len(elements)) if ordered else [None] * len(elements)
            pairs = zip(keys, elements, strict=True)
            return Items(tuple(_with_part_at(k, e, path, part) for k, e in pairs), ordered)
        case Table(items) if path[0] == "[":
            return Table(tuple((k, _with_part_at(k, e, path, part)) for k, e in items))
    return value


def _with_part_at(key: object, value: Value, path: str, part: Value) -> Value:
    """An element of a container, ``key`` if that is known, after ``[0].head`` was put into that."""
    place, _, rest = path[1:].partition("].")
    if key is not None and place not in (repr(key), "*"):
        return value
    changed = with_part(value, rest, part)
    return changed if key is not None and place != "*" else choose(value, changed)


def as_partial(value: Value) -> Value:
    """``value``, and what ``functools.partial`` gave at module level as what it is."""
    match value:
        case ModuleLevelCall(_, Arguments((func, *rest)) as args):
            return Partial(func, replace(args, positional=tuple(rest)))
    return value


def makings(value: Value) -> set[Anchor]:
    """Where the modules in ``value`` were made."""
    if isinstance(value, Instance):
        return set() if value.made is None else {value.made.anchor}
    return {anchor for part in contained(value) for anchor in makings(part)}


def bounded(value: Value) -> Value:
    """``value``, or less about it where it has grown out of hand: deep, or of many parts."""
    if not isinstance(value, Items | Table | Boxed | Partial | Instance | Choice):
        return value
    if _parts(value, _DEEPEST) <= _MOST_PARTS:
        return value
    return replace(value, made_with=None) if isinstance(value, Instance) else mixed(value)


def _parts(value: Value, depth: int) -> int:
    """How many values ``value`` is made of; more than enough if it is too deep."""
    inner: Iterator[Value]
    match value:
        case Items() | Choice() | Table():
            inner = contained(value)
        case Boxed(_, held):
            inner = iter((held,))
        case Instance(_, Arguments() as args):
            inner = args.all()
        case Partial(func, args):
            inner = chain((func,), args.all())
        case _:
            return 1
    if depth == 0:
        return _MOST_PARTS + 1
    count = 1
    for part in inner:
        count += _parts(part, depth - 1)
        if count > _MOST_PARTS:
            break
    return count


def replaced(value: Value, given: Mapping[str, Value], depth: int = _DEEPEST) -> Value:
    """``value`` with each parameter in it replaced by what is ``given`` for its name."""
    match value:
        case Given(name, None) | Flag(name):
            return given.get(name, UNKNOWN)
        case Instance(of, Arguments() as args):
            made = value.made
            if made is not None and made.args is not None:
                every = _replaced_in(made.args, given, depth - 1) if depth else None
                made = replace(made, args=every)
            parts = tuple((path, replaced(part, given, depth)) for path, part in value.parts)
            args = _replaced_in(args, given, depth)
            return replace(value, made_with=args, made=made, parts=parts)
        case Items(elements, ordered):
            return Items(tuple(replaced(element, given, depth) for element in elements), ordered)
        case Table(items):
            return Table(tuple((key, replaced(item, given, depth)) for key, item in items))
        case Boxed(kind, inner):
            return Boxed(kind, replaced(inner, given, depth))
        case Choice(parts):
            return choose(*(replaced(part, given, depth) for part in parts))
        case Opaque(traits):
            return Opaque(replace(traits, flags=NO_NAMES, varies=True))
        case GraphDef(of):
            return GraphDef(replaced(of, given, depth))
        case Key():
            return replace(value, number=None)
        case LocalFunction():
            return Opaque(Traits(plain=True))
        case SelfObject() | Method() | Partial() | Compiled():
            return UNKNOWN  # it means something in the function only
    return value


def _replaced_in(args: Arguments, given: Mapping[str, Value], depth: int) -> Arguments:
    return Arguments(
        tuple(replaced(item, given, depth) for item in args.positional),
        tuple((name, replaced(item, given, depth)) for name, item in args.keywords),
        args.open,
    )
