"""DOT text in, a drawn file out, by whichever Graphviz this machine has.

The first of these that runs draws the picture: the program that ``EBBGRAD_DOT`` names, a ``dot``
on PATH, the ``pygraphviz`` package, the ``graphviz-pure`` package. Each is run as a child process,
never through a shell, so that one that hangs or aborts takes nothing down with it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["FONT", "FORMATS", "RenderError", "RendererNotFound", "render"]

FORMATS = ("svg", "png", "pdf")

# Graphviz measures text with its own tables. DejaVu Sans is wide and in all of them, so text that
# fits its box in DejaVu fits in whatever font of the stack a viewer has.
FONT = "DejaVu Sans"
_FONT_STACK = f"'{FONT}',Verdana,Arial,sans-serif"

_PROBE_SECONDS = 15.0

# pygraphviz aborts the interpreter when two threads lay out at once, and cannot be interrupted: it
# gets a process of its own, with the two options of dot's command line that we use.
_PYGRAPHVIZ = """
import sys, pygraphviz
if sys.argv[1] == "-V":
    print("pygraphviz version", pygraphviz.__version__)
else:
    graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
    sys.stdout.buffer.write(graph.draw(format=sys.argv[1][2:], prog="dot"))
"""

_ANSWER = re.compile(r"(?:graphviz-pure|pygraphviz|graphviz) version \d")


class RenderError(RuntimeError):
    """The renderer refused the graph, or did not finish."""


class RendererNotFound(RenderError):
    """Nothing on this machine can draw the format asked for."""


class _Renderer(NamedTuple):
    name: str
    command: tuple[str, ...]
    formats: tuple[str, ...] = FORMATS


def render(
    dot: str, format: str = "svg", *, renderer: str | None = None, timeout: float = 60.0
) -> bytes:
    """Lay out DOT text and return the file's bytes.

    Arguments:
        dot: the graph, as DOT text.
        format: ``"svg"``, ``"png"`` or ``"pdf"``.
        renderer: draw with this one and no other: ``"dot"``, ``"pygraphviz"``,
            ``"graphviz-pure"``, or the path of a program with dot's command line.
        timeout: seconds after which the renderer is stopped.

    >>> render("digraph { a -> b }").startswith(b"<?xml")  # doctest: +SKIP
    True
    >>> render("")
    Traceback (most recent call last):
    viz.render.RenderError: there is nothing to draw: the DOT text is empty
    """
    if format not in FORMATS:
        raise ValueError(f"cannot draw as {format!r}: choose one of {', '.join(FORMATS)}")
    if not dot.strip():
        raise RenderError("there is nothing to draw: the DOT text is empty")
    chosen = _choose(format, renderer)
    code, out, err = _run((*chosen.command, f"-T{format}"), dot.encode(), timeout)
    complaint = err.decode(errors="replace").partition("Traceback")[0].strip()
    # A bad HTML label still writes a file in every renderer, and in one of them exits with 0.
    if code != 0 or not out.strip() or "Error:" in complaint:
        raise RenderError(f"{chosen.name} could not draw this graph: {complaint or 'no output'}")
    return _with_font_stack(out) if format == "svg" else out


def _with_font_stack(svg: bytes) -> bytes:
    """A bare ``DejaVu Sans`` falls back to a serif face where it is missing."""
    return re.sub(rb'font-family="[^"]*"', f'font-family="{_FONT_STACK}"'.encode(), svg)


def _choose(format: str, renderer: str | None) -> _Renderer:
    tried = []
    for candidate in _candidates(renderer):
        if isinstance(candidate, str):
            tried.append(candidate)
        elif format not in candidate.formats:
            tried.append(f"{candidate.name}: does not write {format}")
        elif not _answers(candidate.command):
            tried.append(
                f"{candidate.name}: does not run as Graphviz (`{candidate.command[0]} … -V` failed)"
            )
        else:
            return candidate
    raise RendererNotFound(_advice(format, tried))


def _candidates(renderer: str | None) -> Iterator[_Renderer | str]:
    """What may draw, in order; a text is the reason why one of them cannot."""
    if renderer:
        yield _named(renderer, f"renderer={renderer!r}")
        return
    if wish := os.environ.get("EBBGRAD_DOT"):
        yield _named(wish, f"EBBGRAD_DOT={wish}")
    for find in _KNOWN.values():
        yield find()


def _named(wish: str, asked: str) -> _Renderer | str:
    if wish in _KNOWN:
        return _KNOWN[wish]()
    program = shutil.which(wish)
    return _program(asked, program) if program else f"{asked}: no such program"


def _program(name: str, path: str) -> _Renderer:
    return _Renderer(name, (path, "-Kdot"))


def _dot() -> _Renderer | str:
    path = shutil.which("dot")
    return _program(f"dot ({path})", path) if path else "dot: not on PATH"


def _pygraphviz() -> _Renderer | str:
    if importlib.util.find_spec("pygraphviz") is None:
        return "pygraphviz: not installed"
    # -P: a file in the user's folder must not stand in for a module that the child imports.
    return _Renderer("pygraphviz", (sys.executable, "-P", "-c", _PYGRAPHVIZ))


def _graphviz_pure() -> _Renderer | str:
    """Its program is found through its metadata: a virtual environment's bin is often not on PATH,
    and ``pip install --target`` puts it beside the place that the metadata name."""
    from importlib import metadata  # here: it takes as long to import as the engine

    try:
        files = metadata.distribution("graphviz-pure").files or []
    except metadata.PackageNotFoundError:
        return "graphviz-pure: not installed"
    for file in files:
        if file.name in ("graphviz-pure", "graphviz-pure.exe"):
            home = Path(str(file.locate())).resolve()
            for path in (home, Path(str(files[0].locate())).parents[1] / "bin" / file.name):
                if path.exists():
                    return _Renderer("graphviz-pure", (str(path), "-Kdot"), ("svg", "png"))
    return "graphviz-pure: installed without its program"


_KNOWN = {"dot": _dot, "pygraphviz": _pygraphviz, "graphviz-pure": _graphviz_pure}


@lru_cache
def _answers(command: tuple[str, ...]) -> bool:
    """Whether the program says that it is Graphviz: packages exist that install a mere stub."""
    try:
        code, out, err = _run((*command, "-V"), b"", _PROBE_SECONDS)
    except (RenderError, OSError):
        return False
    return code == 0 and bool(_ANSWER.search((out + err).decode(errors="replace")))


def _run(command: tuple[str, ...], text: bytes, timeout: float) -> tuple[int, bytes, bytes]:
    """Run a child in a process group of its own, and leave none of the group behind."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as child:
        try:
            out, err = child.communicate(text, timeout)
        except subprocess.TimeoutExpired:
            _kill(child)
            raise RenderError(
                f"the renderer was stopped after {timeout:g} s: draw a smaller part of the graph"
            ) from None
        except BaseException:
            _kill(child)
            raise
    return child.returncode, out, err


def _kill(child: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        child.kill()
    else:
        os.killpg(child.pid, signal.SIGKILL)


def _advice(format: str, tried: list[str]) -> str:
    pure = "    pip install graphviz-pure    # self-contained; SVG and PNG\n"
    return (
        f"No Graphviz renderer was found, so this graph cannot be drawn as {format}.\n"
        f"  tried: {'; '.join(tried)}\n"
        "  any one of these helps:\n"
        "    pip install pygraphviz       # brings its own Graphviz; SVG, PNG and PDF\n"
        f"{pure if format != 'pdf' else ''}"
        "    apt install graphviz | brew install graphviz | winget install graphviz\n"
        "  without any of them: picture.text() draws in the terminal, picture.dot is the DOT text."
    )
