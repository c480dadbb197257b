"""Reductions: sums, means, products, norms; each vjp beside its forward.

A vjp takes the gradient of the result to that of the input, written against the namespace `m`,
so that the same line works on arrays and, for gradients of gradients, on Tensors. A result is
first given its reduced dimensions back, with length 1, and then broadcasts by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.dimensions import Dims, dimension, dimensions, kept, numpy_names, one_dimension
from engine.extrema import share_among_equals
from engine.node import Node, plain
from engine.rule import Structural

Dim = int | Sequence[int] | None

# --- sums and means -----------------------------------------------------------------------------

_sum = Structural(
    "sum",
    lambda m, x, *, dim, keepdim: m.sum(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: m.broadcast_to(m.reshape(g, kept(x.shape, dim)), x.shape),
)
_mean = Structural(
    "mean",
    lambda m, x, *, dim, keepdim: m.mean(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: m.broadcast_to(
        m.reshape(g, kept(x.shape, dim)) / _count(x, dim), x.shape
    ),
)
_cumsum = Structural(
    "cumsum",
    lambda m, x, *, dim: np.cumsum(x, dim) if x.ndim else x,
    lambda m, g, y, x, *, dim: _cumsum_from_end(g, dim=dim),
)
_cumsum_from_end: Structural = Structural(
    "cumsum",
    lambda m, x, *, dim: np.flip(np.cumsum(np.flip(x, dim), dim), dim) if x.ndim else x,
    lambda m, g, y, x, *, dim: _cumsum(g, dim=dim),
)


def _count(x: Any, dim: Dims) -> int:
    return math.prod(x.shape[d] for d in dim)


def _deviation(m: Any, x: Any, dim: Dims, correction: float) -> Any:
    """Half the derivative of the variance: (x − mean) / (n − correction)."""
    return (x - m.mean(x, dim, True)) / float(_count(x, dim) - correction)


def _variance(x: Any, dim: Dims, correction: float, keepdim: bool) -> Any:
    total = np.square(x - x.mean(dim, keepdims=True)).sum(dim, keepdims=keepdim)
    return total / float(np.maximum(_count(x, dim) - correction, 0))


_var = Structural(
    "var",
    lambda m, x, *, dim, correction, keepdim: _variance(x, dim, correction, keepdim),
    lambda m, g, y, x, *, dim, correction, keepdim: (
        m.reshape(g, kept(x.shape, dim)) * (2 * _deviation(m, x, dim, correction))
    ),
)
_std = Structural(
    "std",
    lambda m, x, *, dim, correction, keepdim: np.sqrt(_variance(x, dim, correction, keepdim)),
    lambda m, g, y, x, *, dim, correction, keepdim: (
        m.reshape(_over(m, g, y), kept(x.shape, dim)) * _deviation(m, x, dim, correction)
    ),
)


def _over(m: Any, g: Any, y: Any) -> Any:
    """g / y, and 0 where y is 0: the derivative of a root at 0, taken in the flat direction."""
    zero = m.equal(y, 0.0)
    return m.where(zero, 0.0, g) / m.where(zero, 1.0, y)


# --- products -----------------------------------------------------------------------------------


def _products_before(m: Any, x: Any) -> Any:
    """For each element along the last dimension, the product of those before it.

    Log₂ n shifted multiplications and no division: exact with zeros, to any order.
    """
    ones = np.ones_like(plain(x))
    n, step = x.shape[-1], 1
    product = m.cat((ones[..., :1], m.getitem(x, (..., slice(0, n - 1)))), x.ndim - 1)
    while step < n:
        earlier = m.getitem(product, (..., slice(0, n - step)))
        product = product * m.cat((ones[..., :step], earlier), x.ndim - 1)
        step *= 2
    return product


def _product_of_others(m: Any, y: Any, x: Any, dim: Dims) -> Any:
    if not np.any(plain(x) == 0):
        return m.reshape(y, kept(x.shape, dim)) / x
    order = (*(d for d in range(x.ndim) if d not in dim), *dim)
    last = m.permute(x, order)
    flat = m.reshape(last, (*last.shape[: x.ndim - len(dim)], _count(x, dim)))
    backwards = (..., slice(None, None, -1))
    after = m.getitem(_products_before(m, m.getitem(flat, backwards)), backwards)
    others = m.reshape(_products_before(m, flat) * after, last.shape)
    return m.permute(others, tuple(np.argsort(order).tolist()))


_prod = Structural(
    "prod",
    lambda m, x, *, dim, keepdim: x.prod(axis=dim, keepdims=keepdim),
    lambda m, g, y, x, *, dim, keepdim: (
        m.reshape(g, kept(x.shape, dim)) * _product_of_others(m, y, x, dim)
    ),
)

# --- norms ----------------------------------------------------------------------------------------


def _norm_of(x: Any, p: float, dim: Dims, keepdim: bool) -> Any:
    size = np.abs(x)
    if math.isinf(p):
        return size.max(dim, keepdims=keepdim) if p > 0 else size.min(dim, keepdims=keepdim)
    if p == 0:
        return (x != 0).sum(dim, keepdims=keepdim).astype(x.dtype)
    if p == 1:
        return size.sum(dim, keepdims=keepdim)
    if p == 2:
        return np.sqrt(np.square(x).sum(dim, keepdims=keepdim))
    return (size**p).sum(dim, keepdims=keepdim) ** (1 / p)


def _norm_vjp(m: Any, g: Any, y: Any, x: Any, *, p: float, dim: Dims, keepdim: bool) -> Any:
    """sign(x)·(|x| / ‖x‖)^(p−1), and 0 where the norm is 0."""
    shape = kept(x.shape, dim)
    g, y = m.reshape(g, shape), m.reshape(y, shape)
    if p == 0:
        return g * np.zeros_like(plain(x))
    if p == 1:
        return g * m.sign(x)
    if p == 2:
        return x * _over(m, g, y)
    if math.isinf(p):
        return m.sign(x) * share_among_equals(m, g, y, m.abs(x), dim, equal_nan=True)
    zero = m.equal(x, 0.0)  # |0|^(p−1) is infinite for p < 1
    size = m.where(zero, 0.0 if p > 1 else 1.0, m.abs(x))
    scale = _over(m, g, y ** (p - 1)) if p > 1 else g * y ** (1 - p)
    return m.where(zero, 0.0, m.sign(x)) * size ** (p - 1) * scale


_norm = Structural(
    "norm",
    lambda m, x, *, p, dim, keepdim: _norm_of(x, p, dim, keepdim),
    _norm_vjp,
)

for _rule in (_mean, _var, _std, _norm):
    _rule.keeps_integers = False

# --- the functions by PyTorch's names -------------------------------------------------------------


@numpy_names
def sum(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The sum over `dim`, or over all elements; every summand gets the whole gradient.

    >>> import engine
    >>> engine.sum(engine.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1).tolist()
    [3.0, 7.0]
    """
    return _sum(input, dim=dimensions(input, dim, "sum"), keepdim=keepdim)


@numpy_names
def mean(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The mean over `dim`, or over all elements; each of n elements gets 1/n of the gradient."""
    return _mean(input, dim=dimensions(input, dim, "mean"), keepdim=keepdim)


@numpy_names
def var(
    input: Any,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The variance Σ (x − mean)² / (n − correction) over `dim`, or over all elements.

    `correction` is 1 by default, for the variance of a population seen through a sample;
    `unbiased=False` is the older way to write `correction=0`.

    >>> import engine
    >>> x = engine.tensor([1.0, 2.0, 3.0, 4.0])
    >>> x.var(correction=0).item(), x.var().item()
    (1.25, 1.6666666666666667)
    """
    return _spread(_var, input, dim, unbiased, keepdim, correction)


@numpy_names
def std(
    input: Any,
    dim: Dim = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The standard deviation, the root of `var`; where it is 0, its derivative is 0."""
    return _spread(_std, input, dim, unbiased, keepdim, correction)


def _spread(
    rule: Structural, x: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> Any:
    if isinstance(dim, bool):  # PyTorch's older form var(input, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{rule.name}: give correction or unbiased, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dims = dimensions(x, dim, rule.name)
    return rule(x, dim=dims, correction=correction, keepdim=keepdim)


@numpy_names
def prod(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The product over one dimension, or over all elements; gradients are exact with zeros.

    >>> import engine
    >>> x = engine.tensor([2.0, 0.0, 5.0], requires_grad=True)
    >>> x.prod().backward()
    >>> x.grad
    array([ 0., 10.,  0.])
    """
    dims = tuple(range(input.ndim)) if dim is None else one_dimension(input, dim, "prod")
    return _prod(input, dim=dims, keepdim=keepdim)


@numpy_names
def cumsum(input: Any, dim: int) -> Any:
    """The sums of the first 1, 2, 3, ... elements along `dim`."""
    return _cumsum(input, dim=dimension(input, dim, "cumsum"))


@numpy_names
def any(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether one element at least along `dim`, or at all, is not 0: a boolean constant."""
    return _truth(np.any, input, dim, keepdim)


@numpy_names
def all(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """Whether no element along `dim`, or at all, is 0: a boolean constant."""
    return _truth(np.all, input, dim, keepdim)


def _truth(of: Callable[..., Any], x: Any, dim: Dim, keepdim: bool) -> Any:
    # Over () PyTorch reduces nothing here, though everywhere else it reduces everything.
    dims = () if dim in ((), []) else dimensions(x, dim, of.__name__)
    result = of(plain(x), axis=dims, keepdims=keepdim)
    return x.constant(result) if isinstance(x, Node) else result


@numpy_names
def norm(input: Any, p: float | str | None = "fro", dim: Dim = None, keepdim: bool = False) -> Any:
    """The norm (Σ |x|^p)^(1/p) over `dim`, or over all elements; where it is 0, so is the
    derivative.

    `p` is a number, ±inf (the largest or smallest |x|), 0 (how many are not 0) or "fro" (2).

    >>> import engine
    >>> engine.norm(engine.tensor([3.0, 4.0])).item()
    5.0
    """
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p is a number, inf, -inf or 'fro', not {p!r}")
    power = 2.0 if p is None or isinstance(p, str) else float(p)
    return _norm(input, p=power, dim=dimensions(input, dim, "norm"), keepdim=keepdim)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        sum, mean, var, std, prod, cumsum, any, all, norm)
}  # fmt: skip
