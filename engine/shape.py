"""Operations on shape: the same elements placed otherwise.

They come in pairs in which each is the other's vjp: reshape and reshape, permute and its inverse,
broadcasting and summing, cat and slicing. Everything is written against the namespace `m`, so
the same line works on arrays and, for gradients of gradients, on Tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.dimensions import Dims, dimension, dimensions, numpy_names, rank, unpacked
from engine.indexing import getitem
from engine.node import Node, plain
from engine.rule import Structural

# --- reshaping, under the name that was written ---------------------------------------------------


def _reshaping(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, shape: m.reshape(x, shape),
        lambda m, g, y, x, *, shape: m.reshape(g, x.shape),
    )


_reshape, _view, _flatten, _ravel = map(_reshaping, ("reshape", "view", "flatten", "ravel"))
_squeeze, _unsqueeze = map(_reshaping, ("squeeze", "unsqueeze"))


def _permuting(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, dims: m.permute(x, dims),
        lambda m, g, y, x, *, dims: m.permute(g, tuple(np.argsort(dims).tolist())),
    )


_permute, _transpose = map(_permuting, ("permute", "transpose"))

# --- broadcasting and its transpose ---------------------------------------------------------------


def _broadcasting(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, shape: m.broadcast_to(x, shape),
        lambda m, g, y, x, *, shape: m.sum_to(g, x),
    )


_broadcast_to, _expand = map(_broadcasting, ("broadcast_to", "expand"))
_sum_to = Structural(
    "sum",
    lambda m, x, *, shape: m.sum_to_shape(x, shape),
    lambda m, g, y, x, *, shape: m.broadcast_to(g, x.shape),
)
_cast = Structural(
    "to",
    lambda m, x, *, dtype: x.astype(dtype),
    lambda m, g, y, x, *, dtype: m.cast(g, x.dtype),
)


def _sum_of_copies(m: Any, g: Any, x: Any, repeats: Dims) -> Any:
    """The transpose of repeating: the copies along each dimension side by side, and summed."""
    lengths = (1,) * (len(repeats) - x.ndim) + x.shape
    pairs = tuple(n for pair in zip(repeats, lengths, strict=True) for n in pair)
    return m.reshape(m.sum(m.reshape(g, pairs), tuple(range(0, len(pairs), 2))), x.shape)


def _repeating(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, repeats: np.tile(x, repeats),
        lambda m, g, y, x, *, repeats: _sum_of_copies(m, g, x, repeats),
    )


_repeat, _tile = map(_repeating, ("repeat", "tile"))

# --- reordering and masking, joining --------------------------------------------------------------

_flip: Structural = Structural(
    "flip",
    lambda m, x, *, dims: np.flip(x, dims),
    lambda m, g, y, x, *, dims: _flip(g, dims=dims),
)
_roll: Structural = Structural(
    "roll",
    lambda m, x, *, shifts, dims: np.roll(x, shifts, dims),
    lambda m, g, y, x, *, shifts, dims: _roll(g, shifts=tuple(-s for s in shifts), dims=dims),
)
_tril: Structural = Structural(
    "tril",
    lambda m, x, *, diagonal: np.tril(x, diagonal),
    lambda m, g, y, x, *, diagonal: _tril(g, diagonal=diagonal),
)
_triu: Structural = Structural(
    "triu",
    lambda m, x, *, diagonal: np.triu(x, diagonal),
    lambda m, g, y, x, *, diagonal: _triu(g, diagonal=diagonal),
)


def _part_of(m: Any, g: Any, xs: Sequence[Any], index: int, dim: int) -> Any:
    start = sum(x.shape[dim] for x in xs[:index])
    return m.getitem(g, _between(start, start + xs[index].shape[dim], dim))


def _between(start: int, end: int, dim: int) -> tuple[slice, ...]:
    return (slice(None),) * dim + (slice(start, end),)


_cat = Structural(
    "cat",
    lambda m, *xs, dim: np.concatenate(xs, axis=dim),
    lambda m, g, y, *xs, index, dim: _part_of(m, g, xs, index, dim),
)
_stack = Structural(
    "stack",
    lambda m, *xs, dim: np.stack(xs, axis=dim),
    lambda m, g, y, *xs, index, dim: m.getitem(g, (slice(None),) * dim + (index,)),
)

# --- the functions by PyTorch's names -------------------------------------------------------------


def reshape(input: Any, shape: Sequence[int]) -> Any:
    """The same elements, in row-major order, in another shape; one length may be -1."""
    return _reshape(input, shape=unpacked((shape,)))


def view(input: Any, shape: Sequence[int]) -> Any:
    """`reshape` by its other name. (PyTorch refuses where it would have to copy.)

    >>> import engine
    >>> engine.arange(6).view(2, -1).tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    return _view(input, shape=unpacked((shape,)))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dimensions from `start_dim` to `end_dim` as one."""
    start = dimension(input, start_dim, "flatten")
    end = dimension(input, end_dim, "flatten")
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    joined = math.prod(input.shape[start : end + 1])
    return _flatten(input, shape=(*input.shape[:start], joined, *input.shape[end + 1 :]))


def ravel(input: Any) -> Any:
    """All elements in a row, in row-major order."""
    return _ravel(input, shape=(math.prod(input.shape),))


@numpy_names
def squeeze(input: Any, dim: int | Sequence[int] | None = None) -> Any:
    """Without the dimensions of length 1, all of them or those in `dim`."""
    dims = () if dim in ((), []) else dimensions(input, dim, "squeeze")
    shape = tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    return _squeeze(input, shape=shape)


@numpy_names
def unsqueeze(input: Any, dim: int) -> Any:
    """With a dimension of length 1 more, which is dimension `dim` of the result."""
    at = dimension(input, dim, "unsqueeze", more=1)
    return _unsqueeze(input, shape=(*input.shape[:at], 1, *input.shape[at:]))


def permute(input: Any, dims: Sequence[int]) -> Any:
    """The dimensions in another order: dimension i of the result is `dims[i]` of the input."""
    order = tuple(dimension(input, d, "permute") for d in dims)
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(
            f"permute: dims {tuple(dims)} must name each of {input.ndim} dimensions once"
        )
    return _permute(input, dims=order)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    i, j = (dimension(input, d, "transpose") for d in (dim0, dim1))
    order = list(range(input.ndim))
    if order:
        order[i], order[j] = j, i
    return _transpose(input, dims=tuple(order))


def t(input: Any) -> Any:
    """The transpose of a matrix; a vector or a number as it is."""
    if input.ndim > 2:
        raise ValueError(f"t is for two dimensions at most, not shape {input.shape}: see permute")
    return _transpose(input, dims=tuple(range(input.ndim))[::-1])


def broadcast_to(input: Any, shape: Sequence[int]) -> Any:
    """The input repeated to `shape`; the gradient is summed over the repetitions."""
    shape = tuple(shape)
    return input if input.shape == shape else _expanded(_broadcast_to, input, shape)


def expand(input: Any, sizes: Sequence[int]) -> Any:
    """The input repeated along dimensions of length 1, and new ones in front; -1 keeps a length.

    >>> import engine
    >>> engine.tensor([[1], [2]]).expand(-1, 3).tolist()
    [[1, 1, 1], [2, 2, 2]]
    """
    return _expanded(_expand, input, unpacked((sizes,)))


def _expanded(rule: Structural, input: Any, sizes: Dims) -> Any:
    extra = len(sizes) - input.ndim
    shape = tuple(
        input.shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(sizes)
    )
    if extra < 0 or min(shape, default=0) < 0:
        raise ValueError(f"{rule.name}: shape {input.shape} cannot be expanded to {sizes}")
    return rule(input, shape=shape)


def sum_to(input: Any, like: Any) -> Any:
    """The transpose of broadcasting: summed to the shape, and cast to the dtype, of `like`."""
    if input.shape != like.shape:
        input = _sum_to(input, shape=like.shape)
    return input if input.dtype == like.dtype else cast(input, like.dtype)


def cast(input: Any, dtype: Any) -> Any:
    """The same numbers in another dtype; the gradient comes back in the input's. Integers and
    booleans have none."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f" and isinstance(input, Node):
        return input.constant(input.data.astype(dtype))
    return _cast(input, dtype=dtype)


def repeat(input: Any, repeats: Sequence[int]) -> Any:
    """The input side by side with itself, as often as said for each dimension of the result.

    >>> import engine
    >>> engine.tensor([1, 2]).repeat(2, 2).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    counts = unpacked((repeats,))
    if len(counts) < input.ndim:
        raise ValueError(
            f"repeat: shape {input.shape} needs {input.ndim} numbers at least, not {counts}: "
            "one per dimension; tile adds ones in front"
        )
    return _repeat(input, repeats=_counted(counts, "repeat"))


def tile(input: Any, dims: Sequence[int]) -> Any:
    """`repeat`, with ones in front of `dims` where they are fewer than the dimensions."""
    counts = unpacked((dims,))
    missing = (1,) * (input.ndim - len(counts))
    return _tile(input, repeats=_counted((*missing, *counts), "tile"))


def _counted(counts: Dims, name: str) -> Dims:
    if min(counts, default=0) < 0:
        raise ValueError(f"{name}: a dimension cannot be repeated {min(counts)} times")
    return counts


def flip(input: Any, dims: int | Sequence[int]) -> Any:
    """The elements in reverse order along each of `dims`."""
    given = (dims,) if isinstance(dims, int) else tuple(dims)
    return _flip(input, dims=dimensions(input, given, "flip") if given else ())


def roll(input: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Any:
    """The elements shifted along `dims`; what falls off one end comes back at the other.

    Without `dims`, the input is shifted as if it were flat.
    """
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if dims is None and len(shifts) == 1:
        flat = _roll(reshape(input, (-1,)), shifts=shifts, dims=(0,))
        return reshape(flat, input.shape)
    given = (dims,) if isinstance(dims, int) else tuple(dims or ())
    if len(given) != len(shifts):
        raise ValueError(f"roll: {len(shifts)} shifts need as many dims, not {len(given)}")
    return _roll(input, shifts=shifts, dims=tuple(dimension(input, d, "roll") for d in given))


def tril(input: Any, diagonal: int = 0) -> Any:
    """The lower triangle of the last two dimensions; 0 above `diagonal`."""
    return _triangle(_tril, input, diagonal)


def triu(input: Any, diagonal: int = 0) -> Any:
    """The upper triangle of the last two dimensions; 0 below `diagonal`."""
    return _triangle(_triu, input, diagonal)


def _triangle(rule: Structural, input: Any, diagonal: int) -> Any:
    if input.ndim < 2:
        raise ValueError(f"{rule.name} is for two dimensions or more, not shape {input.shape}")
    return rule(input, diagonal=diagonal)


@numpy_names
def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors joined along a dimension that they have.

    >>> import engine
    >>> engine.cat([engine.tensor([[1], [2]]), engine.tensor([[3, 4], [5, 6]])], dim=1).tolist()
    [[1, 3, 4], [2, 5, 6]]
    """
    if not len(tensors):
        raise ValueError("cat: expected at least one tensor")
    # As in PyTorch, a tensor of shape (0,) goes with any other.
    parts = [x for x in tensors if np.shape(plain(x)) != (0,)] or tensors[:1]
    if rank(parts[0], "cat") == 0:
        raise ValueError("cat: tensors of no dimensions cannot be joined: use stack")
    return _cat(*parts, dim=dimension(parts[0], dim, "cat"))


@numpy_names
def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dimension."""
    if not len(tensors):
        raise ValueError("stack: expected at least one tensor")
    return _stack(*tensors, dim=dimension(tensors[0], dim, "stack", more=1))


@numpy_names
def split(
    tensor: Any, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Any, ...]:
    """Consecutive parts along `dim`: of one length (the last may be shorter), or of those given.

    >>> import engine
    >>> [part.tolist() for part in engine.arange(5).split(2)]
    [[0, 1], [2, 3], [4]]
    """
    dim = dimension(tensor, dim, "split")
    if tensor.ndim == 0:
        raise ValueError("split: a tensor of no dimensions cannot be split")
    total = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and total):
            raise ValueError(f"split: parts of {size} elements make no {total}")
        whole, rest = divmod(total, size) if size else (1, 0)
        lengths = [size] * whole + [rest] * bool(rest) or [0]
    else:
        lengths = list(split_size_or_sections)
        if sum(lengths) != total or min(lengths, default=0) < 0:
            raise ValueError(
                f"split: sections {lengths} must add up to {total}, the length of dim {dim}"
            )
    ends = np.cumsum(lengths).tolist()
    return tuple(
        getitem(tensor, _between(end - n, end, dim)) for n, end in zip(lengths, ends, strict=True)
    )


@numpy_names
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most `chunks` consecutive parts along `dim`, of one length but for the last."""
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be at least 1, not {chunks}")
    dim = dimension(input, dim, "chunk")
    if input.ndim == 0:
        raise ValueError("chunk: a tensor of no dimensions cannot be split")
    size = -(-input.shape[dim] // chunks)
    return split(input, size if size else [0] * chunks, dim)


@numpy_names
def unbind(input: Any, dim: int = 0) -> tuple[Any, ...]:
    """The slices along `dim`, one after the other, without that dimension.

    >>> import engine
    >>> [part.tolist() for part in engine.tensor([[1, 2], [3, 4]]).unbind(1)]
    [[1, 3], [2, 4]]
    """
    dim = dimension(input, dim, "unbind")
    if input.ndim == 0:
        raise ValueError("unbind: a tensor of no dimensions has no slices")
    return tuple(getitem(input, (slice(None),) * dim + (i,)) for i in range(input.shape[dim]))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        reshape, view, flatten, ravel, squeeze, unsqueeze, permute, transpose, t, broadcast_to,
        expand, sum_to, cast, repeat, tile, flip, roll, tril, triu, cat, stack, split, chunk,
        unbind,
    )
}  # fmt: skip
