"""The table of elementwise operations: name, forward, one local derivative per input.

Each rule is written once, against a namespace `m`, and read with floats, arrays, nodes, symbols
and complex numbers (`engine.readings`). `y` in a derivative is the operation's own result. To
add an operation, add its rule: functions, methods, pictures and tests follow from the table.

Where a derivative does not exist, the value is PyTorch's: relu'(0) = 0, abs'(0) = 0, a tie of
maximum is shared. Conditions are comparisons (`m.equal`, not `==`: nodes compare by identity).
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from engine.node import Node
from engine.rule import Elementwise, elementwise

# --- arithmetic -------------------------------------------------------------------------------

add = elementwise(
    "add", lambda m, a, b: a + b, lambda m, a, b, y: 1.0, lambda m, a, b, y: 1.0, symbol="+"
)
sub = elementwise(
    "sub", lambda m, a, b: a - b, lambda m, a, b, y: 1.0, lambda m, a, b, y: -1.0, symbol="−"
)
mul = elementwise(
    "mul", lambda m, a, b: a * b, lambda m, a, b, y: b, lambda m, a, b, y: a, symbol="×"
)
div = elementwise(
    "div",
    lambda m, a, b: a / b,
    lambda m, a, b, y: 1 / b,
    lambda m, a, b, y: -y / b,
    symbol="÷",
    unbounded=True,
)
neg = elementwise("neg", lambda m, x: -x, lambda m, x, y: -1.0, symbol="−")

# x**n with a plain number n: the rule of calculus, and x**0 is flat even at 0.
_power = elementwise(
    "pow",
    lambda m, x, *, exponent: x**exponent,
    lambda m, x, y, *, exponent: exponent * x ** (exponent - 1) if exponent else 0.0,
    symbol="^",
    unbounded=True,
)
# a**b with a node as exponent: 0**b is flat in b for b >= 0, where log(0) would say nan.
_power_of_nodes = elementwise(
    "pow",
    lambda m, a, b: a**b,
    lambda m, a, b, y: m.where(m.equal(b, 0.0), 0.0, b * a ** (b - 1)),
    lambda m, a, b, y: m.where(m.equal(a, 0.0), m.where(b >= 0, 0.0, y * m.log(a)), y * m.log(a)),
    symbol="^",
    unbounded=True,
)

# --- exponentials, roots, waves ---------------------------------------------------------------

exp = elementwise("exp", lambda m, x: m.exp(x), lambda m, x, y: y)
expm1 = elementwise("expm1", lambda m, x: m.expm1(x), lambda m, x, y: y + 1)
log = elementwise("log", lambda m, x: m.log(x), lambda m, x, y: 1 / x, unbounded=True)
log1p = elementwise("log1p", lambda m, x: m.log1p(x), lambda m, x, y: 1 / (1 + x), unbounded=True)
sqrt = elementwise(
    "sqrt", lambda m, x: m.sqrt(x), lambda m, x, y: 1 / (2 * y), symbol="√", unbounded=True
)
sin = elementwise("sin", lambda m, x: m.sin(x), lambda m, x, y: m.cos(x))
cos = elementwise("cos", lambda m, x: m.cos(x), lambda m, x, y: -m.sin(x))

# --- activations ------------------------------------------------------------------------------

sigmoid = elementwise("sigmoid", lambda m, x: m.sigmoid(x), lambda m, x, y: y * (1 - y), symbol="σ")
tanh = elementwise("tanh", lambda m, x: m.tanh(x), lambda m, x, y: 1 - y * y)
relu = elementwise(
    "relu",
    lambda m, x: m.maximum(x, 0.0),
    lambda m, x, y: m.where(x <= 0, 0.0, 1.0),  # nan is not <= 0: it passes, as in PyTorch
    hard=True,
)
leaky_relu = elementwise(
    "leaky_relu",
    lambda m, x, *, negative_slope=0.01: m.where(x > 0, x, negative_slope * x),
    lambda m, x, y, *, negative_slope=0.01: m.where(x > 0, 1.0, negative_slope),
    hard=True,
)
softplus = elementwise(
    "softplus",
    lambda m, x, *, beta=1.0, threshold=20.0: m.where(
        beta * x > threshold, x, m.softplus(beta * x) / beta
    ),
    lambda m, x, y, *, beta=1.0, threshold=20.0: m.where(
        beta * x > threshold, 1.0, m.sigmoid(beta * x)
    ),
)

# --- kinks and choices ------------------------------------------------------------------------

abs = elementwise("abs", lambda m, x: m.abs(x), lambda m, x, y: m.sign(x), symbol="|x|", hard=True)
sign = elementwise("sign", lambda m, x: m.sign(x), lambda m, x, y: 0.0, hard=True)
maximum = elementwise(
    "maximum",
    lambda m, a, b: m.maximum(a, b),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(a < b, 0.0, 1.0)),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(b < a, 0.0, 1.0)),
    symbol="max",
    hard=True,
)
minimum = elementwise(
    "minimum",
    lambda m, a, b: m.minimum(a, b),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(a > b, 0.0, 1.0)),
    lambda m, a, b, y: m.where(m.equal(a, b), 0.5, m.where(b > a, 0.0, 1.0)),
    symbol="min",
    hard=True,
)
_clamp_min = elementwise(
    "clamp",
    lambda m, x, *, min: m.maximum(x, min),
    lambda m, x, y, *, min: m.where(x >= min, 1.0, 0.0),
    hard=True,
)
_clamp_max = elementwise(
    "clamp",
    lambda m, x, *, max: m.minimum(x, max),
    lambda m, x, y, *, max: m.where(x <= max, 1.0, 0.0),
    hard=True,
)
_clamp_both = elementwise(
    "clamp",
    lambda m, x, *, min, max: m.minimum(m.maximum(x, min), max),
    lambda m, x, y, *, min, max: m.where(x >= min, m.where(x <= max, 1.0, 0.0), 0.0),
    hard=True,
)
_where = elementwise(
    "where",
    lambda m, a, b, *, condition: m.where(condition, a, b),
    lambda m, a, b, y, *, condition: m.where(condition, 1.0, 0.0),
    lambda m, a, b, y, *, condition: m.where(condition, 0.0, 1.0),
)

TABLE: dict[str, Elementwise] = {
    name: rule for name, rule in list(vars().items()) if isinstance(rule, Elementwise)
}

# --- functions that pick among rules ----------------------------------------------------------


def pow(input: Any, exponent: Any) -> Any:
    """`input ** exponent`: n·x^(n−1) for a plain number n, and both derivatives for a node.

    >>> import engine
    >>> x = engine.Value(3.0)
    >>> engine.pow(x, 2).backward()
    >>> x.grad
    6.0
    """
    if isinstance(exponent, Real):
        return _power(input, exponent=exponent)
    return _power_of_nodes(input, exponent)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """`input` limited to [min, max]; the derivative is 1 inside and at the bounds, 0 outside.

    >>> import engine
    >>> engine.clamp(engine.tensor([-2.0, 0.5, 2.0]), min=-1, max=1).tolist()
    [-1.0, 0.5, 1.0]
    """
    if min is None and max is None:
        raise ValueError("clamp needs min, max, or both")
    if min is None:
        return _clamp_max(input, max=max)
    return _clamp_min(input, min=min) if max is None else _clamp_both(input, min=min, max=max)


def where(condition: Any, input: Any, other: Any) -> Any:
    """`input` where `condition` holds, else `other`; the branch not taken gets gradient 0.

    >>> import engine
    >>> x = engine.tensor([-1.0, 2.0], requires_grad=True)
    >>> engine.where(x > 0, x, 0.0).sum().backward()
    >>> x.grad
    array([0., 1.])
    """
    if isinstance(condition, Node):
        condition = condition.data
    return _where(input, other, condition=condition)


# What a rule read with nodes may call, and what `engine` offers by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: rule for name, rule in TABLE.items() if not name.startswith("_")},
    "pow": pow,
    "clamp": clamp,
    "where": where,
}
