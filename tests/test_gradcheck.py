"""`gradcheck`: what it catches, what it points out, and what it says."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, Value, elementwise, gradcheck

cube = elementwise("cube", lambda m, x: x * x * x, lambda m, x, y: 3 * x * x)
wrong = elementwise("wrong", lambda m, x: x * x * x, lambda m, x, y: 2 * x * x)
off = elementwise("off", lambda m, x: m.exp(x), lambda m, x, y: 1.01 * y)


def leaf(*data: Any, label: str = "") -> Tensor:
    return Tensor(list(data), requires_grad=True, label=label)


# --- right and wrong --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_gradients_pass(order: int) -> None:
    assert gradcheck(cube, Value(0.7), order=order) is True
    assert gradcheck(cube, leaf(0.7, -1.2), order=order) is True
    assert gradcheck(lambda a, b: a * b / (a + 3), (Value(0.7), Value(1.2)), order=order)
    assert gradcheck(lambda a, b: (a @ b, a.sum()), (leaf(0.1, 0.2), leaf(0.3, 0.5)), order=order)
    assert gradcheck(lambda x: x[:0], leaf(1.0), order=order)


@pytest.mark.parametrize("rule", [wrong, off])
@pytest.mark.parametrize("x", [Value(0.7), leaf(0.7, -1.2), leaf([[2.0]])])
def test_wrong_gradients_do_not(rule: Any, x: Any) -> None:
    assert gradcheck(rule, x, raise_exception=False) is False
    with pytest.raises(RuntimeError, match="gradcheck"):
        gradcheck(rule, x)


def test_a_wrong_second_derivative_is_caught_at_order_two() -> None:
    assert gradcheck(lambda x: x.exp() + 0 * x.detach(), leaf(0.3), order=2)
    assert not gradcheck(lambda x: x * x.detach(), leaf(0.3), raise_exception=False)

    def second_is_wrong(x: Any) -> Any:
        return wrong_slope(x)

    assert gradcheck(second_is_wrong, leaf(0.3))
    assert not gradcheck(second_is_wrong, leaf(0.3), order=2, raise_exception=False)
    with pytest.raises(RuntimeError, match="the gradient of f"):
        gradcheck(second_is_wrong, leaf(0.3), order=2)


# f = x³, f' = 3x² by way of an operation whose own derivative is wrong
bad_square = elementwise("bad_square", lambda m, x: x * x, lambda m, x, y: 3 * x)
wrong_slope = elementwise(
    "f",
    lambda m, x: x * x * x,
    lambda m, x, y: 3 * (bad_square(x) if isinstance(x, (Tensor, Value)) else x * x),
)


def test_only_what_requires_a_gradient_is_checked() -> None:
    assert gradcheck(lambda x, n: x * n, (leaf(1.0, 2.0), 3))
    assert gradcheck(lambda x, a: x * a, (leaf(1.0, 2.0), np.array([1.0, 5.0])))
    assert gradcheck(lambda x, c: x + wrong(c), (leaf(1.0), Tensor([2.0])))
    with pytest.raises(RuntimeError, match="no input requires a gradient"):
        gradcheck(cube, 2.0)


def test_float32_inputs_are_checked_in_float64() -> None:
    assert gradcheck(cube, Tensor([0.7], requires_grad=True, dtype=np.float32))


def test_a_function_that_draws_numbers_is_refused() -> None:
    with pytest.raises(RuntimeError, match="random"):
        gradcheck(lambda x: x * engine.randn(1), leaf(1.0))


def test_inputs_keep_their_data_and_gradients() -> None:
    x = leaf(1.0, 2.0)
    gradcheck(cube, x, order=2)
    assert x.grad is None
    assert x.tolist() == [1.0, 2.0]


def test_tolerances_decide() -> None:
    assert not gradcheck(off, leaf(1.0), raise_exception=False)
    assert gradcheck(off, leaf(1.0), rtol=0.02)
    assert gradcheck(off, leaf(1.0), atol=0.05)


# --- kinks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("function", "at"),
    [
        (engine.relu, 0.0),
        (engine.abs, 0.0),
        (engine.sqrt, 0.0),
        (engine.leaky_relu, 0.0),
        (lambda x: engine.clamp(x, min=0.5), 0.5),
        (lambda x: engine.maximum(x, 2.0), 2.0),
    ],
)
def test_a_kink_is_pointed_out_and_not_failed_on(
    function: Any, at: float, order: int, caplog: pytest.LogCaptureFixture
) -> None:
    for x in (leaf(at, 3.0, label="x"), Value(at, label="x")):
        caplog.clear()
        assert gradcheck(function, x, order=order)
        assert "kink" in caplog.text or "jump" in caplog.text
        assert f"(x){'[0]' if isinstance(x, Tensor) else ''} = {at:g}" in caplog.text
        assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_kink_nearby_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    """Lesson D16: a central difference over the kink of relu says 0.45, backward 0."""
    assert gradcheck(engine.relu, leaf(-1e-6), eps=1e-5)
    assert "within 1e-05 of a kink" in caplog.text


def test_smooth_functions_are_not_called_kinked(caplog: pytest.LogCaptureFixture) -> None:
    assert gradcheck(engine.exp, leaf(5.0, -20.0))
    assert gradcheck(engine.log, leaf(1e-4))
    assert "is a kink" not in caplog.text


def test_a_wrong_slope_at_a_kink_is_still_wrong() -> None:
    upside = elementwise(
        "upside", lambda m, x: m.maximum(x, 0.0), lambda m, x, y: m.where(x > 0, 1.0, -0.5)
    )
    with pytest.raises(RuntimeError, match=r"backward gives -0\.5.* on the left and 1 on the righ"):
        gradcheck(upside, leaf(0.0))


# --- the message ------------------------------------------------------------------------------


def test_the_message_shows_operation_input_element_and_both_numbers() -> None:
    x, y = leaf([0.5, 1.0], [2.0, 3.0], label="x"), leaf(1.0, 1.0)
    with pytest.raises(RuntimeError) as caught:
        gradcheck(lambda y, x: wrong(x), (y, x))
    message = str(caught.value)
    assert "wrong[0, 0], by input 1 (x)[0, 0] = 0.5" in message
    assert "backward gives 0.5, finite differences give 0.75" in message


def test_the_message_names_the_operation_at_fault_among_many() -> None:
    with pytest.raises(RuntimeError, match=r"The operation at fault: wrong$"):
        gradcheck(lambda x: (wrong(x.tanh() + 1) * 2).sum(), leaf(0.3, 0.4))
    with pytest.raises(RuntimeError, match=r"The operation at fault: wrong$"):
        gradcheck(lambda x: wrong(x.tanh() + 1) * 2, Value(0.3))
