"""What a unit that is off is called, dormant units, and the loss before training."""

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from nn import functional as F

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


def test_bad_data_are_called_so_and_no_unit_is_dormant_beside_them():
    x = np.ones((4, 1))
    x[2] = np.inf
    (found,) = viz.diagnose(net([1.0, 2.0]), Tensor(x), lambda output: output.sum()).findings
    assert (found.code, found.where, found.advice) == ("NONFINITE", "a leaf", "mend the data")


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
    assert (row.units, row.dead, row.examples) == (3, 1, 2)


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


def test_the_loss_is_the_cross_entropy_whatever_is_added_or_summed():
    random = np.random.RandomState(0)
    x, y = Tensor(random.randn(50, 5)), engine.tensor(random.randint(0, 4, 50))
    model = nn.Sequential(nn.Linear(5, 4))
    model[0].weight.data = random.randn(4, 5) / 50

    def with_penalty(output):
        return F.cross_entropy(output, y) + 100.0

    def total(output):
        return F.cross_entropy(output, y, reduction="sum")

    def in_two_steps(output):
        return F.nll_loss(F.log_softmax(output, dim=1), y)

    for loss in (with_penalty, total, in_two_steps):
        assert codes(model, x, loss, at_init=True) == []
    model[0].weight.data *= 1000
    for loss in (with_penalty, total, in_two_steps):
        assert codes(model, x, loss, at_init=True) == [("INIT_LOSS", "notice")]


def test_many_units_without_gradient_starve():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    x = Tensor(np.random.RandomState(0).randn(20, 3))
    model[2].weight.data = np.array([[1e-4] * 5 + [1.0] * 3])
    (found,) = viz.diagnose(model, x, lambda output: output.mean()).findings
    assert (found.code, found.where, found.detail) == ("STARVED", "0 tanh", "5/8")
    assert found.source == "Sokar et al. 2023, on gradients"
    model[2].weight.data[0, 4] = 1.0  # half of them are not more than half
    assert codes(model, x, lambda output: output.mean()) == []


def test_a_sigmoid_that_goes_into_its_cross_entropy_is_part_of_the_loss():
    model = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    model[0].weight.data = np.array([[50.0]])
    y = (X.data > 0).astype(float)

    def rows(loss):
        return [row.name for row in viz.diagnose(model, X, loss).layers]

    assert rows(lambda p: F.binary_cross_entropy(p, Tensor(y))) == []
    assert rows(lambda p: F.mse_loss(p, Tensor(y))) == ["0 sigmoid"]


def test_units_of_sequences_are_channels_after_a_convolution():
    x = Tensor(np.random.RandomState(0).randn(6, 2, 9))
    convolution = nn.Sequential(nn.Conv1d(2, 5, 3), nn.ReLU())
    linear = nn.Sequential(nn.Linear(9, 7), nn.ReLU())
    for model, expected in ((convolution, (5, 6)), (linear, (7, 12))):
        (row,) = viz.diagnose(model, x, lambda output: output.mean()).layers
        assert (row.units, row.examples) == expected


def test_one_image_is_one_example():
    x = Tensor(np.ones((1, 1, 4, 4)))
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    model[0].bias.data = np.array([-100.0, 100.0])
    assert codes(model, x) == [("OFF", "notice")]


def test_gradients_beyond_what_can_be_squared():
    for size in (1e-200, 1e200):
        z = Tensor(np.full((4, 3), 0.5), requires_grad=True)
        report = viz.diagnose((z.tanh() * size).sum())
        assert report.layers[0].grad_rms == approx(size * (1 - np.tanh(0.5) ** 2))
        assert report.findings == ()


@pytest.mark.parametrize(("z", "phi"), [(60.0, 1.0), (0.0, 0.0)])
def test_phi_tells_how_much_outputs_crowd_at_their_ends(z, phi):
    signs = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    (row,) = viz.diagnose(Tensor(signs * z, requires_grad=True).sigmoid().sum()).layers
    assert (row.phi, row.slope) == (approx(phi), approx(1.0 if z == 0 else 0.0, abs=1e-20))


def test_phi_of_an_even_spread_is_a_half_and_there_is_none_without_a_range():
    outputs = (np.arange(1000) + 0.5) / 500 - 1
    z = Tensor(np.arctanh(outputs)[:, None], requires_grad=True)
    assert viz.diagnose(z.tanh().sum()).layers[0].phi == approx(0.5)
    assert viz.diagnose(z.relu().sum()).layers[0].phi is None


def test_running_statistics_stay_as_they_are():
    model = nn.Sequential(nn.Linear(1, 3), nn.BatchNorm1d(3), nn.ReLU())
    before = [buffer.data.copy() for buffer in model.buffers()]
    viz.diagnose(model, X, lambda output: output.sum())
    assert [b.tolist() for b in before] == [b.data.tolist() for b in model.buffers()]


def test_outputs_in_a_dictionary_or_a_tuple():
    layer = nn.Linear(1, 3)

    def model(x):
        return {"hidden": (layer(x).relu(), None), "count": 3}

    (row,) = viz.diagnose(model, X, lambda output: output["hidden"][0].sum()).layers
    assert row.units == 3


def test_a_layer_that_is_used_again_is_told_from_the_first_time():
    layer, activation = nn.Linear(1, 1), nn.Tanh()
    model = nn.Sequential(layer, activation, layer, activation)
    report = viz.diagnose(model, X, lambda output: output.sum())
    assert [row.name for row in report.layers] == ["0 tanh", "0 tanh (2)"]


def test_a_normalized_layer_goes_by_the_normalization():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU())
    x = Tensor(np.random.RandomState(0).randn(3, 1, 5, 5))
    assert [row.name for row in viz.diagnose(model, x, lambda y: y.sum()).layers] == ["1 relu"]


def test_where_the_nan_is_and_what_it_was_made_of():
    x = Tensor(np.array([[1.0, 4.0], [-2.0, 1.0]]), requires_grad=True)
    with np.errstate(all="ignore"):
        y = (x.log() * 2.0).sum()
    (found,) = viz.diagnose(y).findings
    assert (found.where, found.detail) == ("log", "value nan at [1, 0], of −2")


def test_a_mask_of_infinities_is_meant_unless_it_spoils_the_result():
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    mask = np.array([0.0, 0.0, -np.inf])
    assert viz.diagnose(((x + mask).softmax(-1) * x).sum()).findings == ()
    with np.errstate(all="ignore"):
        spoilt = ((x + np.full(3, -np.inf)).softmax(-1) * x).sum()
    assert [found.code for found in viz.diagnose(spoilt).findings] == ["NONFINITE"]


def test_a_way_that_is_blocked_beside_one_that_is_not():
    x = Tensor(np.linspace(-1, 1, 20).reshape(10, 2), requires_grad=True)
    first, side = (x * 0.5).tanh(), x * 2.0
    report = viz.diagnose((first.sigmoid() + 0.0 * (first + side).softplus()).sum())
    (found,) = (f for f in report.findings if f.code == "BLOCKED")
    assert (found.severity, found.where, found.detail) == ("warning", "softplus", "exactly 0")
    assert report.R > 0
