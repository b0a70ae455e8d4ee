"""A function's body as ast shows it at a glance: what it binds from what, and what calls are given.

To read a body by LibCST and to run it costs far more; a sketch says whether there is any reason to.
It errs on the side of reading: a name stands for all that it may ever be bound to.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

_Context = tuple[str, int | str, bool] | None
"""The call that something is given to, as in ``Given``."""

Path = tuple[int, ...]
"""The blocks that something stands in, from the outermost one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    number: int
    """Of the statement, in order of the text."""
    path: Path = ()
    loops: Path = ()
    """Those blocks of the path that run again and again."""


@dataclass(slots=True)
class Step:
    """A simple statement, or the head of a compound one."""

    place: Place
    binds: set[str] = field(default_factory=set)
    """Variables and attributes that it may bind or change; attributes also as ``.name``."""
    anew: set[str] = field(default_factory=set)
    """Those of them that it assigns, and does so last of all."""
    names: set[str] = field(default_factory=set)
    """Variables and attributes in its expressions."""
    loads: set[str] = field(default_factory=set)
    """The dotted names that it reads, without those that it calls: ``self.key``."""
    called: set[str] = field(default_factory=set)
    """The dotted names that it calls: ``self.rngs.noise``; ``()`` for what has none."""
    same: set[str] = field(default_factory=set)
    """The dotted names for which what it binds may stand, as they are or in part."""
    is_round: bool = False
    """Whether it gives a loop's variables the values for the next round."""


@dataclass(frozen=True, slots=True)
class Given:
    """A dotted name that a call is given, however deep in an argument."""

    name: str
    index: str
    """What it is subscripted with: a constant's text, ``?`` for anything else; else empty."""
    to: str
    """The dotted name of what is called, as far as it has one."""
    by: int | str
    """Its position, or the keyword."""
    nested: bool
    """Whether what is called so is in turn given to a call."""
    place: Place


@dataclass(frozen=True, slots=True)
class Sketch:
    """What stands in a function."""

    steps: tuple[Step, ...]
    given: tuple[Given, ...]
    branches: frozenset[tuple[int, int]]
    """Two blocks of which one runs."""
    leaving: frozenset[int]
    """Blocks behind which nothing of the function runs."""
    local: frozenset[int]
    """Blocks that are functions of their own."""

    def holders(self, wanted: Iterable[str]) -> set[str]:
        """``wanted``, and the names that may hold what these names stand for."""
        found = set(wanted)
        pending, before = [step for step in self.steps if step.binds], 0
        while len(pending) != before:
            before = len(pending)
            for step in pending:
                if not found.isdisjoint(step.names):
                    found |= step.binds
            pending = [step for step in pending if not step.binds <= found]
        return found


def sketch(args: ast.arguments, body: Sequence[ast.stmt]) -> Sketch:
    """Look through the statements of a function."""
    return _Sketcher().of(args, body)


@dataclass(slots=True)
class _Sketcher:
    steps: list[Step] = field(default_factory=list)
    given: list[Given] = field(default_factory=list)
    pending: list[tuple[ast.stmt, Path, Path]] = field(default_factory=list)
    blocks: int = 0
    branches: set[tuple[int, int]] = field(default_factory=set)
    leaving: set[int] = field(default_factory=set)
    local: set[int] = field(default_factory=set)

    def of(self, args: ast.arguments, body: Sequence[ast.stmt]) -> Sketch:
        self.signature(args, Place(0))
        self.later(body, Place(0))
        # A stack, not recursion: ast holds 2,000 elif branches as 2,000 levels.
        number = 0
        while self.pending:
            statement, path, loops = self.pending.pop()
            number += 1
            self.statement(statement, Place(number, path, loops))
        return Sketch(
            tuple(self.steps),
            tuple(self.given),
            frozenset(self.branches),
            frozenset(self.leaving),
            frozenset(self.local),
        )

    def later(self, body: Sequence[ast.stmt], place: Place) -> None:
        self.pending += [(statement, place.path, place.loops) for statement in reversed(body)]

    def below(self, place: Place, *, again: bool = False) -> Place:
        """A place in a new block."""
        self.blocks += 1
        loops = (*place.loops, self.blocks) if again else place.loops
        return Place(place.number, (*place.path, self.blocks), loops)

    def inside(self, place: Place) -> Place:
        """A place in a new function."""
        inner = self.below(place)
        self.local.add(self.blocks)
        return inner

    def block(self, body: Sequence[ast.stmt], place: Place) -> int:
        """Have a new block looked at later."""
        self.later(body, self.below(place))
        if body and isinstance(body[-1], ast.Return | ast.Raise):
            self.leaving.add(self.blocks)
        return self.blocks

    def statement(self, node: ast.stmt, place: Place) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.step(place, [node.name], node.decorator_list).names |= _words(node)
                inner = self.inside(place)
                self.signature(node.args, inner)
                self.later(node.body, inner)
            case ast.ClassDef():
                self.step(place, [node.name], node.decorator_list).names |= _words(node)
                inner = self.below(place)
                self.later(node.body, inner)
            case ast.For() | ast.AsyncFor():
                self.block(node.orelse, place)
                inner = self.below(place, again=True)
                self.step(place, (), [node.iter])
                self.round(inner, node.target, node.iter)
                self.later(node.body, inner)
            case ast.While():
                self.block(node.orelse, place)
                inner = self.below(place, again=True)
                self.step(inner, (), [node.test])
                self.later(node.body, inner)
            case ast.If():
                self.step(place, (), [node.test])
                self.branches.add((self.block(node.orelse, place), self.block(node.body, place)))
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    bound = [item.optional_vars] if item.optional_vars else []
                    self.step(place, bound, [item.context_expr])
                self.later(node.body, place)
            case ast.Try() | ast.TryStar():
                for block in (node.finalbody, node.orelse):
                    self.block(block, place)
                for handler in node.handlers:
                    self.block(handler.body, place)
                self.later(node.body, place)
            case ast.Match():
                self.step(place, _patterns(node), [node.subject])
                for case in node.cases:
                    self.block(case.body, place)
                    if case.guard is not None:
                        self.step(place, (), [case.guard])
            case ast.Assign():
                self.step(place, node.targets, [node.value]).same |= _standing(node.value)
            case ast.AnnAssign():
                if node.value is not None:
                    step = self.step(place, [node.target], [node.value])
                    step.same |= _standing(node.value)
                    step.names |= _words(node.annotation)
            case ast.AugAssign():
                self.step(place, [node.target], [node.value])
            case ast.Delete():
                self.step(place, node.targets, ())
            case ast.Expr():
                step = self.step(place, (), [node.value])
                for name in step.called:  # `x.append(y)` changes x
                    parts = name.split(".")[:-1]
                    step.binds.update(parts, (f".{part}" for part in parts[1:]))
                if "setattr" in step.called:
                    step.binds.add(".getattr")  # whatever it is called
                    step.binds |= {f".{name}" for name in _strings(node.value)}
            case _:
                self.step(place, (), list(ast.iter_child_nodes(node)))

    def signature(self, args: ast.arguments, place: Place) -> None:
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                step = self.step(place, [arg.arg], ())
                if arg.annotation is not None:
                    step.names |= _words(arg.annotation)
        self.step(place, (), [*args.defaults, *filter(None, args.kw_defaults)])

    def step(
        self,
        place: Place,
        targets: Iterable[ast.AST | str],
        values: Iterable[ast.AST],
        *,
        quiet: bool = False,
    ) -> Step:
        """Add a step; what calls in it are given was seen before if ``quiet``."""
        step = Step(place)
        self.steps.append(step)
        given = len(self.given)
        for target in targets:
            if isinstance(target, str):
                step.binds.add(target)
            else:
                self.target(target, step)
        step.anew |= step.binds
        for value in values:
            self.expression(value, step)
        if quiet:
            del self.given[given:]
        return step

    def round(self, place: Place, target: ast.expr, values: ast.expr) -> None:
        step = self.step(place, [target], [values], quiet=True)
        step.same |= _standing(values)
        step.is_round = True

    def target(self, node: ast.AST, step: Step) -> None:
        stack = [node]
        while stack:
            match stack.pop():
                case ast.Name(name):
                    step.binds.add(name)
                case ast.Attribute(value, name):
                    step.binds |= {name, f".{name}"}
                    if isinstance(value, ast.Attribute | ast.Subscript):
                        stack.append(value)
                case ast.Subscript(value, index):
                    self.expression(index, step)
                    stack.append(value)
                case ast.Tuple(several) | ast.List(several):
                    stack += several
                case ast.Starred(value):
                    stack.append(value)

    def expression(self, root: ast.AST, step: Step) -> None:
        stack: list[tuple[ast.AST, _Context, Place]] = [(root, None, step.place)]
        while stack:
            node, context, place = stack.pop()
            match node:
                case ast.Name() | ast.Attribute() | ast.Subscript():
                    name, index, rest = _dotted(node, step.names)
                    stack += [(part, None, place) for part in rest]
                    if name:
                        step.loads.add(name)
                        if context is not None:
                            self.given.append(Given(name, index, *context, place))
                case ast.Call():
                    callee, _, rest = _dotted(node.func, step.names)
                    stack += [(part, None, place) for part in rest]
                    step.called.add(callee or "()")
                    nested = context is not None
                    for position, argument in enumerate(node.args):
                        stack.append((argument, (callee, position, nested), place))
                    for keyword in node.keywords:
                        by = keyword.arg or "**"
                        stack.append((keyword.value, (callee, by, nested), place))
                case ast.Lambda():
                    inner = self.inside(place)
                    self.signature(node.args, inner)
                    stack.append((node.body, None, inner))
                case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                    inner = self.below(place, again=True)
                    for generator in node.generators:
                        self.round(inner, generator.target, generator.iter)
                        stack.append((generator.iter, context, place))
                        stack += [(test, None, inner) for test in generator.ifs]
                    stack += [(element, context, inner) for element in _elements(node)]
                case ast.NamedExpr(ast.Name(name), value):
                    step.binds.add(name)
                    if context is not None:
                        self.given.append(Given(name, "", *context, place))
                    stack.append((value, context, place))
                case ast.Constant():
                    pass
                case _:
                    stack += [(c, context, place) for c in ast.iter_child_nodes(node)]


def _elements(node: _Comprehension) -> tuple[ast.expr, ...]:
    return (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)


def _dotted(node: ast.AST, names: set[str]) -> tuple[str, str, list[ast.AST]]:
    """A dotted name up to its first subscript, what that is, and what else is to be looked at.

    The name is empty for what does not begin with a variable. All parts are added to ``names``.
    """
    parts: list[str] = []
    index = ""
    rest: list[ast.AST] = []
    while True:
        match node:
            case ast.Attribute(value, name):
                names.add(name)
                parts.append(name)
                node = value
            case ast.Subscript(value, key):
                index = repr(key.value) if isinstance(key, ast.Constant) else "?"
                if parts:
                    index = "?"
                parts.clear()
                rest.append(key)
                node = value
            case ast.Name(name):
                names.add(name)
                parts.append(name)
                return ".".join(reversed(parts)), index, rest
            case _:
                rest.append(node)
                return "", "", rest


def _patterns(node: ast.Match) -> Iterator[str]:
    for case in node.cases:
        for pattern in ast.walk(case.pattern):
            name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
            if isinstance(name, str):
                yield name


def _strings(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _standing(value: ast.expr) -> set[str]:
    """The dotted names that an expression may be, or be a part of, or hold as they are."""
    found: set[str] = set()
    stack: list[ast.expr] = [value]
    while stack:
        match stack.pop():
            case ast.Name() | ast.Attribute() | ast.Subscript() as node:
                found.add(_dotted(node, set())[0])
            case ast.IfExp(_, body, other):
                stack += [body, other]
            case ast.BoolOp(_, several) | ast.Tuple(several) | ast.List(several):
                stack += several
            case ast.NamedExpr(_, inner) | ast.Starred(inner):
                stack.append(inner)
    return found - {""}


def _words(node: ast.AST) -> set[str]:
    """The variables and attributes in a definition or an annotation."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
    return found
