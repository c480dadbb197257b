"""Two pictures or two reports side by side, on one scale."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import viz
from engine import Tensor, Value


def picture(w, name="w"):
    w, x = Value(w, name), Value(2.0, "x")
    y = (w * x).sigmoid()
    y.backward()
    return viz.draw(y)


def report(std):
    random = np.random.RandomState(0)
    h = Tensor(random.randn(20, 8))
    for _ in range(3):
        h = (h @ Tensor(random.randn(8, 8) * std, requires_grad=True)).tanh()
    return viz.diagnose(h.sum())


def test_pictures_share_the_scale_of_the_larger_gradient():
    small, large = picture(0.1), picture(4.0)
    small = viz.draw(_scaled(0.001))
    both = viz.compare(small, large)
    assert both.a.scale == both.b.scale == max(small.scale, large.scale, key=lambda s: s.top)
    assert small.scale != large.scale


def _scaled(factor):
    y = Value(1.0, "x") * factor
    y.backward()
    y.grad = factor
    return y


def test_text_stands_in_two_columns_with_all_lines_of_both():
    both = viz.compare(picture(0.1), picture(4.0), names=("small", "large"))
    text = both.text()
    assert text.splitlines()[0].split() == ["small", "large"]
    for line in picture(0.1).text().splitlines():
        assert line in text
    assert "SATURATED" in text


def test_svg_holds_both_and_no_id_twice(tmp_path):
    both = viz.compare(picture(0.1, "<a&b>"), picture(4.0), names=("<script>", "b & c"))
    root = ElementTree.fromstring(both.svg())
    inner = [child for child in root if child.tag.endswith("svg")]
    assert len(inner) == 2
    assert float(inner[1].get("x")) > float(re.match(r"[\d.]+", inner[0].get("width")).group())
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert [t.text for t in root if t.tag.endswith("text")] == ["<script>", "b & c"]
    assert both.save(tmp_path / "both.svg").read_text(encoding="utf-8") == both.svg()
    with pytest.raises(ValueError, match=r"\.svg or \.txt"):
        both.save(tmp_path / "both.png")


def test_reports_share_the_length_of_their_bars():
    both = viz.compare(report(0.01), report(0.5), names=("0.01", "0.5"))
    bars = [line.split() for line in str(both).splitlines() if "█" in line]
    sizes = [[row.grad_rms for row in r.layers] for r in (both.a, both.b)]
    top = max(max(side) for side in sizes)
    for line, pair in zip(bars, zip(*sizes, strict=True), strict=True):  # 24 signs are 8 decades
        assert [len(bar) for bar in line] == [24 + round(3 * np.log10(x / top)) for x in pair]
    assert "VANISHING" in str(both)
    with pytest.raises(TypeError, match="of pictures"):
        both.svg()


def test_only_two_of_a_kind():
    with pytest.raises(TypeError, match="two pictures or two reports, not a Picture and a Report"):
        viz.compare(picture(1.0), report(1.0))


def test_a_gradient_of_inf_has_no_bar():
    x = Tensor(np.ones(2), requires_grad=True)
    with np.errstate(over="ignore"):
        both = viz.compare(report(0.5), viz.diagnose((x.tanh() * 1e200 * 1e200).sum()))
    lines = str(both).splitlines()
    assert lines[3].split()[-1] == "inf"
    assert lines[4].count("█") == len(lines[4].strip())


def test_two_sides_have_two_names():
    with pytest.raises(ValueError, match=r"names=\('a',\)\): two names"):
        viz.compare(picture(1.0), picture(2.0), names=("a",))
