"""NNX101: the key is drawn once, so every call adds the same noise."""

import jax
from flax import nnx


class FrozenNoise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.key = rngs.dropout()

    def __call__(self, x, train: bool):
        if train:
            return x + 0.1 * jax.random.normal(self.key, x.shape)
        return x
