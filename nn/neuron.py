"""Networks of single `Value`s: every weight a number, every neuron a formula, as in micrograd.

A script written for micrograd runs when its import lines are changed: the constructors, the draws
from Python's `random` and the order of the parameters are micrograd's. Two differences: `p.grad`
is None before the first backward, and after `zero_grad()`; and an input of the wrong length is an
error, where micrograd drops what is left over.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from engine import Value


class Module:
    """What neurons, layers and networks of `Value`s share."""

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: `.grad` is None again, not computed."""
        for p in self.parameters():
            p.grad = None

    def parameters(self) -> list[Value]:
        """The weights and biases, in the order in which they were made."""
        return []


class Neuron(Module):
    """relu(w·x + b), or w·x + b with `nonlin=False`; `nin` inputs.

    >>> neuron = Neuron(2)
    >>> neuron
    ReLUNeuron(2)
    >>> [p.label for p in neuron.parameters()]
    ['w0', 'w1', 'b']
    """

    def __init__(self, nin: int, nonlin: bool = True, *, label: str = "") -> None:
        prefix = f"{label}." if label else ""
        self.w = [Value(random.uniform(-1, 1), f"{prefix}w{i}") for i in range(nin)]
        self.b = Value(0, f"{prefix}b")
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Value:
        if len(x) != len(self.w):
            raise ValueError(f"{self!r} takes {len(self.w)} inputs, {len(x)} given")
        act = self.b
        for wi, xi in zip(self.w, x, strict=True):
            act = act + wi * xi
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that see the same `nin` inputs; gives the list of their outputs.

    >>> Layer(3, 2, nonlin=False)
    Layer of [LinearNeuron(3), LinearNeuron(3)]
    """

    def __init__(self, nin: int, nout: int, nonlin: bool = True, *, label: str = "") -> None:
        prefix = f"{label}." if label else ""
        self.neurons = [Neuron(nin, nonlin, label=f"{prefix}neuron{i}") for i in range(nout)]

    def __call__(self, x: Sequence[Any]) -> list[Value]:
        return [neuron(x) for neuron in self.neurons]

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers one after the other, ReLU in all but the last; a single output is not in a list.

    >>> from engine import Value
    >>> model = MLP(2, [4, 1])
    >>> isinstance(model([1.0, -2.0]), Value)
    True
    >>> len(model.parameters()), model.parameters()[0].label
    (17, 'layer0.neuron0.w0')
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last, label=f"layer{i}")
            for i in range(len(nouts))
        ]

    def __call__(self, x: Sequence[Any]) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x[0] if len(x) == 1 else x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
