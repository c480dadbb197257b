"""Batch and layer normalisation: numbers brought to mean 0 and variance 1, then scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.dimensions import Dims, rank
from engine.node import plain
from engine.rule import Structural
from engine.shape import reshape


def _standardized(m: Any, x: Any, dim: Dims, eps: float) -> tuple[Any, Any]:
    """(x − mean) / deviation, and the deviation √(variance + eps)."""
    centred = x - m.mean(x, dim, True)
    deviation = m.sqrt(m.mean(centred * centred, dim, True) + eps)
    return centred / deviation, deviation


def _vjp(m: Any, g: Any, x: Any, dim: Dims, eps: float) -> Any:
    """Ioffe and Szegedy (2015): what of g is neither constant nor along the result, scaled."""
    y, deviation = _standardized(m, x, dim, eps)
    return (g - m.mean(g, dim, True) - y * m.mean(g * y, dim, True)) / deviation


def _plain_rule(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, dim, eps: _standardized(m, x, dim, eps)[0],
        lambda m, g, y, x, *, dim, eps: _vjp(m, g, x, dim, eps),
    )


def _affine_rule(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, w, b, *, dim, eps: _standardized(m, x, dim, eps)[0] * w + b,
        lambda m, g, y, x, w, b, *, dim, eps: _vjp(m, g * w, x, dim, eps),
        lambda m, g, y, x, w, b, *, dim, eps: m.sum_to(g * _standardized(m, x, dim, eps)[0], w),
        lambda m, g, y, x, w, b, *, dim, eps: m.sum_to(g, b),
    )


_RULES = {name: (_plain_rule(name), _affine_rule(name)) for name in ("batch_norm", "layer_norm")}


def _normalized(name: str, x: Any, dim: Dims, eps: float, weight: Any, bias: Any) -> Any:
    standardize, standardize_and_scale = _RULES[name]
    if weight is not None and bias is not None:
        return standardize_and_scale(x, weight, bias, dim=dim, eps=eps)
    return _scaled(standardize(x, dim=dim, eps=eps), weight, bias)


def _scaled(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel with mean 0 and variance 1 over the batch, times `weight`, plus `bias`.

    Shapes: input (N, C, ...), the others (C,). In training the statistics are those of the batch,
    and `running_mean` and `running_var`, if given, move towards them by `momentum`; otherwise
    the running ones are used, as they are.

    >>> import engine
    >>> x = engine.tensor([[1.0, 10.0], [3.0, 30.0]])
    >>> batch_norm(x, None, None, training=True, eps=0.0).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """
    if rank(input, "batch_norm") < 2:
        raise ValueError(f"batch_norm: expected an input of shape (N, C, ...), got {input.shape}")
    channels = input.shape[1]
    names = ("running_mean", "running_var", "weight", "bias")
    for name, x in zip(names, (running_mean, running_var, weight, bias), strict=True):
        if x is not None and x.shape != (channels,):
            raise ValueError(f"batch_norm: {name} has shape {x.shape}, expected ({channels},)")
    dims = (0, *range(2, input.ndim))

    def by_channel(x: Any) -> Any:
        shape = (channels, *(1,) * (input.ndim - 2))
        return x if x is None or x.shape == shape else reshape(x, shape)

    weight, bias = by_channel(weight), by_channel(bias)
    if training:
        count = math.prod(input.shape[d] for d in dims)
        if count < 2:
            raise ValueError(
                f"batch_norm: an input of shape {input.shape} has {count} value(s) per channel, "
                "whose variance means nothing: train with larger batches, or use eval()"
            )
        _move(running_mean, plain(input).mean(dims), momentum)
        _move(running_var, plain(input).var(dims, ddof=1), momentum)
        return _normalized("batch_norm", input, dims, eps, weight, bias)
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: outside training it needs running_mean and running_var")
    deviation = (by_channel(running_var) + eps) ** 0.5
    return _scaled((input - by_channel(running_mean)) / deviation, weight, bias)


def _move(running: Any, towards: Any, momentum: float) -> None:
    """Update a running statistic: a tensor gets a new array, an array is written to."""
    if isinstance(running, np.ndarray):
        running += momentum * (towards - running)
    elif running is not None:
        running.data = running.data + momentum * (towards - running.data).astype(running.dtype)


def layer_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """The last dimensions, those of `normalized_shape`, with mean 0 and variance 1, times
    `weight`, plus `bias`, both of that shape; Ba, Kiros and Hinton (2016).

    >>> import engine
    >>> layer_norm(engine.tensor([[1.0, 3.0], [10.0, 30.0]]), [2], eps=0.0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    first = rank(input, "layer_norm") - len(shape)
    if not shape or input.shape[max(first, 0) :] != shape:
        raise ValueError(
            f"layer_norm: an input of shape {input.shape} does not end in normalized_shape {shape}"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.shape != shape:
            raise ValueError(f"layer_norm: {name} has shape {x.shape}, expected {shape}")
    dims = tuple(range(first, input.ndim))
    return _normalized("layer_norm", input, dims, eps, weight, bias)
