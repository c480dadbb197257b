"""What is found in a graph that is drawn, and where it stands in the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from engine.node import Node
from viz import style
from viz.findings import Finding, gravest_first
from viz.groups import Group
from viz.judge import judge_drawn, judge_net
from viz.layers import name_of
from viz.origins import origins
from viz.parts import Mark
from viz.probe import Gradients, Probe, joined

Parts = dict[str, list[Probe]]


def parts_of(
    layers: Iterable[Probe],
    groups: Iterable[Group],
    ids: Mapping[Node, str],
    labels: Mapping[Node, str],
) -> Parts:
    """The activations, cut up and joined as they are drawn: by the ids of what is drawn."""
    names = {ids[g.face]: labels[g.face] or g.face.op for g in groups if len(g.members) == 1}
    pieces: dict[tuple[str, str], list[Probe]] = {}
    for layer in layers:
        here: dict[tuple[str, str], list[Node]] = {}
        for node in layer.nodes:
            here.setdefault((ids[node], node.op), []).append(node)
        for key, those in here.items():
            pieces.setdefault(key, []).append(layer.part(those))
    parts: dict[str, list[Probe]] = {}
    for (id, _), those_ in pieces.items():
        part = joined(those_)
        name = names.get(id) or name_of(part.nodes)
        parts.setdefault(id, []).append(replace(part, name=name))
    return parts


def findings_of(
    graph: Sequence[Node], gradients: Gradients, layers: Sequence[Probe], parts: Parts
) -> tuple[Finding, ...]:
    """What is wrong with the net, and with each activation as it is drawn."""
    found = [*origins(graph, gradients), *judge_net(layers)]
    for those in parts.values():
        for part in those:
            found += judge_drawn(part)
    return gravest_first(found)


def marks_of(findings: Iterable[Finding], ids: Mapping[Node, str]) -> tuple[Mark, ...]:
    """At most one on a node: the gravest."""
    marks: dict[str, Mark] = {}
    for code in style.MARKS:
        for finding in findings:
            if finding.code == code:
                for id in dict.fromkeys(ids[node] for node in finding.nodes if node in ids):
                    marks.setdefault(id, Mark(id, code, f"{code} {finding.detail}".rstrip()))
    return tuple(marks.values())
