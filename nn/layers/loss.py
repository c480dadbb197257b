"""Losses as modules: the functions of `nn.functional` with their arguments kept.

`weight` and `pos_weight` are buffers, so that they are saved with the module, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

from nn import functional as F
from nn.module import Buffer, Module


class _Loss(Module):
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction


class MSELoss(_Loss):
    """The mean of (x − t)²: `F.mse_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """The mean of |x − t|: `F.l1_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """A parabola that goes on straight with slope ±1: `F.smooth_l1_loss`."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """A parabola that goes on straight with slope ±delta: `F.huber_loss`."""

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class SmoothL2Loss(_Loss):
    """As it is found in print: `F.smooth_l2_loss`."""

    def __init__(self, eps: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.eps = eps

    def forward(self, input: Any, target: Any) -> Any:
        return F.smooth_l2_loss(input, target, self.eps, reduction=self.reduction)


class QuantileLoss(_Loss):
    """The pinball loss, whose best constant prediction is the q-quantile: `F.quantile_loss`."""

    def __init__(self, q: float = 0.5, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.q = q

    def forward(self, input: Any, target: Any) -> Any:
        return F.quantile_loss(input, target, self.q, reduction=self.reduction)


class HingeLoss(_Loss):
    """max(0, 1 − t·x) for targets of −1 and 1: `F.hinge_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.hinge_loss(input, target, reduction=self.reduction)


class SquaredHingeLoss(_Loss):
    """max(0, 1 − t·x)² for targets of −1 and 1: `F.squared_hinge_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.squared_hinge_loss(input, target, reduction=self.reduction)


class LogLoss(_Loss):
    """−Σ t·log p for probabilities p: `F.log_loss`."""

    def forward(self, input: Any, target: Any) -> Any:
        return F.log_loss(input, target, reduction=self.reduction)


class KLDivLoss(_Loss):
    """t·(log t − x) for log-probabilities x: `F.kl_div`."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities: `F.binary_cross_entropy`."""

    weight: Buffer | None

    def __init__(self, weight: Any = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of logits: `F.binary_cross_entropy_with_logits`."""

    weight: Buffer | None
    pos_weight: Buffer | None

    def __init__(
        self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_Loss):
    """−x at the target's class, for log-probabilities x: `F.nll_loss`."""

    weight: Buffer | None

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class CrossEntropyLoss(_Loss):
    """−Σ t·log softmax(x) for logits x: `F.cross_entropy`."""

    weight: Buffer | None

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
