"""What every family must hold, for each of its members, against its own library and against physics."""

import pickle

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from scipy.spatial.transform import Rotation

import umlip_bench
from umlip_bench import datasets
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.agreement import TOLERANCES, call_calculator, deviation

from ..conftest import FOREIGN, SMALL_MACE
from .structures import isolated, mixed, one_atom_cells, rattled

MODELS = [
    "chgnet-0.3.0",
    "chgnet-0.2.0",
    "chgnet-r2scan",
    "m3gnet-mp-2021.2.8",
    "m3gnet-matpes-pbe-2025.1",
    "tensornet-matpes-pbe-2025.1",
    SMALL_MACE,
    FOREIGN,
]


@pytest.fixture(params=MODELS)
def model(request, load_model):
    return load_model(request.param)


@pytest.fixture(params=MODELS[:-1])
def own(request, load_model):
    """One of our families, without foreign calculators."""
    return load_model(request.param)


@pytest.fixture(params=MODELS)
def double(request, load_model):
    return load_model(request.param, dtype="float64")


def tolerance(model):
    return TOLERANCES[model.dtype]


def agree(model, first, second):
    for a, b in zip(first, second, strict=True):
        found = deviation(a, b)
        assert found.within(tolerance(model)), f"{found} on {len(a.forces)} atoms"


def test_energies_forces_and_stress_are_the_library_s(model):
    calculator = model.reference_calculator()
    structures = mixed(16, largest=40)
    expected = [call_calculator(calculator, atoms) for atoms in structures]
    agree(model, expected, predict(model, structures))


@pytest.mark.parametrize("name", ["chgnet-0.3.0", "chgnet-r2scan"])
def test_nearly_straight_angles_in_single_precision(load_model, name):
    """CHGNet takes arc cosines, which lose digits near 180 degrees: as many here as in the library.

    Compressed GaAs has such angles; both single-precision results are then some 1e-5 eV/atom off
    double precision, more than two evaluations of a sound structure may differ.
    """
    single, double = load_model(name), load_model(name, dtype="float64")
    calculator = single.reference_calculator()
    structures = [
        rattled(datasets.load("pbe-mini").by_system()["GaAs"][4].atoms, seed=k) for k in range(8)
    ]
    exact = predict(double, structures)
    ours = max(
        deviation(a, b).energy for a, b in zip(predict(single, structures), exact, strict=True)
    )
    library = max(
        deviation(call_calculator(calculator, a), b).energy
        for a, b in zip(structures, exact, strict=True)
    )
    assert ours < 2 * library + TOLERANCES[torch.float32].energy
    assert ours < 5e-5


def test_magnetic_moments_are_the_library_s(load_model):
    model = load_model("chgnet-0.3.0")
    atoms = rattled(bulk("Fe", cubic=True).repeat((2, 1, 1)), seed=1)
    calculator = model.reference_calculator()
    call_calculator(calculator, atoms)
    (prediction,) = predict(model, atoms)
    assert prediction.magmoms.max() > 1.5
    np.testing.assert_allclose(prediction.magmoms, calculator.results["magmoms"], atol=1e-5)


def test_results_are_double_precision_totals_per_cell(model):
    atoms = rattled(bulk("Al", cubic=True), seed=2)
    one, two = predict(model, [atoms, atoms.repeat((2, 1, 1))])
    assert two.energy == pytest.approx(2 * one.energy, abs=8 * tolerance(model).energy)
    np.testing.assert_allclose(two.forces, np.tile(one.forces, (2, 1)), atol=5e-4)
    np.testing.assert_allclose(two.stress, one.stress, atol=5e-5)
    assert isinstance(one.energy, float)
    assert one.forces.dtype == one.stress.dtype == np.float64


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
def test_batched_is_one_by_one(model, order):
    structures = mixed(64)[::order]
    graphs = [model.prepare(atoms) for atoms in structures]
    alone = [model.evaluate([graph])[0] for graph in graphs]
    agree(model, alone, predict(model, structures))
    small = [k for k, atoms in enumerate(structures) if len(atoms) <= 16]
    together = model.evaluate([graphs[k] for k in small])
    agree(model, [alone[k] for k in small], together)


def test_forces_and_stress_are_derivatives_of_the_energy(double):
    h = 1e-5
    atoms = rattled(bulk("NaCl", "rocksalt", a=5.64), seed=3, amplitude=0.1)
    atoms = atoms.repeat((2, 1, 1))
    (prediction,) = predict(double, atoms)

    rng = np.random.default_rng(0)
    for direction in rng.normal(size=(3, *atoms.positions.shape)):
        displaced = [atoms.copy(), atoms.copy()]
        displaced[0].positions += h * direction
        displaced[1].positions -= h * direction
        plus, minus = predict(double, displaced, stress=False)
        slope = (plus.energy - minus.energy) / (2 * h)
        assert -np.sum(prediction.forces * direction) == pytest.approx(slope, abs=1e-6, rel=1e-6)

    for direction in rng.normal(size=(3, 3, 3)):
        direction = direction + direction.T
        strained = [atoms.copy(), atoms.copy()]
        for sign, each in zip((1, -1), strained, strict=True):
            each.set_cell(atoms.cell.array @ (np.eye(3) + sign * h * direction), scale_atoms=True)
        plus, minus = predict(double, strained, stress=False)
        slope = (plus.energy - minus.energy) / (2 * h) / atoms.get_volume()
        assert np.sum(prediction.stress * direction) == pytest.approx(slope, abs=1e-7, rel=1e-6)


def test_permutation_translation_and_rotation(double):
    atoms = rattled(bulk("SiC", "zincblende", a=4.36, cubic=True), seed=4)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(atoms))
    turn = Rotation.random(rng=7).as_matrix()
    moved = atoms.copy()
    # Far outside the cell: positions need not be wrapped.
    moved.positions += [17.3, -25.1, 3.3]
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T, scale_atoms=True)
    here, permuted, there, rotated = predict(double, [atoms, atoms[order], moved, turned])

    for other in (permuted, there, rotated):
        assert other.energy == pytest.approx(here.energy, abs=1e-8)
    np.testing.assert_allclose(permuted.forces, here.forces[order], atol=1e-7)
    np.testing.assert_allclose(there.forces, here.forces, atol=1e-7)
    np.testing.assert_allclose(rotated.forces, here.forces @ turn.T, atol=1e-7)
    np.testing.assert_allclose(rotated.stress, turn @ here.stress @ turn.T, atol=1e-8)


def test_no_net_force_and_symmetric_stress(model):
    for prediction in predict(model, mixed(8, largest=20)):
        assert np.abs(prediction.forces.sum(axis=0)).max() < 1e-4 * len(prediction.forces)
        np.testing.assert_allclose(prediction.stress, prediction.stress.T, atol=1e-7)


def test_one_atom_cells(model):
    for atoms in one_atom_cells():
        (prediction,) = predict(model, atoms)
        # By symmetry there is no force on the only atom of a cell.
        np.testing.assert_allclose(prediction.forces, 0.0, atol=1e-4)
        (larger,) = predict(model, atoms.repeat((2, 2, 1)))
        assert larger.energy / 4 == pytest.approx(prediction.energy, abs=1e-5)


def test_isolated_atoms_feel_nothing_and_disturb_nobody(model):
    crystal = rattled(bulk("Al", cubic=True), seed=5)
    near, alone = predict(model, [crystal, isolated()])
    agree(model, predict(model, crystal), [near])
    agree(model, predict(model, isolated()), [alone])
    assert np.isfinite(alone.energy)
    np.testing.assert_array_equal(alone.forces, 0.0)
    np.testing.assert_allclose(alone.stress, 0.0, atol=1e-12)


def test_stress_only_where_asked(model):
    assert predict(model, bulk("Al"), stress=False)[0].stress is None
    assert predict(model, []) == []


def test_graphs_are_flat_arrays_that_travel_between_processes(model):
    graph = model.prepare(bulk("Al"))
    copy = pickle.loads(pickle.dumps(graph))
    assert copy.cost == graph.cost
    agree(model, model.evaluate([graph]), model.evaluate([copy]))


def test_inputs_are_left_alone(model):
    atoms = bulk("Al")
    before = atoms.copy()
    predict(model, atoms)
    assert atoms == before
    assert atoms.calc is None


def test_cards_say_what_was_loaded(own):
    n_parameters = sum(p.numel() for p in own.module.parameters())
    assert own.card.n_parameters == n_parameters
    assert own.weights.card.n_parameters in (None, n_parameters)
    assert "Al" in own.card.elements
    assert own.card.family in {"chgnet", "matgl", "mace"}
    assert len(own.weights.sha256) == 64


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.positions.__setitem__((1, 2), np.nan), "position of atom 1"),
        (lambda a: a.set_pbc((True, True, False)), r"make_periodic\(atoms, vacuum"),
        (lambda a: a.set_pbc(False), r"make_periodic\(atoms, vacuum"),
        (lambda a: a.set_cell([0, 0, 0]), "no volume"),
    ],
    ids=["not a number", "slab", "molecule", "no cell"],
)
def test_structures_nobody_should_evaluate(model, spoil, message):
    atoms = bulk("Al", cubic=True)
    spoil(atoms)
    with pytest.raises(StructureError, match=message):
        predict(model, [bulk("Al"), atoms])


def test_coincident_atoms(model):
    atoms = Atoms("Al2", positions=[[0, 0, 0], [4.05, 0, 0]], cell=[4.05] * 3, pbc=True)
    with pytest.raises(StructureError, match="atoms 0 and 1 coincide"):
        predict(model, atoms)


def test_element_outside_the_model_s_range(own):
    atoms = bulk("Al", cubic=True)
    atoms.symbols[2] = "Po"
    with pytest.raises(StructureError, match=r"not trained on Po \(Po is atom 2\)"):
        predict(own, atoms)


def test_slab_after_make_periodic(model):
    slab = fcc111("Al", (1, 1, 3), vacuum=None)
    (prediction,) = predict(model, umlip_bench.make_periodic(slab, vacuum=10.0))
    # Outer layers are not where they want to be, the middle one is by symmetry.
    assert abs(prediction.forces[1]).max() < 1e-3
    assert prediction.forces[0, 2] == pytest.approx(-prediction.forces[2, 2], abs=1e-3)


def test_training_needs_second_derivatives(own):
    """A training loss on forces differentiates them once more, with respect to the weights."""
    batch = own.collate([own.prepare(rattled(bulk("Al", cubic=True), seed=6))])
    positions = batch.positions.requires_grad_(True)
    own.module.requires_grad_(True)
    try:
        energy = own.energies(batch).energy.sum()
        (gradient,) = torch.autograd.grad(energy, positions, create_graph=True)
        gradient.pow(2).sum().backward()
        squares = [
            float(p.grad.pow(2).sum()) for p in own.module.parameters() if p.grad is not None
        ]
    finally:
        own.module.zero_grad(set_to_none=True)
        own.module.requires_grad_(False)
    assert sum(squares) > 0
    assert np.isfinite(squares).all()


def test_descriptors_are_one_row_per_atom(own):
    structures = mixed(3, largest=10)
    result = own.energies(own.collate([own.prepare(a) for a in structures]))
    assert result.descriptors.shape[0] == sum(map(len, structures))
    assert result.energy.dtype == torch.float64
