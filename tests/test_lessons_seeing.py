"""Lessons about gradients that fade, with the numbers that they must show.

Each is a story that others told: why sigmoids vanish with depth and ReLUs do not, that saturated
and vanishing are two things (Glorot and Bengio, Nielsen, Karpathy), how small a step a gradient
check takes (CS231n), what a repeated weight does over time (Pascanu), micrograd's moons.
"""

import math
import random as python_random

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value
from engine.backprop import order
from engine.tape import Tape

approx = pytest.approx

UNITS, EXAMPLES = 64, 128
XAVIER, HE = math.sqrt(2 / (2 * UNITS)), math.sqrt(2 / UNITS)


def stack(activation, std, layers=10, bias=0.0, residual=False, seed=0):
    """Layers of 64 units without weights for their biases, and a random gradient at the end."""
    random = np.random.RandomState(seed)
    h = Tensor(random.randn(EXAMPLES, UNITS))
    weights = [Tensor(random.randn(UNITS, UNITS) * std, requires_grad=True) for _ in range(layers)]
    for weight in weights:
        a = getattr(h @ weight + bias, activation)()
        h = h + a if residual else a
    return viz.diagnose((h * (random.randn(EXAMPLES, UNITS) / EXAMPLES)).sum())


# --- vanishing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "std", "ratio", "rho"),
    [
        ("sigmoid", XAVIER, 1.964e-6, 0.2346),
        ("tanh", XAVIER, 0.283, 0.883),
        ("relu", HE, 1.055, 1.001),
        ("relu", XAVIER, 0.0466, 0.708),
        ("tanh", XAVIER * 5 / 3, 1.84, 1.08),
    ],
)
def test_a_stack_of_ten_layers(activation, std, ratio, rho):
    report = stack(activation, std)
    assert (report.R, report.rho) == (approx(ratio, rel=3e-3), approx(rho, rel=6e-3))


@pytest.mark.parametrize(
    ("activation", "std", "ratio"),
    [("tanh", 0.01, 1.3e-10), ("relu", 0.01, 6.3e-12), ("sigmoid", 1.0, 0.359), ("tanh", 1.0, 790),
     ("relu", 1.0, 6.3e6)],
)  # fmt: skip
def test_weights_too_small_and_too_large(activation, std, ratio):
    found = stack(activation, std).R
    assert found == approx(ratio, rel=0.03)


@pytest.mark.parametrize(("layers", "ratio"), [(20, 1.2e-12), (30, 7.5e-19)])
def test_deeper_sigmoids_vanish_further(layers, ratio):
    found = stack("sigmoid", XAVIER, layers).R
    assert found == approx(ratio, rel=0.05)


def test_skip_connections_keep_the_gradient():
    found = stack("sigmoid", XAVIER, 20, residual=True).R
    assert found == approx(3.3, abs=0.06)


@pytest.mark.parametrize(
    ("activation", "std", "low", "high"),
    [("sigmoid", XAVIER, 1.7e-6, 2.2e-6), ("tanh", XAVIER, 0.26, 0.31), ("relu", HE, 0.75, 1.26),
     ("relu", XAVIER, 0.033, 0.056)],
)  # fmt: skip
def test_it_is_not_the_seed(activation, std, low, high):
    ratios = [stack(activation, std, seed=seed).R for seed in range(10)]
    assert (min(ratios), max(ratios)) == (approx(low, rel=0.04), approx(high, rel=0.04))


# --- saturated and vanishing: two things --------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "std", "bias", "saturated", "ratio", "rho", "says"),
    [
        ("tanh", XAVIER, 0, 0.003, 0.283, 0.883, set()),
        ("sigmoid", XAVIER, 0, 0.000, 2.0e-6, 0.235, {"VANISHING"}),
        ("sigmoid", 1.0, 0, 0.414, 0.359, 0.914, {"SATURATED"}),
        ("sigmoid", XAVIER, 5, 0.731, 1.2e-17, 0.0134, {"SATURATED", "VANISHING"}),
        ("tanh", XAVIER, 3, 0.798, 1.3e-10, 0.080, {"SATURATED", "VANISHING"}),
        ("tanh", 1.0, 0, 0.775, 790, 2.13, {"SATURATED", "EXPLODING"}),
    ],
    ids=["neither", "vanishing", "saturated", "both", "both, tanh", "saturated and exploding"],
)
def test_the_table_of_saturated_and_vanishing(activation, std, bias, saturated, ratio, rho, says):
    report = stack(activation, std, bias=bias)
    assert np.mean([row.saturated for row in report.layers]) == approx(saturated, abs=6e-4)
    assert (report.R, report.rho) == (approx(ratio, rel=0.04), approx(rho, rel=0.01))
    about = {"SATURATED", "VANISHING", "EXPLODING"}
    assert {finding.code for finding in report.findings} & about == says


def test_a_gain_of_five_thirds_saturates_the_first_layer_most():
    shares = [row.saturated for row in stack("tanh", XAVIER * 5 / 3).layers]
    assert np.mean(shares) == approx(0.064, abs=6e-4)
    assert shares[0] == max(shares) == approx(0.181, abs=6e-4)


# --- the gradient check -------------------------------------------------------------------------


def errors(h, forward=False):
    """Of a 3-5-1 net with tanh on eight points and half the mean squared error: the largest
    difference between the gradient and differences with the step h."""
    random = np.random.RandomState(0)
    weights = [random.randn(3, 5), random.randn(5, 1)]
    points, targets = np.random.RandomState(3).randn(8, 3), np.random.RandomState(3).randn(8, 1)

    def loss(first, second):
        return (((Tensor(points) @ first).tanh() @ second - targets) ** 2).mean() / 2

    leaves = [Tensor(weight, requires_grad=True) for weight in weights]
    largest = 0.0
    for weight, gradient in zip(weights, engine.grad(loss(*leaves), leaves), strict=True):
        for place in np.ndindex(*weight.shape):
            before, values = weight[place], []
            for step in (h, 0.0 if forward else -h):
                weight[place] = before + step
                values.append(loss(*map(Tensor, weights)).item())
            weight[place] = before
            numeric = (values[0] - values[1]) / (h if forward else 2 * h)
            largest = max(largest, abs(numeric - gradient[place]))
    return largest


def test_the_error_of_a_numeric_gradient_is_a_v():
    """Down with h², up again when rounding takes over. (The right arm is noise: a range.)"""
    assert [errors(1e-1), errors(1e-3)] == approx([2.5e-3, 2.5e-7], rel=0.01)
    assert errors(1e-5) < 1e-10
    assert 5e-9 < errors(1e-8) < 5e-7
    assert 3e-5 < errors(1e-12) < 3e-3
    assert errors(1e-5, forward=True) == approx(3.6e-6, rel=0.02)


def test_a_kink_between_the_two_points_makes_a_numeric_gradient_wrong():
    h, at = 1e-5, -1e-6
    numeric = (engine.relu(at + h) - engine.relu(at - h)) / (2 * h)
    x = Value(at)
    x.relu().backward()
    assert (numeric, x.grad) == (approx(0.45), 0.0)


# --- a weight used again and again --------------------------------------------------------------


@pytest.mark.parametrize(("weight", "product"), [(0.9, 5.15e-3), (1.1, 117.4)])
def test_a_weight_used_fifty_times(weight, product):
    w, h = Value(weight, label="w"), Value(1.0, label="h")
    y = h
    for _ in range(50):
        y = y * w
    y.backward()
    assert h.grad == approx(product, rel=1e-3)
    assert viz.why_small(h).total == approx(math.log10(product), abs=1e-3)


@pytest.mark.parametrize(("radius", "ratio"), [(0.9, 6.2e-3), (1.1, 105)])
def test_a_matrix_used_fifty_times(radius, ratio):
    random = np.random.RandomState(0)
    matrix = random.randn(5, 5)
    matrix *= radius / np.abs(np.linalg.eigvals(matrix)).max()
    upstream = random.randn(5)
    h = Tensor(np.zeros(5), requires_grad=True)
    y = h
    for _ in range(50):
        y = Tensor(matrix) @ y
    (gradient,) = engine.grad(y, h, upstream)
    # How much exactly depends on the direction; how many decades does not.
    assert np.linalg.norm(gradient) / np.linalg.norm(upstream) == approx(ratio, rel=0.35)


def test_a_clipped_gradient_keeps_its_direction():
    parameter = nn.Parameter(np.zeros(3))
    parameter.grad = np.array([3.0, 4.0, 12.0])
    nn.utils.clip_grad_norm_([parameter], 1.0)
    assert np.linalg.norm(parameter.grad) == approx(1.0, rel=1e-5)
    assert parameter.grad * 13 == approx(np.array([3.0, 4.0, 12.0]), rel=1e-5)


def test_a_clipped_error_gets_no_gradient_where_huber_does():
    error = Tensor([-3.0, 0.5, 2.0], requires_grad=True)
    loss = (error.clamp(-1.0, 1.0) ** 2).sum()
    assert engine.grad(loss, error)[0].tolist() == [0.0, 1.0, 0.0]
    assert "clamp[0, 2] are off" in str(viz.why_zero(error, loss))
    huber = nn.functional.huber_loss(error, Tensor(np.zeros(3)), reduction="sum")
    assert engine.grad(huber, error)[0].tolist() == [-1.0, 0.5, 1.0]


# --- moons --------------------------------------------------------------------------------------


def moons(points=100):
    """micrograd's demo: a net of 337 parameters and its hinge loss, on a hundred points there."""
    sklearn = pytest.importorskip("sklearn.datasets")
    np.random.seed(1337)
    python_random.seed(1337)
    X, y = sklearn.make_moons(n_samples=points, noise=0.1)
    y = y * 2 - 1
    model = nn.MLP(2, [16, 16, 1])

    def loss():
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * score).relu() for yi, score in zip(y.tolist(), scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        regularisation = 1e-4 * sum(p * p for p in model.parameters())
        right = [(yi > 0) == (score.data > 0) for yi, score in zip(y, scores, strict=True)]
        return data_loss + regularisation, sum(right) / len(right)

    return model, loss


def test_moons_begin_where_micrograd_does_and_are_learned():
    model, loss = moons()
    assert len(model.parameters()) == 337
    total, accuracy = loss()
    assert (total.data, accuracy) == (approx(0.8958, abs=5e-5), 0.5)
    tape = Tape(total)
    for k in range(100):
        tape.replay()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
    total, accuracy = loss()
    assert accuracy == 1.0
    assert total.data < 0.012


def test_moons_are_diagnosed_layer_by_layer():
    _, loss = moons(20)
    total, _ = loss()
    assert len(order(total)) > 10_000
    first, second, _ = viz.diagnose(total).layers
    assert (first.name, first.units, first.examples) == ("layer0 relu", 16, 20)
    assert (second.name, second.units, second.examples) == ("layer1 relu", 16, 20)


@pytest.mark.parametrize(("lr", "after"), [(0.1, 0.0115), (1.0, 1.0), (1.1, 38.3)])
def test_the_learning_rate_on_a_parabola(lr, after):
    w = Value(1.0)
    for _ in range(20):
        w.grad = None
        (w**2).backward()
        w.data -= lr * w.grad
    assert w.data == approx(after, rel=5e-3)
