import hashlib
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.formula import Formula

from umlip_bench import datasets
from umlip_bench.datasets import embedded
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.ground.errors import DataError

FOLDER = files("umlip_bench.datasets") / "pbe_mini"


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return datasets.load("pbe-mini")


def test_the_counts_are_those_of_the_readme(dataset: Dataset) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([\w, ]+) \| (\d+) \|$", readme, flags=re.MULTILINE)
    expected = {name: int(count) for names, count in table for name in names.split(", ")}
    found = {name: len(frames) for name, frames in dataset.by_system().items()}
    assert found == expected
    assert len(found) == 15
    assert len(dataset.frames) == sum(expected.values()) == 75


def test_every_frame_is_usable(dataset: Dataset) -> None:
    for frame in dataset.frames:
        assert Formula(frame.system).count() == Formula(frame.composition).count()
        assert frame.atoms.pbc.all()
        assert 4 <= len(frame.atoms) <= 20
        assert frame.stress is not None
        np.testing.assert_allclose(frame.stress, frame.stress.T, atol=1e-3)
        # No net force on the cell: the labels are of this geometry.
        assert np.abs(frame.forces.sum(axis=0)).max() < 0.05 * len(frame.atoms)


def test_the_states_are_far_from_equilibrium(dataset: Dataset) -> None:
    largest = [np.linalg.norm(frame.forces, axis=1).max() for frame in dataset.frames]
    assert np.median(largest) > 0.5


def test_the_level_of_theory_is_stated(dataset: Dataset) -> None:
    manifest = dataset.manifest
    assert manifest.id == "pbe-mini"
    assert manifest.level_of_theory.functional == "PBE"
    assert any("CHGNet" in caveat for caveat in manifest.caveats)
    for text in (manifest.title, manifest.settings, manifest.licence, manifest.citation):
        assert text


@pytest.mark.parametrize("file", ["pbe_mini.xyz", "eos.xyz"])
def test_a_corrupted_copy_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, file: str
) -> None:
    shutil.copytree(Path(str(FOLDER)), tmp_path / "pbe_mini")
    monkeypatch.setattr(embedded, "files", lambda package: tmp_path)
    assert datasets.load("pbe-mini").sha256 == dataset.sha256

    data = tmp_path / "pbe_mini" / file
    content = bytearray(data.read_bytes())
    position = content.index(b"REF_energy=") + len(b"REF_energy=-")
    content[position] = ord("1") if content[position] != ord("1") else ord("2")
    data.write_bytes(content)
    with pytest.raises(DataError, match=f"{re.escape(file)} of pbe-mini has sha256 .*reinstall"):
        datasets.load("pbe-mini")


def test_the_hash_is_that_of_all_files(dataset: Dataset) -> None:
    """As ``sha256sum`` of the files, piped into ``sha256sum``, gives it."""
    names = list(yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))["files"])
    lines = [
        f"{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    ]
    assert dataset.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert len(names) == 8
