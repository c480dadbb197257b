"""The gradient ladder: how large the gradient still is, layer by layer, and where it is lost.

One bar for each activation layer, from the input to the output, as long as RMS dL/dz has decades
over the smallest that is shown; and by what factor it differs from the layer after it that is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, log10
from typing import TypeVar

from viz.parts import Rung
from viz.style import plain, printable, shorten

_DECADES = 8.0  # from the largest to where a bar is a mere trace
_BAR = 24  # characters
_MOST = 24  # rungs of a picture

Layer = TypeVar("Layer")


def thinned(layers: Sequence[Layer]) -> Sequence[Layer]:
    """Of many layers some, evenly spread, the first and the last among them: what a strip beside
    a picture has room for.

    >>> thinned(range(100))[:3], thinned(range(100))[-1], thinned(range(5))
    ([0, 4, 8], 99, range(0, 5))
    """
    if len(layers) <= _MOST:
        return layers
    return [layers[place * (len(layers) - 1) // (_MOST - 1)] for place in range(_MOST)]


def ladder(layers: Iterable[tuple[str, float]]) -> tuple[Rung, ...]:
    """The rungs for layers, given by name and gradient, from the input to the output.

    >>> [(rung.factor, round(rung.length, 3)) for rung in ladder([("a", 1e-3), ("b", 0.1)])]
    [(0.01, 0.75), (None, 1.0)]
    """
    rows = list(layers)
    top = max((size for _, size in rows if isfinite(size)), default=0.0)
    rungs = []
    for place, (name, size) in enumerate(rows):
        later = rows[place + 1][1] if place + 1 < len(rows) else None
        factor = size / later if later else None
        length = 0.0  # of 0, inf and nan
        if 0 < size <= top:
            length = max(1.0 + (log10(size) - log10(top)) / _DECADES, 1 / _BAR)
        rungs.append(Rung(shorten(printable(name)), size, factor, length))
    return tuple(rungs)


def factor_text(rung: Rung) -> str:
    """By what the gradient is multiplied on its way into this layer."""
    return "" if rung.factor is None else f"×{plain(rung.factor)}"


def bar(rung: Rung) -> str:
    """The bar in characters."""
    return "█" * max(round(rung.length * _BAR), 1 if rung.length else 0)


def lines(rungs: Iterable[Rung]) -> list[str]:
    """The ladder for the terminal."""
    rungs = list(rungs)
    width = max((len(rung.name) for rung in rungs), default=0)
    return [
        f"{rung.name:<{width}}  {plain(rung.grad_rms):>9}  {factor_text(rung):>9}  {bar(rung)}".rstrip()
        for rung in rungs
    ]
