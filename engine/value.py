"""`Value`: one float in the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isnan
from numbers import Real
from typing import Any

import numpy as np

from engine import ops
from engine.backprop import backward
from engine.node import Node, recording
from engine.readings import FLOAT64, FLOATS
from engine.rule import Elementwise, Rule

_new = object.__new__
# What plain floats raise where NumPy has an answer: 1/0 is inf, exp(800) is inf, log(-1) is nan.
_REFUSALS = (ZeroDivisionError, OverflowError, ValueError)


def _float(x: Any) -> float:
    """`x` as a float, if it is a real number; a message that helps, if not."""
    if isinstance(x, Real) or (
        isinstance(x, np.ndarray) and x.ndim == 0 and x.dtype.kind in "biuf"
    ):
        return float(x)
    if isinstance(x, Value):
        hint = "it is a Value already; for a leaf of the same data write Value(x.data)"
    elif isinstance(x, Node):
        hint = "write tensor.item(), or do all of it in Tensors"
    elif isinstance(x, np.ndarray):
        hint = "a Value is one number; for an array write engine.tensor(...)"
    else:
        hint = "a Value is one real number"
    raise TypeError(f"expected a number, not a {type(x).__name__}: {hint}")


def _operand(x: Any) -> tuple[Any, float, bool]:
    """What to keep of an operand, its number, and whether it gets a gradient."""
    if isinstance(x, Value):
        return x, x.data, x.requires_grad
    number = _float(x)
    return number, number, False


def _reread(rule: Elementwise, *xs: float) -> list[float]:
    """The result and its local derivatives with NumPy's floats, which never raise."""
    numbers = [np.float64(x) for x in xs]
    with np.errstate(all="ignore"):
        y = np.float64(rule.forward(FLOAT64, *numbers))
        return [float(y), *(float(d(FLOAT64, *numbers, y)) for d in rule.backward)]


@lru_cache(maxsize=4096)
def _bound(rule: Elementwise, parameters: tuple[tuple[str, Any], ...]) -> Elementwise:
    return rule.bind(dict(parameters))


@lru_cache(maxsize=4096)
def operation(rule: Elementwise) -> Callable[..., Value]:
    """The rule as a function of Values: one closure, made once, for one or for two operands."""
    forward = rule.forward
    is_recording = recording.get

    def unary(a: Any) -> Value:
        active = True
        if a.__class__ is Value:
            x = a.data
        else:
            a, x, active = _operand(a)
        try:
            y = forward(FLOATS, x)
            da = derivative_a(FLOATS, x, y)
        except _REFUSALS:
            y = None
        if y.__class__ is not float or da.__class__ is not float:
            y, da = _reread(rule, x)
        if not active or not is_recording():
            return Constant(y)
        node = _new(Value)
        node.data = y
        node.grad = None
        node.rule = rule
        node.a = a
        node.b = None
        node.da = da
        node.db = None
        node.label = ""
        return node

    def binary(a: Any, b: Any) -> Value:
        active_a = active_b = True
        if a.__class__ is Value:
            x = a.data
        else:
            a, x, active_a = _operand(a)
        if b.__class__ is Value:
            z = b.data
        else:
            b, z, active_b = _operand(b)
        try:
            y = forward(FLOATS, x, z)
            da = derivative_a(FLOATS, x, z, y)
            db = derivative_b(FLOATS, x, z, y)
        except _REFUSALS:
            y = None
        if y.__class__ is not float or da.__class__ is not float or db.__class__ is not float:
            y, da, db = _reread(rule, x, z)
        if not (active_a or active_b) or not is_recording():
            return Constant(y)
        node = _new(Value)
        node.data = y
        node.grad = None
        node.rule = rule
        node.a = a
        node.b = b
        node.da = da if active_a else None
        node.db = db if active_b else None
        node.label = ""
        return node

    if len(rule.inputs) == 1:
        (derivative_a,) = rule.backward
        return unary
    if len(rule.inputs) == 2:
        derivative_a, derivative_b = rule.backward
        return binary
    raise TypeError(f"{rule.name}: an operation of Values has one or two operands")


def _reflected(rule: Elementwise) -> Callable[[Value, Any], Value]:
    apply = operation(rule)
    return lambda self, other: apply(other, self)


def _method(rule: Elementwise) -> Callable[..., Value]:
    if rule.keywords:
        return lambda self, *arguments, **parameters: rule(self, *arguments, **parameters)
    return operation(rule)


class Value(Node):
    """A float that remembers how it was computed.

    >>> a, b = Value(2.0, label="a"), Value(3.0, label="b")
    >>> c = a * b + a
    >>> c.backward()
    >>> c.data, a.grad, b.grad
    (8.0, 4.0, 2.0)
    """

    # One object per node, and nothing besides that the garbage collector would have to visit.
    # `a` and `b` are the operands (a plain number stays a float). `da` and `db` are the local
    # derivatives, taken at the forward pass, so that no later change of data can spoil a
    # gradient; None where the operand is a constant.
    __slots__ = ("a", "b", "da", "data", "db", "grad", "label", "rule")

    data: float
    grad: float | None
    rule: Elementwise | None
    label: str
    a: Value | float | None
    b: Value | float | None
    da: float | None
    db: float | None

    requires_grad = True

    def __init__(self, data: Any, label: str = "") -> None:
        if not isinstance(label, str):
            raise TypeError(
                f"Value(data, label): label is a string, not a {type(label).__name__}; to define "
                "an operation of your own use engine.elementwise"
            )
        self.data = _float(data)
        self.grad = self.rule = self.a = self.b = self.da = self.db = None
        self.label = label

    @classmethod
    def apply(cls, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Value:
        if not isinstance(rule, Elementwise):
            raise TypeError(
                f"{rule.name} is an operation of arrays: give it a Tensor, or write the formula "
                "out in Values"
            )
        if parameters:
            rule = _bound(rule, tuple(parameters.items()))
        return operation(rule)(*operands)

    # --- the graph ----------------------------------------------------------------------------

    @property
    def parents(self) -> tuple[Node, ...]:
        if self.rule is None:
            return ()
        if not isinstance(self.a, Value):  # a plain number becomes a node when somebody looks
            self.a = Constant(self.a)
        if len(self.rule.inputs) == 1:
            return (self.a,)
        if not isinstance(self.b, Value):
            self.b = Constant(self.b)
        return (self.a, self.b)

    @property
    def parameters(self) -> dict[str, Any]:
        return {} if self.rule is None else self.rule.bound

    def sources(self) -> tuple[Node, ...]:
        if self.da is None:
            return () if self.db is None else (self.b,)  # type: ignore[return-value]
        return (self.a,) if self.db is None else (self.a, self.b)  # type: ignore[return-value]

    def active(self) -> list[tuple[int, Node]]:
        pairs = ((0, self.a, self.da), (1, self.b, self.db))
        return [(i, x) for i, x, local in pairs if local is not None]  # type: ignore[misc]

    def send_back(self) -> None:
        upstream = self.grad
        for operand, local in ((self.a, self.da), (self.b, self.db)):
            if local is not None:
                # The chain rule; an upstream of exactly 0 wins over a local inf or nan.
                contribution = upstream * local if upstream else 0.0
                before = operand.grad  # type: ignore[union-attr]
                operand.grad = contribution if before is None else before + contribution  # type: ignore[union-attr]

    def pull(self, index: int, upstream: float) -> float:
        local = self.local(index)
        return upstream * local if upstream else 0.0

    def local(self, index: int) -> Any:
        return self.db if index else self.da

    def formula(self, index: int) -> tuple[str, str] | None:
        """The local derivative towards operand `index`, in symbols and with numbers.

        >>> Value(0.0).sigmoid().formula(0)
        ('σ·(1 − σ)', '0.5·(1 − 0.5) = 0.25')
        """
        rule = self.rule
        if rule is None or self.local(index) is None:
            return None
        expression = rule.formula(index, {})
        values = {name: x.data for name, x in zip(rule.inputs, self.parents, strict=True)}
        values["y"] = self.data
        # A slope that is computed from the result alone is never exactly 0: it is rounded.
        soft = not rule.hard and expression.names() == {"y"}
        numbers = expression.numeric(values, symbol=rule.symbol, soft=soft)
        return expression.symbolic(rule.symbol), numbers

    def differentiable(self) -> tuple[Any, ...]:
        pairs = ((self.a, self.da), (self.b, self.db))[: len(self.parents)]
        return tuple(getattr(x, "data", x) if local is None else x for x, local in pairs)

    @property
    def arguments(self) -> dict[str, Any]:
        return {}  # the rule that a Value keeps has its parameters bound

    def changed(self) -> list[Node]:
        if self.rule is None:
            return []
        xs = [x.data if isinstance(x, Value) else x for x in (self.a, self.b) if x is not None]
        again = _reread(self.rule, *xs)
        same = all(
            then is None or then == now or (isnan(then) and isnan(now))
            for then, now in zip((self.data, self.da, self.db), again, strict=False)
        )
        return [] if same else [x for _, x in self.active() if x.rule is None]

    def seed(self, gradient: Any) -> float:
        return 1.0 if gradient is None else _float(gradient)

    def constant(self, data: Any) -> Value:
        return Constant(data)

    def backward(self) -> None:
        """Set `.grad` of every node that this one depends on to d(this node) / d(that node).

        Leaves add up over calls; nodes in between hold the gradient of the last call.
        """
        backward(self, 1.0)

    def detach(self) -> Value:
        """The same number as a constant, cut from the graph."""
        return Constant(self.data, self.label)

    # --- arithmetic; the named operations are added from the table below ------------------------

    __add__, __radd__ = operation(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = operation(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = operation(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = operation(ops.div), _reflected(ops.div)
    __neg__ = operation(ops.neg)
    __abs__ = operation(ops.abs)
    __rpow__ = _reflected(ops.TABLE["_power_of_nodes"])

    def __pow__(self, exponent: Any) -> Value:
        return ops.pow(self, exponent)

    # --- a number among numbers ---------------------------------------------------------------

    def item(self) -> float:
        """The number alone: what to append to a list of losses, as it keeps no graph alive."""
        return self.data

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __lt__(self, other: Any) -> bool:
        return self.data < (other.data if isinstance(other, Value) else other)

    def __le__(self, other: Any) -> bool:
        return self.data <= (other.data if isinstance(other, Value) else other)

    def __gt__(self, other: Any) -> bool:
        return self.data > (other.data if isinstance(other, Value) else other)

    def __ge__(self, other: Any) -> bool:
        return self.data >= (other.data if isinstance(other, Value) else other)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        grad = "None" if self.grad is None else f"{self.grad:.6g}"
        return f"{type(self).__name__}(data={self.data:.6g}, grad={grad}{label})"

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are leaves
        return type(self), (self.data, self.label)


class Constant(Value):
    """A Value that gets no gradient: a plain number in a formula, a detached value, a result
    under no_grad. A class of its own, so that the usual operation need not ask."""

    __slots__ = ()
    requires_grad = False


for _name, _rule in ops.TABLE.items():
    if not _name.startswith("_"):
        setattr(Value, _name, _method(_rule))
