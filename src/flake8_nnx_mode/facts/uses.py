"""What the methods of a class do with the layers that its objects hold."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flake8_nnx_mode.facts.construction import Constructions, Known
from flake8_nnx_mode.facts.events import BaseCall, FunctionFacts, MethodCall, ModuleCall
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.tree import Place
from flake8_nnx_mode.facts.values import (
    ANY_MODULE,
    Arguments,
    ClassDefinition,
    Constant,
    Instance,
    Value,
    is_structural,
    options,
)
from flake8_nnx_mode.model import Position, Span
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.chapter import Chapter, Part
from flake8_nnx_mode.syntax.outline import Function

_INDEX = re.compile(r"\[[^]]*\]$")
_TAG = "#"
"""The argument by which a run over a method knows a layer: how its parent holds it."""
_METHODS_OF_DATA = frozenset(
    name
    for names in (
        *(dir(of) for of in (str, list, dict, set)),
        "all any argmax argmin argsort astype at conj cumsum dot flatten get_value max mean min"
        " prod ravel repeat reshape round squeeze std sum swapaxes take tolist transpose"
        " var".split(),
    )
    for name in names
)
"""Methods that say nothing of what has them: arrays, containers and strings do."""


@dataclass(frozen=True, slots=True)
class LayerUse:
    """A place where a class calls one of its layers."""

    path: str
    """Which one: how it holds it."""
    method: str
    """Its own method."""
    place: Place
    end: Position
    args: Arguments
    texts: Mapping[str | int, str]
    """What is written for each argument, by name or position."""
    name: str
    """The method of the layer that is called."""
    has_mode: bool
    """Whether its own method has a mode to hand on."""


@dataclass(slots=True)
class Uses:
    """What the methods of a class do that run after construction."""

    forward: list[tuple[Book, Function, FunctionFacts]] = field(default_factory=list)
    calls: dict[str, list[LayerUse]] = field(default_factory=lambda: defaultdict(list))
    """By the path of the layer."""
    streams: set[str] = field(default_factory=set)
    samples: bool = False
    """Whether it draws numbers, from whatever key."""
    written: set[str] = field(default_factory=set)
    """The attributes that it writes."""

    @property
    def known(self) -> bool:
        """Whether all of the methods could be read."""
        return all(found.known for _, _, found in self.forward)

    def calls_of(self, path: str) -> list[LayerUse]:
        """The calls of a layer, also those of any element of a list that it is in."""
        every = _INDEX.sub("[*]", path)
        return [*self.calls.get(path, ()), *(self.calls.get(every, ()) if every != path else ())]

    def reads(self, name: str) -> bool:
        """Whether an attribute is read."""
        return any(read.name == name for _, _, found in self.forward for read in found.reads)

    def mentions(self, path: str) -> bool:
        """Whether an attribute, or what is in it, may be used in ways that are not followed."""
        name = re.split(r"[.[]", path)[0]
        return "*" in name or any(b.mentions(f, name) for b, f, _ in self.forward)


class Methods:
    """Runs the methods of classes; what they do is found once for objects that hold the same."""

    def __init__(self, project: Project, constructions: Constructions) -> None:
        """Run them as ``project`` and ``constructions`` see them."""
        self._project = project
        self._constructions = constructions
        self._uses: dict[object, Uses] = {}
        self._spans: dict[Chapter, dict[Part, Span]] = defaultdict(dict)

    def uses(self, facts: ClassFacts, tagged: Known) -> Uses:
        """What those of a class do whose objects hold ``tagged`` layers."""
        key = (facts.definition, frozenset(tagged.items()))
        if key not in self._uses:
            self._uses[key] = self._find(facts, tagged)
        return self._uses[key]

    def spans_in(self, chapter: Chapter, wanted: Iterable[Part]) -> Mapping[Part, Span]:
        """Where code stands; each chapter is asked once for the same."""
        known = self._spans[chapter]
        missing = [part for part in wanted if part not in known]
        if missing:
            known.update(chapter.spans(missing))
        return known

    def _find(self, facts: ClassFacts, tagged: Known) -> Uses:
        uses = Uses()
        pending: list[tuple[ClassDefinition, Function, Known]] = []
        pending += ((definition, function, {}) for definition, function in _forward_methods(facts))
        seen = {(function, frozenset[object]()) for _, function, _ in pending}
        for definition, function, given in pending:  # which grows
            found = self._constructions.run(facts, definition, function, given, tagged)
            uses.forward.append((definition.book, function, found))
            self._add(uses, definition, function, found)
            for event in found.on_self:
                called = _called_by(facts, definition, event)
                if called is not None:
                    layers = {n: v for n, v in called[2].items() if is_structural(v)}
                    key = (called[1], frozenset(layers.items()))
                    if key not in seen:
                        seen.add(key)
                        pending.append((*called[:2], layers))
        return uses

    def _add(
        self, uses: Uses, definition: ClassDefinition, function: Function, found: FunctionFacts
    ) -> None:
        for call in self._calls(definition.book, function, found):
            uses.calls[call.path].append(call)
        uses.streams |= {draw.stream or "?" for draw in found.draws}
        of_layers = {call.node.at for call in _called_in(found)}
        uses.samples |= any(
            use.draws and use.anchor.at not in of_layers for use in found.consumptions
        )
        uses.written |= {write.name for write in found.writes}

    def _calls(self, book: Book, function: Function, found: FunctionFacts) -> Iterator[LayerUse]:
        """What a method calls of the object's layers, with the words that stand there."""
        calls = [(call, paths) for call in _called_in(found) if (paths := _paths(call))]
        chapter = book.chapter(function) if calls else None
        if chapter is None:
            return
        has_mode = any(map(self._project.is_mode_flag, function.parameters))
        wanted = [(call.node.at, "") for call, _ in calls]
        wanted += [(argument.at, "value") for call, _ in calls for argument in call.node.args]
        spans = self.spans_in(chapter, wanted)

        def text(argument: code.Argument) -> str:
            span = spans[argument.at, "value"]
            written = book.text[book.lines.offset(span.start) : book.lines.offset(span.end)]
            return " ".join(written.split())

        for call, paths in calls:
            texts: dict[str | int, str] = dict(enumerate(map(text, call.node.plain)))
            texts.update((a.keyword, text(a)) for a in call.node.args if a.keyword is not None)
            name = "__call__" if isinstance(call, ModuleCall) else call.name
            span = spans[call.node.at, ""]
            place = Place(book.path, span.start)
            for path in paths:
                yield LayerUse(
                    *(path, function.name, place, span.end, call.args, texts, name), has_mode
                )


def tag(path: str) -> tuple[tuple[str, Value], ...]:
    """The argument by which a run knows the layer at ``path``."""
    return ((_TAG, Constant(path)),)


def _called_in(found: FunctionFacts) -> list[ModuleCall | MethodCall]:
    return [*found.calls, *found.methods_called]


def _paths(call: ModuleCall | MethodCall) -> list[str]:
    """The layers that a call may be of, as the object holds them."""
    found: dict[str, None] = {}
    of_data = isinstance(call, MethodCall) and call.name in _METHODS_OF_DATA
    for option in options(call.receiver if isinstance(call, MethodCall) else call.child):
        if isinstance(option, Instance) and option.made_with is not None:
            tag = option.made_with.get(_TAG)
            if isinstance(tag, Constant) and not (of_data and option.of == ANY_MODULE.of):
                found[str(tag.value)] = None
    return list(found)


def _forward_methods(facts: ClassFacts) -> Iterator[tuple[ClassDefinition, Function]]:
    """The methods that run after construction, without those that are overridden."""
    seen: set[str] = set()
    for definition in facts.ancestry.classes:
        for name, function in definition.outline.methods.items():
            if name not in seen and facts.is_forward(function) and name != "set_view":
                yield definition, function
        seen |= definition.outline.methods.keys()


def _called_by(
    facts: ClassFacts, definition: ClassDefinition, event: object
) -> tuple[ClassDefinition, Function, Known] | None:
    """The method of self that a method of ``definition`` calls, and with what."""
    match event:
        case MethodCall(name=name, args=args):
            found = facts.find_method(name)
        case BaseCall(name, None, args):
            classes = facts.ancestry.classes
            above = classes[classes.index(definition) + 1 :]
            methods = ((base, base.outline.methods.get(name)) for base in above)
            found = next(((base, f) for base, f in methods if f is not None), None)
        case _:
            return None
    if found is None:
        return None
    named = found[1].as_called(bound=True)
    given = ((p.name, args.get(p.name, index)) for index, p in named)
    return *found, {name: value for name, value in given if value is not None}
