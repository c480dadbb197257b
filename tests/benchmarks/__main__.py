"""`python -m tests.benchmarks`: the README's tables. Takes some minutes; `--quick` less than one.

Compared with whichever of micrograd, PyTorch, JAX, autograd and MyGrad is installed
(`pip install "ebbgrad[bench]"`), on one core. A ratio is the median of five runs and their
range.
"""

from __future__ import annotations

import argparse
import os

from tests.benchmarks import arrays, costs, scalars


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", help="arrays, scalars, costs; all by default")
    parser.add_argument("--quick", action="store_true", help="short runs: do they run at all")
    given = parser.parse_args()
    quick = given.quick
    if hasattr(os, "sched_setaffinity"):  # JAX starts threads whatever it is told
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tables = {
        "arrays": lambda: arrays.report(seconds_each=0.05 if quick else 3.0),
        "scalars": lambda: scalars.report(steps=2 if quick else 7),
        "costs": costs.report,
    }
    for name, report in tables.items():
        if name in (given.only or tables):
            print(report(), flush=True)
            print(flush=True)


if __name__ == "__main__":
    main()
