"""`umlip-bench calibrate`: what it fits, keeps and prints, and that the packer uses it."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from umlip_bench.cli import main
from umlip_bench.engine import calibration as calibration_module
from umlip_bench.engine import calibrator
from umlip_bench.engine.calibration import Calibration, Duration, Errors, Key, calibration_of
from umlip_bench.engine.calibrator import calibrate, smallest_good_enough
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import DeviceError, UmlipBenchError
from umlip_bench.potentials.graph import Cost, Footprint, Graph
from umlip_bench.potentials.memory import cost_of_call
from umlip_bench.potentials.protocol import Potential

from ..conftest import FOREIGN, SMALL_MACE, LoadModel
from ..support.narrowing import some
from ..support.potentials import Wells
from ..support.structures import chain
from .test_memory import errors_on_real_structures

FAMILIES = ["chgnet-0.3.0", "m3gnet-mp-2021.2.8", "tensornet-matpes-pbe-2025.1", SMALL_MACE]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller batches and fewer repeats; what is fitted, and how, stays."""
    monkeypatch.setattr(calibrator, "N_FITTED", 12)
    monkeypatch.setattr(calibrator, "TIMED_REPEATS", 1)
    monkeypatch.setattr(calibrator, "_POOL", 40)
    monkeypatch.setattr(calibrator, "_LARGEST_STRUCTURE", 8)
    monkeypatch.setattr(calibrator, "_LARGEST_CALL", {"cpu": 400})
    monkeypatch.setattr(calibrator, "_LONGEST_PASS", 0.1)
    monkeypatch.setattr(calibrator, "_MOST_REPEATS", 3)


def made_up(model: Potential, edges_per_batch: int = 700) -> Calibration:
    return Calibration(
        key=Key.of(model),
        memory=Footprint(1e3, 2e3, 3e3, 4e3, 5e3),
        duration=Duration(1e-4, 1e-5, 0.0, per_call=5e-3),
        edges_per_batch=edges_per_batch,
        n_fitted=32,
        n_held_out=50,
        memory_errors=Errors(0.01, 0.02),
        duration_errors=Errors(0.1, 0.2),
    )


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("name", FAMILIES)
def test_memory_of_batches_that_were_not_fitted_to(
    load_model: LoadModel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrator, "_best_cpu_batch", lambda potential, duration: 1000)
    model = load_model(name)
    found = calibrate(model)
    assert found.n_held_out == 50
    assert found.memory_errors.median < 0.10
    assert found.memory_errors.worst < 0.30
    # Nor do real structures surprise it.
    errors = errors_on_real_structures(model, found.memory, n_batches=10)
    assert np.median(errors) < 0.10
    assert errors.max() < 0.30
    assert calibration_of(model) is None, "calibrate writes nothing"


@pytest.mark.parametrize(
    ("relative", "expected"),
    [
        ([1.3, 1.1, 1.0, 1.0, 1.2], 1000),
        # Within 3 % of the fastest, the smaller is taken.
        ([1.3, 1.02, 1.01, 1.0, 1.0], 500),
        ([1.0, 1.3, 1.0, 1.0, 1.0], 250),
        ([2.0, 1.8, 1.5, 1.2, 1.0], 4000),
    ],
)
def test_the_smallest_batch_that_is_fast_enough(relative: list[float], expected: int) -> None:
    # The machine slows down by half in one repeat, and one size is disturbed in another.
    seconds = np.array([relative] * 5) * np.array([1.0, 1.5, 1.0, 1.0, 1.0])[:, None]
    seconds[3, 2] *= 2
    assert smallest_good_enough(seconds.tolist(), (250, 500, 1000, 2000, 4000)) == expected


def test_only_what_takes_batches_is_calibrated(load_model: LoadModel) -> None:
    with pytest.raises(UmlipBenchError, match=r"LennardJones takes one structure at a time"):
        calibrate(load_model(FOREIGN))


def test_too_little_memory_is_said(load_model: LoadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrator, "free_memory", lambda device: 1e5)
    with pytest.raises(DeviceError, match=r"0\.00 are; wait for other programs"):
        calibrate(load_model(SMALL_MACE))


# ---- what is kept


def test_what_is_written_is_read() -> None:
    model = Wells()
    assert calibration_of(model) is None
    first = made_up(model)
    path = first.save()
    assert calibration_of(model) == first
    second = replace(first, edges_per_batch=123)
    assert second.save() == path
    assert calibration_of(model) == second
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_calibration_is_for_one_size_device_format_and_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Wells()
    made_up(model).save()
    double, single, larger = Wells(), Wells(), Wells()
    single.dtype = torch.float32
    larger.card = replace(model.card, n_parameters=10)
    assert calibration_of(double) is not None
    assert calibration_of(single) is None
    assert calibration_of(larger) is None
    monkeypatch.setattr(calibration_module, "processor", lambda: "another processor")
    assert calibration_of(model) is None


def test_fine_tuned_weights_share_the_calibration_of_their_architecture() -> None:
    model, tuned = Wells(), Wells()
    model.card = replace(model.card, n_parameters=1000)
    tuned.card = replace(model.card, name="tuned-on-my-data")
    made_up(model).save()
    assert calibration_of(tuned) is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"per_atom": 1000.0', '"per_atom": NaN'),
        lambda text: text.replace('"per_atom": 1000.0', '"per_atom": -1.0'),
        lambda text: text.replace('"per_atom": 1000.0', '"per_electron": 1.0'),
        lambda text: text.replace('"n_fitted": 32,', ""),
        lambda text: text.replace('"toy"', '"other"'),
    ],
    ids=["empty", "torn", "a list", "version", "nan", "negative", "unknown", "lacking", "foreign"],
)
def test_a_file_that_cannot_be_used_is_ignored_and_named(
    spoil: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    model = Wells(edges_per_cpu_batch=99)
    path = made_up(model).save()
    text = path.read_text()
    assert spoil(text) != text
    path.write_text(spoil(text))
    with caplog.at_level(logging.WARNING):
        assert Packer(model).budget == 99
    assert str(path) in caplog.text
    assert "umlip-bench calibrate" in caplog.text


# ---- what it is used for


def test_the_packer_takes_the_calibrated_batch() -> None:
    model = Wells(edges_per_cpu_batch=99)
    assert Packer(model).budget == 99
    made_up(model, edges_per_batch=700).save()
    packer = Packer(model)
    assert packer.budget == 700
    assert packer.peak == made_up(model).memory.scaled(model.peak_over_saved)


def test_predicted_time_is_that_of_the_calls() -> None:
    model = Wells()
    graphs = [model.prepare(chain(n)) for n in (2, 3, 4)]
    assert Packer(model).seconds(graphs) is None
    made_up(model, edges_per_batch=5).save()
    # Calls of 2 + 3 and of 4 atoms, an edge each.
    expected = 2 * 5e-3 + 9 * 1e-4 + 9 * 1e-5
    assert Packer(model).seconds(graphs) == pytest.approx(expected)


def test_results_do_not_depend_on_calibration(load_model: LoadModel) -> None:
    model = load_model(SMALL_MACE, dtype="float64")
    structures = [chain(n, symbol="Al") for n in (1, 2, 3, 4)]
    before = predict(model, structures)
    replace(made_up(model), edges_per_batch=1).save()
    assert Packer(model).budget == 1
    for a, b in zip(before, predict(model, structures), strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-9)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-9)


# ---- the command


@pytest.mark.usefixtures("_quick")
def test_the_command(
    small_mace: Path,
    load_model: LoadModel,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A call's seconds by a rule, since those of a clock are of no meaning on a machine with other work.
    def seconds(potential: Potential, batches: Sequence[Sequence[Graph]]) -> list[float]:
        return [1e-3 + 1e-6 * cost_of_call(batch).edges for batch in batches]

    monkeypatch.setattr(calibrator, "_fastest", seconds)
    command = ["calibrate", "--model", str(small_mace), "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    kept = some(calibration_of(load_model(SMALL_MACE)))
    assert found["memory"] == vars(kept.memory)
    assert found["n_held_out"] == 50
    assert kept.edges_per_batch in calibrator.BATCH_SIZES
    assert kept.duration.of_call(Cost(2000, 100_000, 0)) == pytest.approx(0.101, rel=1e-3)
    assert 0 < found["structures_per_s"]["100"] < found["structures_per_s"]["10"]

    monkeypatch.setattr(calibrator, "calibrate", lambda potential: kept)
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert f"batches on this CPU: {kept.edges_per_batch} edges" in printed
    assert f"kept in {kept.key.path}" in printed
    assert "cells of 100 atoms" in printed


def test_the_command_refuses_foreign_calculators(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--model", FOREIGN]) == 2
    assert "takes one structure at a time" in capsys.readouterr().err
