"""Fine-tuning of 7net-0 here and by equitrain: labels, held-out frames and measures of `umlip-finetune race`.

    umlip-bench env build sevennet
    python tests/tools/against_equitrain.py FOLDER --equitrain PYTHON
    python tests/tools/against_equitrain.py FOLDER --equitrain PYTHON --set mlearn --sizes 1,10 --epochs 20
        --materials "Si AIMD-NVT,Mo AIMD-NVT"

PYTHON is that of an environment with ``equitrain[torch]`` 1.0.0 and ``sevenn`` 0.13.0; here psutil is needed.
FOLDER keeps all fits: the same command goes on. Both sides get the same structures, forces, stresses and
energies, the latter on the model's zero as `full` has them; where that leaves nothing to learn from, they are
the model's own. Seconds are of the processor, of one thread. What starting takes is apart: a `full` of one
epoch, and equitrain's process until it has imported all.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ase.io
import numpy as np
import psutil  # type: ignore[import-untyped]
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

import umlip_bench
from umlip_bench import datasets
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import beside
from umlip_bench.finetune.curve import draw
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.experiment import NONE, Choice, Experiment, Made, Planned
from umlip_bench.finetune.measures import measure
from umlip_bench.finetune.method import Chosen, method
from umlip_bench.finetune.methods.scalar import ScalarSettings
from umlip_bench.finetune.race import (
    RaceEntry,
    RaceMaterial,
    RacePlan,
    RaceRatio,
    RaceResult,
    entries,
    summarise,
)
from umlip_bench.finetune.race_materials import race_materials
from umlip_bench.finetune.training.alignment import Alignment, EnergyUse
from umlip_bench.finetune.training.labels import align_labels, split_labels
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

MODEL = "sevennet:7net-0"
MATERIALS = "Al,GaAs,LiF,MgO,NaCl,Si,SiC,ZnS"
SAME = 1e-4
"""Of predictions of the unmodified weights in the two environments, in eV/Å and eV/Å³."""


@dataclass(frozen=True)
class Variant:
    """A way to use equitrain.

    Parameters
    ----------
    name
        That it races under.
    adapter
        ``lora`` or ``delta``; ``None`` for the model as it is.
    of_adapter, options
        Their arguments; what is not given is equitrain's default.
    turned
        Whether stresses are given as its wrapper of SevenNet returns them: of the other sign, with those of
        xy, yz and xz in the places of yz, xz and xy.
    """

    name: str
    adapter: str | None
    of_adapter: Mapping[str, float]
    options: Mapping[str, float | str]
    turned: bool = True


EXAMPLE = {"rank_reduction": 75, "alpha": 16}
"""That of its page on fine-tuning, which also asks for a weight decay of 1e-6 to 1e-4."""
DECAY = {"weight_decay": 1e-6}
UNCHANGED = Variant("equitrain, none", None, {}, {})
VARIANTS = (
    Variant("equitrain lora", "lora", EXAMPLE, DECAY, turned=False),
    Variant("equitrain lora, stress turned", "lora", EXAMPLE, DECAY),
    Variant("equitrain lora, stress turned, rate 0.03", "lora", EXAMPLE, {**DECAY, "lr": 0.03}),
)


@dataclass(frozen=True)
class Job:
    """A fit that equitrain is to make.

    Parameters
    ----------
    folder
        Of its files.
    material, variant
        What is fitted to what.
    labels, judged
        What it is fitted to, and what it is to predict.
    """

    folder: Path
    material: str
    variant: Variant
    labels: tuple[Frame, ...]
    judged: tuple[Frame, ...]

    def write(self, potential: Potential, settings: TrainingSettings) -> None:
        """What `equitrain_fits.py` reads; what it found by other settings is removed."""
        given = {"epochs": settings.epochs, "batch_size": settings.batch_size}
        content = {
            "adapter": self.variant.adapter,
            "of_adapter": self.variant.of_adapter,
            "options": {**given, **self.variant.options},
        }
        text = json.dumps(content)
        file = self.folder / "settings.json"
        if file.exists() and file.read_text() == text:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "fit.json").unlink(missing_ok=True)
        ase.io.write(self.folder / "judged.xyz", [_bare(each) for each in self.judged])
        split = split_labels(len(self.labels), settings)
        training, validation = (
            [self.labels[k] for k in part] for part in (split.training, split.validation)
        )
        if training:
            alignment = align_labels(potential, training)
            for name, frames in (("training", training), ("validation", validation or training)):
                own = predict(potential, [each.atoms for each in frames], stress=False)
                labelled = [
                    _labelled(frame, alignment, before.energy, self.variant.turned)
                    for frame, before in zip(frames, own, strict=True)
                ]
                ase.io.write(self.folder / f"{name}.xyz", labelled)
        file.write_text(text)

    def found(self) -> dict[str, float]:
        """What is said of it: seconds, and those of starting."""
        content: dict[str, float] = json.loads((self.folder / "fit.json").read_text())
        return content

    def predictions(self) -> list[Prediction]:
        """Of the judged frames."""
        with np.load(self.folder / "predictions.npz") as arrays:
            ends = np.cumsum([len(each.atoms) for each in self.judged])[:-1]
            forces = np.split(arrays["forces"], ends)
            rows = zip(arrays["energies"], forces, arrays["stresses"], strict=True)
            return [Prediction(float(e), f, s, None) for e, f, s in rows]

    def entry(self, model: str) -> RaceEntry:
        """As one of the race."""
        measures = measure(beside(self.judged, self.predictions()))
        head = (model, self.material, self.variant.name, len(self.labels), 0)
        return RaceEntry(*head, measures, math.nan, math.nan, self.found()["seconds"])


def _labelled(frame: Frame, alignment: Alignment, own: float, turned: bool) -> Atoms:
    """A label as ASE has it, on the model's zero of energy."""
    assert frame.stress is not None
    stress = full_3x3_to_voigt_6_stress(frame.stress)
    atoms = _bare(frame)
    atoms.calc = SinglePointCalculator(
        atoms,
        energy=own if alignment.use is EnergyUse.NONE else frame.energy - alignment.of(frame.atoms),
        forces=frame.forces,
        stress=-stress[[0, 1, 2, 5, 3, 4]] if turned else stress,
    )
    return atoms


def _bare(frame: Frame) -> Atoms:
    atoms = frame.atoms.copy()
    atoms.info, atoms.calc = {}, None
    return atoms


class Timed(Experiment):
    """Its seconds are those of the processor, of this process and of all that it started."""

    def fit(self, planned: Planned) -> Made:
        """As it is, with predictions of the judged frames within the seconds."""
        begun = _spent()
        fitted, arrays = super().fit(planned)
        return replace(fitted, seconds=_spent() - begun), arrays


def _spent() -> float:
    living = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return sum(os.times()[:4]) + sum(sum(each[:4]) for each in living)


def jobs_of(materials: Sequence[RaceMaterial], sizes: Sequence[int], folder: Path) -> Iterator[Job]:
    """What equitrain races with, by the draws of the race."""
    fits = [(0, UNCHANGED), *((n, variant) for n in sorted(sizes) for variant in VARIANTS)]
    for k, (n, variant) in enumerate(fits):
        for material in materials:
            drawn = draw(material.frames, max(sizes), 1)
            own = folder / f"{k} {material.name}".replace(",", "").replace(" ", "-")
            yield Job(own, material.name, variant, drawn.orders[0][:n], drawn.held_out)


def difference(jobs: Sequence[Job], potential: Potential) -> float:
    """Largest difference of forces and stresses of the model as it is in the two environments."""
    largest = 0.0
    for job in jobs:
        if job.variant is not UNCHANGED:
            continue
        ours = predict(potential, [each.atoms for each in job.judged])
        for one, other in zip(ours, job.predictions(), strict=True):
            assert one.stress is not None
            assert other.stress is not None
            for a, b in ((one.forces, other.forces), (one.stress, other.stress)):
                largest = max(largest, float(np.abs(a - b).max()))
    return largest


def ours(
    experiment: Experiment, materials: Sequence[RaceMaterial], sizes: Sequence[int], epochs: int
) -> tuple[list[RaceEntry], float]:
    """Our side of the race, without the seconds of predictions, and what starting a `full` takes."""
    scalar, full = method("scalar"), method("full")
    methods = {
        "scalar, mse": Chosen(scalar, ScalarSettings(estimator=Estimator.MSE)),
        "scalar": Chosen(scalar, ScalarSettings()),
        "full": Chosen(full, TrainingSettings(epochs=epochs)),
    }
    found = list(entries(experiment, materials, RacePlan(methods, tuple(sizes), 1)))
    predicting = {each.material: each.seconds for each in found if each.method == NONE}
    first, drawn = materials[0], draw(materials[0].frames, max(sizes), 1)
    short = Chosen(full, TrainingSettings(epochs=1))
    choice = Choice(f"{first.name}, one epoch", drawn.orders[0][: min(sizes)], drawn.held_out)
    start = experiment.trial(Planned(short, choice)).fitted.seconds - predicting[first.name]
    apart = {"full": start}
    return [
        replace(e, seconds=e.seconds - predicting[e.material] - apart.get(e.method, 0.0))
        for e in found
    ], start


def paired(found: Sequence[RaceEntry], one: str, other: str, n: int) -> RaceRatio:
    """Force errors of one method over those of another, of the same materials and labels."""
    before = [
        replace(each, method=NONE, n_labels=0)
        for each in found
        if (each.method, each.n_labels) == (other, n)
    ]
    after = [each for each in found if (each.method, each.n_labels) == (one, n)]
    return summarise([*before, *after])[-1].force


def line(result: RaceResult, start: float | None) -> str:
    """Of the table."""
    if not result.n_labels:
        return f"| {result.method} | | | | | {result.force_slope:.2f} | | |"
    worse = f"{result.force.n_worse} of {result.force.n}"
    cells = (
        *(result.method, result.n_labels, _ratio(result.force), worse, _ratio(result.stress)),
        *(f"{result.force_slope:.2f}", f"{result.seconds:.0f}"),
        "" if start is None else f"{start:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _ratio(ratio: RaceRatio) -> str:
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f}"
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def main(asked: argparse.Namespace) -> None:
    """Race, and print the tables."""
    sizes, settings = (
        [int(n) for n in asked.sizes.split(",")],
        TrainingSettings(epochs=asked.epochs),
    )
    sets = {asked.set: datasets.load(asked.set)}
    field = race_materials(sets, (), asked.materials.split(","), max(sizes))
    materials = [RaceMaterial(each.name, each.frames) for each in field.materials]
    potential = umlip_bench.potential(MODEL, device="cpu")
    jobs = list(jobs_of(materials, sizes, asked.folder / "equitrain"))
    for job in jobs:
        job.write(potential, settings)
    script = Path(__file__).with_name("equitrain_fits.py")
    one_thread = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    command = [asked.equitrain, script, asked.folder / "equitrain"]
    subprocess.run(command, check=True, env=one_thread)
    largest = difference(jobs, potential)
    if not largest <= SAME:
        raise SystemExit(f"the unmodified weights differ by {largest:.1e}: nothing is compared")
    experiment = Timed(potential, asked.folder / "trials")
    own, start = ours(experiment, materials, sizes, asked.epochs)
    found = [*own, *(job.entry(potential.card.name) for job in jobs)]
    starts = {"full": start}
    starts |= {each.name: max(job.found()["start"] for job in jobs) for each in VARIANTS}
    print(f"unmodified weights: {largest:.1e} apart; {len(materials)} materials")
    for result in sorted(summarise(found), key=lambda each: each.n_labels):
        print(line(result, starts.get(result.method)))
    for n in sorted(sizes):
        for variant in VARIANTS:
            ratio = paired(found, "full", variant.name, n)
            print(f"{n} labels, full / {variant.name}: {_ratio(ratio)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="See the head of the file.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--equitrain", type=Path, required=True)
    parser.add_argument("--set", default="pbe-mini")
    parser.add_argument("--materials", default=MATERIALS)
    parser.add_argument("--sizes", default="1,4")
    parser.add_argument("--epochs", type=int, default=50)
    main(parser.parse_args())
