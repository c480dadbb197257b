"""A NumPy script, unchanged: its formulas, fed tensors, give the derivatives it derives by hand."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sigmoid_derivative(x):
    return sigmoid(x) * (1 - sigmoid(x))


def tanh(x):
    return np.tanh(x)


def tanh_of_powers(x):
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def tanh_derivative(x):
    return 1 - np.tanh(x) ** 2


def relu(x):
    return np.maximum(0, x)


def relu_of_where(x):
    return np.where(x > 0, x, 0)


def relu_derivative(x):
    return np.where(x > 0, 1, 0)


def mse(y, y_pred):
    return ((y - y_pred) ** 2).mean()


def mse_derivative(y, y_pred):
    return 2 * (y_pred - y) / y.size


def cross_entropy(y, y_pred):
    return -np.sum(y * np.log(y_pred))


def cross_entropy_derivative(y, y_pred):
    return -y / y_pred


# What follows is new: the same functions, fed a tensor instead of an array.
from engine import Tensor


def compare(name, f, derivative, x):
    """The largest difference between the derivative by hand and the one by backward()."""
    t = Tensor(x, requires_grad=True)
    f(t).sum().backward()
    difference = np.abs(t.grad - derivative(x)).max()
    print(f"{name:16} largest difference of derivatives: {difference:.1e}")
    return difference


x = np.linspace(-5, 5, 100)  # 0 is not among them
y = np.eye(4)
y_pred = np.exp(np.add.outer(np.arange(4.0), np.arange(4.0)) % 3)
y_pred = y_pred / y_pred.sum(axis=1, keepdims=True)

differences = [
    compare("sigmoid", sigmoid, sigmoid_derivative, x),
    compare("tanh", tanh, tanh_derivative, x),
    compare("tanh_of_powers", tanh_of_powers, tanh_derivative, x),
    compare("relu", relu, relu_derivative, x),
    compare("relu_of_where", relu_of_where, relu_derivative, x),
    compare("mse", lambda p: mse(y, p), lambda p: mse_derivative(y, p), y_pred),
    compare(
        "cross_entropy",
        lambda p: cross_entropy(y, p),
        lambda p: cross_entropy_derivative(y, p),
        y_pred,
    ),
]

zero = Tensor(0.0, requires_grad=True)
relu(zero).backward()
print(f"np.maximum(0, x) at 0, the maximum of equals: slope {zero.grad.item()}")
