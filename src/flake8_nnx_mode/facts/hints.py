"""Whether there is any reason to read a body: asked of texts and sketches, before anything dear.

Each of these may say yes where nothing comes of it, and says no only where nothing would.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import combinations

from flake8_nnx_mode.facts import flax_api
from flake8_nnx_mode.facts.modules import ClassFacts
from flake8_nnx_mode.facts.names import names_class
from flake8_nnx_mode.facts.project import Project
from flake8_nnx_mode.facts.values import ClassDefinition, FunctionDefinition, Symbol, Value
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.outline import Assigned, Class, Function, Imported, Scope
from flake8_nnx_mode.syntax.sketch import Given, Sketch, Step

_KEY_NAME = re.compile(r"(?:^|_|sub)(?:key|rng|prng|seed)s?_?\d*$")
_RNGS = re.compile(r"rng|stream")
_MAKES_KEYS = frozenset("split fold_in PRNGKey key clone wrap_key_data make_rng".split())
_TAKES_KEYS = flax_api.SAMPLERS | _MAKES_KEYS
_LEAVES_KEYS = frozenset("key_data len print isinstance type hasattr getattr setattr info".split())
"""Functions that have no use for a key that they are given."""
_LONGEST, _MOST_USES, _MOST_ROUNDS = 1_000, 30, 10
"""Beyond so many steps, uses of one name, rounds of "who names whom", the answer is yes at once."""
_ANY = "*"
"""Among names: there may be others."""
_METHODS = frozenset(
    "train eval set_attributes sow perturb get_value set_value append items keys values get update"
    " copy replace".split()
)
"""Those of modules, Variables and containers."""
_HAND_ON = frozenset({"functools.partial", "builtins.map"})
"""What may call what it is given."""
_REPEATS = ("map", "scan", "fori_loop", "while_loop", "vmap")
_PARAMS = re.compile(r"\.params\b|[\"']params[\"']")
_PARAMS_KEPT = re.compile(r"\bparams\b(?!\s*\()")
_CONSTANT = re.compile(r"PRNGKey|\bRngs\(|\bkey\(")
_CONSTANT_WORDS = ("PRNGKey", "Rngs", "key")


# -- modes -----------------------------------------------------------------------------------------


def may_call_mode_takers(project: Project, function: Function, owner: ClassFacts | None) -> bool:
    """Whether a function may call a module of the project that takes a mode.

    An imported class that takes none itself is not asked what it holds.
    """
    book = project.book
    sources = _sources(project, book)
    held = frozenset[str]() if owner is None else _held(project, owner)
    if _ANY in sources or _ANY in held:
        return True
    wanted = {*sources, *held, *_imported_within(project, book, function)}
    if not book.mentions(function, *wanted):
        return False
    sketch = book.sketch(function)
    if len(sketch.steps) > _LONGEST:
        return True
    holders = sketch.holders({*wanted, "getattr"})
    methods = project.remember(_methods_of_takers, lambda: _methods_of_takers(project))
    for step in sketch.steps:
        for name in step.called:
            *outer, last = name.split(".")
            if last in sources or (owner is not None and _is_own_method(owner, function, name)):
                continue  # builds one, or may give one
            if last == "()":
                if not holders.isdisjoint(step.names):
                    return True
            elif not holders.isdisjoint((last, f".{last}", *(() if last in methods else outer))):
                return True
    return False


def _is_own_method(owner: ClassFacts, function: Function, name: str) -> bool:
    """Whether a dotted name is a method of ``self``, and no property."""
    first, _, rest = name.partition(".")
    found = rest and function.parameters and function.parameters[0].name == first
    method = owner.find_method(rest) if found else None
    return method is not None and not method[1].decorators


def _methods_of_takers(project: Project) -> frozenset[str]:
    """The methods of modules that take a mode; to call one is not to call the module."""
    return _METHODS.union(
        name
        for definition in (project.mode_takers(project.book) or {}).values()
        for of in project.class_facts(definition).ancestry.classes
        for name in of.outline.methods
    )


def _sources(project: Project, book: Book) -> frozenset[str]:
    """Names in a file for modules that take a mode, and for what holds or may return them."""
    return project.remember((_sources, book), lambda: _find_sources(project, book))


def _find_sources(project: Project, book: Book) -> frozenset[str]:
    takers = project.mode_takers(book)
    if takers is None:
        return frozenset({_ANY})
    scope, found = book.outline.module, set(takers)
    found.update(
        name
        for name in _imported(scope)
        if not names_class(name)
        and f"{name}(" in book.text
        and _may_give_takers(project, project.names.lookup(book, scope, name))
    )
    before = -1
    while len(found) != before:
        before = len(found)
        for name, bindings in scope.bindings.items():
            match bindings[0]:
                case Assigned(value) if not found.isdisjoint(names_in(value)):
                    found.add(name)
                case Function() as function if book.mentions(function, *found):
                    found.add(name)
                case Class(methods=methods) if any(
                    book.mentions(method, *found) for method in methods.values()
                ):
                    found.add(name)
    return frozenset(found)


def _may_give_takers(project: Project, of: Value | None) -> bool:
    """Whether what is called builds a module that takes a mode, or may return one.

    A function may if it, or one of its file that it calls, names the class of one.
    """
    if isinstance(of, ClassDefinition):
        return project.may_take_mode(of)
    if not isinstance(of, FunctionDefinition):
        return False
    book, pending, seen = of.book, [of.outline], {of.outline}
    while pending:
        function = pending.pop()
        for word in sorted(book.words_of(function)):  # what is asked first must not depend on luck
            if names_class(word):
                named = project.names.lookup(book, function.scope, word)
                if isinstance(named, ClassDefinition) and project.may_take_mode(named):
                    return True
            called = book.outline.module.bindings.get(word, (None,))[0]
            if isinstance(called, Function) and called not in seen:
                seen.add(called)
                pending.append(called)
    return False


def _imported(scope: Scope) -> Iterator[str]:
    return (name for name, of in scope.bindings.items() if isinstance(of[0], Imported))


def _imported_within(project: Project, book: Book, function: Function) -> frozenset[str]:
    """Names that a function imports for itself, for what gives modules that take a mode."""
    scope = function.scope
    return frozenset(
        name
        for name in _imported(scope)
        if _may_give_takers(project, project.names.lookup(book, scope, name))
    )


def _held(project: Project, owner: ClassFacts) -> frozenset[str]:
    """The attributes of a class that may be modules that take a mode, or give one."""
    found: frozenset[str] = frozenset()
    for definition in reversed(owner.ancestry.classes):  # of bases first, as it begins with theirs
        facts = project.class_facts(definition)
        found = project.remember((_held, facts), partial(_find_held, project, facts))
    return found


def _find_held(project: Project, owner: ClassFacts) -> frozenset[str]:
    own, *above = owner.ancestry.classes
    is_line = bool(above) and project.class_facts(above[0]).ancestry.classes == tuple(above)
    bases = map(project.class_facts, above[:1] if is_line else above)
    inherited = frozenset[str]().union(
        *(project.remember((_held, b), frozenset[str]) for b in bases)
    )
    names, outline = _sources(project, own.book), own.outline
    held = {n for n, field in outline.fields.items() if not names.isdisjoint(names_in(field))}
    held |= (names & {_ANY}) | inherited
    for name, bindings in outline.scope.bindings.items():
        first = bindings[0]
        if isinstance(first, Assigned) and not names.isdisjoint(names_in(first.value)):
            held.add(name)
    _follow(project, [own], held)
    if is_line and held == inherited:
        return inherited  # nothing that the methods of its bases could take further
    _follow(project, owner.ancestry.classes, held)
    return frozenset(held)


def _follow(project: Project, classes: Sequence[ClassDefinition], held: set[str]) -> None:
    """Add to ``held`` what the methods of ``classes`` bind to it, or to what gives it."""
    methods = [
        (of.book, method, _sources(project, of.book) | _imported_within(project, of.book, method))
        for of in classes
        for method in of.outline.methods.values()
    ]
    own = {method.name for _, method, _ in methods}
    before, rounds = -1, 0
    while len(held) != before and _ANY not in held:
        before, rounds = len(held), rounds + 1
        for book, method, names in methods:
            if not book.mentions(method, *names, *held):
                continue
            if method.name[:2] != "__" and book.mentions(method, *names, *(held & own)):
                held.add(method.name)
            sketch = book.sketch(method)
            found = sketch.holders({*names, *held, "getattr"})
            held |= {name[1:] for name in found if name[0] == "."}
            if rounds > _MOST_ROUNDS or len(sketch.steps) > _LONGEST:
                held.add(_ANY)


# -- keys ------------------------------------------------------------------------------------------


def may_reuse_keys(project: Project, function: Function, owner: ClassFacts | None) -> bool:
    """Whether a function may give one key to two, or in a loop to one."""
    if not project.may_consume_keys(function, owner):
        return False
    sketch = project.book.sketch(function)
    if len(sketch.steps) > _LONGEST:
        return True
    same, keys = _aliases(sketch), _made_keys(project, sketch)
    groups: dict[str, list[Given]] = defaultdict(list)
    for given in sketch.given:
        to = _last(given.to)
        if (
            to not in _LEAVES_KEYS
            and (given.nested or to not in _MAKES_KEYS)
            and not _draws_nothing(project, function, given.to)
        ):
            groups[same.get(given.name, given.name)].append(given)
    repeats = bool(sketch.local) and project.book.mentions(function, *_REPEATS)
    varying = cache(partial(_varying, sketch))
    return any(
        len(uses) > _MOST_USES
        or any(_may_run_again(sketch, varying, use, repeats=repeats) for use in uses)
        or any(_may_both_run(sketch, first, second) for first, second in combinations(uses, 2))
        for uses in groups.values()
        if any(_is_key(given, keys) for given in uses)
    )


def _draws_nothing(project: Project, function: Function, name: str) -> bool:
    """Whether what is called so is from outside the project, and draws from no key by itself."""
    if not name or _first(name) in function.scope.bindings:
        return False
    book = project.book
    scope = book.outline.module
    match scope.bindings.get(_first(name)):
        case [Imported() as binding] if not project.names.is_of_project(book, binding):
            pass
        case None:
            pass
        case _:
            return False
    of = project.names.dotted(book, scope, name)
    if not isinstance(of, Symbol) or of.name in _HAND_ON:
        return False
    return not of.name.startswith(("jax.", "flax.")) or (
        of.name in flax_api.LAYERS or of.name.startswith(("jax.numpy.", "flax.nnx.Rngs"))
    )


def _may_run_again(
    sketch: Sketch, varying: Callable[[int], set[str]], use: Given, *, repeats: bool
) -> bool:
    """Whether what a call is given may be the same in the next round of a loop."""
    again = set(use.place.loops)
    if repeats:
        again |= sketch.local.intersection(use.place.path)
    return any(_root(use.name) not in varying(block) for block in again)


def _varying(sketch: Sketch, block: int) -> set[str]:
    """What is not the same in each round of a loop, as far as it is known to be."""
    inside = [step for step in sketch.steps if block in step.place.path]
    found: set[str] = set()
    before = -1
    while len(found) != before:
        before = len(found)
        for step in inside:
            if (
                step.is_round
                or any(_last(name) not in _MAKES_KEYS for name in step.called)
                or any(_root(name) in found or _root(name) in step.anew for name in step.loads)
            ):
                found |= step.anew
    return found


def _may_both_run(sketch: Sketch, first: Given, second: Given) -> bool:
    """Whether two calls may be given the same, the second one later."""
    if (
        first.index != second.index
        and "?" not in (first.index, second.index)
        and (first.index and second.index)
    ):
        return False
    one, other = first.place, second.place
    if one.number > other.number:
        one, other, second = other, one, first
    if any(block in sketch.leaving for block in one.path if block not in other.path):
        return False
    for a, b in sketch.branches:
        if (a in one.path and b in other.path) or (b in one.path and a in other.path):
            return False
    root = _root(second.name)
    return not any(
        root in step.anew
        and step.called
        and one.number <= step.place.number < other.number
        and step.place.path == other.path[: len(step.place.path)]
        for step in sketch.steps
    )


def _aliases(sketch: Sketch) -> dict[str, str]:
    """Dotted name -> one name for all that may be bound to the same."""
    found: dict[str, str] = {}
    for step in sketch.steps:
        if step.binds and step.same:
            together = {found.get(name, name) for name in step.binds | step.same}
            first = min(together)
            for name, of in found.items():
                if of in together:
                    found[name] = first
            found |= dict.fromkeys(step.binds | step.same, first)
    return found


def _made_keys(project: Project, sketch: Sketch) -> set[str]:
    """The variables that are bound to what makes keys, or to parts of it."""
    found: set[str] = set()
    for step in sketch.steps:
        if any(_makes_keys(project, name) for name in step.called):
            found |= step.binds
    return found


def _makes_keys(project: Project, name: str) -> bool:
    """Whether what is called so may give keys: functions of ``jax.random``, and streams."""
    parts = name.split(".")
    if parts[-1] in flax_api.SAMPLING_METHODS:
        return False
    if any(_RNGS.search(part) for part in parts):
        return True
    known = parts[0] in project.names_of_random or "rand" in name
    return parts[-1] in _MAKES_KEYS and (known or len(parts) == 1)


def _is_key(given: Given, keys: set[str]) -> bool:
    """Whether a call is given what may be a key, by its name, by its origin or by its place."""
    if given.name in keys or _root(given.name) in keys:
        return True
    name = _last(given.name)
    if name.endswith("rngs"):
        return False  # streams
    return (
        _KEY_NAME.search(name) is not None
        or given.by in flax_api.KEY_KEYWORDS
        or (isinstance(given.by, str) and _KEY_NAME.search(given.by) is not None)
        or (given.by == 0 and (_last(given.to) in _TAKES_KEYS or not given.to))
    )


def may_consume_kept_keys(project: Project, function: Function, owner: ClassFacts) -> bool:
    """Whether a method may give a key away that it has from ``self``, or that a stream keeps."""
    if not function.parameters:
        return True
    sketch, me = project.book.sketch(function), function.parameters[0].name
    if len(sketch.steps) > _LONGEST:
        return True
    methods = {name for of in owner.family for name in of.outline.methods}

    def is_kept(name: str) -> bool:
        first, _, rest = name.partition(".")
        return bool(rest) and (first == me or "key" in rest.split("."))

    held: set[str] = set()
    before = -1
    while len(held) != before:
        before = len(held)
        for step in sketch.steps:
            own = any(_first(name) == me and _last(name) in methods for name in step.called)
            if own or (
                (not step.called or any(_last(name) in _MAKES_KEYS for name in step.called))
                and any(is_kept(name) or _root(name) in held for name in step.loads)
            ):
                held |= step.binds
    return any(
        (is_kept(given.name) or _root(given.name) in held) and _is_key(given, set())
        for given in sketch.given
    )


def may_consume_constants(project: Project, function: Function) -> bool:
    """Whether a function may have to do with a key that is made from a constant."""
    book = project.book
    return _makes_constants(book, function) or book.mentions(function, *constant_names(project))


def _makes_constants(book: Book, function: Function) -> bool:
    return book.matches(function, _CONSTANT, *_CONSTANT_WORDS)


def may_consume_constants_somewhere(project: Project) -> bool:
    """Whether any function of the file at hand may."""
    text = project.book.text
    return any(f"{word}(" in text for word in _CONSTANT_WORDS) or bool(constant_names(project))


def constant_names(project: Project) -> tuple[str, ...]:
    """Names in the file at hand of what may make keys from constants, or be one."""
    return project.remember(constant_names, lambda: _constant_names(project))


def _constant_names(project: Project) -> tuple[str, ...]:
    book = project.book
    found: set[str] = set()
    for name, bindings in book.outline.module.bindings.items():
        match bindings[0]:
            case Assigned(value) if _CONSTANT.search(ast.unparse(value)):
                found.add(name)
            case Imported() if name[:1].islower():
                made = project.names.lookup(book, book.outline.module, name)
                if isinstance(made, FunctionDefinition) and _makes_constants(
                    made.book, made.outline
                ):
                    found.add(name)
    functions = [function for function, _ in project.functions() if function.name]
    before = -1
    for _ in range(_MOST_ROUNDS):
        if len(found) == before:
            return tuple(found)
        before = len(found)
        for function in functions:
            if _makes_constants(book, function) or book.mentions(function, *found):
                found.add(function.name)
    return (*found, *(function.name for function in functions))


def may_draw_params(project: Project, owner: ClassFacts, function: Function) -> bool:
    """Whether a method may draw from ``params``, by itself, from a stream kept or by another."""
    book = project.book
    if _PARAMS.search(book.text_of(function)):
        return True
    if not project.may_consume_keys(function, owner):
        return False
    kept = project.remember(
        (_PARAMS_KEPT, owner),
        lambda: any(
            _PARAMS_KEPT.search(definition.book.text_of(method))
            for definition in owner.ancestry.classes
            for method in definition.outline.methods.values()
            if owner.is_init_like(method)
        ),
    )
    drawing = project.remember(
        _PARAMS,
        lambda: [f.name for f, _ in project.functions() if _PARAMS.search(book.text_of(f))],
    )
    return kept or book.mentions(function, *drawing)


def may_give_streams(project: Project, function: Function) -> bool:
    """Whether a function may give a sampler a stream, or an ``nnx.Rngs``, as it stands."""
    if project.book.mentions(function, "getattr"):
        return True
    sketch = project.book.sketch(function)
    if len(sketch.steps) > _LONGEST:
        return True
    same = _aliases(sketch)
    streams = {same.get(name, name) for step in sketch.steps for name in _streams(step)}
    return any(
        ("." in given.name or same.get(given.name, given.name) in streams or "rng" in given.name)
        and (given.by in flax_api.KEY_KEYWORDS or given.by == 0)
        and (_last(given.to) in _TAKES_KEYS or _first(given.to) in project.names_of_random)
        for given in sketch.given
    )


def _streams(step: Step) -> set[str]:
    """What a step may bind to streams, by the names in it."""
    found = {name for name in step.same if _RNGS.search(name)}
    return found | step.binds if found or any(map(_RNGS.search, step.names)) else found


def may_build_layers(project: Project, function: Function) -> bool:
    """Whether a function names what it calls like a layer of Flax or a module of the project."""
    book = project.book
    scope = book.outline.module
    for step in book.sketch(function).steps:
        for name in step.called:
            first = _first(name)
            if not names_class(_last(name)):
                if _last(name) == "partial":
                    return True
                continue
            if first not in scope.bindings or first in function.scope.bindings:
                return True
            match project.names.dotted(book, scope, name):
                case Symbol(known) if not known.startswith("flax."):
                    pass
                case ClassDefinition() as of if not project.class_facts(of).is_module:
                    pass
                case None:
                    pass
                case _:
                    return True
    return False


def may_read_from_self(owner: ClassFacts, function: Function, name: str) -> bool:
    """Whether a method may read an attribute of ``self``."""
    if not (function.parameters and owner.book.mentions(function, name)):
        return False
    start = f"{function.parameters[0].name}.{name}"
    return any(
        read == start or read.startswith(f"{start}.")
        for step in owner.book.sketch(function).steps
        for read in (*step.loads, *step.called)
    )


def _root(name: str) -> str:
    """What has to be bound for a dotted name to stand for something else."""
    first, _, rest = name.partition(".")
    return f".{_last(rest)}" if rest else first


def _first(name: str) -> str:
    return name.partition(".")[0]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def names_in(node: ast.AST) -> set[str]:
    """The variables and attributes that an expression or a statement names."""
    words = (getattr(inner, "id", getattr(inner, "attr", None)) for inner in ast.walk(node))
    return {word for word in words if isinstance(word, str)}
