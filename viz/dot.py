"""A `Picture` as DOT text.

Everything that a user can write (labels, names of operations) goes through `labels.escaped` into a
label or a tooltip, and never anywhere else: DOT has attributes that open files and links. Names in
the DOT text are ours: n0, n1, ... in the order of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from viz import style
from viz.labels import apart, cell, escaped, statement, table, tooltip
from viz.ladder import factor_text
from viz.layout import Layout, layout
from viz.parts import Cluster, Edge, Entry, Node, state
from viz.picture import Picture
from viz.render import FONT
from viz.style import plain
from viz.theme import THEMES, Theme

_DIGIT = 7  # points: the width of a digit in a node
_BAR = 90  # points: the longest bar of the ladder
# What is said once for all, and again only where it is otherwise: half of the text.
_NODE = {
    "margin": "0.08,0.05", "penwidth": "1", "peripheries": "1", "shape": "box", "style": "filled"
}  # fmt: skip
_EDGE = {"label": "", "labeltooltip": "", "style": "solid"}
_ROOMY = "0.16,0.1"  # where lines are drawn inside: a block's edges, cut corners

# An edge through a gate is two, without arrowheads at the gate and overlapping there by a point.
_GATE = {"height": "0", "label": "", "shape": "point", "style": "invis", "width": "0"}
_FAR_AND_NEAR_SIDE = {"TB": ("s", "n"), "LR": ("e", "w")}
_STRAIGHT = "1000"  # more than Graphviz gives for a narrow frame


def write(picture: Picture) -> str:
    """The whole graph: nodes, edges, and at the foot the caption and the legend."""
    import graphviz  # type: ignore[import-untyped]

    theme = THEMES[picture.theme]
    # What stands for many numbers is wider than high, and a Value about square.
    direction = "TB" if any(node.shape or node.folded for node in picture.nodes) else "LR"
    graph = graphviz.Digraph(
        graph_attr={
            "bgcolor": theme["paper"],
            "fontcolor": theme["ink"],
            "fontname": FONT,
            "fontsize": "11",
            "id": _id(picture, "graph"),
            "label": _foot(picture),
            "labeljust": "l",
            "labelloc": "b",
            "newrank": "true" if picture.clusters else "",  # else modules drift to the side
            "nodesep": "0.25",
            "pad": "0.15",
            "rankdir": direction,
            "ranksep": "0.3",
        },
        node_attr={**_NODE, "fontname": FONT, "fontsize": "11", "height": "0.3"},
        edge_attr={
            **_EDGE,
            "arrowsize": "0.6",
            "dir": "back" if picture.flow == "backward" else "forward",
            "fontcolor": theme["ink"],
            "fontname": FONT,
            "fontsize": "9",
        },
    )
    hints = layout(picture)
    framed = {id for cluster in picture.clusters for id in cluster.nodes}
    for node in picture.nodes:
        if node.id not in framed:
            graph.body.append(statement(node.id, _node(picture, node)))
    for cluster in picture.clusters:
        if not cluster.parent:
            graph.subgraph(_frame(picture, cluster, hints))
    if picture.ladder and picture.flow != "forward":
        graph.body.append(statement("ladder", _ladder(picture)))
    for edge in picture.edges:
        attributes = _edge(picture, edge)
        if edge.id in hints.straight:
            attributes["weight"] = _STRAIGHT
        if edge.id in hints.gates:
            gate = f"gate_{edge.id}"
            far, near = _FAR_AND_NEAR_SIDE[direction]
            into = {"arrowhead": "none", "headport": far}
            outside = {"id": f"{attributes['id']}-outside", "label": "", **into}
            out_of = {"arrowtail": "none", "tailport": near}
            graph.body.append(statement(f"{edge.tail} -> {gate}", {**attributes, **outside}))
            graph.body.append(statement(f"{gate} -> {edge.head}", {**attributes, **out_of}))
        else:
            graph.body.append(statement(f"{edge.tail} -> {edge.head}", attributes))
    for above, below in hints.order:
        graph.body.append(statement(f"{above} -> {below}", {"style": "invis"}))
    return str(graph.source)


def _frame(picture: Picture, cluster: Cluster, hints: Layout) -> Any:
    """A module with its nodes, and the modules in it."""
    import graphviz

    theme = THEMES[picture.theme]
    quiet = theme["quiet"]
    chip = next((mark for mark in picture.marks if mark.node in _inside(picture, cluster)), None)
    title = f"<TD>{escaped(cluster.title)}</TD>"
    if chip:
        ink, color = theme["ink"], theme[style.MARKS[chip.code].color]
        title += (
            f'<TD WIDTH="6"></TD><TD BORDER="2" COLOR="{color}" CELLPADDING="3">'
            f'<FONT COLOR="{ink}"><B>{escaped(chip.text)}</B></FONT></TD>'
        )
    frame = graphviz.Digraph(
        name=f"cluster_{cluster.id}",
        graph_attr={
            "color": quiet,
            "fontcolor": quiet,
            "id": _id(picture, cluster.id),
            "label": table([f"<TR>{title}</TR>"]),
            "labeljust": "c",  # the data comes in on the left, or on the right
            "labelloc": "t",
            "style": "rounded",
            "tooltip": tooltip(cluster.title),
        },
    )
    for id in cluster.nodes:
        frame.body.append(statement(id, _node(picture, picture.by_id(id))))
    for edge, home in hints.gates.items():
        if home == cluster.id:
            frame.body.append(statement(f"gate_{edge}", _GATE))
    for inner in picture.clusters:
        if inner.parent == cluster.id:
            frame.subgraph(_frame(picture, inner, hints))
    return frame


def _inside(picture: Picture, cluster: Cluster) -> set[str]:
    """The nodes of a module and of all modules in it."""
    inner = (c for c in picture.clusters if c.parent == cluster.id)
    return set(cluster.nodes).union(*(_inside(picture, c) for c in inner))


def _ladder(picture: Picture) -> dict[str, str]:
    """The gradient ladder: a bar for each layer, and between them the factor."""
    left = ' ALIGN="LEFT"'
    theme = THEMES[picture.theme]
    rows = [cell("<B>gradient by layer</B>", f'{left} COLSPAN="2"')]
    for rung in picture.ladder:
        step = picture.step(rung.grad_rms)
        fill = theme[f"ramp{step}" if step is not None else "paper"]
        width = max(round(rung.length * _BAR), 1)
        bar = (
            '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
            f'<TD BORDER="1" COLOR="{theme["quiet"]}" BGCOLOR="{fill}" WIDTH="{width}" HEIGHT="9" '
            f'FIXEDSIZE="TRUE"></TD><TD WIDTH="{_BAR + 4 - width}"></TD>'
            f"<TD>{plain(rung.grad_rms)}</TD></TR></TABLE>"
        )
        rows.append(f"<TR><TD{left}>{escaped(rung.name)}</TD><TD{left}>{bar}</TD></TR>")
        if rung.factor is not None:
            factor = f'<FONT COLOR="{theme["quiet"]}">{factor_text(rung)}</FONT>'
            rows.append(f"<TR><TD></TD><TD{left}>{factor}</TD></TR>")
    return {
        "fontcolor": theme["ink"],
        "id": _id(picture, "ladder"),
        "label": table(rows),
        "peripheries": "0",
        "shape": "plain",
        "style": "",
    }


def _node(picture: Picture, node: Node) -> dict[str, str]:
    theme = THEMES[picture.theme]
    backward = picture.flow != "forward" and node.role != "constant"
    mark = picture.marked(node.id)
    look = style.dress(
        node.role,
        node.state if backward else "",
        picture.step(node.grad) if backward else None,
        mark.code if mark else None,
    )
    current = node.id in picture.now
    title, marked = node.title, mark.text if mark else ""
    rows = [_row(picture, node, line, title, marked) for line in picture.node_lines(node)]
    attributes = {
        "color": theme["now" if current else look.color],
        "fillcolor": theme[look.fill],
        "fontcolor": theme[look.ink],
        "id": _id(picture, node.id),
        "label": table(rows),
        "margin": _ROOMY if look.shape == "box3d" or "diagonals" in look.style else _NODE["margin"],
        "penwidth": f"{4.0 if current else look.width:g}",
        "peripheries": "2" if node.is_root else "1",
        "shape": look.shape,
        "style": look.style,
        "tooltip": tooltip(picture.node_sentence(node)),
    }
    return _without(_NODE, attributes)


def _without(usual: Mapping[str, str], attributes: dict[str, str]) -> dict[str, str]:
    """The attributes, what is as usual struck out."""
    for name, value in usual.items():
        if attributes[name] == value:
            del attributes[name]
    return attributes


def _row(picture: Picture, node: Node, line: str, title: str, mark: str) -> str:
    if line == title:
        return cell(f"<B>{escaped(line)}</B>")
    if line == mark:  # on the paper's colour, so that it is seen on any fill
        theme = THEMES[picture.theme]
        text = f'<FONT COLOR="{theme["ink"]}"><B>{escaped(line)}</B></FONT>'
        return cell(text, f' BGCOLOR="{theme["paper"]}" CELLPADDING="2"')
    # A gradient that is still to come gets its room now, so that the steps all look alike.
    room = f' WIDTH="{(5 + node.room) * _DIGIT}"' if line.startswith("grad ") else ""
    return cell(escaped(line), room if node.room else "")


def _edge(picture: Picture, edge: Edge) -> dict[str, str]:
    sentence = tooltip(picture.edge_sentence(edge))
    lines = picture.edge_lines(edge)
    quiet = THEMES[picture.theme]["quiet"]
    rows = [f"<B>{escaped(line)}</B>" for line in lines[:1]]
    rows += [f'<FONT COLOR="{quiet}">{escaped(line)}</FONT>' for line in lines[1:]]
    color, width, dash = _line(picture, edge)
    attributes = {
        "color": THEMES[picture.theme][color],
        "id": _id(picture, edge.id),
        "label": apart(rows) if rows else "",
        "labeltooltip": sentence if rows else "",
        "penwidth": f"{width:.3g}",
        "style": dash,
        "tooltip": sentence,
    }
    return _without(_EDGE, attributes)


def _id(picture: Picture, id: str) -> str:
    return tooltip(picture.prefix) + id if picture.prefix else id


def _line(picture: Picture, edge: Edge) -> tuple[str, float, str]:
    """An edge's colour, width and dashes: how much of the gradient went over it."""
    if edge.id in picture.now:
        return "now", 4.0, "solid"
    if picture.flow == "forward":
        return "ink", 1.0, "solid"
    if picture.by_id(edge.tail).role == "constant":
        return "quiet", 0.5, "solid"
    if passage := picture.passage(edge):
        look = style.PASSAGES[passage]
        return look.color, look.width, look.style
    step = picture.step(edge.contribution)
    if step is not None:
        return *style.stroke(step), "solid"
    look = style.STATES[state(edge.contribution)]
    return look.color, look.width, look.style or "solid"


# ------------------------------------------------------------------ the foot


def _foot(picture: Picture) -> str:
    """The caption, and under it in two columns how gradients look, and all other signs."""
    theme = THEMES[picture.theme]
    colours = [entry for entry in picture.legend if entry.kind != "sign"]
    signs = [entry for entry in picture.legend if entry.kind == "sign"]
    rows = [cell(escaped(line), ' ALIGN="LEFT" COLSPAN="2"') for line in picture.caption]
    for cells in zip_longest(colours, signs):
        rows.append(
            f"<TR>{''.join(_swatch(entry, theme) if entry else '<TD></TD>' for entry in cells)}</TR>"
        )
    style_of_all = 'BORDER="0" CELLBORDER="0" CELLPADDING="3" CELLSPACING="2"'
    return f"<<TABLE {style_of_all}>{''.join(rows)}</TABLE>>"


def _swatch(entry: Entry, theme: Theme) -> str:
    look = entry.look
    dash = f' STYLE="{look.style}"' if look.style in ("dashed", "dotted") else ""
    return (
        f'<TD ALIGN="LEFT" BORDER="{round(look.width)}" COLOR="{theme[look.color]}"'
        f' BGCOLOR="{theme[look.fill]}"{dash}>'
        f'<FONT COLOR="{theme[look.ink]}">{escaped(entry.text)}&#160;</FONT></TD>'
    )
