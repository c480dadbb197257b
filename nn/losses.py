"""Losses that compare number with number: each an elementwise rule, then a mean or a sum.

`x` is the prediction and `t` the target. The functions carry PyTorch's names and arguments, and
take Tensors or, one number at a time, Values. `reduction` is "mean", "sum" or "none". The
cross-entropies of whole distributions are in `nn.cross_entropy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from engine import Tensor
from engine.rule import Elementwise, Structural, elementwise
from engine.source import function
from engine.tensor import OPERATIONS

# --- the rules ----------------------------------------------------------------------------------

squared_error = elementwise(
    "squared_error",
    lambda m, x, t: (x - t) * (x - t),
    lambda m, x, t, y: 2.0 * (x - t),
    lambda m, x, t, y: -2.0 * (x - t),
    symbol="(x−t)²",
)
absolute_error = elementwise(
    "absolute_error",
    lambda m, x, t: m.abs(x - t),
    lambda m, x, t, y: m.sign(x - t),
    lambda m, x, t, y: -m.sign(x - t),
    symbol="|x−t|",
)
smooth_l1 = elementwise(
    "smooth_l1",
    lambda m, x, t, *, beta: m.where(
        m.abs(x - t) < beta, 0.5 * (x - t) * (x - t) / beta, m.abs(x - t) - 0.5 * beta
    ),
    lambda m, x, t, y, *, beta: m.where(m.abs(x - t) < beta, (x - t) / beta, m.sign(x - t)),
    lambda m, x, t, y, *, beta: m.where(m.abs(x - t) < beta, (t - x) / beta, m.sign(t - x)),
)
huber = elementwise(
    "huber",
    lambda m, x, t, *, delta: m.where(
        m.abs(x - t) <= delta, 0.5 * (x - t) * (x - t), delta * (m.abs(x - t) - 0.5 * delta)
    ),
    lambda m, x, t, y, *, delta: m.where(m.abs(x - t) <= delta, x - t, delta * m.sign(x - t)),
    lambda m, x, t, y, *, delta: m.where(m.abs(x - t) <= delta, t - x, delta * m.sign(t - x)),
)
smooth_l2 = elementwise(
    "smooth_l2",
    lambda m, x, t, *, eps: m.where(
        m.abs(t - x) <= eps, 0.5 * (t - x) * (t - x), 0.5 * (t - x) * (t - x) - eps * (t - x)
    ),
    lambda m, x, t, y, *, eps: m.where(m.abs(t - x) <= eps, x - t, x - t + eps),
    lambda m, x, t, y, *, eps: m.where(m.abs(t - x) <= eps, t - x, t - x - eps),
)
quantile = elementwise(
    "quantile",
    lambda m, x, t, *, q: m.where(t > x, q * (t - x), (1.0 - q) * (x - t)),
    lambda m, x, t, y, *, q: m.where(m.equal(x, t), 0.5 - q, m.where(t > x, -q, 1.0 - q)),
    lambda m, x, t, y, *, q: m.where(m.equal(x, t), q - 0.5, m.where(t > x, q, q - 1.0)),
)
hinge = elementwise(
    "hinge",
    lambda m, x, t: m.maximum(1.0 - t * x, 0.0),
    lambda m, x, t, y: m.where(t * x < 1.0, -t, 0.0 * t),
    lambda m, x, t, y: m.where(t * x < 1.0, -x, 0.0 * x),
    hard=True,
)
squared_hinge = elementwise(
    "squared_hinge",
    lambda m, x, t: m.maximum(1.0 - t * x, 0.0) * m.maximum(1.0 - t * x, 0.0),
    lambda m, x, t, y: -2.0 * t * m.maximum(1.0 - t * x, 0.0),
    lambda m, x, t, y: -2.0 * x * m.maximum(1.0 - t * x, 0.0),
    hard=True,
)

# --- from rules to functions --------------------------------------------------------------------


def check_shapes(name: str, input: Any, target: Any) -> None:
    """Input and target must have one shape: (N, 1) against (N,) would silently become (N, N)."""
    if hasattr(input, "shape") and input.shape == getattr(target, "shape", None):
        return
    given, expected = (
        x.shape if hasattr(x, "shape") else np.shape(getattr(x, "data", x)) for x in (target, input)
    )
    if given != expected:
        raise ValueError(
            f"{name}: input has shape {expected} and target {given}: they must be the same "
            "(target.reshape(input.shape), if the numbers are meant to correspond)"
        )


# Written out with the loss's own parameters: `**parameters` would take longer than the loss.
_LOSS = """
def loss(m, x, t, *, reduction{names}):
    losses = each(m, x, t{given})
    total = add(losses, axis=None)
    return total / losses.size if reduction == "mean" else total"""
# The derivatives of a loss are written in x and t: its y is no number for each element any more.
_SHARE = """
def share(m, g, y, x, t, *, reduction{names}):
    if reduction == "mean":
        g = m.share(g, prod(x.shape))
    return vjp(m, g, None, x, t{given})"""


class Reduced(Structural):
    """An elementwise loss and the mean, or the sum, of all its numbers, as one operation."""

    lends = False

    def __init__(self, rule: Elementwise) -> None:
        text = {
            "names": "".join(f", {name}" for name in rule.keywords),
            "given": "".join(f", {name}={name}" for name in rule.keywords),
        }
        loss = function(
            _LOSS.format(**text), rule.name, {"add": np.add.reduce, "each": rule.forward}
        )
        shares = [
            function(_SHARE.format(**text), f"{rule.name}, share", {"prod": math.prod, "vjp": vjp})
            for vjp in map(rule.vjp, range(2))
        ]
        super().__init__(rule.name, loss, *shares)
        self.symbol = rule.symbol
        self.keeps_integers = rule.keeps_integers


@cache  # each rule of this file has one
def _with_reduction(rule: Elementwise) -> Callable[..., Any]:
    return OPERATIONS[Reduced(rule)]


def loss_of(
    rule: Elementwise,
    input: Any,
    target: Any,
    reduction: str,
    weight: Any = None,
    **parameters: Any,
) -> Any:
    """The rule's number for each element, each times its weight, reduced."""
    if reduction in ("mean", "sum") and weight is None and isinstance(input, Tensor):
        parameters["reduction"] = reduction  # the usual, as one operation
        return _with_reduction(rule)(input, target, parameters)
    return reduced(rule(input, target, **parameters), reduction, weight)


def check_reduction(reduction: str) -> str:
    """The reduction, if it is one."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction {reduction!r} is none of 'mean', 'sum', 'none'")
    return reduction


def reduced(loss: Any, reduction: str, weight: Any = None) -> Any:
    """The mean, the sum, or all of the numbers, each times its weight."""
    check_reduction(reduction)
    if weight is not None:
        loss = loss * weight
    if reduction == "none" or not isinstance(loss, Tensor):
        return loss  # a Value is one number already
    return loss.mean() if reduction == "mean" else loss.sum()


def _weighted(rule: Elementwise, input: Any, target: Any, reduction: str, weight: Any) -> Any:
    """As `loss_of`, but the mean is that of PyTorch's mse_loss and l1_loss: Σ w·loss / Σ w."""
    if weight is None or reduction != "mean":
        return loss_of(rule, input, target, reduction, weight)
    total = weight.sum() if isinstance(input, Tensor) else weight
    return loss_of(rule, input, target, "sum", weight) / total


def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """The mean of (x − t)², or with a weight of each element Σ w(x − t)² / Σ w. Shapes: input,
    target and weight the same.

    An outlier counts by the square of its distance: this loss is sensitive to outliers.

    >>> import engine
    >>> mse_loss(engine.tensor([1.0, 4.0]), engine.tensor([1.0, 2.0])).item()
    2.0
    """
    check_shapes("mse_loss", input, target)
    return _weighted(squared_error, input, target, reduction, weight)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
    """The mean of |x − t|, or with a weight of each element Σ w|x − t| / Σ w; the slope at 0 is
    0. Shapes: input, target and weight the same."""
    check_shapes("l1_loss", input, target)
    return _weighted(absolute_error, input, target, reduction, weight)


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Any:
    """½(x − t)²/β where |x − t| < β, else |x − t| − ½β. Shapes: input and target the same.

    This is `huber_loss(delta=beta) / beta`: steep as |x − t| far out, whatever β is.
    """
    check_shapes("smooth_l1_loss", input, target)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}, expected at least 0")
    if beta == 0:
        return loss_of(absolute_error, input, target, reduction)
    return loss_of(smooth_l1, input, target, reduction, beta=beta)


def huber_loss(
    input: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """½(x − t)² where |x − t| <= δ, else δ(|x − t| − ½δ) (Huber 1964): a parabola that goes on
    straight, with slope ±δ. Shapes: input and target the same.

    >>> import engine
    >>> huber_loss(engine.Value(3.0), 0.0, delta=1.0).data
    2.5
    """
    check_shapes("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta is {delta}, expected more than 0")
    return loss_of(huber, input, target, reduction, weight, delta=delta)


def smooth_l2_loss(input: Any, target: Any, eps: float = 1.0, *, reduction: str = "mean") -> Any:
    """With d = t − x: ½d² where |d| <= ε, else ½d² − εd. Shapes: input and target the same.

    As it is found in print; not a loss to choose. It jumps at ±ε (by ε² down on one side and up
    on the other) and treats d and −d differently. The gradient is right where there is one.
    """
    check_shapes("smooth_l2_loss", input, target)
    return loss_of(smooth_l2, input, target, reduction, eps=eps)


def quantile_loss(input: Any, target: Any, q: float = 0.5, *, reduction: str = "mean") -> Any:
    """q(t − x) where t > x, else (1 − q)(x − t): the pinball loss (Koenker & Bassett 1978). The
    best constant prediction is the q-quantile of the targets; q = ½ is half the absolute error.
    Shapes: input and target the same."""
    check_shapes("quantile_loss", input, target)
    if not 0 <= q <= 1:
        raise ValueError(f"quantile_loss: q is {q}, expected a number from 0 to 1")
    return loss_of(quantile, input, target, reduction, q=q)


def hinge_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """max(0, 1 − t·x) for targets t of −1 and 1: no loss, and no gradient, beyond the margin.
    Shapes: input and target the same.

    >>> import engine
    >>> hinge_loss(engine.tensor([0.5, 3.0]), engine.tensor([1, 1]), reduction="none").tolist()
    [0.5, 0.0]
    """
    check_shapes("hinge_loss", input, target)
    return loss_of(hinge, input, target, reduction)


def squared_hinge_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """max(0, 1 − t·x)² for targets t of −1 and 1. Shapes: input and target the same."""
    check_shapes("squared_hinge_loss", input, target)
    return loss_of(squared_hinge, input, target, reduction)


# --- penalties ----------------------------------------------------------------------------------


def l1_penalty(parameters: Iterable[Any]) -> Any:
    """Σ|w| over all parameters: added to a loss, it drives small weights to exactly 0."""
    return _total(abs(p) for p in parameters)


def l2_penalty(parameters: Iterable[Any]) -> Any:
    """Σw² over all parameters: added to a loss, it shrinks every weight in proportion.

    >>> import nn
    >>> float(l2_penalty([nn.Parameter([3.0, 4.0])]))
    25.0
    """
    return _total(p * p for p in parameters)


def _total(terms: Iterable[Any]) -> Any:
    return sum(term.sum() if isinstance(term, Tensor) else term for term in terms)
