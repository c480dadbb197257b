"""DOT to ink: which renderer is taken, and what happens when one is missing, wrong, or slow."""

import os
import sys
import time

import pytest

from viz import RendererNotFound, RenderError, render

GRAPH = 'digraph { n0 [label=<<TABLE><TR><TD>σ</TD></TR></TABLE>> fontname="DejaVu Sans"] }'
BAD = [
    "digraph { a -> ",
    "digraph { a [label=<<TABLE><TR><TD>x</TR></TABLE>>] }",
]


def usable(name):
    try:
        return bool(render.render(GRAPH, renderer=name))
    except RenderError:
        return False


AVAILABLE = [name for name in ("dot", "pygraphviz", "graphviz-pure") if usable(name)]
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="makes programs of scripts")


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without any Graphviz, and an empty folder that is its PATH."""
    monkeypatch.delenv("EBBGRAD_DOT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    missing = render.importlib.metadata.PackageNotFoundError

    def distribution(name):
        raise missing(name)

    monkeypatch.setattr(render.importlib.metadata, "distribution", distribution)
    return tmp_path


def program(folder, body, name="dot"):
    """An executable Python script."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def graphviz(folder, drawing, name="dot"):
    """A program that answers as Graphviz does, and draws by this code."""
    version = "print('dot - graphviz version 9.9.9 (0)', file=sys.stderr)"
    return program(folder, f"if '-V' in sys.argv:\n {version}\n sys.exit()\n{drawing}", name)


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize(("format", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_formats(name, format, start):
    assert render.render(GRAPH, format, renderer=name).startswith(start)


@pytest.mark.parametrize("name", [name for name in AVAILABLE if name != "graphviz-pure"])
def test_pdf(name):
    assert render.render(GRAPH, "pdf", renderer=name).startswith(b"%PDF")


@pytest.mark.parametrize("name", AVAILABLE)
@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_drawn_is_an_error(name, text):
    with pytest.raises(RenderError, match=r"(?s)could not draw this graph: .*(syntax|mismatched)"):
        render.render(text, renderer=name)


def test_empty_text_is_an_error():
    with pytest.raises(RenderError, match="empty"):
        render.render("  \n")


def test_unknown_format():
    with pytest.raises(ValueError, match="svg, png, pdf"):
        render.render(GRAPH, "gif")


@pytest.mark.parametrize("name", AVAILABLE)
def test_fonts_of_an_svg_fall_back_to_sans_serif(name):
    svg = render.render(GRAPH, renderer=name).decode()
    assert "font-family=\"'DejaVu Sans',Verdana,Arial,sans-serif\"" in svg


def test_nothing_there_says_what_was_tried_and_what_helps(bare):
    with pytest.raises(RendererNotFound) as caught:
        render.render(GRAPH)
    message = str(caught.value)
    for part in ("dot: not on PATH", "pygraphviz: not installed", "graphviz-pure: not installed"):
        assert part in message
    for part in ("pip install pygraphviz", "apt install graphviz", "picture.text()"):
        assert part in message


def test_advice_for_pdf_leaves_out_what_writes_none(bare):
    with pytest.raises(RendererNotFound) as caught:
        render.render(GRAPH, "pdf")
    assert "pip install graphviz-pure" not in str(caught.value)


@needs_posix
def test_a_program_that_is_called_dot_and_is_none(bare):
    program(bare, "sys.exit('download failed')")
    with pytest.raises(RendererNotFound, match="does not run as Graphviz"):
        render.render(GRAPH)


@needs_posix
def test_order_environment_then_path(bare, monkeypatch):
    graphviz(bare, "print('from the path')")
    other = graphviz(bare, "print('from the environment')", "other")
    assert render.render(GRAPH) == b"from the path\n"
    monkeypatch.setenv("EBBGRAD_DOT", str(other))
    assert render.render(GRAPH) == b"from the environment\n"
    assert render.render(GRAPH, renderer="dot") == b"from the path\n"


@needs_posix
def test_a_wrong_environment_variable_is_passed_over_and_a_wrong_argument_is_not(bare, monkeypatch):
    graphviz(bare, "print('from the path')")
    monkeypatch.setenv("EBBGRAD_DOT", "no-such-program")
    assert render.render(GRAPH) == b"from the path\n"
    with pytest.raises(RendererNotFound, match="renderer='no-such-program': no such program"):
        render.render(GRAPH, renderer="no-such-program")


@needs_posix
def test_dot_is_run_without_a_shell_and_reads_the_graph(bare):
    graphviz(bare, "print(sys.argv[1:], sys.stdin.read())")
    assert render.render(GRAPH).decode() == f"['-Kdot', '-Tsvg'] {GRAPH}\n"


@needs_posix
@pytest.mark.parametrize(
    "drawing",
    [
        "print('<svg/>'); print('Error: not well-formed', file=sys.stderr)",
        "print('<svg/>'); sys.exit('it broke')",
        "pass",
    ],
)
def test_a_file_with_a_complaint_is_no_picture(bare, drawing):
    graphviz(bare, drawing)
    with pytest.raises(RenderError, match=r"not well-formed|it broke|no output"):
        render.render(GRAPH)


@needs_posix
def test_a_renderer_that_hangs_is_stopped_with_its_children(bare):
    beat = bare / "beat"
    child = f"import time\nwhile True:\n open({str(beat)!r}, 'a').write('.')\n time.sleep(0.01)"
    graphviz(bare, f"import subprocess\nsubprocess.run([sys.executable, '-c', {child!r}])")
    start = time.monotonic()
    with pytest.raises(RenderError, match=r"stopped after 0\.5 s"):
        render.render(GRAPH, timeout=0.5)
    assert time.monotonic() - start < 5
    size = os.path.getsize(beat)
    time.sleep(0.1)
    assert os.path.getsize(beat) == size > 0
