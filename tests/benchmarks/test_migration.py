import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.constraints import FixAtoms
from ase.mep import NEB
from ase.optimize import FIRE

from tests.conftest import LoadModel
from tests.support.narrowing import each_as_a, some
from umlip_bench.analysis.drawing import DFT
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.migration import measure as migration
from umlip_bench.benchmarks.migration.hops import BLOCKED, N_IMAGES, vacancy_hops
from umlip_bench.benchmarks.migration.measure import Migration, between
from umlip_bench.benchmarks.migration.result import MigrationComparison, distances_to_polyline
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.cli import main
from umlip_bench.engine import Done, run_tasks
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.protocol import Potential

from ..engine.test_bands import HOMES, WELL, TwoWells, approx_images, barriers, hop, vacancy_hop

SUITE = load_suite("migration")


def measured(model: Potential, *cases: Migration) -> dict[str, MigrationComparison]:
    found = {}
    for outcome in run_tasks(model, [(case.name, SUITE.measure(case)) for case in cases]):
        assert isinstance(outcome, Done), outcome
        found[outcome.key] = outcome.result
    return found


def two_wells(**options: Any) -> Migration:
    fields = {"name": "hop", "system": "toy", "moving": 0, "energies": None}
    return Migration(**{**fields, "images": tuple(approx_images()), **options})


def on_the_path() -> tuple[Atoms, ...]:
    """Images on the minimum energy path, the saddle point among them."""
    images = []
    for image in approx_images():
        x = image.positions[0, 0]
        valley = 1 - (x / WELL) ** 2
        image.positions = HOMES
        image.positions += [[x, TwoWells.bend * valley, 0], [0, 0.5 * valley, 0.2 * x], [0, 0, 0]]
        images.append(image)
    return tuple(images)


def test_all_variants_find_a_known_barrier() -> None:
    """To 1e-3 eV: at the geometries of the path, by relaxing images, and by a climbing image."""
    result = measured(TwoWells(), two_wells(images=on_the_path()))["hop"]
    forward, backward = barriers()
    for variant in (EnergyVariant.FIXED, EnergyVariant.APPROX_NEB, EnergyVariant.NEB):
        value = result.energies.value(variant)
        assert some(value).standing is Standing.NO_REFERENCE
        assert some(value).model == pytest.approx(0.5 * (forward + backward), abs=1e-3)
        (profile,) = (p for p in result.profiles if p.of == variant)
        assert profile.forward_barrier == pytest.approx(forward, abs=1e-3)
        assert profile.backward_barrier == pytest.approx(backward, abs=1e-3)


class CopperMorse(MorsePotential):
    """Girifalco and Weizer, Phys. Rev. 114, 687 (1959), cut off smoothly beyond the second shell."""

    def __init__(self) -> None:
        super().__init__(epsilon=0.3429, r0=2.866, rho0=1.3588 * 2.866, rcut1=1.3, rcut2=1.7)


def at_rest(atoms: Atoms, held: Sequence[int] = ()) -> tuple[Atoms, float, np.ndarray]:
    """The structure relaxed by ASE with some atoms held, and its energy and forces."""
    atoms = atoms.copy()
    atoms.set_constraint(FixAtoms(list(held)))
    atoms.calc = CopperMorse()
    FIRE(atoms, logfile=None).run(fmax=2e-3)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces(apply_constraint=False)
    atoms.set_constraint()
    atoms.calc = None
    return atoms, energy, forces


def test_a_hop_in_a_pair_potential_has_the_barrier_of_its_symmetric_saddle(
    load_model: LoadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To 1e-3 eV by all variants.

    Half-way between two neighbouring sites of fcc mirror planes meet: no force on the ion there, and the
    saddle point is the crystal relaxed around it.
    """
    model = load_model(f"ase:{__name__}:CopperMorse", dtype="float64")
    images, mover = vacancy_hop(bulk("Cu", "fcc", a=3.95, cubic=True).repeat(2), 3)
    middle = images[0].copy()
    middle.positions = 0.5 * (images[0].positions + images[-1].positions)
    (first, low, _), (last, same, _) = at_rest(images[0]), at_rest(images[-1])
    top, high, forces = at_rest(middle, [mover])
    assert np.abs(forces[mover]).max() < 1e-4
    assert same == pytest.approx(low, abs=1e-5)
    barrier = high - low

    monkeypatch.setattr(migration, "FMAX", 0.01)
    known = two_wells(images=(first, top, last), moving=mover, name="known")
    # The reference atom of ApproxNEB stays where it is put: not far away.
    rough = [image.copy() for image in known.images]
    for k, image in enumerate(rough):
        ion = image.positions[mover].copy()
        image.rattle(0.01, seed=k)
        image.positions[mover] = ion
    found = measured(model, known, replace(known, images=tuple(rough), name="rough"))
    for name, variant in (
        ("known", EnergyVariant.FIXED),
        ("rough", EnergyVariant.APPROX_NEB),
        ("rough", EnergyVariant.NEB),
    ):
        value = found[name].energies.value(variant)
        assert some(value).standing is Standing.NO_REFERENCE
        assert some(value).model == pytest.approx(barrier, abs=1e-3)
    assert some(found["rough"].energies.value(EnergyVariant.FIXED)).model != pytest.approx(
        barrier, abs=2e-3
    )


def test_a_hop_in_copper(load_model: LoadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """EMT: to 1e-3 eV, the barrier of ASE's own climbing band between ASE's relaxed end points."""
    emt = load_model("ase:ase.calculators.emt:EMT", dtype="float64")
    images, mover = vacancy_hop(bulk("Cu", "fcc", a=3.61).repeat((2, 2, 2)), 5)
    for image in images:
        image.calc = EMT()
    for end in (images[0], images[-1]):
        FIRE(end, logfile=None).run(fmax=0.005)
    band = NEB(images, climb=True, method="improvedtangent")
    FIRE(band, logfile=None).run(fmax=0.005)
    energies = np.array([image.get_potential_energy() for image in images])
    monkeypatch.setattr(migration, "FMAX", 0.01)
    relaxed = two_wells(images=tuple(image.copy() for image in images), moving=mover)
    rough = [image.copy() for image in images]
    for k, image in enumerate(rough):
        at = image.positions[mover].copy()
        image.rattle(0.02, seed=k)
        image.positions[mover] = at
    found = measured(emt, replace(relaxed, name="relaxed"), replace(relaxed, images=tuple(rough)))
    for name, variant in (
        ("relaxed", EnergyVariant.FIXED),
        ("hop", EnergyVariant.APPROX_NEB),
        ("hop", EnergyVariant.NEB),
    ):
        (ours,) = (p for p in found[name].profiles if p.of == variant)
        assert ours.forward_barrier == pytest.approx(max(energies) - energies[0], abs=1e-3)
        assert ours.backward_barrier == pytest.approx(max(energies) - energies[-1], abs=1e-3)


@pytest.mark.parametrize(
    ("prepared", "approx", "band"),
    [
        (EnergyVariant.FIXED, Standing.NOT_COMPARABLE, Standing.NOT_COMPARABLE),
        (EnergyVariant.APPROX_NEB, Standing.COMPARABLE, Standing.NOT_COMPARABLE),
        (EnergyVariant.NEB, Standing.NOT_COMPARABLE, Standing.COMPARABLE),
    ],
)
def test_only_what_dft_prepared_likewise_is_compared(
    prepared: EnergyVariant, approx: Standing, band: Standing
) -> None:
    energies = np.array([0.0, 0.3, 0.6, 0.3, 0.2])
    case = two_wells(energies=energies, prepared=prepared)
    result = measured(TwoWells(), case)["hop"].energies
    assert some(result.value(EnergyVariant.FIXED)).standing is Standing.COMPARABLE
    assert some(result.value(EnergyVariant.APPROX_NEB)).standing is approx
    assert some(result.value(EnergyVariant.NEB)).standing is band
    assert some(result.value(EnergyVariant.FIXED)).reference == pytest.approx(0.6 - 0.5 * 0.2)


def counts(result: MigrationComparison) -> dict[tuple[str, str], float]:
    """What the summary counts, by variant and metric."""
    rows = SUITE.rows("m", "d", [result], 0)
    return {(row.variant, row.metric): row.value for row in rows}


def test_end_points_that_are_no_minima_are_flagged() -> None:
    images = tuple(approx_images())[1:]
    case = two_wells(images=images, energies=np.zeros(4), prepared=EnergyVariant.APPROX_NEB)
    result = measured(TwoWells(), case)["hop"]
    value = result.energies.value(EnergyVariant.FIXED)
    assert any(
        "the first end point is no minimum of the model" in flag for flag in some(value).flags
    )
    assert not any("the last end point is no minimum" in flag for flag in some(value).flags)
    assert counts(result)[EnergyVariant.FIXED, "n_flagged"] == 1


def test_end_points_of_a_band_that_do_not_come_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "FMAX", 0.5)
    images = on_the_path()
    images[0].positions[2, 2] += 0.1
    result = measured(TwoWells(), two_wells(images=images))["hop"]
    value = some(result.energies.value(EnergyVariant.NEB))
    assert value.standing is Standing.UNCONVERGED
    assert "0.3 eV/Å are left at the end points" in value.reason
    assert counts(result)[EnergyVariant.NEB, "n_unconverged"] == 1


def test_an_image_that_relaxes_into_another_basin() -> None:
    images = on_the_path()
    images[2].positions[1] += [1.4, 0, 0]
    result = measured(TwoWells(), two_wells(images=images))["hop"]
    value = some(result.energies.value(EnergyVariant.APPROX_NEB))
    assert value.standing is Standing.CHANGED
    assert "image 2 relaxed by up to 1.4 Å" in value.reason
    assert counts(result)[EnergyVariant.APPROX_NEB, "n_changed"] == 1
    assert some(result.energies.value(EnergyVariant.FIXED)).standing is Standing.NO_REFERENCE


def test_a_band_may_slide_along_its_path_but_not_take_the_host_along() -> None:
    """The ion goes 0.6 Å aside and along; only where another atom leaves its place is it another path."""

    class WideWay(TwoWells):
        way = 1.3

    for model, standing in ((TwoWells(), Standing.NO_REFERENCE), (WideWay(), Standing.CHANGED)):
        result = measured(model, two_wells(images=tuple(hop(7))))["hop"]
        assert some(result.energies.value(EnergyVariant.NEB)).standing is standing
        assert counts(result)[EnergyVariant.NEB, "n_changed"] == (standing is Standing.CHANGED)


@pytest.mark.parametrize(
    ("prepared", "standing"),
    [(EnergyVariant.NEB, Standing.CHANGED), (EnergyVariant.FIXED, Standing.NOT_COMPARABLE)],
)
def test_a_band_that_leaves_the_path_of_dft(prepared: EnergyVariant, standing: Standing) -> None:
    """Far from a path that DFT relaxed it is another path; from a guess it may go where it likes."""

    class WideBend(TwoWells):
        bend = 1.3

    case = two_wells(images=tuple(hop(7)), energies=UPHILL, prepared=prepared)
    result = measured(WideBend(), case)["hop"]
    assert some(result.energies.value(EnergyVariant.NEB)).standing is standing
    assert counts(result)[EnergyVariant.NEB, "n_changed"] == (standing is Standing.CHANGED)


RISING = np.linspace(0, 0.3, 7)
OVER, SLOPE = hop(7), hop(x=np.linspace(-WELL, -0.4 * WELL, 8))[:-1]
UPHILL = RISING + np.array([0, 0, 0.05, 0.1, 0.3, 0.1, 0])


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("energies", "images", "where"),
    [
        (RISING, SLOPE, "DFT and in the model"),
        (RISING, OVER, "DFT"),
        (UPHILL, SLOPE, "the model"),
        (None, SLOPE, "the model"),
        (UPHILL, OVER, None),
    ],
)
def test_a_path_that_only_rises_has_no_barrier(
    energies: np.ndarray | None, images: list[Atoms], where: str
) -> None:
    """Half of its asymmetry is none: the value is left out, and counted for what it is."""
    case = two_wells(images=tuple(images), energies=energies)
    result = measured(TwoWells(), case)["hop"]
    value = result.energies.value(EnergyVariant.FIXED)
    assert counts(result)[EnergyVariant.FIXED, "n_no_barrier"] == (where is not None)
    if where is None:
        assert value.standing is Standing.COMPARABLE
        return
    assert some(value).standing is Standing.NO_BARRIER
    assert some(value).reason == f"in {where} no image is higher than both end points"
    assert np.isnan(some(value).model) == ("the model" in where)
    assert np.isnan(some(value).reference) == ("DFT" in where or energies is None)
    table = SUITE.case_table([result])
    assert ("no barrier (" in some(table).rows[0][2]) == ("the model" in where)
    rows = SUITE.rows("m", "d", [result], 0)
    (verdict,) = {
        SUITE.presentation.verdict([r for r in rows if r.variant == EnergyVariant.FIXED], "m")
    }
    assert "1 without a barrier" in verdict


@pytest.mark.parametrize(("energy", "force"), [(0.7, 0.75), (0.7, 0.95), (1.0, 0.7)])
def test_energies_beside_forces_along_the_path(energy: float, force: float) -> None:
    """DFT is the model with both divided: their slopes come back, and the page says if they disagree."""
    images = on_the_path()
    model = TwoWells()
    answers = model.evaluate([model.prepare(image) for image in images])
    case = two_wells(
        images=images,
        energies=np.array([each.energy for each in answers]) / energy,
        forces=np.array([each.forces for each in answers]) / force + 0.0,
    )
    result = measured(model, case)["hop"]
    (again,) = results_through_files([result])
    assert again.energy_slope == pytest.approx(energy)
    assert again.force_slope == pytest.approx(force)
    differ = abs(energy - force) > 0.1
    assert again.stories_differ == differ
    rows = [r for r in SUITE.rows("m", "d", [again], 0) if r.variant == EnergyVariant.FIXED]
    found = {row.metric: row.value for row in rows}
    assert found["path_energy_slope_median"] == pytest.approx(energy)
    assert found["path_force_slope_median"] == pytest.approx(force)
    said = SUITE.presentation.verdict(rows, "m")
    assert ("do not tell the same story on 1/1" in said) == differ
    assert any("same story" in note for note in some(SUITE.case_table([again])).notes) == differ
    assert SUITE.scaled(result, 2.0).force_slope == pytest.approx(2 * force)


def results_through_files(found: list[MigrationComparison]) -> list[MigrationComparison]:
    return [SUITE.from_arrays(SUITE.to_arrays(each)) for each in found]


def test_images_that_are_far_apart() -> None:
    left, _, right = TwoWells.stationary()
    for x, n in (([left, 1.0, right], 1), ([left, 0.0, right], 0)):
        result = measured(TwoWells(), two_wells(images=tuple(hop(x=x))))["hop"]
        flags = some(result.energies.value(EnergyVariant.FIXED)).flags
        assert [f for f in flags if "the saddle point may lie between" in f] == (
            ["the ion goes 2.6 Å from image 0 to 1: the saddle point may lie between"] * n
        )


def test_a_band_that_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "BAND_STEPS", 1)
    result = measured(TwoWells(), two_wells(images=tuple(hop(7))))["hop"]
    value = some(result.energies.value(EnergyVariant.NEB))
    assert value.standing is Standing.UNCONVERGED
    assert not value.converged
    assert counts(result)[EnergyVariant.NEB, "n_unconverged"] == 1
    assert counts(result)[EnergyVariant.APPROX_NEB, "n_unconverged"] == 0


@pytest.mark.parametrize("wrong", [-0.2, 0.0, 0.2])
def test_end_points_whose_energies_differ_otherwise_than_in_dft(wrong: float) -> None:
    images = on_the_path()
    left, _, right = TwoWells.along_x()(TwoWells.stationary())
    case = two_wells(images=images, energies=np.array([0.0, 0.2, 0.5, 0.4, right - left + wrong]))
    result = measured(TwoWells(), case)["hop"]
    flags = some(result.energies.value(EnergyVariant.FIXED)).flags
    assert flags == (
        (f"last end point against first: +0.30 eV, DFT {0.3 + wrong:+.2f} eV",) * bool(wrong)
    )
    assert counts(result)[EnergyVariant.FIXED, "n_flagged"] == bool(wrong)


def test_a_minimum_on_the_way_is_flagged() -> None:
    images = on_the_path()
    result = measured(TwoWells(), two_wells(images=images[2:0:-1] + images[:3]))["hop"]
    assert any(
        "below both end points" in f for f in some(result.energies.value(EnergyVariant.FIXED)).flags
    )
    assert counts(result)[EnergyVariant.FIXED, "n_flagged"] == 1


# ---- the path itself


def test_distance_from_a_polyline() -> None:
    """Beside a side, beyond an end, at a corner from outside; a vertex given twice changes nothing."""
    corner = np.array([[0.0, 0, 0], [2, 0, 0], [2, 0, 0], [2, 3, 0]])
    points = np.array([[1.0, 0, 0.4], [-3, 4, 0], [2.3, -0.4, 0], [2, 1.5, 0]])
    np.testing.assert_allclose(distances_to_polyline(points, corner), [0.4, 5, 0.5, 0], atol=1e-12)


def test_the_way_of_the_ion_is_compared_with_that_in_dft() -> None:
    """A straight guess relaxes into the curved valley, y = 0.6 (1 - (x/a)²) away at the saddle point."""
    images = tuple(hop(7))
    energies = np.array([0, 0.2, 0.4, 0.5, 0.4, 0.3, 0.3])
    case = two_wells(images=images, energies=energies, prepared=EnergyVariant.NEB)
    numbers = SUITE.numbers(measured(TwoWells(), case)["hop"])
    left, top, right = TwoWells.stationary()
    ends = TwoWells.bend * (1 - (np.array([left, right]) / WELL) ** 2)
    at_top = TwoWells.bend * (1 - (top / WELL) ** 2)
    # DFT's straight images lie at y = 0, but for the end points.
    assert abs(ends).max() < 0.1
    assert numbers["neb_path_deviation_max"] == pytest.approx(at_top, abs=0.02)
    assert 0.2 < numbers["neb_path_deviation_rms"] < numbers["neb_path_deviation_max"]
    # The ion is held: only the end points could have moved, and they are minima.
    assert numbers["approx_neb_path_deviation_max"] < 0.02
    assert numbers["reference_saddle_position"] == pytest.approx(0.5, abs=0.05)
    # None of this depends on which periodic images of the atoms the file holds.
    for image in images[2:]:
        image.wrap()
    again = SUITE.numbers(measured(TwoWells(), case)["hop"])
    assert again == pytest.approx(numbers, abs=1e-6, nan_ok=True)


def test_the_distribution_of_differences_from_ten_paths_on() -> None:
    """Model minus DFT of -1.0, -0.9, ... eV: quantiles by hand."""
    differences = np.linspace(-1.0, 0.0, 11)
    results = [
        MigrationComparison(
            EnergyComparison(
                f"path {k}",
                f"system {k}",
                "eV",
                (EnergyValue(EnergyVariant.FIXED, 2.0, 2.0 + error, Standing.COMPARABLE),),
            ),
            None,
            (),
        )
        for k, error in enumerate(differences)
    ]

    def found(results: list[MigrationComparison]) -> dict[str, tuple[float | None, int, str]]:
        rows = SUITE.rows("m", "d", results, 0)
        return {r.metric: (r.value, r.n_cases, r.unit) for r in rows if "difference" in r.metric}

    rows = found(results)
    assert list(rows) == [f"difference_q{level}" for level in (10, 25, 50, 75, 90)]
    values = [some(value) for value, _, _ in rows.values()]
    np.testing.assert_allclose(values, [-0.9, -0.75, -0.5, -0.25, -0.1], atol=1e-12)
    assert {(n, unit) for _, n, unit in rows.values()} == {(11, "eV")}
    assert len(found(results[:10])) == 5
    assert found(results[:9]) == {}


def test_profiles_are_drawn() -> None:
    """DFT in every panel, dotted where it was prepared otherwise, and each model's variants."""
    energies = np.array([0, 0.3, 0.6, 0.3, 0.2])
    result = measured(TwoWells(), two_wells(images=on_the_path(), energies=energies))["hop"]
    drawings = some(SUITE.drawings)({"soft": result, "hard": result})
    assert [drawing.comparable for drawing in drawings] == [True, False, False]
    assert len({drawing.y_range for drawing in drawings}) == 1
    for drawing in drawings:
        dft, *models = drawing.lines
        np.testing.assert_allclose(dft.y, energies)
        np.testing.assert_allclose(dft.x[[0, -1]], [0, 1])
        assert [dft.side, *(line.side for line in models)] == [DFT, "soft", "hard"]


def test_ends_that_have_moved_take_the_path_along() -> None:
    images = hop(5)
    first, last = images[0].copy(), images[-1].copy()
    first.positions += 0.1
    last.positions -= 0.2
    path = between(first, last, images)
    shifts = [(a.positions - b.positions)[0, 0] for a, b in zip(path, images, strict=True)]
    np.testing.assert_allclose(shifts, [0.1, 0.025, -0.05, -0.125, -0.2], atol=1e-12)


def test_round_trip() -> None:
    case = two_wells(energies=np.array([0, 0.1, 0.6, 0.5, 0.5]), prepared=EnergyVariant.APPROX_NEB)
    result = measured(TwoWells(), case)["hop"]
    again = SUITE.from_arrays(SUITE.to_arrays(result))
    assert isinstance(again, MigrationComparison)
    assert again.energies == result.energies
    np.testing.assert_equal(SUITE.numbers(again), SUITE.numbers(result))
    assert SUITE.case_table([again]) == SUITE.case_table([result])
    rows = {(r.variant, r.metric): r for r in SUITE.rows("m", "d", [again], 0)}
    assert rows["approx-neb", "energy_scale"].n_cases == 1
    assert rows["neb", "n_not_comparable"].value == 1


# ---- paths from a structure


@pytest.mark.seconds
def test_hops_into_a_vacancy_are_distinct_by_symmetry() -> None:
    """fcc has one nearest-neighbour hop; hcp two, in and out of the plane; the way to second
    neighbours of rocksalt's cations leads through an anion."""
    names = [hop.name for hop in vacancy_hops(bulk("MgO", "rocksalt", a=4.21), "Mg")]
    assert [name.split()[1] for name in names] == ["2.98"]
    lengths = [hop.name.split()[1] for hop in vacancy_hops(bulk("Mg", "hcp", a=3.2, c=5.2), "Mg")]
    assert lengths[:2] == ["3.19", "3.20"]


@pytest.mark.seconds
def test_a_hop_ends_where_the_vacancy_was() -> None:
    crystal = bulk("Mg", "hcp", a=3.2, c=5.2)
    for found in vacancy_hops(crystal, "Mg"):
        assert len(found.images) == N_IMAGES + 2
        first, last = found.images[0], found.images[-1]
        n_sites = round(first.get_volume() / crystal.get_volume() * len(crystal))
        assert len(first) == n_sites - 1
        moved = np.linalg.norm(last.positions - first.positions, axis=1)
        assert moved[found.moving] == pytest.approx(float(found.name.split()[1]), abs=0.01)
        assert np.delete(moved, found.moving).max() == 0
        for image in found.images:
            gaps = image.get_all_distances(mic=True)[found.moving]
            assert np.delete(gaps, found.moving).min() > BLOCKED
        # The vacancy has changed places with the ion: both ends are the same crystal.
        for image in (first, last):
            nearest = np.sort(image.get_all_distances(mic=True), axis=1)[:, 1]
            assert nearest.min() == pytest.approx(3.19, abs=0.02)


@pytest.mark.parametrize(
    ("ion", "reason"), [(None, "name the ion"), ("Li", "the structure has no Li")]
)
def test_an_ion_must_be_named(ion: str | None, reason: str) -> None:
    request = StructureRequest(bulk("MgO", "rocksalt", a=4.21), "MgO", 1, ion)
    with pytest.raises(UmlipBenchError, match=reason):
        SUITE.structure_cases(request)


# ---- data


def test_the_embedded_paths() -> None:
    from umlip_bench import datasets

    cases = each_as_a(Migration, SUITE.cases(datasets.load("pbe-mini"), Mode.STANDARD))
    assert "Al" in {case.system for case in cases}
    assert all(case.prepared is EnergyVariant.FIXED for case in cases)


# ---- the commands

EMT_MODEL = "ase:ase.calculators.emt:EMT"


@pytest.mark.seconds
def test_a_path_file_and_its_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """DFT is EMT times 1.25, in a file with one image's atoms in another order: the scale is 0.8."""
    images, _ = vacancy_hop(bulk("Cu", "fcc", a=3.61).repeat((2, 2, 3)), 5)
    for k, image in enumerate(images):
        image.calc = EMT()
        energy = 1.25 * image.get_potential_energy()
        image.info = {"path": "hop 1", "image": k, "REF_energy": energy, "system": "Cu"}
        image.calc = None
    images[3] = images[3][[10, *range(1, 10), 0]]
    ase.io.write(tmp_path / "my.xyz", images, format="extxyz")
    folder = tmp_path / "run"
    command = ["run", "migration", "--data", str(tmp_path / "my.xyz"), "--model", EMT_MODEL]
    assert main([*command, "--dtype", "float64", "--out", str(folder)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "path hop 1: image 3: the atoms were in another order" in shown
    assert "method is not given" in shown
    (record,) = map(json.loads, (folder / "cases.jsonl").read_text().splitlines())
    numbers = record["metrics"]
    assert numbers["fixed_geometry_model"] == pytest.approx(
        0.8 * numbers["fixed_geometry_reference"]
    )
    assert numbers["neb_comparable"] == 0
    assert 0 < numbers["neb_path_deviation_rms"] < 0.5
    rows = json.loads((folder / "summary.json").read_text())["rows"]
    values = {(row["variant"], row["metric"]): row["value"] for row in rows}
    assert values["fixed-geometry", "energy_scale"] == pytest.approx(0.8)
    assert values["fixed-geometry", "n_flagged"] == 1
    assert main(["pictures", str(folder)]) == 0
    names = {path.name for path in (folder / "pictures").iterdir()}
    assert names == {"migration-hop-1.png", "migration-difference.png", "settings.yaml"}
    picture = folder / "pictures" / "migration-hop-1.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.seconds
def test_a_structure_and_an_ion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shortest hop alone in quick mode; both ends of it are the same crystal with one vacancy."""
    bulk("Cu", "fcc", a=3.61).write(tmp_path / "Cu.cif")
    start = ["run", "migration", "--structure", str(tmp_path / "Cu.cif"), "--model", EMT_MODEL]
    quick = ["--mode", "quick", "--dtype", "float64", "--out", str(tmp_path / "run")]
    assert main([*start, "--ion", "Cu", *quick]) == 0
    assert "Cu0-Cu0 2.55 Å" in capsys.readouterr().out
    (record,) = map(json.loads, (tmp_path / "run" / "cases.jsonl").read_text().splitlines())
    numbers = record["metrics"]
    assert numbers["neb_forward"] == pytest.approx(numbers["neb_backward"], abs=1e-3)
    assert 0.4 < numbers["neb_forward"] < 1.0
    assert numbers["neb_reference"] is None
    for ion, reason in (
        ("Li", "the structure has no Li; --ion must be one of Cu"),
        (None, "--ion"),
    ):
        named = [] if ion is None else ["--ion", ion]
        assert main([*start, *named, *quick]) == 2
        assert reason in capsys.readouterr().err


def test_an_ion_without_a_structure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "migration", "--ion", "Li", "--out", str(tmp_path / "run")]) == 2
    assert "--ion Li goes with --structure FILE" in capsys.readouterr().err
