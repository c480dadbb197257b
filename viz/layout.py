"""What Graphviz is told so that a net stands upright: the data on a straight line from module to
module, the parameters of an operation beside that line.

Graphviz leads an edge that enters a frame around everything in the frame that stands above the
edge's head, and so pushes each module aside. A gate, a point in the frame, lets the edge in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from viz.parts import Node
from viz.picture import Picture


@dataclass(frozen=True, slots=True)
class Layout:
    """Edges by id that should be straight; for edges that go through a gate, the cluster that the
    gate stands in; and of pairs of nodes, that the second should stand under the first."""

    straight: frozenset[str]
    gates: dict[str, str]
    order: tuple[tuple[str, str], ...]


def layout(picture: Picture) -> Layout:
    """The hints for a picture; none where nothing is framed."""
    if not picture.clusters:
        return Layout(frozenset(), {}, ())
    home = {id: cluster.id for cluster in picture.clusters for id in cluster.nodes}
    uses = Counter(edge.tail for edge in picture.edges)
    straight: set[str] = set()
    gates: dict[str, str] = {}
    order: list[tuple[str, str]] = []
    for head, group in groupby(picture.edges, lambda edge: edge.head):
        edges = list(group)
        data = [edge for edge in edges if not _is_leaf(picture.by_id(edge.tail))]
        straight.add((data or edges)[0].id)
        entering = [edge for edge in edges if home.get(edge.tail) != home.get(head)]
        if head in home and len(entering) < len(edges):
            gates.update((edge.id, home[head]) for edge in entering)
        else:
            # Leaves stand under what they are combined with. Else they would go up beside it.
            leaves = [edge.tail for edge in edges if edge not in data and uses[edge.tail] == 1]
            order += [(above.tail, leaf) for above in data[:1] for leaf in leaves]
    return Layout(frozenset(straight), gates, tuple(order))


def _is_leaf(node: Node) -> bool:
    return node.role in ("leaf", "constant")
