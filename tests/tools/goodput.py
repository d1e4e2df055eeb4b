"""Finished cases per second of the processor: batches as they are chosen, against batches of one size.

    python tests/tools/goodput.py [MODEL] [REPEATS]

Mixed work: equations of state, phonons and high-energy states of the embedded set (31 cases, single
evaluations and relaxations). Each fixed size is paired with what is chosen in the same repeat, one after the
other, the order turned from repeat to repeat; printed are the ratios chosen over fixed, with their range, and
the edges that are chosen.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator

import umlip_bench
from umlip_bench import datasets
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.measuring import CaseLeft, measured

SUITES = ("eos", "phonons", "high-energy")
FIXED = (1, 250, 1000, 4000, 16000)
"""Edges of a call; a larger structure is a call of its own."""


def cases() -> Iterator[CaseLeft]:
    """The work."""
    dataset = datasets.load("pbe-mini")
    for name in SUITES:
        suite = load_suite(name)
        for case in suite.cases(dataset, Mode.STANDARD):
            yield CaseLeft(suite, case, f"{name}|{case.name}")


def goodput(potential: Potential, work: list[CaseLeft], edges: int) -> float:
    """Cases per second of the processor."""
    potential.edges_per_cpu_batch = edges
    start = time.process_time()
    n = sum(1 for _ in measured(potential, work, "pbe-mini"))
    return n / (time.process_time() - start)


def main(model: str, repeats: int) -> None:
    """Print the table."""
    potential = umlip_bench.potential(model, device="cpu")
    chosen, work = potential.edges_per_cpu_batch, list(cases())
    goodput(potential, work[:4], chosen)
    ratios: dict[int, list[float]] = {edges: [] for edges in FIXED}
    for k in range(repeats):
        for edges in FIXED if k % 2 else FIXED[::-1]:
            pair = {
                each: goodput(potential, work, each)
                for each in ((chosen, edges) if k % 2 else (edges, chosen))
            }
            ratios[edges].append(pair[chosen] / pair[edges] if edges != chosen else 1.0)
        print(f"repeat {k + 1}: { ({e: round(r[-1], 3) for e, r in ratios.items()}) }", flush=True)
    print(f"{model}, {len(work)} cases, {chosen} edges chosen, load {os.getloadavg()[0]:.1f}")
    for edges, found in ratios.items():
        print(
            f"{edges:6d} edges: {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f}), "
            f"n {len(found)}"
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chgnet-0.3.0", int(next(iter(sys.argv[2:]), 5)))
