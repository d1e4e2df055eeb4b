"""``umlip-finetune fit``: correct a model from labelled frames."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from umlip_bench.cli.options import Subparsers, add_command, add_device_options

METHODS = ("scalar",)
ESTIMATORS = ("rotate", "mse", "shrunk")

EXAMPLES = """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --method scalar --out chgnet-mine
  umlip-finetune fit --model my.model --labels vasprun.xml --estimator mse --out mine
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
            "forces and stress are scaled by c. c is fitted on forces alone, in seconds."
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
        "--estimator",
        default="shrunk",
        choices=ESTIMATORS,
        help="rotate: 1/slope; mse: least squared error; shrunk: mse drawn towards the factor that the model "
        "needs on other materials, the more the fewer the labels (default)",
    )
    parser.add_argument(
        "--reference",
        action="append",
        type=_reference,
        metavar="EL=EV",
        help="energy of an element about which to scale, in place of the model's own references; once for "
        "each element (a foreign calculator's are zero otherwise)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder to write; its name is the model's",
    )
    add_device_options(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench import datasets
    from umlip_bench.cli import console
    from umlip_bench.errors import CorrectionError

    labels = datasets.load(options.labels)
    if not labels.frames:
        tasks = ", ".join(labels.tasks) or "none"
        raise CorrectionError(f"{options.labels} has no labelled frames; it has cases for {tasks}")
    references = dict(options.reference) if options.reference else None

    # Slow imports only after what a user can get wrong.
    from umlip_bench.finetune.factors import Estimator
    from umlip_bench.finetune.folder import LabelSource, check_target, save
    from umlip_bench.finetune.report import print_report
    from umlip_bench.finetune.scalar import fit_scalar
    from umlip_bench.loading import potential
    from umlip_bench.runner import level_warning

    check_target(options.out)
    errors = console.errors()
    with errors.status(f"fitting {options.model} to {options.labels}"):
        model = potential(options.model, device=options.device, dtype=options.dtype)
        fit = fit_scalar(
            model, labels.frames, estimator=Estimator(options.estimator), references=references
        )
    output = console.output()
    print_report(fit, model.card.name, output)
    warning = level_warning(model.card.level_of_theory, labels.manifest.level_of_theory)
    if warning:
        output.print(f"Level of theory: {warning}.", style="yellow", markup=False, highlight=False)
    save(fit, model, options.out, LabelSource(labels.manifest.id, labels.sha256))
    errors.print(
        f"Corrected model: {options.out}; use it as --model {options.out} or "
        f'umlip_bench.load("{options.out}")',
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _reference(text: str) -> tuple[str, float]:
    """An element and its energy, for ``type=``."""
    from umlip_bench.elements import SYMBOLS

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
