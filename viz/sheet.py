"""Several drawings in one SVG: side by side, or one after the other."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from viz.style import printable, shorten
from viz.theme import THEMES

_GAP = 24.0  # points between two drawings, and above them for their names
_SECONDS = 2.0  # for each picture of a film


class _Part(NamedTuple):
    svg: str
    width: float
    height: float

    def at(self, x: float, y: float) -> str:
        return self.svg.replace("<svg", f'<svg x="{x:g}" y="{y:g}"', 1)


def beside(drawings: Iterable[str], names: Sequence[str], theme: str) -> str:
    """The drawings from left to right, a name above each."""
    parts = [_part(drawing) for drawing in drawings]
    ink = THEMES[theme]["ink"]
    content, x = [], 0.0
    for part, name in zip(parts, names, strict=True):
        title = html.escape(shorten(printable(name), 60))
        content.append(
            f'<text x="{x + 8:g}" y="18" font-family="sans-serif" font-size="14" fill="{ink}">'
            f"{title}</text>\n{part.at(x, _GAP)}"
        )
        x += part.width + _GAP
    return _sheet(x - _GAP, max(part.height for part in parts) + _GAP, theme, content)


def film(drawings: Iterable[str], theme: str) -> str:
    """The drawings one after the other, over and over; where nothing may move, the last one."""
    parts = [_part(drawing) for drawing in drawings]
    n = len(parts)
    style = (
        f"<style>.frame {{ visibility: hidden; animation: show {n * _SECONDS:g}s step-end infinite }}"
        " .frame:last-child { visibility: visible }"
        f" @keyframes show {{ 0% {{ visibility: visible }} {100 / n:.4g}% {{ visibility: hidden }} }}"
        " @media (prefers-reduced-motion: reduce) { .frame { animation: none } }</style>\n"
    )
    content = [
        # A delay under 0: the film has begun already, and each picture waits for its turn.
        f'<g class="frame" style="animation-delay: {(number - n) * _SECONDS:g}s">'
        f"{part.at(0, 0)}</g>\n"
        for number, part in enumerate(parts)
    ]
    width, height = (max(getattr(part, side) for part in parts) for side in ("width", "height"))
    return _sheet(width, height, theme, [style, *content])


def _part(drawing: str) -> _Part:
    """An SVG as it may stand in another, where one point is one unit."""
    body = drawing[drawing.index("<svg") :]
    width, height = (
        float(re.search(rf'{side}="([\d.]+)', body).group(1))  # type: ignore[union-attr]
        for side in ("width", "height")
    )
    return _Part(re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', body, count=2), width, height)


def _sheet(width: float, height: float, theme: str, content: Iterable[str]) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}">\n'
        f'<rect width="100%" height="100%" fill="{THEMES[theme]["paper"]}"/>\n'
        f"{''.join(content)}</svg>\n"
    )
