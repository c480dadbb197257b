"""Nets that are as they should be raise no alarm, before training and after it.

An alarm is a warning, or worse. A notice says what is so: that a sigmoid layer shrinks a gradient,
that one unit in ten of a ReLU layer is off for these examples.
"""

from itertools import pairwise

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from nn import functional as F


def alarms(model, x, loss, **keywords):
    report = viz.diagnose(model, x, loss, **keywords)
    return [str(found) for found in report.findings if found.severity != "notice"]


class Block(nn.Module):
    """A block with a skip connection."""

    def __init__(self, width, activation):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), activation(), nn.Linear(width, width)
        )

    def forward(self, x):
        return x + self.inner(x)


def stack(width, depth, activation, between=None, inputs=20, outputs=10):
    """Linear, perhaps a normalization, activation, `depth` times, and a last Linear."""
    parts = []
    for size in [inputs] + [width] * (depth - 1):
        parts += [nn.Linear(size, width), *([between(width)] if between else []), activation()]
    return nn.Sequential(*parts, nn.Linear(width, outputs))


def initialised(model, activation):
    """He for what is cut off below 0, Xavier for what is bounded."""
    bounded = activation in (nn.Tanh, nn.Sigmoid, nn.Softsign, nn.Hardtanh)
    init = nn.init.xavier_normal_ if bounded else nn.init.kaiming_normal_
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            init(module.weight)
            nn.init.zeros_(module.bias)
    return model


ACTIVATIONS = [nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish,
               nn.Tanh, nn.Softsign, nn.Hardtanh]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("width", "depth", "n"), [(64, 2, 8), (32, 4, 32), (128, 4, 128), (64, 10, 64), (64, 16, 256)]
)
def test_untrained_nets(activation, width, depth, n):
    random = np.random.RandomState(depth)
    engine.manual_seed(depth)
    model = initialised(stack(width, depth, activation), activation)
    x, y = Tensor(random.randn(n, 20)), engine.tensor(random.randint(0, 10, n))
    assert alarms(model, x, lambda output: F.cross_entropy(output, y), at_init=True) == []


@pytest.mark.parametrize("activation", [*ACTIVATIONS, nn.Sigmoid])
def test_nets_as_their_layers_are_made(activation):
    engine.manual_seed(1)
    model, random = stack(64, 3, activation), np.random.RandomState(1)
    x, y = Tensor(random.randn(128, 20)), Tensor(random.randn(128, 10))
    assert alarms(model, x, lambda output: F.mse_loss(output, y)) == []


@pytest.mark.parametrize("between", [nn.LayerNorm, nn.BatchNorm1d])
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_normalized_nets(between, activation):
    engine.manual_seed(2)
    model, random = stack(64, 8, activation, between), np.random.RandomState(2)
    initialised(model, activation)
    x, y = Tensor(random.randn(64, 20)), engine.tensor(random.randint(0, 10, 64))
    assert alarms(model, x, lambda output: F.cross_entropy(output, y)) == []


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_deep_residual_nets(activation):
    engine.manual_seed(3)
    blocks = [Block(32, activation) for _ in range(20)]
    model, random = nn.Sequential(nn.Linear(20, 32), *blocks, nn.Linear(32, 1)), np.random
    x, y = Tensor(random.RandomState(3).randn(64, 20)), Tensor(random.RandomState(4).randn(64, 1))
    assert alarms(model, x, lambda output: F.mse_loss(output, y)) == []


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("n", [1, 16])
def test_convolutional_nets(activation, n):
    engine.manual_seed(4)
    parts = []
    for a, b in pairwise([1, 8, 16]):
        parts += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), activation(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Linear(16 * 4, 32), activation(), nn.Linear(32, 10)]
    model, random = nn.Sequential(*parts, *head), np.random.RandomState(4)
    x, y = Tensor(random.rand(n, 1, 8, 8)), engine.tensor(random.randint(0, 10, n))
    assert alarms(model, x, lambda output: F.cross_entropy(output, y)) == []


def moons(n, seed=0):
    random = np.random.RandomState(seed)
    angle, kind = random.rand(n) * np.pi, random.randint(0, 2, n)
    one, other = (
        np.stack([np.cos(angle), np.sin(angle)]),
        np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)]),
    )
    return np.where(kind, other, one).T + 0.1 * random.randn(n, 2), kind  # fmt: skip


@pytest.mark.parametrize("activation", [nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU])
def test_trained_classifiers(activation):
    """Sure of its answers, so that the sigmoid of its loss is flat: that is no saturation."""
    engine.manual_seed(5)
    points, kinds = moons(200)
    x, y = Tensor(points), Tensor(kinds[:, None].astype(float))
    model = initialised(stack(16, 2, activation, inputs=2, outputs=1), activation)
    with_sigmoid = nn.Sequential(model, nn.Sigmoid())
    optimizer = nn.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(250):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(x), y).backward()
        optimizer.step()
    probabilities = with_sigmoid(x).numpy()
    assert np.mean((probabilities > 0.5) == kinds[:, None]) > 0.98
    assert np.mean(probabilities * (1 - probabilities) < 0.05 * 0.25) > 0.5
    assert alarms(model, x, lambda logits: F.binary_cross_entropy_with_logits(logits, y)) == []
    assert alarms(with_sigmoid, x, lambda p: F.binary_cross_entropy(p, y)) == []


def test_a_trained_regression():
    engine.manual_seed(6)
    points = np.linspace(-3, 3, 128)[:, None]
    x, y = Tensor(points), Tensor(np.sin(points))
    model = initialised(stack(32, 3, nn.Tanh, inputs=1, outputs=1), nn.Tanh)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    assert F.mse_loss(model(x), y).item() < 0.01
    assert alarms(model, x, lambda output: F.mse_loss(output, y)) == []


def test_a_net_of_values():
    import random

    random.seed(1337)
    points, kinds = moons(30)
    model = nn.MLP(2, [16, 16, 1])

    def loss(scores):
        signs = (2 * kinds - 1).tolist()
        margins = [(1 - s * score).relu() for s, score in zip(signs, scores, strict=True)]
        return sum(margins) * (1 / len(margins))

    report = viz.diagnose(model, points, loss)
    assert [(row.units, row.examples) for row in report.layers] == [(16, 30), (16, 30)]
    assert {found.severity for found in report.findings} <= {"notice"}


def test_an_attention_with_a_mask():
    """Its −inf is meant."""
    random = np.random.RandomState(7)
    x = Tensor(random.randn(5, 8))
    weights = [nn.Parameter(random.randn(8, 8) / 8**0.5) for _ in range(3)]
    mask = np.triu(np.full((5, 5), -np.inf), 1)

    def attention(x):
        q, k, v = (x @ weight for weight in weights)
        return ((q @ k.T / 8**0.5 + mask).softmax(-1) @ v).tanh()

    report = viz.diagnose(attention, x, lambda output: (output**2).mean())
    assert [found.code for found in report.findings] == []
    assert len(report.layers) == 1
