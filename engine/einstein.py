"""Einstein's sum: any product of arrays, summed over some of their dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.node import plain
from engine.rule import Structural

Labels = tuple[int, ...]


def _contract(xs: Sequence[Any], labels: Sequence[Labels], output: Labels) -> Any:
    terms = [term for pair in zip(xs, labels, strict=True) for term in pair]
    return np.einsum(*terms, output, optimize=len(xs) > 1)


def _vjp(
    m: Any,
    g: Any,
    y: Any,
    *xs: Any,
    index: int,
    labels: Sequence[Labels],
    output: Labels,
) -> Any:
    """The same product with the gradient in the place of operand `index`.

    What the others cannot give back is a dimension along which the operand was summed alone (it
    is repeated), was repeated itself (it is summed), or is its own diagonal (it is placed there).
    """
    x, mine = xs[index], labels[index]
    others = [i for i in range(len(xs)) if i != index]
    given = set(output).union(*(labels[i] for i in others))
    unique = tuple(dict.fromkeys(mine))
    lengths = dict(zip(mine, x.shape, strict=True))
    found = tuple(label for label in unique if label in given)
    product = _einsum(
        g,
        *(xs[i] for i in others),
        labels=(output, *(labels[i] for i in others)),
        output=found,
    )
    sizes = dict(zip(found, product.shape, strict=True))
    product = m.reshape(product, tuple(sizes.get(label, 1) for label in unique))
    summed = tuple(i for i, label in enumerate(unique) if lengths[label] < sizes.get(label, 1))
    if summed:
        product = m.sum(product, summed, True)
    product = m.broadcast_to(product, tuple(lengths[label] for label in unique))
    if len(unique) == len(mine):
        return product
    grid = np.ogrid[tuple(slice(lengths[label]) for label in unique)]
    return m.place(product, tuple(grid[unique.index(label)] for label in mine), x.shape)


_einsum = Structural("einsum", lambda m, *xs, labels, output: _contract(xs, labels, output), _vjp)


def einsum(equation: Any, *operands: Any) -> Any:
    """The products of the operands' elements, summed over the labels that the result lacks.

    `"ik,kj->ij"` is the product of two matrices. Without `->` the result has the labels that occur
    once, in alphabetical order; `...` are dimensions that broadcast. Operands and lists of integer
    labels may alternate instead: `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    >>> import engine
    >>> a, b = engine.tensor([[1.0, 2.0], [3.0, 4.0]]), engine.tensor([5.0, 6.0])
    >>> engine.einsum("ij,j->i", a, b).tolist()
    [17.0, 39.0]
    """
    if isinstance(equation, str):
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = tuple(operands[0])
        terms, result = _parsed(equation)
    else:
        operands, terms, result = _sublists((equation, *operands))
    if len(terms) != len(operands):
        raise ValueError(
            f"einsum: the equation names {len(terms)} operands, {len(operands)} are given"
        )
    labels, output = _numbered(terms, result, operands)
    return _einsum(*operands, labels=labels, output=output)


# A term is a list of letters (or of integers) in which ... may stand once.
Term = list[Any]


def _parsed(equation: str) -> tuple[list[Term], Term | None]:
    """The terms of an equation, and the result if there is `->`."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    return [_term(text) for text in left.split(",")], _term(right) if arrow else None


def _term(text: str) -> Term:
    before, dots, after = text.partition("...")
    letters = before + after
    if not all(c.isascii() and c.isalpha() for c in letters):
        raise ValueError(f"einsum: {text!r} is made of letters, with ... once at most")
    return [*before, *([...] if dots else []), *after]


def _sublists(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Term], Term | None]:
    pairs, rest = divmod(len(arguments), 2)
    terms = [list(labels) for labels in arguments[1 : 2 * pairs : 2]]
    return arguments[: 2 * pairs : 2], terms, list(arguments[-1]) if rest else None


def _numbered(
    terms: list[Term], result: Term | None, operands: Sequence[Any]
) -> tuple[tuple[Labels, ...], Labels]:
    """Every dimension as a number, those of `...` included, counted from its right end."""
    if result is None:
        named = [label for term in terms for label in term if label is not ...]
        once = sorted(label for label in set(named) if named.count(label) == 1)
        result = [*([...] if any(... in term for term in terms) else []), *once]
    shapes = [np.shape(plain(x)) for x in operands]
    lengths = [
        len(shape) - (len(term) - 1) if ... in term else 0
        for term, shape in zip(terms, shapes, strict=True)
    ]
    for term, shape, length in zip(terms, shapes, lengths, strict=True):
        if length < 0 or (... not in term and len(term) != len(shape)):
            raise ValueError(f"einsum: {_written(term)} does not fit an operand of shape {shape}")
    numbers: dict[Any, int] = {}

    def numbered(term: Term, length: int) -> Labels:
        spread: Term = []
        for label in term:
            spread += [(..., n) for n in range(length, 0, -1)] if label is ... else [label]
        return tuple(numbers.setdefault(label, len(numbers)) for label in spread)

    labels = tuple(numbered(term, n) for term, n in zip(terms, lengths, strict=True))
    known = len(numbers)
    output = numbered(result, max(lengths, default=0))
    if len(numbers) > known or len(set(output)) < len(output):
        raise ValueError(
            f"einsum: the result {_written(result)} needs labels of the operands, each once"
        )
    return labels, output


def _written(term: Term) -> str:
    return "".join("..." if label is ... else str(label) for label in term) or "(no labels)"
