"""Formulas as text, for the command line: ``sigmoid(w*x + b)`` and its numbers make a graph.

The grammar, from the loosest to the firmest::

    sum      product, then any number of + or - and a product
    product  sign, then any number of * or / and a sign
    sign     - sign, + sign, or a power
    power    atom, or atom ** sign (also written ^)
    atom     a number, a name, name(sum, ...), or (sum)

Names are the variables given, and the engine's elementwise operations. There is nothing else, so
nothing in such a text can do anything but compute.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from engine import Value, choosing

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>\*\*|[-+*/^(),])|(?P<wrong>\S))"
)
_DEEPEST = 100
# All elementwise operations but `where`: there are no conditions here.
_FUNCTIONS = {name: f for name, f in choosing.FUNCTIONS.items() if name != "where"}
_SUM: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub}
_PRODUCT: dict[str, Callable[[Any, Any], Any]] = {"*": operator.mul, "/": operator.truediv}


class ExpressionError(ValueError):
    """A text that is no formula, said in one line."""


def evaluate(text: str, values: Mapping[str, float]) -> Value:
    """The graph of a formula; each variable is a leaf that has its name as label.

    >>> y = evaluate("2*x**2 - 1", {"x": 3.0})
    >>> y.data
    17.0
    """
    leaves = {name: Value(value, label=name) for name, value in values.items()}
    parser = _Parser(text, leaves)
    result = parser.whole()
    if not isinstance(result, Value):
        raise ExpressionError(f"{text!r} has no variable, so there is no gradient to draw")
    if unused := [name for name in leaves if name not in parser.used]:
        raise ExpressionError(f"{', '.join(unused)}: given a value, but not in {text!r}")
    return result


class _Parser:
    """A method for each line of the grammar."""

    def __init__(self, text: str, leaves: Mapping[str, Value]) -> None:
        self.text = text
        self.leaves = leaves
        self.used: set[str] = set()
        self.depth = 0
        self.tokens = [
            (str(match.lastgroup), match[str(match.lastgroup)], match.start(str(match.lastgroup)))
            for match in _TOKEN.finditer(text)
        ]
        self.tokens.append(("end", "", len(text)))
        self.next = 0

    def whole(self) -> Any:
        result = self.sum()
        if self.kind != "end":
            raise self.error("expected an operator")
        return result

    def sum(self) -> Any:
        return self.chain(_SUM, self.product)

    def product(self) -> Any:
        return self.chain(_PRODUCT, self.sign)

    def chain(self, table: Mapping[str, Callable[[Any, Any], Any]], part: Callable[[], Any]) -> Any:
        """Equally firm operators, from left to right."""
        result = part()
        while self.token in table:
            apply = table[self.take()]
            result = self.compute(apply, result, part())
        return result

    def sign(self) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error(f"nested more than {_DEEPEST} deep")
        if self.token == "-":
            self.take()
            result = self.compute(operator.neg, self.sign())
        elif self.token == "+":
            self.take()
            result = self.sign()
        else:
            result = self.power()
        self.depth -= 1
        return result

    def power(self) -> Any:
        base = self.atom()
        if self.token in ("**", "^"):
            self.take()
            return self.compute(operator.pow, base, self.sign())
        return base

    def atom(self) -> Any:
        if self.kind == "number":
            return float(self.take())
        if self.kind == "name":
            name = self.take()
            return self.call(name) if self.token == "(" else self.variable(name)
        if self.token == "(":
            self.take()
            result = self.sum()
            self.expect(")")
            return result
        raise self.error("expected a number, a name or (")

    def variable(self, name: str) -> Value:
        if name not in self.leaves:
            raise ExpressionError(f"{name} has no value: add {name}=<number>")
        self.used.add(name)
        return self.leaves[name]

    def call(self, name: str) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            known = ", ".join(sorted(_FUNCTIONS))
            raise ExpressionError(f"there is no function {name!r}; there are {known}")
        self.expect("(")
        arguments = [self.sum()]
        while self.token == ",":
            self.take()
            arguments.append(self.sum())
        self.expect(")")
        return self.compute(function, *arguments)

    # ---------------------------------------------------------------- what the grammar needs

    @property
    def kind(self) -> str:
        return self.tokens[self.next][0]

    @property
    def token(self) -> str:
        """The sign that comes next, if it is one."""
        kind, text, _ = self.tokens[self.next]
        return text if kind == "sign" else ""

    def take(self) -> str:
        self.next += 1
        return self.tokens[self.next - 1][1]

    def expect(self, sign: str) -> None:
        if self.token != sign:
            raise self.error(f"expected {sign}")
        self.take()

    def error(self, what: str) -> ExpressionError:
        kind, text, place = self.tokens[self.next]
        found = "the end" if kind == "end" else repr(text)
        return ExpressionError(f"{what}, found {found} at character {place + 1} of {self.text!r}")

    def compute(self, function: Callable[..., Any], *operands: Any) -> Any:
        """Plain numbers stay plain, as they do in Python."""
        try:
            return function(*operands)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ExpressionError(f"{self.text!r}: {error}") from error
