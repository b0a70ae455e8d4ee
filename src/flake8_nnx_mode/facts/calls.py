"""What calls do: draw, consume, build, change, and call modules."""

import re
from dataclasses import replace

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.containers import (
    anew,
    as_key,
    as_table,
    changed,
    element,
    new_number,
    with_element,
)
from flake8_nnx_mode.facts.events import (
    BaseCall,
    ComputedWrite,
    Consumption,
    FunctionCall,
    JitCall,
    JitOfModule,
    LocalRun,
    ModeSet,
    ModuleCall,
    Reuse,
    Step,
    Uncalled,
)
from flake8_nnx_mode.facts.handling import (
    Handling,
    is_module,
    label_of,
    last_name,
    setting_of,
)
from flake8_nnx_mode.facts.values import (
    ANY_MODULE,
    NEVER,
    NO_ARGUMENTS,
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Compiled,
    Constant,
    Draw,
    Flag,
    FunctionDefinition,
    Given,
    GraphDef,
    Guard,
    Guards,
    Instance,
    Items,
    Key,
    LocalFunction,
    Making,
    Method,
    Opaque,
    Partial,
    Rngs,
    SelfObject,
    Stream,
    Symbol,
    Table,
    Traits,
    Value,
    as_number,
    as_partial,
    between,
    choose,
    contained,
    is_structural,
    makings,
    mixed,
    on_one_path,
    options,
    present,
    traits_of,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor
from flake8_nnx_mode.syntax.outline import Function

_UNVARYING = Opaque(Traits(varies=False))
_CHANGES_CONTAINER = frozenset("reverse sort pop remove clear update setdefault popitem".split())
_HAS_STATE = re.compile(r"\b(?:state|split|pop)\(")
_NEVER_RETURNS = frozenset({"sys.exit", "os._exit", "typing.assert_never", "pytest.fail"})
_CHANGES_STATE = frozenset({"set_value", "copy_from", "replace", "update"})
_NUMERIC = tuple(
    "jax.numpy. jax.nn. jax.scipy. jax.random. numpy. math. optax. einops. builtins.abs"
    " builtins.bool builtins.float builtins.int builtins.len builtins.max builtins.min"
    " builtins.round builtins.str builtins.sum".split()
)
"""What gives numbers, arrays and functions, and no modules."""
_WRAPS_FUNCTION = frozenset({"jax.vmap", "jax.jit", "jax.checkpoint", "flax.nnx.vmap"})
_LIFTS = frozenset(
    {"flax.nnx.vmap", "flax.nnx.split_rngs", "flax.nnx.scan", "flax.nnx.remat"}
    | {"jax.vmap", "jax.checkpoint", "jax.remat"}
)
"""What gives a function that does with modules what the one does that it is given."""
_KEEPS_VALUE = frozenset(
    {"flax.nnx.data", "flax.nnx.static", "builtins.bool", "builtins.list", "builtins.tuple"}
    | {"flax.nnx.List"}
)


class Calls(Handling):
    """The part of a run that deals with calls."""

    def _apply(self, func: Value, args: Arguments, node: code.Call) -> Value:
        self._note_base_call(func, args, node)
        self._certain = not any(isinstance(option, Opaque) for option in options(func))
        if isinstance(func, Choice) and any(isinstance(o, Instance) for o in func.options):
            return self._call_module(func, args, node)
        if self._thorough:
            func = choose(*present(func))  # None is not called
        if not isinstance(func, Choice):
            return self._apply_one(func, args, node)
        before, after = self._consumed, dict(self._consumed)
        results = []
        for option in func.options:  # only one of them is called
            self._consumed = dict(before)
            results.append(self._apply_one(option, args, node))
            after |= self._consumed
        self._consumed = after
        return choose(*results)

    def _note_base_call(self, func: Value, args: Arguments, node: code.Call) -> None:
        """``super().__init__(...)``, ``Base.__init__(self, ...)``."""
        match node.func:
            case code.Attribute(code.Call(code.Name("super")), name):
                self.facts.on_self.append(BaseCall(name, None, args, self._guards))
            case code.Attribute(_, name) if isinstance(func, FunctionDefinition | Symbol):
                if args.positional[:1] == (SelfObject(),):
                    rest = replace(args, positional=args.positional[1:])
                    self.facts.on_self.append(BaseCall(name, func, rest, self._guards))

    def _apply_one(self, func: Value, args: Arguments, node: code.Call) -> Value:
        result = self._result_of(func, args, node)
        # `jax.lax.scan(step, state, xs)` gives what `step` returns.
        if isinstance(result, Opaque) and any(map(self._returns_state, args.all())):
            result = _carrying(result, carries=True)
        return result

    def _returns_state(self, function: Value) -> bool:
        """Whether a function that is handed over may return the state of a module."""
        match function:
            case Partial(func):
                return self._returns_state(func)
            case LocalFunction(number) if number in self._runs:
                return any(traits_of(value).carries for value in self._runs[number].returns)
            case FunctionDefinition():
                return _HAS_STATE.search(self._world.text_of(function) or "") is not None
        return any(map(self._returns_state, contained(function)))

    def _result_of(self, func: Value, args: Arguments, node: code.Call) -> Value:
        func = as_partial(func) if self._thorough else func
        if isinstance(func, Partial):
            if func.gradient and any(map(is_module, args.positional[:1])):
                self.facts.gradients += 1
            call = self._whole_call(func, node)
            return self._apply_one(func.func, func.joined(args), call)
        sampler = _sampler(func)
        if sampler is not None:
            key = args.get("key", 0)
            if key is not None:
                self._sample(key, sampler, node)
        else:
            self._hand_over_keys(func, args, node)
        handed_on = (*args.all(), func.receiver) if isinstance(func, Method) else tuple(args.all())
        if handed_on and not is_built_by(func):
            self.facts.handed_on |= makings(Items(handed_on))
        if last_name(node.func) == "update" and node.plain and any(map(is_module, handed_on[:1])):
            self._update(node.plain[0].value)
        self._note_alterations(func, args, node)
        match func:
            case Rngs() | Stream():
                return self._draw(func, node)
            case ClassDefinition():
                return Instance(func, _shallow(args), replace(self._making(node), args=args))
            case Instance():
                return self._call_module(func, args, node)
            case Method(receiver, name):
                return self._call_method(receiver, name, args, node)
            case Symbol(name):
                return self._call_symbol(name, args, node)
            case SelfObject():
                self._call_own(func, "__call__", args, node)
                return _result(args)
            case Given():
                self.facts.calls_argument = True
                return _result(args, func)
            case Compiled(number):
                self.facts.steps.append(Step(None, number, self._loop_number))
                return UNKNOWN
            case FunctionDefinition():
                if any(is_module(a) or isinstance(a, Rngs) for a in args.all()):
                    called = FunctionCall(func, args, node, self._guards)
                    self.facts.functions_called.append(called)
                    self._note_updates(called)
                made = self._world.returned(func, args)
                if made is None:
                    made = _result(args)
                    if made.traits.carries and not self._world.hands_back(func, args):
                        made = _carrying(made, carries=False)
                return anew(made)
            case LocalFunction(number):
                return self._of_run(self._runs.get(number), _result(args, func))
            case _:
                return _result(args, func)

    def _whole_call(self, func: Partial, node: code.Call) -> code.Call:
        """A call of a partial function, with the arguments that this was made with."""
        if func.given is None or func.given[0].chapter is not self._chapter:
            return node
        anew = {argument.keyword for argument in node.args} - {None}
        kept = (argument for argument in func.given[1] if argument.keyword not in anew)
        return replace(node, args=(*kept, *node.args))

    def _of_run(self, run: LocalRun | None, result: Opaque) -> Value:
        """What a local function returns: modules that it builds, or else something unknown."""
        if run is None:
            return result
        built = [option for value in run.returns for option in options(value)]
        told = is_structural if self._thorough else _is_instance
        if built and not run.decorated and all(map(told, built)):
            return choose(*built)
        carries = any(traits_of(value).carries for value in run.returns)
        return _carrying(result, carries=carries)

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
        choices = present(key)
        if choices and all(isinstance(option, Rngs | Stream) for option in choices):
            self._uncalled(choices[0], node)
        else:
            self._consume(key, sampler, node, _key_of(node))

    def _uncalled(self, key: Value, node: code.Call) -> None:
        assert isinstance(key, Rngs | Stream)
        self.facts.uncalled.append(Uncalled(key, self._anchor(_key_of(node).at)))

    def _hand_over_keys(self, func: Value, args: Arguments, node: code.Call) -> None:
        """Whatever else is called: the keys that it is known to draw from, or is given as such."""
        if not any(map(_may_be_key, args.all())) or _is_told_to_evaluate(func, args):
            return
        taken = self._world.keys_taken(func)
        if taken is not None:
            bound = len(args.positional) - len(node.plain)
            for index, name in taken:
                value, argument = args.get(name, index), node.argument(name, index, bound=bound)
                if value is not None and argument is not None and _may_be_key(value):
                    self._consume(value, name, node, argument.value)
        is_child = isinstance(func, Instance) or (
            isinstance(func, Method) and isinstance(func.receiver, Instance | SelfObject)
        )
        for name, value in args.keywords:
            if name not in flax_api.KEY_KEYWORDS:
                continue
            argument = node.argument(name, None)
            given = node.func if argument is None else argument.value
            if any(isinstance(o, Rngs) and o.made_here for o in options(value)):
                if is_child or isinstance(func, Given):
                    self._consume(value, name, node, given)
            elif taken is None and any(isinstance(option, Key) for option in options(value)):
                builds = is_built_by(func)
                self._consume(value, name, node, given, builds=builds, draws=is_child)
            elif taken is None and is_child and _may_be_key(value):
                self._consume(value, name, node, given)

    def _consume(
        self,
        value: Value,
        by: str,
        node: code.Call,
        given: code.Expression,
        *,
        builds: bool = False,
        draws: bool = True,
    ) -> None:
        keys = tuple(as_key(option) for option in present(value))
        known = tuple(key for key in keys if key is not None)
        holder = self._holder(given)
        holders = (holder, *(key.holder for key in known))
        use = Consumption(
            known if len(known) == len(keys) else (),
            by,
            self._anchor(node.at),
            self._guards,
            self._anchor(given.at),
            tuple(h for h in holders if h is not None),
            draws,
            last_name(node.func) or "",
            builds,
        )
        self.facts.consumptions.append(use)
        if not draws:
            return
        numbers = [key.number for key in use.keys if key.number is not None]
        if not use.keys and holder is not None and by in flax_api.SAMPLERS:
            numbers = [holder]  # whatever it is, it is a key
        earlier = [self._consumed.get(number) for number in numbers]
        if all(before is not None and on_one_path(before.guards, use.guards) for before in earlier):
            self.facts.reuses += [Reuse(first, use) for first in earlier[:1] if first is not None]
        for number in numbers:
            self._consumed.setdefault(number, use)

    def _holder(self, node: code.Expression) -> tuple[str, int] | None:
        """The variable that is read, and which time it was bound."""
        if not isinstance(node, code.Name) or node.id in self._volatile:
            return None
        is_local = node.id in self._variables
        return (node.id, self._bound.get(node.id, -1)) if is_local else None

    def _find_reuses_in_loop(self, start: int, first: int, guards: Guards | None) -> None:
        """Find the keys that a loop's body consumed again and again.

        The variable that they come from was bound before the loop, which began at number ``start``,
        and not since; and within the body, which stands under ``guards``, nothing but the mode
        decides about it, nor does it end the loop.
        """
        for index, use in enumerate(self.facts.consumptions[first:], first):
            if not use.draws or not (use.keys or use.by in flax_api.SAMPLERS):
                continue
            unchanged = any(
                number < start and self._bound.get(name, -1) == number
                for name, number in use.holders
            )
            if (
                unchanged
                and index not in self._last
                and not any(key.attribute for key in use.keys)
                and all(g.flags or g == Guard(excused=True) for g in between(use.guards, guards))
            ):
                self.facts.reuses.append(Reuse(use, use))

    def _call_module(self, child: Value, args: Arguments, node: code.Call) -> Value:
        label = label_of(node.func)
        self.facts.calls.append(
            ModuleCall(
                child,
                label,
                args,
                node,
                self._flags,
                self._anchor(node.at),
                self._guards,
                self._mode_set,
                *self._came_from(child, label),
            )
        )
        return UNKNOWN

    def _call_method(self, receiver: Value, name: str, args: Arguments, node: code.Call) -> Value:
        if name in _CHANGES_STATE:
            self.facts.initialised |= mixed(*args.all()).traits.draws
        match receiver:
            case SelfObject() | Instance() if name in flax_api.MODE_SETTERS:
                self._mode_set = True
                attribute = "*" if receiver == SelfObject() else _attribute_of_self(node.func)
                if attribute is not None:
                    self.facts.modes_set.add(attribute)
                setting = setting_of(name, args)
                if name == "set_attributes":
                    self._change_model(name, receiver, args, node, setting)
                else:
                    self._set_mode(receiver, name, node)
                if isinstance(node.func, code.Attribute):
                    self._set_modes(node.func.value, setting)
                return NONE
            case SelfObject():
                self._call_own(receiver, name, args, node)
                return anew(self._world.returned_by_method(name, args) or _result(args))
            case Instance(ClassDefinition()):
                self._call_own(receiver, name, args, node)
                return _carrying(_result(args, receiver), carries=False)
            case Instance(Symbol(flax_api.MODULE)) if self._thorough:
                self._call_own(receiver, name, args, node)
                return _result(args, receiver)
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
            case Table() if self._thorough and name == "update" and not args.positional[1:]:
                added = self._call_symbol("builtins.dict", args, node)
                added = added if isinstance(added, Table) else Table(((None, added),))
                if isinstance(node.func, code.Attribute):
                    self._replace(node.func.value, Table((*receiver.items, *added.items)))
                return NONE
            case Items() | Table() if name in _CHANGES_CONTAINER:
                if isinstance(node.func, code.Attribute):
                    self._replace(node.func.value, changed(receiver, by=name, args=args))
                return element(receiver) if name == "pop" else NONE
            case Table(items) if name in ("values", "items", "get", "copy"):
                values = tuple(value for _, value in items)
                if name == "values":
                    return Items(values)
                if name == "items":
                    pair = (_UNVARYING, choose(*values))
                    return Items((Items(pair, ordered=True),) if values else ())
                return receiver if name == "copy" else choose(*values, *args.positional[1:])
            case _:
                return _result(args, receiver)

    def _set_mode(self, receiver: Value, name: str, node: code.Call) -> None:
        assigned = None
        label = label_of(node.func).removesuffix(f".{name}")
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
            named: tuple[tuple[object, Value], ...]
            named = tuple((key, value) for key, value in args.keywords if key != "*")
            table = Table(()) if first is None else as_table(first)
            if table is None:
                return mixed(*args.all()) if self._thorough else Table(named)
            if self._thorough:  # `**others`
                starred = [value for key, value in args.keywords if key == "*"]
                named += tuple((None, element(v)) for v in starred if v != Items(()))
            return Table((*table.items, *named))
        if name in flax_api.LAYERS:
            return Instance(Symbol(name), args, self._making(node))
        if name == "flax.nnx.clone" and first is not None:
            return first
        if name in ("flax.nnx.view", "flax.nnx.with_attributes") and first is not None:
            setting = setting_of(short, args)
            self._change_model(short, first, args, node, setting)
            return self._tell(first, setting) if is_module(first) else mixed(first)
        if name == "flax.nnx.recursive_map" and len(args.positional) == 2:
            function, model = args.positional
            if isinstance(function, Partial):
                function = function.func
            applies: Value | LocalRun | None = function
            if isinstance(function, LocalFunction):
                applies = self._runs.get(function.number)
            self._change_model(short, model, args, node, applies=applies)
            return mixed(*args.all())  # whatever it was made
        if name == "flax.nnx.split" and first is not None:
            states = [_state(filters) for filters in args.positional[1:] or (None,)]
            if self._thorough:  # it is no module
                states = list(map(as_number, states))
            return Items((GraphDef(first), *states), ordered=True)
        if name == "flax.nnx.state":
            return choose(*(_state(filters) for filters in args.positional[1:] or (None,)))
        if name == "flax.nnx.merge":
            match first:
                case GraphDef(Instance() as model):
                    return replace(model, made=None)  # another one
            return ANY_MODULE
        if name == "flax.nnx.Rngs":
            varies = args.open or mixed(*args.all()).traits.varies
            return Rngs("made" if varies else "constant", made=self._making(node))
        if name in flax_api.KEY_MAKERS:
            varies = mixed(*args.all()).traits.varies
            if self._forward and any(isinstance(a, Given) for a in args.all()):
                return Key("given", number=new_number())  # of a seed that somebody chose
            return Key("constant", varies=varies, number=new_number(), made=self._making(node))
        if name in _NEVER_RETURNS:
            return NEVER
        if name.startswith("jax.random.") and short in flax_api.KEY_DERIVERS and first is not None:
            if isinstance(first, Rngs | Stream):
                self._uncalled(first, node)
                return UNKNOWN
            derived = choose(
                *(self._derive(option, args, short, node) for option in options(first))
            )
            return Items((derived,)) if short == "split" else derived
        if name in ("typing.cast", "typing_extensions.cast") and len(args.positional) == 2:
            return self._world.instance(args.positional[0]) or args.positional[1]
        if name in flax_api.JITS:
            first = args.get("fun", 0)
            if first is None:
                return Partial(Symbol(name), args)
            compiled = self._jit(name, first, args, node)
            if compiled is not None:
                return compiled
            match first:
                case FunctionDefinition():
                    return Partial(first, NO_ARGUMENTS)
                case Partial(FunctionDefinition()) | Method():
                    return first
        if name in _WRAPS_FUNCTION and isinstance(first, Symbol):
            return first
        if self._thorough and name in _LIFTS:
            return Partial(Symbol(name), args) if first is None else first
        if self._thorough and short == "first_from" and name.startswith("flax.nnx."):
            return choose(*args.positional)
        match short if name.startswith(("builtins.", "functools.")) else "":
            case "partial" if first is not None:
                rest = Arguments(args.positional[1:], args.keywords, args.open)
                seen = self._thorough and not args.open
                given = (self._anchor(node.at), node.args[1:]) if seen else None
                return Partial(first, rest, given=given)
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
                    case SelfObject(), _ if node.plain[1:]:
                        held = self._world.computed(pattern_of(node.plain[1].value))
                        if held is not None:
                            return held
                    case owner, Constant(str(attribute)):
                        return self._member(owner, code.Attribute(node.func, attribute, node.at))
                    case Symbol(of), _ if self._thorough and f"{of}.".startswith(_NUMERIC):
                        return as_number(_result(args))
            case "iter" if first is not None:
                return first
            case "map":
                if first is None or not self._thorough:
                    return _result(args, UNKNOWN)
                each = Arguments(tuple(map(element, args.positional[1:])), ())
                return Items((self._apply(first, each, node),))
            case "next" if first is not None:
                return element(first)
            case "print":
                return NONE
            case "setattr" if len(args.positional) == 3:
                self.facts.initialised |= traits_of(args.positional[2]).draws
                match args.positional[:2]:
                    case SelfObject(), Constant(str(attribute)):
                        self._source = node.plain[2].value
                        value = args.positional[2]
                        kept = self._thorough or isinstance(value, Given | Flag)
                        known = value if kept else mixed(value)
                        self._write(attribute, known, node.at, whole=True)
                        self._source = None
                    case SelfObject(), _:
                        name, value = pattern_of(node.plain[1].value), args.positional[2]
                        place = self._anchor(node.at)
                        self.facts.on_self.append(ComputedWrite(name, value, place, self._guards))
                    case _, Constant(str(attribute)) if self._thorough and node.plain[2:]:
                        value = args.positional[2]
                        self._put_into(node.plain[0].value, attribute, value, node.at)
                return NONE
            case "hasattr" if self._tests:
                names = (str(a.value) for a in args.positional if isinstance(a, Constant))
                self._tests[-1].optional |= any(map(flax_api.names_key, names))
                if first != SelfObject():  # it is the class that is asked for
                    self._tests[-1].of_class = True
            case "isinstance" if self._tests:
                self._tests[-1].of_class = True
        if not name.startswith(("builtins.", "jax.", "flax.")):
            result = mixed(_result(args), UNKNOWN)  # the time, a number from another generator
            return as_number(result) if name.startswith(_NUMERIC) else result
        return as_number(_result(args)) if name.startswith(_NUMERIC) else _result(args)

    def _jit(self, name: str, compiled: Value, args: Arguments, node: code.Call) -> Compiled | None:
        function = self._run_of(compiled)
        place = self._anchor(node.at)
        if function is not None:
            self.facts.jits.append(JitCall(function, name, args, place))
        if isinstance(compiled, Partial):
            compiled = compiled.func
        given = node.argument("fun", 0)
        whole = all(isinstance(o, Instance | Method | SelfObject) for o in options(compiled))
        if not whole or given is None:
            return None
        number, identity = new_number(), self._identity(given.value)
        found = JitOfModule(compiled, identity[0], name, args, place, number, identity)
        self.facts.jits_of_modules.append(found)
        if node.at in self._called_at_once:
            self.facts.steps.append(Step(None, number, self._loop_number))
            return None
        return Compiled(number) if all(isinstance(o, Instance) for o in options(compiled)) else None

    def _run_of(self, value: Value) -> Function | LocalRun | None:
        """The function that is handed over, where it is known."""
        match value:
            case FunctionDefinition(_, outline):
                return outline
            case LocalFunction(number):
                return self._runs.get(number)
            case Partial(func, Arguments((), ())):
                return self._run_of(func)
        return None

    def _derive(self, key: Value, args: Arguments, name: str, node: code.Call) -> Value:
        """What ``split`` or ``fold_in`` make of a key and the rest of their arguments."""
        known = as_key(key)
        others = (*args.positional[1:], *(value for _, value in args.keywords))
        if known is None:
            return mixed(key, *args.all())
        if name == "clone":
            return replace(known, number=None)  # made to be consumed again
        number: object = new_number()
        holder = None
        if all(isinstance(other, Constant) for other in others):
            holder = self._holder(_key_of(node)) or known.holder
            if known.number is not None:  # made again, it is the same
                number = (known.number, name, others)
        varies = known.varies or mixed(*others).traits.varies
        return replace(known, varies=varies, number=number, holder=holder)


def _is_instance(value: Value) -> bool:
    return isinstance(value, Instance)


def _may_be_key(value: Value) -> bool:
    """Whether it is a key, or an ``nnx.Rngs`` of constants, or by its name may be one."""
    return any(
        isinstance(option, Key)
        or (isinstance(option, Rngs) and option.made_here)
        or (isinstance(option, Given) and flax_api.is_key_name(option.name))
        for option in options(value)
    )


def _is_told_to_evaluate(func: Value, args: Arguments) -> bool:
    """Whether a layer is told not to draw: ``dropout(x, rngs=key, deterministic=True)``."""
    return isinstance(func, Instance) and args.get("deterministic") == Constant(True)


def _key_of(node: code.Call) -> code.Expression:
    """The argument of a function of ``jax.random`` that is its key; the call, if it is bound."""
    by_name = (a.value for a in node.args if a.keyword == "key")
    first = (a.value for a in node.args[:1] if a.keyword is None)
    return next(by_name, next(first, node))


def _attribute_of_self(func: code.Expression) -> str | None:
    """``name`` in ``self.name.method``."""
    match func:
        case code.Attribute(code.Attribute(code.Name(), name), _):
            return name
    return None


def _state(filters: Value | None) -> Opaque:
    """The state of a module, or of its parameters alone."""
    return Opaque(Traits(carries=filters != Symbol("flax.nnx.Param")))


def _carrying(value: Opaque, *, carries: bool) -> Opaque:
    """The same value, known to carry the state of a model or not to."""
    return Opaque(replace(value.traits, carries=carries))


def _result(args: Arguments, *others: Value) -> Opaque:
    """What an unknown call returns: a mode if it was given nothing else, data otherwise."""
    given = (*others, *args.all())
    is_mode = all(
        isinstance(value, Constant | Flag | Symbol) or traits_of(value).flags for value in given
    )
    traits = replace(mixed(*given).traits, plain=False)
    return Opaque(traits if is_mode else replace(traits, flags=frozenset()))


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


def pattern_of(name: code.Expression) -> str:
    """``f"block_{i}"`` -> ``block_*``."""
    match name:
        case code.Operation("FormattedString", parts):
            texts = (p.value if isinstance(p, code.Constant) else "*" for p in parts)
            return "".join(map(str, texts))
    return "*"


def lifts(decorator: Value) -> bool:
    """Whether what builds a module still builds one, or a stack of them."""
    of = decorator.func if isinstance(decorator, Partial) else decorator
    return isinstance(of, Symbol) and of.name in _LIFTS


def is_built_by(func: Value) -> bool:
    """Whether a module is built by calling ``func``."""
    is_layer = isinstance(func, Symbol) and func.name in flax_api.LAYERS
    return is_layer or isinstance(func, ClassDefinition)
