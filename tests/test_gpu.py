"""On a GPU: the same results as on the CPU, and memory that is predicted and respected.

Run with ``pytest -m gpu`` (or ``make test-gpu``).
"""

import pytest
import torch

from umlip_bench.engine.packing import Packer
from umlip_bench.potentials.agreement import TOLERANCES, deviation
from umlip_bench.speed import call_calculator

from .conftest import SMALL_MACE
from .potentials.structures import mixed

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

MODELS = ["chgnet-0.3.0", "m3gnet-mp-2021.2.8", "tensornet-matpes-pbe-2025.1", SMALL_MACE]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_gpu_agrees_with_cpu(load_model, name, dtype):
    structures = mixed(64)
    gpu, cpu = (load_model(name, dtype=dtype, device=device) for device in ("cuda", "cpu"))
    for a, b in zip(gpu.predict(structures), cpu.predict(structures), strict=True):
        assert deviation(a, b).within(TOLERANCES[cpu.dtype])


@pytest.mark.parametrize("name", MODELS)
def test_gpu_agrees_with_the_library(load_model, name):
    model = load_model(name, device="cuda")
    calculator = model.reference_calculator()
    structures = mixed(8, largest=40)
    for atoms, ours in zip(structures, model.predict(structures), strict=True):
        assert deviation(call_calculator(calculator, atoms), ours).within(TOLERANCES[model.dtype])


@pytest.mark.parametrize("name", MODELS)
def test_calls_stay_within_the_memory_budget(load_model, name):
    model = load_model(name, device="cuda")
    graphs = [model.prepare(atoms) for atoms in mixed(200)]
    packer = Packer(model)
    packer.budget = min(packer.budget, 2e9)
    for members in packer.partition(graphs):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        packer.evaluate([graphs[k] for k in members])
        assert torch.cuda.max_memory_allocated() - before < 2 * 1.7 * packer.budget
