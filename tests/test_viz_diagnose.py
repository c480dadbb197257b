"""Findings: saturation and vanishing told apart, dead units, R and rho, the first nan."""

import json

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value

approx = pytest.approx


def codes(report):
    return [finding.code for finding in report.findings]


def stack(activation, std, bias=0.0, layers=10):
    """Ten layers of 64 units on a batch of 128, and a random gradient at the end."""
    random = np.random.RandomState(0)
    h = Tensor(random.randn(128, 64))
    for _ in range(layers):
        weight = Tensor(random.randn(64, 64) * std, requires_grad=True)
        h = getattr(h @ weight + bias, activation)()
    return (h * (random.randn(128, 64) / 128)).sum()


XAVIER, HE = np.sqrt(2 / 128), np.sqrt(2 / 64)


@pytest.mark.parametrize(
    ("activation", "std", "bias", "saturated", "ratio", "rho", "expected"),
    [
        ("tanh", XAVIER, 0, 0.003, 0.283, 0.883, set()),
        ("sigmoid", XAVIER, 0, 0.0, 1.964e-6, 0.2346, {"VANISHING", "SHRINKING"}),
        ("sigmoid", 1.0, 0, 0.414, 0.359, 0.914, {"SATURATED"}),
        (
            "sigmoid",
            XAVIER,
            5,
            0.731,
            1.2e-17,
            0.0134,
            {"SATURATED", "VANISHING", "SHRINKING", "STARVED"},
        ),
        (
            "tanh",
            XAVIER,
            3,
            0.798,
            1.3e-10,
            0.080,
            {"SATURATED", "VANISHING", "SHRINKING", "STARVED"},
        ),
        ("tanh", 1.0, 0, 0.775, 790, 2.13, {"SATURATED", "EXPLODING", "GROWING"}),
        ("relu", HE, 0, None, 1.055, 1.001, {"DEAD"}),
        ("relu", XAVIER, 0, None, 0.0466, 0.708, {"DEAD"}),
    ],
)
def test_saturation_and_vanishing_are_two_things(
    activation, std, bias, saturated, ratio, rho, expected
):
    report = viz.diagnose(stack(activation, std, bias))
    assert (report.R, report.rho) == (approx(ratio, rel=0.05), approx(rho, rel=0.01))
    assert set(codes(report)) == expected
    if saturated is not None:
        assert np.mean([row.saturated for row in report.layers]) == approx(saturated, abs=5e-4)


def test_a_shrinking_and_a_growing_chain():
    def chain(factor):
        y = Value(1.0, label="x")
        for _ in range(4):
            y = (y * factor).relu()
        return viz.diagnose(y)

    assert codes(chain(0.4)) == ["SHRINKING"]
    assert chain(0.4).rho == approx(0.4)
    assert codes(chain(3.0)) == ["GROWING"]
    assert codes(chain(0.8)) == []


def test_layers_side_by_side_are_not_one_after_the_other():
    x = Value(-1.0, label="x")
    report = viz.diagnose((x * 2.0).relu() + (x * 3.0).sigmoid())
    assert [(row.name, row.grad_rms) for row in report.layers] == [
        ("relu", 0.0),
        ("sigmoid", approx(0.0451767)),
    ]
    assert (report.R, report.rho, codes(report)) == (1.0, None, ["OFF"])


class Dead(nn.Module):
    """Three of four units are off for every example."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 4)
        self.hidden.weight.data = np.full((4, 2), 0.5)
        self.hidden.bias.data = np.array([1.0, -100.0, -100.0, -100.0])
        self.out = nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.hidden(x).relu())


def test_a_model_is_judged_and_not_its_loss():
    model, x = Dead(), Tensor(np.random.RandomState(0).rand(20, 2))
    report = viz.diagnose(model, x, lambda output: (1.0 - output).relu().sum())
    (row,) = report.layers
    assert (row.name, row.units, row.dead, row.examples) == ("hidden relu", 4, 3, 20)
    (dead,) = report.findings
    assert (dead.code, dead.severity, dead.value) == ("DEAD", "warning", 0.75)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_severities_and_thresholds_of_dead_layers():
    def report(units, dead, thresholds=None):
        z = Tensor(np.tile(np.where(np.arange(units) < dead, -1.0, 1.0), (5, 1)), True)
        keywords = {"thresholds": thresholds} if thresholds else {}
        return [f.severity for f in viz.diagnose(z.relu().sum(), **keywords).findings]

    assert report(20, 2) == []
    assert report(20, 3) == ["notice"]
    assert report(20, 11) == ["warning"]
    assert report(20, 20)[0] == "critical"
    assert report(20, 2, viz.Thresholds(dead_notice=0.05)) == ["notice"]


def test_a_wall_of_dead_units_blocks_exactly():
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    report = viz.diagnose(((x.tanh() - 5.0).relu() + 1.0).sum())
    assert [(row.name, row.dead, row.grad_rms) for row in report.layers] == [
        ("tanh", 0, 0.0),
        ("relu", 3, 0.0),
    ]
    assert codes(report) == ["BLOCKED", "DEAD"]
    assert report.R == 0


def test_soft_operations_are_never_dead():
    report = viz.diagnose(Tensor(np.full((3, 2), -800.0), requires_grad=True).sigmoid().sum())
    assert report.layers[0].dead == 0
    assert "SATURATED" in codes(report)
    assert "DEAD" not in codes(report)


def test_leaky_units_are_not_dead():
    x = Tensor(np.full((3, 2), -5.0), requires_grad=True)
    report = viz.diagnose(engine.leaky_relu(x).sum())
    assert (report.layers[0].dead, codes(report)) == (0, [])


def test_one_example_is_off_and_not_dead():
    x = Tensor([[-1.0, -2.0, 3.0]], requires_grad=True)
    report = viz.diagnose(x.relu().sum())
    assert codes(report) == ["OFF"]
    assert "2/3 off" in str(report)


def test_a_graph_whose_leaf_has_changed_is_not_judged():
    x = Value(-1.0, label="x")
    y = x.relu()
    x.data = 1.0
    with pytest.raises(RuntimeError, match="x changed"):
        viz.diagnose(y)


def test_the_units_of_a_scalar_net_are_found_again_over_its_examples():
    w = [Value(0.5), Value(-0.5), Value(1.0)]
    outputs = [sum((weight * x).relu() for weight in w) for x in (1.0, 2.0, 3.0)]
    report = viz.diagnose(outputs[0] + outputs[1] + outputs[2])
    (row,) = report.layers
    assert (row.units, row.dead, row.examples) == (3, 1, 3)


def test_the_layers_of_a_scalar_net_go_by_the_names_of_their_parameters():
    net = nn.MLP(2, [3, 2, 1])
    outputs = [net([Value(x), Value(1.0)]) for x in (-1.0, 0.5, 2.0)]
    report = viz.diagnose(outputs[0] + outputs[1] + outputs[2])
    assert [(row.name, row.units, row.examples) for row in report.layers] == [
        ("layer0 relu", 3, 3),
        ("layer1 relu", 2, 3),
    ]


def test_rows_name_the_layers_by_their_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    report = viz.diagnose(model, Tensor(np.ones((4, 2))), lambda output: output.sum())
    assert [row.name for row in report.layers] == ["0 tanh"]
    assert (report.R, report.rho) == (1.0, None)


def test_a_layer_beside_a_skip_connection_goes_by_its_own_parameters():
    x = Tensor(np.ones((4, 2)))
    block = [nn.Linear(2, 2) for _ in range(3)]
    model = nn.Sequential(*block)  # gives them their labels
    h = block[0](x)
    loss = (h + block[2](block[1](h).relu())).sum()
    assert len(model) == 3
    assert [row.name for row in viz.diagnose(loss).layers] == ["1 relu"]


def test_a_learners_own_activation_is_diagnosed():
    hard_tanh = engine.elementwise(
        "hard_tanh",
        lambda m, x: m.maximum(m.minimum(x, 1.0), -1.0),
        lambda m, x, y: m.where(m.equal(x, y), 1.0, 0.0),
        hard=True,
    )
    x = Tensor(np.linspace(-5, 5, 12).reshape(6, 2), requires_grad=True)
    report = viz.diagnose(hard_tanh(x).sum())
    assert report.layers[0].saturated == approx(10 / 12)
    assert codes(report) == ["SATURATED"]


def test_bounded_is_what_levels_off():
    from viz.layers import probe

    def bounded(name):
        return probe([getattr(Tensor(np.ones(2), requires_grad=True), name)()], {}).bounded

    assert bounded("sigmoid")
    assert bounded("tanh")
    assert not bounded("relu")
    assert not bounded("softplus")


def test_the_first_nan_is_found_forward_and_backward():
    forward = viz.diagnose(Value(-1.0).log() * 2.0 + 1.0).findings[0]
    assert (forward.code, forward.severity, forward.where) == ("NONFINITE", "critical", "log")
    zero = Value(0.0, label="zero")
    backward = viz.diagnose(zero.sqrt() + 1.0).findings[0]
    assert (backward.where, backward.detail) == ("zero", "gradient inf")


def test_a_report_in_a_notebook():
    x = Value(-1.0, label="x")
    html = viz.diagnose((x * 9.0).sigmoid())._repr_html_()
    assert html.startswith("<table><tr><th>layer</th><th>units</th>")
    assert "<td>sigmoid</td><td>1</td><td>100%</td>" in html
    assert "SATURATED sigmoid: low (warning; limit 0.5 by SageMaker" in html
    labelled = Tensor([2.0, 9.0], requires_grad=True).sigmoid()
    labelled.label = "<b>"
    assert "&lt;b&gt;" in viz.diagnose(labelled.sum())._repr_html_()


def test_what_is_said_of_many_layers_is_said_once():
    *_, said = str(viz.diagnose(stack("tanh", 3.0, layers=6))).splitlines()
    lines = [
        line for line in str(viz.diagnose(stack("tanh", 3.0))).splitlines() if "SATURATED" in line
    ]
    assert len(lines) == 1
    assert "tanh: " in lines[0]
    assert "; and 6 more (warning; limit 0.5" in lines[0]
    assert "Try: " in said


def test_report_prints_a_table_and_becomes_json():
    report = viz.diagnose(stack("sigmoid", 1.0, layers=2))
    head, first, second, ratios, *found = str(report).splitlines()
    assert head.split() == [
        "layer",
        "units",
        "saturated",
        "dead",
        "slope",
        "phi",
        "grad",
        "rms",
        "factor",
    ]
    assert first.split()[1:3] == ["64", f"{100 * report.layers[0].saturated:.3g}%"]
    assert second.startswith("sigmoid (2)")
    assert ratios.startswith("R ")
    assert len(found) == len(report.findings)
    assert repr(report) == str(report)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["layers"][1]["units"] == 64
    assert {finding["code"] for finding in data["findings"]} == set(codes(report))


def test_findings_carry_their_source():
    finding = viz.diagnose(Value(10.0).sigmoid()).findings[0]
    assert (finding.severity, finding.threshold) == ("warning", viz.Thresholds().sat_warning)
    assert "Karpathy" in finding.source
    assert finding.advice in str(finding)


@pytest.mark.parametrize("arguments", [(nn.Linear(1, 1),), (Value(1.0), 1.0, abs)])
def test_a_model_needs_data_and_a_graph_needs_none(arguments):
    with pytest.raises(TypeError, match=r"diagnose\(model, x, loss\)"):
        viz.diagnose(*arguments)
