"""The dtype of a result, by PyTorch's rules rather than NumPy's.

Arrays count before arrays of no dimensions, and those before Python numbers: the later ones
matter only where they are of a higher kind (boolean < integer < floating). A floating kind is
never widened by integers: float32 and int64 make float32, where NumPy says float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

Dtype = np.dtype[Any]

float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
int32, int64 = np.dtype(np.int32), np.dtype(np.int64)

_default = float64
_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}


def set_default_dtype(dtype: Any) -> None:
    """The dtype of tensors made of Python floats, and of `Tensor(...)` of integers."""
    global _default
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"the default dtype must be floating, not {np.dtype(dtype)}")
    _default = np.dtype(dtype)


def get_default_dtype() -> Dtype:
    """The dtype of tensors made of Python floats: float64 unless it was set."""
    return _default


def common_dtype(inputs: Sequence[Any]) -> Dtype:
    """The dtype that arrays and Python numbers have together.

    >>> common_dtype([np.zeros(3, np.float32), np.zeros(3, np.int64), 2.0])
    dtype('float32')
    >>> common_dtype([np.zeros(3, np.int64), 2.0])
    dtype('float64')
    """
    arrays = [x.dtype for x in inputs if isinstance(x, np.ndarray) and x.ndim]
    scalars = [x.dtype for x in inputs if isinstance(x, np.ndarray) and not x.ndim]
    numbers = [_of_number(x) for x in inputs if not isinstance(x, np.ndarray)]
    result: Dtype | None = None
    for dtypes in (arrays, scalars, numbers):
        if dtypes and (result is None or _kind(_joined(dtypes)) > _kind(result)):
            result = _joined(dtypes)
    assert result is not None
    return result


def _kind(dtype: Dtype) -> int:
    return _KINDS[dtype.kind]


def _joined(dtypes: Sequence[Dtype]) -> Dtype:
    highest = max(map(_kind, dtypes))
    return reduce(np.promote_types, (d for d in dtypes if _kind(d) == highest))


def _of_number(x: Any) -> Dtype:
    return _default if isinstance(x, float) else np.dtype(bool if isinstance(x, bool) else int)
