"""The gallery of README.md: nine pictures, each of one thing that goes on in backpropagation."""

import numpy as np

import engine
import nn
import viz
from demos import moons
from engine import Value, tensor


# %% How much of the gradient comes through a neuron
def neuron(bias):
    """σ(w·x + b). At b = −11 the sum is 1; at b = 1 it is 13, and σ is flat."""
    w, x, b = Value(4.0), Value(3.0), Value(bias)
    a = (w * x + b).sigmoid()
    a.backward()
    return viz.draw(a, names=locals())


# %% Two values, each used twice: their gradients are sums
def reuse():
    a, b = Value(-2.0), Value(3.0)
    f = (a * b) * (a + b)
    f.backward()
    return viz.draw(f, names=locals())


# %% Six layers of sigmoids: every module one node, and only what goes backward
def deep():
    engine.manual_seed(0)
    layers = [layer for _ in range(6) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(16, 1))
    x = tensor(np.random.RandomState(0).randn(64, 16), label="x")
    loss = (model(x) ** 2).mean()
    loss.backward()
    return viz.draw(loss, names=locals(), flow="backward", max_nodes=14)


# %% A net of Values and all its examples: 67,938 nodes, every layer one
def folded():
    engine.manual_seed(0)
    model = nn.MLP(2, [16, 16, 1])
    points, labels = (data.tolist() for data in moons.data())
    losses = [(model(x) - y) ** 2 for x, (y,) in zip(points, labels, strict=True)]
    loss = sum(losses[1:], losses[0]) / len(losses)
    loss.backward()
    return viz.draw(loss, names={"loss": loss}, max_nodes=20)


# %% A training whose learning rate is too large
def dying():
    x, _ = moons.data()
    model = moons.net(nn.ReLU)
    optimizer = nn.optim.SGD(model.parameters(), lr=5)
    recorder = viz.Recorder(x, moons.loss_of, every=1)
    recorder.step(model)
    for _ in range(20):
        optimizer.zero_grad()
        moons.loss_of(model(x)).backward()
        optimizer.step()
        recorder.step(model)
    return recorder


def plot(recorder, path):
    """The plot of its first layer, the same bytes in every run."""
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": "ebbgrad", "svg.fonttype": "none"}):
        axes = viz.plot_units(recorder, recorder.looks[0].report.layers[0].name)
        axes.figure.savefig(path, metadata={"Date": None})


# %% All of it
if __name__ == "__main__":
    healthy, dead = (moons.train(moons.net(nn.ReLU), lr) for lr in (1, 5))
    short = {"hide": "constants", "legend": False, "max_nodes": 8}
    pictures = {
        "neuron": neuron(-11.0),
        "saturated": neuron(1.0),
        "dead": moons.dead_unit(dead),
        "net": moons.picture(dead),
        "deep": deep(),
        "folded": folded(),
        "rates": viz.compare(
            moons.picture(healthy, **short),
            moons.picture(dead, **short),
            names=("learning rate 1", "learning rate 5"),
        ),
    }
    for name, picture in pictures.items():
        print(f"{name}.svg")
        picture.save(f"{name}.svg")
    reuse().steps("steps.svg")
    plot(dying(), "training.svg")
