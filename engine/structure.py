"""The second table: operations that are not elementwise, each vjp beside its transpose.

A vjp takes the gradient of the result to that of an input, written against the namespace `m`, so
that the same line works on arrays and, for gradients of gradients, on Tensors. The table stands
in five parts, by what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import contraction, extrema, indexing, reductions, shape

# What a rule read with nodes may call, and what `engine` offers by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **reductions.FUNCTIONS,
    **extrema.FUNCTIONS,
    **shape.FUNCTIONS,
    **indexing.FUNCTIONS,
    **contraction.FUNCTIONS,
}
