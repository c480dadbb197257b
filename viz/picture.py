"""A picture before it is ink: plain data that every writer draws and every test can ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal

from viz import style
from viz.findings import DEFAULT, Finding
from viz.parts import Cluster, Edge, Entry, Mark, Move, Node, Number, Rung, Summary, size
from viz.style import number, plain

Flow = Literal["both", "forward", "backward"]

# Formulas on the edges double a graph's height, and labels of any kind double its ranks.
FORMULAS_UP_TO = 40
LABELS_UP_TO = 300


@dataclass(frozen=True)
class Picture:
    """A graph, ready to be drawn.

    >>> from engine import Value
    >>> import viz
    >>> w = Value(2.0, label="w")
    >>> y = w * w
    >>> y.backward()
    >>> picture = viz.draw(y)
    >>> picture.node("w").grad
    4.0
    >>> picture.save("square.svg")  # doctest: +SKIP
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    marks: tuple[Mark, ...] = ()
    legend: tuple[Entry, ...] = ()
    caption: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    moves: tuple[Move, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    ladder: tuple[Rung, ...] = ()
    flow: Flow = "both"
    scale: style.Scale = style.UNIT
    theme: str = "light"
    prefix: str = ""
    now: tuple[str, ...] = ()  # the edge and the node of the step that is being shown
    _by_id: dict[str, Node] = field(init=False, repr=False, compare=False)
    _marked: dict[str, Mark] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {node.id: node for node in self.nodes})
        object.__setattr__(self, "_marked", {mark.node: mark for mark in self.marks})

    def __repr__(self) -> str:
        return f"<Picture: {'; '.join(self.caption)}>"

    def node(self, name: str) -> Node:
        """The node with this label or id."""
        found = [node for node in self.nodes if name in (node.label, node.id)]
        if len(found) != 1:
            raise KeyError(f"{len(found)} nodes are called {name!r}; use an id of picture.nodes")
        return found[0]

    def by_id(self, id: str) -> Node:
        return self._by_id[id]

    def marked(self, id: str) -> Mark | None:
        """The mark on a node: at most one, the gravest."""
        return self._marked.get(id)

    def step(self, x: Number | None) -> int | None:
        """The step of the ramp that stands for a gradient of this size, if one does."""
        if x is None:
            return None
        magnitude = size(x)
        return self.scale.step(magnitude) if 0 < magnitude < inf else None

    def passage(self, edge: Edge) -> str:
        """Whether a gradient ``"vanishes"`` or ``"explodes"`` on this edge alone, else ""."""
        if edge.local is None:
            return ""
        factor = size(edge.local)
        shrinks, grows = factor < DEFAULT.vanishing, factor > DEFAULT.exploding
        if not (shrinks or grows) or self.step(edge.contribution) is None:
            return ""
        return "vanishes" if shrinks else "explodes"

    def node_lines(self, node: Node) -> list[str]:
        """What a node says, line by line: value above, gradient below."""
        lines = [line for line in (node.title, node.folded) if line]
        if self.flow != "backward":
            lines += node.value_lines
        if self.flow != "forward" and node.role != "constant":
            first, *others = node.grad_lines
            lines += [f"grad {first}", *others]
        mark = self.marked(node.id)
        return [*lines, *filter(None, (node.note, mark.text if mark else ""))]

    def edge_lines(self, edge: Edge) -> list[str]:
        """What stands on an edge: formula and number while there is room, then the number."""
        if self.flow == "forward" or len(self.edges) > LABELS_UP_TO:
            return []
        # What the operand says itself, and what the line above says, is not said again.
        shape = style.shape(edge.shape) if edge.shape != self.by_id(edge.tail).shape else ""
        lines = [text for text in (", ".join(filter(None, (shape, edge.local_text))),) if text]
        if len(self.nodes) <= FORMULAS_UP_TO and edge.symbolic:
            known = ("", number(edge.local)) if isinstance(edge.local, float) else ("",)
            numeric = edge.numeric.removesuffix(f" = {known[-1]}")
            formulas = dict.fromkeys((edge.symbolic, numeric))
            lines += [text for text in formulas if text not in known]
        return [style.shorten(line, 2 * style.LONGEST) for line in lines]

    def node_sentence(self, node: Node) -> str:
        """All there is to say of a node, for tooltips."""
        mark = self.marked(node.id)
        label = style.printable(node.label)
        parts = (
            label,
            node.title,
            node.folded,
            f"value {node.value_text}",
            f"grad {node.grad_text}",
            node.note,
        )
        return "; ".join(dict.fromkeys(filter(None, (*parts, mark.text if mark else ""))))

    def edge_sentence(self, edge: Edge) -> str:
        """The chain rule on this edge, with its numbers."""
        tail, head = self.by_id(edge.tail).name, self.by_id(edge.head).name
        if edge.local is None and not edge.note:
            return f"{head} is made of {tail}"
        rule = " = ".join(dict.fromkeys(filter(None, (edge.symbolic, edge.numeric))))
        sentence = f"d{head}/d{tail}: {rule or edge.local_text}"
        if edge.contribution is None:
            return sentence
        if isinstance(edge.contribution, Summary) or isinstance(edge.local, Summary):
            return f"{sentence}; contributes rms {plain(size(edge.contribution))}"
        if edge.local is None or not isinstance(edge.upstream, float):
            return f"{sentence}; contributes {plain(edge.contribution)}"
        product = f"{plain(edge.upstream)} × {number(edge.local)}"
        return f"{sentence}; d{tail} += {product} = {plain(edge.contribution)}"

    # -------------------------------------------------------------- writers

    @property
    def dot(self) -> str:
        """The picture as DOT text."""
        from viz.dot import write

        return write(self)

    def svg(self, *, renderer: str | None = None) -> str:
        """The picture as SVG text."""
        from viz.render import render

        return render(self.dot, "svg", renderer=renderer).decode()

    def text(self) -> str:
        """The picture drawn in characters; needs nothing installed."""
        from viz.text import write

        return write(self)

    def save(self, path: str | Path, *, renderer: str | None = None) -> Path:
        """Write the picture in the format that the name ends with: svg, png, pdf, dot or txt."""
        from viz.render import FORMATS, render

        path = Path(path)
        format = path.suffix.lower().lstrip(".")
        if format in FORMATS:
            path.write_bytes(render(self.dot, format, renderer=renderer))
        elif format in ("dot", "gv", "txt"):
            text = self.text() if format == "txt" else self.dot
            path.write_text(text, encoding="utf-8", newline="\n")
        else:
            raise ValueError(f"{path.name}: end the name in .svg, .png, .pdf, .dot or .txt")
        return path

    def steps(self, folder: str | Path, *, renderer: str | None = None) -> list[Path]:
        """Write one SVG per step of the backward pass, numbered in order. A name that ends in
        ``.svg`` gives one that plays them, one after the other."""
        from viz.frames import save

        return save(self, Path(folder), renderer)

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Exactly one picture: notebooks that are offered two choose by rules of their own."""
        from viz.render import RenderError
        from viz.text import table

        bundle = {"text/plain": repr(self)}
        try:
            return {"image/svg+xml": self.svg(), **bundle}
        except (RenderError, OSError):
            return {"text/html": table(self), **bundle}
