"""What is in ``flax.nnx`` and ``jax.random``; a test holds it against the installed ones."""

import re
from dataclasses import dataclass
from typing import Literal

ModeKind = Literal["stochastic", "stateful"]


@dataclass(frozen=True, slots=True)
class BuiltinMode:
    """The mode flag of a layer of ``flax.nnx``, in its constructor and its ``__call__``."""

    flag: str
    kind: ModeKind
    train_value: bool
    position: int | None
    """Index among the positional arguments of ``__call__``, or None if keyword-only."""


MODES: dict[str, BuiltinMode] = {
    "flax.nnx.Dropout": BuiltinMode("deterministic", "stochastic", False, None),
    "flax.nnx.BatchNorm": BuiltinMode("use_running_average", "stateful", False, 1),
    "flax.nnx.MultiHeadAttention": BuiltinMode("deterministic", "stochastic", False, None),
    "flax.nnx.SpectralNorm": BuiltinMode("update_stats", "stateful", True, 1),
}

MODE_SETTERS = frozenset({"train", "eval", "set_attributes"})
"""Methods of modules that set modes in place."""
MODES_SET_BY_EVAL = {"deterministic": True, "use_running_average": True}
"""The attributes that ``eval()`` sets, and their values; ``train()`` sets the opposite."""

VIEW_OPTIONS = frozenset({"only", "raise_if_not_found", "graph"})
"""The keywords of ``nnx.view`` and its kind that are no modes."""

VIEWS: dict[str, frozenset[str]] = {
    "flax.nnx.Dropout": frozenset({"deterministic"}),
    "flax.nnx.BatchNorm": frozenset({"use_running_average"}),
    "flax.nnx.MultiHeadAttention": frozenset(
        {"deterministic", "decode", "batch_size", "max_length"}
    ),
}
"""What ``set_view`` of a layer takes; the others have none."""

_ATTRIBUTES = {
    "flax.nnx.Dropout": ("broadcast_dims deterministic rate rng_collection rngs set_view"),
    "flax.nnx.BatchNorm": (
        "axis axis_index_groups axis_name bias dtype epsilon mean momentum num_features"
        " param_dtype promote_dtype scale set_view use_bias use_fast_variance"
        " use_running_average use_scale var"
    ),
    "flax.nnx.MultiHeadAttention": (
        "attention_fn broadcast_dropout cache_index cached_key cached_value decode"
        " deterministic dropout_rate dtype head_dim in_features in_kv_features init_cache key"
        " key_ln ln_promote_dtype normalize_qk num_heads num_kv_heads out out_dot_general"
        " out_dot_general_cls out_features out_promote_dtype param_dtype precision"
        " qkv_dot_general qkv_dot_general_cls qkv_features qkv_promote_dtype query query_ln"
        " rngs set_view use_bias value"
    ),
    "flax.nnx.SpectralNorm": (
        "batch_stats dtype epsilon error_on_non_matrix layer_instance n_steps param_dtype"
        " use_running_average"
    ),
}
_OTHER_ATTRIBUTES = frozenset(
    (
        "activation_fn append attend axis axis_index_groups axis_name backward_rnn"
        " base_module batch_axis bias bias_shape broadcast_rngs carry_init cell clear"
        " conv_general_dilated count dense_h dense_i dot_general dot_general_cls dtype"
        " einsum_op einsum_str embedding epsilon extend feature_axes feature_axis"
        " feature_group_count features forward_rnn gate_fn get group_size hf hg hi"
        " hidden_features ho if_ ig ii in_features index initialize_carry input_dilation"
        " insert io items keep_order kernel kernel_dilation kernel_shape kernel_size keys"
        " layer_instance layers lora lora_a lora_b lora_param_type mask merge_fn"
        " negative_slope num_embeddings num_feature_axes num_features num_groups out_features"
        " padding param_dtype pop popitem precision preferred_element_type promote_dtype"
        " reduction_axes remove residual return_carry reverse rngs scale scale_init scales"
        " setdefault state_axes strides time_major transpose_kernel unroll update use_bias"
        " use_fast_variance use_scale values variable_filter"
    ).split()
)
MODULE_METHODS = frozenset(
    "eval iter_children iter_modules perturb set_attributes sow train".split()
)
"""What every module has."""

_NORM, _CELL = "x *mask", "carry inputs"
_RNN = "inputs *initial_carry rngs seq_lengths return_carry time_major reverse keep_order"
CALLS: dict[str, str] = {
    "flax.nnx.BatchNorm": "x use_running_average *mask",
    "flax.nnx.Bidirectional": _RNN,
    "flax.nnx.Conv": "inputs out_sharding",
    "flax.nnx.ConvTranspose": "inputs",
    "flax.nnx.Dropout": "inputs *deterministic rngs",
    "flax.nnx.Einsum": "inputs einsum_str out_sharding",
    "flax.nnx.Embed": "inputs out_sharding",
    "flax.nnx.GRUCell": _CELL,
    "flax.nnx.GroupNorm": _NORM,
    "flax.nnx.InstanceNorm": _NORM,
    "flax.nnx.LSTMCell": _CELL,
    "flax.nnx.LayerNorm": _NORM,
    "flax.nnx.Linear": "inputs out_sharding",
    "flax.nnx.LinearGeneral": "inputs out_sharding",
    "flax.nnx.LoRALinear": "x out_sharding",
    "flax.nnx.MultiHeadAttention": (
        "inputs_q inputs_k inputs_v *mask deterministic rngs sow_weights decode is_causal"
        " out_sharding qkv_sharding"
    ),
    "flax.nnx.OptimizedLSTMCell": _CELL,
    "flax.nnx.PReLU": "inputs",
    "flax.nnx.RMSNorm": "x mask",
    "flax.nnx.RNN": _RNN,
    "flax.nnx.SimpleCell": _CELL,
    "flax.nnx.SpectralNorm": "x update_stats",
}
"""The parameters of ``__call__``, keyword-only from ``*`` on, of layers that take no others."""

WRAPPERS = frozenset(
    {"flax.nnx.Sequential", "flax.nnx.RNN", "flax.nnx.Bidirectional", "flax.nnx.List"}
    | {"flax.nnx.WeightNorm", "flax.nnx.SpectralNorm", "flax.nnx.Dict", "flax.nnx.LoRA"}
)
"""Layers that are made of others, which may be older than they are."""

RATES: dict[str, tuple[str, int | None]] = {
    "flax.nnx.Dropout": ("rate", 0),
    "flax.nnx.MultiHeadAttention": ("dropout_rate", None),
}
"""Constructor argument, and its position, that is 0 when the layer drops nothing."""

MODULE = "flax.nnx.Module"

LAYERS = frozenset(
    f"flax.nnx.{name}"
    for name in (
        "BatchNorm Bidirectional Conv ConvTranspose Dict Dropout Einsum Embed GRUCell GroupNorm"
        " InstanceNorm LSTMCell LayerNorm Linear LinearGeneral List LoRA LoRALinear"
        " MultiHeadAttention OptimizedLSTMCell PReLU RMSNorm RNN RNNCellBase Sequential SimpleCell"
        " SpectralNorm WeightNorm"
    ).split()
)

VARIABLES = frozenset(
    f"flax.nnx.{name}"
    for name in (
        "BatchStat Cache Intermediate LoRAParam OptArray OptState OptVariable Param Perturbation"
        " RngCount RngKey RngState Variable"
    ).split()
)

OTHERS = frozenset({"flax.nnx.Rngs", "flax.nnx.RngStream", "flax.nnx.Pytree", "flax.nnx.Object"})
"""Other classes of ``flax.nnx`` that facts ask for by name."""

KEY_MAKERS = frozenset({"jax.random.key", "jax.random.PRNGKey"})
KEY_DERIVERS = frozenset({"split", "fold_in", "clone", "wrap_key_data", "key_data"})
"""The functions of ``jax.random`` that make a key of a key; they do not consume it."""

SAMPLERS = frozenset(
    "ball bernoulli beta binomial bits categorical cauchy chisquare choice dirichlet"
    " double_sided_maxwell exponential f gamma generalized_normal geometric gumbel laplace"
    " loggamma logistic lognormal maxwell multinomial multivariate_normal normal orthogonal pareto"
    " permutation poisson rademacher randint rayleigh t triangular"
    " truncated_normal uniform wald weibull_min".split()
)
"""The functions of ``jax.random`` that draw numbers from a key."""

INITIALIZER_METHODS = frozenset(
    "delta_orthogonal glorot_normal glorot_uniform he_normal he_uniform kaiming_normal"
    " kaiming_uniform lecun_normal lecun_uniform variance_scaling xavier_normal"
    " xavier_uniform".split()
)
SAMPLING_METHODS = SAMPLERS | INITIALIZER_METHODS
"""Methods of ``nnx.Rngs`` and of its streams that draw a key and consume it at once."""

RNGS_METHODS = SAMPLING_METHODS | {"broadcast", "fork", "items", "split"}
"""All public methods of ``nnx.Rngs`` and of its streams: not names of streams."""

DROPOUT_STREAMS = frozenset({"dropout", "drop_path", "droppath", "stochastic_depth"})
"""Streams of noise that belongs to training only."""

KEY_KEYWORDS = frozenset({"rngs", "rng", "key", "dropout_rng", "prng_key"})
"""Keywords by which calls take a key."""


JITS = ("flax.nnx.jit", "jax.jit")
"""What compiles a function; its mode flags have to be static."""

GRADIENTS = tuple(
    f"{package}.{name}" for package in ("jax", "flax.nnx") for name in ("grad", "value_and_grad")
)
"""What makes a function's gradient."""

_KEY_PARAMETER = re.compile(r"(?:^|_)(?:key|rng|prng)$")
_KEY_NAME = re.compile(r"key|rng|seed")
_MODE_NAME = re.compile(r"train|infer|eval|determ|mode|test")
_RATE_NAME = re.compile(r"rate|prob|(?:^|_)p$|dropout|drop_path|droppath|noise|std|sigma|scale")


def attributes(layer: str) -> frozenset[str]:
    """The public names that a layer of ``flax.nnx`` has; if it has no mode, of all such layers."""
    own = _ATTRIBUTES.get(layer)
    return _OTHER_ATTRIBUTES if own is None else frozenset(own.split())


def is_about_mode(name: str) -> bool:
    """Whether a parameter or attribute may hold the mode, by its name."""
    return _MODE_NAME.search(name) is not None


def is_key_name(name: str) -> bool:
    """Whether a parameter is called as one that takes a key."""
    return _KEY_PARAMETER.search(name) is not None


def names_key(name: str) -> bool:
    """Whether a variable or attribute may hold a key, a seed or an ``nnx.Rngs``, by its name."""
    return _KEY_NAME.search(name) is not None


def is_rate(name: str) -> bool:
    """Whether an attribute is how much is dropped, by its name, not whether."""
    return _RATE_NAME.search(name) is not None and not is_about_mode(name)


def canonical(name: str) -> str:
    """The public name of something in ``flax.nnx``, whichever private path it was imported by."""
    name = name.replace("flax.experimental.nnx", "flax.nnx")
    if name.startswith("flax.nnx."):
        public = "flax.nnx." + name.rpartition(".")[2]
        if public == MODULE or public in LAYERS | VARIABLES | OTHERS:
            return public
    return name
