"""Why a gradient is exactly 0: the operations that let nothing through, named.

Every path from the loss to a parameter that gets exactly 0 crosses a local derivative of 0: a
ReLU that is off, a factor that is 0. `why_zero` names a smallest set of operations that all paths
cross. There is one near the parameter and one near the loss; it tells the one that takes fewer
words: "unit 3 is off for every example", or "the whole layer above is".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

import engine
from engine.backprop import order
from engine.node import Node
from engine.rule import Elementwise
from engine.value import Value
from viz import reach
from viz.layers import Array, is_activation, leaves_of
from viz.paths import called, nodes_between, paths, root_of
from viz.style import number

_MOST = 8  # lines of one explanation


@dataclass(frozen=True, slots=True)
class Block:
    """One unit of one operation, where it lets nothing through.

    Attributes:
        nodes: the operation; of Values, one for each example.
        index: towards which operand.
        where: what the operation is called.
        units, width: which of how many units; of Values, a unit has a Block of its own.
        blocked, examples: for how many examples each stands in the way, and of how many.
        largest: the largest operand that an activation had there; of other operations None.
        zero: what is 0: the slope, or the other operand, by name.
    """

    nodes: tuple[Node, ...] = field(repr=False)
    index: int
    where: str
    units: tuple[int, ...]
    width: int
    blocked: int
    examples: int
    largest: float | None
    zero: str

    def __str__(self) -> str:
        share = f" for {self.blocked} of {self.examples} examples" if self.examples > 1 else ""
        if self.largest is None:
            return f"{self.where}: {self.zero} is 0{share}"
        name, verb, of = f"{self.where}{_listed(self.units)}", "is", "its"
        if len(self.units) > 1:
            verb, of = "are", "their"
            if len(self.units) == self.width:
                name = f"{self.where}, all {self.width} units,"
        which = (
            "pre-activation"
            if self.blocked * len(self.units or [0]) == 1
            else ("largest pre-activation")
        )
        return f"{name} {verb} {self.zero}{share}; {of} {which} is {number(self.largest)}"


@dataclass(frozen=True, slots=True)
class Zero:
    """Why a gradient is exactly 0.

    Attributes:
        param, root: of which gradient.
        index: of which elements of it: one, or None for all that are 0.
        zeros: how many elements these are.
        kind: "blocked" by the operations in `blocks`; "cancelled", the paths are open but add up
            to 0; "underflow", the product is smaller than any float; or "unused", no path
            leads there.
        blocks: every path crosses one of these.
        cut: the same as edges, (operation, index of the operand), each with the elements of its
            result that are meant. None of them could be left out.
    """

    param: Node
    root: Node
    index: tuple[int, ...] | None
    zeros: int
    kind: Literal["blocked", "cancelled", "underflow", "unused"]
    blocks: tuple[Block, ...] = ()
    cut: reach.Cut = field(default_factory=dict, repr=False)
    detail: str = ""

    def __str__(self) -> str:
        name = called(self.param)
        size = np.size(self.param.data)
        if self.index is not None:
            name += f"[{', '.join(map(str, self.index))}]"
        elif size > 1:
            name += f": {f'all {size}' if self.zeros == size else f'{self.zeros} of {size}'}"
        head = f"{name} {'gets' if size == 1 or self.index else 'get'} exactly 0: "
        if self.kind != "blocked":
            return head + self.detail
        lines = [str(block) for block in self.blocks]
        if len(lines) == 1:
            return head + lines[0]
        if len(lines) > _MOST:
            lines[_MOST - 1 :] = [f"… and {len(lines) - _MOST + 1} more"]
        return "\n  ".join([head.rstrip(), *lines])


def why_zero(
    param: Node, loss: Node | None = None, *, index: int | tuple[int, ...] | None = None
) -> Zero:
    """Name the operations whose zero slope, or zero operand, blocks every path to `param`.

    Arguments:
        param: a Value, or a Tensor of whose gradient some elements are 0.
        loss: by default the last root that `backward()` was called on.
        index: of a Tensor, the element that is meant; without it, all that get exactly 0.

    Raises ValueError where the gradient is not 0, or `param` takes no part in the loss.

    >>> from engine import Value
    >>> w, x = Value(-0.7, label="w"), Value(3.0, label="x")
    >>> print(why_zero(w, (w * x).relu() * 2.0))
    w gets exactly 0: relu is off; its pre-activation is −2.1
    """
    loss = root_of(loss)
    nodes_between(param, loss)  # raises where there are none
    (gradient,) = engine.grad(loss, param)
    place = None if index is None else index if isinstance(index, tuple) else (index,)
    wanted = _wanted(param, gradient, place)
    nodes = order(loss)
    links = reach.links_of(loss)
    reached = reach.sweep_down(links, nodes, loss, False, {})
    closed = reach.without(wanted, reached.get(param))
    count = int(np.sum(wanted))
    if not reach.some(closed):
        kind, detail = _summed_to_zero(param, loss)
        return Zero(param, loss, place, count, kind, detail=detail)
    start = {param: closed}
    candidates = [
        (_blocks(cut, nodes, loss), cut)
        for cut in (
            reach.cut_near_param(links, nodes, loss, start),
            reach.cut_near_root(links, nodes, reached, start),
        )
    ]
    blocks, cut = min(candidates, key=lambda candidate: len(candidate[0]))
    if not cut:
        detail = f"no path leads from it to {called(loss)}"
        return Zero(param, loss, place, count, "unused", detail=detail)
    return Zero(param, loss, place, count, "blocked", tuple(blocks), cut)


def _wanted(param: Node, gradient: Any, place: tuple[int, ...] | None) -> reach.Mask:
    """The elements to explain."""
    zero = np.asarray(gradient) == 0
    name = called(param)
    if place is not None:
        if not zero[place]:
            raise ValueError(
                f"{name}{list(place)} gets {number(float(gradient[place]))}, not 0: ask why_small"
            )
        chosen = np.zeros_like(zero)
        chosen[place] = True
        zero = zero & chosen
    if not zero.any():
        what = (
            f"gets {number(float(gradient))}, not 0"
            if zero.ndim == 0
            else "has no gradient that is 0"
        )
        raise ValueError(f"{name} {what}: ask why_small")
    return int(zero) if isinstance(param, Value) else zero


def _summed_to_zero(param: Node, loss: Node) -> tuple[Literal["cancelled", "underflow"], str]:
    best = paths(param, loss, k=1)[0]
    if best.product == 0:
        return "underflow", (
            f"its largest product of local derivatives is 10^{number(best.decades)}, and a float "
            "ends near 10^−324"
        )
    for step in reversed(list(engine.steps(loss))):
        if np.any((np.asarray(step.grad) == 0) & (np.asarray(step.contribution) != 0)):
            where = called(step.operand)
            return "cancelled", f"contributions of opposite signs cancel at {where}"
    return "underflow", "every contribution is too small for a float"


# ------------------------------------------------------------------ naming a cut


def _blocks(cut: reach.Cut, nodes: Sequence[Node], loss: Node) -> list[Block]:
    if isinstance(loss, Value):
        return list(_blocks_of_values(cut, nodes))
    return [
        block
        for (node, index), mask in cut.items()
        for block in (_units(node, index, mask) if is_activation(node) else [_factor(node, index)])
    ]


def _units(node: Node, index: int, mask: Array) -> Iterator[Block]:
    """An activation of an array: each unit with the examples for which it lets nothing through.
    Units that do so for as many examples are told together."""
    inputs = np.broadcast_to(node.parents[index].data, mask.shape)
    width = mask.shape[-1] if mask.ndim else 1
    columns, inputs = mask.reshape(-1, width), inputs.reshape(-1, width)
    counts = columns.sum(axis=0)
    for count in sorted(set(counts.tolist()) - {0}, reverse=True):
        units = np.flatnonzero(counts == count)
        largest = float(inputs[:, units][columns[:, units]].max())
        alone = mask.ndim == 0
        yield Block(
            (node,), index, _where(node), () if alone else tuple(units.tolist()), width, count,
            len(columns), largest, _zero(node, index),
        )  # fmt: skip


def _factor(node: Node, index: int) -> Block:
    """A product, or anything else that is no activation."""
    what, rows = _zero(node, index), np.size(node.data)
    if node.op in ("linear", "matmul", "mm") and index == 1:  # a whole column of zeros
        factor = node.parents[0]
        table = factor.data.reshape(-1, factor.data.shape[-1])
        columns, rows = np.flatnonzero((table == 0).all(axis=0)), len(table)
        what += _listed(columns.tolist())
    return Block((node,), index, _where(node), (), 1, rows, rows, None, what)


def _blocks_of_values(cut: reach.Cut, nodes: Sequence[Node]) -> Iterator[Block]:
    """Activations with the same parameters are one unit, seen in several examples; so are
    operations of one kind on the same leaf."""
    units: dict[Any, list[tuple[Node, int]]] = {}
    for node, index in cut:
        units.setdefault(_unit(node, index), []).append((node, index))
    rules = {node.rule for node, _ in cut}
    sizes: dict[Any, int] = {}
    for node in nodes:
        if node.rule in rules:
            for index, _ in node.active():
                key = _unit(node, index)
                sizes[key] = sizes.get(key, 0) + 1
    for key, edges in units.items():
        node, index = edges[0]
        largest = None
        if is_activation(node):
            largest = max(node.parents[index].data for node, index in edges)
        found = tuple(node for node, _ in edges)
        yield Block(
            found, index, _where(node), (), 1, len(found), sizes[key], largest, _zero(node, index)
        )


def _unit(node: Node, index: int) -> Any:
    if is_activation(node):
        return node.rule, leaves_of(node)
    operand = node.parents[index]
    return node.rule, index, operand if operand.is_leaf else None


def _where(node: Node) -> str:
    """`layer1 relu`, or the operation with its operands: `w × x`."""
    assert node.rule is not None
    if node.label:
        return called(node)
    if is_activation(node):
        owners = {leaf.label.rpartition(".")[0] for leaf in leaves_of(node)}
        return f"{owners.pop() if len(owners) == 1 else ''} {node.op}".strip()
    if len(node.parents) == 2 and not node.rule.symbol.isidentifier():
        return f" {node.rule.symbol} ".join(map(_operand, node.parents))
    return f"{node.rule.symbol} of {_operand(node.parents[0])}"


def _operand(node: Node) -> str:
    if node.label:
        return called(node)
    if node.rule:
        return _where(node) if is_activation(node) else node.rule.symbol
    return number(float(node.data)) if np.size(node.data) == 1 else "a constant"


def _zero(node: Node, index: int) -> str:
    """What is 0 there."""
    if is_activation(node):
        assert isinstance(node.rule, Elementwise)
        return "off" if node.rule.hard else "at slope 0 (below 1e-16)"
    if node.op in ("mul", *reach.PRODUCTS) and len(node.parents) > 1 and index < 2:
        other = node.parents[1 - index]
        return _operand(other) if other.label or other.rule else "the other operand"
    return "the slope"


def _listed(units: Sequence[int]) -> str:
    if not units:
        return ""
    shown = [str(unit) for unit in units[:_MOST]] + ["…"] * (len(units) > _MOST)
    return f"[{', '.join(shown)}]"
