"""The same line of code, run by PyTorch and by us: values, shapes, dtypes, gradients.

In a line, `T` is `torch` or `engine`, `F` is `torch.nn.functional` or `nn.functional`, and `x, y,
z` are tensors of the arrays given. What PyTorch refuses we refuse too. Gradients are taken with
random upstream gradients; order 2 differentiates them again.
"""

import math
import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import engine
from nn import functional

torch = pytest.importorskip("torch")

inf, nan = math.inf, math.nan
rng = np.random.RandomState(0)
# Of what kind an error is, is no word to hold us to.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError)


OURS = SimpleNamespace(T=engine, F=functional, make=engine.tensor, grad=engine.grad)
THEIRS = SimpleNamespace(
    T=torch,
    F=torch.nn.functional,
    make=lambda data, requires_grad: torch.tensor(data.copy(), requires_grad=requires_grad),
    grad=torch.autograd.grad,
)


def tensors(library, arrays):
    return [library.make(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def run(library, line, inputs):
    names = dict(zip("xyz", inputs, strict=False))
    silent = warnings.catch_warnings(action="ignore")
    with np.errstate(all="ignore"), silent, same_default_dtype():
        result = eval(line, {"T": library.T, "F": library.F, "inf": inf, "nan": nan, **names})
    return flat(result)


@contextmanager
def same_default_dtype():
    """PyTorch's is float32, ours float64 unless it was set."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, str(engine.get_default_dtype())))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def flat(result):
    if isinstance(result, (tuple, list)):
        return [y for part in result for y in flat(part)]
    return [result]


def array(x):
    return x.detach().numpy(force=True) if isinstance(x, torch.Tensor) else np.asarray(x)


def same(ours, theirs, what, rtol):
    ours, theirs = array(ours), array(theirs)
    assert ours.shape == theirs.shape, what
    assert ours.dtype == theirs.dtype, what
    rtol, atol = (1e-4, 1e-6) if ours.dtype == np.float32 else (rtol, rtol * 1e-4)
    np.testing.assert_allclose(ours, theirs, rtol, atol, err_msg=what)


def gradients(library, outputs, inputs, upstream, create_graph=False):
    """One gradient per floating input, zeros where there is none."""
    make = np.array if library is OURS else torch.tensor
    roots = [(y, make(g)) for y, g in zip(outputs, upstream, strict=True) if active(y)]
    wanted = [x for x in inputs if active(x)]
    found = [None] * len(wanted)
    if roots and wanted:
        nodes, seeds = zip(*roots, strict=True)
        found = library.grad(nodes, wanted, seeds, create_graph=create_graph, allow_unused=True)
    zeros = [library.make(np.zeros_like(array(x)), requires_grad=False) for x in wanted]
    return [z if g is None else g for g, z in zip(found, zeros, strict=True)]


def active(x):
    return getattr(x, "requires_grad", False)


def upstream_for(outputs):
    gs = [rng.uniform(0.5, 2, y.shape) * rng.choice([-1, 1], y.shape) for y in map(array, outputs)]
    return [np.asarray(g, array(y).dtype) for g, y in zip(gs, outputs, strict=True)]


def check(line, *arrays, order=1, rtol=1e-9):
    what = f"{line} of {', '.join(f'{a.dtype}{a.shape}' for a in arrays)}"
    theirs, ours = tensors(THEIRS, arrays), tensors(OURS, arrays)
    try:
        expected = run(THEIRS, line, theirs)
    except REFUSALS:
        with pytest.raises(REFUSALS):
            run(OURS, line, ours)
        return
    results = run(OURS, line, ours)
    assert len(results) == len(expected), what
    for k in range(order + 1):
        for mine, its in zip(results, expected, strict=True):
            same(mine, its, f"{what}, derivative {k}", rtol * 10**k if k else rtol)
        if k < order:
            upstream = upstream_for(results)
            more = k + 1 < order
            expected = gradients(THEIRS, expected, theirs, upstream, more)
            results = gradients(OURS, results, ours, upstream, more)


def cases(text):
    """One case per line; what follows `#` is a remark."""
    return [line.split("  #")[0].strip() for line in text.strip().splitlines() if line.strip()]


def normal(*shape):
    return np.asarray(rng.standard_normal(shape))


HARD = np.array([
    0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 6, 0.3, -1.7, 5.5, 2.5, -5, 20, -20, 20.0001, 1e-8,
    -1e-8, 1e-300, -1e-300, 1e3, -1e3, 1e8, 1e300, -1e300, inf, -inf, nan,
])  # fmt: skip
with np.errstate(over="ignore"):
    HARD32 = HARD.astype(np.float32)
