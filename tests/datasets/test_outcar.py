"""VASP's OUTCAR is read as the vasprun.xml of the same calculation is."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.units import GPa

from tests.datasets.test_readers import copper, split, tag, vasprun
from tests.support.narrowing import each_as_a, some
from umlip_bench import datasets, finetune
from umlip_bench.cli import main
from umlip_bench.cli.finetune import main as finetune_main
from umlip_bench.datasets import catalogue
from umlip_bench.datasets.readers import RefusedResult, find_labels, read_labels
from umlip_bench.datasets.readers.result import Result
from umlip_bench.datasets.store import DataStore
from umlip_bench.ground.errors import DataError

HEAD = """ vasp.{version} 18Apr17 (build Jan 01 2020 00:00:00) complex

{incar}
 POTCAR:    {title}
 POTCAR:    {title}
   VRHFIN =Cu: d10 p1
   TITEL  = {title}

   ions per type =               4

   NELM   = {nelm:6d};   NELMIN=  2; NELMDL= -5     # of ELM steps
   NSW    =      {nsw}    number of steps for IOM
   IBRION =     {ibrion}    ionic relax: 0-MD 1-quasi-New 2-CG
{tags}
"""
NO_TAGS = """   GGA     =    --    GGA type
   LEXCH   =     8    internal setting for exchange type
   LHFCALC =     F    Hartree Fock is set to
   AEXX    =    0.0000 exact exchange contribution
"""


def iteration(ionic: int, electronic: int) -> str:
    return f"--- Iteration {ionic:6d}({electronic:4d})  ---\n"


def ionic_step(atoms: Atoms, learned: bool = False) -> str:
    energy = atoms.get_potential_energy()
    xx, yy, zz, yz, xz, xy = -atoms.get_stress() / GPa * 10
    ml = "ML " if learned else ""
    lines = [
        "  in kB " + "".join(f"{x:12.5f}" for x in (xx, yy, zz, xy, yz, xz)),
        "      direct lattice vectors                 reciprocal lattice vectors",
        *(" ".join(f"{x:14.9f}" for x in (*row, 0, 0, 0)) for row in atoms.cell.array),
        f" POSITION                                       TOTAL-FORCE (eV/Angst){' (ML)' * learned}",
        " ---------------------------------------------------------------------",
        *(
            " ".join(f"{x:14.8f}" for x in (*at, *force))
            for at, force in zip(atoms.positions, atoms.get_forces(), strict=True)
        ),
        " ---------------------------------------------------------------------",
        f"  {ml}FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
        "  ---------------------------------------------------",
        f"  free  energy {ml}  TOTEN  = {energy - 0.02:18.8f} eV",
        "",
        f"  {ml}energy  without entropy= {energy + 0.02:18.8f}  {ml}energy(sigma->0) = {energy:18.8f}",
    ]
    return "\n".join(lines) + "\n"


def outcar(
    path: Path,
    steps: tuple[int, ...] = (8,),
    *,
    tags: str = NO_TAGS,
    incar: str = "",
    title: str = "PAW_PBE Cu 22Jun2005",
    nelm: int = 60,
    nsw: int = 0,
    ibrion: int = -1,
    version: str = "5.4.4",
    end: str = "",
) -> Any:
    """A file as VASP writes it; `steps` are electronic steps of each ionic one, 0 of machine learning."""
    text = HEAD.format(
        version=version, incar=incar, title=title, nelm=nelm, nsw=nsw, ibrion=ibrion, tags=tags
    )
    for k, n in enumerate(steps):
        text += "".join(iteration(k + 1, e + 1) for e in range(n))
        text += ionic_step(copper(k), learned=n == 0)
    text += end
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.seconds
@pytest.mark.parametrize(
    "name", ["OUTCAR", "OUTCAR.gz", "OUTCAR.relax2.gz", "OUTCAR_3", "Cu.OUTCAR"]
)
@pytest.mark.parametrize("steps", [(8,), (5, 6), (1, 1, 1)])
def test_numbers_are_those_of_the_vasprun(
    tmp_path: Path, name: str, steps: tuple[int, ...]
) -> None:
    """Energy at zero smearing, forces, and stress with its unit, sign and order of shear."""
    of_outcar = each_as_a(Result, read_labels(outcar(tmp_path / name, steps)))
    of_vasprun = each_as_a(Result, read_labels(vasprun(tmp_path / "vasprun.xml", steps)))
    assert len(of_outcar) == len(of_vasprun) == len(steps)
    for k, (ours, theirs) in enumerate(zip(of_outcar, of_vasprun, strict=True)):
        assert ours.energy == pytest.approx(theirs.energy, abs=1e-7)
        assert ours.energy == pytest.approx(copper(k).get_potential_energy(), abs=1e-7)
        assert ours.free_energy == pytest.approx(ours.energy - 0.02, abs=1e-7)
        np.testing.assert_allclose(ours.forces, theirs.forces, atol=1e-7)
        np.testing.assert_allclose(some(ours.stress), some(theirs.stress), atol=1e-8)
        np.testing.assert_allclose(some(ours.stress), copper(k).get_stress(voigt=False), atol=1e-8)
        np.testing.assert_allclose(ours.atoms.positions, theirs.atoms.positions, atol=1e-7)
        assert ours.level == theirs.level
        assert list(ours.atoms.symbols) == list(theirs.atoms.symbols)


@pytest.mark.parametrize(
    ("steps", "nelm", "bad"),
    [((60,), 60, [0]), ((8, 40, 5), 40, [1]), ((1, 2), 1, [0, 1]), ((59, 60), 60, [1])],
)
def test_steps_that_hit_nelm_are_refused(
    tmp_path: Path, steps: tuple[int, ...], nelm: int, bad: list[int]
) -> None:
    good, refused = split(read_labels(outcar(tmp_path / "OUTCAR", steps, nelm=nelm)))
    assert len(refused) == len(bad)
    assert len(good) == len(steps) - len(bad)
    assert all(f"of at most {nelm} (NELM)" in each.reason for each in refused)
    if len(steps) > 1:
        assert [int(each.where.split()[-1]) for each in refused] == bad


@pytest.mark.parametrize("steps", [(5, 0, 0), (0, 5), (0, 0), (5, 0, 7, 0, 6)])
def test_machine_learned_steps_are_skipped_and_counted(
    tmp_path: Path, steps: tuple[int, ...]
) -> None:
    good, refused = split(read_labels(outcar(tmp_path / "OUTCAR", steps)))
    assert len(good) == len(steps) - steps.count(0)
    (one,) = refused
    assert f"{steps.count(0)} ionic steps are of VASP's machine-learned force field" in one.reason


LEVELS: dict[str, tuple[dict[str, Any], str]] = {
    "PBE": ({}, "PBE"),
    "PBEsol": ({"tags": NO_TAGS.replace("--", "PS")}, "PBEsol"),
    "LDA": ({"title": "PAW Cu 22Jun2005"}, "LDA"),
    "R2SCAN of VASP 6": (
        {"incar": " INCAR:\n   METAGGA = R2SCAN\n", "version": "6.4.2"},
        "r2SCAN",
    ),
    "SCAN": ({"tags": NO_TAGS + "   METAGGA =   SCAN     LMAXTAU = 6\n"}, "SCAN"),
    "no meta-GGA": (
        {"tags": NO_TAGS + "   METAGGA = F    non-selfconsistent MetaGGA calc.\n"},
        "PBE",
    ),
    "HSE06": (
        {
            "tags": "   LHFCALC =     T    Hartree Fock is set to\n   HFSCREEN=    0.2000 screening\n"
            "   AEXX    =    0.2500 exact exchange contribution\n"
        },
        "HSE06",
    ),
    "D3": ({"incar": " INCAR:\n   IVDW = 11\n"}, "PBE-D3"),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_functional_is_read(tmp_path: Path, name: str) -> None:
    options, functional = LEVELS[name]
    (result,) = each_as_a(Result, read_labels(outcar(tmp_path / "OUTCAR", **options)))
    assert result.level.functional == functional
    assert result.level.hubbard_u is None


def test_hubbard_u_is_read(tmp_path: Path) -> None:
    tags = NO_TAGS + (
        " LDA+U is selected, type is set to LDAUTYPE =  2\n"
        "   angular momentum for each species LDAUL =     2\n"
        "   U (eV)           for each species LDAUU =   3.9\n"
    )
    (result,) = each_as_a(Result, read_labels(outcar(tmp_path / "OUTCAR", tags=tags)))
    assert result.level.hubbard_u == "Cu 3.9 eV"


@pytest.mark.parametrize(
    ("nsw", "ibrion", "name"), [(50, 2, "relaxation"), (100, 0, "molecular dynamics")]
)
def test_what_the_steps_belong_to_is_named(
    tmp_path: Path, nsw: int, ibrion: int, name: str
) -> None:
    path = outcar(tmp_path / "OUTCAR", (5, 5), nsw=nsw, ibrion=ibrion)
    caveats = datasets.load(str(path)).manifest.caveats
    assert any(f"2 labels are steps of a {name}" in c for c in caveats)


BANDS = {
    "VASP": " CHAIN + TOTAL  (eV/Angst)\n",
    "VTST": " NEB: projections on to tangent (spring, REAL, dimer)   0.0  0.1\n",
    "images": "",
}


@pytest.mark.parametrize("name", BANDS)
@pytest.mark.parametrize("form", ["OUTCAR", "vasprun.xml"])
def test_forces_of_a_band_may_hold_springs(
    tmp_path: Path, name: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "00").mkdir()
    folder = tmp_path / "02" if name == "images" else tmp_path / "x"
    if form == "OUTCAR":
        path = outcar(folder / form, end=BANDS[name])
    else:
        images = tag("IMAGES", 5, "int") if name != "images" else ""
        path = vasprun(folder / form, parameters=images)
    said = " ".join(datasets.load(str(path)).manifest.caveats)
    assert "1 labels are steps of a nudged elastic band" in said
    assert "with springs in them and without what acts along the path" in said
    assert main(["data", "check", str(path)]) == 1
    assert "springs" in capsys.readouterr().out
    labels = tmp_path / "labels.xyz"
    assert finetune_main(["collect", str(folder), "--out", str(labels)]) == 0
    assert "springs" in capsys.readouterr().err
    assert "springs" in " ".join(datasets.load(str(labels)).manifest.caveats)


def test_what_is_cut_off_is_said(tmp_path: Path) -> None:
    """In the middle of electronic steps, of the list of forces, and before any step."""
    path = outcar(tmp_path / "OUTCAR", (5, 6), end=iteration(3, 1) + iteration(3, 2))
    good, refused = split(read_labels(path))
    assert len(good) == 2
    assert refused == [RefusedResult(f"{path}, ionic step 2", "the calculation was cut off")]
    text = outcar(path, (5, 6)).read_text()
    for part, n in ((0.75, 1), (0.2, 0), (0.05, 0)):
        path.write_text(text[: int(part * len(text))])
        good, refused = split(read_labels(path))
        assert len(good) == n
        assert len(refused) == 1


@pytest.mark.parametrize("damage", ["torn gzip", "stars", "words", "species"])
def test_damage_is_refused_in_words(tmp_path: Path, damage: str) -> None:
    path = outcar(tmp_path / "OUTCAR", (5,))
    text = path.read_text()
    if damage == "torn gzip":
        path = outcar(tmp_path / "OUTCAR.gz", (5,))
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "stars":
        line = next(each for each in text.splitlines() if "TOTEN" in each)
        path.write_text(text.replace(line, "  free  energy   TOTEN  = ****************** eV"))
    elif damage == "words":
        path.write_text(text.replace(text.splitlines()[-12], "nothing"))
    else:
        path.write_text(text.replace("ions per type =               4", "ions per type =  2  2"))
    good, refused = split(read_labels(path))
    assert not good
    assert refused
    with pytest.raises(DataError, match="nothing that can be used"):
        datasets.load(str(path))


def test_a_stress_that_is_not_there_or_unreadable_is_no_stress(tmp_path: Path) -> None:
    path = outcar(tmp_path / "OUTCAR", (5,))
    lines = path.read_text().splitlines()
    at = next(k for k, line in enumerate(lines) if "in kB" in line)
    for line in ("", "  in kB  ********** 1.0 1.0 1.0 1.0 1.0"):
        path.write_text("\n".join([*lines[:at], line, *lines[at + 1 :]]) + "\n")
        (result,) = each_as_a(Result, read_labels(path))
        assert result.stress is None


def test_a_calculation_is_read_once(tmp_path: Path) -> None:
    """A vasprun.xml beside its OUTCAR, also where both are of a second run or compressed."""
    vasprun(tmp_path / "a" / "vasprun.xml")
    outcar(tmp_path / "a" / "OUTCAR")
    vasprun(tmp_path / "b" / "vasprun.relax2.xml")
    outcar(tmp_path / "b" / "OUTCAR.relax2.gz")
    outcar(tmp_path / "b" / "OUTCAR.relax1.gz")
    outcar(tmp_path / "c" / "OUTCAR")
    (tmp_path / "c" / "outcar.py").write_text("print('OUTCAR')")
    (tmp_path / "c" / "OUTCAR.png").write_bytes(b"\x89PNG")
    found = [path.relative_to(tmp_path).as_posix() for path, _ in find_labels(tmp_path)]
    expected = ["a/vasprun.xml", "b/OUTCAR.relax1.gz", "b/vasprun.relax2.xml", "c/OUTCAR"]
    assert found == expected
    assert len(datasets.load(str(tmp_path)).frames) == 4


def test_every_command_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames that were suggested, computed with VASP, and kept as OUTCAR; a run on them."""
    outcar(tmp_path / "OUTCAR", (5, 60, 6), nsw=9, ibrion=0)
    assert main(["data", "show", str(tmp_path)]) == 0
    assert main(["data", "check", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "2 frames of 1 materials" in shown
    assert "1 entries of 1 file were left out, 2 labels are used" in shown
    command = ["run", "high-energy", "--model", "ase:ase.calculators.emt:EMT", "--device", "cpu"]
    assert main([*command, "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 0
    assert "1.00" in capsys.readouterr().out
    collected = finetune.collect([tmp_path], tmp_path / "labels.xyz")
    assert len(datasets.load(str(tmp_path / "labels.xyz")).frames) == 2
    assert len(collected.refused) == 1


@pytest.mark.seconds
def test_real_calculations(tmp_path: Path) -> None:
    """VASP 6.4 of ten published relaxations: PBE, last forces below what they were to reach, a pressure."""
    located = DataStore().locate(catalogue.card("atomate2-approxneb"))
    if located is None:
        pytest.skip("atomate2-approxneb is not on this machine")
    paths = [path for path, _ in find_labels(located.folder) if "OUTCAR" in path.name]
    assert len(paths) >= 4
    for path in paths:
        good, refused = split(read_labels(path))
        assert not refused
        last = good[-1]
        assert last.level.functional == "PBE"
        assert last.procedure == "relaxation"
        assert np.linalg.norm(last.forces, axis=1).max() < 0.05
        with gzip.open(path, "rt") as stream:
            (*_, pressure) = (line for line in stream if "external pressure" in line)
        assert -np.trace(some(last.stress)) / 3 / GPa * 10 == pytest.approx(
            float(pressure.split()[3]), abs=0.01
        )
