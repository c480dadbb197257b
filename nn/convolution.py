"""Convolution (in fact cross-correlation, as everywhere in deep learning) in one and two dimensions.

The windows of the input are a matrix with a column for each place, and a convolution is the
weights times that matrix: Chellapilla, Puri and Simard (2006).
"""

from __future__ import annotations

import math
from typing import Any

from engine.rule import Structural
from engine.shape import reshape
from nn.windows import Window, check_input, from_windows, sizes, windows


def _columns(m: Any, x: Any, window: Window, groups: int) -> Any:
    """(N, C, *lengths) to (N, groups, C/groups · kernel, places)."""
    inner = x.shape[1] // groups * math.prod(window.kernel)
    places = math.prod(window.places(x.shape[2:]))
    return m.reshape(windows(x, window=window), (x.shape[0], groups, inner, places))


def _matrix(m: Any, w: Any, groups: int) -> Any:
    """(out, C/groups, *kernel) to (groups, out/groups, C/groups · kernel)."""
    return m.reshape(w, (groups, w.shape[0] // groups, math.prod(w.shape[1:])))


def _convolved(m: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    y = m.matmul(_matrix(m, w, groups), _columns(m, x, window, groups))
    return m.reshape(y, (x.shape[0], w.shape[0], *window.places(x.shape[2:])))


def _grouped(m: Any, g: Any, groups: int) -> Any:
    """(N, out, *places) to (N, groups, out/groups, places)."""
    shape = g.shape[0], groups, g.shape[1] // groups, math.prod(g.shape[2:])
    return m.reshape(g, shape)


def _input_vjp(m: Any, g: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    columns = m.matmul(m.transpose(_matrix(m, w, groups), -1, -2), _grouped(m, g, groups))
    shape = (*x.shape[:2], *window.kernel, *g.shape[2:])
    return from_windows(m.reshape(columns, shape), window=window, lengths=x.shape[2:])


def _weight_vjp(m: Any, g: Any, x: Any, w: Any, window: Window, groups: int) -> Any:
    columns = m.transpose(_columns(m, x, window, groups), -1, -2)
    return m.reshape(m.sum(m.matmul(_grouped(m, g, groups), columns), (0,)), w.shape)


def _without_bias(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, w, *, window, groups: _convolved(m, x, w, window, groups),
        lambda m, g, y, x, w, *, window, groups: _input_vjp(m, g, x, w, window, groups),
        lambda m, g, y, x, w, *, window, groups: _weight_vjp(m, g, x, w, window, groups),
    )


def _with_bias(name: str) -> Structural:
    return Structural(
        name,
        lambda m, x, w, b, *, window, groups: (
            _convolved(m, x, w, window, groups) + m.reshape(b, (-1, *(1,) * len(window.kernel)))
        ),
        lambda m, g, y, x, w, b, *, window, groups: _input_vjp(m, g, x, w, window, groups),
        lambda m, g, y, x, w, b, *, window, groups: _weight_vjp(m, g, x, w, window, groups),
        lambda m, g, y, x, w, b, *, window, groups: m.sum(g, (0, *range(2, g.ndim))),
    )


_conv1d, _conv1d_bias = _without_bias("conv1d"), _with_bias("conv1d")
_conv2d, _conv2d_bias = _without_bias("conv2d"), _with_bias("conv2d")


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The weights laid over each place of a sequence, multiplied and summed.

    Shapes: input (N, C, L) or (C, L), weight (out, C / groups, K), bias (out,). `padding` is a
    number of zeros at both ends, "valid" (none) or "same" (the result as long as the input).

    >>> import engine
    >>> x, w = engine.tensor([[1.0, 2.0, 4.0, 8.0]]), engine.tensor([[[-1.0, 1.0]]])
    >>> conv1d(x, w).tolist()
    [[1.0, 2.0, 4.0]]
    """
    return _conv(1, _conv1d, _conv1d_bias, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The weights laid over each place of an image, multiplied and summed.

    Shapes: input (N, C, H, W) or (C, H, W), weight (out, C / groups, K, L), bias (out,). Numbers
    are for both dimensions, pairs one for each; `padding` may be "valid" or "same" as well.
    """
    return _conv(2, _conv2d, _conv2d_bias, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    count: int,
    rule: Structural,
    rule_with_bias: Structural,
    x: Any,
    w: Any,
    b: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    name = rule.name
    check_input(x, count, name, "C, L" if count == 1 else "C, H, W")
    channels = x.shape[x.ndim - count - 1]
    if groups < 1 or channels % groups or w.ndim != count + 2 or w.shape[0] % groups:
        raise ValueError(
            f"{name}: {groups} groups must divide the channels of an input of shape {x.shape} and "
            f"of a weight of shape (out, in / groups, *kernel), got {w.shape}"
        )
    if w.shape[1] * groups != channels:
        raise ValueError(
            f"{name}: weight of shape {w.shape} in {groups} group(s) expects "
            f"{w.shape[1] * groups} channels, the input of shape {x.shape} has {channels}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"{name}: bias has shape {b.shape}, expected {w.shape[:1]}")
    window = _window(count, name, w.shape[2:], stride, padding, dilation)
    lengths = x.shape[x.ndim - count :]
    if min(window.places(lengths)) < 1:
        raise ValueError(
            f"{name}: a kernel of {window.kernel} with dilation {window.dilation} does not fit "
            f"into an input of {lengths} with padding {window.padding}"
        )
    batched = x if x.ndim == count + 2 else reshape(x, (1, *x.shape))
    operands = (batched, w) if b is None else (batched, w, b)
    y = (rule if b is None else rule_with_bias)(*operands, window=window, groups=groups)
    return y if x.ndim == count + 2 else reshape(y, y.shape[1:])


def _window(
    count: int, name: str, kernel: tuple[int, ...], stride: Any, padding: Any, dilation: Any
) -> Window:
    strides = sizes(stride, count, name, "stride")
    dilations = sizes(dilation, count, name, "dilation")
    if padding == "same":
        if any(n != 1 for n in strides):
            raise ValueError(f"{name}: padding='same' needs stride=1, not {stride!r}")
        totals = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
        around = tuple((n // 2, n - n // 2) for n in totals)
    elif padding == "valid":
        around = ((0, 0),) * count
    elif isinstance(padding, str):
        raise ValueError(f"{name}: padding is a number, 'same' or 'valid', not {padding!r}")
    else:
        around = tuple((n, n) for n in sizes(padding, count, name, "padding", least=0))
    return Window(tuple(kernel), strides, around, dilations)
