"""The train flag done right: noise in training, the input itself in evaluation."""

import jax
import jax.numpy as jnp
from flax import nnx


class NoiseLayer(nnx.Module):
    """Adds Gaussian noise of standard deviation 0.1 while training."""

    def __init__(self, rngs: nnx.Rngs):
        self.rngs = rngs

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if train:
            key = self.rngs.dropout()
            return x + 0.1 * jax.random.normal(key, x.shape)
        return x


def train_eval_forward(seed: float, x: jax.Array, train: float) -> jax.Array:
    """One call of a fresh layer; the harness hands seed and flag over as floats."""
    model = NoiseLayer(rngs=nnx.Rngs(int(seed)))
    return model(x, train=bool(train >= 0.5))


if __name__ == "__main__":
    x = jnp.ones(8)
    print("eval: ", train_eval_forward(0.0, x, 0.0))
    print("train:", train_eval_forward(0.0, x, 1.0))
