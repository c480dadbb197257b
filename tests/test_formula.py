"""A rule as text: what is written, that it means what the rule means, and what cannot be read."""

from __future__ import annotations

import contextlib
import gc
import math
import re
import runpy
import timeit
import weakref
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import engine
from engine.backprop import NODES
from engine.formula import CONSTANTS, FUNCTIONS, number, read
from engine.readings import COMPLEX, FLOAT64, FLOATS

hypothesis = pytest.importorskip("hypothesis")
assume, given, st = hypothesis.assume, hypothesis.given, hypothesis.strategies

# --- what is written --------------------------------------------------------------------------

# (derivative, its names, the operation's symbol, text)
SYMBOLIC = [
    (lambda m, x, y: y * (1 - y), "xy", "σ", "σ·(1 − σ)"),
    (lambda m, x, y: 1 - y * y, "xy", "tanh", "1 − tanh²"),
    (lambda m, x, y: y, "xy", "exp", "exp"),
    (lambda m, x, y: 1 / (2 * y), "xy", "√", "1/(2·y)"),
    (lambda m, a, b, y: 1 / b, "aby", "÷", "1/b"),
    (lambda m, a, b, y: -y / b, "aby", "÷", "−y/b"),
    (lambda m, a, b, y: b, "aby", "×", "b"),
    (lambda m, a, b, y: -1.0, "aby", "−", "−1"),
    (lambda m, a, b, y: b * a ** (b - 1), "aby", "^", "b·a^(b − 1)"),
    (lambda m, a, b, y: (a + b) ** -0.5, "aby", "f", "(a + b)^(−0.5)"),
    (lambda m, a, b, y: (a**b) ** 2, "aby", "f", "(a^b)²"),
    (lambda m, x, y: 3.0 * x**2.0, "xy", "^", "3·x²"),
    (lambda m, x, y: 2 * x**1, "xy", "^", "2·x"),
    (lambda m, x, y: 1 * x**0, "xy", "^", "1"),
    (lambda m, x, y: -1 * x**-2, "xy", "^", "−x⁻²"),
    (lambda m, x, y: 3 * x * x, "xy", "f", "3·x²"),
    (lambda m, x, y: x * x * x, "xy", "f", "x³"),
    (lambda m, x, y: -y * y, "xy", "f", "−f²"),
    (lambda m, x, y: -x * -x, "xy", "f", "(−x)²"),
    (lambda m, x, y: (-x) ** 2, "xy", "f", "(−x)²"),
    (lambda m, x, y: -(x**2), "xy", "f", "−x²"),
    (lambda m, x, y: x * -y, "xy", "f", "x·(−f)"),
    (lambda m, x, y: x - -y, "xy", "f", "x − (−f)"),
    (lambda m, x, y: x - -y * 2, "xy", "f", "x − (−f·2)"),
    (lambda m, a, b, y: -(a + b), "aby", "f", "−(a + b)"),
    (lambda m, a, b, y: a - (b - y), "aby", "f", "a − (b − f)"),
    (lambda m, a, b, y: a - b - y, "aby", "f", "a − b − f"),
    (lambda m, a, b, y: a / (b * y), "aby", "f", "a/(b·f)"),
    (lambda m, a, b, y: a / b / y, "aby", "f", "(a/b)/f"),
    (lambda m, a, b, y: a / (b / y), "aby", "f", "a/(b/f)"),
    (lambda m, a, b, y: a * b / y, "aby", "f", "a·b/f"),
    (lambda m, a, b, y: a / b * y, "aby", "f", "(a/b)·f"),
    (lambda m, a, b, y: -(a / b) * y, "aby", "f", "−(a/b)·f"),
    (lambda m, a, b, y: -a / b * y, "aby", "f", "(−a/b)·f"),
    (lambda m, a, b, y: -(a / b) / y, "aby", "f", "(−a/b)/f"),
    (lambda m, a, b, y: a ** (b**y), "aby", "f", "a^(b^f)"),
    (lambda m, x, y: x / 1 + x**1.5 * x, "xy", "f", "x + x^1.5·x"),
    (lambda m, x, y: x**-1 * x, "xy", "f", "x⁻¹·x"),
    (lambda m, x, y: m.pi * m.pi * x * x, "xy", "f", "π²·x²"),
    (lambda m, a, b, y: a * (b / y), "aby", "f", "a·(b/f)"),
    (lambda m, x, y: 0.5 * x * (1 + m.erf(x / m.sqrt(2))), "xy", "f", "0.5·x·(1 + erf(x/√2))"),
    (lambda m, x, y: 1 / m.sqrt(1 - x * x), "xy", "f", "1/√(1 − x²)"),
    (lambda m, x, y: m.sqrt(x) * m.sqrt(x), "xy", "f", "(√x)²"),
    (lambda m, x, y: m.sqrt(m.sigmoid(x)), "xy", "f", "√(σ(x))"),
    (lambda m, x, y: m.sqrt(2 / m.pi) * m.sigmoid(x), "xy", "f", "√(2/π)·σ(x)"),
    (lambda m, x, y: 1 / (1 + abs(x)) ** 2, "xy", "f", "1/(1 + |x|)²"),
    (lambda m, x, y: m.abs(m.abs(x) - 1), "xy", "f", "abs(|x| − 1)"),
    (lambda m, x, y: m.maximum(x, -1e-7) ** 2, "xy", "f", "max(x, −1e-07)²"),
    (lambda m, x, y: 0.044715 * (1e-7 + x) + 1e-7 * x, "xy", "f", "0.044715·(1e-07 + x) + 1e-07·x"),
    (lambda m, x, y: np.float64(0.5) * x + np.float32(2), "xy", "f", "0.5·x + 2"),
    (lambda m, x, y: m.where(np.float64(0) < x, 1.0, 0.0), "xy", "f", "1 if x > 0 else 0"),
    (lambda m, x, y: m.where(x > 0, 1.0, 0.01), "xy", "f", "1 if x > 0 else 0.01"),
    (lambda m, x, y: m.where(x <= 0, 0.0, 1.0) * x, "xy", "f", "(0 if x ≤ 0 else 1)·x"),
    (
        lambda m, x, y: m.where(m.where(x > 0, x < 3, x > -3) , 1.0, 0.0),
        "xy", "f", "1 if (x < 3 if x > 0 else x > −3) else 0",
    ),
    (
        lambda m, x, y: m.where(m.where(x > 0, x, 1.0) < 3, m.where(x < 1, 1.0, y), y + 1),
        "xy", "f", "(1 if x < 1 else f) if (x if x > 0 else 1) < 3 else f + 1",
    ),
    (
        lambda m, x, y: m.where(x < -3, 0.0, m.where(x > 3, 1.0, x / 3)),
        "xy", "f", "0 if x < −3 else 1 if x > 3 else x/3",
    ),
    (
        lambda m, x, y: m.where((x > 0) & ((x < 6) | m.equal(x, 7)), 1.0, m.isnan(x) | (x >= 9)),
        "xy", "f", "1 if x > 0 and (x < 6 or x = 7) else isnan(x) or x ≥ 9",
    ),
    (
        lambda m, x, y: m.where(((x < 6) | (x > 7)) & (x > 0) & (x < 9), 1.0, 0.0),
        "xy", "f", "1 if (x < 6 or x > 7) and x > 0 and x < 9 else 0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "names", "symbol", "text"), SYMBOLIC)
def test_symbolic_text(rule, names, symbol, text):
    assert read(rule, names).symbolic(symbol) == text


def test_parameters_stand_by_value_and_arrays_by_name():
    def slope(m, x, y, *, negative_slope, mask, kind):
        scale = 2.0 if kind == "double" else 1.0  # an `if` on a parameter is a choice made now
        return m.where(mask, scale, negative_slope * x)

    given = {"negative_slope": 0.2, "kind": "double"}
    text = partial(read, slope, "xy")
    assert text({**given, "mask": np.array([True])}).symbolic() == "2 if mask else 0.2·x"
    assert text({**given, "mask": False}).symbolic() == "0.2·x"
    assert text({**given, "mask": np.True_}).symbolic() == "2"


def test_names_are_those_of_the_symbols_in_a_formula():
    formula = read(lambda m, a, b, y: m.where(a > m.pi, 1.0, -y * y), "aby")
    assert formula.names() == {"a", "y"}
    assert read(lambda m, x: 1.0, "x").names() == set()


def relu6(m, x, y):
    return m.where((x > 0) & (x < 6), 1.0, 0.0)


def hard_sigmoid(m, x, y):
    return m.where((x < -3) | (x > 3), 0.0, 1 / 6)


# (derivative, values, text)
NUMERIC = [
    (lambda m, x, y: 1 - y * y, {"y": 0.96}, "1 − 0.96² = 0.0784"),
    (lambda m, x, y: 1 - y * y, {"y": -0.96}, "1 − (−0.96)² = 0.0784"),
    (lambda m, x, y: y * (1 - y), {"y": 0.9820138}, "0.982·(1 − 0.982) = 0.01766"),
    (lambda m, x, y: 1 - y * y, {"y": 0.99999955}, "1 − 0.99999955² = 9e-07"),
    (lambda m, x, y: x**2, {"x": 4.5e-7}, "(4.5e-07)² = 2.025e-13"),
    (lambda m, x, y: x, {"x": 3.0}, "3"),
    (lambda m, x, y: -x, {"x": 3.0}, "−3"),
    (lambda m, x, y: -x, {"x": -3.0}, "−(−3) = 3"),
    (lambda m, x, y: 1.0, {}, "1"),
    (lambda m, x, y: m.pi * x, {"x": 2.0}, "π·2 = 6.283"),
    (lambda m, x, y: 1 / x, {"x": 0.0}, "1/0 = inf"),
    (lambda m, x, y: m.log(x), {"x": -1.0}, "log(−1) = nan"),
    (lambda m, x, y: 3 * x**2, {"x": -2.0}, "3·(−2)² = 12"),
    (lambda m, x, y: y * x ** (y - 1), {"x": 2.0, "y": 3.0}, "3·2^(3 − 1) = 12"),
    (lambda m, x, y: x**y, {"x": 2.0, "y": -3.0}, "2⁻³ = 0.125"),
    (lambda m, x, y: m.where(x <= 0, 0.0, 1.0), {"x": -2.1}, "0, since −2.1 ≤ 0"),
    (lambda m, x, y: m.where(x > 0, 1.0, 0.0), {"x": -2.1}, "0, since −2.1 ≤ 0"),
    (lambda m, x, y: m.where(x > 0, 1.0, 0.0), {"x": 2.1}, "1, since 2.1 > 0"),
    (lambda m, x, y: m.where(x <= 0, 0.0, 1.0), {"x": math.nan}, "1, since nan ≤ 0 is false"),
    (lambda m, x, y: m.where(m.isnan(x), 0.0, 1.0), {"x": 2.0}, "1, since isnan(2) is false"),
    (lambda m, x, y: m.where(m.equal(x, 0), 0.0, 1.0), {"x": 2.0}, "1, since 2 ≠ 0"),
    (lambda m, x, y: m.where(x > 0, 1.0, y + 1), {"x": -2.0, "y": -0.5},
     "−0.5 + 1 = 0.5, since −2 ≤ 0"),
    (lambda m, x, y: 0.5 * m.where(x > 0, x, -x) + m.where(x > 0, 1.0, 2.0), {"x": 3.0},
     "0.5·3 + 1 = 2.5, since 3 > 0"),
    (lambda m, x, y: m.where(x > 3, 1.0, m.where(x < -3, 0.0, x)), {"x": 2.0},
     "2, since 2 ≤ 3 and 2 ≥ −3"),
    (relu6, {"x": 3.0}, "1, since 3 > 0 and 3 < 6"),
    (relu6, {"x": 7.0}, "0, since 7 ≥ 6"),
    (relu6, {"x": -7.0}, "0, since −7 ≤ 0"),
    (hard_sigmoid, {"x": 7.0}, "0, since 7 > 3"),
    (hard_sigmoid, {"x": 1.0}, "0.1667, since 1 ≥ −3 and 1 ≤ 3"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "values", "text"), NUMERIC)
def test_numeric_text(rule, values, text):
    assert read(rule, "xy").numeric(values) == text


def sigmoid_slope(m, x, y):
    return y * (1 - y)


# (derivative, values, its symbol, text) of operations whose slope is never exactly 0
SOFT = [
    (sigmoid_slope, {"y": 1.0}, "σ", "1·(1 − 1) = 0 (below 1e-16), since σ = 1 (rounded)"),
    (sigmoid_slope, {"y": 0.0}, "σ", "0·(1 − 0) = 0 (below 1e-16)"),
    (sigmoid_slope, {"y": 0.5}, "σ", "0.5·(1 − 0.5) = 0.25"),
    (lambda m, x, y: 1 - y * y, {"y": -1.0}, "tanh",
     "1 − (−1)² = 0 (below 1e-16), since tanh = −1 (rounded)"),
    (lambda m, x, y: y, {"y": 0.0}, "exp", "0 (below 1e-16)"),
    (lambda m, x, y: m.sigmoid(x), {"x": -800.0}, "softplus", "σ(−800) = 0 (below 1e-16)"),
    (lambda m, x, y: m.where(x > 0, 1.0, y + 1), {"x": -40.0, "y": -1.0}, "elu",
     "−1 + 1 = 0 (below 1e-16), since −40 ≤ 0 and elu = −1 (rounded)"),
    (lambda m, x, y: m.where(x > 0, 1.0, 0.0), {"x": -2.0}, "f", "0, since −2 ≤ 0"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "values", "symbol", "text"), SOFT)
def test_a_soft_slope_of_0_is_said_to_be_rounded(rule, values, symbol, text):
    assert read(rule, "xy").numeric(values, symbol=symbol, soft=True) == text


def test_an_exact_0_is_just_0():
    assert read(sigmoid_slope, "xy").numeric({"y": 1.0}) == "1·(1 − 1) = 0"


# --- numbers ----------------------------------------------------------------------------------

NUMBERS = [
    (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.0, "−1"), (3.0, "3"), (-2.5, "−2.5"),
    (0.0176627, "0.01766"), (12345.6, "1.235e+04"), (4.5e-7, "4.5e-07"), (-4.5e-7, "−4.5e-07"),
    (5e-324, "4.941e-324"), (math.nan, "nan"), (math.inf, "inf"), (-math.inf, "−inf"),
    (0.99982, "0.99982"), (0.9998, "0.9998"), (-0.99982, "−0.99982"), (1.00018, "1.00018"),
    (0.99999955, "0.99999955"), (1 - 2**-53, "0.99999999999999989"), (0.9989, "0.9989"),
    (1 + 2**-52, "1.00000000000000022"), (np.float32(1 - 2**-24), "0.99999994"), (True, "1"),
]  # fmt: skip


@pytest.mark.parametrize(("x", "text"), NUMBERS)
def test_number(x, text):
    assert number(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [(1.0, "1 (rounded)"), (-1.0, "−1 (rounded)"), (0.0, "0 (below 1e-16)"), (0.5, "0.5"),
     (1 - 1e-9, "0.999999999"), (math.inf, "inf")],
)  # fmt: skip
def test_rounded_number(x, text):
    assert number(x, rounded=True) == text


@given(st.floats(2**-53, 9.99e-4), st.sampled_from([-1, 1]), st.sampled_from([-1, 1]))
def test_two_digits_of_the_distance_to_1(distance, side, sign):
    x = sign * (1 + side * distance)
    exact = 1 - abs(Fraction(x))
    shown = 1 - abs(Fraction(number(x).replace("−", "-")))
    assert abs(shown - exact) <= abs(exact) / 20


@given(st.floats(-1e300, 1e300))
def test_a_number_parses_back_to_four_digits(x):
    assert float(number(x).replace("−", "-")) == pytest.approx(x, rel=5.1e-4, abs=1e-322)


# --- the text means what the rule means -------------------------------------------------------

PYTHON = [  # from a reader's notation to Python's, whose precedence is the one taught in school
    ("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f"**({m[0].translate(NORMAL)})"),
    (r"√(\w[\w.]*)", r"sqrt(\1)"), ("√", "sqrt"), (r"\|([^|]*)\|", r"abs(\1)"),
    ("·", "*"), (r"\^", "**"), ("−", "-"), ("≤", "<="), ("≥", ">="), ("≠", "!="), (" = ", " == "),
    (r"(.+) is false", r"not \1"), (r"(?<![\w.])(\d[\d.]*(e[-+]\d+)?)", r"literal('\1')"),
]  # fmt: skip
NORMAL = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def parse(text, values, literal=np.float64):
    """The value of a formula's text, read by another grammar than the one that wrote it."""
    for written, python in PYTHON:
        text = re.sub(written, python, text)
    named = {"max": max, "abs": abs, "sqrt": np.sqrt, "isnan": np.isnan, "erf": math.erf}
    named |= {"σ": Floats.sigmoid, "π": math.pi, "literal": literal, **values}
    return eval(text, {"__builtins__": {}}, named)


class Floats:
    """The functions of the table above on floats, written apart from `engine.formula`."""

    pi, erf, equal = math.pi, math.erf, np.equal
    sqrt, abs, isnan, maximum, where = np.sqrt, np.abs, np.isnan, np.maximum, np.where
    sigmoid = staticmethod(lambda x: 1 / (1 + np.exp(-x)))


FORMULAS = [(rule, names) for rule, names, *_ in SYMBOLIC]


@pytest.mark.parametrize(("rule", "names"), FORMULAS)
@pytest.mark.parametrize("numbers", [(0.37, -2.3, 0.81), (-0.6, 1.7, 2.2), (4.0, 5.0, -3.0)])
def test_symbolic_text_parses_back_to_the_value(rule, names, numbers):
    values = dict(zip(names, map(np.float64, numbers), strict=False))
    formula = read(rule, names)
    with np.errstate(all="ignore"):
        value = parse(formula.symbolic(), values)
        np.testing.assert_allclose(rule(Floats, *values.values()), value, rtol=1e-13)
    np.testing.assert_allclose(formula.value(values), value, rtol=1e-13)


def expressions(leaves, condition):
    """Python source of rules in a and b, every operation in its own parentheses."""

    def larger(inner):
        binary = st.tuples(inner, st.sampled_from("+-*/"), inner).map(
            "({0[0]} {0[1]} {0[2]})".format
        )
        power = st.tuples(inner, st.integers(-2, 3)).map("({0[0]} ** {0[1]})".format)
        choice = st.tuples(condition, inner, inner).map("m.where({0[0]}, {0[1]}, {0[2]})".format)
        same = inner.map("({0} * {0})".format)
        other = st.tuples(inner, inner).map("m.maximum(-{0[0]}, abs({0[1]}))".format)
        return binary | binary | inner.map("(-{})".format) | power | choice | same | other

    return st.recursive(leaves, larger, max_leaves=7)


LEAVES = st.sampled_from(["a", "b", "a", "b", "c('1')", "c('2')", "c('0.01')", "c('-3')"])
CONDITIONS = st.tuples(LEAVES, st.sampled_from(["<", "<=", ">", ">="]), LEAVES).map(" ".join)
CONDITIONS |= st.tuples(LEAVES, LEAVES).map("m.equal({0[0]}, {0[1]})".format)
CONDITIONS = st.recursive(
    CONDITIONS,
    lambda inner: st.tuples(inner, st.sampled_from("&|"), inner).map(
        "(({0[0]}) {0[1]} ({0[2]}))".format
    ),
    max_leaves=3,
)
DECIMALS = st.sampled_from(["0", "1", "-1", "2", "-2.1", "0.96", "0.9998", "4.5e-07", "-3.25e-05"])


class Exact:
    """Rational numbers as a namespace: no rounding hides or invents a difference."""

    maximum = staticmethod(max)
    equal = staticmethod(lambda a, b: a == b)
    where = staticmethod(lambda condition, a, b: a if condition else b)


def exact_and_read(source, values):
    function = eval(f"lambda m, a, b, c: {source}")
    formula = read(lambda m, a, b: function(m, a, b, lambda n: read(lambda _: float(n), "")), "ab")
    try:
        exact = function(Exact, values["a"], values["b"], Fraction)
    except ZeroDivisionError:
        assume(False)
    return exact, formula


@given(expressions(LEAVES, CONDITIONS), st.fractions(-3, 3), st.fractions(-3, 3))
def test_any_symbolic_text_means_what_the_rule_means(source, a, b):
    values = {"a": a, "b": b}
    exact, formula = exact_and_read(source, values)
    assert parse(formula.symbolic(), values, Fraction) == exact


@given(expressions(LEAVES, CONDITIONS), DECIMALS, DECIMALS)
def test_any_numeric_text_means_what_the_rule_means(source, a, b):
    exact, formula = exact_and_read(source, {"a": Fraction(a), "b": Fraction(b)})
    values = {"a": float(a), "b": float(b)}
    equation, _, reasons = formula.numeric(values).partition(", since ")
    written, _, result = equation.rpartition(" = ")
    assert parse(written or result, {}, Fraction) == exact
    assert result == number(formula.value(values))
    assert parse(reasons or "1 > 0", {}, Fraction) is True


REFERENCE = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p, "sqrt": math.sqrt,
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "sinh": math.sinh, "cosh": math.cosh,
    "tanh": math.tanh, "asin": math.asin, "acos": math.acos, "atan": math.atan, "erf": math.erf, "abs": abs,
    "sign": lambda x: math.copysign(1, x), "floor": math.floor, "round": round,
    "isnan": math.isnan, "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "trunc": math.trunc, "floor_divide": lambda x: x // 0.5,
    "remainder": lambda x: x % 0.5, "fmod": lambda x: math.fmod(x, 0.5),
    "logaddexp": lambda x: math.log(math.exp(x) + math.exp(0.5)),
    "maximum": lambda x: max(x, 0.5), "minimum": lambda x: min(x, 0.5),
    "equal": lambda x: x == 0.5, "where": lambda x: 0.5 if x else x,
}  # fmt: skip


def test_every_function_has_a_reference():
    assert set(REFERENCE) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("x", [0.3, 0.7])
def test_value_of_every_function(name, x):
    two = ("maximum", "minimum", "equal", "floor_divide", "remainder", "fmod", "logaddexp")
    more = 2 if name == "where" else int(name in two)
    formula = read(lambda m, x: getattr(m, name)(x, *[0.5, x][:more]), "x")
    assert formula.value({"x": x}) == pytest.approx(float(REFERENCE[name](x)), rel=1e-13)


@pytest.mark.parametrize(
    ("rule", "x", "expected"),
    [
        (lambda m, x: 1 / x, 0.0, math.inf),
        (lambda m, x: -1 / x, 0.0, -math.inf),
        (lambda m, x: m.exp(x), 800.0, math.inf),
        (lambda m, x: x**0.5, -4.0, math.nan),
        (lambda m, x: m.sigmoid(x), -1000.0, 0.0),
        (lambda m, x: m.softplus(x), 1000.0, 1000.0),
        (lambda m, x: m.where(x > 0, m.log(x), 7.0), -1.0, 7.0),
    ],
)
def test_value_follows_numpy_and_never_raises(rule, x, expected):
    np.testing.assert_equal(read(rule, "x").value({"x": x}), expected)


@pytest.mark.parametrize("m", [FLOATS, FLOAT64, COMPLEX, NODES])
def test_what_can_be_read_as_text_can_be_read_in_every_way(m):
    assert [name for name in (*FUNCTIONS, *CONSTANTS) if not hasattr(m, name)] == []


def test_slopes_that_are_steps_and_constants_of_m_can_be_differentiated_again():
    rule = engine.elementwise(
        "saw",
        lambda m, x: m.pi * m.trunc(x) * x + m.e * m.floor_divide(x, 0.5) * x,
        lambda m, x, y: m.where(
            m.isnan(x), x, m.pi * m.trunc(x) * x / x + m.e * m.floor_divide(x, 0.5)
        ),
    )
    for x in (engine.Value(2.7), engine.Tensor(2.7, requires_grad=True)):
        (slope,) = engine.grad(rule(x), x, create_graph=True)
        assert float(slope.data) == pytest.approx(2 * math.pi + 5 * math.e)
        (curvature,) = engine.grad(slope, x)
        assert float(curvature) == pytest.approx(0, abs=1e-15)


def test_constants_are_the_numbers_they_name():
    assert {name: read(lambda m: getattr(m, name), "").value({}) for name in CONSTANTS} == {  # noqa: B023
        "pi": math.pi,
        "e": math.e,
    }


# --- what cannot be read ----------------------------------------------------------------------

# (source of a rule, the line that is wrong, part of what the message says)
WRONG = [
    ("lambda m, x: x if x > 0 else 0.0", 1, "`x > 0` has no truth value.* m.where"),
    ("lambda m, x: max(\n  x, 0)", 1, "m.maximum and m.minimum for max"),
    ("lambda m, x: (\n  x\n  + min(x, 0))", 3, "`x > 0` has no truth value"),
    ("lambda m, x: m.where(\n x > 0 and x < 6,\n x, 0)", 2, "& | for and, or$"),
    ("lambda m, x: m.where(0 < x < 6, x, 0)", 1, "(a < x) & (x < b) for a < x < b"),
    ("lambda m, x: m.where(not x, x, 0)", 1, "`x` has no truth value"),
    ("lambda m, x: (x +\n  math.exp(x))", 2, "m.exp(x) for math.exp(x)"),
    ("lambda m, x: float(x)", 1, "`x` is no number yet.* x for float(x)"),
    ("lambda m, x: (1 +\n  np.exp(x))", 2, "m.exp(x), not np.exp(x)"),
    ("lambda m, x: np.where(x > 0, x, 0)", 1, "Write m.where"),
    ("lambda m, x: np.clip(x, 0, 1)", 1, "m.maximum and m.minimum"),
    ("lambda m, x: x.exp()", 1, "no attribute 'exp'.*not np.exp(x) or x.exp()"),
    ("lambda m, x: m.where(x == 0, 1, x)", 1, "m.equal(a, b) for a == b"),
    ("lambda m, x: m.where(x != 0, 1, x)", 1, "m.equal(a, b), p, q) for m.where(a != b, q, p)"),
    ("lambda m, x: m.where(~(x > 0), 1, x)", 1, "m.where(c, a, b) for m.where(~c, b, a)"),
    ("lambda m, x: x % 2", 1, r"%.* A rule is called with (m, x); it uses \+ - \* /"),
    ("lambda m, x: (\n x * 'two')", 2, "not with 'two'"),
    ("lambda m, x: (\n np.ones(2) * x)", 2, "not with array"),
    ("lambda m, x: None", 1, "not with None"),
    ("(\nlambda m, x: (x, x))", 2, "not with (Exp"),
    ("lambda m, x: (\n m.sigmod(x))", 2, "m.sigmod is not known.* sigmoid,"),
    ("lambda m, x: m.where(x > 0, 1)", 1, "m.where takes 3 operands, 2 given"),
    ("lambda m, x, x2: x", 1, "missing 1 required.* called with (m, x)"),
    ("partial(lambda m, x, *, k:\n  x if x > k else 0, k=1.5)", 2, "`x > 1.5` has no truth"),
    ("...\ndef half(x):\n  return x if x else 0\nrule = lambda m, x: half(x)", 3, "`x` has"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line", "message"), WRONG)
def test_what_cannot_be_read_is_reported_where_it_stands(source, line, message, tmp_path):
    lesson = tmp_path / "lesson.py"
    lesson.write_text(f"rule = {source}", encoding="utf-8")
    known = {"math": math, "np": np, "partial": partial}
    rule = runpy.run_path(str(lesson), known)["rule"]
    pattern = rf"^{re.escape(str(lesson))}:{line}: .*" + re.sub(r"(?<!\\)([()|])", r"\\\1", message)
    with pytest.raises(TypeError, match=pattern):
        read(rule, "x")


def test_a_mistake_that_is_not_about_reading_is_left_alone():
    with pytest.raises(NameError, match="exponential"):
        read(lambda m, x: exponential(x), "x")  # noqa: F821


def test_what_cannot_be_read_keeps_no_frame_alive():
    def attempt():
        graph = np.zeros(1)
        with contextlib.suppress(TypeError):
            read(lambda m, x: x if x > 0 else 0.0, "x")
        return weakref.ref(graph)

    gc.disable()
    try:
        assert attempt()() is None
    finally:
        gc.enable()


def test_reading_is_quick_enough_for_import():
    best = min(timeit.repeat(lambda: read(sigmoid_slope, "xy"), number=100, repeat=5)) / 100
    assert best < 100e-6
