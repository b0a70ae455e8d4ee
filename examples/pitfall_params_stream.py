"""NNX102: noise from the `params` stream, which a new dropout seed does not change."""

import jax
from flax import nnx


class ParamsNoise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs

    def __call__(self, x, train: bool):
        if train:
            return x + 0.1 * jax.random.normal(self.rngs.params(), x.shape)
        return x
