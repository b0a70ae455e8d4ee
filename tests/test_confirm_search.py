"""The search for arguments, with a trial of its own; what is expected is worked out by hand."""

import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from flake8_nnx_mode.confirm import sizes  # noqa: E402
from flake8_nnx_mode.confirm.clues import axes_in  # noqa: E402
from flake8_nnx_mode.confirm.jobs import Recipe  # noqa: E402
from flake8_nnx_mode.confirm.search import Attempt, NotFoundError, Subject, search  # noqa: E402

HEAD = """
import dataclasses
import enum
import typing as tp
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import nnx
"""


class Arrays:
    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __getitem__(self, shape: Any) -> Any:
        return jnp.zeros(shape, self.dtype)


class Bench:
    """Loads a file and tries recipes on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tried: list[Recipe] = []
        self.space: dict[str, Any] = {}

    def load(self, text: str) -> dict[str, Any]:
        path = self.folder / "case.py"
        path.write_text(HEAD + text)
        module = types.ModuleType("case_of_search")
        sys.modules[module.__name__] = module
        exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
        self.space = module.__dict__
        return self.space

    def trial(self, subject: Subject, recipe: Recipe) -> Attempt:
        self.tried.append(recipe)
        stage = "call" if recipe.init is None else "init"

        def run() -> None:
            nonlocal stage
            given = {
                "rngs": nnx.Rngs(params=1, dropout=2, noise=3),
                "train": True,
                "key": jax.random.key(0),
                "x": Arrays("float32"),
                "ids": Arrays("int32"),
                "mask": Arrays(bool),
            }
            names = {**subject.namespace, **given, "jax": jax, "jnp": jnp, "nnx": nnx, "np": np}
            if recipe.init is None:
                eval(f"{subject.name}({recipe.call})", names)
                return
            names["built_"] = eval(f"{subject.name}({recipe.init})", names)
            stage = "call"
            if recipe.call is not None:
                eval(f"built_.{subject.method}({recipe.call})", names)

        try:
            nnx.eval_shape(run)
        except BaseException as error:
            return Attempt(error, stage, good=False)  # type: ignore[arg-type]
        return Attempt(None, stage, good=True)  # type: ignore[arg-type]

    def search(
        self,
        text: str,
        name: str = "Net",
        *,
        method: str | None = "__call__",
        flags: dict[str, bool] | None = None,
        pinned: Recipe | None = None,
        builds: Sequence[str] = (),
        limit: int = 60,
    ) -> Recipe:
        space = self.load(text)
        subject = Subject(space[name], method, flags or {}, space, name)
        return search(
            subject,
            lambda recipe: self.trial(subject, recipe),
            pinned=pinned,
            builds=builds,
            limit=limit,
            seconds=60,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(tmp_path)
    sys.modules.pop("case_of_search", None)


def test_a_plain_model_is_found_at_once(bench: Bench) -> None:
    found = bench.search("""
class Net(nnx.Module):
    def __init__(self, din: int, hidden: int, *, dropout_rate: float = 0.0, rngs: nnx.Rngs):
        self.linear = nnx.Linear(din, hidden, rngs=rngs)
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    def __call__(self, x, train: bool):
        return self.dropout(self.linear(x), deterministic=not train)
""")
    assert found == Recipe("8, 8, dropout_rate=0.5, rngs=rngs", "x[2, 8], train")
    assert len(bench.tried) == 1


FIRST_TRY = {
    "an image, by the layer that takes it": (
        """
class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 8, kernel_size=(3, 3), rngs=rngs)
    def __call__(self, inputs):
        return self.conv(inputs)
""",
        Recipe("rngs=rngs", "x[2, 16, 16, 3]"),
    ),
    "tokens, by the layer": (
        """
class Net(nnx.Module):
    def __init__(self, vocab_size: int, dim: int, rngs: nnx.Rngs):
        self.embed = nnx.Embed(vocab_size, dim, rngs=rngs)
    def __call__(self, inputs):
        return self.embed(inputs)
""",
        Recipe("16, 8, rngs=rngs", "ids[2, 16]"),
    ),
    "axes, by the names they are unpacked to": (
        """
class Net(nnx.Module):
    def __init__(self, dim: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, values):
        batch, time, channels = values.shape
        return self.linear(values)
""",
        Recipe("8, rngs=rngs", "x[2, 16, 8]"),
    ),
    "axes, by the docstring": (
        """
class Net(nnx.Module):
    def __init__(self, dim: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, values):
        \"\"\"Forward.

        Args:
            values: Input of shape (batch, length, dim).
        \"\"\"
        assert values.ndim == 3
        return self.linear(values)
""",
        Recipe("8, rngs=rngs", "x[2, 16, 8]"),
    ),
    "modes, keys and keys of a batch": (
        """
class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(8, 8, rngs=rngs)
    def __call__(self, batch, *, deterministic: bool, rng: jax.Array, rngs: nnx.Rngs | None = None):
        return self.linear(batch["features"]) + jax.random.normal(rng, (8,)), batch["labels"]
""",
        Recipe(
            "rngs=rngs",
            "{'features': x[2, 8], 'labels': ids[2]}, deterministic=not train, rng=key, rngs=rngs",
        ),
    ),
    "a configuration, an enum, a literal and a callable": (
        """
class Pool(enum.Enum):
    MEAN = 1
    MAX = 2

@dataclasses.dataclass
class Config:
    hidden_size: int
    num_heads: int = 4
    dropout: float = 0.0

class Net(nnx.Module):
    def __init__(self, config: Config, pool: Pool, kind: tp.Literal["a", "b"],
                 act: Callable, hidden_dims: tuple[int, ...], *, rngs: nnx.Rngs):
        assert kind == "a" and len(hidden_dims) == 2 and pool is Pool.MEAN
        self.act = act
        self.linear = nnx.Linear(config.hidden_size, config.hidden_size, rngs=rngs)
    def __call__(self, x):
        return self.act(self.linear(x))
""",
        Recipe(
            "Config(8, dropout=0.5), Pool.MEAN, 'a', nnx.relu, (8, 8), rngs=rngs", "x[2, 16, 8]"
        ),
    ),
    "a configuration of which only the use is known": (
        """
class Inner(nnx.Module):
    def __init__(self, cfg, rngs):
        self.linear = nnx.Linear(cfg.dim, cfg.dim * cfg.expansion, rngs=rngs)
    def __call__(self, x):
        return self.linear(x)

class Net(nnx.Module):
    def __init__(self, cfg, rngs):
        self.layers = nnx.List([Inner(cfg, rngs) for _ in range(cfg.num_layers)])
    def __call__(self, x):
        return self.layers[0](x)
""",
        Recipe(
            "__import__('types').SimpleNamespace(num_layers=2, dim=8, expansion=2), rngs=rngs",
            "x[2, 8]",
        ),
    ),
    "another model": (
        """
class Inner(nnx.Module):
    def __init__(self, dim: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, x):
        return self.linear(x)

class Net(nnx.Module):
    def __init__(self, inner: Inner):
        self.inner = inner
    def __call__(self, x):
        return self.inner(x)
""",
        Recipe("Inner(8, rngs=rngs)", "x[2, 8]"),
    ),
}


@pytest.mark.parametrize("case", FIRST_TRY)
def test_found_at_once(bench: Bench, case: str) -> None:
    text, expected = FIRST_TRY[case]
    assert bench.search(text) == expected
    assert len(bench.tried) == 1


STEERED = {
    "the features that a literal asks for": (
        """
class Net(nnx.Module):
    def __init__(self, rngs):
        self.linear = nnx.Linear(784, 10, rngs=rngs)
    def __call__(self, x):
        return self.linear(x.astype(jnp.float32) * 1)
""",
        Recipe("rngs=rngs", "x[2, 784]"),
    ),
    "images that come out of the convolutions at the size that is wanted": (
        """
class Net(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, kernel_size=(3, 3), rngs=rngs)
        self.linear = nnx.Linear(14 * 14 * 4, 10, rngs=rngs)
    def __call__(self, x):
        x = nnx.avg_pool(self.conv(x), (2, 2), (2, 2))
        return self.linear(x.reshape(x.shape[0], -1))
""",
        Recipe("rngs=rngs", "x[2, 28, 28, 1]"),
    ),
    "what the code tests before it raises": (
        """
class Net(nnx.Module):
    def __init__(self, dim: int, parts: int, rngs):
        if dim % 24 != 0:
            raise ValueError("no")
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, x):
        if x.shape[1] != 5:
            raise ValueError("no")
        return self.linear(x)
""",
        Recipe("24, 8, rngs=rngs", "x[2, 5, 24]"),
    ),
    "a default that may not be kept": (
        """
class Net(nnx.Module):
    def __init__(self, dim: int | None = None, *, rngs):
        if dim is None:
            raise ValueError("dim is required")
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, x):
        return self.linear(x)
""",
        Recipe("dim=8, rngs=rngs", "x[2, 8]"),
    ),
    "one of some strings": (
        """
class Net(nnx.Module):
    def __init__(self, style: str, rngs):
        known = {"left": 1, "right": 2}
        self.side = known[style]
        self.linear = nnx.Linear(8, 8, rngs=rngs)
    def __call__(self, x):
        return self.linear(x)
""",
        Recipe("'left', rngs=rngs", "x[2, 8]"),
    ),
}


@pytest.mark.parametrize("case", STEERED)
def test_the_error_shows_the_way(bench: Bench, case: str) -> None:
    text, expected = STEERED[case]
    assert bench.search(text) == expected
    assert len(bench.tried) <= 10


PLAIN = """
class Net(nnx.Module):
    def __init__(self, width, extra, *, rngs):
        if "".join(reversed(extra)) != "tliub sa":
            raise RuntimeError
        self.linear = nnx.Linear(width, 4, rngs=rngs)
    def __call__(self, x, gain):
        return self.linear(x) * gain
"""


def test_what_was_seen_elsewhere_is_tried(bench: Bench) -> None:
    found = bench.search(PLAIN, builds=("12, extra='as built', rngs=...", "unknown_name, 3"))
    assert found.init == "12, 'as built', rngs=rngs"


def test_pinned_arguments_are_used_as_they_are(bench: Bench) -> None:
    pinned = Recipe("6, 'as built', rngs=nnx.Rngs(0)", "x[7, 6], 2.0")
    assert bench.search(PLAIN, pinned=pinned) == pinned
    assert bench.tried == [pinned]


def test_what_a_pin_leaves_open_is_searched(bench: Bench) -> None:
    found = bench.search(PLAIN, pinned=Recipe("..., 'as built', rngs=...", None))
    assert found.init == "8, 'as built', rngs=rngs"
    half = bench.search(PLAIN, pinned=Recipe("6, 'as built', rngs=rngs", None))
    assert half.init == "6, 'as built', rngs=rngs"
    assert half.call is not None
    assert half.call.startswith("x[2, 6]")


def test_pinned_arguments_that_fail_are_tried_once(bench: Bench) -> None:
    with pytest.raises(NotFoundError) as caught:
        bench.search(PLAIN, pinned=Recipe("6, 'as built', rngs=rngs", "x[2, 7], 1.0"))
    assert len(bench.tried) == 1
    assert isinstance(caught.value.last, TypeError)


FUNCTIONS = """
class Net(nnx.Module):
    def __init__(self, dim: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(dim, dim, rngs=rngs)
    def __call__(self, x):
        return self.linear(x)

class StandIn(nnx.Module):
    def __init__(self, rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
    def __call__(self, x, *args, **kwargs):
        return self.dropout(x)

def step(model: Net, batch):
    images, labels = batch
    return model(images).mean() + labels.mean()

def anything(net, values):
    return net(values)
"""


def test_models_of_a_function_are_built(bench: Bench) -> None:
    found = bench.search(FUNCTIONS, "step", method=None)
    assert found.init is None
    assert found.call is not None
    assert found.call.startswith("Net(8, rngs=rngs), (x[2, ")
    assert bench.search(FUNCTIONS, "anything", method=None) == Recipe(
        None, "Net(8, rngs=rngs), x[2, 8]"
    )


def test_a_model_of_which_nothing_is_known(bench: Bench) -> None:
    text = FUNCTIONS.replace("class Net(nnx.Module)", "class Net")
    found = bench.search(text, "anything", method=None)
    assert found == Recipe(None, "StandIn(rngs=rngs), x[2, 8]")


def test_only_built(bench: Bench) -> None:
    text = "class Net(nnx.Module):\n    def __init__(self, dim, rngs): pass\n"
    assert bench.search(text, method=None) == Recipe("8, rngs=rngs", None)


def test_flags_that_the_caller_names(bench: Bench) -> None:
    text = """
class Net(nnx.Module):
    def __call__(self, x, noisy: bool, calm: bool = True):
        return x
"""
    found = bench.search(text, flags={"noisy": True, "calm": False})
    assert found == Recipe("", "x[2, 8], train, calm=not train")


def test_strange_code_is_not_found_and_nothing_else(bench: Bench) -> None:
    text = """
class Net(nnx.Module):
    def __init__(self, *args, **kwargs):
        raise SystemExit("no")
    def __call__(self, x: "Undefined[1", y=print):
        return x
"""
    with pytest.raises(NotFoundError) as caught:
        bench.search(text)
    assert isinstance(caught.value.last, SystemExit)


def test_the_trial_may_end_the_search(bench: Bench) -> None:
    space = bench.load(PLAIN)
    subject = Subject(space["Net"], "__call__", {}, space, "Net")

    def trial(recipe: Recipe) -> Attempt:
        raise LookupError("enough")

    with pytest.raises(LookupError):
        search(subject, trial, pinned=None, builds=())


def test_the_search_is_bounded(bench: Bench) -> None:
    text = """
class Net(nnx.Module):
    def __call__(self, x, y, z):
        raise ValueError("always")
"""
    with pytest.raises(NotFoundError) as caught:
        bench.search(text, limit=7)
    assert len(bench.tried) == 7
    assert len(set(bench.tried)) == 7
    assert str(caught.value.last) == "always"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("din", 8),
        ("hidden_dim", 8),
        ("num_heads", 2),
        ("head_dim", 4),
        ("kernel_size", 3),
        ("num_layers", 2),
        ("vocab_size", 16),
        ("max_len", 16),
        ("patch_size", 4),
        ("image_size", 16),
        ("seed", 0),
    ],
)
def test_integers_by_name(name: str, number: int) -> None:
    assert sizes.integer(name, sizes.SIZES) == number


@pytest.mark.parametrize("name", ["dropout", "dropout_rate", "attn_drop", "drop_path", "pdrop"])
def test_rates_by_name(name: str) -> None:
    assert sizes.is_dropout(name)
    assert sizes.number(name) == 0.5


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("Input of shape (B, N, C) where", ("B", "N", "C")),
        ("Map [B, H, W, embed_dim] features", ("B", "H", "W", "embed_dim")),
        ("x (jnp.ndarray): the input", None),
        ("rate (float, optional): of dropout", None),
    ],
)
def test_axes_in_prose(text: str, axes: tuple[str, ...] | None) -> None:
    assert axes_in(text) == axes
