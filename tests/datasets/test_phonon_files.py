"""Phonons of one's own where there are no force sets: force constants, or frequencies alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from phonopy import Phonopy
from phonopy.file_IO import (
    write_FORCE_CONSTANTS,
    write_force_constants_to_hdf5,
    write_FORCE_SETS,
)
from phonopy.structure.atoms import PhonopyAtoms

import umlip_bench
from tests.support.narrowing import as_a
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets.phonon_cases import ForceConstantsCase, FrequencyCase, WaveVectors
from umlip_bench.ground.errors import DataError

CELL = {"sigma": 2.4, "epsilon": 0.5, "rc": 5.5, "smooth": True}
FILES = ("phonopy_params.yaml", "FORCE_SETS", "band.yaml", "mesh.yaml")


class Softer(LennardJones):
    """The reference, somewhat softer."""

    def __init__(self) -> None:
        super().__init__(**{**CELL, "epsilon": 0.4})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that phonopy writes of one calculation of NaCl."""
    folder = tmp_path_factory.mktemp("phonopy")
    atoms = bulk("NaCl", "rocksalt", a=5.69, cubic=True)
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(cell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="F")
    phonon.generate_displacements(distance=0.01)
    forces = []
    for image in phonon.supercells_with_displacements:
        displaced = Atoms(image.symbols, cell=image.cell, positions=image.positions, pbc=True)
        displaced.calc = LennardJones(**CELL)
        forces.append(displaced.get_forces())
    phonon.save(folder / "phonopy_disp.yaml", settings={"force_sets": False})
    phonon.forces = np.array(forces)
    phonon.save(folder / "phonopy_params.yaml", settings={"force_sets": True})
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")
    phonon.produce_force_constants()
    with_constants = {"force_sets": False, "force_constants": True}
    phonon.save(folder / "with_constants.yaml", settings=with_constants)
    write_FORCE_CONSTANTS(phonon.force_constants, folder / "FORCE_CONSTANTS")
    write_force_constants_to_hdf5(phonon.force_constants, folder / "force_constants.hdf5")
    phonon.produce_force_constants(calculate_full_force_constants=False)
    write_force_constants_to_hdf5(
        phonon.force_constants, folder / "compact.hdf5", p2s_map=phonon.primitive.p2s_map
    )
    phonon.run_mesh([3, 3, 3], is_gamma_center=True)
    phonon.mesh.write_yaml(folder / "mesh.yaml")
    phonon.auto_band_structure(npoints=11, write_yaml=True, filename=folder / "band.yaml")
    return folder


FORMS: Mapping[str, Mapping[str, str]] = {
    "in the yaml file": {"with_constants.yaml": "phonopy_params.yaml"},
    "FORCE_CONSTANTS": {
        "phonopy_disp.yaml": "phonopy_disp.yaml",
        "FORCE_CONSTANTS": "FORCE_CONSTANTS",
    },
    "hdf5": {
        "phonopy_disp.yaml": "phonopy.yaml",
        "force_constants.hdf5": "force_constants.hdf5",
    },
    "compact": {"phonopy_disp.yaml": "phonopy.yaml", "compact.hdf5": "force_constants.hdf5"},
}


def folder_of(written: Path, folder: Path, files: Mapping[str, str]) -> str:
    folder.mkdir()
    for name, called in files.items():
        shutil.copy(written / name, folder / called)
    return str(folder)


def numbers(data: str, out: Path) -> dict[str, float]:
    run = umlip_bench.run(
        {"softer": Softer()}, data=data, suites=["phonons"], mode="quick", dtype="float64", out=out
    )
    assert not run.failed
    (record,) = run.folder.records
    return dict(record.metrics)


@pytest.fixture(scope="module")
def of_force_sets(written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("of")
    files = {"phonopy_disp.yaml": "phonopy_disp.yaml", "FORCE_SETS": "FORCE_SETS"}
    return numbers(folder_of(written, folder / "sets", files), folder / "run")


@pytest.mark.seconds
@pytest.mark.parametrize("form", FORMS)
def test_force_constants_give_the_numbers_of_the_force_sets(
    written: Path, of_force_sets: Mapping[str, float], tmp_path: Path, form: str
) -> None:
    data = folder_of(written, tmp_path / "data", FORMS[form])
    case = as_a(ForceConstantsCase, *datasets.load(data).of_task("phonons"))
    assert case.displacements is not None
    found = numbers(data, tmp_path / "run")
    # A density of states is made of a histogram: rounding may move a frequency across an edge.
    for of in (found, expected := dict(of_force_sets)):
        of |= {name: round(of[name], 4) for name in of if name.endswith("dos_overlap")}
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    # Lennard-Jones is linear in its epsilon.
    assert found["fixed_mode_scale"] == pytest.approx(0.8, rel=1e-6)


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["mesh.yaml", "band.yaml"])
def test_frequencies_alone(written: Path, tmp_path: Path, name: str) -> None:
    """In the same supercell as the model's, so that interpolation is the same on both sides."""
    data = folder_of(written, tmp_path / "data", {name: name})
    case = as_a(FrequencyCase, *datasets.load(data).of_task("phonons"))
    assert case.kind is (WaveVectors.MESH if name == "mesh.yaml" else WaveVectors.PATH)
    found = numbers(data, tmp_path / "run")
    assert found["fixed_curvature_r2"] > 0.99
    assert found["fixed_curvature_scale"] == pytest.approx(0.8, abs=0.02)
    assert found["fixed_max_ratio"] == pytest.approx(np.sqrt(0.8), abs=0.02)
    assert np.isnan(found["fixed_mode_scale"])
    assert bool(np.isnan(found["fixed_band_mae"])) is (name == "mesh.yaml")
    assert bool(np.isnan(found["fixed_dos_overlap"])) is (name == "band.yaml")
    if case.labels:
        assert case.labels[0] == ("Γ", "X")


def test_what_tells_most_of_a_folder_is_read(written: Path, tmp_path: Path) -> None:
    data = datasets.load(folder_of(written, tmp_path / "all", {name: name for name in FILES}))
    (case,) = data.of_task("phonons")
    assert type(case).__name__ == "PhononCase"
    some = {"mesh.yaml": "mesh.yaml", "band.yaml": "band.yaml"}
    bare = {"phonopy_disp.yaml": "phonopy_disp.yaml", **some}
    for k, files in enumerate((some, bare)):
        data = datasets.load(folder_of(written, tmp_path / f"frequencies {k}", files))
        assert as_a(FrequencyCase, *data.of_task("phonons")).kind is WaveVectors.MESH


def test_a_file_of_force_constants_can_be_named(written: Path, tmp_path: Path) -> None:
    folder = folder_of(written, tmp_path / "data", FORMS["FORCE_CONSTANTS"])
    found = datasets.load(f"{folder}/FORCE_CONSTANTS")
    assert as_a(ForceConstantsCase, *found.of_task("phonons")).name == "data"
    Path(folder, "phonopy_disp.yaml").unlink()
    with pytest.raises(DataError, match="does not say its cells: put"):
        datasets.load(f"{folder}/FORCE_CONSTANTS")


def test_a_set_of_each_is_shown(
    written: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # words of a table are cut to the width
    for k, files in enumerate((FORMS["hdf5"], {"mesh.yaml": "mesh.yaml"})):
        folder = folder_of(written, tmp_path / str(k), files)
        assert main(["data", "check", folder]) in (0, 1)  # there is something to say
        assert main(["data", "show", folder]) == 0
    assert "force constant" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "name", "change", "words"),
    [
        (FORMS["FORCE_CONSTANTS"], "FORCE_CONSTANTS", ("", "x"), "no file of force constants"),
        (FORMS["FORCE_CONSTANTS"], "FORCE_CONSTANTS", ("64", "63"), "no file of force constants"),
        ({"mesh.yaml": "mesh.yaml"}, "mesh.yaml", ("\nlattice:", "\nx:"), "has no lattice"),
        ({"mesh.yaml": "mesh.yaml"}, "mesh.yaml", ("frequency:", "f:"), "not as phonopy writes it"),
        ({"band.yaml": "band.yaml"}, "band.yaml", ("symbol: Na", "symbol: X"), "no elements"),
        ({"mesh.yaml": "mesh.yaml"}, "mesh.yaml", ("frequency:", "frequency: .nan #"), "finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    written: Path,
    tmp_path: Path,
    files: Mapping[str, str],
    name: str,
    change: tuple[str, str],
    words: str,
) -> None:
    folder = folder_of(written, tmp_path / "data", files)
    path = Path(folder, name)
    old, new = change
    text = path.read_text()
    path.write_text(text.replace(old, new, 1) if old else new + text)
    with pytest.raises(DataError, match=words):
        datasets.load(folder)


def test_force_constants_of_another_supercell_are_refused(written: Path, tmp_path: Path) -> None:
    folder = folder_of(written, tmp_path / "data", FORMS["hdf5"])
    write_force_constants_to_hdf5(np.zeros((4, 4, 3, 3)), Path(folder, "force_constants.hdf5"))
    with pytest.raises(DataError, match="are they of the supercell of the yaml file"):
        datasets.load(folder)
