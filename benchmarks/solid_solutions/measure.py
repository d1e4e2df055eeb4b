"""Mixing energies of orderings against their end members, E/N - x e_A - (1 - x) e_B.

Fixed: single points at the geometries of the data, end members included. Relaxed: ions and cells, those
of the end members included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.slabs import primitive
from umlip_bench.benchmarks.solid_solutions import orderings
from umlip_bench.benchmarks.solid_solutions.result import OrderingResult
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.benchmarks.variants import FMAX_CELL, NAN, attempt, fixed_value, relaxed_value
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import Preparation, SolidSolutionCase, SurfaceCase
from umlip_bench.engine import Relax, Static, Task
from umlip_bench.ground.errors import DataError

UNIT = "eV/atom"

FMAX = 0.02
"""eV/Å: energies of orderings differ by few meV per atom."""

QUICK_PER_SYSTEM = 6
GENERATED = "CaO-MgO"
"""System that a full run adds seeded orderings to, as in Deng et al., npj Comput. Mater. 11, 9 (2025)."""


@dataclass(frozen=True, eq=False)
class OrderingCase:
    """An ordering and its end members.

    Parameters
    ----------
    name, system
        Of the ordering and of the solution.
    atoms
        The ordering.
    end_members
        Cells of A and B.
    fraction
        x, the share of A.
    reference
        DFT's mixing energy in eV/atom; nan if there is none.
    preparation
        How DFT's geometry was prepared.
    """

    name: str
    system: str
    atoms: Atoms
    end_members: tuple[Atoms, Atoms]
    fraction: float
    reference: float
    preparation: Preparation

    @property
    def group(self) -> str:
        """The system, and how its geometries were prepared."""
        known = "without DFT" if np.isnan(self.reference) else str(self.preparation)
        return f"{self.system}, {known}"

    @property
    def sites_per_atom(self) -> float:
        """Share of the atoms that sit on mixing sites: those whose element only one end member has."""
        first, second = (set(each.get_chemical_symbols()) for each in self.end_members)
        mixing = first ^ second
        return sum(symbol in mixing for symbol in self.atoms.symbols) / len(self.atoms)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of((self.atoms, *self.end_members))


def mixing_energy(fraction: float, ordering: float, first: float, second: float) -> float:
    """Mixing energy from energies per atom, all in eV/atom."""
    return ordering - fraction * first - (1 - fraction) * second


def measure(case: OrderingCase) -> Task[OrderingResult]:
    """Mixing energy at the geometry given and after relaxation."""
    cells = (case.atoms, *case.end_members)
    answers = yield [Static(atoms, held=True) for atoms in cells]
    per_atom = [answer.energy / len(atoms) for answer, atoms in zip(answers, cells, strict=True)]
    mixing = mixing_energy(case.fraction, *per_atom)
    fixed = fixed_value(case.reference, mixing, case.preparation)
    relaxed = yield from attempt(_relaxed(case))
    comparison = EnergyComparison(case.name, case.system, UNIT, (fixed, relaxed))
    return OrderingResult(comparison, case.group, case.fraction, case.sites_per_atom)


def _relaxed(case: OrderingCase) -> Task[EnergyValue]:
    relaxed = yield [
        Relax(case.atoms, cell=True, fmax=FMAX),
        *(Relax(primitive(atoms), cell=True, fmax=FMAX_CELL) for atoms in case.end_members),
    ]
    mixing = mixing_energy(case.fraction, *(each.energy / len(each.atoms) for each in relaxed))
    return relaxed_value(case.reference, mixing, case.preparation, relaxed)


# ---- cases


def ordering_cases(dataset: Dataset) -> Iterator[OrderingCase]:
    """Usable orderings of a data set; its end members are no cases of their own.

    Raises
    ------
    DataError
        If the set has no structure of an end member.
    """
    found = [c for c in dataset.of_task("solid-solutions") if isinstance(c, SolidSolutionCase)]
    crystals = {c.system: c.bulk for c in dataset.cases if isinstance(c, SurfaceCase)}
    crystals |= {c.end_members[0]: c.atoms for c in found if c.fraction == 1}
    crystals |= {c.end_members[1]: c.atoms for c in found if c.fraction == 0}
    for case in found:
        if 0 < case.fraction < 1:
            missing = [name for name in case.end_members if name not in crystals]
            if missing:
                raise DataError(
                    f"{case.name}: the data have no structure of the end member {missing[0]}; add it "
                    "as an ordering with a fraction of 0 or 1"
                )
            first, second = (crystals[name] for name in case.end_members)
            yield OrderingCase(
                name=case.name,
                system=case.system,
                atoms=case.atoms,
                end_members=(first, second),
                fraction=case.fraction,
                reference=case.mixing_energy,
                preparation=case.preparation,
            )


def generated_cases() -> Iterator[OrderingCase]:
    """Seeded orderings of CaO and MgO, without DFT values."""
    ends = orderings.end_member("CaO"), orderings.end_member("MgO")
    for each in orderings.orderings():
        yield OrderingCase(
            name=each.name,
            system=GENERATED,
            atoms=each.atoms,
            end_members=ends,
            fraction=each.fraction,
            reference=NAN,
            preparation=Preparation.AS_BUILT,
        )


def cases(dataset: Dataset, mode: Mode) -> Sequence[OrderingCase]:
    """Orderings of the set.

    A standard run takes each decoration once, relaxed with DFT if there is that; a full run also those at
    ideal sites, and, for CaO-MgO, seeded ones without DFT values.
    """
    found = list(ordering_cases(dataset))
    if mode is Mode.FULL:
        generated = any(case.system == GENERATED for case in found)
        return [*found, *generated_cases()] if generated else found
    twins = {
        c.name: c.decoration
        for c in dataset.of_task("solid-solutions")
        if isinstance(c, SolidSolutionCase)
    }
    relaxed = {twins[c.name] for c in found if c.preparation is Preparation.RELAXED}
    once = [
        case
        for case in found
        if case.preparation is Preparation.RELAXED or twins[case.name] not in relaxed
    ]
    return _spread(once) if mode is Mode.QUICK else once


def _spread(cases: Sequence[OrderingCase]) -> list[OrderingCase]:
    """A few orderings of each system, spread over its compositions."""
    kept: list[OrderingCase] = []
    for system in dict.fromkeys(case.system for case in cases):
        own = sorted((c for c in cases if c.system == system), key=lambda case: case.fraction)
        chosen = np.linspace(0, len(own) - 1, min(QUICK_PER_SYSTEM, len(own))).round().astype(int)
        kept += [own[k] for k in chosen]
    return kept
