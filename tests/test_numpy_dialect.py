"""NumPy's functions on nodes: a formula written for arrays differentiates as it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, Value, numpy_protocol

RS = np.random.RandomState


def leaf(*shape: int, seed: int = 0, low: float = 0.2, high: float = 0.9) -> Tensor:
    return Tensor(RS(seed).uniform(low, high, shape), requires_grad=True)


# --- the functions of the articles, as they were written ------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def tanh(x):
    return np.tanh(x)


def tanh_by_hand(x):
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def relu(x):
    return np.maximum(0, x)


def leaky_relu(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x)


def mse(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean()


def cross_entropy(y_true, y_pred):
    return -np.sum(y_true * np.log(y_pred))


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


X = np.array([-2.0, -0.5, 0.3, 1.7])
SCRIPT = [
    (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    (tanh, lambda x: 1 - np.tanh(x) ** 2),
    (tanh_by_hand, lambda x: 1 - np.tanh(x) ** 2),
    (relu, lambda x: np.where(x > 0, 1.0, 0.0)),
    (leaky_relu, lambda x: np.where(x > 0, 1.0, 0.01)),
]


@pytest.mark.parametrize(("function", "derivative"), SCRIPT)
def test_the_functions_of_the_articles_differentiate_unchanged(
    function: Any, derivative: Any
) -> None:
    upstream = np.array([0.5, -1.5, 2.0, 0.7])
    x = Tensor(X, requires_grad=True)
    y = function(x)
    y.backward(upstream)
    np.testing.assert_allclose(y.data, function(X), rtol=1e-15)
    np.testing.assert_allclose(x.grad, upstream * derivative(X), rtol=1e-13)
    assert type(y) is Tensor


def test_the_losses_of_the_articles_differentiate_unchanged() -> None:
    target, guess = np.array([0.0, 1.0, 0.0]), np.array([0.2, 0.7, 0.1])
    p = Tensor(guess, requires_grad=True)
    mse(target, p).backward()
    np.testing.assert_allclose(p.grad, 2 * (guess - target) / 3, rtol=1e-15)
    p = Tensor(guess, requires_grad=True)
    cross_entropy(target, p).backward()
    np.testing.assert_allclose(p.grad, [0, -1 / 0.7, 0], rtol=1e-15)
    x = Tensor([2.0, 1.0, 0.1], requires_grad=True)
    cross_entropy(np.array([1.0, 0, 0]), softmax(x)).backward()
    np.testing.assert_allclose(x.grad, [-0.340999, 0.242433, 0.098566], atol=1e-6)


def test_the_maximum_of_equals_has_slope_one_half() -> None:
    x = Tensor([0.0], requires_grad=True)
    np.maximum(0, x).backward()
    assert x.grad.tolist() == [0.5]


# --- ufuncs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", numpy_protocol.RECORDED)
def test_a_ufunc_records_the_node_of_the_method(name: str) -> None:
    ufunc = getattr(np, name)
    shapes = [(3, 3), (3, 3)][: ufunc.nin]
    arrays = [RS(i).uniform(0.2, 0.9, shape) for i, shape in enumerate(shapes)]
    node = ufunc(*(Tensor(a, requires_grad=True) for a in arrays))
    assert node.op == numpy_protocol.RECORDED[name]
    assert len(node.parents) == ufunc.nin
    np.testing.assert_allclose(node.data, ufunc(*arrays), rtol=1e-14)
    if ufunc.nin == 2:  # an array on either side is a constant
        for mixed in ((arrays[0], leaf(3, 3, seed=1)), (leaf(3, 3), arrays[1])):
            node = ufunc(*mixed)
            assert type(node) is Tensor
            assert node.op == numpy_protocol.RECORDED[name]
            np.testing.assert_allclose(node.data, ufunc(*arrays), rtol=1e-14)


@pytest.mark.parametrize("name", set(numpy_protocol.RECORDED) - {"matmul"})
def test_a_ufunc_of_a_value_is_a_value(name: str) -> None:
    ufunc = getattr(np, name)
    numbers = [0.3, 0.7][: ufunc.nin]
    node = ufunc(*map(Value, numbers))
    assert type(node) is Value
    assert node.op == numpy_protocol.RECORDED[name]
    assert node.data == pytest.approx(float(ufunc(*numbers)), rel=1e-14)


def test_a_numpy_number_on_the_left_is_a_constant() -> None:
    v = Value(3.0)
    y = np.float64(2.0) * v - np.float32(1.0)
    assert type(y) is Value
    y.backward()
    assert (y.data, v.grad) == (5.0, 2.0)
    t = Tensor([1.0, 2.0], requires_grad=True)
    (np.array([3.0, 5.0]) * t / np.float64(2.0)).sum().backward()
    assert t.grad.tolist() == [1.5, 2.5]


def test_an_array_on_the_left_of_matmul() -> None:
    a, t = RS(0).randn(2, 3), leaf(3, 2)
    y = a @ t
    y.sum().backward()
    assert y.op == "matmul"
    np.testing.assert_allclose(t.grad, np.outer(a.sum(0), np.ones(2)))


def test_float32_stays_float32() -> None:
    t = Tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    for y in (np.exp(t), np.float64(2.0) * t, 2.0 * t, np.maximum(0, t), np.where(t > 1, t, 0.0)):
        assert y.dtype == np.float32


def test_comparisons_are_constants() -> None:
    t = Tensor([1.0, 3.0], requires_grad=True)
    masks = (np.isnan(t), np.logical_not(t > 2), np.array([True, False]) & (t > 2), ~(t > 2))
    for y in (np.array([2.0, 2.0]) > t, np.greater(2.0, t), *masks):
        assert type(y) is Tensor
        assert y.dtype == bool
        assert not y.requires_grad
    assert (np.array([2.0, 2.0]) > t).tolist() == [True, False]
    assert (np.float64(2.0) < Value(3.0)) is True
    assert np.isfinite(Value(3.0)) is True


# --- functions --------------------------------------------------------------------------------

A = RS(1).uniform(0.2, 0.9, (2, 3))
CALLS = {
    "sum": lambda a: np.sum(a, axis=0),
    "sum keepdims": lambda a: np.sum(a, 1, keepdims=True),
    "mean": np.mean,
    "prod": lambda a: np.prod(a, axis=1),
    "max": lambda a: np.max(a, axis=(0, 1)),
    "amin": lambda a: np.amin(a, axis=0),
    "var": lambda a: np.var(a, axis=0),
    "var ddof": lambda a: np.var(a, ddof=1),
    "std": lambda a: np.std(a, axis=1, keepdims=True),
    "cumsum": lambda a: np.cumsum(a, axis=1),
    "cumsum flat": np.cumsum,
    "norm": np.linalg.norm,
    "norm axis": lambda a: np.linalg.norm(a, 1, axis=1),
    "reshape": lambda a: np.reshape(a, (3, 2)),
    "reshape to a line": lambda a: np.reshape(a, -1),
    "ravel": np.ravel,
    "transpose": np.transpose,
    "transpose axes": lambda a: np.transpose(a, (1, 0)),
    "swapaxes": lambda a: np.swapaxes(a, 0, 1),
    "squeeze": lambda a: np.squeeze(np.expand_dims(a, 0)),
    "squeeze axis": lambda a: np.squeeze(np.expand_dims(a, 1), axis=1),
    "broadcast_to": lambda a: np.broadcast_to(a, (4, 2, 3)),
    "concatenate": lambda a: np.concatenate([a, A * a], axis=1),
    "concatenate with an array": lambda a: np.concatenate([A, a]),
    "concatenate flat": lambda a: np.concatenate([a, a], axis=None),
    "stack": lambda a: np.stack([a, a], axis=1),
    "vstack": lambda a: np.vstack([a, a[0]]),
    "hstack": lambda a: np.hstack([a, a]),
    "hstack of vectors": lambda a: np.hstack([a[0], a[1]]),
    "split": lambda a: np.split(a, 3, axis=1)[1],
    "split at": lambda a: np.split(a, [1], axis=1)[1],
    "array_split": lambda a: np.array_split(a, 2, axis=1)[0],
    "flip": np.flip,
    "flip axis": lambda a: np.flip(a, axis=0),
    "roll": lambda a: np.roll(a, 1),
    "roll axis": lambda a: np.roll(a, 1, axis=1),
    "tile": lambda a: np.tile(a, (2, 1)),
    "tile once": lambda a: np.tile(a, 2),
    "repeat": lambda a: np.repeat(a, 2),
    "repeat axis": lambda a: np.repeat(a, [1, 3], axis=0),
    "tril": np.tril,
    "triu": lambda a: np.triu(a, 1),
    "where": lambda a: np.where(a > 0.5, a, 2 * a),
    "where of an array": lambda a: np.where(A > 0.5, 1.0, a),
    "clip": lambda a: np.clip(a, 0.4, 0.6),
    "clip below": lambda a: np.clip(a, 0.4, None),
    "clip by name": lambda a: np.clip(a, max=0.6),
    "take": lambda a: np.take(a, [0, 2, 2], axis=1),
    "take flat": lambda a: np.take(a, [0, 5]),
    "take_along_axis": lambda a: np.take_along_axis(a, np.array([[0], [2]]), axis=1),
    "dot": lambda a: np.dot(a, A.T),
    "dot of an array": lambda a: np.dot(A.T, a),
    "dot of vectors": lambda a: np.dot(a[0], a[1]),
    "dot with a number": lambda a: np.dot(a, 2.0),
    "outer": lambda a: np.outer(a[0], a[1]),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, A),
    "round": lambda a: a + np.round(a, 1),
    "zeros_like": lambda a: a + np.zeros_like(a),
    "full_like": lambda a: a * np.full_like(a, 2.0),
    "ones_like": lambda a: a * np.ones_like(a),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_of_a_tensor_is_that_of_the_array_and_has_its_gradient(name: str) -> None:
    function = CALLS[name]
    a = leaf(2, 3, seed=3)
    y = function(a)
    assert type(y) is Tensor
    expected = function(a.data)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.data, expected, rtol=1e-13)
    kinked = name == "round"  # at no point of this array
    assert engine.gradcheck(function, a, atol=1e-7, rtol=1e-6) or kinked


def test_facts_about_a_tensor_are_plain() -> None:
    t = leaf(2, 3)
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)
    assert np.allclose(t, t.data) is True
    assert np.array_equal(t, t.data) is True
    assert [i.tolist() for i in np.where(t > 2.0)] == [[], []]
    np.testing.assert_array_equal(t, t.data)


def test_where_and_clip_of_values() -> None:
    v = Value(0.3)
    np.where(v > 0, v * v, -v).backward()
    assert v.grad == 0.6
    assert np.clip(Value(5.0), 0, 1).data == 1.0


def test_conversions_give_numbers() -> None:
    assert np.asarray(Value(2.5)).dtype == np.float64
    assert np.array([Value(1.0), Value(2.0)]).tolist() == [1.0, 2.0]
    assert np.asarray(leaf(2)).dtype == np.float64


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: np.linalg.inv(t), "numpy.linalg.inv of a Tensor|numpy.linalg.inv is not"),
        (lambda t: np.fft.fft(t), "numpy.fft.fft"),
        (lambda t: np.median(t), "numpy.median"),
        (lambda t: np.arctan2(t, t), "numpy.arctan2"),
        (lambda t: np.add.reduce(t), "numpy.add.reduce"),
        (lambda t: np.multiply.outer(t, t), "numpy.multiply.outer"),
        (lambda t: np.hypot(t, 2), "numpy.hypot"),
        (lambda t: np.sum(t, dtype=np.float32), "numpy.sum .*dtype="),
        (lambda t: np.sum(t, 0, np.float32), "numpy.sum .*dtype="),
        (lambda t: np.sum(t, out=np.zeros(())), "numpy.sum .*out="),
        (lambda t: np.mean(t, where=np.ones((3, 3), bool)), "numpy.mean .*where="),
        (lambda t: np.max(t, initial=0.0), "numpy.max .*initial="),
        (lambda t: np.exp(t, out=np.zeros((3, 3))), "numpy.exp .*out="),
        (lambda t: np.exp(t, where=np.ones((3, 3), bool)), "numpy.exp .*where="),
        (lambda t: np.add(t, t, dtype=np.float32), "numpy.add .*dtype="),
        (lambda t: np.reshape(t, 9, order="F"), "numpy.reshape .*order="),
        (lambda t: np.linalg.norm(t, 2), "numpy.linalg.norm"),
        (lambda t: np.dot(np.ones((2, 3)), np.stack([t, t])), "numpy.dot .*einsum"),
        (lambda t: np.sum(Value(1.0)), "numpy.sum .*Value"),
        (lambda t: np.ones(3) * Value(1.0), "engine.tensor"),
        (lambda t: t * Value(1.0), "Value"),
        (lambda t: np.add(t, Value(1.0)), "Value"),
    ],
)
def test_what_is_not_supported_is_named(call: Any, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        call(leaf(3, 3))


def test_an_array_cannot_take_a_tensor_in() -> None:
    a = np.ones(3)
    with pytest.raises(TypeError, match="write a = a \\+ t"):
        a += leaf(3)
    assert a.tolist() == [1.0, 1.0, 1.0]


def test_an_argument_that_numpy_was_not_given_is_no_error() -> None:
    assert np.sum(leaf(2, 3), axis=None, out=None).shape == ()
