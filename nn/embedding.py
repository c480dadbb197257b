"""Embedding, a table of vectors looked up by index, and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.node import plain
from engine.random import generator
from engine.readings import Array
from engine.rule import Structural, elementwise

_embedding = Structural(
    "embedding",
    lambda m, weight, *, indices, scale: weight[indices],
    lambda m, g, y, weight, *, indices, scale: m.place(
        g if scale is None else g * scale, (indices,), weight.shape
    ),
)


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Any:
    """The rows of `weight` that `input` names: shapes (...) and (V, D) make (..., D).

    padding_idx         this row gets no gradient
    max_norm            rows that are used and have a larger `norm_type`-norm are first scaled
                        down to it, in `weight` itself
    scale_grad_by_freq  a row used k times in `input` gets 1/k of its gradient

    >>> import engine
    >>> table = engine.tensor([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]])
    >>> embedding(engine.tensor([2, 1, 2]), table).tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    """
    indices = np.asarray(plain(input))
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}, expected (rows, features)")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: input must be integers, not {indices.dtype}")
    rows = weight.shape[0]
    if indices.size and not 0 <= indices.min() <= indices.max() < rows:
        wrong = indices.max() if indices.max() >= rows else indices.min()
        raise IndexError(f"embedding: index {wrong} is out of range for {rows} rows")
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"embedding: padding_idx {padding_idx} is out of range for {rows} rows")
    if max_norm is not None:
        _limit(weight, np.unique(indices), max_norm, norm_type)
    scale = _scale(indices, rows, padding_idx, scale_grad_by_freq, weight.dtype)
    return _embedding(weight, indices=indices, scale=scale)


def _limit(weight: Any, used: Array, max_norm: float, norm_type: float) -> None:
    table = plain(weight).copy()
    norms = np.linalg.norm(table[used], norm_type, axis=1)
    long = norms > max_norm
    table[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None]
    if isinstance(weight, np.ndarray):
        weight[:] = table
    else:
        weight.data = table


def _scale(
    indices: Array, rows: int, padding_idx: int | None, by_frequency: bool, dtype: Any
) -> Array | None:
    """What the gradient of each row is multiplied by; None for 1."""
    if padding_idx is None and not by_frequency:
        return None
    scale = np.ones(indices.shape, dtype)
    if by_frequency:
        scale /= np.bincount(indices.ravel(), minlength=rows)[indices]
    if padding_idx is not None:
        scale[indices == padding_idx % rows] = 0
    return scale[..., None]


_dropout = elementwise("dropout", lambda m, x, *, mask: x * mask, lambda m, x, y, *, mask: mask)


def dropout(input: Any, p: float = 0.5, training: bool = True) -> Any:
    """Each element 0 with probability `p`, else divided by 1 − p: the expectation stays.

    Outside training, the input as it is. Srivastava et al. (2014).

    >>> import engine
    >>> engine.manual_seed(0)
    >>> sorted(set(dropout(engine.ones(100), p=0.75).tolist()))
    [0.0, 4.0]
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability from 0 to 1, not {p}")
    if not training or p == 0:
        return input
    kept = generator().random(np.shape(plain(input))) >= p
    mask = kept / (1 - p) if p < 1 else kept * 0.0
    return _dropout(input, mask=mask.astype(input.dtype) if hasattr(input, "dtype") else mask)
