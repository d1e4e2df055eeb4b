"""Many processes that share a run folder: workers of Dask, tasks of an array job, those who join."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.slow_runs import (
    CALCULATOR,
    N,
    Silent,
    equal,
    keys,
    run,
    summary,
    wait_for,
    writers,
)
from tests.support.slurm import at_work, stand_in, started
from umlip_bench.cli import main
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.dask_jobs import dask_jobs

pytestmark = pytest.mark.seconds

COMMAND = ["high-energy", "--model", "ase:slow:Slow", "--data", "metals.xyz"]
COMMAND += ["--device", "cpu", "--dtype", "float64"]


def begin(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)


def done_once(out: Path) -> None:
    """All is done, and nothing twice."""
    found = Counter(key for each in keys(out) for key in each)
    assert len(found) == N
    assert found.most_common(1)[0][1] == 1


def as_alone(here: Path, out: Path) -> None:
    """The summary is that of one process."""
    if not (here / "alone").exists():
        run(here / "alone", None)
    assert equal(summary(here / "alone"), summary(out))


def test_workers_of_a_cluster_of_this_machine(seen: Path) -> None:
    told: list[str] = []
    shown = Silent()
    outcome = run(seen / "run", dask_jobs("local", 2, "cpu", told.append), shown)
    assert outcome.n_done == shown.n == N
    assert len(told) == 1, "where its page is"
    done_once(seen / "run")
    assert str(os.getpid()) not in writers(seen / "run")
    as_alone(seen, seen / "run")


def test_workers_of_a_running_scheduler_come_and_die(
    seen: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    (seen / "slow.py").write_text(CALCULATOR.replace("0.02", "0.1"))

    def dask(*words: str) -> subprocess.Popen[bytes]:
        processes.append(begin("-m", "dask", *words, "--dashboard-address", ":0"))
        return processes[-1]

    def worker() -> subprocess.Popen[bytes]:
        return dask("worker", "--scheduler-file", "it.json", "--nthreads", "1", "--no-nanny")

    dask("scheduler", "--scheduler-file", "it.json", "--port", "0", "--host", "127.0.0.1")
    wait_for(lambda: (seen / "it.json").exists())
    first = worker()
    command = begin("-m", "umlip_bench", "run", *COMMAND, "--dask", "it.json", "--out", "run")
    processes.append(command)
    wait_for(lambda: sum(map(len, keys(seen / "run"))) >= 2)
    first.kill()
    worker()
    assert command.wait(120) == 0
    assert len(writers(seen / "run")) == 2
    done_once(seen / "run")
    as_alone(seen, seen / "run")


def test_a_scheduler_that_is_not_there(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("umlip_bench.running.dask_jobs.CONNECT_SECONDS", 0.5)
    with pytest.raises(UmlipBenchError, match="no scheduler answers there"):
        run(here / "run", dask_jobs("tcp://127.0.0.1:9", None, "cpu", print))
    with pytest.raises(UmlipBenchError, match="give local, an address"):
        dask_jobs("nowhere.json", None, "cpu", print)


def join(out: str, *options: str) -> subprocess.Popen[bytes]:
    return begin("-m", "umlip_bench", "run", *COMMAND, "--join", "--out", out, *options)


@pytest.fixture
def short_chunks(seen: Path) -> Path:
    """The folder, where predicted seconds make many chunks of few cases, each of nearly a second."""
    (seen / "slow.py").write_text(CALCULATOR.replace("0.02", "0.4"))
    # Once, so that whoever joins takes its chunks from what is written down.
    run(seen / "run", None, join=True, only_plan=True)
    start = seen / "run" / "claims" / "start.json"
    start.write_text(start.read_text().replace('"chunk_seconds": 5.0', '"chunk_seconds": 0.5'))
    assert '"chunk_seconds": 0.5' in start.read_text()
    return seen


def test_processes_that_join_share_the_work(
    short_chunks: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    processes += [join("run"), join("run")]
    assert [each.wait(120) for each in processes] == [0, 0]
    assert len(writers(short_chunks / "run")) == 2
    done_once(short_chunks / "run")
    as_alone(short_chunks, short_chunks / "run")


def test_who_joins_takes_over_from_the_dead(
    short_chunks: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = join("run")
    processes.append(first)
    wait_for(lambda: sum(map(len, keys(short_chunks / "run"))) >= 3)
    first.kill()
    first.wait()
    assert sum(map(len, keys(short_chunks / "run"))) < N
    assert list((short_chunks / "run" / "claims").glob("*.held"))
    monkeypatch.setattr("umlip_bench.ground.claims.STALE", 1.0)
    monkeypatch.setattr("umlip_bench.running.joined_work.POLL", 0.2)
    assert run(short_chunks / "run", None, join=True).n_done == N
    done_once(short_chunks / "run")
    as_alone(short_chunks, short_chunks / "run")


def test_an_array_of_slurm(seen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(seen / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join([str(seen / "bin"), os.environ["PATH"]]))
    options = ["--tasks", "2", "--slurm", "time=4:00:00", "--slurm", "partition=cpu"]
    assert main(["submit", *COMMAND, "--out", "run", *options]) == 0
    assert len(started(seen / "bin")) == 2
    wait_for(lambda: not at_work(seen / "bin"))
    done_once(seen / "run")
    as_alone(seen, seen / "run")
    script = next((seen / "run" / "slurm").glob("*.sh")).read_text()
    assert "#SBATCH --time=4:00:00" in script
    assert "#SBATCH --partition=cpu" in script


def test_a_task_at_the_end_of_its_walltime_goes_on_in_another(
    short_chunks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(short_chunks / "bin")
    monkeypatch.setenv("PATH", os.pathsep.join([str(short_chunks / "bin"), os.environ["PATH"]]))
    shutil.rmtree(short_chunks / "run")
    assert main(["submit", *COMMAND, "--out", "run", "--tasks", "1"]) == 0
    wait_for(lambda: sum(map(len, keys(short_chunks / "run"))) >= 3)
    (task,) = started(short_chunks / "bin")
    # As Slurm tells it; the shell of the script is in the same group.
    python = [pid for pid in group_of(task) if pid != task]
    os.kill(python[-1], signal.SIGUSR2)
    wait_for(lambda: not at_work(short_chunks / "bin"))
    assert len(started(short_chunks / "bin")) == 2
    assert len(writers(short_chunks / "run")) == 2
    done_once(short_chunks / "run")
    as_alone(short_chunks, short_chunks / "run")


def group_of(pid: int) -> Sequence[int]:
    """Processes of a group, in the order in which they began."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[2]) == pid:
            found.append((int(words[19]), int(stat.parent.name)))
    return [number for _, number in sorted(found)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--join", "--jobs", "2"], "--jobs does not go with --join"),
        (["--join", "--dask", "local"], "--dask does not go with --join"),
        (["--join", "--new-model"], "--new-model does not go with --join"),
        (["--time-limit", "2"], "'2' is no length of time"),
        (["--time-limit", "0h"], "'0h' is no length of time"),
    ],
)
def test_options_that_do_not_go_together(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["run", *COMMAND, "--out", "run", *options]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"id": "x"}'])
def test_a_file_of_no_scheduler(here: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (here / "it.json").write_text(text)
    assert main(["run", *COMMAND, "--dask", "it.json", "--out", "run"]) == 2
    assert "--dask it.json is no scheduler" in " ".join(capsys.readouterr().err.split())


def test_submit_plans_nothing_where_there_is_no_slurm(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(here))
    assert main(["submit", *COMMAND, "--out", "run"]) == 2
    assert "no sbatch and no srun here" in capsys.readouterr().err
    assert not (here / "run").exists()


def test_submit_says_what_is_missing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option, said in (
        ("time=soon", "'soon' is no walltime"),
        ("partition", "'partition' is no option of sbatch"),
        ("mem=4G", "on a machine that has sbatch"),
        ("array=0-3", "say how many tasks there are with --tasks"),
        ("output=here.txt", "output cannot be given with --slurm"),
        ("open_mode=truncate", "what tasks write is in slurm/ of the run folder"),
        ("setup=module load", "setup cannot be given with --slurm"),
    ):
        words = ["--out", "run", "--tasks", "2", "--slurm", option]
        assert main(["submit", *COMMAND, *words]) == 2
        assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
