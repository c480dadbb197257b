"""Every rule, in all its readings, at ordinary points, at kinks and at extremes.

The rules are found, not named: see `rulebook`. A reading is float (`Value`), array (`Tensor`),
nodes (the gradient as a graph), text (the formula, evaluated), the complex step and finite
differences; a triple (rule, reading, point) is one comparison. How many were made is printed.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from rulebook import (
    ELEMENTWISE,
    EXTREME,
    STRUCTURAL,
    Specimen,
    has_true_slope,
    is_floating,
    points,
    settings,
    specimens,
)

import engine
from engine import Tensor, Value
from engine.backprop import NODES
from engine.readings import COMPLEX
from engine.rule import Elementwise


def same(a: Any, b: Any, scale: float = 1.0, rtol: float = 1e-9) -> bool:
    """Equal but for the last digits: nan to nan, inf to the same inf."""
    return np.allclose(a, b, rtol=rtol, atol=1e-12 * scale, equal_nan=True)


def quiet(function: Any, *arguments: Any, **keywords: Any) -> Any:
    """A forward pass of Tensors, which warns as NumPy does."""
    with np.errstate(all="ignore"):
        return function(*arguments, **keywords)


def leaf(x: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(x, requires_grad=True, dtype=dtype)


# --- one elementwise rule at some points, in each reading ----------------------------------------


class Readings:
    """The derivatives of a rule towards each input at points, by every way of reading it."""

    def __init__(self, rule: Elementwise, xs: Sequence[tuple[float, ...]]) -> None:
        self.rule = rule
        self.xs = xs
        self.columns = [np.array(column) for column in zip(*xs, strict=True)]

    def array(self) -> np.ndarray:
        node = self._tensors()
        return np.array([node.local(i) for i in range(len(self.columns))])

    def array_forward(self) -> np.ndarray:
        return self._tensors().data

    def _tensors(self) -> Tensor:
        return quiet(self.rule, *map(leaf, self.columns))

    def backward(self) -> np.ndarray:
        leaves = [leaf(column) for column in self.columns]
        quiet(self.rule, *leaves).backward(np.ones(len(self.xs)))
        return np.array([x.grad for x in leaves])

    def nodes(self) -> np.ndarray:
        leaves = [leaf(column) for column in self.columns]
        y = quiet(self.rule, *leaves)
        upstream = np.ones(len(self.xs))
        return np.array([g.data for g in engine.grad(y, leaves, upstream, create_graph=True)])

    def float(self) -> np.ndarray:
        """One Value at a time; nan where a rule has more operands than a Value can have."""
        nodes = [self.rule(*map(Value, xs)) for xs in self.xs]
        return np.array([[v.local(i) for v in nodes] for i in range(len(self.columns))])

    def float_forward(self) -> np.ndarray:
        return np.array([self.rule(*map(Value, xs)).data for xs in self.xs])

    def float_nodes(self) -> np.ndarray:
        rows = []
        for xs in self.xs:
            leaves = [Value(x) for x in xs]
            gradients = engine.grad(self.rule(*leaves), leaves, create_graph=True)
            rows.append([g.data for g in gradients])
        return np.array(rows).T

    def text(self) -> np.ndarray:
        y = self.array_forward()
        rows = []
        for i in range(len(self.columns)):
            formula = self.rule.formula(i, {})
            names = (*self.rule.inputs, "y")
            values = [dict(zip(names, (*xs, y[k]), strict=True)) for k, xs in enumerate(self.xs)]
            rows.append([formula.value(v) for v in values])
        return np.array(rows)

    def complex_step(self) -> np.ndarray:
        h = 1e-20
        rows = []
        for i in range(len(self.columns)):
            moved = [x + 1j * h * (k == i) for k, x in enumerate(self.columns)]
            rows.append(np.broadcast_to(self.rule.forward(COMPLEX, *moved), len(self.xs)).imag / h)
        return np.array(rows)


def is_scalar(rule: Elementwise) -> bool:
    return len(rule.inputs) <= 2  # no operation of Values has more operands


def has_error_function(rule: Elementwise) -> bool:
    """NumPy has no erf of complex numbers."""
    texts = [rule.formula(i, {}).symbolic() for i in range(len(rule.inputs))]
    return rule.name == "erf" or any("erf" in text for text in texts)


def agree_at(
    tried: Counter[str], name: str, rule: Elementwise, xs: list[tuple[float, ...]]
) -> None:
    """All readings that do not look at the neighbourhood agree at these points."""
    read = Readings(rule, xs)
    with np.errstate(all="ignore"):
        array = read.array()
        finite = np.abs(array[np.isfinite(array)])
        scale = max(1.0, finite.max(initial=0.0)) if name != "extreme" else 1.0
        readings = {"array": read.backward, "nodes": read.nodes, "text": read.text}
        if is_scalar(rule):
            readings |= {"float": read.float, "float nodes": read.float_nodes}
            assert same(read.float_forward(), read.array_forward()), f"forward of {rule.name}"
        for reading, derivatives in readings.items():
            got = derivatives()
            if name == "extreme" and reading in ("nodes", "float nodes", "array"):
                got = np.where(np.isnan(got), array, got)  # 0 · inf on the way
            assert same(got, array, scale), f"{rule.name}, {reading} at {name} points: {xs}"
            tried[reading] += len(xs)


@cache
def try_elementwise(name: str) -> Counter[str]:
    """All comparisons for one rule; how many there were, by reading."""
    tried: Counter[str] = Counter()
    for parameters in settings(ELEMENTWISE[name]):
        rule = ELEMENTWISE[name].bind(parameters)
        smooth = [p for p in points(rule) if p.kind == "smooth"]
        kinks = [p for p in points(rule) if p.kind == "kink"]
        assert smooth, f"{name}{parameters}: no point to try it at; see rulebook.PARAMETERS"
        xs = [p.xs for p in smooth]
        agree_at(tried, "smooth", rule, xs)
        array = Readings(rule, xs).array()
        if kinks:
            agree_at(tried, "kink", rule, [p.xs for p in kinks])
        if has_true_slope(name):
            check_slopes(tried, rule, xs, array, kinks)
        check_layouts(tried, rule, xs)
    return tried


def check_slopes(
    tried: Counter[str],
    rule: Elementwise,
    xs: list[tuple[float, ...]],
    array: np.ndarray,
    kinks: Sequence[Any],
) -> None:
    """The derivatives against the forward alone."""
    if not has_error_function(rule):
        step = Readings(rule, xs).complex_step()
        assert same(step, array, np.abs(array).max()), f"{rule.name}: complex step"
        tried["complex step"] += len(xs)
    check_order_two(rule, xs)
    tried["finite differences"] += len(xs)
    if kinks:
        check_between_slopes(rule, kinks)
        tried["one-sided slopes"] += len(kinks)


def check_order_two(rule: Elementwise, xs: list[tuple[float, ...]]) -> None:
    for some in (xs[i : i + 8] for i in range(0, len(xs), 8)):
        columns = tuple(leaf(np.array(c)) for c in zip(*some, strict=True))
        assert engine.gradcheck(rule, columns, order=2, atol=1e-6, rtol=1e-5)


def check_between_slopes(rule: Elementwise, kinks: Sequence[Any]) -> None:
    """At a kink the derivative is one of the two slopes, or lies between them."""
    array = Readings(rule, [p.xs for p in kinks]).array()
    for k, point in enumerate(kinks):
        for i, slopes in enumerate(point.slopes):
            if all(map(math.isfinite, slopes)):
                low, high = min(slopes) - 1e-5, max(slopes) + 1e-5
                assert low <= array[i, k] <= high or max(map(abs, slopes)) > 1e6, (rule, point)


def check_layouts(tried: Counter[str], rule: Elementwise, xs: list[tuple[float, ...]]) -> None:
    """float32, broadcast, empty, without dimensions, not contiguous."""
    columns = [np.array(column) for column in zip(*xs, strict=True)]
    n, arity = len(xs), len(columns)
    upstream = np.linspace(-1.5, 2.0, n)

    def run(arrays: Sequence[Any], g: Any) -> tuple[Any, list[Any]]:
        leaves = [Tensor(a, requires_grad=True) for a in arrays]
        for x, a in zip(leaves, arrays, strict=True):
            x.data = a  # in its own layout, not as a copy
        y = quiet(rule, *leaves)
        before = np.array(g)
        y.backward(g)
        assert np.array_equal(before, g), f"{rule.name} wrote into the upstream gradient"
        for x, a in zip(leaves, arrays, strict=True):
            assert x.grad.shape == a.shape
            assert x.grad.dtype == a.dtype
            assert not np.shares_memory(x.grad, a)
        return y.data, [x.grad for x in leaves]

    expected, gradients = run(columns, upstream)

    y32, g32 = run([c.astype(np.float32) for c in columns], upstream.astype(np.float32))
    assert y32.dtype == np.float32
    for a, b in zip([y32, *g32], [expected, *gradients], strict=True):
        near = np.abs(b) < 1e4  # steep: float32 inputs lie elsewhere
        assert np.allclose(a[near], b[near], rtol=2e-4, atol=2e-4) or rule.hard, rule.name
    tried["float32"] += n

    spread = [np.repeat(c, 2)[::2] for c in columns]
    assert not any(c.flags.c_contiguous for c in spread) or n == 1
    y, g = run(spread, np.repeat(upstream, 2)[::2])
    assert same(y, expected)
    assert all(same(a, b) for a, b in zip(g, gradients, strict=True))
    tried["not contiguous"] += n

    y, g = run([np.array(x) for x in xs[0]], np.array(upstream[0]))
    assert y.shape == ()
    assert same(y, expected[0])
    assert all(same(a, b[0]) for a, b in zip(g, gradients, strict=True))
    tried["no dimensions"] += 1

    y, g = run([c[:0].reshape(0, 3) for c in columns], np.empty((0, 3)))
    assert y.shape == (0, 3)
    tried["empty"] += 1

    shapes = [(2, 3), (3,), ()][:arity]
    small = [np.full(shape, x) for shape, x in zip(shapes, xs[0], strict=True)]
    weights = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
    y, g = run(small, weights)
    assert same(y, np.full((2, 3), expected[0]))
    whole = [np.full((2, 3), x) for x in xs[0]]
    for i, (ours, full) in enumerate(zip(g, run(whole, weights)[1], strict=True)):
        axes = tuple(range(2 - len(shapes[i])))
        assert same(ours, full.sum(axes)), f"{rule.name}: broadcasting of input {i}"
    tried["broadcast"] += 1


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_rule_is_the_same_in_all_readings(name: str) -> None:
    assert try_elementwise(name)


@cache
def try_extremes(name: str) -> Counter[str]:
    tried: Counter[str] = Counter()
    for parameters in settings(ELEMENTWISE[name]):
        rule = ELEMENTWISE[name].bind(parameters)
        arity = len(rule.inputs)
        agree_at(tried, "extreme", rule, list(itertools.product(EXTREME, repeat=arity)))
    return tried


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_rule_is_the_same_in_all_readings_at_extremes(name: str) -> None:
    assert try_extremes(name)


# --- structural rules -------------------------------------------------------------------------


@cache
def try_structural(name: str) -> Counter[str]:
    tried: Counter[str] = Counter()
    for specimen in specimens()[name]:
        leaves = [leaf(a) for a in specimen.arrays]
        exact = specimen(*leaves).dtype == np.float64  # a cast to float32 needs a coarse step
        steps = {"atol": 1e-6, "rtol": 1e-5} if exact else {"eps": 0.25}
        assert engine.gradcheck(specimen, leaves, order=2, **steps)
        tried["finite differences"] += 1
        y, gradients, upstream = run_specimen(specimen, specimen.arrays)
        if y.size == 0 or any(a.size == 0 for a in specimen.arrays):
            tried["empty"] += 1
        check_nodes(specimen, gradients, upstream)
        tried["array"] += 1
        tried["nodes"] += 1
        check_other_layouts(specimen, y, gradients)
        tried["not contiguous"] += 1
        tried["float32"] += 1
    return tried


def run_specimen(
    specimen: Specimen, arrays: Sequence[Any], upstream: Any = None
) -> tuple[Any, list[Any], Any]:
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    for x, a in zip(leaves, arrays, strict=True):
        x.data = a
    before = [np.array(a) for a in arrays]
    y = specimen(*leaves)
    if upstream is None:
        upstream = np.random.default_rng(y.data.size).uniform(0.5, 2.0, y.shape).astype(y.dtype)
    g = np.array(upstream)
    y.backward(upstream)
    assert np.array_equal(g, upstream), "the upstream gradient was written to"
    assert all(np.array_equal(a, b) for a, b in zip(before, arrays, strict=True))
    for x, a in zip(leaves, arrays, strict=True):
        assert x.grad.shape == a.shape
        assert x.grad.dtype == a.dtype
        assert not np.shares_memory(x.grad, upstream)
    return y.data, [x.grad for x in leaves], upstream


def check_nodes(specimen: Specimen, gradients: list[Any], upstream: Any) -> None:
    leaves = [leaf(a, a.dtype) for a in specimen.arrays]
    again = engine.grad(specimen(*leaves), leaves, upstream, create_graph=True)
    for ours, nodes in zip(gradients, again, strict=True):
        assert same(nodes.data, ours), f"{specimen.rule.name}: nodes"
    assert NODES  # what the rule was read with


def check_other_layouts(specimen: Specimen, y: Any, gradients: list[Any]) -> None:
    _, _, upstream = run_specimen(specimen, specimen.arrays)
    other = [
        np.asfortranarray(np.repeat(a[None], 2, 0))[0] if a.ndim else a for a in specimen.arrays
    ]
    y2, g2, _ = run_specimen(specimen, other, upstream.copy("F"))
    assert same(y2, y)
    assert all(same(a, b) for a, b in zip(g2, gradients, strict=True))
    arrays32 = [a.astype(np.float32) for a in specimen.arrays]
    parameters32 = {
        name: value.astype(np.float32) if is_floating(value) else value
        for name, value in specimen.parameters.items()
    }
    specimen = specimen._replace(parameters=parameters32)
    y32, g32, _ = run_specimen(specimen, arrays32, upstream.astype(_dtype32(specimen)))
    assert y32.dtype == _dtype32(specimen), specimen
    assert all(np.allclose(a, b, 1e-3, 1e-4) for a, b in zip(g32, gradients, strict=True))


def _dtype32(specimen: Specimen) -> Any:
    """float32 in, float32 out, unless another dtype is what the operation is for."""
    return specimen.parameters.get("dtype", np.float32)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_structural_rule_is_right_in_all_its_uses(name: str) -> None:
    assert try_structural(name), f"no use of {name} was found: see rulebook.ARGUMENTS"


# --- kinks, as PyTorch 2.13 has them ------------------------------------------------------------

# operation, inputs, parameters, derivatives. contract.md, "Boundary values".
BOUNDARY = [
    ("relu", (0.0,), {}, (0.0,)),
    ("relu", (math.nan,), {}, (1.0,)),
    ("abs", (0.0,), {}, (0.0,)),
    ("leaky_relu", (0.0,), {"negative_slope": 0.01}, (0.01,)),
    ("leaky_relu", (0.0,), {"negative_slope": 0.3}, (0.3,)),
    ("elu", (0.0,), {}, (1.0,)),
    ("elu", (math.nan,), {}, (1.0,)),
    ("celu", (math.nan,), {"alpha": 2.0}, (1.0,)),
    ("selu", (math.nan,), {}, (1.0507009873554805,)),
    ("softsign", (math.inf,), {}, (math.nan,)),
    ("gelu", (0.0,), {}, (0.5,)),
    ("relu6", (0.0,), {}, (0.0,)),
    ("relu6", (6.0,), {}, (0.0,)),
    ("hardtanh", (-1.0,), {}, (0.0,)),
    ("hardtanh", (1.0,), {}, (0.0,)),
    ("hardswish", (3.0,), {}, (1.0,)),
    ("hardswish", (-3.0,), {}, (0.0,)),
    ("clamp", (-0.5,), {"min": -0.5, "max": 0.9}, (1.0,)),
    ("clamp", (0.9,), {"min": -0.5, "max": 0.9}, (1.0,)),
    ("clamp", (-0.5,), {"min": -0.5}, (1.0,)),
    ("clamp", (0.9,), {"max": 0.9}, (1.0,)),
    ("maximum", (2.0, 2.0), {}, (0.5, 0.5)),
    ("minimum", (2.0, 2.0), {}, (0.5, 0.5)),
    ("pow", (0.0,), {"exponent": 0}, (0.0,)),
    ("sqrt", (0.0,), {}, (math.inf,)),
]


@pytest.mark.parametrize(("name", "xs", "parameters", "expected"), BOUNDARY)
def test_boundary_values(name: str, xs: Any, parameters: Any, expected: Any) -> None:
    function = getattr(engine, name, None) or getattr(engine_functional(), name)
    leaves = [Value(x) for x in xs]
    function(*leaves, **parameters).backward()
    assert same([x.grad for x in leaves], expected)
    leaves = [leaf([x]) for x in xs]
    quiet(function, *leaves, **parameters).backward(np.ones(1))
    assert same([x.grad[0] for x in leaves], expected)
    leaves = [leaf([x]) for x in xs]
    y = quiet(function, *leaves, **parameters)
    gradients = engine.grad(y, leaves, np.ones(1), create_graph=True)
    assert same([g.data[0] for g in gradients], expected)


def engine_functional() -> Any:
    from nn import functional

    return functional


# --- the count --------------------------------------------------------------------------------


def test_every_rule_was_tried(capsys: pytest.CaptureFixture[str]) -> None:
    total: Counter[str] = Counter()
    for name in ELEMENTWISE:
        tried = try_elementwise(name) + try_extremes(name)
        needed = {"array", "nodes", "text", "float32", "broadcast", "empty"}
        needed |= {"float"} if is_scalar(ELEMENTWISE[name]) else set()
        needed |= {"finite differences"} if has_true_slope(name) else set()
        assert not needed - set(tried), f"{name} was not tried in {needed - set(tried)}"
        total += tried
    for name in STRUCTURAL:
        tried = try_structural(name)
        assert tried["finite differences"], f"{name} was not tried"
        total += tried
    with capsys.disabled():
        readings = ", ".join(f"{reading} {count}" for reading, count in sorted(total.items()))
        rules = len(ELEMENTWISE) + len(STRUCTURAL)
        print(
            f"\n{sum(total.values())} (rule, reading, point) triples of {rules} rules: {readings}"
        )
