"""fit: the same numbers as a loop of one's own, and what accompanies it."""

import gc
import sys
import weakref

import numpy as np
import pytest

import engine
import nn
from nn import functional as F
from nn.data import DataLoader, TensorDataset, moons


@pytest.fixture
def data():
    X, y = moons(60, rng=np.random.RandomState(0))
    return DataLoader(TensorDataset(X, y), batch_size=16, shuffle=True)


def net(seed=0):
    engine.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))


def test_fit_is_the_loop_that_one_would_write(data):
    model = net()
    history = nn.fit(
        model, data, F.cross_entropy, nn.optim.SGD(model.parameters(), lr=0.5), epochs=3,
        metrics={"accuracy": nn.accuracy},
    )  # fmt: skip
    twin = net()
    optimizer = nn.optim.SGD(twin.parameters(), lr=0.5)
    for epoch in range(3):
        total = right = 0
        for x, y in data:
            optimizer.zero_grad()
            output = twin(x)
            loss = F.cross_entropy(output, y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            right += (output.data.argmax(1) == y.data).sum()
        assert history["loss"][epoch] == total / 60
        assert history["accuracy"][epoch] == pytest.approx(right / 60)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name])


def test_data_that_is_no_batches_is_refused():
    def train(data):
        model = net()
        nn.fit(model, data, F.cross_entropy, nn.optim.SGD(model.parameters(), lr=0.1), epochs=2)

    X, y = moons(6)
    with pytest.raises(
        TypeError, match=r"pair \(x, y\), not a ndarray of 6: .* write \[\(X, y\)\]"
    ):
        train((X, y))
    with pytest.raises(TypeError, match="not a tuple of 3"):
        train([(X, X, y)])
    with pytest.raises(ValueError, match="only once: give a list of batches, or a DataLoader"):
        train(zip([X], [y], strict=True))  # the second epoch finds nothing
    with pytest.raises(ValueError, match="the data is empty"):
        train([])


def test_validation_is_measured_in_evaluation_mode_and_without_a_graph(data):
    class Watcher(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = net()
            self.modes = set()

        def forward(self, x):
            y = self.body(x)
            self.modes.add((self.training, y.requires_grad))
            return y

    model = Watcher()
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    history = nn.fit(model, data, F.cross_entropy, optimizer, epochs=2, validation=data)
    assert model.modes == {(True, True), (False, False)}
    assert model.training
    assert list(history) == ["loss", "val_loss"]
    model.body.eval()
    numbers = nn.evaluate(model, data, F.cross_entropy, {"accuracy": nn.accuracy})
    assert numbers["loss"] == pytest.approx(history.last()["val_loss"])
    assert 0 <= numbers["accuracy"] <= 1
    assert [m.training for m in (model, model.body)] == [True, False]


def test_early_stopping_gives_back_the_best_weights(data):
    losses = iter([5.0, 3.0, 4.0, 2.0, 2.5, 2.5, 1.0])
    model, states = net(), []

    class Scripted(nn.Callback):
        def on_epoch(self, run):
            run.history["val_loss"][-1] = next(losses)
            states.append(run.model.state_dict())

    history = nn.fit(
        model, data, F.cross_entropy, nn.optim.SGD(model.parameters(), lr=0.1), epochs=9,
        validation=data, callbacks=[Scripted(), nn.EarlyStopping(patience=2)],
    )  # fmt: skip
    assert history["val_loss"] == [5.0, 3.0, 4.0, 2.0, 2.5, 2.5]
    np.testing.assert_array_equal(model[0].weight.data, states[3]["0.weight"])
    with pytest.raises(KeyError, match="no 'val_loss' was measured, only loss"):
        nn.fit(
            model, data, F.cross_entropy, nn.optim.SGD(model.parameters()), epochs=1,
            callbacks=[nn.EarlyStopping()],
        )  # fmt: skip


def test_a_callback_may_stop_within_an_epoch(data):
    class Twice(nn.Callback):
        ended = False

        def on_batch(self, run):
            run.stop = run.batch == 2

        def on_end(self, run):
            self.ended = (run.epoch, run.batch)

    callback, model = Twice(), net()
    optimizer = nn.optim.SGD(model.parameters())
    history = nn.fit(model, data, F.cross_entropy, optimizer, epochs=5, callbacks=[callback])
    assert history == {}
    assert callback.ended == (0, 2)


def test_a_schedule_steps_after_epochs_or_batches(data):
    for each_batch, expected in [(False, 0.5**3), (True, 0.5**12)]:
        model = net()
        optimizer = nn.optim.SGD(model.parameters(), lr=1.0)
        schedule = nn.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        nn.fit(
            model, data, F.cross_entropy, optimizer, epochs=3,
            callbacks=[nn.Schedule(schedule, each_batch=each_batch)],
        )  # fmt: skip
        assert schedule.get_last_lr() == [expected]


@pytest.mark.parametrize("tqdm", [True, False])
@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_and_silent_in_a_pipe(
    data, capsys, monkeypatch, terminal, tqdm
):
    if tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    model = net()
    nn.fit(model, data, F.cross_entropy, nn.optim.SGD(model.parameters()), epochs=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert bool(err) == terminal
    if terminal:
        assert "2/2" in err
        assert "loss" in err


def test_the_graph_of_a_batch_is_freed_unless_the_loss_is_kept(data):
    x, y = next(iter(data))
    model = net()

    def step(keep):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        graph = weakref.ref(loss.parents[0].data)
        return graph, keep(loss)

    gc.disable()  # counting references must be enough
    try:
        graph, number = step(lambda loss: loss.item())
        assert graph() is None
        assert isinstance(number, float)
        graph, loss = step(lambda loss: loss)
        assert graph() is not None
        del loss
        assert graph() is None
    finally:
        gc.enable()


def test_accuracies():
    output = engine.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert nn.accuracy(output, engine.tensor([1, 0, 0])) == pytest.approx(2 / 3)
    assert nn.binary_accuracy(engine.tensor([0.2, 0.8]), engine.tensor([0, 1])) == 1
    assert nn.binary_accuracy(engine.tensor([0.2, 0.8]), engine.tensor([0, 1]), threshold=0) == 0.5
    with pytest.raises(ValueError, match=r"use binary_accuracy"):
        nn.accuracy(engine.zeros(3), engine.zeros(3))
    with pytest.raises(ValueError, match=r"output has shape \(3, 1\) and target \(3,\)"):
        nn.binary_accuracy(engine.zeros(3, 1), engine.zeros(3))
