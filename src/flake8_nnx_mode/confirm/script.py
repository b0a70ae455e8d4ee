"""The text of a stand-alone Python script that shows what an oracle saw, without tracing."""

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from textwrap import fill, indent
from typing import Any, TypeGuard

import flax
import jax
from flax import nnx

from flake8_nnx_mode.confirm import objects, slices, standin
from flake8_nnx_mode.confirm.case import Case
from flake8_nnx_mode.confirm.jobs import Recipe
from flake8_nnx_mode.confirm.loading import Missing
from flake8_nnx_mode.confirm.oracles import Seen
from flake8_nnx_mode.confirm.showing import RAISED, Showing, showing

_MODULES = """
    asyncio contextlib copy functools gc inspect itertools os sys tempfile traceback types weakref
""".split()
_ARRAYS = {
    "x": ("jnp.zeros({})", "jax.random.normal(jax.random.key({}), {})"),
    "ids": ("jnp.zeros({}, int)", "jax.random.randint(jax.random.key({}), {}, 0, 2)"),
    "mask": ("jnp.zeros({}, bool)", "jnp.ones({1}, bool)"),
}
"""What an array of a recipe is where something is built, and what it is in a call."""


def script(case: Case, oracle: str, seen: Seen, *, code: str, message: str) -> str:
    """A script that shows what ``oracle`` has ``seen``, or "" where no honest one is possible.

    It prints ``shown`` and ends with status 0 if what was seen is a mistake; else it prints
    ``not shown`` and ends with 1.
    """
    how = showing(case, oracle, seen)
    if how is None or case.is_lenient:  # as it is, the code fails elsewhere first
        return ""
    user = _Code(case, how, code)
    if not user.is_valid:
        return ""
    recipe = how.recipe or seen.recipe or case.recipe or Recipe(None, None)
    ours = [how.helpers, "", _ending(how.lines, user.names)]
    if case.target.name is not None:
        ours[1] = _Prepared(case, recipe, how).text
    helpers, prepared, last = _renamed(ours, user.names)
    text = "".join([helpers, user.around, prepared, last, _paths(case)])
    patches = "watch" in how.helpers
    top = [
        _docstring(case, seen, code, message),
        *user.future,
        "\n".join(_plain_imports(text, user.text)),
        "\n".join(_jax_imports(text, "nnx" if patches else "")),
        _paths(case),
    ]
    late = patches and re.search(r"\bnnx\.", text)
    parts = [
        "\n\n".join(filter(None, top)),
        helpers,
        "from flax import nnx  # only now: it keeps what it finds in jax.random" if late else "",
        f"# The flagged code, from {case.job.path}\n\n{user.text}",
        prepared,
        last,
    ]
    return "\n\n\n".join(part.strip("\n") for part in parts if part.strip("\n")) + "\n"


def _ending(lines: str, names: frozenset[str]) -> str:
    """The lines that come last; in a function, if their names are the user's too."""
    stored = {n.id for n in ast.walk(ast.parse(lines)) if _stores(n)}
    if stored & names:
        body = [*lines.splitlines(), "return shown"]
        lines = f"{_block('def show():', body)}\n\nshown = show()\n"
    return f'{lines}print("shown" if shown else "not shown")\nsys.exit(0 if shown else 1)\n'


def _stores(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _renamed(parts: Iterable[str], names: frozenset[str]) -> list[str]:
    """Our texts, with other names for the global ones that are the user's too."""
    parts = list(parts)
    for tree in map(ast.parse, parts):
        for name in {name for statement in tree.body for name in slices.bound(statement)} & names:
            pattern = rf"(?<![\w.]){name}\b(?!['\"])"
            parts = [re.sub(pattern, f"the_{name}", part) for part in parts]
    return parts


def _plain_imports(text: str, code: str) -> Iterator[str]:
    yield from (f"import {name}" for name in _MODULES if re.search(rf"\b{name}\.", text))
    if re.search(r"\bCounter\(", text):
        yield "from collections import Counter"
    if "= MagicMock()" in code:
        yield "from unittest.mock import MagicMock"


def _jax_imports(text: str, late: str) -> Iterator[str]:
    for name, line in _LIBRARIES.items():
        if name != late and re.search(rf"\b{name}\.", text):
            yield line


_LIBRARIES = {
    "jax": "import jax",
    "jnp": "import jax.numpy as jnp",
    "np": "import numpy as np",
    "nnx": "from flax import nnx",
}


def _docstring(case: Case, seen: Seen, code: str, message: str) -> str:
    verdict = f"{seen.verdict}: {seen.evidence}"
    python = ".".join(map(str, sys.version_info[:3]))
    lines = [
        f"{code} at {case.job.path}:{case.span.start.line}",
        *("", fill(message, 98, break_long_words=False), fill(verdict, 98, break_long_words=False)),
        *("", f"Python {python}, jax {jax.__version__}, flax {flax.__version__}"),
    ]
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""'


def _paths(case: Case) -> str:
    """What makes the project's own modules importable, and keeps what is written out of it."""
    lines = ["os.chdir(tempfile.mkdtemp())  # what the code writes goes there"]
    if case.job.roots:
        lines.append(f"sys.path[:0] = {list(case.job.roots)}")
    nodes = [node for s in case.slice.statements for node in ast.walk(s)]
    package = case.job.module.rpartition(".")[0]
    if package and any(isinstance(n, ast.ImportFrom) and n.level for n in nodes):
        lines.append(f"__package__ = {package!r}")
        lines += _stubs(package)
    if any(isinstance(n, ast.Name) and n.id == "__file__" for n in nodes):
        lines.append(f"__file__ = {case.job.path!r}")
    return "\n".join(lines)


def _stubs(package: str) -> Iterator[str]:
    """Packages that could not be imported, without their own code."""
    parts = package.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        module = sys.modules.get(name)
        if module is not None and module.__spec__ is None:
            yield f"sys.modules[{name!r}] = types.ModuleType({name!r})  # its own code is left out"
            yield f"sys.modules[{name!r}].__path__ = {list(module.__path__)}"


class _Code:
    """The flagged code: the slice's statements as text, and a word around what is flagged."""

    def __init__(self, case: Case, how: Showing, code: str) -> None:
        self._how = how
        self._mark = f"  # <- {code}"
        self._line = case.span.start.line
        self._lines = re.split(r"\r\n|\r|\n", case.text)
        self._node = case.marked.node if case.marked is not None and how.around else None
        self._missing = _missing(case)
        statements = case.slice.statements
        self.names = frozenset(name for s in statements for name in slices.bound(s))
        self.future = [ast.unparse(s) for s in statements if _is_future(s)]
        self.is_valid = not how.around or (
            self._node is not None and not self.names & {"noted", "flagged", "over"}
        )
        """Whether the text is the user's code; it is not where no word can be put into it."""
        self.text = self._joined(self._statement(s) for s in statements if not _is_future(s))
        self.around = ""
        """What of the text is ours."""
        if case.target.name is None:
            self.around = RAISED
            self.is_valid = self.is_valid and "raised" not in self.names
            self.text = f"raised = None\ntry:\n{_indented(self.text)}{RAISED}"

    def _joined(self, parts: Iterable[str]) -> str:
        text = ""
        for before, part in pairwise(["", *parts]):
            apart = part.startswith(_DEFINITIONS) or before.startswith(_DEFINITIONS)
            text += ("\n\n" if apart and before else "") + part + "\n"
        return text

    def _statement(self, statement: ast.stmt) -> str:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return "\n".join(self._imports(statement))
        first = min([statement, *getattr(statement, "decorator_list", [])], key=lambda n: n.lineno)
        begin, end = first.lineno, statement.end_lineno or statement.lineno
        lines = [line.encode() for line in self._lines[begin - 1 : end]]
        lines[-1] = lines[-1][: statement.end_col_offset]
        if not begin <= self._line <= end:
            return _text(lines, first)
        plain = _text(lines, first)
        if self._node is not None:
            decorates = any(d is self._node for d in _decorators(statement))
            for (line, column), word in reversed(self._words(self._node, decorates)):
                old = lines[line - begin]
                lines[line - begin] = old[:column] + word.encode() + old[column:]
        bare = _text(lines, first)
        lines[self._line - begin] += self._mark.encode()
        texts = (text for text in (_text(lines, first), bare) if _is_same(plain, text))
        text = next(texts, None)
        self.is_valid = self.is_valid and text is not None
        return text or plain

    def _words(self, node: ast.expr, decorates: bool) -> list[tuple[tuple[int, int], str]]:
        """What is put around the flagged expression, and where."""
        around = self._how.around
        if around == "flagged" and isinstance(node, ast.Call) and not decorates:
            node = node.func
        begin = (node.lineno, node.col_offset)
        end = (node.end_lineno or node.lineno, node.end_col_offset or 0)
        if around == "over":
            return [(begin, "noted("), (end, "); over()")]
        bare = isinstance(node, ast.Tuple | ast.Yield | ast.YieldFrom)
        return [(begin, f"{around}({'(' * bare}"), (end, f"{')' * bare})")]

    def _imports(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            if name in self._missing:
                yield f"{name} = MagicMock()  # cannot be imported here, and is not needed"
        kept = [
            a
            for a in statement.names
            if (a.asname or a.name.partition(".")[0]) not in self._missing
        ]
        if kept:
            yield ast.unparse(type(statement)(**{**vars(statement), "names": kept}))


def _text(lines: list[bytes], first: ast.AST) -> str:
    """A statement from its lines, from where it starts."""
    start = 0 if isinstance(first, ast.expr) else first.col_offset  # type: ignore[attr-defined]
    return "\n".join(line.decode() for line in [lines[0][start:], *lines[1:]])


def _decorators(statement: ast.stmt) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        yield from getattr(node, "decorator_list", ())


def _missing(case: Case) -> frozenset[str]:
    """The names of the slice whose import failed."""
    if not case.program.missing:
        return frozenset()
    space: dict[str, Any] = {}
    jax.eval_shape(lambda: space.update(case.load()))
    return frozenset(name for name, value in space.items() if isinstance(value, Missing))


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _is_same(text: str, changed: str) -> bool:
    """Whether both are the same code, apart from what is around the flagged expression."""
    try:
        one, other = (_Unwrapped().visit(ast.parse(source)) for source in (text, changed))
    except SyntaxError:
        return False
    return ast.dump(one) == ast.dump(other)


class _Unwrapped(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        wrapped = isinstance(node.func, ast.Name) and node.func.id in ("noted", "flagged")
        return node.args[0] if wrapped else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        match node.value:
            case ast.Call(ast.Name("over"), [], []):
                return None
        return self.generic_visit(node)


def _indented(text: str) -> str:
    """A block of the code; what is inside strings stays where it is."""
    inside: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        ):
            inside.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    lines = text.splitlines(keepends=True) if "\f" not in text else [text]
    return "".join(
        line if number in inside or not line.strip() else f"    {line}"
        for number, line in enumerate(lines, 1)
    )


_STAND_IN = f"""\
# In the place of the model, of which nothing is known but that it is called.

from typing import Any


{inspect.getsource(standin.StandIn)}

"""
_DEFINITIONS = ("class ", "def ", "@", "async ")
_LOCAL = frozenset({"call", "number", "train", "rngs"})
"""Names that ``prepare`` has in any case."""
_GIVES = {
    "model": "What is flagged, built.",
    "call": "Build what is flagged, and return the function that calls it.",
    "call, held": "Build what is flagged; return the function that calls it, and what keeps state.",
}


def _block(head: str, lines: list[str]) -> str:
    return f"{head}\n{indent(chr(10).join(lines), '    ')}\n"


@dataclass
class _Prepared:
    """``prepare``: how what is flagged is built and called, from its recipe."""

    case: Case
    recipe: Recipe
    how: Showing
    imports: dict[str, None] = field(default_factory=dict)
    before: list[str] = field(default_factory=list)
    """What comes before the call, and is done once."""
    each: list[str] = field(default_factory=list)
    """What each call does first."""
    names: dict[str, str] = field(default_factory=dict)
    """What the oracle calls an argument -> its variable here."""

    @property
    def text(self) -> str:
        """The function."""
        target = self.case.target
        init, call = _parsed(self.recipe.init), _parsed(self.recipe.call)
        self._used = {n.id for c in (init, call) for n in ast.walk(c) if isinstance(n, ast.Name)}
        called = str(target.name)
        head = called.partition(".")[0]
        if head in _LOCAL:
            called = f"the_{called}"
        self._used = (self._used - {*_ARRAYS, "key"}) | {head} | _LOCAL
        if target.is_class or target.returns:
            made = "model" if target.is_class else "made"
            made = self._variable(made)
            built = _Filled(self.imports).visit(init)
            built.func = ast.Name(self._mixed() if self.case.conditions.built_only else called)
            self.before.append(f"{made} = {ast.unparse(built)}")
            self.names["model"] = called = made
            if target.returns:
                called = self._variable(target.returns)
                named = f'getattr(f, "__name__", None) == "{target.returns}"'
                self.before.append(f"functions = [{made}] if callable({made}) else {made}")
                self.before.append(f"{called} = next(f for f in functions if {named})")
            elif target.method not in (None, "__call__"):
                called = f"{made}.{target.method}"
        returned = "pass  # building it is enough"
        if not target.is_class or target.method is not None:
            arguments = self._arguments(call)
            returned = f"return {self._finished(f'{called}({arguments})')}"
        if "watch" in self.how.helpers:
            self.each += ["jax.effects_barrier()", "drawn.clear()  # what the arguments drew"]
        self.before += self._set_modes(call)
        text = self._assembled(returned)
        return f"the_{head} = {head}\n\n\n{text}" if head in _LOCAL else text

    @property
    def how_builds_only(self) -> bool:
        """Whether the class is built, and nothing is called."""
        return self.case.target.is_class and self.case.target.method is None

    def _mixed(self) -> str:
        """The class, as a module; it may be one that is only mixed into modules."""
        name = str(self.case.target.name)
        bases = type(self.case.traced(self.case.built)).__bases__
        if len(bases) == 2 and bases[1] is nnx.Module and bases[0].__qualname__ == name:
            return f"type({name!r}, ({name}, nnx.Module), {{}})"
        return name

    def _assembled(self, returned: str) -> str:
        streams = ", ".join(f"{name}={seed}" for name, seed in self.case.streams.items())
        before = [*self.imports, *self.before]
        body = [*self.each, returned]
        text = "\n".join([*before, *body])
        if re.search(r"\brngs\b(?!=)", text) and not self.how.takes_rngs:
            before.insert(len(self.imports), f"rngs = nnx.Rngs({streams})")
        stand_in = _STAND_IN if re.search(r"\bStandIn\(", text) else ""
        call = "" if self.how.gives == "model" else f"\n{_block('def call(number):', body)}\n"
        gives = self.how.gives.replace("held", f"[{', '.join(self._held())}]")
        return stand_in + _block(
            f"def prepare({'train, rngs' if self.how.takes_rngs else 'train'}):",
            [f'"""{_GIVES[self.how.gives]}"""', *before, *call.splitlines(), f"return {gives}"],
        )

    # Arguments

    def _variable(self, name: str) -> str:
        """A new variable of this name, or one like it."""
        name = name if name.isidentifier() else "argument"
        number, new = 1, name
        while new in self._used:
            number += 1
            new = f"{name}{number}"
        self._used.add(new)
        return new

    def _arguments(self, call: ast.Call) -> str:
        given = []
        for number, node in enumerate(call.args):
            name = (*self.case.parameters, *[""] * len(call.args))[number]
            given.append(self._argument(node, name or f"argument {number + 1}"))
        for keyword in call.keywords:
            text = self._argument(keyword.value, keyword.arg or "options")
            given.append(f"{keyword.arg}={text}" if keyword.arg else f"**{text}")
        return ", ".join(given)

    def _argument(self, node: ast.expr, name: str) -> str:
        text = ast.unparse(self._given(node, name))
        self.names.setdefault(name, text)
        return text

    def _given(self, node: ast.expr, name: str) -> ast.expr:
        """An argument: arrays are made for each call, and objects once."""
        match node:
            case ast.Tuple() | ast.List():
                node.elts = [self._given(one, name) for one in node.elts]
                return node
            case ast.Dict():
                node.values = [self._given(one, name) for one in node.values]
                return node
        if any(_array(part) or _is_key(part) for part in ast.walk(node)):
            changed: ast.expr = _Called(self).visit(node)
            return changed
        changed = _Filled(self.imports).visit(node)
        if not any(isinstance(part, ast.Call | ast.Lambda) for part in ast.walk(node)):
            return changed
        variable = self._variable(name)
        self.before.append(f"{variable} = {ast.unparse(changed)}")
        return ast.Name(variable)

    def array(self, kind: str, shape: str) -> str:
        """A variable for an array that each call makes anew."""
        variable = self._variable(kind)
        seed = f"number + {10 * len(self.each)}" if self.each else "number"
        made = "jax.random.key({})" if kind == "key" else _ARRAYS[kind][1]
        if kind == "key":
            seed = f"number + {77 + len(self.each)}"
        self.each.append(f"{variable} = {made.format(seed, shape)}")
        return variable

    # The rest of the function

    def _finished(self, called: str) -> str:
        """The call, and what it does later: generators, coroutines."""
        function = self._function()
        if inspect.isgeneratorfunction(function):
            return f"list(itertools.islice({called}, 100))"
        return f"asyncio.run({called})" if inspect.iscoroutinefunction(function) else called

    def _function(self) -> Any:
        """What is called, or a function of the same kind."""
        target = self.case.target
        if target.is_class:
            model = self.case.play(True, recipe=self.recipe).roots.get("model")
            return inspect.unwrap(getattr(model, target.method or "", None) or len)
        for statement in self.case.slice.statements:
            for node in ast.walk(statement):
                if getattr(node, "name", None) == (target.returns or target.name):
                    return _kind(node)
        return None

    def _roots(self) -> Iterator[tuple[str, object]]:
        """What is built or given, by its variable here."""
        if self.how_builds_only:
            yield self.names["model"], None
            return
        training = "train=False" not in self.how.lines
        saw = self.case.play(training, recipe=self.recipe)
        for name, root in saw.roots.items():
            if self.names.get(name, "").isidentifier():
                yield self.names[name], root

    def _held(self) -> Iterator[str]:
        """The outermost objects that flax knows."""
        for name, root in self._roots():
            if root is None:
                yield name
                continue
            found: list[str] = []
            for path, value in objects.walk(root, name):
                inside = any(path.startswith((f"{outer}.", f"{outer}[")) for outer in found)
                if isinstance(value, nnx.Pytree | nnx.Variable) and not inside:
                    found.append(path)
            yield from found

    def _set_modes(self, call: ast.Call) -> Iterator[str]:
        """What ends training where no argument does."""
        told = any(isinstance(n, ast.Name) and n.id == "train" for n in ast.walk(call))
        if told or self.how_builds_only or not self.how.evaluates:
            return
        lines = [
            f"    {path}.{flag} = {not trains}"
            for name, root in self._roots()
            for path, module in objects.modules(root, name)
            for flag, trains in self.case.job.flags.items()
            if isinstance(vars(module).get(flag), bool)
        ]
        yield from ["if not train:", *lines] if lines else []


def _kind(node: ast.AST) -> Any:
    """A function of the same kind, for ``inspect``."""

    def generates() -> Iterator[None]:
        yield

    async def waits() -> None: ...

    if isinstance(node, ast.AsyncFunctionDef):
        return waits
    inner = (n for n in ast.walk(node) if isinstance(n, ast.Yield | ast.YieldFrom))
    return generates if any(inner) else None


def _parsed(arguments: str | None) -> ast.Call:
    call = ast.parse(f"f({arguments or ''})", mode="eval").body
    assert isinstance(call, ast.Call)
    return call


def _array(node: ast.AST) -> tuple[str, str] | None:
    """The kind and the shape of ``x[2, 4]``."""
    match node:
        case ast.Subscript(ast.Name(kind), shape) if kind in _ARRAYS:
            text = ast.unparse(shape)
            return kind, text if text.startswith("(") else f"({text}{',' * (',' not in text)})"
    return None


def _is_key(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "key"


class _Filled(ast.NodeTransformer):
    """A part of a recipe, written out for where something is built."""

    def __init__(self, imports: dict[str, None]) -> None:
        self._imports = imports

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        found = _array(node)
        return ast.Name(self.array(*found)) if found else self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.array("key", "")) if _is_key(node) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(ast.Name("__import__"), [ast.Constant(str(module))]):
                self._imports[f"import {module}"] = None
                return ast.Name(module)
        return self.generic_visit(node)

    def array(self, kind: str, shape: str) -> str:
        """Source of the array."""
        return "jax.random.key(77)" if kind == "key" else _ARRAYS[kind][0].format(shape)


class _Called(_Filled):
    """A part of a recipe, written out for a call."""

    def __init__(self, prepared: _Prepared) -> None:
        super().__init__(prepared.imports)
        self._prepared = prepared

    def array(self, kind: str, shape: str) -> str:
        return self._prepared.array(kind, shape)
