"""Force sets that were computed with EMT and are measured with EMT: what is read right has ratios of one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import phonopy
import pytest
import yaml
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.data import atomic_masses
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_SETS
from phonopy.structure.atoms import PhonopyAtoms

from tests.support.narrowing import as_a, each_as_a, some
from umlip_bench import datasets
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.phonons.crystal import Crystal
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.cli import main
from umlip_bench.datasets.cases import PhononCase
from umlip_bench.ground.errors import DataError, StructureError
from umlip_bench.ground.identity import identity

Change = Callable[[Phonopy, np.ndarray], np.ndarray]
"""What is made of forces before they are written."""

A = 3.708111770837315
INPUTS = Path(__file__).resolve().parents[3] / "shared" / "inputs"
IDEAL = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
LAYERED = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])
TWOS = np.diag([2, 2, 2])


def auCu3(coordinates: np.ndarray = IDEAL) -> Atoms:
    return Atoms("AuCu3", cell=[A] * 3, scaled_positions=coordinates, pbc=True)


def layered(coordinates: np.ndarray = LAYERED) -> Atoms:
    return Atoms("CuAu", cell=[2.8, 2.8, 3.66], scaled_positions=coordinates, pbc=True)


def emt_forces(image: Atoms) -> np.ndarray:
    atoms = Atoms(image.symbols, cell=image.cell, positions=image.positions, pbc=True)
    atoms.calc = EMT()
    return atoms.get_forces()


def made(
    folder: Path,
    atoms: Atoms,
    coordinates: np.ndarray,
    matrix: np.ndarray = TWOS,
    *,
    primitive: str = "P",
    symprec: float = 1e-5,
    masses: list[float] | None = None,
    random: int | None = None,
    change: Change | None = None,
    smith: bool = False,
) -> Phonopy:
    """A folder as phonopy and EMT leave it; `change` is made to the forces before they are written."""
    cell = PhonopyAtoms(
        numbers=atoms.numbers,
        cell=atoms.cell.array,
        scaled_positions=coordinates,
        masses=masses,
    )
    phonon = Phonopy(
        cell,
        supercell_matrix=matrix,
        primitive_matrix=primitive,
        symprec=symprec,
        use_SNF_supercell=smith,
    )
    if random is None:
        phonon.generate_displacements(distance=0.03)
    else:
        phonon.generate_displacements(distance=0.03, number_of_snapshots=random, random_seed=7)
    forces = np.array([emt_forces(each) for each in phonon.supercells_with_displacements])
    if change is not None:
        forces = change(phonon, forces)
    folder.mkdir(parents=True, exist_ok=True)
    phonon.save(folder / "phonopy_disp.yaml", settings={"force_sets": False})
    phonon.forces = forces
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")
    return phonon


def repeated(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
    """Forces in the order of ASE's repeated cell."""
    atoms = Atoms(
        phonon.unitcell.symbols,
        cell=phonon.unitcell.cell,
        scaled_positions=phonon.unitcell.scaled_positions,
        pbc=True,
    ).repeat(np.diag(phonon.supercell_matrix))
    away = atoms.positions[:, None] - phonon.supercell.positions[None]
    away = away @ np.linalg.inv(phonon.supercell.cell)
    away -= np.rint(away)
    return forces[:, np.linalg.norm(away, axis=-1).argmin(axis=1)]


def reference(folder: Path) -> tuple[PhononMeasurement, Crystal, np.ndarray, np.ndarray]:
    """DFT's force constants and highest frequency, as a run takes them."""
    (found,) = load_suite("phonons").cases(datasets.load(str(folder)), Mode.FULL)
    case = as_a(PhononMeasurement, found)
    crystal = case.crystal()
    assert case.displacements is not None
    constants = crystal.force_constants(case.displacements, some(case.forces))
    points = crystal.commensurate()
    return case, crystal, constants, crystal.frequencies(constants, points)


def models(case: PhononMeasurement, crystal: Crystal) -> np.ndarray:
    """EMT's force constants at the same geometry."""
    assert case.displacements is not None
    cells = crystal.displaced(case.displacements)
    forces = []
    for cell in cells:
        cell.calc = EMT()
        forces.append(cell.get_forces())
    return crystal.force_constants(case.displacements, np.array(forces))


def phonopys(folder: Path, points: np.ndarray, symprec: float = 1e-5, **options: str) -> np.ndarray:
    """The same frequencies by phonopy alone."""
    phonon = phonopy.load(
        folder / "phonopy_disp.yaml",
        force_sets_filename=folder / "FORCE_SETS",
        is_nac=False,
        symprec=symprec,
        **options,
    )
    phonon.run_qpoints(points)
    return np.sort(phonon.qpoints.frequencies, axis=1)


COORDINATES = {
    "at -1e-14": (auCu3(), np.add(IDEAL, np.array([[0, 0, -1e-14], [0] * 3, [0] * 3, [0] * 3]))),
    "at 1.0": (auCu3(), np.add(IDEAL, np.array([[0, 0, 1.0], [1.0, 0, 0], [0] * 3, [0] * 3]))),
    "at 0.9999999999999999": (
        auCu3(),
        np.add(IDEAL, np.array([[1 - 1e-16, 0, 0], [0] * 3, [0, 1, 0], [0] * 3])),
    ),
    "relaxed": (auCu3(), (IDEAL - 2e-16) % 1.0),
    "at -1/2": (layered(), np.add(LAYERED, np.array([[0, 0, 0], [-1, 0, 0]]))),
    "far away": (layered(), np.add(LAYERED, np.array([[3, 0, -2], [-1, 5, 0]]))),
    "shifted origin": (auCu3(), IDEAL - 0.13),
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", COORDINATES)
def test_coordinates_are_never_wrapped(tmp_path: Path, name: str) -> None:
    atoms, coordinates = COORDINATES[name]
    made(tmp_path, atoms, coordinates)
    case, crystal, constants, frequencies = reference(tmp_path)
    np.testing.assert_allclose(models(case, crystal), constants, atol=1e-7)
    points = crystal.commensurate()
    np.testing.assert_allclose(phonopys(tmp_path, points), frequencies, atol=5e-3)


MATRICES = {
    "skewed": (
        auCu3(),
        np.add(IDEAL, np.array([[0] * 3, [0] * 3, [-1, 0, 0], [0] * 3])),
        [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
    ),
    "sheared": (layered(), LAYERED - [[0, 0, 1], [0, 0, 0]], [[2, 1, 0], [0, 3, 0], [0, 0, 2]]),
    "different sides": (layered(), LAYERED - [[1, 0, 0], [0, 0, 0]], np.diag([3, 2, 2])),
}


@pytest.mark.seconds
@pytest.mark.parametrize("smith", [False, True])
@pytest.mark.parametrize("name", MATRICES)
def test_supercells_that_are_not_cubes(tmp_path: Path, name: str, smith: bool) -> None:
    """Both of phonopy's orders; that by Smith's normal form is its own for large supercells."""
    atoms, coordinates, matrix = MATRICES[name]
    made(tmp_path, atoms, coordinates, np.array(matrix), smith=smith)
    if smith and name == "sheared":
        # phonopy 4.10 places atoms by the matrix and the lattice by its transpose: no such crystal.
        with pytest.raises(DataError, match="supercell in the file is not that of its unit cell"):
            datasets.load(str(tmp_path))
        return
    case, crystal, constants, _ = reference(tmp_path)
    np.testing.assert_allclose(models(case, crystal), constants, atol=1e-7)


@pytest.mark.seconds
def test_a_conventional_cell_and_its_primitive_cell(tmp_path: Path) -> None:
    cell = bulk("Cu", "fcc", a=3.6, cubic=True)
    for name, shift in (("here", 0.0), ("there", -0.3), ("below", -1e-13)):
        made(tmp_path / name, cell, cell.get_scaled_positions() + shift, primitive="F")
        case, crystal, constants, frequencies = reference(tmp_path / name)
        assert len(crystal.primitive) == 1
        np.testing.assert_allclose(models(case, crystal), constants, atol=1e-7)
        found = phonopys(tmp_path / name, crystal.commensurate())
        np.testing.assert_allclose(found, frequencies, atol=5e-3)


@pytest.mark.seconds
def test_another_supercell_in_the_file_is_refused(tmp_path: Path) -> None:
    """Two atoms exchanged, atoms of another place, another lattice, other elements."""

    def exchanged(points: list[dict[str, Any]], lattice: list[list[float]]) -> None:
        points[1], points[2] = points[2], points[1]

    def moved(points: list[dict[str, Any]], lattice: list[list[float]]) -> None:
        points[3]["coordinates"][0] += 0.01

    def stretched(points: list[dict[str, Any]], lattice: list[list[float]]) -> None:
        lattice[0][0] *= 1.01

    def other(points: list[dict[str, Any]], lattice: list[list[float]]) -> None:
        points[0]["symbol"] = "Cu"

    for number, change in enumerate((exchanged, moved, stretched, other)):
        folder = tmp_path / str(number)
        made(folder, auCu3(), IDEAL)
        content = yaml.safe_load((folder / "phonopy_disp.yaml").read_text())
        change(content["supercell"]["points"], content["supercell"]["lattice"])
        (folder / "phonopy_disp.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(DataError, match="supercell in the file is not that of its unit cell"):
            datasets.load(str(folder))


def shuffled(seed: int) -> Change:
    def change(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
        return forces[:, np.random.default_rng(seed).permutation(forces.shape[1])]

    return change


def displaced_exchanged(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
    order = np.arange(forces.shape[1])
    order[[0, 1]] = order[[1, 0]]
    return forces[:, order]


def others_exchanged(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
    """Of the atoms that are never displaced, one near to the first and one far from it."""
    far = np.linalg.norm(forces[0], axis=1)
    far[[each["number"] for each in phonon.dataset["first_atoms"]]] = np.nan
    near, away = np.nanargmax(far), np.nanargmin(far)
    order = np.arange(forces.shape[1])
    order[[near, away]] = order[[away, near]]
    return forces[:, order]


WRONG = {
    "repeated": repeated,
    "shuffled": shuffled(0),
    "shuffled again": shuffled(1),
    "reversed": lambda phonon, forces: forces[:, ::-1],
    "rolled": lambda phonon, forces: np.roll(forces, 1, axis=1),
    "displaced atom exchanged": displaced_exchanged,
    "other atoms exchanged": others_exchanged,
    "wrong sign": lambda phonon, forces: -forces,
    "nothing": lambda phonon, forces: 0 * forces,
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("crystal", ["AuCu3", "Cu"])
def test_forces_in_another_order_are_refused(tmp_path: Path, name: str, crystal: str) -> None:
    atoms = auCu3() if crystal == "AuCu3" else bulk("Cu", "fcc", a=3.6, cubic=True)
    made(tmp_path / "x", atoms, atoms.get_scaled_positions(), change=WRONG[name])
    with pytest.raises(
        DataError, match=r"(?s)not look to be in the order.*eV/Å|.* %.*--trust-order"
    ):
        datasets.load(str(tmp_path))
    (case,) = each_as_a(
        PhononCase, datasets.load(str(tmp_path), trust_order=True).of_task("phonons")
    )
    assert "trusted" in case.notes[-1]


@pytest.mark.seconds
@pytest.mark.parametrize("residual", [0.02, 0.2, 2.0])
def test_forces_at_rest_are_no_reason_to_refuse(tmp_path: Path, residual: float) -> None:
    """A constant on each kind of atom, some larger than all that the displacement does."""

    def change(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
        at_rest = np.where(np.array(phonon.supercell.symbols) == "Au", 3, -1)
        return forces + residual * at_rest[None, :, None] * np.array([1.0, -0.5, 0.2])

    made(tmp_path, auCu3(), IDEAL, change=change)
    (case,) = each_as_a(PhononCase, datasets.load(str(tmp_path)).of_task("phonons"))
    assert "act on atoms at rest" in case.notes[0]


@pytest.mark.seconds
def test_units_that_are_not_those_of_the_code_are_refused(tmp_path: Path) -> None:
    for what, unit in (("force", "hartree/au"), ("force", "Ry/au"), ("length", "au")):
        made(tmp_path, auCu3(), IDEAL)
        content = yaml.safe_load((tmp_path / "phonopy_disp.yaml").read_text())
        content["physical_unit"][what] = unit
        (tmp_path / "phonopy_disp.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(DataError, match=f"{what}s in {unit}"):
            datasets.load(str(tmp_path))


@pytest.mark.seconds
@pytest.mark.parametrize("symprec", [1e-3, 1e-2])
def test_the_tolerance_of_the_file_counts(tmp_path: Path, symprec: float) -> None:
    """Of a cell that misses its symmetry by a tenth of the tolerance."""
    off = np.random.default_rng(3).uniform(-0.1, 0.1, size=(4, 3)) * symprec / A
    phonon = made(tmp_path, auCu3(), IDEAL + off, symprec=symprec)
    assert len(phonon.dataset["first_atoms"]) == 2
    assert len(Crystal(auCu3(IDEAL + off), TWOS, np.eye(3)).displacements().atoms) > 2
    _, crystal, _, frequencies = reference(tmp_path)
    found = phonopys(tmp_path, crystal.commensurate(), symprec)
    # phonopy symmetrises once, we three times.
    np.testing.assert_allclose(found[:, -1].max(), frequencies.max(), rtol=2e-3)


@pytest.mark.seconds
def test_isotopes_of_the_file_count(tmp_path: Path) -> None:
    """Copper of mass 65, gold of 200; masses that are merely phonopy's defaults change nothing."""
    for name, masses in (
        ("natural", None),
        ("65", [196.966569, 64.92779, 64.92779, 64.92779]),
        ("200", [200.0, 63.546, 63.546, 63.546]),
    ):
        made(tmp_path / name, auCu3(), IDEAL, masses=masses)
        case, crystal, _, frequencies = reference(tmp_path / name)
        found = phonopys(tmp_path / name, crystal.commensurate())
        np.testing.assert_allclose(found, frequencies, atol=5e-3)
        assert case.atoms.has("masses") == (masses is not None)
    ratio = reference(tmp_path / "65")[3].max() / reference(tmp_path / "natural")[3].max()
    # Between a mode of copper alone and one of gold alone.
    assert np.sqrt(63.546 / 64.92779) < ratio < 0.995
    identities = {identity(reference(tmp_path / name)[0]) for name in ("natural", "65", "200")}
    assert len(identities) == 3


@pytest.mark.seconds
def test_isotopes_on_some_sites_lower_the_symmetry() -> None:
    """One atom of four in fcc copper is heavier: no primitive cell makes one of them and the others."""
    cell = bulk("Cu", "fcc", a=3.6, cubic=True)
    cell.set_masses([70.0, 60.0, 60.0, 60.0])
    crystal = Crystal(cell, TWOS, None)
    assert len(crystal.primitive) == 4
    standard = Crystal.of(cell)
    assert len(standard.primitive) == 4
    assert sorted(standard.unitcell.get_masses()) == [60.0, 60.0, 60.0, 70.0]
    half = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    with pytest.raises(StructureError, match="masses differ"):
        Crystal(cell, TWOS, half)


@pytest.mark.seconds
def test_masses_of_a_structure_count() -> None:
    def highest(masses: list[float] | None) -> float:
        cell = bulk("Cu", "fcc", a=3.6)
        cell.set_masses(masses)
        crystal = PhononMeasurement("Cu", cell).crystal()
        displacements = crystal.displacements()
        forces = np.array([emt_forces(each) for each in crystal.displaced(displacements)])
        constants = crystal.force_constants(displacements, forces)
        return crystal.frequencies(constants, crystal.commensurate()).max()

    natural = highest(None)
    for mass in (70.0, 63.546, 1.0):
        expected = np.sqrt(atomic_masses[29] / mass)
        assert highest([mass]) / natural == pytest.approx(expected, rel=1e-9)


@pytest.mark.seconds
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("crystal", ["AuCu3", "wrapped", "layered"])
def test_random_displacements_are_read(tmp_path: Path, crystal: str, count: int) -> None:
    atoms, coordinates = {
        "AuCu3": (auCu3(), IDEAL),
        "wrapped": (
            auCu3(),
            np.add(IDEAL, np.array([[0, 0, -1e-14], [1, 0, 0], [0] * 3, [0] * 3])),
        ),
        "layered": (layered(), LAYERED),
    }[crystal]
    made(tmp_path, atoms, coordinates, random=count)
    case, of_case, constants, frequencies = reference(tmp_path)
    np.testing.assert_allclose(models(case, of_case), constants, atol=1e-6)
    found = phonopys(tmp_path, of_case.commensurate(), fc_calculator="symfc")
    np.testing.assert_allclose(found, frequencies, atol=5e-3)


@pytest.mark.seconds
def test_random_displacements_in_another_order_are_refused(tmp_path: Path) -> None:
    for number, change in enumerate(
        (WRONG["shuffled"], WRONG["reversed"], WRONG["wrong sign"], WRONG["rolled"])
    ):
        made(tmp_path / f"{number}", auCu3(), IDEAL, random=3, change=change)
        with pytest.raises(DataError, match="point against the displacements with a cosine of"):
            datasets.load(str(tmp_path / f"{number}"))
    made(tmp_path / "x", auCu3(), IDEAL, random=3)
    lines = (tmp_path / "x" / "FORCE_SETS").read_text().splitlines()
    for text, message in (
        (lines[:-1], "all atoms at once"),
        (lines[32:] + lines[:32], "other displacements"),
    ):
        (tmp_path / "x" / "FORCE_SETS").write_text("\n".join(text))
        with pytest.raises(DataError, match=message):
            datasets.load(str(tmp_path / "x"))


COMMAND = ["run", "phonons", "--model", "ase:ase.calculators.emt:EMT", "--device", "cpu"]


@pytest.mark.seconds
def test_a_failing_case_leaves_the_others_standing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A set that phonopy cannot solve is counted, one that is refused is named; a third is measured."""
    data = tmp_path / "data"
    made(data / "good", layered(), LAYERED)
    made(data / "refused", layered(), LAYERED, change=WRONG["wrong sign"])
    made(data / "few", layered(), LAYERED)
    few = data / "few"
    content = yaml.safe_load((few / "phonopy_disp.yaml").read_text())
    del content["displacements"][1:]
    (few / "phonopy_disp.yaml").write_text(yaml.safe_dump(content))
    lines = (few / "FORCE_SETS").read_text().splitlines()
    rest = [line for line in lines[2:] if line.strip()]
    (few / "FORCE_SETS").write_text("\n".join([lines[0], "1", *rest[: 2 + int(lines[0])]]))
    out = tmp_path / "run"
    assert main([*COMMAND, "--data", str(data), "--out", str(out)]) == 0
    shown = capsys.readouterr()
    records = [json.loads(line) for line in (out / "cases.jsonl").read_text().splitlines()]
    assert {r["case"]: r["status"] for r in records} == {"good": "done", "few": "failed"}
    assert "few: " in shown.err
    assert "phonopy fails" in shown.err
    assert "force sets left out, 1 of 1" in " ".join(shown.out.split())


@pytest.mark.seconds
def test_trust_order_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "x", auCu3(), IDEAL, change=repeated)
    command = [*COMMAND, "--data", str(tmp_path / "x"), "--out", str(tmp_path / "run")]
    assert main(command) == 2
    assert "--trust-order" in capsys.readouterr().err
    assert main([*command, "--trust-order"]) == 0
    assert "the order of the forces was trusted" in " ".join(capsys.readouterr().out.split())


GIVEN = {
    "phonopy_coordinate_1.0": 6.719,
    "phonopy_one_negative_component": None,
    "phonopy_relaxed_by_ase": 6.719,
    "phonopy_symprec": 6.923,
    "phonopy_random": None,
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", GIVEN)
def test_force_sets_that_went_wrong(tmp_path: Path, name: str) -> None:
    folder = INPUTS / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    out = tmp_path / "run"
    assert main([*COMMAND, "--data", str(folder), "--out", str(out)]) == 0
    (record,) = map(json.loads, (out / "cases.jsonl").read_text().splitlines())
    metrics = record["metrics"]
    assert metrics["fixed_max_ratio"] == pytest.approx(1, abs=1e-4)
    assert metrics["fixed_force_constant_r2"] == pytest.approx(1, abs=1e-4)
    assert metrics["fixed_entropy_error"] == pytest.approx(0, abs=1e-2)
    if GIVEN[name] is not None:
        assert metrics["fixed_reference_highest"] == pytest.approx(GIVEN[name], abs=6e-3)


def test_forces_in_another_order_that_went_wrong() -> None:
    folder = INPUTS / "phonopy_other_atom_order"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    with pytest.raises(DataError, match="not look to be in the order of the supercell"):
        datasets.load(str(folder))


def at_rest(amplitude: float) -> Change:
    """Forces that are there without displacement, the same on each image of an atom."""

    def change(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
        atoms = Atoms(
            phonon.unitcell.symbols,
            cell=phonon.unitcell.cell,
            scaled_positions=phonon.unitcell.scaled_positions,
            pbc=True,
        )
        unit = [phonon.supercell.u2u_map[k] for k in phonon.supercell.s2u_map]
        return forces + amplitude * emt_forces(atoms)[unit]

    return change


def ratios(folder: Path, out: Path, model: str = COMMAND[3]) -> dict[str, float]:
    """What a run says of a folder, with EMT on both sides."""
    command = ["run", "phonons", "--model", model, "--device", "cpu"]
    assert main([*command, "--data", str(folder), "--out", str(out)]) == 0
    (record,) = map(json.loads, (out / "cases.jsonl").read_text().splitlines())
    return record["metrics"]


OFF = np.random.default_rng(5).uniform(-1, 1, size=(4, 3)) / A
ASYMMETRIC = {
    "AuCu3 1e-4": (auCu3, IDEAL, OFF * 1e-4, TWOS, 1e-3),
    "AuCu3 2e-3": (auCu3, IDEAL, OFF * 2e-3, TWOS, 1e-2),
    "CuAu 5e-4": (layered, LAYERED, OFF[:2] * 5e-4, TWOS, 2e-3),
    "CuAu, a supercell of less symmetry": (
        layered,
        LAYERED,
        OFF[:2] * 5e-4,
        np.array([[3, 0, 0], [0, 2, 0], [0, 0, 2]]),
        2e-3,
    ),
}


@pytest.mark.seconds
@pytest.mark.parametrize("taken_off", [False, True])
@pytest.mark.parametrize("name", ASYMMETRIC)
def test_forces_of_a_cell_that_misses_its_symmetry(
    tmp_path: Path, name: str, taken_off: bool
) -> None:
    """Forces at rest are in both sides' force constants, or (``phonopy --fz``) in neither's."""
    atoms, ideal, off, matrix, symprec = ASYMMETRIC[name]
    change = at_rest(-1) if taken_off else None
    made(tmp_path / "x", atoms(), ideal + off, matrix, symprec=symprec, change=change)
    metrics = ratios(tmp_path / "x", tmp_path / "run")
    assert metrics["fixed_max_ratio"] == pytest.approx(1, abs=1e-4)
    assert metrics["fixed_force_constant_slope"] == pytest.approx(1, abs=1e-4)
    assert metrics["fixed_force_constant_r2"] == pytest.approx(1, abs=1e-4)


@pytest.mark.seconds
@pytest.mark.parametrize("amplitude", [1.0, 0.0])
def test_forces_at_rest_of_random_displacements(tmp_path: Path, amplitude: float) -> None:
    """A cell that is not at rest: two atoms of copper are 0.1 Å out of their plane."""
    off = np.add(IDEAL, np.array([[0, 0, 0], [0, 0, 0.03], [0, 0, 0.03], [0, 0, 0]]))
    made(tmp_path / "x", auCu3(), off, random=6, change=at_rest(amplitude - 1))
    metrics = ratios(tmp_path / "x", tmp_path / "run")
    assert metrics["fixed_max_ratio"] == pytest.approx(1, abs=1e-4)
    assert metrics["fixed_force_constant_slope"] == pytest.approx(1, abs=1e-4)


def two_exchanged(first: int, second: int) -> Change:
    """Forces of two atoms of one element, which a supercell numbers from 0."""

    def change(phonon: Phonopy, forces: np.ndarray) -> np.ndarray:
        order = np.arange(forces.shape[1])
        order[[first, second]] = order[[second, first]]
        return forces[:, order]

    return change


LOW = np.array([[0.02, 0.03, 0.01], [0.51, 0.48, 0.03], [0.47, 0.02, 0.53], [-0.02, 0.52, 0.47]])
"""Of AuCu3 without any symmetry."""


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("coordinates", "random", "pair", "said"),
    [
        (IDEAL, 2, (8, 15), "9 (Cu) look like those of 16"),
        (IDEAL, 3, (0, 7), "1 (Au) look like those of 8"),
        (LOW, 16, (8, 25), "of the forces unexplained"),
        (LOW, 40, (9, 30), "of the forces unexplained"),
    ],
)
def test_two_exchanged_atoms_of_random_displacements(
    tmp_path: Path, coordinates: np.ndarray, random: int, pair: tuple[int, int], said: str
) -> None:
    for name, change in (("clean", None), ("exchanged", two_exchanged(*pair))):
        made(tmp_path / name, auCu3(), coordinates, random=random, change=change)
    assert len(datasets.load(str(tmp_path / "clean")).of_task("phonons")) == 1
    with pytest.raises(DataError, match="not look to be in the order") as raised:
        datasets.load(str(tmp_path / "exchanged"))
    assert said in str(raised.value)
    (case,) = each_as_a(
        PhononCase, datasets.load(str(tmp_path / "exchanged"), trust_order=True).of_task("phonons")
    )
    assert "trusted" in case.notes[-1]


@pytest.mark.seconds
def test_a_crystal_without_symmetry_is_read(tmp_path: Path) -> None:
    made(tmp_path / "x", auCu3(), LOW)
    assert len(datasets.load(str(tmp_path / "x")).of_task("phonons")) == 1
