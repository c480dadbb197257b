"""The nodes of a picture: one for each group, and a group is mostly a single node of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.node import Node as GraphNode
from viz.groups import Group
from viz.layers import Probe, is_activation
from viz.measure import measure, measure_all, note_of
from viz.parts import Node, Role
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
    drawn = Node(
        id=id,
        label=_label(group, labels),
        op=_op(group),
        role=_role(group),
        value=measure_all([node.data for node in group.faces]),
        shape=np.shape(face.data) if len(group.faces) == 1 or group.kind == "alike" else (),
        note=_note(group, layers),
        count=len(group.members),
        folded=_folded(group) if folded else "",
    )
    if not gradients:
        return drawn
    drawn = replace(drawn, grad=measure_all(gradients, logarithmic=True))
    if not terms:
        return drawn
    with np.errstate(all="ignore"):
        complete = np.allclose(_total(terms), _total(gradients), rtol=1e-9, atol=0, equal_nan=True)
    if complete:
        single = not folded and isinstance(drawn.grad, float)
        return replace(drawn, terms=tuple(terms) if single else ())
    # Leaves add up over calls of backward(), and other graphs may use this node too.
    part = replace(drawn, grad=measure(_total(terms))).grad_text
    return replace(drawn, note=f"of it {part} by this graph" if not folded else drawn.note)


def _total(arrays: Sequence[Any]) -> Any:
    """Their sum, element by element where they have one shape."""
    same = len({np.shape(array) for array in arrays}) == 1
    return np.sum(arrays, axis=0) if same else sum(map(np.sum, arrays))


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
    copies, learning = len(group.faces), len(_parameters(group))
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
