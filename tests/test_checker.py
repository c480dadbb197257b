"""Who checks the checker: `gradcheck` catches every rule that was made wrong on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mutants import mutants
from rulebook import ELEMENTWISE, STRUCTURAL, has_true_slope, points, settings, specimens

import engine
from engine import Tensor
from engine.readings import ARRAYS


def caught(function: Any, inputs: Any) -> bool:
    try:
        return not engine.gradcheck(function, inputs, raise_exception=False)
    except (TypeError, ValueError, IndexError, RuntimeError, AttributeError):
        return True  # wrong shapes, say


@pytest.mark.parametrize("name", list(filter(has_true_slope, ELEMENTWISE)))
def test_no_wrong_derivative_passes(name: str) -> None:
    parameters = settings(ELEMENTWISE[name])[0]
    rule = ELEMENTWISE[name]
    xs = [p.xs for p in points(rule.bind(parameters)) if p.kind == "smooth"][:12]
    columns = [np.array(column) for column in zip(*xs, strict=True)]
    tried = 0
    for what, index, mutant in mutants(rule):
        if not _differs(rule, mutant, parameters, columns):
            continue  # another way of writing the same derivative
        leaves = [Tensor(c, requires_grad=True) for c in columns]

        def function(*inputs: Any, mutant: Any = mutant) -> Any:
            return mutant(*inputs, **parameters)

        assert caught(function, leaves), f"{name}: derivative {index} {what} passed"
        tried += 1
    formulas = [rule.formula(i, parameters) for i in range(len(rule.inputs))]
    flat = all(f.op == "number" and f.args[0] == 0 for f in formulas)
    assert tried >= 3 or flat, f"{name}: only {tried} mutants"


def _differs(rule: Any, mutant: Any, parameters: dict[str, Any], columns: list[Any]) -> bool:
    m = ARRAYS[np.dtype(np.float64)]
    y = rule.forward(m, *columns, **parameters)
    with np.errstate(all="ignore"):
        for ours, theirs in zip(rule.backward, mutant.backward, strict=True):
            try:
                a, b = (f(m, *columns, y, **parameters) for f in (ours, theirs))
            except (TypeError, ValueError, ZeroDivisionError, AttributeError):
                return True
            if not np.allclose(a, b, rtol=1e-3, atol=1e-5, equal_nan=True):
                return True
    return False


@pytest.mark.parametrize("name", STRUCTURAL)
def test_no_wrong_vjp_passes(name: str) -> None:
    uses = [s for s in specimens()[name] if all(a.size for a in s.arrays)]
    tried = 0
    for what, index, mutant in mutants(STRUCTURAL[name]):
        different = [s for s in uses if _moves(s, mutant)]
        if not different:
            continue
        tried += 1
        assert any(caught(s._replace(rule=mutant), s.leaves()) for s in different), (
            f"{name}: gradient {index} {what} passed"
        )
    assert tried >= 3, f"{name}: no mutant could be tried"


def _moves(specimen: Any, mutant: Any) -> bool:
    """Whether the mutant gives other gradients than the rule."""
    try:
        a, b = (_gradients(specimen._replace(rule=rule)) for rule in (specimen.rule, mutant))
        return not all(np.allclose(x, y, rtol=1e-3, atol=1e-5) for x, y in zip(a, b, strict=True))
    except (TypeError, ValueError, IndexError, RuntimeError, AttributeError):
        return True


def _gradients(specimen: Any) -> list[Any]:
    leaves = specimen.leaves()
    y = specimen(*leaves)
    y.backward(np.random.default_rng(0).uniform(0.5, 2.0, y.shape))
    return [x.grad for x in leaves]


def test_a_softmax_without_gradient_does_not_pass() -> None:
    """Under an upstream of ones every softmax has gradient 0: a sum would check nothing."""
    (name,) = (name for name, rule in STRUCTURAL.items() if rule.name == "softmax")
    use = specimens()[name][0]
    flat = [m for what, _, m in mutants(use.rule) if what == "zeroed"]
    assert caught(use._replace(rule=flat[0]), use.leaves())
    x = Tensor([[0.3, -1.2, 2.0]], requires_grad=True)
    engine.softmax(x, 1).sum().backward()
    assert np.allclose(x.grad, 0, atol=1e-15)


def test_a_gradient_that_forgets_how_often_an_input_was_used_does_not_pass() -> None:
    x = Tensor([0.3, -1.2], requires_grad=True)
    assert caught(lambda x: x * x.detach(), x)
    assert not caught(lambda x: x * x, x)
