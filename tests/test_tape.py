"""`Tape`: a replay gives what building the graph again would give, for whatever data."""

import gc
import math
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import nn
import viz
from engine import Tape, Tensor, Value
from engine.backprop import check_fresh, order
from nn import functional as F

RNG = np.random.default_rng(0)


def eagerly(build, leaves):
    """The loss of the graph built anew from the leaves' present data, and their gradients."""
    before = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    loss = build()
    loss.backward()
    gradients = [leaf.grad for leaf in leaves]
    for leaf, gradient in zip(leaves, before, strict=True):
        leaf.grad = gradient
    return float(loss.data), gradients


def assert_same(tape, build, leaves, rtol=1e-12):
    """One replay against one eager pass: the loss and every gradient."""
    loss = tape.replay()
    expected, gradients = eagerly(build, leaves)
    assert loss.__class__ is float
    np.testing.assert_allclose(loss, expected, rtol=rtol)
    for leaf, gradient in zip(leaves, gradients, strict=True):
        if gradient is None:
            assert leaf.grad is None
        else:
            assert type(leaf.grad) is type(gradient)
            assert np.shape(leaf.grad) == np.shape(gradient)
            np.testing.assert_allclose(leaf.grad, gradient, rtol=rtol, atol=1e-14)


def leaf(array, label=""):
    return Tensor(array, requires_grad=True, label=label)


# --- Values -------------------------------------------------------------------------------------

FORMULAS = {
    "one node": lambda a, b, c: a.tanh(),
    "a constant operand": lambda a, b, c: 2 * a - 1 / b + (3 - c) ** 2,
    "a repeated operand": lambda a, b, c: a * a + b / b - c**c,
    "fan-out": lambda a, b, c: (a * b) * (a + b) * (a * b + c) + (a * b),
    "an unused leaf": lambda a, b, c: a * c,
    "kinks": lambda a, b, c: a.relu() + abs(b - c) + engine.maximum(a, b) + c.clamp(0.1, 0.5),
    "functions": lambda a, b, c: (a.exp() + b.log() * c.sqrt()).sigmoid() + (a * b).sin(),
    "a parameter": lambda a, b, c: a**3 + b**0.5 + c**-1 + engine.leaky_relu(a, 0.2),
    "all": lambda a, b, c: sum((a * i + b).tanh() * (c - i) for i in range(10)),
    "a detached operand": lambda a, b, c: a * b.detach() + c,
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_values_for_other_data(formula):
    a, b, c = leaves = [Value(0.7, "a"), Value(1.3, "b"), Value(0.4, "c")]
    constant = formula is FORMULAS["a detached operand"]
    tape = Tape(formula(a, b, c))
    for numbers in [(0.7, 1.3, 0.4), (0.2, 0.3, 0.9), (1.4, 0.2, 2.5)]:
        for x, number in zip(leaves, numbers, strict=True):
            if not (constant and x is b):
                x.data = number
        assert_same(tape, lambda: formula(a, b, c), leaves)


def test_a_net_of_values_trains_as_it_does_eagerly():
    x = RNG.uniform(-1, 1, (20, 2))
    y = np.where(x[:, 0] > x[:, 1], 1, -1)

    def training(replayed):
        engine.manual_seed(0)
        model = nn.MLP(2, [8, 8, 1])
        optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

        def build():
            scores = [model(list(map(Value, row))) for row in x]
            return sum((1 - float(t) * s).relu() for t, s in zip(y, scores, strict=True)) / 20

        losses = []
        tape = Tape(build()) if replayed else None
        for _ in range(30):
            if tape:
                losses.append(tape.replay())
            else:
                optimizer.zero_grad()
                loss = build()
                loss.backward()
                losses.append(loss.data)
            optimizer.step()
        return losses

    eager = training(replayed=False)
    assert eager[-1] < 0.6 * eager[0]
    np.testing.assert_allclose(training(replayed=True), eager, rtol=1e-12)


def test_a_deep_chain_of_values():
    x = y = Value(0.5)
    for _ in range(5_000):
        y = y + 2e-5
    tape = Tape(y * x)
    x.data = 2.0
    assert math.isclose(tape.replay(), 2 * 2.1)
    assert math.isclose(x.grad, 2 + 2.1)


def test_y_plus_y_a_hundred_times():
    x = y = Value(1.0)
    for _ in range(100):
        y = y + y
    tape = Tape(y)
    x.data = 3.0
    assert tape.replay() == 3 * 2.0**100
    assert x.grad == 2.0**100


UNARY = [lambda x: x.tanh(), lambda x: x.relu(), lambda x: -x, lambda x: x * x, lambda x: x / 2]
BINARY = [lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, engine.maximum]
steps = st.tuples(st.integers(0, 8), st.integers(0, 99), st.integers(0, 99))
numbers = st.lists(st.floats(-2, 2), min_size=3, max_size=3)


@given(st.lists(steps, min_size=1, max_size=40), numbers, numbers)
def test_random_graphs_of_values_and_tensors(program, first, second):
    def build(leaves):
        nodes = list(leaves)
        for what, i, j in program:
            x, y = nodes[i % len(nodes)], nodes[j % len(nodes)]
            nodes.append((UNARY[what](x) if what < 5 else BINARY[what - 5](x, y)) * 0.5)
        return nodes[-1] if isinstance(leaves[0], Value) else nodes[-1].sum()

    for make in (Value, lambda x: leaf([x, -x])):
        leaves = [make(x) for x in first]
        tape = Tape(build(leaves))
        for x, number in zip(leaves, second, strict=True):
            x.data = make(number).data
        assert_same(tape, lambda leaves=leaves: build(leaves), leaves)


# --- zero, inf, nan -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0.0, -1.0, math.inf, -math.inf, math.nan, 1e308])
@pytest.mark.parametrize(
    "formula",
    [
        lambda x, w: w * x.log() + w,
        lambda x, w: engine.where(False, x.sqrt(), w) + w,
        lambda x, w: (w * 0.0) * (1 / x),
        lambda x, w: (x / w).relu() - x**0.5,
        lambda x, w: (w - w) * x.exp() + w,
    ],
)
def test_zero_upstream_wins_and_the_rest_is_what_it_is_eagerly(formula, number):
    x, w = Value(1.0), Value(0.0)
    tape = Tape(formula(x, w))
    x.data = number
    assert_same(tape, lambda: formula(x, w), [x, w])


def test_zero_upstream_wins_on_tensors():
    x, w = leaf([4.0, 1.0]), leaf([1.0, 1.0])
    tape = Tape((w * x.sqrt()).sum())
    x.data = np.array([0.0, 4.0])
    w.data = np.array([0.0, 1.0])
    tape.replay()
    assert x.grad.tolist() == [0.0, 0.25]


# --- Tensors ------------------------------------------------------------------------------------


def network(kind):
    """A network, a batch, labels, and how they make a loss."""
    engine.manual_seed(1)
    if kind == "classes":
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        return model, RNG.normal(size=(6, 4)), np.arange(6) % 3, F.cross_entropy
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    return model, RNG.normal(size=(6, 4)), RNG.normal(size=(6, 1)), F.mse_loss


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_parameters_batches_and_labels_may_change(kind):
    model, x, y, loss = network(kind)
    batch, labels = engine.tensor(x), engine.tensor(y)
    parameters = list(model.parameters())

    def build():
        return loss(model(batch), labels)

    tape = Tape(build())
    assert_same(tape, build, parameters)
    batch.data = RNG.normal(size=x.shape)  # rebound
    assert_same(tape, build, parameters)
    batch.data[...] = RNG.normal(size=x.shape)  # in place
    assert_same(tape, build, parameters)
    labels.data = labels.data[::-1]
    assert_same(tape, build, parameters)
    parameters[0].data += 1
    parameters[1].data = parameters[1].data * 2
    assert_same(tape, build, parameters)
    assert set(tape.leaves) == {batch, labels, *parameters}


@pytest.mark.parametrize("optimizer", [nn.optim.SGD, nn.optim.Adam])
def test_training_by_replay_is_training(optimizer):
    histories = []
    for replayed in (False, True):
        model, x, y, loss = network("numbers")
        x, y = np.sin(np.arange(24.0)).reshape(6, 4), np.cos(np.arange(6.0)).reshape(6, 1)
        steps = optimizer(model.parameters(), lr=0.05)
        tape = Tape(loss(model(x), y)) if replayed else None
        history = []
        for _ in range(20):
            if tape:
                history.append(tape.replay())
            else:
                steps.zero_grad()
                value = loss(model(x), y)
                value.backward()
                history.append(value.item())
            steps.step()
        histories.append(history)
    assert histories[0][-1] < histories[0][0]
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-12)


def _weights(*shape):
    return Tensor(np.random.default_rng(3).normal(size=shape))


# What looks at the data to decide where a gradient goes must look again at each replay.
LOOKING = {
    "max over a dimension": lambda x: (x.max(dim=1).values * _weights(4)).sum(),
    "min over a dimension": lambda x: (x.min(dim=0).values * _weights(6)).sum(),
    "amax": lambda x: (x.amax(dim=1) * _weights(4)).sum(),
    "max of all": lambda x: x.max(),
    "maximum": lambda x: (engine.maximum(x, 0.3) * _weights(4, 6)).sum(),
    "clamp": lambda x: (x.clamp(-0.5, 0.5) * _weights(4, 6)).sum(),
    "relu": lambda x: (x.relu() * _weights(4, 6)).sum(),
    "prod": lambda x: x.prod(dim=1).sum(),
    "norm": lambda x: x.norm(p=math.inf),
    "std": lambda x: x.std(dim=0).sum(),
    "softmax": lambda x: (x.softmax(dim=1) * _weights(4, 6)).sum(),
    "logsumexp": lambda x: x.logsumexp(dim=1).sum(),
    "index": lambda x: (x[[0, 1, 1]] * _weights(3, 6)).sum(),
    "cross_entropy": lambda x: F.cross_entropy(x, engine.tensor([0, 5, 2, 2])),
    "cross_entropy, weighted": lambda x: F.cross_entropy(
        x, engine.tensor([0, 5, -100, 2]), _weights(6) ** 2, label_smoothing=0.1
    ),
    "nll_loss": lambda x: F.nll_loss(x.log_softmax(dim=1), engine.tensor([0, 5, 2, 2])),
    "huber_loss": lambda x: F.huber_loss(x, _weights(4, 6), delta=0.5),
    "max_pool2d": lambda x: (F.max_pool2d(x.reshape(1, 1, 4, 6), 2) * _weights(2, 3)).sum(),
    "max_pool1d": lambda x: (F.max_pool1d(x.reshape(1, 4, 6), 2) * _weights(4, 3)).sum(),
    "layer_norm": lambda x: (F.layer_norm(x, (6,)) * _weights(4, 6)).sum(),
    "batch_norm": lambda x: (F.batch_norm(x, None, None, training=True) * _weights(4, 6)).sum(),
    "a shared result": lambda x: (x @ x.T + (x @ x.T) ** 2).tanh().sum(),
}


@pytest.mark.parametrize("build", LOOKING.values(), ids=LOOKING)
def test_what_looks_at_the_data_looks_again(build):
    x = leaf(RNG.normal(size=(4, 6)))
    tape = Tape(build(x))
    for _ in range(3):
        x.data = RNG.normal(size=(4, 6))
        assert_same(tape, lambda: build(x), [x])


def test_classes_are_read_again_and_checked_again():
    x, target = leaf(RNG.normal(size=(4, 3))), engine.tensor([0, 1, 2, 0])
    for loss in (
        lambda: F.cross_entropy(x, target),
        lambda: F.cross_entropy(x, target, ignore_index=1, label_smoothing=0.2),
        lambda: F.nll_loss(x, target, Tensor([1.0, 2.0, 3.0])),
        lambda: F.log_loss(x.softmax(1), target),
    ):
        target.data = np.array([0, 1, 2, 0])
        tape = Tape(loss())
        target.data = np.array([2, 2, 1, 1])
        assert_same(tape, loss, [x])
        target.data = np.array([2, 2, 3, 1])
        with pytest.raises(IndexError, match="target 3 is no class of 0 to 2"):
            tape.replay()


def test_single_precision_stays_single():
    w, x = leaf(np.float32([[1.0, 2.0]]), "w"), Tensor(np.float32([[3.0], [4.0]]))
    tape = Tape(2.0 * (w @ x).sum() + 1)
    x.data = np.float32([[5.0], [6.0]])
    assert tape.replay() == 2 * (5 + 12) + 1
    assert w.grad.dtype == np.float32
    assert w.grad.tolist() == [[10.0, 12.0]]


# --- what a replay does to the nodes ------------------------------------------------------------


def test_gradients_are_overwritten_not_added_to():
    a, w = Value(3.0), leaf([2.0])
    of_a, of_w = Tape(a * a), Tape((w * w).sum())
    for _ in range(3):
        of_a.replay()
        of_w.replay()
        assert a.grad == 6.0
        assert w.grad.tolist() == [4.0]


def test_gradients_of_two_replays_are_two_arrays():
    w = leaf([1.0, 2.0])
    tape = Tape(w.sum())
    tape.replay()
    first = w.grad
    first *= 100
    tape.replay()
    assert w.grad.tolist() == [1.0, 1.0]
    assert first.tolist() == [100.0, 100.0]


@pytest.mark.parametrize("kind", [Value, leaf])
def test_sync_makes_the_nodes_those_of_an_eager_graph(kind):
    a, b = kind(0.3), kind(1.7)
    a.label, b.label = "a", "b"

    def build():
        return ((a * b + 0.25).tanh() * a.exp() + engine.relu(b - 2)).sigmoid()

    loss = build()
    tape = Tape(loss)
    a.data, b.data = kind(-1.1).data, kind(2.9).data
    tape.replay()
    tape.sync()
    nodes = order(loss)
    eager = build()
    a.grad = b.grad = None
    eager.backward()
    for ours, theirs in zip(nodes, order(eager), strict=True):
        assert ours.op == theirs.op
        assert ours.data == theirs.data
        assert ours.grad == theirs.grad
        for index, _ in ours.active:
            assert ours.local(index) == theirs.local(index)
    check_fresh(nodes)
    assert viz.draw(loss).dot == viz.draw(eager).dot


def test_drawing_after_replay_step_and_sync():
    w = Value(2.0, "w")
    optimizer = nn.optim.SGD([w], lr=0.1)
    loss = w * w
    tape = Tape(loss)
    tape.replay()
    optimizer.step()
    with pytest.raises(RuntimeError, match="w changed after this graph was built"):
        viz.draw(loss)
    tape.sync()
    viz.draw(loss)
    assert (w.data, w.grad, loss.data) == (1.6, 3.2, 1.6 * 1.6)


def test_a_replay_leaves_the_graph_as_it_is_until_sync():
    w = leaf([2.0, 3.0])
    squares = w**2
    loss = squares.sum()
    other = (squares * squares).sum()  # a graph that shares a node with the tape's
    tape = Tape(loss)
    w.data = np.array([1.0, -1.0])
    assert tape.replay() == 2.0
    assert squares.tolist() == [4.0, 9.0]
    assert squares.grad is None
    w.grad = None
    other.backward()
    assert w.grad.tolist() == [4 * 2.0**3, 4 * 3.0**3]
    tape.sync()
    assert (squares.tolist(), squares.grad.tolist(), loss.item()) == ([1.0, 1.0], [1.0, 1.0], 2.0)
    w.grad = None
    loss.backward()
    assert w.grad.tolist() == [2.0, -2.0]


def test_a_tape_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        for make in (lambda: leaf(np.ones((3, 3))), lambda: Value(2.0)):
            x = make()
            loss = (x * x).sum() if isinstance(x, Tensor) else x * x
            gone = weakref.ref(loss)
            tape = Tape(loss)
            tape.replay()
            tape.sync()
            del loss, tape, x
            assert gone() is None
    finally:
        gc.enable()


def test_whole_numbers_that_do_not_fit_are_an_error_and_not_other_numbers():
    x, c = leaf(np.ones(3)), Tensor(np.array([1, 2, 3]), dtype=np.int8)
    tape = Tape((x * c).sum())
    c.data = np.array([4, 5, 6])
    tape.replay()
    assert x.grad.tolist() == [4.0, 5.0, 6.0]
    c.data = np.array([300, 5, 6])
    with pytest.raises(ValueError, match="make a new Tape"):
        tape.replay()


def test_a_tape_works_under_no_grad():
    a = Value(3.0)
    tape = Tape(a * a)
    a.data = 4.0
    with engine.no_grad():
        assert tape.replay() == 16.0
        tape.sync()
    assert a.grad == 8.0


# --- errors, and what is frozen -------------------------------------------------------------------


def test_other_shapes_raise_and_name_the_leaf():
    w, x = leaf(np.ones((2, 3)), "w"), Tensor(np.ones((4, 2)), label="x")
    tape = Tape((x @ w).sum())
    x.data = np.ones((5, 2))
    with pytest.raises(ValueError, match=r"x had shape \(4, 2\) .* and has \(5, 2\) .* now"):
        tape.replay()
    x.data = np.ones((4, 2))
    w.data = np.ones((2, 1))
    with pytest.raises(ValueError, match=r"w had shape \(2, 3\) .* and has \(2, 1\) .* now"):
        tape.replay()


def test_a_graph_may_be_drawn_before_its_first_replay_or_sync():
    w = leaf([2.0, 3.0])
    loss = (2 * w + np.ones(2)).sum()  # plain operands become nodes when they are drawn
    tape = Tape(loss)
    viz.draw(loss)
    assert tape.replay() == 12.0
    tape.sync()
    assert w.grad.tolist() == [2.0, 2.0]


def test_the_shapes_are_those_of_the_recording_at_the_first_sync_too():
    w = leaf([2.0, 3.0])
    tape = Tape((w * w).sum())
    w.data = np.ones(3)
    with pytest.raises(ValueError, match="had shape"):
        tape.sync()


def test_another_precision_raises_and_names_the_leaf():
    w = leaf(np.float32([1.0, 2.0]))
    x, n = Tensor(np.float32([3.0, 4.0]), label="x"), engine.tensor([1, 2])
    tape = Tape((w * x * n).sum())
    n.data = np.int32([3, 4])
    assert tape.replay() == 1 * 3 * 3 + 2 * 4 * 4
    x.data = np.float64([3.0, 4.0])  # the gradient of w would have another dtype than w
    with pytest.raises(ValueError, match=r"x had .* \(float32\) .* and has .* \(float64\) now"):
        tape.replay()


def test_a_loss_may_be_one_number_in_any_shape():
    x = leaf([3.0])
    for tape in (Tape(x * x), Tape((x * x).reshape(1, 1))):
        assert tape.replay() == 9.0
        assert x.grad.tolist() == [6.0]


def test_a_tape_needs_one_number_with_a_graph():
    for loss in (Value(1.0), Tensor(1.0, requires_grad=True), Tensor(1.0) * 2, 3.0):
        with pytest.raises(TypeError, match="with the graph it came from"):
            Tape(loss)
    with pytest.raises(RuntimeError, match="reduce it to one number"):
        Tape(leaf([1.0, 2.0]) * 2)


def test_control_flow_is_that_of_the_recording():
    a = Value(2.0)
    tape = Tape(a * 3 if a > 0 else a * 5)
    x = leaf([1.0, -1.0])
    chosen = Tape(engine.where(x > 0, x, 10 * x).sum())
    a.data, x.data = -2.0, np.array([-1.0, 1.0])
    assert tape.replay() == -6.0
    assert a.grad == 3.0
    assert chosen.replay() == -1.0 + 10.0
    assert x.grad.tolist() == [1.0, 10.0]


def test_whether_a_tensor_is_read_can_be_asked():
    w = leaf([1.0, 2.0])
    read, scaled = Tensor([1.0, 2.0]), Tensor([1.0, 2.0])
    tape = Tape((w * read * (scaled / 255)).sum())
    assert w in tape.leaves
    assert read in tape.leaves
    assert scaled not in tape.leaves


# --- nn.fit(tape=True) ----------------------------------------------------------------------------


def fitted(model, loss=F.cross_entropy, x=None, y=None, **options):
    """The history of a short training on 10 examples in batches of 4, 4 and 2."""
    x = np.random.default_rng(5).normal(size=(10, 4)) if x is None else x
    y = np.arange(10) % 3 if y is None else y
    data = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=4)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    return nn.fit(model, data, loss, optimizer, epochs=3, callbacks=[], **options)


def test_fitting_by_replay_is_fitting():
    histories = []
    for tape in (False, True):
        model = network("classes")[0]
        histories.append(fitted(model, metrics={"accuracy": nn.accuracy}, tape=tape))
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]
    np.testing.assert_allclose(histories[1]["loss"], histories[0]["loss"], rtol=1e-12)
    assert histories[1]["accuracy"] == histories[0]["accuracy"]


class Branching(nn.Module):
    def __init__(self):
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        return self.linear(x) * (1 if float(x.data[0, 0]) > 0 else 10)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5)), {}, "draws random numbers"),
        (nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), {}, "changes 1.running_mean"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 3)),
            {"x": np.ones((10, 2, 2))},
            "the inputs are changed before",
        ),
        (
            nn.Linear(4, 3),
            {"loss": lambda z, y: F.mse_loss(z, engine.one_hot(y, 3).double())},
            "the targets are changed before",
        ),
        (Branching(), {"x": np.repeat([[1.0], [-1.0]], [4, 6], 0) * np.ones(4)}, "has the loss"),
    ],
)
def test_what_a_tape_would_freeze_is_an_error_in_fit(model, options, message):
    with pytest.raises(RuntimeError, match=message):
        fitted(model, tape=True, **options)
