"""Record once, replay: the graph that ran, as a straight program over arrays.

A training step builds the same graph again and again. `Tape(loss)` takes one such graph and runs
it forward and backward for whatever data its leaves hold now, without building nodes. Nothing is
derived a second time: the program calls the same rules, in the reading with arrays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    alike, as long as shapes and precision stay.

    What was recorded is replayed. An `if` or a loop of Python's took the way that it took, random
    numbers are drawn no more, and what was computed from constants alone (`x / 255`, `x > 0` as
    the condition of `where`, one_hot labels) left no trace in the graph: its result is a leaf.
    Of this a tape can tell only one thing, whether it reads a tensor at all: `batch in
    tape.leaves`. Nor does detect_anomaly look at a replay: for that, build the graph again.

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
        nodes = order(loss)[::-1]
        self._program: _Program = (_Values if isinstance(loss, Value) else _Tensors)(nodes)
        self.leaves = self._program.leaves

    def replay(self) -> float:
        """Run forward from the leaves' present data, then backward; return the loss.

        The leaves' `.grad` is overwritten, not added to. Other shapes, and another
        precision, raise ValueError.
        """
        with np.errstate(all="ignore"):
            return self._program.replay()

    def sync(self) -> None:
        """Do the same node by node, so that those in between have their data and gradients, to be
        drawn: the graph is then as if it had been built from the leaves' present data."""
        with np.errstate(all="ignore"):
            self._program.sync()


class _Program(Protocol):
    @property
    def leaves(self) -> Collection[Any]: ...

    def replay(self) -> float: ...
    def sync(self) -> Any: ...


class _Tensors:
    """On Tensors the nodes are the program: each is computed again from its operands."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes = nodes
        operands = dict.fromkeys(x for node in nodes for x in node.operands if _is_leaf(x))
        self.made_of = {leaf: (leaf.shape, leaf.dtype) for leaf in operands}
        self.leaves = self.made_of.keys()

    def replay(self) -> float:
        for leaf, (shape, dtype) in self.made_of.items():
            if leaf.shape != shape or (leaf.dtype != dtype and leaf.dtype.kind == "f"):
                raise ValueError(
                    f"{leaf.label or 'a leaf'} had shape {shape} ({dtype}) when the tape was made "
                    f"and has {leaf.shape} ({leaf.dtype}) now: make a new Tape of a new graph"
                )
            leaf.grad = None
        for node in self.nodes:
            node.run_again()
            node.grad = None
        root = self.nodes[-1]
        root.grad = root.seed(None)
        root.send_back(reversed(self.nodes))
        return float(root.item())

    sync = replay


def _is_leaf(operand: Any) -> bool:
    return isinstance(operand, Node) and operand.rule is None


class _Stretch:
    """Places of a long array: a view of it if they follow one another, else a copy."""

    __slots__ = ("array", "places", "source")

    def __init__(self, source: Array, places: Array) -> None:
        first, length = int(places[0]), len(places)
        self.source = source
        self.places: Array | None = None
        if places[-1] - first == length - 1 and (length == 1 or (np.diff(places) == 1).all()):
            self.array = source[first : first + length]
        else:
            self.places = places
            self.array = np.empty(length)

    def read(self) -> Array:
        """The numbers that stand there now."""
        if self.places is not None:
            self.source.take(self.places, out=self.array, mode="clip")  # "raise" is the slow way
        return self.array


class _Group:
    """The nodes that one rule made at one depth: a part of the program, run as one call."""

    __slots__ = ("copies", "edges", "nodes", "out", "rule", "starts", "users", "xs", "y")

    def __init__(self, nodes: list[Value], first: int, data: Array) -> None:
        self.nodes = nodes
        self.rule: Any = nodes[0].rule
        self.out = slice(first, first + len(nodes))
        self.y = data[self.out]
        self.xs: list[Array] = []  # the operands' data,
        self.copies: list[_Stretch] = []  # and what of it has to be copied first
        self.edges: list[tuple[int, Array]] = []  # per active operand, where contributions go
        self.users: _Stretch | None = None  # the contributions that make up these gradients,
        self.starts: Array | None = None  # and where each node's begin; None: each has one

    def read(self, operand: _Stretch) -> None:
        """Take this as the next operand."""
        self.xs.append(operand.array)
        if operand.places is not None:
            self.copies.append(operand)


class _Values:
    """On Values all nodes become two arrays, data and contributions (one for each edge).

    The leaves come first in `data`, then the groups by depth. A node's gradient is the sum of the
    contributions of its users: a gather, and a segment sum where there is more than one.
    """

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes = nodes
        leaves = dict.fromkeys(x for node in nodes for x in node.parents if x.rule is None)
        self.leaves = list(leaves)
        depth: dict[Node, int] = dict.fromkeys(leaves, 0)
        alike: dict[Any, list[Value]] = {}
        for node in nodes:
            depth[node] = 1 + max(depth[x] for x in node.parents)
            kind = (depth[node], node.rule, node.da is None, node.db is None)
            alike.setdefault(kind, []).append(node)
        self.data = np.empty(len(leaves) + len(nodes))
        self.groups: list[_Group] = []
        place: dict[Node, int] = {leaf: i for i, leaf in enumerate(leaves)}
        for kind in sorted(alike, key=lambda kind: kind[0]):
            self.groups.append(_Group(alike[kind], len(place), self.data))
            place.update(zip(alike[kind], range(len(place), len(self.data)), strict=False))

        self.contributions = np.empty(sum(len(node.active) for node in nodes))
        targets: list[Array] = []
        count = 0
        for group in self.groups:
            parents = zip(*(node.parents for node in group.nodes), strict=True)
            places = [np.array([place[x] for x in column]) for column in parents]
            for column in places:
                group.read(_Stretch(self.data, column))
            for index, _ in group.nodes[0].active:
                group.edges.append((index, self.contributions[count : count + len(group.nodes)]))
                targets.append(places[index])
                count += len(group.nodes)
        self._find_users(np.concatenate(targets))

    def _find_users(self, target: Array) -> None:
        """For each group, and for the leaves, which contributions are theirs."""
        by_target = np.argsort(target, kind="stable")
        bounds = np.searchsorted(target[by_target], np.arange(len(self.data) + 1))
        for group in self.groups[:-1]:  # the last is the root, whose gradient is 1
            first = bounds[group.out]
            last = bounds[group.out.stop]
            group.users = _Stretch(self.contributions, by_target[first[0] : last])
            if last - first[0] > len(first):
                group.starts = first - first[0]
        active = [i for i, leaf in enumerate(self.leaves) if bounds[i] < bounds[i + 1]]
        self.active_leaves = [self.leaves[i] for i in active]
        self.leaf_users = _Stretch(self.contributions, by_target[: bounds[len(self.leaves)]])
        self.leaf_starts = bounds[active]

    def replay(self) -> float:
        self.data[: len(self.leaves)] = [leaf._data for leaf in self.leaves]
        for group in self.groups:
            for operand in group.copies:
                operand.read()
            group.y[:] = group.rule.forward(FLOAT64, *group.xs)
        self._send_back(careful=False)
        if np.isnan(self.contributions).any():
            self._send_back(careful=True)
        sums = np.add.reduceat(self.leaf_users.read(), self.leaf_starts)
        for leaf, gradient in zip(self.active_leaves, sums.tolist(), strict=True):
            leaf.grad = gradient
        return float(self.data[-1])

    def sync(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None
        for node in self.nodes:
            node.run_again()
        root = self.nodes[-1]
        nodes = root.reached()
        root.grad = 1.0
        root.send_back(nodes)

    def _send_back(self, careful: bool) -> None:
        """One backward pass; `careful` lets an upstream of 0 win over a local inf or nan."""
        upstream = np.ones(1)
        for group in reversed(self.groups):
            if group.users is not None:
                upstream = group.users.read()
                if group.starts is not None:
                    upstream = np.add.reduceat(upstream, group.starts)
            for index, contribution in group.edges:
                local = group.rule.backward[index](FLOAT64, *group.xs, group.y)
                np.multiply(upstream, local, out=contribution)  # the chain rule
                if careful:
                    contribution[upstream == 0] = 0.0
                    if group.rule.masks[index]:
                        contribution[np.broadcast_to(local == 0, contribution.shape)] = 0.0
