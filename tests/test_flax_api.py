"""The table of flax.nnx and jax.random against the installed ones."""

import inspect

import jax
import pytest
from flax import nnx

from flake8_nnx_mode.facts import flax_api


def public(base: type) -> set[str]:
    names = (n for n in dir(nnx) if inspect.isclass(getattr(nnx, n)))
    return {f"flax.nnx.{n}" for n in names if issubclass(getattr(nnx, n), base)}


def test_layers() -> None:
    # Layers of newer versions may be missing from the table: unknown, and so silent.
    assert public(nnx.Module) >= flax_api.LAYERS
    assert public(nnx.Module) - flax_api.LAYERS - {flax_api.MODULE} <= {"flax.nnx.RoPE"}


def test_variables() -> None:
    assert public(nnx.Variable) == flax_api.VARIABLES


def test_other_classes() -> None:
    assert all(inspect.isclass(getattr(nnx, n.rpartition(".")[2])) for n in flax_api.OTHERS)


@pytest.mark.parametrize("name", flax_api.MODES)
def test_mode_flags_of_layers(name: str) -> None:
    mode = flax_api.MODES[name]
    layer = getattr(nnx, name.rpartition(".")[2])
    call = list(inspect.signature(layer.__call__).parameters.values())
    flag = next(p for p in call if p.name == mode.flag)
    assert flag.default is None
    if mode.position is None:
        assert flag.kind is flag.KEYWORD_ONLY
    else:
        assert call.index(flag) == mode.position + 1
        assert flag.kind is flag.POSITIONAL_OR_KEYWORD


def test_no_other_layer_has_a_mode_flag() -> None:
    flags = {mode.flag for mode in flax_api.MODES.values()} | {"train", "training"}
    with_flags = {
        name
        for name in flax_api.LAYERS
        if callable(layer := getattr(nnx, name.rpartition(".")[2]))
        and "__call__" in dir(layer)
        and flags & set(inspect.signature(layer.__call__).parameters)
    }
    assert with_flags == set(flax_api.MODES)


@pytest.mark.parametrize("name", flax_api.CALLS)
def test_what_layers_can_be_called_with(name: str) -> None:
    layer = getattr(nnx, name.rpartition(".")[2])
    call = list(inspect.signature(layer.__call__).parameters.values())[1:]
    positional, _, keyword_only = flax_api.CALLS[name].partition("*")
    assert [p.name for p in call if p.kind is p.POSITIONAL_OR_KEYWORD] == positional.split()
    assert {p.name for p in call if p.kind is p.KEYWORD_ONLY} == set(keyword_only.split())
    assert len(call) == len(positional.split()) + len(keyword_only.split())


def test_other_layers_take_more_than_their_names_say() -> None:
    for name in flax_api.LAYERS - flax_api.CALLS.keys():
        layer = getattr(nnx, name.rpartition(".")[2])
        if layer in (nnx.List, nnx.Dict, nnx.RNNCellBase):
            continue  # not called
        call = inspect.signature(layer.__call__).parameters.values()
        assert any(p.kind is p.VAR_KEYWORD for p in call)


def test_layers_train_unless_told() -> None:
    assert nnx.Dropout(0.5).deterministic is False
    assert nnx.BatchNorm(2, rngs=nnx.Rngs(0)).use_running_average is False


@pytest.mark.parametrize("name", flax_api.RATES)
def test_rates(name: str) -> None:
    keyword, position = flax_api.RATES[name]
    layer = getattr(nnx, name.rpartition(".")[2])
    init = list(inspect.signature(layer.__init__).parameters)[1:]
    assert keyword in init
    if position is not None:
        assert init[position] == keyword


def test_functions_of_jax_random() -> None:
    functions = {n for n in dir(jax.random) if n[0] != "_" and callable(getattr(jax.random, n))}
    classes = {n for n in functions if inspect.isclass(getattr(jax.random, n))}
    makers = {n.rpartition(".")[2] for n in flax_api.KEY_MAKERS}
    known = flax_api.SAMPLERS | flax_api.KEY_DERIVERS | makers
    assert functions - classes == known | {"key_dtype", "key_impl"}


@pytest.mark.parametrize("name", sorted(flax_api.SAMPLERS))
def test_samplers_take_the_key_first(name: str) -> None:
    assert next(iter(inspect.signature(getattr(jax.random, name)).parameters)) == "key"


def test_methods_of_rngs() -> None:
    methods = {n for n in dir(nnx.Rngs) if n[0] != "_"}
    assert methods == flax_api.RNGS_METHODS
    assert {n for n in dir(nnx.RngStream) if n[0] != "_"} - {"tag"} == methods - {"items"}


@pytest.mark.parametrize(
    ("name", "public_name"),
    [
        ("flax.nnx.module.Module", "flax.nnx.Module"),
        ("flax.nnx.nn.stochastic.Dropout", "flax.nnx.Dropout"),
        ("flax.nnx.rnglib.Rngs", "flax.nnx.Rngs"),
        ("flax.experimental.nnx.Linear", "flax.nnx.Linear"),
        ("flax.nnx.nn.initializers.normal", "flax.nnx.nn.initializers.normal"),
        ("flax.linen.Module", "flax.linen.Module"),
    ],
)
def test_canonical(name: str, public_name: str) -> None:
    assert flax_api.canonical(name) == public_name


def built(name: str) -> nnx.Module:
    rngs = nnx.Rngs(0)
    inner = nnx.Linear(4, 4, rngs=rngs)
    cell = nnx.SimpleCell(4, 4, rngs=rngs)
    rnn = nnx.RNN(cell)
    given: dict[str, tuple[object, ...]] = {
        "BatchNorm": (4,),
        "Bidirectional": (rnn, rnn),
        "Conv": (4, 4, (3,)),
        "ConvTranspose": (4, 4, (3,)),
        "Dropout": (0.1,),
        "Einsum": ("ab,bc->ac", (4, 4)),
        "GroupNorm": (4, 2),
        "InstanceNorm": (4,),
        "LayerNorm": (4,),
        "LoRA": (4, 2, 4),
        "MultiHeadAttention": (2, 4),
        "RMSNorm": (4,),
        "RNN": (cell,),
        "SpectralNorm": (inner,),
        "WeightNorm": (inner,),
    }
    layer = getattr(nnx, name)
    if name in ("Dict", "List", "PReLU", "Sequential"):
        return layer([]) if name == "List" else layer()  # type: ignore[no-any-return]
    more = {"lora_rank": 2} if name == "LoRALinear" else {}
    return layer(*given.get(name, (4, 4)), **more, rngs=rngs)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(flax_api.LAYERS - {"flax.nnx.RNNCellBase"}))
def test_attributes_of_layers(name: str) -> None:
    layer = built(name.rpartition(".")[2])
    names = {n for n in {*dir(layer), *vars(layer)} if n[0] != "_"}
    known = flax_api.attributes(name) | flax_api.MODULE_METHODS
    if name in flax_api.MODES:
        assert names == known
    else:
        assert names <= known


def test_every_module_has_these() -> None:
    assert {n for n in dir(nnx.Module) if n[0] != "_"} == flax_api.MODULE_METHODS


@pytest.mark.parametrize("name", sorted(flax_api.LAYERS))
def test_what_views_set(name: str) -> None:
    layer = getattr(nnx, name.rpartition(".")[2])
    taken = set()
    if hasattr(layer, "set_view"):
        taken = set(inspect.signature(layer.set_view).parameters) - {"self"}
    assert taken == flax_api.VIEWS.get(name, frozenset())


@pytest.mark.parametrize("function", [nnx.view, nnx.with_attributes])
def test_options_of_views(function: object) -> None:
    assert callable(function)
    parameters = inspect.signature(function).parameters.values()
    assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} == flax_api.VIEW_OPTIONS


def test_what_eval_sets() -> None:
    for name, layer in (("Dropout", built("Dropout")), ("BatchNorm", built("BatchNorm"))):
        flag = flax_api.MODES[f"flax.nnx.{name}"].flag
        layer.eval()  # type: ignore[no-untyped-call]
        assert getattr(layer, flag) is flax_api.MODES_SET_BY_EVAL[flag]
        layer.train()  # type: ignore[no-untyped-call]
        assert getattr(layer, flag) is not flax_api.MODES_SET_BY_EVAL[flag]
