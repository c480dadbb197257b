"""`nn.functional` as PyTorch has it: see `parity.py`."""

import numpy as np
import pytest
from parity import (
    HARD,
    HARD32,
    OURS,
    THEIRS,
    cases,
    check,
    inf,
    nan,
    normal,
    rng,
    run,
    same,
    tensors,
)

# --- nn.functional: activations -----------------------------------------------------------------

ACTIVATIONS = """
F.relu(x)
F.relu6(x)
F.leaky_relu(x)
F.leaky_relu(x, negative_slope=-0.5)
F.elu(x)
F.elu(input=x, alpha=2.0)
F.selu(x)
F.celu(x)
F.celu(x, alpha=2.0)
F.gelu(x)
F.gelu(x, approximate="tanh")
F.gelu(x, approximate="other")
F.silu(x)
F.mish(x)
F.softplus(x)
F.softplus(x, 2, 3)
F.softplus(x, beta=0.5, threshold=-1)
F.softsign(x)
F.hardtanh(x)
F.hardtanh(x, -2, 0.5)
F.hardtanh(x, min_val=0.0, max_val=3.0)
F.hardswish(x)
F.logsigmoid(x)
F.sigmoid(x)
F.tanh(x)
"""


@pytest.mark.parametrize("line", cases(ACTIVATIONS))
def test_activations(line):
    finite = HARD[np.isfinite(HARD)]
    for x in (finite, HARD32[np.isfinite(HARD32)], normal(), normal(0, 3), normal(4, 3).T):
        check(line, x)
    check(line, 3 * normal(4, 5), order=2)
    if "other" not in line:  # the values of nan and ±inf; their slopes are no word (see above)
        (ours,), (theirs,) = (run(lib, line, tensors(lib, [HARD])) for lib in (OURS, THEIRS))
        same(ours, theirs, line, 1e-9)


def test_slopes_that_pytorch_rounds_to_float32():
    check("F.hardsigmoid(x)", HARD, rtol=1e-7)
    check("F.celu(x, 0.3)", normal(3, 4), rtol=1e-7)


def test_prelu():
    for shape in ((), (4,), (2, 3), (2, 3, 4), (0, 3)):
        for weights in ((), (1,), (3,), (4,), (1, 1)):
            check("F.prelu(x, y)", normal(*shape), normal(*weights), order=2)
    check("F.prelu(input=x, weight=y)", HARD, np.array([0.25]))


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_softmax_in_its_forms(name):
    for x in (3 * normal(2, 3), normal(4), normal(), normal(2, 3, 4), normal(0, 2)):
        check(f"F.{name}(x, 0)", x, order=2)
        check(f"F.{name}(input=x, dim=-1)", x, order=2)
        check(f"F.{name}(x, 2)", x)


@pytest.mark.parametrize(("p", "training"), [(0, True), (0.5, False), (1, True), (1.5, True)])
def test_dropout_where_it_is_not_random(p, training):
    check(f"F.dropout(x, {p}, {training})", normal(3, 4))
    check(f"F.dropout(input=x, p={p}, training={training})", normal(3, 4))


# --- nn.functional: layers ----------------------------------------------------------------------


def test_linear():
    for x, y, z in (((2, 3), (4, 3), (4,)), ((2, 5, 3), (4, 3), (4,)), ((3,), (4, 3), (4,)),
                    ((3,), (3,), ()), ((0, 3), (4, 3), (4,)), ((2, 3), (4, 3), (1,)),
                    ((2, 2), (4, 3), (4,)), ((2, 3), (4, 3), (3,))):  # fmt: skip
        check("F.linear(x, y)", normal(*x), normal(*y), order=2)
        check("F.linear(input=x, weight=y, bias=z)", normal(*x), normal(*y), normal(*z), order=2)


def choose(*options):
    return options[rng.randint(len(options))]


@pytest.mark.parametrize("dims", [1, 2])
def test_convolutions_of_all_kinds(dims):
    for _ in range(60):
        groups = choose(1, 1, 2, 3)
        channels, made = groups * choose(1, 2), groups * choose(1, 2)
        kernel, lengths = rng.randint(1, 4, dims), rng.randint(3, 8, dims)
        x = normal(*choose((), (1,), (2,)), channels, *lengths)
        w = normal(made, channels // groups, *kernel)
        stride = choose(1, 2, (3,) * dims, tuple(rng.randint(1, 4, dims).tolist()))
        padding = choose(0, 1, "valid", "same", tuple(rng.randint(0, 3, dims).tolist()))
        dilation = choose(1, 1, 2, tuple(rng.randint(1, 3, dims).tolist()))
        rest = f"{stride}, {padding!r}, {dilation}, {groups}"
        check(f"F.conv{dims}d(x, y, None, {rest})", x, w, order=2)
        check(f"F.conv{dims}d(x, y, z, {rest})", x, w, normal(made), order=2)


@pytest.mark.parametrize("line", cases("""
F.conv2d(input=x, weight=y, bias=z, stride=2, padding=1, dilation=1, groups=1)
F.conv2d(x, y, z, padding=(1, 0))
F.conv2d(x[0], y)
F.conv2d(x[0, 0], y)
F.conv2d(x[:, :1], y)
F.conv2d(x, y, z[:1])
F.conv2d(x, y, stride=0)
F.conv2d(x, y, padding=-1)
F.conv2d(x, y, padding="same", stride=2)
F.conv2d(x[..., :2], y)
"""))  # fmt: skip
def test_arguments_of_convolutions(line):
    check(line, normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4))
    check(
        line, *(a.astype(np.float32) for a in (normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4)))
    )


@pytest.mark.parametrize("dims", [1, 2])
def test_pooling_of_all_kinds(dims):
    for _ in range(60):
        x = normal(*choose((), (2,)), 2, *rng.randint(3, 9, dims))
        x = choose(x, np.round(x), np.where(x > 1, nan, x), np.where(x < 0, -inf, x))
        kernel, stride = choose(2, 3, tuple(rng.randint(1, 4, dims).tolist())), choose(None, 1, 2)
        padding = choose(0, 0, 1, tuple(rng.randint(0, 2, dims).tolist()))
        check(f"F.max_pool{dims}d(x, {kernel}, {stride}, {padding}, {choose(1, 2)})", x, order=2)
        check(f"F.avg_pool{dims}d(x, {kernel}, {stride}, {padding})", np.round(x), order=2)
    x = normal(1, 2, *[5] * dims)
    for arguments in (
        "kernel_size=2",
        "kernel_size=2, stride=1, padding=1",
        "0",
        "9",
        "2, padding=2",
    ):
        check(f"F.max_pool{dims}d(x, {arguments})", x)
        check(f"F.avg_pool{dims}d(x, {arguments})", x)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular", "other"])
def test_padding(mode):
    for shape, pads in (((2, 5), [(1, 2), (0, 0), (-1, 2), (-2, -2), (4, 4), (5, 0), (6, 0), (3,)]),
                        ((2, 3, 4, 5), [(1, 2, 2, 1), (-1, 2, 1, 0), (2, 0, -1, -1)]),
                        ((5,), [(1, 2)] if mode == "constant" else [])):  # fmt: skip
        for pad in pads:
            check(f"F.pad(x, {pad}, mode={mode!r})", normal(*shape), order=2)
    check(f"F.pad(x, [1, 1], {mode!r}, 2.5)", normal(2, 3))
    check("F.pad(input=x, pad=(1, 1), value=-inf)", normal(2, 3))
    check("F.pad(x, (1, 1), value=7)", np.arange(3))


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 2, 2), (1, 3), (3,)])
def test_batch_norm(shape):
    mean, var = normal(3), np.abs(normal(3)) + 0.1
    statistics = f"T.tensor({mean.tolist()}), T.tensor({var.tolist()})"
    for rest in ("training=True", "True, 0.3, 0.1", "momentum=1.0", "training=False, eps=0.1"):
        check(
            f"F.batch_norm(x, {statistics}, y, z, {rest})",
            *[normal(*shape), *normal(2, 3)],
            order=2,
        )
    check("F.batch_norm(x, None, None, training=True)", normal(*shape), order=2)
    check(f"F.batch_norm(x, {statistics}, weight=y)", normal(*shape), normal(3), order=2)
    check("F.batch_norm(x, None, None, y, training=True)", normal(*shape), normal(2))
    line = f"[(s, F.batch_norm(x, *s, None, None, True, 0.3)) for s in [({statistics})]]"
    check(line, normal(*shape))  # the running statistics after it


def test_layer_norm():
    for shape, normalized in (((4, 3), (3,)), ((2, 4, 3), (4, 3)), ((3,), (3,)), ((4, 3), (2,))):
        x, w, b = normal(*shape), normal(*normalized), normal(*normalized)
        check(f"F.layer_norm(x, {normalized})", x, order=2)
        check(f"F.layer_norm(x, {normalized}, y, z, eps=0.1)", x, w, b, order=2)
        check(f"F.layer_norm(x, normalized_shape={normalized}, weight=y)", x, w, order=2)


@pytest.mark.parametrize("indices", [[0, 1, 2], [[1, 0], [3, 3]], 2, [1, 1, 1, 2, 0], [4], [-1]])
def test_embedding(indices):
    for rest in ("", "padding_idx=1", "padding_idx=-1", "scale_grad_by_freq=True", "padding_idx=9"):
        check(f"F.embedding(x, y, {rest})", np.array(indices), normal(4, 3))
    for kind in (1.0, 2.0, inf):
        line = f"[(w, F.embedding(x, w, max_norm=1.0, norm_type={kind})) for w in [y.detach()]]"
        check(line, np.array(indices), 2 * normal(4, 3))
