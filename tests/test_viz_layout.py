"""How a picture stands on its page: modules upright, text in its box, drawings on one sheet."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import nn
import viz
from engine import Tensor, Value, tensor
from viz.render import RenderError, render

approx = pytest.approx
SVG = "{http://www.w3.org/2000/svg}"


def usable(name):
    try:
        return bool(render("digraph { a }", renderer=name))
    except RenderError:
        return False


AVAILABLE = [name for name in ("dot", "pygraphviz") if usable(name)]
needs_renderer = pytest.mark.skipif(not AVAILABLE, reason="no Graphviz is installed")


def net(**how):
    """Three layers of very different widths, after backward()."""
    random = np.random.RandomState(0)
    sizes = (3, 40, 5, 2)
    layers = []
    for n_in, n_out in pairwise(sizes):
        layer = nn.Linear(n_in, n_out)
        layer.weight.data = random.randn(n_out, n_in)
        layer.bias.data = np.full(n_out, -100.0 if n_out == 5 else 0.0)
        layers += [layer, nn.ReLU()]
    loss = nn.Sequential(*layers)(tensor(random.randn(20, 3), label="x")).mean()
    loss.backward()
    return viz.draw(loss, **how)


def groups(svg, kind):
    """The groups of an SVG by id, with their title."""
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") == kind:
            yield group.get("id"), group


def span(group):
    """The horizontal extent of what is drawn in a group."""
    shapes = [e.get("points") or e.get("d") or "" for e in group.iter()]
    across = [float(x) for shape in shapes for x in re.findall(r"(-?[\d.]+),-?[\d.]+", shape)]
    return min(across), max(across)


@needs_renderer
@pytest.mark.parametrize("renderer", AVAILABLE)
def test_the_data_goes_straight_through_the_modules(renderer):
    picture = net(legend=False)
    nodes = dict(groups(picture.svg(renderer=renderer), "node"))
    centre = {id: sum(span(node)) / 2 for id, node in nodes.items()}
    data = [node.id for node in picture.nodes if node.op in ("linear", "relu", "mean")]
    assert len(data) == 7
    assert max(centre[id] for id in data) - min(centre[id] for id in data) < 1


def test_an_edge_through_a_gate_has_its_words_and_its_arrow_once():
    picture = net()
    first = next(edge for edge in picture.edges if picture.by_id(edge.tail).label == "x")
    lines = [line for line in picture.dot.splitlines() if f"gate_{first.id}" in line]
    gate, outside, inside = lines
    assert 'style="invis"' in gate
    assert 'arrowhead="none"' in outside
    assert f"-> {first.head} " in inside
    between = next(edge for edge in picture.edges if edge.note.startswith("up to") and
                   picture.by_id(edge.tail).op == "relu")  # fmt: skip
    outside, inside = [
        line for line in picture.dot.splitlines() if f"gate_{between.id}" in line and "->" in line
    ]
    assert between.note in inside
    assert 'label=""' in outside
    backward = net(flow="backward")
    _, outside, inside = [x for x in backward.dot.splitlines() if f"gate_{first.id}" in x]
    assert "arrowtail" not in outside
    assert 'arrowtail="none"' in inside


@needs_renderer
@pytest.mark.parametrize("of_values", [False, True], ids=["downwards", "to the right"])
def test_an_edge_goes_on_through_its_gate_as_it_came(of_values):
    picture = net(legend=False)
    if of_values:
        y = nn.MLP(2, [2, 1])([Value(1.0), Value(-2.0)])
        y.backward()
        picture = viz.draw(y, legend=False)
    paths = {
        id: [tuple(map(float, xy)) for xy in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d"))]
        for id, group in groups(picture.svg(), "edge")
        for path in group.iter(f"{SVG}path")
    }
    through = [id for id in paths if f"{id}-outside" in paths]
    assert through
    along, across = (0, 1) if of_values else (1, 0)
    for id in through:
        end, start = paths[f"{id}-outside"][-1], paths[id][0]
        assert 0 <= end[along] - start[along] < 5  # overlapping
        assert end[across] == approx(start[across], abs=1)


def test_a_frame_says_the_gravest_finding_in_it():
    picture = net()
    dead = next(mark for mark in picture.marks if mark.code == "DEAD")
    (home,) = [c for c in picture.clusters if dead.node in c.nodes]
    titles = {
        id: line
        for line in picture.dot.splitlines()
        if "labeljust=c" in line
        for id in re.findall(r" id=(c\d+)", line)
    }
    assert [id for id, line in titles.items() if dead.text in line] == [home.id]


@needs_renderer
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_two_pictures_on_one_sheet_do_not_overlap_nor_leave_it(theme):
    random = np.random.RandomState(0)
    w = Tensor(random.randn(3, 2), requires_grad=True, label="w")
    small, large = (viz.draw((w * c).tanh().sum(), theme=theme) for c in (0.1, 10.0))
    sheet = ElementTree.fromstring(viz.compare(small, large, names=("a" * 10_000, "b")).svg())
    width, height = (float(x) for x in sheet.get("viewBox").split()[2:])
    one, other = (child for child in sheet if child.tag == f"{SVG}svg")
    for part in (one, other):  # a point would be 4/3 of a unit of the sheet
        assert part.get("width").replace(".", "").isdigit()
        assert float(part.get("y")) + float(part.get("height")) <= height
    assert float(one.get("x")) + float(one.get("width")) < float(other.get("x"))
    assert float(other.get("x")) + float(other.get("width")) <= width
    name = sheet.find(f"{SVG}text")
    assert len(name.text) < 100
    paper = sheet.find(f"{SVG}rect").get("fill")
    assert viz.theme.contrast(name.get("fill"), paper) > 4.5


@needs_renderer
def test_steps_in_one_file_play_every_step_once(tmp_path):
    a = Value(3.0, label="a")
    y = a * a
    y.backward()
    (path,) = viz.draw(y, prefix="p-").steps(tmp_path / "steps.svg")
    film = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    frames = [group for group in film if group.get("class") == "frame"]
    written = [[text.text for text in frame.iter(f"{SVG}text")] for frame in frames]
    gradients = [[text for text in texts if text.startswith("grad ")] for texts in written]
    assert gradients == [
        ["grad +1", "grad -"],
        ["grad +1", "grad +3"],
        ["grad +1", "grad +6 = 3 + 3"],
    ]
    delays = [re.search(r"(-[\d.]+)s", frame.get("style")).group(1) for frame in frames]
    assert delays == ["-6", "-4", "-2"]  # of 6 seconds: each begins when the one before it ends
    ids = [e.get("id") for e in film.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    assert "prefers-reduced-motion" in film.find(f"{SVG}style").text


def test_the_legend_explains_the_words_on_edges_and_in_nodes_that_occur():
    words = " ".join(entry.text for entry in net().legend)
    for word in ("up to ×", "summed over", "histogram", "slope:", "cut corners"):
        assert word in words
    plain = " ".join(entry.text for entry in viz.draw(Value(2.0) * Value(3.0)).legend)
    for word in ("up to ×", "summed over", "histogram", "slope:", "cut corners"):
        assert word not in plain


@pytest.mark.parametrize(
    ("factor", "passage", "style"),
    [(9e-4, "vanishes", "dotted"), (71.0, "explodes", "bold"), (0.01, "", ""), (0.0, "", "dashed")],
)
def test_an_edge_on_which_the_gradient_is_lost_or_explodes_is_marked(factor, passage, style):
    x = Value(1.0, label="x")
    y = x * factor
    y.backward()
    picture = viz.draw(y)
    edge = next(edge for edge in picture.edges if edge.tail == picture.node("x").id)
    assert picture.passage(edge) == passage
    line = next(line for line in picture.dot.splitlines() if f'id="{edge.id}"' in line)
    assert f'style="{style}"' in line if style else "style=" not in line
    meanings = [entry.text for entry in picture.legend if entry.kind == "edge"]
    assert [m.partition(":")[0] for m in meanings] == [style] * bool(passage)
    assert "dotted" not in picture.text()


def test_an_operand_that_says_its_shape_needs_no_shape_on_its_edge():
    picture = net()
    weight = next(edge for edge in picture.edges if picture.by_id(edge.tail).label == "0.weight")
    assert picture.by_id(weight.tail).title.endswith("40×3")
    assert picture.edge_lines(weight) == [weight.note]
