"""Which operations of a graph are activation layers, and what is measured of each.

In a graph of Tensors every activation is a layer of its own. In a graph of Values a layer is all
activations of one kind at one depth, and its units are told apart by the leaves they use: so the
sixteen neurons of a layer, each run for a hundred examples, are found again as sixteen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import nan
from typing import Any

import numpy as np

from engine import Tensor, Value
from engine.node import Node
from engine.rule import Elementwise
from viz.findings import DEFAULT
from viz.walk import walk

Array = np.ndarray[Any, Any]
Gradients = Mapping[Node, Any]

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


@dataclass(frozen=True)
class Probe:
    """The activations of one layer, element by element, all arrays flat and of one length."""

    name: str
    depth: int  # how many activations lie on the longest way to it from an input, itself included
    nodes: tuple[Node, ...]
    slopes: Array  # |f'(z)|
    inputs: Array  # z
    outputs: Array  # f(z)
    gradients: Array  # dL/dz; nan where it was not computed
    unit: Array  # to which unit of the layer an element belongs

    def part(self, of: Sequence[Node]) -> Probe:
        """The same of some of its nodes alone."""
        chosen = set(of)
        if chosen.issuperset(self.nodes):
            return self
        kept = np.array([node in chosen for node in self.nodes])  # of Values: an element a node
        return replace(
            self,
            nodes=tuple(of),
            slopes=self.slopes[kept],
            inputs=self.inputs[kept],
            outputs=self.outputs[kept],
            gradients=self.gradients[kept],
            unit=np.unique(self.unit[kept], return_inverse=True)[1],
        )

    @cached_property
    def units(self) -> int:
        return int(self.unit.max(initial=-1)) + 1

    @cached_property
    def examples(self) -> int:
        """For how many examples the unit that was seen least was seen."""
        return int(np.bincount(self.unit).min(initial=self.unit.size))

    @cached_property
    def hard(self) -> bool:
        rule = self.nodes[0].rule
        return isinstance(rule, Elementwise) and rule.hard

    @cached_property
    def _profile(self) -> tuple[float, bool]:
        node = self.nodes[0]
        if len(node.parents) > 1:  # max(x, 0)
            return 1.0, False
        look = _profile_once if isinstance(node, Value) else _profile
        return look(node.rule, **node.arguments)

    @property
    def bounded(self) -> bool:
        """Whether the activation levels off on both sides of 0. (One that is cut off below 0, as
        relu6 is, spends half its time there, and should.)"""
        return self._profile[1]

    def saturated(self, below: float = DEFAULT.sat_slope) -> Array:
        """Which elements have a slope under this share of the largest that there is."""
        return self.slopes < below * self._profile[0]

    @cached_property
    def zero(self) -> Array:
        """Which units have slope 0 for every example."""
        return np.bincount(self.unit, self.slopes != 0) == 0

    def dormant(self, tau: float = DEFAULT.dormant_tau) -> Array:
        """Which units give almost nothing, compared with the mean of their layer."""
        counts = np.maximum(np.bincount(self.unit), 1)
        sizes = np.bincount(self.unit, np.abs(self.outputs)) / counts
        return sizes <= tau * sizes.mean()

    @cached_property
    def grad_rms(self) -> float:
        return rms(self.gradients)


def rms(array: Array) -> float:
    """Root mean square."""
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(array))))


def joined(probes: Sequence[Probe]) -> Probe:
    """Several layers of one activation as if they were one."""
    if len(probes) == 1:
        return probes[0]
    before = np.cumsum([0, *(probe.units for probe in probes)])
    return replace(
        probes[0],
        nodes=tuple(node for probe in probes for node in probe.nodes),
        slopes=np.concatenate([probe.slopes for probe in probes]),
        inputs=np.concatenate([probe.inputs for probe in probes]),
        outputs=np.concatenate([probe.outputs for probe in probes]),
        gradients=np.concatenate([probe.gradients for probe in probes]),
        unit=np.concatenate([p.unit + n for p, n in zip(probes, before, strict=False)]),
    )


def layers_of(nodes: Sequence[Node], gradients: Gradients) -> list[Probe]:
    """The activation layers among the nodes of a graph, from its inputs to its root.

    ``nodes`` are in the order of `walk`: each before its operands.
    """
    depth: dict[Node, int] = {}
    for node in reversed(nodes):
        before = max((depth.get(operand, 0) for operand in node.parents), default=0)
        depth[node] = before + is_activation(node)
    groups: dict[Any, list[Node]] = {}
    for node in filter(is_layer, nodes):
        key = (depth[node], node.op) if isinstance(node, Value) else node
        groups.setdefault(key, []).append(node)
    return [
        probe(group, gradients, name_of(group), depth[group[0]])
        for group in sorted(groups.values(), key=lambda group: depth[group[0]])
    ]


def probe(nodes: Sequence[Node], gradients: Gradients, name: str = "", depth: int = 1) -> Probe:
    """Measure activations that together are one layer: one Tensor, or some Values."""
    keys = [leaves_of(node) for node in nodes]
    number = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    if isinstance(nodes[0], Value):
        units: list[Any] = [number[key] for key in keys]
    else:
        units = [_units(np.shape(node.data)) for node in nodes]
    shapes = [np.shape(node.data) for node in nodes]
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
    )


def slope(node: Node) -> Any:
    """The size of the local derivative."""
    index, _ = node.active()[0]
    return abs(node.local(index))


def _units(shape: tuple[int, ...]) -> Array:
    """Which unit each element of an array belongs to: the features are last, of images (batch,
    channels, height, width) the channels."""
    if len(shape) >= 4:
        return np.arange(shape[1]).reshape(-1, *[1] * (len(shape) - 2))
    return np.arange(shape[-1]) if shape else np.array(0)


def _operand(node: Node) -> Node:
    """What the activation is applied to: z."""
    return node.active()[0][1]


def leaves_of(node: Node) -> tuple[Node, ...]:
    """The leaves that an activation uses, up to the activations before it. Those with a label
    are enough, if there are some: networks label their parameters and not their inputs."""
    leaves = [
        leaf
        for leaf in walk(node, lambda operand: not is_activation(operand))
        if leaf.is_leaf and leaf.requires_grad
    ]
    return tuple(leaf for leaf in leaves if leaf.label) or tuple(leaves)


def name_of(group: Sequence[Node]) -> str:
    """Its label, or what the labels of its parameters have in common: ``layer1.weight`` and
    ``layer1.bias`` make ``layer1``."""
    first, last = group[0], group[-1]
    if first is last and first.label:
        return first.label
    paths = [label.split(".")[:-1] for end in (first, last) for label in _parameters_before(end)]
    common = [parts[0] for parts in zip(*paths, strict=False) if len(set(parts)) == 1]
    return " ".join(filter(None, (".".join(common), first.op)))


def _parameters_before(node: Node) -> Iterator[str]:
    """The labels of the parameters nearest to an activation, on every way that leads to it."""
    met, border = {node}, [node]
    while border:
        operands = border.pop().parents
        if labels := [x.label for x in operands if x.is_leaf and x.label]:
            yield from labels
        else:
            further = [x for x in operands if x not in met and not is_activation(x)]
            met.update(further)
            border += further


_GRID = np.concatenate([np.linspace(-20.0, 20.0, 4001), [-1e3, 1e3, -1e9, 1e9]])


def _profile(rule: Any, **arguments: Any) -> tuple[float, bool]:
    """Of a function of one operand: its largest slope, and whether its output is bounded.

    Both are measured, so that they hold for a learner's own activation too.
    """
    with np.errstate(all="ignore"):
        y = rule(Tensor(_GRID, requires_grad=True), **arguments)
        slopes = np.broadcast_to(np.abs(y.local(0)), _GRID.shape)
    largest = float(np.nanmax(slopes))
    rises = slopes[np.abs(_GRID) < 0.1].min() > DEFAULT.sat_slope * largest
    near, far = np.abs(y.data[-4:-2]).max(), np.abs(y.data[-2:]).max()
    return largest, bool(rises and far <= 1.01 * near + 1e-9)


_profile_once = lru_cache(_profile)  # the rule of a Value has its arguments bound
