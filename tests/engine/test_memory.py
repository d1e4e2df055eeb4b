"""Memory of calls: what is measured, and that it is predicted for every family without calibration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from umlip_bench.engine import free_memory
from umlip_bench.engine.trial_batches import trial_batches, trial_structures
from umlip_bench.potentials.graph import Cost, Footprint, Graph, Linear, Prediction
from umlip_bench.potentials.memory import cost_of_call, fit_linear, saved_bytes
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing.structures import mixed

from ..conftest import SMALL_MACE, LoadModel
from ..support.potentials import Toy

FAMILIES = [
    "chgnet-0.3.0",
    "chgnet-0.2.0",
    "m3gnet-mp-2021.2.8",
    "m3gnet-matpes-pbe-2025.1",
    "tensornet-matpes-pbe-2025.1",
    SMALL_MACE,
]


def errors_on_real_structures(
    model: Potential, footprint: Linear, n_batches: int = 50
) -> np.ndarray:
    """Relative errors of mixed batches of structures that nothing was fitted to."""
    graphs = [model.prepare(atoms) for atoms in mixed(20, largest=10)]
    batches = trial_batches(graphs, n_batches, edges=(50, 800), seed=5)
    assert len({len(batch) for batch in batches}) > 2
    predicted = [footprint.of_call(cost_of_call(batch)) for batch in batches]
    taken = [saved_bytes(model, batch) for batch in batches]
    return np.abs(np.divide(predicted, taken) - 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_saved_memory_is_predicted_without_calibration(load_model: LoadModel, name: str) -> None:
    model = load_model(name)
    errors = errors_on_real_structures(model, model.footprint)
    # The goal is 0.1 and 0.3; it is linear, so that a small error is a term forgotten.
    assert np.median(errors) < 0.01
    assert errors.max() < 0.03


def test_double_precision_takes_twice_as_much(load_model: LoadModel) -> None:
    single, double = (load_model("chgnet-0.3.0", dtype=d) for d in ("float32", "float64"))
    graphs = [double.prepare(bulk("MgO", "rocksalt", a=4.21, cubic=True))]
    cost = cost_of_call(graphs)
    ratio = double.footprint.of_call(cost) / single.footprint.of_call(cost)
    assert ratio == pytest.approx(2.0, rel=0.01)
    assert double.footprint.of_call(cost) == pytest.approx(saved_bytes(double, graphs), rel=0.01)


def test_a_call_without_angles_takes_less(load_model: LoadModel) -> None:
    """CHGNet skips its angular layers then, with the matrices these make of their weights."""
    model = load_model("chgnet-0.3.0")
    thin = [model.prepare(Atoms("Na", cell=[4.0] * 3, pbc=True))]
    assert cost_of_call(thin).angles == 0 < cost_of_call(thin).edges
    assert model.footprint.of_call(cost_of_call(thin)) == pytest.approx(
        saved_bytes(model, thin), rel=0.01
    )
    dense = [model.prepare(Atoms("Na", cell=[2.9] * 3, pbc=True))]
    both = cost_of_call([*thin, *dense])
    assert model.footprint.of_call(both) == pytest.approx(
        saved_bytes(model, [*thin, *dense]), rel=0.01
    )


def test_predictions_add_up(load_model: LoadModel) -> None:
    model = load_model("chgnet-0.3.0")
    graphs = [model.prepare(atoms) for atoms in mixed(6, largest=10)]
    whole = model.footprint.of_call(cost_of_call(graphs))
    fixed = model.footprint.per_call + model.footprint.per_call_with_angles
    parts = [model.footprint.added_by(graph.cost) for graph in graphs]
    assert whole == pytest.approx(fixed + sum(parts), rel=1e-12)


class _Squares(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1000), requires_grad=False)


class _Saves(Toy):
    """What a potential is to `saved_bytes`, saving a known number of bytes."""

    def __init__(self) -> None:
        self.module = _Squares()

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        x = torch.ones(1000, requires_grad=True)
        y = x * self.module.weight  # saves the weight, which does not count
        z = y * y  # saves y, twice
        torch.autograd.grad((z**2).sum(), x)  # saves z
        return []


def test_memory_is_counted_once_and_without_the_model_itself() -> None:
    # y and z, 1000 numbers of 4 bytes each.
    assert saved_bytes(_Saves(), []) == 8000


def test_terms_are_found_again() -> None:
    rng = np.random.default_rng(0)
    costs = []
    for angles in rng.choice([0, 10, 500], size=30):
        atoms, edges = rng.integers(1, 1000, size=2)
        costs.append(Cost(int(atoms), int(edges), int(angles)))
    truth = Linear(5.0, 3.0, 0.2, per_call=1000.0, per_call_with_angles=70.0)
    found = Linear(**fit_linear(costs, [truth.of_call(cost) for cost in costs]))
    np.testing.assert_allclose(list(vars(found).values()), list(vars(truth).values()), rtol=1e-6)


def test_no_term_is_negative() -> None:
    costs = [Cost(n, 10 * n, 0) for n in (1, 2, 5, 10)]
    found = Linear(**fit_linear(costs, [100.0, 99.0, 98.0, 97.0]))
    assert min(vars(found).values()) >= 0


def test_a_scaled_footprint() -> None:
    footprint = Footprint(1.0, 2.0, 3.0, 4.0, 5.0)
    assert footprint.scaled(2.0) == Footprint(2.0, 4.0, 6.0, 8.0, 10.0)


# ---- made-up structures


def test_trial_structures_differ_in_size_density_and_composition_and_come_again() -> None:
    structures = trial_structures(["Al", "O", "Fe"], 60, seed=1)
    again = trial_structures(["Al", "O", "Fe"], 60, seed=1)
    assert all(a == b for a, b in zip(structures, again, strict=True))
    sizes = [len(atoms) for atoms in structures]
    assert min(sizes) == 1
    assert 50 < max(sizes) <= 100
    volumes = [atoms.get_volume() / len(atoms) for atoms in structures]
    assert max(volumes) > 4 * min(volumes)
    assert {s for atoms in structures for s in atoms.symbols} == {"Al", "O", "Fe"}


def test_batches_end_even_without_edges() -> None:
    lonely = Graph(
        numbers=np.array([1]),
        positions=np.zeros((1, 3)),
        cell=np.eye(3) * 50,
        edges=np.zeros((2, 0), dtype=int),
        images=np.zeros((0, 3), dtype=int),
        n_angles=0,
    )
    (batch,) = trial_batches([lonely], 1, edges=(5, 6), seed=0)
    assert 1 <= len(batch) <= 7


# ---- free memory


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GB available, to be given control groups."""
    monkeypatch.setattr(free_memory, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(free_memory, "_CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc", meminfo="MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n")
    write(tmp_path / "proc" / "self", cgroup="")
    return tmp_path


def free() -> float:
    return free_memory.free_memory(torch.device("cpu"))


def test_available_memory_of_the_system(system: Path) -> None:
    assert free() == 8e6 * 1024


def test_a_container_s_limit_counts(system: Path) -> None:
    write(system / "proc" / "self", cgroup="0::/job/step\n")
    write(
        system / "cgroup" / "job",
        memory__max="3000000000\n",
        memory__current="2000000000\n",
        memory__stat="anon 1500000000\ninactive_file 500000000\n",
    )
    write(
        system / "cgroup" / "job" / "step",
        memory__max="max\n",
        memory__current="2000000000\n",
        memory__stat="anon 1500000000\ninactive_file 500000000\n",
    )
    # Cached files give way: 3 - (2 - 0.5) GB.
    assert free() == 1.5e9


def test_older_control_groups_count(system: Path) -> None:
    write(system / "proc" / "self", cgroup="5:cpuset:/\n4:memory:/on/the/host\n")
    write(
        system / "cgroup" / "memory",
        memory__limit_in_bytes="1000000000",
        memory__usage_in_bytes="1200000000",
        memory__stat="cache 0\ntotal_inactive_file 0\n",
    )
    assert free() == 0.0


def test_a_system_that_tells_little(system: Path) -> None:
    (system / "proc" / "meminfo").unlink()
    (system / "proc" / "self" / "cgroup").unlink()
    assert free() > 0
