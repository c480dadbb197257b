"""The text reading: a rule's lambda, called once with symbols, is a formula that can be shown.

>>> slope = read(lambda m, x, y: 1 - y * y, ["x", "y"])
>>> slope.symbolic("tanh")
'1 − tanh²'
>>> slope.numeric({"x": 1.946, "y": 0.96})
'1 − 0.96² = 0.0784'

A choice keeps its condition and both branches; with numbers it says which was taken, and why:

>>> slope = read(lambda m, x, y: m.where(x > 0, 1.0, 0.01), ["x", "y"])
>>> slope.symbolic(), slope.numeric({"x": -2.1, "y": -0.021})
('1 if x > 0 else 0.01', '0.01, since −2.1 ≤ 0')
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Final, NoReturn

import numpy as np

# How firmly a piece of text holds together; a looser piece in a firmer place gets parentheses.
# A quotient is looser than a product: a·b/c can only be read as (a·b)/c, a/b·c in two ways.
CHOICE, OR, AND, COMPARISON, SUM, QUOTIENT, PRODUCT, POWER, ATOM = range(9)

# operation: (its sign, its firmness, the least firmness of its left and right operands, value)
INFIX: Final[dict[str, tuple[str, int, int, int, Callable[..., Any]]]] = {
    "or": (" or ", OR, OR, AND, np.logical_or),
    "and": (" and ", AND, AND, COMPARISON, np.logical_and),
    "less": (" < ", COMPARISON, SUM, SUM, operator.lt),
    "less_equal": (" ≤ ", COMPARISON, SUM, SUM, operator.le),
    "greater": (" > ", COMPARISON, SUM, SUM, operator.gt),
    "greater_equal": (" ≥ ", COMPARISON, SUM, SUM, operator.ge),
    "equal": (" = ", COMPARISON, SUM, SUM, operator.eq),
    "unequal": (" ≠ ", COMPARISON, SUM, SUM, operator.ne),
    "add": (" + ", SUM, SUM, QUOTIENT, operator.add),
    "sub": (" − ", SUM, SUM, QUOTIENT, operator.sub),
    "mul": ("·", PRODUCT, PRODUCT, POWER, operator.mul),
    "div": ("/", QUOTIENT, PRODUCT, POWER, operator.truediv),
}
OPPOSITE = {"less": "greater_equal", "greater": "less_equal", "equal": "unequal"}
OPPOSITE |= {no: yes for yes, no in OPPOSITE.items()}


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))  # never overflows
    return np.where(x < 0, e, 1.0) / (1.0 + e)


UNARY = "exp expm1 log log1p sqrt sin cos tan sinh cosh tanh abs isnan"
BINARY = ("maximum", "minimum", "logaddexp", "floor_divide", "remainder", "fmod", "equal")
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {  # what a rule may call, and its value
    **{name: getattr(np, name) for name in (*UNARY.split(), *BINARY)},
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "floor": np.floor,
    "trunc": np.trunc,
    "round": np.rint,
    "sign": lambda x: (x > 0) * 1.0 - (x < 0) * 1.0,  # 0 for nan, as in PyTorch
    "erf": math.erf,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "where": np.where,
}
OPERANDS = {**dict.fromkeys(BINARY, 2), "where": 3}  # of the others: 1
SHORT = {"maximum": "max", "minimum": "min", "sigmoid": "σ"}
CONSTANTS: Final = {"pi": math.pi, "e": math.e}
NAMES = {math.pi: "π", math.e: "e"}
VALUES: dict[str, Callable[..., Any]] = {"neg": operator.neg, "pow": operator.pow, **FUNCTIONS}
VALUES |= {name: value for name, (*_, value) in INFIX.items()}

LEAVES = ("number", "symbol")
SUPERSCRIPT = str.maketrans("−0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
GRAMMAR = (
    "it uses + - * / ** < <= > >= & | abs and functions of m: m.exp(x), not np.exp(x) or x.exp()"
)
Shown = Callable[[str], str]
Method = Callable[["Expression", Any], "Expression"]


def _methods(op: str) -> tuple[Method, Method]:
    """An operator and its reflection: `x - 1` and `1 - x`."""
    return (
        lambda self, other: _build(op, self, _lift(other)),
        lambda self, other: _build(op, _lift(other), self),
    )


class Expression:
    """A formula as a tree: `op` is an operation and `args` what it is applied to, or `op` is
    "number" or "symbol". Trees grow by Python's operators and are never changed."""

    __slots__ = ("args", "op")
    __array_ufunc__ = None  # a NumPy number on the left leaves the operation to us

    def __init__(self, op: str, *args: Any) -> None:
        self.op: Final = op
        self.args: Final = args

    def symbolic(self, symbol: str = "y") -> str:
        """The formula; the result `y` of its operation goes by the operation's own symbol.

        >>> read(lambda m, x, y: y * (1 - y), ["x", "y"]).symbolic("σ")
        'σ·(1 − σ)'
        >>> read(lambda m, a, b, y: -y / b, ["a", "b", "y"]).symbolic("÷")  # no name: keeps y
        '−y/b'
        """
        return _write(self, lambda name: _known_as(name, symbol))[0]

    def numeric(self, values: Mapping[str, float], *, symbol: str = "y", soft: bool = False) -> str:
        """The formula with numbers in it, the result, and why which branch was taken.

        soft: the exact result is not 0 for these values, so that a 0 says that it is rounded.

        >>> slope = read(lambda m, x, y: y * (1 - y), ["x", "y"])
        >>> slope.numeric({"x": 40.0, "y": 1.0}, symbol="σ", soft=True)
        '1·(1 − 1) = 0 (below 1e-16), since σ = 1 (rounded)'
        """
        reasons: dict[str, None] = {}
        used: dict[str, str] = {}
        taken = _taken(self, values, reasons)
        formula = _write(taken, lambda name: used.setdefault(name, number(values[name])))[0]
        result = taken.value(values)
        constant = taken.op == "number"
        rounded = soft and result == 0 and not constant
        if rounded and used.get("y") in ("1", "−1"):
            reasons[f"{_known_as('y', symbol)} = {number(values['y'], rounded=True)}"] = None
        text = number(result, rounded=rounded)
        if not constant and formula != number(result):  # "3", not "3 = 3"
            text = f"{formula} = {text}"
        return f"{text}, since {' and '.join(reasons)}" if reasons else text

    def value(self, values: Mapping[str, float]) -> float:
        """The formula evaluated, with NumPy's 1/0 = inf; a condition is 1 or 0.

        >>> read(lambda m, x: 1 / x, ["x"]).value({"x": 0.0})
        inf
        """

        def evaluate(e: Expression) -> Any:
            if e.op == "number":
                return np.float64(e.args[0])
            if e.op == "symbol":
                return np.float64(values[e.args[0]])
            return np.float64(VALUES[e.op](*map(evaluate, e.args)))

        with np.errstate(all="ignore"):
            return float(evaluate(self))

    def has_zero_branch(self) -> bool:
        """Whether the formula is 0, or a choice that is 0 for some numbers.

        >>> read(lambda m, x: m.where(x > 0, 1.0, 0.0), ["x"]).has_zero_branch()
        True
        """
        if self.op == "where":
            return any(branch.has_zero_branch() for branch in self.args[1:])
        return self.op == "number" and self.args[0] == 0

    def names(self) -> set[str]:
        """The symbols that occur in the formula."""
        if self.op in LEAVES:
            return {self.args[0]} if self.op == "symbol" else set()
        return set().union(*(part.names() for part in self.args))

    __add__, __radd__ = _methods("add")
    __sub__, __rsub__ = _methods("sub")
    __mul__, __rmul__ = _methods("mul")
    __truediv__, __rtruediv__ = _methods("div")
    __pow__, __rpow__ = _methods("pow")
    __and__, __rand__ = _methods("and")
    __or__, __ror__ = _methods("or")
    __lt__ = _methods("less")[0]
    __le__ = _methods("less_equal")[0]
    __gt__ = _methods("greater")[0]
    __ge__ = _methods("greater_equal")[0]

    def __neg__(self) -> Expression:
        return Expression("neg", self)

    def __abs__(self) -> Expression:
        return Expression("abs", self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"`{self.symbolic()}` has no truth value: a rule is read once, for all numbers. Write "
            "m.where(condition, a, b) for if, m.maximum and m.minimum for max and min, "
            "(a < x) & (x < b) for a < x < b, & | for and, or"
        )

    def __float__(self) -> NoReturn:
        raise TypeError(
            f"`{self.symbolic()}` is no number yet: a rule is read once, for all numbers. Write "
            "m.exp(x) for math.exp(x), x for float(x)"
        )

    def __eq__(self, other: object) -> NoReturn:  # nodes of a graph compare by identity
        raise TypeError(
            "== and != would compare nodes, not numbers. Write m.equal(a, b) for a == b, and "
            "m.where(m.equal(a, b), p, q) for m.where(a != b, q, p)"
        )

    def __invert__(self) -> NoReturn:  # ~True is −2, and so is true
        raise TypeError("~ has no meaning for floats. Write m.where(c, a, b) for m.where(~c, b, a)")

    def __repr__(self) -> str:
        return f"Expression({self.op!r}, {', '.join(map(repr, self.args))})"


class _Namespace:
    """The `m` of this reading."""

    def __getattr__(self, name: str) -> Any:
        if name in CONSTANTS:
            return _lift(CONSTANTS[name])
        if name not in FUNCTIONS:
            known = ", ".join([*FUNCTIONS, *CONSTANTS])
            raise TypeError(f"m.{name} is not known. A rule has these functions of m: {known}")

        def function(*operands: Any) -> Expression:
            if len(operands) != (count := OPERANDS.get(name, 1)):
                raise TypeError(f"m.{name} takes {count} operands, {len(operands)} given")
            if name == "where" and not isinstance(operands[0], Expression):
                return _lift(operands[1 if operands[0] else 2])  # a parameter has chosen
            return Expression(name, *map(_lift, operands))

        return function


def read(
    function: Callable[..., Any],
    names: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
) -> Expression:
    """Call `function(m, *names, **parameters)` with symbols: its formula.

    Parameters stand in the formula by value, arrays by name. What cannot be read, such as an
    `if`, raises TypeError with the file and line where it stands and what to write instead.

    >>> read(lambda m, x, *, slope: m.where(x > 0, x, slope * x), ["x"], {"slope": 0.1}).symbolic()
    'x if x > 0 else 0.1·x'
    """
    given = {
        name: Expression("symbol", name) if isinstance(value, np.ndarray) else value
        for name, value in (parameters or {}).items()
    }
    try:
        symbols = [Expression("symbol", name) for name in names]
        return _lift(function(_Namespace(), *symbols, **given))
    except (TypeError, AttributeError) as error:
        import traceback  # here, because most programs never need it

        code = getattr(function, "func", function).__code__  # also of a partial
        # Names and numbers only: a frame that is kept keeps its callers, and their graphs, alive.
        _, *trace = [(f.f_code.co_filename, at) for f, at in traceback.walk_tb(error.__traceback__)]
        line = code.co_firstlineno
        for file, at in trace:  # a helper beside the rule counts
            line = at if file == code.co_filename else line
        message = f"{code.co_filename}:{line}: {error}"
        if not trace or trace[-1][0] != __file__:  # Python's words, not ours
            message += f". A rule is called with (m, {', '.join([*names, *given])}); {GRAMMAR}"
        raise TypeError(message) from error


def number(x: float, *, digits: int = 4, rounded: bool = False) -> str:
    """A number as it is shown everywhere; next to ±1 its distance to 1 keeps two digits.

    rounded: the exact number is not 0 or ±1, so where it reads so, that is said.

    >>> number(-2.5), number(0.99999955), number(1.0), number(1.0, rounded=True)
    ('−2.5', '0.99999955', '1', '1 (rounded)')
    """
    if x == 0:
        return "0 (below 1e-16)" if rounded else "0"
    distance = abs(abs(float(x)) - 1)
    if 0 < distance < 1e-3:
        exponent = int(f"{distance:.1e}".partition("e")[2])
        text = f"{x:.{1 - exponent}f}".rstrip("0")
    else:
        text = f"{x:.{digits}g}" + (" (rounded)" if rounded and distance == 0 else "")
    return text.replace("-", "−", 1) if x < 0 else text


def _known_as(name: str, symbol: str) -> str:
    """The result goes by its operation's symbol, unless that would read as an operator."""
    return symbol if name == "y" and symbol.isidentifier() else name


def _lift(operand: Any) -> Expression:
    if isinstance(operand, Expression):
        return operand
    if isinstance(operand, Real):
        return Expression("number", float(operand))
    raise TypeError(f"a rule computes with symbols and numbers, not with {operand!r}")


def _build(op: str, a: Expression, b: Expression) -> Expression:
    """The operation as one would write it: without 1 as factor or exponent, x² for x·x."""
    by = b.args[0] if b.op == "number" else None
    if by == 1 and op in ("mul", "div", "pow"):
        return a
    if by == 0 and op == "pow":
        return _lift(1)
    if op != "mul":
        return Expression(op, a, b)
    if a.op == "number" and abs(a.args[0]) == 1:
        return b if a.args[0] == 1 else -b
    head, last = a.args if a.op == "mul" else (None, a)
    (base, m), (same, n) = _power(last), _power(b)
    if repr(base) != repr(same):
        return -_build("mul", a.args[0], b) if a.op == "neg" else Expression("mul", a, b)
    power = Expression("pow", base, _lift(m + n))
    return power if head is None else _build("mul", head, power)


def _power(e: Expression) -> tuple[Expression, float]:
    """Base and exponent of a factor; a factor that is no whole power is its own base."""
    if e.op == "pow" and e.args[1].op == "number":
        base, exponent = e.args[0], e.args[1].args[0]
        if exponent > 1 and exponent.is_integer():
            return base, exponent
    return e, 1.0


def _write(e: Expression, shown: Shown) -> tuple[str, int]:
    """The text of a formula, and how firmly it holds together."""

    def part(e: Expression, least: int, *, after: bool = False) -> str:
        text, firmness = _write(e, shown)
        return f"({text})" if firmness < least or (after and text[0] == "−") else text

    if e.op in LEAVES:
        (of,) = e.args
        text = shown(of) if e.op == "symbol" else NAMES.get(of) or number(of, digits=6)
        scientific = text[0].isdigit() and "e" in text
        return text, PRODUCT if text[0] == "−" else POWER if scientific else ATOM
    if e.op in INFIX:
        sign, firmness, left, right, _ = INFIX[e.op]
        a, b = e.args
        return part(a, left) + sign + part(b, right, after=firmness >= SUM), firmness
    if e.op == "where":
        condition, yes, no = e.args
        return f"{part(yes, OR)} if {part(condition, OR)} else {part(no, CHOICE)}", CHOICE
    if e.op == "neg":
        text = "−" + part(e.args[0], QUOTIENT, after=True)
        return text, QUOTIENT if e.args[0].op == "div" else PRODUCT
    if e.op == "pow":
        base, exponent = part(e.args[0], ATOM), _write(e.args[1], shown)[0]
        if exponent.removeprefix("−").isdecimal():
            return base + exponent.translate(SUPERSCRIPT), POWER
        return f"{base}^{part(e.args[1], ATOM)}", POWER
    if e.op == "sqrt":  # √x, but √(σ(x))
        return "√" + part(e.args[0], ATOM if e.args[0].op in LEAVES else ATOM + 1), POWER
    inside = ", ".join(part(a, CHOICE) for a in e.args)
    if e.op == "abs" and "|" not in inside:
        return f"|{inside}|", ATOM
    return f"{SHORT.get(e.op, e.op)}({inside})", ATOM


def _taken(e: Expression, values: Mapping[str, float], reasons: dict[str, None]) -> Expression:
    """The formula with each choice replaced by its branch taken; `reasons` collects why."""
    if e.op in LEAVES:
        return e
    if e.op != "where":
        return Expression(e.op, *(_taken(a, values, reasons) for a in e.args))
    condition, yes, no = e.args
    holds = bool(condition.value(values))
    reasons[_reason(condition, values, holds)] = None
    return _taken(yes if holds else no, values, reasons)


def _reason(e: Expression, values: Mapping[str, float], holds: bool) -> str:
    """Why a condition holds or not: `−2.1 ≤ 0`. One part decides a true `or`, a false `and`."""
    if e.op in ("and", "or"):
        parts = [a for a in e.args if bool(a.value(values)) == holds]
        decisive = parts[:1] if holds == (e.op == "or") else parts
        return " and ".join(_reason(a, values, holds) for a in decisive)
    if not holds and e.op in OPPOSITE:
        opposite = Expression(OPPOSITE[e.op], *e.args)
        if opposite.value(values):  # not so for nan
            return _reason(opposite, values, True)
    text = _write(e, lambda name: number(values[name]))[0]
    return text if holds else f"{text} is false"
