"""What the signs of one picture mean: an entry for each sign that occurs in it, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from viz import style
from viz.parts import Entry, Summary
from viz.picture import Picture

_PLAIN = style.Look("", color="paper")


def legend(picture: Picture) -> tuple[Entry, ...]:
    """The entries for this picture, kind by kind."""
    signs = [*_shapes(picture), *_words(picture)]
    if picture.flow != "forward":
        signs += _edges(picture)
    gradients = _gradients(picture) if picture.flow != "forward" else ()
    entries = (Entry("sign", sign, look) for sign, look in signs)
    return (*gradients, *_marks(picture), *_passages(picture), *entries)


def _gradients(picture: Picture) -> Iterator[Entry]:
    nodes = [node for node in picture.nodes if node.role != "constant"]
    steps = {step for node in nodes if (step := picture.step(node.grad)) is not None}
    states = {node.state for node in nodes}
    for step in sorted(steps, reverse=True):
        look = style.dress("operation", "sized", step, None)
        yield Entry("gradient", f"|grad| {picture.scale.meaning(step)}", replace(look, style=""))
    for state, look in style.STATES.items():
        if state in states:
            yield Entry("gradient", look.meaning, look)


def _marks(picture: Picture) -> Iterator[Entry]:
    codes = {mark.code for mark in picture.marks}
    for code, look in style.MARKS.items():
        if code in codes:
            yield Entry("mark", f"{code}: {look.meaning}", look)


def _passages(picture: Picture) -> Iterator[Entry]:
    found = {picture.passage(edge) for edge in picture.edges}
    for passage, look in style.PASSAGES.items():
        if passage in found:
            yield Entry("edge", look.meaning, look)


def _shapes(picture: Picture) -> Iterator[tuple[str, style.Look]]:
    roles = {node.role for node in picture.nodes} | {"root"}
    for role, look in style.ROLES.items():
        if role in roles and look.meaning:
            yield look.meaning, _PLAIN if look.fill == "paper" else look


def _words(picture: Picture) -> Iterator[tuple[str, style.Look]]:
    """What stands in the nodes."""
    told = [x for node in picture.nodes for x in (node.value, node.grad) if isinstance(x, Summary)]
    if any(x.spark for x in told):
        yield "▂█▅: histogram; of a gradient, in decades", _PLAIN
    if any("slope " in node.note for node in picture.nodes):
        yield "slope: mean size of the local derivative", _PLAIN
    if any("sat " in node.note for node in picture.nodes):
        yield "sat: where it is under 5% of its largest", _PLAIN


def _edges(picture: Picture) -> Iterator[tuple[str, style.Look]]:
    """What stands on the edges."""
    shown = [edge for edge in picture.edges if picture.edge_lines(edge)]
    if any(edge.local is not None for edge in shown):
        yield "×: local derivative", _PLAIN
    if any(edge.note.startswith("up to") for edge in shown):
        yield "up to ×: most that a matrix stretches a gradient", _PLAIN
    if any(edge.note.startswith("summed over") for edge in shown):
        yield "summed over 9: used 9 times, so 9 gradients add up", _PLAIN
    if any(picture.step(edge.contribution) is not None for edge in picture.edges):
        yield "width of an edge: how much gradient passes", _PLAIN
