"""Arrays told in a few numbers, for pictures of Tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from viz import style
from viz.parts import Number, Summary
from viz.probe import Array, Probe, rms

_BARS = "▁▂▃▄▅▆▇█"


def measure(data: Any, *, logarithmic: bool = False) -> Number:
    """A float of one number, a `Summary` of more. The histogram of a gradient is ``logarithmic``,
    as its colours are."""
    if type(data) is float:
        return data
    array = np.asarray(data, np.float64)
    if array.size == 1:
        return float(array.item())
    if array.size == 0:
        return Summary(array.shape, 0.0, 0.0, 0.0, 0.0, 0.0)
    with np.errstate(all="ignore"):
        shown = np.log10(np.abs(array)) if logarithmic else array
        return Summary(
            array.shape,
            mean=float(array.mean()),
            sd=float(array.std()),
            low=float(array.min()),
            high=float(array.max()),
            rms=rms(array),
            zeros=float(np.mean(array == 0)),
            spark=_spark(shown[np.isfinite(shown)]),
        )


def _spark(values: Array) -> str:
    """A histogram of eight bars; a bar that is not empty can be seen."""
    if values.size == 0 or _inseparable(values, len(_BARS)):
        return ""
    counts, _ = histogram(values, len(_BARS))
    heights = np.ceil(counts * (len(_BARS) - 1) / counts.max()).astype(int)
    return "".join(_BARS[height] for height in heights)


def histogram(values: Array, bins: int) -> tuple[Array, Array]:
    """How many of these numbers, all finite, lie in each bin, and the bins' edges; numbers too
    near to each other lie in the middle.

    >>> counts, edges = histogram(np.array([1.0, 1.0, 4.0]), 3)
    >>> counts.tolist(), edges.tolist()
    ([2, 0, 1], [1.0, 2.0, 3.0, 4.0])
    """
    halves = values.astype(np.float64) / 2  # the difference of two floats may be too large for one
    low, high = float(halves.min()), float(halves.max())
    if _inseparable(values, bins):
        margin = max(0.25, 2 * bins * float(np.spacing(max(-low, high))))
        low, high = low - margin, high + margin
    counts, edges = np.histogram(halves, bins, (low, high))
    return counts, 2 * edges


def _inseparable(values: Array, bins: int) -> bool:
    """Whether they are so near to each other, equal but for rounding, that so many bins do not
    fit in between."""
    low, high = float(values.min()) / 2, float(values.max()) / 2
    return high - low < 2 * bins * float(np.spacing(max(-low, high)))


def shape_of(data: Any) -> tuple[int, ...]:
    """That of an array; () of a float, of which NumPy would first make an array."""
    return getattr(data, "shape", ())


def measure_all(data: Sequence[Any], *, logarithmic: bool = False) -> Number:
    """Many arrays, or many numbers, told as one array."""
    if len(data) == 1:
        return measure(data[0], logarithmic=logarithmic)
    flat = np.concatenate([np.ravel(part) for part in data]) if np.ndim(data[0]) else data
    return measure(flat, logarithmic=logarithmic)


def note_of(layer: Probe) -> str:
    """How much of an activation is saturated, how many of its units are off, its mean slope."""
    parts = []
    if layer.bounded:
        parts.append(f"sat {style.percent(float(layer.saturated().mean()))}")
    if layer.hard:
        word = "dead" if layer.examples > 1 else "off"
        parts.append(f"{word} {int(layer.zero.sum())}/{layer.units}")
    return "  ".join([*parts, f"slope {style.number(float(layer.slopes.mean()))}"])
