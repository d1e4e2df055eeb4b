"""Labels computed on this machine: with GPAW where there is one, and what holds for any worker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from tests.support.narrowing import some
from umlip_bench import datasets, finetune
from umlip_bench.cli.finetune import main
from umlip_bench.finetune.labelling.gpaw_label import WORKER, Labelled, digest_of, job_of
from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.lock import Lock

GPAW_VARIABLE = "UMLIP_BENCH_GPAW_PYTHON"
TINY = finetune.GpawSettings(cutoff=250.0, kpoint_density=0.7, smearing=0.2)

STAND_IN = '''
"""Takes GPAW's place: forces of effective medium theory, and a note of every calculation."""
import os, time
from ase.calculators.emt import EMT

__version__ = "0.0"


def PW(cutoff):
    assert cutoff == 800.0
    return cutoff


def FermiDirac(width):
    return width


class GPAW(EMT):
    def __init__(self, mode, xc, kpts, occupations, convergence, maxiter, txt):
        assert xc == "PBE" and kpts["gamma"]
        super().__init__()

    def calculate(self, atoms, properties, changes):
        with open(os.environ["STAND_IN_LOG"], "a") as log:
            log.write(f"{len(atoms)}\\n")
        time.sleep(float(os.environ.get("STAND_IN_SECONDS", "0")))
        if len(atoms) == 3:
            raise ArithmeticError("Did not\\nconverge!")
        super().calculate(atoms, properties, changes)
'''


def copper(n: int) -> Atoms:
    atoms = bulk("Cu") * (n, 1, 1)
    atoms.rattle(0.1, seed=n)
    atoms.info = {"system": f"Cu{n}", "frame": n}
    return atoms


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A module in GPAW's place for the real worker, and the log of its calculations."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "gpaw.py").write_text(STAND_IN)
    log = tmp_path / "calculations.txt"
    log.touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setenv("STAND_IN_LOG", str(log))
    return lambda: log.read_text().split()


@pytest.mark.seconds
def test_labels_are_in_order_and_computed_once(
    tmp_path: Path, stand_in: Callable[[], list[str]]
) -> None:
    out = tmp_path / "labels.xyz"
    frames = [copper(4), copper(2), copper(4)]
    seen: list[Labelled] = []
    done = finetune.label_with_gpaw(frames, out, workers=2, progress=seen.append)
    assert (done.n_labels, done.n_computed, done.n_known, done.failed) == (3, 2, 1, ())
    assert [state.n_labels for state in seen] in ([0, 1, 3], [0, 2, 3], [0, 3])  # as they end
    assert sorted(stand_in()) == ["2", "4"]
    for frame, label in zip(frames, datasets.load(str(out)).frames, strict=True):
        frame.calc = EMT()
        assert label.system == frame.info["system"]
        assert label.energy == pytest.approx(frame.get_potential_energy(), abs=1e-6)
        np.testing.assert_allclose(label.forces, frame.get_forces(), atol=1e-6)
        np.testing.assert_allclose(some(label.stress), frame.get_stress(voigt=False), atol=1e-8)
    assert datasets.load(str(out)).manifest.level_of_theory.functional == "PBE"
    first = ase.io.read(out, 0)
    assert (first.info["frame"], first.info["code"]) == (4, "gpaw 0.0")
    assert first.info["kpoints"] == " x ".join(map(str, gpaw_label_mesh(frames[0])))

    again = finetune.label_with_gpaw([*frames, copper(1)], out)
    assert (again.n_computed, again.n_known) == (1, 3)
    assert sorted(stand_in()) == ["1", "2", "4"]


def gpaw_label_mesh(atoms: Atoms) -> tuple[int, int, int]:
    from umlip_bench.finetune.labelling.settings import mesh

    return mesh(atoms, 2.0)


@pytest.mark.seconds
def test_a_frame_that_fails_is_named_and_the_others_go_on(
    tmp_path: Path, stand_in: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ase.io.write(tmp_path / "frames.xyz", [copper(1), copper(3), copper(2)])
    command = ["label", "--engine", "gpaw", tmp_path / "frames.xyz", "--out", tmp_path / "out.xyz"]
    assert main([str(word) for word in command]) == 0
    said = capsys.readouterr().err
    assert "failed: frame 1: Cu3 (Cu3): ArithmeticError: Did not converge!; log: " in said
    assert "2 of 3 frames in " in said
    assert "metals need more k-points" in said
    assert [len(a) for a in ase.io.read(tmp_path / "out.xyz", ":")] == [1, 2]
    assert main([str(word) for word in command]) == 0  # only the failed one is tried again
    assert sorted(stand_in()) == ["1", "2", "3", "3"]


def with_nan(atoms: Atoms) -> None:
    atoms.positions[0, 0] = np.nan


def twice(atoms: Atoms) -> None:
    atoms.positions[1] = atoms.positions[0] + [0, 0, 1e-4]


def without_cell(atoms: Atoms) -> None:
    atoms.cell, atoms.pbc = None, False


def open_at_the_top(atoms: Atoms) -> None:
    atoms.pbc = [True, True, False]


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (with_nan, "finite"),
        (twice, "nearer than any bond"),
        (without_cell, "no cell"),
        (open_at_the_top, "TTF"),
    ],
)
def test_a_bad_frame_is_left_out_and_the_others_are_labelled(
    tmp_path: Path,
    stand_in: Callable[[], list[str]],
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[..., Any],
    word: str,
) -> None:
    frames = [copper(4), copper(2), copper(3), copper(5)]
    spoil(frames[1])
    ase.io.write(tmp_path / "frames.xyz", frames, format="extxyz")
    command = [
        "label",
        "--engine",
        "gpaw",
        str(tmp_path / "frames.xyz"),
        "--out",
        str(tmp_path / "labels.xyz"),
    ]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert "left out: " in said
    assert "structure 1: " in said
    assert word in said
    assert "failed: frame 2: " in said
    assert "2 of 4 frames" in said
    assert "1 failed, 1 left out" in said
    assert len(datasets.load(str(tmp_path / "labels.xyz")).frames) == 2
    assert sorted(stand_in()) == ["3", "4", "5"]


def test_bad_frames_alone_are_refused(
    tmp_path: Path, stand_in: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [copper(4), copper(2)]
    for atoms in frames:
        twice(atoms)
    ase.io.write(tmp_path / "frames.xyz", frames, format="extxyz")
    assert (
        main(
            [
                "label",
                "--engine",
                "gpaw",
                str(tmp_path / "frames.xyz"),
                "--out",
                str(tmp_path / "l.xyz"),
            ]
        )
        == 2
    )
    assert capsys.readouterr().err.count("nearer than any bond") == 2
    assert not (tmp_path / "l.xyz").exists()


@pytest.mark.seconds
def test_a_killed_run_goes_on_and_leaves_no_worker_behind(
    tmp_path: Path, stand_in: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_SECONDS", "1")
    frames, out = tmp_path / "frames.xyz", tmp_path / "out.xyz"
    ase.io.write(frames, [copper(1), copper(2)])
    code = "import sys; from umlip_bench.cli.finetune import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "label", "--engine", "gpaw"]
    command += [str(frames), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: stand_in() == ["1", "2"])
        process.send_signal(signal.SIGKILL)
    work = out.with_name("out.xyz.work")
    time.sleep(1.2)  # more than the second frame would have needed
    (journal,) = work.glob("*.jsonl")
    assert len(journal.read_text().splitlines()) == 1
    assert len(ase.io.read(out, ":")) == 1
    monkeypatch.setenv("STAND_IN_SECONDS", "0")
    done = finetune.label_with_gpaw(ase.io.read(frames, ":"), out)
    assert (done.n_computed, done.n_known) == (1, 1)
    assert stand_in() == ["1", "2", "2"]
    assert [len(a) for a in ase.io.read(out, ":")] == [1, 2]


def wait_until(holds: Callable[[], bool], seconds: int = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_other_settings_or_geometry_are_another_result() -> None:
    job = job_of(copper(2), finetune.GpawSettings())
    assert digest_of(job) == digest_of(job_of(copper(2), finetune.GpawSettings(max_iterations=99)))
    others = [
        job_of(copper(2), finetune.GpawSettings(cutoff=700)),
        job_of(copper(2), finetune.GpawSettings(kpoint_density=3)),
        job_of(copper(2), finetune.GpawSettings(smearing=0.1)),
        job_of(copper(2), finetune.GpawSettings(spin=finetune.Spin.FERROMAGNETIC)),
        job_of(copper(3), finetune.GpawSettings()),
    ]
    assert len({digest_of(each) for each in [job, *others]}) == 6


def test_the_same_frame_from_a_file_is_the_same_result(tmp_path: Path) -> None:
    atoms = copper(3)
    ase.io.write(tmp_path / "x.xyz", atoms)
    read = ase.io.read(tmp_path / "x.xyz")
    settings = finetune.GpawSettings()
    assert digest_of(job_of(atoms, settings)) == digest_of(job_of(read, settings))


def test_without_gpaw_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    bare = shutil.which("false")
    with pytest.raises(LabelError, match=r"(?s)libxc-dev.*gpaw==25\.7\.0.*--python"):
        finetune.label_with_gpaw([copper(1)], tmp_path / "out.xyz", python=bare)
    with pytest.raises(LabelError, match="cannot be run"):
        finetune.label_with_gpaw([copper(1)], tmp_path / "out.xyz", python="/no/such/python")
    assert not list(tmp_path.iterdir())


def test_refusals(tmp_path: Path, stand_in: Callable[[], list[str]]) -> None:
    out = tmp_path / "out.xyz"
    with pytest.raises(LabelError, match="Fe is often magnetic"):
        finetune.label_with_gpaw([bulk("Fe")], out)
    with pytest.raises(LabelError, match="no frames"):
        finetune.label_with_gpaw([], out)
    with pytest.raises(LabelError, match=r"cutoff is -1; it must be a finite number above 0"):
        finetune.GpawSettings(cutoff=-1)
    out.write_text("something else")
    with pytest.raises(LabelError, match=r"exists, but not out\.xyz\.work"):
        finetune.label_with_gpaw([copper(1)], out)
    assert out.read_text() == "something else"


@pytest.mark.seconds
def test_two_runs_do_not_write_to_the_same_place(
    tmp_path: Path, stand_in: Callable[[], list[str]]
) -> None:
    work = tmp_path / "out.xyz.work"
    work.mkdir()
    with (
        Lock(work / "lock", work, "wait"),
        pytest.raises(LabelError, match=rf"in use by another process \(process {os.getpid()}\)"),
    ):
        finetune.label_with_gpaw([copper(1)], tmp_path / "out.xyz")


# --- GPAW itself ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpaw_python() -> str:
    python = os.environ.get(GPAW_VARIABLE, sys.executable)
    found = subprocess.run(
        [python, str(WORKER)], capture_output=True, stdin=subprocess.DEVNULL, text=True
    )
    if found.returncode != 0:
        pytest.skip(
            f"{python} has no GPAW; set {GPAW_VARIABLE} to the Python of an environment that has it"
        )
    assert set(json.loads(found.stdout)) == {"gpaw", "ase"}
    return python


def strained_silicon(strain: float) -> Atoms:
    atoms = bulk("Si", "diamond", a=5.47)
    atoms.rattle(0.05, seed=2)
    deformation = np.eye(3)
    deformation[0, 0] += strain
    atoms.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return atoms


def test_gpaw_labels_are_consistent_and_read_back_from_its_text(
    tmp_path: Path, gpaw_python: str
) -> None:
    start, step = strained_silicon(0.0), 0.02
    moved = [start.copy(), start.copy()]
    for atoms, sign in zip(moved, (1, -1), strict=True):
        atoms.positions[0, 0] += sign * step
    out = tmp_path / "si.xyz"
    done = finetune.label_with_gpaw([start, *moved], out, settings=TINY, python=gpaw_python)
    assert (done.n_computed, done.failed) == (3, ())
    labels = ase.io.read(out, ":")
    # Forces are minus the gradient of the free energy.
    energies = [label.info["REF_free_energy"] for label in labels]
    slope = (energies[1] - energies[2]) / (2 * step)
    assert labels[0].arrays["REF_forces"][0, 0] == pytest.approx(-slope, abs=0.02)
    assert abs(labels[0].arrays["REF_forces"].sum(axis=0)).max() < 0.02
    assert labels[0].info["REF_energy"] > energies[0]

    texts = list((tmp_path / "si.xyz.work").glob("*.txt"))
    again = tmp_path / "again.xyz"
    found = finetune.collect(texts, again, frames=[start, *moved])
    assert (found.code, found.n_labels, found.refused) == ("gpaw", 3, ())
    for a, b in zip(labels, ase.io.read(again, ":"), strict=True):
        assert a.info["REF_energy"] == pytest.approx(b.info["REF_energy"], abs=1e-5)
        np.testing.assert_allclose(a.arrays["REF_forces"], b.arrays["REF_forces"], atol=2e-5)
        np.testing.assert_allclose(a.info["REF_stress"], b.info["REF_stress"], atol=2e-6)


def test_gpaw_that_does_not_converge_is_a_failed_frame(tmp_path: Path, gpaw_python: str) -> None:
    settings = finetune.GpawSettings(
        cutoff=200.0, kpoint_density=0.5, smearing=0.1, max_iterations=3
    )
    out = tmp_path / "si.xyz"
    done = finetune.label_with_gpaw(
        [strained_silicon(0.0)], out, settings=settings, python=gpaw_python
    )
    assert done.n_labels == 0
    assert "KohnShamConvergenceError" in done.failed[0].reason
    assert not out.exists()
    (text,) = Path(f"{out}.work").glob("*.txt")
    with pytest.raises(LabelError, match="not self-consistent"):
        finetune.collect([text], tmp_path / "again.xyz")
