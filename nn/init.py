"""Initial weights: PyTorch's `torch.nn.init`.

Each function gives a tensor new numbers, drawn from the generator that `engine.manual_seed` seeds
(or from `generator`, a `np.random.Generator`), and returns it. Gains and variances are those of
Glorot & Bengio 2010 (`xavier_*`, for tanh and sigmoid) and He et al. 2015 (`kaiming_*`, for ReLU):
weights of variance gain²/n keep the size of signals, and of gradients, from layer to layer.

>>> import engine, nn
>>> w = nn.init.zeros_(engine.zeros(2, 3))
>>> nn.init.calculate_gain("relu")
1.4142135623730951
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from engine import Tensor, random
from engine.readings import Array

T = TypeVar("T", bound=Tensor)
Mode = Literal["fan_in", "fan_out"]
if TYPE_CHECKING:
    Generator = np.random.Generator

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "identity", "sigmoid"), 1.0),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def _filled(tensor: T, numbers: Array) -> T:
    tensor.data = np.empty_like(tensor.data)  # in the memory layout that the layer chose
    tensor.data[...] = numbers
    return tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights must be larger because of what follows them, as PyTorch says: 1 for
    linear layers and sigmoid, 5/3 for tanh, √2 for ReLU, √(2 / (1 + slope²)) for leaky ReLU."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join((*_GAINS, "leaky_relu"))
        raise ValueError(f"calculate_gain: nonlinearity {nonlinearity!r} is not one of {known}")
    return _GAINS[nonlinearity]


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """Uniform random numbers in [a, b)."""
    rng = generator or random.generator()
    return _filled(tensor, rng.uniform(a, b, tensor.shape))


def normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> T:
    """Normal random numbers."""
    rng = generator or random.generator()
    return _filled(tensor, rng.normal(mean, std, tensor.shape))


def constant_(tensor: T, val: float) -> T:
    """One number everywhere."""
    return _filled(tensor, np.full(tensor.shape, float(val)))


def zeros_(tensor: T) -> T:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output of the layer has, and how many outputs an input."""
    if tensor.ndim < 2:
        raise ValueError(
            f"a weight of shape {tensor.shape} has no fan in and fan out: this initialisation is "
            "for at least 2 dimensions, (out, in, ...)"
        )
    field = math.prod(tensor.shape[2:])  # 1, or the size of a convolution's kernel
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Uniform in ±gain·√(6 / (fan_in + fan_out))."""
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Generator | None = None) -> T:
    """Normal with standard deviation gain·√(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode {mode!r} is neither 'fan_in' nor 'fan_out'")
    fan = _fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: T,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Uniform in ±gain·√(3 / fan); `a` is the negative slope of a leaky ReLU."""
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> T:
    """Normal with standard deviation gain / √fan; `a` is the negative slope of a leaky ReLU."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: T, gain: float = 1, generator: Generator | None = None) -> T:
    """A matrix with orthogonal rows or columns, whichever are fewer, of length `gain` (Saxe et al.
    2013). Dimensions after the first count as one."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs at least 2 dimensions, not shape {tensor.shape}")
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    rng = generator or random.generator()
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # else the signs would not be random
    return _filled(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))
