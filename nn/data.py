"""Datasets, batches of them, and small problems to learn from.

>>> import numpy as np
>>> X, y = moons(100, rng=np.random.RandomState(0))
>>> loader = DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True)
>>> [len(inputs) for inputs, targets in loader]
[32, 32, 32, 4]
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import Tensor, random, tensor
from engine.readings import Array

if TYPE_CHECKING:
    Random = np.random.Generator | np.random.RandomState

# --- datasets -----------------------------------------------------------------------------------


def stacked(examples: Sequence[Any]) -> Any:
    """Examples as one batch, along a new first dimension: tuples part by part, dicts by key.

    >>> inputs, targets = stacked([([1.0, 2.0], 0), ([3.0, 4.0], 1)])
    """
    first = examples[0]
    if isinstance(first, (tuple, list)):
        return tuple(stacked(parts) for parts in zip(*examples, strict=True))
    if isinstance(first, Mapping):
        return {key: stacked([example[key] for example in examples]) for key in first}
    return tensor(np.stack([np.asarray(example) for example in examples]))


class Dataset:
    """The base class: a number of examples, each a tuple (or a dict) of tensors or numbers. What
    has a length and can be indexed, such as a list, serves as well."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def batch(self, indices: Array) -> Any:
        """The examples at `indices`, stacked along a new first dimension."""
        return stacked([self[int(i)] for i in indices])


def _batch(dataset: Any, indices: Array) -> Any:
    return getattr(type(dataset), "batch", Dataset.batch)(dataset, indices)


class TensorDataset(Dataset):
    """Tensors, or arrays, whose first dimension counts the examples."""

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(t if isinstance(t, Tensor) else tensor(t) for t in tensors)
        if len({len(t) for t in self.tensors}) != 1:
            lengths = ", ".join(str(t.shape) for t in self.tensors) or "none"
            raise ValueError(f"TensorDataset: tensors of one length expected, shapes are {lengths}")

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def batch(self, indices: Array) -> tuple[Tensor, ...]:
        return self[indices]


class Subset(Dataset):
    """Some examples of a dataset."""

    def __init__(self, dataset: Dataset, indices: Sequence[int] | Array) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[int(self.indices[index])]

    def batch(self, indices: Array) -> Any:
        return _batch(self.dataset, self.indices[indices])


def random_split(
    dataset: Dataset, lengths: Sequence[float], generator: Random | None = None
) -> list[Subset]:
    """Parts of a dataset, drawn at random: of these lengths, or of these shares that add to 1."""
    sizes = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1 + 1e-9:
        sizes = [math.floor(len(dataset) * share) for share in sizes]
        for i in range(len(dataset) - int(sum(sizes))):  # what rounding left over, one each
            sizes[i % len(sizes)] += 1
    if sum(sizes) != len(dataset):
        raise ValueError(f"random_split: lengths {list(lengths)} of {len(dataset)} examples")
    order = (generator or random.generator()).permutation(len(dataset))
    ends = np.cumsum(sizes).astype(int)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


class DataLoader:
    """A dataset in batches: iterating over it is one epoch, in a new order if `shuffle`.

    The order is drawn from `generator`, or from the one that `engine.manual_seed` seeds. A
    `state_dict` taken between two batches remembers the order and the position in it: after
    `load_state_dict` the next epoch begins there.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: np.random.Generator | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is {batch_size}, expected at least 1")
        self.dataset = dataset
        self.batch_size = operator.index(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.generator = generator
        self._order: Array | None = None  # of the epoch that is under way
        self._position = 0  # how many batches of it were given
        self._resumed: tuple[Array, int] | None = None

    def __len__(self) -> int:
        batches = len(self.dataset) / self.batch_size
        return math.floor(batches) if self.drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[Any]:
        order, begin = self._resumed or (self._drawn(), 0)
        self._resumed = None
        for position in range(begin, len(self)):
            self._order, self._position = order, position + 1
            start = position * self.batch_size
            yield _batch(self.dataset, order[start : start + self.batch_size])
        self._order, self._position = None, 0

    def _drawn(self) -> Array:
        if self.shuffle:
            return (self.generator or random.generator()).permutation(len(self.dataset))
        return np.arange(len(self.dataset))

    def state_dict(self) -> dict[str, Any]:
        """The order of the epoch that is under way, None if none is, the position in it, and the
        state of the loader's own generator."""
        state = None if self.generator is None else self.generator.bit_generator.state
        return {"order": self._order, "position": self._position, "generator": state}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Begin the next epoch where `state_dict` was taken."""
        order, position = state_dict["order"], state_dict["position"]
        if order is not None and len(order) != len(self.dataset):
            raise ValueError(
                f"DataLoader: the state is of {len(order)} examples, there are {len(self.dataset)}"
            )
        self._resumed = None if order is None else (order, position)
        if self.generator is not None:
            self.generator.bit_generator.state = state_dict["generator"]


# --- small problems: points (n, 2) and their classes (n,) ----------------------------------------


def _spoilt(X: Array, noise: float, rng: Random | None) -> Array:
    """The points with normal noise added."""
    return X + noise * (rng or random.generator()).standard_normal(X.shape) if noise else X


def moons(
    n_samples: int = 100, noise: float = 0.1, rng: Random | None = None
) -> tuple[Array, Array]:
    """Two half circles that reach into each other; class 0 first, then class 1."""
    outer = np.linspace(0, np.pi, n_samples // 2)
    inner = np.linspace(0, np.pi, n_samples - n_samples // 2)
    X = np.concatenate(
        [
            np.stack([np.cos(outer), np.sin(outer)], axis=1),
            np.stack([1 - np.cos(inner), 0.5 - np.sin(inner)], axis=1),
        ]
    )
    return _spoilt(X, noise, rng), np.repeat([0, 1], [len(outer), len(inner)])


def circles(
    n_samples: int = 100, noise: float = 0.1, factor: float = 0.5, rng: Random | None = None
) -> tuple[Array, Array]:
    """A circle, class 0, and one of radius `factor` within it, class 1."""
    sizes = n_samples // 2, n_samples - n_samples // 2
    angle = np.concatenate([np.linspace(0, 2 * np.pi, n, endpoint=False) for n in sizes])
    y = np.repeat([0, 1], sizes)
    radius = np.where(y == 0, 1.0, factor)
    return _spoilt(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), noise, rng), y


def spirals(
    n_samples: int = 300,
    noise: float = 0.02,
    classes: int = 3,
    turns: float = 0.75,
    rng: Random | None = None,
) -> tuple[Array, Array]:
    """One spiral arm for each class, from the middle outwards."""
    y = np.sort(np.arange(n_samples) % classes)
    along = np.concatenate([np.linspace(0, 1, n) for n in np.bincount(y)])
    angle = 2 * np.pi * (turns * along + y / classes)
    return _spoilt(np.stack([along * np.cos(angle), along * np.sin(angle)], 1), noise, rng), y


def xor(n_samples: int = 4, noise: float = 0.0, rng: Random | None = None) -> tuple[Array, Array]:
    """The corners (±1, ±1) in turn; class 1 where the signs differ.

    >>> X, y = xor()
    >>> X.tolist(), y.tolist()
    ([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], [0, 1, 1, 0])
    """
    corner = np.arange(n_samples) % 4
    X = np.stack([corner // 2, corner % 2], axis=1) * 2.0 - 1
    return _spoilt(X, noise, rng), (corner // 2) ^ (corner % 2)
