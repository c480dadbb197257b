"""The rules of cross-entropy for rows: x is (N, C), logits or log-probabilities, reduced at once.

A target is a class of each row, or a distribution over the classes. Classes are an operand, though
they get no gradient: a tape can be given others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.node import Node
from engine.readings import Array, silent
from engine.remembered import Remembered
from engine.rule import Structural
from nn.losses import check_reduction

CLASSES = np.dtype(np.int64)
_NUMBERS: Remembered[int, Array] = Remembered(np.arange, size=16)


def _elements(classes: Array, rows: Array, size: int) -> Array:
    """Where the element of each row's class stands in a flattened array (classes, rows). A
    ValueError says that there is no such class."""
    return np.ravel_multi_index((classes, rows), (size, len(rows)))


class Rows:
    """What the class of each row means: which element it is, and how much the row counts.

    It goes with its operation, so that backward need not find out again what forward knew.
    """

    x: Any = None
    target: Any = None
    weights: Any = None  # what each row counts; None if each counts 1
    counted: Any = None  # 0 for a row that is left out, else 1; None if none is
    exponentials: Any = None  # e^(x − max x), (C, N), and their sums (N,), or not known

    def __init__(
        self, weight: Array | None = None, ignore_index: int = -100, label_smoothing: float = 0.0
    ) -> None:
        self.weight = weight
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def look_at(self, x: Any, target: Array) -> None:
        self.x, self.target, self.exponentials = x, target, None
        self.weights = self.counted = None
        classes = target if target.ndim == 1 else target.reshape(-1)
        if classes.dtype is not CLASSES:
            classes = classes.astype(CLASSES)
        self.number, size = len(classes), x.shape[1]
        self.rows = _NUMBERS[self.number]
        if 0 <= self.ignore_index < size:
            classes = self._leave_out(classes, x)
        try:
            self.elements = _elements(classes, self.rows, size)
        except ValueError:  # not all are classes: some may say that their row is left out
            classes = self._leave_out(classes, x)
            self.elements = _elements(classes, self.rows, size)
        self.classes = classes
        if self.weight is not None:
            self.weight = np.asarray(self.weight, x.dtype)
            each = self.weight[classes]
            self.weights = each if self.counted is None else each * self.counted
        if self.weights is not None:
            self.number = self.weights.sum()

    def _leave_out(self, classes: Array, x: Any) -> Array:
        """The classes, any class where a row is left out: then its weight is 0."""
        counted, size = classes != self.ignore_index, x.shape[1]
        wrong = classes[counted & ((classes < 0) | (classes >= size))]
        if wrong.size:
            raise IndexError(f"target {wrong[0]} is no class of 0 to {size - 1}")
        self.weights = self.counted = counted.astype(x.dtype)
        return np.where(counted, classes, 0)

    def seen(self, x: Any, target: Array) -> Rows:
        """These rows of x and target: their own, or others if another batch was looked at since."""
        if x is self.x and target is self.target:
            return self
        rows = Rows(self.weight, self.ignore_index, self.label_smoothing)
        rows.look_at(x, target)
        return rows

    def kept(self, losses: Array) -> Array:
        """The losses, but 0 of a row that is left out, even where its loss is infinite."""
        return losses if self.counted is None else np.where(self.counted, losses, 0)

    def weighted(self, losses: Array) -> Array:
        """The losses times what their rows count."""
        return self.kept(losses) * self.weights

    def reduce(self, losses: Array, reduction: str) -> Any:
        """The losses reduced; their mean is Σ losses / Σ weights."""
        if reduction == "mean":
            total = np.add.reduce(losses)
            return total / self.number if self.number else total * np.nan  # the mean of no rows
        if check_reduction(reduction) == "sum":
            return np.add.reduce(losses)
        return losses.reshape(self.target.shape)

    def spread(self, m: Any, g: Any, reduction: str) -> Any:
        """What each row gets of the gradient of the reduced loss: one number, or (N,)."""
        if reduction == "none":
            return m.reshape(g, (-1,))
        if reduction == "sum" or (self.counted is not None and not self.counted.any()):
            return g  # the mean of no rows is nan, but what is left out gets 0
        return m.share(g, self.number)

    def distributions(self) -> Array:
        """The distributions (C, N) that the classes stand for, in proportion to what they count."""
        t = np.zeros(self.x.shape[::-1], self.x.dtype)
        t.put(self.elements, 1)
        if self.label_smoothing:
            t = smoothed(t, self.label_smoothing, len(t))
        if self.weight is not None:
            t = t * self.weight[:, None]
        return t if self.counted is None else t * self.counted

    def __repr__(self) -> str:
        return "rows"


def smoothed(t: Any, s: float, size: int) -> Any:
    """Targets t mixed with the uniform distribution over as many classes as `size`."""
    return (1.0 - s) * t + s / size if s else t


def _by_class(x: Array) -> tuple[Array, Array]:
    """x − max x of each row and its exponentials, none of which overflows, both (C, N): NumPy goes
    over rows much faster than along short ones."""
    below = x.T.copy()
    if len(below):  # of no classes none is the largest
        below -= np.maximum.reduce(below)
    return below, np.exp(below)


def _entropy_of_classes(m: Any, x: Any, target: Any, *, rows: Rows, reduction: str) -> Any:
    rows.look_at(x, target)
    below, e = silent().run(_by_class, x)  # inf − inf: nan, without a word
    sums = m.sum_of_rows(e)
    rows.exponentials = e, sums
    log_sums = np.log(sums)
    if rows.label_smoothing:
        shares = silent().run(np.multiply, rows.distributions(), log_sums - below)  # 0 times inf
        losses = rows.kept(shares.sum(axis=0))
    else:
        losses = log_sums - below.take(rows.elements)
        if rows.weights is not None:
            losses = rows.weighted(losses)
    return rows.reduce(losses, reduction)


def _slope_of_classes(
    m: Any, g: Any, y: Any, x: Any, target: Any, *, rows: Rows, reduction: str
) -> Any:
    rows = rows.seen(x, target)
    share = rows.spread(m, g, reduction)
    if rows.exponentials is None:  # x is a node, or not what was looked at last
        p = m.softmax(x, 1).T
    else:
        e, sums = rows.exponentials
        plain_rows = rows.weights is None and not rows.label_smoothing
        if plain_rows and not isinstance(share, Node):  # p − t, but t is 0 almost everywhere
            slope = e * (share / sums)
            slope.reshape(-1)[rows.elements] -= share  # a view, for slope is in C order, as e is
            return slope.T
        p = e / sums
    t = rows.distributions()
    return ((p * t.sum(axis=0) - t) * share).T


def _picked(m: Any, x: Any, target: Any, *, rows: Rows, reduction: str) -> Any:
    rows.look_at(x, target)
    losses = -x[rows.rows, rows.classes]
    if rows.weights is not None:
        losses = rows.weighted(losses)
    return rows.reduce(losses, reduction)


def _slope_of_picked(
    m: Any, g: Any, y: Any, x: Any, target: Any, *, rows: Rows, reduction: str
) -> Any:
    rows = rows.seen(x, target)
    hot = np.zeros(x.shape, x.dtype)
    hot[rows.rows, rows.classes] = -1 if rows.weights is None else -rows.weights
    return (hot.T * rows.spread(m, g, reduction)).T


def _place(x: Any, target: Array) -> Any:
    """Where the element of each row's class stands."""
    rows = Rows()
    rows.look_at(x, target)
    return rows.rows, rows.classes


def _constant(*_: Any, **__: Any) -> None:
    """Classes are integers, which get no gradient."""


cross_entropy_of_classes = Structural(
    "cross_entropy", _entropy_of_classes, _slope_of_classes, _constant
)
cross_entropy_of_classes.keeps_integers = False
negative_log_likelihood = Structural("nll_loss", _picked, _slope_of_picked, _constant)
element_of_class = Structural(
    "gather",
    lambda m, x, target: x[_place(x, target)],
    lambda m, g, y, x, target: m.place(g, _place(x, target), x.shape),
    _constant,
)
for _rule in (cross_entropy_of_classes, negative_log_likelihood, element_of_class):
    _rule.mixed = True
    _rule.lends = False
cross_entropy_of_distribution = Structural(
    "cross_entropy",
    lambda m, x, t: -m.sum(t * m.log_softmax(x, 1), (1,)),
    lambda m, g, y, x, t: m.reshape(g, (-1, 1)) * (m.softmax(x, 1) * m.sum(t, (1,), True) - t),
    lambda m, g, y, x, t: -m.reshape(g, (-1, 1)) * m.log_softmax(x, 1),
)
