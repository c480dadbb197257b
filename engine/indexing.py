"""Indexing and its transpose, placing: `x[index]`, and zeros to which g is added at `index`.

All ways to pick elements are one rule under several names, for they differ only in how the index
is written. Elements picked several times add their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.dimensions import dimension, numpy_names
from engine.node import Node, plain
from engine.rule import Structural


def _picking(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, index: m.getitem(x, index),
        lambda m, g, y, x, *, index: m.place(g, index, x.shape),
    )


_getitem, _gather, _index_select, _take_along_dim = map(
    _picking, ("getitem", "gather", "index_select", "take_along_dim")
)
_place = Structural(
    "place",
    lambda m, x, *, index, shape: m.place(x, index, shape),
    lambda m, g, y, x, *, index, shape: m.getitem(g, index),
)


def plain_index(index: Any) -> Any:
    """An index without nodes: tensors as arrays, which must be of integers or booleans."""
    if isinstance(index, tuple):
        return tuple(plain_index(i) for i in index)
    if isinstance(index, list):
        return np.asarray([plain_index(i) for i in index]) if index else np.zeros(0, np.int64)
    if isinstance(index, Node):
        index = index.data
    if isinstance(index, (np.ndarray, np.generic, float)) and np.asarray(index).dtype.kind == "f":
        raise IndexError("an index is made of integers, booleans, slices, None and ..., not floats")
    return index


def getitem(input: Any, index: Any) -> Any:
    """`input[index]`, in every form that NumPy knows; repeated elements add their gradients.

    >>> import engine
    >>> x = engine.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> x[[0, 2, 2]].sum().backward()
    >>> x.grad
    array([1., 0., 2.])
    """
    return _getitem(input, index=plain_index(index))


def place(input: Any, index: Any, shape: Sequence[int]) -> Any:
    """Zeros of `shape` to which `input` is added at `index`: the transpose of indexing."""
    return _place(input, index=index, shape=tuple(shape))


def along(indices: Any, dim: int) -> tuple[Any, ...]:
    """The index that picks, for each position, the element at `indices` along `dim`."""
    index: list[Any] = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    index[dim] = indices
    return tuple(index)


@numpy_names
def gather(input: Any, dim: int, index: Any) -> Any:
    """For each position of `index`, the element of `input` there, but at `index` along `dim`.

    `index` has as many dimensions as `input`, none longer than the input's except `dim`.

    >>> import engine
    >>> scores = engine.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> scores.gather(1, engine.tensor([[1], [0]])).tolist()
    [[0.9], [0.8]]
    """
    dim = dimension(input, dim, "gather")
    indices = _integers(index, "gather")
    if indices.size and not _fits(indices.shape, input.shape, dim):
        raise IndexError(
            f"gather: index of shape {indices.shape} does not fit input of shape {input.shape}: as "
            f"many dimensions are expected, and none longer, except dim {dim}"
        )
    if input.ndim == 0:  # a lone number has one place
        _check_range(indices, 1, "gather")
        return _gather(input, index=(None,) * indices.ndim)
    _check_range(indices, input.shape[dim], "gather")
    if indices.ndim != input.ndim:  # an empty index, or one number of a vector
        return _gather(input, index=(indices,) * input.ndim)
    return _gather(input, index=along(indices, dim))


def _fits(index: tuple[int, ...], shape: tuple[int, ...], dim: int) -> bool:
    return max(len(index), 1) == max(len(shape), 1) and all(
        n <= length for i, (n, length) in enumerate(zip(index, shape, strict=False)) if i != dim
    )


@numpy_names
def index_select(input: Any, dim: int, index: Any) -> Any:
    """The slices of `input` along `dim` that `index`, a vector of integers, names."""
    dim = dimension(input, dim, "index_select")
    indices = np.atleast_1d(_integers(index, "index_select"))
    if indices.ndim > 1:
        raise IndexError(f"index_select: index is a vector, not of shape {indices.shape}")
    _check_range(indices, input.shape[dim] if input.ndim else 1, "index_select")
    if input.ndim == 0:
        return _index_select(input, index=())
    return _index_select(input, index=(slice(None),) * dim + (indices,))


@numpy_names
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """For each position, the element at `indices` along `dim`; the rest broadcasts.

    With the indices that argsort or argmax give, this picks the elements themselves. Without
    `dim`, both are taken as flat.
    """
    positions = _integers(indices, "take_along_dim")
    if dim is None:
        index: Any = np.unravel_index(positions.reshape(-1), input.shape)
        return _take_along_dim(input, index=index)
    dim = dimension(input, dim, "take_along_dim")  # NumPy checks the positions
    if positions.ndim != input.ndim:
        raise IndexError(
            f"take_along_dim: indices of shape {positions.shape} need as many dimensions as input, "
            f"whose shape is {input.shape}"
        )
    others = [n if i != dim else 1 for i, n in enumerate(input.shape)]
    index = list(np.ogrid[tuple(slice(n) for n in others)])  # broadcasts against the positions
    index[dim] = positions
    return _take_along_dim(input, index=tuple(index))


def one_hot(input: Any, num_classes: int = -1) -> Any:
    """Class indices as vectors of 0 with a single 1: shape (...) becomes (..., num_classes).

    By default there are as many classes as the largest index needs.

    >>> import engine
    >>> engine.one_hot(engine.tensor([0, 2])).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    indices = _integers(input, "one_hot")
    if num_classes == -1:
        if not indices.size:
            raise ValueError("one_hot: num_classes cannot be told from no indices: give it")
        num_classes = int(indices.max()) + 1
    if indices.size and not 0 <= indices.min() <= indices.max() < num_classes:
        raise ValueError(
            f"one_hot: indices from {indices.min()} to {indices.max()} are not all classes of "
            f"0 to {num_classes - 1}"
        )
    result = (indices[..., None] == np.arange(num_classes)).astype(np.int64)
    return input.constant(result) if isinstance(input, Node) else result


def _integers(index: Any, name: str) -> Any:
    indices = np.asarray(plain(index))
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices must be integers, not {indices.dtype}")
    return indices


def _check_range(indices: Any, length: int, name: str) -> None:
    if indices.size and not 0 <= indices.min() <= indices.max() < length:
        wrong = indices.max() if indices.max() >= length else indices.min()
        raise IndexError(f"{name}: index {wrong} is out of range for a length of {length}")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (getitem, place, gather, index_select, take_along_dim, one_hot)
}
