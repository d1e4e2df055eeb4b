"""Both sides in turn, their results compared, the ratio of their times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from ase import Atoms

from umlip_bench.engine import mapping
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.engine.speed.ends import Difference, End, difference
from umlip_bench.engine.speed.workloads import Work
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.protocol import Potential

MIN_REPEATS = 5
ALL_AT_ONCE = 1024
"""Measurements in flight unless told otherwise, as in a run."""


@dataclass(frozen=True)
class Timing:
    """One line of the comparison.

    Parameters
    ----------
    against
        The other side: ``"ase"`` or ``"matcalc"``, both with the library's calculator; ``"torch-sim"``; or
        ``"map"``, ASE's code under `umlip_bench.map`.
    in_flight
        Most structures under way at once on our side, which still splits them into calls as suits
        the device; the other side always takes one.
    theirs_per_s, ours_per_s
        Structures, paths or steps per second (`Work.unit`), medians over the repeats.
    ratio
        Median over the repeats of their time over ours.
    ratio_low, ratio_high
        Smallest and largest ratio.
    cpu_ratio, cpu_ratio_low, cpu_ratio_high
        The same of the time that processors of this machine spent in this process: on a machine that is
        not idle it is the one to trust, on a GPU it says what the host has to do.
    repeats
        Number of paired repeats.
    """

    against: str
    in_flight: int
    theirs_per_s: float
    ours_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    cpu_ratio: float
    cpu_ratio_low: float
    cpu_ratio_high: float
    repeats: int


@dataclass(frozen=True)
class Comparison:
    """All timings of one kind of work, and how closely the two sides agreed.

    Parameters
    ----------
    work, description, unit, n
        What was done, on what, in which unit, and how many of them in a repeat.
    timings
        One for each other side and number in flight.
    difference, tolerance
        Largest differences between the ends of the two sides, and what was tolerated.
    """

    work: str
    description: str
    unit: str
    n: int
    timings: tuple[Timing, ...]
    difference: Difference
    tolerance: Difference


def compare(work: Work, potential: Potential, in_flight: Sequence[int], repeats: int) -> Comparison:
    """Time one kind of work on both sides.

    Parameters
    ----------
    work
        What is done.
    potential
        The model; its library's calculator runs the same weights on the same device.
    in_flight
        Most structures under way at once on our side; one timing for each.
    repeats
        Paired repeats, at least `MIN_REPEATS`.

    Raises
    ------
    UmlipBenchError
        If the two sides do not come to the same end, or `repeats` is too small.
    """
    if repeats < MIN_REPEATS:
        raise UmlipBenchError(f"{repeats} repeats are too few; at least {MIN_REPEATS} are needed")
    calculator = potential.reference_calculator()
    sides = {name: partial(do, calculator) for name, do in work.others.items()}
    if work.mapped is not None:
        sides["map"] = partial(_mapped, work.mapped, work.structures, potential)
    expected = {name: side() for name, side in sides.items()}  # also warms up
    tolerance = work.tolerance(potential.dtype)
    worst = Difference(0.0, 0.0, 0.0)
    for n in in_flight:
        mine = run_work(work, potential, n)
        for name, theirs in expected.items():
            found = difference(theirs, mine)
            if not found.within(tolerance):
                raise UmlipBenchError(
                    f"{potential.card.name}, {work.name}: our results differ from those of {name} by "
                    f"{found}, tolerated are {tolerance}; the timing would mean nothing"
                )
            worst = worst.larger(found)

    theirs_s: dict[str, list[_Seconds]] = {name: [] for name in sides}
    ours_s: dict[int, list[_Seconds]] = {n: [] for n in in_flight}
    for _ in range(repeats):
        for name, side in sides.items():
            theirs_s[name].append(_seconds(side))
        for n in in_flight:
            ours_s[n].append(_seconds(partial(run_work, work, potential, n)))
    timings = tuple(
        _timing(name, n, work.n, theirs_s[name], ours_s[n]) for name in sides for n in in_flight
    )
    return Comparison(work.name, work.description, work.unit, work.n, timings, worst, tolerance)


def _mapped(
    function: Callable[[Atoms], End], structures: Sequence[Atoms], potential: Potential
) -> list[End]:
    return [done.value for done in mapping.map(function, structures, model=potential)]


def run_work(work: Work, potential: Potential, in_flight: int) -> list[End]:
    """Do it with the engine; the ends in the order of `Work.library`.

    Raises
    ------
    UmlipBenchError
        If one of its measurements fails.
    """
    tasks = work.tasks()
    ends: list[list[End]] = [[]] * len(tasks)
    for outcome in run_tasks(potential, enumerate(tasks), in_flight=in_flight):
        if isinstance(outcome, Failed):
            raise outcome.error
        ends[outcome.key] = outcome.result
    return [end for several in ends for end in several]


@dataclass(frozen=True)
class _Seconds:
    """Of one repeat."""

    wall: float
    cpu: float


def _timing(
    against: str,
    in_flight: int,
    n: int,
    theirs: Sequence[_Seconds],
    ours: Sequence[_Seconds],
) -> Timing:
    ratios = np.divide([each.wall for each in theirs], [each.wall for each in ours])
    cpu = np.divide([each.cpu for each in theirs], [each.cpu for each in ours])
    return Timing(
        against=against,
        in_flight=in_flight,
        theirs_per_s=n / median(each.wall for each in theirs),
        ours_per_s=n / median(each.wall for each in ours),
        ratio=float(np.median(ratios)),
        ratio_low=float(ratios.min()),
        ratio_high=float(ratios.max()),
        cpu_ratio=float(np.median(cpu)),
        cpu_ratio_low=float(cpu.min()),
        cpu_ratio_high=float(cpu.max()),
        repeats=len(ratios),
    )


def _seconds(work: Callable[[], object]) -> _Seconds:
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return _Seconds(time.perf_counter() - start, time.process_time() - cpu)
