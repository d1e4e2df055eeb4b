"""Elastic constants: conventions, symmetry, crystals with known constants."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import some
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.elastic import measure as elastic
from umlip_bench.benchmarks.elastic.elasticity import (
    elastic_constants,
    invariant_constants,
    is_stable,
    lowest_eigenvalue,
    moduli,
    strain_tensor,
    stress_vector,
)
from umlip_bench.benchmarks.elastic.measure import ElasticMeasurement, strained
from umlip_bench.benchmarks.elastic.result import (
    FIXED,
    RELAXED,
    ElasticComparison,
    ReferenceModuli,
)
from umlip_bench.benchmarks.suite import StructureRequest
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.ground.crystal_axes import crystal_axes
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.structures import read_structure
from umlip_bench.ground.units import GPA

from ..support.measuring import by_variant, measured
from ..support.potentials import Springs

SUITE = load_suite("elastic")
A = 4.0
STIFFNESS = 2.0


def fcc(a: float = A, symbol: str = "Al") -> Atoms:
    return bulk(symbol, "fcc", a=a)


def cubic_constants(c11: float, c12: float, c44: float) -> np.ndarray:
    c = np.diag([c11] * 3 + [c44] * 3).astype(float)
    c[:3, :3] += c12 * (1 - np.eye(3))
    return c


def test_fcc_of_springs() -> None:
    """Neighbours by springs k at rest: C11 = 2k/a, C12 = C44 = k/a (Cauchy's relation)."""
    model = Springs(A / np.sqrt(2), STIFFNESS)
    result = measured(SUITE, model, [ElasticMeasurement("fcc", fcc())])["fcc"]
    expected = cubic_constants(2 * STIFFNESS / A, STIFFNESS / A, STIFFNESS / A)
    # What is left is of the square of the strain.
    np.testing.assert_allclose(result.fixed, expected, atol=5e-5)
    np.testing.assert_allclose(result.relaxed, expected, atol=5e-5)


def test_the_model_relaxes_to_its_own_cell() -> None:
    model = Springs(A / np.sqrt(2), STIFFNESS)
    result = measured(SUITE, model, [ElasticMeasurement("fcc", fcc(1.02 * A))])["fcc"]
    expected = cubic_constants(2 * STIFFNESS / A, STIFFNESS / A, STIFFNESS / A)
    np.testing.assert_allclose(result.relaxed, expected, rtol=2e-3, atol=2e-3)
    assert abs(result.fixed - expected).max() > 0.01


def test_atoms_relax_in_the_strained_cell() -> None:
    """A crystal with a free internal coordinate is softer once its atoms move."""
    # Two atoms in a hexagonal close packing of springs: not a Bravais lattice.
    hcp = bulk("Mg", "hcp", a=3.0, c=3.0 * np.sqrt(8 / 3))
    model = Springs(3.0, STIFFNESS)
    found = measured(SUITE, model, [ElasticMeasurement("hcp", hcp)])["hcp"].fixed
    basis = invariant_constants(crystal_axes(hcp, 1e-3).rotations)
    rigid = []
    for strain in np.eye(6):
        both = [
            stress_vector(
                some(
                    some(model.evaluate)(
                        [model.prepare(strained(hcp, s * 0.005 * strain_tensor(strain)))]
                    )[0].stress
                )
            )
            for s in (1, -1)
        ]
        rigid.append((both[0] - both[1]) / 0.01)
    clamped = elastic_constants(basis, np.eye(6), np.array(rigid)).constants
    difference = np.linalg.eigvalsh(clamped - found)
    assert difference.min() > -1e-4
    assert difference.max() > 0.01
    # Relaxed: C66 = (C11 - C12)/2 of a hexagonal crystal.
    assert found[5, 5] == pytest.approx((found[0, 0] - found[0, 1]) / 2, abs=1e-9)


@pytest.mark.seconds
def test_forces_that_are_left_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a soft crystal a strain causes forces below 1e-3 eV/Å, which are 3 % of a constant if they stay."""
    hcp = bulk("Mg", "hcp", a=3.0, c=3.0 * np.sqrt(8 / 3))
    model = Springs(3.0, 0.2)
    found: list[np.ndarray] = []
    exact: list[np.ndarray] = []
    careless: list[np.ndarray] = []
    for constants, fmax in ((found, elastic.FMAX), (exact, 1e-8), (careless, 1e-3)):
        monkeypatch.setattr(elastic, "FMAX", fmax)
        constants.append(measured(SUITE, model, [ElasticMeasurement("x", hcp)])["x"].fixed)
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.max(exact))
    assert np.abs(np.subtract(careless, exact)).max() > 0.02 * np.max(exact)


def test_signs_and_shear_conventions() -> None:
    """Tension is positive; ε₄ is the engineering shear of y and z."""
    np.testing.assert_array_equal(
        strain_tensor(np.array([1, 2, 3, 4, 5, 6])), [[1, 3, 2.5], [3, 2, 2], [2.5, 2, 3]]
    )
    stress = np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]], dtype=float)
    np.testing.assert_array_equal(stress_vector(stress), [1, 2, 3, 4, 5, 6])
    stretched = strained(fcc(), np.diag([0.01, 0, 0]))
    assert stretched.get_volume() > fcc().get_volume()
    model = Springs(A / np.sqrt(2), STIFFNESS)
    assert some(some(model.evaluate([model.prepare(stretched)]))[0].stress)[0, 0] > 0


CRYSTAL_SYSTEMS = [
    (bulk("Al", "fcc", a=4.0), 3, 5),
    (bulk("Mg", "hcp", a=3.2, c=5.2), 5, 15),
    (Atoms("Al", cell=[3, 3, 4], pbc=True), 6, 10),
    (Atoms("Al", cell=[3, 4, 5], pbc=True), 9, 15),
    (Atoms("Al", cell=[3, 4, 5, 90, 100, 90], pbc=True), 13, 18),
    (Atoms("Al", cell=[3, 4, 5, 80, 100, 75], pbc=True), 21, 24),
]


@pytest.mark.parametrize(("atoms", "free", "distinct"), CRYSTAL_SYSTEMS)
def test_free_constants_of_crystal_systems(atoms: Atoms, free: int, distinct: int) -> None:
    rotations = crystal_axes(atoms, 1e-3).rotations
    assert len(invariant_constants(rotations)) == free
    both = np.concatenate([elastic.STRAINS, -elastic.STRAINS])
    sources = elastic.equivalents(both, rotations)
    assert len({k for k, _ in sources}) == distinct
    for strain, (k, turn) in zip(both, sources, strict=True):
        np.testing.assert_allclose(
            strain_tensor(strain), turn @ strain_tensor(both[k]) @ turn.T, atol=1e-9
        )


@pytest.mark.parametrize("atoms", [each[0] for each in CRYSTAL_SYSTEMS])
def test_constants_come_back_from_redundant_strains(atoms: Atoms) -> None:
    """Exactly where the stresses have them; else the residual is the share that was added."""
    rng = np.random.default_rng(1)
    basis = invariant_constants(crystal_axes(atoms, 1e-3).rotations)
    truth = np.tensordot(rng.normal(size=len(basis)), basis, axes=1)
    stresses = elastic.STRAINS @ truth.T
    fit = elastic_constants(basis, elastic.STRAINS, stresses)
    np.testing.assert_allclose(fit.constants, truth, atol=1e-10)
    assert fit.residual < 1e-12
    noise = rng.normal(size=stresses.shape)
    mandel = np.sqrt([1, 1, 1, 2, 2, 2])
    share = np.linalg.norm(noise * mandel) / np.linalg.norm(stresses * mandel)
    fit = elastic_constants(basis, elastic.STRAINS, stresses + 0.01 * noise)
    # Of 72 components as many are fitted as there are constants.
    assert fit.residual == pytest.approx(0.01 * share * np.sqrt(1 - len(basis) / 72), rel=0.1)
    for half in (elastic.STRAINS[:6], elastic.STRAINS[6:]):
        found = elastic_constants(basis, half, half @ truth.T)
        np.testing.assert_allclose(found.constants, truth, atol=1e-10)


def test_too_few_strains_are_refused() -> None:
    basis = invariant_constants(crystal_axes(fcc(), 1e-3).rotations)
    with pytest.raises(DataError, match="1 strains determine 2 of 3"):
        elastic_constants(basis, np.eye(6)[:1], np.ones((1, 6)))


def test_moduli_of_a_cubic_crystal() -> None:
    """K = (C11 + 2 C12)/3; Voigt and Reuss as in the textbooks (copper, GPa)."""
    found = moduli(cubic_constants(168.4, 121.4, 75.4))
    assert found.bulk == pytest.approx((168.4 + 2 * 121.4) / 3)
    assert found.shear_voigt == pytest.approx((168.4 - 121.4 + 3 * 75.4) / 5)
    expected = 5 * (168.4 - 121.4) * 75.4 / (4 * 75.4 + 3 * (168.4 - 121.4))
    assert found.shear_reuss == pytest.approx(expected)
    assert found.shear == pytest.approx((found.shear_voigt + found.shear_reuss) / 2)


def turned(atoms: Atoms, vector: Sequence[float] = (20, 35, 50)) -> Atoms:
    rotation = Rotation.from_euler("xyz", vector, degrees=True).as_matrix()
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ rotation.T, scale_atoms=True)
    return out


@pytest.mark.seconds
def test_the_axes_of_the_file_do_not_matter() -> None:
    """Constants are along axes of the crystal, from strains that are tied to it."""
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = [ElasticMeasurement("straight", fcc()), ElasticMeasurement("turned", turned(fcc()))]
    found = measured(SUITE, model, cases)
    np.testing.assert_allclose(found["turned"].fixed, found["straight"].fixed, atol=1e-7)
    # One neighbour at a strain: its force has terms of the square of the strain.
    assert 0 < found["straight"].fixed_residual < 1e-3


def test_the_lowest_eigenvalue_is_that_of_the_tensor() -> None:
    """C11 - C12, 2 C44 or C11 + 2 C12 of a cubic crystal (copper), in whichever axes."""
    from pymatgen.analysis.elasticity import ElasticTensor

    constants = cubic_constants(168.4, 121.4, 75.4)
    assert lowest_eigenvalue(constants) == pytest.approx(168.4 - 121.4)
    assert lowest_eigenvalue(cubic_constants(168.4, 21.4, 35)) == pytest.approx(70)
    tensor = ElasticTensor.from_voigt(constants)
    for seed in range(5):
        rotated = tensor.rotate(Rotation.random(random_state=seed).as_matrix(), tol=1e-6).voigt
        assert lowest_eigenvalue(rotated) == pytest.approx(47)
        assert np.linalg.eigvalsh(rotated).min() < 40  # Voigt's matrix does not do


@pytest.mark.seconds
@pytest.mark.parametrize("cell", ["primitive", "conventional", "turned"])
def test_emt_copper_from_a_file(cell: str, tmp_path: Path) -> None:
    """C11 166.7, C12 111.2, C44 86.5 GPa by strain and stress along the cubic axes."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=cell != "primitive")
    if cell == "turned":
        atoms = turned(atoms)
    # A CIF knows no orientation: its reader lays a along x, which in the primitive cell is [011].
    atoms.write(tmp_path / ("cu.cif" if cell == "primitive" else "cu.xyz"))
    (path,) = tmp_path.iterdir()
    atoms = read_structure(path)
    model = umlip_bench.potential("ase:ase.calculators.emt:EMT")
    found = measured(SUITE, model, [ElasticMeasurement("Cu", atoms)])["Cu"]
    constants = found.fixed / GPA
    np.testing.assert_allclose(constants, cubic_constants(166.7, 111.2, 86.5), atol=0.06)
    assert by_variant(SUITE, found)[FIXED].lowest_eigenvalue == pytest.approx(55.5, abs=0.1)
    table = SUITE.case_table([found])
    assert some(table).rows[0][6:9] == tuple(
        f"{constants[i, j]:.1f}" for i, j in ((0, 0), (0, 1), (3, 3))
    )
    assert "IEEE Std 176-1987" in some(table).notes[0]


def test_stability() -> None:
    assert is_stable(cubic_constants(168, 121, 75))
    assert not is_stable(cubic_constants(100, 121, 75))  # C11 < C12
    assert not is_stable(cubic_constants(168, 121, -1))


def comparison(name: str, factor: float) -> ElasticComparison:
    c = cubic_constants(168.4, 121.4, 75.4) * GPA
    dft = moduli(c)
    return ElasticComparison(name, ReferenceModuli(dft.bulk, dft.shear), factor * c, factor * c)


def test_rows_count_the_unstable() -> None:
    materials = [comparison(f"m{k}", f) for k, f in enumerate((0.7, 0.8, 0.85, 0.9, 0.95, 0.99))]
    unstable = ElasticComparison("bad", ReferenceModuli(1, 1), -np.eye(6), None, "", "no rest")
    rows = {(r.variant, r.metric): r for r in SUITE.rows("toy", "data", [*materials, unstable], 1)}
    # Below all moduli, so that the median goes down and the low end of the interval is its own.
    row = rows[FIXED, "bulk_modulus_scale_median"]
    assert (row.n_cases, row.n_below, row.n_failed) == (7, 1, 1)
    assert row.value == pytest.approx(0.85)
    assert (row.ci_low, row.ci_high) == (-np.inf, pytest.approx(0.99))
    assert rows[FIXED, "shear_modulus_scale_median"].value == pytest.approx(0.85)
    errors = rows[FIXED, "shear_modulus_error_median"]
    assert errors.value == pytest.approx(0.15 * moduli(cubic_constants(168.4, 121.4, 75.4)).shear)
    assert (errors.n_above, errors.ci_high) == (1, np.inf)
    assert rows[FIXED, "shear_share_softened"].value == 1
    assert rows[FIXED, "bulk_modulus_mae"].n_cases == 6
    assert rows[FIXED, "share_unstable"].value == pytest.approx(1 / 7)
    assert rows[RELAXED, "share_unstable"].n_failed == 2
    fixed = [row for row in rows.values() if row.variant == FIXED]
    assert "soft" in SUITE.verdict(fixed, "toy")
    assert "unstable 1/7" in SUITE.verdict(fixed, "toy")
    assert "shear moduli 0.85 [below all, 0.99] of DFT's in the median of 7 materials" in (
        SUITE.verdict(fixed, "toy")
    )
    table = SUITE.case_table([unstable])
    assert some(table).rows[0][-1] == "no"
    assert "no rest" in some(table).notes[-1]


def test_results_come_back_from_arrays() -> None:
    for result in (
        comparison("x", 0.9),
        ElasticComparison("y", None, None, np.eye(6), "broke", ""),
    ):
        again = SUITE.from_arrays(SUITE.to_arrays(result))
        assert SUITE.numbers(again) == pytest.approx(SUITE.numbers(result), nan_ok=True)
        assert again.fixed_failure == result.fixed_failure
        json.dumps(SUITE.numbers(again))


@pytest.mark.seconds
def test_a_structure_without_reference() -> None:
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = SUITE.structure_cases(StructureRequest(fcc(), "mine", 1, None))
    metrics = by_variant(SUITE, measured(SUITE, model, cases)["mine"])[RELAXED]
    assert metrics.bulk_modulus == pytest.approx(4 / 3 * STIFFNESS / A / GPA, rel=1e-3)
    assert np.isnan(metrics.bulk_modulus_scale)


def test_a_failing_material_leaves_the_others_standing() -> None:
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = [ElasticMeasurement("good", fcc()), ElasticMeasurement("bad", fcc(symbol="Po"))]
    outcomes = list(run_tasks(model, ((c.name, SUITE.measure(c)) for c in cases)))
    failed = [o for o in outcomes if isinstance(o, Failed)]
    assert [o.key for o in failed] == ["bad"]
    assert "polonium is refused" in str(failed[0].error)


@pytest.mark.seconds
@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-5])
@pytest.mark.parametrize("angle", [0.0, 1e-3, 37.0])
def test_symmetry_of_cells_that_miss_it(noise: float, angle: float) -> None:
    """As cells that a model relaxed do: no more constants are found than the crystal has."""
    rng = np.random.default_rng(0)
    for atoms, n in ((bulk("MgO", "rocksalt", a=4.25), 3), (bulk("Mg"), 5)):
        atoms.set_cell(atoms.cell.array + noise * rng.standard_normal((3, 3)), scale_atoms=True)
        atoms.rotate(angle, (1, 2, 3), rotate_cell=True)
        rotations = crystal_axes(atoms, 1e-3).rotations
        np.testing.assert_allclose(
            rotations @ rotations.transpose(0, 2, 1),
            np.tile(np.eye(3), (len(rotations), 1, 1)),
            atol=1e-12,
        )
        assert len(invariant_constants(rotations)) == n


def test_zincblende_in_three_orientations(load_model: LoadModel) -> None:
    """CHGNet's ZnS is not harmonic at 0.5 % strain: along its file's axes G was 0.36 to 0.41 of DFT's."""
    primitive = bulk("ZnS", "zincblende", a=5.45)
    other = turned(make_supercell(primitive, [[1, 1, 0], [0, 1, 0], [0, 1, 1]]))
    cases = [
        ElasticMeasurement("primitive", primitive),
        ElasticMeasurement("conventional", bulk("ZnS", "zincblende", a=5.45, cubic=True)),
        ElasticMeasurement("turned", other),
    ]
    found = measured(SUITE, load_model("chgnet-0.3.0"), cases)
    straight = by_variant(SUITE, found["primitive"])
    assert straight[FIXED].fit_residual == pytest.approx(0.066, abs=0.001)
    for result in found.values():
        for variant, numbers in by_variant(SUITE, result).items():
            assert numbers.shear_modulus == pytest.approx(straight[variant].shear_modulus, rel=2e-3)
            assert numbers.bulk_modulus == pytest.approx(straight[variant].bulk_modulus, rel=2e-3)
