"""Paths whose barriers are measured: of a data set, of a number alone, or of a crystal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from umlip_bench.analysis.energies import EnergyVariant
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.migration.hops import MOST_HOPS, N_IMAGES, hop_of_length, vacancy_hops
from umlip_bench.benchmarks.migration.result import has_barrier
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.barrier_case import BarrierCase
from umlip_bench.datasets.cases import MigrationCase, PathMethod
from umlip_bench.datasets.path_mending import interpolate
from umlip_bench.ground.errors import UmlipBenchError

QUICK_CASES = 4
QUICK_HOPS = 1
"""Of a structure; each takes minutes on a CPU."""

PREPARED = {
    PathMethod.FIXED: EnergyVariant.FIXED,
    PathMethod.APPROX_NEB: EnergyVariant.APPROX_NEB,
    PathMethod.NEB: EnergyVariant.NEB,
}
"""The variant whose images came about as DFT's did."""


@dataclass(frozen=True, eq=False)
class Migration:
    """A path to be measured.

    Parameters
    ----------
    name, system
        The path, unique in its data set, and the material.
    images
        In order, at least three.
    moving
        Index of the ion.
    energies
        DFT's, shape (images,), eV, nan where one is not known; ``None`` if there are none.
    prepared
        The variant that DFT prepared the images by.
    notes
        What a reader should know of the path itself.
    forces
        DFT's, shape (images, N, 3), eV/Å; ``None`` if there are none.
    barrier_alone
        The barrier, eV, where nothing else of a path is known; nan elsewhere.
    """

    name: str
    system: str
    images: tuple[Atoms, ...]
    moving: int
    energies: np.ndarray | None
    prepared: EnergyVariant = EnergyVariant.FIXED
    notes: tuple[str, ...] = ()
    forces: np.ndarray | None = None
    barrier_alone: float = float("nan")

    @property
    def known(self) -> bool:
        """Whether DFT's energies of all images are known."""
        return self.energies is not None and bool(np.isfinite(self.energies).all())

    @property
    def has_reference(self) -> bool:
        """Whether a barrier can be compared: that of all images, or the number alone."""
        return self.known or bool(np.isfinite(self.barrier_alone))

    @property
    def barrier(self) -> float:
        """DFT's, kinetically resolved, eV; nan if it is not known, or DFT's path has none."""
        if np.isfinite(self.barrier_alone):
            return self.barrier_alone
        if self.energies is None or not self.known or not has_barrier(self.energies):
            return float("nan")
        return float(self.energies.max() - 0.5 * (self.energies[0] + self.energies[-1]))

    @property
    def asymmetry(self) -> float:
        """DFT's energy of the last end point above the first, eV; nan if it is not known."""
        return (
            float("nan") if self.energies is None else float(self.energies[-1] - self.energies[0])
        )

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of(self.images[:1])


def cases(dataset: Dataset, mode: Mode) -> Sequence[Migration]:
    """One case for each usable path; the cheapest in quick mode."""
    found = [
        Migration(
            name=case.name,
            system=case.system,
            images=case.images,
            moving=case.moving_ion,
            energies=np.asarray(case.energies),
            prepared=PREPARED[case.method],
            notes=case.notes,
            forces=case.forces,
        )
        for case in dataset.of_task("migration")
        if isinstance(case, MigrationCase)
    ]
    found += [
        _of_barrier(case) for case in dataset.of_task("migration") if isinstance(case, BarrierCase)
    ]
    return cheapest(found, QUICK_CASES, _n_atoms) if mode is Mode.QUICK else found


def _of_barrier(case: BarrierCase) -> Migration:
    """With a path of our own: a barrier is that of a band, however it was found.

    Raises
    ------
    DataError
        If there is no such hop.
    """
    if case.last is not None:
        images = interpolate(case.atoms, case.last, N_IMAGES)
        steps = find_mic(case.last.positions - case.atoms.positions, case.atoms.cell)[1]
        moving = int(np.argmax(np.where(case.atoms.symbols == case.ion, steps, -1.0)))
    else:
        hop = hop_of_length(vacancy_hops(case.atoms, case.ion), case.distance, case.name)
        images, moving = hop.images, hop.moving
    return Migration(
        name=case.name,
        system=case.system,
        images=images,
        moving=moving,
        energies=None,
        prepared=EnergyVariant.NEB,
        barrier_alone=case.barrier,
    )


def structure_cases(request: StructureRequest) -> Sequence[Migration]:
    """Symmetry-distinct hops of an ion into a vacancy next to it; the shortest in quick mode.

    Raises
    ------
    UmlipBenchError
        If no ion was named, or it has nowhere to go.
    """
    if request.ion is None:
        symbols = ", ".join(dict.fromkeys(request.atoms.get_chemical_symbols()))
        raise UmlipBenchError(f"migration: name the ion that moves with --ion, one of {symbols}")
    most = QUICK_HOPS if request.mode is Mode.QUICK else MOST_HOPS
    return [
        Migration(hop.name, request.name, hop.images, hop.moving, None)
        for hop in vacancy_hops(request.atoms, request.ion, most)
    ]


def _n_atoms(case: Migration) -> int:
    return sum(map(len, case.images))
