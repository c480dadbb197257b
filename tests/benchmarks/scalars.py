"""micrograd's moons demo: 100 points, an MLP 2-16-16-1 of Values, some 60,000 nodes a step.

Every variant runs in a process of its own: what one of them leaves to the garbage collector would
be charged to the next.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.measuring import RUNS, in_a_process_of_its_own, ratios, table


def _moons() -> tuple[Any, Any]:
    """Two half circles that reach into each other, and their signs."""
    angle = np.linspace(0, np.pi, 50)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    noise = np.random.RandomState(1337).normal(0, 0.1, (100, 2))
    return np.concatenate([outer, inner]) + noise, np.repeat([-1, 1], 50).tolist()


def _forward(MLP: Any, Value: Any) -> tuple[Any, Callable[[], Any]]:
    """The model, and the demo's own lines that compute the loss."""
    X, y = _moons()
    random.seed(1337)
    model = MLP(2, [16, 16, 1])

    def loss() -> Any:
        inputs = [list(map(Value, xrow)) for xrow in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        alpha = 1e-4
        reg_loss = alpha * sum(p * p for p in model.parameters())
        return data_loss + reg_loss

    return model, loss


def _descend(model: Any) -> None:
    for p in model.parameters():
        p.data -= 0.1 * p.grad


def _eager(MLP: Any, Value: Any) -> Callable[[], float]:
    model, forward = _forward(MLP, Value)

    def step() -> float:
        loss = forward()
        model.zero_grad()
        loss.backward()
        _descend(model)
        return float(loss.data)

    return step


def micrograd() -> Callable[[], float]:
    from micrograd.engine import Value
    from micrograd.nn import MLP

    return _eager(MLP, Value)


def eager() -> Callable[[], float]:
    from engine import Value
    from nn import MLP

    return _eager(MLP, Value)


def tape() -> Callable[[], float]:
    from engine import Tape, Value
    from nn import MLP

    model, forward = _forward(MLP, Value)
    recorded = Tape(forward())

    def step() -> float:
        loss = recorded.replay()
        _descend(model)
        return loss

    return step


VARIANTS = {"micrograd": micrograd, "eager": eager, "`Tape`": tape}


def measure(name: str, collector: str, steps: int) -> dict[str, list[float]]:
    """The losses and the seconds of each step."""
    if collector == "off":
        gc.disable()
    step = VARIANTS[name]()
    losses, times = [], []
    for _ in range(steps):
        start = time.perf_counter()
        losses.append(step())
        times.append(time.perf_counter() - start)
    return {"losses": losses, "times": times}


def report(steps: int) -> str:
    """The table: how many times faster than micrograd, with the collector and without."""
    names = [n for n in VARIANTS if n != "micrograd" or importlib.util.find_spec("micrograd")]
    rows: dict[str, list[str]] = {name: [name] for name in names}
    for collector in ("on", "off"):
        medians: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(RUNS):
            losses = {}
            for name in names:
                run = in_a_process_of_its_own(__name__, name, collector, str(steps))
                medians[name].append(statistics.median(run["times"]))
                losses[name] = run["losses"]
                np.testing.assert_allclose(losses[name], losses[names[0]], 1e-12, err_msg=name)
        for name in names:
            rows[name].append(f"{statistics.median(medians[name]) * 1e3:.3g} ms")
            rows[name].append(ratios(medians[names[0]], medians[name]))
    first = names[0]
    head = ["", "a step", f"times as fast as {first}", "collector off", "times as fast"]
    return table(head, [rows[name] for name in names])


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
