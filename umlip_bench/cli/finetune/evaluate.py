"""``umlip-finetune evaluate``: how well few labels correct a model, by trying every choice of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.finetune.training_options import add_training_options, given, settings_of
from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    add_force_option,
    positive,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from umlip_bench.analysis.frames import MaterialComparison
    from umlip_bench.datasets import Frame
    from umlip_bench.finetune.evaluation import ChoicesOutcome
    from umlip_bench.potentials.protocol import Potential

SCALAR = "scalar"
METHODS = (SCALAR, "head", "lora", "full", "scratch")
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
    parser = add_command(
        commands,
        "evaluate",
        help="measure how well few labels correct a model",
        description=(
            "For every material of a data set, fit the scalar correction to every choice of one label (two,\n"
            "four, all but one), and judge it by the material's other frames. Each frame is evaluated once.\n"
            "Methods that train weights make a fit to every choice, which takes hours: restrict --sizes and\n"
            "--choices. With --out the fits are kept beside it, and the same command goes on with them."
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
        choices=METHODS,
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
    add_training_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.errors import CorrectionError
    from umlip_bench.ground.outputs import Output, json_text

    methods = list(dict.fromkeys(options.method or (SCALAR,)))
    trained = [method for method in methods if method != SCALAR]
    if not trained and (foreign := list(given(options))):
        raise CorrectionError(
            f"--{foreign[0].replace('_', '-')} is not an option of the method scalar; leave it away, or "
            "give --method of one that trains"
        )
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
    from umlip_bench.finetune.evaluation import Evaluation, evenly, print_evaluation
    from umlip_bench.potentials.loading import potential

    materials = {
        name: evenly(systems[name], options.max_frames) for name in options.material or systems
    }
    model = potential(options.model, device=options.device, dtype=options.dtype)
    outcomes: list[ChoicesOutcome] = []
    if SCALAR in methods:
        outcomes += _scalar(options, model, materials)
    if trained:
        outcomes += _trained(options, model, materials, trained)
    evaluation = Evaluation(model.card.name, options.data, tuple(outcomes))
    print_evaluation(evaluation, console.output())
    if options.out is not None:
        Output(options.out, options.force).write_text(json_text(evaluation.to_json()))
        print(f"Numbers of every material: {options.out}", file=sys.stderr)
    return 0


def _scalar(
    options: argparse.Namespace, model: Potential, materials: Mapping[str, Sequence[Frame]]
) -> Sequence[ChoicesOutcome]:
    from umlip_bench.cli import console
    from umlip_bench.finetune.comparison import compare
    from umlip_bench.finetune.evaluation import MOST_CHOICES, evaluate
    from umlip_bench.finetune.scalar import reference_materials

    with console.errors().status(f"{model.card.name}: reference set") as status:
        reference = reference_materials(model)
        compared: list[MaterialComparison] = []
        for name, frames in materials.items():
            status.update(f"{model.card.name}: {name}")
            compared += compare(model, frames)
        status.update("trying every choice of labels")
        return evaluate(
            model.card.name,
            options.data,
            compared,
            reference,
            counts=options.sizes,
            most=options.choices or MOST_CHOICES,
        ).outcomes


def _trained(
    options: argparse.Namespace,
    model: Potential,
    materials: Mapping[str, Sequence[Frame]],
    methods: Sequence[str],
) -> Sequence[ChoicesOutcome]:
    from umlip_bench.cli import console
    from umlip_bench.cli.progress import progress_bar
    from umlip_bench.finetune.evaluation import MOST_CHOICES
    from umlip_bench.finetune.evaluation_trained import TrainedEvaluation

    evaluation = TrainedEvaluation(
        model,
        materials,
        methods,
        settings_of(options),
        counts=options.sizes,
        most=options.choices or MOST_CHOICES,
        fits=None if options.out is None else options.out.with_suffix(".fits"),
    )
    bar = progress_bar(console.errors())
    task = bar.add_task(model.card.name, total=evaluation.n_fits)
    with bar:
        return list(
            evaluation.outcomes(
                on_fit=lambda text: bar.update(task, description=text),
                on_trial=lambda: bar.advance(task),
            )
        )


def _counts(text: str) -> tuple[str, ...]:
    """Numbers of labels with commas between them, for ``type=``."""
    asked = [part.strip() for part in text.split(",")]
    for part in asked:
        if part not in COUNTS:
            raise argparse.ArgumentTypeError(f"{part!r} is none of {', '.join(COUNTS)}")
    return tuple(count for name, count in COUNTS.items() if name in asked)
