"""NumPy's functions on nodes: `np.exp(t)` makes the same node as `t.exp()`.

A formula written for arrays differentiates as it stands. NumPy asks an operand that is not an
array of its own what a ufunc (`__array_ufunc__`) or another function (`__array_function__`)
means for it; the tables below are the answer. What they do not name raises TypeError: nothing
becomes an array of objects, and no gradient is lost on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, signature
from itertools import pairwise
from typing import Any

import numpy as np

import engine
from engine.node import Node

Function = Callable[..., Any]

# --- ufuncs -----------------------------------------------------------------------------------

# NumPy's name of a ufunc: ours.
RECORDED = {
    "absolute": "abs", "fabs": "abs", "add": "add", "subtract": "sub", "multiply": "mul",
    "divide": "div", "negative": "neg", "power": "pow", "float_power": "pow", "exp": "exp",
    "expm1": "expm1", "log": "log", "log1p": "log1p", "logaddexp": "logaddexp", "sqrt": "sqrt",
    "square": "square", "reciprocal": "reciprocal", "sin": "sin", "cos": "cos", "tan": "tan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "sign": "sign", "floor": "floor", "rint": "round", "maximum": "maximum",
    "minimum": "minimum", "remainder": "remainder", "fmod": "fmod", "matmul": "matmul",
}  # fmt: skip
# Ufuncs whose result has no gradient: computed from the plain data.
CONSTANT = (
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "isnan", "isinf",
    "isfinite", "signbit", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and",
    "bitwise_or", "bitwise_xor", "invert",
)  # fmt: skip


def array_ufunc(self: Node, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    """NumPy's `__array_ufunc__`: the operation of the same meaning, recorded."""
    name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if keywords:
        keyword = next(iter(keywords))
        hint = "; an array keeps no graph: write a = a + t for a += t" if keyword == "out" else ""
        raise TypeError(f"numpy.{name} of a {_kind(self)} does not take {keyword}={hint}")
    if name in CONSTANT:
        data = ufunc(*map(_plain, inputs))
        return self.constant(data) if _is_tensor(self) else bool(data)
    if name not in RECORDED:
        raise _unsupported(f"numpy.{name}", self, (*RECORDED, *CONSTANT))
    return getattr(engine, RECORDED[name])(*inputs)


def _is_tensor(node: Node) -> bool:
    return hasattr(node, "shape")


def _kind(node: Node) -> str:
    return "Tensor" if _is_tensor(node) else "Value"


def _plain(x: Any) -> Any:
    """Data without nodes, in lists and tuples too."""
    if isinstance(x, (list, tuple)):
        return type(x)(map(_plain, x))
    return x.data if isinstance(x, Node) else x


def _unsupported(name: str, node: Node, known: Iterable[str]) -> TypeError:
    return TypeError(
        f"{name} is not supported for a {_kind(node)}. For a result without a gradient write "
        f"{name}(np.asarray(x)); supported are {', '.join(sorted(set(known)))}"
    )


# --- functions --------------------------------------------------------------------------------


def _along(a: Any, index: Any, axis: int) -> Any:
    """`a` indexed along one axis."""
    return a[(slice(None),) * (axis % a.ndim) + (index,)]


def _flat(a: Any, axis: int | None) -> tuple[Any, int]:
    """NumPy's meaning of axis=None for what works along one axis: the elements in a row."""
    return (engine.reshape(a, (-1,)), 0) if axis is None else (a, axis)


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        return np.where(_plain(condition))  # the places where it holds
    return engine.where(condition, x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return engine.clamp(a, a_min if min is None else min, a_max if max is None else max)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    dims = x.ndim if axis is None else np.size(axis)
    if ord is not None and dims != 1:
        raise TypeError("numpy.linalg.norm of a Tensor: ord is for vectors, along one axis")
    return engine.norm(x, 2 if ord is None else ord, axis, keepdims)


def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return engine.mul(a, b)
    if np.ndim(a) > 1 and np.ndim(b) > 2:
        raise TypeError(
            f"numpy.dot of shapes {np.shape(_plain(a))} and {b.shape} pairs all matrices of one "
            "with all of the other: write it with numpy.einsum, or mean numpy.matmul"
        )
    return engine.matmul(a, b)


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    a, axis = _flat(a, axis)
    return _along(a, _plain(indices), axis)


def _repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    a, axis = _flat(a, axis)
    return _along(a, np.repeat(np.arange(a.shape[axis]), repeats), axis)


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _pieces(np.split, ary, indices_or_sections, axis)


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _pieces(np.array_split, ary, indices_or_sections, axis)


def _pieces(split: Function, a: Any, places: Any, axis: int) -> list[Any]:
    ends = np.cumsum([len(piece) for piece in split(np.arange(a.shape[axis]), places)]).tolist()
    return [_along(a, slice(*ends), axis) for ends in pairwise([0, *ends])]


def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        arrays, axis = [engine.reshape(a, (-1,)) for a in arrays], 0
    return engine.cat(arrays, axis)


def _vstack(tup: Sequence[Any]) -> Any:
    return engine.cat([a if a.ndim > 1 else engine.reshape(a, (1, -1)) for a in tup], 0)


def _hstack(tup: Sequence[Any]) -> Any:
    return engine.cat(tup, 0 if tup[0].ndim == 1 else 1)


# NumPy's function in terms of ours, with NumPy's argument names and order. An argument that is
# missing here (`out`, `where`, `dtype`, ...) raises TypeError.
FUNCTIONS: dict[Function, Function] = {
    # reductions
    np.sum: lambda a, axis=None, *, keepdims=False: engine.sum(a, axis, keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: engine.mean(a, axis, keepdims),
    np.prod: lambda a, axis=None, *, keepdims=False: engine.prod(a, axis, keepdims),
    np.max: lambda a, axis=None, *, keepdims=False: engine.amax(a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: engine.amin(a, axis, keepdims),
    np.amax: lambda a, axis=None, *, keepdims=False: engine.amax(a, axis, keepdims),
    np.amin: lambda a, axis=None, *, keepdims=False: engine.amin(a, axis, keepdims),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: engine.var(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: engine.std(
        a, axis, correction=ddof, keepdim=keepdims
    ),
    np.any: lambda a, axis=None, *, keepdims=False: engine.any(a, axis, keepdims),
    np.all: lambda a, axis=None, *, keepdims=False: engine.all(a, axis, keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: engine.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, *, keepdims=False: engine.argmin(a, axis, keepdims),
    np.cumsum: lambda a, axis=None: engine.cumsum(*_flat(a, axis)),
    np.linalg.norm: _norm,
    # shape
    np.reshape: lambda a, shape: engine.reshape(a, np.atleast_1d(shape).tolist()),
    np.ravel: lambda a: engine.ravel(a),
    np.transpose: lambda a, axes=None: engine.permute(a, axes or range(a.ndim)[::-1]),
    np.swapaxes: lambda a, axis1, axis2: engine.transpose(a, axis1, axis2),
    np.squeeze: lambda a, axis=None: engine.squeeze(a, axis) if axis is not None else a.squeeze(),
    np.expand_dims: lambda a, axis: engine.unsqueeze(a, axis),
    np.broadcast_to: lambda array, shape: engine.broadcast_to(array, shape),
    np.concatenate: _concatenate,
    np.stack: lambda arrays, axis=0: engine.stack(arrays, axis),
    np.vstack: _vstack,
    np.hstack: _hstack,
    np.split: _split,
    np.array_split: _array_split,
    np.flip: lambda m, axis=None: engine.flip(m, range(m.ndim) if axis is None else axis),
    np.roll: lambda a, shift, axis=None: engine.roll(a, shift, axis),
    np.tile: lambda A, reps: engine.tile(A, np.atleast_1d(reps).tolist()),
    np.repeat: _repeat,
    np.tril: lambda m, k=0: engine.tril(m, k),
    np.triu: lambda m, k=0: engine.triu(m, k),
    # choice
    np.where: _where,
    np.clip: _clip,
    np.round: lambda a, decimals=0: engine.round(a, decimals=decimals),
    np.around: lambda a, decimals=0: engine.round(a, decimals=decimals),
    np.take: _take,
    np.take_along_axis: lambda arr, indices, axis: engine.take_along_dim(arr, indices, axis),
    # contraction
    np.dot: _dot,
    np.outer: lambda a, b: engine.outer(a, b),
    np.einsum: lambda subscripts, *operands: engine.einsum(subscripts, *operands),
    # constants
    np.zeros_like: lambda a: engine.zeros_like(a),
    np.ones_like: lambda a: engine.ones_like(a),
    np.full_like: lambda a, fill_value: engine.full_like(a, fill_value),
}
OF_VALUES = {np.where, np.clip, np.round, np.around}  # those that mean something for one number
# Plain facts about the data, computed and returned without nodes.
FACTS = {
    np.shape, np.ndim, np.size, np.allclose, np.isclose, np.array_equal, np.count_nonzero,
    np.nonzero, np.argsort,
}  # fmt: skip


def array_function(
    self: Node,
    function: Function,
    types: Iterable[type],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:
    """NumPy's `__array_function__`: the operation of the same meaning, recorded."""
    name = f"{function.__module__}.{function.__name__}"
    if function in FACTS:
        return function(*map(_plain, arguments), **{k: _plain(v) for k, v in keywords.items()})
    known = FUNCTIONS if _is_tensor(self) else OF_VALUES
    if function not in known:
        raise _unsupported(name, self, (f.__name__ for f in known))
    ours = signature(FUNCTIONS[function]).parameters
    given = {k: v for k, v in keywords.items() if k in ours or v is not None}  # not out=None
    _check_arguments(f"{name} of a {_kind(self)}", function, ours, arguments, given)
    return FUNCTIONS[function](*arguments, **given)


def _check_arguments(
    what: str,
    function: Function,
    ours: Mapping[str, Parameter],
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> None:
    places = [name for name, p in ours.items() if p.kind is not Parameter.KEYWORD_ONLY]
    unknown = [name for name in keywords if name not in ours]
    if len(arguments) > len(places) and function is not np.einsum:
        unknown.append(list(signature(function).parameters)[len(places)])
    if unknown:
        raise TypeError(f"{what} does not take {unknown[0]}=; its arguments are {', '.join(ours)}")
