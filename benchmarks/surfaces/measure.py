"""Surface energies, (E_slab - n e_bulk) / 2A, of stoichiometric slabs.

Fixed: slab and bulk as in the DFT calculation. Relaxed: the bulk with its cell, then the slab at a
fixed cell, deformed as the bulk was: its face is that of a slab cut from the model's own crystal. A slab
whose DFT edges deviate from the DFT bulk's keeps that deviation, so that both sides have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue
from umlip_bench.benchmarks import slabs
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.benchmarks.surfaces.result import SurfaceResult
from umlip_bench.benchmarks.variants import (
    FMAX,
    FMAX_CELL,
    NAN,
    attempt,
    fixed_value,
    relaxed_value,
)
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import Preparation, SurfaceCase
from umlip_bench.engine import Relax, Static, Task
from umlip_bench.ground.errors import UmlipBenchError

UNIT = "eV/Å^2"
CLEAVAGE = "two different faces: mean of both, half the cleavage energy"

QUICK_ATOMS, QUICK_PER_SYSTEM, QUICK_SYSTEMS = 24, 2, 6
"""A quick run takes so many of the smallest slabs."""
STANDARD_ATOMS = 150
"""Larger slabs take a CPU many minutes each."""


@dataclass(frozen=True, eq=False)
class SlabCase:
    """A slab and its bulk.

    Parameters
    ----------
    name, system
        Of the slab and of the material.
    slab, bulk
        Periodic in all directions.
    miller_index
        Three integers, or four for hexagonal axes.
    reference
        DFT's surface energy in eV/Å²; nan if there is none.
    preparation
        How DFT's geometry was prepared.
    lattice
        Shape (3, 3), Å: conventional cell that the Miller index refers to; ``None`` where it is not
        known.
    left_out
        Terminations of the crystal that are no cases, in words.
    """

    name: str
    system: str
    slab: Atoms
    bulk: Atoms
    miller_index: tuple[int, ...]
    reference: float
    preparation: Preparation
    lattice: np.ndarray | None = None
    left_out: tuple[str, ...] = ()

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of((self.slab, self.bulk))


def surface_energy(slab_energy: float, slab: Atoms, bulk_energy: float, bulk: Atoms) -> float:
    """Surface energy in eV/Å² from total energies in eV."""
    return (slab_energy - len(slab) / len(bulk) * bulk_energy) / (2 * slabs.area(slab))


def measure(case: SlabCase) -> Task[SurfaceResult]:
    """Surface energy at the geometry given and after relaxation."""
    slabs.check_stoichiometry(case.slab, case.bulk)
    flags = () if slabs.has_equal_faces(case.slab) else (CLEAVAGE,)
    slab, bulk = yield [Static(case.slab, held=True), Static(case.bulk, held=True)]
    gamma = surface_energy(slab.energy, case.slab, bulk.energy, case.bulk)
    fixed = fixed_value(case.reference, gamma, case.preparation, flags)
    relaxed = yield from attempt(_relaxed(case, flags))
    comparison = EnergyComparison(case.name, case.system, UNIT, (fixed, relaxed))
    return SurfaceResult(comparison, case.miller_index, case.lattice, case.left_out)


def _relaxed(case: SlabCase, flags: tuple[str, ...]) -> Task[EnergyValue]:
    crystal = slabs.primitive(case.bulk)
    bulk = yield Relax(crystal, cell=True, fmax=FMAX_CELL)
    strained = slabs.strained_like(case.slab, crystal, bulk.atoms)
    slab = yield Relax(strained, fmax=FMAX)
    gamma = surface_energy(slab.energy, slab.atoms, bulk.energy, bulk.atoms)
    return relaxed_value(case.reference, gamma, case.preparation, (bulk, slab), flags=flags)


def cases(dataset: Dataset, mode: Mode) -> Sequence[SlabCase]:
    """All usable slabs, or the smallest ones."""
    found = [
        SlabCase(
            name=case.name,
            system=case.system,
            slab=case.slab,
            bulk=case.bulk,
            miller_index=case.miller_index,
            reference=case.surface_energy,
            preparation=case.preparation,
        )
        for case in dataset.of_task("surfaces")
        if isinstance(case, SurfaceCase)
    ]
    match mode:
        case Mode.QUICK:
            return _smallest(found)
        case Mode.STANDARD:
            return [case for case in found if len(case.slab) <= STANDARD_ATOMS]
        case Mode.FULL:
            return found


def structure_cases(request: StructureRequest) -> Sequence[SlabCase]:
    """Every symmetric stoichiometric slab of a crystal, without reference values.

    Raises
    ------
    UmlipBenchError
        If there is none.
    """
    crystal = slabs.conventional(request.atoms)
    crystal.info["system"] = request.name
    cuts = slabs.cut(crystal, request.max_index)
    if not cuts.kept:
        raise UmlipBenchError(
            f"{request.name} has no slab up to Miller index {request.max_index} that is symmetric and "
            f"stoichiometric ({', '.join(cuts.left_out) or 'there is none at all'})"
        )
    terminations = Counter(cut.miller_index for cut in cuts.kept)
    return [
        SlabCase(
            name=_name(request.name, cut, terminations[cut.miller_index]),
            system=request.name,
            slab=cut.slab,
            bulk=crystal,
            miller_index=cut.miller_index,
            reference=NAN,
            preparation=Preparation.AS_BUILT,
            lattice=crystal.cell.array,
            left_out=cuts.left_out,
        )
        for cut in cuts.kept
    ]


def _name(crystal: str, cut: slabs.Cut, n_terminations: int) -> str:
    name = f"{crystal} ({' '.join(map(str, cut.miller_index))})"
    return f"{name}, termination {cut.termination}" if n_terminations > 1 else name


def _smallest(cases: Sequence[SlabCase]) -> list[SlabCase]:
    """A few of the smallest slabs of a few systems."""
    kept: list[SlabCase] = []
    for system in list(dict.fromkeys(case.system for case in cases))[:QUICK_SYSTEMS]:
        small = [c for c in cases if c.system == system and len(c.slab) <= QUICK_ATOMS]
        kept += cheapest(small, QUICK_PER_SYSTEM, lambda case: len(case.slab))
    return kept
