"""The namespaces `m` that a rule is read in: floats, arrays, complex numbers.

A rule says `m.exp(x)`, and which `exp` that is makes it a forward pass of a `Value`, of a
`Tensor`, a gradient that is itself a graph, or a check of the rule by the complex step.

Reading     m is                        used for
Floats      `math`, plain floats        the forward pass and local derivatives of `Value`
Arrays      NumPy                       the same of `Tensor`, and floats that `math` refuses
nodes       the tables' own functions   gradients that are nodes (`engine.backprop.NODES`)
Complex     NumPy on complex numbers    the complex step: Im f(x + ih) / h = f'(x)
text        symbols                     the formula on an edge (`engine.formula`)
"""

from __future__ import annotations

import math
from contextvars import Context
from types import EllipsisType, NoneType
from typing import Any

import numpy as np

from engine.remembered import Remembered

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]

_SILENT = Context()
_SILENT.run(np.seterr, all="ignore")

# `silent().run(function, ...)` calls a function without NumPy's warnings of overflow, division by
# zero and the like, in less time than `np.errstate`, which makes its context anew. In there all
# context variables have their defaults: `recording` and `watching` are to be asked before.
silent = _SILENT.copy

_erf = np.frompyfunc(math.erf, 1, 1)


# x.sum, x.max and x.min without the functions of Python's that are around them.
_add: Any = np.add.reduce
_maximum: Any = np.maximum.reduce
_minimum: Any = np.minimum.reduce


class Floats:
    """Plain floats. Where these functions raise (1/0, exp(800)), `Arrays` answers instead."""

    pi = math.pi
    e = math.e
    abs = staticmethod(abs)
    exp = staticmethod(math.exp)
    expm1 = staticmethod(math.expm1)
    log = staticmethod(math.log)
    log1p = staticmethod(math.log1p)
    sqrt = staticmethod(math.sqrt)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    tan = staticmethod(math.tan)
    sinh = staticmethod(math.sinh)
    cosh = staticmethod(math.cosh)
    tanh = staticmethod(math.tanh)
    asin = staticmethod(math.asin)
    acos = staticmethod(math.acos)
    atan = staticmethod(math.atan)
    erf = staticmethod(math.erf)
    fmod = staticmethod(math.fmod)
    isnan = staticmethod(math.isnan)

    @staticmethod
    def sigmoid(x: float) -> float:
        if x >= 0.0:
            return 1.0 / (1.0 + math.exp(-x))
        e = math.exp(x)  # the exponential of a negative number cannot overflow
        return e / (1.0 + e)

    @staticmethod
    def softplus(x: float) -> float:
        return max(x, 0.0) + math.log1p(math.exp(-abs(x)))

    @staticmethod
    def maximum(a: float, b: float) -> float:
        return a if a >= b else b if a < b else a + b  # nan passes, as in NumPy

    @staticmethod
    def minimum(a: float, b: float) -> float:
        return a if a <= b else b if a > b else a + b

    @staticmethod
    def logaddexp(a: float, b: float) -> float:
        top = max(a, b)
        return top if a == b and math.isinf(a) else top + math.log1p(math.exp(-abs(a - b)))

    @staticmethod
    def sign(x: float) -> float:
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0  # nan has none, as in PyTorch

    @staticmethod
    def floor(x: float) -> float:
        return math.copysign(math.floor(x), x)  # keeps −0.0

    @staticmethod
    def trunc(x: float) -> float:
        return math.copysign(math.trunc(x), x)

    @staticmethod
    def floor_divide(a: float, b: float) -> float:
        return a // b

    @staticmethod
    def remainder(a: float, b: float) -> float:
        return a % b

    @staticmethod
    def round(x: float) -> float:
        return math.copysign(round(x), x)

    @staticmethod
    def where(condition: bool, a: float, b: float) -> float:
        return a if condition else b

    @staticmethod
    def equal(a: float, b: float) -> bool:
        return a == b


class Arrays:
    """NumPy, for results of one dtype: a plain number in a rule never promotes float32.

    What every training step calls is a method even where it looks at nothing of this object, as
    CPython finds methods, but not static methods, without a search.
    """

    pi = math.pi
    e = math.e
    abs = np.abs
    exp = np.exp
    expm1 = np.expm1
    log = np.log
    log1p = np.log1p
    sqrt = np.sqrt
    sin = np.sin
    cos = np.cos
    tan = np.tan
    sinh = np.sinh
    cosh = np.cosh
    tanh = np.tanh
    asin = np.arcsin
    acos = np.arccos
    atan = np.arctan
    floor = np.floor
    trunc = np.trunc
    floor_divide = np.floor_divide
    remainder = np.remainder
    fmod = np.fmod
    round = np.rint
    logaddexp = np.logaddexp
    maximum = np.maximum
    minimum = np.minimum
    equal = np.equal
    isnan = np.isnan
    matmul = np.matmul
    mm = staticmethod(np.ndarray.dot)  # matmul of two matrices at less cost, and without warnings
    broadcast_to = staticmethod(np.broadcast_to)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.number = dtype, dtype.type
        self._ones: Remembered[int, Array] = Remembered(lambda n: np.ones(n, dtype), size=16)

    def erf(self, x: Array) -> Array:
        return np.asarray(_erf(x)).astype(self.number)  # NumPy has none

    @staticmethod
    def sign(x: Array) -> Array:
        return np.subtract(x > 0.0, x < 0.0, dtype=x.dtype)  # nan has none, as in PyTorch

    @staticmethod
    def sigmoid(x: Array) -> Array:
        e = np.exp(-np.abs(x))  # never overflows, and where x < 0 it is e^x
        return np.exp(np.minimum(x, 0.0)) / (1.0 + e)

    def softplus(self, x: Array) -> Array:
        return np.logaddexp(x, self.number(0.0))

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        if type(a) is float and type(b) is float:
            if a == 0.0 and b == 1.0:  # the mask itself: np.where takes three times as long
                return np.logical_not(condition).astype(self.dtype)
            if a == 1.0 and b == 0.0:
                return np.asarray(condition, bool).astype(self.dtype)
            a = self.number(a)
        return np.where(condition, a, b)

    @staticmethod
    def sum(x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return _add(x, axis=dim, keepdims=keepdim)

    def share(self, g: Array, number: float) -> Any:
        """What each of so many gets of a gradient, which is one number. (An array without
        dimensions takes several times as long to divide; of none, or of one, it stays an array.)"""
        return g.item() / number if number > 1 else g / number

    def sum_of_rows(self, x: Array) -> Array:
        return self._ones[len(x)].dot(x)  # takes less time than a sum

    @staticmethod
    def mean(x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return x.mean(axis=dim, keepdims=keepdim)

    @staticmethod
    def amax(x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return _maximum(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def amin(x: Array, dim: Dims, keepdim: bool = False) -> Array:
        return _minimum(x, axis=dim, keepdims=keepdim)

    @staticmethod
    def _exponentials(x: Array, dim: Dims) -> tuple[Array, Array]:
        """x − max x, and its exponentials, none of which overflows."""
        below = x - _maximum(x, axis=dim, keepdims=True, initial=-np.inf)
        return below, np.exp(below)

    def softmax(self, x: Array, dim: Dims) -> Array:
        _, e = silent().run(self._exponentials, x, dim)  # inf − inf: nan, without a word
        return e / _add(e, axis=dim, keepdims=True)

    def log_softmax(self, x: Array, dim: Dims) -> Array:
        below, e = silent().run(self._exponentials, x, dim)
        return below - silent().run(np.log, _add(e, axis=dim, keepdims=True))  # of none log 0

    @staticmethod
    def logsumexp(x: Array, dim: Dims, keepdim: bool = False) -> Array:
        top = x.max(axis=dim, keepdims=True, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0)  # inf − inf would be nan
        with np.errstate(divide="ignore"):  # log 0 is −∞: nothing to warn of
            y = np.log(np.exp(x - top).sum(axis=dim, keepdims=True)) + top
        return y if keepdim else y.squeeze(dim)

    @staticmethod
    def cast(x: Array, dtype: np.dtype[Any]) -> Array:
        return x.astype(dtype)

    @staticmethod
    def reshape(x: Array, shape: Dims) -> Array:
        return x.reshape(shape)

    @staticmethod
    def permute(x: Array, dims: Dims) -> Array:
        return x.transpose(dims)

    @staticmethod
    def transpose(x: Array, dim0: int, dim1: int) -> Array:
        return x.swapaxes(dim0, dim1)

    @staticmethod
    def cat(arrays: tuple[Array, ...], dim: int) -> Array:
        return np.concatenate(arrays, axis=dim)

    @staticmethod
    def stack(arrays: tuple[Array, ...], dim: int) -> Array:
        return np.stack(arrays, axis=dim)

    @staticmethod
    def getitem(x: Array, index: Any) -> Array:
        return x[index]

    @staticmethod
    def place(x: Array, index: Any, shape: Dims) -> Array:
        """Zeros of `shape` to which `x` is added at `index`, also where it names one twice."""
        if all(isinstance(i, (int, slice, EllipsisType, NoneType)) for i in _as_tuple(index)):
            out = np.zeros(shape, x.dtype)
            out[index] = x
            return out
        size = math.prod(shape)
        places = np.arange(size).reshape(shape)[index]
        sums = np.bincount(places.ravel(), x.ravel(), minlength=size)
        return sums.reshape(shape).astype(x.dtype, copy=False)

    @staticmethod
    def zero_upstream_wins(upstream: Array, contribution: Array) -> Array:
        """0 where the upstream gradient is exactly 0, even if the local derivative is inf."""
        return np.where(upstream == 0, upstream, contribution)  # a zero of the same dtype

    def has_nan(self, x: Array) -> bool:
        elements = x.ravel("K")  # in the order of memory: a view, if nothing is skipped
        return math.isnan(elements.dot(elements))  # the sum of squares

    @staticmethod
    def zero_slope_wins(local: Any, contribution: Array) -> Array:
        """0 where the local derivative of a mask is 0, even if the upstream gradient is inf."""
        return np.where(local == 0, 0.0 * local, contribution)  # again a zero of the same dtype

    def sum_to(self, x: Array, like: Any) -> Array:
        """Undo broadcasting: sum over the dimensions along which `like` was repeated."""
        return x if x.shape == like.shape else self.sum_to_shape(x, like.shape)

    @staticmethod
    def sum_to_shape(x: Array, shape: Dims) -> Array:
        extra = x.ndim - len(shape)
        repeated = (i + extra for i, n in enumerate(shape) if n == 1)
        return x.sum((*range(extra), *repeated), keepdims=True).reshape(shape)


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


class Complex(Arrays):
    """NumPy on complex numbers: what compares or folds looks at the real part alone."""

    def __init__(self) -> None:
        super().__init__(np.dtype(np.complex128))

    @staticmethod
    def abs(x: Array) -> Array:  # type: ignore[override]
        return np.where(x.real < 0, -x, x)

    @staticmethod
    def sigmoid(x: Array) -> Array:
        e = np.exp(np.where(x.real < 0, x, -x))
        return np.where(x.real < 0, e, 1) / (1 + e)

    @staticmethod
    def softplus(x: Array) -> Array:
        return np.where(x.real < 0, 0, x) + np.log1p(np.exp(np.where(x.real < 0, x, -x)))

    @classmethod
    def logaddexp(cls, a: Array, b: Array) -> Array:  # type: ignore[override]
        return b + cls.softplus(a - b)

    @staticmethod
    def sign(x: Array) -> Array:
        return np.sign(x.real) + 0j

    @staticmethod
    def floor(x: Array) -> Array:  # type: ignore[override]
        return np.floor(x.real) + 0j

    @staticmethod
    def trunc(x: Array) -> Array:  # type: ignore[override]
        return np.trunc(x.real) + 0j

    @staticmethod
    def floor_divide(a: Array, b: Array) -> Array:  # type: ignore[override]
        return np.floor_divide(a.real, b.real) + 0j

    @staticmethod
    def remainder(a: Array, b: Array) -> Array:  # type: ignore[override]
        return a - b * np.floor_divide(a.real, b.real)

    @staticmethod
    def fmod(a: Array, b: Array) -> Array:  # type: ignore[override]
        return a - b * np.trunc(a.real / b.real)

    @staticmethod
    def round(x: Array) -> Array:  # type: ignore[override]
        return np.round(x.real) + 0j


FLOATS = Floats()
FLOAT64 = Arrays(np.dtype(np.float64))
COMPLEX = Complex()


class _ByDtype(dict[np.dtype[Any], Arrays]):
    def __missing__(self, dtype: np.dtype[Any]) -> Arrays:
        return self.setdefault(dtype, Arrays(dtype))


# The reading with arrays whose results have this dtype.
ARRAYS = _ByDtype({np.dtype(np.float64): FLOAT64})
# The same for those that are usual: a dtype that is not among them has to be looked at.
FLOATING = {dtype: ARRAYS[dtype] for dtype in map(np.dtype, (np.float64, np.float32, np.float16))}
