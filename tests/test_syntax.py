"""The book: chapters, the walker, positions, whatever the text looks like."""

import ast
import gc
import sys
import textwrap
import weakref
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from conftest import EXAMPLES, FIXTURES, installed_sources, lint
from flake8_nnx_mode.model import Position
from flake8_nnx_mode.syntax import code
from flake8_nnx_mode.syntax.book import Book
from flake8_nnx_mode.syntax.chapter import Chapter
from flake8_nnx_mode.syntax.lower import Lowering
from flake8_nnx_mode.syntax.positions import offsets
from flake8_nnx_mode.syntax.text import LineTable
from flake8_nnx_mode.syntax.walker import children, walk

SOURCES = [*sorted(EXAMPLES.glob("*.py")), *sorted(FIXTURES.glob("nnx*.py"))]
SAMPLE = [*SOURCES, *installed_sources(every=13)]


def functions(text: str) -> Iterator[Chapter]:
    book = Book(Path("/nowhere/code.py"), text)
    for function in book.outline.functions:
        chapter = book.chapter(function)
        assert chapter is not None, book.refusals
        yield chapter


# -- the walker -------------------------------------------------------------------------------


class Recorder(cst.CSTVisitor):
    """Writes down what it is shown, of the kinds that the walker promises to show."""

    def __init__(self, shown: set[int]) -> None:
        self.shown = shown
        self.seen: list[tuple[str, int]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if id(node) in self.shown:
            self.seen.append(("visit", id(node)))
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if id(original_node) in self.shown:
            self.seen.append(("leave", id(original_node)))


def test_sample_is_large() -> None:
    assert len(SAMPLE) > 60


@pytest.mark.parametrize("file", SAMPLE, ids=lambda f: f.name)
def test_walker_shows_what_visit_shows_in_the_same_order(file: Path) -> None:
    module = cst.parse_module(file.read_text(encoding="utf-8"))
    shown: dict[int, str] = {}
    seen: list[tuple[str, int]] = []
    stack: list[tuple[str, cst.CSTNode]] = [("visit", module)]
    while stack:  # the walker's order, spelled out
        event, node = stack.pop()
        seen.append((event, id(node)))
        if event == "visit":
            shown[id(node)] = type(node).__name__
            stack.append(("leave", node))
            stack.extend(("visit", child) for child in reversed(list(children(node))))
    recorder = Recorder(set(shown))
    module.visit(recorder)
    assert recorder.seen == seen
    # Nothing that can hold a name, a constant or a statement is left out.
    everything = {id(n): type(n).__name__ for n in _all_nodes(module)}
    left_out = {name for key, name in everything.items() if key not in shown}
    assert left_out.isdisjoint({"Name", "Attribute", "Call", "Arg", "SimpleString", "If", "Param"})


def _all_nodes(module: cst.Module) -> Iterator[cst.CSTNode]:
    stack: list[cst.CSTNode] = [module]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


@pytest.mark.parametrize("file", SAMPLE, ids=lambda f: f.name)
def test_lowering_is_the_same_either_way(file: Path) -> None:
    for chapter in functions(file.read_text(encoding="utf-8")):
        module, by_walk, _ = chapter._read()
        node = chapter._root(module)
        assert isinstance(node, cst.FunctionDef)
        by_visit = Lowering()
        node.visit(by_visit)
        assert by_visit.function(node) == by_walk.function(node) == chapter.function
        assert len(by_visit.nodes) == len(by_walk.nodes)
        assert all(a is b for a, b in zip(by_visit.nodes, by_walk.nodes, strict=True))


def test_leave_is_called_where_visit_says_no() -> None:
    class Stops(cst.CSTVisitor):
        def __init__(self) -> None:
            self.events: list[str] = []

        def visit_Call(self, node: cst.Call) -> bool:
            self.events.append("visit call")
            return False

        def leave_Call(self, original_node: cst.Call) -> None:
            self.events.append("leave call")

        def visit_Name(self, node: cst.Name) -> None:
            self.events.append(node.value)

    stops = Stops()
    walk(cst.parse_module("f(a)\nb\n"), stops)
    assert stops.events == ["visit call", "leave call", "b"]


# -- positions --------------------------------------------------------------------------------


@pytest.mark.parametrize("file", SAMPLE, ids=lambda f: f.name)
def test_positions_are_position_providers(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    provided = wrapper.resolve(PositionProvider)
    kinds = (
        *(cst.Call, cst.Attribute, cst.Name, cst.Param, cst.FunctionDef, cst.ClassDef, cst.Arg),
        *(cst.Assign, cst.Return, cst.If, cst.With, cst.Decorator, cst.Subscript, cst.Tuple),
    )
    wanted = [node for node in provided if isinstance(node, kinds)]
    lines = LineTable(text)
    found = offsets(wrapper.module, wanted, text)
    assert found is not None
    for node in wanted:
        start, end = (lines.position(offset) for offset in found[id(node)])
        place = provided[node]
        assert (start.line, start.column) == (place.start.line, place.start.column)
        assert (end.line, end.column) == (place.end.line, place.end.column)


@pytest.mark.parametrize("file", SAMPLE, ids=lambda f: f.name)
def test_chapters_stand_where_ast_says(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    book = Book(file, text)
    for function in book.outline.functions:
        chapter = book.chapter(function)
        assert chapter is not None
        calls = [n for n in code.walk(chapter.function.body) if isinstance(n, code.Call)]
        spans = chapter.spans([(call.at, "") for call in calls])
        mine = {(span.start, span.end) for span in spans.values()}
        lines, local = book.lines, _outside_classes(function.node)
        theirs = {
            (
                lines.from_ast(node.lineno, node.col_offset),
                lines.from_ast(node.end_lineno or 0, node.end_col_offset or 0),
            )
            for node in local
            if isinstance(node, ast.Call)
        }
        assert {start for start, _ in mine} <= {start for start, _ in theirs}
        assert {end for _, end in mine} <= {end for _, end in theirs}


@pytest.mark.parametrize("file", SAMPLE, ids=lambda f: f.name)
def test_the_script_is_what_stands_between_definitions(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    book = Book(file, text)
    chapter = book.chapter(book.script)
    assert chapter is not None
    assert [len(line) for line in book.text_of(book.script).split("\n")] == [
        len(line) for line in text.split("\n")
    ]
    calls = [n for n in code.walk(chapter.function.body) if isinstance(n, code.Call)]
    mine = {(s.start, s.end) for s in chapter.spans([(c.at, "") for c in calls]).values()}
    outside = list(book.tree.body)
    theirs = set()
    while outside:
        node: ast.AST = outside.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        outside.extend(ast.iter_child_nodes(node))  # type: ignore[arg-type]
        if isinstance(node, ast.Call):
            start = book.lines.from_ast(node.lineno, node.col_offset)
            end = book.lines.from_ast(node.end_lineno or 0, node.end_col_offset or 0)
            theirs.add((start, end))
    assert {start for start, _ in mine} == {start for start, _ in theirs}
    assert {end for _, end in mine} == {end for _, end in theirs}


def test_one_of_several_statements_on_a_line_stays() -> None:
    text = (
        "import os; import sys\nif os: import re\nclass A: x = 1\n"
        "if sys:\n\t@property\n\tdef f(): ...\nelse:\n\ty = 1\r\n"
    )
    book = Book(Path("/nowhere/x.py"), text)
    assert book.text_of(book.script) == (
        "import os; import sys\nif os: import re\npass          \n"
        "if sys:\n          \n\tpass        \nelse:\n\ty = 1\r\n"
    )


def _outside_classes(function: ast.AST) -> Iterator[ast.AST]:
    stack = [function]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(ast.iter_child_nodes(node))


# -- tricky text ------------------------------------------------------------------------------

METHOD = """\
class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.noise()

    def __call__(self, x):
        return jax.random.normal(self.key, x.shape)
"""
HEAD = "import jax\nfrom flax import nnx\n"
INDENTED = textwrap.indent(METHOD, "    ")


def place(text: str) -> list[tuple[int, int, str]]:
    return [(f.span.start.line, f.span.start.column, f.code) for f in lint(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(HEAD + METHOD, (8, 15), id="plain"),
        pytest.param((HEAD + METHOD).replace("\n", "\r\n"), (8, 15), id="CRLF"),
        pytest.param((HEAD + METHOD).replace("\n", "\r"), (8, 15), id="CR"),
        pytest.param((HEAD + METHOD).replace("    ", "\t"), (8, 9), id="tabs"),
        pytest.param(HEAD + METHOD.replace("return jax", "é = 'ü'; return jax"), (8, 24), id="é"),
        pytest.param(
            HEAD + METHOD.replace("return", "s = '\x0c\u2028'; return"), (8, 25), id="sep"
        ),
        pytest.param(HEAD + "\x0c\n" + METHOD, (9, 15), id="form feed between"),
        pytest.param(HEAD + "if True:\n\x0c" + INDENTED, (9, 19), id="form feed before class"),
        pytest.param(HEAD + "if True:\n" + INDENTED, (9, 19), id="class in if"),
        pytest.param(HEAD + "class Outer:\n" + INDENTED, (9, 19), id="nested class"),
        pytest.param(
            HEAD + METHOD.replace("    def __call__", "    @jax.jit\n    # why\n    def __call__"),
            (10, 15),
            id="decorator and comment",
        ),
        pytest.param(
            HEAD + METHOD.replace("    def __call__", "    @(\n  jax.jit)\n    async def __call__"),
            (10, 15),
            id="decorator over lines, async",
        ),
        pytest.param(
            HEAD
            + METHOD.replace("return jax", '"""Text\n\n  less indented\n"""\n        return jax'),
            (12, 15),
            id="multi-line string",
        ),
        pytest.param(
            HEAD + METHOD.replace("return jax", "x = 1; return \\\n jax"), (9, 1), id="\\"
        ),
        pytest.param(
            HEAD + METHOD.replace("):\n        return", "): return"), (7, 34), id="one-line body"
        ),
        pytest.param((HEAD + METHOD).rstrip("\n"), (8, 15), id="no end of line"),
        pytest.param(HEAD + METHOD + "    # after\n# and after", (8, 15), id="comments after"),
        pytest.param(HEAD + "x: int = 1; (y): int = 2\n" + METHOD, (9, 15), id="(y): int"),
    ],
)
def test_places_in_tricky_text(text: str, wanted: tuple[int, int]) -> None:
    assert place(text) == [(*wanted, "NNX101")]


def test_one_line_classes_and_semicolons() -> None:
    text = HEAD + "class A(nnx.Module): x = 1; y = 2\nclass B(A): pass\n" + METHOD
    assert place(text) == [(10, 15, "NNX101")]


@pytest.mark.parametrize("bad", ["(z): int = 3", "(z): int"])
def test_what_libcst_refuses_costs_one_chapter(bad: str) -> None:
    refused = METHOD.replace("Net", "Odd").replace("return jax", f"{bad}\n        return jax")
    found = lint(HEAD + refused + METHOD)
    assert [(f.code, f.span.start.line) for f in found] == [("NNX000", 7), ("NNX101", 15)]
    assert "was not checked" in found[0].message


def test_lone_backslash_on_an_indentation_line() -> None:
    body = METHOD.replace("        return jax", "        \\\n        return jax")
    ast.parse(HEAD + body)
    found = lint(HEAD + body + METHOD.replace("Net", "Net2"))
    assert [(f.code, f.span.start.line) for f in found] == [("NNX000", 7), ("NNX101", 15)]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 695 is 3.12's")
def test_type_parameters() -> None:
    text = HEAD + METHOD.replace("Net(", "Net[T](").replace("__call__(", "__call__[U](")
    assert place(text) == [(8, 15, "NNX101")]


# -- depth ------------------------------------------------------------------------------------


def deep(body: str) -> str:
    return HEAD + METHOD.replace("return jax", f"{body}\n        return jax")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("y = x" + ".f()" * 1000, id="call chain"),
        pytest.param("y = " + "(" * 190 + "x" + ")" * 190, id="parentheses"),
        pytest.param("y = " + "[" * 190 + "x" + "]" * 190, id="lists"),
        pytest.param("y = x" + " + x" * 900, id="sum"),
        pytest.param("y = " + "not " * 900 + "x", id="not"),
        pytest.param("y = " + "x if x else " * 900 + "x", id="conditional"),
        pytest.param("y = x" + " and x" * 900, id="and"),
        pytest.param(
            "if x: pass\n" + "        elif x: x = 1\n" * 2000 + "        else: x = 2", id="elif"
        ),
    ],
)
def test_as_deep_as_ast_accepts(body: str) -> None:
    text = deep(body)
    ast.parse(text)
    assert [f.code for f in lint(text)] == ["NNX101"]


def test_a_finding_at_the_end_of_a_chain_has_its_place() -> None:
    text = HEAD + METHOD.replace("x.shape)", "x.shape)" + ".f()" * 1000)
    assert place(text) == [(8, 15, "NNX101")]


# -- small things -----------------------------------------------------------------------------


def test_line_table() -> None:
    lines = LineTable("a\r\nb\rc\nd\x0ce\u2028f")
    assert [lines.position(i) for i in (0, 3, 5, 7, 11)] == [
        Position(1, 0),
        Position(2, 0),
        Position(3, 0),
        Position(4, 0),
        Position(4, 4),
    ]
    assert LineTable("é = x").from_ast(1, 5) == Position(1, 4)


def test_lowering_by_hand() -> None:
    (chapter,) = functions("def f(a, *b, c=1, **d):\n    e = a.b(*b, k=c)[0] if d else not e\n")
    name = code.Name
    call = code.Call(
        code.Attribute(name("a"), "b"),
        (code.Argument(name("b"), star="*"), code.Argument(name("c"), "k")),
    )
    value = code.IfElse(name("d"), code.Subscript(call, code.Constant(0)), code.Not(name("e")))
    assert chapter.function == code.DefineFunction(
        "f",
        (),
        (("a", None), ("c", None), ("b", None), ("d", None)),
        (code.Constant(1),),
        code.Block((code.Assign((name("e"),), value),)),
    )


@pytest.mark.parametrize("kind", ["functions", "methods"])
def test_helpers_that_call_helpers(kind: str) -> None:
    """Each runs once, however many call it, and a long chain ends in unknown, not in NNX000."""
    count = 300
    if kind == "functions":
        chain = [
            f"def key{i}(rngs):\n    a = key{i + 1}(rngs)\n    return a or key{i + 1}(rngs)\n"
            for i in range(count)
        ]
        head, tail = "".join(chain), ""
        call = "key0(self.key)"
    else:
        chain = [
            f"    def key{i}(self):\n        a = self.key{i + 1}()\n"
            f"        return a or self.key{i + 1}()\n"
            for i in range(count)
        ]
        head, tail = "", "".join(chain)
        call = "self.key0()"
    text = HEAD + head + METHOD.replace("return jax", f"x = {call}\n        return jax") + tail
    assert [f.code for f in lint(text)] == ["NNX101"]


def test_a_script_that_libcst_refuses_is_named() -> None:
    text = "import jax\nfrom flax import nnx\n(key): jax.Array = jax.random.key(0)\n" + (
        "a = jax.random.normal(key)\nb = jax.random.normal(key)\n"
    )
    (finding,) = lint(text)
    assert finding.code == "NNX000"
    assert "what stands outside functions, so it was not checked" in finding.message


def test_a_script_is_checked() -> None:
    text = "import jax\nfrom flax import nnx\nkey = jax.random.key(0)\n" + (
        "a = jax.random.normal(key)\nif a > 0:\n    b = jax.random.normal(key)\n"
    )
    assert [(f.code, f.span.start.line, f.span.start.column) for f in lint(text)] == [
        ("NNX106", 6, 8)
    ]


def test_a_file_that_python_cannot_parse_is_named_by_line() -> None:
    (finding,) = lint("from flax import nnx\nx = (1,\ny = 2\n")
    assert (finding.code, finding.span.start.line) == ("NNX000", 2)
    assert "cannot parse this file" in finding.message


def test_a_book_is_let_go_of_at_once() -> None:
    """Without the garbage collector, which looks for cycles among old objects once in a while."""
    text = "class A:\n    def f(self):\n        def g(): ...\n        class B: ...\n"
    book = Book(Path("/nowhere/a.py"), text)
    gone = weakref.ref(book.outline.module)
    assert book.chapter(book.outline.functions[0]) is not None
    book.sketch(book.script)
    gc.disable()
    try:
        del book
        assert gone() is None
    finally:
        gc.enable()
