"""How long a run folder of 100,000 cases takes to open, and to tell its status, and what memory.

    python tests/tools/many_cases.py FOLDER [N]

makes the folder, with results that were not computed, if it is not there. For each of four things it prints
seconds (of the processor and of the clock) and the peak of memory of a process that does it: nothing but
imports, opening the folder to go on with the run, ``umlip-bench status``, and reading every array.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
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


def status(folder: Path) -> None:
    """As ``umlip-bench status``."""
    from umlip_bench.cli import main

    assert main(["status", str(folder)]) == 0


def read(folder: Path) -> None:
    """Every case with its arrays, one after the other."""
    journal = open_journal(folder)
    assert sum(float(journal.arrays(key)["forces"].sum()) for key, _ in journal.items()) > 0.0


def main(folder: Path, n: int) -> None:
    """Measure each in a process of its own."""
    if not folder.exists():
        make(folder, n)
    for step in (imports, opened, status, read):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path; "
        script += "import resource, many_cases; "
        script += f"many_cases.{step.__name__}(Path({str(folder)!r})); "
        script += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        found = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        )
        wall = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak = int(found.stdout.split()[-1]) / 1024
        print(f"{step.__name__}: {cpu:.1f} s of the processor, {wall:.1f} s, {peak:.0f} MB")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else N)
