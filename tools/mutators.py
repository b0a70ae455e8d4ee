"""The mutators: each finds a good idiom in real code and breaks it, by the text of the rules alone.

To add one, write a function that takes a `Source` and yields `Mutant`, and decorate it with
``@mutator("NNX...")``; several may serve one rule. Whatever might not be a mistake must not come
out: a mutator that is in doubt stays silent. Those for views and transforms are in
``mutators_views.py``.
"""

import ast
import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from sources import (
    BUILTINS,
    DROPOUT_LIKE,
    FLAGS,
    KEY_WORDS,
    MODES,
    SAMPLERS,
    ChildCall,
    Class,
    Function,
    Made,
    Package,
    Source,
    all_parameters,
    child_calls,
    defaults,
    flags_of,
    is_self,
    mode_decides,
    rngs_parameters,
    targets,
)

Edit = tuple[int, int, str]
"""Start and end in the text, and what to write there instead."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake to be made in one file."""

    code: str
    path: Path
    edits: tuple[Edit, ...]
    accepted: tuple[int, int]
    """Where the finding may start: first and last line, of the text before the edits."""
    kind: str
    what: str
    added: bool = False
    """Whether the mistake is in code that the mutator wrote, beside what it found."""

    def apply(self, text: str) -> str:
        """The file with the mistake."""
        for start, end, new in sorted(self.edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def lines(self, text: str) -> tuple[int, int]:
        """The accepted lines, counted in the text with the mistake."""
        first, last = self.accepted
        for start, end, new in self.edits:
            grown = new.count("\n") - text.count("\n", start, end)
            line = text.count("\n", 0, start) + 1
            first += grown if line < first else 0
            last += grown if line <= last else 0
        return first, last


Mutator = Callable[[Source], Iterator[Mutant]]
MUTATORS: list[tuple[str, Mutator]] = []


def mutator(code: str) -> Callable[[Mutator], Mutator]:
    """Register a mutator for a rule."""

    def register(function: Mutator) -> Mutator:
        MUTATORS.append((code, function))
        return function

    return register


def mutants(source: Source, codes: Collection[str]) -> Iterator[Mutant]:
    """All mutants of a file for some rules, as far as they still are Python."""
    for code, function in MUTATORS:
        for mutant in function(source) if code in codes else ():
            text = mutant.apply(source.text)
            try:
                ast.parse(text)
            except SyntaxError:
                continue
            if text != source.text:
                yield mutant


def make_mutant(
    code: str, source: Source, edits: list[Edit], accepted: ast.AST, kind: str
) -> Mutant:
    """A mutant that is accepted on the lines of a node."""
    first, last = accepted.lineno, accepted.end_lineno  # type: ignore[attr-defined]
    parts = []
    for start, end, new in edits:
        old = " ".join(source.text[start:end].split())
        parts.append(f"{old!r} -> {' '.join(new.split())!r}")
    return Mutant(
        code, source.path, tuple(edits), (first, last), kind, f"{kind}: {'; '.join(parts)}"
    )


# -- edits -----------------------------------------------------------------------------------------


def replace(source: Source, node: ast.AST, new: str) -> Edit:
    """Write something else for a node."""
    return (*source.span(node), new)


def _listed(source: Source, spans: list[tuple[int, int]], at: int) -> Edit:
    """Take one out of a list with commas."""
    start, end = spans[at]
    if at + 1 < len(spans):
        return start, spans[at + 1][0], ""
    if at:
        return spans[at - 1][1], end, ""
    comma = re.match(r"\s*,", source.text[end:])
    return start, end + (comma.end() if comma else 0), ""


def drop_argument(source: Source, call: ast.Call, argument: ast.AST) -> Edit:
    """Take an argument out of a call."""
    nodes = sorted([*call.args, *call.keywords], key=source.span)
    return _listed(source, [source.span(node) for node in nodes], nodes.index(argument))


def drop_parameter(source: Source, function: Function, name: str) -> Edit:
    """Take a parameter out of a signature."""
    given = defaults(function.args)
    parameters = sorted(all_parameters(function.args), key=source.span)
    spans = []
    for parameter in parameters:
        start, end = source.span(parameter)
        if parameter.arg in given:
            end = source.span(given[parameter.arg])[1]
        spans.append((start, end))
    return _listed(source, spans, [parameter.arg for parameter in parameters].index(name))


def add_argument(source: Source, call: ast.Call, new: str) -> Edit:
    """Add an argument to the end of a call."""
    nodes = sorted([*call.args, *call.keywords], key=source.span)
    if not nodes:
        end = source.span(call)[1] - 1
        return end, end, new
    end = source.span(nodes[-1])[1]
    return end, end, f", {new}"


def insert_after(source: Source, statement: ast.stmt, line: str) -> Edit:
    """A new statement below one."""
    end = source.span(statement)[1]
    return end, end, f"\n{' ' * statement.col_offset}{line}"


def insert_before(source: Source, statement: ast.stmt, line: str) -> Edit:
    """A new statement above one."""
    start = source.span(statement)[0]
    return start, start, f"{line}\n{' ' * statement.col_offset}"


# -- draws -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """``self.rngs.noise()`` in a forward method of an nnx module, and where its key is consumed."""

    source: Source
    owner: Class
    function: Function
    call: ast.Call
    container: str
    stream: str
    users: list[ast.Call]

    @property
    def attribute(self) -> str:
        """The attribute of self that holds the container, if one does."""
        return self.container.removeprefix("self.") if self.container.startswith("self.") else ""

    @property
    def sampled(self) -> bool:
        """Whether all that consume the key are samplers of ``jax.random``."""
        return bool(self.users) and all(is_sampler(self.source, user) for user in self.users)

    @property
    def optional(self) -> bool:
        """Whether what is around tests for None or for a stream."""
        for above in self.source.ancestors(self.call):
            test = getattr(above, "test", None)
            if test is not None and re.search(r"None|rng|key| in |hasattr", ast.unparse(test)):
                return True
            if above is self.function:
                break
        return bool(re.search(r"hasattr|\bis None|except", self.source.code(self.function)))


def is_sampler(source: Source, call: ast.Call) -> bool:
    """Whether a call samples from ``jax.random``."""
    name = source.dotted(call.func) or ""
    return name.startswith("jax.random.") and name.split(".")[-1] in SAMPLERS


def key_of(source: Source, call: ast.Call) -> ast.expr | None:
    """The key that a call consumes: a sampler's first argument, or ``rngs=``, ``key=``, ..."""
    words = {word.arg: word.value for word in call.keywords}
    if is_sampler(source, call):
        return call.args[0] if call.args else words.get("key")
    name = source.dotted(call.func) or ""
    if name.startswith(("flax.nnx.", "jax.")) or name in ("sorted", "min", "max"):
        return None
    if name and (made := source.package.lookup(name)) and made.is_module:
        return None  # a constructor
    return next((words[word] for word in KEY_WORDS if word in words), None)


def users_of(source: Source, function: Function, key: ast.expr) -> list[ast.Call]:
    """The calls that consume a key: on the spot, or through one local that is bound once."""
    above = source.parents[key]
    if isinstance(above, ast.keyword):
        above = source.parents[above]
    if isinstance(above, ast.Call) and key_of(source, above) is key:
        return [above]
    if not (isinstance(above, ast.Assign) and above.value is key and len(above.targets) == 1):
        return []
    target = above.targets[0]
    if not isinstance(target, ast.Name):
        return []
    uses = [n for n in source.walk(function) if isinstance(n, ast.Name) and n.id == target.id]
    if sum(isinstance(use.ctx, ast.Store) for use in uses) != 1:
        return []
    found = []
    for use in uses:
        call = source.parents[use]
        call = source.parents[call] if isinstance(call, ast.keyword) else call
        if isinstance(call, ast.Call) and key_of(source, call) is use:
            found.append(call)
        elif isinstance(use.ctx, ast.Load):
            return []
    return found


def draws(source: Source, *, consumed: bool = True) -> list[Draw]:
    """The draws in forward methods of nnx modules, or those whose key surely is consumed."""
    return [draw for draw in _draws(source) if draw.users or not consumed]


@lru_cache(maxsize=4)
def _draws(source: Source) -> list[Draw]:
    return list(_found_draws(source))


def _found_draws(source: Source) -> Iterator[Draw]:
    for owner in source.modules:
        kept = {f"self.{name}" for name in owner.rngs()}
        for function in owner.forward:
            containers = kept | rngs_parameters(function)
            for node in source.walk(function):
                if (
                    not isinstance(node, ast.Call)
                    or node.args
                    or node.keywords
                    or source.function_of(node) is not function
                ):
                    continue
                match = re.fullmatch(
                    r"((?:self\.)?\w+)(?:\.(\w+)|\['(\w+)'\])?", ast.unparse(node.func)
                )
                if match is None or match[1] not in containers:
                    continue
                stream = match[2] or match[3] or ""
                if stream in SAMPLERS or stream in ("fork", "split"):
                    continue
                users = users_of(source, function, node)
                yield Draw(source, owner, function, node, match[1], stream, users)


def hoist(draw: Draw, attribute: str) -> list[Edit] | None:
    """Draw in ``__init__`` instead, and keep the key on self."""
    saved = draw.owner.rngs().get(draw.attribute)
    init = draw.owner.init
    if (
        not saved
        or not init
        or saved not in draw.source.walk(init)
        or draw.owner.has_name(attribute)
    ):
        return None
    made = draw.source.code(draw.call)
    return [
        insert_after(draw.source, saved, f"self.{attribute} = {made}"),
        replace(draw.source, draw.call, f"self.{attribute}"),
    ]


# -- NNX1xx: randomness ----------------------------------------------------------------------------


@mutator("NNX101")
def frozen_key(source: Source) -> Iterator[Mutant]:
    """Hoist a draw into ``__init__``."""
    for draw in draws(source):
        edits = hoist(draw, "noise_key")
        if edits:
            yield make_mutant("NNX101", source, edits, draw.function, "hoisted draw")


@mutator("NNX101")
def raw_key(source: Source) -> Iterator[Mutant]:
    """Use the raw key of a stream, which never advances."""
    for draw in draws(source):
        if draw.attribute and draw.stream:
            new = f"{draw.container}.{draw.stream}.key.value"
            edits = [replace(source, draw.call, new)]
            yield make_mutant("NNX101", source, edits, draw.function, "raw key")


@mutator("NNX102")
def params_stream(source: Source) -> Iterator[Mutant]:
    """Draw noise from ``params``."""
    for draw in draws(source):
        text = source.code(draw.owner.node)
        inside = any(
            isinstance(above, ast.Call)
            and re.search(r"Param|Variable|Rngs", ast.unparse(above.func))
            for above in source.ancestors(draw.call)
        )
        if draw.stream in ("params", "") or inside or re.search(r"hasattr\([^)]*params", text):
            continue
        if draw.optional:
            continue
        new = source.code(draw.call).replace(draw.stream, "params")
        if draw.stream in draw.container:
            new = f"{draw.container}.params()"
        yield make_mutant(
            "NNX102", source, [replace(source, draw.call, new)], draw.call, "params stream"
        )


@mutator("NNX103")
def rngs_not_saved(source: Source) -> Iterator[Mutant]:
    """Do not save the rngs."""
    for owner in source.modules:
        family = [*owner.mro, *source.package.subclasses(owner)]
        for name, saved in owner.rngs().items():
            stores = [node for each in family for node in each.stores(name)]
            parameter = ast.unparse(saved.value).split(".")[0]
            text = "\n".join(each.source.code(each.node) for each in family)
            read = [
                node
                for method in owner.forward
                for node in source.walk(method)
                if is_self(node, name) and isinstance(source.parents[node], ast.Attribute)
            ]
            if (
                saved in source.walk(owner.node)
                and len(stores) == 1
                and stores[0] in saved.targets
                and name in (parameter, "rngs")
                and read
                and owner.resolved
                and "setattr" not in text
                and not re.search(rf"(get|has)attr\(self, .{name}", text)
                and not any(each.method(name) for each in family)
            ):
                edits = [replace(source, saved, "pass")]
                yield make_mutant("NNX103", source, edits, owner.node, "not saved")


@mutator("NNX103")
def bare_rngs(source: Source) -> Iterator[Mutant]:
    """Forget the ``self.`` before ``rngs``."""
    outside = {
        node.id
        for node in source.walk()
        if isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Store)
        and source.function_of(node) is None
    } | {*source.imports, *source.globals}
    for draw in draws(source, consumed=False):
        name = draw.attribute
        around = [a for a in source.ancestors(draw.call) if isinstance(a, Function)]
        bound = {n.id for a in around for n in ast.walk(a) if isinstance(n, ast.Name)}
        bound |= {arg.arg for a in around for arg in all_parameters(a.args)}
        if name == "rngs" and name not in bound | outside and len(around) == 1:
            new = source.code(draw.call).removeprefix("self.")
            yield make_mutant(
                "NNX103", source, [replace(source, draw.call, new)], draw.call, "bare rngs"
            )


def _random(source: Source) -> str | None:
    return source.alias("jax.random")


_MEANT = re.compile("carry|state|eval|valid")
"""Functions in which a constant key may be meant: initial states, repeatable evaluation."""


@mutator("NNX104")
def constant_key(source: Source) -> Iterator[Mutant]:
    """Use a key made from a constant."""
    module = _random(source)
    for at, draw in enumerate(draws(source)):
        if draw.optional or not module or _MEANT.search(draw.function.name):
            continue
        new = f"{module}.{('key(0)', 'PRNGKey(42)')[at % 2]}"
        statement = source.statement_of(draw.call)
        last = _lowest([statement, *draw.users])
        mutant = make_mutant(
            "NNX104", source, [replace(source, draw.call, new)], statement, "constant key"
        )
        yield _widened(mutant, last)


def _lowest(nodes: Sequence[ast.stmt | ast.expr]) -> ast.stmt | ast.expr:
    """The one that ends last."""
    return max(nodes, key=lambda node: node.end_lineno or 0)


def added(mutant: Mutant, line: int) -> Mutant:
    """The same, as code that is added on a line."""
    return dataclasses.replace(on_lines(mutant, line, line), added=True)


def on_lines(mutant: Mutant, first: int, last: int) -> Mutant:
    """The same, accepted elsewhere."""
    return dataclasses.replace(mutant, accepted=(first, last))


def _widened(mutant: Mutant, last: ast.stmt | ast.expr) -> Mutant:
    """The same, accepted down to the end of a node."""
    return on_lines(mutant, mutant.accepted[0], last.end_lineno or last.lineno)


@mutator("NNX104")
def constant_rngs(source: Source) -> Iterator[Mutant]:
    """Draw from a container made on the spot."""
    nnx = source.alias("flax.nnx")
    for draw in draws(source):
        if draw.optional or not nnx or _MEANT.search(draw.function.name):
            continue
        new = f"{nnx}.Rngs(0).{draw.stream or 'default'}()"
        statement = source.statement_of(draw.call)
        edits = [replace(source, draw.call, new)]
        last = _lowest([statement, *draw.users])
        yield _widened(make_mutant("NNX104", source, edits, statement, "constant container"), last)


@mutator("NNX105")
def constant_fallback(source: Source) -> Iterator[Mutant]:
    """Fall back on a constant key."""
    module = _random(source)
    for at, draw in enumerate(draws(source)):
        if draw.optional or not module or not draw.stream or _MEANT.search(draw.function.name):
            continue
        test = (f"{draw.container} is not None", f'"{draw.stream}" in {draw.container}')[at % 2]
        new = f"({source.code(draw.call)} if {test} else {module}.key(0))"
        statement = source.statement_of(draw.call)
        yield make_mutant(
            "NNX105", source, [replace(source, draw.call, new)], statement, "fallback"
        )


def _functions(source: Source) -> Iterator[Function]:
    for node in source.walk() if source.alias("flax.nnx") else ():
        if isinstance(node, Function) and not re.match(r"test|main$", node.name):
            yield node


@dataclass(frozen=True, slots=True)
class Use:
    """A local key that a call consumes, as a statement of a block, on every path through it."""

    name: ast.Name
    block: list[ast.stmt]
    at: int


def _uses(source: Source, function: Function) -> list[Use]:
    found = []
    for call in source.walk(function):
        if not isinstance(call, ast.Call) or source.function_of(call) is not function:
            continue
        key = key_of(source, call) if is_sampler(source, call) else None
        statement = source.statement_of(call)
        if not isinstance(key, ast.Name) or isinstance(statement, ast.If | ast.While | ast.For):
            continue
        above = list(source.ancestors(call))
        within = above[: above.index(statement)]
        lazy = (ast.IfExp, ast.BoolOp, ast.comprehension, ast.ListComp, ast.GeneratorExp)
        if not any(isinstance(each, lazy) for each in within):
            block = source.block_of(statement)
            found.append(Use(key, block, block.index(statement)))
    return found


def _binding(source: Source, block: list[ast.stmt], name: str) -> tuple[int, list[str]] | None:
    """The one statement in a block that binds a name by splitting: where, and what it binds."""
    found = []
    for at, statement in enumerate(block):
        bound = {
            n.id
            for n in ast.walk(statement)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        if name not in bound:
            continue
        value = getattr(statement, "value", None)
        split = isinstance(value, ast.Call) and source.dotted(value.func) == "jax.random.split"
        if not (split and isinstance(statement, ast.Assign)):
            return None
        found.append((at, [getattr(each, "id", "") for each in targets(statement)]))
    return found[0] if len(found) == 1 else None


@mutator("NNX106")
def key_used_twice(source: Source) -> Iterator[Mutant]:
    """``k1, k2 = split(key)``: use ``k1`` where ``k2`` was."""
    for function in _functions(source):
        uses = _uses(source, function)
        for first in uses:
            bound = _binding(source, first.block, first.name.id)
            for second in uses:
                if (
                    bound
                    and second.block is first.block
                    and bound[0] < first.at < second.at
                    and first.name.id != second.name.id
                    and second.name.id in bound[1]
                    and _count(function, first.name.id) == 2
                    and _count(function, second.name.id) == 2
                    and not _leaves(first.block[bound[0] : second.at])
                ):
                    edits = [replace(source, second.name, first.name.id)]
                    statement = second.block[second.at]
                    yield make_mutant("NNX106", source, edits, statement, "key used twice")


def _count(function: Function, name: str) -> int:
    return sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(function))


def _leaves(block: list[ast.stmt]) -> bool:
    kinds = (ast.Return, ast.Raise, ast.Break, ast.Continue)
    return any(isinstance(node, kinds) for statement in block for node in ast.walk(statement))


@mutator("NNX106")
def split_dropped(source: Source) -> Iterator[Mutant]:
    """``key, sub = split(key)`` a second time: leave it out."""
    for function in _functions(source):
        uses = _uses(source, function)
        for at, first in enumerate(uses):
            for second in uses[at + 1 :]:
                if first.block is not second.block or first.name.id != second.name.id:
                    continue
                between = first.block[first.at + 1 : second.at]
                name = first.name.id
                splits = [s for s in between if name in {getattr(t, "id", "") for t in targets(s)}]
                stores = [n for s in between for n in ast.walk(s) if isinstance(n, ast.Name)]
                writes = [n for n in stores if n.id == name and isinstance(n.ctx, ast.Store)]
                if len(splits) != 1 or len(writes) != 1 or _leaves(between):
                    continue
                value = getattr(splits[0], "value", None)
                names = {getattr(t, "id", "") for t in targets(splits[0])}
                if (
                    isinstance(value, ast.Call)
                    and source.dotted(value.func) == "jax.random.split"
                    and len(names) == 2
                    and ast.unparse(value.args[0]) in names - {name}
                ):
                    edits = [replace(source, splits[0], "pass")]
                    statement = second.block[second.at]
                    yield make_mutant("NNX106", source, edits, statement, "split left out")


@mutator("NNX106")
def split_dropped_in_loop(source: Source) -> Iterator[Mutant]:
    """``key, sub = split(key)`` in a loop: leave it out, and use ``key`` for ``sub``."""
    for function in _functions(source):
        for use in _uses(source, function):
            loop = source.parents[use.block[0]]
            bound = _binding(source, use.block, use.name.id)
            if not isinstance(loop, ast.For) or not bound or bound[0] >= use.at:
                continue
            split = use.block[bound[0]]
            names = [name for name in bound[1] if name != use.name.id]
            source_key = ast.unparse(split.value.args[0])  # type: ignore[attr-defined]
            if len(names) != 1 or names[0] != source_key or _leaves(loop.body):
                continue
            if _count(function, use.name.id) != 2 or use.block is not loop.body:
                continue
            if source_key in {n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)}:
                continue
            stores = [
                n
                for n in source.walk(loop)
                if isinstance(n, ast.Name) and n.id == source_key and isinstance(n.ctx, ast.Store)
            ]
            if len(stores) == 1:
                edits = [replace(source, split, "pass"), replace(source, use.name, source_key)]
                yield make_mutant(
                    "NNX106", source, edits, use.block[use.at], "split left out of a loop"
                )


@mutator("NNX106")
def draw_before_loop(source: Source) -> Iterator[Mutant]:
    """Draw once before a loop instead of each time round."""
    for draw in draws(source):
        loop = next((a for a in source.ancestors(draw.call) if isinstance(a, ast.For)), None)
        if loop is None or _leaves(loop.body) or "loop_key" in source.text:
            continue
        if source.function_of(loop) is not draw.function or draw.optional:
            continue
        edits = [
            insert_before(source, loop, f"loop_key = {source.code(draw.call)}"),
            replace(source, draw.call, "loop_key"),
        ]
        yield make_mutant("NNX106", source, edits, loop, "draw before the loop")


@mutator("NNX106")
def draw_reused(source: Source) -> Iterator[Mutant]:
    """Two draws in one block: use the first key for both."""
    found = [draw for draw in draws(source) if len(draw.users) == 1]
    for first, second in pairwise(found):
        if first.function is not second.function or "shared_key" in source.text:
            continue
        one, two = source.statement_of(first.call), source.statement_of(second.call)
        block = source.block_of(one)
        if two not in block or one is two or _lazy(source, first) or _lazy(source, second):
            continue
        between = block[block.index(one) : block.index(two)]
        if block.index(one) > block.index(two) or _leaves(between):
            continue
        if any(
            isinstance(s, ast.If | ast.For | ast.While | ast.Try | ast.With) for s in (one, two)
        ):
            continue
        edits = [
            insert_before(source, one, f"shared_key = {source.code(first.call)}"),
            replace(source, first.call, "shared_key"),
            replace(source, second.call, "shared_key"),
        ]
        last = _lowest([two, *second.users, *first.users])
        mutant = make_mutant("NNX106", source, edits, two, "one draw for two")
        yield _widened(mutant, last)


def _lazy(source: Source, draw: Draw) -> bool:
    for above in source.ancestors(draw.call):
        if isinstance(above, ast.stmt):
            return False
        if isinstance(
            above, ast.IfExp | ast.BoolOp | ast.comprehension | ast.ListComp | ast.Lambda
        ):
            return True
    return False


@mutator("NNX107")
def dropout_without_rngs(source: Source) -> Iterator[Mutant]:
    """Build ``nnx.Dropout`` without its rngs."""
    for call in child_calls(source):
        if call.owner is None or not call.plain:
            continue
        name = getattr(call.call.func, "attr", None)
        text = source.code(call.owner.node)
        words = {word.arg for word in call.call.keywords}
        if "rngs" in words or (name and text.count(f"self.{name}(") != 1):
            continue
        mode = next((w.value for w in call.call.keywords if w.arg == "deterministic"), None)
        if isinstance(mode, ast.Constant) and mode.value:
            continue
        for made in call.made:
            given = next((w for w in made.call.keywords if w.arg == "rngs"), None)
            if (
                made.kind == "flax.nnx.Dropout"
                and made.source is source
                and made.heeds_mode
                and not made.mode_is_fixed
                and given
                and not re.search(r"None", ast.unparse(given.value))
            ):
                edits = [drop_argument(source, made.call, given)]
                yield make_mutant("NNX107", source, edits, made.call, "no rngs")


@mutator("NNX108")
def stream_not_called(source: Source) -> Iterator[Mutant]:
    """Hand on a stream, or the whole container, for a key."""
    for at, draw in enumerate(draws(source)):
        if not draw.sampled or not draw.stream:
            continue
        new = draw.container if at % 3 == 2 else source.code(draw.call.func)
        edits = [replace(source, draw.call, new)]
        mutant = make_mutant("NNX108", source, edits, draw.call, "not called")
        yield _widened(mutant, _lowest([draw.call, *draw.users]))


@mutator("NNX108")
def split_stream_not_called(source: Source) -> Iterator[Mutant]:
    """``jax.random.split(self.rngs.noise)``: the same for what makes keys."""
    for draw in draws(source, consumed=False):
        above = source.parents[draw.call]
        if not (isinstance(above, ast.Call) and draw.call in above.args[:1] and draw.stream):
            continue
        if source.dotted(above.func) in ("jax.random.split", "jax.random.fold_in"):
            edits = [replace(source, draw.call, source.code(draw.call.func))]
            yield make_mutant("NNX108", source, edits, above, "not called")


@mutator("NNX109")
def not_forked(source: Source) -> Iterator[Mutant]:
    """Keep the rngs un-forked in a class of which a parent builds several with the same rngs."""
    for owner in source.modules:
        for name, saved in owner.rngs().items():
            if "fork" not in ast.unparse(saved.value) or saved not in source.walk(owner.node):
                continue
            several = [
                call
                for parent in source.modules
                if parent is not owner and parent.init
                for call in source.walk(parent.init)
                if isinstance(call, ast.Call)
                and source.dotted(call.func) == f"{source.module}.{owner.node.name}"
                and any(w.arg == "rngs" and ast.unparse(w.value) == "rngs" for w in call.keywords)
            ]
            looped = any(
                isinstance(above, ast.For | ast.comprehension | ast.ListComp)
                for call in several
                for above in source.ancestors(call)
            )
            if len(several) > 1 or looped:
                old = source.code(saved.value)
                edits = [replace(source, saved.value, old.removesuffix(".fork()"))]
                mutant = make_mutant(
                    "NNX109", source, edits, source.tree.body[0], f"{name} not forked"
                )
                yield _widened(mutant, source.tree.body[-1])


_STREAM_METHODS = {"fork", "split", "default", "items", "keys", "values", "count", "key", *SAMPLERS}


@mutator("NNX110")
def stream_typo(source: Source) -> Iterator[Mutant]:
    """Misspell the name of a stream."""
    declared = set(re.findall(r"(\w+)=", " ".join(re.findall(r"Rngs\(([^)]*)\)", source.text))))
    for owner in source.modules:
        kept = {f"self.{name}" for name in owner.rngs()}
        for at, node in enumerate(ast.walk(owner.node)):
            function = source.function_of(node)
            if not isinstance(node, ast.Call) or function is None or node.args or node.keywords:
                continue
            func = node.func
            if not isinstance(func, ast.Attribute):
                continue
            stream, container = func.attr, ast.unparse(func.value)
            if container not in kept | rngs_parameters(function):
                continue
            if stream not in {"params", "dropout"} | declared or len(stream) < 5:
                continue
            middle = len(stream) // 2
            shorter = stream[:middle] + stream[middle + 1 :]
            doubled = stream[:middle] + stream[middle] + stream[middle:]
            swapped = stream[:middle] + stream[middle + 1] + stream[middle] + stream[middle + 2 :]
            typos = [shorter, doubled, swapped] if len(stream) >= 7 else [shorter, doubled]
            typo = typos[at % len(typos)]
            if typo in _STREAM_METHODS or re.search(rf"\b{typo}\b", source.text) or typo == stream:
                continue
            end = source.span(func)[1]
            edits = [(end - len(stream), end, typo)]
            yield make_mutant("NNX110", source, edits, node, "stream misspelt")


@mutator("NNX111")
def frozen_noise(source: Source) -> Iterator[Mutant]:
    """Sample an array in ``__init__``, keep it, and use it in the forward pass."""
    for draw in draws(source):
        user = draw.users[0]
        init = draw.owner.init
        saved = draw.owner.rngs().get(draw.attribute)
        if (
            draw.stream not in DROPOUT_LIKE
            or not draw.sampled
            or len(draw.users) != 1
            or source.parents[draw.call] is not user
            or not saved
            or not init
            or saved not in source.walk(init)
            or draw.owner.has_name("noise_array")
            or not mode_decides(source, draw.function, user)
        ):
            continue
        sampler = f"{source.code(user.func)}({source.code(draw.call)}"
        rest = ", 0.5, (1, 64))" if "bernoulli" in sampler else ", (1, 64))"
        edits = [
            insert_after(source, saved, f"self.noise_array = {sampler}{rest}"),
            replace(source, user, "self.noise_array"),
        ]
        yield make_mutant("NNX111", source, edits, draw.owner.node, "hoisted array")


# -- NNX2xx: modes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A flag of the caller that is handed on by keyword to a known child."""

    call: ChildCall
    word: ast.keyword
    flag: str
    inverted: bool

    @property
    def source(self) -> Source:
        """The file."""
        return self.call.source


def forwarded(source: Source) -> Iterator[Forwarded]:
    """All calls of known children that are told the caller's mode, as it is or inverted."""
    for call in child_calls(source):
        if not call.plain or call.under_mode_test:
            continue
        words = [word for word in call.call.keywords if word.arg in call.child_flags]
        if len(words) != 1 or not all(made.heeds_mode for made in call.made):
            continue
        value = words[0].value
        inverted = isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)
        name = value.operand if isinstance(value, ast.UnaryOp) else value
        if not isinstance(name, ast.Name) or name.id not in call.own_flags:
            continue
        stores = [
            node
            for node in source.walk(call.function)
            if isinstance(node, ast.Name)
            and node.id == name.id
            and not isinstance(node.ctx, ast.Load)
        ]
        sets = re.search(r"\.(train|eval|set_attributes)\(", source.code(call.function))
        right = (FLAGS[words[0].arg or ""] == FLAGS[name.id]) != inverted
        if right and not stores and not sets:
            yield Forwarded(call, words[0], name.id, inverted)


@mutator("NNX201")
def mode_dropped(source: Source) -> Iterator[Mutant]:
    """Do not hand the mode on."""
    for told in forwarded(source):
        if not any(made.mode_is_fixed for made in told.call.made):
            edits = [drop_argument(source, told.call.call, told.word)]
            yield make_mutant("NNX201", source, edits, told.call.call, "mode dropped")


@mutator("NNX201")
def position_dropped(source: Source) -> Iterator[Mutant]:
    """Do not hand on a mode that went by position."""
    for call in child_calls(source):
        signature = call.signature
        if not call.call.args or not call.plain or call.under_mode_test or signature is None:
            continue
        last = call.call.args[-1]
        slots = [arg.arg for arg in [*signature.posonlyargs, *signature.args]][1:]
        at = len(call.call.args) - 1
        if (
            isinstance(last, ast.Name)
            and last.id in call.own_flags
            and at < len(slots)
            and slots[at] in call.child_flags
            and FLAGS[slots[at]] == FLAGS[last.id]
            and all(made.heeds_mode and not made.mode_is_fixed for made in call.made)
            and not re.search(r"\.(train|eval|set_attributes)\(", source.code(call.function))
        ):
            edits = [drop_argument(source, call.call, last)]
            yield make_mutant("NNX201", source, edits, call.call, "mode dropped (position)")


def _told_outright(source: Source, function: Function, flag: str) -> list[ast.AST] | None:
    """The tests of a flag, if a method does no more with it than test it."""
    found: list[ast.AST] = []
    for node in source.walk(function):
        if not isinstance(node, ast.Name) or node.id != flag:
            continue
        above = source.parents[node]
        test: ast.AST = above if isinstance(above, ast.UnaryOp) else node
        outer = source.parents[test]
        if isinstance(outer, ast.BoolOp) and isinstance(source.parents[outer], ast.If):
            found.append(test)
        elif (
            isinstance(outer, ast.If)
            and outer.test is test
            and not outer.orelse
            and isinstance(outer.body[-1], ast.Return)
        ):
            found.append(outer)
        else:
            return None
    return found


def _without_tests(source: Source, found: list[ast.AST]) -> list[Edit]:
    edits = []
    for node in found:
        above = source.parents[node]
        if isinstance(above, ast.BoolOp):
            spans = [source.span(value) for value in above.values]
            edits.append(_listed(source, spans, [id(v) for v in above.values].index(id(node))))
        else:
            edits.append(replace(source, node, "pass"))
    return edits


@mutator("NNX202")
def mode_flag_removed(source: Source) -> Iterator[Mutant]:
    """``__call__`` draws its dropout: take its flag away, and the tests of it."""
    for draw in draws(source, consumed=False):
        function, text = draw.function, source.code(draw.owner.node)
        flags = flags_of(function.args)
        if (
            function.name != "__call__"
            or draw.stream not in DROPOUT_LIKE
            or not draw.attribute
            or len(flags) != 1
            or draw.optional
            or re.search(r"set_view|self\.(\w*train\w*|deterministic)|None", text)
        ):
            continue
        tests = _told_outright(source, function, flags[0])
        gated = any(
            call.under_mode_test
            for call in child_calls(source)
            if any(made.kind is draw.owner for made in call.made)
        )
        if tests and not gated:
            edits = [drop_parameter(source, function, flags[0]), *_without_tests(source, tests)]
            yield make_mutant("NNX202", source, edits, draw.call, "flag removed")


def _has(made: list[Made], word: str) -> bool:
    """Whether one of the children takes a keyword, or may."""
    for each in made:
        signature = each.signature
        if signature is None or signature.kwarg:
            return True
        if word in {arg.arg for arg in all_parameters(signature)}:
            return True
    return False


@mutator("NNX203")
def keyword_renamed(source: Source) -> Iterator[Mutant]:
    """Call the flag ``train``, where the child calls it otherwise."""
    for told in forwarded(source):
        new = "training" if told.flag == "training" else "train"
        if _has(told.call.made, new):
            new = "deterministic"
        if not _has(told.call.made, new):
            value = told.flag if FLAGS[new] == FLAGS[told.flag] else f"not {told.flag}"
            edits = [replace(source, told.word, f"{new}={value}")]
            yield make_mutant("NNX203", source, edits, told.call.call, "unknown keyword")


@mutator("NNX203")
def keyword_added(source: Source) -> Iterator[Mutant]:
    """Tell the mode to a layer that has none."""
    for call in child_calls(source):
        if call.own_flags and call.plain and all(isinstance(m.kind, str) for m in call.made):
            flag = call.own_flags[0]
            if not _has(call.made, flag) and not any(made.flags for made in call.made):
                edits = [add_argument(source, call.call, f"{flag}={flag}")]
                yield make_mutant("NNX203", source, edits, call.call, "keyword for a plain layer")


@mutator("NNX204")
def mode_inverted(source: Source) -> Iterator[Mutant]:
    """Add or remove a ``not``."""
    for told in forwarded(source):
        new = told.flag if told.inverted else f"not {told.flag}"
        edits = [replace(source, told.word.value, new)]
        yield make_mutant("NNX204", source, edits, told.call.call, "inverted")


@mutator("NNX204")
def batch_norm_by_position(source: Source) -> Iterator[Mutant]:
    """``bn(x, train)``."""
    for told in forwarded(source):
        made, call = told.call.made, told.call.call
        alone = len(call.args) == 1 and len(call.keywords) == 1
        if alone and told.inverted and all(m.kind == "flax.nnx.BatchNorm" for m in made):
            edits = [replace(source, told.word, told.flag)]
            yield make_mutant("NNX204", source, edits, call, "inverted by position")


@mutator("NNX205")
def mode_in_wrong_place(source: Source) -> Iterator[Mutant]:
    """Pass the mode by position into another parameter, or where a keyword is needed."""
    for told in forwarded(source):
        call, signature = told.call.call, told.call.signature
        if signature is None or signature.vararg or not call.args:
            continue
        slots = [arg.arg for arg in [*signature.posonlyargs, *signature.args]][1:]
        place = slots[len(call.args)] if len(call.args) < len(slots) else None
        given = {word.arg for word in call.keywords}
        if place in FLAGS or place in given or (place is None and len(slots) < len(call.args)):
            continue
        end = source.span(call.args[-1])[1]
        edits = [
            drop_argument(source, call, told.word),
            (end, end, f", {source.code(told.word.value)}"),
        ]
        if edits[0][0] == end:  # the flag is the first keyword: one edit
            edits = [(end, source.span(told.word)[1], f", {source.code(told.word.value)}")]
        yield make_mutant("NNX205", source, edits, call, f"into {place}")


_MODE_NAMES = re.compile(
    r"generate|predict|sample|mc_|teacher|target|_with_dropout|stop_gradient|eval|infer",
    re.IGNORECASE,
)


@mutator("NNX206")
def mode_hard_coded(source: Source) -> Iterator[Mutant]:
    """Write a literal for the mode."""
    for at, told in enumerate(forwarded(source)):
        names = f"{told.call.function.name} {ast.unparse(source.statement_of(told.call.call))}"
        if _MODE_NAMES.search(names):
            continue
        edits = [replace(source, told.word.value, ("True", "False")[at % 2])]
        yield make_mutant("NNX206", source, edits, told.call.call, "literal mode")


@mutator("NNX207")
def flag_unused(source: Source) -> Iterator[Mutant]:
    """A ``__call__`` that draws: take away the tests of its flag, keep the flag."""
    for draw in draws(source, consumed=False):
        flags = flags_of(draw.function.args)
        if draw.function.name != "__call__" or len(flags) != 1 or draw.optional:
            continue
        if not _no_base_call(draw.owner):
            continue
        tests = _told_outright(source, draw.function, flags[0])
        if tests:
            edits = _without_tests(source, tests)
            yield _on_def(
                make_mutant("NNX207", source, edits, draw.function, "tests removed"), draw
            )


@mutator("NNX207")
def flag_added(source: Source) -> Iterator[Mutant]:
    """A ``__call__`` that draws and knows no mode: give it a flag that it does not read."""
    done = set()
    for draw in draws(source, consumed=False):
        function = draw.function
        text = source.code(draw.owner.node)
        told = draw.owner.children()
        if (
            function.name != "__call__"
            or not draw.attribute
            or function in done
            or flags_of(function.args)
            or function.args.kwarg
            or function.args.vararg
            or not _no_base_call(draw.owner)
            or any(made.flags for each in told.values() for made in each)
            or re.search(r"\b(train|training|deterministic)\b", text)
        ):
            continue
        done.add(function)
        parameters = sorted(all_parameters(function.args), key=source.span)
        given = defaults(function.args)
        last = parameters[-1]
        end = source.span(given.get(last.arg, last))[1]
        edits = [(end, end, ", train: bool = True")]
        yield _on_def(make_mutant("NNX207", source, edits, function, "flag added"), draw)


def _no_base_call(owner: Class) -> bool:
    return owner.resolved and not any(
        each is not owner and each.method("__call__") for each in owner.mro
    )


def _on_def(mutant: Mutant, draw: Draw) -> Mutant:
    first = min([draw.function.lineno, *(d.lineno for d in draw.function.decorator_list)])
    return on_lines(mutant, first, draw.function.body[0].lineno)


@mutator("NNX208")
def method_as_flag(source: Source) -> Iterator[Mutant]:
    """``if self.train:`` for ``if train:``."""
    for owner in source.modules:
        for function in owner.forward:
            for test in tested_flags(source, function):
                if owner.has_name("train") or not owner.resolved or "__dict__" in source.text:
                    continue
                edits = [told_by_self(source, test, "train", same=FLAGS[test.id])]
                yield make_mutant("NNX208", source, edits, test, "method for a flag")


def told_by_self(source: Source, told: ast.expr, name: str, *, same: bool) -> Edit:
    """Read an attribute of self for what tells the mode, of the same polarity or of the other."""
    above = source.parents[told]
    if same:
        return replace(source, told, f"self.{name}")
    if isinstance(above, ast.UnaryOp):
        return replace(source, above, f"self.{name}")
    return replace(source, told, f"not self.{name}")


def tested_flags(source: Source, function: Function) -> Iterator[ast.Name]:
    """The flags that a function tests for truth."""
    for node in source.walk(function):
        if not isinstance(node, ast.Name) or node.id not in flags_of(function.args):
            continue
        inner: ast.AST = node
        above = source.parents[inner]
        while isinstance(above, ast.BoolOp) or (
            isinstance(above, ast.UnaryOp) and isinstance(above.op, ast.Not)
        ):
            inner, above = above, source.parents[above]
        is_test = isinstance(above, ast.If | ast.IfExp) and above.test is inner
        if is_test and source.function_of(node) is function:
            yield node


@mutator("NNX208")
def method_hidden(source: Source) -> Iterator[Mutant]:
    """Name an attribute ``train``."""
    for owner in source.modules:
        for name in ("training", "is_training", "deterministic"):
            text = source.code(owner.node)
            stores = [node for node in owner.stores(name) if isinstance(node, ast.Attribute)]
            if not stores or owner.has_name("train") or len(stores) != len(owner.stores(name)):
                continue
            if f'"{name}"' in text or not owner.resolved:
                continue
            uses = [node for node in source.walk(owner.node) if is_self(node, name)]
            edits: list[Edit] = [
                (source.span(u)[1] - len(name), source.span(u)[1], "train") for u in uses
            ]
            yield make_mutant("NNX208", source, edits, owner.node, "method hidden")


@mutator("NNX209")
def eval_result_used(source: Source) -> Iterator[Mutant]:
    """``model = Model(...).eval()``, ``model = model.eval()``."""
    for function in _functions(source):
        for at, node in enumerate(ast.walk(function)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                kind = source.dotted(node.value.func)
                own = source.package.lookup(kind) if kind else None
                known = kind in BUILTINS or (
                    own is not None
                    and own.is_module
                    and not (own.method("eval") or own.method("train"))
                )
                if known and source.function_of(node) is function and len(node.targets) == 1:
                    end = source.span(node.value)[1]
                    edits = [(end, end, (".eval()", ".train()")[at % 2])]
                    yield make_mutant("NNX209", source, edits, node, "on the constructor")


@mutator("NNX209")
def eval_assigned(source: Source) -> Iterator[Mutant]:
    """``model.eval()`` -> ``model = model.eval()``."""
    for function in _functions(source):
        for node in source.walk(function):
            match = (
                re.fullmatch(r"(\w+)\.(eval|train)\(\)", ast.unparse(node))
                if isinstance(node, ast.Expr)
                else None
            )
            if match is None:
                continue
            bound = [
                source.dotted(each.value.func)
                for each in source.walk(function)
                if isinstance(each, ast.Assign)
                and isinstance(each.value, ast.Call)
                and match[1] in {getattr(t, "id", "") for t in each.targets}
            ]
            own = [source.package.lookup(kind) if kind else None for kind in bound]
            stores = [
                each
                for each in source.walk(function)
                if isinstance(each, ast.Name)
                and each.id == match[1]
                and isinstance(each.ctx, ast.Store)
            ]
            kind = own[0] if len(own) == len(stores) == 1 else None
            if kind and kind.is_module and not kind.method(match[2]):
                edits = [replace(source, node, f"{match[1]} = {ast.unparse(node)}")]
                yield make_mutant("NNX209", source, edits, node, "assigned")


_NEW_LAYERS = {
    "flax.nnx.Linear": "{nnx}.Linear(64, 64, rngs={rngs})",
    "flax.nnx.Dropout": "{nnx}.Dropout(0.1, rngs={rngs})",
    "flax.nnx.LayerNorm": "{nnx}.LayerNorm(64, rngs={rngs})",
    "flax.nnx.BatchNorm": "{nnx}.BatchNorm(64, rngs={rngs})",
    "flax.nnx.Conv": "{nnx}.Conv(8, 8, (3, 3), rngs={rngs})",
}


@mutator("NNX210")
def layer_built(source: Source) -> Iterator[Mutant]:
    """Build a layer where it is called."""
    nnx = source.alias("flax.nnx")
    for at, call in enumerate(child_calls(source)):
        kinds = {made.kind for made in call.made}
        kind = kinds.pop()
        if (
            not nnx
            or call.owner is None
            or kinds
            or kind not in _NEW_LAYERS
            or "Rngs" in source.globals
        ):
            continue
        if kind == "flax.nnx.Dropout" and call.call.keywords:
            continue  # the mode, or a key, does reach it
        function, callee = call.function, call.call.func
        containers = sorted(rngs_parameters(function)) + [f"self.{n}" for n in call.owner.rngs()]
        rngs = containers[0] if containers else f"{nnx}.Rngs(0)"
        made = _NEW_LAYERS[str(kind)].format(nnx=nnx, rngs=rngs)
        statement = source.statement_of(call.call)
        edits = [replace(source, callee, made)]
        simple = isinstance(statement, ast.Assign | ast.Return | ast.Expr)
        if at % 2 and simple and source.function_of(call.call) is function:
            edits = [
                insert_before(source, statement, f"new_layer = {made}"),
                replace(source, callee, "new_layer"),
            ]
        yield make_mutant("NNX210", source, edits, statement, "layer built")


@mutator("NNX211")
def flag_traced(source: Source) -> Iterator[Mutant]:
    """Compile a function that tests its flag, or tells it to a layer; callers must give it."""
    names = [name for name in (source.alias("flax.nnx"), source.alias("jax")) if name]
    told = {each.call.function for each in forwarded(source)}
    functions = [*[m for owner in source.modules for m in owner.forward], *source.globals.values()]
    for at, function in enumerate(functions):
        if not isinstance(function, ast.FunctionDef) or function.decorator_list:
            continue
        flags, given = flags_of(function.args), defaults(function.args)
        stored = [
            node
            for node in source.walk(function)
            if isinstance(node, ast.Name) and node.id in flags and isinstance(node.ctx, ast.Store)
        ]
        tested = any(True for _ in tested_flags(source, function)) or function in told
        if not tested or stored or len(flags) != 1 or re.match("test|main", function.name):
            continue
        edits = [insert_before(source, function, f"@{names[at % len(names)]}.jit")]
        kind = "compiled"
        if flags[0] in given:  # what is not given is not traced
            parameter = next(a for a in all_parameters(function.args) if a.arg == flags[0])
            end = source.span(parameter)[1]
            edits.append((end, source.span(given[flags[0]])[1], ""))
            kind = "compiled, flag required"
        mutant = make_mutant("NNX211", source, edits, function, kind)
        yield on_lines(mutant, function.lineno, function.body[0].lineno)


@mutator("NNX211")
def static_dropped(source: Source) -> Iterator[Mutant]:
    """Forget ``static_argnames`` for the flag."""
    for function in _functions(source):
        tested = {node.id for node in tested_flags(source, function)}
        for decorator in function.decorator_list:
            for word in decorator.keywords if isinstance(decorator, ast.Call) else []:
                named = any(f"'{flag}'" in ast.unparse(word.value) for flag in tested)
                if isinstance(decorator, ast.Call) and word.arg == "static_argnames" and named:
                    edits = [drop_argument(source, decorator, word)]
                    mutant = make_mutant("NNX211", source, edits, function, "static dropped")
                    yield on_lines(mutant, decorator.lineno, function.body[0].lineno)


@mutator("NNX212")
def flag_removed(source: Source) -> Iterator[Mutant]:
    """Take the flag out of a method that only hands it on to layers of flax, and the hand-overs."""
    by_function: dict[Function, list[Forwarded]] = {}
    for told in forwarded(source):
        builtin = all(made.kind in MODES and not made.mode_is_fixed for made in told.call.made)
        if builtin and told.call.owner:
            by_function.setdefault(told.call.function, []).append(told)
    for function, calls in by_function.items():
        flags = flags_of(function.args)
        uses = sum(isinstance(n, ast.Name) and n.id in flags for n in source.walk(function))
        if len(flags) != 1 or uses != len(calls):
            continue
        drops = [drop_argument(source, told.call.call, told.word) for told in calls]
        edits = [drop_parameter(source, function, flags[0]), *drops]
        yield make_mutant("NNX212", source, edits, function, "flag removed")


# -- NNX3xx: views ---------------------------------------------------------------------------------


@mutator("NNX301")
def set_view_default(source: Source) -> Iterator[Mutant]:
    """Give a parameter of ``set_view`` another default than None, or none at all."""
    for owner in source.modules:
        function = next((m for m in owner.methods if m.name == "set_view"), None)
        if function is None:
            continue
        for name, value in defaults(function.args).items():
            if isinstance(value, ast.Constant) and value.value is None:
                for new in ("False", "True"):
                    edits = [replace(source, value, new)]
                    mutant = make_mutant("NNX301", source, edits, function, f"{name} = {new}")
                    yield on_lines(mutant, function.lineno, function.body[0].lineno)


# -- planted classes -------------------------------------------------------------------------------

PLANTS = Path(__file__).parent / "plants.txt"
_HEADERS = {
    "nnx": "from flax import nnx",
    "jax": "import jax",
    "jnp": "import jax.numpy as jnp",
    "partial": "from functools import partial",
}


@dataclass(frozen=True, slots=True)
class Plant:
    """A small good class, and one way to break it."""

    code: str
    title: str
    good: str
    bad: str
    accepted: tuple[int, int]
    """Where the finding may start: lines of ``bad``, counted from 0."""


def plants() -> list[Plant]:
    """All of them.

    ``«good¦bad¦worse»`` is broken once with *bad* and once with *worse*. The finding is expected
    from the first to the last spot, or on the lines that end in ``# !``.
    """
    found = []
    for section in PLANTS.read_text(encoding="utf-8").split("\n#### ")[1:]:
        heading, _, body = section.partition("\n")
        code, _, title = heading.partition(" ")
        choices = [spot.split("¦") for spot in _SPOT.findall(body)]
        for variant in range(1, max(map(len, choices))):
            good, _ = _render(body, 0)
            bad, accepted = _render(body, variant)
            found.append(Plant(code, f"{title} ({variant})", good, bad, accepted))
    return found


_SPOT = re.compile("«(.*?)»", re.DOTALL)


def _render(body: str, variant: int) -> tuple[str, tuple[int, int]]:
    """A text with one of its choices, and the lines of the spots."""
    text, lines = "", []
    for at, part in enumerate(_SPOT.split(body.strip("\n"))):
        if at % 2:
            choices = part.split("¦")
            part = choices[min(variant, len(choices) - 1)]
            lines += [text.count("\n"), text.count("\n") + part.count("\n")]
        text += part
    marked = [at for at, line in enumerate(text.split("\n")) if line.endswith("# !")]
    lines = marked or lines
    return text.replace("  # !", "") + "\n", (min(lines), max(lines))


def plant_in(text: str, body: str, other: str) -> tuple[str, int]:
    """A file with a class at its end, in the names of the file; the first line of that.

    What the *other* text of the plant needs is imported too, so that they differ in the class only.
    """
    source = Source(Path("planted.py"), text, Package(Path("planted.py")), "planted")
    nnx = source.alias("flax.nnx")
    lines = text.split("\n")
    heads = [
        line
        for name, line in _HEADERS.items()
        if re.search(rf"\b{name}\b", body + other)
        and line not in lines
        and not (name == "nnx" and nnx)
    ]
    if nnx:
        body = re.sub(r"\bnnx\b", nnx, body)
    for name in re.findall(r"^(?:class|def) (\w+)", body, re.MULTILINE):
        if re.search(rf"\b{name}\b", text):
            body = re.sub(rf"\b{name}\b", f"{name}Planted", body)
    before = text.rstrip() + "\n\n\n" + "".join(f"{line}\n" for line in [*heads, "", ""])
    return before + body, before.count("\n") + 1
