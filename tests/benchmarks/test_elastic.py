"""Elastic constants: conventions, symmetry, crystals with known constants."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from umlip_bench.analysis.elastic import (
    ELASTIC,
    FIXED,
    GPA,
    RELAXED,
    ElasticComparison,
    ReferenceModuli,
    case_table,
    elastic_metrics,
    elastic_rows,
)
from umlip_bench.analysis.elasticity import (
    elastic_constants,
    independent_strains,
    invariant_constants,
    is_stable,
    moduli,
    strain_tensor,
    stress_vector,
)
from umlip_bench.benchmarks import elastic, load_suite
from umlip_bench.benchmarks.elastic import ElasticMeasurement, measure, point_group, strained
from umlip_bench.benchmarks.suite import StructureRequest
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.ground.errors import DataError
from umlip_bench.potentials.agreement import call_calculator

from ..support.measuring import measured
from ..support.potentials import Springs

SUITE = load_suite("elastic")
A = 4.0
STIFFNESS = 2.0


def fcc(a=A, symbol="Al"):
    return bulk(symbol, "fcc", a=a)


def cubic_constants(c11, c12, c44):
    c = np.diag([c11] * 3 + [c44] * 3).astype(float)
    c[:3, :3] += c12 * (1 - np.eye(3))
    return c


def test_fcc_of_springs():
    """Neighbours by springs k at rest: C11 = 2k/a, C12 = C44 = k/a (Cauchy's relation)."""
    model = Springs(A / np.sqrt(2), STIFFNESS)
    result = measured(SUITE, model, [ElasticMeasurement("fcc", fcc())])["fcc"]
    expected = cubic_constants(2 * STIFFNESS / A, STIFFNESS / A, STIFFNESS / A)
    # What is left is of the square of the strain.
    np.testing.assert_allclose(result.fixed, expected, atol=5e-5)
    np.testing.assert_allclose(result.relaxed, expected, atol=5e-5)


def test_the_model_relaxes_to_its_own_cell():
    model = Springs(A / np.sqrt(2), STIFFNESS)
    result = measured(SUITE, model, [ElasticMeasurement("fcc", fcc(1.02 * A))])["fcc"]
    expected = cubic_constants(2 * STIFFNESS / A, STIFFNESS / A, STIFFNESS / A)
    np.testing.assert_allclose(result.relaxed, expected, rtol=2e-3, atol=2e-3)
    assert abs(result.fixed - expected).max() > 0.01


def test_atoms_relax_in_the_strained_cell():
    """A crystal with a free internal coordinate is softer once its atoms move."""
    # Two atoms in a hexagonal close packing of springs: not a Bravais lattice.
    hcp = bulk("Mg", "hcp", a=3.0, c=3.0 * np.sqrt(8 / 3))
    model = Springs(3.0, STIFFNESS)
    found = measured(SUITE, model, [ElasticMeasurement("hcp", hcp)])["hcp"].fixed
    basis = invariant_constants(point_group(hcp))
    chosen = np.eye(6)[independent_strains(basis)]
    rigid = []
    for strain in chosen:
        both = [
            stress_vector(
                model.evaluate([model.prepare(strained(hcp, s * 0.005 * strain))])[0].stress
            )
            for s in (1, -1)
        ]
        rigid.append((both[0] - both[1]) / 0.01)
    clamped = elastic_constants(basis, chosen, np.array(rigid))
    difference = np.linalg.eigvalsh(clamped - found)
    assert difference.min() > -1e-4
    assert difference.max() > 0.01
    # Relaxed: C66 = (C11 - C12)/2 of a hexagonal crystal.
    assert found[5, 5] == pytest.approx((found[0, 0] - found[0, 1]) / 2, abs=1e-9)


def test_forces_that_are_left_do_not_matter(monkeypatch):
    """In a soft crystal a strain causes forces below 1e-3 eV/Å, which are 3 % of a constant if they stay."""
    hcp = bulk("Mg", "hcp", a=3.0, c=3.0 * np.sqrt(8 / 3))
    model = Springs(3.0, 0.2)
    found, exact, careless = [], [], []
    for constants, fmax in ((found, elastic.FMAX), (exact, 1e-8), (careless, 1e-3)):
        monkeypatch.setattr(elastic, "FMAX", fmax)
        constants.append(measured(SUITE, model, [ElasticMeasurement("x", hcp)])["x"].fixed)
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.max(exact))
    assert np.abs(np.subtract(careless, exact)).max() > 0.02 * np.max(exact)


def test_signs_and_shear_conventions():
    """Tension is positive; ε₄ is the engineering shear of y and z."""
    np.testing.assert_array_equal(
        strain_tensor(np.array([1, 2, 3, 4, 5, 6])), [[1, 3, 2.5], [3, 2, 2], [2.5, 2, 3]]
    )
    stress = np.array([[1, 6, 5], [6, 2, 4], [5, 4, 3]], dtype=float)
    np.testing.assert_array_equal(stress_vector(stress), [1, 2, 3, 4, 5, 6])
    stretched = strained(fcc(), np.array([0.01, 0, 0, 0, 0, 0]))
    assert stretched.get_volume() > fcc().get_volume()
    model = Springs(A / np.sqrt(2), STIFFNESS)
    assert model.evaluate([model.prepare(stretched)])[0].stress[0, 0] > 0


@pytest.mark.parametrize(
    ("atoms", "free", "strains"),
    [
        (bulk("Al", "fcc", a=4.0), 3, 2),
        (bulk("Mg", "hcp", a=3.2, c=5.2), 5, 3),
        (Atoms("Al", cell=[3, 3, 4], pbc=True), 6, 4),
        (Atoms("Al", cell=[3, 4, 5], pbc=True), 9, 6),
        (Atoms("Al", cell=[3, 4, 5, 90, 100, 90], pbc=True), 13, 6),
        (Atoms("Al", cell=[3, 4, 5, 80, 100, 75], pbc=True), 21, 6),
    ],
)
def test_free_constants_of_crystal_systems(atoms, free, strains):
    basis = invariant_constants(point_group(atoms))
    assert len(basis) == free
    assert len(independent_strains(basis)) <= strains


def test_constants_come_back_from_independent_strains():
    rng = np.random.default_rng(1)
    for atoms in (fcc(), bulk("Mg", "hcp", a=3.2, c=5.2), Atoms("Al", cell=[3, 4, 5], pbc=True)):
        basis = invariant_constants(point_group(atoms))
        truth = np.tensordot(rng.normal(size=len(basis)), basis, axes=1)
        chosen = np.eye(6)[independent_strains(basis)]
        np.testing.assert_allclose(
            elastic_constants(basis, chosen, chosen @ truth.T), truth, atol=1e-10
        )


def test_too_few_strains_are_refused():
    basis = invariant_constants(point_group(fcc()))
    with pytest.raises(DataError, match="1 strains determine 2 of 3"):
        elastic_constants(basis, np.eye(6)[:1], np.ones((1, 6)))


def test_moduli_of_a_cubic_crystal():
    """K = (C11 + 2 C12)/3; Voigt and Reuss as in the textbooks (copper, GPa)."""
    found = moduli(cubic_constants(168.4, 121.4, 75.4))
    assert found.bulk == pytest.approx((168.4 + 2 * 121.4) / 3)
    assert found.shear_voigt == pytest.approx((168.4 - 121.4 + 3 * 75.4) / 5)
    expected = 5 * (168.4 - 121.4) * 75.4 / (4 * 75.4 + 3 * (168.4 - 121.4))
    assert found.shear_reuss == pytest.approx(expected)
    assert found.shear == pytest.approx((found.shear_voigt + found.shear_reuss) / 2)


def test_moduli_do_not_depend_on_the_axes():
    """Rotating the strain and stress of a crystal leaves its polycrystal alone."""
    turned = fcc()
    rotation = Rotation.from_euler("xyz", [20, 35, 50], degrees=True).as_matrix()
    turned.set_cell(turned.cell.array @ rotation.T, scale_atoms=True)
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = [ElasticMeasurement("straight", fcc()), ElasticMeasurement("turned", turned)]
    found = measured(SUITE, model, cases)
    straight, other = (moduli(found[name].fixed) for name in ("straight", "turned"))
    assert other.bulk == pytest.approx(straight.bulk, rel=1e-4)
    assert other.shear == pytest.approx(straight.shear, rel=1e-3)


def test_stability():
    assert is_stable(cubic_constants(168, 121, 75))
    assert not is_stable(cubic_constants(100, 121, 75))  # C11 < C12
    assert not is_stable(cubic_constants(168, 121, -1))


def comparison(name, factor):
    c = cubic_constants(168.4, 121.4, 75.4) * GPA
    dft = moduli(c)
    return ElasticComparison(name, ReferenceModuli(dft.bulk, dft.shear), factor * c, factor * c)


def test_rows_count_the_unstable():
    materials = [comparison(f"m{k}", f) for k, f in enumerate((0.7, 0.8, 0.85, 0.9, 0.95, 0.99))]
    unstable = ElasticComparison("bad", ReferenceModuli(1, 1), -np.eye(6), None, "", "no rest")
    rows = {
        (r.variant, r.metric): r for r in elastic_rows("toy", "data", [*materials, unstable], 1)
    }
    row = rows[FIXED, "bulk_modulus_scale_median"]
    assert (row.n_cases, row.n_failed) == (6, 1)
    assert row.value == pytest.approx(0.875)
    assert rows[FIXED, "shear_modulus_scale_median"].value == pytest.approx(0.875)
    assert rows[FIXED, "share_unstable"].value == pytest.approx(1 / 7)
    assert rows[RELAXED, "share_unstable"].n_failed == 2
    fixed = [row for row in rows.values() if row.variant == FIXED]
    assert "soft" in ELASTIC.verdict(fixed, "toy")
    assert "unstable 1/7" in ELASTIC.verdict(fixed, "toy")
    table = case_table([unstable])
    assert table.rows[0][-1] == "no"
    assert "no rest" in table.notes[0]


def test_results_come_back_from_arrays():
    for result in (
        comparison("x", 0.9),
        ElasticComparison("y", None, None, np.eye(6), "broke", ""),
    ):
        again = SUITE.from_arrays(result.name, SUITE.to_arrays(result))
        assert SUITE.numbers(again) == pytest.approx(SUITE.numbers(result), nan_ok=True)
        assert again.fixed_failure == result.fixed_failure
        json.dumps(SUITE.numbers(again))


def test_a_structure_without_reference():
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = SUITE.structure_cases(StructureRequest(fcc(), "mine", 1, None))
    metrics = elastic_metrics(measured(SUITE, model, cases)["mine"])[RELAXED]
    assert metrics.bulk_modulus == pytest.approx(4 / 3 * STIFFNESS / A / GPA, rel=1e-3)
    assert np.isnan(metrics.bulk_modulus_scale)


def test_a_failing_material_leaves_the_others_standing():
    model = Springs(A / np.sqrt(2), STIFFNESS)
    cases = [ElasticMeasurement("good", fcc()), ElasticMeasurement("bad", fcc(symbol="Po"))]
    outcomes = list(run_tasks(model, ((c.name, SUITE.measure(c)) for c in cases)))
    failed = [o for o in outcomes if isinstance(o, Failed)]
    assert [o.key for o in failed] == ["bad"]
    assert "polonium is refused" in str(failed[0].error)


def test_chgnet_against_finite_strains_of_its_library(load_model):
    """C11, C12 and C44 of MgO at a fixed cell by the library's own calculator."""
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    atoms = bulk("MgO", "rocksalt", a=4.25)
    case = ElasticMeasurement("MgO", atoms)
    ours = measured(SUITE, load_model("chgnet-0.3.0"), [case])["MgO"].fixed

    calculator = CHGNetCalculator(CHGNet.load(verbose=False), use_device="cpu")

    def stress(deformation):
        cell = atoms.copy()
        cell.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
        cell.calc = calculator
        return cell.get_stress()

    h = 0.005
    stretch, shear = np.diag([h, 0, 0]), np.zeros((3, 3))
    shear[1, 2] = shear[2, 1] = h / 2
    # Ions sit at centres of inversion: nothing relaxes.
    along = (stress(np.eye(3) + stretch) - stress(np.eye(3) - stretch)) / (2 * h)
    across = (stress(np.eye(3) + shear) - stress(np.eye(3) - shear)) / (2 * h)
    found = np.array([ours[0, 0], ours[0, 1], ours[3, 3]]) / GPA
    np.testing.assert_allclose(found, np.array([along[0], along[1], across[3]]) / GPA, atol=0.3)


@pytest.mark.parametrize("noise", [0.0, 1e-7, 1e-5])
@pytest.mark.parametrize("angle", [0.0, 1e-3, 37.0])
def test_strains_suffice_in_cells_that_miss_their_symmetry(noise, angle):
    """As cells that a model relaxed do: neither more constants are found, nor badly determined ones."""
    rng = np.random.default_rng(0)
    for atoms, n in ((bulk("MgO", "rocksalt", a=4.25), 3), (bulk("Mg"), 5)):
        atoms.set_cell(atoms.cell.array + noise * rng.standard_normal((3, 3)), scale_atoms=True)
        atoms.rotate(angle, (1, 2, 3), rotate_cell=True)
        rotations = point_group(atoms)
        np.testing.assert_allclose(
            rotations @ rotations.transpose(0, 2, 1),
            np.tile(np.eye(3), (len(rotations), 1, 1)),
            atol=1e-12,
        )
        basis = invariant_constants(rotations)
        assert len(basis) == n
        chosen = np.eye(6)[independent_strains(basis)]
        design = np.array([(chosen @ matrix.T).ravel() for matrix in basis]).T
        assert np.linalg.cond(design) < 20


def test_an_independent_script_gives_the_same_constants(load_model):
    """C11, C12 and C44 of a cubic crystal from CHGNet's own calculator and two strains by hand."""
    model = load_model("chgnet-0.3.0")  # its own calculator knows single precision only
    atoms = bulk("Cu", "fcc", a=3.55)
    rng = np.random.default_rng(1)
    atoms.set_cell(atoms.cell.array + 1e-6 * rng.standard_normal((3, 3)), scale_atoms=True)
    calculator = model.reference_calculator()

    def stress(strain):
        cell = atoms.copy()
        cell.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        return call_calculator(calculator, cell).stress

    expected = []
    for i, j in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[i, j] = strain[j, i] = 0.005 if i == j else 0.0025
        expected.append((stress(strain) - stress(-strain)) / 0.01)
    (outcome,) = run_tasks(model, [("Cu", measure(ElasticMeasurement("Cu", atoms)))])
    found = outcome.result.fixed
    assert found[0, 0] == pytest.approx(expected[0][0, 0], rel=1e-2)
    assert found[0, 1] == pytest.approx(expected[0][1, 1], rel=1e-2)
    assert found[3, 3] == pytest.approx(expected[1][1, 2], rel=1e-2)
