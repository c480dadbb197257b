"""The grammar of formulas on the command line."""

import math

import pytest

from viz.expression import ExpressionError, evaluate

hypothesis = pytest.importorskip("hypothesis")
given, st = hypothesis.given, hypothesis.strategies

VALUES = {"x": 2.0, "y": 3.0, "z": -1.5}


def number(text, **values):
    return evaluate(text, values).data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x - y - z", 2 - 3 + 1.5),
        ("x / y / z", 2 / 3 / -1.5),
        ("x + y*z", 2 + 3 * -1.5),
        ("-x**2 + y*0 + z*0", -4.0),
        ("x**-1 + 0*y*z", 0.5),
        ("x^y^2 + z*0", 2.0**9),
        ("2*-x + +y + z*0", -1.0),
        ("(x + y)*z", -7.5),
        ("max(x)", None),
        ("maximum(x, y) + z*0", 3.0),
        ("1e-3*x + .5*y + 1.*z", 0.002 + 1.5 - 1.5),
        ("sigmoid ( x*y + z )", 1 / (1 + math.exp(-4.5))),
        ("leaky_relu(z, 0.5) + x*0 + y*0", -0.75),
        ("exp(log(x)) * y * z", -9.0),
    ],
)
def test_precedence_and_functions(text, expected):
    if expected is None:
        with pytest.raises(ExpressionError, match="no function 'max'"):
            evaluate(text, VALUES)
    else:
        assert number(text, **VALUES) == pytest.approx(expected)


@given(
    st.recursive(
        st.sampled_from(["x", "y", "1.5", "2"]),
        lambda part: st.one_of(
            st.tuples(part, st.sampled_from("+-*/"), part).map(" ".join),
            part.map("({})".format),
            part.map("-{}".format),
            st.tuples(st.sampled_from("xy"), st.integers(0, 3)).map(lambda p: f"{p[0]}**{p[1]}"),
        ),
        max_leaves=12,
    )
)
def test_formulas_mean_what_they_mean_in_python(text):
    text = f"{text} + x*0 + y*0"
    try:
        expected = eval(text, {"x": 0.7, "y": -1.3})
    except ZeroDivisionError:
        return
    assert number(text, x=0.7, y=-1.3) == pytest.approx(expected, nan_ok=True)


@given(st.text("xy12.e+-*/^()[]{},='\"_ :#@!\\", max_size=20))
def test_any_text_is_a_formula_or_an_error_of_one_line(text):
    message = ""
    try:
        evaluate(text, {"x": 1.0})
    except ExpressionError as error:
        message = str(error)
    assert "\n" not in message
