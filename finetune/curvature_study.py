"""Whether curvature labels of some crystals help others: what docs/results/training.md says of force sets.

    python -m umlip_bench.finetune.curvature_study --model chgnet-0.3.0 --labels pbe-mini
        --judge phonopy-examples --judge debye-mini --out curvature

All weights are trained on the force sets of ``--labels``, in four ways of which each is judged by every
composition of all the sets: on its own force sets, on those of the other compositions, on frames of these
other compositions, and on both. Judges are force sets, as ω² along DFT's modes, and frames, as forces.
Fits are kept: rerun the command to resume. The folder gets curvature.csv, a line for each judge.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms

from umlip_bench import datasets
from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.softening import softening
from umlip_bench.benchmarks.phonons.case import PhononMeasurement, of_forces
from umlip_bench.benchmarks.phonons.modes import Modes
from umlip_bench.datasets import Dataset, Frame
from umlip_bench.datasets.cases import PhononCase
from umlip_bench.datasets.frame import composition
from umlip_bench.finetune.comparison import with_forces
from umlip_bench.finetune.experiment import TRIALS, Choice, Experiment, Planned
from umlip_bench.finetune.force_sets import ForceSet
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.methods.trained import Full
from umlip_bench.finetune.phonon_labels import force_sets
from umlip_bench.finetune.race import geometric
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.level_of_theory import differs
from umlip_bench.potentials.loading import potential

OWN, OTHERS, FRAMES, BOTH = "own", "others", "others' frames", "others and frames"
WAYS = (OWN, OTHERS, FRAMES, BOTH)
EPOCHS = 25


@dataclass(frozen=True, eq=False)
class JudgedSet:
    """A force set that judges, and may be trained on.

    Parameters
    ----------
    name
        With that of its data set.
    measured
        The crystal, as the suite of phonons has it.
    rows
        The same as labels.
    """

    name: str
    measured: PhononMeasurement
    rows: ForceSet

    @property
    def composition(self) -> str:
        """Reduced formula."""
        return self.rows.composition

    def frames(self) -> list[Frame]:
        """What a model is asked for."""
        return self.rows.frames(self.name)

    def judge(self, found: MaterialComparison) -> tuple[float, float]:
        """A model's ω² along DFT's modes over DFT's, and the error of its frequencies on the mesh, THz."""
        crystal, displacements = self.measured.crystal(), self.measured.displacements
        assert displacements is not None
        rest, *displaced = (frame.forces_model for frame in found.frames)
        theirs = crystal.force_constants(displacements, self.rows.forces)
        own = crystal.force_constants(displacements, np.array(displaced) - rest)
        modes = Modes.of(crystal, theirs)
        slope = softening(modes.curvatures, modes.along(crystal, own)).slope
        mesh = crystal.mesh()
        off = [crystal.frequencies(each, mesh.qpoints) for each in (own, theirs)]
        error = np.abs(off[0] - off[1]).mean(axis=1)
        return slope, float(mesh.weights @ error / mesh.weights.sum())


@dataclass(frozen=True)
class Judged:
    """What one judge says of a model and one way of training it.

    Parameters
    ----------
    model, way
        Who was trained, on what.
    formula, judge
        Composition, and the data set and material that judge.
    amplitude
        Mean length of the displacements, Å; nan for frames.
    n
        Displaced supercells, or frames.
    slope_before, slope
        Of ω² along DFT's modes, or of forces, against DFT's; one is right.
    mae_before, mae
        Of frequencies in THz, or of forces in eV/Å.
    """

    model: str
    way: str
    formula: str
    judge: str
    amplitude: float
    n: int
    slope_before: float
    slope: float
    mae_before: float
    mae: float


@dataclass(frozen=True, eq=False)
class Field:
    """Who is trained on and who judges.

    Parameters
    ----------
    sets
        Force sets that judge.
    trained
        Those of them that may be trained on.
    frames
        Frames that judge, by data set and material.
    labels
        Those of the compositions of `trained`, from the same data sets: labels of another kind.
    formulas
        Compositions that are judged.
    """

    sets: tuple[JudgedSet, ...]
    trained: tuple[JudgedSet, ...]
    frames: Mapping[str, tuple[Frame, ...]]
    labels: tuple[Frame, ...]
    formulas: tuple[str, ...]

    @classmethod
    def of(cls, labels: Sequence[Dataset], judges: Sequence[Dataset]) -> Field:
        """What is in the data sets; raises `CorrectionError` if there is nothing to train on or to mix."""
        level = labels[0].manifest.level_of_theory
        sets: list[JudgedSet] = []
        frames: dict[str, tuple[Frame, ...]] = {}
        n_trained = 0
        for dataset in (*labels, *judges):
            name = dataset.manifest.id
            if differs(level, dataset.manifest.level_of_theory):
                raise CorrectionError(
                    f"{name} is {dataset.manifest.level_of_theory.functional}, and "
                    f"{labels[0].manifest.id} {level.functional}: give sets of one functional"
                )
            for case in dataset.of_task("phonons"):
                if isinstance(case, PhononCase):
                    sets.append(
                        JudgedSet(f"{name}, {case.name}", of_forces(case), force_sets([case])[0])
                    )
            for system, own in dataset.by_system().items():
                called = f"{name}, frames of {system}"
                frames[called] = tuple(replace(frame, system=called) for frame in own)
            if dataset in labels:
                n_trained = len(sets)
        if not n_trained:
            raise CorrectionError("none of --labels has force sets; give one that has, as pbe-mini")
        trained = tuple(sets[:n_trained])
        formulas = {each.composition for each in trained}
        judging = [each.composition for each in sets]
        judging += [frame.composition for own in frames.values() for frame in own]
        kept = tuple(
            frame for dataset in labels for frame in dataset.frames if frame.composition in formulas
        )
        return cls(tuple(sets), trained, frames, kept, tuple(dict.fromkeys(judging)))

    def only(self, names: Sequence[str]) -> Field:
        """The same, judged by some compositions; raises `CorrectionError` if one is not there."""
        formulas = tuple(composition(Atoms(name)) for name in names)
        for name, formula in zip(names, formulas, strict=True):
            if formula not in self.formulas:
                known = ", ".join(self.formulas)
                raise CorrectionError(f"{name!r} is not among the compositions: {known}")
        return replace(self, formulas=formulas)

    def choice(self, way: str, formula: str) -> Choice:
        """What is trained on for one composition."""
        sets: tuple[JudgedSet, ...] = ()
        if way != FRAMES:
            sets = tuple(
                each for each in self.trained if (each.composition == formula) == (way == OWN)
            )
        labels: tuple[Frame, ...] = ()
        if way in (FRAMES, BOTH):
            labels = tuple(frame for frame in self.labels if frame.composition != formula)
        return Choice(f"{formula}: {way}", labels, (), force_sets=tuple(s.rows for s in sets))

    def judging(self, formulas: Sequence[str]) -> tuple[Frame, ...]:
        """Frames that say all that is judged of some compositions."""
        of_sets = [
            frame for each in self.sets if each.composition in formulas for frame in each.frames()
        ]
        return (
            *of_sets,
            *(f for own in self.frames.values() for f in own if f.composition in formulas),
        )


def judged(experiment: Experiment, field: Field, way: str, epochs: int) -> Iterator[Judged]:
    """One way of training, by every composition for which there is something to train on."""
    chosen = Chosen(Full(), TrainingSettings(epochs=epochs, validation_share=0.0))
    # Compositions that are not trained on have one and the same fit.
    groups: dict[tuple[object, ...], list[str]] = {}
    for formula in field.formulas:
        choice = field.choice(way, formula)
        if choice.labels or choice.force_sets:
            key = (*map(id, choice.force_sets), *map(id, choice.labels))
            groups.setdefault(key, []).append(formula)
    for formulas in groups.values():
        choice = replace(field.choice(way, formulas[0]), judged=field.judging(formulas))
        before = experiment.trial(Planned(None, replace(choice, labels=(), force_sets=())))
        after = experiment.trial(Planned(chosen, choice))
        if after.fitted.failure is not None:
            raise CorrectionError(f"{choice.name}: {after.fitted.failure}")
        sides = [{group.name: group for group in trial.judged} for trial in (before, after)]
        model = experiment.potential.card.name
        for each in field.sets:
            if each.composition in formulas:
                (old, old_error), (new, error) = (each.judge(side[each.name]) for side in sides)
                yield Judged(
                    *(model, way, each.composition, each.name),
                    *(float(each.rows.lengths.mean()), len(each.rows.displaced)),
                    *(old, new, old_error, error),
                )
        for name, own in field.frames.items():
            if own[0].composition in formulas and with_forces(sides[0][name].frames):
                yield _of_forces(model, way, own[0].composition, name, [s[name] for s in sides])


def _of_forces(
    model: str, way: str, formula: str, name: str, sides: Sequence[MaterialComparison]
) -> Judged:
    found = []
    for side in sides:
        frames = with_forces(side.frames)
        found.append(
            softening(
                np.concatenate([frame.forces_reference.ravel() for frame in frames]),
                np.concatenate([frame.forces_model.ravel() for frame in frames]),
            )
        )
    before, after = found
    return Judged(
        *(model, way, formula, name, math.nan, len(with_forces(sides[0].frames))),
        *(before.slope, after.slope, before.mae, after.mae),
    )


def summary(rows: Sequence[Judged]) -> pd.DataFrame:
    """A line for each model, way and kind of judge; the independent unit is the composition."""
    found = []
    table = pd.DataFrame([asdict(row) for row in rows])
    table["kind"] = np.where(table["amplitude"].isna(), "forces", "ω²")
    for (model, way, data, kind), own in table.assign(
        data=table["judge"].str.partition(",")[0]
    ).groupby(["model", "way", "data", "kind"], sort=False):
        logs = np.log(own["mae"] / own["mae_before"]).groupby(own["formula"]).mean()
        ratio = geometric(list(logs))
        errors = [(own[name] - 1).abs().median() for name in ("slope_before", "slope")]
        found.append(
            {
                "model": model,
                "trained on": way,
                "judge": f"{data}, {kind}",
                "n": ratio.n,
                "|slope - 1| before": errors[0],
                "after": errors[1],
                "MAE, after / before": ratio.value,
                "low": ratio.low,
                "high": ratio.high,
                "worse": ratio.n_worse,
            }
        )
    return pd.DataFrame(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, judge, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for option, needed, what in (
        ("--model", True, "model to train"),
        ("--labels", True, "data set with force sets to train on"),
        ("--judge", False, "data set that only judges"),
    ):
        parser.add_argument(
            option, action="append", default=[], required=needed, metavar="NAME", help=what
        )
    parser.add_argument("--way", action="append", choices=WAYS, help="default: all four")
    parser.add_argument("--only", action="append", metavar="FORMULA", help="composition to judge")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the fits and the table")
    asked = parser.parse_args(arguments)
    field = Field.of(
        *([datasets.load(name) for name in part] for part in (asked.labels, asked.judge))
    )
    if asked.only:
        field = field.only(asked.only)
    rows: list[Judged] = []
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.model:
        experiment = Experiment(
            potential(name), asked.out / TRIALS, on_fit=lambda text: print(text, flush=True)
        )
        for way in asked.way or WAYS:
            for row in judged(experiment, field, way, asked.epochs):
                rows.append(row)
                pd.DataFrame([asdict(each) for each in rows]).to_csv(
                    asked.out / "curvature.csv", index=False
                )
    print(summary(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
