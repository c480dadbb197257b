"""Saving: exact, whole or not at all, and a training that goes on bit for bit."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

import engine
import nn
from nn import functional as F
from nn.data import DataLoader, TensorDataset, moons

FORMATS = ["npz", "safetensors"]


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"saved.{request.param}"


def test_arrays_of_every_layout_come_back_exactly(path):
    base = np.random.default_rng(0).standard_normal((4, 6))
    state = {
        "c": base,
        "transposed": base.T,
        "strided": base[::2, ::3],
        "broadcast": np.broadcast_to(base[0], (3, 6)),
        "number": np.array(1.5),
        "float32": base.astype(np.float32),
        "integers": np.arange(3),
        "empty": np.zeros((0, 2)),
        "file": np.ones(1),
        "a.b.weight": np.array([np.nan, np.inf, -0.0]),
    }
    nn.save(state, path)
    loaded = nn.load(path)
    assert loaded.keys() == state.keys()
    for name, array in state.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert list(path.parent.iterdir()) == [path]


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_save_that_fails_leaves_the_old_file(path, monkeypatch):
    nn.save({"a": np.ones(2)}, path)

    def failing(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="disk full"):
        nn.save({"a": np.zeros(2)}, path)
    assert nn.load(path)["a"].tolist() == [1.0, 1.0]
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_save_left_is_removed_by_a_later_one(path):
    old, fresh, other, mine = (
        path.parent / name
        for name in (f".{path.name}.a1b2.part", f".{path.name}.c3d4.part", ".b.npz.x.part", "mine")
    )
    for left in (old, fresh, other, mine):
        left.write_bytes(b"half")
    for left in (old, other, mine):
        os.utime(left, (0, 0))
    nn.save({"a": np.ones(1)}, path)  # `fresh` may be a save under way in another process
    assert set(path.parent.iterdir()) == {path, fresh, other, mine}


def test_a_broken_file_is_refused(path):
    nn.save({"a": np.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(Exception, match=r"(?i)zip|incomplete|invalid|metadata"):
        nn.load(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "text.npz"
    path.write_text("no zip file")
    with pytest.raises(ValueError, match=r"text.npz is not an .npz file"):
        nn.load(path)


def test_objects_are_never_saved(path):
    model = nn.Linear(2, 1)
    with pytest.raises(TypeError, match=r"save takes named arrays: Linear.state_dict\(\)"):
        nn.save(model, path)
    with pytest.raises(TypeError, match=r"save: model is no array; .* use save_checkpoint"):
        nn.save({"model": model.state_dict()}, path)
    with pytest.raises(TypeError, match=r"not a Tensor \(training.parts.best\): write .data"):
        nn.save_checkpoint(path, best=engine.tensor(1.0))
    assert not path.exists()


def test_an_unknown_ending_and_a_missing_extra_are_named(tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match=r"model.pt: a file to save in ends in .safetensors or .npz"
    ):
        nn.save({}, tmp_path / "model.pt")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "ebbgrad\[save\]"'):
        nn.save({}, tmp_path / "model.safetensors")


def test_safetensors_move_to_pytorch_and_back(tmp_path):
    torch = pytest.importorskip("torch")
    theirs_io = pytest.importorskip("safetensors.torch")
    ours = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    theirs.double()
    path = tmp_path / "net.safetensors"
    nn.save(ours.state_dict(), path)
    assert str(theirs.load_state_dict(theirs_io.load_file(path))).startswith("<All keys matched")
    x = np.random.default_rng(0).standard_normal((4, 3))
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(engine.tensor(x)).data, expected, rtol=1e-12)
    theirs_io.save_file(theirs.state_dict(), path)
    again = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    again.load_state_dict(nn.load(path))
    np.testing.assert_array_equal(again(engine.tensor(x)).data, ours(engine.tensor(x)).data)


# --- a whole training ---------------------------------------------------------------------------


class Noisy(nn.Module):
    """A net that draws random numbers of both streams as it runs."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        self.register_buffer("calls", engine.zeros(1))

    def forward(self, x):
        self.calls = self.calls + 1
        noise = 0.1 * engine.randn(*x.shape) if self.training else 0.0
        return self.body(x + noise) * random.uniform(0.9, 1.1)


def training(path, epochs, every=1):
    """A training that is the same each time, or goes on from `path`."""
    engine.manual_seed(0)
    X, y = moons(40)
    data = DataLoader(TensorDataset(X, y), batch_size=8, shuffle=True)
    model = Noisy()
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
    schedule = nn.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=5 * epochs)
    callbacks = [nn.Schedule(schedule, each_batch=True), nn.EarlyStopping("loss", patience=10**6)]
    if path is not None:
        callbacks.append(nn.Checkpoint(path, every))
    return model, lambda: nn.fit(
        model, data, F.cross_entropy, optimizer, epochs=epochs, callbacks=callbacks
    )


class Killed(Exception):
    pass


def test_a_training_stopped_anywhere_ends_as_one_that_was_not(path, monkeypatch):
    reference, run = training(None, epochs=4)
    expected = run()
    for kill_at in (1, 5, 7, 19):  # after the first batch, at the end of an epoch, and between
        path.unlink(missing_ok=True)
        steps = 0
        step = nn.optim.Adam.step

        def mortal(self, step=step):
            nonlocal steps
            steps += 1
            if steps > kill_at:  # noqa: B023
                raise Killed
            step(self)

        with monkeypatch.context() as patch:
            patch.setattr(nn.optim.Adam, "step", mortal)
            with pytest.raises(Killed):
                training(path, epochs=4)[1]()
        engine.manual_seed(99)
        model, run = training(path, epochs=4)
        assert run() == expected
        for name, array in reference.state_dict().items():
            assert model.state_dict()[name].tobytes() == array.tobytes()
        assert run() == expected  # started once more, a finished training has nothing to do


def test_a_loop_of_ones_own_is_saved_by_its_parts(path):
    model = nn.Linear(2, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(engine.ones(1, 2)).sum().backward()
    optimizer.step()
    engine.manual_seed(7)
    plain = {"seen": [1, 2.5, "text", None, True], "where": (np.arange(3), float("nan"))}
    nn.save_checkpoint(path, model=model, optimizer=optimizer, **plain)
    drawn = engine.randn(3).tolist(), random.random()
    twin = nn.Linear(2, 1)
    twin_optimizer = nn.optim.SGD(twin.parameters(), lr=5.0)
    rest = nn.load_checkpoint(path, model=twin, optimizer=twin_optimizer)
    assert (engine.randn(3).tolist(), random.random()) == drawn
    assert rest["seen"] == plain["seen"]
    assert rest["where"][0].tolist() == [0, 1, 2]
    assert twin_optimizer.param_groups[0]["lr"] == 0.1
    buffer = twin_optimizer.state[twin.weight]["momentum_buffer"]
    np.testing.assert_array_equal(buffer, optimizer.state[model.weight]["momentum_buffer"])


def test_gradients_in_another_memory_layout_make_no_bit_of_difference(path):
    x = engine.tensor(np.random.default_rng(0).standard_normal((10, 33, 37)))

    def made():
        engine.manual_seed(0)
        model = nn.RNN(37, 65)
        return model, nn.optim.Adam(model.parameters(), lr=0.01)

    def train(model, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            (model(x)[0] ** 2).mean().backward()
            optimizer.step()
        return [p.data.tobytes() for p in model.parameters()]

    model, optimizer = made()
    train(model, optimizer, 3)
    weight = model.weight_ih_l0
    assert weight.grad.strides != weight.data.strides  # else this would show nothing
    nn.save_checkpoint(path, model=model, optimizer=optimizer)
    twin, twin_optimizer = made()
    nn.load_checkpoint(path, model=twin, optimizer=twin_optimizer)
    assert train(twin, twin_optimizer, 4) == train(model, optimizer, 4)


def test_a_checkpoint_that_does_not_fit_changes_nothing(path):
    model = nn.Linear(2, 1)
    nn.save_checkpoint(path, model=model, optimizer=nn.optim.SGD(model.parameters()))
    twin = nn.Linear(2, 1)
    before = twin.state_dict()
    two = nn.optim.SGD([*twin.parameters(), nn.Parameter([0.0])])
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters"):
        nn.load_checkpoint(path, model=twin, optimizer=two)
    np.testing.assert_array_equal(twin.weight.data, before["weight"])
    with pytest.raises(KeyError, match="has no scheduler; it has model, optimizer"):
        nn.load_checkpoint(path, scheduler=two)
    nn.save({"a": np.ones(1)}, path)
    with pytest.raises(ValueError, match="holds arrays but no training"):
        nn.load_checkpoint(path)
    with pytest.raises(TypeError, match=r"a checkpoint holds data, not a object \(training"):
        nn.save_checkpoint(path, thing=object())


EPOCHS = 50
KILLER = f"""
import os, random, signal, sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
import nn
from test_nn_checkpoint import EPOCHS, training

path, rng, kills = sys.argv[1], random.Random(0), 0
while True:
    before = os.stat(path).st_ino if os.path.exists(path) else None
    child = os.fork()  # far sooner there than a new Python
    if child == 0:
        training(path, EPOCHS)[1]()
        os._exit(0)
    if kills < 20:
        while not os.path.exists(path) or os.stat(path).st_ino == before:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    kills += 1
    assert nn.load(path)  # the last whole checkpoint
print(kills)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes by SIGKILL")
def test_twenty_kills_while_saving_lose_nothing(tmp_path):
    path = tmp_path / "training.npz"
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout == "20\n", done.stderr
    reference, run = training(None, EPOCHS)
    history = run()
    model, resumed = training(path, EPOCHS)
    assert resumed() == history
    for name, array in reference.state_dict().items():
        assert model.state_dict()[name].tobytes() == array.tobytes()
