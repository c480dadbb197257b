"""Gradient clipping."""

import math

import numpy as np
import pytest

import nn
from engine import Value
from nn.utils import clip_grad_norm_, clip_grad_value_

GRADS = [np.array([[3.0, -4.0], [0.5, 1.0]]), np.array([12.0, -0.1])]


def parameters():
    made = [nn.Parameter(np.zeros(g.shape)) for g in GRADS]
    for p, g in zip(made, GRADS, strict=True):
        p.grad = g.copy()
    return [*made, nn.Parameter([1.0])]  # the last has no gradient


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
@pytest.mark.parametrize("max_norm", [1.0, 1000.0])
def test_clipping_the_norm_is_that_of_pytorch(norm_type, max_norm):
    torch = pytest.importorskip("torch")
    ours, theirs = parameters(), [torch.zeros(g.shape, dtype=torch.float64) for g in GRADS]
    for t, g in zip(theirs, GRADS, strict=True):
        t.grad = torch.tensor(g)
    norm = clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert math.isclose(norm, expected.item(), rel_tol=1e-12)
    for p, t in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol=1e-12)
    assert ours[-1].grad is None


def test_a_clipped_gradient_keeps_its_direction_and_a_short_one_its_length():
    ps = parameters()
    long = np.concatenate([g.ravel() for g in GRADS])
    assert math.isclose(clip_grad_norm_(iter(ps), 1.0), np.linalg.norm(long))
    short = np.concatenate([p.grad.ravel() for p in ps[:2]])
    assert math.isclose(np.linalg.norm(short), 1, rel_tol=1e-6)
    np.testing.assert_allclose(short * np.linalg.norm(long), long, rtol=1e-6)
    kept = [p.grad for p in ps[:2]]
    clip_grad_norm_(ps, 5.0)
    assert all(p.grad is g for p, g in zip(ps, kept, strict=False))


def test_clipping_numbers_limits_each_of_them_and_writes_into_no_array():
    ps = parameters()
    held = ps[0].grad
    clip_grad_value_(ps, 1.0)
    assert ps[0].grad.tolist() == [[1.0, -1.0], [0.5, 1.0]]
    assert ps[1].grad.tolist() == [1.0, -0.1]
    np.testing.assert_array_equal(held, GRADS[0])


def test_values_are_clipped_too():
    x, y = Value(1.0), Value(2.0)
    (3 * x + 4 * y).backward()
    assert clip_grad_norm_([x, y], 1.0) == 5.0
    assert x.grad.__class__ is float
    assert math.isclose(x.grad, 0.6, rel_tol=1e-6)
    clip_grad_value_(y, 0.5)
    assert y.grad == 0.5


def test_a_norm_that_is_not_finite_is_an_error_if_asked_for():
    p = nn.Parameter([1.0])
    p.grad = np.array([np.nan])
    with pytest.raises(RuntimeError, match="the norm of the gradients is nan"):
        clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert math.isnan(clip_grad_norm_(p, 1.0))
    assert clip_grad_norm_([nn.Parameter([1.0])], 1.0) == 0
