import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.mep import NEB
from ase.optimize import FIRE

from umlip_bench.analysis.energies import Standing, Variant
from umlip_bench.analysis.migration import MigrationComparison
from umlip_bench.benchmarks.hops import BLOCKED, N_IMAGES, vacancy_hops
from umlip_bench.benchmarks.migration import Migration, MigrationSuite, between
from umlip_bench.engine import Done, run_tasks
from umlip_bench.errors import UmlipBenchError
from umlip_bench.suite import Mode, StructureRequest

from ..engine.test_bands import HOMES, WELL, TwoWells, approx_images, barriers, hop, vacancy_hop


def measured(model, *cases):
    suite = MigrationSuite()
    found = {}
    for outcome in run_tasks(model, [(case.name, suite.measure(case)) for case in cases]):
        assert isinstance(outcome, Done), outcome
        found[outcome.key] = outcome.result
    return found


def two_wells(**options):
    fields = {"name": "hop", "system": "toy", "moving": 0, "energies": None, "relaxed": False}
    return Migration(**{**fields, "images": tuple(approx_images()), **options})


def on_the_path():
    """Images on the minimum energy path, the saddle point among them."""
    images = []
    for image in approx_images():
        x = image.positions[0, 0]
        valley = 1 - (x / WELL) ** 2
        image.positions = HOMES
        image.positions += [[x, TwoWells.bend * valley, 0], [0, 0.5 * valley, 0.2 * x], [0, 0, 0]]
        images.append(image)
    return tuple(images)


def test_all_variants_find_a_known_barrier():
    """To 1e-3 eV: at the geometries of the path, by relaxing images, and by a climbing image."""
    result = measured(TwoWells(), two_wells(images=on_the_path()))["hop"]
    forward, backward = barriers()
    for variant in (Variant.FIXED, Variant.APPROX_NEB, Variant.NEB):
        value = result.energies.value(variant)
        assert value.standing is Standing.NO_REFERENCE
        assert value.model == pytest.approx(0.5 * (forward + backward), abs=1e-3)
        (profile,) = (p for p in result.profiles if p.of == variant)
        assert profile.forward_barrier == pytest.approx(forward, abs=1e-3)
        assert profile.backward_barrier == pytest.approx(backward, abs=1e-3)


def test_a_hop_in_a_pair_potential(load_model):
    """EMT's copper: the barrier of ASE's own climbing band between ASE's relaxed end points."""
    emt = load_model("ase:ase.calculators.emt:EMT", dtype="float64")
    images, mover = vacancy_hop(bulk("Cu", "fcc", a=3.61).repeat((2, 2, 2)), 5)
    result = measured(emt, two_wells(images=tuple(images), moving=mover))["hop"]
    for image in images:
        image.calc = EMT()
    for end in (images[0], images[-1]):
        FIRE(end, logfile=None).run(fmax=0.01)
    band = NEB(images, climb=True, method="improvedtangent")
    FIRE(band, logfile=None).run(fmax=0.02)
    expected = max(image.get_potential_energy() for image in images)
    expected -= images[0].get_potential_energy()
    (ours,) = (p for p in result.profiles if p.of == Variant.NEB)
    assert ours.forward_barrier == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(
    ("relaxed", "approx", "band"),
    [
        (False, Standing.NOT_COMPARABLE, Standing.NOT_COMPARABLE),
        (True, Standing.COMPARABLE, Standing.NOT_COMPARABLE),
    ],
)
def test_only_what_dft_prepared_likewise_is_compared(relaxed, approx, band):
    energies = np.array([0.0, 0.3, 0.6, 0.3, 0.2])
    case = two_wells(energies=energies, relaxed=relaxed)
    result = measured(TwoWells(), case)["hop"].energies
    assert result.value(Variant.FIXED).standing is Standing.COMPARABLE
    assert result.value(Variant.APPROX_NEB).standing is approx
    assert result.value(Variant.NEB).standing is band
    assert result.value(Variant.FIXED).reference == pytest.approx(0.6 - 0.5 * 0.2)


def test_end_points_that_are_no_minima_are_flagged():
    images = tuple(approx_images())[1:]
    case = two_wells(images=images, energies=np.zeros(4), relaxed=True)
    value = measured(TwoWells(), case)["hop"].energies.value(Variant.FIXED)
    assert any("the first end point is no minimum of the model" in flag for flag in value.flags)
    assert not any("the last end point is no minimum" in flag for flag in value.flags)


def test_ends_that_have_moved_take_the_path_along():
    images = hop(5)
    first, last = images[0].copy(), images[-1].copy()
    first.positions += 0.1
    last.positions -= 0.2
    path = between(first, last, images)
    shifts = [(a.positions - b.positions)[0, 0] for a, b in zip(path, images, strict=True)]
    np.testing.assert_allclose(shifts, [0.1, 0.025, -0.05, -0.125, -0.2], atol=1e-12)


def test_round_trip():
    suite = MigrationSuite()
    case = two_wells(energies=np.linspace(0, 0.5, 5), relaxed=True)
    result = measured(TwoWells(), case)["hop"]
    again = suite.from_arrays("hop", suite.to_arrays(result))
    assert isinstance(again, MigrationComparison)
    assert again.energies == result.energies
    assert suite.metrics(again) == suite.metrics(result)
    assert suite.case_table([again]) == suite.case_table([result])
    rows = {(r.variant, r.metric): r for r in suite.rows("m", "d", [again], 0)}
    assert rows["approx-neb", "energy_scale"].n_cases == 1
    assert rows["neb", "n_not_comparable"].value == 1


# ---- paths from a structure


def test_hops_into_a_vacancy_are_distinct_by_symmetry():
    """fcc has one nearest-neighbour hop; hcp two, in and out of the plane; the way to second
    neighbours of rocksalt's cations leads through an anion."""
    names = [hop.name for hop in vacancy_hops(bulk("MgO", "rocksalt", a=4.21), "Mg")]
    assert [name.split()[1] for name in names] == ["2.98"]
    lengths = [hop.name.split()[1] for hop in vacancy_hops(bulk("Mg", "hcp", a=3.2, c=5.2), "Mg")]
    assert lengths[:2] == ["3.19", "3.20"]


def test_a_hop_ends_where_the_vacancy_was():
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
def test_an_ion_must_be_named(ion, reason):
    request = StructureRequest(bulk("MgO", "rocksalt", a=4.21), "MgO", 1, ion)
    with pytest.raises(UmlipBenchError, match=reason):
        MigrationSuite().structure_cases(request)


# ---- data


def test_the_embedded_paths():
    from umlip_bench import datasets

    cases = MigrationSuite().cases(datasets.load("pbe-mini"), Mode.STANDARD)
    assert "Al" in {case.system for case in cases}
    assert all(not case.relaxed for case in cases)
