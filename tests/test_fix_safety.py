"""Safe fixes on real JAX: signatures, parameters, seeds and streams stay what they were.

Each safe fix of the rules' own examples, the fixtures, the examples and the planted mistakes is
made, and both texts are run:

- signatures: of all that is defined, by ``ast`` (also of what no run reaches) and by ``inspect``;
- parameters: each nnx module that can be built has the same state from the same seed, and leaves
  the streams it is built from at the same counts;
- streams: building asks for the same ones, and what is called with no more than these runs in as
  many modes as it did. In how many, not in which: a mode that was inverted may have failed before
  where it now works, and the other way round.
"""

import ast
import inspect
import re
import sys
import types
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")

import numpy as np  # noqa: E402

from conftest import EXAMPLES, FIXTURES, lint  # noqa: E402
from flake8_nnx_mode.confirm import recipes  # noqa: E402
from flake8_nnx_mode.confirm.jobs import Recipe  # noqa: E402
from flake8_nnx_mode.confirm.search import (  # noqa: E402
    Attempt,
    NotFoundError,
    Subject,
    search,
)
from flake8_nnx_mode.fixes.apply import applied  # noqa: E402
from flake8_nnx_mode.model import Finding  # noqa: E402
from flake8_nnx_mode.rules import registry  # noqa: E402
from flake8_nnx_mode.settings import Settings  # noqa: E402
from test_planted import PLANTED, parts  # noqa: E402

FLAGS = dict(Settings().mode_flags)
NAME = "safely_fixed"
Function = ast.FunctionDef | ast.AsyncFunctionDef
Streams = Mapping[str, int]
Sources = Iterator[tuple[str, Path]]


class Elsewhere(types.ModuleType):
    """A package that fixtures import and nobody has: classes are modules, functions do nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return type(name, (nnx.Module,), {}) if name[0].isupper() else lambda *_, **__: None


@pytest.fixture(autouse=True)
def _others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    torch = types.SimpleNamespace(Module=object, Linear=object)
    monkeypatch.setitem(sys.modules, "somewhere", Elsewhere("somewhere"))
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(nn=torch))
    monkeypatch.setitem(sys.modules, NAME, types.ModuleType(NAME))
    monkeypatch.syspath_prepend(tmp_path)
    for helper, text in parts("helpers").items():
        (tmp_path / f"{helper}.py").write_text(text, encoding="utf-8")


class Version:
    """A text, run as a module."""

    def __init__(self, text: str, path: Path) -> None:
        self.tree = ast.parse(text)
        module = sys.modules[NAME] = types.ModuleType(NAME)  # dataclasses look their own module up
        module.__file__ = str(path)
        exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
        self.space = module.__dict__

    @property
    def modules(self) -> Iterator[str]:
        """Its own nnx modules, by name."""
        for name, value in self.space.items():
            is_module = isinstance(value, type) and issubclass(value, nnx.Module)
            if is_module and (value.__module__, value.__name__) == (NAME, name):
                yield name

    @property
    def signatures(self) -> Iterator[tuple[str, str]]:
        """What it defines at module level, and the methods of that."""
        for name, value in self.space.items():
            if getattr(value, "__module__", None) != NAME:
                continue
            members = vars(value) if isinstance(value, type) else {}
            for inner, part in [("", value), *members.items()]:
                if callable(part) and not isinstance(part, types.ModuleType):
                    try:
                        signature = str(inspect.signature(part))
                    except (TypeError, ValueError):
                        continue
                    yield f"{name}.{inner}", re.sub(r" at 0x\w+", "", signature)

    @cached_property
    def functions(self) -> dict[tuple[str, ...], str]:
        """All functions, also inner ones, as code without places."""
        found: dict[tuple[str, ...], str] = {}
        left: list[tuple[tuple[str, ...], ast.AST]] = [((), self.tree)]
        while left:
            name, node = left.pop()
            if isinstance(node, Function | ast.ClassDef):
                name = (*name, node.name)
            if isinstance(node, Function):
                found[name] = ast.dump(node)
            left += [(name, child) for child in ast.iter_child_nodes(node)]
        return found

    def names(self, training: bool, streams: Streams) -> dict[str, Any]:
        """What the names in a recipe stand for."""
        space = recipes.environment(self.space, training=training, arrays=True)
        return {**space, "rngs": nnx.Rngs(**streams)}

    def run(
        self, target: str, method: str | None, recipe: Recipe, streams: Streams, training: bool
    ) -> Attempt:
        """Build a class and call its method, or call a function; only shapes are computed."""
        stage: Any = "init"

        def run() -> None:
            nonlocal stage
            names = self.names(training, streams)
            called = eval(target, names)
            if recipe.init is not None:
                model = eval(f"_target({recipe.init})", {**names, "_target": called})
                if method is None:
                    return
                (model.train if training else model.eval)()
                called = getattr(model, method)
            stage = "call"
            recipes.finished(eval(f"_called({recipe.call})", {**names, "_called": called}))

        try:
            jax.eval_shape(run)
        except Exception as error:
            return Attempt(error, stage, False)
        return Attempt(None, stage, True)

    def find(self, target: str, method: str | None, streams: Streams) -> Recipe | None:
        """Arguments with which it runs in training."""
        subject = Subject(eval(target, self.space), method, FLAGS, self.space, target)

        def trial(recipe: Recipe) -> Attempt:
            return self.run(target, method, recipe, streams, True)

        try:
            return search(subject, trial, pinned=None, builds=(), limit=24, seconds=1.0)
        except NotFoundError:
            return None

    def modes(self, target: str, method: str | None, recipe: Recipe, streams: Streams) -> int:
        """In how many modes it runs; what is only built knows none."""
        modes = (True,) if recipe.call is None else (True, False)
        return sum(self.run(target, method, recipe, streams, mode).good for mode in modes)

    def needed(
        self, target: str, method: str | None, recipe: Recipe, streams: Streams
    ) -> tuple[Streams, int]:
        """The streams without which it runs in fewer modes, and in how many it does."""
        count = self.modes(target, method, recipe, streams)
        for name in streams if count else ():
            fewer = {other: seed for other, seed in streams.items() if other != name}
            if self.modes(target, method, recipe, fewer) == count:
                streams = fewer
        return streams, count

    def state(self, target: str, recipe: Recipe, streams: Streams) -> dict[Any, Any]:
        """All that a model holds once it is built, and the streams that it was built from.

        Nothing where it cannot be built from them: that is compared as well.
        """
        names = self.names(True, streams)
        try:
            model = eval(f"{target}({recipe.init})", names)
        except Exception:
            return {}
        flat = nnx.to_flat_state(nnx.state((model, names["rngs"])))
        return {path: (type(leaf).__name__, _plain(leaf)) for path, leaf in flat}


def _plain(leaf: Any) -> tuple[Any, ...]:
    value = leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    return str(array.dtype), array.shape, array.tobytes()


class Comparison:
    """What differs between two versions of a file, and how much was compared."""

    def __init__(self, before: str, after: str, path: Path) -> None:
        self.differences: list[str] = []
        self.counts: Counter[str] = Counter()
        self.before, self.after = self._both = Version(before, path), Version(after, path)
        names = [name for name in recipes.streams(before, declared_only=False) if name != "default"]
        self.streams = {name: seed for seed, name in enumerate(names)}
        self._compare_signatures()
        built = {name for name in self.before.modules if self._compare_models(name)}
        for name, code in self.before.functions.items():
            owner = ".".join(name[:-1])
            if self.after.functions.get(name) == code:
                continue
            if owner in built:
                self._compare_calls(owner, name[-1])
            elif not owner:
                self._compare_calls(name[-1], None)

    def _differ(self, what: str) -> None:
        self.differences.append(what)

    def _compare_signatures(self) -> None:
        before, after = dict(self.before.signatures), dict(self.after.signatures)
        self.counts["signatures"] += len(before)
        if arguments(self.before.tree) != arguments(self.after.tree) or before != after:
            self._differ("signature")

    def _compare_models(self, name: str) -> bool:
        """Whether it is known how to build it."""
        recipe = self.before.find(name, None, self.streams)
        if recipe is None:
            return False
        self.counts["models"] += 1
        self._compare_runs(name, None, recipe)
        for streams in ({"default": 0}, self.streams):
            before, after = (one.state(name, recipe, streams) for one in self._both)
            self.counts["leaves"] += len(before)
            if before != after:
                self._differ(f"state of {name}")
        return True

    def _compare_calls(self, target: str, method: str | None) -> None:
        # The one before may have no arguments that it runs with: that may be what was mended.
        recipe = self.after.find(target, method, self.streams)
        recipe = recipe or self.before.find(target, method, self.streams)
        if recipe is not None:
            self.counts["calls"] += 1
            self._compare_runs(target, method, recipe)

    def _compare_runs(self, target: str, method: str | None, recipe: Recipe) -> None:
        streams, before = self.before.needed(target, method, recipe, self.streams)
        self.counts["runs"] += before
        if self.after.modes(target, method, recipe, streams) < before:
            self._differ(f"streams of {target}")


def arguments(tree: ast.AST) -> list[str]:
    """The parameters of all functions and lambdas, with their defaults."""
    return [ast.dump(node) for node in ast.walk(tree) if isinstance(node, ast.arguments)]


def rounds(text: str, findings: list[Finding]) -> Iterator[tuple[str, int]]:
    """The text with all fixes that do not touch each other, and how many; then with the others."""
    fixes = [finding.fix for finding in findings if finding.fix is not None]
    while fixes:
        after, made = applied(text, fixes)
        yield after, len(made)
        fixes = [fix for fix in fixes if fix not in made]


def bad(folder: Path) -> Sources:
    for entry in registry():
        yield entry.bad, folder / "bad.py"


def fixtures(folder: Path) -> Sources:
    for file in sorted(FIXTURES.glob("nnx*.py")):
        yield file.read_text("utf-8"), file


def examples(folder: Path) -> Sources:
    for file in sorted(EXAMPLES.glob("*.py")):
        yield file.read_text("utf-8"), file


def planted(folder: Path) -> Sources:
    safe = [entry.code.lower() for entry in registry() if entry.rule.fix == "safe"]
    for file in sorted(PLANTED.glob("*.txt")):
        if file.stem in (*safe, "lookalikes"):
            for name, text in parts(file.stem).items():
                yield text, folder / f"{name}.py"


COUNTED = ("fixes", "signatures", "models", "leaves", "calls", "runs")


@pytest.mark.parametrize(
    ("sources", "least"),
    [
        (bad, (7, 20, 7, 100, 7, 14)),
        (fixtures, (112, 700, 200, 3000, 65, 290)),
        (examples, (1, 5, 2, 40, 1, 4)),
        (planted, (60, 350, 110, 1800, 50, 200)),
    ],
)
def test_a_safe_fix_changes_only_the_mistake(
    sources: Any, least: tuple[int, ...], tmp_path: Path
) -> None:
    counts: Counter[str] = Counter()
    differences = []
    for text, path in sources(tmp_path):
        findings = [f for f in lint(text, path) if f.fix and f.fix.applicability == "safe"]
        for after, made in rounds(text, findings):
            compared = Comparison(text, after, path)
            counts.update(compared.counts, fixes=made)
            differences += [f"{path.name}: {what}" for what in compared.differences]
    assert differences == []
    wanted = dict(zip(COUNTED, least, strict=True))
    assert {name: counts[name] for name in wanted if counts[name] < wanted[name]} == {}


NOISE = """
import jax
from flax import nnx


class Noise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs.fork()

    def __call__(self, x, scale: bool = True, train: bool = False):
        if train:
            x = x + jax.random.normal(self.rngs.noise(), x.shape)
        return 2 * x if scale else x


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.noise = Noise(rngs)

    def __call__(self, x, train: bool):
        return {call}
"""
BAD = {entry.code: entry.bad for entry in registry()}


@pytest.mark.parametrize(
    ("code", "text", "noticed"),
    [
        ("NNX101", BAD["NNX101"], "state of Noise"),
        ("NNX102", BAD["NNX102"], "streams of Noise"),
        ("NNX103", BAD["NNX103"], "state of Noise"),
        ("NNX109", BAD["NNX109"], "state of Net"),
        ("NNX201", NOISE.replace("{call}", "self.noise(x)"), "streams of Net"),
        ("NNX205", NOISE.replace("{call}", "self.noise(x, train)"), "streams of Net"),
        ("NNX301", BAD["NNX301"], "signature"),
    ],
)
def test_an_unsafe_fix_is_noticed(code: str, text: str, noticed: str, tmp_path: Path) -> None:
    findings = [finding for finding in lint(text) if finding.code == code]
    assert {f.fix.applicability for f in findings if f.fix} == {"unsafe"}
    after, made = next(rounds(text, findings))
    assert made == len(findings)
    assert noticed in Comparison(text, after, tmp_path / "bad.py").differences
