"""The table of activations: name, forward, local derivative, as in `engine.ops`.

Those of the engine itself (relu, leaky_relu, sigmoid, tanh, softplus) stand there. Where a
derivative does not exist, the value is PyTorch's. All take a `Value`, a `Tensor` or plain numbers;
softmax, softmin and maxout, which are of several numbers, a list of `Value`s or a `Tensor`.
"""

from __future__ import annotations

import math
from typing import Any

import engine
from engine import amax, ops
from engine.dimensions import dimension, numpy_names
from engine.rule import Elementwise, elementwise
from engine.shape import reshape
from nn import values
from nn.values import also_for_values

# --- pieces of straight lines ---------------------------------------------------------------------

relu6 = elementwise(
    "relu6",
    lambda m, x: m.minimum(m.maximum(x, 0.0), 6.0),
    lambda m, x, y: m.where((x <= 0.0) | (x >= 6.0), 0.0, 1.0),
    hard=True,
)
hardtanh = elementwise(
    "hardtanh",
    lambda m, x, *, min_val=-1.0, max_val=1.0: m.minimum(m.maximum(x, min_val), max_val),
    lambda m, x, y, *, min_val=-1.0, max_val=1.0: m.where(
        (x <= min_val) | (x >= max_val), 0.0, 1.0
    ),
    hard=True,
)
hardsigmoid = elementwise(
    "hardsigmoid",
    lambda m, x: m.minimum(m.maximum(x + 3.0, 0.0), 6.0) / 6.0,
    lambda m, x, y: m.where((x > -3.0) & (x < 3.0), 1.0 / 6.0, 0.0),
    hard=True,
)
hardswish = elementwise(
    "hardswish",
    lambda m, x: x * m.minimum(m.maximum(x + 3.0, 0.0), 6.0) / 6.0,
    lambda m, x, y: m.where(x <= -3.0, 0.0, m.where(x < 3.0, x / 3.0 + 0.5, 1.0)),
    hard=True,
)
_prelu = elementwise(
    "prelu",
    lambda m, x, weight: m.where(x > 0.0, x, weight * x),
    lambda m, x, weight, y: m.where(x > 0.0, 1.0, weight),
    lambda m, x, weight, y: m.where(x > 0.0, 0.0, x),
    hard=True,
)
_step = elementwise("step", lambda m, x: m.where(x > 0.0, 1.0, 0.0), lambda m, x, y: 0.0, hard=True)
_step_straight_through = elementwise(
    "step", lambda m, x: m.where(x > 0.0, 1.0, 0.0), lambda m, x, y: 1.0, hard=True
)

# --- straight above 0, exponential below: the exponential is never taken of a large number. nan is
# not <= 0: its slope is that above 0, as in PyTorch.

elu = elementwise(
    "elu",
    lambda m, x, *, alpha=1.0: m.where(x > 0.0, x, alpha * m.expm1(m.minimum(x, 0.0))),
    lambda m, x, y, *, alpha=1.0: m.where(x <= 0.0, alpha * m.exp(m.minimum(x, 0.0)), 1.0),
)
celu = elementwise(
    "celu",
    lambda m, x, *, alpha=1.0: m.where(x > 0.0, x, alpha * m.expm1(m.minimum(x / alpha, 0.0))),
    lambda m, x, y, *, alpha=1.0: m.where(x <= 0.0, m.exp(m.minimum(x / alpha, 0.0)), 1.0),
)
# The fixed point of Klambauer et al., "Self-Normalizing Neural Networks" (2017).
ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
selu = elementwise(
    "selu",
    lambda m, x: SCALE * m.where(x > 0.0, x, ALPHA * m.expm1(m.minimum(x, 0.0))),
    lambda m, x, y: m.where(x <= 0.0, SCALE * ALPHA * m.exp(m.minimum(x, 0.0)), SCALE),
)

# --- smooth everywhere ----------------------------------------------------------------------------


def _slope_of_silu(m: Any, x: Any, y: Any) -> Any:
    s = m.sigmoid(x)
    return s * (1.0 + x * (1.0 - s))


def _slope_of_mish(m: Any, x: Any, y: Any) -> Any:
    t = m.tanh(m.softplus(x))
    return t + x * m.sigmoid(x) * (1.0 - t**2)


silu = elementwise("silu", lambda m, x: x * m.sigmoid(x), _slope_of_silu)
mish = elementwise("mish", lambda m, x: x * m.tanh(m.softplus(x)), _slope_of_mish)
softsign = elementwise(
    "softsign", lambda m, x: x / (1.0 + m.abs(x)), lambda m, x, y: (1.0 - m.abs(y)) ** 2
)
logsigmoid = elementwise(
    "logsigmoid",
    lambda m, x: -m.softplus(-x),
    lambda m, x, y: m.sigmoid(-x),
    symbol="log σ",
)
_gelu = elementwise(
    "gelu",
    lambda m, x: 0.5 * x * (1.0 + m.erf(x / math.sqrt(2.0))),
    lambda m, x, y: (
        0.5 * (1.0 + m.erf(x / math.sqrt(2.0))) + x * m.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)
    ),
)


def _bend(x: Any) -> Any:
    """The argument of tanh in the approximation of gelu."""
    return math.sqrt(2.0 / math.pi) * x * (1.0 + 0.044715 * x * x)  # x**3 is slow in NumPy


def _slope_of_gelu_tanh(m: Any, x: Any, y: Any) -> Any:
    t = m.tanh(_bend(x))
    bent = math.sqrt(2.0 / math.pi) * (1.0 + 0.134145 * x * x)
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t**2) * bent


_gelu_tanh = elementwise(
    "gelu", lambda m, x: 0.5 * x * (1.0 + m.tanh(_bend(x))), _slope_of_gelu_tanh
)

TABLE: dict[str, Elementwise] = {
    name: rule for name, rule in list(vars().items()) if isinstance(rule, Elementwise)
}

for _rule in (relu6, hardtanh):
    _rule.keeps_integers = True

# --- functions that choose a rule, or are made of others ------------------------------------------


def gelu(input: Any, *, approximate: str = "none") -> Any:
    """x·Φ(x), Φ the normal distribution function; Hendrycks and Gimpel (2016).

    `approximate="tanh"` takes 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) instead.

    >>> import engine
    >>> round(gelu(engine.Value(1.0)).item(), 6)
    0.841345
    """
    rules = {"none": _gelu, "tanh": _gelu_tanh}
    if approximate not in rules:
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return rules[approximate](input)


def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, else weight · x, with a weight that learns; He et al. (2015).

    `weight` is one number, or a vector with one for each channel (dimension 1 of `input`).

    >>> import engine
    >>> x, w = engine.Value(-2.0), engine.Value(0.25)
    >>> prelu(x, w).backward()
    >>> x.grad, w.grad
    (0.25, -2.0)
    """
    if not hasattr(weight, "shape") or not hasattr(input, "shape"):
        return _prelu(input, weight)
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.shape not in ((), (1,), (channels,)):
        raise ValueError(
            f"prelu: weight has shape {weight.shape}, expected () or (1,) or, one for each "
            f"channel of an input of shape {input.shape}, ({channels},)"
        )
    shape = (-1, *(1,) * (input.ndim - 2)) if input.ndim > 1 else (1,) * input.ndim
    return _prelu(input, weight if weight.shape == shape else reshape(weight, shape))


def step(input: Any, *, straight_through: bool = False) -> Any:
    """0 where x <= 0, else 1. Its derivative is 0 everywhere, so it blocks every gradient.

    `straight_through=True` lets gradients pass as if it were the identity: the straight-through
    estimator of Bengio, Léonard and Courville (2013), by which networks of steps can be trained.

    >>> import engine
    >>> x = engine.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> step(x).sum().backward()
    >>> step(x).tolist(), x.grad.tolist()
    ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0])
    >>> x.grad = None
    >>> step(x, straight_through=True).sum().backward()
    >>> x.grad.tolist()
    [1.0, 1.0, 1.0]
    """
    return (_step_straight_through if straight_through else _step)(input)


softmax = also_for_values(values.softmax)(engine.softmax)
log_softmax = also_for_values(values.log_softmax)(engine.log_softmax)


@also_for_values(values.maxout)
@numpy_names
def maxout(input: Any, pieces: int, dim: int = 1) -> Any:
    """The largest of each `pieces` consecutive features along `dim`; Goodfellow et al. (2013).

    A dimension of n features becomes one of n / pieces. Equals share the gradient.

    >>> import engine
    >>> maxout(engine.tensor([[1.0, 5.0, 3.0, 2.0]]), pieces=2).tolist()
    [[5.0, 3.0]]
    """
    at = dimension(input, dim, "maxout")
    features = input.shape[at] if input.ndim else 0
    if pieces < 1 or not features or features % pieces:
        raise ValueError(
            f"maxout: {features} features along dim {dim} cannot be taken {pieces} at a time"
        )
    groups = (*input.shape[:at], features // pieces, pieces, *input.shape[at + 1 :])
    return amax(reshape(input, groups), at + 1)


@also_for_values(values.softmin)
@numpy_names
def softmin(input: Any, dim: int) -> Any:
    """softmax(−x) along `dim`: the smallest gets the most."""
    return softmax(ops.neg(input), dim)
