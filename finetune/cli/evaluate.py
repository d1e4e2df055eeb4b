"""``umlip-finetune evaluate``: how well few labels correct a model, by trying every choice of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.options import Subparsers, add_command, add_device_options, positive

if TYPE_CHECKING:
    from umlip_bench.analysis.high_energy import MaterialComparison

EXAMPLES = """\
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune evaluate --model chgnet-0.3.0 --data mlearn --material "Si AIMD-NVT" --out si.json
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
            "four, all but one), and judge it by the material's other frames. Each frame is evaluated once."
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
        "--out", type=Path, metavar="FILE", help="write every material's numbers as JSON"
    )
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench import datasets
    from umlip_bench.cli import console
    from umlip_bench.errors import CorrectionError

    dataset = datasets.load(options.data)
    systems = dataset.by_system()
    unknown = [name for name in options.material or () if name not in systems]
    if unknown:
        raise CorrectionError(
            f"{options.data} has no material {unknown[0]!r}; it has {', '.join(systems)}"
        )

    # Slow imports only after what a user can get wrong.
    from umlip_bench.finetune.comparison import compare
    from umlip_bench.finetune.evaluation import evaluate, evenly, print_evaluation
    from umlip_bench.finetune.scalar import reference_materials
    from umlip_bench.loading import potential

    errors = console.errors()
    with errors.status("") as status:
        model = potential(options.model, device=options.device, dtype=options.dtype)
        status.update(f"{model.card.name}: reference set")
        reference = reference_materials(model)
        materials: list[MaterialComparison] = []
        for name in options.material or systems:
            status.update(f"{model.card.name}: {name}")
            materials += compare(model, evenly(systems[name], options.max_frames))
        status.update("trying every choice of labels")
        evaluation = evaluate(model.card.name, options.data, materials, reference)
    print_evaluation(evaluation, console.output())
    if options.out is not None:
        text = json.dumps(evaluation.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
        options.out.write_text(text + "\n", encoding="utf-8")
        print(f"Numbers of every material: {options.out}", file=sys.stderr)
    return 0
