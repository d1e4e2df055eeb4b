"""``umlip-finetune speed``: an epoch of training against CHGNet's own trainer."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from umlip_bench.cli.options import (
    Subparsers,
    add_command,
    add_device_options,
    positive,
    whole,
)

EXAMPLES = """\
  umlip-finetune speed --model chgnet-0.3.0
  umlip-finetune speed --model chgnet-0.3.0 --data mlearn --material "Mo AIMD-NVT" --frames 8
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "speed",
        help="time training against CHGNet's own trainer",
        description=(
            "Time epochs of `full` against CHGNet's trainer, in turn, with the same loss on the same\n"
            "prepared graphs. The gradients of both sides are compared first."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--model", default="chgnet-0.3.0", metavar="NAME", help="a CHGNet (default: chgnet-0.3.0)"
    )
    parser.add_argument(
        "--data", default="pbe-mini", metavar="FILE|ID", help="frames (default: pbe-mini)"
    )
    parser.add_argument("--material", metavar="NAME", help="only this material of the data")
    parser.add_argument("--frames", type=positive, default=24, metavar="N", help="default: 24")
    parser.add_argument("--batch-size", type=positive, default=8, metavar="N", help="default: 8")
    parser.add_argument(
        "--repeats", type=whole(5), default=7, metavar="N", help="default: 7, at least 5"
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="CPU threads (default: 1)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a sentence")
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import torch

    from umlip_bench.cli.console import errors
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.finetune.evaluation import evenly
    from umlip_bench.ground.errors import CorrectionError
    from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
    from umlip_bench.potentials.loading import potential

    torch.set_num_threads(options.threads)
    dataset = load_labels(options.data)
    found = dataset.frames if options.material is None else dataset.by_system()[options.material]
    frames = evenly(found, options.frames)
    model = potential(options.model, device=options.device, dtype=options.dtype)
    if not isinstance(model, ChgnetPotential):
        raise CorrectionError(f"{options.model} is not a CHGNet; its trainer takes nothing else")
    from umlip_bench.finetune.training.speed import compare_training

    with errors().status(f"{len(frames)} frames, {options.repeats} repeats"):
        speed = compare_training(model, frames, options.batch_size, options.repeats)
    if options.json:
        print(json.dumps(asdict(speed), indent=1))
        return 0
    print(
        f"{model.card.name}, {model.device}, {options.threads} thread(s): an epoch of {speed.n_frames} "
        f"frames ({speed.n_atoms} atoms, {speed.batch_size} frames a step) takes {speed.library:.2f} s "
        f"with CHGNet's trainer and {speed.ours:.2f} s here, ratio {speed.ratio:.2f} "
        f"({speed.ratio_low:.2f} to {speed.ratio_high:.2f} in {speed.repeats} paired repeats); gradients "
        f"differ by {speed.gradient_difference:.0e} of their norm"
    )
    return 0
