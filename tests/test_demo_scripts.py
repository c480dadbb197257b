"""The scripts that were written for Keras, PyTorch and NumPy keep what they promise here; the nets
that read digits are as good as they should be."""

import math
import re
import runpy
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import engine
import nn
from demos import SCRIPTS
from demos.__main__ import main


@pytest.fixture
def run(capsys):
    """Run a script with a seed; its names, and what it printed."""

    def run(name, seed=0):
        engine.manual_seed(seed)
        np.random.seed(seed)
        names = runpy.run_module(f"demos.{name}", run_name="__main__")
        out, err = capsys.readouterr()
        assert err == ""
        return names, out

    return run


def test_every_script_runs_by_its_name(tmp_path, capsys):
    for name in SCRIPTS:
        assert main([name, "--out", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert out
        assert "pictures" not in out
        assert err == ""
    assert list(tmp_path.iterdir()) == []


# --- PyTorch: the imports changed, and nothing else ------------------------------------------------


def original(name):
    """The script with the imports that stand in its comments, instead of its own."""
    source = Path(find_spec(f"demos.{name}").origin).read_text(encoding="utf-8")
    ours = r"((?:# import torch.*\n)+)((?:import|from) (?:engine|nn).*\n)+"
    script, changes = re.subn(ours, lambda m: m[1].replace("# ", ""), source)
    assert changes == 1
    assert not re.search(r"\b(engine|from nn|import nn)\b", script)
    return script


@pytest.fixture
def torch(monkeypatch):
    """PyTorch in double precision, with our random numbers for its data and its first weights."""
    torch = pytest.importorskip("torch")

    def from_ours(draw):
        return lambda *arguments: torch.tensor(draw(*arguments).data)

    def start(layer):
        ours = nn.Linear(layer.in_features, layer.out_features).state_dict()
        layer.load_state_dict({name: torch.tensor(array) for name, array in ours.items()})

    monkeypatch.setattr(torch, "randn", from_ours(engine.randn))
    monkeypatch.setattr(torch, "randint", from_ours(engine.randint))
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", start)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["script_line", "script_classes", "script_step"])
def test_a_pytorch_script_prints_what_pytorch_prints(name, run, torch, tmp_path, capsys):
    _, printed = run(name, seed=3)
    engine.manual_seed(3)
    script = tmp_path / "script.py"
    script.write_text(original(name))
    runpy.run_path(str(script))
    assert capsys.readouterr().out == printed
    assert len(printed.splitlines()) >= 5


def test_the_line_that_made_the_points_is_found(run):
    names, out = run("script_line")
    x, y = names["x"].data, names["y"].data
    w, b = np.linalg.lstsq(np.column_stack([x, np.ones(100)]), y[:, 0], rcond=None)[0]
    linear = names["model"].linear
    assert math.isclose(linear.weight.item(), w, rel_tol=1e-6)
    assert math.isclose(linear.bias.item(), b, rel_tol=1e-6)
    assert abs(w - 2) < 0.1
    assert abs(b - 3) < 0.4
    assert f"linear.weight: {w:.4f}\nlinear.bias: {b:.4f}\n" in out


def test_random_labels_are_learnt_a_little_better_than_guessed(run):
    names, out = run("script_classes")
    p = names["model"](names["x"]).data
    accuracy = ((p > 0.5) == names["y"].data).mean()
    assert f"Accuracy: {accuracy:.2f}" in out
    assert accuracy > 0.5
    losses = [float(number) for number in re.findall(r"Loss: (\S+)", out)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < math.log(2)


def test_one_step_goes_down_and_the_activations_are_those_of_numpy(run):
    names, out = run("script_step")
    before, after = map(float, re.search(r"Loss: (\S+), after the step: (\S+)", out).groups())
    assert after < before
    x = names["x"].data
    np.testing.assert_allclose(names["sigmoid"].data, 1 / (1 + np.exp(-x)), rtol=1e-14)
    np.testing.assert_allclose(names["tanh"].data, np.tanh(x), rtol=1e-14)
    np.testing.assert_array_equal(names["relu"].data, np.maximum(x, 0))
    np.testing.assert_array_equal(names["leaky_relu"].data, np.maximum(x, 0.01 * x))


# --- Keras and NumPy -------------------------------------------------------------------------------


def test_the_keras_script_trains_ten_epochs_of_four_batches_with_adam(run):
    names, out = run("script_keras")
    history, model = names["history"], names["model"]
    assert len(history["loss"]) == len(history["accuracy"]) == 10
    assert history["loss"][-1] < history["loss"][0]
    optimizer = names["optimizer"]
    assert {state["step"] for state in optimizer.state.values()} == {40}
    assert optimizer.param_groups[0]["lr"] == 0.01
    w0, b0, w1, b1 = model.state_dict().values()
    z = np.maximum(names["X"] @ w0.T + b0, 0) @ w1.T + b1
    p = 1 / (1 + np.exp(-z))
    y = names["y"]
    loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    accuracy = ((p > 0.5) == y).mean()
    assert out == f"loss = {loss:.4f}, accuracy = {accuracy:.2f}\n"


def test_the_numpy_script_differentiates_to_what_it_derives_by_hand(run):
    names, out = run("script_numpy")
    assert len(names["differences"]) == 7
    assert max(names["differences"]) < 1e-15
    assert "the maximum of equals: slope 0.5" in out
    source = Path(find_spec("demos.script_numpy").origin).read_text(encoding="utf-8")
    formulas = source.split("# What follows is new")[0]
    assert re.findall(r"^(?:import|from) .*", formulas, re.MULTILINE) == ["import numpy as np"]


# --- digits ----------------------------------------------------------------------------------------


@pytest.fixture
def digit_nets():
    pytest.importorskip("sklearn")
    from demos import digit_nets

    return digit_nets


def test_a_split_has_a_fifth_of_every_digit(digit_nets):
    train, labels, test, test_labels = digit_nets.split(0)
    assert len(train) + len(test) == 1797
    kept = np.bincount(test_labels) / (np.bincount(labels) + np.bincount(test_labels))
    np.testing.assert_allclose(kept, 0.2, atol=0.01)


def test_a_dense_net_reads_97_percent_of_digits_on_the_mean_of_five_splits(digit_nets):
    # Eight epochs instead of the demo's thirty are enough for it.
    accuracies = [digit_nets.train(digit_nets.dense, seed, epochs=8)[1] for seed in range(5)]
    assert np.mean(accuracies) >= 0.97


def test_a_convolutional_net_reads_95_percent_after_three_epochs(digit_nets):
    # The demo trains twelve, on each of five splits, and finds a mean of 98.7 percent.
    _, accuracy = digit_nets.train(digit_nets.convolutional, 0, epochs=3)
    assert accuracy >= 0.95
