"""NNX401: the stream of the dropout advances in a copy, so each call drops the same units."""

import jax
from flax import nnx


class Dropped(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, *, train: bool):
        return self.dropout(x, deterministic=not train)


@jax.jit
def forward(model: Dropped, x):
    return model(x, train=True)
