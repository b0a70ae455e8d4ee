"""Which modules keep the ``nnx.Rngs`` that they are given as it is, so that several share it."""

from collections import Counter
from collections.abc import Iterator

from flake8_nnx_mode.facts.events import AttributeWrite
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.project import DEEPEST_MODEL, Project
from flake8_nnx_mode.facts.values import (
    UNKNOWN,
    Boxed,
    Choice,
    ClassDefinition,
    Instance,
    Items,
    Rngs,
    Symbol,
    Table,
    Value,
    contained,
)
from flake8_nnx_mode.syntax.outline import Parameter

Keepings = Counter[AttributeWrite]
"""The assignments that keep one Rngs, and how many objects each of them keeps it in."""


class Sharing:
    """Follows an ``nnx.Rngs`` from a constructor down to those that keep it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[tuple[ClassDefinition, str], Keepings] = {}
        self._nested = 0

    def shared(self) -> Iterator[AttributeWrite]:
        """The assignments, in the file at hand, that keep what others keep as well."""
        found: dict[AttributeWrite, None] = {}
        for module in self._project.modules:
            for _, parameter in _parameters(module):
                keepings = self._keepings(module, parameter.name)
                if keepings.total() > 1:
                    found.update(dict.fromkeys(keepings))
        for write in found:
            if self._project.book.has(write.anchor.chapter):
                yield write

    def _keepings(self, module: ClassFacts, parameter: str) -> Keepings:
        """Who keeps the Rngs that the constructor of ``module`` is given as ``parameter``."""
        key = (module.definition, parameter)
        if key not in self._known:
            self._known[key] = Counter()  # for a class that builds itself
            self._nested += 1
            by_attribute: dict[str, Keepings] = {}
            last: dict[str, AttributeWrite] = {}
            for write in module.writes_of_construction():
                # Of several classes that write it, the first is the one below.
                chapter = last.setdefault(write.name, write).anchor.chapter
                if write.whole and write.anchor.chapter is chapter:
                    if write.value == UNKNOWN and write.source is None:  # deleted
                        by_attribute.pop(write.name, None)
                        continue
                    kept = self._in_value(write.value, parameter, write)
                    earlier = by_attribute.get(write.name, Counter())
                    # It holds one of them in the end, by the branch taken.
                    by_attribute[write.name] = max(earlier, kept, key=Counter.total)
            itself = [k for name, k in by_attribute.items() if last[name] in k]
            others = [k for name, k in by_attribute.items() if last[name] not in k]
            # Itself keeps it once, under however many names.
            self._known[key] = sum([*others, *itself[:1]], Counter())
            self._nested -= 1
        return self._known[key]

    def _in_value(self, value: Value, parameter: str, write: AttributeWrite) -> Keepings:
        found: Keepings = Counter()
        match value:
            case Rngs() if _is_parameter(value, parameter):
                found[write] = 1
            case Instance(ClassDefinition() as of, args) if args is not None and not args.open:
                module = self._project.class_facts(of)
                if module.is_module and self._nested < DEEPEST_MODEL:
                    for index, inner in _parameters(module):
                        given = args.get(inner.name, index)
                        if isinstance(given, Rngs) and _is_parameter(given, parameter):
                            found += self._keepings(module, inner.name)
            case Instance(Symbol(), args) if args is not None:
                for held in args.all():
                    found += self._in_module(held, parameter, write)
            case Items() | Table():
                for part in contained(value):
                    found += self._in_module(part, parameter, write)
                if isinstance(value, Items) and not value.ordered and len(value.elements) == 1:
                    found += found  # what a comprehension makes
            case Boxed(_, inner_value):
                found += self._in_module(inner_value, parameter, write)
            case Choice(parts):
                each = (self._in_module(part, parameter, write) for part in parts)
                found = max(each, key=Counter.total)
        return found

    def _in_module(self, value: Value, parameter: str, write: AttributeWrite) -> Keepings:
        """As ``_in_value``, for parts of what is kept: an Rngs among them is an argument."""
        return Counter() if isinstance(value, Rngs) else self._in_value(value, parameter, write)


def _is_parameter(rngs: Rngs, parameter: str) -> bool:
    """Whether it is what the constructor was given, not a fork of it."""
    return rngs.origin == "given" and rngs.parameter == parameter


def _parameters(module: ClassFacts) -> Iterator[tuple[int | None, Parameter]]:
    """Those of the constructor, with their index in a call if they have one."""
    found = module.find_method("__init__")
    if found is not None:
        yield from found[1].as_called(bound=True)
