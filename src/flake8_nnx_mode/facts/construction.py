"""What an object holds once it is built: its construction, followed with what it is given."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.events import AttributeWrite, BaseCall, ComputedWrite, FunctionFacts
from flake8_nnx_mode.facts.models import says_data
from flake8_nnx_mode.facts.modules import ClassFacts, decorator_names, written_attributes
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import (
    ANY_MODULE,
    NONE,
    UNKNOWN,
    Arguments,
    Choice,
    ClassDefinition,
    Constant,
    Flag,
    FunctionDefinition,
    Given,
    Guards,
    Instance,
    Items,
    Opaque,
    Partial,
    Rngs,
    Symbol,
    Table,
    Traits,
    Value,
    choose,
    each_guard,
    is_structural,
    options,
    traits_of,
    with_part,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book
from flake8_nnx_mode.syntax.chapter import Chapter
from flake8_nnx_mode.syntax.outline import Function, Scope

DATA = Opaque(Traits(plain=True))
"""A number, or something else that is no module and holds none."""
_STEPS = re.compile(r"(\w+)(.*)")
_DEEPEST = 6
_MOST_METHODS = 500
"""Methods that building one object runs: some call each other for ever."""

Known = Mapping[str, Value]
"""What parameters hold, by name."""


@dataclass(frozen=True, slots=True)
class Held:
    """What an attribute may hold."""

    name: str
    """``block_*`` where it is computed."""
    value: Value
    """In terms of the parameters of the model as a whole."""
    sure: bool
    """Whether that is so however the model is built."""
    book: Book | None = None
    anchor: Anchor | None = None
    """Where it is assigned; None for a dataclass field."""
    source: code.Expression | None = None
    """What is assigned."""


@dataclass(slots=True)
class Built:
    """An object as its construction leaves it."""

    held: dict[str, list[Held]] = field(default_factory=dict)
    """By attribute: what it may hold."""
    base_args: Arguments | None = None
    """What a layer of Flax that it derives from is built with."""
    complete: bool = True
    """Whether all of its construction was followed."""

    def put_in(self, name: str, path: str, part: Value, *, sure: bool) -> None:
        """Make ``part`` what stands at ``path`` in an attribute, such as a layer's own layer."""
        for index, held in enumerate(self.held.get(name, ())):
            value = with_part(held.value, path, part if sure else ANY_MODULE)
            self.held[name][index] = replace(held, value=value)

    def put_parts(self, parts: Iterable[tuple[str, Value]]) -> None:
        """What others put into the object once it was built, by path."""
        for path, part in parts:
            name, rest = _STEPS.fullmatch(path).groups()  # type: ignore[union-attr]
            if rest:
                self.put_in(name, rest.removeprefix("."), part, sure=True)
            else:
                self.held[name] = [Held(name, part, sure=True)]

    def value(self, name: str) -> Value:
        """What an attribute holds, whichever way it was built."""
        return choose(*(held.value for held in self.held.get(name, ())))


class Constructions:
    """Builds objects; what a method does is found once for all that are built alike."""

    def __init__(self, project: Project) -> None:
        """Build those of ``project``."""
        self._project = project
        self._runs: dict[object, FunctionFacts] = {}
        self.defaults: Known = {}
        """What the parameters of the model are by default."""

    def build_model(self, facts: ClassFacts) -> Built:
        """A model, whatever it is built with, in terms of its parameters."""
        slots = slots_of(facts)
        self.defaults = {slot.name: slot.by_default(self._project) for slot in slots}
        return self._follow(facts, {slot.name: Given(slot.name) for slot in slots})

    def build(self, facts: ClassFacts, args: Arguments | None) -> Built:
        """An object that is built with ``args``; None: nobody knows with what."""
        found = facts.find_method("__init__")
        if found is not None:
            return self._follow(facts, _bound(self._project, *found, args))
        if fields := _fields(facts):
            return self._follow(facts, dict(_filled(self._project, fields, args)))
        return replace(self._follow(facts, {}), base_args=args)

    def _follow(self, facts: ClassFacts, known: Known) -> Built:
        """Build one; what parameters are by default counts where nothing is known without it."""
        built = _Construction(self, self._project, facts, known).follow()
        usual = {
            name: self.defaults[value.name]
            for name, value in known.items()
            if isinstance(value, Given) and is_structural(self.defaults.get(value.name, NONE))
        }
        if usual:
            assumed = _Construction(self, self._project, facts, {**known, **usual}).follow()
            for name, several in assumed.held.items():
                built.held[name] = self._filled_in(built.held.get(name, []), several)
        return built

    def _filled_in(self, known: list[Held], assumed: list[Held]) -> list[Held]:
        if len(known) != len(assumed):
            return known or [replace(held, sure=False) for held in assumed]
        return [
            replace(held, value=self._filled(held.value, other.value))
            for held, other in zip(known, assumed, strict=True)
        ]

    def _filled(self, value: Value, assumed: Value) -> Value:
        """``value``, what is not known in it as it is by default."""
        vague = any(map(self.is_vague, options(value)))
        if vague and not any(map(self.is_vague, options(assumed))):
            return choose(assumed, NONE)  # it may be another one
        match value, assumed:
            case Instance(of, Arguments() as args), Instance(other, Arguments() as others) if (
                of == other
                and len(args.positional) == len(others.positional)
                and len(args.keywords) == len(others.keywords)
            ):
                pairs = zip(args.positional, others.positional, strict=True)
                named = zip(args.keywords, others.keywords, strict=True)
                args = Arguments(
                    tuple(self._filled(*pair) for pair in pairs),
                    tuple((name, self._filled(v, w)) for (name, v), (_, w) in named),
                    args.open,
                )
                return replace(value, made_with=args)
            case Items(elements, ordered), Items(others) if len(elements) == len(others):
                pairs = zip(elements, others, strict=True)
                return Items(tuple(self._filled(*pair) for pair in pairs), ordered)
        return value

    def is_vague(self, value: Value) -> bool:
        """Whether it is not known, and may be a module."""
        if isinstance(value, Given):
            if flax_api.is_key_name(value.name) or value.name == "rngs":
                return False
            value = self.defaults.get(value.name, UNKNOWN)
        return isinstance(value, Opaque | Given) and not traits_of(value).plain

    def run(
        self,
        facts: ClassFacts,
        definition: ClassDefinition,
        function: Function,
        given: Known,
        attributes: Known,
    ) -> FunctionFacts:
        """What a method does, given modules and the like, and with such attributes."""
        key = (facts.definition, function, _frozen(given), _frozen(attributes))
        found = self._runs.get(key)
        if found is None:
            level = 1 if facts.is_init_like(function) else 2
            found = self._runs[key] = self._project.run(
                definition.book, function, facts, level, given, attributes, thorough=True
            )
        return found


class _Construction:
    """One object that is being built."""

    def __init__(
        self, runs: Constructions, project: Project, facts: ClassFacts, known: Known
    ) -> None:
        self._runs = runs
        self._project = project
        self._facts = facts
        self._own = known
        self._built = Built()
        self._busy: set[Function] = set()
        self._done: set[Function] = set()
        self._left = _MOST_METHODS

    def follow(self) -> Built:
        """Build it."""
        known = self._own
        fields = _fields(self._facts)
        for slot in fields:
            value = known.get(slot.name, UNKNOWN)
            if self._runs.is_vague(value):
                annotated = slot.annotated(self._project)
                value = value if annotated == UNKNOWN else annotated
            self._hold(Held(slot.name, value, sure=True))
        found = self._facts.find_method("__post_init__" if fields else "__init__")
        if found is not None:
            self._method(*found, known, sure=True)
        self._later()
        return self._built

    def _later(self) -> None:
        """What other methods may put into attributes, once it is built or instead of that."""
        for definition in self._facts.ancestry.classes:
            for name, function in definition.outline.methods.items():
                overridden = self._facts.find_method(name) != (definition, function)
                if function in self._done or overridden or _is_of_class(function):
                    continue
                if self._facts.is_init_like(function):
                    self._method(definition, function, {}, sure=False)
                elif written_attributes(definition.book, function):
                    for event in self._run(definition, function, {}).on_self:
                        if isinstance(event, AttributeWrite) and self._may_bring(event):
                            self._write(definition.book, event, {}, sure=False)

    def _may_bring(self, write: AttributeWrite) -> bool:
        """Whether it may put a layer where there was none: it does not set a mode."""
        return write.whole and write.name not in self._project.settings.mode_flags

    def _method(
        self, definition: ClassDefinition, function: Function, known: Known, *, sure: bool
    ) -> None:
        """What a method does to the object, and what those do that it calls."""
        self._left -= 1
        if function in self._busy or self._left < 0 or _is_of_class(function):
            self._built.complete &= function not in self._busy and self._left >= 0
            return
        self._busy.add(function)
        self._done.add(function)
        run = self._run(definition, function, known)
        self._built.complete &= run.known
        truth = _Truth(known, function, self._built)
        for event in run.on_self:
            holds = truth.of_guards(event.guards)
            if holds is False:
                continue
            surely = sure and holds is True
            match event:
                case AttributeWrite(whole=False, path=""):
                    pass
                case AttributeWrite(whole=False, path=path):
                    part = self._resolved(event.value, known)
                    self._built.put_in(event.name, path, part, sure=surely)
                case AttributeWrite() | ComputedWrite():
                    self._write(definition.book, event, known, sure=surely, truth=truth)
                case BaseCall():
                    self._base_call(definition, event, known, sure=surely)
                case _:
                    found = self._facts.find_method(event.name)
                    if found is not None:
                        args = self._resolved_in(event.args, known)
                        bound = _bound(self._project, *found, args)
                        self._method(*found, bound, sure=surely)
        self._busy.discard(function)

    def _base_call(
        self, definition: ClassDefinition, call: BaseCall, known: Known, *, sure: bool
    ) -> None:
        classes = self._facts.ancestry.classes
        if call.of is None:
            classes = classes[classes.index(definition) + 1 :]
        args = self._resolved_in(call.args, known)
        for base in classes:
            function = base.outline.methods.get(call.name)
            if function is None:
                continue
            if call.of in (None, FunctionDefinition(base.book, function)):
                self._method(base, function, _bound(self._project, base, function, args), sure=sure)
                return
        if call.name == "__init__":
            self._built.base_args = args

    def _run(self, definition: ClassDefinition, function: Function, known: Known) -> FunctionFacts:
        given = {name: value for name, value in known.items() if is_structural(value)}
        for parameter in function.parameters:
            # What an annotation says of it does not count if it is known to be None.
            if known.get(parameter.name) == NONE and parameter.annotation is not None:
                given[parameter.name] = NONE
        named = (n for n in self._built.held if "*" in n or definition.book.mentions(function, n))
        held = {name: self._built.value(name) for name in named}
        attributes = {name: value for name, value in held.items() if is_structural(value)}
        return self._runs.run(self._facts, definition, function, given, attributes)

    def _write(
        self,
        book: Book,
        write: AttributeWrite | ComputedWrite,
        known: Known,
        *,
        sure: bool,
        truth: "_Truth | None" = None,
    ) -> None:
        computed = isinstance(write, ComputedWrite)
        source = None if isinstance(write, ComputedWrite) else write.source
        value = write.value
        if truth is not None:
            value = truth.chosen(value, source, write.anchor.chapter)
        name = write.pattern if isinstance(write, ComputedWrite) else write.name
        value = self._resolved(value, known)
        self._hold(
            Held(name, value, sure, book, write.anchor, source), replaces=sure and not computed
        )

    def _hold(self, held: Held, *, replaces: bool = True) -> None:
        if replaces:
            self._built.held[held.name] = [held]
            return
        others = self._built.held.setdefault(held.name, [])
        if all(other.value != held.value for other in others):
            others.append(held)

    def _resolved_in(self, args: Arguments, known: Known, depth: int = _DEEPEST) -> Arguments:
        return Arguments(
            tuple(self._resolved(value, known, depth) for value in args.positional),
            tuple((name, self._resolved(value, known, depth)) for name, value in args.keywords),
            args.open,
        )

    def _resolved(self, value: Value, known: Known, depth: int = _DEEPEST) -> Value:
        """``value`` with its parameters replaced by what they hold."""
        match value:
            case Given(name, attribute):
                return (known if attribute is None else self._own).get(name, UNKNOWN)
            case Flag(name):
                return known.get(name, UNKNOWN)
            case Instance(_, args):
                every = value.made.args if value.made is not None else None
                args = args if every is None else every
                args = self._resolved_in(args, known, depth - 1) if args and depth else None
                made = None if value.made is None else replace(value.made, args=None)
                parts = value.parts if depth else ()
                parts = tuple((p, self._resolved(v, known, depth - 1)) for p, v in parts)
                return replace(value, made_with=args, made=made, parts=parts)
            case Partial(func, args):
                return Partial(self._resolved(func, known), self._resolved_in(args, known, depth))
            case Choice(parts):
                return choose(*(self._resolved(part, known, depth) for part in parts))
            case Items(elements, ordered):
                return Items(tuple(self._resolved(e, known, depth) for e in elements), ordered)
            case Table(items):
                return Table(tuple((k, self._resolved(v, known, depth)) for k, v in items))
        return value


# -- parameters ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter of a constructor, or a field of a dataclass."""

    name: str
    index: int | None
    """Its position in a call; None if it has to be named."""
    default: ast.expr | None
    annotation: ast.expr | None
    book: Book
    scope: Scope

    def by_default(self, project: Project) -> Value:
        """What it is if nobody says it, or that it is data; else unknown."""
        value = self.left_out(project)
        if value not in (NONE, None) and not isinstance(value, Opaque):
            return value
        if says_data(self.annotation):
            return DATA
        named = project.names.annotation(self.book, self.scope, self.annotation)
        if isinstance(named, ClassDefinition):
            facts = project.class_facts(named)
            return DATA if facts.ancestry.known and not facts.is_module else UNKNOWN
        return UNKNOWN

    def left_out(self, project: Project) -> Value | None:
        """What it is where it is not given; None where it has to be."""
        if self.default is None:
            return None
        return project.names.expression(self.book, self.scope, self.default)

    def annotated(self, project: Project) -> Value:
        """What its annotation says."""
        named = project.names.annotation(self.book, self.scope, self.annotation)
        return project.instance_of(named) or UNKNOWN

    def filled(self, project: Project, args: Arguments | None) -> Value:
        """What it gets from a call; None: nobody knows from which."""
        given = None if args is None else args.get(self.name, self.index)
        if given is None and args is not None and not args.open:
            given = self.left_out(project)
        if given is not None:
            return given
        return DATA if traits_of(self.by_default(project)).plain else UNKNOWN


def slots_of(facts: ClassFacts) -> list[Slot]:
    """What objects of a class are built with."""
    found = facts.find_method("__init__")
    return _fields(facts) if found is None else list(_parameters(*found))


def _parameters(definition: ClassDefinition, function: Function) -> Iterator[Slot]:
    for index, p in function.as_called(bound=True):
        yield Slot(p.name, index, p.default, p.annotation, definition.book, function.outer)


def _fields(facts: ClassFacts) -> list[Slot]:
    """The fields of a dataclass, in order; none if the class has a constructor of its own."""
    if facts.find_method("__init__") is not None:
        return []
    found: dict[str, tuple[ClassDefinition, ast.AnnAssign]] = {}
    for definition in reversed(facts.ancestry.classes):
        if definition.outline.node.decorator_list:
            for name, node in definition.outline.fields.items():
                if "ClassVar" not in ast.unparse(node.annotation):
                    found[name] = (definition, node)
    return [
        Slot(name, index, node.value, node.annotation, of.book, of.outline.scope)
        for index, (name, (of, node)) in enumerate(found.items())
    ]


def _bound(
    project: Project, definition: ClassDefinition, function: Function, args: Arguments | None
) -> Known:
    """What the parameters of a method get from a call."""
    slots = list(_parameters(definition, function))
    known = dict(_filled(project, slots, args))
    if args is not None and not args.open:
        taken = sum(slot.index is not None for slot in slots)
        rest = tuple(named for named in args.keywords if named[0] not in known)
        for parameter in function.parameters:
            if parameter.kind == "var-positional":
                known[parameter.name] = Items(args.positional[taken:], ordered=True)
            elif parameter.kind == "var-keyword":
                known[parameter.name] = Table(rest)
    return known


def _filled(
    project: Project, slots: Iterable[Slot], args: Arguments | None
) -> Iterator[tuple[str, Value]]:
    for slot in slots:
        yield slot.name, slot.filled(project, args)


def _is_of_class(function: Function) -> bool:
    return not decorator_names(function).isdisjoint({"classmethod", "staticmethod"})


def _frozen(values: Known) -> frozenset[tuple[str, Value]]:
    return frozenset(values.items())


# -- conditions ----------------------------------------------------------------------------------


class _Truth:
    """Which conditions hold in a method, as far as its parameters say it."""

    def __init__(self, known: Known, function: Function, built: Built) -> None:
        self._function = function
        self._built = built
        bound = function.scope.bindings
        self._known = {n: v for n, v in known.items() if len(bound.get(n, ())) == 1}
        self._me = function.parameters[0].name if function.parameters else ""

    def of_guards(self, guards: Guards | None) -> bool | None:
        """Whether code under ``guards`` runs; None if that is not known."""
        every: bool | None = True
        for guard in each_guard(guards):
            if guard.excused:
                continue
            holds = None if guard.test is None else self.of(guard.test)
            if holds is not None and holds != guard.holds:
                return False
            every = every if holds is not None else None
        return every

    def of(self, test: code.Expression) -> bool | None:
        """Whether a test comes out true."""
        match test:
            case code.Not(operand):
                truth = self.of(operand)
                return None if truth is None else not truth
            case code.Either(operator, operands):
                decides = operator == "or"
                found = [self.of(operand) for operand in operands]
                if decides in found:
                    return decides
                return None if None in found else not decides
            case code.Compare(left, ((operator, right),)):
                return _compared(operator, self._value(left), self._value(right))
        value = self._value(test)
        return bool(value.value) if isinstance(value, Constant) else None

    def chosen(self, value: Value, source: code.Expression | None, chapter: Chapter) -> Value:
        """Of what may be assigned, that which the conditions in the expression leave."""
        while isinstance(source, code.IfElse):
            truth = self.of(source.test)
            if truth is None:
                break
            source = source.body if truth else source.orelse
            if source == code.Constant(None):
                return NONE
            if isinstance(source, code.Call):
                made = [o for o in options(value) if _made_in(o, chapter) == source.at]
                return choose(*made) if made else value
        left = [o for o in options(value) if self._may_be(o, chapter)]
        return choose(*left) if left else value

    def _may_be(self, value: Value, chapter: Chapter) -> bool:
        """Whether an object can have been made, if that was in this method."""
        if not isinstance(value, Instance) or value.made is None:
            return True
        here = value.made.anchor.chapter is chapter
        return not here or self.of_guards(value.made.guards) is not False

    def _value(self, node: code.Expression) -> Value | None:
        match node:
            case code.Constant(constant):
                return Constant(constant)
            case code.Name(name):
                return self._known.get(name)
            case code.Attribute(code.Name(self._me), name):
                held = self._built.held.get(name, ())
                return held[0].value if len(held) == 1 and held[0].sure else None
            case code.Display(elements):
                values = [self._value(element) for element in elements]
                known = [value for value in values if value is not None]
                return Items(tuple(known)) if len(known) == len(values) else None
        return None


def _made_in(value: Value, chapter: Chapter) -> code.At | None:
    if isinstance(value, Instance) and value.made is not None:
        anchor = value.made.anchor
        return anchor.at if anchor.chapter is chapter else None
    return None


_SOMETHING = (Instance, ClassDefinition, FunctionDefinition, Symbol, Items, Table, Partial, Rngs)
"""What is not None."""


def _compared(operator: str, left: Value | None, right: Value | None) -> bool | None:
    match operator, left, right:
        case "Is" | "Equal", Constant(a), Constant(b):
            return bool(a == b)
        case "IsNot" | "NotEqual", Constant(a), Constant(b):
            return bool(a != b)
        case "Is" | "IsNot", value, Constant(None) if isinstance(value, _SOMETHING):
            return operator == "IsNot"
        case _, Constant(int() | float() as a), Constant(int() | float() as b):
            orders = {"GreaterThan": a > b, "LessThan": a < b}
            return (orders | {"GreaterThanEqual": a >= b, "LessThanEqual": a <= b}).get(operator)
        case "In" | "NotIn", Constant(a), Items(elements) if elements:
            if all(isinstance(element, Constant) for element in elements):
                return (Constant(a) in elements) == (operator == "In")
    return None
