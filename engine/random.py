"""The one stream of random numbers that `engine` and `nn` draw from."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def generator() -> np.random.Generator:
    """The generator that all random tensors are drawn from: one, so that one seed repeats a run.

    Made when it is first asked for: numpy.random takes as long to import as all of the engine.
    """
    return np.random.default_rng()


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
    import random

    generator().bit_generator.state = np.random.default_rng(seed).bit_generator.state
    random.seed(seed)
