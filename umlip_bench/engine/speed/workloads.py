"""What speed is measured on: the same work as ASE does it with a calculator, and as the engine does.

Each kind of work says what a user of the library would write, and which requests are the same to the
engine. All are deterministic, so that both sides end in the same place but for rounding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from typing import ClassVar

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin as AseLangevin
from ase.mep import NEB
from ase.optimize import FIRE
from pymatgen.io.ase import AseAtomsAdaptor

from umlip_bench.engine.bands import Band
from umlip_bench.engine.dynamics import Langevin
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.requests import Static, Task
from umlip_bench.engine.speed import torch_sim_side
from umlip_bench.engine.speed.ends import Difference, End
from umlip_bench.potentials.agreement import TOLERANCES, call_calculator

ASE, MATCALC, TORCH_SIM = "ase", "matcalc", "torch-sim"
"""Who else does the work."""


class Work(ABC):
    """One kind of work on a fixed list of structures."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """What is counted."""

    n: int
    """How many of them."""
    structures: Sequence[Atoms]
    """That it is done on, or those of all paths."""
    description: str
    """The structures, for people."""

    @abstractmethod
    def library(self, calculator: Calculator) -> list[End]:
        """Do it under ASE with the library's calculator."""

    @property
    def others(self) -> Mapping[str, Callable[[Calculator], list[End]]]:
        """Who else does this work with a calculator, by name: ASE, and what was asked for."""
        return {ASE: self.library}

    @property
    def mapped(self) -> Callable[[Atoms], End] | None:
        """ASE's code for one of `structures`, for `umlip_bench.map`; ``None`` if it is not timed."""
        return None

    @abstractmethod
    def tasks(self) -> list[Task[list[End]]]:
        """The same work for the engine: a measurement each of what is counted, or of several."""

    @abstractmethod
    def tolerance(self, dtype: torch.dtype) -> Difference:
        """How far the ends of the two sides may be apart."""


class SinglePoints(Work):
    """Energy, forces and stress."""

    name, unit = "static", "structures"
    stress = True

    def __init__(self, structures: Sequence[Atoms], against: Collection[str] = ()) -> None:
        self.structures = structures
        self.against = against
        self.n = len(structures)
        self.description = describe_sizes(structures)

    def library(self, calculator: Calculator) -> list[End]:
        """One call after the other."""
        ends = []
        for atoms in self.structures:
            prediction = call_calculator(calculator, atoms)
            ends.append(End(atoms, prediction.energy, prediction.forces))
        return ends

    @property
    def others(self) -> Mapping[str, Callable[[Calculator], list[End]]]:
        """ASE, and torch-sim if it was asked for."""
        found = {ASE: self.library}
        return found | {TORCH_SIM: self.torch_sim} if TORCH_SIM in self.against else found

    def torch_sim(self, calculator: Calculator) -> list[End]:
        """All in one call of torch-sim."""
        return torch_sim_side.static(calculator, self.structures, stress=self.stress)

    def tasks(self) -> list[Task[list[End]]]:
        """One `Static` each, which ends with the structure itself."""
        return [self._task(atoms) for atoms in self.structures]

    def _task(self, atoms: Atoms) -> Task[list[End]]:
        answer = yield Static(atoms, stress=self.stress)
        return [End(atoms, answer.energy, answer.forces)]

    def tolerance(self, dtype: torch.dtype) -> Difference:
        """As in the contract of all potentials."""
        return Difference(TOLERANCES[dtype].energy, TOLERANCES[dtype].forces, 0.0)


class PhononDisplacements(SinglePoints):
    """Forces on displaced supercells."""

    name, unit = "phonons", "supercells"
    stress = False


class Relaxations(Work):
    """Relaxations with FIRE, from the same start with the same settings."""

    unit = "structures"
    name = "relax"
    cell = False
    fmax, steps = 0.05, 200

    def __init__(self, structures: Sequence[Atoms], against: Collection[str] = ()) -> None:
        self.structures = structures
        self.n = len(structures)
        self.description = f"{describe_sizes(structures)}, fmax {self.fmax} eV/Å"
        self.against = against

    def library(self, calculator: Calculator) -> list[End]:
        """`ase.optimize.FIRE`, one structure after the other."""
        ends = []
        for start in self.structures:
            atoms = start.copy()
            atoms.calc = calculator
            calculator.reset()
            ends.append(self._relaxed(atoms))
        return ends

    @property
    def mapped(self) -> Callable[[Atoms], End]:
        """The same code, for many structures at once."""
        return self._relaxed

    def _relaxed(self, atoms: Atoms) -> End:
        FIRE(FrechetCellFilter(atoms) if self.cell else atoms, logfile=None).run(
            fmax=self.fmax, steps=self.steps
        )
        return _end(atoms)

    @property
    def others(self) -> Mapping[str, Callable[[Calculator], list[End]]]:
        """ASE, and who else was asked for."""
        further = {MATCALC: self.matcalc, TORCH_SIM: self.torch_sim}
        return {ASE: self.library} | {k: do for k, do in further.items() if k in self.against}

    def torch_sim(self, calculator: Calculator) -> list[End]:
        """torch-sim's FIRE, all at once."""
        return torch_sim_side.relaxed(
            calculator, self.structures, cell=self.cell, fmax=self.fmax, steps=self.steps
        )

    def matcalc(self, calculator: Calculator) -> list[End]:
        """Matcalc's relaxation, one structure after the other."""
        from matcalc import RelaxCalc

        relax = RelaxCalc(
            calculator,
            optimizer="FIRE",
            max_steps=self.steps,
            fmax=self.fmax,
            relax_cell=self.cell,
        )
        ends = []
        for start in self.structures:
            calculator.reset()
            found = relax.calc(start.copy())
            atoms = AseAtomsAdaptor.get_atoms(found["final_structure"])
            ends.append(End(atoms, float(found["energy"]), np.array(found["forces"])))
        return ends

    def tasks(self) -> list[Task[list[End]]]:
        """One `Relax` each, which ends with the relaxed structure."""
        return [self._task(atoms) for atoms in self.structures]

    def _task(self, atoms: Atoms) -> Task[list[End]]:
        answer = yield Relax(atoms, cell=self.cell, fmax=self.fmax, steps=self.steps)
        return [End(answer.atoms, answer.energy, answer.forces)]

    def tolerance(self, dtype: torch.dtype) -> Difference:
        """Rounding may stop one side a step later, within what `fmax` leaves open."""
        return Difference(energy=1e-3, forces=2 * self.fmax, positions=0.03)


class CellRelaxations(Relaxations):
    """Relaxations with a free cell (`ase.filters.FrechetCellFilter`)."""

    name = "relax-cell"
    cell = True


class Bands(Work):
    """Climbing-image elastic bands with improved tangents, a fixed number of steps."""

    name, unit = "neb", "paths"
    steps = 10

    def __init__(self, paths: Sequence[Sequence[Atoms]]) -> None:
        self.paths = paths
        self.structures = [image for path in paths for image in path]
        self.n = len(paths)
        self.description = (
            f"{self.n} vacancy hops in cells of {len(paths[0][0])} atoms, {len(paths[0]) - 2} images "
            f"between the end points, {self.steps} steps"
        )

    def library(self, calculator: Calculator) -> list[End]:
        """`ase.mep.NEB` under FIRE, one path after the other."""
        ends = []
        for path in self.paths:
            images = [image.copy() for image in path]
            for image in images:
                # One each, with the same model: a shared one would forget every image for the next
                # and compute all of them several times over.
                image.calc = copy(calculator)
                image.calc.reset()
            band = NEB(images, climb=True, method="improvedtangent")
            FIRE(band, logfile=None).run(fmax=1e-6, steps=self.steps)
            ends += [_end(image) for image in images[1:-1]]
        return ends

    def tasks(self) -> list[Task[list[End]]]:
        """One `Band` each, which ends with the images between the end points."""
        return [self._task(path) for path in self.paths]

    def _task(self, path: Sequence[Atoms]) -> Task[list[End]]:
        answer = yield Band(path, fmax=1e-6, steps=self.steps)
        return [
            End(answer.images[k], float(answer.energies[k]), answer.forces[k])
            for k in range(1, len(answer.images) - 1)
        ]

    def tolerance(self, dtype: torch.dtype) -> Difference:
        """After the same number of steps only rounding is left."""
        return Difference(energy=1e-4, forces=1e-2, positions=1e-3)


class Dynamics(Work):
    """Langevin dynamics at 1000 K from the same seed."""

    name, unit = "md", "steps"
    steps = 20
    temperature = 1000.0

    def __init__(self, structures: Sequence[Atoms]) -> None:
        self.structures = structures
        self.n = self.steps * len(structures)
        self.description = (
            f"{describe_sizes(structures)}, {self.steps} steps of 1 fs at {self.temperature:.0f} K"
        )

    def tasks(self) -> list[Task[list[End]]]:
        """One `Langevin` each from rest, which needs no random numbers, to its last frame."""
        return [self._task(seed, atoms) for seed, atoms in enumerate(self.structures)]

    def _task(self, seed: int, atoms: Atoms) -> Task[list[End]]:
        answer = yield Langevin(
            _at_rest(atoms),
            temperature=self.temperature,
            steps=self.steps,
            every=self.steps,
            seed=seed,
        )
        return [End(answer.frames[-1], float(answer.energies[-1]), answer.forces[-1])]

    def library(self, calculator: Calculator) -> list[End]:
        """`ase.md.langevin.Langevin`, one trajectory after the other."""
        ends = []
        for seed, start in enumerate(self.structures):
            atoms = _at_rest(start)
            atoms.calc = calculator
            calculator.reset()
            AseLangevin(
                atoms,
                timestep=1.0 * units.fs,
                temperature_K=self.temperature,
                friction=0.01 / units.fs,
                fixcm=False,
                rng=np.random.default_rng(seed),
            ).run(self.steps)
            ends.append(_end(atoms))
        return ends

    def tolerance(self, dtype: torch.dtype) -> Difference:
        """So few steps that rounding has not grown."""
        return Difference(energy=1e-4, forces=1e-2, positions=1e-3)


def _at_rest(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.set_momenta(np.zeros((len(atoms), 3)))
    return atoms


def _end(atoms: Atoms) -> End:
    return End(atoms.copy(), float(atoms.get_potential_energy()), np.array(atoms.get_forces()))


def describe_sizes(structures: Sequence[Atoms]) -> str:
    """Number of structures and their sizes."""
    sizes = [len(atoms) for atoms in structures]
    span = f"{sizes[0]}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    return f"{len(sizes)} cells of {span} atoms"
