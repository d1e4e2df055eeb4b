"""Published sets: read back as they were, with what was checked."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets.published_schema import FIELDS

STATED = (
    "--functional",
    "PBE",
    "--settings",
    "by hand",
    "--licence",
    "CC0",
    "--citation",
    "nobody",
)


def labelled(n: int, seed: int = 0, element: str = "Cu", size: float = 0.1) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk(element, cubic=True)
        atoms.positions += rng.normal(0.0, size, atoms.positions.shape)
        atoms.calc = EMT()
        atoms.info = {"system": element, "REF_energy": atoms.get_potential_energy()}
        atoms.info["REF_stress"] = atoms.get_stress(voigt=False)
        atoms.arrays["REF_forces"] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    return frames


def publish(data: Path | str, out: Path, *more: str) -> int:
    return main(["data", "publish", str(data), "--out", str(out), *more])


def test_the_embedded_set_reads_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish("pbe-mini", tmp_path / "set") == 0
    assert "8 of phonons" in capsys.readouterr().out
    before, after = datasets.load("pbe-mini"), datasets.load(str(tmp_path / "set"))
    assert [frame.system for frame in before.frames] == [frame.system for frame in after.frames]
    for one, other in zip(before.frames, after.frames, strict=True):
        assert other.energy == one.energy
        np.testing.assert_allclose(other.forces, one.forces, rtol=0, atol=1e-8)
        assert one.stress is not None
        assert other.stress is not None
        np.testing.assert_allclose(other.stress, one.stress, rtol=0, atol=1e-12)
        np.testing.assert_allclose(other.atoms.positions, one.atoms.positions, rtol=0, atol=1e-8)
    counts = {task: len(before.of_task(task)) for task in before.tasks if task != "phonons"}
    assert counts == {task: len(after.of_task(task)) for task in after.tasks}
    assert after.manifest.level_of_theory == before.manifest.level_of_theory
    assert after.manifest.licence == before.manifest.licence
    assert set(before.manifest.caveats) <= set(after.manifest.caveats)


def test_schema_names_every_field(tmp_path: Path) -> None:
    assert publish("pbe-mini", tmp_path / "set") == 0
    known = {field[0] for field in FIELDS}
    written: set[str] = set()
    for atoms in ase.io.read(tmp_path / "set" / "pbe-mini.xyz", ":", format="extxyz"):
        written |= {*atoms.info, *atoms.arrays} - {"numbers", "positions", "decoration"}
        if atoms.calc is not None:
            pytest.fail("labels under names that ASE takes for its own")
    assert written <= known
    schema = json.loads((tmp_path / "set" / "schema.json").read_text())
    assert {field["name"] for field in schema["fields"]} == known
    head = (tmp_path / "set" / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(head)["license"] == "BSD-3-Clause"


def test_the_card_in_the_documentation_is_the_one(tmp_path: Path) -> None:
    assert publish("pbe-mini", tmp_path / "set") == 0
    kept = Path(__file__).parents[2] / "docs" / "results" / "pbe-mini.md"
    assert (tmp_path / "set" / "README.md").read_text() == kept.read_text()


def test_repeated_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = labelled(4)
    other = frames[1].copy()
    other.info["REF_energy"] += 1.0
    ase.io.write(tmp_path / "mine.xyz", [*frames, frames[0], other])
    assert publish(tmp_path / "mine.xyz", tmp_path / "set", *STATED) == 0
    assert "1 taken out, 1 with other labels stay" in capsys.readouterr().out
    back = datasets.load(str(tmp_path / "set"))
    assert len(back.frames) == 5
    assert "other labels" in " ".join(back.manifest.caveats)
    card = (tmp_path / "set" / "README.md").read_text()
    assert "Not checked: no training set was named" in card


def test_leakage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A frame that is in training but for cell and volume, others of its formula, and others."""
    frames = labelled(3) + labelled(2, element="Al")
    ase.io.write(tmp_path / "mine.xyz", frames)
    training = tmp_path / "training"
    training.mkdir()
    seen = frames[1].repeat((1, 2, 1))
    seen.set_cell(1.01 * seen.cell.array, scale_atoms=True)
    seen.rotate(20, "z", rotate_cell=True)
    ase.io.write(training / "mp-30.cif", seen)
    ase.io.write(training / "far.xyz", labelled(5, seed=9))
    (training / "notes.md").write_text("nothing")
    assert (
        publish(tmp_path / "mine.xyz", tmp_path / "set", *STATED, "--against", str(training)) == 0
    )
    assert "in training: 1 of 5 structures" in capsys.readouterr().out
    (found,) = json.loads((tmp_path / "set" / "checks.json").read_text())["leakage"]
    assert found["n_read"] == 6
    assert found["n_refused"] == 1
    copper = next(each for each in found["materials"] if each["formula"] == "Cu")
    assert (copper["n"], copper["n_seen"], copper["n_volume"], copper["n_same"]) == (3, 6, 3, 1)
    assert copper["example"].startswith("mp-30.cif")
    aluminium = next(each for each in found["materials"] if each["formula"] == "Al")
    assert aluminium["n_seen"] == 0
    card = (tmp_path / "set" / "README.md").read_text()
    assert "1 of 5 structures are in it" in card
    assert str(tmp_path) not in card


def test_identifiers(tmp_path: Path) -> None:
    frames = labelled(2)
    for frame in frames:
        frame.info["system"] = "mp-30"
    ase.io.write(tmp_path / "mine.xyz", frames)
    far = labelled(1, seed=5)[0]
    far.info["system"] = "Cu of mp-30"
    ase.io.write(tmp_path / "seen.xyz", far)
    against = str(tmp_path / "seen.xyz")
    assert publish(tmp_path / "mine.xyz", tmp_path / "set", *STATED, "--against", against) == 0
    (found,) = json.loads((tmp_path / "set" / "checks.json").read_text())["leakage"]
    assert found["materials"][0]["identifiers"] == ["mp-30"]


def test_a_set_is_in_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert publish("debye-mini", tmp_path / "set", "--against", "debye-mini") == 0
    n = len(datasets.load("debye-mini").frames)
    assert f"in debye-mini: {n} of {n} structures" in capsys.readouterr().out


def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ase.io.write(tmp_path / "mine.xyz", labelled(2))
    out = tmp_path / "set"

    def said(*more: str) -> str:
        assert publish(tmp_path / "mine.xyz", out, *more) == 2
        return capsys.readouterr().err

    assert "does not say its functional" in said()
    assert "does not say its licence" in said("--functional", "PBE")
    assert "no such file, folder or data set" in said(*STATED, "--against", "nowhere")
    (tmp_path / "text.md").write_text("nothing")
    assert "nothing can be said of it" in said(*STATED, "--against", str(tmp_path / "text.md"))
    assert "100 letters, digits" in said(*STATED, "--id", "../mine")
    assert not out.exists()
    assert publish(tmp_path / "mine.xyz", out, *STATED) == 0
    assert "exists; give another --out" in said(*STATED, "--title", "another")
    assert "another" not in (out / "README.md").read_text()
    assert publish(tmp_path / "mine.xyz", out, *STATED, "--title", "another", "--force") == 0
    assert "another" in (out / "README.md").read_text()


def test_a_set_that_was_not_written_to_its_end_is_finished(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "mine.xyz", labelled(2))
    out = tmp_path / "set"
    assert publish(tmp_path / "mine.xyz", out, *STATED) == 0
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    assert len(whole) == 5
    for name in whole:
        (out / name).unlink()
        assert publish(tmp_path / "mine.xyz", out, *STATED) == 0
        assert {path.name: path.read_bytes() for path in out.iterdir()} == whole
