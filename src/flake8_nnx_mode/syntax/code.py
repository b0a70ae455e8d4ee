"""The body of a function as plain data: what is left of LibCST once white space is gone.

``lower.py`` makes it, ``facts`` reads it. ``at`` says which node it was made from, for positions;
two bodies are equal when their code is, wherever they stand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

At = int
"""Which of its chapter's nodes something was made from; the chapter knows where that is."""


def _at() -> At:
    return field(default=-1, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name:
    id: str
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Constant:
    """None, a truth value, a number, a string; Ellipsis for what has no plain value."""

    value: object
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Attribute:
    value: "Expression"
    name: str
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Argument:
    """``value``, ``keyword=value``, ``*value`` or ``**value``."""

    value: "Expression"
    keyword: str | None = None
    star: str = ""
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Call:
    func: "Expression"
    args: tuple[Argument, ...]
    at: At = _at()

    @property
    def plain(self) -> tuple[Argument, ...]:
        """The arguments given by position."""
        return tuple(a for a in self.args if a.keyword is None and not a.star)

    def argument(self, name: str, position: int | None, *, bound: int = 0) -> Argument | None:
        """What goes to a parameter; ``bound`` positional arguments were given before the call."""
        for argument in self.args:
            if argument.keyword == name:
                return argument
        index = -1 if position is None else position - bound
        plain = self.plain
        return plain[index] if 0 <= index < len(plain) else None


@dataclass(frozen=True, slots=True)
class Not:
    operand: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Either:
    """``a and b``, ``a or b``: one of its operands."""

    operator: str
    operands: tuple["Expression", ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Compare:
    left: "Expression"
    rights: tuple[tuple[str, "Expression"], ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class IfElse:
    """``body if test else orelse``."""

    test: "Expression"
    body: "Expression"
    orelse: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Display:
    """A tuple, list or set, written out."""

    elements: tuple["Expression", ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class DictDisplay:
    """A dict, written out; the key of ``**value`` is None."""

    items: tuple[tuple["Expression | None", "Expression"], ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Subscript:
    value: "Expression"
    index: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Clause:
    """``for target in iterable if tests``."""

    target: "Expression"
    iterable: "Expression"
    tests: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """Of any kind; ``key`` for a dict's only."""

    clauses: tuple[Clause, ...]
    element: "Expression"
    key: "Expression | None" = None
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Lambda:
    parameters: tuple[tuple[str, None], ...]
    defaults: tuple["Expression", ...]
    body: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Walrus:
    target: "Expression"
    value: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Starred:
    value: "Expression"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Operation:
    """Anything else with operands; ``operator`` is LibCST's name for it: Add, Slice, Await, ..."""

    operator: str
    operands: tuple["Expression", ...]
    at: At = _at()


Expression = (
    Name
    | Constant
    | Attribute
    | Call
    | Not
    | Either
    | Compare
    | IfElse
    | Display
    | DictDisplay
    | Subscript
    | Comprehension
    | Lambda
    | Walrus
    | Starred
    | Operation
)


@dataclass(frozen=True, slots=True)
class Block:
    statements: tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Assign:
    """``a = b = value``, ``a: T = value``."""

    targets: tuple[Expression, ...]
    value: Expression
    annotation: Expression | None = None
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Augment:
    """``target += value`` and its like."""

    target: Expression
    value: Expression
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Evaluate:
    """An expression as a statement."""

    value: Expression
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Assert:
    test: Expression
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Outer:
    """``nonlocal`` and ``global``: these names are bound further out."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """``return``, ``raise``, ``break``, ``continue``: what follows in the block does not run."""

    kind: str
    values: tuple[Expression, ...] = ()
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Delete:
    targets: tuple[Expression, ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class If:
    test: Expression
    body: Block
    orelse: "Block | If | None"
    at: At = _at()


@dataclass(frozen=True, slots=True)
class For:
    target: Expression
    iterable: Expression
    body: Block
    orelse: Block | None
    at: At = _at()


@dataclass(frozen=True, slots=True)
class While:
    test: Expression
    body: Block
    orelse: Block | None
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Handler:
    type: Expression | None
    name: str | None
    body: Block


@dataclass(frozen=True, slots=True)
class Try:
    body: Block
    handlers: tuple[Handler, ...]
    orelse: Block | None
    final: Block | None
    at: At = _at()


@dataclass(frozen=True, slots=True)
class With:
    items: tuple[tuple[Expression, Expression | None], ...]
    body: Block
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Case:
    """``captures`` are the names that the pattern binds."""

    captures: tuple[str, ...]
    guard: Expression | None
    body: Block
    matches_all: bool = False
    """Whether the pattern is ``_`` or a name."""


@dataclass(frozen=True, slots=True)
class Match:
    subject: Expression
    cases: tuple[Case, ...]
    at: At = _at()


@dataclass(frozen=True, slots=True)
class Import:
    """``name`` in the scope is ``module``, or ``attribute`` of it; ``level`` counts the dots."""

    name: str
    module: str
    attribute: str | None
    level: int


@dataclass(frozen=True, slots=True)
class DefineFunction:
    name: str
    decorators: tuple[Expression, ...]
    parameters: tuple[tuple[str, Expression | None], ...]
    """Names and annotations."""
    defaults: tuple[Expression, ...]
    body: Block
    at: At = _at()


@dataclass(frozen=True, slots=True)
class DefineClass:
    """A class inside a function; its methods are chapters of their own."""

    name: str
    at: At = _at()


Statement = (
    Assign
    | Augment
    | Evaluate
    | Assert
    | Outer
    | Leave
    | Delete
    | If
    | For
    | While
    | Try
    | With
    | Match
    | Import
    | DefineFunction
    | DefineClass
)


def walk(root: object) -> Iterator[object]:
    """``root`` and all code below it, in no promised order, at any depth."""
    stack = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, tuple):
            stack.extend(item)
        elif type(item) in _FIELDS:
            yield item
            stack.extend(getattr(item, name) for name in _FIELDS[type(item)])


def bound_names(body: object) -> set[str]:
    """The names that a function's body binds somewhere, its inner functions left out."""
    names: set[str] = set()
    stack = [body]
    while stack:
        item = stack.pop()
        match item:
            case tuple():
                stack.extend(item)
                continue
            case Assign(targets) | Delete(targets):
                _add_names(names, targets)
            case Augment(target) | For(target) | Walrus(target):
                _add_names(names, (target,))
            case With(items):
                _add_names(names, tuple(target for _, target in items if target is not None))
            case Import(name) | Handler(_, str(name)) | DefineClass(name):
                names.add(name)
            case Case(captures):
                names.update(captures)
            case DefineFunction(name):
                names.add(name)
                continue
            case Lambda():
                continue
        stack.extend(getattr(item, name) for name in _FIELDS.get(type(item), ()))
    return names


def _add_names(names: set[str], targets: tuple[Expression, ...]) -> None:
    for node in walk(targets):
        if isinstance(node, Name):  # an index too: then the name is read, and bound elsewhere
            names.add(node.id)


_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "at")
    for kind in (
        *Expression.__args__,
        *Statement.__args__,
        Argument,
        Block,
        Case,
        Clause,
        Handler,
    )
}
