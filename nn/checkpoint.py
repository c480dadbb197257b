"""Saving: the numbers of a model, or a whole training that is to go on later.

    nn.save(model.state_dict(), "model.safetensors")
    model.load_state_dict(nn.load("model.safetensors"))

A file is written whole or not at all: first under another name, then renamed. `.safetensors`
files (the extra "save") open in PyTorch, JAX and Netron; `.npz` files need NumPy alone.
"""

from __future__ import annotations

import contextlib
import glob
import io
import json
import os
import random
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.node import Node
from engine.random import generator
from engine.readings import Array

_METADATA = "__metadata__"  # how .npz keeps what safetensors keeps beside the arrays


def save(
    state: Mapping[str, Any], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays, such as a `state_dict`, to a `.safetensors` or `.npz` file.

    >>> import nn, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "linear.npz"
    >>> layer, other = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> nn.save(layer.state_dict(), path)
    >>> other.load_state_dict(nn.load(path))
    >>> bool((other.weight == layer.weight).data.all())
    True
    """
    # safetensors writes wrong numbers for arrays that are not in C order; np.ascontiguousarray
    # would make (1,) of ().
    if hasattr(state, "state_dict"):
        raise TypeError(f"save takes named arrays: {type(state).__name__}.state_dict()")
    arrays = {name: np.array(value, order="C") for name, value in state.items()}
    if nested := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise TypeError(f"save: {nested[0]} is no array; for more than arrays use save_checkpoint")
    path = Path(path)
    if _format(path) == ".npz":
        text = json.dumps(dict(metadata or {})).encode()
        _write_whole(path, _npz({**arrays, _METADATA: np.frombuffer(text, np.uint8)}))
    else:
        _write_whole(path, _safetensors().save(arrays, metadata=dict(metadata or {})))


def load(path: str | Path) -> dict[str, Array]:
    """The arrays of a file that `save`, or PyTorch's safetensors, wrote."""
    return load_with_metadata(path)[0]


def load_with_metadata(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file, and the texts that were saved with them."""
    path = Path(path)
    npz, data = _format(path) == ".npz", path.read_bytes()
    if npz:
        if not data.startswith(b"PK"):  # np.load would take it for a pickle
            raise ValueError(f"{path} is not an .npz file")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(arrays.pop(_METADATA, np.zeros(0, np.uint8)).tobytes() or b"{}")
    # The header, as the format says: its length in 8 bytes, then JSON.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(_safetensors().load(data)), header.get(_METADATA, {})


def _format(path: Path) -> str:
    if path.suffix not in (".safetensors", ".npz"):
        raise ValueError(f"{path.name}: a file to save in ends in .safetensors or .npz")
    return path.suffix


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """As `np.savez`, which cannot save an array called "file"."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return file.getvalue()


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            'for .safetensors files run: pip install "ebbgrad[save]". Files that end in .npz need '
            "NumPy alone"
        ) from None
    return safetensors.numpy


_HOUR = 3600


def _write_whole(path: Path, data: bytes) -> None:
    """Replace the file at `path` in one moment: who is killed meanwhile leaves the old one."""
    _sweep(path)
    descriptor, name = tempfile.mkstemp(".part", f".{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp lets nobody else read
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _sweep(path: Path) -> None:
    """Remove what saves of this name left behind when they were killed. What was written to within
    the last hour may be a save under way in another process, and stays."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _HOUR:
                left.unlink()


# --- a whole training ---------------------------------------------------------------------------


def save_checkpoint(path: str | Path, **parts: Any) -> None:
    """Save all that a training needs to go on: things with a `state_dict` (model, optimizer,
    scheduler, DataLoader), plain data (numbers, texts, lists, dicts, arrays), and the state of the
    random numbers of `engine` and of Python's `random`.

    >>> import nn, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "training.npz"
    >>> model = nn.Linear(2, 1)
    >>> optimizer = nn.optim.Adam(model.parameters())
    >>> nn.save_checkpoint(path, model=model, optimizer=optimizer, epoch=3)
    >>> nn.load_checkpoint(path, model=model, optimizer=optimizer)
    {'epoch': 3}
    """
    arrays: dict[str, Array] = {}
    states = {name: _state(part) for name, part in parts.items()}
    tree = {"parts": states, "random": random.getstate(), "engine": _generator_state()}
    text = json.dumps(_packed(tree, "training", arrays))
    save(arrays, path, {"training": text})


def load_checkpoint(path: str | Path, **parts: Any) -> dict[str, Any]:
    """Give the parts their saved states, and the random numbers theirs; return the plain data.

    If one part does not fit, the error says so and all parts are as they were before.
    """
    arrays, metadata = load_with_metadata(path)
    if "training" not in metadata:
        raise ValueError(f"{path} holds arrays but no training: use nn.load")
    tree = _unpacked(json.loads(metadata["training"]), arrays)
    saved = tree["parts"]
    if missing := [name for name in parts if name not in saved]:
        raise KeyError(f"{path} has no {', '.join(missing)}; it has {', '.join(saved)}")
    before = {name: part.state_dict() for name, part in parts.items()}
    try:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    except BaseException:
        for name, part in parts.items():
            part.load_state_dict(before[name])
        raise
    random.setstate(tree["random"])
    generator().bit_generator.state = tree["engine"]
    return {name: state for name, state in saved.items() if name not in parts}


def _state(part: Any) -> Any:
    return part.state_dict() if hasattr(part, "state_dict") else part


def _generator_state() -> Any:
    return generator().bit_generator.state


def _packed(x: Any, path: str, arrays: dict[str, Array]) -> Any:
    """`x` as JSON can write it; its arrays are put into `arrays` and named in their places."""
    if isinstance(x, (np.ndarray, np.generic)):
        arrays[path] = np.asarray(x)
        return {"array": path}
    if isinstance(x, Mapping):
        items = x.items()
        return {"dict": [[key, _packed(y, f"{path}.{key}", arrays)] for key, y in items]}
    if isinstance(x, (list, tuple)):
        kind = "tuple" if isinstance(x, tuple) else "list"
        return {kind: [_packed(y, f"{path}.{i}", arrays) for i, y in enumerate(x)]}
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    hint = ": write .data" if isinstance(x, Node) else ""
    raise TypeError(f"a checkpoint holds data, not a {type(x).__name__} ({path}){hint}")


def _unpacked(x: Any, arrays: Mapping[str, Array]) -> Any:
    if not isinstance(x, dict):
        return x
    ((kind, content),) = x.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _unpacked(value, arrays) for key, value in content}
    values = [_unpacked(value, arrays) for value in content]
    return tuple(values) if kind == "tuple" else values
