"""Gradient clipping, by PyTorch's names: between `loss.backward()` and `optimizer.step()`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.node import Node


def _with_gradients(parameters: Any) -> list[Any]:
    given: Iterable[Any] = [parameters] if isinstance(parameters, Node) else parameters
    return [p for p in given if p.grad is not None]


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Shorten the gradient, taken as one long vector over all parameters, to `max_norm` if it is
    longer; its direction stays. The length before is returned: the number to watch.

    As in PyTorch the factor is max_norm / (norm + 1e-6), so that the new length is max_norm only
    up to one in a million.

    >>> import nn
    >>> p = nn.Parameter([0.0, 0.0])
    >>> p.grad = np.array([3.0, 4.0])
    >>> float(nn.utils.clip_grad_norm_(p, max_norm=1.0)), p.grad.round(4).tolist()
    (5.0, [0.6, 0.8])
    """
    clipped = _with_gradients(parameters)
    norms = [np.linalg.norm(np.ravel(p.grad), norm_type) for p in clipped]
    norm = np.float64(np.linalg.norm(norms, norm_type) if norms else 0.0)
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {norm}")
    factor = float(max_norm / (norm + 1e-6))
    if not factor >= 1:  # a norm of nan makes every gradient nan, as in PyTorch
        for p in clipped:
            p.grad = p.grad * factor
    return norm


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Limit every number of the gradients to ±`clip_value`. This changes the direction."""
    for p in _with_gradients(parameters):
        limited = np.clip(p.grad, -clip_value, clip_value)
        p.grad = limited if isinstance(p.grad, np.ndarray) else float(limited)
