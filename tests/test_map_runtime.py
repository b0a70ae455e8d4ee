"""Maps beside the real objects: models written here, and models of public packages."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import jax.numpy as jnp
import pytest
from flax import nnx

import runtime
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import ecosystem_map
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.facts.tree import Layer, LayerCall, ModeFlag, Place
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.maps import trees
from flake8_nnx_mode.model import Position
from flake8_nnx_mode.settings import Settings

# -- models written here -------------------------------------------------------------------------

LAYERS = '''
"""What the encoder is made of."""

import jax
import jax.numpy as jnp
from flax import nnx

RATE = 0.1


class DropPath(nnx.Module):
    """Drops the whole branch of a sample."""

    def __init__(self, rate: float, *, rngs: nnx.Rngs):
        self.rate = rate
        self.rngs = rngs.fork()

    def __call__(self, x, *, deterministic: bool = False):
        if deterministic or self.rate == 0.0:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        keep = jax.random.bernoulli(self.rngs.path(), 1 - self.rate, shape)
        return jnp.where(keep, x / (1 - self.rate), 0)


class Mlp(nnx.Module):
    def __init__(self, width: int, hidden: int, rate: float, rngs: nnx.Rngs):
        self.grow = nnx.Linear(width, hidden, rngs=rngs)
        self.shrink = nnx.Linear(hidden, width, rngs=rngs)
        self.drop = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, x, deterministic: bool = False):
        x = self.drop(nnx.gelu(self.grow(x)), deterministic=deterministic)
        return self.shrink(x)


class Block(nnx.Module):
    """One layer of the encoder; its branches are dropped in training."""

    def __init__(self, width: int, heads: int, rate: float, *, rngs: nnx.Rngs):
        self.norms = nnx.Dict(
            attention=nnx.LayerNorm(width, rngs=rngs), mlp=nnx.LayerNorm(width, rngs=rngs)
        )
        self.attention = nnx.MultiHeadAttention(
            heads, width, dropout_rate=rate, decode=False, rngs=rngs
        )
        self.mlp = Mlp(width, 2 * width, rate, rngs)
        self.path = DropPath(rate, rngs=rngs)

    def __call__(self, x, train: bool):
        y = self.attention(self.norms["attention"](x), deterministic=not train)
        x = x + self.path(y, deterministic=not train)
        return x + self.path(self.mlp(self.norms["mlp"](x), not train), deterministic=not train)
'''

ENCODER = '''
"""A vision transformer, most of whose blocks are one, as `nnx.scan` wants them."""

import jax.numpy as jnp
from flax import nnx

from .layers import RATE, Block, DropPath


class Patches(nnx.Module):
    def __init__(self, side: int, width: int, *, rngs: nnx.Rngs):
        self.project = nnx.Conv(3, width, (side, side), (side, side), rngs=rngs)

    def __call__(self, images):
        x = self.project(images)
        return x.reshape(x.shape[0], -1, x.shape[-1])


class Encoder(nnx.Module):
    def __init__(self, depth: int, width: int, heads: int, *, rate=RATE, rngs: nnx.Rngs):
        @nnx.split_rngs(splits=depth)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def stacked(rngs: nnx.Rngs):
            return Block(width, heads, rate, rngs=rngs)

        self.patches = Patches(4, width, rngs=rngs)
        self.positions = nnx.Param(jnp.zeros((1, 4, width)))
        self.first = Block(width, heads, rate, rngs=rngs)
        self.blocks = stacked(rngs)
        self.last = nnx.List([DropPath(rate, rngs=rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.head = nnx.Sequential(
            nnx.Linear(width, width, rngs=rngs), nnx.relu, nnx.Linear(width, 10, rngs=rngs)
        )

    def __call__(self, images, *, train: bool = False):
        x = self.patches(images) + self.positions
        x = self.first(x, train=train)

        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def through(x, block):
            return block(x, train=train)

        x = through(x, self.blocks)
        for path in self.last:
            x = path(x, deterministic=not train)
        x = self.norm(x, use_running_average=not train)
        return self.head(x.mean(axis=1))
'''

UNET = '''
"""A small U-Net that is told how noisy its image is; its mode is in its attributes."""

import jax.numpy as jnp
from flax import nnx


class Residual(nnx.Module):
    def __init__(self, before: int, after: int, *, rate: float = 0.1, rngs: nnx.Rngs):
        norms = [nnx.BatchNorm(before, rngs=rngs)]
        norms.append(nnx.BatchNorm(after, rngs=rngs))
        self.norms = nnx.List(norms)
        convs = (nnx.Conv(before, after, (3, 3), rngs=rngs),)
        self.convs = nnx.List([*convs, nnx.Conv(after, after, (3, 3), rngs=rngs)])
        self.time = nnx.Linear(16, after, rngs=rngs)
        self.drop = nnx.Dropout(rate, rngs=rngs)
        self.skip = nnx.Conv(before, after, (1, 1), rngs=rngs) if before != after else None

    def __call__(self, x, time):
        y = self.convs[0](nnx.silu(self.norms[0](x)))
        y = y + self.time(nnx.silu(time))[:, None, None]
        y = self.convs[1](self.drop(nnx.silu(self.norms[1](y))))
        return y + (x if self.skip is None else self.skip(x))


class UNet(nnx.Module):
    def __init__(self, widths: tuple[int, ...] = (4, 8), *, rngs: nnx.Rngs):
        self.time = nnx.Sequential(nnx.Linear(8, 16, rngs=rngs), nnx.silu)
        self.stem = nnx.Conv(3, widths[0], (3, 3), rngs=rngs)
        for level, width in enumerate(widths):
            setattr(self, f"down_{level}", Residual(width, width, rngs=rngs))
        self.resample = nnx.Dict(
            {
                "down": nnx.Conv(widths[0], widths[1], (2, 2), (2, 2), rngs=rngs),
                "up": nnx.ConvTranspose(widths[1], widths[0], (2, 2), (2, 2), rngs=rngs),
            }
        )
        self.up = nnx.List([])
        for width in widths[:1]:
            self.up.append(Residual(2 * width, width, rngs=rngs))
        self.out = nnx.Conv(widths[0], 3, (3, 3), rngs=rngs)
        self.levels = len(widths)

    def __call__(self, x, noise):
        wave = noise[:, None] * 2.0 ** jnp.arange(4)
        time = self.time(jnp.concatenate([jnp.sin(wave), jnp.cos(wave)], axis=-1))
        x = self.stem(x)
        kept = []
        for level in range(self.levels):
            x = getattr(self, f"down_{level}")(x, time)
            if level < self.levels - 1:
                kept.append(x)
                x = self.resample["down"](x)
        for block in self.up:
            x = self.resample["up"](x)
            x = block(jnp.concatenate([x, kept.pop()], axis=-1), time)
        return self.out(nnx.silu(x))
'''

TAGGER = '''
"""A tagger of sequences: recurrent both ways, and noisy in training."""

import jax
import jax.numpy as jnp
from flax import nnx


class Noisy(nnx.Module):
    """Adds noise, unless a view of it is told not to."""

    def __init__(self, scale: float, *, rngs: nnx.Rngs, deterministic: bool = False):
        self.scale = scale
        self.deterministic = deterministic
        self.noise = rngs.noise.fork()

    def __call__(self, x):
        if self.deterministic:
            return x
        return x + self.scale * jax.random.normal(self.noise(), x.shape)

    def set_view(self, deterministic: bool | None = None):
        """Set the mode of a view.

        Args:
          deterministic: whether nothing is added
        """
        if deterministic is not None:
            self.deterministic = deterministic


class Running(nnx.Module):
    """Keeps the mean of what it has seen, by hand."""

    def __init__(self, width: int):
        self.mean = nnx.BatchStat(jnp.zeros(width))

    def __call__(self, x, training: bool):
        if training:
            self.mean[...] = 0.9 * self.mean[...] + 0.1 * x.mean(axis=(0, 1))
        return x - self.mean[...]


class Tagger(nnx.Module):
    def __init__(self, width: int, tags: int, *, rngs: nnx.Rngs):
        self.embed = nnx.Embed(12, width, rngs=rngs)
        self.noisy = Noisy(0.1, rngs=rngs)
        self.running = Running(width)
        self.both = nnx.Bidirectional(
            nnx.RNN(nnx.LSTMCell(width, width, rngs=rngs)),
            nnx.RNN(nnx.GRUCell(width, width, rngs=rngs)),
        )
        self.down = nnx.RNN(nnx.OptimizedLSTMCell(2 * width, width, rngs=rngs))
        self.drop = nnx.Dropout(0.3, rngs=rngs)
        self.sampled = nnx.Dropout(0.1, rngs=rngs)
        self.tags = nnx.Linear(width, tags, rngs=rngs)

    def encode(self, ids, *, training: bool):
        x = self.noisy(self.embed(ids))
        return self.both(self.running(x, training))

    def __call__(self, ids, *, training: bool = True):
        x = self.drop(self.encode(ids, training=training), deterministic=not training)
        x = self.sampled(self.down(x), deterministic=False)  # it is asked several times
        return self.tags(x)
'''

FILES = {
    "vision/__init__.py": "",
    "vision/layers.py": LAYERS,
    "vision/encoder.py": ENCODER,
    "unet.py": UNET,
    "tagger.py": TAGGER,
}
Call = Callable[[Any, bool], object]
CALLS: dict[str, Call] = {
    "Encoder": lambda model, train: model(jnp.ones((2, 8, 8, 3)), train=train),
    "UNet": lambda model, train: model(jnp.ones((2, 8, 8, 3)), jnp.ones(2)),
    "Tagger": lambda model, train: model(jnp.zeros((2, 5), int), training=train),
}
BUILDS: dict[str, tuple[str, dict[str, int]]] = {
    "Encoder": ("vision.encoder", {"depth": 2, "width": 8, "heads": 2}),
    "UNet": ("unet", {}),
    "Tagger": ("tagger", {"width": 8, "tags": 5}),
}


@dataclass
class Real:
    """A model that was built, mapped, and watched in training and in evaluation."""

    model: nnx.Module
    tree: Layer
    watch: runtime.Watch

    def compared(self, tree: Layer) -> runtime.Comparison:
        result = runtime.compared(self.model, tree)
        runtime.followed(self.watch, tree, result)
        return result


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Real]]:
    """The models written here, by name."""
    folder = tmp_path_factory.mktemp("models")
    for name, text in FILES.items():
        folder.joinpath(name).parent.mkdir(exist_ok=True)
        folder.joinpath(name).write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder))
    known: dict[str, Real] = {}

    def real(name: str) -> Real:
        if name not in known:
            known[name] = _real(name)
        return known[name]

    yield real
    sys.path.remove(str(folder))


def _real(name: str) -> Real:
    module = importlib.import_module(BUILDS[name][0])
    rngs = nnx.Rngs(0, params=1, dropout=2, noise=3, path=4)
    model = getattr(module, name)(**BUILDS[name][1], rngs=rngs)
    (tree,) = trees(_linter(), Path(module.__file__ or ""), name)
    inner = [module for _, module in nnx.iter_modules(model)]
    kept = [(m, n, vars(m)[n]) for m in inner for n in Settings().mode_flags if n in vars(m)]
    watch = runtime.Watch(model)
    for train in (True, False):
        (model.train if train else model.eval)()
        with watch:
            CALLS[name](model, train)
    for part, attribute, value in kept:
        setattr(part, attribute, value)
    return Real(model, tree, watch)


def _linter() -> Linter:
    return Linter(FolderSettings({}, "", isolated=True))


def every(model: nnx.Module) -> set[int]:
    """All modules of a model but lists and dicts, and what some layers of Flax are made of."""
    found: set[int] = set()
    inside: list[tuple[Any, ...]] = []
    for path, module in sorted(nnx.iter_modules(model), key=lambda each: len(each[0])):
        if any(path[: len(outer)] == outer for outer in inside):
            continue
        if isinstance(module, nnx.MultiHeadAttention | nnx.RNNCellBase):
            inside.append(path)
        if not isinstance(module, nnx.List | nnx.Dict):
            found.add(id(module))
    return found


# How many modules there are, and calls of one module by another in training and in evaluation.
@pytest.mark.parametrize(
    ("name", "modules", "calls"), [("Encoder", 27, 52), ("UNet", 29, 54), ("Tagger", 14, 16)]
)
def test_written(written: Callable[[str], Real], name: str, modules: int, calls: int) -> None:
    real = written(name)
    result = real.compared(real.tree)
    assert (result.wrong, result.unknown, result.vague) == ([], [], [])
    assert every(real.model) == result.met.keys()
    assert (len(result.right), result.followed) == (modules, calls)


# -- what is wrong is found ----------------------------------------------------------------------

Change = Callable[[Layer], Layer]


def changed(tree: Layer, path: str, change: Change) -> Layer:
    """``tree`` with the layer at ``path`` as ``change`` makes it."""
    if not path:
        return change(tree)
    name, _, rest = path.partition(".")
    assert name in [child.name for child in tree.children]
    children = (
        changed(child, rest, change) if child.name == name else child for child in tree.children
    )
    return replace(tree, children=tuple(children))


def without(name: str) -> Change:
    return lambda layer: replace(
        layer, children=tuple(child for child in layer.children if child.name != name)
    )


def with_more(child: Layer) -> Change:
    return lambda layer: replace(layer, children=(*layer.children, child))


def but(**fields: Any) -> Change:
    return lambda layer: replace(layer, **fields)


def flag(**fields: Any) -> Change:
    """With another first flag."""
    return lambda layer: replace(layer, flags=(replace(layer.flags[0], **fields), *layer.flags[1:]))


def called(**fields: Any) -> Change:
    """With another first call."""
    return lambda layer: replace(layer, calls=(replace(layer.calls[0], **fields), *layer.calls[1:]))


def told(**fields: Any) -> Change:
    """With something else told at the first call."""

    def change(layer: Layer) -> Layer:
        first: LayerCall = layer.calls[0]
        return called(told=(replace(first.told[0], **fields), *first.told[1:]))(layer)

    return change


def elsewhere(layer: Layer) -> Layer:
    """With its class one line further down."""
    assert layer.defined is not None
    start = Position(layer.defined.start.line + 1, layer.defined.start.column)
    return replace(layer, defined=Place(layer.defined.path, start))


def with_names_swapped(layer: Layer) -> Layer:
    first, second, *rest = layer.children
    children = (replace(first, name=second.name), replace(second, name=first.name), *rest)
    return replace(layer, children=children)


DROPOUT = Layer("extra", "Dropout", "flax.nnx", "stochastic", streams=("dropout",))
ALTERED: list[tuple[str, str, Change, str]] = [
    # children
    ("Encoder", "", without("first"), "first is Block, the map has nothing"),
    ("Encoder", "first.mlp", without("drop"), "drop is Dropout, the map has nothing"),
    ("Encoder", "first", without("norms['mlp']"), "norms['mlp'] is LayerNorm, the map has noth"),
    ("Encoder", "", without("last[*]"), "last[0] is DropPath, the map has nothing"),
    ("Encoder", "blocks", without("path"), "path is DropPath, the map has nothing"),
    ("Encoder", "first", with_more(DROPOUT), "the map has extra: Dropout, and there is none"),
    ("Encoder", "first.attention", with_more(DROPOUT), "the map has extra in it"),
    ("Encoder", "first.mlp", with_names_swapped, "Linear is called, the map has Linear"),
    ("Tagger", "both.forward_rnn", without("cell"), "cell is LSTMCell, the map has nothing"),
    ("Tagger", "both", without("backward_rnn"), "backward_rnn is RNN, the map has nothing"),
    # classes
    ("Encoder", "norm", but(of="LayerNorm"), "norm is BatchNorm, the map has LayerNorm"),
    ("Encoder", "first.path", but(module="other"), "path is DropPath, the map has DropPath"),
    ("Encoder", "first.mlp", but(module="flax.nnx"), "mlp is Mlp, the map has Mlp"),
    ("Encoder", "first.mlp", elsewhere, "its class is at "),
    ("Encoder", "first.mlp", but(defined=None), "the map does not say where its class is"),
    # kinds
    ("Encoder", "norm", but(kind="plain"), "it is plain, not {'stateful'}"),
    ("Encoder", "first.mlp.drop", but(kind="plain", streams=()), "it is plain, not {'stochas"),
    ("Encoder", "first.attention", but(kind="plain", streams=()), "it is plain, not {'stoch"),
    ("Encoder", "first.mlp.grow", but(kind="stochastic"), "it is stochastic, not {'plain'}"),
    ("Encoder", "first.path", but(kind="plain"), "DropPath draws from "),
    ("Encoder", "last[*]", but(kind="stateful"), "DropPath draws from "),
    ("Encoder", "patches", but(kind="stochastic"), "Patches neither draws nor changes"),
    ("Encoder", "first", but(kind="stateful"), "Block neither draws nor changes"),
    ("Encoder", "", but(kind="stochastic"), "Encoder neither draws nor changes"),
    ("Tagger", "running", but(kind="plain"), "Running changes its ['mean'], and is plain"),
    ("Tagger", "noisy", but(kind="plain"), "Noisy draws from "),
    # flags
    ("Encoder", "", flag(default="True"), "train is False by default, the map has 'True'"),
    ("Encoder", "", flag(default=""), "train is False by default, the map has ''"),
    ("Encoder", "first", flag(default="False"), "by default, the map has 'False'"),
    ("Encoder", "first.mlp", flag(default="RATE"), "deterministic is False by default"),
    ("Encoder", "first.mlp", flag(default="NOWHERE"), "deterministic is False by default"),
    ("Encoder", "first.mlp.drop", flag(default="True"), "deterministic is False by default"),
    ("Encoder", "", flag(means="eval"), "train means eval, says the map"),
    ("Encoder", "first.mlp", flag(means="train"), "deterministic means train, says the map"),
    ("Encoder", "", but(flags=()), "its call takes train, of which the map has nothing"),
    ("Encoder", "norm", but(flags=()), "its call takes ['use_running_average'], the map has []"),
    (
        "Encoder",
        "patches",
        but(flags=(ModeFlag("train", "train", "call", "False", True),)),
        "no method of it takes train",
    ),
    (
        "Encoder",
        "patches",
        but(flags=(ModeFlag("train", "train", "attribute", "False", True),)),
        "it has no attribute train",
    ),
    ("Tagger", "noisy", flag(default="True"), "its attribute deterministic is False"),
    ("Tagger", "noisy", flag(by="call"), "no method of it takes deterministic"),
    ("Tagger", "noisy", but(flags=()), "an attribute deterministic, of which the map has nothing"),
    # what is told
    ("Encoder", "norm", told(how="inverted"), "the map has it inverted"),
    ("Encoder", "norm", told(how="dropped"), "the map has it dropped"),
    ("Encoder", "norm", told(how="fixed", text="True"), "the map has True"),
    ("Encoder", "norm", told(how="fixed", text="False"), "the map has False"),
    ("Encoder", "norm", told(sources=("training",)), "comes from ('training',), there is"),
    ("Encoder", "norm", told(sources=()), "comes from (), there is"),
    ("Encoder", "norm", told(flag="train"), "the map has no flag train of it"),
    ("Encoder", "norm", called(told=()), "the map has nothing of use_running_average"),
    ("Encoder", "norm", called(method="predict"), "Encoder.__call__ calls it, the map has predict"),
    ("Encoder", "first.mlp", told(how="inverted"), "the map has it inverted"),
    ("Encoder", "blocks", told(how="inverted"), "the map has it inverted"),
    ("Encoder", "blocks.mlp.drop", told(how="dropped"), "the map has it dropped"),
    ("Encoder", "last[*]", told(how="inverted"), "the map has it inverted"),
    (
        "UNet",
        "up[*].drop",
        told(how="forwarded", text="train", sources=("train",)),
        "deterministic is not given, the map has train",
    ),
    ("UNet", "up[*].drop", told(how="fixed", text="False"), "is not given, the map has False"),
    ("Tagger", "sampled", told(text="True"), "deterministic is given False, the map has True"),
    ("Tagger", "sampled", told(how="dropped"), "is given False, the map has it dropped"),
    ("Tagger", "running", told(how="inverted"), "the map has it inverted"),
    # streams
    ("Encoder", "first.path", but(streams=("dropout",)), "DropPath draws from ['', 'path']"),
    ("Encoder", "first.path", but(streams=()), "DropPath draws from ['', 'path']"),
    ("Encoder", "first.mlp.drop", but(streams=("noise",)), "it draws from {'dropout'}"),
    ("Encoder", "first.mlp.drop", but(streams=()), "it draws from {'dropout'}, the map has noth"),
    ("Encoder", "first.attention", but(streams=("path",)), "it draws from {'dropout'}"),
    ("Encoder", "first.mlp.grow", but(streams=("dropout",)), "it draws nothing, the map has"),
    ("Tagger", "noisy", but(streams=("dropout",)), "Noisy draws from ['', 'noise']"),
    # views
    ("Encoder", "norm", but(view=()), "views can set ['use_running_average'], the map has []"),
    ("Encoder", "patches", but(view=("deterministic",)), "views can set [], the map has ["),
    ("Encoder", "first.mlp.drop", but(view=("train",)), "view_info of Dropout"),
    ("Tagger", "noisy", but(view=()), "view_info of Noisy"),
    ("Tagger", "noisy", but(view=("training",)), "views can set ['deterministic'], the map"),
]


@pytest.mark.parametrize(
    ("name", "path", "change", "said"), ALTERED, ids=[f"{a}.{b}-{d}" for a, b, _, d in ALTERED]
)
def test_what_is_wrong_is_found(
    written: Callable[[str], Real], name: str, path: str, change: Change, said: str
) -> None:
    real = written(name)
    wrong = real.compared(changed(real.tree, path, change)).wrong
    assert any(said in problem for problem in wrong), wrong


# What the map says it does not know, and what it leaves out, is no error, but it is seen.
OPEN: list[tuple[str, str, Change, str]] = [
    ("Encoder", "patches", but(of="", module="", kind="unknown", defined=None), "patches.project"),
    ("Encoder", "first", but(kind="unknown"), "first: kind unknown"),
    ("Encoder", "norm", but(calls=()), "BatchNorm is called, which is not in the map"),
    ("Encoder", "norm", flag(default=""), "norm: use_running_average by default"),
    ("Encoder", "norm", told(how="unknown"), "use_running_average unknown"),
    ("Tagger", "noisy", flag(default=""), "noisy: deterministic by default"),
]


@pytest.mark.parametrize(("name", "path", "change", "said"), OPEN, ids=[d for *_, d in OPEN])
def test_what_is_open_is_seen(
    written: Callable[[str], Real], name: str, path: str, change: Change, said: str
) -> None:
    real = written(name)
    result = real.compared(changed(real.tree, path, change))
    assert result.wrong == []
    assert any(said in each for each in (*result.unknown, *result.vague))


# -- models of public packages -------------------------------------------------------------------

# One of each: a vision transformer, a diffusion model, a recurrent model.
PUBLIC = [("SwinUnet", 101, 222), ("DiffusionTransformer", 34, 51), ("Mamba2Forecaster", 22, 36)]


def absent(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI has to compare", pytrace=False)
    pytest.skip(reason)


@pytest.mark.parametrize(("name", "modules", "calls"), PUBLIC)
def test_public(name: str, modules: int, calls: int) -> None:
    (model,) = (model for model in ecosystem_map.MODELS if model.name == name)
    try:
        ecosystem_map.imported(model)
    except subprocess.CalledProcessError:
        absent(f"{model.package} cannot be downloaded")
    except ImportError as error:
        absent(f"{model.package}: {error}")
    result = ecosystem_map.compared(model)
    assert (result.wrong, result.unknown, result.vague) == ([], [], [])
    (built, _), *_ = result.met.values()
    assert every(built) == result.met.keys()
    assert (len(result.right), result.followed) == (modules, calls)
