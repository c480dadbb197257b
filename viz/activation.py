"""One activation function: its curve, its slope, and where a gradient would be lost in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import Tensor, grad
from viz.findings import DEFAULT
from viz.probe import Array
from viz.style import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Function = Callable[[Any], Any]

LIMIT = 10.0  # the part of the line that shares are of: from −LIMIT to LIMIT
_GRID = np.linspace(-LIMIT, LIMIT, 4001)  # 0 and the whole numbers are among them
_FAR = np.array([1e2, 1e4, 1e8])


@dataclass(frozen=True, slots=True)
class Activation:
    """What can be said of a function of one number. Prints as a table.

    Attributes:
        name: what it is called.
        low, high: its range, as far as the line was looked at; ±inf where it grows for ever.
        monotone: "increasing", "decreasing" or "no".
        mean: of its output for standard normal input; zero-centred if under 0.05 of its spread.
        zero_centred: whether it is.
        flat: share of the line from −10 to 10 where the slope is exactly 0.
        saturated: share where it is under 5 % of the largest, the flat part included.
        largest_slope, steepest: the largest |slope|, and where it is.
        jumps, kinks: where the function, or only its slope, jumps.
        error: the largest difference between its slope and central differences, relative to the
            largest slope, away from jumps and kinks.
    """

    name: str
    low: float
    high: float
    monotone: str
    mean: float
    zero_centred: bool
    flat: float
    saturated: float
    largest_slope: float
    steepest: float
    jumps: tuple[float, ...]
    kinks: tuple[float, ...]
    error: float

    @property
    def smooth(self) -> bool:
        """Whether neither the function nor its slope jumps."""
        return not (self.jumps or self.kinks)

    @property
    def is_right(self) -> bool:
        """Whether the slope is that of the function."""
        return self.error < 1e-6

    def __str__(self) -> str:
        rows = {
            "range": f"{_bound(self.low)} to {_bound(self.high)}",
            "monotone": self.monotone,
            "zero-centred": f"{_yes(self.zero_centred)}, mean {number(self.mean)} for N(0, 1)",
            "slope exactly 0": f"{percent(self.flat)} of −10 … 10",
            "saturated": f"{percent(self.saturated)} of −10 … 10 (slope under 5% of the largest)",
            "largest slope": f"{number(self.largest_slope)} at {number(self.steepest)}",
            "smooth": self._smoothness(),
            "gradient check": f"{'right' if self.is_right else 'WRONG'}, error {self.error:.1e}",
        }
        return "\n".join([self.name, *(f"  {key:<16}{text}" for key, text in rows.items())])

    def _smoothness(self) -> str:
        places = [("jump", self.jumps), ("kink", self.kinks)]
        told = [
            f"{what}{'s' if len(xs) > 1 else ''} at {', '.join(map(number, xs))}"
            for what, xs in places
            if xs
        ]
        return f"no, {' and '.join(told)}" if told else "yes"


def describe_activation(f: Function) -> Activation:
    """Look at a function of one number: an operation, a module, or a formula of one's own.

    `f` takes and gives a Tensor, element by element.

    >>> import engine
    >>> print(describe_activation(engine.relu))
    relu
      range           0 to ∞
      monotone        increasing
      zero-centred    no, mean 0.3989 for N(0, 1)
      slope exactly 0 50% of −10 … 10
      saturated       50% of −10 … 10 (slope under 5% of the largest)
      largest slope   1 at 0.005
      smooth          no, kink at 0
      gradient check  right, error 3.8e-11
    """
    y, slope = _curve(f, _GRID)
    size = np.abs(slope)
    largest = float(np.nanmax(size))
    steepest = float(_GRID[np.nanargmax(size)])
    normal = np.exp(-(_GRID**2) / 2)
    normal /= normal.sum()
    mean = round(float(np.sum(normal * y)), 12)
    spread = float(np.sqrt(np.sum(normal * (y - mean) ** 2)))
    jumps = _jumps(lambda x: _curve(f, x)[0])
    kinks = tuple(x for x in _jumps(lambda x: _curve(f, x)[1]) if x not in jumps)
    steps = np.diff(y)
    return Activation(
        name_of(f),
        *_range(f, y),
        "increasing" if (steps >= 0).all() else "decreasing" if (steps <= 0).all() else "no",
        mean,
        abs(mean) <= 0.05 * spread,
        float(np.mean(size[:-1] == 0)),
        float(np.mean(size[:-1] < DEFAULT.sat_slope * largest)) if largest else 1.0,
        largest,
        steepest,
        jumps,
        kinks,
        _error(f, (*jumps, *kinks), largest),
    )


def plot_activation(f: Function, *, ax: Axes | None = None) -> Axes:
    """A function (thick) and its slope (dashed); shaded is where the slope is under 5 % of its
    largest, hatched where it is exactly 0: there a gradient is lost."""
    from viz.plots import COLORS, FLAT, SATURATED, axes_or_new

    ax = axes_or_new(ax)
    told = describe_activation(f)
    x = np.linspace(-6, 6, 2401)
    y, slope = _curve(f, x)
    size = np.abs(slope)
    across = ax.get_xaxis_transform()
    flat, low = size == 0, (size < DEFAULT.sat_slope * told.largest_slope) & (size > 0)
    if low.any():
        ax.fill_between(
            x, 0, 1, where=low, transform=across, color=SATURATED, alpha=0.3, lw=0,
            label="saturated: slope under 5% of its largest",
        )  # fmt: skip
    if flat.any():
        ax.fill_between(
            x, 0, 1, where=flat, transform=across, facecolor="#dddddd", edgecolor=FLAT, lw=0,
            hatch="///", label="slope exactly 0",
        )  # fmt: skip
    for place in (*told.jumps, *told.kinks):  # no line where there is none
        near = np.argmin(np.abs(x - place))
        slope[near] = np.nan
        if place in told.jumps:
            y[near] = np.nan
    ax.axhline(0, color="#999999", lw=0.8)
    ax.axvline(0, color="#999999", lw=0.8)
    ax.plot(x, y, color=COLORS[0], lw=2.5, label=told.name)
    ax.plot(x, slope, color=COLORS[1], lw=1.8, ls="--", label="its slope")
    top = max(1.1 * float(np.nanmax(slope)), min(float(np.nanmax(y)), 3.0)) + 0.1
    bottom = min(float(np.nanmin(slope)), max(float(np.nanmin(y)), -3.0), 0.0) - 0.2
    ax.set_ylim(bottom, top)
    ax.set_xlim(-6, 6)
    ax.set_xlabel("z")
    check = "right" if told.is_right else "WRONG"
    ax.set_title(
        f"{told.name}: largest slope {number(told.largest_slope)}, gradient check {check}",
        loc="left",
    )
    ax.legend(loc="upper left", fontsize=8)
    return ax


def name_of(f: Function) -> str:
    """What a function is called; of a module, its class."""
    return getattr(f, "__name__", None) or type(f).__name__


def _curve(f: Function, x: Array) -> tuple[Array, Array]:
    """The function and its slope, element by element."""
    leaf = Tensor(x, requires_grad=True)
    with np.errstate(all="ignore"):
        y = f(leaf)
        if not isinstance(y, Tensor) or y.shape != leaf.shape:
            raise TypeError(f"{name_of(f)} must take a Tensor and give one of the same shape")
        (slope,) = grad(y, leaf, np.ones_like(x)) if y.requires_grad else (np.zeros_like(x),)
    return np.array(y.data, np.float64), np.array(slope, np.float64)


def _range(f: Function, y: Array) -> tuple[float, float]:
    """The least and the greatest value; infinite if it still grows in proportion far out."""
    far = np.concatenate([_curve(f, -_FAR)[0], _curve(f, _FAR)[0]])
    far = np.where(np.isnan(far), 0.0, far)
    low, high = float(min(np.nanmin(y), far.min())), float(max(np.nanmax(y), far.max()))
    near = 10 * float(np.nanmax(np.abs(y))) + 1
    return (-inf if low < -near else low), (inf if high > near else high)


def _jumps(curve: Callable[[Array], Array]) -> tuple[float, ...]:
    """Where a curve jumps: steps of the grid that stay a step however closely one looks."""
    steps = np.abs(np.diff(curve(_GRID)))
    places = np.flatnonzero(steps > 1e-3)
    left, right = _GRID[places], _GRID[places + 1]
    for _ in range(40):
        middle = (left + right) / 2
        a, m, b = (curve(x) for x in (left, middle, right))
        nearer = np.abs(m - a) > np.abs(b - m)
        left, right = np.where(nearer, left, middle), np.where(nearer, middle, right)
    jumps = np.abs(curve(right) - curve(left)) > 0.3 * steps[places]
    found = np.round((left + right)[jumps] / 2, 6) + 0.0  # no −0
    return tuple(np.unique(found).tolist())


def _error(f: Function, breaks: tuple[float, ...], largest: float) -> float:
    x = np.random.default_rng(0).uniform(-LIMIT, LIMIT, 500)
    for place in breaks:
        x = x[np.abs(x - place) > 1e-3]
    h = 1e-5
    numeric = (_curve(f, x + h)[0] - _curve(f, x - h)[0]) / (2 * h)
    return float(np.max(np.abs(numeric - _curve(f, x)[1]), initial=0.0) / (largest or 1.0))


def _bound(x: float) -> str:
    return number(round(x, 6)) if isfinite(x) else "∞" if x > 0 else "−∞"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"
