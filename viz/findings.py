"""What a diagnosis says: its thresholds, its findings, its report. Plain data."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from viz import style
from viz.ladder import bar, factor_text, ladder

Severity = Literal["notice", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where each finding begins, and who drew the line.

    Arguments:
        sat_slope: an element is saturated if its slope is under this share of the operation's
            largest slope. 0.05 lies beside Karpathy's |tanh| > 0.97 (makemore, part 3), which is
            0.059, and needs no range of outputs.
        sat_notice, sat_warning: a layer's share of saturated elements; 50 % is the layer
            threshold of SageMaker Debugger and DeepDiagnosis (Wardat et al., ICSE 2022).
        sat_unit: a unit is saturated if this share of its examples is.
        dead_notice, dead_warning: a layer's share of dead units; all of them are critical, for
            then nothing before the layer learns (CS231n; Lu et al., arXiv 1903.06733).
        vanishing, exploding: of R, the first layer's gradient over the last one's (AutoTrainer,
            Zhang et al., ICSE 2021).
        shrinking, growing: of rho, the factor from layer to layer (Nielsen, chapter 5; Pascanu et
            al., arXiv 1211.5063).
        starved: of a layer's gradient over the median of all layers.
        dormant_tau: of a unit's mean |activation| over its layer's mean, under which it is dormant
            (Sokar et al., arXiv 2302.12902), and of its mean |gradient|, under which it starves.
        dormant_notice, starved_notice: a layer's share of dormant, and of starving units, dead ones
            not counted. More than DEAD asks for: in many a healthy ReLU net one unit in ten is so
            faint, and in well trained nets the gradients of a quarter are.
        update, update_warning: of |step| / |parameter|, from and to; 1e-3 is about right (CS231n;
            Karpathy, makemore 3; DeepDiagnosis).
        init_loss: of |loss − ln C| before training, in nats (Karpathy, makemore 3).
    """

    sat_slope: float = 0.05
    sat_notice: float = 0.25
    sat_warning: float = 0.50
    sat_unit: float = 0.90
    dead_notice: float = 0.10
    dead_warning: float = 0.50
    vanishing: float = 1e-3
    exploding: float = 70.0
    shrinking: float = 0.5
    growing: float = 2.0
    starved: float = 1e-3
    dormant_tau: float = 0.025
    dormant_notice: float = 0.25
    starved_notice: float = 0.50
    update: tuple[float, float] = (1e-4, 1e-2)
    update_warning: tuple[float, float] = (1e-5, 1e-1)
    init_loss: float = 0.5


DEFAULT = Thresholds()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth a look.

    Attributes:
        code: what it is, SATURATED for example.
        severity: "notice", "warning" or "critical". A notice alone is no alarm.
        where: the layer, the parameter or the operation; ``the network`` for R and rho.
        value, threshold, source: ``value`` passed ``threshold``, which ``source`` proposed.
        advice: one thing to try.
        detail: how much, in words.
        nodes: those it was seen at; none where it is about the whole net.
    """

    code: str
    severity: Severity
    where: str
    value: float
    threshold: float
    source: str
    advice: str
    detail: str = ""
    nodes: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        return _told([self])


NETWORK = "the network"  # where R and rho are

# What a finding is based on, and what to try.
SOURCES = {
    "NONFINITE": ("IEEE 754", "run it under engine.detect_anomaly(), which names the line"),
    "BLOCKED": ("CS231n", "viz.why_zero of its weight, which names the wall of zero slopes"),
    "DEAD": ("CS231n; Lu et al. 2019", "lower the learning rate, or use a leaky ReLU"),
    "INACTIVE": ("CS231n", "look at more examples before calling it dead"),
    "BORN_DEAD": ("Lu et al., arXiv 1903.06733", "widen the layer, or initialise its biases at 0"),
    "OFF": ("CS231n", "look at a whole batch before worrying; for one example it is normal"),
    "SATURATED": (
        "SageMaker and DeepDiagnosis; of slopes by Karpathy, makemore 3",
        "smaller initial weights; but it is harmless where the answers are right",
    ),
    "DORMANT": ("Sokar et al. 2023", "a smaller layer, or larger weights into these units"),
    "UPDATE": ("CS231n; Karpathy, makemore 3", "another learning rate: 1e-3 is about right"),
    "INIT_LOSS": ("Karpathy, makemore 3", "smaller weights in the last layer, its bias at 0"),
    "STARVED": (
        "AutoTrainer 2021, here against the median layer",
        "viz.why_small of its weight, which names what loses the gradient",
    ),
    "VANISHING": ("AutoTrainer 2021", "ReLU with He initialisation, or skip connections"),
    "SHRINKING": ("Nielsen, chapter 5", "another initialisation before adding layers"),
    "EXPLODING": ("AutoTrainer 2021", "smaller initial weights, or clip the gradient"),
    "GROWING": ("Pascanu et al. 2013", "another initialisation before adding layers"),
}

_PLACES = 4  # that are told of findings of one kind
_GRAVITY = {"critical": 0, "warning": 1, "notice": 2}


def finding(
    code: str,
    severity: Severity,
    where: str,
    value: float,
    threshold: float,
    detail: str = "",
    nodes: tuple[Any, ...] = (),
) -> Finding:
    """A finding with the source and the advice that belong to its code."""
    return Finding(code, severity, where, value, threshold, *SOURCES[code], detail, nodes)


def _told(findings: Sequence[Finding]) -> str:
    """Findings of one kind: where and how much, by whose threshold, and what to try."""
    first = findings[0]
    places = []
    for found in findings[:_PLACES]:
        where = style.shorten(style.printable(found.where))
        places.append(": ".join(filter(None, (where, found.detail))))
    if len(findings) > _PLACES:
        places.append(f"and {len(findings) - _PLACES} more")
    limit = f"limit {style.number(first.threshold)} by " if first.threshold else ""
    told = f"({first.severity}; {limit}{first.source}). Try: {first.advice}"
    return " ".join(filter(None, (first.code, "; ".join(filter(None, places)), told)))


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    codes = list(SOURCES)
    return tuple(sorted(findings, key=lambda f: (_GRAVITY[f.severity], codes.index(f.code))))


@dataclass(frozen=True, slots=True)
class Layer:
    """One activation layer: the shares and sizes that findings are made of.

    Attributes:
        name: the layer's name.
        units: how many units it has.
        saturated: mean share of elements whose slope is under ``Thresholds.sat_slope`` of the
            operation's largest.
        dead: units of a hard operation whose slope is exactly 0 for every example.
        grad_rms: root mean square of dL/dz, z being what the activation is applied to.
        examples: for how many examples each unit was seen.
        slope: mean slope, as a share of the operation's largest.
        phi: how much the outputs crowd at the ends of their range, from 0 to 1; 0.5 is an even
            spread (Rakitianskaia and Engelbrecht 2015, in ten bins). None without a range.
    """

    name: str
    units: int
    saturated: float
    dead: int
    grad_rms: float
    examples: int
    slope: float
    phi: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What `viz.diagnose` found. Prints as a table.

    Attributes:
        findings: the gravest first.
        layers: one row per activation layer, from the input to the output.
        R: the first layer's gradient over the last one's; 1 with one layer, None without.
        rho: the factor by which the gradient changes from layer to layer on its way back, by least
            squares; None where fewer than two layers get a gradient.
    """

    findings: tuple[Finding, ...]
    layers: tuple[Layer, ...]
    R: float | None
    rho: float | None

    def to_dict(self) -> dict[str, Any]:
        """The report as dictionaries and lists, for JSON."""
        findings = [
            {name: getattr(finding, name) for name in finding.__slots__ if name != "nodes"}
            for finding in self.findings
        ]
        layers = [asdict(layer) for layer in self.layers]
        return {"findings": findings, "layers": layers, "R": self.R, "rho": self.rho}

    def __str__(self) -> str:
        return "\n".join([*_columns(self._table()), self._ratios(), *self._found()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """For notebooks: the table, and under it what was found."""
        head, *body = [[html.escape(cell) for cell in row] for row in self._table()]
        lines = [f"<tr><th>{'</th><th>'.join(head)}</th></tr>"]
        lines += [f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in body]
        found = [html.escape(line) for line in (self._ratios(), *self._found())]
        return f"<table>{''.join(lines)}</table>{'<br>'.join(found)}"

    def _table(self) -> list[tuple[str, ...]]:
        rungs = ladder((layer.name, layer.grad_rms) for layer in self.layers)
        rows: list[tuple[str, ...]]
        rows = [("layer", "units", "saturated", "dead", "slope", "phi", "grad rms", "factor", "")]
        return rows + [
            (
                rung.name,
                str(layer.units),
                style.percent(layer.saturated),
                # for one example a unit is off, and nobody knows whether it is dead
                f"{layer.dead}/{layer.units}{' off' if layer.examples == 1 else ''}",
                style.plain(layer.slope),
                "-" if layer.phi is None else f"{layer.phi:.2f}",
                style.number(layer.grad_rms),
                factor_text(rung),
                bar(rung),
            )
            for layer, rung in zip(self.layers, rungs, strict=True)
        ]

    def _ratios(self) -> str:
        return f"R {style.number(self.R)}   rho {style.number(self.rho)}"

    def _found(self) -> list[str]:
        """What is said of many layers, in one line."""
        alike: dict[tuple[str, ...], list[Finding]] = {}
        for found in self.findings:
            alike.setdefault((found.code, found.severity, found.source), []).append(found)
        return [_told(group) for group in alike.values()] or ["no findings"]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows one under the other: the first and the last column flush left, numbers right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *numbers, end in rows:
        cells = [name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:-1]), end]
        lines.append("  ".join(cells).rstrip())
    return lines
