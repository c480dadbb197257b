"""What the engine promises, line by line."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import subprocess
import sys
import threading
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

import engine
import nn
from engine import Tensor, Value, no_grad, tensor

BOTH = pytest.mark.parametrize(
    "leaf", [Value, lambda x, label="": Tensor(x, requires_grad=True, label=label)]
)


def vector(*data: float, **keywords: Any) -> Tensor:
    return Tensor(list(data), requires_grad=True, **keywords)


# === Nodes and graphs ===========================================================================


@BOTH
def test_nodes_have_data_grad_op_parents_label(leaf: Any) -> None:
    a = leaf(2.0, label="a")
    b = a * a
    assert (float(b), b.grad, b.op, b.label) == (4.0, None, "mul", "")
    assert b.parents == (a, a)  # repeats kept
    assert (a.op, a.parents, a.label) == ("", (), "a")
    a.label = "renamed"
    assert a.label == "renamed"
    assert (b._prev, b._op) == (b.parents, b.op)  # micrograd's readers


def test_operands_that_were_numbers_are_constants() -> None:
    for y, number in ((Value(3.0) - 1, 1.0), (2.0 * Value(3.0), 2.0), (vector(3.0) - 1, 1.0)):
        (constant,) = (p for p in y.parents if not p.requires_grad)
        assert float(constant) == number
        y.backward()
        assert constant.grad is None


def test_a_tensor_leaf_collects_a_gradient_only_if_asked() -> None:
    x, w = Tensor([1.0, 2.0]), vector(3.0, 4.0)
    y = (x * w).sum()
    y.backward()
    assert x.grad is None
    assert w.grad.tolist() == [1.0, 2.0]
    assert y.requires_grad
    x.requires_grad_()
    (x * w).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]


def test_signs_remainders_and_membership_are_those_of_numbers() -> None:
    x, v = Tensor([[7.5, -7.5]], requires_grad=True), Value(-7.5)
    assert +x is x
    assert +v is v
    assert (x % 2).tolist() == [[1.5, 0.5]]
    assert (10.0 % x).tolist() == [[2.5, -5.0]]
    assert (v % 2).data == -7.5 % 2
    assert (10.0 % v).data == 10.0 % -7.5
    (10.0 % x).sum().backward()  # 10 − x·⌊10/x⌋
    assert x.grad.tolist() == [[-1.0, 2.0]]
    assert 7.5 in x
    assert 7.0 not in x


def test_dtypes_follow_pytorch() -> None:
    assert Tensor([1, 2]).dtype == np.float64
    assert tensor([1, 2]).dtype == np.int64
    assert tensor([True]).dtype == bool
    assert tensor(np.zeros(2, np.float32)).dtype == np.float32
    assert Tensor([1.0], dtype=np.float32).dtype == np.float32
    for constant in (tensor([1, 2]), tensor([True])):
        with pytest.raises(RuntimeError, match="only floating"):
            constant.requires_grad_()
        with pytest.raises(RuntimeError, match="only floating"):
            constant.requires_grad = True
        assert not (constant * 2).requires_grad
    engine.set_default_dtype(np.float32)
    try:
        assert tensor([1.0]).dtype == Tensor([1, 2]).dtype == np.float32
    finally:
        engine.set_default_dtype(np.float64)


def test_none_is_not_computed_and_zero_is_computed() -> None:
    a, b = Value(-1.0), Value(2.0)
    a.relu().backward()
    assert (a.grad, b.grad) == (0.0, None)


@BOTH
def test_grad_is_plain_data(leaf: Any) -> None:
    x = leaf(3.0)
    (x * x).backward()
    assert type(x.grad) in (float, np.ndarray)
    w = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    (w * 2).sum().backward()
    assert (w.grad.shape, w.grad.dtype) == ((2, 3), np.float32)


@BOTH
def test_gradients_that_are_nodes_come_from_engine_grad_to_any_order(leaf: Any) -> None:
    x = leaf(2.0)
    y = x**4
    for expected in (32.0, 48.0, 48.0, 24.0):
        (y,) = engine.grad(y, x, create_graph=True)
        assert float(y) == expected
    assert x.grad is None
    other = leaf(1.0)
    with pytest.raises(RuntimeError, match="allow_unused"):
        engine.grad(x * x, other)
    assert engine.grad(x * x, [x, other], allow_unused=True) == (4.0, None)


def test_backward_of_a_tensor_takes_pytorchs_arguments() -> None:
    w, v = vector(1.0, 2.0), vector(5.0, 6.0)
    (w * v).backward(np.array([1.0, 10.0]))
    assert w.grad.tolist() == [5.0, 60.0]
    (w * v).backward(tensor([1.0, 1.0]), retain_graph=True, inputs=[v])
    assert v.grad.tolist() == [2.0, 22.0]
    assert w.grad.tolist() == [5.0, 60.0]
    (w * v).backward([1.0, 10.0], inputs=[v])
    assert v.grad.tolist() == [3.0, 42.0]
    with pytest.raises(ValueError, match=r"engine\.grad"):
        (w * v).sum().backward(create_graph=True)


@BOTH
def test_leaves_accumulate_and_intermediates_are_overwritten(leaf: Any) -> None:
    x = leaf(3.0)
    y = x**3
    y.backward()
    assert x.grad == 27.0
    y.backward()
    assert x.grad == 54.0  # micrograd: 72
    a = leaf(2.0)
    trunk = a * a
    first, second = trunk * 3, trunk * 5
    first.backward()
    second.backward()
    assert a.grad == 4 * 3 + 4 * 5  # two losses on one trunk: the sum of both
    assert trunk.grad == 5.0


@BOTH
def test_every_intermediate_keeps_its_grad(leaf: Any) -> None:
    x = leaf(3.0)
    a = x * 2
    b = a * a
    b.backward()
    assert (b.grad, a.grad, x.grad) == (1.0, 12.0, 24.0)


@BOTH
def test_the_graph_is_freed_by_reference_counting_alone(leaf: Any) -> None:
    gc.collect()
    gc.disable()
    try:
        y = leaf(1.0)
        for _ in range(100):
            y = (y * 2).tanh() + y
        y.backward()
        assert y.parents  # it can be drawn after backward()
        del y
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_long_chain_builds_runs_backward_and_is_freed() -> None:
    x = Value(1.0)
    y = x
    for _ in range(3_000):  # a million: test_scale.py
        y = y + 1.0
    y.backward()
    assert x.grad == 1.0
    del y
    t = vector(1.0)
    u = t
    for _ in range(3_000):
        u = u + 1.0
    u.backward()
    assert t.grad.tolist() == [1.0]


@BOTH
def test_doubling_a_hundred_times_is_linear(leaf: Any) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100):
        y = y + y
    y.backward()
    assert x.grad == 2.0**100


@BOTH
def test_order_matters_where_a_node_is_used_twice(leaf: Any) -> None:
    a = leaf(1.0)
    b = a + a
    (b + b).backward()
    assert a.grad == 4.0  # the naive recursion: 8


def test_leaves_are_never_merged_by_value() -> None:
    a, b = Value(2.0), Value(2.0)
    (a * b * b).backward()
    assert (a.grad, b.grad) == (4.0, 8.0)


def test_order_is_the_same_in_every_run() -> None:
    program = (
        "from engine import Value\n"
        "from engine.backprop import order\n"
        "a, b = Value(1.0, 'a'), Value(2.0, 'b')\n"
        "c = (a * b + a.tanh()) / (b - a * 3)\n"
        "print([(n.op, n.data) for n in order(c)])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_one_node_per_operation_written() -> None:
    a, b = Value(1.0), Value(2.0)
    y = -(a - b) / b
    ops = []
    while y.op:
        ops.append(y.op)
        y = y.parents[0]
    assert ops == ["div", "neg", "sub"]


@BOTH
def test_no_grad_records_nothing_and_detach_cuts(leaf: Any) -> None:
    x = leaf(3.0)
    with no_grad():
        y = x * x
    assert (y.requires_grad, y.parents, y.op) == (False, (), "")
    z = x * x.detach()
    z.backward()
    assert x.grad == 3.0
    with pytest.raises(RuntimeError, match="constant"):
        y.backward()


def test_no_grad_is_per_thread_and_per_task() -> None:
    seen = {}

    def other() -> None:
        seen["thread"] = (Value(1.0) * 2).requires_grad

    def enter() -> None:
        with no_grad():
            seen["inside"] = (Value(1.0) * 2).requires_grad

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    copy_context().run(enter)
    seen["after"] = (Value(1.0) * 2).requires_grad
    assert seen == {"thread": True, "inside": False, "after": True}


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (Value(1.0) * 2).requires_grad


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
@BOTH
def test_copies_and_pickles_are_leaves_with_the_same_data(leaf: Any, duplicate: Any) -> None:
    x = leaf(3.0, label="x")
    y = x * x
    y.backward()
    for node in (x, y):
        twin = duplicate(node)
        assert type(twin) is type(node)
        assert (float(twin), twin.grad, twin.parents, twin.op) == (float(node), None, (), "")
        assert twin.label == node.label
        assert twin.requires_grad
        (twin * 2).backward()
        assert twin.grad == 2.0
    assert x.grad == 6.0
    constant = duplicate(y.detach())
    assert not constant.requires_grad


def test_values_compare_by_identity_and_order_by_data() -> None:
    a, b = Value(2.0), Value(2.0)
    assert a != b
    assert a == a  # noqa: PLR0124
    assert len({a, b}) == 2
    assert (a < 3, a <= b, a > b, a <= 3.0) == (True, True, False, True)


def test_tensor_comparisons_are_boolean_constants() -> None:
    t = vector(1.0, 2.0)
    mask = t > 1.5
    assert (mask.dtype, mask.requires_grad, mask.tolist()) == (bool, False, [False, True])
    assert float(mask.float().mean()) == 0.5
    assert t[mask].tolist() == [2.0]
    assert (t == tensor([1.0, 0.0])).tolist() == [True, False]
    assert (t != 1.0).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        bool(mask)
    assert bool(t[0] > 0.5) is True


def test_conversions() -> None:
    assert (float(Value(2.5)), int(Value(2.5)), Value(2.5).item()) == (2.5, 2, 2.5)
    t = vector(2.5)
    assert (float(t), int(t), t.item()) == (2.5, 2, 2.5)
    assert np.asarray(vector(1.0, 2.0)).tolist() == [1.0, 2.0]
    assert float(np.asarray(Value(2.5))) == 2.5
    assert len(Tensor(np.zeros((3, 2)))) == 3
    rows = list(Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True))
    assert [r.tolist() for r in rows] == [[1.0, 2.0], [3.0, 4.0]]
    assert all(r.requires_grad for r in rows)
    for scalar in (Tensor(1.0), Value(1.0)):
        with pytest.raises(TypeError):
            len(scalar)
        with pytest.raises(TypeError):
            iter(scalar)
    with pytest.raises((ValueError, RuntimeError, TypeError)):
        float(vector(1.0, 2.0))


def test_reprs_are_short_and_say_what_matters() -> None:
    assert repr(Value(2.0, "x")) == "Value(data=2, grad=None, label='x')"
    x = Value(0.5)
    (x * 3).backward()
    assert repr(x) == "Value(data=0.5, grad=3)"
    assert repr(vector(1.0, 2.0)) == "tensor([1., 2.], requires_grad=True)"
    assert "op=mul" in repr(vector(1.0) * 2)
    assert "dtype=float32" in repr(Tensor([1.0], dtype=np.float32))
    assert "label='w'" in repr(vector(1.0, label="w"))
    assert len(repr(Tensor(np.zeros((100, 100))))) < 400
    assert repr(engine.tanh) == "<operation tanh>"


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: Value(Value(2.0)), "Value"),
        (lambda: Value("2"), "number"),
        (lambda: Value(2j), "number"),
        (lambda: Value(np.ones(2)), r"engine\.tensor"),
        (lambda: Value(2.0) * vector(1.0), "Tensor"),
        (lambda: vector(1.0) * Value(2.0), "Value"),
        (lambda: vector(1.0) + "a", "str"),
        (lambda: Value(1.0) + "a", "str"),
        (lambda: Value(1.0) + 1j, "complex"),
        (lambda: vector(1.0) + 1j, "complex"),
        (lambda: vector(1.0) + [1.0], r"engine\.tensor"),  # noqa: RUF005
        (lambda: Tensor("a"), "numbers"),
        (lambda: Tensor([1j]), "complex"),
        (lambda: Tensor(Value(1.0)), r"value\.data"),
        (lambda: Tensor([Value(1.0)]), r"v\.data"),
        (lambda: Value(1.0, 2), "label"),
    ],
)
def test_what_cannot_be_meant_raises_and_says_what_to_write(attempt: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        attempt()


# === Numbers ====================================================================================


@BOTH
def test_if_the_forward_is_finite_backward_does_not_raise(leaf: Any) -> None:
    for function, x in (
        (lambda x: x**0.5, 0.0),
        (lambda x: x**0, 0.0),
        (lambda x: engine.sqrt(x), 0.0),
        (lambda x: 1 / (1 + engine.exp(x)), 800.0),
        (lambda x: engine.pow(x, 1.5), 0.0),
        (lambda x: engine.abs(x), 0.0),
    ):
        node = leaf(x)
        with np.errstate(all="ignore"):
            y = function(node)
        assert math.isfinite(float(y))
        y.backward()


@BOTH
def test_zero_upstream_wins(leaf: Any) -> None:
    x = leaf(0.0)
    (engine.sqrt(x) * 0.0).backward()
    assert x.grad == 0.0
    x = leaf(-1.0)
    with np.errstate(all="ignore"):
        engine.where(x > 0, engine.log(x), 2 * x).backward()
    assert x.grad == 2.0


def test_scalars_follow_numpys_float_semantics() -> None:
    assert (1 / Value(0.0)).data == math.inf
    assert Value(800.0).exp().data == math.inf
    assert math.isnan((Value(-4.0) ** 0.5).data)
    assert math.isnan(Value(-1.0).log().data)
    assert (Value(0.0) ** -1).data == math.inf


def test_tensor_operations_warn_forward_as_numpy_does_and_backward_is_silent() -> None:
    x = vector(0.0, 1.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y = x.log()
    y.backward(np.ones(2))  # warnings are errors here


@pytest.mark.parametrize("big", [1000.0, 1e4])
def test_stable_at_the_extremes(big: float) -> None:
    x = vector(-big, 0.0, big)
    for function, values, slopes in (
        (engine.sigmoid, [0, 0.5, 1], [0, 0.25, 0]),
        (engine.tanh, [-1, 0, 1], [0, 1, 0]),
        (engine.softplus, [0, math.log(2), big], [0, 0.5, 1]),
        (lambda x: engine.softmax(x, 0), [0, 0, 1], [0, 0, 0]),
        (lambda x: engine.log_softmax(x, 0), [-2 * big, -big, 0], [1, 1, -2]),
        (lambda x: engine.logsumexp(x, 0).reshape(1), [big], [0, 0, 1]),
    ):
        y = function(x)
        assert np.allclose(y.data, values)
        (first,) = engine.grad(y, x, np.ones(y.shape), create_graph=True)
        assert np.allclose(first.data, slopes)
        (second,) = engine.grad(first.sum(), x, allow_unused=True)
        assert second is None or np.isfinite(second).all()


def test_float32_in_float32_out() -> None:
    x = Tensor([0.5, 1.5], requires_grad=True, dtype=np.float32)
    y = (2.0 * x + np.float64(1.0)).tanh() ** 2 / 3
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32


def test_boundary_values_of_reductions() -> None:
    for function in (engine.amax, engine.max):
        x = vector(1.0, 3.0, 3.0)
        function(x).backward()
        assert x.grad.tolist() == [0.0, 0.5, 0.5]
    for function in (engine.amin, engine.min):
        x = vector(1.0, 1.0, 3.0)
        function(x).backward()
        assert x.grad.tolist() == [0.5, 0.5, 0.0]
    x = vector(2.0, 0.0, 3.0)
    engine.prod(x).backward()
    assert x.grad.tolist() == [0.0, 6.0, 0.0]
    x = vector(0.0, 0.0)
    engine.norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0]


# === Errors =====================================================================================


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda a: a + Tensor(np.ones(4)), ["add", "(2, 3)", "(4,)"]),
        (lambda a: a @ Tensor(np.ones((4, 2))), ["matmul", "(2, 3)", "(4, 2)"]),
        (lambda a: a.reshape(5), ["reshape", "(2, 3)", "5"]),
        (lambda a: a.sum(dim=2), ["sum", "dim", "2"]),
        (lambda a: a.mean(dim=(0, 0)), ["mean", "dim"]),
        (lambda a: a.permute(0, 0), ["permute", "dims"]),
        (lambda a: engine.softmax(a, 5), ["softmax", "dim", "5"]),
        (lambda a: engine.cat([a, Tensor(np.ones((2, 4)))]), ["cat", "(2, 3)", "(2, 4)"]),
        (lambda a: engine.stack([a, Tensor(np.ones(3))]), ["stack", "(2, 3)", "(3,)"]),
        (lambda a: engine.cat([]), ["cat"]),
        (lambda a: a[5], ["getitem", "5"]),
        (lambda a: a.sum(dimension=0), ["dimension"]),
        (lambda a: a.tanh(approximate=True), ["tanh", "approximate"]),
        (
            lambda a: engine.contraction.linear(a, Tensor(np.ones((2, 4)))),
            ["linear", "(2, 3)", "(2, 4)"],
        ),
        (lambda a: engine.where(a > 0, a, Tensor(np.ones(4))), ["where", "(2, 3)", "(4,)"]),
    ],
)
def test_wrong_shapes_dims_and_arguments_raise_at_the_call(attempt: Any, words: list[str]) -> None:
    with pytest.raises((ValueError, IndexError, TypeError, RuntimeError)) as caught:
        attempt(Tensor(np.ones((2, 3)), requires_grad=True))
    for word in words:
        assert word in str(caught.value)


def test_backward_says_why_it_cannot() -> None:
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*\.sum\(\)"):
        (vector(1.0, 2.0) * 2).backward()
    for constant in (Tensor([1.0]), Value(1.0).detach()):
        with pytest.raises(RuntimeError, match="constant"):
            constant.backward()
    for node in (Value(1.0) * 2, vector(1.0) * 2):
        with no_grad(), pytest.raises(RuntimeError, match="no_grad"):
            node.backward()
        with no_grad(), pytest.raises(RuntimeError, match="no_grad"):
            engine.grad(node, node)
    with pytest.raises(RuntimeError, match=r"\(3,\).*\(2,\)"):
        (vector(1.0, 2.0) * 2).backward(np.ones(3))


# --- stale graphs -----------------------------------------------------------------------------


@BOTH
def test_first_order_backward_uses_the_numbers_of_the_forward_pass(leaf: Any) -> None:
    w = leaf(3.0)
    y = w * w
    w.data = type(w.data)(7.0) if isinstance(w, Value) else np.array(7.0)
    y.backward()
    assert w.grad == 6.0


def rebound(p: Any) -> None:
    p.data = p.data - 1.0


def augmented(p: Any) -> None:
    p.data -= 1.0


@pytest.mark.parametrize("change", [rebound, augmented])
@BOTH
def test_a_graph_whose_leaf_changed_is_stale(leaf: Any, change: Any) -> None:
    w = leaf(3.0, label="w")
    y = w.tanh() * w
    engine.grad(y, w, create_graph=True)  # fresh
    change(w)
    with pytest.raises(RuntimeError, match=r"w changed after this graph was built: draw|w changed"):
        engine.grad(y, w, create_graph=True)


def test_fresh_graphs_of_values_are_never_called_stale() -> None:
    """The same numbers, computed again, must be the same to the last digit."""
    for name in ("exp", "tanh", "sigmoid", "log", "sin", "softplus", "sqrt"):
        for x in np.linspace(0.01, 3.0, 200):
            node = Value(float(x))
            engine.grad(getattr(node, name)(), node, create_graph=True)


@BOTH
@pytest.mark.parametrize(
    "masked",
    [
        engine.relu,
        lambda x: engine.clamp(x, min=0.0),
        lambda x: engine.maximum(x, 0.0),
        lambda x: engine.where(x.data > 0, x, 0.0),
    ],
)
def test_what_is_masked_gets_zero_even_from_an_infinite_upstream(masked: Any, leaf: Any) -> None:
    x = leaf(-1.0)
    y = masked(x).sqrt()  # the slope of sqrt at 0 is inf
    y.backward()
    (as_node,) = engine.grad(y, x, create_graph=True)
    assert (x.grad, as_node.data) == (0.0, 0.0)


# === What a gradient and an operand may be ======================================================


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.mean(),
        lambda x: x.mean(1),
        lambda x: x.sum(),
        lambda x: x.reshape(-1),
        lambda x: engine.einsum("ij->i", x),
        lambda x: engine.einsum("ij->ji", x),
    ],
)
def test_a_gradient_is_an_array_of_its_own_that_can_be_written_to(function: Any) -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    y = function(x)
    upstream = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    y.backward(upstream)
    (result,) = engine.grad(y, x, upstream)
    np.testing.assert_array_equal(result, x.grad)
    for gradient in (x.grad, result):
        assert not np.shares_memory(gradient, y.grad)
        before = gradient.copy()
        gradient[0, 0] += 1  # and this element alone
        assert (gradient - before).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_gradients_of_tensors_of_no_dimensions_are_arrays() -> None:
    x = Tensor(3.0, requires_grad=True)
    (result,) = engine.grad(x * x, x)
    (x * x).backward(inputs=x)
    (x * x).backward(inputs=x)
    assert isinstance(result, np.ndarray)
    assert isinstance(x.grad, np.ndarray)
    assert (result, x.grad) == (6.0, 12.0)


def test_upstream_nodes_have_the_shape_and_get_the_dtype_of_the_output() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, dtype=np.float32)
    with pytest.raises(RuntimeError, match=r"\(\).*\(2,\)"):
        engine.grad(x * x, x, Tensor(1.0), create_graph=True)
    (result,) = engine.grad(x.reshape(2, 1), x, Tensor([[3.0], [4.0]]), create_graph=True)
    assert (result.dtype, result.tolist()) == (np.float32, [3.0, 4.0])


def test_a_changed_node_in_between_is_seen() -> None:
    x = vector(2.0)
    y = x * 3
    z = y * y
    y.data = np.array([5.0])
    with pytest.raises(RuntimeError, match="changed after this graph was built"):
        engine.grad(z, x, create_graph=True)


@BOTH
def test_parameters_may_be_constant_nodes(leaf: Any) -> None:
    x = leaf(-2.0)
    engine.leaky_relu(x, leaf(0.5).detach()).backward()
    assert x.grad == 0.5


@BOTH
@pytest.mark.parametrize("name", ["index", "upstream", "mask", "self", "rule"])
def test_parameters_of_a_rule_may_have_any_name(leaf: Any, name: str) -> None:
    forward, slope = (
        eval(f"lambda m, {inputs}, *, {name}=3.0: {name}{factor}")
        for inputs, factor in (("x", " * x"), ("x, y", ""))
    )
    x = leaf(2.0)
    engine.elementwise("scaled", forward, slope)(x).backward()
    assert x.grad == 3.0


def test_whole_numbers_in_plain_arrays_are_taken_as_floats_where_no_whole_number_comes_out() -> (
    None
):
    for dtype in ("u1", "i4", "?"):
        y = engine.sigmoid(np.array([1, 0], dtype))
        np.testing.assert_allclose(y, [1 / (1 + math.exp(-1)), 0.5], 1e-15)


@pytest.mark.parametrize("size", [3, 100_000])  # of large arrays NumPy reuses the memory
def test_backward_writes_into_no_array_that_a_derivative_returns(size: int) -> None:
    x = Tensor(np.full(size, 2.0), requires_grad=True)
    c = Tensor(np.arange(1.0, size + 1), requires_grad=True)
    y = x.exp() * c  # the derivatives are the result of exp, the result of exp again, and c
    upstream = np.full(size, 3.0)
    y.backward(upstream)
    y.backward(upstream)
    np.testing.assert_array_equal(upstream, np.full(size, 3.0))
    np.testing.assert_array_equal(c.data, np.arange(1.0, size + 1))
    np.testing.assert_allclose(x.grad, 2 * 3 * c.data * math.exp(2), 1e-14)
    np.testing.assert_allclose(c.grad, np.full(size, 2 * 3 * math.exp(2)), 1e-14)


def test_what_a_mask_lets_pass_does_not_depend_on_what_ran_before() -> None:
    def gradient(used: bool) -> float | None:
        leaky = engine.elementwise(
            "leaky",
            lambda m, x, *, slope=0.1: m.where(x > 0, x, slope * x),
            lambda m, x, y, *, slope=0.1: m.where(x > 0, 1.0, slope),
        )
        if used:
            leaky(vector(-1.0)).sum().backward()
        x = Value(-1.0)
        (leaky(x, 0.0) * 1e300 * 1e300).backward()
        return x.grad

    assert gradient(used=False) == gradient(used=True) == 0.0


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (lambda: setattr(vector(1.0), "data", [1j]), "complex"),
        (lambda: setattr(tensor([1.0]), "data", "a"), "real numbers"),
        (lambda: vector(1.0) * np.complex128(1j), "complex128"),
        (lambda: Tensor(2, 3), "requires_grad"),  # a shape in PyTorch
        (lambda: Tensor([1], np.float32), "requires_grad"),
        (lambda: Value(1.0) < vector(1.0), "Tensor"),
        (lambda: engine.tanh(None), "tanh"),
        (lambda: engine.tanh("0.5"), "tanh"),
        (lambda: engine.tanh([Value(1.0)]), "tanh of a list"),
        (lambda: engine.tanh(np.array([Value(1.0)], object)), "tanh"),
        (lambda: engine.sum([1.0, 2.0]), r"sum of a list: .* write engine\.tensor"),
        (lambda: engine.softmax([1.0], 0), r"softmax of a list: .* write engine\.tensor"),
        (lambda: engine.stack([Value(1.0)]), r"stack of a Value: .* write engine\.tensor"),
        (lambda: [0, 1][Tensor(1.0)], "integer"),
        (lambda: engine.where(np.array([True]), Value(1.0), 0.0), "where .* condition must be"),
        (lambda: engine.leaky_relu(Value(1.0), [0.1]), "negative_slope must be plain numbers"),
        (
            lambda: engine.elementwise("exp", lambda m, y: m.exp(y), lambda m, x, y: y),
            "y is the result",
        ),
    ],
)
def test_more_that_cannot_be_meant_raises(attempt: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        attempt()


def test_numpys_booleans_are_numbers_and_comparisons_give_a_bool() -> None:
    assert (Value(2.0) * np.bool(True) + np.int64(3) - np.float64(1.5)).data == 3.5
    assert (np.bool(True) * Value(2.0)).data == 2.0
    for other in (np.float64(2.0), np.int64(2), np.float32(2.0), 2):
        assert (Value(1.0) < other) is True
        assert (Value(1.0) >= other) is False


def test_one_number_is_formatted_as_a_number() -> None:
    assert f"{Value(2.5):.2f} {Tensor(2.5):.2f} {tensor(7):03d}" == "2.50 2.50 007"
    assert f"{Value(2.5)}" == "Value(data=2.5, grad=None)"
    assert f"{Tensor([2.5])}" == "tensor([2.5])"


def test_plain_integer_arrays_are_not_rounded() -> None:
    assert engine.erf(np.array([1])).tolist() == [math.erf(1)]


def test_a_leaf_is_updated_in_place_under_no_grad_as_in_pytorch() -> None:
    p = vector(1.0, 2.0, label="p")
    same, array = p, p.data
    (p * p).sum().backward()
    with no_grad():
        p -= 0.5 * p.grad
        p *= 2
        p += 1
        p /= 4
    assert p is same
    assert (p.tolist(), p.requires_grad, array.tolist()) == ([0.25, 0.25], True, [1.0, 2.0])
    p += 1  # recorded: a new node
    assert (p.op, same.tolist()) == ("add", [0.25, 0.25])


def test_dtypes_go_by_pytorch_s_names() -> None:
    assert engine.zeros(2, dtype=engine.float32).dtype == engine.float32 == np.float32
    assert engine.tensor([1]).dtype == engine.int64


# --- operations are written out as text: none of its names may be in a user's way -------------------


def test_inputs_and_parameters_of_a_rule_may_have_any_name() -> None:
    odd = engine.elementwise(
        "send",
        lambda m, upstream, *, slope, local=1.0, node=1.0, g=1.0, parameters=1.0: (
            upstream * upstream * slope * local * node * g * parameters
        ),
        lambda m, upstream, y, *, slope, local=1.0, node=1.0, g=1.0, parameters=1.0: (
            2 * upstream * slope * local * node * g * parameters
        ),
    )
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = odd(x, slope=3.0, node=0.5).sum()
    loss.backward()
    np.testing.assert_array_equal(x.grad, [3.0, 6.0])
    x.data = [10.0, 20.0]
    assert engine.Tape(loss).replay() == 1.5 * 500
    np.testing.assert_array_equal(x.grad, [30.0, 60.0])
    v = Value(2.0)
    odd(v, slope=3.0, node=0.5).backward()
    assert v.grad == 6.0


def test_threads_build_and_differentiate_graphs_side_by_side() -> None:
    shared = Tensor([2.0], requires_grad=True)
    trunk = shared * 3  # 6, in a graph that all threads go on from
    found: dict[int, float] = {}

    def work(k: int) -> None:
        for _ in range(50):
            x = Tensor([float(k)], requires_grad=True)
            y = trunk.detach() * x
            for _ in range(20):
                y = y + x * x
            y.sum().backward()
        assert x.grad is not None
        found[k] = float(x.grad[0])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: 6.0 + 40 * k for k in range(4)}


def test_backward_is_silent_and_stable_operations_are_whatever_numpy_is_told() -> None:
    with np.errstate(all="raise"):
        x = Tensor([[1000.0, -1000.0]], requires_grad=True)
        nn.functional.cross_entropy(x, engine.tensor([1])).backward()
        np.testing.assert_allclose(x.grad, [[1.0, -1.0]])
        tiny = Tensor([1e-320], requires_grad=True)
        (1.0 * tiny).sqrt().sum().backward()
        assert np.isfinite(tiny.grad).all()
        with pytest.raises(FloatingPointError):
            tiny.log().exp().exp() / Tensor([0.0])


def test_a_slope_may_refuse_floats_where_the_result_does_not() -> None:
    shifted = engine.elementwise("shifted", lambda m, x: x + 1, lambda m, x, y: 1 / x)
    x = Value(0.0)
    y = shifted(x)
    y.backward()
    assert (y.data, x.grad) == (1.0, math.inf)


def test_grad_steps_and_tape_add_up_in_the_order_of_backward() -> None:
    """To the last digit, on graphs in which much is shared."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        leaves = [Tensor(rng.normal(size=3), requires_grad=True) for _ in range(3)]
        nodes = list(leaves)
        for _ in range(25):
            a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
            nodes.append(a * b * 0.3 + a.tanh() if rng.random() < 0.5 else (a - b) * 0.7)
        loss = sum(nodes[-4:]).sum()
        loss.backward()
        expected = [x.grad for x in leaves]
        reached = [x for x, g in zip(leaves, expected, strict=True) if g is not None]
        found = engine.grad(loss, reached)
        last = {step.operand: step.grad for step in engine.steps(loss)}
        engine.Tape(loss).replay()
        for x, g, once_more in zip(reached, found, filter(is_given, expected), strict=True):
            np.testing.assert_array_equal(g, once_more)
            np.testing.assert_array_equal(last[x], once_more)
            np.testing.assert_array_equal(x.grad, once_more)


def is_given(gradient: Any) -> bool:
    return gradient is not None


def test_operands_of_methods_go_by_pytorch_s_names() -> None:
    x, y = vector(1.0, 4.0), vector(3.0, 2.0)
    assert x.maximum(other=y).tolist() == [3.0, 4.0]
    assert x.matmul(other=y).item() == 11.0


def test_inputs_given_twice_get_their_gradient_once() -> None:
    w = vector(3.0)
    (w * w).sum().backward(inputs=[w, w])
    assert w.grad is not None
    assert w.grad.tolist() == [6.0]


def test_where_takes_any_truth_in_a_rule() -> None:
    pick = engine.elementwise(
        "pick", lambda m, x, *, k: m.where(k, x, 0.0), lambda m, x, y, *, k: m.where(k, 1.0, 0.0)
    )
    x = vector(1.0, 2.0, 3.0)
    pick(x, k=np.array([2, 0, 3])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
