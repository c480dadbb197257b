"""What is drawn: a graph as plain data, before any writer."""

import math
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import engine
import nn
import viz
from engine import Tensor, Value
from viz import style
from viz.frames import frames
from viz.ladder import ladder
from viz.parts import Summary
from viz.text import table
from viz.theme import THEMES, contrast

approx = pytest.approx


def after_backward(root):
    root.backward()
    return root


def neuron(w=4.0, x=3.0, b=1.0):
    """A sigmoid neuron, after backward()."""
    leaves = [Value(number, label=name) for name, number in (("w", w), ("x", x), ("b", b))]
    y = (leaves[0] * leaves[1] + leaves[2]).sigmoid()
    y.label = "y"
    y.backward()
    return y


def reused():
    """f = (a·b)·(a + b) at a = −2, b = 3."""
    a, b = Value(-2.0, label="a"), Value(3.0, label="b")
    f = (a * b) * (a + b)
    f.backward()
    return f


def net(bias=0.0, examples=20):
    """Two layers of Tensors, after backward()."""
    random = np.random.RandomState(0)
    x = Tensor(random.randn(examples, 3), label="x")
    w1 = Tensor(random.randn(3, 4), requires_grad=True, label="layer1.weight")
    b1 = Tensor(np.full(4, bias), requires_grad=True, label="layer1.bias")
    w2 = Tensor(random.randn(4, 1), requires_grad=True, label="layer2.weight")
    loss = (((x @ w1 + b1).relu() @ w2) ** 2).mean()
    loss.backward()
    return loss


# --- nodes and edges --------------------------------------------------------------------------


def test_a_node_per_operation_written_and_an_edge_per_operand():
    picture = viz.draw(neuron())
    assert [node.title for node in picture.nodes] == ["y = σ", "+", "×", "w", "x", "b"]
    assert [node.role for node in picture.nodes] == [
        "activation",
        *["operation"] * 2,
        *["leaf"] * 3,
    ]
    assert [node.is_root for node in picture.nodes] == [True] + [False] * 5
    assert len(picture.edges) == 5


def test_values_gradients_and_local_derivatives_are_the_engines():
    y = neuron(w=0.5)
    picture = viz.draw(y)
    slope = y.data * (1 - y.data)
    assert picture.node("y").value == y.data
    assert picture.node("w").grad == approx(3 * slope)
    edge = picture.edges[0]
    assert (edge.tail, edge.head, edge.index) == ("n1", "n0", 0)
    assert (edge.local, edge.upstream, edge.contribution) == approx((slope, 1.0, slope))
    assert (edge.symbolic, edge.numeric) == ("σ·(1 − σ)", "0.9241·(1 − 0.9241) = 0.0701")


def test_a_repeated_operand_has_repeated_edges():
    a = Value(3.0, label="a")
    b = a + a
    b.backward()
    picture = viz.draw(b)
    assert [(edge.tail, edge.index) for edge in picture.edges] == [("n1", 0), ("n1", 1)]
    assert picture.node("a").terms == (1.0, 1.0)
    assert picture.node("a").grad_text == "+2 = 1 + 1"


def test_a_node_that_is_used_twice_shows_the_sum_of_its_contributions():
    picture = viz.draw(reused())
    assert picture.node("a").grad_text == "−3 = 3 − 6"
    assert picture.node("b").grad_text == "−8 = −2 − 6"


def test_many_contributions_are_counted():
    a = Value(1.0, label="a")
    y = a + a + a + a + a + a
    y.backward()
    assert viz.draw(y).node("a").grad_text == "+6 = sum of 6"


def test_a_gradient_from_an_earlier_call_is_not_passed_off_as_this_graphs():
    x = Value(3.0, label="x")
    y = x**3
    y.backward()
    y.backward()
    node = viz.draw(y).node("x")
    assert (node.grad, node.grad_text, node.note) == (54.0, "+54", "of it +27 by this graph")


def test_operands_are_called_by_their_labels_in_formulas():
    w, x, b = Value(2.0, label="w"), Value(3.0, label="x"), Value(1.0, label="b")
    picture = viz.draw(w * x + b)
    by_tail = {picture.by_id(edge.tail).name: edge for edge in picture.edges}
    assert (by_tail["w"].symbolic, by_tail["x"].symbolic) == ("x", "w")
    assert viz.draw(w / 4).edges[0].symbolic == "1/4"
    # what has no label goes by its rule's letter, but not if that is the label of another node
    assert viz.draw(w.exp().log()).edges[0].symbolic == "1/x"
    assert viz.draw(x.exp().log()).edges[0].symbolic == "1/in"
    assert viz.draw((w * 2.0) * b).edges[1].symbolic == ""


def test_names_label_what_has_no_label():
    left, right = Value(1.0), Value(2.0, label="own")
    ws = [Value(3.0), Value(4.0)]
    total = left * right + ws[0] * ws[1]
    picture = viz.draw(total, names={"_": left, "left": left, "right": right, "ws": ws, "n": 3})
    assert [node.label for node in picture.nodes if node.role == "leaf"] == [
        "left", "own", "ws[0]", "ws[1]",
    ]  # fmt: skip
    assert left.label == ""  # nothing is written into the graph


def test_hide_leaves_out_constants_labels_operations_and_nodes_with_what_only_they_use():
    x, y = Value(1.0, label="x"), Value(2.0, label="y")
    inner = (y * 5.0).tanh()
    root = x * 3.0 + inner
    titles = {
        hidden: [node.name for node in viz.draw(root, hide=hidden).nodes]
        for hidden in ("constants", "tanh", "y", inner)
    }
    assert titles["constants"] == ["+", "×", "x", "tanh", "×", "y"]
    assert titles["tanh"] == titles[inner] == ["+", "×", "x", "3"]
    assert titles["y"] == ["+", "×", "x", "3", "tanh", "×", "5"]
    assert "4 more hidden" in viz.draw(root, hide=("tanh",)).caption[0]


def test_too_many_nodes_are_refused_with_what_to_draw_instead():
    y = x = Value(1.0)
    for _ in range(100):
        y = y + 1.0
    with pytest.raises(ValueError, match=r"201 nodes.*max_nodes=150.*hide=\"constants\""):
        viz.draw(y, fold=False)
    assert len(viz.draw(y, hide="constants").nodes) == 101
    assert len(viz.draw(y, max_nodes=201).nodes) == 201
    assert viz.draw(x).nodes[0].role == "leaf"


def test_a_deep_graph_is_refused_without_a_recursion_error():
    y = Value(1.0)
    for _ in range(20_000):
        y = y + y
    with pytest.raises(ValueError, match="20,001 nodes"):
        viz.draw(y, fold=False)


@pytest.mark.parametrize("wrong", [3.0, [Value(1.0)], np.ones(2), None])
def test_only_nodes_are_drawn(wrong):
    with pytest.raises(TypeError, match="a Value or a Tensor"):
        viz.draw(wrong)


def test_unknown_flow():
    with pytest.raises(ValueError, match='"both", "forward" or "backward"'):
        viz.draw(neuron(), flow="sideways")


def test_a_graph_whose_leaf_has_changed_is_not_drawn_with_the_new_number():
    y = neuron()
    viz.draw(y)
    y.parents[0].parents[0].parents[0].data = 5.0
    with pytest.raises(RuntimeError, match=r"w.* changed after this graph was built"):
        viz.draw(y)


# --- zero, tiny, not computed -----------------------------------------------------------------


def test_zero_tiny_and_not_computed_are_told_apart():
    x, tiny = Value(-2.0, label="x"), Value(1.0, label="tiny")
    y = x.relu() + tiny * 1e-300
    before = viz.draw(y)
    assert {node.state for node in before.nodes if node.role != "constant"} == {"unset"}
    assert (before.node("x").grad, before.node("x").grad_text) == (None, "-")
    y.backward()
    after = viz.draw(y)
    assert (after.node("x").state, after.node("x").grad_text) == ("zero", "0")
    assert (after.node("tiny").state, after.node("tiny").grad_text) == ("sized", "+1e-300")
    borders = {
        style.dress(node.role, node.state, after.step(node.grad), None)
        for node in (before.node("x"), after.node("x"), after.node("tiny"))
    }
    assert len(borders) == 3


def test_constants_have_no_gradient_line():
    picture = viz.draw(after_backward(Value(2.0, label="x") * 3.0))
    constant = next(node for node in picture.nodes if node.role == "constant")
    assert picture.node_lines(constant) == ["3"]


def test_colours_are_decades_below_the_roots_gradient():
    x = Value(1.0, label="x")
    small = x * 0.05
    small.label = "small"
    y = small * 0.01
    y.backward()
    picture = viz.draw(y)
    steps = {name: picture.step(picture.node(name).grad) for name in ("n0", "small", "x")}
    assert steps == {"n0": 6, "small": 4, "x": 2}
    assert viz.draw(y, scale=(1e-3, 1.0)).scale.step(1e-3) < viz.draw(y).scale.step(1e-3)
    louder = y * 100.0
    louder.backward()
    assert viz.draw(louder, scale="max").scale.top == 100.0


# --- marks ------------------------------------------------------------------------------------


def test_off_saturated_and_first_nan_are_marked_from_findings():
    x = Value(-2.0, label="x")
    picture = viz.draw(x.relu())
    assert [(mark.node, mark.text) for mark in picture.marks] == [("n0", "OFF")]
    assert [finding.code for finding in picture.findings] == ["OFF"]
    picture = viz.draw(Value(10.0).tanh())
    assert [mark.text for mark in picture.marks] == ["SATURATED high"]
    picture = viz.draw(Value(-40.0).tanh())
    assert [mark.text for mark in picture.marks] == ["SATURATED low, slope 0 (below 1e-16)"]
    picture = viz.draw((Value(-1.0).log() + 1.0).exp())
    assert [(picture.by_id(mark.node).op, mark.text) for mark in picture.marks] == [
        ("log", "NONFINITE value nan, of −1")
    ]


def test_one_example_is_off_and_a_batch_is_dead():
    one = viz.draw(net(bias=-100.0, examples=1))
    batch = viz.draw(net(bias=-100.0))
    assert [mark.text for mark in one.marks] == ["OFF 4/4"]
    assert [mark.text for mark in batch.marks] == ["DEAD 4/4"]


def test_a_healthy_graph_has_no_marks():
    assert viz.draw(neuron(w=0.1)).marks == ()
    assert viz.draw(neuron(w=0.1)).caption[-1] == "findings: none"


def test_legend_lists_what_occurs_and_nothing_else():
    words = " ".join(entry.text for entry in viz.draw(neuron()).legend)
    assert "SATURATED" in words
    assert "OFF" not in words
    assert "exactly 0" not in words
    off = " ".join(entry.text for entry in viz.draw(neuron(w=0.1).parents[0].relu()).legend)
    assert "not computed" in off
    assert viz.draw(neuron(), legend=False).legend == ()


def test_caption_says_root_size_and_scale():
    first, scale, findings = viz.draw(neuron(w=0.1)).caption
    assert first == "y = 0.7858: 6 nodes, 5 edges"
    assert scale.endswith("the root's is 1")
    assert findings == "findings: none"
    assert "mean over 20: each gradient before it starts at 1/20" in viz.draw(net()).caption
    assert "draw after backward()" in viz.draw(Value(1.0) + 1.0).caption[1]


def test_means_over_as_many_are_told_once_and_over_one_never():
    x = Tensor(np.ones((4, 1)), requires_grad=True)
    loss = (x.mean() + (x * x).mean()) * x.mean(dim=1).sum()
    loss.backward()
    told = [line for line in viz.draw(loss).caption if line.startswith("mean")]
    assert told == ["mean over 4: each gradient before it starts at 1/4"]


def test_check_writes_the_numeric_derivative_beside_each_gradient():
    root = reused()
    picture = viz.draw(root, check=True)
    for node in picture.nodes:
        assert node.numeric == approx(node.grad, rel=1e-8)
    assert picture.node("a").grad_text.startswith("−3 = 3 − 6 (numeric −3")
    assert "(numeric −8" in picture.dot
    assert all(node.numeric is None for node in viz.draw(root).nodes)
    kink = Value(0.0, label="x")
    y = kink.relu()
    y.backward()
    x = viz.draw(y, check=True).node("x")
    assert (x.grad, x.numeric) == (0.0, approx(0.5))
    with pytest.raises(ValueError, match=r"is for Values.*engine\.gradcheck"):
        viz.draw(net(), check=True)


def test_a_numeric_derivative_keeps_to_where_the_function_is():
    x = Value(1e-8, label="x")
    y = x.log()
    y.backward()
    assert viz.draw(y, check=True).node("x").numeric == approx(1e8, rel=1e-6)


def test_modules_are_frames_in_frames():
    picture = viz.draw(net())
    frames_ = {cluster.title: cluster for cluster in picture.clusters}
    assert list(frames_) == ["layer2: 4 parameters", "layer1: 16 parameters"]
    names = [picture.by_id(id).name for id in frames_["layer1: 16 parameters"].nodes]
    assert names == ["relu", "+", "@", "layer1.weight", "layer1.bias"]
    assert "subgraph cluster_c0" in picture.dot
    model = nn.MLP(2, [2, 1])
    nested = {c.title: c for c in viz.draw(model([1.0, 2.0]), max_nodes=200).clusters}
    inner, outer = nested["layer0.neuron0: 3 parameters"], nested["layer0: 6 parameters"]
    assert inner.parent == outer.id
    assert not set(inner.nodes) & set(outer.nodes)
    assert viz.draw(neuron()).clusters == ()


def test_the_gradient_ladder_has_a_rung_for_each_layer():
    x = Tensor(np.ones((2, 3)), requires_grad=True, label="x")
    loss = ((x * 0.01).tanh() * 1e-3).sigmoid().sum()
    loss.backward()
    picture = viz.draw(loss)
    first, last = picture.ladder
    assert (first.name, last.name) == ("tanh", "sigmoid")
    assert (first.grad_rms, last.grad_rms) == approx((2.5e-4, 0.25), rel=1e-3)
    assert first.factor == approx(1e-3, rel=1e-3)
    assert (first.length, last.length) == approx((1 - 3 / 8, 1.0), rel=1e-3)
    assert last.factor is None
    for written in (picture.text(), picture.dot, str(viz.diagnose(loss))):
        assert "×0.0009999" in written
    assert "ladder" not in viz.draw(loss, flow="forward").dot


def test_a_bar_of_the_ladder_for_every_size_that_a_float_has():
    rungs = ladder([("a", 5e-324), ("b", 1e300), ("c", math.inf), ("d", math.nan), ("e", 0.0)])
    assert [rung.length for rung in rungs] == approx([1 / 24, 1.0, 0.0, 0.0, 0.0])


# --- tensors ----------------------------------------------------------------------------------


def test_tensors_show_shape_statistics_and_rules():
    loss = net()
    picture = viz.draw(loss)
    weight = picture.node("layer1.weight")
    data, grad = (
        getattr(loss.parents[0].parents[0].parents[0].parents[0].parents[0].parents[1], a)
        for a in ("data", "grad")
    )
    assert weight.title == "layer1.weight  3×4"
    assert isinstance(weight.value, Summary)
    assert (weight.value.mean, weight.value.low) == approx((data.mean(), data.min()))
    assert weight.grad.rms == approx(np.sqrt(np.mean(grad**2)))
    assert len(weight.value.spark) == 8
    relu = next(node for node in picture.nodes if node.op == "relu")
    assert "dead 0/4" in relu.note
    assert [edge.local_text for edge in picture.edges][:1] == ["each ×1/20"]


def test_an_edge_into_a_matrix_product_shows_by_how_much_it_can_stretch():
    loss = net()
    picture = viz.draw(loss)
    product = next(node for node in picture.nodes if node.op == "@")
    into = [edge for edge in picture.edges if edge.head == product.id]
    w2 = loss.parents[0].parents[0].parents[1].data
    assert into[0].local_text == f"up to ×{np.linalg.norm(w2, 2):.4g}"


def test_a_broadcast_operand_says_that_its_gradient_is_summed():
    picture = viz.draw(net())
    bias = next(e for e in picture.edges if picture.by_id(e.tail).label == "layer1.bias")
    assert bias.local_text == "×1, summed over 20"


def test_empty_and_boolean_tensors_are_drawn():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    y = (x * 2.0).relu().sum() + (engine.tensor([True, False]) * 1.0).sum()
    y.backward()
    assert viz.draw(y).nodes[0].value == 1.0


# --- how much is written ----------------------------------------------------------------------


def chain(length):
    y = x = Value(0.5, label="x")
    for _ in range(length):
        y = y.tanh()
    y.backward()
    return y, x


@pytest.mark.parametrize(("length", "lines"), [(39, 3), (40, 1)])
def test_formulas_are_on_the_edges_of_small_graphs_only(length, lines):
    picture = viz.draw(chain(length)[0])
    assert {len(picture.edge_lines(edge)) for edge in picture.edges} == {lines}


def test_above_300_edges_the_number_is_in_the_tooltip():
    picture = viz.draw(chain(301)[0], max_nodes=400)
    assert {len(picture.edge_lines(edge)) for edge in picture.edges} == {0}
    assert picture.edge_sentence(picture.edges[0]).startswith("dtanh/dtanh: 1 − tanh² = ")


def test_an_edge_says_the_chain_rule_in_a_sentence():
    x = Value(3.0, label="x")
    y = x * x
    y.label = "y"
    y.backward()
    picture = viz.draw(y)
    assert picture.edge_sentence(picture.edges[1]) == "dy/dx: x = 3; dx += 1 × 3 = 3"


# --- frames -----------------------------------------------------------------------------------


def test_frames_replay_the_backward_pass():
    a = Value(3.0, label="a")
    y = a * a
    shown = list(frames(viz.draw(y)))  # also before backward()
    assert [frame.node("a").grad for frame in shown] == [None, 3.0, 6.0]
    assert [frame.now for frame in shown] == [("", "n0"), ("e0", "n1"), ("e1", "n1")]
    assert [frame.caption[0] for frame in shown] == [
        "step 0 of 2: the root's own gradient is +1",
        "step 1 of 2: d×/da: a = 3; da += 1 × 3 = 3",
        "step 2 of 2: d×/da: a = 3; da += 1 × 3 = 3",
    ]
    assert shown[-1].node("a").grad_text == "+6 = 3 + 3"
    assert y.grad is None


def test_the_last_frame_has_the_gradients_of_backward():
    for root in (reused(), net(), neuron()):
        picture = viz.draw(root)
        *_, last = frames(picture)
        assert [node.grad for node in last.nodes] == [node.grad for node in picture.nodes]


def test_frames_need_a_place_to_start():
    with pytest.raises(ValueError, match="begin at a scalar"):
        list(frames(viz.draw(Tensor(np.ones(3), requires_grad=True) * 2.0)))


# --- writers ----------------------------------------------------------------------------------

GRAPHS = {
    "neuron": neuron,
    "reused": reused,
    "net": net,
    "dead": lambda: net(bias=-100.0),
    "nan": lambda: after_backward(Value(-1.0, label="x").log() * 2.0),
}


@pytest.mark.parametrize("flow", ["both", "forward", "backward"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_writer_shows_the_same_numbers(graph, flow):
    picture = viz.draw(GRAPHS[graph](), flow=flow)
    dot, text, html = picture.dot, picture.text(), table(picture)
    for node in picture.nodes:
        numbers = [node.value_text] if flow != "backward" else []
        if flow != "forward" and node.role != "constant":
            numbers.append(node.grad_text)
        for written in (dot, text, html):
            for number in numbers:
                assert number in written
    for mark in picture.marks:
        assert all(mark.text in written for written in (dot, text, html))
    for line in picture.caption:
        assert line in text


def test_flow_leaves_the_other_half_out():
    forward, backward = (viz.draw(neuron(w=0.5), flow=flow) for flow in ("forward", "backward"))
    assert forward.node_lines(forward.node("w")) == ["w", "0.5"]
    assert forward.edge_lines(forward.edges[0]) == []
    assert backward.node_lines(backward.node("w")) == ["w", "grad +0.2103"]
    assert backward.dot.count("dir=back") == 1  # said once, for all edges
    assert "dir=back" not in forward.dot


def test_text_draws_a_shared_branch_once():
    a = Value(2.0, label="a")
    b = a * 3.0
    text = viz.draw(b + b).text()
    assert text.count("[n1]") == 1
    assert text.count("[n1 above]") == 1
    assert text.count("a ") == 1


def test_text_does_not_run_out_of_the_window():
    text = viz.draw(chain(120)[0]).text()
    assert max(map(len, text.splitlines())) < 120
    assert text.count("below]") == text.count("\ntanh [n") == 10


HOSTILE = [
    "<script>alert(1)</script>",
    "a|b{c}",
    '"\\',
    "<lambda> <map>",
    "中文",
    "🙂",
    "٣٤٥",
    "\\N \\G \\n",
    "&amp; &#60;",
    "<>",
    "n0:port",
    "two\nlines\x00\x1b\ud800\uffff",
    "\u202eleft",
    "x" * 10_000,
]


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_harmless_as_text(label):
    picture = viz.draw(squared([label]))
    text = picture.text()
    assert "\x1b" not in text
    text.encode()
    picture.dot.encode()
    if len(label) > 1000:
        assert "xxx…" in text
        assert "x" * 10_000 in picture.dot  # in the tooltip


# Starting a renderer takes far longer than drawing a label: several labels share a picture, so few
# that the formulas on its edges, which have names in them, are drawn as well.


@pytest.mark.parametrize("labels", [HOSTILE[::2], HOSTILE[1::2]])
def test_hostile_labels_are_drawn_and_harmless(labels):
    picture = viz.draw(squared(labels))
    assert sum(bool(node.label) for node in picture.nodes) == len(labels)
    drawn_harmlessly(picture)


@pytest.mark.parametrize("labels", [HOSTILE[::3], HOSTILE[1::3], HOSTILE[2::3]])
def test_hostile_names_of_modules_are_harmless(labels):
    h = Tensor(np.ones((2, 2)))
    for label in labels:
        w = Tensor(np.ones((2, 2)), requires_grad=True, label=f"{label}.w")
        b = Tensor(np.ones(2), requires_grad=True, label=f"{label}.b")
        h = (h @ w + b).relu().tanh()
    root = after_backward(h.sum())
    whole, folded = viz.draw(root), viz.draw(root, max_nodes=len(labels) + 2)
    assert len(whole.clusters) == len(labels)
    assert sum("6 parameters" in node.folded for node in folded.nodes) == len(labels)
    for picture in (whole, folded):
        picture.text().encode()
        drawn_harmlessly(picture)


def squared(labels):
    leaves = [Value(2.0, label=label) for label in labels]
    first, *others = [x * x for x in leaves]
    return after_backward(sum(others, first))


def drawn_harmlessly(picture):
    """Every name can be read, and nothing in the picture runs or is loaded."""
    from viz.render import RendererNotFound, render

    assert len(picture.edges) < 40
    try:
        drawn = ElementTree.fromstring(render(picture.dot).decode())
    except RendererNotFound:
        pytest.skip("no Graphviz is installed")
    assert not [e for e in drawn.iter() if e.tag.endswith(("}script", "}image"))]
    texts = [e.text.replace("\xa0", " ") for e in drawn.iter() if e.tag.endswith("}text")]
    for named in (*picture.clusters, *(node for node in picture.nodes if node.label)):
        assert named.title in texts


def test_ids_carry_the_prefix():
    dot = viz.draw(neuron(), prefix="left-").dot
    assert 'id="left-n0"' in dot
    assert 'id="left-e0"' in dot
    assert 'id="left-graph"' in dot


PROGRAM = """
import viz
from engine import Value
from viz.text import table
from viz.theme import THEMES, contrast
a, b = Value(-2.0, label="a"), Value(3.0, label="b")
f = (a * b).tanh() * (a + b).relu() + (a * b).tanh()
f.backward()
picture = viz.draw(f, names=globals())
print(picture.dot, picture.text(), table(picture))
"""


def test_output_is_the_same_in_every_process():
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


def test_save_takes_the_format_from_the_name(tmp_path):
    picture = viz.draw(neuron())
    assert picture.save(tmp_path / "a.dot").read_text(encoding="utf-8") == picture.dot
    assert picture.save(str(tmp_path / "a.txt")).read_text(encoding="utf-8") == picture.text()
    with pytest.raises(ValueError, match=r"a\.gif: end the name in"):
        picture.save(tmp_path / "a.gif")


def test_notebooks_get_exactly_one_picture(monkeypatch):
    import viz.render as module

    picture = viz.draw(neuron())
    monkeypatch.setattr(module, "render", lambda dot, format, renderer: b"<svg/>")
    assert picture._repr_mimebundle_() == {"image/svg+xml": "<svg/>", "text/plain": repr(picture)}

    def missing(*arguments, **keywords):
        raise module.RendererNotFound("none")

    monkeypatch.setattr(module, "render", missing)
    bundle = picture._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == {"text/html", "text/plain"}
    assert "<td>y = σ</td>" in bundle["text/html"]


# --- style ------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", THEMES)
def test_the_ramp_is_one_way_and_text_on_it_is_legible(theme):
    def grey(colour):
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    colours = THEMES[theme]
    ramp = [grey(colour) for colour in colours.ramp]
    steps = [b - a for a, b in pairwise(ramp)]
    assert min(map(abs, steps)) > 15
    assert len({step > 0 for step in steps}) == 1
    pairs = [(f"on{step}", f"ramp{step}") for step in range(style.DARKEST + 1)]
    pairs += [("ink", "paper"), ("quiet", "paper"), ("ink", "shade"), ("on_void", "void")]
    for text, fill in pairs:
        assert contrast(colours[text], colours[fill]) > 4.5
    for mark in ("wrong", "saturated", "dead", "now", "ramp2"):
        assert contrast(colours[mark], colours["paper"]) > 1.7


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == approx(21.0)
    assert contrast("#767676", "#ffffff") == approx(4.54, abs=0.01)


def test_a_dark_picture_has_no_colour_of_the_light_one():
    light, dark = (viz.draw(neuron(), theme=theme) for theme in THEMES)
    of_light = {*THEMES["light"].ramp, "#222222"}
    assert any(colour in light.dot for colour in of_light)
    assert not any(colour in dark.dot for colour in of_light)
    assert dark.caption[1].startswith("the brighter, the larger")
    with pytest.raises(ValueError, match="theme='sepia': choose one of light, dark"):
        viz.draw(neuron(), theme="sepia")


def test_no_two_marks_or_states_differ_by_hue_alone():
    looks = [*style.STATES.values(), *style.MARKS.values()]
    in_grey = {(look.shape, look.style, look.width, look.fill) for look in looks}
    assert len(in_grey) == len(looks)


def test_scale_covers_the_floats():
    scale = style.Scale(1.0)
    assert [scale.step(x) for x in (5e-324, 1e-5, 0.1, 1.0, math.inf)] == [0, 1, 5, 6, 6]
