"""A graph too large to draw becomes one of groups that can be.

There are several ways to fold, each coarser than the one before. The first that fits is taken,
and the picture says which it was.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine import Value
from engine.node import Node
from viz.alike import alike
from viz.groups import Group, by_key, gather, merge
from viz.scopes import common, scopes_of
from viz.units import layers, neurons, stem

_READABLE = 150  # nodes; who asks for more gets more


@dataclass(frozen=True, slots=True)
class Folded:
    """Groups, users before operands, and in words what was folded."""

    groups: list[Group]
    words: str


def fold(graph: Sequence[Node], labels: Mapping[Node, str], max_nodes: int) -> Folded | None:
    """The finest of the folded graphs that has no more than ``max_nodes`` groups, if one has.

    ``graph`` is in the order of `walk`, the root first.
    """
    for words, groups in _ways(graph, labels):
        if len(groups) <= max_nodes and (max_nodes > _READABLE or _room(groups) <= _READABLE):
            return Folded(groups, words)
    return None


def _room(groups: Sequence[Group]) -> int:
    """How many single numbers would take as much room: what stands for many Values is four times
    as wide as one."""
    many = (len(group.faces) > 1 and isinstance(group.face, Value) for group in groups)
    return sum(4 if wide else 1 for wide in many)


def _ways(graph: Sequence[Node], labels: Mapping[Node, str]) -> Iterator[tuple[str, list[Group]]]:
    groups = alike(graph, labels)
    yield "what is alike in every example is one node", groups
    by_neuron = neurons(groups)
    if any(group.kind == "neuron" for group in by_neuron):
        yield "examples are folded, and every neuron is one node", by_neuron
        groups = layers(by_neuron)
        yield "examples are folded, and every layer is one node", groups
    scopes = scopes_of(graph, labels)
    for depth in range(max(map(len, scopes.values()), default=0), 0, -1):
        coarse = _modules(groups, scopes, depth)
        yield "every module is one node", coarse
    for depth in (3, 2, 1, 0):
        yield (
            "operations that repeat are one node",
            _repeats(groups, depth, lambda face: face.label),
        )
    yield "operations of one kind are one node", _repeats(groups, 0, lambda face: "")


def _modules(
    groups: Sequence[Group], scopes: Mapping[Node, tuple[str, ...]], depth: int
) -> list[Group]:
    """All that stands in one module, down to some depth of modules in modules."""
    keys: dict[Group, Hashable] = {}
    for number, group in enumerate(groups):
        scope = common(scopes[node] for node in group.members)[:depth]
        keys[group] = scope if number and scope else number
    return merge(groups, by_key(groups, keys), _module)


def _module(leader: Group, those: list[Group]) -> Group:
    """A module shows its results: what is used outside of it."""
    module, inside = gather("module", those), set(those)
    results = [group for group in those if not (group.is_leaf or inside.issuperset(group.users))]
    if results:
        module.faces = [node for group in results for node in group.faces]
    return module


def _repeats(groups: Sequence[Group], depth: int, label_of: Callable[[Node], str]) -> list[Group]:
    """What looks the same from near by: the operation, its operands, theirs, so many times."""
    keys: dict[Group, Hashable] = {}
    for group in groups:
        face = group.face
        keys[group] = (group.kind, face.op, face.requires_grad, stem(label_of(face)))
    for _ in range(depth):
        number: dict[Hashable, int] = {}
        keys = {
            group: number.setdefault(
                (keys[group], frozenset(keys[operand] for operand in group.operands)), len(number)
            )
            for group in groups
        }
    keys[groups[0]] = "root"
    return merge(groups, by_key(groups, keys), lambda leader, those: gather(leader.kind, those))
