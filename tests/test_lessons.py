"""The lessons that others taught with these formulas, and the numbers they found.

Sources: CS231n (optimization-2), Karpathy's micrograd lecture and README, Olah (Calculus on
Computational Graphs), Nielsen (chapter 5), Mazur (a step by step backpropagation example).
"""

import math
from itertools import pairwise

import numpy as np
import pytest

import engine
from engine import Tensor, Value, relu, sigmoid, tensor

approx = pytest.approx


def leaves(**numbers):
    """Values by name, in order."""
    return [Value(number, label=name) for name, number in numbers.items()]


def backward(root, *inputs):
    """The gradients of `root` with respect to `inputs`, through `.grad`."""
    root.backward()
    return [x.grad for x in inputs]


# --- circuits ---------------------------------------------------------------------------------


def test_circuit_of_a_sum_and_a_product():
    x, y, z = leaves(x=-2, y=5, z=-4)
    q = x + y
    f = q * z
    assert backward(f, x, y, q, z) == [-4, -4, -4, 3]
    assert f.data == -12


def test_add_distributes_max_routes_and_mul_swaps():
    x, y, z, w = leaves(x=3, y=-4, z=2, w=-1)
    f = 2 * (x * y + engine.maximum(z, w))
    assert backward(f, x, y, z, w) == [-8, 6, 2, 0]
    assert f.data == -20


def neuron():
    """CS231n's two-dimensional neuron: weights, inputs and the weighted sum."""
    w0, w1, w2, x0, x1 = values = leaves(w0=2, w1=-3, w2=-3, x0=-1, x1=-2)
    return values, w0 * x0 + w1 * x1 + w2


def test_sigmoid_neuron():
    values, z = neuron()
    f = sigmoid(z)
    gradients = backward(f, *values)
    assert z.data == 1
    assert f.data == approx(0.7310586, abs=5e-8)
    assert f.local(0) == approx(0.1966119, abs=5e-8)
    assert gradients == approx([-0.1966119, -0.3932239, 0.1966119, 0.3932239, -0.5898357], abs=1e-7)


def test_sigmoid_as_one_gate_and_as_four_are_the_same():
    values, z = neuron()
    fused = backward(sigmoid(z), *values)
    values, z = neuron()
    expanded = 1 / ((-z).exp() + 1)
    assert [node.op for node in (expanded, expanded.parents[1])] == ["div", "add"]
    assert backward(expanded, *values) == approx(fused, rel=0, abs=1e-12)


def test_staged_computation():
    x, y = leaves(x=3, y=-4)
    f = (x + sigmoid(y)) / (sigmoid(x) + (x + y) ** 2)
    assert backward(f, x, y) == approx([2.0595697956, 1.5922327515], abs=5e-11)
    assert f.data == approx(1.5456448841, abs=5e-11)


def test_the_formula_of_micrograds_readme():
    a, b = leaves(a=-4, b=2)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert backward(g, a, b) == approx([138.8338, 645.5773], abs=5e-5)
    assert g.data == approx(24.7041, abs=5e-5)


def test_tanh_neuron():
    x1, x2, w1, w2 = leaves(x1=2, x2=0, w1=-3, w2=1)
    n = x1 * w1 + x2 * w2 + 6.8813735870195432
    o = n.tanh()
    assert backward(o, n, x1, w1, x2, w2) == approx([0.5, -1.5, 1.0, 0.5, 0.0], abs=1e-12)
    assert o.data == approx(math.sqrt(0.5), abs=1e-12)


def test_two_paths_add_up():
    a, b = leaves(a=2, b=1)
    e = (a + b) * (b + 1)
    assert backward(e, a, b) == [2, 5]
    assert e.data == 6
    assert [step.contribution for step in engine.steps(e) if step.operand is b] == [2, 3]


# --- reuse and order --------------------------------------------------------------------------


def test_a_value_used_twice_gets_both_gradients():
    (a,) = leaves(a=3)
    assert backward(a + a, a) == [2]  # 1, if the second contribution overwrote the first
    a, b = leaves(a=-2, b=3)
    f = (a * b) * (a + b)
    assert backward(f, a, b) == [-3, -8]
    assert f.data == -6


def naive(node, gradients):
    """Pass a gradient on at once, before all who use the node have sent theirs."""
    for index, operand in enumerate(node.parents):
        gradients[operand] = gradients.get(operand, 0.0) + gradients[node] * node.local(index)
    for operand in node.parents:
        naive(operand, gradients)


def test_why_the_order_is_topological():
    (a,) = leaves(a=1)
    b = a + a
    c = b + b
    gradients = {c: 1.0}
    naive(c, gradients)
    assert gradients[a] == 8
    assert backward(c, a) == [4]


def test_gradients_that_are_not_zeroed_double():
    a, b = leaves(a=-2, b=3)
    f = (a * b) * (a + b)
    f.backward()
    assert backward(f, a, b) == [-6, -16]


# --- vanishing and exploding ------------------------------------------------------------------


def slope_of_chain(activation, layers, w=1.0):
    """dout/dx of one neuron per layer, out = f(w·f(w·...x)), at x = 1."""
    x = out = Value(1.0)
    for _ in range(layers):
        out = activation(w * out)
    (slope,) = backward(out, x)
    return slope


@pytest.mark.parametrize(
    ("activation", "w", "slopes"),
    [
        (sigmoid, 1.0, (4.861e-4, 2.785e-7, 9.139e-14)),
        (engine.tanh, 1.0, (9.610e-2, 4.091e-2, 1.611e-2)),
        (relu, 1.0, (1.0, 1.0, 1.0)),
        (relu, 1.5, (7.594, 57.67, 3325)),
        (relu, 0.5, (0.03125, 9.766e-4, 9.537e-7)),
    ],
)
def test_slope_of_a_chain(activation, w, slopes):
    found = [slope_of_chain(activation, layers, w) for layers in (5, 10, 20)]
    assert found == approx(list(slopes), rel=2e-4)


def test_a_chain_of_sigmoids_shrinks_below_a_quarter_per_layer():
    assert all(slope_of_chain(sigmoid, n) < 0.25**n for n in (1, 5, 10, 20))
    assert slope_of_chain(sigmoid, 41) / slope_of_chain(sigmoid, 40) == approx(0.224704, abs=5e-7)


def test_nielsens_exploding_chain():
    x = out = Value(0.3)
    nodes = [x]
    for _ in range(4):
        out = sigmoid(100 * out - 100 * out.data)
        nodes.append(out)
    out.backward()
    assert [below.grad / above.grad for below, above in pairwise(nodes)] == [25] * 4
    assert x.grad == 390625


# --- softmax and cross-entropy ----------------------------------------------------------------


def cross_entropy(logits, target):
    """Loss and gradient of the logits."""
    z = tensor(logits, requires_grad=True)
    loss = -z.log_softmax(dim=0)[target]
    loss.backward()
    return loss.item(), z.grad


def test_the_gradient_of_cross_entropy_is_p_minus_y():
    p = tensor([2.0, 1.0, 0.1]).softmax(dim=0)
    loss, gradient = cross_entropy([2.0, 1.0, 0.1], target=0)
    assert p.tolist() == approx([0.659001, 0.242433, 0.098566], abs=5e-7)
    assert loss == approx(0.417030, abs=5e-7)
    assert gradient.tolist() == approx([-0.340999, 0.242433, 0.098566], abs=5e-7)
    assert gradient.sum() == approx(0, abs=1e-15)


def test_cross_entropy_keeps_the_gradient_of_a_saturated_softmax_alive():
    _, gradient = cross_entropy([10.0, 0.0, 0.0], target=1)
    assert gradient.tolist() == approx([0.99991, -0.99995, 4.5e-5], abs=5e-6)


def test_softmax_as_the_textbook_writes_it_overflows():
    z = tensor([1000.0, 0.0])
    with pytest.warns(RuntimeWarning):
        naive = z.exp() / z.exp().sum()
    assert math.isnan(naive.tolist()[0])
    assert naive.tolist()[1] == 0
    assert z.softmax(dim=0).tolist() == [1, 0]


# --- dead units -------------------------------------------------------------------------------


def moons():
    """Two interleaved half circles of 50 points each, with noise, and their labels."""
    t = np.linspace(0, np.pi, 50)
    upper, lower = np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]
    noise = 0.1 * np.random.RandomState(0).randn(100, 2)
    return tensor(np.r_[upper, lower] + noise), tensor(np.repeat([0.0, 1.0], 50).reshape(-1, 1))


class Net:
    """2-16-16-1, full batches, mean binary cross-entropy on the logits."""

    def __init__(self, activation, bias=0.0):
        draw = np.random.RandomState(1)
        self.activation = activation
        self.parameters = []
        for (n_in, n_out), gain in zip(pairwise((2, 16, 16, 1)), (2**0.5, 2**0.5, 1), strict=True):
            weights = draw.randn(n_in, n_out) * gain / np.sqrt(n_in)
            biases = np.full(n_out, 0.0 if n_out == 1 else bias)
            self.parameters += [Tensor(p, requires_grad=True) for p in (weights, biases)]
        self.x, self.y = moons()

    def forward(self):
        """Logits and what the hidden units give for every point."""
        h, hidden = self.x, []
        *inner, w, b = self.parameters
        for weights, biases in zip(inner[::2], inner[1::2], strict=True):
            h = self.activation(h @ weights + biases)
            hidden.append(h)
        return h @ w + b, hidden

    def loss(self):
        logits, _ = self.forward()
        return (logits.softplus() - self.y * logits).mean()

    def train(self, lr, steps=200):
        for _ in range(steps):
            for p, g in zip(
                self.parameters, engine.grad(self.loss(), self.parameters), strict=True
            ):
                p.data = p.data - lr * g
        return self

    def accuracy(self):
        return float(np.mean((self.forward()[0].data > 0) == self.y.data))

    def dead(self):
        """Per hidden layer, units of slope 0 for every point."""
        return [int((h.local(0) == 0).all(axis=0).sum()) for h in self.forward()[1]]


@pytest.mark.parametrize(
    ("activation", "lr", "loss", "accuracy", "dead"),
    [
        (relu, 1, 0.00353, 1.00, [0, 0]),
        (relu, 5, 0.305, 0.88, [11, 14]),
        (relu, 20, 2.47, 0.50, [12, 16]),
        (engine.leaky_relu, 5, 0.0075, 1.00, [0, 0]),
    ],
)
def test_a_learning_rate_kills_relus_and_not_leaky_ones(activation, lr, loss, accuracy, dead):
    net = Net(activation).train(lr)
    assert net.dead() == dead
    assert net.accuracy() == approx(accuracy)
    assert net.loss().item() == approx(loss, rel=5e-3)


@pytest.mark.parametrize(
    ("bias", "dead", "norm", "zeros"),
    [
        (0, [0, 0.06], 0.1064, 0),
        (-1, [0.31, 0.63], 0.0494, 0.31),
        (-3, [0.81, 1.0], 0.0, 1),
        (-10, [1, 1], 0.0, 1),
    ],
)
def test_a_dead_second_layer_is_a_wall(bias, dead, norm, zeros):
    net = Net(relu, bias)
    (gradient,) = engine.grad(net.loss(), net.parameters[0])
    assert [n / 16 for n in net.dead()] == approx(dead, abs=5.1e-3)
    assert np.mean(gradient == 0) == approx(zeros, abs=5e-3)
    assert np.linalg.norm(gradient) == approx(norm, abs=5e-5 if norm else 0)


# --- a whole net by hand ----------------------------------------------------------------------


class Mazur:
    """Mazur's 2-2-2 net of sigmoids; the biases are fixed."""

    def __init__(self):
        self.w = [Value(w) for w in (0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55)]

    def outputs(self):
        w1, w2, w3, w4, w5, w6, w7, w8 = self.w
        h1 = sigmoid(w1 * 0.05 + w2 * 0.10 + 0.35)
        h2 = sigmoid(w3 * 0.05 + w4 * 0.10 + 0.35)
        return sigmoid(w5 * h1 + w6 * h2 + 0.60), sigmoid(w7 * h1 + w8 * h2 + 0.60)

    def error(self):
        o1, o2 = self.outputs()
        return (0.01 - o1) ** 2 / 2 + (0.99 - o2) ** 2 / 2

    def step(self):
        for w, g in zip(self.w, engine.grad(self.error(), self.w), strict=True):
            w.data -= 0.5 * g


def test_mazurs_net():
    net = Mazur()
    error = net.error()
    gradients = backward(error, *net.w)
    assert error.data == approx(0.298371109, abs=5e-10)
    assert (gradients[4], gradients[0]) == approx((0.082167041, 0.000438568), abs=5e-10)
    net.step()
    assert net.error().data == approx(0.291027774, abs=5e-10)  # the other 9,999: demos/mazur.py
