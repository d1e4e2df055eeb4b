"""Labels in the forms that people have: equal numbers through `data import`, `run` and `fit`."""

import json
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pandas as pd
import pytest
import yaml
from ase.build import bulk

from tests.support.forms import FORMS, Form, frames, mptrj, n2p2, outcar_text, plain_records
from tests.support.narrowing import as_a, some
from umlip_bench import datasets
from umlip_bench.cli import main
from umlip_bench.cli.finetune import main as finetune_main
from umlip_bench.datasets.cases import MigrationCase, PathMethod
from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.errors import DataError

LABELS = frames()
BONDS = "ase:tests.support.forms:Bonds"


def same(found: Sequence[Frame], form: Form) -> None:
    """Equal to what was written, up to the order of atoms."""
    assert len(found) == len(LABELS)
    for a, b in zip(found, LABELS, strict=True):
        order = np.lexsort((*np.round(b.atoms.positions.T, 4), b.atoms.numbers))
        mine = np.lexsort((*np.round(a.atoms.positions.T, 4), a.atoms.numbers))
        atol = form.atol
        assert a.energy == pytest.approx(b.energy, abs=atol)
        assert a.system == "MgO"
        np.testing.assert_array_equal(a.atoms.numbers[mine], b.atoms.numbers[order])
        np.testing.assert_allclose(a.atoms.positions[mine], b.atoms.positions[order], atol=atol)
        np.testing.assert_allclose(a.atoms.cell.array, b.atoms.cell.array, atol=atol)
        np.testing.assert_allclose(a.forces[mine], b.forces[order], atol=atol)
        if form.stress:
            np.testing.assert_allclose(some(a.stress), some(b.stress), atol=atol)
        else:
            assert a.stress is None


def test_the_table_has_thirty_forms() -> None:
    assert len(FORMS) >= 30
    assert len(LABELS) == 6


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_imported(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    form = FORMS[name]
    given, out = form.write(tmp_path, LABELS), tmp_path / "imported.xyz"
    assert main(["data", "import", str(given), *form.options, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "6 labels of" in said
    assert "materials, with their frames: MgO 6." in said
    same(datasets.load(str(out)).frames, form)
    # A second time it is the same; what is another's is kept.
    assert main(["data", "import", str(given), *form.options, "--out", str(out)]) == 0
    assert main(["data", "check", str(given), *form.options]) in (0, 1)
    assert "6 frames of 1 materials" in capsys.readouterr().out


@pytest.fixture(scope="module")
def standard(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], float]:
    """What the standard form gives."""
    return numbers(FORMS["REF_"], tmp_path_factory.mktemp("standard"))


def numbers(form: Form, folder: Path) -> tuple[dict[str, float], float]:
    """Rows of a run, and the factor of a fit."""
    data = str(form.write(folder, LABELS))
    common = ["--device", "cpu", "--dtype", "float64", *form.options]
    run = ["run", "high-energy", "--model", BONDS, "--data", data, *common]
    assert main([*run, "--out", str(folder / "run")]) == 0
    rows = json.loads((folder / "run" / "summary.json").read_text())["rows"]
    fit = ["fit", "--model", BONDS, "--labels", data, "--estimator", "mse", *common]
    fit += ["--reference", "Mg=0", "--reference", "O=0"]
    assert finetune_main([*fit, "--out", str(folder / "fit")]) == 0
    card = yaml.safe_load((folder / "fit" / "card.yaml").read_text())
    return {row["metric"]: row["value"] for row in rows}, card["scalar"]["factor"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_run_and_fitted(
    tmp_path: Path, name: str, standard: tuple[dict[str, float], float]
) -> None:
    form = FORMS[name]
    rows, factor = numbers(form, tmp_path)
    for metric, value in standard[0].items():
        if form.stress or "stress" not in metric:
            assert rows[metric] == pytest.approx(value, rel=1e-5, abs=1e-5), metric
    assert factor == pytest.approx(standard[1], rel=1e-5)


def test_what_units_are_is_asked(tmp_path: Path) -> None:
    path = n2p2(1.0, 1.0)(tmp_path, LABELS)
    with pytest.raises(DataError, match="say --units atomic for bohr and hartree"):
        datasets.load(str(path))
    path = plain_records(tmp_path, LABELS)
    dataset = datasets.load(str(path))
    assert dataset.frames[0].stress is None
    (caveat,) = dataset.manifest.caveats
    assert "6 labels: stresses are not used, as nothing says what they are in" in caveat


def test_corrected_energies_of_chgnet_are_taken_where_they_are_named(tmp_path: Path) -> None:
    path = mptrj(tmp_path, LABELS)
    reading = datasets.LabelReading(energy_key="corrected_total_energy")
    for frame, label in zip(datasets.load(str(path), reading=reading).frames, LABELS, strict=True):
        assert frame.energy == pytest.approx(label.energy - 2.7)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.json", "[]", "no records with a structure"),
        ("bad.json", "{", "JSONDecodeError"),
        ("bare.json", '{"structure": 3}', "it has no structure"),
        ("x.parquet", "PAR1", "Arrow"),
        ("my.data", "begin\natom 0 0\nend\n", "--units"),
        ("notes.pdf", "%PDF", "not readable"),
    ],
)
def test_what_is_none_of_these_forms(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        datasets.load(str(tmp_path / name))


def test_a_table_of_two_atoms(tmp_path: Path) -> None:
    """Six numbers are a stress in one column and forces in another."""
    atoms = bulk("MgO", "rocksalt", a=4.3)
    row = {
        "numbers": atoms.numbers.tolist(),
        "pos": atoms.positions.ravel().tolist(),
        "cell": atoms.cell.array.ravel().tolist(),
        "energy": -11.0,
        "forces": [0.1, 0.2, 0.3, -0.1, -0.2, -0.3],
        "stress": [0.01, 0.02, 0.03, 0.004, 0.005, 0.006],
    }
    pd.DataFrame([row, row]).to_parquet(tmp_path / "my.parquet")
    first, _ = datasets.load(str(tmp_path / "my.parquet")).frames
    np.testing.assert_array_equal(first.forces, [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    assert some(first.stress)[1, 2] == 0.004
    np.testing.assert_allclose(first.atoms.positions, atoms.positions)


def test_arrays_of_deepmd_without_elements(tmp_path: Path) -> None:
    folder = FORMS["deepmd/npy"].write(tmp_path, LABELS)
    before = datasets.load(str(folder)).sha256
    energies = next(folder.glob("set.*/energy.npy"))
    np.save(energies, np.load(energies) + 1.0)
    assert datasets.load(str(folder)).sha256 != before
    (folder / "type_map.raw").unlink()
    with pytest.raises(DataError, match=r"no type_map.raw, and so no elements"):
        datasets.load(str(folder))


# ---- VASP's bands


def band(folder: Path, with_ends: bool = True) -> list[float]:
    """A vacancy hop in four folders; a relaxation of two steps in each but the ends'."""
    host = bulk("MgO", "rocksalt", a=4.25, cubic=True).repeat((2, 1, 1))
    del host[0]
    moving = 1
    energies = [0.0, 0.7, 0.6, 0.05]
    for k, energy in enumerate(energies):
        atoms = host.copy()
        atoms.positions[moving] += k / 3 * np.array([0.0, -2.1, -2.1])
        image = folder / f"{k:02d}"
        image.mkdir(parents=True)
        steps = [
            Frame(atoms, energy + extra, np.zeros((len(atoms), 3)), np.eye(3) * 0.01, "MgO", 0)
            for extra in ((0.3, 0.0) if k in (1, 2) else (0.0,))
        ]
        order = np.argsort(atoms.numbers)[::-1]
        ase.io.write(image / "POSCAR", atoms[order], format="vasp")
        if k in (1, 2) or with_ends:
            (image / "OUTCAR").write_text(sorted_outcar(steps))
    return energies


def sorted_outcar(steps: list[Frame]) -> str:
    text = outcar_text(steps)
    n = [str(list(steps[0].atoms.symbols).count(s)) for s in ("Mg", "O")]
    return text.replace("ions per type =               4   4", f"ions per type = {'  '.join(n)}")


def test_folders_of_a_band_are_a_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Energies of the last steps, at the images that VASP relaxed."""
    energies = band(tmp_path / "hop")
    (tmp_path / "hop" / "INCAR").write_text("IMAGES = 2\n")
    for given, name in ((tmp_path / "hop", "hop"), (tmp_path, "hop")):
        dataset = datasets.load(str(given))
        (case,) = dataset.of_task("migration")
        path = as_a(MigrationCase, case)
        assert (path.name, path.method, path.moving_ion) == (name, PathMethod.NEB, moving(path))
        np.testing.assert_allclose(path.energies, energies, atol=1e-8)
        assert path.forces is None
        assert dataset.manifest.level_of_theory.functional == "PBE"
        assert not dataset.frames
    out = tmp_path / "path.xyz"
    assert main(["data", "import", str(tmp_path / "hop"), "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "a nudged elastic band of VASP's, 4 images, 4 with the energy" in said
    again = as_a(MigrationCase, *datasets.load(str(out)).of_task("migration"))
    np.testing.assert_allclose(again.energies, energies, atol=1e-8)
    assert again.moving_ion == path.moving_ion


def moving(path: MigrationCase) -> int:
    """The atom that goes farthest."""
    away = path.images[-1].positions - path.images[0].positions
    return int(np.linalg.norm(away, axis=1).argmax())


def test_ends_of_a_band_without_output(tmp_path: Path) -> None:
    """Geometry from POSCAR, no barrier, and what to do."""
    band(tmp_path / "hop", with_ends=False)
    dataset = datasets.load(str(tmp_path))
    (case,) = dataset.of_task("migration")
    path = as_a(MigrationCase, case)
    assert np.isnan(path.energies[[0, -1]]).all()
    said = " ".join(dataset.manifest.caveats)
    assert "put the OUTCAR or vasprun.xml of each relaxed end point into its folder" in said
    (tmp_path / "hop" / "00" / "POSCAR").unlink()
    (tmp_path / "hop" / "00" / "notes").write_text("")
    with pytest.raises(DataError, match="holds no image"):
        datasets.load(str(tmp_path))
