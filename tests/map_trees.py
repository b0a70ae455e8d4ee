"""Trees of models, made by hand, for the tests of their reports."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from flake8_nnx_mode.facts.tree import (
    How,
    Layer,
    LayerCall,
    LayerFinding,
    ModeFlag,
    Place,
    Told,
)
from flake8_nnx_mode.model import Position

MODEL = Path.cwd() / "vit.py"


def at(line: int, column: int = 0, path: Path = MODEL) -> Place:
    return Place(path, Position(line, column))


def flag(
    name: str,
    means: Literal["train", "eval"] = "eval",
    by: Literal["call", "attribute"] = "call",
    default: str = "",
    used: bool | None = True,
) -> ModeFlag:
    return ModeFlag(name, means, by, default, used)


def called(line: int, *told: Told, method: str = "__call__") -> LayerCall:
    return LayerCall(method, "__call__", at(line, 12), Position(line, 40), told)


def told(name: str, how: How, text: str = "", *sources: str) -> Told:
    return Told(name, how, text, sources)


TRAIN = flag("train", "train", default="False")
DETERMINISTIC = (
    flag("deterministic", default="None"),
    flag("deterministic", by="attribute", default="False"),
)
AVERAGE = (
    flag("use_running_average", default="None"),
    flag("use_running_average", by="attribute", default="False"),
)


def of_flax(name: str, of: str, line: int) -> Layer:
    return Layer(name, of, "flax.nnx", "plain", built=at(line, 8), calls=(called(line + 20),))


def dropout(name: str, line: int, how: How, text: str, *sources: str) -> Layer:
    return replace(
        of_flax(name, "Dropout", line),
        kind="stochastic",
        flags=DETERMINISTIC,
        calls=(called(line + 20, told("deterministic", how, text, *sources)),),
        streams=("dropout",),
        view=("deterministic",),
    )


NOT_PASSED = LayerFinding(
    "NNX201",
    "`self.attn` is not told the mode that this code has: it behaves the same in training and"
    " evaluation; add `deterministic=not train`",
    at(41, 16),
)
INVERTED = LayerFinding(
    "NNX204",
    "`deterministic` of `self.drop2` is given the opposite of what it means: it drops units in"
    " evaluation and not in training; write `deterministic=not train`",
    at(47, 31),
)
FIXED = LayerFinding(
    "NNX206",
    "the mode of `self.stem_norm` is fixed here, whatever the mode of this method; write"
    " `use_running_average=not train`",
    at(83, 40),
)

ATTENTION = Layer(
    "attn",
    "MultiHeadAttention",
    "flax.nnx",
    "stochastic",
    built=at(24, 20),
    flags=DETERMINISTIC,
    calls=(called(41, told("deterministic", "dropped")),),
    streams=("dropout",),
    view=("deterministic", "decode", "batch_size", "max_length"),
    findings=(NOT_PASSED,),
)
BLOCK = Layer(
    "blocks[*]",
    "Block",
    "vit",
    "plain",
    defined=at(18),
    built=at(66, 25),
    flags=(flag("train", "train"),),
    calls=(called(90, told("train", "forwarded", "train", "train")),),
    view=("deterministic",),
    children=(
        of_flax("norm1", "LayerNorm", 23),
        ATTENTION,
        dropout("drop1", 25, "forwarded", "not train", "train"),
        of_flax("norm2", "LayerNorm", 26),
        Layer(
            "mlp",
            "Mlp",
            "vit.layers",
            "plain",
            defined=at(7, path=MODEL.parent / "layers.py"),
            built=at(27, 19),
            flags=(flag("deterministic"),),
            calls=(called(46, told("deterministic", "forwarded", "not train", "train")),),
            view=("deterministic",),
            children=(
                of_flax("up", "Linear", 9),
                dropout("dropout", 10, "forwarded", "deterministic", "deterministic"),
                of_flax("down", "Linear", 11),
            ),
        ),
        replace(
            dropout("drop2", 28, "inverted", "train", "train"),
            findings=(INVERTED,),
            calls=(called(47, told("deterministic", "inverted", "train", "train")),),
        ),
    ),
)
TRANSFORMER = Layer(
    "VisionTransformer",
    "VisionTransformer",
    "vit",
    "plain",
    defined=at(52),
    flags=(TRAIN, flag("inference", "eval", default="False", used=False)),
    view=("deterministic", "use_running_average"),
    children=(
        of_flax("patches", "Conv", 60),
        Layer(
            "stem_norm",
            "BatchNorm",
            "flax.nnx",
            "stateful",
            built=at(61, 25),
            flags=AVERAGE,
            calls=(called(83, told("use_running_average", "fixed", "False")),),
            view=("use_running_average",),
            findings=(FIXED,),
        ),
        dropout("position_dropout", 62, "forwarded", "not train", "train"),
        BLOCK,
        Layer(
            "adapter",
            "",
            "",
            "unknown",
            built=at(68, 23),
            maybe=True,
            calls=(called(92, told("mode", "unknown", "pick(train)", "train")),),
            view=None,
            note="`make_adapter` is not in the project, so nothing is known of what it gives.",
        ),
        of_flax("norm", "LayerNorm", 69),
        of_flax("head", "Linear", 70),
    ),
)
"""A vision transformer in which several things go wrong."""

HOSTILE = "</script><b>\"'&amp;<!--\udc80\u202e\x1b[31m"


def hostile() -> Layer:
    """Every text in it is hostile."""
    place = at(1, path=Path.cwd() / HOSTILE)
    return Layer(
        HOSTILE,
        HOSTILE,
        HOSTILE,
        "unknown",
        defined=place,
        built=place,
        flags=(flag(HOSTILE, default=HOSTILE),),
        calls=(
            LayerCall(
                HOSTILE,
                HOSTILE,
                place,
                place.start,
                (Told(HOSTILE, "forwarded", HOSTILE, (HOSTILE,)),),
            ),
        ),
        streams=(HOSTILE,),
        view=(HOSTILE,),
        note=HOSTILE,
        findings=(LayerFinding("NNX201", HOSTILE, place),),
        children=(Layer(HOSTILE, HOSTILE, "", "plain"),),
    )


def large(layers: int) -> Layer:
    """A model of that many: stages of blocks of three, in which now and then something is wrong."""
    blocks = []
    for number in range((layers - 1) // 4):
        block = Layer(
            f"block{number}",
            "Block",
            "net",
            "plain",
            defined=at(18),
            built=at(100 + number, 8),
            flags=(flag("train", "train"),),
            calls=(called(3000 + number, told("train", "forwarded", "train", "train")),),
            view=("deterministic", "use_running_average"),
            children=(
                of_flax("conv", "Conv", 20),
                replace(BATCH_NORM, findings=() if number % 50 else (FIXED,)),
                dropout("dropout", 22, "forwarded", "not train", "train"),
            ),
        )
        blocks.append(block)
    return Layer("Net", "Net", "net", "plain", at(52), flags=(TRAIN,), children=tuple(blocks))


BATCH_NORM = replace(
    TRANSFORMER.children[1],
    name="norm",
    calls=(called(83, told("use_running_average", "forwarded", "not train", "train")),),
    findings=(),
)


def deep(levels: int) -> Layer:
    """A model that many levels deep."""
    layer = of_flax("linear", "Linear", 1)
    for number in range(levels - 1):
        layer = Layer(f"level{number}", "Level", "net", "plain", children=(layer,))
    return layer
