"""Functions of functions: gradients, Jacobians and Hessians of a formula written as a function.

Arguments and the nesting of results are those of `torch.autograd.functional`. `inputs` are
Values, Tensors, numbers or arrays, one of them or a tuple. Results are floats and arrays or,
with `create_graph=True`, nodes that can be differentiated again; they are tuples where the inputs,
or what the function returns, are tuples. `strict=True` raises where an output does not depend on
an input, whose derivative is 0 otherwise.

>>> import engine
>>> engine.hessian(lambda x, y: x * x * y, (engine.Value(3.0), engine.Value(2.0)))
((4.0, 6.0), (6.0, 0.0))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import ops, shape
from engine.backprop import grad
from engine.node import Node
from engine.tensor import Tensor
from engine.value import Value

Function = Callable[..., Any]
Nodes = tuple[Node, ...]


def value_and_grad(func: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that returns `func(*arguments)`, which must be one number, and its gradient.

    The gradient is with respect to the argument at place `argnums`, the first by default; it is
    a tuple for a tuple of places. Name and arguments are JAX's.

    >>> import engine
    >>> engine.value_and_grad(lambda w, x: (w * x) ** 2)(3.0, 2.0)
    (36.0, 24.0)
    """
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def value_and_gradient(*arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        given = list(arguments)
        among_arrays = _has_arrays(arguments)
        for place in places:
            given[place] = _leaf(given[place], among_arrays)
        outputs = _one_number("value_and_grad", func(*given, **keywords))
        leaves = tuple(given[place] for place in places)
        gradients = gradients_or_zeros(outputs, leaves, (None,))
        return outputs[0].data, _shown(gradients, argnums, False)

    return value_and_gradient


def jacobian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The derivative of every element that `func` returns by every element of `inputs`.

    Shape of a block: that of the output, then that of the input. With a tuple of outputs the
    result is a tuple, with a tuple of inputs each of its blocks is.

    >>> import engine
    >>> engine.jacobian(lambda x: x * x, engine.tensor([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    leaves, result, outputs = _run("jacobian", func, inputs, create_graph)
    blocks = []
    for y in outputs:
        rows = [
            gradients_or_zeros((y,), leaves, (upstream,), create_graph, strict)
            for upstream in _one_by_one(y)
        ]
        columns = zip(*rows, strict=True) if rows else [()] * len(leaves)
        block = [_block(c, y, x, create_graph) for c, x in zip(columns, leaves, strict=True)]
        blocks.append(_shown(block, inputs, create_graph))
    return tuple(blocks) if isinstance(result, (tuple, list)) else blocks[0]


def hessian(func: Function, inputs: Any, create_graph: bool = False, strict: bool = False) -> Any:
    """The second derivatives of `func`, which must return one number.

    Shape of a block: that of one input, then that of another; for a tuple of n inputs the result
    is a tuple of n tuples of n blocks.

    >>> import engine
    >>> engine.hessian(lambda x: (x**3).sum(), engine.tensor([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """

    def gradient(*xs: Node) -> Nodes:
        outputs = _one_number("hessian", func(*xs))
        return gradients_or_zeros(outputs, xs, (None,), True, strict)

    blocks = jacobian(gradient, inputs, create_graph, strict)
    return blocks if isinstance(inputs, (tuple, list)) else blocks[0]


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """`(func(*inputs), vᵀ·J)`: the gradient of the outputs, weighted by `v`.

    `v` has the shapes of the outputs; None stands for 1 where that is one number.

    >>> import engine
    >>> engine.vjp(lambda x: x * x, engine.tensor([1.0, 2.0]), [3.0, 1.0])
    (array([1., 4.]), array([6., 4.]))
    """
    leaves, result, outputs = _run("vjp", func, inputs, create_graph)
    weights = _directions("vjp", v, result, outputs)
    gradients = gradients_or_zeros(outputs, leaves, weights, create_graph, strict)
    return _shown(outputs, result, create_graph), _shown(gradients, inputs, create_graph)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """`(func(*inputs), J·v)`: how the outputs move when the inputs move by `v`.

    `v` has the shapes of the inputs; None stands for 1 where that is one number. uᵀ·J is linear
    in u, and the transpose of that linear map is J: two backward passes, and no forward mode.

    >>> import engine
    >>> engine.jvp(lambda x: x * x, engine.tensor([1.0, 2.0]), [3.0, 1.0])
    (array([1., 4.]), array([6., 4.]))
    """
    leaves, result, outputs = _run("jvp", func, inputs, create_graph)
    weights = _directions("jvp", v, inputs, leaves)
    upstreams = tuple(_leaf(y.data * 0 + 1, isinstance(y, Tensor)) for y in outputs)
    gradients = gradients_or_zeros(outputs, leaves, upstreams, True, strict)
    slopes = gradients_or_zeros(gradients, upstreams, weights, create_graph, strict)
    return _shown(outputs, result, create_graph), _shown(slopes, result, create_graph)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """`(func(*inputs), H·v)` without building the Hessian H of `func`, which returns one number.

    `v` has the shapes of the inputs. H is symmetric, so H·v is vᵀ·H: the gradient of the
    gradient, weighted by `v`.

    >>> import engine
    >>> engine.hvp(lambda x: (x**3).sum(), engine.tensor([1.0, 2.0]), [1.0, 10.0])
    (array(9.), array([  6., 120.]))
    """
    leaves, result, outputs = _run("hvp", func, inputs, create_graph)
    _one_number("hvp", result)
    weights = _directions("hvp", v, inputs, leaves)
    gradients = gradients_or_zeros(outputs, leaves, (None,), True, strict)
    products = gradients_or_zeros(gradients, leaves, weights, create_graph, strict)
    return _shown(outputs, result, create_graph), _shown(products, inputs, create_graph)


# --- inputs and outputs -----------------------------------------------------------------------


def _leaf(x: Any, among_arrays: bool = False, create_graph: bool = False) -> Any:
    """A node of its own for an input: connected with it if the result shall be, else a leaf. A
    number is made a Value, or a Tensor where arrays are to be computed with."""
    if isinstance(x, Node):
        if create_graph and x.requires_grad:
            return ops.mul(x, 1.0)
        if isinstance(x, Tensor):
            return Tensor(x.data, requires_grad=True, label=x.label)
        return Value(x.data, x.label)
    return Tensor(x, requires_grad=True) if among_arrays or np.ndim(x) else Value(x)


def _has_arrays(arguments: Sequence[Any]) -> bool:
    return any(isinstance(x, (Tensor, np.ndarray)) for x in arguments)


def _several(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _run(name: str, func: Function, inputs: Any, create_graph: bool) -> tuple[Nodes, Any, Nodes]:
    given = _several(inputs)
    among_arrays = _has_arrays(given)
    leaves = tuple(_leaf(x, among_arrays, create_graph) for x in given)
    result = func(*leaves)
    return leaves, result, _checked(name, result)


def _checked(name: str, result: Any) -> Nodes:
    """What the function returned, if it is a node or several."""
    for y in (outputs := _several(result)):
        if not isinstance(y, Node):
            raise TypeError(
                f"{name}: the function must return a Value or a Tensor, or a tuple of them, not a "
                f"{type(y).__name__}"
            )
    return outputs


def _one_number(name: str, result: Any) -> Nodes:
    if isinstance(result, (tuple, list)):
        raise TypeError(f"{name}: the function must return one number, not {len(result)} results")
    return _checked(name, result)


def _directions(name: str, v: Any, like: Any, nodes: Nodes) -> tuple[Any, ...]:
    """`v`, checked to be shaped like the nodes that it weighs; None for 1."""
    if v is None:
        return (None,) * len(nodes)
    vs = _several(v) if isinstance(like, (tuple, list)) else (v,)
    given, expected = [np.shape(x) for x in vs], [np.shape(x.data) for x in nodes]
    if given != expected:
        raise ValueError(
            f"{name}: v has shape {_words(given)}, expected that of what it weighs, "
            f"{_words(expected)}"
        )
    return tuple(
        x if isinstance(x, Node) else node.constant(np.asarray(x, np.asarray(node.data).dtype))
        for x, node in zip(vs, nodes, strict=True)
    )


def _words(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(str, shapes))


def _shown(results: Sequence[Any], like: Any, create_graph: bool) -> Any:
    """Results as plain data unless they shall be a graph, in a tuple where `like` is one."""
    if not create_graph:
        results = [r.data if isinstance(r, Node) else r for r in results]
    return tuple(results) if isinstance(like, (tuple, list)) else results[0]


# --- derivatives ------------------------------------------------------------------------------


def gradients_or_zeros(
    outputs: Nodes,
    inputs: Nodes,
    upstreams: tuple[Any, ...],
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, ...]:
    """One gradient per input; 0 for an input, or from an output, that nothing connects."""
    pairs = [(y, u) for y, u in zip(outputs, upstreams, strict=True) if y.requires_grad]
    found: Sequence[Any] = [None] * len(inputs)
    if pairs:
        roots, weights = zip(*pairs, strict=True)
        found = grad(roots, inputs, weights, create_graph, allow_unused=True)
    if strict and (len(pairs) < len(outputs) or any(g is None for g in found)):
        raise RuntimeError("strict=True: an output does not depend on an input")
    zeros = (x.constant(x.data * 0) if create_graph else x.data * 0 for x in inputs)
    return tuple(z if g is None else g for z, g in zip(zeros, found, strict=True))


def _one_by_one(y: Node) -> list[Any]:
    """Upstream gradients that ask for one element of `y` each."""
    if not isinstance(y, Tensor):
        return [None]
    size = y.data.size
    return list(np.eye(size, dtype=y.data.dtype).reshape(size, *y.data.shape))


def _block(rows: Sequence[Any], y: Node, x: Node, create_graph: bool) -> Any:
    """The gradients of the elements of y, put together in the shape of y, then of x."""
    if not isinstance(y, Tensor):
        return rows[0]
    lengths = y.data.shape + x.data.shape
    if create_graph and rows:
        return shape.reshape(shape.stack(rows), lengths)
    block = np.reshape(rows, lengths) if rows else np.zeros(lengths, x.data.dtype)
    return x.constant(block) if create_graph else block
