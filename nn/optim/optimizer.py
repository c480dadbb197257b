"""What all optimizers share: parameter groups, state, and one step over all parameters."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from engine.node import Node, plain
from engine.readings import Array

# What an update computes with: arrays for Tensors, floats for Values.
Number = TypeVar("Number", float, Array)
Group = dict[str, Any]


class Optimizer:
    """The base class. A subclass says in `update` how one parameter changes.

    `params` are Tensors or Values, or dicts `{"params": [...], "lr": ...}` with settings of their
    own for each group; `defaults` are the settings of those that do not say.
    """

    def __init__(self, params: Any, defaults: Mapping[str, Any]) -> None:
        if not isinstance(params, Iterable) or isinstance(params, Node):
            raise TypeError(
                f"{type(self).__name__} takes an iterable of parameters, not a "
                f"{type(params).__name__}: give it model.parameters()"
            )
        self.defaults = dict(defaults)
        self.state: dict[Node, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        given = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__} got no parameters to optimize")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Optimize these parameters too, with the settings that stand beside `params`."""
        params = param_group["params"]
        params = [params] if isinstance(params, Node) else list(params)
        known = {p for group in self.param_groups for p in group["params"]}
        for place, p in enumerate(params):
            if not isinstance(p, Node):
                raise TypeError(f"parameter {place} is a {type(p).__name__}, not a Tensor or Value")
            if not p.is_leaf:
                raise ValueError(
                    f"parameter {p.label or place} is the result of {p.op}: only leaves are "
                    "optimized, as nothing would remember the change"
                )
            if p in known:
                raise ValueError(f"parameter {p.label or place} is given twice")
            known.add(p)
        settings = {**self.defaults, **param_group, "params": params}
        group = {name: _as_python(value) for name, value in settings.items()}
        for name in group.keys() - self.defaults.keys() - {"params"}:
            raise TypeError(f"{type(self).__name__} has no setting {name!r}")
        self.check(group)
        self.param_groups.append(group)

    def check(self, group: Group) -> None:
        """Raise ValueError where the settings of a group make no sense."""
        for name, value in group.items():
            if name != "params" and not isinstance(value, (bool, tuple)) and value < 0:
                raise ValueError(f"{type(self).__name__}: {name} is {value}, expected at least 0")

    def update(self, data: Number, grad: Number, state: dict[str, Any], group: Group) -> Number:
        """The new numbers of one parameter. Nothing given is changed but `state`."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient. `closure`, if given, computes the loss and
        its gradients first, and its loss is returned."""
        loss = None if closure is None else closure()
        update, state, ndarray = self.update, self.state, np.ndarray
        for group in self.param_groups:
            maximize = group["maximize"]
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                data = p._data
                if type(data) is ndarray and (
                    type(grad) is not ndarray
                    or grad.strides != data.strides
                    or grad.shape != data.shape
                    or grad.dtype is not data.dtype
                ):
                    grad = _in_order(grad, p)
                after = update(data, -grad if maximize else grad, state[p], group)
                if type(after) is ndarray and after is not data:
                    p._data = after  # as p.data = after, which would ask the same
                else:  # a number, or what a user's update returns
                    p.data = after
        return loss

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` is None again, not computed."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Settings and state, with parameters as numbers; by PyTorch's names."""
        number = {p: i for i, p in enumerate(self._parameters())}
        return {
            "state": {number[p]: dict(state) for p, state in self.state.items()},
            "param_groups": [
                {**group, "params": [number[p] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned, here or in PyTorch, for the same parameters in the
        same order."""
        groups = state_dict["param_groups"]
        sizes = [[len(g["params"]) for g in gs] for gs in (groups, self.param_groups)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"the state is of groups of {sizes[0]} parameters, the optimizer has {sizes[1]}"
            )
        parameters = self._parameters()
        self.state.clear()
        for number, state in state_dict["state"].items():
            p = parameters[number]
            self.state[p].update({name: _own(name, value, p) for name, value in state.items()})
        for own, given in zip(self.param_groups, groups, strict=True):
            own.update(copy.deepcopy({k: v for k, v in given.items() if k != "params"}))

    def _parameters(self) -> list[Node]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _as_python(setting: Any) -> Any:
    """A number of NumPy's as one of Python's, which makes no float64 of float32."""
    if isinstance(setting, (list, tuple)):
        return type(setting)(map(_as_python, setting))
    return setting.item() if isinstance(setting, np.generic) else setting


def _own(name: str, value: Any, parameter: Node) -> Any:
    """A copy of one number or array of a state, as a step of this parameter computes with it."""
    if name == "step":
        return int(value)
    if not isinstance(parameter.data, np.ndarray):
        return float(value)
    return _laid_out("state", value.detach() if hasattr(value, "detach") else value, parameter)


def _in_order(grad: Any, parameter: Node) -> Array:
    """The gradient, its elements in one order with the parameter's in memory: as it is where
    strides differ only because a dimension has length 1."""
    data = parameter.data
    if isinstance(grad, np.ndarray) and grad.shape == data.shape and grad.dtype == data.dtype:
        a, b = grad.flags, data.flags
        if (a.c_contiguous and b.c_contiguous) or (a.f_contiguous and b.f_contiguous):
            return grad
    return _laid_out("gradient", grad, parameter)


def _laid_out(what: str, array: Any, parameter: Node) -> Array:
    """A copy in the dtype and the memory layout of the parameter's numbers.

    Sums and products of matrices may differ in their last bit with the layout. So a step must not
    change the parameter's to its gradient's: a training that goes on from a file, where the layout
    is not kept, would then end with other numbers.
    """
    data, array = parameter.data, np.asarray(plain(array))
    if array.shape != data.shape:
        raise ValueError(
            f"the {what} has shape {array.shape}, parameter {parameter.label} {data.shape}"
        )
    own = np.empty_like(data)
    own[...] = array
    return own
