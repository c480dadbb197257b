"""Second derivatives against HIPS autograd: the same formula, in its NumPy and in ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, Value, hessian, hvp

autograd = pytest.importorskip("autograd")
autograd_numpy = pytest.importorskip("autograd.numpy")

X = np.random.RandomState(0).uniform(0.2, 1.8, 5)
W = np.random.RandomState(1).randn(5, 5)

# Formulas of one vector, in whatever NumPy they are given.
FORMULAS: dict[str, Any] = {
    "products": lambda np, x: np.sum(x * x * x - 2 / x),
    "powers": lambda np, x: np.sum(x**2.5 + 2.0**x),
    "exponentials": lambda np, x: np.sum(np.exp(-x) * np.log(x) + np.log1p(x) * np.expm1(x)),
    "roots": lambda np, x: np.sum(np.sqrt(x) / (1 + np.sqrt(x * x + 1))),
    "waves": lambda np, x: np.sum(np.sin(x) * np.cos(2 * x) + np.tan(x / 2)),
    "hyperbolic": lambda np, x: np.sum(np.tanh(x) + np.sinh(x) * np.cosh(x / 2)),
    "inverse waves": lambda np, x: np.sum(np.arcsin(x / 2) * np.arctan(x) + np.arccos(x / 3)),
    "sigmoid": lambda np, x: np.sum(1 / (1 + np.exp(-3 * x)) ** 2),
    "softmax": lambda np, x: np.sum((np.exp(x) / np.sum(np.exp(x))) ** 3),
    "logsumexp": lambda np, x: np.log(np.sum(np.exp(x))) ** 2,
    "logaddexp": lambda np, x: np.sum(np.logaddexp(x, 1 - x)),
    "maximum": lambda np, x: np.sum(np.maximum(x * x, x)),
    "where": lambda np, x: np.sum(np.where(x > 1, x**3, np.sin(x))),
    "clip": lambda np, x: np.sum(np.clip(x, 0.5, 1.0) ** 3),
    "mean and variance": lambda np, x: np.mean(x**3) * np.var(x),
    "deviation": lambda np, x: np.std(x) ** 3,
    "norm": lambda np, x: np.sqrt(np.sum(x**2)) ** 3,
    "product of all": lambda np, x: np.prod(x),
    "running sums": lambda np, x: np.sum(np.cumsum(x) ** 3),
    "largest": lambda np, x: np.max(x) ** 3 + np.min(x) ** 2,
    "matrix": lambda np, x: np.sum(np.tanh(np.dot(W, x)) ** 2),
    "two layers": lambda np, x: np.sum(np.dot(W, np.tanh(np.dot(W, x))) ** 2),
    "outer product": lambda np, x: np.sum(np.outer(x, x * x) * W),
    "einsum": lambda np, x: np.sum(np.einsum("i,ij,j->", x, W, x * x)),
    "reshaped": lambda np, x: np.sum(
        np.dot(np.reshape(x[:4], (2, 2)), np.transpose(np.reshape(x[1:], (2, 2)))) ** 2
    ),
    "joined": lambda np, x: np.sum(np.concatenate([x, x * x]) ** 2 * np.ravel(np.stack([x, x]))),
    "indexed": lambda np, x: np.sum(x[[0, 0, 3]] ** 3 * x[1:4]),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_hessians_are_those_of_autograd(name: str) -> None:
    formula = FORMULAS[name]
    theirs = autograd.hessian(lambda x: formula(autograd_numpy, x))(X)
    ours = hessian(lambda x: formula(np, x), Tensor(X))
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * scale)
    v = np.linspace(-1.0, 2.0, 5)
    np.testing.assert_allclose(
        hvp(lambda x: formula(np, x), Tensor(X), v)[1], theirs @ v, rtol=1e-8, atol=1e-11 * scale
    )


UNARY = ["exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid"]


@pytest.mark.parametrize("name", UNARY)
def test_second_derivatives_of_values_are_those_of_autograd(name: str) -> None:
    def formula(np: Any, x: Any) -> Any:
        f = getattr(np, name) if name != "sigmoid" else lambda x: 1 / (1 + np.exp(-x))
        return f(x * x) * x

    for at in (0.3, 1.1, 1.7):
        theirs = autograd.grad(autograd.grad(lambda x: formula(autograd_numpy, x)))(at)
        assert hessian(lambda x: formula(np, x), Value(at)) == pytest.approx(theirs, rel=1e-10)


# --- where a zero upstream must not hide a second derivative --------------------------------------


@pytest.mark.parametrize("leaf", [Value, lambda x: Tensor(x, requires_grad=True)])
def test_a_factor_that_is_zero_by_chance_has_a_second_derivative(leaf: Any) -> None:
    """f = (x − 1)·exp(x): f' = x·exp(x), f'' = (x + 1)·exp(x), which is 2e at 1."""
    x = leaf(1.0)
    (slope,) = engine.grad((x - 1) * engine.exp(x), x, create_graph=True)
    (curvature,) = engine.grad(slope, x)
    assert float(slope) == pytest.approx(math.e, rel=1e-15)
    assert float(curvature) == pytest.approx(2 * math.e, rel=1e-15)


@pytest.mark.parametrize("leaf", [Value, lambda x: Tensor(x, requires_grad=True)])
def test_the_branch_not_taken_does_not_leak(leaf: Any) -> None:
    """where(x > 0, log x, x²) at 0: 0 and 2, although log has slope inf there."""
    x = leaf(0.0)
    with np.errstate(all="ignore"):
        y = engine.where(x > 0, engine.log(x), x * x)
    (slope,) = engine.grad(y, x, create_graph=True)
    (curvature,) = engine.grad(slope, x)
    assert float(slope) == 0.0
    assert float(curvature) == 2.0


@pytest.mark.parametrize("leaf", [Value, lambda x: Tensor(x, requires_grad=True)])
@pytest.mark.parametrize("x", [1.0, -1.0])
def test_a_quotient_by_a_plain_zero_has_an_infinite_slope(leaf: Any, x: float) -> None:
    x = leaf(x)
    with np.errstate(divide="ignore"):
        y = x / 0.0
    (slope,) = engine.grad(y, x, create_graph=True)
    assert float(slope) == math.inf
