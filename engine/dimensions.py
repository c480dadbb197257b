"""What the operations on whole arrays need of dimensions: checking, counting, naming them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

Dims = tuple[int, ...]


def rank(x: Any, name: str) -> int:
    """How many dimensions a tensor or an array has."""
    try:
        return x.ndim
    except AttributeError:
        raise TypeError(
            f"{name} of a {type(x).__name__}: it takes a Tensor or an array: write "
            "engine.tensor(...)"
        ) from None


def dimension(x: Any, dim: Any, name: str, *, more: int = 0) -> int:
    """`dim` counted from the front, if `x`, with so many dimensions more, has it."""
    ndim = rank(x, name) + more
    try:
        dim = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: dim is an integer, not {dim!r}") from None
    if not -ndim <= dim < ndim and not (ndim == 0 and dim in (0, -1)):
        raise IndexError(f"{name}: dim {dim} is out of range for a tensor of {ndim} dimensions")
    return dim % (ndim or 1)


def one_dimension(x: Any, dim: Any, name: str) -> Dims:
    """One dimension as a tuple; () where there is none."""
    dim = dimension(x, dim, name)
    return (dim,) if x.ndim else ()


def dimensions(x: Any, dim: int | Sequence[int] | None, name: str) -> Dims:
    """`dim` as a tuple of dimensions counted from the front; all of them for None or ()."""
    every = tuple(range(rank(x, name)))
    if dim is None:
        return every
    given = dim if isinstance(dim, (tuple, list, range)) else (dim,)
    dims = tuple(dimension(x, d, name) for d in given)
    if len(set(dims)) != len(dims):
        raise ValueError(f"{name}: dim {dim} names a dimension twice")
    return dims if dims and every else every


def kept(shape: Dims, dim: Dims) -> Dims:
    """The shape after a reduction over `dim` that keeps the dimensions, with length 1."""
    return tuple(1 if i in dim else n for i, n in enumerate(shape))


def unpacked(arguments: tuple[Any, ...]) -> Dims:
    """f(2, 3) and f((2, 3)) alike."""
    if len(arguments) == 1 and not hasattr(arguments[0], "__index__"):
        arguments = tuple(arguments[0])
    return tuple(operator.index(n) for n in arguments)


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
