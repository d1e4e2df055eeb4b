"""Labels under the names that people use: found and said, or refused where two sets differ."""

from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.datasets.label_names import KNOWN, LabelNames
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import LabelReading, StressUnit

ENERGY = -11.25
STRESS = np.array([[0.01, 0.002, 0.003], [0.002, -0.02, 0.001], [0.003, 0.001, 0.03]])
FORCES = np.array([[0.2, 0.2, 0.2], [-0.2, -0.2, -0.2]])


def crystal(**info: object) -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.3)
    atoms.positions[1] += 0.05
    atoms.info.update(info)
    return atoms


def named(names: LabelNames, shift: float = 0.0, atoms: Atoms | None = None) -> Atoms:
    """A crystal with one set of labels more, whose energy is shifted."""
    atoms = crystal() if atoms is None else atoms
    atoms.info |= {names.energy: ENERGY + shift, names.stress: STRESS}
    atoms.arrays[names.forces] = FORCES
    return atoms


def write(path: Path, *frames: Atoms) -> str:
    ase.io.write(path, list(frames), format="extxyz")
    return str(path)


def check(data: str, reading: LabelReading | None = None) -> datasets.Dataset:
    dataset = datasets.load(data, reading=reading or LabelReading())
    for frame in dataset.frames:
        assert frame.energy == ENERGY
        np.testing.assert_array_equal(frame.forces, FORCES)
        np.testing.assert_allclose(some(frame.stress), STRESS, atol=1e-12)
    assert dataset.frames
    return dataset


@pytest.mark.parametrize("names", KNOWN, ids=str)
def test_every_known_set_is_found_and_said_once(tmp_path: Path, names: LabelNames) -> None:
    atoms = [named(names), named(names)]
    dataset = check(write(tmp_path / "my.xyz", *atoms))
    (said,) = [each for each in dataset.understood if "2 labels of 1 file" in each.text]
    assert f"energy from {names.energy}, forces from {names.forces}" in said.text
    assert said.expected == (names.energy in ("REF_energy", "energy"))


def test_the_same_names_in_a_database(tmp_path: Path) -> None:
    data = {"DFT_forces": FORCES, "DFT_stress": STRESS}
    with ase.db.connect(tmp_path / "my.db") as connection:
        connection.write(crystal(), DFT_energy=ENERGY, data=data, system="oxide")
    dataset = check(str(tmp_path / "my.db"))
    assert dataset.frames[0].system == "oxide"


def test_results_of_a_model_beside_the_standard_names_are_not_labels(tmp_path: Path) -> None:
    atoms = named(LabelNames("MACE_energy", "MACE_forces", "MACE_stress"), 1.0, named(KNOWN[0]))
    atoms.calc = SinglePointCalculator(atoms, energy=3.0, forces=np.zeros((2, 3)))
    check(write(tmp_path / "my.xyz", atoms))


def test_two_sets_that_differ_are_refused_with_what_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    atoms = named(KNOWN[4], 0.5, named(KNOWN[2]))
    data = write(tmp_path / "my.xyz", atoms)
    with pytest.raises(DataError) as caught:
        datasets.load(data)
    for words in ("two sets of labels that differ", "--energy-key DFT_energy", "dft_energy"):
        assert words in str(caught.value)
    check(data, LabelReading(energy_key="DFT_energy"))
    assert main(["data", "check", data, "--energy-key", "DFT_energy"]) == 0
    assert "energy from DFT_energy, forces from DFT_forces" in capsys.readouterr().out
    # Equal numbers under two names are one set.
    check(write(tmp_path / "same.xyz", named(KNOWN[4], atoms=named(KNOWN[2]))))
    # Another DFT's labels beside the standard names are no model's results.
    with pytest.raises(DataError, match="two sets of labels that differ, REF_energy"):
        datasets.load(write(tmp_path / "two.xyz", named(KNOWN[2], 0.5, named(KNOWN[0]))))


def test_names_that_nobody_knows_are_given(tmp_path: Path) -> None:
    data = write(tmp_path / "my.xyz", named(LabelNames("E_tot", "F", "S")))
    with pytest.raises(DataError, match="no energy and no forces; the frame has E_tot, S, F"):
        datasets.load(data)
    check(data, LabelReading(energy_key="E_tot", forces_key="F", stress_key="S"))
    with pytest.raises(DataError, match="it has no E_total"):
        datasets.load(data, reading=LabelReading(energy_key="E_total", forces_key="F"))
    with pytest.raises(DataError, match="say which with --forces-key"):
        datasets.load(data, reading=LabelReading(energy_key="E_tot"))
    with pytest.raises(DataError, match="no frame has Stress"):
        datasets.load(
            data, reading=LabelReading(energy_key="E_tot", forces_key="F", stress_key="Stress")
        )


@pytest.mark.parametrize(("unit", "factor"), [(StressUnit.GPA, GPa), (StressUnit.VASP, -GPa / 10)])
def test_the_unit_of_a_stress_is_given(tmp_path: Path, unit: StressUnit, factor: float) -> None:
    atoms = named(KNOWN[0])
    atoms.info["REF_stress"] = STRESS / factor
    dataset = check(write(tmp_path / "my.xyz", atoms), LabelReading(stress_unit=unit))
    assert any("stresses are taken to be in" in each.text for each in dataset.understood)


@pytest.mark.parametrize("key", ["virial", "virials", "REF_virials", "dft_virial", "W"])
def test_a_virial_that_is_named_is_minus_volume_times_stress(tmp_path: Path, key: str) -> None:
    atoms = named(KNOWN[0])
    del atoms.info["REF_stress"]
    atoms.info[key] = -atoms.get_volume() * STRESS
    data = write(tmp_path / "my.xyz", atoms)
    (frame,) = datasets.load(data).frames
    assert frame.stress is None
    check(data, LabelReading(virial_key=key))
    with pytest.raises(DataError, match="both stand for the stress"):
        LabelReading(virial_key=key, stress_key="stress")


def test_images_of_a_path_have_labels_of_any_name(tmp_path: Path) -> None:
    images = []
    for k, energy in enumerate((0.0, 0.4, 0.1)):
        atoms = bulk("Al", cubic=True).repeat(2)
        del atoms[0]
        atoms.positions[0] += 0.5 * k * np.array([-2.025, -2.025, 0])
        atoms.info |= {"path": "hop", "image": k, "DFT_energy": energy, "method": "neb"}
        images.append(atoms)
    (case,) = datasets.load(write(tmp_path / "my.xyz", *images)).of_task("migration")
    assert getattr(case, "forward_barrier", None) == pytest.approx(0.4)


def test_a_functional_is_said_where_files_do_not(tmp_path: Path) -> None:
    data = write(tmp_path / "my.xyz", named(KNOWN[0]))
    dataset = datasets.load(data, reading=LabelReading(functional="r2SCAN"))
    assert dataset.manifest.level_of_theory.functional == "r2SCAN"
    assert any("r2SCAN, as --functional says" in each.text for each in dataset.understood)
    (tmp_path / "my.manifest.yaml").write_text("level_of_theory: {functional: PBE}\n")
    with pytest.raises(DataError, match="the manifest says PBE"):
        datasets.load(data, reading=LabelReading(functional="r2SCAN"))
    other = write(tmp_path / "other.xyz", named(KNOWN[0], atoms=crystal(functional="PBE")))
    with pytest.raises(DataError, match="--functional says r2SCAN"):
        datasets.load(other, reading=LabelReading(functional="r2SCAN"))
    with pytest.raises(DataError, match="for files of one's own"):
        datasets.load("pbe-mini", reading=LabelReading(functional="r2SCAN"))


@pytest.mark.parametrize("name", ["my.xyz", "my.cif", "POSCAR", "my.traj"])
def test_structures_without_labels_are_told_where_they_belong(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    ase.io.write(path, crystal(), format="extxyz" if name == "my.xyz" else None)
    with pytest.raises(DataError, match=f"no labels here: --structure {path} measures"):
        datasets.load(str(path))


def test_files_of_a_folder_that_no_reader_knows_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "my.xyz", named(KNOWN[0]))
    (tmp_path / "notes.md").write_text("not data")
    (tmp_path / "INCAR").write_text("ENCUT = 520\n")
    assert main(["data", "check", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 files that hold no labels known here were skipped: INCAR, notes.md" in shown


def test_what_is_said_of_labels_is_kept_and_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "my.xyz", named(KNOWN[4], 0.5, named(KNOWN[2])))
    command = ["run", "high-energy", "--model", "ase:ase.calculators.lj:LennardJones"]
    command += ["--data", data, "--device", "cpu"]
    keys = ["--energy-key", "DFT_energy", "--functional", "PBE"]
    assert main([*command, "--out", str(tmp_path / "first")]) == 2
    assert "--energy-key DFT_energy" in capsys.readouterr().err
    assert main([*command, *keys, "--out", str(tmp_path / "first")]) == 0
    assert "energy from DFT_energy" in " ".join(capsys.readouterr().out.split())
    settings = tmp_path / "first" / "settings.yaml"
    assert "energy-key: DFT_energy" in settings.read_text()
    again = ["run", "--config", str(settings), "--out", str(tmp_path / "again")]
    assert main(again) == 0
    structure = ["run", "eos", "--structure", data, "--out", str(tmp_path / "x"), *keys]
    assert main(structure) == 2
    assert "does not go with --structure" in capsys.readouterr().err
