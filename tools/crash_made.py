"""Programs that nobody would write: of what nnx code is made of, and of anything."""

import random
from collections.abc import Iterator

from crash_files import HEAD, NET

_LAYERS = (
    "nnx.Dropout(0.5, rngs=rngs)",
    "nnx.BatchNorm(3, rngs=rngs)",
    "nnx.MultiHeadAttention(2, 4, rngs=rngs, decode=False)",
    "nnx.Linear(2, 2, rngs=rngs)",
    "nnx.List([nnx.Dropout(0.1, rngs=rngs) for _ in range(3)])",
    "nnx.Sequential(nnx.Linear(2, 2, rngs=rngs), nnx.Dropout(0.1), nnx.relu)",
    "nnx.Rngs(0)",
    "rngs.fork()",
    "rngs.params()",
    "nnx.Variable(0)",
    "nnx.Param(rngs())",
    "jax.random.key(0)",
)
_FLAGS = ("train", "training", "deterministic", "use_running_average", "decode")
_NAMES = ("x", "m", "rngs", "key", "self", *_FLAGS)
_ATTRIBUTES = ("drop", "norm", "key", "rngs", "a", "b", "layers", "eval", "train", "default")
_CALLED = (
    *("nnx.view", "nnx.jit", "nnx.split", "nnx.merge", "nnx.state", "nnx.update", "nnx.clone"),
    *("nnx.eval_mode", "nnx.train_mode", "nnx.grad", "nnx.vmap", "nnx.scan", "nnx.remat", "super"),
    *("jax.random.split", "jax.random.normal", "jax.random.fold_in", "jax.jit", "jax.lax.scan"),
    *("setattr", "getattr", "map", "zip", "functools.partial", "isinstance", "list", "print"),
)


class _Maker:
    """Writes one program; depth is what is left of how deep things may be nested."""

    def __init__(self, chance: random.Random) -> None:
        self.any = chance.choice
        self.classes = ["nnx.Module"]

    def program(self) -> str:
        """Imports, classes, functions and a script."""
        parts = [HEAD.rstrip(), "import functools"]
        for number in range(self.any((1, 1, 2, 4))):
            parts += self.a_class(f"N{number}")
        for number in range(self.any((0, 1, 2))):
            parts += self.function(f"f{number}", "m, x, rngs, train=True", 3)
        parts += self.block(3, "")
        return "\n".join(parts) + "\n"

    def a_class(self, name: str) -> Iterator[str]:
        """A module, mostly, and sometimes one that inherits from itself."""
        self.classes.append(name)
        bases = ", ".join(self.any(self.classes) for _ in range(self.any((1, 1, 1, 2))))
        yield self.any(("", "", "@functools.cache", "@nnx.jit", "@nnx.remat"))
        yield f"class {name}({bases}):"
        yield f"    {self.any(_ATTRIBUTES)}: int = {self.expression(1)}"
        yield f"    def __init__(self, rngs, train={self.any(('True', 'False', 'None'))}):"
        for _ in range(self.any((1, 2, 4))):
            made = self.any((*_LAYERS, *(f"{c}(rngs)" for c in self.classes)))
            yield f"        self.{self.any(_ATTRIBUTES)} = {made}"
        yield from self.block(1, "        ")
        for method in ("__call__", self.any(("eval", "loss", "__call__", "drop", "setup"))):
            arguments = ", ".join(("self", "x", *self.flags()))
            yield from self.function(method, arguments, 3, "    ")

    def flags(self, *values: str) -> list[str]:
        """Some mode flags, each once, as arguments."""
        names = sorted({self.any(_FLAGS) for _ in range(self.any((0, 1, 1, 2)))})
        return [f"{name}={self.any(('True', 'False', 'None', *values))}" for name in names]

    def function(self, name: str, parameters: str, depth: int, indent: str = "") -> Iterator[str]:
        """One with a decorator or none."""
        decorator = self.any(("", "", "nnx.jit", "nnx.vmap", "staticmethod", "property", "x.y()"))
        if decorator:
            yield f"{indent}@{decorator}"
        yield f"{indent}{self.any(('', '', '', 'async '))}def {name}({parameters}):"
        yield from self.block(depth, f"{indent}    ")

    def block(self, depth: int, indent: str) -> Iterator[str]:
        """A statement or more."""
        for _ in range(self.any((1, 1, 2))):
            yield from self.statement(depth, indent)

    def statement(self, depth: int, indent: str) -> Iterator[str]:
        """One; what is nested in it is less deep."""
        kind = self.any(range(16 if depth else 8))
        value = self.expression(2)
        if kind < 3:
            yield f"{indent}{self.target()} = {value}"
        elif kind == 3:
            yield f"{indent}{self.any(_NAMES)} += {value}"
        elif kind == 4:
            yield f"{indent}{value}"
        elif kind == 5:
            yield f"{indent}{self.any(('return', 'return', 'yield'))} {value}"
        elif kind == 6:
            yield f"{indent}m.{self.any(('train', 'eval', 'set_attributes'))}({value})"
        elif kind == 7:
            yield f"{indent}{self.any(('del x', 'assert m', 'raise x', 'global z', 'import jax'))}"
        elif kind == 8:
            yield from self.function(
                self.any(("f0", "inner", "x")), "*m, **rngs", depth - 1, indent
            )
        else:
            heads = {
                9: f"if {value}:",
                10: f"for {self.target()} in {value}:",
                11: f"while {value}:",
                12: f"with {value} as {self.target()}:",
                13: "try:",
                14: f"match {value}:",
                15: f"class Inner({self.any(self.classes)}):",
            }
            yield indent + heads[kind]
            if kind == 14:
                pattern = self.any(("nnx.Module()", "[x, *_]", "{} as m", "_"))
                yield f"{indent}    case {pattern}:"
                yield from self.block(depth - 1, f"{indent}        ")
                return
            yield from self.block(depth - 1, f"{indent}    ")
            tails = {
                9: ("", "else:", "elif train:"),
                10: ("", "else:"),
                13: ("finally:", "except X:"),
            }
            tail = self.any(tails.get(kind, ("",)))
            if tail:
                yield indent + tail
                yield from self.block(depth - 1, f"{indent}    ")

    def target(self) -> str:
        """What may be bound."""
        attribute = f"{self.any(_NAMES)}.{self.any(_ATTRIBUTES)}"
        name = self.any(_NAMES)
        return self.any((name, name, attribute, f"{name}, {attribute}", f"{attribute}[0]"))

    def expression(self, depth: int) -> str:
        """One; what is nested in it is less deep."""
        if not depth:
            name, attribute = self.any(_NAMES), self.any(_ATTRIBUTES)
            layer = self.any(_LAYERS)
            return self.any((name, f"{name}.{attribute}", layer, self.any(("0", "None", "'a'"))))
        a, b = self.expression(depth - 1), self.expression(depth - 1)
        forms = (
            f"self.{self.any(_ATTRIBUTES)}({', '.join((a, *self.flags(b)))})",
            f"m({', '.join((a, *self.flags()))})",
            f"{self.any(_CALLED)}({a}, {b})",
            f"{self.any(_CALLED)}({a})({b}, **{self.any(_NAMES)})",
            f"{self.any(self.classes)}({a}).{self.any(_ATTRIBUTES)}({b})",
            f"({a} {self.any(('+', 'and', 'or', 'is not', '@'))} {b})",
            f"({a} if {b} else {a})",
            f"[{a} for x in {b} if x]",
            f"(lambda x, train=True: {a})",
            f"{{'a': {a}, **{b}}}",
            f"[*{a}, {b}]",
            f"(x := {a})",
            f"({a})[{b}]",
            f"(not {a})",
            f"f'{{{self.any(_NAMES)}}}'",
        )
        return self.any(forms)


def made_of_nnx(count: int, seed: int) -> list[str]:
    """So many programs about nnx, whatever they mean."""
    return [_Maker(random.Random(f"{seed} {number}")).program() for number in range(count)]


def made_of_anything(count: int, seed: int) -> list[str]:
    """So many programs of any syntax, by hypothesmith, with a module above them."""
    import hypothesmith  # dear, and only needed here
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    found: list[str] = []

    @seeded(seed)
    @settings(
        max_examples=max(count, 1),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hypothesmith.from_grammar(auto_target=False))  # `from_node` makes less in more time
    def collect(program: str) -> None:
        found.append(f"{HEAD}{NET}{program}\n")

    collect()
    return found
