"""Models as wholes: the layers that they hold, however deep, and how their modes are set."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import AttributeWrite, LocalRun, ModelChange
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names
from flake8_nnx_mode.facts.project import Project, drops, fixed_mode, rate_of
from flake8_nnx_mode.facts.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    FunctionDefinition,
    Given,
    Instance,
    Items,
    Method,
    Opaque,
    SelfObject,
    Setting,
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
_WALKS = re.compile(r"\biter_(?:modules|children|graph)\b|\bnnx\.Module\.eval\b")
_GROWS = re.compile(
    r"\biter_(?:modules|children|graph)\b|\bsetattr\("
    r"|(?<!self)\.(?!set_view\b)\w+(?:\[[^]\n]*\])*[ ]*=(?!=)"
    r"|\w\.\w+\.(?:append|extend|insert|update|setdefault)\("
    r"|\.(?:append|extend|insert)\([^()\n]*\bn\w+\."
)
"""What may change the layers that a model holds, in the text of a function."""
_SETS = re.compile(r"\.(?:deterministic|use_running_average)\s*=(?!=)|\.eval\(|set_attributes\(")
_SETS_MODES = ("eval", "train", "set_attributes", "view", "with_attributes")
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


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of a model, in a function of the file at hand."""

    change: ModelChange
    function: Function
    owner: ClassFacts | None


def changes(project: Project, *names: str) -> Iterator[Changed]:
    """Views and other changes of models in the file at hand, of these kinds."""
    for changed in project.remember(changes, lambda: tuple(_changes(project))):
        if changed.change.by in names:
            yield changed


def _changes(project: Project) -> Iterator[Changed]:
    words = ["set_attributes"]
    for name in ("view", "with_attributes", "recursive_map"):
        words += project.names_for(f"flax.nnx.{name}")
    for function, owner in project.functions():
        if project.book.mentions(function, *words):
            for change in project.facts(function, owner).models_changed:
                yield Changed(change, function, owner)


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


@dataclass(frozen=True, slots=True)
class Applied:
    """What a function given to ``nnx.recursive_map`` returns."""

    returns: tuple[Value, ...]
    ends: bool
    """Whether it returns nothing on some path: by ``return`` alone, or at its end."""

    changes: bool
    """Whether it is known to change a node, or to do nothing at all."""

    @property
    def may_only_look(self) -> bool:
        """Whether it may be there to look at the nodes, and return each as it is."""
        made = any(isinstance(o, Instance) for value in self.returns for o in options(value))
        return not (made or self.changes)


def applied(project: Project, changed: Changed) -> Applied | None:
    """The function that ``nnx.recursive_map`` applies; None where it is not known."""
    match changed.change.applies:
        case LocalRun() as run:
            known = run.ran and not run.decorated
            changes = run.changes_argument or run.trivial
            return Applied(tuple(run.returns), run.ends, changes) if known else None
        case FunctionDefinition(_, outline) as function:
            facts = project.facts_of(function)
            known = facts.known and decorator_names(outline) <= {"staticmethod"}
        case Method(SelfObject(), name) if changed.owner is not None:
            found = changed.owner.find_method(name)
            if found is None:
                return None
            facts = changed.owner.facts(found[1], found[0])
            known = facts.known and not found[1].decorators
        case _:
            return None
    if not known:
        return None
    return Applied(tuple(facts.returns), facts.ends, facts.changes_argument)


def attributes(parts: Parts) -> frozenset[str]:
    """The public attributes that some module of a model has."""
    found = parts.names | flax_api.MODULE_METHODS
    for part in parts.found:
        layers = {part.of} if isinstance(part.of, str) else part.builtins
        found = found.union(*map(flax_api.attributes, layers))
    return frozenset(found)


def is_in_test(project: Project, changed: Changed) -> bool:
    """Whether it stands in a test, which may be about just that."""
    return changed.function.name.startswith("test") or project.is_for_tests("")


def settings_of(value: Value) -> tuple[Setting, ...]:
    """What was done to the modes of a model before."""
    return tuple(s for o in options(value) if isinstance(o, Instance) for s in o.settings)


def may_be_set(project: Project, changed: Changed, mode: str) -> bool:
    """Whether ``mode`` is set as well, before or after, for the model or the view of it."""
    change, facts = changed.change, project.facts(changed.function, changed.owner)
    text = scope_text(project, changed)
    if _WALKS.search(text) or re.search(rf"\.{mode}\s*=(?!=)|setattr\([^()]*\b{mode}\b", text):
        return True
    if any(guard.of_class or mode in guard.names for guard in each_guard(change.guards)):
        return True
    if text is project.book.text:
        root = re.escape(change.label.partition(".")[0])
        if re.search(rf"\b{root}\.(?:eval|set_attributes)\(", text):
            return True
    after = (s for model, s in facts.settings if change.setting in settings_of(model))
    return any(setting.may_set(mode) for setting in (*settings_of(change.model), *after))


def passes_on(project: Project, changed: Changed, mode: str) -> bool:
    """Whether setting other modes of the model may set ``mode`` too, by code of the project."""
    for parts in models(project, changed.change.model, changed.owner):
        for part in parts.found:
            if isinstance(part.of, str):
                continue
            facts = project.class_facts(part.of)
            for definition in facts.ancestry.classes:
                if changed.change.by in definition.outline.scope.bindings:
                    return True  # its own `set_attributes`
                function = definition.outline.methods.get("set_view")
                if function is not None and definition.book.mentions(function, mode, *_SETS_MODES):
                    return True
    return False


def unknown_names(project: Project, changed: Changed) -> list[str]:
    """The keywords of a view, or the attributes, that no module of the model has."""
    change = changed.change
    found = models(project, change.model, changed.owner)
    strict = change.args.get("raise_if_not_found") in (None, Constant(value=True))
    altered = any(not setting.modes for setting in settings_of(change.model))
    if not found or not strict or altered or change.args.open or change.setting is None:
        return []
    if not all(parts.complete for parts in found) or _may_be_another(project, changed):
        return []
    if any(guard.of_class or guard.strings for guard in each_guard(change.guards)):
        return []  # `if isinstance(model, ...)`, `if hasattr(model, "noisy")`
    if _GROWS.search(scope_text(project, changed)):
        return []
    known: set[str] = {"*"}
    if change.by == "view":
        for part in (part for parts in found for part in parts.found):
            taken = keywords(project, part)
            if taken is None or _is_patched(project, part):
                return []
            known |= taken
    else:
        known = known.union(*map(attributes, found))
    return [name for name, _ in change.setting.modes if name not in known]


def _may_be_another(project: Project, changed: Changed) -> bool:
    """Whether a model that was not built here may be of a subclass with other layers."""
    for option in options(changed.change.model):
        match option:
            case SelfObject():
                facts = changed.owner
            case Instance(ClassDefinition() as of, made=None):
                facts = project.class_facts(of)
            case _:
                continue
        if facts is None or facts.is_template or len(facts.family) > len(facts.ancestry.classes):
            return True
    return False


def scope_text(project: Project, changed: Changed) -> str:
    """The text that may do more to a model: of the function, its class, or the file."""
    root = re.split(r"[.\[]", changed.change.label, maxsplit=1)[0]
    function, owner, book = changed.function, changed.owner, project.book
    if owner is not None and root in ("self", ""):
        return "".join((book.text_of(function), *owner.method_texts()))
    outside = root in book.outline.module.bindings and root not in function.scope.bindings
    if outside and function is not book.script:
        return book.text  # a variable of the file
    return book.text_of(function)


def _is_patched(project: Project, part: Part) -> bool:
    """Whether the file at hand gives a class another ``set_view``."""
    if isinstance(part.of, str) or "set_view" not in project.assigned_from_outside(project.book):
        return False
    names = "|".join(d.outline.name for d in project.class_facts(part.of).ancestry.classes)
    return re.search(rf"\b(?:{names})\.set_view\s*=", project.book.text) is not None


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
        if wraps or not facts.ancestry.known or self._is_dynamic(facts):
            self.parts.complete = False
        outer = self._told
        self._busy.add(of)
        self._told = _told_in_calls(facts)
        own, arguments = _constructor(facts), constructor_arguments(facts, args, given)
        writes = list(_writes(facts))
        self.parts.written |= {write.name for _, write in writes}
        self.parts.names |= self.parts.written | facts.names_of_class
        plain = {w.name for _, w in writes if w.whole and traits_of(w.value).plain}
        known = {function: _known_as(function, own, arguments) for function, _ in writes}
        for function, write in writes:
            alone = sum(w.name == write.name and w.whole for _, w in writes) == 1
            always = all(guard.excused for guard in each_guard(write.guards))
            surely = sure and alone and always and write.whole and facts.constructs_with(function)
            value = write.value
            later = not facts.is_init_like(function)
            if later and write.name in plain and isinstance(value, Opaque | Given):
                continue  # another number
            self.read(value, known[function], sure=surely)
        for definition in facts.ancestry.classes:
            for name in definition.outline.fields:
                if not any(write.name == name for _, write in writes):
                    self._field(facts, name, args, given)
        self._busy.discard(of)
        self._told = outer

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
        self.parts.complete &= _says_data(field_.annotation)

    def _is_dynamic(self, facts: ClassFacts) -> bool:
        """Whether its methods may set attributes that are not seen."""
        return (
            any(
                definition.book.mentions(function, *_DYNAMIC)
                for definition in facts.ancestry.classes
                for function in definition.outline.methods.values()
            )
            or facts.hands_itself_over
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
        if facts.project.written(definition.book, function):
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
        elif _says_data(annotation) or function.name == "set_view":
            known[parameter.name] = _NUMBER
    return known


def _says_data(annotation: ast.expr | None) -> bool:
    """Whether an annotation names types that are no modules."""
    if annotation is None:
        return False
    words = _WORDS.findall(ast.unparse(annotation))
    return bool(words) and all(_DATA.fullmatch(word) for word in words)
