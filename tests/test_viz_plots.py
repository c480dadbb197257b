"""Plots: each returns its Axes, and shows the numbers that it was given."""

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
approx = pytest.approx


@pytest.fixture(autouse=True)
def _closed():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def recorder():
    engine.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))
    model[0].bias.data = np.array([0.0, 0.0, -50.0, 0.0, 0.0, 0.0])
    x, y = Tensor(np.random.RandomState(0).randn(40, 2)), np.ones((40, 1))
    optimizer = nn.optim.SGD(model.parameters(), lr=0.05)
    recorder = viz.Recorder(x, lambda output: ((output - y) ** 2).mean(), every=2)
    recorder.step(model)
    for _ in range(8):
        optimizer.zero_grad()
        recorder.loss(model(x)).backward()
        optimizer.step()
        recorder.step(model)
    return recorder


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines()}


def drawn(ax):
    ax.figure.canvas.draw()
    return ax


def test_history_has_losses_left_and_shares_right():
    history = {"loss": [1.0, 0.1], "val_loss": [2.0, 0.5], "accuracy": [0.5, 0.9]}
    ax = drawn(viz.plot_history(history))
    assert list(lines(ax)["val_loss"].get_ydata()) == [2.0, 0.5]
    assert list(lines(ax)["loss"].get_xdata()) == [1, 2]
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(history)


@pytest.mark.filterwarnings("ignore:Glyph")  # DejaVu has no Chinese and no emoji
@pytest.mark.parametrize(
    "name",
    ["<script>", "a|b{c}", '"\\', "<lambda> <map>", "中文 🙂 ٣", "$x_{$", "$\\frac$", "x" * 10_000],
)
def test_names_are_text_and_no_formulas(name):
    ax = drawn(viz.plot_history({name: [1.0, 2.0]}))
    (shown,) = ax.get_legend().get_texts()
    assert shown.get_text().replace("\\$", "$").rstrip("…") == name[:23]


def test_gradient_flow_shows_each_layer_and_says_when_it_looked(recorder):
    ax = drawn(viz.plot_gradient_flow(recorder))
    found = lines(ax)["0 relu"]
    assert list(found.get_xdata()) == recorder.steps == [0, 2, 4, 6, 8]
    expected = [look.report.layers[0].grad_rms for look in recorder.looks]
    assert list(found.get_ydata()) == approx(expected)
    assert "looked 5 times, at steps 0, 2, 4, 6, 8" in ax.get_xlabel()


def test_units_show_what_is_dead(recorder):
    ax = drawn(viz.plot_units(recorder, "0 relu"))
    shares, dead = (np.ma.filled(image.get_array(), np.nan) for image in ax.get_images())
    assert shares.shape == (6, 5)
    assert np.argwhere(dead[:, -1] == 1).tolist() == [[2]]
    assert "1 of 6 at last" in ax.get_title(loc="left")
    with pytest.raises(KeyError, match="no layer is called 'first'; there is '0 relu', '2 tanh'"):
        viz.plot_units(recorder, "first")


def test_updates_and_activations(recorder):
    ax = drawn(viz.plot_updates(recorder))
    ratios = [look.updates["0.weight"] for look in recorder.looks[1:]]
    assert list(lines(ax)["0.weight"].get_ydata())[1:] == approx(ratios)
    ax = drawn(viz.plot_activations(recorder, "2 tanh"))
    (image,) = ax.get_images()
    shares = 10 ** np.asarray(image.get_array()) - 1e-4
    assert shares.sum(axis=0) == approx(np.ones(5), abs=1e-6)


def test_a_boundary_is_where_the_sign_changes():
    x = np.random.RandomState(0).randn(30, 2)
    ax = drawn(viz.plot_decision_boundary(lambda z: z[:, :1] - 0.25, x, x[:, 0] > 0.25))
    (boundary,) = [c for c in ax.collections if len(c.get_facecolor()) == 0]
    path = boundary.get_paths()[0].vertices
    assert path[:, 0] == approx(np.full(len(path), 0.25), abs=1e-6)
    drawn(viz.plot_decision_boundary(lambda z: engine.cat([z, -z], 1), x, np.arange(30) % 3))
    with pytest.raises(ValueError, match=r"expected \(N, 2\)"):
        viz.plot_decision_boundary(lambda z: z, np.ones((3, 3)), np.ones(3))


def test_every_plot_draws_into_axes_that_it_is_given(recorder):
    _, axes = matplotlib.pyplot.subplots(6)
    assert viz.plot_history({"loss": [1.0]}, ax=axes[0]) is axes[0]
    assert viz.plot_gradient_flow(recorder, ax=axes[1]) is axes[1]
    assert viz.plot_units(recorder, "0 relu", ax=axes[2]) is axes[2]
    assert viz.plot_updates(recorder, ax=axes[3]) is axes[3]
    assert viz.plot_activations(recorder, "0 relu", ax=axes[4]) is axes[4]
    assert viz.plot_activation(engine.tanh, ax=axes[5]) is axes[5]


def test_a_recorder_that_has_not_looked_says_so():
    for plot in (viz.plot_gradient_flow, viz.plot_updates):
        with pytest.raises(ValueError, match="has not looked yet"):
            plot(viz.Recorder())
    for plot in (viz.plot_units, viz.plot_activations):
        with pytest.raises(ValueError, match="has not looked yet"):
            plot(viz.Recorder(), "0 relu")


# ------------------------------------------------------------------ one activation


@pytest.mark.parametrize(
    ("f", "low", "high", "monotone", "centred", "flat", "largest", "jumps", "kinks"),
    [
        (engine.relu, 0, np.inf, "increasing", False, 0.5, 1, (), (0,)),
        (engine.sigmoid, 0, 1, "increasing", False, 0, 0.25, (), ()),
        (engine.tanh, -1, 1, "increasing", True, 0, 1, (), ()),
        (engine.floor, -np.inf, np.inf, "increasing", False, 1, 0, tuple(range(-9, 11)), ()),
        (lambda x: -x, -np.inf, np.inf, "decreasing", True, 0, 1, (), ()),
        (lambda x: x * x.sigmoid(), -0.2785, np.inf, "no", False, 0, 1.0998, (), ()),
        (lambda x: x.clamp(-1.5, 1.5), -1.5, 1.5, "increasing", True, 0.85, 1, (), (-1.5, 1.5)),
    ],
)
def test_describe_activation(f, low, high, monotone, centred, flat, largest, jumps, kinks):
    told = viz.describe_activation(f)
    assert (told.low, told.high) == (approx(low, abs=1e-3), approx(high, abs=1e-3))
    assert (told.monotone, told.zero_centred) == (monotone, centred)
    assert told.flat == approx(flat, abs=2e-3)
    assert told.largest_slope == approx(largest, abs=1e-4)
    assert told.kinks == kinks
    assert told.jumps == jumps
    assert told.smooth == (not jumps and not kinks)
    assert told.is_right


def test_the_saturated_share_is_that_of_the_formula():
    # tanh: 1 − tanh² < 0.05 beyond 2.178; sigmoid beyond 4.357.
    assert viz.describe_activation(engine.tanh).saturated == approx(1 - 2.178 / 10, abs=1e-3)
    assert viz.describe_activation(engine.sigmoid).saturated == approx(1 - 0.4357, abs=1e-3)


def test_a_wrong_slope_is_found_and_shown():
    wrong = engine.elementwise("wrong", lambda m, x: m.tanh(x), lambda m, x, y: 1 - y)
    told = viz.describe_activation(wrong)
    assert not told.is_right
    assert "gradient check  WRONG" in str(told)
    assert "WRONG" in drawn(viz.plot_activation(wrong)).get_title(loc="left")


def test_a_function_must_keep_the_shape():
    with pytest.raises(TypeError, match="one of the same shape"):
        viz.describe_activation(lambda x: x.sum())


def test_an_activation_is_shaded_where_its_slope_is_lost():
    labels = [c.get_label() for c in drawn(viz.plot_activation(engine.relu)).collections]
    assert labels == ["slope exactly 0"]
    (shade,) = viz.plot_activation(engine.sigmoid).collections
    assert "saturated" in shade.get_label()
    inner = max(
        path.vertices[:, 0].max() for path in shade.get_paths() if path.vertices[:, 0].min() < 0
    )
    assert inner == approx(-4.357, abs=0.01)
