"""Products of arrays: matmul and its relatives, einsum, linear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.dimensions import Dims, rank
from engine.einstein import einsum
from engine.rule import Structural


def _matmul_left(m: Any, g: Any, a: Any, b: Any) -> Any:
    """The gradient of a in a @ b: g @ bᵀ, with the dimensions that matmul adds to vectors."""
    if b.ndim == 1:
        return m.sum_to(m.reshape(g, (*g.shape, 1)) * b, a)
    if a.ndim == 1:
        product = m.matmul(b, m.reshape(g, (*g.shape, 1)))
        return m.sum_to(m.reshape(product, product.shape[:-1]), a)
    return m.sum_to(m.matmul(g, m.transpose(b, -1, -2)), a)


def _matmul_right(m: Any, g: Any, a: Any, b: Any) -> Any:
    """The gradient of b in a @ b: aᵀ @ g."""
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a
        return m.sum_to(m.reshape(a, (*a.shape, 1)) * m.reshape(g, (*g.shape[:-1], 1, -1)), b)
    if b.ndim == 1:
        column = m.reshape(g, (*g.shape, 1))
        product = m.matmul(m.transpose(a, -1, -2), column)
        return m.sum_to(m.reshape(product, product.shape[:-1]), b)
    return m.sum_to(m.matmul(m.transpose(a, -1, -2), g), b)


def _product(name: str) -> Structural:
    return Structural(
        name,
        lambda m, a, b: m.matmul(a, b),
        lambda m, g, y, a, b: _matmul_left(m, g, a, b),
        lambda m, g, y, a, b: _matmul_right(m, g, a, b),
    )


matmul = _product("matmul")
matmul.symbol = "@"
_mm, _bmm, _mv, _dot = map(_product, ("mm", "bmm", "mv", "dot"))
_outer = Structural(
    "outer",
    lambda m, a, b: np.outer(a, b),
    lambda m, g, y, a, b: m.matmul(g, b),
    lambda m, g, y, a, b: m.matmul(a, g),
)


def _rows(m: Any, x: Any) -> Any:
    return x if x.ndim == 2 else m.reshape(x, (-1, x.shape[-1]))


def _affine(m: Any, x: Any, w: Any, b: Any) -> Any:
    if b.ndim != 1 or len(b) != len(w):
        raise ValueError(f"bias has shape {b.shape}, expected {w.shape[:1]}")
    try:
        y = x.dot(w.T) if x.ndim == 2 else np.matmul(x, w.T)
    except ValueError:
        raise ValueError(_misfit(x.shape, w.shape)) from None
    y += b  # in place: the product is nobody else's yet
    return y


def _misfit(into: Dims, out: Dims) -> str:
    return (
        f"input of shape {into} and weight of shape {out} do not fit: the last dimension of input "
        "must be the second of weight, (out, in)"
    )


def _to_input(m: Any, g: Any, y: Any, x: Any, w: Any, b: Any = None) -> Any:
    return m.mm(g, w) if g.ndim == 2 else m.matmul(g, w)


def _to_weight(m: Any, g: Any, y: Any, x: Any, w: Any, b: Any = None) -> Any:
    if x.ndim != 2:
        x, g = _rows(m, x), _rows(m, g)
    # Written as the transpose of an (in, out) array, which is how nn.Linear stores its weight.
    return m.mm(x.T, g).T


def _to_bias(m: Any, g: Any, y: Any, x: Any, w: Any, b: Any) -> Any:
    return m.sum_of_rows(g if g.ndim == 2 else _rows(m, g))


_linear = Structural("linear", lambda m, x, w: m.matmul(x, w.T), _to_input, _to_weight)
linear_with_bias = Structural("linear", _affine, _to_input, _to_weight, _to_bias)

for _rule in (matmul, _mm, _bmm, _mv, _dot, _outer, _linear, linear_with_bias):
    _rule.lends = False

# --- the functions by PyTorch's names -------------------------------------------------------------


def _check(name: str, fits: bool, a: Any, b: Any, expected: str) -> None:
    if not fits:
        raise ValueError(
            f"{name}: expected shapes {expected}, got {tuple(a.shape)} and {tuple(b.shape)}"
        )


def mm(input: Any, mat2: Any) -> Any:
    """The product of two matrices: (n, k) and (k, m) make (n, m)."""
    _check("mm", _ndims(input, mat2) == (2, 2), input, mat2, "(n, k) and (k, m)")
    return _mm(input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """The products of two batches of matrices: (b, n, k) and (b, k, m) make (b, n, m)."""
    fits = _ndims(input, mat2) == (3, 3) and input.shape[0] == mat2.shape[0]
    _check("bmm", fits, input, mat2, "(b, n, k) and (b, k, m)")
    return _bmm(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """The product of a matrix and a vector: (n, k) and (k,) make (n,)."""
    _check("mv", _ndims(input, vec) == (2, 1), input, vec, "(n, k) and (k,)")
    return _mv(input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """The scalar product of two vectors of one length."""
    _check("dot", _ndims(input, tensor) == (1, 1), input, tensor, "(n,) and (n,)")
    return _dot(input, tensor)


def outer(input: Any, vec2: Any) -> Any:
    """Each element of one vector times each of another: (n,) and (m,) make (n, m).

    >>> import engine
    >>> engine.outer(engine.tensor([1, 2]), engine.tensor([3, 4, 5])).tolist()
    [[3, 4, 5], [6, 8, 10]]
    """
    _check("outer", _ndims(input, vec2) == (1, 1), input, vec2, "(n,) and (m,)")
    return _outer(input, vec2)


def _ndims(a: Any, b: Any) -> Dims:
    return a.ndim, b.ndim


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """`input @ weight.T + bias` as one operation. Shapes: (..., in), (out, in), (out,).

    A weight of shape (in,) with a bias of shape () makes one output, without its dimension.
    """
    try:
        into, out = input.shape, weight.shape
    except AttributeError:
        rank(input, "linear")
        rank(weight, "linear")
        raise
    if bias is not None and into[-1:] == out[1:] and bias.shape == out[:1]:  # as in nn.Linear
        return linear_with_bias(input, weight, bias)
    if len(out) not in (1, 2) or into[-1:] != out[-1:]:
        raise ValueError(f"linear: {_misfit(into, out)}")
    if bias is None:
        return _linear(input, weight) if len(out) == 2 else matmul(input, weight)
    if bias.shape not in ((), (1,)):  # one number for all outputs, as PyTorch has it
        raise ValueError(f"linear: bias has shape {bias.shape}, expected {out[:-1]}")
    return linear(input, weight) + bias


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "matmul": matmul,
    **{f.__name__: f for f in (mm, bmm, mv, dot, outer, einsum, linear)},
}
