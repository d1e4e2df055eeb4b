"""Runs that are killed or interrupted, in real processes, and what the next run makes of them."""

import json
import os
import signal
import time
from pathlib import Path
from subprocess import CompletedProcess

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from tests.support.processes import Running
from umlip_bench.cli import main
from umlip_bench.running.model_fingerprint import N_STRUCTURES

pytestmark = pytest.mark.seconds

N_SYSTEMS, N_FRAMES = 8, 2
MODEL = "ase:slow_lj:SlowLJ"
SLOW_LJ = """
import os, time
from ase.calculators.lj import LennardJones

class SlowLJ(LennardJones):
    def calculate(self, *args, **kwargs):
        time.sleep(float(os.environ.get("SLOW_LJ_SECONDS", 0)))
        self.nl = None  # no history: the order of its sums is that of a fresh calculator
        super().calculate(*args, **kwargs)
        with open(os.environ["SLOW_LJ_LOG"], "a") as log:
            log.write("calculated\\n")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the calculator and with labels that it is too soft for."""
    folder = tmp_path_factory.mktemp("resume")
    (folder / "slow_lj.py").write_text(SLOW_LJ)
    rng = np.random.default_rng(0)
    frames = []
    for system in range(N_SYSTEMS):
        for _ in range(N_FRAMES):
            atoms = bulk("Ar", "fcc", a=1.6, cubic=True)
            atoms.positions += rng.normal(0, 0.05, (4, 3))
            atoms.calc = LennardJones()
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            stress = atoms.get_stress(voigt=False)
            atoms.calc = None
            atoms.info = {"system": f"Ar-{system}", "REF_energy": 1.3 * energy}
            atoms.info["REF_stress"] = 1.3 * stress
            atoms.arrays["REF_forces"] = 1.3 * forces + rng.normal(0, 0.1, (4, 3))
            frames.append(atoms)
    ase.io.write(folder / "data.xyz", frames, format="extxyz")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> bytes:
    """The summary of a run that nothing disturbed."""
    out = folder / "uninterrupted"
    assert run(folder, out) == 0
    assert calculations(folder) == N_SYSTEMS * N_FRAMES + N_STRUCTURES
    return (out / "summary.json").read_bytes()


def command(folder: Path, out: Path) -> list[str]:
    (folder / "log").unlink(missing_ok=True)
    data = ["--data", str(folder / "data.xyz"), "--out", str(out), "--device", "cpu"]
    return ["run", "high-energy", "--model", MODEL, *data]


def run(folder: Path, out: Path) -> int:
    """In this process, to its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("SLOW_LJ_LOG", str(folder / "log"))
        return main(command(folder, out))


def start(folder: Path, out: Path) -> Running:
    """In a process of its own, slowly."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    variables = {"PYTHONPATH": path, "SLOW_LJ_LOG": folder / "log", "SLOW_LJ_SECONDS": 0.05}
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return Running(*command(folder, out), environment=environment)


def calculations(folder: Path) -> int:
    return len((folder / "log").read_text().splitlines())


def journals(out: Path) -> list[Path]:
    return sorted((out / "journal").glob("*.jsonl"))


def cases(out: Path) -> list[bytes]:
    """Whole lines of all files of the journal."""
    return [line for path in journals(out) for line in path.read_bytes().split(b"\n")[:-1]]


def stop_midway(folder: Path, out: Path, kind: signal.Signals) -> CompletedProcess[str]:
    deadline = time.monotonic() + 60
    with start(folder, out) as process:
        while len(cases(out)) < 2:
            assert not process.ended()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send(kind)
        return process.wait()


def check_that_the_rest_is_done(
    folder: Path, out: Path, finished: list[bytes], summary: bytes
) -> None:
    """Go on, and find the same summary with nothing computed twice."""
    assert 2 <= len(finished) < N_SYSTEMS
    assert run(folder, out) == 0
    # The calculator is held against what it gave before, and the rest is computed.
    assert calculations(folder) == (N_SYSTEMS - len(finished)) * N_FRAMES + N_STRUCTURES
    lines = cases(out)
    assert set(finished) <= set(lines)
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == N_SYSTEMS
    assert (out / "summary.json").read_bytes() == summary


def test_a_killed_run_goes_on(folder: Path, uninterrupted: bytes) -> None:
    out = folder / "killed"
    assert stop_midway(folder, out, signal.SIGKILL).returncode == -signal.SIGKILL
    assert not (out / "summary.json").exists()
    finished = cases(out)
    # A line that the kill cut short.
    with journals(out)[0].open("ab") as file:
        file.write(finished[0][:50])
    check_that_the_rest_is_done(folder, out, finished, uninterrupted)


def test_an_interrupted_run_says_so_and_goes_on(folder: Path, uninterrupted: bytes) -> None:
    out = folder / "interrupted"
    stopped = stop_midway(folder, out, signal.SIGINT)
    assert stopped.returncode == 130
    assert "interrupted; rerun the command to resume" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    check_that_the_rest_is_done(folder, out, cases(out), uninterrupted)


def test_a_finished_run_computes_nothing(folder: Path, uninterrupted: bytes) -> None:
    out = folder / "uninterrupted"
    before = cases(out)
    assert run(folder, out) == 0
    assert calculations(folder) == N_STRUCTURES  # that it is still the same calculator
    assert cases(out) == before
    assert (out / "summary.json").read_bytes() == uninterrupted
