"""The table of elementwise operations: name, forward, one local derivative per input.

Each rule is written once, against a namespace `m`, and read with floats, arrays, nodes, symbols
and complex numbers (`engine.readings`). `y` in a derivative is the operation's own result. To
add an operation, add its rule: functions, methods, pictures and tests follow from the table.
(A learner's rule is made by `engine.elementwise`, which also reads it as text at once.)

Where a derivative does not exist, the value is PyTorch's: relu'(0) = 0, abs'(0) = 0, a tie of
maximum is shared. Write `m.equal(a, b)` for a == b: nodes compare by identity.

`hard` says that an operation has kinks and can be flat (a ReLU can be dead, a sigmoid cannot);
`unbounded`, that a slope can be infinite where the result is finite, as that of sqrt at 0.

A name that begins with `_` is one of several rules behind a function of `engine.choosing`, which
picks it by its arguments (`clamp` with one bound or two, `pow` with a number or a node).

Numbers in rules are floats: 1.0, not 1, which Python and NumPy would convert at every operation;
exponents are as they are, for x**2 is quicker than x**2.0.
"""

from __future__ import annotations

import math
from typing import Any

from engine.rule import Elementwise

# --- arithmetic -------------------------------------------------------------------------------

add = Elementwise(
    "add", lambda m, a, b: a + b, lambda m, a, b, y: 1.0, lambda m, a, b, y: 1.0, symbol="+"
)
_add_scaled = Elementwise(
    "add",
    lambda m, a, b, *, alpha: a + alpha * b,
    lambda m, a, b, y, *, alpha: 1.0,
    lambda m, a, b, y, *, alpha: alpha,
    symbol="+",
)
sub = Elementwise(
    "sub", lambda m, a, b: a - b, lambda m, a, b, y: 1.0, lambda m, a, b, y: -1.0, symbol="−"
)
_sub_scaled = Elementwise(
    "sub",
    lambda m, a, b, *, alpha: a - alpha * b,
    lambda m, a, b, y, *, alpha: 1.0,
    lambda m, a, b, y, *, alpha: -alpha,
    symbol="−",
)
mul = Elementwise(
    "mul", lambda m, a, b: a * b, lambda m, a, b, y: b, lambda m, a, b, y: a, symbol="×"
)
div = Elementwise(
    "div",
    lambda m, a, b: a / b,
    lambda m, a, b, y: 1.0 / b,
    lambda m, a, b, y: -y / b,
    symbol="÷",
    unbounded=True,
)
_div_floor = Elementwise(
    "div",
    lambda m, a, b: m.floor_divide(a, b),
    lambda m, a, b, y: 0.0,
    lambda m, a, b, y: 0.0,
    symbol="⌊÷⌋",
    hard=True,
)
_div_trunc = Elementwise(
    "div",
    lambda m, a, b: m.trunc(a / b),
    lambda m, a, b, y: 0.0,
    lambda m, a, b, y: 0.0,
    symbol="[÷]",
    hard=True,
)
# What the division leaves over: a − q·b for a whole q, so that the slope towards b is −q.
remainder = Elementwise(
    "remainder",
    lambda m, a, b: m.remainder(a, b),
    lambda m, a, b, y: 1.0,
    lambda m, a, b, y: (y - a) / b,
    symbol="mod",
)
fmod = Elementwise(
    "fmod",
    lambda m, a, b: m.fmod(a, b),
    lambda m, a, b, y: 1.0,
    lambda m, a, b, y: (y - a) / b,
)
neg = Elementwise("neg", lambda m, x: -x, lambda m, x, y: -1.0, symbol="−")
square = Elementwise("square", lambda m, x: x * x, lambda m, x, y: 2.0 * x, symbol="²")
reciprocal = Elementwise("reciprocal", lambda m, x: 1.0 / x, lambda m, x, y: -y * y, unbounded=True)


def _to_the_power(m: Any, x: Any, n: float) -> Any:
    if n == 0.5:
        return m.sqrt(x)  # faster, and the root of −∞ is nan, where (−∞)^0.5 would be ∞
    return 1.0 / m.sqrt(x) if n == -0.5 else x**n


# x**n with a plain number n: the rule of calculus, and x**0 is flat even at 0.
_power = Elementwise(
    "pow",
    lambda m, x, *, exponent: _to_the_power(m, x, exponent),
    lambda m, x, y, *, exponent: exponent * _to_the_power(m, x, exponent - 1) if exponent else 0.0,
    symbol="^",
    unbounded=True,
)
# a**b with a node as exponent: 0**b is flat in b for b >= 0, where log(0) would say nan.
_power_of_nodes = Elementwise(
    "pow",
    lambda m, a, b: a**b,
    lambda m, a, b, y: m.where(
        m.equal(b, 0.0), m.where((a < 0.0) | (a > 0.0), b * a ** (b - 1.0), 0.0), b * a ** (b - 1.0)
    ),
    lambda m, a, b, y: m.where(
        m.equal(a, 0.0) & (b < 0.0), -math.inf, y * m.log(m.where(m.equal(a, 0.0), 1.0, a))
    ),
    symbol="^",
    unbounded=True,
)

# --- exponentials and roots -------------------------------------------------------------------

exp = Elementwise("exp", lambda m, x: m.exp(x), lambda m, x, y: y)
expm1 = Elementwise("expm1", lambda m, x: m.expm1(x), lambda m, x, y: y + 1.0)
log = Elementwise("log", lambda m, x: m.log(x), lambda m, x, y: 1.0 / x, unbounded=True)
log1p = Elementwise(
    "log1p", lambda m, x: m.log1p(x), lambda m, x, y: 1.0 / (1.0 + x), unbounded=True
)
logaddexp = Elementwise(
    "logaddexp",
    lambda m, a, b: m.logaddexp(a, b),
    lambda m, a, b, y: m.sigmoid(a - b),
    lambda m, a, b, y: m.sigmoid(b - a),
)
sqrt = Elementwise(
    "sqrt", lambda m, x: m.sqrt(x), lambda m, x, y: 1.0 / (2.0 * y), symbol="√", unbounded=True
)
rsqrt = Elementwise(
    "rsqrt", lambda m, x: 1.0 / m.sqrt(x), lambda m, x, y: -0.5 * y**3, symbol="1/√", unbounded=True
)
erf = Elementwise(
    "erf", lambda m, x: m.erf(x), lambda m, x, y: 2.0 / math.sqrt(math.pi) * m.exp(-x * x)
)

# --- waves and their inverses -----------------------------------------------------------------

sin = Elementwise("sin", lambda m, x: m.sin(x), lambda m, x, y: m.cos(x))
cos = Elementwise("cos", lambda m, x: m.cos(x), lambda m, x, y: -m.sin(x))
tan = Elementwise("tan", lambda m, x: m.tan(x), lambda m, x, y: 1.0 + y * y)
sinh = Elementwise("sinh", lambda m, x: m.sinh(x), lambda m, x, y: m.cosh(x))
cosh = Elementwise("cosh", lambda m, x: m.cosh(x), lambda m, x, y: m.sinh(x))
asin = Elementwise(
    "asin", lambda m, x: m.asin(x), lambda m, x, y: 1.0 / m.sqrt(1.0 - x * x), unbounded=True
)
acos = Elementwise(
    "acos", lambda m, x: m.acos(x), lambda m, x, y: -1.0 / m.sqrt(1.0 - x * x), unbounded=True
)
atan = Elementwise("atan", lambda m, x: m.atan(x), lambda m, x, y: 1.0 / (1.0 + x * x))

# --- activations (more of them in `nn.activations`) ---------------------------------------------

sigmoid = Elementwise(
    "sigmoid", lambda m, x: m.sigmoid(x), lambda m, x, y: y * (1.0 - y), symbol="σ"
)
tanh = Elementwise("tanh", lambda m, x: m.tanh(x), lambda m, x, y: 1.0 - y * y)
relu = Elementwise(
    "relu",
    lambda m, x: m.maximum(x, 0.0),
    lambda m, x, y: m.where(x <= 0.0, 0.0, 1.0),  # nan is not <= 0: it passes, as in PyTorch
    hard=True,
)
leaky_relu = Elementwise(
    "leaky_relu",
    lambda m, x, *, negative_slope=0.01: m.where(x > 0.0, x, negative_slope * x),
    lambda m, x, y, *, negative_slope=0.01: m.where(x > 0.0, 1.0, negative_slope),
    hard=True,
)
softplus = Elementwise(
    "softplus",
    lambda m, x, *, beta=1.0, threshold=20.0: m.where(
        beta * x > threshold, x, m.softplus(beta * x) / beta
    ),
    lambda m, x, y, *, beta=1.0, threshold=20.0: m.where(
        beta * x > threshold, 1.0, m.sigmoid(beta * x)
    ),
)

# --- kinks, steps and choices -----------------------------------------------------------------

abs = Elementwise("abs", lambda m, x: m.abs(x), lambda m, x, y: m.sign(x), symbol="|x|", hard=True)
sign = Elementwise("sign", lambda m, x: m.sign(x), lambda m, x, y: 0.0, hard=True)
floor = Elementwise("floor", lambda m, x: m.floor(x), lambda m, x, y: 0.0, hard=True)
_round = Elementwise("round", lambda m, x: m.round(x), lambda m, x, y: 0.0, hard=True)
_round_decimals = Elementwise(
    "round",
    lambda m, x, *, decimals: (
        m.round(x * 10.0**decimals) / 10.0**decimals
        if decimals > 0
        else m.round(x / 10.0**-decimals) * 10.0**-decimals
    ),
    lambda m, x, y, *, decimals: 0.0,
    hard=True,
)
maximum = Elementwise(
    "maximum",
    lambda m, a, b: m.maximum(a, b),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(a < b, 0.0, 1.0)),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(b < a, 0.0, 1.0)),
    symbol="max",
    hard=True,
)
minimum = Elementwise(
    "minimum",
    lambda m, a, b: m.minimum(a, b),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(a > b, 0.0, 1.0)),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(b > a, 0.0, 1.0)),
    symbol="min",
    hard=True,
)
_clamp_min = Elementwise(
    "clamp",
    lambda m, x, *, min: m.maximum(x, min),
    lambda m, x, y, *, min: m.where(x >= min, 1.0, 0.0),
    hard=True,
)
_clamp_max = Elementwise(
    "clamp",
    lambda m, x, *, max: m.minimum(x, max),
    lambda m, x, y, *, max: m.where(x <= max, 1.0, 0.0),
    hard=True,
)
_clamp_both = Elementwise(
    "clamp",
    lambda m, x, *, min, max: m.minimum(m.maximum(x, min), max),
    lambda m, x, y, *, min, max: m.where(x >= min, m.where(x <= max, 1.0, 0.0), 0.0),
    hard=True,
)
# The same with bounds that get a gradient themselves, where they are what counts.
_clamp_min_node = Elementwise(
    "clamp",
    lambda m, x, low: m.maximum(x, low),
    lambda m, x, low, y: m.where(x >= low, 1.0, 0.0),
    lambda m, x, low, y: m.where(x < low, 1.0, 0.0),
    hard=True,
)
_clamp_max_node = Elementwise(
    "clamp",
    lambda m, x, high: m.minimum(x, high),
    lambda m, x, high, y: m.where(x <= high, 1.0, 0.0),
    lambda m, x, high, y: m.where(x > high, 1.0, 0.0),
    hard=True,
)
_clamp_both_nodes = Elementwise(
    "clamp",
    lambda m, x, low, high: m.minimum(m.maximum(x, low), high),
    lambda m, x, low, high, y: m.where((x >= low) & (x <= high), 1.0, 0.0),
    lambda m, x, low, high, y: m.where((x < low) & (low < high), 1.0, 0.0),
    lambda m, x, low, high, y: m.where((x > high) | (high < low), 1.0, 0.0),
    hard=True,
)
_where = Elementwise(
    "where",
    lambda m, a, b, *, condition: m.where(condition, a, b),
    lambda m, a, b, y, *, condition: m.where(condition, 1.0, 0.0),
    lambda m, a, b, y, *, condition: m.where(condition, 0.0, 1.0),
)
_masked_fill = Elementwise(
    "masked_fill",
    lambda m, x, value, *, mask: m.where(mask, value, x),
    lambda m, x, value, y, *, mask: m.where(mask, 0.0, 1.0),
    lambda m, x, value, y, *, mask: m.where(mask, 1.0, 0.0),
)

TABLE: dict[str, Elementwise] = {
    name: rule for name, rule in list(vars().items()) if isinstance(rule, Elementwise)
}

# Of integers these make integers; all others make numbers of the default dtype.
for _rule in (
    add, _add_scaled, sub, _sub_scaled, mul, _div_floor, _div_trunc, remainder, fmod, neg, square,
    _power, _power_of_nodes, relu, abs, sign, floor, _round, maximum, minimum, _clamp_min,
    _clamp_max, _clamp_both, _clamp_min_node, _clamp_max_node, _clamp_both_nodes, _where,
    _masked_fill,
):  # fmt: skip
    _rule.keeps_integers = True
