"""Modules: what they are made of, what they are called, and what they refuse."""

import copy
import pickle

import numpy as np
import pytest

import engine
import nn
from engine import Tensor


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(3, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh())])
        self.scale = nn.Parameter([2.0])
        self.register_buffer("seen", engine.zeros(2))
        self.register_buffer("scratch", engine.zeros(1), persistent=False)

    def forward(self, x):
        return self.blocks[0](self.layer1(x)) * self.scale


NAMES = ["scale", "layer1.weight", "layer1.bias", "blocks.0.0.weight", "blocks.0.0.bias"]


def test_parameters_buffers_and_modules_are_found_by_name():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_buffers()] == ["seen", "scratch"]
    assert [name for name, _ in net.named_modules()] == [
        "", "layer1", "blocks", "blocks.0", "blocks.0.0", "blocks.0.1",
    ]  # fmt: skip
    assert list(net.state_dict()) == ["scale", "seen", *NAMES[1:]]


def test_labels_follow_the_whole_path_however_the_parts_were_put_together():
    net = Net()
    assert [p.label for p in net.parameters()] == NAMES
    net.blocks.append(nn.Linear(1, 1))
    assert net.blocks[1].weight.label == "blocks.1.weight"
    assert nn.Sequential(nn.Linear(2, 2)).append(nn.Linear(2, 1))[1].bias.label == "1.bias"


def test_a_label_of_ones_own_and_the_first_of_two_names_are_kept():
    net = nn.Module()
    net.w = nn.Parameter([1.0], label="mine")
    net.body = nn.Linear(2, 2)
    net.again = nn.Sequential(net.body)
    assert net.w.label == "mine"
    assert net.body.weight.label == "body.weight"
    assert [name for name, _ in net.named_parameters()] == ["w", "body.weight", "body.bias"]
    assert "again.0.weight" in net.state_dict()


def test_a_parameter_collects_a_gradient_and_survives_copying():
    p = nn.Parameter(Tensor([1.0, 2.0]), label="p")
    assert p.requires_grad
    assert isinstance(p, Tensor)
    for twin in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert isinstance(twin, nn.Parameter)
        assert twin.requires_grad
        assert twin.label == "p"
        np.testing.assert_array_equal(twin.data, p.data)
    net = copy.deepcopy(Net())
    net(engine.ones(2, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_what_is_misspelt_or_misassigned_is_named():
    net = Net()
    with pytest.raises(AttributeError, match="layer_1"):
        net.layer_1  # noqa: B018
    with pytest.raises(TypeError, match=r"Net\.scale is a parameter"):
        net.scale = net.scale * 2
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)
    with pytest.raises(TypeError, match=r"Sequential holds modules, not a Elementwise: nn.ReLU"):
        nn.Sequential(nn.Linear(1, 1), nn.functional.relu)


def test_train_and_eval_reach_every_module_and_apply_goes_from_the_inside_out():
    net = Net()
    net.eval()
    assert not any(module.training for module in net.modules())
    net.train()
    assert all(module.training for module in net.modules())
    order = []
    net.apply(lambda module: order.append(type(module).__name__))
    assert order == ["Linear", "Linear", "Tanh", "Sequential", "ModuleList", "Net"]


def test_zero_grad_and_requires_grad_reach_every_parameter():
    net = Net()
    net(engine.ones(1, 3)).sum().backward()
    net.zero_grad()
    assert [p.grad for p in net.parameters()] == [None] * 5
    net.requires_grad_(False)
    assert not net(engine.ones(1, 3)).requires_grad


def test_a_state_dict_is_a_snapshot_and_loads_into_another_net():
    net, twin = Net(), Net()
    state = net.state_dict()
    twin.load_state_dict(state)
    x = engine.randn(5, 3)
    np.testing.assert_array_equal(net(x).data, twin(x).data)
    twin.scale.data += 1
    assert net.scale.data.tolist() == state["scale"].tolist() == [2.0]
    assert all(array.flags.c_contiguous for array in state.values())


def test_one_error_lists_all_that_does_not_fit_and_nothing_is_changed():
    net = Net()
    before = net.state_dict()
    state = {**before, "layer1.bias": np.zeros(7), "more": np.zeros(1), "scale": np.array([9.0])}
    del state["seen"]
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "state_dict does not fit Net:\n"
        "  size mismatch for layer1.bias: (7,) given, (4,) expected\n"
        "  missing: seen\n"
        "  unexpected: more"
    )
    assert net.scale.data.tolist() == [2.0]
    del state["layer1.bias"]
    net.load_state_dict(state, strict=False)
    assert net.scale.data.tolist() == [9.0]


def test_loading_keeps_the_dtype_and_a_live_graph_its_numbers():
    layer = nn.Linear(2, 1, dtype=np.float32)
    y = layer(engine.ones(3, 2, dtype=np.float32)).sum()
    layer.load_state_dict({"weight": np.full((1, 2), 7.0), "bias": [1.0]})
    assert layer.weight.dtype == np.float32
    y.backward()
    assert layer.weight.grad.tolist() == [[3.0, 3.0]]


def test_dtype_conversion_reaches_parameters_and_buffers():
    net = Net().float()
    assert {p.dtype.name for p in (*net.parameters(), *net.buffers())} == {"float32"}
    assert net(engine.ones(1, 3, dtype=np.float32)).dtype == np.float32
    assert {p.dtype.name for p in net.double().parameters()} == {"float64"}


def test_a_buffer_stays_one_when_it_is_assigned():
    net = Net()
    net.seen = net.seen + 1
    assert net.state_dict()["seen"].tolist() == [1.0, 1.0]
    assert not net.seen.requires_grad


def test_containers_behave_as_lists_and_dicts():
    seq = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(seq) == 3
    assert seq[-1] is seq[2]
    assert isinstance(seq[1:], nn.Sequential)
    assert len(seq[1:]) == 2
    seq[1] = nn.Tanh()
    assert [type(m).__name__ for m in seq] == ["Linear", "Tanh", "Linear"]
    named = nn.Sequential({"first": nn.Linear(2, 3), "act": nn.ReLU()})
    assert list(named.state_dict()) == ["first.weight", "first.bias"]
    table = nn.ModuleDict({"a": nn.Linear(1, 1)})
    table["b"] = nn.Linear(1, 2)
    assert table.keys() == ["a", "b"]
    assert "b" in table
    assert len(list(table.parameters())) == 4


def test_repr_and_names_are_those_of_pytorch():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.LeakyReLU(0.1)))

    ours, theirs = build(nn), build(torch.nn)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_linear_is_pytorchs_with_its_weights_in_and_out():
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    theirs.double()
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    for shape in [(4, 3), (3,), (2, 4, 3)]:
        array = rng.standard_normal(shape)
        upstream = rng.standard_normal((*shape[:-1], 2))
        x = engine.tensor(array, requires_grad=True)
        t = torch.tensor(array, requires_grad=True)
        y, u = ours(x), theirs(t)
        np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-12)
        ours.zero_grad()
        theirs.zero_grad()
        y.backward(upstream)
        u.backward(torch.tensor(upstream))
        np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol=1e-10, atol=1e-14)
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-10, atol=1e-14)
    state = {name: torch.tensor(array) for name, array in ours.state_dict().items()}
    assert str(theirs.load_state_dict(state)) == "<All keys matched successfully>"


def test_linear_starts_uniform_in_one_over_the_root_of_its_inputs():
    engine.manual_seed(0)
    layer = nn.Linear(25, 400)
    for p in layer.parameters():
        assert np.abs(p.data).max() <= 0.2
        assert np.abs(p.data).max() > 0.19
        assert abs(p.data.std() - 0.2 / np.sqrt(3)) < 0.01
    engine.manual_seed(0)
    np.testing.assert_array_equal(nn.Linear(25, 400).weight.data, layer.weight.data)
    assert nn.Linear(2, 1, bias=False).bias is None


def test_an_argument_that_is_not_supported_is_named():
    with pytest.raises(TypeError, match="device"):
        nn.Linear(1, 1, device="cuda")
    with pytest.raises(ValueError, match=r"input of shape \(4, 2\) and weight of shape \(1, 3\)"):
        nn.Linear(3, 1)(engine.zeros(4, 2))


def test_flatten_and_identity():
    x = engine.randn(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)
    assert nn.Identity(54, unused=1)(x) is x
