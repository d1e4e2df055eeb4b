"""What scaling the energy surface does, and what it must not do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from tests.conftest import LoadModel
from tests.support.narrowing import as_a, each_as_a, some
from umlip_bench.engine.bands import Band
from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.requests import Request
from umlip_bench.engine.scheduler import Done
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.scaled import ScaledPotential, scaled
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.testing.structures import isolated, rattled

from ..conftest import FOREIGN, SMALL_MACE

C = 1.3
FAMILIES = [
    "chgnet-0.3.0",
    "m3gnet-mp-2021.2.8",
    "tensornet-matpes-pbe-2025.1",
    SMALL_MACE,
    FOREIGN,
]


def scale(
    parent: Potential | ScaledPotential,
    factor: float = C,
    references: dict[str, float] | None = None,
) -> ScaledPotential:
    return scaled(parent.weights, parent, ScalarCorrection(factor, references))


@pytest.fixture(params=FAMILIES)
def parent(request: pytest.FixtureRequest, load_model: LoadModel) -> Potential:
    return load_model(request.param, dtype="float64")


@pytest.fixture
def chgnet(load_model: LoadModel) -> Potential:
    return load_model("chgnet-0.3.0", dtype="float64")


def structures() -> list[Atoms]:
    return [rattled(bulk("Al", cubic=True), seed=1), rattled(bulk("MgO", "rocksalt", a=4.2), 2)]


def reference(parent: Potential, atoms: Atoms) -> float:
    return parent.element_references()[atoms.numbers].sum()


def test_energies_scale_about_the_references_and_forces_and_stress_about_zero(
    parent: Potential,
) -> None:
    corrected = scale(parent)
    for atoms, before, after in zip(
        structures(), predict(parent, structures()), predict(corrected, structures()), strict=True
    ):
        e_ref = reference(parent, atoms)
        assert after.energy - e_ref == pytest.approx(C * (before.energy - e_ref), rel=1e-12)
        np.testing.assert_allclose(after.forces, C * before.forces, rtol=1e-12)
        np.testing.assert_allclose(some(after.stress), C * some(before.stress), rtol=1e-12)
        if before.magmoms is not None:
            np.testing.assert_array_equal(after.magmoms, before.magmoms)


def test_a_factor_of_one_changes_nothing(parent: Potential) -> None:
    for before, after in zip(
        predict(parent, structures()), predict(scale(parent, 1.0), structures()), strict=True
    ):
        assert after.energy == pytest.approx(before.energy, abs=1e-12)
        np.testing.assert_array_equal(after.forces, before.forces)


def test_energy_differences_do_not_depend_on_the_references(parent: Potential) -> None:
    """At equal composition; that is all that a label's zero of energy may be compared by."""
    one, two = rattled(bulk("Al", cubic=True), seed=1), rattled(bulk("Al", cubic=True), seed=2)
    for references in (None, {"Al": 7.0}):
        a, b = predict(scale(parent, references=references), [one, two])
        c, d = predict(parent, [one, two])
        assert a.energy - b.energy == pytest.approx(C * (c.energy - d.energy), abs=1e-9)


def test_derivatives(chgnet: Potential, load_model: LoadModel) -> None:
    atoms = rattled(bulk("Al", cubic=True), seed=3)
    for parent in (chgnet, load_model("ase:ase.calculators.emt:EMT")):
        corrected = scale(parent)
        (at,) = predict(corrected, atoms)
        h = 1e-4
        moved = []
        for sign in (1, -1):
            copy = atoms.copy()
            copy.positions[1, 2] += sign * h
            moved.append(copy)
        strain = np.zeros((3, 3))
        strain[0, 1] = strain[1, 0] = h / 2
        for sign in (1, -1):
            copy = atoms.copy()
            copy.set_cell(copy.cell.array @ (np.eye(3) + sign * strain), scale_atoms=True)
            moved.append(copy)
        up, down, strained, compressed = (p.energy for p in predict(corrected, moved))
        assert -(up - down) / (2 * h) == pytest.approx(at.forces[1, 2], abs=2e-6)
        derivative = (strained - compressed) / (2 * h) / atoms.get_volume()
        assert derivative == pytest.approx(some(at.stress)[0, 1], abs=2e-7)


def test_torch_differentiates_what_evaluate_returns(parent: Potential) -> None:
    corrected = scale(parent)
    if not isinstance(parent, DifferentiablePotential):
        assert not isinstance(corrected, DifferentiablePotential)
        return
    assert isinstance(corrected, DifferentiablePotential)
    graphs = [corrected.prepare(atoms) for atoms in structures()]
    fast = corrected.evaluate(graphs)
    slow = DifferentiablePotential.evaluate(corrected, graphs)
    for a, b in zip(fast, slow, strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-9)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-9)
        np.testing.assert_allclose(some(a.stress), some(b.stress), atol=1e-9)
    batch = corrected.collate(graphs)
    energies = corrected.energies(batch)
    assert energies.descriptors is not None
    assert energies.energy.dtype == torch.float64


def test_the_parent_is_called_once(chgnet: Potential, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    evaluate = chgnet.evaluate

    def counted(graphs: Sequence[Graph], **more: bool) -> list[Prediction]:
        calls.append(len(graphs))
        return evaluate(graphs, **more)

    monkeypatch.setattr(chgnet, "evaluate", counted)
    corrected = scale(chgnet)
    corrected.evaluate([corrected.prepare(atoms) for atoms in structures()])
    assert calls == [2]


def test_corrections_stack(chgnet: Potential) -> None:
    twice = scale(scale(chgnet, 1.25), 0.8)
    assert isinstance(twice, DifferentiablePotential)
    for a, b in zip(predict(twice, structures()), predict(chgnet, structures()), strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-9)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-12)


# ---- the references themselves


def test_references_are_what_the_library_adds(load_model: LoadModel) -> None:
    from umlip_bench.potentials.adapters.matgl import MatglPotential

    chgnet = as_a(ChgnetPotential, load_model("chgnet-0.3.0"))
    weights = chgnet.module.composition_model.fc.weight.detach().numpy().ravel()
    assert chgnet.element_references()[8] == pytest.approx(float(weights[7]))

    m3gnet = as_a(MatglPotential, load_model("m3gnet-mp-2021.2.8"))
    number = list(m3gnet.model.element_types).index("O")
    offset = m3gnet.module.element_refs.property_offset[number]
    assert m3gnet.element_references()[8] == pytest.approx(float(offset))


def test_mace_s_references_are_its_isolated_atoms(load_model: LoadModel) -> None:
    mace = load_model(SMALL_MACE, dtype="float64")
    symbol = mace.card.elements[0]
    alone = isolated(symbol)
    (prediction,) = predict(mace, alone)
    e0 = mace.element_references()[alone.numbers[0]]
    (corrected,) = predict(scale(mace), alone)
    assert corrected.energy - e0 == pytest.approx(C * (prediction.energy - e0), abs=1e-9)


def test_elements_that_a_model_does_not_know_have_no_reference(parent: Potential) -> None:
    known = ~np.isnan(parent.element_references())
    assert known.shape == (119,)
    if parent.card.elements:
        assert known.sum() == len(parent.card.elements)
        assert np.isnan(parent.element_references()[0])
    else:
        assert not parent.element_references().any()


def test_given_references(load_model: LoadModel) -> None:
    parent = load_model(FOREIGN)
    corrected = scale(parent, references={"Ar": -0.5})
    atoms = bulk("Ar", "fcc", a=1.7, cubic=True)
    (before,), (after,) = predict(parent, atoms), predict(corrected, atoms)
    assert after.energy == pytest.approx(-2.0 + C * (before.energy + 2.0))
    assert corrected.card.elements == ("Ar",)
    with pytest.raises(StructureError, match="without a reference energy of Ne"):
        predict(corrected, bulk("Ne", "fcc", a=1.7))


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_factors_that_are_none(load_model: LoadModel, factor: float) -> None:
    with pytest.raises(UmlipBenchError, match="must be positive and finite"):
        scale(load_model(FOREIGN), factor)


# ---- what stays where it is


def relaxed(potential: Potential, *requests: Request) -> list[Any]:
    outcomes = each_as_a(Done, run_requests(potential, requests))
    return [o.result for o in sorted(outcomes, key=lambda o: o.key)]


def test_relaxed_cells_are_the_parent_s(chgnet: Potential) -> None:
    atoms = rattled(bulk("MgO", "rocksalt", a=4.3), seed=4)
    request = Relax(atoms, cell=True, fmax=1e-4, steps=400)
    (before,) = relaxed(chgnet, request)
    (after,) = relaxed(scale(chgnet), request)
    assert before.converged
    assert after.converged
    np.testing.assert_allclose(after.atoms.cell.lengths(), before.atoms.cell.lengths(), atol=1e-4)
    np.testing.assert_allclose(after.atoms.cell.angles(), before.atoms.cell.angles(), atol=1e-2)
    assert after.atoms.get_distance(0, 1, mic=True) == pytest.approx(
        before.atoms.get_distance(0, 1, mic=True), abs=1e-4
    )


def test_minimum_energy_paths_are_the_parent_s(load_model: LoadModel) -> None:
    """A vacancy hop in aluminium, from a rattled guess: same images, barriers times the factor."""
    parent = load_model("ase:ase.calculators.emt:EMT")
    first = bulk("Al", "fcc", a=4.0, cubic=True).repeat((2, 1, 1))
    vacant = first.positions[0].copy()
    del first[0]
    (first,) = (r.atoms for r in relaxed(parent, Relax(first, fmax=1e-3)))
    mover = int(np.argmin(np.linalg.norm(first.positions - vacant, axis=1)))
    images = []
    for k, share in enumerate(np.linspace(0, 1, 5)):
        image = first.copy()
        image.positions[mover] += share * (vacant - image.positions[mover])
        if 0 < k < 4:
            image.rattle(0.05, seed=k)
        images.append(image)
    (images[-1],) = (r.atoms for r in relaxed(parent, Relax(images[-1], fmax=1e-3)))
    # Stiff springs: within fmax / k an image may be anywhere along the path.
    request = Band(images, k=2.0, fmax=1e-3, steps=3000)
    (before,) = relaxed(parent, request)
    (after,) = relaxed(scale(parent), request)
    assert before.converged
    assert after.converged
    assert before.saddle == after.saddle
    assert before.forward_barrier > 0.1
    assert after.forward_barrier == pytest.approx(C * before.forward_barrier, abs=1e-5)
    assert after.energies - after.energies[0] == pytest.approx(
        C * (before.energies - before.energies[0]), abs=1e-3
    )
    for one, other in zip(before.images, after.images, strict=True):
        # The path as a whole may slide in a crystal: relative to the mean of the atoms.
        paths = [image.positions - image.positions.mean(axis=0) for image in (one, other)]
        np.testing.assert_allclose(paths[1], paths[0], atol=5e-3)


def dynamical_matrix(potential: Potential, atoms: Atoms) -> np.ndarray:
    """At Gamma, from finite differences."""
    h = 1e-3
    moved = []
    for k in range(3 * len(atoms)):
        for sign in (1, -1):
            copy = atoms.copy()
            copy.positions.flat[k] += sign * h
            moved.append(copy)
    forces = np.array([p.forces.ravel() for p in predict(potential, moved, stress=False)])
    hessian = -(forces[::2] - forces[1::2]) / (2 * h)
    root = np.sqrt(np.repeat(atoms.get_masses(), 3))
    return 0.5 * (hessian + hessian.T) / np.outer(root, root)


def test_frequencies_grow_with_the_root_and_eigenvectors_stay(chgnet: Potential) -> None:
    atoms = bulk("GaAs", "zincblende", a=5.7)
    before, after = (dynamical_matrix(p, atoms) for p in (chgnet, scale(chgnet)))
    np.testing.assert_allclose(after, C * before, atol=1e-9 * np.abs(before).max())
    frequencies = [np.sqrt(np.linalg.eigvalsh(matrix)[3:]) for matrix in (before, after)]
    np.testing.assert_allclose(frequencies[1], np.sqrt(C) * frequencies[0], rtol=1e-8)
    _, modes = np.linalg.eigh(before)
    turned = modes.T @ after @ modes
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-9 * np.abs(turned).max())


def test_an_ase_calculator(chgnet: Potential) -> None:
    atoms = structures()[0]
    atoms.calc = PotentialCalculator(scale(chgnet))
    (expected,) = predict(scale(chgnet), atoms)
    assert atoms.get_potential_energy() == pytest.approx(expected.energy)
    assert atoms.get_magnetic_moments().shape == (4,)
