"""`detect_anomaly`: the first nan or inf, by name, place and line; and arrays that are locked."""

from __future__ import annotations

import gc
import inspect
import timeit
from typing import Any

import numpy as np
import pytest

import engine
from engine import Tensor, Value, detect_anomaly
from engine.backprop import check_fresh, order

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def leaf(*data: float, label: str = "w") -> Tensor:
    return Tensor(list(data), requires_grad=True, label=label)


def line_of(text: str) -> str:
    """`file:line: code` of the line of this file that contains `text` first."""
    lines, start = inspect.getsourcelines(inspect.getmodule(line_of) or line_of)
    number = next(i for i, line in enumerate(lines, start or 1) if text in line)
    return f"{__file__}:{number}: "


def message(do: Any) -> str:
    with detect_anomaly(), pytest.raises(RuntimeError) as caught:
        do()
    return str(caught.value)


# --- forward and backward ---------------------------------------------------------------------


def test_forward_names_operation_operand_element_and_line() -> None:
    w = leaf(1.0, 0.0, 2.0)

    def do() -> None:
        (w.log() * 2).sum()  # here the log is taken

    text = message(do)
    assert text.startswith("log gave -inf at element [1] of shape (3,) in the forward pass")
    assert "operand w: 0.0 at element [1]" in text
    assert line_of("here the log is taken") + "(w.log() * 2).sum()" in text


def test_backward_names_operation_operand_element_and_line_of_the_forward() -> None:
    w = leaf(1.0, 0.0, 2.0)

    def do() -> None:
        root = w.sqrt()  # here the root is taken
        (root * 3).sum().backward()

    text = message(do)
    assert text.startswith("sqrt gave inf at element [1] of shape (3,) in the backward pass, to op")
    assert "upstream gradient: 3.0" in text
    assert "local derivative: inf" in text
    assert "operand w: 0.0 at element [1]" in text
    assert line_of("here the root is taken") in text


def test_values_forward_and_backward() -> None:
    text = message(lambda: Value(3.0, label="a") / Value(0.0, label="b"))
    assert text.startswith("div gave inf in the forward pass")
    assert "operand a: 3.0" in text
    assert "operand b: 0.0" in text
    assert __file__ in text
    text = message(lambda: (Value(0.0, label="x") ** 0.5).backward())
    assert text.startswith("pow gave inf in the backward pass, to operand x")
    assert __file__ in text


def test_the_first_is_named_not_a_later_one() -> None:
    w = leaf(0.0)
    assert message(lambda: ((w.log() * 0).exp() + w).sum()).startswith("log gave -inf")
    assert message(lambda: (w - w) / (w - w)).startswith("div gave nan")
    assert message(lambda: np.exp(leaf(1000.0)) - 1).startswith("exp gave inf")


def test_broadcast_operands_show_their_own_element() -> None:
    a, b = Tensor([[1.0], [0.0]], label="a"), leaf(1.0, 0.0, label="b")
    text = message(lambda: a / b)
    assert "div gave inf at element [0, 1] of shape (2, 2)" in text
    assert "operand a: 1.0 at element [0, 0]" in text
    assert "operand b: 0.0 at element [1]" in text


def test_structural_operations_say_which_operand_brought_it() -> None:
    text = message(lambda: leaf(1.0, 2.0) @ Tensor([1.0, np.nan], label="x"))
    assert text.startswith("matmul gave nan")
    assert "operand w: shape (2,), all finite" in text
    assert "operand x: nan at element [1]" in text


def test_engine_grad_is_watched_too() -> None:
    w = leaf(0.0)
    assert "backward pass" in message(lambda: engine.grad(w.sqrt(), w))
    assert "backward pass" in message(lambda: engine.grad(w.sqrt(), w, create_graph=True))


def test_what_is_well_is_left_alone() -> None:
    with detect_anomaly():
        w = leaf(0.0, 4.0)
        masked = engine.where(w > 1, w.sqrt(), 0.0)  # sqrt'(0) is inf, behind a zero upstream
        masked.sum().backward()
        assert w.grad.tolist() == [0.0, 0.25]
        a = Value(2.0)
        (a * a + 1).backward()
        assert a.grad == 4.0
        (slope,) = engine.grad((w * w).sum(), w, create_graph=True)
        assert slope.data.tolist() == [0.0, 8.0]


def test_a_gradient_that_was_infinite_before_is_not_reported() -> None:
    w = leaf(0.0)
    w.sqrt().backward()
    assert w.grad == [np.inf]
    with detect_anomaly():
        (w * 2).sum().backward()


def test_no_grad_is_watched_and_records_nothing() -> None:
    with detect_anomaly(), engine.no_grad():
        assert not (leaf(1.0) * 2).requires_grad
        with pytest.raises(RuntimeError, match="log gave -inf"):
            leaf(0.0).log()
    with engine.no_grad(), detect_anomaly():
        assert not (leaf(1.0) * 2).requires_grad


def test_outside_the_block_nothing_is_watched() -> None:
    with detect_anomaly():
        pass
    assert leaf(0.0).log().tolist() == [-np.inf]
    with pytest.raises(RuntimeError, match="log"), detect_anomaly():
        leaf(0.0).log()
    assert Value(0.0).log().data == -np.inf
    assert (Value(1.0) * 2).rule.line == ""


def test_a_diverging_training_loop_is_stopped_where_it_diverges() -> None:
    w = leaf(2.0)

    def train() -> None:
        for _ in range(10000):
            loss = (w**4).sum()
            w.grad = None
            loss.backward()
            w.data -= 0.5 * w.grad

    text = message(train)
    assert "gave inf" in text or "gave -inf" in text
    assert __file__ in text


# --- locks ------------------------------------------------------------------------------------


def test_a_raw_write_between_forward_and_backward_raises() -> None:
    with detect_anomaly():
        w = leaf(1.0, 2.0)
        hidden = w * 3
        loss = (hidden * w).sum()
        for tensor in (w, hidden):
            with pytest.raises(ValueError, match="read-only"):
                tensor.data[0] = 5.0
        loss.backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_a_raw_write_after_backward_is_seen_when_the_graph_is_used() -> None:
    with detect_anomaly():
        w = leaf(1.0, 2.0)
        loss = (w * w).sum()
        loss.backward()
        check_fresh(order(loss))
        w.data[0] = 5.0
        with pytest.raises(RuntimeError, match="w changed after this graph was built"):
            check_fresh(order(loss))
        with pytest.raises(RuntimeError, match="w changed"):
            engine.grad(loss, w, create_graph=True)


def test_arrays_are_unlocked_when_no_graph_needs_them() -> None:
    with detect_anomaly():
        w = leaf(1.0, 2.0)
        first, second = (w * 2).sum(), w.reshape(2, 1) * 3
        first.backward()
        with pytest.raises(ValueError, match="read-only"):
            w.data[0] = 5.0
        del second  # gone without a backward pass
        w.data[0] = 5.0
        third = (w * 2).sum()
        with pytest.raises(ValueError, match="read-only"):
            w.data[0] = 6.0
    w.data[0] = 7.0
    third.data[...] = 0.0
    assert w.tolist() == [7.0, 2.0]


def test_what_was_read_only_before_stays_so() -> None:
    array = np.array([1.0, 2.0])
    array.flags.writeable = False
    with detect_anomaly():
        (leaf(1.0, 2.0) * array).sum().backward()
    assert not array.flags.writeable


def test_watching_keeps_no_graph_alive() -> None:
    gc.collect()
    with detect_anomaly():
        w = leaf(*range(1, 1000))
        for _ in range(50):
            (w * 2 + 1).sum()
        locked = engine.node.watching.get().locks
        assert not locked._holds
    assert w.data.flags.writeable


# --- cost -------------------------------------------------------------------------------------


def test_outside_the_block_it_costs_nothing() -> None:
    """The hot path asks one question, the one that no_grad asks."""
    a, b = Value(2.0), Value(3.0)
    multiply = type(a).__mul__
    names = multiply.__code__.co_names + multiply.__code__.co_freevars
    assert "watching" not in names
    assert timeit.timeit(lambda: a * b, number=1000) < 0.1


@pytest.mark.parametrize("kind", [Value, lambda x: Tensor(x, requires_grad=True)])
def test_nothing_is_left_for_the_garbage_collector(kind):
    def step():
        x = kind(0.5)
        with engine.detect_anomaly():
            (x * x + x.tanh()).backward()

    step()
    gc.collect()
    step()
    assert gc.collect() == 0
