"""Rules that are wrong on purpose: each gradient negated, scaled, zeroed, its arguments swapped,
and each term and factor of its formula dropped in turn."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType
from typing import Any

from engine.rule import Elementwise, Rule

Function = Callable[..., Any]


def negated(f: Function) -> Function:
    return lambda *args, **kw: -f(*args, **kw)


def scaled(f: Function) -> Function:
    return lambda *args, **kw: 1.01 * f(*args, **kw)


def zeroed(f: Function) -> Function:
    return lambda *args, **kw: 0.0 * f(*args, **kw)


def swapped(places: tuple[int, int]) -> Callable[[Function], Function]:
    """Two of the arguments exchanged: of (m, a, b, y), or of (m, g, y, a, b)."""

    def exchange(f: Function) -> Function:
        def exchanged(*args: Any, **kw: Any) -> Any:
            given = list(args)
            i, j = places
            given[i], given[j] = given[j], given[i]
            return f(*given, **kw)

        return exchanged

    return exchange


def mutants(rule: Rule) -> Iterator[tuple[str, int, Rule]]:
    """What was done, to the gradient of which input, and the rule that came of it."""
    for index, f in enumerate(rule.backward):
        arity = len(rule.inputs)
        changes: dict[str, Function] = {"negated": negated, "scaled": scaled, "zeroed": zeroed}
        if isinstance(rule, Elementwise):
            changes["arguments swapped"] = swapped((1, 2))  # a and b; or x and y
        elif arity == 2:
            changes["arguments swapped"] = swapped((3, 4))
        for what, change in changes.items():
            yield what, index, _with(rule, index, change(f))
        for what, lesser in _lessened(f):
            yield what, index, _with(rule, index, lesser)
        if arity == 2 and index == 0:
            a, b = rule.backward
            yield "gradients swapped", index, _with(_with(rule, 0, b), 1, a)


def _with(rule: Rule, index: int, f: Function) -> Rule:
    mutant = copy.copy(rule)
    mutant.backward = (*rule.backward[:index], f, *rule.backward[index + 1 :])
    return mutant


# --- terms and factors, dropped from the source of a lambda ---------------------------------------


def _lessened(f: Function) -> Iterator[tuple[str, Function]]:
    """The function with one operand of one + − × ÷ left out."""
    source = _lambda_of(f)
    if source is None:
        return
    count = sum(isinstance(node, ast.BinOp) for node in ast.walk(source))
    for place in range(count):
        for keep in ("left", "right"):
            tree = copy.deepcopy(source)
            tree.body = _Drop(place, keep).visit(tree.body)
            text = ast.unparse(tree.body)
            code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<mutant>", "eval")
            yield f"reduced to {text}", eval(code, f.__globals__)


class _Drop(ast.NodeTransformer):
    """Replace the operation that is met as number `place` by one of its operands."""

    def __init__(self, place: int, keep: str) -> None:
        self.place, self.keep = place, keep
        self.met = 0

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.met += 1
        if self.met - 1 == self.place:
            return node.left if self.keep == "left" else node.right
        self.generic_visit(node)
        return node


@cache
def _lambdas(file: str) -> list[tuple[ast.Lambda, CodeType]]:
    """Every lambda of a file, with what it compiles to."""
    with open(file, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            constants = compile(ast.Expression(node), file, "eval").co_consts
            found.append((node, next(c for c in constants if isinstance(c, CodeType))))
    return found


def _lambda_of(f: Function) -> ast.Lambda | None:
    code = getattr(f, "__code__", None)
    if code is None or f.__closure__:
        return None
    same = [
        node
        for node, compiled in _lambdas(inspect.getfile(f))
        if (compiled.co_code, compiled.co_names, compiled.co_consts, node.lineno)
        == (code.co_code, code.co_names, code.co_consts, code.co_firstlineno)
    ]
    return same[0] if same else None
