"""Relaxation of one structure, its cell fixed or free."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from ase import Atoms

from umlip_bench.engine.constraints import check_fixed, free_components
from umlip_bench.engine.fire import Fire
from umlip_bench.engine.free_atoms import check_held
from umlip_bench.engine.requests import Procedure, Static
from umlip_bench.engine.symmetry import Symmetry
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Prediction

_MAX_LOG_STRAIN = 0.7
"""Beyond a factor of two in any direction the start was wrong, or the model has lost its way."""


@dataclass(frozen=True, eq=False)
class Relaxed(ReadOnlyArrays):
    """Where a relaxation ended. Energy, forces and stress are those of `atoms`.

    Parameters
    ----------
    atoms
        Final geometry; not wrapped into the cell.
    energy
        eV, without the pressure-volume term.
    forces
        Shape (N, 3), eV/Å, those on fixed atoms included.
    stress
        Shape (3, 3), eV/Å³; ``None`` if the cell was fixed.
    converged
        Whether `fmax` was reached.
    steps
        Steps taken; the model was called once more.
    fmax
        Largest norm of the force on a free atom and, with a free cell, of a row of the force on the
        log strain divided by the number of atoms; eV/Å.
    """

    atoms: Atoms
    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    converged: bool
    steps: int
    fmax: float


class Minimiser(Protocol):
    """Chooses the steps of one minimisation; it keeps what it learned of it."""

    def step(self, forces: np.ndarray) -> np.ndarray:
        """Displacement from the present geometry, of the shape of its forces; Å and eV/Å."""
        ...


@dataclass(frozen=True, eq=False)
class Relax(Procedure[Relaxed]):
    """Relax a structure until all forces are small; answered by `Relaxed`.

    The steps are those of `ase.optimize.FIRE`, with a free cell on the degrees of freedom of
    `ase.filters.FrechetCellFilter`, except that the log strain stays symmetric: the cell never rotates.
    A relaxation that runs out of steps is answered too, with ``converged`` false.

    Parameters
    ----------
    atoms
        Start. Constraints of ASE that fix atoms or Cartesian components of them are kept.
    cell
        Whether the cell relaxes, or, as a symmetric boolean array of shape (3, 3), which components of
        the strain do.
    fmax
        eV/Å; see `Relaxed.fmax` for what it is compared with.
    steps
        Most steps.
    fixed
        Atoms that do not move, boolean of shape (N,), or Cartesian components of them, (N, 3). With a
        free cell they keep their fractional coordinates.
    pressure
        External pressure in eV/Å³ on a free cell.
    minimiser
        Makes what chooses the steps: `Fire`, or `umlip_bench.engine.lbfgs.Lbfgs`, which takes about half
        as many from a start that is not far off.
    symprec
        Å: the symmetry that the start has within this distance is kept, forces and stress being averaged
        over it; `Relaxed.fmax` is of those averages. What the start lacks of it stays lacking. ``None``
        leaves rounding to break it, which leads away from a start that is a saddle point.
    held
        As of `umlip_bench.engine.requests.Static`, where it ends.

    Raises
    ------
    ValueError
        If one of them does not make sense.
    """

    atoms: Atoms
    cell: bool | np.ndarray = False
    fmax: float = 0.05
    steps: int = 500
    fixed: np.ndarray | None = None
    pressure: float = 0.0
    minimiser: Callable[[], Minimiser] = Fire
    symprec: float | None = None
    held: bool = False

    def __post_init__(self) -> None:
        if not self.fmax > 0:
            raise ValueError(f"fmax is {self.fmax} eV/Å; it must be positive, e.g. 0.05")
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; it must not be negative")
        shape = np.shape(self.cell)
        if shape != () and (
            shape != (3, 3) or not np.array_equal(self.cell, np.transpose(self.cell))
        ):
            raise ValueError(
                f"cell is an array of shape {shape}; a mask of strain components must be symmetric and "
                "of shape (3, 3)"
            )
        if self.pressure and not np.any(self.cell):
            raise ValueError(
                f"a pressure of {self.pressure} eV/Å³ acts on a free cell: set cell=True"
            )
        check_fixed(self.fixed, len(self.atoms))
        if self.symprec is not None:
            if not self.symprec > 0:
                raise ValueError(f"symprec is {self.symprec} Å; it must be positive, e.g. 0.001")
            if self.fixed is not None or shape != ():
                raise ValueError(
                    "symprec averages over symmetry, which fixed atoms or a mask of strain components need "
                    "not have: leave one of them out"
                )

    def task(self) -> Generator[Static, Prediction, Relaxed]:
        """Evaluate and step until the forces are small.

        Raises
        ------
        StructureError
            If the start has constraints of another kind, or any where symmetry is to be kept, or no
            symmetry can be found; if a geometry on the way cannot be evaluated, the cell leaves a factor
            of two, or nothing holds an atom in the end and `held` is asked for.
        """
        free = free_components(self.atoms, self.fixed)
        symmetry = None if self.symprec is None else self._symmetry(self.symprec, free)
        coordinates: _Coordinates
        if np.any(self.cell):
            coordinates = _FreeCell(self.atoms, free, np.ones((3, 3)) * self.cell, self.pressure)
        else:
            coordinates = _FixedCell(self.atoms, free)
        minimiser = self.minimiser()
        step = 0
        while True:
            atoms = coordinates.atoms()
            try:
                prediction = yield Static(atoms, stress=isinstance(coordinates, _FreeCell))
            except StructureError as error:
                raise StructureError(f"after {step} steps of relaxation: {error}") from error
            averaged = (
                prediction
                if symmetry is None
                else _averaged(prediction, symmetry, atoms.cell.array)
            )
            forces = coordinates.forces(averaged)
            fmax = float(np.sqrt((forces**2).sum(axis=1).max()))
            if fmax < self.fmax or step == self.steps:
                if self.held:
                    yield from check_held(atoms, prediction)
                return Relaxed(
                    atoms=atoms,
                    energy=prediction.energy,
                    forces=prediction.forces,
                    stress=prediction.stress,
                    converged=fmax < self.fmax,
                    steps=step,
                    fmax=fmax,
                )
            coordinates.move(minimiser.step(forces))
            step += 1

    def _symmetry(self, symprec: float, free: np.ndarray) -> Symmetry:
        if not np.all(free):
            raise StructureError(
                f"{describe(self.atoms)}: its constraints need not have its symmetry; relax without "
                "symprec, or without constraints"
            )
        return Symmetry.of(self.atoms, symprec)


def _averaged(prediction: Prediction, symmetry: Symmetry, lattice: np.ndarray) -> Prediction:
    stress = prediction.stress
    return replace(
        prediction,
        forces=symmetry.vectors(lattice, prediction.forces),
        stress=None if stress is None else symmetry.tensor(lattice, stress),
    )


class _Coordinates(Protocol):
    """Degrees of freedom of a relaxation, as rows of three, and the forces on them."""

    def atoms(self) -> Atoms: ...

    def forces(self, prediction: Prediction) -> np.ndarray: ...

    def move(self, displacement: np.ndarray) -> None: ...


class _FixedCell:
    """Cartesian positions."""

    def __init__(self, atoms: Atoms, free: np.ndarray) -> None:
        self._template = atoms
        self._free = free
        self._positions = atoms.positions.copy()

    def atoms(self) -> Atoms:
        atoms = self._template.copy()
        atoms.positions = self._positions
        return atoms

    def forces(self, prediction: Prediction) -> np.ndarray:
        return prediction.forces * self._free

    def move(self, displacement: np.ndarray) -> None:
        self._positions += displacement


class _FreeCell:
    """Positions in the undeformed cell and the symmetric logarithm A of the deformation F = exp(A).

    Lattice and atoms follow as row vectors, r = r₀ F. A is multiplied by the number of atoms N, which makes
    its stiffness comparable to that of a position. The force on A is the adjoint of the derivative of
    the matrix exponential, applied to that on F; in the basis of A's eigenvectors it is a product
    with the divided differences of exp (Daleckii and Krein).
    """

    def __init__(self, atoms: Atoms, free: np.ndarray, mask: np.ndarray, pressure: float) -> None:
        self._template = atoms
        self._free = free
        self._mask = mask
        self._pressure = pressure
        self._positions = atoms.positions.copy()
        self._volume = abs(np.linalg.det(atoms.cell.array))
        self._log_strain = np.zeros((3, 3))
        self._decompose()

    def _decompose(self) -> None:
        self._eigenvalues, self._basis = np.linalg.eigh(self._log_strain)
        self._deformation = (self._basis * np.exp(self._eigenvalues)) @ self._basis.T

    def atoms(self) -> Atoms:
        largest = np.abs(self._eigenvalues).max()
        if not largest < _MAX_LOG_STRAIN:
            raise StructureError(
                f"{describe(self._template)}: the cell changed by a factor of {np.exp(largest):.2g} in one "
                "direction while relaxing; start nearer to equilibrium, or relax with the cell fixed"
            )
        atoms = self._template.copy()
        atoms.set_cell(self._template.cell.array @ self._deformation)
        atoms.positions = self._positions @ self._deformation
        return atoms

    def forces(self, prediction: Prediction) -> np.ndarray:
        assert prediction.stress is not None
        basis, log_stretch = self._basis, self._eigenvalues
        volume = self._volume * np.exp(log_stretch.sum())
        virial = -volume * (prediction.stress + self._pressure * np.eye(3))
        # In the basis of eigenvectors, where the inverse of the deformation is diagonal.
        on_deformation = basis.T @ virial @ basis * np.exp(-log_stretch)
        on_log_strain = basis @ (_divided_exp(log_stretch) * on_deformation) @ basis.T
        on_log_strain = 0.5 * (on_log_strain + on_log_strain.T) * self._mask
        return np.vstack(
            [
                (prediction.forces @ self._deformation) * self._free,
                on_log_strain / len(self._positions),
            ]
        )

    def move(self, displacement: np.ndarray) -> None:
        self._positions += displacement[:-3]
        self._log_strain += displacement[-3:] / len(self._positions)
        self._decompose()


def _divided_exp(x: np.ndarray) -> np.ndarray:
    """Divided differences (exp xᵢ - exp xⱼ) / (xᵢ - xⱼ), and exp xᵢ where they meet; shape (n, n)."""
    mean = 0.5 * (x[:, None] + x)
    half = 0.5 * (x[:, None] - x)
    # exp(mean) sinh(half) / half, by its series where that would be 0/0.
    near = np.abs(half) < 1e-4
    safe = np.where(near, 1.0, half)
    return np.exp(mean) * np.where(near, 1 + half**2 / 6, np.sinh(safe) / safe)
