"""The forward pass of one operation on arrays: which dtype it is done in, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.dtypes import common_dtype, get_default_dtype
from engine.readings import ARRAYS, Array
from engine.rule import Elementwise, Rule


def forward(
    rule: Rule, dtype: np.dtype[Any], inputs: Sequence[Any], parameters: dict[str, Any]
) -> Array:
    """The array that an operation makes of plain inputs."""
    try:
        y = rule.forward(ARRAYS[dtype], *inputs, **parameters)
    except (ValueError, IndexError) as error:
        raise explained(error, rule, inputs) from None
    if type(y) is not np.ndarray or dtype.kind != "f":
        y = np.asarray(y)
        if dtype.kind != "f" and isinstance(rule, Elementwise):
            y = y.astype(dtype)  # a 0.0 in the rule makes no floats of integers
        elif y.dtype == np.uint64:
            y = y.astype(np.int64)  # what PyTorch sums uint8 in
    return y


def explained(error: Exception, rule: Rule, inputs: Sequence[Any]) -> Exception:
    """NumPy's error with the name of the operation and the shapes of its operands."""
    shapes = ", ".join(str(np.shape(x)) for x in inputs)
    return type(error)(f"{rule.name} of shapes {shapes}: {error}")


def prepared(rule: Rule, inputs: list[Any]) -> tuple[list[Any], np.dtype[Any]]:
    """Plain inputs in the dtype that the rule takes them in."""
    dtype, *others = dict.fromkeys(x.dtype for x in inputs if type(x) is np.ndarray)
    if dtype.kind != "f" or (others and not rule.mixed):
        dtype = _promote(inputs, rule)
    if rule.unbounded:  # 1 / 0 is inf for NumPy's numbers, and an error for Python's
        inputs = [x if type(x) is np.ndarray else dtype.type(x) for x in inputs]
    return inputs, dtype


def _promote(inputs: list[Any], rule: Rule) -> np.dtype[Any]:
    """Cast the arrays among `inputs` to the dtype that the rule takes them in."""
    dtype = common_dtype(inputs)
    if dtype.kind != "f" and not rule.keeps_integers:
        dtype = get_default_dtype()
    for i, x in enumerate(inputs):
        if type(x) is np.ndarray and x.dtype is not dtype:
            inputs[i] = x.astype(dtype)
    return dtype
