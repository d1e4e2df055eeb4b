"""Phonons: analytic dispersions, scaling, an independent script, imaginary modes, published sets."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.data import atomic_masses
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from scipy.integrate import trapezoid

from tests.conftest import LoadModel
from tests.support.narrowing import each_as_a, some
from umlip_bench import datasets
from umlip_bench.analysis.drawing import DFT
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.phonons.crystal import Crystal
from umlip_bench.benchmarks.phonons.harmonic import density_of_states, overlap, thermodynamics
from umlip_bench.benchmarks.phonons.measure import PhononMeasurement
from umlip_bench.benchmarks.phonons.result import (
    FIXED,
    RELAXED,
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
    signed_squares,
)
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.cli import main
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.scheduler import Done, Failed, run_tasks
from umlip_bench.ground.identity import identity

from ..support.measuring import by_variant, measured
from ..support.potentials import HarmonicLattice, Springs
from ..support.structures import cubic

SUITE = load_suite("phonons")
A = 2.5
MASS = atomic_masses[13]
EYE = np.eye(3)


def lattice_case(name: str = "lattice", symbol: str = "Al", **options: Any) -> PhononMeasurement:
    return PhononMeasurement(name, cubic(A, symbol), 3 * np.eye(3, dtype=int), np.eye(3), **options)


def dft_case(truth: HarmonicLattice, name: str = "lattice", **options: str) -> PhononMeasurement:
    """The lattice with forces of `truth` as DFT's."""
    case = lattice_case(name)
    crystal = case.crystal()
    displacements = crystal.displacements()
    forces = np.array(
        [
            truth.evaluate([truth.prepare(cell)])[0].forces
            for cell in crystal.displaced(displacements)
        ]
    )
    return lattice_case(name, displacements=displacements, forces=forces, **options)


@pytest.mark.seconds
def test_dispersion_of_a_lattice() -> None:
    """Longitudinal and transverse springs of a simple cubic lattice, in closed form."""
    model = HarmonicLattice(A, along=3.0, across=0.7)
    result = measured(SUITE, model, [lattice_case()])["lattice"]
    path = result.sampling.path
    expected = model.frequencies(path.qpoints, MASS)
    # Single points that are exactly quadratic: rounding alone is left.
    np.testing.assert_allclose(result.fixed.bands, expected, atol=1e-6)
    np.testing.assert_allclose(result.relaxed.bands, expected, atol=1e-6)


def test_dispersion_of_a_chain() -> None:
    """Chains that do not feel each other: ν = sqrt(4k/m) |sin(q/2)| / 2π for motion along them."""
    model = HarmonicLattice(A, along=3.0, across=0.0)
    crystal = lattice_case().crystal()
    q = np.linspace(0, 0.5, 7)
    points = np.stack([q, 0 * q, 0 * q], axis=1)
    displacements = crystal.displacements()
    forces = [
        model.evaluate([model.prepare(cell)])[0].forces for cell in crystal.displaced(displacements)
    ]
    constants = crystal.force_constants(displacements, np.array(forces))
    found = crystal.frequencies(constants, points)[:, -1]
    unit = np.sqrt(1.602176634e-19 / 1e-20 / 1.66053906892e-27) / (2e12 * np.pi)
    np.testing.assert_allclose(found, 2 * np.sqrt(3.0 / MASS) * np.sin(np.pi * q) * unit, atol=1e-6)


@pytest.mark.seconds
def test_a_scaled_model_has_the_scale() -> None:
    """All frequencies go with sqrt(c), and the curvature scale is c."""
    case = dft_case(HarmonicLattice(A, 3.0, 0.7))
    for c in (0.8, 1.3):
        model = HarmonicLattice(A, 3.0, 0.7, factor=c)
        metrics = by_variant(SUITE, measured(SUITE, model, [case])["lattice"])
        for variant in (FIXED, RELAXED):
            m = metrics[variant]
            assert m.curvature_scale == pytest.approx(c, rel=1e-9)
            assert m.curvature_r2 == pytest.approx(1, rel=1e-9)
            assert m.max_ratio == pytest.approx(np.sqrt(c), rel=1e-9)
            assert m.mean_ratio == pytest.approx(np.sqrt(c), rel=1e-9)
        assert metrics[FIXED].force_constant_slope == pytest.approx(c, rel=1e-9)
        assert np.isnan(metrics[RELAXED].force_constant_slope)


@pytest.mark.seconds
def test_the_right_model_has_no_error() -> None:
    truth = HarmonicLattice(A, 3.0, 0.7)
    metrics = by_variant(SUITE, measured(SUITE, truth, [dft_case(truth)])["lattice"])[FIXED]
    assert metrics.band_mae == pytest.approx(0, abs=1e-9)
    assert metrics.dos_overlap == pytest.approx(1, abs=1e-4)
    assert metrics.heat_capacity_error == pytest.approx(0, abs=1e-9)
    assert metrics.free_energy_error == pytest.approx(0, abs=1e-9)
    assert metrics.stability_right == 1


@pytest.mark.seconds
def test_imaginary_modes_never_disappear() -> None:
    """Counted, listed, and judged by DFT; thermodynamics and slopes are not made of them."""
    stable, unstable = HarmonicLattice(A, 3.0, 0.7), HarmonicLattice(A, 3.0, -0.2)
    cases = [dft_case(stable, "stable"), dft_case(unstable, "unstable")]
    results = list(measured(SUITE, unstable, cases).values())
    metrics = {r.name: by_variant(SUITE, r)[FIXED] for r in results}
    false, right = metrics["stable"], metrics["unstable"]
    assert (false.is_stable, false.reference_is_stable, false.stability_right) == (0, 1, 0)
    assert (right.is_stable, right.reference_is_stable, right.stability_right) == (0, 0, 1)
    assert false.imaginary > 0.05
    assert false.lowest < -1
    assert np.isnan(false.heat_capacity)
    assert np.isnan(right.heat_capacity_error)
    assert right.curvature_scale == pytest.approx(1)
    # A model that misses the instability.
    missed = measured(SUITE, stable, [dft_case(unstable, "missed")])["missed"]
    rows = {(r.variant, r.metric): r for r in SUITE.rows("toy", "data", [*results, missed], 0)}
    expected = {
        "share_imaginary": (2 / 3, 3),
        "share_imaginary_reference": (2 / 3, 3),
        "share_stability_right": (1 / 3, 3),
        "share_imaginary_false": (1.0, 1),
        "share_imaginary_missed": (1 / 2, 2),
    }
    for metric, (value, n) in expected.items():
        assert rows[FIXED, metric].value == pytest.approx(value)
        assert rows[FIXED, metric].n_cases == n
    table = SUITE.case_table(results)
    assert all(row[6] != "none" for row in some(table).rows)
    assert "imaginary modes in 2/3 (DFT 2/3)" in SUITE.verdict(
        [row for row in rows.values() if row.variant == FIXED], "toy"
    )


@pytest.mark.seconds
def test_thermodynamics_of_imaginary_modes_keep_their_rank() -> None:
    """A mode that goes to zero has the largest C and S, and F of minus infinity: there it ranks."""
    truth = HarmonicLattice(A, 3.0, 0.7)
    softer = [HarmonicLattice(A, 3.0, 0.7, factor=c) for c in (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)]
    models = [*softer, *2 * [HarmonicLattice(A, 3.0, -0.2)]]
    results = [
        measured(SUITE, model, [dft_case(truth, str(k))])[str(k)] for k, model in enumerate(models)
    ]
    metrics = [by_variant(SUITE, each)[FIXED] for each in results]
    assert [m.too_soft for m in metrics] == [0] * 6 + [1] * 2
    rows = {(r.variant, r.metric): r for r in SUITE.rows("toy", "data", results, 0)}
    for key, far in (("heat_capacity", 1e6), ("entropy", 1e6), ("free_energy", -1e6)):
        errors = [getattr(m, f"{key}_error") for m in metrics[:6]] + 2 * [far]
        signed, size = rows[FIXED, f"{key}_error_median"], rows[FIXED, f"{key}_mae"]
        assert signed.value == pytest.approx(np.median(errors))
        assert size.value == pytest.approx(np.median(np.abs(errors)))
        assert (signed.n_cases, signed.n_below, signed.n_above) == (
            (8, 2, 0) if far < 0 else (8, 0, 2)
        )
    # DFT's own imaginary modes leave nothing to compare with.
    unstable = measured(SUITE, truth, [dft_case(HarmonicLattice(A, 3.0, -0.2), "x")])["x"]
    assert by_variant(SUITE, unstable)[FIXED].too_soft == 0
    rows = {(r.variant, r.metric): r for r in SUITE.rows("toy", "data", [*results, unstable], 0)}
    assert rows[FIXED, "entropy_mae"].n_cases == 8


@pytest.mark.seconds
def test_what_is_not_comparable_is_not_a_failure() -> None:
    truth = HarmonicLattice(A, 3.0, 0.7)
    case = dft_case(truth, fixed_only="the reference is as built")
    result = measured(SUITE, truth, [case])["lattice"]
    assert result.relaxed is None
    rows = SUITE.rows("toy", "data", [result], 0)
    assert {row.variant for row in rows} == {FIXED}
    assert "not comparable" in some(SUITE.case_table([result])).notes[0]


@pytest.mark.seconds
def test_a_failing_material_leaves_the_others_standing() -> None:
    cases = [lattice_case("good"), lattice_case("bad", symbol="Po")]
    model = HarmonicLattice(A, 3.0, 0.7)
    outcomes = list(run_tasks(model, ((c.name, SUITE.measure(c)) for c in cases)))
    assert [o.key for o in outcomes if isinstance(o, Done)] == ["good"]
    assert [o.key for o in outcomes if isinstance(o, Failed)] == ["bad"]
    rows = SUITE.rows("toy", "data", [], 1)
    assert {row.n_failed for row in rows} == {1}
    assert "no verdict" in SUITE.verdict(rows, "toy")


@pytest.mark.seconds
def test_results_come_back_from_arrays() -> None:
    truth = HarmonicLattice(A, 3.0, 0.7)
    for case in (dft_case(truth), lattice_case(heat_capacity=24.0, fixed_only="as built")):
        result = measured(SUITE, truth, [case])["lattice"]
        again = SUITE.from_arrays(SUITE.to_arrays(result))
        assert SUITE.numbers(again) == pytest.approx(SUITE.numbers(result), nan_ok=True)
        assert again.sampling.path.labels == result.sampling.path.labels
        assert again.not_comparable == result.not_comparable
        json.dumps(SUITE.numbers(again))


@pytest.mark.seconds
def test_pictures() -> None:
    """DFT and two models in one picture: bands on every segment, imaginary ones below zero."""
    truth, unstable = HarmonicLattice(A, 3.0, 0.7), HarmonicLattice(A, 3.0, -0.2)
    both = {
        name: measured(SUITE, model, [dft_case(truth)])["lattice"]
        for name, model in (("soft", unstable), ("right", truth))
    }
    draw = SUITE.drawings
    bands, states, *_ = some(draw)(both)
    segments = len(both["right"].sampling.path.labels)
    assert len(bands.lines) == 3 * 3 * segments
    assert list(dict.fromkeys(line.side for line in bands.lines)) == [DFT, "soft", "right"]
    lowest = {
        side: min(line.y.min() for line in bands.lines if line.side == side)
        for side in (DFT, "soft", "right")
    }
    assert lowest["soft"] < -1 < lowest["right"]
    assert bands.y_range == states.y_range
    assert some(bands.y_range)[0] < lowest["soft"]
    # Each density holds the three branches of a cell of one atom.
    for line in states.lines:
        assert trapezoid(line.x, line.y) == pytest.approx(3, abs=0.02)


def test_thermodynamics_of_one_oscillator() -> None:
    """Against the formulas by hand, and Dulong and Petit's limit."""
    frequencies = np.full((1, 3), 8.0)
    x = 6.62607015e-34 * 8e12 / (1.380649e-23 * 300)
    found = thermodynamics(frequencies, np.ones(1), 300.0)
    gas = 8.31446261815324
    assert found.heat_capacity == pytest.approx(
        3 * gas * x**2 * np.exp(x) / (np.exp(x) - 1) ** 2, rel=1e-9
    )
    entropy = 3 * gas * (x / (np.exp(x) - 1) - np.log(1 - np.exp(-x)))
    assert found.entropy == pytest.approx(entropy, rel=1e-9)
    kt = 1.380649e-23 * 300 / 1.602176634e-19
    assert found.free_energy == pytest.approx(
        3000 * kt * (x / 2 + np.log(1 - np.exp(-x))), rel=1e-9
    )
    hot = thermodynamics(frequencies, np.ones(1), 1e5)
    assert hot.heat_capacity == pytest.approx(3 * gas, rel=1e-4)


def test_density_of_states() -> None:
    rng = np.random.default_rng(0)
    frequencies = np.sort(rng.uniform(2, 10, size=(200, 6)), axis=1)
    weights = rng.integers(1, 9, size=200).astype(float)
    at = np.arange(-2, 14, 0.02)
    assert density_of_states(frequencies, weights, at).sum() * 0.02 == pytest.approx(1, abs=1e-6)
    assert overlap(frequencies, frequencies, weights) == pytest.approx(1, abs=1e-6)
    assert overlap(frequencies, frequencies + 20, weights) == pytest.approx(0, abs=1e-6)


def test_weights_of_q_points_count() -> None:
    """A mode at a q-point of weight 3 counts as three."""
    path = BandPath(np.zeros((1, 3)), np.zeros(1), np.zeros(1, dtype=int), (("Γ", "Γ"),))
    reference, model = (
        np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0]]),
        np.array([[0.9, 1.9, 2.8], [2.0, 3.5, 4.9]]),
    )

    def side(mesh: np.ndarray) -> Phonons:
        return Phonons(mesh, mesh, mesh, np.ones((1, 2, 3, 3)))

    def of(mesh_dft: np.ndarray, mesh_model: np.ndarray, weights: list[int]) -> SimpleNamespace:
        sampling = FrequencySampling(np.array(weights, dtype=float), path)
        both = PhononComparison("x", sampling, side(mesh_dft), None, side(mesh_model), None)
        return by_variant(SUITE, both)[FIXED]

    thrice = of(reference, model, [1, 3])
    rows = [0, 1, 1, 1]
    repeated = of(reference[rows], model[rows], [1, 1, 1, 1])
    for name in ("curvature_scale", "mean_ratio", "frequency_mae", "dos_overlap", "entropy"):
        assert getattr(thrice, name) == pytest.approx(getattr(repeated, name), rel=1e-9)


def test_paths_and_meshes_fit_any_choice_of_cell() -> None:
    """X of fcc is X in whatever primitive cell: (0, 1, 0)-like in units of 2π/a."""
    skewed = Atoms("Al", cell=[[0, 2, 2], [2, 2, 0], [4, 2, 2]], pbc=True)
    for cell in (bulk("Al", "fcc", a=4.0), skewed):
        crystal = Crystal(cell, 2 * np.eye(3, dtype=int), np.eye(3))
        path = crystal.path()
        starts = [first for first, _ in path.labels]
        at_x = path.qpoints[path.segments == starts.index("X")][0]
        k = np.linalg.inv(crystal.primitive.cell.array) @ at_x * 4.0
        assert sorted(np.abs(k)) == pytest.approx([0, 0, 1], abs=1e-9)
        mesh = crystal.mesh()
        assert mesh.weights.sum() == np.prod(
            np.rint(40 * np.linalg.norm(np.linalg.inv(crystal.primitive.cell.array), axis=0))
        )


def test_a_relaxed_cell_keeps_its_symmetry() -> None:
    rng = np.random.default_rng(0)
    crystal = Crystal(bulk("ZnO", "wurtzite", a=3.25, c=5.2, u=0.38), np.diag([2, 2, 1]), EYE)
    relaxed = crystal.unitcell.copy()
    shape = np.diag([0.99, 0.99, 1.02]) + 1e-5 * rng.normal(size=(3, 3))
    relaxed.set_cell(relaxed.cell.array @ (0.5 * (shape + shape.T)), scale_atoms=True)
    relaxed.positions += 1e-5 * rng.normal(size=(4, 3))
    relaxed.positions[1::2, 2] += 0.05  # oxygen along c, as symmetry allows
    found, deformation = crystal.relaxed(relaxed)
    assert deformation == pytest.approx(np.diag([0.99, 0.99, 1.02]), abs=3e-5)
    assert deformation[0, 0] == pytest.approx(deformation[1, 1], abs=1e-12)
    assert len(found.displacements().atoms) == len(crystal.displacements().atoms)
    moved = found.unitcell.positions - crystal.unitcell.positions @ deformation
    np.testing.assert_allclose(moved[1::2, 2] - moved[::2, 2], 0.05, atol=1e-3)


@pytest.mark.seconds
def test_structures_get_a_supercell_that_is_large_enough() -> None:
    crystal = Crystal.of(bulk("Si", "diamond", a=5.43))
    assert len(crystal.unitcell) == 8
    np.testing.assert_array_equal(crystal.supercell_matrix, 2 * np.eye(3))
    assert len(crystal.primitive) == 2
    (case,) = SUITE.structure_cases(StructureRequest(cubic(A), "mine", 1, None))
    # Four times 2.5 Å: the lattice's own dispersion again.
    result = measured(SUITE, HarmonicLattice(A, 3.0, 0.7), [case])["mine"]
    assert result.reference is None
    expected = HarmonicLattice(A, 3.0, 0.7).frequencies(result.sampling.path.qpoints, MASS)
    np.testing.assert_allclose(result.relaxed.bands, expected, atol=1e-6)
    assert by_variant(SUITE, result)[RELAXED].heat_capacity < 25


def independent_frequencies(
    atoms: Atoms, supercell: np.ndarray, calculator: Calculator, qpoints: np.ndarray
) -> np.ndarray:
    """phonopy as its manual has it, one ASE calculation after another."""
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(cell, supercell_matrix=supercell, primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=0.01)
    forces = []
    for displaced in phonon.supercells_with_displacements:
        image = Atoms(
            displaced.symbols, cell=displaced.cell, positions=displaced.positions, pbc=True
        )
        image.calc = calculator
        forces.append(image.get_forces())
    phonon.forces = forces
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_qpoints(qpoints)
    return np.sort(phonon.qpoints.frequencies, axis=1)


@pytest.mark.parametrize(
    "atoms",
    [bulk("NaCl", "rocksalt", a=5.69), bulk("ZnO", "wurtzite", a=3.25, c=5.2)],
    ids=["NaCl", "ZnO"],
)
def test_an_independent_script_gives_the_same_phonons(load_model: LoadModel, atoms: Atoms) -> None:
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    supercell = 2 * np.eye(3, dtype=int)
    case = PhononMeasurement("x", atoms, supercell, np.eye(3), fixed_only="only here")
    result = measured(SUITE, load_model("chgnet-0.3.0"), [case])["x"]
    calculator = CHGNetCalculator(CHGNet.load(verbose=False), use_device="cpu")
    # Every seventh point of the path, the zone centre's translations left out.
    chosen = np.arange(3, len(result.sampling.path.qpoints), 7)
    expected = independent_frequencies(
        atoms, supercell, calculator, result.sampling.path.qpoints[chosen]
    )
    np.testing.assert_allclose(result.fixed.bands[chosen], expected, atol=0.01)


def test_float32_is_enough(load_model: LoadModel) -> None:
    """CHGNet: 0.005 THz at most on MgO, NaCl, Si and ZnO of phonopy's examples.

    Here, in too small a cell, some modes are close to zero: a frequency is sensitive then, its square is not.
    """
    atoms = bulk("NaCl", "rocksalt", a=5.69)
    case = PhononMeasurement("x", atoms, 2 * np.eye(3, dtype=int), np.eye(3))
    single, double = (
        measured(SUITE, load_model("chgnet-0.3.0", dtype), [case])["x"]
        for dtype in ("float32", "float64")
    )
    for variant in ("fixed", "relaxed"):
        found, exact = getattr(single, variant).mesh, getattr(double, variant).mesh
        clear = np.abs(exact) > 0.5
        assert np.abs(found - exact)[clear].max() < 0.01
        assert np.abs(signed_squares(found) - signed_squares(exact)).max() < 0.03


def test_chgnet_on_the_embedded_phonons(load_model: LoadModel) -> None:
    cases = SUITE.cases(datasets.load("pbe-mini"), Mode.QUICK)
    results = measured(SUITE, load_model("chgnet-0.3.0"), cases)
    assert results
    for result in results.values():
        metrics = by_variant(SUITE, result)[FIXED]
        assert 0.1 < metrics.curvature_scale < 1.5
        assert metrics.curvature_r2 > 0.8


@pytest.mark.model
def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run from a structure alone, its table, and pictures of it."""
    bulk("Si", "diamond", a=5.43).write(tmp_path / "Si.cif")
    folder = tmp_path / "run"
    arguments = ["--structure", str(tmp_path / "Si.cif"), "--model", "chgnet-0.3.0"]
    suites = ["phonons", "eos", "elastic"]
    assert main(["run", *suites, *arguments, "--device", "cpu", "--out", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "Phonons: THz" in shown
    assert "Equations of state" in shown
    assert "Elastic moduli" in shown
    assert main(["pictures", str(folder)]) == 0
    assert {path.name for path in (folder / "pictures").iterdir()} == {
        "phonons-Si.png",
        "settings.yaml",
        "eos-Si.png",
    }
    lines = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
    metrics = next(line["metrics"] for line in lines if line["suite"] == "phonons")
    assert 10 < metrics["relaxed_highest"] < 16
    assert metrics["relaxed_max_ratio"] is None


def test_pictures_need_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pictures", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def published(name: str) -> Dataset:
    from umlip_bench.ground.errors import DataError

    try:
        return datasets.load(name)
    except DataError as error:
        pytest.skip(f"the files of {name} are not here: {error}".splitlines()[0])


# Highest frequency on the mesh from DFT's forces, THz; BaZrO3 at 4.000 Å.
HIGHEST = {"MgO": 17.99, "NaCl": 6.28, "Si": 15.11, "MgB2": 24.26}


@pytest.mark.seconds
def test_frequencies_of_published_force_sets() -> None:
    data = published("phonopy-examples")
    for case in each_as_a(PhononMeasurement, SUITE.cases(data, Mode.FULL)):
        assert case.displacements is not None
        assert case.forces is not None
        crystal = case.crystal()
        constants = crystal.force_constants(case.displacements, case.forces)
        found = crystal.frequencies(constants, crystal.mesh().qpoints)
        if case.name in HIGHEST:
            assert found.max() == pytest.approx(HIGHEST[case.name], abs=0.01)
        centre = crystal.frequencies(constants, np.zeros((1, 3)))[0]
        # The sum rule holds: three translations at the zone centre.
        assert np.sort(np.abs(centre))[:3].max() < 1e-3
        assert (found.min() < -1) == (case.name == "CaTiO3")
        # Stishovite's bands dip below zero by interpolation near the zone centre alone.
        fitting = crystal.frequencies(constants, crystal.commensurate())
        assert len(fitting) == len(case.forces[0]) // len(crystal.primitive)
        assert (fitting.min() < -0.1) == (case.name == "CaTiO3")


@pytest.mark.seconds
def test_forces_of_barium_zirconate_obey_the_sum_rule() -> None:
    cases = SUITE.cases(published("mlip-arena-bazro3"), Mode.FULL)
    (case,) = each_as_a(PhononMeasurement, cases)
    assert case.displacements is not None
    assert case.forces is not None
    assert case.fixed_only is not None
    crystal = case.crystal()
    constants = crystal.force_constants(case.displacements, case.forces)
    centre = np.sort(np.abs(crystal.frequencies(constants, np.zeros((1, 3)))[0]))
    assert centre[:3].max() < 1e-3
    # 4.266 THz from the force constants stored beside the forces, which break the rule.
    assert np.abs(centre - 4.258).min() < 2e-3


@pytest.mark.seconds
def test_heat_capacities_are_per_mole_of_atoms() -> None:
    cases = each_as_a(PhononMeasurement, SUITE.cases(published("matcalc-phonon"), Mode.STANDARD))
    assert len(cases) == 100
    assert all(0 < some(case.heat_capacity) < 25.0 for case in cases)


# ---- masses of the input, and atoms that nothing holds


@pytest.mark.seconds
@pytest.mark.parametrize(
    "make",
    [
        lambda atoms: PhononMeasurement("x", atoms, 3 * np.eye(3, dtype=int), np.eye(3)),
        lambda atoms: SUITE.structure_cases(StructureRequest(atoms, "x", 1, None))[0],
    ],
    ids=["a case", "a structure"],
)
def test_frequencies_go_with_the_root_of_the_inputs_mass(
    make: Callable[[Atoms], PhononMeasurement],
) -> None:
    model = HarmonicLattice(A, 3.0, 0.7)
    plain = measured(SUITE, model, [make(cubic(A))])["x"]
    for factor in (0.5, 2.0, 3.7):
        heavy = cubic(A)
        heavy.set_masses(factor * heavy.get_masses())
        isotope = measured(SUITE, model, [make(heavy)])["x"]
        for variant in ("fixed", "relaxed"):
            np.testing.assert_allclose(
                getattr(isotope, variant).mesh,
                getattr(plain, variant).mesh / np.sqrt(factor),
                atol=1e-6,
            )
        assert identity(make(cubic(A))) != identity(make(heavy))


@pytest.mark.model
def test_lithium_hydride_and_deuteride_in_chgnet(load_model: LoadModel) -> None:
    """The shared input: highest frequencies of 27.56 and, by phonopy with a mass of 2.014, 19.50 THz."""
    model = load_model("chgnet-0.3.0")
    highest = {}
    for name, mass in (("LiH", 1.008), ("LiD", 2.014)):
        atoms = bulk("LiH", "rocksalt", a=4.0834, cubic=True)
        atoms.set_masses(np.where(atoms.numbers == 1, mass, atomic_masses[3]))
        (case,) = SUITE.structure_cases(StructureRequest(atoms, name, 1, None))
        highest[name] = measured(SUITE, model, [case])[name].relaxed.mesh.max()
    assert highest["LiH"] == pytest.approx(27.56, abs=0.02)
    assert highest["LiD"] == pytest.approx(19.50, abs=0.02)


def test_natural_masses_stated_or_not_are_the_same_case() -> None:
    stated = cubic(A)
    stated.set_masses(stated.get_masses())
    assert identity(lattice_case()) == identity(lattice_case())
    cases = [PhononMeasurement("x", atoms) for atoms in (cubic(A), stated)]
    assert identity(cases[0]) == identity(cases[1])


def test_lithium_hydride_and_deuteride(load_model: LoadModel) -> None:
    """In the harmonic lattice only the mass differs; the published pair is LiH and LiD."""
    atoms = bulk("LiH", "rocksalt", a=4.0)
    crystal = Crystal.of(atoms)
    atoms.set_masses([6.94, 2.014])
    heavy = Crystal.of(atoms)
    displaced = crystal.displacements()
    model = load_model("m3gnet-mp-2021.2.8")
    predictions = predict(model, crystal.displaced(displaced))
    forces = np.array([p.forces for p in predictions])
    highest = [
        c.frequencies(c.force_constants(displaced, forces), np.zeros((1, 3))).max()
        for c in (crystal, heavy)
    ]
    # An optic mode at the zone centre has the reduced mass.
    reduced = [m * 6.94 / (m + 6.94) for m in (1.008, 2.014)]
    assert highest[0] / highest[1] == pytest.approx(np.sqrt(reduced[1] / reduced[0]), rel=1e-3)


@pytest.mark.seconds
@pytest.mark.parametrize("symbol", ["Cs", "Rb", "K"])
def test_atoms_that_nothing_holds_are_named(symbol: str) -> None:
    wide = bulk(symbol, "bcc", a=7.0)
    (outcome,) = run_tasks(Springs(3.0, 1.0), [("x", SUITE.measure(PhononMeasurement("x", wide)))])
    assert isinstance(outcome, Failed)
    assert f"nothing holds atom 0 ({symbol})" in str(outcome.error)
    assert "6.06 Å away" in str(outcome.error)


def test_caesium_in_m3gnet(load_model: LoadModel) -> None:
    """Its nearest neighbours are 5.2 to 5.4 Å apart, the model's cutoff is 5 Å."""
    case = PhononMeasurement("Cs", bulk("Cs", "bcc", a=6.15))
    (outcome,) = run_tasks(load_model("m3gnet-mp-2021.2.8"), [("Cs", SUITE.measure(case))])
    assert isinstance(outcome, Failed)
    assert "nothing holds atom 0 (Cs)" in str(outcome.error)
