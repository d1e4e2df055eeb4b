"""Methods raced on several materials, with labels of a model that is known to be a quarter stiffer."""

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from rich.console import Console

from tests.conftest import LoadModel
from umlip_bench import datasets
from umlip_bench.datasets.cases import SurfaceCase
from umlip_bench.datasets.frame import composition
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.experiment import NONE, TRIALS, Experiment
from umlip_bench.finetune.force_sets import ForceSet, curvature
from umlip_bench.finetune.measures import Measures
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.method import method as named
from umlip_bench.finetune.methods.scalar import ScalarSettings
from umlip_bench.finetune.printing.race import ENTRIES, RESULTS, print_race, write_race
from umlip_bench.finetune.race import RaceEntry, RaceMaterial, RacePlan, entries, summarise
from umlip_bench.finetune.race_materials import race_materials
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.protocol import Potential

from ..support.labels import labelled, stiffer
from ..support.structures import distorted

CHGNET = "chgnet-0.3.0"
BRIEF = TrainingSettings(epochs=1, batch_size=2)
LEAST = Chosen(named("scalar"), ScalarSettings(estimator=Estimator.MSE))
HEAD, SCRATCH = (Chosen(named(name), BRIEF) for name in ("head", "scratch"))


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> Potential:
    return load_model(CHGNET)


@pytest.fixture(scope="module")
def silicon(chgnet: Potential) -> RaceMaterial:
    """A material whose labels, force set and surface are of the stiffer model."""
    stiff = stiffer(chgnet, 1.25)
    rest = make_supercell(bulk("Si", "diamond", a=5.43), 2 * np.eye(3))
    moved = rest.copy()
    moved.positions[3] += [0.02, 0.01, 0.0]
    still, forced = (p.forces for p in predict(stiff, [rest, moved]))
    force_set = ForceSet("Si", rest, (moved,), (forced - still)[None])
    found = datasets.load("pbe-mini").of_task("surfaces")
    case = next(c for c in found if isinstance(c, SurfaceCase) and composition(c.bulk) == "MgO")
    slab, crystal = (p.energy for p in predict(stiff, [case.slab, case.bulk]))
    excess = slab - crystal / len(case.bulk) * len(case.slab)
    surface = replace(case, surface_energy=excess / (2 * case.area))
    frames = tuple(labelled(stiff, distorted(6)))
    return RaceMaterial("mine, Si", frames, (force_set,), (surface,))


def test_what_a_factor_mends_is_mended_for_every_judge(
    chgnet: Potential, silicon: RaceMaterial
) -> None:
    plan = RacePlan({"least": LEAST}, (1, 2), 2)
    found = list(entries(Experiment(chgnet), [silicon], plan))
    assert len(found) == plan.n_fits == 2 * 3
    before = [each for each in found if each.method == NONE]
    after = [each for each in found if each.method == "least"]
    assert {each.n_labels for each in after} == {1, 2}
    for each in before:
        assert each.held_out is not None
        assert each.held_out.force_slope == pytest.approx(0.8, abs=1e-4)
        assert each.curvature == pytest.approx(0.8, abs=1e-3)
        assert each.surface == pytest.approx(0.8, abs=1e-4)
        # The same number as the measure of force sets, which evaluates by itself.
        assert each.curvature == pytest.approx(
            curvature(chgnet, silicon.force_sets).slope, rel=1e-5
        )
    for each in after:
        assert each.held_out is not None
        assert each.held_out.force_slope == pytest.approx(1.0, abs=1e-4)
        assert each.curvature == pytest.approx(1.0, abs=1e-3)
        assert each.surface == pytest.approx(1.0, abs=1e-4)
    row = next(row for row in summarise(found) if row.method == "least")
    assert row.force.value < 1e-3
    assert (row.force.n, row.force.n_worse, row.n_curvature, row.n_surface) == (1, 0, 1, 1)


def test_scratch_gets_the_most_labels_only_and_the_race_resumes(
    chgnet: Potential, silicon: RaceMaterial, tmp_path: Path
) -> None:
    plan = RacePlan({"head": HEAD, "scratch": SCRATCH}, (1, 2), 1)
    fits: list[str] = []
    experiment = Experiment(chgnet, tmp_path / TRIALS, on_fit=fits.append)
    found = list(entries(experiment, [silicon], plan))
    assert [(each.method, each.n_labels) for each in found] == [
        (NONE, 0),
        ("head", 1),
        ("head", 2),
        ("scratch", 2),
    ]
    again: list[str] = []
    resumed = Experiment(chgnet, tmp_path / TRIALS, on_fit=again.append)
    assert list(entries(resumed, [silicon], plan)) == found
    assert (len(fits), again) == (4, [])
    write_race(found, tmp_path)
    assert len((tmp_path / ENTRIES).read_text().splitlines()) == 5
    rows = json.loads((tmp_path / RESULTS).read_text())["rows"]
    assert [row["method"] for row in rows] == [NONE, "head", "head", "scratch"]


def entry(
    material: str, method: str, mae: float, seed: int = 0, failure: str | None = None
) -> RaceEntry:
    held_out = None if failure else Measures(4, mae, mae, mae, math.nan, mae)
    return RaceEntry(
        "m", material, method, int(method != NONE), seed, held_out, math.nan, math.nan, 1.0, failure
    )


def test_the_material_is_the_unit_and_failures_are_counted() -> None:
    found = [entry(name, NONE, 0.4) for name in "abc"]
    # Draws of one material are averaged first: they are no further materials.
    found += [entry("a", "full", mae, seed) for seed, mae in enumerate((0.05, 0.2))]
    found += [entry("b", "full", 0.4), entry("c", "full", 1.6)]
    found.append(entry("c", "full", 0.0, 1, "the loss diverged"))
    none, full = summarise(found)
    assert none.force.value == pytest.approx(1.0)
    logs = np.log([0.1 / 0.4, 1.0, 4.0])
    half = 4.302653 * logs.std(ddof=1) / math.sqrt(3)
    assert full.force.value == pytest.approx(np.exp(logs.mean()))
    assert (full.force.low, full.force.high) == pytest.approx(
        (np.exp(logs.mean() - half), np.exp(logs.mean() + half))
    )
    assert (full.force.n, full.force.n_worse, full.n_fits, full.n_failed) == (3, 1, 4, 1)
    assert math.isnan(full.energy.value)
    stream = io.StringIO()
    print_race(found, Console(width=160, file=stream))
    assert "c: full, 1 labels, draw 1: the loss diverged" in stream.getvalue()
    assert "1/3" in stream.getvalue()


class TestMaterials:
    def test_what_else_is_known_of_the_crystal_judges(self) -> None:
        mini, debye = (datasets.load(name) for name in ("pbe-mini", "debye-mini"))
        found = race_materials({"pbe-mini": mini}, [debye], ("Si", "MgO"), 2)
        silicon, magnesia = sorted(found.materials, key=lambda each: each.name, reverse=True)
        assert (silicon.name, magnesia.name) == ("pbe-mini, Si", "pbe-mini, MgO")
        assert [len(each.force_sets) for each in found.materials] == [1, 1]
        assert all(s.composition in ("Si", "MgO") for m in found.materials for s in m.force_sets)

    def test_another_functional_does_not_judge(self) -> None:
        scan, mini = (datasets.load(name) for name in ("r2scan-mini", "pbe-mini"))
        found = race_materials({"r2scan-mini": scan}, [mini], (), 1)
        assert not any(each.force_sets or each.surfaces for each in found.materials)
        assert any("PBE, not r2SCAN" in note for note in found.notes)

    def test_materials_that_are_refused(self) -> None:
        mini, debye = (datasets.load(name) for name in ("pbe-mini", "debye-mini"))
        sets = {"pbe-mini": mini, "debye-mini": debye}
        with pytest.raises(CorrectionError, match="in debye-mini and pbe-mini"):
            race_materials(sets, [], ("Si",), 1)
        with pytest.raises(CorrectionError, match=r"'Sj' is in none of the sets.*Si"):
            race_materials(sets, [], ("Sj",), 1)
        with pytest.raises(CorrectionError, match=r"Si \(5\).*smaller --sizes"):
            race_materials({"pbe-mini": mini}, [], ("Si",), 10)
        with pytest.raises(CorrectionError, match="no material has more than 10"):
            race_materials({"pbe-mini": mini}, [], (), 10)
