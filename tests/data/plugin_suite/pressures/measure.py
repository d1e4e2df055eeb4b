"""How pressures are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ase import Atoms

from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import EosCase
from umlip_bench.engine.requests import Static, Task
from umlip_bench.ground.birch_murnaghan import BirchMurnaghan, Equilibrium

from . import Pressures

COMPRESSION = 0.98
"""Volume over DFT's."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """A crystal and DFT's pressure, eV/Å³."""

    name: str
    atoms: Atoms
    pressure: float

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return tuple(sorted(set(self.atoms.get_chemical_symbols())))


def cases(dataset: Dataset, mode: Mode) -> Sequence[Compressed]:
    """The crystals of the data's equations of state."""
    return [_of(case) for case in dataset.of_task("eos") if isinstance(case, EosCase)]


def measure(case: Compressed) -> Task[Pressures]:
    """One evaluation."""
    prediction = yield Static(case.atoms, stress=True)
    return Pressures(case.name, case.pressure, -float(prediction.stress.trace()) / 3)


def _of(case: EosCase) -> Compressed:
    atoms = case.atoms.copy()
    atoms.set_cell(atoms.cell.array * COMPRESSION ** (1 / 3), scale_atoms=True)
    curve = Equilibrium(case.volume, case.bulk_modulus, case.bulk_modulus_derivative)
    pressure = BirchMurnaghan.of(curve).pressure(COMPRESSION * case.volume)
    return Compressed(case.name, atoms, float(pressure))
