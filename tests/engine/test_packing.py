import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from umlip_bench.engine import packing
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import DeviceError, StructureError
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.memory import memory_ran_out
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing.structures import mixed

from ..conftest import SMALL_MACE, LoadModel
from ..support.narrowing import some
from ..support.potentials import Wells
from ..support.structures import chain


def graphs_of(model: Potential, sizes: Iterable[int]) -> list[Graph]:
    return [model.prepare(chain(n)) for n in sizes]


@pytest.mark.parametrize("budget", [1, 2, 5, 12, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_partition_covers_all_in_order_within_the_budget(budget: int, seed: int) -> None:
    sizes = random.Random(seed).choices(range(1, 9), k=40)
    model = Wells(edges_per_cpu_batch=budget)
    calls = list(Packer(model).partition(graphs_of(model, sizes)))
    assert [k for call in calls for k in call] == list(range(40))
    for call in calls:
        assert len(call) == 1 or sum(sizes[k] for k in call) <= budget
    # None is closed before it is full.
    for call, following in pairwise(calls):
        assert sum(sizes[k] for k in [*call, following[0]]) > budget


def test_partition_of_nothing() -> None:
    assert list(Packer(Wells()).partition([])) == []
    assert predict(Wells(), []) == []


def test_structures_without_edges_do_not_fill_a_call_without_end() -> None:
    model = Wells(edges_per_cpu_batch=10)
    graph = model.prepare(chain(1))
    lonely = type(graph)(**{**vars(graph), "edges": graph.edges[:, :0], "images": graph.images[:0]})
    assert max(map(len, Packer(model).partition([lonely] * 100))) <= 10


@pytest.mark.parametrize("budget", [1, 4, 10**6])
def test_predict_does_not_depend_on_the_budget(budget: int) -> None:
    structures = [chain(n, 0.1 * n) for n in (3, 1, 4, 1, 5)]
    found = predict(Wells(budget), structures)
    assert [p.energy for p in found] == [predict(Wells(), a)[0].energy for a in structures]
    assert [len(p.forces) for p in found] == [3, 1, 4, 1, 5]


def test_predict_refuses_before_it_computes() -> None:
    model = Wells(1)
    with pytest.raises(StructureError):
        predict(model, [chain(1), chain(2, float("nan"))])
    assert model.calls == []


def test_out_of_memory_halves_the_call_and_gives_the_same() -> None:
    structures = [chain(n, 0.1 * n) for n in (2, 3, 1, 2, 4, 1, 2, 3)]
    model = Wells(capacity=5)
    found = predict(model, structures)
    assert [p.energy for p in found] == [predict(Wells(), a)[0].energy for a in structures]


def test_halves_of_a_real_model_s_call_are_the_whole(
    load_model: LoadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(SMALL_MACE, dtype="float64")
    structures = mixed(10, largest=10)
    whole = predict(model, structures)
    evaluate = model.evaluate

    def evaluate_few(graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        if sum(len(graph.numbers) for graph in graphs) > 12:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
        return evaluate(graphs, stress=stress)

    monkeypatch.setattr(model, "evaluate", evaluate_few)
    monkeypatch.setattr(model, "memory_limit", float("inf"))  # and back at the end
    packer = Packer(model)
    halved = packer.evaluate([model.prepare(atoms) for atoms in structures])
    assert packer.budget < model.edges_per_cpu_batch
    for a, b in zip(whole, halved, strict=True):
        assert a.energy == pytest.approx(b.energy, abs=1e-9)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-9)
        np.testing.assert_allclose(some(a.stress), some(b.stress), atol=1e-11)


def test_the_halved_budget_is_remembered() -> None:
    model = Wells(capacity=10)
    packer = Packer(model)
    graphs = graphs_of(model, [2] * 20)
    for call in packer.partition(graphs):
        packer.evaluate([graphs[k] for k in call])
    assert packer.budget <= 10

    model.calls.clear()
    for call in packer.partition(graphs):
        packer.evaluate([graphs[k] for k in call])
    assert sum(model.calls) == 20, "it ran out of memory again"


def test_the_budget_is_not_halved_where_memory_suffices() -> None:
    model = Wells(capacity=40)
    packer = Packer(model)
    before = packer.budget
    packer.evaluate(graphs_of(model, [2] * 20))
    assert packer.budget == before


class Large(Wells):
    """1 GB for each atom and each edge."""

    footprint = Footprint(per_atom=1e9, per_edge=1e9, per_angle=0.0)
    peak_over_saved = 1.5


def test_a_single_structure_too_large_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "free_memory", lambda device: 50e9)
    model = Large()
    with pytest.raises(DeviceError) as caught:
        predict(model, [chain(1), chain(64), chain(1)])
    message = str(caught.value)
    assert "64 atoms and 64 edges" in message
    assert "needs about 192.0 GB" in message
    assert "50.0 GB are free" in message
    assert "--dtype float32" in message
    # The system would have ended the process.
    assert model.calls == [1]


def test_a_structure_too_large_for_the_device_alone_is_refused_after_the_attempt() -> None:
    model = Wells(capacity=10)
    with pytest.raises(DeviceError, match="64 atoms and 64 edges does not fit") as caught:
        predict(model, [chain(1), chain(64), chain(1)])
    cause = caught.value.__cause__
    assert isinstance(cause, torch.cuda.OutOfMemoryError)
    # Frames of the failed call would keep its tensors in memory as long as the error lives.
    assert cause.__traceback__ is None


def test_a_call_that_would_not_fit_is_halved_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "free_memory", lambda device: 8e9)
    model = Large()
    found = predict(model, [chain(1, 0.1 * k) for k in range(9)])
    assert [p.energy for p in found] == [
        predict(Wells(), chain(1, 0.1 * k))[0].energy for k in range(9)
    ]
    # 3 GB each.
    assert max(model.calls) == 2


def test_what_was_learned_lasts_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Wells(capacity=10)
    structures = [chain(2)] * 20
    predict(model, structures)
    model.calls.clear()
    predict(model, structures)
    assert sum(model.calls) == 20, "it ran out of memory again"
    assert Packer(Wells(capacity=10)).budget > Packer(model).budget


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:115] DefaultCPUAllocator: can't allocate memory"
            ),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_how_libraries_say_that_memory_ran_out(error: Exception, expected: bool) -> None:
    assert memory_ran_out(error) is expected


def test_a_cpu_that_refuses_memory_is_understood() -> None:
    size = 2**62
    with pytest.raises(RuntimeError) as caught:
        torch.empty(size, dtype=torch.uint8)
    assert memory_ran_out(caught.value)


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    class Broken(Wells):
        def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
            self.calls.append(len(graphs))
            raise RuntimeError("shapes do not match")

    model = Broken()
    with pytest.raises(RuntimeError, match="shapes"):
        predict(model, [chain(1), chain(1)])
    assert model.calls == [2]


@pytest.mark.gpu
def test_on_a_gpu_the_budget_is_bytes_of_free_memory() -> None:
    class OnGpu(Wells):
        device = torch.device("cuda")

    model = OnGpu()
    packer = Packer(model)
    free, _ = torch.cuda.mem_get_info()
    assert 0 < packer.budget < free
    (graph,) = graphs_of(model, [3])
    assert packer.weight(graph) == model.peak_over_saved * model.footprint.added_by(graph.cost)
