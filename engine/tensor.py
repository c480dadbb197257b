"""`Tensor`: one NumPy array in the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from engine import backprop, choosing, contraction, indexing, inplace, ops, shape, structure
from engine.dimensions import unpacked
from engine.dtypes import common_dtype, get_default_dtype
from engine.node import Node, recording, watching
from engine.numpy_protocol import array_function, array_ufunc
from engine.readings import ARRAYS, Array
from engine.rule import Elementwise, Rule

_new = object.__new__


def _operator(rule: Rule, reflected: bool = False) -> Callable[[Tensor, Any], Tensor]:
    if reflected:
        return lambda self, other: Tensor.apply(rule, (other, self), {})
    return lambda self, other: Tensor.apply(rule, (self, other), {})


class Tensor(Node):
    """An array that remembers how it was computed.

    `Tensor(data)` is floating (float32 is kept), and a leaf collects a gradient only with
    `requires_grad=True`, as in PyTorch. The data is copied.

    >>> import engine
    >>> w = Tensor([[1.0, 2.0]], requires_grad=True, label="w")
    >>> (w * w).sum().backward()
    >>> w.grad
    array([[2., 4.]])
    """

    # `inputs` and `output` are the arrays of the forward pass: a gradient never depends on what
    # happened to `.data` since. `operands` are the nodes and plain data that `inputs` came from,
    # `edges` those among them that a gradient goes to, each with its place.
    __slots__ = (
        "__weakref__",
        "_data",
        "arguments",
        "edges",
        "grad",
        "inputs",
        "label",
        "operands",
        "output",
        "requires_grad",
        "rule",
    )

    _data: Array
    grad: Array | None
    requires_grad: bool
    arguments: dict[str, Any]
    operands: tuple[Any, ...]
    inputs: Sequence[Any]
    output: Array
    edges: Sequence[tuple[int, Tensor]]

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, *, label: str = ""
    ) -> None:
        array = numbers(data, dtype)
        if dtype is None and array.dtype.kind != "f":
            array = array.astype(get_default_dtype())
        _set_leaf(self, array, label)
        self.requires_grad_(requires_grad)

    def _set_data(self, value: Any) -> None:
        if value.__class__ is not np.ndarray:
            value = value._data if isinstance(value, Tensor) else np.asarray(value)
        if value.dtype is not self._data.dtype and value.dtype.kind != "f":
            if value.dtype.kind not in "biu":
                raise TypeError(f"data of a Tensor: real numbers or booleans, not {value.dtype}")
            if self.requires_grad:  # a slope is no whole number
                value = value.astype(self._data.dtype)
        # `p.data += 1` writes into the array and assigns it to itself. A new view of the same
        # memory is how graphs that hold the old one notice.
        self._data = value.view() if value is self._data else value

    # These are asked so often that it counts that attrgetter is no function of Python's.
    data = property(attrgetter("_data"), _set_data, doc="The array itself, not a copy.")
    shape = property(attrgetter("_data.shape"), doc="The length of each dimension.")
    ndim = property(attrgetter("_data.ndim"), doc="The number of dimensions.")
    dtype = property(attrgetter("_data.dtype"), doc="The kind of number.")

    @classmethod
    def apply(cls, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Tensor:
        inputs: list[Any] = []
        edges: list[tuple[int, Tensor]] = []
        dtype: Any = None
        usual = True  # Tensors of one dtype, or of those that the rule mixes
        for x in operands:
            if isinstance(x, Tensor):
                if x.requires_grad:
                    edges.append((len(inputs), x))
                array = x._data
                inputs.append(array)
                if dtype is None:
                    dtype = array.dtype
                elif array.dtype is not dtype and not rule.mixed:
                    usual = False
            else:
                inputs.append(_plain(x, rule))
                usual = False
        if not usual or dtype.kind != "f":
            inputs, dtype = _prepared(rule, inputs)
            usual = False
        y = _forward(rule, dtype, inputs, parameters)
        recorded = recording.get()
        if not edges or not recorded:
            node = _leaf(y)
            if (watch := watching.get()) is not None:
                watch.made(node, rule, operands, inputs)
            return node
        if not usual:
            operands, edges = _as_steps(operands, inputs, edges)
        node = _new(Tensor)
        node._data = node.output = y
        node.grad = None
        node.rule = rule
        node.operands = operands
        node.inputs = inputs
        node.edges = edges
        node.arguments = parameters
        node.requires_grad = True
        node.label = ""
        if recorded is not True:
            recorded.made(node, rule, operands, inputs)
        return node

    def run_again(self) -> None:
        assert self.rule is not None
        index, _ = self.edges[0]
        dtype = self.inputs[index].dtype  # that of the operation: other active operands are cast
        inputs: list[Any] = []
        usual = True
        for x in self.operands:
            if isinstance(x, Tensor):
                x = x._data
                if x.dtype is not dtype and not self.rule.mixed:
                    usual = False
            else:
                usual = False
            inputs.append(x)
        if not usual:
            inputs, dtype = _prepared(self.rule, inputs)
        self.inputs = inputs
        self._data = self.output = _forward(self.rule, dtype, inputs, self.arguments)

    # --- the graph ----------------------------------------------------------------------------

    @property
    def parents(self) -> tuple[Node, ...]:
        if not all(isinstance(x, Tensor) for x in self.operands):
            # plain numbers and arrays become nodes when somebody looks
            self.operands = tuple(x if isinstance(x, Node) else _leaf(x) for x in self.operands)
        return self.operands

    @property
    def parameters(self) -> dict[str, Any]:
        return self.arguments

    def sources(self) -> list[Node]:
        return [operand for _, operand in self.edges]

    def active(self) -> Sequence[tuple[int, Node]]:
        return self.edges

    def reached(self) -> list[Node]:
        nodes = backprop.order(self)
        for node in nodes:
            node.grad = None
        return nodes

    @staticmethod
    def send_back(nodes: Iterable[Tensor]) -> None:
        for node in nodes:
            upstream = node.grad
            inputs, output, arguments = node.inputs, node.output, node.arguments
            pull = node.rule.pull  # type: ignore[union-attr]
            m = ARRAYS[output.dtype]
            for index, operand in node.edges:
                x = inputs[index]
                if operand._data is not x:
                    node._check_in_place(index)
                contribution = pull(index, m, upstream, inputs, output, arguments)
                if contribution.__class__ is not np.ndarray or contribution.dtype is not x.dtype:
                    contribution = np.asarray(contribution, x.dtype)
                if operand.grad is not None:
                    contribution = np.asarray(operand.grad + contribution)  # a sum may be no array
                elif operand.rule is None and _is_shared(contribution, upstream):
                    contribution = contribution.copy("K")  # a leaf's gradient is nobody else's
                operand.grad = contribution

    def pull(self, index: int, upstream: Any) -> Array:
        if self.operands[index]._data is not self.inputs[index]:
            self._check_in_place(index)
        assert self.rule is not None
        m = ARRAYS[self.output.dtype]
        contribution = self.rule.pull(index, m, upstream, self.inputs, self.output, self.arguments)
        return np.asarray(contribution, self.inputs[index].dtype)

    def _check_in_place(self, index: int) -> None:
        operand = self.operands[index]
        if np.may_share_memory(operand._data, self.inputs[index]):
            raise RuntimeError(
                f"{operand.label or 'an operand'} of {self.op} was changed in place after the "
                "forward pass, whose numbers are lost: assign a new array (p.data = p.data + ...), "
                "or call backward() first"
            )

    def differentiable(self) -> tuple[Any, ...]:
        active = dict(self.edges)
        return tuple(active.get(i, array) for i, array in enumerate(self.inputs))

    def local(self, index: int) -> Any:
        if not isinstance(self.rule, Elementwise):
            return None
        m = ARRAYS[self.output.dtype]
        with np.errstate(all="ignore"):  # backward is silent, and who looks at it
            local = self.rule.local(index, m, self.inputs, self.output, self.arguments)
        return np.broadcast_to(np.asarray(local, self.output.dtype), self.output.shape)

    def formula(self, index: int) -> tuple[str, str] | None:
        if not isinstance(self.rule, Elementwise):
            return None
        return self.rule.formula(index, self.arguments).symbolic(self.rule.symbol), ""

    def changed(self) -> list[Node]:
        return [x for i, x in self.edges if x._data is not self.inputs[i]]

    def seed(self, gradient: Any) -> Array:
        if gradient is None:
            if self._data.size != 1:
                raise RuntimeError(
                    f"the gradient of a tensor of shape {self.shape} is not defined by itself: "
                    "reduce it to one number (.sum(), .mean()), or give the upstream gradient"
                )
            return np.array(1, self._data.dtype, ndmin=self._data.ndim)
        array = np.array(getattr(gradient, "data", gradient), dtype=self.dtype)
        if array.shape != self.shape:
            raise RuntimeError(
                f"the upstream gradient has shape {array.shape}, the tensor {self.shape}: "
                "they must be the same"
            )
        return array

    def constant(self, data: Any) -> Tensor:
        return _leaf(data)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Set `.grad` of every tensor that this one depends on and that requires a gradient.

        `gradient` is the upstream gradient, of this tensor's shape; 1 for a single number.
        Leaves add up over calls; tensors in between hold the gradient of the last call. With
        `inputs`, only those get theirs. Graphs are always kept, so `retain_graph` changes
        nothing; for gradients that can be differentiated again use `engine.grad`.
        """
        if create_graph:
            raise ValueError(
                "backward(create_graph=True): .grad is plain data here; use "
                "engine.grad(outputs, inputs, create_graph=True)"
            )
        if inputs is None:
            backprop.backward(self, self.seed(gradient))
            return
        wanted = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
        for x, g in zip(wanted, backprop.grad(self, wanted, gradient), strict=True):
            x.grad = g if x.grad is None else np.asarray(x.grad + g)

    def detach(self) -> Tensor:
        """The same array as a constant, cut from the graph. The memory is shared."""
        return _leaf(self._data, self.label)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Switch on, or off, whether this leaf collects a gradient."""
        if not isinstance(requires_grad, (bool, np.bool)):
            raise TypeError(
                f"requires_grad is True or False, not {requires_grad!r}: a dtype is given as "
                "dtype=, a shape to engine.zeros or engine.ones"
            )
        if requires_grad and self._data.dtype.kind != "f":
            raise RuntimeError(
                f"only floating tensors can require a gradient, not {self._data.dtype}: "
                "write 1.0 for 1, or .float()"
            )
        if self.rule is not None and not requires_grad:
            raise RuntimeError("requires_grad_(False) is for leaves; use detach()")
        self.requires_grad = requires_grad
        return self

    # --- arithmetic; the named operations are added from the tables below ---------------------

    __add__, __radd__ = _operator(ops.add), _operator(ops.add, reflected=True)
    __sub__, __rsub__ = _operator(ops.sub), _operator(ops.sub, reflected=True)
    __mul__, __rmul__ = _operator(ops.mul), _operator(ops.mul, reflected=True)
    __truediv__, __rtruediv__ = _operator(ops.div), _operator(ops.div, reflected=True)
    __matmul__ = _operator(contraction.matmul)
    __rmatmul__ = _operator(contraction.matmul, reflected=True)

    def __neg__(self) -> Tensor:
        return Tensor.apply(ops.neg, (self,), {})

    def __abs__(self) -> Tensor:
        return Tensor.apply(ops.abs, (self,), {})

    def __pow__(self, exponent: Any) -> Tensor:
        return choosing.pow(self, exponent)

    def __rpow__(self, base: Any) -> Tensor:
        return choosing.pow(base, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return choosing.div(self, other, rounding_mode="floor")

    def __rfloordiv__(self, other: Any) -> Tensor:
        return choosing.div(other, self, rounding_mode="floor")

    # --- an array among arrays ----------------------------------------------------------------

    __array_ufunc__, __array_function__ = array_ufunc, array_function

    @property
    def T(self) -> Tensor:
        """The transpose; for more than two dimensions, all of them reversed."""
        return shape.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self) -> Tensor:
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

    def split(self, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Consecutive parts along `dim`: of one length, or of those given."""
        return shape.split(self, split_size, dim)

    def where(self, condition: Any, other: Any) -> Tensor:
        """These elements where `condition` holds, else those of `other`."""
        return choosing.where(condition, self, other)

    def expand_as(self, other: Tensor) -> Tensor:
        """Expanded to the shape of `other`."""
        return shape.expand(self, other.shape)

    def view_as(self, other: Tensor) -> Tensor:
        """These elements in the shape of `other`."""
        return shape.view(self, other.shape)

    def clone(self) -> Tensor:
        """A copy that passes its gradient on."""
        return shape.cast(self, self.dtype)

    def to(self, dtype: Any) -> Tensor:
        """The numbers in another dtype."""
        return shape.cast(self, dtype)

    def __getitem__(self, index: Any) -> Tensor:
        return indexing.getitem(self, index)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a tensor of no dimensions")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
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

    def __lt__(self, other: Any) -> Tensor:
        return _leaf(self._data < _plain(other))

    def __le__(self, other: Any) -> Tensor:
        return _leaf(self._data <= _plain(other))

    def __gt__(self, other: Any) -> Tensor:
        return _leaf(self._data > _plain(other))

    def __ge__(self, other: Any) -> Tensor:
        return _leaf(self._data >= _plain(other))

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return _leaf(self._data == _plain(other))

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return _leaf(self._data != _plain(other))

    def __and__(self, other: Any) -> Tensor:
        return _leaf(self._data & _plain(other))

    def __or__(self, other: Any) -> Tensor:
        return _leaf(self._data | _plain(other))

    def __xor__(self, other: Any) -> Tensor:
        return _leaf(self._data ^ _plain(other))

    def __invert__(self) -> Tensor:
        return _leaf(~self._data)

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

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are leaves
        leaf = self.requires_grad
        return _restored, (type(self), self._data.copy("K"), leaf, self.label)


# --- making tensors ---------------------------------------------------------------------------


def numbers(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of our own; what is no array of numbers raises TypeError."""
    if isinstance(data, Tensor):
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
    if isinstance(data, Node) and not isinstance(data, Tensor):
        raise TypeError("a Tensor of Values: write [v.data for v in values]")
    return data._data if isinstance(data, Tensor) else data


def _set_leaf(tensor: Tensor, array: Array, label: str) -> None:
    tensor._data = array
    tensor.grad = None
    tensor.rule = None
    tensor.operands = tensor.inputs = tensor.edges = ()
    tensor.arguments = {}
    tensor.requires_grad = False
    tensor.label = label


def _leaf(array: Any, label: str = "") -> Tensor:
    """A constant that holds `array`, not a copy of it."""
    tensor: Tensor = _new(Tensor)
    _set_leaf(tensor, np.asarray(array), label)
    return tensor


def _restored(cls: type[Tensor], array: Array, requires_grad: bool, label: str) -> Tensor:
    tensor: Tensor = _new(cls)
    _set_leaf(tensor, array, label)
    tensor.requires_grad = requires_grad
    return tensor


# --- operands ---------------------------------------------------------------------------------


def _plain(x: Any, rule: Rule | None = None) -> Any:
    """An operand without its node: an array, or a Python number, which never promotes."""
    if x.__class__ is float or x.__class__ is int or x.__class__ is bool:
        return x
    if isinstance(x, Tensor):
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


def _forward(
    rule: Rule, dtype: np.dtype[Any], inputs: Sequence[Any], parameters: dict[str, Any]
) -> Array:
    """The array that an operation makes of plain inputs."""
    try:
        y = rule.forward(ARRAYS[dtype], *inputs, **parameters)
    except (ValueError, IndexError) as error:
        shapes = ", ".join(str(np.shape(x)) for x in inputs)
        raise type(error)(f"{rule.name} of shapes {shapes}: {error}") from None
    if y.__class__ is not np.ndarray or dtype.kind != "f":
        y = np.asarray(y)
        if dtype.kind != "f" and isinstance(rule, Elementwise):
            y = y.astype(dtype)  # a 0.0 in the rule makes no floats of integers
        elif y.dtype == np.uint64:
            y = y.astype(np.int64)  # what PyTorch sums uint8 in
    return y


def _prepared(rule: Rule, inputs: list[Any]) -> tuple[list[Any], np.dtype[Any]]:
    """Plain inputs in the dtype that the rule takes them in."""
    dtype, *others = dict.fromkeys(x.dtype for x in inputs if x.__class__ is np.ndarray)
    if dtype.kind != "f" or (others and not rule.mixed):
        dtype = _promote(inputs, rule)
    if rule.unbounded:  # 1 / 0 is inf for NumPy's numbers, and an error for Python's
        inputs = [x if x.__class__ is np.ndarray else dtype.type(x) for x in inputs]
    return inputs, dtype


def _as_steps(
    operands: tuple[Any, ...], inputs: list[Any], edges: list[tuple[int, Tensor]]
) -> tuple[tuple[Any, ...], list[tuple[int, Tensor]]]:
    """Operands that take part in another dtype become a step of their own: a cast."""
    steps = list(operands)
    for i, x in edges:
        if inputs[i] is not x._data:
            steps[i] = shape.cast(x, inputs[i].dtype)
            inputs[i] = steps[i]._data
    return tuple(steps), [(i, steps[i]) for i, _ in edges]


def _promote(inputs: list[Any], rule: Rule) -> np.dtype[Any]:
    """Cast the arrays among `inputs` to the dtype that the rule takes them in."""
    dtype = common_dtype(inputs)
    if dtype.kind != "f" and not rule.keeps_integers:
        dtype = get_default_dtype()
    for i, x in enumerate(inputs):
        if x.__class__ is np.ndarray and x.dtype is not dtype:
            inputs[i] = x.astype(dtype)
    return dtype


def _is_shared(contribution: Array, upstream: Any) -> bool:
    """Whether the array is not free to be written to: one of the upstream's, or one number that
    stands for many."""
    owner = contribution.base
    if owner is None:
        return contribution is upstream
    return owner is upstream or owner is upstream.base or not contribution.flags.writeable


# --- methods, from the tables -----------------------------------------------------------------


# Those that are given as numbers or as one tuple: x.permute(1, 0) and x.permute((1, 0)).
_UNPACKED = ("reshape", "view", "permute", "expand", "repeat", "tile", "flip")
_NO_METHODS = (
    "cat", "stack", "linear", "einsum", "place", "cast", "getitem", "sum_to", "one_hot", "where",
    "split",
)  # fmt: skip


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *arguments: Any, **parameters: Any) -> Any:
        return function(self, *arguments, **parameters)

    def unpacking(self: Tensor, *arguments: Any, **parameters: Any) -> Any:
        packed = (unpacked(arguments),) if arguments else ()
        return function(self, *packed, **parameters)

    chosen = unpacking if name in _UNPACKED else method
    chosen.__name__, chosen.__doc__ = name, function.__doc__
    return chosen


def _casting(name: str, dtype: Any) -> Callable[..., Any]:
    def method(self: Tensor) -> Tensor:
        return shape.cast(self, dtype)

    method.__name__, method.__doc__ = name, f"The numbers as {np.dtype(dtype)}."
    return method


_CASTS = {"float": "f4", "double": "f8", "int": "i4", "long": "i8", "bool": "?"}
for _name, _dtype in _CASTS.items():
    setattr(Tensor, _name, _casting(_name, _dtype))
for _name, _function in {**choosing.FUNCTIONS, **structure.FUNCTIONS, **inplace.FUNCTIONS}.items():
    if _name not in _NO_METHODS:
        setattr(Tensor, _name, _method(_name, _function))
