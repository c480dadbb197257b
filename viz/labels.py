r"""Text in DOT: harmless wherever it came from, and in cells.

Everything that a user can write goes through `escaped` into a label, or through `tooltip`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

# All that `html.escape` replaces, and what Graphviz takes for the beginning of an escape.
_HARMFUL = re.compile(r"[&<>\"'\\]")


def table(rows: Iterable[str]) -> str:
    """A label of rows, as `cell` makes them."""
    return (
        '<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">'
        f"{''.join(rows)}</TABLE>>"
    )


def statement(what: str, attributes: Mapping[str, str]) -> str:
    """A node or an edge, every text in it harmless already. (The graphviz package would look at
    each again, which takes longer than all the rest.)"""
    written = [
        f"{name}={x}" if x.startswith("<<") else f'{name}="{x}"' for name, x in attributes.items()
    ]
    return f"\t{what} [{' '.join(written)}]\n"


def apart(rows: Iterable[str]) -> str:
    """A label that keeps away from its edge, which is drawn under it or to the left of it."""
    cells = (f'<TR><TD WIDTH="4"></TD><TD>{row}</TD></TR>' for row in rows)
    return table([*cells, cell("", ' COLSPAN="2" HEIGHT="5"')])


def cell(content: str, attributes: str = "") -> str:
    """A row of one cell."""
    return f"<TR><TD{attributes}>{content}</TD></TR>"


def escaped(text: str, readings: int = 1) -> str:
    r"""Harmless in a label. Every reading turns \N into the node's name and \\ into \."""
    if not _HARMFUL.search(text):  # most text, and soon seen
        return text
    return html.escape(text, quote=True).replace("\\", "\\" * 2**readings)


def tooltip(text: str) -> str:
    return escaped(text, readings=2)
