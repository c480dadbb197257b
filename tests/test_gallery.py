"""The pictures of README.md are those that `python -m demos gallery` draws, and can be read there."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from demos.__main__ import main
from viz import RenderError
from viz.render import render

ROOT = Path(__file__).parents[1]
PICTURES = sorted((ROOT / "demos" / "pictures").glob("*.svg"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"[−-]?\d[\d,]*\.?\d*(?:e[+-]\d+)?")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("gallery")
    try:
        render("digraph { a }")
    except RenderError:
        pytest.skip("no Graphviz is installed")
    assert main(["gallery", "--out", str(folder)]) == 0
    return folder


def root_of(path):
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def words(path):
    """What is written in the picture, by the id of where it stands; not where that is, which every
    Graphviz decides for itself."""
    told = {}

    def visit(element, id):
        id = element.get("id", id).removeprefix("a_").removesuffix("-outside")
        if element.tag.endswith("}text"):
            told.setdefault(id if path.stem != "training" else "", []).append(element.text)
        for child in element:
            visit(child, id)

    visit(root_of(path), "")
    return {id: sorted(map(str.strip, texts)) for id, texts in told.items()}


def numbers(text):
    return [float(n.replace("−", "-").replace(",", "")) for n in NUMBER.findall(text)]


def test_the_command_draws_the_pictures_that_are_here(drawn):
    assert [path.name for path in PICTURES] == sorted(path.name for path in drawn.glob("*.svg"))
    for path in PICTURES:
        here, again = words(path), words(drawn / path.name)
        assert here.keys() == again.keys()
        for id, texts in here.items():
            for one, other in zip(texts, again[id], strict=True):
                assert NUMBER.sub("#", one) == NUMBER.sub("#", other)
                assert numbers(one) == pytest.approx(numbers(other), rel=0.02)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_and_no_wider_than_a_page(path):
    assert path.stat().st_size < 100_000
    width = float(re.match(r"[\d.]+", root_of(path).get("width")).group())
    assert width * 4 / 3 < 1100  # pixels, of which a page has about 800: text stays over 8 pixels


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_nodes_do_not_overlap(path):
    root = root_of(path)
    for graph in root.iter("{http://www.w3.org/2000/svg}g"):
        if graph.get("class") != "graph":
            continue
        boxes = [_box(node) for node in graph if node.get("class") == "node"]
        for (left, top, right, bottom), (x0, y0, x1, y1) in combinations(boxes, 2):
            assert right < x0 or x1 < left or bottom < y0 or y1 < top


def _box(node):
    """Left, top, right, bottom of a node: of its outline, or of its text."""
    points = []
    for element in node.iter():
        shape = element.get("points") or element.get("d") or ""
        points += [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", shape)]
    across, up = zip(*points, strict=True)
    return min(across), min(up), max(across), max(up)


def test_the_readme_shows_each_and_says_what_it_shows():
    links = re.findall(r"!\[([^\]]+)\]\(demos/pictures/(\S+\.svg)\)", README)
    shown = {file: alt for alt, file in links}
    assert sorted(shown) == [path.name for path in PICTURES]
    assert all(len(alt.split()) > 4 for alt in shown.values())
    assert "python -m demos gallery --out demos/pictures" in README
