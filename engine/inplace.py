"""PyTorch's methods that end in `_`, for leaves: initialisation and training loops use them.

They give the tensor a new array. Graphs built before keep the old one, so their gradients stay
right, and they notice the change where it matters (`engine.grad(create_graph=True)`, pictures).
Nothing is recorded: a result of operations cannot be changed, and an operand gives its data only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import choosing, random
from engine.node import Node, plain, recording


def _assign(tensor: Any, name: str, array: Any, *operands: Any) -> Any:
    """Give `tensor` the data of `array`, broadcast and cast to what it had."""
    if tensor.rule is not None:
        raise RuntimeError(
            f"{name}: a result of {tensor.op} cannot be changed in place: use "
            f"{name.removesuffix('_')}, or detach() it first"
        )
    if recording.get() and any(isinstance(x, Node) and x.requires_grad for x in operands):
        raise RuntimeError(
            f"{name} records nothing, and its operand requires a gradient: detach() it, or write "
            "under engine.no_grad()"
        )
    before = tensor.data
    data = np.asarray(plain(array))
    if np.broadcast_shapes(data.shape, before.shape) != before.shape:
        raise ValueError(f"{name}: shape {data.shape} does not fit a tensor of {before.shape}")
    if data.dtype.kind == "f" and before.dtype.kind != "f":
        raise TypeError(f"{name}: numbers of {data.dtype} cannot be kept as {before.dtype}")
    after = np.empty_like(before)  # in the memory layout of `before`, which a layer chose
    after[...] = data
    tensor.data = after
    return tensor


def _of(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method that keeps the result of `function` in its first operand."""

    def method(self: Any, *arguments: Any, **parameters: Any) -> Any:
        given = (*arguments, *parameters.values())
        plain_arguments = [plain(x) for x in arguments]
        plain_parameters = {key: plain(x) for key, x in parameters.items()}
        result = function(self.detach(), *plain_arguments, **plain_parameters)
        return _assign(self, name, result, *given)

    method.__name__ = name
    method.__doc__ = f"`{name.removesuffix('_')}`, kept in this leaf; nothing is recorded."
    return method


def zero_(self: Any) -> Any:
    """All elements 0."""
    return _assign(self, "zero_", 0)


def fill_(self: Any, value: Any) -> Any:
    """All elements `value`."""
    return _assign(self, "fill_", np.asarray(plain(value)).astype(self.dtype), value)


def copy_(self: Any, src: Any) -> Any:
    """The elements of `src`, broadcast and cast to this tensor's shape and dtype."""
    return _assign(self, "copy_", np.asarray(plain(src)).astype(self.dtype), src)


def uniform_(self: Any, a: float = 0.0, b: float = 1.0) -> Any:
    """Random numbers, uniform in [a, b)."""
    return _assign(self, "uniform_", random.generator().uniform(a, b, self.shape))


def normal_(self: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Random numbers of the normal distribution."""
    return _assign(self, "normal_", random.generator().normal(mean, std, self.shape))


def _augmented(name: str) -> Callable[..., Any]:
    """`p -= lr * p.grad`: in this leaf where nothing is recorded, else a new node of the name."""
    method = _of(f"{name}_", choosing.FUNCTIONS[name])

    def operator(self: Any, other: Any) -> Any:
        return NotImplemented if recording.get() or self.rule is not None else method(self, other)

    operator.__name__ = name
    return operator


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "__iadd__": _augmented("add"),
    "__isub__": _augmented("sub"),
    "__imul__": _augmented("mul"),
    "__itruediv__": _augmented("div"),
    **{f.__name__: f for f in (zero_, fill_, copy_, uniform_, normal_)},
    **{
        f"{name}_": _of(f"{name}_", choosing.FUNCTIONS[name])
        for name in (
            "add", "sub", "mul", "div", "pow", "neg", "abs", "exp", "log", "sqrt", "square",
            "reciprocal", "sigmoid", "tanh", "relu", "sign", "floor", "round", "clamp",
            "masked_fill",
        )
    },
}  # fmt: skip
