"""`python -m demos`: the main job, or one lesson by name."""

import argparse
import contextlib
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

from demos import LESSONS, SCRIPTS
from viz import RenderError


def summary(name):
    """The first line of what a lesson says about itself; it is not run for that."""
    source = Path(find_spec(f"demos.{name}").origin).read_text(encoding="utf-8")
    return source.split('"""')[1].splitlines()[0]


def main(argv=None):
    parser = argparse.ArgumentParser(
        "python -m demos", description="Lessons in backpropagation, with numbers and pictures."
    )
    parser.add_argument(
        "name", nargs="?", choices=LESSONS + SCRIPTS, default="compare", metavar="NAME"
    )
    parser.add_argument("--list", action="store_true", help="name all lessons and stop")
    parser.add_argument("--out", type=Path, default="out", metavar="DIR", help="where pictures go")
    options = parser.parse_args(argv)
    if options.list:
        for name in LESSONS + SCRIPTS:
            print(f"{name:14} {summary(name)}")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.chdir(options.out):
            runpy.run_module(f"demos.{options.name}", run_name="__main__")
    except (ImportError, RenderError) as error:
        print(f"python -m demos: {error}", file=sys.stderr)
        return 1
    if options.name in LESSONS:
        print(f"pictures are in {options.out}{'/' if not str(options.out).endswith('/') else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
