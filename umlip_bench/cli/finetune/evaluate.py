"""``umlip-finetune evaluate``: how well few labels correct a model, by trying every choice of them."""

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
from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    add_force_option,
    positive,
)
from umlip_bench.finetune.method import Chosen, FactorMethod

COUNTS = {"1": "1", "2": "2", "4": "4", "rest": "all but one"}
"""What a user says for the numbers of labels."""

EXAMPLES = """\
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune evaluate --model chgnet-0.3.0 --data mlearn --material "Si AIMD-NVT" --out si.json
  umlip-finetune evaluate --model chgnet-0.3.0 --method full --sizes 1 --out full.json
"""

MAX_FRAMES = 60


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    offered = [each for each in installed() if each.corrects_forces]
    trained = [each for each in offered if not isinstance(each, FactorMethod)]
    parser = add_command(
        commands,
        "evaluate",
        help="measure how well few labels correct a model",
        description=(
            "For every material of a data set, fit a correction to every choice of one label (two, four,\n"
            "all but one), and judge it by the material's other frames. For scalar each frame is evaluated\n"
            "once.\n"
            "Methods that train weights make a fit to every choice, which takes hours: restrict --sizes and\n"
            "--choices. With --out the fits are kept beside it, and the same command goes on with them.\n"
            "\n"
            f"{help_of(offered)}"
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="model to correct, as for `umlip-bench run`"
    )
    parser.add_argument(
        "--data", default="pbe-mini", metavar="ID|FILE", help="labelled frames (default: pbe-mini)"
    )
    parser.add_argument(
        "--material",
        action="append",
        metavar="NAME",
        help="a material of the data; may be given several times (default: all)",
    )
    parser.add_argument(
        "--max-frames",
        type=positive,
        default=MAX_FRAMES,
        metavar="N",
        help=f"of each material take at most N frames, evenly spaced (default: {MAX_FRAMES})",
    )
    parser.add_argument(
        "--method",
        action="append",
        choices=[each.name for each in offered],
        help="a method; may be given several times (default: scalar, with its three estimators)",
    )
    parser.add_argument(
        "--sizes",
        type=_counts,
        default=tuple(COUNTS.values()),
        metavar="N,N",
        help=f"numbers of labels, of {', '.join(COUNTS)} (all but one); default: all",
    )
    parser.add_argument(
        "--choices",
        type=positive,
        metavar="N",
        help="of the choices of labels for a material and number try at most N, drawn with a fixed seed "
        "(default: 200)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write every material's numbers as JSON"
    )
    add_force_option(parser)
    add_device_options(parser)
    add_method_options(parser, trained)
    parser.set_defaults(run=_run, offered=offered, trained=trained)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.errors import CorrectionError
    from umlip_bench.ground.outputs import Output, json_text

    names = list(dict.fromkeys(options.method or ("scalar",)))
    fitted = {each.method.name: each for each in choose(names, options.trained, options)}
    by_name = {each.name: each for each in options.offered}
    methods = [
        fitted.get(name) or Chosen(by_name[name], by_name[name].settings()) for name in names
    ]
    if options.out is not None:
        Output(options.out, options.force).check()
    dataset = load_labels(options.data)
    systems = dataset.by_system()
    unknown = [name for name in options.material or () if name not in systems]
    if unknown:
        raise CorrectionError(
            f"{options.data} has no material {unknown[0]!r}; it has {', '.join(systems)}"
        )

    # Slow imports only after what a user can get wrong.
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.evaluation import MOST_CHOICES, evaluate, evenly
    from umlip_bench.finetune.experiment import TRIALS, Experiment
    from umlip_bench.finetune.printing.cells import content_of
    from umlip_bench.finetune.printing.evaluation import print_evaluation
    from umlip_bench.potentials.loading import potential

    materials = {
        name: evenly(systems[name], options.max_frames) for name in options.material or systems
    }
    journal, earlier = (
        None if options.out is None else options.out.with_suffix(f".{ending}")
        for ending in (TRIALS, "fits")
    )
    bar = progress_bar(console.errors())
    task = bar.add_task(options.model, total=None)
    with bar:
        model = potential(options.model, device=options.device, dtype=options.dtype)
        experiment = Experiment(model, journal, earlier)
        evaluation = evaluate(
            experiment,
            options.data,
            materials,
            methods,
            counts=options.sizes,
            most=options.choices or MOST_CHOICES,
            on_progress=lambda text, done, total: bar.update(
                task, description=text, completed=done, total=total or None
            ),
        )
    say_damaged(experiment)
    print_evaluation(evaluation, console.output())
    if options.out is not None:
        Output(options.out, options.force).write_text(json_text(content_of(evaluation)))
        print(f"Numbers of every material: {options.out}", file=sys.stderr)
    return 0


def _counts(text: str) -> tuple[str, ...]:
    """Numbers of labels with commas between them, for ``type=``."""
    asked = [part.strip() for part in text.split(",")]
    for part in asked:
        if part not in COUNTS:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(COUNTS)}")
    return tuple(count for name, count in COUNTS.items() if name in asked)
