"""Networks of Values: micrograd's demo, number for number."""

import random

import numpy as np
import pytest

from engine import Value
from nn import MLP, Layer, Neuron


def moons(n=50):
    """Two half circles with a little noise, targets −1 and 1."""
    angle = np.linspace(0, np.pi, n)
    outer = np.c_[np.cos(angle), np.sin(angle)]
    inner = np.c_[1 - np.cos(angle), 0.5 - np.sin(angle)]
    X = np.concatenate([outer, inner]) + 0.1 * np.random.RandomState(0).randn(2 * n, 2)
    return X, np.repeat([-1, 1], n)


def demo(Value, MLP, X, y, steps):
    """Karpathy's moons demo: max-margin loss, L2 regularization, a falling learning rate."""
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    losses = []
    for k in range(steps):
        inputs = [list(map(Value, xrow)) for xrow in X]
        scores = list(map(model, inputs))
        margins = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
        data_loss = sum(margins) * (1.0 / len(margins))
        total_loss = data_loss + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
        losses.append(total_loss.data)
    accuracy = np.mean([(yi > 0) == (s.data > 0) for yi, s in zip(y, scores, strict=True)])
    return losses, accuracy, total_loss


def by_hand(X, y, steps):
    """The same demo as arrays, with its gradients derived by hand."""
    random.seed(1337)
    layers = []
    for nin, nout in [(2, 16), (16, 16), (16, 1)]:
        W = np.array([[random.uniform(-1, 1) for _ in range(nin)] for _ in range(nout)])
        layers.append([W, np.zeros(nout)])
    losses = []
    for k in range(steps):
        a, kept = X, []
        for i, (W, b) in enumerate(layers):
            z = a @ W.T + b
            kept.append((a, z))
            a = np.maximum(z, 0) if i < 2 else z
        margins = 1 - y * a[:, 0]
        squares = sum((p**2).sum() for layer in layers for p in layer)
        losses.append(np.maximum(margins, 0).mean() + 1e-4 * squares)
        delta = (-(y * (margins > 0)) / len(y))[:, None]
        learning_rate = 1.0 - 0.9 * k / 100
        for i in (2, 1, 0):
            (a, z), (W, b) = kept[i], layers[i]
            if i < 2:
                delta = delta * (z > 0)
            steps_ = delta.T @ a + 2e-4 * W, delta.sum(0) + 2e-4 * b
            delta = delta @ W
            layers[i] = [W - learning_rate * steps_[0], b - learning_rate * steps_[1]]
    return losses


@pytest.mark.parametrize(("points", "steps"), [(3, 60), (20, 2)])
def test_the_moons_demo_trains_to_the_losses_of_a_derivation_by_hand(points, steps):
    X, y = moons(points)
    losses, accuracy, _ = demo(Value, MLP, X, y, steps)
    np.testing.assert_allclose(losses, by_hand(X, y, steps), rtol=1e-9)
    if steps == 60:
        assert losses[-1] < 0.02 < losses[0]
        assert accuracy >= 0.9


def test_micrograd_gives_the_same_losses():
    engine = pytest.importorskip("micrograd.engine")
    theirs = pytest.importorskip("micrograd.nn")
    X, y = moons(3)
    ours, _, _ = demo(Value, MLP, X, y, 5)
    np.testing.assert_allclose(ours, demo(engine.Value, theirs.MLP, X, y, 5)[0], rtol=1e-9)


def test_the_graph_has_one_node_for_each_operation_written():
    random.seed(0)
    neuron = Neuron(2)
    ops, node = [], neuron([1.0, -2.0])
    while node.op:
        ops.append(node.op)
        node = node.parents[0]
    assert ops == ["relu", "add", "add"]  # relu((b + w0·x0) + w1·x1)
    assert node is neuron.b
    X, y = moons(10)
    total_loss = demo(Value, MLP, X, y, 1)[2]
    met, stack = {total_loss}, [total_loss]
    while stack:
        for parent in stack.pop().parents:
            if parent not in met:
                met.add(parent)
                stack.append(parent)
    inner = [node for node in met if node.op]
    weights, units = 2 * 16 + 16 * 16 + 16, 32
    example = 2 * weights + units + 4  # a product and a sum each, a relu each; −y·s, 1 + that, relu
    assert len(inner) == len(X) * example + 1 + 2 * 337 + 2


def test_constructors_and_parameters_are_those_of_micrograd():
    random.seed(3)
    model = MLP(3, [4, 4, 1])
    random.seed(3)
    drawn = iter([random.uniform(-1, 1) for _ in range(12 + 16 + 4)])
    expected = []
    for nin, nout in [(3, 4), (4, 4), (4, 1)]:
        for _ in range(nout):
            expected += [*(next(drawn) for _ in range(nin)), 0.0]
    parameters = model.parameters()
    assert isinstance(parameters, list)
    assert [p.data for p in parameters] == expected
    assert parameters[0].label == "layer0.neuron0.w0"
    assert parameters[-1].label == "layer2.neuron0.b"
    assert repr(model).startswith("MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3),")
    assert repr(model).endswith("Layer of [LinearNeuron(4)]]")


def test_a_layer_gives_a_list_and_an_mlp_unwraps_a_single_output():
    assert isinstance(Layer(2, 1)([1.0, 2.0]), list)
    assert isinstance(MLP(2, [3, 1])([1.0, 2.0]), Value)
    assert len(MLP(2, [3, 2])([1.0, 2.0])) == 2


def test_gradients_are_none_until_they_are_computed():
    model = MLP(2, [2, 1])
    assert all(p.grad is None for p in model.parameters())
    model([1.0, 2.0]).backward()
    assert all(isinstance(p.grad, float) for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_an_input_of_the_wrong_length_is_an_error():
    with pytest.raises(ValueError, match=r"ReLUNeuron\(2\) takes 2 inputs, 3 given"):
        Neuron(2)([1, 2, 3])
