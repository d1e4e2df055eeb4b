"""The same frames from every kind of file."""

import os
from collections.abc import Sequence
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.datasets import extxyz
from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.errors import DataError

FRAMES = datasets.load("pbe-mini").frames[:6]


def same(found: tuple[Frame, ...], expected: Sequence[Frame] = FRAMES) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.system == b.system
        assert a.energy == pytest.approx(b.energy, abs=1e-9)
        np.testing.assert_allclose(a.forces, b.forces, atol=1e-8)
        np.testing.assert_allclose(some(a.stress), some(b.stress), atol=1e-12)
        np.testing.assert_allclose(a.atoms.positions, b.atoms.positions, atol=1e-8)
        np.testing.assert_array_equal(a.atoms.numbers, b.atoms.numbers)


def with_results(frame: Frame) -> Atoms:
    atoms = frame.atoms.copy()
    results = {"energy": frame.energy, "forces": frame.forces}
    stress = some(frame.stress)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    atoms.calc = SinglePointCalculator(atoms, stress=stress, **results)
    return atoms


def database(path: Path) -> None:
    with ase.db.connect(path) as connection:
        for frame in FRAMES:
            connection.write(with_results(frame), system=frame.system)


def test_extended_xyz_there_and_back(tmp_path: Path) -> None:
    assert extxyz.write_frames(tmp_path / "out.xyz", FRAMES) == len(FRAMES)
    same(datasets.load(str(tmp_path / "out.xyz")).frames)


def test_ase_database(tmp_path: Path) -> None:
    database(tmp_path / "mine.db")
    same(datasets.load(str(tmp_path / "mine.db")).frames)


def test_folder_of_files_in_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    extxyz.write_frames(tmp_path / "a.xyz", FRAMES[:2])
    extxyz.write_frames(tmp_path / "b" / "c.xyz", FRAMES[2:])
    (tmp_path / "notes.txt").write_text("not data")
    found = datasets.load(str(tmp_path))
    same(found.frames)
    assert [frame.index for frame in found.frames] == list(range(6))
    before = found.sha256
    extxyz.write_frames(tmp_path / "b" / "c.xyz", FRAMES[2:-1])
    assert datasets.load(str(tmp_path)).sha256 != before


@pytest.mark.seconds
def test_vasp_output() -> None:
    """166 ionic steps of a published calculation, of which the first ended at NELM."""
    root = os.environ.get("UMLIP_BENCH_DATA", "")
    path = Path(root, "atomate2-approxneb", "hop_3+1_image_2", "vasprun.xml.gz")
    if not root or not path.exists():
        pytest.skip("set UMLIP_BENCH_DATA or run `umlip-bench data fetch atomate2-approxneb`")
    dataset = datasets.load(str(path))
    frames = dataset.frames
    assert len(frames) == 165
    assert frames[0].index == 1
    assert dataset.manifest.level_of_theory.functional == "PBE"
    out, procedure = dataset.manifest.caveats
    assert "ionic step 0: not self-consistent: 100 electronic steps of at most 100" in out
    assert "165 labels are steps of a relaxation" in procedure
    assert frames[-1].energy == pytest.approx(-1195.07656158, abs=1e-6)
    assert len(frames[-1].atoms) == 161
    assert np.abs(frames[-1].forces).max() == pytest.approx(0.33, abs=0.01)


def test_unlabelled_database_row(tmp_path: Path) -> None:
    with ase.db.connect(tmp_path / "bare.db") as connection:
        connection.write(FRAMES[0].atoms)
    with pytest.raises(DataError, match=r"row 1: it has no energy"):
        datasets.load(str(tmp_path / "bare.db"))


def test_broken_vasp_output(tmp_path: Path) -> None:
    (tmp_path / "vasprun.xml").write_text("<modeling><generator>")
    with pytest.raises(DataError, match="not readable as a finished calculation"):
        datasets.load(str(tmp_path / "vasprun.xml"))
