"""From a graph of Values or Tensors to a `Picture`.

Nothing is computed here that the engine knows: local derivatives and formulas are the nodes' own,
and what passes over each edge is told by `engine.steps`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, log10
from typing import Any

import numpy as np

import engine
from engine import Value
from engine.backprop import Step, check_fresh
from engine.node import Node as GraphNode
from viz import style
from viz.check import numeric
from viz.edges import edges_of
from viz.fold import fold as folded
from viz.groups import Group
from viz.ladder import ladder, thinned
from viz.layers import layers_of
from viz.legend import legend as legend_of
from viz.marks import findings_of, marks_of, parts_of
from viz.measure import measure
from viz.nodes import drawn_node
from viz.parts import Cluster, Edge, Move, Node, size
from viz.picture import Flow, Picture
from viz.probe import Probe
from viz.scopes import clusters_of, scopes_of
from viz.theme import THEMES
from viz.walk import near, walk

Hidden = str | GraphNode | Iterable[str | GraphNode]


def draw(
    root: GraphNode,
    *,
    names: Mapping[str, Any] | None = None,
    flow: Flow = "both",
    hide: Hidden = (),
    focus: str | GraphNode | None = None,
    hops: int = 2,
    fold: bool = True,
    max_nodes: int = 150,
    check: bool = False,
    legend: bool = True,
    scale: str | tuple[float, float] = "root",
    theme: str = "light",
    prefix: str = "",
) -> Picture:
    """Draw the graph that ``root`` was computed by.

    Arguments:
        root: a Value or a Tensor.
        names: what to call nodes without a label, such as ``globals()``.
        flow: ``"both"``; ``"forward"`` for values alone; ``"backward"`` for gradients alone.
        hide: what to leave out, with all that only leads there: nodes, labels, names of
            operations, or ``"constants"``.
        focus: draw only what is near this node, or near the nodes with this label,
        hops: so many operations away at most, towards the root and towards the leaves.
        fold: draw a graph of more than ``max_nodes`` folded, as finely as fits: what is alike in
            every example once, then every neuron, layer or module as one node. With ``False``
            such a graph is an error.
        max_nodes: how many nodes can be read.
        check: write the numeric derivative beside each gradient, by central differences; for
            graphs of a few hundred Values, drawn whole.
        legend: explain the signs that occur.
        scale: which gradient is darkest: that of the ``"root"``, the ``"max"`` of the graph, or
            the second of two given sizes, the first being the lightest.
        theme: ``"light"`` or ``"dark"`` paper.
        prefix: of the ids in DOT and SVG, for two pictures on one page.

    Draw after ``backward()``; before it, gradients are shown as not computed.

    >>> from engine import Value
    >>> w, x = Value(2.0), Value(-3.0)
    >>> y = (w * x).tanh()
    >>> y.backward()
    >>> print(draw(y, names=globals()).text())  # doctest: +SKIP
    """
    if not isinstance(root, GraphNode):
        raise TypeError(f"draw takes a Value or a Tensor, not a {type(root).__name__}")
    if flow not in ("both", "forward", "backward"):
        raise ValueError(f'flow={flow!r}: choose "both", "forward" or "backward"')
    if theme not in THEMES:
        raise ValueError(f"theme={theme!r}: choose one of {', '.join(THEMES)}")
    everything = walk(root)
    labels = _labels(everything, names)
    graph = walk(root, lambda node: not _is_hidden(node, hide)) if hide else everything
    if focus is not None:
        graph = near(graph, _centres(graph, focus, labels), hops)
    groups, words = _groups(graph, labels, max_nodes, fold)
    check_fresh(graph)
    steps = _steps(root)
    gradients = {node: node.grad for node in graph if node.grad is not None}
    layers = layers_of(graph, gradients)
    ids = {node: f"n{number}" for number, group in enumerate(groups) for node in group.members}
    parts = parts_of(layers, groups, ids, labels)
    findings = findings_of(graph, gradients, layers, parts)
    nodes = list(_nodes(groups, ids, labels, steps, parts))
    edges = edges_of(groups, ids, labels, steps if root.grad is not None else ())
    if check:
        nodes = _checked(nodes, everything, ids, words)
    picture = Picture(
        nodes=tuple(replace(n, is_root=True) if n.id == ids.get(root) else n for n in nodes),
        edges=edges,
        marks=marks_of(findings, ids),
        findings=findings,
        moves=_moves(steps, edges, ids) if not words and root in ids else (),
        flow=flow,
        scale=_scale(scale, root, nodes),
        clusters=_clusters(graph, groups, ids, labels),
        theme=theme,
        prefix=prefix,
    )
    if len(layers) > 1 and root.grad is not None:
        picture = replace(picture, ladder=ladder((x.name, x.grad_rms) for x in thinned(layers)))
    first = drawn_node("", Group("alike", [root], [root]), labels, (), ())
    hidden = len(everything) - len(graph)
    caption = tuple(_caption(first, graph, picture, hidden, words))
    if picture.ladder and len(picture.ladder) < len(layers):
        caption += (f"the ladder shows {len(picture.ladder)} of {len(layers):,} layers",)
    return replace(picture, caption=caption, legend=legend_of(picture) if legend else ())


# ------------------------------------------------------------------ what is drawn


def _is_hidden(node: GraphNode, hide: Hidden) -> bool:
    items: Iterable[str | GraphNode] = (hide,) if isinstance(hide, (str, GraphNode)) else hide
    words = {node.label, node.op} - {""} | (set() if node.requires_grad else {"constants"})
    return any(item is node if isinstance(item, GraphNode) else item in words for item in items)


def _centres(
    graph: Sequence[GraphNode], focus: str | GraphNode, labels: Mapping[GraphNode, str]
) -> list[GraphNode]:
    if isinstance(focus, GraphNode):
        centres = [node for node in graph if node is focus]
    else:
        centres = [node for node in graph if labels[node] == focus]
    if not centres:
        name = focus if isinstance(focus, str) else focus.label or focus.op or "this node"
        raise ValueError(f"focus={name!r} is not in the graph that is drawn")
    return centres


def _groups(
    graph: Sequence[GraphNode], labels: Mapping[GraphNode, str], max_nodes: int, fold: bool
) -> tuple[list[Group], str]:
    """What is drawn as one node each, and in words what was folded, if anything was."""
    if len(graph) <= max_nodes:
        return [Group("alike", [node], [node]) for node in graph], ""
    result = folded(graph, labels, max_nodes) if fold else None
    if result is None:
        raise ValueError(_refusal(graph, max_nodes, fold))
    return result.groups, result.words


def _clusters(
    graph: Sequence[GraphNode],
    groups: Sequence[Group],
    ids: Mapping[GraphNode, str],
    labels: Mapping[GraphNode, str],
) -> tuple[Cluster, ...]:
    """Frames; but what was folded of Values bears the name of its module already."""
    if len(groups) < len(graph) and isinstance(graph[0], Value):
        return ()
    return clusters_of(groups, ids, scopes_of(graph, labels))


def _refusal(graph: Sequence[GraphNode], max_nodes: int, fold: bool) -> str:
    learning = sum(node.requires_grad for node in graph)
    without = 'hide="constants", ' if learning <= max_nodes else ""
    folding = "which no way of folding reaches" if fold else "and fold=False"
    return (
        f"this graph has {len(graph):,} nodes, more than max_nodes={max_nodes}, {folding}: "
        f"draw {without}a part of it (focus=a node, the loss of one example, the output of one "
        "neuron), leave operations out with hide=..., or give a larger max_nodes"
    )


def _labels(graph: Sequence[GraphNode], names: Mapping[str, Any] | None) -> dict[GraphNode, str]:
    """The nodes' own labels, else the first name they go by: ``w``, or ``w[2]`` in a list."""
    labels: dict[GraphNode, str] = {}
    for name, item in (names or {}).items():
        if name.startswith("_"):
            continue
        if isinstance(item, GraphNode):
            labels.setdefault(item, name)
        elif isinstance(item, (list, tuple)):
            for place, node in enumerate(item):
                if isinstance(node, GraphNode):
                    labels.setdefault(node, f"{name}[{place}]")
    return {node: node.label or labels.get(node, "") for node in graph}


# ------------------------------------------------------------------ nodes and steps


def _steps(root: GraphNode) -> list[Step]:
    """The backward pass from this root, as it was run, or as it would be."""
    if not root.requires_grad or (root.grad is None and np.size(root.data) != 1):
        return []
    return list(engine.steps(root, root.grad))


def _nodes(
    groups: Sequence[Group],
    ids: Mapping[GraphNode, str],
    labels: Mapping[GraphNode, str],
    steps: Sequence[Step],
    parts: Mapping[str, Sequence[Probe]],
) -> Iterator[Node]:
    terms: dict[GraphNode, list[Any]] = {}
    for step in steps:
        terms.setdefault(step.operand, []).append(step.contribution)
    for group in groups:
        id = ids[group.face]
        those = [term for node in group.faces for term in terms.get(node, ())]
        yield drawn_node(id, group, labels, those, parts.get(id, ()))


def _checked(
    nodes: Sequence[Node], graph: Sequence[GraphNode], ids: Mapping[GraphNode, str], words: str
) -> list[Node]:
    if words:
        raise ValueError("check=True is for graphs that are drawn whole: give a larger max_nodes")
    numbers = {ids[node]: x for node, x in numeric(graph).items() if node in ids}
    return [replace(node, numeric=numbers.get(node.id)) for node in nodes]


def _moves(
    steps: Sequence[Step], edges: Sequence[Edge], ids: Mapping[GraphNode, str]
) -> tuple[Move, ...]:
    """The steps over edges that are drawn; the root's own gradient comes first."""
    if not steps:
        return ()
    drawn = {(edge.head, edge.index): edge.id for edge in edges}
    start = measure(steps[0].upstream, logarithmic=True)
    moves = [Move("", ids[steps[0].node], start, start)]
    for step in steps:
        if edge := drawn.get((ids.get(step.node, ""), step.index)):
            contribution = measure(step.contribution, logarithmic=True)
            grad = measure(step.grad, logarithmic=True)
            moves.append(Move(edge, ids[step.operand], contribution, grad))
    return tuple(moves)


# ------------------------------------------------------------------ scale and caption


def _scale(scale: str | tuple[float, float], root: GraphNode, nodes: Iterable[Node]) -> style.Scale:
    if isinstance(scale, tuple):
        low, high = scale
        return style.Scale(high, log10(high / low) / style.DARKEST)
    gradients = [measure(root.grad) if root.grad is not None else None]
    if scale == "max":
        gradients += [node.grad for node in nodes]
    sizes = [size(gradient) for gradient in gradients if gradient is not None]
    return style.Scale(max((x for x in sizes if 0 < x < inf), default=1.0))


def _caption(
    root: Node, graph: Sequence[GraphNode], picture: Picture, hidden: int, words: str
) -> Iterator[str]:
    nodes, edges = _count(len(picture.nodes), "node"), _count(len(picture.edges), "edge")
    left_out = f", {hidden:,} more hidden" if hidden else ""
    yield f"{root.name} = {root.value_text}: {nodes}, {edges}{left_out}"
    if words:
        yield f"folded from {_count(len(graph), 'node')}: {words}"
    if picture.flow != "forward":
        if root.grad is None:
            yield "gradients are not computed: draw after backward()"
        else:
            anchor = style.plain(size(root.grad))
            larger = THEMES[picture.theme].larger
            yield f"the {larger}, the larger the gradient; the root's is {anchor}"
        means = (node for node in graph if node.op == "mean")
        counts = (np.size(node.parents[0].data) // max(1, np.size(node.data)) for node in means)
        for n in dict.fromkeys(counts):
            if n > 1:
                yield f"mean over {n}: each gradient before it starts at 1/{n}"
    codes = Counter(
        finding.code + " (notice)" * (finding.severity == "notice") for finding in picture.findings
    )
    yield "findings: " + (", ".join(f"{n} {code}" for code, n in codes.items()) or "none")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
