"""Groups of nodes that are drawn as one, and the graph that the groups make."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.node import Node

# alike: nodes of one kind;  input: leaves without a name;  sum: a chain of additions;
# neuron: w·x + b and its activation;  module: all that bears one name;  loop: what repeats.
Kind = Literal["alike", "input", "sum", "neuron", "layer", "module", "loop"]


@dataclass(eq=False, slots=True)
class Group:
    """Some nodes. `faces` are those whose numbers stand for all: a neuron shows its output.

    `operands` and `users` are other groups, in order.
    """

    kind: Kind
    members: list[Node]
    faces: list[Node]
    units: int = 1  # how many neurons it holds, or terms a sum has
    operands: dict[Group, None] = field(default_factory=dict)
    users: dict[Group, None] = field(default_factory=dict)

    @property
    def face(self) -> Node:
        return self.faces[0]

    @property
    def is_leaf(self) -> bool:
        return self.face.is_leaf


def connect(groups: list[Group], graph: Mapping[Node, Iterable[Node]]) -> list[Group]:
    """The groups, each told its operands and its users; ``graph`` has the operands of nodes."""
    home = {node: group for group in groups for node in group.members}
    for group in groups:
        for node in group.members:
            for operand in graph[node]:
                if (other := home[operand]) is not group:
                    group.operands[other] = None
        for other in group.operands:
            other.users[group] = None
    return groups


def merge(
    groups: Sequence[Group],
    leaders: Mapping[Group, Group],
    become: Callable[[Group, list[Group]], Group],
) -> list[Group]:
    """Each group joined with those that have the same leader. ``become`` makes one group of a
    leader and all that follow it, itself among them."""
    followers: dict[Group, list[Group]] = {}
    for group in groups:
        followers.setdefault(leaders.get(group, group), []).append(group)
    if len(followers) == len(groups):
        return list(groups)
    merged = {
        leader: become(leader, those) if len(those) > 1 else _alone(leader)
        for leader, those in followers.items()
    }
    into = {group: merged[leader] for leader, those in followers.items() for group in those}
    for group in groups:
        here = into[group]
        for operand in group.operands:
            there = into[operand]
            if there is not here:
                here.operands[there] = None
                there.users[here] = None
    return untangle(list(merged.values()))


def _alone(group: Group) -> Group:
    return Group(group.kind, group.members, group.faces, group.units)


def gather(kind: Kind, groups: Sequence[Group]) -> Group:
    """One group of several, all of whose faces count."""
    return Group(
        kind,
        [node for group in groups for node in group.members],
        [node for group in groups for node in group.faces],
        sum(group.units for group in groups),
    )


def by_key(groups: Iterable[Group], keys: Mapping[Group, Hashable]) -> dict[Group, Group]:
    """Leaders: the first group with each key."""
    first: dict[Hashable, Group] = {}
    return {group: first.setdefault(keys[group], group) for group in groups}


def untangle(groups: list[Group]) -> list[Group]:
    """Users before operands; what uses itself in a circle becomes one group, a loop."""
    order = _postorder(groups, lambda group: group.operands, {})
    place = {group: number for number, group in enumerate(order)}
    if all(place[operand] < place[group] for group in order for operand in group.operands):
        return order[::-1]
    circle: dict[Group, Group] = {}
    for start in reversed(order):  # Kosaraju: against the arrows, from what came in last
        circle.update(dict.fromkeys(_postorder([start], lambda group: group.users, circle), start))
    return merge(groups, circle, lambda leader, those: gather("loop", those))


def _postorder(
    starts: Iterable[Group], following: Callable[[Group], Iterable[Group]], met: Container[Group]
) -> list[Group]:
    """Depth first, each group after those that follow it; with a stack of our own."""
    entered: set[Group] = set()
    finished: list[Group] = []
    for start in starts:
        if start in met or start in entered:
            continue
        entered.add(start)
        path = [(start, iter(following(start)))]
        while path:
            group, others = path[-1]
            for other in others:
                if other not in met and other not in entered:
                    entered.add(other)
                    path.append((other, iter(following(other))))
                    break
            else:
                finished.append(group)
                path.pop()
    return finished
