"""Symmetry of a structure: what is averaged over it, and relaxations that keep it."""

from typing import Any

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from ase.constraints import FixAtoms

from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.scheduler import Failed
from umlip_bench.engine.symmetry import Symmetry
from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.loading import potential

from ..support.measuring import run
from ..support.potentials import Wells
from .test_relaxation import path_of, rattled

SYMPREC = 1e-3


def structures() -> list[Atoms]:
    return [
        bulk("NaCl", "rocksalt", a=5.6, cubic=True),  # 192 operations, centring among them
        bulk("ZnO", "wurtzite", a=3.25, c=5.2),
        bulk("Si", "diamond", a=5.4),
        Atoms("Ti2O", [[0, 0, 0.3], [1.9, 1.9, 1.7], [0, 0, 2.1]], cell=[3.8, 3.8, 3.0], pbc=True),
    ]


@pytest.mark.parametrize("k", range(4))
def test_what_is_averaged_has_the_symmetry(k: int) -> None:
    """Every operation of spglib maps the averages to themselves, and averaging again changes nothing."""
    atoms = structures()[k]
    rng = np.random.default_rng(k)
    vectors, tensor = rng.normal(size=(len(atoms), 3)), rng.normal(size=(3, 3))
    tensor = tensor + tensor.T
    symmetry = Symmetry.of(atoms, SYMPREC)
    lattice = atoms.cell.array
    found, mean = symmetry.vectors(lattice, vectors), symmetry.tensor(lattice, tensor)
    np.testing.assert_allclose(symmetry.vectors(lattice, found), found, atol=1e-12)
    np.testing.assert_allclose(symmetry.tensor(lattice, mean), mean, atol=1e-12)
    scaled = atoms.get_scaled_positions()
    operations = spglib.get_symmetry((lattice, scaled, atoms.numbers), symprec=SYMPREC)
    for rotation, shift in zip(operations["rotations"], operations["translations"], strict=True):
        cartesian = lattice.T @ rotation @ np.linalg.inv(lattice.T)
        np.testing.assert_allclose(cartesian @ mean @ cartesian.T, mean, atol=1e-10)
        for atom, position in enumerate(scaled):
            apart = scaled - (rotation @ position + shift)
            image = int(np.linalg.norm(apart - np.round(apart), axis=1).argmin())
            np.testing.assert_allclose(found[image], cartesian @ found[atom], atol=1e-10)


def test_what_has_the_symmetry_is_left_alone() -> None:
    """The force between zinc and oxygen along c, and a strain along c."""
    zinc_oxide = structures()[1]
    symmetry = Symmetry.of(zinc_oxide, SYMPREC)
    forces = np.outer(np.where(zinc_oxide.numbers == 8, 1.0, -1.0), [0, 0, 1])
    strain = np.diag([1.0, 1.0, 3.0])
    lattice = zinc_oxide.cell.array
    np.testing.assert_allclose(symmetry.vectors(lattice, forces), forces, atol=1e-12)
    np.testing.assert_allclose(symmetry.tensor(lattice, strain), strain, atol=1e-12)


class Saddle(Wells):
    """An atom on a crest between two valleys, E = d⁴ - d², and as little beside it as rounding gives."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        d = float(graph.positions[1, 0] - graph.cell[0, 0] / 2)
        forces = np.zeros_like(graph.positions)
        forces[1, 0] = 2 * d - 4 * d**3 + 1e-7
        forces[1, 1] = -(graph.positions[1, 1] - graph.cell[1, 1] / 2)
        tensor = np.diag(graph.cell.diagonal() - 4.1) / 50 + np.diag([1e-7, -1e-7, 0])
        return Prediction(d**4 - d**2, forces, tensor, None)


@pytest.mark.parametrize("cell", [False, True])
def test_rounding_does_not_lead_off_a_saddle_point(cell: bool) -> None:
    atoms = Atoms("CsCl", [[0, 0, 0], [2, 2, 2]], cell=[4, 4, 4], pbc=True)
    options: dict[str, Any] = {"cell": cell, "fmax": 1e-8, "steps": 300}
    left, kept = run(Saddle(), [Relax(atoms, **options), Relax(atoms, symprec=SYMPREC, **options)])
    apart = [abs(each.atoms.positions[1, 0] - each.atoms.cell[0, 0] / 2) for each in (left, kept)]
    assert apart[0] > 0.5
    assert apart[1] < 1e-9
    assert kept.converged
    if cell:
        np.testing.assert_allclose(kept.atoms.cell.array, 4.1 * np.eye(3), atol=1e-5)


@pytest.mark.model
def test_without_rounding_it_changes_nothing() -> None:
    """In float64 a symmetric start stays symmetric: the same steps with and without averages."""
    model = potential("chgnet-0.3.0", device="cpu", dtype="float64")
    atoms = bulk("ZnO", "wurtzite", a=3.3, c=5.1, u=0.37)
    plain, _ = path_of(model, Relax(atoms, cell=True, fmax=0.005))
    averaged, result = path_of(model, Relax(atoms, cell=True, fmax=0.005, symprec=SYMPREC))
    assert len(plain) == len(averaged) > 5
    for a, b in zip(plain, averaged, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-7)
        np.testing.assert_allclose(a.cell.array, b.cell.array, atol=1e-7)
    assert result.converged


@pytest.mark.model
def test_a_structure_without_symmetry_relaxes_as_before() -> None:
    atoms = rattled(bulk("NaCl", "rocksalt", a=5.5, cubic=True))
    model = potential("chgnet-0.3.0", device="cpu", dtype="float64")
    plain, averaged = run(model, [Relax(atoms), Relax(atoms, symprec=SYMPREC)])
    np.testing.assert_allclose(averaged.atoms.positions, plain.atoms.positions, atol=1e-9)


def test_what_symmetry_cannot_be_kept_with_is_refused() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    with pytest.raises(ValueError, match="leave one of them out"):
        Relax(atoms, fixed=np.array([True, False]), symprec=SYMPREC)
    with pytest.raises(ValueError, match="leave one of them out"):
        Relax(atoms, cell=np.eye(3, dtype=bool), symprec=SYMPREC)
    with pytest.raises(ValueError, match="must be positive"):
        Relax(atoms, symprec=0.0)
    atoms.set_constraint(FixAtoms([0]))
    (outcome,) = run_requests(Wells(), [Relax(atoms, symprec=SYMPREC)])
    assert isinstance(outcome, Failed)
    assert "constraints need not have its symmetry" in str(outcome.error)


@pytest.mark.parametrize("phonopy_was_imported", [False, True])
def test_atoms_entered_twice_are_refused(
    monkeypatch: pytest.MonkeyPatch, phonopy_was_imported: bool
) -> None:
    monkeypatch.setattr(spglib.error, "OLD_ERROR_HANDLING", not phonopy_was_imported)
    twice = Atoms("Al2", [[0, 0, 0], [0, 0, 0]], cell=[4, 4, 4], pbc=True)
    with pytest.raises(StructureError, match="check for atoms entered twice"):
        Symmetry.of(twice, SYMPREC)
