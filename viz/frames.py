"""The backward pass as a row of pictures: one for the root's own gradient, one for each step.

A step is one contribution that goes over one edge and is added to a gradient. Nodes that the pass
has not reached yet show ``-``, which is not 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path

from viz.legend import legend
from viz.parts import Move, Node
from viz.picture import Picture
from viz.sheet import film


def save(picture: Picture, folder: Path, renderer: str | None = None) -> list[Path]:
    """Write ``step-00.svg``, ``step-01.svg``, ... and return their paths."""
    pictures = list(frames(picture))
    if folder.suffix == ".svg":
        drawings = (
            replace(frame, prefix=f"{frame.prefix}step{number}-").svg(renderer=renderer)
            for number, frame in enumerate(pictures)
        )
        folder.write_text(film(drawings, picture.theme), encoding="utf-8", newline="\n")
        return [folder]
    digits = max(2, len(str(len(pictures) - 1)))
    paths = [folder / f"step-{number:0{digits}}.svg" for number in range(len(pictures))]
    folder.mkdir(parents=True, exist_ok=True)
    # Every picture is laid out by a process of its own, so threads are enough to use all cores.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda p, path: p.save(path, renderer=renderer), pictures, paths))


def frames(picture: Picture) -> Iterator[Picture]:
    """The pictures themselves, as plain data.

    >>> from engine import Value
    >>> import viz
    >>> a = Value(3.0, label="a")
    >>> [frame.node("a").grad for frame in frames(viz.draw(a + a))]
    [None, 1.0, 2.0]
    """
    if not picture.moves:
        raise ValueError(
            "there are no steps to show: they begin at a scalar that needs a gradient, drawn "
            "unfolded; draw the loss with a larger max_nodes, or after root.backward(gradient)"
        )
    bare = list(_reveal(picture))
    seen = tuple(chain.from_iterable(frame.nodes for frame in bare))
    rooms: dict[str, int] = {}
    for node in seen:
        rooms[node.id] = max(rooms.get(node.id, 0), *map(len, node.grad_lines))
    # One legend and one size for all, so that nothing jumps from one step to the next.
    entries = legend(replace(picture, flow="both", nodes=seen)) if picture.legend else ()
    for frame in bare:
        nodes = tuple(replace(node, room=rooms[node.id]) for node in frame.nodes)
        yield replace(frame, nodes=nodes, legend=entries)


def _reveal(picture: Picture) -> Iterator[Picture]:
    nodes = {node.id: replace(node, grad=None, terms=()) for node in picture.nodes}
    edges = {edge.id: replace(edge, upstream=None, contribution=None) for edge in picture.edges}
    last = len(picture.moves) - 1
    for number, move in enumerate(picture.moves):
        nodes[move.node] = _add(nodes[move.node], move)
        words = f"the root's own gradient is {nodes[move.node].grad_text}"
        if move.edge:
            edge = edges[move.edge]
            edges[move.edge] = replace(
                edge, upstream=nodes[edge.head].grad, contribution=move.contribution
            )
            words = picture.edge_sentence(edges[move.edge])
        yield replace(
            picture,
            flow="both",
            nodes=tuple(nodes.values()),
            edges=tuple(edges.values()),
            caption=(f"step {number} of {last}: {words}", *picture.caption[:1]),
            now=(move.edge, move.node),
        )


def _add(node: Node, move: Move) -> Node:
    terms = (*node.terms, move.contribution) if isinstance(move.contribution, float) else ()
    return replace(node, grad=move.grad, terms=terms)
