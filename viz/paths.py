"""Along which paths a gradient came: the largest products of local derivatives.

A gradient is the sum over all paths from the loss of the product of the local derivatives on the
path. There may be more paths than atoms; the largest are found without going along all of them,
for the best ways to a node go on from the best ways to its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import copysign, frexp, fsum, inf, isfinite, ldexp, log10
from operator import index
from typing import Any

import numpy as np

import engine
from engine.backprop import Step
from engine.node import Node
from engine.value import Value
from viz.question import between, called, log_size
from viz.style import number

_LONGEST = 12  # nodes of a path that are printed


@dataclass(frozen=True, slots=True, repr=False)
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

    def __repr__(self) -> str:  # of thirty nodes: one line, in a list as well
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
    if index(k) < 1:
        raise ValueError(f"paths(k={k}): k is at least 1")
    loss, nodes = between(param, loss)
    factors = _factors(nodes, param, loss)
    serial = count()
    # A beginning of a path: how many zero factors, minus the decades, a number that makes ties
    # fall as they were met, the node it leads to, the factor, and the beginning before it.
    Beginning = tuple[int, float, int, Node, float, Any]
    found: dict[Node, list[Beginning]] = {loss: [(0, 0.0, next(serial), loss, 1.0, None)]}
    for node in nodes:
        best = sorted(found[node], key=lambda b: b[:3])[:k]
        found[node] = best
        for place, operand in node.active:
            if (node, place) not in factors:
                continue
            factor = factors[node, place]
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


def _factors(nodes: Sequence[Node], param: Node, loss: Node) -> dict[tuple[Node, int], float]:
    """The factor of each edge among the nodes that lead from `param` to `loss`."""
    leading = {param, *nodes}
    if isinstance(loss, Value):
        return {
            (node, place): node.local(place)
            for node in nodes
            for place, operand in node.active
            if operand in leading
        }
    return {
        (step.node, step.index): _stretch(step)
        for step in engine.steps(loss)
        if step.node in leading and step.operand in leading
    }


def _stretch(step: Step) -> float:
    """What the operation does to a gradient; if none came, to one that is 1 everywhere."""
    upstream, passed = step.upstream, step.contribution
    if not np.any(upstream):
        upstream = np.ones_like(upstream)
        with np.errstate(all="ignore"):
            passed = step.node.pull(step.index, upstream)
    return float(10 ** (log_size(passed) - log_size(upstream)))


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


def _decades(factor: float) -> float:
    """log10 |factor|; a factor that is no number counts as the largest."""
    if not isfinite(factor):
        return inf
    return log10(abs(factor)) if factor else -inf
