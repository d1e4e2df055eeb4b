"""How much of the time of many workers is useful: a simulation that the real planners drive.

    python -m umlip_bench.running.cluster_study RUN [--workers N ...] [--cases N ...] [--scale X ...]

takes what cases took from a run folder, draws as many as are asked for, and lets workers measure them that
are started, die and come to the end of their walltime: once planned by one process for all
(`umlip_bench.running.planner`, as with ``--dask``), once by claims in a folder
(`umlip_bench.running.joined_work`, as with ``submit``). It prints the share of all worker time that went into
cases that are done, and where the rest went. Times are seconds of the simulation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from umlip_bench.analysis.run_files import JOURNAL, open_journal
from umlip_bench.ground.journal import durations
from umlip_bench.running.simulated_planning import ByClaims, ByOne
from umlip_bench.running.simulated_workers import HOUR, Cluster, SimulatedCase, Spent, Workers


def drawn(
    measured: Mapping[str, Sequence[float]], n: int, scale: float, spread: float, seed: int = 0
) -> list[SimulatedCase]:
    """Cases like measured ones, suites in equal numbers.

    Parameters
    ----------
    measured
        Seconds of cases, by suite.
    n
        Cases.
    scale
        Factor on what they took: another model, another device.
    spread
        As of `Cluster`.
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    suites = sorted(measured)
    found = []
    for k, suite in enumerate(suites):
        of_suite = n // len(suites) + (k < n % len(suites))
        sizes = scale * rng.choice(np.array(measured[suite]), of_suite)
        # The mean of what they take is what is expected.
        factors = rng.lognormal(-(spread**2) / 2, spread, of_suite)
        found += [
            SimulatedCase(f"{suite}-{j}", suite, float(size), float(size * factor))
            for j, (size, factor) in enumerate(zip(sizes, factors, strict=True))
        ]
    return found


def simulated(
    planning: type[ByOne] | type[ByClaims],
    cluster: Cluster,
    cases: Sequence[SimulatedCase],
    seed: int = 0,
) -> Spent:
    """Worker time that a work takes, and what it goes into."""
    return Workers(cluster, seed).run(planning(cluster, cases))


def measured_seconds(run: Path) -> dict[str, list[float]]:
    """What cases of a run folder took, by suite; a file's first case is left out, since it began unseen."""
    journal = open_journal(run)
    found: dict[str, list[float]] = {}
    for key, seconds in durations(run / JOURNAL):
        record = journal.get(key)
        if record is not None and seconds > 0.0:
            found.setdefault(record.suite, []).append(seconds)
    return found


def _lines(options: argparse.Namespace) -> Iterator[str]:
    measured = measured_seconds(options.run)
    for suite, of in measured.items():
        yield f"{suite}: {len(of)} cases, median {np.median(of):.2f} s, mean {np.mean(of):.2f} s"
    yield "planned by | workers | cases | s a case | chunks | hours | useful | start | wait | lost"
    for n in options.workers:
        for n_cases in options.cases:
            for scale in options.scale:
                cluster = Cluster(n)
                cases = drawn(measured, n_cases, scale, cluster.spread)
                mean = float(np.mean([case.seconds for case in cases]))
                for name, planning in (("one", ByOne), ("claims", ByClaims)):
                    spent = simulated(planning, cluster, cases)
                    total = spent.useful / spent.share
                    parts = (spent.starting, spent.waiting, spent.lost)
                    yield (
                        f"{name} | {n} | {n_cases} | {mean:.3g} | {spent.n_chunks} | "
                        f"{spent.longest / HOUR:.2f} | {spent.share:.3f} | "
                        + " | ".join(f"{part / total:.3f}" for part in parts)
                    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--workers", type=int, nargs="+", default=[1000])
    parser.add_argument("--cases", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--scale", type=float, nargs="+", default=[1.0])
    for line in _lines(parser.parse_args(arguments)):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
