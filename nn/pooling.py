"""Pooling: the largest, or the mean, of each window; and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.indexing import along
from engine.node import plain
from engine.readings import Array
from engine.rule import Structural
from nn.windows import Sizes, Window, check_input, from_windows, gathered, sizes

# --- the largest ------------------------------------------------------------------------------------


def _candidates(x: Array, window: Window) -> Array:
    """(..., *lengths) to (..., window, *places), with −∞ in the padding, which never wins."""
    columns = gathered(x, window, -np.inf)
    count = len(window.kernel)
    lead, places = columns.shape[: x.ndim - count], columns.shape[x.ndim :]
    return columns.reshape(*lead, math.prod(window.kernel), *places)


def _chosen(x: Array, window: Window, axis: int) -> Array:
    """The place of the first of the largest in each window; with nan, of the last nan."""
    # −∞ is raised to the least finite number: it is larger than what stands in the padding.
    columns = _candidates(np.maximum(x, np.finfo(x.dtype).min), window)
    largest = columns.argmax(axis, keepdims=True)
    missing = np.isnan(columns)
    if not missing.any():
        return largest
    last = columns.shape[axis] - 1 - np.flip(missing, axis).argmax(axis, keepdims=True)
    return np.where(missing.any(axis, keepdims=True), last, largest)


def _max_pool_vjp(m: Any, g: Any, x: Any, window: Window) -> Any:
    """All of it to the element that was chosen in each window."""
    axis = x.ndim - len(window.kernel)
    chosen = _chosen(plain(x), window, axis)
    columns = (*x.shape[:axis], math.prod(window.kernel), *g.shape[axis:])
    placed = m.place(m.reshape(g, chosen.shape), along(chosen, axis), columns)
    shape = (*x.shape[:axis], *window.kernel, *g.shape[axis:])
    return from_windows(m.reshape(placed, shape), window=window, lengths=x.shape[axis:])


def _max_pooling(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, window: _candidates(x, window).max(x.ndim - len(window.kernel)),
        lambda m, g, y, x, *, window: _max_pool_vjp(m, g, x, window),
    )


# --- the mean ---------------------------------------------------------------------------------------


def _kernel_dims(x: Any, window: Window) -> Sizes:
    return tuple(range(x.ndim - len(window.kernel), x.ndim))


def _avg_pool_vjp(m: Any, g: Any, x: Any, window: Window) -> Any:
    """Each element of a window gets 1 / (size of the window)."""
    axis = x.ndim - len(window.kernel)
    ones, places = (1,) * len(window.kernel), g.shape[axis:]
    share = m.reshape(g / math.prod(window.kernel), (*g.shape[:axis], *ones, *places))
    columns = m.broadcast_to(share, (*g.shape[:axis], *window.kernel, *places))
    return from_windows(columns, window=window, lengths=x.shape[axis:])


def _avg_pooling(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, *, window: gathered(x, window).mean(_kernel_dims(x, window)),
        lambda m, g, y, x, *, window: _avg_pool_vjp(m, g, x, window),
    )


_max_pool1d, _max_pool2d = map(_max_pooling, ("max_pool1d", "max_pool2d"))
_avg_pool1d, _avg_pool2d = map(_avg_pooling, ("avg_pool1d", "avg_pool2d"))


def max_pool1d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Any:
    """The largest of each window of a sequence, (N, C, L) or (C, L); windows follow each other
    without overlap unless `stride` says otherwise.

    >>> import engine
    >>> max_pool1d(engine.tensor([[1.0, 3.0, 2.0, 5.0]]), 2).tolist()
    [[3.0, 5.0]]
    """
    return _pool(1, _max_pool1d, input, kernel_size, stride, padding, dilation)


def max_pool2d(
    input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Any:
    """The largest of each window of an image, (N, C, H, W) or (C, H, W)."""
    return _pool(2, _max_pool2d, input, kernel_size, stride, padding, dilation)


def avg_pool1d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window of a sequence, (N, C, L) or (C, L); padding counts as zeros."""
    return _pool(1, _avg_pool1d, input, kernel_size, stride, padding, 1)


def avg_pool2d(input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window of an image, (N, C, H, W) or (C, H, W); padding counts as zeros."""
    return _pool(2, _avg_pool2d, input, kernel_size, stride, padding, 1)


def _pool(
    count: int,
    rule: Structural,
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
) -> Any:
    name = rule.name
    check_input(x, count, name, "C, L" if count == 1 else "C, H, W")
    kernel = sizes(kernel_size, count, name, "kernel_size")
    strides = kernel if stride is None else sizes(stride, count, name, "stride")
    around = sizes(padding, count, name, "padding", least=0)
    if any(2 * p > k for p, k in zip(around, kernel, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of kernel_size {kernel}")
    dilations = sizes(dilation, count, name, "dilation")
    window = Window(kernel, strides, tuple((n, n) for n in around), dilations)
    if min(window.places(x.shape[x.ndim - count :])) < 1:
        raise ValueError(f"{name}: windows of {kernel} do not fit into an input of {x.shape}")
    return rule(x, window=window)


# --- padding ----------------------------------------------------------------------------------------


def _inside(shape: Sizes, around: Sequence[tuple[int, int]]) -> tuple[tuple[slice, ...], ...]:
    """Which part of the input is kept, and where it stands in the result."""
    kept = tuple(slice(max(0, -a), n - max(0, -b)) for n, (a, b) in zip(shape, around, strict=True))
    placed = tuple(
        slice(max(0, a), max(0, a) + part.stop - part.start)
        for part, (a, _) in zip(kept, around, strict=True)
    )
    return kept, placed


def _filled(x: Array, around: Sequence[tuple[int, int]], value: float) -> Array:
    kept, placed = _inside(x.shape, around)
    out = np.full([n + a + b for n, (a, b) in zip(x.shape, around, strict=True)], value, x.dtype)
    out[placed] = x[kept]
    return out


def _pad_vjp(m: Any, g: Any, x: Any, around: Sequence[tuple[int, int]]) -> Any:
    kept, placed = _inside(x.shape, around)
    return m.place(m.getitem(g, placed), kept, x.shape)


_pad = Structural(
    "pad",
    lambda m, x, *, around, value: _filled(x, around, value),
    lambda m, g, y, x, *, around, value: _pad_vjp(m, g, x, around),
)
_pad_by_index = Structural(
    "pad",
    lambda m, x, *, index: x[index],
    lambda m, g, y, x, *, index: m.place(g, index, x.shape),
)
_SOURCES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # NumPy's names


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """More elements at the ends of the last dimensions: `pad` is (before, after) of the last,
    then of the one before it, and so on. Negative numbers take elements away.

    `mode` says what they are: "constant" (`value`, 0 by default), "reflect" (mirrored at the
    outermost element), "replicate" (the outermost element) or "circular" (those of the other end).

    >>> import engine
    >>> pad(engine.tensor([1.0, 2.0, 3.0]), (1, 2)).tolist()
    [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]
    >>> pad(engine.tensor([[1.0, 2.0, 3.0]]), (1, 2), mode="reflect").tolist()
    [[2.0, 1.0, 2.0, 3.0, 2.0, 1.0]]
    """
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad) - 1, 2)][::-1]
    if len(pad) % 2 or len(pairs) > input.ndim:
        raise ValueError(
            f"pad: {tuple(pad)} must be pairs, at most one for each of {input.ndim} dimensions"
        )
    around = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    if any(n + a + b < 0 for n, (a, b) in zip(input.shape, around, strict=True)):
        raise ValueError(f"pad: {tuple(pad)} takes more than an input of {input.shape} has")
    if mode == "constant":
        return _pad(input, around=around, value=0.0 if value is None else value)
    if mode not in _SOURCES:
        raise ValueError(f"pad: mode is constant, reflect, replicate or circular, not {mode!r}")
    if value is not None:
        raise ValueError(f"pad: value is for mode='constant', not {mode!r}")
    return _pad_by_index(input, index=np.ix_(*_sources(input.shape, around, mode)))


def _sources(shape: Sizes, around: Sequence[tuple[int, int]], mode: str) -> list[Array]:
    """For each dimension, which element of the input each element of the result is."""
    sources = []
    for n, (a, b) in zip(shape, around, strict=True):
        most = {"reflect": n - 1, "circular": n}.get(mode, max(a, b))
        if max(a, b) > most or (n == 0 and max(a, b) > 0):
            raise ValueError(f"pad: mode={mode!r} cannot add {max(a, b)} elements to {n}")
        index = np.arange(n)
        if mode == "circular":  # what is taken away does not come round
            index = _cropped(index, a, b)
        grown = np.pad(index, (max(a, 0), max(b, 0)), mode=_SOURCES[mode]) if n else index  # type: ignore[call-overload]
        sources.append(grown if mode == "circular" else _cropped(grown, a, b))
    return sources


def _cropped(index: Array, before: int, after: int) -> Array:
    return index[max(0, -before) : len(index) - max(0, -after)]
