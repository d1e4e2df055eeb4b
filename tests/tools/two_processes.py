"""How much sooner a run ends with two processes than with one.

    python tests/tools/two_processes.py [PAIRS]

gives ``umlip-bench run high-energy --data mattersim-tp --model chgnet-0.3.0`` with ``--jobs 1`` and
``--jobs 2``
in alternation, a thread each, into new folders, and prints for each pair seconds by the clock: of the command
as a whole, and from its plan to its last finished case, loading of the model included. Ratios are one process
over two; medians and range. The load says whether both cores were idle.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from umlip_bench.analysis.run_files import PLAN, open_journal

COMMAND = ["run", "high-energy", "--data", "mattersim-tp", "--model", "chgnet-0.3.0"]


def seconds(folder: Path, jobs: int) -> tuple[float, float]:
    """Of the command, and from its plan to the last case."""
    command = [sys.executable, "-m", "umlip_bench", *COMMAND, "--jobs", str(jobs)]
    start = time.time()
    subprocess.run(
        [*command, "--out", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    whole = time.time() - start
    journal = open_journal(folder)
    lines = [line for key in journal.keys() if (line := journal.line(key)) is not None]  # noqa: SIM118
    last = max(datetime.fromisoformat(line.at).timestamp() for line in lines)
    return whole, last - (folder / PLAN).stat().st_mtime


def main(pairs: int) -> None:
    """Measure pairs, after a first run that fills caches."""
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        seconds(Path(name) / "first", 1)
        for k in range(pairs):
            load = os.getloadavg()[0]
            one, two = (seconds(Path(name) / f"{k}-{jobs}", jobs) for jobs in (1, 2))
            ratios.append((one[0] / two[0], one[1] / two[1]))
            print(
                f"whole {one[0]:.1f} and {two[0]:.1f} s, from plan to last case {one[1]:.1f} and "
                f"{two[1]:.1f} s, load before {load:.1f}",
                flush=True,
            )
    for what, values in zip(
        ("whole", "from plan to last case"), zip(*ratios, strict=True), strict=True
    ):
        print(
            f"{what}: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f}), n {pairs}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
