"""One training step on arrays: forward, backward and SGD, as a multiple of the same by hand.

All start from the same weights and must reach the same losses; then they take turns.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tests.benchmarks.measuring import in_a_process_of_its_own, interleaved, ratios, table

Step = Callable[[], float]  # one training step; the loss before it
RATE = 0.01


@dataclass(frozen=True)
class Case:
    """A net of linear layers with ReLU between; one output is a logit, several are classes."""

    batch: int
    sizes: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.batch}×{'-'.join(map(str, self.sizes))} f{self.dtype[-2:]}"

    @property
    def classes(self) -> bool:
        return self.sizes[-1] > 1

    def data(self) -> tuple[Any, Any]:
        """Inputs (batch, in), and targets: (batch,) classes, or (batch, 1) of 0 and 1."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.batch, self.sizes[0])).astype(self.dtype)
        if self.classes:
            return x, rng.integers(0, self.sizes[-1], self.batch)
        return x, rng.integers(0, 2, (self.batch, 1)).astype(self.dtype)

    def weights(self) -> list[tuple[Any, Any]]:
        """(in, out) weights and biases, layer by layer."""
        rng = np.random.default_rng(1)
        return [
            (
                rng.uniform(-1, 1, (n, m)).astype(self.dtype) / np.sqrt(n).astype(self.dtype),
                np.zeros(m, self.dtype),
            )
            for n, m in pairwise(self.sizes)
        ]


CASES = (
    Case(100, (2, 16, 16, 1), "float64"),
    Case(32, (64, 32, 10), "float64"),
    Case(64, (784, 128, 10), "float32"),
    Case(256, (784, 512, 512, 10), "float32"),
)


def by_hand(case: Case) -> Step:
    """NumPy, and the derivatives worked out on paper."""
    x, t = case.data()
    layers = [list(layer) for layer in case.weights()]
    rows = np.arange(case.batch)
    rate = np.dtype(case.dtype).type(RATE)

    def step() -> float:
        inputs, z = [], x
        for w, b in layers:
            inputs.append(np.maximum(z, 0) if inputs else z)
            z = inputs[-1] @ w + b
        if case.classes:
            e = np.exp(z - z.max(axis=1, keepdims=True))
            g = e / e.sum(axis=1, keepdims=True)
            loss = -np.log(g[rows, t]).mean()
            g[rows, t] -= 1
        else:
            e = np.exp(-np.abs(z))
            loss = (np.maximum(z, 0) - z * t + np.log1p(e)).mean()
            g = np.where(z >= 0, 1, e) / (1 + e) - t
        g /= case.batch
        for layer, a in zip(reversed(layers), reversed(inputs), strict=True):
            w, b = layer
            layer[0] = w - rate * (a.T @ g)
            layer[1] = b - rate * g.sum(axis=0)
            if a is not x:
                g = (g @ w.T) * (a > 0)
        return float(loss)

    return step


def products(case: Case) -> Callable[[], None]:
    """The matrix products of a step alone: what it cannot do without."""
    x, _ = case.data()
    layers = [w for w, _ in case.weights()]
    outputs = [np.ones((case.batch, m), case.dtype) for m in case.sizes[1:]]

    def step() -> None:
        for w, a in zip(layers, [x, *outputs], strict=False):
            a @ w
        for w, a, g in zip(layers, [x, *outputs], outputs, strict=False):
            a.T @ g
            if a is not x:
                g @ w.T

    return step


def _ours(case: Case) -> tuple[Any, Callable[[], Any]]:
    import engine
    import nn

    modules: list[nn.Module] = []
    for w, b in case.weights():
        layer = nn.Linear(*w.shape, dtype=case.dtype)
        layer.weight.data[...] = w.T
        layer.bias.data[...] = b
        modules += [nn.ReLU(), layer] if modules else [layer]
    model = nn.Sequential(*modules)
    x, t = map(engine.tensor, case.data())
    loss = nn.CrossEntropyLoss() if case.classes else nn.BCEWithLogitsLoss()
    return nn.optim.SGD(model.parameters(), lr=RATE), lambda: loss(model(x), t)


def eager(case: Case) -> Step:
    """`nn.Sequential`, a loss, and `nn.optim.SGD`, as one writes them."""
    optimizer, forward = _ours(case)

    def step() -> float:
        optimizer.zero_grad()
        loss = forward()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def tape(case: Case) -> Step:
    """The same graph, replayed."""
    from engine import Tape

    optimizer, forward = _ours(case)
    recorded = Tape(forward())

    def step() -> float:
        loss = recorded.replay()
        optimizer.step()
        return loss

    return step


def torch(case: Case) -> Step:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    modules: list[nn.Module] = []
    for w, b in case.weights():
        layer = nn.Linear(*w.shape, dtype=getattr(torch, case.dtype))
        layer.weight.data = torch.tensor(np.ascontiguousarray(w.T))
        layer.bias.data = torch.tensor(b)
        modules += [nn.ReLU(), layer] if modules else [layer]
    model = nn.Sequential(*modules)
    x, t = map(torch.tensor, case.data())
    criterion = nn.CrossEntropyLoss() if case.classes else nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(model(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _loss(xp: Any, case: Case, layers: Any, x: Any, t: Any) -> Any:
    """The loss in the array functions of JAX, autograd or MyGrad."""
    for i, (w, b) in enumerate(layers):
        x = xp.matmul(xp.maximum(x, 0) if i else x, w) + b
    if not case.classes:
        return xp.mean(xp.maximum(x, 0) - x * t + xp.log1p(xp.exp(-xp.abs(x))))
    top = x.max(axis=1, keepdims=True) if hasattr(x, "max") else xp.max(x, axis=1, keepdims=True)
    below = x - top
    scores = below - xp.log(xp.sum(xp.exp(below), axis=1, keepdims=True))
    return -xp.mean(scores[np.arange(case.batch), t])


def jax(case: Case) -> Step:
    import jax

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    x, t = map(jax.numpy.asarray, case.data())
    layers = jax.tree.map(jax.numpy.asarray, case.weights())

    @jax.jit
    def update(layers: Any) -> Any:
        loss, slopes = jax.value_and_grad(lambda p: _loss(jax.numpy, case, p, x, t))(layers)
        return loss, jax.tree.map(lambda p, g: p - RATE * g, layers, slopes)

    def step() -> float:
        nonlocal layers
        loss, layers = update(layers)
        return float(loss)

    return step


def autograd(case: Case) -> Step:
    import autograd.numpy
    from autograd import value_and_grad

    x, t = case.data()
    layers = case.weights()
    rate = np.dtype(case.dtype).type(RATE)
    both = value_and_grad(lambda layers: _loss(autograd.numpy, case, layers, x, t))

    def step() -> float:
        nonlocal layers
        loss, slopes = both(layers)
        layers = [
            (w - rate * dw, b - rate * db) for (w, b), (dw, db) in zip(layers, slopes, strict=True)
        ]
        return float(loss)

    return step


def mygrad(case: Case) -> Step:
    import mygrad
    from mygrad.nnet.losses import softmax_crossentropy

    mygrad.turn_memory_guarding_off()
    x, t = case.data()
    layers = [[mygrad.tensor(p) for p in layer] for layer in case.weights()]

    def step() -> float:
        z = x
        for i, (w, b) in enumerate(layers):
            z = mygrad.matmul(mygrad.maximum(z, 0) if i else z, w) + b
        if case.classes:
            loss = softmax_crossentropy(z, t)
        else:
            terms = mygrad.maximum(z, 0) - z * t + mygrad.log1p(mygrad.exp(-mygrad.abs(z)))
            loss = mygrad.mean(terms)
        loss.backward()
        for layer in layers:
            for p in layer:
                p.data -= RATE * p.grad
        return float(loss)

    return step


OURS = {"eager": eager, "`Tape`": tape}
OTHERS = {"PyTorch": torch, "JAX jit": jax, "autograd": autograd, "MyGrad": mygrad}


def _installed(name: str) -> bool:
    return name in OURS or importlib.util.find_spec(OTHERS[name].__name__) is not None


def measure(number: int, seconds_each: float) -> dict[str, dict[str, list[float]]]:
    """Five runs of every implementation that is there, after a look whether all do the same."""
    case = CASES[number]
    makers = {n: make for n, make in {**OURS, **OTHERS}.items() if _installed(n)}
    steps = {"NumPy by hand": by_hand(case), **{n: make(case) for n, make in makers.items()}}
    losses = {name: [step() for _ in range(20)] for name, step in steps.items()}
    for name, values in losses.items():
        tolerance = 1e-9 if case.dtype == "float64" else 1e-3
        np.testing.assert_allclose(values, losses["NumPy by hand"], tolerance, err_msg=name)
    first = {"NumPy by hand": steps["NumPy by hand"], "its matrix products": products(case)}
    return interleaved({**first, **steps}, seconds_each)


def report(seconds_each: float) -> str:
    """The tables: rows are implementations, columns the four sizes."""
    columns = [
        in_a_process_of_its_own(__name__, str(i), str(seconds_each)) for i in range(len(CASES))
    ]
    settled, in_turns = ([runs[kind] for runs in columns] for kind in ("settled", "in turns"))
    return f"{_table(settled)}\n\nWith the first step of each turn:\n\n{_table(in_turns)}"


def _table(columns: list[dict[str, list[float]]]) -> str:
    rows = []
    for name in columns[0]:
        if name != "NumPy by hand":
            cells = [ratios(runs[name], runs["NumPy by hand"]) for runs in columns]
            rows.append([name, *cells])
    times = [f"{np.median(runs['NumPy by hand']) * 1e6:.0f} µs" for runs in columns]
    return table(["", *map(str, CASES)], [["NumPy by hand", *times], *rows])


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]))))
