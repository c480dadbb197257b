"""Plots of a training, and of a function. Each takes, or makes, an Axes, and returns it.

Needs matplotlib, which is only imported here, and only when something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import Tensor, no_grad
from engine.node import plain
from viz import style
from viz.looks import Look, looked_at
from viz.probe import Array
from viz.record import Recorder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which all can tell apart; lines also differ in their dashes.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", "--", "-.", ":")
SATURATED = "#e69f00"
FLAT = "#4d4d4d"


def pyplot() -> ModuleType:
    """matplotlib.pyplot, or a message that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "ebbgrad[demos]"') from error
    return plt


def axes_or_new(ax: Axes | None) -> Axes:
    """The Axes given, or those of a new figure."""
    if ax is not None:
        return ax
    made: Axes = pyplot().subplots(figsize=(6.4, 4.0), layout="constrained")[1]
    return made


def _text(name: str) -> str:
    """A name as it can be shown; matplotlib would set what stands between dollars as a formula."""
    return style.shorten(style.printable(name)).replace("$", r"\$")


def _look(number: int) -> dict[str, Any]:
    """The colour and the dashes of line `number`."""
    color = COLORS[number % len(COLORS)]
    return {"color": color, "linestyle": DASHES[number // len(COLORS) % len(DASHES)]}


# ------------------------------------------------------------------ over a training


def plot_history(history: Mapping[str, Sequence[float]], *, ax: Axes | None = None) -> Axes:
    """The numbers of each epoch: losses on the left, in decades; shares as accuracy on the right.

    `history` is what `nn.fit` returns.
    """
    ax = axes_or_new(ax)
    losses = {name: numbers for name, numbers in history.items() if "loss" in name}
    others = {name: numbers for name, numbers in history.items() if "loss" not in name}
    right = ax.twinx() if losses and others else ax
    for place, (name, numbers) in enumerate({**losses, **others}.items()):
        side = ax if name in losses else right
        epochs = range(1, len(numbers) + 1)
        marker = "." if len(numbers) < 30 else ""
        side.plot(epochs, numbers, label=_text(name), marker=marker, **_look(place))
    if losses and all(x > 0 for numbers in losses.values() for x in numbers):
        ax.set_yscale("log")
    ax.locator_params(axis="x", integer=True)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss" if losses else "")
    if right is not ax:
        right.set_ylabel(_text(", ".join(others)))
    lines = [*ax.get_lines(), *(right.get_lines() if right is not ax else [])]
    ax.legend(lines, [str(line.get_label()) for line in lines])
    return ax


def plot_gradient_flow(recorder: Recorder, *, ax: Axes | None = None) -> Axes:
    """RMS of dL/dz of each layer, look by look, in decades: lines that part are a gradient that
    vanishes, or explodes, on its way back. A gradient of exactly 0 is a cross at the bottom."""
    ax = _over_steps(recorder, axes_or_new(ax))
    for place, name in enumerate(_names(recorder)):
        sizes = [_at(look.report.layers, name, "grad_rms") for look in recorder.looks]
        _decades(ax, recorder.steps, sizes, name, place)
    ax.set_ylabel("RMS of dL/dz")
    ax.set_title("Gradient flow", loc="left")
    ax.legend(title="layer")
    return ax


def plot_units(recorder: Recorder, layer: str, *, ax: Axes | None = None) -> Axes:
    """Units × steps of one layer: for what share of its examples a unit has hardly any slope (the
    deeper the orange; of a ReLU, about half is healthy), and which units are dead, with slope 0
    for all of them (dark grey; crossed out where there is room)."""
    ax = axes_or_new(ax)
    looks = [(look, _place(look.report.layers, layer)) for look in _looks(recorder)]
    saturated = np.array([look.saturated[place] for look, place in looks]).T
    dead = np.array([look.dead[place] == 1 for look, place in looks]).T
    shares = ax.imshow(
        saturated, cmap=_ramp("#ffffff", SATURATED), vmin=0, vmax=1, aspect="auto",
        interpolation="nearest", extent=(-0.5, len(looks) - 0.5, len(saturated) - 0.5, -0.5),
    )  # fmt: skip
    units, columns = np.nonzero(dead)
    cover = np.where(dead, 1.0, np.nan)
    ax.imshow(cover, cmap=_ramp(FLAT, FLAT), aspect="auto", interpolation="nearest")
    if len(looks) <= 40:
        ax.plot(columns, units, "x", color="white", markersize=4)
    count = len(looks)
    shown = np.unique(np.linspace(0, count - 1, min(count, 9)).astype(int))
    ax.set_xticks(shown, [str(recorder.steps[i]) for i in shown])
    ax.set_xlabel(f"step ({looked_at(recorder.steps)})", wrap=True)
    ax.set_ylabel(f"unit of {_text(layer)}")
    at_last = f"{int(dead[:, -1].sum())} of {len(dead)} at last"
    ax.set_title(f"{_text(layer)}: dark units are dead, {at_last}", loc="left")
    ax.figure.colorbar(shares, ax=ax, label="share of examples with hardly any slope")
    return ax


def plot_updates(recorder: Recorder, *, ax: Axes | None = None) -> Axes:
    """|step| / |parameter| of each parameter, in decades, beside the line at 1e-3 that is about
    right, and the band outside of which it is worth a look."""
    ax = _over_steps(recorder, axes_or_new(ax))
    names = dict.fromkeys(name for look in recorder.looks for name in look.updates)
    ax.axhspan(*recorder.thresholds.update, color="#009e73", alpha=0.12, lw=0)
    ax.axhline(1e-3, color="#777777", lw=1)
    for place, name in enumerate(names):
        sizes = [look.updates.get(name, np.nan) for look in recorder.looks]
        _decades(ax, recorder.steps, sizes, name, place)
    ax.set_ylabel("|step| / |parameter|")
    ax.set_title("Update to weight ratio: the shaded band is usual", loc="left")
    ax.legend()
    return ax


def plot_activations(recorder: Recorder, layer: str, *, ax: Axes | None = None) -> Axes:
    """A layer's activations over the training: each look a column, the darker the more of them."""
    ax = axes_or_new(ax)
    found = [look.histograms[_place(look.report.layers, layer)] for look in _looks(recorder)]
    low = min(edges[0] for _, edges in found)
    high = max(edges[-1] for _, edges in found)
    bins = np.linspace(low, high if high > low else low + 1, 61)
    shares = np.array([_rebinned(counts, edges, bins) for counts, edges in found]).T
    ax.imshow(
        np.log10(1e-4 + shares), cmap=_ramp("#ffffff", style.RAMP[-1]), aspect="auto",
        origin="lower", interpolation="nearest", extent=(-0.5, len(found) - 0.5, low, bins[-1]),
    )  # fmt: skip
    shown = np.unique(np.linspace(0, len(found) - 1, min(len(found), 9)).astype(int))
    ax.set_xticks(shown, [str(recorder.steps[i]) for i in shown])
    ax.set_xlabel(f"step ({looked_at(recorder.steps)})", wrap=True)
    ax.set_ylabel(f"activation of {_text(layer)}")
    ax.set_title(f"{_text(layer)}: the darker, the more of its activations", loc="left")
    return ax


# ------------------------------------------------------------------ a decision


def plot_decision_boundary(
    model: Callable[[Any], Any], x: Any, y: Any, *, ax: Axes | None = None, points: int = 200
) -> Axes:
    """Which class a model of two inputs gives where, with the examples.

    Shapes: x (N, 2), y (N,) or (N, 1) classes. The model gives (N, 1), a number whose sign
    decides, or (N, C), of which the largest does.
    """
    ax = axes_or_new(ax)
    x, y = np.asarray(plain(x)), np.asarray(plain(y)).reshape(-1)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"plot_decision_boundary: x has shape {x.shape}, expected (N, 2)")
    margin = 0.15 * np.ptp(x, axis=0)
    sides = np.linspace(x.min(axis=0) - margin, x.max(axis=0) + margin, points).T
    across, up = np.meshgrid(*sides)
    with no_grad():
        scores = np.asarray(plain(model(Tensor(np.c_[across.ravel(), up.ravel()]))))
    scores = scores.reshape(*across.shape, -1)
    decision = (scores[..., 0] > 0) if scores.shape[-1] == 1 else scores.argmax(axis=-1)
    classes = np.unique(y)
    ax.contourf(
        across, up, decision, levels=np.arange(max(len(classes), 2) + 1) - 0.5, alpha=0.25,
        colors=COLORS[: max(len(classes), 2)],
    )  # fmt: skip
    if scores.shape[-1] == 1 and scores.min() < 0 < scores.max():
        ax.contour(across, up, scores[..., 0], levels=[0.0], colors="#222222", linewidths=1.5)
    for place, name in enumerate(classes):
        chosen = x[y == name]
        ax.scatter(
            chosen[:, 0], chosen[:, 1], s=22, color=COLORS[place], marker="os^Dv"[place % 5], edgecolor="white",
            linewidth=0.6, label=f"class {name:g}",
        )  # fmt: skip
    ax.set_xlabel("input 0")
    ax.set_ylabel("input 1")
    ax.legend()
    return ax


# ------------------------------------------------------------------ what several of them need


def _looks(recorder: Recorder) -> list[Look]:
    if not recorder.looks:
        raise ValueError("this recorder has not looked yet: train with it first")
    return recorder.looks


def _names(recorder: Recorder) -> list[str]:
    return list(dict.fromkeys(row.name for look in recorder.looks for row in look.report.layers))


def _place(rows: Sequence[Any], name: str) -> int:
    for place, row in enumerate(rows):
        if row.name == name:
            return place
    known = ", ".join(repr(row.name) for row in rows) or "none"
    raise KeyError(f"no layer is called {name!r}; there is {known}")


def _at(rows: Sequence[Any], name: str, what: str) -> float:
    return next((getattr(row, what) for row in rows if row.name == name), np.nan)


def _over_steps(recorder: Recorder, ax: Axes) -> Axes:
    """Steps from left to right, with a tick for each look along the bottom."""
    ax.plot(
        recorder.steps, [0.0] * len(_looks(recorder)), "|", color=FLAT, markersize=8,
        transform=ax.get_xaxis_transform(), clip_on=False,
    )  # fmt: skip
    ax.set_xlabel(f"step ({looked_at(recorder.steps)})", wrap=True)
    return ax


def _decades(ax: Axes, steps: Sequence[int], sizes: Any, label: str, place: int) -> None:
    """A line on a logarithmic axis. What is exactly 0 has no place there: a cross below."""
    sizes = np.asarray(sizes, float)
    ax.set_yscale("log")
    marker = "." if len(steps) < 40 else ""
    shown = np.where(sizes > 0, sizes, np.nan)
    ax.plot(steps, shown, label=_text(label), marker=marker, **_look(place))
    zero = np.asarray(steps)[sizes == 0]
    ax.plot(
        zero, [0.03] * len(zero), "x", color=COLORS[place % len(COLORS)],
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def _ramp(light: str, dark: str) -> Any:
    pyplot()
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", [light, dark])


def _rebinned(counts: Array, edges: Array, bins: Array) -> Array:
    """A histogram on other bins, as shares; what lies across an edge is divided."""
    upto = np.concatenate([[0.0], np.cumsum(counts)])
    return np.diff(np.interp(bins, edges, upto)) / max(upto[-1], 1)
