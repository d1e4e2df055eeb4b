"""Choosing frames to label, and the inputs written for them."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import Ry
from pymatgen.core import Structure
from pymatgen.io.vasp import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet

from tests.conftest import LoadModel
from umlip_bench import finetune
from umlip_bench.cli.finetune import main
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.labelling import espresso, gpaw_script, vasp
from umlip_bench.finetune.labelling.descriptors import Space, describe_states
from umlip_bench.finetune.labelling.geometry import Match, Mismatch, compare
from umlip_bench.finetune.labelling.sampling import Sampling, repeated, sample
from umlip_bench.finetune.labelling.selection import farthest_points
from umlip_bench.finetune.labelling.settings import (
    EspressoSettings,
    GpawSettings,
    Spin,
    VaspSet,
    VaspSettings,
    check_spin,
    mesh,
)
from umlip_bench.finetune.labelling.suggestion import Suggestion
from umlip_bench.ground.errors import LabelError

CHGNET = "chgnet-0.3.0"
EMT = "ase:ase.calculators.emt:EMT"
SHORT = Sampling(
    equilibration=60.0, interval=40.0, runs=2, states_per_run=5, enough_atoms=8, seed=1
)


@pytest.fixture(scope="module")
def emt_suggestion(load_model: LoadModel) -> Suggestion:
    return finetune.suggest(load_model(EMT), bulk("Cu", cubic=True), n=5, sampling=SHORT)


# --- choice ---------------------------------------------------------------------------------------


def least_distance(rows: np.ndarray) -> float:
    apart = np.linalg.norm(rows[:, None] - rows, axis=2)
    return apart[~np.eye(len(rows), dtype=bool)].min()


@pytest.mark.parametrize("seed", range(5))
def test_chosen_points_are_farther_apart_than_random_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((60, 4))
    known = np.zeros((1, 4))
    picks = farthest_points(features, 6, known=known)
    chosen = [pick.index for pick in picks]
    assert len(set(chosen)) == 6
    ours = least_distance(np.vstack([known, features[chosen]]))
    # The distance at the last pick is the least of all: nothing chosen is nearer to another.
    assert ours == pytest.approx(picks[-1].distance)
    for _ in range(200):
        others = features[rng.choice(60, 6, replace=False)]
        assert least_distance(np.vstack([known, others])) <= ours + 1e-12
    # Gonzalez' bound: every row is within that distance of a chosen or known one.
    centres = np.vstack([known, features[chosen]])
    assert np.linalg.norm(features[:, None] - centres, axis=2).min(axis=1).max() <= ours + 1e-12


def test_weights_and_quotas_decide_where_distance_does_not() -> None:
    features = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    known = np.zeros((1, 1))
    heavy = farthest_points(features, 1, known=known, weights=np.array([1.0, 1.0, 3.0, 2.0]))
    assert [pick.index for pick in heavy] == [2]
    groups = ["a", "a", "b", "b"]
    limited = farthest_points(features, 4, known=known, groups=groups, most={"a": 1, "b": 0})
    assert [pick.index for pick in limited] == [0]
    with pytest.raises(ValueError, match="5 rows to choose of 4"):
        farthest_points(features, 5, known=known)


# --- sampling -------------------------------------------------------------------------------------


def test_cells_are_repeated_until_large_in_one_sense() -> None:
    silicon = bulk("Si", cubic=True)
    assert len(repeated(silicon, 32, 8.0)) == 32
    assert len(repeated(silicon, 1000, 8.0)) == 64  # 10.9 Å in all directions
    assert len(repeated(silicon, 8, 8.0)) == 8
    assert len(repeated(silicon, 1000, 0.0)) == 8


def test_frames_are_those_of_the_trajectories(
    emt_suggestion: Suggestion, load_model: LoadModel
) -> None:
    samples = sample(load_model(EMT), bulk("Cu", cubic=True), SHORT)
    states = {(state.run, state.time): state for state in samples.states}
    assert len(states) == 10
    assert [state.time for state in samples.states[:5]] == [60, 100, 140, 180, 220]
    for frame in emt_suggestion.frames:
        original = states[frame.state.run, frame.state.time]
        np.testing.assert_array_equal(frame.state.atoms.positions, original.atoms.positions)
        assert frame.state.strain == original.strain
        length = samples.start.cell.lengths()[0] * (1 + frame.state.strain)
        assert frame.state.atoms.cell.lengths()[0] == pytest.approx(length)
    strains = [state.strain for state in samples.states]
    assert (strains.count(0.0), strains.count(0.03), strains.count(-0.03)) == (6, 2, 2)


def test_states_have_forces_and_equilibrium_has_none(
    emt_suggestion: Suggestion, load_model: LoadModel
) -> None:
    model = load_model(EMT)
    at_rest = np.linalg.norm(predict(model, [emt_suggestion.start])[0].forces, axis=1).max()
    assert at_rest < 0.02
    for frame in emt_suggestion.frames:
        forces = predict(model, [frame.state.atoms])[0].forces
        np.testing.assert_allclose(frame.state.forces, forces, atol=1e-10)
        assert frame.why.max_force == pytest.approx(np.linalg.norm(forces, axis=1).max())
        assert frame.why.max_force > 20 * at_rest
        assert frame.why.energy > 0


def test_choice_is_the_same_for_the_same_seed(
    emt_suggestion: Suggestion, load_model: LoadModel
) -> None:
    again = finetune.suggest(load_model(EMT), bulk("Cu", cubic=True), n=5, sampling=SHORT)
    for a, b in zip(emt_suggestion.frames, again.frames, strict=True):
        assert a.why == b.why
        np.testing.assert_array_equal(a.state.atoms.positions, b.state.atoms.positions)
    other = Sampling(**{**vars(SHORT), "seed": 2})
    different = finetune.suggest(load_model(EMT), bulk("Cu", cubic=True), n=1, sampling=other)
    assert different.frames[0].why != emt_suggestion.frames[0].why


def test_two_of_five_frames_are_strained_and_none_of_one(
    emt_suggestion: Suggestion, load_model: LoadModel
) -> None:
    strained = [frame.state.strain for frame in emt_suggestion.frames if frame.state.strain]
    assert len(strained) <= 2
    assert len(set(strained)) == len(strained)
    one = finetune.suggest(load_model(EMT), bulk("Cu", cubic=True), n=1, sampling=SHORT)
    assert one.frames[0].state.strain == 0


def test_without_features_distances_are_radial_and_say_so(emt_suggestion: Suggestion) -> None:
    assert emt_suggestion.space is Space.RADIAL


def test_radial_vectors_do_not_depend_on_the_order_of_atoms(load_model: LoadModel) -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1)
    atoms.rattle(0.1, seed=0)
    shuffled = atoms[[3, 1, 2, 0]]
    a, b = describe_states(load_model(EMT), [atoms, shuffled]).values
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_models_own_features_and_disagreement(load_model: LoadModel) -> None:
    model, other = load_model(CHGNET), load_model("m3gnet-mp-2021.2.8")
    sampling = Sampling(equilibration=20.0, interval=20.0, runs=1, states_per_run=3, enough_atoms=2)
    found = finetune.suggest(model, bulk("Si"), n=2, others=[other], sampling=sampling)
    assert found.space is Space.MODEL
    assert found.models == (CHGNET, "m3gnet-mp-2021.2.8")
    for frame in found.frames:
        forces = [predict(m, [frame.state.atoms])[0].forces for m in (model, other)]
        spread = np.std(forces, axis=0, ddof=1)
        expected = np.sqrt((spread**2).sum(axis=1).mean())
        assert frame.why.disagreement == pytest.approx(expected, rel=1e-3)


def test_asking_for_too_much_is_refused(load_model: LoadModel) -> None:
    with pytest.raises(LabelError, match="11 frames cannot be chosen of 10 states"):
        finetune.suggest(load_model(EMT), bulk("Cu"), n=11, sampling=SHORT)
    with pytest.raises(
        LabelError,
        match=r"strains is 0.5; it must be a finite number of at least -0.2 and of at most 0.2",
    ):
        Sampling(strains=(0.5,))


# --- comparing geometries -------------------------------------------------------------------------


def test_geometry_is_recognised_in_any_order_and_image() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64) * (2, 2, 1)
    atoms.rattle(0.1, seed=4)
    order = np.random.default_rng(0).permutation(len(atoms))
    other = atoms[order]
    other.positions += atoms.cell.array[0] - 2 * atoms.cell.array[2]
    found = compare(atoms, other)
    assert isinstance(found, Match)
    np.testing.assert_array_equal(order[found.order], np.arange(len(atoms)))

    moved = atoms.copy()
    moved.positions[3, 0] += 0.01
    assert "atom 3 (Cl) is 0.0100 Å away" in mismatch(atoms, moved)
    larger = atoms.copy()
    larger.set_cell(1.001 * atoms.cell.array, scale_atoms=True)
    assert "cell differs" in mismatch(atoms, larger)
    assert "composition" in mismatch(atoms, atoms[:-1])


def mismatch(atoms: Atoms, other: Atoms) -> str:
    found = compare(atoms, other)
    assert isinstance(found, Mismatch)
    return found.reason


# --- inputs ---------------------------------------------------------------------------------------


def frame_of(atoms: Atoms) -> Atoms:
    atoms.rattle(0.1, seed=0)
    atoms.info = {"system": "it", "frame": 0}
    return atoms


@pytest.fixture
def oxide() -> Atoms:
    return frame_of(bulk("MgO", "rocksalt", a=4.21, cubic=True))


@pytest.mark.parametrize(
    ("settings", "published"),
    [(VaspSettings(), MPStaticSet), (VaspSettings(VaspSet.RELAX), MPRelaxSet)],
)
def test_vasp_inputs_hold_the_materials_projects_settings(
    tmp_path: Path, oxide: Atoms, settings: VaspSettings, published: type
) -> None:
    vasp.write_inputs(tmp_path, oxide, settings)
    structure = Poscar.from_file(tmp_path / "POSCAR", check_for_potcar=False).structure
    incar, expected = Incar.from_file(tmp_path / "INCAR"), published(structure).incar
    assert (incar["NSW"], incar["ISIF"]) == (0, 2)
    ours = {"NSW", "IBRION", "ISIF", "LWAVE", "LCHARG"}
    assert {k: v for k, v in incar.items() if k not in ours} == {
        k: v for k, v in expected.items() if k not in ours
    }
    assert incar["ENCUT"] == 520
    assert Kpoints.from_file(tmp_path / "KPOINTS").kpts == published(structure).kpoints.kpts
    assert (tmp_path / "POTCAR.spec").read_text().split() == ["Mg_pv", "O"]
    assert not (tmp_path / "POTCAR").exists()
    assert isinstance(compare(oxide, structure.to_ase_atoms()), Match)


def test_vasp_inputs_of_metals_and_of_oxides_with_u(tmp_path: Path) -> None:
    vasp.write_inputs(tmp_path, frame_of(bulk("Al", cubic=True)), VaspSettings())
    incar = Incar.from_file(tmp_path / "INCAR")
    assert (incar["ISMEAR"], incar["SIGMA"]) == (1, 0.2)
    assert "MPMetalRelaxSet" in (tmp_path / "NOTE.txt").read_text()
    vasp.write_inputs(
        tmp_path, frame_of(bulk("FeO", "rocksalt", a=4.3, cubic=True)), VaspSettings()
    )
    incar = Incar.from_file(tmp_path / "INCAR")
    assert (incar["LDAU"], incar["LDAUU"]) == (True, [5.3, 0])
    assert incar["MAGMOM"] == [5.0] * 4 + [0.6] * 4


def test_espresso_input_parses_back(tmp_path: Path, oxide: Atoms) -> None:
    (tmp_path / "pseudo").mkdir()
    for name in ("Mg.pbe-spn-kjpaw_psl.1.0.0.UPF", "O_pbe_v1.2.uspp.upf", "Os.UPF", "README"):
        (tmp_path / "pseudo" / name).touch()
    settings = EspressoSettings(ecutwfc=45, pseudo_dir=str(tmp_path / "pseudo"))
    espresso.write_inputs(tmp_path, oxide, settings)
    read = ase.io.read(tmp_path / "pw.in", format="espresso-in")
    np.testing.assert_allclose(read.positions, oxide.positions, atol=1e-8)
    np.testing.assert_allclose(read.cell.array, oxide.cell.array, atol=1e-8)
    from ase.io.espresso import read_fortran_namelist

    with (tmp_path / "pw.in").open() as stream:
        content, cards = read_fortran_namelist(stream)
    assert content["control"]["tprnfor"]
    assert content["control"]["tstress"]
    system = content["system"]
    assert (system["ecutwfc"], system["ecutrho"], system["smearing"]) == (45, 480, "fermi-dirac")
    assert system["degauss"] * Ry == pytest.approx(0.05)
    text = "\n".join(cards)
    assert "Mg.pbe-spn-kjpaw_psl.1.0.0.UPF" in text
    assert "O_pbe_v1.2.uspp.upf" in text
    assert " ".join(map(str, mesh(oxide, 2.0))) in text


def test_espresso_pseudopotentials_are_placeholders_or_real_never_guessed(
    tmp_path: Path, oxide: Atoms
) -> None:
    espresso.write_inputs(tmp_path, oxide, EspressoSettings())
    assert "PLACEHOLDER-Mg.UPF" in (tmp_path / "pw.in").read_text()
    assert "replace PLACEHOLDER" in (tmp_path / "NOTE.txt").read_text()
    for name in ("Mg.a.UPF", "Mg.b.UPF", "O.UPF"):
        (tmp_path / name).touch()
    with pytest.raises(LabelError, match=r"several for Mg: Mg.a.UPF, Mg.b.UPF .*--pseudo Mg=FILE"):
        espresso.write_inputs(tmp_path, oxide, EspressoSettings(pseudo_dir=str(tmp_path)))
    given = EspressoSettings(pseudo_dir=str(tmp_path), pseudos=(("Mg", "Mg.b.UPF"),))
    assert espresso.pseudopotentials(["Mg", "O"], given) == {"Mg": "Mg.b.UPF", "O": "O.UPF"}
    with pytest.raises(LabelError, match="none for Na"):
        espresso.pseudopotentials(["Na"], given)


def test_gpaw_script_is_python_with_the_settings(tmp_path: Path, oxide: Atoms) -> None:
    gpaw_script.write_inputs(tmp_path, oxide, GpawSettings(cutoff=700, smearing=0.1))
    text = (tmp_path / "run.py").read_text()
    compile(text, "run.py", "exec")
    assert "PW(700)" in text
    assert '"density": 2.0' in text
    assert "FermiDirac(0.1)" in text
    read = ase.io.read(tmp_path / "frame.xyz")
    np.testing.assert_allclose(read.positions, oxide.positions, atol=1e-8)


def test_magnetic_elements_need_a_decision(tmp_path: Path) -> None:
    iron = bulk("Fe")
    with pytest.raises(LabelError, match=r"Fe is often magnetic.*--spin ferromagnetic"):
        check_spin([iron], None)
    check_spin([iron], Spin.NONE)
    spin = GpawSettings(spin=Spin.FERROMAGNETIC)
    gpaw_script.write_inputs(tmp_path, iron, spin)  # ASE's iron comes with its moment
    assert "set_initial_magnetic_moments([2.3])" in (tmp_path / "run.py").read_text()
    gpaw_script.write_inputs(tmp_path, Atoms("Fe", cell=iron.cell, pbc=True), spin)
    assert "set_initial_magnetic_moments([5.0])" in (tmp_path / "run.py").read_text()
    espresso.write_inputs(tmp_path, iron, EspressoSettings(spin=Spin.FERROMAGNETIC))
    text = (tmp_path / "pw.in").read_text()
    assert "nspin" in text
    assert "starting_magnetization(1)" in text


# --- command line ---------------------------------------------------------------------------------


def test_command_writes_frames_and_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    bulk("Cu", cubic=True).write("cu.cif")
    command = (
        "suggest --structure cu.cif -n 2 --enough-atoms 4 --runs 1 --states-per-run 4 --equilibration 20"
        f" --interval 20 --strain 0 --device cpu --model {EMT} --out suggested"
    ).split()
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "Cu4: 2 of 4 states" in printed.out
    assert "│ 100, " in printed.out
    assert "radial distributions" in " ".join(printed.out.split())
    frames = ase.io.read("suggested/frames.xyz", ":")
    assert [frame.info["frame"] for frame in frames] == [0, 1]
    record = json.loads(Path("suggested/suggestion.json").read_text())
    assert [f["time_fs"] for f in record["frames"]] == [f.info["time_fs"] for f in frames]
    for name in ("vasp/frame-1/INCAR", "qe/frame-1/pw.in", "gpaw/frame-1/run.py"):
        assert (Path("suggested") / name).is_file()
    poscar = Structure.from_file("suggested/vasp/frame-1/POSCAR").to_ase_atoms()
    assert isinstance(compare(frames[1], poscar), Match)
    assert main(command) == 2
    assert "suggested exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("not a structure", "cannot be read"), (None, "no such file")],
)
def test_command_refuses_what_is_no_structure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, complaint: str
) -> None:
    path = tmp_path / "x.cif"
    if content is not None:
        path.write_text(content)
    command = ["suggest", "--structure", path, "--model", EMT, "--out", tmp_path / "out"]
    assert main([str(word) for word in command]) == 2
    assert complaint in capsys.readouterr().err
