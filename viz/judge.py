"""What a layer, all layers, and a loss say: each by its definition and its threshold.

Saturation and vanishing are two things: a net of unsaturated sigmoids vanishes, and a saturated
one may not. So activations are judged by their slopes, and gradients by their sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log

import numpy as np

from engine.node import Node
from viz import style
from viz.findings import DEFAULT, NETWORK, SOURCES, Finding, Severity, Thresholds, finding
from viz.probe import Array, Probe, rms
from viz.style import number

# --- one layer -----------------------------------------------------------------------------------


def judge(
    probe: Probe, thresholds: Thresholds = DEFAULT, dead_code: str = "DEAD"
) -> Iterator[Finding]:
    """What one layer says: DEAD (by the name that fits the data) or OFF, DORMANT, SATURATED."""
    dead = int(probe.dead.sum())
    code = "OFF" if probe.examples == 1 else dead_code
    yield from dead_units(probe.name, dead, probe.units, code, thresholds, probe.nodes)
    if probe.examples > 1:
        faint = probe.dormant(thresholds.dormant_tau)
        yield from _faint_units("DORMANT", probe, faint, thresholds.dormant_notice)
    if probe.bounded:
        yield from _saturated(probe, thresholds)


def _saturated(probe: Probe, thresholds: Thresholds) -> Iterator[Finding]:
    saturated = probe.saturated(thresholds.sat_slope)
    share = float(saturated.mean())
    if share <= thresholds.sat_notice:
        return
    detail = _side(probe, saturated)
    if saturated.size > 1:
        detail = f"{style.percent(share)} {detail}"
    elif not probe.hard and probe.zero.all():
        detail += ", slope 0 (below 1e-16)"
    grave = share > thresholds.sat_warning
    limit = thresholds.sat_warning if grave else thresholds.sat_notice
    severity: Severity = "warning" if grave else "notice"
    yield finding("SATURATED", severity, probe.name, share, limit, detail, probe.nodes)


def _faint_units(code: str, probe: Probe, faint: Array, limit: float) -> Iterator[Finding]:
    """DORMANT or STARVED, if more than that share of the units is. Those that are dead are called
    so, and not counted again."""
    count = int((faint & ~probe.dead).sum())
    if count > limit * probe.units:
        share, detail = count / probe.units, f"{count}/{probe.units}"
        yield finding(code, "notice", probe.name, share, limit, detail, probe.nodes)


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
    if share <= thresholds.dead_notice:
        return
    severity: Severity = "notice"
    if share > thresholds.dead_warning and code != "OFF":
        severity = "critical" if dead == units else "warning"
    limit = thresholds.dead_notice if severity == "notice" else thresholds.dead_warning
    detail = f"{dead}/{units}" if units > 1 else ""
    yield finding(code, severity, where, share, limit, detail, nodes)


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


def _side(probe: Probe, saturated: Array) -> str:
    """At which end of the activation: ``low``, ``high``, or both."""
    low = float((probe.inputs[saturated] < 0).mean())
    return "high" if low < 0.1 else "low" if low > 0.9 else "low and high"


# --- the net -------------------------------------------------------------------------------------


def judge_net(probes: Sequence[Probe], thresholds: Thresholds = DEFAULT) -> Iterator[Finding]:
    """What the gradients of all layers say: BLOCKED, VANISHING, EXPLODING, STARVED and so on."""
    sizes = [probe.grad_rms for probe in probes]
    if not sizes or not np.isfinite(sizes).all():
        return
    blocked = [probe for probe in probes if probe.grad_rms == 0 and not probe.dead.all()]
    if _by_depth(probes)[0] == 0:
        yield _blocked("critical", [probes[0], *blocked])
    else:
        if blocked:  # on one way of several
            yield _blocked("warning", blocked)
        yield from _judge_ratios(*ratios(probes), thresholds)
    median = float(np.median(sizes))
    for probe in probes:
        yield from _starved(probe, median, thresholds)


def _blocked(severity: Severity, probes: Sequence[Probe]) -> Finding:
    first, last = probes[0], probes[-1]
    further = "" if first is last else f", up to {last.name}"
    return finding("BLOCKED", severity, first.name, 0.0, 0.0, f"exactly 0{further}", first.nodes)


def _judge_ratios(
    ratio: float | None, rho: float | None, thresholds: Thresholds
) -> Iterator[Finding]:
    """R is what the whole net does to the gradient, rho what each layer does: neither follows
    from the other, and each has its own thresholds."""

    def over(code: str, severity: Severity, name: str, value: float, limit: float) -> Finding:
        return finding(code, severity, NETWORK, value, limit, f"{name} {number(value)}")

    if ratio is not None and ratio < thresholds.vanishing:
        yield over("VANISHING", "warning", "R", ratio, thresholds.vanishing)
    if ratio is not None and ratio > thresholds.exploding:
        yield over("EXPLODING", "warning", "R", ratio, thresholds.exploding)
    if rho is not None and rho < thresholds.shrinking:
        yield over("SHRINKING", "notice", "rho", rho, thresholds.shrinking)
    if rho is not None and rho > thresholds.growing:
        yield over("GROWING", "notice", "rho", rho, thresholds.growing)


def _starved(probe: Probe, median: float, thresholds: Thresholds) -> Iterator[Finding]:
    """STARVED: a layer, compared with the others; or else many of its units, with the rest. What
    gets exactly nothing is BLOCKED, or dead."""
    size, limit = probe.grad_rms, thresholds.starved * median
    if 0 < size < limit:
        detail = f"{number(size)}, median of the layers {number(median)}"
        yield finding("STARVED", "notice", probe.name, size, limit, detail, probe.nodes)
    elif probe.examples > 1:
        faint = probe.starving(thresholds.dormant_tau)
        for found in _faint_units("STARVED", probe, faint, thresholds.starved_notice):
            yield replace(found, source=f"{SOURCES['DORMANT'][0]}, on gradients")


def ratios(probes: Sequence[Probe]) -> tuple[float | None, float | None]:
    """R, the first layer's gradient over the last one's, and rho, the factor per layer."""
    sizes = _by_depth(probes)
    if not sizes.size or np.isnan(sizes).any():
        return None, None
    if sizes.size == 1:
        return 1.0, None
    with np.errstate(all="ignore"):
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


# --- the loss ------------------------------------------------------------------------------------


def judge_loss(graph: Sequence[Node], thresholds: Thresholds = DEFAULT) -> Iterator[Finding]:
    """Whether the cross-entropy of an untrained classifier is that of guessing: ln C.

    Of the cross-entropy alone, whatever is added to it; its mean, if it is a sum.
    """
    losses: dict[tuple[str, int], list[Node]] = {}
    for node in graph:
        if node.op in ("binary_cross_entropy_with_logits", "binary_cross_entropy"):
            if "pos_weight" not in node.parameters:
                losses.setdefault((node.op, 2), []).append(node)
        elif node.op == "cross_entropy" or _is_log_softmax(node):
            classes = np.shape(node.parents[0].data)[-1]
            losses.setdefault((node.op, classes), []).append(node)
    for (_, classes), nodes in losses.items():
        expected, found = log(classes), float(np.mean([_mean_loss(node) for node in nodes]))
        off = abs(found - expected)
        if off > thresholds.init_loss:
            detail = f"{number(found)}, expected ln {classes} = {number(expected)}"
            where = nodes[0].label or "the loss"
            limit = thresholds.init_loss
            yield finding("INIT_LOSS", "notice", where, off, limit, detail, tuple(nodes))


def _is_log_softmax(node: Node) -> bool:
    return node.op == "nll_loss" and node.parents[0].op == "log_softmax"


def _mean_loss(node: Node) -> float:
    """The mean over the examples, whatever the reduction."""
    total = float(np.mean(node.data))
    if node.parameters.get("reduction") != "sum":
        return total
    return total / np.size(node.parents[1].data)
