"""What pytest collects besides tests/: doctests of all modules, and README.md's examples."""

import gc
import os

import pytest

from demos import LESSONS, SCRIPTS

# Lessons are scripts too: looking for doctests would run them. tests/test_demos.py does.
collect_ignore = [f"demos/{name}.py" for name in LESSONS + SCRIPTS]

try:
    from sybil import Sybil
    from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
except ImportError:  # README.md is checked where sybil is installed
    collect_ignore.append("README.md")
else:
    pytest_collect_file = Sybil(
        parsers=[PythonCodeBlockParser(), SkipParser()],
        patterns=["README.md"],
        fixtures=["in_a_folder_of_its_own"],
    ).pytest()

try:
    from hypothesis import settings
except ImportError:
    pass
else:
    settings.register_profile("ebbgrad", deadline=None, derandomize="CI" in os.environ)
    settings.load_profile("ebbgrad")


# Reference counting alone frees a graph (tests/test_scale.py), so the collector finds nothing while
# graphs of many nodes are built, but looks at every node again and again: let it look seldom.
gc.set_threshold(50_000)


def pytest_collection_finish():
    """What was made until here lives to the end: no use in looking for garbage in it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Files that are written by a name alone go nowhere near the checkout."""
    monkeypatch.chdir(tmp_path)
