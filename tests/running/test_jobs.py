"""Several processes at one run: the same results, nothing twice, and nothing lost with one that dies."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from umlip_bench import datasets
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.running.jobs import Jobs, local_jobs
from umlip_bench.running.runner import RunOutcome, run_suites
from umlip_bench.running.source import from_dataset

pytestmark = pytest.mark.seconds

METALS = ("Ag", "Al", "Au", "Cu", "Ni", "Pd", "Pt")
N = 3 * len(METALS)

CALCULATOR = '''\
"""EMT, slower, and deadly where a file says so."""

import os
import time
from pathlib import Path

from ase.calculators.emt import EMT

HERE = Path(__file__).parent


class Slow(EMT):
    def calculate(self, *args, **kwargs):
        time.sleep(0.02)
        # The process that runs the command writes its number down; all others die while lives are left.
        lives = HERE / "lives"
        if lives.exists() and os.getppid() == int((HERE / "parent").read_text()):
            left = int(lives.read_text())
            if left:
                lives.write_text(str(left - 1))
                os._exit(1)
        super().calculate(*args, **kwargs)
'''


class Silent:
    def __init__(self) -> None:
        self.n = 0

    def start(self, model: str, total: int, finished: int) -> None:
        self.n = finished

    def advance(self, n: int = 1) -> None:
        self.n += n


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a calculator and labels of `N` materials."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow.py").write_text(CALCULATOR)
    (tmp_path / "parent").write_text(str(os.getpid()))
    rng = np.random.default_rng(0)
    frames = []
    for metal in METALS:
        for k in range(3):
            for _ in range(2):
                atoms = bulk(metal, cubic=True) * (1, 1, k + 1)
                atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
                atoms.calc = EMT()
                forces, energy = atoms.get_forces(), atoms.get_potential_energy()
                atoms.calc = None
                atoms.info = {"system": f"{metal}-{k}", "REF_energy": energy}
                atoms.arrays["REF_forces"] = 1.25 * forces
                frames.append(atoms)
    ase.io.write(tmp_path / "metals.xyz", frames, format="extxyz")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def run(out: Path, jobs: Jobs | None, progress: Silent | None = None) -> RunOutcome:
    source = from_dataset(["high-energy"], datasets.load("metals.xyz"), Mode.STANDARD)
    return run_suites(
        source.plans,
        [locate("ase:slow:Slow", WeightsStore())],
        source.data,
        out,
        device=torch.device("cpu"),
        dtype=torch.float64,
        progress=progress or Silent(),
        jobs=jobs,
    )


def keys(out: Path) -> list[list[str]]:
    """Keys in each file of the journal."""
    return [
        [json.loads(line)["key"] for line in path.read_text().splitlines()]
        for path in sorted((out / "journal").glob("*.jsonl"))
    ]


def writers(out: Path) -> set[str]:
    """Processes that have written into the journal."""
    return {path.stem.rsplit("-", 2)[1] for path in (out / "journal").glob("*.jsonl")}


def summary(out: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((out / "summary.json").read_text())["rows"]
    return rows


def equal(first: Sequence[dict[str, object]], second: Sequence[dict[str, object]]) -> bool:
    def close(a: object, b: object) -> bool:
        if isinstance(a, float) and isinstance(b, float):
            return bool(np.isclose(a, b, rtol=1e-9, atol=0))
        return a == b

    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
        for a, b in zip(first, second, strict=True)
    )


def test_several_processes_give_what_one_gives(here: Path) -> None:
    alone = run(here / "alone", None)
    assert alone.n_done == N
    shown = Silent()
    threads = torch.get_num_threads()
    together = run(here / "together", local_jobs(3, torch.device("cpu")), shown)
    assert torch.get_num_threads() == threads
    assert together.n_done == shown.n == N
    assert not together.told
    found = keys(here / "together")
    assert len(writers(here / "together")) >= 2, "another process measured something"
    assert Counter(key for each in found for key in each).most_common(1)[0][1] == 1
    assert equal(summary(here / "alone"), summary(here / "together"))


def test_any_executor_helps(here: Path) -> None:
    """One of the standard library's, without what `local_jobs` adds."""
    run(here / "alone", None)

    def start() -> Executor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    jobs = Jobs(start, lambda executor: executor.shutdown(cancel_futures=True), 1, patience=0)
    assert run(here / "together", jobs).n_done == N
    assert len(writers(here / "together")) == 2
    assert equal(summary(here / "alone"), summary(here / "together"))


def test_a_process_that_dies_costs_nothing_but_its_time(here: Path) -> None:
    run(here / "alone", None)
    (here / "lives").write_text("2")
    shown = Silent()
    outcome = run(here / "together", local_jobs(2, torch.device("cpu")), shown)
    assert int((here / "lives").read_text()) < 2
    assert outcome.n_done == shown.n == N
    assert equal(summary(here / "alone"), summary(here / "together"))


def test_processes_that_die_whatever_they_do_are_no_longer_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umlip_bench.running.helpers.MOST_DEATHS", 1)
    (here / "lives").write_text("1000")
    outcome = run(here / "together", local_jobs(2, torch.device("cpu")))
    assert outcome.n_done == N
    (said,) = outcome.told
    assert "The run went on in one process: processes died 2 times" in said


def test_a_model_that_the_others_cannot_load_is_measured_here(here: Path) -> None:
    def start() -> Executor:
        # Of a process that does not find the calculator's module.
        return ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_without, initargs=(str(here),)
        )

    jobs = Jobs(start, lambda executor: executor.shutdown(cancel_futures=True), 1, patience=0)
    outcome = run(here / "together", jobs)
    assert outcome.n_done == N
    (said,) = outcome.told
    assert "another could not measure" in said


def _without(folder: str) -> None:
    sys.path[:] = [path for path in sys.path if path not in {folder, ""}]
    os.chdir("/")


def test_a_short_run_starts_no_other_process(here: Path) -> None:
    def start() -> Executor:
        raise AssertionError

    jobs = Jobs(start, lambda executor: None, 1)
    assert run(here / "run", jobs).n_done == N


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def children(of: int) -> set[int]:
    """Processes that a process has started, and those that they have."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == of:
            found.add(int(stat.parent.name))
    return found.union(*map(children, found))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_run_and_it_resumes(here: Path, how: signal.Signals) -> None:
    command = ["run", "high-energy", "--model", "ase:slow:Slow", "--data", "metals.xyz"]
    command += ["--jobs", "2", "--device", "cpu", "--dtype", "float64", "--out", "run"]
    (here / "slow.py").write_text(CALCULATOR.replace("0.02", "0.3"))

    def start() -> subprocess.Popen[bytes]:
        # A test's process may ignore Ctrl-C, and what it starts would inherit that.
        program = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from umlip_bench.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    started = start()
    wait_for(lambda: len(writers(here / "run")) >= 2)
    others = children(started.pid)
    assert others
    started.send_signal(how)
    started.wait(60)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))
    before = [key for each in keys(here / "run") for key in each]
    assert len(before) < N
    assert start().wait(120) == 0
    after = [key for each in keys(here / "run") for key in each]
    assert len(after) == len(set(after)) == N
    assert set(before) <= set(after)
