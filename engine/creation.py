"""Making tensors: from data, filled, and at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arraylike import numbers
from engine.dimensions import Dims, unpacked
from engine.dtypes import common_dtype, get_default_dtype
from engine.node import plain
from engine.random import generator
from engine.tensor import Tensor, _leaf


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


def _drawn(numbers: Any, dtype: Any, requires_grad: bool) -> Tensor:
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"random numbers of dtype {np.dtype(dtype)} are made by randint")
    return _made(numbers, dtype, requires_grad)


def _shape(sizes: tuple[Any, ...], size: Any) -> Dims:
    return unpacked(sizes if size is None else (*sizes, size))


def zeros(*sizes: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)`, `zeros((2, 3))` or `zeros(size=(2, 3))`."""
    return _made(np.zeros(_shape(sizes, size)), dtype, requires_grad)


def ones(*sizes: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones; the shape is given as to `zeros`."""
    return _made(np.ones(_shape(sizes, size)), dtype, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one number; without `dtype` its kind is that of the number.

    >>> import engine
    >>> engine.full((2, 2), 7).tolist(), engine.full((), 0.5).dtype
    ([[7, 7], [7, 7]], dtype('float64'))
    """
    dtype = dtype or common_dtype([plain(fill_value)])
    return _made(np.full(unpacked((size,)), plain(fill_value)), dtype, requires_grad)


def zeros_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in the shape and the dtype of `input`."""
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones, in the shape and the dtype of `input`."""
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere, in the shape and the dtype of `input`.

    >>> import engine
    >>> engine.full_like(engine.tensor([1, 2]), 7).tolist()
    [7, 7]
    """
    return full(input.shape, fill_value, dtype=dtype or input.dtype, requires_grad=requires_grad)


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
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
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


def rand(*sizes: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1); the shape is given as to `zeros`."""
    return _drawn(generator().random(_shape(sizes, size)), dtype, requires_grad)


def randn(*sizes: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution; the shape is given as to `zeros`."""
    return _drawn(generator().standard_normal(_shape(sizes, size)), dtype, requires_grad)


def rand_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform random numbers in [0, 1), in the shape and the dtype of `input`."""
    return rand(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(input: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Random numbers of the standard normal distribution, in the shape and the dtype of `input`."""
    return randn(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def randperm(n: int, *, dtype: Any = None) -> Tensor:
    """The integers from 0 to n − 1 in random order.

    >>> import engine
    >>> sorted(engine.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    return _made(generator().permutation(n), dtype or np.int64, requires_grad=False)


def randint(
    low: int = 0,
    high: Any = None,
    size: Any = None,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Random integers: `randint(high, size)` from 0, `randint(low, high, size)` from low, below
    high.

    >>> import engine
    >>> engine.randint(3, 5, (2, 2)).shape
    (2, 2)
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError("randint is given (high, size) or (low, high, size)")
    if low >= high:
        raise ValueError(f"randint: there is no integer from {low} to below {high}")
    made = generator().integers(low, high, size=unpacked((size,)))
    return _made(made, dtype or np.int64, requires_grad)
