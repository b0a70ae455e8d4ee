"""Fixes that several rules share."""

import re

from flake8_nnx_mode.facts.modes import ModeMistake
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import ClassDefinition, Instance, Symbol, Value, contained
from flake8_nnx_mode.facts.views import Store
from flake8_nnx_mode.model import Applicability, Span
from flake8_nnx_mode.rules import Change, Remedy
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Anchor, Book

_ANOTHER_STATEMENT = re.compile(r"[\s\\)]*;[ \t]*[^\s#;]")


def argument_added(
    call: code.Call, anchor: Anchor, text: str, applicability: Applicability
) -> Remedy | None:
    """A fix that gives a call one more argument, the last; None where that is not simple."""
    args = call.args
    if not args or (len(args) == 1 and isinstance(args[0].value, code.Comprehension)):
        return None  # `f(x for x in y)` has no room for another
    last = Anchor(anchor.chapter, args[-1].at)
    return Remedy(applicability, (Change(last, f", {text}", "after"),))


def argument_replaced(mistake: ModeMistake, applicability: Applicability = "safe") -> Remedy | None:
    """A fix that writes the argument at fault as it should be; None if that is not known."""
    if mistake.argument is None or not mistake.plain:
        return None
    return Remedy(applicability, (Change(mistake.where, mistake.argument),))


def once_told(project: Project, mistake: ModeMistake) -> Applicability:
    """What it is to tell a child its mode that was not told.

    Unsafe where that makes it draw from a stream for the first time: a model was built without.
    """
    if mistake.call is None or mistake.mistake == "required":
        return "safe"
    evaluated = _evaluates_by_default(project, mistake.call.child)
    return "unsafe" if evaluated and _asks_for_streams(project, mistake.call.child) else "safe"


def _evaluates_by_default(project: Project, child: Value) -> bool:
    if not isinstance(child, Instance):
        return any(_evaluates_by_default(project, part) for part in contained(child))
    if not isinstance(child.of, ClassDefinition):
        return False
    modes = project.class_facts(child.of).mode_parameters() or ()
    return not any(mode.trains_by_default for mode in modes)


def _asks_for_streams(project: Project, value: Value) -> bool:
    """Whether a module, or one in it, needs streams that building it does not ask for."""
    left, seen = [value], set[ClassDefinition]()
    while left:
        match left.pop():
            case Instance(Symbol("flax.nnx.Dropout"), given):
                if given is not None and not given.open and given.get("rngs") is None:
                    return True
            case Instance(ClassDefinition() as of) if of not in seen:
                seen.add(of)
                facts = project.class_facts(of)
                for definition in facts.ancestry.classes:
                    for method in filter(facts.is_forward, definition.outline.methods.values()):
                        if facts.facts(method, definition).draws:
                            return True
                left += facts.built()
            case other:
                left += contained(other)
    return False


def none_asked(store: Store) -> Change | None:
    """The test that decides where a parameter is stored, asking for None; None if it does more."""
    node, name = store.test.node, store.parameter
    if node is None or not (store.simple and store.as_given):
        return None
    place = Anchor(store.write.anchor.chapter, node.at)
    return Change(place, f"{name} is None" if isinstance(node, code.Not) else f"{name} is not None")


def guard_added(project: Project, store: Store) -> Change | None:
    """``if name is not None:`` around a store; None where it does not stand by itself."""
    anchor, source, book = store.write.anchor, store.write.source, project.book
    if source is None:
        return None  # several are unpacked at once
    start = place_of(anchor).start
    indent = book.lines.line(start.line)[: start.column]
    end = book.lines.offset(place_of(Anchor(anchor.chapter, source.at)).end)
    if indent.strip() or _ANOTHER_STATEMENT.match(book.text, end):
        return None
    step = "\t" if indent.startswith("\t") else "    "
    text = f"if {store.parameter} is not None:{line_end(book, start.line)}{indent}{step}"
    return Change(anchor, text, "before")


def place_of(anchor: Anchor) -> Span:
    """Where that stands; it takes reading the chapter again, so only for what is reported."""
    return anchor.chapter.spans([(anchor.at, anchor.part)])[anchor.at, anchor.part]


def line_end(book: Book, line: int) -> str:
    """What ends a line; where nothing does, what ends the first one of the file."""
    text = book.lines.line(line)
    return text[len(text.rstrip("\r\n")) :] or ("\n" if line == 1 else line_end(book, 1))
