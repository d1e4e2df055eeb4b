"""How long a run folder of 100,000 cases takes to open, and to tell its status, and what memory.

    python tests/tools/many_cases.py FOLDER [N]

makes the folder, with results that were not computed, if it is not there. For each of four things it prints
seconds (of the processor and of the clock) and the peak of memory of a process that does it: nothing but
imports, opening the folder to go on with the run, ``umlip-bench status``, and reading every array.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from umlip_bench.analysis.run_files import DONE, CaseRecord, RunConfig, open_journal
from umlip_bench.running.folder import RunFolder

N = 100_000
CONFIG = RunConfig({"data": {"id": "toy"}}, {}, {"toy": {"sha256": "0" * 64}}, ["high-energy"])


def key_of(number: int) -> str:
    """Of a case."""
    return f"{number:032x}"


def make(folder: Path, n: int) -> None:
    """Write a folder of so many cases."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    rng = np.random.default_rng(0)
    with RunFolder(folder, CONFIG) as run:
        run.set_plan("high-energy", {"toy": {f"case-{k}": key_of(k) for k in range(n)}})
        for k in range(n):
            values = dict(
                zip(("slope", "inverse", "r2", "mae"), rng.random(4).tolist(), strict=True)
            )
            record = CaseRecord(
                key_of(k), "toy", "toy", "high-energy", f"case-{k}", ("Cu",), DONE, None, values
            )
            run.add(record, {"forces": rng.random((8, 3)), "reference": rng.random((8, 3))})


def imports(folder: Path) -> None:
    """Nothing else."""


def opened(folder: Path) -> None:
    """As a command that goes on with the run."""
    with RunFolder(folder, CONFIG) as run:
        left = [k for k in run.plan["toy"]["high-energy"].values() if run.record(k) is None]
    assert not left


def read(folder: Path) -> None:
    """Every case with its arrays, one after the other."""
    journal = open_journal(folder)
    assert sum(float(journal.arrays(key)["forces"].sum()) for key, _ in journal.items()) > 0.0


def _command(step: Callable[[Path], None], folder: Path) -> list[str]:
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path; "
    script += f"import many_cases; many_cases.{step.__name__}(Path({str(folder)!r}))"
    return [sys.executable, "-c", script]


def measured(name: str, command: Sequence[str]) -> None:
    """Run a command and print what it took."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, exit_status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if exit_status:
        raise SystemExit(f"{name} ended with {exit_status}")
    cpu = used.ru_utime + used.ru_stime
    print(f"{name}: {cpu:.1f} s of the processor, {wall:.1f} s, {used.ru_maxrss / 1024:.0f} MB")


def main(folder: Path, n: int) -> None:
    """Measure each in a process of its own."""
    if not folder.exists():
        make(folder, n)
    status = [sys.executable, "-m", "umlip_bench", "status", str(folder)]
    measured("imports", _command(imports, folder))
    measured("opened", _command(opened, folder))
    measured("umlip-bench status", status)
    measured("read", _command(read, folder))
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else N)
