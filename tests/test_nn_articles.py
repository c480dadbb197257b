"""Every activation and loss that articles for beginners name, with the formulas printed there: for
Values and Tensors, as function and as module, each with its derivative."""

import math

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value
from nn import functional as F


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def is_positive(x):
    return 1.0 if x > 0 else 0.0


# (function, its arguments, module, formula, derivative): what the articles print
ACTIVATIONS = [
    ("step", {}, nn.Step, is_positive, lambda x: 0.0),
    ("step", {"straight_through": True}, nn.Step, is_positive, lambda x: 1.0),
    ("sigmoid", {}, nn.Sigmoid, sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    ("tanh", {}, nn.Tanh, math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    ("relu", {}, nn.ReLU, lambda x: max(0.0, x), is_positive),
    (
        "leaky_relu", {}, nn.LeakyReLU,
        lambda x: max(0.01 * x, x), lambda x: 1.0 if x > 0 else 0.01,
    ),
    (
        "leaky_relu", {"negative_slope": 0.2}, nn.LeakyReLU,
        lambda x: max(0.2 * x, x), lambda x: 1.0 if x > 0 else 0.2,
    ),
    (
        "elu", {}, nn.ELU,
        lambda x: x if x > 0 else math.exp(x) - 1, lambda x: 1.0 if x > 0 else math.exp(x),
    ),
    (
        "elu", {"alpha": 2.0}, nn.ELU,
        lambda x: x if x > 0 else 2 * (math.exp(x) - 1),
        lambda x: 1.0 if x > 0 else 2 * math.exp(x),
    ),
    (
        "silu", {}, nn.SiLU,
        lambda x: x * sigmoid(x), lambda x: sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),
    ),
]  # fmt: skip
POINTS = [-3.0, -0.5, 0.25, 2.0]


@pytest.mark.parametrize(("name", "arguments", "module", "formula", "derivative"), ACTIVATIONS)
def test_an_activation_is_what_is_printed(name, arguments, module, formula, derivative):
    ys, slopes = [formula(x) for x in POINTS], [derivative(x) for x in POINTS]
    for f in (lambda x: getattr(F, name)(x, **arguments), module(**arguments)):
        for x, expected, slope in zip(POINTS, ys, slopes, strict=True):
            v = Value(x)
            y = f(v)
            y.backward()
            assert (y.op, y.parents) == (name, (v,))  # one operation of the graph
            assert y.local(0) == v.grad == pytest.approx(slope, rel=1e-12)
            assert y.data == pytest.approx(expected, rel=1e-12)
        t = Tensor(POINTS, requires_grad=True)
        y = f(t)
        upstream = np.array([0.5, -2.0, 3.0, 1.5])
        y.backward(upstream)
        assert (y.op, y.parents) == (name, (t,))
        np.testing.assert_allclose(y.data, ys, rtol=1e-12)
        np.testing.assert_allclose(t.grad, upstream * slopes, rtol=1e-12)


@pytest.mark.parametrize(("name", "arguments", "module", "formula", "derivative"), ACTIVATIONS)
def test_an_activation_is_described(name, arguments, module, formula, derivative):
    about = viz.describe_activation(module(**arguments))
    steepest = max(abs(derivative(x)) for x in np.linspace(-10, 10, 4001))
    assert about.largest_slope == pytest.approx(steepest, rel=1e-6)
    assert bool(about.jumps) == (name == "step")


def test_prelu_learns_its_slope():
    for x, y, dx, da in [(-2.0, -0.5, 0.25, -2.0), (3.0, 3.0, 1.0, 0.0)]:
        v, a = Value(x), Value(0.25)
        F.prelu(v, a).backward()
        assert (F.prelu(v, a).data, v.grad, a.grad) == (y, dx, da)
        module, t = nn.PReLU(), Tensor([x], requires_grad=True)
        module(t).backward()
        assert (module(t).item(), t.grad.item(), module.weight.grad.item()) == (y, dx, da)


# --- of several numbers: Values come in a list ------------------------------------------------------

Z = [2.0, 1.0, 0.1]
P = [math.exp(z) / sum(map(math.exp, Z)) for z in Z]
JACOBIAN = [[p * ((i == j) - q) for j, q in enumerate(P)] for i, p in enumerate(P)]
SEVERAL = [
    ("softmax", nn.Softmax, P, JACOBIAN),
    ("log_softmax", nn.LogSoftmax, [math.log(p) for p in P], np.eye(3) - P),
]


@pytest.mark.parametrize(("name", "module", "ys", "jacobian"), SEVERAL)
def test_softmax_is_what_is_printed(name, module, ys, jacobian):
    for f in (lambda z: getattr(F, name)(z, dim=0), module(dim=0)):
        for i in range(3):
            values = [Value(z) for z in Z]
            outputs = f(values)
            outputs[i].backward()
            np.testing.assert_allclose([y.data for y in outputs], ys, rtol=1e-14)
            np.testing.assert_allclose([v.grad for v in values], jacobian[i], rtol=1e-12)
            t = Tensor(Z, requires_grad=True)
            f(t)[i].backward()
            np.testing.assert_allclose(f(t).data, ys, rtol=1e-14)
            np.testing.assert_allclose(t.grad, jacobian[i], rtol=1e-12)


def test_softmax_of_values_cannot_overflow():
    values = [Value(1000.0), Value(0.0), Value(-1e4)]
    outputs = F.softmax(values, dim=0)
    outputs[0].backward()
    assert [y.data for y in outputs] == [1.0, 0.0, 0.0]
    assert [v.grad for v in values] == [0.0, 0.0, 0.0]
    assert [y.data for y in F.softmin(values, 0)] == [0.0, 0.0, 1.0]


def test_maxout_passes_the_gradient_to_the_largest_of_each_group():
    values = [Value(x) for x in (1.0, 5.0, 3.0, 2.0)]
    for f in (lambda x: F.maxout(x, 2, dim=0), nn.Maxout(2, dim=0)):
        first, second = f(values)
        (2 * first + 3 * second).backward()
        assert [first.data, second.data] == [5.0, 3.0]
        assert [v.grad for v in values] == [0.0, 2.0, 3.0, 0.0]
        t = Tensor([1.0, 5.0, 3.0, 2.0], requires_grad=True)
        f(t).backward(np.array([2.0, 3.0]))
        assert t.grad.tolist() == [0.0, 2.0, 3.0, 0.0]
        for v in values:
            v.grad = None


def test_cross_entropy_of_values_is_that_of_a_tensor():
    cases = [
        (F.cross_entropy, 1, engine.tensor(1)), (nn.CrossEntropyLoss(), 1, engine.tensor(1)),
        (F.cross_entropy, [0.2, 0.5, 0.3], Tensor([0.2, 0.5, 0.3])),
        (F.nll_loss, 2, engine.tensor(2)), (nn.NLLLoss(), 2, engine.tensor(2)),
    ]  # fmt: skip
    for f, target, tensor_target in cases:
        values, t = [Value(z) for z in Z], Tensor(Z, requires_grad=True)
        loss, expected = f(values, target), f(t, tensor_target)
        loss.backward()
        expected.backward()
        assert loss.data == pytest.approx(expected.item(), rel=1e-14)
        np.testing.assert_allclose([v.grad or 0.0 for v in values], t.grad, rtol=1e-12)
    targets = [0.0, 1.0, 0.0]
    printed = -sum(y * math.log(p) for y, p in zip(targets, P, strict=True))
    assert F.cross_entropy([Value(z) for z in Z], targets).data == pytest.approx(printed)


def test_what_a_list_of_values_does_not_do_is_named():
    values = [Value(z) for z in Z]
    with pytest.raises(IndexError, match="softmax: dim is 1, but a list of Values has dim 0"):
        F.softmax(values, dim=1)
    with pytest.raises(ValueError, match="softmax: the list of Values is empty"):
        F.softmax([], dim=0)
    with pytest.raises(TypeError, match="softmax takes a Tensor or a list of Values, not one"):
        F.softmax(Value(1.0), dim=0)
    with pytest.raises(ValueError, match="maxout: 3 Values cannot be taken 2 at a time"):
        F.maxout(values, 2, dim=0)
    with pytest.raises(IndexError, match="cross_entropy: target 3 is no class of 0 to 2"):
        F.cross_entropy(values, 3)
    with pytest.raises(ValueError, match="cross_entropy: 3 Values and 2 probabilities"):
        F.cross_entropy(values, [0.5, 0.5])
    with pytest.raises(TypeError, match="a list of Values takes no label_smoothing: use Tensors"):
        F.cross_entropy(values, 0, label_smoothing=0.1)
    with pytest.raises(TypeError, match="takes no weight"):
        F.nll_loss(values, 0, [1.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="reduction 'avg' is none of"):
        F.nll_loss(values, 0, reduction="avg")
    with pytest.raises(TypeError, match="unexpected keyword argument 'size_average'"):
        F.cross_entropy(values, 0, size_average=True)


# --- losses: y is the truth, p the prediction, d = y − p --------------------------------------------


def sign(x):
    return (x > 0) - (x < 0)


LOSSES = [
    ("mse_loss", {}, nn.MSELoss, lambda y, p: (y - p) ** 2, lambda y, p: 2 * (p - y)),
    ("l1_loss", {}, nn.L1Loss, lambda y, p: abs(y - p), lambda y, p: sign(p - y)),
    (
        "huber_loss", {"delta": 0.5}, nn.HuberLoss,
        lambda y, p: 0.5 * (y - p) ** 2 if abs(y - p) <= 0.5 else 0.5 * abs(y - p) - 0.5 * 0.25,
        lambda y, p: p - y if abs(y - p) <= 0.5 else 0.5 * sign(p - y),
    ),
    (
        "smooth_l1_loss", {"beta": 0.5}, nn.SmoothL1Loss,
        lambda y, p: (y - p) ** 2 if abs(y - p) <= 0.5 else abs(y - p) - 0.25,
        lambda y, p: 2 * (p - y) if abs(y - p) <= 0.5 else sign(p - y),
    ),
    (
        "smooth_l2_loss", {"eps": 0.5}, nn.SmoothL2Loss,
        lambda y, p: 0.5 * (y - p) ** 2 - (0 if abs(y - p) <= 0.5 else 0.5 * (y - p)),
        lambda y, p: p - y + (0 if abs(y - p) <= 0.5 else 0.5),
    ),
    (
        "quantile_loss", {"q": 0.9}, nn.QuantileLoss,
        lambda y, p: max(0.9 * (y - p), -0.1 * (y - p)), lambda y, p: -0.9 if y > p else 0.1,
    ),
    (
        "binary_cross_entropy", {}, nn.BCELoss,
        lambda y, p: -y * math.log(p) - (1 - y) * math.log(1 - p),
        lambda y, p: (1 - y) / (1 - p) - y / p,
    ),
    (
        "log_loss", {}, nn.LogLoss,
        lambda y, p: -y * math.log(p) - (1 - y) * math.log(1 - p),
        lambda y, p: (1 - y) / (1 - p) - y / p,
    ),
    (
        "binary_cross_entropy_with_logits", {}, nn.BCEWithLogitsLoss,
        lambda y, z: -y * math.log(sigmoid(z)) - (1 - y) * math.log(1 - sigmoid(z)),
        lambda y, z: sigmoid(z) - y,
    ),
    (
        "hinge_loss", {}, nn.HingeLoss,
        lambda y, p: max(0.0, 1 - y * p), lambda y, p: -y if y * p < 1 else 0.0,
    ),
    (
        "squared_hinge_loss", {}, nn.SquaredHingeLoss,
        lambda y, p: max(0.0, 1 - y * p) ** 2, lambda y, p: -2 * y * max(0.0, 1 - y * p),
    ),
]  # fmt: skip
PAIRS = [(1.0, 0.75), (0.0, 0.75), (1.0, 0.1), (0.0, 0.4)]


@pytest.mark.parametrize(("name", "arguments", "module", "formula", "slope"), LOSSES)
def test_a_loss_is_what_is_printed(name, arguments, module, formula, slope):
    losses, slopes = ([f(y, p) for y, p in PAIRS] for f in (formula, slope))
    for reduction, share in (("mean", 1 / 4), ("sum", 1.0)):
        for f in (
            lambda p, y, r=reduction: getattr(F, name)(p, y, reduction=r, **arguments),
            module(reduction=reduction, **arguments),
        ):
            for (y, p), expected, s in zip(PAIRS, losses, slopes, strict=True):
                v = Value(p)
                loss = f(v, y)
                loss.backward()
                assert loss.data == pytest.approx(expected, rel=1e-12)
                assert v.grad == pytest.approx(s, rel=1e-12)
            t = Tensor([p for _, p in PAIRS], requires_grad=True)
            loss = f(t, Tensor([y for y, _ in PAIRS]))
            loss.backward()
            assert loss.item() == pytest.approx(share * sum(losses), rel=1e-12)
            np.testing.assert_allclose(t.grad, share * np.array(slopes), rtol=1e-12)


def test_smooth_l1_is_huber_over_beta():
    p, y = Tensor(np.linspace(-3, 3, 25)), engine.zeros(25)
    for beta in (0.3, 1.0, 2.0):
        np.testing.assert_allclose(
            F.smooth_l1_loss(p, y, beta=beta, reduction="none").data,
            F.huber_loss(p, y, delta=beta, reduction="none").data / beta,
            rtol=1e-14,
        )
