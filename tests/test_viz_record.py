"""Recorder: looks at a training, says when each finding began, and costs little."""

import json
import time

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor
from nn import functional as F
from viz.looks import distribution

approx = pytest.approx


def dying_net(lr=5.0):
    """The lesson of ReLUs that a high learning rate kills: 2-16-16-1 on two half moons."""
    t = np.linspace(0, np.pi, 50)
    points = np.r_[np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]]
    x = Tensor(points + 0.1 * np.random.RandomState(0).randn(100, 2))
    y = Tensor(np.r_[np.zeros(50), np.ones(50)][:, None])
    random = np.random.RandomState(1)
    model = nn.Sequential(
        nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1)
    )
    gains = [2**0.5, 2**0.5, 1.0]
    for layer, gain in zip([model[0], model[2], model[4]], gains, strict=True):
        inputs, outputs = layer.in_features, layer.out_features
        layer.weight.data = (random.randn(inputs, outputs) * gain / inputs**0.5).T
        layer.bias.data = np.zeros(outputs)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    return model, optimizer, x, lambda output: F.binary_cross_entropy_with_logits(output, y)


def train(model, optimizer, x, loss, recorder, steps):
    recorder.step(model)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(x)).backward()
        optimizer.step()
        recorder.step(model)


def test_units_that_die_are_reported_at_the_step_at_which_they_died():
    model, optimizer, x, loss = dying_net()
    recorder = viz.Recorder(x, loss, every=1)
    train(model, optimizer, x, loss, recorder, 200)
    assert recorder.steps == list(range(201))
    last = recorder.looks[-1]
    assert [row.dead for row in last.report.layers] == [11, 14]
    assert last.loss == approx(0.305, abs=5e-4)
    # By hand: a unit that is off at three looks running was dead from the first of them on.
    off = np.array([look.dead[0] == 1 for look in recorder.looks])
    died = [s for s in range(199) if (off[s : s + 3].all(axis=0)).sum() > 0.1 * 16]
    first = next(
        e for e in recorder.events if (e.finding.code, e.finding.where) == ("DEAD", "0 relu")
    )
    assert first.step == died[0]
    assert "units died" in str(first)
    assert last.report.findings[0].code == "DEAD"


def test_a_unit_that_is_off_for_a_while_is_not_dead():
    x = Tensor(np.ones((4, 1)))
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    recorder = viz.Recorder(x, lambda output: output.sum() + model[0].bias.sum(), every=1)
    codes = []
    for bias in (1.0, -9.0, -9.0, 1.0, -9.0, -9.0, -9.0):
        model[0].bias.data = np.array([bias, 9.0])
        recorder.step(model)
        codes.append({f.code for f in recorder.looks[-1].report.findings} & {"DEAD", "BORN_DEAD"})
    assert codes == [set()] * 6 + [{"DEAD"}]
    assert [e.step for e in recorder.events if e.finding.code == "DEAD"] == [4]


def test_born_dead():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].bias.data = np.full(4, -100.0)
    recorder = viz.Recorder(Tensor(np.ones((5, 2))), lambda output: output.sum(), every=1)
    recorder.step(model)
    (event,) = [e for e in recorder.events if "DEAD" in e.finding.code]
    assert (event.step, event.finding.code, event.finding.severity) == (0, "BORN_DEAD", "critical")
    for _ in range(3):
        recorder.step(model)
    born, later = [e for e in recorder.events if "DEAD" in e.finding.code]
    assert (born.until, later.step, later.finding.code) == (None, 0, "DEAD")


def test_the_ratio_of_update_and_weight():
    model = nn.Sequential(nn.Linear(2, 1))
    model[0].weight.data, model[0].bias.data = np.array([[3.0, 4.0]]), np.zeros(1)
    recorder = viz.Recorder(Tensor(np.ones((1, 2))), lambda output: output.sum(), every=1)
    recorder.step(model)
    model[0].weight.data = model[0].weight.data + np.array([[0.0, 1.0]])
    recorder.step(model)
    model[0].weight.data += 1e-7  # in place
    recorder.step(model)
    _, first, second = recorder.looks
    assert first.updates == {"0.weight": approx(1 / 5)}  # the bias is 0: no ratio
    assert second.updates == {"0.weight": approx(2**0.5 * 1e-7 / 34**0.5)}
    found = [f for f in first.report.findings + second.report.findings if f.code == "UPDATE"]
    assert [(f.severity, f.threshold) for f in found] == [("warning", 1e-1), ("warning", 1e-5)]


def test_what_does_not_move_is_asked_why_and_what_is_frozen_is_not_judged():
    model = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    for p in model[1].parameters():
        p.requires_grad = False
    recorder = viz.Recorder(Tensor(np.ones((3, 2))), lambda output: output.sum(), every=1)
    recorder.step(model)
    recorder.step(model)
    found = [f for f in recorder.looks[-1].report.findings if f.code == "UPDATE"]
    assert [f.where for f in found] == ["0.weight", "0.bias"]
    assert {(f.severity, f.value, f.detail) for f in found} == {("warning", 0.0, "does not move")}
    assert "why_zero" in found[0].advice
    model[0].weight.data[0, 0] = np.nan
    recorder.step(model)
    now = {(f.code, f.where) for f in recorder.looks[-1].report.findings}
    assert ("NONFINITE", "0.weight") in now
    assert ("UPDATE", "0.weight") not in now


def test_of_one_example_nothing_is_dead():
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].bias.data = np.full(4, -50.0)
    recorder = viz.Recorder(Tensor(np.ones((1, 2))), lambda output: output.sum(), every=1)
    for _ in range(5):
        recorder.step(model)
    found = {f.code for look in recorder.looks for f in look.report.findings}
    assert "OFF" in found
    assert not found & {"DEAD", "BORN_DEAD"}


@pytest.mark.parametrize(
    "outputs",
    [[0.1, np.nextafter(0.1, 1)], [1e20, 1e20], [-1.7e308, 1.7e308], [0.0, 5e-324], [np.inf, 1.0]],
)
def test_activations_however_near_or_far_from_each_other_are_counted(outputs):
    counts, edges = distribution(np.array(outputs))
    assert counts.sum() == np.isfinite(outputs).sum()
    assert (np.diff(edges) > 0).all()
    assert viz.draw(Tensor(outputs).sum()).text()


def test_the_weights_of_a_layer_of_scalars_are_one_parameter():
    model = nn.MLP(2, [3, 1])
    recorder = viz.Recorder([[1.0, 2.0], [0.5, 0.1]], sum, every=1)
    recorder.step(model)
    for neuron in model.layers[0].neurons:
        for p in neuron.parameters():
            p.data, neuron.b.data = p.data * 1.1, 0.0
    recorder.step(model)
    assert recorder.looks[1].updates == {"layer0.w": approx(0.1), "layer1.w": 0.0}


def test_findings_begin_and_end():
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh())
    recorder = viz.Recorder(Tensor(np.linspace(-1, 1, 9)[:, None]), lambda y: y.sum(), every=1)
    for scale in (1.0, 50.0, 50.0, 1.0):
        model[0].weight.data, model[0].bias.data = np.full((8, 1), scale), np.zeros(8)
        recorder.step(model)
    (event,) = [e for e in recorder.events if e.finding.code == "SATURATED"]
    assert (event.step, event.until, event.finding.where) == (1, 3, "0 tanh")
    assert "step 1: SATURATED 0 tanh" in str(recorder)
    assert "looked 4 times, at steps 0, 1, 2, 3" in str(recorder)
    assert json.loads(json.dumps(recorder.to_dict()))["steps"] == [0, 1, 2, 3]


def data(n=320, batch=64, inputs=20, classes=5):
    random = np.random.RandomState(0)
    dataset = nn.data.TensorDataset(random.randn(n, inputs), random.randint(0, classes, n))
    return nn.data.DataLoader(dataset, batch_size=batch, shuffle=True)


def run(callbacks, epochs=3, **sizes):
    engine.manual_seed(0)
    loader = data(**sizes)
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    nn.fit(model, loader, F.cross_entropy, optimizer, epochs=epochs, callbacks=callbacks)
    return model


def test_as_a_callback_it_watches_and_changes_nothing():
    recorder = viz.Recorder(every=4)
    watched, alone = run([recorder]), run([])
    assert recorder.steps == [0, 4, 8, 12]
    assert recorder.looks[0].report.layers[0].examples == 256
    for one, other in zip(watched.parameters(), alone.parameters(), strict=True):
        assert (one.data == other.data).all()
    assert watched.training


def test_without_being_told_it_looks_as_often_as_is_cheap():
    recorder = viz.Recorder()
    start = time.perf_counter()
    run([recorder], epochs=60)
    whole = time.perf_counter() - start
    # A look may come when so far 5 % went to looking; the last one may go beyond that.
    looking, steps = recorder._looking, recorder.steps
    assert steps[0] == 0
    assert looking < 0.1 * whole + 2 * looking / len(steps)
    assert f"looked {len(steps)} times" in str(recorder)


def test_batches_in_a_list_are_read_and_a_generator_is_left_alone():
    batches = list(data())
    recorder = viz.Recorder(every=5)
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    nn.fit(model, batches, F.cross_entropy, optimizer, epochs=1, callbacks=[recorder])
    assert recorder.steps == [0, 5]
    with pytest.raises(TypeError, match="generator is not read ahead"):
        nn.fit(model, (b for b in batches), F.cross_entropy, optimizer, epochs=1,
               callbacks=[viz.Recorder()])  # fmt: skip


def test_a_checkpoint_goes_on_counting(tmp_path):
    first, again = viz.Recorder(every=5), viz.Recorder(every=5)
    run([first, nn.Checkpoint(tmp_path / "saved.safetensors")], epochs=2)
    run([again, nn.Checkpoint(tmp_path / "saved.safetensors")], epochs=4)
    assert first.steps == [0, 5, 10]
    assert again.steps[-1] == 20


def test_a_second_training_counts_on():
    recorder, batches = viz.Recorder(every=5), list(data())
    model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        nn.fit(model, batches, F.cross_entropy, optimizer, epochs=1, callbacks=[recorder])
    assert recorder.steps == [0, 5, 10, 15]
    assert all(recorder.looks[-1].updates.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": 1}, "give both, or neither"),
        ({"every": 0}, "1 step or more"),
        ({"every": 2.5}, "float"),
        ({"dead_patience": 0}, "1 look or more"),
    ],
)
def test_arguments_that_cannot_be_meant(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        viz.Recorder(**arguments)


def test_outside_fit_it_needs_a_probe():
    with pytest.raises(TypeError, match="give it x and loss"):
        viz.Recorder().step(nn.Sequential(nn.Linear(1, 1)))
