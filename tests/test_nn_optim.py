"""Optimizers and schedules: PyTorch's numbers for every option, and graphs left unharmed."""

import copy
import json
import math

import numpy as np
import pytest

import engine
import nn
from engine import Tensor, Value
from nn.optim import lr_scheduler

OPTIONS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "lr": 0.1, "betas": (0.5, 0.5)}),
    ("Adam", {"maximize": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "betas": (0.5, 0.5)}),
    ("AdamW", {"maximize": True}),
]
SCHEDULES = [
    ("StepLR", {"step_size": 7, "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 20}),
    ("CosineAnnealingLR", {"T_max": 50, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 50}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 60, "three_phase": True, "pct_start": 0.25}),
    (
        "OneCycleLR",
        {
            "max_lr": 0.5, "epochs": 6, "steps_per_epoch": 10, "anneal_strategy": "linear",
            "base_momentum": 0.6, "max_momentum": 0.8, "div_factor": 5.0, "final_div_factor": 10.0,
        },
    ),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 51, "cycle_momentum": False}),
]  # fmt: skip

RNG = np.random.default_rng(0)
STARTS = [RNG.standard_normal((3, 2)), RNG.standard_normal(4)]
A = [RNG.standard_normal((3, 2)), RNG.standard_normal(4)]


def run(optimizer, ps, tensor, steps=50, scheduler=None):
    """The parameters and the learning rate after each step, on a landscape that is not flat."""
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        sum(
            ((p * tensor(a) - 1) ** 2).sum() + (p * tensor(a)).tanh().sum()
            for p, a in zip(ps, A, strict=True)
        ).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        numbers = [p.detach().numpy().flatten() for p in ps]
        path.append(np.concatenate([*numbers, [optimizer.param_groups[-1]["lr"]]]))
    return np.array(path)


def parameters():
    return [nn.Parameter(start) for start in STARTS]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_fifty_steps_are_those_of_pytorch(name, options):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.tensor(start, requires_grad=True) for start in STARTS]
    path = run(getattr(nn.optim, name)(ours, **options), ours, Tensor)
    expected = run(getattr(torch.optim, name)(theirs, **options), theirs, torch.tensor)
    np.testing.assert_allclose(path, expected, rtol=1e-10)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_fifty_steps_of_a_schedule_are_those_of_pytorch(name, options, optimizer):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.tensor(start, requires_grad=True) for start in STARTS]
    settings = {"SGD": {"lr": 0.02, "momentum": 0.9}, "Adam": {"lr": 0.02}}[optimizer]
    here = getattr(nn.optim, optimizer)(groups(ours), **settings)
    there = getattr(torch.optim, optimizer)(groups(theirs), **settings)
    schedule = getattr(lr_scheduler, name)(here, **options)
    expected_schedule = getattr(torch.optim.lr_scheduler, name)(there, **options)
    assert schedule.get_last_lr() == pytest.approx(expected_schedule.get_last_lr(), rel=1e-12)
    assert schedule.base_lrs == pytest.approx(expected_schedule.base_lrs, rel=1e-12)
    path = run(here, ours, Tensor, scheduler=schedule)
    expected = run(there, theirs, torch.tensor, scheduler=expected_schedule)
    np.testing.assert_allclose(path, expected, rtol=1e-10)


def groups(ps):
    return [{"params": ps[:1]}, {"params": ps[1:], "lr": 0.05}]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_values_take_the_steps_of_tensors(name, options):
    starts = [0.3, -1.5]
    values = [Value(start) for start in starts]
    tensors = [nn.Parameter(start) for start in starts]
    for ps in (values, tensors):
        optimizer = getattr(nn.optim, name)(ps, **options)
        for _ in range(10):
            optimizer.zero_grad()
            ((ps[0] * ps[1] - 1) ** 2 + ps[0].tanh()).backward()
            optimizer.step()
    assert all(value.data.__class__ is float for value in values)
    np.testing.assert_allclose([v.data for v in values], [t.item() for t in tensors], rtol=1e-13)


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW"])
def test_a_step_writes_into_no_array_and_keeps_the_dtype(name):
    p = nn.Parameter(Tensor(STARTS[0], dtype=np.float32))
    tenth, most = np.float64([0.1, 0.9])  # as np.logspace gives them
    options = {"momentum": most} if name in ("SGD", "RMSprop") else {}
    options |= {"betas": (most, most), "eps": tenth} if "Adam" in name else {}
    optimizer = getattr(nn.optim, name)([p], lr=tenth, weight_decay=tenth, **options)
    for _ in range(3):
        held, kept = p.data, p.data.copy()
        y = (p * p).sum()
        p.grad = None
        y.backward()
        gradient, gradient_kept = p.grad, p.grad.copy()
        state = [v for v in optimizer.state.get(p, {}).values() if isinstance(v, np.ndarray)]
        state_kept = [v.copy() for v in state]
        optimizer.step()
        assert p.data is not held
        assert p.data.dtype == np.float32
        np.testing.assert_array_equal(held, kept)
        np.testing.assert_array_equal(gradient, gradient_kept)
        for array, before in zip(state, state_kept, strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, before)
        np.testing.assert_array_equal(engine.grad(y, p)[0], gradient)  # the graph is as it was


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_saved_state_goes_on_bit_for_bit(name, options):
    ps = parameters()
    optimizer = getattr(nn.optim, name)(ps, **options)
    run(optimizer, ps, Tensor, 5)
    state = copy.deepcopy(optimizer.state_dict())
    twins = [nn.Parameter(p.data) for p in ps]
    twin = getattr(nn.optim, name)(twins, lr=123.0)
    twin.load_state_dict(state)
    np.testing.assert_array_equal(run(twin, twins, Tensor, 5), run(optimizer, ps, Tensor, 5))
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters, the optimizer has \[1\]"):
        getattr(nn.optim, name)(twins[:1]).load_state_dict(state)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_a_state_moves_to_pytorch_and_back(name, options):
    torch = pytest.importorskip("torch")
    ps = parameters()
    ours = getattr(nn.optim, name)(ps, **options)
    run(ours, ps, Tensor, 3)
    theirs = [torch.tensor(p.data, requires_grad=True) for p in ps]
    there = getattr(torch.optim, name)(theirs, **options)
    state = ours.state_dict()
    state["state"] = {
        i: {k: torch.tensor(v) for k, v in of_one.items()} for i, of_one in state["state"].items()
    }
    there.load_state_dict(state)
    expected = run(there, theirs, torch.tensor, 3)
    np.testing.assert_allclose(run(ours, ps, Tensor, 3), expected, rtol=1e-10)
    twins = [nn.Parameter(t.detach().numpy().copy()) for t in theirs]
    back = getattr(nn.optim, name)(twins, lr=123.0)
    back.load_state_dict(there.state_dict())
    expected = run(there, theirs, torch.tensor, 3)
    np.testing.assert_allclose(run(back, twins, Tensor, 3), expected, rtol=1e-10)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@pytest.mark.parametrize("order", ["CF", "FC"])
def test_a_step_keeps_the_memory_layout_of_the_parameter(name, options, order):
    start, gradient = np.random.default_rng(0).standard_normal((2, 4, 3))
    p, twin = nn.Parameter(np.array(start, order=order[0])), nn.Parameter(np.array(start))
    layouts = []
    for q in (p, twin):
        optimizer = getattr(nn.optim, name)([q], **options)
        for _ in range(2):
            q.grad = np.array(gradient, order=order[1] if q is p else "C")
            optimizer.step()
        state = [v for v in optimizer.state[q].values() if isinstance(v, np.ndarray)]
        layouts.append({array.strides for array in (q.data, *state)})
    assert layouts == [{np.array(start, order=order[0]).strides}, {start.strides}]
    np.testing.assert_array_equal(p.data, twin.data)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_a_saved_schedule_goes_on(name, options):
    def made():
        optimizer = nn.optim.SGD([Value(1.0)], lr=0.1, momentum=0.9)
        return optimizer, getattr(lr_scheduler, name)(optimizer, **options)

    optimizer, schedule = made()
    for _ in range(9):
        schedule.step()
    twin, twin_schedule = made()
    twin.load_state_dict(optimizer.state_dict())
    twin_schedule.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    for _ in range(9):
        schedule.step()
        twin_schedule.step()
        assert twin_schedule.get_last_lr() == schedule.get_last_lr()
        assert twin.param_groups[0]["momentum"] == optimizer.param_groups[0]["momentum"]


def test_gradient_descent_on_a_square_shrinks_swings_or_bursts_with_the_rate():
    for lr, expected in [(0.1, 0.8**40), (1.0, 1.0), (1.1, 1.2**40)]:  # w ← (1 − 2·lr)·w
        w = Value(1.0)
        optimizer = nn.optim.SGD([w], lr=lr)
        for _ in range(20):
            optimizer.zero_grad()
            (w * w).backward()
            optimizer.step()
        assert math.isclose(w.data, math.sqrt(expected), rel_tol=1e-9)
        assert math.isclose(abs(w.data), {0.1: 0.0115, 1.0: 1.0, 1.1: 38.3}[lr], rel_tol=5e-3)


def test_parameters_without_a_gradient_stay_and_a_closure_is_called():
    used, unused = nn.Parameter([1.0]), nn.Parameter([2.0])
    optimizer = nn.optim.SGD([used, unused], lr=0.5, weight_decay=0.1)

    def closure():
        optimizer.zero_grad()
        y = (used * 3).sum()
        y.backward()
        return y

    assert optimizer.step(closure).item() == 3.0
    assert used.item() == pytest.approx(1 - 0.5 * 3.1)
    assert unused.item() == 2.0


def test_writing_into_a_gradient_after_a_step_leaves_the_momentum_alone():
    p = nn.Parameter([1.0, 2.0])
    optimizer = nn.optim.SGD([p], lr=0.1, momentum=0.5)
    (p * p).sum().backward()
    optimizer.step()
    p.grad[...] = 0.0
    optimizer.step()
    assert p.data.tolist() == [1.0 - 0.2 - 0.1, 2.0 - 0.4 - 0.2]


def test_groups_have_settings_of_their_own():
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = nn.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    c = nn.Parameter([1.0])
    optimizer.add_param_group({"params": c, "lr": 0.0})
    (a + b + c).sum().backward()
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [0.9, 0.5, 1.0]
    assert repr(optimizer).startswith("SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1")


@pytest.mark.parametrize(
    "gradient", [[1.0, 2.0], np.array([1, 2]), np.array([1.0, 2.0]), Tensor([1.0, 2.0])]
)
def test_a_gradient_set_by_hand_is_read_in_the_dtype_of_the_parameter(gradient):
    p = nn.Parameter(Tensor([3.0, 4.0], dtype=np.float32))
    p.grad = gradient
    nn.optim.SGD([p], lr=0.5).step()
    assert p.tolist() == [2.5, 3.0]
    assert p.dtype == np.float32


def test_what_cannot_be_optimized_is_named():
    p = nn.Parameter([1.0], label="w")
    with pytest.raises(TypeError, match=r"give it model.parameters\(\)"):
        nn.optim.SGD(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="SGD got no parameters"):
        nn.optim.SGD([])
    with pytest.raises(ValueError, match="the result of mul: only leaves"):
        nn.optim.SGD([p * 2])
    with pytest.raises(ValueError, match="parameter w is given twice"):
        nn.optim.SGD([p, p])
    with pytest.raises(TypeError, match="SGD has no setting 'rate'"):
        nn.optim.SGD([{"params": [p], "rate": 1}])
    p.grad = np.ones((2, 1))
    with pytest.raises(ValueError, match=r"gradient has shape \(2, 1\), parameter w \(1,\)"):
        nn.optim.SGD([p]).step()
    with pytest.raises(ValueError, match="lr is -1, expected at least 0"):
        nn.optim.SGD([p], lr=-1)
    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        nn.optim.SGD([p], nesterov=True)
    with pytest.raises(ValueError, match=r"betas are \(0.9, 1\)"):
        nn.optim.Adam([p], betas=(0.9, 1))
    with pytest.raises(TypeError, match="foreach"):
        nn.optim.Adam([p], foreach=True)
    with pytest.raises(ValueError, match="Adagrad has no momentum: cycle_momentum=False"):
        lr_scheduler.OneCycleLR(nn.optim.Adagrad([p]), 0.1, 10)
    schedule = lr_scheduler.OneCycleLR(nn.optim.Adam([p]), 0.1, 2)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match="step 3 of a cycle of 2 steps"):
        schedule.step()


def test_a_parameter_without_dimensions_stays_an_array():
    for make in (nn.optim.SGD, nn.optim.Adam, nn.optim.RMSprop):
        p = nn.Parameter(2.0)
        optimizer = make([p], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (p * p * 3).backward()
            optimizer.step()
        assert isinstance(p.data, np.ndarray)
        assert p.data.shape == ()


def test_a_gradient_of_another_shape_is_an_error():
    p = nn.Parameter(np.zeros((1, 3)))
    p.grad = np.ones((5, 3))
    with pytest.raises(ValueError, match=r"gradient has shape \(5, 3\)"):
        nn.optim.SGD([p], lr=0.1).step()


def test_a_gradient_that_is_a_view_of_another_shape_is_an_error():
    p = nn.Parameter(np.zeros((1, 4)))
    p.grad = np.ones((4, 4))[:, :1]  # with the strides of p's data, and as many elements
    with pytest.raises(ValueError, match=r"gradient has shape \(4, 1\)"):
        nn.optim.SGD([p], lr=0.1).step()


@pytest.mark.parametrize(
    "grad", [2, True, np.int64(2), np.float32(2.0), np.array(2.0), np.array(2)]
)
def test_the_gradient_of_a_value_may_be_set_to_any_number(grad):
    v = engine.Value(3.0)
    v.grad = grad
    nn.optim.SGD([v], lr=0.5).step()
    assert v.data == 3.0 - 0.5 * float(grad)


@pytest.mark.parametrize("lr", [engine.tensor(0.5), np.array(0.5), np.float32(0.5)])
def test_a_learning_rate_may_be_any_number_and_change(lr):
    p = nn.Parameter(np.zeros(3, np.float64))
    optimizer = nn.optim.SGD([p], lr=lr)
    p.grad = np.ones(3)
    optimizer.step()
    assert p.data.tolist() == [-0.5] * 3
    optimizer.param_groups[0]["lr"] = lr * 0.5
    optimizer.step()
    assert p.data.tolist() == [-0.75] * 3


def test_an_update_that_writes_into_the_parameter_is_noticed_by_older_graphs():
    class InPlace(nn.optim.Optimizer):
        def update(self, data, grad, state, group):
            data -= group["lr"] * grad
            return data

    p = nn.Parameter([2.0])
    loss = (p * p).sum()
    loss.backward()
    InPlace([p], {"lr": 0.5, "maximize": False}).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
