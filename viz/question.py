"""What is asked of a gradient: of which parameter, of which loss, and what lies between them."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import numpy as np

from engine.backprop import last_root, order
from engine.node import Node
from viz import style
from viz.probe import rms


def between(param: Any, loss: Any) -> tuple[Node, list[Node]]:
    """The loss that is meant, by default the last that `backward()` was called on, and the
    operations that lead to it from `param`, each before its operands."""
    if loss is None:
        loss = last_root()
        if loss is None:
            raise TypeError("no graph of a backward() is alive: give the loss as second argument")
    for name, node in (("param", param), ("loss", loss)):
        if not isinstance(node, Node):
            hint = ", as those in model.parameters()" if name == "param" else ""
            raise TypeError(f"{name} is a Value or a Tensor{hint}, not a {type(node).__name__}")
    leading = {param}
    nodes = []
    for node in reversed(order(loss)):
        if not leading.isdisjoint(x for _, x in node.active):
            leading.add(node)
            nodes.append(node)
    if loss not in leading:
        raise ValueError(
            f"{called(param)} does not take part in {called(loss)}: no path leads from one to the "
            "other, so it has no gradient"
        )
    return loss, nodes[::-1]


def called(node: Node) -> str:
    """The shortest thing to call a node."""
    name = style.printable(node.label) or (node.rule.symbol if node.rule else "")
    return style.shorten(name) or "a leaf"


def log_size(gradient: Any) -> float:
    """log10 of its root mean square, which for a single number is |gradient|.

    >>> log_size(-100.0), log_size([3e-200, -4e-200, 0.0, 0.0]), log_size(0.0)
    (2.0, -199.6020599913279..., -inf)
    """
    size = abs(gradient) if isinstance(gradient, float) else rms(np.asarray(gradient))
    return log10(size) if size else -inf
