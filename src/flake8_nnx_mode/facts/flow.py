"""Runs a function on abstract values, path by path, and writes down what it does.

Every construct is a generator that yields the code it wants the value of, and ``Flow.run`` keeps
them on a stack of its own: nesting costs memory, never Python's recursion limit.
"""

import ast
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.calls import Calls, lifts
from flake8_nnx_mode.facts.containers import (
    changed,
    element,
    item,
    joined,
    new_number,
    unpack,
    with_element,
)
from flake8_nnx_mode.facts.events import (
    FlagPassed,
    FunctionFacts,
    JitCall,
    LocalRun,
    StreamTest,
)
from flake8_nnx_mode.facts.handling import last_name
from flake8_nnx_mode.facts.state import CALLABLES, NO_NUMBERS, Mentioned
from flake8_nnx_mode.facts.values import (
    ALTERED,
    ANY_MODULE,
    NEVER,
    NO_ARGUMENTS,
    NO_NAMES,
    NONE,
    UNKNOWN,
    Arguments,
    Choice,
    ClassDefinition,
    Constant,
    Flag,
    Given,
    GraphDef,
    Guard,
    Guards,
    Instance,
    Items,
    Key,
    LocalFunction,
    Method,
    Opaque,
    Partial,
    Rngs,
    SelfObject,
    Setting,
    Symbol,
    Table,
    Value,
    as_number,
    between,
    bounded,
    choose,
    each_guard,
    is_structural,
    makings,
    mixed,
    options,
    present,
    traits_of,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.outline import Class, Imported

Step = Generator[object, "Value | bool", "Value | bool"]

_ClassTests = dict[code.At, tuple[code.Expression, tuple[Value, ...]]]
"""What is tested by ``isinstance`` where, and the classes that are asked for."""
_DEEPEST_TEST = 20
_EXCUSED = Guard(excused=True)
_EXPECTS_ERRORS = frozenset({"raises", "assertRaises", "assertRaisesRegex", "suppress"})
_MISTAKES = frozenset({"TypeError", "AttributeError", "NameError", "ValueError"})
_BINDABLE = (Instance, Items, Table, Flag, GraphDef)
_LOOPS = frozenset(
    {"jax.tree.map", "jax.tree_util.tree_map", "jax.tree_map", "jax.lax.scan", "jax.lax.map"}
    | {"jax.lax.fori_loop", "jax.lax.while_loop", "flax.nnx.scan", "flax.nnx.fori_loop"}
)
"""What calls a function again and again."""
_GIVES_OPERAND = frozenset({"Add", "BitOr", "Await", "Slice", "Yield", "YieldFrom", "Starred"})
"""Operations whose result may be, or hold, one of their operands."""
_STOPS_GRADIENT = "jax.lax.stop_gradient"
_INITIALISES = flax_api.VARIABLES | {"jax.eval_shape", "flax.nnx.eval_shape"}


class Flow(Calls):
    """One run over one function."""

    def run(self) -> FunctionFacts:
        """Run the body once."""
        value: Value | bool = UNKNOWN
        stack: list[Step] = [self._whole(self._chapter.function.body)]
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

    def _whole(self, body: code.Block) -> Step:
        left = yield body
        self.facts.ends = left is not True or self._returns_nothing
        if self._function is self._book.script:
            self.facts.variables = self._variables
        self._guards = None
        yield from self._enter(*self._compiled)  # those that nobody called
        return True

    def _block(self, block: code.Block) -> Step:
        first = len(self.facts.consumptions)
        for statement in block.statements:
            done = yield statement
            if done is True:
                if not (isinstance(statement, code.Leave) and statement.kind == "continue"):
                    # What it consumed, no later round of a loop does again.
                    self._last.update(range(first, len(self.facts.consumptions)))
                return True
        return False

    def _evaluate(self, statement: code.Evaluate) -> Step:
        self._discard(statement.value)
        self._statements.update(node.at for node in _results_of(statement.value))
        guard, value = yield from self._test(statement.value)
        if guard.flags and isinstance(statement.value, code.Call):
            # `self.apply_mode(train)`, `set_mode(self, train)`: not called for its result.
            self._mode_set = True
        return value == NEVER

    def _discard(self, node: code.Expression) -> None:
        """Note that nothing is done with what the calls in ``node`` return."""
        pending = [node]
        while pending:
            for call in _results_of(pending.pop()):
                self._discarded.add(call.at)
                if last_name(call.func) in ("print", "any", "all"):
                    pending += (argument.value for argument in call.args)

    def _assert(self, statement: code.Assert) -> Step:
        guard, test = yield from self._truth(statement.test)
        if test == Constant(value=False):
            return True
        if self._thorough:
            return False  # who gets so far does so in any case
        if not isinstance(test, Flag):  # `assert isinstance(train, bool)` is no test of the mode
            guard = replace(guard, flags=NO_NAMES)
        self._guards = Guards(guard, self._guards)
        return False

    def _outer(self, statement: code.Outer) -> Step:
        self._variables.update(dict.fromkeys(statement.names, UNKNOWN))
        return False
        yield

    def _leave(self, statement: code.Leave) -> Step:
        returns = self._function.node.returns
        returns_none = isinstance(returns, ast.Constant) and returns.value is None
        for expression in statement.values:
            if returns_none:
                self._discard(expression)
            value = _value((yield expression))
            yield from self._enter(value)
            self.facts.handed_on |= makings(value)
            if statement.kind == "return":
                self._returned.append(value)
        if statement.kind == "return" and not statement.values:
            self._returned.append(NONE)
            self._returns_nothing = True
        return True

    def _assign(self, statement: code.Assign) -> Step:
        if len(statement.targets) == 1 and isinstance(statement.targets[0], code.Name):
            place = self._anchor(statement.at)
            self._assigned = (statement.value.at, statement.targets[0].id, place)
        outer = self._guards
        if any(_is_inside_attribute(target) for target in statement.targets):
            self._guards = Guards(_EXCUSED, outer)  # `self.kernel.value = ...` initialises
        value = _value((yield statement.value))
        self._guards = outer
        vague = isinstance(value, Opaque | Given) or value == ANY_MODULE
        if statement.annotation is not None and vague:
            value = self._world.instance(_value((yield statement.annotation))) or value
        self._source = statement.value
        if isinstance(statement.value, code.Call):
            for target in statement.targets:
                if isinstance(target, code.Name):
                    self._produced[target.id] = statement.value.at
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
            if isinstance(target, code.Attribute) and self._thorough:
                yield from self._store(target, NONE)
            elif isinstance(target, code.Attribute) and isinstance(target.value, code.Name):
                yield from self._store(target, UNKNOWN)
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
        classes = yield from self._classes_tested(statement.test)
        before = self._fork()
        outer = self._guards
        self._guards = Guards(guard, outer)
        self._narrow(statement.test, classes, holds=True)
        left = yield statement.body
        after_body, body_guards = self._fork(), self._guards
        self._restore(before)
        self._guards = Guards(guard.otherwise, outer)
        self._narrow(statement.test, classes, holds=False)
        right: Value | bool = False
        if statement.orelse is not None:
            right = yield statement.orelse
        if left is True and right is True:
            return True
        # Where only one way leads on, the rest of the block stands under its guards too.
        if right is True:
            self._restore(after_body)
            self._guards = body_guards
        if self._thorough and (_raises(statement.body) or _raises(statement.orelse)):
            self._guards = outer  # who gets so far does so in any case
        elif left is not True:
            self._join(after_body, guard.flags)
            both = _flags_above(body_guards, outer) & _flags_above(self._guards, outer)
            self._guards = Guards(Guard(both), outer) if both - guard.flags else outer
        return False

    def _for(self, statement: code.For) -> Step:
        iterable = _value((yield statement.iterable))
        flags = traits_of(iterable).flags  # `for _ in range(int(train))`
        guards = Guards(Guard(flags), self._guards) if flags else self._guards
        return (yield from self._loop(statement, guards, (statement.target, iterable)))

    def _while(self, statement: code.While) -> Step:
        guard, _ = yield from self._truth(statement.test)
        return (yield from self._loop(statement, Guards(guard, self._guards), None))

    def _loop(
        self,
        statement: code.For | code.While,
        inside: Guards | None,
        each: tuple[code.Expression, Value] | None,
    ) -> Step:
        """Run a body once; ``each`` is what a ``for`` assigns, and what it iterates over."""
        outer = self._guards
        before = self._fork()
        self._guards = inside
        start, first = new_number(), len(self.facts.consumptions)
        outer_loop, self._loop_number = self._loop_number, start + 1
        if each is not None:
            target, iterable = each
            yield from self._store(target, element(iterable))
        left = yield statement.body
        self._guards, self._loop_number = outer, outer_loop
        if left is not True:
            self._find_reuses_in_loop(start, first, inside)
        self._join(before)
        breaks = any(
            isinstance(node, code.Leave) and node.kind == "break"
            for node in code.walk(statement.body)
        )
        if statement.orelse is not None:
            left = yield statement.orelse
            self._guards = outer
            return left is True and not breaks
        endless = isinstance(statement, code.While) and statement.test == code.Constant(value=True)
        return endless and not breaks

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
            if self._thorough:  # it may never run
                self._guards = Guards(Guard(), outer)
            elif _catches_mistakes(handler.type):  # its body is the second attempt
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
            if isinstance(manager, code.Call) and last_name(manager.func) in _EXPECTS_ERRORS:
                self._guards = Guards(_EXCUSED, self._guards)
            if guard.flags:  # `with self.mode(train):`
                self._guards = Guards(Guard(guard.flags), self._guards)
        inside = self._guards
        left = yield statement.body
        if inside is not outer:
            self._guards = outer
        return left

    def _match(self, statement: code.Match) -> Step:
        guard, subject = yield from self._test(statement.subject)
        guard = replace(guard, test=None)  # its patterns are not read
        if any(isinstance(option, Instance) for option in options(subject)):
            guard = replace(guard, of_class=True)
        outer = self._guards
        before = self._fork()
        after = before
        complete = goes_on = False
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
                goes_on = True
                self._join(after)
                after = self._fork()
            if case.matches_all and case.guard is None:
                complete = True
        self._restore(after)
        self._guards = outer
        return complete and not goes_on

    def _define(self, statement: code.DefineFunction) -> Step:
        jits: list[tuple[str, Arguments, code.At]] = []
        decorators = []
        for expression in statement.decorators:
            decorators.append(_value((yield expression)))
            jits += ((by, args, expression.at) for by, args in _as_jit(decorators[-1]))
        for expression in statement.defaults:
            yield expression
        for node in code.walk(statement.body):
            if isinstance(node, code.Outer):  # it may rebind them whenever it is called
                self._volatile.update(node.names)
                self._variables.update(dict.fromkeys(node.names, UNKNOWN))
        local = self._local(statement)
        if self._thorough and all(map(lifts, decorators)):
            self._runs[local.number].decorated = False
        self._variables[statement.name] = local
        for by, args, decorator in jits:
            place, at = self._anchor(statement.at), self._anchor(decorator)
            self.facts.jits.append(JitCall(self._runs[local.number], by, args, place, at))
            self._compiled.append(local)  # who compiles it means to call it
        return False

    def _local(self, node: code.DefineFunction | code.Lambda) -> LocalFunction:
        local = LocalFunction(new_number())
        names = tuple(name for name, _ in node.parameters)
        run = LocalRun(names, len(names) - len(node.defaults))
        if isinstance(node, code.DefineFunction):
            run.name, run.decorated = node.name, bool(node.decorators)
        else:
            run.trivial = isinstance(node.body, code.Name)
        self._runs[local.number] = run
        self._locals[local.number] = node
        return local

    def _enter(self, *values: Value) -> Generator[object, "Value | bool", None]:
        """Run the local functions among ``values``.

        That is where one is first called, passed on or returned: there it is known under which
        conditions it runs.
        """
        for value in values:
            for option in options(value):
                if isinstance(option, Partial):
                    option = option.func
                if isinstance(option, LocalFunction):
                    run = self._runs.get(option.number)
                    if not (self._thorough and run is not None and run.ran):
                        yield from self._enter_one(option, NO_ARGUMENTS)

    def _enter_called(
        self, func: Value, args: Arguments
    ) -> Generator[object, "Value | bool", None]:
        """Run the local functions that a call may be of, on its arguments."""
        for option in options(func):
            match option:
                case LocalFunction():
                    yield from self._enter_one(option, args)
                case Partial(LocalFunction() as local):
                    yield from self._enter_one(local, option.joined(args))

    def _enter_one(
        self, local: LocalFunction, args: Arguments
    ) -> Generator[object, "Value | bool", None]:
        if self._thorough:
            yield from self._enter_again(local.number, args)
            return
        # Each once; one that was kept on self by another method is not ours.
        node = self._locals.pop(local.number, None)
        if node is not None:
            yield from self._inner(node, self._runs[local.number], args)

    def _enter_again(self, number: int, args: Arguments) -> Generator[object, "Value | bool", None]:
        """Run a local function for each set of classes and modules that it is given."""
        node = self._locals.get(number)
        if node is None or number in self._entered:
            return
        run = self._runs[number]
        key = number, _deciding(args)
        if key in self._returns:
            run.returns = self._returns[key]
        elif not run.ran or self._reruns_left:
            self._reruns_left -= run.ran
            run.returns = self._returns[key] = []
            self._entered.add(number)
            earlier = len(self.facts.calls)
            yield from self._inner(node, run, args)
            self._entered.discard(number)
            calls = self.facts.calls
            known = {(call.node.at, call.child, call.args) for call in calls[:earlier]}
            calls[earlier:] = [
                call
                for call in calls[earlier:]
                if (call.node.at, call.child, call.args) not in known
            ]

    def _define_class(self, statement: code.DefineClass) -> Step:
        bindings = self._function.scope.bindings.get(statement.name, [])
        match bindings:
            case [Class() as only]:
                self._variables[statement.name] = ClassDefinition(self._book, only)
            case _:
                self._variables[statement.name] = UNKNOWN
        return False
        yield

    def _bind(
        self, parameters: Iterable[tuple[str, code.Expression | None]], args: Arguments
    ) -> Generator[object, "Value | bool", dict[str, Value]]:
        """What the parameters of a local function hold.

        That is what their annotations say, or the modules and flags that the call gives for them.
        """
        values: dict[str, Value] = {}
        for index, (name, annotation) in enumerate(parameters):
            given = args.get(name, index)
            is_flag = name in self._mode_flags
            if given is not None and self._may_bind(given):
                values[name] = given
            elif is_flag:
                values[name] = Flag(name)
            elif flax_api.is_key_name(name):
                values[name] = Key("given", number=new_number())
            else:
                values[name] = Given(f"{name}'")
            if annotation is not None and not is_flag and not isinstance(given, Instance):
                known = self._world.instance(_value((yield annotation)))
                if isinstance(known, Rngs):
                    known = replace(known, parameter=f"{name}'")
                values[name] = values[name] if known is None else known
        return values

    def _may_bind(self, given: Value) -> bool:
        return isinstance(given, _BINDABLE) or (self._thorough and _decides(given))

    def _inner(
        self, node: code.DefineFunction | code.Lambda, run: LocalRun, args: Arguments
    ) -> Step:
        """The body of a nested function."""
        before, flags, outer, mode_set = self._fork(), self._flags, self._guards, self._mode_set
        body: object = node.body
        values = yield from self._bind(node.parameters, args)
        names = [name for name, _ in node.parameters]
        own = tuple(name for name in names if values[name] == Flag(name))
        self._flags = own or tuple(name for name in flags if name not in names)
        own_names = (*names, *code.bound_names(body))
        if self._thorough:  # `self.layer = ...`, `layers["x"] = ...` bind no name
            rebound = {*names, *_rebound(body)}
            shared = (SelfObject, Items, Table)
            held = {n: self._variables.get(n) for n in own_names}
            own_names = tuple(
                n for n, v in held.items() if n in rebound or not isinstance(v, shared)
            )
        self._bound.update((name, new_number()) for name in own_names)
        self._variables.update(dict.fromkeys(own_names, UNKNOWN) | values)
        self._consumed = {}
        last = set(self._last)
        noted_before = [set(noted) for noted in self._flags_noted()]
        calls_argument, self.facts.calls_argument = self.facts.calls_argument, False
        changes_argument, self.facts.changes_argument = self.facts.changes_argument, False
        facts = self.facts
        noted_in_order = (
            *(facts.calls, facts.consumptions, facts.draws, facts.writes),
            *(facts.functions_called, facts.methods_called),
        )
        starts = [len(noted) for noted in noted_in_order]
        gradients, levels = facts.gradients, self._levels
        run.level = self._level = self._level + 1
        self._levels = levels | dict.fromkeys(own_names, run.level)
        returned, self._returned = self._returned, run.returns
        returns_nothing, self._returns_nothing = self._returns_nothing, False
        result = yield body
        run.ran, run.ends = True, result is False or self._returns_nothing
        self._returned, self._returns_nothing = returned, returns_nothing
        if not isinstance(result, bool):
            run.returns.append(result)
        self._last = last  # what ends the inner function ends no loop around it
        self._level, self._levels = self._level - 1, levels
        run.gradients = facts.gradients - gradients
        run.flags, run.flags_tested = own, frozenset(facts.flags_tested.intersection(own))
        run.calls_argument, run.changes_argument = facts.calls_argument, facts.changes_argument
        facts.calls_argument |= calls_argument
        facts.changes_argument |= changes_argument
        calls, consumptions, draws, writes, called, methods = starts
        run.functions_called = facts.functions_called[called:]
        run.methods_called = facts.methods_called[methods:]
        run.calls, run.consumptions = facts.calls[calls:], facts.consumptions[consumptions:]
        run.draws, run.writes = facts.draws[draws:], facts.writes[writes:]
        after = self._fork()
        self._restore(before)
        if self._thorough:  # what it put into the lists and dicts of the one around it
            for name in before.variables.keys() - set(own_names):
                if isinstance(after.variables[name], Items | Table):
                    self._variables[name] = after.variables[name]
            self._attributes = after.attributes
        self._flags, self._guards, self._mode_set = flags, outer, mode_set
        for noted, earlier in zip(self._flags_noted(), noted_before, strict=True):
            noted -= set(own) - earlier  # what it does with flags of its own
        return result

    def _flags_noted(self) -> tuple[set[str], ...]:
        return self.facts.flags_read, self.facts.flags_tested, self.facts.flags_deleted

    def _test(
        self, test: code.Expression
    ) -> Generator[object, "Value | bool", tuple[Guard, Value]]:
        self._tests.append(Mentioned())
        value = _value((yield test))
        mentioned = self._tests.pop()
        if self._tests:
            self._tests[-1].add(mentioned)
        mode: Literal["train", "eval"] | None = None
        flag = value if isinstance(value, Flag) else self._attribute_flag(test)[0]
        if flag is not None:
            mode = "train" if flag.means_train(self._mode_flags) else "eval"
        return mentioned.guard(mode, test), value

    def _attribute_flag(self, node: code.Expression) -> tuple[Flag | None, str]:
        """``self.training`` or ``not self.training``: the flag by its name, and the text for it."""
        negated = False
        while isinstance(node, code.Not):
            node, negated = node.operand, not negated
        match node:
            case code.Attribute(code.Name(owner), name) if (
                name in self._mode_flags and self._variables.get(owner) == SelfObject()
            ):
                return Flag(name, negated), f"{owner}.{name}"
        return None, ""

    def _truth(
        self, test: code.Expression
    ) -> Generator[object, "Value | bool", tuple[Guard, Value]]:
        """``_test``, where Python asks whether the result is true."""
        guard, value = yield from self._test(test)
        self._asked(value, test)
        if _is_about_key(value, test):
            guard = replace(guard, optional=True)
        return guard, value

    def _classes_tested(
        self, test: code.Expression
    ) -> Generator[object, "Value | bool", _ClassTests]:
        """The tests by ``isinstance`` in a test, with the classes that each asks for."""
        found: _ClassTests = {}
        for node in code.walk(test) if self._thorough else ():
            match node:
                case code.Call(
                    code.Name("isinstance"),
                    (code.Argument(code.Name() | code.Attribute(code.Name()) as subject), asked),
                ):
                    of = _value((yield asked.value))
                    wanted = of.elements if isinstance(of, Items) else options(of)
                    found[node.at] = subject, wanted
        return found

    def _narrow(
        self, test: code.Expression, classes: _ClassTests, *, holds: bool
    ) -> dict[code.Expression, Value]:
        """Leave of what ``isinstance`` tests that which makes the whole test come out so.

        The result is what there was before, for ``_widen``.
        """
        before = {}
        for subject in {subject for subject, _ in classes.values()}:
            held = self._narrowable(subject)
            if held is not None:
                truths = {o: self._is_of(o, subject, test, classes) for o in options(held)}
                left = tuple(option for option, truth in truths.items() if truth in (holds, None))
                before[subject] = held
                self._widen({subject: left[0] if len(left) == 1 else Choice(left)})
        return before

    def _widen(self, before: Mapping[code.Expression, Value]) -> None:
        """Let variables and attributes of self hold again what they did."""
        for subject, value in before.items():
            match subject:
                case code.Name(name):
                    self._variables[name] = value
                case code.Attribute(_, name):
                    self._attributes[name] = value

    def _narrowable(self, subject: code.Expression) -> Value | None:
        """What a variable or an attribute of self holds, if that may be a module."""
        held: Value | None = None
        match subject:
            case code.Name(name):
                held = self._variables.get(name)
            case code.Attribute(code.Name(owner), name) if (
                self._variables.get(owner) == SelfObject()
            ):
                held = self._attributes.get(name) or self._kept(name)
        return held if any(isinstance(o, Instance) for o in options(held or UNKNOWN)) else None

    def _is_of(
        self,
        option: Value,
        subject: code.Expression,
        test: code.Expression,
        classes: _ClassTests,
        depth: int = _DEEPEST_TEST,
    ) -> bool | None:
        """Whether a test comes out true where ``subject`` is ``option``; None if it may not."""
        match test:
            case code.Not(operand) if depth:
                truth = self._is_of(option, subject, operand, classes, depth - 1)
                return None if truth is None else not truth
            case code.Either(operator, operands) if depth:
                decides = operator == "or"
                found = [self._is_of(option, subject, o, classes, depth - 1) for o in operands]
                if decides in found:
                    return decides
                return None if None in found else not decides
            case code.Call(at=at) if at in classes and classes[at][0] == subject:
                truths = [self._is_one(option, wanted) for wanted in classes[at][1]]
                return True if True in truths else None if None in truths else False
        return None

    def _is_one(self, option: Value, wanted: Value) -> bool | None:
        if option == NONE:
            return False
        return self._world.is_a(option.of, wanted) if isinstance(option, Instance) else None

    def _store(self, target: object, value: Value) -> Generator[object, "Value | bool", None]:
        pending = [(target, value)]
        while pending:
            target, value = pending.pop()
            match target:
                case code.Name(name):
                    flag = value if name == "_" else self._variables.get(name)
                    if (
                        isinstance(flag, Flag)
                        and (name == "_" or flag.name not in traits_of(value).flags)
                        and not any(flag.name in g.flags for g in each_guard(self._guards))
                    ):
                        self.facts.flags_deleted.add(flag.name)  # `_ = train`, `train = None`
                    self._variables[name], self._bound[name] = value, new_number()
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
        if self._thorough and isinstance(target, code.Attribute):
            self._put_into(owner, target.name, value, target.at)
        if isinstance(target, code.Attribute) and target.name not in ("value", "raw_value"):
            is_mode = target.name in flax_api.MODES_SET_BY_EVAL
            modes = ((target.name, value),) if is_mode else ()
            self._set_modes(owner, Setting(modes, partial=True))
        elif isinstance(target, code.Subscript) and not traits_of(value).plain:
            self._set_modes(owner, ALTERED)  # `model.blocks[0] = Block(...)`
        root, name = owner, None
        base = owner.value if isinstance(owner, code.Attribute) else owner
        if isinstance(base, code.Name):  # `layer.kernel[...] = weights`
            self.facts.handed_on |= makings(self._variables.get(base.id, UNKNOWN))
        while isinstance(root, code.Attribute | code.Subscript):
            name = root.name if isinstance(root, code.Attribute) else name
            root = root.value
        if isinstance(root, code.Name):
            changed = self._variables.get(root.id)
            if isinstance(changed, Instance):
                self._update(root)
            plain = isinstance(target, code.Attribute) and target.name not in ("value", "raw_value")
            if plain and root is owner:
                self.facts.changes_argument |= isinstance(changed, Given)
        if isinstance(root, code.Name) and self._variables.get(root.id) == SelfObject() and name:
            self._write(name, value, target.at, whole=False)
            if isinstance(target, code.Attribute) and target.name in self._mode_flags:
                self.facts.modes_set.add(name)
        match target:
            case code.Subscript(code.Name(), code.Constant(str())):
                pass  # `output["x"] = ...` is no state
            case _:
                self.facts.initialised |= traits_of(value).draws
        if traits_of(value).flags:  # `self.drop.deterministic = not train`
            self._mode_set = True
        if isinstance(held, Items | Table):
            self._replace(owner, with_element(held, value))

    def _attribute(self, node: code.Attribute) -> Step:
        owner = _value((yield node.value))
        reads = self.facts.reads
        if node.name in NO_NUMBERS and reads and reads[-1].anchor.at == node.value.at:
            reads.pop()  # `self.mask.shape` is not what it holds
        there = present(owner) or (owner,)
        return choose(*(self._member(option, node) for option in there))

    def _subscript(self, node: code.Subscript) -> Step:
        owner = _value((yield node.value))
        index = _value((yield node.index))
        is_slice = isinstance(node.index, code.Operation) and node.index.operator == "Slice"
        return choose(*(item(option, index, is_slice=is_slice) for option in options(owner)))

    def _call(self, node: code.Call) -> Step:
        if isinstance(node.func, code.Call):
            self._called_at_once.add(node.func.at)
        func = _value((yield node.func))
        outer = self._guards
        positional: list[Value] = []
        keywords: list[tuple[str, Value]] = []
        unpacked: list[code.Argument] = []
        open_ = False
        name = func.name if isinstance(func, Symbol) else ""
        if name == _STOPS_GRADIENT:
            self._guards = Guards(Guard(excused=True, stopped=True), outer)
        elif name in _INITIALISES or last_name(node.func) in _EXPECTS_ERRORS:
            self._guards = Guards(_EXCUSED, outer)
        for argument in node.args:
            value = _value((yield argument.value))
            if argument.star:
                open_ = True
                # What is passed on unseen still counts as passed on.
                if self._thorough and isinstance(value, Table):
                    named = [(k, v) for k, v in value.items if isinstance(k, str)]
                    keywords += named
                    unpacked += (replace(argument, keyword=k, star="") for k, _ in named)
                    value = Items(tuple(v for k, v in value.items if not isinstance(k, str)))
                keywords.append(("*", value if isinstance(value, Items) else mixed(value)))
            elif argument.keyword is not None:
                keywords.append((argument.keyword, value))
                if argument.keyword in self._mode_flags:
                    self._pass_mode(argument, value)
            elif open_:  # what stands behind `*args` has no known place
                keywords.append(("*", Items((value,))))
            else:
                positional.append(value)
            flags = traits_of(value).flags
            if flags:  # `jnp.where(train, self.drop(x), x)`, `nnx.cond(train, noisy, plain, x)`
                self._guards = Guards(Guard(flags), self._guards)
        args = Arguments(tuple(positional), tuple(keywords), open_)
        if name == _STOPS_GRADIENT:
            given = (a.value.id for a in node.args if isinstance(a.value, code.Name))
            self.facts.stopped.update(self._produced[n] for n in given if n in self._produced)
        start, first = new_number(), len(self.facts.consumptions)
        yield from self._enter_called(func, args)
        if name in flax_api.GRADIENTS and positional:
            self._guards = outer
            return Partial(positional[0], NO_ARGUMENTS, gradient=True)  # run once that is called
        if name in flax_api.JITS and positional:
            first_of = positional[0]
            bare = isinstance(first_of, Partial) and first_of.args == NO_ARGUMENTS
            inner = first_of.func if isinstance(first_of, Partial) and bare else first_of
            if isinstance(inner, LocalFunction):
                self._guards = outer
                self._jit(name, inner, args, node)
                self._compiled.append(inner)
                return Partial(inner, NO_ARGUMENTS, gradient=isinstance(first_of, Partial))
        if self._thorough and name == "builtins.map" and positional:
            each = Arguments(tuple(map(element, positional[1:])), ())
            yield from self._enter_called(positional[0], each)
        yield from self._enter(*args.all())
        if name in _LOOPS:
            self._find_reuses_in_loop(start, first, self._guards)
        self._guards = outer
        if unpacked:
            node = replace(node, args=(*node.args, *unpacked))
        return self._apply(func, args, node)

    def _pass_mode(self, argument: code.Argument, value: Value) -> None:
        assert argument.keyword is not None
        place = self._anchor(argument.at)
        flag, text = self._attribute_flag(argument.value)
        if isinstance(value, Flag):
            flag, text = value, value.name
        if flag is not None:
            passed = FlagPassed(argument.keyword, flag, text, place, argument.value)
            self.facts.flags_passed.append(passed)
        elif isinstance(value, Method):
            self._asked(value, argument.value)

    def _not(self, node: code.Not) -> Step:
        value = _value((yield node.operand))
        self._asked(value, node.operand)
        if isinstance(value, Flag):
            return Flag(value.name, not value.negated)
        if isinstance(value, Constant):
            return Constant(not value.value)
        return as_number(mixed(value))

    def _either(self, node: code.Either) -> Step:
        guard, left = yield from self._truth(node.operands[0])
        outer = self._guards
        self._guards = Guards(guard if node.operator == "and" else guard.otherwise, outer)
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
        classes = yield from self._classes_tested(node.test)
        outer = self._guards
        self._guards = Guards(guard, outer)
        before = self._consumed
        self._consumed = dict(before)
        narrowed = self._narrow(node.test, classes, holds=True)
        body = _value((yield node.body))
        self._widen(narrowed)
        after_body, self._consumed = self._consumed, dict(before)
        self._guards = Guards(guard.otherwise, outer)
        narrowed = self._narrow(node.test, classes, holds=False)
        orelse = _value((yield node.orelse))
        self._widen(narrowed)
        self._consumed = after_body | self._consumed
        self._guards = outer
        sides = (*options(body), *options(orelse))
        modes = all(isinstance(s, Constant) or traits_of(s).flags for s in sides)
        if guard.flags and (modes or any(isinstance(s, CALLABLES) for s in sides)):
            # `train if train is not None else False` still is what the flag says, and
            # `self.noisy if train else self.plain` is told by being chosen.
            return mixed(body, orelse, test)
        return choose(body, orelse)

    def _compare(self, node: code.Compare) -> Step:
        if any(right == code.Constant(None) for _, right in node.rights):
            self._discard(node.left)
        left = _value((yield node.left))
        self._asked(left, node.left)
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
        return as_number(mixed(left, *rights))

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
        narrowed: dict[code.Expression, Value] = {}
        for clause in node.clauses:
            iterable = _value((yield clause.iterable))
            yield from self._store(clause.target, element(iterable))
            for test in clause.tests:
                guard, _ = yield from self._truth(test)
                classes = yield from self._classes_tested(test)
                self._guards = Guards(guard, self._guards)
                narrowed = self._narrow(test, classes, holds=True) | narrowed
        if node.key is not None:
            yield node.key
        made = _value((yield node.element))
        self._guards = outer
        self._find_reuses_in_loop(start, first, outer)
        self._widen(narrowed)
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
        result = mixed(*values)
        counts = any(isinstance(v, Constant) and isinstance(v.value, int | float) for v in values)
        return as_number(result) if counts or node.operator not in _GIVES_OPERAND else result


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


def _decides(value: Value) -> bool:
    """Whether it decides of which classes modules are, or what they are called."""
    return is_structural(value) or (isinstance(value, Constant) and isinstance(value.value, str))


def _deciding(args: Arguments) -> Arguments:
    """Of arguments, those that ``_decide``."""
    return Arguments(
        tuple(value if _decides(value) else UNKNOWN for value in args.positional),
        tuple((name, value) for name, value in args.keywords if _decides(value)),
    )


def _rebound(body: object) -> set[str]:
    """The names that code assigns as such: ``name = ...``, not ``name[0] = ...``."""
    names: set[str] = set()
    pending: list[object] = []
    for node in code.walk(body):
        match node:
            case code.Assign(targets):
                pending += targets
            case code.Augment(target) | code.For(target) | code.Walrus(target):
                pending.append(target)
    while pending:
        match pending.pop():
            case code.Name(name):
                names.add(name)
            case code.Display(elements):
                pending += elements
    return names


def _results_of(node: code.Expression) -> Iterator[code.Call]:
    """The calls whose results an expression gives, or collects."""
    pending = [node]
    while pending:
        match pending.pop():
            case code.Call() as call:
                yield call
            case code.IfElse(_, body, orelse):
                pending += (body, orelse)
            case code.Either(operands=operands):
                pending.append(operands[-1])
            case code.Comprehension(element=element):
                pending.append(element)
            case code.Display(elements):
                pending += elements


def _value(result: Value | bool) -> Value:
    assert not isinstance(result, bool)
    return result


def _is_about_key(value: Value, node: code.Expression) -> bool:
    """Whether a key or an ``nnx.Rngs``, which may not be there, is what a test is about."""
    if any(isinstance(option, Rngs | Key) for option in options(value)):
        return True
    name = last_name(node)
    unknown = isinstance(value, Given | Opaque | Choice)
    return unknown and name is not None and flax_api.names_key(name)


def _is_inside_attribute(target: code.Expression) -> bool:
    """``self.kernel.value = ...``, ``self.kernel[...] = ...``."""
    match target:
        case code.Attribute(inner) | code.Subscript(inner):
            return isinstance(inner, code.Attribute)
    return False


def _as_jit(decorator: Value) -> Iterator[tuple[str, Arguments]]:
    """The jit that a decorator is, with its arguments, if it is one."""
    match decorator:
        case Symbol(name) if name in flax_api.JITS:
            yield name, Arguments((), ())
        case Partial(Symbol(name), args) if name in flax_api.JITS:
            yield name, args


def _raises(block: code.Block | code.If | None) -> bool:
    """Whether a block ends by raising an error, on each way through it."""
    match block:
        case code.Block((*_, code.Leave("raise"))):
            return True
        case code.Block((*_, code.If() as last)) | (code.If() as last):
            return _raises(last.body) and _raises(last.orelse)
    return False


def _flags_above(guards: Guards | None, outer: Guards | None) -> frozenset[str]:
    """The flags that guards test which stand further in than ``outer``."""
    return NO_NAMES.union(*(guard.flags for guard in between(guards, outer)))


def _catches_mistakes(type_: code.Expression | None) -> bool:
    """Whether a handler is for the very errors that the mistakes we look for raise."""
    types = type_.elements if isinstance(type_, code.Display) else (type_,)
    return any(t is not None and last_name(t) in _MISTAKES for t in types)
