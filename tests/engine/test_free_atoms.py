"""Atoms that no neighbour holds are named and refused, by whatever would measure a solid of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111

import umlip_bench
from tests.conftest import LoadModel
from tests.support.potentials import Springs
from umlip_bench import predict
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.eos.measure import EosMeasurement
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.suite import Case, StructureRequest
from umlip_bench.cli import main
from umlip_bench.engine import Done, Failed, Relax, run_requests, run_tasks
from umlip_bench.engine.dynamics import Langevin
from umlip_bench.engine.requests import Static
from umlip_bench.ground.birch_murnaghan import Equilibrium

EMT = "ase:ase.calculators.emt:EMT"


def far_adatom() -> Any:
    slab = fcc111("Cu", (2, 2, 2), vacuum=9.0, periodic=True)
    add_adsorbate(slab, "Ni", height=9.0, position="fcc")
    return slab


def layers() -> Atoms:
    """A crystal of one sheet: held within, free as a whole, so that nothing is to be refused."""
    return Atoms("Cu", cell=[2.5, 2.5, 20.0], pbc=True)


FREE = {
    "fcc": (bulk("Cu", "fcc", a=14.0), "atom 0 (Cu)", "9.90 Å"),
    "conventional": (bulk("Au", "fcc", a=16.0, cubic=True), "atom 0 (Au), 1 (Au)", "11.31 Å"),
    "simple cubic": (Atoms("Ni", cell=[9.0] * 3, pbc=True), "atom 0 (Ni)", "9.00 Å"),
    "rocksalt": (bulk("NiCu", "rocksalt", a=19.0), "atom 0 (Ni), 1 (Cu)", "9.50 Å"),
    "one of many": (far_adatom(), "atom 8 (Ni)", "5.11 Å"),
}
SUITES = ("eos", "elastic", "phonons", "surfaces")


@pytest.mark.parametrize("name", FREE)
def test_the_atoms_are_named(name: Any) -> None:
    atoms, named, distance = FREE[name]
    potential = _emt()
    for request in (Static(atoms, held=True), Relax(atoms, held=True)):
        (outcome,) = run_requests(potential, [request])
        assert isinstance(outcome, Failed)
        assert f"nothing holds {named}" in str(outcome.error)
        assert distance in str(outcome.error) or isinstance(request, Relax)


def _emt() -> Any:
    return umlip_bench.potential(EMT, dtype="float64")


@pytest.mark.seconds
@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Cu"),
        bulk("Cu", cubic=True),
        bulk("Cu") * (3, 3, 3),
        Atoms("Cu", cell=[2.4, 2.4, 30.0], pbc=True),
        Atoms("Cu", cell=[2.4, 30.0, 30.0], pbc=True),
        Atoms("Cu2", [[0, 0, 0], [0, 0, 2.4]], cell=[20.0] * 3, pbc=True),
        Atoms("Cu2", [[0, 0, 0], [0, 0, 15.0]], cell=[2.5, 2.5, 30.0], pbc=True),
    ],
    ids=["primitive", "cubic", "supercell", "sheet", "chain", "dimer", "two sheets"],
)
def test_atoms_with_neighbours_pass(atoms: Any) -> None:
    """Whether the neighbour is another atom or an image of itself, and at forces of zero by symmetry."""
    (outcome,) = run_requests(_emt(), [Static(atoms, held=True)])
    assert isinstance(outcome, Done)
    (prediction,) = predict(_emt(), atoms)
    np.testing.assert_array_equal(outcome.result.forces, prediction.forces)


def test_a_gas_may_be_asked_about_and_simulated() -> None:
    gas = Atoms("CuNi", [[0, 0, 0], [0, 0, 10.0]], cell=[20.0] * 3, pbc=True)
    (outcome,) = run_requests(_emt(), [Static(gas)])
    assert isinstance(outcome, Done)
    assert predict(_emt(), gas)[0].energy == outcome.result.energy
    moving = Langevin(gas, temperature=300.0, steps=3, every=1, discard=0, seed=1)
    (simulated,) = run_requests(_emt(), [moving])
    assert isinstance(simulated, Done)


@pytest.mark.seconds
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("name", ["fcc", "simple cubic", "rocksalt"])
def test_suites_refuse_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], suite: Any, name: str
) -> None:
    atoms, _, _ = FREE[name]
    ase.io.write(tmp_path / "x.cif", atoms)
    out = tmp_path / "run"
    command = ["run", suite, "--structure", str(tmp_path / "x.cif"), "--model", EMT]
    main([*command, "--device", "cpu", "--out", str(out)])
    for line in (out / "cases.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["status"] == "failed"
        assert "nothing holds atom" in record["reason"]
    assert "nothing holds atom" in capsys.readouterr().err


def test_relax_refuses_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ase.io.write(tmp_path / "x.cif", bulk("Cu", "fcc", a=14.0))
    out = tmp_path / "o.xyz"
    command = ["relax", str(tmp_path / "x.cif"), "--model", EMT, "--device", "cpu"]
    assert main([*command, "--cell", "--out", str(out)]) != 0
    assert "nothing holds atom 0 (Cu)" in capsys.readouterr().err
    assert not out.exists() or not out.read_text()


class Leaves(Springs):
    """Springs under tension that pulls the cell apart once it is free to relax."""

    def _one(self, graph: Any, stress: Any) -> Any:
        found = super()._one(graph, stress)
        # Until they no longer reach.
        pull = -0.3 * np.eye(3) * bool(len(graph.edges[0])) if stress else None
        return replace(found, stress=pull)


@pytest.mark.seconds
@pytest.mark.parametrize("symbol", ["Fe", "Cs", "Al"])
@pytest.mark.parametrize("suite", ["phonons", "eos"])
def test_one_geometry_stands_where_the_relaxed_one_falls_apart(suite: str, symbol: str) -> None:
    """A simple cubic crystal is held where it is; its cell grows until the springs no longer reach."""
    atoms = Atoms(symbol, cell=[3.2] * 3, pbc=True)
    cases: dict[str, Case] = {
        "phonons": PhononMeasurement("x", atoms, 2 * np.eye(3, dtype=int), np.eye(3)),
        "eos": EosMeasurement("x", atoms, Equilibrium(atoms.get_volume() * 0.8, 0.5, 4.0)),
    }
    of = load_suite(suite)
    (outcome,) = run_tasks(Leaves(3.2, 3.0), [("x", of.measure(cases[suite]))])
    assert isinstance(outcome, Done), outcome
    result = outcome.result
    assert result.fixed is not None
    assert result.relaxed is None
    said = result.not_relaxed if suite == "phonons" else result.note
    assert f"nothing holds atom 0 ({symbol})" in said


@pytest.mark.parametrize("symbol", ["Cs", "Ba", "Xe"])
@pytest.mark.parametrize("suite", ["eos", "elastic"])
def test_beyond_the_cutoff_of_m3gnet(load_model: LoadModel, suite: str, symbol: str) -> None:
    """The model's cutoff is 5 Å; neighbours in caesium are 5.3 Å apart, in the others at this volume too."""
    atoms = bulk(symbol, "bcc", a=6.15)
    of = load_suite(suite)
    (case,) = of.structure_cases(StructureRequest(atoms, "x", 1, None))
    (outcome,) = run_tasks(load_model("m3gnet-mp-2021.2.8"), [("x", of.measure(case))])
    assert isinstance(outcome, Failed)
    assert f"nothing holds atom 0 ({symbol})" in str(outcome.error)
