"""Against numbers that are counted by hand here."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.narrowing import as_a, each_as_a
from umlip_bench import datasets
from umlip_bench.datasets.cases import FramesCase, ReferenceCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.overview import (
    ENERGY,
    FORCE,
    DatasetOverview,
    Distribution,
    overview,
    quantities,
    structures,
)


@pytest.fixture(scope="module")
def mini() -> Dataset:
    return datasets.load("pbe-mini")


def distribution(found: DatasetOverview, task: str, quantity: tuple[str, str]) -> Distribution:
    (one,) = (d for d in found.distributions if (d.task, d.quantity) == (task, quantity[0]))
    return one


def test_forces_and_energies_of_frames(mini: Dataset) -> None:
    forces = distribution(overview(mini.cases), "high-energy", FORCE)
    lengths = np.concatenate([np.linalg.norm(f.forces, axis=1) for f in mini.frames])
    assert forces.n == len(lengths) == sum(len(f.atoms) for f in mini.frames)
    np.testing.assert_allclose(forces.quantiles[[0, 2, 4]], np.quantile(lengths, [0, 0.5, 1]))
    assert forces.histogram.sum() == forces.n

    silicon = [c for c in mini.of_task("high-energy") if c.name == "Si"]
    (case,) = each_as_a(FramesCase, silicon)
    energies = distribution(overview(silicon), "high-energy", ENERGY)
    per_atom = [f.energy / len(f.atoms) for f in case.frames]
    assert energies.quantiles[0] == 0.0
    assert energies.quantiles[4] == pytest.approx(max(per_atom) - min(per_atom))


def test_energies_of_different_compositions_are_not_mixed(mini: Dataset) -> None:
    # Totals of Mg and of TiO2 differ by 26 eV/atom: nothing of that may show.
    energies = distribution(overview(mini.of_task("high-energy")), "high-energy", ENERGY)
    assert energies.quantiles[4] < 1.0


def test_counts(mini: Dataset) -> None:
    cases = each_as_a(FramesCase, mini.of_task("high-energy"))
    cases[0] = replace(cases[0], unusable="a reason")
    found = overview(cases)
    assert found.usable == {"high-energy": len(cases) - 1}
    assert found.unusable == {"high-energy": 1}
    frames = [f for case in cases[1:] for f in case.frames]
    assert found.n_structures == len(frames) == sum(found.compositions.values())
    assert found.elements["O"] == sum("O" in f.atoms.symbols for f in frames)


def test_every_kind_of_case_is_known() -> None:
    for kind in ReferenceCase.__subclasses__():
        assert structures.dispatch(kind) is not structures.dispatch(object)
        assert quantities.dispatch(kind) is not quantities.dispatch(object)


def test_energies_that_the_source_lacks(mini: Dataset) -> None:
    (found,) = (c for c in mini.of_task("high-energy") if c.name == "Si")
    case = as_a(FramesCase, found)
    frames = tuple(replace(frame, energy=float("nan")) for frame in case.frames)
    seen = overview([replace(case, frames=frames)])
    assert ENERGY[0] not in {d.quantity for d in seen.distributions}
    assert FORCE[0] in {d.quantity for d in seen.distributions}
