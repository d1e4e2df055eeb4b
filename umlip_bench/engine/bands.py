"""Minimum energy paths: the nudged elastic band, and its approximation by independent relaxations."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.engine.constraints import check_fixed
from umlip_bench.engine.fire import Fire
from umlip_bench.engine.path_images import (
    check_distinct,
    check_limits,
    check_moving,
    check_path,
    farthest_from_path,
    free_on_path,
    steps_between,
)
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Procedure, Static
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.potentials.graph import Prediction


@dataclass(frozen=True, eq=False)
class EnergyProfile(ReadOnlyArrays):
    """Energies along a path. Energies and forces are those of `images`.

    Parameters
    ----------
    images
        Structures along the path, end points included; not wrapped into the cell.
    energies
        Shape (n,), eV, one for each image.
    forces
        Shape (n, N, 3), eV/Å: the model's, those on fixed atoms included.
    """

    images: tuple[Atoms, ...]
    energies: np.ndarray
    forces: np.ndarray

    @property
    def saddle(self) -> int:
        """Index of the image of highest energy; an end point's if none is higher."""
        return int(np.argmax(self.energies))

    @property
    def forward_barrier(self) -> float:
        """Energy of the highest image above the first one, eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward_barrier(self) -> float:
        """Energy of the highest image above the last one, eV."""
        return float(self.energies.max() - self.energies[-1])

    @property
    def kinetically_resolved_barrier(self) -> float:
        """Energy of the highest image above the mean of the end points, eV.

        Half the sum of the barriers in both directions (Van der Ven et al., Phys. Rev. B 64, 184307
        (2001), doi 10.1103/PhysRevB.64.184307).
        """
        return 0.5 * (self.forward_barrier + self.backward_barrier)

    @property
    def distances(self) -> np.ndarray:
        """Shape (n,), Å: length of the path up to each image, in the space of all coordinates."""
        lengths = np.linalg.norm(steps_between(self.images), axis=(1, 2))
        return np.concatenate([[0.0], np.cumsum(lengths)])


@dataclass(frozen=True, eq=False)
class BandResult(EnergyProfile):
    """Where a nudged elastic band ended: an `EnergyProfile`, and how well it is converged.

    Parameters
    ----------
    tangential_forces
        Shape (n,), eV/Å: component of the model's forces along the path; minus the slope of the energy
        over `distances`. It vanishes at a saddle point and at end points that are minima.
    fmax
        Largest force of the band (the model's across the path, the springs' along it) on an atom of an
        intermediate image, eV/Å. End points do not count.
    converged
        Whether it came below what was asked for.
    steps
        Steps taken; each intermediate image was evaluated once more.
    """

    tangential_forces: np.ndarray
    fmax: float
    converged: bool
    steps: int


@dataclass(frozen=True, eq=False)
class Band(Procedure[BandResult]):
    """Nudged elastic band between two minima, cell fixed; answered by `BandResult`.

    Improved tangents and spring forces of Henkelman and Jónsson, J. Chem. Phys. 113, 9978 (2000), doi
    10.1063/1.1323224; climbing image of Henkelman, Uberuaga and Jónsson, J. Chem. Phys. 113, 9901
    (2000), doi 10.1063/1.1329672. The steps are those of `ase.mep.NEB` with ``method="improvedtangent"``
    and ``remove_rotation_and_translation=False`` under `ase.optimize.FIRE`. A band that runs out of
    steps is answered too, with ``converged`` false.

    The highest intermediate image climbs from the first step on. To let a poor guess settle first:

    >>> def two_stages(images):
    ...     settled = yield Band(images, climb=False, fmax=0.2)
    ...     return (yield Band(settled.images))

    Parameters
    ----------
    images
        Path to start from, at least three structures of the same atoms in the same order and the same
        cell. The end points stay as they are. Atoms may be wrapped into the cell: from one image to the
        next each takes the shortest way. Constraints of ASE that fix atoms or Cartesian components of
        them are kept; they must be the same on all intermediate images.
    k
        Spring constant in eV/Å².
    climb
        Whether the highest intermediate image climbs to the saddle point.
    fmax
        eV/Å; see `BandResult.fmax` for what it is compared with.
    steps
        Most steps.
    fixed
        Atoms that do not move, boolean of shape (N,), or Cartesian components of them, (N, 3); the same
        in all images.

    Raises
    ------
    ValueError
        If one of them does not make sense.
    """

    images: Sequence[Atoms]
    k: float = 0.1
    climb: bool = True
    fmax: float = 0.05
    steps: int = 500
    fixed: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.k > 0:
            raise ValueError(f"k is {self.k} eV/Å²; it must be positive, e.g. 0.1")
        check_limits(self.fmax, self.steps)
        if self.images:
            check_fixed(self.fixed, len(self.images[0]))

    def task(self) -> Generator[list[Static], list[Prediction], BandResult]:
        """Evaluate all images and step until the forces of the band are small.

        Raises
        ------
        StructureError
            If the images do not make a path, neighbouring ones coincide, fixed atoms differ between them,
            or a geometry on the way cannot be evaluated.
        """
        check_path(self.images)
        free = free_on_path(self.images, self.fixed)
        check_distinct(self.images, free)
        images = [image.copy() for image in self.images]
        positions = np.array([image.positions for image in images])
        # Lattice vectors between where an atom is in one image and in the next; they stay.
        wraps = steps_between(images) - np.diff(positions, axis=0)
        energies = np.empty(len(images))
        forces = np.empty_like(positions)
        unknown = slice(None)  # at first the end points too, which then stay as they are
        fire = Fire()
        step = 0
        while True:
            try:
                answers = yield [Static(image) for image in images[unknown]]
            except StructureError as error:
                raise StructureError(f"after {step} steps of the band: {error}") from error
            energies[unknown] = [answer.energy for answer in answers]
            forces[unknown] = [answer.forces for answer in answers]
            springs = (np.diff(positions, axis=0) + wraps) * free
            on_band = _band_forces(energies, forces * free, springs, self.k, self.climb)
            fmax = float(np.sqrt((on_band**2).sum(axis=2).max()))
            if fmax < self.fmax or step == self.steps:
                return BandResult(
                    images=tuple(images),
                    energies=energies,
                    forces=forces,
                    tangential_forces=_along_path(energies, forces, springs),
                    fmax=fmax,
                    converged=fmax < self.fmax,
                    steps=step,
                )
            unknown = slice(1, -1)
            positions[unknown] += fire.step(on_band)
            for image, moved in zip(images[unknown], positions[unknown], strict=True):
                image.positions = moved
            step += 1


@dataclass(frozen=True, eq=False)
class ApproxBandResult(EnergyProfile):
    """An `EnergyProfile` of independently relaxed images, and how well each is converged.

    Parameters
    ----------
    moving, reference
        Indices of the atoms that were held in the intermediate images.
    fmax
        Shape (n,), eV/Å: largest norm of the force on an atom that was free in that image.
    converged
        Boolean of shape (n,): whether it came below what was asked for; of an end point that was not
        relaxed, whether it is a minimum of the model.
    steps
        Shape (n,): steps taken by each image.
    """

    moving: int
    reference: int
    fmax: np.ndarray
    converged: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True, eq=False)
class ApproxBand(Procedure[ApproxBandResult]):
    """Migration path by independent relaxations, ApproxNEB; answered by `ApproxBandResult`.

    In every intermediate image the moving ion and one reference atom are held and all others relax, so
    that the ion can neither slide down the path nor take the lattice with it; the cell is fixed. Rong
    et al., J. Chem. Phys. 145, 074112 (2016), doi 10.1063/1.4960790. The barrier is that of the images
    given: they should sample the path near the saddle point.

    Parameters
    ----------
    images
        Path, at least three structures of the same atoms in the same order and the same cell, wrapped
        or not. Constraints of ASE are kept as in `Relax`.
    moving
        Index of the ion that migrates.
    reference
        Index of the other atom held; ``None`` for the one that is farthest from the path: whose smallest
        distance to the moving ion over all images, by minimum image, is the largest (rounded to 0.001 Å;
        of equals, the first).
    relax_ends
        Whether all atoms of the end points relax, the moving ion too, or none. Intermediate images start
        from the geometry given in either case, so that all are relaxed at once.
    fmax
        eV/Å, for each image by itself.
    steps
        Most steps of each image.
    fixed
        Atoms that do not move in any image besides, boolean of shape (N,), or Cartesian components of
        them, (N, 3).

    Raises
    ------
    ValueError
        If one of them does not make sense.
    """

    images: Sequence[Atoms]
    moving: int
    reference: int | None = None
    relax_ends: bool = True
    fmax: float = 0.05
    steps: int = 500
    fixed: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_limits(self.fmax, self.steps)
        if not self.images:
            return
        n = len(self.images[0])
        check_fixed(self.fixed, n)
        for name, index in (("moving", self.moving), ("reference", self.reference)):
            if index is not None and not 0 <= index < n:
                raise ValueError(f"{name} is {index}; the images have atoms 0 to {n - 1}")
        if self.moving == self.reference:
            raise ValueError(
                f"moving and reference are both {self.moving}; the reference must be another atom, or None"
            )

    def task(self) -> Generator[list[Relax], list[Relaxed], ApproxBandResult]:
        """Relax all images at once.

        Raises
        ------
        StructureError
            If the images do not make a path of the moving ion, or one of them fails to relax.
        """
        check_path(self.images)
        check_moving(self.images, self.moving)
        reference = (
            farthest_from_path(self.images, self.moving)
            if self.reference is None
            else self.reference
        )
        n_atoms = len(self.images[0])
        held = np.zeros((n_atoms, 3), dtype=bool)
        if self.fixed is not None:
            held |= np.reshape(self.fixed, (n_atoms, -1)).astype(bool)
        held[[self.moving, reference]] = True
        first, *between, last = self.images
        at_ends = self.steps if self.relax_ends else 0
        relaxed = yield [
            Relax(first, fmax=self.fmax, steps=at_ends, fixed=self.fixed),
            *(Relax(image, fmax=self.fmax, steps=self.steps, fixed=held) for image in between),
            Relax(last, fmax=self.fmax, steps=at_ends, fixed=self.fixed),
        ]
        return ApproxBandResult(
            images=tuple(one.atoms for one in relaxed),
            energies=np.array([one.energy for one in relaxed]),
            forces=np.array([one.forces for one in relaxed]),
            moving=self.moving,
            reference=reference,
            fmax=np.array([one.fmax for one in relaxed]),
            converged=np.array([one.converged for one in relaxed]),
            steps=np.array([one.steps for one in relaxed]),
        )


def _tangents(energies: np.ndarray, springs: np.ndarray) -> np.ndarray:
    """Unit vectors along the path at the intermediate images, shape (n - 2, N, 3).

    Eqs. 8 to 11 of Henkelman and Jónsson: the spring towards the neighbour of higher energy; at an
    extremum, both, weighted by the energy differences so that the tangent turns smoothly.
    """
    before, here, after = energies[:-2], energies[1:-1], energies[2:]
    differences = np.abs([before - here, after - here])
    small, large = differences.min(axis=0), differences.max(axis=0)
    rising, falling = (before < here) & (here < after), (before > here) & (here > after)
    higher_after = after > before
    towards = np.where(higher_after, large, small)
    back = np.where(higher_after, small, large)
    towards = np.where(rising, 1.0, np.where(falling, 0.0, towards))
    back = np.where(rising, 0.0, np.where(falling, 1.0, back))
    tangents = towards[:, None, None] * springs[1:] + back[:, None, None] * springs[:-1]
    lengths = np.linalg.norm(tangents, axis=(1, 2), keepdims=True)
    # Where three images have exactly the same energy there is no tangent, as in ASE.
    return np.asarray(tangents / np.where(lengths > 0, lengths, 1.0))


def _band_forces(
    energies: np.ndarray, forces: np.ndarray, springs: np.ndarray, k: float, climb: bool
) -> np.ndarray:
    """Forces on the intermediate images, shape (n - 2, N, 3), eV/Å.

    Across the path the model's; along it those of the springs, Eq. 12 of Henkelman and Jónsson, or, on
    the climbing image, the model's reversed.
    """
    tangents = _tangents(energies, springs)
    forces = forces[1:-1]
    along = (forces * tangents).sum(axis=(1, 2))
    change = k * np.diff(np.linalg.norm(springs, axis=(1, 2))) - along
    if climb:
        # As ASE chooses among images of the same energy, which a symmetric path has.
        highest = np.argsort(energies[1:-1])[-1]
        change[highest] = -2 * along[highest]
    return np.asarray(forces + change[:, None, None] * tangents)


def _along_path(energies: np.ndarray, forces: np.ndarray, springs: np.ndarray) -> np.ndarray:
    """Component of the forces along the path at all images, shape (n,), eV/Å."""
    ends = springs[[0, -1]]
    ends = ends / np.linalg.norm(ends, axis=(1, 2), keepdims=True)
    tangents = np.concatenate([ends[:1], _tangents(energies, springs), ends[1:]])
    return np.asarray((forces * tangents).sum(axis=(1, 2)))
