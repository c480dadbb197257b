"""`Module` and `Parameter`: networks as trees of named parts, as in PyTorch.

A module's parameters, buffers and submodules are simply its attributes of those classes, in the
order in which they were assigned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from textwrap import indent
from typing import Any, Self, TypeVar

import numpy as np

from engine import Tensor
from engine.node import Node
from engine.readings import Array

T = TypeVar("T")


class Parameter(Tensor):
    """A tensor that training changes: it collects a gradient, and a module finds it by its class.

    >>> Parameter([1.0, 2.0], label="w")
    tensor([1., 2.], requires_grad=True, label='w')
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, label: str = "") -> None:
        super().__init__(data, requires_grad, label=label)


class Buffer(Tensor):
    """State of a module that is saved with it but not trained, as BatchNorm's running mean."""

    __slots__ = ("persistent",)

    def __init__(self, data: Any, *, persistent: bool = True, label: str = "") -> None:
        super().__init__(data, dtype=np.asarray(getattr(data, "data", data)).dtype, label=label)
        self.persistent = persistent

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored_buffer, (self.data.copy(), self.persistent, self.label)


def _restored_buffer(data: Array, persistent: bool, label: str) -> Buffer:
    return Buffer(data, persistent=persistent, label=label)


class Module:
    """The base class of layers, losses and networks. Subclasses define `forward`.

    >>> import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer1 = nn.Linear(2, 3)
    ...         self.layer2 = nn.Linear(3, 1)
    ...     def forward(self, x):
    ...         return self.layer2(self.layer1(x).tanh())
    >>> net = Net()
    >>> [name for name, _ in net.named_parameters()]
    ['layer1.weight', 'layer1.bias', 'layer2.weight', 'layer2.bias']
    >>> net.layer1.weight.label
    'layer1.weight'
    """

    training = True
    _path = ""  # where this module stands in the outermost one: the prefix of its labels

    def __init__(self) -> None:
        pass  # so that `super().__init__()`, which PyTorch needs, may also stand here

    def _no_forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(): define it")

    # What the module computes. An attribute for type checkers, as each class has its own inputs.
    forward: Callable[..., Any] = _no_forward

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.forward(*inputs, **named)

    # --- parts --------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name)
        if isinstance(value, Node) and not isinstance(value, (Parameter, Buffer)):
            if isinstance(before, Parameter):
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter: assign an nn.Parameter, or new "
                    f"numbers with {name}.data = ..., not the result of an operation"
                )
            if isinstance(before, Buffer):
                value = Buffer(value, persistent=before.persistent, label=before.label)
        object.__setattr__(self, name, value)
        if isinstance(value, (Parameter, Buffer)):
            value.label = value.label or _join(self._path, name)
        elif isinstance(value, Module) and not value._path:
            value._stand_at(_join(self._path, name))

    def _stand_at(self, path: str) -> None:
        """Take `path` as the place in the outermost module. Parts that carry another label, or
        stand in another place, because they are shared, keep it."""
        before, self._path = self._path, path
        for name, part in vars(self).items():
            old, new = _join(before, name), _join(path, name)
            if isinstance(part, Module) and part._path == old:
                part._stand_at(new)
            elif isinstance(part, (Parameter, Buffer)) and part.label == old:
                part.label = new

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as `self.name = param`; None says that there could be one, as for a bias."""
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Keep `tensor` as a buffer; it is part of the state_dict if `persistent`."""
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent=persistent))

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `self.name = module`."""
        setattr(self, name, module)

    add_module = register_module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, with their names."""
        return ((name, part) for name, part in vars(self).items() if isinstance(part, Module))

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all within it, with dotted names; each module once."""
        return _once(self._walk(prefix))

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, module in self.named_children():
            yield from module._walk(_join(prefix, name))

    def modules(self) -> Iterator[Module]:
        """This module and all within it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: type[T], prefix: str, recurse: bool) -> Iterator[tuple[str, T]]:
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, part in vars(module).items():
                if isinstance(part, kind):
                    yield _join(path, name), part

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names, such as `layer1.weight`; each parameter once."""
        return _once(self._named(Parameter, prefix, recurse))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Buffer]]:
        """The buffers with dotted names; each buffer once."""
        return _once(self._named(Buffer, prefix, recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Buffer]:
        """The buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    # --- doing something with all parts ---------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Switch to training: Dropout drops and BatchNorm uses the statistics of the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: the same as `train(False)`."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with every module within this one, innermost first, and with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch on, or off, whether the parameters collect gradients."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` is None again, not computed."""
        for p in self.parameters():
            p.grad = None

    def to(self, dtype: Any) -> Self:
        """Change the dtype of the parameters and the floating buffers, in place."""
        for tensor in chain[Tensor](self.parameters(), self.buffers()):
            if tensor.dtype.kind == "f":
                tensor.data = tensor.data.astype(dtype)
                tensor.grad = None if tensor.grad is None else tensor.grad.astype(dtype)
        return self

    def float(self) -> Self:
        """The parameters as float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """The parameters as float64."""
        return self.to(np.float64)

    # --- state --------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by name, module by module as PyTorch orders them.
        A parameter that is used twice has two names."""
        state: dict[str, Tensor] = {}
        for path, module in self._walk(""):
            parts = vars(module).items()
            for name, part in parts:
                if isinstance(part, Parameter):
                    state[_join(path, name)] = part
            for name, part in parts:
                if isinstance(part, Buffer) and part.persistent:
                    state[_join(path, name)] = part
        return state

    def state_dict(self) -> dict[str, Array]:
        """A copy of all parameters and persistent buffers: name -> array, by PyTorch's names.

        >>> import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(tensor.data, order="C") for name, tensor in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over the numbers of `state_dict`: arrays, or tensors of ours or of PyTorch's.

        Names and shapes are compared before anything is changed. What does not fit is reported
        in one RuntimeError; with `strict=False` missing and unexpected names are passed over.
        """
        own = self._state()
        arrays = {name: _array(value) for name, value in state_dict.items()}
        misfits = [
            f"size mismatch for {name}: {arrays[name].shape} given, {tensor.shape} expected"
            for name, tensor in own.items()
            if name in arrays and arrays[name].shape != tensor.shape
        ]
        if strict:
            misfits += _listed("missing", [name for name in own if name not in arrays])
            misfits += _listed("unexpected", [name for name in arrays if name not in own])
        if misfits:
            lines = "\n  ".join(misfits)
            raise RuntimeError(f"state_dict does not fit {type(self).__name__}:\n  {lines}")
        for name, tensor in own.items():
            if name in arrays:
                tensor.data = np.empty_like(tensor.data)  # in the memory layout of the layer
                tensor.data[...] = arrays[name]

    # --- text ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What the repr shows between the parentheses: the arguments of the constructor."""
        return ""

    def __repr__(self) -> str:
        name, arguments = type(self).__name__, self.extra_repr()
        children = [f"({key}): {module!r}" for key, module in self.named_children()]
        if not children:
            return f"{name}({arguments})"
        lines = "\n".join([arguments, *children] if arguments else children)
        return f"{name}(\n{indent(lines, '  ')}\n)"

    def summary(self) -> str:
        """A table of the parts with their parameters' shapes and numbers.

        >>> import nn
        >>> print(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)).summary())
        name   module  parameters                  number
        0      Linear  weight (16, 2)  bias (16,)      48
        1      ReLU                                     0
        2      Linear  weight (1, 16)  bias (1,)       17
        total                                          65
        """
        rows = [("name", "module", "parameters", "number")]
        for path, module in self.named_modules():
            own = list(module.named_parameters(recurse=False))
            if own or not any(True for _ in module.children()):
                shapes = "  ".join(f"{name} {p.shape}" for name, p in own)
                number = sum(p.numel() for _, p in own)
                rows.append((path or "-", type(module).__name__, shapes, str(number)))
        total = sum(p.numel() for p in self.parameters())
        rows.append(("total", "", "", str(total)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in rows
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _once(pairs: Iterator[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each thing with its first name only."""
    met: set[int] = set()
    for name, thing in pairs:
        if id(thing) not in met:
            met.add(id(thing))
            yield name, thing


def _array(value: Any) -> Array:
    """An array of whatever holds one: ours, PyTorch's (on the CPU), or a list."""
    if hasattr(value, "detach"):
        value = value.detach()
    return np.asarray(value)


def _listed(what: str, names: list[str]) -> list[str]:
    return [f"{what}: {', '.join(names)}"] if names else []
