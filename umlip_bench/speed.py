"""Timing our evaluation against the library's own ASE calculator, in one run on one machine.

Machines differ and drift, so the figure is a ratio: both sides evaluate the same structures in turn,
several times over, and must give the same energies, forces and stresses. Neighbour lists count on both
sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress

from umlip_bench.errors import UmlipBenchError
from umlip_bench.potentials.agreement import TOLERANCES, Deviation, deviation
from umlip_bench.potentials.protocol import Potential, Prediction

MIN_REPEATS = 5


@dataclass(frozen=True)
class Timing:
    """One line of the comparison.

    Parameters
    ----------
    work
        What was done.
    batch
        Structures handed over at once on our side, which still splits them where a device is better
        off with smaller calls; the library always takes one.
    library_per_s, ours_per_s
        Structures per second, medians over the repeats.
    ratio
        Median over the repeats of the library's time over ours.
    ratio_low, ratio_high
        Smallest and largest ratio.
    repeats
        Number of paired repeats.
    """

    work: str
    batch: int
    library_per_s: float
    ours_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    repeats: int


@dataclass(frozen=True)
class Comparison:
    """All timings of one model, and how closely the results agreed.

    Parameters
    ----------
    n_structures
        Number of structures that each side evaluates in a repeat.
    timings
        One for each batch size.
    deviation
        Largest differences between the two sides.
    """

    n_structures: int
    timings: tuple[Timing, ...]
    deviation: Deviation


def small_cells(n: int) -> list[Atoms]:
    """Return `n` distorted bulk cells of 2 to 40 atoms, the same ones every time."""
    prototypes = [
        bulk("Si", "diamond", a=5.43),
        bulk("NaCl", "rocksalt", a=5.64, cubic=True),
        bulk("Al", "fcc", a=4.05, cubic=True),
        bulk("MgO", "rocksalt", a=4.21).repeat((2, 2, 1)),
        bulk("SiC", "zincblende", a=4.36).repeat((3, 2, 1)),
        bulk("GaAs", "zincblende", a=5.65).repeat((2, 2, 2)),
        bulk("Al", "fcc", a=4.05).repeat((4, 3, 2)),
        bulk("LiF", "rocksalt", a=4.03).repeat((5, 2, 2)),
    ]
    cells = []
    for k in range(n):
        atoms = prototypes[k % len(prototypes)].copy()
        atoms.rattle(0.05, seed=k)
        cells.append(atoms)
    return cells


def compare_static(
    potential: Potential, structures: Sequence[Atoms], batches: Sequence[int], repeats: int
) -> Comparison:
    """Time single points with energy, forces and stress.

    Parameters
    ----------
    potential
        The model; its library's calculator runs the same weights on the same device.
    structures
        What both sides evaluate.
    batches
        Structures handed over at once on our side.
    repeats
        Paired repeats, at least `MIN_REPEATS`.

    Raises
    ------
    UmlipBenchError
        If the two sides disagree by more than `TOLERANCES`, or `repeats` is too small.
    """
    if repeats < MIN_REPEATS:
        raise UmlipBenchError(f"{repeats} repeats are too few; at least {MIN_REPEATS} are needed")
    calculator = potential.reference_calculator()

    def library() -> list[Prediction]:
        return [call_calculator(calculator, atoms) for atoms in structures]

    def ours(batch: int) -> list[Prediction]:
        results = []
        for start in range(0, len(structures), batch):
            results += potential.predict(structures[start : start + batch])
        return results

    expected = library()  # also warms up
    worst = Deviation(0.0, 0.0, 0.0)
    for batch in batches:
        for theirs, mine in zip(expected, ours(batch), strict=True):
            found = deviation(theirs, mine)
            if not found.within(TOLERANCES[potential.dtype]):
                raise UmlipBenchError(
                    f"{potential.card.name}: our results differ from the library's by {found}, tolerated "
                    f"are {TOLERANCES[potential.dtype]}; the timing would mean nothing"
                )
            worst = Deviation(
                max(worst.energy, found.energy),
                max(worst.forces, found.forces),
                max(worst.stress, found.stress),
            )

    library_times: list[float] = []
    our_times: dict[int, list[float]] = {batch: [] for batch in batches}
    for _ in range(repeats):
        library_times.append(_seconds(library))
        for batch in batches:
            our_times[batch].append(_seconds(partial(ours, batch)))

    n = len(structures)
    timings = []
    for batch in batches:
        ratios = np.divide(library_times, our_times[batch])
        timings.append(
            Timing(
                work="static",
                batch=batch,
                library_per_s=n / median(library_times),
                ours_per_s=n / median(our_times[batch]),
                ratio=float(np.median(ratios)),
                ratio_low=float(ratios.min()),
                ratio_high=float(ratios.max()),
                repeats=repeats,
            )
        )
    return Comparison(n, tuple(timings), worst)


def call_calculator(calculator: Calculator, atoms: Atoms) -> Prediction:
    """Energy, forces and stress of a structure from an ASE calculator, as a `Prediction`."""
    atoms = atoms.copy()
    calculator.reset()  # it would answer from memory if it had just seen this structure
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    # Not get_stress: matgl's calculator stores a matrix where ASE expects Voigt order.
    stress = np.array(calculator.results["stress"], dtype=float)
    if stress.shape == (6,):
        stress = voigt_6_to_full_3x3_stress(stress)
    return Prediction(float(energy), np.array(forces, dtype=float), stress, None)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
