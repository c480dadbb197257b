"""Folding by neuron and by layer, in graphs of Values.

A neuron is a sum with products of a weight in it, the products, the weights that no other neuron
uses, and the activation that it goes through. A layer is all neurons of one kind that read from
the same place.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from viz.groups import Group, by_key, gather, merge
from viz.layers import is_activation


def neurons(groups: Sequence[Group]) -> list[Group]:
    """Every neuron as one group; constants join the operation that uses them."""
    leaders: dict[Group, Group] = {}
    for group in groups:
        if members := list(_neuron(group)):
            leaders.update(dict.fromkeys(members, members[-1]))
    tops = set(leaders.values())
    for group in groups:
        if group.is_leaf and group not in leaders:
            homes = {leaders[user] for user in group.users if user in leaders}
            constant = not group.face.requires_grad
            if len(homes) == 1 and (constant or group.kind != "input"):
                leaders[group] = homes.pop()
            elif constant and len(group.users) == 1:
                leaders[group] = next(iter(group.users))

    def become(leader: Group, those: list[Group]) -> Group:
        kind = "neuron" if leader in tops else leader.kind
        members = [node for group in those for node in group.members]
        return Group(kind, members, leader.faces, 1 if leader in tops else leader.units)

    return merge(groups, leaders, become)


def _neuron(group: Group) -> Iterator[Group]:
    """The products, the sum, and the activation, if this is the sum of a neuron."""
    if group.face.op != "add":
        return
    weighted = [term for term in group.operands if _is_weighted(term) and len(term.users) == 1]
    if not weighted:
        return
    yield from weighted
    yield group
    users = list(group.users)
    if len(users) == 1 and is_activation(users[0].face):
        yield users[0]


def _is_weighted(group: Group) -> bool:
    """A product with a leaf that learns, and not its square."""
    return (
        group.face.op == "mul"
        and len(group.operands) == 2
        and any(operand.is_leaf and operand.face.requires_grad for operand in group.operands)
    )


def layers(groups: Sequence[Group]) -> list[Group]:
    """What does the same with the same as one group, whatever the weights are."""
    keys: dict[Group, Hashable] = {}
    number: dict[Hashable, int] = {}
    for group in reversed(groups):
        face = group.face
        what: Hashable = stem(face.label) if group.is_leaf else face.op
        of = frozenset(keys[operand] for operand in group.operands)
        penalty = all(operand.is_leaf for operand in face.parents)  # of weights, not of outputs
        content = (group.kind, what, face.requires_grad, penalty, of)
        keys[group] = number.setdefault(content, len(number))
    keys[groups[0]] = "root"

    def become(leader: Group, those: list[Group]) -> Group:
        return gather("layer" if leader.kind == "neuron" else leader.kind, those)

    return merge(groups, by_key(groups, keys), become)


def stem(label: str) -> str:
    """A label without its numbers: what ``layer0.w1`` and ``layer12.w3`` have in common."""
    return "".join(c for c in label if not c.isdigit())
