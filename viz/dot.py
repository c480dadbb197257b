"""A `Picture` as DOT text.

Everything that a user can write (labels, names of operations) goes through `_html` into a label
or a tooltip, and never anywhere else: DOT has attributes that open files and links. Names in the
DOT text are ours: n0, n1, ... in the order of the picture.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from typing import Any

from viz import style
from viz.ladder import factor_text
from viz.parts import Cluster, Edge, Entry, Node, state
from viz.picture import Picture
from viz.render import FONT
from viz.style import plain
from viz.theme import THEMES, Theme

_DIGIT = 7  # points: the width of a digit in a node
_BAR = 90  # points: the longest bar of the ladder
_MARGIN = "0.06,0.03"
_ROOM = {"box3d": "0.14,0.1"}  # its edges are drawn inside it


def write(picture: Picture) -> str:
    """The whole graph: nodes, edges, and at the foot the caption and the legend."""
    import graphviz  # type: ignore[import-untyped]

    theme = THEMES[picture.theme]
    graph = graphviz.Digraph(
        graph_attr={
            "bgcolor": theme["paper"],
            "fontcolor": theme["ink"],
            "fontname": FONT,
            "fontsize": "11",
            "id": f"{picture.prefix}graph",
            "label": _foot(picture),
            "labeljust": "l",
            "labelloc": "b",
            "newrank": "true" if picture.clusters else "",  # else modules drift to the side
            "nodesep": "0.25",
            "pad": "0.15",
            # What stands for many numbers is wider than high, and a Value about square.
            "rankdir": "TB" if any(node.shape or node.folded for node in picture.nodes) else "LR",
            "ranksep": "0.35",
        },
        node_attr={"fontname": FONT, "fontsize": "11", "height": "0.3", "margin": _MARGIN},
        edge_attr={
            "arrowsize": "0.6",
            "fontcolor": theme["ink"],
            "fontname": FONT,
            "fontsize": "9",
        },
    )
    framed = {id for cluster in picture.clusters for id in cluster.nodes}
    for node in picture.nodes:
        if node.id not in framed:
            graph.node(node.id, **_node(picture, node))
    for cluster in picture.clusters:
        if not cluster.parent:
            graph.subgraph(_frame(picture, cluster))
    if picture.ladder and picture.flow != "forward":
        graph.node(
            "ladder",
            fontcolor=theme["ink"],
            id=f"{picture.prefix}ladder",
            label=_ladder(picture),
            shape="plain",
        )
    for edge in picture.edges:
        graph.edge(edge.tail, edge.head, **_edge(picture, edge))
    for above, below in _order(picture) if picture.clusters else ():
        graph.edge(above, below, style="invis")
    return str(graph.source)


def _order(picture: Picture) -> Iterator[tuple[str, str]]:
    """Parameters of one operation stand under what it is applied to. Else they would go up beside
    it, and drag their module along."""
    uses = Counter(edge.tail for edge in picture.edges)
    leaves = ("leaf", "constant")
    for _, operands in groupby(picture.edges, lambda edge: edge.head):
        beside: dict[bool, list[str]] = {True: [], False: []}
        for edge in operands:
            beside[picture.by_id(edge.tail).role in leaves].append(edge.tail)
        for above in beside[False][:1]:
            yield from ((above, leaf) for leaf in beside[True] if uses[leaf] == 1)


def _frame(picture: Picture, cluster: Cluster) -> Any:
    """A module with its nodes, and the modules in it."""
    import graphviz

    quiet = THEMES[picture.theme]["quiet"]
    frame = graphviz.Digraph(
        name=f"cluster_{cluster.id}",
        graph_attr={
            "color": quiet,
            "fontcolor": quiet,
            "id": f"{picture.prefix}{cluster.id}",
            "label": f"<{_html(cluster.title)}>",
            "labeljust": "l",
            "labelloc": "t",
            "style": "rounded",
            "tooltip": _tooltip(cluster.title),
        },
    )
    for id in cluster.nodes:
        frame.node(id, **_node(picture, picture.by_id(id)))
    for inner in picture.clusters:
        if inner.parent == cluster.id:
            frame.subgraph(_frame(picture, inner))
    return frame


def _ladder(picture: Picture) -> str:
    """The gradient ladder: a bar for each layer, and between them the factor."""
    left = ' ALIGN="LEFT"'
    theme = THEMES[picture.theme]
    rows = [_cell("<B>gradient by layer</B>", f'{left} COLSPAN="2"')]
    for rung in picture.ladder:
        step = picture.step(rung.grad_rms)
        fill = theme[f"ramp{step}" if step is not None else "paper"]
        width = max(round(rung.length * _BAR), 1)
        bar = (
            '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"><TR>'
            f'<TD BORDER="1" COLOR="{theme["quiet"]}" BGCOLOR="{fill}" WIDTH="{width}" HEIGHT="9" '
            f'FIXEDSIZE="TRUE"></TD><TD> {plain(rung.grad_rms)}</TD></TR></TABLE>'
        )
        rows.append(f"<TR><TD{left}>{_html(rung.name)}</TD><TD{left}>{bar}</TD></TR>")
        if rung.factor is not None:
            factor = f'<FONT COLOR="{theme["quiet"]}">{factor_text(rung)}</FONT>'
            rows.append(f"<TR><TD></TD><TD{left}>{factor}</TD></TR>")
    return _table(rows)


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
    return {
        "color": theme["now" if current else look.color],
        "fillcolor": theme[look.fill],
        "fontcolor": theme[look.ink],
        "id": f"{picture.prefix}{node.id}",
        "margin": _ROOM.get(look.shape, _MARGIN),
        "label": _table(_node_row(picture, node, line) for line in picture.node_lines(node)),
        "penwidth": f"{4.0 if current else look.width:g}",
        "peripheries": "2" if node.is_root else "1",
        "shape": look.shape,
        "style": look.style,
        "tooltip": _tooltip(picture.node_sentence(node)),
    }


def _node_row(picture: Picture, node: Node, line: str) -> str:
    if line == node.title:
        return _cell(f"<B>{_html(line)}</B>")
    mark = picture.marked(node.id)
    if mark and line == mark.text:  # on the paper's colour, so that it is seen on any fill
        theme = THEMES[picture.theme]
        text = f'<FONT COLOR="{theme["ink"]}"><B>{_html(line)}</B></FONT>'
        return _cell(text, f' BGCOLOR="{theme["paper"]}"')
    # A gradient that is still to come gets its room now, so that the steps all look alike.
    room = f' WIDTH="{(5 + node.room) * _DIGIT}"' if line.startswith("grad ") else ""
    return _cell(_html(line), room if node.room else "")


def _edge(picture: Picture, edge: Edge) -> dict[str, str]:
    sentence = _tooltip(picture.edge_sentence(edge))
    lines = picture.edge_lines(edge)
    quiet = THEMES[picture.theme]["quiet"]
    rows = [f"<B>{_html(line)}</B>" for line in lines[:1]]
    rows += [f'<FONT COLOR="{quiet}">{_html(line)}</FONT>' for line in lines[1:]]
    color, width, dash = _line(picture, edge)
    return {
        "color": THEMES[picture.theme][color],
        "dir": "back" if picture.flow == "backward" else "forward",
        "id": f"{picture.prefix}{edge.id}",
        "label": _apart(rows) if rows else "",
        "labeltooltip": sentence,
        "penwidth": f"{width:.3g}",
        "style": dash,
        "tooltip": sentence,
        "weight": _straightness(picture, edge),
    }


def _straightness(picture: Picture, edge: Edge) -> str:
    """Through modules the way of the data is straight, and parameters stand beside it."""
    data = picture.by_id(edge.tail).role not in ("leaf", "constant")
    return "20" if data and picture.clusters else "1"


def _line(picture: Picture, edge: Edge) -> tuple[str, float, str]:
    """An edge's colour, width and dashes: how much of the gradient went over it."""
    if edge.id in picture.now:
        return "now", 4.0, "solid"
    if picture.flow == "forward":
        return "ink", 1.0, "solid"
    if picture.by_id(edge.tail).role == "constant":
        return "quiet", 0.5, "solid"
    step = picture.step(edge.contribution)
    if step is not None:
        return *style.stroke(step), "solid"
    look = style.STATES[state(edge.contribution)]
    return look.color, look.width, look.style or "solid"


# ------------------------------------------------------------------ the foot


def _foot(picture: Picture) -> str:
    """The caption, and under it a column for each kind of sign."""
    theme = THEMES[picture.theme]
    columns = [list(entries) for _, entries in groupby(picture.legend, lambda entry: entry.kind)]
    wide = f' ALIGN="LEFT" COLSPAN="{max(1, len(columns))}"'
    rows = [_cell(_html(line), wide) for line in picture.caption]
    for cells in zip_longest(*columns):
        rows.append(
            f"<TR>{''.join(_swatch(entry, theme) if entry else '<TD></TD>' for entry in cells)}</TR>"
        )
    style_of_all = 'BORDER="0" CELLBORDER="0" CELLPADDING="4" CELLSPACING="2"'
    return f"<<TABLE {style_of_all}>{''.join(rows)}</TABLE>>"


def _swatch(entry: Entry, theme: Theme) -> str:
    look = entry.look
    dash = f' STYLE="{look.style}"' if look.style in ("dashed", "dotted") else ""
    return (
        f'<TD ALIGN="LEFT" BORDER="{round(look.width)}" COLOR="{theme[look.color]}"'
        f' BGCOLOR="{theme[look.fill]}"{dash}>'
        f'<FONT COLOR="{theme[look.ink]}">{_html(entry.text)}</FONT></TD>'
    )


# ------------------------------------------------------------------ text


def _table(rows: Iterable[str]) -> str:
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">'
        f"{''.join(rows)}</TABLE>>"
    )


def _apart(rows: Iterable[str]) -> str:
    """A label that keeps away from its edge, which is drawn under it or to the left of it."""
    cells = (f'<TR><TD WIDTH="4"></TD><TD>{row}</TD></TR>' for row in rows)
    return _table([*cells, _cell("", ' COLSPAN="2" HEIGHT="5"')])


def _cell(content: str, attributes: str = "") -> str:
    return f"<TR><TD{attributes}>{content}</TD></TR>"


def _html(text: str, readings: int = 1) -> str:
    r"""Harmless in a label. Every reading turns \N into the node's name and \\ into \."""
    return html.escape(text, quote=True).replace("\\", "\\" * 2**readings)


def _tooltip(text: str) -> str:
    return _html(text, readings=2)
