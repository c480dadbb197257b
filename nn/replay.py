"""Training by replay: what `fit(tape=True)` does instead of building each batch's graph anew."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import Tensor, no_grad, random, tensor
from engine.node import plain
from engine.tape import Tape
from nn.module import Module


class Replay:
    """`loss(model(x), y)` and its gradients, by one tape for each shape of batch.

    A tape freezes what is not in the graph. Where that can be told, it is an error: a batch that
    reaches the graph only through an operation on constants, random numbers, buffers that the
    forward changes, and, at each tape's first replay, a loss that is not the model's.
    """

    def __init__(self, model: Module, loss: Callable[[Any, Any], Any]) -> None:
        self.model = model
        self.loss = loss
        self.recorded: dict[Any, _Recorded] = {}

    def __call__(self, x: Any, y: Any) -> tuple[Any, float]:
        """The output and the loss; the parameters have their gradients."""
        arrays = np.asarray(plain(x)), np.asarray(plain(y))
        key = tuple((a.shape, a.dtype) for a in arrays)
        if key not in self.recorded:
            self.recorded[key] = _Recorded(self.model, self.loss, *map(tensor, arrays))
            return self.recorded[key].replay(*arrays, check=False)
        recorded = self.recorded[key]
        return recorded.replay(*arrays, check=not recorded.checked)


class _Recorded:
    """A graph of the loss, and the tensors that it reads a batch from."""

    def __init__(
        self, model: Module, loss: Callable[[Any, Any], Any], x: Tensor, y: Tensor
    ) -> None:
        self.forward: Callable[[], Any] = lambda: loss(model(x), y)
        self.x, self.y = x, y
        self.checked = False
        buffers = [(name, b, b.data) for name, b in model.named_buffers()]
        state = random.generator().bit_generator.state
        self.output = model(x)
        self.result = loss(self.output, y)
        self.tape = Tape(self.result)
        if random.generator().bit_generator.state != state:
            raise RuntimeError(_refusal("the model draws random numbers, as Dropout does"))
        for name, buffer, before in buffers:
            if buffer.data is not before:
                raise RuntimeError(_refusal(f"the forward changes {name}, as BatchNorm does"))
        for name, part in (("inputs", x), ("targets", y)):
            if part not in self.tape.leaves:
                raise RuntimeError(
                    _refusal(
                        f"the {name} are changed before they meet a parameter (flatten, / 255, "
                        "one_hot): do that to the data"
                    )
                )

    def replay(self, x: Any, y: Any, check: bool) -> tuple[Any, float]:
        self.x.data, self.y.data = x, y
        if check:
            with no_grad():
                expected = float(self.forward())
        self.tape.sync()  # the output is asked for, too
        loss = float(self.result.item())
        if check:
            self.checked = True
            same = math.isclose(loss, expected, rel_tol=1e-3, abs_tol=1e-6)
            if not same and math.isfinite(expected):
                raise RuntimeError(
                    _refusal(
                        f"for another batch the model has the loss {expected:.6g} and the replay "
                        f"{loss:.6g}: something in it depends on the data and is not in the graph"
                    )
                )
        return self.output, loss


def _refusal(why: str) -> str:
    return f"fit(tape=True): {why}; or train with tape=False"
