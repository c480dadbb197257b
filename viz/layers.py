"""Which operations of a graph are activation layers, and what is measured of each.

In a graph of Tensors every activation is a layer of its own. In a graph of Values a layer is all
activations of one kind at one depth, and its units are told apart by the leaves they use: so the
sixteen neurons of a layer, each run for a hundred examples, are found again as sixteen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from math import nan, prod
from typing import Any

import numpy as np

from engine import Value
from engine.node import Node
from engine.rule import Elementwise
from viz.alike import shared_leaves
from viz.probe import Array, Gradients, Probe
from viz.walk import walk

# Elementwise functions of one operand that formulas are made of. All others are activations, a
# learner's own among them.
_MATHS = frozenset((
    "abs", "cos", "cosh", "dropout", "exp", "expm1", "log", "log1p", "neg", "pow", "reciprocal",
    "rsqrt", "sign", "sin", "sinh", "sqrt", "square", "tan",
))  # fmt: skip


def is_activation(node: Node) -> bool:
    """A function of one operand that bends it: σ, tanh, relu, and also max(x, 0)."""
    rule = node.rule
    if not isinstance(rule, Elementwise):
        return False
    if len(rule.inputs) == 1:
        return rule.name not in _MATHS
    if rule.name == "prelu":
        return True
    if not rule.hard:
        return False
    bounds = [x for x in node.parents if not x.requires_grad]
    return len(node.parents) - len(bounds) == 1 and all(np.size(x.data) == 1 for x in bounds)


def is_layer(node: Node) -> bool:
    """An activation that has something to measure."""
    return is_activation(node) and np.size(node.data) > 0


def layers_of(
    nodes: Sequence[Node], gradients: Gradients, inside: Container[Node] | None = None
) -> list[Probe]:
    """The activation layers of a graph, from its inputs to its root; of these nodes alone, if
    ``inside`` is given.

    ``nodes`` are in the order of `walk`: each before its operands.
    """
    depth: dict[Node, int] = {}
    for node in reversed(nodes):
        before = max([depth.get(operand, 0) for operand in node.parents], default=0)
        depth[node] = before + is_activation(node)
    # An output that goes straight into its cross-entropy is part of the loss: its gradient is
    # p - t, whatever its slope.
    fused = {node.parents[0] for node in nodes if node.op == "binary_cross_entropy"}
    groups: dict[Any, list[Node]] = {}
    for node in filter(is_layer, nodes):
        if (inside is None or node in inside) and node not in fused:
            key = (depth[node], node.op) if isinstance(node, Value) else node
            groups.setdefault(key, []).append(node)
    layers = sorted(groups.values(), key=lambda group: depth[group[0]])
    names = _distinct(map(name_of, layers))
    shared = parameters_without_label(nodes, (layer[0] for layer in layers))
    return [
        probe(group, gradients, name, depth[group[0]], shared)
        for group, name in zip(layers, names, strict=True)
    ]


def _distinct(names: Iterable[str]) -> Iterator[str]:
    """A layer that is used again, as in every step of an RNN, is told from the first time."""
    times: Counter[str] = Counter()
    for name in names:
        times[name] += 1
        yield name if times[name] == 1 else f"{name} ({times[name]})"


def probe(
    nodes: Sequence[Node],
    gradients: Gradients,
    name: str = "",
    depth: int = 1,
    shared: Container[Node] = (),
) -> Probe:
    """Measure activations that together are one layer: one Tensor, or some Values."""
    shapes = [np.shape(node.data) for node in nodes]
    if isinstance(nodes[0], Value):
        keys = [leaves_of(node, shared) for node in nodes]
        number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        units: list[Any] = [number[key] for key in keys]
    else:
        units = [unit_numbers(node) for node in nodes]
    operands = [_operand(node) for node in nodes]

    def flat(parts: Iterable[Any]) -> Array:
        if isinstance(nodes[0], Value):
            return np.array(list(parts))
        full = map(np.broadcast_to, parts, shapes)
        return np.concatenate([np.ravel(part) for part in full])

    return Probe(
        name,
        depth,
        tuple(nodes),
        slopes=flat(map(slope, nodes)),
        inputs=flat(operand.data for operand in operands),
        outputs=flat(node.data for node in nodes),
        gradients=flat(nan if (g := gradients.get(z)) is None else g for z in operands),
        unit=flat(units),
        positions=prod(shapes[0][len(shapes[0]) - np.ndim(units[0]) + 1 :]) if shapes[0] else 1,
    )


def slope(node: Node) -> Any:
    """The size of the local derivative."""
    index, _ = node.active[0]
    return abs(node.local(index))


def unit_numbers(node: Node) -> Array:
    """Which unit each element of an array belongs to: the features are last, of images (batch,
    channels, height, width) the channels."""
    shape, channels = np.shape(node.data), _channels(node)
    if not shape:
        return np.array(0)
    if channels is None:
        channels = 1 if len(shape) >= 4 else -1
    after = len(shape) - channels % len(shape) - 1
    return np.arange(shape[channels]).reshape(-1, *[1] * after)


def _channels(node: Node) -> int | None:
    """The axis of the channels of what comes from a convolution and keeps its shape."""
    shape = np.shape(node.data)
    while node.parents and np.shape(node.data) == shape:
        if node.op.startswith("conv"):
            return -1 - int(node.op[4])  # conv1d, conv2d
        node = node.parents[0]
    return None


def _operand(node: Node) -> Node:
    """What the activation is applied to: z."""
    return node.active[0][1]


def leaves_of(node: Node, shared: Container[Node] = ()) -> tuple[Node, ...]:
    """The leaves that an activation uses, up to the activations before it. Those with a label
    are enough, if there are some: networks label their parameters and not their inputs; or else
    those that are ``shared`` by several examples."""
    leaves = [
        leaf
        for leaf in walk(node, lambda operand: not is_activation(operand))
        if leaf.is_leaf and leaf.requires_grad
    ]
    labelled = tuple(leaf for leaf in leaves if leaf.label)
    return labelled or tuple(leaf for leaf in leaves if leaf in shared) or tuple(leaves)


def parameters_without_label(nodes: Sequence[Node], activations: Iterable[Node]) -> Container[Node]:
    """The leaves that several examples share, in a graph of Values where it takes them to tell
    the units of these activations apart. ``nodes`` are those of the graph, as in `layers_of`."""
    values = (node for node in activations if isinstance(node, Value))
    if all(any(leaf.label for leaf in leaves_of(node)) for node in values):
        return ()
    return shared_leaves(nodes, {node: node.label for node in nodes})


def name_of(group: Sequence[Node]) -> str:
    """Its label, or what the labels of its parameters have in common: ``layer1.weight`` and
    ``layer1.bias`` make ``layer1``."""
    first, last = group[0], group[-1]
    if first is last and first.label:
        return first.label
    paths = [label.split(".")[:-1] for end in (first, last) for label in _parameters_before(end)]
    common = [parts[0] for parts in zip(*paths, strict=False) if len(set(parts)) == 1]
    return " ".join(filter(None, (".".join(common), first.op)))


def _parameters_before(node: Node) -> list[str]:
    """The labels of the parameters nearest to an activation: of those, on any way that leads to
    it, that are the fewest operations away."""
    met, border = {node}, [node]
    while border:
        operands = [_as_it_was(operand) for node in border for operand in node.parents]
        if labels := [x.label for x in operands if x.is_leaf and x.requires_grad and x.label]:
            return labels
        border = [x for x in dict.fromkeys(operands) if x not in met and not is_activation(x)]
        met.update(border)
    return []


def _as_it_was(node: Node) -> Node:
    """What a node was before it was given another shape."""
    while node.op in ("reshape", "permute", "transpose"):
        node = node.parents[0]
    return node
