"""The nodes of a picture: one for each group, and a group is mostly a single node of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose, isnan
from typing import Any

import numpy as np

from engine.node import Node as GraphNode
from viz.groups import Group
from viz.layers import is_activation
from viz.measure import measure, measure_all, note_of, shape_of
from viz.parts import Node, Role
from viz.probe import Probe
from viz.scopes import common, path_of

Labels = Mapping[GraphNode, str]


def drawn_node(
    id: str, group: Group, labels: Labels, terms: Sequence[Any], layers: Sequence[Probe]
) -> Node:
    """A group as it is drawn. ``terms`` are the contributions that this graph made to the
    gradients of its faces; ``layers`` the activations in it."""
    face = group.face
    gradients = [node.grad for node in group.faces if node.grad is not None]
    folded = len(group.members) > 1
    grad = measure_all(gradients, logarithmic=True) if gradients else None
    note = _note(group, layers)
    if gradients and terms and not folded:
        with np.errstate(all="ignore"):
            total = sum(terms)
            complete = _is_all(total, gradients[0])
        if not complete:
            # Leaves add up over calls of backward(), and other graphs may use this node too.
            part = Node("", "", "", "leaf", 0.0, measure(total)).grad_text
            note = f"of it {part} by this graph"
    else:
        complete = False
    return Node(
        id=id,
        label=_label(group, labels),
        op=_op(group),
        role=_role(group),
        value=measure_all([node.data for node in group.faces]),
        grad=grad,
        terms=tuple(np.asarray(term).item() for term in terms)
        if complete and isinstance(grad, float)
        else (),
        note=note,
        shape=shape_of(face.data) if len(group.faces) == 1 or group.kind == "alike" else (),
        count=len(group.members),
        folded=_folded(group) if folded else "",
    )


def _is_all(total: Any, gradient: Any) -> bool:
    """Whether the contributions add up to the gradient, but for rounding."""
    if isinstance(total, float) and isinstance(gradient, float):  # as below, in a tenth of the time
        return isclose(total, gradient, rel_tol=1e-9) or (isnan(total) and isnan(gradient))
    return bool(np.allclose(total, gradient, rtol=1e-9, atol=0, equal_nan=True))


def _role(group: Group) -> Role:
    node = group.face
    if group.kind in ("neuron", "layer", "module", "loop"):
        return "fold"
    if not node.requires_grad:
        return "constant"
    if node.is_leaf:
        return "leaf"
    return "activation" if is_activation(node) else "operation"


def _parameters(group: Group) -> list[GraphNode]:
    return [node for node in group.members if node.is_leaf and node.requires_grad]


def _label(group: Group, labels: Labels) -> str:
    """What the nodes in a group have in common: a module, a label, the beginning of a label."""
    if group.kind in ("neuron", "layer", "module"):
        paths = [path_of(labels[node]) for node in _parameters(group)]
        if paths and (module := common(paths)):
            return ".".join(module)
    own = list(dict.fromkeys(labels[node] for node in group.faces))
    if len(own) == 1:
        return own[0]
    return f"{common(own)}…" if all(own) else ""


def _op(group: Group) -> str:
    symbols = dict.fromkeys(n.rule.symbol for n in group.faces if n.rule)
    symbol = ", ".join(symbols)
    match group.kind:
        case "sum":
            return "Σ"
        case "neuron" | "layer":
            return f"{symbol}(w·x + b)" if is_activation(group.face) else "w·x + b"
        case "input" if len(group.faces) > 1:
            return "inputs" if group.face.requires_grad else "constants"
    return symbol


def _folded(group: Group) -> str:
    """What was folded into this node."""
    copies = len(group.faces)
    learning = sum(np.size(node.data) for node in _parameters(group))
    nodes = f"{len(group.members):,} nodes"
    parameters = f"{learning:,} parameter{'s' if learning > 1 else ''}" if learning else ""
    match group.kind:
        case "alike" | "input":
            words = [_times(copies), "with constants" if len(group.members) > copies else ""]
        case "sum":
            words = [f"{group.units:,} terms", _times(copies)]
        case "neuron":
            words = [parameters, _times(copies), nodes]
        case "layer":
            each = _times(copies // group.units)
            words = [f"{group.units} neurons {each}".strip(), parameters, nodes]
        case _:
            words = [nodes, parameters]
    return ", ".join(filter(None, words))


def _times(number: int) -> str:
    return f"×{number:,}" if number > 1 else ""


def _note(group: Group, layers: Sequence[Probe]) -> str:
    return note_of(layers[0]) if len(layers) == 1 and np.size(layers[0].slopes) > 1 else ""
