"""Shares of suites, lengths of chunks and the order of cases, with a clock that is told what things take."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pytest
from ase.build import bulk

from umlip_bench.running.case_order import across_materials, material_of, size_of
from umlip_bench.running.planner import CHUNK_SECONDS, Planner, Share

COSTS = {"cheap": 0.01, "middling": 0.3, "dear": 4.0}
"""Seconds for each atom."""


@dataclass(frozen=True, eq=False)
class Toy:
    group: str
    size: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Inner:
    system: str


@dataclass(frozen=True, eq=False)
class ToyCase:
    name: str
    data: Inner
    elements: tuple[str, ...] = ("Cu",)
    frames: tuple[object, ...] = field(default=())


def items(scatter: float, n: int = 400) -> list[Toy]:
    """Items of three suites, of 1 to 20 atoms, whose seconds scatter about what their atoms cost."""
    rng = np.random.default_rng(1)
    return [
        Toy(group, size, cost * size * float(rng.lognormal(0.0, scatter)))
        for group, cost in COSTS.items()
        for size in map(float, rng.integers(1, 20, n))
    ]


@dataclass(frozen=True)
class Moment:
    """The state when a chunk has ended: seconds by suite, and the suites that have something left."""

    spent: Mapping[str, float]
    unserved: frozenset[object]
    chunk: float


def worked_off(planner: Planner[Toy], n_workers: int) -> Iterator[Moment]:
    """Let workers take and end chunks."""
    spent = dict.fromkeys(COSTS, 0.0)
    busy: list[tuple[float, int, Share[Toy]]] = []
    longest, count = float(CHUNK_SECONDS), 0

    def begin(now: float) -> None:
        nonlocal count
        share = planner.take(n_workers)
        if share is not None:
            count += 1
            heapq.heappush(busy, (now + sum(i.seconds for i in share.items), count, share))

    for _ in range(n_workers):
        begin(0.0)
    while busy:
        now, _, share = heapq.heappop(busy)
        seconds = sum(item.seconds for item in share.items)
        longest = max(longest, seconds)
        spent[str(share.group)] += seconds
        planner.ended(share.items, seconds)
        yield Moment({g: spent[g] for g in COSTS}, planner.unserved, longest)
        begin(now)


@pytest.mark.parametrize("n_workers", [1, 2, 4])
@pytest.mark.parametrize("scatter", [0.0, 0.5])
def test_suites_that_have_cases_left_have_had_the_same_time(n_workers: int, scatter: float) -> None:
    moments = list(worked_off(Planner(items(scatter)), n_workers))
    assert sum(moments[-1].spent.values()) == pytest.approx(
        sum(item.seconds for item in items(scatter))
    )
    for moment in moments[1:]:
        for one, other in combinations(moment.unserved, 2):
            apart = abs(moment.spent[str(one)] - moment.spent[str(other)])
            assert apart <= 2 * moment.chunk, moment


def test_all_suites_have_results_early() -> None:
    """Before a hundredth of the work is done, where one after the other the dear one would come last."""
    total = sum(item.seconds for item in items(0.5))
    for moment in worked_off(Planner(items(0.5)), 1):
        if all(moment.spent.values()):
            assert sum(moment.spent.values()) < total / 100
            return
    raise AssertionError


@pytest.mark.parametrize("scatter", [0.0, 0.5])
def test_chunks_are_as_long_as_wanted_once_something_is_known(scatter: float) -> None:
    planner = Planner(items(scatter), chunk_seconds=30.0)
    found = []
    while (share := planner.take(1)) is not None:
        seconds = sum(item.seconds for item in share.items)
        found.append((share, seconds))
        planner.ended(share.items, seconds)
    assert len(found[0][0].items) == 1
    # After the first few, and before the last ones.
    cheap = [seconds for share, seconds in found if share.group == "middling"][5:-8]
    assert len(cheap) > 10
    assert max(cheap) < 30.0 * (1.0 if scatter == 0.0 else 1.6)
    assert np.median(cheap) > 20.0
    assert sum(len(share.items) for share, _ in found) == len(items(scatter))


def test_the_last_chunks_are_short_so_that_all_workers_end_together() -> None:
    planner = Planner([Toy("a", 1.0, 1.0) for _ in range(1000)], rates={"a": 1.0})
    sizes = []
    while (share := planner.take(8)) is not None:
        sizes.append(len(share.items))
    assert sizes[0] == 10
    assert sizes[-8:] == [1] * 8
    assert sizes == sorted(sizes, reverse=True)


def test_what_is_put_back_is_given_out_again_and_no_longer_counts() -> None:
    planner = Planner([Toy("a", 1.0, 1.0) for _ in range(9)], rates={"a": 1.0}, chunk_seconds=2.0)
    first = planner.take()
    assert first is not None
    assert first.seconds == 2.0
    assert planner.served == {"a": 2.0}
    planner.put_back(first.items)
    assert planner.served == {"a": 0.0}
    assert planner.n_left == 9
    again = planner.take()
    assert again is not None
    assert list(again.items) == list(first.items)


def test_a_chunk_is_no_longer_than_the_time_that_is_left() -> None:
    planner = Planner([Toy("a", 1.0, 1.0) for _ in range(99)], rates={"a": 1.0})
    share = planner.take(most_seconds=3.0)
    assert share is not None
    assert len(share.items) == 3


def names(cases: Sequence[ToyCase]) -> list[str]:
    return [case.name for case in cases]


def test_every_material_comes_once_before_any_comes_twice() -> None:
    cases = [
        ToyCase(f"{material}-{k}", Inner(material)) for material in "ABCDEFGH" for k in range(5)
    ]
    ordered = across_materials(cases)
    for k in range(5):
        of_round = ordered[8 * k : 8 * k + 8]
        assert sorted(material_of(case) for case in of_round) == list("ABCDEFGH")
    random.Random(0).shuffle(cases)
    assert names(across_materials(cases)) == names(ordered)
    assert names(ordered) != sorted(names(ordered))


def test_whenever_it_ends_a_run_has_a_random_sample_of_materials() -> None:
    """The first tenth of cases whose names tell what they are is not of one kind."""
    cases = [ToyCase(f"case-{k:04d}", Inner(f"material-{k:04d}")) for k in range(1000)]
    ranks = [int(case.name[-4:]) for case in across_materials(cases)[:100]]
    # 100 of 0 to 999 at random: a mean of 499.5 with a standard error of 27.
    assert abs(np.mean(ranks) - 499.5) < 4 * 27


def test_the_size_of_a_case_is_its_atoms() -> None:
    copper = bulk("Cu", cubic=True)
    assert size_of(ToyCase("a", Inner("A"), frames=(copper, {"x": copper * 2}))) == 4 + 32
    assert size_of(ToyCase("a", Inner("A"))) == 1
