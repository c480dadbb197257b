"""Gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from engine.readings import Array
from nn.optim.optimizer import Group, Number, Optimizer


class _Rate(dict[Any, Array]):
    """A number and, by dtype, the same as an array without dimensions: NumPy multiplies by it in
    less time."""

    def __init__(self, number: float) -> None:
        self.number = number

    def __missing__(self, dtype: Any) -> Array:
        # As whole numbers, which a gradient set by hand may be, most rates would be 0.
        return self.setdefault(dtype, np.array(self.number, dtype if dtype.kind == "f" else None))


@lru_cache(maxsize=16)
def _downhill(lr: float) -> _Rate:
    return _Rate(-lr)


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
        rate = _downhill(float(group["lr"]))
        step = grad * (rate[grad.dtype] if isinstance(grad, np.ndarray) else rate.number)
        step += data
        return step

    def _with_momentum(self, grad: Number, state: dict[str, Any], group: Group) -> Number:
        momentum = group["momentum"]
        before = state.get("momentum_buffer")
        # The first is a copy: who sets p.grad[...] = 0 does not mean the momentum.
        v = +grad if before is None else momentum * before + (1 - group["dampening"]) * grad
        state["momentum_buffer"] = v
        return grad + momentum * v if group["nesterov"] else v
