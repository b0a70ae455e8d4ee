"""Mutators for views and transforms (NNX302 to NNX402), by the text of the rules alone.

Almost no public package has views yet. So most of these take a real module and give it what its
author might write next: a ``set_view`` for one of its flags, a function that evaluates it, a
compiled call; broken each time.
"""

import ast
import dataclasses
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mutators import (
    Edit,
    Mutant,
    added,
    drop_parameter,
    insert_after,
    insert_before,
    make_mutant,
    mutator,
    on_lines,
    replace,
    tested_flags,
    told_by_self,
)
from sources import (
    BUILTINS,
    FLAGS,
    MODES,
    ChildCall,
    Class,
    Function,
    Made,
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

# -- set_view --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A plain parameter of ``__init__`` kept on self under its own name and read when called."""

    source: Source
    owner: Class
    init: Function
    name: str
    kind: str
    """What its annotation or its default says that it is: bool, int, float or str."""


@lru_cache(maxsize=4)
def kept(source: Source) -> list[Kept]:
    """All of them, in modules that nobody views in their own way yet."""
    return list(_kept(source))


def _kept(source: Source) -> Iterator[Kept]:
    for owner in source.modules:
        init = owner.init
        if init is None or _has_views(owner):
            continue
        given = defaults(init.args)
        for parameter in all_parameters(init.args):
            name = parameter.arg
            kind = _kind(parameter, given.get(name))
            if kind and _stored(owner, init, name) and _read_later(owner, name):
                yield Kept(source, owner, init, name, kind)


def _has_views(owner: Class) -> bool:
    """Whether the class, a base or a subclass says how it is viewed."""
    family = [*owner.mro, *owner.source.package.subclasses(owner)]
    return any("set_view" in each.source.code(each.node) for each in family)


def _own(owner: Class, name: str) -> Function | None:
    """A method of the class itself."""
    return next((method for method in owner.methods if method.name == name), None)


def _kind(parameter: ast.arg, default: ast.expr | None) -> str:
    if parameter.annotation is not None:
        kind = ast.unparse(parameter.annotation)
    else:
        kind = type(getattr(default, "value", None)).__name__
    return kind if kind in ("bool", "int", "float", "str") else ""


def _stored(owner: Class, init: Function, name: str) -> bool:
    """Whether ``self.name = name`` stands in ``__init__``, and no method has that name."""
    wanted = f"self.{name} = {name}"
    assigned = any(
        isinstance(node, ast.Assign) and ast.unparse(node) == wanted for node in init.body
    )
    return assigned and owner.method(name) is None


def _read_later(owner: Class, name: str) -> bool:
    return any(
        is_self(node, name) and isinstance(node.ctx, ast.Load)  # type: ignore[attr-defined]
        for method in owner.forward
        for node in owner.source.walk(method)
    )


_GOOD_DOCS = """Class method used by ``nnx.view``.

    Args:
      {name}: the new value."""
_GUARDED = "if {name} is not None:\n        self.{name} = {name}"


def _set_view(each: Kept, body: str, *, docs: str = _GOOD_DOCS, signature: str = "") -> str:
    """The text of a ``set_view``."""
    head = signature or "{name}: {kind} | None = None"
    documented = f'    """{docs}\n    """\n' if docs else ""
    text = f"def set_view(self, {head}) -> None:\n{documented}    {body}"
    return text.replace("{name}", each.name).replace("{kind}", each.kind)


def _viewed(code: str, each: Kept, method: str, kind: str) -> Mutant:
    """The class with this method below its ``__init__``."""
    return _with_method(code, each.source, each.init, method, kind)


def _with_method(code: str, source: Source, after: Function, method: str, kind: str) -> Mutant:
    end = source.span(after)[1]
    edit = (end, end, "\n\n" + textwrap.indent(method, " " * after.col_offset))
    last = after.end_lineno or after.lineno
    return added(make_mutant(code, source, [edit], after, kind), last)


@mutator("NNX302")
def unguarded(source: Source) -> Iterator[Mutant]:
    """A ``set_view`` that always assigns."""
    bodies = (
        "self.{name} = {name}",
        "if {name} is not None and not isinstance({name}, {kind}):\n"
        '        raise TypeError("{name} must be of type {kind}")\n'
        "    self.{name} = {name}",
        "self.{name} = {name} if {name} != self.{name} else self.{name}",
        "previous, self.{name} = self.{name}, {name}\n    del previous",
    )
    for at, each in enumerate(kept(source)):
        body = bodies[at % len(bodies)]
        yield _viewed("NNX302", each, _set_view(each, body), "assigns always")


@dataclass(frozen=True, slots=True)
class Guard:
    """``if x is not None: self.x = x`` in a real ``set_view``."""

    function: Function
    test: ast.If
    name: str


def _guards(source: Source) -> Iterator[Guard]:
    for function in _real_set_views(source):
        for node in function.body:
            if not isinstance(node, ast.If) or node.orelse or len(node.body) != 1:
                continue
            for name in (arg.arg for arg in all_parameters(function.args)):
                guarded = ast.unparse(node.test) == f"{name} is not None"
                if guarded and ast.unparse(node.body[0]) == f"self.{name} = {name}":
                    yield Guard(function, node, name)


def _real_set_views(source: Source) -> list[Function]:
    return [m for owner in source.modules for m in owner.methods if m.name == "set_view"]


@mutator("NNX302")
def guard_dropped(source: Source) -> Iterator[Mutant]:
    """Take the guard out of a real ``set_view``."""
    for guard in _guards(source):
        for new in (f"self.{guard.name} = {guard.name}", f"self.{guard.name} = bool({guard.name})"):
            edits = [replace(source, guard.test, new)]
            yield make_mutant("NNX302", source, edits, guard.test, "guard dropped")


@mutator("NNX303")
def truthiness(source: Source) -> Iterator[Mutant]:
    """A ``set_view`` that cannot set a flag to False."""
    bodies = (
        "if {name}:\n        self.{name} = {name}",
        "self.{name} = {name} or self.{name}",
        "self.{name} = {name} if {name} else self.{name}",
    )
    flags = [each for each in kept(source) if each.kind == "bool"]
    for at, each in enumerate(flags):
        method = _set_view(each, bodies[at % len(bodies)])
        yield _viewed("NNX303", each, method, "truthiness")


@mutator("NNX303")
def guard_weakened(source: Source) -> Iterator[Mutant]:
    """``if x:`` for ``if x is not None:`` in a real ``set_view``, and ``x or self.x``."""
    for guard in _guards(source):
        name = guard.name
        if "bool" in source.code(guard.function.args.args[-1]):
            edits = [replace(source, guard.test.test, name)]
            yield make_mutant("NNX303", source, edits, guard.test, "guard weakened")
            edits = [replace(source, guard.test, f"self.{name} = {name} or self.{name}")]
            yield make_mutant("NNX303", source, edits, guard.test, "guard weakened")


@mutator("NNX304")
def unreadable_docs(source: Source) -> Iterator[Mutant]:
    """A ``set_view`` that is documented as everything else is."""
    layouts = (
        "Choose the mode.\n\n    Args:\n        {name}: the new value.",
        "Choose the mode.",
        "Choose the mode.\n\n    Parameters\n    ----------\n    {name} : {kind}\n        It.",
        "Choose the mode.\n\n    :param {name}: the new value.",
        "Choose the mode.\n\n    Args:\n      {name} ({kind}): the new value.",
        "Choose the mode.\n\n    Args:\n      value: the new value.",
        "Choose the mode.\n\n    Args:\n    {name}: the new value.",
    )
    for at, each in enumerate(kept(source)):
        method = _set_view(each, _GUARDED, docs=layouts[at % len(layouts)])
        yield _viewed("NNX304", each, method, "docstring")


@mutator("NNX305")
def no_docs(source: Source) -> Iterator[Mutant]:
    """A ``set_view`` without a docstring."""
    for each in kept(source):
        yield _viewed("NNX305", each, _set_view(each, _GUARDED, docs=""), "no docstring")


@mutator("NNX305")
def docs_dropped(source: Source) -> Iterator[Mutant]:
    """Take away the docstring of a real one."""
    for function in _real_set_views(source):
        if ast.get_docstring(function) and len(function.body) > 1:
            edits = [replace(source, function.body[0], "pass")]
            yield make_mutant("NNX305", source, edits, function, "docstring dropped")


@mutator("NNX306")
def swallows(source: Source) -> Iterator[Mutant]:
    """A ``set_view`` that takes whatever comes, or takes nothing by name."""
    signatures = (
        "{name}: {kind} | None = None, **kwargs",
        "{name}: {kind} | None = None, /",
        "*, {name}: {kind} | None = None, **kwargs: object",
    )
    for at, each in enumerate(kept(source)):
        signature = signatures[at % len(signatures)]
        method = _set_view(each, _GUARDED, signature=signature)
        yield _viewed("NNX306", each, method, "swallows")


@mutator("NNX306")
def swallows_more(source: Source) -> Iterator[Mutant]:
    """The same for a real one."""
    for function in _real_set_views(source):
        if function.args.kwarg or function.args.posonlyargs or function.args.kwonlyargs:
            continue
        last = function.args.args[-1]
        end = source.span(defaults(function.args).get(last.arg, last))[1]
        for new in (", **kwargs", ", /"):
            mutant = make_mutant("NNX306", source, [(end, end, new)], function, "swallows more")
            yield on_lines(mutant, function.lineno, function.body[0].lineno)


# -- calls of view, with_attributes, recursive_map -------------------------------------------------


@mutator("NNX307")
def view_for_mode_method(source: Source) -> Iterator[Mutant]:
    """``model.eval()`` -> ``nnx.view(model, ...)``, as if that changed the model."""
    nnx = source.alias("flax.nnx")
    for at, node in enumerate(source.walk() if nnx else ()):
        match = (
            re.fullmatch(r"([\w.]+)\.(eval|train)\(\)", ast.unparse(node))
            if isinstance(node, ast.Expr)
            else None
        )
        if match and match[1] != "self":
            value = match[2] == "eval"
            name = ("view", "with_attributes")[at % 2]
            new = f"{nnx}.{name}({match[1]}, deterministic={value}, use_running_average={value})"
            edits = [replace(source, node, new)]
            yield make_mutant("NNX307", source, edits, node, "discarded")


_COPIERS = {"flax.nnx.view", "flax.nnx.with_attributes", "flax.nnx.recursive_map"}


@mutator("NNX307")
def result_dropped(source: Source) -> Iterator[Mutant]:
    """Do not keep what a real call returns: go on with the model that it was given."""
    for call in _copies(source):
        above = source.parents[call]
        place = 1 if "recursive_map" in ast.unparse(call.func) else 0
        model = source.code(call.args[place])
        alone = source.code(call)
        if isinstance(above, ast.Assign):
            rest = f"{source.code(above.targets[0])} = {model}"
        elif isinstance(above, ast.Return):
            rest = f"return {model}"
        else:
            continue
        edits = [
            replace(source, above, rest),
            insert_before(source, above, alone),
        ]
        yield make_mutant("NNX307", source, edits, above, "result dropped")


def _copies(source: Source) -> list[ast.Call]:
    return [
        node
        for node in source.walk()
        if isinstance(node, ast.Call) and source.dotted(node.func) in _COPIERS
    ]


@mutator("NNX311")
def node_not_returned(source: Source) -> Iterator[Mutant]:
    """Drop a ``return node`` of a function that a real ``recursive_map`` is given."""
    for call in _copies(source):
        visitor = call.args[0] if "recursive_map" in ast.unparse(call.func) else None
        for function in source.walk() if isinstance(visitor, ast.Name) else ():
            if not isinstance(function, Function) or function.name != visitor.id:  # type: ignore[union-attr]
                continue
            last = function.args.args[-1].arg
            for node in source.walk(function):
                if node is function.body[-1] and ast.unparse(node) == f"return {last}":
                    for new in ("pass", "return"):
                        edits = [replace(source, node, new)]
                        yield make_mutant("NNX311", source, edits, call, "node not returned")


# -- functions at the end of a file ----------------------------------------------------------------


def _callable(each: Class) -> bool:
    """Whether the class stands at the top of its file and can be called with one array."""
    call = each.method("__call__")
    if call is None or each.node not in each.source.tree.body or call.decorator_list:
        return False
    given = defaults(call.args)
    needed = [arg.arg for arg in all_parameters(call.args)[1:] if arg.arg not in given]
    return len(needed) == 1 and not call.args.kwonlyargs and not call.args.vararg


def _appended(code: str, source: Source, text: str, kind: str) -> Mutant:
    """A file with something more at its end."""
    end = len(source.text.rstrip())
    edit = (end, end, f"\n\n\n{text}")
    mutant = make_mutant(code, source, [edit], source.tree.body[-1], kind)
    return added(mutant, source.line_of(end))


def _free(source: Source, *names: str) -> bool:
    """Whether a file does not use these names."""
    return not any(re.search(rf"\b{name}\b", source.text) for name in names)


def _sure_children(owner: Class) -> dict[str, Made]:
    """The children that ``__init__`` builds on every path, one by one."""
    found: dict[str, Made] = {}
    for node in owner.init.body if owner.init else ():
        for target in targets(node):
            name = getattr(target, "attr", "")
            made = owner.children().get(name, [])
            if is_self(target, name) and len(made) == 1 and not made[0].many:
                found[name] = made[0]
    return found


def _half_modes(owner: Class, depth: int = 3) -> set[str]:
    """The modes that surely matter in a module or below it and that only a view can set."""
    found: set[str] = set()
    for name, made in _sure_children(owner).items():
        if isinstance(made.kind, Class):
            found |= _half_modes(made.kind, depth - 1) if depth else set()
        elif made.heeds_mode and not made.mode_is_fixed and not _told(owner, name):
            found.add(MODES[made.kind])
    return found


def _told(owner: Class, child: str) -> bool:
    """Whether a call of the child says the mode, or may."""
    calls = [
        node
        for method in owner.forward
        for node in owner.source.walk(method)
        if isinstance(node, ast.Call) and is_self(node.func, child)
    ]
    return not calls or any(
        word.arg is None or word.arg in FLAGS for call in calls for word in call.keywords
    )


@mutator("NNX308")
def half_mode(source: Source) -> Iterator[Mutant]:
    """Evaluate a real module that holds both kinds of layer, and set one of the two modes."""
    nnx = source.alias("flax.nnx")
    if not nnx or not _free(source, "evaluate_half", "viewed"):
        return
    for owner in source.modules:
        if len(_half_modes(owner)) < 2 or owner.node not in source.tree.body:
            continue
        name = owner.node.name
        head = f"def evaluate_half(model: {name}, *inputs):\n    "
        calls = (
            f"viewed = {nnx}.view(model, deterministic=True)",
            f"viewed = {nnx}.with_attributes(model, deterministic=True)",
            f"viewed = {nnx}.view(model, use_running_average=True)",
            "model.set_attributes(deterministic=True)\n    viewed = model",
        )
        for call in calls:
            text = f"{head}{call}\n    return viewed(*inputs)"
            yield _appended("NNX308", source, text, "half mode")


_PLAIN_KINDS = {"int", "float", "bool", "str", "int | None", "float | None", "str | None"}


def _fully_known(owner: Class, depth: int = 4) -> bool:
    """Whether all that a module holds is known: layers of flax, known modules, plain values."""
    if not owner.resolved or not depth or _has_magic(owner):
        return False
    known = owner.children()
    for each in owner.mro:
        for method in each.methods:
            plain = {a.arg for a in all_parameters(method.args) if _is_plain(a)}
            for node in each.source.walk(method):
                for target in targets(node):
                    name = getattr(target, "attr", "")
                    if not is_self(target, name) or name in known:
                        continue
                    if not _plain_value(each.source, getattr(node, "value", None), plain):
                        return False
    return all(
        _fully_known(made.kind, depth - 1)
        if isinstance(made.kind, Class)
        else made.kind in BUILTINS
        for many in known.values()
        for made in many
    )


def _has_magic(owner: Class) -> bool:
    """Whether attributes come about in ways that are not assignments."""
    text = "\n".join(each.source.code(each.node) for each in owner.mro)
    return bool(re.search(r"set_view|setattr|__dict__|vmap|scan|__getattr__", text))


def _is_plain(parameter: ast.arg) -> bool:
    return parameter.annotation is not None and ast.unparse(parameter.annotation) in _PLAIN_KINDS


def _plain_value(source: Source, value: ast.AST | None, plain: set[str]) -> bool:
    """Whether a value is a number, a text, a parameter of such a kind, or an ``nnx.Param``."""
    if isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.Name):
        return value.id in plain
    if isinstance(value, ast.BinOp):
        sides = (value.left, value.right)
        return all(_plain_value(source, side, plain) for side in sides)
    return isinstance(value, ast.Call) and source.dotted(value.func) == "flax.nnx.Param"


def _known_models(source: Source) -> Iterator[tuple[int, Class, str]]:
    nnx = source.alias("flax.nnx")
    if not nnx or not _free(source, "evaluate_known", "viewed"):
        return
    for at, owner in enumerate(source.modules):
        callable_ = owner.node in source.tree.body and owner.init and owner.method("__call__")
        if callable_ and _is_final(source, owner) and _fully_known(owner):
            yield at, owner, nnx


def _is_final(source: Source, owner: Class) -> bool:
    """Whether no class of the file derives from it, whose layers may be others."""
    return not any(
        isinstance(node, ast.ClassDef) and owner.node.name in map(ast.unparse, node.bases)
        for node in source.walk()
    )


_UNKNOWN = ("determinstic=True", "training=False", "use_runing_average=True", "is_eval=True")


@mutator("NNX309")
def unknown_keyword(source: Source) -> Iterator[Mutant]:
    """View a real module that is fully known, with a keyword that none of it knows."""
    for at, owner, nnx in _known_models(source):
        yield _unknown("NNX309", source, owner, f"{nnx}.view", at)


@mutator("NNX312")
def unknown_attribute(source: Source) -> Iterator[Mutant]:
    """Set an attribute that no part of a fully known real module has."""
    for at, owner, nnx in _known_models(source):
        if not owner.has_name("training") and _free(source, "training"):
            yield _unknown("NNX312", source, owner, f"{nnx}.with_attributes", at)


def _unknown(code: str, source: Source, owner: Class, function: str, at: int) -> Mutant:
    word = _UNKNOWN[at % len(_UNKNOWN)]
    text = (
        f"def evaluate_known(model: {owner.node.name}, *inputs):\n"
        f"    viewed = {function}(model, {word})\n"
        "    return viewed(*inputs)"
    )
    return _appended(code, source, text, "unknown word")


_VISITORS = (
    """def visit_layer(path, node):
    if isinstance(node, {nnx}.Dropout):
        node.deterministic = True
        return node


def visited(model: {name}):
    return {nnx}.recursive_map(visit_layer, model)""",
    """def visited(model: {name}):
    def visit_layer(path, node):
        if isinstance(node, {nnx}.Module):
            print(path, type(node).__name__)

    return {nnx}.recursive_map(visit_layer, model)""",
    """def visited(model: {name}):
    def visit_layer(path, node):
        if not isinstance(node, {nnx}.BatchNorm):
            return
        node.use_running_average = True
        return node

    frozen = {nnx}.recursive_map(visit_layer, model)
    return frozen""",
)


@mutator("NNX311")
def map_returns_none(source: Source) -> Iterator[Mutant]:
    """Map over a real module with a function that forgets to return."""
    nnx = source.alias("flax.nnx")
    if not nnx or not _free(source, "visit_layer", "visited"):
        return
    for at, owner in enumerate(source.modules):
        if owner.node in source.tree.body:
            text = _VISITORS[at % len(_VISITORS)].format(nnx=nnx, name=owner.node.name)
            yield _appended("NNX311", source, text, "node forgotten")


# -- modes that nothing reaches --------------------------------------------------------------------


@mutator("NNX310")
def mode_on_self(source: Source) -> Iterator[Mutant]:
    """Keep the mode on self, where neither ``eval`` nor a view reaches it."""
    for owner in source.modules:
        call = _own(owner, "__call__")
        init = owner.init
        if call is None or init is None or not owner.resolved:
            continue
        flags = flags_of(call.args)
        uses = [
            node
            for node in source.walk(call)
            if isinstance(node, ast.Name) and flags and node.id == flags[0]
        ]
        found = list(tested_flags(source, call))
        taken = owner.has_name("training") or "set_view" in source.text
        if len(flags) != 1 or len(uses) != len(found) or not found or taken:
            continue
        edits = [
            drop_parameter(source, call, flags[0]),
            *(told_by_self(source, node, "training", same=FLAGS[flags[0]]) for node in found),
            insert_after(source, init.body[-1], "self.training = True"),
        ]
        yield make_mutant("NNX310", source, edits, call, "mode on self")


@mutator("NNX310")
def mode_renamed(source: Source) -> Iterator[Mutant]:
    """Rename the attribute that ``eval`` sets, where ``__call__`` tests it."""
    for owner in source.modules:
        call = _own(owner, "__call__")
        taken = owner.has_name("is_training") or _has_views(owner)
        if call is None or not owner.resolved or taken:
            continue
        uses = [node for node in source.walk(owner.node) if is_self(node, "deterministic")]
        reads = [n for n in uses if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
        stores = [source.parents[node] for node in uses if node not in reads]
        tested = all(_is_test(source, node) for node in reads)
        if not tested or not set(reads) & set(source.walk(call)) or len(stores) != 1:
            continue
        if isinstance(stores[0], ast.Assign):
            value = source.code(stores[0].value)
            edits = [
                *(told_by_self(source, node, "is_training", same=False) for node in reads),
                replace(source, stores[0], f"self.is_training = not {value}"),
            ]
            yield make_mutant("NNX310", source, edits, call, "mode renamed")


def _is_test(source: Source, node: ast.AST) -> bool:
    above = source.parents[node]
    while isinstance(above, ast.BoolOp | ast.UnaryOp):
        node, above = above, source.parents[above]
    return isinstance(above, ast.If | ast.IfExp) and above.test is node


# -- NNX4xx: transforms ----------------------------------------------------------------------------


def _surely(call: ChildCall) -> bool:
    """Whether a forward method makes this call on every path."""
    statement = call.source.statement_of(call.call)
    lazy = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.comprehension)
    within = list(call.source.ancestors(call.call))
    within = within[: within.index(statement)] if statement in within else []
    before = call.function.body[: _place(call.function.body, statement)]
    return (
        statement in call.function.body
        and not any(isinstance(each, lazy) for each in within)
        and not any(isinstance(n, ast.Return) for each in before for n in ast.walk(each))
    )


def _place(block: list[ast.stmt], statement: ast.stmt) -> int:
    return block.index(statement) if statement in block else 0


def _writers(source: Source) -> dict[Class, ChildCall]:
    """The modules whose ``__call__`` surely draws or updates statistics as it is called plainly."""
    found: dict[Class, ChildCall] = {}
    for call in child_calls(source):
        if call.owner is None or call.function.name != "__call__" or not call.plain:
            continue
        words = {word.arg for word in call.call.keywords}
        sure = [each for each in _sure_children(call.owner).values() if each in call.made]
        if (
            sure
            and len(call.made) == 1
            and sure[0].kind in ("flax.nnx.Dropout", "flax.nnx.BatchNorm")
            and sure[0].heeds_mode
            and not sure[0].mode_is_fixed
            and not words & {*FLAGS, "rngs"}
            and len(call.call.args) == 1
            and _surely(call)
            and not mode_decides(source, call.function, call.call)
            and not re.search(r"\.(train|eval|set_attributes)\(", source.code(call.function))
        ):
            found.setdefault(call.owner, call)
    return found


def _traceable(owner: Class) -> bool:
    """Whether a call needs arrays only."""
    call = owner.method("__call__")
    parameters = all_parameters(call.args)[1:] if call else []
    plain = {"int", "str", "bool"}
    named = {ast.unparse(arg.annotation) for arg in parameters if arg.annotation is not None}
    return bool(parameters) and not named & plain and not flags_of(call.args)  # type: ignore[union-attr]


@mutator("NNX401")
def jit_method(source: Source) -> Iterator[Mutant]:
    """``@jax.jit`` on a ``__call__`` that draws or updates statistics."""
    jax = source.alias("jax")
    for owner in _writers(source) if jax else ():
        call = _own(owner, "__call__")
        if call and not call.decorator_list and _traceable(owner) and not rngs_parameters(call):
            edits = [insert_before(source, call, f"@{jax}.jit")]
            mutant = make_mutant("NNX401", source, edits, call, "jitted method")
            yield on_lines(mutant, call.lineno, call.lineno)


@mutator("NNX401")
def jit_function(source: Source) -> Iterator[Mutant]:
    """``jax.jit`` around a function that calls a real module in training mode."""
    jax, nnx = source.alias("jax"), source.alias("flax.nnx")
    if not jax or not nnx or not _free(source, "compiled_call", "compiled_loss"):
        return
    for owner in _writers(source):
        if owner.node not in source.tree.body or not _callable(owner) or not _traceable(owner):
            continue
        head = f"(model: {owner.node.name}, x):\n    return "
        texts = (
            f"@{jax}.jit\ndef compiled_call{head}model(x)",
            f"def compiled_loss{head}model(x).sum()\n\n\ncompiled_call = {jax}.jit(compiled_loss)",
        )
        for text in texts:
            yield _appended("NNX401", source, text, "jitted function")


@mutator("NNX402")
def jit_bound_child(source: Source) -> Iterator[Mutant]:
    """``nnx.jit(self.child.__call__)(x)`` for ``self.child(x)``."""
    nnx = source.alias("flax.nnx")
    for call in child_calls(source) if nnx else ():
        callee = call.call.func
        if (
            call.owner is None
            or not isinstance(callee, ast.Attribute)
            or not is_self(callee, callee.attr)
        ):
            continue
        if all(made.kind in BUILTINS or isinstance(made.kind, Class) for made in call.made):
            edits = [replace(source, callee, f"{nnx}.jit({source.code(callee)}.__call__)")]
            mutant = make_mutant("NNX402", source, edits, call.call, "bound call")
            yield dataclasses.replace(mutant, added=True)


@mutator("NNX402")
def jit_bound_self(source: Source) -> Iterator[Mutant]:
    """``self.compiled = nnx.jit(self.method)`` at the end of an ``__init__``."""
    nnx = source.alias("flax.nnx")
    for at, owner in enumerate(source.modules if nnx else ()):
        init = owner.init
        methods = [
            m for m in owner.methods if not m.decorator_list and not m.name.startswith("__init__")
        ]
        if init is None or not methods or owner.has_name("compiled"):
            continue
        method = methods[at % len(methods)].name
        last = init.body[-1]
        edits: list[Edit] = [
            insert_after(source, last, f"self.compiled = {nnx}.jit(self.{method})")
        ]
        mutant = make_mutant("NNX402", source, edits, last, "bound method")
        yield added(mutant, last.end_lineno or last.lineno)


@mutator("NNX402")
def jit_bound_model(source: Source) -> Iterator[Mutant]:
    """A function that compiles the call of a real module."""
    nnx = source.alias("flax.nnx")
    if not nnx or not _free(source, "run_compiled"):
        return
    for owner in source.modules:
        if owner.node in source.tree.body and owner.method("__call__"):
            text = (
                f"def run_compiled(model: {owner.node.name}, *inputs):\n"
                f"    return {nnx}.jit(model.__call__)(*inputs)"
            )
            yield _appended("NNX402", source, text, "bound call of a model")
