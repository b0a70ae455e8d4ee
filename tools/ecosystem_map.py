"""Maps models of the public packages, builds the same models, and compares.

Run from the project's root, with an interpreter that has the project and what the packages need::

    python tools/ecosystem_map.py            # all of them
    python tools/ecosystem_map.py Swin DiT   # those whose name has one of the words in it

Each model is called in training and in evaluation. Exit status: 0 if no map is wrong and each model
could be built and called, or 1.
"""

import argparse
import importlib
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import flax.nnx.module
import jax
import jax.numpy as jnp
from flax import nnx

import ecosystem
import runtime
from flake8_nnx_mode.engine import FolderSettings
from flake8_nnx_mode.lint import Linter
from flake8_nnx_mode.maps import trees

Family = Literal["vision transformer", "diffusion", "recurrent", "transformer", "other"]
STREAMS = ("params", "dropout", "noise", "sample", "default")
"""All streams that a model of the table asks for by name."""
MOVED = {"flax.nnx.nnx": nnx, "flax.nnx.nnx.module": flax.nnx.module}
"""Where Flax had its modules when jimmy-vision was written."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a package."""

    family: Family
    package: str
    """With its version, as in ``tools/ecosystem.txt``."""
    module: str
    name: str
    arguments: str
    """What it is built with. What its module has is there, and ``nnx``, ``jnp``, ``rngs``."""
    call: str
    """The arguments of its call. The same is there, and ``train``, ``x``, ``ids`` and ``mask``,
    which give arrays of the shape that they get; empty if it cannot be called."""
    method: str = "__call__"

    def __str__(self) -> str:
        return f"{self.package} {self.name}"


_ARTIFEX = "avitai-artifex==0.1.15"
_BACKBONES = "artifex.generative_models.models.backbones"
_MODELS = "artifex.generative_models.models"
_UNET = (
    "UNetBackboneConfig(name='u', hidden_dims=(8, 16), activation='silu', in_channels=3,"
    " out_channels=3, time_embedding_dim=16)"
)
_TUNIX = "google-tunix==0.1.7"
_HEAL = "heal-swin-nnx==0.2.0"
_ONNX = "jax2onnx==0.17.1"
_EXAMPLES = "jax2onnx.plugins.examples.nnx"
_GENERATOR = (
    "GeneratorConfig(name='g', hidden_dims=(8, 8), activation='relu', dropout_rate=0.5,"
    " latent_dim=8, output_shape=(8, 8, 3))"
)
_DISCRIMINATOR = (
    "DiscriminatorConfig(name='d', hidden_dims=(8, 8), activation='relu', dropout_rate=0.5,"
    " input_shape=(8, 8, 3))"
)

MODELS = (
    Model(
        "vision transformer",
        _HEAL,
        "heal_swin_nnx.models.swin",
        "SwinUnet",
        "SwinParams(32, 3, 2, embed_dim=8, depths=(2, 2), num_heads=(2, 2), drop_rate=0.1,"
        " attn_drop_rate=0.1), rngs=rngs",
        "x(2, 32, 32, 3)",
    ),
    Model(
        "vision transformer",
        _HEAL,
        "heal_swin_nnx.models.healswin",
        "HealSwin",
        "HealSwinParams(8, 3, 2, embed_dim=8, depths=(2, 2), num_heads=(2, 2), drop_rate=0.1,"
        " attn_drop_rate=0.1), rngs=rngs",
        "x(1, 768, 3)",
    ),
    Model(
        "vision transformer",
        "jimmy-vision==0.0.7",
        "jimmy.models.vit",
        "DinoV2",
        "img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, drop_path_rate=0.1,"
        " rngs=rngs",
        "x(2, 32, 32, 3)",
    ),
    Model(
        "vision transformer",
        "canvit-nnx==0.2.0",
        "canvit_nnx.model.backbone",
        "ViTBackbone",
        "spec=ViTSpec(16, 2, 2), rngs=rngs",
        "",
    ),
    Model(
        "vision transformer",
        _TUNIX,
        "tunix.models.gemma3.vision",
        "SigLiP",
        "SigLIPConfig(num_mm_tokens_per_image_prepool=16, num_mm_tokens_per_image=4,"
        " image_height=16, image_width=16, patch_size=(4, 4), width=48, depth=2, mlp_dim=16,"
        " num_heads=4, dropout=0.1), rngs=rngs",
        "x(1, 1, 16, 16, 3)",
    ),
    Model(
        "vision transformer",
        _ONNX,
        f"{_EXAMPLES}.vit",
        "VisionTransformer",
        "28, 28, 16, 2, 2, 16, 10, embed_dims=[4, 8, 16], rngs=rngs",
        "x(2, 28, 28, 1), deterministic=not train",
    ),
    Model(
        "diffusion",
        _ARTIFEX,
        f"{_BACKBONES}.dit",
        "DiffusionTransformer",
        "img_size=8, patch_size=2, in_channels=3, hidden_size=32, depth=2, num_heads=4,"
        " num_classes=10, dropout_rate=0.1, rngs=rngs",
        "x(2, 8, 8, 3), x(2), y=ids(2), deterministic=not train",
    ),
    Model(
        "diffusion",
        _ARTIFEX,
        f"{_BACKBONES}.unet",
        "UNet",
        f"{_UNET}, rngs=rngs",
        "x(2, 16, 16, 3), x(2)",
    ),
    Model(
        "diffusion",
        _ARTIFEX,
        f"{_BACKBONES}.unet_1d",
        "UNet1D",
        "UNet1DBackboneConfig(name='u', hidden_dims=(8, 8), activation='gelu', dropout_rate=0.1),"
        " rngs=rngs",
        "x(2, 16), x(2), deterministic=not train",
    ),
    Model(
        "diffusion",
        _ARTIFEX,
        f"{_BACKBONES}.unet_cross_attention",
        "UNet2DCondition",
        "in_channels=3, out_channels=3, hidden_dims=[8, 16], num_res_blocks=1,"
        " attention_levels=[1], cross_attention_dim=8, num_heads=2, rngs=rngs",
        "x(2, 16, 16, 3), x(2), conditioning=x(2, 4, 8)",
    ),
    Model(
        "recurrent",
        "nnx-ppo==0.3.0",
        "nnx_ppo.networks.recurrent",
        "LSTM",
        "4, 8, rngs=rngs",
        "(x(2, 8), x(2, 8)), x(2, 4)",
    ),
    Model(
        "recurrent",
        "mamba2-jax==1.1.2",
        "mamba2_jax.modeling",
        "Mamba2ForCausalLM",
        "Mamba2Config.tiny(), rngs=rngs",
        "ids(2, 32)",
    ),
    Model(
        "recurrent",
        "mamba2-jax==1.1.2",
        "mamba2_jax.modeling",
        "Mamba2Forecaster",
        "3, d_model=16, n_layers=2, d_state=8, headdim=8, chunk_size=8, rngs=rngs",
        "x(2, 16, 3)",
    ),
    Model(
        "recurrent",
        _ONNX,
        f"{_EXAMPLES}.gru_cell",
        "GRUCellWrapper",
        "rngs=rngs",
        "x(2, 4), x(2, 3)",
    ),
    Model(
        "transformer",
        _ONNX,
        f"{_EXAMPLES}.gpt",
        "GPT",
        "16, 2, 2, 8, 16, 0.1, rngs=rngs",
        "ids(2, 16), deterministic=not train",
    ),
    Model(
        "transformer",
        _ONNX,
        f"{_EXAMPLES}.transformer_decoder_with_sequential",
        "TransformerDecoder",
        "2, 8, 2, 16, rngs=rngs, attention_dropout=0.1, encoder_attention_dropout=0.1",
        "x(2, 6, 8), x(2, 6, 8), deterministic=not train",
    ),
    Model(
        "transformer",
        _ARTIFEX,
        "artifex.generative_models.core.layers.transformers",
        "TransformerDecoder",
        "2, 8, 2, dropout_rate=0.1, attention_dropout_rate=0.1, rngs=rngs",
        "x(2, 6, 8), x(2, 6, 8), deterministic=not train",
    ),
    Model(
        "transformer",
        _TUNIX,
        "tunix.models.llama3.model",
        "Llama3",
        "ModelConfig(2, 16, 8, 8, 2, 4, 2, 8, 1e-06), rngs=rngs",
        "ids(2, 6), ids(2, 6), {}, mask(2, 6, 6)",
    ),
    Model(
        "transformer",
        _TUNIX,
        "tunix.models.qwen3.model",
        "Qwen3",
        "ModelConfig(2, 16, 8, 8, 2, 4, 2, 8, 1e-06, use_tied_embedding=False, num_experts=2,"
        " num_experts_per_tok=2), rngs=rngs",
        "ids(2, 6), ids(2, 6), {}, mask(2, 6, 6)",
    ),
    Model(
        "other",
        _ARTIFEX,
        f"{_MODELS}.gan.base",
        "GAN",
        f"GANConfig(name='g', generator={_GENERATOR}, discriminator={_DISCRIMINATOR}), rngs=rngs",
        "x(2, 24)",
    ),
    Model(
        "other",
        _ARTIFEX,
        f"{_MODELS}.gan.patchgan",
        "MultiScalePatchGANDiscriminator",
        "MultiScalePatchGANConfig(discriminator=PatchGANDiscriminatorConfig(name='d',"
        " hidden_dims=(8, 8), activation='relu', dropout_rate=0.5, input_shape=(16, 16, 16),"
        " num_layers=2)), rngs=rngs",
        "x(2, 16, 16, 16)",
    ),
    Model(
        "other",
        _ARTIFEX,
        f"{_MODELS}.vae.encoders",
        "ResNetEncoder",
        "EncoderConfig(name='e', hidden_dims=(8, 8), activation='gelu', dropout_rate=0.1,"
        " input_shape=(16, 16, 3), latent_dim=4), rngs=rngs",
        "x(2, 16, 16, 3)",
    ),
    Model(
        "other",
        _ARTIFEX,
        f"{_MODELS}.autoregressive.pixel_cnn",
        "PixelCNN",
        "PixelCNNConfig(name='p', image_shape=(8, 8, 3), num_layers=2, num_residual_blocks=2,"
        " dropout_rate=0.1), rngs=rngs",
        "x(2, 8, 8, 3), rngs=rngs, training=train",
    ),
    Model(
        "other",
        "opifex==0.2.10",
        "opifex.neural.operators.deeponet.enhanced",
        "FourierEnhancedDeepONet",
        "[8, 8], [8, 8], rngs=rngs",
        "x(2, 8), x(2, 6, 8), deterministic=not train",
    ),
    Model(
        "other",
        "opifex==0.2.10",
        "opifex.neural.quantum.neural_xc",
        "NeuralXCFunctional",
        "dropout_rate=0.1, rngs=rngs",
        "x(2, 6), x(2, 6, 3), deterministic=not train",
    ),
    Model(
        "other",
        "diffbio==0.1.9",
        "diffbio.core.gnn_components",
        "GATv2Block",
        "8, 2, 8, 0.1, rngs=rngs",
        "x(6, 8), ids(2, 6), x(6, 8), deterministic=not train",
    ),
    Model(
        "other",
        "bijx==1.3.2",
        "bijx.nn.nets",
        "ResNet",
        "8, 8, dropout=0.1, rngs=rngs",
        "x(2, 8)",
    ),
)


def imported(model: Model) -> ModuleType:
    """The module of a model; of the packages around it, those that need too much are left out."""
    folder = ecosystem.unpacked(model.package)
    inner = folder / model.package.replace("-", "_").replace("==", "-")  # of a source archive
    folder = inner if inner.is_dir() else folder
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    for name, module in MOVED.items():
        sys.modules.setdefault(name, module)
    parts = model.module.split(".")
    for depth in range(1, len(parts)):
        package = ".".join(parts[:depth])
        try:
            importlib.import_module(package)
        except ImportError:
            bare = ModuleType(package)
            bare.__path__ = [str(folder.joinpath(*parts[:depth]))]
            sys.modules[package] = bare
    return importlib.import_module(model.module)


def compared(model: Model) -> runtime.Comparison:
    """Build it, map it, and call it, in training and in evaluation."""
    module = imported(model)
    rngs = nnx.Rngs(**{name: seed for seed, name in enumerate(STREAMS)})
    space = {**vars(module), "nnx": nnx, "jnp": jnp, "rngs": rngs}
    space |= {"x": _numbers, "ids": _numbered, "mask": _mask}
    built = eval(f"{model.name}({model.arguments})", space)
    linter = Linter(FolderSettings({}, "", isolated=True))
    (tree,) = trees(linter, Path(module.__file__ or ""), model.name)
    result = runtime.compared(built, tree)
    if model.call:
        watch = runtime.Watch(built)
        for train in (True, False):
            (built.train if train else built.eval)()
            with watch:
                eval(
                    f"model.{model.method}({model.call})", {**space, "model": built, "train": train}
                )
        runtime.followed(watch, tree, result)
    return result


def _numbers(*shape: int) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), shape)


def _numbered(*shape: int) -> jax.Array:
    return jnp.arange(jnp.zeros(shape).size).reshape(shape) % 4


def _mask(*shape: int) -> jax.Array:
    return jnp.ones(shape, bool)


def main() -> int:
    """Compare them, and say what is not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="parts of names of models; all without any")
    words = parser.parse_args().words
    failed = False
    for model in MODELS:
        if words and not any(word in str(model) for word in words):
            continue
        start = time.monotonic()
        try:
            result = compared(model)
        except Exception:
            failed = True
            print(f"{model}: cannot be built or called\n{traceback.format_exc(limit=-3)}")
            continue
        print(f"{model} ({model.family}): {result}, {time.monotonic() - start:.0f} s", flush=True)
        for title in ("wrong", "unknown", "vague"):
            for problem in getattr(result, title):
                print(f"  {title}: {problem}")
        failed = failed or bool(result.wrong) or (bool(model.call) and not result.followed)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
