"""Optimizers that give every weight a step of its own, by the size of its past gradients.

`+=` and the like stand only where the name was just given a new array, or a float: they save the
time of making one more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from nn.optim.optimizer import Group, Number, Optimizer


def _decayed(grad: Number, data: Number, group: Group) -> Number:
    """The gradient of the loss plus ½λw²."""
    return grad + group["weight_decay"] * data if group["weight_decay"] else grad


def _mean(before: Any, new: Any, beta: float) -> Any:
    """The running mean β·before + (1 − β)·new, from 0."""
    mean = (1 - beta) * new
    if before is not None:
        mean += beta * before
    return mean


def _moved(data: Number, step: Any, deviation: Any, group: Group) -> Number:
    """data + step / (deviation + ε); `step` and `deviation` are the caller's own."""
    deviation += group["eps"]
    step /= deviation
    step += data
    return step


class Adagrad(Optimizer):
    """s ← s + g²; w ← w − lr'·g / (√s + ε) with lr' = lr / (1 + (t − 1)·lr_decay)
    (Duchi et al. 2011)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        settings |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, settings)

    def update(self, data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        grad = _decayed(grad, data, group)
        t = state["step"] = state.get("step", 0) + 1
        so_far: Any = state.get("sum", group["initial_accumulator_value"])
        squares = so_far + grad * grad
        state["sum"] = squares
        lr = float(group["lr"] / (1 + (t - 1) * group["lr_decay"]))
        return _moved(data, -lr * grad, squares**0.5, group)


class RMSprop(Optimizer):
    """s ← αs + (1 − α)g²; w ← w − lr·g / (√s + ε) (Hinton's lecture 6e, in PyTorch's form). With
    `centered` the mean gradient squared is taken off s: what is left is the variance. With a momentum μ,
    v ← μv + g / (√s + ε) and w ← w − lr·v."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        settings |= {"momentum": momentum, "centered": centered, "maximize": maximize}
        super().__init__(params, settings)

    def update(self, data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        grad, alpha = _decayed(grad, data, group), group["alpha"]
        state["step"] = state.get("step", 0) + 1  # not needed here, but by PyTorch
        variance = state["square_avg"] = _mean(state.get("square_avg"), grad * grad, alpha)
        if group["centered"]:
            mean = state["grad_avg"] = _mean(state.get("grad_avg"), grad, alpha)
            variance = _larger(variance - mean * mean, 0.0)  # rounding must not make it negative
        lr = float(group["lr"])
        if not group["momentum"]:
            return _moved(data, -lr * grad, variance**0.5, group)
        step = grad / (variance**0.5 + group["eps"])
        step += group["momentum"] * state.get("momentum_buffer", 0.0)
        state["momentum_buffer"] = step
        return data - lr * step


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g and v ← β₂v + (1 − β₂)g², both divided by what they lack after t steps
    from 0, 1 − βᵗ; w ← w − lr·m̂ / (√v̂ + ε) (Kingma & Ba 2015). `amsgrad` divides by the largest v
    so far (Reddi et al. 2018).

    >>> import engine, nn
    >>> w = engine.Value(3.0)
    >>> optimizer = nn.optim.Adam([w], lr=0.1)
    >>> (w * w).backward()
    >>> optimizer.step()
    >>> round(w.data, 6)  # the first step is lr, whatever the gradient
    2.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group: Group) -> None:
        super().check(group)
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ValueError(
                f"{type(self).__name__}: betas are {group['betas']}, expected in [0, 1)"
            )

    def update(self, data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        return self.moved(data, _decayed(grad, data, group), state, group)

    @staticmethod
    def moved(data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        """`data` after Adam's step along `grad`."""
        beta1, beta2 = group["betas"]
        t = state["step"] = state.get("step", 0) + 1
        m = state["exp_avg"] = _mean(state.get("exp_avg"), grad, beta1)
        v = state["exp_avg_sq"] = _mean(state.get("exp_avg_sq"), grad * grad, beta2)
        if group["amsgrad"]:
            v = state["max_exp_avg_sq"] = _larger(state.get("max_exp_avg_sq", v), v)
        deviation = v**0.5
        deviation /= (1 - beta2**t) ** 0.5
        return _moved(data, -float(group["lr"] / (1 - beta1**t)) * m, deviation, group)


class AdamW(Adam):
    """Adam with the decay of weights apart from the gradient: w ← w − lr·λ·w before Adam's step
    (Loshchilov & Hutter 2019)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def update(self, data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        kept = 1 - float(group["lr"]) * group["weight_decay"]
        return self.moved(data * kept, grad, state, group)


def _larger(a: Any, b: Any) -> Any:
    return np.maximum(a, b) if isinstance(a, np.ndarray) else max(a, b)
