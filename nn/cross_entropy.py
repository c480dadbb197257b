"""Losses that compare distributions: cross-entropy in all its forms.

They share −Σ t·log p. From logits the softmax, or the sigmoid, and the logarithm are one rule: it
neither overflows nor takes the log of 0, and its gradient is p − t, which stays alive where p is
wrong and saturated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import Tensor
from engine.node import plain
from engine.readings import Array
from engine.rule import elementwise
from engine.shape import permute
from engine.tensor import OPERATIONS
from nn import values
from nn.losses import check_shapes, loss_of, reduced
from nn.rows import (
    CLASSES,
    Rows,
    cross_entropy_of_classes,
    cross_entropy_of_distribution,
    element_of_class,
    negative_log_likelihood,
    smoothed,
)
from nn.values import also_for_values

# --- rules for one probability ------------------------------------------------------------------


def _log(m: Any, p: Any) -> Any:
    """log p, but at least −100, as PyTorch does it: certain and wrong is bad, not infinitely so."""
    return m.maximum(m.log(m.maximum(p, 1e-44)), -100.0)


def _log_of_rest(m: Any, p: Any) -> Any:
    """log(1 − p), but at least −100; log1p is exact where p is small."""
    return m.where(p < 1.0, m.log1p(-m.where(p < 1.0, p, 0.0)), -100.0)


bce = elementwise(
    "binary_cross_entropy",
    lambda m, p, t: t * -_log(m, p) + (1.0 - t) * -_log_of_rest(m, p),
    lambda m, p, t, y: (p - t) / m.maximum(p * (1.0 - p), 1e-12),
    lambda m, p, t, y: _log_of_rest(m, p) - _log(m, p),
    symbol="bce",
)
bce_with_logits = elementwise(
    "binary_cross_entropy_with_logits",
    lambda m, x, t: m.maximum(x, 0.0) - x * t + m.log1p(m.exp(-m.abs(x))),
    lambda m, x, t, y: m.sigmoid(x) - t,
    lambda m, x, t, y: -x,
    symbol="bce",
)
bce_with_logits_weighted = elementwise(
    "binary_cross_entropy_with_logits",
    lambda m, x, t, *, pos_weight: pos_weight * t * m.softplus(-x) + (1.0 - t) * m.softplus(x),
    lambda m, x, t, y, *, pos_weight: (1.0 - t) * m.sigmoid(x) - pos_weight * t * m.sigmoid(-x),
    lambda m, x, t, y, *, pos_weight: pos_weight * m.softplus(-x) - m.softplus(x),
    symbol="bce",
)
log_score = elementwise(
    "log_score",
    lambda m, p, t, *, eps: t * -m.log(m.maximum(p, eps)),
    lambda m, p, t, y, *, eps: -t / m.maximum(p, eps),
    lambda m, p, t, y, *, eps: -m.log(m.maximum(p, eps)),
    symbol="−t·log p",
)
kl = elementwise(
    "kl_div",
    lambda m, x, t: t * (m.log(m.where(m.equal(t, 0.0), 1.0, t)) - x),
    lambda m, x, t, y: -t,
    lambda m, x, t, y: m.where(
        m.equal(t, 0.0), 0.0, m.log(m.where(m.equal(t, 0.0), 1.0, t)) + 1.0 - x
    ),
    symbol="kl",
)
kl_of_logs = elementwise(
    "kl_div",
    lambda m, x, t: m.exp(t) * (t - x),
    lambda m, x, t, y: -m.exp(t),
    lambda m, x, t, y: m.exp(t) * (t - x + 1.0),
    symbol="kl",
)

# --- targets and shapes -------------------------------------------------------------------------


def _like(x: Any, input: Any) -> Any:
    """A weight as plain data of the input's dtype: it gets no gradient. A copy, for the backward
    pass needs the same numbers."""
    if x is None or not isinstance(input, Tensor):
        return plain(x)
    return np.array(plain(x), input.dtype)


def _without_classes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the targets: (N, C, d1, ...) -> (N, d1, ...); (C,) -> ()."""
    return shape[:1][: len(shape) - 1] + shape[2:]


def _rows_of(input: Any) -> Any:
    """Logits (N, C), (C,) or (N, C, d1, ...) as rows, one for each target: (M, C)."""
    if input.data.ndim == 2:
        return input
    if input.ndim == 0:
        raise ValueError("expected an input of shape (N, C), (C,) or (N, C, d1, ...), got ()")
    if input.ndim > 2:
        input = permute(input, (0, *range(2, input.ndim), 1))
    return input.reshape(-1, input.shape[-1])


def _check_classes(name: str, shape: tuple[int, ...], target: Array, weight: Array | None) -> None:
    """Raise unless the target has the dtype and shape of classes for an input of this shape."""
    expected = shape[:1] if len(shape) == 2 else _without_classes(shape)
    if target.shape != expected or target.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: target has dtype {target.dtype} and shape {target.shape}; for input of shape "
            f"{shape} expected classes, integers of shape {expected}"
        )
    if weight is not None and weight.shape != (size := shape[:2][-1:]):
        raise ValueError(f"{name}: weight has shape {weight.shape}, expected {size}")


# --- the functions ------------------------------------------------------------------------------


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    """−(t·log p + (1 − t)·log(1 − p)) for probabilities p. Shapes: input and target the same.

    A logarithm is at least −100 and a slope at most 1e12, as in PyTorch, so that certain
    predictions stay finite. Where there are logits, `binary_cross_entropy_with_logits` is better.

    >>> import engine
    >>> p = engine.tensor([1.0, 0.0, 0.5], requires_grad=True)
    >>> binary_cross_entropy(p, engine.tensor([1, 1, 1]), reduction="none").numpy().round(4)
    array([  0.    , 100.    ,   0.6931])
    """
    check_shapes("binary_cross_entropy", input, target)
    p = plain(input)
    if np.any(np.less(p, 0) | np.greater(p, 1)):
        raise ValueError(
            f"binary_cross_entropy: input has numbers from {np.min(p):.6g} to {np.max(p):.6g}, "
            "expected probabilities, 0 to 1; for logits use binary_cross_entropy_with_logits"
        )
    return loss_of(bce, input, target, reduction, weight)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """Binary cross-entropy of p = σ(x), for logits x of any size; the slope is σ(x) − t. Shapes:
    input and target the same. `pos_weight` counts the part of t so many times.

    >>> import engine
    >>> x = engine.Value(-1000.0)
    >>> loss = binary_cross_entropy_with_logits(x, 1.0)
    >>> loss.backward()
    >>> loss.data, x.grad
    (1000.0, -1.0)
    """
    check_shapes("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        return loss_of(bce_with_logits, input, target, reduction, weight)
    pos_weight = _like(pos_weight, input)
    return loss_of(
        bce_with_logits_weighted, input, target, reduction, weight, pos_weight=pos_weight
    )


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ t·log softmax(x): the cross-entropy of logits x, whose gradient is p − t.

    Shapes: input (N, C), or (C,), or (N, C, d1, ...); target the classes, as integers, in the
    shape of input without C, or distributions in the shape of input. `weight` (C,) counts classes
    (the mean is then one of weights), `ignore_index` marks targets to leave out, and
    `label_smoothing` s mixes the target with the uniform distribution: (1 − s)·t + s/C. One example
    may also be a list of C Values, with its class or a list of C probabilities.

    >>> import engine
    >>> x = engine.tensor([[2.0, 1.0, 0.1]], requires_grad=True)
    >>> loss = cross_entropy(x, engine.tensor([0]))
    >>> loss.backward()
    >>> round(loss.item(), 6), x.grad.round(6).tolist()
    (0.41703, [[-0.340999, 0.242433, 0.098566]])
    """
    if type(input) is not Tensor and values.given("cross_entropy", input):
        return values.cross_entropy(
            input, target, weight,
            ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing,
        )  # fmt: skip
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}, expected 0 to 1")
    if weight is not None:
        weight = _like(weight, input)
    x, t = input.data, target._data if isinstance(target, Tensor) else np.asarray(target)
    usual = t.dtype is CLASSES and x.ndim == 2 and t.ndim == 1 and len(t) == len(x)
    if not usual or weight is not None:
        if t.dtype.kind == "f":
            return _of_distributions(input, target, weight, reduction, label_smoothing)
        _check_classes("cross_entropy", x.shape, t, weight)
        input = _rows_of(input)
    parameters = {"rows": Rows(weight, ignore_index, label_smoothing), "reduction": reduction}
    classes = target if isinstance(target, Tensor) else t
    # Not cross_entropy_of_classes(..., **parameters), which would check all of it once more.
    return OPERATIONS[cross_entropy_of_classes](input, classes, parameters)


def _of_distributions(
    input: Any, target: Any, weight: Array | None, reduction: str, label_smoothing: float
) -> Any:
    if np.shape(plain(target)) == _without_classes(input.shape):
        raise TypeError("cross_entropy: classes are integers: write target.long()")
    check_shapes("cross_entropy", input, target)
    rows, t = _rows_of(input), _rows_of(target)
    t = smoothed(t, label_smoothing, t.shape[1])
    losses = cross_entropy_of_distribution(rows, t if weight is None else t * weight)
    return reduced(losses.reshape(_without_classes(input.shape)), reduction)


@also_for_values(values.nll_loss)
def nll_loss(
    input: Tensor,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−x at the target's class, for log-probabilities x: what `cross_entropy` does after its
    log_softmax. Shapes and arguments as there; targets are classes.

    >>> import engine
    >>> nll_loss(engine.tensor([[-0.5, -1.0]]), engine.tensor([1])).item()
    1.0
    """
    weight = _like(weight, input)
    target = target if isinstance(target, Tensor) else np.asarray(target)
    _check_classes("nll_loss", input.data.shape, plain(target), weight)
    return negative_log_likelihood(
        _rows_of(input), target, rows=Rows(weight, ignore_index), reduction=reduction
    )


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """t·(log t − x): how far the distribution t is from the one whose logarithm is the input x.
    Shapes: input and target the same.

    `reduction="batchmean"` sums and divides by the number of rows: the mathematical meaning, where
    "mean" divides by the number of elements. With `log_target` the target is log t.
    """
    check_shapes("kl_div", input, target)
    rule = kl_of_logs if log_target else kl
    if reduction == "batchmean":
        total = loss_of(rule, input, target, "sum")
        return total / (len(input) if isinstance(input, Tensor) else 1)
    return loss_of(rule, input, target, reduction)


def log_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """−Σ t·log p for probabilities p, the mean over rows: cross-entropy without the softmax, by
    scikit-learn's name and with its meaning.

    Shapes: p (N, C) and t classes (N,) or distributions (N, C); or p and t both (N,), p the
    probability of class 1. Probabilities count as at least the precision of their dtype (2e−16),
    so that the loss of a certain and wrong prediction is finite, and its slope not 0.

    >>> import engine
    >>> round(log_loss(engine.tensor([0.9, 0.2]), engine.tensor([1, 0])).item(), 6)
    0.164252
    """
    eps = float(np.finfo(input.dtype if isinstance(input, Tensor) else np.float64).eps)
    if not isinstance(input, Tensor) or input.ndim < 2:
        check_shapes("log_loss", input, target)
        of_rest = log_score(1 - input, 1 - target, eps=eps)
        return reduced(log_score(input, target, eps=eps) + of_rest, reduction)
    if np.ndim(plain(target)) == 1:
        _check_classes("log_loss", input.shape, np.asarray(plain(target)), None)
        p = element_of_class(input, target)
        return reduced(log_score(p, 1.0, eps=eps), reduction)
    check_shapes("log_loss", input, target)
    return reduced(log_score(input, target, eps=eps).sum(dim=1), reduction)
