"""The physics of the sets that pbe-mini's single points make up."""

import re
from collections.abc import Callable
from dataclasses import astuple
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.morse import MorsePotential
from ase.collections import dcdft
from ase.formula import Formula
from ase.units import GPa
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from tests.support.narrowing import each_as_a, some
from umlip_bench import datasets
from umlip_bench.analysis.softening import softening
from umlip_bench.datasets import extxyz, pbe_mini_cases
from umlip_bench.datasets.cases import EosCase, FramesCase, PhononCase, SolidSolutionCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.birch_murnaghan import fit_minimum
from umlip_bench.ground.errors import DataError

Cases = Callable[[str], dict[str, Any]]
"""Cases of a task, by name."""

FOLDER = files("umlip_bench.datasets") / "pbe_mini"
JOULE_PER_SQUARE_METRE = 1e20 / units.J


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return datasets.load("pbe-mini")


@pytest.fixture(scope="module")
def of(dataset: Dataset) -> Cases:
    """Cases of a task by name."""
    return lambda task: {case.name: case for case in dataset.of_task(task)}


def test_a_curve_is_recovered_from_its_points() -> None:
    volume, modulus, derivative = 19.2, 0.93, 4.1
    volumes = volume * np.linspace(0.94, 1.06, 7)
    strain = (volume / volumes) ** (2 / 3) - 1
    energies = -12.0 + 9 / 16 * volume * modulus * (
        strain**3 * derivative + strain**2 * (6 - 4 * (strain + 1))
    )
    found = fit_minimum(volumes, energies)
    assert astuple(found) == pytest.approx((volume, modulus, derivative, -12.0), rel=1e-7)


@pytest.mark.parametrize(
    ("volumes", "energies", "message"),
    [
        ([18, 19, 20], [1, 0, 1], "at least 4 different volumes"),
        ([18, 19, 20, 21], [4, 3, 2, 1], "no minimum between 18 and 21"),
    ],
)
def test_a_curve_without_a_minimum_is_refused(
    volumes: list[int], energies: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        fit_minimum(np.array(volumes), np.array(energies))


# All-electron PBE: volume per atom in Å³, bulk modulus in GPa, its derivative. Si and Al with WIEN2k, as ASE
# has it (Lejaeghere et al., Crit. Rev. Solid State Mater. Sci. 39, 1, 2014); MgO the average of FLEUR and
# WIEN2k of Bosoni et al., Nat. Rev. Phys. 6, 45 (2024).
ALL_ELECTRON = {
    **{
        element: tuple(dcdft.data[element][f"wien2k_{key}"] for key in ("volume", "B", "Bp"))
        for element in ("Si", "Al")
    },
    "MgO": (9.6245, 148.98, 4.09),
}

# PBE lattice constants in Å, to the digits given: Paier et al., J. Chem. Phys. 124, 154709 (2006).
LATTICE_CONSTANTS = {
    "Al": 4.04,
    "GaAs": 5.75,
    "LiF": 4.07,
    "MgO": 4.26,
    "NaCl": 5.70,
    "Si": 5.47,
    "SiC": 4.38,
}


def test_equations_of_state_are_those_of_all_electron_codes(of: Cases) -> None:
    cases = of("eos")
    for name, (volume, modulus, derivative) in ALL_ELECTRON.items():
        case = cases[name]
        assert case.volume / len(case.atoms) == pytest.approx(volume, rel=0.005)
        assert case.bulk_modulus / GPa == pytest.approx(modulus, rel=0.03)
        assert case.bulk_modulus_derivative == pytest.approx(derivative, abs=0.4)


def test_equations_of_state_are_at_published_lattice_constants(of: Cases) -> None:
    cases = of("eos")
    for name, constant in LATTICE_CONSTANTS.items():
        found = (4 * cases[name].volume) ** (1 / 3)
        # GPAW's LiF is 0.6 % larger, converged in cutoff and k-points as it is.
        assert found == pytest.approx(constant, rel=0.01 if name == "LiF" else 0.005), name


def test_equations_of_state_hold_their_points(of: Cases) -> None:
    cases = of("eos")
    assert len(cases) == 8
    for case in cases.values():
        assert case.atoms.get_volume() == pytest.approx(case.volume)
        assert case.volumes.shape == case.energies.shape == (7,)
        assert case.volumes[0] < case.volume < case.volumes[-1]
        np.testing.assert_allclose(np.diff(case.volumes), case.volumes.mean() * 0.02, rtol=1e-3)
        curve = fit_minimum(case.volumes, case.energies)
        assert curve.volume == case.volume
        # A curve through points that are smooth to a tenth of a meV loses little with one of them.
        fewer = fit_minimum(case.volumes[1:], case.energies[1:])
        assert fewer.bulk_modulus == pytest.approx(case.bulk_modulus, rel=0.02)


def test_slabs_are_symmetric_and_stoichiometric(of: Cases) -> None:
    for case in of("surfaces").values():
        slab, bulk = case.slab, case.bulk
        assert slab.symbols.formula.reduce()[0] == bulk.symbols.formula.reduce()[0]
        assert np.abs(slab.cell[2][:2]).max() == 0
        np.testing.assert_allclose(slab.cell[:2], bulk.cell[:2])
        fractional = slab.get_scaled_positions()[:, 2]
        heights = np.sort(slab.cell.lengths()[2] * (fractional - np.round(fractional)))
        np.testing.assert_allclose(heights, -heights[::-1], atol=1e-6)
        assert slab.cell.lengths()[2] - np.ptp(heights) == pytest.approx(10.0)
        assert case.surface_energy == pytest.approx(
            (case.slab_energy - len(slab) / len(bulk) * case.bulk_energy) / (2 * case.area)
        )


def test_surface_energies_are_near_published_ones(of: Cases) -> None:
    cases = of("surfaces")
    assert {"Al (1 1 1)", "LiF (1 0 0)", "MgO (1 0 0)", "NaCl (1 0 0)"} <= set(cases)
    assert len({case.system for case in cases.values()}) == len(cases)
    # 9 to 15 meV/Å² from LDA, PBE and the functional of Wu and Cohen, with hardly any relaxation: Li,
    # Michaelides, Scheffler, Phys. Rev. B 76, 075401 (2007).
    assert 0.009 < cases["NaCl (1 0 0)"].surface_energy < 0.015
    # PBE has about 0.55 J/m² for the relaxed basal plane of Mg, and a compact face of a metal relaxes little.
    # Faces of ionic crystals cost less than those that cut covalent bonds.
    for name, case in cases.items():
        ionic = case.miller_index == (1, 0, 0)
        assert 0.1 < case.surface_energy * JOULE_PER_SQUARE_METRE < (1.5 if ionic else 8.0), name
    if "Mg (0 0 0 1)" in cases:
        basal = cases["Mg (0 0 0 1)"].surface_energy * JOULE_PER_SQUARE_METRE
        assert 0.4 < basal < 0.75


def test_faces_of_zincblende_hold_both_elements_in_each_layer(of: Cases) -> None:
    for case in of("surfaces").values():
        if case.miller_index == (1, 1, 0):
            nearest = case.bulk.get_all_distances(mic=True)
            constant = case.bulk.cell.lengths()[0]
            assert nearest[nearest > 0.1].min() == pytest.approx(constant * np.sqrt(3) / 4)
            layers = np.round(case.slab.positions[:, 2], 4)
            for height in set(layers):
                own = case.slab[layers == height]
                assert len(own) == 2
                assert set(own.symbols) == set(case.bulk.symbols)


def test_vacancies_lie_where_the_case_says(of: Cases) -> None:
    cases = of("defects")
    assert {case.system for case in cases.values()} >= {"Al", "Mg", "MgO", "Si"}
    for case in cases.values():
        missing = case.host.cell.cartesian_positions(case.site)
        removed = next(iter(case.exchanged))
        assert set(case.exchanged.values()) == {-1}
        assert len(case.defective) - len(case.host) == -len(case.exchanged)
        filled = case.defective + Atoms(removed, positions=[missing])
        if len(case.exchanged) == 1:
            assert _same_sites(filled, case.host)
        else:
            # Of the site in the host, nothing is left nearby, and the composition is kept.
            apart = filled.get_distances(len(filled) - 1, range(len(filled) - 1), mic=True)
            assert apart.min() == pytest.approx(
                case.host.get_all_distances(mic=True)[0, 1:].min(), rel=0.01
            )
            assert (
                case.defective.symbols.formula.reduce()[0] == case.host.symbols.formula.reduce()[0]
            )
        assert 8 <= len(case.host) <= 16


def test_vacancies_cost_energy(of: Cases) -> None:
    for case in of("defects").values():
        formation = case.energy - sum(
            count * case.chemical_potentials.get(element, np.nan)
            for element, count in case.exchanged.items()
        )
        assert np.isnan(formation) == (case.system == "MgO")
        if len(case.exchanged) > 1:
            # A Schottky pair costs an energy of a bond or two; MgO's was 9.88 eV for two cells.
            assert 1.0 < formation < 15.0
        elif case.system != "MgO":
            assert 0.5 < formation < 5.0


def _same_sites(first: Atoms, second: Atoms) -> bool:
    """Whether two structures have the same atoms at the same sites of one cell, in any order."""
    difference = first.get_scaled_positions()[:, None] - second.get_scaled_positions()[None]
    distances = np.abs(difference - np.round(difference)).max(axis=2)
    same = (distances < 1e-5) & (first.numbers[:, None] == second.numbers[None])
    return (same.sum(axis=0) == 1).all() and (same.sum(axis=1) == 1).all()


def test_hops_are_straight_and_symmetric(of: Cases) -> None:
    cases = of("migration")
    assert {case.system for case in cases.values()} == {"Al", "Mg"}
    for case in cases.values():
        assert len(case.images) == len(case.energies) == 5
        assert case.energies.argmax() == 2
        assert 0.3 < case.forward_barrier < 2.0
        first = case.images[0]
        for number, image in enumerate(case.images):
            moved = image.positions - first.positions
            np.testing.assert_allclose(np.delete(moved, case.moving_ion, axis=0), 0.0, atol=1e-9)
            np.testing.assert_allclose(
                moved[case.moving_ion],
                number / 4 * (case.images[-1].positions - first.positions)[case.moving_ion],
                atol=1e-6,
            )
        # Half-way, symmetry leaves no force along the path.
        path = case.images[-1].positions[case.moving_ion] - first.positions[case.moving_ion]
        along = case.forces[:, case.moving_ion] @ path / np.linalg.norm(path)
        assert abs(along[2]) < 0.02
        # Before it the atom is pushed back, behind it on.
        assert along[1] < -0.1
        assert along[3] == pytest.approx(-along[1])


def test_mirrored_images_are_what_a_potential_gives(of: Cases) -> None:
    """With any potential, the mirror gives the energies and forces of the images that are not stored."""
    for case in of("migration").values():
        path = (
            case.images[-1].positions[case.moving_ion] - case.images[0].positions[case.moving_ion]
        )
        stored = [
            pbe_mini_cases.LabelledPoint(
                _with_morse_labels(image),
                {"system": case.system, "image": i, "moving": case.moving_ion, "path": path},
            )
            for i, image in enumerate(case.images[:3])
        ]
        (made,) = pbe_mini_cases.migration(stored, case.level_of_theory)
        for image, energy, forces in zip(
            made.images, made.energies, some(made.forces), strict=True
        ):
            expected = _with_morse_labels(image)
            assert energy == pytest.approx(expected.energy, abs=1e-9)
            np.testing.assert_allclose(forces, expected.forces, atol=1e-9)


def _with_morse_labels(atoms: Atoms) -> Frame:
    atoms = atoms.copy()
    atoms.calc = MorsePotential(epsilon=0.2, r0=3.0, rho0=4.0)
    return Frame(atoms, atoms.get_potential_energy(), atoms.get_forces(), None, "toy", 0)


def test_a_hop_that_has_no_mirror_plane_is_refused(of: Cases) -> None:
    case = of("migration")["Al vacancy hop"]
    path = case.images[-1].positions[case.moving_ion] - case.images[0].positions[case.moving_ion]
    crooked = case.images[1].copy()
    crooked.positions[case.moving_ion - 1] += 0.1
    stored = [
        pbe_mini_cases.LabelledPoint(
            _with_morse_labels(image),
            {"point": f"p{i}", "system": "Al", "image": i, "moving": case.moving_ion, "path": path},
        )
        for i, image in enumerate([case.images[0], crooked, case.images[2]])
    ]
    with pytest.raises(DataError, match="p1: the hop has no mirror plane"):
        list(pbe_mini_cases.migration(stored, case.level_of_theory))


def test_a_hop_starts_at_the_vacancy(of: Cases) -> None:
    defects = {case.system: case for case in of("defects").values()}
    for case in of("migration").values():
        vacancy = defects[case.system]
        np.testing.assert_array_equal(case.images[0].positions, vacancy.defective.positions)


def test_calcium_oxide_and_magnesium_oxide_do_not_mix(of: Cases) -> None:
    cases = {n: c for n, c in of("solid-solutions").items() if c.system == "CaO-MgO"}
    for name, case in cases.items():
        assert len(case.atoms) == 8
        assert case.fraction == np.mean(case.atoms.numbers == 20) * 2
        if name in case.end_members:  # both stand under their own names: this system is the first
            assert case.mixing_energy == pytest.approx(0.0, abs=1e-12)
        else:
            assert 0.0 < case.mixing_energy < 0.2
    assert {"CaO", "MgO"} < set(cases)
    assert len(cases) == 23


def test_orderings_are_rocksalt_and_distinct(of: Cases) -> None:
    cases = of("solid-solutions").values()
    for case in cases:
        (anion,) = set.intersection(*(set(Formula(end).count()) for end in case.end_members))
        constant = (8 * case.atoms.get_volume() / len(case.atoms)) ** (1 / 3)
        distances = case.atoms.get_all_distances(mic=True)
        nearest = np.array(case.atoms.get_chemical_symbols()) == anion
        assert distances[nearest][:, ~nearest].min() == pytest.approx(constant / 2)
        assert distances[~nearest][:, ~nearest][distances[~nearest][:, ~nearest] > 0.1].min() == (
            pytest.approx(constant / np.sqrt(2))
        )
    # Four crystals end two systems each.
    assert len({case.decoration for case in cases}) == len(cases) == 94
    assert sum(" of " in case.decoration for case in cases) == 4
    assert len({case.system for case in cases}) == 8


# PBE with VASP: frequencies in THz at the zone centre (without the splitting of longitudinal and transverse
# modes) and at X, from the force sets in phonopy's examples.
PUBLISHED_FREQUENCIES: dict[str, tuple[list[float], list[float]]] = {
    "MgO": ([0, 0, 0, 11.19, 11.19, 11.19], [8.45, 8.45, 12.17, 12.74, 12.74, 15.85]),
    "NaCl": ([0, 0, 0, 4.61, 4.61, 4.61], [2.41, 2.41, 4.07, 4.87, 4.87, 5.26]),
    "Si": ([0, 0, 0, 15.11, 15.11, 15.11], [4.39, 4.39, 12.05, 12.05, 13.43, 13.43]),
    # Measured at X at 80 K: Stedman and Nilsson, Phys. Rev. 145, 492 (1966).
    "Al": ([0, 0, 0], [5.8, 5.8, 9.7]),
}

# Measured, at the zone centre (transverse): diamond 1332 cm⁻¹, cubic BN 1055 cm⁻¹, SiC 797 cm⁻¹, LiF
# 306 cm⁻¹, GaAs 268 cm⁻¹. PBE is softer by up to 5 %, in LiF by more.
MEASURED_OPTICAL = {"C": 39.9, "BN": 31.6, "SiC": 23.9, "LiF": 9.2, "GaAs": 8.0}


@pytest.mark.seconds
def test_phonons_are_those_of_other_codes(of: Cases) -> None:
    cases = of("phonons")
    assert set(cases) >= set(PUBLISHED_FREQUENCIES)
    for name, (centre, boundary) in PUBLISHED_FREQUENCIES.items():
        case = cases[name]
        np.testing.assert_allclose(_frequencies(case, [0, 0, 0]), centre, rtol=0.05, atol=0.3)
        np.testing.assert_allclose(_frequencies(case, [0.5, 0.5, 0]), boundary, rtol=0.05)


@pytest.mark.seconds
def test_optical_phonons_are_near_those_measured(of: Cases) -> None:
    for name, case in of("phonons").items():
        found = _frequencies(case, [0, 0, 0])
        assert np.abs(found[:3]).max() < 0.3
        if name in MEASURED_OPTICAL:
            np.testing.assert_allclose(found[3:], MEASURED_OPTICAL[name], rtol=0.1)


def _frequencies(case: PhononCase, wave_vector: list[float]) -> np.ndarray:
    """In THz; also checks that the supercell is phonopy's own."""
    unitcell = case.unitcell
    phonopy = Phonopy(
        PhonopyAtoms(
            symbols=unitcell.symbols,
            cell=unitcell.cell,
            scaled_positions=unitcell.get_scaled_positions(),
        ),
        supercell_matrix=case.supercell_matrix,
        primitive_matrix=case.primitive_matrix,
    )
    assert len(phonopy.supercell) == case.forces.shape[1] >= 16
    phonopy.dataset = {
        "natom": len(phonopy.supercell),
        "first_atoms": [
            {"number": int(atom), "displacement": displacement, "forces": forces}
            for atom, displacement, forces in zip(
                some(case.displaced_atoms), case.displacements, case.forces, strict=True
            )
        ],
    }
    phonopy.produce_force_constants()
    phonopy.run_qpoints([wave_vector])
    return phonopy.qpoints.frequencies[0]


def test_displaced_atoms_are_pulled_back(of: Cases) -> None:
    for case in of("phonons").values():
        np.testing.assert_allclose(np.linalg.norm(case.displacements, axis=1), 0.03)
        for atom, displacement, forces in zip(
            case.displaced_atoms, case.displacements, case.forces, strict=True
        ):
            assert forces[atom] @ displacement < 0
            assert atom == np.linalg.norm(forces, axis=1).argmax()
            # No net force, to the accuracy of the plane waves.
            assert np.abs(forces.sum(axis=0)).max() < 0.05 * np.linalg.norm(forces[atom])


def test_a_higher_cutoff_changes_little(dataset: Dataset, of: Cases) -> None:
    """By about one per cent, as the README says."""
    readers = {
        "eos": pbe_mini_cases.eos,
        "ordering": pbe_mini_cases.solid_solutions,
    }
    with as_file(FOLDER / "convergence.xyz") as path:
        points = [pbe_mini_cases.LabelledPoint(*each) for each in extxyz.read_described(path)]
    seen = set()
    for kind, reader in readers.items():
        checked = [
            point for point in points if re.fullmatch(rf"{kind}-.*_\d+eV", str(point.info["point"]))
        ]
        for case in reader(checked, dataset.manifest.level_of_theory):
            seen.add(kind)
            assert _quantity(case) == pytest.approx(
                _quantity(of(case.task)[case.name]), rel=0.015, abs=1e-12
            )
    assert seen == set(readers)


def _quantity(case: object) -> float:
    match case:
        case EosCase():
            return case.bulk_modulus
        case SolidSolutionCase():
            return case.mixing_energy
    raise TypeError(case)


def test_debye_states_have_the_published_amplitude(dataset: Dataset) -> None:
    with as_file(files("umlip_bench.datasets") / "debye_mini") as folder:
        level = dataset.manifest.level_of_theory
        cases = each_as_a(FramesCase, pbe_mini_cases.cases(folder, ["debye.xyz"], level))
        read = extxyz.read_described(folder / "debye.xyz")
        described: list[dict[str, Any]] = [info for _, info in read]
    assert {case.name for case in cases} <= set(dataset.by_system())
    for case in cases:
        assert 1 <= len(case.frames) <= 2
        for frame in case.frames:
            assert 4 <= len(frame.atoms) <= 6
            assert np.abs(frame.forces.sum(axis=0)).max() < 0.05 * len(frame.atoms)
    masses = {frame.index: frame.atoms.get_masses().mean() for c in cases for frame in c.frames}
    for index, info in enumerate(described):
        assert np.abs(info["strain"]).max() <= 0.03
        assert info["frame"] == 1 or not info["strain"].any()
        # Classical limit, 3 (ħ/θ)² T / (m k); its quantum correction is a few per cent at these temperatures.
        energy = units.kB * info["debye_temperature"]
        hbar = units._hbar * units.J * units.s
        square = 3 * (hbar / energy) ** 2 * units.kB * 1000 / masses[index]
        assert np.sqrt(square) < info["amplitude"] < 1.05 * np.sqrt(square)


def test_r2scan_is_a_little_stiffer_at_the_same_states() -> None:
    """The same ten states in both functionals: forces along PBE's, and larger by 0 to 5 %."""
    pbe, r2scan = (
        {case.name: case for case in each_as_a(FramesCase, datasets.load(name).cases)}
        for name in ("debye-mini", "r2scan-mini")
    )
    assert sorted(r2scan) == ["AlN", "LiF", "MgO", "NaCl", "SiC"]
    for name, case in r2scan.items():
        assert case.level_of_theory.functional == "r2SCAN"
        x, y = (np.array([f.forces for f in each.frames]) for each in (pbe[name], case))
        np.testing.assert_allclose(
            [f.atoms.positions for f in case.frames], [f.atoms.positions for f in pbe[name].frames]
        )
        found = softening(x, y)
        assert 1.0 < found.slope < 1.06
        assert found.r2 > 0.997


def test_curvatures_hardly_depend_on_a_small_amplitude() -> None:
    with as_file(FOLDER) as folder:
        series = list(pbe_mini_cases.amplitude_series(folder))
    assert series
    for each in series:
        assert (np.diff(each.distances) > 0).all()
        # All displacements on one line.
        directions = each.displacements / each.distances[:, None]
        np.testing.assert_allclose(directions - directions[0], 0.0, atol=1e-6)
        small = each.curvatures[each.distances < 0.05]
        assert small.min() > 0
        assert np.ptp(small) < 0.05 * small.mean(), each.system


def test_a_series_of_several_amplitudes_goes_with_its_phonons(of: Cases) -> None:
    """DFT's own curvature is constant to 0.2 % up to 0.03 Å, and grows by 1 to 2 % at most at 0.1 Å."""
    found = {c.name: c.series for c in of("phonons").values() if c.series is not None}
    assert set(found) == {"Al", "C", "LiF", "MgO"}
    for series in found.values():
        np.testing.assert_allclose(series.distances, [0.003, 0.01, 0.03, 0.1])
        relative = series.curvatures / series.curvatures[0]
        np.testing.assert_allclose(relative[:3], 1.0, atol=0.002)
        assert 1.005 < relative[3] < 1.02
