"""Schedules of the learning rate, by PyTorch's names: call `scheduler.step()` after each epoch
(`OneCycleLR`: after each batch).

A schedule sets the `"lr"` of each group in `optimizer.param_groups`. It is saved and restored by
`state_dict` and `load_state_dict`, beside those of the optimizer.

>>> import engine, nn
>>> optimizer = nn.optim.SGD([engine.Value(1.0)], lr=1.0)
>>> scheduler = nn.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
>>> rates = []
>>> for epoch in range(4):
...     rates += scheduler.get_last_lr()
...     scheduler.step()
>>> rates
[1.0, 1.0, 0.1, 0.1]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from nn.optim.optimizer import Group, Optimizer


class LRScheduler:
    """The base class. A subclass says in `rate` what the learning rate of a group is at
    `self.last_epoch`, the number of steps so far."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.last_epoch = 0
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self._set()

    def rate(self, index: int, group: Group) -> float:
        """The learning rate of group `index` at step `self.last_epoch`."""
        raise NotImplementedError

    def _set(self) -> None:
        for index, group in enumerate(self.optimizer.param_groups):
            group["lr"] = self.rate(index, group)

    def step(self) -> None:
        """Go on to the next rate."""
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: everything but the optimizer and functions. (Not in PyTorch's
        form, unlike an optimizer's.)"""
        return {
            name: value
            for name, value in vars(self).items()
            if name != "optimizer" and not callable(value)
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """base · lr_lambda(t); one function, or one for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
    ) -> None:
        groups = len(optimizer.param_groups)
        functions = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(functions) != groups:
            raise ValueError(f"LambdaLR: {len(functions)} functions for {groups} parameter groups")
        self.lr_lambdas = functions
        super().__init__(optimizer)

    def rate(self, index: int, group: Group) -> float:
        return self.base_lrs[index] * self.lr_lambdas[index](self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        del state["lr_lambdas"]
        return state


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, index: int, group: Group) -> float:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return group["lr"] * self.gamma if due else group["lr"]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` every step."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, index: int, group: Group) -> float:
        return group["lr"] * self.gamma if self.last_epoch else group["lr"]


class CosineAnnealingLR(LRScheduler):
    """From the base down to `eta_min` along half a cosine in `T_max` steps, then up again
    (Loshchilov & Hutter 2017)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def rate(self, index: int, group: Group) -> float:
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (self.base_lrs[index] - self.eta_min) * share


class OneCycleLR(LRScheduler):
    """Up to `max_lr`, down again, and far below: Smith & Topin 2018, one step for each batch.

    The cycle takes `total_steps`, or `epochs * steps_per_epoch`. It starts at max_lr/div_factor,
    is at the top after `pct_start` of it, and ends at the start divided by `final_div_factor`;
    between, the rate follows half a cosine ("cos") or a line ("linear"). With `three_phase` it
    comes down to the start as fast as it went up, and then further. Meanwhile the momentum (Adam's
    first beta) goes from `max_momentum` to `base_momentum` and back.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy {anneal_strategy!r} is neither 'cos' nor 'linear'")
        if cycle_momentum and not {"momentum", "betas"} & optimizer.defaults.keys():
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has no momentum: cycle_momentum=False"
            )
        groups = len(optimizer.param_groups)
        tops = [max_lr] * groups if isinstance(max_lr, (int, float)) else list(max_lr)
        if len(tops) != groups:
            raise ValueError(f"OneCycleLR: {len(tops)} values of max_lr for {groups} groups")
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        starts = [top / div_factor for top in tops]
        ends = [start / final_div_factor for start in starts]
        top_at = pct_start * total_steps - 1
        low, high = base_momentum, max_momentum
        # Phases as (last step, rates at its end, momentum at its end).
        if three_phase:
            self.phases = [(top_at, tops, low), (2 * top_at, starts, high)]
        else:
            self.phases = [(top_at, tops, low)]
        self.phases.append((total_steps - 1, ends, high))
        self.start = (starts, high)
        for group, start in zip(optimizer.param_groups, starts, strict=True):
            group["initial_lr"] = start
        super().__init__(optimizer)

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    def rate(self, index: int, group: Group) -> float:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a cycle of {self.total_steps} steps"
            )
        begin, (rates, momentum) = 0.0, self.start
        for end, next_rates, next_momentum in self.phases:
            if self.last_epoch <= end or end == self.total_steps - 1:
                break
            begin, rates, momentum = end, next_rates, next_momentum
        share = (self.last_epoch - begin) / (end - begin)
        if self.cycle_momentum:
            value = self._between(momentum, next_momentum, share)
            if "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value
        return self._between(rates[index], next_rates[index], share)
