"""Several models as one: mean and standard deviation, in every way in which a potential is used."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import FIRE

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import as_a, some
from umlip_bench import engine, finetune
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.corrections.committee import CommitteePrediction
from umlip_bench.potentials.corrections.folder import (
    Correction,
    ParentModel,
    ScalarCorrection,
    corrected_card,
)
from umlip_bench.potentials.corrections.scaled import ScaledPotential, scaled
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Origin, Weights

CHGNET = "chgnet-0.3.0"
EMT = "ase:ase.calculators.emt:EMT"
LJ = "ase:ase.calculators.lj:LennardJones"


def scaled_by(parent: Potential, factor: float) -> ScaledPotential:
    card = ModelCard(
        name=f"{parent.card.name} x {factor}",
        family="corrected",
        architecture="scaled",
        level_of_theory=LevelOfTheory("PBE"),
        training_set="",
        elements=(),
        licence="",
        citation="",
    )
    weights = Weights(card, (), Origin.GIVEN, sha256=f"{parent.weights.sha256}{factor}")
    return scaled(weights, parent, ScalarCorrection(factor))


def rattled(symbol: str = "Cu", **lattice: float | str) -> Atoms:
    atoms = bulk(symbol, **lattice) * (2, 2, 1)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.mark.parametrize("factors", [(0.9, 1.2), (1.0, 1.1, 1.5)])
def test_standard_deviation_in_closed_form(
    factors: tuple[float, ...], load_model: LoadModel
) -> None:
    parent = load_model(EMT)
    committee = finetune.Committee([scaled_by(parent, c) for c in factors])
    atoms = rattled()
    (alone,), (found,) = predict(parent, [atoms]), predict(committee, [atoms])
    spread, mean = np.std(factors, ddof=1), np.mean(factors)
    if len(factors) == 2:
        assert spread == pytest.approx(abs(factors[0] - factors[1]) / np.sqrt(2))
    assert isinstance(found, CommitteePrediction)
    assert found.n_members == len(factors)
    np.testing.assert_allclose(found.forces_std, spread * np.abs(alone.forces), atol=1e-12)
    np.testing.assert_allclose(
        some(found.stress_std), spread * np.abs(some(alone.stress)), atol=1e-12
    )
    assert found.energy_std == pytest.approx(spread * abs(alone.energy))
    np.testing.assert_allclose(found.forces, mean * alone.forces, atol=1e-12)
    np.testing.assert_allclose(some(found.stress), mean * some(alone.stress), atol=1e-12)
    norms = np.linalg.norm(alone.forces, axis=1)
    assert found.disagreement == pytest.approx(spread * np.sqrt((norms**2).mean()))


def test_calculator_has_mean_and_standard_deviation(load_model: LoadModel) -> None:
    parent = load_model(EMT)
    atoms = rattled()
    pair = finetune.Committee([scaled_by(parent, c) for c in (0.9, 1.2)])
    atoms.calc = finetune.CommitteeCalculator(pair)
    alone = predict(parent, [atoms])[0]
    np.testing.assert_allclose(atoms.get_forces(), 1.05 * alone.forces, atol=1e-12)
    np.testing.assert_allclose(
        atoms.calc.results["forces_std"], 0.3 / np.sqrt(2) * np.abs(alone.forces), atol=1e-12
    )
    assert atoms.calc.get_property("energy_std") == pytest.approx(
        0.3 / np.sqrt(2) * abs(alone.energy)
    )
    assert atoms.calc.results["stress_std"].shape == (6,)


def test_ase_and_engine_relax_with_a_committee_to_the_parents_minimum(
    load_model: LoadModel,
) -> None:
    parent = load_model(EMT)
    committee = finetune.Committee([scaled_by(parent, c) for c in (0.9, 1.2)])
    atoms = rattled()
    (outcome,) = engine.run_requests(committee, [engine.Relax(atoms, fmax=0.01)])
    relaxed = as_a(engine.Done, outcome).result
    assert relaxed.converged
    (found,) = predict(committee, [relaxed.atoms])
    assert as_a(CommitteePrediction, found).forces_std.max() < 0.01
    atoms.calc = finetune.CommitteeCalculator(committee)
    assert FIRE(atoms, logfile=None).run(fmax=0.01, steps=200)


def test_members_of_different_families_are_batched(load_model: LoadModel) -> None:
    committee = finetune.Committee([load_model(CHGNET), load_model("m3gnet-mp-2021.2.8")])
    structures = [rattled("Si", a=5.43), rattled("MgO", crystalstructure="rocksalt", a=4.21)]
    together = predict(committee, structures)
    for atoms, found in zip(structures, together, strict=True):
        each = [predict(member, [atoms])[0] for member in committee.members]
        forces = np.array([one.forces for one in each])
        np.testing.assert_allclose(found.forces, forces.mean(axis=0), atol=1e-4)
        spread = as_a(CommitteePrediction, found).forces_std
        np.testing.assert_allclose(spread, forces.std(axis=0, ddof=1), atol=1e-4)
        assert found.magmoms is None  # M3GNet has none
    assert committee.card.level_of_theory.functional == "PBE"
    assert "Si" in committee.card.elements


def test_the_mean_of_scaled_models_holds_the_mean_of_their_energy_corrections(
    load_model: LoadModel,
) -> None:
    chgnet = load_model(CHGNET)
    parent = ParentModel(CHGNET, "chgnet", chgnet.weights.sha256)
    members = []
    for factor in (1.1, 1.4):
        correction = Correction(parent, ScalarCorrection(factor))
        card = corrected_card(f"times {factor}", correction, chgnet.card)
        weights = replace(chgnet.weights, card=card, sha256=correction.sha256)
        members.append(scaled(weights, chgnet, as_a(ScalarCorrection, correction.change)))
    level = finetune.Committee(members).card.level_of_theory
    assert level.energy_corrections == "MP2020"
    assert level.corrections_factor == pytest.approx(1.25)


def test_what_is_no_committee_is_refused(load_model: LoadModel) -> None:
    model = load_model(EMT)
    with pytest.raises(UmlipBenchError, match="committee of 1 has no standard deviation"):
        finetune.Committee([model])
    with pytest.raises(UmlipBenchError, match="twice"):
        finetune.Committee([model, umlip_bench.potential(EMT)])


def test_a_structure_that_one_member_refuses_is_refused(load_model: LoadModel) -> None:
    committee = finetune.Committee([load_model(LJ), load_model(CHGNET)])
    with pytest.raises(UmlipBenchError, match="periodicity"):
        predict(committee, [umlip_bench.make_periodic(bulk("Cu"), 5.0), unperiodic()])


def unperiodic() -> Atoms:
    atoms = bulk("Cu")
    atoms.pbc = False
    return atoms
