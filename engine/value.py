"""`Value`: one float in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import isnan
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import choosing, ops
from engine.backprop import backward, grad_of
from engine.node import Node, plain, recording, watching
from engine.numpy_protocol import array_function, array_ufunc
from engine.readings import FLOAT64, FLOATS, Array
from engine.remembered import Remembered
from engine.rule import Elementwise, Rule
from engine.source import Method, function
from engine.writing import written_out

if TYPE_CHECKING:
    from engine.anomaly import Watch

# What plain floats raise where NumPy has an answer: 1/0 is inf, exp(800) is inf, log(-1) is nan,
# and (-4)**0.5, which would be complex and cannot be compared, is nan.
_REFUSALS = (ZeroDivisionError, OverflowError, ValueError, TypeError)


def _float(x: Any) -> float:
    """`x` as a float, if it is a real number; a message that helps, if not."""
    if type(x) is float:
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


def _operand(x: Any) -> tuple[Any, float, bool]:
    """What to keep of an operand, its number, and whether it gets a gradient."""
    if type(x) is float:
        return x, x, False
    if isinstance(x, Value):
        return x, x._data, x.requires_grad
    x = _float(x)
    return x, x, False


# --- operations -------------------------------------------------------------------------------


def _operation(rule: Elementwise) -> Callable[..., Value]:
    """The rule as a function of one or two Values, or of numbers among them."""
    if len(rule.inputs) > 2:
        raise TypeError(f"{rule.name}: an operation of Values has one or two operands")
    names: dict[str, Any] = {
        "FLOATS": FLOATS,
        "REFUSALS": _REFUSALS,
        "Value": Value,
        "constant": _constant,
        "forward": rule.forward,
        "is_recording": recording.get,
        "new": object.__new__,
        "operand": _operand,
        "reread": _reread,
        "rule": rule,
        "slopes": rule.backward,
    }
    return function(written_out(rule), rule.name, names)


OPERATIONS = Remembered(_operation, size=4096)


def _reread(rule: Elementwise, *xs: float) -> list[float]:
    """The result and its local derivatives with NumPy's floats, which never raise."""
    numbers = [np.float64(x) for x in xs]
    with np.errstate(all="ignore"):
        y = np.float64(rule.forward(FLOAT64, *numbers))
        return [float(y), *(float(d(FLOAT64, *numbers, y)) for d in rule.backward)]


def _constant(rule: Elementwise, operands: Sequence[Any], xs: Sequence[float], y: float) -> Value:
    """The result of an operation that is not recorded."""
    node = Constant(y)
    if (watch := watching.get()) is not None:
        watch.made(node, rule, operands, xs)
    return node


@lru_cache(maxsize=4096)
def _bound(rule: Elementwise, parameters: tuple[tuple[str, Any], ...]) -> Elementwise:
    return rule.bind(dict(parameters))


def _method(rule: Elementwise) -> Method:
    return Method(lambda: OPERATIONS[rule])


def _reflected(rule: Elementwise) -> Callable[[Value, Any], Value]:
    return lambda self, other: OPERATIONS[rule](other, self)


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
        self._data = value if type(value) is float else _float(value)
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
            try:
                rule = _bound(rule, tuple(parameters.items()))
            except TypeError:  # what is not hashable is no number
                raise TypeError(
                    f"{rule.name} of a Value: {', '.join(parameters)} must be plain numbers or "
                    "booleans, not arrays or lists"
                ) from None
        return OPERATIONS[rule](*operands)

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

    @property
    def active(self) -> list[tuple[int, Node]]:
        pairs = ((0, self.a, self.da), (1, self.b, self.db))
        return [(i, x) for i, x, local in pairs if local is not None]

    def _reached(self) -> list[Node]:
        # `backprop.order`, with a zero of our own in `.grad` as the mark of having been met: a set
        # of nodes takes twice the time. (`float("0")` is an object of its own, which 0.0 is not.)
        # The sums of `send_back` then begin at that zero; those of a leaf, at what it has.
        zero = float("0")
        finished: list[Node] = []
        stack: list[Any] = [self] if self.rule else []
        while True:
            if not stack:
                break
            node = stack.pop()
            if node is None:
                finished.append(stack.pop())
            elif node.grad is not zero:
                node.grad = zero
                stack.append(node)
                stack.append(None)
                if node.da is not None:
                    a = node.a
                    if a.rule is not None:
                        stack.append(a)
                    elif a.grad is None:
                        a.grad = zero
                if node.db is not None:
                    b = node.b
                    if b.rule is not None:
                        stack.append(b)
                    elif b.grad is None:
                        b.grad = zero
        finished.reverse()
        return finished

    def send_back(self, gradient: float, watch: Watch | None) -> None:
        nodes = self._reached()
        self.grad = gradient if self.grad is None else self.grad + gradient
        following: Iterable[Any] = nodes if watch is None else watch.following(nodes, grad_of)
        for node in following:
            upstream = node.grad
            if upstream:  # of exactly 0 comes nothing but 0, whatever the local derivative
                if (local := node.da) is not None:
                    contribution = upstream * local  # the chain rule
                    if contribution != contribution:  # nan: what is 0 may win  # noqa: PLR0124
                        contribution = node.pull(0, upstream)
                    node.a.grad += contribution
                if (local := node.db) is not None:
                    contribution = upstream * local
                    if contribution != contribution:  # noqa: PLR0124
                        contribution = node.pull(1, upstream)
                    node.b.grad += contribution

    def pull(self, index: int, upstream: Any) -> float:
        local = self.local(index)
        assert self.rule is not None
        if not upstream or (local == 0 and self.rule.masks[index]):
            return 0.0  # an upstream of 0 wins over a local inf or nan, and a mask over both
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
        # NumPy floats, as rules divide by them: 1 / 0 is inf
        return tuple(np.float64(plain(x)) if local is None else x for x, local in pairs)

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
        """Compute this node from its operands' present data."""
        now = self._again(*self.operands)
        self._data, self.da, self.db = now._data, now.da, now.db

    def _again(self, *operands: Value | float) -> Value:
        """The operation on other operands, in the same way, to the last digit."""
        assert self.rule is not None
        token = recording.set(True)
        try:
            return OPERATIONS[self.rule](*operands)
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

    __add__, __radd__ = _method(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = _method(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = _method(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = _method(ops.div), _reflected(ops.div)
    __mod__, __rmod__ = _method(ops.remainder), _reflected(ops.remainder)
    __neg__ = _method(ops.neg)
    __abs__ = _method(ops.abs)
    __rpow__ = _reflected(ops.TABLE["_power_of_nodes"])

    def __pos__(self) -> Value:
        return self

    def __pow__(self, exponent: Any) -> Value:
        if type(exponent) is int or type(exponent) is float:  # often, and soon chosen
            return self.apply(ops.TABLE["_power"], (self,), {"exponent": exponent})
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


def _choosing(function: Callable[..., Any]) -> Callable[..., Value]:
    return lambda self, *arguments, **parameters: function(self, *arguments, **parameters)


for _name, _function in choosing.FUNCTIONS.items():
    if isinstance(_function, Elementwise) and not _function.keywords:
        _method(_function).attach(Value, _name)
    elif _name != "where":  # the condition would be the node itself
        setattr(Value, _name, _choosing(_function))
