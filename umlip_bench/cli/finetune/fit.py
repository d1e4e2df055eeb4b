"""``umlip-finetune fit``: correct a model from labelled frames."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.finetune.training_options import (
    NAMES,
    add_training_options,
    epochs_bar,
    settings_of,
)
from umlip_bench.cli.options import Subparsers, add_command, add_device_options

if TYPE_CHECKING:
    from umlip_bench.datasets import Frame
    from umlip_bench.finetune.folder import LabelSource
    from umlip_bench.potentials.protocol import Potential

METHODS = ("scalar", "e0", "head", "lora", "full")
ESTIMATORS = ("rotate", "mse", "shrunk")

EXAMPLES = """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --method scalar --out chgnet-mine
  umlip-finetune fit --model my.model --labels vasprun.xml --estimator mse --out mine
  umlip-finetune fit --model chgnet-0.3.0 --labels many.xyz --method full --out chgnet-full
  umlip-finetune fit --model ase:ase.calculators.lj:LennardJones --labels ar.xyz --estimator mse
      --reference Ar=-0.05 --out lj-mine
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "fit",
        help="correct a model with labelled frames",
        description=(
            "Fit a correction to DFT labels of one material, one frame or more, and write the corrected\n"
            "model as a folder that umlip_bench.load and --model take like any other.\n"
            "\n"
            "scalar: the energy surface times one factor c about the model's element references, so that\n"
            "forces and stress are scaled by c. c is fitted on forces alone, in seconds.\n"
            "e0: element references shifted to the labels' energies; forces and stress stay.\n"
            "head, lora, full: weights trained on energies, forces and stress: those of the last layers,\n"
            "low-rank updates of all matrices, or all of them. An interrupted training goes on when the\n"
            "same command is given again."
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
        "--method", default="scalar", choices=METHODS, help="what to correct (default: scalar)"
    )
    parser.add_argument(
        "--held-out",
        metavar="FILE|ID",
        help="further labelled frames, of which those of the labels' compositions are compared before and "
        "after (e0, head, lora, full)",
    )
    parser.add_argument(
        "--estimator",
        choices=ESTIMATORS,
        help="for scalar; rotate: 1/slope; mse: least squared error; shrunk: mse drawn towards the factor "
        "that the model needs on other materials, the more the fewer the labels (default)",
    )
    parser.add_argument(
        "--reference",
        action="append",
        type=_reference,
        metavar="EL=EV",
        help="for scalar; energy of an element about which to scale, in place of the model's own references; "
        "once for each element (a foreign calculator's are zero otherwise)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder to write; its name is the model's",
    )
    add_device_options(parser)
    add_training_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.cli import console
    from umlip_bench.cli.labels import load_labels
    from umlip_bench.ground.errors import CorrectionError

    _refuse_options_of_others(options)
    labels = load_labels(options.labels)
    if not labels.frames:
        tasks = ", ".join(labels.tasks) or "none"
        raise CorrectionError(f"{options.labels} has no labelled frames; it has cases for {tasks}")
    found = () if options.held_out is None else load_labels(options.held_out).frames

    # Slow imports only after what a user can get wrong.
    from umlip_bench.finetune.folder import LabelSource, check_target
    from umlip_bench.finetune.measures import unseen
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
    _FITS[options.method](options, model, labels.frames, held_out, source)
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


def _fit_scalar(
    options: argparse.Namespace,
    model: Potential,
    frames: Sequence[Frame],
    held_out: Sequence[Frame],
    source: LabelSource,
) -> None:
    from umlip_bench.cli import console
    from umlip_bench.finetune.factors import Estimator
    from umlip_bench.finetune.folder import save
    from umlip_bench.finetune.report import print_report
    from umlip_bench.finetune.scalar import DEFAULT_ESTIMATOR, fit_scalar

    estimator = DEFAULT_ESTIMATOR if options.estimator is None else Estimator(options.estimator)
    references = dict(options.reference) if options.reference else None
    with console.errors().status(f"fitting {options.model} to {options.labels}"):
        fit = fit_scalar(model, frames, estimator=estimator, references=references)
    print_report(fit, model.card.name, console.output())
    save(fit, model, options.out, source)


def _fit_references(
    options: argparse.Namespace,
    model: Potential,
    frames: Sequence[Frame],
    held_out: Sequence[Frame],
    source: LabelSource,
) -> None:
    from umlip_bench.cli import console
    from umlip_bench.finetune.folder import save_shift
    from umlip_bench.finetune.references import fit_references
    from umlip_bench.finetune.training_report import print_shift

    with console.errors().status(f"fitting {options.model} to {options.labels}"):
        fit = fit_references(model, frames, held_out=held_out)
    print_shift(fit, model.card.name, console.output())
    save_shift(fit, model, options.out, source)


def _fit_trained(
    options: argparse.Namespace,
    model: Potential,
    frames: Sequence[Frame],
    held_out: Sequence[Frame],
    source: LabelSource,
) -> None:
    from umlip_bench.cli import console
    from umlip_bench.finetune.folder import save_training
    from umlip_bench.finetune.training.fit import fit_trained
    from umlip_bench.finetune.training_report import print_training

    settings = settings_of(options)
    # Beside the folder to come, under a name that nobody gives to a model.
    scratch = options.out.parent / f".{options.out.name}.training"
    with epochs_bar(settings.epochs, options.method) as on_epoch:
        training = fit_trained(
            model,
            frames,
            options.method,
            settings,
            held_out=held_out,
            checkpoint=scratch / "checkpoint.pt",
            on_epoch=on_epoch,
        )
    print_training(training.fit, model.card.name, console.output())
    save_training(training, options.out, source)
    shutil.rmtree(scratch, ignore_errors=True)


_FITS = {
    "scalar": _fit_scalar,
    "e0": _fit_references,
    "head": _fit_trained,
    "lora": _fit_trained,
    "full": _fit_trained,
}


def _refuse_options_of_others(options: argparse.Namespace) -> None:
    """An option that the method does not know would be ignored without a word."""
    from umlip_bench.ground.errors import CorrectionError

    own = {
        "scalar": ("estimator", "reference"),
        "e0": ("held_out",),
    }.get(options.method, ("held_out", *NAMES))
    every = ("estimator", "reference", "held_out", *NAMES)
    foreign = [name for name in every if name not in own and getattr(options, name) is not None]
    if foreign:
        raise CorrectionError(
            f"--{foreign[0].replace('_', '-')} is not an option of the method {options.method}; leave it "
            "away, or choose a method that has it (see umlip-finetune fit --help)"
        )


def _reference(text: str) -> tuple[str, float]:
    """An element and its energy, for ``type=``."""
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, value = text.partition("=")
    try:
        energy = float(value)
    except ValueError:
        energy = math.nan
    if symbol not in SYMBOLS or not math.isfinite(energy):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an element and its energy in eV, e.g. Ar=-0.05"
        )
    return symbol, energy
