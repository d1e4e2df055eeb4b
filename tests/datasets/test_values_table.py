"""Tables of values: numbers from papers, for crystals and slabs."""

import csv
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE
from ase.units import GPa, J, m

from tests.support.narrowing import as_a, each_as_a
from umlip_bench import datasets
from umlip_bench.analysis.runs import read_run
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.migration.case import Migration
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.cli import main
from umlip_bench.datasets import extxyz
from umlip_bench.datasets.barrier_case import BarrierCase
from umlip_bench.datasets.cases import (
    DefectCase,
    ElasticCase,
    EosCase,
    Preparation,
    SurfaceCase,
)
from umlip_bench.datasets.phonon_cases import FrequencyCase
from umlip_bench.ground.errors import DataError

HEADER = ("structure", "quantity", "value", "unit", "functional", "source")
# About what handbooks have: bulk and shear moduli, GPa, and lattice constants, Å, of ten metals.
METALS = {
    "Al": (76.0, 26.0, 4.05),
    "Cu": (137.0, 47.0, 3.61),
    "Ag": (103.0, 30.0, 4.09),
    "Au": (171.0, 28.0, 4.08),
    "Ni": (183.0, 85.0, 3.52),
    "Pd": (193.0, 48.0, 3.89),
    "Pt": (283.0, 64.0, 3.92),
    "Ir": (358.0, 217.0, 3.84),
    "Rh": (271.0, 155.0, 3.80),
    "Pb": (44.0, 10.0, 4.95),
}


def write(folder: Path, rows: Sequence[Sequence[object]], header: Sequence[str] = HEADER) -> str:
    path = folder / "values.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return str(path)


def crystal(folder: Path, symbol: str, a: float | None = None) -> str:
    atoms = bulk(symbol, "fcc", a=a or METALS[symbol][2] * 1.01)
    ase.io.write(folder / f"{symbol}.cif", atoms)
    return f"{symbol}.cif"


@pytest.mark.seconds
def test_ten_crystals_of_one_table_are_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for symbol, (K, G, a) in METALS.items():
        file = crystal(tmp_path, symbol)
        for quantity, value, unit in (
            ("bulk_modulus", K, "GPa"),
            ("shear_modulus", 10 * G, "kbar"),
            ("lattice_constant", a, "A"),
        ):
            rows.append([file, quantity, value, unit, "experiment", "a handbook"])
    data = write(tmp_path, rows)
    dataset = datasets.load(data)
    assert dataset.manifest.level_of_theory.functional == "experiment"
    assert "where a page says DFT, it stands for experiment" in dataset.manifest.caveats[0]
    elastic = each_as_a(ElasticCase, dataset.of_task("elastic"))
    curves = each_as_a(EosCase, dataset.of_task("eos"))
    assert [case.system for case in elastic] == [case.system for case in curves] == list(METALS)
    for case, curve in zip(elastic, curves, strict=True):
        K, G, a = METALS[case.system]
        assert case.bulk_modulus == pytest.approx(K * GPa)
        assert case.shear_modulus == pytest.approx(G * GPa)
        assert curve.volume == pytest.approx(a**3 / 4, rel=1e-6)
        # The geometry that the values are of, not that of the file.
        assert curve.atoms.get_volume() == pytest.approx(a**3 / 4, rel=1e-6)
        assert case.atoms.get_volume() == pytest.approx(a**3 / 4, rel=1e-6)
    assert main(["data", "check", data]) == 1  # what stands for DFT is said
    shown = " ".join(capsys.readouterr().out.split())
    assert "30 values of 10 structures, from a handbook; cases: 10 of elastic, 10 of eos" in shown
    assert "10 cases of elastic" in shown
    command = ["run", "eos", "--model", "ase:ase.calculators.emt:EMT", "--data", data]
    assert main([*command, "--device", "cpu", "--out", str(tmp_path / "run")]) == 0
    found = {r.metric: r for r in read_run(tmp_path / "run").rows if r.variant == "relaxed"}
    # EMT knows seven of them; it was fitted to their bulk moduli.
    assert found["bulk_modulus_scale_median"].value == pytest.approx(1.0, abs=0.15)
    assert found["bulk_modulus_scale_median"].n_failed == 3


def test_a_published_set_as_a_table(tmp_path: Path) -> None:
    """Curves of the Delta project: volume, modulus and its derivative."""
    published = each_as_a(EosCase, datasets.load("ase-dcdft").of_task("eos"))[:12]
    rows: list[list[object]] = []
    for k, case in enumerate(published):
        atoms = case.atoms.copy()
        atoms.info = {}
        ase.io.write(tmp_path / f"{k}.xyz", atoms, format="extxyz")
        for quantity, value, unit in (
            ("volume", case.volume, "A3"),
            ("bulk_modulus", case.bulk_modulus, "eV/A3"),
            ("bulk_modulus_derivative", case.bulk_modulus_derivative, ""),
        ):
            rows.append([f"{k}.xyz", quantity, repr(value), unit, "PBE", "Delta project"])
    write(tmp_path, rows)
    # In a folder the structures are part of the table, and no labels that lack something.
    dataset = datasets.load(str(tmp_path))
    assert not dataset.manifest.caveats
    found = each_as_a(EosCase, dataset.of_task("eos"))
    assert len(found) == len(published)
    for a, b in zip(found, published, strict=True):
        assert a.volume == pytest.approx(b.volume, rel=1e-9)
        assert a.bulk_modulus == pytest.approx(b.bulk_modulus, rel=1e-9)
        assert a.bulk_modulus_derivative == pytest.approx(b.bulk_modulus_derivative, rel=1e-9)
        assert a.atoms.get_volume() == pytest.approx(b.atoms.get_volume(), rel=1e-6)


def test_surface_energies_of_slabs(tmp_path: Path) -> None:
    slab = fcc111("Cu", (1, 1, 6), vacuum=8, a=3.61)
    slab.pbc = True
    ase.io.write(
        tmp_path / "slab.xyz", Atoms(slab.symbols, slab.positions, cell=slab.cell, pbc=True)
    )
    rows = [
        ["slab.xyz", "surface_energy", 1.3, "J/m2", "PBE", "", "1 1 1", crystal(tmp_path, "Cu")]
    ]
    data = write(tmp_path, rows, (*HEADER, "miller", "bulk"))
    case = as_a(SurfaceCase, *datasets.load(data).of_task("surfaces"))
    assert case.surface_energy == pytest.approx(1.3 * J / m**2)
    assert (case.name, case.miller_index) == ("Cu (1 1 1)", (1, 1, 1))
    assert case.preparation is Preparation.RELAXED


MORE = (*HEADER, "ion", "distance", "end", "degeneracy")


@pytest.mark.seconds
def test_ten_crystals_with_vacancies_and_frequencies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """About what papers have of vacancies (eV), and of one barrier and one optical mode."""
    rows: list[list[object]] = []
    for symbol, (_, _, a) in METALS.items():
        file = crystal(tmp_path, symbol)
        rows.append([file, "lattice_constant", a, "A", "experiment", "a handbook"])
        rows.append([file, "vacancy_energy", 1.0, "eV", "experiment", "a review"])
    rows.append(["Cu.cif", "migration_barrier", 700, "meV", "experiment", "a review", "Cu"])
    rows += [["hcp.cif", "gamma_frequency", 2.6, "THz", "experiment", "", "", "", "", 2]]
    rows += [["hcp.cif", "gamma_frequency", 150, "cm-1", "experiment", ""]]
    ase.io.write(tmp_path / "hcp.cif", bulk("Cu", "hcp", a=2.55, c=4.16))
    dataset = datasets.load(write(tmp_path, rows, MORE))
    vacancies = each_as_a(DefectCase, dataset.of_task("defects"))
    assert [case.system for case in vacancies] == list(METALS)
    assert {case.formation_energy for case in vacancies} == {1.0}
    for case in vacancies:
        assert case.exchanged == {case.system: -1}
        heights = 1 / np.linalg.norm(case.host.cell.reciprocal().array, axis=1)
        assert heights.min() >= 9.0
    barrier = as_a(BarrierCase, *dataset.of_task("migration"))
    assert barrier.barrier == pytest.approx(0.7)
    modes = as_a(FrequencyCase, *dataset.of_task("phonons"))
    # 1 THz is 33.3564 1/cm.
    assert modes.frequencies == pytest.approx(np.array([[0, 0, 0, 2.6, 2.6, 150 / 33.35641]]))
    command = [
        "run",
        "--model",
        "ase:ase.calculators.emt:EMT",
        "--data",
        str(tmp_path / "values.csv"),
    ]
    command += ["--device", "cpu", "--jobs", "1", "--out", str(tmp_path / "run")]
    assert main([*command, "defects", "migration", "phonons"]) == 0
    shown = capsys.readouterr().out
    assert "the data were measured" in shown
    run = read_run(tmp_path / "run")
    found = {(r.suite, r.variant, r.metric): r for r in run.rows}
    short = " ".join(shown.split())
    assert "defects" in short.partition("model over DFT")[2]
    assert "undecided (neb)" in short
    own = found["defects", "relaxed", "system_ratio_median"]
    # EMT knows seven of them, and was fitted to their vacancies: 1.0 to 1.6 eV but for lead's.
    assert (own.n_cases, own.n_failed) == (7, 3)
    assert 0.5 < own.value < 2.0
    assert found["defects", "fixed-geometry", "system_ratio_median"].n_cases == 0
    hop = found["migration", "neb", "system_ratio_median"]
    assert hop.n_cases == 1
    assert 0.2 < hop.value < 2.0
    assert found["migration", "fixed-geometry", "system_ratio_median"].n_cases == 0
    assert found["phonons", "fixed-geometry", "curvature_scale_median"].n_cases == 1
    assert main(["report", str(tmp_path / "run")]) == 0


@pytest.mark.seconds
def test_vacancies_of_a_compound(tmp_path: Path) -> None:
    """Each against relaxations with ASE alone: the atom that is taken out goes to the metal's own crystal."""
    crystal = bulk("Cu", cubic=True, a=3.8)
    crystal.symbols[0] = "Au"
    ase.io.write(tmp_path / "Cu3Au.cif", crystal)
    rows = [["Cu3Au.cif", "vacancy_energy", 1.0, "eV", "", "", ion] for ion in ("Au", "Cu")]
    data = write(tmp_path, rows, MORE)
    command = ["run", "defects", "--model", "ase:ase.calculators.emt:EMT", "--data", data]
    assert main([*command, "--device", "cpu", "--jobs", "1", "--out", str(tmp_path / "run")]) == 0
    run = read_run(tmp_path / "run")
    found = run.cases("defects").set_index("case").relaxed_model

    def relaxed(atoms: Atoms, cell: bool = False) -> Atoms:
        atoms = atoms.copy()
        atoms.calc = EMT()
        FIRE(FrechetCellFilter(atoms) if cell else atoms, logfile=None).run(
            fmax=0.02 if cell else 0.05
        )
        return atoms

    host = relaxed(crystal, cell=True).repeat(3)
    host.calc = EMT()
    for element, index in (("Au", 0), ("Cu", 1)):
        vacant = host.copy()
        del vacant[index]
        own = relaxed(bulk(element), cell=True).get_potential_energy()
        expected = relaxed(vacant).get_potential_energy() - host.get_potential_energy() + own
        # Converged to 0.005 eV/Å they are 11 meV lower.
        assert found[f"AuCu3 V_{element}"] == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize(
    ("ions", "words"),
    [
        (["Ag"], "ion is 'Ag'; the crystal has Au, Cu"),
        (["Cu", "Cu"], "vacancy_energy of Cu of Cu3Au.cif is there twice"),
    ],
)
def test_vacancies_of_a_compound_that_are_none(
    tmp_path: Path, ions: Sequence[str], words: str
) -> None:
    crystal = bulk("Cu", cubic=True)
    crystal.symbols[0] = "Au"
    ase.io.write(tmp_path / "Cu3Au.cif", crystal)
    rows = [["Cu3Au.cif", "vacancy_energy", 1.0, "eV", "", "", ion] for ion in ions]
    with pytest.raises(DataError, match="line 2: ") as caught:
        datasets.load(write(tmp_path, rows, MORE))
    assert words in str(caught.value)


def test_a_hop_that_is_not_there_is_named(tmp_path: Path) -> None:
    rows = [[crystal(tmp_path, "Cu"), "migration_barrier", 0.7, "eV", "", "", "Cu", 9.9]]
    dataset = datasets.load(write(tmp_path, rows, MORE))
    with pytest.raises(DataError, match=r"no hops of 9.90 Å .* there are Cu0-Cu0 2.58 Å"):
        load_suite("migration").cases(dataset, Mode.STANDARD)


def test_a_hop_between_two_structures(tmp_path: Path) -> None:
    first = bulk("Cu", cubic=True).repeat(2)
    hop = first.positions[1] - first.positions[0]
    del first[1]
    last = first.copy()
    last.positions[0] += hop
    for name, atoms in (("first.xyz", first), ("last.xyz", last)):
        ase.io.write(tmp_path / name, atoms, format="extxyz")
    rows = [["first.xyz", "migration_barrier", 0.7, "eV", "", "", "Cu", "", "last.xyz", ""]]
    (case,) = load_suite("migration").cases(
        datasets.load(write(tmp_path, rows, MORE)), Mode.STANDARD
    )
    path = as_a(Migration, case)
    assert (path.moving, path.barrier, len(path.images)) == (0, 0.7, 7)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (["Cu.cif", "hardness", 1, "GPa", "", ""], "quantity is 'hardness'; allowed: bulk_modulus"),
        (
            ["Cu.cif", "bulk_modulus", 1, "psi", "", ""],
            "unit of bulk_modulus is 'psi'; allowed: GPa",
        ),
        (["Cu.cif", "bulk_modulus", "n/a", "GPa", "", ""], "value is 'n/a'"),
        (["Cu.cif", "bulk_modulus", -5, "GPa", "", ""], "above 0"),
        (["Fe.cif", "bulk_modulus", 5, "GPa", "", ""], "there is no structure"),
        (["../Cu.cif", "bulk_modulus", 5, "GPa", "", ""], "outside the table's folder"),
        (["Cu.cif", "bulk_modulus", 137, "GPa", "", ""], "bulk_modulus alone is no case"),
        (["Cu.cif", "surface_energy", 1.3, "J/m2", "", ""], "takes the columns miller and bulk"),
        (
            ["NaCl.cif", "vacancy_energy", 1.3, "eV", "", ""],
            "takes the column ion where a crystal has several elements (Cl, Na)",
        ),
        (
            ["NaCl.cif", "migration_barrier", 1.3, "eV", "", ""],
            "ion is ''; a migration_barrier takes",
        ),
        (
            ["NaCl.cif", "gamma_frequency", 5.1, "THz", "", ""],
            "has 3 optical modes, the gamma_freq",
        ),
    ],
)
def test_lines_that_make_no_case_are_named(
    tmp_path: Path, row: Sequence[object], words: str
) -> None:
    crystal(tmp_path, "Cu")
    ase.io.write(tmp_path / "NaCl.cif", bulk("NaCl", "rocksalt", a=5.6))
    with pytest.raises(DataError, match="line 2: ") as caught:
        datasets.load(write(tmp_path, [row]))
    assert words in str(caught.value)
    # Beside others it is left out, and counted.
    aluminium = crystal(tmp_path, "Al")
    good = [[aluminium, "bulk_modulus", 76, "GPa", "", ""]]
    good += [[aluminium, "shear_modulus", 26, "GPa", "", ""]]
    dataset = datasets.load(write(tmp_path, [row, *good]))
    assert len(dataset.of_task("elastic")) == 1
    assert any(words in caveat for caveat in dataset.manifest.caveats)


def test_functionals_are_not_mixed(tmp_path: Path) -> None:
    crystal(tmp_path, "Cu")
    rows = [["Cu.cif", f"{kind}_modulus", 100, "GPa", kind, ""] for kind in ("bulk", "shear")]
    with pytest.raises(DataError, match="values of several functionals"):
        datasets.load(write(tmp_path, rows))
    data = write(tmp_path, [[*row[:4], "PBE", ""] for row in rows])
    with pytest.raises(DataError, match="--functional says r2SCAN"):
        datasets.load(data, reading=datasets.LabelReading(functional="r2SCAN"))


def test_measured_values_are_not_beside_labels(tmp_path: Path) -> None:
    crystal(tmp_path, "Cu")
    rows = [
        ["Cu.cif", f"{kind}_modulus", 100, "GPa", "experiment", ""] for kind in ("bulk", "shear")
    ]
    write(tmp_path, rows)
    extxyz.write_frames(tmp_path / "my.xyz", datasets.load("pbe-mini").by_system()["Al"])
    with pytest.raises(DataError, match="which 5 labels beside it are not"):
        datasets.load(str(tmp_path))


def test_a_table_of_something_else_is_skipped(tmp_path: Path) -> None:
    crystal(tmp_path, "Cu")
    rows = [["Cu.cif", f"{kind}_modulus", 100, "GPa", "PBE", ""] for kind in ("bulk", "shear")]
    write(tmp_path, rows)
    (tmp_path / "bands.csv").write_text("k,energy\n0,1\n")
    dataset = datasets.load(str(tmp_path))
    assert any("bands.csv" in each.text for each in dataset.understood)
