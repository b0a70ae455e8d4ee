"""What is known of a class: bases, attributes, methods, and how it wants to be called."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import AttributeWrite, FunctionFacts
from flake8_nnx_mode.facts.values import (
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    FunctionDefinition,
    Given,
    Items,
    Key,
    Opaque,
    Rngs,
    Stream,
    Symbol,
    Table,
    Traits,
    Value,
    choose,
)
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Assigned, Class, Function, Parameter, Scope

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
_ALTERS = re.compile(r"__(?:call|init|new|\w*attr\w*)__|setattr|rngs|^\s*class\s|\bwraps\(", re.M)
_DYNAMIC = "setattr __setattr__ __dict__ __getattr__ __getattribute__ vars".split()
"""Words in a method that may define or change any attribute."""
_CHANGING_METHODS = frozenset(
    "set_value copy_from append extend insert pop remove clear update".split()
)
_DRAWS_FOR_DROPOUT = re.compile(
    r"\.(?:{0})\b(?!\s*\(\s*[^)\s])|[\"'](?:{0})[\"']".format("|".join(flax_api.DROPOUT_STREAMS))
)
_CALLS_BASE = re.compile(r"\bsuper\(|\.__init__\(")
_UPDATES_SELF = re.compile(r"\bupdate\(\s*self\s*,")
_SIGNATURE = re.compile(r"\bdef\s+\w+\s*\((?:[^()]|\([^()]*\))*\)")
_SELF_AS_ARGUMENT = re.compile(
    r"(?<!super)(?<!type)(?<!isinstance)(?<!hasattr)(?<!getattr)(?<!repr)(?<!\bid)(?<!__init__)"
    r"\(\s*self\s*[,)]|[,=]\s*self\s*[,)]"
)


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
class Signature:
    """What a call of a child can be given."""

    positional: tuple[str, ...]
    keywords: frozenset[str]
    """All names by which arguments can be given."""
    more_positional: bool = False
    more_keywords: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A module holds a stochastic or stateful layer.

    ``rate`` is the constructor argument of the module that is 0 when the layer drops nothing.
    """

    kind: flax_api.ModeKind
    rate: str | None = None


@dataclass(frozen=True, slots=True)
class Ancestry:
    """What is above a class; its project classes in Python's order of resolution."""

    classes: tuple[ClassDefinition, ...]
    builtins: frozenset[str]
    is_module: bool
    resolved: bool
    """Whether every base is known, so that nothing can come from one that was not read."""
    known: bool
    """Whether at least the bases are known that were not read: layers of ``flax.nnx``."""


@dataclass(eq=False)
class ClassFacts:
    """A class of the project, with what it inherits."""

    project: "Project"
    definition: ClassDefinition
    _finding_bases: bool = False
    _facts: dict[tuple[Function, int], FunctionFacts] = field(default_factory=dict)
    _running: set[tuple[Function, int]] = field(default_factory=set)
    _attributes: dict[tuple[str, int], Value | None] = field(default_factory=dict)
    _found: dict[str, tuple[ClassDefinition, Function] | None] = field(default_factory=dict)

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
        """Its bases, and theirs."""
        self._finding_bases = True
        builtins: set[str] = set()
        lines: list[list[ClassDefinition]] = []
        is_module = False
        bases, resolved = self._bases
        known = resolved
        direct = [base for base in bases if isinstance(base, ClassDefinition)]
        for base in bases:
            if isinstance(base, ClassDefinition):
                facts = self.project.class_facts(base)
                if facts._finding_bases and "ancestry" not in facts.__dict__:
                    resolved = known = False  # it is its own base, by way of an import cycle
                    continue
                lines.append(list(facts.ancestry.classes))
                builtins |= facts.ancestry.builtins
                is_module |= facts.ancestry.is_module
                resolved &= facts.ancestry.resolved
                known &= facts.ancestry.known
            elif base in self.project.settings.module_bases:
                is_module, resolved, known = True, False, False
            else:
                resolved &= base in _PLAIN_BASES
                known &= base in _PLAIN_BASES | flax_api.LAYERS
                if base == flax_api.MODULE or base in flax_api.LAYERS:
                    is_module = True
                    builtins.add(base)
        above = lines[0] if len(direct) == len(lines) == 1 else _merged([*lines, direct])
        order = (self.definition, *above)
        return Ancestry(order, frozenset(builtins), is_module, resolved, known)

    @cached_property
    def _bases(self) -> tuple[list[ClassDefinition | str], bool]:
        """Its own bases, outside ones by name, and whether these are all."""
        book, outline, names = self.book, self.outline, self.project.names
        bases: list[ClassDefinition | str] = []
        known = all(keyword.arg in ("metaclass", "pytree") for keyword in outline.node.keywords)
        for node in outline.node.bases:
            value = names.base(book, outline.outer, node)
            if isinstance(value, ClassDefinition):
                bases.append(value)
            elif isinstance(value, Symbol):
                bases.append(value.name)
            else:
                known = False
        for decorator in outline.node.decorator_list:
            known &= self._is_harmless(book, outline.outer, decorator)
        return bases, known

    @cached_property
    def _has_unread_base(self) -> bool:
        """Whether one of its own bases, which was not read, may have any method."""
        bases, known = self._bases
        return not known or any(isinstance(b, str) and b not in _PLAIN_BASES for b in bases)

    def _is_harmless(self, book: Book, scope: Scope, decorator: ast.expr) -> bool:
        """Whether a decorator is known to leave signatures and attributes as they are."""
        value = self.project.names.decorator(book, scope, decorator)
        if isinstance(value, FunctionDefinition):
            return _ALTERS.search(value.book.text_of(value.outline)) is None
        return isinstance(value, Symbol) and value.name.split(".")[0] in _HARMLESS_DECORATORS

    @property
    def is_module(self) -> bool:
        """Whether its bases reach ``nnx.Module``."""
        return self.ancestry.is_module

    @cached_property
    def is_variable(self) -> bool:
        """Whether its bases reach ``nnx.Variable``."""
        every = (self.project.class_facts(of)._bases[0] for of in self.ancestry.classes)
        return any(base in flax_api.VARIABLES for bases in every for base in bases)

    @cached_property
    def plain_subclass_of(self) -> str | None:
        """The layer with a mode that it is built and called like, if it changes neither."""
        base = self.ancestry.builtins
        changed = any(
            name in definition.outline.scope.bindings
            for definition in self.ancestry.classes
            for name in ("__init__", "__call__")
        )
        plain = len(base) == 1 and base <= flax_api.MODES.keys() and not changed
        return next(iter(base)) if plain else None

    @cached_property
    def family(self) -> tuple[ClassDefinition, ...]:
        """Itself, its bases, and the subclasses in its own file."""
        return (*self.ancestry.classes, *self.project.subclasses(self.definition))

    # -- methods ---------------------------------------------------------------------------

    def find_method(self, name: str) -> tuple[ClassDefinition, Function] | None:
        """The method that ``self.name`` is, and the class that has it; None if that is not known.

        A base that was not read may have one as well as the next class in order.
        """
        if name not in self._found:
            self._found[name] = self._find_method(name)
        return self._found[name]

    def _find_method(self, name: str) -> tuple[ClassDefinition, Function] | None:
        for definition in self.ancestry.classes:
            if name in definition.outline.scope.bindings:
                found = _method(definition.outline, name)
                return None if found is None else (definition, found)
            if self.project.class_facts(definition)._has_unread_base:
                return None
        return None

    def is_forward(self, function: Function) -> bool:
        """Whether a method of this class runs after construction."""
        return not self.is_init_like(function)

    def is_init_like(self, function: Function) -> bool:
        """Whether a method belongs to construction: by its name, kind, or who calls it."""
        name = function.name
        if name in _INIT_METHODS or name.startswith(_INIT_PREFIXES):
            return True
        if not decorator_names(function).isdisjoint({"classmethod", "staticmethod"}):
            return True
        if name.startswith("__"):
            return False
        return name in self._called_by_init_only

    @cached_property
    def _called_by_init_only(self) -> frozenset[str]:
        """Methods that only init-like ones call, directly or through each other."""
        texts: dict[str, str] = {}
        for definition, function in _methods(self.family):
            name = function.name
            texts[name] = texts.get(name, "") + definition.book.text_of(function)
        calls = {
            name: {
                other for other in re.findall(r"\.(\w+)", text) if other in texts and other != name
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

    @cached_property
    def _constructors(self) -> tuple[tuple[ClassDefinition, Function], ...]:
        """The methods of construction, its own and inherited ones, each with its class."""
        methods = _methods(self.ancestry.classes)
        return tuple((of, function) for of, function in methods if self.is_init_like(function))

    def own_methods(self) -> Iterator[Function]:
        """The methods that the class itself defines."""
        yield from self.outline.methods.values()

    def reached_from(self, function: Function) -> Iterator[Function]:
        """``function``, and the other forward methods of the class that it names."""
        yield function
        for method in self.forward_methods():
            if method is not function and self.book.mentions(function, method.name):
                yield method

    @property
    def names_of_class(self) -> frozenset[str]:
        """The attributes that all its objects have by its class body, or those of its bases."""
        names: set[str] = set()
        for definition in self.ancestry.classes:
            outline = definition.outline
            names |= outline.scope.bindings.keys()
            fields = outline.fields.items()
            if not outline.node.decorator_list:  # no dataclass: a bare annotation is nothing
                names -= {name for name, field in fields if field.value is None}
        return frozenset(names)

    def method_texts(self) -> list[str]:
        """The texts of its methods and of those it inherits."""
        return [d.book.text_of(function) for d, function in _methods(self.ancestry.classes)]

    def forward_methods(self) -> Iterator[Function]:
        """Those of them that run after construction."""
        return filter(self.is_forward, self.own_methods())

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
                facts = self.project.run(book, function, self, level)
            finally:
                self._running.discard(key)
            if not facts.known:
                return facts  # perhaps only for having been asked from too deep
            self._facts[key] = facts
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
        if any(name in definition.outline.methods for definition in self.ancestry.classes):
            return None  # a property, perhaps with a setter
        for definition, function in self._constructors:
            if definition.book.mentions(function, name):
                written = self.facts(function, definition, level).writes
                values += (w.value for w in written if w.name == name and w.whole)
        writers = list(self._writers(name))
        outside = self.is_assigned_from_outside(name)
        fixed = not (writers or outside)
        if not values:
            declared = self._declared(name)
            return None if declared is None else _kept(name, declared, fixed=fixed)
        if outside or any(whole and not self.is_init_like(f) for f, whole in writers):
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

    def is_assigned_from_outside(self, name: str) -> bool:
        """Whether the file says ``model.name = ...`` anywhere."""
        return name in self.project.assigned_from_outside(self.book)

    def _writers(self, name: str) -> Iterator[tuple[Function, bool]]:
        """The methods, here or in a relative, that write ``self.name`` later; whether wholly."""
        for function, whole in (*self._written.get(name, ()), *self._written.get("*", ())):
            if not self._constructs(function):
                yield function, whole

    @cached_property
    def _written(self) -> dict[str, list[tuple[Function, bool]]]:
        """Attribute -> the methods in the family that write it, and whether wholly.

        ``*`` has those that may write any: wholly, or in part (``nnx.update(self, ...)``).
        """
        found: dict[str, list[tuple[Function, bool]]] = {}
        for definition, function in _methods(self.family):
            if definition.book.mentions(function, *_DYNAMIC):
                found.setdefault("*", []).append((function, True))
                continue
            for name, whole in written_attributes(definition.book, function).items():
                found.setdefault(name, []).append((function, whole))
            if _updates_self(definition.book, function):
                found.setdefault("*", []).append((function, False))
        return found

    @cached_property
    def modes_set(self) -> frozenset[str]:
        """Attributes whose mode construction sets in place; ``*`` for all of them."""
        found: set[str] = set()
        words = (*flax_api.MODE_SETTERS, *self.project.settings.mode_flags)
        for definition, function in self._constructors:
            if definition.book.mentions(function, *words):
                found |= self.facts(function, definition).modes_set
        return frozenset(found)

    @cached_property
    def is_template(self) -> bool:
        """Whether it is made to be subclassed: it has abstract methods, or no constructor."""
        if self.find_method("__init__") is None and not self.outline.fields:
            return True
        return any(
            decorator.startswith("abstract")
            for definition, function in _methods(self.ancestry.classes)
            for decorator in decorator_names(function)
            if self.find_method(function.name) == (definition, function)  # nobody filled it in
        )

    def _constructs(self, function: Function) -> bool:
        """Whether it runs once, while the object is built; ``reset`` and its like may run again."""
        name = function.name
        return name in _INIT_METHODS or (name[0] == "_" and name in self._called_by_init_only)

    def has_its_own(self, name: str) -> bool:
        """Whether a method of ``nnx.Module``, by its name, may be another one here."""
        if not self.ancestry.known:
            return True
        hides = re.compile(rf"\.{name}\s*(?::[^=\n]*)?=(?!=)")
        return self._declares(name) or any(
            hides.search(definition.book.text_of(function))
            for definition, function in _methods(self.family)
        )

    def _declares(self, name: str) -> bool:
        """Whether a class body in the family binds or annotates ``name``."""
        outlines = [definition.outline for definition in self.family]
        return any(name in o.scope.bindings or name in o.fields for o in outlines)

    def assigns(self, name: str) -> bool:
        """Whether anything in the family may define ``self.name``."""
        if self._declares(name):
            return True
        if name in self._written or any(whole for _, whole in self._written.get("*", ())):
            return True
        return self.hands_itself_over

    @cached_property
    def hands_itself_over(self) -> bool:
        """Whether construction gives self to somebody, who may assign anything."""
        return any(
            _SELF_AS_ARGUMENT.search(_SIGNATURE.sub("", definition.book.text_of(function)))
            for definition, function in _methods(self.family)
            if self.is_init_like(function)
        )

    def constructs_with(self, function: Function) -> bool:
        """Whether building an object of this class is known to run a method of it or of a base."""
        if function.name != "__init__":
            return self.is_init_like(function)
        for definition in self.ancestry.classes:
            own = definition.outline.methods.get("__init__")
            if own is function:
                return True
            if own is not None and not _CALLS_BASE.search(definition.book.text_of(own)):
                return False
        return False

    # -- what it is as a child -------------------------------------------------------------

    def mode_parameters(self) -> tuple[ModeParameter, ...] | None:
        """The mode flags that ``__call__`` takes; None where that is not known."""
        function = self._call_method()
        return None if function is None else tuple(self._mode_parameters(function))

    def signature(self) -> Signature | None:
        """What ``__call__`` can be given; None where that is not known."""
        function = self._call_method()
        if function is None:
            return None
        own = function.parameters[1:]
        plain = [p for p in own if not p.kind.startswith("var-")]
        return Signature(
            tuple(p.name for p in plain if p.kind != "keyword-only"),
            frozenset(p.name for p in plain if p.kind != "positional-only"),
            any(p.kind == "var-positional" for p in own),
            any(p.kind == "var-keyword" for p in own),
        )

    def _call_method(self) -> Function | None:
        """``__call__``, if it can be called as it is written."""
        found = self.find_method("__call__")
        if found is None:
            return None
        definition, function = found
        decorated = [(definition.book, function.outer, d) for d in function.decorators]
        for owner in self.ancestry.classes:
            decorators = owner.outline.node.decorator_list
            decorated += [(owner.book, owner.outline.outer, d) for d in decorators]
        if not all(self._is_harmless(*place) for place in decorated):
            return None
        return function

    def _mode_parameters(self, function: Function) -> Iterator[ModeParameter]:
        for position, parameter in function.as_called(bound=True):
            train_like = self.project.settings.mode_flags.get(parameter.name)
            if train_like is not None and self.project.is_mode_flag(parameter):
                default = _constant(parameter)
                yield ModeParameter(
                    parameter.name,
                    train_like,
                    position,
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
        kinds = {kind for value in self.built() for kind in self.project.kinds(value)}
        for definition, function in _methods(self.ancestry.classes):
            if self.is_init_like(function):
                continue
            if may_draw_for_dropout(definition.book, function):
                draws = self.facts(function, definition).draws
                if any(draw.stream in flax_api.DROPOUT_STREAMS for draw in draws):
                    kinds.add(Kind("stochastic"))
        return frozenset(kinds)

    def built(self) -> Iterator[Value]:
        """What construction puts into the attributes."""
        for write in self.writes_of_construction():
            yield write.value

    def mentions_in_construction(self, *words: str) -> bool:
        """Whether the text of a method of construction, also an inherited one, has such a word."""
        return any(
            definition.book.mentions(function, *words)
            for definition, function in self._constructors
        )

    def writes_of_construction(self) -> Iterator[AttributeWrite]:
        """What methods of construction assign, its own and inherited ones."""
        for definition, function in self._constructors:
            yield from self.facts(function, definition).writes

    def kind_in(self, kind: Kind, made_with: Arguments | None) -> Iterator[Kind]:
        """``kind`` for an instance: its rate may be 0 by default, or come from further up."""
        if kind.rate is None:
            yield kind
            return
        found = self.find_method("__init__")
        if found is None or made_with is None or made_with.open:
            return  # not known
        by_name = {p.name: (index, p) for index, p in found[1].as_called(bound=True)}
        if kind.rate not in by_name:
            return
        index, parameter = by_name[kind.rate]
        given = made_with.get(kind.rate, index)
        if given is None:
            given = Constant(_constant(parameter))
        match given:
            case Constant(value) if not value or not isinstance(value, int | float):
                return
            case Given(name):
                yield Kind(kind.kind, name)
            case _:
                yield Kind(kind.kind)


def _merged(lines: list[list[ClassDefinition]]) -> Iterator[ClassDefinition]:
    """Python's merge of the bases' orders (C3); where that is impossible, first come first."""
    lines = [line for line in lines if line]
    while lines:
        heads = (line[0] for line in lines)
        tails = {base for line in lines for base in line[1:]}
        head = next((head for head in heads if head not in tails), lines[0][0])
        yield head
        lines = [rest for line in lines if (rest := [base for base in line if base != head])]


def _method(outline: Class, name: str) -> Function | None:
    """The function that a class binds to ``name``, if it is one and the same on every path."""
    bindings = outline.scope.bindings[name]
    first = bindings[0]
    if isinstance(first, Assigned) and len(bindings) == 1:  # `__call__ = forward`
        alias = str(getattr(first.value, "id", ""))
        return outline.methods.get(alias) if alias != name else None
    functions = [binding for binding in bindings if isinstance(binding, Function)]
    overloads = [f for f in functions if "overload" in decorator_names(f)]
    if len(functions) < len(bindings) or len(functions) - len(overloads) != 1:
        return None
    return functions[-1]


def _methods(
    classes: Iterable[ClassDefinition],
) -> Iterator[tuple[ClassDefinition, Function]]:
    """All methods of all of ``classes``, each with the class that has it."""
    for definition in classes:
        for function in definition.outline.methods.values():
            yield definition, function


def _updates_self(book: Book, function: Function) -> bool:
    """Whether a method says ``nnx.update(self, ...)``."""
    return book.matches(function, _UPDATES_SELF, "update")


def may_draw_for_dropout(book: Book, function: Function) -> bool:
    """Whether the text of a function names such a stream, and not as a layer that it calls."""
    return book.matches(function, _DRAWS_FOR_DROPOUT, *flax_api.DROPOUT_STREAMS)


def decorator_names(function: Function) -> set[str]:
    """The last names of its decorators: ``property``, whether or not it is ``abc.property``."""
    return {str(getattr(d, "id", getattr(d, "attr", ""))) for d in function.decorators}


def _constant(parameter: Parameter) -> object:
    return getattr(parameter.default, "value", None)


def written_attributes(book: Book, function: Function) -> Mapping[str, bool]:
    """Attribute of self -> whether it is replaced as a whole, for all that a method writes."""
    return book.remember(
        (written_attributes, function), lambda: _written_attributes(book, function)
    )


def _written_attributes(book: Book, function: Function) -> dict[str, bool]:
    written: dict[str, bool] = {}
    owner = function.parameters[0].name if function.parameters else ""
    if not book.mentions(function, owner):
        return written
    # Few expressions write anything, and they are most of the nodes.
    look_into = book.mentions(function, "setattr", *_CHANGING_METHODS) or (
        f"for {owner}." in book.text_of(function)
    )
    targets: list[ast.AST] = []
    stack: list[ast.AST] = [function.node]
    while stack:
        node = stack.pop()
        below = ast.iter_child_nodes(node)
        stack += below if look_into else (n for n in below if not isinstance(n, ast.expr))
        match node:
            case ast.Assign(several) | ast.Delete(several):
                targets += several
            case ast.AnnAssign(target, _, ast.expr()) | ast.AugAssign(target):
                targets.append(target)
            case ast.For(target) | ast.AsyncFor(target) | ast.comprehension(target):
                targets.append(target)
            case ast.withitem(_, ast.expr() as target):
                targets.append(target)
            case ast.Call(ast.Attribute(held, method)) if method in _CHANGING_METHODS:
                targets.append(ast.Subscript(held, held))
            case ast.Call(
                ast.Name("setattr"), [ast.Name(name), ast.Constant(str(attribute)), _], []
            ) if name == owner:
                written[attribute] = True
    while targets:
        whole = True
        match targets.pop():
            case ast.Tuple(several) | ast.List(several):
                targets += several
            case ast.Starred(inner):
                targets.append(inner)
            case ast.Attribute() | ast.Subscript() as target:
                while isinstance(target.value, ast.Attribute | ast.Subscript):
                    target, whole = target.value, False
                match target:
                    case ast.Attribute(ast.Name(name), attribute) if name == owner:
                        written[attribute] = whole or written.get(attribute, False)
    return written


def _kept(name: str, value: Value, *, fixed: bool) -> Value:
    """``value`` as a method finds it in ``self.name``; ``fixed`` if nothing writes it again."""
    match value:
        case Key():
            return replace(value, attribute=name, varies=not fixed, number=None)
        case Rngs():
            return Rngs("kept", value.sure)
        case Stream(stream, rngs):
            return Stream(stream, Rngs("kept", rngs.sure))
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
