"""NNX103: nothing saves `rngs`, so training fails and evaluation works."""

import jax
from flax import nnx


class UnsavedNoise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)

    def __call__(self, x, train: bool):
        x = self.linear(x)
        if train:
            return x + 0.1 * jax.random.normal(self.rngs.dropout(), x.shape)
        return x
