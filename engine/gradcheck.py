"""Is this gradient right? Backpropagation against finite differences, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.backprop import order as order_of
from engine.node import Node
from engine.readings import Array
from engine.tensor import Tensor
from engine.transforms import gradients_or_zeros
from engine.value import Value

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A gradient that finite differences contradict, or a function that cannot be checked."""


def gradcheck(
    func: Function,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    order: int = 1,
    raise_exception: bool = True,
) -> bool:
    """Check the gradients of `func(*inputs)` against central differences of step `eps`.

    `inputs` is a Value or a Tensor, or a tuple in which those that require a gradient are checked
    and everything else is passed on as it is. All is computed in float64. Every element of every
    output is compared with every element of every input: |backward − numeric| may be
    `atol + rtol·|numeric|`. A random upstream gradient is sent through all outputs at once, too.
    `order=2` also checks the gradients of the gradients.

    At a kink there is no derivative to compare with: any number between the slopes on both
    sides passes, and a log record of level WARNING says where the kink is.

    Returns True; where a gradient is wrong it raises GradcheckError, which names the operation,
    the input, the element and both numbers, or returns False with `raise_exception=False`.
    The signature is that of `torch.autograd.gradcheck`.

    >>> import engine
    >>> engine.gradcheck(lambda x: x.sigmoid() * x, engine.Value(0.3), order=2)
    True
    >>> wrong = engine.elementwise("cube", lambda m, x: x * x * x, lambda m, x, y: 2 * x * x)
    >>> engine.gradcheck(wrong, engine.Value(2.0), raise_exception=False)
    False
    """
    given = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    check = _Check(eps, atol, rtol)
    name = ""  # of the operation: at order 2 that whose gradient is looked at
    try:
        if not any(isinstance(x, Node) and x.requires_grad for x in given):
            raise GradcheckError(
                "gradcheck: no input requires a gradient: write engine.Value(...), or "
                "engine.tensor(..., requires_grad=True)"
            )
        for n in range(1, order + 1):
            function = _Function(func, given, "the gradient of " * (n - 1) + name)
            check.run(function)
            name = name or function.name
            func, given = function.gradient()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Function:
    """`func` as a function of one vector: the elements of all inputs that are checked."""

    def __init__(self, func: Function, given: tuple[Any, ...], name: str = "") -> None:
        self.func = func
        self.given = given
        self.name = name  # the operation's, as soon as it has run
        self.places = [i for i, x in enumerate(given) if isinstance(x, Node) and x.requires_grad]
        self.point = _vector(given[i].data for i in self.places)

    def leaves(self, vector: Array) -> list[Any]:
        """The inputs that are checked, as leaves that hold the numbers of `vector`."""
        made: list[Any] = []
        start = 0
        for place in self.places:
            x = self.given[place]
            if isinstance(x, Tensor):
                size = x.data.size
                array = vector[start : start + size].reshape(x.data.shape)
                made.append(Tensor(array, requires_grad=True, label=x.label))
            else:
                size = 1
                made.append(Value(vector[start], x.label))
            start += size
        return made

    def outputs(self, leaves: Sequence[Any]) -> list[Any]:
        """What `func` returns for these leaves: the nodes of floating numbers."""
        given = list(self.given)
        for place, leaf in zip(self.places, leaves, strict=True):
            given[place] = leaf
        result = self.func(*given)
        several = result if isinstance(result, (tuple, list)) else (result,)
        for y in several:
            if not isinstance(y, Node):
                raise GradcheckError(
                    f"gradcheck: the function must return nodes, not a {type(y).__name__}"
                )
        self.name = self.name or several[0].op or "func"
        return [y for y in several if np.asarray(y.data).dtype.kind == "f"]

    def __call__(self, vector: Array) -> Array:
        return _vector(y.data for y in self.outputs(self.leaves(vector)))

    def gradient(self) -> tuple[Function, tuple[Any, ...]]:
        """The function that returns the gradients, of the inputs and of upstream gradients."""
        n = len(self.given)
        upstreams = _random_upstreams(self.outputs(self.leaves(self.point)))

        def gradient(*xs: Any) -> tuple[Any, ...]:
            leaves = tuple(xs[place] for place in self.places)
            return gradients_or_zeros(tuple(self.outputs(leaves)), leaves, xs[n:], True)

        weights = (
            Tensor(u, requires_grad=True) if isinstance(u, np.ndarray) else Value(u)
            for u in upstreams
        )
        return gradient, (*self.given, *weights)

    def element(self, index: int) -> str:
        """Which input, and which of its elements, an element of the vector is."""
        for place in self.places:
            x = self.given[place]
            size = np.size(x.data)
            if index < size:
                name = f"input {place}" + (f" ({x.label})" if x.label else "")
                return name + _place(x, index)
            index -= size
        raise IndexError(index)


class _Check:
    """The comparison, at given tolerances."""

    def __init__(self, eps: float, atol: float, rtol: float) -> None:
        self.eps, self.atol, self.rtol = eps, atol, rtol

    def run(self, f: _Function) -> None:
        """Raise GradcheckError where a gradient of `f` is wrong."""
        with np.errstate(all="ignore"):
            leaves = f.leaves(f.point)
            outputs = f.outputs(leaves)
            y = _vector(output.data for output in outputs)
            if not np.array_equal(f(f.point), y, equal_nan=True):
                raise GradcheckError(
                    "gradcheck: the function gives another result for the same inputs: it must "
                    "not draw random numbers"
                )
            analytic = _jacobian(outputs, leaves)
            for column in range(f.point.size):
                self._compare_column(f, column, outputs, y, analytic[:, column])
            self._compare_sum(outputs, leaves, analytic)

    def _compare_column(
        self, f: _Function, column: int, outputs: list[Any], y: Array, analytic: Array
    ) -> None:
        left, right = self._slopes(f, column, y, self.eps)
        numeric = (left + right) / 2
        suspicious = ~(self._close(analytic, numeric) & self._close(left, right))
        suspicious &= np.isfinite(y)
        if not np.isfinite(y).all():  # beside an infinite slope, 0 · inf is to be expected
            suspicious &= np.isfinite(analytic)
        for row in np.flatnonzero(suspicious):
            self._judge(f, column, int(row), outputs, y, float(analytic[row]))

    def _slopes(self, f: _Function, column: int, y: Array, h: float) -> tuple[Array, Array]:
        """The one-sided differences to the left and to the right."""
        left, right = f.point.copy(), f.point.copy()
        left[column] -= h
        right[column] += h
        x = f.point[column]  # the step that was really made, after rounding
        return (y - f(left)) / (x - left[column]), (f(right) - y) / (right[column] - x)

    def _close(self, a: Any, b: Any) -> Any:
        return np.abs(a - b) <= self.atol + self.rtol * np.abs(b)

    def _judge(
        self, f: _Function, column: int, row: int, outputs: list[Any], y: Array, ours: float
    ) -> None:
        """A wrong gradient, a kink, or only a strong curvature? A smaller step tells."""
        before, (left, right) = (
            [float(side[row]) for side in self._slopes(f, column, y, h)]
            for h in (self.eps, self.eps / 100)
        )
        numeric, coarse = (left + right) / 2, sum(before) / 2
        where = f"{f.name}{_place_of(outputs, row)} at {f.element(column)} = {f.point[column]:.9g}"
        rounding = 1e-15 * abs(y[row]) / (self.eps / 100)
        slack = self.atol + self.rtol * min(abs(left), abs(right)) + rounding
        if not abs(numeric) <= min(10 * abs(coarse) + slack, np.finfo(float).max):
            # It grows as the step shrinks, or is infinite.
            _warn("%s is a jump, or an end; backward gives %.9g", where, ours)
        elif abs(right - left) <= max(slack, abs(before[1] - before[0]) / 10):  # smooth from near
            if not abs(ours - numeric) <= slack:
                raise GradcheckError(self._message(f, column, row, outputs, ours, f"{numeric:.9g}"))
            if not self._close(coarse, numeric):
                _warn("%s lies within %g of a kink", where, self.eps)
        elif min(left, right) - slack <= ours <= max(left, right) + slack:
            _warn(
                "%s is a kink: the slope is %.9g on the left and %.9g on the right; backward gives "
                "%.9g",
                where, left, right, ours,
            )  # fmt: skip
        else:
            numbers = f"{left:.9g} on the left and {right:.9g} on the right"
            raise GradcheckError(self._message(f, column, row, outputs, ours, numbers))

    def _compare_sum(self, outputs: list[Any], leaves: list[Any], analytic: Array) -> None:
        """One pass with random upstream gradients must give the sum of the passes before."""
        upstreams = _random_upstreams(outputs)
        together = _vector(gradients_or_zeros(tuple(outputs), tuple(leaves), upstreams))
        apart = _vector(upstreams) @ analytic
        wrong = np.isfinite(apart) & ~self._close(together, apart)
        if wrong.any():
            column = int(np.flatnonzero(wrong)[0])
            raise GradcheckError(
                f"gradcheck: gradients of {outputs[0].op or 'the inputs'} are not linear in the "
                f"upstream gradient: element {column} of the inputs gets {together[column]:.9g} in "
                f"one pass and {apart[column]:.9g} in several"
            )

    def _message(
        self, f: _Function, column: int, row: int, outputs: list[Any], ours: float, numeric: str
    ) -> str:
        culprit = self._culprit(outputs)
        text = (
            f"gradcheck: {f.name}{_place_of(outputs, row)}, by {f.element(column)} = "
            f"{f.point[column]:.9g}: backward gives {ours:.9g}, finite differences give {numeric}"
        )
        return f"{text}. The operation at fault: {culprit}" if culprit else text

    def _culprit(self, outputs: list[Any]) -> str:
        """The operation, among several, whose own gradient is wrong."""
        nodes = [node for node in order_of(*outputs) if node.rule is not None]
        if len(nodes) < 2:
            return ""
        for node in reversed(nodes):  # operands before those who use them
            operands = node.differentiable()

            def alone(*xs: Any, node: Node = node) -> Any:
                return node.apply(node.rule, xs, node.arguments)

            try:
                self.run(_Function(alone, operands))
            except GradcheckError:
                return node.op
        return ""


def _warn(message: str, *numbers: Any) -> None:
    import logging  # here, because most programs never need it

    logging.getLogger(__name__).warning("gradcheck: " + message, *numbers)


def _jacobian(outputs: list[Any], leaves: list[Any]) -> Array:
    """One backward pass for each element of the outputs."""
    rows = []
    for y in outputs:
        for place in range(np.size(y.data)):
            upstream = np.zeros_like(y.data)
            upstream.flat[place] = 1.0
            u = upstream if isinstance(y, Tensor) else 1.0
            gradients = gradients_or_zeros((y,), tuple(leaves), (u,))
            for x, g in zip(leaves, gradients, strict=True):
                if np.shape(g) != np.shape(x.data) or np.asarray(g).dtype != np.float64:
                    raise GradcheckError(
                        f"gradcheck: {y.op} gives a gradient of shape {np.shape(g)} and dtype "
                        f"{np.asarray(g).dtype} to an input of shape {np.shape(x.data)} and float64"
                    )
            rows.append(_vector(gradients))
    return np.array(rows).reshape(len(rows), sum(np.size(x.data) for x in leaves))


def _random_upstreams(outputs: list[Any]) -> tuple[Any, ...]:
    """Neither uniform nor small: their sum over a softmax would be blind to every mistake."""
    random = np.random.default_rng(len(outputs))
    made = []
    for y in outputs:
        shape = np.shape(y.data)
        u = random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)
        made.append(np.asarray(u) if isinstance(y, Tensor) else float(u))
    return tuple(made)


def _vector(arrays: Any) -> Array:
    return np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in arrays] or [np.empty(0)])


def _place_of(outputs: list[Any], row: int) -> str:
    """Which output, if there are several, and which element of it."""
    for number, y in enumerate(outputs):
        if row < np.size(y.data):
            return (f" (output {number})" if len(outputs) > 1 else "") + _place(y, row)
        row -= np.size(y.data)
    raise IndexError(row)


def _place(node: Node, index: int) -> str:
    shape = np.shape(node.data)
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(index, shape))}]" if shape else ""
