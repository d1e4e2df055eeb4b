"""``umlip-finetune ladder``: all methods on the same labels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umlip_bench.cli.finetune.method_options import (
    add_method_options,
    choose,
    help_of,
    installed,
    say_damaged,
)
from umlip_bench.cli.options import Subparsers, add_command, add_device_options, add_force_option

EXAMPLES = """\
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --data pbe-mini
  umlip-finetune ladder --model chgnet-0.3.0 --labels many.xyz --method scalar --method full
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    offered = [each for each in installed() if each.kept]
    parser = add_command(
        commands,
        "ladder",
        help="compare all methods on the same labels, and recommend one",
        description=(
            "Fit every method to the labels and judge each by frames that it did not see: those of --data\n"
            "that have a label's composition, or, without --data, the labels themselves in three folds.\n"
            "Nothing is written but the numbers; `umlip-finetune fit` makes the model. With --out the fits\n"
            "are kept beside it, and the same command goes on with them.\n"
            "\n"
            f"{help_of(offered)}"
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="model to correct, as for `umlip-bench run`"
    )
    parser.add_argument("--labels", required=True, metavar="FILE|ID", help="labelled frames")
    parser.add_argument("--data", metavar="FILE|ID", help="labelled frames to judge by")
    parser.add_argument(
        "--method",
        action="append",
        choices=[each.name for each in offered],
        help="a method; may be given several times (default: all)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    add_force_option(parser)
    add_device_options(parser)
    add_method_options(parser, offered)
    parser.set_defaults(run=_run, offered=offered)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.outputs import Output, json_text

    names = options.method or [each.name for each in options.offered]
    methods = choose(names, options.offered, options)
    if options.out is not None:
        Output(options.out, options.force).check()

    from umlip_bench.finetune.experiment import TRIALS, Experiment
    from umlip_bench.finetune.ladder import climb, folds_of
    from umlip_bench.finetune.measures import unseen
    from umlip_bench.finetune.printing.cells import content_of
    from umlip_bench.finetune.printing.ladder import print_ladder
    from umlip_bench.potentials.loading import potential

    labels = load_labels(options.labels).frames
    held_out = [] if options.data is None else unseen(load_labels(options.data).frames, labels)
    folds = folds_of(labels, held_out)
    with console.errors().status("") as status:
        model = potential(options.model, device=options.device, dtype=options.dtype)
        experiment = Experiment(
            model,
            None if options.out is None else options.out.with_suffix(f".{TRIALS}"),
            on_fit=lambda text: status.update(f"{options.model}: {text}"),
        )
        ladder = climb(experiment, folds, methods)
    say_damaged(experiment)
    print_ladder(ladder, console.output())
    if options.out is not None:
        Output(options.out, options.force).write_text(json_text(content_of(ladder)))
        print(f"Numbers of every method: {options.out}", file=sys.stderr)
    return 0
