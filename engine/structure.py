"""The second table: operations that are not elementwise, each vjp beside its transpose.

A vjp takes the gradient of the result to that of an input. Shape operations come in pairs in
which each is the other's vjp: sum and broadcast_to, reshape and reshape, permute and its
inverse, indexing and placing, cat and slicing. Everything is written against the namespace `m`,
so the same line works on arrays and, for gradients of gradients, on Tensors.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.node import Node
from engine.rule import Structural

Dims = tuple[int, ...]

# --- what the rules need of shapes ------------------------------------------------------------


def dimension(ndim: int, dim: int, name: str) -> int:
    """`dim` counted from the front, if there is such a dimension."""
    if not -ndim <= dim < ndim and not (ndim == 0 and dim in (0, -1)):
        raise IndexError(f"{name}: dim {dim} is out of range for a tensor of {ndim} dimensions")
    return dim % (ndim or 1)


def dimensions(ndim: int, dim: int | Sequence[int] | None, name: str) -> Dims:
    """`dim` as a tuple of dimensions counted from the front; all of them for None."""
    if dim is None or ndim == 0:
        return tuple(range(ndim))
    dims = tuple(dimension(ndim, d, name) for d in ([dim] if isinstance(dim, int) else dim))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: dim {dim} names a dimension twice")
    return dims


def kept(shape: Dims, dim: Dims) -> Dims:
    """The shape after a reduction over `dim` that keeps the dimensions, with length 1."""
    return tuple(1 if i in dim else n for i, n in enumerate(shape))


def numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept NumPy's `axis=` and `keepdims=` beside `dim=` and `keepdim=`, as PyTorch does."""

    @functools.wraps(function)
    def accepting(*arguments: Any, **keywords: Any) -> Any:
        for numpys, ours in (("axis", "dim"), ("keepdims", "keepdim")):
            if numpys in keywords:
                if ours in keywords:
                    raise TypeError(f"{function.__name__}: give {ours} or {numpys}, not both")
                keywords[ours] = keywords.pop(numpys)
        return function(*arguments, **keywords)

    return accepting


# --- reductions and their transpose, broadcasting ---------------------------------------------

_sum = Structural(
    "sum",
    lambda m, x, *, dim, keepdim: m.sum(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: m.broadcast_to(m.reshape(g, kept(x.shape, dim)), x.shape),
)
_broadcast_to = Structural(
    "broadcast_to",
    lambda m, x, *, shape: m.broadcast_to(x, shape),
    lambda m, g, y, x, *, shape: m.sum_to(g, x),
)
_sum_to = Structural(
    "sum",
    lambda m, x, *, shape: m.sum_to_shape(x, shape),
    lambda m, g, y, x, *, shape: m.broadcast_to(g, x.shape),
)
_mean = Structural(
    "mean",
    lambda m, x, *, dim, keepdim: m.mean(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: m.broadcast_to(
        m.reshape(g, kept(x.shape, dim)) / math.prod(x.shape[d] for d in dim), x.shape
    ),
)


def _share_among_equals(m: Any, g: Any, y: Any, x: Any, dim: Dims) -> Any:
    """The vjp of a maximum or minimum: elements that attain it share its gradient evenly."""
    shape = kept(x.shape, dim)
    attained = m.equal(x, m.reshape(y, shape))
    share = attained / attained.sum(axis=dim, keepdims=True)
    return m.reshape(g, shape) * share.astype(x.dtype)


_amax = Structural(
    "amax",
    lambda m, x, *, dim, keepdim: m.amax(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: _share_among_equals(m, g, y, x, dim),
)
_amin = Structural(
    "amin",
    lambda m, x, *, dim, keepdim: m.amin(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: _share_among_equals(m, g, y, x, dim),
)

# --- shape ------------------------------------------------------------------------------------

_reshape = Structural(
    "reshape",
    lambda m, x, *, shape: m.reshape(x, shape),
    lambda m, g, y, x, *, shape: m.reshape(g, x.shape),
)
_permute = Structural(
    "permute",
    lambda m, x, *, dims: m.permute(x, dims),
    lambda m, g, y, x, *, dims: m.permute(g, tuple(np.argsort(dims).tolist())),
)
_cast = Structural(
    "to",
    lambda m, x, *, dtype: m.cast(x, dtype),
    lambda m, g, y, x, *, dtype: m.cast(g, x.dtype),
)

# --- indexing and placing, cat and slicing ----------------------------------------------------

_getitem = Structural(
    "getitem",
    lambda m, x, *, index: m.getitem(x, index),
    lambda m, g, y, x, *, index: m.place(g, index, x.shape),
)
_place = Structural(
    "place",
    lambda m, x, *, index, shape: m.place(x, index, shape),
    lambda m, g, y, x, *, index, shape: m.getitem(g, index),
)
_take_along_dim = Structural(
    "take_along_dim",
    lambda m, x, *, indices, dim: m.take_along_dim(x, indices, dim),
    lambda m, g, y, x, *, indices, dim: m.put_along_dim(g, indices, dim, x.shape),
)
_put_along_dim = Structural(
    "put_along_dim",
    lambda m, x, *, indices, dim, shape: m.put_along_dim(x, indices, dim, shape),
    lambda m, g, y, x, *, indices, dim, shape: m.take_along_dim(g, indices, dim),
)


def _element_at(name: str) -> Structural:
    """The elements at `indices`, one for each position along `dim`, in the given shape."""
    return Structural(
        name,
        lambda m, x, *, indices, dim, shape: m.reshape(m.take_along_dim(x, indices, dim), shape),
        lambda m, g, y, x, *, indices, dim, shape: m.put_along_dim(
            m.reshape(g, indices.shape), indices, dim, x.shape
        ),
    )


_max, _min = _element_at("max"), _element_at("min")


def _slice_of(m: Any, g: Any, xs: Sequence[Any], index: int, dim: int) -> Any:
    start = sum_of_lengths = 0
    for x in xs[: index + 1]:
        start, sum_of_lengths = sum_of_lengths, sum_of_lengths + x.shape[dim]
    return m.getitem(g, (slice(None),) * dim + (slice(start, sum_of_lengths),))


_cat = Structural(
    "cat",
    lambda m, *xs, dim: m.cat(xs, dim),
    lambda m, g, y, *xs, index, dim: _slice_of(m, g, xs, index, dim),
)
_stack = Structural(
    "stack",
    lambda m, *xs, dim: m.stack(xs, dim),
    lambda m, g, y, *xs, index, dim: m.getitem(g, (slice(None),) * dim + (index,)),
)

# --- contraction ------------------------------------------------------------------------------


def _matmul_left(m: Any, g: Any, a: Any, b: Any) -> Any:
    """The gradient of a in a @ b: g @ bᵀ, with the dimensions that matmul adds to vectors."""
    if b.ndim == 1:
        return m.sum_to(m.reshape(g, (*g.shape, 1)) * b, a)
    if a.ndim == 1:
        product = m.matmul(b, m.reshape(g, (*g.shape, 1)))
        return m.sum_to(m.reshape(product, product.shape[:-1]), a)
    return m.sum_to(m.matmul(g, m.transpose(b, -1, -2)), a)


def _matmul_right(m: Any, g: Any, a: Any, b: Any) -> Any:
    """The gradient of b in a @ b: aᵀ @ g."""
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a
        return m.sum_to(m.reshape(a, (*a.shape, 1)) * m.reshape(g, (*g.shape[:-1], 1, -1)), b)
    if b.ndim == 1:
        column = m.reshape(g, (*g.shape, 1))
        product = m.matmul(m.transpose(a, -1, -2), column)
        return m.sum_to(m.reshape(product, product.shape[:-1]), b)
    return m.sum_to(m.matmul(m.transpose(a, -1, -2), g), b)


matmul = Structural(
    "matmul",
    lambda m, a, b: m.matmul(a, b),
    lambda m, g, y, a, b: _matmul_left(m, g, a, b),
    lambda m, g, y, a, b: _matmul_right(m, g, a, b),
)
matmul.symbol = "@"


def _rows(m: Any, x: Any) -> Any:
    return x if x.ndim == 2 else m.reshape(x, (-1, x.shape[-1]))


def _linear_weight(m: Any, g: Any, x: Any) -> Any:
    # Written as the transpose of an (in, out) array, which is how nn.Linear stores its weight.
    return m.transpose(m.matmul(m.transpose(_rows(m, x), 0, 1), _rows(m, g)), 0, 1)


_linear = Structural(
    "linear",
    lambda m, x, w: m.matmul(x, m.transpose(w, 0, 1)),
    lambda m, g, y, x, w: m.matmul(g, w),
    lambda m, g, y, x, w: _linear_weight(m, g, x),
)
_linear_bias = Structural(
    "linear",
    lambda m, x, w, b: m.matmul(x, m.transpose(w, 0, 1)) + b,
    lambda m, g, y, x, w, b: m.matmul(g, w),
    lambda m, g, y, x, w, b: _linear_weight(m, g, x),
    lambda m, g, y, x, w, b: m.sum(_rows(m, g), (0,)),
)

# --- softmax and its family, each one rule for the sake of stability and speed ----------------

_softmax = Structural(
    "softmax",
    lambda m, x, *, dim: m.softmax(x, dim),
    lambda m, g, y, x, *, dim: y * (g - m.sum(g * y, (dim,), True)),
)
_log_softmax = Structural(
    "log_softmax",
    lambda m, x, *, dim: m.log_softmax(x, dim),
    lambda m, g, y, x, *, dim: g - m.exp(y) * m.sum(g, (dim,), True),
)
_logsumexp = Structural(
    "logsumexp",
    lambda m, x, *, dim, keepdim: m.logsumexp(x, dim, keepdim),
    lambda m, g, y, x, *, dim, keepdim: (
        m.reshape(g, kept(x.shape, dim)) * m.exp(x - m.reshape(y, kept(x.shape, dim)))
    ),
)

# --- the functions by PyTorch's names ---------------------------------------------------------


@numpy_names
def sum(input: Any, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """The sum over `dim`, or over all elements; every summand gets the whole gradient.

    >>> import engine
    >>> engine.sum(engine.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1).tolist()
    [3.0, 7.0]
    """
    return _sum(input, dim=dimensions(input.ndim, dim, "sum"), keepdim=keepdim)


@numpy_names
def mean(input: Any, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """The mean over `dim`, or over all elements; each of n elements gets 1/n of the gradient."""
    return _mean(input, dim=dimensions(input.ndim, dim, "mean"), keepdim=keepdim)


@numpy_names
def amax(input: Any, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """The maximum over `dim`; elements that attain it share the gradient evenly."""
    return _amax(input, dim=dimensions(input.ndim, dim, "amax"), keepdim=keepdim)


@numpy_names
def amin(input: Any, dim: int | Sequence[int] | None = None, keepdim: bool = False) -> Any:
    """The minimum over `dim`; elements that attain it share the gradient evenly."""
    return _amin(input, dim=dimensions(input.ndim, dim, "amin"), keepdim=keepdim)


class Extremum(NamedTuple):
    """What `max` and `min` over one dimension return, as in PyTorch."""

    values: Any
    indices: Any


@numpy_names
def max(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The maximum of all elements (ties share the gradient), or (values, indices) over `dim`
    (the gradient goes to the element at the index)."""
    if dim is None:
        return amax(input, None, keepdim)
    dim = dimension(input.ndim, dim, "max")
    return _extremum(_max, input, np.argmax(input.data, dim, keepdims=True), dim, keepdim)


@numpy_names
def min(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The minimum of all elements (ties share the gradient), or (values, indices) over `dim`
    (the gradient goes to the element at the index)."""
    if dim is None:
        return amin(input, None, keepdim)
    dim = dimension(input.ndim, dim, "min")
    return _extremum(_min, input, np.argmin(input.data, dim, keepdims=True), dim, keepdim)


def _extremum(rule: Structural, input: Any, indices: Any, dim: int, keepdim: bool) -> Extremum:
    shape = kept(input.shape, (dim,)) if keepdim else input.shape[:dim] + input.shape[dim + 1 :]
    values = rule(input, indices=indices, dim=dim, shape=shape)
    return Extremum(values, input.constant(indices.reshape(shape)))


def reshape(input: Any, shape: Sequence[int]) -> Any:
    """The same elements, in row-major order, in another shape; one length may be -1."""
    return _reshape(input, shape=tuple(shape))


def permute(input: Any, dims: Sequence[int]) -> Any:
    """The dimensions in another order: dimension i of the result is `dims[i]` of the input."""
    order = tuple(dimension(input.ndim, d, "permute") for d in dims)
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(
            f"permute: dims {tuple(dims)} must name each of {input.ndim} dimensions once"
        )
    return _permute(input, dims=order)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    order = list(range(input.ndim))
    if order:
        i, j = (dimension(input.ndim, d, "transpose") for d in (dim0, dim1))
        order[i], order[j] = order[j], order[i]
    return _permute(input, dims=tuple(order))


def broadcast_to(input: Any, shape: Sequence[int]) -> Any:
    """The input repeated to `shape`; the gradient is summed over the repetitions."""
    shape = tuple(shape)
    return input if input.shape == shape else _broadcast_to(input, shape=shape)


def sum_to(input: Any, like: Any) -> Any:
    """The transpose of broadcasting: summed to the shape, and cast to the dtype, of `like`."""
    if input.shape != like.shape:
        input = _sum_to(input, shape=like.shape)
    return input if input.dtype == like.dtype else cast(input, like.dtype)


def cast(input: Any, dtype: Any) -> Any:
    """The same numbers in another dtype; the gradient comes back in the input's."""
    return _cast(input, dtype=np.dtype(dtype))


def plain_index(index: Any) -> Any:
    """An index without nodes: tensors as arrays."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    return index.data if isinstance(index, Node) else index


def getitem(input: Any, index: Any) -> Any:
    """`input[index]`, in every form that NumPy knows; repeated elements add their gradients."""
    return _getitem(input, index=plain_index(index))


def place(input: Any, index: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` to which `input` is added at `index`: the transpose of indexing."""
    return _place(input, index=index, shape=tuple(shape))


def take_along_dim(input: Any, indices: Any, dim: int) -> Any:
    """`np.take_along_axis`: for each position, the element at `indices` along `dim`."""
    return _take_along_dim(
        input, indices=plain_index(indices), dim=dimension(input.ndim, dim, "take_along_dim")
    )


def put_along_dim(input: Any, indices: Any, dim: int, shape: Sequence[int]) -> Any:
    """The transpose of `take_along_dim`: zeros of `shape` with `input` added at `indices`."""
    return _put_along_dim(input, indices=plain_index(indices), dim=dim, shape=tuple(shape))


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors joined along a dimension that they have."""
    if not tensors:
        raise ValueError("cat: expected at least one tensor")
    return _cat(*tensors, dim=dimension(np.ndim(plain_index(tensors[0])), dim, "cat"))


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dimension."""
    if not tensors:
        raise ValueError("stack: expected at least one tensor")
    return _stack(*tensors, dim=dimension(np.ndim(plain_index(tensors[0])) + 1, dim, "stack"))


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """`input @ weight.T + bias` as one operation. Shapes: (..., in), (out, in), (out,)."""
    if input.ndim == 0 or weight.ndim != 2 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input of shape {input.shape} and weight of shape {weight.shape} do not fit: "
            "the last dimension of input must be the second of weight, (out, in)"
        )
    if bias is None:
        return _linear(input, weight)
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias has shape {bias.shape}, expected {weight.shape[:1]}")
    return _linear_bias(input, weight, bias)


@numpy_names
def softmax(input: Any, dim: int) -> Any:
    """exp(x) / Σ exp(x) along `dim`; stable for any finite input."""
    return _softmax(input, dim=dimension(input.ndim, dim, "softmax"))


@numpy_names
def log_softmax(input: Any, dim: int) -> Any:
    """log(softmax(x)) along `dim`, x − logsumexp(x): stable where softmax underflows."""
    return _log_softmax(input, dim=dimension(input.ndim, dim, "log_softmax"))


@numpy_names
def logsumexp(input: Any, dim: int | Sequence[int], keepdim: bool = False) -> Any:
    """log Σ exp(x) over `dim`; the gradient is softmax(x)."""
    return _logsumexp(input, dim=dimensions(input.ndim, dim, "logsumexp"), keepdim=keepdim)


# What a rule read with nodes may call, and what `engine` offers by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        sum, mean, amax, amin, max, min, reshape, permute, transpose, broadcast_to, sum_to, cast,
        getitem, place, take_along_dim, put_along_dim, cat, stack, matmul, linear, softmax,
        log_softmax, logsumexp,
    )
}  # fmt: skip
