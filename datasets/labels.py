"""DFT labels as they travel with an ASE structure, and how they become a `Frame`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from umlip_bench.datasets.cases import FramesCase, Preparation
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.label_names import STANDARD, LabelNames, listed, names_of_energy, present
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory

ENERGY, FORCES, STRESS, SYSTEM = "REF_energy", "REF_forces", "REF_stress", "system"
FREE_ENERGY = "REF_free_energy"
"""Key of the energy whose gradient the forces are, eV, where a code gives it."""

FORMAT = (
    f"extended XYZ with {ENERGY} (eV, total) and optionally {STRESS} (eV/Å³; 3x3, nine numbers or six "
    f"in Voigt order) and {SYSTEM} (name of the material) in the comment line, and {FORCES} (eV/Å) "
    "as a column"
)


def frames_cases(frames: Iterable[Frame], level: LevelOfTheory) -> tuple[FramesCase, ...]:
    """One case for each material, in order of first appearance."""
    groups: dict[str, list[Frame]] = {}
    for each in frames:
        groups.setdefault(each.system, []).append(each)
    return tuple(
        FramesCase(
            name=system,
            system=system,
            level_of_theory=level,
            preparation=Preparation.SAMPLED,
            frames=tuple(members),
        )
        for system, members in groups.items()
    )


def from_calculator(atoms: Atoms, system: str | None = None) -> Atoms:
    """Copy with the results of its calculator as labels, energy extrapolated to zero smearing.

    Parameters
    ----------
    atoms
        With a calculator that holds results, as ASE's readers of DFT output and databases give it.
    system
        Name of the material, or ``None`` for the one in ``info``, if any.
    """
    out = atoms.copy()
    if atoms.calc is not None:
        results = atoms.calc.results
        if "energy" in results:
            out.info[ENERGY] = float(results["energy"])
        if "forces" in results:
            # Without constraints applied: those belong to the relaxation, not to the surface.
            out.arrays[FORCES] = np.array(results["forces"], dtype=float)
        if "stress" in results:
            out.info[STRESS] = np.array(results["stress"], dtype=float)
    if system is not None:
        out.info[SYSTEM] = system
    return out


def with_standard_names(where: str, atoms: Atoms, reading: LabelReading) -> Atoms:
    """A structure whose labels, of which forces may be missing, are called as the standard form has them.

    Raises
    ------
    DataError
        If it has several energies that differ.
    """
    names = names_of_energy(where, atoms, reading)
    if names is None or (names.energy == ENERGY and reading.stress_key is None):
        return atoms
    there = present(atoms)
    out = atoms.copy()
    out.info[ENERGY] = there[names.energy]
    if names.forces in there:
        out.arrays[FORCES] = np.array(there[names.forces])
    stress = _stress(where, atoms, there, names)
    if stress is not None:
        out.info[STRESS] = stress
    return out


def geometry_of(atoms: Atoms) -> Atoms:
    """Copy without anything but elements, positions, cell, periodicity and, where they are given, masses."""
    return Atoms(
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell,
        pbc=atoms.pbc,
        masses=atoms.get_masses() if atoms.has("masses") else None,
    )


def bare(atoms: Atoms) -> Atoms:
    """Copy of the geometry alone, as the standard form has it."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def structure_of(frame: Frame) -> Atoms:
    """A frame's structure with its labels by the names of the standard form."""
    atoms = bare(frame.atoms)
    atoms.info = {SYSTEM: frame.system, ENERGY: frame.energy}
    if frame.stress is not None:
        atoms.info[STRESS] = frame.stress
    atoms.arrays[FORCES] = frame.forces
    return atoms


def frame(where: str, index: int, atoms: Atoms, names: LabelNames = STANDARD) -> Frame:
    """Check the labels of a structure and take them out of it.

    Parameters
    ----------
    where
        Names the structure in messages, e.g. file and frame.
    index
        Position in the source.
    atoms
        With labels in ``info`` and ``arrays`` as `FORMAT` says. Without ``system`` it belongs to the
        material of its reduced formula.
    names
        What its labels are called there, or in the results of its calculator.

    Raises
    ------
    DataError
        If labels are missing, of the wrong shape or not finite.
    """
    there = present(atoms)
    for key in (names.energy, names.forces):
        if key not in there:
            raise DataError(f"{where}: {key} is missing; {listed(there)}; expected {FORMAT}")
    energy = there[names.energy]
    if not isinstance(energy, int | float | np.number) or not np.isfinite(energy):
        raise DataError(f"{where}: {names.energy} is {energy!r}; it must be a finite number in eV")
    forces = _array(there[names.forces])
    if forces.shape != (len(atoms), 3) or forces.dtype.kind not in "fi":
        raise DataError(
            f"{where}: {names.forces} has shape {forces.shape}; needed are 3 columns of numbers"
        )
    if not np.isfinite(forces).all():
        atom = int(np.flatnonzero(~np.isfinite(forces).all(axis=1))[0])
        raise DataError(
            f"{where}: {names.forces} of atom {atom} is {forces[atom]}; it must be finite"
        )
    geometry = geometry_of(atoms)
    system = str(atoms.info.get(SYSTEM) or geometry.symbols.formula.reduce()[0].format("metal"))
    geometry.info["system"] = f"{system}, frame {index}"
    return Frame(
        atoms=geometry,
        energy=float(energy),
        forces=forces.astype(float),
        stress=_stress(where, atoms, there, names),
        system=system,
        index=index,
    )


def stress_of(where: str, atoms: Atoms) -> np.ndarray | None:
    """Shape (3, 3), eV/Å³, under the name of the standard form; ``None`` where there is none.

    Raises
    ------
    DataError
        If it is no stress.
    """
    return _stress(where, atoms, present(atoms), STANDARD)


def _stress(
    where: str, atoms: Atoms, there: dict[str, object], names: LabelNames
) -> np.ndarray | None:
    """The stress, or what the virial says of it that is named in its place."""
    if names.use_virial:
        given = [key for key in names.virials if key in there]
        return -_tensor(where, given[0], there) / atoms.get_volume() if given else None
    if names.stress not in there:
        return None
    return names.stress_factor * _tensor(where, names.stress, there)


def _tensor(where: str, key: str, there: dict[str, object]) -> np.ndarray:
    """Shape (3, 3), of the numbers in one of three forms."""
    try:
        stress = np.asarray(there[key], dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {key} is {there[key]!r}, not numbers") from None
    if stress.shape == (6,):
        stress = voigt_6_to_full_3x3_stress(stress)
    if stress.size != 9 or not np.isfinite(stress).all():
        raise DataError(
            f"{where}: {key} has {stress.size} numbers; needed are 3x3, nine, or six in Voigt "
            "order (xx yy zz yz xz xy), finite, in eV/Å³"
        )
    return stress.reshape(3, 3)


def _array(value: object) -> np.ndarray:
    return np.asarray(value)
