"""Sliding windows: what convolution, pooling and padding are made of.

`windows` lays the neighbourhoods of all positions side by side, and `from_windows` adds them up
where they came from. They are linear and each other's transpose, so each is the other's vjp, and
whatever is written with them can be differentiated any number of times.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np

from engine.dimensions import rank
from engine.rule import Structural

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """How a window moves over the last dimensions: one number (or pair) for each of them."""

    kernel: Sizes
    stride: Sizes
    padding: tuple[tuple[int, int], ...]  # before and after
    dilation: Sizes

    def places(self, lengths: Sizes) -> Sizes:
        """How many places the window has along each dimension."""
        return tuple(
            (n + sum(around) - step * (size - 1) - 1) // stride + 1
            for n, size, stride, around, step in zip(lengths, *self, strict=True)
        )

    def offsets(self, lengths: Sizes) -> list[tuple[Sizes, tuple[slice, ...]]]:
        """For each element of the window, where it finds its elements in the padded input."""
        places = self.places(lengths)
        return [
            (
                at,
                tuple(
                    slice(i * step, i * step + stride * (count - 1) + 1, stride)
                    for i, step, stride, count in zip(
                        at, self.dilation, self.stride, places, strict=True
                    )
                ),
            )
            for at in product(*map(range, self.kernel))
        ]


def _padded(x: Any, window: Window, value: float) -> Any:
    if not np.any(window.padding):
        return x
    around = ((0, 0),) * (x.ndim - len(window.kernel)) + window.padding
    return np.pad(x, around, constant_values=value)


def gathered(x: Any, window: Window, value: float = 0.0) -> Any:
    """(..., *lengths) to (..., *kernel, *places); `value` stands in the padding."""
    count = len(window.kernel)
    lead, lengths = x.shape[: x.ndim - count], x.shape[x.ndim - count :]
    padded = _padded(x, window, value)
    out: Any = np.empty((*lead, *window.kernel, *window.places(lengths)), x.dtype)
    for at, where in window.offsets(lengths):
        out[(..., *at, *(slice(None),) * count)] = padded[(..., *where)]
    return out


def _scattered(columns: Any, window: Window, lengths: Sizes) -> Any:
    """The transpose of `gathered`."""
    count = len(window.kernel)
    lead = columns.shape[: columns.ndim - 2 * count]
    longer = [n + sum(around) for n, around in zip(lengths, window.padding, strict=True)]
    padded: Any = np.zeros((*lead, *longer), columns.dtype)
    for at, where in window.offsets(lengths):
        padded[(..., *where)] += columns[(..., *at, *(slice(None),) * count)]
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(lengths, window.padding, strict=True))
    return padded[(..., *inner)]


windows: Structural = Structural(
    "windows",
    lambda m, x, *, window: gathered(x, window),
    lambda m, g, y, x, *, window: from_windows(
        g, window=window, lengths=x.shape[x.ndim - len(window.kernel) :]
    ),
)
from_windows: Structural = Structural(
    "from_windows",
    lambda m, columns, *, window, lengths: _scattered(columns, window, lengths),
    lambda m, g, y, columns, *, window, lengths: windows(g, window=window),
)


def sizes(value: Any, count: int, function: str, argument: str, least: int = 1) -> Sizes:
    """A number for all dimensions, or one for each, checked."""
    given = (value,) * count if isinstance(value, int) else tuple(value)
    if len(given) == 1:
        given *= count
    if len(given) != count or min(given) < least:
        raise ValueError(
            f"{function}: {argument} is a number of at least {least}, or {count} of them, not "
            f"{value!r}"
        )
    return given


def check_input(x: Any, count: int, function: str, names: str) -> None:
    """With or without a batch: (N, C, ...) or (C, ...)."""
    if rank(x, function) not in (count + 1, count + 2):
        raise ValueError(
            f"{function}: expected an input of shape (N, {names}) or ({names}), got {x.shape}"
        )
