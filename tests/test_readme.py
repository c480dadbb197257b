"""README.md says what is so: its console output, its files, its commands.

Its Python blocks are run by sybil (conftest.py).
"""

import re
import shlex
from pathlib import Path

import pytest

from viz.__main__ import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```console\n\$ (.*?)\n```", README, re.DOTALL))
def test_console_block_shows_what_the_command_prints(block, capsys):
    command, _, output = block.partition("\n")
    assert command.startswith("python -m viz ")
    assert main(shlex.split(command)[3:]) == 0
    assert capsys.readouterr().out.rstrip() == output


def test_files_that_are_named_exist():
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    named = re.findall(r"`((?:engine|nn|viz|demos|tests)/[\w./]*)`", README)
    assert len(linked) > 3
    assert len(named) > 10
    assert [path for path in linked + named if not (ROOT / path).exists()] == []


def test_ci_finds_the_two_commands():
    commands = re.findall(r"^pip install -e (.*) && (.*)$", README, re.MULTILINE)
    assert commands == [('".[demos]"', "python -m demos"), ('".[test]"', "pytest")]
