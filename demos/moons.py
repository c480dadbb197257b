"""Two moons, 100 points, and the net 2-16-16-1 that tells them apart: what several lessons use.

Data, weights and training are fixed to the last digit, so that every lesson about this net can
name its numbers.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np

import nn
import viz
from demos import progress
from engine import relu, tensor

# How widely to draw the weights, so that signals keep their size (He et al. 2015 for ReLU).
GAINS = {nn.ReLU: 2**0.5, nn.LeakyReLU: 2**0.5, nn.Tanh: 1.0, nn.Sigmoid: 1.0}


def data():
    """Points of shape (100, 2) and their labels, 0 and 1, of shape (100, 1)."""
    t = np.linspace(0, np.pi, 50)
    upper = np.column_stack([np.cos(t), np.sin(t)])
    lower = np.column_stack([1 - np.cos(t), 0.5 - np.sin(t)])
    noise = 0.1 * np.random.RandomState(0).randn(100, 2)
    x, y = np.concatenate([upper, lower]) + noise, np.repeat([0.0, 1.0], 50).reshape(100, 1)
    return tensor(x, label="x"), tensor(y, label="y")


def net(activation, bias=0.0):
    """The net, untrained; `bias` is what the biases of its two hidden layers begin with."""
    sizes = (2, 16, 16, 1)
    layers = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes)]
    draw = np.random.RandomState(1)
    for layer, gain in zip(layers, (GAINS[activation], GAINS[activation], 1.0), strict=True):
        n_out, n_in = layer.weight.shape
        layer.weight.data = (draw.randn(n_in, n_out) * gain / np.sqrt(n_in)).T
        layer.bias.data = np.full(n_out, 0.0 if layer is layers[-1] else float(bias))
    first, second, last = layers
    return nn.Sequential(first, activation(), second, activation(), last)


def loss_of(logits):
    """Binary cross-entropy, the mean over all points."""
    return nn.functional.binary_cross_entropy_with_logits(logits, data()[1])


def train(model, lr, steps=200):
    """Gradient descent on all points at once."""
    x, _ = data()
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    with np.errstate(all="ignore"):  # a rate that is too large ends in inf and nan, as it should
        for _ in progress(range(steps), f"{type(model[1]).__name__} at {lr}"):
            optimizer.zero_grad()
            loss_of(model(x)).backward()
            optimizer.step()
    return model


def accuracy(model):
    """The share of points on the right side."""
    x, y = data()
    return float(np.mean((model(x).data > 0) == y.data))


def picture(model, **how):
    """The graph of the model's loss, drawn."""
    x, y = data()
    model.zero_grad()
    logits = model(x)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, y)
    loss.backward()
    return viz.draw(loss, names={"logits": logits, "loss": loss}, **how)


def dead_unit(model):
    """The first dead unit of the model's first layer, drawn alone, with all the points there are,
    and under it the reason why its bias learns nothing."""
    x, _ = data()
    unit = int(np.flatnonzero((model[0](x).data <= 0).all(axis=0))[0])
    layer = nn.Linear(2, 1)
    layer.weight.data = model[0].weight.data[[unit]]
    layer.bias.data = model[0].bias.data[[unit]]
    h = relu(layer(x))
    loss = h.mean()
    loss.backward()
    drawn = viz.draw(loss, names={"h": h, "loss": loss})
    return replace(drawn, caption=(*drawn.caption, str(viz.why_zero(layer.bias, loss))))
