"""What a correction does to materials that it was not fitted to: forgetting, or help.

The materials are those of the embedded set with another composition than the labels'. A model trained on
another functional than the set is not judged: its errors there say something else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench import datasets
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import BeforeAfter, compare
from umlip_bench.finetune.measures import Measures, measure
from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.protocol import Potential

REFERENCE_SET = "pbe-mini"
"""Where a model's usual factor is taken from, and retention is judged on."""

Frames = Mapping[str, tuple[Frame, ...]]
"""Frames by material."""


@dataclass(frozen=True)
class Retention:
    """Other materials before and after.

    Parameters
    ----------
    mae
        Median over materials of the force MAE in eV/Å.
    slope
        Median over materials of the force slope; dimensionless.
    materials
        Those judged.
    worse
        Those of them whose force MAE grows.
    replayed
        Materials on which the model was held to its parent; they are not judged.
    """

    mae: BeforeAfter
    slope: BeforeAfter
    materials: tuple[str, ...]
    worse: tuple[str, ...]
    replayed: tuple[str, ...] = ()


def of_other_functional(potential: Potential) -> bool:
    """Whether a model is known to have been trained on another functional than the reference set."""
    expected = datasets.load(REFERENCE_SET).manifest.level_of_theory.functional
    return potential.card.level_of_theory.functional not in (expected, "unknown")


def other_materials(potential: Potential, compositions: Collection[str]) -> Frames:
    """Materials of the reference set to judge a model by.

    Parameters
    ----------
    potential
        The model before its correction.
    compositions
        Reduced formulas that are fitted, and left out.

    Returns
    -------
    dict
        Frames by material, of the elements that the model knows; empty if the model was trained on another
        functional.
    """
    if of_other_functional(potential):
        return {}
    found: dict[str, tuple[Frame, ...]] = {}
    for name, frames in datasets.load(REFERENCE_SET).by_system().items():
        if frames and frames[0].composition not in compositions and _knows(potential, frames[0]):
            found[name] = frames
    return found


def replayed_half(others: Frames) -> Frames:
    """Every second material, to hold a model to its parent; the rest judges whether that helps."""
    return {name: others[name] for name in sorted(others)[::2]}


def measure_others(potential: Potential, others: Frames) -> dict[str, Measures]:
    """A model on each of the materials."""
    frames = [frame for each in others.values() for frame in each]
    return {each.name: measure([each]) for each in compare(potential, frames)} if frames else {}


def retention(
    before: Mapping[str, Measures], after: Mapping[str, Measures], replayed: Sequence[str] = ()
) -> Retention | None:
    """Compare a model with its parent on the materials that both were measured on.

    ``None`` if there is no material to judge by.
    """
    names = tuple(name for name in before if name in after and name not in replayed)
    if not names:
        return None

    def medians(field: str) -> BeforeAfter:
        old, new = ([getattr(m[name], field) for name in names] for m in (before, after))
        return BeforeAfter(float(np.median(old)), float(np.median(new)))

    return Retention(
        mae=medians("force_mae"),
        slope=medians("force_slope"),
        materials=names,
        worse=tuple(n for n in names if after[n].force_mae > before[n].force_mae),
        replayed=tuple(replayed),
    )


def _knows(potential: Potential, frame: Frame) -> bool:
    try:
        if potential.card.elements:
            potential.prepare(frame.atoms)
        else:  # a calculator tells only when it is asked
            predict(potential, [frame.atoms])
    except StructureError:
        return False
    return True
