"""Making tensors: from data, filled, and at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.dimensions import unpacked
from engine.dtypes import common_dtype, get_default_dtype
from engine.node import plain
from engine.random import generator
from engine.tensor import Tensor, _leaf, numbers


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False, label: str = "") -> Tensor:
    """A tensor of `data`, copied. Integers stay integers (and then get no gradient).

    >>> import engine
    >>> engine.tensor([1, 2]).dtype, engine.tensor([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float64'))
    """
    made = _leaf(numbers(data, dtype), label)
    return made.requires_grad_() if requires_grad else made


def _made(array: Any, dtype: Any, requires_grad: bool) -> Tensor:
    made = _leaf(array.astype(dtype or get_default_dtype(), copy=False))
    return made.requires_grad_() if requires_grad else made


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros; `size` as numbers or as one tuple."""
    return _made(np.zeros(unpacked(size)), dtype, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; `size` as numbers or as one tuple."""
    return _made(np.ones(unpacked(size)), dtype, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; without `dtype` its kind is that of the number.

    >>> import engine
    >>> engine.full((2, 2), 7).tolist(), engine.full((), 0.5).dtype
    ([[7, 7], [7, 7]], dtype('float64'))
    """
    dtype = dtype or common_dtype([plain(fill_value)])
    return _made(np.full(unpacked((size,)), plain(fill_value)), dtype, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`start`, `start + step`, ... below `end`; `arange(n)` starts at 0. Integers of integers."""
    if end is None:
        start, end = 0, start
    dtype = dtype or common_dtype([start, end, step])
    return _made(np.arange(start, end, step), dtype, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    return _made(np.linspace(start, end, steps), dtype, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix of n rows and m columns (n by default)."""
    return _made(np.eye(n, m), dtype, requires_grad)


def rand(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1)."""
    return _made(generator().random(unpacked(size)), dtype, requires_grad)


def randn(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution."""
    return _made(generator().standard_normal(unpacked(size)), dtype, requires_grad)


def randint(*bounds_and_size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Random integers: `randint(high, size)` from 0, `randint(low, high, size)` from low, below
    high.

    >>> import engine
    >>> engine.randint(3, 5, (2, 2)).shape
    (2, 2)
    """
    if len(bounds_and_size) not in (2, 3):
        raise TypeError("randint is given (high, size) or (low, high, size)")
    low, high, size = (0, *bounds_and_size)[-3:]
    made = generator().integers(low, high, size=unpacked((size,)))
    return _made(made, dtype or np.int64, requires_grad)
