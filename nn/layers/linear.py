"""Layers that multiply by a matrix, or only change the shape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import Tensor, get_default_dtype
from engine.contraction import linear_with_bias
from engine.tensor import OPERATIONS
from nn import functional as F
from nn import init
from nn.module import Module, Parameter

_linear = OPERATIONS[linear_with_bias]  # F.linear checks first what a layer knows to fit


def empty(*shape: int, dtype: Any = None) -> Parameter:
    """A parameter whose numbers are still to be drawn."""
    return Parameter(np.zeros(shape, dtype or get_default_dtype()))


class Linear(Module):
    """x @ weight.T + bias. Shapes: (..., in_features) -> (..., out_features); `weight` is
    (out_features, in_features). Both start uniform in ±1/√in_features, as in PyTorch.

    >>> import engine, nn
    >>> layer = nn.Linear(3, 2)
    >>> layer(engine.randn(5, 3)).shape
    (5, 2)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        # In memory (in, out): x @ w is faster than x @ w.T, and gradients come out in this layout.
        self.weight = Parameter(empty(in_features, out_features, dtype=dtype).data.T)
        self.bias = empty(out_features, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial weights anew."""
        start_uniform(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        if self.bias is None:
            return F.linear(input, self.weight)
        return _linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def start_uniform(weight: Parameter, bias: Parameter | None) -> None:
    """PyTorch's default for linear layers and convolutions: uniform in ±1/√fan_in."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(math.prod(weight.shape[1:]) or 1)
        init.uniform_(bias, -bound, bound)


class Identity(Module):
    """Gives what it is given. PyTorch's constructor takes, and ignores, any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` as one: (N, C, H, W) -> (N, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        first, last = (d % input.ndim for d in (self.start_dim, self.end_dim))
        return input.reshape(*input.shape[:first], -1, *input.shape[last + 1 :])

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
