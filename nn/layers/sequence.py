"""Layers for sequences: embeddings of symbols, and recurrent networks."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

import engine
from engine import Tensor
from nn import functional as F
from nn import init
from nn.layers.linear import empty
from nn.module import Module, Parameter


class Embedding(Module):
    """A vector that learns for each of `num_embeddings` symbols. Shapes: integers (...) ->
    (..., embedding_dim). The vectors start normal; that of `padding_idx` is 0, and stays it.

    >>> import engine, nn
    >>> nn.Embedding(10, 3)(engine.tensor([[1, 2], [4, 1]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"Embedding: padding_idx {padding_idx} is none of {num_embeddings} symbols"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.weight = init.normal_(empty(num_embeddings, embedding_dim, dtype=dtype))
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, input: Any) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"


class RNN(Module):
    """h ← tanh(W_ih·x + b_ih + W_hh·h + b_hh), step by step (Elman 1990); more layers each read
    the states of the one below, and `bidirectional` ones read in both directions.

    Shapes: input (L, N, input_size), or (N, L, input_size) with `batch_first`, or (L, input_size)
    without a batch; `hx` (layers · directions, N, hidden_size), zeros if not given. Returned are
    the states of the last layer at every step, (L, N, directions · hidden_size), and the last
    states of all layers, in the shape of `hx`.

    >>> import engine, nn
    >>> output, last = nn.RNN(3, 5)(engine.randn(7, 2, 3))
    >>> output.shape, last.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity {nonlinearity!r} is neither 'tanh' nor 'relu'")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.nonlinearity = nonlinearity
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self._directions = ("", "_reverse") if bidirectional else ("",)
        bound = 1 / math.sqrt(hidden_size)
        for layer in range(num_layers):
            size = input_size if layer == 0 else hidden_size * len(self._directions)
            for direction in self._directions:
                rows = {"weight_ih": [size], "weight_hh": [hidden_size]}
                if bias:
                    rows |= {"bias_ih": [], "bias_hh": []}
                for name, row in rows.items():
                    start = init.uniform_(empty(hidden_size, *row, dtype=dtype), -bound, bound)
                    setattr(self, f"{name}_l{layer}{direction}", start)

    def _weights(self, which: str) -> list[Parameter | None]:
        names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        return [getattr(self, f"{name}_{which}", None) for name in names]

    def _states(self, x: Tensor, h: Tensor, which: str) -> list[Tensor]:
        """The state after each step of x, (L, N, size), from h, (N, hidden_size)."""
        weight_ih, bias_ih, weight_hh, bias_hh = self._weights(which)
        bend = F.tanh if self.nonlinearity == "tanh" else F.relu
        states = []
        for from_input in F.linear(x, weight_ih, bias_ih):
            h = bend(from_input + F.linear(h, weight_hh, bias_hh))
            states.append(h)
        return states

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"RNN: input has shape {input.shape}, expected 2 or 3 dimensions and the last of "
                f"length {self.input_size}"
            )
        batched = input.ndim == 3
        x = input if batched else input.reshape(len(input), 1, -1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        shape = (self.num_layers * len(self._directions), x.shape[1], self.hidden_size)
        if hx is None:
            hx = engine.tensor(np.zeros(shape, x.dtype))
        elif not batched:
            hx = hx.reshape(shape[0], 1, -1)
        if hx.shape != shape:
            raise ValueError(f"RNN: hx has shape {hx.shape}, expected {shape}")
        last: list[Tensor] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for direction in self._directions:
                steps = -1 if direction else 1
                states = self._states(x[::steps], hx[len(last)], f"l{layer}{direction}")
                last.append(states[-1])
                outputs.append(engine.stack(states[::steps]))
            x = outputs[0] if len(outputs) == 1 else engine.cat(outputs, dim=2)
        h = engine.stack(last)
        if not batched:
            return x[:, 0], h[:, 0]
        return (x.transpose(0, 1) if self.batch_first else x), h

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults: dict[str, Any] = {"num_layers": 1, "bias": True, "batch_first": False}
        defaults |= {"dropout": 0.0, "bidirectional": False}
        parts += [
            f"{name}={getattr(self, name)}"
            for name, default in defaults.items()
            if getattr(self, name) != default
        ]
        return ", ".join(parts)
