"""The same net with four activations, each at three learning rates: what became of it.

Trains the moons net, and a net that reads handwritten digits; prints one table; draws a sigmoid
neuron, a saturated one, a dead ReLU and two of the trained nets.
"""

import math

import numpy as np

import nn
import viz
from demos import digits, moons
from engine import Value, sigmoid, tensor

ACTIVATIONS = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU)
RATES = (1, 5, 50)  # sane; too large for ReLU; too large
HEADER = (
    "net", "learning rate", "loss", "accuracy", "dead units", "saturated", "R", "findings"
)  # fmt: skip
NOTES = """\
dead units and saturated: per activation layer, from the input to the output
saturated: share of slopes under 5 % of the largest (of a ReLU: switched off; about half is healthy)
R: the gradient in the first layer over that in the last; accuracy: of the digits, on the test set"""


def row(name, lr, loss, accuracy, report):
    """One line of the table."""
    grave = dict.fromkeys(f.code for f in report.findings if f.severity != "notice")
    return (
        name,
        f"{lr:g}",
        f"{loss:.3g}",
        f"{accuracy:.2f}",
        " ".join(f"{layer.dead}/{layer.units}" for layer in report.layers),
        " ".join(f"{layer.saturated:.0%}" for layer in report.layers),
        "-" if report.R is None or math.isnan(report.R) else f"{report.R:.3g}",
        " ".join(grave),
    )


def table(rows):
    """The rows as text, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for line in rows:
        yield "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()


# %% The moons nets and their rows
def moons_nets():
    """(activation, rate) -> the net trained so."""
    return {
        (activation, lr): moons.train(moons.net(activation), lr)
        for activation in ACTIVATIONS
        for lr in RATES
    }


def moons_row(activation, lr, model):
    x, _ = moons.data()
    with np.errstate(all="ignore"):
        report = viz.diagnose(model, x, moons.loss_of)
        loss = moons.loss_of(model(x)).item()
    name = f"moons 2-16-16-1 {activation.__name__}"
    return row(name, lr, loss, moons.accuracy(model), report)


def digits_row(lr=0.5):
    (images, labels), test = digits.data()
    model = digits.train(digits.net(), images, labels, lr)

    def loss_of(logits):
        return nn.functional.cross_entropy(logits, tensor(labels))

    report = viz.diagnose(model, tensor(images), loss_of)
    loss = loss_of(model(tensor(images))).item()
    return row("digits 64-32-10 ReLU", lr, loss, digits.accuracy(model, *test), report)


# %% The pictures
def neuron(bias):
    """CS231n's neuron: weights 2 and −3, inputs −1 and −2."""
    w0, w1, w2 = Value(2.0), Value(-3.0), Value(bias)
    x0, x1 = Value(-1.0), Value(-2.0)
    z = w0 * x0 + w1 * x1 + w2
    f = sigmoid(z)
    f.backward()
    return viz.draw(f, names=locals())


# %% All of it
if __name__ == "__main__":
    reading = digits_row()
    nets = moons_nets()
    rows = [moons_row(*key, model) for key, model in nets.items()]
    print("\n".join(table([HEADER, *rows, reading])))
    print(NOTES)
    pictures = {
        "neuron-sigmoid": neuron(bias=-3.0),
        "neuron-saturated": neuron(bias=8.0),
        "neuron-dead": moons.dead_unit(nets[nn.ReLU, 5]),
        "net-healthy": moons.picture(nets[nn.ReLU, 1]),
        "net-dead": moons.picture(nets[nn.ReLU, 5]),
    }
    for name, picture in pictures.items():
        picture.save(f"{name}.svg")
