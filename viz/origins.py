"""Where the first nan or inf comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, isfinite
from typing import Any

import numpy as np

from engine.node import Node
from engine.rule import Elementwise
from viz.findings import Finding, finding
from viz.probe import Gradients
from viz.style import number


def origins(graph: Sequence[Node], gradients: Gradients) -> Iterator[Finding]:
    """Where nan or inf comes from: not finite itself, computed from what was.

    ``graph`` is in the order of `walk`. On the way forward these are nodes; on the way back,
    nodes whose gradient is not finite although the gradients of all that use them are. A mask of
    −inf, as before a softmax, is meant: it is no origin as long as the result is finite.
    """
    spoilt = {node for node in graph if not _is_finite(node.data)}
    if spoilt and _is_finite(graph[0].data):
        spoilt -= _masked(graph, spoilt)
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


def _masked(graph: Sequence[Node], spoilt: set[Node]) -> set[Node]:
    """Constants of −inf, and what has its −inf from them."""
    masked: set[Node] = set()
    for node in reversed(graph):
        if node not in spoilt or not np.max(node.data) < inf:  # nan is not
            continue
        origins = [operand for operand in node.parents if operand in spoilt]
        is_mask = not node.parents and not node.requires_grad
        if is_mask or (origins and masked.issuperset(origins)):
            masked.add(node)
    return masked


def _is_finite(data: Any) -> bool:
    return isfinite(data) if data.__class__ is float else bool(np.isfinite(data).all())


def _origin(node: Node, what: str, data: Any) -> Finding:
    """The first element that is nan, or else inf; on the way forward, what it was computed from."""
    array = np.asarray(data, np.float64)
    wrong = np.isnan(array) if np.isnan(array).any() else np.isinf(array)
    place = tuple(np.argwhere(wrong)[0].tolist())
    detail = f"{what} {array[place]}"
    if place:
        detail += f" at {list(place)}"
    if what == "value" and isinstance(node.rule, Elementwise):
        operands = [np.broadcast_to(x.data, array.shape)[place] for x in node.parents]
        detail += f", of {' and '.join(number(float(x)) for x in operands)}"
    where = node.label or node.op or "a leaf"
    found = finding("NONFINITE", "critical", where, float(array[place]), 0.0, detail, (node,))
    if what == "value" and node.is_leaf:  # no operation made it
        advice = "a smaller learning rate" if node.requires_grad else "mend the data"
        return replace(found, advice=advice)
    return found
