"""Models that torch compiles: the same numbers for calls of all sizes, by one graph, or not at all."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from torch._dynamo.utils import counters

import umlip_bench
from tests.conftest import LoadModel
from tests.support.potentials import toy_card
from umlip_bench.cli import main
from umlip_bench.cli.declare import Compiles
from umlip_bench.engine.speed.cells import small_cells
from umlip_bench.engine.speed.compiled_counting import count_compiled
from umlip_bench.engine.speed.counting import count_model
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.potentials import compiled
from umlip_bench.potentials.adapters.collate import Concatenation
from umlip_bench.potentials.adapters.neighbors import pair_graph
from umlip_bench.potentials.agreement import Deviation, deviation
from umlip_bench.potentials.compile_mode import VARIABLE, Compile, wanted
from umlip_bench.potentials.compiled import Compilation
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.graph import Batch, Energies, Graph
from umlip_bench.potentials.kernels.library import kernels_off
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.potentials.weights import Origin, Weights

CUTOFF = 4.0
EMT = "ase:ase.calculators.emt:EMT"


class Springs(DifferentiablePotential):
    """Neighbours repel each other by k (1 - r/rc)³, and an atom alone has the energy -1 eV."""

    device, dtype = torch.device("cpu"), torch.float32
    card = toy_card("springs")
    compiles = True

    def __init__(self, k: float = 1.0, known: Sequence[str] = ("Si", "Cu", "Ar")) -> None:
        self.k = torch.tensor(k)
        self.known = known

    def prepare(self, atoms: Atoms) -> Graph:
        if not set(atoms.symbols) <= set(self.known):
            raise StructureError(f"knows {self.known}")
        return pair_graph(atoms, CUTOFF)

    def collate(self, graphs: Sequence[Graph]) -> Batch:
        return Concatenation(graphs, self.device, self.dtype).batch()

    def energies(self, batch: Batch) -> Energies:
        positions, offsets = batch.strained()
        vectors = positions[batch.edges[1]] + offsets - positions[batch.edges[0]]
        pairs = self.k * (1 - vectors.norm(dim=1) / CUTOFF).clamp(min=0.0) ** 3
        energy = torch.zeros(batch.n_structures).index_add(0, batch.structure_of_edge, pairs)
        alone = torch.zeros(batch.n_structures).index_add(
            0, batch.structure_of_atom, -torch.ones(len(batch.numbers))
        )
        return Energies((energy + alone).double())


class OtherIfCompiled(Springs):
    def energies(self, batch: Batch) -> Energies:
        found = super().energies(batch)
        return Energies(found.energy + 1.0) if torch.compiler.is_compiling() else found


CALLS = (
    [bulk("Si", cubic=True), bulk("Cu").repeat(2), bulk("Si")],
    [bulk("Cu")],
    [Atoms("Ar", cell=[9.0] * 3, pbc=True)],
    [Atoms("Ar", cell=[9.0] * 3, pbc=True), bulk("Cu")],
    [bulk("Cu", cubic=True).repeat(3)],
    [bulk("Si").repeat(k) for k in (1, 2, 1, 1, 2, 3)],
)


def rattled(structures: Sequence[Atoms]) -> list[Atoms]:
    found = [atoms.copy() for atoms in structures]
    for k, atoms in enumerate(found):
        atoms.rattle(0.05, seed=k)
    return found


def off(mine: Potential, other: Potential, atoms: Sequence[Atoms], *, stress: bool) -> Deviation:
    """Largest deviations over the structures of one call."""
    graphs = [mine.prepare(each) for each in rattled(atoms)]
    a, b = mine.evaluate(graphs, stress=stress), other.evaluate(graphs, stress=stress)
    assert len(a) == len(b) == len(atoms)
    assert all((each.stress is not None) == stress for each in a)
    found = [deviation(x, y) for x, y in zip(a, b, strict=True)]
    return Deviation(
        *(max(getattr(d, name) for d in found) for name in ("energy", "forces", "stress"))
    )


@pytest.mark.seconds
def test_one_graph_gives_the_same_for_calls_of_every_size() -> None:
    potential, plain = Springs(), Springs()
    potential.use_compiled("always")
    before = counters["stats"]["unique_graphs"]
    for structures in CALLS:
        for stress in (True, False):
            found = off(potential, plain, structures, stress=stress)
            assert found.within(Deviation(1e-6, 1e-6, 1e-7)), (structures, found)
    assert counters["stats"]["unique_graphs"] == before + 1

    # A copy with other weights is another model.
    stiffer = copy.deepcopy(potential)
    stiffer.k = torch.tensor(2.0)
    found = off(stiffer, Springs(2.0), CALLS[0], stress=True)
    assert found.within(Deviation(1e-6, 1e-6, 1e-7)), found


@pytest.mark.seconds
def test_what_would_change_is_not_compiled(caplog: pytest.LogCaptureFixture) -> None:
    potential = OtherIfCompiled()
    potential.use_compiled("always")
    assert off(potential, Springs(), CALLS[0], stress=True) == Deviation(0.0, 0.0, 0.0)
    assert "springs is not compiled: its energies would change by 1.0e+00" in caplog.text


def test_without_a_crystal_to_try_it_on_it_is_not_compiled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    potential = Springs(known=("Cu", "Ar"))
    potential.use_compiled("always")
    assert off(potential, Springs(), CALLS[1], stress=True) == Deviation(0.0, 0.0, 0.0)
    assert "it knows no silicon" in caplog.text


def test_auto_waits_until_as_much_again_would_pay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As long as compiling is said to take, over the share that it saves."""
    monkeypatch.setattr(compiled, "FIRST_SECONDS", 10.0)
    caplog.set_level(logging.INFO)
    potential = Springs(known=("Cu", "Ar"))  # which then is told to be not compiled
    potential.card = replace(potential.card, n_parameters=12345)  # nobody has compiled such a model
    compilation = Compilation(potential, "auto")
    graphs = [potential.prepare(bulk("Cu"))]
    compilation.took(10.0 / compiled.GAIN - 1e-6)
    assert not compilation.ready(graphs).compiled
    assert not caplog.text
    compilation.took(1e-3)
    compilation.ready(graphs)
    assert "is not compiled" in caplog.text


def test_what_the_variable_may_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert wanted() == "never"
    monkeypatch.setenv(VARIABLE, "Auto")
    assert wanted() == "auto"
    monkeypatch.setenv(VARIABLE, "on")
    with pytest.raises(UmlipBenchError, match="'on'; it may be never, auto, always"):
        wanted()


def test_a_typo_is_found_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ("yes", True, 1):
        with pytest.raises(UmlipBenchError, match=r"compile is .*; it may be never, auto, always"):
            umlip_bench.potential(EMT, compile=wrong)  # type: ignore[arg-type]
    monkeypatch.setenv(VARIABLE, "yes")
    with pytest.raises(UmlipBenchError, match=f"{VARIABLE} is 'yes'"):
        umlip_bench.potential(EMT)
    run = ["run", "eos", "--model", EMT, "--mode", "quick", "--jobs", "2"]
    assert main([*run, "--out", str(tmp_path / "run")]) == 2
    assert "it may be never, auto, always" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_option_stands_above_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "always")
    Compiles(compile=None).use_compiled()
    assert wanted() == "always"
    Compiles(compile="never").use_compiled()
    assert wanted() == "never"


@pytest.mark.parametrize("mode", ["always", "auto"])
def test_without_a_cache_it_is_not_compiled(
    mode: Compile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("UMLIP_BENCH_CACHE", "/proc/nowhere")
    monkeypatch.delenv(compiled.TORCHS_FOLDER, raising=False)
    monkeypatch.setattr(compiled, "FIRST_SECONDS", 0.0)

    class Anew(Springs):  # of which nothing is compiled in this process either
        def energies(self, batch: Batch) -> Energies:
            return super().energies(batch)

    potential = Anew()
    potential.use_compiled(mode)
    for _ in range(3):
        assert off(potential, Springs(), CALLS[0], stress=True) == Deviation(0.0, 0.0, 0.0)
    assert caplog.text.count("springs is not compiled") == 1


def test_copies_keep_the_mode_and_compile_for_themselves(load_model: LoadModel) -> None:
    potential = Springs()
    potential.use_compiled("always")
    twin = copy.deepcopy(potential)
    assert twin._compilation_of_this()._mode == "always"
    assert twin._compilation_of_this() is not potential._compilation_of_this()
    chgnet = load_model("chgnet-0.3.0")
    before = chgnet.evaluate([chgnet.prepare(bulk("Si"))])[0]
    again = pickle.loads(pickle.dumps(chgnet))
    assert again.evaluate([again.prepare(bulk("Si"))])[0].energy == before.energy


@pytest.mark.seconds
def test_a_corrected_model_is_compiled_as_its_parent_is() -> None:
    parent = Springs()
    card = replace(parent.card, name="springs-mine")
    own = scaled(Weights(card, (), Origin.GIVEN, "0"), parent, ScalarCorrection(1.5))
    own.use_compiled("always")
    for structures in CALLS[:2]:
        found = off(
            own, scaled(own.weights, Springs(), ScalarCorrection(1.5)), structures, stress=True
        )
        assert found.within(Deviation(1e-6, 1e-6, 1e-7)), found


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["chgnet-0.3.0", "m3gnet-mp-2021.2.8", "tensornet-matpes-pbe-2025.1"]
)
def test_trained_models(name: str, dtype: str, load_model: LoadModel) -> None:
    plain = load_model(name, dtype)
    potential = copy.copy(plain)
    allowed = Deviation(5e-6, 5e-5, 1e-6) if dtype == "float32" else Deviation(1e-10, 1e-10, 1e-11)
    with kernels_off():
        potential.use_compiled("always")
        for structures in (small_cells(6), [bulk("Cu")], [bulk("Si").repeat(3)]):
            found = off(potential, plain, structures, stress=True)
            assert found.within(allowed), found
        assert isinstance(potential, DifferentiablePotential)
        assert potential._compilation_of_this().ready([potential.prepare(bulk("Si"))]).compiled


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bytes_left"),
    [("chgnet-0.3.0", 0.35), ("m3gnet-mp-2021.2.8", 0.55), ("tensornet-matpes-pbe-2025.1", 0.35)],
)
def test_kernels_and_bytes_that_compiling_saves(
    name: str, bytes_left: float, load_model: LoadModel
) -> None:
    plain = count_model(load_model(name, "float32"))
    for cells, counts in count_compiled(copy.copy(load_model(name, "float32"))).items():
        assert counts.kernels <= 0.55 * plain[cells].kernels
        assert counts.bytes <= bytes_left * plain[cells].bytes
        assert np.isclose(counts.matrix_flops, plain[cells].matrix_flops)
