"""Every rule of the project, found by looking for it, and points to try it at.

Nothing here names an operation that a test should know of: a rule that is added to a table, or
anywhere else in `engine` and `nn`, is found and tried. What can need a hand is a *parameter*
without a default: a number to try it with stands in `PARAMETERS` or `ARGUMENTS`, by its name.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import pkgutil
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import engine
import nn
import nn.functional
from engine import Tensor, structure
from engine.backprop import order
from engine.readings import FLOAT64
from engine.rule import Elementwise, Rule


@cache
def rules() -> dict[str, Rule]:
    """Every rule that a module of `engine` or `nn` holds, under the name it has there."""
    names = [
        module.name
        for package in (engine, nn)
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    found: dict[int, tuple[str, Rule]] = {}
    for name in ["engine.ops", *names]:
        for attribute, value in vars(importlib.import_module(name)).items():
            if isinstance(value, Rule):
                found.setdefault(id(value), (f"{name}.{attribute}", value))
    return dict(found.values())


ELEMENTWISE = {name: rule for name, rule in rules().items() if isinstance(rule, Elementwise)}
STRUCTURAL = {name: rule for name, rule in rules().items() if not isinstance(rule, Elementwise)}


def has_true_slope(name: str) -> bool:
    """A straight-through derivative is that of another function, on purpose."""
    return "straight_through" not in name


# --- points of elementwise rules --------------------------------------------------------------

ORDINARY = (-2.31, -1.72, -0.83, -0.31, 0.27, 0.64, 0.81, 1.19, 1.93, 2.62, 3.71)
SUSPECTS = (-3.0, -1.0, -0.5, 0.0, 0.1, 0.5, 0.9, 1.0, 3.0, 6.0)  # where kinks are wont to be
EXTREME = (-1e3, 1e3, -1e-300, 1e-300, 0.0, math.inf, -math.inf, math.nan)

# What to try for a parameter that has no default. A name not here is given 0.7.
PARAMETERS: dict[str, list[Any]] = {
    "alpha": [2.5],
    "exponent": [3.0, 2.5, 1.0, 0.5, 0.0, -0.5, -1.0],
    "min": [-0.5],
    "max": [0.9],
    "decimals": [1],
    "condition": [True, False],
    "mask": [True, False],
    "eps": [0.05],
    "approximate": ["none", "tanh"],
}

# Where an input may lie, by its name; an input not here may be any number.
DOMAINS: dict[str, tuple[float, ...]] = {"p": (0.11, 0.27, 0.5, 0.64, 0.81, 0.93)}  # probability


def settings(rule: Rule) -> list[dict[str, Any]]:
    """The parameters to try a rule with: defaults, and for those without one, what is known."""
    choices = []
    for name in rule.keywords:
        values = list(PARAMETERS.get(name, [0.7]))
        if name in rule.defaults:
            default = rule.defaults[name]
            known = [v for v in PARAMETERS.get(name, []) if type(v) is type(default)]
            values = [default, *known]
            if isinstance(default, float):
                values.append(default * 1.3 + 0.1)
        choices.append(values)
    return [dict(zip(rule.keywords, values, strict=True)) for values in itertools.product(*choices)]


class Point(NamedTuple):
    xs: tuple[float, ...]
    kind: str  # "smooth", "kink" (also a jump, or an end of the domain) or "outside"
    slopes: tuple[tuple[float, float], ...]  # on the left and on the right, by each input


def value_at(rule: Elementwise, xs: tuple[float, ...]) -> float:
    """The forward alone, read with NumPy's floats."""
    with np.errstate(all="ignore"):
        return float(rule.forward(FLOAT64, *map(np.float64, xs)))


def one_sided(rule: Elementwise, xs: tuple[float, ...], index: int) -> tuple[float, float]:
    h = 1e-7
    y = value_at(rule, xs)
    left, right = ([x + step * (i == index) for i, x in enumerate(xs)] for step in (-h, h))
    return (y - value_at(rule, tuple(left))) / h, (value_at(rule, tuple(right)) - y) / h


def look(rule: Elementwise, xs: tuple[float, ...]) -> Point:
    """What kind of point this is, by the forward alone."""
    if not math.isfinite(value_at(rule, xs)):
        return Point(xs, "outside", ())
    slopes = tuple(one_sided(rule, xs, index) for index in range(len(xs)))
    smooth = all(abs(left - right) < 1e-4 * (1 + abs(right)) < 10 for left, right in slopes)
    return Point(xs, "smooth" if smooth else "kink", slopes)


@cache
def points(rule: Elementwise) -> tuple[Point, ...]:
    """Ordinary points and suspects, for all inputs."""
    domains = [DOMAINS.get(name, (*ORDINARY, *SUSPECTS)) for name in rule.inputs]
    if len(domains) == 1:
        tuples = [(x,) for x in domains[0]]
    else:
        random = np.random.default_rng(len(domains))
        tuples = [tuple(float(random.choice(d)) for d in domains) for _ in range(40)]
        tuples += [(x, x) for x in SUSPECTS if domains == [(*ORDINARY, *SUSPECTS)] * 2]
    return tuple(p for xs in dict.fromkeys(tuples) if (p := look(rule, xs)).kind != "outside")


# --- specimens of structural rules ------------------------------------------------------------

SHAPES = [
    (2, 3), (3,), (), (3, 3), (2, 2, 3), (0, 3), (1, 3), (2, 2, 5), (1, 2, 4, 4), (3, 2), (4, 3),
]  # fmt: skip
FLOATING: dict[str, list[Any]] = {  # arguments that are tensors, by shape
    "input": [*SHAPES, np.array([1, 0, 1])],
    "tensors": [[(2, 3), (2, 3)], [(2, 3), (1, 3), (2, 3)], [(3,), (3,)]],
    "tensor": SHAPES,
    "other": [None, (2, 3), (3,)],
    "mat2": [(3, 2), (3, 4), (2, 3, 2)],
    "vec": [(3,)],
    "vec2": [(3,), (2,)],
    "weight": [(2, 3), (4, 3), (3,), (3, 2, 2), (4, 1, 2), (2, 2, 2, 2), (3, 2, 2, 2), None],
    "bias": [None, (2,), (4,), (3,)],
    "running_mean": [None],
    "running_var": [None],
    "operands": [[(2, 3), (3, 4)], [(2, 3), (2, 3)], [(2, 2, 3), (2, 3, 2)], [(3, 3)], [(3,)]],
    "like": [(3,), (1, 3), ()],
}
ARGUMENTS: dict[str, list[Any]] = {
    "dim": [None, 0, -1, 1, (0, 1)],
    "keepdim": [False, True],
    "unbiased": [None],
    "correction": [None, 0, 1],
    "p": [2, 1, 3, "fro", math.inf, 0.5],
    "shape": [(6,), (3, 2), (2, -1), (2, 2, 3), (2, 3), (4, 3)],
    "sizes": [(2, 3), (2, -1, 3), (4, 3)],
    "start_dim": [0, 1],
    "end_dim": [-1],
    "dims": [(1, 0), (2, 0, 1), 0, (0, 1), (2, 2)],
    "dim0": [0],
    "dim1": [1, -1],
    "repeats": [(2, 1), (2, 3, 1)],
    "shifts": [1, (1, 2)],
    "diagonal": [0, 1, -1],
    "split_size_or_sections": [1, 2, [1, 1]],
    "chunks": [2],
    "dtype": [np.float64, np.float32],
    "index": [
        np.array([[0, 1, 0]]),
        np.array([1, 0, 1]),
        (0, slice(None)),
        np.array([True, False]),
    ],
    "indices": [np.array([[0, 1, 0]]), np.array([1, 0, 1])],
    "equation": ["ij,jk->ik", "ij,ij->", "bij,bjk->bk", "ii->i", "i->", "ij,ij->j", "ij,kj"],
    "target": [np.array([0, 2]), np.array([1, 2]), (2, 3), (3,)],
    "reduction": ["mean", "sum", "none"],
    "ignore_index": [-100],
    "label_smoothing": [0.0, 0.1],
    "kernel_size": [2],
    "stride": [1, 2, None],
    "padding": [0, 1],
    "dilation": [1],
    "groups": [1, 2],
    "pad": [(1, 1), (0, 1, 1, 0)],
    "normalized_shape": [(3,), (2, 3)],
    "training": [True],
    "affine": [True],
    "num_embeddings": [3],
    "padding_idx": [None],  # else a row gets no gradient, on purpose
    "mode": ["constant", "reflect", "replicate", "circular"],
    "pieces": [3],
    "out_features": [2],
}


REFUSALS = (
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,
    AttributeError,
    ArithmeticError,
    Warning,
)


class Specimen(NamedTuple):
    """A structural rule as it was used: its inputs' arrays, its parameters."""

    rule: Rule
    inputs: tuple[Any, ...]
    parameters: dict[str, Any]

    def __call__(self, *xs: Any) -> Tensor:
        """The operation on tensors in the place of the floating inputs."""
        tensors = iter(xs)
        return Tensor.apply(
            self.rule,
            tuple(next(tensors) if is_floating(x) else x for x in self.inputs),
            self.parameters,
        )

    def leaves(self) -> list[Tensor]:
        return [Tensor(a, requires_grad=True) for a in self.arrays]

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return tuple(x for x in self.inputs if is_floating(x))


def is_floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


@cache
def _apart(size: int) -> np.ndarray:
    return np.linspace(-1.4, 1.7, max(size, 2))[:size] + 0.011


class _Draw:
    """Numbers for tensors: apart from each other, so that no kink of max or norm is near."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.random.permutation(_apart(math.prod(shape))).reshape(shape)

    def made(self, name: str, recipe: Any) -> Any:
        """An argument: shapes are made tensors of, where tensors are expected."""
        if name not in FLOATING and not (name == "target" and isinstance(recipe, tuple)):
            return recipe
        if isinstance(recipe, list):
            return [self.made(name, shape) for shape in recipe]
        return Tensor(self.array(recipe), requires_grad=True) if type(recipe) is tuple else recipe


def calls(function: Any, tries: int = 1200, wanted: int = 25) -> Iterator[tuple[Any, list[Tensor]]]:
    """Outputs and inputs of calls with arguments that fit the names of the parameters."""
    names = list(inspect.signature(function).parameters)
    if names == ["operands", "parameters"]:  # a rule that is the function itself
        names = ["input", "mat2"]
    choices = [_choices(function, name) for name in names]
    draw = _Draw(len(choices))
    sizes = [len(choice) for choice in choices]
    drawn = draw.random.integers(sizes, size=(tries, len(sizes))).tolist()
    variadic = _is_variadic(function)
    for places in dict.fromkeys(map(tuple, drawn)):
        recipes = [choice[place] for choice, place in zip(choices, places, strict=True)]
        made = [draw.made(name, recipe) for name, recipe in zip(names, recipes, strict=True)]
        arguments = [y for name, x in zip(names, made, strict=True)
                     for y in (x if name == "operands" else [x])]  # fmt: skip
        keywords = dict(zip(names, made, strict=True))
        try:
            result = function(*arguments) if variadic else function(**keywords)
        except REFUSALS:  # these arguments do not fit together
            continue
        results = result if isinstance(result, (tuple, list)) else (result,)
        outputs = [y for y in results if isinstance(y, Tensor) and y.requires_grad]
        if outputs:
            wanted -= 1
            yield outputs, [x for x in itertools.chain(*map(_flat, made)) if isinstance(x, Tensor)]
        if not wanted:
            return


def _choices(function: Any, name: str) -> list[Any]:
    known = FLOATING.get(name) or ARGUMENTS.get(name)
    return known or [inspect.signature(function).parameters[name].default]


def _is_variadic(function: Any) -> bool:
    kinds = {p.kind for p in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL in kinds


def _flat(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list) else [x]


@cache
def specimens() -> dict[str, list[Specimen]]:
    """Up to eight different uses of each structural rule, forward and in gradients."""
    names = {id(rule): name for name, rule in STRUCTURAL.items()}
    found: dict[str, dict[str, Specimen]] = {name: {} for name in STRUCTURAL}
    offered = {**structure.FUNCTIONS}
    offered |= {name: getattr(nn.functional, name) for name in nn.functional.__all__}
    for function in offered.values():
        for outputs, leaves in _quietly(calls(function)):
            for node in _forward_and_gradient_nodes(outputs, leaves):
                name = names.get(id(node.rule))
                if name is None or len(found[name]) >= 8:
                    continue
                inputs = tuple(x.copy() if is_floating(x) else x for x in node.inputs)
                key = f"{[np.shape(x) for x in inputs]} {node.arguments}"
                found[name].setdefault(key, Specimen(node.rule, inputs, node.arguments))
    return {name: list(several.values()) for name, several in found.items()}


def _quietly(found: Iterator[Any]) -> list[Any]:
    """Without calls that warn: a mean of nothing, a deviation of one number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return list(found)


def _forward_and_gradient_nodes(outputs: list[Tensor], leaves: list[Tensor]) -> list[Any]:
    upstreams = [Tensor(np.ones(y.shape), requires_grad=True, dtype=y.dtype) for y in outputs]
    gradients = engine.grad(outputs, leaves, upstreams, create_graph=True, allow_unused=True)
    active = [g for g in gradients if g is not None and g.requires_grad]
    return [*order(*outputs), *order(*active)]
