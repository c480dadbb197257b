"""What was made once, found again by what it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(dict[K, V]):
    """`make(key)` by its key, made when it is first asked for. When there are `size` of them it
    begins anew. For what every step asks for: `functools.lru_cache` also notes at each question
    which key was asked for last, which costs more than finding it.

    >>> squares = Remembered(lambda n: n * n, size=3)
    >>> [squares[n] for n in (0, 1, 2, 3)], list(squares)
    ([0, 1, 4, 9], [3])
    """

    def __init__(self, make: Callable[[K], V], size: int) -> None:
        self.make = make
        self.size = size

    def __missing__(self, key: K) -> V:
        if len(self) >= self.size:
            self.clear()
        return self.setdefault(key, self.make(key))
