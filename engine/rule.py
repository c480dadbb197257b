"""What a rule is: an operation's name, its forward, and what each input gets of a gradient.

A rule is written once, in lambdas against a namespace `m`, and read in several ways (see
`engine.readings`): with floats, arrays, nodes, complex numbers and, in `engine.formula`, text.
Calling a rule is using the operation: `tanh(x)` computes, records, and returns a node.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from inspect import Parameter, signature
from numbers import Real
from typing import Any, Self

import numpy as np

from engine import readings
from engine.formula import Expression, read
from engine.node import Node
from engine.source import function

Function = Callable[..., Any]


class Rule:
    """An operation. The positional arguments of `forward` after `m` are its inputs; the
    keyword-only ones are parameters, which get no gradient."""

    hard = False
    unbounded = False
    line = ""  # of the user's file, for a node made under detect_anomaly
    keeps_integers = True  # False: integer operands become numbers of the default dtype
    mixed = False  # True: the other operands keep their own dtype (classes, indices)
    lends = True  # False: what an input gets is never memory of something else, nor read-only

    def __init__(self, name: str, forward: Function, backward: Sequence[Function]) -> None:
        self.name = self.__name__ = self.symbol = name
        self.forward = forward
        self.backward = tuple(backward)
        given = list(signature(forward).parameters.values())[1:]
        self.variadic = any(p.kind is Parameter.VAR_POSITIONAL for p in given)
        self.inputs = tuple(p.name for p in given if p.kind is not Parameter.KEYWORD_ONLY)
        keywords = [p for p in given if p.kind is Parameter.KEYWORD_ONLY]
        self.keywords = tuple(p.name for p in keywords)
        self.defaults = {p.name: p.default for p in keywords if p.default is not Parameter.empty}
        self.bound: dict[str, Any] = {}
        if len(self.backward) != len(self.inputs):
            raise TypeError(
                f"{name}: the forward has {len(self.inputs)} inputs ({', '.join(self.inputs)}), "
                f"so it needs as many derivatives, one per input; {len(self.backward)} given"
            )

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        if parameters or self.keywords or len(operands) != len(self.inputs):
            operands, parameters = self._arguments(operands, parameters)
        for operand in operands:
            if isinstance(operand, Node):
                return operand.apply(self, operands, parameters)
        return self._plain(operands, parameters)

    def _arguments(
        self, operands: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Sort a call's arguments into operands and parameters, defaults filled in."""
        if self.variadic:
            return operands, given
        if len(operands) != len(self.inputs) or given.keys() != set(self.keywords):
            operands, given = self._sorted(operands, given)
        for name, value in given.items():
            if isinstance(value, Node):
                if value.requires_grad:
                    raise TypeError(f"{self.name}: {name} gets no gradient; give it a plain number")
                given[name] = value.data
        return operands, given

    def _sorted(
        self, operands: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Operands given by name, parameters given by place, and those not given at all."""
        arity = len(self.inputs)
        for place, name in enumerate(("input", "other")[:arity]):  # PyTorch's names of operands
            if name in given and len(operands) == place:
                operands = (*operands, given.pop(name))
        operands, extra = operands[:arity], operands[arity:]
        if len(operands) < arity or len(extra) > len(self.keywords):
            signature = ", ".join((*self.inputs, *self.keywords))
            raise TypeError(
                f"{self.name}({signature}): {len(operands) + len(extra)} positional arguments given"
            )
        parameters = {**self.defaults, **dict(zip(self.keywords, extra, strict=False)), **given}
        for name in parameters:
            if name not in self.keywords:
                known = ", ".join(self.keywords) or "none"
                raise TypeError(f"{self.name} has no argument {name!r} (its parameters: {known})")
        for name in self.keywords:
            if name not in parameters:
                raise TypeError(f"{self.name} needs the argument {name!r}")
        return operands, parameters

    def _plain(self, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """Plain numbers or arrays in, the same out: the rule read without recording."""
        for x in operands:  # of a list of nodes, arrays of plain numbers would come out
            if not isinstance(x, (Real, np.generic, np.ndarray)) or getattr(x, "dtype", 0) == "O":
                raise TypeError(
                    f"{self.name} of a {type(x).__name__}: operands are Values, Tensors, numbers "
                    "and arrays of numbers"
                )
        arrays = [x for x in operands if isinstance(x, np.ndarray)]
        if arrays:
            dtype = arrays[0].dtype
            if dtype.kind != "f" and not self.keeps_integers:
                dtype = np.dtype(np.float64)
                operands = tuple(np.asarray(x, dtype) for x in operands)
            return self.forward(readings.ARRAYS[dtype], *operands, **parameters)
        with np.errstate(all="ignore"):
            y = self.forward(readings.FLOAT64, *map(np.float64, operands), **parameters)
        return float(y) if np.ndim(y) == 0 else y

    def vjp(self, index: int) -> Function:
        """`vjp(m, upstream, y, *inputs, **parameters)`: what input `index` gets of a gradient."""
        raise NotImplementedError

    def pull(self, index: int, m: Any, upstream: Any, xs: Any, y: Any, parameters: Any) -> Any:
        """What input `index` gets of `upstream`, in the reading `m`."""
        return self.vjp(index)(m, upstream, y, *xs, **parameters)

    def __copy__(self) -> Self:
        rule = object.__new__(type(self))
        # Without what was derived of the rule: who copies it is about to change it.
        vars(rule).update({k: v for k, v in vars(self).items() if k not in ("masks", "_vjps")})
        return rule

    def bind(self, parameters: Mapping[str, Any]) -> Self:
        """The rule with its parameters filled in, so that one object says all of it."""
        rule = copy.copy(self)
        rule.bound = dict(parameters)
        rule.keywords = ()
        rule.forward = partial(self.forward, **parameters)
        rule.backward = tuple(partial(b, **parameters) for b in self.backward)
        return rule

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Elementwise(Rule):
    """A rule with one local derivative per input, `derivative(m, *inputs, y, **parameters)`."""

    keeps_integers = False
    lends = False

    def __init__(
        self,
        name: str,
        forward: Function,
        *derivatives: Function,
        symbol: str | None = None,
        hard: bool = False,
        unbounded: bool = False,
    ) -> None:
        super().__init__(name, forward, derivatives)
        if "y" in self.inputs:
            raise TypeError(f"{name}: y is the result; give that input of the forward another name")
        self.symbol = name if symbol is None else symbol
        self.hard = hard
        self.unbounded = unbounded

    def local(self, index: int, m: Any, xs: Any, y: Any, parameters: Any) -> Any:
        """The local derivative towards input `index`, in the reading `m`."""
        return self.backward[index](m, *xs, y, **parameters)

    def formula(self, index: int, parameters: Mapping[str, Any]) -> Expression:
        """The local derivative towards input `index`, read as text."""
        return read(self.backward[index], (*self.inputs, "y"), parameters)

    @cached_property
    def masks(self) -> tuple[bool, ...]:
        """Per input, whether the slope is a choice with 0 among its branches, as that of relu:
        there nothing passes, not even an infinite gradient."""
        parameters = dict.fromkeys(self.keywords, np.empty(0))
        return tuple(self._masks(index, parameters) for index in range(len(self.inputs)))

    def _masks(self, index: int, parameters: Mapping[str, Any]) -> bool:
        try:
            return self.formula(index, parameters).has_zero_branch()
        except TypeError:  # it cannot be read without the numbers of its parameters, as x**n cannot
            return False

    @cached_property
    def _vjps(self) -> tuple[Function, ...]:
        return tuple(
            function(vjp_text(self, index), f"{self.name}, vjp", {"slope": slope})
            for index, slope in enumerate(self.backward)
        )

    def vjp(self, index: int) -> Function:
        return self._vjps[index]


# Written out for the number of inputs: `*inputs` would take longer than many a derivative. The
# local derivative is given no name, so that NumPy may write the product into its memory; if there
# is a nan, which is rare, it is computed once more.
_VJP = """\
def vjp(m, upstream, y, {inputs}, /{parameters}):
    contribution = upstream * {slope}  # the chain rule
{unbounded}{mask}    return {contribution}"""
_UNBOUNDED = "    contribution = m.zero_upstream_wins(upstream, contribution)\n"
_MASK = """\
    if m.has_nan(contribution):
        contribution = m.zero_slope_wins({slope}, contribution)
"""


def vjp_text(rule: Elementwise, index: int) -> str:
    """The text of the function for what an input gets, from its local derivative.

    >>> from engine import ops
    >>> print(vjp_text(ops.relu, 0))
    def vjp(m, upstream, y, x0, /):
        contribution = upstream * slope(m, x0, y)  # the chain rule
        if m.has_nan(contribution):
            contribution = m.zero_slope_wins(slope(m, x0, y), contribution)
        return contribution
    """
    alone = len(rule.inputs) == 1 and not rule.keywords  # nothing can have been broadcast
    inputs = ", ".join(f"x{i}" for i in range(len(rule.inputs)))
    parameters = ", **parameters" if rule.keywords else ""
    slope = f"slope(m, {inputs}, y{parameters})"
    return _VJP.format(
        inputs=inputs,
        parameters=parameters,
        slope=slope,
        unbounded=_UNBOUNDED if rule.unbounded else "",
        mask=_MASK.format(slope=slope) if rule.masks[index] else "",
        contribution="contribution" if alone else f"m.sum_to(contribution, x{index})",
    )


class Structural(Rule):
    """A rule that is not local: one `vjp(m, upstream, y, *inputs, **parameters)` per input.

    A rule of any number of inputs (`lambda m, *xs: ...`) has one vjp for all of them, which is
    also given `index=`.
    """

    def __init__(self, name: str, forward: Function, *vjps: Function) -> None:
        super().__init__(name, forward, vjps)

    def vjp(self, index: int) -> Function:
        return partial(self.backward[0], index=index) if self.variadic else self.backward[index]


def elementwise(
    name: str,
    forward: Function,
    *derivatives: Function,
    symbol: str | None = None,
    hard: bool = False,
    unbounded: bool = False,
) -> Elementwise:
    """Define an operation that acts on numbers one by one, from its formula and derivatives.

    Positional arguments of `forward` after the namespace `m` are inputs, keyword-only ones are
    parameters. There is one derivative per input, called with `(m, *inputs, y, **parameters)`,
    `y` the result. Write conditions with `m.where`, not with `if`: the same lambdas are read
    with floats, arrays, graphs and symbols. Derivatives are called in a context of their own, in
    which every `ContextVar` has its default.

    symbol     what pictures print; the name by default
    hard       the operation has kinks, and its slope can be exactly 0 (as relu's)
    unbounded  a local derivative can be infinite (as that of sqrt at 0)

    The result is a function for `Value`, `Tensor` and plain numbers: trainable, drawable,
    differentiable any number of times.

    >>> import engine
    >>> cube = engine.elementwise("cube", lambda m, x: x * x * x, lambda m, x, y: 3 * x * x)
    >>> x = engine.Value(2.0)
    >>> cube(x).backward()
    >>> x.grad
    12.0
    """
    rule = Elementwise(name, forward, *derivatives, symbol=symbol, hard=hard, unbounded=unbounded)
    if rule.defaults.keys() >= set(rule.keywords):  # what cannot be read is told where it stands
        read(forward, rule.inputs, rule.defaults)
        for index in range(len(derivatives)):
            rule.formula(index, rule.defaults)
    return rule
