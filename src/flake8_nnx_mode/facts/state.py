"""What is true at one point of a run: what names hold, and under which conditions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.containers import anew, new_number
from flake8_nnx_mode.facts.events import (
    AttributeRead,
    AttributeWrite,
    Consumption,
    FreeName,
    FunctionFacts,
    KeysTaken,
    LocalRun,
    ModeMethodTested,
)
from flake8_nnx_mode.facts.names import Names
from flake8_nnx_mode.facts.values import (
    NO_NAMES,
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    ClassDefinition,
    Constant,
    Flag,
    FunctionDefinition,
    Given,
    Guard,
    Guards,
    Instance,
    Items,
    Key,
    LocalFunction,
    Method,
    ModuleFile,
    ModuleLevelCall,
    Opaque,
    Rngs,
    SelfObject,
    Stream,
    Symbol,
    Table,
    Traits,
    Value,
    as_number,
    choose,
    each_guard,
    makings,
    mixed,
    options,
    traits_of,
    with_part,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book
from flake8_nnx_mode.syntax.chapter import Chapter
from flake8_nnx_mode.syntax.outline import Function

CALLABLES = (Instance, Items, Table, Method, LocalFunction)

_MOST_RERUNS = 200
"""How often local functions are run again, for other modules that they are given."""
NO_NUMBERS = frozenset({"shape", "dtype", "size", "ndim"})


@dataclass(slots=True)
class Path:
    """What is true on the way that led here."""

    variables: dict[str, Value]
    attributes: dict[str, Value]
    """Of self, as far as this function wrote them."""
    consumed: dict[object, Consumption]
    """By number: the keys that were consumed, and where first."""
    bound: dict[str, int]
    """Name of a variable -> a number that it gets each time it is bound."""


@dataclass(slots=True)
class Mentioned:
    """What the test that is being evaluated has mentioned so far, as ``Guard`` keeps it."""

    flags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    optional: bool = False
    of_class: bool = False
    shape: bool = False

    def add(self, other: "Mentioned") -> None:
        """Take over what an inner test mentioned."""
        self.flags |= other.flags
        self.attributes |= other.attributes
        self.strings |= other.strings
        self.names |= other.names
        self.optional |= other.optional
        self.of_class |= other.of_class
        self.shape |= other.shape

    def guard(self, mode: Literal["train", "eval"] | None, test: code.Expression) -> Guard:
        """What a branch of the test stands under."""
        return Guard(
            frozenset(self.flags),
            frozenset(self.attributes),
            frozenset(self.strings),
            frozenset(self.names),
            self.optional,
            self.of_class,
            self.shape,
            mode=mode,
            test=test,
        )


class World(Protocol):
    """What a function's body is read against."""

    def attribute(self, name: str) -> Value | None:
        """What ``self.name`` holds when the method is called; None if nothing is known of it."""

    def computed(self, pattern: str) -> Value | None:
        """What an attribute of self holds of whose name only ``block_*`` is known."""

    def is_method(self, name: str) -> bool:
        """Whether ``self.name`` is a method."""

    def attribute_of(self, owner: ClassDefinition, name: str) -> Value | None:
        """What ``name`` holds on an instance of another class of the project."""

    def instance(self, annotation: Value) -> Value | None:
        """What something annotated so is, where that says enough."""

    def returned(self, function: FunctionDefinition, args: Arguments) -> Value | None:
        """What a function of the project returns; None if it is not worth, or not safe, to ask."""

    def returned_by_method(self, name: str, args: Arguments) -> Value | None:
        """What ``self.name(...)`` returns, for a property too."""

    def keys_taken(self, func: Value) -> KeysTaken | None:
        """The parameters that ``func`` uses as keys; None if that is not known."""

    def of_script(self, name: str) -> Value | None:
        """A model, or what it was split into, that the file's own statements made."""

    def text_of(self, func: Value) -> str | None:
        """The text of the function that is called; None if it is not of the project."""

    def hands_back(self, function: FunctionDefinition, args: Arguments) -> bool:
        """Whether a function of the project may return the state of a module that it is given."""

    def is_a(self, of: Symbol | ClassDefinition, wanted: Value) -> bool | None:
        """Whether what is of one class is of another; None if that is not known."""


class State:
    """A run over one function, as far as it has come."""

    def __init__(
        self,
        names: Names,
        world: World,
        book: Book,
        function: Function,
        chapter: Chapter,
        mode_flags: Mapping[str, bool],
        *,
        forward: bool,
        thorough: bool,
        parameters: Mapping[str, Value],
    ) -> None:
        self.facts = FunctionFacts(flags=tuple(n for n, v in parameters.items() if v == Flag(n)))
        self._names = names
        self._world = world
        self._book = book
        self._function = function
        self._chapter = chapter
        self._mode_flags = mode_flags
        self._forward = forward
        self._thorough = thorough
        self._variables: dict[str, Value] = dict(parameters)
        self._attributes: dict[str, Value] = {}
        self._guards: Guards | None = None
        self._flags = self.facts.flags
        self._mode_set = False
        self._returned = self.facts.returns
        self._returns_nothing = False
        self._level = 0
        self._loop_number = 0
        self._called_at_once: set[code.At] = set()
        self._levels: dict[str, int] = {}
        self._runs: dict[int, LocalRun] = {}
        self._locals: dict[int, code.DefineFunction | code.Lambda] = {}
        self._entered: set[int] = set()
        self._returns: dict[tuple[int, Arguments], list[Value]] = {}
        self._reruns_left = _MOST_RERUNS
        self._tests: list[Mentioned] = []
        self._consumed: dict[object, Consumption] = {}
        self._bound: dict[str, int] = {}
        self._last: set[int] = set()
        self._produced: dict[str, code.At] = {}
        self._volatile: set[str] = set()
        self._discarded: set[code.At] = set()
        self._statements: set[code.At] = set()
        self._compiled: list[LocalFunction] = []
        self._certain = True
        self._source: code.Expression | None = None
        self._assigned: tuple[code.At, str, Anchor] | None = None

    def _anchor(self, at: code.At) -> Anchor:
        return Anchor(self._chapter, at)

    def _fork(self) -> Path:
        return Path(
            dict(self._variables), dict(self._attributes), dict(self._consumed), dict(self._bound)
        )

    def _restore(self, path: Path) -> None:
        self._variables, self._attributes = dict(path.variables), dict(path.attributes)
        self._consumed, self._bound = dict(path.consumed), dict(path.bound)

    def _join(self, path: Path, flags: frozenset[str] = NO_NAMES) -> None:
        """Go on with what is true on either path; ``flags`` decided which one was taken."""
        self._consumed = path.consumed | self._consumed
        for name, number in path.bound.items():
            if self._bound.setdefault(name, number) != number:
                self._bound[name] = new_number()
        for name, value in path.variables.items():
            mine = self._variables.get(name, value)
            if mine is not value:
                either = choose(value, mine)
                if flags and any(isinstance(side, CALLABLES) for side in options(either)):
                    either = Opaque(Traits(flags=flags))  # told by being chosen
                self._variables[name] = either
        for name in path.attributes.keys() | self._attributes.keys():
            sides = (path.attributes.get(name), self._attributes.get(name))
            known = [side for side in sides if side is not None]
            if len(known) == 1 and self._forward:
                known.append(self._kept(name))
            self._attributes[name] = choose(*known)

    def _asked(self, value: Value, node: code.Expression) -> None:
        """Note what is asked whether it is true."""
        match value:
            case Flag(name):
                self.facts.flags_tested.add(name)
            case Method(receiver, ("train" | "eval") as name) if isinstance(node, code.Attribute):
                tested = ModeMethodTested(receiver, name, self._anchor(node.at))
                self.facts.mode_methods_tested.append(tested)

    def _replace(self, owner: code.Expression, value: Value) -> None:
        """What ``owner`` names is another container now."""
        tested = frozenset(flag for guard in each_guard(self._guards) for flag in guard.flags)
        if tested:  # what is in it depends on the mode
            value = Opaque(Traits(flags=tested))
        match owner:
            case code.Name(name):
                self._variables[name] = value
            case code.Attribute(code.Name() as base, name) if (
                self._variables.get(base.id) == SelfObject()
            ):
                self._write(name, value, owner.at, whole=True)

    def _write(self, name: str, value: Value, at: code.At, *, whole: bool, path: str = "") -> None:
        place = self._anchor(at)
        written = AttributeWrite(name, value, whole, place, self._source, self._guards, path)
        self.facts.writes.append(written)
        self.facts.on_self.append(written)
        self.facts.kept |= makings(value)
        self.facts.initialised |= traits_of(value).draws
        if traits_of(value).flags:
            self._mode_set = True
        if whole:
            self._attributes[name] = value

    def _put_into(self, owner: code.Expression, name: str, value: Value, at: code.At) -> None:
        """``owner.name = value`` for what self or a variable holds, in a run that is thorough."""
        if name in ("value", "raw_value") or (value != NONE and traits_of(value).plain):
            return
        path, me = name, SelfObject()
        while not isinstance(owner, code.Name):
            match owner:
                case code.Attribute(code.Name(root), attribute) if self._variables.get(root) == me:
                    held = self._attributes.get(attribute) or self._kept(attribute)
                    self._attributes[attribute] = with_part(held, path, value)
                    self._write(attribute, value, at, whole=False, path=path)
                    return
                case code.Attribute(inner, attribute):
                    path = f"{attribute}{path}" if path[0] == "[" else f"{attribute}.{path}"
                case code.Subscript(inner, index):
                    place = repr(index.value) if isinstance(index, code.Constant) else "*"
                    path = f"[{place}].{path}" if path[0] != "[" else f"[{place}]{path}"
                case _:
                    return
            owner = inner
        held = self._variables.get(owner.id, UNKNOWN)
        changed = with_part(held, path, value)
        if changed == held:
            return
        self._variables[owner.id] = changed
        for attribute, kept in list(self._attributes.items()):
            if kept is held:  # `self.block = block`
                self._attributes[attribute] = changed
                self._write(attribute, value, at, whole=False, path=path)

    def _constant(self, node: code.Constant) -> Value:
        if self._tests and isinstance(node.value, str):
            self._tests[-1].strings.add(node.value)
        return Constant(node.value)

    def _name(self, node: code.Name) -> Value:
        if self._tests:
            self._tests[-1].names.add(node.id)
        if node.id in self._variables:
            return self._seen(self._variables[node.id])
        if node.id in self._function.scope.bindings:
            return UNKNOWN  # a local that nothing has bound yet on this path
        value = self._names.lookup(self._book, self._function.closure, node.id)
        self.facts.free_names.append(FreeName(node.id, value, self._anchor(node.at)))
        match value:
            case ModuleLevelCall(Symbol("flax.nnx.Rngs")):
                return Rngs()
            case ModuleLevelCall(Symbol(maker)) if maker in flax_api.KEY_MAKERS:
                return Key("constant", varies=False)
            case ModuleLevelCall(ClassDefinition() as of):
                return self._world.instance(of) or UNKNOWN
            case Opaque():
                return self._world.of_script(node.id) or value
        return UNKNOWN if value is None else value

    def _seen(self, value: Value) -> Value:
        flags = traits_of(value).flags
        if flags:
            self.facts.flags_read |= flags
            if self._tests:
                self._tests[-1].flags.update(flags)
        return value

    def _member(self, owner: Value, node: code.Attribute) -> Value:
        name = node.name
        if self._tests:
            self._tests[-1].names.add(name)
        match owner:
            case SelfObject():
                return self._self_attribute(node)
            case Rngs():
                is_method = name in flax_api.RNGS_METHODS
                return Method(owner, name) if is_method else Stream(name, owner)
            case Instance(Symbol("flax.nnx.Sequential"), Arguments(layers)) if name == "layers":
                return Items(layers, ordered=True)
            case Table(items) if any(key == name for key, _ in items):  # nnx.Dict
                return choose(*(item for key, item in items if key == name))
            case Stream():
                if name == "key":
                    return Boxed("flax.nnx.RngKey", Key("raw", varies=not self._forward))
                return Method(owner, name) if name in flax_api.RNGS_METHODS else UNKNOWN
            case Boxed(_, inner):
                return inner if name in ("value", "raw_value") else Method(owner, name)
            case Instance(parts=parts) if name in dict(parts):
                return dict(parts)[name]
            case Instance(ClassDefinition() as of):
                held = self._world.attribute_of(of, name)
                return Method(owner, name) if held is None else held
            case Instance() | Items() | Table():
                return Method(owner, name)
            case Symbol() | ClassDefinition() | ModuleFile():
                return self._names.member(owner, name) or UNKNOWN
            case Opaque(traits) if name in NO_NUMBERS:
                if self._tests:
                    self._tests[-1].shape = True
                return as_number(Opaque(replace(traits, draws=frozenset())))
            case _:
                return mixed(owner)

    def _self_attribute(self, node: code.Attribute) -> Value:
        name = node.name
        read = AttributeRead(name, self._anchor(node.at), self._guards, bool(self._tests))
        self.facts.reads.append(read)
        if self._tests:
            self._tests[-1].attributes.add(name)
        if name in self._attributes:
            return self._seen(self._attributes[name])
        if self._world.is_method(name):
            return Method(SelfObject(), name)
        made = self._world.returned_by_method(name, Arguments((), ()))  # by a property
        return self._kept(name) if made is None else anew(made)

    def _kept(self, name: str) -> Value:
        known = self._world.attribute(name)
        if name == "rngs" and (known is None or isinstance(known, Given)):
            return Rngs("kept", sure=False)
        return UNKNOWN if known is None else known
