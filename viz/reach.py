"""What reaches what in a graph, element by element: the groundwork of `viz.why_zero`.

A mask says of a node which of its elements are meant: a boolean array for a Tensor, 1 or 0 for a
Value. A sweep carries masks through the graph, down from the loss or up from a parameter, over
the derivatives that are not 0, or (``opened``) over all that could be other than 0: as if no
slope and no operand were 0. Which elements are selected, by an index or as the largest, stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Protocol

import numpy as np

import engine
from engine.backprop import NODES
from engine.node import Node
from engine.readings import FLOAT64
from engine.rule import Elementwise
from engine.tensor import Tensor
from engine.value import Value

Mask = Any
Masks = dict[Node, Mask]
Edge = tuple[Node, int]  # an operation, and the place of the operand
Cut = dict[Edge, tuple[Mask, Mask]]  # elements of the operand, and of the operation's result

_SELECTIONS = frozenset(("amax", "amin", "max", "min", "max_pool1d", "max_pool2d"))


class Links(Protocol):
    """How masks go over an edge."""

    def whole(self, node: Node) -> Mask: ...

    def down(self, node: Node, index: int, mask: Mask, opened: bool) -> Mask:
        """Which elements of operand `index` those of the node depend on."""

    def up(self, node: Node, index: int, mask: Mask, opened: bool) -> Mask:
        """Which elements of the node depend on those of operand `index`."""


class _Values:
    def whole(self, node: Node) -> int:
        return 1

    def down(self, node: Node, index: int, mask: int, opened: bool) -> int:
        return mask if opened or node.local(index) != 0 else 0

    up = down


class _Tensors:
    """Structural operations are asked by random numbers: what depends on an element changes with
    it, and random numbers do not cancel."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def whole(self, node: Node) -> Mask:
        return np.ones(np.shape(node.data), bool)

    def down(self, node: Tensor, index: int, mask: Mask, opened: bool) -> Mask:
        rule, upstream = node.rule, self._noise(mask)
        if isinstance(rule, Elementwise):
            passed = upstream if opened else upstream * (node.local(index) != 0)
            return FLOAT64.sum_to_shape(passed, np.shape(node.inputs[index])) != 0
        assert rule is not None
        with np.errstate(all="ignore"):
            inputs, output, arguments = self._numbers(node, opened)
            pulled = rule.pull(index, FLOAT64, upstream, inputs, output, arguments)
        return np.asarray(pulled) != 0

    def up(self, node: Tensor, index: int, mask: Mask, opened: bool) -> Mask:
        rule = node.rule
        if isinstance(rule, Elementwise):
            there = np.broadcast_to(mask, node.output.shape)
            return there if opened else there & (node.local(index) != 0)
        assert rule is not None
        # A vjp is linear in the upstream gradient; its own vjp is its transpose.
        upstream = Tensor(np.zeros(node.output.shape), requires_grad=True)
        with np.errstate(all="ignore"):
            inputs, output, arguments = self._numbers(node, opened)
            constant = node.constant(output)
            pulled = rule.pull(index, NODES, upstream, inputs, constant, arguments)
            if not getattr(pulled, "requires_grad", False):
                return np.zeros(node.output.shape, bool)
            (pushed,) = engine.grad(pulled, upstream, self._noise(mask))
        return pushed != 0

    def _noise(self, mask: Mask) -> Any:
        return mask * self._random.uniform(0.5, 1.5, np.shape(mask))

    def _numbers(self, node: Tensor, opened: bool) -> tuple[Sequence[Any], Any, dict[str, Any]]:
        """The inputs, the output and the parameters to derive at: opened, other numbers than they
        were, none of which happens to be 0, or perfectly predicted, or beyond a margin."""
        if not opened or node.op in _SELECTIONS:
            return node.inputs, node.output, node.arguments
        assert node.rule is not None
        inputs = [
            self._random.uniform(0.1, 0.9, np.shape(x)) if np.asarray(x).dtype.kind == "f" else x
            for x in node.inputs
        ]
        arguments = deepcopy(node.arguments)  # where an operation may keep what backward needs
        return inputs, node.rule.forward(FLOAT64, *inputs, **arguments), arguments


def links_of(root: Node) -> Links:
    links: Any = _Values() if isinstance(root, Value) else _Tensors()
    return links


def some(mask: Mask | None) -> bool:
    """Whether a mask means anything at all."""
    return bool(mask) if mask.__class__ is int else mask is not None and bool(np.any(mask))


def without(mask: Mask, other: Mask | None) -> Mask:
    """What the one means and the other does not."""
    return mask if other is None else mask & ~other


def sweep_down(links: Links, nodes: Sequence[Node], root: Node, opened: bool, shut: Masks) -> Masks:
    """What is reached from the root without entering what is ``shut``."""
    reached: Masks = {root: links.whole(root)}
    for node in nodes:
        if some(reached.get(node)):
            for index, operand in node.active:
                mask = links.down(node, index, reached[node], opened)
                _join(reached, operand, without(mask, shut.get(operand)))
    return reached


def opened(links: Links, nodes: Sequence[Node], root: Node, cut: Cut) -> Masks:
    """What were reached from the root if the cut, and nothing else, let pass."""
    reached: Masks = {root: links.whole(root)}
    for node in nodes:
        if some(mask := reached.get(node)):
            for index, operand in node.active:
                _join(reached, operand, links.down(node, index, mask, False))
                if (node, index) in cut:
                    there = mask & cut[node, index][1]
                    _join(reached, operand, links.down(node, index, there, True))
    return reached


def sweep_up(links: Links, nodes: Sequence[Node], start: Masks, opened: bool, shut: Masks) -> Masks:
    """What depends on the start, without entering what is ``shut``."""
    reached: Masks = dict(start)
    for node in reversed(nodes):
        for index, operand in node.active:
            if some(reached.get(operand)):
                mask = links.up(node, index, reached[operand], opened)
                _join(reached, node, without(mask, shut.get(node)))
    return reached


def cut_near_param(links: Links, nodes: Sequence[Node], root: Node, start: Masks) -> Cut:
    """The operations just above all that moves with the start, where they can be reached from
    the root: every path crosses one of them, and some path crosses no other."""
    moving = sweep_up(links, nodes, start, False, {})
    facing = sweep_down(links, nodes, root, True, shut=moving)
    return _crossings(links, nodes, moving, facing)


def cut_near_root(links: Links, nodes: Sequence[Node], reached: Masks, start: Masks) -> Cut:
    """The same of the operations that are ``reached`` from the root, but pass nothing on."""
    facing = sweep_up(links, nodes, start, True, shut=reached)
    return _crossings(links, nodes, facing, reached)


def ways(links: Links, nodes: Sequence[Node], root: Node, start: Masks) -> Masks:
    """Through which elements a path could lead from the root to the start."""
    below = sweep_up(links, nodes, start, True, {})
    above = sweep_down(links, nodes, root, True, {})
    return {node: mask & above[node] for node, mask in below.items() if node in above}


def ends(links: Links, nodes: Sequence[Node], start: Masks) -> list[Node]:
    """The operations that leave out what depends on the start: they select other elements."""
    facing = sweep_up(links, nodes, start, True, {})
    return [
        node
        for node in reversed(nodes)
        if any(some(facing.get(operand)) for _, operand in node.active)
        and not some(facing.get(node))
    ]


def _crossings(links: Links, nodes: Sequence[Node], below: Masks, above: Masks) -> Cut:
    """The edges from elements below to elements above."""
    cut: Cut = {}
    for node in nodes:
        for index, operand in node.active:
            if some(below.get(operand)) and some(above.get(node)):
                result = links.up(node, index, below[operand], True) & above[node]
                if some(result):
                    source = links.down(node, index, result, True) & below[operand]
                    cut[node, index] = source, result
    return cut


def _join(masks: Masks, node: Node, mask: Mask) -> None:
    before = masks.get(node)
    masks[node] = mask if before is None else before | mask
