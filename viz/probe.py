"""What is measured of an activation layer, element by element.

A layer is one Tensor, or some Values; here both are flat arrays, so that what is asked of a layer
(which units are dead, what share is saturated) is asked once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import isfinite, isnan, sqrt
from typing import Any, NamedTuple

import numpy as np

from engine import Tensor, Value
from engine.node import Node
from engine.rule import Elementwise
from viz.findings import DEFAULT

Array = np.ndarray[Any, Any]
Gradients = Mapping[Node, Any]


@dataclass(frozen=True)
class Probe:
    """The activations of one layer, element by element, all arrays flat and of one length."""

    name: str
    depth: int  # how many activations lie on the longest way to it from an input, itself included
    nodes: tuple[Node, ...]
    slopes: Array  # |f'(z)|
    inputs: Array  # z
    outputs: Array  # f(z)
    gradients: Array  # dL/dz; nan where it was not computed
    unit: Array  # to which unit of the layer an element belongs
    positions: int = 1  # of one unit in one example: height times width of an image

    def part(self, of: Sequence[Node]) -> Probe:
        """The same of some of its nodes alone."""
        chosen = set(of)
        if chosen.issuperset(self.nodes):
            return self
        kept = np.array([node in chosen for node in self.nodes])  # of Values: an element a node
        return replace(
            self,
            nodes=tuple(of),
            slopes=self.slopes[kept],
            inputs=self.inputs[kept],
            outputs=self.outputs[kept],
            gradients=self.gradients[kept],
            unit=np.unique(self.unit[kept], return_inverse=True)[1],
        )

    @cached_property
    def units(self) -> int:
        return int(self.unit.max(initial=-1)) + 1

    @cached_property
    def examples(self) -> int:
        """For how many examples the unit that was seen least was seen."""
        return int(np.bincount(self.unit).min(initial=self.unit.size)) // self.positions

    @cached_property
    def hard(self) -> bool:
        rule = self.nodes[0].rule
        return isinstance(rule, Elementwise) and rule.hard

    @cached_property
    def _profile(self) -> _Profile:
        node = self.nodes[0]
        if len(node.parents) > 1:  # max(x, 0)
            return _Profile(1.0, None)
        look = _profile_once if isinstance(node, Value) else _profile
        return look(node.rule, **node.arguments)

    @property
    def bounded(self) -> bool:
        """Whether the activation levels off on both sides of 0. (One that is cut off below 0, as
        relu6 is, spends half its time there, and should.)"""
        return self._profile.range is not None

    def saturated(self, below: float = DEFAULT.sat_slope) -> Array:
        """Which elements have a slope under this share of the largest that there is."""
        saturated: Array = self.slopes < below * self._profile.steepest
        return saturated

    @property
    def relative_slope(self) -> float:
        """The mean slope, as a share of the largest that there is."""
        return float(self.slopes.mean(dtype=np.float64)) / (self._profile.steepest or 1.0)

    @property
    def phi(self) -> float | None:
        """How much the outputs crowd at the ends of the range: Σ |mean of a bin| · its share, in
        ten bins of [-1, 1] (Rakitianskaia and Engelbrecht 2015). None without a range."""
        if self._profile.range is None or not np.isfinite(self.outputs).all():
            return None
        low, high = self._profile.range
        scaled = 2 * (self.outputs.astype(np.float64) - low) / (high - low) - 1
        bins = np.clip(((scaled + 1) * 5).astype(int), 0, 9)
        return float(np.abs(np.bincount(bins, scaled)).sum() / scaled.size)

    @cached_property
    def zero(self) -> Array:
        """Which units have slope 0 for every example."""
        off: Array = np.bincount(self.unit, self.slopes != 0) == 0
        return off

    @property
    def dead(self) -> Array:
        """Which of them are dead: of a soft operation, none."""
        return self.zero if self.hard else np.zeros_like(self.zero)

    def dormant(self, tau: float = DEFAULT.dormant_tau) -> Array:
        """Which units give almost nothing, compared with the mean of their layer."""
        return self._faint(self.outputs, tau)

    def starving(self, tau: float = DEFAULT.dormant_tau) -> Array:
        """Which units get almost no gradient, compared with the mean of their layer."""
        return self._faint(self.gradients, tau)

    def _faint(self, numbers: Array, tau: float) -> Array:
        with np.errstate(all="ignore"):
            sizes = np.bincount(self.unit, np.abs(numbers)) / np.bincount(self.unit)
            mean = sizes.mean()
            faint: Array = (sizes <= tau * mean) & (0 < mean < np.inf)  # else there is no share
        return faint

    @cached_property
    def grad_rms(self) -> float:
        return rms(self.gradients)


def rms(array: Array) -> float:
    """Root mean square, also where the squares are too small or too large for a float: a gradient
    of 1e-200 is not 0."""
    if array.size == 1:
        return float(abs(array.item()))
    with np.errstate(all="ignore"):
        mean = float(np.mean(np.square(array, dtype=np.float64)))
        if _SAFE < mean < 1 / _SAFE or isnan(mean):
            return sqrt(mean)
        top = float(np.max(np.abs(array), initial=0.0))
        if top == 0 or not isfinite(top):
            return top
        return top * sqrt(float(np.mean(np.square(np.divide(array, top, dtype=np.float64)))))


_SAFE = 1e-280


def joined(probes: Sequence[Probe]) -> Probe:
    """Several layers of one activation as if they were one."""
    if len(probes) == 1:
        return probes[0]
    before = np.cumsum([0, *(probe.units for probe in probes)])
    return replace(
        probes[0],
        nodes=tuple(node for probe in probes for node in probe.nodes),
        slopes=np.concatenate([probe.slopes for probe in probes]),
        inputs=np.concatenate([probe.inputs for probe in probes]),
        outputs=np.concatenate([probe.outputs for probe in probes]),
        gradients=np.concatenate([probe.gradients for probe in probes]),
        unit=np.concatenate([p.unit + n for p, n in zip(probes, before, strict=False)]),
    )


# --- the activation function of a layer ------------------------------------------------------


class _Profile(NamedTuple):
    steepest: float  # the largest slope
    range: tuple[float, float] | None  # of the output, if that levels off on both sides of 0


# Kinks are at whole numbers: the slope on either side, too.
_GRID = np.concatenate(
    [np.linspace(-20.0, 20.0, 4001), np.arange(-20, 21) - 1e-9, np.arange(-20, 21) + 1e-9,
     [-1e3, 1e3, -1e9, 1e9]]
)  # fmt: skip


def _profile(rule: Any, **arguments: Any) -> _Profile:
    """Measured, so that it holds for a learner's own activation too."""
    with np.errstate(all="ignore"):
        y = rule(Tensor(_GRID, requires_grad=True), **arguments)
        slopes = np.broadcast_to(np.abs(y.local(0)), _GRID.shape)
    steepest = float(np.nanmax(slopes))
    rises = slopes[np.abs(_GRID) < 0.1].min() > DEFAULT.sat_slope * steepest
    near, far = np.abs(y.data[-4:-2]).max(), np.abs(y.data[-2:]).max()
    if not (rises and far <= 1.01 * near + 1e-9):
        return _Profile(steepest, None)
    return _Profile(steepest, (float(y.data.min()), float(y.data.max())))


_profile_once = lru_cache(_profile)  # the rule of a Value has its arguments bound
