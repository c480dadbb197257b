"""What a `Tensor` has in common with arrays: a shape, elements, comparisons, and a text."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from engine import choosing, indexing, shape
from engine.dtypes import get_default_dtype
from engine.node import Node
from engine.numpy_protocol import array_function, array_ufunc
from engine.readings import Array
from engine.rule import Rule


class ArrayLike(Node):
    """A node whose data is an array. What compares gives constants; the rest are operations."""

    __slots__ = ()

    _data: Array

    __array_ufunc__, __array_function__ = array_ufunc, array_function

    # These are asked so often that it counts that attrgetter is no function of Python's.
    shape = property(attrgetter("_data.shape"), doc="The length of each dimension.")
    ndim = property(attrgetter("_data.ndim"), doc="The number of dimensions.")
    dtype = property(attrgetter("_data.dtype"), doc="The kind of number.")

    @property
    def T(self) -> Any:
        """The transpose; for more than two dimensions, all of them reversed."""
        return shape.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> Any:
        """The last two dimensions exchanged."""
        return shape.transpose(self, -2, -1)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    def item(self) -> Any:
        """The one element as a Python number: what to append to a list of losses."""
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as (nested lists of) Python numbers."""
        return self._data.tolist()

    def numpy(self) -> Array:
        """The array itself, not a copy."""
        return self._data

    def split(self, split_size: Any, dim: int = 0) -> tuple[Any, ...]:
        """Consecutive parts along `dim`: of one length, or of those given."""
        return shape.split(self, split_size, dim)

    def where(self, condition: Any, other: Any) -> Any:
        """These elements where `condition` holds, else those of `other`."""
        return choosing.where(condition, self, other)

    def expand_as(self, other: Any) -> Any:
        """Expanded to the shape of `other`."""
        return shape.expand(self, other.shape)

    def view_as(self, other: Any) -> Any:
        """These elements in the shape of `other`."""
        return shape.view(self, other.shape)

    def clone(self) -> Any:
        """A copy that passes its gradient on."""
        return shape.cast(self, self.dtype)

    def to(self, dtype: Any) -> Any:
        """The numbers in another dtype."""
        return shape.cast(self, dtype)

    def __getitem__(self, index: Any) -> Any:
        return indexing.getitem(self, index)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a tensor of no dimensions")
        return len(self._data)

    def __contains__(self, x: Any) -> bool:
        return bool((self == x).any())

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> Any:
        return self._data.item().__float__()

    def __int__(self) -> int:
        return int(self._data.item())

    def __index__(self) -> int:
        return operator.index(self._data.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"the truth of a tensor of shape {self.shape} is ambiguous: use .any() or .all()"
            )
        return bool(self._data.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __lt__(self, other: Any) -> Any:
        return self.constant(self._data < plain_operand(other))

    def __le__(self, other: Any) -> Any:
        return self.constant(self._data <= plain_operand(other))

    def __gt__(self, other: Any) -> Any:
        return self.constant(self._data > plain_operand(other))

    def __ge__(self, other: Any) -> Any:
        return self.constant(self._data >= plain_operand(other))

    def __eq__(self, other: object) -> Any:
        return self.constant(self._data == plain_operand(other))

    def __ne__(self, other: object) -> Any:
        return self.constant(self._data != plain_operand(other))

    def __and__(self, other: Any) -> Any:
        return self.constant(self._data & plain_operand(other))

    def __or__(self, other: Any) -> Any:
        return self.constant(self._data | plain_operand(other))

    def __xor__(self, other: Any) -> Any:
        return self.constant(self._data ^ plain_operand(other))

    def __invert__(self) -> Any:
        return self.constant(~self._data)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__
    __hash__ = object.__hash__

    def __format__(self, format_spec: str) -> str:  # f"{loss:.3f}", as in PyTorch
        return format(self.item() if self.ndim == 0 else repr(self), format_spec)

    def __repr__(self) -> str:
        array = np.array2string(self._data, separator=", ", prefix="tensor(", threshold=50)
        parts = [array]
        if self.dtype not in (get_default_dtype(), np.dtype(np.int64), np.dtype(bool)):
            parts.append(f"dtype={self.dtype}")
        if self.rule is not None:
            parts.append(f"op={self.op}")
        elif self.requires_grad:
            parts.append("requires_grad=True")
        if self.label:
            parts.append(f"label={self.label!r}")
        return f"tensor({', '.join(parts)})"


def plain_operand(x: Any, rule: Rule | None = None) -> Any:
    """An operand without its node: an array, or a Python number, which never promotes."""
    if type(x) is float or type(x) is int or type(x) is bool:
        return x
    if isinstance(x, ArrayLike):
        return x._data
    if isinstance(x, (np.generic, np.ndarray)) and x.dtype.kind in "biuf":
        return x if isinstance(x, np.ndarray) else x.item()
    what = f"{rule.name} of a Tensor and" if rule else "comparison of a Tensor with"
    if isinstance(x, Node):
        hint = "write value.data, or do all of it in one kind of node"
    elif isinstance(x, (list, tuple)):
        hint = "write engine.tensor([...])"
    else:
        hint = "operands are tensors, arrays and numbers"
    raise TypeError(f"{what} a {type(x).__name__}: {hint}")


def numbers(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of our own; what is no array of numbers raises TypeError."""
    if isinstance(data, ArrayLike):
        data = data._data
    elif isinstance(data, Node):
        raise TypeError("a Tensor of a Value: write engine.tensor(value.data)")
    elif isinstance(data, (list, tuple)):
        data = _nested(data)
    array = np.array(data, dtype=dtype)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"a Tensor holds real numbers or booleans, not {array.dtype}")
    if (
        dtype is None
        and array.dtype == np.float64
        and not isinstance(data, (np.ndarray, np.generic))
    ):
        array = array.astype(get_default_dtype())
    return array


def _nested(data: Any) -> Any:
    """Lists with the tensors in them as arrays."""
    if isinstance(data, (list, tuple)):
        return [_nested(x) for x in data]
    if isinstance(data, Node) and not isinstance(data, ArrayLike):
        raise TypeError("a Tensor of Values: write [v.data for v in values]")
    return data._data if isinstance(data, ArrayLike) else data
