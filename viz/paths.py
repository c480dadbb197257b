"""Along which paths a gradient came, and over which operations it grew or shrank.

A gradient is the sum over all paths from the loss of the product of the local derivatives on the
path. `paths` names the largest of these products, `why_small` splits the size of the whole sum,
in powers of ten, over the operations that it passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import copysign, frexp, fsum, inf, isnan, ldexp, log10
from typing import Any

import numpy as np

import engine
from engine.backprop import Step, last_root, order
from engine.node import Node
from engine.value import Value
from viz import style
from viz.style import number

_LONGEST = 12  # nodes of a path that are printed


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a parameter to the loss.

    Attributes:
        nodes: from the parameter to the loss.
        factors: the local derivatives, between each node and the next.
        product: of all factors; for Values it is this path's share of the gradient.
        decades: log10 |product|, also where the product itself is too small for a float.
    """

    nodes: tuple[Node, ...]
    factors: tuple[float, ...]
    product: float
    decades: float

    def __str__(self) -> str:
        names = [called(node) for node in self.nodes]
        factors = [number(factor) for factor in self.factors]
        if len(names) > _LONGEST:
            missing = f"… {len(names) - _LONGEST} more …"
            names[_LONGEST // 2 : -_LONGEST // 2] = [missing]
            factors[_LONGEST // 2 : -_LONGEST // 2] = ["…"]
        size = f"{number(self.decades)} decades"
        product = f"{' · '.join(factors)} = {number(self.product)}" if factors else "1"
        return f"{' → '.join(names)}: {product} ({size})"


def paths(param: Node, loss: Node | None = None, k: int = 3) -> list[Path]:
    """The `k` paths from `param` to `loss` with the largest |product of local derivatives|.

    The largest comes first. On Tensors, where a local derivative is a matrix, a factor is what
    the operation did to the gradient that came: the root mean square of what it passed on over
    that of what it got. `loss` is by default the last root that `backward()` was called on.

    >>> from engine import Value
    >>> a, b = Value(2.0, label="a"), Value(1.0, label="b")
    >>> for path in paths(b, (a + b) * (b + 1)):
    ...     print(path)
    b → + → ×: 1 · 3 = 3 (0.4771 decades)
    b → + → ×: 1 · 2 = 2 (0.301 decades)
    """
    loss = root_of(loss)
    if k < 1:
        raise ValueError(f"paths(k={k}): k is at least 1")
    between = nodes_between(param, loss)
    factors = _factors(between, param, loss)
    serial = count()
    # A beginning of a path: how many zero factors, minus the decades, a number that makes ties
    # fall as they were met, the node it leads to, the factor, and the beginning before it.
    Beginning = tuple[int, float, int, Node, float, Any]
    found: dict[Node, list[Beginning]] = {loss: [(0, 0.0, next(serial), loss, 1.0, None)]}
    for node in between:
        best = sorted(found[node], key=lambda b: b[:3])[:k]
        found[node] = best
        for index, operand in node.active():
            if (node, index) not in factors:
                continue
            factor = factors[node, index]
            gain = _decades(factor)
            for before in best:
                zeros, decades = before[0] + (factor == 0), before[1] - (gain if factor else 0.0)
                found.setdefault(operand, []).append(
                    (zeros, decades, next(serial), operand, factor, before)
                )
    return [_path(end) for end in sorted(found[param], key=lambda b: b[:3])[:k]]


def _path(end: Any) -> Path:
    nodes, factors = [], []
    while end is not None:
        *_, node, factor, end = end
        nodes.append(node)
        factors.append(factor)
    factors.pop()  # the root's own
    decades = -inf if 0 in factors else fsum(map(_decades, factors))
    return Path(tuple(nodes), tuple(factors), _product(factors), decades)


@dataclass(frozen=True, slots=True)
class Share:
    """What one operation, on its way to one operand, did to the gradient.

    Attributes:
        node, index, operand: the operation, and to which of its operands.
        factor: |local derivative|; on Tensors the root mean square passed on over that received.
        weight: the share of the gradient that came through here.
        decades: weight · log10 factor: negative where the gradient lost.
    """

    node: Node
    index: int
    operand: Node
    factor: float
    weight: float
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
        cancelled: what was lost as they had different signs.
    """

    param: Node
    root: Node
    total: float
    shares: tuple[Share, ...]
    gathered: float
    cancelled: float

    def __str__(self) -> str:
        rows = [(text, decades) for text, decades in self._rows() if abs(decades) >= 5e-3]
        rows.sort(key=lambda row: row[1])
        shown = rows if len(rows) <= 2 * _LONGEST else rows[:_LONGEST]
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
        yield "their signs cancel", self.cancelled


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
    loss = root_of(loss)
    nodes_between(param, loss)
    arrived: dict[Node, list[Step]] = {}
    gradients: dict[Node, Any] = {loss: loss.seed(None)}
    steps = list(engine.steps(loss))
    for step in steps:
        arrived.setdefault(step.operand, []).append(step)
        gradients[step.operand] = step.grad
    sizes = {node: _rms(gradient) for node, gradient in gradients.items()}
    if not 0 < sizes[param] < inf:
        hint = "ask viz.why_zero" if sizes[param] == 0 else "ask viz.diagnose where it comes from"
        raise ValueError(f"the gradient of {called(param)} is {number(sizes[param])}: {hint}")
    weights = {param: 1.0}
    shares: list[Share] = []
    gathered, cancelled = [], []
    for node in [param, *(n for n in reversed(order(loss)) if n is not param)]:
        weight = weights.get(node, 0.0)
        if node is loss or not weight:
            continue
        terms = [(step, _rms(step.contribution)) for step in arrived[node]]
        terms = [(step, size) for step, size in terms if size]
        together = fsum(size for _, size in terms)
        cancelled.append(weight * log10(sizes[node] / together))
        for step, size in terms:
            part = size / together
            factor = size / sizes[step.node]
            gathered.append(-weight * part * log10(part))
            weights[step.node] = weights.get(step.node, 0.0) + weight * part
            share = weight * part
            shares.append(Share(step.node, step.index, node, factor, share, share * log10(factor)))
    total = log10(sizes[param] / sizes[loss])
    return Small(param, loss, total, tuple(shares), fsum(gathered), fsum(cancelled))


# ------------------------------------------------------------------ shared with `explain`


def root_of(loss: Node | None) -> Node:
    """The loss that is meant."""
    if loss is None:
        loss = last_root()
    if loss is None:
        raise TypeError("no graph of a backward() is alive: give the loss as second argument")
    return loss


def nodes_between(param: Node, loss: Node) -> list[Node]:
    """The operations that lead from `param` to `loss`, each before its operands."""
    leading = {param}
    nodes = []
    for node in reversed(order(loss)):
        if not leading.isdisjoint(node.sources()):
            leading.add(node)
            nodes.append(node)
    if loss not in leading:
        raise ValueError(
            f"{called(param)} does not take part in {called(loss)}: no path leads from one to the "
            "other, so it has no gradient"
        )
    return nodes[::-1]


def called(node: Node) -> str:
    """The shortest thing to call a node."""
    name = style.printable(node.label) or (node.rule.symbol if node.rule else "")
    return style.shorten(name) or "a leaf"


def _factors(between: Sequence[Node], param: Node, loss: Node) -> dict[tuple[Node, int], float]:
    """The factor of each edge among the nodes that lead from `param` to `loss`."""
    leading = {param, *between}
    if isinstance(loss, Value):
        return {
            (node, index): node.local(index)
            for node in between
            for index, operand in node.active()
            if operand in leading
        }
    return {
        (step.node, step.index): _ratio(_rms(step.contribution), _rms(step.upstream))
        for step in engine.steps(loss)
        if step.node in leading and step.operand in leading
    }


def _product(factors: Iterable[float]) -> float:
    """The product, right even where a part of it is too large or too small for a float."""
    mantissa, exponent = 1.0, 0
    for factor in factors:
        part, more = frexp(factor)
        mantissa, carry = frexp(mantissa * part)
        exponent += more + carry
    try:
        return ldexp(mantissa, exponent)
    except OverflowError:
        return copysign(inf, mantissa)


def _ratio(passed: float, received: float) -> float:
    return passed / received if received else 0.0


def _signed(decades: float) -> str:
    return f"{decades:+.2f}".replace("-", "−")


def _decades(factor: float) -> float:
    """log10 |factor|; a factor that is no number counts as the largest."""
    size = abs(factor)
    return inf if isnan(size) or size == inf else log10(size) if size else -inf


def _rms(x: Any) -> float:
    array = np.abs(np.asarray(x, np.float64))
    top = float(array.max(initial=0.0))
    if not 0 < top < inf:
        return top
    # By the largest first: the square of 1e-200 is 0.
    return top * float(np.sqrt(np.mean(np.square(array / top))))
