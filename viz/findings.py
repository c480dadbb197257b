"""What a diagnosis says: its thresholds, its findings, its report. Plain data."""

from __future__ import annotations

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
        dormant_tau: of a unit's mean |activation| over its layer's mean (Sokar et al., arXiv
            2302.12902). Where activations are bounded, saturation says it better.
        dormant_notice: a layer's share of dormant units, dead ones not counted.
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
    update: tuple[float, float] = (1e-4, 1e-2)
    update_warning: tuple[float, float] = (1e-5, 1e-1)
    init_loss: float = 0.5


DEFAULT = Thresholds()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth a look.

    ``value`` passed ``threshold``, which ``source`` proposed; ``nodes`` are those it was seen at,
    none where it is about the whole net.
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
        where = style.shorten(style.printable(self.where))
        words = " ".join(filter(None, (self.code, where, self.detail)))
        limit = f"limit {style.number(self.threshold)}, " if self.threshold else ""
        return f"{words} ({self.severity}; {limit}{self.source}): {self.advice}"


# What a finding is based on, and what to do about it.
SOURCES = {
    "NONFINITE": ("IEEE 754", "look at the operands of this operation"),
    "BLOCKED": ("CS231n", "nothing reaches the first layer: find the wall of zero slopes"),
    "DEAD": ("CS231n; Lu et al. 2019", "lower the learning rate, or use a leaky ReLU"),
    "INACTIVE": ("CS231n", "look at more examples before calling it dead"),
    "BORN_DEAD": ("Lu et al., arXiv 1903.06733", "widen the layer, or initialise its biases at 0"),
    "OFF": ("CS231n", "normal for one example; look at a whole batch before worrying"),
    "SATURATED": (
        "relative slope; Karpathy, makemore 3",
        "smaller initial weights; harmless where the answers are right",
    ),
    "DORMANT": ("Sokar et al. 2023", "these units hardly take part: check their scale"),
    "UPDATE": ("CS231n; Karpathy, makemore 3", "change the learning rate: 1e-3 is about right"),
    "INIT_LOSS": ("Karpathy, makemore 3", "start the last layer smaller, its bias at 0"),
    "STARVED": ("Sokar et al. 2023, on gradients", "look for what blocks the way to this layer"),
    "VANISHING": ("AutoTrainer 2021", "use ReLU with He initialisation, or skip connections"),
    "SHRINKING": ("Nielsen, chapter 5", "adds up with depth: check the initialisation"),
    "EXPLODING": ("AutoTrainer 2021", "smaller initial weights, or clip the gradient"),
    "GROWING": ("Pascanu et al. 2013", "adds up with depth: check the initialisation"),
}

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
    """

    name: str
    units: int
    saturated: float
    dead: int
    grad_rms: float
    examples: int


@dataclass(frozen=True, slots=True)
class Report:
    """What `viz.diagnose` found. Prints as a table.

    Attributes:
        findings: the gravest first.
        layers: one row per activation layer, from the input to the output.
        R: the first layer's gradient over the last one's; None without a layer.
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
        rungs = ladder((layer.name, layer.grad_rms) for layer in self.layers)
        rows = [("layer", "units", "saturated", "dead", "grad rms", "factor")]
        rows += [
            (
                rung.name,
                str(layer.units),
                style.percent(layer.saturated),
                # for one example a unit is off, and nobody knows whether it is dead
                f"{layer.dead}/{layer.units}{' off' if layer.examples == 1 else ''}",
                style.number(layer.grad_rms),
                factor_text(rung),
            )
            for layer, rung in zip(self.layers, rungs, strict=True)
        ]
        ratios = f"R {style.number(self.R)}   rho {style.number(self.rho)}"
        bars = ["", *map(bar, rungs)]
        table = [f"{row}  {b}".rstrip() for row, b in zip(_columns(rows), bars, strict=True)]
        return "\n".join([*table, ratios, *map(str, self.findings or ["no findings"])])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])])
        for first, *others in rows
    ]
