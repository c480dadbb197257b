"""`fit`: the training loop, with what one wants to know about it.

It does what a loop of one's own does, and no more:

    for x, y in data:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()

To keep losses, keep `value.item()`: `value` itself would keep the whole graph of its batch alive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import Tensor, no_grad
from nn.callbacks import Callback, Progress
from nn.module import Module
from nn.optim import Optimizer
from nn.replay import Replay

Batches = Iterable[tuple[Any, Any]]
Loss = Callable[[Any, Any], Any]
Metrics = Mapping[str, Callable[[Any, Any], Any]]


class History(dict[str, list[float]]):
    """What was measured in each epoch: `history["loss"]`, `history["val_loss"]`, ..."""

    def record(self, numbers: Mapping[str, float]) -> None:
        """Add the numbers of one epoch."""
        for name, number in numbers.items():
            self.setdefault(name, []).append(number)

    def last(self) -> dict[str, float]:
        """The numbers of the last epoch."""
        return {name: numbers[-1] for name, numbers in self.items()}


class Means:
    """Means over the examples of all batches so far."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.examples = 0

    def add(self, numbers: Mapping[str, Any], examples: int) -> None:
        for name, number in numbers.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(number) * examples
        self.examples += examples

    def values(self, prefix: str = "") -> dict[str, float]:
        if not self.examples:
            raise ValueError(
                "there was no batch: the data is empty, or a generator, which can be gone through "
                "only once: give a list of batches, or a DataLoader"
            )
        return {prefix + name: total / self.examples for name, total in self.sums.items()}


@dataclass
class Run:
    """A training under way: what callbacks are given. `stop = True` ends it after this batch."""

    model: Module
    data: Batches
    loss: Loss
    optimizer: Optimizer
    epochs: int
    validation: Batches | None
    metrics: Metrics
    callbacks: Sequence[Callback]
    history: History = field(default_factory=History)
    epoch: int = 0  # how many are complete
    batch: int = 0  # how many of the epoch under way are complete
    means: Means = field(default_factory=Means)  # of the epoch under way
    stop: bool = False
    replay: Replay | None = None  # what computes the gradients, if not the graph of each batch

    def tell(self, event: str) -> None:
        """Call the method of this name of every callback."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def train_on(self, x: Any, y: Any) -> None:
        """One step on one batch."""
        self.optimizer.zero_grad()
        if self.replay is not None:
            output, value = self.replay(x, y)
        else:
            output = self.model(x)
            value = self.loss(output, y)
            value.backward()
        self.optimizer.step()
        self.means.add(_measured(value, output, y, self.metrics), len(x))
        self.batch += 1


def _pairs(data: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for batch in data:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise TypeError(
                f"a batch is a pair (x, y), not a {type(batch).__name__} of {len(batch)}: for arrays "
                "X and y write [(X, y)], or DataLoader(TensorDataset(X, y), batch_size=32)"
            )
        yield batch[0], batch[1]


def _measured(value: Any, output: Any, y: Any, metrics: Metrics) -> dict[str, float]:
    with no_grad():
        return {"loss": float(value), **{name: float(f(output, y)) for name, f in metrics.items()}}


def fit(
    model: Module,
    data: Batches,
    loss: Loss,
    optimizer: Optimizer,
    *,
    epochs: int,
    validation: Batches | None = None,
    metrics: Metrics | None = None,
    callbacks: Sequence[Callback] | None = None,
    tape: bool = False,
) -> History:
    """Train `model` for `epochs` passes over `data`, batches (x, y), to make `loss(model(x), y)`
    small. `metrics` are functions of (output, y), by name.

    In the History are the means over all examples of each epoch: "loss" and the metrics as they
    were during training, and with `validation`, other batches, "val_loss" and so on after each
    epoch. `callbacks` follow, or stop, the training; without any, `Progress` shows it on a
    terminal. It returns with the model in training mode.

    With `tape=True` the graph is built once for each shape of batch and then replayed, which is
    faster for small networks; what a tape would freeze (Dropout, BatchNorm) is an error.

    >>> import engine, nn
    >>> engine.manual_seed(0)
    >>> X, y = nn.data.xor()
    >>> data = nn.data.DataLoader(nn.data.TensorDataset(X, y), batch_size=4)
    >>> model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    >>> history = nn.fit(model, data, nn.functional.cross_entropy,
    ...     nn.optim.Adam(model.parameters(), lr=0.1), epochs=50,
    ...     metrics={"accuracy": nn.accuracy})
    >>> history.last()["accuracy"]
    1.0
    """
    run = Run(
        model,
        data,
        loss,
        optimizer,
        epochs,
        validation,
        metrics or {},
        [Progress()] if callbacks is None else list(callbacks),
        replay=Replay(model, loss) if tape else None,
    )
    run.tell("on_start")
    try:
        while run.epoch < run.epochs and not run.stop:
            model.train()
            for x, y in _pairs(data):
                run.train_on(x, y)
                run.tell("on_batch")
                if run.stop:
                    return run.history  # type: ignore[unreachable]  # a callback said so
            numbers = run.means.values()
            if validation is not None:
                numbers |= evaluate(model, validation, loss, run.metrics, prefix="val_")
            run.history.record(numbers)
            run.epoch, run.batch, run.means = run.epoch + 1, 0, Means()
            run.tell("on_epoch")
    finally:
        run.tell("on_end")
    return run.history


def evaluate(
    model: Module, data: Batches, loss: Loss, metrics: Metrics | None = None, *, prefix: str = ""
) -> dict[str, float]:
    """The means of the loss and the metrics over `data`, in evaluation mode, without a graph."""
    modes = [(module, module.training) for module in model.modules()]
    means = Means()
    model.eval()
    try:
        with no_grad():
            for x, y in _pairs(data):
                output = model(x)
                means.add(_measured(loss(output, y), output, y, metrics or {}), len(x))
    finally:
        for module, mode in modes:
            module.training = mode
    return means.values(prefix)


def accuracy(output: Tensor, target: Any) -> float:
    """The share of rows whose largest number is at the target class. Shapes: (N, C) and (N,)."""
    if output.ndim != 2 or np.shape(target) != output.shape[:1]:
        raise ValueError(
            f"accuracy: output {output.shape} and target {np.shape(target)}, expected (N, C) and "
            "(N,); for one number an example use binary_accuracy"
        )
    return float(np.mean(np.argmax(output.data, axis=1) == np.asarray(target)))


def binary_accuracy(output: Tensor, target: Any, threshold: float = 0.5) -> float:
    """The share of numbers on the right side of the threshold: 0.5 for probabilities, 0 for
    logits. Shapes: output and target the same; targets are 0 and 1."""
    if output.shape != np.shape(target):
        raise ValueError(
            f"binary_accuracy: output has shape {output.shape} and target {np.shape(target)}"
        )
    return float(np.mean((output.data > threshold) == (np.asarray(target) > 0.5)))
