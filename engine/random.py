"""The one stream of random numbers that `engine` and `nn` draw from."""

from __future__ import annotations

import random

import numpy as np

# One stream for all random tensors, so that one seed repeats a run.
_generator = np.random.default_rng()


def manual_seed(seed: int) -> None:
    """Start the random numbers of `engine`, `nn` and Python's `random` (which `nn.Neuron` draws
    from) anew, so that a run can be repeated.

    >>> import engine
    >>> engine.manual_seed(0)
    >>> first = engine.randn(3).tolist()
    >>> engine.manual_seed(0)
    >>> first == engine.randn(3).tolist()
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    random.seed(seed)


def generator() -> np.random.Generator:
    """The generator that all random tensors are drawn from."""
    return _generator
