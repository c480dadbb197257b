"""A cut in words: which units of which operation let nothing through, and for how many examples."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from engine.node import Node
from engine.rule import Elementwise
from engine.value import Value
from viz.layers import is_activation, leaves_of, parameters_without_label, unit_numbers
from viz.probe import Array
from viz.question import called
from viz.reach import Cut, Edge, Masks
from viz.style import number
from viz.walk import walk

_MOST = 8  # units that are listed
# Linear in each operand: a derivative of 0 is a 0 in the other operand.
_PRODUCTS = frozenset((
    "mul", "matmul", "mm", "bmm", "mv", "dot", "outer", "linear", "conv1d", "conv2d",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """Some units of one operation, where they let nothing through.

    Attributes:
        nodes: the operation; of Values, one for each example.
        index: towards which operand.
        where: what the operation is called.
        units, width: which of how many units; of Values, a unit has a Block of its own.
        blocked, examples: for how many examples (of images or sequences, at how many places) each
            stands in the way, and of how many through which a path leads.
        smallest, largest: the operands that an activation had there; of other operations None.
        zero: what is 0: the slope, or the other operand, by name; of an activation, how it is.
    """

    nodes: tuple[Node, ...] = field(repr=False)
    index: int
    where: str
    units: tuple[int, ...]
    width: int
    blocked: int
    examples: int
    smallest: float | None
    largest: float | None
    zero: str
    counted: Literal["examples", "places"] = "examples"

    def __str__(self) -> str:
        share = ""
        if self.examples > 1:
            share = f" for {self.blocked} of {self.examples} {self.counted}"
        if self.smallest is None or self.largest is None:
            return f"{self.where}: {self.zero} is 0{share}"
        name, verb, of = f"{self.where}{listed(self.units)}", "is", "its"
        if len(self.units) > 1:
            verb, of = "are", "their"
            if len(self.units) == self.width:
                name = f"{self.where}, all {self.width} units,"
        if self.smallest == self.largest:
            which = f"pre-activation is {number(self.largest)}"
        elif self.largest <= 0:
            which = f"largest pre-activation is {number(self.largest)}"
        else:
            which = f"pre-activations are {number(self.smallest)} to {number(self.largest)}"
        return f"{name} {verb} {self.zero}{share}; {of} {which}"


def shortest(cuts: Sequence[Cut], nodes: Sequence[Node], ways: Masks) -> tuple[Cut, list[Block]]:
    """The one of some cuts of a graph with these ``nodes`` that takes the fewest words, and says
    the most of each unit. ``ways`` are the elements through which a path to the parameter leads."""
    if isinstance(nodes[0], Value):
        activations = [node for cut in cuts for node, _ in cut if is_activation(node)]
        shared = parameters_without_label(walk(nodes[0]), activations)
        cut = min(cuts, key=lambda cut: len({_unit(node, index, shared) for node, index in cut}))
        return cut, list(_of_values(cut, nodes, shared))
    told = [
        (cut, [block for edge, masks in cut.items() for block in _of_tensors(edge, *masks, ways)])
        for cut in cuts
    ]
    return min(told, key=lambda both: (len(both[1]), sum(b.blocked < b.examples for b in both[1])))


def listed(units: Sequence[int]) -> str:
    """``[0, 3]``; nothing for no units."""
    if not units:
        return ""
    shown = [str(unit) for unit in units[:_MOST]] + ["…"] * (len(units) > _MOST)
    return f"[{', '.join(shown)}]"


# ------------------------------------------------------------------ Values


def _of_values(cut: Cut, nodes: Sequence[Node], shared: Container[Node]) -> Iterator[Block]:
    """Activations with the same parameters are one unit, seen in several examples; so are
    operations of one kind on the same leaf."""
    units: dict[Any, list[Edge]] = {}
    for node, index in cut:
        units.setdefault(_unit(node, index, shared), []).append((node, index))
    rules = {node.rule for node, _ in cut}
    sizes: dict[Any, int] = dict.fromkeys(units, 0)
    for node in nodes:
        if node.rule in rules:
            for index, _ in node.active:
                if (key := _unit(node, index, shared)) in sizes:
                    sizes[key] += 1
    for key, edges in units.items():
        node, index = edges[0]
        inputs = [node.parents[index].data for node, index in edges] if is_activation(node) else []
        yield Block(
            tuple(node for node, _ in edges), index, _where(node), (), 1, len(edges), sizes[key],
            min(inputs, default=None), max(inputs, default=None), _zero(node, index),
        )  # fmt: skip


def _unit(node: Node, index: int, shared: Container[Node]) -> Any:
    if is_activation(node):
        return node.rule, leaves_of(node, shared)
    operand = node.parents[index]
    return node.rule, index, operand if operand.is_leaf else None


# ------------------------------------------------------------------ Tensors


def _of_tensors(edge: Edge, source: Array, result: Array, ways: Masks) -> Iterator[Block]:
    """One operation. Units that let nothing through for as many examples are told together."""
    node, index = edge
    if not isinstance(node.rule, Elementwise):
        yield _factor(node, index, source, result)
        return
    unit = np.broadcast_to(unit_numbers(node), result.shape)
    width = int(unit.max(initial=0)) + 1
    blocked = np.bincount(unit[result], minlength=width)
    examples = np.bincount(unit[ways[node]], minlength=width)
    counts = zip(blocked.tolist(), examples.tolist(), strict=True)
    for count, of in sorted(set(counts), reverse=True):
        units = np.flatnonzero((blocked == count) & (examples == of))
        if not count:
            continue
        there = result & np.isin(unit, units)
        alone = () if result.ndim == 0 else tuple(units.tolist())
        some = alone if len(units) < width else ()
        where, zero, smallest, largest = _where(node), _zero(node, index), None, None
        if is_activation(node):
            inputs = np.broadcast_to(node.parents[index].data, result.shape)[there]
            smallest, largest = float(inputs.min()), float(inputs.max())
        elif zero == "the slope":
            where += listed(some)
        else:
            zero += listed(some)
        yield Block(
            (node,), index, where, alone, width, count, of, smallest, largest, zero,
            "places" if result.ndim > 2 else "examples",
        )  # fmt: skip


def _factor(node: Node, index: int, source: Array, result: Array) -> Block:
    """An operation of whole arrays; of a product, which part of the other operand is 0."""
    zero, rows, examples = _zero(node, index), 1, 1
    if node.op in _PRODUCTS and index < 2:
        other = np.asarray(node.parents[1 - index].data)
        if np.any(other != 0):
            zero += " there"
        if node.op in ("linear", "matmul", "mm") and other.ndim == 2 and source.ndim == 2:
            place, rows, examples = _zeros(node, index, source, result, other)
            zero = zero.removesuffix(" there") + place
    return Block((node,), index, _where(node), (), 1, rows, examples, None, None, zero)


def _zeros(
    node: Node, index: int, source: Array, result: Array, other: Array
) -> tuple[str, int, int]:
    """Of x·w: where w is 0, or for how many examples which columns of x are."""
    if index == 1:
        features = np.any(source, axis=0 if node.op == "linear" else 1)
        rows = np.any(result, axis=1)
        part, place = other[rows][:, features], listed(np.flatnonzero(features).tolist())
        found = place, int(rows.sum()), len(rows)
    else:
        features, units = np.any(source, axis=0), np.any(result, axis=0)
        first, second = (units, features) if node.op == "linear" else (features, units)
        part, place = other[first][:, second], f"[{_slice(first)}, {_slice(second)}]"
        found = "" if place == "[:, :]" else place, 1, 1
    return found if not part.any() else (" there", 1, 1)


def _slice(chosen: Array) -> str:
    """As one would write it in an index."""
    if chosen.all():
        return ":"
    places = listed(np.flatnonzero(chosen).tolist())
    return places if chosen.sum() > 1 else places[1:-1]


# ------------------------------------------------------------------ names


def _where(node: Node) -> str:
    """`layer1 relu`, or the operation with its operands: `w × x`."""
    assert node.rule is not None
    if node.label:
        return called(node)
    if is_activation(node):
        owners = {leaf.label.rpartition(".")[0] for leaf in leaves_of(node)}
        return f"{owners.pop() if len(owners) == 1 else ''} {node.op}".strip()
    if len(node.parents) == 2 and len(node.rule.symbol) == 1:
        return f" {node.rule.symbol} ".join(map(_operand, node.parents))
    return f"{node.rule.symbol} of {_operand(node.parents[0])}"


def _operand(node: Node) -> str:
    if node.label:
        return called(node)
    if node.rule:
        return _where(node) if is_activation(node) else node.rule.symbol
    return number(float(node.data)) if np.size(node.data) == 1 else "a constant"


def _zero(node: Node, index: int) -> str:
    """What is 0 there; of an activation, how it is there."""
    if is_activation(node):
        assert isinstance(node.rule, Elementwise)
        return "off" if node.rule.hard else "at slope 0 (below 1e-16)"
    if node.op in _PRODUCTS and len(node.parents) > 1 and index < 2:
        other = node.parents[1 - index]
        unnamed = "the input" if index and node.op != "mul" else "the other operand"
        return _operand(other) if other.label or other.rule else unnamed
    return "the slope"
