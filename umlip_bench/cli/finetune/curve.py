"""``umlip-finetune curve``: error against number of labels."""

from __future__ import annotations

import argparse
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

SIZES = (1, 3, 10)

EXAMPLES = """\
  umlip-finetune curve --model chgnet-0.3.0 --labels many.xyz --method scalar --method full --out curve
  umlip-finetune curve --model chgnet-0.3.0 --labels mlearn --material "Mo AIMD-NVT" --sizes 1,10,30
      --seeds 5 --method full --method scratch --out mo
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    offered = installed()
    parser = add_command(
        commands,
        "curve",
        help="measure how many labels a method needs",
        description=(
            "Fit to growing numbers of labels, chosen at random, and judge by the rest. The folder gets\n"
            "curve.csv, curve.json and curve.png; what it holds is not computed again, so that an\n"
            "interrupted curve goes on, and methods and sizes can be added.\n"
            "\n"
            f"{help_of(offered)}"
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="model to correct, as for `umlip-bench run`"
    )
    parser.add_argument("--labels", required=True, metavar="FILE|ID", help="labelled frames")
    parser.add_argument("--material", metavar="NAME", help="the material, where there are several")
    parser.add_argument(
        "--method",
        action="append",
        choices=[each.name for each in offered],
        help="a method; may be given several times (default: scalar and full)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=SIZES,
        metavar="N,N",
        help="numbers of labels (default: 1,3,10)",
    )
    parser.add_argument(
        "--seeds", type=positive, default=3, metavar="N", help="choices of labels (default: 3)"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    add_force_option(parser)
    add_device_options(parser)
    add_method_options(parser, offered)
    parser.set_defaults(run=_run, offered=offered)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.errors import CorrectionError

    names = dict.fromkeys(options.method or ("scalar", "full"))
    by_name = {each.method.name: each for each in choose([*names], options.offered, options)}
    materials = load_labels(options.labels).by_system()
    name = options.material or (next(iter(materials)) if len(materials) == 1 else None)
    if name not in materials:
        raise CorrectionError(
            f"{options.labels} has no single material {name or ''}; name one with --material: "
            f"{', '.join(materials)}"
        )

    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.curve import CurvePlan, trace
    from umlip_bench.finetune.experiment import TRIALS, Experiment
    from umlip_bench.finetune.printing.curve import outputs, print_curve, write_curve
    from umlip_bench.ground.outputs import make_folder
    from umlip_bench.potentials.loading import potential

    make_folder(options.out)
    for file in outputs(options.out, options.force).values():
        file.check()
    plan = CurvePlan(tuple(by_name[each] for each in names), options.sizes, options.seeds)
    bar = progress_bar(console.errors())
    task = bar.add_task(options.model, total=plan.n_points)
    with bar:
        model = potential(options.model, device=options.device, dtype=options.dtype)
        experiment = Experiment(
            model,
            options.out / TRIALS,
            options.out / "points",
            on_fit=lambda text: bar.update(task, description=text),
        )
        points = trace(experiment, materials[name], plan, on_point=lambda: bar.advance(task))
    say_damaged(experiment)
    write_curve(model.card.name, f"{options.labels}, {name}", points, options.out, options.force)
    print_curve(model.card.name, points, console.output())
    return 0


def _sizes(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them, for ``type=``."""
    return tuple(sorted({positive(part.strip()) for part in text.split(",")}))
