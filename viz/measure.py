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
    if values.size == 0 or values.min() == values.max():
        return ""
    counts, _ = np.histogram(values, len(_BARS))
    heights = np.ceil(counts * (len(_BARS) - 1) / counts.max()).astype(int)
    return "".join(_BARS[height] for height in heights)


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
