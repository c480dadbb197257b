"""Folding over the batch: what is alike in every example becomes one group.

Two operations are alike if they are of one kind and were applied to the same parameters, or to
what is alike itself. So the hundred runs of a net over its hundred examples become one run. This
is found from the leaves upwards in one pass, each node asking only what its operands are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from engine import Value
from engine.node import Node
from viz.groups import Group, connect

# The operands of each node of a graph, the root first, every node before its operands.
Graph = dict[Node, tuple[Node, ...]]
Labels = Mapping[Node, str]
_MANY = -1


def alike(nodes: Sequence[Node], labels: Labels) -> list[Group]:
    """The nodes of a graph, in the order of `walk`, in groups of what is alike."""
    graph = _graph(nodes)
    sums = _sums(graph, labels)
    shared = _shared(graph, labels, sums)

    def identity(leaf: Node) -> Any:
        return labels[leaf] or (id(leaf) if leaf in shared else leaf.requires_grad)

    of, _ = _keys(graph, sums, identity)
    inputs = {n for n in nodes if n.is_leaf and not labels[n] and n not in shared}
    by_place = _places(graph, of, sums, inputs)
    gathered: dict[Any, list[Node]] = {}
    for node in nodes:
        gathered.setdefault(by_place.get(node) or of[node], []).append(node)
    # Numbers grow from the leaves to the root, so this has users before their operands.
    order = sorted(gathered, key=lambda key: key if isinstance(key, int) else -1, reverse=True)
    return connect([_group(gathered[key], sums, inputs) for key in order], graph)


def shared_leaves(nodes: Sequence[Node], labels: Labels) -> set[Node]:
    """The leaves without a label that are parameters all the same: more than one example uses
    them."""
    graph = _graph(nodes)
    return _shared(graph, labels, _sums(graph, labels))


def _graph(nodes: Sequence[Node]) -> Graph:
    graph = {node: node.parents for node in nodes}
    if not graph.keys() >= set(chain.from_iterable(graph.values())):  # something is hidden
        graph = {node: tuple(x for x in xs if x in graph) for node, xs in graph.items()}
    return graph


def _group(nodes: list[Node], sums: Mapping[Node, Node], inputs: set[Node]) -> Group:
    first = nodes[0]
    if first not in sums:
        return Group("input" if first in inputs else "alike", nodes, nodes)
    last = [node for node in nodes if sums[node] is node]
    return Group("sum", nodes, last, len(nodes) // len(last) + 1)


def _sums(graph: Graph, labels: Labels) -> dict[Node, Node]:
    """The additions that make up a sum of more than two terms, each with the last of its sum."""
    uses = Counter(operand for operands in graph.values() for operand in operands)
    sums: dict[Node, Node] = {}
    for node, operands in graph.items():
        if node.op == "add":
            for operand in operands:
                if operand.op == "add" and uses[operand] == 1 and not labels[operand]:
                    sums[operand] = sums.setdefault(node, node)
    return sums


def _keys(
    graph: Graph, sums: Mapping[Node, Node], identity: Callable[[Node], Any]
) -> tuple[dict[Node, int], dict[Node, list[Node]]]:
    """A number for each node, the same for nodes that are alike; and what sums are made of.

    ``identity`` says which leaves are told apart.
    """
    of: dict[Node, int] = {}
    terms_of: dict[Node, list[Node]] = {}
    number: dict[Any, int] = {}
    for node, operands in reversed(graph.items()):
        if node.is_leaf:
            content: Any = ("leaf", identity(node))
        elif node not in sums:
            content = (_kind(node), *[of[x] for x in operands])
        else:
            last = sums[node]
            terms = terms_of.setdefault(last, [])
            terms += [x for x in operands if sums.get(x) is not last]
            if node is not last:
                continue
            content = ("sum", *sorted(Counter([of[x] for x in terms]).items()))
        of[node] = number.setdefault(content, len(number))
    for node, last in sums.items():
        of[node] = of[last]
    return of, terms_of


def _kind(node: Node) -> Any:
    return node.rule if isinstance(node, Value) else (node.op, np.shape(node.data))


def _shared(graph: Graph, labels: Labels, sums: Mapping[Node, Node]) -> set[Node]:
    """What `shared_leaves` says. The examples are the terms that are alike in the sum whose terms
    reach deepest."""
    unlabelled = [x for x in graph if x.is_leaf and not labels[x] and x.requires_grad]
    if not unlabelled:
        return set()
    of, terms_of = _keys(graph, sums, lambda leaf: leaf.requires_grad)
    height: dict[Node, int] = {}  # on how many operations, one after the other, it was built
    for node, operands in reversed(graph.items()):
        height[node] = 1 + max([height[x] for x in operands]) if operands else 0
    examples: list[Node] = []
    deepest = 0
    for terms in reversed(terms_of.values()):
        count = Counter([of[term] for term in terms])
        repeated = [term for term in terms if count[of[term]] > 1]
        if repeated and (reach := max(map(height.__getitem__, repeated))) > deepest:
            deepest, examples = reach, repeated
    if not examples:
        return set(unlabelled)
    owner: dict[Node, int] = {example: number for number, example in enumerate(examples)}
    for node, operands in graph.items():
        mine = owner.get(node)
        if mine is not None:
            for operand in operands:
                if owner.setdefault(operand, mine) != mine:
                    owner[operand] = _MANY
    return {leaf for leaf in unlabelled if owner.get(leaf) == _MANY}


def _places(
    graph: Graph, keys: Mapping[Node, int], sums: Mapping[Node, Node], inputs: set[Node]
) -> dict[Node, Any]:
    """Leaves that are not told apart by name go by their place: what is alike that uses them,
    and as which operand. So the first input of every example is not the second."""
    places: dict[Node, set[tuple[int, int]]] = {leaf: set() for leaf in inputs}
    for node, operands in graph.items():
        for index, operand in enumerate(operands):
            if operand in inputs:
                places[operand].add((keys[node], 0 if node in sums else index))
    return {leaf: (leaf.requires_grad, frozenset(used)) for leaf, used in places.items()}
