"""Functions of functions, against numbers worked out by hand and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, Value, hessian, hvp, jacobian, jvp, value_and_grad, vjp

X, Y = np.array([0.5, -1.5, 2.0]), np.array([1.0, 3.0, -0.5])


def product(x: Any, y: Any) -> Any:
    return x * x * y


# --- values, by hand --------------------------------------------------------------------------


def test_value_and_grad() -> None:
    f = value_and_grad(lambda w, x: (w * x - 1) ** 2)
    assert f(3.0, 2.0) == (25.0, 20.0)
    assert f(Value(3.0), 2.0) == (25.0, 20.0)
    assert value_and_grad(lambda w, x: (w * x - 1) ** 2, argnums=(0, 1))(3.0, 2.0) == (
        25.0,
        (20.0, 30.0),
    )
    assert value_and_grad(lambda w, x: w * x, argnums=1)(3.0, 2.0) == (6.0, 3.0)
    value, gradient = value_and_grad(lambda x: (x**3).sum())(X)
    np.testing.assert_allclose(value, (X**3).sum())
    np.testing.assert_allclose(gradient, 3 * X**2)
    x = Tensor(X, requires_grad=True)
    value_and_grad(lambda x: (x**3).sum())(x)
    assert x.grad is None


def test_jacobian_of_values() -> None:
    a, b = Value(3.0), Value(2.0)
    assert jacobian(product, (a, b)) == (12.0, 9.0)
    assert jacobian(lambda a, b: (a * b, a + 1), (a, b)) == ((2.0, 3.0), (1.0, 0.0))
    assert jacobian(lambda a: a**3, a) == 27.0
    assert jacobian(lambda a: (a**3, 2 * a), a) == (27.0, 2.0)
    assert a.grad is None


def test_jacobian_of_tensors_has_the_shape_of_output_and_input() -> None:
    w = np.arange(6.0).reshape(2, 3)
    j = jacobian(lambda w, x: w @ x, (Tensor(w), Tensor(X)))
    assert [b.shape for b in j] == [(2, 2, 3), (2, 3)]
    np.testing.assert_array_equal(j[1], w)
    np.testing.assert_array_equal(j[0], np.einsum("ab,c->abc", np.eye(2), X))
    (only,) = jacobian(lambda x: (x * x,), Tensor(X))
    np.testing.assert_array_equal(only, np.diag(2 * X))
    assert jacobian(lambda x: x[:0], Tensor(X)).shape == (0, 3)


def test_hessian() -> None:
    assert hessian(product, (Value(3.0), Value(2.0))) == ((4.0, 6.0), (6.0, 0.0))
    assert hessian(lambda a: a**4, Value(2.0)) == 48.0
    h = hessian(lambda x, y: (x * x * y).sum(), (Tensor(X), Tensor(Y)))
    np.testing.assert_allclose(h[0][0], np.diag(2 * Y))
    np.testing.assert_allclose(h[0][1], np.diag(2 * X))
    np.testing.assert_allclose(h[1][1], np.zeros((3, 3)))


def test_products_with_vectors() -> None:
    u = np.array([1.0, -2.0, 0.5])
    value, gradient = vjp(lambda x: x**3, Tensor(X), u)
    np.testing.assert_allclose(value, X**3)
    np.testing.assert_allclose(gradient, u * 3 * X**2)
    _, slope = jvp(lambda x: x**3, Tensor(X), u)
    np.testing.assert_allclose(slope, u * 3 * X**2)
    _, product_ = hvp(lambda x: (x**3).sum(), Tensor(X), u)
    np.testing.assert_allclose(product_, 6 * X * u)
    assert jvp(lambda a, b: (a * b, a + 1), (Value(2.0), Value(3.0)), (1.0, 10.0)) == (
        (6.0, 3.0),
        (23.0, 1.0),
    )
    assert vjp(lambda a: a**2, Value(3.0)) == (9.0, 6.0)
    assert hvp(product, (Value(3.0), Value(2.0)), (1.0, 1.0)) == (18.0, (10.0, 6.0))


def test_jvp_is_the_jacobian_times_the_vector() -> None:
    w = np.random.RandomState(0).randn(4, 3)

    def f(x: Any) -> Any:
        return engine.softmax(Tensor(w) @ engine.tanh(x), 0)

    v = np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(jvp(f, Tensor(X), v)[1], jacobian(f, Tensor(X)) @ v, atol=1e-15)


def test_jvp_of_one_number_computed_from_an_array() -> None:
    # f = x·x, so that its slope along v is 2x·v
    value, slope = jvp(lambda x: (x * x).sum(), Tensor(X), np.array([0.3, -1.0, 2.0]))
    assert (value, slope) == (6.5, pytest.approx(2 * (0.15 + 1.5 + 4.0)))


def test_numbers_among_arrays() -> None:
    value, (dw, db) = value_and_grad(lambda w, b: (w * 2 + b).sum(), argnums=(0, 1))(X, 1.0)
    assert (value, dw.tolist(), db) == (5.0, [2.0, 2.0, 2.0], 3.0)
    value, dw = value_and_grad(lambda w, x: (w * x).sum())(0.5, X)
    assert (value, dw) == (0.5, 1.0)
    dx, dc = jacobian(lambda x, c: x * c, (X, 2.0))
    assert dx.tolist() == (2 * np.eye(3)).tolist()
    assert dc.tolist() == X.tolist()


# --- what is connected ------------------------------------------------------------------------


def test_create_graph_gives_nodes_that_differentiate_again() -> None:
    x = Tensor(X, requires_grad=True)
    j = jacobian(lambda x: x**3, x, create_graph=True)
    j.sum().backward()
    np.testing.assert_allclose(x.grad, 6 * X)
    v = Value(2.0)
    h = hessian(lambda a: a**4, v, create_graph=True)
    h.backward()
    assert v.grad == 48.0
    _, slope = jvp(lambda a: a**3, v, 1.0, create_graph=True)
    (second,) = engine.grad(slope, v)
    assert second == 12.0


def test_one_node_given_twice_is_two_inputs() -> None:
    a = Value(3.0)
    assert jacobian(lambda x, y: x * x * y, (a, a)) == (18.0, 9.0)
    first, second = jacobian(lambda x, y: x * x * y, (a, a), create_graph=True)
    assert (first.data, second.data) == (18.0, 9.0)


def test_an_input_without_influence_has_derivative_zero_or_raises_if_strict() -> None:
    assert jacobian(lambda a, b: a * 2, (Value(1.0), Value(2.0))) == (2.0, 0.0)
    assert hessian(lambda a: a * 2, Value(1.0)) == 0.0
    assert jacobian(lambda x: Tensor(X), Tensor(X)).tolist() == np.zeros((3, 3)).tolist()
    for call in (
        lambda: jacobian(lambda a, b: a * 2, (Value(1.0), Value(2.0)), strict=True),
        lambda: jacobian(lambda x: Tensor(X), Tensor(X), strict=True),
        lambda: vjp(lambda a, b: a * 2, (Value(1.0), Value(2.0)), strict=True),
        lambda: hessian(lambda a: a * 2, Value(1.0), strict=True),
    ):
        with pytest.raises(RuntimeError, match="strict"):
            call()


# --- errors -----------------------------------------------------------------------------------


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(TypeError, match=r"jacobian: the function must return .* not a float"):
        jacobian(lambda x: 1.0, Value(2.0))
    with pytest.raises(ValueError, match=r"jvp: v has shape \(2,\), expected .*\(3,\)"):
        jvp(lambda x: x, Tensor(X), np.ones(2))
    with pytest.raises(ValueError, match="hvp: v has shape"):
        hvp(lambda a, b: a * b, (Value(1.0), Value(2.0)), (1.0,))
    for one in (value_and_grad(lambda x: (x, x)), lambda x: hessian(lambda x: (x, x), x)):
        with pytest.raises(TypeError, match="must return one number, not 2 results"):
            one(2.0)
    with pytest.raises(TypeError, match="hvp: the function must return one number"):
        hvp(lambda x: (x, x), Value(2.0))
    with pytest.raises(RuntimeError, match=r"shape \(3,\)"):
        hessian(lambda x: x * x, Tensor(X))
    with pytest.raises(RuntimeError, match=r"shape \(3,\)"):
        vjp(lambda x: x * x, Tensor(X))
    with pytest.raises(TypeError, match="vectorize"):
        jacobian(lambda x: x, Value(1.0), vectorize=True)


# --- PyTorch's answers ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp"])
@pytest.mark.parametrize("several", [False, True])
def test_nesting_and_numbers_are_those_of_pytorch(name: str, several: bool) -> None:
    torch = pytest.importorskip("torch")

    def f(lib: Any, x: Any, y: Any = None) -> Any:
        z = lib.tanh(x) * (x if y is None else lib.exp(y * 0.3))
        return z.sum() if name in ("hessian", "hvp") else z

    inputs = (X, Y) if several else X
    v = None
    if name in ("jvp", "hvp"):
        v = (Y, X) if several else Y
    elif name == "vjp":
        v = Y
    extra = [] if v is None else [v]
    ours = getattr(engine, name)(lambda *xs: f(engine, *xs), inputs, *extra)
    convert = _map(torch.tensor)
    theirs = getattr(torch.autograd.functional, name)(
        lambda *xs: f(torch, *xs), convert(inputs), *map(convert, extra)
    )
    _same(ours, theirs)


def _map(f: Any) -> Any:
    return lambda x: tuple(map(f, x)) if isinstance(x, tuple) else f(x)


def _same(ours: Any, theirs: Any) -> None:
    assert isinstance(ours, tuple) == isinstance(theirs, tuple)
    if isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b)
    else:
        assert np.shape(ours) == tuple(theirs.shape)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-14)
