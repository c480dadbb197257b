"""why_zero and why_small on Tensors, element by element: every local derivative as a matrix, by
sending back one number at a time; what could depend on what, by sending a nan forward."""

import math
from copy import deepcopy

import numpy as np
import pytest

import engine
import viz
from engine import Tensor
from engine.backprop import order
from engine.readings import FLOAT64
from engine.rule import Elementwise
from nn import functional as F

approx = pytest.approx
SELECTIONS = {"getitem", "amax", "max", "max_pool2d", "embedding"}


def random_net(seed):
    """Small nets with dead units, zero weights, zero inputs, masks, slices, shared weights, and
    losses that may be perfect."""
    random = np.random.RandomState(seed)
    parameters = []

    def new(*shape, shift=0.0):
        data = (random.randn(*shape) + shift) * (random.rand(*shape) > 0.15)
        parameters.append(Tensor(data, requires_grad=True, label=f"p{len(parameters)}"))
        return parameters[-1]

    def act(x):
        return [x.relu, x.tanh, lambda: x.clamp(-0.5, 0.5)][random.randint(3)]()

    def shift():
        return random.choice([0.0, -1.5, -4.0])

    kind = seed % 6
    if kind == 0:
        image, kernel = new(1, 1, 4, 4), new(2, 1, 2, 2)
        h = act(F.conv2d(image, kernel, new(2, shift=shift())))
        return parameters, F.max_pool2d(h, 2).sum()
    if kind == 1:
        rows = F.embedding(random.randint(0, 5, 4), new(5, 3))
        return parameters, act(rows @ new(3, 2) + new(2, shift=shift())).sum()
    if kind == 2:
        w, b, h = new(2, 2), new(2, shift=shift()), Tensor(random.randn(2, 2))
        for _ in range(3):
            h = act(h @ w + b)
        return parameters, (h * h).sum()
    h, width = Tensor(random.randn(3, 3) * (random.rand(3, 3) > 0.3), label="x"), 3
    for _ in range(random.randint(1, 4)):
        wide = random.randint(2, 4)
        h, width = act(F.linear(h, new(wide, width), new(wide, shift=shift()))), wide
        if random.rand() < 0.3:
            h = h * Tensor((random.rand(width) < 0.6) * 1.0, label="mask")
        if random.rand() < 0.2:
            h, width = h[:, :-1], width - 1
    losses = [
        h.sum, lambda: (h**2).mean(), lambda: h.amax(1).sum(), lambda: h.max(1).values.sum(),
        lambda: F.cross_entropy(50 * h, random.randint(0, width, 3)), lambda: h.prod(1).sum(),
        lambda: F.mse_loss(h, h.detach() * (random.rand(3, width) < 0.5)), lambda: h.norm(),
    ]  # fmt: skip
    return parameters, losses[random.randint(len(losses))]()


def passes(node, index):
    """Which elements of the operand (columns) get something of those of the result (rows)."""
    rows = []
    for place in range(node.output.size):
        one = np.zeros(node.output.size)
        one[place] = 1.0
        one = one.reshape(node.output.shape)
        with np.errstate(all="ignore"):
            pulled = node.rule.pull(index, FLOAT64, one, node.inputs, node.output, node.arguments)
        rows.append(np.ravel(pulled) != 0)
    return np.array(rows)


def could_pass(node, index):
    """The same, if no slope and no other operand were 0."""
    if node.op in SELECTIONS:
        return passes(node, index)
    shape, columns = np.shape(node.inputs[index]), []
    for place in range(math.prod(shape)):
        if isinstance(node.rule, Elementwise):
            places = np.arange(math.prod(shape)).reshape(shape)
            columns.append(np.ravel(np.broadcast_to(places, node.output.shape) == place))
            continue
        inputs = [
            np.full(np.shape(x), 0.5) if np.asarray(x).dtype.kind == "f" else x for x in node.inputs
        ]
        inputs[index].reshape(-1)[place] = np.nan
        with np.errstate(all="ignore"):
            made = node.rule.forward(FLOAT64, *inputs, **deepcopy(node.arguments))
        columns.append(np.isnan(np.ravel(made)))
    return np.array(columns).T


def reached(param, root, links):
    """Which elements of the parameter are reached from the root over these links."""
    found = {root: np.ones(np.size(root.data), bool)}
    for node in order(root):
        for index, operand in node.active:
            mask = links[node, index][found[node]].any(axis=0)
            found[operand] = found.get(operand, False) | mask
    return found[param].reshape(np.shape(param.data))


@pytest.mark.parametrize("seed", range(36))
def test_cuts_close_every_path_of_elements_and_no_operation_is_superfluous(seed):
    parameters, loss = random_net(seed)
    edges = [(node, index) for node in order(loss) for index, _ in node.active]
    now = {edge: passes(*edge) for edge in edges}
    ever = {edge: could_pass(*edge) for edge in edges}

    def without(cut):
        return ever | {e: ever[e] & (now[e] | ~np.ravel(m)[:, None]) for e, m in cut.items()}

    def opened(cut):
        return now | {e: now[e] | (ever[e] & np.ravel(m)[:, None]) for e, m in cut.items()}

    for param in parameters:
        (gradient,) = engine.grad(loss, param)
        zero, arrives = gradient == 0, reached(param, loss, now)
        assert zero[~arrives].all()
        linked = reached(param, loss, ever)
        for index in (None, *map(tuple, np.argwhere(zero)[:2].tolist())):
            wanted = zero.copy()
            if index is not None:
                wanted[:] = False
                wanted[index] = True
            if not wanted.any():
                continue
            answer = viz.why_zero(param, loss, index=index)
            blocked = wanted & linked & ~arrives
            if not blocked.any():
                assert answer.kind == ("cancelled" if (wanted & arrives).any() else "unused")
                continue
            assert answer.kind == "blocked"
            assert not (reached(param, loss, without(answer.cut)) & blocked).any()
            for edge in answer.cut:
                others = {e: mask for e, mask in answer.cut.items() if e is not edge}
                assert (reached(param, loss, without(others)) & blocked).any()
            assert (engine.grad(loss, param)[0] == gradient).all()  # looking changes nothing
            restored = (reached(param, loss, opened(answer.cut)) & blocked).any()
            assert restored != any("other zeros" in detail for detail in answer.details)


@pytest.mark.parametrize("seed", range(36))
def test_the_decades_of_random_nets_add_up(seed):
    parameters, loss = random_net(seed)
    for param in parameters:
        (gradient,) = engine.grad(loss, param)
        if gradient.any():
            answer = viz.why_small(param, loss)
            parts = [share.decades for share in answer.shares]
            total = math.log10(np.sqrt(np.mean(gradient**2)))
            assert answer.total == approx(total, abs=1e-9)
            assert math.fsum([*parts, answer.gathered, answer.cancelled]) == approx(total, abs=1e-9)
            assert answer.gathered >= -1e-12
            assert answer.cancelled <= 1e-12


# --- what is said -----------------------------------------------------------------------------


def param(data, label="w"):
    return Tensor(np.array(data, float), requires_grad=True, label=label)


def said(param, loss, **which):
    return str(viz.why_zero(param, loss, **which)).partition("exactly 0: ")[2]


def test_operations_of_whole_arrays_are_named_with_what_is_zero():
    logits, w = param([[800.0, 0.0, 0.0]], "logits"), param([3.0, -3.0, 0.1])
    certain = "cross_entropy of logits: the slope is 0"
    assert said(logits, F.cross_entropy(logits, np.array([0]))) == certain
    assert said(w, F.mse_loss(w, w.detach())) == "(x−t)² of w: the slope is 0"
    image, kernel = param(np.ones((1, 1, 5, 5)), "image"), param(np.zeros((1, 1, 3, 3)), "kernel")
    assert said(image, F.conv2d(image, kernel).sum()) == "conv2d of image: kernel is 0"


def test_parts_that_are_zero_are_named_with_their_place_and_their_number():
    w, mask = param([[1.0, -2.0], [3.0, 4.0]]), Tensor([[1.0, 0.0], [1.0, 0.0]], label="mask")
    assert said(w, (w.relu() * mask).sum()) == "relu × mask: mask[1] is 0 for 2 of 2 examples"
    assert said(w, engine.where(w > 0, w, 0.0).sum()) == "where of w[1]: the slope is 0"
    x = Tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 5.0]], label="x")
    rows = Tensor([[1.0], [1.0], [0.0]])
    assert "x[1] is 0 for 2 of 3 examples" in str(viz.why_zero(w, (F.linear(x, w) * rows).sum()))
    x, w = param([[1.0, 2.0]], "x"), Tensor([[1.0, 0.0], [2.0, 0.0]], label="w")
    assert said(x, F.linear(x, w).sum()) == "linear of x: w[:, 1] is 0"
    assert said(x, (x @ w.T).sum(), index=(0, 1)).endswith("[1, :] is 0")


def test_limits_on_both_sides_are_told_with_the_numbers_beyond():
    w = param([3.0, -3.0, 0.1])
    text = "clamp[0, 1] are off; their pre-activations are −3 to 3"
    assert said(w, w.clamp(-1, 1).sum()) == text


def test_a_channel_of_an_image_is_a_unit():
    kernel, bias = param(np.ones((2, 1, 2, 2)), "kernel"), param([0.0, -100.0], "bias")
    h = F.conv2d(Tensor(np.ones((3, 1, 4, 4))), kernel, bias).relu()
    assert said(bias, h.sum()) == "relu[1] is off for 27 of 27 places; its pre-activation is −96"
    pooled = said(bias, F.max_pool2d(h, 3).sum())  # a path leads through the chosen places alone
    assert pooled.startswith("relu[1] is off for 3 of 3 places")


def test_what_cancels_inside_an_operation_is_not_called_small():
    w, b, x = param([[2.0]]), param([0.0], "b"), Tensor([[1.0], [-1.0]])
    inside = "contributions of opposite signs cancel in {}, which adds them up"
    assert said(w, (x @ w).sum()) == inside.format("@")
    assert said(b, ((x + b) * x).sum()) == inside.format("+")
    tiny = param([1.0], "tiny")
    answer = viz.why_zero(tiny, ((tiny * 1e-200) * 1e-200).sum())
    assert (answer.kind, "smallest float" in str(answer)) == ("underflow", True)
    x = Tensor([[1.0], [-0.9999]])
    nearly = viz.why_small(w, (x @ w).sum())
    assert nearly.cancelled == approx(math.log10(0.0001 / 1.9999))


def test_only_what_the_parameter_takes_part_in_is_said_to_cancel():
    w, other = param([1.0]), param([1.0], "other")
    answer = viz.why_zero(w, (other - other + (w * 3 - w - w * 2)).sum())
    assert answer.details == ("contributions of opposite signs cancel at w",)


def test_elements_of_several_kinds_are_told_apart():
    table = param(np.ones((3, 1)), "table")
    rows = table[np.array([0, 1, 1])] * Tensor([[0.0], [1.0], [-1.0]], label="sign")
    answer = viz.why_zero(table, rows.sum())
    assert (answer.kind, answer.zeros) == ("blocked", 3)
    assert "× sign: sign is 0" in str(answer)
    assert answer.details == (
        "1 of these: contributions of opposite signs cancel in getitem, which adds them up",
        "1 of these: no path leads there from sum: getitem does not depend on it",
    )


def test_behind_a_zero_there_may_be_another():
    w = param([-1.0])
    answer = viz.why_zero(w, (w.relu() * Tensor([0.0], label="zero")).sum())
    assert answer.details == ("there are other zeros on the same paths, one after the other",)


def test_a_graph_whose_numbers_have_changed_is_not_explained():
    w = param([-1.0])
    loss = w.relu().sum()
    w.data = np.array([5.0])
    with pytest.raises(RuntimeError, match="w changed after this graph was built"):
        viz.why_zero(w, loss)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("w", 3.0), TypeError, "loss is a Value or a Tensor, not a float"),
        (([], "loss"), TypeError, r"param is a Value or a Tensor, .*not a list"),
    ],
)
def test_what_is_no_node_is_an_error(arguments, error, message):
    w = param([1.0])
    given = {"w": w, "loss": w.sum()}
    for question in (viz.why_zero, viz.why_small, viz.paths):
        with pytest.raises(error, match=message):
            question(*(given.get(x, x) if isinstance(x, str) else x for x in arguments))


@pytest.mark.parametrize("index", [3, (0, 0), (-4,)])
def test_an_index_that_names_no_element_is_an_error(index):
    w = param([-1.0, 2.0, 3.0])
    with pytest.raises(IndexError, match=r"names no element of w, whose shape is \(3,\)"):
        viz.why_zero(w, w.relu().sum(), index=index)


def test_what_is_shut_for_every_example_is_said_to_be():
    """A weight between a dead ReLU and a flat sigmoid: the sigmoid is flat for all, not only for
    those examples where the ReLU is on."""
    a = Tensor([[1.0, -1.0], [-1.0, -1.0]], requires_grad=True, label="a")
    w = Tensor(np.full((2, 2), 1.0), requires_grad=True, label="w")
    bias = Tensor([40.0, 0.0], label="b")
    told = str(viz.why_zero(w, (F.linear(a.relu(), w) + bias).sigmoid().sum()))
    assert "sigmoid[0] is at slope 0 (below 1e-16) for 2 of 2 examples" in told
    assert "relu[1] is 0 for 2 of 2 examples" in told
