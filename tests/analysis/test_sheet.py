"""The property sheet of a structure without reference values, in every place that has it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from rich.console import Console

import umlip_bench
from tests.support.report_runs import bands
from umlip_bench.analysis.export import export_run
from umlip_bench.analysis.properties import Property
from umlip_bench.analysis.sheet import print_sheet, property_sheet
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.elastic.properties import distinct
from umlip_bench.benchmarks.elastic.result import ElasticComparison
from umlip_bench.benchmarks.phonons.properties import imaginary_modes, optical_at_gamma
from umlip_bench.benchmarks.phonons.result import PhononComparison
from umlip_bench.ground.conventional_cell import conventional_cell
from umlip_bench.ground.units import GPA
from umlip_bench.running.measured_run import MeasuredRun

CUBIC = np.diag([160.0, 160.0, 160.0, 80.0, 80.0, 80.0])
CUBIC[:3, :3] += 100.0 * (1 - np.eye(3))
HEXAGONAL = np.diag([200.0, 200.0, 220.0, 40.0, 40.0, 50.0])
HEXAGONAL[:2, :2] += 100.0 * (1 - np.eye(2))
HEXAGONAL[:2, 2] = HEXAGONAL[2, :2] = 80.0
TRIGONAL = HEXAGONAL.copy()
for i, j, sign in ((0, 3, 1), (1, 3, -1), (4, 5, 1)):
    TRIGONAL[i, j] = TRIGONAL[j, i] = 12.0 * sign


@pytest.mark.parametrize(
    ("constants", "names"),
    [
        (CUBIC, "C11 C12 C44"),
        (HEXAGONAL, "C11 C12 C13 C33 C44 C66"),
        (TRIGONAL, "C11 C12 C13 C14 C33 C44 C66"),
    ],
)
def test_constants_that_symmetry_leaves_different(constants: np.ndarray, names: str) -> None:
    assert " ".join(f"C{i + 1}{j + 1}" for i, j in distinct(constants)) == names


def phonons(*, lowest: float) -> PhononComparison:
    """Γ, X in two equivalent places, and a wave vector that has no name."""
    whole = bands("crystal", 1.0)
    gamma, x = [0.0, 0.0, 0.0, 4.0, 4.0, 6.0], [lowest, 1.0, 2.0, 3.0, 3.0, 4.0]
    side = replace(whole.fixed, commensurate=np.array([gamma, x, x, [1.0, 1, 2, 3, 3, 5]]))
    points = whole.sampling.path.qpoints.copy()
    points[9] = points[10] = [0.5, 0.0, 0.0]
    sampling = replace(
        whole.sampling,
        path=replace(whole.sampling.path, qpoints=points),
        commensurate=np.array([[0.0, 0, 0], [0, 0.5, 0], [0.5, 0, 0], [0.25, 0, 0]]),
    )
    return replace(whole, reference=None, fixed=side, relaxed=None, sampling=sampling)


def test_imaginary_modes_are_named() -> None:
    found = phonons(lowest=-2.5)
    assert imaginary_modes(found.fixed, found.sampling) == "X: 1 of -2.50"
    assert optical_at_gamma(found.fixed, found.sampling) == "4.00 (x2), 6.00"


def test_no_imaginary_mode_is_none() -> None:
    found = phonons(lowest=0.5)
    assert imaginary_modes(found.fixed, found.sampling) == "none"


def test_lattice_constants_do_not_depend_on_cell_or_orientation() -> None:
    cubic = bulk("Cu", "fcc", a=3.6)
    turned = cubic.repeat((1, 2, 1))
    turned.rotate(37.0, "y", rotate_cell=True)
    for atoms in (cubic, turned):
        found = conventional_cell(atoms, 1e-3)
        assert found.space_group == "Fm-3m"
        assert found.constants == pytest.approx([3.6, 3.6, 3.6, 90, 90, 90], abs=1e-6)


def elastic(bulk_modulus: float, held: float) -> ElasticComparison:
    constants = np.diag([bulk_modulus] * 3 + [30.0] * 3) * GPA
    return ElasticComparison(
        "Cu", None, None, constants, relaxed_residual=0.0, held_bulk_modulus=held * GPA
    )


def test_two_values_of_one_quantity_are_explained() -> None:
    """The steps add up to the difference."""
    first = Property(
        key="bulk_modulus", label="B0", value=40.0, unit="GPa", digits=1,
        quantity="bulk modulus", measured="energies",
    )  # fmt: skip
    eos = replace(load_suite("eos"), properties=lambda result, variant: (first,))
    measured = [
        (eos, {"model": [elastic(0, 0)]}),
        (load_suite("elastic"), {"model": [elastic(150.0, 60.0)]}),
    ]
    sheet = property_sheet(measured)
    assert sheet is not None
    (remark,) = sheet.remarks
    assert "40.0 GPa from energies and 50.0 GPa from stresses" in remark
    assert "+20.0 at strains of 0.5 % of the relaxed cell, -10.0 with atoms relaxed, +0.0" in remark


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MeasuredRun:
    folder = tmp_path_factory.mktemp("sheet") / "run"
    return umlip_bench.run(
        {"emt": EMT(), "same": EMT()},
        structure=bulk("Cu", "fcc", a=3.7),
        suites=["eos", "elastic", "phonons"],
        mode="quick",
        out=folder,
    )


@pytest.mark.seconds
def test_the_sheet_is_everywhere(run: MeasuredRun, tmp_path: Path) -> None:
    stored = json.loads((run.path / "summary.json").read_text())["properties"]
    table = run.properties()
    assert len(stored) == len(table) > 30
    assert set(table.model) == {"emt", "same"}
    export_run(run.folder, tmp_path)
    exported = pd.read_csv(tmp_path / "properties.csv", float_precision="round_trip")
    np.testing.assert_array_equal(exported["value"], table["value"].astype(float))
    own = table[(table.model == "emt") & (table.variant == "relaxed")].set_index("property")
    # EMT's copper (K. W. Jacobsen et al., Surf. Sci. 366, 394 (1996)): a = 3.59 Å.
    assert own.loc["lattice_a", "value"].iloc[0] == pytest.approx(3.59, abs=0.01)
    lines = [json.loads(line) for line in (run.path / "cases.jsonl").read_text().splitlines()]
    (constants,) = [e["metrics"] for e in lines if e["suite"] == "elastic" and e["model"] == "emt"]
    assert own.loc["C11", "value"] == constants["relaxed_C11"]
    assert constants["relaxed_C16"] == pytest.approx(0.0, abs=1e-6)
    page = run.report(tmp_path / "page.html").read_text()
    for text in (run.card("emt"), page, run._repr_html_()):
        assert "C44" in text
        assert "Fm-3m" in text
        assert "imaginary modes" in text


@pytest.mark.seconds
def test_nothing_gives_way_where_nothing_can(run: MeasuredRun) -> None:
    """One atom in a cubic cell: moduli with atoms held and relaxed, Voigt's and Hill's, are one."""
    (found,) = run.folder.results_of(ElasticComparison, "elastic", "emt")
    assert found.relaxed is not None
    k = (found.relaxed[0, 0] + 2 * found.relaxed[0, 1]) / 3
    assert found.held_bulk_modulus == pytest.approx(k, rel=1e-3)


@pytest.mark.seconds
def test_printed_models_are_side_by_side(run: MeasuredRun) -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    parts = [(part.suite, part.results) for part in run.outcome.suites]
    sheet = property_sheet(parts)
    assert sheet is not None
    assert all(first == second for first, second in (line.cells for line in sheet.lines))
    print_sheet(sheet, "Cu", console)
    text = console.export_text()
    assert "mechanically stable" in text
    assert text.count("space group") == 1


@pytest.mark.seconds
def test_a_run_with_reference_has_none(tmp_path: Path) -> None:
    found = umlip_bench.run([EMT()], suites=["eos"], mode="quick", out=tmp_path / "run")
    assert found.properties().empty
    assert "properties" not in json.loads((tmp_path / "run" / "summary.json").read_text())
