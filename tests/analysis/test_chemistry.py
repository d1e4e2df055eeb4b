"""What is told by element, by chemistry and by predictor must come back from materials made of it."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from umlip_bench.analysis.chemistry import (
    Chemistry,
    by_class,
    by_element,
    case_scales,
    chemistry_of,
)
from umlip_bench.analysis.coordination import effective_coordination
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.force_chemistry import element_forces
from umlip_bench.analysis.frames import Geometry, MaterialComparison
from umlip_bench.analysis.predictors import predictors
from umlip_bench.analysis.runs import Run
from umlip_bench.benchmarks.surfaces.result import SurfaceResult
from umlip_bench.ground.errors import DataError, UmlipBenchError

from ..support.runs import MODEL, material, run_of

HIGH_ENERGY = ("high-energy", "fixed-geometry", MODEL)
ROCKSALT = bulk("NaCl", "rocksalt", a=5.64, cubic=True)


def high_energy(
    *materials: tuple[tuple[str], MaterialComparison] | tuple[tuple[str, str], MaterialComparison],
) -> Run:
    """A run of materials given with their elements."""
    return run_of([("high-energy", elements, each) for elements, each in materials])


# ---- coordination


def geometry(atoms: Atoms) -> Geometry:
    return Geometry(atoms.numbers, atoms.positions, atoms.cell.array)


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (bulk("Al", "fcc", a=4.05), 12.0),
        (bulk("MgO", "rocksalt", a=4.21), 6.0),
        (bulk("Si", "diamond", a=5.43), 4.0),
        (bulk("ZnS", "zincblende", a=5.41), 4.0),
        (bulk("Po", "sc", a=3.35), 6.0),
        (bulk("CsCl", "cesiumchloride", a=4.12), 8.0),
    ],
    ids=["fcc", "rocksalt", "diamond", "zincblende", "simple cubic", "CsCl"],
)
def test_coordination_of_simple_crystals(atoms: Atoms, expected: float) -> None:
    # The second shell of CsCl is 15 % farther away, and counts for some.
    allowed = 3.7 if expected == 8.0 else 0.05
    found = effective_coordination(geometry(atoms))
    assert found == pytest.approx(expected, abs=allowed)
    assert np.all(found >= expected - 1e-3)


def test_coordination_does_not_depend_on_size_or_cell() -> None:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    one = effective_coordination(geometry(atoms))
    repeated = atoms.repeat((2, 1, 1))
    np.testing.assert_allclose(effective_coordination(geometry(repeated)), np.tile(one, 2))
    larger = atoms.copy()
    larger.set_cell(1.02 * larger.cell.array, scale_atoms=True)
    np.testing.assert_allclose(effective_coordination(geometry(larger)), one, rtol=1e-3)


def test_coordination_by_hand() -> None:
    """Two neighbours at d and one at 1.2 d, on a line of atoms too far from all others."""
    positions = np.array([[0, 0, 0], [2.0, 0, 0], [-2.0, 0, 0], [0, 2.4, 0]])
    found = effective_coordination(Geometry(np.ones(4, int), positions, 30 * np.eye(3)))[0]
    average = 2.0
    for _ in range(50):
        weights = np.exp(1 - (np.array([2.0, 2.0, 2.4]) / average) ** 6)
        average = weights @ [2.0, 2.0, 2.4] / weights.sum()
    assert found == pytest.approx(weights.sum(), rel=1e-6)
    assert 2.0 < found < 3.0


def test_an_atom_alone_has_no_neighbours() -> None:
    alone = Geometry(np.array([2]), np.zeros((1, 3)), 20 * np.eye(3))
    assert effective_coordination(alone) == [0.0]


# ---- forces by element


def test_slopes_of_elements_come_back() -> None:
    """Sodium 0.8 and chlorine 1.0 in the same material: by its atoms, not by its materials."""
    run = high_energy(
        *(
            (("Cl", "Na"), material(f"m{k}", ROCKSALT, {"Na": 0.8, "Cl": 1.0}, seed=k))
            for k in range(7)
        )
    )
    sodium, chlorine = element_forces(run, MODEL)
    assert (sodium.symbol, chlorine.symbol) == ("Na", "Cl")
    assert sodium.slope == pytest.approx(0.8, rel=1e-12)
    assert chlorine.slope == pytest.approx(1.0, rel=1e-12)
    assert sodium.inverse == pytest.approx(1.25, rel=1e-12)
    assert sodium.slope_low == pytest.approx(0.8)
    assert sodium.inverse_high == pytest.approx(1.25)
    assert chlorine.mae == pytest.approx(0.0, abs=1e-12)
    assert (sodium.n_atoms, sodium.n_materials) == (7 * 3 * 4, 7)
    # Cases cannot tell the two apart.
    scales = by_element(run, *HIGH_ENERGY)
    assert scales[0].median == scales[1].median
    assert 0.8 < scales[0].median < 1.0


def test_elements_rest_on_the_materials_that_have_them() -> None:
    silicon = material("Si", bulk("Si"), {"Si": 0.5})
    run = high_energy(
        (("Si",), silicon), (("Cl", "Na"), material("NaCl", ROCKSALT, {"Na": 0.8, "Cl": 1.0}))
    )
    found = {each.symbol: each for each in element_forces(run, MODEL)}
    assert list(found) == ["Na", "Si", "Cl"]
    assert found["Si"].slope == pytest.approx(0.5)
    assert found["Si"].n_materials == 1
    assert found["Si"].slope_low is None


def test_an_element_without_forces_is_left_out() -> None:
    frozen = material("m", ROCKSALT, {"Na": 0.8, "Cl": 1.0}, sizes=[1, 0] * 4)
    assert [each.symbol for each in element_forces(high_energy((("Cl", "Na"), frozen)), MODEL)] == [
        "Na"
    ]


def test_runs_without_geometries_tell_no_elements() -> None:
    known = material("m", ROCKSALT, {"Na": 0.8, "Cl": 1.0})
    frames = tuple(replace(frame, geometry=None) for frame in known.frames)
    run = high_energy((("Cl", "Na"), MaterialComparison("m", frames)))
    assert element_forces(run, MODEL) == []
    assert predictors(run, MODEL) == []


@pytest.mark.coverage
def test_intervals_cover_the_scatter_between_materials() -> None:
    slopes = np.linspace(0.7, 0.9, 9)
    run = high_energy(
        *((("Si",), material(f"m{k}", bulk("Si"), {"Si": slope})) for k, slope in enumerate(slopes))
    )
    (silicon,) = element_forces(run, MODEL)
    assert silicon.slope == pytest.approx(0.8)
    # Of nine values the second and the second last.
    assert (silicon.slope_low, silicon.slope_high) == pytest.approx((0.725, 0.875))
    (case,) = by_element(run, *HIGH_ENERGY)
    assert (case.ci_low, case.ci_high) == pytest.approx((0.725, 0.875))
    assert (case.n_cases, case.n_systems) == (9, 9)


# ---- cases


def face(
    name: str, system: str, ratio: float, standing: Standing = Standing.COMPARABLE
) -> SurfaceResult:
    value = EnergyValue(EnergyVariant.FIXED, 1.0, ratio, standing)
    return SurfaceResult(EnergyComparison(name, system, "eV/Å^2", (value,)), (1, 0, 0), None, ())


def test_faces_of_one_crystal_are_one_system() -> None:
    """Six faces of one crystal do not make an interval, and weigh as much as the one of another."""
    faces: list[tuple[str, tuple[str, ...], SurfaceResult]]
    faces = [("surfaces", ("Si",), face(f"Si {k}", "Si", 0.5)) for k in range(6)]
    faces += [("surfaces", ("C", "Si"), face("SiC", "SiC", 0.9))]
    faces += [("surfaces", ("Si",), face("other", "Si2", 3.0, Standing.NOT_COMPARABLE))]
    run = run_of(faces)
    carbon, silicon = by_element(run, "surfaces", "fixed-geometry", MODEL)
    assert (carbon.symbol, silicon.symbol) == ("C", "Si")
    assert (silicon.n_cases, silicon.n_systems) == (7, 2)
    assert silicon.median == pytest.approx(0.7)
    assert silicon.ci_low is None
    assert len(case_scales(run, "surfaces", "fixed-geometry", MODEL)) == 7
    assert by_element(run, "surfaces", "relaxed", MODEL) == []
    assert by_element(run, "surfaces", "fixed-geometry", "nobody") == []
    with pytest.raises(UmlipBenchError, match="unknown suite"):
        by_element(run, "surface", "fixed-geometry", MODEL)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ("Mg O", Chemistry.OXIDE),
        ("Sr Ti O", Chemistry.OXIDE),
        ("La O F", Chemistry.HALIDE),
        ("Na Cl", Chemistry.HALIDE),
        ("Na Cl O", Chemistry.OXIDE),
        ("Zn S", Chemistry.CHALCOGENIDE),
        ("Ga As", Chemistry.PNICTIDE),
        ("Al N", Chemistry.PNICTIDE),
        ("Si C", Chemistry.CARBIDE),
        ("Mo Si", Chemistry.CARBIDE),
        ("Mg B", Chemistry.CARBIDE),
        ("Li H", Chemistry.HYDRIDE),
        ("Al", Chemistry.METAL),
        ("Nb Ta", Chemistry.METAL),
        ("Si", Chemistry.ELEMENTAL),
        ("Ar", Chemistry.ELEMENTAL),
    ],
)
def test_chemistry(elements: str, expected: Chemistry) -> None:
    assert chemistry_of(elements.split()) is expected


def test_nothing_has_no_chemistry() -> None:
    with pytest.raises(DataError, match="no elements"):
        chemistry_of([])


def test_classes_of_cases() -> None:
    run = high_energy(
        (("Si",), material("Si", bulk("Si"), {"Si": 0.5})),
        (("Cl", "Na"), material("NaCl", ROCKSALT, {"Na": 0.8, "Cl": 0.8})),
        (("Al",), material("Al", bulk("Al", cubic=True), {"Al": 0.9})),
    )
    found = by_class(run, *HIGH_ENERGY)
    assert {each.chemistry: pytest.approx(each.median) for each in found} == {
        Chemistry.HALIDE: 0.8,
        Chemistry.METAL: 0.9,
        Chemistry.ELEMENTAL: 0.5,
    }
    assert [each.chemistry for each in found] == [
        c for c in Chemistry if c in {f.chemistry for f in found}
    ]
