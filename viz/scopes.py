"""Which module an operation belongs to, told from the labels of its parameters.

A parameter called ``layer1.weight`` belongs to ``layer1``, and so do the operation that uses it,
a sum of such operations, an activation right after that, and whatever lies between two operations
of ``layer1``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from engine.node import Node
from viz.groups import Group
from viz.layers import is_activation
from viz.parts import Cluster
from viz.style import printable, shorten

Scope = tuple[str, ...]
Path = TypeVar("Path", str, Scope)


def scopes_of(graph: Sequence[Node], labels: Mapping[Node, str]) -> dict[Node, Scope]:
    """For each node of a graph, in the order of `walk`, the modules that it stands in, the
    outermost first; () where it stands in none."""
    own = {leaf: path_of(labels[leaf]) for leaf in graph if leaf.is_leaf}
    if not any(own.values()):
        return dict.fromkeys(graph, ())
    placed: dict[Node, Scope] = {}
    for node in reversed(graph):
        paths = [own[x] for x in node.parents if own.get(x)]
        if paths:
            placed[node] = common(paths)
        elif is_activation(node) or node.op == "add":
            before = {placed.get(operand, ()) for _, operand in node.active}
            if len(before) == 1 and (node.op != "add" or len(node.active) > 1):
                placed[node] = before.pop()
    bit = {
        scope: 1 << number
        for number, scope in enumerate(
            dict.fromkeys(path[:end] for path in placed.values() for end in range(1, len(path) + 1))
        )
    }
    mine = {
        node: sum(bit[path[:end]] for end in range(1, len(path) + 1))
        for node, path in placed.items()
    }
    after: dict[Node, int] = {}  # of which modules a node is made
    for node in reversed(graph):
        after[node] = mine.get(node, 0)
        for operand in node.parents:
            after[node] |= after.get(operand, 0)
    before_: dict[Node, int] = {}  # which modules are made of it
    for node in graph:
        before_[node] = before_.get(node, 0) | mine.get(node, 0)
        for operand in node.parents:
            before_[operand] = before_.get(operand, 0) | before_[node]
    between = {
        node: max(
            (scope for scope, mask in bit.items() if mask & after[node] & before_[node]),
            key=len,
            default=(),
        )
        for node in graph
        if not node.is_leaf and node not in placed
    }
    return {node: own.get(node) or placed.get(node) or between.get(node, ()) for node in graph}


def clusters_of(
    groups: Sequence[Group], ids: Mapping[Node, str], scopes: Mapping[Node, Scope]
) -> tuple[Cluster, ...]:
    """Frames for the modules that more than one thing is drawn of."""
    if not any(scopes.values()):
        return ()
    inside: dict[Scope, list[str]] = {}
    parameters: dict[Scope, int] = {}
    for group in groups:
        scope = common(scopes[node] for node in group.members)
        learning = sum(
            np.size(node.data) for node in group.members if node.is_leaf and node.requires_grad
        )
        for end in range(1, len(scope) + 1):
            inside.setdefault(scope[:end], []).append(ids[group.face])
            parameters[scope[:end]] = parameters.get(scope[:end], 0) + learning
    kept = {scope: f"c{i}" for i, scope in enumerate(s for s, m in inside.items() if len(m) > 1)}
    clusters = []
    for scope, id in kept.items():
        deeper = {n for s, m in inside.items() if s in kept and s[:-1] == scope for n in m}
        own = tuple(node for node in inside[scope] if node not in deeper)
        title = shorten(printable(".".join(scope)))
        count = parameters[scope]
        if count:
            title += f": {count:,} parameter{'s' if count > 1 else ''}"
        clusters.append(Cluster(id, title, own, kept.get(scope[:-1], "")))
    return tuple(clusters)


def common(paths: Iterable[Path]) -> Path:
    """The beginning that all share, of modules or of words."""
    first, *others = paths
    end = len(first)
    for other in others:
        while first[:end] != other[:end]:
            end -= 1
    return first[:end]


def path_of(label: str) -> Scope:
    """The modules that a label names: ``a.b.weight`` stands in b, which stands in a."""
    return tuple(label.split(".")[:-1])
