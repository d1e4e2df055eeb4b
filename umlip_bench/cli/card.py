"""``umlip-bench card``: the report card of a model, to be handed to others."""

from __future__ import annotations

import argparse
from pathlib import Path

from umlip_bench.cli.options import Subparsers, add_command, add_force_option, say_incomplete

EXAMPLES = """\
  umlip-bench card runs/first --model chgnet-0.3.0
  umlip-bench card runs/first --model chgnet-0.3.0 --out chgnet.md
  umlip-bench card runs/first --model chgnet-0.3.0 --out chgnet.html
"""


ENDINGS = (".md", ".html")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "card",
        help="write the report card of a model",
        description=(
            "Write the report card of a model from a run folder: what it is for, how soft it is, where it\n"
            "fails, what to correct, and on what that was measured. Markdown, or HTML by the ending."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument(
        "--model", metavar="NAME", help="a model of the run (default: the only one that it has)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a file *.md or *.html (default: print Markdown)"
    )
    add_force_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.card_text import card_html, model_card
    from umlip_bench.analysis.compared_models import Side
    from umlip_bench.analysis.runs import read_run
    from umlip_bench.ground.errors import UmlipBenchError
    from umlip_bench.ground.outputs import COMMENT, Output

    out: Path | None = options.out
    if out is not None and out.suffix not in ENDINGS:
        raise UmlipBenchError(f"--out {out}: the name must end in {' or '.join(ENDINGS)}")
    if out is not None:
        Output(out, options.force).check()
    run = read_run(options.run_folder)
    models = [options.model] if options.model else list(run.models)
    if len(models) != 1:
        raise UmlipBenchError(
            f"{run.path} has {', '.join(models) or 'no model with a finished case'}; name one with --model"
        )
    say_incomplete(run)
    side = Side(run, models[0], models[0])
    html = out is not None and out.suffix == ".html"
    text = card_html(side) if html else f"{model_card(side)}\n{COMMENT}"
    if out is None:
        print(text, end="")
        return 0
    Output(out, options.force).write_text(text)
    print(out)
    return 0
