"""What a unit that is off is called, dormant units, and the loss before training."""

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor

approx = pytest.approx


def net(biases):
    """One layer of units that give x0 + bias."""
    model = nn.Sequential(nn.Linear(1, len(biases)), nn.ReLU())
    model[0].weight.data = np.ones((len(biases), 1))
    model[0].bias.data = np.array(biases)
    return model


X = Tensor(np.linspace(-1, 1, 9)[:, None])


def codes(model, x=X, loss=lambda output: output.sum(), **keywords):
    return [(f.code, f.severity) for f in viz.diagnose(model, x, loss, **keywords).findings]


def test_a_unit_that_is_off_is_called_by_what_is_known():
    half = net([-5.0, 1.0])
    assert codes(half) == [("DEAD", "notice")]
    assert codes(half, whole=False) == [("INACTIVE", "notice")]
    assert codes(half, at_init=True) == [("BORN_DEAD", "notice")]
    assert codes(half, x=X[-1:]) == [("OFF", "notice")]
    assert codes(net([-5.0] * 3))[-1] == ("DEAD", "critical")


def test_dormant_units_are_not_dead():
    faint = net([2.0, 2.0, 2.0, -0.999])  # the last gives 0.001 for one example of nine
    assert codes(faint) == []  # a quarter of the layer, not more
    assert codes(net([2.0, 2.0, -0.999, -0.999])) == [("DORMANT", "notice")]
    assert ("DORMANT", "notice") not in codes(net([2.0, 2.0, -5.0, -5.0]))
    assert codes(net([2.0, 2.0, -0.999, -0.999]), thresholds=viz.Thresholds(dormant_tau=0)) == []


@pytest.mark.parametrize(("scale", "expected"), [(0.0, False), (1.0, False), (40.0, True)])
def test_the_loss_before_training_is_that_of_guessing(scale, expected):
    random = np.random.RandomState(0)
    x, classes = Tensor(random.randn(200, 5)), engine.tensor(random.randint(0, 10, 200))
    model = nn.Sequential(nn.Linear(5, 10))
    model[0].weight.data = random.randn(10, 5) * scale / 5

    def loss(output):
        return nn.functional.cross_entropy(output, classes)

    found = viz.diagnose(model, x, loss, at_init=True).findings
    assert [f.code for f in found] == ["INIT_LOSS"] * expected
    if expected:
        assert found[0].value == approx(loss(model(x)).item() - np.log(10))
        assert "expected ln 10 = 2.303" in found[0].detail
    assert codes(model, x, loss) == []


def test_two_classes_guess_with_ln_2():
    model = nn.Sequential(nn.Linear(1, 1))
    model[0].weight.data, model[0].bias.data = np.zeros((1, 1)), np.array([3.0])
    targets = np.zeros((9, 1))

    def loss(output):
        return nn.functional.binary_cross_entropy_with_logits(output, Tensor(targets))

    (found,) = viz.diagnose(model, X, loss, at_init=True).findings
    assert found.value == approx(np.log1p(np.exp(3)) - np.log(2))


def test_units_of_images_are_channels():
    z = Tensor(np.random.RandomState(0).randn(2, 3, 4, 5), requires_grad=True)
    z.data[:, 1] = -1.0
    (row,) = viz.diagnose(z.relu().sum()).layers
    assert (row.units, row.dead, row.examples) == (3, 1, 40)


def test_a_rectifier_that_is_cut_off_is_not_saturated():
    z = Tensor(np.random.RandomState(0).randn(100, 8), requires_grad=True)
    assert viz.diagnose(nn.functional.relu6(z).sum()).findings == ()
    assert viz.diagnose(z.clamp(0.0, 6.0).sum()).findings == ()


def test_parts_of_a_formula_are_no_layers():
    z = Tensor(np.random.RandomState(0).randn(100, 8), requires_grad=True)
    for formula in (z.square(), z.exp(), nn.functional.dropout(z), z.cosh(), 1 / (z**2 + 1)):
        assert viz.diagnose(formula.sum()).layers == ()
    (row,) = viz.diagnose(nn.functional.prelu(z, Tensor([0.25], requires_grad=True)).sum()).layers
    assert (row.units, row.dead) == (8, 0)
