"""What a name says of a value: ``num_heads`` is 2, ``dropout`` 0.5, ``images`` have four axes.

The numbers are one family: 8 features divide into 2 heads of 4, an image of 16 into 16 patches of
4, and 16 is also the length of a sequence. What fits the one, fits the other.
"""

import re
from collections.abc import Mapping

Roles = Mapping[str, int]

SIZES: Roles = {
    "features": 8,
    "heads": 2,
    "head": 4,
    "kernel": 3,
    "one": 1,
    "zero": 0,
    "patch": 4,
    "window": 4,
    "image": 16,
    "sequence": 16,
    "vocab": 16,
    "batch": 2,
    "depth": 2,
    "two": 2,
    "wide": 16,
    "axis": -1,
}
"""The family: what a role is, in numbers."""

_INTEGERS = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"seed|start|offset|shift|index|idx|pad_id|_id$|padding_idx|^layer_?i?d?x?$", "zero"),
        (r"head_(dim|size|width|features|channels)|(dim|d|size)_(per_)?head|^d_?[kqv]$", "head"),
        (r"per_head|^hd$", "head"),
        (r"heads?$|^n_?heads?|_heads?_|^heads?_|^h$", "heads"),
        (r"feature_group|dilation|stride|verbos|scale_by|grid_size_min", "one"),
        (r"groups?$", "heads"),
        (r"kernel|^ks?$|filter_size|conv_size|d_conv|conv_width|conv_dim$", "kernel"),
        (r"padding|^pad$", "one"),
        (r"patch(_size|es_size|_height|_width)?$|^p$", "patch"),
        (r"window", "window"),
        (
            r"vocab|num_(embeddings|tokens?|codes|categories)|n_(tokens?|codes)|codebook_size",
            "vocab",
        ),
        (r"im(a)?g(e)?_?(size|dim|height|width|shape)?$|resolution|input_(size|shape)", "image"),
        (r"^(height|h|w|size|img_h|img_w|spatial.*|nside)$", "image"),
        (r"intermediate|mlp_dim|ffn?_dim|d_ff|feed_?forward|hidden_mult", "wide"),
        (
            r"(^|_)(num|n)_(layers?|blocks?|levels?|stages?|scales?|resnets?|repeats?|res_.*)",
            "depth",
        ),
        (
            r"layers?$|depths?$|blocks?$|levels?$|stages?$|repeats?$|iter(ation)?s?$|num_res",
            "depth",
        ),
        (r"num_(flows|couplings|modules|encoders|decoders|mixtures|components)", "depth"),
        (r"(^|_)(order|degree|rank|top_?k|k|r|factor|mult|multiplier|ratio|expansion)$", "two"),
        (r"experts?|ndim|^n_dims?$|num_dims|spatial_dims|num_spatial|capacity_factor", "two"),
        (r"max_?(seq|len|pos|time|token|source|target|ctx|size)", "sequence"),
        (
            r"seq|length|(^|_)len|context|block_size|positions?$|patches|time_?steps?|horizon",
            "sequence",
        ),
        (r"num_(latents|queries|slots|points|nodes|samples|frames|genes|cells)", "sequence"),
        (r"(^|_)(steps?|epochs?)$|chunk|interval|every|frequency$", "two"),
        (r"batch|^bs?$", "batch"),
        (r"axis|axes$", "axis"),
    )
)

_FLOATS = tuple(
    (re.compile(pattern), value)
    for pattern, value in (
        (r"learning_rate|^lr$|step_size|weight_decay|damping|_lr$", 0.1),
        (r"sampl(e|ing)_rate|^sr$", 16.0),
        (r"eps", 1e-6),
        (r"^(k|keep)_?prob|momentum|decay|ema|discount|^gamma$|^lam(bda)?_?$", 0.9),
        (r"drop|(^|_)rate$|^p$|prob|pdrop|fraction|noise", 0.5),
        (r"ratio|factor|mult|expansion", 2.0),
        (r"theta|base$|max_(period|freq|wavelength)|timescale", 10000.0),
        (r"min$|^low|^start|_lower", 0.0),
    )
)

_DROPOUT = re.compile(
    r"drop(out|path|connect)?($|_)|_drop|^drop|stochastic_depth|pdrop|^noise_?(rate|std|level)?$"
)
_NOT_A_RATE = re.compile(
    r"last|remainder|layer$|cls|class|label|fn$|type|shape|dims|rng|key|seed|connect_key"
)

_IMAGES = re.compile(r"(^|_)(imgs?|images?|pixels?|pictures?|frames|photos?|pixel_values)($|_)")
_TOKENS = re.compile(
    r"(^|_)(ids?|idx|tokens?|labels?|targets?_ids|indices|index|positions?|classes|segment|input_tokens|"
    r"text|words|actions?_ids|edge_index|senders|receivers)($|_)"
)
_MASKS = re.compile(r"(^|_)(masks?|mask|valid|done|dones|padding_mask|is_pad)($|_)")
_TIMES = re.compile(r"^(t|ts|times?|time_?steps?|sigma|sigmas|step|noise_level|lambda_t)$")
_LABELS = re.compile(r"^(y|labels?|class_labels?|class_ids?|classes|label_ids)$")
_KEYS = re.compile(r"^(prng_?)?(rng|key|prng|seed)(_?key)?s?$|(_rng|_key|_prng)$|^(rng|key)_")

_DIMENSIONS = tuple(
    (re.compile(pattern), role)
    for pattern, role in (
        (r"^(b|bs|bsz|n|batch.*|num_samples|b_|nb)$", "batch"),
        (r"^(h|w|height|width|img_h|img_w|x|y|hh|ww|hp|wp)$", "image"),
        (r"^(h_?dim|d_?head|head_?dim|hd)$", "head"),
        (r"^(n?_?heads?|nh|num_heads|n_heads)$", "heads"),
        (r"^(v|vocab.*)$", "vocab"),
        (
            r"^(t|s|l|seq.*|time.*|len.*|length|m|k|q|p|tokens?|num_tokens|.*length|.*len|n_.*|num_.*)$",
            "sequence",
        ),
    )
)

_THREE_AXES = re.compile(
    r"attention|transformer|seq|lstm|gru|rnn|token|bert|gpt|llama|mamba|ssm|decoder_?layer|encoder_?layer"
    r"|num_heads|n_heads|max_len|swin|vit_?block|mixer|rotary|rope"
)
_FOUR_AXES = re.compile(
    r"conv2?d?(?!1)|cnn|image|img|patch_?embed|unet|resnet|vision|vit|upsample|downsample"
)


def integer(name: str, sizes: Roles) -> int:
    """The number that an integer of this name is given."""
    lowered = name.lower()
    role = next((role for pattern, role in _INTEGERS if pattern.search(lowered)), "features")
    return sizes[role]


def is_depth(name: str) -> bool:
    """Whether the name counts layers: few of them show as much as many."""
    lowered = name.lower()
    return next((role for pattern, role in _INTEGERS if pattern.search(lowered)), "") == "depth"


def number(name: str) -> float:
    """The number that a float of this name is given."""
    lowered = name.lower()
    return next((value for pattern, value in _FLOATS if pattern.search(lowered)), 1.0)


def is_dropout(name: str) -> bool:
    """Whether the name is that of a rate that must be above zero for the mode to show."""
    lowered = name.lower()
    return bool(_DROPOUT.search(lowered)) and not _NOT_A_RATE.search(lowered)


def is_key(name: str) -> bool:
    """Whether the name is that of a random key."""
    return bool(_KEYS.search(name.lower()))


def dimension(name: str, sizes: Roles) -> int:
    """The size of an axis of this name, such as ``seq_len`` or ``H``."""
    lowered = name.lower()
    role = next((role for pattern, role in _DIMENSIONS if pattern.search(lowered)), "features")
    return sizes[role]


def kind_of(name: str) -> str:
    """What an array of this name holds: ``x``, ``ids`` or ``mask``."""
    lowered = name.lower()
    if _MASKS.search(lowered):
        return "mask"
    return "ids" if _TOKENS.search(lowered) or _LABELS.search(lowered) else "x"


def axes_of(name: str, about: str, sizes: Roles) -> tuple[int, ...]:
    """The shape that an array of this name is given first.

    Args:
        name: of the parameter.
        about: what else is known in words: the names of the class and of its parameters.
        sizes: the family of numbers.
    """
    lowered = name.lower()
    batch, sequence, features = sizes["batch"], sizes["sequence"], sizes["features"]
    image = (batch, sizes["image"], sizes["image"], features)
    if _IMAGES.search(lowered):
        return (*image[:3], 3)
    if _TIMES.search(lowered) or _LABELS.search(lowered):
        return (batch,)
    if _MASKS.search(lowered) or _TOKENS.search(lowered):
        return (batch, sequence)
    if _FOUR_AXES.search(about):
        return image
    return (batch, sequence, features) if _THREE_AXES.search(about) else (batch, features)
