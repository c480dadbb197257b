"""What a node costs, how the cost grows, how long importing and drawing take."""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from statistics import median
from typing import Any

from tests.benchmarks.measuring import RUNS, in_a_process_of_its_own, seconds, table


def _chain(n: int) -> Any:
    from engine import Value

    x = Value(0.5)
    y = x
    for _ in range(n):
        y = y * 1.0000001
    return y


def memory() -> dict[str, float]:
    """Bytes that a node takes, and what the collector finds after a graph was dropped."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    y = _chain(100_000)
    after = tracemalloc.get_traced_memory()[0]
    y.backward()
    gc.collect()
    del y
    return {"a node": (after - before) / 100_000, "garbage": gc.collect()}


def growth(n: str, collector: str) -> float:
    """Seconds a node for building a chain of n, running backward, and freeing it."""
    if collector == "off":
        gc.disable()
    _chain(10).backward()
    repeats = max(1, 100_000 // int(n))
    start = time.perf_counter()
    for _ in range(repeats):
        y = _chain(int(n))
        y.backward()
        del y
    return (time.perf_counter() - start) / repeats / int(n)


def importing(module: str) -> dict[str, Any]:
    """Seconds of importing numpy, then `module`, and which costly modules came with it."""
    start = time.perf_counter()
    import numpy  # noqa: F401

    middle, before = time.perf_counter(), set(sys.modules)
    __import__(module)
    end = time.perf_counter()
    costly = (
        "numpy.random", "matplotlib", "pygraphviz", "graphviz", "PIL", "sklearn", "safetensors",
        "tqdm",
    )  # fmt: skip
    return {
        "numpy": middle - start,
        "more": end - middle,
        "loads": [name for name in costly if name in sys.modules and name not in before],
    }


def drawing() -> float:
    """Seconds for the DOT text of a graph of 2,000 nodes, at best."""
    import viz

    y = _chain(999)  # each with its constant
    y.backward()
    return min(seconds(lambda: viz.draw(y, max_nodes=2000).dot) for _ in range(RUNS))


def report() -> str:
    """The table: one line for each promise."""

    def run(*arguments: str) -> Any:
        return in_a_process_of_its_own(__name__, *arguments)

    used = run("memory")
    rows = [
        ["memory of a Value node", f"{used['a node']:.0f} bytes"],
        ["found by `gc.collect()` after a graph was dropped", f"{used['garbage']} objects"],
    ]
    for collector in ("on", "off"):
        small, large = (
            median(run("growth", n, collector) for _ in range(RUNS)) for n in ("1000", "1000000")
        )
        rows.append(
            [
                f"a node of a chain of 1,000,000, collector {collector}",
                f"{large * 1e6:.2f} µs, {large / small:.2f} times that of 1,000",
            ]
        )
    for module in ("engine", "nn", "viz"):
        runs = [run("importing", module) for _ in range(3 * RUNS)]
        more, numpy = (median(r[part] for r in runs) * 1e3 for part in ("more", "numpy"))
        loads = ", ".join(runs[0]["loads"]) or "nothing else"
        cost = f"{more:.0f} ms over numpy's {numpy:.0f} ms, loads {loads}"
        rows.append([f"`import {module}`", cost])
    rows.append(["DOT text of 2,000 nodes", f"{run('drawing'):.2f} s"])
    return table(["", ""], rows)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
