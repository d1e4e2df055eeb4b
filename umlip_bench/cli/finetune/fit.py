"""``umlip-finetune fit``: correct a model from labelled frames."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.declare import Data, File, Folder, Name, Parts, TakesLabels
from umlip_bench.cli.finetune.methods import (
    Settings,
    WithMethods,
    kept,
    names_of,
    offered,
    progress,
    refuse,
    settings_of,
)
from umlip_bench.cli.settings_file import NAME as SETTINGS_FILE
from umlip_bench.cli.settings_file import settings_text
from umlip_bench.ground.errors import CorrectionError

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset
    from umlip_bench.datasets.teacher import Teacher
    from umlip_bench.finetune.method import Chosen

LOCK = ".lock"
"""Beside the checkpoint of a fit: two processes would take it from each other."""


@dataclass(frozen=True, kw_only=True)
class FitCommand(WithMethods, TakesLabels):
    """Fit a correction to DFT labels of one material, one frame or more, and write the corrected model.

    It is a folder that umlip_bench.load and --model take like any other.
    Rerun the command to resume an interrupted training.
    """

    name = "umlip-finetune fit"
    examples = """\
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --method scalar --out chgnet-mine
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --states md.xyz --out chgnet-mine
  umlip-finetune fit --model my.model --labels vasprun.xml --estimator mse --out mine
  umlip-finetune fit --model chgnet-0.3.0 --labels many.xyz --method full --out chgnet-full
  umlip-finetune fit --model m3gnet-mp-2021.2.8 --labels my_phonopy_folder --method full --out m3gnet-mine
  umlip-finetune fit --model ase:ase.calculators.lj:LennardJones --labels ar.xyz --estimator mse
      --reference Ar=-0.05 --out lj-mine
"""
    offers = kept
    model: Name
    """model to correct, as for `umlip-bench run`"""
    labels: Data
    """labelled frames: extended XYZ with REF_energy, REF_forces, REF_stress, any other form that `umlip-bench
    data import` takes, a folder of them, or a data set; methods that train weights also take phonopy's force
    sets"""
    method: Annotated[str, names_of(kept)] = "scalar"
    """what to correct"""
    held_out: Data | None = None
    """further labelled frames, of which those of the labels' compositions are compared before and after"""
    states: File | None = None
    """structures like those that the corrected model is to serve, e.g. frames of dynamics, without labels;
    scalar carries its factor to them: the smaller the forces, the softer the models"""
    settings: Annotated[Settings, Parts(settings_of(kept))]
    """of the methods"""
    out: Folder
    """folder to write; its name is the model's"""

    def run(self) -> int:
        from umlip_bench.cli import console
        from umlip_bench.cli.labels import load_further, load_labels
        from umlip_bench.ground.structures import read_structures

        (chosen,) = self.choose([self.method])
        if self.states is not None and not chosen.method.serves_states:
            refuse("--states", [self.method])
        labels = load_labels(self.labels, self.reading)
        self._check(labels, chosen)
        found = () if self.held_out is None else load_further(self.held_out, self.reading).frames
        states = () if self.states is None else tuple(read_structures(self.states))

        # Slow imports only after what a user can get wrong.
        from umlip_bench.finetune.folder import LabelSource, check_target, save
        from umlip_bench.finetune.measures import held_out_check, unseen
        from umlip_bench.finetune.method import Surroundings
        from umlip_bench.finetune.phonon_labels import force_sets
        from umlip_bench.finetune.printing.checks import print_check
        from umlip_bench.ground.level_of_theory import level_warning
        from umlip_bench.potentials.loading import potential

        check_target(self.out)
        phonons = labels.of_task("phonons") if chosen.method.takes_curvature else ()
        sets = force_sets(phonons)
        held_out = unseen(found, labels.frames, {each.composition for each in sets})
        if self.held_out is not None and not held_out:
            raise CorrectionError(
                f"{self.held_out} has no frames of the labels' compositions beside the labels themselves; "
                "give others, or leave --held-out away"
            )
        errors = console.errors()
        with errors.status(f"reading {self.model}"):
            model = potential(self.model, device=self.device, dtype=self.dtype)
        output = console.output()
        teacher = labels.manifest.teacher
        self._check_teacher(teacher, model.weights.sha256)
        source = LabelSource(labels.manifest.id, labels.sha256, teacher)
        with _scratch(self.out) as checkpoint:
            with progress(chosen, f"fitting {self.model} to {self.labels}") as on_epoch:
                around = Surroundings(
                    held_out=held_out,
                    states=states,
                    force_sets=sets,
                    checkpoint=checkpoint,
                    on_epoch=on_epoch,
                )
                fit = chosen.method.fit(model, labels.frames, chosen.settings, around)
            chosen.method.show(fit, model.card.name, output)
            if not chosen.method.judges_held_out:
                check = held_out_check(model, fit.put_on(model), held_out)
                if check is not None:
                    print_check(check, f"{model.card.name}, {self.method}", output)
            save(fit, model, self.out, source, {SETTINGS_FILE: settings_text(self)})
        _warn_of(labels, level_warning(model.card.level_of_theory, labels.manifest.level_of_theory))
        said = f'{self.out}; use it as --model {self.out} or umlip_bench.load("{self.out}")'
        errors.print(f"Corrected model: {said}", markup=False, highlight=False, soft_wrap=True)
        return 0

    def _check_teacher(self, teacher: Teacher | None, sha256: str) -> None:
        """Refuse labels that the model itself gave."""
        if teacher is not None and teacher.sha256 == sha256:
            raise CorrectionError(
                f"{self.labels} are labels of {teacher.name}, which cannot teach itself anything; take them "
                "from another potential, or from DFT"
            )

    def _check(self, labels: Dataset, chosen: Chosen) -> None:
        """Refuse labels that the method has no use for."""
        takes = chosen.method.takes_curvature
        if labels.frames or (takes and labels.of_task("phonons")):
            return
        tasks = ", ".join(labels.tasks) or "none"
        raise CorrectionError(
            f"{self.labels} has no labelled frames; it has cases for {tasks}. Force sets are trained on "
            f"by {', '.join(each.name for each in offered(kept) if each.takes_curvature)}"
        )


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Where a training keeps its state: beside the folder to come, under a name that nobody gives to a model.

    It is this process's alone, and stays where a training was interrupted.
    """
    from umlip_bench.finetune.folder import check_target
    from umlip_bench.ground.lock import Lock

    folder = out.parent / f".{out.name}.training"
    checkpoint = folder / "checkpoint.pt"
    with Lock(folder / LOCK, out, "choose another --out", CorrectionError):
        try:
            check_target(out)  # another process may have ended just now
            yield checkpoint
        finally:
            if out.exists() or not checkpoint.exists():
                shutil.rmtree(folder, ignore_errors=True)


def _warn_of(labels: Dataset, warning: str | None) -> None:
    """Say what a user must know of the labels."""
    if warning:
        _warn(f"Level of theory: {warning}.")
    if (teacher := labels.manifest.teacher) is not None:
        _warn(
            f"Labels: not DFT's but those of {teacher}. Errors above are against the teacher, except on "
            "frames of DFT given as --held-out and on other materials."
        )


def _warn(text: str) -> None:
    from umlip_bench.cli import console

    console.output().print(text, style="yellow", markup=False, highlight=False)


COMMAND = FitCommand
