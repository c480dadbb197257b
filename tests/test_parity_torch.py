"""The same line of code, run by PyTorch and by us: values, shapes, dtypes, gradients.

How a line is run stands in `parity.py`. Here: elementwise operations, reductions, creation.

There is one difference on purpose: *zero upstream wins*. Where PyTorch multiplies an upstream
gradient of exactly 0 with an infinite slope and says nan, we say 0 (the last test).

Three things of PyTorch are no word to hold us to, and are compared apart or left out: the slopes
of hardsigmoid and celu, in which it rounds 1/6 and 1/alpha to float32; the gradient of nan of
piecewise functions, which it answers differently for short and for long arrays; variances with
more `correction` than elements, of which it warns that they mean nothing.
"""

import numpy as np
import pytest
from parity import (
    HARD,
    HARD32,
    OURS,
    THEIRS,
    array,
    cases,
    check,
    gradients,
    inf,
    nan,
    normal,
    rng,
    run,
    tensors,
)

import engine

# --- elementwise --------------------------------------------------------------------------------

KINDS = [
    normal(), normal(0, 3), normal(4, 3).T, normal(6, 4)[::2, ::-1], normal(2, 1, 3),
    np.array([1, -2, 0]), np.array(3), np.array([1, 2], np.int32),
]  # fmt: skip
UNARY = [
    "abs",
    "neg",
    "exp",
    "log",
    "log1p",
    "expm1",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asin",
    "acos",
    "atan",
    "sigmoid",
    "sign",
    "floor",
    "round",
    "erf",
    "relu",
]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name):
    for x in (HARD, HARD32, *KINDS):
        check(f"T.{name}(x)", x)
        check(f"x.{name}()", x)
    check(f"T.{name}(input=x)", rng.uniform(0.1, 0.9, (3, 2)), order=2)


BINARY = ["add", "sub", "mul", "div", "true_divide", "pow", "maximum", "minimum", "logaddexp"]
MESH = [axis.ravel() for axis in np.meshgrid(HARD, HARD[np.isfinite(HARD)])]
PAIRS = [
    MESH,
    (normal(3, 1), normal(1, 4)),
    (normal(2, 3, 4), normal(4)),
    (normal(), normal(2)),
    (normal(0, 3), normal(1, 3)),
    (np.array([1, 2, 3]), normal(3)),
    (np.array([1, 2, 3]), normal(3).astype(np.float32)),
    (normal(3).astype(np.float32), normal(3)),
    (np.array([1, 2], np.int32), np.array([3, 4])),
    (np.array(2), np.array([1.5, 2.5], np.float32)),
    (np.array([True, False]), np.array([3.0, 4.0])),
]

REFUSED = {"sub": "b", "logaddexp": "bi"}  # kinds that PyTorch does not take, and we do


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_tensors(name):
    for x, y in PAIRS:
        if {x.dtype.kind, y.dtype.kind} & set(REFUSED.get(name, "")):
            continue
        if name == "pow":
            x = x + 0  # no −0: its infinite slope by the exponent has another sign
        check(f"T.{name}(x, y)", x, y)
        check(f"x.{name}(y)", x, y)
    check(f"T.{name}(input=x, other=y)", *rng.uniform(0.1, 0.9, (2, 3, 2)), order=2)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!="])
def test_operators_and_plain_numbers(sign):
    for x in (HARD, HARD32, np.array([1, 2, 3]), np.array(1.5)):
        for number in (2, 2.0, -1, 0.5, 3, 1.0, -2.0):
            check(f"x {sign} {number}", x)
            if sign != "**" or number > 0:
                check(f"{number} {sign} x", x)
    check(f"x {sign} y", normal(3, 1), normal(4))


ELEMENTWISE = """
T.add(x, y, alpha=0.5)
T.sub(x, y, alpha=2)
x.add(y, alpha=-1.5)
T.div(x, y, rounding_mode="floor")
T.div(x, y, rounding_mode="trunc")
T.div(x, y, rounding_mode=None)
x.div(0.1, rounding_mode="floor")
T.div(x, y, rounding_mode="up")
T.round(x, decimals=2)
x.round(decimals=-1)
T.pow(x, y * y)
T.pow(2.5, x)
T.pow(x, 0)
T.clamp(x, -1, 1)
x.clamp(min=0.3)
x.clamp(max=y)
x.clamp(y, 0.5 + y)
T.clamp(x, min=y, max=-y)
T.clamp(x)
T.clip(x, min=0.3)
x.clip(-1, 1)
T.remainder(x, y + 0.0503)  # by 0 it is nan, and no slope means anything
T.fmod(x, y + 0.0503)
x.remainder(-0.7)
T.fmod(input=x, other=0.7)
T.where(x > y, x, y)
T.where(x > 0, x, 2.0)
T.where(x > 0, 1, 2.5)
T.where(x > 0)
x.where(x > 0, y)
T.masked_fill(x, x > 0, 2.5)
x.masked_fill(y > 0, -inf)
x.masked_fill(mask=x < 0, value=T.tensor(3.0))
T.max(x, y)
x.min(y)
T.maximum(x, x)
(x > 0) & (y < 1) | ~(x < y)
"""


@pytest.mark.parametrize("line", cases(ELEMENTWISE))
def test_arguments_of_elementwise_functions(line):
    x, y = np.round(normal(3, 4), 1), np.round(normal(4), 1)
    check(line, x, y)
    check(line, x.astype(np.float32), y.astype(np.float32))
    check(line, np.round(2 * x), np.round(2 * np.broadcast_to(y, x.shape)))  # ties
    check(line, *normal(2, 3, 4), order=2)


@pytest.mark.parametrize("line", cases("""
x.clamp(0.5, 2)
x.clamp(min=2)
x**2
x**2.0
2**x
x**-1
x // 2
T.div(x, 2, rounding_mode="trunc")
x.remainder(-2)
T.fmod(x, 2)
x.remainder(1.5)
T.add(x, x, alpha=2.5)
T.where(x > 1, x, 2.5)
x.masked_fill(x > 1, 7)
x.masked_fill(x > 1, 2.5)
T.square(x)
x * True
x.float(), x.double(), x.long(), x.bool()
"""))  # fmt: skip
def test_integers_stay_integers_where_they_can(line):
    check(line, np.array([1, 2, 3]))
    check(line, np.array(2))


@pytest.mark.parametrize("line", cases("""
x + 1.5
T.tensor([1, 2]) * 1.5
T.sin(T.tensor([1, 2]))
T.tensor([1, 2]) / 2
T.where(T.tensor([True, False]), 1.0, 2.0)
T.zeros(2), T.ones(2), T.full((2,), 0.5), T.eye(2), T.linspace(0, 1, 3), T.arange(0.5, 2)
"""))  # fmt: skip
def test_the_default_dtype_can_be_float32(line):
    engine.set_default_dtype(np.float32)
    try:
        check(line, normal(3).astype(np.float32))
    finally:
        engine.set_default_dtype(np.float64)


# --- reductions ---------------------------------------------------------------------------------

ARRAYS = [
    normal(2, 3), normal(2, 3, 4), np.asarray(2.5), normal(4, 3).T, normal(1),
    np.array([[1.0, 2, 2], [3, 3, 1], [0, -0.0, 0]]), np.array([[0.0, 2, 3], [0, 0, 3], [1, 2, 3]]),
    normal(3, 2).astype(np.float32), np.array([[nan, 1, 2], [inf, -inf, 0], [inf, inf, 1]]),
    normal(2, 0, 3), np.array([[1, -2], [3, 3]]), np.array([[True, False], [True, True]]),
]  # fmt: skip
ALL = ["()"]
ONE = ["(0)", "(1)", "(-1)", "(dim=0)", "(dim=-1, keepdim=True)", "(1, True)", "(5)"]
SEVERAL = ["(dim=(0, 1))", "((-1, 0), True)", "(dim=(0, 0))", "(axis=0, keepdims=True)"]
ALONG = ["(0)", "(-1)", "(dim=1)", "(5)"]
CALLS = {
    **dict.fromkeys(["sum", "mean", "amax", "amin", "any", "all"], ALL + ONE + SEVERAL),
    **dict.fromkeys(["prod", "max", "min", "argmax", "argmin"], ALL + ONE),
    **dict.fromkeys(["softmax", "log_softmax", "cumsum"], ALONG),
    "logsumexp": [*ONE, "(dim=(0, 1))", "((-1, 0), True)"],
}
FLOATING = (
    "mean",
    "softmax",
    "log_softmax",
    "argmax",
    "argmin",
)  # PyTorch refuses others; we do not


def smooth(x):
    return x.dtype == np.float64 and x.size > 1 and np.isfinite(x).all() and len(set(x.flat)) > 5


@pytest.mark.parametrize("name", CALLS)
def test_reductions(name):
    for x in ARRAYS:
        if x.dtype.kind == "f" or name not in FLOATING:
            for call in CALLS[name]:
                check(f"x.{name}{call}", x, order=2 if smooth(x) else 1)
                check(f"T.{name}(x, {call[1:]}".replace(", )", ")"), x)


SPREADS = """
x.{0}()
x.{0}(0)
T.{0}(x, dim=-1, keepdim=True)
T.{0}(x, dim=(0, 1), correction=0)
x.{0}(correction=0)
x.{0}(dim=0, correction=0.5)
x.{0}(unbiased=False)
x.{0}(0, unbiased=False)
T.{0}(x, 0, False, True)
T.{0}(x, False)
x.{0}(dim=0, unbiased=True, correction=1)
"""


@pytest.mark.parametrize("line", [c.format(f) for f in ("var", "std") for c in cases(SPREADS)])
def test_variance_and_deviation(line):
    check(line, normal(4, 3), order=2)
    check(line, normal(3, 4, 2).astype(np.float32))
    check(line, np.ones((3, 2)))  # the derivative of std at 0 is 0


@pytest.mark.parametrize("p", ["'fro'", 2, 1, 0, 3, 2.5, 0.5, 1.5, inf, -inf, -1, -2, None])
def test_norms(p):
    for x in (normal(2, 3), normal(2, 3, 4), normal(3).astype(np.float32), np.asarray(2.5)):
        for arguments in ("", ", 0", ", dim=-1, keepdim=True", ", 0, True"):
            check(f"T.norm(x, {p}{arguments})", x, order=2 if p in (2, 3, 2.5) and x.ndim else 1)
    for x in (np.zeros((2, 3)), np.array([[0.0, 2, -2], [0, 0, 0]]), np.array([nan, 1, inf])):
        check(f"x.norm(p={p})", x)
        check(f"x.norm({p}, dim=0)", x)


def test_extreme_logits():
    for big in (1e4, 1e8, 1e300):
        for name in ("logsumexp", "softmax", "log_softmax"):
            check(f"T.{name}(x, 0)", np.array([big, big - 1, -big, 0]))
            check(f"T.{name}(x, 0)", np.array([-inf, 0.0, -big]))


# --- creation and changes in place --------------------------------------------------------------


@pytest.mark.parametrize("line", cases("""
T.zeros(2, 3), T.zeros((2, 3)), T.ones(()), T.ones(2)
T.full((2, 2), 7), T.full((2,), 0.5), T.full((), True), T.full(size=(1,), fill_value=2)
T.arange(5), T.arange(1, 5), T.arange(0, 1, 0.25), T.arange(5.0), T.arange(start=1, end=6, step=2)
T.linspace(0, 1, 5), T.linspace(start=-1, end=1, steps=1)
T.eye(3), T.eye(2, 3), T.eye(n=2, m=1)
T.tensor([1, 2]), T.tensor([1.0, 2]), T.tensor(True), T.tensor([[1], [2]])
[f(2, requires_grad=True).requires_grad for f in (T.zeros, T.ones, T.rand, T.randn)]
T.zeros(size=(2, 3)), T.ones(size=[2])
T.zeros(2, size=(3,))
T.zeros_like(T.tensor([[1, 2]])), T.ones_like(input=x), T.ones_like(x > 0), T.zeros_like(x[0])
T.full_like(x, 2), T.full_like(T.arange(2), 1.5), T.full_like(T.arange(2), 1.5, dtype=T.float32)
T.arange(0, -3, -1), T.arange(3, 3), T.arange(5, 5, -1)
T.arange(5, 0)
T.arange(0, 5, -1)
T.arange(0, 5, 0)
T.randint(3, (2, 4)).shape, T.randint(3, 5, (2,)).dtype == T.arange(2).dtype
T.randint(4, 5, size=(2,)), T.randint(1, size=(2,)), T.randint(low=3, high=4, size=(2,))
T.randint(5, 3, (2,))
T.randint(3)
T.rand(size=(2,)).shape, T.randn(2, 3).shape, T.rand_like(x).shape, T.randn_like(x).dtype == x.dtype
T.rand(2, dtype=T.int64)
T.randn_like(T.arange(2))
sum(T.randperm(5) + 0 * T.arange(5)), T.randperm(0), T.randperm(3).dtype == T.arange(2).dtype
"""))  # fmt: skip
def test_creation(line):
    check(line, normal(1))


@pytest.mark.parametrize("line", cases("""
zero_()
fill_(2)
copy_(T.arange(3))
add_(1)
add_(T.ones(3), alpha=0.5)
sub_(T.arange(3))
mul_(2)
div_(2)
clamp_(-0.5, 0.5)
clamp_(min=0)
masked_fill_(T.tensor([True, False, True]), 5)
sqrt_()
add_(T.ones(4))
add_(T.ones(2, 2, 3))
"""))  # fmt: skip
def test_changes_in_place(line):
    for x in (normal(2, 3), normal(2, 3).astype(np.float32), np.arange(6).reshape(2, 3)):
        check(f"[t.{line} for t in [x.detach()]]", np.abs(x))


# --- the one difference -------------------------------------------------------------------------


@pytest.mark.parametrize("line", [
    "T.where(x > 0, T.log(x), x * x)", "T.where(x > 0, x**0.5, 0.0)", "T.sqrt(x) * 0", "(1 / x) * 0",
])  # fmt: skip
def test_zero_upstream_wins(line):
    ours, theirs = (tensors(library, [np.zeros(1)]) for library in (OURS, THEIRS))
    one = [np.ones(1)]
    assert gradients(OURS, run(OURS, line, ours), ours, one)[0].tolist() == [0.0]
    assert np.isnan(array(gradients(THEIRS, run(THEIRS, line, theirs), theirs, one)[0])).all()
