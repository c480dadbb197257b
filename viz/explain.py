"""Why a gradient is exactly 0: the operations that let nothing through, named.

Where every path from the loss to a parameter crosses a local derivative of 0 (a ReLU that is off,
a factor that is 0), `why_zero` names a smallest set of operations that all paths cross. There is
one near the parameter and one near the loss; it tells the one that takes fewer words: "unit 3 is
off for every example", or "the whole layer above is". Where a path is open, contributions have
cancelled, or are too small for a float; and some elements no path leads to.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

import engine
from engine import Tensor
from engine.backprop import Step, check_fresh
from engine.node import Node
from engine.value import Value
from viz import reach
from viz.blocks import Block, shortest
from viz.question import between, called
from viz.style import number

Kind = Literal["blocked", "cancelled", "underflow", "unused"]

_MOST = 8  # lines of one explanation


@dataclass(frozen=True, slots=True)
class Zero:
    """Why a gradient is exactly 0.

    Attributes:
        param, root: of which gradient.
        index: of which elements of it: one, or None for all that are 0.
        zeros: how many elements these are.
        kind: "blocked" by the operations in `blocks`; "cancelled", the paths are open but add up
            to 0; "underflow", the product is smaller than any float; or "unused", no path
            leads there. If of several kinds, the first of these.
        blocks: every path crosses one of these.
        cut: the same as edges, (operation, index of the operand), each with the elements of its
            result that are meant. None of them could be left out.
        details: in words, that there are other zeros on the same paths; and what is to say of the
            elements that are not blocked.
    """

    param: Node
    root: Node
    index: tuple[int, ...] | None
    zeros: int
    kind: Kind
    blocks: tuple[Block, ...] = ()
    cut: dict[reach.Edge, reach.Mask] = field(default_factory=dict, repr=False)
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = called(self.param)
        size = np.size(self.param.data)
        if self.index is not None:
            name += f"[{', '.join(map(str, self.index))}]"
        elif size > 1:
            name += f": {f'all {size}' if self.zeros == size else f'{self.zeros} of {size}'}"
        head = f"{name} {'gets' if size == 1 or self.index else 'get'} exactly 0:"
        lines = [str(block) for block in self.blocks]
        if len(lines) > _MOST:
            lines[_MOST - 1 :] = [f"… and {len(lines) - _MOST + 1} more"]
        lines += self.details
        return f"{head} {lines[0]}" if len(lines) == 1 else "\n  ".join([head, *lines])


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
    loss, nodes = between(param, loss)
    (gradient,) = engine.grad(loss, param)
    place = None if index is None else index if isinstance(index, tuple) else (index,)
    wanted = _wanted(param, gradient, place)
    links = reach.links_of(loss)
    reached = reach.sweep_down(links, nodes, loss, False, {})
    linked = links.whole(param)  # of a Value, a path leads there: else `between` has said no
    if isinstance(param, Tensor):
        linked = reach.sweep_down(links, nodes, loss, True, {}).get(param, ~linked)
    open_ = wanted & reached.get(param, 0)
    blocked = reach.without(wanted & linked, reached.get(param))
    unused = reach.without(wanted, linked)
    kinds: list[Kind] = []
    details: list[str] = []
    cut: reach.Cut = {}
    blocks: list[Block] = []
    if reach.some(blocked):
        kinds.append("blocked")
        start = {param: blocked}
        cuts = [
            reach.cut_near_param(links, nodes, loss, start),
            reach.cut_near_root(links, nodes, reached, start),
        ]
        check_fresh(node for cut in cuts for node, _ in cut)  # whose numbers are going to be told
        cut, blocks = shortest(cuts, nodes, reach.ways(links, nodes, loss, start))
        if not reach.some(reach.opened(links, nodes, loss, cut).get(param, 0) & blocked):
            details.append("there are other zeros on the same paths, one after the other")
    if reach.some(open_):
        kind, detail = _summed(links, nodes, loss, {param: open_})
        kinds.append(kind)
        details.append(_for_some(open_, wanted, detail))
    if reach.some(unused):
        kinds.append("unused")
        ends = dict.fromkeys(map(called, reach.ends(links, nodes, {param: unused})))
        none = f": {' and '.join(ends)} does not depend on it" if ends else ""
        detail = f"no path leads there from {called(loss)}{none}"
        details.append(_for_some(unused, wanted, detail))
    return Zero(
        param, loss, place, int(np.sum(wanted)), kinds[0], tuple(blocks),
        {edge: result for edge, (_, result) in cut.items()}, tuple(details),
    )  # fmt: skip


def _wanted(param: Node, gradient: Any, place: tuple[int, ...] | None) -> reach.Mask:
    """The elements to explain."""
    zero = np.asarray(gradient) == 0
    name = called(param)
    if place is not None:
        if len(place) != zero.ndim or not all(
            -n <= operator.index(i) < n for i, n in zip(place, zero.shape, strict=True)
        ):
            raise IndexError(
                f"why_zero: index={place} names no element of {name}, whose shape is {zero.shape}"
            )
        if not zero[place]:
            raise ValueError(
                f"{name}{list(place)} gets {number(float(gradient[place]))}, not 0: ask why_small"
            )
        chosen = np.zeros_like(zero)
        chosen[place] = True
        zero = chosen
    if not zero.any():
        what = (
            f"gets {number(float(gradient))}, not 0"
            if zero.ndim == 0
            else "has no gradient that is 0"
        )
        raise ValueError(f"{name} {what}: ask why_small")
    return int(zero) if isinstance(param, Value) else zero


def _for_some(these: reach.Mask, wanted: reach.Mask, detail: str) -> str:
    count = int(np.sum(these))
    return detail if count == np.sum(wanted) else f"{count} of these: {detail}"


# ------------------------------------------------------------------ paths that are open


def _summed(
    links: reach.Links, nodes: Sequence[Node], loss: Node, start: reach.Masks
) -> tuple[Kind, str]:
    """What became of a gradient that was not blocked: the nearest place where it is 0 although
    something came there."""
    arrived: dict[Node, list[Step]] = {}
    for step in engine.steps(loss):
        arrived.setdefault(step.operand, []).append(step)
    open_ = reach.sweep_up(links, nodes, start, False, {})
    for node in [*start, *reversed(nodes)]:
        if node not in arrived or node not in open_:
            continue
        zero = open_[node] & (np.asarray(arrived[node][-1].grad) == 0)
        for step in arrived[node]:
            if np.any(zero & (np.asarray(step.contribution) != 0)):
                return "cancelled", f"contributions of opposite signs cancel at {called(node)}"
            upstream = np.asarray(step.upstream)
            came = zero & links.down(step.node, step.index, upstream != 0, False)
            if not np.any(came):
                continue
            largest = np.max(np.abs(upstream))
            again = step.node.pull(step.index, step.upstream / largest)
            if np.any(came & (np.asarray(again) != 0)):
                smallest = np.finfo(np.asarray(again).dtype).smallest_subnormal
                return "underflow", (
                    f"what comes to {called(step.node)} is {number(float(largest))}, and what it "
                    f"passes on is smaller than {float(smallest):.0e}, the smallest float"
                )
            return "cancelled", (
                f"contributions of opposite signs cancel in {called(step.node)}, which adds them up"
            )
    return "underflow", "every contribution is too small for a float"
