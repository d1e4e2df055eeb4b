"""Molecular dynamics at constant temperature, for sampling."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units

from umlip_bench.engine.constraints import check_fixed, free_components
from umlip_bench.engine.requests import Procedure, Static
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Prediction

_PLAUSIBLE_HEATING = 20
_PLAUSIBLE_RELEASE = 10.0
"""An atom's kinetic energy is plausible up to that multiple of its thermal mean plus that many eV, which
a start far from equilibrium may release. Thermally it is reached once in 10¹² atoms and steps."""


@dataclass(frozen=True, eq=False)
class Trajectory(ReadOnlyArrays):
    """Frames of a simulation. Energies, forces and temperatures are those of the frames.

    Parameters
    ----------
    frames
        Geometries with velocities; not wrapped into the cell.
    times
        Shape (n,), fs since the start.
    energies
        Shape (n,), eV: potential energies.
    forces
        Shape (n, N, 3), eV/Å, those on fixed atoms included.
    temperatures
        Shape (n,), K: twice the kinetic energy over the number of free Cartesian components and
        Boltzmann's constant. The centre of mass counts, since the thermostat acts on it as well.
    """

    frames: tuple[Atoms, ...]
    times: np.ndarray
    energies: np.ndarray
    forces: np.ndarray
    temperatures: np.ndarray


@dataclass(frozen=True, eq=False)
class Langevin(Procedure[Trajectory]):
    """Sample the canonical ensemble by Langevin dynamics, cell fixed; answered by `Trajectory`.

    The integrator is Eq. 23 of Vanden-Eijnden and Ciccotti, Chem. Phys. Lett. 429, 310 (2006), doi
    10.1016/j.cplett.2006.07.086. Steps and random numbers are those of `ase.md.langevin.Langevin` with
    ``fixcm=False`` and ``rng=numpy.random.default_rng(seed)``. They are drawn for each structure by
    itself, so that its trajectory does not depend on what else is under way.

    A structure that has momenta starts with them. One that has none gets Maxwell-Boltzmann momenta from
    the same random numbers, not rescaled to the temperature; then, if nothing is fixed, the centre of mass
    is brought to rest, which leaves the temperature lower by one part in N on average until the thermostat
    has made up for it. The thermostat moves the centre of mass: all 3N components have the temperature,
    and the structure as a whole diffuses, which changes no energy.

    Parameters
    ----------
    atoms
        Start. Constraints of ASE that fix atoms or Cartesian components of them are kept.
    temperature
        K; at 0 the structure is only slowed down.
    steps
        Time steps in all; the model is called once more.
    seed
        Of the random numbers; structures that are to be independent need different ones.
    timestep
        fs. About a twentieth of the shortest period of vibration: 1 to 2, with hydrogen 0.5.
    friction
        1/fs; the inverse of the time in which velocities are forgotten. At 0 there is no thermostat.
    discard
        Steps before the first frame, for reaching equilibrium; at 0 the first frame is the start.
    every
        Steps from one frame to the next.
    fixed
        Atoms that do not move, boolean of shape (N,), or Cartesian components of them, (N, 3).

    Raises
    ------
    ValueError
        If one of them does not make sense.
    """

    atoms: Atoms
    temperature: float
    steps: int
    seed: int
    timestep: float = 1.0
    friction: float = 0.01
    discard: int = 0
    every: int = 10
    fixed: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise ValueError(
                f"temperature is {self.temperature} K; it must be finite and not negative"
            )
        if not 0 < self.timestep < np.inf:
            raise ValueError(f"timestep is {self.timestep} fs; it must be positive, e.g. 1.0")
        if not 0 <= self.friction * self.timestep <= 1:
            raise ValueError(
                f"friction is {self.friction} 1/fs; it must not be negative, nor more than 1 per time step "
                f"of {self.timestep} fs; usual are 0.001 to 0.02"
            )
        if not 0 <= self.discard <= self.steps:
            raise ValueError(
                f"discard is {self.discard} of {self.steps} steps; it must be between 0 and their number, or "
                "no frame is left"
            )
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; it must not be negative")
        if self.every < 1:
            raise ValueError(f"every is {self.every}; it must be at least 1")
        check_fixed(self.fixed, len(self.atoms))

    def task(self) -> Generator[Static, Prediction, Trajectory]:
        """Integrate the equation of motion, evaluating once a step.

        Raises
        ------
        StructureError
            If the start has constraints of another kind, no free atom or no masses, a geometry on the way
            cannot be evaluated, or an atom becomes implausibly fast.
        """
        free = free_components(self.atoms, self.fixed)
        _check_movable(self.atoms, free)
        motion = _Motion(self, free)
        frames: list[tuple[Atoms, float, Prediction]] = []
        step = 0
        while True:
            try:
                prediction = yield Static(motion.atoms)
            except StructureError as error:
                raise StructureError(f"after {step} steps of dynamics: {error}") from error
            if step > 0:
                motion.second_half(prediction.forces)
            if step >= self.discard and (step - self.discard) % self.every == 0:
                frames.append((motion.frame(), motion.temperature, prediction))
            if step == self.steps:
                break
            motion.first_half(prediction.forces)
            motion.check(step)
            step += 1
        atoms, temperatures, predictions = zip(*frames, strict=True)
        return Trajectory(
            frames=atoms,
            times=self.timestep * (self.discard + self.every * np.arange(len(frames))),
            energies=np.array([prediction.energy for prediction in predictions]),
            forces=np.array([prediction.forces for prediction in predictions]),
            temperatures=np.array(temperatures),
        )


def _check_movable(atoms: Atoms, free: np.ndarray) -> None:
    """Refuse a structure that dynamics cannot move."""
    if not free.any():
        raise StructureError(
            f"{describe(atoms)}: all atoms are fixed; free some of them to run dynamics"
        )
    masses = atoms.get_masses()
    if not (masses > 0).all():
        bad = int(np.flatnonzero(~(masses > 0))[0])
        raise StructureError(
            f"{describe(atoms)}: the mass of atom {bad} ({atoms.symbols[bad]}) is {masses[bad]}; masses "
            "must be positive, as atoms.set_masses('defaults') makes them"
        )


class _Motion:
    """Positions and velocities of one structure, moved step by step; in ASE's units of time.

    One step is `first_half`, which moves the atoms, and `second_half` with the forces where they came.
    """

    def __init__(self, run: Langevin, free: np.ndarray) -> None:
        self.atoms = run.atoms.copy()
        self._run = run
        self._free = free
        self._masses = self.atoms.get_masses()[:, None]
        self._rng = np.random.default_rng(run.seed)
        self._velocities = self._start()
        dt, friction = run.timestep * units.fs, run.friction / units.fs
        sigma = np.sqrt(2 * units.kB * run.temperature * friction / self._masses)
        # Names and order of terms as in the paper and in ASE; fixed components get no velocity.
        self._dt = dt
        self._c1 = free * (dt / 2 - dt**2 * friction / 8) / self._masses
        self._c2 = dt * friction / 2 - dt**2 * friction**2 / 8
        self._c3 = free * (np.sqrt(dt) * sigma / 2 - dt**1.5 * friction * sigma / 8)
        self._c5 = free * dt**1.5 * sigma / (2 * np.sqrt(3))
        self._c4 = friction / 2 * self._c5
        self._random_kick = np.zeros_like(free)
        thermal = 1.5 * units.kB * run.temperature
        self._plausible = _PLAUSIBLE_HEATING * thermal + _PLAUSIBLE_RELEASE

    def _start(self) -> np.ndarray:
        if self.atoms.has("momenta"):
            return np.asarray(self.atoms.get_velocities() * self._free)
        spread = np.sqrt(units.kB * self._run.temperature / self._masses)
        velocities = spread * self._rng.standard_normal(self._free.shape) * self._free
        if self._free.all():
            velocities -= (self._masses * velocities).sum(axis=0) / self._masses.sum()
        return np.asarray(velocities)

    def first_half(self, forces: np.ndarray) -> None:
        """Half a step of the velocities, a whole one of the positions."""
        xi = self._rng.standard_normal(forces.shape)
        eta = self._rng.standard_normal(forces.shape)
        self._random_kick = self._c3 * xi - self._c4 * eta
        self._kick(forces)
        self.atoms.positions += self._dt * self._velocities + self._c5 * eta

    def second_half(self, forces: np.ndarray) -> None:
        """The other half step of the velocities, with the forces at the new positions."""
        self._kick(forces)

    def _kick(self, forces: np.ndarray) -> None:
        self._velocities += self._c1 * forces - self._c2 * self._velocities + self._random_kick

    @property
    def temperature(self) -> float:
        """Kinetic temperature, K."""
        return float(2 * self._kinetic_energies().sum() / (self._free.sum() * units.kB))

    def frame(self) -> Atoms:
        """The structure as it is now."""
        atoms = self.atoms.copy()
        atoms.set_velocities(self._velocities)
        return atoms

    def check(self, step: int) -> None:
        """Refuse to go on with an atom that is faster than any sampling makes it."""
        energies = self._kinetic_energies()
        fastest = int(energies.argmax())
        if not energies[fastest] <= self._plausible:
            raise StructureError(
                f"{describe(self.atoms)}: after {step} steps of dynamics atom {fastest} "
                f"({self.atoms.symbols[fastest]}) has a kinetic energy of {energies[fastest]:.3g} eV; up to "
                f"{self._plausible:.3g} eV are plausible at {self._run.temperature:g} K. Shorten the time "
                f"step of {self._run.timestep:g} fs, or start from a relaxed structure; else the model "
                "does not hold the atoms apart"
            )

    def _kinetic_energies(self) -> np.ndarray:
        """Shape (N,), eV."""
        v = self._velocities
        return np.asarray(0.5 * np.einsum("ax,ax,a->a", v, v, self._masses[:, 0]))
