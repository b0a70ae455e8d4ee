"""What the text of a function says of its parameters: axes, attributes, keys, accepted strings."""

import ast
import inspect
import linecache
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_BRACKETS = re.compile(r"[\(\[]([^()\[\]]{1,80})[\)\]]")
_AXIS = re.compile(r"^(\.\.\.|…|\*?[A-Za-z_]\w{0,24}('|\s?[*/+x-]\s?\w+)?|\d+)$")
_NOT_AXES = frozenset(
    "optional default int float bool str none array tuple true false list".split()
)
_RANKED = re.compile(r"\b([1-5])-?d\b", re.IGNORECASE)
_HARMLESS = frozenset("shape ndim dtype astype size T reshape value at mean sum".split())
_ARRAY_ATTRIBUTES = _HARMLESS | frozenset(
    "transpose swapaxes flatten ravel squeeze max min std var item copy real imag T mT any all "
    "get keys items values pop update setdefault argmax argmin dot clip conj repeat round sort "
    "take view weak_type aval itemsize nbytes".split()
)


@dataclass(slots=True)
class Clues:
    """What is said of each parameter, by its name."""

    axes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the axes of an array; an empty name where only their number is known."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """Attributes that are read, those of arrays left out."""
    keys: dict[str, list[str]] = field(default_factory=dict)
    """Strings it is subscripted with, as in ``batch["image"]``."""
    strings: dict[str, list[str]] = field(default_factory=dict)
    """Strings it is compared with."""
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names it is unpacked into, as in ``images, labels = batch``."""
    called: set[str] = field(default_factory=set)
    looped: set[str] = field(default_factory=set)
    passed: dict[str, list[tuple[ast.expr, int | str]]] = field(default_factory=dict)
    """What it is handed to as it is, and as which argument."""
    layers: dict[str, ast.Call] = field(default_factory=dict)
    """For ``__init__``: attribute -> the construction that it is assigned."""
    kept: dict[str, str] = field(default_factory=dict)
    """For ``__init__``: attribute -> the parameter that it is."""


_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def definition(code: types.CodeType | None) -> tuple[_Definition, str] | None:
    """The tree and text of a function, from the file that its code names, if that can be read."""
    if code is None:
        return None
    lines = linecache.getlines(code.co_filename)
    try:
        text = textwrap.dedent("".join(inspect.getblock(lines[code.co_firstlineno - 1 :])))
        tree = ast.parse(text)
    except Exception:  # another text than the one that was compiled
        return None
    match tree.body:
        case [ast.FunctionDef() | ast.AsyncFunctionDef() as found] if found.name == code.co_name:
            return found, text
    return None


def condition(code: types.CodeType, line: int) -> ast.expr | None:
    """What was tested where this line raises: by its ``assert``, or by the ``if`` around."""
    found = definition(code)
    if found is None:
        return None
    at = line - code.co_firstlineno + 1
    test: ast.expr | None = None
    for node in ast.walk(found[0]):
        if not isinstance(node, (ast.If, ast.Assert)) or node.end_lineno is None:
            continue
        if isinstance(node, ast.If):
            body = [s for s in node.body if s.lineno <= at <= (s.end_lineno or 0)]
            if not any(isinstance(statement, ast.Raise) for statement in body):
                continue
        if node.lineno <= at <= node.end_lineno:
            test = node.test  # the innermost comes last
    return test


class Reader:
    """Reads functions and remembers what they say."""

    def __init__(self) -> None:
        self._seen: dict[Any, Clues] = {}

    def clues(self, function: Any) -> Clues:
        """What the text of a function says; nothing where it cannot be read."""
        function = inspect.unwrap(function) if callable(function) else function
        code = getattr(function, "__code__", None)
        if code not in self._seen:
            found = definition(code)
            self._seen[code] = _read(*found) if found else Clues()
        return self._seen[code]

    def of_class(self, cls: type) -> Clues:
        """What the class says of the parameters of its ``__init__``, in other methods too."""
        made = self.clues(vars(cls).get("__init__", getattr(cls, "__init__", None)))
        reads = {f"self.{attribute}": parameter for attribute, parameter in made.kept.items()}
        for name, function in vars(cls).items():
            if name == "__init__" or not reads or not inspect.isfunction(function):
                continue
            there = self.clues(function)
            for attribute, parameter in reads.items():
                for table, mine in (
                    (there.attributes, made.attributes),
                    (there.strings, made.strings),
                ):
                    known = mine.setdefault(parameter, [])
                    known += [text for text in table.get(attribute, ()) if text not in known]
                if attribute in there.called:
                    made.called.add(parameter)
        return made


def _read(function: _Definition, text: str) -> Clues:
    clues = Clues()
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    aliases = {name: name for name in names}
    if arguments.vararg:
        aliases[arguments.vararg.arg] = arguments.vararg.arg
    gone: set[str] = set()  # rebound: what is said from there on is of something else
    for node in _in_order(function):
        _look(node, clues, aliases, gone)
    for name, said in _documented(function, text, names).items():
        clues.axes.setdefault(name, said)
    return clues


def _in_order(function: _Definition) -> Iterator[ast.AST]:
    """Nodes of the body as they are run, nearly: a statement's value before its targets."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    return iter(sorted((n for n in nodes if hasattr(n, "lineno")), key=_place))


def _place(node: ast.AST) -> tuple[int, bool, int]:
    is_target = isinstance(getattr(node, "ctx", None), ast.Store)
    line = getattr(node, "end_lineno" if is_target else "lineno")
    return line, is_target, getattr(node, "col_offset", 0)


def _look(node: ast.AST, clues: Clues, aliases: dict[str, str], gone: set[str]) -> None:
    def known(expression: ast.AST | None) -> str | None:
        match expression:
            case ast.Name(id=name) if name in aliases and name not in gone:
                return aliases[name]
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                return f"self.{attribute}"
        return None

    def add(table: dict[str, list[str]], name: str, text: str) -> None:
        seen = table.setdefault(name, [])
        if text not in seen:
            seen.append(text)

    match node:
        case ast.Assign(
            targets=[ast.Tuple(elts=parts)], value=ast.Attribute(value=value, attr="shape")
        ) if (name := known(value)) and not any(isinstance(p, ast.Starred) for p in parts):
            clues.axes.setdefault(name, tuple(getattr(part, "id", "") for part in parts))
        case ast.Assign(targets=[ast.Tuple(elts=parts)], value=value) if name := known(value):
            clues.parts.setdefault(name, tuple(getattr(part, "id", "") for part in parts))
        case ast.Assign(
            targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)], value=value
        ):
            if name := known(value):
                clues.kept[attribute] = name
            elif call := next((n for n in ast.walk(value) if isinstance(n, ast.Call)), None):
                clues.layers[attribute] = call
        case ast.Assign(targets=[ast.Name(id=alias)], value=value) if name := known(value):
            if not name.startswith("self."):
                aliases[alias] = name
        case ast.Name(id=alias, ctx=ast.Store()) if alias in aliases:
            gone.add(alias)
        case ast.Compare(
            left=ast.Attribute(value=value, attr="ndim"),
            comparators=[ast.Constant(value=int(rank))],
        ) if name := known(value):
            clues.axes.setdefault(name, ("",) * rank)
        case ast.Compare(left=left, comparators=[right]) if name := known(left):
            for constant in ast.walk(right):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    add(clues.strings, name, constant.value)
        case ast.Match(subject=subject, cases=cases) if name := known(subject):
            for constant in (n for case in cases for n in ast.walk(case.pattern)):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    add(clues.strings, name, constant.value)
        case ast.Attribute(value=value, attr=attribute) if name := known(value):
            if attribute not in _ARRAY_ATTRIBUTES:
                add(clues.attributes, name, attribute)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if name := known(value):
            add(clues.keys, name, key)
        case ast.Subscript(value=ast.Dict(keys=keys), slice=index) if name := known(index):
            for key_node in keys:
                if isinstance(key_node, ast.Constant) and isinstance(key_node.value, str):
                    add(clues.strings, name, key_node.value)
        case ast.Call(func=function, args=args, keywords=keywords):
            if name := known(function):
                clues.called.add(name)
            for place, argument in enumerate(args):
                if name := known(argument):
                    clues.passed.setdefault(name, []).append((function, place))
            for keyword in keywords:
                if keyword.arg and (name := known(keyword.value)):
                    clues.passed.setdefault(name, []).append((function, keyword.arg))
            _look_into_call(function, args, clues, known)
        case ast.For(iter=ast.AST() as iterated) | ast.comprehension(iter=iterated):
            for part in getattr(iterated, "args", [iterated]):
                called = getattr(getattr(iterated, "func", None), "id", "zip")
                if (name := known(part)) and called in ("zip", "enumerate"):
                    clues.looped.add(name)


def _look_into_call(
    function: ast.expr, args: list[ast.expr], clues: Clues, known: Callable[[ast.AST], str | None]
) -> None:
    """Subscripts of ``einsum``, the permutation of a transpose."""
    match function, args:
        case ast.Attribute(value=value, attr="get"), [ast.Constant(value=str(key)), *_]:
            if name := known(value):
                seen = clues.keys.setdefault(name, [])
                seen += [key] * (key not in seen)
        case ast.Attribute(attr="einsum"), [ast.Constant(value=str(subscripts)), *operands]:
            for operand, letters in zip(
                operands, subscripts.split("->")[0].replace(" ", "").split(","), strict=False
            ):
                if (name := known(operand)) and "." not in letters:
                    clues.axes.setdefault(name, tuple(letters))
        case ast.Name(id="rearrange") | ast.Attribute(attr="rearrange"), [
            operand,
            ast.Constant(value=str(pattern)),
            *_,
        ]:
            if name := known(operand):
                left = re.sub(r"\(.*?\)", "_", pattern.split("->")[0]).split()
                if "..." not in left:
                    clues.axes.setdefault(name, tuple(left))
        case ast.Attribute(value=value, attr="transpose"), [_, _, *_] | [ast.Tuple()]:
            if name := known(value):
                count = len(args[0].elts) if isinstance(args[0], ast.Tuple) else len(args)
                clues.axes.setdefault(name, ("",) * count)
        case ast.Attribute(attr="transpose"), [operand, ast.Tuple(elts=axes)]:
            if name := known(operand):
                clues.axes.setdefault(name, ("",) * len(axes))


def _documented(
    function: _Definition, text: str, names: list[str]
) -> Mapping[str, tuple[str, ...]]:
    """Axes that the docstring or a comment in the signature gives, as in ``x: (B, H, W, C)``."""
    found: dict[str, tuple[str, ...]] = {}
    docstring = ast.get_docstring(function) or ""
    head = "\n".join(text.splitlines()[: function.body[0].lineno - 1])
    lines = docstring.splitlines()
    arrays = [name for name in names if name != "self"]
    for number, line in enumerate(lines):
        match = re.match(r"\s*[-*]?\s*`{0,2}(\w+)`{0,2}\s*[:(\[-]", line)
        if match and match[1] in arrays:
            said = axes_in(line[match.end(1) :]) or axes_in(
                " ".join(lines[number + 1 : number + 2])
            )
            if said:
                found.setdefault(match[1], said)
    for line in head.splitlines():
        match = re.match(r".*?\b(\w+)\s*(:[^#]*)?,?\s*\)?:?\s*#(.*)", line)
        if match and match[1] in arrays and (said := axes_in(match[3])):
            found.setdefault(match[1], said)
    if not found and arrays and (said := axes_in(docstring.split("\n\n")[0])):
        found[arrays[0]] = said
    return found


def axes_in(text: str) -> tuple[str, ...] | None:
    """The axes that a piece of prose names, as in "of shape (batch, length, features)"."""
    for match in _BRACKETS.finditer(text):
        parts = [part.strip().strip("`'\"") for part in match[1].split(",")]
        if parts and not parts[-1]:
            parts.pop()
        alone = len(parts) == 1 and "shape" not in text.lower()
        if not parts or alone or len(parts) > 6:
            continue
        if all(_AXIS.match(part) and part.lower() not in _NOT_AXES for part in parts):
            return tuple(parts)
    ranked = _RANKED.search(text)
    return ("",) * int(ranked[1]) if ranked and "array" in text.lower() else None
