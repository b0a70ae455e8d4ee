"""The examples: the good ones run and lint clean, each pitfall is what it says it is."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from conftest import EXAMPLES, lint
from flake8_nnx_mode.selection import Selection

sys.path.insert(0, str(EXAMPLES))
GOOD = sorted(f for f in EXAMPLES.glob("*.py") if not f.stem.startswith("pitfall"))
PITFALLS = sorted(EXAMPLES.glob("pitfall_*.py"))
FLAX = sorted((Path(nnx.__file__).parent).rglob("*.py"))
X = jnp.linspace(-1.0, 1.0, 64).reshape(16, 4)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def same(a: jax.Array, b: jax.Array) -> bool:
    return bool(jnp.array_equal(a, b))


@pytest.mark.parametrize("file", GOOD, ids=lambda f: f.stem)
def test_good_examples_lint_clean(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert lint(text, file, selection=Selection()) == []


@pytest.mark.parametrize("file", FLAX, ids=lambda f: f.stem)
def test_flax_lints_clean(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert lint(text, file, selection=Selection()) == []


@pytest.mark.parametrize("file", PITFALLS, ids=lambda f: f.stem)
def test_each_pitfall_is_found(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = re.match(r'"""(NNX\d{3}):', text)
    assert named is not None
    found = lint(text, file, selection=Selection())
    assert [finding.code for finding in found] == [named[1]]


@pytest.mark.parametrize("file", GOOD, ids=lambda f: f.stem)
def test_good_examples_run_as_scripts(file: Path) -> None:
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "eval: " in done.stdout


def test_train_eval_forward() -> None:
    forward = load("noise_layer").train_eval_forward
    x = jnp.arange(8.0)
    assert same(forward(3.0, x, 0.0), x)
    assert not same(forward(3.0, x, 1.0), x)
    assert same(forward(3.0, x, 1.0), forward(3.0, x, 1.0))
    assert not same(forward(3.0, x, 1.0), forward(4.0, x, 1.0))


def test_noise_layer_draws_anew() -> None:
    layer = load("noise_layer").NoiseLayer(nnx.Rngs(0))
    assert not same(layer(X, train=True), layer(X, train=True))


def test_views_switch_everything() -> None:
    views = load("views")
    train, evaluate = views.views(views.Model(4, rngs=nnx.Rngs(params=0, dropout=1)))
    assert not same(train(X), train(X))
    before = evaluate.norm.mean[...]
    assert same(evaluate(X), evaluate(X))
    assert same(before, evaluate.norm.mean[...])
    assert "jitter: bool | None = None\n    whether noise is added." in nnx.view_info(train)


def test_pitfall_frozen_key() -> None:
    layer = load("pitfall_frozen_key").FrozenNoise(nnx.Rngs(0))
    assert same(layer(X, train=True), layer(X, train=True))


def test_pitfall_params_stream() -> None:
    layer = load("pitfall_params_stream").ParamsNoise
    noise = [layer(nnx.Rngs(params=0, dropout=seed))(X, train=True) for seed in (1, 2)]
    assert same(*noise)


def test_pitfall_rngs_not_saved() -> None:
    layer = load("pitfall_rngs_not_saved").UnsavedNoise(nnx.Rngs(0))
    assert layer(X, train=False).shape == X.shape
    with pytest.raises(AttributeError, match="rngs"):
        layer(X, train=True)


def test_pitfall_mode_not_passed() -> None:
    net = load("pitfall_mode_not_passed").ForgetfulNet(nnx.Rngs(0))
    assert not same(net(X, train=False), net(X, train=False))


def test_pitfall_set_view_default() -> None:
    layer = load("pitfall_set_view_default").NoisyView()
    quiet = nnx.view(layer, noisy=False)
    assert quiet.noisy is False
    assert nnx.view(quiet, deterministic=True).noisy is True


def test_pitfall_half_mode() -> None:
    pitfall = load("pitfall_half_mode")
    model = pitfall.Normed(nnx.Rngs(0))
    before = model.norm.mean[...]
    view = pitfall.evaluation_view(model)
    assert same(view(X), view(X))
    assert not same(before, model.norm.mean[...])


def test_pitfall_jit_loses_state() -> None:
    pitfall = load("pitfall_jit_loses_state")
    model = pitfall.Dropped(nnx.Rngs(0))
    assert same(pitfall.forward(model, X), pitfall.forward(model, X))
    forward = nnx.jit(pitfall.forward.__wrapped__)
    assert not same(forward(model, X), forward(model, X))
