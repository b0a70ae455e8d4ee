"""What is known of a class: bases, attributes, methods, and how it wants to be called."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts
from flake8_nnx_mode.facts.values import (
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    Given,
    Items,
    Key,
    Opaque,
    Symbol,
    Table,
    Traits,
    Value,
    choose,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Assigned, Class, Function, Parameter

if TYPE_CHECKING:
    from flake8_nnx_mode.facts.project import Project

_INIT_METHODS = frozenset({"__init__", "__post_init__", "setup"})
_INIT_PREFIXES = tuple(
    "init _init initialize reset build _build create make from_ load restore".split()
)
_PLAIN_BASES = frozenset(
    {"builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol"}
    | {"typing_extensions.Protocol", "typing_extensions.Generic", flax_api.MODULE}
)
_HARMLESS_DECORATORS = frozenset(
    "flax jax typing typing_extensions functools dataclasses jaxtyping beartype typeguard chex abc"
    " builtins".split()
)
_DYNAMIC = re.compile(r"\bsetattr\b|\b__dict__\b|\b__getattr\w*__\b|\bvars\s*\(")


@dataclass(frozen=True, slots=True)
class ModeParameter:
    """A mode flag in the signature of a child's ``__call__``."""

    name: str
    train_like: bool
    """Whether True means training."""
    position: int | None
    """Index among the positional arguments of a call; None if keyword-only."""
    required: bool
    trains_by_default: bool
    """Whether leaving it out means training."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A module holds a stochastic or stateful layer.

    ``rate`` is the constructor argument of the module that is 0 when the layer drops nothing.
    """

    kind: flax_api.ModeKind
    rate: str | None = None


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What is above a class: its own kind first, project classes nearest first."""

    classes: tuple[ClassDefinition, ...]
    builtins: frozenset[str]
    is_module: bool
    resolved: bool
    """Whether every base is known, so that nothing can come from one that was not read."""


@dataclass(eq=False)
class ClassFacts:
    """A class of the project, with what it inherits."""

    project: "Project"
    definition: ClassDefinition
    _facts: dict[tuple[Function, int], FunctionFacts] = field(default_factory=dict)
    _running: set[tuple[Function, int]] = field(default_factory=set)
    _attributes: dict[tuple[str, int], Value | None] = field(default_factory=dict)

    @property
    def book(self) -> Book:
        """The file it is in."""
        return self.definition.book

    @property
    def outline(self) -> Class:
        """Its statement."""
        return self.definition.outline

    # -- inheritance -----------------------------------------------------------------------

    @cached_property
    def ancestry(self) -> Ancestry:
        """Bases of bases, left to right."""
        found: dict[ClassDefinition, None] = {}
        builtins: set[str] = set()
        is_module, resolved = False, True
        pending = [self.definition]
        while pending:
            definition = pending.pop(0)
            if definition in found:
                continue
            found[definition] = None
            bases, known = self._bases(definition)
            resolved &= known
            for base in bases:
                if isinstance(base, ClassDefinition):
                    pending.append(base)
                elif base in self.project.settings.module_bases:
                    is_module, resolved = True, False
                elif base == flax_api.MODULE or base in flax_api.LAYERS:
                    is_module = True
                    builtins.add(base)
                    resolved &= base in _PLAIN_BASES
                else:
                    resolved &= base in _PLAIN_BASES
        return Ancestry(tuple(found), frozenset(builtins), is_module, resolved)

    def _bases(self, definition: ClassDefinition) -> tuple[list[ClassDefinition | str], bool]:
        """The bases of one class, outside ones by name, and whether these are all."""
        outline, names = definition.outline, self.project.names
        bases: list[ClassDefinition | str] = []
        known = all(keyword.arg in ("metaclass", "pytree") for keyword in outline.node.keywords)
        for node in outline.node.bases:
            value = names.base(definition.book, outline.outer, node)
            if isinstance(value, ClassDefinition):
                bases.append(value)
            elif isinstance(value, Symbol):
                bases.append(value.name)
            else:
                known = False
        for decorator in outline.node.decorator_list:
            known &= self._is_harmless(definition.book, outline.outer, decorator)
        return bases, known

    def _is_harmless(self, book: Book, scope: object, decorator: object) -> bool:
        value = self.project.names.decorator(book, scope, decorator)  # type: ignore[arg-type]
        return isinstance(value, Symbol) and value.name.split(".")[0] in _HARMLESS_DECORATORS

    @property
    def is_module(self) -> bool:
        """Whether its bases reach ``nnx.Module``."""
        return self.ancestry.is_module

    @cached_property
    def plain_subclass_of(self) -> str | None:
        """The layer with a mode that it is built and called like, if it changes neither."""
        base = self.ancestry.builtins & flax_api.MODES.keys()
        changed = self.find_method("__call__") or self.find_method("__init__")
        return next(iter(base)) if len(base) == 1 and changed is None else None

    @cached_property
    def family(self) -> tuple[ClassDefinition, ...]:
        """Itself, its bases, and the subclasses in its own file."""
        subclasses = (
            other.definition
            for other in self.project.classes(self.book)
            if other is not self and self.definition in other.ancestry.classes
        )
        return (*self.ancestry.classes, *subclasses)

    # -- methods ---------------------------------------------------------------------------

    def find_method(self, name: str) -> tuple[ClassDefinition, Function] | None:
        """The method that ``self.name`` is, and the class that has it."""
        for definition in self.ancestry.classes:
            found = _method(definition.outline, name)
            if found is not None:
                return definition, found
        return None

    def is_forward(self, function: Function) -> bool:
        """Whether a method of this class runs after construction."""
        return not self.is_init_like(function)

    def is_init_like(self, function: Function) -> bool:
        """Whether a method belongs to construction: by its name, kind, or who calls it."""
        name = function.name
        if name in _INIT_METHODS or name.startswith(_INIT_PREFIXES):
            return True
        if any(_simple_name(d) in ("classmethod", "staticmethod") for d in function.decorators):
            return True
        if name.startswith("__"):
            return False
        return name in self._called_by_init_only

    @cached_property
    def _called_by_init_only(self) -> frozenset[str]:
        """Methods that only init-like ones call, directly or through each other."""
        texts: dict[str, str] = {}
        for definition in self.family:
            for name, function in definition.outline.methods.items():
                texts[name] = texts.get(name, "") + definition.book.text_of(function)
        calls = {
            name: {
                other
                for other in re.findall(r"\bself\.(\w+)", text)
                if other in texts and other != name
            }
            for name, text in texts.items()
        }
        start = {n for n in texts if n in _INIT_METHODS or n.startswith(_INIT_PREFIXES)}
        called = {other for others in calls.values() for other in others}
        forward = {n for n in texts if n not in start and (n not in called or n.startswith("__"))}
        for reached in (forward, start):
            pending = list(reached)
            while pending:
                for other in calls[pending.pop()] - start:
                    if other not in reached:
                        reached.add(other)
                        pending.append(other)
        return frozenset(start - forward)

    def own_methods(self) -> Iterator[Function]:
        """The methods that the class itself defines."""
        yield from self.outline.methods.values()

    def facts(
        self,
        function: Function,
        definition: ClassDefinition | None = None,
        level: int | None = None,
    ) -> FunctionFacts:
        """What a method of this class, or of its base ``definition``, does; empty if unknown.

        What construction leaves in the attributes is found in two rounds: in the first its methods
        know nothing of each other's attributes (``level`` 0), in the second they know what the
        first one found (1); the forward methods know what the second one found (2).
        """
        if level is None:
            level = 1 if self.is_init_like(function) else 2
        key = (function, level)
        if key in self._running:  # two classes that look into each other
            return FunctionFacts(known=False)
        if key not in self._facts:
            self._running.add(key)
            try:
                book = (definition or self.definition).book
                self._facts[key] = self.project.run(book, function, self, level)
            finally:
                self._running.discard(key)
        return self._facts[key]

    # -- attributes ------------------------------------------------------------------------

    def attribute(self, name: str, level: int = 2) -> Value | None:
        """What ``self.name`` holds once the object is built; None if nothing is known of it."""
        if level == 0:
            return None
        key = (name, level)
        if key not in self._attributes:
            self._attributes[key] = self._find_attribute(name, level - 1)
        return self._attributes[key]

    def _find_attribute(self, name: str, level: int) -> Value | None:
        values: list[Value] = []
        for definition in self.ancestry.classes:
            for function in definition.outline.methods.values():
                if self.is_init_like(function) and definition.book.mentions(function, name):
                    written = self.facts(function, definition, level).writes
                    values += (w.value for w in written if w.name == name and w.whole)
        fixed = not self.is_reassigned(name)
        if not values:
            declared = self._declared(name)
            return None if declared is None else _kept(name, declared, fixed=fixed)
        if any(self._writes_whole(name)):
            values.append(UNKNOWN)
        return _kept(name, choose(*values), fixed=fixed)

    def _declared(self, name: str) -> Value | None:
        """What the class body says of ``name``: a dataclass field, a constant."""
        for definition in self.ancestry.classes:
            outline, names = definition.outline, self.project.names
            annotated = outline.fields.get(name)
            if annotated is not None:
                value = names.annotation(definition.book, outline.scope, annotated.annotation)
                # A dataclass field is an argument of the constructor.
                return self.project.instance_of(value) or Given(name)
            bindings = outline.scope.bindings.get(name)
            if bindings and len(bindings) == 1 and isinstance(bindings[0], Assigned):
                return names.expression(definition.book, outline.scope, bindings[0].value)
        return None

    def is_reassigned(self, name: str) -> bool:
        """Whether a method writes ``self.name`` after construction, here or in a relative."""
        return any(True for _ in self._writers(name))

    def _writes_whole(self, name: str) -> Iterator[bool]:
        yield from (
            whole
            for function, whole in self._writers(name)
            if whole and not self.is_init_like(function)
        )

    def _writers(self, name: str) -> Iterator[tuple[Function, bool]]:
        for definition in self.family:
            for function in definition.outline.methods.values():
                if not self._constructs(function) and definition.book.mentions(function, name):
                    written = self.project.written(definition.book, function)
                    if written is None or name in written:
                        yield function, written is None or written[name]

    def _constructs(self, function: Function) -> bool:
        """Whether it runs once, while the object is built; ``reset`` and its like may run again."""
        name = function.name
        return name in _INIT_METHODS or (name[0] == "_" and name in self._called_by_init_only)

    def assigns(self, name: str) -> bool:
        """Whether anything in the family may define ``self.name``."""
        for definition in self.family:
            outline = definition.outline
            if name in outline.scope.bindings or name in outline.fields:
                return True
            for function in outline.methods.values():
                if _DYNAMIC.search(definition.book.text_of(function)):
                    return True
                if definition.book.mentions(function, name):
                    written = self.project.written(definition.book, function)
                    if written is None or name in written:
                        return True
        return False

    # -- what it is as a child -------------------------------------------------------------

    def mode_parameters(self) -> tuple[ModeParameter, ...] | None:
        """The mode flags that ``__call__`` takes; None where that is not known."""
        found = self.find_method("__call__")
        if found is None:
            return None
        definition, function = found
        for decorator in function.decorators:
            if not self._is_harmless(definition.book, function.outer, decorator):
                return None
        return tuple(self._mode_parameters(function))

    def _mode_parameters(self, function: Function) -> Iterator[ModeParameter]:
        for index, parameter in enumerate(function.parameters):
            train_like = self.project.settings.mode_flags.get(parameter.name)
            if train_like is not None and not parameter.kind.startswith("var-"):
                default = _constant(parameter)
                yield ModeParameter(
                    parameter.name,
                    train_like,
                    None if parameter.kind == "keyword-only" else index - 1,
                    parameter.required,
                    isinstance(default, bool) and default == train_like,
                )

    def uses_flag(self, name: str) -> bool:
        """Whether ``__call__`` does anything with its parameter ``name`` but delete it."""
        found = self.find_method("__call__")
        if found is None:
            return False
        facts = self.facts(found[1], found[0])
        return name in facts.flags_read and name not in facts.flags_deleted

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of layer that it is known to hold, or be, however deep."""
        kinds: set[Kind] = set()
        for definition in self.ancestry.classes:
            for function in definition.outline.methods.values():
                if self.is_init_like(function):
                    for write in self.facts(function, definition).writes:
                        kinds |= self.project.kinds(write.value)
                elif definition.book.mentions(function, *flax_api.DROPOUT_STREAMS):
                    draws = self.facts(function, definition).draws
                    if any(draw.stream in flax_api.DROPOUT_STREAMS for draw in draws):
                        kinds.add(Kind("stochastic"))
        return frozenset(kinds)

    def kind_in(self, kind: Kind, made_with: Arguments | None) -> Iterator[Kind]:
        """``kind`` for an instance: its rate may be 0 by default, or come from further up."""
        if kind.rate is None:
            yield kind
            return
        found = self.find_method("__init__")
        if found is None or made_with is None or made_with.open:
            return  # not known
        parameters = [p for p in found[1].parameters[1:] if not p.kind.startswith("var-")]
        index = next((i for i, p in enumerate(parameters) if p.name == kind.rate), None)
        if index is None:
            return
        given = made_with.get(kind.rate, index)
        if given is None:
            given = Constant(_constant(parameters[index]))
        match given:
            case Constant(value) if not value or not isinstance(value, int | float):
                return
            case Given(name):
                yield Kind(kind.kind, name)
            case _:
                yield Kind(kind.kind)


def _method(outline: Class, name: str) -> Function | None:
    function = outline.methods.get(name)
    bindings = outline.scope.bindings.get(name, [])
    if function is None and bindings and isinstance(bindings[-1], Assigned):
        alias = bindings[-1].value  # `__call__ = forward`
        return outline.methods.get(getattr(alias, "id", ""))
    return function


def _simple_name(node: object) -> str:
    return str(getattr(node, "id", None) or getattr(node, "attr", ""))


def _constant(parameter: Parameter) -> object:
    return getattr(parameter.default, "value", None)


def written_attributes(function: code.DefineFunction, owner: str) -> dict[str, bool]:
    """Attribute of ``owner`` -> whether it is replaced as a whole, for all that a body writes."""
    written: dict[str, bool] = {}
    targets: list[object] = []
    for node in code.walk(function.body):
        match node:
            case code.Assign(several) | code.Delete(several):
                targets.extend(several)
            case code.Augment(target) | code.For(target) | code.Clause(target):
                targets.append(target)
            case code.With(items):
                targets.extend(target for _, target in items)
            case code.Call(code.Attribute(held, "set_value" | "copy_from" | "append" | "extend")):
                targets.append(code.Subscript(held, code.Constant(None)))
            case code.Call(
                code.Name("setattr"),
                (code.Argument(code.Name(name)), code.Argument(code.Constant(str(attribute))), _),
            ) if name == owner:
                written[attribute] = True
    while targets:
        whole = True
        match targets.pop():
            case code.Display(several):
                targets.extend(several)
            case code.Starred(inner):
                targets.append(inner)
            case code.Attribute() | code.Subscript() as target:
                while isinstance(target.value, code.Attribute | code.Subscript):
                    target, whole = target.value, False
                if isinstance(target, code.Attribute) and target.value == code.Name(owner):
                    written[target.name] = whole or written.get(target.name, False)
    return written


def _kept(name: str, value: Value, *, fixed: bool) -> Value:
    """``value`` as a method finds it in ``self.name``; ``fixed`` if nothing writes it again."""
    match value:
        case Key():
            return replace(value, attribute=name, varies=not fixed)
        case Given() if fixed:
            return Given(value.name, name)
        case Given():
            return UNKNOWN
        case Opaque(traits):
            return Opaque(Traits(draws=traits.draws, varies=not fixed))
        case Choice(parts):
            return choose(*(_kept(name, part, fixed=fixed) for part in parts))
        case Items(elements, ordered):
            kept = tuple(_kept(name, element, fixed=fixed) for element in elements)
            return Items(kept, ordered)
        case Table(items):
            return Table(tuple((key, _kept(name, item, fixed=fixed)) for key, item in items))
        case Boxed(kind, Constant()):
            return Boxed(kind, UNKNOWN)  # only its start is known
        case Boxed(kind, inner):
            return Boxed(kind, _kept(name, inner, fixed=fixed))
    return value
