"""Record once, replay: the graph that ran, as a straight program over arrays.

A training step builds the same graph again and again. `Tape(loss)` takes one such graph and runs
it forward and backward for whatever data its leaves hold now, without building nodes. Nothing is
derived a second time: the program calls the same rules, in the reading with arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from engine.backprop import order
from engine.node import Node
from engine.readings import FLOAT64, Array
from engine.value import Value


class Tape:
    """A recorded graph that can be run again.

    `loss` is a Value, or a Tensor of one element, with its graph. Between replays the `leaves`
    may be given other data (`p.data = ...`, in place or not): parameters, batches and labels
    alike, as long as the shapes stay.

    What was recorded is replayed. An `if` or a loop of Python's took the way that it took, random
    numbers are drawn no more, and what was computed from constants alone (`x / 255`, `x > 0` as
    the condition of `where`, one_hot labels) left no trace in the graph: its result is a leaf.
    Of this a tape can tell only one thing, whether it reads a tensor at all: `batch in
    tape.leaves`.

    >>> from engine import Value
    >>> w, x = Value(3.0), Value(2.0)
    >>> tape = Tape((w * x - 1) ** 2)
    >>> w.data = 1.0
    >>> tape.replay(), w.grad
    (1.0, 4.0)
    """

    def __init__(self, loss: Node) -> None:
        if getattr(loss, "rule", None) is None:
            raise TypeError("Tape(loss): loss is a Value or Tensor with the graph it came from")
        loss.seed(None)  # raises unless it is one number
        self._nodes = _Nodes(order(loss)[::-1])
        self.leaves = self._nodes.shapes.keys()
        self._program: _Program = self._nodes
        if isinstance(loss, Value):
            self._program = _Values(self._nodes.nodes)  # type: ignore[arg-type]

    def replay(self) -> float:
        """Run forward from the leaves' present data, then backward; return the loss.

        The leaves' `.grad` is overwritten, not added to. Other shapes raise ValueError.
        """
        with np.errstate(all="ignore"):
            return self._program.replay()

    def sync(self) -> None:
        """Do the same node by node, so that those in between have their data and gradients, to be
        drawn: the graph is then as if it had been built from the leaves' present data."""
        with np.errstate(all="ignore"):
            self._nodes.replay()


class _Program(Protocol):
    def replay(self) -> float: ...


class _Nodes:
    """The nodes themselves, computed again each from its operands: no program, the graph."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        operands = dict.fromkeys(x for node in nodes for x in node.operands if isinstance(x, Node))
        self.shapes = {x: np.shape(x.data) for x in operands if x.rule is None}

    def replay(self) -> float:
        for leaf, shape in self.shapes.items():
            if np.shape(leaf.data) != shape:
                raise ValueError(
                    f"{leaf.label or 'a leaf'} had shape {shape} when the tape was made and has "
                    f"{np.shape(leaf.data)} now: make a new Tape of a new graph"
                )
            leaf.grad = None
        for node in self.nodes:
            node.run_again()
            node.grad = None
        root = self.nodes[-1]
        root.grad = root.seed(None)
        for node in reversed(self.nodes):
            node.send_back()
        return float(root.data)


class _Group:
    """The nodes that one rule made at one depth: a stretch of the program, run as one call."""

    __slots__ = ("edges", "first", "nodes", "operands", "out", "rule", "users", "xs")

    def __init__(self, nodes: list[Value], first: int) -> None:
        self.nodes = nodes
        self.rule: Any = nodes[0].rule
        self.out = slice(first, first + len(nodes))
        self.operands: list[Array | slice] = []  # where the data of each operand stands
        self.edges: list[tuple[int, slice]] = []  # per active operand, where contributions go
        self.users: Array | slice = slice(0)  # the contributions that make up these gradients,
        self.first: Array | None = None  # and where each node's begin; None: each has one
        self.xs: list[Array] = []  # the operands' data at the last replay


class _Values:
    """On Values all nodes become two arrays, data and contributions (one for each edge).

    The leaves come first in `data`, then the groups by depth. A node's gradient is the sum of the
    contributions of its users: a gather, and a segment sum where there is more than one.
    """

    def __init__(self, nodes: Sequence[Value]) -> None:
        leaves = dict.fromkeys(x for node in nodes for x in node.parents if x.rule is None)
        self.leaves: list[Value] = list(leaves)  # type: ignore[arg-type]
        depth: dict[Node, int] = dict.fromkeys(leaves, 0)
        alike: dict[Any, list[Value]] = {}
        for node in nodes:
            depth[node] = 1 + max(depth[x] for x in node.parents)
            kind = (depth[node], node.rule, node.da is None, node.db is None)
            alike.setdefault(kind, []).append(node)
        self.groups: list[_Group] = []
        place: dict[Node, int] = {leaf: i for i, leaf in enumerate(leaves)}
        for kind in sorted(alike, key=lambda kind: kind[0]):
            group = _Group(alike[kind], len(place))
            self.groups.append(group)
            place.update(zip(group.nodes, range(group.out.start, group.out.stop), strict=True))
        self.data = np.empty(len(place))

        targets: list[Array] = []
        count = 0
        for group in self.groups:
            parents = zip(*(node.parents for node in group.nodes), strict=True)
            places = [np.array([place[x] for x in column]) for column in parents]
            group.operands = [_stretch(column) for column in places]
            for index, _ in group.nodes[0].active():
                group.edges.append((index, slice(count, count + len(group.nodes))))
                targets.append(places[index])
                count += len(group.nodes)
        self.contributions = np.empty(count)
        self._find_users(np.concatenate(targets))

    def _find_users(self, target: Array) -> None:
        """For each group, and for the leaves, which contributions are theirs."""
        by_target = np.argsort(target, kind="stable")
        bounds = np.searchsorted(target[by_target], np.arange(len(self.data) + 1))
        for group in self.groups[:-1]:  # the last is the root, whose gradient is 1
            first = bounds[group.out]
            last = bounds[group.out.stop]
            group.users = _stretch(by_target[first[0] : last])
            if last - first[0] > len(first):
                group.first = first - first[0]
        active = [i for i, leaf in enumerate(self.leaves) if bounds[i] < bounds[i + 1]]
        self.active_leaves = [self.leaves[i] for i in active]
        self.leaf_users = by_target[: bounds[len(self.leaves)]]
        self.leaf_first = bounds[active]

    def replay(self) -> float:
        data = self.data
        data[: len(self.leaves)] = [leaf.data for leaf in self.leaves]
        for group in self.groups:
            group.xs = [data[place] for place in group.operands]
            data[group.out] = group.rule.forward(FLOAT64, *group.xs)
        self._send_back(careful=False)
        if np.isnan(self.contributions).any():
            self._send_back(careful=True)
        sums = np.add.reduceat(self.contributions[self.leaf_users], self.leaf_first)
        for leaf, gradient in zip(self.active_leaves, sums.tolist(), strict=True):
            leaf.grad = gradient
        return float(data[-1])

    def _send_back(self, careful: bool) -> None:
        """One backward pass; `careful` lets an upstream of 0 win over a local inf or nan."""
        contributions = self.contributions
        upstream = np.ones(1)
        for group in reversed(self.groups):
            if group is not self.groups[-1]:
                upstream = contributions[group.users]
                if group.first is not None:
                    upstream = np.add.reduceat(upstream, group.first)
            y = self.data[group.out]
            for index, stretch in group.edges:
                local = group.rule.local(index, FLOAT64, group.xs, y, {})
                contribution = upstream * local
                if careful:
                    contribution = FLOAT64.zero_upstream_wins(upstream, contribution)
                    if group.rule.masks(index):
                        contribution = FLOAT64.zero_slope_wins(local, contribution)
                contributions[stretch] = contribution


def _stretch(places: Array) -> Array | slice:
    """Places that follow one another as a slice, which NumPy reads without copying."""
    first, length = int(places[0]), len(places)
    if places[-1] - first == length - 1 and (length == 1 or (np.diff(places) == 1).all()):
        return slice(first, first + length)
    return places
