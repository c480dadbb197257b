"""What the benchmarks compare does the same, and they run."""

import numpy as np
import pytest

from tests.benchmarks import arrays, scalars
from tests.benchmarks.measuring import in_a_process_of_its_own


@pytest.mark.parametrize("case", arrays.CASES[:3], ids=str)
def test_ours_takes_the_steps_of_hand_written_numpy(case):
    steps = [arrays.by_hand(case), arrays.eager(case), arrays.tape(case)]
    by_hand, eager, tape = ([step() for _ in range(20)] for step in steps)
    assert by_hand[-1] < by_hand[0]
    tolerance = 1e-12 if case.dtype == "float64" else 1e-5
    np.testing.assert_allclose(eager, by_hand, tolerance)
    np.testing.assert_allclose(tape, eager, tolerance)


def test_the_moons_demo_has_the_losses_of_micrograd():
    pytest.importorskip("micrograd")
    losses = [
        in_a_process_of_its_own("tests.benchmarks.scalars", name, "off", "2")["losses"]
        for name in scalars.VARIANTS
    ]
    np.testing.assert_allclose(losses[1], losses[0], 1e-12)
    np.testing.assert_allclose(losses[2], losses[0], 1e-12)


@pytest.mark.parametrize("module", ["engine", "nn", "viz"])
def test_imports_load_nothing_costly(module):
    assert in_a_process_of_its_own("tests.benchmarks.costs", "importing", module)["loads"] == []
