"""The model in the place of one of which nothing is known but that it is called."""

from typing import Any

from flax import nnx


class StandIn(nnx.Module):
    """Dropout, batch norm and a linear layer; takes any features and any keywords."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.linear = nnx.Linear(1, 1, rngs=rngs)
        self.norm = nnx.BatchNorm(1, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The input, transformed value by value; shape (...), and the same shape is returned."""
        y = self.linear(x.reshape(-1, 1))
        z = self.dropout(self.norm(y))  # noqa: NNX212 - as most models are written
        return z.reshape(x.shape)
