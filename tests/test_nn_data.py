"""Datasets, batches, and small problems."""

import numpy as np
import pytest

import engine
from engine import Tensor
from nn.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    circles,
    moons,
    random_split,
    spirals,
    xor,
)


@pytest.fixture
def dataset():
    return TensorDataset(Tensor(np.arange(20.0).reshape(10, 2)), np.arange(10))


def seen(loader):
    return [int(y) for _, ys in loader for y in ys]


def test_a_tensor_dataset_gives_examples_and_refuses_unequal_lengths(dataset):
    x, y = dataset[3]
    assert x.tolist() == [6.0, 7.0]
    assert y.item() == 3
    assert len(dataset) == 10
    with pytest.raises(ValueError, match=r"tensors of one length expected, shapes are \(2,\), \(3"):
        TensorDataset(engine.zeros(2), engine.zeros(3))


def test_batches_hold_every_example_once(dataset):
    engine.manual_seed(0)
    loader = DataLoader(dataset, batch_size=4, shuffle=True)
    batches = list(loader)
    assert [x.shape for x, _ in batches] == [(4, 2), (4, 2), (2, 2)]
    assert len(loader) == 3
    first, second = seen(loader), seen(loader)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert seen(DataLoader(dataset, batch_size=4)) == list(range(10))
    assert seen(DataLoader(dataset, batch_size=4, drop_last=True)) == list(range(8))
    for x, y in batches:
        np.testing.assert_array_equal(x.data[:, 0], 2 * y.data)


def test_a_seed_or_a_generator_repeats_the_order(dataset):
    def order(**arguments):
        return seen(DataLoader(dataset, shuffle=True, **arguments))

    engine.manual_seed(1)
    first = order()
    engine.manual_seed(1)
    assert order() == first
    assert order(generator=np.random.default_rng(5)) == order(generator=np.random.default_rng(5))


def test_a_loader_goes_on_in_the_middle_of_an_epoch(dataset):
    for generator in (None, np.random.default_rng(3)):
        loader = DataLoader(dataset, batch_size=3, shuffle=True, generator=generator)
        epoch = iter(loader)
        given = [next(epoch), next(epoch)]
        state = loader.state_dict()
        rest = [y.tolist() for _, y in epoch]
        twin = DataLoader(dataset, batch_size=3, shuffle=True, generator=generator)
        twin.load_state_dict(state)
        assert [y.tolist() for _, y in twin] == rest
        assert len(given) + len(rest) == len(list(twin)) == 4  # the next epoch is whole
    assert loader.state_dict()["order"] is None
    with pytest.raises(ValueError, match="the state is of 10 examples, there are 5"):
        DataLoader(Subset(dataset, range(5))).load_state_dict(state)


def test_an_epoch_that_was_left_begins_anew(dataset):
    loader = DataLoader(dataset, batch_size=3)
    for _ in loader:
        break
    assert seen(loader) == list(range(10))


def test_a_dataset_of_ones_own_is_stacked():
    class Squares(Dataset):
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return Tensor([i, i]), i * i

    x, y = next(iter(DataLoader(Squares(), batch_size=3)))
    assert x.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert y.tolist() == [0, 1, 4]


def test_whatever_has_a_length_and_an_index_is_a_dataset():
    class Squares:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return {"x": np.full(2, i), "y": (i * i, -i)}

    (batch,) = DataLoader(Squares(), batch_size=3)
    assert batch["x"].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert [part.tolist() for part in batch["y"]] == [[0, 1, 4], [0, -1, -2]]
    x, y = next(iter(DataLoader([([1.0, 2.0], 0), ([3.0, 4.0], 1)], batch_size=2)))
    assert [part.tolist() for part in x] == [[1.0, 3.0], [2.0, 4.0]]  # as PyTorch stacks lists
    assert y.tolist() == [0, 1]
    rows = np.arange(6.0).reshape(3, 2)  # no tuples: a batch is one tensor
    assert [part.tolist() for part in DataLoader(rows, batch_size=2)] == [
        [[0.0, 1.0], [2.0, 3.0]],
        [[4.0, 5.0]],
    ]
    with pytest.raises(TypeError, match="integer"):
        DataLoader(rows, batch_size=2.0)


def test_epochs_within_epochs_do_not_meet():
    loader = DataLoader(TensorDataset(np.arange(4)), batch_size=2)
    pairs = [(a.tolist(), b.tolist()) for (a,) in loader for (b,) in loader]
    assert pairs == [([0, 1], [0, 1]), ([0, 1], [2, 3]), ([2, 3], [0, 1]), ([2, 3], [2, 3])]


def test_a_split_is_a_partition(dataset):
    for lengths, sizes in [([7, 3], [7, 3]), ([0.5, 0.3, 0.2], [5, 3, 2]), ([0.55, 0.45], [6, 4])]:
        parts = random_split(dataset, lengths, np.random.default_rng(0))
        assert [len(part) for part in parts] == sizes
        assert sorted(int(part[i][1]) for part in parts for i in range(len(part))) == [*range(10)]
    assert sorted(seen(DataLoader(parts[1], batch_size=2))) == sorted(parts[1].indices.tolist())
    with pytest.raises(ValueError, match=r"lengths \[7, 4\] of 10 examples"):
        random_split(dataset, [7, 4])


def test_moons_are_those_of_the_lessons():
    X, y = moons(100, rng=np.random.RandomState(0))
    t = np.linspace(0, np.pi, 50)
    clean = np.concatenate([np.c_[np.cos(t), np.sin(t)], np.c_[1 - np.cos(t), 0.5 - np.sin(t)]])
    np.testing.assert_array_equal(X, clean + 0.1 * np.random.RandomState(0).randn(100, 2))
    assert y.tolist() == [0] * 50 + [1] * 50


def test_the_other_problems_are_what_they_are_called():
    X, y = circles(101, noise=0.0, factor=0.3)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(y == 0, 1, 0.3))
    assert np.bincount(y).tolist() == [50, 51]
    X, y = spirals(99, noise=0.0, classes=3)
    assert np.bincount(y).tolist() == [33, 33, 33]
    radius = np.hypot(*X.T)
    for arm in range(3):
        np.testing.assert_allclose(radius[y == arm], np.linspace(0, 1, 33), atol=1e-12)
    X, y = xor(200, noise=0.1)
    assert ((X[:, 0] * X[:, 1] < 0) == y).all()
