"""``umlip-finetune fit``: correct a model from labelled frames."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.finetune.method_options import (
    add_method_options,
    choose,
    epochs_bar,
    help_of,
    installed,
    refuse,
)
from umlip_bench.cli.options import Subparsers, add_command, add_device_options

if TYPE_CHECKING:
    from umlip_bench.finetune.method import Chosen, Epoch

EXAMPLES = """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --method scalar --out chgnet-mine
  umlip-finetune fit --model my.model --labels vasprun.xml --estimator mse --out mine
  umlip-finetune fit --model chgnet-0.3.0 --labels many.xyz --method full --out chgnet-full
  umlip-finetune fit --model ase:ase.calculators.lj:LennardJones --labels ar.xyz --estimator mse
      --reference Ar=-0.05 --out lj-mine
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    offered = [each for each in installed() if each.kept]
    parser = add_command(
        commands,
        "fit",
        help="correct a model with labelled frames",
        description=(
            "Fit a correction to DFT labels of one material, one frame or more, and write the corrected\n"
            "model as a folder that umlip_bench.load and --model take like any other.\n"
            "\n"
            f"{help_of(offered)}\n"
            "\n"
            "An interrupted training goes on when the same command is given again."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="model to correct, as for `umlip-bench run`"
    )
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE|ID",
        help="labelled frames: extended XYZ with REF_energy, REF_forces, REF_stress; or an ASE database, "
        "vasprun.xml, a folder of them, a data set",
    )
    parser.add_argument(
        "--method",
        default="scalar",
        choices=[each.name for each in offered],
        help="what to correct (default: scalar)",
    )
    parser.add_argument(
        "--held-out",
        metavar="FILE|ID",
        help="further labelled frames, of which those of the labels' compositions are compared before and "
        f"after ({', '.join(each.name for each in offered if each.judges_held_out)})",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder to write; its name is the model's",
    )
    add_device_options(parser)
    add_method_options(parser, offered)
    parser.set_defaults(run=_run, offered=offered)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.errors import CorrectionError

    (chosen,) = choose([options.method], options.offered, options)
    if options.held_out is not None and not chosen.method.judges_held_out:
        refuse("--held-out", [options.method])
    labels = load_labels(options.labels)
    if not labels.frames:
        tasks = ", ".join(labels.tasks) or "none"
        raise CorrectionError(f"{options.labels} has no labelled frames; it has cases for {tasks}")
    found = () if options.held_out is None else load_labels(options.held_out).frames

    # Slow imports only after what a user can get wrong.
    from umlip_bench.finetune.folder import LabelSource, check_target, save
    from umlip_bench.finetune.measures import unseen
    from umlip_bench.finetune.method import Surroundings
    from umlip_bench.ground.level_of_theory import level_warning
    from umlip_bench.potentials.loading import potential

    check_target(options.out)
    held_out = unseen(found, labels.frames)
    if options.held_out is not None and not held_out:
        raise CorrectionError(
            f"{options.held_out} has no frames of the labels' compositions beside the labels themselves; "
            "give others, or leave --held-out away"
        )
    errors = console.errors()
    with errors.status(f"reading {options.model}"):
        model = potential(options.model, device=options.device, dtype=options.dtype)
    output = console.output()
    source = LabelSource(labels.manifest.id, labels.sha256)
    # Beside the folder to come, under a name that nobody gives to a model.
    scratch = options.out.parent / f".{options.out.name}.training"
    with _progress(chosen, f"fitting {options.model} to {options.labels}") as on_epoch:
        around = Surroundings(
            held_out=held_out, checkpoint=scratch / "checkpoint.pt", on_epoch=on_epoch
        )
        fit = chosen.method.fit(model, labels.frames, chosen.settings, around)
    chosen.method.show(fit, model.card.name, output)
    save(fit, model, options.out, source)
    shutil.rmtree(scratch, ignore_errors=True)
    warning = level_warning(model.card.level_of_theory, labels.manifest.level_of_theory)
    if warning:
        output.print(f"Level of theory: {warning}.", style="yellow", markup=False, highlight=False)
    errors.print(
        f"Corrected model: {options.out}; use it as --model {options.out} or "
        f'umlip_bench.load("{options.out}")',
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


@contextmanager
def _progress(chosen: Chosen, text: str) -> Iterator[Callable[[Epoch], None]]:
    """A bar where there are epochs, else a sign that something is being done."""
    from umlip_bench.cli import console

    epochs = getattr(chosen.settings, "epochs", None)
    if epochs is None:
        with console.errors().status(text):
            yield lambda epoch: None
    else:
        with epochs_bar(epochs, chosen.method.name) as on_epoch:
            yield on_epoch
