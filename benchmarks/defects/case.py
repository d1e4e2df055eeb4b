"""Defects, alone or in pairs that keep the composition of their crystal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from umlip_bench.benchmarks.defects.point_defects import point_defects
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.slabs import primitive
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.benchmarks.variants import NAN
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import DefectCase, Preparation

QUICK_ATOMS, QUICK_CASES = 72, 6


@dataclass(frozen=True, eq=False)
class FormationCase:
    """A defect, or two far apart that together keep the composition of the crystal.

    Parameters
    ----------
    name, system
        Of the defects and of the host.
    defects
        One or two.
    reference
        DFT's formation energy in eV, summed over the defects; nan if there is none.
    elemental
        Whether chemical potentials are those of the elements for the most electronegative one as well.
    """

    name: str
    system: str
    defects: tuple[DefectCase, ...]
    reference: float
    elemental: bool

    @property
    def preparation(self) -> Preparation:
        """How DFT's geometries were prepared."""
        return self.defects[0].preparation

    @property
    def exchanged(self) -> dict[str, int]:
        """Atoms added or removed by all defects together, by element."""
        return _net(self.defects)

    @property
    def balanced(self) -> bool:
        """Whether what is exchanged is nothing, or whole formula units of the host."""
        return _formula_units(self.defects) is not None

    @property
    def lacks_potentials(self) -> bool:
        """Whether DFT's energies are known, but no chemical potentials to go with them."""
        known = not any(np.isnan(defect.energy) for defect in self.defects)
        return known and bool(np.isnan(self.reference))

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of(
            cell for defect in self.defects for cell in (defect.host, defect.defective)
        )


def _net(defects: Sequence[DefectCase]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for defect in defects:
        total.update(defect.exchanged)
    return {symbol: n for symbol, n in total.items() if n}


def _formula_units(defects: Sequence[DefectCase]) -> Fraction | None:
    """Formula units of the host that defects add together; ``None`` if these are not whole cells of it.

    A formula unit is the content of the host's primitive cell.
    """
    formula = Counter(primitive(defects[0].host).get_chemical_symbols())
    net = _net(defects)
    shares = {Fraction(net.get(symbol, 0), n) for symbol, n in formula.items()}
    return shares.pop() if set(net) <= set(formula) and len(shares) == 1 else None


def formation_cases(defects: Sequence[DefectCase]) -> Iterator[FormationCase]:
    """Defects with chemical potentials one by one; of the others, pairs that keep the composition.

    A pair that adds or removes whole formula units has a reference only if the energy of the host is known.
    Defects that are in no pair come alone, without a reference.
    """
    for defect in defects:
        if not np.isnan(defect.formation_energy):
            value = defect.formation_energy
            yield FormationCase(defect.name, defect.system, (defect,), value, elemental=True)
    defects = [defect for defect in defects if np.isnan(defect.formation_energy)]
    single = [
        defect for defect in defects if not set(defect.exchanged) <= set(defect.chemical_potentials)
    ]
    paired: set[str] = set()
    for defect in defects:
        if defect in single:
            continue
        added = sum(n * defect.chemical_potentials[s] for s, n in defect.exchanged.items())
        reference = defect.energy - added
        yield FormationCase(defect.name, defect.system, (defect,), reference, elemental=True)
    for pair in combinations(single, 2):
        if pair[0].system != pair[1].system or _formula_units(pair) is None:
            continue
        reference = sum(defect.energy for defect in pair)
        if exchanged := sum(_net(pair).values()):
            if np.isnan(pair[0].host_energy):
                continue
            reference -= exchanged * pair[0].host_energy / len(pair[0].host)
        paired |= {defect.name for defect in pair}
        name = " + ".join(defect.name for defect in pair)
        yield FormationCase(name, pair[0].system, pair, reference, elemental=False)
    for defect in single:
        if defect.name not in paired:
            yield FormationCase(defect.name, defect.system, (defect,), NAN, elemental=False)


def cases(dataset: Dataset, mode: Mode) -> Sequence[FormationCase]:
    """Defects with a formation energy of their own, and pairs of others."""
    defects = [case for case in dataset.of_task("defects") if isinstance(case, DefectCase)]
    found = list(formation_cases(defects))
    if mode is not Mode.QUICK:
        return found
    small = [case for case in found if _n_atoms(case) <= QUICK_ATOMS]
    return cheapest(small, QUICK_CASES, _n_atoms)


def structure_cases(request: StructureRequest) -> Sequence[FormationCase]:
    """Point defects of a crystal one by one, without reference values."""
    return [
        FormationCase(defect.name, defect.system, (defect,), NAN, elemental=False)
        for defect in point_defects(request.atoms, request.name, request.mode)
    ]


def _n_atoms(case: FormationCase) -> int:
    return sum(len(defect.defective) for defect in case.defects)
