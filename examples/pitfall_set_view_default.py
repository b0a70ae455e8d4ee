"""NNX301: any view that does not name `noisy` switches the noise back on."""

from flax import nnx


class NoisyView(nnx.Module):
    def __init__(self):
        self.noisy = True
        self.dropout = nnx.Dropout(0.5)

    def set_view(self, noisy: bool = True):
        """Switch the noise.

        Args:
          noisy: whether noise is added.
        """
        if noisy is not None:
            self.noisy = noisy
