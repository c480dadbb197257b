"""`Tensor`: one NumPy array in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import backprop, choosing, contraction, inplace, ops, shape, straight, structure
from engine.arraylike import ArrayLike, numbers, plain_operand
from engine.dimensions import unpacked
from engine.dtypes import get_default_dtype
from engine.forward import explained, forward, prepared
from engine.node import Node, plain, recording, watching
from engine.readings import ARRAYS, FLOATING, Array, Arrays
from engine.remembered import Remembered
from engine.rule import Elementwise, Rule
from engine.source import Method, function

if TYPE_CHECKING:
    from engine.anomaly import Watch

_new = object.__new__
_serial = count(0, -1).__next__  # newer nodes have lower numbers: a heap gives the newest first
_NOTHING: dict[str, Any] = {}

# --- operations, written out --------------------------------------------------------------------


def _operation(rule: Rule) -> Callable[..., Any]:
    """The rule as a function of Tensors; a last argument is its parameters, if it has any.

    Operands and parameters are taken as they come. Who calls a rule by its name, `relu(x)`, has
    them sorted and checked first.
    """
    names = {
        "FLOATING": FLOATING,
        "NOTHING": _NOTHING,
        "Tensor": Tensor,
        "asarray": np.asarray,
        "explained": explained,
        "forward": rule.forward,
        "in_general": in_general,
        "is_recording": recording.get,
        "leaf": _leaf,
        "ndarray": np.ndarray,
        "new": _new,
        "rule": rule,
        "sends": _Sends(rule),
        "serial": _serial,
    }
    return function(straight.operation_text(rule), rule.name, names)


OPERATIONS = Remembered(_operation, size=4096)


class _Sends(dict[int, Callable[..., None]]):
    """The functions that send a gradient to some of the operands, written when first used. The
    key has a bit for each place: 5 for the first operand and the third."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __missing__(self, which: int) -> Callable[..., None]:
        places = tuple(i for i in range(which.bit_length()) if which >> i & 1)
        return self.setdefault(which, sending(self.rule, places))


@lru_cache(maxsize=4096)
def sending(rule: Rule, places: tuple[int, ...]) -> Callable[..., None]:
    """The function that adds a node's contributions to the `.grad` of its operands at `places`."""
    names = {"asarray": np.asarray, "ndarray": np.ndarray, "push": heappush}
    names |= {"vjp": rule.vjp} if rule.variadic else {f"vjp{i}": rule.vjp(i) for i in places}
    send = function(straight.sending_text(rule, places), f"{rule.name}, send", names)
    send.places = places  # type: ignore[attr-defined]
    return send


def in_general(rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
    """An operation on whatever its written function does not take: plain numbers, several dtypes,
    whole numbers, any number of operands; also where nothing is recorded, or all is watched."""
    if not any(isinstance(x, Tensor) for x in operands):
        return rule(*operands, **parameters)
    inputs: list[Any] = []
    edges: list[tuple[int, Tensor]] = []
    for x in operands:
        if isinstance(x, Tensor):
            if x._requires_grad:
                edges.append((len(inputs), x))
            inputs.append(x._data)
        else:
            inputs.append(plain_operand(x, rule))
    inputs, dtype = prepared(rule, inputs)
    y = forward(rule, dtype, inputs, parameters)
    recorded = recording.get()
    if not edges or not recorded:
        node = _leaf(y)
        if (watch := watching.get()) is not None:
            watch.made(node, rule, operands, inputs)
        return node
    node = _new(Tensor)
    node._data = y
    node.grad = None
    node.label = ""
    node.rule = rule
    node.operands = _with_casts(operands, inputs, edges)
    node.serial = _serial()  # after the casts: they are older than who uses them
    node.met_in = None
    node.arrays = (ARRAYS[dtype], y, *inputs)
    node.send = sending(rule, tuple(i for i, _ in edges))
    node.arguments = parameters
    node._requires_grad = True
    if recorded is not True:
        recorded.made(node, rule, operands, inputs)
    return node


def _with_casts(
    operands: tuple[Any, ...], inputs: list[Any], edges: list[tuple[int, Tensor]]
) -> tuple[Any, ...]:
    """Operands that take part in another dtype become a step of their own: a cast."""
    steps = list(operands)
    for i, x in edges:
        if inputs[i] is not x._data:
            steps[i] = shape.cast(x, inputs[i].dtype)
            inputs[i] = steps[i]._data
    return tuple(steps)


def _method(rule: Rule) -> Method:
    return Method(lambda: OPERATIONS[rule])


def _reflected(rule: Rule) -> Callable[[Tensor, Any], Tensor]:
    return lambda self, other: OPERATIONS[rule](other, self)


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

    # `arrays` are what the rule is read with, and the result and the inputs of the forward pass: a
    # gradient never depends on what happened to `.data` since. `operands` are the nodes and plain
    # data that the inputs came from. `send` sends the gradient to those that require one
    # (`send.places`). `serial` is lower the newer a node is, and says whose turn it is; `met_in` is
    # the list of those waiting in the last backward pass that gave it a gradient. A leaf has
    # neither, for it never waits.
    __slots__ = (
        "__weakref__",
        "_data",
        "_requires_grad",
        "arguments",
        "arrays",
        "grad",
        "label",
        "met_in",
        "operands",
        "rule",
        "send",
        "serial",
    )

    _data: Array
    grad: Array | None
    _requires_grad: bool
    arguments: dict[str, Any]
    operands: tuple[Any, ...]
    arrays: tuple[Any, ...]
    serial: int
    met_in: list[tuple[int, Tensor]] | None
    send: Any

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, *, label: str = ""
    ) -> None:
        array = numbers(data, dtype)
        if dtype is None and array.dtype.kind != "f":
            array = array.astype(get_default_dtype())
        _set_leaf(self, array, label)
        self.requires_grad_(requires_grad)

    def _set_data(self, value: Any) -> None:
        if type(value) is not np.ndarray:
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
        if rule.variadic:
            return in_general(rule, operands, parameters)
        if rule.keywords:
            return OPERATIONS[rule](*operands, parameters)
        return OPERATIONS[rule](*operands)

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

    @property
    def places(self) -> tuple[int, ...]:
        """Where among the operands those stand that a gradient goes to."""
        return () if self.send is None else self.send.places

    @property
    def output(self) -> Array:
        """The array of the forward pass."""
        return self.arrays[1]

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The plain data that the operation was done with."""
        return self.arrays[2:]

    @property
    def reading(self) -> Arrays:
        """The namespace that the rule is read in: that of the dtype of its operands."""
        return self.arrays[0]

    @property
    def active(self) -> list[tuple[int, Tensor]]:
        operands = self.operands
        return [(i, operands[i]) for i in self.places]

    def send_back(self, gradient: Array, watch: Watch | None) -> None:
        if self.rule is None:
            self._collect(gradient)
            return
        waiting: list[tuple[int, Tensor]] = []
        try:
            if watch is None:
                # Newest first: when it is a node's turn, all who use it have sent to it.
                self.grad = gradient
                node = self
                while True:
                    node.send(node, waiting)
                    if not waiting:
                        return
                    _, node = heappop(waiting)
            nodes: list[Any] = backprop.order(self)
            for each in nodes:  # the gradients of the pass before are not what is watched
                each.grad = None
            self.grad = gradient
            for each in watch.following(nodes, backprop.grad_of):
                each.send(each, waiting)
        finally:
            waiting.clear()  # after an error, or if watched: its nodes hold it, as it holds them

    def _collect(self, gradient: Array) -> None:
        self.grad = gradient if self.grad is None else np.asarray(self.grad + gradient)

    def pull(self, index: int, upstream: Any) -> Array:
        if self.operands[index]._data is not self.inputs[index]:
            self._check_in_place(index)
        assert self.rule is not None
        m = self.reading
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
        with np.errstate(all="ignore"):  # backward is silent, and who looks at it
            local = self.rule.local(index, self.reading, self.inputs, self.output, self.arguments)
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
            return np.array(1.0, self._data.dtype, ndmin=self._data.ndim)
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
        wanted = tuple(dict.fromkeys(wanted))
        for x, g in zip(wanted, backprop.grad(self, wanted, [gradient]), strict=True):
            x._collect(g)

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

    __add__, __radd__ = _method(ops.add), _reflected(ops.add)
    __sub__, __rsub__ = _method(ops.sub), _reflected(ops.sub)
    __mul__, __rmul__ = _method(ops.mul), _reflected(ops.mul)
    __truediv__, __rtruediv__ = _method(ops.div), _reflected(ops.div)
    __mod__, __rmod__ = _method(ops.remainder), _reflected(ops.remainder)
    __matmul__ = _method(contraction.matmul)
    __rmatmul__ = _reflected(contraction.matmul)

    __neg__ = _method(ops.neg)
    __abs__ = _method(ops.abs)

    def __pos__(self) -> Tensor:
        return self

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


def _set_leaf(tensor: Tensor, array: Array, label: str) -> None:
    tensor._data = array
    tensor.grad = None
    tensor.rule = None
    tensor.operands = tensor.arrays = ()
    tensor.send = None
    tensor.arguments = _NOTHING
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


# --- methods, from the tables -----------------------------------------------------------------


# Those that are given as numbers or as one tuple: x.permute(1, 0) and x.permute((1, 0)).
_UNPACKED = ("reshape", "view", "permute", "expand", "repeat", "tile", "flip")
_NO_METHODS = (
    "cat", "stack", "linear", "einsum", "place", "cast", "getitem", "sum_to", "one_hot", "where",
    "split",
)  # fmt: skip


def _with_arguments(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
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
        if isinstance(_function, Rule) and not (_function.keywords or _function.variadic):
            _method(_function).attach(Tensor, _name)
        else:
            setattr(Tensor, _name, _with_arguments(_name, _function))
