"""Verdicts in short: what the suites say, in eighty columns."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.verdict_table import WIDTH, verdict_tables
from umlip_bench.benchmarks import load_suite

SUITE = load_suite("high-energy")
LONG = "tensornet-matpes-r2scan-2025.1"


def materials(slope: float, n: int) -> list[MaterialComparison]:
    rng = np.random.default_rng(0)
    found = []
    for k in range(n):
        x = rng.normal(size=(8, 3))
        y = slope * x + 0.01 * rng.normal(size=x.shape)
        frame = FrameComparison("Si", 0.0, 0.0, x, y, None, None)
        found.append(MaterialComparison(str(k), (frame,)))
    return found


def printed(*models: tuple[str, float, int]) -> str:
    rows = [row for m, slope, n in models for row in SUITE.rows(m, "toy", materials(slope, n), 0)]
    console = Console(file=StringIO(), width=WIDTH)
    for table in verdict_tables([(SUITE, rows)], [name for name, _, _ in models]):
        console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_one_line_for_each_suite_and_model() -> None:
    said = printed((LONG, 0.8, 8), ("stiff", 1.2, 8), ("few", 0.8, 3))
    assert all(len(line) <= WIDTH for line in said.splitlines())
    assert f"{LONG}: model over DFT" in said
    own, stiff, few = said.split("model over DFT")[1:]
    assert "0.80 [0." in own
    assert " 8   soft" in own
    assert " 8   stiff" in stiff
    assert " 3   undecided" in few


@pytest.mark.parametrize("models", [(), (("one", 0.8, 8),)])
def test_a_single_line_stands_by_itself(models: tuple[tuple[str, float, int], ...]) -> None:
    assert printed(*models) == ""
