"""Typed cases from single points, each of which plays a part: a slab and its bulk, a defect and its host.

A user's own structures and those of the embedded sets become cases by these functions. Energies are totals in
eV.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from umlip_bench.datasets.cases import (
    DefectCase,
    EosCase,
    Preparation,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.birch_murnaghan import fit_minimum
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory


class LabelledPoint(NamedTuple):
    """A single point.

    Parameters
    ----------
    frame
        Geometry and labels; forces are nan where there are none.
    info
        What it is part of.
    """

    frame: Frame
    info: dict[str, object]

    @property
    def atoms(self) -> Atoms:
        """The geometry."""
        return self.frame.atoms

    @property
    def energy(self) -> float:
        """Total in eV."""
        return self.frame.energy

    @property
    def energy_per_atom(self) -> float:
        """In eV/atom."""
        return self.frame.energy / len(self.frame.atoms)


def surface_case(
    system: str,
    slab: LabelledPoint,
    bulk: LabelledPoint,
    miller: tuple[int, ...],
    level: LevelOfTheory,
    *,
    preparation: Preparation = Preparation.AS_BUILT,
    ending: str = "",
) -> SurfaceCase:
    """A slab and its bulk."""
    area = area_of(slab.atoms)
    excess = slab.energy - len(slab.atoms) * bulk.energy_per_atom
    name = f"{system} ({' '.join(map(str, miller))}){ending}"
    return SurfaceCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        slab=named(slab.atoms, name),
        bulk=named(bulk.atoms, f"{system} bulk"),
        miller_index=miller,
        area=area,
        surface_energy=excess / (2 * area),
        slab_energy=slab.energy,
        bulk_energy=bulk.energy,
    )


def area_of(slab: Atoms) -> float:
    """Of one face of a slab, Å²."""
    first, second, _ = slab.cell
    return float(np.linalg.norm(np.cross(first, second)))


def defect_case(
    name: str,
    system: str,
    host: LabelledPoint,
    defective: LabelledPoint,
    kind: str,
    level: LevelOfTheory,
    *,
    chemical_potentials: Mapping[str, float],
    site: np.ndarray,
    preparation: Preparation = Preparation.AS_BUILT,
) -> DefectCase:
    """A defect and its host."""
    return DefectCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        host=named(host.atoms, f"{system} host"),
        defective=named(defective.atoms, name),
        kind=kind,
        site=site,
        energy=defective.energy - host.energy,
        host_energy=host.energy,
        exchanged=exchanged(host.atoms, defective.atoms),
        chemical_potentials=chemical_potentials,
    )


def exchanged(host: Atoms, defective: Atoms) -> dict[str, int]:
    """Atoms that a defect has more, or fewer, by element."""
    more = Counter(defective.get_chemical_symbols())
    more.subtract(host.get_chemical_symbols())
    return {symbol: n for symbol, n in sorted(more.items()) if n}


def differing_site(atoms: Atoms, other: Atoms, symbol: str, host: Atoms) -> np.ndarray:
    """Fractional coordinates, shape (3,), of an atom of an element that another structure has none near."""
    own = atoms[atoms.symbols == symbol]
    same = other[other.symbols == symbol]
    if len(own) == 0:
        raise DataError(f"there is no {symbol} that could be the defect")
    if len(same) == 0:
        return np.asarray(own.get_scaled_positions()[0])
    apart = get_distances(own.positions, same.positions, cell=host.cell.array, pbc=True)[1]
    return np.asarray(own.get_scaled_positions()[int(apart.min(axis=1).argmax())])


def ordering_case(
    name: str,
    system: str,
    point: LabelledPoint,
    fraction: float,
    end_members: tuple[str, str],
    energies: tuple[float, float],
    level: LevelOfTheory,
    *,
    preparation: Preparation = Preparation.AS_BUILT,
) -> SolidSolutionCase:
    """One ordering, or an end member, of mixing energy zero."""
    mixing = point.energy_per_atom - fraction * energies[0] - (1 - fraction) * energies[1]
    with_forces = bool(np.isfinite(point.frame.forces).all())
    return SolidSolutionCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        atoms=named(point.atoms, name),
        energy=point.energy,
        fraction=fraction,
        end_members=end_members,
        end_member_energies=energies,
        mixing_energy=mixing,
        decoration=name,
        forces=point.frame.forces if with_forces else None,
        stress=point.frame.stress,
    )


def eos_case(system: str, members: Sequence[LabelledPoint], level: LevelOfTheory) -> EosCase:
    """A curve through single points of one cell at several volumes.

    Raises
    ------
    DataError
        If they are not scaled cells of one crystal, or hold no minimum.
    """
    first = members[0].atoms
    for each in members[1:]:
        if not _scaled(first, each.atoms):
            raise DataError(
                "its points are not one cell at several volumes, of equal shape and fractional coordinates"
            )
    volumes = np.array([each.atoms.get_volume() for each in members])
    energies = np.array([each.energy for each in members])
    curve = fit_minimum(volumes, energies)
    scale = (curve.volume / first.get_volume()) ** (1 / 3)
    atoms = named(first, f"{system} at the equilibrium")
    atoms.set_cell(first.cell * scale, scale_atoms=True)
    return EosCase(
        name=system,
        system=system,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        atoms=atoms,
        volume=curve.volume,
        bulk_modulus=curve.bulk_modulus,
        bulk_modulus_derivative=curve.bulk_modulus_derivative,
        volumes=volumes,
        energies=energies,
    )


def _scaled(one: Atoms, other: Atoms) -> bool:
    """Whether two cells differ in size alone."""
    if len(one) != len(other) or (one.numbers != other.numbers).any():
        return False
    scale = (other.get_volume() / one.get_volume()) ** (1 / 3)
    apart = one.get_scaled_positions() - other.get_scaled_positions()
    same_cell = np.abs(one.cell.array * scale - other.cell.array).max() < 1e-3
    return bool(same_cell and np.abs(apart - np.round(apart)).max() < 1e-4)


def by(key: str, points: Sequence[LabelledPoint]) -> Iterator[tuple[str, list[LabelledPoint]]]:
    """Points by what ``info`` says, in order of first appearance."""
    groups: dict[str, list[LabelledPoint]] = {}
    for each in points:
        groups.setdefault(str(each.info[key]), []).append(each)
    yield from groups.items()


def named(atoms: Atoms, name: str) -> Atoms:
    """Copy that says in messages what it is."""
    out = atoms.copy()
    out.info["system"] = name
    return out
