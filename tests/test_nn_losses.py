"""Losses: values by hand, gradients by finite differences and by PyTorch, and the extremes."""

import math

import numpy as np
import pytest

import engine
from engine import Tensor, Value
from engine.readings import COMPLEX, FLOAT64
from engine.rule import Elementwise
from nn import cross_entropy, losses
from nn import functional as F

RNG = np.random.default_rng(0)


def tensor(array):
    return Tensor(array, requires_grad=True)


def differences(f, array, upstream, h=1e-6):
    """The gradient of Σ upstream·f(array) by central differences."""
    gradient = np.zeros_like(array)
    for i in np.ndindex(array.shape):
        up, down = array.copy(), array.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = np.sum(upstream * (f(up) - f(down))) / (2 * h)
    return gradient


# --- each elementwise loss: (name, arguments, one prediction, one target, the loss by hand) ---------

BY_HAND = [
    ("mse_loss", {}, 5.0, 2.0, 9.0),
    ("l1_loss", {}, 5.0, 2.0, 3.0),
    ("l1_loss", {}, 2.0, 2.0, 0.0),
    ("smooth_l1_loss", {}, 0.5, 0.0, 0.125),
    ("smooth_l1_loss", {"beta": 2.0}, 1.0, 0.0, 0.25),
    ("smooth_l1_loss", {"beta": 2.0}, 5.0, 0.0, 4.0),
    ("smooth_l1_loss", {"beta": 0.0}, 5.0, 0.0, 5.0),
    ("huber_loss", {"delta": 2.0}, 1.0, 0.0, 0.5),
    ("huber_loss", {"delta": 2.0}, 5.0, 0.0, 8.0),
    ("smooth_l2_loss", {"eps": 1.0}, 0.0, 0.5, 0.125),
    ("smooth_l2_loss", {"eps": 1.0}, 0.0, 3.0, 1.5),
    ("smooth_l2_loss", {"eps": 1.0}, 3.0, 0.0, 7.5),  # d = −3: not symmetric
    ("quantile_loss", {"q": 0.9}, 1.0, 3.0, 1.8),
    ("quantile_loss", {"q": 0.9}, 3.0, 1.0, 0.2),
    ("hinge_loss", {}, 0.25, 1.0, 0.75),
    ("hinge_loss", {}, 0.25, -1.0, 1.25),
    ("hinge_loss", {}, 2.0, 1.0, 0.0),
    ("squared_hinge_loss", {}, 0.25, -1.0, 1.5625),
    ("binary_cross_entropy", {}, 0.25, 1.0, math.log(4)),
    ("binary_cross_entropy", {}, 0.25, 0.0, -math.log(0.75)),
    ("binary_cross_entropy_with_logits", {}, 0.0, 1.0, math.log(2)),
    ("binary_cross_entropy_with_logits", {"pos_weight": 3.0}, 0.0, 1.0, 3 * math.log(2)),
    ("kl_div", {}, math.log(0.25), 0.5, 0.5 * math.log(2)),
    ("kl_div", {}, math.log(0.25), 0.0, 0.0),
    ("kl_div", {"log_target": True}, math.log(0.25), math.log(0.5), 0.5 * math.log(2)),
    ("log_loss", {}, 0.25, 1.0, math.log(4)),
    ("log_loss", {}, 0.25, 0.0, -math.log(0.75)),
]


PROBABILITIES = ("binary_cross_entropy", "log_loss", "kl_div")
KINDS = list({(name, str(a)): (name, a) for name, a, *_ in BY_HAND}.values())


@pytest.mark.parametrize(("name", "arguments", "x", "t", "expected"), BY_HAND)
def test_a_loss_by_hand_for_value_and_tensor(name, arguments, x, t, expected):
    loss = getattr(F, name)
    assert math.isclose(loss(Value(x), t, **arguments).data, expected, abs_tol=1e-15)
    for dtype, tolerance in [(np.float64, 1e-15), (np.float32, 1e-6)]:
        single = loss(Tensor([x], dtype=dtype), Tensor([t], dtype=dtype), **arguments)
        assert single.dtype == dtype
        assert math.isclose(single.item(), expected, rel_tol=tolerance, abs_tol=tolerance)


@pytest.mark.parametrize(("name", "arguments"), KINDS)
def test_both_gradients_are_those_of_finite_differences(name, arguments):
    loss = getattr(F, name)
    low, high = (0.05, 0.95) if name in PROBABILITIES else (-3, 3)
    x, t = RNG.uniform(low, high, (2, 12))
    upstream = RNG.standard_normal(12)
    a, b = tensor(x), tensor(t)
    loss(a, b, reduction="none", **arguments).backward(upstream)

    def numbers(x, t):
        return loss(Tensor(x), Tensor(t), reduction="none", **arguments).data

    expected = differences(lambda v: numbers(v, t), x, upstream)
    np.testing.assert_allclose(a.grad, expected, rtol=1e-6, atol=1e-8)
    expected = differences(lambda v: numbers(x, v), t, upstream)
    np.testing.assert_allclose(b.grad, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "arguments"), KINDS)
def test_second_derivatives_are_those_of_finite_differences(name, arguments):
    loss = getattr(F, name)
    low, high = (0.05, 0.95) if name in PROBABILITIES else (-3, 3)
    x, t = RNG.uniform(low, high, (2, 5))
    v, w = RNG.standard_normal((2, 5))

    def slope(x):
        a = tensor(x)
        (gradient,) = engine.grad(
            (loss(a, Tensor(t), reduction="none", **arguments) * v).sum(), a, create_graph=True
        )
        return a, gradient

    a, gradient = slope(x)
    expected = differences(lambda x: slope(x)[1].data, x, w, h=1e-5)
    if gradient.requires_grad:
        gradient.backward(w)
        np.testing.assert_allclose(a.grad, expected, rtol=1e-6, atol=1e-6)
    else:
        np.testing.assert_allclose(expected, 0, atol=1e-9)


RULES = [
    rule
    for module in (losses, cross_entropy)
    for rule in vars(module).values()
    if isinstance(rule, Elementwise)
]
PARAMETERS = {
    "smooth_l1": {"beta": 0.7}, "huber": {"delta": 0.7}, "smooth_l2": {"eps": 0.7},
    "quantile": {"q": 0.3}, "log_score": {"eps": 1e-16},
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_agrees_with_its_forward_by_the_complex_step(rule):
    parameters = PARAMETERS.get(rule.name, {})
    if "pos_weight" in rule.keywords:
        parameters = {"pos_weight": 2.5}
    x, t = RNG.uniform(0.05, 0.95, (2, 50))
    y = rule.forward(FLOAT64, x, t, **parameters)
    for index in (0, 1):
        inputs = [x + 0j, t + 0j]
        inputs[index] = inputs[index] + 1e-20j
        step = rule.forward(COMPLEX, *inputs, **parameters).imag / 1e-20
        local = rule.local(index, FLOAT64, (x, t), y, parameters)
        np.testing.assert_allclose(np.broadcast_to(local, x.shape), step, rtol=1e-9, atol=1e-12)
        assert rule.formula(index, parameters).symbolic("y")


def test_a_kink_has_a_slope_between_its_sides():
    x = tensor([1.0])
    for loss, slope in [
        (F.l1_loss(x, Tensor([1.0])), 0.0),
        (F.hinge_loss(x, Tensor([1.0])), 0.0),
        (F.squared_hinge_loss(x, Tensor([1.0])), 0.0),
        (F.quantile_loss(x, Tensor([1.0]), q=0.9), -0.4),
        (F.huber_loss(x, Tensor([0.0]), delta=1.0), 1.0),
        (F.smooth_l1_loss(x, Tensor([0.0]), beta=1.0), 1.0),
    ]:
        x.grad = None
        loss.backward()
        assert math.isclose(x.grad.item(), slope)


def test_reductions_and_weights():
    x, t = Tensor([1.0, 2.0, 4.0]), Tensor([0.0, 0.0, 0.0])
    w = Tensor([1.0, 0.0, 3.0])
    assert F.mse_loss(x, t, reduction="none").tolist() == [1, 4, 16]
    assert F.mse_loss(x, t, reduction="sum").item() == 21
    assert F.mse_loss(x, t).item() == 7
    assert F.mse_loss(x, t, weight=w).item() == 49 / 4
    assert F.l1_loss(x, t, weight=w).item() == 13 / 4
    assert F.huber_loss(x, t, weight=w).item() == (0.5 + 3 * 3.5) / 3
    with pytest.raises(ValueError, match="reduction 'avg' is none of 'mean', 'sum', 'none'"):
        F.mse_loss(x, t, reduction="avg")


def test_shapes_that_would_broadcast_are_an_error():
    message = r"input has shape \(3, 1\) and target \(3,\)"
    for name in ("mse_loss", "l1_loss", "binary_cross_entropy_with_logits", "hinge_loss", "kl_div"):
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            getattr(F, name)(engine.zeros(3, 1), engine.zeros(3))


def test_probabilities_are_checked():
    with pytest.raises(ValueError, match="expected probabilities, 0 to 1; for logits use binary"):
        F.binary_cross_entropy(Tensor([0.5, 1.5]), Tensor([0, 1]))


def test_penalties_of_parameters():
    a, b = tensor([1.0, -2.0]), tensor([[0.5]])
    assert losses.l1_penalty([a, b]).item() == 3.5
    total = losses.l2_penalty([a, b])
    assert total.item() == 5.25
    total.backward()
    assert a.grad.tolist() == [2.0, -4.0]
    assert losses.l1_penalty([Value(-3.0), Value(2.0)]).data == 5.0


# --- cross-entropy ------------------------------------------------------------------------------


def test_the_gradient_of_softmax_and_cross_entropy_is_p_minus_t():
    x = tensor([[2.0, 1.0, 0.1]])
    loss = F.cross_entropy(x, engine.tensor([0]))
    loss.backward()
    assert round(loss.item(), 6) == 0.417030
    assert x.grad.round(6).tolist() == [[-0.340999, 0.242433, 0.098566]]
    assert abs(x.grad.sum()) < 1e-15
    saturated = tensor([[10.0, 0.0, 0.0]])
    F.cross_entropy(saturated, engine.tensor([1])).backward()
    assert saturated.grad.round(5).tolist() == [[0.99991, -0.99995, 0.00005]]


def composed(x, t):
    """Cross-entropy written out of log_softmax: what the fused rules must equal."""
    return -(t * engine.log_softmax(x, 1)).sum(dim=1)


@pytest.mark.parametrize("target", ["classes", "distributions"])
def test_the_fused_rules_equal_their_composition_at_orders_one_and_two(target):
    array = RNG.standard_normal((5, 4))
    classes = np.array([0, 3, 1, 1, 2])
    t = np.eye(4)[classes] if target == "classes" else RNG.uniform(0, 1, (5, 4))
    upstream, second = RNG.standard_normal(5), RNG.standard_normal((5, 4))

    def both_orders(loss):
        x = tensor(array)
        (first,) = engine.grad(loss(x), x, upstream, create_graph=True)
        first.backward(second)
        return loss(x).data, first.data, x.grad

    given = engine.tensor(classes) if target == "classes" else Tensor(t)
    fused = both_orders(lambda x: F.cross_entropy(x, given, reduction="none"))
    for ours, expected in zip(fused, both_orders(lambda x: composed(x, t)), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)


def test_a_target_distribution_gets_its_gradient():
    x, t = RNG.standard_normal((3, 4)), RNG.uniform(0, 1, (3, 4))
    upstream = RNG.standard_normal(3)
    a = tensor(t)
    F.cross_entropy(Tensor(x), a, reduction="none").backward(upstream)
    expected = -upstream[:, None] * engine.log_softmax(Tensor(x), 1).data
    np.testing.assert_allclose(a.grad, expected, rtol=1e-13)


def test_wrong_targets_are_named():
    x = engine.zeros(2, 3)
    with pytest.raises(IndexError, match=r"cross_entropy .*: target 3 is no class of 0 to 2"):
        F.cross_entropy(x, engine.tensor([0, 3]))
    with pytest.raises(ValueError, match=r"expected classes, integers of shape \(2,\)"):
        F.cross_entropy(x, engine.tensor([[0, 1, 2]]))
    with pytest.raises(ValueError, match=r"weight has shape \(2,\), expected \(3,\)"):
        F.cross_entropy(x, engine.tensor([0, 1]), Tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="label_smoothing is 2, expected 0 to 1"):
        F.cross_entropy(x, engine.tensor([0, 1]), label_smoothing=2)
    with pytest.raises(TypeError, match="size_average"):
        F.cross_entropy(x, engine.tensor([0, 1]), size_average=True)


def test_a_class_ruled_out_by_minus_infinity_does_no_harm():
    x = tensor([[0.0, -np.inf, 1.0]])
    loss = F.cross_entropy(x, engine.tensor([2]))
    loss.backward()
    assert math.isclose(loss.item(), math.log(1 + math.exp(-1)))
    assert x.grad[0, 1] == 0
    assert np.isfinite(x.grad).all()


EXTREMES = [1e4, 1000.0, 40.0, -40.0, -1000.0, -1e4]


@pytest.mark.parametrize("t", [0.0, 1.0])
def test_certain_logits_stay_finite_in_value_and_both_derivatives(t):
    for logit in EXTREMES:
        for make in (Value, lambda z: Tensor(z, requires_grad=True)):
            x = make(logit)
            loss = F.binary_cross_entropy_with_logits(x, make(t))
            (slope,) = engine.grad(loss, x, create_graph=True)
            (curvature,) = engine.grad(slope, x)
            expected = max(logit if t == 0 else -logit, 0.0)
            assert math.isclose(float(loss.data), expected, abs_tol=1e-15)
            assert math.isclose(float(slope.data), float(logit > 0) - t, abs_tol=1e-15)
            assert 0 <= float(curvature) < 1e-15
    x = tensor([[1e4, -1e4]])
    for target in (0, 1):
        loss = F.cross_entropy(x, engine.tensor([target]))
        (slope,) = engine.grad(loss, x, create_graph=True)
        (curvature,) = engine.grad(slope, x, np.array([[1.0, 0.0]]))
        assert loss.item() == 2e4 * target
        assert slope.tolist() == [[target, -target]]
        assert curvature.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.log_loss])
def test_certain_probabilities_stay_finite_in_value_and_both_derivatives(loss):
    for p in (0.0, 1e-300, 1 - 1e-16, 1.0):
        for t in (0.0, 1.0):
            for make in (Value, lambda z: Tensor(z, requires_grad=True)):
                x = make(p)
                y = loss(x, make(t))
                (slope,) = engine.grad(y, x, create_graph=True)
                assert 0 <= float(y.data) <= 100
                assert np.isfinite(float(slope.data))
                wrong = (p > 0.5) != (t > 0.5)
                assert (abs(float(slope.data)) > 1e6) == wrong
                if slope.requires_grad:
                    assert np.isfinite(float(engine.grad(slope, x)[0]))


def test_log_loss_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    p = RNG.dirichlet(np.ones(3), 20)
    classes = np.arange(20) % 3
    expected = metrics.log_loss(classes, p)
    assert math.isclose(F.log_loss(Tensor(p), engine.tensor(classes)).item(), expected)
    assert math.isclose(F.log_loss(Tensor(p), Tensor(np.eye(3)[classes])).item(), expected)
    q, t = RNG.uniform(0, 1, 20), np.arange(20) % 2
    assert math.isclose(F.log_loss(Tensor(q), engine.tensor(t)).item(), metrics.log_loss(t, q))
    certain = metrics.log_loss([1, 0], [0.0, 0.0])
    ours = F.log_loss(Tensor([0.0, 0.0]), engine.tensor([1, 0])).item()
    assert math.isclose(ours, certain, rel_tol=1e-12)


# --- PyTorch, with every argument ---------------------------------------------------------------

REDUCTIONS = [{"reduction": r} for r in ("mean", "sum", "none")]
W = RNG.uniform(0.5, 2, (6, 3))
ELEMENTWISE = [
    ("mse_loss", {}), ("mse_loss", {"weight": W}), ("l1_loss", {}), ("l1_loss", {"weight": W}),
    ("smooth_l1_loss", {"beta": 0.3}), ("smooth_l1_loss", {"beta": 0.0}),
    ("huber_loss", {"delta": 0.3}), ("huber_loss", {"delta": 0.3, "weight": W}),
    ("binary_cross_entropy", {}), ("binary_cross_entropy", {"weight": W}),
    ("binary_cross_entropy_with_logits", {}),
    ("binary_cross_entropy_with_logits", {"weight": W}),
    ("binary_cross_entropy_with_logits", {"pos_weight": W[0]}),
    ("kl_div", {}), ("kl_div", {"log_target": True}),
]  # fmt: skip
OF_CLASSES = [
    {}, {"weight": W[0]}, {"ignore_index": 2}, {"weight": W[0], "ignore_index": 0},
]  # fmt: skip


def both(torch, name, x, t, arguments, rtol=1e-12):
    """The same loss and gradients here and there."""
    ours, theirs = tensor(x), torch.tensor(x, requires_grad=True)
    floating = t.dtype.kind == "f"
    given = {k: Tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    a = tensor(t) if floating else engine.tensor(t)
    loss = getattr(F, name)(ours, a, **given)
    given = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    b = torch.tensor(t, requires_grad=floating and name != "binary_cross_entropy")
    expected = getattr(torch.nn.functional, name)(theirs, b, **given)
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=rtol)
    upstream = np.random.default_rng(1).standard_normal(loss.shape)
    loss.backward(upstream)
    expected.backward(torch.tensor(upstream))
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=rtol, atol=1e-15)
    if b.grad is not None:
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=rtol, atol=1e-15)


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # what PyTorch says of kl_div's mean
@pytest.mark.parametrize(("name", "arguments"), ELEMENTWISE)
def test_elementwise_losses_are_those_of_pytorch(name, arguments):
    torch = pytest.importorskip("torch")
    low, high = (0.05, 0.95) if name in PROBABILITIES else (-2, 2)
    x, t = RNG.uniform(low, high, (2, 6, 3))
    for reduction in [*REDUCTIONS, *([{"reduction": "batchmean"}] if name == "kl_div" else [])]:
        both(torch, name, x, t, {**arguments, **reduction})


@pytest.mark.parametrize("arguments", OF_CLASSES)
@pytest.mark.parametrize("shape", [(3,), (6, 3), (4, 3, 2), (2, 3, 2, 4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropies_of_classes_are_those_of_pytorch(shape, arguments, smoothing):
    torch = pytest.importorskip("torch")
    x = RNG.standard_normal(shape)
    t = RNG.integers(0, 3, shape[:1] + shape[2:]) if len(shape) > 1 else np.array(1)
    for reduction in REDUCTIONS:
        given = {**arguments, **reduction}
        both(torch, "cross_entropy", x, t, {**given, "label_smoothing": smoothing})
        if not smoothing:
            both(torch, "nll_loss", x, t, given)


@pytest.mark.parametrize("shape", [(3,), (6, 3), (4, 3, 2), (2, 3, 2, 4)])
def test_cross_entropies_of_distributions_are_those_of_pytorch(shape):
    torch = pytest.importorskip("torch")
    x, t = RNG.standard_normal(shape), RNG.uniform(0, 1, shape)
    for reduction in REDUCTIONS:
        for arguments in [{}, {"weight": W[0]}, {"label_smoothing": 0.2}]:
            both(torch, "cross_entropy", x, t, {**arguments, **reduction})
        both(torch, "cross_entropy", x, t, {"weight": W[0], "label_smoothing": 0.2, **reduction})


def test_certain_probabilities_have_the_loss_and_slope_of_pytorch():
    torch = pytest.importorskip("torch")
    p, t = np.array([0.0, 1.0, 0.0, 1.0, 1e-20]), np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    # PyTorch's bound of the slope is 1e-12 in single precision
    both(torch, "binary_cross_entropy", p, t, {"reduction": "none"}, rtol=1e-8)


def test_a_loss_that_was_computed_for_other_numbers_since_still_knows_its_own() -> None:
    x, t = Tensor([[1.0, 2.0], [0.5, 0.0]], requires_grad=True), engine.tensor([1, 0])
    loss = F.cross_entropy(x, t)
    for other in ([[9.0, -9.0], [3.0, 4.0]], [[0.0, 1.0], [-2.0, 5.0]]):
        Tensor.apply(loss.rule, (Tensor(other, requires_grad=True), t), loss.arguments)
    e = np.exp(x.data)
    expected = (e / e.sum(axis=1, keepdims=True) - [[0, 1], [1, 0]]) / 2
    for _ in range(2):
        x.grad = None
        loss.backward()
        np.testing.assert_allclose(x.grad, expected, rtol=1e-14)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_where_all_targets_are_left_out_the_mean_is_nan_and_nothing_is_learned(loss):
    x = tensor(RNG.normal(size=(2, 3)))
    with np.errstate(invalid="ignore"):
        mean = loss(x, engine.tensor([-100, -100]))
    mean.backward()
    assert math.isnan(mean.item())
    assert x.grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_classes_of_any_whole_dtype(dtype):
    x = Tensor(np.array([[1.0, 2.0, 0.5], [0.0, 1.0, 3.0]]), requires_grad=True)
    expected = F.cross_entropy(x, engine.tensor([2, 0]))
    classes = np.array([2, 0], dtype)
    assert F.cross_entropy(x, classes).item() == expected.item()
    assert F.nll_loss(x, classes).item() == -0.25
    with pytest.raises(IndexError, match="no class of 0 to 2"):
        F.cross_entropy(x, np.array([2, 3], dtype))


def test_cross_entropy_is_the_same_however_its_arguments_lie_in_memory():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    expected = -np.log(p[np.arange(6), t]).mean()
    spread = np.repeat(t, 3)[::3]
    for data in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1][::-1]):
        for classes in (t, spread, t.astype(">i8")):
            logits = Tensor([[0.0]], requires_grad=True)
            logits.data = data
            loss = F.cross_entropy(logits, classes)
            loss.backward()
            assert math.isclose(loss.item(), expected, rel_tol=1e-14)
            np.testing.assert_allclose(logits.grad, (p - np.eye(4)[t]) / 6, 1e-13)


@pytest.mark.parametrize(
    "loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.hinge_loss, F.binary_cross_entropy_with_logits]
)
def test_the_mean_of_nothing_is_nan_and_its_gradient_empty(loss):
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    with np.errstate(invalid="ignore"):
        y = loss(x, Tensor(np.zeros((0, 3))))
    y.backward()
    assert math.isnan(y.item())
    assert x.grad.shape == (0, 3)


@pytest.mark.parametrize("classes", [0, 3])
def test_cross_entropy_of_no_rows_is_nan_and_its_gradient_empty(classes):
    x = Tensor(np.zeros((0, classes)), requires_grad=True)
    y = F.cross_entropy(x, np.zeros(0, int))
    y.backward()
    assert math.isnan(y.item())
    assert x.grad.shape == (0, classes)


def test_losses_of_one_number_without_dimensions():
    x = Tensor(0.5, requires_grad=True)
    F.kl_div(x, 0.3).backward()
    assert x.grad == -0.3
    x.grad = None
    F.mse_loss(x, 0.0).backward()
    assert x.grad == 1.0


def test_logits_that_are_whole_numbers_are_taken_as_floats():
    x = np.array([[0, 5], [3, 1]])
    expected = F.cross_entropy(engine.tensor(x.astype(np.float32)), np.array([1, 0])).item()
    for dtype in ("u1", "i4", "i8"):
        loss = F.cross_entropy(engine.tensor(x.astype(dtype)), np.array([1, 0], "u1"))
        assert math.isclose(loss.item(), expected, rel_tol=1e-6)


def test_what_is_left_out_counts_nothing_even_where_its_loss_is_infinite():
    x = Tensor(np.array([[-np.inf, 0.0, 1.0], [0.0, 1.0, 2.0]]), requires_grad=True)
    loss = F.cross_entropy(x, engine.tensor([-100, 1]))
    loss.backward()
    assert math.isclose(loss.item(), math.log(math.exp(-1) + 1 + math.e))
    assert x.grad[0].tolist() == [0, 0, 0]
    assert math.isclose(F.nll_loss(x, engine.tensor([-100, 1])).item(), -1.0)
    smoothed = F.cross_entropy(x, engine.tensor([-100, 1]), label_smoothing=0.5)
    assert math.isclose(smoothed.item(), loss.item())  # logits 0, 1, 2: their mean is the class's
    assert math.isnan(F.cross_entropy(x, engine.tensor([-100, -100])).item())  # and no warning


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, F.binary_cross_entropy_with_logits])
def test_the_gradient_is_of_the_weights_that_the_loss_was_computed_with(loss):
    gradients = []
    for change in (1.0, 5.0):
        weight = np.array([1.0, 2.0])
        x = Tensor(np.array([[0.5, -1.0], [2.0, 0.0]]), requires_grad=True)
        if loss is F.binary_cross_entropy_with_logits:
            y = loss(x, engine.tensor([[1.0, 0.0], [0.0, 1.0]]), pos_weight=weight)
        else:
            y = loss(x, engine.tensor([0, 1]), weight)
        weight *= change
        y.backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


def test_log_softmax_of_nothing_is_silent():
    assert engine.log_softmax(engine.zeros(2, 0), 1).shape == (2, 0)
