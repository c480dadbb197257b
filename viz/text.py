"""A `Picture` in characters: a tree for the terminal, a table where nothing can draw.

The tree reads from the root: under each node stand its operands, each with the local derivative
that leads to it. A node that is used again is drawn once and named after that; a branch that
would run out of the window starts anew at the margin.
"""

from __future__ import annotations

import html
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator

from viz.ladder import lines as ladder_lines
from viz.parts import Edge, Node
from viz.picture import Picture

_DEEPEST = 30  # characters of indentation


def write(picture: Picture) -> str:
    """The tree in columns, then what its marks mean, then the caption."""
    rows = [_heading(picture), *_tree(picture)]
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True))
        for row in rows
    ]
    lines += ["", *(entry.text for entry in picture.legend if entry.kind == "mark")]
    lines += picture.caption
    if picture.ladder and picture.flow != "forward":
        lines += ["", "gradient by layer: rms dL/dz, the factor from the layer after it"]
        lines += ladder_lines(picture.ladder)
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def table(picture: Picture) -> str:
    """The nodes and their numbers as an HTML table."""
    rows = [_heading(picture), *(_cells(picture, node, node.title) for node in picture.nodes)]
    caption = "<br>".join(map(html.escape, picture.caption))
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><caption>{caption}</caption>{body}</table>"


def _heading(picture: Picture) -> list[str]:
    return {
        "forward": ["", "value", ""],
        "backward": ["", "gradient", "local derivative", ""],
        "both": ["", "value", "gradient", "local derivative", ""],
    }[picture.flow]


def _cells(picture: Picture, node: Node, title: str, edge: Edge | None = None) -> list[str]:
    mark = picture.marked(node.id)
    cells = [title]
    if picture.flow != "backward":
        cells.append(node.value_text)
    if picture.flow != "forward":
        cells.append("" if node.role == "constant" else node.grad_text)
        cells.append("  ".join(picture.edge_lines(edge)) if edge else "")
    return [*cells, "  ".join(filter(None, (mark.text if mark else "", node.folded, node.note)))]


def _tree(picture: Picture) -> Iterator[list[str]]:
    operands: dict[str, list[Edge]] = {node.id: [] for node in picture.nodes}
    for use in picture.edges:
        operands[use.head].append(use)
    uses = Counter(use.tail for use in picture.edges)
    drawn: set[str] = set()
    margin = deque(node.id for node in picture.nodes if not uses[node.id])
    while margin:
        if (start := margin.popleft()) in drawn:
            continue
        branch: list[tuple[str, Edge | None, str, str]] = [(start, None, "", "")]
        while branch:
            id, edge, lead, below = branch.pop()
            node = picture.by_id(id)
            title = lead + (node.title or node.name)
            repeated = id in drawn and bool(operands[id])
            deferred = not repeated and len(lead) > _DEEPEST and bool(operands[id])
            if repeated or deferred:
                title += f" [{id} {'above' if repeated else 'below'}]"
            elif operands[id] and (uses[id] > 1 or (edge is None and uses[id])):
                title += f" [{id}]"
            yield _cells(picture, node, title, edge)
            if deferred:
                margin.append(id)
            elif not repeated:
                drawn.add(id)
                twigs = [("├─ ", "│  ")] * (len(operands[id]) - 1) + [("└─ ", "   ")]
                branch += [
                    (use.tail, use, below + twig, below + gap)
                    for use, (twig, gap) in reversed(list(zip(operands[id], twigs, strict=False)))
                ]


def width(text: str) -> int:
    """Columns in a terminal, where Chinese and emoji take two."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
