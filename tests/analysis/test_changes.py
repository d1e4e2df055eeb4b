from pathlib import Path

import numpy as np
import pytest

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.run_differences import NOTHING, RunDifference, changes
from umlip_bench.analysis.run_files import VERSIONS

from ..support.run_folders import CARD, FAILED, write_run


def material(name: str) -> MaterialComparison:
    forces = np.random.default_rng(len(name)).normal(size=(2, 3))
    return MaterialComparison(name, (FrameComparison("A", 0.0, 0.0, forces, 0.8 * forces),))


RESULTS = {"high-energy": {"toy": [material(name) for name in ("Si", "Ge", "C")]}}


def found(tmp_path: Path, first: dict, second: dict) -> list[RunDifference]:
    """Changes between two folders, given what is not as usual in each."""
    runs = [
        write_run(tmp_path / name, **{"results": RESULTS, **given})
        for name, given in (("one", first), ("two", second))
    ]
    return changes(*runs)


def test_nothing_changed(tmp_path: Path) -> None:
    assert found(tmp_path, {}, {}) == []
    # When a run was started is no change.
    moments = [{"provenance": {"started": f"2026-01-0{day}"}} for day in (1, 2)]
    assert found(tmp_path / "again", *moments) == []


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            {},
            {"data": ("by-hand", "dd" * 32)},
            RunDifference(
                "reference data", "by-hand (sha256 cccccccccccc)", "by-hand (sha256 dddddddddddd)"
            ),
        ),
        ({}, {"dtype": "float64"}, RunDifference("setting dtype", "float32", "float64")),
        (
            {"provenance": {"packages": {"torch": "2.6.0"}}},
            {"provenance": {"packages": {"torch": "2.7.0"}}},
            RunDifference("version of torch", "2.6.0", "2.7.0"),
        ),
        (
            {"provenance": {"packages": {}}},
            {"provenance": {"packages": {"matgl": "4.1"}}},
            RunDifference("version of matgl", NOTHING, "4.1"),
        ),
        ({}, {"provenance": {"python": "3.12.1"}}, RunDifference("Python", "3.11.7", "3.12.1")),
        (
            {},
            {"provenance": {"device": "cuda:0 H200"}},
            RunDifference("device", "cpu", "cuda:0 H200"),
        ),
        (
            {"provenance": {"torch_threads": 1}},
            {"provenance": {"torch_threads": 8}},
            RunDifference("CPU threads of torch", "1", "8"),
        ),
        (
            {"weights": {"toy": "ab" * 32}},
            {"weights": {"toy": "ac" * 32}},
            RunDifference("weights of toy", "sha256 abababababab", "sha256 acacacacacac"),
        ),
    ],
)
def test_what_changed_is_named(
    tmp_path: Path, first: dict, second: dict, expected: RunDifference
) -> None:
    assert found(tmp_path, first, second) == [expected]
    backwards = RunDifference(expected.what, expected.second, expected.first)
    assert found(tmp_path / "back", second, first) == [backwards]


def test_versions_in_a_model_s_own_environment_are_compared(tmp_path: Path) -> None:
    cards = [{"toy": {**CARD, VERSIONS: {"e3nn": e3nn, "torch": "2.6"}}} for e3nn in ("0.4", "0.5")]
    one, other = ({"cards": each} for each in cards)
    assert found(tmp_path, one, other) == [RunDifference("version of e3nn for toy", "0.4", "0.5")]
    moved = found(tmp_path / "moved", {}, other)
    assert RunDifference("version of torch for toy", NOTHING, "2.6") in moved


def test_models_and_suites_that_only_one_has(tmp_path: Path) -> None:
    both = {**RESULTS["high-energy"], "other": [material("Si")]}
    (change,) = found(tmp_path, {}, {"results": {"high-energy": both}})
    assert change == RunDifference("models that only one has", NOTHING, "1: other")


def test_cases_that_only_one_has(tmp_path: Path) -> None:
    many = [material(name) for name in ("Si", "Ge", "K", "Na", "Li", "Rb", "Cs")]
    (change,) = found(tmp_path, {}, {"results": {"high-energy": {"toy": many}}})
    assert change.what == "cases of high-energy that only one has"
    assert (change.first, change.second) == ("1: C", "5: K, Na, Li, Rb and 1 more")


def test_cases_that_failed_in_one(tmp_path: Path) -> None:
    failing = [material("Si"), (FAILED, "Ge"), material("C")]
    (change,) = found(tmp_path, {}, {"results": {"high-energy": {"toy": failing}}})
    assert change == RunDifference("failed in high-energy, toy", NOTHING, "1: Ge")
