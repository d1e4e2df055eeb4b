"""``umlip-finetune ladder``: all methods on the same labels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umlip_bench.cli.finetune.training_options import add_training_options, settings_of
from umlip_bench.cli.options import Subparsers, add_command, add_device_options, add_force_option

METHODS = ("scalar", "e0", "head", "lora", "full")

EXAMPLES = """\
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --data pbe-mini
  umlip-finetune ladder --model chgnet-0.3.0 --labels many.xyz --method scalar --method full
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "ladder",
        help="compare all methods on the same labels, and recommend one",
        description=(
            "Fit every method to the labels and judge each by frames that it did not see: those of --data\n"
            "that have a label's composition, or, without --data, the labels themselves in three folds.\n"
            "Nothing is written but the numbers; `umlip-finetune fit` makes the model."
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
        choices=METHODS,
        help="a method; may be given several times (default: all)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    add_force_option(parser)
    add_device_options(parser)
    add_training_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.finetune.ladder import climb, folds_of, print_ladder
    from umlip_bench.finetune.measures import unseen
    from umlip_bench.ground.outputs import Output, json_text
    from umlip_bench.potentials.loading import potential

    if options.out is not None:
        Output(options.out, options.force).check()
    labels = load_labels(options.labels).frames
    held_out = [] if options.data is None else unseen(load_labels(options.data).frames, labels)
    folds = folds_of(labels, held_out)
    settings = settings_of(options)
    chosen = options.method or METHODS
    errors = console.errors()
    with errors.status("") as status:
        model = potential(options.model, device=options.device, dtype=options.dtype)
        ladder = climb(
            model,
            folds,
            settings,
            methods=[method for method in METHODS if method in chosen],
            on_method=lambda method: status.update(f"{options.model}: {method}"),
        )
    print_ladder(ladder, console.output())
    if options.out is not None:
        Output(options.out, options.force).write_text(json_text(ladder.to_json()))
        print(f"Numbers of every method: {options.out}", file=sys.stderr)
    return 0
