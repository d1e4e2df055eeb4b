"""Materials of a race: frames to fit to and judge by, and what data sets hold besides of the same crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.datasets import Dataset, Frame
from umlip_bench.datasets.cases import PhononCase, ReferenceCase, SurfaceCase
from umlip_bench.datasets.frame import composition
from umlip_bench.finetune.comparison import MIN_RMS_FORCE
from umlip_bench.finetune.phonon_labels import force_sets
from umlip_bench.finetune.race import RaceMaterial
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.level_of_theory import differs


@dataclass(frozen=True, eq=False)
class RaceField:
    """Who takes part.

    Parameters
    ----------
    materials
        In the order of the sets.
    notes
        What was left out and why, a sentence each.
    """

    materials: tuple[RaceMaterial, ...]
    notes: tuple[str, ...]


def race_materials(
    sets: Mapping[str, Dataset],
    others: Sequence[Dataset],
    names: Sequence[str],
    largest: int,
) -> RaceField:
    """Choose the materials of a race.

    Parameters
    ----------
    sets
        Data sets of labels, by what they are called.
    others
        Data sets whose force sets and surfaces judge besides those of the labels' own set; they count where
        both functionals are known to be the same, or one is unknown.
    names
        Materials to take; none for all that have more frames than `largest`.
    largest
        The largest number of labels.

    Raises
    ------
    CorrectionError
        If a material is in no set or in two, has too few frames, or none is left.
    """
    found, notes, few = [], [], []
    known = {(data, material) for data, each in sets.items() for material in each.by_system()}
    for name in names:
        holding = [data for data, material in known if material == name]
        if len(holding) != 1:
            has = ", ".join(sorted(material for _, material in known))
            where = f"in {' and '.join(sorted(holding))}" if holding else "in none of the sets"
            raise CorrectionError(
                f"the material {name!r} is {where}; name one that is in one set: {has}"
            )
    for data, dataset in sets.items():
        judges = [dataset, *others]
        level = dataset.manifest.level_of_theory
        for other in others:
            if differs(level, other.manifest.level_of_theory):
                judges.remove(other)
                notes.append(
                    f"{other.manifest.id} does not judge materials of {data}: its functional is "
                    f"{other.manifest.level_of_theory.functional}, not {level.functional}"
                )
        for material, frames in dataset.by_system().items():
            if names and material not in names:
                continue
            able = tuple(f for f in frames if np.sqrt(np.mean(f.forces**2)) >= MIN_RMS_FORCE)
            if len(able) <= largest:
                few.append(f"{material} ({len(able)})")
                continue
            formulas = {frame.composition for frame in able}
            found.append(_material(f"{data}, {material}", able, judges, formulas))
    if few and names:
        raise CorrectionError(
            f"too few frames with forces for {largest} labels and something to judge by: "
            f"{', '.join(few)}; give smaller --sizes, or other materials"
        )
    if not found:
        raise CorrectionError(
            f"no material has more than {largest} frames with forces: {', '.join(few)}"
        )
    if few:
        notes.append(f"left out, since they have too few frames with forces: {', '.join(few)}")
    return RaceField(tuple(found), tuple(notes))


def _material(
    name: str, frames: tuple[Frame, ...], judges: Sequence[Dataset], formulas: set[str]
) -> RaceMaterial:
    cases = [
        each for judge in judges for task in ("phonons", "surfaces") for each in judge.of_task(task)
    ]
    return RaceMaterial(
        name,
        frames,
        force_sets(each for each in cases if _formula(each) in formulas),
        tuple(
            each for each in cases if isinstance(each, SurfaceCase) and _formula(each) in formulas
        ),
    )


def _formula(case: ReferenceCase) -> str | None:
    if isinstance(case, SurfaceCase):
        return composition(case.bulk)
    return composition(case.unitcell) if isinstance(case, PhononCase) else None
