"""Two pictures, or two reports, side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from viz import style, text
from viz.findings import Layer, Report
from viz.ladder import bar, ladder
from viz.legend import legend
from viz.picture import Picture
from viz.sheet import beside


@dataclass(frozen=True)
class Comparison:
    """Two things of one kind, side by side. Prints, and pictures can be saved as SVG."""

    a: Picture | Report
    b: Picture | Report
    names: Sequence[str]

    def text(self) -> str:
        """Both in characters, in two columns."""
        if isinstance(self.a, Picture) and isinstance(self.b, Picture):
            blocks = [text.write(picture).splitlines() for picture in (self.a, self.b)]
            return _columns(
                [[name, "", *block] for name, block in zip(self.names, blocks, strict=True)]
            )
        assert isinstance(self.a, Report)
        assert isinstance(self.b, Report)
        return _reports(self.a, self.b, self.names)

    __str__ = text

    def svg(self, *, renderer: str | None = None) -> str:
        """Both pictures in one SVG."""
        if not (isinstance(self.a, Picture) and isinstance(self.b, Picture)):
            raise TypeError("svg() is of pictures; print the comparison of two reports")
        drawings = [picture.svg(renderer=renderer) for picture in (self.a, self.b)]
        return beside(drawings, self.names, self.a.theme)

    def save(self, path: str | Path, *, renderer: str | None = None) -> Path:
        """Write .svg, or .txt."""
        path = Path(path)
        if path.suffix not in (".svg", ".txt"):
            raise ValueError(f"{path.name}: end the name in .svg or .txt")
        drawn = self.svg(renderer=renderer) if path.suffix == ".svg" else self.text()
        path.write_text(drawn, encoding="utf-8", newline="\n")
        return path

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> dict[str, Any]:
        from viz.render import RenderError

        bundle = {"text/plain": self.text()}
        if isinstance(self.a, Report):
            return bundle
        try:
            return {"image/svg+xml": self.svg(), **bundle}
        except (RenderError, OSError):
            return bundle


def compare(
    a: Picture | Report, b: Picture | Report, *, names: Sequence[str] = ("a", "b")
) -> Comparison:
    """Lay two pictures, or two reports, side by side, their gradients on one scale.

    >>> from engine import Value
    >>> import viz
    >>> reports = [viz.diagnose(Value(z).sigmoid()) for z in (0.0, 8.0)]
    >>> print(viz.compare(*reports, names=("z = 0", "z = 8")))
    layer    measure    z = 0                     z = 8
    sigmoid  saturated  0%                        100%
             dead       0/1                       0/1
             grad rms   0.25                      0.0003352
                        ████████████████████████  ███████████████
    R                   1                         1
    rho                 -                         -
    found               nothing                   SATURATED sigmoid
    """
    if isinstance(names, str) or len(names) != 2:
        raise ValueError(f"compare(names={names!r}): two names, one for each side")
    if isinstance(a, Picture) and isinstance(b, Picture):
        scale = max(a.scale, b.scale, key=lambda scale: scale.top)
        scale = replace(scale, decades=max(a.scale.decades, b.scale.decades))
        pictures = [
            replace(picture, scale=scale, prefix=f"{side}{picture.prefix}")
            for side, picture in (("a", a), ("b", b))
        ]
        a, b = (replace(p, legend=legend(p) if p.legend else ()) for p in pictures)
        return Comparison(a, b, names)
    if isinstance(a, Report) and isinstance(b, Report):
        return Comparison(a, b, names)
    raise TypeError(
        f"compare takes two pictures or two reports, not a {type(a).__name__} and a "
        f"{type(b).__name__}"
    )


def _reports(a: Report, b: Report, names: Sequence[str]) -> str:
    rungs = iter(ladder((row.name, row.grad_rms) for row in (*a.layers, *b.layers)))
    bars = [[bar(next(rungs)) for _ in report.layers] for report in (a, b)]
    rows: list[tuple[str, ...]] = [("layer", "measure", *names)]
    for pair, pair_of_bars in zip(
        zip_longest(a.layers, b.layers), zip_longest(*bars, fillvalue=""), strict=True
    ):
        label = " | ".join(dict.fromkeys(row.name for row in pair if row))
        rows += [
            (label, "saturated", *(_cell(row, "saturated") for row in pair)),
            ("", "dead", *(_cell(row, "dead") for row in pair)),
            ("", "grad rms", *(_cell(row, "grad") for row in pair)),
            ("", "", *pair_of_bars),
        ]
    rows.append(("R", "", style.number(a.R), style.number(b.R)))
    rows.append(("rho", "", style.number(a.rho), style.number(b.rho)))
    found = [[f"{f.code} {f.where}".strip() for f in r.findings] or ["nothing"] for r in (a, b)]
    for place, (one, other) in enumerate(zip_longest(*found, fillvalue="")):
        rows.append(("" if place else "found", "", one, other))
    return _columns([list(column) for column in zip(*rows, strict=True)])


def _cell(row: Layer | None, what: str) -> str:
    if row is None:
        return ""
    if what == "saturated":
        return style.percent(row.saturated)
    return f"{row.dead}/{row.units}" if what == "dead" else style.number(row.grad_rms)


def _columns(columns: Sequence[Sequence[str]]) -> str:
    widths = [max(map(text.width, column), default=0) for column in columns]
    lines = []
    for cells in zip_longest(*columns, fillvalue=""):
        padded = [c + " " * (w - text.width(c)) for c, w in zip(cells, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
