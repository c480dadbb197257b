"""Where did the nan come from: `with engine.detect_anomaly():` stops at the first one.

Inside the block every operation is looked at as it runs, forward and backward. The rule of a
node made there remembers the line of the user's file that asked for it, and the arrays of a
graph are locked, so that a raw write into one of them (`p.data[0] = 1`) is an error and not a
wrong gradient. Outside, nothing of this exists: see `engine.node.recording`.
"""

from __future__ import annotations

import copy
import linecache
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from engine.node import Node, plain, recording, watching
from engine.readings import Array
from engine.rule import Elementwise, Rule


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop with RuntimeError at the first nan or inf, in a forward pass or a backward one.

    The message names the operation, its operands, the element, and the file and line that the
    operation was written in. Arrays are read-only while a graph needs them: from the operation
    until `backward()` is through, or the graph is gone. Everything is slower inside the block.

    >>> import engine
    >>> x = engine.Value(0.0, label="x")
    >>> with engine.detect_anomaly():  # doctest: +ELLIPSIS
    ...     y = x.log()
    Traceback (most recent call last):
    RuntimeError: log gave -inf in the forward pass
      operand x: 0.0
      written at ...
    """
    watch = Watch()
    token = watching.set(watch)
    recorded = recording.set(watch if recording.get() else False)
    try:
        yield
    finally:
        recording.reset(recorded)
        watching.reset(token)
        watch.locks.release_all()


class Watch:
    """What looks at every node that is made, and at every gradient that is sent."""

    def __init__(self) -> None:
        self.locks = Locks()
        self._quiet = False  # between the steps of a gradient that is a graph

    def made(self, node: Node, rule: Rule, operands: Sequence[Any], inputs: Sequence[Any]) -> None:
        """Look at a new node. `inputs` are the plain data of `operands`."""
        line = _users_line()
        if node.rule is not None:
            node.rule = copy.copy(node.rule)  # type: ignore[misc]
            node.rule.line = line
            self.locks.lock(node, operands, inputs)
        place = None if self._quiet else _first_not_finite(node.data)
        if place is not None:
            raise RuntimeError(
                f"{rule.name} gave {_at(node.data, place)} in the forward pass"
                f"{_operands(rule, operands, inputs, place)}\n  written at {line}"
            )

    def following(self, nodes: list[Node], gradient_of: Callable[[Node], Any]) -> Iterator[Node]:
        """The nodes of a backward pass, each looked at after it has sent its gradient."""
        for node in nodes:
            # What a rule computes on the way to a contribution is its own affair: inf · 0 may
            # be about to be replaced by 0.
            self._quiet = True
            edges = [edge for edge in node.active if _is_finite(gradient_of(edge[1]))]
            try:
                yield node
            finally:
                self._quiet = False
            for index, operand in edges:  # a gradient that was not finite before is not the first
                self._look_at_gradient(node, index, operand, gradient_of)
            self.locks.release(node)

    def _look_at_gradient(
        self, node: Node, index: int, operand: Node, gradient_of: Callable[[Node], Any]
    ) -> None:
        gradient, upstream = plain(gradient_of(operand)), plain(gradient_of(node))
        place = _first_not_finite(gradient)
        if place is None:
            return
        assert node.rule is not None
        facts = f"\n  upstream gradient: {_at(upstream, place)}"
        local = node.local(index)
        if local is not None:
            facts += f"\n  local derivative: {_at(local, place)}"
        name = _name(node.rule, index, operand)
        raise RuntimeError(
            f"{node.op} gave {_at(gradient, place)} in the backward pass, to operand {name}"
            f"{facts}{_operands(node.rule, node.parents, [x.data for x in node.parents], place)}"
            f"\n  written at {node.rule.line or 'a line before detect_anomaly()'}"
        )


# --- locks ------------------------------------------------------------------------------------


class _Hold(NamedTuple):
    """The arrays that one node keeps locked, and the leaves' data as the node found it."""

    output: weakref.ref[Array]  # the node's own array: when that is gone, so is the node
    inputs: list[Array]
    leaves: list[tuple[Node, Array, Array]]


class Locks:
    """Arrays that may not be written to, each for as long as a node needs it."""

    def __init__(self) -> None:
        self._holds: dict[int, _Hold] = {}  # by id of the node's array
        self._count: dict[int, int] = {}  # by id of an array that we locked: how many hold it
        self._copies: dict[int, Array] = {}  # by id of a locked array of a leaf
        self._stuck: list[weakref.ref[Array]] = []  # views whose memory was still locked

    def lock(self, node: Node, operands: Sequence[Any], inputs: Sequence[Any]) -> None:
        """Lock a node's array and those it was computed from."""
        if not isinstance(node.data, np.ndarray):
            return  # a float cannot be written to
        key = id(node.data)
        arrays = [x for x in inputs if isinstance(x, np.ndarray)]
        for array in (node.data, *arrays):
            if id(array) in self._count:
                self._count[id(array)] += 1
            elif array.flags.writeable:
                array.flags.writeable = False
                self._count[id(array)] = 1
        leaves = [
            (operand, x, self._copies.setdefault(id(x), x.copy()))
            for operand, x in zip(operands, inputs, strict=True)
            if isinstance(operand, Node) and operand.rule is None and id(x) in self._count
        ]
        gone = weakref.ref(node.data, lambda _: self._forget(key))
        self._holds[key] = _Hold(gone, arrays, leaves)

    def release(self, node: Node) -> None:
        """The node has done its backward pass: others may hold its arrays, it does not."""
        if isinstance(node.data, np.ndarray) and id(node.data) in self._holds:
            self._release(self._holds[id(node.data)])

    def release_all(self) -> None:
        """The end of the block."""
        for hold in list(self._holds.values()):
            self._release(hold)
        for reference in self._stuck:
            if (array := reference()) is not None:
                array.flags.writeable = True
        self._holds.clear()

    def written(self, node: Node) -> list[Node]:
        """The leaves under `node` whose array was written to since the forward pass."""
        hold = self._holds.get(id(node.data))
        if hold is None:
            return []
        return [
            leaf for leaf, now, then in hold.leaves if not np.array_equal(now, then, equal_nan=True)
        ]

    def _forget(self, key: int) -> None:
        hold = self._holds.pop(key, None)
        self._count.pop(key, None)
        if hold is not None:
            self._release(hold)

    def _release(self, hold: _Hold) -> None:
        output = hold.output()
        for array in (*hold.inputs, *([] if output is None else [output])):
            key = id(array)
            if key not in self._count:
                continue  # it was not writeable to begin with
            self._count[key] -= 1
            if self._count[key] == 0:
                del self._count[key]
                self._copies.pop(key, None)
                try:
                    array.flags.writeable = True
                except ValueError:
                    self._stuck.append(weakref.ref(array))
        hold.inputs.clear()


# --- words ------------------------------------------------------------------------------------

_ROOT = os.path.dirname(os.path.dirname(__file__))
_OURS = [os.path.join(_ROOT, name) for name in ("engine", "nn", "viz")]
_NOT_THE_USERS = tuple(folder + os.sep for folder in (*_OURS, os.path.dirname(np.__file__)))


def _users_line() -> str:
    """The innermost line that is neither ours nor NumPy's: `file:line: code`."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(file, line, frame.f_globals).strip()
    return f"{file}:{line}" + (f": {code}" if code else "")


def _is_finite(gradient: Any) -> bool:
    return gradient is None or _first_not_finite(plain(gradient)) is None


def _first_not_finite(data: Any) -> tuple[int, ...] | None:
    finite = np.isfinite(data)
    if finite.all():
        return None
    return tuple(int(i) for i in np.argwhere(~finite)[0])


def _at(data: Any, place: tuple[int, ...]) -> str:
    """The element at `place`, if the array has such a place; else what is to know of it."""
    array = np.asarray(data)
    if array.ndim == 0:
        return f"{array.item()}"
    if len(place) == array.ndim and all(i < n for i, n in zip(place, array.shape, strict=True)):
        return f"{array[place].item()} at element {list(place)} of shape {array.shape}"
    worst = _first_not_finite(array)
    return f"shape {array.shape}, all finite" if worst is None else _at(array, worst)


def _operands(
    rule: Rule, operands: Sequence[Any], inputs: Sequence[Any], place: tuple[int, ...]
) -> str:
    lines = []
    for index, (operand, x) in enumerate(zip(operands, inputs, strict=True)):
        there = place[-np.ndim(x) :] if np.ndim(x) else ()  # broadcasting adds dimensions in front
        if isinstance(rule, Elementwise):
            there = tuple(i if n > 1 else 0 for i, n in zip(there, np.shape(x), strict=False))
        lines.append(f"\n  operand {_name(rule, index, operand)}: {_at(x, there)}")
    return "".join(lines)


def _name(rule: Rule, index: int, operand: Any) -> str:
    if isinstance(operand, Node) and operand.label:
        return operand.label
    return f"{rule.inputs[0]}[{index}]" if rule.variadic else rule.inputs[index]
