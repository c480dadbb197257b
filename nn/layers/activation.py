"""Activation functions as modules, by PyTorch's names: functions with their arguments kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import Tensor
from engine.rule import Rule
from engine.tensor import OPERATIONS
from nn import functional as F
from nn.module import Module, Parameter


class _Activation(Module):
    """A function, and what it is called with besides its input."""

    function: Callable[..., Any]

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = tuple(settings)
        for name, value in settings.items():
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        settings = {name: getattr(self, name) for name in self._settings}
        return type(self).function(input, **settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self._settings)


class _WithoutSettings(_Activation):
    function: Rule

    def __init__(self) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return OPERATIONS[self.function](input)


class ReLU(_WithoutSettings):
    """max(0, x); its slope at 0 is 0."""

    function = F.relu


class ReLU6(_WithoutSettings):
    """min(max(0, x), 6)."""

    function = F.relu6


class Sigmoid(_WithoutSettings):
    """1 / (1 + e^−x): outputs in (0, 1)."""

    function = F.sigmoid


class Tanh(_WithoutSettings):
    """tanh x: outputs in (−1, 1)."""

    function = F.tanh


class LogSigmoid(_WithoutSettings):
    """log(1 / (1 + e^−x)), stable for large −x."""

    function = F.logsigmoid


class SELU(_WithoutSettings):
    """ELU with the scales that keep mean 0 and variance 1; Klambauer et al. (2017)."""

    function = F.selu


class SiLU(_WithoutSettings):
    """x · sigmoid(x), also called Swish; Ramachandran et al. (2017)."""

    function = F.silu


class Mish(_WithoutSettings):
    """x · tanh(softplus(x)); Misra (2019)."""

    function = F.mish


class Softsign(_WithoutSettings):
    """x / (1 + |x|)."""

    function = F.softsign


class Hardsigmoid(_WithoutSettings):
    """Three lines instead of a sigmoid: 0, x/6 + ½, 1."""

    function = F.hardsigmoid


class Hardswish(_WithoutSettings):
    """x · hardsigmoid(x); Howard et al. (2019)."""

    function = F.hardswish


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope · x: a unit that is off still learns."""

    function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=negative_slope)


class ELU(_Activation):
    """x where x > 0, else α(eˣ − 1); Clevert et al. (2016)."""

    function = F.elu

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class CELU(_Activation):
    """max(0, x) + min(0, α(e^(x/α) − 1)); Barron (2017)."""

    function = F.celu

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(alpha=alpha)


class GELU(_Activation):
    """x · Φ(x), Φ the normal distribution; Hendrycks and Gimpel (2016)."""

    function = staticmethod(F.gelu)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__(approximate=approximate)


class Softplus(_Activation):
    """log(1 + e^(βx)) / β, a smooth ReLU; x itself where βx > threshold."""

    function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__(beta=beta, threshold=threshold)


class Hardtanh(_Activation):
    """x, but at least min_val and at most max_val."""

    function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__(min_val=min_val, max_val=max_val)


class Softmax(_Activation):
    """exp(x) / Σ exp(x) along `dim`."""

    function = staticmethod(F.softmax)

    def __init__(self, dim: int) -> None:
        super().__init__(dim=dim)


class LogSoftmax(_Activation):
    """log(softmax(x)) along `dim`."""

    function = staticmethod(F.log_softmax)

    def __init__(self, dim: int) -> None:
        super().__init__(dim=dim)


class Softmin(_Activation):
    """softmax(−x) along `dim`."""

    function = staticmethod(F.softmin)

    def __init__(self, dim: int) -> None:
        super().__init__(dim=dim)


class Step(_Activation):
    """0 where x <= 0, else 1: blocks gradients, or passes them on if straight_through."""

    function = staticmethod(F.step)

    def __init__(self, *, straight_through: bool = False) -> None:
        super().__init__(straight_through=straight_through)


class Maxout(_Activation):
    """The largest of each `pieces` features along `dim`; Goodfellow et al. (2013)."""

    function = staticmethod(F.maxout)

    def __init__(self, pieces: int, dim: int = 1) -> None:
        super().__init__(pieces=pieces, dim=dim)


class PReLU(Module):
    """x where x > 0, else weight · x, with a weight that learns, one or one for each channel; He et
    al. (2015). Weights start at `init`.

    >>> import engine, nn
    >>> nn.PReLU()(engine.tensor([-4.0, 4.0])).tolist()
    [-1.0, 4.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter([init] * num_parameters)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
