"""NNX201: the block is never told the mode, so evaluation drops units too."""

from flax import nnx


class Block(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.linear = nnx.Linear(4, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x, train: bool = True):
        return self.dropout(self.linear(x), deterministic=not train)


class ForgetfulNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.blocks = nnx.List([Block(rngs) for _ in range(2)])

    def __call__(self, x, train: bool):
        for block in self.blocks:
            x = block(x)
        return x
