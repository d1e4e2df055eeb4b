"""What every family must hold, for each of its members, against its own library and against physics."""

import re

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc111

import umlip_bench
from umlip_bench import datasets
from umlip_bench.engine.prediction import predict
from umlip_bench.potentials.agreement import TOLERANCES, call_calculator, deviation
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential
from umlip_bench.testing import CHECKS, check_potential
from umlip_bench.testing.structures import mixed, rattled

from ..conftest import FOREIGN, SMALL_MACE, LoadModel

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
def model(request: pytest.FixtureRequest, load_model: LoadModel) -> Potential:
    return load_model(request.param)


@pytest.fixture(params=MODELS[:-1])
def own(request: pytest.FixtureRequest, load_model: LoadModel) -> TrainablePotential:
    """One of our families, without foreign calculators."""
    found = load_model(request.param)
    assert isinstance(found, TrainablePotential)
    return found


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, load_model: LoadModel) -> tuple[Potential, Potential]:
    """In single and in double precision."""
    return load_model(request.param), load_model(request.param, dtype="float64")


@pytest.mark.parametrize("name", CHECKS)
def test_every_family_holds_the_contract(pair: tuple[Potential, Potential], name: str) -> None:
    single, double = pair
    report = check_potential(single, double=double, only=[name])
    report.require()
    (check,) = report.checks
    # A calculator of ASE's does not say which elements it knows.
    knows_elements = bool(single.card.elements)
    assert (check.not_run is None) == (name != "unknown elements" or knows_elements)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("position that is not a number", "position of atom 1"),
        ("slab", r"make_periodic\(atoms, vacuum"),
        ("molecule", r"make_periodic\(atoms, vacuum"),
        ("no cell", "no volume"),
        ("coincident atoms", "atoms 0 and 1 coincide"),
    ],
)
def test_structures_nobody_should_evaluate(model: Potential, what: str, message: str) -> None:
    (check,) = check_potential(model, only=["refusals"]).checks
    (refusal,) = [each for each in check.refusals if each.what == what]
    assert re.search(message, refusal.message)


def test_element_outside_the_model_s_range(own: TrainablePotential) -> None:
    (check,) = check_potential(own, only=["unknown elements"]).checks
    assert re.search(r"not trained on Po \(Po is atom 2\)", check.refusals[0].message)


@pytest.mark.parametrize("name", ["chgnet-0.3.0", "chgnet-r2scan"])
def test_nearly_straight_angles_in_single_precision(load_model: LoadModel, name: str) -> None:
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


def test_magnetic_moments_are_the_library_s(load_model: LoadModel) -> None:
    model = load_model("chgnet-0.3.0")
    atoms = rattled(bulk("Fe", cubic=True).repeat((2, 1, 1)), seed=1)
    calculator = model.reference_calculator()
    call_calculator(calculator, atoms)
    (prediction,) = predict(model, atoms)
    assert prediction.magmoms is not None
    assert prediction.magmoms.max() > 1.5
    np.testing.assert_allclose(prediction.magmoms, calculator.results["magmoms"], atol=1e-5)


def test_cards_say_what_was_loaded(own: TrainablePotential) -> None:
    n_parameters = sum(p.numel() for p in own.module.parameters())
    assert own.card.n_parameters == n_parameters
    assert own.weights.card.n_parameters in (None, n_parameters)
    assert "Al" in own.card.elements
    assert own.card.family in {"chgnet", "matgl", "mace"}
    assert len(own.weights.sha256) == 64


def test_slab_after_make_periodic(model: Potential) -> None:
    slab = fcc111("Al", (1, 1, 3), vacuum=None)
    (prediction,) = predict(model, umlip_bench.make_periodic(slab, vacuum=10.0))
    # Outer layers are not where they want to be, the middle one is by symmetry.
    assert abs(prediction.forces[1]).max() < 1e-3
    assert prediction.forces[0, 2] == pytest.approx(-prediction.forces[2, 2], abs=1e-3)


def test_training_needs_second_derivatives(own: TrainablePotential) -> None:
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


def test_descriptors_are_one_row_per_atom(own: TrainablePotential) -> None:
    structures = mixed(3, largest=10)
    result = own.energies(own.collate([own.prepare(a) for a in structures]))
    assert result.descriptors is not None
    assert result.descriptors.shape[0] == sum(map(len, structures))
    assert result.energy.dtype == torch.float64
