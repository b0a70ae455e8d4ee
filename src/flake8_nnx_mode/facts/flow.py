"""Runs a function on abstract values, path by path, and writes down what it does.

Every construct is a generator that yields the code it wants the value of, and ``Flow.run`` keeps
them on a stack of its own: nesting costs memory, never Python's recursion limit.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.containers import (
    anew,
    as_key,
    changed,
    element,
    item,
    joined,
    new_number,
    unpack,
    with_element,
)
from flake8_nnx_mode.facts.events import (
    AttributeRead,
    AttributeWrite,
    Consumption,
    FlagPassed,
    FreeName,
    FunctionFacts,
    JitCall,
    LocalRun,
    ModeMethodTested,
    ModeSet,
    ModuleCall,
    Reuse,
    StreamTest,
    Uncalled,
)
from flake8_nnx_mode.facts.names import Names
from flake8_nnx_mode.facts.values import (
    NO_NAMES,
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    Draw,
    Flag,
    FunctionDefinition,
    Given,
    Guard,
    Guards,
    Instance,
    Items,
    Key,
    LocalFunction,
    Making,
    Method,
    ModuleFile,
    ModuleLevelCall,
    Opaque,
    Partial,
    Rngs,
    SelfObject,
    Stream,
    Symbol,
    Table,
    Traits,
    Value,
    bounded,
    choose,
    each_guard,
    makings,
    mixed,
    options,
    present,
    traits_of,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book
from flake8_nnx_mode.syntax.chapter import Chapter
from flake8_nnx_mode.syntax.outline import Class, Function, Imported

Step = Generator[object, "Value | bool", "Value | bool"]

_KEY_NAME = re.compile(r"(?:^|_)(?:key|rng|prng)$")
_KEYISH = re.compile(r"key|rng|seed")
_UNVARYING = Opaque(Traits(varies=False))
_CALLABLES = (Instance, Items, Table, Method, LocalFunction)
_EXCUSED = Guard(excused=True)
_EXPECTS_ERRORS = frozenset({"raises", "assertRaises", "assertRaisesRegex", "suppress"})
_MISTAKES = frozenset({"TypeError", "AttributeError", "NameError"})
_CHANGES_CONTAINER = frozenset("reverse sort pop remove clear update setdefault popitem".split())
_CHANGES_STATE = frozenset({"set_value", "copy_from", "replace", "update"})
_MODE_SETTERS = frozenset({"train", "eval", "set_attributes"})
_WRAPS_FUNCTION = frozenset({"jax.vmap", "jax.jit", "jax.checkpoint", "flax.nnx.vmap"})
_WITHOUT_EFFECT = frozenset({"jax.lax.stop_gradient", "jax.eval_shape", "flax.nnx.eval_shape"})
_JITS = frozenset({"jax.jit", "flax.nnx.jit"})
_NO_NUMBERS = frozenset({"shape", "dtype", "size", "ndim"})
_KEEPS_VALUE = frozenset(
    {"flax.nnx.data", "flax.nnx.static", "builtins.bool", "builtins.list", "builtins.tuple"}
    | {"flax.nnx.List"}
)


@dataclass(slots=True)
class _Path:
    """What is true on the way that led here."""

    variables: dict[str, Value]
    attributes: dict[str, Value]
    """Of self, as far as this function wrote them."""
    consumed: dict[object, Consumption]
    """By number: the keys that were consumed, and where first."""


@dataclass(slots=True)
class _Mentioned:
    """What the test that is being evaluated has mentioned so far, as ``Guard`` keeps it."""

    flags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    optional: bool = False
    shape: bool = False

    def add(self, other: "_Mentioned") -> None:
        self.flags |= other.flags
        self.attributes |= other.attributes
        self.strings |= other.strings
        self.optional |= other.optional
        self.shape |= other.shape


class World(Protocol):
    """What a function's body is read against."""

    def attribute(self, name: str) -> Value | None:
        """What ``self.name`` holds when the method is called; None if nothing is known of it."""

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


class Flow:
    """One run over one function."""

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
        self._variables: dict[str, Value] = dict(parameters)
        self._attributes: dict[str, Value] = {}
        self._guards: Guards | None = None
        self._flags = self.facts.flags
        self._mode_set = False
        self._nested = 0
        self._runs: dict[int, LocalRun] = {}
        self._locals: dict[int, code.DefineFunction | code.Lambda] = {}
        self._tests: list[_Mentioned] = []
        self._consumed: dict[object, Consumption] = {}
        self._discarded: set[code.At] = set()
        self._certain = True
        self._source: code.Expression | None = None
        self._assigned: tuple[code.At, str, Anchor] | None = None

    # -- the engine ------------------------------------------------------------------------

    def run(self) -> FunctionFacts:
        """Run the body once."""
        value: Value | bool = UNKNOWN
        stack: list[Step] = [self._block(self._chapter.function.body)]
        started = False
        while stack:
            try:
                wanted = stack[-1].send(value) if started else next(stack[-1])
            except StopIteration as done:
                stack.pop()
                value, started = done.value, True
                if not isinstance(value, bool):
                    value = bounded(value)
                continue
            leaf = _LEAVES.get(type(wanted))
            if leaf is not None:
                value, started = leaf(self, wanted), True
            else:
                stack.append(_STEPS[type(wanted)](self, wanted))
                started = False
        return self.facts

    def _anchor(self, at: code.At) -> Anchor:
        return Anchor(self._chapter, at)

    # -- statements: each returns whether what follows it is never reached ------------------

    def _block(self, block: code.Block) -> Step:
        for statement in block.statements:
            done = yield statement
            if done is True:
                return True
        return False

    def _evaluate(self, statement: code.Evaluate) -> Step:
        self._discard(statement.value)
        guard, _ = yield from self._test(statement.value)
        if guard.flags and isinstance(statement.value, code.Call):
            # `self.apply_mode(train)`, `set_mode(self, train)`: not called for its result.
            self._mode_set = True
        return False

    def _discard(self, node: code.Expression) -> None:
        """Note that nothing is done with what the calls in ``node`` return."""
        pending = [node]
        while pending:
            match pending.pop():
                case code.Call(at=at):
                    self._discarded.add(at)
                case code.IfElse(_, body, orelse):
                    pending += (body, orelse)
                case code.Either(operands=operands):
                    pending.append(operands[-1])
                case code.Comprehension(element=element):
                    pending.append(element)

    def _assert(self, statement: code.Assert) -> Step:
        guard, test = yield from self._truth(statement.test)
        if not isinstance(test, Flag):  # `assert isinstance(train, bool)` is no test of the mode
            guard = replace(guard, flags=NO_NAMES)
        self._guards = Guards(guard, self._guards)
        return False

    def _outer(self, statement: code.Outer) -> Step:
        self._variables.update(dict.fromkeys(statement.names, UNKNOWN))
        return False
        yield

    def _leave(self, statement: code.Leave) -> Step:
        for expression in statement.values:
            value = _value((yield expression))
            yield from self._enter(value)
            if statement.kind == "return" and not self._nested:
                self.facts.returns.append(value)
        return True

    def _assign(self, statement: code.Assign) -> Step:
        if len(statement.targets) == 1 and isinstance(statement.targets[0], code.Name):
            place = self._anchor(statement.at)
            self._assigned = (statement.value.at, statement.targets[0].id, place)
        value = _value((yield statement.value))
        if statement.annotation is not None and isinstance(value, Opaque | Given):
            value = self._world.instance(_value((yield statement.annotation))) or value
        self._source = statement.value
        for target in statement.targets:
            if isinstance(target, code.Display):
                self._source = None
            yield from self._store(target, value)
        self._source = None
        return False

    def _augment(self, statement: code.Augment) -> Step:
        added = _value((yield statement.value))
        held = _value((yield statement.target))
        yield from self._store(statement.target, joined(held, added) or mixed(held, added))
        return False

    def _delete(self, statement: code.Delete) -> Step:
        for target in statement.targets:
            if isinstance(target, code.Subscript):
                held = _value((yield target.value))
                if isinstance(held, Items | Table):
                    self._replace(target.value, changed(held, by="pop"))
            if isinstance(target, code.Name):
                if isinstance(self._variables.get(target.id), Flag):
                    self.facts.flags_deleted.add(target.id)
                self._variables[target.id] = UNKNOWN
        return False

    def _import(self, statement: code.Import) -> Step:
        imported = Imported(statement.module, statement.attribute, statement.level)
        self._variables[statement.name] = self._names.imported(self._book, imported)
        return False
        yield  # a generator, as all of them

    def _if(self, statement: code.If) -> Step:
        guard, _ = yield from self._truth(statement.test)
        before = self._fork()
        outer = self._guards
        self._guards = Guards(guard, outer)
        left = yield statement.body
        after_body, body_guards = self._fork(), self._guards
        self._restore(before)
        self._guards = Guards(guard.otherwise, outer)
        right: Value | bool = False
        if statement.orelse is not None:
            right = yield statement.orelse
        if left is True and right is True:
            return True
        # Where only one way leads on, the rest of the block stands under its guards too.
        if right is True:
            self._restore(after_body)
            self._guards = body_guards
        elif left is not True:
            self._join(after_body, guard.flags)
            both = _flags_above(body_guards, outer) & _flags_above(self._guards, outer)
            self._guards = Guards(Guard(both), outer) if both - guard.flags else outer
        return False

    def _for(self, statement: code.For) -> Step:
        iterable = _value((yield statement.iterable))
        outer = self._guards
        before = self._fork()
        flags = traits_of(iterable).flags
        if flags:  # `for _ in range(int(train))`
            self._guards = Guards(Guard(flags), outer)
        start, first = new_number(), len(self.facts.consumptions)
        yield from self._store(statement.target, element(iterable))
        inside = self._guards
        left = yield statement.body
        self._guards = outer
        if left is not True:
            self._find_reuses_in_loop(start, first, inside)
        self._join(before)
        if statement.orelse is not None:
            yield statement.orelse
            self._guards = outer
        return False

    def _while(self, statement: code.While) -> Step:
        guard, _ = yield from self._truth(statement.test)
        outer = self._guards
        before = self._fork()
        self._guards = Guards(guard, outer)
        start, first = new_number(), len(self.facts.consumptions)
        inside = self._guards
        left = yield statement.body
        self._guards = outer
        if left is not True:
            self._find_reuses_in_loop(start, first, inside)
        self._join(before)
        if statement.orelse is not None:
            yield statement.orelse
            self._guards = outer
        return False

    def _try(self, statement: code.Try) -> Step:
        before, outer = self._fork(), self._guards
        if any(_catches_mistakes(handler.type) for handler in statement.handlers):
            self._guards = Guards(_EXCUSED, outer)
        left = yield statement.body
        if statement.handlers:
            self._guards = outer
        if left is not True and statement.orelse is not None:
            left = yield statement.orelse
        after = None if left is True else self._fork()
        for handler in statement.handlers:
            self._restore(before)
            if handler.type is not None:
                yield handler.type
            if handler.name is not None:
                self._variables[handler.name] = UNKNOWN
            if _catches_mistakes(handler.type):  # its body is the second attempt
                self._guards = Guards(_EXCUSED, outer)
            left = yield handler.body
            if left is not True:
                if after is not None:
                    self._join(after)
                after = self._fork()
            self._guards = outer
        self._restore(before if after is None else after)
        if statement.final is not None:
            left = yield statement.final
            if left is True:
                return True
        return after is None

    def _with(self, statement: code.With) -> Step:
        outer = self._guards
        for manager, target in statement.items:
            guard, value = yield from self._test(manager)
            if target is not None:
                yield from self._store(target, mixed(value))
            if isinstance(manager, code.Call) and _last_name(manager.func) in _EXPECTS_ERRORS:
                self._guards = Guards(_EXCUSED, self._guards)
            if guard.flags:  # `with self.mode(train):`
                self._guards = Guards(Guard(guard.flags), self._guards)
        inside = self._guards
        left = yield statement.body
        if inside is not outer:
            self._guards = outer
        return left

    def _match(self, statement: code.Match) -> Step:
        guard, _ = yield from self._test(statement.subject)
        outer = self._guards
        before = self._fork()
        after = before
        for case in statement.cases:
            self._restore(before)
            self._guards = Guards(guard, outer)
            for name in case.captures:
                self._variables[name] = UNKNOWN
            if case.guard is not None:
                guard, _ = yield from self._truth(case.guard)
                self._guards = Guards(guard, self._guards)
            left = yield case.body
            if left is not True:
                self._join(after)
                after = self._fork()
        self._restore(after)
        self._guards = outer
        return False

    def _define(self, statement: code.DefineFunction) -> Step:
        jits: list[tuple[str, Arguments]] = []
        for expression in statement.decorators:
            jits += _as_jit(_value((yield expression)))
        for expression in statement.defaults:
            yield expression
        for node in code.walk(statement.body):
            if isinstance(node, code.Outer):  # it may rebind them whenever it is called
                self._variables.update(dict.fromkeys(node.names, UNKNOWN))
        local = self._local(statement)
        self._variables[statement.name] = local
        for by, args in jits:
            place = self._anchor(statement.at)
            self.facts.jits.append(JitCall(self._runs[local.number], by, args, place))
            yield from self._enter(local)  # who compiles it means to call it
        return False

    def _local(self, node: code.DefineFunction | code.Lambda) -> LocalFunction:
        local = LocalFunction(new_number())
        names = tuple(name for name, _ in node.parameters)
        self._runs[local.number] = LocalRun(names, len(names) - len(node.defaults))
        self._locals[local.number] = node
        return local

    def _enter(self, *values: Value) -> Generator[object, "Value | bool", None]:
        """Run the local functions among ``values``.

        That is where one is first called, passed on or returned: there it is known under which
        conditions it runs.
        """
        for value in values:
            for option in options(value):
                if isinstance(option, LocalFunction):
                    # Each once; one that was kept on self by another method is not ours.
                    node = self._locals.pop(option.number, None)
                    if node is not None:
                        run = self._runs[option.number]
                        yield from self._inner(node.parameters, node.body, run)

    def _define_class(self, statement: code.DefineClass) -> Step:
        bindings = self._function.scope.bindings.get(statement.name, [])
        match bindings:
            case [Class() as only]:
                self._variables[statement.name] = ClassDefinition(self._book, only)
            case _:
                self._variables[statement.name] = UNKNOWN
        return False
        yield

    def _inner(
        self,
        parameters: Iterable[tuple[str, code.Expression | None]],
        body: object,
        run: LocalRun,
    ) -> Step:
        """The body of a nested function, run on unknown arguments."""
        before, flags, outer, mode_set = self._fork(), self._flags, self._guards, self._mode_set
        names = [name for name, _ in parameters]
        own = tuple(name for name in names if name in self._mode_flags)
        self._flags = own or tuple(name for name in flags if name not in names)
        values: dict[str, Value] = {name: Flag(name) for name in own}
        values |= {n: Key("given", number=new_number()) for n in names if _KEY_NAME.search(n)}
        for name, annotation in parameters:
            if annotation is not None and name not in own:
                known = self._world.instance(_value((yield annotation)))
                if known is not None:
                    values[name] = known
        own_names = (*names, *code.bound_names(body))
        self._variables.update(dict.fromkeys(own_names, UNKNOWN) | values)
        self._consumed = {}
        noted_before = [set(noted) for noted in self._flags_noted()]
        calls, consumptions = len(self.facts.calls), len(self.facts.consumptions)
        self._nested += 1
        result = yield body
        self._nested -= 1
        run.flags, run.flags_tested = own, frozenset(self.facts.flags_tested.intersection(own))
        run.calls = self.facts.calls[calls:]
        run.consumptions = self.facts.consumptions[consumptions:]
        self._restore(before)
        self._flags, self._guards, self._mode_set = flags, outer, mode_set
        for noted, earlier in zip(self._flags_noted(), noted_before, strict=True):
            noted -= set(own) - earlier  # what it does with flags of its own
        return result

    def _flags_noted(self) -> tuple[set[str], ...]:
        return self.facts.flags_read, self.facts.flags_tested, self.facts.flags_deleted

    # -- paths -----------------------------------------------------------------------------

    def _fork(self) -> _Path:
        return _Path(dict(self._variables), dict(self._attributes), dict(self._consumed))

    def _restore(self, path: _Path) -> None:
        self._variables, self._attributes = dict(path.variables), dict(path.attributes)
        self._consumed = dict(path.consumed)

    def _join(self, path: _Path, flags: frozenset[str] = NO_NAMES) -> None:
        """Go on with what is true on either path; ``flags`` decided which one was taken."""
        self._consumed = path.consumed | self._consumed
        for name, value in path.variables.items():
            mine = self._variables.get(name, value)
            if mine is not value:
                either = choose(value, mine)
                if flags and any(isinstance(side, _CALLABLES) for side in options(either)):
                    either = Opaque(Traits(flags=flags))  # told by being chosen
                self._variables[name] = either
        for name in path.attributes.keys() | self._attributes.keys():
            sides = (path.attributes.get(name), self._attributes.get(name))
            known = [side for side in sides if side is not None]
            if len(known) == 1 and self._forward:
                known.append(self._kept(name))
            self._attributes[name] = choose(*known)

    def _test(
        self, test: code.Expression
    ) -> Generator[object, "Value | bool", tuple[Guard, Value]]:
        self._tests.append(_Mentioned())
        value = _value((yield test))
        mentioned = self._tests.pop()
        if self._tests:
            self._tests[-1].add(mentioned)
        mode: Literal["train", "eval"] | None = None
        if isinstance(value, Flag):
            mode = "train" if self._mode_flags[value.name] != value.negated else "eval"
        guard = Guard(
            frozenset(mentioned.flags),
            frozenset(mentioned.attributes),
            frozenset(mentioned.strings),
            mentioned.optional,
            mentioned.shape,
            mode=mode,
        )
        return guard, value

    def _truth(
        self, test: code.Expression
    ) -> Generator[object, "Value | bool", tuple[Guard, Value]]:
        """``_test``, where Python asks whether the result is true."""
        guard, value = yield from self._test(test)
        self._asked(value, test)
        if _is_about_key(value, test):
            guard = replace(guard, optional=True)
        return guard, value

    def _asked(self, value: Value, node: code.Expression) -> None:
        """Note what is asked whether it is true."""
        match value:
            case Flag(name):
                self.facts.flags_tested.add(name)
            case Method(receiver, ("train" | "eval") as name):
                tested = ModeMethodTested(receiver, name, self._anchor(node.at))
                self.facts.mode_methods_tested.append(tested)

    # -- storing ---------------------------------------------------------------------------

    def _store(self, target: object, value: Value) -> Generator[object, "Value | bool", None]:
        pending = [(target, value)]
        while pending:
            target, value = pending.pop()
            match target:
                case code.Name(name):
                    flag = value if name == "_" else self._variables.get(name)
                    if isinstance(flag, Flag) and (
                        name == "_" or flag.name not in traits_of(value).flags
                    ):
                        self.facts.flags_deleted.add(flag.name)  # `_ = train`, `train = None`
                    self._variables[name] = value
                case code.Starred(inner):
                    pending.append((inner, value))
                case code.Display(targets):
                    pending.extend(zip(targets, unpack(value, targets), strict=True))
                case code.Attribute(code.Name() as owner, name) if (
                    self._variables.get(owner.id) == SelfObject()
                ):
                    yield from self._enter(value)
                    self._write(name, value, target.at, whole=True)
                case code.Attribute(inner) | code.Subscript(inner):
                    if isinstance(target, code.Subscript):
                        yield target.index
                    yield from self._store_inside(target, inner, value)

    def _store_inside(
        self, target: code.Expression, owner: code.Expression, value: Value
    ) -> Generator[object, "Value | bool", None]:
        """``owner.attr = value`` or ``owner[index] = value``."""
        held = _value((yield owner))
        root, name = owner, None
        while isinstance(root, code.Attribute | code.Subscript):
            name = root.name if isinstance(root, code.Attribute) else name
            root = root.value
        if isinstance(root, code.Name) and self._variables.get(root.id) == SelfObject() and name:
            self._write(name, value, target.at, whole=False)
            if isinstance(target, code.Attribute) and target.name in self._mode_flags:
                self.facts.modes_set.add(name)
        self.facts.initialised |= traits_of(value).draws
        if traits_of(value).flags:  # `self.drop.deterministic = not train`
            self._mode_set = True
        if isinstance(held, Items | Table):
            self._replace(owner, with_element(held, value))

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

    def _write(self, name: str, value: Value, at: code.At, *, whole: bool) -> None:
        self.facts.writes.append(AttributeWrite(name, value, whole, self._anchor(at), self._source))
        self.facts.kept |= makings(value)
        self.facts.initialised |= traits_of(value).draws
        if traits_of(value).flags:
            self._mode_set = True
        if whole:
            self._attributes[name] = value

    # -- expressions -----------------------------------------------------------------------

    def _constant(self, node: code.Constant) -> Value:
        if self._tests and isinstance(node.value, str):
            self._tests[-1].strings.add(node.value)
        return Constant(node.value)

    def _name(self, node: code.Name) -> Value:
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
        return UNKNOWN if value is None else value

    def _seen(self, value: Value) -> Value:
        flags = traits_of(value).flags
        if flags:
            self.facts.flags_read |= flags
            if self._tests:
                self._tests[-1].flags.update(flags)
        return value

    def _attribute(self, node: code.Attribute) -> Step:
        owner = _value((yield node.value))
        there = present(owner) or (owner,)
        return choose(*(self._member(option, node) for option in there))

    def _member(self, owner: Value, node: code.Attribute) -> Value:
        name = node.name
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
            case Instance(ClassDefinition() as of):
                held = self._world.attribute_of(of, name)
                return Method(owner, name) if held is None else held
            case Instance() | Items() | Table():
                return Method(owner, name)
            case Symbol() | ClassDefinition() | ModuleFile():
                return self._names.member(owner, name) or UNKNOWN
            case Opaque(traits) if name in _NO_NUMBERS:
                if self._tests:
                    self._tests[-1].shape = True
                return Opaque(replace(traits, draws=frozenset()))
            case _:
                return mixed(owner)

    def _self_attribute(self, node: code.Attribute) -> Value:
        name = node.name
        self.facts.reads.append(AttributeRead(name, self._anchor(node.at), self._guards))
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

    def _subscript(self, node: code.Subscript) -> Step:
        owner = _value((yield node.value))
        index = _value((yield node.index))
        is_slice = isinstance(node.index, code.Operation) and node.index.operator == "Slice"
        return choose(*(item(option, index, is_slice=is_slice) for option in options(owner)))

    def _call(self, node: code.Call) -> Step:
        func = _value((yield node.func))
        outer = self._guards
        positional: list[Value] = []
        keywords: list[tuple[str, Value]] = []
        open_ = False
        if isinstance(func, Symbol) and func.name in _WITHOUT_EFFECT:
            self._guards = Guards(_EXCUSED, outer)
        for argument in node.args:
            value = _value((yield argument.value))
            if argument.star:
                open_ = True
                # What is passed on unseen still counts as passed on.
                keywords.append(("*", mixed(value)))
            elif argument.keyword is not None:
                keywords.append((argument.keyword, value))
                if argument.keyword in self._mode_flags:
                    self._pass_mode(argument, value)
            else:
                positional.append(value)
            flags = traits_of(value).flags
            if flags:  # `jnp.where(train, self.drop(x), x)`, `nnx.cond(train, noisy, plain, x)`
                self._guards = Guards(Guard(flags), self._guards)
        args = Arguments(tuple(positional), tuple(keywords), open_)
        yield from self._enter(func, *args.all())
        self._guards = outer
        return self._apply(func, args, node)

    def _pass_mode(self, argument: code.Argument, value: Value) -> None:
        assert argument.keyword is not None
        if isinstance(value, Flag):
            place = self._anchor(argument.at)
            passed = FlagPassed(argument.keyword, value, place, argument.value)
            self.facts.flags_passed.append(passed)
        elif isinstance(value, Method):
            self._asked(value, argument.value)

    def _apply(self, func: Value, args: Arguments, node: code.Call) -> Value:
        self._certain = not any(isinstance(option, Opaque) for option in options(func))
        if isinstance(func, Choice) and any(isinstance(o, Instance) for o in func.options):
            return self._call_module(func, args, node)
        return choose(*(self._apply_one(option, args, node) for option in options(func)))

    def _apply_one(self, func: Value, args: Arguments, node: code.Call) -> Value:
        if isinstance(func, Partial):
            args = Arguments(
                func.args.positional + args.positional,
                func.args.keywords + args.keywords,
                func.args.open or args.open,
            )
            return self._apply_one(func.func, args, node)
        sampler = _sampler(func)
        if sampler is not None:
            key = args.get("key", 0)
            if key is not None:
                self._sample(key, sampler, node)
        else:
            for name, value in args.keywords:
                if name in flax_api.KEY_KEYWORDS:
                    self._consume_keyword(func, name, value, node)
        handed_on = (*args.all(), func.receiver) if isinstance(func, Method) else tuple(args.all())
        if handed_on and not _builds(func):
            self.facts.handed_on |= makings(Items(handed_on))
        match func:
            case Rngs() | Stream():
                return self._draw(func, node)
            case ClassDefinition():
                return Instance(func, _shallow(args), self._making(node))
            case Instance():
                return self._call_module(func, args, node)
            case Method(receiver, name):
                return self._call_method(receiver, name, args, node)
            case Symbol(name):
                return self._call_symbol(name, args, node)
            case FunctionDefinition():
                return anew(self._world.returned(func, args) or _result(args))
            case _:
                return _result(args, func)

    def _making(self, node: code.Call) -> Making:
        return Making(self._anchor(node.at), self._guards)

    def _draw(self, source: Rngs | Stream, node: code.Call) -> Key:
        stream, rngs = (source.name, source.of) if isinstance(source, Stream) else (None, source)
        if isinstance(source, Rngs):
            stream = "default"
        place, named = self._anchor(node.at), self._named(stream, node.func)
        draw = Draw(stream, place, self._forward, rngs, named, self._guards)
        self.facts.draws.append(draw)
        constant = rngs.origin == "constant"
        made = rngs.made if constant else None
        return Key("drawn", draw, varies=not constant, number=new_number(), made=made)

    def _named(self, stream: str | None, func: code.Expression) -> Anchor | None:
        """``rngs.stream()`` or ``rngs.stream.normal()``: the place of ``stream``."""
        for node in (func, func.value if isinstance(func, code.Attribute) else func):
            if isinstance(node, code.Attribute) and node.name == stream:
                return Anchor(self._chapter, node.at, "attr")
        return None

    def _sample(self, key: Value, sampler: str, node: code.Call) -> None:
        """``jax.random.normal(key, ...)``."""
        if isinstance(key, Rngs | Stream):
            self._uncalled(key, node)
        else:
            self._consume(key, sampler, node, _key_of(node))

    def _uncalled(self, key: Rngs | Stream, node: code.Call) -> None:
        self.facts.uncalled.append(Uncalled(key, self._anchor(_key_of(node).at)))

    def _consume_keyword(self, func: Value, name: str, value: Value, node: code.Call) -> None:
        """``layer(x, rngs=key)``: whatever is called, if it is a key that it gets."""
        is_child = isinstance(func, Instance) or (
            isinstance(func, Method) and isinstance(func.receiver, Instance | SelfObject)
        )
        given = next((a.value for a in node.args if a.keyword == name), node.func)
        if any(isinstance(option, Key) for option in options(value)):
            self._consume(value, name, node, given, builds=_builds(func))
        elif is_child and any(isinstance(o, Rngs) and o.made_here for o in options(value)):
            self._consume(value, name, node, given)

    def _consume(
        self,
        value: Value,
        by: str,
        node: code.Call,
        given: code.Expression,
        *,
        builds: bool = False,
    ) -> None:
        keys = tuple(as_key(option) for option in present(value))
        known = tuple(key for key in keys if key is not None)
        use = Consumption(
            known if len(known) == len(keys) else (),
            by,
            self._anchor(node.at),
            self._guards,
            self._anchor(given.at),
            given.id if isinstance(given, code.Name) else "",
            _last_name(node.func) or "",
            builds,
        )
        self.facts.consumptions.append(use)
        earlier = [self._consumed.get(key.number) for key in use.keys if key.number is not None]
        if earlier and all(
            before is not None and _one_path(before.guards, use.guards) for before in earlier
        ):
            self.facts.reuses.append(Reuse(use, in_loop=False))
        for key in use.keys:
            if key.number is not None:
                self._consumed.setdefault(key.number, use)

    def _find_reuses_in_loop(self, start: int, first: int, guards: Guards | None) -> None:
        """Find the keys that a loop's body consumed again and again.

        They are from before the loop, which began at number ``start``, at the end of its body the
        variable still holds them, and within the body, which stands under ``guards``, nothing but
        the mode decides about it.
        """
        for use in self.facts.consumptions[first:]:
            held = self._variables.get(use.holder) if use.holder else None
            key = None if held is None else as_key(held)
            if (
                key is not None
                and len(use.keys) == 1
                and use.keys[0].number == key.number is not None
                and (not isinstance(key.number, int) or key.number < start)
                and all(g.flags for g in _between(use.guards, guards))
            ):
                self.facts.reuses.append(Reuse(use, in_loop=True))

    def _call_module(self, child: Value, args: Arguments, node: code.Call) -> Value:
        self.facts.calls.append(
            ModuleCall(
                child,
                _label(node.func),
                args,
                node,
                self._flags,
                self._anchor(node.at),
                self._guards,
                self._mode_set,
            )
        )
        return UNKNOWN

    def _call_method(self, receiver: Value, name: str, args: Arguments, node: code.Call) -> Value:
        if name in _CHANGES_STATE:
            self.facts.initialised |= mixed(*args.all()).traits.draws
        match receiver:
            case SelfObject() | Instance() if name in _MODE_SETTERS:
                self._mode_set = True
                self.facts.modes_set.add(_attribute_of_self(node.func) or "*")
                if name != "set_attributes":
                    self._set_mode(receiver, name, node)
                return NONE
            case SelfObject():
                return anew(self._world.returned_by_method(name, args) or _result(args))
            case Rngs() | Stream():
                if name in ("fork", "split", "broadcast"):
                    if name == "fork" and isinstance(receiver, Rngs):
                        return Rngs("forked", receiver.sure, receiver.parameter)
                    return receiver
                key = self._draw(receiver, node)
                self._consume(key, name, node, node.func)
                return mixed(key, *args.all())
            case Boxed(_, inner) if name in ("get_value", "copy"):
                return inner
            case Boxed() if isinstance(node.func, code.Attribute) and name == "set_value":
                root = node.func.value
                if isinstance(root, code.Attribute):
                    self._write(root.name, mixed(*args.all()), root.at, whole=False)
                return NONE
            case Items() if name in ("append", "extend", "insert") and args.positional:
                added = args.positional[-1]
                added = element(added) if name == "extend" else added
                if isinstance(node.func, code.Attribute):
                    self._replace(node.func.value, with_element(receiver, added))
                return NONE
            case Items() | Table() if name in _CHANGES_CONTAINER:
                if isinstance(node.func, code.Attribute):
                    self._replace(node.func.value, changed(receiver, by=name))
                return element(receiver) if name == "pop" else NONE
            case Table(items) if name in ("values", "items", "get", "copy"):
                values = tuple(value for _, value in items)
                if name == "values":
                    return Items(values)
                if name == "items":
                    pairs = (Items((_UNVARYING, value), ordered=True) for value in values)
                    return Items(tuple(pairs))
                return receiver if name == "copy" else choose(*values, *args.positional[1:])
            case _:
                return _result(args, receiver)

    def _set_mode(self, receiver: Value, name: str, node: code.Call) -> None:
        assigned = None
        label = _label(node.func).removesuffix(f".{name}")
        if self._assigned is not None and self._assigned[:2] == (node.at, label) and not node.args:
            assigned = self._assigned[2]
        # Another method may have changed an attribute of self, most likely in the same way.
        certain = self._certain or label.startswith("self.")
        used = certain and node.at not in self._discarded
        place = self._anchor(node.at)
        self.facts.modes_set_by_call.append(ModeSet(receiver, label, name, place, used, assigned))

    def _call_symbol(self, name: str, args: Arguments, node: code.Call) -> Value:
        first = args.positional[0] if args.positional else None
        short = name.rpartition(".")[2]
        if name in flax_api.VARIABLES:
            self.facts.initialised |= mixed(*args.all()).traits.draws
            return Boxed(name, UNKNOWN if first is None else first)
        if name in _KEEPS_VALUE:
            return Items(()) if first is None else first
        if name in ("builtins.reversed", "builtins.sorted"):
            return Items(first.elements) if isinstance(first, Items) else _result(args)
        if name == "flax.nnx.update":
            self.facts.initialised |= mixed(*args.all()).traits.draws
        if name in ("flax.nnx.Dict", "builtins.dict"):
            named = tuple((key, value) for key, value in args.keywords if key != "*")
            return Table((*(first.items if isinstance(first, Table) else ()), *named))
        if name in flax_api.LAYERS:
            return Instance(Symbol(name), args, self._making(node))
        if name == "flax.nnx.Rngs":
            varies = args.open or mixed(*args.all()).traits.varies
            return Rngs("made" if varies else "constant", made=self._making(node))
        if name in flax_api.KEY_MAKERS:
            varies = mixed(*args.all()).traits.varies
            return Key("constant", varies=varies, number=new_number(), made=self._making(node))
        if name.startswith("jax.random.") and short in flax_api.KEY_DERIVERS and first is not None:
            if isinstance(first, Rngs | Stream):
                self._uncalled(first, node)
                return UNKNOWN
            derived = choose(*(self._derive(option, args) for option in options(first)))
            if short == "clone":
                return derived  # made to be consumed again
            return Items((anew(derived),)) if short == "split" else anew(derived)
        if name in ("typing.cast", "typing_extensions.cast") and len(args.positional) == 2:
            return self._world.instance(args.positional[0]) or args.positional[1]
        if name in _JITS:
            if first is None:
                return Partial(Symbol(name), args)
            self._jit(name, first, args, node)
        if name in _WRAPS_FUNCTION and isinstance(first, Symbol):
            return first
        match short if name.startswith(("builtins.", "functools.")) else "":
            case "partial" if first is not None:
                rest = Arguments(args.positional[1:], args.keywords, args.open)
                return Partial(first, rest)
            case "enumerate" if first is not None:
                return Items((Items((_UNVARYING, element(first)), ordered=True),))
            case "zip":
                elements = tuple(element(value) for value in args.positional)
                return Items((Items(elements, ordered=True),))
            case "range" | "len":
                number = mixed(*args.all())
                return Items((number,)) if short == "range" else number
            case "getattr" if len(args.positional) >= 2:
                match args.positional[:2]:
                    case SelfObject(), Constant(str(attribute)):
                        return choose(self._kept(attribute), *args.positional[2:])
                    case owner, Constant(str(attribute)):
                        return self._member(owner, code.Attribute(node.func, attribute, node.at))
            case "iter" if first is not None:
                return first
            case "next" if first is not None:
                return element(first)
            case "setattr" if len(args.positional) == 3:
                self.facts.initialised |= traits_of(args.positional[2]).draws
                match args.positional[:2]:
                    case SelfObject(), Constant(str(attribute)):
                        self._write(attribute, mixed(args.positional[2]), node.at, whole=True)
            case "hasattr" if self._tests:
                names = (str(a.value) for a in args.positional if isinstance(a, Constant))
                self._tests[-1].optional |= any(map(_KEYISH.search, names))
            case "isinstance" if self._tests:
                self._tests[-1].strings.add("isinstance")
        if not name.startswith(("builtins.", "jax.", "flax.")):
            return mixed(_result(args), UNKNOWN)  # the time, a number from another generator
        return _result(args)

    def _jit(self, name: str, compiled: Value, args: Arguments, node: code.Call) -> None:
        function: Function | LocalRun | None = None
        if isinstance(compiled, FunctionDefinition):
            function = compiled.outline
        elif isinstance(compiled, LocalFunction):
            function = self._runs.get(compiled.number)
        if function is not None:
            self.facts.jits.append(JitCall(function, name, args, self._anchor(node.at)))

    def _derive(self, key: Value, args: Arguments) -> Value:
        """What ``split`` or ``fold_in`` make of a key and the rest of their arguments."""
        known = as_key(key)
        rest = mixed(*args.positional[1:], *(value for _, value in args.keywords)).traits
        if known is None:
            return mixed(key, *args.all())
        return replace(known, varies=known.varies or rest.varies, number=None)

    def _not(self, node: code.Not) -> Step:
        value = _value((yield node.operand))
        self._asked(value, node.operand)
        if isinstance(value, Flag):
            return Flag(value.name, not value.negated)
        return Constant(not value.value) if isinstance(value, Constant) else mixed(value)

    def _either(self, node: code.Either) -> Step:
        guard, left = yield from self._truth(node.operands[0])
        outer = self._guards
        self._guards = Guards(guard, outer)
        right = _value((yield node.operands[1]))
        if self._tests:
            self._asked(right, node.operands[1])
        self._guards = outer
        if node.operator == "or" and not isinstance(left, Opaque | Flag | Constant):
            return choose(*present(left), right)
        if isinstance(right, Key):
            return choose(right, UNKNOWN if isinstance(left, Opaque) else NONE)
        return mixed(left, right)

    def _if_else(self, node: code.IfElse) -> Step:
        guard, test = yield from self._truth(node.test)
        outer = self._guards
        self._guards = Guards(guard, outer)
        before = self._consumed
        self._consumed = dict(before)
        body = _value((yield node.body))
        after_body, self._consumed = self._consumed, dict(before)
        self._guards = Guards(guard.otherwise, outer)
        orelse = _value((yield node.orelse))
        self._consumed = after_body | self._consumed
        self._guards = outer
        sides = (*options(body), *options(orelse))
        modes = all(isinstance(s, Constant) or traits_of(s).flags for s in sides)
        if guard.flags and (modes or any(isinstance(s, _CALLABLES) for s in sides)):
            # `train if train is not None else False` still is what the flag says, and
            # `self.noisy if train else self.plain` is told by being chosen.
            return mixed(body, orelse, test)
        return choose(body, orelse)

    def _compare(self, node: code.Compare) -> Step:
        left = _value((yield node.left))
        rights = []
        for _, right in node.rights:
            rights.append(_value((yield right)))
        if NONE in rights and self._tests and _is_about_key(left, node.left):
            self._tests[-1].optional = True
        match left, rights:
            case Constant(str(stream)), [Rngs(sure=True)]:
                if self._tests:
                    self._tests[-1].optional = True
                self.facts.stream_tests.append(StreamTest(stream, self._anchor(node.at)))
        if isinstance(left, Flag) and len(rights) == 1 and isinstance(rights[0], Constant):
            operator, truth = node.rights[0][0], rights[0].value
            if operator in ("Is", "Equal") and isinstance(truth, bool):
                return left if truth else Flag(left.name, not left.negated)
        return mixed(left, *rights)

    def _display(self, node: code.Display) -> Step:
        elements: list[Value] = []
        ordered = True
        for part in node.elements:
            value = _value((yield part))
            if isinstance(part, code.Starred):
                ordered = False
                value = element(value)
            elements.append(value)
        return Items(tuple(elements), ordered)

    def _dict_display(self, node: code.DictDisplay) -> Step:
        items: list[tuple[object, Value]] = []
        for key, part in node.items:
            name = _value((yield key)) if key is not None else UNKNOWN
            value = _value((yield part))
            if key is None:
                items.extend(value.items if isinstance(value, Table) else [(None, mixed(value))])
            else:
                items.append((name.value if isinstance(name, Constant) else None, value))
        return Table(tuple(items))

    def _comprehension(self, node: code.Comprehension) -> Step:
        before, outer = dict(self._variables), self._guards
        before.update(
            (n.target.id, UNKNOWN)
            for n in code.walk(node)
            if isinstance(n, code.Walrus) and isinstance(n.target, code.Name)
        )
        start, first = new_number(), len(self.facts.consumptions)
        for clause in node.clauses:
            iterable = _value((yield clause.iterable))
            yield from self._store(clause.target, element(iterable))
            for test in clause.tests:
                guard, _ = yield from self._truth(test)
                self._guards = Guards(guard, self._guards)
        if node.key is not None:
            yield node.key
        made = _value((yield node.element))
        self._guards = outer
        self._find_reuses_in_loop(start, first, outer)
        self._variables = before
        return Table(((None, made),)) if node.key is not None else Items((made,))

    def _lambda(self, node: code.Lambda) -> Step:
        for default in node.defaults:
            yield default
        self._discard(node.body)
        return self._local(node)

    def _walrus(self, node: code.Walrus) -> Step:
        value = _value((yield node.value))
        yield from self._store(node.target, value)
        return value

    def _starred(self, node: code.Starred) -> Step:
        return (yield node.value)

    def _operation(self, node: code.Operation) -> Step:
        values = []
        for operand in node.operands:
            values.append(_value((yield operand)))
        match node.operator, values:
            case "Add", [left, right] if (total := joined(left, right)) is not None:
                return total
            case "Multiply", [Items(elements), _] | [_, Items(elements)]:
                return Items(elements)
        return mixed(*values)


_STEPS: dict[type, Callable[[Flow, Any], Step]] = {
    code.Block: Flow._block,
    code.Evaluate: Flow._evaluate,
    code.Assert: Flow._assert,
    code.Outer: Flow._outer,
    code.Leave: Flow._leave,
    code.Assign: Flow._assign,
    code.Augment: Flow._augment,
    code.Delete: Flow._delete,
    code.Import: Flow._import,
    code.If: Flow._if,
    code.For: Flow._for,
    code.While: Flow._while,
    code.Try: Flow._try,
    code.With: Flow._with,
    code.Match: Flow._match,
    code.DefineFunction: Flow._define,
    code.DefineClass: Flow._define_class,
    code.Attribute: Flow._attribute,
    code.Subscript: Flow._subscript,
    code.Call: Flow._call,
    code.Not: Flow._not,
    code.Either: Flow._either,
    code.IfElse: Flow._if_else,
    code.Compare: Flow._compare,
    code.Display: Flow._display,
    code.DictDisplay: Flow._dict_display,
    code.Comprehension: Flow._comprehension,
    code.Lambda: Flow._lambda,
    code.Walrus: Flow._walrus,
    code.Starred: Flow._starred,
    code.Operation: Flow._operation,
}
_LEAVES: dict[type, Callable[[Flow, Any], Value]] = {
    code.Constant: Flow._constant,
    code.Name: Flow._name,
}


def _value(result: Value | bool) -> Value:
    assert not isinstance(result, bool)
    return result


def _builds(func: Value) -> bool:
    """Whether a module is built by calling ``func``."""
    is_layer = isinstance(func, Symbol) and func.name in flax_api.LAYERS
    return is_layer or isinstance(func, ClassDefinition)


def _is_about_key(value: Value, node: code.Expression) -> bool:
    """Whether a key or an ``nnx.Rngs``, which may not be there, is what a test is about."""
    if any(isinstance(option, Rngs | Key) for option in options(value)):
        return True
    name = _last_name(node)
    unknown = isinstance(value, Given | Opaque | Choice)
    return unknown and name is not None and _KEYISH.search(name) is not None


def _key_of(node: code.Call) -> code.Expression:
    """The argument of a function of ``jax.random`` that is its key; the call, if it is bound."""
    by_name = (a.value for a in node.args if a.keyword == "key")
    first = (a.value for a in node.args[:1] if a.keyword is None)
    return next(by_name, next(first, node))


def _as_jit(decorator: Value) -> Iterator[tuple[str, Arguments]]:
    """The jit that a decorator is, with its arguments, if it is one."""
    match decorator:
        case Symbol(name) if name in _JITS:
            yield name, Arguments((), ())
        case Partial(Symbol(name), args) if name in _JITS:
            yield name, args


def _last_name(node: code.Expression) -> str | None:
    match node:
        case code.Name(name) | code.Attribute(_, name):
            return name
    return None


def _one_path(first: Guards | None, second: Guards | None) -> bool:
    """Whether one of two places stands under all guards of the other."""
    return _stands_under(first, second) or _stands_under(second, first)


def _stands_under(inner: Guards | None, outer: Guards | None) -> bool:
    while inner is not None and inner is not outer:
        inner = inner.outer
    return inner is outer


def _between(guards: Guards | None, outer: Guards | None) -> Iterator[Guard]:
    """The guards that stand further in than ``outer``."""
    while guards is not None and guards is not outer:
        yield guards.guard
        guards = guards.outer


def _flags_above(guards: Guards | None, outer: Guards | None) -> frozenset[str]:
    """The flags that guards test which stand further in than ``outer``."""
    return NO_NAMES.union(*(guard.flags for guard in _between(guards, outer)))


def _catches_mistakes(type_: code.Expression | None) -> bool:
    """Whether a handler is for the very errors that the mistakes we look for raise."""
    types = type_.elements if isinstance(type_, code.Display) else (type_,)
    return any(t is not None and _last_name(t) in _MISTAKES for t in types)


def _attribute_of_self(func: code.Expression) -> str | None:
    """``name`` in ``self.name.method``."""
    match func:
        case code.Attribute(code.Attribute(code.Name(), name), _):
            return name
    return None


def _label(node: code.Expression) -> str:
    """What the code calls it: ``self.blocks[...]``; empty if that takes more than names."""
    parts: list[str] = []
    while isinstance(node, code.Attribute | code.Subscript):
        parts.append(f".{node.name}" if isinstance(node, code.Attribute) else "[...]")
        node = node.value
    return "".join([node.id, *reversed(parts)]) if isinstance(node, code.Name) else ""


def _result(args: Arguments, *others: Value) -> Opaque:
    """What an unknown call returns: a mode if it was given nothing else, data otherwise."""
    given = (*others, *args.all())
    is_mode = all(
        isinstance(value, Constant | Flag | Symbol) or traits_of(value).flags for value in given
    )
    result = mixed(*given)
    return result if is_mode else Opaque(replace(result.traits, flags=frozenset()))


def _sampler(func: Value) -> str | None:
    if isinstance(func, Symbol) and func.name.startswith("jax.random."):
        name = func.name.removeprefix("jax.random.")
        return name if name in flax_api.SAMPLERS else None
    return None


def _shallow(args: Arguments) -> Arguments:
    """Arguments as an instance remembers them: what they were made with is not its concern."""
    return Arguments(
        tuple(map(_bare, args.positional)),
        tuple((name, _bare(value)) for name, value in args.keywords),
        args.open,
    )


def _bare(value: Value) -> Value:
    match value:
        case Instance(of):
            return Instance(of, None)
        case Items() | Table() | Choice() | Partial():
            return mixed(value)
    return value
