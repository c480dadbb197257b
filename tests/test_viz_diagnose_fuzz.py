"""Diagnosis of networks drawn at random, against the definitions written out in NumPy.

A finding that is missed and one too many both fail. The nets are of all depths, widths,
activations, initial scales and biases, in both dtypes; forward and backward are computed here by
hand.
"""

from functools import cache
from itertools import pairwise
from math import erf, exp, log, pi, sqrt

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value
from nn import functional as F

approx = pytest.approx
where = np.where

SEEDS = range(224)
SELU, ALPHA = 1.0507009873554805, 1.6732632423543772


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return where(z >= 0, 1, e) / (1 + e)


# Slopes as floating point has them: from the output, and so exactly 0 far out.
def sigmoid_slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


@np.vectorize
def normal(z):
    return 0.5 + 0.5 * erf(z / sqrt(2))


@np.vectorize
def density(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def below(z):
    return np.minimum(z, 0)


# Name: function, slope, largest slope, kind.
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0), 1, "hard"),
    "leaky_relu": (lambda z: where(z > 0, z, z / 100), lambda z: where(z > 0, 1, 0.01), 1, "hard"),
    "relu6": (lambda z: np.clip(z, 0, 6), lambda z: 1.0 * ((z > 0) & (z < 6)), 1, "hard"),
    "hardswish": (
        lambda z: z * np.clip(z + 3, 0, 6) / 6,
        lambda z: where(z <= -3, 0, where(z < 3, z / 3 + 0.5, 1)), 1.5, "hard",
    ),
    "hardtanh": (lambda z: np.clip(z, -1, 1), lambda z: 1.0 * (np.abs(z) < 1), 1, "hard bounded"),
    "hardsigmoid": (
        lambda z: np.clip(z / 6 + 0.5, 0, 1), lambda z: (np.abs(z) < 3) / 6, 1 / 6, "hard bounded",
    ),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, 1, "bounded"),
    "sigmoid": (sigmoid, sigmoid_slope, 0.25, "bounded"),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: (1 + np.abs(z)) ** -2.0, 1, "bounded"),
    "elu": (
        lambda z: where(z > 0, z, np.expm1(below(z))), lambda z: where(z > 0, 1, np.exp(below(z))),
        1, "",
    ),
    "selu": (
        lambda z: SELU * where(z > 0, z, ALPHA * np.expm1(below(z))),
        lambda z: SELU * where(z > 0, 1, ALPHA * np.exp(below(z))), SELU * ALPHA, "",
    ),
    "gelu": (lambda z: z * normal(z), lambda z: normal(z) + z * density(z), 1.128904, ""),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * sigmoid_slope(z), 1.09984, ""),
    "softplus": (lambda z: np.logaddexp(z, 0), sigmoid, 1, ""),
}  # fmt: skip


class Net(nn.Module):
    def __init__(self, weights, biases, activation):
        super().__init__()
        self.linears = nn.ModuleList()
        for weight, bias in zip(weights, biases, strict=True):
            linear = nn.Linear(*weight.shape[::-1])
            linear.weight.data, linear.bias.data = weight, bias
            self.linears.append(linear)
        self.activation = getattr(F, activation)

    def forward(self, x):
        *hidden, last = self.linears
        for linear in hidden:
            x = self.activation(linear(x))
        return last(x)


def drawn(seed, largest=40, deepest=12):
    """A net, its inputs, and the targets: numbers, classes, or zeros and ones."""
    random = np.random.RandomState(seed)
    activation = list(ACTIVATIONS)[seed % len(ACTIVATIONS)]
    depth, n = random.randint(1, deepest + 1), random.choice([2, 5, 40])
    sizes = random.randint(1, largest + 1, depth + 2)
    if random.rand() < 0.5:
        sizes[:] = min(largest, random.choice([8, 16, 32, 40]))
    sizes[-1] += 1  # at least two classes
    gain = random.choice([0.01, 0.3, 1.0, 2**0.5, 5 / 3, 4.0, 10.0, 100.0])
    weights = [random.randn(b, a) * gain / a**0.5 for a, b in pairwise(sizes)]
    shift = random.choice([0.0, 0.0, -1.0, 1.0, -4.0, 3.0])
    spread = random.choice([0.0, 0.0, 1.0])
    biases = [shift + spread * random.randn(len(weight)) for weight in weights]
    biases[-1] *= 0
    if random.rand() < 0.2:
        biases[random.randint(depth)] -= 50.0
    x = random.randn(n, sizes[0])
    shape = n, sizes[-1]
    y = [random.randn(*shape), random.randint(0, shape[1], n), random.randint(0, 2, shape)][
        seed % 3
    ]
    return activation, weights, biases, x, y


def loss_and_gradient(output, y):
    """Mean squared error, cross-entropy, or binary cross-entropy of logits; with its ln C."""
    if y.ndim == 1:
        logs = output - np.logaddexp.reduce(output, axis=1, keepdims=True)
        hot = np.eye(output.shape[1])[y]
        return -(logs * hot).sum() / len(y), (np.exp(logs) - hot) / len(y), log(output.shape[1])
    if y.dtype.kind == "i":
        p = sigmoid(output)
        return (np.logaddexp(output, 0) - output * y).mean(), (p - y) / y.size, log(2)
    return ((output - y) ** 2).mean(), 2 * (output - y) / y.size, None


def loss_of(output, y):
    if y.ndim == 1:
        return F.cross_entropy(output, engine.tensor(y))
    if y.dtype.kind == "i":
        return F.binary_cross_entropy_with_logits(output, engine.tensor(y.astype(output.dtype)))
    return F.mse_loss(output, engine.tensor(y.astype(output.dtype)))


def truth(activation, weights, biases, x, y, dead="DEAD"):
    """Rows (units, saturated, dead, grad_rms), R, rho and the findings, by the definitions."""
    f, slope, largest, kind = ACTIVATIONS[activation]
    zs, hs = [], [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        zs.append(hs[-1] @ weight.T + bias)
        hs.append(f(zs[-1]))
    loss, g, guessing = loss_and_gradient(hs[-1] @ weights[-1].T + biases[-1], y)
    gradients = []
    for weight, z in zip(weights[:0:-1], zs[::-1], strict=True):
        g = (g @ weight) * slope(z)
        gradients.insert(0, g)
    sizes = [float(np.sqrt(np.mean(np.square(g, dtype=np.longdouble)))) for g in gradients]
    findings, rows = [], []
    for number, (z, h, g, size) in enumerate(zip(zs, hs[1:], gradients, sizes, strict=True)):
        name, units = f"linears.{number} {activation}", z.shape[1]
        relative = np.abs(slope(z)) / largest
        saturated = np.mean(relative < 0.05)
        off = (relative == 0).all(axis=0) & ("hard" in kind)
        rows.append((units, saturated, off.sum(), size))
        share = off.mean()
        if share > 0.10:
            severity = "critical" if share == 1 else "warning" if share > 0.5 else "notice"
            findings.append((dead, severity, name))
        if "bounded" in kind and saturated > 0.25:
            findings.append(("SATURATED", "warning" if saturated > 0.5 else "notice", name))
        if (faint(h) & ~off).mean() > 0.25:
            findings.append(("DORMANT", "notice", name))
        if 0 < size < 1e-3 * np.median(sizes) or (faint(g) & ~off).mean() > 0.5:
            findings.append(("STARVED", "notice", name))
    ratio = rho = None
    if sizes[0] == 0:
        findings.append(("BLOCKED", "critical", f"linears.0 {activation}"))
    else:
        ratio = sizes[0] / sizes[-1]
        if len(sizes) > 1:
            rho = 10 ** -np.polyfit(np.arange(len(sizes)), np.log10(sizes), 1)[0]
        verdicts = {
            ("VANISHING", "warning"): ratio < 1e-3, ("EXPLODING", "warning"): ratio > 70,
            ("SHRINKING", "notice"): rho and rho < 0.5, ("GROWING", "notice"): rho and rho > 2,
        }  # fmt: skip
        findings += [(*verdict, "the network") for verdict, passed in verdicts.items() if passed]
    if dead == "BORN_DEAD" and guessing is not None and abs(loss - guessing) > 0.5:
        findings.append(("INIT_LOSS", "notice", "the loss"))
    return rows, ratio, rho, findings


def faint(numbers):
    """Units whose mean size is under 0.025 of the mean of their layer."""
    sizes = np.abs(numbers).mean(axis=0)
    return (sizes <= 0.025 * sizes.mean()) & (sizes.mean() > 0)


def compare(report, true, rel=1e-6):
    rows, ratio, rho, findings = true
    for row, (units, saturated, dead, size) in zip(report.layers, rows, strict=True):
        assert (row.units, row.dead) == (units, dead)
        assert row.saturated == approx(saturated, abs=1e-9)
        assert row.grad_rms == approx(size, rel=rel, abs=1e-300)
    if ratio is not None:
        found = report.R, report.rho
        assert found == (approx(ratio, rel=rel), None if rho is None else approx(rho, rel=rel))
    assert {(f.code, f.severity, f.where) for f in report.findings} == set(findings)


@cache
def expected(seed):
    return truth(*drawn(seed), dead="BORN_DEAD" if seed % 2 else "DEAD")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_nets_are_diagnosed_by_the_definitions(seed):
    activation, weights, biases, x, y = drawn(seed)
    model = Net(weights, biases, activation)
    report = viz.diagnose(model, Tensor(x), lambda output: loss_of(output, y), at_init=seed % 2 > 0)
    compare(report, expected(seed))


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_small_numbers_of_float32_are_no_zeros(seed):
    """Gradients of 1e-30, whose squares are 0 in float32."""
    random = np.random.RandomState(seed)
    depth, width = random.randint(6, 14), random.choice([4, 32])
    shape = width, width
    weights = [(random.randn(*shape) * 0.01 / width**0.5).astype(np.float32) for _ in range(depth)]
    biases = [np.zeros(width, np.float32) for _ in weights]
    x, y = random.randn(2, 20, width).astype(np.float32)
    report = viz.diagnose(Net(weights, biases, "tanh"), engine.tensor(x), lambda o: loss_of(o, y))
    exact = [[p.astype(float) for p in part] for part in (weights, biases)]
    compare(report, truth("tanh", *exact, x.astype(float), y.astype(float)), rel=1e-3)
    assert "VANISHING" in {finding.code for finding in report.findings}


@pytest.mark.parametrize("seed", range(14))
def test_random_nets_of_values_are_diagnosed_by_the_definitions(seed):
    activation, weights, biases, x, _ = drawn(2000 + seed, largest=5, deepest=3)
    x, y = x[:8], np.random.RandomState(seed).randn(len(x[:8]), len(weights[-1]))
    layers = [
        [
            ([Value(w, f"linears.{k}.w") for w in row], Value(b, f"linears.{k}.b"))
            for row, b in zip(weight, bias, strict=True)
        ]
        for k, (weight, bias) in enumerate(zip(weights, biases, strict=True))
    ]  # fmt: skip
    total = Value(0.0, "start")
    for example, targets in zip(x, y, strict=True):
        h = [Value(number) for number in example]
        for k, layer in enumerate(layers):
            h = [sum((w * a for w, a in zip(row, h, strict=True)), b) for row, b in layer]
            if k < len(layers) - 1:
                h = [getattr(F, activation)(z) for z in h]
        for output, target in zip(h, targets, strict=True):
            total = total + (output - float(target)) ** 2 * (1 / y.size)
    compare(viz.diagnose(total), truth(activation, weights, biases, x, y))


def test_the_comparison_is_not_empty():
    """The nets above show every finding, and some show none."""
    codes = [frozenset(code for code, *_ in expected(seed)[-1]) for seed in SEEDS]
    assert frozenset() in codes
    assert frozenset().union(*codes) == {
        "DEAD", "BORN_DEAD", "SATURATED", "DORMANT", "STARVED", "BLOCKED", "VANISHING", "EXPLODING",
        "SHRINKING", "GROWING", "INIT_LOSS",
    }  # fmt: skip
