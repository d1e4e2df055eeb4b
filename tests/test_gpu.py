"""On a GPU: the same results as on the CPU, and memory that is predicted and respected.

Run with ``pytest -m gpu`` (or ``make test-gpu``).
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from umlip_bench.engine import Done, Relax, run_requests
from umlip_bench.engine.calibrator import calibrate
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.speed.cells import small_cells
from umlip_bench.engine.trial_batches import trial_batches
from umlip_bench.potentials.agreement import TOLERANCES, call_calculator, deviation
from umlip_bench.potentials.memory import cost_of_call, peak_bytes
from umlip_bench.testing.structures import mixed

from .conftest import SMALL_MACE, LoadModel

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

MODELS = ["chgnet-0.3.0", "m3gnet-mp-2021.2.8", "tensornet-matpes-pbe-2025.1", SMALL_MACE]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_gpu_agrees_with_cpu(load_model: LoadModel, name: str, dtype: str) -> None:
    structures = mixed(64)
    gpu, cpu = (load_model(name, dtype=dtype, device=device) for device in ("cuda", "cpu"))
    for a, b in zip(predict(gpu, structures), predict(cpu, structures), strict=True):
        assert deviation(a, b).within(TOLERANCES[cpu.dtype])


@pytest.mark.parametrize("name", MODELS)
def test_gpu_agrees_with_the_library(load_model: LoadModel, name: str) -> None:
    model = load_model(name, device="cuda")
    calculator = model.reference_calculator()
    structures = mixed(8, largest=40)
    for atoms, ours in zip(structures, predict(model, structures), strict=True):
        assert deviation(call_calculator(calculator, atoms), ours).within(TOLERANCES[model.dtype])


@pytest.mark.parametrize("name", MODELS)
def test_calls_stay_within_the_memory_budget(
    load_model: LoadModel, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))  # not calibrated
    model = load_model(name, device="cuda")
    graphs = [model.prepare(atoms) for atoms in mixed(200)]
    packer = Packer(model)
    packer.budget = min(packer.budget, 2e9)
    for members in packer.partition(graphs):
        call = [graphs[k] for k in members]
        peak_bytes(model, call)  # work space that stays is allocated the first time
        assert peak_bytes(model, call) < 1.1 * packer.peak.of_call(cost_of_call(call))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_calibrated_memory_is_what_calls_take(
    load_model: LoadModel, name: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path))
    model = load_model(name, dtype=dtype, device="cuda")
    found = calibrate(model)
    assert found.edges_per_batch is None
    assert found.n_held_out == 50
    assert found.memory_errors.median < 0.10
    assert found.memory_errors.worst < 0.30

    found.save()
    packer = Packer(model)
    assert packer.peak == found.memory
    graphs = [model.prepare(atoms) for atoms in mixed(60)]
    errors = []
    for call in trial_batches(graphs, 50, edges=(2000, 100_000), seed=7):
        taken = peak_bytes(model, call)
        errors.append(abs(packer.peak.of_call(cost_of_call(call)) / taken - 1))
    assert np.median(errors) < 0.10
    assert max(errors) < 0.30


def test_running_out_of_memory_halves_and_gives_the_same(load_model: LoadModel) -> None:
    """Torch itself is kept from using more than a part of the memory."""
    model = load_model("chgnet-0.3.0", device="cuda")
    structures = mixed(200)
    expected = predict(model, structures)
    graphs = [model.prepare(atoms) for atoms in structures]
    packer = Packer(model)
    total = torch.cuda.get_device_properties(model.device).total_memory
    allowed = torch.cuda.memory_allocated() + 0.6 * peak_bytes(model, graphs)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        found = packer.evaluate(graphs)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        model.memory_limit = float("inf")
    assert packer.budget < sum(map(packer.weight, graphs))
    for a, b in zip(found, expected, strict=True):
        assert deviation(a, b).within(TOLERANCES[model.dtype])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("workers", [0, 4])
def test_relaxations_end_where_they_do_on_the_cpu(
    load_model: LoadModel, name: str, workers: int
) -> None:
    requests = [
        Relax(atoms, cell=k % 2 == 0) for k, atoms in enumerate(small_cells(32, largest=12))
    ]
    ends = {}
    for device in ("cuda", "cpu"):
        model = load_model(name, dtype="float64", device=device)
        on_gpu = {"workers": workers} if device == "cuda" else {}
        for outcome in run_requests(model, requests, **on_gpu):
            assert isinstance(outcome, Done), outcome
            ends[device, outcome.key] = outcome.result
    for k in range(len(requests)):
        gpu, cpu = ends["cuda", k], ends["cpu", k]
        assert gpu.steps == cpu.steps
        assert gpu.energy == pytest.approx(cpu.energy, abs=1e-6)
        assert abs(gpu.atoms.positions - cpu.atoms.positions).max() < 1e-6
