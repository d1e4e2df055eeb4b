"""Results of DFT codes read back into labels.

``data/si_pw.out`` and ``data/si_pw_not_converged.out`` are what pw.x 6.7 wrote for ``data/si_frames.xyz``
from an input of `umlip_bench.finetune.labelling.espresso` (PBE, 16 Ry, Fermi-Dirac smearing of 0.2 eV; with
electron_maxstep = 2 the latter), ``data/si_gpaw.txt`` what GPAW 25.7.0 wrote for it.
"""

import gzip
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa, Ry

from tests.support.narrowing import as_a, some
from umlip_bench import datasets, finetune
from umlip_bench.cli.finetune import main
from umlip_bench.datasets.readers import Code, RefusedResult, code_of, read_labels
from umlip_bench.datasets.store import DATA_VARIABLE
from umlip_bench.finetune.labelling.collection import collect, frames_beside
from umlip_bench.ground.errors import DataError, LabelError
from umlip_bench.ground.label_reading import LabelReading

DATA = Path(__file__).parent / "data"
SILICON = ase.io.read(DATA / "si_frames.xyz")
VASPRUN = Path(ase.__file__).parent / "test" / "testdata" / "vasp" / "vasprun_pstress.xml"
needs_vasprun = pytest.mark.skipif(
    not VASPRUN.exists(), reason="this installation of ASE came without its test files"
)


def number(pattern: str, text: str) -> float:
    return float(some(re.search(pattern, text)).group(1))


def test_quantum_espresso_units_sign_and_smearing(tmp_path: Path) -> None:
    out = tmp_path / "labels.xyz"
    done = finetune.collect([DATA / "si_pw.out"], out, frames=[SILICON])
    assert (done.code, done.n_labels, done.missing, done.refused) == ("qe", 1, (), ())
    text = (DATA / "si_pw.out").read_text()
    free = number(r"!\s+total energy\s+=\s+(\S+) Ry", text) * Ry
    internal = number(r"internal energy E=F\+TS\s+=\s+(\S+) Ry", text) * Ry
    label = ase.io.read(out)
    assert label.info["REF_free_energy"] == pytest.approx(free, rel=1e-6)
    # At zero width, to first order: halfway between F = E - TS and E.
    # ASE reads pw.x with the constants of 2006.
    assert label.info["REF_energy"] == pytest.approx((free + internal) / 2, rel=1e-6)
    kbar = number(r"P=\s+(\S+)", text)
    (frame,) = datasets.load(str(out)).frames
    assert -np.trace(some(frame.stress)) / 3 / GPa == pytest.approx(kbar / 10, abs=0.01)
    first = some(re.search(r"atom    1 type  1   force =\s+(\S+)\s+(\S+)\s+(\S+)", text)).groups()
    bohr = 0.529177210903
    np.testing.assert_allclose(frame.forces[0], np.array(first, float) * Ry / bohr, rtol=1e-5)
    assert frame.system == "Si"
    np.testing.assert_array_equal(frame.atoms.positions, SILICON.positions)


def test_gpaw_text(tmp_path: Path) -> None:
    out = tmp_path / "labels.xyz"
    done = finetune.collect([DATA / "si_gpaw.txt"], out, frames=[SILICON])
    assert (done.code, done.n_labels) == ("gpaw", 1)
    (frame,) = datasets.load(str(out)).frames
    text = (DATA / "si_gpaw.txt").read_text()
    assert frame.energy == pytest.approx(number(r"Extrapolated:\s+(\S+)", text))
    printed = some(re.search(r"Forces in eV/Ang:\n  0 Si\s+(\S+)\s+(\S+)\s+(\S+)", text)).groups()
    np.testing.assert_allclose(frame.forces[0], np.array(printed, float))


def test_two_codes_agree_on_signs_and_sizes(tmp_path: Path) -> None:
    """Both at low cutoffs, with other pseudopotentials: forces within a tenth."""
    for name in ("si_pw.out", "si_gpaw.txt"):
        finetune.collect([DATA / name], tmp_path / f"{name}.xyz", frames=[SILICON])
    a, b = (
        datasets.load(str(tmp_path / f"{name}.xyz")).frames[0]
        for name in ("si_pw.out", "si_gpaw.txt")
    )
    scale = np.abs(b.forces).max()
    np.testing.assert_allclose(a.forces, b.forces, atol=0.1 * scale)
    shear = np.array([1, 2, 0]), np.array([2, 0, 1])
    np.testing.assert_allclose(
        some(a.stress)[shear], some(b.stress)[shear], atol=0.2 * np.abs(some(b.stress)).max()
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text, None),
        (lambda text: text[: text.index("JOB DONE")], "cut off"),
        (lambda text: text.replace("Forces acting", "Nothing acting"), "no forces"),
    ],
)
def test_quantum_espresso_that_did_not_end_is_refused(
    tmp_path: Path, change: Callable[..., Any], reason: str | None
) -> None:
    path = tmp_path / "pw.out"
    path.write_text(change((DATA / "si_pw.out").read_text()))
    (result,) = read_labels(path, Code.ESPRESSO)
    assert isinstance(result, RefusedResult) == (reason is not None)
    if reason:
        assert reason in as_a(RefusedResult, result).reason


def test_not_converged_is_refused_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    for k, name in enumerate(("si_pw_not_converged.out", "si_pw.out")):
        shutil.copy(DATA / name, folder / f"{k}.out")
    command = ["collect", folder, "--frames", DATA / "si_frames.xyz", "--out", tmp_path / "o.xyz"]
    assert main([str(word) for word in command]) == 0
    said = capsys.readouterr().err
    assert "refused: " in said
    assert "0.out: not self-consistent (convergence NOT achieved)" in said
    assert "1 of 1 frames" in said
    assert "labelled by qe; 1 refused" in said
    with pytest.raises(LabelError, match="no label could be collected"):
        finetune.collect([folder / "0.out"], tmp_path / "other.xyz")


def test_another_geometry_is_refused(tmp_path: Path) -> None:
    moved = SILICON.copy()
    moved.positions[1, 2] += 0.05
    with pytest.raises(LabelError, match=r"that of no frame .*atom 1 \(Si\) is 0.0500 Å away"):
        finetune.collect([DATA / "si_pw.out"], tmp_path / "o.xyz", frames=[moved])
    larger = SILICON.copy()
    larger.set_cell(1.01 * SILICON.cell.array, scale_atoms=True)
    with pytest.raises(LabelError, match="its cell differs by"):
        finetune.collect([DATA / "si_pw.out"], tmp_path / "o.xyz", frames=[larger])
    with pytest.raises(LabelError, match="its composition is"):
        finetune.collect([DATA / "si_pw.out"], tmp_path / "o.xyz", frames=[SILICON * (2, 1, 1)])
    loose = finetune.collect(
        [DATA / "si_pw.out"], tmp_path / "o.xyz", frames=[moved], tolerance=0.1
    )
    assert loose.n_labels == 1


def test_order_of_atoms_and_of_frames_is_the_inputs(tmp_path: Path) -> None:
    """Frames come back in their order, atoms in theirs, whatever the results' order is."""
    rng = np.random.default_rng(0)
    frames = list(ase.io.read(Path(datasets.__file__).parent / "pbe_mini" / "pbe_mini.xyz", ":3"))
    plain = []
    for k, frame in enumerate(frames):
        order = rng.permutation(len(frame))
        other = frame[order]
        forces = frame.arrays["REF_forces"][order]
        other.info, other.arrays = {}, {n: other.arrays[n] for n in ("numbers", "positions")}
        other.positions += frame.cell.array[1]
        other.calc = SinglePointCalculator(other, energy=float(k), forces=forces)
        ase.io.write(tmp_path / f"{2 - k}.xyz", other, format="extxyz")
        bare = frame.copy()
        bare.info = {"system": f"m{k}"}
        del bare.arrays["REF_forces"]
        plain.append(bare)
    out = tmp_path / "labels.xyz"
    done = finetune.collect([tmp_path], out, frames=[*plain, SILICON])
    assert (done.n_labels, done.n_frames, done.missing) == (3, 4, (3,))
    for k, label in enumerate(datasets.load(str(out)).frames):
        assert (label.energy, label.system) == (k, f"m{k}")
        np.testing.assert_allclose(label.forces, frames[k].arrays["REF_forces"], atol=1e-7)


@needs_vasprun
def test_vasprun_of_ases_tests(tmp_path: Path) -> None:
    out = tmp_path / "labels.xyz"
    done = finetune.collect([VASPRUN], out)
    assert (done.code, done.n_labels, done.n_frames) == ("vasp", 1, None)
    (frame,) = datasets.load(str(out)).frames
    text = VASPRUN.read_text()
    kbar = some(re.search(r'<varray name="stress" >\s*<v>\s*(\S+)', text)).group(1)
    # VASP's stress is positive under compression and in kbar.
    assert some(frame.stress)[0, 0] == pytest.approx(-0.1 * float(kbar) * GPa)
    forces = some(
        re.search(r'<varray name="forces" >\s*<v>\s*(\S+)\s+(\S+)\s+(\S+)', text)
    ).groups()
    np.testing.assert_allclose(frame.forces[0], np.array(forces, float))
    zipped = tmp_path / "vasprun.xml.gz"
    zipped.write_bytes(gzip.compress(VASPRUN.read_bytes()))
    finetune.collect([zipped], tmp_path / "again.xyz", frames=[frame.atoms])
    assert datasets.load(str(tmp_path / "again.xyz")).frames[0].energy == frame.energy


@needs_vasprun
def test_vasprun_that_used_up_its_electronic_steps_is_refused(tmp_path: Path) -> None:
    text = VASPRUN.read_text()
    n = text.count("<scstep>")
    path = tmp_path / "vasprun.xml"
    path.write_text(re.sub(r'(name="NELM">\s*)\d+', rf"\g<1>{n}", text))
    with pytest.raises(LabelError, match=rf"{n} electronic steps of at most {n} \(NELM\)"):
        finetune.collect([path], tmp_path / "o.xyz")
    path.write_text(text[: len(text) // 2])
    with pytest.raises(LabelError, match="cut off"):
        finetune.collect([path], tmp_path / "o.xyz")


@pytest.mark.seconds
def test_vaspruns_of_published_calculations(tmp_path: Path) -> None:
    import os

    folder = os.environ.get(DATA_VARIABLE)
    paths = [
        Path(folder or "none") / "phonopy-examples" / "Si" / "vasprun.xml",
        Path(folder or "none") / "atomate2-approxneb" / "hop_3+1_image_2" / "vasprun.xml.gz",
    ]
    if not all(path.exists() for path in paths):
        pytest.skip(f"set {DATA_VARIABLE} to a folder with phonopy-examples and atomate2-approxneb")
    for k, path in enumerate(paths):
        done = finetune.collect([path], tmp_path / f"{k}.xyz")
        assert done.code == "vasp"
        for frame in datasets.load(str(tmp_path / f"{k}.xyz")).frames:
            assert abs(frame.forces.sum(axis=0)).max() < 0.1


def test_results_of_several_codes_do_not_mix(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"several codes .*whose energies do not go together"):
        finetune.collect([DATA / "si_pw.out", DATA / "si_gpaw.txt"], tmp_path / "o.xyz")


def test_a_second_result_of_a_frame_is_refused(tmp_path: Path) -> None:
    for name in ("a.out", "b.out"):
        shutil.copy(DATA / "si_pw.out", tmp_path / name)
    done = finetune.collect([tmp_path], tmp_path / "o.xyz", frames=[SILICON])
    assert done.n_labels == 1
    assert "has its label already, of " in done.refused[0].reason


def test_frames_of_the_folder_are_found_and_nothing_else_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "suggested"
    (folder / "qe" / "frame-0").mkdir(parents=True)
    shutil.copy(DATA / "si_frames.xyz", folder / "frames.xyz")
    assert frames_beside([folder / "qe"]) is None  # anyone's frames.xyz
    (folder / "suggestion.json").write_text("{}")
    shutil.copy(DATA / "si_pw.out", folder / "qe" / "frame-0" / "pw.out")
    for paths in ([folder], [folder / "qe"], [folder / "qe" / "frame-0" / "pw.out"]):
        assert frames_beside(paths) == (folder / "frames.xyz").resolve()
    assert main(["collect", str(folder), "--out", str(tmp_path / "o.xyz")]) == 0
    assert main(["collect", str(folder), "--out", str(tmp_path / "o.xyz")]) == 2  # exists


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    assert code_of(tmp_path / "notes.txt") is None
    with pytest.raises(LabelError, match="no results in"):
        finetune.collect([tmp_path], tmp_path / "o.xyz")
    with pytest.raises(LabelError, match="no result that can be read"):
        finetune.collect([tmp_path / "notes.txt"], tmp_path / "o.xyz")
    with pytest.raises(LabelError, match="no such file or folder"):
        finetune.collect([tmp_path / "none"], tmp_path / "o.xyz")


def test_a_name_of_stresses_that_no_label_has_is_refused(tmp_path: Path) -> None:
    atoms = bulk("Cu")
    atoms.info["REF_energy"] = -3.0
    atoms.arrays["REF_forces"] = np.zeros((1, 3))
    ase.io.write(tmp_path / "a.xyz", atoms)
    for reading in (LabelReading(virial_key="virials"), LabelReading(stress_key="virials")):
        with pytest.raises(DataError, match="no frame has virials"):
            collect([tmp_path / "a.xyz"], tmp_path / "o.xyz", reading=reading)
    assert not (tmp_path / "o.xyz").exists()
