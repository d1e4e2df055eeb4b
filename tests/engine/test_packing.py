import random
from itertools import pairwise

import pytest
import torch

from umlip_bench.engine.packing import Packer
from umlip_bench.errors import DeviceError, StructureError

from .toy import Wells, chain


def graphs_of(model, sizes):
    return [model.prepare(chain(n)) for n in sizes]


@pytest.mark.parametrize("budget", [1, 2, 5, 12, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_partition_covers_all_in_order_within_the_budget(budget, seed):
    sizes = random.Random(seed).choices(range(1, 9), k=40)
    model = Wells(edges_per_cpu_batch=budget)
    calls = list(Packer(model).partition(graphs_of(model, sizes)))
    assert [k for call in calls for k in call] == list(range(40))
    for call in calls:
        assert len(call) == 1 or sum(sizes[k] for k in call) <= budget
    # None is closed before it is full.
    for call, following in pairwise(calls):
        assert sum(sizes[k] for k in [*call, following[0]]) > budget


def test_partition_of_nothing():
    assert list(Packer(Wells()).partition([])) == []
    assert Wells().predict([]) == []


def test_structures_without_edges_do_not_fill_a_call_without_end():
    model = Wells(edges_per_cpu_batch=10)
    graph = model.prepare(chain(1))
    lonely = type(graph)(**{**vars(graph), "edges": graph.edges[:, :0], "images": graph.images[:0]})
    assert max(map(len, Packer(model).partition([lonely] * 100))) <= 10


@pytest.mark.parametrize("budget", [1, 4, 10**6])
def test_predict_does_not_depend_on_the_budget(budget):
    structures = [chain(n, 0.1 * n) for n in (3, 1, 4, 1, 5)]
    found = Wells(budget).predict(structures)
    assert [p.energy for p in found] == [Wells().predict(a)[0].energy for a in structures]
    assert [len(p.forces) for p in found] == [3, 1, 4, 1, 5]


def test_predict_refuses_before_it_computes():
    model = Wells(1)
    with pytest.raises(StructureError):
        model.predict([chain(1), chain(2, float("nan"))])
    assert model.calls == []


def test_out_of_memory_halves_the_call_and_gives_the_same():
    structures = [chain(n, 0.1 * n) for n in (2, 3, 1, 2, 4, 1, 2, 3)]
    model = Wells(capacity=5)
    found = model.predict(structures)
    assert [p.energy for p in found] == [Wells().predict(a)[0].energy for a in structures]


def test_the_halved_budget_is_remembered():
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


def test_the_budget_is_not_halved_where_memory_suffices():
    model = Wells(capacity=40)
    packer = Packer(model)
    before = packer.budget
    packer.evaluate(graphs_of(model, [2] * 20))
    assert packer.budget == before


def test_a_single_structure_too_large_says_what_it_needs():
    model = Wells(capacity=10)
    with pytest.raises(DeviceError) as caught:
        model.predict([chain(1), chain(64), chain(1)])
    message = str(caught.value)
    assert "64 atoms" in message
    # 1 GB for each atom and each edge, and what autograd needs beside what it saves.
    need = float(message.split("about ")[1].split(" GB")[0])
    assert 128 <= need <= 384
    assert "--device cpu" in message


def test_other_errors_are_not_taken_for_lack_of_memory():
    class Broken(Wells):
        def evaluate(self, graphs, *, stress=True):
            self.calls.append(len(graphs))
            raise RuntimeError("shapes do not match")

    model = Broken()
    with pytest.raises(RuntimeError, match="shapes"):
        model.predict([chain(1), chain(1)])
    assert model.calls == [2]


@pytest.mark.gpu
def test_on_a_gpu_the_budget_is_bytes_of_free_memory():
    class OnGpu(Wells):
        device = torch.device("cuda")

    model = OnGpu()
    packer = Packer(model)
    free, _ = torch.cuda.mem_get_info()
    assert 0 < packer.budget < free
    (graph,) = graphs_of(model, [3])
    assert packer.weight(graph) == model.footprint.bytes(graph.cost)
