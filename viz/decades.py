"""Why a gradient is small: the decades that it lost, operation by operation.

Followed back from a parameter to the loss, a gradient is a sum of contributions; each has its
share, and each was multiplied on its way. So log10 of the gradient is divided, without remainder,
into what the operations did to it, what came together, and what cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, inf, isfinite, log10
from typing import Any

import numpy as np

import engine
from engine import Tensor
from engine.backprop import Step
from engine.node import Node
from engine.readings import FLOAT64
from engine.rule import Elementwise
from viz.question import between, called, log_size
from viz.style import number

_LONGEST = 12  # rows of a table that is cut short
# Structural operations whose derivatives are the numbers of the other operand, or all 1.
_ADDING = frozenset((
    "matmul", "mm", "bmm", "mv", "dot", "outer", "linear", "einsum", "conv1d", "conv2d",
    "embedding", "getitem", "gather", "index_select", "take_along_dim", "broadcast_to", "expand",
    "repeat", "tile",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """What one operation, on its way to one operand, did to the gradient.

    Attributes:
        node, index, operand: the operation, and to which of its operands.
        weight: the share of the gradient that came through here.
        factor: log10 |local derivative|; on Tensors of the root mean square that it passes on,
            were all signs equal, over that of what it got.
        decades: weight · factor: negative where the gradient lost.
    """

    node: Node
    index: int
    operand: Node
    weight: float
    factor: float
    decades: float


@dataclass(frozen=True, slots=True)
class Small:
    """How the size of a gradient came about, in decades. Prints as a table.

    Attributes:
        param, root: of which gradient.
        total: log10 of |gradient|, on Tensors of its root mean square, relative to the root's.
        shares: the operations that it passed. Their decades, `gathered` and `cancelled` add up
            to `total`.
        gathered: what was gained as contributions of several paths came together.
        cancelled: what was lost as they had different signs, and on Tensors as the signs of
            what an operation adds up were different: of the examples, or of repeated elements.
    """

    param: Node
    root: Node
    total: float
    shares: tuple[Share, ...]
    gathered: float
    cancelled: float

    def __str__(self) -> str:
        rows = [(text, decades) for text, decades in self._rows() if abs(decades) >= 5e-3]
        if len(rows) > 2 * _LONGEST:
            rows = sorted(rows, key=lambda row: -abs(row[1]))[:_LONGEST]
        shown = sorted(rows, key=lambda row: row[1])
        rest = self.total - fsum(decades for _, decades in shown)
        if abs(rest) >= 5e-3:
            shown.append(("all others", rest))
        width = max((len(text) for text, _ in shown), default=0)
        head = f"{called(self.param)}: {_signed(self.total)} decades from {called(self.root)}"
        return "\n".join([head, *(f"  {text.ljust(width)}  {_signed(x)}" for text, x in shown)])

    def _rows(self) -> Iterable[tuple[str, float]]:
        """Operations of one kind at one distance from the parameter are one row: a neuron in a
        hundred examples is."""
        distance = {self.param: 0}
        for share in self.shares:
            far = distance[share.operand] + 1
            distance[share.node] = max(far, distance.get(share.node, 0))
        groups: dict[tuple[int, str], list[Share]] = {}
        for share in self.shares:
            groups.setdefault((distance[share.node], called(share.node)), []).append(share)
        seen: dict[str, int] = {}
        for (_, name), group in sorted(groups.items(), key=lambda item: item[0][0]):
            seen[name] = seen.get(name, 0) + 1
            many = f", {len(group)} of them" if len(group) > 1 else ""
            yield f"{name} #{seen[name]}{many}", fsum(share.decades for share in group)
        yield "several paths come together", self.gathered
        yield "signs cancel", self.cancelled


def why_small(param: Node, loss: Node | None = None) -> Small:
    """Where the gradient of `param` lost, or gained, its decades on the way from `loss`.

    The gradient is followed back from `param`: where it is a sum, each term counts by its share
    of the sum. So every operation gets its part, and the parts add up to log10 of the gradient
    (within 1e-9). `loss` is by default the last root that `backward()` was called on.

    >>> from engine import Value
    >>> x = Value(1.0, label="x")
    >>> print(why_small(x, (x.sigmoid() * 0.1).sigmoid()))
    x: −2.31 decades from σ
      × #1  −1.00
      σ #1  −0.71
      σ #2  −0.60
    """
    loss, nodes = between(param, loss)
    leading = {param, *nodes}
    arrived: dict[Node, list[Step]] = {}
    gradients: dict[Node, Any] = {loss: loss.seed(None)}
    for step in engine.steps(loss):
        if step.operand in leading:
            arrived.setdefault(step.operand, []).append(step)
            gradients[step.operand] = step.grad
    sizes = {node: log_size(gradient) for node, gradient in gradients.items()}
    if not isfinite(sizes[param]):
        hint = "ask viz.why_zero" if sizes[param] == -inf else "ask viz.diagnose where it began"
        found = 0.0 if sizes[param] == -inf else sizes[param]
        raise ValueError(f"the gradient of {called(param)} is {number(found)}: {hint}")
    weights = {param: 1.0}
    shares: list[Share] = []
    gathered, cancelled = [], []
    for node in [param, *reversed(nodes)]:
        weight = weights.get(node, 0.0)
        if node is loss or not weight:
            continue
        terms = [(step, log_size(step.contribution)) for step in arrived[node]]
        together = _log_of_sum([term for _, term in terms])
        cancelled.append(weight * (sizes[node] - together))
        for step, term in terms:
            if not (share := weight * 10 ** (term - together)):
                continue
            weights[step.node] = weights.get(step.node, 0.0) + share
            gathered.append(share * (together - term))
            uncancelled = max(term, log_size(_uncancelled(step)))
            cancelled.append(share * (term - uncancelled))
            factor = uncancelled - sizes[step.node]
            shares.append(Share(step.node, step.index, node, share, factor, share * factor))
    total = sizes[param] - sizes[loss]
    return Small(param, loss, total, tuple(shares), fsum(gathered), fsum(cancelled))


def _log_of_sum(logarithms: Sequence[float]) -> float:
    """log10 of a sum, of the log10 of its terms."""
    top = max(logarithms)
    return top + log10(fsum(10 ** (x - top) for x in logarithms))


def _uncancelled(step: Step) -> Any:
    """The contribution as it were if all that the operation adds up had one sign: the elements
    of a broadcast operand, the examples that a weight is used in."""
    node, rule = step.node, step.node.rule
    if not isinstance(node, Tensor):
        return step.contribution
    upstream, shape = np.abs(step.upstream), np.shape(step.contribution)
    with np.errstate(all="ignore"):
        if isinstance(rule, Elementwise):
            if shape == upstream.shape:
                return step.contribution
            return FLOAT64.sum_to_shape(np.nan_to_num(upstream * np.abs(step.local)), shape)
        if node.op not in _ADDING:
            return step.contribution
        assert rule is not None
        inputs = [np.abs(x) if np.asarray(x).dtype.kind == "f" else x for x in node.inputs]
        return rule.pull(step.index, FLOAT64, upstream, inputs, node.output, node.arguments)


def _signed(decades: float) -> str:
    return f"{decades:+.2f}".replace("-", "−")
