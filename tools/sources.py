"""How the recall harness reads code: with ``ast`` alone, and knowing nothing of the linter.

What cannot be told for sure is None, or left out: a mutant that may not be a mistake is worthless.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

FLAGS = {
    "train": True,
    "training": True,
    "is_training": True,
    "is_train": True,
    "deterministic": False,
    "use_running_average": False,
}
"""Mode flags, and whether they say *train*."""

SAMPLERS = frozenset(
    """ball bernoulli beta binomial bits categorical cauchy chisquare choice dirichlet
    double_sided_maxwell exponential f gamma generalized_normal geometric gumbel laplace logistic
    loggamma lognormal maxwell multivariate_normal normal orthogonal pareto permutation poisson
    rademacher randint rayleigh t triangular truncated_normal uniform wald weibull_min""".split()
)
KEY_WORDS = ("rngs", "rng", "key", "dropout_rng", "prng_key")
DROPOUT_LIKE = ("dropout", "drop_path", "droppath", "stochastic_depth")
INIT_LIKE = re.compile(
    r"__init__$|__post_init__$|setup|_*(init|build|reset|create|make|load|restore)|from_"
)

_LAYERS = {
    "Dropout": "inputs, *, deterministic=None, rngs=None",
    "BatchNorm": "x, use_running_average=None, *, mask=None",
    "MultiHeadAttention": "inputs_q, inputs_k=None, inputs_v=None, *, mask=None, "
    "deterministic=None, rngs=None, sow_weights=False, decode=None",
    "Linear": "inputs",
    "Conv": "inputs",
    "ConvTranspose": "inputs",
    "Embed": "inputs",
    "LayerNorm": "x, *, mask=None",
    "RMSNorm": "x, *, mask=None",
    "GroupNorm": "x, *, mask=None",
}
BUILTINS = {
    f"flax.nnx.{name}": ast.parse(f"def f(self, {arguments}): ...").body[0].args  # type: ignore[attr-defined]
    for name, arguments in _LAYERS.items()
}
"""How layers of flax are called: dotted name -> the arguments of its ``__call__``."""

MODES = {
    "flax.nnx.Dropout": "deterministic",
    "flax.nnx.BatchNorm": "use_running_average",
    "flax.nnx.MultiHeadAttention": "deterministic",
}
"""The layers of flax that have a mode, and the flag that is it."""

_PLAIN_BASES = ("abc.ABC", "typing.Generic", "typing.Protocol", "object", "builtins.object")
_CONTAINERS = ("flax.nnx.List", "flax.nnx.data", "list", "tuple")


class Source:
    """A file: its text and tree, where nodes stand in it, what its imports mean."""

    def __init__(self, path: Path, text: str, package: "Package", module: str) -> None:
        self.path = path
        self.text = text
        self.package = package
        self.module = module
        self.tree = ast.parse(text)
        self.parents = {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }
        self._walked: dict[ast.AST, list[ast.AST]] = {}
        self._lines = text.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def walk(self, node: ast.AST | None = None) -> list[ast.AST]:
        """All nodes below one, or in the file, breadth first."""
        node = node or self.tree
        if node not in self._walked:
            self._walked[node] = list(ast.walk(node))
        return self._walked[node]

    def offset(self, line: int, column: int) -> int:
        """Where a place of ``ast`` (columns in bytes) is, in characters."""
        content = self._lines[line - 1]
        if not content.isascii():
            column = len(content.encode()[:column].decode())
        return self._starts[line - 1] + column

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The start and the end of a node in the text."""
        line, column = node.lineno, node.col_offset  # type: ignore[attr-defined]
        end_line, end_column = node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self.offset(line, column), self.offset(end_line, end_column)

    def code(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def line_of(self, offset: int) -> int:
        """The line, counted from 1, of a place in the text."""
        return self.text.count("\n", 0, offset) + 1

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node is in, innermost first."""
        while (above := self.parents.get(node)) is not None:
            yield above
            node = above

    def function_of(self, node: ast.AST) -> Function | ast.Lambda | None:
        """The innermost function around a node."""
        for above in self.ancestors(node):
            if isinstance(above, Function | ast.Lambda):
                return above
        return None

    def statement_of(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds a node, or is it."""
        if isinstance(node, ast.stmt):
            return node
        return next(above for above in self.ancestors(node) if isinstance(above, ast.stmt))

    def block_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """The list of statements that this one is in."""
        above = self.parents[statement]
        for name in ("body", "orelse", "finalbody"):
            block = getattr(above, name, None)
            if isinstance(block, list) and statement in block:
                return block
        return [statement]

    @cached_property
    def imports(self) -> dict[str, str]:
        """Local names of what is imported anywhere in the file, with their dotted names."""
        found: dict[str, str] = {}
        for node in self.walk():
            if isinstance(node, ast.Import):
                for name in node.names:
                    top = name.name.split(".")[0]
                    found[name.asname or top] = name.name if name.asname else top
            elif isinstance(node, ast.ImportFrom):
                origin = node.module or ""
                if node.level:
                    here = self.module.split(".")
                    drop = node.level - (self.path.name == "__init__.py")
                    origin = ".".join([*here[: len(here) - drop], *origin.split(".")]).strip(".")
                for name in node.names:
                    found[name.asname or name.name] = f"{origin}.{name.name}"
        return found

    @cached_property
    def globals(self) -> dict[str, ast.stmt]:
        """Classes and functions at the top of the file."""
        kinds = (ast.ClassDef, *Function.__args__)
        return {node.name: node for node in self.tree.body if isinstance(node, kinds)}

    def dotted(self, node: ast.AST | None) -> str | None:
        """What an expression names: ``flax.nnx.Dropout``, ``package.module.Class``."""
        if isinstance(node, ast.Subscript):
            return self.dotted(node.value)  # Base[int]
        if isinstance(node, ast.Attribute):
            value = self.dotted(node.value)
            return f"{value}.{node.attr}" if value else None
        if not isinstance(node, ast.Name):
            return None
        if node.id in self.globals:
            return f"{self.module}.{node.id}"
        if node.id in self.imports:
            return self.imports[node.id].replace("flax.nnx.module.", "flax.nnx.")
        return node.id if hasattr(builtins, node.id) else None

    def alias(self, dotted: str) -> str | None:
        """What this file writes for an imported name, at its top level: ``nnx``, ``jax.random``."""
        top = {
            name: origin
            for name, origin in self.imports.items()
            if re.search(rf"^(import|from) .*\b{name}\b|^    {name},$", self.text, re.MULTILINE)
        }
        for name, origin in sorted(top.items(), key=lambda item: (-len(item[1]), item[0])):
            if origin == dotted:
                return name
            if dotted.startswith(origin + "."):
                return name + dotted[len(origin) :]
        return None

    @cached_property
    def classes(self) -> list["Class"]:
        """All classes of the file, nested ones too."""
        return [Class(self, node) for node in self.walk() if isinstance(node, ast.ClassDef)]

    @cached_property
    def modules(self) -> list["Class"]:
        """The nnx modules of the file."""
        return [each for each in self.classes if each.is_module]


class Package:
    """A folder of files that import one another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = {module_name(path): path for path in sorted(folder.rglob("*.py"))}
        self._sources: dict[str, Source | None] = {}

    def source(self, module: str) -> Source | None:
        """A file by its dotted name; None if there is none, or it cannot be parsed."""
        if module not in self.paths:
            return None
        if module not in self._sources:
            self._sources[module] = self._read(module)
        return self._sources[module]

    def at(self, path: Path) -> Source | None:
        """A file by its path; the first of those that have the same dotted name only."""
        name = module_name(path)
        return self.source(name) if self.paths.get(name) == path else None

    def _read(self, module: str) -> Source | None:
        path = self.paths[module]
        try:
            text = path.read_text(encoding="utf-8")
            if "\r" in text or "\f" in text or text.startswith("\ufeff"):
                return None
            return Source(path, text, self, module)
        except (SyntaxError, ValueError):
            return None

    def lookup(self, dotted: str, depth: int = 6) -> "Class | None":
        """The class with this dotted name, through re-exports."""
        module, _, name = dotted.rpartition(".")
        source = self.source(module)
        if source is None or not depth:
            return None
        node = source.globals.get(name)
        if isinstance(node, ast.ClassDef):
            return next(each for each in source.classes if each.node is node)
        if node is None and name in source.imports:
            return self.lookup(source.imports[name], depth - 1)
        return None

    def subclasses(self, wanted: "Class") -> list["Class"]:
        """All classes of the package that derive from one."""
        found = []
        for module, path in self.paths.items():
            if module in self._sources or wanted.node.name in path.read_text(errors="ignore"):
                source = self.source(module)
                found += [c for c in (source.classes if source else []) if wanted in c.mro[1:]]
        return found


def dead_lines(tree: ast.Module) -> set[int]:
    """The lines that are never reached: what follows a ``raise`` or ``return`` in its block."""
    found: set[int] = set()
    for node in ast.walk(tree):
        body: list[ast.stmt] = getattr(node, "body", [])
        for index, statement in enumerate(body if isinstance(body, list) else ()):
            if isinstance(statement, ast.Raise | ast.Return):
                for after in body[index + 1 :]:
                    found.update(range(after.lineno, (after.end_lineno or after.lineno) + 1))
    return found


def module_name(path: Path) -> str:
    """The dotted name of a file, from where its package begins."""
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names) or path.parent.name


@dataclass(frozen=True, slots=True)
class Made:
    """What an attribute or a local may hold: one nnx module, or a container of them."""

    kind: "str | Class"
    call: ast.Call
    source: Source
    many: bool = False

    @property
    def signature(self) -> ast.arguments | None:
        """How it is called."""
        if isinstance(self.kind, str):
            return BUILTINS.get(self.kind)
        method = self.kind.method("__call__")
        return method.args if method and not method.decorator_list else None

    @property
    def flags(self) -> list[str]:
        """The mode flags that its ``__call__`` takes."""
        if isinstance(self.kind, str):
            return [MODES[self.kind]] if self.kind in MODES else []
        return flags_of(self.signature) if self.signature else []

    @property
    def mode_is_fixed(self) -> bool:
        """Whether its constructor sets the mode, or may."""
        words = {word.arg for word in self.call.keywords}
        return bool(words & {*FLAGS, None})

    @property
    def heeds_mode(self) -> bool:
        """Whether the mode surely matters to it."""
        if any(_is_zero(self.source, rate) for rate in self.rates):
            return False
        if isinstance(self.kind, str):
            return self.kind in MODES
        method = self.kind.method("__call__")
        heeded = method is not None and all(reads(method, flag) for flag in self.flags)
        return bool(self.flags) and heeded and self.kind.is_stochastic

    @property
    def rates(self) -> list[ast.expr]:
        """What its constructor is given for a dropout rate, or takes where it is given none."""
        if self.kind == "flax.nnx.Dropout" and self.call.args:
            return self.call.args[:1]
        given = {word.arg: word.value for word in self.call.keywords if word.arg}
        if self.kind == "flax.nnx.MultiHeadAttention":
            return [given.get("dropout_rate", ast.Constant(0.0))]
        init = None if isinstance(self.kind, str) else self.kind.method("__init__")
        if init is not None:
            names = [arg.arg for arg in init.args.args][1:]
            by_place = dict(zip(names, self.call.args, strict=False))
            given = {**defaults(init.args), **by_place, **given}
        return [value for name, value in given.items() if re.search("drop|rate", name)]


def _is_zero(source: Source, rate: ast.expr) -> bool:
    """Whether a rate is nought: as a literal, or by the default of an attribute of the class."""
    if isinstance(rate, ast.Constant):
        return not rate.value
    name = re.escape(rate.attr) if isinstance(rate, ast.Attribute) else "0"
    return re.search(rf"\b{name}(: *[\w.]+)? *= *(0|0\.0*|None)$", source.text, re.M) is not None


@dataclass(eq=False)
class Class:
    """A class, and what can be told of it."""

    source: Source
    node: ast.ClassDef
    _children: dict[str, list[Made]] | None = field(default=None, repr=False)

    @cached_property
    def bases(self) -> list["Class | str | None"]:
        """Its bases: classes that were read, dotted names of libraries, None for the unknown."""
        found: list[Class | str | None] = []
        for base in self.node.bases:
            name = self.source.dotted(base)
            own = self.source.package.lookup(name) if name else None
            if own is None and name and self.source.package.source(name.rpartition(".")[0]):
                name = None
            found.append(own or name)
        return found

    @cached_property
    def mro(self) -> list["Class"]:
        """The class and all bases that were read, nearest first."""
        found = [self]
        for base in self.bases:
            if isinstance(base, Class) and base is not self:
                found += [each for each in base.mro if each not in found]
        return found

    @cached_property
    def roots(self) -> set[str | None]:
        """The bases that were not read: names of libraries; None if one is unknown."""
        return {base for each in self.mro for base in each.bases if not isinstance(base, Class)}

    @cached_property
    def is_module(self) -> bool:
        """Whether it is an nnx module."""
        return any(root == "flax.nnx.Module" or root in BUILTINS for root in self.roots)

    @property
    def resolved(self) -> bool:
        """Whether all its bases are known, and none is a layer of flax."""
        return (
            all(root == "flax.nnx.Module" or root in _PLAIN_BASES for root in self.roots)
            and not self.node.keywords
        )

    @property
    def methods(self) -> list[Function]:
        """Its own methods, without static and class methods and properties."""
        return [
            node
            for node in self.node.body
            if isinstance(node, Function)
            and node.args.args
            and node.args.args[0].arg == "self"
            and not {"staticmethod", "classmethod", "property"} & set(decorators(node))
        ]

    def method(self, name: str) -> Function | None:
        """A method, its own or inherited."""
        for each in self.mro:
            for node in each.node.body:
                if isinstance(node, Function) and node.name == name:
                    return node
        return None

    @cached_property
    def forward(self) -> list[Function]:
        """Its forward methods: what is not init-like, nor reached from there only."""
        return [
            method
            for method in self.methods
            if not INIT_LIKE.match(method.name)
            and not re.match(r"test|main$", method.name)
            and not self._serves_init(method.name, {method.name})
        ]

    def _serves_init(self, name: str, seen: set[str]) -> bool:
        users = {
            method.name
            for each in self.mro
            for method in each.methods
            for node in ast.walk(method)
            if is_self(node, name) and method.name not in seen
        }
        return bool(users) and all(
            INIT_LIKE.match(user) or self._serves_init(user, seen | users) for user in users
        )

    @property
    def init(self) -> Function | None:
        """Its own ``__init__``."""
        return next((m for m in self.methods if m.name == "__init__"), None)

    @cached_property
    def is_stochastic(self) -> bool:
        """Whether it surely draws or keeps statistics, itself or in a child."""
        self.__dict__["is_stochastic"] = False  # for classes that hold one another
        text = "\n".join(each.source.code(m) for each in self.mro for m in each.forward)
        return bool(re.search(r"rngs(\.\w+|\[[^]]*\])?\(\)|jax\.random", text)) or any(
            made.flags and made.heeds_mode for every in self.children().values() for made in every
        )

    def stores(self, attribute: str) -> list[ast.AST]:
        """Where the class itself writes an attribute or declares it."""
        return [
            node
            for node in ast.walk(self.node)
            if (is_self(node, attribute) and not isinstance(node.ctx, ast.Load))  # type: ignore[attr-defined]
            or (
                isinstance(node, ast.AnnAssign | ast.Assign)
                and node in self.node.body
                and attribute in {getattr(t, "id", "") for t in targets(node)}
            )
        ]

    def has_name(self, name: str) -> bool:
        """Whether the class, a base or a subclass that was read has an attribute or method."""
        family = [*self.mro, *self.source.package.subclasses(self)]
        return any(
            each.stores(name)
            or any(getattr(node, "name", "") == name for node in each.node.body)
            or f'"{name}"' in each.source.code(each.node)
            for each in family
        )

    def rngs(self) -> dict[str, ast.Assign]:
        """Attributes that hold the ``rngs`` of ``__init__``, with the statement that saves them."""
        found = {}
        for each in reversed(self.mro):
            names = rngs_parameters(each.init) if each.init else set()
            for node in ast.walk(each.init) if each.init else ():
                if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                    continue
                target, value = node.targets[0], ast.unparse(node.value)
                name = target.attr if isinstance(target, ast.Attribute) else ""
                if is_self(target, name) and value.removesuffix(".fork()") in names:
                    found[name] = node
        return found

    def children(self) -> dict[str, list[Made]]:
        """Attributes that surely hold nnx modules, with the calls that make them."""
        if self._children is None:
            self._children = {}
            known: dict[str, list[Made] | None] = {}
            for each in self.mro:
                for method in each.methods:
                    for node in ast.walk(method):
                        for target in targets(node):
                            if isinstance(target, ast.Attribute) and is_self(target, target.attr):
                                value = getattr(node, "value", None)
                                made = made_by(each.source, method, value)
                                if (
                                    isinstance(node, ast.AugAssign)
                                    or known.get(target.attr, made) is None
                                ):
                                    made = None
                                before = known.get(target.attr) or []
                                known[target.attr] = None if made is None else before + made
            self._children = {name: made for name, made in known.items() if made}
        return self._children


def made_by(
    source: Source, function: Function, value: ast.expr | None, depth: int = 4
) -> list[Made] | None:
    """The nnx modules that an expression makes; None where that is not sure."""
    if isinstance(value, ast.Constant) and value.value is None:
        return []
    if isinstance(value, ast.IfExp) and depth:
        either = made_by(source, function, value.body, depth - 1)
        other = made_by(source, function, value.orelse, depth - 1)
        return None if either is None or other is None else either + other
    if isinstance(value, ast.List | ast.Tuple) and depth:
        return _together(source, function, value.elts, depth)
    if isinstance(value, ast.ListComp | ast.GeneratorExp) and depth:
        return _together(source, function, [value.elt], depth)
    if isinstance(value, ast.Name) and depth:
        return _appended(source, function, value.id, depth)
    if not isinstance(value, ast.Call):
        return None
    name = source.dotted(value.func)
    if name in _CONTAINERS and len(value.args) == 1 and depth:
        return made_by(source, function, value.args[0], depth - 1)
    if name in BUILTINS:
        return [Made(name, value, source)]
    own = source.package.lookup(name) if name else None
    return [Made(own, value, source)] if own and own.is_module else None


def _together(
    source: Source, function: Function, values: list[ast.expr], depth: int
) -> list[Made] | None:
    found: list[Made] = []
    for value in values:
        made = made_by(source, function, value, depth - 1)
        if made is None or any(each.many for each in made):
            return None
        found += [Made(each.kind, each.call, each.source, many=True) for each in made]
    return found


def _appended(source: Source, function: Function, name: str, depth: int) -> list[Made] | None:
    """What a local list holds that begins empty and is appended to."""
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    values: list[ast.expr] = []
    for use in uses:
        above = source.parents[use]
        call = source.parents.get(above)
        if isinstance(use.ctx, ast.Store):
            if not isinstance(above, ast.Assign) or ast.unparse(above.value) not in (
                "[]",
                "list()",
            ):
                return None
        elif (
            isinstance(above, ast.Attribute)
            and above.attr == "append"
            and isinstance(call, ast.Call)
        ):
            values += call.args
        elif isinstance(above, ast.Attribute | ast.Subscript):
            return None
    return _together(source, function, values, depth) if values else None


@dataclass(frozen=True, slots=True)
class ChildCall:
    """A call of nnx modules that are known, in a function."""

    source: Source
    function: Function
    call: ast.Call
    made: list[Made]
    owner: Class | None

    @property
    def own_flags(self) -> list[str]:
        """The mode flags of the calling function."""
        return flags_of(self.function.args)

    @property
    def child_flags(self) -> list[str]:
        """The mode flags that all these modules take."""
        first, *rest = [made.flags for made in self.made]
        return [flag for flag in first if all(flag in other for other in rest)]

    @property
    def signature(self) -> ast.arguments | None:
        """How they are called, if all alike."""
        signatures = [made.signature for made in self.made]
        dumps = {ast.dump(each) if each else "" for each in signatures}
        return signatures[0] if len(dumps) == 1 else None

    @property
    def plain(self) -> bool:
        """Whether all arguments are written out."""
        return not any(isinstance(arg, ast.Starred) for arg in self.call.args) and all(
            word.arg for word in self.call.keywords
        )

    @property
    def under_mode_test(self) -> bool:
        """Whether the mode decides if the call is made, or may."""
        return mode_decides(self.source, self.function, self.call)


@lru_cache(maxsize=4)
def child_calls(source: Source) -> list[ChildCall]:
    """All calls of known nnx modules in the forward methods and functions of a file."""
    return list(_child_calls(source))


def _child_calls(source: Source) -> Iterator[ChildCall]:
    owners = {method: each for each in source.modules for method in each.forward}
    for node in source.walk():
        if not isinstance(node, ast.Call):
            continue
        function = source.function_of(node)
        if not isinstance(function, Function) or re.match(r"test|main$", function.name):
            continue
        owner = owners.get(function)
        if owner is None and not isinstance(source.parents[function], ast.Module):
            continue
        made = _called(source, function, owner, node.func)
        if made:
            yield ChildCall(source, function, node, made, owner)


def _called(
    source: Source, function: Function, owner: Class | None, callee: ast.expr
) -> list[Made]:
    children = owner.children() if owner else {}
    many = isinstance(callee, ast.Subscript)
    if isinstance(callee, ast.Subscript) and not isinstance(callee.slice, ast.Slice):
        callee = callee.value
    if isinstance(callee, ast.Attribute) and is_self(callee, callee.attr):
        found = children.get(callee.attr, [])
        return found if all(made.many == many for made in found) else []
    if not isinstance(callee, ast.Name) or many:
        return []
    bindings = [
        node
        for node in source.walk(function)
        if isinstance(node, ast.Name) and node.id == callee.id and isinstance(node.ctx, ast.Store)
    ]
    if callee.id in {arg.arg for arg in all_parameters(function.args)}:
        return []
    found = []
    for binding in bindings:
        made = _bound(source, function, children, binding)
        if not made:
            return []
        found += made
    return found


def _bound(
    source: Source, function: Function, children: dict[str, list[Made]], name: ast.Name
) -> list[Made]:
    """What a name holds by one of its bindings: an assignment, or a loop over children."""
    above = source.parents[name]
    if isinstance(above, ast.Assign) and isinstance(above.value, ast.Call):
        made = made_by(source, function, above.value) or []
        return [each for each in made if not each.many]
    way: list[int] = []
    target: ast.expr = name
    while isinstance(above, ast.Tuple):
        way.insert(0, above.elts.index(target))
        target, above = above, source.parents[above]
    if not isinstance(above, ast.For | ast.comprehension) or above.target is not target:
        return []
    over = above.iter
    while isinstance(over, ast.Call):
        wrapper = ast.unparse(over.func)
        if wrapper == "enumerate" and way[:1] == [1]:
            way.pop(0)
            over = over.args[0]
        elif wrapper == "zip" and way and way[0] < len(over.args):
            over = over.args[way.pop(0)]
        elif wrapper == "reversed" and over.args:
            over = over.args[0]
        else:
            return []
    if way or not (isinstance(over, ast.Attribute) and is_self(over, over.attr)):
        return []
    return [made for made in children.get(over.attr, []) if made.many]


def is_self(node: ast.AST, attribute: str) -> bool:
    """Whether a node is ``self.<attribute>``."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def targets(node: ast.AST) -> list[ast.expr]:
    """What a statement assigns to, each name of a tuple."""
    if isinstance(node, ast.Assign):
        found = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        found = [node.target]
    else:
        return []
    return [e for t in found for e in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]


def decorators(function: Function) -> list[str]:
    """The last names of its decorators."""
    return [
        re.split(r"[.(]", ast.unparse(node).split("(")[0])[-1] for node in function.decorator_list
    ]


def all_parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All parameters by name."""
    extra = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    """The parameters that have a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = zip(reversed(positional), reversed(arguments.defaults), strict=False)
    words = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {arg.arg: value for arg, value in [*pairs, *words] if value is not None}


def flags_of(arguments: ast.arguments) -> list[str]:
    """The mode flags among parameters."""
    return [arg.arg for arg in all_parameters(arguments) if arg.arg in FLAGS]


def rngs_parameters(function: Function | ast.Lambda) -> set[str]:
    """The parameters that are surely ``nnx.Rngs``."""
    return {
        arg.arg
        for arg in all_parameters(function.args)
        if (arg.annotation is None and arg.arg == "rngs")
        or (arg.annotation is not None and re.search(r"\bRngs\b", ast.unparse(arg.annotation)))
    }


def reads(node: ast.AST, name: str) -> bool:
    """Whether a name is read in a node."""
    return any(
        isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Load)
        for each in ast.walk(node)
    )


def mode_names(function: Function) -> set[str]:
    """The mode flags of a function, and locals computed from them."""
    names = set(flags_of(function.args))
    for node in ast.walk(function):
        value = getattr(node, "value", None) if targets(node) else None
        if value is None or any(isinstance(each, ast.Call) for each in ast.walk(value)):
            continue
        if any(reads(value, name) for name in names):
            names |= {each.id for each in targets(node) if isinstance(each, ast.Name)}
    return names


def mentions_mode(function: Function, test: ast.AST) -> bool:
    """Whether a test is about the mode: by a flag, a local, or any name that looks like one."""
    words = set(re.findall(r"\w+", ast.unparse(test)))
    return bool(words & (mode_names(function) | set(FLAGS) | {"mode", "eval"}))


def mode_decides(source: Source, function: Function, node: ast.AST) -> bool:
    """Whether a node stands on a branch of a mode test, or after one that leaves."""
    inner = node
    for above in source.ancestors(node):
        test = getattr(above, "test", None) or getattr(above, "subject", None)
        if test is not None and test is not inner and mentions_mode(function, test):
            return True
        if isinstance(above, ast.BoolOp) and mentions_mode(function, above):
            return True
        if isinstance(inner, ast.stmt):
            for earlier in source.block_of(inner):
                if earlier is inner:
                    break
                if (
                    isinstance(earlier, ast.If)
                    and mentions_mode(function, earlier.test)
                    and any(
                        isinstance(each, ast.Return | ast.Raise | ast.Continue | ast.Break)
                        for each in ast.walk(earlier)
                    )
                ):
                    return True
        if above is function:
            return False
        inner = above
    return False
