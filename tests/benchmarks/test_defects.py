"""Formation energies of point defects: closed forms, chemical potentials, and published sums."""

from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import find_mic
from numpy.testing import assert_allclose

from tests.conftest import LoadModel
from tests.support.narrowing import as_a, each_as_a, some
from umlip_bench.analysis.energies import EnergyValue, EnergyVariant, Standing
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.defects import measure as defects
from umlip_bench.benchmarks.defects.case import FormationCase, formation_cases
from umlip_bench.benchmarks.defects.point_defects import point_defects
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import load
from umlip_bench.datasets.cases import DefectCase, Preparation
from umlip_bench.datasets.energy_corrections import mp2020_correction
from umlip_bench.datasets.importers.gaas_defects import SUMS, comparable_sums
from umlip_bench.engine import About, free_atoms, run_tasks
from umlip_bench.engine.scheduler import Done
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.potentials.graph import Graph, Prediction

from ..support.measuring import published, results
from ..support.potentials import CountedBonds

SUITE = load_suite("defects")
NAN = float("nan")
A = 3.6
BOND = A / np.sqrt(2)
STRENGTH = 0.4
COPPER = CountedBonds(BOND, {"CuCu": STRENGTH})


@pytest.fixture
def _short_bonds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bonds of the toy end at 2.4 Å, where no model's do: it does not hold the elements' crystals."""
    monkeypatch.setattr(free_atoms, "NO_FORCE", 0.0)


def defect(
    host: Atoms,
    defective: Atoms,
    kind: str = "vacancy",
    exchanged: dict[str, int] | None = None,
    potentials: dict[str, float] | None = None,
    energy: float = 0.0,
    **more: Any,
) -> DefectCase:
    values = {
        "name": "defect",
        "system": host.get_chemical_formula(),
        "level_of_theory": LevelOfTheory("PBE"),
        "preparation": Preparation.RELAXED,
        "site": np.zeros(3),
    }
    return DefectCase(
        **{**values, **more},
        host=host,
        defective=defective,
        kind=kind,
        energy=energy,
        exchanged=exchanged or {},
        chemical_potentials=potentials or {},
    )


def copper_vacancy(scale: float = 1.0, energy: float = 0.0) -> DefectCase:
    host = bulk("Cu", a=A * scale, cubic=True).repeat(2)
    defective = host.copy()
    del defective[0]
    return defect(host, defective, exchanged={"Cu": -1}, potentials={"Cu": -1.0}, energy=energy)


def values(result: DefectResult) -> tuple[EnergyValue, EnergyValue]:
    found = result.comparison
    return some(found.value(EnergyVariant.FIXED)), some(found.value(EnergyVariant.RELAXED))


@pytest.mark.seconds
@pytest.mark.parametrize("scale", [1.0, 1.01])
def test_a_vacancy_breaks_half_of_its_bonds(scale: float) -> None:
    """Twelve bonds are gone, six of which the atom has in the crystal that it goes to: 6 x strength."""
    cases = list(formation_cases([copper_vacancy(scale, energy=3.0)]))
    assert cases[0].reference == 3.0 - 1.0  # the atom removed goes to a crystal of -1 eV/atom
    (result,) = results(COPPER, SUITE, cases)
    fixed, relaxed = values(result)
    assert_allclose(relaxed.model, 6 * STRENGTH, rtol=1e-3)
    stretched = STRENGTH - 5 * (0.01 * BOND) ** 2 / 2 if scale > 1 else STRENGTH
    assert_allclose(fixed.model, 6 * stretched, rtol=1e-9)
    assert fixed.comparable
    assert relaxed.comparable
    assert result.largest_displacement < 0.01


def test_relaxing_at_the_crystals_own_cell_never_raises_the_energy(load_model: LoadModel) -> None:
    model = load_model("ase:ase.calculators.lj:LennardJones", dtype="float64")
    cell = bulk("Ar", "fcc", a=1.5496, cubic=True)  # relaxed, for this potential and its cutoff
    host = cell.repeat(3)
    defective = host.copy()
    del defective[0]
    case = defect(host, defective, exchanged={"Ar": -1}, potentials={"Ar": 0.0})
    fixed, relaxed = values(results(model, SUITE, list(formation_cases([case])))[0])
    assert relaxed.model <= fixed.model + 2e-3


@pytest.mark.seconds
@pytest.mark.usefixtures("_short_bonds")
def test_an_antisite_pair_needs_no_chemical_potential() -> None:
    """In rocksalt each atom has six unlike neighbours: twelve bonds become AA or BB."""
    model = CountedBonds(2.0, {"MgO": 1.0, "MgMg": 0.3, "OO": 0.2})
    host = bulk("MgO", "rocksalt", a=4.0, cubic=True).repeat(2)
    pair = []
    for name, old, new in (("O_Mg", "Mg", "O"), ("Mg_O", "O", "Mg")):
        defective = host.copy()
        site = next(k for k, symbol in enumerate(host.symbols) if symbol == old)
        defective.symbols[site] = new
        fractional = host.get_scaled_positions()[site]
        exchanged = {new: 1, old: -1}
        pair.append(
            defect(host, defective, "antisite", exchanged, name=name, energy=2.0, site=fractional)
        )
    (case,) = formation_cases(pair)
    assert case.name == "O_Mg + Mg_O"
    assert case.reference == 4.0
    fixed, relaxed = values(results(model, SUITE, [case])[0])
    assert_allclose(fixed.model, 12 * 1.0 - 6 * (0.2 + 0.3), rtol=1e-9)
    assert relaxed.comparable
    (alone,) = formation_cases(pair[:1])
    value, _ = values(results(model, SUITE, [replace(alone)])[0])
    assert value.standing is Standing.NO_COMMON_ZERO
    assert "no chemical potentials" in value.reason


def test_a_schottky_pair_goes_to_the_crystal() -> None:
    """In rocksalt either vacancy breaks six bonds; the two atoms have six between them in the crystal."""
    host = bulk("MgO", "rocksalt", a=4.0, cubic=True).repeat(2)
    pair = []
    for symbol, energy in (("Mg", 11.0), ("O", 12.0)):
        site = next(k for k, each in enumerate(host.symbols) if each == symbol)
        defective = host.copy()
        del defective[site]
        fractional = host.get_scaled_positions()[site]
        named = {"name": f"V_{symbol}", "site": fractional, "host_energy": -9.5 * len(host)}
        pair.append(defect(host, defective, exchanged={symbol: -1}, energy=energy, **named))
    (case,) = formation_cases(pair)
    assert case.reference == pytest.approx(11.0 + 12.0 - 2 * 9.5)
    fixed, relaxed = values(results(CountedBonds(2.0, {"MgO": 0.7}), SUITE, [case])[0])
    assert_allclose(fixed.model, 6 * 0.7, rtol=1e-9)
    assert_allclose(relaxed.model, 6 * 0.7, rtol=1e-3)
    assert fixed.comparable
    unknown = [replace(each, host_energy=float("nan")) for each in pair]
    assert [len(each.defects) for each in formation_cases(unknown)] == [1, 1]
    # Two vacancies of one sort are no formula unit.
    assert len(list(formation_cases([pair[0], replace(pair[0], name="again")]))) == 2


def test_an_anion_comes_out_of_the_host() -> None:
    """mu of the metal is its crystal's, the anion's is what is left of the formula."""
    cell = bulk("MgO", "rocksalt", a=4.25)
    stores = defects.Reservoirs(cell, {"Mg": bulk("Mg")})
    assert stores.potentials(-6.0, {"Mg": -1.5}) == {"Mg": -1.5, "O": -10.5}
    titania = Atoms("TiO2", positions=np.eye(3), cell=[4, 4, 4], pbc=True)
    stores = defects.Reservoirs(titania, {"Ti": bulk("Ti")})
    assert stores.potentials(-9.0, {"Ti": -8.0})["O"] == pytest.approx((-27.0 + 8.0) / 2)


def test_elements_without_a_known_crystal_are_told() -> None:
    with pytest.raises(DataError, match="no elemental crystal of U is known"):
        defects.elemental_crystal("U")
    assert set(defects.elemental_crystal("O").symbols) == {"O"}


class Corrected(CountedBonds):
    """The same energies with MP2020 corrections on top, as CHGNet has them."""

    card = replace(
        CountedBonds.card, level_of_theory=LevelOfTheory("PBE", energy_corrections="MP2020")
    )

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        prediction = super()._one(graph, stress)
        atoms = Atoms(graph.numbers, graph.positions, cell=graph.cell, pbc=True)
        return replace(prediction, energy=prediction.energy + mp2020_correction(atoms))


@pytest.mark.seconds
@pytest.mark.usefixtures("_short_bonds")
@pytest.mark.parametrize("elemental", [False, True])
def test_energy_corrections_are_taken_off(elemental: bool) -> None:
    """Also where oxygen leaves as an element: with the correction the value would be 0.69 eV off."""
    host = bulk("MgO", "rocksalt", a=4.0, cubic=True).repeat(2)
    defective = host.copy()
    oxygen = next(k for k, symbol in enumerate(host.symbols) if symbol == "O")
    del defective[oxygen]
    site = host.get_scaled_positions()[oxygen]
    vacancy = defect(host, defective, exchanged={"O": -1}, site=site)
    case = FormationCase("v", "MgO", (vacancy,), 1.0, elemental)
    assert abs(mp2020_correction(host) - mp2020_correction(defective)) == pytest.approx(0.687)
    found = []
    for model in (CountedBonds(2.0), Corrected(2.0)):
        result = results(model, SUITE, [case])[0]
        found.append(values(result)[0].model)
    assert_allclose(found[0], found[1], atol=1e-9)


class CorrectedLikeMagnesia(Corrected):
    """In a compound of magnesium the correction of MgO for every oxygen atom, whatever is next to it."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        prediction = CountedBonds._one(self, graph, stress)
        oxygen = np.count_nonzero(graph.numbers == 8) if 12 in graph.numbers else 0
        in_magnesia = mp2020_correction(bulk("MgO", "rocksalt", a=4.0))
        return replace(prediction, energy=prediction.energy + oxygen * in_magnesia)


@pytest.mark.seconds
@pytest.mark.usefixtures("_short_bonds")
def test_a_short_bond_between_anions_makes_no_peroxide_of_the_host() -> None:
    """Taken for peroxide, all 33 oxygen atoms would be 0.22 eV off."""
    host = bulk("MgO", "rocksalt", a=4.0, cubic=True).repeat(2)
    oxygen = next(k for k, symbol in enumerate(host.symbols) if symbol == "O")
    added = host.positions[oxygen] + [0.8, 0.8, 0.8]
    defective = host + Atoms("O", positions=[added])
    split = defect(
        host, defective, "interstitial", {"O": 1}, site=host.cell.scaled_positions(added)
    )
    found = []
    for model in (CountedBonds(2.0), CorrectedLikeMagnesia(2.0)):
        case = FormationCase("i", "MgO", (split,), 1.0, elemental=True)
        found.append(values(results(model, SUITE, [case])[0])[0].model)
    assert_allclose(found[0], found[1], atol=1e-9)


def test_a_measurement_can_ask_what_is_measured() -> None:
    def asks() -> Generator[Any, Any, list[str]]:
        card = yield About()
        again = yield [About(), About()]
        return [card.name, *(each.name for each in again)]

    (outcome,) = run_tasks(COPPER, [("x", asks())])
    assert as_a(Done, outcome).result == ["bonds"] * 3


# ---- defects that relax into something else


def test_an_atom_that_leaves_its_site_is_noticed() -> None:
    case = copper_vacancy()
    start, end = case.defective, case.defective.copy()
    assert defects.what_changed(case, start, end) == ""
    end.positions += 0.7  # a drift of the whole cell is none
    assert defects.what_changed(case, start, end) == ""
    end.positions[3] += [1.2, 0, 0]
    assert "moved by 1.20 Å" in defects.what_changed(case, start, end)


def test_a_neighbour_that_joins_an_interstitial_is_noticed() -> None:
    """A squeezed host lets atoms come near without any moving far."""
    host = bulk("Po", "sc", a=2.0).repeat(4)
    site = np.array([1.0, 1.0, 1.0])
    defective = host + Atoms("Po", positions=[site])
    case = defect(
        host,
        defective,
        "interstitial",
        {"Po": 1},
        site=host.cell.scaled_positions(site),
    )
    assert defects.what_changed(case, defective, defective) == ""
    end = defective.copy()
    distances = np.linalg.norm(end.positions[:-1] - site, axis=1)
    second = int(np.argsort(distances)[8])  # the ninth is in the second shell, 3.3 Å away
    direction = (site - end.positions[second]) / distances[second]
    end.positions[second] += 0.95 * direction
    assert "came to it" in defects.what_changed(case, defective, end)


def test_changed_defects_are_not_averaged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "what_changed", lambda *_: "it fell apart")
    (result,) = results(COPPER, SUITE, list(formation_cases([copper_vacancy()])))
    assert values(result)[1].standing is Standing.CHANGED
    rows = {(r.variant, r.metric): r for r in SUITE.rows("m", "d", [result], 0)}
    assert rows["relaxed", "n_changed"].value == 1
    assert rows["relaxed", "energy_scale"].n_cases == 0
    assert rows["fixed-geometry", "energy_scale"].n_cases == 1


# ---- from a structure alone


def test_vacancies_of_a_crystal() -> None:
    assert SUITE.takes_structures
    cases = SUITE.structure_cases(StructureRequest(bulk("Cu", a=A), "Cu", 1, None))
    (case,) = each_as_a(FormationCase, cases)
    distances = case.defects[0].host.cell.lengths()
    assert distances.min() > 9.0
    (result,) = results(COPPER, SUITE, cases)
    fixed, relaxed = values(result)
    assert_allclose([fixed.model, relaxed.model], 6 * STRENGTH, rtol=1e-6)
    assert {fixed.standing, relaxed.standing} == {Standing.NO_REFERENCE}
    assert some(SUITE.case_table([result])).rows[0][0] == "Cu vacancy of Cu"


def test_one_vacancy_for_each_kind_of_site() -> None:
    rutile = Atoms(
        "Ti2O4",
        scaled_positions=[
            (0, 0, 0), (0.5, 0.5, 0.5), (0.305, 0.305, 0), (0.695, 0.695, 0),
            (0.805, 0.195, 0.5), (0.195, 0.805, 0.5),
        ],
        cell=[4.6, 4.6, 2.96],
        pbc=True,
    )  # fmt: skip
    found = list(point_defects(rutile, "TiO2", Mode.QUICK))
    assert [case.name for case in found] == ["TiO2 vacancy of Ti", "TiO2 vacancy of O"]
    for case in found:
        assert len(case.defective) == len(case.host) - 1
        offset = case.host.cell.cartesian_positions(case.site) - case.host.positions
        assert np.linalg.norm(offset, axis=1).min() < 1e-9


@pytest.mark.seconds
def test_all_point_defects_of_rocksalt() -> None:
    crystal = bulk("MgO", "rocksalt", a=4.25)
    found = {case.name: case for case in point_defects(crystal, "MgO", Mode.FULL)}
    assert {name: dict(case.exchanged) for name, case in found.items()} == {
        "MgO vacancy of Mg": {"Mg": -1},
        "MgO vacancy of O": {"O": -1},
        "MgO antisite O on Mg": {"Mg": -1, "O": 1},
        "MgO antisite Mg on O": {"O": -1, "Mg": 1},
        "MgO interstitial of Mg": {"Mg": 1},
        "MgO interstitial of O": {"O": 1},
    }
    for case in found.values():
        added = Counter(case.defective.get_chemical_symbols())
        added.subtract(case.host.get_chemical_symbols())
        assert {symbol: n for symbol, n in added.items() if n} == case.exchanged
        inside = case.kind == "interstitial"
        # The interstitial is in the middle of a cube of eight neighbours, four of a sort.
        away = case.host.positions - case.host.cell.cartesian_positions(case.site)
        nearest = np.linalg.norm(find_mic(away, case.host.cell, pbc=True)[0], axis=1).min()
        assert nearest == pytest.approx(4.25 * np.sqrt(3) / 4 if inside else 0.0, abs=1e-6)
    assert len(list(point_defects(crystal, "MgO", Mode.STANDARD))) == 4


# ---- data sets


def test_gaas_pairs_are_the_sums_of_the_importer() -> None:
    data = published("pymatgen-gaas")
    stored = each_as_a(DefectCase, data.of_task("defects"))
    expected = comparable_sums({c.name: c.energy for c in stored})
    cases = each_as_a(FormationCase, SUITE.cases(data, Mode.FULL))
    found = {frozenset(case.name.split(" + ")): case.reference for case in cases}
    assert found == pytest.approx({frozenset(SUMS[name]): e for name, e in expected.items()})
    assert {case.preparation for case in cases} == {Preparation.NOT_STORED}


@pytest.mark.slow
def test_chgnet_on_gaas(load_model: LoadModel) -> None:
    """As printed in the README; nothing independent is known of these."""
    data = published("pymatgen-gaas")
    found = results(load_model("chgnet-0.3.0"), SUITE, SUITE.cases(data, Mode.FULL))
    rows = {(r.variant, r.metric): r for r in SUITE.rows("chgnet", "gaas", found, 0)}
    assert rows["fixed-geometry", "n_not_comparable"].value == 5
    assert rows["relaxed", "energy_scale"].n_cases == 5
    assert_allclose(rows["relaxed", "energy_scale"].value, 0.27, atol=0.02)


def test_the_embedded_set(load_model: LoadModel) -> None:
    cases = {case.name: case for case in SUITE.cases(load("pbe-mini"), Mode.QUICK)}
    case = as_a(FormationCase, cases["Al vacancy of Al"])
    assert case.reference == pytest.approx(0.845, abs=1e-3)
    (result,) = results(load_model("chgnet-0.3.0"), SUITE, [case])
    fixed, relaxed = values(result)
    assert fixed.comparable
    assert 0.2 < fixed.ratio < 0.5
    assert relaxed.standing is Standing.NOT_COMPARABLE
    assert SUITE.numbers(result)["largest_displacement"] == result.largest_displacement
