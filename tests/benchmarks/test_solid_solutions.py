"""Mixing energies: ideal and regular solutions, and orderings of data sets."""

from collections.abc import Sequence

import numpy as np
import pytest
from ase.build import bulk
from ase.units import kB
from numpy.testing import assert_allclose

from tests.conftest import LoadModel
from tests.support.narrowing import each_as_a, some
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.solid_solutions import orderings
from umlip_bench.benchmarks.solid_solutions.measure import (
    OrderingCase,
    generated_cases,
    ordering_cases,
)
from umlip_bench.benchmarks.solid_solutions.result import (
    OrderingResult,
    gap_temperature,
    interaction,
    kendall_tau,
    ordering_slope,
    solutions,
)
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets import load
from umlip_bench.datasets.cases import Preparation

from ..support.measuring import published, results
from ..support.potentials import CountedBonds

SUITE = load_suite("solid-solutions")
NAN = float("nan")
A = 3.6
BOND = A / np.sqrt(2)


def alloy(n_copper: int, number: int, reference: float = NAN, scale: float = 1.0) -> OrderingCase:
    """An ordering of Cu and Ni on a fcc lattice of four sites to the cell."""
    atoms = bulk("Cu", a=A * scale, cubic=True)
    atoms.symbols[n_copper:] = "Ni"
    return OrderingCase(
        name=f"CuNi {n_copper} {number}",
        system="CuNi",
        atoms=atoms,
        end_members=(bulk("Cu", a=A * scale), bulk("Ni", a=A * scale)),
        fraction=n_copper / 4,
        reference=reference,
        preparation=Preparation.RELAXED,
    )


def values(result: OrderingResult) -> tuple[EnergyValue, EnergyValue]:
    found = result.comparison
    return some(found.value(EnergyVariant.FIXED)), some(found.value(EnergyVariant.RELAXED))


def planted(
    energies: Sequence[float] | np.ndarray,
    fractions: Sequence[float] | np.ndarray,
    model: Sequence[float] | np.ndarray | None = None,
    system: str = "AB",
) -> list[OrderingResult]:
    """Results with given mixing energies, per mixing site."""
    model = energies if model is None else model
    return [
        OrderingResult(
            EnergyComparison(
                f"{system} {k}",
                system,
                "eV/atom",
                (EnergyValue(EnergyVariant.FIXED, e, m, Standing.COMPARABLE),),
            ),
            f"{system}, as built",
            x,
            1.0,
        )
        for k, (e, m, x) in enumerate(zip(energies, model, fractions, strict=True))
    ]


def test_an_ideal_mixture_has_no_mixing_energy_and_no_ranking() -> None:
    model = CountedBonds(BOND, {"CuCu": 0.8, "NiNi": 0.6, "CuNi": 0.7})
    found = results(model, SUITE, [alloy(n, 0, 0.0) for n in (1, 2, 3)])
    for result in found:
        assert_allclose([value.model for value in values(result)], 0.0, atol=1e-9)
    rows = {r.metric: r for r in SUITE.rows("m", "d", found, 0) if r.variant == "relaxed"}
    assert np.isnan(rows["kendall_tau"].value)
    assert rows["kendall_tau"].n_cases == 0
    assert np.isnan(rows["energy_scale"].value)
    assert not rows["gap_temperature_model"].value > 1e-6  # K; rounding has a sign
    assert_allclose(rows["mae"].value, 0.0, atol=1e-9)


@pytest.mark.seconds
@pytest.mark.parametrize("scale", [1.0, 1.01])
def test_unlike_bonds_are_counted(scale: float) -> None:
    """Four sites, three of them Cu: half of all bonds are unlike; two of four: two thirds."""
    excess = 0.1
    model = CountedBonds(BOND, {"CuCu": 0.8, "NiNi": 0.6, "CuNi": 0.7 - excess})
    found = results(model, SUITE, [alloy(n, 0, scale=scale) for n in (2, 3)])
    for result, share in zip(found, (2 / 3, 1 / 2), strict=True):
        fixed, relaxed = values(result)
        assert_allclose(fixed.model, 6 * share * excess, rtol=1e-9)
        assert_allclose(relaxed.model, 6 * share * excess, rtol=1e-3)
        assert fixed.standing is Standing.NO_REFERENCE


def test_a_gap_of_orderings_that_nobody_relaxed_is_that_of_a_rigid_lattice() -> None:
    """Relaxed orderings gain energy, and close part of the gap."""
    x = np.linspace(0.1, 0.9, 9)
    energies = 0.3 * x * (1 - x)
    as_built = planted(energies, x)
    (solution,) = solutions(as_built, EnergyVariant.FIXED)
    assert solution.is_rigid
    relaxed = [
        OrderingResult(
            EnergyComparison(
                r.comparison.name,
                r.comparison.system,
                r.comparison.unit,
                tuple(
                    EnergyValue(variant, e, e, Standing.COMPARABLE)
                    for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED)
                ),
            ),
            "AB, relaxed",
            r.fraction,
            1.0,
        )
        for r, e in zip(as_built, energies, strict=True)
    ]
    for found, rigid in ((as_built, True), (relaxed, False)):
        notes = [note for note in some(SUITE.case_table(found)).notes if "regular solution" in note]
        assert notes
        assert all(("rigid lattice" in note) == rigid for note in notes)
        rows = {r.metric: r for r in SUITE.rows("m", "d", found, 0)}
        assert rows["n_rigid_lattice"].value == rigid


def test_a_regular_solution_is_recovered() -> None:
    x = np.linspace(0.1, 0.9, 9)
    omega, factor = 0.3, 0.8
    energies = omega * x * (1 - x)
    assert_allclose(interaction(x, energies), omega)
    assert_allclose(gap_temperature(omega), omega / (2 * kB))
    assert np.isnan(gap_temperature(-0.1))
    assert np.isnan(interaction([0.0, 1.0], [0.0, 0.0]))
    found = planted(energies, x, factor * energies)
    (solution,) = solutions(found, EnergyVariant.FIXED)
    assert_allclose(solution.interaction_reference, omega)
    assert_allclose(solution.interaction_model, factor * omega)
    assert_allclose(solution.tau, 1.0)
    rows = {r.metric: r for r in SUITE.rows("m", "d", found, 0) if r.variant == "fixed-geometry"}
    assert_allclose(rows["energy_scale"].value, factor)
    assert_allclose(rows["gap_temperature_shift"].value, (factor - 1) * omega / (2 * kB))
    assert rows["gap_temperature_shift"].unit == "K"
    assert_allclose(rows["mae_mev"].value, 1e3 * rows["mae"].value)
    assert "Kendall tau 1.00" in " ".join(some(SUITE.case_table(found)).notes)


def test_the_top_of_the_gap_is_where_the_free_energy_stops_being_convex() -> None:
    omega = 0.2
    x = np.linspace(0.01, 0.99, 981)

    def curvature(temperature: float) -> float:
        return (-2 * omega + kB * temperature / (x * (1 - x))).min()

    assert curvature(1.001 * gap_temperature(omega)) > 0
    assert curvature(0.999 * gap_temperature(omega)) < 0


def test_mixing_sites_are_the_cations() -> None:
    case = next(iter(generated_cases()))
    assert case.sites_per_atom == 0.5
    assert alloy(2, 0).sites_per_atom == 1.0
    energies = [0.1 * case.fraction * (1 - case.fraction)]
    result = planted(energies, [case.fraction])[0]
    half = OrderingResult(result.comparison, "g", case.fraction, 0.5)
    (solution,) = solutions([half], EnergyVariant.FIXED)
    assert_allclose(solution.interaction_model, 0.2)


def test_rankings() -> None:
    assert kendall_tau([1, 2, 3, 4], [1, 2, 3, 4]) == 1
    assert kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert_allclose(kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]), 4 / 6)
    assert np.isnan(kendall_tau([1, 2], [1, 2]))
    assert np.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_end_members_do_not_enter_the_differences_between_orderings() -> None:
    """A model 0.8 times DFT whose elements are 0.3 and 0.1 eV/atom wrong: 0.8, and not the energy scale."""
    x = np.repeat([0.25, 0.5, 0.75], 3)
    dft = 0.2 * x * (1 - x) + np.tile([-0.01, 0.004, 0.02], 3)
    model = 0.8 * dft - 0.3 * x - 0.1 * (1 - x)
    assert_allclose(ordering_slope(x, dft, model), [0.8, 1.0])
    rows = {r.metric: r for r in SUITE.rows("m", "d", planted(dft, x, model), 0)}
    assert_allclose(rows["ordering_scale"].value, 0.8)
    assert_allclose(rows["ordering_r2"].value, 1.0)
    assert rows["ordering_scale"].n_cases == 9
    assert rows["energy_scale"].value < -1


def test_differences_between_orderings_need_some() -> None:
    three = [0.25, 0.25, 0.5, 0.5, 0.75, 0.75]
    known = ordering_slope(three, [1, 2, 1, 3, 1, 2], [1, 2, 2, 3, 1, 3])
    # Half the differences: 0.5, 1, 0.5 in DFT, 0.5, 0.5, 1 in the model; r2 is (1.25/1.5)².
    assert_allclose(known, [1.25 / 1.5, (1.25 / 1.5) ** 2])
    assert np.isnan(ordering_slope(three[:4], [1, 2, 1, 3], [1, 2, 2, 3])).all()
    assert np.isnan(ordering_slope(three, np.ones(6), [1, 2, 2, 3, 1, 3])).all()
    rounding = 1 + 1e-7 * np.arange(6)
    assert np.isnan(ordering_slope(three, [1, 2, 1, 3, 1, 2], rounding)).all()


def test_systems_are_ranked_and_fitted_apart() -> None:
    first = planted([0.01, 0.02, 0.03], [0.2, 0.4, 0.5], system="AB")
    second = planted([0.01, 0.02, 0.03], [0.2, 0.4, 0.5], [0.03, 0.02, 0.01], system="CD")
    assert [s.tau for s in solutions([*first, *second], EnergyVariant.FIXED)] == [1.0, -1.0]
    rows = {r.metric: r for r in SUITE.rows("m", "d", [*first, *second], 0)}
    assert {row.variant for row in rows.values()} == {"fixed-geometry"}
    assert rows["kendall_tau"].value == 0.0
    assert rows["kendall_tau"].n_cases == 6


# ---- orderings on demand


def test_generated_orderings_are_the_same_every_time() -> None:
    first, second = (list(orderings.orderings()) for _ in range(2))
    assert len(first) == len(orderings.FRACTIONS) * orderings.PER_COMPOSITION
    for a, b in zip(first, second, strict=True):
        assert a.atoms == b.atoms
    assert len({each.name for each in first}) == len(first)
    decorations = {each.atoms.get_chemical_symbols().__repr__() for each in first}
    assert len(decorations) == len(first)
    for each in first:
        cations = [s for s in each.atoms.symbols if s != "O"]
        assert cations.count("Ca") / len(cations) == each.fraction
    other = list(orderings.orderings(seed=1))
    assert any(a.atoms != b.atoms for a, b in zip(first, other, strict=True))
    with pytest.raises(ValueError, match="multiples of 1/8"):
        list(orderings.orderings([0.3]))


# ---- data sets


def test_the_embedded_set(load_model: LoadModel) -> None:
    data = load("pbe-mini")
    quick = SUITE.cases(data, Mode.QUICK)
    full = each_as_a(OrderingCase, SUITE.cases(data, Mode.FULL))
    assert {case.name for case in quick} <= {case.name for case in full}
    assert sum(np.isnan(case.reference) for case in full) == 21
    assert all(0 < case.fraction < 1 for case in full)
    case = next(case for case in full if case.name == "CaMgO-8")
    (result,) = results(load_model("chgnet-0.3.0"), SUITE, [case])
    fixed, relaxed = values(result)
    assert_allclose([fixed.reference, fixed.model], [0.1629, 0.1427], atol=1e-3)
    assert relaxed.standing is Standing.NOT_COMPARABLE
    assert relaxed.model < fixed.model
    assert SUITE.numbers(result)["fraction"] == 0.5


@pytest.mark.seconds
def test_alloys_of_monbtaw() -> None:
    """Each decoration once, relaxed; all end members are found among the surfaces' bulks."""
    data = published("monbtaw")
    standard = each_as_a(OrderingCase, SUITE.cases(data, Mode.STANDARD))
    assert len(standard) == 6 * 329
    assert {case.preparation for case in standard} == {Preparation.RELAXED}
    assert len(SUITE.cases(data, Mode.FULL)) == 2 * len(standard)
    assert len(SUITE.cases(data, Mode.QUICK)) == 6 * 6
    case = standard[0]
    assert [set(each.symbols) for each in case.end_members] == [{"Mo"}, {"Ta"}]
    # In a full run, geometries of two kinds are not ranked together.
    groups = {case.group for case in ordering_cases(data) if case.system == "MoTa"}
    assert groups == {"MoTa, as built", "MoTa, relaxed with DFT"}
