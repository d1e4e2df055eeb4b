"""Surface energies, (E_slab - n e_bulk) / 2A, of stoichiometric slabs.

Fixed: slab and bulk as in the DFT calculation. Relaxed: the bulk with its cell, then the slab at a
fixed cell, deformed as the bulk was: its face is that of a slab cut from the model's own crystal. A slab
whose DFT edges deviate from the DFT bulk's keeps that deviation, so that both sides have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms

from umlip_bench.analysis import energies
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.surfaces import SI, VARIANTS, SurfaceResult, surface_table, wulff_rows
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.benchmarks import slabs
from umlip_bench.benchmarks.fingerprints import digest
from umlip_bench.benchmarks.selection import cheapest
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
from umlip_bench.errors import UmlipBenchError
from umlip_bench.suite import Mode, StructureRequest

UNIT = "eV/Å^2"
CLEAVAGE = "two different faces: mean of both, half the cleavage energy"

WHAT = "surface energies"
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
    def fingerprint(self) -> str:
        """Digest of slab and bulk, and of what they are compared with."""
        return digest((self.slab, self.bulk), np.array(self.reference))


def surface_energy(slab_energy: float, slab: Atoms, bulk_energy: float, bulk: Atoms) -> float:
    """Surface energy in eV/Å² from total energies in eV."""
    return (slab_energy - len(slab) / len(bulk) * bulk_energy) / (2 * slabs.area(slab))


def measure(case: SlabCase) -> Task[SurfaceResult]:
    """Surface energy at the geometry given and after relaxation."""
    slabs.check_stoichiometry(case.slab, case.bulk)
    flags = () if slabs.has_equal_faces(case.slab) else (CLEAVAGE,)
    slab, bulk = yield [Static(case.slab), Static(case.bulk)]
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


class SurfacesSuite:
    """The suite ``surfaces``."""

    name: ClassVar[str] = "surfaces"
    version: ClassVar[int] = 1
    presentation: ClassVar[Presentation] = Presentation(
        labels=(
            *energies.LABELS[:4],
            ("mae_si", "MAE"),
            ("mean_signed_error_si", "signed error"),
            *energies.LABELS[5:],
        ),
        count_metric=energies.COUNT_METRIC,
        cases="surfaces",
        verdict=lambda rows, model: energies.energy_verdict(rows, model, WHAT),
        caption=lambda rows: energies.energy_caption(rows, WHAT),
    )

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[SlabCase]:
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
            for case in dataset.of_task(self.name)
            if isinstance(case, SurfaceCase)
        ]
        match mode:
            case Mode.QUICK:
                return _smallest(found)
            case Mode.STANDARD:
                return [case for case in found if len(case.slab) <= STANDARD_ATOMS]
            case Mode.FULL:
                return found

    def structure_cases(self, request: StructureRequest) -> Sequence[SlabCase]:
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

    def measure(self, case: SlabCase) -> Task[SurfaceResult]:
        """See `measure`."""
        return measure(case)

    def metrics(self, result: SurfaceResult) -> Mapping[str, float | int]:
        """Surface energies in eV/Å² and, ending in ``_si``, in J/m²."""
        numbers = energies.comparison_metrics(result.comparison)
        converted = {
            f"{name}_si": value / SI
            for name, value in numbers.items()
            if name.endswith(("_reference", "_model"))
        }
        return {**numbers, **converted}

    def to_arrays(self, result: SurfaceResult) -> Mapping[str, np.ndarray]:
        """Values, Miller index, lattice, and what was left out."""
        lattice = np.full((3, 3), np.nan) if result.lattice is None else result.lattice
        return {
            **energies.comparison_to_arrays(result.comparison),
            "miller_index": np.array(result.miller_index),
            "lattice": lattice,
            "left_out": np.array(result.left_out, dtype=str),
        }

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> SurfaceResult:
        """The result again; a lattice of nan stands for none."""
        lattice = np.asarray(arrays["lattice"], dtype=float)
        return SurfaceResult(
            energies.comparison_from_arrays(name, arrays),
            tuple(int(index) for index in arrays["miller_index"]),
            None if np.isnan(lattice).any() else lattice,
            tuple(str(words) for words in arrays["left_out"]),
        )

    def rows(
        self, model: str, data: str, results: Sequence[SurfaceResult], n_failed: int
    ) -> list[Row]:
        """Errors in eV/Å² and J/m², scales, and averages over the Wulff shape where there is one."""
        comparisons = [result.comparison for result in results]
        rows = energies.energy_rows(model, data, self.name, comparisons, n_failed)
        converted = [
            energies.in_unit(row, "si", "J/m^2", SI)
            for row in rows
            if row.metric in energies.ERRORS
        ]
        shapes = [
            row
            for variant in VARIANTS
            for row in wulff_rows(RowHead(model, data, self.name, variant, n_failed), results)
        ]
        return rows + converted + shapes

    def case_table(self, results: Sequence[SurfaceResult]) -> CaseTable:
        """Surface energies face by face, and the share of each in the Wulff shape."""
        return surface_table(results)


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
