"""What version 0.1 wrote: corrected models load and give what they gave, run folders are converted."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import umlip_bench
from umlip_bench import datasets
from umlip_bench.analysis.runs import read_run
from umlip_bench.cli import main
from umlip_bench.finetune.labelling.gpaw_label import digest_of, job_of, label_with_gpaw
from umlip_bench.finetune.labelling.settings import GpawSettings
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.potentials.loading import trust_written

from .conftest import LoadModel

OLD = Path(__file__).parent / "data" / "version_0_1"
VALUES = json.loads((OLD / "values.json").read_text())
BINNED = re.compile(r"(slope|inverse)_(energy|displacement)_(below|above|\d).*")
"""Slopes of states by energy and displacement."""
ADDED = {"share_soft", "bulk_modulus_scale_median_minus_fixed"}
"""Rows that version 0.1 did not have."""


@pytest.mark.model
@pytest.mark.parametrize("name", VALUES)
def test_corrected_models_give_what_they_gave(name: str, load_model: LoadModel) -> None:
    if name.startswith("m3gnet"):
        load_model("m3gnet-mp-2021.2.8")
    # MACE's files run code when they are read; this one is ours.
    trust_written(OLD / name)
    atoms = bulk("Si", a=5.47, cubic=True)
    atoms.positions[0] += [0.1, 0.05, -0.03]
    atoms.calc = umlip_bench.load(str(OLD / name), device="cpu", dtype="float64")
    assert atoms.get_potential_energy() == pytest.approx(VALUES[name]["energy"], rel=1e-9)
    np.testing.assert_allclose(atoms.get_forces()[0], VALUES[name]["forces"], atol=1e-9)


def test_a_run_folder_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFolderError, match=r"has schema 4.*`umlip-bench convert .* --out NEW`"):
        read_run(OLD / "run")
    assert main(["convert", str(OLD / "run"), "--out", str(tmp_path / "new")]) == 0
    assert "23 cases in" in capsys.readouterr().err
    run = read_run(tmp_path / "new")
    assert run.incomplete == ()
    stored = json.loads((OLD / "run" / "summary.json").read_text())["rows"]
    found = {(r.suite, r.variant, r.metric): r for r in run.rows}
    known = {(row["suite"], row["variant"], row["metric"]) for row in stored}
    added = {metric for *_, metric in set(found) - known}
    binned = {metric for metric in added if BINNED.fullmatch(metric)}
    assert binned
    assert added - binned == ADDED
    assert known <= set(found)
    for row in stored:
        again = found[row["suite"], row["variant"], row["metric"]]
        if row["value"] is not None:
            assert again.value == pytest.approx(row["value"], rel=1e-12)
        assert (again.n_cases, again.n_failed) == (row["n_cases"], row["n_failed"])
    assert main(["card", str(tmp_path / "new"), "--out", str(tmp_path / "card.md")]) == 0


def test_what_cannot_be_converted_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "new")]) == 2
    assert "no run.yaml that can be converted" in capsys.readouterr().err
    assert main(["convert", str(OLD / "run"), "--out", str(OLD / "run")]) == 2
    assert "is the old folder itself" in capsys.readouterr().err


def test_labels_of_an_old_work_folder_are_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost hours of DFT: results of version 0.1 lie in files named by their digests."""
    (tmp_path / "gpaw.py").write_text("__version__ = 'none'\n")  # nothing is to be computed
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    atoms = bulk("Cu", a=3.6)
    assert digest_of(job_of(atoms, GpawSettings())) == "e8cbb08ee0b8903d"
    work = tmp_path / "labels.xyz.work"
    work.mkdir()
    result = {
        "energy": -3.7,
        "free_energy": -3.71,
        "forces": [[0.0, 0.0, 0.125]],
        "stress": np.diag([0.1, 0.2, 0.3]).tolist(),
        "moment": None,
        "kpoints": "8 x 8 x 8",
        "gpaw": "25.7.0",
        "ase": "3.29.0",
    }
    (work / "e8cbb08ee0b8903d.json").write_text(json.dumps(result))
    done = label_with_gpaw([atoms], tmp_path / "labels.xyz")
    assert (done.n_known, done.n_computed, done.failed) == (1, 0, ())
    (frame,) = datasets.load(str(tmp_path / "labels.xyz")).frames
    assert (frame.energy, frame.forces.tolist()) == (-3.7, result["forces"])
    # A second time from the journal.
    assert label_with_gpaw([atoms], tmp_path / "labels.xyz").n_known == 1
