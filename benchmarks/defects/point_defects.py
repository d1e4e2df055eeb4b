"""Point defects of a crystal that is in no data set, at the sites that pymatgen-analysis-defects finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase import Atom, Atoms

from umlip_bench.benchmarks.slabs import primitive
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets.cases import DefectCase, Preparation
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.symmetry import found_by

SUPERCELL = 9.0
"""Å; least distance between a defect and its images."""

KINDS = {
    Mode.QUICK: ("vacancy",),
    Mode.STANDARD: ("vacancy", "antisite"),
    Mode.FULL: ("vacancy", "antisite", "interstitial"),
}
"""What is made in each mode; interstitials are many and relax slowly."""


@dataclass(frozen=True, eq=False)
class _Found:
    """A defect of the primitive cell.

    Parameters
    ----------
    kind
        ``"vacancy"``, ``"antisite"`` or ``"interstitial"``.
    label
        What it is, as it stands in the name.
    position
        Shape (3,), Å.
    removed, added
        Chemical symbols; ``None`` if there is no such atom.
    """

    kind: str
    label: str
    position: np.ndarray
    removed: str | None
    added: str | None

    @property
    def exchanged(self) -> dict[str, int]:
        """Atoms added or removed, by element."""
        removed = {} if self.removed is None else {self.removed: -1}
        return removed | ({} if self.added is None else {self.added: 1})


def point_defects(crystal: Atoms, name: str, mode: Mode) -> Iterator[DefectCase]:
    """One case for each defect that symmetry does not repeat, in a supercell, unrelaxed.

    Parameters
    ----------
    crystal
        Any cell of it.
    name
        Of the crystal.
    mode
        Which kinds; see `KINDS`. All are of the crystal's own elements.

    Raises
    ------
    StructureError
        If the symmetry of the crystal is not found.
    """
    unit = primitive(crystal)
    heights = 1 / np.linalg.norm(unit.cell.reciprocal().array, axis=1)
    repeats = np.ceil(SUPERCELL / heights).astype(int)
    host = unit.repeat(tuple(int(n) for n in repeats))
    host.info["system"] = f"{name} host"
    found = _found(unit, name, KINDS[mode])
    repeated = Counter(each.label for each in found)
    numbers: Counter[str] = Counter()
    for each in found:
        numbers[each.label] += 1
        number = f" {numbers[each.label]}" if repeated[each.label] > 1 else ""
        full_name = f"{name} {each.label}{number}"
        defective = _with(host, each)
        defective.info["system"] = full_name
        yield DefectCase(
            name=full_name,
            system=name,
            level_of_theory=LevelOfTheory("unknown"),
            preparation=Preparation.AS_BUILT,
            host=host,
            defective=defective,
            kind=each.kind,
            site=host.cell.scaled_positions(each.position),
            energy=float("nan"),
            exchanged=each.exchanged,
            chemical_potentials={},
        )


def _found(unit: Atoms, name: str, kinds: tuple[str, ...]) -> list[_Found]:
    from pymatgen.analysis.defects.generators import (
        AntiSiteGenerator,
        VacancyGenerator,
        VoronoiInterstitialGenerator,
    )
    from pymatgen.io.ase import AseAtomsAdaptor

    cell = (unit.cell.array, unit.get_scaled_positions(), unit.numbers)
    symmetry = found_by(spglib.get_symmetry_dataset, cell, symprec=0.01)
    if symmetry is None:
        raise StructureError(f"the symmetry of {name} was not found; give a crystal")
    structure = AseAtomsAdaptor.get_structure(unit)
    sorts = {(unit.symbols[k], symmetry.wyckoffs[k]) for k in range(len(unit))}
    of_element = Counter(symbol for symbol, _ in sorts)

    def sort_of(site: int) -> str:
        symbol = unit.symbols[site]
        return f"{symbol} {symmetry.wyckoffs[site]}" if of_element[symbol] > 1 else symbol

    def vacancy(defect: Any) -> _Found:
        site = defect.defect_site_index
        label = f"vacancy of {sort_of(site)}"
        return _Found("vacancy", label, unit.positions[site], unit.symbols[site], None)

    def antisite(defect: Any) -> _Found:
        site = defect.defect_site_index
        new = defect.site.specie.symbol
        label = f"antisite {new} on {sort_of(site)}"
        return _Found("antisite", label, unit.positions[site], unit.symbols[site], new)

    def interstitial(defect: Any) -> _Found:
        symbol = defect.site.specie.symbol
        label = f"interstitial of {symbol}"
        position = defect.site.frac_coords @ unit.cell.array
        return _Found("interstitial", label, position, None, symbol)

    # Sorted, since the generator takes a set.
    own = dict.fromkeys(sorted(set(unit.get_chemical_symbols())))
    sources = {
        "vacancy": lambda: map(vacancy, VacancyGenerator().generate(structure)),
        "antisite": lambda: map(antisite, AntiSiteGenerator().generate(structure)),
        "interstitial": lambda: map(
            interstitial,
            (d for s in own for d in VoronoiInterstitialGenerator().generate(structure, {s})),
        ),
    }
    return [each for kind in kinds for each in sources[kind]()]


def _with(host: Atoms, found: _Found) -> Atoms:
    """A supercell with a defect of its first cell."""
    defective = host.copy()
    if found.removed is None:
        defective.append(Atom(found.added, found.position))
        return defective
    site = int(np.linalg.norm(host.positions - found.position, axis=1).argmin())
    if found.added is None:
        del defective[site]
    else:
        defective.symbols[site] = found.added
    return defective
