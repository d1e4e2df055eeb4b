"""What surfaces, defects and solid solutions need of crystals."""

import numpy as np
from ase.build import bulk

from umlip_bench.benchmarks.slabs import primitive


def test_a_primitive_cell_is_found_once_and_given_to_each_for_itself() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    crystal.rotate(30.0, "z", rotate_cell=True)
    first = primitive(crystal)
    assert len(first) == 2
    assert np.isclose(first.get_volume(), crystal.get_volume() / 4)
    # In the crystal's own orientation: each of its vectors is a vector of the crystal's lattice, halved.
    halves = 2 * first.cell.array @ np.linalg.inv(crystal.cell.array)
    assert np.allclose(halves, np.round(halves), atol=1e-9)
    kept = first.copy()
    first.positions += 1.0
    first.set_cell(np.eye(3))
    first.numbers[:] = 1
    again = primitive(crystal)
    assert np.array_equal(again.numbers, kept.numbers)
    assert np.array_equal(again.positions, kept.positions)
    assert np.array_equal(again.cell.array, kept.cell.array)
