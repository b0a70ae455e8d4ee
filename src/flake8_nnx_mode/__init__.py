"""Find train/eval-mode and randomness mistakes in Flax NNX code."""

__version__ = "0.1.0"
