"""Models as wholes: the layers that they hold, however deep, and how their modes are set."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import AttributeWrite
from flake8_nnx_mode.facts.modules import ClassFacts, written_attributes
from flake8_nnx_mode.facts.project import Project, drops, fixed_mode, rate_of
from flake8_nnx_mode.facts.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    Given,
    Instance,
    Items,
    Opaque,
    SelfObject,
    Symbol,
    Table,
    Traits,
    Value,
    contained,
    each_guard,
    options,
    traits_of,
)
from flake8_nnx_mode.syntax.outline import Function

_DYNAMIC = ("setattr", "__setattr__", "__dict__", "vars", "__getattr__", "__getattribute__")
_DATA = re.compile(
    r"(?:int|float|bool|str|bytes|complex|None|Optional|Union|Literal|tuple|list|dict|Tuple|List"
    r"|Sequence|Iterable|Mapping|Dict|Array|ArrayLike|ndarray|[dD]type|DType|DTypeLike|Shape|Axes"
    r"|Initializer|PrecisionLike|Rngs|jax|jnp|np|numpy|nnx|nn|typing|tp|t|flax|initializers)"
)
_WORDS = re.compile(r"[A-Za-z_]\w*")
_SETS = re.compile(r"\.(?:deterministic|use_running_average)\s*=(?!=)|\.eval\(|set_attributes\(")
_NUMBER = Opaque(Traits(plain=True))


@dataclass(frozen=True, slots=True)
class Part:
    """A module within a model, or the model itself."""

    of: str | ClassDefinition
    """A layer of ``flax.nnx``, by its full name, or a class of the project."""
    mode: str | None = None
    """The mode that it has, and that nothing but the model as a whole sets."""
    sure: bool = False
    """Whether the model holds it whatever it was built with."""
    builtins: frozenset[str] = frozenset()
    """The layers that a class of the project derives from."""


@dataclass(slots=True)
class Parts:
    """What a model holds."""

    found: list[Part] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """The attributes that its modules of the project's classes are known to have."""
    written: set[str] = field(default_factory=set)
    """Those of them that are assigned."""
    complete: bool = True
    """Whether that is all: nothing in it is unknown."""

    @property
    def modes(self) -> frozenset[str]:
        """The modes that some layer is sure to have, set by nothing but the model as a whole."""
        return frozenset(p.mode for p in self.found if p.mode is not None and p.sure)


def models(project: Project, value: Value, owner: ClassFacts | None) -> list[Parts]:
    """What each of the models that ``value`` may be holds; empty where one is not known."""
    found = []
    for option in options(value):
        if option == SelfObject() and owner is not None and owner.is_module:
            option = Instance(owner.definition, None)
        if not isinstance(option, Instance):
            return []
        found.append(project.remember((models, option), partial(_read, project, option)))
    return found


def attributes(parts: Parts) -> frozenset[str]:
    """The public attributes that some module of a model has."""
    found = parts.names | flax_api.MODULE_METHODS
    for part in parts.found:
        layers = {part.of} if isinstance(part.of, str) else part.builtins
        found = found.union(*map(flax_api.attributes, layers))
    return frozenset(found)


def keywords(project: Project, part: Part) -> frozenset[str] | None:
    """What ``set_view`` of a part takes by name; None where that is not known."""
    if isinstance(part.of, str):
        return flax_api.VIEWS.get(part.of, frozenset())
    facts = project.class_facts(part.of)
    for definition in facts.ancestry.classes:
        bound = definition.outline.scope.bindings.get("set_view")
        function = definition.outline.methods.get("set_view")
        if function is not None and bound is not None and len(bound) == 1:
            if any(p.kind == "var-keyword" for p in function.parameters) or function.decorators:
                return None
            kinds = ("positional-or-keyword", "keyword-only")
            return frozenset(p.name for p in function.parameters[1:] if p.kind in kinds)
        if bound is not None:
            return None
    return frozenset().union(*(flax_api.VIEWS.get(b, ()) for b in facts.ancestry.builtins))


# -- reading a model -----------------------------------------------------------------------------


def _read(project: Project, model: Instance) -> Parts:
    reader = _Reader(project)
    reader.read(replace(model, settings=()), {}, sure=True)
    return reader.parts


class _Reader:
    """Reads a model from its constructor down."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.parts = Parts()
        self._busy: set[ClassDefinition] = set()
        self._told: frozenset[str] = frozenset()

    def read(self, value: Value, given: Mapping[str, Value], *, sure: bool) -> None:
        """Add what ``value`` holds; ``given`` is what the constructor's parameters are."""
        match value:
            case Instance(Symbol(name), args):
                self._layer(name, args, given, sure=sure and not value.settings)
            case Instance(ClassDefinition() as of, args):
                self._module(of, args, given, sure=sure)
            case Choice(parts):
                for part in parts:
                    self.read(part, given, sure=False)
            case Items() | Table():
                if isinstance(value, Table):
                    self.parts.names.update(str(key) for key, _ in value.items)
                for part in contained(value):
                    self.read(part, given, sure=sure)
            case Given(name, None) if name in given:
                self.read(given[name], {}, sure=sure)
            case Boxed():
                pass
            case _ if not traits_of(value).plain:
                self.parts.complete = False

    def _layer(
        self, name: str, args: Arguments | None, given: Mapping[str, Value], *, sure: bool
    ) -> None:
        if name not in flax_api.LAYERS:
            self.parts.complete = False
            return
        self.parts.found.append(Part(name, self._mode(name, args, given), sure))
        if name in flax_api.WRAPPERS:
            if args is None or (args.open and not _only_unpacks(args)):
                self.parts.complete = False
            for held in () if args is None else args.all():
                self.read(held, given, sure=sure)

    def _mode(self, name: str, args: Arguments | None, given: Mapping[str, Value]) -> str | None:
        """The mode of a layer of ``flax.nnx``, where its constructor and calls leave it open."""
        builtin = flax_api.MODES.get(name)
        if builtin is None or fixed_mode(name, args) or builtin.flag in self._told:
            return None
        rate = rate_of(name, args)
        zero = rate is not None and _filled(rate, given) in (Constant(0), Constant(0.0))
        return builtin.flag if drops(name, args) and not zero else None

    def _module(
        self, of: ClassDefinition, args: Arguments | None, given: Mapping[str, Value], *, sure: bool
    ) -> None:
        facts = self.project.class_facts(of)
        if of in self._busy:
            return
        if not facts.is_module:
            self.parts.complete = False  # views reach whatever has a `set_view`
            return
        layer = facts.plain_subclass_of
        mode = None if layer is None else self._mode(layer, args, given)
        builtins = facts.ancestry.builtins & flax_api.LAYERS
        self.parts.found.append(Part(of, mode, sure, builtins))
        wraps = not facts.ancestry.builtins.isdisjoint(flax_api.WRAPPERS)
        if wraps or not facts.ancestry.known or is_dynamic(facts):
            self.parts.complete = False
        outer, self._told = self._told, _told_in_calls(facts)
        self._busy.add(of)
        written = self._written(facts, args, given, sure=sure)
        for definition in facts.ancestry.classes:
            for name in definition.outline.fields.keys() - written:
                self._field(facts, name, args, given)
        self._busy.discard(of)
        self._told = outer
        self.parts.written |= written
        self.parts.names |= written | facts.names_of_class

    def _written(
        self, facts: ClassFacts, args: Arguments | None, given: Mapping[str, Value], *, sure: bool
    ) -> set[str]:
        """Read what the methods of a class write, and say which attributes that are."""
        own, arguments = _constructor(facts), constructor_arguments(facts, args, given)
        writes = list(_writes(facts))
        whole = Counter(write.name for _, write in writes if write.whole)
        plain = {w.name for _, w in writes if w.whole and traits_of(w.value).plain}
        known = {function: _known_as(function, own, arguments) for function, _ in writes}
        for function, write in writes:
            later = not facts.is_init_like(function)
            if later and write.name in plain and isinstance(write.value, Opaque | Given):
                continue  # another number
            always = all(guard.excused for guard in each_guard(write.guards))
            alone = write.whole and whole[write.name] == 1
            surely = sure and always and alone and facts.constructs_with(function)
            self.read(write.value, known[function], sure=surely)
        return {write.name for _, write in writes}

    def _field(
        self, facts: ClassFacts, name: str, args: Arguments | None, given: Mapping[str, Value]
    ) -> None:
        """A dataclass field: an argument of the constructor."""
        value = None if args is None else args.get(name)
        if value is not None:
            self.read(value, given, sure=False)
            return
        annotations = (d.outline.fields.get(name) for d in facts.ancestry.classes)
        field_ = next(field_ for field_ in annotations if field_ is not None)
        self.parts.complete &= says_data(field_.annotation)


def is_dynamic(facts: ClassFacts, *, named: bool = True) -> bool:
    """Whether the methods of a class may set attributes that are not seen.

    ``named`` is whether ``setattr`` counts; it is seen, if not always what it sets.
    """
    words = _DYNAMIC if named else _DYNAMIC[1:]
    return facts.hands_itself_over or any(
        definition.book.mentions(function, *words)
        for definition in facts.ancestry.classes
        for function in definition.outline.methods.values()
    )


def _writes(facts: ClassFacts) -> Iterator[tuple[Function, AttributeWrite]]:
    """What the methods of a class write to its attributes, construction first."""
    later = []
    for definition in facts.ancestry.classes:
        for function in definition.outline.methods.values():
            if not facts.is_init_like(function):
                later.append((definition, function))
                continue
            for write in facts.facts(function, definition).writes:
                yield function, write
    for definition, function in later:
        if written_attributes(definition.book, function):
            for write in facts.facts(function, definition).writes:
                if write.whole:
                    yield function, write


def _told_in_calls(facts: ClassFacts) -> frozenset[str]:
    """The modes that calls of its layers give, so that the layers' own do not count."""
    if facts.modes_set:
        return frozenset(mode.flag for mode in flax_api.MODES.values())
    told: set[str] = set()
    for definition in facts.ancestry.classes:
        for function in definition.outline.methods.values():
            if not facts.is_forward(function):
                if _SETS.search(definition.book.text_of(function)):
                    return frozenset(mode.flag for mode in flax_api.MODES.values())
            else:
                for call in facts.facts(function, definition).calls:
                    for option in options(call.child):
                        mode = mode_of_builtin(facts.project, option)
                        given = mode and call.args.get(mode.flag, mode.position)
                        if mode and (call.args.open or given not in (None, NONE)):
                            told.add(mode.flag)
    return frozenset(told)


def mode_of_builtin(project: Project, value: Value) -> flax_api.BuiltinMode | None:
    """The mode of a layer of ``flax.nnx``, or of a subclass that is called like it."""
    match value:
        case Instance(Symbol(name)):
            return flax_api.MODES.get(name)
        case Instance(ClassDefinition() as of):
            return flax_api.MODES.get(project.class_facts(of).plain_subclass_of or "")
    return None


def _only_unpacks(args: Arguments) -> bool:
    """Whether all that is open is ``*layers``, for a list whose elements are known."""
    return all(isinstance(value, Items) for name, value in args.keywords if name == "*")


def _constructor(facts: ClassFacts) -> Function | None:
    found = facts.find_method("__init__")
    return None if found is None else found[1]


def constructor_arguments(
    facts: ClassFacts, args: Arguments | None, given: Mapping[str, Value]
) -> dict[str, Value]:
    """What the parameters of the constructor are: what it is given, or else their defaults."""
    function = _constructor(facts)
    if function is None or args is None or args.open:
        return {}
    found: dict[str, Value] = {}
    for index, parameter in function.as_called(bound=True):
        value = args.get(parameter.name, index)
        if value is None and parameter.default is not None:
            book = facts.definition.book
            value = facts.project.names.expression(book, function.outer, parameter.default)
        if value is not None:
            found[parameter.name] = _filled(value, given)
    return found


def _filled(value: Value, given: Mapping[str, Value]) -> Value:
    return given.get(value.name, value) if isinstance(value, Given) else value


def _known_as(
    function: Function, own: Function | None, given: dict[str, Value]
) -> dict[str, Value]:
    """What the parameters of a method are, as far as its call or its signature says it."""
    known = dict(given) if function is own else {}
    for _, parameter in function.as_called(bound=True):
        if traits_of(known.get(parameter.name, UNKNOWN)).plain:
            continue
        annotation, default = parameter.annotation, parameter.default
        value = default.value if isinstance(default, ast.Constant) else None
        if value is not None:
            known[parameter.name] = Constant(value)
        elif says_data(annotation) or function.name == "set_view":
            known[parameter.name] = _NUMBER
    return known


def says_data(annotation: ast.expr | None) -> bool:
    """Whether an annotation names types that are no modules."""
    if annotation is None:
        return False
    words = _WORDS.findall(ast.unparse(annotation))
    return bool(words) and all(_DATA.fullmatch(word) for word in words)
