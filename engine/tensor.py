"""`Tensor`: one NumPy array in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from engine import backprop, choosing, contraction, inplace, ops, shape, structure
from engine.arraylike import ArrayLike, plain_operand
from engine.dimensions import unpacked
from engine.dtypes import get_default_dtype
from engine.forward import forward, prepared
from engine.node import Node, plain, recording, watching
from engine.readings import ARRAYS, Array
from engine.rule import Elementwise, Rule

_new = object.__new__


def _operator(rule: Rule, reflected: bool = False) -> Callable[[Tensor, Any], Tensor]:
    if reflected:
        return lambda self, other: Tensor.apply(rule, (other, self), {})
    return lambda self, other: Tensor.apply(rule, (self, other), {})


class Tensor(ArrayLike):
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
    # `active` those among them that a gradient goes to, each with its place.
    __slots__ = (
        "__weakref__",
        "_data",
        "_requires_grad",
        "active",
        "arguments",
        "grad",
        "inputs",
        "label",
        "operands",
        "output",
        "rule",
    )

    _data: Array
    grad: Array | None
    _requires_grad: bool
    arguments: dict[str, Any]
    operands: tuple[Any, ...]
    inputs: Sequence[Any]
    output: Array
    active: Sequence[tuple[int, Tensor]]

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

    data = property(attrgetter("_data"), _set_data, doc="The array itself, not a copy.")

    @classmethod
    def apply(cls, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Tensor:
        inputs: list[Any] = []
        edges: list[tuple[int, Tensor]] = []
        dtype: Any = None
        usual = True  # Tensors of one dtype, or of those that the rule mixes
        for x in operands:
            if isinstance(x, Tensor):
                if x._requires_grad:
                    edges.append((len(inputs), x))
                array = x._data
                inputs.append(array)
                if dtype is None:
                    dtype = array.dtype
                elif array.dtype is not dtype and not rule.mixed:
                    usual = False
            else:
                inputs.append(plain_operand(x, rule))
                usual = False
        if not usual or dtype.kind != "f":
            inputs, dtype = prepared(rule, inputs)
            usual = False
        y = forward(rule, dtype, inputs, parameters)
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
        node.active = edges
        node.arguments = parameters
        node._requires_grad = True
        node.label = ""
        if recorded is not True:
            recorded.made(node, rule, operands, inputs)
        return node

    def run_again(self) -> None:
        assert self.rule is not None
        index, _ = self.active[0]
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
            inputs, dtype = prepared(self.rule, inputs)
        self.inputs = inputs
        self._data = self.output = forward(self.rule, dtype, inputs, self.arguments)

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
            vjps = node.rule.vjps  # type: ignore[union-attr]
            m = ARRAYS[output.dtype]
            for index, operand in node.active:
                x = inputs[index]
                if operand._data is not x:
                    node._check_in_place(index)
                gradient = vjps[index](m, upstream, output, *inputs, **arguments)
                if gradient.__class__ is not np.ndarray or gradient.dtype is not x.dtype:
                    gradient = np.asarray(gradient, x.dtype)
                if operand.grad is not None:
                    gradient = np.asarray(operand.grad + gradient)  # a sum may be no array
                elif operand.rule is None and (gradient.base is not None or gradient is upstream):
                    gradient = _own(gradient, upstream)  # a leaf's gradient is nobody else's
                operand.grad = gradient

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
        active = dict(self.active)
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
        return [x for i, x in self.active if x._data is not self.inputs[i]]

    def seed(self, gradient: Any) -> Array:
        if gradient is None:
            if self._data.size != 1:
                raise RuntimeError(
                    f"the gradient of a tensor of shape {self.shape} is not defined by itself: "
                    "reduce it to one number (.sum(), .mean()), or give the upstream gradient"
                )
            return np.array(1, self._data.dtype, ndmin=self._data.ndim)
        array = np.array(plain(gradient), dtype=self.dtype)
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
        for x, g in zip(wanted, backprop.grad(self, wanted, [gradient]), strict=True):
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
        self._requires_grad = bool(requires_grad)
        return self

    requires_grad = property(
        attrgetter("_requires_grad"),
        requires_grad_,  # type: ignore[arg-type]
        doc="Whether a gradient goes to this tensor.",
    )

    # --- arithmetic; the named operations are added from the tables below ---------------------

    __add__, __radd__ = _operator(ops.add), _operator(ops.add, reflected=True)
    __sub__, __rsub__ = _operator(ops.sub), _operator(ops.sub, reflected=True)
    __mul__, __rmul__ = _operator(ops.mul), _operator(ops.mul, reflected=True)
    __truediv__, __rtruediv__ = _operator(ops.div), _operator(ops.div, reflected=True)
    __mod__, __rmod__ = _operator(ops.remainder), _operator(ops.remainder, reflected=True)
    __matmul__ = _operator(contraction.matmul)
    __rmatmul__ = _operator(contraction.matmul, reflected=True)

    def __pos__(self) -> Tensor:
        return self

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
    tensor.operands = tensor.inputs = tensor.active = ()
    tensor.arguments = {}
    tensor._requires_grad = False
    tensor.label = label


def _leaf(array: Any, label: str = "") -> Tensor:
    """A constant that holds `array`, not a copy of it."""
    tensor: Tensor = _new(Tensor)
    _set_leaf(tensor, np.asarray(array), label)
    return tensor


def _restored(cls: type[Tensor], array: Array, requires_grad: bool, label: str) -> Tensor:
    tensor: Tensor = _new(cls)
    _set_leaf(tensor, array, label)
    tensor._requires_grad = requires_grad
    return tensor


# --- operands ---------------------------------------------------------------------------------


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


def _own(gradient: Array, upstream: Any) -> Array:
    """The array, or a copy where it is not free to be written to: where it is one of the
    upstream's, or one number that stands for many."""
    owner = gradient if gradient.base is None else gradient.base
    if owner is upstream or owner is upstream.base or not gradient.flags.writeable:
        return gradient.copy("K")
    return gradient


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
