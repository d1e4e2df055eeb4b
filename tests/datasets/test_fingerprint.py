"""Fingerprints: what they do not see, what they do, and how far displacements take a crystal."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from umlip_bench import datasets
from umlip_bench.datasets.cases import PhononCase
from umlip_bench.datasets.fingerprint import SAME_BELOW, distances, fingerprint


def apart(one: Atoms, other: Atoms) -> float:
    return float(distances([fingerprint(one)], [fingerprint(other)])[0, 0])


def rattled(atoms: Atoms, size: float) -> Atoms:
    out = atoms.copy()
    out.positions += np.random.default_rng(0).normal(0.0, size, out.positions.shape)
    return out


def test_what_it_does_not_see() -> None:
    crystal = rattled(bulk("SiC", "zincblende", a=4.38, cubic=True), 0.1)
    moved = crystal.copy()
    moved.translate([0.3, 1.1, -2.0])
    turned = crystal.copy()
    turned.rotate(33.0, (1, 2, 3), rotate_cell=True)
    order = np.random.default_rng(1).permutation(len(crystal))
    larger = crystal.copy()
    larger.set_cell(1.04 * larger.cell.array, scale_atoms=True)
    for same in (moved, turned, crystal[order], crystal.repeat((2, 1, 1)), larger):
        assert apart(crystal, same) < 1e-6


def test_what_it_sees() -> None:
    crystal = bulk("SiC", "zincblende", a=4.38, cubic=True)
    exchanged = crystal.copy()
    exchanged.numbers[[0, 1]] = exchanged.numbers[[1, 0]]
    assert apart(crystal, bulk("SiC", "wurtzite", a=3.09)) > SAME_BELOW
    assert apart(crystal, exchanged) > SAME_BELOW
    assert apart(crystal, bulk("SiC", "rocksalt", a=4.0)) > 0.5


def test_displacements() -> None:
    """As the module says; and a rattle of the size of the threshold is on its edge."""
    crystals = [
        case.unitcell.repeat(2)
        for case in datasets.load("pbe-mini").cases
        if isinstance(case, PhononCase)
    ]
    medians = {
        size: float(np.median([apart(crystal, rattled(crystal, size)) for crystal in crystals]))
        for size in (0.01, 0.025, 0.03, 0.1)
    }
    assert medians[0.01] == pytest.approx(0.01, abs=0.005)
    assert medians[0.025] == pytest.approx(SAME_BELOW, abs=0.015)
    assert medians[0.03] == pytest.approx(0.08, abs=0.02)
    assert medians[0.1] == pytest.approx(0.5, abs=0.1)


def test_nothing_near() -> None:
    alone = Atoms("He", cell=[20, 20, 20], pbc=True)
    # Scaled to 15 Å³ an atom it has neighbours; nothing else has those of another element.
    assert apart(alone, bulk("Si")) > 1.0
    assert distances([], [fingerprint(alone)]).shape == (0, 1)
