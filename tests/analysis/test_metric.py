"""Cases that have but a rank, and cases that are not independent, are counted and said."""

from collections.abc import Sequence

import numpy as np
import pytest
from ase.build import bulk

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.metric import Metric, PairedMetricEstimate
from umlip_bench.analysis.over import Median
from umlip_bench.analysis.registry import suite_of

from ..support.runs import material

View = tuple[float, float]
"""Value and rank of a case."""

SOFTNESS = Metric[View](
    "softness", lambda view: view[0], over=(Median(paired=True),), ranked=lambda view: view[1]
)
NAN, INF = float("nan"), float("inf")


def compared(first: Sequence[View], second: Sequence[View]) -> list[PairedMetricEstimate]:
    systems = [f"m{k}" for k in range(len(first))]
    return list(SOFTNESS.compare(systems, first, second))


def test_cases_by_rank_alone_are_counted() -> None:
    known: list[View] = [(0.5 + 0.01 * k, NAN) for k in range(7)]
    unstable, failed = (NAN, -INF), (NAN, NAN)
    # Unstable in one, in both, and once beside a case that failed: that one has neither value nor rank.
    first = [*known, (0.7, NAN), unstable, unstable]
    second = [*((a + 0.1, b) for a, b in known), unstable, unstable, failed]
    (found,) = compared(first, second)
    assert found.estimate.n_cases == 7
    assert found.estimate.n_ranked == 2
    assert found.estimate.difference == pytest.approx(0.1)
    (none,) = compared(known, known)
    assert none.estimate.n_ranked == 0


def test_a_metric_of_ranks_alone_is_not_dropped_unseen() -> None:
    unstable: View = (NAN, -INF)
    (found,) = compared([unstable] * 3, [(0.5, NAN)] * 3)
    assert (found.estimate.n_cases, found.estimate.n_ranked) == (0, 3)
    assert np.isnan(found.estimate.difference)
    assert found.estimate.low is None
    assert compared([(NAN, NAN)] * 3, [(0.5, NAN)] * 3) == []


def test_clusters_are_in_rows_and_captions() -> None:
    """Eight entries of three formulas are three, in the table and its caption."""
    suite = suite_of("high-energy")
    formulas = ["A", "A", "A", "B", "B", "B", "C", "C"]
    entries = [
        MaterialComparison(f"m{k}", material("m", bulk("Si"), {"Si": 0.8}, seed=k).frames, formula)
        for k, formula in enumerate(formulas)
    ]
    rows = suite.rows("toy", "data", entries, 0)
    assert {row.n_systems for row in rows} == {3}
    assert "8 materials are 3 independent ones" in suite.presentation.caption(rows)
    alone = suite.rows("toy", "data", [MaterialComparison(e.name, e.frames) for e in entries], 0)
    assert {row.n_systems for row in alone} == {8}
    assert "independent" not in suite.presentation.caption(alone)
    one = suite.rows("toy", "data", entries[:3], 0)
    assert "3 materials are 1 independent one:" in suite.presentation.caption(one)
