"""Runs whose model lives in another process, when that process or the run itself is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from umlip_bench.environments.environment import Environment

pytestmark = pytest.mark.seconds


def command(model: str, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "umlip_bench", "run", "high-energy", "--data", "pbe-mini"),
        *("--model", model, "--out", str(out), "--device", "cpu"),
    ]


def rows(out: Path) -> Any:
    return json.loads((out / "summary.json").read_text())


def n_done(out: Path) -> int:
    """Lines of the run's journals."""
    return sum(len(path.read_text().splitlines()) for path in (out / "journal").glob("*.jsonl"))


def wait_for(out: Path, n: int, run: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while n_done(out) < n:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def worker_of(run: subprocess.Popen[str]) -> int:
    (pid,) = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    return int(pid)


def test_neither_the_worker_s_death_nor_the_run_s_changes_a_number(
    calculators: Environment, tmp_path: Path
) -> None:
    model = f"{tmp_path / 'calculators.py'}:slow"
    quiet, disturbed = tmp_path / "quiet", tmp_path / "disturbed"
    subprocess.run(command(model, quiet), check=True, capture_output=True)

    run = subprocess.Popen(
        command(model, disturbed), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(disturbed, 2, run)
    first = worker_of(run)
    os.kill(first, signal.SIGKILL)
    wait_for(disturbed, n_done(disturbed) + 2, run)
    second = worker_of(run)
    assert second != first
    run.kill()
    said, _ = run.communicate()
    assert "SIGKILL while it was asked" in said
    deadline = time.monotonic() + 20
    while Path(f"/proc/{second}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)

    before = n_done(disturbed)
    again = subprocess.run(command(model, disturbed), check=True, capture_output=True, text=True)
    assert n_done(disturbed) > before
    assert "SIGKILL" not in again.stdout + again.stderr
    assert rows(disturbed) == rows(quiet)


def test_a_run_folder_knows_when_the_environment_changed(
    calculators: Environment, tmp_path: Path
) -> None:
    """Other numbers under the same identity are told from the same by the fingerprint."""
    weights = tmp_path / "epsilon"
    weights.write_text("0.1")
    # What the environment file reads behind everybody's back is part of no digest.
    text = calculators.file.read_text()
    calculators.file.write_text(
        text.replace("return lennard_jones()", f"return hidden({str(weights)!r})")
        + "\n\ndef hidden(path):\n"
        "    return LennardJones(sigma=2.0, epsilon=float(open(path).read()), rc=6.0)\n"
    )
    model, out = f"{tmp_path / 'calculators.py'}:lj", tmp_path / "out"
    subprocess.run(command(model, out), check=True, capture_output=True)
    subprocess.run(command(model, out), check=True, capture_output=True)
    weights.write_text("0.2")
    changed = subprocess.run(command(model, out), capture_output=True, text=True)
    assert changed.returncode != 0
    assert "calculators:lj is not the model that the results in" in changed.stdout + changed.stderr
