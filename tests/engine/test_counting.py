"""Counts of what calls ask of a device: closed forms, and bounds for the models."""

import pytest
import torch
from ase.build import bulk
from torch import Tensor

from tests.conftest import LoadModel
from tests.support.potentials import toy_card
from umlip_bench.cli import PROGRAM
from umlip_bench.engine.speed.counting import Counts, count_call, count_model
from umlip_bench.potentials.adapters.collate import Concatenation
from umlip_bench.potentials.adapters.neighbors import pair_graph
from umlip_bench.potentials.graph import Batch, Energies, Graph
from umlip_bench.potentials.protocol import DifferentiablePotential


class Products(DifferentiablePotential):
    """Its energy is a matrix product of what is no function of positions, and their sum."""

    device, dtype = torch.device("cpu"), torch.float32
    card = toy_card("products")

    def __init__(self, waits: int = 0) -> None:
        self.waits = waits

    def prepare(self, atoms: object) -> Graph:
        return pair_graph(atoms, 3.0)

    def collate(self, graphs: object) -> Batch:
        return Concatenation(graphs, self.device, self.dtype).batch()  # type: ignore[arg-type]

    def energies(self, batch: Batch) -> Energies:
        weights = torch.ones(3, 5)
        for _ in range(self.waits):
            weights.sum().item()
        sites: Tensor = (batch.positions @ weights).sum(1)
        return Energies(sites.sum().double()[None])


def counts(potential: DifferentiablePotential) -> Counts:
    return count_call(potential, [potential.prepare(bulk("Si").repeat(2))])


def by_name(counted: Counts, name: str) -> tuple[int, int]:
    (found,) = [o for o in counted.operations if o.name == name]
    return found.kernels, found.bytes


def test_counts_of_a_product_are_those_of_its_formula() -> None:
    """16 atoms: 16 x 3 times 3 x 5, and back 16 x 5 times 5 x 3."""
    found = counts(Products())
    assert (found.atoms, found.structures) == (16, 1)
    assert found.matrix_flops == 2 * (2 * 16 * 3 * 5)
    # Read and written forward; back, the gradient of a sum is one number, spread without being written.
    forward, backward = 4 * (16 * 3 + 3 * 5 + 16 * 5), 4 * (1 + 5 * 3 + 16 * 3)
    assert by_name(found, "mm") == (2, forward + backward)
    assert found.waits == 0


def test_waiting_of_the_host_is_seen() -> None:
    assert counts(Products(waits=3)).waits == 3


BOUNDS = {
    # model: kernels of 8 small cells, bytes per atom of the cell of 64
    "chgnet-0.3.0": (716, 9.01e6),
    "m3gnet-mp-2021.2.8": (731, 5.44e6),
    "tensornet-matpes-pbe-2025.1": (543, 11.22e6),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_models_ask_no_more_of_a_device_than_they_did(load_model: LoadModel, name: str) -> None:
    """Deterministic, so that bounds are what was counted when they were last set."""
    small, large = count_model(load_model(name)).values()
    kernels, per_atom = BOUNDS[name]
    assert small.kernels <= kernels
    assert large.bytes / large.atoms <= per_atom
    assert small.waits == large.waits == 0
    assert small.results == large.results == 1
    # Twice the same.
    assert count_model(load_model(name))["8 of 2 to 40 atoms"] == small


@pytest.mark.model
def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert PROGRAM.main(["count", "--model", "chgnet-0.3.0", "--operations"]) == 0
    printed = capsys.readouterr().out
    assert "kernels" in printed
    assert "index_select" in printed


def test_a_model_that_does_not_run_on_torch_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert PROGRAM.main(["count", "--model", "ase:ase.calculators.emt:EMT"]) == 2
    assert "does not run on torch in this process" in capsys.readouterr().err
