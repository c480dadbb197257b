"""Layers against PyTorch: names, shapes, outputs, and gradients of inputs and parameters."""

import math

import numpy as np
import pytest

import engine
import nn
from engine import Tensor

# (constructor on either side, shapes of input)
LAYERS = [
    *((lambda nn, name=name: getattr(nn, name)(), [(4, 3)]) for name in (
        "ReLU", "ReLU6", "Sigmoid", "Tanh", "LogSigmoid", "SELU", "SiLU", "Mish", "Softsign",
        "Hardsigmoid", "Hardswish", "LeakyReLU", "ELU", "CELU", "GELU", "Softplus", "Hardtanh",
        "PReLU", "Identity",
    )),
    (lambda nn: nn.LeakyReLU(0.3), [(4, 3)]),
    (lambda nn: nn.ELU(alpha=2.0), [(4, 3)]),
    (lambda nn: nn.CELU(0.5), [(4, 3)]),
    (lambda nn: nn.GELU(approximate="tanh"), [(4, 3)]),
    (lambda nn: nn.Softplus(beta=2.0, threshold=1.0), [(4, 3)]),
    (lambda nn: nn.Hardtanh(-0.5, 0.25), [(4, 3)]),
    (lambda nn: nn.PReLU(3, 0.1), [(4, 3), (4, 3, 2)]),
    (lambda nn: nn.Softmax(dim=1), [(4, 3), (2, 3, 4)]),
    (lambda nn: nn.LogSoftmax(dim=-1), [(4, 3)]),
    (lambda nn: nn.Softmin(dim=0), [(4, 3)]),
    (lambda nn: nn.Flatten(), [(4, 3, 2)]),
    (lambda nn: nn.Flatten(1, 2), [(4, 3, 2, 5)]),
    (lambda nn: nn.Linear(3, 5), [(4, 3), (2, 4, 3)]),
    (lambda nn: nn.Linear(3, 5, bias=False), [(4, 3)]),
    (lambda nn: nn.Conv1d(4, 6, 3), [(2, 4, 9), (4, 9)]),
    (lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), [(2, 4, 9)]),
    (lambda nn: nn.Conv1d(4, 6, 4, padding="same", bias=False), [(2, 4, 9)]),
    (lambda nn: nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(2, 1)), [(2, 2, 6, 5)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding="valid"), [(2, 2, 6, 5), (2, 6, 5)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding=2, padding_mode="circular"), [(2, 2, 6, 5)]),
    (lambda nn: nn.Conv2d(2, 4, 4, padding="same", padding_mode="reflect"), [(2, 2, 6, 5)]),
    (lambda nn: nn.Conv2d(2, 4, 3, padding=(0, 1), padding_mode="replicate"), [(2, 2, 6, 5)]),
    (lambda nn: nn.MaxPool1d(2), [(2, 3, 8)]),
    (lambda nn: nn.MaxPool1d(3, stride=1, padding=1, dilation=2), [(2, 3, 8)]),
    (lambda nn: nn.MaxPool2d((2, 3), stride=2, padding=1), [(2, 3, 6, 8)]),
    (lambda nn: nn.AvgPool1d(3, stride=2, padding=1), [(2, 3, 8)]),
    (lambda nn: nn.AvgPool2d(2), [(2, 3, 6, 8)]),
    (lambda nn: nn.BatchNorm1d(3), [(6, 3), (2, 3, 4)]),
    (lambda nn: nn.BatchNorm1d(3, eps=1e-2, momentum=None, affine=False), [(6, 3)]),
    (lambda nn: nn.BatchNorm2d(3, momentum=0.3), [(2, 3, 4, 5)]),
    (lambda nn: nn.BatchNorm2d(3, track_running_stats=False), [(2, 3, 4, 5)]),
    (lambda nn: nn.LayerNorm(5), [(4, 5), (2, 4, 5)]),
    (lambda nn: nn.LayerNorm((4, 5), eps=1e-2), [(2, 4, 5)]),
    (lambda nn: nn.LayerNorm(5, elementwise_affine=False), [(4, 5)]),
    (lambda nn: nn.LayerNorm(5, bias=False), [(4, 5)]),
    (lambda nn: nn.Dropout(0.0), [(4, 5)]),
    (lambda nn: nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(12, 4), nn.LayerNorm(4), nn.Tanh(),
    ), [(3, 1, 6, 6)]),
    (lambda nn: nn.RNN(3, 5), [(7, 2, 3), (7, 3)]),
    (lambda nn: nn.RNN(3, 5, num_layers=2, nonlinearity="relu", batch_first=True), [(2, 7, 3)]),
    (lambda nn: nn.RNN(3, 5, 2, bias=False, bidirectional=True), [(7, 2, 3), (7, 3)]),
]  # fmt: skip
OTHER_REPR = ("Pool", "Dropout")  # PyTorch shows a ceil_mode and an inplace that we do not have


def pair(torch, make):
    """A layer here and there with the same random numbers in every parameter."""
    engine.manual_seed(0)
    ours, theirs = make(nn), make(torch.nn).double()
    rng = np.random.default_rng(0)
    state = {
        name: value if np.ndim(value) == 0 else rng.uniform(0.2, 1.0, np.shape(value))
        for name, value in ours.state_dict().items()
    }
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return ours, theirs


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")  # PyTorch copies
@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_a_layer_is_pytorchs_in_outputs_gradients_names_and_state(number):
    torch = pytest.importorskip("torch")
    make, shapes = LAYERS[number]
    ours, theirs = pair(torch, make)
    if not any(word in repr(theirs) for word in OTHER_REPR):
        assert repr(ours) == repr(theirs)
    # PyTorch has the slope of hardsigmoid, 1/6, in single precision
    rtol = 1e-7 if isinstance(ours, nn.Hardsigmoid) else 1e-9
    rng = np.random.default_rng(1)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        for shape in shapes:
            array = 2 * rng.standard_normal(shape)
            x, t = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
            ours.zero_grad()
            theirs.zero_grad()
            pairs = list(zip(outputs(ours(x)), outputs(theirs(t)), strict=True))
            upstreams = [rng.standard_normal(y.shape) for y, _ in pairs]
            for y, u in pairs:
                np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-10, atol=1e-12)
            sum((y * g).sum() for (y, _), g in zip(pairs, upstreams, strict=True)).backward()
            sum((u * torch.tensor(g)).sum() for (_, u), g in zip(pairs, upstreams)).backward()  # noqa: B905
            np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=rtol, atol=1e-11)
            for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
                np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=rtol, atol=1e-11)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    for name, array in state.items():
        np.testing.assert_allclose(array, expected[name].numpy(), rtol=1e-12)


def test_an_rnn_takes_a_first_state():
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, lambda nn: nn.RNN(3, 5, 2))
    rng = np.random.default_rng(2)
    for batch in [(4,), ()]:
        x, h = rng.standard_normal((7, *batch, 3)), rng.standard_normal((2, *batch, 5))
        a, b = Tensor(h, requires_grad=True), torch.tensor(h, requires_grad=True)
        y, last = ours(Tensor(x), a)
        u, expected = theirs(torch.tensor(x), b)
        np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(last.data, expected.detach().numpy(), rtol=1e-12)
        (last[0] * 2 + y.sum()).sum().backward()
        (expected[0] * 2 + u.sum()).sum().backward()
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-10)
    with pytest.raises(ValueError, match=r"hx has shape \(1, 2, 5\), expected \(2, 4, 5\)"):
        ours(engine.zeros(7, 4, 3), engine.zeros(1, 2, 5))
    with pytest.raises(ValueError, match=r"input has shape \(7, 4, 2\).*last of length 3"):
        ours(engine.zeros(7, 4, 2))


@pytest.mark.parametrize(
    "options", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"max_norm": 0.5}]
)
def test_an_embedding_is_that_of_pytorch(options):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch, lambda nn: nn.Embedding(6, 3, **options))
    indices = np.array([[1, 2, 2], [5, 1, 2]])
    upstream = np.random.default_rng(0).standard_normal((2, 3, 3))
    y, u = ours(engine.tensor(indices)), theirs(torch.tensor(indices))
    np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-7)
    y.backward(upstream)
    u.backward(torch.tensor(upstream))
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-12)
    assert repr(nn.Embedding(6, 3, 2)) == repr(torch.nn.Embedding(6, 3, 2))
    assert nn.Embedding(6, 3, padding_idx=-2).weight.data[4].tolist() == [0.0, 0.0, 0.0]


def test_layers_start_as_wide_as_those_of_pytorch():
    torch = pytest.importorskip("torch")
    engine.manual_seed(0)
    torch.manual_seed(0)
    for make in [
        lambda nn: nn.Linear(50, 80),
        lambda nn: nn.Conv1d(8, 40, 5, groups=2),
        lambda nn: nn.Conv2d(8, 40, 3),
        lambda nn: nn.Embedding(80, 50),
        lambda nn: nn.RNN(40, 60),
        lambda nn: nn.BatchNorm1d(5),
        lambda nn: nn.LayerNorm(5),
        lambda nn: nn.PReLU(),
    ]:
        theirs = dict(make(torch.nn).named_parameters())
        for name, p in make(nn).named_parameters():
            expected = theirs[name].detach().double().numpy()
            assert p.shape == expected.shape
            spread = max(expected.std(), 1e-9)
            assert abs(p.data.std() - spread) < 0.2 * spread + 1e-9, name
            assert abs(p.data.mean() - expected.mean()) < 5 * spread / math.sqrt(p.numel()) + 1e-9


def test_losses_as_modules_keep_their_arguments():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((4, 3)), rng.uniform(0, 1, (4, 3))
    probabilities, classes = rng.uniform(0.1, 0.9, (4, 3)), np.array([0, 2, 1, 1])
    weight = np.array([0.5, 1.0, 2.0])
    cases = [
        ("MSELoss", {}, x, t), ("L1Loss", {"reduction": "sum"}, x, t),
        ("SmoothL1Loss", {"beta": 0.3}, x, t), ("HuberLoss", {"delta": 0.3}, x, t),
        ("KLDivLoss", {"reduction": "batchmean"}, x, t),
        ("KLDivLoss", {"reduction": "sum", "log_target": True}, x, t),
        ("BCELoss", {"weight": weight}, probabilities, t),
        ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight[::-1].copy()}, x, t),
        ("NLLLoss", {"weight": weight, "ignore_index": 2}, x, classes),
        ("CrossEntropyLoss", {"weight": weight, "label_smoothing": 0.1}, x, classes),
        ("CrossEntropyLoss", {"ignore_index": 1, "reduction": "none"}, x, classes),
    ]  # fmt: skip
    for name, arguments, a, b in cases:

        def given(tensor, arguments=arguments):
            return {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}

        ours = getattr(nn, name)(**given(Tensor))
        theirs = getattr(torch.nn, name)(**given(torch.tensor))
        loss, expected = ours(Tensor(a), engine.tensor(b)), theirs(torch.tensor(a), torch.tensor(b))
        np.testing.assert_allclose(loss.data, expected.numpy(), rtol=1e-12)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert repr(ours) == repr(theirs)


def test_our_own_losses_and_activations_as_modules():
    x, t = Tensor([0.5, -2.0]), Tensor([1.0, 1.0])
    F = nn.functional
    for module, expected in [
        (nn.SmoothL2Loss(eps=0.1), F.smooth_l2_loss(x, t, 0.1)),
        (nn.QuantileLoss(q=0.9, reduction="sum"), F.quantile_loss(x, t, 0.9, reduction="sum")),
        (nn.HingeLoss(), F.hinge_loss(x, t)),
        (nn.SquaredHingeLoss(), F.squared_hinge_loss(x, t)),
        (nn.LogLoss(), F.log_loss(x.sigmoid(), t)),
    ]:
        given = x.sigmoid() if isinstance(module, nn.LogLoss) else x
        assert module(given, t).tolist() == expected.tolist()
    y = Tensor([[1.0, 5.0, 3.0, 2.0]])
    assert nn.Maxout(2)(y).tolist() == [[5.0, 3.0]]
    assert nn.Step()(x).tolist() == [1.0, 0.0]
    z = Tensor([0.5], requires_grad=True)
    nn.Step(straight_through=True)(z).sum().backward()
    assert z.grad.tolist() == [1.0]
    assert repr(nn.Maxout(2)) == "Maxout(pieces=2, dim=1)"


def test_dropout_drops_in_training_only():
    engine.manual_seed(0)
    drop, x = nn.Dropout(0.25), engine.ones(10000)
    y = drop(x)
    assert set(y.tolist()) == {0.0, 1 / 0.75}
    assert abs((y.data == 0).mean() - 0.25) < 0.02
    assert drop.eval()(x) is x
    with pytest.raises(ValueError, match=r"p is 1\.5, expected a probability"):
        nn.Dropout(1.5)


def test_layers_are_made_in_the_default_dtype():
    engine.set_default_dtype(np.float32)
    try:
        layers = nn.Linear(2, 3), nn.Conv2d(1, 1, 2), nn.Embedding(3, 2), nn.RNN(2, 3)
    finally:
        engine.set_default_dtype(np.float64)
    assert {p.dtype for layer in layers for p in layer.parameters()} == {np.dtype(np.float32)}


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"BatchNorm1d: expected 2 or 3 dimensions"):
        nn.BatchNorm1d(3)(engine.zeros(2, 3, 4, 5))
    with pytest.raises(ValueError, match="3 input and 4 output channels cannot be split into 2"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match="padding_mode 'mirror' is none of zeros, reflect"):
        nn.Conv2d(3, 4, 3, padding_mode="mirror")
    with pytest.raises(ValueError, match="padding_idx 9 is none of 6 symbols"):
        nn.Embedding(6, 3, 9)
    with pytest.raises(ValueError, match="nonlinearity 'gelu' is neither"):
        nn.RNN(1, 1, nonlinearity="gelu")
    with pytest.raises(TypeError, match="inplace"):
        nn.ReLU(inplace=True)


@pytest.mark.parametrize(
    "layer", [nn.Conv1d(1, 1, 1), nn.MaxPool1d(2), nn.LayerNorm(2), nn.Softmax(dim=0)], ids=repr
)
def test_a_list_is_no_tensor(layer):
    with pytest.raises(TypeError, match=r"of a list.*engine\.tensor"):
        layer([[1.0, 2.0]])
