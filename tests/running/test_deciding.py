"""What is advised where a suite stays undecided."""

import numpy as np
import pytest
from ase.build import bulk

from umlip_bench import datasets
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.registry import suite_of
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets.catalogue import catalogue
from umlip_bench.datasets.store import DataStore
from umlip_bench.datasets.tasks import Task
from umlip_bench.running.deciding import largest, nearest, undecided, what_decides

from ..support.runs import material

SUITE = suite_of("high-energy")


def materials(n: int) -> list[MaterialComparison]:
    return [material(f"m{k}", bulk("Si"), {"Si": 0.8}, seed=k) for k in range(n)]


def advice(n: int, seconds: float | None = None) -> list[str]:
    rows = SUITE.rows("toy", "mine", materials(n), 0)
    of = {} if seconds is None else {"toy": seconds}
    return what_decides(SUITE, rows, {"Si"}, "PBE", "mine", of)


def test_a_suite_that_is_decided_needs_nothing() -> None:
    assert advice(6) == []
    assert undecided(SUITE, SUITE.rows("toy", "mine", materials(6), 0)) == []
    assert undecided(SUITE, SUITE.rows("toy", "mine", [], 3)) == []


def test_the_set_the_cost_and_the_command_are_said() -> None:
    (said,) = advice(2, seconds=0.5)
    # Both mlearn and mattersim-tp have silicon; the former is smaller.
    assert (
        "high-energy is undecided for toy: medians need 6 independent materials. mlearn has 6 (PBE)"
        in said
    )
    assert "`umlip-bench run high-energy --model toy --data mlearn --out runs/mlearn`" in said
    assert said.endswith("18 cases of about 0.5 s as here: 9 s")
    assert advice(2)[0].endswith("18 cases")


def test_several_models_have_one_command_and_their_costs_together() -> None:
    rows = [row for name in ("one", "two") for row in SUITE.rows(name, "mine", materials(2), 0)]
    (said,) = what_decides(SUITE, rows, {"Si"}, "PBE", "mine", {"one": 0.5, "two": 1.5})
    assert "undecided for one, two:" in said
    assert "--model one --model two --data mlearn" in said
    assert said.endswith("18 cases of 0.5 to 1.5 s as here: 36 s")
    (said,) = what_decides(SUITE, rows, {"Si"}, "PBE", "mine", {"one": 0.5})
    assert said.endswith("18 cases")


def test_where_no_published_set_decides_it_is_said_what_does() -> None:
    rows = SUITE.rows("toy", "mine", materials(2), 0)
    (said,) = what_decides(SUITE, rows, {"Si"}, "r2SCAN", "mine", {"toy": 0.5})
    assert "6 independent materials, 2 are here. No published set of r2SCAN has as many:" in said
    assert said.endswith("a case took about 0.5 s here, beside its DFT")
    best = largest(Task.DEFECTS, "PBE", "mine")
    assert best is not None
    assert best.id == "pymatgen-gaas"


@pytest.mark.parametrize(
    ("task", "elements", "functional", "data", "expected"),
    [
        (Task.HIGH_ENERGY, {"Ba", "Ti", "O"}, "PBE", "mine", "mattersim-tp"),
        (Task.HIGH_ENERGY, {"Si"}, "PBE", "mine", "mlearn"),
        (Task.HIGH_ENERGY, {"Si"}, "PBE", "mlearn", "mattersim-tp"),
        (Task.HIGH_ENERGY, {"Si"}, "r2SCAN", "mine", None),
        (Task.HIGH_ENERGY, {"Si"}, "unknown", "mine", "mlearn"),
        # Of one compound alone, whatever its elements.
        (Task.DEFECTS, {"Ga"}, "PBE", "mine", None),
    ],
)
def test_the_nearest_set_has_the_elements_and_enough_systems(
    task: Task, elements: set[str], functional: str, data: str, expected: str | None
) -> None:
    found = nearest(task, elements, functional, data)
    assert (None if found is None else found.id) == expected


def test_suites_without_reference_data_are_not_advised_on() -> None:
    sanity = suite_of("sanity")
    assert what_decides(sanity, [], {"Si"}, "PBE", "mine", {}) == []


@pytest.mark.seconds
@pytest.mark.parametrize(
    "id", ["phonopy-examples", "pymatgen-wulff", "pymatgen-gaas", "mattersim-tp"]
)
def test_sizes_are_those_of_a_standard_run(id: str) -> None:
    if DataStore().locate(catalogue()[id]) is None:
        pytest.skip(f"{id} is not here")
    dataset = datasets.load(id)
    for task, size in catalogue()[id].sizes.items():
        cases = load_suite(task).cases(dataset, Mode.STANDARD)
        systems = {getattr(case, "system", "") or case.name for case in cases}
        assert (len(cases), len(systems)) == (size.cases, size.systems)


def test_forces_of_a_model_without_scale_are_no_scale() -> None:
    x = np.ones((2, 3))
    flat = MaterialComparison("m", (FrameComparison("Si", np.nan, 0.0, x, x),))
    assert undecided(SUITE, SUITE.rows("toy", "mine", [flat], 0)) == ["toy"]
