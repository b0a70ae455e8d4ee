"""NNX308: evaluation without dropout, but with batch statistics, which it overwrites."""

from flax import nnx


class Normed(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.norm(x))


def evaluation_view(model: Normed) -> Normed:
    return nnx.view(model, deterministic=True)
