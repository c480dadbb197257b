"""What a `Picture` is made of: nodes, edges, marks, the lines of a legend. Plain data.

Numbers are floats, or a `Summary` where the graph holds an array. How a number is written stands
in ``style.py``; what a node or an edge says is put together here, once for all writers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from viz import style
from viz.style import number

State = Literal["unset", "zero", "nonfinite", "sized"]
Role = Literal["leaf", "constant", "operation", "activation", "fold"]


@dataclass(frozen=True, slots=True)
class Summary:
    """An array told in a few numbers; ``spark`` is its histogram in eight characters."""

    shape: tuple[int, ...]
    mean: float
    sd: float
    low: float
    high: float
    rms: float
    zeros: float = 0.0  # the share of elements that are exactly 0
    spark: str = ""


Number = float | Summary


def size(x: Number) -> float:
    """What a gradient's colour stands for: its magnitude, of an array the root mean square."""
    return x.rms if isinstance(x, Summary) else abs(x)


def state(gradient: Number | None) -> State:
    """Which of the four things a gradient can be; they are never drawn alike."""
    if gradient is None:
        return "unset"
    magnitude = size(gradient)
    if magnitude == 0:
        return "zero"
    return "sized" if math.isfinite(magnitude) else "nonfinite"


@dataclass(frozen=True)
class Node:
    """One value of the graph: what it is called, what it holds, what reaches it. Its title
    and its name are put together once: tooltips say them again, those of its edges too."""

    id: str
    label: str
    op: str
    role: Role
    value: Number
    grad: Number | None = None
    numeric: float | None = None  # the same by central differences of the root
    terms: tuple[float, ...] = ()  # the contributions that make up the gradient
    note: str = ""
    shape: tuple[int, ...] = ()
    is_root: bool = False
    count: int = 1  # of how many nodes of the graph it is made
    folded: str = ""  # what was folded into it
    room: int = 0  # characters to keep free for a gradient that is still to come

    @cached_property
    def title(self) -> str:
        """Its label, its operation and its shape, with what is too long cut off visibly."""
        words = (style.shorten(style.printable(word)) for word in (self.label, self.op))
        shape = style.shape(self.shape) if self.shape else ""
        return "  ".join(filter(None, (" = ".join(filter(None, words)), shape)))

    @cached_property
    def name(self) -> str:
        """The shortest thing to call it in a sentence."""
        return style.shorten(style.printable(self.label or self.op)) or self.value_text

    @property
    def value_lines(self) -> list[str]:
        """What it holds: a number, or the mean, the spread and the histogram of many."""
        value = self.value
        if not isinstance(value, Summary):
            return [number(value)]
        if value.low == value.high:
            return [f"all {number(value.low)}"]
        between = f" {value.spark} " if value.spark else ", "
        return [
            f"{number(value.mean)} ± {number(value.sd)}",
            f"[{number(value.low)}{between}{number(value.high)}]",
        ]

    @property
    def value_text(self) -> str:
        return " ".join(self.value_lines)

    @property
    def grad_lines(self) -> list[str]:
        """What reaches it: a number with its sign and its terms, or the size of many."""
        if isinstance(self.grad, Summary):
            if self.grad.rms == 0:
                return ["all 0"]
            zeros = f"{style.percent(self.grad.zeros)} are 0" if self.grad.zeros else ""
            spread = f"{self.grad.spark} {zeros}".strip()
            return [f"rms {style.plain(self.grad.rms)}", *([spread] if spread else [])]
        text = style.signed(self.grad)
        if 1 < len(self.terms) <= 4:
            text += f" = {style.summed(self.terms)}"
        elif self.terms[1:]:
            text += f" = sum of {len(self.terms)}"
        if self.numeric is None:
            return [text]
        return [text, f"(numeric {style.signed(self.numeric)})"]

    @property
    def grad_text(self) -> str:
        return " ".join(self.grad_lines)

    @property
    def state(self) -> State:
        return state(self.grad)


@dataclass(frozen=True, slots=True)
class Edge:
    """One use of one operand: ``tail`` is the operand, ``head`` what was made of it."""

    id: str
    tail: str
    head: str
    index: int
    local: Number | None = None
    symbolic: str = ""
    numeric: str = ""
    upstream: Number | None = None
    contribution: Number | None = None
    note: str = ""  # what else happens to a gradient here: it is summed, stretched
    shape: tuple[int, ...] = ()
    count: int = 1  # of how many edges of the graph it is made

    @property
    def local_text(self) -> str:
        factor = ""
        if isinstance(self.local, Summary):
            factor = f"×{number(self.local.rms)} rms"
        elif self.local is not None:
            factor = f"×{number(self.local)}"
        count = f"{self.count:,} edges" if self.count > 1 else ""
        return ", ".join(filter(None, (factor, self.note, count)))


@dataclass(frozen=True, slots=True)
class Mark:
    """A finding as it stands on a node."""

    node: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """A module: a frame around the nodes that belong to it and to no module in it."""

    id: str
    title: str
    nodes: tuple[str, ...]
    parent: str = ""  # the id of the module that it stands in


@dataclass(frozen=True, slots=True)
class Rung:
    """A layer in the gradient ladder: RMS of dL/dz, how it compares with that of the layer after
    it, and the length of its bar, 0 to 1, which is a matter of decades."""

    name: str
    grad_rms: float
    factor: float | None
    length: float


@dataclass(frozen=True, slots=True)
class Move:
    """One step of the backward pass: a contribution goes over an edge and is added."""

    edge: str
    node: str
    contribution: Number
    grad: Number


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the legend: a thing that occurs in the picture, and what it means."""

    kind: Literal["gradient", "mark", "edge", "sign"]
    text: str
    look: style.Look
