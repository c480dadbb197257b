"""Making tensors: from data, filled, and at random."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from engine.tensor import Tensor, _leaf, get_default_dtype, numbers

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


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False, label: str = "") -> Tensor:
    """A tensor of `data`, copied. Integers stay integers (and then get no gradient).

    >>> import engine
    >>> engine.tensor([1, 2]).dtype, engine.tensor([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float64'))
    """
    made = _leaf(numbers(data, dtype), label)
    return made.requires_grad_() if requires_grad else made


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size


def _made(array: Any, dtype: Any, requires_grad: bool) -> Tensor:
    return tensor(
        array.astype(dtype or get_default_dtype(), copy=False), requires_grad=requires_grad
    )


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; `size` as numbers or as one tuple."""
    return _made(np.zeros(_shape(size)), dtype, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; `size` as numbers or as one tuple."""
    return _made(np.ones(_shape(size)), dtype, requires_grad)


def rand(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _made(_generator.random(_shape(size)), dtype, requires_grad)


def randn(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution."""
    return _made(_generator.standard_normal(_shape(size)), dtype, requires_grad)
