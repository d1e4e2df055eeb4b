"""DFT output in the words of each code: what is a label, what is refused, at which level."""

import gzip
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from tests.support.narrowing import some
from umlip_bench import datasets, finetune
from umlip_bench.datasets import extxyz
from umlip_bench.datasets.readers import RefusedResult, Result, read_labels
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory, level_warning

INPUTS = Path(__file__).parents[3] / "shared" / "inputs"


def copper(seed: int = 0, a: float = 3.6) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=a)
    atoms.rattle(0.05, seed=seed)
    atoms.calc = EMT()
    return atoms


def vectors(rows: np.ndarray) -> str:
    return "".join("<v>" + " ".join(f"{x:.10f}" for x in row) + "</v>" for row in rows)


def structure(atoms: Atoms, name: str = "") -> str:
    return (
        f'<structure{name}><crystal><varray name="basis">{vectors(atoms.cell.array)}</varray></crystal>'
        f'<varray name="positions">{vectors(atoms.get_scaled_positions(wrap=False))}</varray></structure>'
    )


def step(atoms: Atoms, n_electronic: int) -> str:
    energy = atoms.get_potential_energy()
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    energies = "<energy>" + "".join(f'<i name="{n}">{energy:.8f}</i>' for n in names) + "</energy>"
    stress = -atoms.get_stress(voigt=False) / GPa * 10
    return (
        "<calculation>"
        + f"<scstep>{energies}</scstep>" * n_electronic
        + structure(atoms)
        + f'<varray name="forces">{vectors(atoms.get_forces())}</varray>'
        + f'<varray name="stress">{vectors(stress)}</varray>{energies}</calculation>'
    )


def vasprun(
    path: Path,
    steps: tuple[int, ...] = (8,),
    incar: str = "",
    parameters: str = "",
    response: str = "",
    title: str = "PAW_PBE Cu 22Jun2005",
    between: str = "",
) -> Path:
    """A file as VASP writes it; `steps` are the numbers of electronic steps of each ionic one."""
    frames = [copper(k) for k in range(len(steps))]
    rows = "<rc><c>Cu</c><c>1</c></rc>" * 4
    types = f"<rc><c>4</c><c>Cu</c><c>63.5</c><c>11</c><c>{title}</c></rc>"
    text = (
        f"<modeling><incar>{incar}</incar><kpoints><varray name='kpointlist'><v>0 0 0</v></varray>"
        "<varray name='weights'><v>1.0</v></varray></kpoints>"
        f'<parameters><separator name="electronic"><separator name="electronic convergence">'
        f'<i type="int" name="NELM">60</i></separator></separator>{parameters}{response}</parameters>'
        f'<atominfo><array name="atoms"><set>{rows}</set></array>'
        f'<array name="atomtypes"><set>{types}</set></array></atominfo>'
        + structure(frames[0], ' name="initialpos"')
        + "".join(step(a, n) + between for a, n in zip(frames, steps, strict=True))
        + "</modeling>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def tag(name: str, value: int | str, kind: str = "string") -> str:
    return f'<i type="{kind}" name="{name}">{value}</i>'


def split(found: list[Result | RefusedResult]) -> tuple[list[Result], list[RefusedResult]]:
    return [r for r in found if isinstance(r, Result)], [
        r for r in found if isinstance(r, RefusedResult)
    ]


# ---- VASP: convergence


@pytest.mark.parametrize(
    ("steps", "bad"), [((8, 60, 8, 8), [1]), ((60,), [0]), ((60, 61, 59), [0, 1]), ((5, 5), [])]
)
def test_steps_that_hit_nelm_are_refused_by_every_reader(
    tmp_path: Path, steps: tuple[int, ...], bad: list[int]
) -> None:
    path = vasprun(tmp_path / "vasprun.xml", steps)
    good, refused = split(read_labels(path))
    assert len(good) == len(steps) - len(bad)
    assert len(refused) == len(bad)
    assert all("(NELM)" in r.reason for r in refused)
    if not good:
        with pytest.raises(DataError, match="NELM"):
            datasets.load(str(path))
        return
    dataset = datasets.load(str(path))
    assert [f.index for f in dataset.frames] == [k for k in range(len(steps)) if k not in bad]
    assert any("not self-consistent" in c for c in dataset.manifest.caveats) == bool(bad)
    done = finetune.collect([path], tmp_path / "o.xyz")
    assert (done.n_labels, len(done.refused)) == (len(good), len(bad))
    for frame in dataset.frames:
        expected = copper(frame.index)
        np.testing.assert_allclose(frame.forces, expected.get_forces(), atol=1e-8)
        np.testing.assert_allclose(some(frame.stress), expected.get_stress(voigt=False), atol=1e-9)
        assert frame.energy == pytest.approx(expected.get_potential_energy(), abs=1e-7)


@pytest.mark.parametrize("second", [1, 5, 200])
def test_the_nelm_of_response_functions_is_not_the_limit(tmp_path: Path, second: int) -> None:
    response = f'<separator name="response functions">{tag("NELM", second, "int")}</separator>'
    good, refused = split(
        read_labels(vasprun(tmp_path / "vasprun.xml", (8, 60), response=response))
    )
    assert len(good) == 1
    assert "60 electronic steps of at most 60" in refused[0].reason


@pytest.mark.parametrize("steps", [(8, 0, 0, 8, 0), (0, 0, 8), (8, 8, 0)])
def test_machine_learned_steps_are_skipped_and_counted(
    tmp_path: Path, steps: tuple[int, ...]
) -> None:
    path = vasprun(tmp_path / "vasprun.xml.gz", steps, incar=tag("ML_LMLFF", "T", "logical"))
    good, refused = split(read_labels(path))
    (only,) = refused
    assert f"{steps.count(0)} ionic steps are of VASP's machine-learned force field" in only.reason
    computed = [k for k, n in enumerate(steps) if n]
    assert len(good) == len(computed)
    for k, result in zip(computed, good, strict=True):
        np.testing.assert_allclose(result.forces, copper(k).get_forces(), atol=1e-8)
    assert str(only.reason) in datasets.load(str(path)).manifest.caveats[0]


def test_machine_learned_steps_between_those_of_dft(tmp_path: Path) -> None:
    between = (
        structure(copper(9)) + f'<varray name="forces">{vectors(copper(9).get_forces())}</varray>'
    )
    good, refused = split(read_labels(vasprun(tmp_path / "vasprun.xml", (8, 9), between=between)))
    assert len(good) == 2
    assert "2 ionic steps are of VASP's machine-learned" in refused[0].reason


def test_a_file_of_machine_learned_steps_alone(tmp_path: Path) -> None:
    path = vasprun(tmp_path / "vasprun.xml", (0, 0))
    with pytest.raises(DataError, match="2 ionic steps are of VASP's machine-learned"):
        datasets.load(str(path))


# ---- VASP: level of theory

LEVELS = {
    "POTCARs of PBE": ({}, "PBE", None),
    "POTCARs of LDA": ({"title": "PAW Cu 05Jan2001"}, "LDA", None),
    "GGA = PS": ({"incar": tag("GGA", "PS")}, "PBEsol", None),
    "GGA = PE": ({"parameters": tag("GGA", "PE")}, "PBE", None),
    "GGA = RP": ({"incar": tag("GGA", "RP")}, "RPBE", None),
    "undefined": ({"parameters": tag("GGA", "--"), "title": "something"}, "unknown", None),
    "R2SCAN": ({"incar": tag("METAGGA", "R2scan"), "parameters": tag("GGA", "--")}, "r2SCAN", None),
    "SCAN": ({"incar": tag("METAGGA", "SCAN")}, "SCAN", None),
    "HSE06": (
        {"parameters": tag("LHFCALC", "T") + tag("AEXX", "0.25") + tag("HFSCREEN", "0.2")},
        "HSE06",
        None,
    ),
    "D3": ({"incar": tag("IVDW", "12", "int")}, "PBE-D3(BJ)", None),
    "LDAU": ({"incar": tag("LDAU", "T") + '<v name="LDAUU">5.30</v>'}, "PBE", "Cu 5.3 eV"),
    "LDAU of nothing": ({"incar": tag("LDAU", "T") + '<v name="LDAUU">0.0</v>'}, "PBE", None),
    "LDAU off": ({"incar": tag("LDAU", "F") + '<v name="LDAUU">5.0</v>'}, "PBE", None),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_functional_is_read_and_kept(tmp_path: Path, name: str) -> None:
    options, functional, hubbard = LEVELS[name]
    path = vasprun(tmp_path / "vasprun.xml", (8,), **options)
    level = datasets.load(str(path)).manifest.level_of_theory
    assert (level.functional, level.hubbard_u) == (functional, hubbard)
    # Labels that were collected keep it, by the manifest beside them.
    finetune.collect([path], tmp_path / "labels.xyz")
    again = datasets.load(str(tmp_path / "labels.xyz")).manifest.level_of_theory
    assert (again.functional, again.hubbard_u) == (functional, hubbard)
    warning = level_warning(LevelOfTheory("PBE"), level)
    assert (warning is None) == (functional == "PBE")


@pytest.mark.parametrize("others", [("PS", "PE"), ("RP", "--"), ("PE", "CA")])
def test_functionals_do_not_mix(tmp_path: Path, others: tuple[str, str]) -> None:
    for k, gga in enumerate(others):
        vasprun(tmp_path / str(k) / "vasprun.xml", incar=tag("GGA", gga))
    with pytest.raises(DataError, match=r"several functionals .* do not go together"):
        datasets.load(str(tmp_path))
    with pytest.raises(DataError, match=r"several functionals"):
        finetune.collect([tmp_path], tmp_path / "o.xyz")
    assert not (tmp_path / "o.xyz").exists()


def test_hubbard_u_does_not_mix_within_a_material(tmp_path: Path) -> None:
    vasprun(tmp_path / "a" / "vasprun.xml")
    vasprun(tmp_path / "b" / "vasprun.xml", incar=tag("LDAU", "T") + '<v name="LDAUU">4.0</v>')
    with pytest.raises(DataError, match="Cu: labels with different Hubbard U"):
        datasets.load(str(tmp_path))


def test_a_manifest_that_contradicts_the_files(tmp_path: Path) -> None:
    vasprun(tmp_path / "vasprun.xml", incar=tag("GGA", "PS"))
    (tmp_path / "manifest.yaml").write_text("level_of_theory: {functional: PBE}\n")
    with pytest.raises(DataError, match="was computed with PBEsol, but the manifest says PBE"):
        datasets.load(str(tmp_path))
    (tmp_path / "manifest.yaml").write_text("level_of_theory: {functional: PBEsol}\n")
    assert datasets.load(str(tmp_path)).manifest.level_of_theory.functional == "PBEsol"


@pytest.mark.parametrize(
    ("nsw", "ibrion", "name"),
    [
        (9, 2, "relaxation"),
        (9, 1, "relaxation"),
        (9, 0, "molecular dynamics"),
        (9, 6, "phonon calculation"),
        (0, -1, None),
    ],
)
def test_what_the_steps_belong_to_is_named(
    tmp_path: Path, nsw: int, ibrion: int, name: str | None
) -> None:
    ionic = tag("NSW", nsw, "int") + tag("IBRION", ibrion, "int")
    path = vasprun(tmp_path / "vasprun.xml", (5, 5), parameters=ionic)
    caveats = datasets.load(str(path)).manifest.caveats
    assert any(f"2 labels are steps of a {name}" in c for c in caveats) == (name is not None)


def test_an_neb_is_named(tmp_path: Path) -> None:
    path = vasprun(tmp_path / "a" / "vasprun.xml", parameters=tag("IMAGES", 5, "int"))
    assert "nudged elastic band" in datasets.load(str(path)).manifest.caveats[0]
    (tmp_path / "00").mkdir()
    path = vasprun(tmp_path / "01" / "vasprun.xml")
    assert "nudged elastic band" in datasets.load(str(path)).manifest.caveats[0]


# ---- sets


def test_one_bad_file_is_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    good = datasets.load("pbe-mini").frames[:3]
    extxyz.write_frames(tmp_path / "good.xyz", good)
    (tmp_path / "empty.xyz").touch()
    (tmp_path / "noise.xyz").write_bytes(bytes(range(256)))
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "vasprun.xml").write_text("<modeling><generator>")
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 300)
    (tmp_path / "bad.traj").write_bytes(b"- of UlmASE-Trajectory" + b"\xff" * 50)
    dataset = datasets.load(str(tmp_path))
    assert len(dataset.frames) == 3
    (caveat,) = dataset.manifest.caveats
    assert "5 entries of 5 files were left out, 3 labels are used" in caveat
    for name in ("empty.xyz", "noise.xyz", "vasprun.xml", "bad.db", "bad.traj"):
        assert name in caveat
    np.testing.assert_allclose(dataset.frames[0].forces, good[0].forces, atol=1e-8)


@pytest.mark.parametrize("key", ["REF_virial", "REF_virials", "virials"])
def test_virials_are_named_with_advice(tmp_path: Path, key: str) -> None:
    atoms = copper()
    atoms.info |= {"REF_energy": atoms.get_potential_energy(), key: np.eye(3)}
    atoms.arrays["REF_forces"] = atoms.get_forces()
    atoms.calc = None
    ase.io.write(tmp_path / "v.xyz", atoms, format="extxyz")
    dataset = datasets.load(str(tmp_path / "v.xyz"))
    assert dataset.frames[0].stress is None
    (caveat,) = dataset.manifest.caveats
    assert f"1 frames have {key} and no REF_stress" in caveat
    assert "-virial/volume" in caveat


def test_the_codes_of_dft_are_read_as_data(tmp_path: Path) -> None:
    """What `collect` reads, `--data` reads, and the numbers are the same."""
    folder = Path(__file__).parents[1] / "finetune" / "data"
    for name in ("si_pw.out", "si_gpaw.txt"):
        (frame,) = datasets.load(str(folder / name)).frames
        finetune.collect([folder / name], tmp_path / f"{name}.xyz")
        (collected,) = datasets.load(str(tmp_path / f"{name}.xyz")).frames
        assert frame.energy == pytest.approx(collected.energy, abs=1e-7)
        np.testing.assert_allclose(frame.forces, collected.forces, atol=1e-7)
        for path in (folder / name, tmp_path / f"{name}.xyz"):
            assert datasets.load(str(path)).manifest.level_of_theory.functional == "PBE"
    with pytest.raises(DataError, match="convergence NOT achieved"):
        datasets.load(str(folder / "si_pw_not_converged.out"))


def test_masses_of_labelled_frames_survive(tmp_path: Path) -> None:
    atoms = copper()
    atoms.set_masses([62.93, 64.93, 62.93, 64.93])
    atoms.calc = SinglePointCalculator(atoms, energy=0.1, forces=atoms.get_forces())
    ase.io.write(tmp_path / "m.traj", atoms)
    (frame,) = datasets.load(str(tmp_path / "m.traj")).frames
    assert frame.atoms.get_masses().tolist() == [62.93, 64.93, 62.93, 64.93]


@pytest.mark.parametrize(
    ("name", "n", "words"),
    [
        (
            "vasprun_unconverged",
            3,
            "step 1: not self-consistent: 60 electronic steps of at most 60",
        ),
        ("vasprun_vasp5_nelm", 1, None),
        ("xyz_virials", 4, "4 frames have REF_virials and no REF_stress"),
        ("hostile/cells.xyz", 4, None),
    ],
)
def test_shared_inputs(name: str, n: int, words: str | None) -> None:
    if not INPUTS.exists():
        pytest.skip("the collection of inputs that went wrong is not beside this checkout")
    dataset = datasets.load(str(INPUTS / name))
    assert len(dataset.frames) == n
    caveats = dataset.manifest.caveats
    assert (len(caveats), words is None or words in caveats[0]) == (int(words is not None), True)
