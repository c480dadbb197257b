"""Diagnosis of networks drawn at random, against the definitions written out in NumPy.

A finding that is missed and one too many both fail. The nets are of all depths, widths,
activations, initial scales and biases; forward and backward are computed here by hand.
"""

from itertools import pairwise

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value

approx = pytest.approx


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


# Slopes as floating point has them: from the output, and so exactly 0 far out.
def sigmoid_slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


# Name: function, slope, largest slope, kind.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0), 1, "hard"),
    "leaky_relu": (lambda z: np.where(z > 0, z, z / 100), lambda z: np.where(z > 0, 1, 0.01), 1, "hard"),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: 1.0 * ((z > 0) & (z < 6)), 1, "hard"),
    "hardtanh": (lambda z: np.clip(z, -1, 1), lambda z: 1.0 * (np.abs(z) < 1), 1, "hard bounded"),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, 1, "bounded"),
    "sigmoid": (sigmoid, sigmoid_slope, 0.25, "bounded"),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: (1 + np.abs(z)) ** -2.0, 1, "bounded"),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))), 1, "",
    ),
    "silu": (
        lambda z: z * sigmoid(z), lambda z: np.abs(sigmoid(z) + z * sigmoid_slope(z)), 1.09984, "",
    ),
}  # fmt: skip


def function(name):
    return getattr(engine, name, None) or getattr(nn.functional, name)


class Net(nn.Module):
    def __init__(self, weights, biases, activation):
        super().__init__()
        self.linears = nn.ModuleList()
        for weight, bias in zip(weights, biases, strict=True):
            linear = nn.Linear(*weight.shape[::-1])
            linear.weight.data, linear.bias.data = weight, bias
            self.linears.append(linear)
        self.activation = function(activation)

    def forward(self, x):
        *hidden, last = self.linears
        for linear in hidden:
            x = self.activation(linear(x))
        return last(x)


def drawn(seed, largest=64, deepest=12):
    """A net, its inputs, and the gradient of the loss with respect to its outputs."""
    random = np.random.RandomState(seed)
    activation = list(ACTIVATIONS)[seed % len(ACTIVATIONS)]
    depth, n = random.randint(1, deepest + 1), random.choice([2, 5, 40, 150])
    sizes = random.randint(2, largest + 1, depth + 2)
    if random.rand() < 0.5:
        sizes[:] = random.choice([8, 16, 32, largest])
    gain = random.choice([0.3, 1.0, 2**0.5, 5 / 3, 4.0, 10.0])
    weights = [random.randn(b, a) * gain / a**0.5 for a, b in pairwise(sizes)]
    shift = random.choice([0.0, 0.0, -1.0, 1.0, -4.0, 3.0])
    spread = random.choice([0.0, 0.0, 1.0])
    biases = [shift + spread * random.randn(len(weight)) for weight in weights]
    biases[-1] *= 0
    if random.rand() < 0.2:
        biases[random.randint(depth)] -= 50.0
    x = random.randn(n, sizes[0])
    upstream = random.randn(n, sizes[-1]) / n
    return activation, weights, biases, x, upstream


def truth(activation, weights, biases, x, upstream):
    """Rows (saturated, dead, grad_rms), R, rho and the findings, by the definitions."""
    f, slope, largest, kind = ACTIVATIONS[activation]
    zs, h = [], x
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        zs.append(h @ weight.T + bias)
        h = f(zs[-1])
    slopes = [slope(z) for z in zs]
    g, sizes = upstream, []
    for weight, s, z in reversed(list(zip(weights[1:], slopes, zs, strict=True))):
        sign = np.sign(sigmoid(z) + z * sigmoid_slope(z)) if activation == "silu" else 1
        g = (g @ weight) * s * sign
        sizes.insert(0, np.sqrt(np.mean(g**2)))
    findings = []
    rows = []
    for number, s in enumerate(slopes):
        where = f"linears.{number} {activation}"
        saturated = np.mean(s / largest < 0.05)
        dead = int((s == 0).all(axis=0).sum()) if "hard" in kind else 0
        share = dead / s.shape[1]
        rows.append((s.shape[1], saturated, dead, sizes[number]))
        if share > 0.10:
            severity = "critical" if share == 1 else "warning" if share > 0.5 else "notice"
            findings.append(("DEAD", severity, where))
        if "bounded" in kind and saturated > 0.25:
            findings.append(("SATURATED", "warning" if saturated > 0.5 else "notice", where))
        if 0 < sizes[number] < 1e-3 * np.median(sizes):
            findings.append(("STARVED", "notice", where))
    ratio = rho = None
    if sizes[0] == 0:
        findings.append(("BLOCKED", "critical", f"linears.0 {activation}"))
    else:
        ratio = sizes[0] / sizes[-1]
        if len(sizes) > 1:
            rho = 10 ** -np.polyfit(np.arange(len(sizes)), np.log10(sizes), 1)[0]
        if ratio < 1e-3:
            findings.append(("VANISHING", "warning", ""))
        elif ratio > 70:
            findings.append(("EXPLODING", "warning", ""))
        elif rho is not None and rho < 0.5:
            findings.append(("SHRINKING", "notice", ""))
        elif rho is not None and rho > 2:
            findings.append(("GROWING", "notice", ""))
    return rows, ratio, rho, findings


def compare(report, expected):
    rows, ratio, rho, findings = expected
    for row, (units, saturated, dead, size) in zip(report.layers, rows, strict=True):
        assert (row.units, row.dead) == (units, dead)
        assert row.saturated == approx(saturated, abs=1e-9)
        assert row.grad_rms == approx(size, rel=1e-6, abs=1e-300)
    if ratio is not None:
        found = report.R
        assert found == approx(ratio, rel=1e-6)
    if rho is not None:
        assert report.rho == approx(rho, rel=1e-6)
    found = {(f.code, f.severity, f.where) for f in report.findings if f.code != "DORMANT"}
    assert found == set(findings)


@pytest.mark.parametrize("seed", range(135))
def test_random_nets_are_diagnosed_by_the_definitions(seed):
    activation, weights, biases, x, upstream = drawn(seed)
    model = Net(weights, biases, activation)
    report = viz.diagnose(model, Tensor(x), lambda output: (output * upstream).sum())
    compare(report, truth(activation, weights, biases, x, upstream))


@pytest.mark.parametrize("seed", range(9))
def test_random_nets_of_values_are_diagnosed_by_the_definitions(seed):
    activation, weights, biases, x, upstream = drawn(1000 + seed, largest=5, deepest=3)
    x, upstream = x[:8], upstream[:8]
    layers = [
        [
            ([Value(w, f"linears.{k}.neuron{i}.w") for w in row], Value(b, f"linears.{k}.neuron{i}.b"))
            for i, (row, b) in enumerate(zip(weight, bias, strict=True))
        ]
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True))
    ]  # fmt: skip
    total = Value(0.0, "start")
    for example, factors in zip(x, upstream, strict=True):
        h = [Value(number) for number in example]
        for k, layer in enumerate(layers):
            h = [sum((w * a for w, a in zip(row, h, strict=True)), b) for row, b in layer]
            if k < len(layers) - 1:
                h = [function(activation)(z) for z in h]
        for output, factor in zip(h, factors, strict=True):
            total = total + output * float(factor)
    compare(viz.diagnose(total), truth(activation, weights, biases, x, upstream))


HEALTHY = [
    ("tanh", 1.0), ("relu", 2**0.5), ("relu6", 2**0.5), ("leaky_relu", 2**0.5), ("silu", 2**0.5),
    ("elu", 1.2), ("softsign", 1.4), ("hardtanh", 0.8),
]  # fmt: skip


@pytest.mark.parametrize(("activation", "gain"), HEALTHY)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("width", "depth"), [(128, 3), (64, 4), (256, 2)])
def test_healthy_nets_raise_no_alarm(activation, gain, seed, width, depth):
    random = np.random.RandomState(seed)
    sizes = [20] + [width] * depth + [10]
    weights = [random.randn(b, a) * gain / a**0.5 for a, b in pairwise(sizes)]
    model = Net(weights, [np.zeros(len(weight)) for weight in weights], activation)
    x, y = Tensor(random.randn(256, 20)), Tensor(random.randn(256, 10))
    report = viz.diagnose(model, x, lambda output: ((output - y) ** 2).mean())
    assert report.findings == ()


def test_nothing_said_of_one_net_is_said_of_all():
    """The nets above show every finding, and some show none: the comparison is not empty."""
    codes = [
        frozenset(code for code, *_ in truth(*drawn(seed))[-1]) for seed in range(135)
    ]  # fmt: skip
    assert frozenset() in codes
    assert frozenset().union(*codes) == {
        "DEAD", "SATURATED", "STARVED", "BLOCKED", "VANISHING", "EXPLODING", "SHRINKING", "GROWING",
    }  # fmt: skip
