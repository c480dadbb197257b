"""What the signs of one picture mean: an entry for each sign that occurs in it, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from viz import style
from viz.parts import Entry
from viz.picture import Picture

_PLAIN = style.Look("", color="paper")


def legend(picture: Picture) -> tuple[Entry, ...]:
    """The entries for this picture, kind by kind."""
    if picture.flow == "forward":
        return (*_marks(picture), *_shapes(picture))
    return (*_gradients(picture), *_marks(picture), *_shapes(picture), *_edges(picture))


def _gradients(picture: Picture) -> Iterator[Entry]:
    nodes = [node for node in picture.nodes if node.role != "constant"]
    steps = {step for node in nodes if (step := picture.step(node.grad)) is not None}
    for step in sorted(steps, reverse=True):
        look = style.dress("operation", "sized", step, None)
        yield Entry("gradient", f"|grad| {picture.scale.meaning(step)}", replace(look, style=""))
    for state, look in style.STATES.items():
        if any(node.state == state for node in nodes):
            yield Entry("gradient", look.meaning, look)


def _marks(picture: Picture) -> Iterator[Entry]:
    codes = {mark.code for mark in picture.marks}
    for code, look in style.MARKS.items():
        if code in codes:
            yield Entry("mark", f"{code}: {look.meaning}", look)


def _shapes(picture: Picture) -> Iterator[Entry]:
    roles = {node.role for node in picture.nodes} | {"root"}
    for role, look in style.ROLES.items():
        if role in roles and look.meaning:
            yield Entry("shape", look.meaning, _PLAIN if look.fill == "paper" else look)


def _edges(picture: Picture) -> Iterator[Entry]:
    if any(edge.local_text for edge in picture.edges):
        yield Entry("shape", "×: local derivative; width: how much gradient passes", _PLAIN)
