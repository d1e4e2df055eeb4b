"""A scalar correction applied to results must be what the corrected model gives when it is run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk
from numpy.testing import assert_allclose

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import as_a, some
from umlip_bench import datasets, finetune
from umlip_bench.analysis.compared_models import Side, sides
from umlip_bench.analysis.corrected import Factor, corrected, notes
from umlip_bench.analysis.energies import EnergyVariant
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.defects.case import FormationCase
from umlip_bench.benchmarks.migration import measure as migration
from umlip_bench.benchmarks.migration.result import MigrationComparison
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets.cases import DefectCase, Preparation
from umlip_bench.datasets.energy_corrections import mp2020_correction
from umlip_bench.engine import Relax, run_tasks
from umlip_bench.engine.requests import Task
from umlip_bench.engine.scheduler import Done
from umlip_bench.finetune.factor_record import read_factor
from umlip_bench.ground.errors import RunFolderError, StructureError, WeightsError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.potentials.corrections.folder import (
    CARD,
    SCHEMA,
    Correction,
    ParentModel,
    read_correction,
)
from umlip_bench.potentials.corrections.modification import ReferenceShift, ScalarCorrection
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.loading import locate, trust_written
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.running.runner import DataIdentity, SuitePlan, run_suites

from ..support.labels import labelled, stiffer

C = 1.3
CHGNET, EMT = "chgnet-0.3.0", "ase:ase.calculators.emt:EMT"
CASES = {
    "high-energy": ("Al", "NaCl", "Si", "SiC"),
    "surfaces": ("Al (1 1 1)", "NaCl (1 0 0)"),
    "defects": ("Al vacancy of Al", "Mg vacancy of Mg"),
    "solid-solutions": ("CaMgO-1",),
    "eos": ("Si", "NaCl"),
    "phonons": ("Al",),
}
"""Of the embedded set; seconds with CHGNet."""
ALUMINIUM = dict.fromkeys(("high-energy", "eos", "phonons"), ("Al",)) | {
    "surfaces": ("Al (1 1 1)",),
    "defects": ("Al vacancy of Al",),
    "migration": ("Al vacancy hop",),
}


class Silent:
    def start(self, model: object, total: object, finished: object) -> None:
        pass

    def advance(self, n: int = 1) -> None:
        pass


def write_card(
    folder: Path, parent: str, change: ScalarCorrection | ReferenceShift | None = None, **more: Any
) -> Path:
    """The folder of a corrected model, by hand; gives back the folder."""
    weights = locate(parent, WeightsStore())
    named = ParentModel(weights.card.name, weights.card.family, weights.sha256)
    correction = Correction(named, change or ScalarCorrection(C))
    folder.mkdir(parents=True)
    content = {"schema": SCHEMA, "name": folder.name, **correction.to_plain(), **more}
    (folder / CARD).write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def run(out: Path, models: Sequence[object], cases: Mapping[str, tuple[str, ...]]) -> Run:
    data = datasets.load("pbe-mini")
    plans = []
    for name, wanted in cases.items():
        suite = load_suite(name)
        found = [case for case in suite.cases(data, Mode.STANDARD) if case.name in wanted]
        assert len(found) == len(wanted)
        plans.append(SuitePlan(suite, found))
    outcome = run_suites(
        plans,
        [locate(str(model), WeightsStore()) for model in models],
        DataIdentity("pbe-mini", "0" * 64, data.manifest.level_of_theory),
        out,
        device=torch.device("cpu"),
        dtype=torch.float32,
        progress=Silent(),
    )
    assert not outcome.failed
    assert not outcome.unusable
    return read_run(out)


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run of CHGNet and, beside it, of CHGNet times C, both evaluated; and the corrected folder."""
    load_model(CHGNET)
    base = tmp_path_factory.mktemp("chgnet")
    folder = write_card(base / "chgnet-mine", CHGNET)
    return run(base / "run", [CHGNET, folder], CASES), folder


@pytest.fixture(scope="module")
def emt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """The same of ASE's EMT, with bands: both to the same end, which 0.05 eV/Å does not settle."""
    base = tmp_path_factory.mktemp("emt")
    folder = write_card(base / "emt-mine", EMT)
    trust_written(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migration, "FMAX", 0.002)
        return run(base / "run", [EMT, folder], ALUMINIUM), folder


def tolerance(variant: str) -> float:
    # The same float32 evaluations in other batches; or the end of another relaxation, to 0.05 eV/Å.
    return 1e-4 if variant == EnergyVariant.FIXED else 1e-2


def check(measured: Run, folder: Path) -> Run:
    """That what was calculated is what was measured, to the last row."""
    calculated = corrected(measured, read_factor(folder))
    name = folder.name
    assert calculated.models == (name,)
    assert calculated.suites == measured.suites
    expected = [row for row in measured.rows if row.model == name]
    assert [replace(row, value=0, ci_low=None, ci_high=None) for row in calculated.rows] == [
        replace(row, value=0, ci_low=None, ci_high=None) for row in expected
    ]
    for one, other in zip(calculated.rows, expected, strict=True):
        ends = [(row.value, row.ci_low, row.ci_high) for row in (one, other)]
        one_ends, other_ends = np.array(ends, dtype=float)
        rtol = tolerance(one.variant)
        assert_allclose(one_ends, other_ends, rtol=rtol, atol=rtol, err_msg=str(one))
    for suite in measured.suites:
        records = zip(calculated.of(suite, name), measured.of(suite, name), strict=True)
        for ours, theirs in records:
            assert (ours.case, ours.elements, ours.status) == (
                theirs.case,
                theirs.elements,
                theirs.status,
            )
            assert ours.metrics.keys() == theirs.metrics.keys()
            for metric, value in ours.metrics.items():
                fixed = suite == "high-energy" or "fixed" in metric
                rtol = 1e-4 if fixed else 1e-2
                assert value == pytest.approx(
                    theirs.metrics[metric], rel=rtol, abs=rtol, nan_ok=True
                ), (suite, ours.case, metric)
    return calculated


def test_chgnet_is_calculated_as_it_is_measured(chgnet: tuple[Run, Path]) -> None:
    calculated = check(*chgnet)
    level = calculated.card("chgnet-mine").level_of_theory
    assert level == chgnet[0].card("chgnet-mine").level_of_theory
    assert level.corrections_factor == C
    assert "1.3000 x MP2020" in str(level)


@pytest.mark.seconds
def test_bands_and_force_constants_of_another_potential_too(emt: tuple[Run, Path]) -> None:
    calculated = check(*emt)
    (result,) = calculated.results_of(MigrationComparison, "migration", "emt-mine")
    assert {profile.of for profile in result.profiles} == {"fixed-geometry", "approx-neb", "neb"}


@pytest.mark.slow
def test_chgnet_bands(load_model: LoadModel, tmp_path: Path) -> None:
    load_model(CHGNET)
    folder = write_card(tmp_path / "chgnet-mine", CHGNET)
    check(run(tmp_path / "run", [CHGNET, folder], {"migration": ("Al vacancy hop",)}), folder)


@pytest.mark.seconds
def test_every_suite_scales_as_physics_says(emt: tuple[Run, Path]) -> None:
    run_, folder = emt
    calculated, name = corrected(run_, read_factor(folder)), folder.name
    for suite, factor in {
        ("high-energy", "fixed-geometry", "slope_median"): C,
        ("high-energy", "fixed-geometry", "inverse_median"): 1 / C,
        ("high-energy", "fixed-geometry", "r2_median"): 1.0,
        ("high-energy", "fixed-geometry", "stress_slope_median"): C,
        ("surfaces", "fixed-geometry", "energy_scale"): C,
        ("defects", "fixed-geometry", "energy_scale"): C,
        ("eos", "relaxed", "bulk_modulus_scale_median"): C,
        ("eos", "relaxed", "volume_error_median"): 1.0,
        ("migration", "fixed-geometry", "energy_scale"): C,
        ("phonons", "fixed-geometry", "curvature_scale_median"): C,
        ("phonons", "fixed-geometry", "max_ratio_median"): math.sqrt(C),
    }.items():
        before, after = (
            run_.find(*suite[:2], EMT, suite[2]),
            calculated.find(*suite[:2], name, suite[2]),
        )
        assert some(after).value == pytest.approx(factor * some(before).value, rel=1e-9), suite


@pytest.mark.seconds
def test_a_factor_of_one_changes_nothing(emt: tuple[Run, Path], tmp_path: Path) -> None:
    run_, _ = emt
    calculated = corrected(
        run_, read_factor(write_card(tmp_path / "same", EMT, ScalarCorrection(1.0)))
    )
    before = [replace(row, model="same") for row in run_.rows if row.model == EMT]
    assert [row.to_json() for row in calculated.rows] == [row.to_json() for row in before]
    for one, other in zip(
        calculated.records, [r for r in run_.records if r.model == EMT], strict=True
    ):
        assert one.metrics == pytest.approx(other.metrics, nan_ok=True)


@pytest.mark.seconds
def test_elastic_constants_scale() -> None:
    crystal = bulk("Cu", cubic=True)
    analysis, suite = all_suites()["elastic"], load_suite("elastic")
    (case,) = suite.structure_cases(StructureRequest(crystal, "Cu", 1, None))
    parent = umlip_bench.potential(EMT, dtype="float64")
    weights = replace(parent.weights, card=replace(parent.card, name="mine"))
    results = []
    for potential in (parent, scaled(weights, parent, ScalarCorrection(C))):
        (outcome,) = run_tasks(potential, [("Cu", suite.measure(case))])
        results.append(as_a(Done, outcome).result)
    calculated = analysis.scaled(results[0], C)
    assert_allclose(calculated.fixed, results[1].fixed, rtol=1e-6, atol=1e-6)
    assert_allclose(calculated.relaxed, results[1].relaxed, rtol=1e-2, atol=1e-2)


# ---- energy corrections of anions that change their class


def not_relaxing(task: Task[Any]) -> Task[Any]:
    """A measurement whose relaxations fail at once: what is at DFT's geometry comes without waiting."""
    request = next(task)
    while True:
        try:
            if isinstance(request, list) and isinstance(request[0], Relax):
                request = task.throw(StructureError("no relaxation here"))
            else:
                request = task.send((yield request))
        except StopIteration as end:
            return end.value


def test_corrections_are_scaled_with_everything_else(load_model: LoadModel, tmp_path: Path) -> None:
    """Oxygen that leaves an oxide for the element leaves its MP2020 correction behind, 0.687 eV.

    The scaled model has c times as much, and so much must be taken off: once would leave (c - 1) 0.687 eV.
    """
    load_model(CHGNET)
    host = bulk("MgO", "rocksalt", a=4.25, cubic=True)
    defective = host.copy()
    site = next(k for k, symbol in enumerate(host.symbols) if symbol == "O")
    del defective[site]
    vacancy = DefectCase(
        name="vacancy of O",
        system="MgO",
        level_of_theory=LevelOfTheory("PBE"),
        preparation=Preparation.AS_BUILT,
        host=host,
        defective=defective,
        kind="vacancy",
        site=host.get_scaled_positions()[site],
        energy=0.0,
        exchanged={"O": -1},
        chemical_potentials={"O": -5.0},
    )
    change = mp2020_correction(host) - mp2020_correction(defective)
    assert change == pytest.approx(-0.687, abs=1e-3)
    case = FormationCase("v", "MgO", (vacancy,), 5.0, elemental=True)
    folder = write_card(tmp_path / "mine", CHGNET)
    energies = []
    for name in (CHGNET, str(folder)):
        task = not_relaxing(load_suite("defects").measure(case))
        (outcome,) = run_tasks(umlip_bench.potential(name), [("v", task)])
        energies.append(as_a(Done, outcome).result.comparison.value(EnergyVariant.FIXED).model)
    assert energies[1] == pytest.approx(C * energies[0], abs=1e-4)
    assert abs((C - 1) * change) > 0.2  # what taking the correction off once would leave


@pytest.mark.seconds
def test_models_without_corrections_say_nothing_of_them(emt: tuple[Run, Path]) -> None:
    run_, folder = emt
    assert run_.card(folder.name).level_of_theory == LevelOfTheory("unknown")


# ---- the folder


def test_what_the_card_says(tmp_path: Path) -> None:
    record: dict[str, Any] = {
        "fit": {"estimator": "shrunk", "interval": [1.1, 1.5]},
        "labels": {"n_frames": 2, "source": {"name": "two.xyz", "sha256": "0"}},
    }
    folder = write_card(tmp_path / "mine", EMT, **record)
    sha256 = locate(EMT, WeightsStore()).sha256
    factor = read_factor(folder)
    own = read_correction(folder).sha256
    assert factor == Factor("mine", EMT, sha256, C, 1.1, 1.5, "shrunk", "two.xyz", 2, own)
    assert factor.resolved
    assert not replace(factor, low=0.9).resolved
    bare = read_factor(write_card(tmp_path / "bare", EMT))
    assert replace(bare, sha256=own) == Factor(
        "bare", EMT, sha256, C, None, None, None, None, None, own
    )
    assert bare.resolved is None


def test_a_folder_that_a_fit_wrote(load_model: LoadModel, tmp_path: Path) -> None:
    model = load_model(EMT, dtype="float64")
    crystals = [bulk("Cu", cubic=True) for _ in range(2)]
    for seed, atoms in enumerate(crystals):
        atoms.rattle(0.1, seed=seed)
    frames = labelled(stiffer(model, 1.2), crystals)
    fit = finetune.fit_scalar(model, frames, estimator=finetune.Estimator.MSE)
    folder = finetune.save(fit, model, tmp_path / "mine")
    factor = read_factor(folder)
    assert factor.value == pytest.approx(1.2)
    assert factor.low is not None
    assert factor.estimator == "mse"


@pytest.mark.seconds
def test_other_methods_have_to_be_run(emt: tuple[Run, Path], tmp_path: Path) -> None:
    folder = write_card(tmp_path / "shifted", EMT, ReferenceShift({"Al": 1.0}))
    with pytest.raises(WeightsError, match=r"made with --method e0.*Run it"):
        corrected(emt[0], read_factor(folder))


@pytest.mark.seconds
def test_a_parent_that_is_not_in_the_run_is_told(emt: tuple[Run, Path], tmp_path: Path) -> None:
    folder = write_card(tmp_path / "mine", "ase:ase.calculators.lj:LennardJones")
    with pytest.raises(
        RunFolderError, match=r"is no model of .*it has ase:ase.calculators.emt:EMT"
    ):
        corrected(emt[0], read_factor(folder))
    with pytest.raises(WeightsError, match="cannot be read"):
        corrected(emt[0], read_factor(tmp_path))


@pytest.mark.seconds
def test_it_is_a_side_like_any_other(emt: tuple[Run, Path]) -> None:
    run_, folder = emt
    calculated = corrected(run_, read_factor(folder))
    (side,) = sides([calculated])
    assert side == Side(calculated, folder.name, folder.name) or side.label == folder.name
    records = calculated.of("eos", folder.name)
    assert {r.key for r in calculated.records}.isdisjoint({r.key for r in run_.records})
    assert len(calculated.cases("eos")) == len(records) == 1
    assert calculated.data == run_.data


def test_notes_name_what_scales_that_should_not() -> None:
    factor = Factor("mine", "chgnet-0.3.0", "0", C, None, None, None, None, None, "1")
    plain = " ".join(notes(factor, LevelOfTheory("PBE")))
    assert "times 1.300, frequencies times 1.140" in plain
    assert "formation energies" in plain
    assert "MP2020" not in plain
    assert "1.300 x the correction" in " ".join(
        notes(factor, LevelOfTheory("PBE", energy_corrections="MP2020"))
    )
