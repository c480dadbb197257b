"""Record once, replay: the graph that ran, as a straight program over arrays.

A training step builds the same graph again and again. `Tape(loss)` takes one such graph and runs
it forward and backward for whatever data its leaves hold now, without building nodes. Nothing is
derived a second time: the program calls the same rules, in the reading with arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from engine import straight
from engine.backprop import order
from engine.formula import Expression, read
from engine.forward import forward, prepared
from engine.node import Node
from engine.readings import FLOAT64, Array, silent
from engine.source import function
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

    The first replay of Tensors takes as long as many steps of the graph: the program is written
    and compiled then.

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
        return silent().run(self._program.replay)

    def sync(self) -> None:
        """Replay so that the nodes in between have their data and gradients, too, to be drawn: the
        graph is then as if it had been built from the leaves' present data."""
        silent().run(self._program.sync)


Call = Callable[[], Any]


class _Program(Protocol):
    @property
    def leaves(self) -> Collection[Any]: ...

    def replay(self) -> float: ...
    def sync(self) -> Any: ...


class _Tensors:
    """On Tensors the program is a function that is written out for this graph."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        self.nodes = nodes
        leaves = dict.fromkeys(x for n in nodes for x in n.operands if _is_leaf(x))
        self.made_of = {leaf: (leaf.shape, leaf.dtype) for leaf in leaves}
        self.leaves = self.made_of.keys()

    @cached_property
    def replay(self) -> Callable[[], float]:
        return self._written(sync=False)

    @cached_property
    def sync(self) -> Callable[[], float]:
        return self._written(sync=True)

    def _written(self, sync: bool) -> Callable[[], float]:
        text, names = straight.program_text(self.nodes, self.made_of, sync)
        names |= {"asarray": np.asarray, "fitting": _fitting, "forward": forward}
        names |= {"ndarray": np.ndarray, "prepared": prepared}
        return function(text, "a tape", names, once=True)


def _fitting(leaf: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The data of a leaf that is not as it was when the tape was made."""
    array = np.asarray(leaf.data, dtype)  # of whole numbers, it may be other whole numbers
    if leaf.shape != shape or (
        leaf.dtype != dtype and (leaf.dtype.kind == "f" or (array != leaf.data).any())
    ):
        raise ValueError(
            f"{leaf.label or 'a leaf'} had shape {shape} ({dtype}) when the tape was made "
            f"and has {leaf.shape} ({leaf.dtype}) now: make a new Tape of a new graph"
        )
    return array


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

    def reading(self) -> list[Call]:
        """What brings the numbers that stand there now: for a view, nothing."""
        if self.places is None:
            return []
        # mode="raise", the default, is the slow way
        return [partial(self.source.take, self.places, out=self.array, mode="clip")]


class _Group:
    """The nodes that one rule made at one depth: a part of the program, run as one call."""

    __slots__ = ("edges", "gather", "nodes", "out", "reads", "rule", "upstream", "xs", "y")

    def __init__(self, nodes: list[Value], first: int, data: Array) -> None:
        self.nodes = nodes
        self.rule: Any = nodes[0].rule
        self.out = slice(first, first + len(nodes))
        self.y = data[self.out]
        self.xs: list[Array] = []  # the operands' data,
        self.reads: list[Call] = []  # and what brings it there
        self.edges: list[tuple[int, Array]] = []  # per active operand, where contributions go
        self.upstream = np.ones(1)  # these gradients,
        self.gather: list[Call] = []  # and what sums them up of the contributions of their users

    def take_operand(self, operand: _Stretch) -> None:
        """Take this as the next operand."""
        self.xs.append(operand.array)
        self.reads += operand.reading()

    def receive(self, users: _Stretch, starts: Array | None) -> None:
        """Take these contributions as upstream. Each node's begin at `starts`; None: it has one."""
        self.upstream = users.array
        self.gather = users.reading()
        if starts is not None:
            self.upstream = np.empty(len(starts))
            self.gather.append(partial(np.add.reduceat, users.array, starts, out=self.upstream))

    def forward_steps(self) -> list[Call]:
        """What computes the data of these nodes."""
        rule, xs, y = self.rule, self.xs, self.y
        step = _one_call(
            read(rule.forward, rule.inputs), dict(zip(rule.inputs, xs, strict=True)), y
        )
        if step is None:

            def step() -> None:
                y[:] = rule.forward(FLOAT64, *xs)

        return [*self.reads, step]

    def backward_steps(self) -> list[Call]:
        """What sends the gradients of these nodes on."""
        return [*self.gather, *(self._sending(*edge) for edge in self.edges)]

    def _sending(self, index: int, contribution: Array) -> Call:
        rule, upstream, xs, y = self.rule, self.upstream, self.xs, self.y
        formula = rule.formula(index, {})
        names = {**dict(zip(rule.inputs, xs, strict=True)), "y": y}
        if formula.op in ("number", "symbol"):
            local = _known(formula, names)
            return partial(np.multiply, upstream, local, out=contribution)  # the chain rule
        slope = rule.backward[index]

        def step() -> None:
            np.multiply(upstream, slope(FLOAT64, *xs, y), out=contribution)

        return step


_ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}


def _one_call(formula: Expression, names: dict[str, Array], out: Array) -> Call | None:
    """The formula as one call of NumPy's, if it is one."""
    ufunc = _ARITHMETIC.get(formula.op) or getattr(FLOAT64, formula.op, None)
    if not isinstance(ufunc, np.ufunc) or {a.op for a in formula.args} - {"number", "symbol"}:
        return None
    return partial(ufunc, *(_known(part, names) for part in formula.args), out=out)


def _known(part: Expression, names: dict[str, Array]) -> Any:
    """The array, or the number, that stands in a formula."""
    return names[part.args[0]] if part.op == "symbol" else part.args[0]


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
                group.take_operand(_Stretch(self.data, column))
            for index, _ in group.nodes[0].active:
                group.edges.append((index, self.contributions[count : count + len(group.nodes)]))
                targets.append(places[index])
                count += len(group.nodes)
        self._find_users(np.concatenate(targets))
        # All arrays stay where they are, so that the whole program is a list of calls.
        self.steps = [step for group in self.groups for step in group.forward_steps()]
        self.steps += [step for group in reversed(self.groups) for step in group.backward_steps()]
        self.leaf_steps = self.leaf_users.reading()

    def _find_users(self, target: Array) -> None:
        """For each group, and for the leaves, which contributions are theirs."""
        by_target = np.argsort(target, kind="stable")
        bounds = np.searchsorted(target[by_target], np.arange(len(self.data) + 1))
        for group in self.groups[:-1]:  # the last is the root, whose gradient is 1
            first = bounds[group.out]
            last = bounds[group.out.stop]
            users = _Stretch(self.contributions, by_target[first[0] : last])
            group.receive(users, first - first[0] if last - first[0] > len(first) else None)
        active = [i for i, leaf in enumerate(self.leaves) if bounds[i] < bounds[i + 1]]
        self.active_leaves = [self.leaves[i] for i in active]
        self.leaf_users = _Stretch(self.contributions, by_target[: bounds[len(self.leaves)]])
        self.leaf_starts = bounds[active]

    def replay(self) -> float:
        self.data[: len(self.leaves)] = [leaf._data for leaf in self.leaves]
        for step in self.steps:
            step()
        if np.isnan(self.contributions).any():
            self._send_back_carefully()
        for step in self.leaf_steps:
            step()
        sums = np.add.reduceat(self.leaf_users.array, self.leaf_starts)
        for leaf, gradient in zip(self.active_leaves, sums.tolist(), strict=True):
            leaf.grad = gradient
        return float(self.data[-1])

    def sync(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None
        for node in self.nodes:
            node.run_again()
        root = self.nodes[-1]
        root.send_back(1.0, None)

    def _send_back_carefully(self) -> None:
        """The backward pass once more: an upstream of 0 wins over a local inf or nan."""
        for group in reversed(self.groups):
            for step in group.gather:
                step()
            for index, contribution in group.edges:
                local = group.rule.backward[index](FLOAT64, *group.xs, group.y)
                np.multiply(group.upstream, local, out=contribution)  # the chain rule
                contribution[group.upstream == 0] = 0.0
                if group.rule.masks[index]:
                    contribution[np.broadcast_to(local == 0, contribution.shape)] = 0.0
