"""Timing on a machine that does other things too, and tables of the results."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

RUNS = 5
# One thread for everybody: else the comparison is one of thread pools.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def in_a_process_of_its_own(module: str, *arguments: str) -> Any:
    """What `python -m module arguments` prints, read as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def seconds(action: Callable[[], Any], times: int = 1) -> float:
    """How long `times` calls take, each."""
    start = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - start) / times


def interleaved(
    actions: Mapping[str, Callable[[], Any]], seconds_each: float
) -> dict[str, dict[str, list[float]]]:
    """The time of one call of each action, measured in five runs.

    In a run the actions take turns in short blocks, so that whatever else the machine does
    meets them all; a run's time is the median of the blocks. The first call of a block finds the
    caches full of what the others left there. The times are "settled" without it, as in a loop of
    one's own, and "in turns" with it.
    """
    times = {name: max(1, int(0.004 / seconds(a, 3))) for name, a in actions.items()}
    blocks = max(3, int(seconds_each / RUNS / 0.004))
    runs: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in actions} for kind in ("settled", "in turns")
    }
    for _ in range(RUNS):
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
        for _ in range(blocks):
            for name, action in actions.items():
                n, first = times[name], seconds(action)
                rest = seconds(action, n)
                measured[name].append((rest, (first + n * rest) / (n + 1)))
        for name, pairs in measured.items():
            for kind, block_times in zip(runs, zip(*pairs, strict=True), strict=True):
                runs[kind][name].append(statistics.median(block_times))
    return runs


def ratios(runs: Sequence[float], reference: Sequence[float]) -> str:
    """The median of the ratios of five runs, and their range: `1.08 (1.05 to 1.12)`."""
    quotients = [a / b for a, b in zip(runs, reference, strict=True)]
    middle, low, high = statistics.median(quotients), min(quotients), max(quotients)
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
