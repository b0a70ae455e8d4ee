"""Files that ought to break a linter: mutants of good ones, and odd ones made by hand."""

import ast
import copy
import io
import keyword
import random
import tokenize
from collections.abc import Callable, Iterator

from flake8_nnx_mode.syntax.text import UNPARSABLE, LineTable, decoded, parsed

HEAD = "from flax import nnx\nimport jax\n"
NET = """
class Net(nnx.Module):
    def __init__(self, rngs):
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.key = rngs.params()

    def __call__(self, x, train=False):
        return self.drop(x)
"""


def pieces(text: str, size: int = 1_000) -> Iterator[str]:
    """The statements of a file, some at a time, each time below its imports.

    What is small is tried often: a mutant need not be big to be odd. A file for a newer Python has
    none.
    """
    if not is_python(text):
        return
    tree = parsed(text)
    lines = LineTable(text)
    imports = "".join(f"{ast.unparse(node)}\n" for node in tree.body if isinstance(node, _IMPORT))
    begins = [min([node.lineno, *(d.lineno for d in _decorators(node))]) for node in tree.body]
    held = ""
    for node, begin in zip(tree.body, begins, strict=True):
        own = text[lines.start_of(begin) : lines.start_of((node.end_lineno or begin) + 1)]
        if isinstance(node, _IMPORT) or len(own) > 2 * size:
            continue
        if held and len(held) + len(own) > size:
            yield imports + held
            held = ""
        held += own if own.endswith("\n") else f"{own}\n"
    if held:
        yield imports + held


_IMPORT = ast.Import | ast.ImportFrom


def _decorators(node: ast.stmt) -> list[ast.expr]:
    return getattr(node, "decorator_list", [])


def mutant(data: bytes, chance: random.Random) -> bytes:
    """``data``, broken in a way or two; three in four are still Python, so rules are reached."""
    if chance.random() < 0.25:
        return _broken(data, _RAW, chance)
    for _ in range(8):
        broken = _broken(data, _KEEPING, chance)
        if broken != data and is_python(broken):
            return broken
    return data


def is_python(data: bytes | str) -> bool:
    """Whether it can be decoded, and ``ast`` can parse it, which alone passes over odd bytes."""
    try:
        parsed(decoded(data) if isinstance(data, bytes) else data)
    except UNPARSABLE:
        return False
    return True


def _broken(data: bytes, ways: tuple["_Way", ...], chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(ways)(data, chance)
    return data


def _bytes_flipped(data: bytes, chance: random.Random) -> bytes:
    held = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        if held:
            held[chance.randrange(len(held))] ^= 1 << chance.randrange(8)
    return bytes(held)


def _lines(data: bytes, chance: random.Random) -> bytes:
    """Lines dropped, doubled, swapped, moved in or out, or joined."""
    lines = data.splitlines(keepends=True)
    if len(lines) < 3:
        return data
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    end = at + chance.choice((1, 1, 2, 5))
    how = chance.randrange(6)
    if how == 0:
        del lines[at:end]
    elif how == 1:
        lines[at:at] = lines[at:end]
    elif how == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines[at] = lines[at].removeprefix(b"    ")
    elif how == 4:
        lines[at] = chance.choice((b"    ", b" ", b"\t", b"\f")) + lines[at]
    else:
        lines[at] = lines[at].rstrip(b"\r\n") + chance.choice((b"", b"\r", b"\\\n", b"; "))
    return b"".join(lines)


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 4, 40)) :]


def _tokens(data: bytes, chance: random.Random) -> bytes:
    """Tokens replaced by others of the same kind, of the file or of what nnx code is made of."""
    try:
        text = data.decode()
        found = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (UnicodeError, SyntaxError, tokenize.TokenError):
        return data
    alike: dict[object, list[str]] = {kind: sorted(kind) for kind in _KINDS}
    for token in found:
        alike.setdefault(_kind(token), []).append(token.string)
    found = [token for token in found if len(set(alike[_kind(token)])) > 1]
    lines = text.splitlines(keepends=True)
    for token in sorted(chance.sample(found, min(3, len(found))), reverse=True):
        (row, start), (end_row, end) = token.start, token.end
        if row == end_row and row <= len(lines) and token.string.strip():
            line = lines[row - 1]
            lines[row - 1] = line[:start] + chance.choice(alike[_kind(token)]) + line[end:]
    return "".join(lines).encode("utf-8", "surrogatepass")


_KINDS = tuple(
    frozenset(words.split())
    for words in (
        "+ - * / // % ** @ << >> & | ^",
        "< > == != <= >= in is and or",
        "= += -= *= @= :=",
        "( [ {",
        ") ] }",
        ". , : ;",
        "True False None 0 1 0.5 ... '' 'train' b'x'",
        "break continue pass return",
        "if while",
        "nnx jax jnp self cls super Net x rngs key train training deterministic mode m model super"
        " use_running_average decode eval Rngs Dropout BatchNorm MultiHeadAttention Linear Module"
        " Sequential List Dict Variable Param RngStream jit grad vmap scan remat split_rngs"
        " StateAxes split merge state update clone fork view reseed set_attributes random PRNGKey"
        " normal fold_in partial __call__ __init__ __post_init__ setup pop append items",
    )
)
"""What may stand for each other, mostly."""


def _kind(token: tokenize.TokenInfo) -> object:
    of_kind = (kind for kind in _KINDS if token.string in kind)
    if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
        return _KINDS[-1]
    return next(of_kind, (token.type, token.string if token.type != tokenize.STRING else ""))


def _grafts(data: bytes, chance: random.Random) -> bytes:
    """Expressions and statements in the place of others: still Python, and odd."""
    try:
        tree = parsed(data)
        for _ in range(chance.randint(1, 5)):
            _graft(tree, chance)
        return ast.unparse(ast.fix_missing_locations(tree)).encode()
    except (*UNPARSABLE, TypeError, AttributeError):
        return data


def _graft(tree: ast.Module, chance: random.Random) -> None:
    kind: type[ast.AST] = chance.choice((ast.expr, ast.expr, ast.stmt, ast.arguments))
    nodes = [node for node in ast.walk(tree) if isinstance(node, kind)]
    holders = [
        (holder, name, value)
        for holder in ast.walk(tree)
        for name, value in ast.iter_fields(holder)
        if isinstance(value, kind)
        or (isinstance(value, list) and value and isinstance(value[0], kind))
    ]
    if not holders:
        return
    holder, name, value = chance.choice(holders)
    source = copy.deepcopy(chance.choice(nodes))  # the tree must stay a tree
    if isinstance(value, list):
        value[chance.randrange(len(value))] = source
    else:
        setattr(holder, name, source)


_Way = Callable[[bytes, random.Random], bytes]
_RAW: tuple[_Way, ...] = (_bytes_flipped, _lines, _cut, _tokens)
_KEEPING: tuple[_Way, ...] = (_grafts, _grafts, _tokens, _tokens, _lines)


def _of(text: str, encoding: str = "utf-8") -> Callable[[], bytes]:
    return lambda: text.encode(encoding, "surrogatepass")


def _chain(count: int, base: str = "nnx.Module") -> str:
    """Classes that inherit from each other."""
    first = NET.replace("Net(nnx.Module)", f"A0({base})")
    return first + "".join(f"class A{n}(A{n - 1}):\n    x{n} = {n}\n" for n in range(1, count))


def _calls(count: int) -> str:
    """Functions that call each other in a chain, with a mode."""
    heads = (
        f"def f{n}(m, x, train):\n    return f{n + 1}(m, x, train=train)\n" for n in range(count)
    )
    return "".join(heads) + f"def f{count}(m, x, train):\n    return m(x, train=train)\n"


def held(count: int) -> str:
    """Modules that hold each other in a chain."""
    rows = (
        f"class M{n}(nnx.Module):\n    def __init__(self, rngs):\n        self.m = M{n + 1}(rngs)\n"
        "    def __call__(self, x, train=False):\n        return self.m(x)\n"
        for n in range(count)
    )
    return "".join(rows) + NET.replace("Net", f"M{count}")


ODD: dict[str, Callable[[], bytes]] = {
    "empty": _of(""),
    "BOM alone": _of("\ufeff"),
    "two BOMs": _of("\ufeff\ufeff" + HEAD + NET),
    "no newline at the end": _of((HEAD + NET).rstrip()),
    "null byte": _of(HEAD + "x = '\0'\n" + NET),
    "null bytes only": _of("\0" * 10_000),
    "lone surrogate": _of(HEAD + NET + "x = '\ud800'\n"),
    "escaped surrogates": _of(HEAD + NET.replace("self.drop", "self.drop['\\ud800']")),
    "form feeds": _of(("\f" + HEAD + NET).replace("\n\n", "\n\f\n") + "\f"),
    "form feeds in indentation": _of((HEAD + NET).replace("        self", "    \f        self")),
    "odd line ends": _of((HEAD + NET).replace("\n", "\r")),
    "mixed line ends": _of((HEAD + NET).replace(":\n", ":\r\n").replace(")\n", ")\r")),
    "separators in strings": _of(HEAD + NET + "x = '\x0b\x0c\x1c\x85\u2028\u2029'\n"),
    "right to left": _of(HEAD + NET.replace("drop", "\u05d0\u05d1") + "# \u202e nnx\n"),
    "names that are normalised": _of(HEAD + NET.replace("self.drop", "self.\ufb01\u1d49")),
    "names beyond the first plane": _of(HEAD + NET.replace("drop", "\U0001d4d0")),
    "continued lines": _of(HEAD + NET.replace("(", "(\\\n").replace("=", "=\\\n")),
    "ends in a backslash": _of(HEAD + NET + "x = 1\\"),
    "ends in a comment": _of(HEAD + NET + "# noqa"),
    "tabs": _of((HEAD + NET).replace("    ", "\t")),
    "unknown encoding": _of("# coding: nonsense\n" + HEAD + NET),
    "encoding that is no text": _of("# coding: hex\n" + HEAD + NET),
    "100,000 lines": _of(HEAD + NET + "x = 1\n" * 100_000),
    "100,000 comments": _of(HEAD + NET + "# noqa: NNX201\n" * 100_000),
    "10,000 calls": _of(HEAD + NET + "m = Net(nnx.Rngs(0))\n" + "y = m(1, train=True)\n" * 10_000),
    "3,000 classes": _of(HEAD + "".join(NET.replace("Net", f"Net{n}") for n in range(3_000))),
    "line of 1 MB, a string": _of(HEAD + NET + f"x = '{'a' * 2**20}'\n"),
    "line of 1 MB, a list": _of(HEAD + NET + f"x = [{'1, ' * 350_000}]\n"),
    "line of 1 MB, a comment": _of(HEAD + NET + f"# {'noqa ' * 200_000}\n"),
    "line of 1 MB, statements": _of(HEAD + NET + "x = 1; " * 150_000 + "\n"),
    "docstring of 1 MB": _of(HEAD + NET.replace(":\n", f':\n    """{"x: y " * 200_000}"""\n', 1)),
    "10,000 nested lists": _of(HEAD + NET + f"x = {'[' * 10_000}{']' * 10_000}\n"),
    "10,000 nested minus": _of(HEAD + NET + f"x = {'-' * 10_000}1\n"),
    "10,000 nested calls": _of(HEAD + NET + f"x = a{'.b()' * 10_000}\n"),
    "10,000 sums": _of(HEAD + NET + f"x = 1{' + 1' * 10_000}\n"),
    "10,000 comparisons": _of(HEAD + NET + f"x = 1{' < 1' * 10_000}\n"),
    "10,000 and": _of(HEAD + NET + f"x = a{' and a' * 10_000}\n"),
    "10,000 elif": _of(HEAD + NET + "if x:\n    y = 1\n" + "elif x:\n    y = 1\n" * 10_000),
    "10,000 strings": _of(HEAD + NET + "x = (" + "f'{a}' " * 10_000 + ")\n"),
    "10,000 targets": _of(HEAD + NET + f"{'a = ' * 10_000}nnx.Rngs(0)\n"),
    "10,000 parameters": _of(HEAD + f"def f({', '.join(f'a{n}' for n in range(10_000))}): a1()\n"),
    "10,000 arguments": _of(HEAD + NET + f"Net({', '.join(f'a{n}=n' for n in range(10_000))})\n"),
    "10,000 decorators": _of(HEAD + "@nnx.jit\n" * 10_000 + "def f(m): m()\n"),
    "90 nested functions": _of(
        HEAD
        + "".join(f"{' ' * n}def f{n}(m):\n" for n in range(90))
        + " " * 90
        + "m.x = nnx.jit(m)\n"
    ),
    "18 nested loops": _of(
        HEAD
        + NET
        + "m = Net(nnx.Rngs(0))\n"
        + "".join(f"{' ' * n}for a{n} in m:\n" for n in range(18))
        + " " * 18
        + "m(1, train=True)\n"
    ),
    "1,000 branches": _of(HEAD + NET + "m = 1\n" + "if x:\n    m = Net(m)\n    m.eval()\n" * 1_000),
    "inherits 1,000 deep": _of(HEAD + _chain(1_000)),
    "inherits from itself": _of(HEAD + NET.replace("nnx.Module", "Net")),
    "inherits in a circle": _of(HEAD + _chain(50, base="A49")),
    "inherits 200 at once": _of(
        HEAD
        + "".join(NET.replace("Net", f"B{n}") for n in range(200))
        + f"class C({', '.join(f'B{n}' for n in range(200))}): pass\n"
    ),
    "calls 1,000 deep": _of(HEAD + _calls(1_000)),
    "calls itself": _of(HEAD + NET + "def f(m, train):\n    return f(f, train=f(m, train))\n"),
    "holds 500 deep": _of(HEAD + held(500)),
    "holds itself": _of(HEAD + NET.replace("nnx.Dropout(0.5", "Net(0.5")),
    "names itself": _of(HEAD + "nnx = nnx\nnnx.Module = nnx.Module\nself = self.self\n" + NET),
    "imports itself": _of(HEAD + "import odd\nfrom odd import *\nfrom . import odd\n" + NET),
    "star imports of nothing": _of("from flax.nnx import *\nfrom .... import *\n" + NET),
    **{
        f"encoded as {name}": _of(f"# coding: {name}\n{HEAD}{NET}", name)
        for name in (
            "latin-1 cp1252 cp437 koi8-r iso8859-15 mac-roman utf-8-sig utf-7 utf-16 utf-16-le"
            " utf-32 shift_jis euc_jp gb18030 big5 iso2022_jp cp037 hz"
        ).split()
    },
}
"""Makes of what is odd, and big, in a file."""
