"""A user's own structures with roles become the cases that the embedded sets have."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from monty.serialization import dumpfn
from pymatgen.entries.computed_entries import ComputedStructureEntry
from pymatgen.io.ase import AseAtomsAdaptor

from tests.support.narrowing import as_a, each_as_a
from umlip_bench import datasets
from umlip_bench.analysis.runs import read_run
from umlip_bench.cli import main
from umlip_bench.datasets import extxyz
from umlip_bench.datasets.cases import (
    DefectCase,
    ElasticCase,
    EosCase,
    Preparation,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.standard_form import structures_of
from umlip_bench.ground.errors import DataError

TASKS = ("surfaces", "defects", "solid-solutions", "eos")
NUMBERS = {
    "surfaces": ("surface_energy", "area", "slab_energy", "bulk_energy"),
    "defects": ("energy", "host_energy"),
    "solid-solutions": ("energy", "fraction", "mixing_energy"),
    "eos": ("volume", "bulk_modulus", "bulk_modulus_derivative"),
}
SETS = ("pbe-mini", "mlearn", pytest.param("monbtaw", marks=pytest.mark.slow))


@pytest.fixture(scope="module", params=SETS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[datasets.Dataset, datasets.Dataset]:
    """A set, and what is read of its structures with roles."""
    path = tmp_path_factory.mktemp("roles") / "my.xyz"
    try:
        original = datasets.load(request.param)
    except DataError:
        pytest.skip(f"{request.param} is not on this machine")
    structures = [s for s in structures_of(original) if s.info.get("role")]
    extxyz.write_structures(path, structures)
    return original, datasets.load(str(path))


def whole(cases: Sequence[ReferenceCase]) -> list[ReferenceCase]:
    """Those that total energies are known of."""
    return [
        c
        for c in cases
        if not (isinstance(c, SurfaceCase) and c.slab_energy is None)
        and not (isinstance(c, EosCase) and c.energies is None)
    ]


@pytest.mark.parametrize("task", TASKS)
def test_cases_are_those_of_the_set(
    pair: tuple[datasets.Dataset, datasets.Dataset], task: str
) -> None:
    original, again = pair
    expected, found = whole(original.of_task(task)), list(again.of_task(task))
    if not expected:
        pytest.skip("the set has none of these")
    assert len(found) == len(expected)
    for cases in (found, expected):
        # Materials come in the order of all structures, end members before orderings.
        by_name = task == "solid-solutions"
        cases.sort(key=lambda case: (case.system, case.name if by_name else ""))
    for a, b in zip(found, expected, strict=True):
        assert (a.system, a.preparation) == (b.system, b.preparation)
        for name in NUMBERS[task]:
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-6, rel=1e-6)
        if isinstance(a, DefectCase) and isinstance(b, DefectCase):
            assert dict(a.exchanged) == dict(b.exchanged)
            assert a.chemical_potentials == pytest.approx(dict(b.chemical_potentials))
            np.testing.assert_allclose(a.site, b.site, atol=1e-6)
            assert a.kind == b.kind
        if isinstance(a, SurfaceCase) and isinstance(b, SurfaceCase):
            assert a.miller_index == b.miller_index
            np.testing.assert_allclose(a.slab.positions, b.slab.positions, atol=1e-7)


@pytest.mark.seconds
@pytest.mark.parametrize("task", TASKS)
def test_numbers_of_a_run_are_those_of_the_set(tmp_path: Path, task: str) -> None:
    """Metals that EMT knows; the rest fails in both, and is counted."""
    original = datasets.load("pbe-mini")
    path = tmp_path / "my.xyz"
    structures = [s for s in structures_of(original) if s.info.get("role")]
    extxyz.write_structures(path, structures)
    rows = []
    for data, out in (("pbe-mini", "a"), (str(path), "b")):
        command = ["run", task, "--model", "ase:ase.calculators.emt:EMT", "--data", data]
        command += ["--device", "cpu", "--dtype", "float64"]
        assert main([*command, "--out", str(tmp_path / out)]) in (0, 1)
        rows.append({(r.metric, r.variant): r for r in read_run(tmp_path / out).rows})
    assert rows[0].keys() == rows[1].keys()
    for key, row in rows[0].items():
        assert rows[1][key].n_cases == row.n_cases
        assert rows[1][key].value == pytest.approx(row.value, rel=1e-5, abs=1e-6, nan_ok=True)


# ---- moduli

CONSTANTS = {"C11": 1.9, "C12": 0.6, "C44": 0.95}
"""Of a cubic crystal, eV/Å³."""


def strained(kind: str, size: float, turned: bool = False) -> Atoms:
    """A cell with the stress that linear elasticity gives, and a rest that all cells are under."""
    strain = np.zeros((3, 3))
    if kind == "stretch":
        strain[0, 0] = size
    else:
        strain[1, 2] = strain[2, 1] = size
    c11, c12, c44 = CONSTANTS.values()
    stress = 2 * c44 * strain
    np.fill_diagonal(stress, c12 * np.trace(strain) + (c11 - c12) * np.diag(strain))
    angle = 0.3 * turned
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    atoms = oxide()
    atoms.set_cell(oxide().cell.array @ (np.eye(3) + strain) @ turn, scale_atoms=True)
    stress = turn.T @ (stress + 0.01 * np.eye(3)) @ turn
    return part("strained", -48.0, atoms, REF_stress=stress)


@pytest.mark.parametrize("turned", [False, True])
def test_moduli_of_strained_cells(tmp_path: Path, turned: bool) -> None:
    """Two strains are enough for a cubic crystal; in closed form (Hill 1952)."""
    c11, c12, c44 = CONSTANTS.values()
    given = [strained("stretch", 0.004, turned), strained("shear", -0.003, turned)]
    found = load(tmp_path, part("bulk", -48.0, oxide(), REF_stress=0.01 * np.eye(3)), *given)
    case = as_a(ElasticCase, *found.of_task("elastic"))
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    assert case.bulk_modulus == pytest.approx((c11 + 2 * c12) / 3, rel=1e-6)
    assert case.shear_modulus == pytest.approx((voigt + reuss) / 2, rel=1e-6)
    with pytest.raises(DataError, match="span 3 of six directions"):
        load(tmp_path, part("bulk", -48.0, oxide()), given[0])
    with pytest.raises(DataError, match="is it of another crystal"):
        load(tmp_path, part("bulk", -48.0, oxide()), strained("stretch", 0.5))


@pytest.mark.seconds
def test_moduli_of_strained_cells_are_those_of_the_suite(tmp_path: Path) -> None:
    """EMT against itself: the suite's own strains give the same, to what is not harmonic."""
    crystal = bulk("Cu", "fcc", a=3.59)
    structures = []
    for kind in (None, "stretch", "shear"):
        for sign in (1, -1) if kind else (0,):
            atoms = crystal.copy()
            strain = np.zeros((3, 3))
            if kind == "stretch":
                strain[0, 0] = sign * 0.005
            elif kind == "shear":
                strain[1, 2] = strain[2, 1] = sign * 0.0025
            atoms.set_cell(crystal.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            atoms.calc = EMT()
            labels = atoms.get_potential_energy(), atoms.get_stress(voigt=False)
            info = {"system": "Cu", "REF_stress": labels[1]}
            structures.append(part("strained" if kind else "bulk", labels[0], atoms, **info))
    load(tmp_path, *structures)
    command = ["run", "elastic", "--model", "ase:ase.calculators.emt:EMT", "--device", "cpu"]
    command += ["--dtype", "float64", "--data", str(tmp_path / "my.xyz")]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    rows = read_run(tmp_path / "run").rows
    scales = [
        r.value
        for r in rows
        if r.metric in ("bulk_modulus_scale_median", "shear_modulus_scale_median")
    ]
    assert scales
    assert scales == pytest.approx([1.0] * len(scales), abs=0.01)


# ---- as people write them


def part(role: str, energy: float, atoms: Atoms, **info: object) -> Atoms:
    out = atoms.copy()
    out.info = {"role": role, "system": "MgO", "REF_energy": energy, **info}
    return out


def oxide() -> Atoms:
    return bulk("MgO", "rocksalt", a=4.25, cubic=True)


def load(tmp_path: Path, *structures: Atoms) -> datasets.Dataset:
    ase.io.write(tmp_path / "my.xyz", list(structures), format="extxyz")
    return datasets.load(str(tmp_path / "my.xyz"))


def slab() -> Atoms:
    atoms = oxide().repeat((1, 1, 2))
    atoms.center(vacuum=6.0, axis=2)
    return atoms


@pytest.mark.parametrize("miller", ["100", "1 0 0", [1, 0, 0]])
def test_a_slab_and_its_bulk(tmp_path: Path, miller: object) -> None:
    given = slab()
    found = load(
        tmp_path,
        part("slab", -90.0, given, miller=miller, termination="O rich", prepared="relaxed"),
        part("bulk", -48.0, oxide()),
    )
    case = as_a(SurfaceCase, *found.of_task("surfaces"))
    assert case.name == "MgO (1 0 0), O rich"
    assert case.preparation is Preparation.RELAXED
    assert case.surface_energy == pytest.approx(6.0 / (2 * 4.25**2))
    (said,) = [each.text for each in found.understood if each.text.startswith("roles")]
    assert said == "roles: 1 slab, 1 bulk; cases: 1 of surfaces."
    assert found.tasks == ("surfaces",)


def defective(*removed: int, added: Atoms | None = None) -> Atoms:
    atoms = oxide().repeat(2)
    del atoms[list(removed)]
    return atoms if added is None else atoms + added


def test_defects_with_chemical_potentials_of_elements(tmp_path: Path) -> None:
    host = oxide().repeat(2)
    magnesium, oxygen = int(np.flatnonzero(host.numbers == 12)[3]), 1
    assert host.symbols[oxygen] == "O"
    interstitial = Atoms("O", [[1.0625] * 3])
    metal = bulk("Mg")
    found = load(
        tmp_path,
        part("host", -380.0, host),
        part("defect", -370.0, defective(oxygen), defect="V_O"),
        part("defect", -371.0, defective(magnesium), defect="V_Mg", mu="Mg=-2.0"),
        part("defect", -377.0, defective(added=interstitial), defect="O_i"),
        part("defect", -365.0, defective(oxygen, magnesium), defect="V_O+V_Mg"),
        part("element", -4.9 * 2, Atoms("O2", [[0, 0, 0], [0, 0, 1.2]], cell=[8] * 3, pbc=True)),
        part("element", -1.5 * 2, metal),
    )
    vacancy, other, between, pair = each_as_a(DefectCase, found.of_task("defects"))
    assert (vacancy.kind, vacancy.energy, vacancy.exchanged) == ("vacancy", 10.0, {"O": -1})
    assert vacancy.chemical_potentials == {"O": -4.9}
    np.testing.assert_allclose(vacancy.site, host.get_scaled_positions()[oxygen], atol=1e-8)
    assert other.chemical_potentials == {"Mg": -2.0}
    np.testing.assert_allclose(other.site, host.get_scaled_positions()[magnesium], atol=1e-8)
    assert (between.kind, between.exchanged) == ("interstitial", {"O": 1})
    np.testing.assert_allclose(between.site, [0.125] * 3, atol=1e-8)
    assert pair.exchanged == {"Mg": -1, "O": -1}
    assert pair.chemical_potentials == {"Mg": -1.5, "O": -4.9}


def test_a_pair_that_keeps_the_composition_needs_no_elements(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        part("host", -384.0, oxide().repeat(2)),
        part("defect", -365.0, defective(0, 1), defect="V_Mg+V_O"),
        part("defect", -370.0, defective(1), defect="V_O"),
    )
    pair, single = each_as_a(DefectCase, found.of_task("defects"))
    assert pair.chemical_potentials == {"Mg": -6.0, "O": -6.0}
    assert single.chemical_potentials == {}


def test_orderings_between_their_end_members(tmp_path: Path) -> None:
    first, second, mixed = oxide(), oxide(), oxide()
    second.symbols[second.symbols == "Mg"] = "Ca"
    mixed.symbols[0] = "Ca"
    system = {"system": "magnesia"}
    found = load(
        tmp_path,
        part("end_member", -48.0, first, **system),
        part("ordering", -49.0, mixed, **system),
        part("end_member", -56.0, second, **system),
    )
    one, other, ordering = each_as_a(SolidSolutionCase, found.of_task("solid-solutions"))
    assert (one.fraction, other.fraction, ordering.fraction) == (1.0, 0.0, pytest.approx(0.75))
    assert (one.mixing_energy, other.mixing_energy) == (0.0, 0.0)
    assert ordering.mixing_energy == pytest.approx((-49 + 0.75 * 48 + 0.25 * 56) / 8)
    assert ordering.forces is None


def test_a_curve_of_one_cell_at_several_volumes(tmp_path: Path) -> None:
    cells = []
    for scale in np.linspace(0.97, 1.03, 7):
        atoms = oxide()
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
        cells.append(part("eos", -48.0 + 80 * (scale**3 - 1) ** 2, atoms))
    (case,) = each_as_a(EosCase, load(tmp_path, *cells).of_task("eos"))
    assert case.volume == pytest.approx(4.25**3, rel=1e-3)
    assert case.energies is not None
    cells[2].positions[0] += 0.2
    with pytest.raises(DataError, match="not one cell at several volumes"):
        load(tmp_path, *cells)


def volumes(
    *, forces: bool, scales: Sequence[float] = tuple(np.linspace(0.97, 1.03, 7))
) -> list[Atoms]:
    """One cell at several volumes, without a role."""
    made = []
    for scale in scales:
        atoms = oxide()
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
        atoms.info = {"REF_energy": -48.0 + 80 * (scale**3 - 1) ** 2}
        if forces:
            atoms.arrays["REF_forces"] = np.zeros((len(atoms), 3))
        made.append(atoms)
    return made


@pytest.mark.parametrize("forces", [False, True])
def test_a_curve_that_nobody_called_one(tmp_path: Path, forces: bool) -> None:
    found = load(tmp_path, *volumes(forces=forces))
    (case,) = each_as_a(EosCase, found.of_task("eos"))
    assert (case.system, found.tasks) == ("MgO", ("eos",))
    assert case.volume == pytest.approx(4.25**3, rel=1e-3)
    (said,) = [each.text for each in found.understood if not each.expected]
    assert said.startswith("MgO: 7 structures of one cell at as many volumes are taken for")


def test_states_of_a_curve_stay_states_where_forces_do_not_vanish(tmp_path: Path) -> None:
    cells = volumes(forces=True)
    for atoms in cells:
        atoms.arrays["REF_forces"][0, 0], atoms.arrays["REF_forces"][1, 0] = 0.2, -0.2
    assert load(tmp_path, *cells).tasks == ("high-energy", "eos")


def test_what_is_not_clearly_a_curve_is_none(tmp_path: Path) -> None:
    named = volumes(forces=True)
    named[0].info["role"] = "state"
    moved = volumes(forces=True)
    moved[3].positions[0] += 0.1
    few = volumes(forces=True, scales=(0.98, 1.0, 1.02))
    rising = volumes(forces=True, scales=np.linspace(1.02, 1.1, 6).tolist())
    for cells in (named, moved, few, rising, [*volumes(forces=True), oxide_again()]):
        assert load(tmp_path, *cells).tasks == ("high-energy",)
    with pytest.raises(DataError, match="REF_forces is missing"):
        load(tmp_path, *volumes(forces=False, scales=(0.98, 1.0, 1.02)))


def oxide_again() -> Atoms:
    """At a volume that another structure has too."""
    return volumes(forces=True, scales=(1.0,))[0]


def test_chemical_potentials_of_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "my.manifest.yaml"
    manifest.write_text("level_of_theory: {functional: PBE}\nmu: {Mg: -1.5, O: -4.9}\n")
    given = [
        part("host", -380.0, oxide().repeat(2)),
        part("defect", -370.0, defective(1), defect="V_O"),
        part("defect", -371.0, defective(0), defect="V_Mg", mu="Mg=-2.0"),
        part("element", -1.0 * 2, bulk("Mg")),
    ]
    oxygen, magnesium = each_as_a(DefectCase, load(tmp_path, *given).of_task("defects"))
    assert oxygen.chemical_potentials == {"O": -4.9}
    assert magnesium.chemical_potentials == {"Mg": -2.0}
    assert main(["data", "import", str(tmp_path / "my.xyz"), "--out", str(tmp_path / "a.xyz")]) == 0
    again = datasets.load(str(tmp_path / "a.xyz"))
    assert again.manifest.mu == {"Mg": -1.5, "O": -4.9}
    manifest.write_text("level_of_theory: {functional: PBE}\nmu: {Xy: -1.5}\n")
    with pytest.raises(DataError, match="mu has Xy"):
        load(tmp_path, *given)


def test_entries_of_pymatgen_with_roles(tmp_path: Path) -> None:
    """Energies are enough."""
    given = {
        "bulk": (oxide(), -48.0, {}),
        "slab": (slab(), -90.0, {"miller": "1 0 0"}),
    }
    entries = [
        ComputedStructureEntry(
            AseAtomsAdaptor.get_structure(atoms),
            energy,
            data={"role": role, "system": "MgO", **more},
        )
        for role, (atoms, energy, more) in given.items()
    ]
    dumpfn(entries, tmp_path / "entries.json")
    found = datasets.load(str(tmp_path / "entries.json"))
    case = as_a(SurfaceCase, *found.of_task("surfaces"))
    assert case.surface_energy == pytest.approx(6.0 / (2 * 4.25**2))


def test_roles_are_imported_and_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.xyz"
    load(tmp_path, part("slab", -90.0, slab(), miller="1 0 0"), part("bulk", -48.0, oxide()))
    assert main(["data", "import", str(tmp_path / "my.xyz"), "--out", str(out)]) == 0
    assert "cases: 1 of surfaces" in capsys.readouterr().out
    case = as_a(SurfaceCase, *datasets.load(str(out)).of_task("surfaces"))
    assert case.surface_energy == pytest.approx(6.0 / (2 * 4.25**2))
    assert main(["data", "check", str(out)]) == 0


@pytest.mark.parametrize(
    ("structures", "words"),
    [
        ([part("slab", -90.0, slab(), miller="100")], "no structure with role=bulk"),
        ([part("bulk", -48.0, oxide())], "bulk alone is no case"),
        ([part("slap", -90.0, slab())], "role is slap; allowed: state, bulk, slab"),
        ([part("slab", -90.0, slab()), part("bulk", -48.0, oxide())], "a slab has no miller"),
        (
            [part("slab", -90.0, slab(), miller="11"), part("bulk", -48.0, oxide())],
            "three or four integers",
        ),
        (
            [
                part("slab", -90.0, slab(), miller="100", prepared="somehow"),
                part("bulk", -48.0, oxide()),
            ],
            "prepared is somehow; allowed: as_built, relaxed",
        ),
        (
            [part("host", -380.0, oxide()), part("defect", -1.0, oxide(), defect="hole")],
            "V_O for a vacancy",
        ),
        ([part("end_member", -48.0, oxide())], "1 of role=end_member, needed are two"),
        ([part("slab", float("nan"), slab(), miller="100")], "not finite"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, structures: Sequence[Atoms], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        load(tmp_path, *structures)
