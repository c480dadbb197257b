"""The visual grammar in one place: numbers, colours, shapes, marks, and what each of them means.

Every writer takes its words and its looks from here, so that the terminal, the DOT text and the
table in a notebook cannot tell three different stories. Hue never carries a meaning alone: each
mark has a word and a border of its own, and the ramp gets steadily darker, so it reads in grey.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from engine import formula
from viz.theme import THEMES

# ------------------------------------------------------------------ numbers


@lru_cache(10_000)  # what stands in a node stands again on its edges, and in two tooltips
def number(x: float | None) -> str:
    """Written as in the formulas; what was not computed is ``-``, which is not 0.

    >>> number(0.19661193), number(-4.0), number(0.0), number(None), number(0.99995460)
    ('0.1966', '−4', '0', '-', '0.999955')
    """
    return "-" if x is None else formula.number(x)


@lru_cache(10_000)
def plain(x: float) -> str:
    """Four digits even next to 1: what matters of a gradient is its size.

    >>> plain(0.9999999999999996), number(0.9999999999999996)
    ('1', '0.99999999999999956')
    """
    return f"{x:.4g}".replace("-", "−", 1) if x < 0 else f"{x or 0:.4g}"


def signed(x: float | None) -> str:
    """A gradient always shows its sign, for colour shows only its size."""
    if x is None:
        return "-"
    return f"+{plain(x)}" if x > 0 else plain(x)


def summed(terms: Iterable[float]) -> str:
    """Written as a sum.

    >>> summed([0.6, -0.2])
    '0.6 − 0.2'
    """
    return " + ".join(map(plain, terms)).replace("+ −", "− ")


def shape(sizes: tuple[int, ...]) -> str:
    """
    >>> shape((100, 16))
    '100×16'
    """
    return "×".join(map(str, sizes)) or "one number"


def percent(share: float) -> str:
    return f"{100 * share:.3g}%"


# ------------------------------------------------------------------ words

LONGEST = 24


def shorten(text: str, longest: int = LONGEST) -> str:
    """Keep the beginning and show that something is missing.

    >>> shorten("a" * 10_000, 8)
    'aaaaaaa…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


# What XML cannot hold (controls, half surrogate pairs, two code points that are no characters),
# and what would turn the text around it from right to left.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


@lru_cache(10_000)
def printable(text: str) -> str:
    """On one line, and only what can be shown."""
    return _UNPRINTABLE.sub("", " ".join(text.split()))


# ------------------------------------------------------------------ the size of a gradient

RAMP = THEMES["light"].ramp
DARKEST = len(RAMP) - 1


@dataclass(frozen=True, slots=True)
class Scale:
    """Gradient sizes to steps of the ramp: the darkest at ``top`` and above, then a step per
    ``decades`` powers of ten, the lightest for everything smaller still.

    >>> [Scale(1.0).step(size) for size in (4.0, 1.0, 0.5, 0.05, 1e-12)]
    [6, 6, 5, 4, 0]
    """

    top: float
    decades: float = 1.0

    def step(self, size: float) -> int:
        # The small allowance keeps 0.1 of the top on the side of the border where 0.1 belongs.
        below = math.log10(size / self.top) / self.decades if size < self.top else 0.0
        return max(0, DARKEST + math.floor(below + 1e-9))

    def meaning(self, step: int) -> str:
        """The range of sizes that a step of the ramp stands for."""
        low, high = (
            number(self.top * 10 ** (self.decades * (k - DARKEST))) for k in (step, step + 1)
        )
        if step == DARKEST:
            return f"≥ {low}"
        return f"{low} … {high}" if step else f"under {high}, not 0"


UNIT = Scale(1.0)


def stroke(step: int) -> tuple[str, float]:
    """An edge's colour and width. The first two of the ramp would not be seen on the paper."""
    return f"ramp{max(step, 2)}", 0.75 + step * 3.25 / DARKEST


# ------------------------------------------------------------------ looks


@dataclass(frozen=True, slots=True)
class Look:
    """How something is drawn, and what the legend says of it. Colours are names in a theme."""

    meaning: str
    shape: str = "box"
    style: str = ""
    color: str = "ink"
    width: float = 1.0
    fill: str = "paper"
    ink: str = "ink"


# What a node is: its shape.
ROLES = {
    "leaf": Look("rounded, thick: a leaf; collects a gradient", style="rounded", width=2.2),
    "constant": Look("grey: a constant, has no gradient", color="quiet", fill="shade"),
    "operation": Look(""),  # a box that names it needs no explanation
    "activation": Look("cut corners: an activation", style="diagonals"),
    "fold": Look("block: many nodes folded into one", shape="box3d", width=1.6),
    "root": Look("double border: the root", width=2.2),
}

# What its gradient is, where that is no colour of the ramp: fill and border.
STATES = {
    "unset": Look("not computed (-)", style="dotted", color="quiet"),
    "zero": Look("exactly 0", style="dashed", color="quiet"),
    "nonfinite": Look("nan or inf", color="wrong", width=3.0, fill="void", ink="on_void"),
}

# What a finding says of it: its border. The gravest first; a node shows one of them.
MARKS = {
    "NONFINITE": Look("the first nan or inf", color="wrong", width=4.0),
    "DEAD": Look("slope exactly 0 for every example", style="dashed", color="dead", width=3.2),
    "SATURATED": Look("slope under 5% of its largest", color="saturated", width=3.0),
    "STARVED": Look("far less gradient than the others", style="dotted", width=2.0),
    "OFF": Look("slope exactly 0 in this one example", style="dashed", color="dead", width=1.6),
}

# What one operation does to a gradient, where that alone is too much.
PASSAGES = {
    "vanishes": Look("dotted: shrinks over 1,000 times", style="dotted", color="now", width=2.5),
    "explodes": Look("bold: grows over 70 times", style="bold", color="now", width=4.0),
}


@cache  # a grammar has few words, and a picture many nodes
def dress(role: str, state: str, step: int | None, mark: str | None) -> Look:
    """A node's look. Its role gives the shape, its gradient the fill, a mark overrides both
    borders; what is nan or inf stays black under any mark."""
    base = ROLES[role]
    if state in STATES:
        paint, border = STATES[state], STATES[state]
    elif step is not None:
        paint = replace(base, fill=f"ramp{step}", ink=f"on{step}")
        border = base
    else:
        paint = border = base
    border = MARKS[mark] if mark else border
    return replace(
        paint,
        shape=base.shape,
        style=",".join(dict.fromkeys(filter(None, ("filled", base.style, border.style)))),
        color=border.color,
        width=max(base.width, border.width),
    )
