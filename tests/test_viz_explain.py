"""why_zero, why_small and paths, against brute force: all paths, opened operations, moved inputs."""

import math
from itertools import pairwise
from threading import Thread

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value
from viz import explain

approx = pytest.approx


def random_graph(seed, size=14):
    """Three leaves, then operations of what there is, with slopes and factors of 0 among them."""
    random = np.random.RandomState(seed)
    nodes = [Value(x, label) for x, label in zip(random.randn(3), "abc", strict=True)]
    for _ in range(size):
        x, y = (nodes[i] for i in random.randint(max(0, len(nodes) - 6), len(nodes), 2))
        made = [
            lambda x, y: x.relu(), lambda x, y: x.tanh(), lambda x, y: x.clamp(-0.5, 0.5),
            lambda x, y: abs(x), lambda x, y: x * 0.0, lambda x, y: x * x, engine.mul, engine.add,
            engine.sub, engine.maximum, lambda x, y: (x * 2.0 - y) - (x + x),
        ]  # fmt: skip
        nodes.append(made[random.randint(len(made))](x, y))
    return nodes[:3], nodes[-1]


def all_paths(param, root):
    """Every path from the root as a list of (node, index)."""
    found, unfinished = [], [(root, ())]
    while unfinished:
        node, edges = unfinished.pop()
        if node is param:
            found.append(edges)
        unfinished += [(operand, (*edges, (node, i))) for i, operand in node.active]
    return found


def product(edges):
    return math.prod(node.local(index) for node, index in edges)


GRAPHS = [(seed, leaf) for seed in range(60) for leaf in range(3)]


@pytest.mark.parametrize(("seed", "leaf"), GRAPHS)
def test_the_best_paths_are_those_of_all(seed, leaf):
    leaves, root = random_graph(seed)
    every = all_paths(leaves[leaf], root)
    if not every:
        with pytest.raises(ValueError, match="does not take part"):
            viz.paths(leaves[leaf], root)
        return
    expected = sorted((abs(product(edges)) for edges in every), reverse=True)[:4]
    found = viz.paths(leaves[leaf], root, k=4)
    assert [abs(path.product) for path in found] == approx(expected, rel=1e-12)
    for path in found:
        assert (path.nodes[0], path.nodes[-1]) == (leaves[leaf], root)
        assert path.product == approx(math.prod(path.factors), rel=1e-12)
        if path.product:
            assert path.decades == approx(math.log10(abs(path.product)), abs=1e-9)


@pytest.mark.parametrize(("seed", "leaf"), GRAPHS)
def test_a_cut_blocks_every_path_and_needs_each_of_its_operations(seed, leaf):
    leaves, root = random_graph(seed)
    param = leaves[leaf]
    every = all_paths(param, root)
    if not every:
        return
    (gradient,) = engine.grad(root, param)
    if gradient != 0:
        with pytest.raises(ValueError, match="not 0: ask why_small"):
            viz.why_zero(param, root)
        return
    answer = viz.why_zero(param, root)
    if any(product(edges) for edges in every):
        assert answer.kind == "cancelled"
        return
    assert answer.kind == "blocked"
    cut = set(answer.cut)
    assert all(node.local(index) == 0 for node, index in cut)
    crossings = [cut.intersection(edges) for edges in every]
    assert all(crossings)
    assert {edge for crossed in crossings if len(crossed) == 1 for edge in crossed} == cut
    opened = any(all(n.local(i) != 0 or (n, i) in cut for n, i in edges) for edges in every)
    assert opened != bool(answer.details)  # else there are more zeros behind, and it says so


def test_a_blocked_parameter_may_move_and_the_loss_does_not():
    w, x = Value(-0.7, "w"), Value(3.0, "x")

    def loss():
        return (w * x).relu() * 2.0 + x

    answer = viz.why_zero(w, loss())
    assert str(answer) == "w gets exactly 0: relu is off; its pre-activation is −2.1"
    before = loss().data
    w.data += 0.1
    assert loss().data == before


@pytest.mark.parametrize("seed", range(60))
def test_the_decades_of_a_graph_add_up(seed):
    leaves, root = random_graph(seed)
    for leaf in leaves:
        (gradient,) = engine.grad(root, leaf, allow_unused=True)
        if not gradient:
            continue
        answer = viz.why_small(leaf, root)
        assert answer.total == approx(math.log10(abs(gradient)), abs=1e-9)
        parts = [share.decades for share in answer.shares]
        assert math.fsum([*parts, answer.gathered, answer.cancelled]) == approx(
            answer.total, abs=1e-9
        )
        assert answer.gathered >= 0
        assert answer.cancelled <= 1e-12


def test_decades_of_terms_whose_sum_no_float_holds():
    x = Value(1e-10, label="x")
    answer = viz.why_small(x, x * 1.5e308 - x * 1.4e308)
    assert answer.total == approx(307.0)
    assert answer.cancelled == approx(-math.log10(29))


def test_what_is_too_small_is_told_from_what_cancels():
    x, y = Value(1.0, "x"), Value(2.0, "y")
    tiny = viz.why_zero(x, (x * 1e-200) * 1e-200 + (y - y))
    assert tiny.kind == "underflow"
    assert "what comes to × is 1e-200" in str(tiny)
    again = viz.why_zero(x, (y - y) + (x * 3.0 - x * 2.0 - x))
    assert str(again) == "x gets exactly 0: contributions of opposite signs cancel at x"


def test_units_are_told_apart_without_labels():
    """Weights, and not the inputs, are what several examples share."""
    weights, bias = [Value(1.0), Value(-1.0)], Value(-50.0)
    inputs = [[Value(float(i)), Value(1.0)] for i in range(5)]
    sums = [sum((w * x for w, x in zip(weights, row, strict=True)), bias) for row in inputs]
    (block,) = viz.why_zero(bias, sum(z.relu() for z in sums)).blocks
    assert (block.blocked, block.examples, block.largest) == (5, 5, -47.0)


def test_the_decades_of_a_chain_are_those_of_its_slopes():
    x = Value(1.0, label="x")
    y, slopes = x, []
    for _ in range(10):
        y = y.sigmoid()
        slopes.append(y.data * (1 - y.data))
    y.backward()
    answer = viz.why_small(x)
    assert answer.total == approx(-6.5552, abs=1e-4)
    assert [share.decades for share in answer.shares] == approx(list(np.log10(slopes)))
    assert "σ #4   −0.65" in str(answer)


def test_what_comes_together_and_what_cancels():
    x = Value(2.0, label="x")
    both = viz.why_small(x, x * 1.0 + x * 1.0)
    assert (both.total, both.gathered, both.cancelled) == approx((math.log10(2),) * 2 + (0.0,))
    opposed = viz.why_small(x, x * 3.0 - x * 1.0)
    assert opposed.cancelled == approx(math.log10(2 / 4))


@pytest.mark.parametrize("question", [viz.why_small, viz.why_zero])
def test_the_last_backward_is_meant_where_no_loss_is_given(question):
    a, b = Value(1.0, "a"), Value(2.0, "b")
    loss = a * 0.0 if question is viz.why_zero else a * 0.1
    loss.backward()
    assert question(a).root is loss
    with pytest.raises(ValueError, match="b does not take part"):
        question(b)
    del loss
    with pytest.raises(TypeError, match="give the loss"):
        question(a)


def test_the_backward_of_another_thread_is_not_meant():
    a, b = Value(1.0, "a"), Value(2.0, "b")
    own, other = a * 0.1, b * 0.1
    own.backward()
    thread = Thread(target=other.backward)
    thread.start()
    thread.join()
    assert viz.why_small(a).root is own


def test_a_deep_chain_needs_no_recursion():
    x = Value(1.0, label="x")
    y = x.relu()
    for _ in range(3_000):
        y = y * 0.4
    (path,) = viz.paths(x, y)
    assert path.decades == approx(3_000 * math.log10(0.4))
    assert path.product == 0.0
    assert viz.why_zero(x, y).kind == "underflow"
    z = Value(-1.0, label="z")
    y = z.relu()
    for _ in range(3_000):
        y = y + 1.0
    assert viz.why_zero(z, y).blocks[0].where == "relu"


# ------------------------------------------------------------------ Tensors


def net(*sizes, activation="relu", seed=0):
    random = np.random.RandomState(seed)
    layers = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}[activation]()]
    model = nn.Sequential(*layers[:-1])
    for parameter in model.parameters():
        parameter.data = random.randn(*parameter.shape)
    return model, Tensor(random.randn(100, sizes[0]))


def test_a_dead_unit_is_named():
    model, x = net(2, 5, 6, 1)
    first, bias, *_ = model.parameters()
    bias.data = np.array([0.0, 0.0, 0.0, -30.0, 0.0])
    loss = (model(x) ** 2).mean()
    z = x.data @ first.data[3] + bias.data[3]
    for index in ((3, 0), None):
        answer = viz.why_zero(first, loss, index=index)
        (block,) = answer.blocks
        assert (block.where, block.units, block.blocked) == ("0 relu", (3,), 100)
        assert block.largest == approx(z.max())
        assert "0 relu[3] is off for 100 of 100 examples" in str(answer)
    assert answer.zeros == 2
    with pytest.raises(ValueError, match=r"0.weight\[2, 0\] gets"):
        viz.why_zero(first, loss, index=(2, 0))


def test_a_wall_is_told_as_a_wall():
    model, x = net(2, 5, 6, 1)
    list(model.parameters())[3].data = np.full(6, -100.0)
    answer = viz.why_zero(next(model.parameters()), (model(x) ** 2).mean())
    (block,) = answer.blocks
    assert (block.where, block.units, block.blocked) == ("2 relu", tuple(range(6)), 100)
    assert "2 relu, all 6 units, are off for 100 of 100 examples" in str(answer)


def test_inputs_and_weights_that_are_zero_are_named():
    model, x = net(3, 4, 1)
    x.data = x.data * [1.0, 0.0, 1.0]
    x.label = "pixels"
    first, _, last, _ = model.parameters()
    answer = viz.why_zero(first, model(x).sum(), index=(2, 1))
    assert str(answer).endswith("pixels[1] is 0 for 100 of 100 examples")
    last.data = np.zeros((1, 4))
    assert "2.weight is 0" in str(viz.why_zero(first, model(x).sum()))


def test_a_sigmoid_is_not_called_off():
    model, x = net(2, 3, 1, activation="sigmoid")
    list(model.parameters())[1].data = np.full(3, 800.0)
    answer = viz.why_zero(next(model.parameters()), model(x).sum())
    assert "0 sigmoid, all 3 units, are at slope 0 (below 1e-16)" in str(answer)


def test_what_is_never_selected_and_what_cancels():
    table = Tensor(np.ones((4, 2)), requires_grad=True, label="table")
    loss = table[np.array([0, 2])].sum()
    assert viz.why_zero(table, loss, index=(1, 0)).kind == "unused"
    assert "no path leads" in str(viz.why_zero(table, loss))
    assert viz.why_zero(table, (table - table).sum()).kind == "cancelled"


@pytest.mark.parametrize("seed", range(12))
def test_cuts_of_random_nets_close_every_path_of_elements(seed):
    """Opened (the slopes in the cut set to 1), some gradient comes; and every element of the cut
    has slope 0."""
    model, x = net(3, 6, 5, 4, 1, seed=seed)
    for bias in list(model.parameters())[1::2]:
        bias.data = bias.data - 1.5
    first = next(model.parameters())
    loss = model(x).sum()
    (gradient,) = engine.grad(loss, first)
    zeros = np.argwhere(gradient == 0)
    for index in map(tuple, zeros[:3].tolist()):
        cut = viz.why_zero(first, loss, index=index).cut
        relus = {node: mask for (node, _), mask in cut.items() if node.op == "relu"}
        for node, mask in relus.items():
            assert not node.local(0)[mask].any()
        if len(relus) == len(cut):
            assert flows(model, x, relus, open_cut=True)[index] != 0
        assert flows(model, x, relus, open_cut=False)[index] == 0 or len(relus) < len(cut)


def flows(model, x, cut, open_cut):
    """The gradient of the first weight with random slopes in place of zeros: in the cut alone,
    or everywhere but there; by hand, layer by layer."""
    random = np.random.RandomState(9)
    masks = {node.output.shape[-1]: mask for node, mask in cut.items()}
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    h, before, slopes = x.data, [], []
    for linear in linears:
        before.append(h)
        z = h @ linear.weight.data.T + linear.bias.data
        mask = masks.get(z.shape[-1], np.zeros_like(z, bool))
        inside = np.where(z > 0, 1.0, 1.0 if open_cut else 0.0)
        outside = np.where(z > 0, 1.0, 1.0)
        slopes.append(np.where(mask, inside, outside) * random.uniform(0.5, 1.5, z.shape))
        h = np.maximum(z, 0)
    g = np.ones((len(x.data), 1))
    for layer in range(len(linears) - 1, 0, -1):
        g = (g @ linears[layer].weight.data) * slopes[layer - 1]
    return g.T @ before[0]


def test_the_decades_of_a_net_add_up_and_follow_its_layers():
    model, x = net(8, 16, 16, 16, 1, activation="sigmoid")
    loss = (model(x) ** 2).mean()
    first = next(model.parameters())
    (gradient,) = engine.grad(loss, first)
    answer = viz.why_small(first, loss)
    assert answer.total == approx(np.log10(np.sqrt(np.mean(gradient**2))), abs=1e-9)
    parts = [share.decades for share in answer.shares]
    assert math.fsum([*parts, answer.gathered, answer.cancelled]) == approx(answer.total, abs=1e-9)
    (path,) = viz.paths(first, loss)
    assert path.decades == approx(answer.total, abs=1e-9)
    assert [node.op for node in path.nodes if node.op == "sigmoid"] == ["sigmoid"] * 3


def test_two_branches_of_tensors_share_what_came():
    x = Tensor([1.0, -2.0, 3.0], requires_grad=True, label="x")
    loss = (x * 3.0 + x).sum()
    first, second = viz.paths(x, loss)
    assert (first.product, second.product) == approx((3.0, 1.0))
    answer = viz.why_small(x, loss)
    assert answer.total == approx(math.log10(4))
    shares = {share.node.op: share for share in answer.shares if share.node.op == "mul"}
    assert shares["mul"].weight == approx(0.75)


@pytest.mark.parametrize("k", [0, -1])
def test_at_least_one_path(k):
    x = Value(1.0)
    with pytest.raises(ValueError, match="k is at least 1"):
        viz.paths(x, x * 2.0, k=k)


def test_a_long_explanation_is_cut_short():
    ws = [Value(1.0, f"w{i}") for i in range(20)]
    a = Value(1.0, "a")
    text = str(explain.why_zero(a, sum((a * w * 0.0 + a * 0.0) for w in ws)))
    assert text.count("\n") <= 9
