"""Formation energies of point defects, E_defect - E_host - sum of mu_i dN_i.

A defect that changes the composition needs chemical potentials mu_i. Where the data have none, defects of
one crystal that together keep its composition are added up: an antisite pair, a Frenkel pair, or a Schottky
pair, whose atoms go to the crystal itself. What remains has a value of the model's alone. Potentials of the
model are computed as its energies are:

- where the data have potentials, they are those of the elements: the host itself if it is one;
- otherwise of the elements but the most electronegative one, which is taken out of the host's formula.
  It so keeps its class, and energy corrections of anions cancel.

Fixed: single points of the cells given. Relaxed: host and elements with their cells, then the ions of the
defective cell, deformed as its host was. Defects that relax into something else are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.collections import dcdft
from ase.geometry import get_distances

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, Standing
from umlip_bench.benchmarks.defects.case import FormationCase, cases, structure_cases
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.benchmarks.slabs import primitive
from umlip_bench.benchmarks.variants import (
    FMAX,
    FMAX_CELL,
    NAN,
    failed_value,
    fixed_value,
    relaxed_value,
)
from umlip_bench.datasets.cases import DefectCase
from umlip_bench.datasets.energy_corrections import mp2020_correction
from umlip_bench.engine import About, Relax, Relaxed, Static, Task
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.model_card import ModelCard

__all__ = ["cases", "measure", "structure_cases"]

NO_POTENTIAL = "not comparable: the data have no chemical potentials"

MOVED = 1.0
"""Å; an atom that relaxes farther has changed its site."""
NEAR, FAR = 1.2, 1.6
"""In nearest-neighbour distances: a neighbour that comes from beyond `FAR` to within `NEAR`, or goes
the other way, changes the coordination."""


# ---- chemical potentials


@dataclass(frozen=True, eq=False)
class Reservoirs:
    """Crystals that atoms come from or go to.

    Parameters
    ----------
    host
        Primitive cell of the host.
    elements
        Crystals of elements by symbol, those whose potential is not the host's.
    """

    host: Atoms
    elements: Mapping[str, Atoms]

    def potentials(self, host: float, elements: Mapping[str, float]) -> dict[str, float]:
        """Chemical potentials in eV from energies per atom in eV; the host's formula gives the last."""
        counts = Counter(self.host.get_chemical_symbols())
        known = dict(elements)
        for symbol in set(counts) - set(elements):
            others = sum(n * known[s] for s, n in counts.items() if s != symbol)
            known[symbol] = (len(self.host) * host - others) / counts[symbol]
        return known


def reservoirs(case: FormationCase) -> Reservoirs:
    """Crystals whose energies the formation energy needs.

    Raises
    ------
    DataError
        If an element has no known crystal.
    """
    from pymatgen.core import Element

    host = primitive(case.defects[0].host)
    if case.balanced:
        return Reservoirs(host, {})
    own = sorted(set(host.get_chemical_symbols()))
    foreign = [symbol for symbol in case.exchanged if symbol not in own]
    if len(own) == 1:
        from_host = own
    elif case.elemental:
        from_host = []
    else:
        from_host = [max(own, key=lambda symbol: float(Element(symbol).X))]
    wanted = [symbol for symbol in own if symbol not in from_host] + foreign
    return Reservoirs(host, {symbol: elemental_crystal(symbol) for symbol in wanted})


def elemental_crystal(symbol: str) -> Atoms:
    """Ground state crystal of an element near its PBE volume (Lejaeghere et al., Science 351, 2016).

    Raises
    ------
    DataError
        If the collection has none.
    """
    if symbol not in dcdft.names:
        raise DataError(
            f"no elemental crystal of {symbol} is known (ase.collections.dcdft has {len(dcdft.names)}); "
            "use defects that keep the composition"
        )
    atoms = dcdft[symbol]
    return Atoms(
        atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell,
        pbc=True,
        info={"system": f"crystal of {symbol}"},
    )


# ---- measuring


@dataclass(frozen=True, eq=False)
class _Cells:
    """Energies in eV that a formation energy is made of, without energy corrections."""

    hosts: Sequence[float]
    defective: Sequence[float]
    host_per_atom: float
    elements: Mapping[str, float]

    def formation_energy(self, case: FormationCase, stores: Reservoirs) -> float:
        """Sum over the defects of E_defect - E_host, less that of mu_i dN_i, in eV."""
        energy = sum(self.defective) - sum(self.hosts)
        exchanged = case.exchanged
        if case.balanced:
            return energy - sum(exchanged.values()) * self.host_per_atom
        potentials = stores.potentials(self.host_per_atom, self.elements)
        return energy - sum(n * potentials[symbol] for symbol, n in exchanged.items())


def measure(case: FormationCase) -> Task[DefectResult]:
    """Formation energy of the cells given and after relaxation."""
    card = yield About()
    stores = reservoirs(case)
    fixed = yield from _fixed(case, stores, card)
    try:
        relaxed, moved = yield from _relaxed(case, stores, card)
    except UmlipBenchError as error:
        relaxed, moved = failed_value(error), NAN
    if case.lacks_potentials:
        fixed, relaxed = _without_zero(fixed), _without_zero(relaxed)
    return DefectResult(EnergyComparison(case.name, case.system, "eV", (fixed, relaxed)), moved)


def _fixed(case: FormationCase, stores: Reservoirs, card: ModelCard) -> Task[EnergyValue]:
    hosts = [defect.host for defect in case.defects]
    defective = [defect.defective for defect in case.defects]
    cells = [*hosts, *defective, stores.host, *stores.elements.values()]
    answers = yield [Static(atoms, held=True) for atoms in cells]
    likes = [*hosts, *hosts, stores.host, *stores.elements.values()]
    raw = [
        _raw(each.energy, atoms, like, card)
        for each, atoms, like in zip(answers, cells, likes, strict=True)
    ]
    n = len(case.defects)
    host, *elements = (
        energy / len(atoms) for energy, atoms in zip(raw[2 * n :], cells[2 * n :], strict=True)
    )
    named = dict(zip(stores.elements, elements, strict=True))
    parts = _Cells(raw[:n], raw[n : 2 * n], host, named)
    return fixed_value(case.reference, parts.formation_energy(case, stores), case.preparation)


def _relaxed(
    case: FormationCase, stores: Reservoirs, card: ModelCard
) -> Task[tuple[EnergyValue, float]]:
    crystals = [primitive(defect.host) for defect in case.defects]
    phases = list(stores.elements.values())
    answers = yield [Relax(a, cell=True, fmax=FMAX_CELL) for a in [*crystals, *phases]]
    hosts, elements = answers[: len(crystals)], answers[len(crystals) :]
    starts = [
        deformed(defect.defective, crystal, host.atoms)
        for defect, crystal, host in zip(case.defects, crystals, hosts, strict=True)
    ]
    defective = yield [Relax(start, fmax=FMAX) for start in starts]

    def per_atom(relaxed: Relaxed, like: Atoms) -> float:
        return _raw(relaxed.energy, relaxed.atoms, like, card) / len(relaxed.atoms)

    host_energies = [per_atom(host, crystal) for host, crystal in zip(hosts, crystals, strict=True)]
    parts = _Cells(
        [len(d.host) * energy for d, energy in zip(case.defects, host_energies, strict=True)],
        [
            _raw(each.energy, each.atoms, defect.host, card)
            for each, defect in zip(defective, case.defects, strict=True)
        ],
        host_energies[0],
        {
            symbol: per_atom(each, phase)
            for (symbol, phase), each in zip(stores.elements.items(), elements, strict=True)
        },
    )
    ends = [each.atoms for each in defective]
    changes = map(what_changed, case.defects, starts, ends)
    value = relaxed_value(
        case.reference,
        parts.formation_energy(case, stores),
        case.preparation,
        [*answers, *defective],
        changed="; ".join(change for change in changes if change),
    )
    return value, max(map(largest_displacement, starts, ends))


def _raw(energy: float, atoms: Atoms, like: Atoms, card: ModelCard) -> float:
    """Energy in eV without the corrections that the model learned with it, and maybe scaled since.

    Anions are in the classes that they have in the crystal `like`.
    """
    level = card.level_of_theory
    if level.energy_corrections != "MP2020":
        return energy
    return energy - level.corrections_factor * mp2020_correction(atoms, like)


def _without_zero(value: EnergyValue) -> EnergyValue:
    """The same, said to have no DFT value for want of chemical potentials."""
    if value.standing is not Standing.NO_REFERENCE:
        return value
    return EnergyValue(
        value.variant, NAN, value.model, Standing.NO_COMMON_ZERO, NO_POTENTIAL, value.flags
    )


def deformed(atoms: Atoms, before: Atoms, after: Atoms) -> Atoms:
    """Deform a supercell as the cell of its crystal was deformed by relaxing."""
    out = atoms.copy()
    deformation = np.linalg.solve(before.cell.array, after.cell.array)
    out.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return out


# ---- what a defect relaxes into


def largest_displacement(start: Atoms, end: Atoms) -> float:
    """Of any atom, in Å, apart from a common drift."""
    steps = end.positions - start.positions
    return float(np.linalg.norm(steps - np.median(steps, axis=0), axis=1).max())


def what_changed(defect: DefectCase, start: Atoms, end: Atoms) -> str:
    """What a relaxation made of a defect, in words; empty if it is still the same.

    An atom that moved by more than 1 Å has left its site. The coordination of the defect (of the
    vacant site, or of the atom that was added or exchanged) has changed if a neighbour came from beyond
    1.6 nearest-neighbour distances of the host to within 1.2, or went the other way.
    """
    moved = largest_displacement(start, end)
    if moved > MOVED:
        return f"{defect.name} relaxed into something else: an atom moved by {moved:.2f} Å"
    distances = defect.host.get_all_distances(mic=True)
    nearest = float(distances[distances > 0.1].min())
    before = _neighbours(defect, start, start) / nearest
    after = _neighbours(defect, start, end) / nearest
    came = int(np.count_nonzero((before > FAR) & (after < NEAR)))
    went = int(np.count_nonzero((before < NEAR) & (after > FAR)))
    if came or went:
        return f"{defect.name} relaxed into something else: {came} atoms came to it and {went} left"
    return ""


def _neighbours(defect: DefectCase, start: Atoms, atoms: Atoms) -> np.ndarray:
    """Distances of all other atoms from the defect, shape (N,) or (N - 1,), Å."""
    site = start.cell.cartesian_positions(defect.site)
    if defect.kind == "vacancy":
        _, distances = get_distances([site], atoms.positions, cell=atoms.cell, pbc=True)
        return np.asarray(distances[0])
    _, from_site = get_distances([site], start.positions, cell=start.cell, pbc=True)
    own = int(np.argmin(from_site[0]))
    return np.delete(atoms.get_distances(own, range(len(atoms)), mic=True), own)
