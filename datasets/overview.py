"""What is in a data set, in numbers: composition, and distributions of forces, energies and the like."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from ase import Atoms

from umlip_bench.datasets.barrier_case import BarrierCase
from umlip_bench.datasets.cases import (
    DefectCase,
    ElasticCase,
    EosCase,
    FramesCase,
    HeatCapacityCase,
    MigrationCase,
    PhononCase,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.phonon_cases import ForceConstantsCase, FrequencyCase

Quantity = tuple[str, str]
"""Name and unit."""

FORCE, ENERGY = ("|force| on an atom", "eV/Å"), ("energy above the lowest", "eV/atom")
PRESSURE, SIZE = ("pressure", "eV/Å³"), ("atoms in a cell", "")

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values of one quantity.

    Parameters
    ----------
    task
        That the cases are for.
    quantity, unit
        What it is.
    n
        Number of values.
    quantiles
        Shape (5,): the smallest, at 5 %, the median, at 95 %, the largest.
    histogram
        Shape (bins,): numbers of values in bins of equal width from the smallest to the largest.
    """

    task: str
    quantity: str
    unit: str
    n: int
    quantiles: np.ndarray
    histogram: np.ndarray


@dataclass(frozen=True)
class DatasetOverview:
    """What a set holds; unusable cases are left out, and counted.

    Parameters
    ----------
    usable, unusable
        Numbers of cases by task.
    n_structures
        Structures of the usable cases. A host or bulk counts once for each case that has it.
    elements
        By symbol, in how many structures it is; the most frequent first.
    compositions
        By reduced formula, how many structures have it; the most frequent first.
    distributions
        Of each task's quantities.
    """

    usable: Mapping[str, int]
    unusable: Mapping[str, int]
    n_structures: int
    elements: Mapping[str, int]
    compositions: Mapping[str, int]
    distributions: tuple[Distribution, ...]


def overview(cases: Iterable[ReferenceCase], bins: int = 16) -> DatasetOverview:
    """Count and summarise the cases of a set.

    Parameters
    ----------
    cases
        Of any tasks; each is looked at once.
    bins
        Of the histograms.
    """
    usable: Counter[str] = Counter()
    unusable: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    compositions: Counter[str] = Counter()
    values: dict[tuple[str, Quantity], list[np.ndarray]] = defaultdict(list)
    lowest = _EnergiesAboveLowest()
    for case in cases:
        if case.unusable is not None:
            unusable[str(case.task)] += 1
            continue
        usable[str(case.task)] += 1
        for atoms in structures(case):
            elements.update(set(atoms.symbols))
            compositions[composition(atoms)] += 1
            values[str(case.task), SIZE].append(np.array([len(atoms)]))
        for quantity, found in quantities(case):
            values[str(case.task), quantity].append(np.ravel(found))
        lowest.add(case)
    for task, found in lowest.values():
        values[task, ENERGY].append(found)
    return DatasetOverview(
        usable=dict(usable),
        unusable=dict(unusable),
        n_structures=compositions.total(),
        elements=_most_frequent_first(elements),
        compositions=_most_frequent_first(compositions),
        distributions=tuple(
            _distribution(task, quantity, np.concatenate(found), bins)
            for (task, quantity), found in sorted(values.items(), key=lambda item: item[0][0])
        ),
    )


class _EnergiesAboveLowest:
    """Energies per atom of frames; comparable within a composition of a material only."""

    def __init__(self) -> None:
        self._energies: dict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, case: ReferenceCase) -> None:
        """Take the frames of a case."""
        for frame in case.frames if isinstance(case, FramesCase) else ():
            key = (str(case.task), frame.system, frame.composition)
            self._energies[key].append(frame.energy / len(frame.atoms))

    def values(self) -> Iterator[tuple[str, np.ndarray]]:
        """Task and energies of each composition, where two frames or more have energies."""
        for (task, _, _), energies in self._energies.items():
            found = np.array(energies)
            found = found[np.isfinite(found)]
            if len(found) > 1:
                yield task, found - found.min()


def _most_frequent_first(counts: Counter[str]) -> dict[str, int]:
    """Equally frequent ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _distribution(task: str, quantity: Quantity, values: np.ndarray, bins: int) -> Distribution:
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        quantiles, histogram = np.full(len(QUANTILES), np.nan), np.zeros(bins, dtype=int)
    else:
        quantiles = np.quantile(finite, QUANTILES)
        histogram, _ = np.histogram(finite, bins=bins)
    return Distribution(task, *quantity, len(finite), quantiles, histogram)


@singledispatch
def structures(case: ReferenceCase) -> Iterable[Atoms]:
    """Structures of a case."""
    raise TypeError(f"no structures are known of a {type(case).__name__}")


@structures.register
def _(case: FramesCase) -> Iterable[Atoms]:
    return (frame.atoms for frame in case.frames)


@structures.register
def _(case: SurfaceCase) -> Iterable[Atoms]:
    return case.slab, case.bulk


@structures.register
def _(case: DefectCase) -> Iterable[Atoms]:
    return case.host, case.defective


@structures.register(PhononCase)
@structures.register(ForceConstantsCase)
def _(case: PhononCase | ForceConstantsCase) -> Iterable[Atoms]:
    return (case.unitcell,)


@structures.register
def _(case: MigrationCase) -> Iterable[Atoms]:
    return case.images


@structures.register
def _(case: BarrierCase) -> Iterable[Atoms]:
    return (case.atoms,) if case.last is None else (case.atoms, case.last)


@structures.register(SolidSolutionCase)
@structures.register(HeatCapacityCase)
@structures.register(FrequencyCase)
@structures.register(EosCase)
@structures.register(ElasticCase)
def _(
    case: SolidSolutionCase | HeatCapacityCase | FrequencyCase | EosCase | ElasticCase,
) -> Iterable[Atoms]:
    return (case.atoms,)


@singledispatch
def quantities(case: ReferenceCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    """Reference values of a case; energies above the lowest of a set are not a case's own."""
    raise TypeError(f"no quantities are known of a {type(case).__name__}")


@quantities.register
def _(case: FramesCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    for frame in case.frames:
        yield FORCE, np.linalg.norm(frame.forces, axis=1)
        if frame.stress is not None:
            yield PRESSURE, np.array([-np.trace(frame.stress) / 3])


@quantities.register
def _(case: PhononCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield FORCE, np.linalg.norm(case.forces, axis=-1)


@quantities.register
def _(case: ForceConstantsCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("force constant", "eV/Å²"), case.force_constants


@quantities.register
def _(case: FrequencyCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("frequency", "THz"), case.frequencies


@quantities.register
def _(case: SurfaceCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("surface energy", "eV/Å²"), np.array([case.surface_energy])


@quantities.register
def _(case: DefectCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    if np.isnan(case.formation_energy):
        yield ("energy over the host's", "eV"), np.array([case.energy])
    else:
        yield ("formation energy", "eV"), np.array([case.formation_energy])


@quantities.register
def _(case: SolidSolutionCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("mixing energy", "eV/atom"), np.array([case.mixing_energy])


@quantities.register
def _(case: HeatCapacityCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("heat capacity", "J/(mol K)"), case.heat_capacity


@quantities.register
def _(case: EosCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("bulk modulus", "eV/Å³"), np.array([case.bulk_modulus])
    yield ("volume of an atom", "Å³"), np.array([case.volume / len(case.atoms)])


@quantities.register
def _(case: ElasticCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("bulk modulus", "eV/Å³"), np.array([case.bulk_modulus])
    yield ("shear modulus", "eV/Å³"), np.array([case.shear_modulus])


@quantities.register
def _(case: BarrierCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("barrier", "eV"), np.array([case.barrier])


@quantities.register
def _(case: MigrationCase) -> Iterator[tuple[Quantity, np.ndarray]]:
    yield ("forward barrier", "eV"), np.array([case.forward_barrier])
    if case.forces is not None:
        yield FORCE, np.linalg.norm(case.forces, axis=-1)
