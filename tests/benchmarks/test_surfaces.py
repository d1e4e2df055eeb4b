"""Surface energies: closed forms, how slabs follow their bulk, and CHGNet on published slabs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100, fcc110, fcc111, hcp0001, hcp10m10
from ase.units import J, m
from numpy.testing import assert_allclose

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import as_a, each_as_a, some
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.benchmarks import load_suite, slabs
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.benchmarks.surfaces.measure import CLEAVAGE, SlabCase, measure
from umlip_bench.benchmarks.surfaces.result import SurfaceResult, missing_faces, wulff_shape
from umlip_bench.datasets import load
from umlip_bench.datasets.cases import Preparation, SurfaceCase
from umlip_bench.engine import Done, Failed, Relax, run_requests, run_tasks
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.identity import identity

from ..support.measuring import published, results, single_points
from ..support.potentials import CountedBonds

SUITE = load_suite("surfaces")
NAN = float("nan")
A = 3.6
"""Å, lattice constant; the bond is A / √2 long."""
BOND = A / np.sqrt(2)
FACES = {
    # Bonds broken per atom of the face's top layers, and area per atom in units of A².
    "111": (fcc111, 3, np.sqrt(3) / 4),
    "100": (fcc100, 4, 1 / 2),
    "110": (fcc110, 6, 1 / np.sqrt(2)),
}


def slab_case(
    slab: Atoms,
    crystal: Atoms,
    reference: float = NAN,
    preparation: Preparation = Preparation.RELAXED,
    **more: Any,
) -> SlabCase:
    return SlabCase("slab", "Cu", slab, crystal, (1, 1, 1), reference, preparation, **more)


def copper_slab(face: str, scale: float = 1.0) -> Atoms:
    make = FACES[face][0]
    slab = make("Cu", (1, 1, 8), a=A * scale)
    return umlip_bench.make_periodic(Atoms(slab, pbc=[True, True, False]), vacuum=8.0)


def values(result: SurfaceResult) -> tuple[EnergyValue, EnergyValue]:
    found = result.comparison
    return some(found.value(EnergyVariant.FIXED)), some(found.value(EnergyVariant.RELAXED))


@pytest.mark.seconds
@pytest.mark.parametrize("face", list(FACES))
@pytest.mark.parametrize("scale", [1.0, 1.01])
def test_a_slab_of_bonds_costs_half_of_each_broken_bond(face: str, scale: float) -> None:
    """Also from a stretched crystal: bulk and slab relax to the same bonds."""
    _, broken, area = FACES[face]
    expected = 0.5 * broken * 0.7 / (area * A**2)
    case = slab_case(copper_slab(face, scale), bulk("Cu", a=A * scale), expected)
    (result,) = results(CountedBonds(BOND, {"CuCu": 0.7}), SUITE, [case])
    fixed, relaxed = values(result)
    assert_allclose(relaxed.model, expected, rtol=3e-3)
    assert relaxed.comparable
    stretched = 0.7 - 5 * (0.01 * BOND) ** 2 / 2 if scale > 1 else 0.7
    assert_allclose(fixed.model, expected * stretched / 0.7 / scale**2, rtol=1e-6)
    assert (fixed.flags, relaxed.flags) == ((), ())


@pytest.mark.seconds
def test_relaxing_never_raises_the_energy() -> None:
    model = umlip_bench.potential("ase:ase.calculators.lj:LennardJones", dtype="float64")
    relaxed = next(run_requests(model, [Relax(bulk("Ar", "fcc", a=1.6), cell=True, fmax=1e-4)]))
    constant = (
        2 ** (1 / 3) * as_a(Done, relaxed).result.atoms.get_volume() ** (1 / 3) * 2 ** (1 / 3)
    )
    for face in (fcc111, fcc100):
        slab = face("Ar", (1, 1, 6), a=constant)
        slab = umlip_bench.make_periodic(Atoms(slab, pbc=[True, True, False]), vacuum=5.0)
        case = slab_case(slab, bulk("Ar", "fcc", a=constant))
        fixed, relaxed_value = values(results(model, SUITE, [case])[0])
        assert 0 < relaxed_value.model < fixed.model
        assert relaxed_value.standing is Standing.NO_REFERENCE


def test_slabs_that_are_not_stoichiometric_are_refused() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.7, cubic=True)
    slab = crystal.repeat((1, 1, 2))
    del slab[0]
    slab.center(vacuum=6, axis=2)
    case = SlabCase("s", "NaCl", slab, crystal, (1, 0, 0), NAN, Preparation.RELAXED)
    (outcome,) = run_tasks(CountedBonds(2.85), [("s", measure(case))])
    assert isinstance(outcome, Failed)
    with pytest.raises(DataError, match=r"no multiple of Cl4Na4.*chemical potentials"):
        raise outcome.error


def test_two_different_faces_are_flagged_as_cleavage() -> None:
    """Zincblende (111) ends with one element on one side and the other on the other."""
    structure = bulk("GaAs", "zincblende", a=5.65, cubic=True)
    polar = umlip_bench.make_periodic(
        Atoms(
            "GaAsGaAs",
            positions=[(0, 0, 0), (0, 0, 2.4), (0, 2.3, 3.2), (0, 2.3, 5.6)],
            cell=[(4, 0, 0), (2, 3.46, 0), (0, 0, 9)],
            pbc=[True, True, False],
        ),
        vacuum=8.0,
    )
    assert not slabs.has_equal_faces(polar)
    assert slabs.has_equal_faces(copper_slab("111"))
    case = slab_case(polar, structure)
    (outcome,) = run_tasks(CountedBonds(2.45), [("s", single_points(measure(case)))])
    fixed, relaxed = values(as_a(Done, outcome).result)
    assert fixed.flags == (CLEAVAGE,)
    assert relaxed.standing is Standing.FAILED
    assert "not relaxed here" in relaxed.reason


# ---- the slab follows its bulk


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slab_in_any_orientation_is_deformed_as_its_crystal_is(axis: int) -> None:
    def crystal(a: float, c: float) -> Atoms:
        return bulk("Ti", "hcp", a=a, c=c)

    def basal(a: float, c: float) -> Atoms:
        slab = Atoms(hcp0001("Ti", (1, 1, 6), a=a, c=c), pbc=[True, True, False])
        return umlip_bench.make_periodic(slab, vacuum=16.0)

    before, after = (2.95, 4.68), (3.01, 4.60)
    slab = basal(*before)
    order = np.roll([0, 1, 2], axis)
    turned = Atoms(slab.symbols, positions=slab.positions, cell=slab.cell[order], pbc=True)
    turned.rotate(67.0, (1, 2, 3), rotate_cell=True)
    turned.positions += [0.3, 0.7, 5.0]  # across the boundary of the cell
    turned.wrap()
    strained = slabs.strained_like(turned, crystal(*before), crystal(*after))
    expected = basal(*after)
    assert_allclose(slabs.area(strained), slabs.area(expected), rtol=1e-9)
    assert_allclose(
        np.sort(strained.get_all_distances(mic=True), axis=1),
        np.sort(expected.get_all_distances(mic=True), axis=1),
        atol=1e-9,
    )
    side = hcp_side(before)
    strained = slabs.strained_like(side, crystal(*before), crystal(*after))
    lengths = np.sort(np.linalg.norm(slabs.face(strained), axis=1))
    assert_allclose(lengths, [3.01, 4.60], rtol=1e-6)


def hcp_side(lattice: tuple[float, float]) -> Atoms:
    """A prismatic slab: its face has the hexagonal axis in it."""
    slab = hcp10m10("Ti", (1, 2, 6), a=lattice[0], c=lattice[1])
    return umlip_bench.make_periodic(Atoms(slab, pbc=[True, True, False]), vacuum=16.0)


def test_a_slab_of_another_crystal_is_told() -> None:
    relaxed = bulk("Ti", "hcp", a=3.0, c=4.7)
    with pytest.raises(DataError, match="no way to cut it"):
        slabs.strained_like(copper_slab("100"), bulk("Ti", "hcp", a=2.95, c=4.68), relaxed)


@pytest.mark.seconds
@pytest.mark.parametrize("name", ["mlearn", "monbtaw", "pymatgen-wulff"])
def test_published_slabs_are_found_in_their_crystals(name: str) -> None:
    cases = each_as_a(SurfaceCase, published(name).of_task("surfaces"))
    for case in sorted(cases, key=lambda case: len(case.slab))[:12]:
        crystal = slabs.primitive(case.bulk)
        rotation = slabs.orientation(case.slab, crystal)
        assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        # In-plane edges are lattice vectors, to the deviation that the sets have.
        edges = slabs.face(case.slab) @ rotation @ np.linalg.inv(crystal.cell.array)
        assert np.abs(edges - np.round(edges)).max() < 0.06


# ---- from a structure alone


@pytest.mark.seconds
def test_nearest_neighbour_crystal_is_a_truncated_octahedron() -> None:
    """Energies as bonds are counted; the shape is the regular one, its hexagons 77.6 % of the area."""
    request = StructureRequest(bulk("Cu", a=A), "Cu", 1, None)
    assert SUITE.takes_structures
    cases = each_as_a(SlabCase, SUITE.structure_cases(request))
    assert {case.miller_index for case in cases} == {(1, 0, 0), (1, 1, 0), (1, 1, 1)}
    for case in cases:
        height = 1 / np.linalg.norm(case.slab.cell.reciprocal()[slabs.normal_axis(case.slab)])
        assert height > 20
    found = results(CountedBonds(BOND), SUITE, cases)
    for result in found:
        _, broken, area = FACES["".join(map(str, result.miller_index))]
        for value in values(result):
            assert_allclose(value.model, 0.5 * broken / (area * A**2), rtol=1e-6)
            assert value.standing is Standing.NO_REFERENCE
    shape = wulff_shape(found, EnergyVariant.RELAXED)
    hexagons = 8 * 1.5 * np.sqrt(3)
    assert_allclose(some(shape).area_fraction_dict[1, 1, 1], hexagons / (hexagons + 6), atol=1e-6)
    rows = {(r.variant, r.metric): r for r in SUITE.rows("m", "Cu", found, 0)}
    weighted = rows["relaxed", "weighted_surface_energy"]
    assert_allclose(weighted.value, some(shape).weighted_surface_energy)
    in_si = rows["relaxed", "weighted_surface_energy_si"]
    assert_allclose(in_si.value, weighted.value / (J / m**2))
    table = SUITE.case_table(found)
    assert {len(row) for row in some(table).rows} == {len(some(table).columns)}
    assert "78%" in {cell for row in some(table).rows for cell in row}


@pytest.mark.parametrize(
    ("faces", "missing"),
    [
        ({(1, 0, 0): 0.06}, ["(1 1 0)", "(1 1 1)"]),
        # Any member of a family stands for it.
        ({(0, 0, 1): 0.06, (1, 0, -1): 0.055}, ["(1 1 1)"]),
        ({(1, 0, 0): 0.06, (1, 1, 0): 0.065, (1, 1, 1): 0.05}, []),
    ],
)
def test_a_shape_names_the_low_index_faces_that_it_was_made_without(
    faces: dict[tuple[int, int, int], float], missing: list[str]
) -> None:
    """A cube of (1 0 0) alone may have corners that are not on the true shape."""
    found = [
        SurfaceResult(
            EnergyComparison(
                f"Cu {index}",
                "Cu",
                "eV/Å^2",
                (EnergyValue(EnergyVariant.FIXED, NAN, energy, Standing.NO_REFERENCE),),
            ),
            index,
            A * np.eye(3),
        )
        for index, energy in faces.items()
    ]
    shape = wulff_shape(found, EnergyVariant.FIXED)
    assert list(missing_faces(found, shape)) == missing
    rows = {row.metric: row.value for row in SUITE.rows("m", "Cu", found, 0)}
    assert rows["shape_missing_faces"] == len(missing)
    (note,) = [n for n in some(SUITE.case_table(found)).notes if n.startswith("Wulff")]
    assert ("which may be on the true one" in note) == bool(missing)
    assert all(face in note for face in missing)


@pytest.mark.seconds
def test_polar_faces_are_left_out_by_name() -> None:
    magnesia = bulk("MgO", "rocksalt", a=4.25)
    request = StructureRequest(magnesia, "MgO", 1, None)
    cases = each_as_a(SlabCase, SUITE.structure_cases(request))
    assert [case.miller_index for case in cases] == [(1, 0, 0), (1, 1, 0)]
    found = results(CountedBonds(4.25 / 2), SUITE, cases)
    assert "Left out: (1 1 1): two different faces." in some(SUITE.case_table(found)).notes
    with pytest.raises(UmlipBenchError, match="no slab up to Miller index 0"):
        SUITE.structure_cases(StructureRequest(magnesia, "MgO", 0, None))


# ---- data sets


def test_the_embedded_set(load_model: LoadModel) -> None:
    data = load("pbe-mini")
    cases = each_as_a(SlabCase, SUITE.cases(data, Mode.QUICK))
    everything = SUITE.cases(data, Mode.FULL)
    assert {case.system for case in cases} >= {"Al", "LiF", "MgO", "NaCl"}
    assert len({case.name for case in everything}) == len(everything)
    mgo = next(case for case in cases if case.name == "MgO (1 0 0)")
    (result,) = results(load_model("chgnet-0.3.0"), SUITE, [mgo])
    fixed, relaxed = values(result)
    assert_allclose(fixed.ratio, 1.02, atol=0.01)
    assert fixed.comparable
    assert not relaxed.comparable
    assert "DFT at fixed geometry" in relaxed.reason
    metrics = SUITE.numbers(result)
    assert_allclose(metrics["fixed_geometry_reference_si"], 0.905, atol=1e-3)
    assert identity(mgo) != identity(replace(as_a(SlabCase, mgo), reference=0.1))
    assert load_suite("surfaces").name == "surfaces"


# CHGNet 0.3.0 over DFT, as measured independently on these slabs at their DFT geometries.
RATIOS = {
    "mlearn": {"Li": 0.72, "Mo": 0.75},
    "monbtaw": {"Mo": 0.75, "Nb": 0.84, "Ta": 0.89, "W": 0.78},
}


@pytest.mark.parametrize("name", list(RATIOS))
def test_chgnet_on_published_slabs(name: str, load_model: LoadModel) -> None:
    model = load_model("chgnet-0.3.0")
    cases = [
        case
        for case in each_as_a(SlabCase, SUITE.cases(published(name), Mode.FULL))
        if case.system in RATIOS[name] and len(case.slab) <= 40
    ]
    tasks = ((case.name, single_points(measure(case))) for case in cases)
    found = [o.result for o in run_tasks(model, tasks) if isinstance(o, Done)]
    assert len(found) == len(cases)
    for system, expected in RATIOS[name].items():
        values = [r.comparison.value(EnergyVariant.FIXED) for r in found if r.system == system]
        x, y = np.array([[value.reference, value.model] for value in values]).T
        assert_allclose(x @ y / (x @ x), expected, atol=0.015, err_msg=system)
    rows = {(r.variant, r.metric): r for r in SUITE.rows("m", name, found, 0)}
    assert rows["fixed-geometry", "share_underpredicted"].value == 1.0
    assert rows["relaxed", "energy_scale"].n_failed == len(cases)
