"""Handwritten digits, scikit-learn's 1,797 real ones, and the net 64-32-10 that reads them."""

import numpy as np

import engine
import nn
from demos import progress
from engine import tensor

TEST = 450  # a quarter is kept for testing


def load():
    """All images, of shape (1797, 64), and their labels."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            'the digits are part of scikit-learn: pip install "ebbgrad[demos]"'
        ) from error
    images, labels = load_digits(return_X_y=True)
    return images / 16, labels


def data():
    """((images, labels) for training, (images, labels) for testing); images of shape (n, 64)."""
    images, labels = load()
    order = np.random.RandomState(0).permutation(len(labels))
    images, labels = images[order], labels[order]
    return (images[TEST:], labels[TEST:]), (images[:TEST], labels[:TEST])


def net():
    """The net, untrained, with the same weights in every run."""
    engine.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def train(model, images, labels, lr=0.5, epochs=60):
    """Gradient descent on batches of 64."""
    shuffle = np.random.RandomState(1)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    for _ in progress(range(epochs), "digits"):
        for batch in np.array_split(shuffle.permutation(len(labels)), len(labels) // 64):
            optimizer.zero_grad()
            logits = model(tensor(images[batch]))
            nn.functional.cross_entropy(logits, tensor(labels[batch])).backward()
            optimizer.step()
    return model


def accuracy(model, images, labels):
    """The share of images read right."""
    return float(np.mean(model(tensor(images)).data.argmax(axis=1) == labels))
