"""Reads the tree of a model, from its constructor down, across files."""

import ast
import re
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from flake8_nnx_mode.facts import flax_api, models
from flake8_nnx_mode.facts.construction import (
    Built,
    Constructions,
    Held,
    Known,
    Slot,
    slots_of,
)
from flake8_nnx_mode.facts.handling import label_of
from flake8_nnx_mode.facts.library import top_package
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.tree import How, Layer, LayerCall, LayerKind, ModeFlag, Place, Told
from flake8_nnx_mode.facts.uses import LayerUse, Methods, Uses, tag
from flake8_nnx_mode.facts.values import (
    ANY_MODULE,
    NONE,
    UNKNOWN,
    Arguments,
    Boxed,
    Choice,
    ClassDefinition,
    Constant,
    Flag,
    Given,
    Instance,
    Items,
    Method,
    Rngs,
    Stream,
    Symbol,
    Table,
    Value,
    choose,
    contained,
    options,
    traits_of,
)
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book
from flake8_nnx_mode.syntax.chapter import Chapter

_ANNOTATED = "by an annotation, which lets subclasses in"
_KEPT = re.compile(r"(?P<negated>not )?self\.(?P<name>\w+)")
"""A mode that an object keeps, as it is handed on."""
_ZERO = (Constant(0), Constant(0.0))
_MOST_LAYERS = 50_000
_DEEPEST_TREE = 100
"""Layers within layers; what shows or reads a tree may go no deeper."""
_MOST_NESTED = 4
"""How often a class may stand within itself."""
_MOST_TAGS = 12
"""Elements of one list that are told apart; a run would take more of them for unknown."""
_HELD: dict[str, dict[str, int | None]] = {
    "flax.nnx.RNN": {"cell": 0},
    "flax.nnx.Bidirectional": {"forward_rnn": 0, "backward_rnn": 1},
    "flax.nnx.WeightNorm": {"layer_instance": 0},
    "flax.nnx.SpectralNorm": {"layer_instance": 0},
    "flax.nnx.LoRA": {"base_module": None},
}
"""What layers that are made of others call them, with the positions in their constructors."""
_BY_DEFAULT = {"flax.nnx.Dropout": "False", "flax.nnx.BatchNorm": "False"}
"""The mode of a layer that nobody tells; the others have to be told."""
_INNER_LAYERS = frozenset(
    "backward_rnn cell forward_rnn key key_ln layers lora out query query_ln value".split()
)
"""Attributes of layers of Flax that are layers."""


class _Spec(NamedTuple):
    """A layer that is to be read."""

    name: str
    value: Value
    maybe: bool
    held: Held | None = None


_Reading = Generator[_Spec, Layer, Layer]


class Reader:
    """Reads models; what is alike for objects of a class is found once, however many there are."""

    def __init__(self, project: Project) -> None:
        """Read them as ``project`` sees them."""
        self._project = project
        self._constructions = Constructions(project)
        self._methods = Methods(project, self._constructions)
        self._above: list[tuple[ClassDefinition, Arguments | None]] = []
        self._classes: dict[Place, ClassDefinition] = {}
        self._slots: list[Slot] = []
        self._left = _MOST_LAYERS

    def model(self, of: ClassDefinition) -> Layer:
        """The tree of a model of class ``of``, whatever it is built with."""
        facts = self._project.class_facts(of)
        self._slots = slots_of(facts)
        built = self._constructions.build_model(facts)
        self._left = _MOST_LAYERS
        spec = _Spec(of.outline.name, Instance(of, None), maybe=False)
        stack: list[_Reading] = [self._object(spec, of, None, built)]
        done: Layer | None = None
        while stack:
            try:
                wanted = next(stack[-1]) if done is None else stack[-1].send(done)
            except StopIteration as stop:
                stack.pop()
                done = stop.value
            else:
                too_deep = len(stack) >= _DEEPEST_TREE
                stack.append(_leaf(_too_deep(wanted)) if too_deep else self._layer(wanted))
                done = None
        assert done is not None
        return done

    # -- what there is -----------------------------------------------------------------------

    def _specs(self, name: str, value: Value, *, maybe: bool) -> Iterator[_Spec]:
        """The layers that ``value`` is or holds; also what is not known and may be one."""
        match value:
            case Instance(Symbol("flax.nnx.List" | "flax.nnx.Dict")):
                yield _Spec(f"{name}[*]", ANY_MODULE, maybe)
            case Instance(Symbol()):
                yield _Spec(name, value, maybe or _is_annotated(value))
            case Instance(ClassDefinition() as of):
                facts = self._project.class_facts(of)
                if facts.is_module:
                    yield _Spec(name, value, maybe or _is_annotated(value))
                elif not (facts.ancestry.known or facts.is_variable):
                    yield _Spec(name, UNKNOWN, maybe)
            case Choice(parts):
                for part in parts:
                    yield from self._specs(name, part, maybe=True)
            case Items(elements, ordered):
                for index, element in enumerate(elements):
                    inner = f"{name}[{index if ordered else '*'}]"
                    yield from self._specs(inner, element, maybe=maybe)
            case Table(items):
                for key, element in items:
                    inner = f"{name}[{'*' if key is None else repr(key)}]"
                    yield from self._specs(inner, element, maybe=maybe)
            case Method(Instance(Symbol()), attribute) if attribute in _INNER_LAYERS:
                yield _Spec(name, ANY_MODULE, maybe)
            case _ if self._is_vague(value):
                left_out = isinstance(value, Given) and self._is_none_by_default(value.name)
                yield _Spec(name, value, maybe or left_out)

    def _is_none_by_default(self, parameter: str) -> bool:
        return any(
            slot.name == parameter and slot.left_out(self._project) == NONE for slot in self._slots
        )

    def _is_vague(self, value: Value) -> bool:
        return not isinstance(value, Boxed) and self._constructions.is_vague(value)

    def _held_by(self, built: Built) -> list[_Spec]:
        """What an object holds, each under its name and class once."""
        found: dict[tuple[str, object], _Spec] = {}
        classes: dict[str, set[object]] = defaultdict(set)
        for several in built.held.values():
            for held in several:
                for spec in self._specs(held.name, held.value, maybe=not held.sure):
                    of = spec.value.of if isinstance(spec.value, Instance) else None
                    classes[spec.name].add(of)
                    other = found.get((spec.name, of))
                    spec = spec._replace(held=held)
                    found[spec.name, of] = spec if other is None else _either(other, spec)
        return [
            spec._replace(maybe=spec.maybe or len(classes[spec.name]) > 1)
            for spec in found.values()
        ]

    # -- one layer ---------------------------------------------------------------------------

    def _layer(self, spec: _Spec) -> _Reading:
        match spec.value:
            case Instance(Symbol(of), args) if of in flax_api.LAYERS:
                return self._builtin(spec, of, args)
            case Instance(ClassDefinition() as of, args):
                return self._object(spec, of, args)
        return self._unknown(spec)

    def _unknown(self, spec: _Spec) -> _Reading:
        """Something that is, or may be, a module."""
        return _leaf(Layer(spec.name, "", "", "unknown", view=None, note=self._why(spec)))

    def _why(self, spec: _Spec) -> str:
        """Why it is not known what a layer is."""
        value, source = spec.value, None if spec.held is None else spec.held.source
        if isinstance(value, Given):
            return f"given to the constructor as `{value.name}`"
        if isinstance(source, code.Call) and (label := label_of(source.func)):
            holds = label.rpartition(".")[2] in ("List", "Dict", "Sequential", "data")
            return "" if holds else f"what `{label}` gives is not known"
        return "some module" if isinstance(value, Instance) else ""

    def _builtin(self, spec: _Spec, of: str, args: Arguments | None) -> _Reading:
        """A layer of Flax."""
        module, _, own = of.rpartition(".")
        layer = Layer(
            spec.name, own, module, "plain", view=tuple(sorted(flax_api.VIEWS.get(of, ())))
        )
        mode = flax_api.MODES.get(of)
        if mode is not None:
            layer = self._with_mode(layer, of, mode, args)
        if _is_annotated(spec.value):
            layer = replace(layer, note=_ANNOTATED)
        children = []
        for part in self._parts(of, args):
            children.append((yield part))
        return replace(layer, maybe=spec.maybe, children=tuple(children))

    def _parts(self, of: str, args: Arguments | None) -> Iterator[_Spec]:
        """The layers that a layer of Flax is made of."""
        given: dict[str, Value] = {}
        if of == "flax.nnx.Sequential":
            given = _layers_of(args)
        elif args is not None:
            named = {n: args.get(n, position) for n, position in _HELD.get(of, {}).items()}
            given = {name: value for name, value in named.items() if value is not None}
        for name, value in given.items():
            yield from self._specs(name, value, maybe=False)

    def _with_mode(
        self, layer: Layer, of: str, mode: flax_api.BuiltinMode, args: Arguments | None
    ) -> Layer:
        rate = self._rate(of, args)
        active = mode.kind == "stateful" or rate != "0"
        streams: tuple[str, ...] = ()
        if active and mode.kind == "stochastic":
            named = None if args is None else args.get("rng_collection")
            streams = (str(named.value),) if isinstance(named, Constant) else ("dropout",)
            streams = streams if named is None or isinstance(named, Constant) else ("?",)
        flag = ModeFlag(
            mode.flag, _means(mode.train_value), "call", self._told_first(of, mode, args), active
        )
        note = "" if rate is None else f"its rate is {rate}"
        kind: LayerKind = mode.kind if active else "plain"
        return replace(layer, kind=kind, flags=(flag,), streams=streams, note=note)

    def _told_first(self, of: str, mode: flax_api.BuiltinMode, args: Arguments | None) -> str:
        """What a layer of Flax does if its calls say nothing, as its constructor was told."""
        if args is None or args.open or of not in _BY_DEFAULT:
            return ""
        given = args.get(mode.flag)
        if isinstance(given, Given):
            given = self._constructions.defaults.get(given.name, UNKNOWN)
        if given is None:
            return _BY_DEFAULT[of]
        return str(given.value) if isinstance(given, Constant) and given.value is not None else ""

    def _rate(self, of: str, args: Arguments | None) -> str | None:
        """Where it drops nothing, ``0``, or ``0 by default``; None where it may drop."""
        if args is None or of not in flax_api.RATES:
            return None
        rate = args.get(*flax_api.RATES[of])
        if rate is None and not args.open and of != "flax.nnx.Dropout":
            return "0"
        if isinstance(rate, Given) and self._constructions.defaults.get(rate.name) in _ZERO:
            return "0 by default"
        return "0" if rate in _ZERO else None

    def _object(
        self, spec: _Spec, of: ClassDefinition, args: Arguments | None, built: Built | None = None
    ) -> _Reading:
        """An object of a class of the project."""
        facts = self._project.class_facts(of)
        layer = Layer(
            spec.name,
            of.outline.name,
            _module_of(of.book),
            "unknown",
            defined=place_of(of),
            maybe=spec.maybe,
            view=self._view(facts),
        )
        self._classes[place_of(of)] = of
        nested = [other for other in self._above if other[0] == of]
        self._left -= 1
        if (of, args) in nested or len(nested) >= _MOST_NESTED or self._left < 0:
            note = f"holds another {layer.of}, and so on" if nested else "the model is too large"
            return replace(layer, note=note)
        annotated = _ANNOTATED if self._above and _is_annotated(spec.value) else ""
        self._above.append((of, args))
        built = built or self._constructions.build(facts, args)
        if isinstance(spec.value, Instance):
            built.put_parts(spec.value.parts)
        uses = self._methods.uses(facts, self._tagged(built))
        base = min(facts.ancestry.builtins & flax_api.LAYERS, default="")
        if base in flax_api.MODES:
            layer = self._with_mode(layer, base, flax_api.MODES[base], built.base_args)
        kind, note = self._kind(facts, built, uses, layer)
        parts = list(self._parts(base, built.base_args)) if base else []
        for part in self._held_by(built):
            if not _is_sure(part) and f"{part.name}[*]" in uses.calls:
                part = part._replace(name=f"{part.name}[*]")
            if _is_sure(part) or part.name in uses.calls:
                parts.append(part)
        places = self._places_built(parts)
        shared = _shared(parts)
        children = []
        for part in parts:
            names = shared[part.name]
            child = self._with_calls((yield part), names, uses)
            if part.name != names[0]:
                child = replace(child, note=f"the same object as `{names[0]}`", children=())
            anchor = None if part.held is None else part.held.anchor
            place = None if anchor is None else places[anchor]
            children.append(replace(child, built=place, maybe=part.maybe))
        self._above.pop()
        return replace(
            layer,
            kind=kind,
            note="; ".join(filter(None, (annotated, note))),
            flags=tuple(self._flags(facts, built, uses, layer)),
            streams=tuple(sorted(uses.streams.union(layer.streams))),
            children=tuple(children),
        )

    def _with_calls(self, layer: Layer, paths: Sequence[str], uses: Uses) -> Layer:
        """A layer as its parent calls it, and those that a layer of Flax is made of."""
        every = [call for path in paths for call in uses.calls_of(path)]
        calls = tuple(self._called(layer, call) for call in every)
        called = True if calls else None if any(map(uses.mentions, paths)) else False
        children = layer.children
        if layer.module == "flax.nnx":
            inner = (
                self._with_calls(c, [f"{path}.{c.name}" for path in paths], uses) for c in children
            )
            # Without calls in sight, they are called as a layer of Flax calls what it is made of.
            children = tuple(c if c.calls else replace(c, called=called) for c in inner)
        return replace(layer, calls=calls, called=called, children=children)

    def _called(self, layer: Layer, call: LayerUse) -> LayerCall:
        """One call of a layer, and what it tells it."""
        taken = self._taken(layer, call)
        flags = {flag.name: flag for flag in layer.flags if flag.by == "call"}
        if not layer.of:
            polarity = self._project.settings.mode_flags
            flags = {n: ModeFlag(n, _means(polarity[n]), "call", "", None) for n in taken}
        told = (self._told(flags[name], taken[name], call) for name in flags if name in taken)
        return LayerCall(call.method, call.name, call.place, call.end, tuple(told))

    def _taken(self, layer: Layer, call: LayerUse) -> dict[str, int | None]:
        """The mode flags that a method of a layer takes, with their positions."""
        if layer.defined is not None:
            facts = self._project.class_facts(self._classes[layer.defined])
            found = facts.find_method(call.name)
            if found is not None:
                named = found[1].as_called(bound=True)
                return {p.name: index for index, p in named if self._project.is_mode_flag(p)}
            of = min(facts.ancestry.builtins & flax_api.MODES.keys(), default="")
        else:
            of = f"{layer.module}.{layer.of}"
        if of in flax_api.MODES:
            mode = flax_api.MODES[of]
            return {mode.flag: mode.position} if call.name == "__call__" else {}
        given = (name for name, _ in call.args.keywords)
        return {name: None for name in given if name in self._project.settings.mode_flags}

    def _told(self, flag: ModeFlag, position: int | None, call: LayerUse) -> Told:
        value = call.args.get(flag.name, position)
        text = call.texts.get(flag.name) or call.texts.get(-1 if position is None else position, "")
        if not text and isinstance(value, Flag | Constant):  # of `partial(self.block, train=train)`
            text = value.name if isinstance(value, Flag) else repr(value.value)
        train_like = flag.means == "train"
        polarity = self._project.settings.mode_flags
        match value:
            case None if call.args.open:
                return Told(flag.name, "unknown", "")
            case None:
                return Told(flag.name, "dropped" if call.has_mode else "default", "")
            case Flag(name):
                right = value.means_train(polarity) == train_like
                return Told(flag.name, "forwarded" if right else "inverted", text, (name,))
            case Constant(constant):
                how: How = "dropped" if constant is None else "fixed"
                return Told(flag.name, how, text)
        kept = _KEPT.fullmatch(text)
        if kept is not None and kept["name"] in polarity:
            right = (polarity[kept["name"]] != bool(kept["negated"])) == train_like
            source = f"self.{kept['name']}"
            return Told(flag.name, "forwarded" if right else "inverted", text, (source,))
        return Told(flag.name, "unknown", text, tuple(sorted(traits_of(value).flags)))

    # -- what the methods of a class do ------------------------------------------------------

    def _tagged(self, built: Built) -> Known:
        """The attributes of an object as its methods are to see them: layers know their names."""
        found: dict[str, Value] = {}
        for name, several in built.held.items():
            if any(map(self._may_hold_layers, (held.value for held in several))):
                found[name] = choose(*(self._with_tags(name, held.value) for held in several))
            elif (streams := _streams_in(built.value(name))) is not None:
                found[name] = streams
        return found

    def _may_hold_layers(self, value: Value) -> bool:
        return next(self._specs("", value, maybe=False), None) is not None

    def _with_tags(self, path: str, value: Value) -> Value:
        match value:
            case Instance(Symbol("flax.nnx.Sequential"), args):
                inner = _layers_of(args)
                layers = tuple(self._with_tags(f"{path}.{n}", v) for n, v in inner.items())
                return Instance(value.of, Arguments(layers, tag(path), open=args is None))
            case Instance(of):
                return Instance(of, Arguments((), tag(path)))
            case Choice(parts):
                return choose(*(self._with_tags(path, part) for part in parts))
            case Items(elements, ordered):
                apart = ordered and len(elements) <= _MOST_TAGS
                places = (str(i) if apart else "*" for i in range(len(elements)))
                tagged = (
                    self._with_tags(f"{path}[{place}]", element)
                    for place, element in zip(places, elements, strict=True)
                )
                return Items(tuple(tagged), ordered)
            case Table(items):
                return Table(
                    tuple(
                        (k, self._with_tags(f"{path}[{'*' if k is None else repr(k)}]", v))
                        for k, v in items
                    )
                )
            case _ if self._is_vague(value):
                # If it is called, or what is in it, it is a layer, or a list or dict of them.
                some = Instance(ANY_MODULE.of, Arguments((), tag(path)))
                inner_one = Instance(ANY_MODULE.of, Arguments((), tag(f"{path}[*]")))
                return Choice((some, Items((inner_one,)), Table(((None, inner_one),))))
        return value

    def _places_built(self, specs: Iterable[_Spec]) -> dict[Anchor, Place]:
        """Where an object's attributes are assigned."""
        books: dict[Chapter, Book] = {}
        anchors: dict[Chapter, list[Anchor]] = defaultdict(list)
        for spec in specs:
            if spec.held is not None and spec.held.anchor is not None:
                assert spec.held.book is not None
                chapter = spec.held.anchor.chapter
                books[chapter] = spec.held.book
                anchors[chapter].append(spec.held.anchor)
        found = {}
        for chapter, several in anchors.items():
            wanted = [(anchor.at, anchor.part) for anchor in several]
            spans = self._methods.spans_in(chapter, wanted)
            for anchor in several:
                found[anchor] = Place(books[chapter].path, spans[anchor.at, anchor.part].start)
        return found

    # -- what a class is ---------------------------------------------------------------------

    def _kind(
        self, facts: ClassFacts, built: Built, uses: Uses, base: Layer
    ) -> tuple[LayerKind, str]:
        """What it does itself, whatever it holds; and what else there is to know.

        ``base`` is what it is as a layer of Flax.
        """
        written = [name for name in sorted(uses.written) if self._is_variable(built.value(name))]
        writes = f"its calls write {', '.join(f'`{name}`' for name in written)}" if written else ""
        if uses.streams or uses.samples:
            return "stochastic", writes
        if not facts.ancestry.known:
            return "unknown", "one of its base classes is not known"
        if not uses.known or not built.complete:
            return "unknown", "its code is not understood"
        more = "may hold more: attributes may be set by computed names, or elsewhere"
        note = more if models.is_dynamic(facts, named=False) else ""
        if base.flags:
            of = min(facts.ancestry.builtins & flax_api.MODES.keys())
            return base.kind, "; ".join(filter(None, (f"a subclass of {of}", base.note, writes)))
        return ("stateful", writes) if written else ("plain", note)

    def _is_variable(self, value: Value) -> bool:
        """Whether it is, or holds, an ``nnx.Variable``."""
        match value:
            case Boxed():
                return True
            case Instance(ClassDefinition() as of):
                return self._project.class_facts(of).is_variable
        return any(map(self._is_variable, contained(value)))

    def _view(self, facts: ClassFacts) -> tuple[str, ...] | None:
        known = models.keywords(self._project, models.Part(facts.definition))
        return None if known is None or not facts.ancestry.known else tuple(sorted(known))

    def _flags(
        self, facts: ClassFacts, built: Built, uses: Uses, base: Layer
    ) -> Iterator[ModeFlag]:
        """The modes that its calls take, and those that it keeps."""
        polarity = self._project.settings.mode_flags
        seen = set()
        for _, function, found in sorted(uses.forward, key=lambda f: f[1].name != "__call__"):
            for parameter in function.parameters[1:]:
                name = parameter.name
                if name in seen or not self._project.is_mode_flag(parameter):
                    continue
                seen.add(name)
                default = "" if parameter.default is None else ast.unparse(parameter.default)
                used = name in found.flags_read and name not in found.flags_deleted
                yield ModeFlag(
                    name, _means(polarity[name]), "call", default, used if found.known else None
                )
        if facts.find_method("__call__") is None:
            seen |= {flag.name for flag in base.flags}
            yield from base.flags
        for name in (*built.held, *sorted(facts.names_of_class)):
            if name in polarity and name not in seen:
                seen.add(name)
                default = self._kept_first(facts, built, name)
                read = uses.reads(name) if uses.known else None
                yield ModeFlag(name, _means(polarity[name]), "attribute", default, read)

    def _kept_first(self, facts: ClassFacts, built: Built, name: str) -> str:
        """The mode that an object keeps until somebody sets it; empty if that is not known."""
        value = built.value(name) if name in built.held else facts.attribute(name)
        if isinstance(value, Given):
            value = self._constructions.defaults.get(value.name)
        return repr(value.value) if isinstance(value, Constant) else ""


def _leaf(layer: Layer) -> _Reading:
    return layer
    yield  # a generator, as all of them


def _too_deep(spec: _Spec) -> Layer:
    return Layer(spec.name, "", "", "unknown", view=None, note="the model is too deep")


def _shared(specs: Iterable[_Spec]) -> dict[str, list[str]]:
    """The names of each object that is assigned to several attributes, the first one first."""
    objects: dict[object, list[str]] = {}
    found: dict[str, list[str]] = {}
    for spec in specs:
        source = None if spec.held is None else spec.held.source
        made = spec.value.made if isinstance(spec.value, Instance) else None
        names = found.get(_path_of(source), [])  # `self.b = self.a`
        if isinstance(source, code.Call) and made is not None and made.anchor.at == source.at:
            names = objects.setdefault(made.anchor, [])  # `self.a = self.b = Block()`
        found[spec.name] = names if spec.held is not None and spec.name == spec.held.name else []
        found[spec.name].append(spec.name)
    return found


def _path_of(source: code.Expression | None) -> str:
    """``self.a``, ``self.a[0]`` -> ``a``, ``a[0]``."""
    match source:
        case code.Subscript(code.Attribute(code.Name("self"), name), code.Constant(index)):
            return f"{name}[{index!r}]"
        case code.Attribute(code.Name("self"), name):
            return name
    return ""


def _either(one: _Spec, other: _Spec) -> _Spec:
    """A layer that is built in two places, or twice."""
    maybe = one.maybe and other.maybe
    match one.value, other.value:
        case Instance(of, args), Instance(_, others) if args != others:
            return one._replace(value=Instance(of, _common(args, others)), maybe=maybe)
    return one._replace(maybe=maybe)


def _common(one: Arguments | None, other: Arguments | None) -> Arguments | None:
    """What is known of arguments that are ``one`` or ``other``."""
    if one is None or other is None:
        return None
    names = {name for name, _ in one.keywords} & {name for name, _ in other.keywords}
    pairs = zip(one.positional, other.positional, strict=False)
    return Arguments(
        tuple(choose(a, b) for a, b in pairs),
        tuple((n, choose(one.get(n) or UNKNOWN, other.get(n) or UNKNOWN)) for n in sorted(names)),
        open=one.open
        or other.open
        or len(one.positional) != len(other.positional)
        or len(names) < max(len(one.keywords), len(other.keywords)),
    )


def _layers_of(args: Arguments | None) -> dict[str, Value]:
    """What an ``nnx.Sequential`` calls its layers."""
    if args is None:
        return {"layers[*]": ANY_MODULE}
    found = {f"layers[{index}]": value for index, value in enumerate(args.positional)}
    stars = [value for name, value in args.keywords if name == "*"]
    match stars:
        case [Items(elements, ordered=True)]:
            start = len(found)
            found |= {f"layers[{start + index}]": value for index, value in enumerate(elements)}
        case [_, *_]:
            several = [option for star in stars for option in options(star)]
            inner = (v.elements if isinstance(v, Items) else (v,) for v in several)
            found["layers[*]"] = choose(*(value for values in inner for value in values))
    return found


def _streams_in(value: Value) -> Value | None:
    """The ``nnx.Rngs``, or one stream of it, that an attribute may hold."""
    for option in options(value):
        if isinstance(option, Rngs):
            return Rngs("kept", option.sure)
        if isinstance(option, Stream):
            return Stream(option.name, Rngs("kept", option.of.sure))
    return None


def _is_sure(spec: _Spec) -> bool:
    """Whether it is a module, or was made with what modules are made with."""
    if isinstance(spec.value, Instance):
        return True
    source = None if spec.held is None else spec.held.source
    made = (node for node in code.walk(source) if isinstance(node, code.Call))
    with_keys = any(_takes_rngs(call) for call in made)
    return with_keys and traits_of(spec.value).carries


def _takes_rngs(call: code.Call) -> bool:
    given = (a for a in call.args if a.keyword == "rngs" or label_of(a.value).endswith("rngs"))
    return next(given, None) is not None


def _is_annotated(value: Value) -> bool:
    """Whether only an annotation says what it is."""
    return isinstance(value, Instance) and value.made is None and value.made_with is None


def _means(train_like: bool) -> Literal["train", "eval"]:
    return "train" if train_like else "eval"


def place_of(of: ClassDefinition) -> Place:
    """Where a class is defined."""
    node = of.outline.node
    return Place(of.book.path, of.book.lines.from_ast(node.lineno, node.col_offset))


def _module_of(book: Book) -> str:
    """The name of a file as a module, from its outermost package down."""
    start = top_package(book.path).parent
    parts = book.path.relative_to(start).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)
