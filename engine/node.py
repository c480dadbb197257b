"""What a `Value` and a `Tensor` share: a place in the graph of operations that ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.anomaly import Watch
    from engine.rule import Rule

# A context variable, so that no_grad in one thread or task does not silence another.
# True and False mean what they say; under detect_anomaly it is the Watch, which is true, too.
recording: ContextVar[Any] = ContextVar("recording", default=True)
# The Watch of detect_anomaly, also where nothing is recorded: constants are looked at, too.
watching: ContextVar[Watch | None] = ContextVar("watching", default=None)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without recording: results are constants, and nothing is kept for backward.

    >>> import engine
    >>> x = engine.Value(2.0)
    >>> with engine.no_grad():
    ...     y = x * x
    >>> y.requires_grad, y.parents
    (False, ())
    """
    token = recording.set(False)
    try:
        yield
    finally:
        recording.reset(token)


class Node:
    """A number or an array, and how it came to be: `rule` of `parents`.

    Made by writing formulas, never by hand. `rule` is None for a leaf.
    """

    __slots__ = ()

    data: Any
    grad: Any  # None: not computed. 0: computed, and zero.
    rule: Rule | None
    label: str

    if TYPE_CHECKING:  # the methods that the tables of operations add to the two classes

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    @property
    def op(self) -> str:
        """The name of the operation that made this node; '' for a leaf."""
        return "" if self.rule is None else self.rule.name

    @property
    def parents(self) -> tuple[Node, ...]:
        """The operands in order, repeats kept; () for a leaf. Plain numbers are constants."""
        raise NotImplementedError

    operands: Any  # the parents as they were given: plain numbers and arrays may be among them

    @property
    def parameters(self) -> dict[str, Any]:
        """What the operation was given besides its operands, by name."""
        raise NotImplementedError

    @property
    def _prev(self) -> tuple[Node, ...]:  # micrograd's name
        return self.parents

    @property
    def _op(self) -> str:  # micrograd's name
        return self.op

    @property
    def is_leaf(self) -> bool:
        """True where no operation is recorded: inputs, parameters, constants."""
        return self.rule is None

    requires_grad: bool
    active: Any  # the operands that a gradient goes to, each after its place: (0, a), (1, b)

    @classmethod
    def apply(cls, rule: Any, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """Compute one operation of the tables and, unless under no_grad, record it."""
        raise NotImplementedError

    def send_back(self, gradient: Any, watch: Watch | None) -> None:
        """Take `gradient` as this node's, and let every node that it depends on have its own."""
        raise NotImplementedError

    def pull(self, index: int, upstream: Any) -> Any:
        """What operand `index` gets if the gradient of this node is `upstream`."""
        raise NotImplementedError

    def differentiable(self) -> tuple[Any, ...]:
        """The operands as a rule reads them with nodes: constants as plain data."""
        raise NotImplementedError

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters that `rule` still has to be given when it is read again."""
        raise NotImplementedError

    def changed(self) -> list[Node]:
        """The leaves among the operands whose data is not that of the forward pass any more."""
        raise NotImplementedError

    def seed(self, gradient: Any) -> Any:
        """The gradient to start from, checked: 1 for a scalar if None is given."""
        raise NotImplementedError

    def constant(self, data: Any) -> Any:
        """A node of this kind that gets no gradient."""
        raise NotImplementedError

    def local(self, index: int) -> Any:
        """The local derivative towards operand `index`; None where the rule is not local."""
        raise NotImplementedError

    def formula(self, index: int) -> tuple[str, str] | None:
        """`local(index)` as text: in symbols, and with numbers where they are few."""
        raise NotImplementedError

    def detach(self) -> Any:
        """The same data as a constant, cut from the graph."""
        raise NotImplementedError


def plain(x: Any) -> Any:
    """The data of a node; anything else as it is."""
    return x.data if isinstance(x, Node) else x
