"""An operation of Values as a function of its own, written out from its rule.

What an operation of Values costs is what Python does besides computing. So it is no chain of calls
through rules and readings: a function is written out for each rule, as `namedtuple` writes out a
class. It takes the numbers of the operands (x_a, x_b), computes the result y and the local
derivatives (d_a, d_b), and makes the node. What needs only + − × stands in the function itself;
for the rest it calls the rule's lambdas.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from engine.formula import Expression, read
from engine.rule import Elementwise

_HEAD = "def operation({nodes}):"
_OPERAND = """
    if type({i}) is Value:
        x_{i} = {i}._data
        active_{i} = True
    else:
        {i}, x_{i}, active_{i} = operand({i})"""
_NUMBERS = """
    {computations}"""
_NUMBERS_BY_CALLS = """
    try:
        {computations}
    except REFUSALS:
        {refused} = None
    if {not_floats}:
        y, {derivatives} = reread(rule, {numbers})"""
_NODE = """
    recorded = is_recording()
    if not recorded or not ({active}):
        return constant(rule, ({nodes},), ({numbers},), y)
    node = new(Value)
    node._data = y
    node.grad = None
    node.rule = rule
    node.a = a
    node.b = {b}
    node.da = d_a if active_a else None
    node.db = {db}
    node.label = ""
    if recorded is not True:
        recorded.made(node, rule, ({nodes},), ({numbers},))
    return node"""


def written_out(rule: Elementwise) -> str:
    """The text of the function.

    >>> from engine import ops
    >>> print(written_out(ops.mul))
    def operation(a, b):
        if type(a) is Value:
            x_a = a._data
            active_a = True
        else:
            a, x_a, active_a = operand(a)
        if type(b) is Value:
            x_b = b._data
            active_b = True
        else:
            b, x_b, active_b = operand(b)
        y = (x_a * x_b)
        d_a = x_b
        d_b = x_a
        recorded = is_recording()
        if not recorded or not (active_a or active_b):
            return constant(rule, (a, b,), (x_a, x_b,), y)
        node = new(Value)
        node._data = y
        node.grad = None
        node.rule = rule
        node.a = a
        node.b = b
        node.da = d_a if active_a else None
        node.db = d_b if active_b else None
        node.label = ""
        if recorded is not True:
            recorded.made(node, rule, (a, b,), (x_a, x_b,))
        return node

    Of tanh the middle reads

        try:
            y = forward(FLOATS, x_a)
            d_a = slopes[0](FLOATS, x_a, y)
        except REFUSALS:
            y = None
        if type(y) is not float or type(d_a) is not float:
            y, d_a = reread(rule, x_a)
    """
    places = "ab"[: len(rule.inputs)]
    numbers = ", ".join(f"x_{i}" for i in places)
    names = {"y": "y"} | {name: f"x_{i}" for name, i in zip(rule.inputs, places, strict=True)}
    computed = {"y": _in_place(read(rule.forward, rule.inputs), names)}
    calls = {"y": f"forward(FLOATS, {numbers})"}
    for index, i in enumerate(places):
        computed[f"d_{i}"] = _in_place(rule.formula(index, {}), names)
        calls[f"d_{i}"] = f"slopes[{index}](FLOATS, {numbers}, y)"
    called = [name for name, text in computed.items() if not text]
    indent = "\n        " if called else "\n    "
    operands = [_OPERAND.format(i=i) for i in places]
    middle = _NUMBERS_BY_CALLS if called else _NUMBERS
    return (
        _HEAD.format(nodes=", ".join(places))
        + "".join(operands)
        + (middle + _NODE).format(
            nodes=", ".join(places),
            numbers=numbers,
            derivatives=", ".join(f"d_{i}" for i in places),
            computations=indent.join(f"{n} = {text or calls[n]}" for n, text in computed.items()),
            refused=called[0] if called else "",
            not_floats=" or ".join(f"type({name}) is not float" for name in called),
            active=" or ".join(f"active_{i}" for i in places),
            b="b" if "b" in places else "None",
            db="d_b if active_b else None" if "b" in places else "None",
        )
    )


_SIGNS = {"add": "+", "sub": "-", "mul": "*"}


def _in_place(formula: Expression, names: Mapping[str, str]) -> str:
    """The formula as code, if it is made of names, numbers and + − ×; else nothing."""
    if formula.op == "symbol":
        return names[formula.args[0]]
    if formula.op == "number":
        return repr(formula.args[0]) if isfinite(formula.args[0]) else ""
    if formula.op not in _SIGNS:
        return ""
    a, b = (_in_place(part, names) for part in formula.args)
    return f"({a} {_SIGNS[formula.op]} {b})" if a and b else ""
