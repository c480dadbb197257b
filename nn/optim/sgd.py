"""Gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.readings import Array
from engine.remembered import Remembered
from nn.optim.optimizer import Group, Number, Optimizer


def _downhill(key: tuple[float, Any]) -> Array:
    """−lr as an array without dimensions: NumPy multiplies by it in less time."""
    lr, dtype = key
    # As whole numbers, which a gradient set by hand may be, most rates would be 0.
    return np.array(-lr, dtype if dtype.kind == "f" else None)


_DOWNHILL = Remembered(_downhill, size=16)


class SGD(Optimizer):
    """w ← w − lr·g; with momentum μ: v ← μv + (1 − dampening)·g and w ← w − lr·v (Sutskever et al.
    2013, in PyTorch's form). With `nesterov` the step is g + μv. `weight_decay` λ adds λw to g.

    >>> import engine, nn
    >>> w = engine.Value(3.0)
    >>> optimizer = nn.optim.SGD([w], lr=0.1)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> w.data
    2.4
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening}
        settings |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, settings)

    def check(self, group: Group) -> None:
        super().check(group)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum, and no dampening")

    def update(self, data: Any, grad: Any, state: dict[str, Any], group: Group) -> Any:
        if group["weight_decay"]:
            grad = grad + group["weight_decay"] * data
        if group["momentum"]:
            grad = self._with_momentum(grad, state, group)
        if type(data) is float:  # a Value's, whose gradient may be any number
            return data - float(group["lr"]) * grad
        step = grad * _DOWNHILL[float(group["lr"]), grad.dtype]
        step += data
        return step

    def _with_momentum(self, grad: Number, state: dict[str, Any], group: Group) -> Number:
        momentum = group["momentum"]
        before = state.get("momentum_buffer")
        # The first is a copy: who sets p.grad[...] = 0 does not mean the momentum.
        v = +grad if before is None else momentum * before + (1 - group["dampening"]) * grad
        state["momentum_buffer"] = v
        return grad + momentum * v if group["nesterov"] else v
