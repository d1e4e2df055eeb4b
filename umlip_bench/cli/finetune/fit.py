"""``umlip-finetune fit``: correct a model from labelled frames."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from umlip_bench.cli.command import application
from umlip_bench.cli.finetune.training import E0, METHODS, SCALAR, TRAINED, Training, epochs_bar
from umlip_bench.cli.options import Data, Folder, Name, Reads, changed, options_of
from umlip_bench.cli.settings_file import write_settings
from umlip_bench.finetune.estimators import DEFAULT_ESTIMATOR, Estimator

if TYPE_CHECKING:
    from umlip_bench.datasets import Frame
    from umlip_bench.finetune.folder import LabelSource
    from umlip_bench.potentials.protocol import Potential


def _reference(text: str) -> tuple[str, float]:
    """An element and its energy."""
    from umlip_bench.ground.elements import SYMBOLS

    symbol, _, value = text.partition("=")
    try:
        energy = float(value)
    except ValueError:
        energy = math.nan
    if symbol not in SYMBOLS or not math.isfinite(energy):
        raise ValueError(f"{text!r} is not an element and its energy in eV, e.g. Ar=-0.05")
    return symbol, energy


@dataclass(frozen=True, kw_only=True)
class Fit(Training):
    """Fit a correction to DFT labels of one material, one frame or more, and write the corrected model.

    It is a folder that umlip_bench.load and --model take like any other.

    scalar: the energy surface times one factor c about the model's element references, so that forces and
    stress are scaled by c. c is fitted on forces alone, in seconds.
    e0: element references shifted to the labels' energies; forces and stress stay.
    head, lora, full: weights trained on energies, forces and stress: those of the last layers, low-rank
    updates of all matrices, or all of them. An interrupted training goes on when the same command is given
    again.
    """

    name = "umlip-finetune fit"
    examples = """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --method scalar --out chgnet-mine
  umlip-finetune fit --model my.model --labels vasprun.xml --estimator mse --out mine
  umlip-finetune fit --model chgnet-0.3.0 --labels many.xyz --method full --out chgnet-full
  umlip-finetune fit --model ase:ase.calculators.lj:LennardJones --labels ar.xyz --estimator mse
      --reference Ar=-0.05 --out lj-mine
"""
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data
    """labelled frames: extended XYZ with REF_energy, REF_forces, REF_stress; or an ASE database, vasprun.xml,
    a folder of them, a data set"""
    method: Annotated[str, Parameter(choices=METHODS)] = SCALAR
    """what to correct"""
    held_out: Data | None = None
    """further labelled frames, of which those of the labels' compositions are compared before and after (e0,
    head, lora, full)"""
    estimator: Estimator = DEFAULT_ESTIMATOR
    """for scalar; rotate: 1/slope; mse: least squared error; shrunk: mse drawn towards the factor that the
    model needs on other materials, the more the fewer the labels"""
    reference: Annotated[tuple[tuple[str, float], ...], Reads(_reference, True, "EL=EV")] = ()
    """for scalar; energy of an element about which to scale, in place of the model's own references; once for
    each element (a foreign calculator's are zero otherwise)"""
    out: Folder
    """folder to write; its name is the model's"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_labels
        from umlip_bench.ground.errors import CorrectionError

        self._refuse_options_of_others()
        labels = load_labels(self.labels)
        if not labels.frames:
            tasks = ", ".join(labels.tasks) or "none"
            raise CorrectionError(f"{self.labels} has no labelled frames; it has cases for {tasks}")
        found = () if self.held_out is None else load_labels(self.held_out).frames

        # Slow imports only after what a user can get wrong.
        from umlip_bench.finetune.folder import LabelSource, check_target
        from umlip_bench.finetune.measures import unseen
        from umlip_bench.ground.level_of_theory import level_warning
        from umlip_bench.potentials.loading import potential

        check_target(self.out)
        held_out = unseen(found, labels.frames)
        if self.held_out is not None and not held_out:
            raise CorrectionError(
                f"{self.held_out} has no frames of the labels' compositions beside the labels themselves; "
                "give others, or leave --held-out away"
            )
        errors = console.errors()
        with errors.status(f"reading {self.model}"):
            model = potential(self.model, device=self.device, dtype=self.dtype)
        output = console.output()
        source = LabelSource(labels.manifest.id, labels.sha256)
        _FITS[self.method](self, model, labels.frames, held_out, source)
        write_settings(self, self.out)
        warning = level_warning(model.card.level_of_theory, labels.manifest.level_of_theory)
        if warning:
            output.print(
                f"Level of theory: {warning}.", style="yellow", markup=False, highlight=False
            )
        errors.print(
            f"Corrected model: {self.out}; use it as --model {self.out} or "
            f'umlip_bench.load("{self.out}")',
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return 0

    def _refuse_options_of_others(self) -> None:
        """An option that the method does not know would be ignored without a word."""
        from umlip_bench.ground.errors import CorrectionError

        training = [name for name, option in options_of(Fit).items() if option.part]
        of_scalar = ["estimator", "reference"]
        own = {SCALAR: of_scalar, E0: ["held-out"]}.get(self.method, ["held-out", *training])
        every = [*of_scalar, "held-out", *training]
        foreign = [name for name in every if name in changed(self) and name not in own]
        if foreign:
            raise CorrectionError(
                f"--{foreign[0]} is not an option of the method {self.method}; leave it away, or choose a "
                "method that has it (see umlip-finetune fit --help)"
            )


def _fit_scalar(
    options: Fit,
    model: Potential,
    frames: Sequence[Frame],
    held_out: Sequence[Frame],
    source: LabelSource,
) -> None:
    from umlip_bench.cli import console
    from umlip_bench.finetune.folder import save
    from umlip_bench.finetune.report import print_report
    from umlip_bench.finetune.scalar import fit_scalar

    references = dict(options.reference) or None
    with console.errors().status(f"fitting {options.model} to {options.labels}"):
        fit = fit_scalar(model, frames, estimator=options.estimator, references=references)
    print_report(fit, model.card.name, console.output())
    save(fit, model, options.out, source)


def _fit_references(
    options: Fit,
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
    options: Fit,
    model: Potential,
    frames: Sequence[Frame],
    held_out: Sequence[Frame],
    source: LabelSource,
) -> None:
    from umlip_bench.cli import console
    from umlip_bench.finetune.folder import save_training
    from umlip_bench.finetune.training.fit import fit_trained
    from umlip_bench.finetune.training_report import print_training

    settings = options.training
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


_FITS = {SCALAR: _fit_scalar, E0: _fit_references, **dict.fromkeys(TRAINED, _fit_trained)}


app = application(Fit)
