"""Equations of state: energy against volume, at DFT's geometries and around the model's own minimum.

All points of a curve are single points of one cell scaled without change of shape or fractional
coordinates, as in the reference data. A crystal keeps its symmetry as it relaxes, as it does in DFT: a
prototype that the model would rather not have is not left by rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.eos.result import AMPLITUDES, EnergyCurve, EosComparison
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import EosCase
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.requests import Static, Task
from umlip_bench.ground.birch_murnaghan import Equilibrium
from umlip_bench.ground.conventional_cell import ConventionalCell, conventional_cell
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.units import GPA

STRAINS = np.linspace(-0.06, 0.06, 7)
"""Relative volumes of a curve, as in the Delta project."""
FMAX = 0.002
"""eV/Å, of the model's own relaxation: V₀ comes from the fit, only the shape from here."""
STEPS = 1000
SYMPREC = 1e-3
"""Å; tolerance with which the symmetry that relaxations keep is found."""
QUICK_CASES = 12


@dataclass(frozen=True, eq=False)
class EosMeasurement:
    """A crystal whose equation of state is measured.

    Parameters
    ----------
    name
        Unique in the data set.
    atoms
        At DFT's equilibrium volume, or as given.
    reference
        DFT's curve for the cell; ``None`` if there is none.
    reference_points
        The points it was fitted to; ``None`` where only the fit is known.
    system
        As in `EosComparison`.
    """

    name: str
    atoms: Atoms
    reference: Equilibrium | None = None
    reference_points: EnergyCurve | None = None
    system: str = ""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of([self.atoms])


def measure(case: EosMeasurement) -> Task[EosComparison]:
    """One curve at DFT's volumes, where there are any, and one around the model's own."""
    fixed = None
    if case.reference is not None:
        points = case.reference_points
        volumes = case.reference.volume * (1 + STRAINS) if points is None else points.volumes
        fixed = yield from _curve(case.atoms, volumes)
    scan = yield from _scan(case)
    relaxed, own_cell, note = None, None, ""
    try:
        own = yield Relax(case.atoms, cell=True, fmax=FMAX, steps=STEPS, symprec=SYMPREC)
        if own.converged:
            relaxed = yield from _curve(own.atoms, own.atoms.get_volume() * (1 + STRAINS))
            own_cell = _cell_at_minimum(own.atoms, relaxed)
        else:
            note = f"not relaxed: {own.fmax:.2g} eV/Å are left after {own.steps} steps"
    except StructureError as error:
        # The curve at DFT's volumes stands on its own feet.
        if fixed is None:
            raise
        note = f"not relaxed: {error}"
    if fixed is None and relaxed is None:
        raise StructureError(f"{case.name}: {note}")
    return EosComparison(
        name=case.name,
        n_atoms=len(case.atoms),
        reference=case.reference,
        reference_points=case.reference_points,
        fixed=fixed,
        relaxed=relaxed,
        note=note,
        scan=scan,
        system=case.system,
        own_cell=own_cell,
    )


def _cell_at_minimum(atoms: Atoms, curve: EnergyCurve) -> ConventionalCell | None:
    minimum = curve.equilibrium
    return None if minimum is None else conventional_cell(scaled(atoms, minimum.volume), SYMPREC)


def _scan(case: EosMeasurement) -> Task[AmplitudeScan | None]:
    """K = -V dp/dV from pressures at smaller and larger volumes, fractional coordinates fixed."""
    volume = case.atoms.get_volume() if case.reference is None else case.reference.volume
    changes = [sign * amplitude for amplitude in AMPLITUDES for sign in (1, -1)]
    answers = yield [
        Static(scaled(case.atoms, volume * (1 + change)), stress=True, held=True)
        for change in changes
    ]
    if any(each.stress is None for each in answers):
        return None
    tension = np.array([np.trace(each.stress) / 3 for each in answers]).reshape(-1, 2)
    moduli = (tension[:, 0] - tension[:, 1]) / (2 * np.array(AMPLITUDES))
    dft = np.nan if case.reference is None else case.reference.bulk_modulus
    return AmplitudeScan(np.array(AMPLITUDES), moduli / GPA, moduli / dft)


def _curve(atoms: Atoms, volumes: np.ndarray) -> Task[EnergyCurve]:
    """Single points of a cell scaled to volumes in Å³, shape (P,)."""
    predictions = yield [Static(scaled(atoms, volume), held=True) for volume in volumes]
    return EnergyCurve(np.asarray(volumes), np.array([each.energy for each in predictions]))


def scaled(atoms: Atoms, volume: float) -> Atoms:
    """Copy with another volume in Å³, of the same shape and fractional coordinates."""
    out = atoms.copy()
    out.set_cell(atoms.cell.array * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
    return out


def cases(dataset: Dataset, mode: Mode) -> Sequence[EosMeasurement]:
    """One case for each usable curve; a quick run takes the smallest cells."""
    found = [_of(case) for case in dataset.of_task("eos") if isinstance(case, EosCase)]
    if mode is Mode.QUICK:
        return cheapest(found, QUICK_CASES, lambda case: len(case.atoms))
    return found


def structure_cases(request: StructureRequest) -> Sequence[EosMeasurement]:
    """The structure itself."""
    return [EosMeasurement(request.name, request.atoms)]


def _of(case: EosCase) -> EosMeasurement:
    reference = Equilibrium(case.volume, case.bulk_modulus, case.bulk_modulus_derivative)
    points = None
    if case.volumes is not None and case.energies is not None:
        points = EnergyCurve(case.volumes, case.energies)
    return EosMeasurement(case.name, case.atoms, reference, points, case.system)
