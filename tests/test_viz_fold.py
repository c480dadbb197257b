"""Folding: what is drawn as one node, what the caption says of it, and that no mark is lost."""

import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

import nn
import viz
from engine import Tensor, Value
from viz.fold import fold
from viz.walk import walk

approx = pytest.approx


def moons_loss(model, n=50, penalty=True):
    """Karpathy's moons demo as a graph of Values: max-margin loss, and L2 regularization."""
    angle = np.linspace(0, np.pi, n)
    outer, inner = (
        np.c_[np.cos(angle), np.sin(angle)],
        np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)],
    )
    X = np.concatenate([outer, inner]) + 0.1 * np.random.RandomState(0).randn(2 * n, 2)
    y = np.repeat([-1, 1], n)
    scores = [model([Value(a), Value(b)]) for a, b in X]
    margins = [(1 + -yi * score).relu() for yi, score in zip(y, scores, strict=True)]
    loss = sum(margins) * (1.0 / len(margins))
    if penalty:
        loss = loss + 1e-4 * sum(p * p for p in model.parameters())
    loss.backward()
    return loss


def mlp(*sizes, dead=()):
    random.seed(1337)
    model = nn.MLP(2, list(sizes))
    for layer, neuron in dead:
        model.layers[layer].neurons[neuron].b.data = -100.0
    return model


def counted(root):
    """Nodes and edges of a graph, counted without the code under test."""
    met, stack, edges = {id(root)}, [root], 0
    while stack:
        for parent in stack.pop().parents:
            edges += 1
            if id(parent) not in met:
                met.add(id(parent))
                stack.append(parent)
    return len(met), edges


def by_label(picture):
    return {node.label: node for node in picture.nodes if node.label}


@pytest.fixture(scope="module")
def moons():
    """Of 20 examples, 13,978 nodes, with one dead unit in the first layer."""
    return moons_loss(mlp(16, 16, 1, dead=[(0, 3)]), n=10)


@pytest.fixture(scope="module")
def folded(moons):
    return viz.draw(moons)


# --- the moons graph --------------------------------------------------------------------------


def test_the_moons_graph_folds_to_its_layers(moons, folded):
    picture = folded
    nodes, _ = counted(moons)
    assert nodes == 13_978
    assert sum(node.count for node in picture.nodes) == nodes
    assert picture.caption[1].startswith("folded from 13,978 nodes")
    assert "every layer is one node" in picture.caption[1]
    layers = by_label(picture)
    assert layers["layer0"].folded.startswith("16 neurons ×20, 48 parameters")
    assert layers["layer1"].folded.startswith("16 neurons ×20, 272 parameters")
    assert len(picture.nodes) < 20


def test_rows_of_a_fold_are_those_of_all_its_neurons(moons, folded):
    layer = by_label(folded)["layer1"]
    hidden = [
        node
        for node in walk(moons)
        if node.op == "relu" and any(leaf.label.startswith("layer1") for leaf in walk(node))
        and not any(leaf.label.startswith("layer2") for leaf in walk(node))
    ]  # fmt: skip
    values, gradients = (np.array([getattr(n, what) for n in hidden]) for what in ("data", "grad"))
    assert len(hidden) == 20 * 16
    assert (layer.value.mean, layer.value.low, layer.value.high) == approx(
        (values.mean(), values.min(), values.max())
    )
    assert layer.grad.rms == approx(np.sqrt(np.mean(gradients**2)))
    assert (layer.grad.low, layer.grad.high) == (gradients.min(), gradients.max())


def test_a_single_dead_unit_in_a_fold_is_marked_with_its_count(folded):
    picture = folded
    (mark,) = picture.marks
    assert (picture.by_id(mark.node).label, mark.text) == ("layer0", "DEAD 1/16")
    for written in (picture.text(), picture.dot):
        assert "DEAD 1/16" in written
    assert not viz.draw(moons_loss(mlp(16, 16, 1), n=5)).marks


def test_edges_of_a_fold_are_counted_and_their_contributions_add_up(folded):
    picture = folded
    ids = {name: node.id for name, node in by_label(picture).items()}
    (edge,) = [e for e in picture.edges if (e.tail, e.head) == (ids["layer0"], ids["layer1"])]
    assert edge.count == 20 * 16 * 16
    assert edge.local_text.endswith("5,120 edges")
    # what layer 1 sends to layer 0 is all that layer 0 gets
    total = edge.contribution.mean * edge.count
    layer = picture.node("layer0").grad
    assert total == approx(layer.mean * 20 * 16)


def test_finer_folds_where_there_is_room(moons):
    neurons = viz.draw(moons, max_nodes=400)
    assert "every neuron is one node" in neurons.caption[1]
    assert sum("neuron" in name for name in by_label(neurons)) == 33
    (mark,) = neurons.marks
    assert (neurons.by_id(mark.node).label, mark.text) == ("layer0.neuron3", "DEAD")
    batch = viz.draw(moons, max_nodes=1100)
    # 337 weights, their squares, as many products; 33 sums; 32 relus; 2 inputs; and the loss:
    # two sums, relu, 1 +, × (−y), + and 2 ×, the constants 1, −y, 1/n, α and the two 0 of sum()
    products = 2 * 16 + 16 * 16 + 16
    assert len(batch.nodes) == 2 * 337 + products + 33 + 32 + 2 + 8 + 6
    assert Counter(node.folded for node in batch.nodes)["×20"] == products + 32 + 2 + 3 + 2
    assert sum(node.count for node in batch.nodes) == counted(moons)[0]


def test_folding_can_be_switched_off(moons):
    with pytest.raises(ValueError, match=r"13,978 nodes, more than max_nodes=150, and fold=False"):
        viz.draw(moons, fold=False)


# --- other graphs -----------------------------------------------------------------------------


class Net:
    """A net without labels, as one writes it at first."""

    def __init__(self, *sizes, activation):
        draw = np.random.RandomState(2).uniform
        self.layers = [
            [([Value(draw(-1, 1)) for _ in range(n)], Value(0.0)) for _ in range(units)]
            for n, units in pairwise(sizes)
        ]
        self.activation = activation

    def __call__(self, x):
        for layer in self.layers:
            sums = [sum((a * b for a, b in zip(w, x, strict=True)), b) for w, b in layer]
            x = [self.activation(z) for z in sums]
        return x[0]


def test_parameters_are_found_without_labels():
    net = Net(2, 6, 4, 1, activation=Value.tanh)
    x = np.random.RandomState(0).randn(30, 2)
    loss = sum((net([Value(a), Value(b)]) - 1.0) ** 2 for a, b in x)
    loss.backward()
    nodes, _ = counted(loss)
    batch = viz.draw(loss, max_nodes=160)
    assert "alike" in batch.caption[1]
    leaves = Counter((node.op, node.folded) for node in batch.nodes if node.role == "leaf")
    assert leaves == {("", ""): 6 * 3 + 4 * 7 + 5, ("inputs", "×30"): 2}
    neurons = viz.draw(loss, max_nodes=40)
    assert Counter(node.folded.partition(",")[0] for node in neurons.nodes if node.op.startswith("tanh")) == {
        "3 parameters": 6, "7 parameters": 4, "5 parameters": 1,
    }  # fmt: skip
    for picture in (batch, neurons):
        assert sum(node.count for node in picture.nodes) == nodes


def test_a_saturated_unit_in_a_fold_is_marked():
    net = Net(2, 8, 8, 1, activation=Value.tanh)
    net.layers[0][5] = (net.layers[0][5][0], Value(9.0))
    x = np.random.RandomState(0).randn(30, 2) * 0.3
    loss = sum(net([a, b]) ** 2 for a, b in x)
    loss.backward()
    picture = viz.draw(loss, max_nodes=14)
    assert [mark.text for mark in picture.marks] == ["SATURATED 1/8 units"]


@pytest.mark.parametrize(("operation", "length"), [("tanh", 2_000), ("neg", 10_000)])
def test_a_chain_folds_without_recursion(operation, length):
    x = y = Value(0.5, label="x")
    for _ in range(length):
        y = getattr(y, operation)()
    y.backward()
    picture = viz.draw(y)
    assert len(picture.nodes) < 10
    assert sum(node.count for node in picture.nodes) == length + 1
    assert "operations that repeat are one node" in picture.caption[1]
    assert picture.node("x").grad == x.grad
    picture.dot.encode()
    picture.text().encode()


def recurrent(steps=10, examples=6):
    """One weight in every step of every example."""
    w, v, draw = Value(0.9, "w"), Value(0.5, "v"), np.random.RandomState(1).randn
    outputs = []
    for _ in range(examples):
        h = Value(0.0)
        for x in draw(steps):
            h = (w * h + v * x).tanh()
        outputs.append(h)
    return sum((h - 1.0) ** 2 for h in outputs)


def mixed():
    """Two activations, now the one and now the other, with the same weights."""
    weights = [
        [Value(x, f"w{i}") for x in row]
        for i, row in enumerate(np.random.RandomState(2).randn(4, 3))
    ]
    total = Value(0.0)
    for place, row in enumerate(np.random.RandomState(3).randn(12, 3)):
        sums = [sum(a * b for a, b in zip(w, row, strict=True)) for w in weights]
        total = total + sum(z.relu() if place % 3 else z.tanh() for z in sums) ** 2
    return total


def classes(examples=10):
    """Softmax and cross-entropy written out, of a net that shares nothing but its input."""
    model, draw = mlp(5, 4, 3, dead=[(0, 2)]), np.random.RandomState(4).randn
    powers = [[score.exp() for score in model([Value(a), Value(b)])] for a, b in draw(examples, 2)]
    return sum(-(power[0] / sum(power)).log() for power in powers) / examples


@pytest.mark.parametrize("make", [recurrent, mixed, classes])
def test_every_node_and_edge_is_counted_once_however_it_is_folded(make):
    root = make()
    root.backward()
    nodes, edges = counted(root)
    graph = walk(root)
    labels = {node: node.label for node in graph}
    for most in (20, 40, 100, 400):
        if most >= nodes:
            continue
        picture = viz.draw(root, max_nodes=most)
        assert sum(node.count for node in picture.nodes) == nodes
        assert picture.caption[0].endswith(
            f"{len(picture.nodes)} nodes, {len(picture.edges)} edges"
        )
        home = {x: i for i, g in enumerate(fold(graph, labels, most).groups) for x in g.members}
        inside = sum(home[x] == home[node] for node in graph for x in node.parents)
        assert sum(edge.count for edge in picture.edges) == edges - inside
        if make is classes:
            assert any(mark.text.startswith("DEAD") for mark in picture.marks)


def test_a_dead_unit_shows_where_nothing_has_a_label():
    """Not even the inputs, which are Values, are mistaken for its weights."""
    net = Net(2, 12, 6, 1, activation=Value.relu)
    net.layers[0][5] = (net.layers[0][5][0], Value(-90.0))
    x = np.random.RandomState(0).randn(20, 2)
    loss = sum((net([Value(a), Value(b)]) - 1.0) ** 2 for a, b in x)
    loss.backward()
    for most, text in ((12, "DEAD 1/12"), (40, "DEAD"), (400, "DEAD")):
        assert [mark.text for mark in viz.draw(loss, max_nodes=most).marks] == [text]


def test_what_repeats_in_a_circle_becomes_one_node():
    w, y = Value(0.9, label="w"), Value(0.5, label="x")
    for _ in range(500):
        y = (y * w).tanh()
    y.backward()
    picture = viz.draw(y)
    circle = max(picture.nodes, key=lambda node: node.count)
    assert circle.count > 990
    assert set(circle.op.split(", ")) == {"×", "tanh"}
    below = {edge.tail for edge in picture.edges if edge.head == circle.id}
    assert picture.node("w").id in below
    assert circle.id not in below


def test_a_doubling_chain_folds():
    y = Value(1.0)
    for _ in range(1000):
        y = y + y
    picture = viz.draw(y)
    assert sum(node.count for node in picture.nodes) == 1001


def test_a_long_sum_is_one_node():
    terms = [Value(float(i), label="t") for i in range(200)]
    total = sum(term**2 for term in terms)
    total.backward()
    picture = viz.draw(total)
    assert [(node.label, node.op, node.folded) for node in picture.nodes] == [
        ("", "Σ", "201 terms"),
        ("", "^", "×200"),
        ("t", "", "×200"),
        ("", "", ""),
    ]
    assert picture.nodes[2].grad.high == 398.0


def test_a_large_graph_of_tensors_folds_by_module():
    random = np.random.RandomState(0)
    h = Tensor(random.randn(8, 4))
    for block in range(30):
        for name in ("query", "key"):
            label = f"blocks.{block}.{name}"
            w = Tensor(random.randn(4, 4) / 2, requires_grad=True, label=f"{label}.weight")
            b = Tensor(np.zeros(4), requires_grad=True, label=f"{label}.bias")
            h = (h @ w + b).tanh()
    loss = h.mean()
    loss.backward()
    nodes, _ = counted(loss)
    picture = viz.draw(loss, max_nodes=80)
    assert picture.caption[1] == f"folded from {nodes} nodes: every module is one node"
    assert sum(node.count for node in picture.nodes) == nodes
    labels = list(by_label(picture))
    assert labels[:2] == ["blocks.29.key", "blocks.29.query"]
    last = picture.node("blocks.29.key")  # shows its result, not its parameters
    assert (last.value.low, last.value.high) == (h.data.min(), h.data.max())
    assert last.folded == "5 nodes, 20 parameters"
    coarser = viz.draw(loss, max_nodes=40)
    assert list(by_label(coarser)) == [f"blocks.{block}" for block in reversed(range(30))]


def test_a_fold_that_is_too_small_for_any_graph_is_an_error():
    with pytest.raises(ValueError, match="no way of folding"):
        viz.draw(moons_loss(mlp(3, 1), n=5), max_nodes=1)


def test_focus_draws_what_is_near(moons):
    w = next(node for node in walk(moons) if node.label == "layer2.neuron0.w3")
    picture = viz.draw(moons, focus=w, hops=1)
    users = [node for node in walk(moons) if any(parent is w for parent in node.parents)]
    # w*h for every example, and w*w
    assert len(users) == 21
    assert len(picture.nodes) == 22
    assert picture.caption[0].endswith(f"{counted(moons)[0] - 22:,} more hidden")
    assert len(viz.draw(moons, focus="layer2.neuron0.w3", hops=0).nodes) == 1
    folded = viz.draw(moons, focus=w, hops=2, max_nodes=60)
    assert "folded from" in folded.caption[1]
    assert not folded.nodes[0].is_root or folded.nodes[0].value == moons.data
    with pytest.raises(ValueError, match="focus='nothing' is not in the graph"):
        viz.draw(moons, focus="nothing")


def test_focus_on_a_small_graph():
    a, b, c = (Value(float(i), label=name) for i, name in enumerate("abc", 1))
    product = a * b
    root = (product + c).tanh()
    root.backward()
    picture = viz.draw(root, focus=product, hops=1)
    assert [node.name for node in picture.nodes] == ["+", "×", "a", "b"]
    assert not any(node.is_root for node in picture.nodes)
    assert picture.caption[0].startswith("tanh = ")
    assert [line.split()[0] for line in picture.text().splitlines()[1:5]] == ["+", "└─", "├─", "└─"]
    assert picture.scale.top == 1.0


PROGRAM = """
import random, viz
from engine import Value
from nn import MLP
random.seed(0)
model = MLP(2, [8, 8, 1])
loss = sum((model([Value(a), 0.5]) - 1.0).relu() for a in range(8)) + 0.1 * sum(p * p for p in model.parameters())
loss.backward()
for most in (40, 150, 500):
    picture = viz.draw(loss, max_nodes=most)
    print(picture.dot, picture.text())
"""


def test_folded_pictures_are_the_same_in_every_process():
    runs = {
        subprocess.run(
            [sys.executable, "-X", "utf8", "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
