"""What a Recorder saw: a look at a net, and the events that become of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np

from viz.findings import Finding, Report, Severity, Thresholds, finding
from viz.measure import histogram
from viz.probe import Array, Probe
from viz.style import number

_BINS = 40


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen after so many steps.

    Attributes:
        step: how many steps of the optimizer were done.
        loss: on the probe.
        report: as of `viz.diagnose`, in evaluation mode; but DEAD only for units that were off at
            the last ``dead_patience`` looks.
        dead, saturated: of each layer, the share of each unit's examples with slope 0 (where
            the activation is hard), and with a saturated slope.
        histograms: of each layer's activations, counts and edges.
        updates: of each parameter, |change in this step| / |parameter|.
    """

    step: int
    loss: float
    report: Report
    dead: tuple[Array, ...] = field(repr=False)
    saturated: tuple[Array, ...] = field(repr=False)
    histograms: tuple[tuple[Array, Array], ...] = field(repr=False)
    updates: Mapping[str, float]


@dataclass(frozen=True, slots=True, repr=False)
class Event:
    """A finding that began at one step, and was over at another (None: not yet)."""

    step: int
    finding: Finding
    until: int | None = None

    def __repr__(self) -> str:  # one line, in a list too
        found = self.finding
        words = [found.code, found.where, found.detail]
        over = "" if self.until is None else f", until step {self.until}"
        return f"step {self.step}: {' '.join(filter(None, words))} ({found.severity}){over}"


def looked_at(steps: list[int]) -> str:
    """In words, at which steps."""
    if len(steps) > 12:
        shown = [*map(str, steps[:6]), "…", *map(str, steps[-3:])]
    else:
        shown = [str(step) for step in steps]
    return f"looked {len(steps)} times, at steps {', '.join(shown)}"


def judge_update(name: str, size: float, thresholds: Thresholds) -> Iterator[Finding]:
    """Whether a parameter moves too little or too much in a step. (One that is not finite any
    more is NONFINITE.)"""
    if not isfinite(size):
        return
    limits: dict[Severity, tuple[float, float]]
    limits = {"warning": thresholds.update_warning, "notice": thresholds.update}
    for severity, (low, high) in limits.items():
        if not low <= size <= high:
            limit = low if size < low else high
            found = finding("UPDATE", severity, name, size, limit, f"{number(size)} of its size")
            if size == 0:
                advice = "viz.why_zero of it, which names what blocks its gradient"
                found = replace(found, advice=advice, detail="does not move")
            yield found
            return


def shares(probe: Probe, elements: Array) -> Array:
    """Of each unit, the share of its examples where this holds."""
    counts = np.bincount(probe.unit, minlength=probe.units)
    return np.bincount(probe.unit, elements, minlength=probe.units) / counts


def distribution(values: Array) -> tuple[Array, Array]:
    """The histogram of those that are finite."""
    finite = values[np.isfinite(values)]
    return histogram(finite, _BINS) if finite.size else (np.zeros(1), np.zeros(2))
