"""Each lesson prints its numbers, and its pictures show the same."""

import re
import sys

import pytest

import nn
import viz.render
from demos import LESSONS, SCRIPTS, moons
from demos.__main__ import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a demo; what it printed, and its pictures by name as text, not laid out."""
    monkeypatch.setattr(viz.render, "render", lambda dot, *_, **__: dot.encode())

    def run(*arguments):
        assert main([*arguments, "--out", str(tmp_path)]) == 0
        out, err = capsys.readouterr()
        assert err == ""  # no progress bar in a pipe
        return out, {path.stem: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}

    return run


@pytest.mark.parametrize(
    ("lesson", "printed", "drawn"),
    [
        ("circuit", "f = -12.0", {"circuit": "−12", "circuit-patterns": "grad −8"}),
        ("neuron", "f = 0.7310586", {"neuron": "0.1966", "neuron-expanded": "grad −0.3932"}),
        ("staged", "df/dx = 2.0595697956", {"staged": "grad +2.06 = "}),
        ("tanh_neuron", "do/dx1 = -1.5", {"tanh_neuron": "−1.5", "tanh_neuron-expanded": "−1.5"}),
        ("paths", "de/db = 5.0", {"paths": "grad +5 = 2 + 3"}),
        ("reuse", "naive recursion 8.0, in order 4.0", {"reuse": "grad −8 = −2 − 6"}),
        ("vanishing", "0.0004861", {"vanishing": "+0.0004861", "exploding": "+3.906e+05"}),
        (
            "slow_start",
            "dloss/dz = 0.017345",
            {"slow_start": "0.01735", "slow_start-cured": "0.982"},
        ),
        ("softmax", "loss = 0.417030", {"softmax": "grad −0.341", "softmax-tensor": "0.417"}),
        (
            "outlier",
            "slope found: 4.73\nl1_loss    slope found: 2.00\nhuber_loss slope found: 2.17",
            {
                "outlier-mse_loss": "grad −60",
                "outlier-l1_loss": "grad −1",
                "outlier-huber_loss": "grad −1",
            },
        ),
        ("dead_relu", "ReLU at 5: loss 0.305", {"dead_relu": "DEAD 11/16"}),
        ("dead_bias", "bias  -3: dead 13/16, 16/16", {"dead_bias": "DEAD 16/16"}),
        (
            "mazur",
            (
                "E = 0.298371109, dE/dw5 = 0.082167041, dE/dw1 = 0.000438568\n"
                "E = 0.291027774 after 1 steps\nE = 0.000035102 after 10000 steps\n"
                "outputs: [0.015914, 0.984064]\n"
            ),
            {"mazur": "0.0004386"},
        ),
    ],
)
def test_lesson_prints_its_number_and_draws_it(run, lesson, printed, drawn):
    out, pictures = run(lesson)
    assert printed in out
    assert pictures.keys() == drawn.keys()
    for name, number in drawn.items():
        assert number in pictures[name]


def test_every_lesson_is_tested():
    (parametrize,) = test_lesson_prints_its_number_and_draws_it.pytestmark
    assert {lesson for lesson, *_ in parametrize.args[1]} | {
        "compare",
        "digit_nets",
        "gallery",
    } == set(LESSONS)


def test_lesson_of_reuse_draws_the_backward_pass_step_by_step(run, tmp_path):
    run("reuse")
    steps = sorted(path.name for path in (tmp_path / "reuse-steps").iterdir())
    assert steps == [f"step-{n:02}.svg" for n in range(5)]  # the root, then four edges


def test_slow_start_takes_as_many_epochs_as_nielsen_found(run):
    out, _ = run("slow_start")
    assert re.findall(r"after (\d+) epochs, a = (\S+)", out) == [
        ("36", "0.0940"), ("232", "0.2028"), ("8", "0.0116"), ("17", "0.0120"),
    ]  # fmt: skip


def test_the_main_job_trains_compares_and_draws(run):
    pytest.importorskip("sklearn")
    out, pictures = run()
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    table = {(name, rate): rest for name, rate, *rest in rows[1:14]}
    assert table["moons 2-16-16-1 ReLU", "1"][:3] == ["0.00353", "1.00", "0/16 0/16"]
    assert table["moons 2-16-16-1 ReLU", "5"][:3] == ["0.305", "0.88", "11/16 14/16"]
    assert "DEAD" in table["moons 2-16-16-1 ReLU", "5"][-1]
    assert table["moons 2-16-16-1 LeakyReLU", "5"][1:3] == ["1.00", "0/16 0/16"]
    assert "SATURATED" in table["moons 2-16-16-1 Sigmoid", "50"][-1]
    assert float(table["digits 64-32-10 ReLU", "0.5"][1]) >= 0.95
    assert "0.1966" in pictures["neuron-sigmoid"]
    assert "SATURATED" in pictures["neuron-saturated"]
    assert "DEAD" in pictures["neuron-dead"]
    assert "DEAD" not in pictures["net-healthy"]
    assert "DEAD 14/16" in pictures["net-dead"]


def test_without_scikit_learn_the_main_job_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert main(["--out", str(tmp_path)]) == 1
    assert 'pip install "ebbgrad[demos]"' in capsys.readouterr().err


def test_without_a_renderer_a_demo_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(viz.render, "_candidates", lambda renderer: iter(()))
    assert main(["circuit", "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "f = -12.0" in out
    assert "pip install pygraphviz" in err


def test_list_names_every_lesson_with_a_line(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(LESSONS + SCRIPTS)
    assert all(len(line.split()) > 3 and line.endswith(".") for line in lines)


def test_unknown_lesson_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["nosuch"])
    assert stop.value.code == 2
    assert "circuit" in capsys.readouterr().err


def test_the_moons_net_is_the_same_in_every_run():
    first, again = moons.net(nn.ReLU, bias=-1), moons.net(nn.ReLU, bias=-1)
    assert [p.tolist() for p in first.parameters()] == [p.tolist() for p in again.parameters()]
    assert set(first[0].bias.tolist()) == {-1.0}
    assert first[4].bias.tolist() == [0.0]
