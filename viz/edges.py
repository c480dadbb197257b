"""The edges of a picture: the local derivative, and what it made of the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from engine import Value
from engine.backprop import Step
from engine.formula import read
from engine.node import Node
from engine.rule import Elementwise
from viz.groups import Group
from viz.measure import measure, measure_all, shape_of
from viz.parts import Edge, Number, Summary
from viz.probe import Array
from viz.style import number, printable, shorten

_LARGEST_SVD = 200_000  # elements: a few hundredths of a second


def edges_of(
    groups: Sequence[Group],
    ids: Mapping[Node, str],
    labels: Mapping[Node, str],
    steps: Iterable[Step],
) -> tuple[Edge, ...]:
    """One edge per use of an operand: what is used twice has two. Where nodes are folded, one for
    all uses of one group by another.

    ``ids`` says as what a node is drawn, ``labels`` what it is called.
    """
    passed = {(step.node, step.index): step for step in steps}
    derivative = partial(
        _derivative,
        labels=labels,
        words=frozenset(labels.values()),
        symbolic=cache(_symbolic),  # where operands have no names, many edges read alike
    )
    edges: list[Edge] = []
    for group in groups:
        uses: dict[tuple[str, int], list[tuple[Node, int]]] = {}
        head = ids[group.face]
        for node in group.members:
            for index, operand in enumerate(node.parents):
                tail = ids.get(operand, head)
                if tail != head:
                    place = index if group.kind == "alike" else 0
                    uses.setdefault((tail, place), []).append((node, index))
        for (tail, place), those in uses.items():
            taken = [step for use in those if (step := passed.get(use))]
            told = derivative(*those[0]) if len(those) == 1 else _all(taken)
            if taken:
                told["upstream"] = measure_all([step.upstream for step in taken])
                told["contribution"] = measure_all([step.contribution for step in taken])
            edges.append(Edge(f"e{len(edges)}", tail, head, place, count=len(those), **told))
    return tuple(edges)


def _all(steps: Sequence[Step]) -> dict[str, Any]:
    """The local derivatives of many edges, where they are numbers."""
    locals_ = [step.local for step in steps]
    if not locals_ or any(isinstance(x, np.ndarray) or x is None for x in locals_):
        return {}
    return {"local": _one_or_many(measure(locals_))}


def _one_or_many(local: Number) -> Number:
    return local.low if isinstance(local, Summary) and local.low == local.high else local


def _derivative(
    node: Node,
    index: int,
    labels: Mapping[Node, str],
    words: frozenset[str],
    symbolic: Callable[..., str],
) -> dict[str, Any]:
    """Of one edge, the local derivative as number and formula. ``words`` are all the labels, and
    ``symbolic`` is `_symbolic`, or what remembers it."""
    operand = node.parents[index]
    told: dict[str, Any] = {"shape": shape_of(operand.data)}
    if operand.requires_grad:
        told["note"] = _note(node, index)
        if isinstance(rule := node.rule, Elementwise):
            letters, names = _names(node, rule, labels, words)
            result = rule.symbol if rule.symbol.isidentifier() else labels[node] or "out"
            slope = rule.backward[index]
            if node.arguments:
                formula = read(slope, [*names, result], node.arguments).symbolic()
            else:
                formula = symbolic(slope, *names, result)
            told["local"] = _one_or_many(measure(node.local(index)))
            _, told["numeric"] = node.formula(index) or ("", "")
            # Where it is just an operand that has no name, the number says more.
            told["symbolic"] = "" if formula in letters else formula
    return told


def _symbolic(slope: Callable[..., Any], *names: str) -> str:
    """A formula that has no parameters, its operands and its result by these names."""
    return read(slope, names).symbolic()


def _names(
    node: Node, rule: Elementwise, labels: Mapping[Node, str], words: frozenset[str]
) -> tuple[list[str], list[str]]:
    """What a formula may call the operands: the rule's own letters, unless a letter is the label
    of something in the graph; and their labels, or the number of a constant."""
    letters = ["in" if letter in words else letter for letter in rule.inputs]
    names = []
    for letter, operand in zip(letters, node.parents, strict=True):
        name = shorten(printable(labels[operand]))
        if not name and not (operand.requires_grad or shape_of(operand.data)):
            name = number(float(operand.data))
        names.append(name or letter)
    return letters, names


def _note(node: Node, index: int) -> str:
    """What happens to a gradient on its way to an operand, besides a local derivative."""
    if isinstance(node, Value):
        return ""  # it goes from one number to one number
    there, here = node.data, node.parents[index].data
    if node.op == "mean":
        return f"each ×1/{np.size(here) // max(1, np.size(there))}"
    if node.op == "sum":
        return "each ×1"
    if node.op in ("matmul", "linear") and index < 2:
        return _stretch(node.parents[1 - index].data)
    if np.size(here) < np.size(there):
        return f"summed over {np.size(there) // max(1, np.size(here))}"
    return ""


def _stretch(matrix: Array) -> str:
    """The largest factor by which multiplying with a matrix can change a gradient's length."""
    if matrix.ndim != 2 or matrix.size > _LARGEST_SVD or not np.isfinite(matrix).all():
        return ""
    return f"up to ×{number(float(np.linalg.norm(matrix, 2)))}"
