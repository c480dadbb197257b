"""Going through a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engine.node import Node


def walk(root: Node, enter: Callable[[Node], bool] = lambda node: True) -> list[Node]:
    """Every node that ``root`` was computed from, constants too: the root first, every result
    before its operands, the first operand before the second. ``enter`` keeps nodes out."""
    finished: list[Node] = []
    met = {root}
    path: list[tuple[Node, Iterable[Node]]] = [(root, reversed(root.parents))]
    while path:
        node, operands = path[-1]
        for operand in operands:
            if operand not in met and enter(operand):
                met.add(operand)
                path.append((operand, reversed(operand.parents)))
                break
        else:
            finished.append(node)
            path.pop()
    return finished[::-1]


def near(graph: Sequence[Node], centres: Iterable[Node], hops: int) -> list[Node]:
    """The nodes of a graph, in its order, that are at most so many operations away."""
    neighbours: dict[Node, list[Node]] = {node: [] for node in graph}
    for node in graph:
        for operand in node.parents:
            if operand in neighbours:
                neighbours[node].append(operand)
                neighbours[operand].append(node)
    reached = set(centres)
    border = list(reached)
    for _ in range(hops):
        border = [other for node in border for other in neighbours[node] if other not in reached]
        reached.update(border)
    return [node for node in graph if node in reached]
