import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.optimize import FIRE
from ase.units import GPa

from tests.support.processes import Running
from umlip_bench.cli import main
from umlip_bench.engine.calculator import load

CHGNET = "chgnet-0.3.0"


@dataclass
class Ended:
    returncode: int
    stderr: str


@pytest.fixture
def umlip_bench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line in this process, which saves the imports."""

    def run(*arguments: object) -> Ended:
        code = main([str(a) for a in arguments])
        return Ended(code, capfd.readouterr().err)

    return run


@pytest.fixture(scope="module")
def structures() -> list[Atoms]:
    cells = [bulk("Si", "diamond", a=5.43), bulk("NaCl", "rocksalt", a=5.5, cubic=True)]
    found = []
    for k in range(6):
        atoms = cells[k % 2].copy()
        atoms.rattle(0.1, seed=k)
        found.append(atoms)
    return found


@pytest.fixture
def source(tmp_path: Path, structures: list[Atoms]) -> Path:
    path = tmp_path / "in.xyz"
    ase.io.write(path, structures)
    return path


@pytest.mark.model
def test_relaxed_structures_come_in_the_order_of_the_input(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, structures: list[Atoms]
) -> None:
    out = tmp_path / "out.xyz"
    relax = ("relax", source, "--model", CHGNET, "--dtype", "float64")
    done = umlip_bench(*relax, "--optimizer", "fire", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "6 of 6 structures" in done.stderr
    found = ase.io.read(out, ":")
    assert [atoms.info["index"] for atoms in found] == list(range(6))
    for start, atoms in zip(structures, found, strict=True):
        expected = start.copy()
        expected.calc = load(CHGNET, device="cpu", dtype="float64")
        optimiser = FIRE(expected, logfile=None)
        optimiser.run(fmax=0.05)
        assert atoms.info["converged"]
        assert atoms.info["steps"] == optimiser.nsteps
        np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-6)
        assert atoms.get_potential_energy() == pytest.approx(
            expected.get_potential_energy(), abs=1e-6
        )
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), atol=1e-6)
    # As it is by default: the same minima in fewer steps, to what fmax leaves of a harmonic well.
    assert umlip_bench(*relax, "--out", tmp_path / "usual.xyz").returncode == 0
    usual = ase.io.read(tmp_path / "usual.xyz", ":")
    assert [atoms.info["optimizer"] for atoms in usual] == ["scaled-lbfgs"] * 6
    assert sum(a.info["steps"] for a in usual) < 0.5 * sum(a.info["steps"] for a in found)
    for atoms, other in zip(usual, found, strict=True):
        assert atoms.info["residual"] <= 0.05
        apart = atoms.get_potential_energy() - other.get_potential_energy()
        assert abs(apart) / len(atoms) < 1e-3


@pytest.mark.model
def test_cell_and_pressure(umlip_bench: Callable[..., Ended], tmp_path: Path) -> None:
    source, out = tmp_path / "Si.cif", tmp_path / "out.xyz"
    bulk("Si", "diamond", a=5.5).write(source)
    options = ("--cell", "--pressure", "10", "--fmax", "0.005", "--out", out)
    done = umlip_bench("relax", source, "--model", CHGNET, *options)
    assert done.returncode == 0, done.stderr
    atoms = ase.io.read(out)
    np.testing.assert_allclose(-atoms.get_stress()[:3] / GPa, 10, atol=0.2)


@pytest.mark.model
def test_a_failure_leaves_the_others(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, structures: list[Atoms]
) -> None:
    bad = structures[0].copy()
    bad.positions[0] = bad.positions[1]
    unknown = structures[0].copy()
    unknown.symbols[:] = "Po"
    ase.io.write(source, [structures[0], bad, structures[1], unknown])
    out = tmp_path / "out.xyz"
    done = umlip_bench("relax", source, "--model", CHGNET, "--out", out)
    assert done.returncode == 0
    assert "structure 1: " in done.stderr
    assert "are nearer than any bond" in done.stderr
    assert "structure 3: after 0 steps of relaxation" in done.stderr
    assert "not trained on Po" in done.stderr
    assert "2 of 4 structures" in done.stderr
    assert "2 failed" in done.stderr
    assert [atoms.info["index"] for atoms in ase.io.read(out, ":")] == [0, 2]


@pytest.mark.model
def test_a_killed_run_goes_on(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, structures: list[Atoms]
) -> None:
    out = tmp_path / "out.xyz"
    command = ["relax", source, "--model", CHGNET, "--out", out]
    ase.io.write(source, structures * 20)
    work = out.with_name("out.xyz.work")
    with Running(*command) as process:
        while not any(path.stat().st_size > 3000 for path in work.glob("*.jsonl")):
            assert not process.ended()
            time.sleep(0.02)
        process.send(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    (journal,) = work.glob("*.jsonl")
    before = journal.read_bytes()
    journal.write_bytes(before[: len(before) - 40])  # torn in the middle of a line
    survivors = journal.read_bytes().count(b"\n")
    assert 0 < survivors < 120
    # Fewer, so that the test is short: of the first twelve some are done.
    ase.io.write(source, structures * 2)
    done = umlip_bench(*command)
    assert done.returncode == 0, done.stderr
    found = ase.io.read(out, ":")
    assert [atoms.info["index"] for atoms in found] == list(range(12))
    for k in range(6):  # the same structure is relaxed once
        np.testing.assert_array_equal(found[k].positions, found[k + 6].positions)
    assert journal.read_bytes() == before[: len(before) - 40]


@pytest.mark.seconds
def test_results_belong_to_their_structures_not_to_their_places(
    umlip_bench: Callable[..., Ended], tmp_path: Path
) -> None:
    out = tmp_path / "out.xyz"
    emt = ("--model", "ase:ase.calculators.emt:EMT", "--out", out)
    for name in ("Cu", "Ni", "Cu"):
        bulk(name, a=3.7, cubic=True).write(tmp_path / f"{name}.xyz")
        assert umlip_bench("relax", tmp_path / f"{name}.xyz", "--cell", *emt).returncode == 0
        (atoms,) = ase.io.read(out, ":")
        assert set(atoms.symbols) == {name}
    nickel = bulk("Ni", a=3.7, cubic=True)
    for masses, count in ((None, 2), ([60] * 4, 3)):  # other masses are another structure
        if masses:
            nickel.set_masses(masses)
        nickel.write(tmp_path / "Ni.traj")
        assert umlip_bench("relax", tmp_path / "Ni.traj", "--cell", *emt).returncode == 0
        keys = {
            json.loads(line)["key"]
            for path in out.with_name("out.xyz.work").glob("*.jsonl")
            for line in path.read_text().splitlines()
        }
        assert len(keys) == count


@pytest.mark.seconds
def test_two_at_once_one_is_refused(
    umlip_bench: Callable[..., Ended], tmp_path: Path, structures: list[Atoms]
) -> None:
    out, source = tmp_path / "out.xyz", tmp_path / "in.xyz"
    # All different, and by the slower method: the first must not be done when the second looks.
    many = [atoms.copy() for atoms in structures * 20]
    for k, atoms in enumerate(many):
        atoms.rattle(0.05, seed=k)
    ase.io.write(source, many)
    command = ["relax", source, "--out", out, "--optimizer", "fire"]
    with Running(*command, "--model", CHGNET) as first:
        work = out.with_name("out.xyz.work")
        while not any(path.stat().st_size > 3000 for path in work.glob("*.jsonl")):
            assert not first.ended()
            time.sleep(0.02)
        second = umlip_bench(*command, "--model", "ase:ase.calculators.lj:LennardJones")
    assert second.returncode == 2
    assert "is in use by another process" in second.stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--fmax", "0"], "--fmax: '0' is not a finite number above 0"),
        (["--fmax", "nan"], "--fmax: 'nan' is not"),
        (["--fmax", "inf"], "--fmax: 'inf' is not"),
        (["--pressure", "nan", "--cell"], "--pressure: 'nan' is not a finite number"),
        (["--pressure", "5"], "give --cell too"),
        (["--steps", "0"], "at least 1"),
    ],
)
def test_options_that_make_no_sense(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, options: list[str], reason: str
) -> None:
    done = umlip_bench("relax", source, "--model", CHGNET, "--out", tmp_path / "x.xyz", *options)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["data.json", "relaxed.cif", "POSCAR", "relaxed.xyz.gz"])
def test_only_names_of_extended_xyz_are_written(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, name: str
) -> None:
    out = tmp_path / name
    out.write_text('{"precious": 1}')
    done = umlip_bench("relax", source, "--model", CHGNET, "--out", out)
    assert done.returncode == 2
    assert str(out) in done.stderr
    assert "must end in .xyz or .extxyz" in done.stderr
    assert out.read_text() == '{"precious": 1}'


@pytest.mark.parametrize("place", ["missing/x.xyz", "folder.xyz", "/proc/sys/x.xyz"])
def test_where_nothing_can_be_written_is_said_at_once(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, place: str
) -> None:
    (tmp_path / "folder.xyz").mkdir()
    done = umlip_bench("relax", source, "--model", "no-such", "--out", tmp_path / place)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.model
def test_other_settings_do_not_mix(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path
) -> None:
    out = tmp_path / "out.xyz"
    common = ("relax", source, "--model", CHGNET, "--out", out)
    assert umlip_bench(*common, "--steps", "2").returncode == 0
    before = out.read_bytes()
    assert umlip_bench(*common, "--steps", "3").returncode == 0
    assert {atoms.info["most_steps"] for atoms in ase.io.read(out, ":")} == {3}
    assert umlip_bench(*common, "--steps", "2").returncode == 0
    assert out.read_bytes() == before


@pytest.mark.model
@pytest.mark.parametrize("content", ["some notes\n", "2\nno relaxation\nSi 0 0 0\nSi 1 1 1\n"])
def test_a_foreign_file_is_not_overwritten(
    umlip_bench: Callable[..., Ended], tmp_path: Path, source: Path, content: str
) -> None:
    out = tmp_path / "out.xyz"
    out.write_text(content)
    done = umlip_bench("relax", source, "--model", CHGNET, "--out", out)
    assert done.returncode == 2
    assert "name another one" in done.stderr
    assert out.read_text() == content


def test_unreadable_input(umlip_bench: Callable[..., Ended], tmp_path: Path) -> None:
    path = tmp_path / "a.cif"
    path.write_text("nonsense")
    done = umlip_bench("relax", path, "--model", CHGNET, "--out", tmp_path / "x.xyz")
    assert done.returncode == 2
    assert "a.cif" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.model
def test_a_file_that_cannot_be_read_leaves_the_others(
    umlip_bench: Callable[..., Ended], tmp_path: Path
) -> None:
    good = tmp_path / "a.cif"
    bulk("Si", "diamond", a=5.45).write(good)
    (tmp_path / "b.cif").write_text("nothing")
    (tmp_path / "c.dat").write_text("hello")
    files = [tmp_path / "b.cif", good, tmp_path / "c.dat", tmp_path / "d.cif"]
    done = umlip_bench("relax", *files, "--model", CHGNET, "--out", tmp_path / "out.xyz")
    assert done.returncode == 0, done.stderr
    assert "1 of 4 structures" in done.stderr
    assert "3 failed" in done.stderr
    for name in ("b.cif", "c.dat", "d.cif"):
        assert f"{name}" in done.stderr
    assert [a.info["index"] for a in ase.io.read(tmp_path / "out.xyz", ":")] == [1]
    done = umlip_bench("relax", *files[2:], "--model", CHGNET, "--out", tmp_path / "o.xyz")
    assert done.returncode == 2
    assert "there is no structure to relax" in done.stderr
    assert not (tmp_path / "o.xyz").exists()
