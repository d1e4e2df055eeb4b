"""Published sets read as they are: numbers that their files must give, and physics they must obey."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import phonopy
import pytest
from ase import Atoms
from ase.collections import dcdft
from ase.neighborlist import neighbor_list
from ase.units import GPa, J, m
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from tests.support.narrowing import some
from umlip_bench.datasets.cases import PhononCase, Preparation, ReferenceCase
from umlip_bench.datasets.importers import IMPORTERS, gaas_defects, importer, vasp_json
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.neighbors import neighbors

Load = Callable[[str], dict[str, Any]]
"""Cases of a set, by name."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Half-grid shift"),
    pytest.mark.filterwarnings("ignore:primitive_matrix defaulted to 'auto'"),
]

PBE = LevelOfTheory("PBE")


def folder_of(id: str) -> Path:
    folder = Path(os.environ.get("UMLIP_BENCH_DATA", ""), id)
    if "UMLIP_BENCH_DATA" not in os.environ or not folder.is_dir():
        pytest.skip(f"set UMLIP_BENCH_DATA or run `umlip-bench data fetch {id}`")
    return folder


@pytest.fixture(scope="module")
def load() -> Load:
    """Cases of a set by name, read once."""
    read = {}

    def cases(id: str) -> dict[str, Any]:
        if id not in read:
            folder = Path() if id == "ase-dcdft" else folder_of(id)
            found = list(importer(id)(folder, PBE))
            read[id] = {case.name: case for case in found}
            assert len(read[id]) == len(found), "names are unique"
        return read[id]

    return cases


TABLES = {
    "acwf-pbe-ae": 384 + 576,
    "ase-dcdft": 71,
    "atomate2-approxneb": 2,
    "matcalc-elasticity": 3953,
    "matcalc-phonon": 1170,
    "mlip-arena-bazro3": 1,
    "phonopy-examples": 8,
    "pymatgen-gaas": 8,
    "pymatgen-wulff": 38,
}


def structures_of(case: ReferenceCase) -> list[Atoms]:
    found = []
    for name in ("atoms", "unitcell", "slab", "bulk", "host", "defective"):
        if hasattr(case, name):
            found.append(getattr(case, name))
    return found + list(getattr(case, "images", ()))


@pytest.mark.seconds
@pytest.mark.parametrize("id", TABLES)
def test_every_case_can_be_measured(load: Load, id: str) -> None:
    assert id in IMPORTERS
    cases = load(id)
    assert len(cases) == TABLES[id]
    for case in cases.values():
        assert case.level_of_theory is PBE
        assert case.system
        assert case.unusable is None or len(case.unusable) > 10
        structures = structures_of(case)
        assert structures
        for atoms in structures:
            check_structure(atoms, ())
            assert atoms.calc is None
            assert set(atoms.arrays) == {"numbers", "positions"}
            assert not atoms.constraints
            if len(atoms) > 1:
                assert neighbors(atoms, 0.5).edges.size == 0


@pytest.mark.parametrize("id", sorted(set(TABLES) - {"ase-dcdft"}))
def test_absent_files_are_named_with_the_remedy(tmp_path: Path, id: str) -> None:
    with pytest.raises(DataError, match="no such file; `umlip-bench data fetch` gets it"):
        list(importer(id)(tmp_path, PBE))


# ---- phonons

SIZES = {
    "MgO": (2, 64, 2),
    "CaTiO3": (4, 40, 5),
    "TiO2-anatase": (4, 192, 6),
    "ZnO": (6, 32, 4),
    "MgB2": (2, 54, 3),
    "NaCl": (2, 64, 2),
    "SiO2-HP": (3, 48, 6),
    "Si": (1, 16, 2),
}
MAX_THZ = {
    "MgO": 17.9914,
    "CaTiO3": 25.5153,
    "TiO2-anatase": 25.73,
    "ZnO": 15.98,
    "MgB2": 24.1532,
    "NaCl": 6.2707,
    "SiO2-HP": 33.3632,
    "Si": 15.0845,
}
MEAN_THZ = {
    "MgO": 11.3684,
    "CaTiO3": 7.9491,
    "TiO2-anatase": 11.1205,
    "ZnO": 8.9346,
    "MgB2": 14.2637,
    "NaCl": 4.0495,
    "SiO2-HP": 19.1272,
    "Si": 9.7829,
}
HEAT_CAPACITY = {
    "MgO": 37.828,
    "TiO2-anatase": 113.342,
    "ZnO": 82.0,
    "MgB2": 49.119,
    "NaCl": 48.05,
    "SiO2-HP": 75.355,
    "Si": 39.835,
}
OPTICAL_THZ = {"MgO": 11.198, "NaCl": 4.616, "Si": 15.111}
FIRST_FORCE = {
    "MgO": (-0.10881989, 0.0, 0.0),
    "NaCl": (-0.01806194, 0.0, 0.0),
    "Si": (-0.00155558, -0.09414833, -0.09414833),
}
RMS_FORCE = {"MgO": 0.008935, "TiO2-anatase": 0.008963, "SiO2-HP": 0.033077, "NaCl": 0.001705}


def rebuilt(case: PhononCase, sum_rule: bool = True) -> Phonopy:
    """Phonons from nothing but the case, with the acoustic sum rule imposed or not."""
    ph = phonopy.Phonopy(
        PhonopyAtoms(
            symbols=case.unitcell.get_chemical_symbols(),
            cell=case.unitcell.cell.array,
            scaled_positions=case.unitcell.get_scaled_positions(),
        ),
        supercell_matrix=case.supercell_matrix,
        primitive_matrix=case.primitive_matrix,
    )
    ph.dataset = {
        "natom": len(ph.supercell),
        "first_atoms": [
            {"number": int(atom), "displacement": displacement, "forces": forces}
            for atom, displacement, forces in zip(
                some(case.displaced_atoms), case.displacements, case.forces, strict=True
            )
        ],
    }
    ph.produce_force_constants()
    if sum_rule:
        ph.symmetrize_force_constants()
    return ph


def mesh(ph: Phonopy) -> tuple[float, float, float]:
    ph.run_mesh([8, 8, 8])
    frequencies, weights = ph.mesh.frequencies, ph.mesh.weights
    mean = np.average(frequencies, axis=0, weights=weights).mean()
    return frequencies.max(), frequencies.min(), mean


def at_gamma(ph: Phonopy) -> np.ndarray:
    ph.run_qpoints([[0, 0, 0]])
    return np.sort(ph.qpoints.frequencies[0])


def without_translations(frequencies: np.ndarray) -> np.ndarray:
    """Frequencies without the three nearest to zero."""
    return np.sort(frequencies[np.argsort(abs(frequencies))[3:]])


@pytest.fixture(scope="module")
def phonons(load: Load) -> Callable[[str, str], Phonopy]:
    built = {}

    def get(id: str, name: str) -> Phonopy:
        if (id, name) not in built:
            built[id, name] = rebuilt(load(id)[name])
        return built[id, name]

    return get


@pytest.mark.seconds
@pytest.mark.parametrize("name", SIZES)
def test_the_force_sets_have_the_published_sizes(
    load: Load, phonons: Callable[[str, str], Phonopy], name: str
) -> None:
    case = load("phonopy-examples")[name]
    displaced, atoms, primitive = SIZES[name]
    assert case.displacements.shape == (displaced, 3)
    assert case.displaced_atoms.shape == (displaced,)
    assert case.forces.shape == (displaced, atoms, 3)
    volume_ratio = abs(np.linalg.det(case.primitive_matrix))
    assert len(case.unitcell) * volume_ratio == pytest.approx(primitive)
    assert len(phonons("phonopy-examples", name).primitive) == primitive
    np.testing.assert_allclose(np.linalg.norm(case.displacements, axis=1), 0.01, rtol=1e-6)
    assert case.unusable is None
    pressed = name == "SiO2-HP"
    assert case.preparation is (Preparation.UNDER_PRESSURE if pressed else Preparation.RELAXED)


def test_stishovite_says_that_it_is_under_pressure(load: Load) -> None:
    assert load("phonopy-examples")["SiO2-HP"].system == "SiO2 (stishovite, 40 GPa)"


@pytest.mark.parametrize("id", ["phonopy-examples", "mlip-arena-bazro3"])
def test_a_displaced_atom_is_pulled_back_and_forces_sum_to_zero(load: Load, id: str) -> None:
    for case in load(id).values():
        for atom, displacement, forces in zip(
            case.displaced_atoms, case.displacements, case.forces, strict=True
        ):
            assert forces[atom] @ displacement < 0
            assert np.linalg.norm(forces, axis=1).argmax() == atom
            # VASP's residual drift; MgB2, a metal, has most.
            assert np.abs(forces.sum(axis=0)).max() < 0.02 * np.abs(forces).max()


@pytest.mark.parametrize("name", FIRST_FORCE)
def test_first_force(load: Load, name: str) -> None:
    np.testing.assert_allclose(
        load("phonopy-examples")[name].forces[0, 0], FIRST_FORCE[name], atol=1e-8
    )


@pytest.mark.parametrize("name", RMS_FORCE)
def test_rms_force(load: Load, name: str) -> None:
    rms = np.sqrt((load("phonopy-examples")[name].forces ** 2).mean())
    assert rms == pytest.approx(RMS_FORCE[name], abs=2e-6)


def test_the_forces_of_silicon_are_of_the_displaced_supercell_of_phonopy(
    load: Load, phonons: Callable[[str, str], Phonopy]
) -> None:
    case = load("phonopy-examples")["Si"]
    file = ase.io.read(folder_of("phonopy-examples") / "Si" / "vasprun.xml", format="vasp-xml")
    expected = phonons("phonopy-examples", "Si").supercell.positions.copy()
    expected[case.displaced_atoms[0]] += case.displacements[0]
    offsets = (file.positions - expected) @ np.linalg.inv(file.cell.array)
    np.testing.assert_allclose(offsets - offsets.round(), 0, atol=1e-7)


@pytest.mark.parametrize("name", SIZES)
def test_frequencies_on_the_mesh(phonons: Callable[[str, str], Phonopy], name: str) -> None:
    largest, smallest, mean = mesh(phonons("phonopy-examples", name))
    assert largest == pytest.approx(MAX_THZ[name], abs=0.002)
    assert mean == pytest.approx(MEAN_THZ[name], abs=0.002)
    if name == "CaTiO3":
        assert smallest == pytest.approx(-5.766, abs=0.002)
    else:
        assert smallest > -0.5


@pytest.mark.parametrize("name", HEAT_CAPACITY)
def test_heat_capacity_of_the_force_sets(phonons: Callable[[str, str], Phonopy], name: str) -> None:
    ph = phonons("phonopy-examples", name)
    ph.run_mesh([8, 8, 8])
    ph.run_thermal_properties(temperatures=[300])
    (value,) = ph.thermal_properties.heat_capacity
    assert value == pytest.approx(HEAT_CAPACITY[name], abs=0.005)


@pytest.mark.parametrize("name", SIZES)
def test_translations_cost_nothing(phonons: Callable[[str, str], Phonopy], name: str) -> None:
    frequencies = at_gamma(phonons("phonopy-examples", name))
    assert np.sort(abs(frequencies))[:3].max() < 0.01
    optical = without_translations(frequencies)
    if name == "CaTiO3":
        np.testing.assert_allclose(optical[:3], -5.468, atol=0.002)
        optical = optical[3:]
    assert optical.min() > 1
    if name in OPTICAL_THZ:
        np.testing.assert_allclose(optical, OPTICAL_THZ[name], atol=0.002)


@pytest.mark.seconds
@pytest.mark.parametrize("name", sorted(set(SIZES) - {"Si"}))
def test_phonopy_reads_the_same_from_the_files(
    phonons: Callable[[str, str], Phonopy], name: str
) -> None:
    folder = folder_of("phonopy-examples") / name
    direct = phonopy.load(
        folder / "phonopy_disp.yaml", force_sets_filename=folder / "FORCE_SETS", is_nac=False
    )
    ph = phonons("phonopy-examples", name)
    np.testing.assert_allclose(ph.primitive_matrix, direct.primitive_matrix, atol=1e-10)
    np.testing.assert_allclose(ph.supercell.positions, direct.supercell.positions, atol=1e-10)
    # Up to the masses: those in the files are older.
    ph.run_qpoints([[0, 0, 0], [0.1, 0.2, 0.3]])
    direct.run_qpoints([[0, 0, 0], [0.1, 0.2, 0.3]])
    np.testing.assert_allclose(ph.qpoints.frequencies, direct.qpoints.frequencies, atol=0.002)


@pytest.mark.seconds
def test_barium_zirconate(load: Load, phonons: Callable[[str, str], Phonopy]) -> None:
    (case,) = load("mlip-arena-bazro3").values()
    assert case.unitcell.get_volume() == pytest.approx(64.0, abs=1e-6)
    assert case.forces.shape == (3, 40, 3)
    assert case.preparation is Preparation.AS_BUILT
    assert np.sqrt((case.forces**2).mean()) == pytest.approx(0.024917, abs=2e-6)
    # The published numbers are those of the force constants in the file, which do not quite obey the
    # sum rule; to impose it moves one group at Gamma by 0.008 THz.
    raw = rebuilt(case, sum_rule=False)
    assert mesh(raw) == pytest.approx((29.2752, -3.6249, 9.6027), abs=0.002)
    frequencies = at_gamma(raw)
    assert np.sort(abs(frequencies))[:3].max() < 0.01
    np.testing.assert_allclose(
        without_translations(frequencies), np.repeat([4.238, 4.266, 5.149, 21.171], 3), atol=0.002
    )
    direct = phonopy.load(
        folder_of("mlip-arena-bazro3") / "phonopy_params.yaml", is_nac=False, produce_fc=True
    )
    np.testing.assert_allclose(frequencies, at_gamma(direct), atol=0.001)
    ph = phonons("mlip-arena-bazro3", "BaZrO3")
    assert mesh(ph) == pytest.approx((29.2752, -3.6249, 9.6027), abs=0.002)
    np.testing.assert_allclose(without_translations(at_gamma(ph)), frequencies[3:], atol=0.01)


# ---- tables of compounds


def test_heat_capacities(load: Load) -> None:
    cases = list(load("matcalc-phonon").values())
    first, magnesia, salt = cases[0], cases[761], cases[782]
    assert (first.name, first.system) == ("mp-1105", "BaO2")
    np.testing.assert_allclose(first.heat_capacity, [65.7436504], atol=1e-7)
    for case, name, value in (
        (magnesia, "mp-1265", 37.91052153),
        (salt, "mp-22862", 48.04958025),
    ):
        assert case.name == name
        assert len(case.atoms) == 2
        np.testing.assert_allclose(case.heat_capacity, [value], atol=1e-6)
    for case in cases:
        np.testing.assert_array_equal(case.temperatures, [300.0])
        # Per mole of cells: below the value of Dulong and Petit.
        assert 6.9 < case.heat_capacity[0] / len(case.atoms) < 24.94
    assert sum(len(case.atoms) <= 24 for case in cases) == 835
    assert max(len(case.atoms) for case in cases) == 180


def test_heat_capacity_agrees_with_the_force_sets(load: Load) -> None:
    by_name = load("matcalc-phonon")
    for mp_id, example in (("mp-1265", "MgO"), ("mp-22862", "NaCl")):
        # Other lattice constants and supercells: the same to a percent.
        assert by_name[mp_id].heat_capacity[0] == pytest.approx(HEAT_CAPACITY[example], rel=0.01)


def test_elastic_moduli(load: Load) -> None:
    cases = list(load("matcalc-elasticity").values())
    assert (cases[0].name, cases[0].system) == ("mp-975512", "InSb3")
    for index, name, bulk, shear in (
        (0, "mp-975512", 53.357, 12.164),
        (845, "mp-1265", 151.45, 118.82),
        (3668, "mp-22862", 23.77, 14.298),
        (2201, "mp-2534", 60.742, 40.715),
    ):
        case = cases[index]
        assert case.name == name
        assert case.bulk_modulus == pytest.approx(bulk * GPa, abs=1e-6 * GPa)
        assert case.shear_modulus == pytest.approx(shear * GPa, abs=1e-6 * GPa)
        assert case.unusable is None
    # Entries of one formula are other phases of it, and alike.
    assert len({case.system for case in cases}) == 3141
    assert sum(len(case.atoms) <= 20 for case in cases) == 3798
    assert max(len(case.atoms) for case in cases) == 80


def test_the_ranges_of_the_moduli_are_as_published_and_soft_compounds_are_marked(
    load: Load,
) -> None:
    cases = load("matcalc-elasticity").values()
    bulk = np.array([case.bulk_modulus for case in cases]) / GPa
    shear = np.array([case.shear_modulus for case in cases]) / GPa
    assert bulk.min() == pytest.approx(0.52, abs=0.005)
    assert bulk.max() == pytest.approx(411, abs=0.5)
    assert shear.min() == pytest.approx(0.16, abs=0.005)
    assert shear.max() == pytest.approx(474, abs=0.5)
    marked = np.array([case.unusable is not None for case in cases])
    np.testing.assert_array_equal(marked, (bulk < 1) | (shear < 1))
    assert marked.sum() == 19


# ---- migration


def test_the_usable_hop(load: Load) -> None:
    case = load("atomate2-approxneb")["hop 3+1"]
    assert case.unusable is None
    # Image 2 is not among them.
    relative = [0.0, -0.00606, 0.30477, 0.27333, -0.01297, 0.00271]
    np.testing.assert_allclose(case.energies - case.energies[0], relative, atol=1e-4)
    assert case.energies[0] == pytest.approx(-1195.09519115, abs=1e-7)
    assert case.energies[2] == pytest.approx(-1194.79041811, abs=1e-7)
    assert case.forward_barrier == pytest.approx(0.305, abs=5e-4)
    assert case.backward_barrier == pytest.approx(0.30477 - 0.00271, abs=1e-4)
    assert case.forces.shape == (6, 161, 3)
    assert abs(case.forces[2]).max() == pytest.approx(0.04216155, abs=1e-6)
    assert abs(case.forces).max() < 0.05
    assert np.abs(case.forces.sum(axis=1)).max() < 0.05


def test_the_ion_moves_and_the_host_stays(load: Load) -> None:
    for case in load("atomate2-approxneb").values():
        ions = []
        for image in case.images:
            assert image.get_chemical_formula() == "Mn16O112P32Zn"
            assert image[case.moving_ion].symbol == "Zn"
            assert case.moving_ion == 16
            ions.append(image.positions[case.moving_ion])
        assert len(case.energies) == len(case.images)
        assert case.images[0].cell[:] == pytest.approx(case.images[-1].cell[:], abs=1e-6)
    # From the first hop, whose path is smooth.
    moved = load("atomate2-approxneb")["hop 3+1"].images
    offset = moved[-1].get_scaled_positions() - moved[0].get_scaled_positions()
    lengths = np.linalg.norm((offset - offset.round()) @ moved[0].cell.array, axis=1)
    assert lengths.argmax() == 16
    assert lengths[16] > 2


def test_the_outcars_are_what_the_authors_collated(load: Load) -> None:
    path = folder_of("atomate2-approxneb") / "collate_results.json.gz"
    content = dict(vasp_json.members(path))
    hop = as_mapping(as_mapping(content["hops"])["3+1"])
    case = load("atomate2-approxneb")["hop 3+1"]
    assert hop["image_indices"] == [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(case.energies, np.array(hop["energies"], dtype=float), atol=1e-8)
    for image, structure in zip(case.images, as_list(hop["images"]), strict=True):
        offset = image.get_scaled_positions() - vasp_json.atoms(structure).get_scaled_positions()
        assert abs(offset - offset.round()).max() < 1e-6
    # The authors' spline overshoots between the images.
    assert as_mapping(content["forward_barriers"])["3+1"] == pytest.approx(0.33264869, abs=1e-7)
    assert as_mapping(content["reverse_barriers"])["3+1"] == pytest.approx(0.32993731, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("endpoint_1", 3),
        ("endpoint_3", 5),
        ("hop_3+1_image_1", 1),
        ("hop_3+1_image_3", 4),
        ("hop_3+1_image_4", 1),
        ("hop_3+1_image_5", 3),
    ],
)
def test_ionic_steps_of_the_outcars(name: str, steps: int) -> None:
    path = folder_of("atomate2-approxneb") / name / "OUTCAR.relax2.gz"
    assert len(ase.io.read(path, format="vasp-out", index=":")) == steps


@pytest.mark.seconds
def test_image_2_lies_on_the_way_but_did_not_converge() -> None:
    path = folder_of("atomate2-approxneb") / "hop_3+1_image_2" / "vasprun.xml.gz"
    last = ase.io.read(path, format="vasp-xml", index=-1)
    energy = last.get_potential_energy(force_consistent=False)
    assert energy - -1195.09519115 == pytest.approx(0.01863, abs=1e-4)
    assert abs(last.get_forces()).max() > 0.3


def test_the_other_hop_is_marked(load: Load) -> None:
    case = load("atomate2-approxneb")["hop 3+0"]
    assert "7.9 eV above" in case.unusable
    assert case.forward_barrier == pytest.approx(7.888, abs=0.001)
    assert case.energies.min() - case.energies[0] == pytest.approx(-0.25, abs=0.005)
    assert case.forces is None


# ---- surfaces


def test_surface_energies(load: Load) -> None:
    cases = load("pymatgen-wulff")
    systems = [case.system for case in cases.values()]
    assert {s: systems.count(s) for s in systems} == {
        "Ir (fcc)": 13,
        "Ti (omega)": 12,
        "Nb (fcc)": 13,
    }
    for name, value in {
        "Ir (fcc) (1 1 1)": 2.2845,
        "Ir (fcc) (1 0 0)": 2.8177,
        "Ir (fcc) (3 2 0)": 2.946067,
        "Ir (fcc) (1 1 0)": 2.772,
        "Ti (omega) (0 0 0 1)": 2.1522,
        "Ti (omega) (1 1 -2 0)": 2.035417,
        "Ti (omega) (1 1 -2 1)": 1.9319,
    }.items():
        assert cases[name].surface_energy == pytest.approx(value * J / m**2, abs=1e-4 * J / m**2)
    # eV/Å² as published beside J/m².
    assert cases["Ir (fcc) (3 2 0)"].surface_energy == pytest.approx(0.18387907824872585, rel=1e-6)


def test_which_faces_are_marked(load: Load) -> None:
    cases = load("pymatgen-wulff").values()
    assert {case.name for case in cases if case.reconstructed} == {
        "Ir (fcc) (1 1 0)",
        "Nb (fcc) (1 1 1)",
    }
    assert {case.system for case in cases if case.unusable} == {"Nb (fcc)"}
    assert sum(case.unusable is None for case in cases) == 25


def test_bulk_cells_of_the_slabs(load: Load) -> None:
    cases = load("pymatgen-wulff")
    iridium = cases["Ir (fcc) (1 1 1)"].bulk
    assert (4 * iridium.get_volume()) ** (1 / 3) == pytest.approx(3.877077, abs=1e-6)
    titanium = cases["Ti (omega) (0 0 0 1)"].bulk
    assert len(titanium) == 3
    np.testing.assert_allclose(
        titanium.cell.cellpar(), [4.5783, 4.5783, 2.830253, 90, 90, 120], atol=5e-5
    )
    spacing = titanium.get_all_distances(mic=True)
    assert spacing[1, 2] == pytest.approx(4.5783 / np.sqrt(3), abs=1e-3)


def test_slabs_are_slabs(load: Load) -> None:
    for case in load("pymatgen-wulff").values():
        assert len(case.miller_index) in (3, 4)
        assert case.slab_energy is None
        assert case.bulk_energy is None
        assert set(case.slab.symbols) == set(case.bulk.symbols)
        normal = np.cross(case.slab.cell[0], case.slab.cell[1])
        assert case.area == pytest.approx(np.linalg.norm(normal), rel=1e-9)
        height = np.sort(case.slab.positions @ normal / np.linalg.norm(normal))
        period = case.slab.get_volume() / case.area
        vacuum = np.diff([*height, height[0] + period]).max()
        assert vacuum > 10
        # The material fills what is not vacuum at about the density of the bulk: the same phase.
        thickness = len(case.slab) * case.bulk.get_volume() / len(case.bulk) / case.area
        if case.unusable is None:
            assert 0 < vacuum - (period - thickness) < 3


# ---- defects

DEFECTS = {
    "vac_2_As_0": 8.00119436,
    "vac_1_Ga_0": 6.23655228,
    "as_2_Ga_on_As_0": 3.78839302,
    "as_1_As_on_Ga_0": 0.33698883,
    "inter_1_Ga_tet_As4_0": -0.28763869,
    "inter_2_Ga_tet_Ga4_0": -0.52940843,
    "inter_1_As_tet_As4_0": -1.02922517,
    "inter_2_As_tet_Ga4_0": -0.37327507,
}


def test_neutral_defects_and_their_energies(load: Load) -> None:
    path = folder_of("pymatgen-gaas") / gaas_defects.FILE
    assert len(list(vasp_json.members(path))) == 48
    cases = load("pymatgen-gaas")
    assert {name: case.energy for name, case in cases.items()} == pytest.approx(DEFECTS, abs=1e-7)
    for case in cases.values():
        assert case.preparation is Preparation.NOT_STORED
        assert case.chemical_potentials == {}


def test_sums_without_chemical_potentials(load: Load) -> None:
    energies = {name: case.energy for name, case in load("pymatgen-gaas").items()}
    sums = gaas_defects.comparable_sums(energies)
    assert sums == pytest.approx(
        {
            "antisite pair": 4.12538185,
            "Frenkel pair Ga (tet_As4)": 5.94891359,
            "Frenkel pair Ga (tet_Ga4)": 5.70714385,
            "Frenkel pair As (tet_As4)": 6.97196919,
            "Frenkel pair As (tet_Ga4)": 7.62791929,
        },
        abs=1e-6,
    )


def test_the_sums_keep_the_composition(load: Load) -> None:
    cases = load("pymatgen-gaas")
    for pair in gaas_defects.SUMS.values():
        balance = {"Ga": 0, "As": 0}
        for name in pair:
            for element, count in cases[name].exchanged.items():
                balance[element] += count
        assert balance == {"Ga": 0, "As": 0}


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_cells(load: Load, name: str) -> None:
    case = load("pymatgen-gaas")[name]
    prefix = name.split("_")[0]
    kind, host, defective = {
        "vac": ("vacancy", 216, 215),
        "as": ("antisite", 216, 216),
        "inter": ("interstitial", 64, 65),
    }[prefix]
    assert (case.kind, len(case.host), len(case.defective)) == (kind, host, defective)
    repeats = 3 if host == 216 else 2
    assert case.host.cell.lengths() / repeats == pytest.approx([5.750183] * 3, abs=1e-6)
    before, after = case.host.symbols.formula.count(), case.defective.symbols.formula.count()
    changes = {e: after[e] - before[e] for e in before if after[e] != before[e]}
    assert case.exchanged == changes
    expected = {
        "vac": {name.split("_")[2]: -1},
        "as": {name.split("_")[2]: 1, name.split("_")[-2]: -1},
        "inter": {name.split("_")[2]: 1},
    }
    assert case.exchanged == expected[prefix]


@pytest.mark.parametrize("name", DEFECTS)
def test_the_defect_is_where_the_case_says(load: Load, name: str) -> None:
    case = load("pymatgen-gaas")[name]
    position = case.site @ case.host.cell.array
    offset = case.host.get_scaled_positions() - case.site
    distances = np.linalg.norm((offset - offset.round()) @ case.host.cell.array, axis=1)
    if case.kind == "interstitial":
        np.testing.assert_allclose(case.defective.positions[-1], position, atol=1e-9)
        nearest = np.sort(distances)
        assert nearest[0] == pytest.approx(2.31, abs=0.01)
        around = set(np.array(case.host.get_chemical_symbols())[np.argsort(distances)[:4]])
        assert around == ({"As"} if "tet_As4" in name else {"Ga"})
    else:
        assert distances.min() < 1e-3
        here = np.linalg.norm(case.defective.positions - position, axis=1).argmin()
        distance = np.linalg.norm(case.defective.positions[here] - position)
        if case.kind == "antisite":
            assert distance < 1e-3
            assert case.defective[int(here)].symbol == name.split("_")[2]
        else:
            assert distance > 2


# ---- equations of state


@pytest.mark.parametrize("id", ["acwf-pbe-ae", "ase-dcdft"])
def test_cells_are_at_the_published_volume(load: Load, id: str) -> None:
    for case in load(id).values():
        assert case.atoms.get_volume() == pytest.approx(case.volume, rel=1e-9)
        assert case.bulk_modulus > 0


@pytest.mark.parametrize(
    ("name", "atoms", "volume", "bulk", "derivative"),
    [
        ("Si-X/Diamond", 2, 40.914946909, 88.511319, 4.311785),
        ("Cu-X/FCC", 1, 11.952224652, 140.992205, None),
        ("Mg-XO", 2, 19.249038607, 148.980982, 4.090926),
        ("Ca-XO", 2, 28.190280638, 105.190566, None),
    ],
)
def test_all_electron_equations_of_state(
    load: Load, name: str, atoms: int, volume: float, bulk: float, derivative: float
) -> None:
    case = load("acwf-pbe-ae")[name]
    assert len(case.atoms) == atoms
    assert case.volume == pytest.approx(volume, abs=1e-5)
    # The published GPa are by another CODATA set than ASE's: a few parts in 10⁹.
    assert case.bulk_modulus / GPa == pytest.approx(bulk, abs=1e-5)
    if derivative:
        assert case.bulk_modulus_derivative == pytest.approx(derivative, abs=1e-5)
    assert case.unusable is None


def test_which_equations_of_state_are_marked(load: Load) -> None:
    cases = load("acwf-pbe-ae")
    unaries = [case for name, case in cases.items() if "-X/" in name]
    assert (len(unaries), len(cases) - len(unaries)) == (384, 576)
    marked = {name for name, case in cases.items() if case.unusable}
    assert {"O-XO", "O-X2O5", "O-X/SC", "Fe-X/BCC", "Ni-XO", "Gd-X/FCC", "U-XO2"} <= marked
    for name in ("Mg-XO3", "Li-X2O", "La-X/FCC", "Lu-X/FCC", "Th-XO2", "Cu-X/FCC", "Ti-XO2"):
        assert name not in marked
    assert all("oxide of oxygen" in cases[f"O-{p}"].unusable for p in ("XO", "X2O", "XO3"))
    # 6 magnetic elements, 19 with f electrons, 10 prototypes each.
    assert len(marked) == 250


def test_prototypes_have_their_coordination(load: Load) -> None:
    cases = load("acwf-pbe-ae")
    for prototype, neighbours in {"BCC": 8, "FCC": 12, "SC": 6, "Diamond": 4}.items():
        atoms = cases[f"Al-X/{prototype}"].atoms
        distances = np.sort(neighbor_list("d", atoms, 8.0))
        nearest = (distances < distances[0] + 1e-6).sum()
        assert nearest == neighbours * len(atoms)
    oxides: tuple[tuple[str, int | None], ...] = (
        ("Ca-X2O", 4),
        ("Ca-XO", 6),
        ("Ca-X2O3", None),
        ("Ca-XO2", 8),
        ("Ca-X2O5", None),
        ("Ca-XO3", 6),
    )
    for name, shared in oxides:
        case = cases[name]
        # Oxides of one element are not independent of each other.
        assert case.system == "Ca"
        assert case.atoms.symbols.formula.reduce()[0].count() == {
            "Ca": 2 if "X2" in name else 1,
            "O": int(name[-1]) if name[-1].isdigit() else 1,
        }
        if shared:
            centres, others, distances = neighbor_list("ijd", case.atoms, 8.0)
            oxygen = case.atoms.numbers[others] == 8
            pairs = distances[(case.atoms.numbers[centres] == 20) & oxygen]
            cations = (case.atoms.numbers == 20).sum()
            assert (pairs < pairs.min() + 1e-6).sum() == shared * cations


def test_delta_project(load: Load) -> None:
    cases = load("ase-dcdft")
    silicon = cases["Si"]
    assert silicon.bulk_modulus / GPa == pytest.approx(88.545)
    assert silicon.bulk_modulus_derivative == pytest.approx(4.31)
    assert silicon.volume == pytest.approx(8 * 20.453)
    assert set(cases) == set(dcdft.names)
    for element, case in cases.items():
        assert set(case.atoms.symbols) == {element}
        np.testing.assert_allclose(
            case.atoms.get_scaled_positions(), dcdft[element].get_scaled_positions(), atol=1e-12
        )


def test_two_all_electron_sources_agree(load: Load) -> None:
    """Where both have the stable structure without magnetism: lattices of Delta and ACWF."""
    delta, acwf = load("ase-dcdft"), load("acwf-pbe-ae")
    for element, prototype in (
        ("Si", "Diamond"),
        ("Ge", "Diamond"),
        ("Al", "FCC"),
        ("Cu", "FCC"),
        ("Pt", "FCC"),
        ("W", "BCC"),
        ("Nb", "BCC"),
    ):
        one, other = delta[element], acwf[f"{element}-X/{prototype}"]
        assert one.volume / len(one.atoms) == pytest.approx(
            other.volume / len(other.atoms), rel=3e-3
        )
        assert one.bulk_modulus == pytest.approx(other.bulk_modulus, rel=0.03)
