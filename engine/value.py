"""`Value`: one float in the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isnan
from numbers import Real
from typing import Any

import numpy as np

from engine import choosing, ops
from engine.backprop import backward
from engine.node import Node, plain, recording, watching
from engine.numpy_protocol import array_function, array_ufunc
from engine.readings import FLOAT64, FLOATS, Array
from engine.rule import Elementwise, Rule

_new = object.__new__
# What plain floats raise where NumPy has an answer: 1/0 is inf, exp(800) is inf, log(-1) is nan,
# and (-4)**0.5, which would be complex and cannot be compared, is nan.
_REFUSALS = (ZeroDivisionError, OverflowError, ValueError, TypeError)


def _float(x: Any) -> float:
    """`x` as a float, if it is a real number; a message that helps, if not."""
    if x.__class__ is float:
        return x
    if isinstance(x, Real) or (
        isinstance(x, (np.ndarray, np.generic)) and x.ndim == 0 and x.dtype.kind in "biuf"
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


def _bare(x: float) -> Value:
    node = _new(Value)
    node._data = x
    return node


def _operand(x: Any) -> tuple[Any, float, bool]:
    """What to keep of an operand, its number, and whether it gets a gradient."""
    if isinstance(x, Value):
        return x, x._data, x.requires_grad
    x = _float(x)
    return x, x, False


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
            x = a._data
        else:
            a, x, active = _operand(a)
        try:
            y = forward(FLOATS, x)
            da = slope_a or derivative_a(FLOATS, x, y)
        except _REFUSALS:
            y = None
        if y.__class__ is not float or da.__class__ is not float:
            y, da = _reread(rule, x)
        if not active or is_recording() is not True:
            return _unrecorded(rule, (a,), y, active)
        node = _new(Value)
        node._data = y
        node.grad = None
        node.rule = rule
        node.a = a
        node.b = None
        node.da = da
        node.db = None
        node.label = ""
        return node

    def binary(a: Any, b: Any) -> Value:
        if a.__class__ is not Value or b.__class__ is not Value:
            return with_constant(a, b)
        x = a._data
        z = b._data
        try:
            y = forward(FLOATS, x, z)
            da = slope_a or derivative_a(FLOATS, x, z, y)
            db = slope_b or derivative_b(FLOATS, x, z, y)
        except _REFUSALS:
            y = None
        if y.__class__ is not float or da.__class__ is not float or db.__class__ is not float:
            y, da, db = _reread(rule, x, z)
        if is_recording() is not True:
            return _unrecorded(rule, (a, b), y, True)
        node = _new(Value)
        node._data = y
        node.grad = None
        node.rule = rule
        node.a = a
        node.b = b
        node.da = da
        node.db = db
        node.label = ""
        return node

    def with_constant(a: Any, b: Any) -> Value:
        a, x, active_a = _operand(a)
        b, z, active_b = _operand(b)
        node = binary(_bare(x), _bare(z))
        if node.rule is None:
            return _unrecorded(rule, (a, b), node._data, active_a or active_b)
        if not active_a:
            if not active_b:
                return Constant(node._data)
            node.da = None
        elif not active_b:
            node.db = None
        node.a = a
        node.b = b
        return node

    # A slope that is the same number everywhere, as that of +, need not be asked for.
    slopes = [rule.formula(index, {}) for index in range(len(rule.inputs))]
    slope_a, slope_b, *_ = [s.args[0] if s.op == "number" else None for s in slopes] + [None, None]
    if len(rule.inputs) == 1:
        (derivative_a,) = rule.backward
        return unary
    if len(rule.inputs) == 2:
        derivative_a, derivative_b = rule.backward
        return binary
    raise TypeError(f"{rule.name}: an operation of Values has one or two operands")


def _unrecorded(rule: Elementwise, operands: tuple[Any, ...], y: float, active: bool) -> Value:
    """A constant; or, where detect_anomaly looks on, the node after all."""
    watch = watching.get()
    if watch is None or (operands[0].__class__ is Value and not hasattr(operands[0], "label")):
        return Constant(y)  # a bare operand stands for one that is looked at in a moment
    node: Value = Constant(y)
    if active and recording.get():
        token = recording.set(True)
        try:
            node = operation(rule)(*operands)
        finally:
            recording.reset(token)
    watch.made(node, rule, operands, [getattr(x, "data", x) for x in operands])
    return node


def _reflected(rule: Elementwise) -> Callable[[Value, Any], Value]:
    apply = operation(rule)
    return lambda self, other: apply(other, self)


def _method(function: Callable[..., Any]) -> Callable[..., Value]:
    if isinstance(function, Elementwise) and not function.keywords:
        return operation(function)
    return lambda self, *arguments, **parameters: function(self, *arguments, **parameters)


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
    __slots__ = ("__weakref__", "_data", "a", "b", "da", "db", "grad", "label", "rule")

    _data: float
    grad: float | None
    rule: Elementwise | None
    label: str
    a: Any  # a Value, a float, or None
    b: Any
    da: float | None
    db: float | None

    requires_grad = True

    def __init__(self, data: Any, label: str = "") -> None:
        if not isinstance(label, str):
            raise TypeError(
                f"Value(data, label): label is a string, not a {type(label).__name__}; to define "
                "an operation of your own use engine.elementwise"
            )
        self._data = _float(data)
        self.grad = self.rule = self.a = self.b = self.da = self.db = None
        self.label = label

    @property
    def data(self) -> float:
        """The number."""
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = _float(value)
        if self.rule is None:
            self.a = True  # a leaf has no operands; here it says that its number was replaced

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
    def operands(self) -> tuple[Any, ...]:
        return () if self.rule is None else (self.a, self.b)[: len(self.rule.inputs)]

    @property
    def parameters(self) -> dict[str, Any]:
        return {} if self.rule is None else self.rule.bound

    def sources(self) -> tuple[Node, ...]:
        if self.da is None:
            return () if self.db is None else (self.b,)
        return (self.a,) if self.db is None else (self.a, self.b)

    def active(self) -> list[tuple[int, Node]]:
        pairs = ((0, self.a, self.da), (1, self.b, self.db))
        return [(i, x) for i, x, local in pairs if local is not None]

    def send_back(self) -> None:
        # The chain rule, for each operand. `pull` looks closer where the product is nan.
        upstream = self.grad
        if (local := self.da) is not None:
            contribution = upstream * local if upstream else 0.0
            if contribution != contribution:  # noqa: PLR0124
                contribution = self.pull(0, upstream)
            before = self.a.grad
            self.a.grad = contribution if before is None else before + contribution
        if (local := self.db) is not None:
            contribution = upstream * local if upstream else 0.0
            if contribution != contribution:  # noqa: PLR0124
                contribution = self.pull(1, upstream)
            before = self.b.grad
            self.b.grad = contribution if before is None else before + contribution

    def pull(self, index: int, upstream: Any) -> float:
        local = self.local(index)
        assert self.rule is not None
        if not upstream or (local == 0 and self.rule.masks(index)):
            return (
                0.0  # an upstream of exactly 0 wins over a local inf or nan, and a mask over both
            )
        return upstream * local

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
        values["y"] = self._data
        # A slope that is computed from the result alone is never exactly 0: it is rounded.
        soft = not rule.hard and expression.names() == {"y"}
        numbers = expression.numeric(values, symbol=rule.symbol, soft=soft)
        return expression.symbolic(rule.symbol), numbers

    def differentiable(self) -> tuple[Any, ...]:
        pairs = ((self.a, self.da), (self.b, self.db))[: len(self.parents)]
        return tuple(plain(x) if local is None else x for x, local in pairs)

    @property
    def arguments(self) -> dict[str, Any]:
        return {}  # the rule that a Value keeps has its parameters bound

    def changed(self) -> list[Node]:
        if self.rule is None:
            return []
        xs = [x._data if isinstance(x, Value) else x for x in self.operands]
        now = self._again(*map(Value, xs))
        pairs = ((self._data, now._data), (self.da, now.da), (self.db, now.db))
        same = all(x is None or x == y or (isnan(x) and isnan(y or 0.0)) for x, y in pairs)
        leaves: list[Any] = [x for x in self.parents if x.rule is None]
        return [] if same else [x for x in leaves if x.a] or leaves

    def run_again(self) -> None:
        now = self._again(*self.operands)
        self._data, self.da, self.db = now._data, now.da, now.db

    def _again(self, *operands: Value | float) -> Value:
        """The operation on other operands, in the same way, to the last digit."""
        assert self.rule is not None
        token = recording.set(True)
        try:
            return operation(self.rule)(*operands)
        finally:
            recording.reset(token)

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
        return Constant(self._data, self.label)

    # --- arithmetic; the named operations are added from the table below ------------------------

    __add__, __radd__ = operation(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = operation(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = operation(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = operation(ops.div), _reflected(ops.div)
    __neg__ = operation(ops.neg)
    __abs__ = operation(ops.abs)
    __rpow__ = _reflected(ops.TABLE["_power_of_nodes"])

    def __pow__(self, exponent: Any) -> Value:
        return choosing.pow(self, exponent)

    # --- a number among numbers ---------------------------------------------------------------

    def item(self) -> float:
        """The number alone: what to append to a list of losses, as it keeps no graph alive."""
        return self._data

    __array_ufunc__, __array_function__ = array_ufunc, array_function

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._data, dtype)

    def __float__(self) -> float:
        return float(self._data)

    def __int__(self) -> int:
        return int(self._data)

    def __lt__(self, other: Any) -> bool:
        return self._data < _operand(other)[1]

    def __le__(self, other: Any) -> bool:
        return self._data <= _operand(other)[1]

    def __gt__(self, other: Any) -> bool:
        return self._data > _operand(other)[1]

    def __ge__(self, other: Any) -> bool:
        return self._data >= _operand(other)[1]

    def __format__(self, format_spec: str) -> str:
        return format(self._data, format_spec) if format_spec else repr(self)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        grad = "None" if self.grad is None else f"{self.grad:.6g}"
        return f"{type(self).__name__}(data={self._data:.6g}, grad={grad}{label})"

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are leaves
        return type(self), (self._data, self.label)


class Constant(Value):
    """A Value that gets no gradient: a plain number in a formula, a detached value, a result
    under no_grad. A class of its own, so that the usual operation need not ask."""

    __slots__ = ()
    requires_grad = False


for _name, _function in choosing.FUNCTIONS.items():
    if _name != "where":  # the condition would be the node itself
        setattr(Value, _name, _method(_function))
