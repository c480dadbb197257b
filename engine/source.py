"""From the text of a function to the function: what is written out for a rule, or for a graph.

The texts are in `engine.writing` (operations of Values), `engine.straight` (those of Tensors, and
their graphs) and `engine.rule` (the chain rule).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any


def function(
    source: str, title: str, names: dict[str, Any], *, once: bool = False
) -> Callable[..., Any]:
    """The function that `source` defines. `names` are what it finds besides its arguments; `once`
    says that nobody else will come with this text.

    >>> double = function("def f(x): return two * x", "doubling", {"two": 2})
    >>> double(21)
    42
    """
    code = (_compile if once else _compile_once)(source, title)
    # Not defined among its own names: it would be freed by the garbage collector alone.
    defined: dict[str, Callable[..., Any]] = {}
    exec(code, names, defined)  # noqa: S102
    (made,) = defined.values()
    made.__name__ = made.__qualname__ = title
    return made


def _compile(source: str, title: str) -> CodeType:
    # A file of this folder, so that detect_anomaly does not take its lines for the user's.
    return compile(source, f"{__file__} ({title})", "exec")


_compile_once = lru_cache(maxsize=4096)(_compile)  # x**2 and x**3 differ in a number, not in text


class Method:
    """An operation as a method, written out when it is first asked for: most never are."""

    def __init__(self, write: Callable[[], Callable[..., Any]]) -> None:
        self.write = write

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        written = self.write()
        setattr(self.owner, self.name, written)
        return written if instance is None else getattr(instance, self.name)

    def attach(self, owner: type, name: str) -> None:
        """Make it a method of a class that stands already."""
        setattr(owner, name, self)
        self.__set_name__(owner, name)
