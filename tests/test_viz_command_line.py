"""``python -m viz``: it draws, or says in one clear line why not."""

import subprocess
import sys

import pytest

from viz.__main__ import main

BAD = [
    ("sigmoid(w*", "expected a number, a name or (, found the end"),
    ("w +* 2", "found '*' at character 4"),
    ("(w", "expected ), found the end"),
    ("w)", "found ')' at character 2"),
    ("w w", "found 'w' at character 3"),
    ("w + q", "q has no value: add q=<number>"),
    ("nosuch(w)", "there is no function 'nosuch'"),
    ("__import__('os')", "there is no function '__import__'"),
    ("w.data", "found '.'"),
    ("w[0]", "found '['"),
    ("lambda: w", "lambda has no value"),
    ("relu(w, w)", "relu"),
    ("relu()", "found ')'"),
    ("1 + 2", "has no variable"),
    ("", "found the end"),
    ("(" * 500 + "w" + ")" * 500, "nested more than 100 deep"),
    ("w if w else w", "found 'if'"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_expression_is_one_line_and_status_2(text, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main([text, "w=4"])
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["w", "w=four"],
        ["w", "w"],
        ["w", "2w=1"],
        ["w", "w=1", "q=2"],
        ["w", "w=1", "-o", "w.gif"],
        ["w", "w=1", "-o", "no/such/folder/w.dot"],
        [],
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_file_it_draws_in_text(capsys):
    assert main(["-w*x", "w=4", "x=-3"]) == 0
    out = capsys.readouterr().out
    assert "12" in out
    assert "w" in out


def test_it_writes_the_file_and_says_so(tmp_path, capsys):
    path = tmp_path / "neuron.dot"
    assert main(["sigmoid(w*x + b)", "w=4", "x=3", "b=1", "-o", str(path)]) == 0
    assert "SATURATED" in path.read_text(encoding="utf-8")
    assert capsys.readouterr().out.startswith(f"{path}: ")


def test_no_renderer_is_a_message_and_status_1(tmp_path, capsys, monkeypatch):
    import viz.render as module

    def missing(*arguments, **keywords):
        raise module.RendererNotFound("nothing draws here")

    monkeypatch.setattr(module, "render", missing)
    assert main(["w*2", "w=1", "-o", str(tmp_path / "w.svg")]) == 1
    assert "nothing draws here" in capsys.readouterr().err


def test_the_command_itself():
    command = [sys.executable, "-m", "viz", "w*", "w=1"]
    run = subprocess.run(command, capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (2, b"")
