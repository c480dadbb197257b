"""Functions that choose a rule of `engine.ops` by their arguments, by PyTorch's names.

Most operations are their rule: calling `tanh` of the table is using it. These are the others,
and `FUNCTIONS` has both: what `engine` offers, and what a rule read with nodes may call.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from engine import ops
from engine.dtypes import common_dtype
from engine.node import Node, plain


def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """`input + alpha * other`.

    >>> import engine
    >>> engine.add(engine.tensor([1.0, 2.0]), 10, alpha=0.5).tolist()
    [6.0, 7.0]
    """
    if alpha == 1:
        return ops.add(input, other)
    _check_alpha("add", alpha, input, other)
    return ops.TABLE["_add_scaled"](input, other, alpha=alpha)


def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """`input - alpha * other`."""
    if alpha == 1:
        return ops.sub(input, other)
    _check_alpha("sub", alpha, input, other)
    return ops.TABLE["_sub_scaled"](input, other, alpha=alpha)


def _check_alpha(name: str, alpha: Any, *operands: Any) -> None:
    if isinstance(alpha, float) and all(_is_integer(x) or isinstance(x, int) for x in operands):
        raise TypeError(f"{name}: alpha is an integer for integer tensors, not {alpha}")


_QUOTIENTS = {None: "div", "floor": "_div_floor", "trunc": "_div_trunc"}


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """`input / other`, exact, or rounded down (`"floor"`) or towards 0 (`"trunc"`).

    A rounded quotient is made of steps: its derivative is 0.

    >>> import engine
    >>> engine.div(engine.tensor([-7.0, 7.0]), 2, rounding_mode="floor").tolist()
    [-4.0, 3.0]
    """
    if rounding_mode not in _QUOTIENTS:
        raise ValueError(f"div: rounding_mode is None, 'floor' or 'trunc', not {rounding_mode!r}")
    return ops.TABLE[_QUOTIENTS[rounding_mode]](input, other)


def pow(input: Any, exponent: Any) -> Any:
    """`input ** exponent`: n·x^(n−1) for a plain number n, and both derivatives for a node.

    >>> import engine
    >>> x = engine.Value(3.0)
    >>> engine.pow(x, 2).backward()
    >>> x.grad
    6.0
    """
    if isinstance(exponent, Real) and not _widens(input, exponent):
        return ops.TABLE["_power"](input, exponent=exponent)
    return ops.TABLE["_power_of_nodes"](input, exponent)


def round(input: Any, *, decimals: int = 0) -> Any:
    """The nearest whole number, the even one of two as near; `decimals` as in Python's round.

    The derivative is 0: the curve is made of steps.

    >>> import engine
    >>> engine.round(engine.tensor([0.5, 1.5, 2.345])).tolist()
    [0.0, 2.0, 2.0]
    >>> engine.round(engine.tensor([2.345, 17.0]), decimals=1).tolist()
    [2.3, 17.0]
    """
    if decimals == 0:
        return ops.TABLE["_round"](input)
    return ops.TABLE["_round_decimals"](input, decimals=decimals)


_CLAMPS = {(False, False): "_clamp_both", (False, True): "_clamp_min", (True, False): "_clamp_max"}


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """`input` limited to [min, max]; the derivative is 1 inside and at the bounds, 0 outside.

    Bounds are numbers, or nodes, which get the gradient where they are the result.

    >>> import engine
    >>> engine.clamp(engine.tensor([-2.0, 0.5, 2.0]), min=-1, max=1).tolist()
    [-1.0, 0.5, 1.0]
    """
    bounds = {name: bound for name, bound in (("min", min), ("max", max)) if bound is not None}
    if not bounds:
        raise ValueError("clamp needs min, max, or both")
    numbers = all(isinstance(bound, Real) for bound in bounds.values())
    if numbers and not any(_widens(input, bound) for bound in bounds.values()):
        return ops.TABLE[_CLAMPS[min is None, max is None]](input, **bounds)
    if len(bounds) == 1:
        name = _CLAMPS[min is None, max is None]
        return ops.TABLE[f"{name}_node"](input, *bounds.values())
    if hasattr(input, "shape"):
        return ops.TABLE["_clamp_both_nodes"](input, min, max)
    return clamp(clamp(input, min=min), max=max)  # an operation of Values has two operands


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, else `other`; the branch not taken gets gradient 0.

    With a condition alone: the indices at which it holds, one tensor per dimension.

    >>> import engine
    >>> x = engine.tensor([-1.0, 2.0], requires_grad=True)
    >>> engine.where(x > 0, x, 0.0).sum().backward()
    >>> x.grad
    array([0., 1.])
    """
    if input is None or other is None:
        if input is not other:
            raise TypeError("where needs both input and other, or the condition alone")
        return tuple(condition.constant(index) for index in np.nonzero(plain(condition)))
    mask = _mask(condition, "where: condition")
    if isinstance(condition, Node) and not (isinstance(input, Node) or isinstance(other, Node)):
        dtype = common_dtype([input, other])
        input = condition.constant(np.asarray(input, dtype))  # a tensor's choice is a tensor
    return ops.TABLE["_where"](input, other, condition=mask)


def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """`value` where `mask` holds, else `input`; neither gets a gradient where the other is.

    `value` is a number or a tensor of no dimensions; `mask` broadcasts against `input`.

    >>> import engine
    >>> x = engine.tensor([1.0, 2.0, 3.0])
    >>> x.masked_fill(x > 1.5, 0.0).tolist()
    [1.0, 0.0, 0.0]
    """
    if np.ndim(plain(value)) != 0:
        raise ValueError("masked_fill: value must be a number or a tensor of no dimensions")
    if _is_integer(input):  # the result has the dtype of input, whatever value is
        value = np.asarray(plain(value)).astype(input.dtype)
    return ops.TABLE["_masked_fill"](input, value, mask=_mask(mask, "masked_fill: mask"))


def _mask(condition: Any, what: str) -> Any:
    """A condition as plain booleans."""
    condition = plain(condition)
    if isinstance(condition, (np.ndarray, np.generic)) and condition.dtype != bool:
        raise TypeError(f"{what} must be boolean, not {condition.dtype}: write x != 0")
    return condition


def _is_integer(x: Any) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind != "f"


def _widens(x: Any, number: Any) -> bool:
    """Whether a parameter changes the dtype of an integer tensor, as only an operand can."""
    return _is_integer(x) and common_dtype([plain(x), number]) != x.dtype


true_divide, clip = ops.div, clamp  # PyTorch's other names

FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: rule for name, rule in ops.TABLE.items() if not name.startswith("_")},
    **{f.__name__: f for f in (add, sub, div, pow, round, clamp, where, masked_fill)},
    "true_divide": true_divide,
    "clip": clip,
}
