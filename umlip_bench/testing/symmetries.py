"""What physics demands of an energy: its derivatives, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from ase.build import bulk
from scipy.spatial.transform import Rotation

from umlip_bench.engine.prediction import predict
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing import structures
from umlip_bench.testing.report import Measurement
from umlip_bench.testing.subject import (
    ENERGY,
    FORCE,
    STRESS,
    Finding,
    Subject,
    agreement,
    largest,
)


@dataclass(frozen=True)
class Accuracy:
    """How differences are taken in a number format, and what they leave open.

    Parameters
    ----------
    step
        Å along a random direction, or its like as a strain.
    weights
        By how many steps: of central differences, E'(0) = Σ w_k (E(k h) - E(-k h)) / h.
    force, stress
        Least tolerance in eV/Å or eV/Å³, and tolerance relative to the derivative.
    motion
        Tolerance of energies (of a cell of eight atoms, eV), forces and stress.
    """

    step: float
    weights: Mapping[int, float]
    force: tuple[float, float]
    stress: tuple[float, float]
    motion: tuple[float, float, float]

    def slope(self, energy: Callable[[float], float]) -> float:
        """Derivative of an energy at zero."""
        h = self.step
        return sum(w * (energy(k * h) - energy(-k * h)) for k, w in self.weights.items()) / h


ACCURACY = {
    torch.float64: Accuracy(1e-5, {1: 0.5}, (1e-6, 1e-6), (1e-7, 1e-6), (1e-8, 1e-7, 1e-8)),
    # Energies have seven digits: steps have to be long, and their fourth order counts.
    torch.float32: Accuracy(
        5e-3, {1: 2 / 3, 2: -1 / 12}, (5e-3, 5e-3), (2e-4, 1e-2), (8e-5, 5e-4, 5e-5)
    ),
}


def derivatives(subject: Subject, model: Potential) -> Iterator[Finding]:
    """Forces and stress are derivatives of the energy: central differences along random directions."""
    atoms = structures.rattled(bulk("NaCl", "rocksalt", a=5.64), seed=3, amplitude=0.1)
    atoms = subject.known(atoms.repeat((2, 1, 1)))
    (prediction,) = predict(model, atoms)
    accuracy = ACCURACY[model.dtype]

    rng = np.random.default_rng(0)
    for k, direction in enumerate(rng.normal(size=(3, *atoms.positions.shape))):

        def displaced(x: float, direction: np.ndarray = direction) -> float:
            moved = atoms.copy()
            moved.positions += x * direction
            return predict(model, moved, stress=False)[0].energy

        slope = accuracy.slope(displaced)
        least, relative = accuracy.force
        yield Measurement(
            f"forces against differences of the energy, direction {k}",
            abs(-np.sum(prediction.forces * direction) - slope),
            max(least, relative * abs(slope)),
            FORCE,
        )

    directions = rng.normal(size=(3, 3, 3))
    if prediction.stress is None:
        return
    for k, direction in enumerate(directions + directions.transpose(0, 2, 1)):

        def strained(x: float, direction: np.ndarray = direction) -> float:
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ (np.eye(3) + x * direction), scale_atoms=True)
            return predict(model, moved, stress=False)[0].energy

        slope = accuracy.slope(strained) / atoms.get_volume()
        least, relative = accuracy.stress
        yield Measurement(
            f"stress against differences of the energy, direction {k}",
            abs(np.sum(prediction.stress * direction) - slope),
            max(least, relative * abs(slope)),
            STRESS,
        )


def motions(subject: Subject, model: Potential) -> Iterator[Finding]:
    """Another order of atoms, a translation and a rotation change nothing but what they must."""
    silicon_carbide = bulk("SiC", "zincblende", a=4.36, cubic=True)
    atoms = subject.known(structures.rattled(silicon_carbide, seed=4))
    rng = np.random.default_rng(1)
    order = rng.permutation(len(atoms))
    turn = Rotation.random(rng=7).as_matrix()
    moved = atoms.copy()
    # Far outside the cell: positions need not be wrapped.
    moved.positions += [17.3, -25.1, 3.3]
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    here, permuted, there, rotated = predict(model, [atoms, atoms[order], moved, turned])

    in_energy, in_forces, in_stress = ACCURACY[model.dtype].motion
    for what, other, expected in [
        ("permutation", permuted, here.forces[order]),
        ("translation", there, here.forces),
        ("rotation", rotated, here.forces @ turn.T),
    ]:
        yield Measurement(f"energy, {what}", abs(other.energy - here.energy), in_energy, ENERGY)
        yield Measurement(f"forces, {what}", largest(other.forces - expected), in_forces, FORCE)
    if here.stress is None:
        return
    for what, stress, wanted in [
        ("permutation", permuted.stress, here.stress),
        ("translation", there.stress, here.stress),
        ("rotation", rotated.stress, turn @ here.stress @ turn.T),
    ]:
        yield Measurement(f"stress, {what}", largest(stress - wanted), in_stress, STRESS)


def sums(subject: Subject) -> Iterator[Finding]:
    """No net force on a crystal, and a stress that is symmetric."""
    predictions = subject.predict(subject.mixed(8, largest=20))
    net = [largest(p.forces.sum(axis=0)) / len(p.forces) for p in predictions]
    yield Measurement("net force per atom", largest(net), 1e-4, FORCE)
    stresses = [p.stress for p in predictions if p.stress is not None]
    if stresses:
        asymmetry = largest([largest(s - s.T) for s in stresses])
        yield Measurement("stress minus its transpose", asymmetry, 1e-7, STRESS)


def supercells(subject: Subject) -> Iterator[Finding]:
    """Results are totals of the cell: twice the cell has twice the energy and the same stress."""
    atoms = subject.known(structures.rattled(bulk("Al", cubic=True), seed=2))
    one, two = subject.predict([atoms, atoms.repeat((2, 1, 1))])
    energy, forces = two.energy - 2 * one.energy, two.forces - np.tile(one.forces, (2, 1))
    yield Measurement("energy, doubled", abs(energy), 8 * subject.tolerance.energy, ENERGY)
    yield Measurement("forces, doubled", largest(forces), 5e-4, FORCE)
    if one.stress is not None and two.stress is not None:
        yield Measurement("stress, doubled", largest(two.stress - one.stress), 5e-5, STRESS)


def one_atom_cells(subject: Subject) -> Iterator[Finding]:
    """By symmetry there is no force on the only atom of a cell, and a larger cell says the same."""
    cells = [subject.known(atoms) for atoms in structures.one_atom_cells()]
    single = subject.predict(cells)
    larger = subject.predict([atoms.repeat((2, 2, 1)) for atoms in cells])
    yield Measurement("forces", largest([largest(p.forces) for p in single]), 1e-4, FORCE)
    energies = [b.energy / 4 - a.energy for a, b in zip(single, larger, strict=True)]
    yield Measurement("energy, against four cells", largest(energies), 1e-5, "eV/atom")


def isolated_atoms(subject: Subject) -> Iterator[Finding]:
    """An atom without neighbours feels nothing and disturbs nobody in the same batch."""
    crystal = subject.known(structures.rattled(bulk("Al", cubic=True), seed=5))
    atom = structures.isolated(crystal.symbols[0])
    near, alone = subject.predict([crystal, atom])
    tolerance = subject.tolerance
    yield from agreement("the crystal", tolerance, [(subject.predict([crystal])[0], near)])
    yield from agreement("the atom", tolerance, [(subject.predict([atom])[0], alone)])
    yield Measurement("forces on the atom", largest(alone.forces), 0.0, FORCE)
    if alone.stress is not None:
        yield Measurement("stress of its cell", largest(alone.stress), 1e-12, STRESS)
