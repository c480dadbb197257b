"""The largest and the smallest elements: hard (max, amax, argmax) and soft (logsumexp, softmax)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import ops
from engine.dimensions import Dims, dimension, dimensions, kept, numpy_names, one_dimension
from engine.indexing import along
from engine.node import Node, plain
from engine.rule import Structural

Dim = int | Sequence[int] | None

# --- hard ------------------------------------------------------------------------------------


def share_among_equals(
    m: Any, g: Any, y: Any, x: Any, dim: Dims, *, equal_nan: bool = False
) -> Any:
    """The vjp of a maximum or minimum: elements that attain it share its gradient evenly."""
    shape = kept(x.shape, dim)
    top, data = plain(y).reshape(shape), plain(x)
    attained = data == top
    if equal_nan:
        attained |= np.isnan(data) & np.isnan(top)
    share = attained / attained.sum(axis=dim, keepdims=True)
    return m.reshape(g, shape) * share.astype(x.dtype)


_amax = Structural(
    "amax",
    lambda m, x, *, dim, keepdim: m.amax(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: share_among_equals(m, g, y, x, dim),
)
_amin = Structural(
    "amin",
    lambda m, x, *, dim, keepdim: m.amin(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: share_among_equals(m, g, y, x, dim),
)


# Over all elements PyTorch's max and min see nan as equal to nan; its amax and amin do not.
_max_of_all = Structural(
    "max",
    lambda m, x, *, dim: m.amax(x, dim),
    lambda m, g, y, x, *, dim: share_among_equals(m, g, y, x, dim, equal_nan=True),
)
_min_of_all = Structural(
    "min",
    lambda m, x, *, dim: m.amin(x, dim),
    lambda m, g, y, x, *, dim: share_among_equals(m, g, y, x, dim, equal_nan=True),
)


def _at_first(position: Callable[..., Any]) -> Callable[..., Any]:
    """The vjp of an extremum along one dimension: all of it to the first that attains it."""

    def vjp(m: Any, g: Any, y: Any, x: Any, *, dim: int, keepdim: bool) -> Any:
        if x.ndim == 0:
            return g
        indices = position(plain(x), dim, keepdims=True)
        return m.place(m.reshape(g, indices.shape), along(indices, dim), x.shape)

    return vjp


_max = Structural(
    "max",
    lambda m, x, *, dim, keepdim: x.max(axis=dim, keepdims=keepdim) if x.ndim else x,
    _at_first(np.argmax),
)
_min = Structural(
    "min",
    lambda m, x, *, dim, keepdim: x.min(axis=dim, keepdims=keepdim) if x.ndim else x,
    _at_first(np.argmin),
)

# --- soft, each one rule for the sake of stability and speed --------------------

_softmax = Structural(
    "softmax",
    lambda m, x, *, dim: m.softmax(x, dim),
    lambda m, g, y, x, *, dim: y * (g - m.sum(g * y, dim, True)),
)
_log_softmax = Structural(
    "log_softmax",
    lambda m, x, *, dim: m.log_softmax(x, dim),
    lambda m, g, y, x, *, dim: g - m.exp(y) * m.sum(g, dim, True),
)
_logsumexp = Structural(
    "logsumexp",
    lambda m, x, *, dim, keepdim: m.logsumexp(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: (
        m.reshape(g, kept(x.shape, dim)) * m.exp(x - m.reshape(y, kept(x.shape, dim)))
    ),
)

for _rule in (_softmax, _log_softmax, _logsumexp):
    _rule.keeps_integers = False

# --- the functions by PyTorch's names -----------------------------------------------------------


@numpy_names
def amax(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The maximum over `dim`; elements that attain it share the gradient evenly."""
    return _amax(input, dim=dimensions(input, dim, "amax"), keepdim=keepdim)


@numpy_names
def amin(input: Any, dim: Dim = None, keepdim: bool = False) -> Any:
    """The minimum over `dim`; elements that attain it share the gradient evenly."""
    return _amin(input, dim=dimensions(input, dim, "amin"), keepdim=keepdim)


class Extremum(NamedTuple):
    """What `max` and `min` over one dimension return, as in PyTorch."""

    values: Any
    indices: Any


@numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The maximum of all elements (ties share the gradient), or (values, indices) over `dim`
    (the gradient goes to the element at the index), or `maximum(input, other)`.

    >>> import engine
    >>> values, indices = engine.tensor([[1.0, 7.0], [5.0, 2.0]]).max(dim=1)
    >>> values.tolist(), indices.tolist()
    ([7.0, 5.0], [1, 0])
    """
    if other is not None or _is_operand(dim):
        return ops.maximum(input, dim if other is None else other)
    if dim is None:
        return _max_of_all(input, dim=tuple(range(input.ndim)))
    return _extremum(_max, np.argmax, input, dim, keepdim)


@numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The minimum of all elements (ties share the gradient), or (values, indices) over `dim`
    (the gradient goes to the element at the index), or `minimum(input, other)`."""
    if other is not None or _is_operand(dim):
        return ops.minimum(input, dim if other is None else other)
    if dim is None:
        return _min_of_all(input, dim=tuple(range(input.ndim)))
    return _extremum(_min, np.argmin, input, dim, keepdim)


def _is_operand(x: Any) -> bool:
    return isinstance(x, (Node, np.ndarray))


def _extremum(
    rule: Structural, position: Callable[..., Any], x: Any, dim: int, keepdim: bool
) -> Extremum:
    dim = dimension(x, dim, rule.name)
    return Extremum(rule(x, dim=dim, keepdim=keepdim), _position(position, x, dim, keepdim))


def _position(position: Callable[..., Any], x: Any, dim: int | None, keepdim: bool) -> Any:
    data = plain(x)
    indices = position(data, dim, keepdims=keepdim) if data.ndim else np.zeros((), np.int64)
    return x.constant(indices) if isinstance(x, Node) else indices


@numpy_names
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the maximum along `dim`, or in the flattened input; the first of equals."""
    dim = None if dim is None else dimension(input, dim, "argmax")
    return _position(np.argmax, input, dim, keepdim)


@numpy_names
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The index of the minimum along `dim`, or in the flattened input; the first of equals."""
    dim = None if dim is None else dimension(input, dim, "argmin")
    return _position(np.argmin, input, dim, keepdim)


@numpy_names
def softmax(input: Any, dim: int) -> Any:
    """exp(x) / Σ exp(x) along `dim`; stable for any finite input."""
    return _softmax(input, dim=one_dimension(input, dim, "softmax"))


@numpy_names
def log_softmax(input: Any, dim: int) -> Any:
    """log(softmax(x)) along `dim`, x − logsumexp(x): stable where softmax underflows."""
    return _log_softmax(input, dim=one_dimension(input, dim, "log_softmax"))


@numpy_names
def logsumexp(input: Any, dim: int | Sequence[int], keepdim: bool = False) -> Any:
    """log Σ exp(x) over `dim`; the gradient is softmax(x)."""
    return _logsumexp(input, dim=dimensions(input, dim, "logsumexp"), keepdim=keepdim)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (amax, amin, max, min, argmax, argmin, softmax, log_softmax, logsumexp)
}
