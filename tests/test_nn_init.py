"""Initial weights: the distributions that PyTorch draws from."""

import math

import numpy as np
import pytest

import engine
import nn
from nn import init


@pytest.fixture(autouse=True)
def _seed():
    engine.manual_seed(0)


def w(*shape):
    return engine.zeros(*shape)


# (function, arguments, shape, standard deviation, bound if there is one)
DRAWS = [
    (init.uniform_, {"a": -1.0, "b": 3.0}, (100, 100), 4 / math.sqrt(12), 3.0),
    (init.normal_, {"mean": 0.0, "std": 0.3}, (100, 100), 0.3, None),
    (init.xavier_uniform_, {}, (60, 240), math.sqrt(2 / 300), math.sqrt(6 / 300)),
    (init.xavier_normal_, {"gain": 3.0}, (60, 240), 3 * math.sqrt(2 / 300), None),
    (init.kaiming_normal_, {"nonlinearity": "relu"}, (60, 240), math.sqrt(2 / 240), None),
    (init.kaiming_normal_, {"nonlinearity": "relu", "mode": "fan_out"}, (60, 240), math.sqrt(2 / 60), None),
    (init.kaiming_uniform_, {"a": math.sqrt(5)}, (60, 240), 1 / math.sqrt(720), 1 / math.sqrt(240)),
    (init.kaiming_normal_, {"nonlinearity": "tanh"}, (20, 8, 3, 5), 5 / 3 / math.sqrt(120), None),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "shape", "std", "bound"), DRAWS)
def test_a_draw_has_the_spread_that_the_paper_says(function, arguments, shape, std, bound):
    tensor = w(*shape)
    assert function(tensor, **arguments) is tensor
    spread = tensor.data - tensor.data.mean()
    assert abs(spread.std() / std - 1) < 5 / math.sqrt(tensor.numel())
    if bound is not None:
        assert 0.99 * bound < tensor.data.max() <= bound
    again = function(w(*shape), **arguments, generator=np.random.default_rng(1))
    same = function(w(*shape), **arguments, generator=np.random.default_rng(1))
    np.testing.assert_array_equal(again.data, same.data)


def test_orthogonal_rows_or_columns():
    for shape in [(5, 3), (3, 5), (4, 4), (4, 2, 3)]:
        m = init.orthogonal_(w(*shape), gain=2.0).data.reshape(shape[0], -1)
        gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
        np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_constants_and_dtypes():
    assert init.constant_(w(2), 0.5).tolist() == [0.5, 0.5]
    assert init.ones_(w(1)).tolist() == [1.0]
    p = nn.Parameter(engine.zeros(2, 2, dtype=np.float32))
    old = p.data
    assert init.kaiming_normal_(p) is p
    assert p.dtype == np.float32
    assert old.tolist() == [[0.0, 0.0], [0.0, 0.0]]  # a graph that holds it is not spoilt


def test_gains_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


def test_what_has_no_fan_or_no_gain_is_named():
    with pytest.raises(ValueError, match=r"shape \(3,\) has no fan in"):
        init.xavier_normal_(w(3))
    with pytest.raises(ValueError, match="nonlinearity 'mish' is not one of linear"):
        init.calculate_gain("mish")
    with pytest.raises(ValueError, match="mode 'in' is neither"):
        init.kaiming_normal_(w(2, 2), mode="in")
