"""The numeric derivative of a graph of Values with respect to each of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from engine import Value
from engine.node import Node

_MOST = 400  # nodes: each costs two runs through the graph
_STEP = float(np.cbrt(np.finfo(float).eps))  # where rounding and curvature err alike


def numeric(graph: Sequence[Node]) -> dict[Node, float]:
    """How the root changes with each node, by central differences, everything after that node
    being computed again.

    ``graph`` is in the order of `walk`, the root first.

    >>> a = Value(3.0)
    >>> y = a * a
    >>> round(numeric([y, a])[a], 6)
    6.0
    """
    if len(graph) > _MOST or not all(isinstance(node, Value) for node in graph):
        raise ValueError(
            f"check=True is for Values, {_MOST} at most: this graph has {len(graph):,} nodes. "
            "engine.gradcheck checks the gradients of Tensors"
        )
    derivatives = {}
    for node in graph:
        if node.requires_grad:
            derivatives[node] = _slope(graph, node, max(1.0, abs(node.data)))
            if not isfinite(derivatives[node]):  # log(1e-8) has no number 1e-5 further down
                derivatives[node] = _slope(graph, node, abs(node.data))
    return derivatives


def _slope(graph: Sequence[Node], node: Node, size: float) -> float:
    """The central difference, with a step that suits a number of this size."""
    step = _STEP * size or _STEP
    high, low = (_again(graph, node, node.data + h)[graph[0]] for h in (step, -step))
    return (high - low) / (2 * step)


def _again(graph: Sequence[Node], changed: Node, data: float) -> dict[Node, Any]:
    """The data of all nodes if one of them had other data."""
    found: dict[Node, Any] = {}
    for node in reversed(graph):
        if node is changed:
            found[node] = data
        elif node.rule is None:
            found[node] = node.data
        else:
            operands = [found[operand] for operand in node.parents]
            moved = any(
                x != operand.data for x, operand in zip(operands, node.parents, strict=True)
            )
            found[node] = node.rule(*operands) if moved else node.data
    return found
