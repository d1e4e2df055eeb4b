"""Force sets of one's own, as phonopy writes them."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.units import Bohr, Rydberg
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_SETS
from phonopy.structure.atoms import PhonopyAtoms

from tests.support.narrowing import each_as_a, some
from umlip_bench import datasets
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.cli import main
from umlip_bench.datasets.cases import PhononCase
from umlip_bench.datasets.catalogue import catalogue
from umlip_bench.datasets.store import DataStore
from umlip_bench.ground.errors import DataError
from umlip_bench.potentials.agreement import call_calculator


def salt(calculator: str | None = None, length: float = 1.0) -> tuple[Phonopy, np.ndarray]:
    """Two displacements of NaCl and forces on them, and phonopy's own object, lengths in `length` Å."""
    atoms = bulk("NaCl", "rocksalt", a=5.69 / length, cubic=True)
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(
        cell,
        supercell_matrix=np.diag([2, 1, 1]),
        primitive_matrix=np.eye(3),
        calculator=calculator,
    )
    phonon.generate_displacements(distance=0.01 / length, is_diagonal=False)
    calculator = LennardJones(sigma=2.4, epsilon=0.5, rc=5.5, smooth=True)
    forces = []
    for image in phonon.supercells_with_displacements:
        displaced = Atoms(
            image.symbols, cell=length * image.cell, positions=length * image.positions, pbc=True
        )
        forces.append(call_calculator(calculator, displaced).forces)
    return phonon, np.round(forces, 8)


def with_force_sets(folder: Path, phonon: Phonopy, forces: np.ndarray) -> None:
    """As `phonopy -d` and `phonopy -f` leave a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    phonon.save(folder / "phonopy_disp.yaml", settings={"force_sets": False})
    phonon.forces = forces
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")


def the_same(
    case: PhononCase,
    phonon: Phonopy,
    forces: np.ndarray,
    length: float = 1.0,
    force: float = 1.0,
) -> None:
    np.testing.assert_allclose(case.unitcell.cell.array, length * phonon.unitcell.cell, atol=1e-9)
    np.testing.assert_array_equal(case.supercell_matrix, np.diag([2, 1, 1]))
    np.testing.assert_allclose(some(case.primitive_matrix), np.eye(3))
    first = phonon.dataset["first_atoms"]
    np.testing.assert_array_equal(case.displaced_atoms, [each["number"] for each in first])
    expected = [length * each["displacement"] for each in first]
    np.testing.assert_allclose(case.displacements, expected, atol=1e-9)
    # phonopy's rydberg and bohr are of another year than ASE's.
    np.testing.assert_allclose(case.forces, force * forces, rtol=1e-6, atol=1e-8)


def test_force_sets_beside_the_displacements(tmp_path: Path) -> None:
    phonon, forces = salt()
    with_force_sets(tmp_path / "NaCl", phonon, forces)
    for given in (tmp_path, tmp_path / "NaCl", tmp_path / "NaCl" / "phonopy_disp.yaml"):
        dataset = datasets.load(str(given))
        (case,) = each_as_a(PhononCase, dataset.of_task("phonons"))
        assert case.name == "NaCl"
        the_same(case, phonon, forces)
        assert "taken to be relaxed in DFT" in dataset.manifest.caveats[-1]


def test_forces_in_the_file_come_first(tmp_path: Path) -> None:
    phonon, forces = salt()
    with_force_sets(tmp_path, phonon, forces)
    phonon.forces = 2 * forces
    phonon.save(tmp_path / "phonopy_params.yaml", settings={"force_sets": True})
    (case,) = each_as_a(PhononCase, datasets.load(str(tmp_path)).of_task("phonons"))
    assert case.name == tmp_path.name
    the_same(case, phonon, 2 * forces)


def test_units_are_those_of_the_code(tmp_path: Path) -> None:
    """Quantum ESPRESSO: bohr and Ry/bohr."""
    phonon, forces = salt("qe", Bohr)
    with_force_sets(tmp_path / "salt", phonon, forces)
    (case,) = each_as_a(PhononCase, datasets.load(str(tmp_path)).of_task("phonons"))
    the_same(case, phonon, forces, Bohr, Rydberg / Bohr)
    assert case.unitcell.cell.lengths() == pytest.approx([5.69] * 3, rel=1e-6)


def test_the_data_are_told_apart_by_their_forces(tmp_path: Path) -> None:
    phonon, forces = salt()
    digests = set()
    for factor in (1.0, 1.1):
        with_force_sets(tmp_path, phonon, factor * forces)
        digests.add(datasets.load(str(tmp_path)).sha256)
    assert len(digests) == 2


def test_a_manifest_tells_the_functional(tmp_path: Path) -> None:
    phonon, forces = salt()
    with_force_sets(tmp_path / "a" / "NaCl", phonon, forces)
    with_force_sets(tmp_path / "b" / "NaCl", phonon, forces)
    (tmp_path / "manifest.yaml").write_text("level_of_theory: {functional: PBE}")
    dataset = datasets.load(str(tmp_path))
    assert [case.name for case in dataset.of_task("phonons")] == ["a/NaCl", "b/NaCl"]
    assert {case.level_of_theory.functional for case in dataset.of_task("phonons")} == {"PBE"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    phonon, forces = salt()
    phonon.save(tmp_path / "phonopy_disp.yaml", settings={"force_sets": False})
    with pytest.raises(DataError, match="without forces; write FORCE_SETS"):
        datasets.load(str(tmp_path))
    with_force_sets(tmp_path, phonon, forces)
    text = (tmp_path / "FORCE_SETS").read_text()
    for wrong, message in (
        (text.replace("0.01", "0.02"), "other displacements"),
        ("\n".join(text.splitlines()[:-1]), "one displaced atom in each supercell"),
    ):
        (tmp_path / "FORCE_SETS").write_text(wrong)
        with pytest.raises(DataError, match=message):
            datasets.load(str(tmp_path))
    (tmp_path / "phonopy_disp.yaml").write_text("a: b")
    with pytest.raises(DataError, match="has no unit_cell, no supercell_matrix, no displacements"):
        datasets.load(str(tmp_path))


def test_other_kinds_of_displacements_and_units_are_refused(tmp_path: Path) -> None:
    phonon, forces = salt()
    with_force_sets(tmp_path, phonon, forces)
    source = yaml.safe_load((tmp_path / "phonopy_disp.yaml").read_text())
    random = {**source, "displacements": [[{"displacement": [0, 0, 0.01]}]]}
    strange = {**source, "physical_unit": {"length": "au"}}
    unknown = {**source, "phonopy": {"calculator": "mystery"}}
    for content, message in (
        (random, "all atoms at once"),
        (strange, "lengths in au, but those of VASP are in angstrom"),
        (unknown, "mystery, whose units"),
    ):
        (tmp_path / "phonopy_disp.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(DataError, match=message):
            datasets.load(str(tmp_path))


@pytest.mark.seconds
def test_a_published_set_is_the_same_as_ones_own() -> None:
    """phonopy's example of NaCl, read as a user's folder."""
    try:
        published = datasets.load("phonopy-examples")
    except DataError as error:
        pytest.skip(f"the files are not here: {error}".splitlines()[0])
    every = each_as_a(PhononCase, published.of_task("phonons"))
    expected = next(case for case in every if case.name == "NaCl")
    located = DataStore().locate(catalogue()["phonopy-examples"])
    own = datasets.load(str(some(located).path("NaCl/FORCE_SETS").parent))
    (case,) = each_as_a(PhononCase, own.of_task("phonons"))
    np.testing.assert_array_equal(case.forces, expected.forces)
    np.testing.assert_array_equal(case.primitive_matrix, expected.primitive_matrix)
    (measured,) = each_as_a(PhononMeasurement, load_suite("phonons").cases(own, Mode.FULL))
    assert measured.fixed_only is None


@pytest.mark.seconds
def test_a_run_on_ones_own_force_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DFT is the model itself made a tenth stiffer: force constants 1/1.1 of it, frequencies the root."""
    cell = bulk("Ar", "fcc", a=1.6, cubic=True)
    phonon = Phonopy(
        PhonopyAtoms(
            symbols=["Ar"] * 4, cell=cell.cell.array, scaled_positions=cell.get_scaled_positions()
        ),
        supercell_matrix=2 * np.eye(3, dtype=int),
        primitive_matrix="F",
    )
    phonon.generate_displacements(distance=0.01)
    calculator = LennardJones()
    forces = []
    for image in phonon.supercells_with_displacements:
        displaced = Atoms(image.symbols, cell=image.cell, positions=image.positions, pbc=True)
        forces.append(1.1 * call_calculator(calculator, displaced).forces)
    with_force_sets(tmp_path / "Ar", phonon, np.array(forces))
    out = tmp_path / "run"
    command = ["run", "phonons", "--data", str(tmp_path / "Ar"), "--dtype", "float64"]
    model = ["--model", "ase:ase.calculators.lj:LennardJones", "--device", "cpu"]
    assert main([*command, *model, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "FC slope" in shown
    assert "Reference: Ar, functional not stated." in shown
    (record,) = map(json.loads, (out / "cases.jsonl").read_text().splitlines())
    # FORCE_SETS keeps ten digits after the point.
    assert record["metrics"]["fixed_force_constant_slope"] == pytest.approx(1 / 1.1, rel=1e-5)
    assert record["metrics"]["fixed_max_ratio"] == pytest.approx(np.sqrt(1 / 1.1), rel=1e-5)
