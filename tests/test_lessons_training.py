"""Lessons of training with their numbers: slow starts, units born dead, scales of initial weights,
symmetry, and the loss to expect before training."""

import math
from itertools import pairwise

import numpy as np
import pytest

import engine
import nn
from engine import Tensor, Value
from nn import functional as F
from nn.data import DataLoader, TensorDataset, xor

# --- a saturated sigmoid learns slowly from squared errors, and at once from cross-entropy ---------


def neuron_learns(w, b, loss):
    """Nielsen's neuron, 1 -> 0: its outputs before and after 300 steps, and the first below ½."""
    w, b = Value(w), Value(b)
    optimizer = nn.optim.SGD([w, b], lr=0.15)
    outputs = []
    for _ in range(301):
        z = w * 1.0 + b
        outputs.append(z.sigmoid().data)
        optimizer.zero_grad()
        loss(z).backward()
        optimizer.step()
    first = next(epoch for epoch, a in enumerate(outputs) if a < 0.5)
    return outputs[0], outputs[300], first


def test_a_neuron_that_is_badly_wrong_learns_slowly_from_squared_errors():
    def squared(z):
        return 0.5 * F.mse_loss(z.sigmoid(), 0.0)

    def entropy(z):
        return F.binary_cross_entropy_with_logits(z, 0.0)

    start, end, first = neuron_learns(0.6, 0.9, squared)
    assert (round(start, 4), round(end, 4), first) == (0.8176, 0.0940, 36)
    start, end, first = neuron_learns(2.0, 2.0, squared)
    assert (round(start, 4), round(end, 4), first) == (0.9820, 0.2028, 232)
    _, end, first = neuron_learns(0.6, 0.9, entropy)
    assert (round(end, 4), first) == (0.0116, 8)
    _, end, first = neuron_learns(2.0, 2.0, entropy)
    assert (round(end, 4), first) == (0.0120, 17)


def test_cross_entropy_takes_the_slope_of_the_sigmoid_out_of_the_gradient():
    z = Value(4.0)
    (of_squares,) = engine.grad(0.5 * F.mse_loss(z.sigmoid(), 0.0), z)
    (of_entropy,) = engine.grad(F.binary_cross_entropy_with_logits(z, 0.0), z)
    assert (round(of_squares, 6), round(of_entropy, 6)) == (0.017345, 0.982014)
    a = z.sigmoid().data
    assert math.isclose(of_entropy / of_squares, 1 / (a * (1 - a)))
    assert round(of_entropy / of_squares, 1) == 56.6


# --- narrow and deep ReLU networks are often dead before they are trained (Lu et al. 2019) ---------

BORN_DEAD = [
    (2, 5, 0.619), (2, 10, 0.893), (2, 20, 0.995), (3, 10, 0.640), (4, 10, 0.330), (5, 10, 0.152),
    (8, 20, 0.032),
]  # fmt: skip


@pytest.mark.parametrize(("width", "hidden", "share"), BORN_DEAD)
def test_a_share_of_narrow_networks_is_born_dead(width, hidden, share):
    rng, nets = np.random.RandomState(0), 1000
    sizes = [1] + [width] * hidden
    drawn = [[rng.randn(i, o) * math.sqrt(2 / i) for i, o in pairwise(sizes)] for _ in range(nets)]
    with engine.no_grad():
        h = Tensor(np.linspace(-math.sqrt(3), math.sqrt(3), 201)[:, None])
        for layer in zip(*drawn, strict=True):  # the layers of all nets at once
            h = (h @ Tensor(np.stack(layer))).relu()
    dead = (h.data == 0).all(axis=(1, 2)).mean()
    assert dead == share
    assert dead < 1 - (1 - 2.0**-width) ** (hidden - 1)


# --- the scale of the initial weights decides whether a signal lives through 100 layers ------------


def test_signals_burst_or_fade_through_a_hundred_layers_unless_the_scale_is_right():
    n = 512
    scales = {
        ("linear", 1.0): (22.3, 3.4e13, 2.7e135),
        ("relu", 0.01): (0.16, 1.1e-8, 2.6e-80),
        ("relu", math.sqrt(1 / n)): (0.707, 0.031, 9e-16),  # Xavier
        ("relu", math.sqrt(2 / n)): (1.00, 0.99, 1.01),  # He
    }
    too_large = {}  # the layer after which numbers pass the largest of float32
    rng = np.random.RandomState(0)
    x = Tensor(rng.randn(32, n))
    h = dict.fromkeys([*scales, ("relu", 1.0)], x)
    sizes = {key: [] for key in h}
    with engine.no_grad():
        for layer in range(1, 101):
            w = Tensor(rng.randn(n, n))
            for key, before in h.items():
                z = (before @ w) * key[1]
                after = h[key] = z.relu() if key[0] == "relu" else z
                sizes[key].append(math.sqrt(np.mean(np.square(after.data))))
                if np.abs(after.data).max() > np.finfo(np.float32).max:
                    too_large.setdefault(key, layer)
    for key, expected in scales.items():
        for layer, size in zip((1, 10, 100), expected, strict=True):
            assert sizes[key][layer - 1] == pytest.approx(size, rel=0.05), (key, layer)
    assert too_large == {("linear", 1.0): 29, ("relu", 1.0): 32}


# --- XOR: what a line cannot do, what a hidden layer does, and what equal weights cannot -----------


def xor_net(weights):
    """A net with these matrices (in, out), no biases yet, and its data."""
    layers = []
    for w in weights:
        linear = nn.Linear(*w.shape)
        linear.load_state_dict({"weight": w.T, "bias": np.zeros(w.shape[1])})
        layers += [linear, nn.Tanh()]
    X, y = xor()
    return nn.Sequential(*layers[:-1]), Tensor(X), Tensor(y.reshape(-1, 1).astype(float))


def losses_of(net, x, y, steps):
    """The loss before each step of gradient descent."""
    optimizer = nn.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_xor_is_learnt_by_a_hidden_layer_in_a_few_hundred_steps():
    steps = []
    for seed in range(6):
        rng = np.random.RandomState(seed)
        net, x, y = xor_net([rng.randn(2, 4) / math.sqrt(2), rng.randn(4, 1) / math.sqrt(4)])
        losses = enumerate(losses_of(net, x, y, 1000))
        steps.append(next(step for step, loss in losses if loss < 0.01))
    assert steps == [297, 433, 375, 287, 278, 519]


def test_xor_is_beyond_a_line():
    net, x, y = xor_net([np.random.RandomState(0).randn(2, 1)])
    *_, last = losses_of(net, x, y, 500)
    assert round(last, 6) == 0.693147


def test_equal_weights_stay_equal():
    net, x, y = xor_net([np.full((2, 4), 0.5), np.full((4, 1), 0.5)])
    *_, last = losses_of(net, x, y, 501)
    assert round(last, 3) == 0.490
    assert np.ptp(net[0].weight.grad, axis=0).max() == 0
    assert np.ptp(net[0].weight.data, axis=0).max() == 0
    assert np.ptp(net[2].weight.data) == 0


# --- digits without downloads: the first loss should be ln 10 ---------------------------------------

GLYPHS = """
01110 00100 01110 11111 00010 11111 00110 11111 01110 01110
10001 01100 10001 00010 00110 10000 01000 00001 10001 10001
10011 00100 00001 00100 01010 11110 10000 00010 10001 10001
10101 00100 00010 00010 10010 00001 11110 00100 01110 01111
11001 00100 00100 00001 11111 00001 10001 01000 10001 00001
10001 00100 01000 10001 00010 10001 10001 01000 10001 00010
01110 01110 11111 01110 00010 01110 01110 01000 01110 01100
"""


def digits(n, seed):
    """Glyphs of 5 x 7 somewhere in a field of 9 x 9, with noise."""
    rows = [line.split() for line in GLYPHS.split("\n") if line]
    glyphs = np.array([[[int(c) for c in row[d]] for row in rows] for d in range(10)], float)
    rng = np.random.RandomState(seed)
    y = rng.randint(0, 10, n)
    field = np.zeros((n, 9, 9))
    for i, (down, right) in enumerate(zip(rng.randint(0, 3, n), rng.randint(0, 5, n), strict=True)):
        field[i, down : down + 7, right : right + 5] = glyphs[y[i]]
    return (field + 0.3 * rng.randn(n, 9, 9) - 0.3).reshape(n, 81), y


def digits_net(activation, gain):
    """81-32-10, normal weights of standard deviation gain / √in."""
    net = nn.Sequential(nn.Linear(81, 32), activation, nn.Linear(32, 10))
    for layer, g in ((net[0], gain[0]), (net[2], gain[1])):
        nn.init.normal_(layer.weight, 0.0, g / math.sqrt(layer.in_features))
        nn.init.zeros_(layer.bias)
    return net


@pytest.mark.parametrize(("activation", "gain"), [(nn.ReLU(), math.sqrt(2)), (nn.Tanh(), 1.0)])
def test_the_first_loss_should_be_that_of_ten_equal_guesses(activation, gain):
    engine.manual_seed(0)
    train, test = TensorDataset(*digits(1500, 0)), TensorDataset(*digits(500, 1))
    x, y = train.tensors
    loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=True)
    learnt = []
    for gains in [(gain, 0.5), (10.0, 10.0)]:
        net = digits_net(activation, gains)
        first = F.cross_entropy(net(x), y).item()
        assert (abs(first - math.log(10)) < 0.2) == (gains[1] == 0.5)
        assert (first > 10) == (gains[1] == 10.0)
        optimizer = nn.optim.SGD(net.parameters(), lr=0.5)
        nn.fit(net, loader, F.cross_entropy, optimizer, epochs=17, callbacks=[])
        learnt.append(nn.accuracy(net(test.tensors[0]), test.tensors[1]))
    assert learnt[0] > learnt[1] + 0.1
    assert learnt[0] > 0.6
