"""Backpropagation: the order, the pass over `.grad`, and gradients as results.

`backward` starts at the root of a graph and lets every node send its gradient back to its
operands (`send_back` of `Value` and `Tensor`). The order matters: a node may send only when all
who use it have sent to it, or it would pass on the same gradient twice. For b = a + a; c = b + b
the naive recursion (send, then go on into each operand) enters b twice and gives dc/da = 8; in
topological order it is 4. Values are put in `order` first. Of Tensors, which are numbered as they
are made, the newest is always next: a node is newer than its operands.

The product upstream · local itself stands in `engine.rule`, for arrays and nodes, in
`Value.send_back`, for floats, and in `engine.tape`, for many Values at once.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from engine import choosing, shape, structure
from engine.node import Node, plain, recording, watching
from engine.readings import silent

# What backward() was last called on in a thread, as `root`; a weak reference, for a graph lives as
# long as its user says.
_last = threading.local()

grad_of = attrgetter("grad")


def last_root() -> Node | None:
    """The root that `backward()` was last called on in this thread, if it is alive."""
    root = getattr(_last, "root", None)
    return root and root()


def order(*roots: Node) -> list[Node]:
    """The nodes that pass a gradient on, each before its operands: all but the leaves.

    Depth first with a stack of our own: a million nodes deep is no recursion error. The set is
    only asked whether a node was met, so the order is the same in every run. (`while stack:` would
    take twice the time: CPython 3.11 optimizes a running loop where it jumps back unconditionally.)
    """
    met: set[Node] = set()
    finished: list[Node] = []
    stack: list[Node | None] = list(roots)
    while True:
        if not stack:
            break
        node = stack.pop()
        if node is None:  # everything above this mark is done: so is the node below it
            finished.append(stack.pop())  # type: ignore[arg-type]
        elif node.rule is not None and node not in met:
            met.add(node)
            stack.append(node)
            stack.append(None)
            for _, operand in node.active:
                if operand.rule is not None:
                    stack.append(operand)
    finished.reverse()
    if finished and hasattr(finished[0], "serial"):  # Tensors: newest first, as they send
        finished.sort(key=attrgetter("serial"))
    return finished


def backward(root: Node, gradient: Any) -> None:
    """Send `gradient` back from `root`: leaves add to their `.grad`, the others replace it."""
    _check(root, "backward")
    _last.root = weakref.ref(root)
    silent().run(root.send_back, gradient, watching.get())  # asked here: see `silent`


class Step(NamedTuple):
    """One edge of a backward pass: `operand.grad += upstream * local`.

    `index` is the operand's place among the node's parents, `local` the local derivative (None
    where the operation is not local, as a sum), `grad` the operand's gradient after the step.
    """

    node: Node
    index: int  # type: ignore[assignment]  # of tuples it is a method, which nobody misses here
    operand: Node
    upstream: Any
    local: Any
    contribution: Any
    grad: Any


def steps(root: Node, gradient: Any = None) -> Iterator[Step]:
    """The backward pass as a stream, edge by edge in the order of `backward`, writing no `.grad`.

    >>> import engine
    >>> a = engine.Value(3.0, label="a")
    >>> for step in engine.steps(a * a):
    ...     print(step.operand.label, step.upstream, step.local, step.contribution, step.grad)
    a 1.0 3.0 3.0 3.0
    a 1.0 3.0 3.0 6.0
    """
    gradients: dict[Node, Any] = {root: root.seed(gradient)}
    for node in order(root):
        upstream = gradients[node]
        edges = []
        with np.errstate(all="ignore"):  # not around the yield: what the caller does is not ours
            for index, operand in node.active:
                contribution = node.pull(index, upstream)
                before = gradients.get(operand)
                after = contribution if before is None else before + contribution
                gradients[operand] = after
                local = node.local(index)
                edges.append(Step(node, index, operand, upstream, local, contribution, after))
        yield from edges


def grad(
    outputs: Node | Sequence[Node],
    inputs: Node | Sequence[Node],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, as results; no `.grad` is touched.

    Shapes: one gradient per input, of the input's shape. With `create_graph=True` they are nodes
    of a graph of their own and can be differentiated again, to any order; else floats or arrays.
    `grad_outputs` are the upstream gradients, 1 by default for scalars. An input that the
    outputs do not depend on is an error, or None with `allow_unused=True`. The signature is that
    of `torch.autograd.grad`.

    >>> import engine
    >>> x = engine.Value(3.0)
    >>> (slope,) = engine.grad(x**3, x, create_graph=True)
    >>> (curvature,) = engine.grad(slope, x)
    >>> slope.data, curvature
    (27.0, 18.0)
    """
    roots = (outputs,) if isinstance(outputs, Node) else tuple(outputs)
    wanted = (inputs,) if isinstance(inputs, Node) else tuple(inputs)
    given = grad_outputs if isinstance(grad_outputs, (list, tuple)) else [grad_outputs]
    if len(given) != len(roots) and grad_outputs is not None:
        raise ValueError(f"{len(roots)} outputs need as many grad_outputs; {len(given)} given")
    nodes = order(*roots)
    if create_graph:
        check_fresh(nodes)
    gradients: dict[Node, Any] = {}
    for place, root in enumerate(roots):
        _check(root, "grad")
        seed = given[place] if place < len(given) else None
        numbers = root.seed(plain(seed))
        if not create_graph:
            seed = numbers
        else:
            seed = _sum_to(seed, root) if isinstance(seed, Node) else root.constant(numbers)
        gradients[root] = gradients[root] + seed if root in gradients else seed
    with np.errstate(all="ignore"):
        for node in _watched(nodes, gradients.get):
            upstream = gradients[node]
            for index, operand in node.active:
                if create_graph:
                    contribution = _pull_node(node, index, operand, upstream)
                else:
                    contribution = node.pull(index, upstream)
                before = gradients.get(operand)
                gradients[operand] = contribution if before is None else before + contribution
    for place, node in enumerate(wanted):
        if node not in gradients and not allow_unused:
            raise RuntimeError(
                f"input {node.label or place} does not take part in the outputs: leave it out, or "
                "pass allow_unused=True to get None for it"
            )
    results = [gradients.get(node) for node in wanted]
    if not create_graph:  # arrays of their own, to be written to; a sum of numbers is none yet
        results = [np.array(g) if isinstance(g, (np.ndarray, np.generic)) else g for g in results]
    return tuple(results)


def check_fresh(nodes: Iterable[Node]) -> None:
    """Raise if a leaf's data is no longer what the graph above it was computed from."""
    watch = watching.get()
    for node in nodes:
        if leaves := node.changed() or (watch.locks.written(node) if watch else ()):
            names = " or ".join(dict.fromkeys(leaf.label or "a leaf" for leaf in leaves))
            raise RuntimeError(
                f"{names} changed after this graph was built (operand of {node.op}): draw and "
                "differentiate before optimizer.step(), or run forward again"
            )


def _watched(nodes: list[Node], gradient_of: Callable[[Node], Any]) -> Iterable[Node]:
    """The nodes, one after the other; under detect_anomaly each is looked at when it has sent."""
    watch = watching.get()
    return nodes if watch is None else watch.following(nodes, gradient_of)


def _check(root: Node, what: str) -> None:
    if not recording.get():
        raise RuntimeError(f"{what}() was called under engine.no_grad(), where nothing is recorded")
    if not root.requires_grad:
        raise RuntimeError(
            f"{what}() from a constant: nothing that it was computed from requires a gradient, or "
            "it was detached, or computed under engine.no_grad()"
        )


# --- the reading of rules with nodes ----------------------------------------------------------


def _pull_node(node: Node, index: int, operand: Node, upstream: Node) -> Any:
    """A contribution that is a graph itself: the rule read with nodes."""
    assert node.rule is not None
    if not upstream.requires_grad and np.all(upstream.data == 0):
        return operand.constant(np.zeros_like(operand.data))
    return node.rule.pull(index, NODES, upstream, node.differentiable(), node, node.arguments)


def _equal(a: Any, b: Any) -> Any:
    return plain(a) == plain(b)


def _zero_upstream_wins(upstream: Node, contribution: Any) -> Any:
    # Only a constant zero is certain to stay zero when the inputs move: (x − 1)·exp(x) has the
    # upstream x − 1 = 0 at x = 1, and yet a second derivative there.
    if upstream.requires_grad:
        return contribution
    return choosing.where(_equal(upstream, 0.0), 0.0, contribution)


def _zero_slope_wins(local: Any, contribution: Any) -> Any:
    return choosing.where(_equal(local, 0.0), 0.0, contribution)


def _sum_to(contribution: Any, x: Any) -> Any:
    return shape.sum_to(contribution, x) if hasattr(x, "shape") else contribution


# A rule read with nodes calls the tables' own functions, so that its result is a graph again.
NODES = SimpleNamespace(
    **{
        **choosing.FUNCTIONS,
        **structure.FUNCTIONS,
        "pi": math.pi,
        "e": math.e,
        "equal": _equal,
        "has_nan": lambda x: np.isnan(x.data).any(),
        "isnan": lambda x: np.isnan(plain(x)),
        "trunc": lambda x: choosing.div(x, 1.0, rounding_mode="trunc"),
        "floor_divide": partial(choosing.div, rounding_mode="floor"),
        "share": lambda g, number: g / number,
        "sum_of_rows": lambda x: structure.FUNCTIONS["sum"](x, 0),
        "sum_to": _sum_to,
        "zero_slope_wins": _zero_slope_wins,
        "zero_upstream_wins": _zero_upstream_wins,
    }
)
