"""The public contract: what is wrong with a potential is found, by name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.lj import LennardJones
from ase.data import covalent_radii

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.testing import CHECKS, ContractError, check_potential
from umlip_bench.testing.__main__ import main
from umlip_bench.testing.structures import mixed, of_known

from .conftest import FOREIGN
from .support.potentials import Springs, toy_card


class Sound(Springs):
    """Springs that are cut off smoothly, of a family that knows few elements."""

    card = replace(toy_card("sound"), elements=("Cu", "Zr"))

    def __init__(self) -> None:
        super().__init__(natural_length=3.0, stiffness=0.4)
        self.cutoff = 4.5

    def prepare(self, atoms: Atoms) -> Graph:
        check_structure(atoms, self.card.elements)
        return super().prepare(atoms)

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        """E = ½ Σ (1 - r²/r_c²)³ over neighbours, which ends smoothly."""
        i, j = graph.edges
        vectors = graph.positions[j] + graph.images @ graph.cell - graph.positions[i]
        left = 1 - (vectors**2).sum(axis=1) / self.cutoff**2
        pulls = (-6 * left**2 / self.cutoff**2)[:, None] * vectors
        forces = np.zeros_like(graph.positions)
        np.add.at(forces, i, pulls)
        virial = 0.5 * pulls.T @ vectors / abs(np.linalg.det(graph.cell))
        return Prediction(0.5 * float((left**3).sum()), forces, virial if stress else None, None)


class WrongSign(Sound):
    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return replace(found, forces=-found.forces)


class WrongStress(Sound):
    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return replace(found, stress=None if found.stress is None else 1.01 * found.stress)


class BatchDependent(Sound):
    """As a model that normalises over all atoms of a call."""

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        found = super().evaluate(graphs, stress=stress)
        return [replace(each, energy=each.energy + 1e-6 * (len(found) - 1)) for each in found]


class Directed(Sound):
    """A field along z, which a rotation and a translation notice."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        field = np.zeros_like(found.forces)
        field[:, 2] = 1e-3
        return replace(
            found,
            energy=found.energy - 1e-3 * graph.positions[:, 2].sum(),
            forces=found.forces + field,
        )


class PerAtom(Sound):
    """An energy per atom instead of that of the cell, with forces to match."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found, n = super()._one(graph, stress), len(graph.numbers)
        return replace(
            found,
            energy=found.energy / n,
            forces=found.forces / n,
            stress=None if found.stress is None else found.stress / n,
        )


class Ghost(Sound):
    """Answers for an atom without neighbours as if something were there."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return found if graph.edges.size else replace(found, forces=found.forces + 1e-12)


class SinglePrecision(Sound):
    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return replace(found, forces=found.forces.astype(np.float32))


class EagerStress(Sound):
    def _one(self, graph: Graph, stress: bool) -> Prediction:
        return super()._one(graph, True)


class Lossy(Sound):
    """Loses the images of its neighbours on the way to another process."""

    def prepare(self, atoms: Atoms) -> Graph:
        return Forgetful(**vars(super().prepare(atoms)))


class Forgetful(Graph):
    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return Graph, (self.numbers, self.positions, self.cell, self.edges, 0 * self.images, 0)


class Wrapping(Sound):
    def prepare(self, atoms: Atoms) -> Graph:
        atoms.positions += 1.0
        return super().prepare(atoms)


class Tolerant(Sound):
    """Evaluates what is no crystal as if it were one."""

    def prepare(self, atoms: Atoms) -> Graph:
        crystal = atoms.copy()
        crystal.pbc = True
        return super().prepare(crystal)


class Raising(Sound):
    """Refuses by an error of its own."""

    def prepare(self, atoms: Atoms) -> Graph:
        if not np.isfinite(atoms.positions).all():
            raise ValueError("bad input")
        return super().prepare(atoms)


class Guessing(Sound):
    """Takes every element that it was not trained on for copper."""

    def prepare(self, atoms: Atoms) -> Graph:
        guessed = atoms.copy()
        guessed.symbols = ["Cu"] * len(atoms)
        return super().prepare(guessed)


class Drifting(Sound):
    """Not-a-number, as after an overflow, where there are many atoms."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return replace(found, energy=float("nan")) if len(graph.numbers) > 60 else found


class OtherThanItsLibrary(Sound):
    def reference_calculator(self) -> Calculator:
        return LennardJones()


@pytest.mark.seconds
def test_a_sound_potential_passes_and_says_what_it_measured() -> None:
    report = check_potential(Sound())
    report.require()
    assert report.passed
    assert [check.name for check in report.checks] == list(CHECKS)
    assert {c.name: c.not_run for c in report.checks if c.not_run} == {
        "reference calculator": "sound: the family toy names no reference"
    }
    derivatives = report.checks[1]
    assert [m.unit for m in derivatives.measurements] == 3 * ["eV/Å"] + 3 * ["eV/Å^3"]
    assert all(0 < m.deviation < m.tolerance for m in derivatives.measurements)
    assert str(report).splitlines()[-1] == "sound: 12 passed, 0 failed, 1 not run"


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("wrong", "names", "said"),
    [
        (WrongSign, {"derivatives"}, "forces against differences"),
        (WrongStress, {"derivatives"}, "stress against differences"),
        (BatchDependent, {"batches", "isolated atoms", "supercells"}, "one batch"),
        (Directed, {"sums", "symmetries", "one-atom cells", "isolated atoms"}, "net force"),
        (PerAtom, {"supercells", "one-atom cells"}, "energy, doubled"),
        (Ghost, {"isolated atoms"}, "forces on the atom"),
        (SinglePrecision, {"results"}, "float32"),
        (EagerStress, {"results"}, "nobody asked for"),
        (Lossy, {"graphs"}, "of a pickled graph"),
        (Wrapping, {"inputs"}, "was changed"),
        (Tolerant, {"refusals"}, "slab: not refused"),
        (Raising, {"refusals"}, "ValueError: bad input"),
        (Guessing, {"unknown elements"}, "unknown element: not refused"),
        (Drifting, {"batches"}, "nan > "),
        (OtherThanItsLibrary, {"reference calculator"}, "against the library"),
    ],
)
def test_what_is_wrong_is_found_by_name(wrong: type[Sound], names: set[str], said: str) -> None:
    report = check_potential(wrong())
    found = {check.name for check in report.failures}
    assert names <= found
    assert not report.passed
    assert said in "\n".join(map(str, report.failures))
    with pytest.raises(ContractError, match="does not hold the contract"):
        report.require()


@pytest.mark.seconds
def test_checks_that_need_double_precision_say_that_they_were_not_run() -> None:
    class Single(Sound):
        dtype = torch.float32

    report = check_potential(Single())
    not_run = {check.name for check in report.checks if check.not_run}
    assert {"derivatives", "symmetries"} < not_run
    report = check_potential(Single(), double=WrongSign(), only=["derivatives"])
    assert [check.name for check in report.failures] == ["derivatives"]
    with pytest.raises(UmlipBenchError, match=r"it must be in torch\.float64"):
        check_potential(Sound(), double=Single())


@pytest.mark.seconds
@pytest.mark.parametrize("elements", [("Cu", "Zr"), ("H",), ("Al", "O"), ("U",)])
def test_structures_are_made_of_elements_that_the_model_knows(elements: tuple[str, ...]) -> None:
    for atoms in mixed(20):
        made = of_known(atoms, elements)
        assert set(made.symbols) <= set(elements)
        radii = [covalent_radii[each.numbers].mean() for each in (made, atoms)]
        scale = 1.0 if made is atoms else radii[0] / radii[1]
        np.testing.assert_allclose(made.cell.array, scale * atoms.cell.array)
        np.testing.assert_allclose(made.positions, scale * atoms.positions, atol=1e-12)
        assert of_known(atoms, ()) is atoms


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([FOREIGN, "--only", "refusals", "--only", "derivatives"]) == 0
    printed = capsys.readouterr().out
    assert "passed   derivatives" in printed
    assert printed.endswith("LennardJones: 2 passed, 0 failed, 0 not run\n")
    assert main([FOREIGN, "--only", "refusal"]) == 2
    assert "no check is named 'refusal'; there are reference calculator," in capsys.readouterr().err
    assert main([str(tmp_path / "none.model")]) == 2
