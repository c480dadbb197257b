"""The command line: ``python -m viz "sigmoid(w*x + b)" w=4 x=3 b=1 -o neuron.svg``."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from viz.build import draw
from viz.expression import ExpressionError, evaluate
from viz.render import RenderError

_OPTIONS = ("-o", "--output", "-h", "--help")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw a formula after a backward pass; the exit status."""
    parser = _Parser(
        "python -m viz", description="Draw a formula with its gradients.", allow_abbrev=False
    )
    parser.add_argument("expression", help='such as "sigmoid(w*x + b)"')
    parser.add_argument("values", nargs="*", help="a value for each variable: w=4 x=3 b=1")
    parser.add_argument(
        "-o", "--output", help="write .svg, .png, .pdf, .dot or .txt; without it, draw in text"
    )
    given = sys.argv[1:] if arguments is None else arguments
    # A formula may begin with a minus. What has a space in it is no option to argparse.
    options = parser.parse_args(
        [
            f" {word}" if word.startswith("-") and word.partition("=")[0] not in _OPTIONS else word
            for word in given
        ]
    )
    try:
        root = evaluate(options.expression.strip(), dict(map(_assignment, options.values)))
        root.backward()
        picture = draw(root)
        if options.output:
            print(f"{picture.save(options.output)}: {picture.caption[0]}")
        else:
            if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that has no σ shows a ?
                sys.stdout.reconfigure(errors="replace")
            print(picture.text(), end="")
    except RenderError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except (ExpressionError, OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def _assignment(text: str) -> tuple[str, float]:
    name, equals, value = (part.strip() for part in text.partition("="))
    try:
        number = float(value)
    except ValueError:
        number = None
    if not equals or not name.isidentifier() or number is None:
        raise ExpressionError(f"{text.strip()!r}: write a variable and its number, such as w=4")
    return name, number


if __name__ == "__main__":
    sys.exit(main())
