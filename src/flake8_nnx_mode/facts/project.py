"""A project as seen while one file is checked: the way to every fact."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from types import UnionType

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import FunctionFacts, KeysTaken
from flake8_nnx_mode.facts.library import Library
from flake8_nnx_mode.facts.modules import ClassFacts, Kind, decorator_names
from flake8_nnx_mode.facts.names import Names, names_class
from flake8_nnx_mode.facts.values import (
    ALTERED,
    NEVER,
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    Flag,
    FunctionDefinition,
    Given,
    GraphDef,
    Instance,
    Items,
    Method,
    Opaque,
    Rngs,
    SelfObject,
    Stream,
    Symbol,
    Value,
    choose,
    contained,
    is_structural,
    replaced,
    told,
    traits_of,
)
from flake8_nnx_mode.settings import Settings
from flake8_nnx_mode.syntax.book import Book, Remembering
from flake8_nnx_mode.syntax.outline import Assigned, Function, Imported, Parameter

NOTHING: Mapping[str, Value] = {}


class Project(Remembering):
    """Facts about ``book`` and, on demand, about the files it imports."""

    def __init__(self, book: Book, settings: Settings) -> None:
        super().__init__()
        self.book = book
        self.settings = settings
        self.library = Library(book, settings.project_root, settings.read_packages)
        self.names = Names(self.library)
        self._classes: dict[ClassDefinition, ClassFacts] = {}
        self._classes_of: dict[Book, list[ClassFacts]] = {}
        self._subclasses: dict[Book, dict[ClassDefinition, list[ClassDefinition]]] = {}
        self._kinds_busy: set[ClassDefinition] = set()
        self._functions: dict[Function, FunctionFacts] = {}
        self._given: dict[tuple[Function, Arguments], FunctionFacts] = {}
        self._thorough: dict[object, FunctionFacts] = {}
        self._nested = 0

    def forget(self) -> None:
        """Let go of all facts: they hold each other, and would be left to the garbage collector."""
        vars(self).clear()

    def class_facts(self, definition: ClassDefinition) -> ClassFacts:
        """What is known of a class of the project."""
        known = self._classes.get(definition)
        if known is None:
            known = self._classes[definition] = ClassFacts(self, definition)
        return known

    def classes(self, book: Book) -> list[ClassFacts]:
        """All classes of a file."""
        known = self._classes_of.get(book)
        if known is None:
            definitions = (ClassDefinition(book, outline) for outline in book.outline.classes)
            known = self._classes_of[book] = [self.class_facts(of) for of in definitions]
        return known

    def subclasses(self, definition: ClassDefinition) -> Sequence[ClassDefinition]:
        """The classes that build on one in its own file; each file is gone through once."""
        known = self._subclasses.get(definition.book)
        if known is None:
            known = self._subclasses[definition.book] = {}
            for facts in self.classes(definition.book):
                for base in facts.ancestry.classes:
                    if base != facts.definition:
                        known.setdefault(base, []).append(facts.definition)
        return known.get(definition, ())

    @cached_property
    def modules(self) -> list[ClassFacts]:
        """The nnx modules that the file at hand defines."""
        return [facts for facts in self.classes(self.book) if facts.is_module]

    def functions(self) -> Iterator[tuple[Function, ClassFacts | None]]:
        """The functions and methods of the file at hand, with their class if they have one.

        The statements of the file itself come last, as a function.
        """
        for facts in self.classes(self.book):
            for function in facts.own_methods():
                yield function, facts
        for function in self.book.outline.functions:
            if function.outer.kind != "class":
                yield function, None
        yield self.book.script, None

    def mode_takers(self, book: Book) -> Mapping[str, ClassDefinition] | None:
        """Names in a file for nnx modules whose ``__call__`` takes a mode flag, or may.

        None where a star import may bring in others.
        """
        return self.remember(("mode takers", book), lambda: self._find_mode_takers(book))

    def _find_mode_takers(self, book: Book) -> Mapping[str, ClassDefinition] | None:
        scope = book.outline.module
        if scope.star_imports:
            return None
        own = (facts.definition for facts in self.classes(book))
        found = {of.outline.name: of for of in own if self.may_take_mode(of)}
        modules = []
        for name, bindings in scope.bindings.items():
            if not isinstance(bindings[0], Imported):
                continue
            if not names_class(name):
                # No class by its name: a module, in which classes may be, or of no interest.
                if self.names.is_module(book, bindings[0]):
                    modules.append(name)
            else:
                value = self.names.lookup(book, scope, name)
                if isinstance(value, ClassDefinition) and self.may_take_mode(value):
                    found[name] = value
        for name in sorted(_members(book.text, modules)):  # in one order, whatever the hash seed
            value = self.names.dotted(book, scope, name)
            if isinstance(value, ClassDefinition) and self.may_take_mode(value):
                found[value.outline.name] = value
        return found

    def may_take_mode(self, definition: ClassDefinition) -> bool:
        """Whether a class is a module that takes a mode, or one that is not known not to."""
        facts = self.class_facts(definition)
        return facts.is_module and facts.mode_parameters() != ()

    def module_level(self, value: Value) -> tuple[str, ...]:
        """The names that the module of the file at hand binds to ``value`` by assignment."""
        return tuple(self._names_of(lambda held: held == value, Assigned))

    def names_for(self, name: str) -> tuple[str, ...]:
        """What the file at hand calls something outside: ``Drop`` for ``flax.nnx.Dropout``."""
        local = self._names_of(lambda held: held == Symbol(name), Imported | Assigned)
        return (name.rpartition(".")[2], *sorted(local))

    def _names_of(
        self, wanted: Callable[[Value | None], bool], bound_by: type | UnionType
    ) -> Iterator[str]:
        """The names of the file's own scope that stand for what is ``wanted``."""
        scope = self.book.outline.module
        for name, bindings in scope.bindings.items():
            if isinstance(bindings[0], bound_by) and wanted(
                self.names.lookup(self.book, scope, name)
            ):
                yield name

    def is_for_tests(self, name: str) -> bool:
        """Whether a function or class of that name, in the file at hand, is there to test."""
        file = self.book.path.name
        return (
            _TESTS.match(name) is not None
            or file.startswith("test_")
            or file.endswith(("_test.py", "conftest.py"))
        )

    @cached_property
    def names_of_random(self) -> tuple[str, ...]:
        """Names in the file at hand for ``jax.random`` and what is in it."""

        def is_random(held: Value | None) -> bool:
            return isinstance(held, Symbol) and held.name.startswith("jax.random")

        return tuple(self._names_of(is_random, Imported | Assigned))

    def may_consume_keys(self, function: Function, owner: ClassFacts | None) -> bool:
        """Whether the text of a function gives a reason to look for samplers."""
        scope = self.book.outline.module
        outer = function.outer if owner is None else owner.outline.outer
        if outer is not scope or scope.star_imports:
            return True  # names may come from elsewhere
        if self.mentions_random(function):
            return True
        return self.book.matches(function, _TAKES_KEY, *self._names_of_keys)

    @cached_property
    def _names_of_keys(self) -> tuple[str, ...]:
        """The words of the file at hand by which ``_TAKES_KEY`` may find something."""
        return tuple(set(_KEY_WORD.findall(self.book.text)))

    @cached_property
    def names_mode(self) -> re.Pattern[str]:
        """``train=``, ``deterministic=``, ...: a mode given by name."""
        flags = "|".join(map(re.escape, self.settings.mode_flags))
        return re.compile(rf"\b(?:{flags})\s*=(?!=)")

    def mentions_random(self, function: Function) -> bool:
        """Whether the text of a function names ``jax.random`` or what is in it."""
        return self.book.mentions(function, "random", *self.names_of_random)

    def facts(self, function: Function, owner: ClassFacts | None) -> FunctionFacts:
        """What a function of the file at hand does."""
        return self._own_facts(self.book, function) if owner is None else owner.facts(function)

    def text_around(self, function: Function, owner: ClassFacts | None) -> str:
        """The text of a function of the file at hand, and of all methods beside it."""
        texts = [] if owner is None else owner.method_texts()
        return "".join((self.book.text_of(function), *texts))

    def _own_facts(self, book: Book, function: Function) -> FunctionFacts:
        """What a function that is no method does."""
        if function not in self._functions:
            self._functions[function] = FunctionFacts(known=False)  # for those it calls
            self._functions[function] = self.run(book, function, None, 0)
        return self._functions[function]

    def of_script(self, name: str) -> Value | None:
        """A model, or what it was split into, that the file's own statements made."""
        script = self.book.script
        if not _SPLITS.search(self.book.text_of(script)):
            return None
        held = self._own_facts(self.book, script).variables.get(name)
        return held if isinstance(held, GraphDef) else None

    def facts_of(self, definition: FunctionDefinition) -> FunctionFacts:
        """What a function of the project does that is no method, wherever it is."""
        return self._own_facts(definition.book, definition.outline)

    def facts_called(
        self, definition: FunctionDefinition, args: Arguments, owner: ClassFacts | None = None
    ) -> FunctionFacts:
        """What a function of the project, or a method of ``owner``, does if given ``args``."""
        function = definition.outline
        key = (function, args)
        if key not in self._given:
            self._given[key] = FunctionFacts(known=False)  # for those it calls
            given = _bound_to(function.parameters[owner is not None :], args)
            models = {n: v for n, v in given.items() if isinstance(v, Instance | GraphDef)}
            self._given[key] = self.run(definition.book, function, owner, 2, models)
        return self._given[key]

    def run(
        self,
        book: Book,
        function: Function,
        owner: ClassFacts | None,
        level: int,
        given: Mapping[str, Value] = NOTHING,
        attributes: Mapping[str, Value] = NOTHING,
        *,
        thorough: bool = False,
    ) -> FunctionFacts:
        """Run ``function`` on abstract values; empty facts if LibCST does not read it.

        Nor is one run that is imported and longer than anybody writes by hand.

        ``level`` is how much it knows of the attributes of its class, see ``ClassFacts.facts``.
        ``given`` is what is known of variables that it is given, ``attributes`` what is known of
        those of self beyond what its class says; ``block_*`` stands for all of that pattern.
        ``thorough`` is whether to follow also what rules had better take for unknown, as they do
        not see all that becomes of it: modules that are built in stacks.
        """
        is_generated = book is not self.book and len(book.text_of(function)) > _LONGEST_BY_HAND
        if is_generated or self._nested >= _DEEPEST_CALL:
            return FunctionFacts(known=False)
        chapter = book.chapter(function)
        if chapter is None:
            return FunctionFacts(known=False)
        from flake8_nnx_mode.facts.flow import Flow

        forward = owner is None or owner.is_forward(function)
        self._nested += 1
        try:
            return Flow(
                self.names,
                _World(self, owner, level, attributes, thorough=thorough),
                book,
                function,
                chapter,
                self.settings.mode_flags,
                forward=forward,
                thorough=thorough,
                parameters=self._parameters(
                    book, function, owner, forward=forward, thorough=thorough
                )
                | dict(given),
            ).run()
        finally:
            self._nested -= 1

    def _parameters(
        self,
        book: Book,
        function: Function,
        owner: ClassFacts | None,
        *,
        forward: bool,
        thorough: bool,
    ) -> dict[str, Value]:
        values: dict[str, Value] = {}
        decorators = decorator_names(function)
        for index, parameter in enumerate(function.parameters):
            name = parameter.name
            value: Value
            if index == 0 and "classmethod" in decorators:
                of = [c for c in book.outline.classes if c.scope is function.outer]
                value = ClassDefinition(book, of[0]) if len(of) == 1 else UNKNOWN
            elif index == 0 and owner is not None and "staticmethod" not in decorators:
                value = SelfObject()
            elif parameter.kind.startswith("var-"):
                value = UNKNOWN
            elif forward and self.is_mode_flag(parameter):
                value = Flag(name)
            elif parameter.annotation is None:
                value = Given(name)
                if name == "rngs":
                    value = Rngs("given", _is_surely_rngs(function, owner), name)
            else:
                annotated = self.names.annotation(book, function.outer, parameter.annotation)
                value = self.instance_of(annotated) or Given(name)
                if value == Rngs("given"):
                    value = Rngs("given", parameter=name)
                elif thorough and _MAY_BE_RNGS.search(ast.unparse(parameter.annotation)):
                    value = Rngs("given", sure=False, parameter=name)
            values[name] = value
        return values

    def is_mode_flag(self, parameter: Parameter) -> bool:
        """Whether a parameter is a mode flag: by its name, and nothing speaks against it."""
        if parameter.name not in self.settings.mode_flags or parameter.kind.startswith("var-"):
            return False
        annotation, default = parameter.annotation, parameter.default
        # `def evaluate(model, train: Data, test: Data)` has a training set, not a mode.
        plausible = annotation is None or _MODE_ANNOTATION.search(ast.unparse(annotation))
        plain = default is None or isinstance(default, ast.Constant | ast.Name | ast.Attribute)
        return bool(plausible) and plain

    def is_module(
        self, value: Value, owner: ClassFacts | None, that: Callable[[ClassFacts], bool]
    ) -> bool:
        """Whether an object is a layer of ``flax.nnx``, or of a module of the project ``that`` ...

        ``owner`` is the class of self.
        """
        match value:
            case SelfObject():
                facts = owner
            case Instance(ClassDefinition() as of):
                facts = self.class_facts(of)
            case _:
                return isinstance(value, Instance)
        return facts is not None and facts.is_module and that(facts)

    def instance_of(self, annotation: Value) -> Value | None:
        """What something annotated so is, where that says enough."""
        match annotation:
            case Symbol("flax.nnx.Rngs"):
                return Rngs("given")
            case Symbol("flax.nnx.RngStream"):
                return Stream(None, Rngs("given"))
            case Symbol(name) if name in flax_api.LAYERS or name == flax_api.MODULE:
                return Instance(annotation, None)
            case ClassDefinition() if self.class_facts(annotation).is_module:
                return Instance(annotation, None)
            case GraphDef(of):
                model = self.instance_of(of)
                return None if model is None else GraphDef(model)
            case Choice(sides):
                found = [self.instance_of(side) for side in sides]
                known = [side for side in found if isinstance(side, Instance)]
                return choose(*known) if len(known) == len(found) else None
            case Items((element,)):
                held = self.instance_of(element)
                return None if held is None else Items((held,))
        return None

    def returned(
        self,
        function: FunctionDefinition,
        args: Arguments,
        *,
        forward: bool,
        thorough: bool,
    ) -> Value | None:
        """What a function of the project returns, as its caller sees it.

        Unless the caller is ``thorough``, it is run only if that could use the result: a key, or in
        construction a module.
        """
        book, outline = function.book, function.outline
        annotation = self.names.annotation(book, outline.outer, outline.node.returns)
        if annotation in (NEVER, Symbol("typing.Never")):
            return NEVER
        known = self.instance_of(annotation)
        annotated = None if known is None else told(known, ALTERED)  # who knows in which mode
        wanted = _HANDS_OUT_KEYS if forward else _BUILDS
        if not thorough and wanted.search(book.text_of(outline)) is None:
            return annotated
        bound = "classmethod" in decorator_names(outline)
        parameters = outline.parameters[1:] if bound else outline.parameters
        if thorough:
            facts = self._thorough_facts(function, _bound_to(parameters, args))
        else:
            facts = self._own_facts(book, outline)
        made = seen_by_caller(facts, parameters, args)
        vague = isinstance(made, Opaque) and not (thorough and made.traits.plain)
        return annotated if made is None or vague else made

    def _thorough_facts(
        self, function: FunctionDefinition, given: Mapping[str, Value]
    ) -> FunctionFacts:
        """What a function that is no method does with classes and modules that it is given."""
        given = {name: value for name, value in given.items() if is_structural(value)}
        key = (function.outline, frozenset(given.items()))
        if key not in self._thorough:
            self._thorough[key] = FunctionFacts(known=False)  # for those it calls
            self._thorough[key] = self.run(
                function.book, function.outline, None, 0, given, thorough=True
            )
        return self._thorough[key]

    def keys_taken(self, function: FunctionDefinition) -> KeysTaken | None:
        """The parameters of a function that it hands to samplers as they are; None if not known."""
        book, outline = function.book, function.outline
        if _HANDS_OUT_KEYS.search(book.text_of(outline)) is None:
            return ()
        return _keys_taken(self._own_facts(book, outline), outline.as_called(bound=False))

    def keys_taken_by_method(self, owner: ClassFacts, name: str, level: int) -> KeysTaken | None:
        """As ``keys_taken``; construction takes keys to initialise, and counts as taking none."""
        found = owner.find_method(name)
        if found is None:
            return None
        definition, function = found
        if decorator_names(function) & {"staticmethod", "classmethod"}:
            return None
        text = definition.book.text_of(function)
        if owner.is_init_like(function) or _HANDS_OUT_KEYS.search(text) is None:
            return ()
        facts = owner.facts(function, definition, level)
        return _keys_taken(facts, function.as_called(bound=True))

    def assigned_from_outside(self, book: Book) -> frozenset[str]:
        """The attributes that a file assigns on anything but ``self``: ``model.key = ...``."""
        return book.remember(_ASSIGNED, lambda: frozenset(_ASSIGNED.findall(book.text)))

    def holds_state(self, value: Value) -> bool:
        """Whether a module is known to have parameters, statistics or noise of its own."""
        match value:
            case Instance(Symbol(name), args) if name in flax_api.WRAPPERS:
                return args is not None and any(map(self.holds_state, args.all()))
            case Instance(Symbol(name)):
                return name in flax_api.LAYERS
            case Instance(ClassDefinition() as of):
                if of in self._kinds_busy or len(self._kinds_busy) >= DEEPEST_MODEL:
                    return False
                self._kinds_busy.add(of)
                try:
                    return any(map(self.holds_state, self.class_facts(of).built()))
                finally:
                    self._kinds_busy.discard(of)
            case Boxed():
                return True
        return any(map(self.holds_state, contained(value)))

    def kinds(self, value: Value) -> frozenset[Kind]:
        """What kinds of layer ``value`` is known to hold, however deep."""
        match value:
            case Instance(Symbol(name), args):
                held = args.all() if args is not None else ()
                found = frozenset(kind for item in held for kind in self.kinds(item))
                own = flax_api.MODES.get(name)
                if own is None or fixed_mode(name, args) or not drops(name, args):
                    return found
                return found | {Kind(own.kind, _given_name(rate_of(name, args)))}
            case Instance(ClassDefinition() as of, args):
                if of in self._kinds_busy or len(self._kinds_busy) >= DEEPEST_MODEL:
                    return frozenset()
                self._kinds_busy.add(of)
                try:
                    facts = self.class_facts(of)
                    return frozenset(k for kind in facts.kinds for k in facts.kind_in(kind, args))
                finally:
                    self._kinds_busy.discard(of)
            case Boxed(_, inner):
                return self.kinds(inner)
        return frozenset(kind for part in contained(value) for kind in self.kinds(part))


_TAKES_KEY = re.compile(
    rf"\b(?:{'|'.join(flax_api.KEY_KEYWORDS)})\s*=(?!=)|\b(?:\w*_)?(?:key|rng|prng)\s*[,)]|\bRngs\("
)
_KEY_WORD = re.compile(rf"\b(?:{'|'.join(flax_api.KEY_KEYWORDS)}|(?:\w*_)?(?:key|rng|prng)|Rngs)\b")
_SPLITS = re.compile(r"\bsplit\(")
_TESTS = re.compile(r"[Tt]est|(?:check|assert|verify)(?:_|$)")
_ASSIGNED = re.compile(r"(?<!\bself)\.(\w+)(?:\[[^]\n]*\])?\s*(?::[^=\n]*)?=(?!=)")
_MAY_BE_RNGS = re.compile(r"\bRngs\b")
_MODE_ANNOTATION = re.compile(r"\b(?:bool|Bool|bool_|int|float|Any|object)\b")
DEEPEST_MODEL = 120  # modules that hold modules, if the outermost is asked first: four each
_DEEPEST_CALL = 12  # functions that call functions: each takes a dozen frames of Python's stack
_LONGEST_BY_HAND = 40_000  # characters of a function; LibCST may take seconds for such a one
_MOST_RETURNS = 8
_HANDS_OUT_KEYS = re.compile(r"key|rng")
_BUILDS = re.compile(r"\b[A-Z]\w*\(|\bnnx\.|key|rng")


def _keys_taken(
    facts: FunctionFacts, parameters: Iterator[tuple[int | None, Parameter]]
) -> KeysTaken | None:
    if not facts.known:
        return None
    taken = {key.number for use in facts.consumptions if use.draws for key in use.keys}
    return tuple((index, p.name) for index, p in parameters if ("given", p.name) in taken)


def _is_surely_rngs(function: Function, owner: ClassFacts | None) -> bool:
    """Whether a parameter that is only called ``rngs`` is one: a module is built with it."""
    return owner is not None and owner.is_module and function.name == "__init__"


def fixed_mode(name: str, made_with: Arguments | None) -> bool:
    """Whether the constructor of a layer of ``flax.nnx`` was, or may have been, told the mode."""
    if made_with is None or made_with.open:
        return True
    given = made_with.get(flax_api.MODES[name].flag)
    return given is not None and given != NONE


def drops(name: str, made_with: Arguments | None) -> bool:
    """Whether a layer of ``flax.nnx`` may drop anything: its rate is not literally 0."""
    if name not in flax_api.RATES:
        return True
    rate = rate_of(name, made_with)
    return rate is not None and rate not in (Constant(0), Constant(0.0))


def rate_of(name: str, made_with: Arguments | None) -> Value | None:
    """How much a layer of ``flax.nnx`` drops, as it was built; None where that is not known."""
    keyword, position = flax_api.RATES.get(name, ("", None))
    return made_with.get(keyword, position) if made_with is not None else None


def _members(text: str, modules: Sequence[str]) -> set[str]:
    """The classes, by their names, that a text names as members of ``modules``."""
    if not modules:
        return set()
    named = "|".join(map(re.escape, modules))
    return set(re.findall(rf"\b(?:{named})\.(?:\w+\.)*_*[A-Z]\w*", text))


def _given_name(value: Value | None) -> str | None:
    return value.name if isinstance(value, Given) else None


def seen_by_caller(
    facts: FunctionFacts, parameters: Sequence[Parameter], args: Arguments
) -> Value | None:
    """What a function returns, its parameters replaced by what the call gave for them."""
    if not facts.returns or len(facts.returns) > _MOST_RETURNS:
        return None
    given = _bound_to(parameters, args)
    return choose(*(replaced(value, given) for value in facts.returns))


def _bound_to(parameters: Sequence[Parameter], args: Arguments) -> dict[str, Value]:
    """What each of the parameters gets from a call."""
    given: dict[str, Value] = {}
    for index, parameter in enumerate(parameters):
        value = args.get(parameter.name, index)
        given[parameter.name] = UNKNOWN if value is None else value
    return given


def _is_builtin(of: str, wanted: str) -> bool:
    """Whether a layer of Flax is another one too."""
    is_cell = wanted == "flax.nnx.RNNCellBase" and of.endswith("Cell")
    return of == wanted or is_cell or (of, wanted) == ("flax.nnx.LoRALinear", "flax.nnx.Linear")


class _World:
    """What a body is read against: the attributes and methods of its class."""

    def __init__(
        self,
        project: Project,
        owner: ClassFacts | None,
        level: int,
        attributes: Mapping[str, Value],
        *,
        thorough: bool,
    ) -> None:
        self._project = project
        self._owner = owner
        self._level = level
        self._attributes = attributes
        self._thorough = thorough
        self._patterns = {name: value for name, value in attributes.items() if "*" in name}

    def attribute(self, name: str) -> Value | None:
        if name in self._attributes:
            return self._attributes[name]
        matching = [v for pattern, v in self._patterns.items() if fnmatchcase(name, pattern)]
        if matching:
            return choose(*matching)
        return None if self._owner is None else self._owner.attribute(name, self._level)

    def computed(self, pattern: str) -> Value | None:
        found = self._patterns.get(pattern)
        if found is None and self._patterns:
            found = choose(*self._patterns.values())
        return found

    def is_method(self, name: str) -> bool:
        if self._owner is None:
            return False
        found = self._owner.find_method(name)
        if found is not None:
            return decorator_names(found[1]).isdisjoint({"property", "cached_property"})
        inherited = name in flax_api.MODE_SETTERS
        return inherited and self._owner.is_module and not self._owner.assigns(name)

    def instance(self, annotation: Value) -> Value | None:
        return self._project.instance_of(annotation)

    def returned(self, function: FunctionDefinition, args: Arguments) -> Value | None:
        forward = self._level == 2
        return self._project.returned(function, args, forward=forward, thorough=self._thorough)

    def returned_by_method(self, name: str, args: Arguments) -> Value | None:
        if self._owner is None or (found := self._owner.find_method(name)) is None:
            return None
        definition, function = found
        wanted = _HANDS_OUT_KEYS if self._level == 2 else _BUILDS
        if wanted.search(definition.book.text_of(function)) is None:
            return None
        facts = self._owner.facts(function, definition, self._level)
        return seen_by_caller(facts, function.parameters[1:], args)

    def keys_taken(self, func: Value) -> KeysTaken | None:
        match func:
            case FunctionDefinition():
                return self._project.keys_taken(func)
            case Method(SelfObject(), name) if self._owner is not None:
                return self._project.keys_taken_by_method(self._owner, name, self._level)
            case Method(Instance(ClassDefinition() as of), name):
                return self._project.keys_taken_by_method(self._project.class_facts(of), name, 2)
            case Instance(ClassDefinition() as of):
                of_class = self._project.class_facts(of)
                return self._project.keys_taken_by_method(of_class, "__call__", 2)
        return None

    def of_script(self, name: str) -> Value | None:
        return self._project.of_script(name)

    def text_of(self, func: Value) -> str | None:
        match func:
            case FunctionDefinition(book, outline):
                return book.text_of(outline)
            case Method(SelfObject(), name) if self._owner is not None:
                owner: ClassFacts = self._owner
            case Method(Instance(ClassDefinition() as of), name):
                owner = self._project.class_facts(of)
            case _:
                return None
        found = owner.find_method(name)
        return None if found is None else found[0].book.text_of(found[1])

    def hands_back(self, function: FunctionDefinition, args: Arguments) -> bool:
        facts = self._project.facts_called(function, args)
        return not facts.known or any(traits_of(value).carries for value in facts.returns)

    def is_a(self, of: Symbol | ClassDefinition, wanted: Value) -> bool | None:
        if wanted in (of, Symbol(flax_api.MODULE)):
            return True
        classes, builtins, known = self._above(of)
        match wanted:
            case Symbol(name) if name in flax_api.LAYERS:
                is_one = any(_is_builtin(base, name) for base in builtins)
            case Symbol(name) if name.startswith("builtins."):
                is_one = False
            case ClassDefinition():
                is_one = wanted in classes
                # What was only annotated may be of a class below.
                known &= of not in self._above(wanted)[0]
            case _:
                return None
        return is_one or (False if known else None)

    def _above(
        self, of: Symbol | ClassDefinition
    ) -> tuple[tuple[ClassDefinition, ...], frozenset[str], bool]:
        """The classes that a class is of, those of Flax among them, and whether these are all."""
        if isinstance(of, Symbol):
            return (), frozenset({of.name}), of.name in flax_api.LAYERS
        ancestry = self._project.class_facts(of).ancestry
        return ancestry.classes, ancestry.builtins, ancestry.known

    def attribute_of(self, owner: ClassDefinition, name: str) -> Value | None:
        facts = self._project.class_facts(owner)
        return None if facts.find_method(name) is not None else facts.attribute(name)
