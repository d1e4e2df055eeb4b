"""What labels are called in a file: known sets of names, told apart, or the names that the user gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.units import GPa

from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading, StressUnit

PREFIX = "REF_"
"""Of the standard form."""
PREFIXES = (PREFIX, "DFT_", "dft_", "MACE_", "")
"""Of sets of labels; ASE's names have none. With MACE_, MACE's own evaluation writes what it predicts."""
FACTORS = {StressUnit.ASE: 1.0, StressUnit.GPA: GPa, StressUnit.VASP: -0.1 * GPa}
"""That make ASE's stress of one in each unit."""


@dataclass(frozen=True)
class LabelNames:
    """What the labels of a structure are called.

    Parameters
    ----------
    energy, forces, stress
        Keys in ``info``, ``arrays`` or the calculator's results.
    virials
        Keys of virials of the same set, eV: minus volume times stress.
    use_virial
        Whether it is these that are to be read, in place of the stress.
    stress_factor
        That makes ASE's stress, eV/Å³, of the numbers.
    """

    energy: str
    forces: str
    stress: str
    virials: tuple[str, ...] = ()
    use_virial: bool = False
    stress_factor: float = 1.0

    def __str__(self) -> str:
        return f"{self.energy}, {self.forces}"


def _known() -> Iterator[LabelNames]:
    for prefix in PREFIXES:
        virials = (f"{prefix}virial", f"{prefix}virials")
        for forces in ("forces", "force"):
            yield LabelNames(f"{prefix}energy", f"{prefix}{forces}", f"{prefix}stress", virials)
    for forces in ("force", "forces"):
        yield LabelNames("TotEnergy", forces, "stress", ("virial", "virials"))
    yield LabelNames("energy", "atomic_forces", "cauchy_stress")


KNOWN = tuple(_known())
"""Sets of names that are found without being given: of ASE, GAP, MACE, MTP, SNAP, GPUMD and ColabFit."""
STANDARD = KNOWN[0]
ASE_NAMES = LabelNames("energy", "forces", "stress", ("virial", "virials"))


def present(atoms: Atoms) -> dict[str, object]:
    """Everything that a structure carries by name: results, ``info``, and ``arrays`` but the geometry."""
    results = {} if atoms.calc is None else atoms.calc.results
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    return {**results, **atoms.info, **arrays}


def names_of(where: str, atoms: Atoms, reading: LabelReading = AS_FOUND) -> LabelNames:
    """The names of a structure's labels.

    Names of the standard form go before ASE's and MACE's, which may be a model's results beside them.

    Parameters
    ----------
    where
        Names the structure in messages.
    atoms
        With whatever it carries.
    reading
        Names that are given go before all others.

    Raises
    ------
    DataError
        If it has several sets of labels that differ, or none that is whole.
    """
    there = present(atoms)
    factor = FACTORS[reading.stress_unit or StressUnit.ASE]
    names = _given(where, there, reading) or _found(where, there)
    names = replace(names, stress_factor=factor)
    if reading.stress_key is not None:
        names = replace(names, stress=reading.stress_key)
    if reading.virial_key is not None:
        names = replace(names, virials=(reading.virial_key,), use_virial=True)
    return names


def names_of_energy(
    where: str, atoms: Atoms, reading: LabelReading = AS_FOUND
) -> LabelNames | None:
    """As `names_of` for a structure that may have an energy alone; ``None`` for one without any.

    Raises
    ------
    DataError
        If it has several energies that differ.
    """
    there = present(atoms)
    if reading.energy_key is not None and reading.energy_key not in there:
        return None
    try:
        return names_of(where, atoms, reading)
    except DataError:
        if any(names.energy in there and names.forces in there for names in KNOWN):
            raise
    found = [n for n in KNOWN if n.energy in there and reading.energy_key in (None, n.energy)]
    if reading.energy_key is not None and not found:
        found = [LabelNames(reading.energy_key, reading.forces_key or "forces", "stress")]
    for other in found[1:]:
        if not np.array_equal(_array(there[found[0].energy]), _array(there[other.energy])):
            raise DataError(
                f"{where}: it has two energies that differ, {found[0].energy} and {other.energy}; say which "
                f"is meant: --energy-key {found[0].energy}, or --energy-key {other.energy}"
            )
    return found[0] if found else None


def _given(where: str, there: dict[str, object], reading: LabelReading) -> LabelNames | None:
    """The set that the user names, one name of which may be enough."""
    energy, forces = reading.energy_key, reading.forces_key
    if energy is None and forces is None:
        return None
    for option, key in (("--energy-key", energy), ("--forces-key", forces)):
        if key is not None and key not in there:
            raise DataError(f"{where}: it has no {key} ({option}); {listed(there)}")
    fit = [
        names
        for names in KNOWN
        if energy in (None, names.energy) and forces in (None, names.forces)
    ]
    fit = [n for n in fit if n.energy in there and n.forces in there]
    if fit:
        return fit[0]
    known_energies = _once(n.energy for n in KNOWN if n.energy in there)
    known_forces = _once(n.forces for n in KNOWN if n.forces in there)
    energies = [energy] if energy is not None else known_energies
    choices = [forces] if forces is not None else known_forces
    for option, found in (("--energy-key", energies), ("--forces-key", choices)):
        if len(found) != 1:
            some = " and ".join(found) or "none that is known"
            raise DataError(f"{where}: say which with {option}: it has {some}; {listed(there)}")
    return LabelNames(energies[0], choices[0], "stress")


def _found(where: str, there: dict[str, object]) -> LabelNames:
    """The one set of known names that is there."""
    whole = [names for names in KNOWN if names.energy in there and names.forces in there]
    if any(key in there for key in (STANDARD.energy, STANDARD.forces, STANDARD.stress)):
        # A model's results may stand beside them; those of another DFT may not.
        ours = [n for n in whole if n.energy == STANDARD.energy] or [STANDARD]
        rest = [n for n in whole if n.energy not in (STANDARD.energy, "energy", "MACE_energy")]
        whole = [*ours, *rest]
    if not whole:
        raise DataError(f"{where}: {_lack(there)}; {listed(there)}")
    first = whole[0]
    for other in whole[1:]:
        if not _same(first, other, there):
            raise DataError(
                f"{where}: it has two sets of labels that differ, {first} and {other}; say which are meant: "
                f"--energy-key {first.energy} --forces-key {first.forces}, or --energy-key {other.energy} "
                f"--forces-key {other.forces}"
            )
    return first


def _same(one: LabelNames, other: LabelNames, there: dict[str, object]) -> bool:
    """Whether two sets, which may share a name, have equal numbers."""
    pairs = ((one.energy, other.energy), (one.forces, other.forces))
    if one.energy not in there or one.forces not in there:
        return True  # its own reading says what is missing
    return all(a == b or np.array_equal(_array(there[a]), _array(there[b])) for a, b in pairs)


def _array(value: object) -> np.ndarray:
    return np.asarray(value)


def _lack(there: dict[str, object]) -> str:
    energies = _once(n.energy for n in KNOWN if n.energy in there)
    forces = _once(n.forces for n in KNOWN if n.forces in there)
    if energies:
        return f"it has no forces beside {' and '.join(energies)} (--forces-key names them)"
    if forces:
        return f"it has no energy beside {' and '.join(forces)} (--energy-key names it)"
    return "it has no energy and no forces"


def has_labels(atoms: Atoms) -> bool:
    """Whether a structure has an energy or forces under any known name."""
    there = present(atoms)
    return any(names.energy in there or names.forces in there for names in KNOWN)


def listed(there: dict[str, object]) -> str:
    """What a structure has, for messages."""
    return f"the frame has {', '.join(map(str, there)) or 'no other keys'}"


def _once(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
