import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import FIRE

import umlip_bench
from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import DeviceError, UnknownModelError, WeightsError
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import Origin, WeightsStore

CHGNET = "chgnet-0.3.0"
LJ = "ase:ase.calculators.lj:LennardJones"


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Cells this small are slower on more, above all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightsStore:
    """A store without weights, and a current folder without files."""
    monkeypatch.delenv("UMLIP_BENCH_MODELS", raising=False)
    monkeypatch.setenv("UMLIP_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return WeightsStore()


# ---- what a name stands for


def test_a_catalogue_name(store: WeightsStore) -> None:
    weights = locate(CHGNET, store)
    assert weights.card.name == CHGNET
    assert weights.origin is Origin.PACKAGE
    assert locate("CHGNet-0.3.0", store) == weights


def saved(path: Path, content: str = "weights") -> Path:
    """A file as torch.save writes it."""
    torch.save({"content": content}, path)
    return path


@pytest.mark.parametrize(
    ("name", "family", "label"),
    [
        ("mine.model", "mace", "mine"),
        ("mine.pth.tar", "chgnet", "mine"),
        ("v1.2.model", "mace", "v1.2"),
        ("mace:weights.bin", "mace", "weights.bin"),
        ("chgnet:weights.bin", "chgnet", "weights.bin"),
        ("chgnet:mine.model", "chgnet", "mine"),
    ],
)
def test_a_file(store: WeightsStore, tmp_path: Path, name: str, family: str, label: str) -> None:
    path = saved(tmp_path / name.split(":")[-1])
    name = name.replace(path.name, str(path))
    weights = locate(name, store)
    assert (weights.card.family, weights.card.name) == (family, label)
    assert weights.origin is Origin.GIVEN
    assert weights.paths == (path,)
    assert weights.card.level_of_theory.functional == "unknown"

    saved(path, "other")
    assert locate(name, store).sha256 != weights.sha256


@pytest.mark.seconds
def test_a_matgl_folder_must_say_its_age(store: WeightsStore, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    for name in ("model.pt", "state.pt"):
        saved(folder / name, name)
    for family in ("matgl", "matgl2"):
        weights = locate(f"{family}:{folder}", store)
        assert weights.card.family == family
        assert {path.name for path in weights.paths} == {"model.json", "model.pt", "state.pt"}
    with pytest.raises(WeightsError, match=f"Write matgl:{folder} if .* matgl2:{folder} if before"):
        locate(str(folder), store)


def test_a_file_in_the_current_folder(store: WeightsStore, tmp_path: Path) -> None:
    saved(tmp_path / "here" / "x.model")
    assert locate("x.model", store).card.family == "mace"


def test_a_copy_of_a_listed_model_is_that_model(store: WeightsStore, tmp_path: Path) -> None:
    original = locate(CHGNET, store)
    copy = tmp_path / "renamed.model"
    copy.write_bytes(original.paths[0].read_bytes())
    weights = locate(str(copy), store)
    assert (weights.card, weights.sha256) == (original.card, original.sha256)
    assert weights.paths == (copy,)


def test_an_ase_calculator(store: WeightsStore) -> None:
    weights = locate(LJ, store)
    assert (weights.card.name, weights.card.family) == (LJ, "ase")
    assert weights.sha256 != locate("ase:ase.calculators.emt:EMT", store).sha256


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("chgnet-0.3", "chgnet-0.3.0"),
        ("CHGNet", "chgnet-0.3.0"),
        ("mace-mp0-medium", "mace-mp-0-medium"),
        ("m3gnet", "m3gnet-mp-2021.2.8"),
    ],
)
def test_an_unknown_name_gets_the_nearest(store: WeightsStore, name: str, nearest: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        locate(name, store)
    assert name in str(caught.value)
    assert nearest in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere/x.model", "x.model", "x.pth.tar", "/absent/folder"])
def test_a_path_that_is_not_there(store: WeightsStore, name: str) -> None:
    with pytest.raises(UnknownModelError, match="nor an existing file or folder") as caught:
        locate(name, store)
    assert repr(name) in str(caught.value)
    with pytest.raises(WeightsError, match="does not exist"):
        locate(f"mace:{name}", store)


def test_a_file_of_no_known_family_says_how_to_name_it(store: WeightsStore, tmp_path: Path) -> None:
    for path in (tmp_path / "weights.bin", tmp_path / "folder"):
        path.mkdir() if path.name == "folder" else path.write_bytes(b"weights")
        with pytest.raises(WeightsError, match="cannot tell which family") as caught:
            locate(str(path), store)
        known = "chgnet, corrected, mace, matgl, matgl2"
        assert f"FAMILY:{path} with one of {known}" in str(caught.value)


def test_a_folder_without_files(store: WeightsStore, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        umlip_bench.load(f"chgnet:{tmp_path / 'here'}", device="cpu")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ase:ase.calculators.lj", "ase:module.path:ClassName"),
        ("ase:", "ase:module.path:ClassName"),
        ("ase::LennardJones", "ase:module.path:ClassName"),
        ("ase:no_such_module:Class", "No module named 'no_such_module'"),
        ("ase:ase.calculators.lj:LennardJonez", "LennardJonez"),
        ("ase:fractions:Fraction", "not an ASE calculator"),
        ("ase:math:pi", "not callable"),
        ("ase:ase.calculators.fd:FiniteDifferenceCalculator", "calc"),
    ],
)
def test_what_is_no_ase_calculator(name: str, reason: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        umlip_bench.load(name, device="cpu")
    assert repr(name) in str(caught.value)
    assert reason in str(caught.value)


def test_devices_and_number_formats_that_do_not_exist() -> None:
    for device, dtype in (("tpu", "float32"), ("cuda:x", "float32"), ("cpu", "float16")):
        with pytest.raises(DeviceError, match="allowed are"):
            umlip_bench.load(CHGNET, device=device, dtype=dtype)


def test_the_package_imports_at_once() -> None:
    code = "import sys, umlip_bench; print({'torch', 'numpy', 'ase'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_public_names_resolve() -> None:
    for name in umlip_bench.__all__:
        assert getattr(umlip_bench, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = umlip_bench.nonsense


# ---- a family of a third party

THIRD_PARTY = """
from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters.foreign import ForeignPotential

def load(weights, *, device, dtype):
    from ase.calculators.lj import LennardJones
    try:
        epsilon = float(weights.paths[0].read_text())
    except ValueError as error:
        raise WeightsError(f"{weights.paths[0]} holds no number") from error
    return ForeignPotential(weights, LennardJones(epsilon=epsilon))
"""


def test_a_family_of_another_package(
    store: WeightsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    info = site / "myfamily-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: myfamily\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[umlip_bench.potentials]\nmyfamily = myfamily_module:load\n"
    )
    (site / "myfamily_module.py").write_text(THIRD_PARTY)
    monkeypatch.syspath_prepend(site)
    file = tmp_path / "two.txt"
    file.write_text("2.0")

    model = umlip_bench.potential(f"myfamily:{file}", device="cpu")
    assert model.card.family == "myfamily"
    atoms = bulk("Ar", "fcc", a=1.7)
    (ours,) = predict(model, atoms)
    (unit,) = predict(umlip_bench.potential(LJ, device="cpu"), atoms)
    assert ours.energy == pytest.approx(2 * unit.energy)

    file.write_text("no number")
    with pytest.raises(WeightsError, match="holds no number"):
        umlip_bench.load(f"myfamily:{file}", device="cpu")
    with pytest.raises(WeightsError, match="matgl2, myfamily"):
        locate(str(file), store)


# ---- the calculator


@pytest.fixture(scope="module")
def chgnet() -> PotentialCalculator:
    return umlip_bench.load(CHGNET, device="cpu")


@pytest.fixture(scope="module")
def double() -> PotentialCalculator:
    return umlip_bench.load(CHGNET, device="cpu", dtype="float64")


def salt(seed: int = 0) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_what_the_calculator_gives(chgnet: PotentialCalculator) -> None:
    atoms = salt()
    atoms.calc = chgnet
    n = len(atoms)
    assert isinstance(atoms.get_potential_energy(), float)
    # eV per cell; PBE with the Materials Project's correction for Cl is about -3.7 eV/atom.
    assert atoms.get_potential_energy() / n == pytest.approx(-3.7, abs=0.2)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    assert atoms.get_forces().shape == (n, 3)
    assert atoms.get_stress().shape == (6,)
    assert atoms.get_stress(voigt=False).shape == (3, 3)
    assert atoms.get_magnetic_moments().shape == (n,)


def test_magnetic_moments_of_iron(chgnet: PotentialCalculator) -> None:
    atoms = bulk("Fe", "bcc", a=2.83)
    atoms.calc = chgnet
    assert atoms.get_magnetic_moments()[0] == pytest.approx(2.2, abs=0.4)


@pytest.mark.model
def test_forces_and_stress_are_derivatives_in_ase_s_units(double: PotentialCalculator) -> None:
    atoms = salt()
    atoms.calc = double
    forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
    h = 1e-4

    def energy(positions: np.ndarray, cell: np.ndarray) -> float:
        return double.get_potential_energy(Atoms(atoms.symbols, positions, cell=cell, pbc=True))

    for axis in range(3):
        step = np.zeros((2, 3))
        step[1, axis] = h
        high, low = (energy(atoms.positions + s * step, atoms.cell) for s in (1, -1))
        assert -(high - low) / (2 * h) == pytest.approx(forces[1, axis], abs=1e-5)
    for i, j in ((0, 0), (1, 2)):
        strain = np.zeros((3, 3))
        strain[i, j] += h / 2
        strain[j, i] += h / 2
        high, low = (
            energy(
                atoms.positions @ (np.eye(3) + s * strain), atoms.cell @ (np.eye(3) + s * strain)
            )
            for s in (1, -1)
        )
        derivative = (high - low) / (2 * h) / atoms.get_volume()
        assert derivative == pytest.approx(stress[i, j], abs=1e-6)


def test_results_follow_the_structure(chgnet: PotentialCalculator) -> None:
    atoms = salt()
    atoms.calc = chgnet
    before = atoms.get_potential_energy()
    atoms.positions[0] += 0.1
    moved = atoms.get_potential_energy()
    atoms.positions[0] -= 0.1
    assert moved != before
    assert atoms.get_potential_energy() == pytest.approx(before, abs=1e-6)
    forces = atoms.get_forces()
    forces += 1.0
    assert np.abs(atoms.get_forces() - forces).min() > 0.9


def test_what_a_model_does_not_have() -> None:
    atoms = bulk("Ar", "fcc", a=1.7)
    atoms.calc = umlip_bench.load(LJ, device="cpu")
    with pytest.raises(PropertyNotImplementedError, match="magmoms"):
        atoms.get_magnetic_moments()
    expected = atoms.copy()
    expected.calc = LennardJones()
    np.testing.assert_allclose(atoms.get_stress(), expected.get_stress())


# ---- what ASE and phonopy do with it


def test_relaxation(chgnet: PotentialCalculator) -> None:
    atoms = salt()
    atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
    atoms.calc = chgnet
    start = atoms.get_potential_energy()
    with FIRE(FrechetCellFilter(atoms), logfile=None) as optimizer:
        assert optimizer.run(fmax=0.02, steps=200)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.02
    assert np.abs(atoms.get_stress()).max() < 0.02
    assert atoms.get_potential_energy() < start - 0.05
    # The lattice constant of PBE is 5.70 Å.
    assert (4 * atoms.get_volume()) ** (1 / 3) == pytest.approx(5.70, abs=0.1)


def test_molecular_dynamics(chgnet: PotentialCalculator) -> None:
    atoms = salt()
    atoms.calc = chgnet
    with Langevin(
        atoms,
        1.0 * units.fs,
        temperature_K=300,
        friction=0.01 / units.fs,
        fixcm=False,
        rng=np.random.default_rng(0),
    ) as dynamics:
        dynamics.run(10)
    assert np.isfinite(atoms.get_forces()).all()
    assert atoms.get_temperature() > 0
    # Without a thermostat the energy is kept.
    with VelocityVerlet(atoms, 1.0 * units.fs) as dynamics:
        before = atoms.get_total_energy()
        dynamics.run(30)
    assert atoms.get_total_energy() == pytest.approx(before, abs=2e-3)


def test_nudged_elastic_band(chgnet: PotentialCalculator) -> None:
    cell = bulk("Al", cubic=True)
    first = cell[[1, 2, 3]]  # a vacancy at the origin
    last = first.copy()
    last.positions[0] = cell.positions[0]
    images = [first, *(first.copy() for _ in range(3)), last]
    for image in images:
        image.calc = chgnet
    band = NEB(images, allow_shared_calculator=True, method="improvedtangent")
    band.interpolate(mic=True)
    start = max(image.get_potential_energy() for image in images)
    with FIRE(band, logfile=None) as optimizer:
        optimizer.run(fmax=0.1, steps=10)
    energies = [image.get_potential_energy() for image in images]
    barrier = max(energies) - energies[0]
    assert 0.1 < barrier < 5.0
    assert max(energies) <= start + 1e-6
    # Both ends are the same crystal, and the path is symmetric.
    assert energies[0] == pytest.approx(energies[-1], abs=1e-4)
    assert energies[1] == pytest.approx(energies[3], abs=1e-2)


def test_phonons_by_finite_displacements(chgnet: PotentialCalculator) -> None:
    phonopy = pytest.importorskip("phonopy")
    from phonopy.structure.atoms import PhonopyAtoms

    silicon = bulk("Si", "diamond", a=5.47)
    phonons = phonopy.Phonopy(
        PhonopyAtoms(
            symbols=silicon.get_chemical_symbols(),
            cell=silicon.cell.array,
            scaled_positions=silicon.get_scaled_positions(),
        ),
        supercell_matrix=2 * np.eye(3, dtype=int),
    )
    phonons.generate_displacements(distance=0.03)
    forces = []
    for cell in phonons.supercells_with_displacements:
        atoms = Atoms(cell.symbols, cell.positions, cell=cell.cell, pbc=True)
        atoms.calc = chgnet
        forces.append(atoms.get_forces())
    phonons.forces = forces
    phonons.produce_force_constants()
    phonons.run_qpoints([[0, 0, 0]])
    acoustic, optical = np.split(np.sort(phonons.get_qpoints_dict()["frequencies"][0]), 2)
    np.testing.assert_allclose(acoustic, 0, atol=0.05)
    # 15.2 THz in PBE; threefold.
    assert np.ptp(optical) < 0.05
    assert 10 < optical[0] < 18
