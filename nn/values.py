"""Functions of several numbers for lists of `Value`s, written out in operations of two.

`nn.functional` calls these where it is given a list, [z0, z1, z2], instead of a Tensor, so that
the scalar graph shows how softmax, maxout and cross-entropy are made.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce, wraps
from numbers import Real
from typing import Any

from engine import Value, ops
from nn.losses import check_reduction

Function = Callable[..., Any]


def also_for_values(written_out: Function) -> Callable[[Function], Function]:
    """A decorator: the function of Tensors does `written_out` with a list of Values."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def either(input: Any, *arguments: Any, **named: Any) -> Any:
            if given(function.__name__, input):
                return written_out(input, *arguments, **named)
            return function(input, *arguments, **named)

        return either

    return decorate


def given(name: str, input: Any) -> bool:
    """Whether `input` is a list, which is one of Values; a single Value is an error."""
    if isinstance(input, Value):
        raise TypeError(f"{name} takes a Tensor or a list of Values, not one")
    return isinstance(input, (list, tuple))


def _logsumexp(input: Sequence[Any]) -> Any:
    """log Σ eˣ, two at a time: no power can overflow."""
    return reduce(ops.logaddexp, input)


def _check_list(name: str, input: Sequence[Any], dim: int) -> None:
    if not input:
        raise ValueError(f"{name}: the list of Values is empty")
    for x in input:
        if not isinstance(x, (Value, Real)):
            raise TypeError(
                f"{name} of a list is of Values, not of a {type(x).__name__}: write "
                "engine.tensor(...)"
            )
    if dim not in (0, -1):
        raise IndexError(f"{name}: dim is {dim}, but a list of Values has dim 0 alone")


def softmax(input: Sequence[Any], dim: int) -> list[Any]:
    """exp(x) / Σ exp(x), as exp(x − log Σ exp(x)).

    >>> from engine import Value
    >>> [round(p.data, 6) for p in softmax([Value(2.0), Value(1.0), Value(0.1)], dim=0)]
    [0.659001, 0.242433, 0.098566]
    """
    _check_list("softmax", input, dim)
    return [ops.exp(x) for x in log_softmax(input, dim)]


def log_softmax(input: Sequence[Any], dim: int) -> list[Any]:
    """x − log Σ exp(x)."""
    _check_list("log_softmax", input, dim)
    total = _logsumexp(input)
    return [x - total for x in input]


def softmin(input: Sequence[Any], dim: int) -> list[Any]:
    """softmax(−x)."""
    return softmax([-x for x in input], dim)


def maxout(input: Sequence[Any], pieces: int, dim: int = 1) -> list[Any]:
    """The largest of each `pieces` consecutive Values. Of equals, two share the gradient."""
    _check_list("maxout", input, dim)
    if pieces < 1 or len(input) % pieces:
        raise ValueError(f"maxout: {len(input)} Values cannot be taken {pieces} at a time")
    groups = (input[i : i + pieces] for i in range(0, len(input), pieces))
    return [reduce(ops.maximum, group) for group in groups]


def cross_entropy(input: Sequence[Any], target: Any, weight: Any = None, **arguments: Any) -> Any:
    """log Σ exp(x) − x at the target's class, or −Σ t·log softmax(x) for a list of probabilities.

    >>> from engine import Value
    >>> z = [Value(2.0), Value(1.0), Value(0.1)]
    >>> loss = cross_entropy(z, 0)
    >>> loss.backward()
    >>> round(loss.data, 6), [round(x.grad, 6) for x in z]
    (0.41703, [-0.340999, 0.242433, 0.098566])
    """
    _check_arguments("cross_entropy", weight=weight, **arguments)
    if not isinstance(target, (list, tuple)):
        return _logsumexp(input) - input[_class("cross_entropy", input, target)]
    if len(target) != len(input):
        raise ValueError(f"cross_entropy: {len(input)} Values and {len(target)} probabilities")
    terms = (t * x for t, x in zip(target, log_softmax(input, 0), strict=True))
    return -reduce(ops.add, terms)


def nll_loss(input: Sequence[Any], target: int, weight: Any = None, **arguments: Any) -> Any:
    """−x at the target's class."""
    _check_arguments("nll_loss", weight=weight, **arguments)
    return -input[_class("nll_loss", input, target)]


# One example has no mean of weights, and a list no dtype: what is left out stands with Tensors.
_DEFAULTS = {"weight": None, "ignore_index": -100, "label_smoothing": 0.0}


def _check_arguments(name: str, **arguments: Any) -> None:
    for argument, given in arguments.items():
        if argument not in ("reduction", *_DEFAULTS):
            raise TypeError(f"{name} has no argument {argument!r}")
        if argument == "reduction":
            check_reduction(given)
        elif given is not None and given != _DEFAULTS[argument]:
            raise TypeError(f"{name} of a list of Values takes no {argument}: use Tensors")


def _class(name: str, input: Sequence[Any], target: Any) -> int:
    index = operator.index(target)
    if not 0 <= index < len(input):
        raise IndexError(f"{name}: target {index} is no class of 0 to {len(input) - 1}")
    return index
