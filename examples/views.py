"""A layer that `nnx.view` can switch, in a model with dropout and batch statistics."""

import jax
import jax.numpy as jnp
from flax import nnx


class JitterLayer(nnx.Module):
    """Adds noise of a settable size, when it is switched on."""

    def __init__(self, *, jitter: bool = True, size: float = 0.05, rngs: nnx.Rngs):
        self.jitter = jitter
        self.size = size
        self.rngs = rngs.fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.jitter:
            return x + self.size * jax.random.normal(self.rngs.dropout(), x.shape)
        return x

    def set_view(self, jitter: bool | None = None, size: float | None = None):
        """Switch the noise.

        Args:
          jitter: whether noise is added.
          size: the standard deviation of the noise.
        """
        if jitter is not None:
            self.jitter = jitter
        if size is not None:
            self.size = size


class Model(nnx.Module):
    """Linear, BatchNorm, Dropout and jitter: every layer that has a mode gets it from a view."""

    def __init__(self, features: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(features, features, rngs=rngs)
        self.norm = nnx.BatchNorm(features, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.jitter = JitterLayer(rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.dropout(self.jitter(nnx.relu(self.norm(self.linear(x)))))


def views(model: Model) -> tuple[Model, Model]:
    """The model for training and the model for evaluation; they share their weights."""
    train = nnx.view(model, deterministic=False, use_running_average=False, jitter=True)
    evaluate = nnx.view(model, deterministic=True, use_running_average=True, jitter=False)
    return train, evaluate


if __name__ == "__main__":
    train_model, eval_model = views(Model(4, rngs=nnx.Rngs(params=0, dropout=1)))
    x = jnp.linspace(0.0, 1.0, 32).reshape(8, 4)
    print("train:", train_model(x).mean(), train_model(x).mean())
    print("eval: ", eval_model(x).mean(), eval_model(x).mean())
