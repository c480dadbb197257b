"""Convolutions and pooling."""

from __future__ import annotations

from typing import Any

from engine import Tensor
from nn import functional as F
from nn.layers.linear import empty, start_uniform
from nn.module import Module, Parameter

Size = int | tuple[int, ...]


def _tuple(size: Any, count: int) -> Any:
    """One number for all dimensions; text, such as "same", as it is."""
    return (size,) * count if isinstance(size, int) else size


class _Conv(Module):
    dimensions: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: {in_channels} input and {out_channels} output channels cannot be split "
                f"into {groups} groups"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"{name}: padding_mode {padding_mode!r} is none of zeros, reflect, replicate, "
                "circular"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _tuple(kernel_size, self.dimensions)
        self.stride = _tuple(stride, self.dimensions)
        self.padding = _tuple(padding, self.dimensions)
        self.dilation = _tuple(dilation, self.dimensions)
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = empty(out_channels, in_channels // groups, *self.kernel_size, dtype=dtype)
        self.bias = empty(out_channels, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial weights anew."""
        start_uniform(self.weight, self.bias)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with its border, where that is not zeros, and the padding still to do."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            sides = [(total // 2, total - total // 2) for total in totals]
        else:
            sides = [(p, p) for p in self.padding]
        around = [side for pair in reversed(sides) for side in pair]  # the last dimension first
        return F.pad(input, around, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        parts.append(f"stride={self.stride}")
        if self.padding != (0,) * self.dimensions:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.dimensions:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """Every window of a sequence times the weights. Shapes: (N, C, L) -> (N, out_channels, L');
    `weight` is (out_channels, in_channels / groups, kernel_size).

    >>> import engine, nn
    >>> nn.Conv1d(3, 8, kernel_size=5, padding=2)(engine.randn(2, 3, 10)).shape
    (2, 8, 10)
    """

    dimensions = 1

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """Every window of an image times the weights. Shapes: (N, C, H, W) -> (N, out_channels, H', W');
    `weight` is (out_channels, in_channels / groups, *kernel_size).

    >>> import engine, nn
    >>> nn.Conv2d(1, 8, kernel_size=3)(engine.randn(2, 1, 8, 8)).shape
    (2, 8, 6, 6)
    """

    dimensions = 2

    def forward(self, input: Tensor) -> Tensor:
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class _Pool(Module):
    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _MaxPool(_Pool):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
    ) -> None:
        super().__init__(kernel_size, stride, padding)
        self.dilation = dilation

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, dilation={self.dilation}"


class MaxPool1d(_MaxPool):
    """The largest number of each window of a sequence: (N, C, L) -> (N, C, L')."""

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation)


class MaxPool2d(_MaxPool):
    """The largest number of each window of an image: (N, C, H, W) -> (N, C, H', W')."""

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation)


class AvgPool1d(_Pool):
    """The mean of each window of a sequence: (N, C, L) -> (N, C, L')."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool):
    """The mean of each window of an image: (N, C, H, W) -> (N, C, H', W')."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding)
