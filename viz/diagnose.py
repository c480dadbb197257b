"""Looking at a net: every activation layer measured and judged, R and rho, the first nan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

import engine
import nn
from engine.backprop import check_fresh
from engine.node import Node
from viz.findings import DEFAULT, Layer, Report, Thresholds, gravest_first
from viz.judge import judge, judge_loss, judge_net, ratios
from viz.layers import layers_of
from viz.origins import origins
from viz.probe import Probe
from viz.walk import walk


def diagnose(
    subject: Any,
    x: Any = None,
    loss: Callable[[Any], Any] | None = None,
    *,
    whole: bool = True,
    at_init: bool = False,
    thresholds: Thresholds = DEFAULT,
) -> Report:
    """Look at every activation layer of a net, or of a graph.

    Arguments:
        subject: a model, or the root of a graph.
        x: what the model is applied to; not given with a graph. A network of `Value`s takes one
            example, and is applied to each of several.
        loss: makes a scalar of the model's output; not given with a graph. Only the model's own
            activations are judged, not those that the loss is made of.
        whole: that x is the whole set, or enough of it. Without, a unit that is off for all of x
            is INACTIVE; with it, DEAD.
        at_init: that the model is untrained. A unit that is off now is BORN_DEAD, and the loss is
            compared with that of guessing (INIT_LOSS).
        thresholds: where findings begin.

    Nothing is changed: no `.grad` is written, and running statistics stay as they are.

    A warning is an alarm, a notice is not: SHRINKING says what two sigmoid layers do to a gradient,
    which is true of a healthy net too, and matters when more are added.

    >>> from engine import Value
    >>> report = diagnose(Value(10.0, label="x").sigmoid())
    >>> report.findings[0].code, report.layers[0].saturated
    ('SATURATED', 1.0)
    """
    if isinstance(subject, Node) != (loss is None):
        raise TypeError("write diagnose(model, x, loss) for a model, diagnose(root) for a graph")
    dead = "BORN_DEAD" if at_init else "DEAD" if whole else "INACTIVE"
    report, _, root = examine(subject, x, loss, thresholds, dead)
    if not at_init:
        return report
    at_first = judge_loss(walk(root), thresholds)
    return replace(report, findings=gravest_first(chain(report.findings, at_first)))


def examine(
    subject: Any, x: Any, loss: Callable[[Any], Any] | None, thresholds: Thresholds, dead: str
) -> tuple[Report, list[Probe], Node]:
    """The report, what it was made of, and the loss. ``dead`` is what to call a dead unit."""
    output = subject if loss is None else _applied(subject, x)
    root = subject if loss is None else loss(output)
    graph = walk(root)
    check_fresh(graph)
    inside = set().union(*map(walk, _nodes_in(output)))
    gradients = {step.operand: step.grad for step in engine.steps(root)}
    probes = layers_of(graph, gradients, inside)
    findings = chain(
        origins(graph, gradients),
        *(judge(probe, thresholds, dead) for probe in probes),
        judge_net(probes, thresholds),
    )
    rows = tuple(_row(probe, thresholds) for probe in probes)
    return Report(gravest_first(findings), rows, *ratios(probes)), probes, root


def _applied(model: Any, x: Any) -> Any:
    """The model's output, its running statistics left as they are."""
    several = isinstance(x, (Sequence, np.ndarray)) and isinstance(x[0], (Sequence, np.ndarray))
    if several and isinstance(model, (nn.Neuron, nn.Layer, nn.MLP)):
        return [model(example) for example in x]
    before = [(buffer, np.array(buffer.data)) for buffer in getattr(model, "buffers", list)()]
    output = model(x)
    for buffer, data in before:
        buffer.data = data
    return output


def _nodes_in(output: Any) -> Iterator[Node]:
    """The nodes of what a model gives: one, or a list, a tuple or a dictionary of some."""
    if isinstance(output, Node):
        yield output
    elif isinstance(output, (list, tuple, Mapping)):
        for part in output.values() if isinstance(output, Mapping) else output:
            yield from _nodes_in(part)


def _row(probe: Probe, thresholds: Thresholds) -> Layer:
    return Layer(
        probe.name,
        probe.units,
        float(probe.saturated(thresholds.sat_slope).mean()),
        int(probe.dead.sum()),
        probe.grad_rms,
        probe.examples,
        probe.relative_slope,
        probe.phi,
    )
