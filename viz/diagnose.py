"""Where a gradient fades, and why: saturated, dead and starved layers, R and rho, the first nan.

Saturation and vanishing are two things: a net of unsaturated sigmoids vanishes, and a saturated
one may not. So activations are judged by their slopes, and gradients by their sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from math import inf, isfinite, log
from typing import Any

import numpy as np

import engine
from engine.backprop import check_fresh
from engine.node import Node
from viz import style
from viz.findings import (
    DEFAULT,
    Finding,
    Layer,
    Report,
    Severity,
    Thresholds,
    finding,
    gravest_first,
)
from viz.layers import Array, Gradients, Probe, layers_of, rms
from viz.style import number
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
        x: what the model is applied to; not given with a graph.
        loss: makes a scalar of the model's output; not given with a graph. Only the model's own
            activations are judged, not those that the loss is made of.
        whole: that x is the whole set, or enough of it. Without, a unit that is off for all of x
            is INACTIVE; with it, DEAD.
        at_init: that the model is untrained. A unit that is off now is BORN_DEAD, and the loss is
            compared with that of guessing (INIT_LOSS).
        thresholds: where findings begin.

    Nothing is changed: no `.grad` is written.

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
    at_first = judge_loss(root, walk(root), thresholds)
    return replace(report, findings=gravest_first(chain(report.findings, at_first)))


def examine(
    subject: Any, x: Any, loss: Callable[[Any], Any] | None, thresholds: Thresholds, dead: str
) -> tuple[Report, list[Probe], Node]:
    """The report, what it was made of, and the loss. ``dead`` is what to call a dead unit."""
    output = subject if loss is None else subject(x)
    root = subject if loss is None else loss(output)
    outputs = output if isinstance(output, (list, tuple)) else [output]
    graph = walk(root)
    check_fresh(graph)
    inside = set().union(*map(walk, outputs))
    gradients = {step.operand: step.grad for step in engine.steps(root)}
    probes = layers_of([node for node in graph if node in inside], gradients)
    findings = chain(
        origins(graph, gradients),
        *(judge(probe, thresholds, dead) for probe in probes),
        judge_net(probes, thresholds),
    )
    rows = tuple(_row(probe, thresholds) for probe in probes)
    return Report(gravest_first(findings), rows, *ratios(probes)), probes, root


def judge(
    probe: Probe, thresholds: Thresholds = DEFAULT, dead_code: str = "DEAD"
) -> Iterator[Finding]:
    """What one layer says: DEAD (by the name that fits the data) or OFF, DORMANT, SATURATED."""
    dead = int(probe.zero.sum()) if probe.hard else 0
    code = "OFF" if probe.examples == 1 else dead_code
    yield from dead_units(probe.name, dead, probe.units, code, thresholds, probe.nodes)
    dormant = int((probe.dormant(thresholds.dormant_tau) & ~(probe.zero & probe.hard)).sum())
    share = dormant / probe.units
    if not probe.bounded and probe.examples > 1 and share > thresholds.dormant_notice:
        yield finding(
            "DORMANT",
            "notice",
            probe.name,
            share,
            thresholds.dormant_notice,
            f"{dormant}/{probe.units}",
            probe.nodes,
        )
    saturated = probe.saturated(thresholds.sat_slope)
    share = float(saturated.mean())
    if probe.bounded and share > thresholds.sat_notice:
        severity = _severity(share, thresholds.sat_warning)
        detail = _side(probe, saturated)
        if saturated.size > 1:
            detail = f"{style.percent(share)} {detail}"
        elif not probe.hard and probe.zero.all():
            detail += ", slope 0 (below 1e-16)"
        yield finding(
            "SATURATED", severity, probe.name, share, thresholds.sat_notice, detail, probe.nodes
        )


def dead_units(
    where: str,
    dead: int,
    units: int,
    code: str,
    thresholds: Thresholds = DEFAULT,
    nodes: tuple[Node, ...] = (),
) -> Iterator[Finding]:
    """DEAD, under whatever name, if that many units of a layer are."""
    share = dead / units
    if share > thresholds.dead_notice:
        severity = _severity(share, thresholds.dead_warning, all_of_them=1.0)
        if code == "OFF":
            severity = "notice"
        detail = f"{dead}/{units}" if units > 1 else ""
        yield finding(code, severity, where, share, thresholds.dead_notice, detail, nodes)


def judge_drawn(probe: Probe) -> Iterator[Finding]:
    """The same of what is one node of a picture, where a fold must not hide a single unit."""
    several = len(probe.nodes) > 1
    found = list(judge(probe, replace(DEFAULT, dead_notice=0.0) if several else DEFAULT))
    yield from found
    if several and probe.bounded and all(finding.code != "SATURATED" for finding in found):
        saturated = probe.saturated()
        share = np.bincount(probe.unit, saturated) / np.bincount(probe.unit)
        stuck = int(np.sum(share >= DEFAULT.sat_unit))
        if stuck:
            yield finding(
                "SATURATED",
                "notice",
                probe.name,
                stuck / probe.units,
                0.0,
                f"{stuck}/{probe.units} units",
                probe.nodes,
            )


def judge_net(probes: Sequence[Probe], thresholds: Thresholds = DEFAULT) -> Iterator[Finding]:
    """What the gradients of all layers say: BLOCKED, VANISHING, EXPLODING, STARVED and so on."""
    sizes = [probe.grad_rms for probe in probes]
    ratio, rho = ratios(probes)
    if not sizes or not np.isfinite(sizes).all():
        return
    if _by_depth(probes)[0] == 0:
        yield finding("BLOCKED", "critical", probes[0].name, 0.0, 0.0)
    elif ratio is not None and ratio < thresholds.vanishing:
        yield finding("VANISHING", "warning", "", ratio, thresholds.vanishing, f"R {number(ratio)}")
    elif ratio is not None and ratio > thresholds.exploding:
        yield finding("EXPLODING", "warning", "", ratio, thresholds.exploding, f"R {number(ratio)}")
    elif rho is not None and rho < thresholds.shrinking:
        yield finding("SHRINKING", "notice", "", rho, thresholds.shrinking, f"rho {number(rho)}")
    elif rho is not None and rho > thresholds.growing:
        yield finding("GROWING", "notice", "", rho, thresholds.growing, f"rho {number(rho)}")
    limit = thresholds.starved * float(np.median(sizes))
    for probe, size in zip(probes, sizes, strict=True):
        if 0 < size < limit:
            yield finding("STARVED", "notice", probe.name, size, limit, "", probe.nodes)


def judge_loss(
    root: Node, graph: Sequence[Node], thresholds: Thresholds = DEFAULT
) -> Iterator[Finding]:
    """Whether the loss of an untrained classifier is that of guessing: ln C."""
    for node in graph:
        if node.op == "binary_cross_entropy_with_logits" or node.op == "binary_cross_entropy":
            classes = 2
        elif node.op == "cross_entropy":
            classes = np.shape(node.parents[0].data)[-1]
        else:
            continue
        expected, found = log(classes), float(np.mean(root.data))
        off = abs(found - expected)
        if off > thresholds.init_loss:
            detail = f"{number(found)}, expected ln {classes} = {number(expected)}"
            yield finding(
                "INIT_LOSS", "notice", root.label, off, thresholds.init_loss, detail, (root,)
            )
        return


def origins(graph: Sequence[Node], gradients: Gradients) -> Iterator[Finding]:
    """Where nan or inf comes from: not finite itself, computed from what was.

    ``graph`` is in the order of `walk`. On the way forward these are nodes; on the way back,
    nodes whose gradient is not finite although the gradients of all that use them are.
    """
    spoilt = {node for node in graph if not _is_finite(node.data)}
    first = [node for node in graph if node in spoilt and spoilt.isdisjoint(node.parents)]
    for node in first:
        yield _origin(node, "value", node.data)
    if first:
        return
    users: dict[Node, list[Node]] = {}
    for node in graph:
        for operand in node.parents:
            users.setdefault(operand, []).append(node)
    spoilt = {node for node in graph if not _is_finite(gradients.get(node, 0.0))}
    for node in graph:
        if node in spoilt and spoilt.isdisjoint(users.get(node, ())):
            yield _origin(node, "gradient", gradients[node])


def _is_finite(data: Any) -> bool:
    return isfinite(data) if data.__class__ is float else bool(np.isfinite(data).all())


def ratios(probes: Sequence[Probe]) -> tuple[float | None, float | None]:
    """R, the first layer's gradient over the last one's, and rho, the factor per layer."""
    sizes = _by_depth(probes)
    if not sizes.size or np.isnan(sizes).any():
        return None, None
    if sizes.size == 1:
        return 1.0, None
    ratio = 0.0 if sizes[0] == 0 else float(sizes[0] / sizes[-1]) if sizes[-1] else None
    usable = np.flatnonzero((sizes > 0) & np.isfinite(sizes))
    if usable.size < 2:
        return ratio, None
    trend = np.polyfit(usable, np.log10(sizes[usable]), 1)[0]
    return ratio, float(10.0**-trend)


def _by_depth(probes: Sequence[Probe]) -> Array:
    """The gradients from the first layer to the last. Layers at one depth lie side by side, not
    one after the other: they count as one."""
    gradients: dict[int, list[Array]] = {}
    for probe in probes:
        gradients.setdefault(probe.depth, []).append(probe.gradients)
    return np.array([rms(np.concatenate(gradients[depth])) for depth in sorted(gradients)])


def _origin(node: Node, what: str, data: Any) -> Finding:
    kind = "nan" if np.isnan(data).any() else "inf"
    where = node.label or node.op or "a leaf"
    return finding("NONFINITE", "critical", where, float(kind), 0.0, f"{what} {kind}", (node,))


def _severity(share: float, warning: float, all_of_them: float = inf) -> Severity:
    if share >= all_of_them:
        return "critical"
    return "warning" if share > warning else "notice"


def _side(probe: Probe, saturated: Array) -> str:
    """At which end of the activation: ``low``, ``high``, or both."""
    low = float((probe.inputs[saturated] < 0).mean())
    return "high" if low < 0.1 else "low" if low > 0.9 else "low and high"


def _row(probe: Probe, thresholds: Thresholds) -> Layer:
    return Layer(
        probe.name,
        probe.units,
        float(probe.saturated(thresholds.sat_slope).mean()),
        int(probe.zero.sum()) if probe.hard else 0,
        probe.grad_rms,
        probe.examples,
    )
