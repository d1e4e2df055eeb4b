"""Checks of a model that need no reference: which are made, how, and what passes.

Every check begins with a structure as it is given: a model that cannot evaluate that gave no result. What it
cannot stand from there on is its own failure.

Bounds are those of a computation in double precision, or what the number format resolves where that is more
(`ROUNDING`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.units import kB
from scipy.spatial.transform import Rotation

from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.sanity.crystals import crystals, elements
from umlip_bench.benchmarks.sanity.result import SanityCheck, SanityFinding, SanityResult
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.engine.dynamics import Langevin
from umlip_bench.engine.requests import About, Rounding, Static, Task
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.units import GPA, MICRO, MILLI

CLOSEST = 0.5
"""Å, down to which two atoms approach: below all bonds, above what neighbour lists refuse."""
APPROACH = 0.05
"""Å, at most, from one distance of a dimer to the next."""
SHORTEST_BOND = 0.55
"""Of the sum of covalent radii: the shortest bond of any two like atoms, Cr2 and Mo2, is 0.60 of it. A
minimum below that is a hole in the core."""
LEAST_MINIMUM = 0.6
"""Å; the same for hydrogen, whose bond is 0.74 Å long."""
FARTHEST = 2.0
"""Of the sum of covalent radii, from where a dimer closes."""
VOLUMES = np.linspace(1.1, 0.6, 11)
"""Of the crystal's own; expanded ones too, for models whose crystals are too large."""
LEAST_VOLUME = 0.85
"""Below that a minimum is no error of volume, but a collapse: functionals differ by 0.1 at most."""
FALL = 1e-3
"""eV of a dimer, and eV/atom of a crystal, by which energies may fall on the way in: a twenty-fifth of the
thermal energy at room temperature."""
PULL = 2 * FALL / APPROACH
"""eV/Å between two atoms inside their minimum: a slope by which the energy falls twice as fast as it may."""
TENSION = 0.1
"""GPa inside the minimum, where there is to be pressure of 10 and more."""
SUM = 1.0
"""μeV/atom that energies of parts may miss that of the whole by: nothing but rounding is in the way."""
TURNED_FORCES = 0.01
"""meV/Å, likewise for forces of a turned structure."""
ROUNDING = 32.0
"""Energies may be off by so many times the machine epsilon of their size: sums over an atom's neighbours and
layers add up as many roundings. In single precision that is 19 μeV/atom for 5 eV/atom."""
ROUNDING_OF_FORCES = 256.0
"""1/Å, likewise for forces and the energy of an atom: they are what is left of pulls from all sides, which
are ten times as large. In single precision 0.15 meV/Å."""
GRADIENT = 1.0
"""meV/Å in the mean along a direction of unit length in all coordinates. Models that predict forces by
themselves miss by tens of times as much; the smallest errors against DFT are as large."""
WAY, WAY_POINTS = 0.1, 32
"""Å, of which forces are integrated by Gauss and Legendre. A difference quotient cannot tell on a rippled
surface: within 0.005 Å CHGNet's slope on BN changes by 6 meV/Å, and over less single precision loses as much.
With 16 points 1 meV/Å is left of these ripples."""
DRIFT = 1.0
"""meV/atom/ps: heats a harmonic crystal, of 3 k_B an atom, by 4 K in each ps."""
TEMPERATURE = 300.0
"""K, once half the kinetic energy has gone into the springs."""
PICOSECONDS = 1.0
TIMESTEP, TIMESTEP_WITH_HYDROGEN = 2.0, 0.5
"""fs: some ten steps in the fastest period."""
RATTLE = 0.05
"""Å, standard deviation of displacements: at ideal sites forces vanish by symmetry, right or wrong."""
LEAST_ATOMS = 8
"""In the cells that are rattled, turned and moved; smaller ones are repeated."""
VACUUM = 15.0
"""Å around what is not periodic, more than twice the cutoff of any model with neighbours. A model with
charges falls off as a power of it, and need not pass."""
TURNS = 3
"""Rotations, at random but the same for all."""

DRIFT_OF = ("Si", "NaCl")
"""Materials whose dynamics are run, of data sets that have them."""
QUICK_DIMERS, QUICK_CRYSTALS, STANDARD_CRYSTALS = 5, 2, 12


@dataclass(frozen=True, eq=False)
class SanityCase:
    """One check.

    Parameters
    ----------
    check
        Which.
    subject
        What it is made on: a material, or an element.
    atoms
        The crystal as it is; of a dimer both atoms, apart by the sum of their covalent radii.
    """

    check: SanityCheck
    subject: str
    atoms: Atoms

    @property
    def name(self) -> str:
        """Unique: ``"dimer Si"``."""
        return f"{self.check} {self.subject}"

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of([self.atoms])


# ---- which checks


def cases(dataset: Dataset, mode: Mode) -> Sequence[SanityCase]:
    """Dimers of all elements, checks of the smallest crystals, dynamics of two; none without a crystal."""
    found = crystals(dataset)
    if not found:
        return []
    n_crystals = {Mode.QUICK: QUICK_CRYSTALS, Mode.STANDARD: STANDARD_CRYSTALS}.get(mode)
    chosen = found if n_crystals is None else _smallest(found, n_crystals)
    moving = {name: found[name] for name in DRIFT_OF if name in found} or _smallest(found, 2)
    return [
        *_dimers(elements(dataset), mode),
        *_of_crystals(chosen),
        *(SanityCase(SanityCheck.DRIFT, name, atoms) for name, atoms in moving.items()),
    ]


def structure_cases(request: StructureRequest) -> Sequence[SanityCase]:
    """All checks of a structure, and dimers of its elements."""
    given = {request.name: request.atoms}
    return [
        *_dimers(list(dict.fromkeys(request.atoms.symbols)), request.mode),
        *_of_crystals(given),
        SanityCase(SanityCheck.DRIFT, request.name, request.atoms),
    ]


def _smallest(found: dict[str, Atoms], n: int) -> dict[str, Atoms]:
    return {name: found[name] for name in cheapest(list(found), n, lambda name: len(found[name]))}


def _dimers(symbols: Sequence[str], mode: Mode) -> list[SanityCase]:
    wanted = symbols[:QUICK_DIMERS] if mode is Mode.QUICK else symbols
    return [
        SanityCase(SanityCheck.DIMER, symbol, _pair(symbol, _bond(symbol))) for symbol in wanted
    ]


def _of_crystals(found: dict[str, Atoms]) -> list[SanityCase]:
    kinds = (SanityCheck.COMPRESSION, SanityCheck.SIZE, SanityCheck.ROTATION, SanityCheck.FORCES)
    return [SanityCase(kind, name, atoms) for name, atoms in found.items() for kind in kinds]


# ---- how they are made


def measure(case: SanityCase) -> Task[SanityResult]:
    """Make one check."""
    card = yield About()
    unknown = sorted(set(case.elements) - set(card.elements)) if card.elements else []
    if unknown:
        said = f"the model does not know {', '.join(unknown)}"
        return SanityResult(case.name, case.check, (), np.zeros(0), np.zeros(0), left_out=said)
    yield Static(case.atoms)
    epsilon = yield Rounding()
    try:
        findings, along, energies = yield from CHECKS[case.check](case.atoms, epsilon)
    except StructureError as error:
        return SanityResult(case.name, case.check, (), np.zeros(0), np.zeros(0), broke=str(error))
    return SanityResult(case.name, case.check, tuple(findings), along, energies)


Outcome = tuple[list[SanityFinding], np.ndarray, np.ndarray]
"""Findings, and a curve as in `SanityResult`."""


def _without_curve(*findings: SanityFinding) -> Outcome:
    return list(findings), np.zeros(0), np.zeros(0)


def _dimer(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    symbol, bond = atoms.symbols[0], float(atoms.get_distance(0, 1))
    n = round(np.ceil((FARTHEST * bond - CLOSEST) / APPROACH))
    distances = np.linspace(FARTHEST * bond, CLOSEST, n + 1)
    answers = yield [Static(_pair(symbol, distance)) for distance in distances]
    energies = np.array([each.energy for each in answers])
    least = max(SHORTEST_BOND * bond, LEAST_MINIMUM)
    inside = _inside(energies, distances >= least)
    # The second atom lies in the direction of x: attraction pulls it back. Next to the minimum it may be.
    pulls = -np.array([each.forces[1, 0] for each in answers])[inside + 2 :]
    strongest = inside + 2 + int(pulls.argmax())
    allowed = max(FALL, _rounding(epsilon, energies))
    return (
        [
            _fall("dimer_fall", energies, distances, inside, allowed, "{:.2f} to {:.2f} Å"),
            SanityFinding(
                "dimer_pull",
                max(float(pulls.max()), 0.0),
                PULL,
                f"at {distances[strongest]:.2f} Å",
            ),
        ],
        distances,
        energies,
    )


def _compression(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    cells = []
    for volume in VOLUMES:
        cells.append(atoms.copy())
        cells[-1].set_cell(atoms.cell.array * volume ** (1 / 3), scale_atoms=True)
    answers = yield [Static(cell, stress=True) for cell in cells]
    energies = np.array([each.energy for each in answers])
    per_atom = energies / len(atoms)
    inside = _inside(per_atom, VOLUMES >= LEAST_VOLUME)
    allowed = max(FALL, _rounding(epsilon, per_atom))
    where = "{:.2f} to {:.2f} of the volume"
    findings = [_fall("compression_fall", per_atom, VOLUMES, inside, allowed, where)]
    stresses = [each.stress for each in answers[inside + 1 :]]
    if all(stress is not None for stress in stresses):
        tensions = np.array([np.trace(stress) / 3 / GPA for stress in stresses])
        largest = int(tensions.argmax())
        place = f"at {VOLUMES[inside + 1 + largest]:.2f} of the volume"
        worst = max(float(tensions[largest]), 0.0)
        findings.append(SanityFinding("compression_tension", worst, TENSION, place))
    return findings, VOLUMES, energies


def _size(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    cell = _sample(atoms)
    first, second = cell.positions, 0.97 * cell.positions
    n = len(cell)
    both = np.concatenate([first, second - second.min(axis=0) + [_reach(first), 0.0, 0.0]])
    twice = np.concatenate([cell.numbers, cell.numbers])
    one, two, left, right, apart = yield [
        Static(cell),
        Static(cell.repeat((2, 1, 1))),
        Static(_alone(cell.numbers, first)),
        Static(_alone(cell.numbers, second)),
        Static(_alone(twice, both)),
    ]
    allowed = max(SUM, _rounding(epsilon, [one.energy / n, apart.energy / n]) / MICRO)
    doubled = abs(two.energy - 2 * one.energy) / (2 * n)
    added = abs(apart.energy - left.energy - right.energy) / (2 * n)
    return _without_curve(
        SanityFinding("doubled", doubled / MICRO, allowed),
        SanityFinding("apart", added / MICRO, allowed),
    )


def _rotation(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    cell = _sample(atoms)
    turns = Rotation.random(TURNS, rng=0).as_matrix()
    turned = []
    for turn in turns:
        turned.append(cell.copy())
        turned[-1].set_cell(cell.cell.array @ turn.T, scale_atoms=True)
    here, *there = yield [Static(cell), *(Static(each) for each in turned)]
    energy = max(abs(each.energy - here.energy) for each in there) / len(cell)
    forces = max(
        float(np.abs(each.forces - here.forces @ turn.T).max())
        for turn, each in zip(turns, there, strict=True)
    )
    rounded = _rounding(epsilon, [here.energy / len(cell)])
    of_forces = rounded * ROUNDING_OF_FORCES / ROUNDING
    return _without_curve(
        SanityFinding("turned_energy", energy / MICRO, max(SUM, rounded / MICRO)),
        SanityFinding("turned_forces", forces / MILLI, max(TURNED_FORCES, of_forces / MILLI)),
    )


def _forces(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    """Work of the forces against energies, on the way along the forces and along a random direction."""
    cell = _sample(atoms)
    here = yield Static(cell)
    directions = [np.random.default_rng(1).normal(size=here.forces.shape)]
    directions += [here.forces] if here.forces.any() else []
    nodes, weights = np.polynomial.legendre.leggauss(WAY_POINTS)
    worst = 0.0
    for direction in directions:
        unit = direction / np.linalg.norm(direction)
        places = WAY / 2 * np.array([-1.0, 1.0, *nodes])
        on_the_way = [cell.copy() for _ in places]
        for each, place in zip(on_the_way, places, strict=True):
            each.positions += place * unit
        first, last, *between = yield [Static(each) for each in on_the_way]
        along = np.array([np.sum(each.forces * unit) for each in between])
        mean = weights @ along / 2
        worst = max(worst, abs(float(mean) + (last.energy - first.energy) / WAY))
    rounded = _rounding(epsilon, [here.energy]) / WAY
    return _without_curve(SanityFinding("gradient", worst / MILLI, max(GRADIENT, rounded / MILLI)))


def _drift(atoms: Atoms, epsilon: float) -> Task[Outcome]:
    cell = _repeated(atoms)
    timestep = TIMESTEP_WITH_HYDROGEN if "H" in cell.symbols else TIMESTEP
    steps = round(1000 * PICOSECONDS / timestep)
    run = Langevin(
        cell, 2 * TEMPERATURE, steps, seed=0, timestep=timestep, friction=0.0, every=steps // 100
    )
    found = yield run
    kinetic = 1.5 * len(cell) * kB * found.temperatures
    times, energies = found.times / 1000, found.energies + kinetic
    slope = float(np.polyfit(times, energies - energies[0], 1)[0])
    rounded = _rounding(epsilon, [energies[0] / len(cell)]) / MILLI / PICOSECONDS
    drift = abs(slope) / len(cell) / MILLI
    return [SanityFinding("drift", drift, max(DRIFT, rounded))], times, energies


CHECKS: dict[SanityCheck, Callable[[Atoms, float], Task[Outcome]]] = {
    SanityCheck.DIMER: _dimer,
    SanityCheck.COMPRESSION: _compression,
    SanityCheck.SIZE: _size,
    SanityCheck.ROTATION: _rotation,
    SanityCheck.DRIFT: _drift,
    SanityCheck.FORCES: _forces,
}


# ---- what they share


def _inside(energies: np.ndarray, may_be_minimum: np.ndarray) -> int:
    """Index of the minimum, of those that may be it, on a way inwards."""
    return int(np.where(may_be_minimum, energies, np.inf).argmin())


def _fall(
    key: str,
    energies: np.ndarray,
    along: np.ndarray,
    inside: int,
    allowed: float,
    where: str,
) -> SanityFinding:
    """The deepest that the energy falls again on the way in, from the minimum on."""
    ridge = np.maximum.accumulate(energies[inside:])
    falls = ridge - energies[inside:]
    end = int(falls.argmax())
    start = int(energies[inside : inside + end + 1].argmax())
    place = f"from {where.format(along[inside + start], along[inside + end])}"
    return SanityFinding(key, float(falls[end]), allowed, place if falls[end] > 0 else "")


def _rounding(epsilon: float, energies: np.ndarray | Sequence[float]) -> float:
    """What the number format leaves open of energies, eV."""
    return ROUNDING * epsilon * float(np.abs(energies).max())


def _bond(symbol: str) -> float:
    """Sum of the covalent radii of two like atoms, Å."""
    return 2 * float(covalent_radii[atomic_numbers[symbol]])


def _pair(symbol: str, distance: float) -> Atoms:
    positions = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
    return _alone(np.full(2, atomic_numbers[symbol]), positions)


def _alone(numbers: np.ndarray, positions: np.ndarray) -> Atoms:
    """Not periodic but for the vacuum around it."""
    edges = np.ptp(positions, axis=0) + VACUUM
    return Atoms(numbers, positions, cell=edges, pbc=True)


def _reach(positions: np.ndarray) -> float:
    """Where along x another body is far from this one."""
    return float(positions[:, 0].max()) + VACUUM


def _repeated(atoms: Atoms) -> Atoms:
    """Large enough, by doubling the shortest vector."""
    cell = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    while len(cell) < LEAST_ATOMS:
        times = [1, 1, 1]
        times[int(cell.cell.lengths().argmin())] = 2
        cell = cell.repeat(times)
    return cell


def _sample(atoms: Atoms) -> Atoms:
    """Large enough, and rattled."""
    cell = _repeated(atoms)
    cell.positions += np.random.default_rng(0).normal(0.0, RATTLE, cell.positions.shape)
    return cell
